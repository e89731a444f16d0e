"""Each member got exactly its rounds, or a reason that is stated and true."""

from collections import defaultdict
from datetime import datetime, timedelta

from dialer.referee.campaignfile import Round
from dialer.referee.members import Member, members
from dialer.referee.model import Attempt, Link
from dialer.referee.scene import Scene

FINAL = frozenset({"settled", "blocked", "expired", "cancelled"})
RING = timedelta(minutes=5)
"""A call has to be able to ring before its window closes, so it expires that much earlier, at most."""
Spot = tuple[int, int]
Key = tuple[str, Link]
"""(campaign, (account id, installment id))"""


def rounds(scene: Scene) -> None:
    if scene.evidence.actions is None:
        return
    rows: dict[Key, list[Attempt]] = defaultdict(list)
    for attempt in scene.evidence.attempts:
        if attempt.is_reminder:
            for link in attempt.every_link:
                rows[attempt.campaign, link].append(attempt)
    _twice(scene, rows)
    _reasons(scene)
    for member in members(scene):
        _member(scene, member, [one for one in rows.get((member.campaign, member.link), ()) if one.cause == "round"])


def _twice(scene: Scene, rows: dict[Key, list[Attempt]]) -> None:
    """One placement for each (account, installment, place in the cadence, try)."""
    for (_, link), attempts in sorted(rows.items()):
        seen: dict[tuple[object, ...], str] = {}
        for one in attempts:
            if one.attempt_id not in scene.placed or link not in one.links:
                continue
            place = (one.due_on, _spot(scene, one) or (one.segment, one.round), one.try_)
            if place in seen:
                text = f"round {one.round} try {one.try_} for {one.due_on} was placed in {seen[place]} too"
                scene.sheet.found("rounds", one.claimed_at, one.attempt_id, link[0], text)
            seen[place] = one.attempt_id


def _spot(scene: Scene, attempt: Attempt) -> Spot | None:
    """The attempt's place in the cadence, in any version that has it."""
    campaign = scene.campaign(attempt)
    for _, _, file in reversed(campaign.files.entries if campaign else []):
        segment = file.segment(attempt.segment)
        if segment and (found := segment.round(attempt.round)):
            return found.spot
    return None


def _reasons(scene: Scene) -> None:
    """What did not take place says why, and what can be looked up is true."""
    for one in scene.evidence.attempts:
        if one.cause != "round" or one.state not in FINAL:
            continue
        scene.sheet.checked["rounds"] += 1
        if text := _untrue(scene, one):
            scene.sheet.found("rounds", one.settled_at or one.planned_for, one.attempt_id, one.about, text)


def _untrue(scene: Scene, one: Attempt) -> str:
    """What is wrong with the reason; empty: nothing."""
    if one.state == "settled":
        return "" if one.disposition and one.outcome else "is settled without disposition or outcome"
    if one.state == "blocked":
        return "" if one.rule else "is blocked by no rule"
    if not one.reason and not one.rule:
        return f"is {one.state} without a reason"
    at = one.settled_at or scene.end
    if at is None:
        return ""
    if one.state == "expired" and not one.rule and one.window_until - RING > at:
        return f"expired at {at:%F %T} ({one.reason}), before its window closed at {one.window_until:%F %T}"
    if one.reason == "paid" and not any(_was_paid(scene, link, at) for link in one.every_link):
        return f"is cancelled as paid at {at:%F %T}, and none of it was"
    if one.reason == "campaign_cancelled" and not _was_cancelled(scene, one, at):
        return f"is cancelled with its campaign at {at:%F %T}, which was not"
    return ""


def _was_paid(scene: Scene, link: Link, at: datetime) -> bool:
    known = scene.ledger.owed.get(link)
    return known is None or any(not owed.is_open and asked <= at for asked, _, owed in known.entries)


def _was_cancelled(scene: Scene, one: Attempt, at: datetime) -> bool:
    campaign = scene.campaign(one)
    return campaign is None or any(word == "cancelled" and asked <= at for asked, _, word in campaign.status.entries)


def _member(scene: Scene, member: Member, rows: list[Attempt]) -> None:
    """All places of a segment that may serve it have a row that stands for them."""
    file = scene.ledger.campaigns[member.campaign].files.entries[-1][2]
    for one in rows:
        if one.due_on == member.due_on and one.segment not in {segment.name for segment in member.segments}:
            names = " or ".join(segment.name for segment in member.segments)
            text = f"round {one.round} for {member.due_on} is of segment {one.segment}; by its payments it is {names}"
            scene.sheet.found("rounds", one.planned_for, one.attempt_id, member.link[0], text)
            return
    if not rows and not member.must:
        return
    covered = {spot for one in rows if (spot := _spot(scene, one)) and _stands(scene, member, one)}
    named = {spot for one in rows if (spot := _spot(scene, one))}
    lacks = {segment.name: _lacking(file.rounds_of(segment, member.due_on), covered) for segment in member.segments}
    scene.sheet.checked["rounds"] += 1
    if all(lacks.values()):
        name = min(lacks, key=lambda one: (len(lacks[one]), one))
        first = lacks[name][0]
        why = "only rows that were re-planned" if first.spot in named else "no row"
        text = f"round {first.number} of {len(_rounds_of(member, name))} for {member.due_on} has {why}"
        scene.sheet.found("rounds", None, "", member.link[0], f"segment {name}: {text}")


def _lacking(wanted: list[Round], covered: set[Spot]) -> list[Round]:
    return [one for one in wanted if one.spot not in covered]


def _rounds_of(member: Member, name: str) -> tuple[Round, ...]:
    return next(segment.rounds for segment in member.segments if segment.name == name)


def _stands(scene: Scene, member: Member, one: Attempt) -> bool:
    """Whether the row accounts for its place. A re-planned one only where something changed, so that nothing may have
    come after it."""
    if one.state == "planned":
        return True
    return one.state != "cancelled" or one.reason != "replanned" or not (member.is_steady and member.is_alone)
