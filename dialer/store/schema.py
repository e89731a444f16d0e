"""The schema's version: looked at before every command. What is behind is upgraded by `migrate`."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from dialer.errors import DialerError
from dialer.store import postgres, sqlite, workers
from dialer.store.addresses import driver_url, refuse_without_folder, remedy, shown, sqlite_file
from dialer.store.holder import no_daemon_of_before
from dialer.store.inline import InlineStore
from dialer.store.migrations import HEAD
from dialer.store.worker_tables import EVERY

T = TypeVar("T")

WAIT_S = 60.0
"""Seconds to wait for another process's upgrade."""
NO_ROOM = ("disk is full", "disk I/O error")
"""What SQLite says where there is no room: the second one already where it can't make the file beside the database."""
MAKE = "`dialer import` or `dialer db upgrade` makes it; or see `database` in the settings"
"""What to do where there is no database yet."""


__all__ = ["HEAD", "MAKE", "create", "is_made", "upgrade", "version"]


class Once(Protocol):
    """Runs work in a transaction."""

    def __call__(self, work: Callable[[Connection], T], writes: bool = False) -> T: ...


def create(store: InlineStore) -> None:
    """All tables at once, for a simulation's database that nobody upgrades."""
    store.run(EVERY.create_all)


def upgrade(url: str, makes: bool = True, holds: bool = False) -> str | None:
    """Brings the database to this program's version. Returns the version it came from; None: it was made.

    `holds`: where it is a file, it is this process's alone. Raises DialerError where it is no database of ours, or a
    newer program wrote it; where an older one still works on it; and, unless this `makes` one, where there is none.
    """
    file = sqlite_file(url)
    if file is not None:
        refuse_without_folder(file)
    if not makes and file is not None and not file.exists():
        raise DialerError(f"there is no database {file} yet; {MAKE}")
    if file is not None and not file.exists():
        _make_private(file)
    with _looked_at(url) as (parsed, once):
        before = once(lambda connection: _version(connection, parsed))
        if before is None and not makes:
            raise DialerError(f"database {shown(parsed)} is empty yet; {MAKE}")
        if before != HEAD:
            # Alembic takes half a second to import, which most commands can do without.
            from dialer.store import migrate

            if before is not None and before not in migrate.versions():
                raise DialerError(
                    f"database {shown(parsed)} has version {before}, made by a newer dialer; upgrade the program"
                )
            with nullcontext() if holds or before is None else no_daemon_of_before(url):
                once(lambda connection: migrate.upgrade(connection, _refuse_the_living), writes=True)
        return before


def _make_private(file: Path) -> None:
    """Who owns it reads it, as SQLite's own files beside it then: it is full of names and numbers. What stands against
    making it, SQLite says better."""
    with suppress(OSError):
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))


def _refuse_the_living(connection: Connection) -> None:
    """Raises DialerError where workers of before dial from a server's database: its tables would change under them."""
    url = connection.engine.url
    version = _version(connection, url)
    if version in (None, HEAD) or not inspect(connection).has_table("workers"):
        return
    if names := workers.alive(connection):
        raise DialerError(
            f"database {shown(url)} has version {version}, this program {HEAD}, and older workers still dial from it "
            f"({', '.join(names)}); stop them first"
        )


def is_made(url: str) -> bool:
    """Whether there is a database with our tables. Raises DialerError where it is not ours."""
    file = sqlite_file(url)
    return (file is None or file.exists()) and version(url) is not None


def version(url: str) -> str | None:
    """The database's version, None in an empty one; nothing is changed. Raises DialerError where it is not ours."""
    with _looked_at(url) as (parsed, once):
        return once(lambda connection: _version(connection, parsed))


@contextmanager
def _looked_at(url: str) -> Iterator[tuple[URL, Once]]:
    """What runs work in a transaction of its own, each time. Raises DialerError for what the database refuses."""
    parsed = driver_url(url)
    try:
        if parsed.get_backend_name() == "postgresql":
            yield parsed, lambda work, writes=False: postgres.once(parsed, work)
            return
        # A large upgrade by another process is worth waiting for. NullPool: no connection outlives its use.
        engine = create_engine(sqlite.plain(parsed), poolclass=NullPool, connect_args={"timeout": WAIT_S})
        sqlite.own_transactions(engine)
        try:
            yield parsed, lambda work, writes=False: _begun(engine, work, writes)
        finally:
            engine.dispose()
    except DBAPIError as error:
        raise _unusable(parsed, error) from error


def _begun(engine: Engine, work: Callable[[Connection], T], writes: bool) -> T:
    with engine.execution_options(**{sqlite.WRITES: writes}).begin() as connection:
        return work(connection)


def _unusable(url: URL, error: DBAPIError) -> DialerError:
    if postgres.is_ours(error):
        return DialerError(f"database {shown(url)}: {postgres.told(error)}; {remedy(error, postgres.state_of(error))}")
    if "locked" in str(error.orig):
        return DialerError(
            f"database {shown(url)} is held by another process, perhaps an upgrade; try again when it ends"
        )
    if any(part in str(error.orig) for part in NO_ROOM):
        return DialerError(
            f"database {shown(url)}: {error.orig}; see whether its disk has room and is sound, and try again"
        )
    if isinstance(error, OperationalError):
        return DialerError(f"database {shown(url)}: {error.orig}; see who may read and write it, and its folder")
    return DialerError(f"database {shown(url)}: {error.orig}; name another file, or restore a backup")


def _version(connection: Connection, url: URL) -> str | None:
    """The version written in the database; None in an empty one."""
    tables = inspect(connection).get_table_names()
    version = None
    if "alembic_version" in tables:
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if version is None and tables:
        raise DialerError(f"database {shown(url)} holds tables that are not ours; name another one")
    return version
