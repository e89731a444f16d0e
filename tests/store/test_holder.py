"""The lock on a SQLite file: whoever has it has it alone, also where others come and go at the very moment."""

import errno
import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from dialer.errors import DialerError
from dialer.store import holder
from dialer.store.holder import no_daemon_of_before, only_one
from dialer.store.migrations import HEAD
from tests.support.command import run


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holder, "PAUSE_S", 0.001)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/a.db"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The lock's file."""
    return tmp_path / "a.db.daemon"


@contextmanager
def at_the_first_open(path: Path, before: Callable[[], Any], after: Callable[[], Any]) -> Iterator[None]:
    """Something happens just before, or after, the lock's file is opened for the first time."""
    opened, was = [], Path.open

    def opens(self: Path, *how: Any, **more: Any) -> Any:
        first = self == path and not opened
        if first:
            opened.append(self)
            before()
        handle = was(self, *how, **more)
        if first:
            after()
        return handle

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", opens)
        yield


@contextmanager
def held(path: Path) -> Iterator[Any]:
    """Somebody has it, and has not said yet who it is."""
    with path.open("a+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle


def nothing() -> None:
    pass


@pytest.mark.parametrize("mine", [no_daemon_of_before, lambda url: only_one(url, leaves=False)])
def test_the_lock_of_a_daemon_that_began_meanwhile_is_not_taken_away(
    url: str, path: Path, mine: Callable[[str], Any]
) -> None:
    with ExitStack() as daemon:
        # It shares with a daemon of this version; alone it can't be.
        begins = at_the_first_open(path, lambda: daemon.enter_context(only_one(url)), nothing)
        with begins, suppress(DialerError), mine(url):
            pass
        with pytest.raises(DialerError, match="another daemon"), only_one(url):
            pytest.fail("two daemons have the same file")


def test_what_is_shared_is_the_file_of_this_name(url: str, path: Path) -> None:
    shared = no_daemon_of_before(url)
    with at_the_first_open(path, nothing, path.unlink), shared, path.open() as there, pytest.raises(BlockingIOError):
        fcntl.flock(there, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert not path.exists()


def test_the_last_who_shares_it_takes_it_away(url: str, path: Path) -> None:
    with no_daemon_of_before(url):
        with no_daemon_of_before(url):
            pass
        assert path.exists()
    assert not path.exists()


def test_who_has_not_said_who_it_is_is_called_no_older_daemon(url: str, path: Path) -> None:
    with held(path):
        with pytest.raises(DialerError, match=r"another process begins to work on .*a\.db just now; try again"):
            no_daemon_of_before(url).__enter__()
        with pytest.raises(DialerError, match=r"another daemon \(process unknown\)"):
            only_one(url).__enter__()


def test_what_an_older_daemon_left_is_not_taken_for_the_one_that_just_begins(
    url: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text("1234 0001\n")
    was, looks = holder._holder, []

    with held(path) as daemon:

        def look(handle: Any) -> tuple[str, str]:
            looks.append(was(handle))
            daemon.truncate(0)
            if len(looks) == 2:
                daemon.write(f"{os.getpid()} {HEAD}\n")
            daemon.flush()
            return looks[-1]

        monkeypatch.setattr(holder, "_holder", look)
        with no_daemon_of_before(url):
            assert looks == [("1234", "0001"), ("", ""), (str(os.getpid()), HEAD)]


@pytest.mark.parametrize("left", [None, "1234 0001\n"], ids=["new", "of before"])
def test_a_lock_that_cannot_be_written_is_named_and_left_without_a_holder(
    url: str, path: Path, monkeypatch: pytest.MonkeyPatch, left: str | None
) -> None:
    """As on a full disk, where a part may be written before the rest is refused."""
    if left:
        path.write_text(left)
    write = os.write

    def full(handle: int, text: bytes) -> int:
        write(handle, text[:3])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        wrong = rf"^{re.escape(str(path))}: can't be written \(No space left on device\); "
        with pytest.raises(DialerError, match=wrong):
            only_one(url).__enter__()
    assert path.exists() == bool(left)
    assert not left or path.read_text() == ""
    with only_one(url):
        assert path.read_text() == f"{os.getpid()} {HEAD}\n"


@pytest.mark.parametrize(
    "words",
    [
        *("run", "status", "db check", "db upgrade", "check --live", "suppress --person P-1 --reason x"),
        *("import accounts accounts.csv", "import accounts accounts.csv --dry-run"),
    ],
)
def test_a_folder_that_does_not_exist_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "init", ".", "--language", "en").code == 0
    monkeypatch.setenv("DIALER_DATABASE", f"sqlite:///{tmp_path}/no/x.db")
    done = run(capsys, *words.split())
    assert done.code == 1
    assert f"no database {tmp_path}/no/x.db: the folder {tmp_path}/no does not exist; make it" in done.out + done.err
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("words", ["run", "status", "import accounts accounts.csv", "backup copy.db"])
def test_links_that_lead_in_a_circle_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "init", ".", "--language", "en").code == 0
    (tmp_path / "dialer.db").symlink_to("other.db")
    (tmp_path / "other.db").symlink_to("dialer.db")
    done = run(capsys, *words.split())
    assert (done.code, done.out) == (1, "")
    assert done.err == f"dialer: database {tmp_path}/dialer.db: its links lead in a circle; name the file itself\n"
