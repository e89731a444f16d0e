"""What a command says when it may not, or cannot now: no traceback, and what to do."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dialer.store import sqlite
from tests.support.command import run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "init", "--language", "en").code == 0
    return tmp_path


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (("check",), "--config"),
        (("import", "accounts", "accounts.csv"), "FILE"),
        (("check", "accounts.csv"), "FILE"),
    ],
)
def test_a_file_of_somebody_else(
    folder: Path,
    words: tuple[str, ...],
    place: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The tests may run as root, who may read everything."""
    secret = folder / ("dialer.toml" if place == "--config" else "accounts.csv")
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != secret.name and access(path, mode))
    done = run(capsys, *words)
    told = f"command line: {place}: {secret.name} may not be read by this user; accepted: a path that may"
    assert done.err == f"{told}\n"
    assert done.code == 2


def test_a_database_that_another_process_holds(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "db", "upgrade").code == 0
    monkeypatch.setattr(sqlite, "BUSY_S", 0.01)
    with closing(sqlite3.connect(folder / "dialer.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = run(capsys, "halt", "--reason", "complaints")
    assert done.err.startswith("dialer: another process has held the database for half a minute")
    assert done.err.endswith("try again\n")
    assert done.code == 1
    assert run(capsys, "halt", "--reason", "complaints").code == 0


def test_who_suppresses_a_stranger_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "import", "accounts", "accounts.csv")
    assert "Nobody who was imported" in run(capsys, "suppress", "--person", "P-99", "--reason", "asked").out
    assert "Nobody who was imported" not in run(capsys, "suppress", "--person", "P-1", "--reason", "asked").out


def test_who_pays_too_much_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "import", "accounts", "accounts.csv")
    run(capsys, "import", "installments", "installments.csv")
    lines = (folder / "installments.csv").read_text(encoding="utf-8").splitlines()
    account, due_on = next(line.split(",")[:2] for line in lines if line.startswith("L-1001") and line.endswith(",,"))
    assert "more than was due" in run(capsys, "paid", account, due_on, "--amount", "99999").out


def test_a_new_database_is_its_owners_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the shell's mask: it is full of names and numbers. What was made before keeps its rights."""
    before = os.umask(0o022)
    try:
        assert run(capsys, "import", "accounts", "accounts.csv").code == 0
        files = [*folder.glob("dialer.db*")]
        assert files
        assert {path.name: path.stat().st_mode & 0o077 for path in files} == {path.name: 0 for path in files}
        (folder / "dialer.db").chmod(0o640)
        assert run(capsys, "import", "installments", "installments.csv").code == 0
        assert (folder / "dialer.db").stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(before)
