"""`dialer plan`: a dry run for people (tables, an hour chart), for programs (JSON) and for spreadsheets (CSV)."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from typer import BadParameter

from campaigns.hours import day_start
from campaigns.model import Channel
from config.settings import LineSettings, Settings
from dialer import check, forecast, forecast_files
from dialer.cell import FIRST_DAY, LAST_DAY
from dialer.cli import plan_messages
from dialer.cli.common import numbered
from dialer.cli.progress import Working
from dialer.clock import Clock, SystemClock
from dialer.errors import DialerError
from dialer.forecast import Forecast, Question
from dialer.wholefile import whole_file

DAYS = timedelta(days=31)
"""How far a plan looks without --to."""
SHOWN_MAX = 10
"""Accounts that are named where many are counted."""
BAR = 40
Verdict = Literal["pass", "defer", "block"]
VERDICTS: tuple[Verdict, ...] = ("pass", "defer", "block")
LEFT_OUT = {
    forecast.MADE: "were made already",
    "paid": "are paid",
    "paused_until": "lie before the end of a pause",
}


class RoundTotal(BaseModel):
    """One round of a segment. A combined call is one attempt."""

    segment: str
    round: int
    rounds: int
    channel: str
    first_on: date
    last_on: date
    attempts: int
    verdicts: dict[Verdict, int]


class Refusal(BaseModel):
    """What a rule defers or blocks. Rules that begin with `dialer.` are the gate's own."""

    rule: str
    verdict: Verdict
    attempts: int
    citation: str
    """Empty for the gate's own."""
    example: str
    """One of the reasons."""


class Hour(BaseModel):
    """Attempts, without those blocked, whose slot lies in an hour of the lender's day, beside what the lines can do."""

    day: date
    hour: int
    channel: str
    attempts: int
    capacity: int
    over: bool


class Plan(BaseModel):
    """What would be attempted. Counts are attempts, if not said otherwise."""

    model_config = ConfigDict(populate_by_name=True)

    campaign: str
    title: str
    first: date = Field(alias="from")
    last: date = Field(alias="to")
    planned_at: datetime
    """The planning instant: rounds that are over by then are left out."""
    source: Literal["files", "database"]
    persons: int
    accounts: int
    attempts: int
    rows: int
    """Of the CSV file: one per round and account."""
    verdicts: dict[Verdict, int]
    rounds: list[RoundTotal]
    refusals: list[Refusal]
    hours: list[Hour]
    messages: list[plan_messages.MessageTotal]
    """Empty: no round is a message."""
    unselected: int
    """Accounts that no segment takes."""
    unselected_first: list[str]
    left_out: dict[str, int]
    """Rounds of single accounts that are not attempted any more, by reason."""
    csv: str | None


async def plan(
    settings: Settings, campaign_path: Path, from_: date | None, to: date | None, accounts: Path | None,
    installments: Path | None, csv: Path | None, json: bool, console: Console, clock: Clock = SystemClock(),
) -> Plan:  # fmt: skip
    """Forecasts, writes the CSV file if asked, prints. Raises InvalidInput, DialerError, or BadParameter for usage."""
    if (accounts is None) != (installments is None):
        raise BadParameter("one of two files is given; accepted: --accounts and --installments, or neither")
    campaign = check.read_campaign(campaign_path, settings)
    asked = forecast.question(settings, campaign, *_range(settings, from_, to, clock.now()))
    with progress(json) as bar:
        if accounts and installments:
            files = forecast_files.open_files(asked.country, accounts, installments)
            found = forecast_files.from_files(asked, files, csv is not None, bar)
        else:
            found = await _from_database(settings, asked, csv is not None, bar)
    report = _report(settings, asked, found, "files" if accounts else "database", csv)
    if csv is not None:
        _write(csv, (line[-1] for line in found.lines))
    if json:
        console.print_json(report.model_dump_json(by_alias=True))
    else:
        _print(report, asked, settings.lender.currency, console)
    return report


def _range(settings: Settings, first: date | None, last: date | None, now: datetime) -> tuple[date, date, datetime]:
    """Both days, and the planning instant: 00:00 lender time of --from, or now."""
    zone = ZoneInfo(settings.lender.time_zone)
    for day, option in ((first, "--from"), (last, "--to")):
        if day is not None and not FIRST_DAY <= day <= LAST_DAY:
            raise BadParameter(f"{day} is too far away; accepted: {FIRST_DAY} to {LAST_DAY}", param_hint=option)
    planned_at = now if first is None else day_start(first, zone)
    first = first or now.astimezone(zone).date()
    last = last or first + DAYS
    if last < first:
        raise BadParameter(f"{last} lies before {first}; accepted: that day or a later one", param_hint="--to")
    return first, last, planned_at


async def _from_database(settings: Settings, asked: Question, with_lines: bool, bar: forecast.Progress) -> Forecast:
    # SQLAlchemy takes its time to import, and two files need none.
    from dialer import forecast_store, mark
    from dialer.house import open_house
    from dialer.store import schema, shown, sqlite_file

    file, url = sqlite_file(settings.database), settings.database
    mark.refuse_where_gone(url)
    if file is not None and not file.exists():
        raise DialerError(f"no database is at {file} yet; import the files, or give --accounts and --installments")
    if file is None and await asyncio.to_thread(schema.version, url) is None:
        raise DialerError(f"{shown(url)} is empty yet; import the files, or give --accounts and --installments")
    async with open_house(settings) as house:
        return await forecast_store.from_store(asked, house.store, with_lines, bar)


@contextmanager
def progress(quiet: bool) -> Iterator[forecast.Progress]:
    """Hears of rows read and answered, or persons, and shows them on standard error once it takes long."""
    with Working("planning", None if quiet else Console(stderr=True), unit="rows") as bar:
        yield bar.advance


def _write(path: Path, lines: Iterable[str]) -> None:
    with whole_file(path) as stream:
        stream.write(",".join(forecast.HEADER) + "\n")
        stream.writelines(lines)


# --- the report --------------------------------------------------------------------------------------------------


def _report(
    settings: Settings, asked: Question, found: Forecast, source: Literal["files", "database"], csv: Path | None
) -> Plan:
    unselected = sorted(found.unselected)
    return Plan(
        campaign=asked.campaign.name,
        title=asked.campaign.title,
        first=asked.first,
        last=asked.last,
        planned_at=asked.now.astimezone(asked.zone),
        source=source,
        persons=found.persons,
        accounts=found.accounts,
        attempts=found.attempts.total(),
        rows=found.rows.total(),
        verdicts=_by_verdict(found.attempts),
        rounds=_rounds(asked, found),
        refusals=_refusals(asked, found),
        hours=_hours(settings, asked, found),
        messages=plan_messages.totals(settings, found),
        unselected=len(unselected),
        unselected_first=unselected[:SHOWN_MAX],
        left_out={str(why): count for why, count in sorted(found.left_out.items())},
        csv=None if csv is None else str(csv),
    )


def _by_verdict(cells: Counter[forecast.Cell]) -> dict[Verdict, int]:
    return {word: sum(count for cell, count in cells.items() if cell.verdict == word) for word in VERDICTS}


def _rounds(asked: Question, found: Forecast) -> list[RoundTotal]:
    order = {segment.name: number for number, segment in enumerate(asked.campaign.segment)}
    groups: dict[tuple[int, int], Counter[forecast.Cell]] = defaultdict(Counter)
    for cell, count in found.attempts.items():
        groups[order[cell.segment], cell.round][cell] += count
    totals = []
    for _, cells in sorted(groups.items()):
        one, days = next(iter(cells)), [cell.day for cell in cells]
        totals.append(
            RoundTotal(
                segment=one.segment, round=one.round, rounds=one.rounds, channel=one.channel, first_on=min(days),
                last_on=max(days), attempts=cells.total(), verdicts=_by_verdict(cells),
            )
        )  # fmt: skip
    return totals


def _refusals(asked: Question, found: Forecast) -> list[Refusal]:
    counts: Counter[tuple[str, Verdict]] = Counter()
    for cell, count in found.attempts.items():
        for word in VERDICTS[1:]:
            if cell.verdict == word:
                counts[cell.rule, word] += count
    book = asked.book
    return [
        Refusal(
            rule=rule, verdict=word, attempts=count, citation=known.citation if (known := book.rule(rule)) else "",
            example=found.reasons[word, rule],
        )
        for (rule, word), count in sorted(counts.items())
    ]  # fmt: skip


def _hours(settings: Settings, asked: Question, found: Forecast) -> list[Hour]:
    hours = []
    for (day, hour, channel), attempts in sorted(found.hours.items()):
        lines = [settings.lines[name] for name in getattr(asked.campaign.lines, channel)]
        capacity = int(sum(_capacity(line, channel, hour) for line in lines))
        hours.append(
            Hour(
                day=day, hour=hour, channel=channel, attempts=attempts, capacity=capacity, over=attempts > capacity
            )
        )  # fmt: skip
    return hours


def _capacity(line: LineSettings, channel: Channel, hour: int) -> float:
    """How many a line can begin in an hour of the lender's day, in the part of it in which the line may be used."""
    rate = line.calls_per_second if channel is Channel.VOICE else line.messages_per_second
    if not line.hours:
        return rate * 3600
    begins = hour * 3600
    return rate * sum(
        max(0, min(_seconds(until), begins + 3600) - max(_seconds(opens), begins)) for opens, until in line.hours
    )


def _seconds(at: time) -> int:
    return at.hour * 3600 + at.minute * 60 + at.second


# --- for people --------------------------------------------------------------------------------------------------


def _print(report: Plan, asked: Question, currency: str, console: Console) -> None:
    title = f" ({report.title})" if report.title else ""
    console.print(
        f"{report.campaign}{title}, {report.first} to {report.last}, from the {report.source}; "
        f"planned at {report.planned_at.isoformat(timespec='minutes')}",
        markup=False,
        highlight=False,
    )
    if report.rounds:
        console.print(_rounds_table(report))
    else:
        console.print("Nothing would be attempted in these days.")
    if report.refusals:
        console.print(_refusals_table(report))
    if report.messages:
        console.print(plan_messages.table(report.messages, currency))
    if report.hours:
        _print_hours(report, asked, console)
    for line in _remarks(report):
        console.print(line, markup=False, highlight=False)


def _rounds_table(report: Plan) -> Table:
    table = Table("segment", "round", "channel", "first day", "last day", show_footer=True, box=None, pad_edge=False)
    table.columns[0].footer = "all"
    for name, footer in (("attempts", report.attempts), *report.verdicts.items()):
        table.add_column(name, justify="right", footer=f"{footer:,}")
    for one in report.rounds:
        words = (escape(one.segment), f"{one.round} of {one.rounds}", one.channel, str(one.first_on), str(one.last_on))
        table.add_row(*words, *(f"{count:,}" for count in (one.attempts, *one.verdicts.values())))
    return table


def _refusals_table(report: Plan) -> Table:
    table = Table("refused by", "verdict", box=None, pad_edge=False)
    table.add_column("attempts", justify="right")
    table.add_column("why")
    for one in report.refusals:
        why = f"{one.example} [{one.citation}]" if one.citation else one.example
        table.add_row(one.rule, one.verdict, f"{one.attempts:,}", escape(why))
    return table


def _print_hours(report: Plan, asked: Question, console: Console) -> None:
    """The busiest day hour by hour, and the hours of other days that the lines cannot do."""
    days: Counter[date] = Counter()
    for hour in report.hours:
        days[hour.day] += hour.attempts
    busiest = min(days, key=lambda day: (-days[day], day))
    shown = [hour for hour in report.hours if hour.day == busiest]
    console.print(
        f"The busiest day, {busiest}, {asked.lender_zone}: {days[busiest]:,} attempts", highlight=False, markup=False
    )
    console.print(_chart(shown))
    for hour in report.hours:
        if hour.over and hour.day != busiest:
            console.print(f"over capacity: {hour.day} {hour.hour:02}:00 {_share(hour)}", highlight=False, markup=False)


def _chart(hours: list[Hour]) -> Table:
    """A bar per hour; `┃` marks what the lines can do, where it is near enough to be seen."""
    peak = max(hour.attempts for hour in hours)
    scale = max([peak, *(hour.capacity for hour in hours if hour.capacity <= 3 * peak)])
    table = Table.grid(padding=(0, 1))
    for hour in hours:
        bar = Text("█" * max(1, round(BAR * hour.attempts / scale)), style="red" if hour.over else "green")
        bar.pad_right(BAR + 1 - len(bar))
        if hour.capacity <= scale:
            at = round(BAR * hour.capacity / scale)
            bar = Text.assemble(bar[:at], "┃", bar[at + 1 :])
        over = Text(f"over by {hour.attempts - hour.capacity:,}", style="bold red") if hour.over else Text()
        table.add_row(f"{hour.hour:02}:00", hour.channel, bar, _share(hour), over)
    return table


def _share(hour: Hour) -> str:
    return f"{hour.attempts:,} of {hour.capacity:,} an hour"


def _remarks(report: Plan) -> Iterator[str]:
    attempts, persons = numbered(report.attempts, "attempt"), numbered(report.persons, "person")
    yield f"{attempts} to {persons} about {numbered(report.accounts, 'account')}."
    if plan_messages.differ(report.messages):
        yield plan_messages.REMARK
    if report.unselected:
        more = ", …" if report.unselected > len(report.unselected_first) else ""
        ids = ", ".join(report.unselected_first)
        yield f"{numbered(report.unselected, 'account is', 'accounts are')} taken by no segment: {ids}{more}"
    for why, count in report.left_out.items():
        yield f"{count:,} rounds of accounts {LEFT_OUT.get(why, why)} and are left out."
    if report.csv:
        yield f"{numbered(report.rows, 'row is', 'rows are')} in {report.csv}"
