"""Statements of many workers on one database: signs of life, and what they reserve on the lines. PostgreSQL only."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import bindparam, func, select, text, update

from dialer.store import tables as t
from dialer.store import worker_tables as w
from dialer.store.attempts import IS_RUNNING
from dialer.store.common import AnyRow, Values, insert_for, put_all
from dialer.store.database import Tx
from dialer.store.postgres import DUTY
from dialer.store.prepared import Prepared
from dialer.store.types import EPOCH, MICROSECOND, Instant

DEAD = timedelta(seconds=10)
"""Without a sign of life for so long a worker is dead: what it left running is looked after by others."""

_l, _r, _w = t.lines.c, w.reservations.c, w.workers.c


# --- signs of life --------------------------------------------------------------------------------------------------


def every(tx: Tx) -> Sequence[AnyRow]:
    """worker, started_at, seen_at, goes_by."""
    return tx.execute(select(w.workers).order_by(_w.worker)).all()


_alive = text(
    "SELECT worker FROM workers WHERE abs(seen_at - extract(epoch FROM clock_timestamp()) * 1000000) <= :lately "
    "ORDER BY worker"
)


def alive(tx: Tx) -> list[str]:
    """The workers that have shown life lately, by the server's own clock; what lies ahead of it says nothing, it was
    set back. PostgreSQL only."""
    return list(tx.execute(_alive, {"lately": DEAD // MICROSECOND}).scalars())


_duty = text(
    "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid "
    "WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 0 AND l.objid = :duty AND l.objsubid = 1 "
    "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def apart(tx: Tx, since: datetime) -> list[tuple[str, ...]]:
    """The workers that have shown life since then, those together that go by the same, the most first; none where all
    do. Of one that does not say what it goes by nothing is known."""
    groups: dict[str, list[str]] = {}
    for row in every(tx):
        if row.seen_at >= since and row.goes_by is not None:
            groups.setdefault(row.goes_by, []).append(row.worker)
    found = sorted((tuple(names) for names in groups.values()), key=lambda names: (-len(names), names))
    return found if len(found) > 1 else []


def sessions_on_duty(tx: Tx) -> set[str]:
    """`session_of` the worker that has the duty; empty while nobody has it, and on SQLite."""
    if tx.dialect.name != "postgresql":
        return set()
    return set(tx.execute(_duty, {"duty": DUTY}).scalars())


_holders = Prepared(select(t.attempts.c.worker).where(IS_RUNNING).distinct())


def missing(tx: Tx, before: datetime) -> set[str]:
    """Workers without a sign of life since then, and those that hold attempts and are not written down at all."""
    # In this order: one that shows life first and then claims is known by the second statement.
    holders = {name or "" for name in _holders.scalars(tx)}
    known = {row.worker: row.seen_at for row in every(tx)}
    return {name for name, at in known.items() if at < before} | (holders - set(known))


def gone(tx: Tx, names: Iterable[str]) -> None:
    """They are over: what they reserved returns."""
    wanted = sorted(names)
    tx.execute(w.reservations.delete().where(_r.worker.in_(wanted)))
    tx.execute(w.workers.delete().where(_w.worker.in_(wanted)))


# --- reservations ---------------------------------------------------------------------------------------------------


def add_lines(tx: Tx, names: Iterable[str]) -> None:
    """Writes down lines that are not there yet."""
    row = {"next_voice_at": EPOCH, "next_sms_at": EPOCH, "breaker": "closed"}
    insert = insert_for(tx.dialect.name, t.lines).on_conflict_do_nothing()
    tx.execute(insert, [{"line": name, **row} for name in sorted(names)])


_lock = Prepared(
    select(_l.line, _l.next_voice_at, _l.next_sms_at, _l.held_until)
    .where(_l.line.in_(bindparam("names", expanding=True)))
    .order_by(_l.line)
    .with_for_update()
)


def lock_lines(tx: Tx, names: Iterable[str]) -> dict[str, AnyRow]:
    """The lines' paces, which nobody else moves until the transaction ends."""
    return {row.line: row for row in _lock.all(tx, names=sorted(names))}


_expired = Prepared(w.reservations.delete().where(_r.until <= bindparam("now"), _r.worker != bindparam("me")))


def expire(tx: Tx, me: str, now: datetime) -> None:
    """What others reserved and did not use in time returns. One that is just being used is waited for."""
    _expired.run(tx, me=me, now=now)


_others = Prepared(select(func.count()).where(_w.worker != bindparam("me"), _w.seen_at >= bindparam("since")))


def others(tx: Tx, me: str, since: datetime) -> int:
    """How many other workers have shown life since then."""
    return int(_others.scalar(tx, me=me, since=since) or 0)


_reserved = Prepared(
    select(_r.line, _r.calls, _r.amount).where(_r.until > bindparam("now"), _r.worker != bindparam("me"))
)


def reserved(tx: Tx, me: str, now: datetime) -> dict[str, tuple[int, Decimal]]:
    """line → calls and money that other workers are about to use."""
    found: dict[str, tuple[int, Decimal]] = {}
    for line, calls, amount in _reserved.all(tx, now=now, me=me):
        before = found.get(line, (0, Decimal(0)))
        found[line] = (before[0] + calls, before[1] + amount)
    return found


_live = Prepared(select(t.live_calls.c.line, func.count()).group_by(t.live_calls.c.line))


def live(tx: Tx) -> dict[str, int]:
    """line → running calls of all workers."""
    return {line or "": int(count) for line, count in _live.all(tx)}


_move_pace = Prepared(
    update(t.lines)
    .where(_l.line == bindparam("of"))
    .values(next_voice_at=bindparam("voice"), next_sms_at=bindparam("sms"))
)


_done = Prepared(w.reservations.delete().where(_r.worker == bindparam("me")))


def move_paces(tx: Tx, paces: Sequence[Values]) -> None:
    """Moves the lines' paces (of, voice, sms) beyond what is reserved."""
    _move_pace.run_many(tx, paces)


def reserve(tx: Tx, me: str, reservations: Sequence[Values]) -> None:
    """Writes down a worker's reservations, and none of an earlier claim beside them."""
    _done.run(tx, me=me)
    if reservations:
        put_all(tx, w.reservations, reservations)


_give_back = {
    "voice": Prepared(
        update(t.lines)
        .where(_l.line == bindparam("of"), _l.next_voice_at == bindparam("was"))
        .values(next_voice_at=bindparam("free"))
    ),
    "sms": Prepared(
        update(t.lines)
        .where(_l.line == bindparam("of"), _l.next_sms_at == bindparam("was"))
        .values(next_sms_at=bindparam("free"))
    ),
}


class Returned(Exception):
    """What was reserved was not used in time, and others may have it by now: nothing was written."""


def use(tx: Tx, me: str, lines: int, unused: Mapping[str, Sequence[Values]]) -> None:
    """What was reserved, on so many lines, is used, in the transaction that uses it.

    `unused`: channel → the slots' first that nobody took (of, was, free); it is given back unless another worker has
    reserved beyond it since. Raises Returned."""
    if _done.run(tx, me=me) != lines:
        raise Returned(f"what was reserved on {lines} lines has returned meanwhile")
    for channel, rows in unused.items():
        _give_back[channel].run_many(tx, rows)


_report = Prepared(
    update(t.lines)
    .where(_l.line == bindparam("of"))
    .values(
        breaker=bindparam("state"),
        breaker_until=bindparam("until"),
        heard_at=bindparam("at"),
        held_until=func.greatest(_l.held_until, bindparam("held", type_=Instant)),
        last_placed_at=func.greatest(_l.last_placed_at, bindparam("placed", type_=Instant)),
    )
)


def report(tx: Tx, rows: Sequence[Values], now: datetime) -> None:
    """How a worker's lines stand (rows of `Line.row`): not their pace, which all share."""
    _report.run_many(
        tx,
        [
            {
                "of": row["line"], "state": row["breaker"], "until": row["breaker_until"], "at": now,
                "held": row["held_until"], "placed": row["last_placed_at"],
            }
            for row in sorted(rows, key=lambda row: str(row["line"]))
        ],
    )  # fmt: skip
