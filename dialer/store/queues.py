"""Statements about queues: what one priority of one campaign sends over one channel, and when it is due."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, func, literal, literal_column, select, union_all, update

from dialer.store import locks
from dialer.store import tables as t
from dialer.store.common import AnyRow
from dialer.store.database import Tx
from dialer.store.prepared import Prepared

_a = t.attempts.c
PLANNED = (_a.state == literal_column("'planned'")) & _a.claimed_at.is_(None) & _a.settled_at.is_(None)
"""With the columns that the partial index goes by; see `state` in `tables`. Written out, not bound: PostgreSQL uses it
only where the statement itself shows that it applies."""

Queue = tuple[int, str, int]
"""(campaign id, channel, priority): what one priority of one campaign sends over one channel."""


_OF_QUEUE = (
    _a.campaign_id == bindparam("of_campaign"),
    _a.channel == bindparam("of_channel"),
    _a.priority == bindparam("of_priority"),
    PLANNED,
)
"""Planned, and in the queue that `_of` gives."""


_TAKEN = tuple(
    _a[name]
    for name in (
        "attempt_id", "person_id", "phone", "channel", "script", "cause", "country", "line_type", "zones", "due_on",
        "due_at", "valid_until", "rule",
    )
)  # fmt: skip


def _due(dialect: str) -> Any:
    wanted = (
        select(*_TAKEN)
        .where(*_OF_QUEUE, _a.due_at <= bindparam("now"))
        # One priority a statement: ordered by priority first, the index would walk over all that is not yet due.
        .order_by(_a.due_at, _a.attempt_id)
        .limit(bindparam("most"))
    )
    if dialect != "postgresql":
        return wanted  # the transaction already holds the only write lock
    # With their persons: two workers that took two attempts of one person would each miss the other in the caps.
    joined = wanted.join_from(t.attempts, t.persons, t.persons.c.person_id == _a.person_id)
    return joined.with_for_update(of=(t.attempts, t.persons), skip_locked=True)


_take_due = Prepared(_due)


def take_due(tx: Tx, queue: Queue, now: datetime, most: int) -> Sequence[AnyRow]:
    """Due attempts of one queue, oldest first, that no other worker has before it; of each what is asked of it before
    it is placed.

    Facts about them are to be read in later statements: these see what the one who had them last has written.
    """
    return locks.unshared(tx, _take_due.all(tx, **_of(queue), now=now, most=most))


@lru_cache(maxsize=64)
def _first_due(count: int) -> Prepared:
    parts = [
        select(literal(number).label("number"), func.min(_a.due_at).label("due_at")).where(
            _a.campaign_id == bindparam(f"campaign{number}"),
            _a.channel == bindparam(f"channel{number}"),
            _a.priority == bindparam(f"priority{number}"),
            PLANNED,
        )
        for number in range(count)
    ]
    return Prepared(union_all(*parts))


def first_due(tx: Tx, queues: Sequence[Queue]) -> dict[Queue, datetime]:
    """When the next attempt of each queue is due; queues with nothing planned are left out."""
    if not queues:
        return {}
    found = _first_due(len(queues)).all(tx, **_numbered(queues))
    return {queues[number]: due_at for number, due_at in found if due_at is not None}


def _numbered(queues: Sequence[Queue]) -> dict[str, Any]:
    return {
        f"{name}{number}": value
        for number, queue in enumerate(queues)
        for name, value in zip(("campaign", "channel", "priority"), queue, strict=True)
    }


@lru_cache(maxsize=64)
def _first_closing(count: int) -> Prepared:
    parts = [
        select(func.min(_a.valid_until).label("closes_at")).where(
            _a.campaign_id == bindparam(f"campaign{number}"),
            _a.channel == bindparam(f"channel{number}"),
            _a.priority == bindparam(f"priority{number}"),
            PLANNED,
            _a.due_at <= bindparam("before"),
        )
        for number in range(count)
    ]
    return Prepared(union_all(*parts))


def first_closing(tx: Tx, queues: Sequence[Queue], before: datetime) -> datetime | None:
    """When the first window closes of what is due before an instant."""
    if not queues:
        return None
    found = _first_closing(len(queues)).scalars(tx, **_numbered(queues), before=before)
    return min((at for at in found if at is not None), default=None)


_expire = Prepared(
    update(t.attempts)
    .where(
        *_OF_QUEUE,
        _a.due_at <= bindparam("now"),
        _a.valid_until < bindparam("now"),
    )
    .values(state="expired", reason="window_closed", settled_at=bindparam("now"))
)


def expire(tx: Tx, queue: Queue, now: datetime) -> int:
    """planned → expired, of all in the queue whose window has closed. Returns how many."""
    return _expire.run(tx, **_of(queue), now=now)


_waiting = Prepared(
    select(func.count()).where(
        *_OF_QUEUE,
        _a.due_at <= bindparam("before"),
        _a.valid_until >= bindparam("now"),
    )
)


def waiting(tx: Tx, queue: Queue, before: datetime, now: datetime) -> int:
    """How many of the queue, inside their window, have been due since before `before`."""
    return int(_waiting.scalar(tx, **_of(queue), before=before, now=now) or 0)


def _of(queue: Queue) -> dict[str, Any]:
    return dict(zip(("of_campaign", "of_channel", "of_priority"), queue, strict=True))
