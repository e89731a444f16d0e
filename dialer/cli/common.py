"""What every command needs: its options, the two consoles, the settings, the house, dates and instants."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from datetime import date, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console

from config.files import FAULTS_MAX, Fault
from config.settings import Settings
from dialer import check as checking
from dialer import log
from dialer.errors import BrokenOff, DialerError

if TYPE_CHECKING:
    from dialer.house import House

T = TypeVar("T")
for _stream in (sys.stdout, sys.stderr):
    if isinstance(_stream, TextIOWrapper):
        # A locale without Chinese must not end a command half-way.
        _stream.reconfigure(errors="backslashreplace")
# A pipe or a file has no width of its own: 80 columns would cut tables there. Emoji: FILE:100: is no 💯.
out = Console(soft_wrap=True, emoji=False, width=None if sys.stdout and sys.stdout.isatty() else 120)
err = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)

Config = Annotated[Path, typer.Option("--config", envvar="DIALER_CONFIG", help="The settings file.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
CONFIG = Path("dialer.toml")


def ask(told: str, question: str, why: str, undone: str, json: bool) -> None:
    """Raises DialerError unless somebody agrees. With `json` it asks on standard error: a program reads the other."""
    if not sys.stdin.isatty():
        raise DialerError(f"this {why}, so it asks first; give --yes where nobody can answer")
    (err if json else out).print(told, highlight=False)
    # Within asyncio the first Ctrl-C would only be noted, and the question go on.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        agreed = typer.confirm(question, default=False, err=json)
    finally:
        signal.signal(signal.SIGINT, before)
    if not agreed:
        raise DialerError(f"nothing was {undone}")


def fault_lines(faults: Sequence[Fault]) -> Iterator[str]:
    """Faults as lines, the first of them where there are far too many."""
    yield from map(str, faults[:FAULTS_MAX])
    if more := len(faults[FAULTS_MAX:]):
        last = faults[FAULTS_MAX]
        wrong = f"{more} more faults from here on are not told"
        yield str(Fault(last.file, last.line, "file", wrong, "accepted: mend those above first"))


def settings_of(config: Path, quiet: bool = True, secrets: bool = False) -> Settings:
    """The checked settings; logging is set up by them (commands other than `run` only log warnings).

    `secrets`: the adapters will be opened, and need theirs.
    """
    settings = checking.read_settings(config, os.environ, secrets=secrets)
    log.set_up("warning" if quiet else settings.log.level, settings.log.format)
    return settings


def with_house(
    config: Path, work: "Callable[[House], Coroutine[Any, Any, T]]", needs: bool = False, tries: bool = False,
    first: Callable[[Settings], object] | None = None,
) -> T:  # fmt: skip
    """Opens the installation's database for one command. One that `needs` what is there makes none where there is none;
    one that only `tries` works on an empty one in memory then. `first` looks at what was given: what is wrong with that
    is told before anything is opened or made.
    """
    from dialer import garbage
    from dialer.cli.progress import Working
    from dialer.house import open_house, without_database
    from dialer.store import explained, schema

    settings = settings_of(config)
    if first is not None:
        first(settings)
    # Quick, but for the first time after an upgrade of the program.
    opening = Working("bringing the database to this version", None if "--json" in sys.argv else err)

    async def run() -> T:
        async with AsyncExitStack() as stack:
            async with opening:
                is_there = not tries or await asyncio.to_thread(schema.is_made, settings.database)
                opened = open_house(settings, makes=not needs) if is_there else without_database(settings)
                house = await stack.enter_async_context(opened)
            garbage.settle()
            return await work(house)

    with explained():
        return asyncio.run(run())


@contextmanager
def broken_off(left: str) -> Iterator[None]:
    """Ctrl-C in it says what it leaves, and what to do."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise BrokenOff(left) from error


def numbered(count: int, one: str, many: str = "") -> str:
    """`1 seal`, `2 seals`; `many`: where that is not the one with an s."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def parse_date(text: str | None, option: str) -> date | None:
    if text is None:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f'"{text}" is no date; accepted: YYYY-MM-DD', param_hint=option) from None
    return _near(found, found, text, option)


def parse_instant(text: str | None, house: "House", option: str) -> datetime | None:
    """An ISO date or instant; without an offset it is the lender's local time."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        hint = "2026-01-14, 2026-01-14T09:30 or 2026-01-14T09:30:00+08:00"
        raise typer.BadParameter(f'"{text}" is no instant; accepted: {hint}', param_hint=option) from None
    return _near(found if found.tzinfo else found.replace(tzinfo=house.zone), found.date(), text, option)


def _near(value: T, day: date, text: str, option: str) -> T:
    """Beyond these days neither zones nor calendars can be computed with."""
    from dialer.cell import FIRST_DAY, LAST_DAY

    if not FIRST_DAY <= day <= LAST_DAY:
        raise typer.BadParameter(f"{text} is too far away; accepted: {FIRST_DAY} to {LAST_DAY}", param_hint=option)
    return value
