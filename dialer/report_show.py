"""The report for people, in the terminal."""

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dialer.report import PAYS_WITHIN, Report
from dialer.report_model import Answered, Counts, HourLoad, Sum, columns_of

OF_THE_PLACED = ("placed", "reached", "promised", "says_paid", "opted_out", "other", "not_reached", "running")
"""The columns of the second table, where one with all of them is too wide."""
WIDEST = 1000
"""No table is: what is measured is the table, not the console."""
CAUSES = {"uncertain": "no clear answer", "lease_expired": "a worker ended", "silent": "no news"}
"""What the event that lost an attempt means."""


def show(found: Report, console: Console) -> None:
    """Prints it in tables that fit the console, from 80 columns on."""
    day = f", {found.day}" if found.day else ""
    console.print(f"[bold]Report[/]: {escape(found.campaign or 'all campaigns')}{day}")
    for table in _rounds(found, console):
        console.print(table, soft_wrap=False)
    if found.refusals:
        rules = _table("rule", "blocked", "expired", "deferred")
        for rule in found.refusals:
            rules.add_row(escape(rule.rule), *map(_number, (rule.blocked, rule.expired, rule.deferred)))
        console.print(rules, soft_wrap=False)
    facts = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, said in _facts(found):
        facts.add_row(escape(name), said)
    console.print(facts, soft_wrap=False)


def _rounds(found: Report, console: Console) -> Iterator[Table]:
    """The counts by round: one table, or two where it would be wider than the console."""
    titles = columns_of(found)
    whole = _rounds_table(found, titles)
    needs = console.measure(whole, options=console.options.update(max_width=WIDEST)).maximum
    if needs <= console.width:
        yield whole
        return
    yield _rounds_table(found, {k: title for k, title in titles.items() if k == "placed" or k not in OF_THE_PLACED})
    yield _rounds_table(found, {name: title for name, title in titles.items() if name in OF_THE_PLACED})


def _rounds_table(found: Report, titles: dict[str, str]) -> Table:
    def cells(counts: Counts) -> Iterable[str]:
        return (_number(getattr(counts, name)) for name in titles)

    # Two words stand on two lines: a heading is never cut.
    table = _table("round", *(title.replace(" ", "\n", 1) for title in titles.values()))
    for one in found.rounds:
        table.add_row(f"{escape(one.segment)} {one.round}", *cells(one))
    table.add_section()
    table.add_row("[bold]all[/]", *cells(found.totals))
    return table


def _table(first: str, *numbers: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column(first, vertical="bottom")
    for name in numbers:
        table.add_column(name, justify="right", vertical="bottom", no_wrap=True)
    return table


def _facts(found: Report) -> Iterator[tuple[str, str]]:
    """(name, what is to say of it, as markup), what there is nothing to say of left out."""
    yield "Installments", _funnel(found)
    if found.reasons:
        yield "Cancelled, expired", _words(found.reasons)
    yield from _of_calls(found)
    yield "Right-party contacts", f"{found.right_party_contacts:,}"
    yield from _of_money(found)
    yield from _of_lines(found)
    yield from _of_losses(found)
    bad = found.outside_window
    yield "Outside their window", f"[bold red]{bad:,}[/]" if bad else "0"


def _funnel(found: Report) -> str:
    f = found.funnel
    if not f.planned:
        return "none"
    placed = f"{f.planned:,} planned, {f.placed:,} placed, {f.reached:,} reached ({share(f.reached, f.placed)})"
    return f"{placed}, {f.paid:,} of them paid within {PAYS_WITHIN.days} days ({share(f.paid, f.reached)})"


def _of_calls(found: Report) -> Iterator[tuple[str, str]]:
    def shares(parts: Iterable[Answered], name: str) -> str:
        return ", ".join(f"{one.at:{name}} {share(one.answered, one.calls)}" for one in parts)

    if found.by_hour:
        yield "Answered by hour", shares(found.by_hour, "02")
    if busiest := max(found.load, key=lambda one: one.placed, default=None):
        yield "Busiest hour", _busiest(found, busiest)


def _busiest(found: Report, hour: HourLoad) -> str:
    most = {(one.line, one.channel): one.an_hour for one in found.capacity}.get((hour.line, hour.channel))
    of = "" if most is None else f" of at most {most:,}"
    words = {"voice": "calls", "sms": "messages"}
    return f"{hour.at:%Y-%m-%d %H:%M}, line {escape(hour.line)}: {hour.placed:,} {words[hour.channel]}{of}"


def _of_money(found: Report) -> Iterator[tuple[str, str]]:
    p = found.promises
    sums = f"; kept {_money(p.kept_amounts)} of {_money(p.amounts)}" if p.made else ""
    yield "Promises", f"{p.made:,} made: {p.kept:,} kept, {p.broken:,} broken, {p.open:,} open{sums}"
    paid = ", ".join(f"{one.count:,} ({one.amount:,} {one.currency})" for one in found.paid_after_contact) or "none"
    soon = sum(one.payments for one in found.paid_after_days if one.days <= 1)
    days = f"; {soon:,} on the same or the next day" if found.paid_after_days else ""
    yield "Paid after contact", f"{paid} within {PAYS_WITHIN.days} days{days}"


def _of_lines(found: Report) -> Iterator[tuple[str, str]]:
    m = found.messages
    if m.placed:
        ends = ((m.delivered, "delivered"), (m.undelivered, "undelivered"), (m.sent, "sent, without receipts"))
        yield "Messages", f"{m.placed:,}: " + (", ".join(f"{n:,} {word}" for n, word in ends if n) or "all under way")
    if m.confirmations:
        yield "Opt-outs", f"{m.confirmations:,} confirmed by a message"
    for line in found.lines:
        calls = f"{line.calls:,} calls, {share(line.answered, line.calls)} answered, {line.messages:,} messages"
        spend = f"spend {line.spend:,} {found.currency}, {line.spend_on_messages:,} of it on messages"
        yield f"Line {line.line}", f"{calls}; {spend}"


def _of_losses(found: Report) -> Iterator[tuple[str, str]]:
    lost = found.lost
    if not lost.ever:
        yield "Lost", "0"
        return
    causes = ", ".join(f"{CAUSES.get(name, name)} {count:,}" for name, count in lost.causes.items())
    ends = f"{lost.found:,} cleared up by their provider, {lost.unknown:,} unknown, {lost.open:,} open"
    took = "" if lost.minutes is None else f"; median {lost.minutes:,g} minutes"
    yield "Lost", f"{lost.ever:,} ({causes}): {ends}{took}"


def _money(sums: Iterable[Sum]) -> str:
    return " + ".join(f"{one.amount:,} {one.currency}" for one in sums) or "0"


def _number(value: int) -> str:
    return f"{value:,}" if value else "·"


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items())


def share(part: int, whole: int) -> str:
    """Per cent, without decimals; a dash of nothing."""
    return f"{part / whole:.0%}" if whole else "–"
