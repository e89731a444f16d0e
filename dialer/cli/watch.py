"""`dialer status --watch`: the status again and again, as one screen of the terminal, until Ctrl-C."""

import asyncio
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from dialer import status, status_show
from dialer.cli.common import err
from dialer.house import House
from dialer.status_model import Status
from dialer.status_show import Part
from dialer.store.database import DBAPIError

EVERY_S = 2.0
Line = list[Segment]


async def watch(house: House, name: str | None, json: bool, out: Console) -> None:
    """Ends with SIGINT or SIGTERM. Without a terminal, and as JSON (a line each), it prints one status after the other.

    A reading that fails is said, and tried again. Raises DialerError for a campaign that is not launched.
    """
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    reader = Reader(house, name)
    if json or not out.is_terminal or out.is_dumb_terminal:
        await _print(reader, json, out, stop)
        return
    with Live(console=out, screen=True, auto_refresh=False) as live:
        loop.add_signal_handler(signal.SIGWINCH, live.refresh)
        while not stop.is_set():
            await reader.read()
            live.update(Screen(house, reader.found, reader.fault), refresh=True)
            await _pause(stop)


async def _print(reader: "Reader", json: bool, out: Console, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await reader.read()
        if reader.fault or reader.found is None:
            err.print(Text(reader.fault, "bold red"))
        elif json:
            out.print(reader.found.model_dump_json(), markup=False, highlight=False)
        else:
            status_show.show(reader.found, reader.house, out)
            out.print()
        out.file.flush()
        await _pause(stop)


async def _pause(stop: asyncio.Event) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), EVERY_S)


@dataclass(slots=True)
class Reader:
    """Reads the status, and keeps the last one for when the database can't be read."""

    house: House
    name: str | None
    found: Status | None = None
    fault: str = ""
    _counted: status.Counted | None = None

    async def read(self) -> None:
        """Counting every attempt is left out as long as it would take too large a share of the time."""
        now, counted = self.house.clock.now(), self._counted
        try:
            if counted is None or not counted.is_fresh(now):
                counted = await self.house.store.read(lambda tx: status.count(tx, self.house))
            self.found = await self.house.store.read(lambda tx: status.build(tx, self.house, self.name, counted))
        except DBAPIError as error:
            self.fault = f"the database can't be read ({error.orig}); it is tried again"
        else:
            self.fault, self._counted = "", counted


@dataclass(frozen=True, slots=True)
class Screen:
    """One screenful of the status: never longer than the terminal is high, never wider."""

    house: House
    found: Status | None
    fault: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = options.height or console.height
        found = [Part(10, [Text(self.fault, "bold red")])] if self.fault else []
        if self.found is not None:
            found += status_show.parts(self.found, self.house, options.max_width)
        blocks = [_drawn(part, console, options) for part in found]
        for line in fit(blocks, height):
            yield from line
            yield Segment.line()


@dataclass(slots=True)
class Block:
    """A part as lines; a row may have several."""

    importance: int
    head: list[Line]
    rows: list[tuple[int, list[Line]]]
    """(rank, lines)"""
    word: str
    left_out: int = 0

    @property
    def lines(self) -> list[Line]:
        plural = "" if self.left_out == 1 else "s"
        more = [[Segment(f"… {self.left_out} more {self.word}{plural}")]] if self.left_out else []
        return [*self.head, *(line for _, row in self.rows for line in row), *more]

    @property
    def may_shrink(self) -> bool:
        """Whether leaving out all rows would save a line: what is left out is said in one."""
        return sum(len(row) for _, row in self.rows) > (0 if self.left_out else 1)

    def leave_out(self) -> None:
        """One row less: the last of the lowest rank."""
        lowest = min(range(len(self.rows)), key=lambda index: (self.rows[index][0], -index))
        del self.rows[lowest]
        self.left_out += 1


def _drawn(part: Part, console: Console, options: ConsoleOptions) -> Block:
    free = options.update(height=None, no_wrap=False, overflow="fold")

    def draw(each: RenderableType) -> list[Line]:
        if isinstance(each, Text) and each.no_wrap:
            each.truncate(options.max_width, overflow="ellipsis")
        return console.render_lines(each, free, pad=False)

    head = [line for each in part.head for line in draw(each)]
    return Block(part.importance, head, [(row.rank, draw(row.shown)) for row in part.rows], part.word)


def fit(blocks: Sequence[Block], height: int) -> list[Line]:
    """The lines of all blocks, with an empty one between two; where that is too high, the least important rows go.

    First the empty lines go, then rows of the least important blocks, then whole blocks.
    """
    blocks, gap = list(blocks), 1
    if _height(blocks, gap) > height:
        gap = 0
    # Of two that are as important, the lower one first.
    expendable = blocks[::-1]
    expendable.sort(key=lambda block: block.importance)
    for block in expendable:
        while _height(blocks, gap) > height and block.may_shrink:
            block.leave_out()
    for block in expendable:
        if _height(blocks, gap) > height and len(blocks) > 1:
            blocks.remove(block)
    found: list[Line] = []
    for number, block in enumerate(blocks):
        found += [[]] * (gap if number else 0)
        found += block.lines
    return found[:height]


def _height(blocks: Sequence[Block], gap: int) -> int:
    return sum(len(block.lines) for block in blocks) + gap * max(len(blocks) - 1, 0)
