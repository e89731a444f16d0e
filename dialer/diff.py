"""The difference between what is desired and what is planned: compared in memory, written in one go."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from campaigns.model import Channel, Draft, Member, Reason
from campaigns.plan import last_instant
from dialer.attempt import State
from dialer.confirmation import CAUSE as CONFIRMATION
from dialer.house import Launched
from dialer.play import Place, Play, Stops
from dialer.store import Tx, planbook
from dialer.store.common import take_numbers

SUPPRESSED = "dialer.suppressed"


@dataclass(slots=True)
class Written:
    """One attempt that is planned or about to be placed."""

    row: Any
    accounts: dict[str, str] = field(default_factory=dict)
    """account id → installment id, of those not taken out."""


@dataclass(slots=True)
class Known:
    """What is written for a page of persons."""

    planned: dict[int, Written] = field(default_factory=dict)
    made: set[Place] = field(default_factory=set)
    """Rounds that can't be made again: placed, blocked, expired or settled."""
    seen: set[Place] = field(default_factory=set)
    """Rounds with any row at all, cancelled ones included."""
    taken_over: list[tuple[int, str]] = field(default_factory=list)
    """(attempt id, account id) planned for whoever had the account before."""

    @classmethod
    def of(cls, rows: Iterable[Any], lost_until: datetime | None = None) -> "Known":
        """`lost_until`: what is planned for then or before may have been placed, and is asked about."""
        known = cls()
        for row in rows:
            if row.cause == CONFIRMATION:
                # It is no round of the plan, and the opt-out that it confirms must not cancel it.
                continue
            place = (row.account_id, row.installment_id, row.day_offset, row.window)
            if row.cause == "round":
                known.seen.add(place)
            if row.cancelled:
                continue
            is_asked = row.state == State.PLANNED and lost_until is not None and row.planned_for <= lost_until
            if row.state in (State.PLANNED, State.PLACING) and not is_asked:
                written = known.planned.setdefault(row.attempt_id, Written(row))
                written.accounts[row.account_id] = row.installment_id
            if (row.state != State.PLANNED or is_asked) and row.cause == "round":
                known.made.add(place)
        return known

    def take_over(self, rows: Iterable[Any]) -> None:
        """Of accounts that came from other persons: what was made stays made, what is still planned is not theirs."""
        for row in rows:
            if row.state == State.PLANNED:
                self.taken_over.append((row.attempt_id, row.account_id))
            elif row.cause == "round":
                place = (row.account_id, row.installment_id, row.day_offset, row.window)
                self.made.add(place)
                self.seen.add(place)


class Diff:
    """Compares, then writes. Instants are UTC; `zone` is the lender's, for the last day of a suppression; `lost_until`:
    up to when a restored database does not know what was placed."""

    def __init__(
        self, one: Launched, known: Known, play: Play, stops: Stops, zone: ZoneInfo, now: datetime,
        lost_until: datetime | None = None,
    ) -> None:  # fmt: skip
        self._one, self._known, self._play, self._stops = one, known, play, stops
        self._zone, self._now, self._lost_until = zone, now, lost_until
        self.cancelled: list[tuple[int, str]] = []
        self.late = self.added = self.suppressed = 0
        self.segments: Counter[str] = Counter()
        self._withdrawn: list[tuple[int, str]] = []
        self._dropped: list[tuple[int, str]] = []
        self._joined: list[tuple[Any, ...]] = []
        self._new: list[_New] = []
        self._shared: dict[tuple[Any, ...], _Shared] = {}
        # Who is drafted has open installments that are not stopped: with nothing written, only these keep one out.
        self._is_first = not (
            known.planned or known.made or known.seen or play.paused or stops or lost_until is not None
        )

    def compare(self, drafts: Sequence[Draft]) -> None:
        standing: dict[tuple[Any, ...], Written] = {}
        for written in self._known.planned.values():
            row = written.row
            if row.cause == "round" and row.state == State.PLANNED:
                standing[_key(row.person_id, row.due_on, row.day_offset, row.window, row.phone, written.accounts)] = (
                    written
                )
            else:
                self._follow_up(written)
        by_place = {
            (account, installment, written.row.day_offset, written.row.window): written
            for written in standing.values()
            for account, installment in written.accounts.items()
        }
        kept: set[int] = set()
        for draft in drafts:
            shared = self._shared_of(draft)
            if not (self._is_first and shared.valid_until >= self._now):
                self._draft(draft, shared, by_place, kept)
            else:
                self._new.append((draft, draft.accounts, State.PLANNED, None, shared))
        for written in standing.values():
            if written.row.attempt_id in kept:
                continue
            why = self._why(written)
            # A round whose window has just closed is no longer drafted; it expires, and says so: that is not a re-plan.
            if why != Reason.REPLANNED or written.row.valid_until >= self._now:
                self.cancelled.append((written.row.attempt_id, why))

    def _draft(self, draft: Draft, shared: "_Shared", by_place: dict[Place, Written], kept: set[int]) -> None:
        places = {member.account_id: _place(member, draft) for member in draft.accounts}
        members = tuple(
            member
            for member in draft.accounts
            if places[member.account_id] not in self._known.made
            and self._play.why_not((member.account_id, member.installment_id), draft.due_on, draft.planned_for) is None
        )
        if not members:
            return
        if self._is_suppressed(draft):
            self._suppress(draft, members, places, shared)
            return
        if self._is_missed(draft, shared):
            missed = tuple(m for m in members if places[m.account_id] not in self._known.seen)
            if missed:
                self._new.append((draft, missed, State.EXPIRED, Reason.LAUNCHED_LATE, shared))
            return
        written = next((by_place[p] for p in places.values() if p in by_place), None)
        if written is not None and written.row.attempt_id not in kept and _same(written.row, draft):
            kept.add(written.row.attempt_id)
            self._adjust(written, draft, members)
        else:
            self._new.append((draft, members, State.PLANNED, None, shared))

    def _is_missed(self, draft: Draft, shared: "_Shared") -> bool:
        """Its window is over, or its slot lies in a lost time: then it may have been placed under another id."""
        if self._lost_until is not None and draft.planned_for <= self._lost_until:
            return True
        return shared.valid_until < self._now

    def _shared_of(self, draft: Draft) -> "_Shared":
        """What its row has in common with those of all who have this round in this window."""
        key = (draft.segment, draft.round.number, draft.due_on, draft.window_from, draft.window_until)
        if (known := self._shared.get(key)) is None:
            known = self._shared[key] = _Shared.of(draft, self._one)
        return known

    def _is_suppressed(self, draft: Draft) -> bool:
        if not self._stops:
            return False
        day = draft.planned_for.astimezone(self._zone).date()
        return self._stops.holds(draft.person_id, draft.phone, draft.round.channel, day)

    def _suppress(self, draft: Draft, members: tuple[Member, ...], places: dict[str, Place], shared: "_Shared") -> None:
        """Nothing is planned for the suppressed, but each round says once why: a cancelled row."""
        fresh = tuple(m for m in members if places[m.account_id] not in self._known.seen)
        if fresh:
            self._new.append((draft, fresh, State.CANCELLED, Reason.OPTED_OUT, shared))

    def _adjust(self, written: Written, draft: Draft, members: tuple[Member, ...]) -> None:
        """The same attempt for other accounts: some were paid, or came back."""
        wanted = {member.account_id for member in members}
        if wanted == written.accounts.keys():
            return
        key = written.row.attempt_id
        self._dropped += [(key, account) for account in written.accounts if account not in wanted]
        self._joined += [
            _account_row(key, self._one.campaign_id, draft, member, is_cancelled=False)
            for member in members
            if member.account_id not in written.accounts
        ]

    def _follow_up(self, written: Written) -> None:
        """A follow-up, or what is about to be placed: no slot to compare, but payments and stops hold for it."""
        row, reasons = written.row, {}
        for account, installment in written.accounts.items():
            why = self._play.why_not((account, installment), row.due_on, row.planned_for)
            if why is not None:
                reasons[account] = why
        day = self._now.astimezone(self._zone).date()
        if self._stops and self._stops.holds(row.person_id, row.phone, row.channel, day):
            reasons = dict.fromkeys(written.accounts, Reason.OPTED_OUT)
        elif row.state == State.PLANNED and not self._still_written(row):
            reasons = dict.fromkeys(written.accounts, Reason.REPLANNED)
        if len(reasons) == len(written.accounts):
            why = next(iter(reasons.values()), Reason.REPLANNED)
            (self._withdrawn if row.state == State.PLACING else self.cancelled).append((row.attempt_id, why))
        elif row.state == State.PLANNED:
            self._dropped += [(row.attempt_id, account) for account in reasons]

    def _still_written(self, row: Any) -> bool:
        """Whether the campaign's file in force still has the words of this follow-up."""
        file = self._one.file
        return row.script in (file.script if row.channel == Channel.VOICE else file.message)

    def _why(self, written: Written) -> str:
        row = written.row
        day = row.planned_for.astimezone(self._zone).date()
        if self._stops and self._stops.holds(row.person_id, row.phone, row.channel, day):
            return Reason.OPTED_OUT
        for account, installment in written.accounts.items():
            why = self._play.why_not((account, installment), row.due_on, row.planned_for)
            if why is not None:
                return why
        return Reason.REPLANNED

    def write(self, tx: Tx) -> None:
        planbook.cancel(tx, self.cancelled, self._now)
        planbook.withdraw(tx, self._withdrawn)
        planbook.drop_accounts(tx, self._dropped + self._known.taken_over)
        planbook.add_accounts(tx, self._joined)
        attempts, accounts, verdicts = [], [], []
        campaign_id, now = self._one.campaign_id, self._now
        # What is due together stands together: a claim, and all news of it, then touches few pages of the table.
        self._new.sort(key=_slot)
        numbers = take_numbers(tx, [draft.due_on for draft, *_ in self._new])
        for number, (draft, members, state, reason, shared) in zip(numbers, self._new, strict=True):
            is_cancelled = state is State.CANCELLED
            first, slot = members[0], draft.planned_for
            rule, settled_at = SUPPRESSED if is_cancelled else None, None if state is State.PLANNED else now
            # In the order of `planbook.DRAFTED`.
            attempts.append((
                number, draft.person_id, draft.phone, draft.zones, first.country, first.line_type, str(state),
                reason and str(reason), rule, slot, slot, settled_at, *shared.values,
            ))  # fmt: skip
            for member in members:
                accounts.append(_account_row(number, campaign_id, draft, member, is_cancelled))
            if is_cancelled:
                verdicts.append(_refusal(number, now))
        planbook.add_drafted(tx, attempts, accounts)
        planbook.add_verdicts(tx, verdicts)
        self._count()

    def _count(self) -> None:
        states = Counter(state for _, _, state, _, _ in self._new)
        self.added, self.late = states[State.PLANNED], states[State.EXPIRED]
        self.suppressed = states[State.CANCELLED]
        self.segments.update(draft.segment for draft, _, state, _, _ in self._new if state is State.PLANNED)


def _key(person: str, due_on: date, offset: int, window: int, phone: str, accounts: Iterable[str]) -> tuple[Any, ...]:
    return (person, due_on, offset, window, phone, tuple(sorted(accounts)))


def _place(member: Member, draft: Draft) -> Place:
    return (member.account_id, member.installment_id, draft.round.day_offset, draft.round.window)


def _same(row: Any, draft: Draft) -> bool:
    """Whether a planned attempt is the drafted one; else it moves."""
    r = draft.round
    return bool(
        row.due_on == draft.due_on
        and row.planned_for == draft.planned_for
        and row.window_from == draft.window_from
        and row.window_until == draft.window_until
        and (row.segment, row.priority, row.phone, row.zones)
        == (draft.segment, draft.priority, draft.phone, draft.zones)
        and (row.round, row.rounds, row.channel, row.script, row.entry)
        == (r.number, r.rounds, r.channel, r.script, r.entry)
    )


def _account_row(number: int, campaign_id: int, draft: Draft, member: Member, is_cancelled: bool) -> tuple[Any, ...]:
    """In the order of the table's columns."""
    at = draft.round
    return (number, member.account_id, member.installment_id, campaign_id, at.day_offset, at.window, 1, is_cancelled)


class _Shared(NamedTuple):
    """What attempts of one round in one window have in common."""

    valid_until: datetime
    values: tuple[Any, ...]
    """The later columns of `planbook.DRAFTED`."""

    @classmethod
    def of(cls, draft: Draft, one: Launched) -> "_Shared":
        at, valid_until = draft.round, _valid_until(draft, one.ring_s)
        tries, cause, retries, infra, otherwise_used = 1, "round", 0, 0, False
        return cls(valid_until, (
            one.campaign_id, draft.segment, draft.priority, draft.due_on, at.number, at.rounds, at.day_offset,
            at.window, at.entry, at.channel.value, at.script, draft.window_from, draft.window_until, valid_until,
            tries, cause, retries, infra, otherwise_used,
        ))  # fmt: skip


_New = tuple[Draft, tuple[Member, ...], State, Reason | None, _Shared]
"""An attempt to write: as drafted, for these of its accounts."""


def _slot(new: _New) -> datetime:
    return new[0].planned_for


def _valid_until(draft: Draft, ring_s: float) -> datetime:
    """The last instant to place it, itself included; a message must go before its window's end."""
    last = last_instant(draft, ring_s)
    return last if draft.round.channel == Channel.VOICE and ring_s else last - timedelta(milliseconds=1)


def _refusal(number: int, now: datetime) -> dict[str, Any]:
    reason = "the person or the number is suppressed"
    return {"attempt_id": number, "at": now, "stage": "planning", "verdict": "block", "rule": SUPPRESSED,
            "until": None, "reason": reason, "saw": None}  # fmt: skip
