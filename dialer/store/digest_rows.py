"""Statements of the daily digest: what the next day brings, and what waits for people."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import func, select

from dialer.store import tables as t
from dialer.store.common import AnyRow
from dialer.store.database import Tx
from dialer.store.queues import PLANNED

_a, _c, _i = t.attempts.c, t.campaigns.c, t.installments.c


def campaigns(tx: Tx) -> Sequence[AnyRow]:
    """(name, status, changed_at) of those that are not cancelled."""
    return tx.execute(select(_c.name, _c.status, _c.changed_at).where(_c.status != "cancelled").order_by(_c.name)).all()


def planned_between(tx: Tx, begins: datetime, ends: datetime) -> Sequence[AnyRow]:
    """(name, status, channel, attempts, first_at, last_at) of what is planned for `begins` ≤ due < `ends`."""
    return tx.execute(
        select(
            _c.name,
            _c.status,
            _a.channel,
            func.count().label("attempts"),
            func.min(_a.due_at).label("first_at"),
            func.max(_a.due_at).label("last_at"),
        )
        .join(t.campaigns, _c.campaign_id == _a.campaign_id)
        .where(PLANNED, _a.due_at >= begins, _a.due_at < ends, _c.status != "cancelled")
        .group_by(_c.name, _c.status, _a.channel)
        .order_by(_c.name, _a.channel)
    ).all()


def open_tasks(tx: Tx) -> Sequence[AnyRow]:
    """(kind, tasks, first_at) of the open ones, the most frequent kind first."""
    k = t.tasks.c
    return tx.execute(
        select(k.kind, func.count().label("tasks"), func.min(k.opened_at).label("first_at"))
        .where(k.done_at.is_(None))
        .group_by(k.kind)
        .order_by(func.count().desc(), k.kind)
    ).all()


def promises_closed(tx: Tx, begins: datetime, ends: datetime) -> dict[str, int]:
    """kept or broken → how many promises came to that end in `begins` ≤ closed < `ends`."""
    p = t.promises.c
    rows = tx.execute(select(p.state, func.count()).where(p.closed_at >= begins, p.closed_at < ends).group_by(p.state))
    return {row[0]: row[1] for row in rows}


def next_due_on(tx: Tx, after: date) -> date | None:
    """The first day after `after` on which an open installment falls due."""
    found: date | None = tx.execute(select(func.min(_i.due_on)).where(_i.is_open, _i.due_on > after)).scalar()
    return found


def last_import_at(tx: Tx, kind: str) -> datetime | None:
    """When a file of this kind was last imported."""
    a = t.actions.c
    found: datetime | None = tx.execute(select(func.max(a.at)).where(a.action == "import", a.subject == kind)).scalar()
    return found
