"""A worker's place among others: it outlives whatever befalls the database, and takes up nothing while nobody can know
that it lives. On a clock that stands still; the signs of life come without a pause between them."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from dialer import clock as clocks
from dialer import crew as crews
from dialer.clock import DisciplinedClock
from dialer.crew import PRESENT, Crew
from dialer.house import House
from dialer.store.workers import DEAD
from dialer.troubles import Troubles
from tests.support.scene import Scene, play

FAULTS = (
    OperationalError("x", None, OSError("gone")), OSError("gone"), TimeoutError(), RuntimeError("a mistake of ours"),
    asyncio.InvalidStateError(),
)  # fmt: skip


@dataclass
class Attendance:
    """A connection that fails as it is told."""

    faults: list[Exception] = field(default_factory=list)
    ahead: timedelta = timedelta(0)
    beats: int = 0
    ended: int = 0
    seen_at: datetime | None = None

    async def beat(self, *told: Any) -> None:
        await asyncio.sleep(0)
        if self.faults:
            raise self.faults.pop()
        self.beats += 1
        self.seen_at = told[2]

    async def take_duty(self) -> bool:
        return True

    async def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def end(self) -> None:
        self.ended += 1


@dataclass
class Database:
    """What a crew uses of the store."""

    attendance: Attendance
    refuses: int = 0
    apart: list[tuple[str, ...]] = field(default_factory=list)

    async def attend(self, noticed: Any, worker: str) -> Attendance:
        if self.refuses:
            self.refuses -= 1
            raise OSError("connection refused")
        return self.attendance

    async def look(self, work: Any) -> tuple[set[str], list[tuple[str, ...]]]:
        await asyncio.sleep(0)
        return {"dead", "me"}, self.apart


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crews, "BEAT_S", 0.0)


def _crew(database: Any, takes_over: Any = None) -> Crew:
    async def take_over(dead: set[str]) -> None:
        if takes_over is not None:
            takes_over(dead)

    settings: Any = None
    house = House(settings, DisciplinedClock(), database)
    return Crew(house, "me", lambda: None, take_over, Troubles(house.clock, "me"))


async def _turn(crew: Crew, done: Any) -> None:
    """Runs it until then."""
    task = asyncio.create_task(crew.run())
    try:
        async with asyncio.timeout(5):
            while not done():  # noqa: ASYNC110 - it turns by itself
                await asyncio.sleep(0)
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: type(one).__name__)
async def test_it_outlives_every_error_and_says_it_once(fault: Exception) -> None:
    attendance = Attendance()
    database = Database(attendance)
    crew = _crew(database)
    await crew.open()
    assert crew.on_duty
    attendance.faults, database.refuses, before = [fault], 3, attendance.beats
    with capture_logs() as logs:
        await _turn(crew, lambda: attendance.beats > before)
    said = [row["event"] for row in logs if row["event"] != "workers_dead"]
    assert said == ["database_lost", "off_duty", "database_back", "on_duty"]
    assert attendance.ended == 1


async def test_a_takeover_that_fails_is_tried_again_beside_the_signs_of_life() -> None:
    tried: list[set[str]] = []

    def fails(dead: set[str]) -> None:
        tried.append(dead)
        raise RuntimeError("overtaken")

    attendance = Attendance()
    crew = _crew(Database(attendance), fails)
    await crew.open()
    with capture_logs() as logs:
        await _turn(crew, lambda: len(tried) >= 3)
    assert tried[:3] == [{"dead"}] * 3, "never itself"
    assert {row["event"] for row in logs} == {"not_taken_over"}
    assert attendance.ended == 0


async def test_when_the_database_is_back_the_others_have_time_to_show_that_they_live(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: list[set[str]] = []
    attendance = Attendance()
    database = Database(attendance)
    crew = _crew(database, taken.append)
    await crew.open()
    attendance.faults, before = [OSError("gone")], attendance.beats
    loop = asyncio.get_running_loop()
    await _turn(crew, lambda: attendance.beats > before + 20)
    assert taken == []
    later = loop.time() + DEAD.total_seconds()
    monkeypatch.setattr(loop, "time", lambda: later)
    await _turn(crew, lambda: taken)
    assert taken[0] == {"dead"}


async def test_without_a_sign_of_life_it_is_not_present(monkeypatch: pytest.MonkeyPatch) -> None:
    crew = _crew(Database(Attendance()))
    assert not crew.is_present()
    await crew.open()
    assert crew.is_present()
    loop = asyncio.get_running_loop()
    later = loop.time() + PRESENT.total_seconds()
    monkeypatch.setattr(loop, "time", lambda: later)
    assert not crew.is_present()


@pytest.mark.parametrize(("ahead_s", "is_off"), [(1.5, False), (-1.5, False), (2.5, True), (-2.5, True)])
async def test_it_judges_by_the_database_s_clock_and_says_when_its_own_is_off(ahead_s: float, is_off: bool) -> None:
    crew = _crew(Database(Attendance(ahead=timedelta(seconds=ahead_s))))
    await crew.open()
    assert crew.house.is_clock_off() is is_off
    assert abs((crew.house.clock.now() - datetime.now(UTC)).total_seconds() - ahead_s) < 0.5


@pytest.mark.parametrize("later_s", [0.0, 70.0])
async def test_a_clock_that_is_set_back_is_known_for_off_and_not_shown_to_others(
    monkeypatch: pytest.MonkeyPatch, later_s: float
) -> None:
    """At once, and also when the minute is over for which a clock that was set is not trusted."""
    attendance, hour_s, loop = Attendance(), 3600.0, asyncio.get_running_loop()
    crew = _crew(Database(attendance))
    await crew.open()
    wall_s, steady_s, loop_s = time.time, time.monotonic, loop.time
    monkeypatch.setattr(clocks.SystemClock, "now", lambda self: datetime.now(UTC) - timedelta(seconds=hour_s))
    monkeypatch.setattr(clocks.time, "time", lambda: wall_s() - hour_s)
    if later_s:
        crew.house.is_clock_off()  # it was seen to be set
        monkeypatch.setattr(clocks.time, "time", lambda: wall_s() - hour_s + later_s)
        monkeypatch.setattr(clocks.time, "monotonic", lambda: steady_s() + later_s)
        monkeypatch.setattr(loop, "time", lambda: loop_s() + later_s)
    before = attendance.beats
    await _turn(crew, lambda: attendance.beats > before)
    assert crew.house.is_clock_off()
    assert attendance.seen_at is not None
    assert abs((attendance.seen_at - datetime.now(UTC)).total_seconds()) < 1.0


def test_who_can_t_show_that_it_lives_takes_up_nothing_and_is_not_ready(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        lives = False
        scene.worker.present = lambda: lives
        await scene.start()
        await asyncio.sleep(1)
        assert scene.worker.fault == "it can't show the other workers that it lives"
        lives = True
        scene.worker.wake.set()
        await asyncio.sleep(1)
        assert scene.worker.fault == ""

    play(tmp_path, "2026-01-14 12:00", act)


async def test_workers_that_go_by_something_else_are_said_once() -> None:
    database = Database(Attendance())
    crew = _crew(database)
    await crew.open()
    with capture_logs() as logs:
        for apart in ([], [("a", "b"), ("c",)], [("a", "b"), ("c",)], [], [("a",), ("c",)]):
            database.apart, before = apart, database.attendance.beats
            await _turn(crew, lambda before=before: database.attendance.beats > before + 3)
    told = [one["workers"] for one in logs if one["event"] == "workers_apart"]
    assert told == [["a, b", "c"], ["a", "c"]]
