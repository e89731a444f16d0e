"""Ctrl-C: one line that says what is left by it, exit code 130, no traceback."""

import os
import pty
import select
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dialer import __main__, intake, operate, purge
from dialer.cli import app, imports
from dialer.csvfile import CHUNK_ROWS
from tests.support.command import Done, run
from tests.support.live import DIALER

HEAD = "account_id,person_id,name,phone,language,time_zone,region,pay_to,consent_voice,consent_sms\n"
ROWS = CHUNK_ROWS + 500

Command = Callable[..., Done]


@pytest.fixture
def dialer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "init", "--language", "en").code == 0
    rows = (f"L-{n},P-{n},Somebody,+1212555{n:04},en,,US-NY,Bank,yes,yes\n" for n in range(ROWS))
    (tmp_path / "many.csv").write_text(HEAD + "".join(rows), encoding="utf-8")
    return lambda *words: run(capsys, *words)


def loaded() -> int:
    with closing(sqlite3.connect("dialer.db")) as database:
        return int(database.execute("SELECT count(*) FROM accounts").fetchone()[0])


def at_call(number: int, of: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, at whose call of this number Ctrl-C is pressed."""
    calls: list[None] = []

    def pressed(*args: Any, **named: Any) -> Any:
        calls.append(None)
        if len(calls) == number:
            signal.raise_signal(signal.SIGINT)
        return of(*args, **named)

    return pressed


def test_an_import_says_what_stays_and_is_made_again(dialer: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(intake.Kind, "load", at_call(2, intake.Kind.load))
        done = dialer("import", "accounts", "many.csv")
    told = "dialer: broken off: what was loaded until then stays; import the file again\n"
    assert (done.code, done.out, done.err) == (130, "", told)
    # The chunk in which it was pressed may be in as well.
    assert loaded() in (CHUNK_ROWS, ROWS)
    assert dialer("import", "accounts", "many.csv").code == 0
    assert loaded() == ROWS


@pytest.mark.parametrize(
    ("option", "of", "told"),
    [
        ("--strict", (intake.Kind, "load"), "all of the file was loaded, or nothing; import it again"),
        ("--dry-run", (imports, "_compare_chunk"), "nothing was changed"),
    ],
)
def test_a_strict_import_and_a_dry_run_leave_no_half(
    dialer: Command, monkeypatch: pytest.MonkeyPatch, option: str, of: tuple[Any, str], told: str
) -> None:
    assert dialer("db", "upgrade").code == 0
    monkeypatch.setattr(*of, at_call(2, getattr(*of)))
    done = dialer("import", "accounts", "many.csv", option)
    assert (done.code, done.out, done.err) == (130, "", f"dialer: broken off: {told}\n")
    assert loaded() in ((0, ROWS) if option == "--strict" else (0,))


def test_a_launch_says_how_it_goes_on(dialer: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dialer("db", "upgrade").code == 0
    monkeypatch.setattr(operate, "plan_all", at_call(1, operate.plan_all))
    done = dialer("launch", "campaigns/monthly.toml")
    told = "dialer: broken off: part of it may be planned; launch it again to go on\n"
    assert (done.code, done.out, done.err) == (130, "", told)


def test_any_other_command_says_that_it_is_broken_off(dialer: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dialer("db", "upgrade").code == 0
    monkeypatch.setattr(purge, "purge", at_call(1, purge.purge))
    assert dialer("purge") == Done(130, "", "dialer: broken off\n")


def test_so_does_one_that_was_still_being_imported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(app, "main", at_call(1, app.main))
    with pytest.raises(SystemExit, match="130"):
        __main__.main()
    assert capsys.readouterr().err == "dialer: broken off\n"


@pytest.mark.parametrize(
    ("words", "question"), [(("forget", "P-1"), b"Forget?"), (("db", "restored", "2026-01-02"), b"A copy of then?")]
)
def test_where_it_asks_nothing_is_done(dialer: Command, tmp_path: Path, words: Sequence[str], question: bytes) -> None:
    """On a terminal, where somebody would answer."""
    assert dialer("import", "accounts", "accounts.csv").code == 0
    before = loaded()
    mine, its = pty.openpty()
    with subprocess.Popen(
        [*DIALER, *words], stdin=its, stdout=its, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        start_new_session=True,
    ) as asking:  # fmt: skip
        told = b""
        try:
            while question not in told:
                assert select.select([mine], [], [], 30)[0], told
                told += os.read(mine, 1024)
            time.sleep(0.5)  # until it waits for the answer; nobody is quicker
            asking.send_signal(signal.SIGINT)
            assert asking.communicate(timeout=10)[1].endswith("\ndialer: broken off\n")
        finally:
            asking.kill()
    os.close(mine)
    os.close(its)
    assert (asking.returncode, loaded()) == (130, before)
