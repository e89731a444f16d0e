"""Either end of a move: a database as raw stored values, the same on both kinds, in one transaction that locks it.

SQLite's form is the common one: dates as ISO text, truth as 0 and 1, documents as their text. Parameters are `$1, $2`.
"""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Any, Protocol

import asyncpg
from sqlalchemy import JSON, Boolean, Column, Date, String, Table
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from dialer.errors import DialerError
from dialer.store import postgres
from dialer.store.addresses import driver_url, remedy, shown
from dialer.store.worker_tables import EVERY

Rows = Sequence[tuple[Any, ...]]
BATCH = 2_000
LOCK_S = 10.0
SESSION = {
    **postgres.SESSION,
    "idle_in_transaction_session_timeout": "0",
    "statement_timeout": "0",
    "lock_timeout": f"{LOCK_S:g}s",
}
"""A move reads one end while the other waits."""
FAULTS = (sqlite3.Error, OverflowError, *postgres.FAULTS)


class End(Protocol):
    """One of the two databases."""

    is_server: bool

    async def begin(self, locks: bool) -> None:
        """`locks`: nobody else writes until the end; who reads sees the state before."""

    def pages(self, table: Table) -> AsyncIterator[Rows]:
        """The whole table in the order of its key, in the common form."""
        ...

    async def put(self, table: Table, rows: Rows) -> None: ...
    async def ask(self, sql: str, *given: Any) -> Rows: ...
    async def run(self, sql: str, *given: Any) -> None: ...
    async def commit(self) -> None: ...
    async def close(self) -> None:
        """What was not committed is undone."""


def order(table: Table, collation: str = "") -> str:
    """The columns of the key. Text in the order of its bytes, whatever the database's own order is."""
    keys = (f"{named(one)}{collation if isinstance(one.type, String) else ''}" for one in table.primary_key.columns)
    return ", ".join(keys)


def named(column: Column[Any]) -> str:
    return f'"{column.name}"'


def stored(table: Table) -> list[Column[Any]]:
    """Its columns, less what the database works out itself."""
    return [column for column in table.columns if column.computed is None]


def columns(table: Table) -> str:
    return ", ".join(map(named, stored(table)))


class FileEnd:
    """A SQLite file."""

    is_server = False

    def __init__(self, url: URL) -> None:
        self._raw = sqlite3.connect(url.database or "", isolation_level=None, timeout=LOCK_S)

    async def begin(self, locks: bool) -> None:
        self._raw.execute("BEGIN IMMEDIATE")

    async def pages(self, table: Table) -> AsyncIterator[Rows]:
        made = f"SELECT {columns(table)} FROM {table.name} ORDER BY {order(table)}"
        found = self._raw.execute(made)
        documents = [n for n, column in enumerate(stored(table)) if isinstance(column.type, JSON)]
        while rows := found.fetchmany(BATCH):
            yield [_as_text(row, documents) for row in rows] if documents else rows

    async def put(self, table: Table, rows: Rows) -> None:
        places = ", ".join("?" * len(stored(table)))
        self._raw.executemany(f"INSERT INTO {table.name} ({columns(table)}) VALUES ({places})", rows)

    async def ask(self, sql: str, *given: Any) -> Rows:
        return self._raw.execute(sql, _numbered(given)).fetchall()

    async def run(self, sql: str, *given: Any) -> None:
        self._raw.execute(sql, _numbered(given))

    async def commit(self) -> None:
        self._raw.execute("COMMIT")

    async def close(self) -> None:
        self._raw.close()


def _numbered(given: Sequence[Any]) -> dict[str, Any]:
    return {str(n): value for n, value in enumerate(given, 1)}


def _as_text(row: tuple[Any, ...], documents: Sequence[int]) -> tuple[Any, ...]:
    """A document that is but a number: SQLite keeps it as one."""
    if not any(isinstance(row[n], int | float) for n in documents):
        return row
    return tuple(str(v) if n in documents and isinstance(v, int | float) else v for n, v in enumerate(row))


class ServerEnd:
    """A PostgreSQL database."""

    is_server = True

    def __init__(self, raw: asyncpg.Connection) -> None:
        self._raw = raw

    @classmethod
    async def open(cls, url: URL) -> "ServerEnd":
        given = {**url.translate_connect_args(username="user"), **url.query}
        return cls(await asyncpg.connect(**given, timeout=postgres.CONNECT_S, server_settings=SESSION))

    async def begin(self, locks: bool) -> None:
        await self._raw.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        if locks:  # before anything is read: what is seen is what the last writer left
            await self._raw.execute(f"LOCK TABLE {', '.join(EVERY.tables)} IN SHARE ROW EXCLUSIVE MODE")

    async def pages(self, table: Table) -> AsyncIterator[Rows]:
        collation = ' COLLATE "C"'
        made = f"SELECT {columns(table)} FROM {table.name} ORDER BY {order(table, collation)}"
        cursor = await self._raw.cursor(made)
        while rows := await cursor.fetch(BATCH):
            yield [tuple(map(_common, row)) for row in rows]

    async def put(self, table: Table, rows: Rows) -> None:
        native = [_native(column) for column in stored(table)]
        names = [column.name for column in stored(table)]
        try:
            given = [
                tuple(v if to is None or v is None else to(v) for to, v in zip(native, row, strict=True))
                for row in rows
            ]
            await self._raw.copy_records_to_table(table.name, columns=names, records=given)
        except (asyncpg.DataError, TypeError, ValueError) as error:
            # The driver's own words would quote the value.
            raise DialerError(
                f"{table.name}: a value is not of its column's kind ({type(error).__name__}), somebody may have "
                "written it by hand; mend the row and copy again"
            ) from error

    async def ask(self, sql: str, *given: Any) -> Rows:
        return [tuple(row) for row in await self._raw.fetch(sql, *given)]

    async def run(self, sql: str, *given: Any) -> None:
        await self._raw.execute(sql, *given)

    async def commit(self) -> None:
        await self._raw.execute("COMMIT")

    async def now(self) -> datetime:
        """The server's time."""
        return await postgres.Attendance(self._raw).now()

    async def close(self) -> None:
        if not self._raw.is_closed():
            await self._raw.close(timeout=postgres.CONNECT_S)


def _common(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    return value.isoformat() if isinstance(value, date) else value


def _native(column: Column[Any]) -> Any:
    """What makes the server's value of the common one; None: it is the same."""
    if isinstance(column.type, Date):
        return date.fromisoformat
    return _truth if isinstance(column.type, Boolean) else None


def _truth(value: Any) -> bool:
    if value not in (0, 1):
        raise ValueError("neither 0 nor 1")
    return bool(value)


@asynccontextmanager
async def begun(url: str, locks: bool = True) -> AsyncIterator[End]:
    """One end with its transaction, undone unless it is committed. `locks`: nobody else writes meanwhile.

    Raises DialerError for what the database refuses.
    """
    end: End | None = None
    parsed = driver_url(url)
    try:
        end = await ServerEnd.open(parsed) if parsed.get_backend_name() == "postgresql" else FileEnd(parsed)
        await end.begin(locks)
        yield end
    except FAULTS as error:
        raise refused(parsed, error) from error
    finally:
        if end is not None:
            await end.close()


def refused(url: URL | str, error: Exception) -> DialerError:
    """One of FAULTS, as a message that says what to do and names no values."""
    if isinstance(error, sqlite3.Error | OverflowError):
        hint = "see its disk, and who may read and write it"
        if "locked" in str(error):
            hint = "another command works on it; try again when it ends"
        return DialerError(f"database {shown(url)}: {error}; {hint}")
    wrapped: DBAPIError = postgres.wrapped("", error)
    return DialerError(
        f"database {shown(url)}: {postgres.told(wrapped)}; {remedy(wrapped, postgres.state_of(wrapped))}"
    )
