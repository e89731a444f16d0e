"""The difference between what is desired and what is planned: compared in memory, written in one go."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
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
        self._joined: list[dict[str, Any]] = []
        self._new: list[tuple[Draft, tuple[Member, ...], State, Reason | None]] = []

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
            self._draft(draft, by_place, kept)
        for written in standing.values():
            why = self._why(written)
            # A round whose window has just closed is no longer drafted; it expires, and says so: that is not a re-plan.
            if written.row.attempt_id not in kept and (why != Reason.REPLANNED or written.row.valid_until >= self._now):
                self.cancelled.append((written.row.attempt_id, why))

    def _draft(self, draft: Draft, by_place: dict[Place, Written], kept: set[int]) -> None:
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
            self._suppress(draft, members, places)
            return
        if self._is_missed(draft):
            missed = tuple(m for m in members if places[m.account_id] not in self._known.seen)
            if missed:
                self._new.append((draft, missed, State.EXPIRED, Reason.LAUNCHED_LATE))
            return
        written = next((by_place[p] for p in places.values() if p in by_place), None)
        if written is not None and written.row.attempt_id not in kept and _same(written.row, draft):
            kept.add(written.row.attempt_id)
            self._adjust(written, draft, members)
        else:
            self._new.append((draft, members, State.PLANNED, None))

    def _is_missed(self, draft: Draft) -> bool:
        """Its window is over, or its slot lies in a lost time: then it may have been placed under another id."""
        if self._lost_until is not None and draft.planned_for <= self._lost_until:
            return True
        return _valid_until(draft, self._one.ring_s) < self._now

    def _is_suppressed(self, draft: Draft) -> bool:
        if not self._stops:
            return False
        day = draft.planned_for.astimezone(self._zone).date()
        return self._stops.holds(draft.person_id, draft.phone, draft.round.channel, day)

    def _suppress(self, draft: Draft, members: tuple[Member, ...], places: dict[str, Place]) -> None:
        """Nothing is planned for the suppressed, but each round says once why: a cancelled row."""
        fresh = tuple(m for m in members if places[m.account_id] not in self._known.seen)
        if fresh:
            self._new.append((draft, fresh, State.CANCELLED, Reason.OPTED_OUT))

    def _adjust(self, written: Written, draft: Draft, members: tuple[Member, ...]) -> None:
        """The same attempt for other accounts: some were paid, or came back."""
        wanted = {member.account_id for member in members}
        key = written.row.attempt_id
        self._dropped += [(key, account) for account in written.accounts if account not in wanted]
        self._joined += [
            _account_row(key, self._one.campaign_id, draft, member, cancelled=False)
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
        numbers = take_numbers(tx, [draft.due_on for draft, *_ in self._new])
        for number, (draft, members, state, reason) in zip(numbers, self._new, strict=True):
            attempts.append(_attempt_row(number, self._one, draft, members[0], state, reason, self._now))
            cancelled = state == State.CANCELLED
            accounts += [_account_row(number, self._one.campaign_id, draft, m, cancelled) for m in members]
            if cancelled:
                verdicts.append(_refusal(number, self._now))
            self._count(draft, state)
        planbook.add_attempts(tx, attempts, accounts)
        planbook.add_verdicts(tx, verdicts)

    def _count(self, draft: Draft, state: State) -> None:
        if state == State.PLANNED:
            self.added += 1
            self.segments[draft.segment] += 1
        elif state == State.EXPIRED:
            self.late += 1
        else:
            self.suppressed += 1


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


def _account_row(number: int, campaign_id: int, draft: Draft, member: Member, cancelled: bool) -> dict[str, Any]:
    return {
        "attempt_id": number,
        "account_id": member.account_id,
        "installment_id": member.installment_id,
        "campaign_id": campaign_id,
        "day_offset": draft.round.day_offset,
        "window": draft.round.window,
        "try": 1,
        "cancelled": cancelled,
    }


def _attempt_row(
    number: int, one: Launched, draft: Draft, member: Member, state: State, reason: Reason | None, now: datetime
) -> dict[str, Any]:
    r = draft.round
    return {
        "attempt_id": number,
        "campaign_id": one.campaign_id,
        "person_id": draft.person_id,
        "segment": draft.segment,
        "due_on": draft.due_on,
        "round": r.number,
        "rounds": r.rounds,
        "day_offset": r.day_offset,
        "window": r.window,
        "try": 1,
        "cause": "round",
        "entry": r.entry,
        "retries": 0,
        "infra": 0,
        "otherwise_used": False,
        "channel": r.channel.value,
        "script": r.script,
        "priority": draft.priority,
        "phone": draft.phone,
        "country": member.country,
        "line_type": member.line_type,
        "zones": draft.zones,
        "state": state.value,
        "reason": reason.value if reason else None,
        "rule": SUPPRESSED if state == State.CANCELLED else None,
        "due_at": draft.planned_for,
        "planned_for": draft.planned_for,
        "window_from": draft.window_from,
        "window_until": draft.window_until,
        "valid_until": _valid_until(draft, one.ring_s),
        "settled_at": None if state == State.PLANNED else now,
    }


def _valid_until(draft: Draft, ring_s: float) -> datetime:
    """The last instant to place it, itself included; a message must go before its window's end."""
    last = last_instant(draft, ring_s)
    return last if draft.round.channel == Channel.VOICE and ring_s else last - timedelta(milliseconds=1)


def _refusal(number: int, now: datetime) -> dict[str, Any]:
    reason = "the person or the number is suppressed"
    return {"attempt_id": number, "at": now, "stage": "planning", "verdict": "block", "rule": SUPPRESSED,
            "until": None, "reason": reason, "saw": None}  # fmt: skip
