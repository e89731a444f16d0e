"""Read-only statements of exports and the status."""

from array import array
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, select

from dialer.store import tables as t
from dialer.store.common import AnyRow, in_parts
from dialer.store.database import Tx

PAGE = 2_000
_a = t.attempts.c
_whole = select(
    _a.attempt_id, t.campaigns.c.name, _a.person_id, _a.segment, _a.due_on, _a.round, _a["try"], _a.channel, _a.line,
    _a.phone, _a.zones, _a.state, _a.reason, _a.rule, _a.disposition, _a.outcome, _a.planned_for, _a.placed_at,
    _a.answered_at, _a.ended_at, _a.provider_ref, _a.cause, _a.code, _a.detected, _a.window_from, _a.window_until,
    _a.claimed_at, _a.lost_at, _a.settled_at, _a.cost,
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


def installments_of(tx: Tx, attempt_ids: Sequence[int]) -> dict[int, list[AnyRow]]:
    """attempt id → the installments it is or was about: (account_id, installment_id, cancelled, due_on, amount,
    currency), the last three None where the roster does not know it."""
    aa, i = t.attempt_accounts.c, t.installments.c
    same = and_(i.account_id == aa.account_id, i.installment_id == aa.installment_id)
    statement = (
        select(aa.attempt_id, aa.account_id, aa.installment_id, aa.cancelled, i.due_on, i.amount, i.currency)
        .outerjoin_from(t.attempt_accounts, t.installments, same)
        .order_by(aa.attempt_id, aa.account_id)
    )
    return _by_attempt(tx, statement, aa.attempt_id, attempt_ids)


def payments_of(tx: Tx, attempt_ids: Sequence[int]) -> dict[tuple[str, str], list[AnyRow]]:
    """(account, installment) → every payment of it, for the installments that these attempts are about."""
    aa, p = t.attempt_accounts.c, t.payments.c
    about = select(aa.account_id, aa.installment_id).where(aa.attempt_id.in_(list(attempt_ids))).distinct().subquery()
    same = and_(p.account_id == about.c.account_id, p.installment_id == about.c.installment_id)
    found: dict[tuple[str, str], list[AnyRow]] = {}
    for row in tx.execute(select(t.payments).join_from(about, t.payments, same).order_by(p.payment_id)):
        found.setdefault((row.account_id, row.installment_id), []).append(row)
    return found


def promises_of(tx: Tx, attempt_ids: Sequence[int]) -> dict[int, list[AnyRow]]:
    """attempt id → the promises made in it."""
    aa, p = t.attempt_accounts.c, t.promises.c
    # By way of the accounts: promises have an index by account and none by attempt.
    same = and_(p.account_id == aa.account_id, p.attempt_id == aa.attempt_id)
    statement = select(t.promises).join_from(t.attempt_accounts, t.promises, same).order_by(p.promise_id)
    return _by_attempt(tx, statement, aa.attempt_id, attempt_ids)


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


def campaigns(tx: Tx) -> Sequence[AnyRow]:
    return tx.execute(select(t.campaigns).order_by(t.campaigns.c.name)).all()
