"""Aggregates of the report. Every statement is about the attempts of a `Scope`; the database does the counting.

Money is stored as text, so that it stays exact: sums are made from (amount, how often), never by SQL's SUM.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Date,
    and_,
    case,
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
from dialer.store.attempts import IN_FORCE
from dialer.store.common import AnyRow
from dialer.store.database import Tx
from dialer.store.types import Instant

_a, _aa, _p, _e = t.attempts.c, t.attempt_accounts.c, t.payments.c, t.events.c
QUARTER_S = 900
"""No zone's offset is finer, so quarters of an hour are enough to find the local hour."""


def _quarter_of(at: ColumnElement[Any]) -> ColumnElement[int]:
    # A literal, not a parameter: PostgreSQL takes two parameters for two different expressions in GROUP BY.
    return type_coerce(at, BigInteger) // literal_column(str(QUARTER_S * 1_000_000), BigInteger)


_quarter = _quarter_of(_a.placed_at)
_handed_over = _quarter_of(func.coalesce(_a.placed_at, _a.claimed_at))

_IS_REMINDER = _a.cause != "confirmation"
"""Whoever is told that nothing more will come is not reminded."""


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
    """rule → how many reminders it deferred at least once."""
    v = t.verdicts.c
    statement = (
        select(v.rule, func.count(v.attempt_id.distinct()))
        .join(t.attempts, _a.attempt_id == v.attempt_id)
        .where(v.verdict == "defer", v.rule.is_not(None), _IS_REMINDER, *scope.where())
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


def placed_by_quarter(tx: Tx, scope: Scope) -> Sequence[AnyRow]:
    """(quarters of an hour since 1970 UTC, line, channel, placed) of all that was handed to a provider.

    What the provider was never proved to have taken stands where the intent was committed.
    """
    statement = (
        select(_handed_over.label("quarter"), _a.line, _a.channel, func.count().label("placed"))
        .where(_a.claimed_at.is_not(None), *scope.where())
        # The number first: it tells most rows apart, and SQLite sorts to group.
        .group_by(_handed_over, _a.line, _a.channel)
    )
    return tx.execute(statement).all()


def funnel(tx: Tx, scope: Scope, outcomes: Sequence[str]) -> AnyRow:
    """(planned, placed, reached): installments by how far the reminders of them came; reached: these outcomes."""
    placed = and_(IN_FORCE, _a.claimed_at.is_not(None))
    one = (
        select(
            func.max(case((placed, 1), else_=0)).label("placed"),
            func.max(case((and_(placed, _a.outcome.in_(outcomes)), 1), else_=0)).label("reached"),
        )
        .select_from(t.attempt_accounts)
        .join(t.attempts, _a.attempt_id == _aa.attempt_id)
        .where(_IS_REMINDER, *scope.where())
        .group_by(_aa.account_id, _aa.installment_id)
        .subquery()
    )
    placed_ones, reached_ones = (func.coalesce(func.sum(stage), 0) for stage in (one.c.placed, one.c.reached))
    stages = (func.count().label("planned"), placed_ones.label("placed"), reached_ones.label("reached"))
    return tx.execute(select(*stages).select_from(one)).one()


_LOSING = text("events.kind IN ('uncertain', 'lease_expired', 'silent') AND NOT events.stray")
"""The events that made an attempt lost. Written out, not bound, as the partial index wants it."""


def _losses() -> CTE:
    """(attempt_id, event_id) of the last event that lost an attempt, one a lost attempt."""
    newest = func.max(_e.event_id).label("event_id")
    return select(_e.attempt_id, newest).where(_LOSING).group_by(_e.attempt_id).cte("losses")


def lost(tx: Tx, scope: Scope) -> Sequence[AnyRow]:
    """(kind, state, is_unknown, attempts) of attempts that were ever lost, by the last event that lost them."""
    losses = _losses()
    alike = (_e.kind, _a.state, (_a.disposition == "unknown").label("is_unknown"))
    statement = (
        select(*alike, func.count().label("attempts"))
        .select_from(losses)
        .join(t.events, _e.event_id == losses.c.event_id)
        .join(t.attempts, _a.attempt_id == losses.c.attempt_id)
        .where(*scope.where())
        .group_by(*alike)
    )
    return tx.execute(statement).all()


def median_lost_us(tx: Tx, scope: Scope, settled: int) -> float | None:
    """The median of the microseconds from lost to settled, of the `settled` attempts that `lost` counted.

    A late end is dated by the provider and may lie before the loss: then it took no time.
    """
    if not settled:
        return None
    losses = _losses()
    took = type_coerce(_a.settled_at, BigInteger) - type_coerce(_e.received_at, BigInteger)
    statement = (
        select(case((took > 0, took), else_=0).label("took"))
        .select_from(losses)
        .join(t.events, _e.event_id == losses.c.event_id)
        .join(t.attempts, _a.attempt_id == losses.c.attempt_id)
        .where(_a.state == "settled", *scope.where())
        .order_by("took")
        .offset((settled - 1) // 2)
        .limit(2 - settled % 2)
    )
    middle: Sequence[int] = tx.execute(statement).scalars().all()
    return sum(middle) / len(middle)


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
    """Every day on which something was paid since the first launch; before it nobody was contacted."""
    first = tx.execute(select(func.min(t.campaigns.c.launched_at))).scalar()
    if first is None:
        return []
    # A day earlier: the lender's date may be behind UTC's.
    wanted = _p.paid_on >= first.date() - timedelta(days=1)
    return tx.execute(select(_p.paid_on).where(wanted).distinct().order_by(_p.paid_on)).scalars().all()


@dataclass(frozen=True, slots=True)
class PaymentDay:
    """A day of payment: `begins` holds the instants at which it began, the day before it, and so on back."""

    day: date
    ends: datetime
    begins: Sequence[datetime]


def payments_after_contact(
    tx: Tx, scope: Scope, outcomes: Sequence[str], days: Sequence[PaymentDay]
) -> Sequence[AnyRow]:
    """(currency, amount, days, payments, installments) of payments that followed a contact about the same installment.

    `days`: from the last such contact to the payment; `installments` counts each at its first such payment only. A
    contact counts if it was placed since the earliest of `begins`. A payment that was already recorded then followed
    nothing; one of which something was taken back later is none.
    """
    if not days:
        return []
    backs = [f"begin_{back}" for back in range(len(days[0].begins))]
    f = _followed(days, backs, scope, outcomes).c
    first = func.min(f.payment_id).over(partition_by=(f.account_id, f.installment_id)) == f.payment_id
    since = case(*((f.at >= f[name], back) for back, name in enumerate(backs)))
    dated = select(f.currency, f.amount, since.label("days"), first.label("first")).where(f.at.is_not(None)).subquery()
    d = dated.c
    alike = (d.currency, d.amount, d.days)
    installments = func.sum(case((d.first, 1), else_=0)).label("installments")
    return tx.execute(select(*alike, func.count().label("payments"), installments).group_by(*alike)).all()


def _followed(days: Sequence[PaymentDay], backs: Sequence[str], scope: Scope, outcomes: Sequence[str]) -> CTE:
    """Payments with their currency, the instant `at` of the last contact before them, and their day's `backs`."""
    span = (
        values(column("day", Date), column("ends", Instant), *(column(name, Instant) for name in backs), name="spans")
        .data([(one.day, one.ends, *one.begins) for one in days])
        .cte()
    )
    contact = (
        select(func.max(_a.placed_at))
        .join_from(t.attempt_accounts, t.attempts, _a.attempt_id == _aa.attempt_id)
        .where(
            _aa.account_id == _p.account_id,
            _aa.installment_id == _p.installment_id,
            IN_FORCE,
            _a.outcome.in_(outcomes),
            _IS_REMINDER,
            _a.placed_at >= span.c[backs[-1]],
            _a.placed_at < span.c.ends,
            _a.placed_at < _p.recorded_at,
            *scope.where(),
        )
        .correlate(t.payments, span)
        .scalar_subquery()
    )
    i = t.installments.c
    same = and_(i.account_id == _p.account_id, i.installment_id == _p.installment_id)
    known = (_p.payment_id, _p.account_id, _p.installment_id, i.currency, _p.amount)
    return (
        select(*known, contact.label("at"), *(span.c[name] for name in backs))
        .join_from(t.payments, t.installments, same)
        # An outer join, so that SQLite walks over the payments once and not once a day.
        .outerjoin(span, span.c.day == _p.paid_on)
        .where(_p.paid_on >= days[0].day, _p.source != "reverse", ~_taken_back())
        # Kept, so that the contact is looked for once a payment and not once for each use of `at`.
        .cte("followed")
        .prefix_with("MATERIALIZED")
    )


def _taken_back() -> ColumnElement[bool]:
    later = t.payments.alias("later")
    return exists().where(
        later.c.account_id == _p.account_id,
        later.c.installment_id == _p.installment_id,
        later.c.payment_id > _p.payment_id,
        later.c.source == "reverse",
    )
