"""The way into SQLite: one connection that writes, some that read.

A transaction waits for the disk when it commits, and for the lock where another has it, in a thread. What it does in
between runs where it was asked for: SQLite answers in microseconds, and a thread that gives up the interpreter at every
statement gets it back, from a busy event loop, only after milliseconds.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool

from dialer.store import at_hand
from dialer.store.types import document

T = TypeVar("T")
BUSY_S = 5.0
"""Seconds to wait for another process's lock, each time."""
LOOK_S = 0.5
"""The same for a look, which nothing but a restored backup or a new log can hold up."""
BUSY_TRIES = 6
READERS = 2
CACHE_KIB, LOOK_CACHE_KIB = 32 * 1024, 4 * 1024
"""KiB of pages that a connection keeps: a worker is to stay small. What is beyond, the system's own cache has."""
WRITES = "dialer_writes"
"""Execution option of a connection that is going to write."""


class Link:
    """One process's connections to a SQLite file."""

    writers = 1
    tries = BUSY_TRIES

    def __init__(self, url: URL, options: Mapping[str, str]) -> None:
        self._url, self._options = url, options
        self._file = _File(url)
        self._writer: _Own | None = None
        self._looker: _Own | None = None
        self._opening = asyncio.Lock()
        self._reader = _reading(url, options)

    async def write(self, work: Callable[[Connection], T], quick: bool) -> T:
        """One durable transaction. Raises DBAPIError, and whatever `work` raises; then nothing is written."""
        if self._writer is None:
            self._writer = await asyncio.to_thread(_Own, self._url, self._options, BUSY_S)
        own = self._writer
        self._file.check()
        await own.begin()
        try:
            found = work(own.tx) if quick else await _in_thread(work, own.tx)
            await own.say("COMMIT")
        except BaseException:
            at_hand.forget(own.tx)
            if own.raw.in_transaction:
                own.raw.execute("ROLLBACK")
            raise
        return found

    async def read(self, work: Callable[[Connection], T]) -> T:
        async with self._reader.begin() as connection:
            self._file.check()
            return await connection.run_sync(work)

    async def look(self, work: Callable[[Connection], T]) -> T:
        """Nothing waits here: with a write-ahead log, who reads is kept by nobody."""
        async with self._opening:  # of two first looks at once, one opens
            if self._looker is None:
                self._looker = await asyncio.to_thread(_Own, self._url, self._options, LOOK_S, LOOK_CACHE_KIB)
        self._file.check()
        return work(self._looker.tx)

    async def forget_pages(self) -> bool:
        """As `Store.forget_pages`."""
        async with self._reader.connect() as connection:
            raw = await connection.get_raw_connection()
            assert raw.driver_connection is not None
            await raw.driver_connection.rollback()
            async with raw.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)") as cursor:
                return not (await cursor.fetchone())[0]

    async def attend(self, noticed: Callable[[], None], worker: str) -> Any:
        raise AssertionError("one daemon a file: there is nobody to attend to")

    async def close(self) -> None:
        for own in (self._writer, self._looker):
            if own is not None:
                await asyncio.to_thread(own.close)
        await self._reader.dispose()

    def cut(self) -> None:
        """What a file is asked ends by itself."""

    def is_passing(self, error: Exception) -> bool:
        """Another process holds the lock."""
        return is_locked(error)

    def is_common(self, error: Exception) -> bool:
        return is_locked(error) or _is_gone(error)

    def is_taken(self, error: Exception) -> bool:
        """Nobody else writes while a transaction does."""
        return False


def is_locked(error: Exception) -> bool:
    """Another process holds the write lock: no job's fault, so each would wait for it as long as all together."""
    return isinstance(error, OperationalError) and not _is_gone(error) and "locked" in str(error.orig)


class _Gone(sqlite3.OperationalError):
    """The file is not where it was. What is written to it now, nobody would find again."""


def _is_gone(error: Exception) -> bool:
    return isinstance(error, OperationalError) and isinstance(error.orig, _Gone)


class _File:
    """The file that is open, as it stands in its folder. It stays open when it is deleted, or another takes its name:
    then nothing may be placed that only it knows of. Asked only once it is open: in a container that may copy it."""

    def __init__(self, url: URL) -> None:
        self._path = os.path.abspath(url.database) if url.database and url.database != ":memory:" else None
        self._found: tuple[int, int] | None = None

    def check(self) -> None:
        """Raises OperationalError where it is not the one any more that was there at first."""
        if self._path is None:
            return
        try:
            found = os.stat(self._path)
        except OSError:
            found = None
        if found is not None and self._found in (None, (found.st_dev, found.st_ino)):
            self._found = (found.st_dev, found.st_ino)
        elif self._found is not None:
            wrong = _Gone(f"{self._path} was taken away, or another file is in its place; put it back, or start anew")
            raise OperationalError("BEGIN", None, wrong)


class _Own:
    """One connection whose transactions are begun and ended by hand."""

    def __init__(self, url: URL, options: Mapping[str, str], busy_s: float, cache_kib: int = CACHE_KIB) -> None:
        given = {"check_same_thread": False, "timeout": busy_s}
        self._busy_ms = int(busy_s * 1000)
        self._engine = create_engine(plain(url), poolclass=StaticPool, connect_args=given, json_serializer=document)
        prepare(self._engine, "FULL", cache_kib)
        self.tx = by_hand(self._engine, options)
        self.raw: sqlite3.Connection = self.tx.connection.driver_connection  # type: ignore[assignment]

    async def begin(self) -> None:
        """Takes the lock: at once where nobody has it, as nearly always; else it is waited for, in a thread."""
        if self.raw.in_transaction:
            self.raw.execute("ROLLBACK")  # of a commit that failed: nobody may make it durable after all
        with suppress(sqlite3.Error):  # what is wrong comes again below, and is said there
            self.raw.execute("PRAGMA busy_timeout=0")
            self.raw.execute("BEGIN IMMEDIATE")
        with suppress(sqlite3.Error):
            self.raw.execute(f"PRAGMA busy_timeout={self._busy_ms}")
        if not self.raw.in_transaction:
            await self.say("BEGIN IMMEDIATE")

    async def say(self, sql: str) -> None:
        try:
            await _in_thread(self.raw.execute, sql)
        except sqlite3.Error as error:
            raise DBAPIError.instance(sql, None, error, sqlite3.Error, dialect=self.tx.dialect) from error

    def close(self) -> None:
        self.tx.close()
        self._engine.dispose()


async def _in_thread(work: Callable[..., T], *given: Any) -> T:
    """Its end is waited for however often whoever asked is cancelled: the connection is in use until then, and what the
    thread wrote after a ROLLBACK of ours would be committed statement by statement."""
    # No task: at the end of `asyncio.run`, and at a second Ctrl-C, every task is cancelled.
    running = asyncio.get_running_loop().run_in_executor(None, partial(copy_context().run, work, *given))
    cancelled: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        running.exception()  # nobody is left to hear of it
        raise cancelled
    return running.result()


def by_hand(engine: Engine, options: Mapping[str, str]) -> Connection:
    """A connection that begins nothing itself: a transaction of SQLAlchemy's own costs as much as ten statements."""
    return engine.connect().execution_options(isolation_level="AUTOCOMMIT", **options)


def _reading(url: URL, options: Mapping[str, str]) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=READERS,
        max_overflow=0,
        connect_args={"timeout": BUSY_S},
        execution_options={**options},
        json_serializer=document,
    )
    prepare(engine.sync_engine, synchronous="FULL")

    @event.listens_for(engine.sync_engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def prepare(engine: Engine, synchronous: str, cache_kib: int = CACHE_KIB) -> None:
    """Transactions of our own making, WAL, and the durability the promise needs.

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
            "journal_mode=WAL", f"synchronous={synchronous}", f"cache_size=-{cache_kib}", "temp_store=MEMORY",
            "secure_delete=ON",
        ):  # fmt: skip
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


def plain(url: URL) -> URL:
    """The address for the driver that does not wait in an event loop."""
    return url.set(drivername="sqlite")


def own_transactions(engine: Engine) -> None:
    """The driver begins none before DDL, so each statement would be committed by itself. Whoever WRITES takes the lock
    first."""

    @event.listens_for(engine, "connect")
    def connected(connection: Any, record: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(WRITES) else "BEGIN")
