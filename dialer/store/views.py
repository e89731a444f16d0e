"""Read-only statements of exports and the status."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from dialer.store import tables as t
from dialer.store.common import AnyRow, in_parts
from dialer.store.database import Tx

PAGE = 2_000
_a = t.attempts.c
_whole = select(
    _a.attempt_id, t.campaigns.c.name, _a.person_id, _a.segment, _a.due_on, _a.round, _a["try"], _a.channel, _a.line,
    _a.phone, _a.zones, _a.state, _a.reason, _a.rule, _a.disposition, _a.outcome, _a.planned_for, _a.placed_at,
    _a.answered_at, _a.ended_at, _a.provider_ref,
).join(t.campaigns, t.campaigns.c.campaign_id == _a.campaign_id)  # fmt: skip


def attempts(tx: Tx, campaign: str | None, since: datetime | None) -> Iterator[list[AnyRow]]:
    """Pages of attempts with their campaign's name, by slot and id; eight bytes of memory an attempt, and one page.

    The ids are sorted once: no index is kept for exports, so paging by the slot would sort the rest for every page.
    """
    wanted = select(_a.attempt_id).order_by(_a.planned_for, _a.attempt_id)
    if campaign is not None:
        wanted = wanted.join(t.campaigns, t.campaigns.c.campaign_id == _a.campaign_id)
        wanted = wanted.where(t.campaigns.c.name == campaign)
    if since is not None:
        wanted = wanted.where(_a.planned_for >= since)
    ids = array("q", tx.execute(wanted).scalars())
    for start in range(0, len(ids), PAGE):
        page = ids[start : start + PAGE].tolist()
        found = {row.attempt_id: row for row in tx.execute(_whole.where(_a.attempt_id.in_(page)))}
        yield [found[key] for key in page]


def accounts_of(tx: Tx, attempt_ids: Sequence[int]) -> dict[int, list[str]]:
    """attempt id → the accounts it is about, sorted; of a cancelled attempt those it was about."""
    aa = t.attempt_accounts.c
    statement = (
        select(aa.attempt_id, aa.account_id, aa.cancelled)
        .where(aa.attempt_id.in_(list(attempt_ids)))
        .order_by(aa.attempt_id, aa.account_id)
    )
    found: dict[int, list[tuple[str, bool]]] = {}
    for key, account, cancelled in tx.execute(statement):
        found.setdefault(key, []).append((account, cancelled))
    return {
        key: [account for account, cancelled in rows if not cancelled] or [account for account, _ in rows]
        for key, rows in found.items()
    }


def verdicts_of(tx: Tx, attempt_ids: Sequence[int]) -> dict[int, list[AnyRow]]:
    return _by_attempt(tx, select(t.verdicts).order_by(t.verdicts.c.verdict_id), t.verdicts.c.attempt_id, attempt_ids)


def events_of(tx: Tx, attempt_ids: Sequence[int]) -> dict[int, list[AnyRow]]:
    return _by_attempt(tx, select(t.events).order_by(t.events.c.event_id), t.events.c.attempt_id, attempt_ids)


def _by_attempt(tx: Tx, statement: Any, column: Any, attempt_ids: Sequence[int]) -> dict[int, list[AnyRow]]:
    found: dict[int, list[AnyRow]] = {}
    for part in in_parts(attempt_ids):
        for row in tx.execute(statement.where(column.in_(part))):
            found.setdefault(row.attempt_id, []).append(row)
    return found


def states(tx: Tx) -> Mapping[int, list[tuple[str, int, str, int]]]:
    """campaign id → (segment, round, state, how many)."""
    rows = tx.execute(
        select(_a.campaign_id, _a.segment, _a.round, _a.state, func.count())
        .group_by(_a.campaign_id, _a.segment, _a.round, _a.state)
        .order_by(_a.campaign_id, _a.segment, _a.round)
    )
    found: dict[int, list[tuple[str, int, str, int]]] = {}
    for campaign_id, *rest in rows:
        found.setdefault(campaign_id, []).append(tuple(rest))
    return found


def last_placed(tx: Tx) -> dict[str, datetime]:
    """line → its last placement, from the record: the line's own row is written before the call is placed."""
    rows = tx.execute(select(_a.line, func.max(_a.placed_at)).where(_a.placed_at.is_not(None)).group_by(_a.line))
    return {row[0]: row[1] for row in rows}


def campaigns(tx: Tx) -> Sequence[AnyRow]:
    return tx.execute(select(t.campaigns).order_by(t.campaigns.c.name)).all()


def halt(tx: Tx) -> AnyRow | None:
    """(value, set_at) of the emergency stop."""
    return tx.execute(select(t.flags.c.value, t.flags.c.set_at).where(t.flags.c.name == "halt")).first()


def open_tasks(tx: Tx) -> dict[str, int]:
    """kind → how many are open."""
    k = t.tasks.c
    rows = tx.execute(select(k.kind, func.count()).where(k.done_at.is_(None)).group_by(k.kind))
    return {row[0]: row[1] for row in rows}
