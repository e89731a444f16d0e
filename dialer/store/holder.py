"""Who has a SQLite file: one daemon, by a lock of the operating system's, gone with the process however it ends.

The lock lies beside the file, with the daemon's process and its version of the schema. Who brings the file to another
version shares the lock meanwhile: no daemon begins then.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import IO

from dialer.errors import DialerError
from dialer.store.addresses import followed, refuse_without_folder, sqlite_file
from dialer.store.migrations import HEAD

WAIT_S, PAUSE_S = 60.0, 0.05
"""Seconds that a daemon waits for an upgrade to end, and between two looks."""
LOOKS = 5
"""Looks at a lock before what it says is believed: its holder may not have written yet who it is, or just takes the
file away."""


class Held(DialerError):
    """Somebody else works with the file."""


@contextmanager
def only_one(database: str, leaves: bool = True) -> Iterator[None]:
    """One daemon a SQLite file. Raises DialerError where another has it.

    Where it `leaves` nothing, a file that it made for the lock is taken away again.
    """
    with _beside(database, _lock, leaves):
        yield


@contextmanager
def without_daemon(database: str, undone: str, leaves: bool = False) -> Iterator[None]:
    """The same for a command that no daemon may meet. Raises DialerError, which begins with what was `undone`."""
    with ExitStack() as stack:
        try:
            stack.enter_context(only_one(database, leaves))
        except Held as error:
            raise DialerError(f"{undone}: {str(error).partition('; ')[0]}; stop it first") from error
        except DialerError as error:
            raise DialerError(f"{undone}: {error}") from error
        yield


@contextmanager
def no_daemon_of_before(database: str) -> Iterator[None]:
    """Meanwhile no daemon of an older version works on the file, nor begins to. Raises DialerError where one does.

    One of this version may: it is about to bring the file to it, and is waited for at the database.
    """
    with _beside(database, _share, leaves=False):
        yield


@contextmanager
def _beside(database: str, take: Callable[[IO[str]], None], leaves: bool) -> Iterator[None]:
    """Holds the lock, the same for everybody, also for those who come by a link. A server has none."""
    file = sqlite_file(database)
    if file is None:
        yield
        return
    refuse_without_folder(file)
    path = Path(f"{followed(file)}.daemon")
    stays = leaves or path.exists()
    with _taken(path, take) as handle:
        try:
            yield
        finally:
            # Only while nobody else has it: a daemon may have made the file its own meanwhile, and whoever waits for
            # it looks for another. Not one of this name that is another file by now.
            if not stays and _try(handle, fcntl.LOCK_EX) and _is_at(handle, path):
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


def _taken(path: Path, take: Callable[[IO[str]], None]) -> IO[str]:
    """The lock's file, taken. Raises DialerError where it can't be."""
    while True:
        handle = _opened(path)
        try:
            take(handle)
            # One that was taken away meanwhile keeps nobody out: the next would lock another file of this name.
            if _is_at(handle, path):
                return handle
        except BaseException:
            handle.close()
            raise
        handle.close()


def _is_at(handle: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _lock(handle: IO[str]) -> None:
    """For one daemon alone. Raises DialerError where another has it."""
    file, looks, waits = _locks(handle), LOOKS, int(WAIT_S / PAUSE_S)
    while not _try(handle, fcntl.LOCK_EX):
        if _try(handle, fcntl.LOCK_SH):
            # It is only shared: somebody brings the database to this version.
            fcntl.flock(handle, fcntl.LOCK_UN)
        else:
            process, _ = _holder(handle)
            looks -= not process
            if process or not looks:
                raise Held(
                    f"another daemon (process {process or 'unknown'}) already dials from {file}; "
                    "stop it first, or give this one its own database"
                )
        waits -= 1
        if not waits:
            raise Held(f"{file} is being brought to another version by somebody else; try again when that ends")
        Event().wait(PAUSE_S)
    _say_who(handle)


def _say_who(handle: IO[str]) -> None:
    """Raises DialerError where it can't be written, as on a full disk; nothing half-written is left."""
    path, is_new = Path(handle.name), not os.fstat(handle.fileno()).st_size
    try:
        handle.truncate(0)
        # Not by its buffer: what that could not write it would try once more when it is closed.
        os.write(handle.fileno(), f"{os.getpid()} {HEAD}\n".encode())
    except OSError as error:
        with suppress(OSError):
            handle.truncate(0)
        if is_new and _is_at(handle, path):
            path.unlink(missing_ok=True)
        raise DialerError(
            f"{path}: can't be written ({error.strerror}); who works with the database needs to write to this file, "
            "and there must be room for it"
        ) from error


def _share(handle: IO[str]) -> None:
    """With others who bring the file to this version, or beside a daemon of it. Raises DialerError for an older one."""
    looks = LOOKS
    while not _try(handle, fcntl.LOCK_SH):
        process, version = _holder(handle)
        if version == HEAD:
            return
        looks -= 1
        if not looks and process:
            raise Held(f"an older daemon still works on {_locks(handle)} (process {process}); stop it first")
        if not looks:
            raise Held(f"another process begins to work on {_locks(handle)} just now; try again in a moment")
        Event().wait(PAUSE_S)


def _try(handle: IO[str], how: int) -> bool:
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(handle: IO[str]) -> tuple[str, str]:
    """The process that has the lock, and its version; older daemons wrote none. Both empty: it has not said it yet."""
    handle.seek(0)
    process, _, version = handle.read().strip().partition(" ")
    return process, version
