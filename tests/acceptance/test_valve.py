"""A daemon whose PostgreSQL goes away: what its log says of it, and that it can be stopped all the same."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.crowd import Crowd, Daemon, await_it, crowd
from tests.support.nursery import shared
from tests.support.valve import Valve, valve

AWAY_S = 4.0


@pytest.fixture
def way(postgres_url: str) -> Iterator[tuple[Valve, str]]:
    with TemporaryDirectory() as folder, valve(Path(folder), postgres_url) as found:
        yield found


def _dialing(crew: Crowd, url: str) -> Daemon:
    one = crew.start(url)
    assert await_it(lambda: len(crew.journal()) >= 3, 40)
    return one


def test_a_server_that_goes_away_is_told_once_and_when_it_is_back(
    tmp_path: Path, postgres_url: str, way: tuple[Valve, str]
) -> None:
    shut, url = way
    with crowd(tmp_path, postgres_url, 120, 5) as crew:
        one = _dialing(crew, url)
        shut.shut()
        assert await_it(lambda: one.logged("database_lost"), 5)
        time.sleep(AWAY_S)
        shut.open()
        assert await_it(lambda: one.logged("database_back"), 10)
        before = len(crew.journal())
        assert await_it(lambda: len(crew.journal()) > before, 10), "it dials on"
        text = (one.folder / "run.log").read_text(encoding="utf-8")
        assert one.logged("database_back")[0]["after_s"] >= AWAY_S
        assert len(one.logged("database_lost")) == 1
        loud = ("dialing_failed", "reconciling_failed", "database_silent", "bell_failed")
        assert {event: rows for event in loud if (rows := one.logged(event))} == {}
        assert not [word for word in ("SQL", "sqlalche.me", "Traceback") if word in text]
        assert crew.halt_and_stop() == []


@pytest.mark.parametrize("how", ["shut", pytest.param("silence", marks=pytest.mark.hunt)])
def test_it_stops_in_time_without_its_database(
    tmp_path: Path, postgres_url: str, way: tuple[Valve, str], how: str
) -> None:
    with crowd(tmp_path, postgres_url, 120, 20) as crew:
        one = _dialing(crew, way[1])
        getattr(way[0], how)()
        began = time.monotonic()
        os.kill(one.pid, signal.SIGTERM)
        assert shared().wait(one.pid, 40) == 0
        assert time.monotonic() - began < 30
        assert "Traceback" not in (one.folder / "run.log").read_text(encoding="utf-8")
