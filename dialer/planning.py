"""Members of a campaign → drafted attempts → store. One diff serves launch, import, payment and relaunch.

What is *desired* follows from the frozen campaign, the roster and the calendar, less what payments, stops,
promises and pauses exclude. The difference to what is still planned is written; what was made stays made.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from campaigns import calendar, plan, segment
from campaigns.model import Draft, Member
from campaigns.plan import ONE_DAY, due_range
from dialer.diff import Diff, Known
from dialer.house import House, Launched
from dialer.play import Play
from dialer.store import Tx, locks, planbook
from dialer.store import campaigns as campaign_store
from dialer.store import restored as restored_store
from dialer.store.common import People

PAGE = 2_000
"""Persons a transaction, where nothing else waits for the database."""
PAGE_BESIDE_DIALING = 200
"""Persons a transaction of the daemon's: some 30 ms of work, so that dialing never waits long."""


@dataclass(slots=True)
class Counts:
    """What one planning did."""

    drafted: int = 0
    cancelled: int = 0
    late: int = 0
    suppressed: int = 0
    unselected: int = 0
    segments: dict[str, int] = field(default_factory=dict)

    def add(self, other: "Counts") -> None:
        self.drafted += other.drafted
        self.cancelled += other.cancelled
        self.late += other.late
        self.suppressed += other.suppressed
        self.unselected += other.unselected
        for name, count in other.segments.items():
            self.segments[name] = self.segments.get(name, 0) + count


async def plan_all(house: House, names: Iterable[str] | None = None, size: int = PAGE) -> Counts:
    """Plans every launched campaign (or the named ones) for every person, a page of `size` persons a transaction."""
    wanted = None if names is None else set(names)
    begun = await house.store.read(lambda tx: {one.campaign_id: one.version for one in _chosen(tx, house, wanted)})
    total = Counts()
    after = ""
    while True:

        def page(tx: Tx, after: str = after) -> tuple[Counts, People | None]:
            people = planbook.next_people(tx, after, size)
            counts = Counts()
            if people is not None:
                locks.span(tx, people)
                counts = replan(tx, house, people, house.clock.now(), _chosen(tx, house, wanted))
            return counts, people

        counts, people = await house.store.write(page)
        total.add(counts)
        if people is None:
            break
        after = people.until
    await house.store.write(lambda tx: campaign_store.set_planned(tx, begun, house.clock.now()))
    return total


def _chosen(tx: Tx, house: House, names: set[str] | None) -> list[Launched]:
    return [one for one in house.launched(tx) if names is None or one.name in names]


def replan(tx: Tx, house: House, people: People, now: datetime, launched: Sequence[Launched] | None = None) -> Counts:
    """The diff for these persons, in the caller's transaction."""
    total = Counts()
    for one in house.launched(tx) if launched is None else launched:
        total.add(_replan_campaign(tx, house, one, people, now))
    return total


def replan_persons(tx: Tx, house: House, person_ids: Iterable[str], now: datetime) -> Counts:
    """The same for a set of persons: what a payment, a stop or an import has touched."""
    total = Counts()
    every = sorted(person_ids)
    locks.persons(tx, every)
    for start in range(0, len(every), PAGE):
        total.add(replan(tx, house, People(ids=tuple(every[start : start + PAGE])), now))
    return total


def replan_touched(house: House) -> Callable[[Tx, set[str], datetime], object]:
    """What an import, a payment or a suppression calls in its own transaction: see `intake.Touched`."""

    def replan(tx: Tx, persons: set[str], now: datetime) -> None:
        replan_persons(tx, house, persons, now)

    return replan


def _replan_campaign(tx: Tx, house: House, one: Launched, people: People, now: datetime) -> Counts:
    roster = _roster(tx, house, one, people, now)
    rows = planbook.planned(tx, one.campaign_id, people, roster.first)
    if not roster.members and not rows:
        return Counts()
    drafted = plan.draft(roster.members, one.file, one.book, one.ring_s, house.settings.lender.time_zone)
    drafts = plan.horizon(drafted.drafts, now)
    phones = {draft.phone for draft in drafts} | {row.phone for row in rows}
    persons = {draft.person_id for draft in drafts} | {row.person_id for row in rows}
    stops = planbook.stops(tx, sorted(persons), sorted(phones), house.today(now))
    lost_until = restored_store.lost_until(tx)
    known = Known.of(rows, lost_until)
    known.take_over(planbook.planned_elsewhere(tx, one.campaign_id, people, roster.first))
    diff = Diff(one, known, roster.play, stops, house.zone, now, lost_until)
    diff.compare(drafts)
    diff.write(tx)
    campaign_store.add_members(tx, one.campaign_id, _frozen(drafts, roster), now)
    return Counts(
        drafted=diff.added,
        cancelled=len(diff.cancelled),
        late=diff.late,
        suppressed=diff.suppressed,
        unselected=len(drafted.unselected),
        segments=dict(diff.segments),
    )


@dataclass(slots=True)
class _Roster:
    """What is known of a page of persons: whom to plan, and why others are not in play."""

    first: date
    members: list[Member]
    play: Play
    frozen: set[tuple[str, str]]


def _roster(tx: Tx, house: House, one: Launched, people: People, now: datetime) -> _Roster:
    first, last = due_range(one.file, now, house.settings.lender.time_zone)
    rows = planbook.due(tx, people, first, last)
    if not rows:
        return _Roster(first, [], Play(), set())
    known = campaign_store.members(tx, one.campaign_id, dict.fromkeys(row[6] for row in rows))
    roster = _Roster(first, [], Play(), set(known))
    counts = _Counts(tx, house.today(now), segment.months_of(one.file), first, last)
    is_due = {due_on: calendar.is_due_in(due_on, one.file.audience) for due_on in {row[1] for row in rows}}
    candidates = []
    for row in rows:
        key = (row[6], row[0])
        late, stopped, paused_until = known.get(key, (None, None, None))
        roster.play.note(key, row[1], row[5], stopped, paused_until)
        if row[5] and not stopped and is_due[row[1]]:
            candidates.append((row, late))
    counts.load([row[6] for row, late in candidates if not counts.covers(late)])
    roster.members = [_member(row, counts.of(row[6], row[1], late)) for row, late in candidates]
    return roster


class _Counts:
    """Late counts: the frozen ones, else counted from the account's history, which is loaded only then."""

    def __init__(self, tx: Tx, today: date, months: frozenset[int], first: date, last: date) -> None:
        self._tx, self._today, self._months = tx, today, months
        self._last = min(last, today - ONE_DAY)  # what is not past due is not late
        self._since = min((calendar.months_before(first, n) for n in months), default=first)
        self._history: dict[str, list[tuple[date, date | None, bool]]] = {}
        self._none = dict.fromkeys(months, 0)

    def covers(self, late: dict[str, int] | None) -> bool:
        """Whether the frozen counts have every look-back that the campaign's file in force asks for."""
        return late is not None and all(str(n) in late for n in self._months)

    def load(self, account_ids: list[str]) -> None:
        if self._months:
            self._history = planbook.history(self._tx, account_ids, self._since, self._last)

    def of(self, account_id: str, due_on: date, late: dict[str, int] | None) -> dict[int, int]:
        if late is not None and self.covers(late):
            return {int(n): count for n, count in late.items()}
        if account_id not in self._history:
            return self._none  # one for all: most were never late
        return segment.late_counts(self._history[account_id], due_on, self._months, self._today)


def _member(row: Any, late: dict[int, int]) -> Member:
    installment_id, due_on, amount, paid_amount, currency, _, account_id, person_id, *rest = row
    phone, zones, country, line_type, consent_voice, consent_sms, region = rest
    return Member(
        account_id, person_id, installment_id, phone, zones, currency, due_on, amount - paid_amount, late,
        country, line_type, consent_voice, consent_sms, region,
    )  # fmt: skip


def _frozen(drafts: Sequence[Draft], roster: _Roster) -> list[tuple[str, str, dict[str, int]]]:
    """The late counts of members that are drafted for the first time."""
    fresh: dict[tuple[str, str], Member] = {}
    seen: tuple[Member, ...] = ()
    for draft in drafts:
        if draft.accounts is seen:  # the rounds of one call stand together
            continue
        seen = draft.accounts
        for member in seen:
            key = (member.account_id, member.installment_id)
            if key not in roster.frozen:
                fresh[key] = member
    texts: dict[int, dict[str, int]] = {}  # equal ones are one object where they were before
    for member in fresh.values():
        if id(member.late) not in texts:
            texts[id(member.late)] = {str(n): count for n, count in member.late.items()}
    return [(*key, texts[id(member.late)]) for key, member in fresh.items()]
