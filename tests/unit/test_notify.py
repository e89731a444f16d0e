"""What systemd hears, over real datagram sockets; and that the watchdog is fed only while everything answers."""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from dialer import notify, pulse
from dialer.clock import SystemClock
from dialer.notify import Notifier
from dialer.pulse import Pulse, Question
from dialer.troubles import Troubles


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as found:
        found.bind(str(tmp_path / "notify"))
        found.setblocking(False)
        yield found


def read(heard: socket.socket) -> list[str]:
    """Every datagram that has come."""
    found = []
    with suppress(BlockingIOError):
        while True:
            found.append(heard.recv(4096).decode())
    return found


# --- the socket ---------------------------------------------------------------------------------------------------


def test_all_facts_go_in_one_datagram_a_line_each(heard: socket.socket, tmp_path: Path) -> None:
    Notifier(str(tmp_path / "notify")).tell(READY=1, STATUS="halted: a\nREADY=0")
    assert read(heard) == ["READY=1\nSTATUS=halted: a READY=0"]


def test_an_abstract_socket_is_found_by_its_sign() -> None:
    name = f"dialer-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as found:
        found.bind(f"\0{name}")
        found.setblocking(False)
        Notifier(f"@{name}").tell(STOPPING=1)
        assert read(found) == ["STOPPING=1"]


@pytest.mark.parametrize("address", ["", "/nowhere/notify"])
def test_nobody_who_listens_is_no_fault(address: str) -> None:
    Notifier(address).tell(READY=1)


def test_want_of_file_descriptors_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_words: object) -> socket.socket:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket, "socket", full)
    Notifier("/run/notify").tell(WATCHDOG=1)


def test_one_who_does_not_read_holds_up_nothing(heard: socket.socket, tmp_path: Path) -> None:
    told = Notifier(str(tmp_path / "notify"))
    for _ in range(2_000):
        told.tell(STATUS="x" * 1_000)
    assert 0 < len(read(heard)) < 2_000


RUN, HALF = {"NOTIFY_SOCKET": "/run/n"}, {"WATCHDOG_USEC": "1500000"}


@pytest.mark.parametrize(
    ("env", "found"),
    [
        ({}, Notifier()),
        (RUN, Notifier("/run/n")),
        ({"NOTIFY_SOCKET": "@n", **HALF}, Notifier("@n", 1.5)),
        ({**RUN, **HALF, "WATCHDOG_PID": str(os.getpid())}, Notifier("/run/n", 1.5)),
        ({**RUN, **HALF, "WATCHDOG_PID": "1"}, Notifier("/run/n")),
        ({**RUN, "WATCHDOG_USEC": "0"}, Notifier("/run/n")),
        ({**RUN, "WATCHDOG_USEC": "soon"}, Notifier("/run/n")),
        ({"NOTIFY_SOCKET": "vsock:1:2", **HALF}, Notifier()),
    ],
)
def test_the_environment_says_where_and_how_often(env: dict[str, str], found: Notifier) -> None:
    assert notify.from_environment(env) == found


# --- the watchdog -------------------------------------------------------------------------------------------------


class Daemon:
    """A worker that turns, and a database that answers, hangs or fails, as it is told."""

    def __init__(self) -> None:
        self.halted = ""
        self.hanging: set[str] = set()
        self.failing: set[str] = set()
        self.stopping = False
        self.fault = ""
        self.frozen_s: float | None = None
        self.hung: list[str] = []
        self.is_shared = False
        self.troubles = Troubles(SystemClock(), "w-1")

    @property
    def turned_s(self) -> float:
        return asyncio.get_running_loop().time() if self.frozen_s is None else self.frozen_s

    async def read(self, work: Callable[[Any], Any]) -> str:
        await self._answer("read")
        return self.halted

    async def write(self, work: Callable[[Any], Any]) -> None:
        await self._answer("write")

    async def _answer(self, what: str) -> None:
        if what in self.hanging:
            self.hung.append(what)
            await asyncio.Event().wait()
        if what in self.failing:
            raise OSError("disk I/O error")


PERIOD_S = 0.2


class Watched:
    """A pulse that beats, and what systemd hears."""

    def __init__(self, daemon: Daemon, heard: socket.socket, path: Path) -> None:
        self.daemon, self._heard = daemon, heard
        house: Any = SimpleNamespace(store=daemon)
        worker: Any = daemon
        self.pulse = Pulse(house, worker, Notifier(str(path / "notify"), PERIOD_S))

    async def fed(self, periods: float = 3) -> bool:
        """Whether the watchdog is fed from now on, its last meal aside."""
        await asyncio.sleep(PERIOD_S)
        read(self._heard)
        await asyncio.sleep(periods * PERIOD_S)
        return "WATCHDOG=1" in read(self._heard)


@pytest.fixture
async def watched(heard: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(pulse, "EVERY_S", 0.02)
    monkeypatch.setattr(pulse, "ANSWER_S", 0.05)
    found = Watched(Daemon(), heard, tmp_path)
    beating = asyncio.create_task(found.pulse.run())
    yield found
    beating.cancel()
    with suppress(asyncio.CancelledError):
        await beating
    await found.pulse.close()


async def test_who_lives_feeds_it_twice_a_period(watched: Watched, heard: socket.socket) -> None:
    fed = 0
    for _ in range(20):
        await asyncio.sleep(PERIOD_S / 2)
        fed += read(heard).count("WATCHDOG=1")
    assert 12 <= fed <= 22


@pytest.mark.parametrize("what", ["read", "write"])
async def test_a_database_that_hangs_starves_it(watched: Watched, what: str) -> None:
    assert await watched.fed()
    watched.daemon.hanging = {what}
    assert not await watched.fed()
    assert len(watched.daemon.hung) == 1, "what hangs is waited for, not asked again and again"


async def test_a_dialing_loop_that_stands_still_starves_it(watched: Watched) -> None:
    assert await watched.fed()
    watched.daemon.frozen_s = watched.daemon.turned_s
    assert not await watched.fed()
    watched.daemon.stopping = True
    assert await watched.fed(), "whoever stops has left the loop, and needs his time"


@pytest.mark.parametrize("what", ["read", "write"])
async def test_an_error_is_an_answer(watched: Watched, what: str) -> None:
    """A locked file or a full disk is not mended by a new start, which would lose sight of running calls."""
    watched.daemon.failing = {what}
    assert await watched.fed()


async def test_without_a_watchdog_nothing_is_written(heard: socket.socket, tmp_path: Path) -> None:
    daemon = Daemon()
    daemon.hanging = {"write"}
    house: Any = SimpleNamespace(store=daemon)
    worker: Any = daemon
    beating = asyncio.create_task(Pulse(house, worker, Notifier()).run())
    await asyncio.sleep(0.1)
    beating.cancel()
    assert daemon.hung == []


# --- ready --------------------------------------------------------------------------------------------------------


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not done():  # noqa: ASYNC110 - the pulse has no event for tests
            await asyncio.sleep(0.01)


async def test_ready_says_why_not(watched: Watched) -> None:
    daemon, found = watched.daemon, watched.pulse
    assert (found.ready().ready, found.ready().reason, found.ready().halted) == (True, "", None)
    daemon.failing = {"read"}
    await until(lambda: not found.ready().ready)
    assert found.ready().reason == "the database can't be read (OSError)"
    daemon.failing = set()
    await until(lambda: found.ready().ready)
    daemon.fault = "it does not dial (OperationalError)"
    assert (found.ready().ready, found.ready().reason) == (False, "it does not dial (OperationalError)")
    daemon.fault = ""
    assert found.ready().ready
    daemon.hanging = {"read"}
    await until(lambda: not found.ready().ready)
    assert found.ready().reason == "the database does not answer within 0.05 s"
    daemon.stopping = True
    assert found.ready().reason == "stopping"


@pytest.mark.parametrize(("is_shared", "advice"), [(False, "see the disk"), (True, "see the server")])
async def test_a_silent_database_is_told_once_in_its_own_words(
    heard: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_shared: bool, advice: str
) -> None:
    monkeypatch.setattr(pulse, "EVERY_S", 0.0)
    daemon = Daemon()
    daemon.is_shared, daemon.failing = is_shared, {"read"}
    found = Watched(daemon, heard, tmp_path)
    with capture_logs() as logs:
        beating = asyncio.create_task(found.pulse.run())
        for _ in range(20):
            await asyncio.sleep(0)
        daemon.failing = set()
        await until(lambda: found.pulse.ready().ready)
        beating.cancel()
    assert [row["event"] for row in logs] == ["database_silent", "database_answers"]
    assert str(logs[0]["hint"]).startswith(advice)
    assert logs[1]["after_s"] >= 0


async def test_a_halt_is_ready_and_says_so(watched: Watched, heard: socket.socket) -> None:
    found = watched.pulse
    with capture_logs() as logs:
        watched.daemon.halted = "drill"
        await until(lambda: found.ready().halted == "drill")
        assert found.ready().ready
        await asyncio.sleep(0.1)
        watched.daemon.halted = ""
        await until(lambda: found.ready().halted is None)
    assert [(entry["event"], entry.get("reason")) for entry in logs] == [("halted", "drill"), ("unhalted", None)]
    assert [line for line in read(heard) if line.startswith("STATUS")] == ["STATUS=halted: drill", "STATUS=dialing"]


async def test_a_question_that_was_not_answered_is_not_asked_twice() -> None:
    gate, asked = asyncio.Event(), []

    async def ask() -> int:
        asked.append(1)
        await gate.wait()
        return len(asked)

    question: Question[int] = Question(ask)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await question.answer(0.01)
    gate.set()
    assert await question.answer(1) == 1
    assert await question.answer(1) == 2
