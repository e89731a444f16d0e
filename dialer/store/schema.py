"""The schema's version: looked at before every command. What is behind is upgraded by `migrate`."""

from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import NullPool

from dialer.errors import DialerError
from dialer.store.database import InlineStore, driver_url
from dialer.store.record_tables import EVERY

WAIT_S = 60.0
"""Seconds to wait for another process's upgrade."""
HEAD = "0005"
"""The version this program knows: the last of `migrations/versions` (a test compares them)."""


def create(store: InlineStore) -> None:
    """All tables at once, for a simulation's database that nobody upgrades."""
    store.run(EVERY.create_all)


def upgrade(url: str) -> str | None:
    """Brings the database to this program's version, making it if need be. Returns the version it came from.

    Raises DialerError where the file is no database of ours, or a newer program wrote it.
    """
    parsed = _sync(driver_url(url))
    # A large upgrade by another process is worth waiting for. NullPool: no connection outlives its use.
    engine = create_engine(parsed, poolclass=NullPool, connect_args={"timeout": WAIT_S})
    try:
        with engine.connect() as connection:
            before = _version(connection, parsed)
        if before != HEAD:
            # Alembic takes half a second to import, which most commands can do without.
            from dialer.store import migrate

            if before is not None and before not in migrate.versions():
                raise DialerError(
                    f"database {_shown(parsed)} has version {before}, made by a newer dialer; upgrade the program"
                )
            migrate.upgrade(engine)
        return before
    except DatabaseError as error:
        raise _unusable(parsed, error) from error
    finally:
        engine.dispose()


def version(url: str) -> str | None:
    """The database's version, None in an empty one; nothing is changed. Raises DialerError where it is not ours."""
    parsed = _sync(driver_url(url))
    engine = create_engine(parsed)
    try:
        with engine.connect() as connection:
            return _version(connection, parsed)
    except DatabaseError as error:
        raise _unusable(parsed, error) from error
    finally:
        engine.dispose()


def _unusable(url: URL, error: DatabaseError) -> DialerError:
    if "locked" in str(error.orig):
        return DialerError(
            f"database {_shown(url)} is held by another process, perhaps an upgrade; try again when it ends"
        )
    if isinstance(error, OperationalError):
        return DialerError(f"database {_shown(url)}: {error.orig}; see who may read and write it, and its folder")
    return DialerError(f"database {_shown(url)}: {error.orig}; name another file, or restore a backup")


def _version(connection: Connection, url: URL) -> str | None:
    """The version written in the database; None in an empty one."""
    tables = inspect(connection).get_table_names()
    version = None
    if "alembic_version" in tables:
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if version is None and tables:
        raise DialerError(f"database {_shown(url)} holds tables that are not ours; name another file")
    return version


def _sync(parsed: URL) -> URL:
    return parsed.set(drivername=parsed.get_backend_name())


def _shown(url: URL) -> str:
    return url.database or url.render_as_string(hide_password=True)
