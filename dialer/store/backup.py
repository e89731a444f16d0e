"""A whole copy of the database's file, beside whoever writes to it; and a look at such a copy.

`VACUUM INTO` reads one snapshot: writers go on meanwhile, and it ends however busy they are. SQLite's online backup
begins anew whenever another process has written. What was deleted is not in the copy.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from dialer.errors import DialerError
from dialer.store.restored import BACKUP
from dialer.store.schema import HEAD
from dialer.store.sqlite import BUSY_S
from dialer.store.types import EPOCH, MICROSECOND

T = TypeVar("T")
BESIDE = ("-journal", "-wal", "-shm")
"""What SQLite puts beside a file."""


@dataclass(frozen=True, slots=True)
class Copy:
    """What a backup says of itself."""

    at: datetime
    version: str
    """Of its schema."""


def make(database: Path, target: Path, at: datetime) -> int:
    """Writes a copy into `target` (a new or empty file), marks it as a backup of `at`, checks it, puts it on the disk.

    Returns how many attempts it holds. Raises DialerError; what is in `target` is then worth nothing.
    """
    with _told(target, "written"):
        # No BEGIN: it is one read of its own. `mode=rw`: a database that is not there must not be made.
        with closing(_open(database, "mode=rw")) as source:
            source.execute("VACUUM INTO ?", (str(target),))
        with closing(_open(target, "mode=rw")) as copy:
            copy.execute("PRAGMA synchronous=FULL")
            _label(copy, at)
            _check(copy, target)
            attempts = int(copy.execute("SELECT count(*) FROM attempts").fetchone()[0])
        sync(target)
        return attempts


def _label(copy: sqlite3.Connection, at: datetime) -> None:
    copy.execute("BEGIN IMMEDIATE")
    copy.execute("DELETE FROM flags WHERE name = ?", (BACKUP,))
    row = (BACKUP, at.isoformat(), (at - EPOCH) // MICROSECOND)
    copy.execute("INSERT INTO flags (name, value, set_at) VALUES (?, ?, ?)", row)
    copy.execute("COMMIT")


def label(file: Path, at: datetime) -> None:
    """Marks a database that was put aside as a backup, so that it can be restored; a damaged one stays as it is."""
    with suppress(sqlite3.Error), closing(_open(file, "mode=rw")) as kept:
        _label(kept, at)


def look(file: Path) -> Copy:
    """What a backup says of itself; nothing beside it is read or written. Raises DialerError for what is none."""
    with _told(file, "read"), closing(_open(file, "mode=ro&immutable=1")) as copy:
        tables = {row[0] for row in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {"alembic_version", "flags", "attempts"} <= tables:
            raise DialerError(f"{file} is no backup of a dialer's database; name a file that `dialer backup` wrote")
        found = copy.execute("SELECT value FROM flags WHERE name = ?", (BACKUP,)).fetchone()
        if found is None:
            raise DialerError(
                f"{file} is a dialer's database, but no backup: it does not say of which instant it is; "
                "name a file that `dialer backup` wrote"
            )
        version = str(copy.execute("SELECT version_num FROM alembic_version").fetchone()[0])
        return Copy(datetime.fromisoformat(found[0]), _known(file, version))


def _known(file: Path, version: str) -> str:
    if version == HEAD:
        return version
    from dialer.store import migrate

    if version not in migrate.versions():
        raise DialerError(f"{file} has version {version}, made by a newer dialer; upgrade the program")
    return version


def check(file: Path, shown: Path) -> None:
    """Looks through every page. Raises DialerError where it is damaged; it names what `file` is a copy of."""
    with _told(shown, "read"), closing(_open(file, "mode=rw")) as copy:
        _check(copy, shown)


def change(file: Path, work: Callable[[Connection], T]) -> T:
    """Runs `work` in a transaction on a file that nobody else has open; it is on the disk afterwards."""
    engine = create_engine(f"sqlite:///{file}", poolclass=NullPool)
    try:
        with engine.begin() as tx:
            found = work(tx)
        sync(file)
        return found
    finally:
        engine.dispose()


@contextmanager
def alone(database: Path) -> Iterator[None]:
    """The database folded into one file, with nobody else in it meanwhile. Raises DialerError while somebody is.

    One that is too damaged to be folded stays as it is, with its log beside it.
    """
    with closing(_open(database, "mode=rw", timeout_s=1.0)) as present:
        try:
            # Refused as long as anybody else has it open: a file that is in use must not be put aside.
            mode = present.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
            present.execute("BEGIN EXCLUSIVE")
        except sqlite3.DatabaseError as error:
            if "locked" in str(error):
                raise _busy(database) from error
            mode = "delete"
        if mode != "delete":
            raise _busy(database)
        yield


def _busy(database: Path) -> DialerError:
    return DialerError(f"another process works on {database}, perhaps a command; try again when it has ended")


def sync(path: Path) -> None:
    """Puts a file, or a folder's list of names, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _open(file: Path, how: str, timeout_s: float = BUSY_S) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(file))}?{how}", uri=True, isolation_level=None, timeout=timeout_s)


def _check(copy: sqlite3.Connection, file: Path) -> None:
    found = str(copy.execute("PRAGMA integrity_check(1)").fetchone()[0])
    if found != "ok":
        raise DialerError(f"{file} is damaged ({found.splitlines()[-1]}); take an older backup")


@contextmanager
def _told(file: Path, what: str) -> Iterator[None]:
    """What SQLite or the disk refuses, as a DialerError."""
    try:
        yield
    except sqlite3.Error as error:
        hint = "see its disk, and who may read and write there" if what == "written" else "name another backup"
        raise DialerError(f"{file} cannot be {what} ({error}); {hint}") from error
    except OSError as error:
        raise DialerError(f"{file} cannot be {what} ({error.strerror}); name another file") from error
