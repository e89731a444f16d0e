"""`dialer status --watch`: one screen that always fits, readings that fail, and a clean end."""

import asyncio
import io
import json
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.segment import Segment
from sqlalchemy.exc import OperationalError

from dialer import alarms, check, status
from dialer.alarms import Alarm
from dialer.cli import watch
from dialer.cli.watch import Block, Reader, Screen, fit
from dialer.errors import DialerError
from dialer.house import House
from dialer.status_model import STATES, CampaignStatus, LineStatus, Progress, Status
from dialer.store import InlineStore
from dialer.store.schema import create
from tests.support.scene import SETTINGS

T = TypeVar("T")
NOW = datetime(2026, 1, 14, 2, 0, tzinfo=UTC)


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at

    async def sleep_until(self, at: datetime) -> None:
        self.at = at


@pytest.fixture
def house(tmp_path: Path) -> House:
    (tmp_path / "dialer.toml").write_text(SETTINGS, encoding="utf-8")
    store = InlineStore()
    create(store)
    return House(check.read_settings(tmp_path / "dialer.toml", {}), Clock(), store)


def locked(work: object) -> Any:
    raise OperationalError("SELECT", {}, Exception("database is locked"))


def broken(house: House, monkeypatch: pytest.MonkeyPatch, every: int = 1) -> None:
    """Each `every`th reading fails."""
    reads, read = iter(range(1, 10_000)), house.store.read

    async def sometimes(work: Callable[[Any], T]) -> T:
        return locked(work) if next(reads) % every == 0 else await read(work)

    monkeypatch.setattr(house.store, "read", sometimes)


# --- fitting -----------------------------------------------------------------------------------------------------


def lines(*texts: str) -> list[list[Segment]]:
    return [[Segment(text)] for text in texts]


def block(importance: int, name: str, ranks: list[int], tall: int = 1, head: int = 1) -> Block:
    rows = [(rank, lines(*[f"{name}{number}"] * tall)) for number, rank in enumerate(ranks)]
    return Block(importance, lines(*[name] * head), rows, "row")


def texts(found: list[list[Segment]]) -> list[str]:
    return ["".join(segment.text for segment in line) for line in found]


def test_with_room_everything_is_shown_with_empty_lines_between() -> None:
    assert texts(fit([block(9, "a", []), block(2, "b", [0, 0])], 5)) == ["a", "", "b", "b0", "b1"]


def test_empty_lines_go_first() -> None:
    assert texts(fit([block(9, "a", []), block(2, "b", [0, 0])], 4)) == ["a", "b", "b0", "b1"]


def test_then_the_last_rows_of_the_lowest_rank_go_and_are_counted() -> None:
    assert texts(fit([block(2, "b", [0, 2, 0, 1, 0])], 5)) == ["b", "b0", "b1", "b3", "… 2 more rows"]
    assert texts(fit([block(2, "b", [0, 2, 0, 1, 0])], 3)) == ["b", "b1", "… 4 more rows"]


def test_the_least_important_block_gives_way_first_and_of_two_alike_the_lower_one() -> None:
    blocks = [block(3, "a", [0, 0, 0]), block(2, "b", [0, 0, 0]), block(2, "c", [0, 0, 0])]
    assert texts(fit(blocks, 10)) == ["a", "a0", "a1", "a2", "b", "b0", "b1", "b2", "c", "… 3 more rows"]


def test_a_single_row_is_not_replaced_by_the_word_that_it_is_left_out() -> None:
    assert texts(fit([block(1, "a", [0]), block(2, "b", [0, 0, 0])], 4)) == ["a", "a0", "b", "… 3 more rows"]
    assert texts(fit([block(1, "a", [0], tall=3), block(2, "b", [])], 3)) == ["a", "… 1 more row", "b"]


def test_at_last_whole_blocks_go() -> None:
    assert texts(fit([block(9, "a", [0, 0]), block(2, "b", [0, 0], head=3)], 2)) == ["a", "… 2 more rows"]


BLOCKS = st.lists(
    st.builds(
        block, st.integers(1, 9), st.just("x"), st.lists(st.integers(0, 2), max_size=8), st.integers(1, 3),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=6,
)  # fmt: skip


@given(BLOCKS, st.integers(1, 40))
def test_it_never_is_higher_than_the_screen_and_tells_of_every_row_it_leaves_out(
    blocks: list[Block], height: int
) -> None:
    before = {id(block): len(block.rows) for block in blocks}
    whole = sum(len(block.lines) for block in blocks)
    found = texts(fit(blocks, height))
    assert len(found) <= height
    if whole <= height:
        assert len([text for text in found if text]) == whole
    for one in blocks:
        assert len(one.rows) + one.left_out == before[id(one)]


# --- a screen ----------------------------------------------------------------------------------------------------


def large(found: Status) -> Status:
    """A status with more than any screen holds: campaigns, rounds, lines and alarms."""
    counts = dict(zip(STATES, (31_415, 9, 2_653, 58, 97, 932), strict=True))
    progress = [Progress(segment=s, round=n, counts=counts, reached=1_234) for s in "ABC" for n in range(1, 7)]
    campaigns = [
        CampaignStatus(name=f"campaign-{n}", status="active", version=1, planned_at=NOW, next_due_at=NOW, due_now=12,
                       lost=n, progress=progress)
        for n in range(3)
    ]  # fmt: skip
    line = found.lines[0]
    raised = [
        Alarm(name="tasks_waiting", severity="warning", text="somebody waits " * 12, hint="see to them"),
        Alarm(name="halted", severity="error", text="halted", hint="unhalt"),
    ]
    wide: list[LineStatus] = [line.model_copy(update={"line": f"line-{n}"}) for n in range(5)]
    return found.model_copy(
        update={"campaigns": campaigns, "lines": wide, "alarms": raised, "open_tasks": {"review": 3}}
    )


def read(house: House) -> Status:
    assert isinstance(house.store, InlineStore)
    return house.store.run(lambda tx: status.build(tx, house))


def drawn(house: House, found: Status | None, width: int, height: int, fault: str = "") -> list[str]:
    out = Console(file=io.StringIO(), width=width, height=height, force_terminal=False, no_color=True)
    with out.capture() as caught:
        out.print(Screen(house, found, fault))
    return caught.get().rstrip("\n").split("\n")


@pytest.mark.parametrize("width", [20, 60, 80, 100, 140])
@pytest.mark.parametrize("height", [1, 2, 5, 10, 24, 50, 200])
def test_a_screen_is_never_garbled(house: House, width: int, height: int) -> None:
    found = drawn(house, large(read(house)), width, height)
    assert len(found) <= height
    assert max(len(line) for line in found) <= width
    assert found[0].startswith("示例小贷"[: width // 2])


def test_errors_stay_on_a_small_screen_and_what_goes_is_said(house: House) -> None:
    found = drawn(house, large(read(house)), 100, 24)
    assert any(line.startswith("ERROR halted") for line in found)
    assert "… 18 more rounds" in found
    whole = drawn(house, large(read(house)), 100, 200)
    assert not any(line.startswith("…") for line in whole)
    assert sum(line.startswith("A 1 ") for line in whole) == 3


def test_a_row_that_is_too_wide_stays_a_row_and_says_that_it_is_cut(house: House) -> None:
    shown = drawn(house, large(read(house)), 60, 200)
    assert sum(line.startswith("line-") for line in shown) == 5
    assert any(line.startswith("line  ") and line.endswith("…") for line in shown)


def test_what_cant_be_read_is_said_above_the_last_reading(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(house, None)

    async def act() -> None:
        await reader.read()
        assert reader.fault == ""
        with monkeypatch.context() as patch:
            broken(house, patch)
            await reader.read()
        assert reader.fault == "the database can't be read (database is locked); it is tried again"
        shown = drawn(house, reader.found, 100, 24, reader.fault)
        assert shown[0] == reader.fault
        assert any(line.startswith("No campaign is launched") for line in shown)
        await reader.read()
        assert reader.fault == ""

    asyncio.run(act())


def test_counting_is_left_out_while_it_would_take_too_long(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[datetime] = []
    count = status.count

    def slow(tx: Any, of: House) -> status.Counted:
        counted.append(of.clock.now())
        found = count(tx, of)
        return status.Counted(found.at, timedelta(seconds=1), found.progress, found.outside)

    monkeypatch.setattr(status, "count", slow)
    reader = Reader(house, None)

    async def act() -> None:
        for _ in range(25):
            await reader.read()
            await house.clock.sleep_until(house.clock.now() + timedelta(seconds=2))
            assert reader.found is not None
            assert reader.found.at - reader.found.counted_at < timedelta(seconds=20)

    asyncio.run(act())
    assert counted == [NOW, NOW + timedelta(seconds=20), NOW + timedelta(seconds=40)]


# --- the loop ----------------------------------------------------------------------------------------------------


def watched(house: House, out: Console, json: bool = False, name: str | None = None, reads: int = 8) -> None:
    """Watches until Ctrl-C, which comes with one of its readings from the database."""
    read, made = house.store.read, iter(range(1, 10_000))

    async def counted(work: Callable[[Any], T]) -> T:
        if next(made) == reads:
            signal.raise_signal(signal.SIGINT)
        return await read(work)

    async def act() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(house.store, "read", counted)
            async with asyncio.timeout(60):
                await watch.watch(house, name, json, out)

    asyncio.run(act())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "EVERY_S", 0.02)


def test_ctrl_c_gives_the_terminal_back(house: House) -> None:
    file = io.StringIO()
    watched(house, Console(file=file, force_terminal=True, width=80, height=24, soft_wrap=True))
    written = file.getvalue()
    assert written.startswith("\x1b[?1049h")
    # The screen of before, and the cursor.
    assert written.rindex("\x1b[?1049l") > written.rindex("No campaign is launched")
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")
    assert written.count("No campaign is launched") >= 2


def test_without_a_terminal_one_status_follows_the_other(house: House) -> None:
    file = io.StringIO()
    watched(house, Console(file=file, width=120))
    assert "\x1b" not in file.getvalue()
    assert file.getvalue().count("No campaign is launched") >= 2


def test_json_is_a_line_each_and_a_fault_is_no_line_of_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(house, monkeypatch, every=5)
    told: list[str] = []
    monkeypatch.setattr("dialer.cli.watch.err.print", lambda text: told.append(str(text)))
    file = io.StringIO()
    watched(house, Console(file=file, width=40, soft_wrap=True), json=True, reads=20)
    found = [json.loads(line) for line in file.getvalue().splitlines()]
    assert len(found) >= 2
    assert all(one["alarms"] == [] and one["lines"][0]["line"] == "main" for one in found)
    assert set(told) == {"the database can't be read (database is locked); it is tried again"}


def test_a_campaign_that_is_not_launched_is_an_error_and_no_watch(house: House) -> None:
    with pytest.raises(DialerError, match='no campaign is named "x"'):
        asyncio.run(watch.watch(house, "x", False, Console(file=io.StringIO(), width=80)))


def test_alarms_are_told_in_the_watch(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Alarm(name="disk_nearly_full", severity="error", text="3 MB are left", hint="free some")
    monkeypatch.setattr(alarms, "of", lambda facts: [one])
    file = io.StringIO()
    watched(house, Console(file=file, width=120))
    assert "ERROR disk_nearly_full: 3 MB are left\n  → free some" in file.getvalue()
