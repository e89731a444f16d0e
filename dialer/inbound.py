"""What comes back: provider events, keys, replies. Durable first, then the attempt moves, then what follows.

News arrives one by one and is written in groups: all that waits while the database works shares the next
transaction. Within it each piece is put to the state table; what ended is settled, and what was said takes
effect, whatever the attempt's state is.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from campaigns.model import Disposition, Outcome
from campaigns.script import asks_for_digits
from dialer import bounds, effects, followup, settle
from dialer.attempt import Kind, State
from dialer.confirmation import is_confirmation
from dialer.house import House
from dialer.lines import Lines
from dialer.moves import apply
from dialer.news import News
from dialer.planning import replan_persons
from dialer.secret import MASKED
from dialer.store import Tx, locks, movement, phones
from dialer.store import attempts as attempt_store

BATCH_MAX = 500
"""Pieces of news in one transaction, more where one sender has more: while it is written, nothing else is done."""


@dataclass(slots=True)
class Ended:
    """An attempt that is over or came back, for the line's books."""

    attempt_id: int
    line: str | None
    infrastructure: bool | None
    """Whether the network failed; None where nothing was tried."""


class _Sent(NamedTuple):
    """What one sender wants to be durable, and who waits for it."""

    news: Sequence[News]
    done: "asyncio.Future[None]"

    def tell(self, error: Exception | None) -> None:
        """It is durable, or this kept some of it from being so."""
        if self.done.done():
            return  # who waited was cancelled
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


@dataclass(slots=True)
class Inbox:
    """Collects news, writes it in groups, tells the lines what ended. One per worker."""

    house: House
    lines: Lines
    written: Callable[[], None]
    """Called when something was written: room may be free, follow-ups and confirmations may be due."""
    closed: Callable[[int], None] = lambda _: None
    """Called with the id of every attempt that is over or came back."""
    heard: Callable[[], None] = lambda: None
    """Called when anything was written: when to look after what runs may be another instant."""
    gather_s: float = 0.0
    """How long news waits for company: 0 in production (the database's own pace), longer in simulations."""
    _waiting: list[_Sent] = field(default_factory=list)
    _running: "asyncio.Task[None] | None" = None

    async def take(self, news: Sequence[News]) -> None:
        """Returns once all of it is durable and has taken effect."""
        if not news:
            return
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(_Sent(news, done))
        if self._running is None:
            self._running = asyncio.create_task(self._write_all(), name="inbox")
        await done  # a sender that is cancelled takes nothing back

    async def drain(self) -> None:
        """Waits until nothing waits."""
        while self._running is not None:
            await asyncio.wait([self._running])

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                if self.gather_s:
                    await asyncio.sleep(self.gather_s)
                await self._write(self._batch())
        finally:
            self._running = None

    def _batch(self) -> list[_Sent]:
        """The next senders in turn, until they have enough together."""
        upto = pieces = 0
        while pieces < BATCH_MAX and upto < len(self._waiting):
            pieces += len(self._waiting[upto].news)
            upto += 1
        batch, self._waiting = self._waiting[:upto], self._waiting[upto:]
        return batch

    async def _write(self, batch: Sequence[_Sent]) -> None:
        """In one transaction. One piece that can't be written must not keep the others from being durable: then each is
        written by itself, unless all of them would fail."""
        news = [one for sent in batch for one in sent.news]
        error = await self._written(news)
        if error is not None and len(news) > 1 and not self.house.store.is_common(error):
            await self._write_apart(batch)
            return
        for sent in batch:
            sent.tell(error)

    async def _write_apart(self, batch: Sequence[_Sent]) -> None:
        for number, sent in enumerate(batch):
            errors = [error for one in sent.news if (error := await self._written([one])) is not None]
            sent.tell(errors[0] if errors else None)
            if common := [error for error in errors if self.house.store.is_common(error)]:
                for other in batch[number + 1 :]:
                    other.tell(common[0])
                return

    async def _written(self, news: Sequence[News]) -> Exception | None:
        """Writes it in one transaction, and tells those who follow it. Returns what kept it from being durable."""
        now = self.house.clock.now()
        latest = _latest(self.house, now)
        try:
            ended = await self.house.store.write(lambda tx: ingest(tx, self.house, news, now, latest), quick=True)
        except Exception as error:  # noqa: BLE001 - every sender is told that its news is not durable
            return error
        for one in ended:
            self.lines.ended(one.line, one.attempt_id, one.infrastructure, now)
            self.closed(one.attempt_id)
        self.heard()
        if ended or any(one.kind is None for one in news):
            self.written()
        return None


def _latest(house: House, now: datetime) -> datetime:
    """A clock that was just set back must not pull what providers tell into the past. Asked when `now` is: by the time
    that it is written the clock may be right again."""
    return now + timedelta(seconds=house.clock.off_s())


def ingest(tx: Tx, house: House, news: Sequence[News], now: datetime, latest: datetime | None = None) -> list[Ended]:
    """Puts news to the attempts in one transaction. Repeated news is dropped, stray news kept as such. `latest`: when
    that what providers tell can have happened."""
    latest = latest or _latest(house, now)
    news = [one._replace(**changed) if (changed := bounds.changes(one, latest)) else one for one in news]
    refs = {one.ref for one in news if one.ref and one.attempt_id is None and one.kind is not None}
    locks.persons_of(tx, {one.attempt_id for one in news if one.attempt_id}, refs)
    batch = _Batch(tx, house, now, _Moving(tx, news, refs), effects.Book(tx, house, now))
    known = attempt_store.known_identities(tx, {one.identity for one in news if one.identity})
    for one in news:
        if one.identity and one.identity in known:
            continue
        known.add(one.identity)
        batch.put(one)
    return batch.write()


@dataclass(slots=True)
class _Batch:
    """One transaction's news: put piece by piece, then written in one go."""

    tx: Tx
    house: House
    now: datetime
    moving: "_Moving"
    book: effects.Book
    settling: list[dict[str, Any]] = field(default_factory=list)
    late: list[dict[str, Any]] = field(default_factory=list)
    """Given up as unknown, and their end came after all."""
    returned: dict[int, tuple[dict[str, Any], Kind | None]] = field(default_factory=dict)
    rows: list[attempt_store.EventRow] = field(default_factory=list)

    def put(self, one: News) -> None:
        attempt = self.moving.find(one)
        if one.digits and one.position is None and (attempt is None or self._asks_for_digits(attempt)):
            one = one._replace(digits=MASKED)
        if one.kind is None:
            stray = not self.book.replied(one.sender, one.text, one.at)
        elif attempt is None:
            stray = True
        else:
            was, said_before, ended_as = attempt["state"], attempt["outcome"], attempt["disposition"]
            stray = not apply(self.house, attempt, one, self.now)
            if attempt["state"] == State.SETTLED and was != State.SETTLED:
                self.settling.append(attempt)
            elif attempt["state"] == State.SETTLED and attempt["disposition"] != ended_as:
                self.late.append(attempt)
            elif attempt["state"] == State.PLANNED and was != State.PLANNED:
                self.returned[attempt["attempt_id"]] = (attempt, one.kind)
            if one.said is not None and (one.said != said_before or one.promise):
                self.book.said(attempt, one.said, one.promise, one.at)
            if one.unverified:
                self.book.unverified(attempt, one.unverified)
        self.rows.append(_row(one, attempt, stray, self.now))

    def _asks_for_digits(self, attempt: dict[str, Any]) -> bool:
        """Whether keys of this call may be those that the person is known by. The provider reports them as well."""
        file = self.house.version(self.tx, attempt["campaign_id"], attempt["version"] or 1).file
        script = file.script.get(attempt["script"])
        return script is not None and asks_for_digits(script)

    def write(self) -> list[Ended]:
        for attempt in self.settling:
            if settle.settle(attempt, self.now) and not is_confirmation(attempt):
                self.book.said(attempt, Outcome(attempt["outcome"]), None, attempt["ended_at"])
        for attempt in self.late:
            if not is_confirmation(attempt):
                self.book.said(attempt, Outcome(attempt["outcome"]), None, attempt["ended_at"])
        back = [attempt for attempt, _ in self.returned.values()]
        over = [*self.settling, *back]
        movement.move(self.tx, self.moving.both())
        attempt_store.add_events(self.tx, self.rows)
        phones.release(self.tx, [one["attempt_id"] for one in over if one["channel"] == "voice"])
        costs = {one["attempt_id"]: one for one in (*over, *self.late)}.values()
        for day, amounts in settle.corrections(self.house, costs, self.moving.reserved()).items():
            attempt_store.add_spend(self.tx, day, amounts)
        movement.complete(self.tx, {one["attempt_id"]: one for one in (*self.settling, *self.book.attempts)})
        touched = self.book.write()
        followup.add(self.tx, self.house, self.settling, self.now)
        movement.keep(self.tx, self.moving.by_id)
        # This may withdraw what is about to be placed: then nothing is at hand the next time.
        replan_persons(self.tx, self.house, touched | {one["person_id"] for one in back}, self.now)
        failed = [_ended(attempt, Kind.ENDED) for attempt in self.settling]
        return failed + [_ended(attempt, kind) for attempt, kind in self.returned.values()]


class _Moving:
    """The attempts that a batch of news is about, as plain values that the news moves."""

    def __init__(self, tx: Tx, news: Sequence[News], refs: set[str]) -> None:
        self._was = movement.moving(tx, {one.attempt_id for one in news if one.attempt_id}, refs)
        self.by_id = {key: dict(attempt) for key, attempt in self._was.items()}
        self._by_ref = {a["provider_ref"]: a for a in self.by_id.values() if a["provider_ref"]} if refs else {}

    def find(self, one: News) -> dict[str, Any] | None:
        if one.attempt_id is not None:
            return self.by_id.get(one.attempt_id)
        return self._by_ref.get(one.ref) if one.ref else None

    def reserved(self) -> dict[int, Decimal | None]:
        """What each attempt had reserved before this news."""
        return {key: attempt["cost"] for key, attempt in self._was.items()}

    def both(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """(as it was read, as it is now)."""
        return [(self._was[key], attempt) for key, attempt in self.by_id.items()]


def _row(one: News, attempt: dict[str, Any] | None, stray: bool, now: datetime) -> attempt_store.EventRow:
    kind = one.kind.value if one.kind else "replied"
    return (attempt["attempt_id"] if attempt else None, kind, one.at, now, one.identity or None, stray, one.data())


def _ended(attempt: dict[str, Any], kind: Kind | None) -> Ended:
    """Whether the network did its part. A withdrawal says nothing of it."""
    if attempt["state"] == State.PLANNED:
        return Ended(attempt["attempt_id"], attempt["line"], True if kind == Kind.UNAVAILABLE else None)
    return Ended(attempt["attempt_id"], attempt["line"], attempt["disposition"] == Disposition.INFRASTRUCTURE)
