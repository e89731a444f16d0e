"""Backups and restores in real processes: what was placed since is found again, and nobody is called twice."""

import fcntl
import json
import os
import shutil
import signal
import sqlite3
import stat
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from dialer import mark
from tests.acceptance.test_daemon import load, ready
from tests.support.command import run
from tests.support.live import Installation, installation

PEOPLE = 40


def finish(here: Installation) -> None:
    """The restored database refuses to dial, asks, is unhalted and finishes; then everybody was called once."""
    before = len(here.journal())
    assert "dialer run" in here.dialer("unhalt", check=1)
    with here.daemon() as process:
        here.wait("reconciled", lambda: here.logged("reconciled"))
        assert here.logged("restored")
        assert len(here.journal()) == before, "nothing is placed while it is halted"
        told = json.loads(here.dialer("status", "--json"))
        assert told["halted"].startswith("restored from ")
        # A call that ran when the backup was made is lost until its provider was asked.
        here.wait("nothing else is wrong", lambda: _alarms(here) == ["restored"])
        here.dialer("unhalt")
        here.wait("all that is due is at its end", here.over, 40)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    placed = here.journal()
    assert max(Counter(line["attempt_id"] for line in placed).values()) == 1
    assert max(Counter(line["to"] for line in placed).values()) == 1
    rows = {row["attempt_id"]: row for row in here.attempts()}
    assert len(rows) == PEOPLE
    assert {rows[line["attempt_id"]]["state"] for line in placed} == {"settled"}
    assert here.dialer("audit", "verify").strip().endswith("The record is as it was sealed.")


def _alarms(here: Installation) -> list[str]:
    return [one["name"] for one in json.loads(here.dialer("status", "--json"))["alarms"]]


def rows_of(file: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as found:
        return found.execute(statement).fetchall()


def test_a_backup_while_it_dials_and_its_restore(tmp_path: Path) -> None:
    here = installation(tmp_path, PEOPLE, rate=2)
    load(here)
    with here.daemon() as process:
        here.wait("some calls", lambda: len(here.journal()) >= 3)
        told = json.loads(here.dialer("backup", "copy.db", "--json"))
        assert told["attempts"] == PEOPLE
        assert told["bytes"] == (tmp_path / "copy.db").stat().st_size
        assert "stop it first" in here.dialer("restore", "copy.db", "--yes", check=1)
        so_far = len(here.journal())
        here.wait("calls after the backup", lambda: len(here.journal()) >= so_far + 3)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    assert rows_of(tmp_path / "copy.db", "PRAGMA integrity_check") == [("ok",)]
    assert len(rows_of(tmp_path / "copy.db", "SELECT * FROM flags WHERE name = 'backup'")) == 1
    assert rows_of(tmp_path / "dialer.db", "SELECT * FROM flags WHERE name = 'backup'") == []
    assert "give --yes" in here.dialer("restore", "copy.db", check=1)
    restored = json.loads(here.dialer("restore", "copy.db", "--yes", "--json"))
    assert restored["since"] == told["at"]
    assert restored["to_ask"] > 0
    assert restored["next_attempt"] > 1_000_000
    assert rows_of(Path(restored["kept"]), "SELECT count(*) FROM placements") > [(3,)]
    finish(here)
    assert here.logged("went_back") == [], "the mark was brought back with it"


def test_a_database_that_is_taken_away_under_its_daemon_and_its_restore(tmp_path: Path) -> None:
    here = installation(tmp_path, PEOPLE, rate=2)
    load(here)
    with here.daemon() as process:
        here.wait("some calls", lambda: len(here.journal()) > 3)
        here.dialer("backup", "copy.db")
        (tmp_path / "dialer.db").rename(tmp_path / "broken.db")  # what SQLite keeps beside it stays
        here.wait("it is said", lambda: here.logged("dialing_failed"))
        assert "was taken away, or another file is in its place" in here.logged("dialing_failed")[0]["error"]
        here.wait("it is not ready", lambda: not ready(here))
        before = len(here.journal())
        here.wait("its silence is said", lambda: here.logged("database_silent"))
        time.sleep(1)
        assert len(here.journal()) == before, "what would not be known of is not placed"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert (tmp_path / "dialer.db-wal").exists()
    here.dialer("restore", "copy.db", "--yes")
    assert rows_of(tmp_path / "dialer.db", "PRAGMA integrity_check") == [("ok",)]
    assert [one.suffix for one in tmp_path.glob("dialer.db.before-restore-*-wal")]
    finish(here)


def test_an_old_copy_put_in_place_by_hand_is_noticed(tmp_path: Path) -> None:
    here = installation(tmp_path, PEOPLE, rate=2)
    load(here)
    with here.daemon() as process:
        here.wait("some calls", lambda: len(here.journal()) >= 3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    copy = shutil.copy(tmp_path / "dialer.db", tmp_path / "by-hand.db")
    before = len(here.journal())
    with here.daemon() as process:
        here.wait("further calls", lambda: len(here.journal()) >= before + 3)
        process.send_signal(signal.SIGKILL)
        process.wait()
    for end in ("-wal", "-shm"):
        (tmp_path / f"dialer.db{end}").unlink(missing_ok=True)
    shutil.copy(copy, tmp_path / "dialer.db")
    assert "went_back" in here.dialer("status")
    assert "went_back" not in here.dialer("halt"), "once"
    finish(here)


@pytest.mark.hunt
def test_a_backup_copied_in_place_without_its_mark_is_noticed(tmp_path: Path) -> None:
    here = installation(tmp_path, PEOPLE, rate=2)
    load(here)
    with here.daemon() as process:
        here.wait("some calls", lambda: len(here.journal()) >= 3)
        here.dialer("backup", "copy.db")
        so_far = len(here.journal())
        here.wait("calls after the backup", lambda: len(here.journal()) >= so_far + 3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    (tmp_path / "dialer.db.mark").unlink()
    shutil.copy(tmp_path / "copy.db", tmp_path / "dialer.db")
    with here.daemon():
        here.wait("noticed", lambda: here.logged("went_back") and here.logged("reconciled"))
    assert rows_of(tmp_path / "dialer.db", "SELECT next FROM numbers") > [(10_000_000,)]


# --- what is refused ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Here:
    """An installation whose commands run in this process: quick."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def dialer(self, *words: str, check: int = 0) -> str:
        done = run(self.capsys, *words)
        assert done.code == check, done
        return (done.out if check == 0 else "") + done.err

    def left_over(self) -> list[str]:
        return [file.name for file in self.folder.iterdir() if file.name.startswith(".")]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    installation(tmp_path, 2)
    monkeypatch.chdir(tmp_path)
    found = Here(tmp_path, capsys)
    for words in ("import accounts accounts.csv", "import installments installments.csv", "launch now.toml"):
        found.dialer(*words.split())
    return found


def test_what_is_there_is_not_written_over_without_force(here: Here) -> None:
    copy = here.folder / "copy.db"
    copy.write_text("mine")
    assert "--force" in here.dialer("backup", "copy.db", check=1)
    assert "even --force" in here.dialer("backup", "copy.db", "--force", check=1), "it is no backup"
    assert copy.read_text() == "mine"
    copy.write_text("")
    here.dialer("backup", "copy.db", "--force")
    before = copy.read_bytes()
    assert "--force" in here.dialer("backup", "copy.db", check=1)
    assert copy.read_bytes() == before
    here.dialer("backup", "copy.db", "--force")
    assert rows_of(copy, "SELECT count(*) FROM attempts") == [(2,)]
    assert here.left_over() == []


@pytest.mark.parametrize("name", ["dialer.db", "dialer.db-wal", "dialer.db.mark", "link.db"])
def test_the_live_database_is_never_written_over(here: Here, name: str) -> None:
    (here.folder / "link.db").symlink_to("dialer.db")
    assert "belongs to the live database" in here.dialer("backup", name, "--force", check=1)
    assert rows_of(here.folder / "dialer.db", "SELECT count(*) FROM attempts") == [(2,)]


def test_no_backup_takes_the_place_of_a_mark_beside_a_link(here: Here) -> None:
    # The daemon clears that place: what dialers of before kept there it has elsewhere.
    (here.folder / "disk").mkdir()
    (here.folder / "dialer.db").rename(here.folder / "disk/real.db")
    (here.folder / "dialer.db").symlink_to("disk/real.db")
    assert "belongs to the live database" in here.dialer("backup", "dialer.db.mark", check=1)


def test_a_folder_that_is_not_there_or_is_no_folder(here: Here) -> None:
    assert "cannot be written" in here.dialer("backup", "nowhere/copy.db", check=1)
    assert "cannot be written" in here.dialer("backup", "dialer.toml/copy.db", check=1)
    assert "is no file" in here.dialer("backup", ".", "--force", check=1)


def test_restore_refuses_what_is_no_sound_backup_of_ours(here: Here) -> None:
    here.dialer("backup", "copy.db")
    whole, other = (here.folder / "copy.db").read_bytes(), here.folder / "other.db"
    digest = (here.folder / "dialer.db").read_bytes()
    assert "no such file" in here.dialer("restore", "other.db", "--yes", check=1)
    other.write_text("nothing of the kind")
    assert "cannot be read" in here.dialer("restore", "other.db", "--yes", check=1)
    other.write_bytes(whole[:8192] + b"\xff" * 4096 * 20 + whole[8192 + 4096 * 20 :])
    assert "dialer: " in (told := here.dialer("restore", "other.db", "--yes", check=1))
    assert "damaged" in told or "cannot be read" in told
    assert "other.db" in told
    other.write_bytes(whole[: len(whole) // 2])
    here.dialer("restore", "other.db", "--yes", check=1)
    other.write_bytes(whole)
    with closing(sqlite3.connect(other)) as newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
        newer.commit()
    assert "made by a newer dialer" in here.dialer("restore", "other.db", "--yes", check=1)
    other.unlink()
    with closing(sqlite3.connect(other)) as foreign:
        foreign.execute("CREATE TABLE t (x)")
    assert "is no backup of a dialer's database" in here.dialer("restore", "other.db", "--yes", check=1)
    assert (here.folder / "dialer.db").read_bytes() == digest, "nothing was changed"
    assert here.left_over() == []


def test_a_live_database_is_no_backup(here: Here) -> None:
    shutil.copy(here.folder / "dialer.db", here.folder / "other.db")
    assert "but no backup" in here.dialer("restore", "other.db", "--yes", check=1)


def test_restore_waits_for_whoever_works_on_the_database(here: Here) -> None:
    here.dialer("backup", "copy.db")
    with closing(sqlite3.connect(here.folder / "dialer.db")) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM attempts").fetchone()
        assert "another process works on" in here.dialer("restore", "copy.db", "--yes", check=1)
    with (here.folder / "dialer.db.daemon").open("a+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "nothing was restored" in here.dialer("restore", "copy.db", "--yes", check=1)
    here.dialer("restore", "copy.db", "--yes")


def test_a_damaged_or_missing_database_can_be_restored_and_what_was_put_aside_as_well(here: Here) -> None:
    here.dialer("backup", "copy.db")
    first = json.loads(here.dialer("restore", "copy.db", "--yes", "--json"))
    second = json.loads(here.dialer("restore", first["kept"], "--yes", "--json"))
    assert second["next_attempt"] > first["next_attempt"]
    (here.folder / "dialer.db").write_bytes(b"\x00" * 9000)
    third = json.loads(here.dialer("restore", "copy.db", "--yes", "--json"))
    assert Path(third["kept"]).read_bytes() == b"\x00" * 9000
    os.remove(here.folder / "dialer.db")
    fourth = json.loads(here.dialer("restore", "copy.db", "--yes", "--json"))
    assert fourth["kept"] is None
    found = mark.read(here.folder / "dialer.db.mark")
    assert found is not None
    assert found.high.attempts == fourth["next_attempt"]
