"""Four ways to run the same statements: sqlite3, aiosqlite, asyncpg, SQLAlchemy Core on the last two."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import aiosqlite
from sqlalchemy import event
from sqlalchemy.dialects.postgresql import asyncpg as postgresql
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

Rows = Sequence[Mapping[str, Any]]
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "cache_size=-65536", "temp_store=MEMORY")


class _Compiled:
    """A statement as the driver's own text, and rows as the tuples that it wants."""

    def __init__(self, dialect: Any) -> None:
        self._dialect = dialect
        self._known: dict[tuple[int, tuple[str, ...]], tuple[str, list[str], Mapping[str, Any], Any]] = {}

    def text(self, statement: Any, names: Sequence[str] = ()) -> tuple[str, list[str], Mapping[str, Any]]:
        key = (id(statement), tuple(names))
        if key not in self._known:
            made = statement.compile(dialect=self._dialect)
            # The statement is kept with its text, so that no other one gets its id.
            self._known[key] = (str(made), list(getattr(made, "positiontup", None) or ()), made.params or {}, statement)
        return self._known[key][:3]

    def rows(self, statement: Any, rows: Rows) -> tuple[str, list[tuple[Any, ...]]]:
        sql, order, given = self.text(statement, tuple(rows[0]))
        if missing := [name for name in order if name not in rows[0]]:
            rows = [{**{name: given[name] for name in missing}, **row} for row in rows]
        return sql, [tuple(row[name] for name in order) for row in rows]


class Sqlite3:
    """The standard library's own."""

    def __init__(self, file: str) -> None:
        self._raw = sqlite3.connect(file, isolation_level=None)
        self._compiled = _Compiled(sqlite_dialect(paramstyle="qmark"))
        for pragma in PRAGMAS:
            self._raw.execute(f"PRAGMA {pragma}")

    async def begin(self) -> None:
        self._raw.execute("BEGIN IMMEDIATE")

    async def commit(self) -> None:
        self._raw.execute("COMMIT")

    async def run(self, statement: Any) -> None:
        self._raw.execute(self._compiled.text(statement)[0])

    async def many(self, statement: Any, rows: Rows) -> None:
        self._raw.executemany(*self._compiled.rows(statement, rows))

    async def all(self, statement: Any, values: Mapping[str, Any]) -> list[Any]:
        sql, (row,) = self._compiled.rows(statement, [values])
        return self._raw.execute(sql, row).fetchall()

    async def close(self) -> None:
        self._raw.close()


class Aiosqlite:
    """The same in a thread."""

    def __init__(self, raw: aiosqlite.Connection) -> None:
        self._raw, self._compiled = raw, _Compiled(sqlite_dialect(paramstyle="qmark"))

    @classmethod
    async def open(cls, file: str) -> "Aiosqlite":
        raw = await aiosqlite.connect(file, isolation_level=None)
        for pragma in PRAGMAS:
            await raw.execute(f"PRAGMA {pragma}")
        return cls(raw)

    async def begin(self) -> None:
        await self._raw.execute("BEGIN IMMEDIATE")

    async def commit(self) -> None:
        await self._raw.execute("COMMIT")

    async def run(self, statement: Any) -> None:
        await self._raw.execute(self._compiled.text(statement)[0])

    async def many(self, statement: Any, rows: Rows) -> None:
        await self._raw.executemany(*self._compiled.rows(statement, rows))

    async def all(self, statement: Any, values: Mapping[str, Any]) -> list[Any]:
        sql, (row,) = self._compiled.rows(statement, [values])
        return list(await self._raw.execute_fetchall(sql, row))

    async def close(self) -> None:
        await self._raw.close()


class Asyncpg:
    """One connection; many rows go in one pipelined round trip."""

    def __init__(self, raw: Any) -> None:
        self._raw, self._compiled = raw, _Compiled(postgresql.dialect())
        self._transaction: Any = None

    @classmethod
    async def open(cls, url: str) -> "Asyncpg":
        import asyncpg

        return cls(await asyncpg.connect(url))

    async def begin(self) -> None:
        self._transaction = self._raw.transaction()
        await self._transaction.start()

    async def commit(self) -> None:
        await self._transaction.commit()

    async def run(self, statement: Any) -> None:
        await self._raw.execute(self._compiled.text(statement)[0])

    async def many(self, statement: Any, rows: Rows) -> None:
        await self._raw.executemany(*self._compiled.rows(statement, rows))

    async def all(self, statement: Any, values: Mapping[str, Any]) -> list[Any]:
        sql, (row,) = self._compiled.rows(statement, [values])
        return [tuple(found) for found in await self._raw.fetch(sql, *row)]

    async def close(self) -> None:
        await self._raw.close()


class Core:
    """SQLAlchemy's engine on the driver that this dialer uses."""

    def __init__(self, engine: Any, connection: AsyncConnection) -> None:
        self._engine, self._connection = engine, connection

    @classmethod
    async def open(cls, url: str) -> "Core":
        engine = create_async_engine(url)
        if engine.dialect.name == "sqlite":
            _own_transactions(engine.sync_engine)
        return cls(engine, await engine.connect())

    async def begin(self) -> None:
        await self._connection.begin()

    async def commit(self) -> None:
        await self._connection.commit()

    async def run(self, statement: Any) -> None:
        await self._connection.execute(statement)

    async def many(self, statement: Any, rows: Rows) -> None:
        await self._connection.execute(statement, rows)

    async def all(self, statement: Any, values: Mapping[str, Any]) -> list[Any]:
        return list((await self._connection.execute(statement, values)).all())

    async def close(self) -> None:
        await self._connection.close()
        await self._engine.dispose()


def _own_transactions(engine: Any) -> None:
    """As in `dialer/store/database.py`."""

    @event.listens_for(engine, "connect")
    def connected(connection: Any, record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begun(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


async def open_hand(way: str, url: str) -> Any:
    """A connection of that way to the database of that URL."""
    parsed = make_url(url)
    match way:
        case "sqlite3":
            return Sqlite3(str(parsed.database))
        case "aiosqlite":
            return await Aiosqlite.open(str(parsed.database))
        case "asyncpg":
            return await Asyncpg.open(url)
    driver = parsed.set(drivername=f"{parsed.get_backend_name()}+{way.removeprefix('core+')}")
    return await Core.open(driver.render_as_string(hide_password=False))
