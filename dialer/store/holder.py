"""Who has a SQLite file: one daemon, by a lock of the operating system's, gone with the process however it ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dialer.errors import DialerError
from dialer.store.addresses import sqlite_file


@contextmanager
def only_one(database: str, leaves: bool = True) -> Iterator[None]:
    """One daemon a SQLite file: the lock lies beside it.

    Where it `leaves` nothing, a file that it made for the lock is taken away again. Raises DialerError.
    """
    file = sqlite_file(database)
    if file is None:
        yield
        return
    path = Path(f"{file}.daemon")
    was_there = path.exists()
    with _locked(path, file):
        try:
            yield
        finally:
            if not leaves and not was_there:
                path.unlink(missing_ok=True)


def _locked(path: Path, file: Path) -> Any:
    """The lock's open file. Raises DialerError where another process has it."""
    while True:
        try:
            handle = path.open("a+")
        except OSError as error:
            raise DialerError(f"{path}: {error.strerror}; the daemon needs a folder it can write to") from error
        try:
            _lock(handle, path, file)
            # One that was taken away meanwhile keeps nobody out: the next would lock another file of this name.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle.fileno()), path.stat()):
                    return handle
        except BaseException:
            handle.close()
            raise
        handle.close()


def _lock(handle: Any, path: Path, file: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.seek(0)
        holder = handle.read().strip() or "unknown"
        raise DialerError(
            f"another daemon (process {holder}) already dials from {file}; "
            "stop it first, or give this one its own database"
        ) from error
    handle.truncate(0)
    handle.write(f"{os.getpid()}\n")
    handle.flush()


def holder(database: str) -> str:
    """The process that has the file; empty: none has. Whoever else asks at the same time is not in the way."""
    file = sqlite_file(database)
    if file is None:
        return ""
    try:
        with Path(f"{file}.daemon").open() as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return handle.read().strip() or "unknown"
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise DialerError(f"{file}.daemon: {error.strerror}; see who may read and write it, and its folder") from error
    return ""
