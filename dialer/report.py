"""What came of it: planned, placed, reached, promised, paid, refused; by segment, round, hour and line.

The database counts; here its groups are put into the columns and lists of the model.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from math import ceil
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from campaigns.model import Channel, Disposition, Outcome
from config.settings import Settings
from dialer import report_page
from dialer.attempt import State
from dialer.confirmation import CAUSE as CONFIRMATION
from dialer.errors import DialerError
from dialer.house import House
from dialer.packs import rules_named
from dialer.report_model import (
    Answered,
    Capacity,
    Counts,
    Funnel,
    HourLoad,
    LineCounts,
    Lost,
    Messages,
    PaidAfter,
    Promises,
    Refusal,
    Report,
    RoundCounts,
    Sum,
    columns_of,
)
from dialer.store import Tx, report_rows
from dialer.store.report_rows import PaymentDay, Scope
from dialer.wholefile import whole_file

PAYS_WITHIN = timedelta(days=7)
CONTACTS = (Outcome.REACHED, Outcome.PROMISED, Outcome.SAYS_PAID)
"""Contacts after which a payment counts as one that followed."""
NOT_REACHED = frozenset(
    {Outcome.NO_CONTACT, Outcome.INVALID_NUMBER, Outcome.FAILED, Outcome.UNKNOWN, Outcome.VOICEMAIL_LEFT}
)
NOT_THE_PERSON = NOT_REACHED | {Outcome.WRONG_NUMBER}
"""All other outcomes count as reached in the funnel."""
OWN_COLUMN = frozenset({Outcome.REACHED, Outcome.PROMISED, Outcome.SAYS_PAID, Outcome.OPTED_OUT})


def build(tx: Tx, house: House, campaign: str | None = None, day: date | None = None) -> Report:
    """The report now, counted by the database. Raises DialerError for a campaign that was never launched."""
    scope = _scope(tx, house, campaign, day)
    every = report_rows.counts(tx, scope)
    rows = [row for row in every if row.cause != CONFIRMATION]
    hours, weekdays = _answered(report_rows.calls_by_quarter(tx, scope), house.zone)
    paid = _paid(tx, house, scope)
    lender = house.settings.lender
    return Report(
        at=house.clock.now(),
        lender=lender.name,
        time_zone=lender.time_zone,
        currency=lender.currency,
        campaign=campaign,
        day=day,
        totals=Counts(**_tally(rows)),
        funnel=_funnel(tx, scope, paid),
        rounds=_rounds(rows),
        refusals=_refusals(rows, report_rows.deferrals(tx, scope)),
        reasons=_ranked((row.reason, row.attempts) for row in rows if _column(row) in ("cancelled", "expired")),
        outcomes=_outcomes(rows),
        dispositions=_ranked((row.disposition, row.attempts) for row in rows if row.state == State.SETTLED),
        by_hour=hours,
        by_weekday=weekdays,
        right_party_contacts=_right_party(rows),
        promises=_promises(report_rows.promises(tx, scope)),
        paid_after_contact=_sums((row.currency, row.amount, row.payments) for row in paid),
        paid_after_days=_paid_after_days(paid),
        messages=_messages(every),
        lines=_lines(every),
        load=_load(report_rows.placed_by_quarter(tx, scope), house.zone),
        capacity=_capacity(house),
        lost=_lost(tx, scope),
        outside_window=report_rows.outside_window(tx, scope),
    )


def _scope(tx: Tx, house: House, campaign: str | None, day: date | None) -> Scope:
    campaign_id = None
    if campaign is not None:
        known = report_rows.campaign_ids(tx)
        if campaign not in known:
            raise DialerError(f'no campaign is named "{campaign}"; launched are: {", ".join(known) or "none"}')
        campaign_id = known[campaign]
    if day is None:
        return Scope(campaign_id)
    return Scope(campaign_id, _begin(house, day), _begin(house, day + timedelta(days=1)))


def _begin(house: House, day: date) -> datetime:
    """The instant at which the lender's day begins."""
    return datetime.combine(day, time(), house.zone)


def _column(row: Any) -> str:
    """The one column of `Counts` that says where the attempt stands."""
    if not row.is_placed:
        if row.state == State.BLOCKED or (row.state == State.EXPIRED and row.rule):
            return "refused"
        return row.state if row.state in (State.CANCELLED, State.EXPIRED) else "waiting"
    if row.state != State.SETTLED:
        return "running"
    if row.outcome in OWN_COLUMN:
        return str(row.outcome)
    return "not_reached" if row.outcome in NOT_REACHED else "other"


def _tally(rows: Iterable[Any]) -> Counter[str]:
    found: Counter[str] = Counter()
    for row in rows:
        found["planned" if row.cause == "round" else "follow_ups"] += row.attempts
        found[_column(row)] += row.attempts
        if row.is_placed:
            found["placed"] += row.attempts
        if row.channel == Channel.SMS and row.outcome == Outcome.REACHED:
            found["reached_by_message"] += row.attempts
    return found


def _rounds(rows: Iterable[Any]) -> list[RoundCounts]:
    of_round: dict[tuple[str, int], list[Any]] = {}
    for row in rows:
        of_round.setdefault((row.segment, row.round), []).append(row)
    return [
        RoundCounts(segment=segment, round=number, outcomes=_outcomes(alike), **_tally(alike))
        for (segment, number), alike in sorted(of_round.items())
    ]


def _outcomes(rows: Iterable[Any]) -> dict[str, int]:
    return _ranked((row.outcome, row.attempts) for row in rows if row.state == State.SETTLED)


def _funnel(tx: Tx, scope: Scope, paid: Iterable[Any]) -> Funnel:
    reaching = [outcome for outcome in Outcome if outcome not in NOT_THE_PERSON]
    found = report_rows.funnel(tx, scope, reaching)
    return Funnel(
        planned=found.planned,
        placed=found.placed,
        reached=found.reached,
        paid=sum(row.installments for row in paid),
    )


def _refusals(rows: Sequence[Any], deferred: dict[str, int]) -> list[Refusal]:
    found = {state: Counter[str]() for state in (State.BLOCKED, State.EXPIRED)}
    for row in rows:
        if _column(row) == "refused":
            found[State(row.state)][row.rule] += row.attempts
    blocked, expired = found[State.BLOCKED], found[State.EXPIRED]
    return [
        Refusal(rule=rule, blocked=blocked[rule], expired=expired[rule], deferred=deferred.get(rule, 0))
        for rule in sorted({*blocked, *expired, *deferred})
    ]


def _ranked(pairs: Iterable[tuple[str | None, int]]) -> dict[str, int]:
    """The most frequent first."""
    found: Counter[str] = Counter()
    for name, count in pairs:
        found[name or "unknown"] += count
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _answered(rows: Iterable[Any], lender_zone: ZoneInfo) -> tuple[list[Answered], list[Answered]]:
    """Calls by hour and by weekday of the person's time; the lender's where nobody knows the person's."""
    hours: dict[int, Counter[bool]] = {}
    weekdays: dict[int, Counter[bool]] = {}
    for row in rows:
        zone = ZoneInfo(row.zones[0]) if row.zones else lender_zone
        local = datetime.fromtimestamp(row.quarter * report_rows.QUARTER_S, UTC).astimezone(zone)
        for counts, key in ((hours, local.hour), (weekdays, local.isoweekday())):
            counts.setdefault(key, Counter())[bool(row.is_answered)] += row.calls

    def listed(counts: dict[int, Counter[bool]]) -> list[Answered]:
        return [Answered(at=key, calls=both.total(), answered=both[True]) for key, both in sorted(counts.items())]

    return listed(hours), listed(weekdays)


def _right_party(rows: Iterable[Any]) -> int:
    return sum(
        row.attempts
        for row in rows
        if row.disposition == Disposition.HUMAN and row.state == State.SETTLED and row.outcome != Outcome.WRONG_NUMBER
    )


def _sums(rows: Iterable[tuple[str, Decimal, int]]) -> list[Sum]:
    """(currency, amount, how often) → one sum a currency, exact."""
    found: dict[str, Sum] = {}
    for currency, amount, count in rows:
        one = found.setdefault(currency, Sum(currency=currency, count=0, amount=Decimal(0)))
        one.count += count
        one.amount += amount * count
    return [found[currency] for currency in sorted(found)]


def _promises(rows: Sequence[Any]) -> Promises:
    states: Counter[str] = Counter()
    for row in rows:
        states[row.state] += row.promises
    return Promises(
        made=states.total(),
        open=states["open"],
        kept=states["kept"],
        broken=states["broken"],
        amounts=_sums((row.currency, row.amount, row.promises) for row in rows),
        kept_amounts=_sums((row.currency, row.amount, row.promises) for row in rows if row.state == "kept"),
    )


def _paid(tx: Tx, house: House, scope: Scope) -> Sequence[Any]:
    """Payment files name days, not hours: a payment dated the day of the contact counts if it became known after."""
    days = [
        PaymentDay(
            day,
            ends=_begin(house, day + timedelta(days=1)),
            begins=[_begin(house, day - timedelta(days=back)) for back in range(PAYS_WITHIN.days + 1)],
        )
        for day in report_rows.payment_days(tx)
    ]
    return report_rows.payments_after_contact(tx, scope, CONTACTS, days)


def _paid_after_days(rows: Iterable[Any]) -> list[PaidAfter]:
    found: Counter[int] = Counter()
    for row in rows:
        found[row.days] += row.payments
    return [PaidAfter(days=days, payments=payments) for days, payments in sorted(found.items())]


def _messages(rows: Iterable[Any]) -> Messages:
    found = Messages()
    for row in rows:
        if row.channel != Channel.SMS or not row.is_placed:
            continue
        if row.cause == CONFIRMATION:
            found.confirmations += row.attempts
            continue
        found.placed += row.attempts
        if row.disposition in (Disposition.SENT, Disposition.DELIVERED, Disposition.UNDELIVERED):
            setattr(found, row.disposition, getattr(found, row.disposition) + row.attempts)
    return found


def _lines(rows: Iterable[Any]) -> list[LineCounts]:
    found: dict[str, LineCounts] = {}
    for row in rows:
        if not row.is_placed or row.line is None:
            continue
        one = found.setdefault(row.line, LineCounts(line=row.line))
        if row.channel == Channel.VOICE:
            one.calls += row.attempts
            one.answered += row.attempts * bool(row.is_answered)
        else:
            one.messages += row.attempts
        cost = (row.cost or Decimal(0)) * row.attempts
        one.spend += cost
        one.spend_on_messages += cost if row.channel == Channel.SMS else 0
    return [found[line] for line in sorted(found)]


def _load(rows: Iterable[Any], lender_zone: ZoneInfo) -> list[HourLoad]:
    found: Counter[tuple[datetime, str, str]] = Counter()
    for row in rows:
        local = datetime.fromtimestamp(row.quarter * report_rows.QUARTER_S, UTC).astimezone(lender_zone)
        # With a plain offset, so that the hour that comes twice when summer time ends is two hours.
        hour = local.replace(minute=0, tzinfo=timezone(local.utcoffset() or timedelta()))
        found[hour, row.line, row.channel] += row.placed
    return [HourLoad(at=at, line=line, channel=channel, placed=found[at, line, channel])
            for at, line, channel in sorted(found)]  # fmt: skip


def _capacity(house: House) -> list[Capacity]:
    return [
        # Rounded first: 0.1 a second are 360 an hour, not 360.00000000000006, which is 361 begun.
        Capacity(line=name, channel=channel, an_hour=ceil(round(rate * 3600, 6)))
        for name, line in sorted(house.settings.lines.items())
        for channel, rate in ((Channel.SMS, line.messages_per_second), (Channel.VOICE, line.calls_per_second))
        if channel in line.channels
    ]


def _lost(tx: Tx, scope: Scope) -> Lost:
    rows = report_rows.lost(tx, scope)
    found = Lost(causes=_ranked((row.kind, row.attempts) for row in rows))
    for row in rows:
        found.ever += row.attempts
        if row.state != State.SETTLED:
            found.open += row.attempts
        elif row.is_unknown:
            found.unknown += row.attempts
        else:
            found.found += row.attempts
    median_us = report_rows.median_lost_us(tx, scope, found.found + found.unknown)
    found.minutes = None if median_us is None else round(median_us / 60_000_000, 2)
    return found


def write_html(found: Report, path: Path, language: str, settings: Settings | None = None) -> None:
    """Writes the report as one self-contained page; Chinese for a zh language, else English.

    `settings`: whose packs have the rules that refused; without them these are named by their ids alone."""
    rules = rules_named(settings, {one.rule for one in found.refusals}) if settings else {}
    page = report_page.render(found, language, columns_of(found), PAYS_WITHIN.days, rules)
    with whole_file(path, private=False) as stream:
        stream.write(page)


__all__ = ["PAYS_WITHIN", "Report", "build", "write_html"]
