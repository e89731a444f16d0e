"""Who has a SQLite file: one daemon, by a lock of the operating system's, gone with the process however it ends.

The lock lies beside the file, with the daemon's process and its version of the schema. Who brings the file to another
version shares the lock meanwhile: no daemon begins then.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import IO

from dialer.errors import DialerError
from dialer.store.addresses import sqlite_file
from dialer.store.migrations import HEAD

WAIT_S, PAUSE_S = 60.0, 0.05
"""Seconds that a daemon waits for an upgrade to end, and between two looks."""


@contextmanager
def only_one(database: str, leaves: bool = True) -> Iterator[None]:
    """One daemon a SQLite file. Raises DialerError where another has it.

    Where it `leaves` nothing, a file that it made for the lock is taken away again.
    """
    with _beside(database, _locked, leaves):
        yield


@contextmanager
def no_daemon_of_before(database: str) -> Iterator[None]:
    """Meanwhile no daemon of an older version works on the file, nor begins to. Raises DialerError where one does.

    One of this version may: it is about to bring the file to it, and is waited for at the database.
    """
    with _beside(database, _opened, leaves=False) as handle:
        if handle is not None and not _try(handle, fcntl.LOCK_SH):
            process, version = _holder(handle)
            if version != HEAD:
                wrong = f"an older daemon still works on {_locks(handle)} (process {process}); stop it first"
                raise DialerError(wrong)
        yield


@contextmanager
def _beside(database: str, take: Callable[[Path], IO[str]], leaves: bool) -> Iterator[IO[str] | None]:
    """The lock's open file, the same for everybody, also for those who come by a link; None: there is no file."""
    file = sqlite_file(database)
    if file is None:
        yield None
        return
    path = Path(f"{file.resolve()}.daemon")
    stays = leaves or path.exists()
    with take(path) as handle:
        try:
            yield handle
        finally:
            # While it is locked: whoever waits for it then looks for another.
            if not stays:
                path.unlink(missing_ok=True)


def _locks(handle: IO[str]) -> Path:
    """The database that this lock is for."""
    return Path(handle.name).with_suffix("")


def _opened(path: Path) -> IO[str]:
    try:
        return path.open("a+", encoding="utf-8")
    except OSError as error:
        wrong = f"{path}: {error.strerror}; who works with the database needs to write to this file, and to its folder"
        raise DialerError(wrong) from error


def _locked(path: Path) -> IO[str]:
    """The lock's open file. Raises DialerError where another daemon has it."""
    while True:
        handle = _opened(path)
        try:
            _lock(handle)
            # One that was taken away meanwhile keeps nobody out: the next would lock another file of this name.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle.fileno()), path.stat()):
                    return handle
        except BaseException:
            handle.close()
            raise
        handle.close()


def _lock(handle: IO[str]) -> None:
    file = _locks(handle)
    waits = int(WAIT_S / PAUSE_S)
    while not _try(handle, fcntl.LOCK_EX):
        if not _try(handle, fcntl.LOCK_SH):
            process, _ = _holder(handle)
            raise DialerError(
                f"another daemon (process {process}) already dials from {file}; "
                "stop it first, or give this one its own database"
            )
        # It is only shared: somebody brings the database to this version.
        fcntl.flock(handle, fcntl.LOCK_UN)
        waits -= 1
        if not waits:
            raise DialerError(f"{file} is being brought to another version by somebody else; try again when that ends")
        Event().wait(PAUSE_S)
    handle.truncate(0)
    handle.write(f"{os.getpid()} {HEAD}\n")
    handle.flush()


def _try(handle: IO[str], how: int) -> bool:
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(handle: IO[str]) -> tuple[str, str]:
    """The process that has the lock, and its version; older daemons wrote none."""
    handle.seek(0)
    process, _, version = handle.read().strip().partition(" ")
    return process or "unknown", version
