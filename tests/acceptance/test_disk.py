"""A disk that fails under the daemon, in real processes: full, read-only, locked by another process.

It says what is wrong, places nothing that it could not record, and goes on when the fault is lifted.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.acceptance.test_daemon import load, ready
from tests.support.live import DIALER, Installation, installation

PEOPLE = 24
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs the rights of root")


def finish(here: Installation) -> None:
    """A clean stop and a new start settle what the fault left running; then nobody was called twice."""
    starts = len(here.logged("started"))
    with here.daemon() as process:
        here.wait("a new start", lambda: len(here.logged("started")) > starts)
        here.wait("nothing runs", lambda: not unsettled(here) and here.over(), 60, 0.2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    placed = here.journal()
    assert max(Counter(line["attempt_id"] for line in placed).values()) == 1
    assert max(Counter(line["to"] for line in placed).values()) == 1
    log = (here.folder / "daemon.log").read_text()
    assert "Traceback" not in log, log[-3000:]


def unsettled(here: Installation) -> int:
    """How many journaled placements are not at their end; and none may be unknown to the database."""
    placed = {int(line["attempt_id"]) for line in here.journal()}
    with closing(sqlite3.connect(here.folder / "dialer.db")) as found:
        states = dict(found.execute("SELECT attempt_id, state FROM attempts").fetchall())
        recorded = {row[0] for row in found.execute("SELECT attempt_id FROM placements")}
    assert placed <= recorded, "placed, and not recorded before"
    return sum(states[key] != "settled" for key in placed)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 12 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "none", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@root_only
@pytest.mark.parametrize("stop", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.hunt)])
def test_a_full_disk_stops_dialing_and_a_freed_one_goes_on(tmp_path: Path, small_disk: Path, stop: int) -> None:
    """Calls whose end could not be written are waited for after SIGTERM: 25 s, which only the hunt has."""
    here = installation(tmp_path, PEOPLE, rate=4)
    settings = tmp_path / "dialer.toml"
    settings.write_text(settings.read_text().replace("sqlite:///dialer.db", f"sqlite:///{small_disk}/dialer.db"))
    (tmp_path / "dialer.db").symlink_to(small_disk / "dialer.db")
    load(here)
    filler = small_disk / "filler"
    with here.daemon() as process:
        here.wait("some calls", lambda: len(here.journal()) >= 3)
        fill(filler)
        here.wait("it says so", lambda: here.logged("dialing_failed"), 60)
        assert "full" in here.logged("dialing_failed")[0]["error"]
        assert not ready(here)
        assert process.poll() is None
        stopped = len(here.journal())
        assert "cannot be written" in (said := here.dialer("backup", str(small_disk / "copy.db"), check=1)), said
        assert [file.name for file in small_disk.iterdir() if "copy" in file.name] == []
        assert len(here.journal()) == stopped, "nothing is placed that can't be recorded"
        filler.unlink()
        here.wait("calls again", lambda: len(here.journal()) > stopped, 30)
        here.wait("ready again", lambda: ready(here))
        process.send_signal(stop)
        assert process.wait(40) == (0 if stop == signal.SIGTERM else -signal.SIGKILL)
    finish(here)


def fill(file: Path) -> None:
    """Takes the last byte there is."""
    with file.open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(b"\0" * 4096)


@root_only
def test_a_command_says_that_the_disk_is_full_and_works_once_there_is_room(tmp_path: Path, small_disk: Path) -> None:
    for words in (["init", "."], ["import", "accounts", "accounts.csv"]):
        assert subprocess.run([*DIALER, *words], cwd=small_disk, capture_output=True).returncode == 0
    with suppress(OSError), (small_disk / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
    halt = [*DIALER, "halt", "--reason", "the disk"]
    done = subprocess.run(halt, cwd=small_disk, capture_output=True, text=True)
    assert done.returncode == 1
    assert "see whether its disk has room" in done.stderr, done.stderr
    (small_disk / "filler").unlink()
    assert subprocess.run(halt, cwd=small_disk, capture_output=True).returncode == 0


@root_only
@pytest.mark.skipif(
    shutil.which("setpriv") is None, reason="takes root's right to write everywhere away: needs setpriv"
)
def test_a_database_that_cannot_be_written_ends_the_start_with_a_message(tmp_path: Path) -> None:
    here = installation(tmp_path, 5)
    load(here)
    (tmp_path / "dialer.db").chmod(0o444)
    plain = ["setpriv", "--bounding-set", "-dac_override", *DIALER, "run"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(plain, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "readonly" in done.stderr
    assert here.journal() == []
    (tmp_path / "dialer.db").chmod(0o644)
    with here.daemon() as process:
        here.wait("calls", lambda: here.journal())
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    finish(here)


@pytest.mark.hunt
def test_a_database_locked_for_long_is_waited_for(tmp_path: Path) -> None:
    here = installation(tmp_path, PEOPLE, rate=4)
    load(here)
    with here.daemon() as process:
        here.wait("some calls", lambda: len(here.journal()) >= 3)
        hold = (
            "import sqlite3, time; c = sqlite3.connect('dialer.db', isolation_level=None, timeout=10);"
            "c.execute('BEGIN IMMEDIATE'); print('held', flush=True); time.sleep(12)"
        )
        with subprocess.Popen([sys.executable, "-c", hold], cwd=tmp_path, stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            with closing(sqlite3.connect(tmp_path / "dialer.db")) as found:
                recorded = found.execute("SELECT count(*) FROM placements").fetchone()[0]
            holder.wait()
        assert process.poll() is None
        assert unsettled(here) >= 0
        here.wait("calls again", lambda: len(here.journal()) > recorded, 30)
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    finish(here)
