"""Statements about attempts that run: those to look after, and those that somebody else held."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, String, bindparam, func, select, update

from dialer.store import tables as t
from dialer.store.attempts import IS_RUNNING
from dialer.store.common import AnyRow
from dialer.store.database import Tx
from dialer.store.prepared import Prepared

_a = t.attempts.c
_mine = (bindparam("me", type_=String) == "") | (_a.worker == bindparam("me"))
_overdue = Prepared(
    select(t.attempts)
    .where(IS_RUNNING, _a.check_at <= bindparam("now"), _mine)
    .order_by(_a.check_at)
    .limit(bindparam("most"))
)


def overdue(tx: Tx, now: datetime, most: int, worker: str = "") -> Sequence[AnyRow]:
    """Running attempts to look after: silent too long, or lost and due to be asked about. `worker`: only this one's."""
    return _overdue.all(tx, now=now, most=most, me=worker)


_next_check = Prepared(select(func.min(_a.check_at)).where(IS_RUNNING, _mine))


def next_check(tx: Tx, worker: str = "") -> datetime | None:
    return _next_check.scalar(tx, me=worker)


_GOES_ON = ("accepted", "ringing", "answered")
_heard = Prepared(
    select(func.max(t.events.c.received_at)).where(
        t.events.c.attempt_id == bindparam("of"),
        t.events.c.kind.in_(bindparam("kinds", expanding=True)),
        ~t.events.c.stray,
    )
)


def heard_at(tx: Tx, attempt_id: int) -> datetime | None:
    """When the last news came by which a call goes on. What is pressed in it is none: it ends all the same."""
    return _heard.scalar(tx, of=attempt_id, kinds=_GOES_ON)


_check_later = Prepared(
    update(t.attempts)
    .where(_a.attempt_id == bindparam("of"), _a.state == bindparam("was"))
    .values(check_at=bindparam("then"), checks=bindparam("so_often"))
)


def check_later(tx: Tx, rows: Sequence[tuple[int, str, datetime, int]]) -> None:
    """(id, state, when to look again, how often it was looked)."""
    _check_later.run_many(tx, [dict(zip(("of", "was", "then", "so_often"), row, strict=True)) for row in rows])


def adopt(tx: Tx, worker: str, now: datetime, of: Collection[str] | None = None) -> Sequence[AnyRow]:
    """Takes over what another worker, or one of these dead ones, left running, to be looked after at once.

    Returns attempt_id and state of each. One statement takes and tells: what a worker that lives after all claims
    meanwhile is either not taken, or told.
    """
    taken = update(t.attempts).where(*_held_by(worker, of)).values(worker=worker, check_at=now, checks=1)
    return tx.execute(taken.returning(_a.attempt_id, _a.state)).all()


def _held_by(worker: str, of: Collection[str] | None) -> tuple[ColumnElement[bool], ...]:
    if of is None:
        return IS_RUNNING, _a.worker != worker
    return IS_RUNNING, func.coalesce(_a.worker, "").in_(sorted(of))
