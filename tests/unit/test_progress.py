"""Progress: after two seconds on a terminal, a line each ten seconds in a pipe, nothing for programs."""

import asyncio
import re
from io import StringIO

import pytest
from rich.console import Console

from dialer.cli import progress
from dialer.cli.progress import Working

CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds are 0.1 here, ten are 0.3."""
    monkeypatch.setattr(progress, "AFTER_S", 0.1)
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.3)
    monkeypatch.setattr(progress, "TURN_S", 0.02)


def terminal() -> Console:
    return Console(file=StringIO(), force_terminal=True, width=100)


def pipe() -> Console:
    return Console(file=StringIO(), force_terminal=False, width=100)


def shown(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("console", [terminal(), pipe()])
async def test_what_is_quick_leaves_no_trace(console: Console) -> None:
    async with Working("counting", console):
        await asyncio.sleep(0.03)
    with Working("loading", console, 100, "rows") as bar:
        bar.advance(100)
    assert shown(console) == ""


async def test_what_takes_long_is_shown_on_a_terminal_and_goes_when_it_is_done() -> None:
    console = terminal()
    async with Working("counting the day", console):
        await asyncio.sleep(0.25)
    assert "counting the day" in shown(console)
    assert shown(console).endswith("\x1b[2K") or "\x1b[1A\x1b[2K" in shown(console)


async def test_rows_are_counted() -> None:
    console = terminal()
    async with Working("loading a.csv", console, 50_000, "rows") as bar:
        for _ in range(10):
            bar.advance(2_000)
            await asyncio.sleep(0.03)
    assert "20,000 of 50,000 rows" in CODES.sub("", shown(console))


async def test_a_pipe_gets_a_line_now_and_then() -> None:
    console = pipe()
    async with Working("loading a.csv", console, 50_000, "rows") as bar:
        for _ in range(50):
            bar.advance(1_000)
            await asyncio.sleep(0.02)
    lines = shown(console).splitlines()
    assert 2 <= len(lines) <= 4
    assert all(re.fullmatch(r"loading a\.csv: [\d,]+ of 50,000 rows, \d+ s", line) for line in lines)


def test_what_is_known_to_take_long_is_shown_at_once() -> None:
    console = terminal()
    with Working("simulating", console, 31, at_once=True) as bar:
        bar.reach(3, "2026-01-04")
    assert "simulating" in shown(console)
    assert "2026-01-04" in CODES.sub("", shown(console))


async def test_programs_get_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    async with Working("counting", None, 10, "rows") as bar:
        bar.advance(5)
        await asyncio.sleep(0.4)
    with Working("simulating", None, 31, at_once=True) as bar:
        bar.reach(3, "2026-01-04")
    assert capsys.readouterr() == ("", "")


async def test_a_failure_passes_through_and_the_spinner_ends() -> None:
    console = terminal()

    async def fails() -> None:
        async with Working("loading", console):
            await asyncio.sleep(0.15)
            raise ValueError("bad row")

    with pytest.raises(ValueError, match="bad row"):
        await fails()
    before = shown(console)
    await asyncio.sleep(0.1)
    assert shown(console) == before
