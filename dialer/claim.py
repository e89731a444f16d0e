"""The claiming transaction: take due attempts, load the facts, gate each in turn, commit intent and verdicts."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from adapters.contract import Order
from campaigns.file import Script
from campaigns.gate import Block, Defer, Pass, check
from campaigns.message import Values
from campaigns.model import Channel, Contact, Reason
from campaigns.verdict import Saw
from dialer import asking, confirmation, dialogue
from dialer.attempt import State
from dialer.house import House, Launched
from dialer.lines import AHEAD, Line, Lines
from dialer.log import log
from dialer.room import Taken
from dialer.store import Tx, at_hand, desk, phones
from dialer.store import attempts as attempt_store
from dialer.store import queues as queue_store
from dialer.store.common import flag
from dialer.store.database import DBAPIError
from dialer.ways import Ways

LEASE = timedelta(seconds=90)
"""A claim without any news for so long is lost: its worker died between the commit and the record."""
EXAMINED_MAX = 500
"""Attempts looked at in one transaction: a bound on its length, whatever the backlog."""
TAKE_MAX = 250
ONE_CALL = timedelta(seconds=60)
"""How long an attempt waits for another running call to the same number."""
LIVE_CALL = "dialer.live_call"
UNDECIDED, FAULT = timedelta(minutes=10), "dialer.fault"
"""How long an attempt waits that could not be decided about; then it is tried again."""


@dataclass(slots=True)
class Placement:
    """One committed intent, to be placed at `at` and never after `valid_until`."""

    attempt_id: int
    order: Order
    at: datetime
    valid_until: datetime
    claimed_at: datetime
    values: Values
    script: Script | None
    voicemail: str | None
    """What the rule packs have said to a machine; None: they say nothing of it."""
    notice: str
    """What a recorded call begins with."""


@dataclass(slots=True)
class Claimed:
    """What one transaction did."""

    placements: list[Placement] = field(default_factory=list)
    last_placement_id: int = 0
    """Of the record; 0: nothing is placed."""
    examined: int = 0
    deferred: int = 0
    blocked: int = 0
    expired: int = 0
    halted: bool = False
    next_due_at: datetime | None = None
    """When the next planned attempt of any active campaign is due; in the past where some were left."""
    more: bool = False
    """Whether something due was left for want of room or of time."""
    wanted: set[tuple[str, Channel]] = field(default_factory=set)
    """The lines, with the channel, that could have taken what was left."""


@dataclass(slots=True)
class _Passed:
    row: Any
    line: Line
    at: datetime
    words: dialogue.Words
    valid_until: datetime
    warned: tuple[str, ...]


class Claim:
    """One claiming transaction. It changes nothing outside the database, so that it can be run again."""

    def __init__(self, tx: Tx, house: House, lines: Lines, taken: Taken, worker: str, now: datetime) -> None:
        self._tx, self._house, self._lines, self._worker, self._now = tx, house, lines, worker, now
        self._taken = taken
        # What is due within so long is claimed now, so that it can go out at its very slot.
        self._until = now + AHEAD
        self._today = house.today(now)
        self._spent_before = attempt_store.spent(tx, self._today)
        self._ways = Ways(house, lines, taken, self._spent_before, self._today)
        self._reserved: dict[str, Decimal] = defaultdict(Decimal)
        self._result = Claimed()
        self._verdicts: list[dict[str, Any]] = []
        self._tasks: list[dict[str, Any]] = []

    def run(self) -> Claimed:
        """Takes the highest priority first, over all active campaigns, until room or time is used up."""
        with at_hand.untouched(self._tx):
            return self._run()

    def _run(self) -> Claimed:
        if flag(self._tx, "halt"):
            self._result.halted = True
            self._save_lines()
            return self._result
        campaigns = {one.campaign_id: one for one in self._house.launched(self._tx) if one.status == "active"}
        queues = [queue for one in campaigns.values() for queue in one.queues]
        first = queue_store.first_due(self._tx, queues)
        due = [queue for queue, at in first.items() if at <= self._until]
        for queue in sorted(due, key=lambda queue: (-queue[2], queue[0], queue[1])):
            self._take(campaigns[queue[0]], queue)
        self._result.next_due_at = min((at for queue, at in first.items() if queue not in due), default=None)
        if due:
            attempt_store.add_verdicts(self._tx, self._verdicts)
            desk.add_tasks_once(self._tx, self._tasks)
            attempt_store.add_spend(self._tx, self._today, self._reserved, self._spent_before)
            again = queue_store.first_due(self._tx, due).values()
            self._result.next_due_at = min(filter(None, (self._result.next_due_at, *again)), default=None)
        self._save_lines()
        return self._result

    def _take(self, one: Launched, queue: queue_store.Queue) -> None:
        channel, is_wide = Channel(queue[1]), False
        while (room := self._ways.slots(one, channel)) and self._result.examined < EXAMINED_MAX:
            # Most pass: a little more than there is room for, and only where those found no line much more.
            most = min(2 * room if is_wide else room + max(room // 8, 20), max(2 * room, 20), TAKE_MAX)
            rows = queue_store.take_due(self._tx, queue, self._until, most)
            self._result.examined += len(rows)
            if not self._decide(one, channel, rows):
                if is_wide or len(rows) < most:
                    break  # the same rows would come again
                is_wide = True
            elif len(rows) < most:
                return
        self._left_over(one, channel)

    def _left_over(self, one: Launched, channel: Channel) -> None:
        self._result.more = True
        self._result.wanted.update((name, channel) for name in one.lines(channel))

    def _decide(self, one: Launched, channel: Channel, rows: Sequence[Any]) -> int:
        """Gates the batch in turn; what passes counts for those after it. Returns how many it decided about."""
        try:
            known = self._known(one, rows)
        except DBAPIError:
            raise
        except Exception as error:  # noqa: BLE001 - a fault of one of them is not the others'
            return self._decide_apart(one, channel, rows, error)
        passed: list[_Passed] = []
        deferred: list[dict[str, Any]] = []
        closed: list[dict[str, Any]] = []
        for row in rows:
            if row.valid_until < self._then(row):
                closed.append(self._closed(row, State.EXPIRED, Reason.WINDOW_CLOSED, row.rule))
                continue
            if not _is_written(one, row):
                deferred.append({"of": row.attempt_id, "until": self._now + ONE_CALL, "by_rule": row.rule})
                continue
            line = self._ways.line(one, row)
            if line is None:
                self._left_over(one, channel)
                continue
            verdict, words = self._judge(one, row, line, known)
            if isinstance(verdict, Pass):
                passed.append(self._pass(one, row, line, known, verdict, words))
            elif isinstance(verdict, Block):
                self._note(row, "block", verdict.rule, None, verdict.reason, verdict.saw)
                self._open_task(row, verdict)
                closed.append(self._closed(row, State.BLOCKED, None, verdict.rule))
            elif verdict.until > row.valid_until:
                self._note(row, "defer", verdict.rule, verdict.until, verdict.reason, verdict.saw)
                closed.append(self._closed(row, State.EXPIRED, Reason.WINDOW_CLOSED, verdict.rule))
            else:
                self._note(row, "defer", verdict.rule, verdict.until, verdict.reason, verdict.saw)
                deferred.append({"of": row.attempt_id, "until": verdict.until, "by_rule": verdict.rule})
        deferred += self._commit(one, channel, passed)
        attempt_store.defer(self._tx, deferred)
        attempt_store.close(self._tx, closed)
        self._result.deferred += len(deferred)
        return len(deferred) + len(closed) + len(passed)

    def _decide_apart(self, one: Launched, channel: Channel, rows: Sequence[Any], error: Exception) -> int:
        """Where the batch's facts can't be had: each by itself; the one whose can't waits."""
        if len(rows) > 1:
            return sum(self._decide(one, channel, [row]) for row in rows)
        waits = self._undecided(rows[0], error)
        attempt_store.defer(self._tx, [{"of": rows[0].attempt_id, "until": waits.until, "by_rule": waits.rule}])
        self._result.deferred += 1
        return 1

    def _judge(
        self, one: Launched, row: Any, line: Line, known: asking.Known
    ) -> tuple[Pass | Defer | Block, dialogue.Words | None]:
        """The gate's verdict, and the words of what passes. A fault is this attempt's alone: it waits, with a task."""
        try:
            spoken = dialogue.Spoken(self._house, one, row, list(known.roster[row.attempt_id]), self._then(row))
            verdict = self._gate(spoken, line, known)
            if not isinstance(verdict, Pass):
                return verdict, None
            return verdict, spoken.words(line.settings)
        except DBAPIError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the others must not wait for it
            return self._undecided(row, error), None

    def _undecided(self, row: Any, error: Exception) -> Defer:
        """It waits, at most until its window ends, where it is tried for the last time."""
        told = f"{type(error).__name__}: {error}"
        log.error("attempt_undecided", attempt_id=row.attempt_id, error=told, hint="it waits; report it")
        reason = "a fault of the dialer: it could not be decided about; tried again every 10 minutes"
        self._tasks.append(
            {
                "kind": "fix_data", "person_id": row.person_id, "attempt_id": row.attempt_id,
                "detail": f"{reason} [{FAULT}]", "opened_at": self._now,
            }
        )  # fmt: skip
        until = self._now + UNDECIDED
        if row.valid_until > self._now + ONE_CALL:
            until = min(until, row.valid_until)
        return Defer(until, FAULT, reason)

    def _known(self, one: Launched, rows: Sequence[Any]) -> asking.Known:
        """An account that went to another person or number since is no part of what was planned for this one."""
        roster = attempt_store.roster(self._tx, [row.attempt_id for row in rows])
        for row in rows:
            roster[row.attempt_id] = [
                account
                for account in roster[row.attempt_id]
                if (account.person_id, account.phone) == (row.person_id, row.phone)
            ]
        return asking.load(self._tx, self._house, one, rows, roster, self._now, is_now=True)

    def _gate(self, spoken: dialogue.Spoken, line: Line, known: asking.Known) -> Pass | Defer | Block:
        one, row, accounts = spoken.one, spoken.row, spoken.accounts
        ask = asking.ask_of(spoken, line.settings.ring_timeout.total_seconds())
        line_facts = self._ways.facts(line, ask.channel)
        then = self._then(row)
        facts = asking.facts_of(self._house, one, row, accounts, known, line_facts, then)
        return check(ask, facts, one.rules(accounts, row.country, line.settings.packs), then)

    def _then(self, row: Any) -> datetime:
        """When it is to go out: what the gate is asked about is that instant."""
        due_at: datetime = row.due_at
        return max(self._now, due_at)

    def _pass(
        self, one: Launched, row: Any, line: Line, known: asking.Known, verdict: Pass, words: dialogue.Words | None
    ) -> _Passed:
        """What passes counts for those after it in the batch: as a contact, and against the line's money."""
        channel, accounts = asking.CHANNELS[row.channel], known.roster[row.attempt_id]
        at = self._ways.take(line, channel, row.due_at)
        if row.cause != confirmation.CAUSE:
            ids = tuple(account.account_id for account in accounts)
            contact = Contact(
                self._now, channel, None, row.person_id, row.phone, str(one.campaign_id), ids, self._house.party
            )  # fmt: skip
            known.history.add(contact)
        assert words is not None  # whatever passes has them
        return _Passed(row, line, at, words, min(verdict.valid_until, row.valid_until), verdict.warned)

    def _commit(self, one: Launched, channel: Channel, passed: Sequence[_Passed]) -> list[dict[str, Any]]:
        """Writes the intents; returns the deferrals of those whose number has a running call."""
        won = {p.row.attempt_id for p in passed}
        if channel == Channel.VOICE:
            won = phones.take(self._tx, [(p.row.phone, p.row.attempt_id, p.line.name) for p in passed])
        claims, deferred = [], []
        for p in passed:
            if p.row.attempt_id not in won:
                until = self._now + ONE_CALL
                self._note(p.row, "defer", LIVE_CALL, until, "another call to this number is running")
                deferred.append({"of": p.row.attempt_id, "until": until, "by_rule": LIVE_CALL})
                continue
            warned = f"although it breaks {', '.join(p.warned)}, which only warns" if p.warned else None
            self._note(p.row, "pass", p.warned[0] if p.warned else None, None, warned)
            order, placement = self._placement(one, p)
            price = self._ways.price(p.line, channel)
            self._reserved[p.line.name] += price
            self._result.placements.append(placement)
            claims.append(
                {
                    "of": p.row.attempt_id,
                    "in_version": one.version,
                    "by_line": p.line.name,
                    "by_caller": order.caller,
                    "by_worker": self._worker,
                    "at": self._now,
                    "check": self._now + LEASE,
                    "reserved": price,
                }
            )
        if claims:
            self._result.last_placement_id = attempt_store.claim(self._tx, claims)
        return deferred

    def _placement(self, one: Launched, p: _Passed) -> tuple[Order, Placement]:
        settings, key, words = p.line.settings, p.row.attempt_id, p.words
        order = Order(
            str(key),
            "voice" if words.script else "sms",
            p.row.phone,
            p.line.caller(p.row.person_id),
            p.line.name,
            words.text,
            words.values.language,
            settings.ring_timeout.total_seconds(),
            settings.time_limit.total_seconds(),
            p.valid_until,
            detection=settings.machine_detection,
            record=bool(words.notice),
            version=one.version,
        )
        return order, Placement(
            key, order, p.at, p.valid_until, self._now, words.values, words.script, words.voicemail, words.notice
        )

    def _closed(self, row: Any, state: State, reason: Reason | None, rule: str | None) -> dict[str, Any]:
        if state == State.BLOCKED:
            self._result.blocked += 1
        else:
            self._result.expired += 1
        return {
            "of": row.attempt_id, "to": state.value, "why": reason.value if reason else None, "by_rule": rule,
            "at": self._now,
        }  # fmt: skip

    def _note(
        self, row: Any, verdict: str, rule: str | None, until: datetime | None, reason: str | None,
        saw: Saw | None = None,
    ) -> None:  # fmt: skip
        self._verdicts.append(
            {
                "attempt_id": row.attempt_id, "at": self._now, "stage": "dialing", "verdict": verdict, "rule": rule,
                "until": until, "reason": reason, "saw": dict(saw) if saw else None,
            }
        )  # fmt: skip

    def _open_task(self, row: Any, block: Block) -> None:
        """Work for the operator, where somebody's doing could make contact possible."""
        if block.task:
            self._tasks.append(
                {
                    "kind": block.task, "person_id": row.person_id, "attempt_id": row.attempt_id,
                    "detail": f"{block.reason} [{block.rule}]", "opened_at": self._now,
                }
            )  # fmt: skip

    def _save_lines(self) -> None:
        """Where the pace stands after this claim, so that a restart goes on from here."""
        used: dict[tuple[str, Channel], list[datetime]] = {}
        for placement in self._result.placements:
            used.setdefault((placement.order.line, asking.CHANNELS[placement.order.channel]), []).append(placement.at)
        rows = []
        for name in sorted({name for name, _ in used}):
            line, row = self._lines.by_name[name], self._lines.by_name[name].row()
            for channel, column in ((Channel.VOICE, "next_voice_at"), (Channel.SMS, "next_sms_at")):
                if slots := used.get((name, channel)):
                    row[column] = max(slots) + line.spacing(channel)
            rows.append({**row, "heard_at": self._now})
        self._taken.save(self._tx, rows, used)


def _is_written(one: Launched, row: Any) -> bool:
    """Whether the file in force has the words of this attempt. Right after a relaunch it may not: the new plan, which
    is on its way, cancels it; until then it waits."""
    if row.cause == confirmation.CAUSE:
        return True
    return row.script in (one.file.script if row.channel == Channel.VOICE else one.file.message)
