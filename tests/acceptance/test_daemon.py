"""The daemon in real processes and real time: it places, it dies, it comes back, and nobody is called twice."""

import signal
import sqlite3
import time
import urllib.request
from collections import Counter
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from tests.support.live import Installation, installation

PEOPLE = 40


def load(here: Installation, launch: bool = True) -> None:
    here.dialer("import", "accounts", "accounts.csv")
    here.dialer("import", "installments", "installments.csv")
    if launch:
        here.dialer("launch", "now.toml")


def all_settled(here: Installation) -> bool:
    """Whether all that is due by now is at its end; a slot or two may lie a few minutes ahead. Read from the database
    itself: the command would take a processor's time from the daemon that is waited for."""
    query = "SELECT state FROM attempts WHERE planned_for <= ?"
    with closing(sqlite3.connect(f"file:{here.folder / 'dialer.db'}?mode=ro", uri=True)) as database:
        states = {state for (state,) in database.execute(query, (int(time.time() * 1_000_000),))}
    return bool(states) and states <= {"settled", "cancelled"}


@pytest.mark.hunt
def test_kill_9_at_several_moments_and_nobody_is_called_twice(tmp_path: Path) -> None:
    kill_and_count(tmp_path, seed=20261123, kills=4)


def kill_and_count(folder: Path, seed: int, kills: int) -> None:
    """Kills the daemon shortly after its first placement, again and again; then lets it finish."""
    here = installation(folder, PEOPLE, rate=8)
    load(here)
    random = Random(seed)
    journal = here.folder / "journal.jsonl"
    for moment in range(kills):
        with here.daemon() as process:
            size = journal.stat().st_size if journal.exists() else 0
            here.wait("a placement", lambda size=size: journal.exists() and journal.stat().st_size > size, 20, 0.0005)
            # Every other time at once: the carrier has the call, and nothing has recorded that it took it.
            time.sleep(random.uniform(0.0, 0.6) if moment % 2 else 0.0)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL, moment
    with here.daemon() as process:
        here.wait("everything settled", lambda: all_settled(here), 110)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    placements = Counter(line["attempt_id"] for line in here.journal())
    assert max(placements.values()) == 1
    rows = {row["attempt_id"]: row for row in here.attempts()}
    assert len(rows) == PEOPLE
    assert set(placements) <= set(rows)
    unplaced = [row for key, row in rows.items() if key not in placements and row["state"] == "settled"]
    assert all(row["outcome"] == "unknown" for row in unplaced), unplaced
    assert Counter(line["to"] for line in here.journal()).most_common(1)[0][1] == 1
    assert here.logged("adopted")


def test_commands_take_effect_within_two_seconds_while_it_runs(tmp_path: Path) -> None:
    here = installation(tmp_path, PEOPLE, rate=4)
    load(here, launch=False)
    with here.daemon() as process:
        here.wait("ready", lambda: ready(here))
        here.dialer("launch", "now.toml")
        here.wait("the first call after the launch", lambda: len(here.journal()) > 0, 2)
        here.dialer("halt", "--reason", "drill")
        time.sleep(0.3)
        halted = len(here.journal())
        time.sleep(1.0)
        assert len(here.journal()) == halted
        here.dialer("unhalt")
        here.wait("calls again", lambda: len(here.journal()) > halted, 2)
        here.dialer("pause", "now")
        time.sleep(0.3)
        paused = len(here.journal())
        due = here.dialer("attempts", "--csv", "a.csv") and (here.folder / "a.csv").read_text()
        open_accounts = [line.split(",")[2] for line in due.splitlines() if ",planned," in line]
        here.dialer("paid", open_accounts[0], f"{here.attempts()[0]['due_on']}")
        here.dialer("suppress", "--person", open_accounts[1].replace("L-", "P-"), "--reason", "asked")
        assert len(here.journal()) == paused
        here.dialer("resume", "now")
        here.wait("everything settled", lambda: all_settled(here), 110)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    reasons = {row["account_ids"][0]: row["reason"] for row in here.attempts() if row["state"] == "cancelled"}
    assert reasons == {open_accounts[0]: "paid", open_accounts[1]: "opted_out"}
    assert len(here.journal()) == sum(row["state"] == "settled" for row in here.attempts())


def test_a_second_daemon_on_the_same_file_exits_1_and_says_why(tmp_path: Path) -> None:
    here = installation(tmp_path, 1)
    with here.daemon() as process:
        here.wait("ready", lambda: ready(here))
        said = here.dialer("run", check=1)
        assert f"process {process.pid}" in said
        assert "already dials" in said
        assert process.poll() is None


def test_sigterm_lets_running_calls_end_and_exits_0(tmp_path: Path) -> None:
    here = installation(tmp_path, 5, rate=20)
    load(here)
    with here.daemon() as process:
        here.wait("a call", lambda: len(here.journal()) > 0)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    placed = {line["attempt_id"] for line in here.journal()}
    states = {row["attempt_id"]: row["state"] for row in here.attempts()}
    assert placed
    assert {states[key] for key in placed} == {"settled"}


def ready(here: Installation) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{here.port}/readyz", timeout=1) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False
