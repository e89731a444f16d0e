"""Workers that lose their network, and a database that goes away: nothing is placed twice, nothing is lost.

As root on Linux: daemons live in network namespaces and reach a real PostgreSQL server over TCP.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from dialer.store.schema import upgrade
from tests.support.crowd import Crowd, Daemon, await_it, crowd
from tests.support.network import Net, Server, needed, nets, server

QUIET_S = 2.5
"""Seconds in which a worker that was cut off may still place: its last look is good for one, and machines are slow."""


@pytest.fixture
def postgres() -> Iterator[Server]:
    needed("ip", "runuser")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        with server(Path(folder)) as found:
            upgrade(found.url())
            yield found


def _placed_at(crew: Crowd, worker: Daemon) -> list[float]:
    """When this worker placed, by the carrier's journal."""
    name = worker.logged("started")[-1]["worker"]
    rows = crew.rows("select attempt_id from placements where worker = $1", name)
    mine = {str(row[0]) for row in rows}
    at = [one["at"] for one in crew.journal() if one["attempt_id"] in mine]
    return sorted(datetime.fromisoformat(one.replace("Z", "+00:00")).timestamp() for one in at)


def _cut_and_mend(crew: Crowd, cut: Daemon, net: Net, how: str, seconds: float) -> None:
    """The other goes on meanwhile; the cut one is quiet, and comes back."""
    other = next(one for one in crew.workers if one is not cut)
    net.cut(how)
    began = time.time()
    assert await_it(lambda: other.logged("on_duty"), 15), "the duty moves"
    time.sleep(max(began + seconds - time.time(), 0))
    late = [at - began for at in _placed_at(crew, cut) if at > began + QUIET_S]
    assert late == [], f"placed {late} s after its link was cut"
    assert [at for at in _placed_at(crew, other) if at > began + QUIET_S], "the other goes on"
    net.mend()
    mended = time.time()
    assert await_it(lambda: cut.logged("database_back"), 15), "it comes back by itself"
    assert await_it(lambda: any(at > mended for at in _placed_at(crew, cut)), 15), "and dials"


@pytest.mark.hunt
@pytest.mark.parametrize("how", ["down", "silent", "reset"])
def test_a_link_is_cut_and_mended(tmp_path: Path, postgres: Server, how: str) -> None:
    needed("ip", *(["iptables"] if how == "reset" else []))
    with nets(2) as (near, far), crowd(tmp_path, postgres.url(), 900, 15) as crew:
        cut = crew.start(postgres.url(near.far), netns=near.name)
        crew.start(postgres.url(far.far), netns=far.name)
        assert cut.logged("on_duty")
        assert await_it(lambda: len(_placed_at(crew, cut)) >= 10, 40)
        _cut_and_mend(crew, cut, near, how, 18.0)
        assert crew.settled(90), crew.rows("select state, count(*) from attempts group by 1")
        assert crew.halt_and_stop() == []
        assert crew.faults() == []


@pytest.mark.parametrize(
    "mode", [pytest.param("fast", marks=pytest.mark.torture), pytest.param("immediate", marks=pytest.mark.hunt)]
)
def test_the_database_is_stopped_and_started(tmp_path: Path, postgres: Server, mode: str) -> None:
    with nets(2) as (one, two), crowd(tmp_path, postgres.url(), 300, 15) as crew:
        for net in (one, two):
            crew.start(postgres.url(net.far), netns=net.name)
        assert await_it(lambda: len(crew.journal()) >= 20, 40)
        postgres.stop(mode)
        stopped = time.time()
        time.sleep(6.0)
        before = len([row for row in crew.journal() if _at(row) > stopped + QUIET_S])
        assert before == 0, "nothing is placed without the database"
        postgres.start()
        started = time.time()
        assert await_it(lambda: any(_at(row) > started for row in crew.journal()), 15), "they come back by themselves"
        assert crew.settled(150), crew.rows("select state, count(*) from attempts group by 1")
        assert crew.halt_and_stop() == []
        assert crew.faults() == []


def _at(row: dict[str, str]) -> float:
    return datetime.fromisoformat(row["at"].replace("Z", "+00:00")).timestamp()


@pytest.mark.hunt
def test_cuts_and_kills_together(tmp_path: Path, postgres: Server) -> None:
    """One is killed while another is cut: what both had is settled by the third."""
    with nets(3) as (one, two, three), crowd(tmp_path, postgres.url(), 400, 15) as crew:
        for net in (one, two, three):
            crew.start(postgres.url(net.far), netns=net.name)
        assert await_it(lambda: len(crew.journal()) >= 20, 40)
        one.cut("silent")
        crew.workers[1].kill()
        assert await_it(lambda: crew.workers[2].logged("workers_dead"), 30)
        crew.again(crew.workers[1], netns=two.name)
        one.mend()
        assert await_it(lambda: crew.workers[0].logged("database_back"), 15)
        assert crew.settled(90), crew.rows("select state, count(*) from attempts group by 1")
        assert crew.halt_and_stop() == []
        assert crew.faults() == []
