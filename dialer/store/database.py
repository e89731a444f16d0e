"""Connections and transactions: the one writer that commits in groups, and the readers beside it."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool

from dialer.errors import DialerError

Tx = Connection
"""A running transaction. Statements by noun take it; rooms outside the store only pass it on."""

T = TypeVar("T")
GROUP_MAX = 64
BUSY_S = 5.0
BUSY_TRIES = 6


@dataclass(slots=True)
class _Job:
    work: Callable[[Tx], Any]
    done: "asyncio.Future[Any]"


class Store:
    """The database. `write` runs a plain function in a durable transaction, `read` in a snapshot.

    Functions given to `write` must be repeatable: jobs that wait together share one commit, and when one
    of them fails the others are run again on their own. They change nothing outside the database.
    """

    def __init__(self, url: str, **options: str) -> None:
        """`options` go with every transaction, for statements that need a secret of the settings."""
        self.url = driver_url(url)
        self._writer = _engine(self.url, "BEGIN IMMEDIATE", 1, options)
        self._reader = _engine(self.url, "BEGIN", 2, options)
        self._waiting: list[_Job] = []
        self._running: asyncio.Task[None] | None = None

    async def write(self, work: Callable[[Tx], T]) -> T:
        """Runs `work` in a transaction and returns its result once it is durable."""
        job = _Job(work, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        if self._running is None:
            self._running = asyncio.create_task(self._commit_groups(), name="store-writer")
        # The commit goes on even if the caller is cancelled: others share it.
        result: T = await asyncio.shield(job.done)
        return result

    async def read(self, work: Callable[[Tx], T]) -> T:
        """Runs `work` in a read-only snapshot."""
        async with self._reader.begin() as connection:
            return await connection.run_sync(work)

    async def forget_pages(self) -> bool:
        """Moves what was written into the database's file and empties the log beside it, which holds old pages.

        False: somebody still reads an older state; the log is emptied when it has grown the next time.
        """
        async with self._writer.connect() as connection:
            raw = await connection.get_raw_connection()
            assert raw.driver_connection is not None
            async with raw.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)") as cursor:
                return not (await cursor.fetchone())[0]

    async def close(self) -> None:
        if self._running is not None:
            await self._running
        await self._writer.dispose()
        await self._reader.dispose()

    async def _commit_groups(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:GROUP_MAX], self._waiting[GROUP_MAX:]
                await self._commit(group)
        finally:
            self._running = None

    async def _commit(self, group: list[_Job]) -> None:
        worked = False

        def work(tx: Tx) -> list[Any]:
            nonlocal worked
            results = [job.work(tx) for job in group]
            worked = True
            return results

        try:
            results = await self._transact(work)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to whoever asked for the work
            # A commit that failed may have taken effect all the same: who asked has to look, it is not done again here.
            if len(group) > 1 and not worked and not _is_locked(error):
                for job in group:
                    await self._commit([job])
                return
            for job in group:
                if not job.done.cancelled():
                    job.done.set_exception(error)
            return
        for job, result in zip(group, results, strict=True):
            if not job.done.cancelled():
                job.done.set_result(result)

    async def _transact(self, work: Callable[[Tx], T]) -> T:
        for tries in range(1, BUSY_TRIES + 1):
            try:
                return await self._once(work)
            except OperationalError as error:
                if tries == BUSY_TRIES or not _is_locked(error):
                    raise
        raise AssertionError("the last try returns or raises")

    async def _once(self, work: Callable[[Tx], T]) -> T:
        async with self._writer.begin() as connection:
            return await connection.run_sync(work)


@contextmanager
def explained() -> Iterator[None]:
    """What the database refuses, as a DialerError that says what to do."""
    try:
        yield
    except DBAPIError as error:
        if _is_locked(error):
            wrong = "another process has held the database for half a minute, perhaps a long import; try again"
        else:
            wrong = f"the database: {error.orig}; see its disk, and who may write its file"
        raise DialerError(wrong) from error


def _is_locked(error: Exception) -> bool:
    """Another process holds the write lock: no job's fault, so each would wait for it as long as all together."""
    return isinstance(error, OperationalError) and "locked" in str(error.orig)


class InlineStore(Store):
    """The same store without threads, for simulations: every call ends before anything else runs.

    `beside`: another process's way into the same database.
    """

    _engine: Engine
    _tx: Tx

    def __init__(self, url: str = "sqlite://", beside: "InlineStore | None" = None) -> None:
        self.url = make_url(url)
        self._waiting, self._running = [], None
        self._is_guest = beside is not None
        if beside is not None:
            self._engine, self._tx = beside._engine, beside._tx
            return
        self._engine = create_engine(self.url, poolclass=StaticPool, connect_args={"check_same_thread": False})
        _prepare(self._engine, None, synchronous="OFF")
        self._tx = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    async def write(self, work: Callable[[Tx], T]) -> T:
        return self.run(work)

    async def read(self, work: Callable[[Tx], T]) -> T:
        return self.run(work)

    def run(self, work: Callable[[Tx], T]) -> T:
        # One connection, begun by hand: a transaction of SQLAlchemy's own costs as much as ten statements.
        raw: Any = self._tx.connection.driver_connection
        raw.execute("BEGIN IMMEDIATE")
        try:
            found = work(self._tx)
            raw.execute("COMMIT")
        except BaseException:
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            raise
        return found

    async def forget_pages(self) -> bool:
        return True  # no log lies beside what is in memory

    async def close(self) -> None:
        if not self._is_guest:
            self._tx.close()
            self._engine.dispose()


class FailingStore(InlineStore):
    """A process's way into the simulation's database that is slow, busy, or fails, as `mishap` says.

    Its writes share commits as in production.
    """

    def __init__(self, beside: InlineStore, mishap: "Mishap") -> None:
        super().__init__(beside=beside)
        self._mishap = mishap

    async def write(self, work: Callable[[Tx], T]) -> T:
        return await Store.write(self, work)

    async def read(self, work: Callable[[Tx], T]) -> T:
        await self._mishap("read")
        found = self.run(work)
        await self._mishap("was read")
        return found

    async def _once(self, work: Callable[[Tx], T]) -> T:
        if (fault := await self._mishap("write")) is not None:
            raise _failure(fault)
        result = self.run(work)
        if (fault := await self._mishap("written")) is not None:
            raise _failure(fault)
        return result


class Mishap(Protocol):
    """What befalls a call of the database: it may wait, or end the process. Returns how it fails; None: it does not."""

    async def __call__(self, when: str) -> str | None: ...


def _failure(text: str) -> OperationalError:
    return OperationalError("a simulated fault", None, sqlite3.OperationalError(text))


def driver_url(url: str) -> URL:
    """The address with its driver. Raises DialerError for a database that is not supported."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        raise DialerError(f"database: {parsed.get_backend_name()} is not supported yet; use sqlite:///FILE")
    return parsed.set(drivername="sqlite+aiosqlite")


def _engine(url: URL, begin: str, pool_size: int, options: Mapping[str, str]) -> AsyncEngine:
    engine = create_async_engine(
        url, pool_size=pool_size, max_overflow=0, connect_args={"timeout": BUSY_S}, execution_options={**options}
    )
    _prepare(engine.sync_engine, begin, synchronous="FULL")
    return engine


def _prepare(engine: Engine, begin: str | None, synchronous: str) -> None:
    """SQLite only: transactions of our own making (`begin` None: begun by hand), WAL, and the durability the promise
    needs.

    SQLAlchemy opens no transaction on a SELECT, and a deferred read-then-write fails at once under load
    without minding busy_timeout; so a writing transaction takes the lock when it begins. FULL, because a
    placement must be on the disk before the provider is spoken to, also when the power goes. secure_delete, because
    what is erased must not stay readable in the file.
    """

    @event.listens_for(engine, "connect")
    def connected(connection: Any, record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL", f"synchronous={synchronous}", "cache_size=-65536", "temp_store=MEMORY",
            "secure_delete=ON",
        ):  # fmt: skip
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    if begin is None:
        return

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)


def sqlite_file(url: str) -> Path | None:
    """The database's file; None where it is no file."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        return None
    return Path(parsed.database)


__all__ = ["DBAPIError", "FailingStore", "InlineStore", "Store", "Tx", "explained", "sqlite_file"]
