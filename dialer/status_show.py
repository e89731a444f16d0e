"""The status for people: parts that are printed one below the other, or fitted into a terminal's height.

Colours only repeat what a glyph, a word or a number says: it reads without them, on light and on dark ground.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from dialer.alarms import Alarm
from dialer.grid import GAP, Column, Grid
from dialer.house import House
from dialer.next_hour import STEP, NextHour, Planned
from dialer.status_model import STATES, CampaignStatus, LineStatus, Progress, Status, WorkerStatus
from dialer.store.workers import DEAD

GLYPHS = {
    "settled": ("█", "green"), "running": ("▓", "bold cyan"), "expired": ("▒", "yellow"), "blocked": ("▚", "magenta"),
    "cancelled": ("░", "dim"), "planned": ("·", "dim"),
}  # fmt: skip
"""In the order of a bar: what is over stands to the left, what is to come to the right."""
BAR_LEAST, BAR_MOST = 8, 40
SPARKS = "▁▂▃▄▅▆▇█"
COUNTED_LATELY_S = 5


@dataclass(frozen=True, slots=True)
class Row:
    """Where there is no room, the last of the rows with the lowest rank is left out first."""

    shown: RenderableType
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """What is shown together: a heading that stays, and rows that may be left out."""

    importance: int
    """The least important part loses its rows first."""
    head: Sequence[Text] = ()
    rows: Sequence[Row] = ()
    word: str = ""
    """One of the rows: "… 4 more rounds"."""


def show(found: Status, house: House, out: Console) -> None:
    """Prints all of it; instants in the lender's time."""
    for number, part in enumerate(parts(found, house, out.width)):
        if number:
            out.print()
        for each in (*part.head, *(row.shown for row in part.rows)):
            # Texts wrap between words, tables not at all.
            out.print(each, soft_wrap=isinstance(each, Text) and bool(each.no_wrap))


def parts(found: Status, house: House, width: int) -> list[Part]:
    """What there is to show, from top to bottom, for a terminal of this width."""
    say = _Speaker(house, found.at)
    nothing = Part(6, [Text("No campaign is launched. `dialer launch CAMPAIGN.toml` starts one.")])
    every = [
        Part(9, [_title(found, say)]),
        Part(8, rows=[_alarm(alarm) for alarm in found.alarms], word="alarm"),
        *([_campaign(one, say, width) for one in found.campaigns] or [nothing]),
        _legend(found, say),
        _lines(found.lines, say, width),
        _workers(found.workers, say, width),
        _next_hour(found.next_hour, width),
        _tasks(found.open_tasks),
    ]
    return [part for part in every if part.head or part.rows]


@dataclass(frozen=True, slots=True)
class _Speaker:
    """Says instants in the lender's time."""

    house: House
    now: datetime

    def at(self, at: datetime | None) -> str:
        """The time alone where it is today's; without the year where it is this one's."""
        if at is None:
            return "–"
        local, today = at.astimezone(self.house.zone), self.now.astimezone(self.house.zone).date()
        if local.date() == today:
            return f"{local:%H:%M:%S}"
        return f"{local:%m-%d %H:%M:%S}" if local.year == today.year else f"{local:%Y-%m-%d %H:%M}"


def _title(found: Status, say: _Speaker) -> Text:
    lender = say.house.settings.lender
    told = [line.heard_at for line in found.lines if line.heard_at] + [one.heard_at for one in found.workers]
    heard_at = max(told, default=None)
    heard = f"daemon heard at {say.at(heard_at)}" if heard_at else "no daemon heard yet"
    local = found.at.astimezone(say.house.zone)
    text = f"  {local:%Y-%m-%d %H:%M:%S} {lender.time_zone}  {heard}"
    return Text.assemble((lender.name, "bold"), text, no_wrap=True)


# --- alarms ------------------------------------------------------------------------------------------------------


def _alarm(alarm: Alarm) -> Row:
    is_error = alarm.severity == "error"
    style = "bold red" if is_error else "bold yellow"
    text = Text.assemble((f"{alarm.severity.upper()} {alarm.name}", style), f": {alarm.text}")
    return Row(Group(text, Padding(Text(f"→ {alarm.hint}"), (0, 0, 0, 2), expand=False)), rank=is_error)


# --- campaigns ---------------------------------------------------------------------------------------------------


def _campaign(one: CampaignStatus, say: _Speaker, width: int) -> Part:
    head = Text.assemble(
        (one.name, "bold"), f" version {one.version}: ", (one.status, "" if one.status == "active" else "bold yellow"),
        f"; {one.due_now:,} due now" if one.due_now else f"; next {say.at(one.next_due_at)}",
    )  # fmt: skip
    if one.lost:
        head.append(f", {one.lost:,} lost", "bold red").append(" (their provider is asked)")
    if not one.progress:
        return Part(6, [head])
    rounds = one.progress if len(one.progress) > 1 and one.status != "cancelled" else []
    titles, (first, *rest) = _progress([_total(one.progress), *rounds], width).lines()
    rows = [Row(line, _liveliness(row)) for line, row in zip(rest, rounds, strict=True)]
    return Part(3 if one.status == "active" else 2, [head, titles, first], rows, "round")


def _liveliness(row: Progress) -> int:
    """What runs comes before what is half done, and that before what has not begun or is over."""
    if row.counts["running"]:
        return 2
    return 1 if 0 < row.counts["planned"] < sum(row.counts.values()) else 0


def _total(rows: Sequence[Progress]) -> Progress:
    counts = {state: sum(row.counts[state] for row in rows) for state in STATES}
    return Progress(segment="all", round=0, counts=counts, reached=sum(row.reached for row in rows))


def _progress(rows: Sequence[Progress], width: int) -> Grid:
    """States that occur nowhere have no column; the bar takes what the numbers leave."""
    states = [state for state in GLYPHS if any(row.counts[state] for row in rows)]
    reached = [Column("reached")] if "settled" in states else []
    grid = Grid([Column("round", left=True), *(Column(state) for state in states), *reached])
    for row in rows:
        name = row.segment if not row.round else f"{row.segment} {row.round}"
        share = [_of(row.reached, row.counts["settled"])] if reached else []
        grid.add(name, *(_number(row.counts[state]) for state in states), *share)
    room = min(width - grid.width - GAP, BAR_MOST)
    if room >= BAR_LEAST and states:
        grid.insert(1, Column("", left=True), [bar(row.counts, room) for row in rows])
    return grid


def bar(counts: dict[str, int], width: int) -> Text:
    """Each state's share of the width; what there is at all is seen. `width`: at least as many as there are states."""
    total = sum(counts.values())
    cells = {state: max(1, width * counts[state] // total) if counts[state] else 0 for state in GLYPHS}
    cells[max(cells, key=lambda state: counts[state])] += width - sum(cells.values())
    return Text.assemble(*((GLYPHS[state][0] * cells[state], GLYPHS[state][1]) for state in GLYPHS))


def _legend(found: Status, say: _Speaker) -> Part:
    """What the glyphs mean, of the states that there are."""
    rows = [row for one in found.campaigns for row in one.progress]
    states = [state for state in GLYPHS if any(row.counts[state] for row in rows)]
    if not states:
        return Part(1)
    text = Text("", style="dim")
    for state in states:
        text.append(*GLYPHS[state]).append(f" {state}  ")
    if (found.at - found.counted_at).total_seconds() > COUNTED_LATELY_S:
        text.append(f"counted at {say.at(found.counted_at)}")
    text.rstrip()
    return Part(1, [text])


# --- lines -------------------------------------------------------------------------------------------------------


def _lines(lines: Sequence[LineStatus], say: _Speaker, width: int) -> Part:
    columns: list[tuple[Column, Callable[[LineStatus], str | Text]]] = [
        (Column("line", left=True), lambda line: line.line),
        (Column("adapter", left=True, spare=1), lambda line: line.adapter),
        (Column("calls/s"), lambda line: _rate(line, "voice", line.calls_per_second)),
        (Column("messages/s", spare=2), lambda line: _rate(line, "sms", line.messages_per_second)),
        (Column("last minute"), lambda line: _number(line.placed_last_minute)),
        (Column("calls at once"), lambda line: f"{line.running_calls:,} of {line.calls_at_once:,}"),
        (Column("breaker", left=True), lambda line: _breaker(line, say)),
        (Column("last placed", left=True, spare=3), lambda line: say.at(line.last_placed_at)),
        (Column("spent today"), _spent),
    ]
    grid = Grid([column for column, _ in columns])
    for line in lines:
        grid.add(*(cell(line) for _, cell in columns))
    grid.shrink(width)
    titles, rows = grid.lines()
    ranked = [Row(shown, line.breaker != "closed") for shown, line in zip(rows, lines, strict=True)]
    return Part(5, [titles], ranked, "line")


def _rate(line: LineStatus, channel: str, rate: float) -> str:
    return f"{rate:g}" if channel in line.channels else "·"


def _breaker(line: LineStatus, say: _Speaker) -> Text:
    if line.breaker == "open":
        return Text(f"open until {say.at(line.breaker_until)}", "bold red")
    if line.held_until is not None:
        return Text(f"held until {say.at(line.held_until)}", "bold yellow")
    return Text(line.breaker, "" if line.breaker == "closed" else "bold yellow")


def _spent(line: LineStatus) -> str:
    spent = f"{Decimal(line.spent_today):,}"
    return spent if line.spend_max_per_day is None else f"{spent} of {Decimal(line.spend_max_per_day):,}"


def _workers(workers: Sequence[WorkerStatus], say: _Speaker, width: int) -> Part:
    if not workers:
        return Part(5)
    names = ("worker", "host", "since", "heard at", "duty")
    grid = Grid([Column(name, left=True, spare=name in ("host", "since")) for name in names])
    for one in workers:
        is_late = say.now - one.heard_at > DEAD
        heard = Text(say.at(one.heard_at), "bold yellow" if is_late else "")
        grid.add(one.worker, one.host, say.at(one.started_at), heard, "plans, sweeps" if one.on_duty else "·")
    grid.shrink(width)
    titles, rows = grid.lines()
    return Part(5, [titles], [Row(row, one.on_duty) for row, one in zip(rows, workers, strict=True)], "worker")


# --- the next hour -----------------------------------------------------------------------------------------------


def _next_hour(hour: NextHour, width: int) -> Part:
    planned = [each for each in hour.planned if each.attempts]
    if not planned:
        return Part(4, [Text("Nothing is planned for the next hour.")] if hour.planned else [])
    routes = {(route.channel, frozenset(route.lines)): route for route in hour.routes}
    is_shared = any(routes[_way(each)].planned != each.attempts for each in planned)
    grid = Grid([
        Column("next hour", left=True), Column("lines", left=True), Column("due now"),
        Column(f"per {STEP.seconds // 60} minutes", left=True), Column("planned"),
        *([Column("with others")] if is_shared else []), Column("can be placed"),
    ])  # fmt: skip
    for each in planned:
        route = routes[_way(each)]
        shared = [_number(route.planned)] if is_shared else []
        able = Text(f"{route.can_place:,}", "bold red" if route.is_over else "")
        what = "calls" if each.channel == "voice" else "messages"
        grid.add(
            f"{each.campaign}: {what}", ", ".join(each.lines), _number(each.due_now), spark(each.by_step),
            _number(each.attempts), *shared, able,
        )  # fmt: skip
    titles, rows = grid.lines()
    return Part(4, [titles], [Row(row) for row in rows], "plan")


def _way(each: Planned) -> tuple[str, frozenset[str]]:
    return each.channel, frozenset(each.lines)


def spark(counts: Sequence[int]) -> str:
    """A column of up to eight steps for each count; `·` for none."""
    most = max(counts, default=0)
    return "".join(SPARKS[(len(SPARKS) - 1) * count // most] if count else "·" for count in counts)


def _tasks(tasks: dict[str, int]) -> Part:
    if not tasks:
        return Part(1)
    text = ", ".join(f"{kind} {count:,}" for kind, count in sorted(tasks.items()))
    return Part(1, [Text(f"Open tasks: {text}; `dialer tasks` lists them")])


def _number(count: int) -> str:
    return f"{count:,}" if count else "·"


def _of(part: int, whole: int) -> str:
    return f"{part:,} {part / whole:4.0%}" if whole else "·"
