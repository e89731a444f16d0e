"""What came of it: planned, placed, reached, promised, paid, refused; by segment, round, hour and line."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from campaigns.model import Channel, Disposition, Outcome
from dialer import report_page
from dialer.attempt import State
from dialer.errors import DialerError
from dialer.house import House
from dialer.report_model import (
    Answered,
    Counts,
    LineCounts,
    Messages,
    Promises,
    Refusal,
    Report,
    RoundCounts,
    Sum,
    columns_of,
)
from dialer.store import Tx, report_rows
from dialer.store.report_rows import Scope

PAYS_WITHIN = timedelta(days=7)
CONTACTS = (Outcome.REACHED, Outcome.PROMISED, Outcome.SAYS_PAID)
"""Contacts after which a payment counts as one that followed."""
NOT_REACHED = frozenset(
    {Outcome.NO_CONTACT, Outcome.INVALID_NUMBER, Outcome.FAILED, Outcome.UNKNOWN, Outcome.VOICEMAIL_LEFT}
)
OWN_COLUMN = frozenset({Outcome.REACHED, Outcome.PROMISED, Outcome.SAYS_PAID, Outcome.OPTED_OUT})


def build(tx: Tx, house: House, campaign: str | None = None, day: date | None = None) -> Report:
    """The report now, counted by the database. Raises DialerError for a campaign that was never launched."""
    scope = _scope(tx, house, campaign, day)
    rows = report_rows.counts(tx, scope)
    hours, weekdays = _answered(report_rows.calls_by_quarter(tx, scope), house.zone)
    lender = house.settings.lender
    return Report(
        at=house.clock.now(),
        lender=lender.name,
        time_zone=lender.time_zone,
        currency=lender.currency,
        campaign=campaign,
        day=day,
        totals=Counts(**_tally(rows)),
        rounds=_rounds(rows),
        refusals=_refusals(rows, report_rows.deferrals(tx, scope)),
        reasons=_ranked((row.reason, row.attempts) for row in rows if _column(row) in ("cancelled", "expired")),
        outcomes=_ranked((row.outcome, row.attempts) for row in rows if row.state == State.SETTLED),
        dispositions=_ranked((row.disposition, row.attempts) for row in rows if row.state == State.SETTLED),
        by_hour=hours,
        by_weekday=weekdays,
        right_party_contacts=_right_party(rows),
        promises=_promises(report_rows.promises(tx, scope)),
        paid_after_contact=_paid_after_contact(tx, house, scope),
        messages=_messages(rows),
        lines=_lines(rows),
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


def _rounds(rows: Sequence[Any]) -> list[RoundCounts]:
    keys = sorted({(row.segment, row.round) for row in rows})
    return [
        RoundCounts(segment=key[0], round=key[1], **_tally(row for row in rows if (row.segment, row.round) == key))
        for key in keys
    ]


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
    amounts = _sums((row.currency, row.amount, row.promises) for row in rows)
    return Promises(
        made=states.total(), open=states["open"], kept=states["kept"], broken=states["broken"], amounts=amounts
    )


def _paid_after_contact(tx: Tx, house: House, scope: Scope) -> list[Sum]:
    """Payment files name days, not hours: a payment dated the day of the contact counts if it became known after."""
    days = [
        (day, _begin(house, day) - PAYS_WITHIN, _begin(house, day + timedelta(days=1)))
        for day in report_rows.payment_days(tx)
    ]
    rows = report_rows.payments_after_contact(tx, scope, CONTACTS, days)
    return _sums((row.currency, row.amount, row.payments) for row in rows)


def _messages(rows: Iterable[Any]) -> Messages:
    found = Messages()
    for row in rows:
        if row.channel != Channel.SMS or not row.is_placed:
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
        one.spend += (row.cost or Decimal(0)) * row.attempts
    return [found[line] for line in sorted(found)]


# --- its faces ---------------------------------------------------------------------------------------------------


def show(found: Report, console: Console) -> None:
    """Prints it in tables that fit 100 columns."""
    day = f", {found.day}" if found.day else ""
    console.print(f"[bold]Report[/]: {escape(found.campaign or 'all campaigns')}{day}")
    console.print(_rounds_table(found))
    if found.reasons:
        console.print(f"Cancelled or expired: {_words(found.reasons)}", markup=False)
    if found.refusals:
        table = _table("rule", "blocked", "expired", "deferred")
        for rule in found.refusals:
            table.add_row(escape(rule.rule), *map(_number, (rule.blocked, rule.expired, rule.deferred)))
        console.print(table)
    if found.by_hour:
        hours = ", ".join(f"{one.at:02}h {share(one.answered, one.calls)}" for one in found.by_hour)
        console.print(f"Answered by local hour: {hours}", markup=False)
    console.print(f"Right-party contacts: {found.right_party_contacts:,}")
    p, m = found.promises, found.messages
    console.print(f"Promises: {p.made:,} made, {p.kept:,} kept, {p.broken:,} broken, {p.open:,} open")
    paid = ", ".join(f"{one.count:,} ({one.amount:,} {one.currency})" for one in found.paid_after_contact) or "none"
    console.print(f"Payments within {PAYS_WITHIN.days} days after contact: {paid}", markup=False)
    if m.placed:
        console.print(f"Messages: {m.placed:,}; {m.delivered:,} delivered, {m.undelivered:,} undelivered")
    for line in found.lines:
        console.print(
            f"Line {line.line}: {line.calls:,} calls, {share(line.answered, line.calls)} answered, "
            f"{line.messages:,} messages, spend {line.spend:,} {found.currency}",
            markup=False,
        )
    bad = found.outside_window
    console.print(f"Placed outside their window: {f'[bold red]{bad:,}[/]' if bad else '0'}")


def _rounds_table(found: Report) -> Table:
    totals = found.totals
    names = columns_of(found)
    table = _table("round", *names.values())
    for one in found.rounds:
        table.add_row(f"{escape(one.segment)} {one.round}", *(_number(getattr(one, name)) for name in names))
    table.add_section()
    table.add_row("[bold]all[/]", *(_number(getattr(totals, name)) for name in names))
    return table


def _table(first: str, *numbers: str) -> Table:
    table = Table(first, box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def _number(value: int) -> str:
    return f"{value:,}" if value else "·"


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items())


def share(part: int, whole: int) -> str:
    """Per cent, without decimals; a dash of nothing."""
    return f"{part / whole:.0%}" if whole else "–"


def write_html(found: Report, path: Path, language: str) -> None:
    """Writes the report as one self-contained page; Chinese for a zh language, else English."""
    page = report_page.render(found, language, columns_of(found), PAYS_WITHIN.days)
    if not path.name or path.is_dir():
        raise DialerError(f"{path}: is a folder; give a file")
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(page, encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise DialerError(f"{path}: {error.strerror}; give a file in a folder that exists and may be written") from None


__all__ = ["Report", "build", "show", "write_html"]
