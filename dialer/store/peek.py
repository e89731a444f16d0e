"""Reads a database beside whatever else works with it: nothing is written, made or upgraded."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from dialer.errors import DialerError
from dialer.store import postgres, schema
from dialer.store.addresses import driver_url, refuse_without_folder, remedy, shown, sqlite_file
from dialer.store.database import Tx
from dialer.store.sqlite import BUSY_S

T = TypeVar("T")


def standing(url: str) -> str:
    """How the database stands, in words: `current`, or why nothing can be read from it yet, which is no fault.

    Raises DialerError where it is not ours, or not to be read by this program.
    """
    file = sqlite_file(url)
    if file is not None and not file.exists():
        refuse_without_folder(file)
        return "is not there yet; the first command that needs it makes it"
    version = schema.version(url)
    if version is None:
        return "is empty; the first command that needs it fills it"
    if version == schema.HEAD:
        return "current"
    # Alembic takes half a second to import, which a current database can do without.
    from dialer.store import migrate

    if version not in migrate.versions():
        raise DialerError(f"has version {version}, made by a newer dialer; upgrade the program")
    return f"has version {version}, this program {schema.HEAD}; the next command that needs it upgrades it"


def read(url: str, work: Callable[[Tx], T], **options: str) -> T:
    """Runs `work` on a database that is `current`, in a snapshot. `options`: as the store's. Raises DialerError."""
    file = sqlite_file(url)
    return _read_server(url, work, options) if file is None else _read_file(file, work, options)


def _read_file(file: Path, work: Callable[[Tx], T], options: Mapping[str, str]) -> T:
    address = f"sqlite:///file:{quote(str(file.absolute()))}?mode=rw&uri=true"
    engine = create_engine(address, poolclass=NullPool, connect_args={"timeout": BUSY_S}, execution_options={**options})
    try:
        with engine.connect() as connection:
            # Not mode=ro: that leaves files beside the database, which the daemon's user may not be able to write.
            connection.exec_driver_sql("PRAGMA query_only=ON")
            connection.exec_driver_sql("BEGIN")
            return work(connection)
    except DBAPIError as error:
        raise DialerError(f"database {file}: {error.orig}; see who may read it, and its folder") from error
    finally:
        engine.dispose()


def _read_server(url: str, work: Callable[[Tx], T], options: Mapping[str, str]) -> T:
    def reading(tx: Tx) -> T:
        tx.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return work(tx.execution_options(**options))

    parsed = driver_url(url)
    try:
        return postgres.once(parsed, reading)
    except DBAPIError as error:
        hint = remedy(error, postgres.state_of(error))
        raise DialerError(f"database {shown(parsed)}: {postgres.told(error)}; {hint}") from error
