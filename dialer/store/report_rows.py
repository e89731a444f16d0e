"""Aggregates of the report. Every statement is about the attempts of a `Scope`; the database does the counting.

Money is stored as text, so that it stays exact: sums are made from (amount, how often), never by SQL's SUM.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    and_,
    column,
    exists,
    func,
    literal_column,
    select,
    text,
    type_coerce,
    values,
)

from dialer.store import tables as t
from dialer.store.common import AnyRow
from dialer.store.database import Tx
from dialer.store.types import Instant

_a, _aa, _p = t.attempts.c, t.attempt_accounts.c, t.payments.c
QUARTER_S = 900
"""No zone's offset is finer, so quarters of an hour are enough to find the local hour."""
# A literal, not a parameter: PostgreSQL takes two parameters for two different expressions in GROUP BY.
_quarter = type_coerce(_a.placed_at, BigInteger) // literal_column(str(QUARTER_S * 1_000_000), BigInteger)

# In the index's own words: SQLite uses a partial index for no others, and `~cancelled` becomes `cancelled = 0`.
_IN_FORCE = text("NOT attempt_accounts.cancelled")


@dataclass(frozen=True, slots=True)
class Scope:
    """Which attempts: of one campaign, and with their slot (`planned_for`) in [since, until); None: any."""

    campaign_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None

    def where(self) -> list[ColumnElement[bool]]:
        wanted: list[ColumnElement[bool]] = []
        if self.campaign_id is not None:
            wanted.append(_a.campaign_id == self.campaign_id)
        if self.since is not None:
            wanted.append(_a.planned_for >= self.since)
        if self.until is not None:
            wanted.append(_a.planned_for < self.until)
        return wanted


def campaign_ids(tx: Tx) -> dict[str, int]:
    """name → id of every campaign, cancelled ones too."""
    rows = tx.execute(select(t.campaigns.c.name, t.campaigns.c.campaign_id).order_by(t.campaigns.c.name))
    return {row[0]: row[1] for row in rows}


def counts(tx: Tx, scope: Scope) -> Sequence[AnyRow]:
    """`count` of attempts alike in everything the report tells apart: a few hundred rows, whatever the portfolio."""
    alike: list[Any] = [
        _a.segment,
        _a.round,
        _a.cause,
        _a.channel,
        _a.state,
        _a.reason,
        _a.rule,
        _a.disposition,
        _a.outcome,
        _a.line,
        _a.cost,
        _a.claimed_at.is_not(None).label("is_placed"),
        _a.answered_at.is_not(None).label("is_answered"),
    ]
    # Not `count`, which every row has as a method.
    statement = select(*alike, func.count().label("attempts")).where(*scope.where()).group_by(*alike)
    return tx.execute(statement).all()


def deferrals(tx: Tx, scope: Scope) -> dict[str, int]:
    """rule → how many attempts it deferred at least once."""
    v = t.verdicts.c
    statement = (
        select(v.rule, func.count(v.attempt_id.distinct()))
        .join(t.attempts, _a.attempt_id == v.attempt_id)
        .where(v.verdict == "defer", v.rule.is_not(None), *scope.where())
        .group_by(v.rule)
    )
    return {row[0]: row[1] for row in tx.execute(statement)}


def calls_by_quarter(tx: Tx, scope: Scope) -> Sequence[AnyRow]:
    """(quarters of an hour since 1970 UTC, zones, is_answered, calls) of all calls the provider took."""
    answered = _a.answered_at.is_not(None).label("is_answered")
    statement = (
        select(_quarter.label("quarter"), _a.zones, answered, func.count().label("calls"))
        .where(_a.channel == "voice", _a.placed_at.is_not(None), *scope.where())
        .group_by(_quarter, _a.zones, answered)
    )
    return tx.execute(statement).all()


def outside_window(tx: Tx, scope: Scope) -> int:
    """Attempts placed before their window opened or after it closed."""
    outside = (_a.placed_at < _a.window_from) | (_a.placed_at >= _a.window_until)
    statement = select(func.count()).where(_a.placed_at.is_not(None), outside, *scope.where())
    return tx.execute(statement).scalar_one()


def promises(tx: Tx, scope: Scope) -> Sequence[AnyRow]:
    """(state, currency, amount, promises) of what was promised in these attempts."""
    p = t.promises.c
    statement = (
        select(p.state, p.currency, p.amount, func.count().label("promises"))
        .join(t.attempts, _a.attempt_id == p.attempt_id)
        .where(*scope.where())
        .group_by(p.state, p.currency, p.amount)
    )
    return tx.execute(statement).all()


def payment_days(tx: Tx) -> Sequence[date]:
    """Every day on which something was paid."""
    return tx.execute(select(_p.paid_on).where(_p.paid_on.is_not(None)).distinct().order_by(_p.paid_on)).scalars().all()


def payments_after_contact(
    tx: Tx, scope: Scope, outcomes: Sequence[str], days: Sequence[tuple[date, datetime, datetime]]
) -> Sequence[AnyRow]:
    """(currency, amount, payments) of payments that followed a contact about the same installment.

    `days`: for each day of payment, the instants [since, until) at which such a contact was placed. A payment that
    was already recorded when the contact was placed followed nothing. Each payment counts once.
    """
    if not days:
        return []
    span = (
        values(column("day", Date), column("since", Instant), column("until", Instant), name="spans").data(days).cte()
    )
    contact = (
        exists()
        .where(
            _aa.account_id == _p.account_id,
            _aa.installment_id == _p.installment_id,
            _IN_FORCE,
            _a.attempt_id == _aa.attempt_id,
            _a.outcome.in_(outcomes),
            _a.placed_at >= span.c.since,
            _a.placed_at < span.c.until,
            _a.placed_at < _p.recorded_at,
            *scope.where(),
        )
        .correlate(t.payments, span)
    )
    i = t.installments
    same = and_(i.c.account_id == _p.account_id, i.c.installment_id == _p.installment_id)
    statement = (
        select(i.c.currency, _p.amount, func.count().label("payments"))
        .join_from(t.payments, i, same)
        # An outer join, so that SQLite walks over the payments once and not once a day.
        .outerjoin(span, span.c.day == _p.paid_on)
        .where(contact)
        .group_by(i.c.currency, _p.amount)
    )
    return tx.execute(statement).all()
