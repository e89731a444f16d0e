"""A backup while everything runs, and its restore: a copy beside the database, changed there, then put in its place."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dialer import mark
from dialer.clock import Clock
from dialer.errors import DialerError
from dialer.own_files import belongs
from dialer.store import Tx, shown, sqlite_file
from dialer.store import backup as copies
from dialer.store import restored as store
from dialer.store.addresses import followed
from dialer.store.holder import without_daemon
from dialer.store.schema import upgrade, version


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was written."""

    file: Path
    at: datetime
    size: int
    """Bytes."""
    attempts: int


@dataclass(frozen=True, slots=True)
class Restore:
    """A backup that was put in place."""

    since: datetime
    """The backup's instant."""
    at: datetime
    kept: Path | None
    """Where the database before it is; None: there was none."""
    to_ask: int
    """Planned attempts that may have been placed since."""
    next_attempt: int
    """The number of the next attempt: far beyond any that may have been given since."""


def back_up(database: str, to: Path, clock: Clock, force: bool = False) -> Backup:
    """Writes a whole, checked copy to `to`. Raises DialerError; then nothing of it is left, what was there stays."""
    mark.refuse_where_gone(database)
    live, target = _live(database), Path(os.path.realpath(to))
    if not live.exists():
        raise DialerError(f"there is no database {live}; see `database` in the settings")
    if version(database) is None:
        raise DialerError(f"database {live} is empty: there is nothing to back up")
    _refuse(database, target, to, force)
    at = clock.now()
    with _beside(target, to) as temporary:
        attempts = copies.make(live, temporary, at)
        size = temporary.stat().st_size
        _put(temporary, target, to, force)
    return Backup(to, at, size, attempts)


def restore(database: str, file: Path, clock: Clock) -> Restore:
    """Puts a backup in the place of the database, halted, and writes down which time it knows nothing of.

    Raises DialerError while a daemon runs, and for what is no sound backup of ours; then nothing was changed.
    """
    live = _live(database)
    found, now = look(file), clock.now()
    if found.at > now:
        raise DialerError(
            f"{file} says it was made at {found.at:%Y-%m-%d %H:%M:%S} UTC, which lies ahead; see the clock"
        )
    with without_daemon(database, "nothing was restored", leaves=True), _beside(live, live) as temporary:
        _fill(file, temporary, live)
        copies.check(temporary, file)
        upgrade(f"sqlite:///{temporary}")
        # What the mark says holds for another installation's numbers too: the provider may be the same.
        known = mark.known(sqlite_file(database) or live)

        def back(tx: Tx) -> tuple[store.Gap, int, mark.Mark]:
            lost = mark.go_back(tx, found.at, now, known.high if known else None, f"dialer restore {file.name}")
            return lost, store.left(tx, lost), mark.Mark(mark.token(tx, now), store.highest(tx, now))

        lost, to_ask, fresh = copies.change(temporary, back)
        kept = _swap(live, temporary, now)
    # A mark that is not rewritten says that the database went back: it is halted and asked about all the same.
    with suppress(OSError):
        mark.write(mark.path_of(live), fresh)
    return Restore(lost.since, now, kept, to_ask, fresh.high.attempts)


def look(file: Path) -> copies.Copy:
    """What a backup says of itself. Raises DialerError for what is none."""
    if not file.is_file():
        wrong = "is no file" if file.exists() else "there is no such file"
        raise DialerError(f"{file}: {wrong}; name a file that `dialer backup` wrote")
    return copies.look(file.resolve())


def _live(database: str) -> Path:
    file = sqlite_file(database)
    if file is None:
        raise DialerError(
            f"database {shown(database)} is no file: use pg_dump and pg_restore (docs/operations.md, PostgreSQL)"
        )
    return followed(file)


def _refuse(database: str, target: Path, to: Path, force: bool) -> None:
    """What must not be written over."""
    if belongs(database, target):
        raise DialerError(f"{to} belongs to the live database; name another file")
    if target.exists() and not target.is_file():
        raise DialerError(f"{to} is no file; name a file")
    if target.exists() and not force:
        raise DialerError(f"{to} is there already; name another file, or give --force to write over it")
    if target.exists() and target.stat().st_size:
        try:
            copies.look(target)
        except DialerError as error:
            raise DialerError(
                f"{to} is no backup: even --force writes over backups alone; name another file"
            ) from error


@contextmanager
def _beside(target: Path, shown: Path) -> Iterator[Path]:
    """A file of mode 600 in the same folder, gone with what SQLite puts beside it unless it was moved away."""
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.")
        os.close(handle)
    except OSError as error:
        raise DialerError(f"{shown} cannot be written ({error.strerror}); name a file in a folder that can") from error
    try:
        yield Path(name)
    finally:
        for end in ("", *copies.BESIDE):
            Path(f"{name}{end}").unlink(missing_ok=True)


def _put(temporary: Path, target: Path, shown: Path, force: bool) -> None:
    try:
        if force:
            os.replace(temporary, target)
        else:
            # Unlike a renaming, this never writes over what came there meanwhile.
            _link(temporary, target)
        copies.sync(target.parent)
    except FileExistsError as error:
        raise DialerError(f"{shown} is there already; name another file, or give --force to write over it") from error
    except OSError as error:
        raise DialerError(f"{shown} cannot be written ({error.strerror}); name a file on another disk") from error


def _link(file: Path, name: Path) -> None:
    """A further name for a file; where the file system has none, its only one."""
    try:
        os.link(file, name)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS) or name.exists():
            raise
        os.rename(file, name)


def _fill(file: Path, temporary: Path, live: Path) -> None:
    """The copy, with the owner and the rights of what it takes the place of."""
    try:
        with file.open("rb") as source, temporary.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
        if live.exists():
            shutil.copymode(live, temporary)
            with suppress(PermissionError):
                os.chown(temporary, live.stat().st_uid, live.stat().st_gid)
    except OSError as error:
        raise DialerError(
            f"{file} cannot be copied to {live.parent} ({error.strerror}); nothing was changed"
        ) from error


def _swap(live: Path, temporary: Path, now: datetime) -> Path | None:
    """The copy takes the database's place in one step; what was there is kept under another name."""
    kept = Path(f"{live}.before-restore-{now.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}")
    was_there = live.exists()
    try:
        if was_there:
            with copies.alone(live):
                _keep(live, kept)
                os.replace(temporary, live)
        else:
            _leave(live, kept)
            os.replace(temporary, live)
        copies.sync(live.parent)
    except OSError as error:
        raise DialerError(f"{live} cannot be replaced ({error.strerror}); see who may write its folder") from error
    if not was_there:
        return None
    copies.label(kept, now)
    return kept


def _leave(live: Path, kept: Path) -> None:
    """What a database that is gone has left beside it: SQLite would write its pages into the copy."""
    for end in copies.BESIDE:
        if Path(f"{live}{end}").exists():
            os.replace(f"{live}{end}", f"{kept}{end}")


def _keep(live: Path, kept: Path) -> None:
    """With what lies beside it where it could not be folded."""
    if kept.exists():
        raise DialerError(f"{kept} is there already; try again in a second")
    beside = [end for end in copies.BESIDE if Path(f"{live}{end}").exists()]
    for end in beside:
        os.link(f"{live}{end}", f"{kept}{end}")
    _link(live, kept)
    for end in beside:
        Path(f"{live}{end}").unlink()
