"""Several real daemons on one PostgreSQL database: they share the work, and outlive each other."""

import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.crowd import Crowd, Daemon, await_it, crowd
from tests.support.nursery import shared

DUTY_MOVES_S = 10.0


def _has_duty(crew: Crowd) -> Daemon:
    """The one that said last that it has the duty."""
    told = [(row["timestamp"], n) for n, one in enumerate(crew.workers) for row in one.logged("on_duty")]
    return crew.workers[max(told)[1]]


def test_three_workers_share_the_work_and_say_goodbye(tmp_path: Path, postgres_url: str) -> None:
    with crowd(tmp_path, postgres_url, 80, 20) as crew:
        for _ in range(3):
            crew.start(wait=False)
        assert crew.settled(60)
        assert len(crew.journal()) == crew.rows("select count(*) from attempts where state = 'settled'")[0][0]
        # Who is up first takes more: how they share is not promised.
        assert len(crew.shares()) >= 2, crew.shares()
        assert len(crew.names()) == 3
        began = time.monotonic()
        assert crew.halt_and_stop() == []
        assert time.monotonic() - began < 10, "running calls that another worker heard of are not waited for"
        assert crew.names() == []
        assert crew.rows("select count(*) from reservations")[0][0] == 0
        assert crew.faults() == []


@pytest.mark.hunt
def test_a_killed_worker_is_followed_by_the_others(tmp_path: Path, postgres_url: str) -> None:
    with crowd(tmp_path, postgres_url, 120, 12) as crew:
        crew.start()
        crew.start()
        assert await_it(lambda: len(crew.journal()) >= 20, 40)
        dead = _has_duty(crew)
        other = next(one for one in crew.workers if one is not dead)
        dead.kill()
        killed_at = time.monotonic()
        assert await_it(lambda: other.logged("on_duty"), DUTY_MOVES_S)
        assert await_it(lambda: other.logged("workers_dead"), 16), "its death is noticed"
        (name,) = [row["workers"][0] for row in other.logged("workers_dead")]
        running = "state in ('placing', 'placed', 'ringing', 'talking', 'lost')"
        assert await_it(lambda: not crew.rows(f"select 1 from attempts where worker = $1 and {running}", name), 5)
        assert crew.settled(60)
        assert time.monotonic() - killed_at < 40
        assert crew.names() == [other.logged("started")[0]["worker"]]
        assert crew.halt_and_stop() == []
        assert crew.faults() == []


def test_what_an_operator_does_reaches_all_workers_within_a_second(tmp_path: Path, postgres_url: str) -> None:
    with crowd(tmp_path, postgres_url, 160, 20) as crew:
        for _ in range(2):
            crew.start()
        assert await_it(lambda: len(crew.journal()) >= 20, 40)
        for stop, go in ((("halt", "--reason", "a test"), ("unhalt",)), (("pause", "now"), ("resume", "now"))):
            crew.command(*stop)
            returned_at = datetime.now(UTC).timestamp()
            time.sleep(2.0)  # whoever goes on would be seen
            late = [at for at in _placed_at(crew) if at > returned_at + 1.0]
            assert late == [], f"{stop[0]}: {len(late)} placed later than a second after it returned"
            before = len(crew.journal())
            crew.command(*go)
            assert await_it(lambda before=before: len(crew.journal()) > before, 3.0), f"{go[0]} wakes them"
        assert crew.halt_and_stop() == []
        assert crew.faults() == []


def _placed_at(crew: Crowd) -> list[float]:
    return [datetime.fromisoformat(one["at"].replace("Z", "+00:00")).timestamp() for one in crew.journal()]


def test_a_campaign_launched_and_payments_made_are_known_at_once(tmp_path: Path, postgres_url: str) -> None:
    with crowd(tmp_path, postgres_url, 30, 5, launch=False) as crew:
        for _ in range(2):
            crew.start()
        day = f"{crew.rows('select min(due_on) from installments')[0][0]}"
        for number in range(20, 24):
            crew.command("paid", f"L-{number}", day)
        crew.command("launch", "now.toml")
        assert await_it(lambda: crew.journal(), 2.0), "a launch is taken up at once"
        crew.command("paid", "L-29", day)
        paid = {f"+659123{n:04d}" for n in (20, 21, 22, 23)}
        assert await_it(lambda: len(crew.journal()) >= 15, 40)
        assert not paid & {one["to"] for one in crew.journal()}
        assert crew.settled(60)
        assert crew.halt_and_stop() == []
        assert crew.faults() == []


def test_sigterm_leaves_nothing_behind_and_the_others_go_on(tmp_path: Path, postgres_url: str) -> None:
    with crowd(tmp_path, postgres_url, 60, 12) as crew:
        crew.start()
        crew.start()
        assert await_it(lambda: len(crew.journal()) >= 10, 40)
        leaver, stayer = crew.workers
        os.kill(leaver.pid, signal.SIGTERM)
        assert shared().wait(leaver.pid, 30) == 0
        name = leaver.logged("started")[0]["worker"]
        running = "state in ('placing', 'placed', 'ringing', 'talking', 'lost')"
        assert crew.rows(f"select 1 from attempts where worker = $1 and {running}", name) == []
        assert name not in crew.names()
        assert await_it(lambda: stayer.logged("on_duty"), DUTY_MOVES_S)
        assert crew.settled(60)
        assert stayer.logged("workers_dead") == []
        assert crew.halt_and_stop() == []
        assert crew.faults() == []


def test_the_duty_of_a_killed_worker_moves_and_the_rest_is_dialed(tmp_path: Path, postgres_url: str) -> None:
    with crowd(tmp_path, postgres_url, 60, 12) as crew:
        crew.start()
        crew.start()
        dead = _has_duty(crew)
        other = next(one for one in crew.workers if one is not dead)
        assert await_it(lambda: len(crew.journal()) >= 15, 40)
        dead.kill()
        assert await_it(lambda: other.logged("on_duty"), DUTY_MOVES_S)
        assert await_it(lambda: not crew.unfinished("state = 'planned'"), 10)
        keys = [one["attempt_id"] for one in crew.journal()]
        assert len(keys) == len(set(keys)), "nothing is placed twice"


@pytest.mark.hunt
def test_a_worker_that_is_stopped_loses_the_duty_and_places_nothing_late(tmp_path: Path, postgres_url: str) -> None:
    """As one that hangs does: its connections stay, and the machine answers the server's keepalives."""
    with crowd(tmp_path, postgres_url, 120, 8) as crew:
        crew.start()
        crew.start()
        stopped = _has_duty(crew)
        other = next(one for one in crew.workers if one is not stopped)
        assert await_it(lambda: len(crew.journal()) >= 10, 40)
        os.kill(stopped.pid, signal.SIGSTOP)
        assert await_it(lambda: other.logged("on_duty"), DUTY_MOVES_S)
        assert await_it(lambda: other.logged("workers_dead"), 8), "and what it left is looked after"
        os.kill(stopped.pid, signal.SIGCONT)
        assert await_it(lambda: stopped.logged("database_back"), 10), "it goes on by itself"
        assert crew.settled(60)
        assert len(other.logged("on_duty")) == 1
        assert crew.halt_and_stop() == []
        assert crew.faults() == []


@pytest.mark.parametrize(
    "seed", [pytest.param(0, marks=pytest.mark.hunt), *(pytest.param(n, marks=pytest.mark.torture) for n in (1, 2))]
)
def test_kill_after_kill(tmp_path: Path, postgres_url: str, seed: int) -> None:
    """Three workers, of which one is killed every two seconds and started anew."""
    with crowd(tmp_path, postgres_url, 420, 20) as crew:
        for _ in range(3):
            crew.start()
        for number in range(9):
            time.sleep(1.1 + (seed * 7 + number * 3) % 10 / 7)
            victim = crew.workers[(seed + number) % 3]
            victim.kill()
            crew.again(victim)
        assert crew.settled(60), crew.rows("select state, count(*) from attempts group by 1")
        assert crew.halt_and_stop() == []
        assert crew.faults() == []
