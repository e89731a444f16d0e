"""Which installments a campaign must have planned, and which rounds they must have got."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from dialer.referee.campaignfile import File, Segment
from dialer.referee.days import ONE_DAY, local, midnight_after, months_before
from dialer.referee.ledger import Campaign, Owed
from dialer.referee.model import Link
from dialer.referee.scene import Scene

HORIZON = timedelta(days=3)
AT_ONCE = timedelta(minutes=15)
"""A launch, an import and a reversal plan at once; so long after them it is certain."""
ROWS_AT_ONCE = 400
"""A larger file is loaded in several transactions: what of it was known at the first planning can't be told."""
BEGIN, END = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Member:
    """One installment of a campaign. `segments`: those that may serve it; more than one where that can't be told."""

    campaign: str
    link: Link
    due_on: date
    segments: tuple[Segment, ...]
    is_alone: bool
    """No other account of the person can be in the same call."""
    must: bool
    """It was there to be planned for long enough."""
    is_steady: bool
    """Nothing about it changed since it could first be planned."""


def members(scene: Scene) -> Iterator[Member]:
    """Every installment that falls due on a due day of a campaign; those of which too much changed are told apart."""
    for name, campaign in sorted(scene.ledger.campaigns.items()):
        if not campaign.files.entries:
            continue
        for link in sorted(scene.ledger.owed):
            member = _member(scene, name, campaign, link)
            if member is not None:
                yield member


def _member(scene: Scene, name: str, campaign: Campaign, link: Link) -> Member | None:
    file = campaign.files.entries[-1][2]
    entries = scene.ledger.owed[link].entries
    due_on = entries[-1][2].due_on
    if not file.is_about(due_on):
        return None
    files = [one for _, _, one in campaign.files.entries]
    span = _span(scene, file, due_on, link)
    launched = campaign.files.entries[0][1]
    if span is None or span[1] <= launched or (scene.end is not None and span[0] >= scene.end):
        return None
    if any(owed.due_on != due_on for _, _, owed in entries) or not _agree(files):
        scene.sheet.unchecked["rounds: a due date or the cadence changed"] += 1
        return None
    begins, ends = span
    since = max(launched, scene.ledger.accounts[link[0]].entries[0][1], entries[0][1])
    first = max(since, begins)
    segments, certain = _segments(scene, file, link, first, ends, launched)
    others = _others(scene, file, link, due_on)
    for other in others:
        more, also = _segments(scene, file, other, first, ends, launched)
        segments, certain = segments + more, certain and also
    if not certain or not segments:
        scene.sheet.unchecked["rounds: the segment can't be told"] += 1
        return None
    must = _must_be_planned(scene, campaign, file, link, first, ends, since)
    return Member(
        name, link, due_on, tuple(dict.fromkeys(segments)), not others, must, _is_steady(scene, campaign, link, first)
    )


def _agree(files: list[File]) -> bool:
    """Whether all versions have the same segments and the same places in the cadence."""
    shapes = {
        (one.due_days, one.first, one.last, one.combine, one.min_amount, one.skip, one.weekdays,
         tuple((part.name, part.late, part.priority, tuple(at.spot for at in part.rounds)) for part in one.segments))
        for one in files
    }  # fmt: skip
    return len(shapes) == 1


def _span(scene: Scene, file: File, due_on: date, link: Link) -> tuple[datetime, datetime] | None:
    """From when on the due date is inside every segment's horizon, and when its last round is over in some."""
    zone = scene.evidence.lender_zone
    if account := scene.ledger.accounts[link[0]].last:
        zone = (scene.zones(account) or [zone])[0]
    key = (id(file), due_on, zone)
    if key not in scene.spans:
        scene.spans[key] = _span_in(file, due_on, zone)
    return scene.spans[key]


def _span_in(file: File, due_on: date, zone: str) -> tuple[datetime, datetime] | None:
    found = []
    for segment in file.segments:
        windows = [one.window(due_on, zone) for one in file.rounds_of(segment, due_on)]
        if windows:
            found.append((min(begins for begins, _ in windows), max(ends for _, ends in windows)))
    if not found:
        return None
    return max(begins for begins, _ in found) - HORIZON, min(ends for _, ends in found)


def _others(scene: Scene, file: File, link: Link, due_on: date) -> list[Link]:
    """Other accounts that may ever have been in one call with this one."""
    if not file.combine:
        return []
    found = []
    persons = {one.person for _, _, one in scene.ledger.accounts[link[0]].entries}
    for person in sorted(persons):
        for account in sorted(scene.ledger.accounts_of[person]):
            for other in scene.ledger.links_of[account]:
                if other != link and any(owed.due_on == due_on for _, _, owed in scene.ledger.owed[other].entries):
                    found.append(other)
    return found


def _segments(
    scene: Scene, file: File, link: Link, first: datetime, ends: datetime, launched: datetime
) -> tuple[list[Segment], bool]:
    """The segments that late counts of any day in the span lead to; False: an import left it open."""
    if scene.ledger.rebuilt:
        return list(file.segments), True
    zone = scene.evidence.lender_zone
    timelines = [scene.ledger.owed[one].entries for one in scene.ledger.links_of[link[0]]]
    changes = {at for entries in timelines for _, at, _ in entries if first < at < ends}
    if any(_came_in_parts(scene, timelines, at) and at > launched for at in changes | {first}):
        return [], False
    # a late first planning can lie anywhere in the span; what has just been asked for may have been known already
    earliest = min([first, *(asked for entries in timelines for asked, at, _ in entries if first < at < ends)])
    moments = {earliest, first, *changes}
    at = midnight_after(local(earliest, zone).date(), zone)
    while at < ends:
        moments.add(at)
        at = midnight_after(local(at, zone).date(), zone)
    found: list[Segment] = []
    for at in sorted(moments):
        history = [owed for entries in timelines if (owed := _in_force(entries, at)) is not None]
        segment = _select(file, history, scene.ledger.owed[link].entries[-1][2].due_on, local(at, zone).date())
        if segment is None:
            return [], False
        if segment not in found:
            found.append(segment)
    return found, True


def _came_in_parts(scene: Scene, timelines: list[list[tuple[datetime, datetime, Owed]]], at: datetime) -> bool:
    """Whether several of the account's installments came in one large file: nobody knows in how many transactions."""
    together = sum(any(since == at for _, since, _ in entries) for entries in timelines)
    return together > 1 and scene.ledger.imports.get(at, 0) > ROWS_AT_ONCE


def _in_force(entries: list[tuple[datetime, datetime, Owed]], at: datetime) -> Owed | None:
    found = None
    for _, since, value in entries:
        if since > at:
            break
        found = value
    return found


def _select(file: File, history: list[Owed], due_on: date, today: date) -> Segment | None:
    """The first segment whose bounds the late count meets."""
    for segment in file.segments:
        if segment.late is None:
            return segment
        months, least, most = segment.late
        since = months_before(due_on, months)
        count = sum(since <= one.due_on < due_on and _is_late(one, today) for one in history)
        if least <= count and (most is None or count <= most):
            return segment
    return None


def _is_late(one: Owed, today: date) -> bool:
    if one.is_open or (one.paid_on is not None and one.paid_on > today):
        return one.due_on < today
    return one.paid_on is not None and one.paid_on > one.due_on


def _must_be_planned(
    scene: Scene, campaign: Campaign, file: File, link: Link, first: datetime, ends: datetime, since: datetime
) -> bool:
    """Whether it was open, known and inside the horizon for so long that some planning must have seen it."""
    cancelled = next((asked for asked, _, word in campaign.status.entries if word == "cancelled"), END)
    ends = min(ends, cancelled, scene.end or ends)
    opened = first if since == first else None
    """Set where the stretch begins with something that plans at once."""
    begins: datetime | None = first if _is_member(file, scene.ledger.owed[link].at(first)) else None
    for asked, at, owed in scene.ledger.owed[link].entries:
        if at <= first or asked >= ends:
            continue
        if begins is not None and not _is_member(file, owed):
            if _is_long(scene, begins, asked, opened):
                return True
            begins = None
        elif begins is None and _is_member(file, owed):
            begins = opened = at
    return begins is not None and _is_long(scene, begins, ends, opened)


def _is_member(file: File, owed: Owed | None) -> bool:
    return owed is not None and owed.is_open and owed.amount - owed.paid >= file.min_amount


def _is_long(scene: Scene, begins: datetime, ends: datetime, opened: datetime | None) -> bool:
    needed = AT_ONCE if opened == begins else timedelta(seconds=scene.limits.planning_s)
    return ends - begins >= needed


def _is_steady(scene: Scene, campaign: Campaign, link: Link, first: datetime) -> bool:
    """Whether neither account nor installment, nor the campaign, changed after it could first be planned."""
    if scene.ledger.rebuilt:
        return False
    entries = [*scene.ledger.owed[link].entries, *scene.ledger.accounts[link[0]].entries, *campaign.files.entries,
               *campaign.status.entries]  # fmt: skip
    return all(at <= first - ONE_DAY or at <= first for _, at, _ in entries)
