"""Read-only statements of `dialer status` and its alarms."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, func, select

from dialer.store import tables as t
from dialer.store.attempts import IS_RUNNING
from dialer.store.common import AnyRow
from dialer.store.database import Tx
from dialer.store.queues import PLANNED, Queue

_a, _l, _k = t.attempts.c, t.lines.c, t.tasks.c
_known_lines = select(_l.line)


def progress(tx: Tx) -> dict[int, list[AnyRow]]:
    """campaign id → (segment, round, state, outcome, attempts), by segment and round.

    Walks over an index of every attempt: about half a second for a million.
    """
    round_of = (_a.campaign_id, _a.segment, _a.round)
    # By what each database's index has, see `tables`.
    key, state = (
        (_a.final, func.coalesce(_a.final, "planned")) if tx.dialect.name == "postgresql" else (_a.state, _a.state)
    )
    rows: list[AnyRow] = []
    for name, by, which in ((state, key, _a.check_at.is_(None)), (_a.state, _a.state, IS_RUNNING)):
        wanted = select(*round_of, name.label("state"), _a.outcome, func.count().label("attempts"))
        rows += tx.execute(wanted.where(which).group_by(*round_of, by, _a.outcome)).all()
    found: dict[int, list[AnyRow]] = {}
    for row in sorted(rows, key=lambda row: (row.segment, row.round)):
        found.setdefault(row.campaign_id, []).append(row)
    return found


def outside_window(tx: Tx, since: datetime) -> int:
    """Attempts placed since then, before their window opened or after it closed: 0, or something is very wrong."""
    outside = (_a.placed_at < _a.window_from) | (_a.placed_at >= _a.window_until)
    statement = select(func.count()).where(_a.line.in_(_known_lines), _a.placed_at >= since, outside)
    return tx.execute(statement).scalar_one()


def last_placed(tx: Tx, until: datetime | None = None) -> dict[str, datetime]:
    """line → its last placement (`until` then), from the record: the line's own row is written before the call is
    placed."""
    known = _a.placed_at.is_not(None) if until is None else _a.placed_at <= until
    last = select(func.max(_a.placed_at)).where(_a.line == _l.line, known).scalar_subquery()
    return {line: at for line, at in tx.execute(select(_l.line, last)) if at is not None}


def placed_since(tx: Tx, since: datetime) -> dict[str, int]:
    """line → how many it placed since then."""
    statement = select(_a.line, func.count()).where(_a.line.in_(_known_lines), _a.placed_at >= since).group_by(_a.line)
    return {row[0]: row[1] for row in tx.execute(statement)}


def call_seconds(tx: Tx, line: str, since: datetime, most: int) -> list[float]:
    """How long the line's last calls took from placing to their end, at most `most` of those placed since then."""
    rows = tx.execute(
        select(_a.placed_at, _a.ended_at)
        .where(_a.line == line, _a.placed_at >= since, _a.channel == "voice", _a.ended_at.is_not(None))
        .order_by(_a.placed_at.desc())
        .limit(most)
    )
    return [(ended_at - placed_at).total_seconds() for placed_at, ended_at in rows]


_between = (
    select(func.count())
    .where(_a.campaign_id == bindparam("campaign"), _a.channel == bindparam("channel"))
    .where(_a.priority == bindparam("priority"), PLANNED)
    .where(_a.due_at > bindparam("after"), _a.due_at <= bindparam("until"))
)


def due_between(tx: Tx, queue: Queue, after: datetime, until: datetime) -> int:
    """How many of the queue become due after `after` and up to `until`."""
    given = dict(zip(("campaign", "channel", "priority"), queue, strict=True))
    return tx.execute(_between, {**given, "after": after, "until": until}).scalar_one()


def lost(tx: Tx) -> Sequence[AnyRow]:
    """Every attempt that was placed and whose end nobody knows, the oldest first, with what its deadline needs."""
    needed = (_a.campaign_id, _a.lost_at, _a.channel, _a.claimed_at, _a.valid_until)
    return tx.execute(select(*needed).where(IS_RUNNING, _a.state == "lost").order_by(_a.lost_at)).all()


def halt(tx: Tx) -> AnyRow | None:
    """(value, set_at) of the emergency stop."""
    return tx.execute(select(t.flags.c.value, t.flags.c.set_at).where(t.flags.c.name == "halt")).first()


def open_tasks(tx: Tx) -> dict[str, int]:
    """kind → how many are open."""
    rows = tx.execute(select(_k.kind, func.count()).where(_k.done_at.is_(None)).group_by(_k.kind))
    return {row[0]: row[1] for row in rows}


def old_tasks(tx: Tx, before: datetime) -> tuple[int, datetime | None]:
    """How many open tasks are older than that, and since when the oldest waits."""
    statement = select(func.count(), func.min(_k.opened_at)).where(_k.done_at.is_(None), _k.opened_at < before)
    count, oldest = tx.execute(statement).one()
    return count, oldest
