"""No placement after a stop, after full payment, while stopped or while a promise runs."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from dialer.referee.days import local, midnight_after
from dialer.referee.ledger import Bar, e164
from dialer.referee.model import Action, Attempt, Link
from dialer.referee.reading import instant
from dialer.referee.scene import Call, Scene

STOP_TEXTS = frozenset({"STOP", "TD", "退订", "UNSUBSCRIBE"})
"""Texts that mean stop beyond any doubt, and are nothing else; what else may mean it is not judged."""
OTHER = {"voice": "sms", "sms": "voice"}
STOPS = frozenset({"opted_out", "deceased", "wrong_number", "invalid_number"})

Key = tuple[str, str, str]
"""(campaign, account id, installment id)"""


@dataclass(frozen=True, slots=True)
class Said:
    """An outcome, from when it was known."""

    attempt: Attempt
    outcome: str
    since: datetime
    at: datetime


@dataclass(slots=True)
class Stops:
    """Who is not to be contacted, and which installments a campaign has done with."""

    by_person: dict[str, list[Bar]]
    by_phone: dict[str, list[Bar]]
    of_campaign: dict[Key, tuple[datetime, str]]
    pauses: dict[Key, list[tuple[datetime, datetime, str]]]
    """(known since, slots before are paused, why), in the order in which they were said."""
    replies: dict[str, int]
    """number → texts that it sent"""


def read_stops(scene: Scene) -> Stops:
    stops = Stops(defaultdict(list), defaultdict(list), {}, defaultdict(list), defaultdict(int))
    bars = list(scene.ledger.bars)
    phones = {one.attempt_id: one.to for one in scene.evidence.placements}
    for said in sorted(_all_said(scene), key=lambda one: (one.since, one.attempt.attempt_id)):
        bars += _bars_of(said, phones.get(said.attempt.attempt_id, ""))
        _for_the_rest(scene, said, stops)
    bars += _replied(scene, stops)
    for action in scene.evidence.actions or ():
        if action.name == "lift":
            bars += _lift(scene, action, bars)
    for bar in bars:
        if bar.person:
            stops.by_person[bar.person].append(bar)
        if bar.phone and not bar.both:
            stops.by_phone[bar.phone].append(bar)
    return stops


def _all_said(scene: Scene) -> list[Said]:
    """What was said in calls, and what follows from how they ended."""
    found = []
    for attempt in scene.evidence.attempts:
        said_before = ""
        for event in attempt.events:
            outcome = event.get("said")
            if outcome and outcome != said_before and attempt.is_reminder:
                # A clock that was set back may say that it was heard before it was said.
                since = max(instant(event["received_at"]), instant(event["at"]))
                found.append(Said(attempt, outcome, since, instant(event["at"])))
                said_before = outcome
        if attempt.outcome and not said_before and attempt.settled_at and attempt.is_reminder:
            ends = [max(instant(one["received_at"]), instant(one["at"])) for one in attempt.events
                    if one["kind"] == "ended"]  # fmt: skip
            found.append(Said(attempt, attempt.outcome, max([attempt.settled_at, *ends]), attempt.settled_at))
    return found


def _bars_of(said: Said, phone: str) -> list[Bar]:
    """Opting out holds for person and number, a wrong number for that person there, a bad number for the number."""
    person, since = said.attempt.person, said.since
    if said.outcome not in STOPS:
        return []
    why = f"{said.outcome} in attempt {said.attempt.attempt_id}"
    if said.outcome == "wrong_number":
        return [Bar(since, phone, person, True, "", None, why)] if phone else []
    found = []
    if said.outcome in ("opted_out", "deceased"):
        found.append(Bar(since, "", person, False, "", None, why))
    if said.outcome in ("opted_out", "invalid_number") and phone:
        found.append(Bar(since, phone, "", False, "", None, why))
    return found


def _for_the_rest(scene: Scene, said: Said, stops: Stops) -> None:
    """What `[stop]` of the campaign makes of an outcome."""
    attempt = said.attempt
    files = scene.files(attempt, attempt.claimed_at or said.at)
    if not files:
        return
    keys = [(attempt.campaign, *link) for link in attempt.links]
    if all(said.outcome in file.stop_on for file in files):
        for key in keys:
            stops.of_campaign.setdefault(key, (said.since, f"{said.outcome} in attempt {attempt.attempt_id}"))
        return
    if any(said.outcome in file.stop_on for file in files) or said.outcome not in files[0].pauses:
        return
    pause = files[0].pauses[said.outcome]
    if all(file.pauses.get(said.outcome) == pause for file in files) and (until := _until(scene, said, pause)):
        for key in keys:
            stops.pauses[key].append((said.since, until, f"{said.outcome} in attempt {attempt.attempt_id}"))


def _until(scene: Scene, said: Said, pause: timedelta | str) -> datetime | None:
    if isinstance(pause, timedelta):
        return said.at + pause
    days = [date.fromisoformat(one["promised_on"]) for one in said.attempt.promises]
    if not days:
        return None
    zones = said.attempt.zones or (scene.evidence.lender_zone,)
    return midnight_after(min(days), zones[0])


def _replied(scene: Scene, stops: Stops) -> list[Bar]:
    """Texts that were confirmed as received: they stop the number, and whoever has it."""
    found = []
    for heard in scene.evidence.network or ():
        if heard.kind != "replied" or heard.acknowledged_at is None:
            continue
        phone = e164(heard.sender, scene.evidence.country)
        stops.replies[phone] += 1
        if heard.text.strip().upper() not in STOP_TEXTS:
            continue
        why, since = f"the text {heard.text.strip()}", heard.acknowledged_at
        found.append(Bar(since, phone, "", False, "", None, why))
        persons = set()
        for account_id in scene.ledger.persons_of.get(phone, ()):
            held = scene.ledger.accounts[account_id].possible(heard.at, since)
            if all(one.phone == phone for one in held):
                persons |= {one.person for one in held}
        found += [Bar(since, "", person, False, "", None, why) for person in sorted(persons)]
    return found


def _lift(scene: Scene, action: Action, bars: list[Bar]) -> list[Bar]:
    """Ends the bars that name this phone or person; returns what goes on for the other channel."""
    fields = action.fields
    phone, person = e164(fields.get("phone") or "", scene.evidence.country), fields.get("person_id") or ""
    channel, going_on = fields.get("channel") or "", []
    for bar in bars:
        named = (phone and bar.phone == phone) or (person and bar.person == person)
        if (
            not named
            or bar.ended is not None
            or bar.since >= action.at
            or (channel and bar.channel not in ("", channel))
        ):
            continue
        if channel and not bar.channel:
            going_on.append(Bar(action.at, bar.phone, bar.person, bar.both, OTHER.get(channel, ""), bar.until, bar.why))
        bar.ended = action.asked_at
    return going_on


def after_stop(scene: Scene, stops: Stops) -> None:
    confirmations: dict[str, int] = defaultdict(int)
    for call in scene.calls:
        scene.sheet.checked["after_stop"] += 1
        attempt = call.attempt
        if attempt is not None and not attempt.is_reminder:
            _confirmation(scene, stops, call, confirmations)
            continue
        why = _barred(scene, stops, call) or (attempt and _stopped(scene, stops, call, attempt))
        if why:
            scene.sheet.found("after_stop", call.at, call.placement.attempt_id, call.about or call.person, why)


def _confirmation(scene: Scene, stops: Stops, call: Call, made: dict[str, int]) -> None:
    """One message confirms an opt-out; more of them than texts came from the number are too many."""
    phone = call.placement.to
    made[phone] += 1
    if scene.evidence.network is not None and made[phone] > max(stops.replies.get(phone, 0), 1):
        text = f"confirmation {made[phone]} to a number that wrote {stops.replies.get(phone, 0)} times"
        scene.sheet.found("after_stop", call.at, call.placement.attempt_id, call.about, text)


def _barred(scene: Scene, stops: Stops, call: Call) -> str:
    phone, person = call.placement.to, call.person
    day = local(call.at, scene.evidence.lender_zone).date()
    for bar in (*stops.by_phone.get(phone, ()), *(stops.by_person.get(person, ()) if person else ())):
        if bar.both and (bar.phone, bar.person) != (phone, person):
            continue
        in_force = bar.since + scene.grace < call.at and (bar.ended is None or call.at < bar.ended)
        if in_force and (bar.until is None or day <= bar.until) and bar.channel in ("", call.placement.channel):
            return f"{bar.why} held since {bar.since:%F %T}"
    return ""


def _stopped(scene: Scene, stops: Stops, call: Call, attempt: Attempt) -> str:
    """The campaign has done with every installment it is about."""
    found = [stops.of_campaign.get((attempt.campaign, *link)) for link in attempt.links]
    known = [one for one in found if one is not None and one[0] + scene.grace < call.at]
    if not known or len(known) < len(attempt.links):
        return ""
    return f"the campaign was stopped by {known[0][1]} since {known[0][0]:%F %T}"


def after_payment(scene: Scene) -> None:
    owed = scene.ledger.owed
    for call in scene.calls:
        attempt = call.attempt
        if attempt is None or not attempt.is_reminder or scene.evidence.actions is None:
            continue
        if any(link not in owed for link in attempt.links):
            scene.sheet.unchecked["after_payment: an installment is in none of the files"] += 1
            continue
        scene.sheet.checked["after_payment"] += 1
        states = [owed[link].possible(call.at - scene.grace, call.at) for link in attempt.links]
        if all(known and not any(one.is_open for one in known) for known in states):
            since = max(_since(owed[link].entries) for link in attempt.links)
            text = f"all of it was paid since {since:%F %T}"
            scene.sheet.found("after_payment", call.at, attempt.attempt_id, attempt.about, text)


def _since(entries: list[tuple[datetime, datetime, Any]]) -> datetime:
    """Since when it is closed, of the first time that it was."""
    return next(since for _, since, one in entries if not one.is_open)


def while_stopped(scene: Scene) -> None:
    for call in scene.calls:
        if scene.evidence.actions is None:
            return
        scene.sheet.checked["while_stopped"] += 1
        first = call.at - scene.grace
        halted = scene.ledger.halted.possible(first, call.at)
        campaign = scene.campaign(call.attempt) if call.attempt else None
        status = campaign.status.possible(first, call.at) if campaign else []
        if halted and all(halted):
            text = "dialing was halted"
        elif status and not any(one == "active" for one in status):
            text = f"campaign {call.attempt.campaign if call.attempt else ''} was {status[-1]}"
        else:
            continue
        scene.sheet.found("while_stopped", call.at, call.placement.attempt_id, call.about, text)


def while_promised(scene: Scene, stops: Stops) -> None:
    for call in scene.calls:
        attempt = call.attempt
        if attempt is None or attempt.cause != "round":
            continue
        scene.sheet.checked["while_promised"] += 1
        paused = [_paused(scene, stops, attempt, link, call.at) for link in attempt.links]
        if paused and all(paused):
            scene.sheet.found("while_promised", call.at, attempt.attempt_id, attempt.about, paused[0])


def _paused(scene: Scene, stops: Stops, attempt: Attempt, link: Link, at: datetime) -> str:
    """Why this installment's slot is paused; empty: it is not. What was said last holds."""
    known = [one for one in stops.pauses.get((attempt.campaign, *link), ()) if one[0] < at]
    if not known or known[-1][0] + scene.grace >= at or attempt.planned_for >= known[-1][1]:
        return ""
    return f"{known[-1][2]} pauses the rounds until {known[-1][1]:%F %T}"
