"""The way into PostgreSQL: some connections that write, each a transaction at a time, and some that read.

READ COMMITTED: each statement sees what others have committed until then. A transaction that is to decide about persons
locks them first (`dialer.store.locks`) and reads afterwards.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import datetime
from typing import Any, TypeVar
from weakref import WeakSet

import asyncpg
from sqlalchemy import Connection, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as NoneFree
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from dialer.store.duty import BEAT, DENIED, end_silent, session_of
from dialer.store.types import EPOCH, MICROSECOND, document

T = TypeVar("T")
FAULTS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What the driver raises: of the network, of the server, its own; the last where the server just ends a connection."""
WRITERS = 3
"""Pipelined, so many get the best of the server; more only wait for each other's rows."""
READERS = 4
STATEMENT_S = 60.0
"""Seconds a server that can be reached gets for one statement; then the connection is given up."""
SILENT_S = 6
"""Seconds for what was sent to be acknowledged, and for an idle network's keepalives; then the connection is over."""
CONNECT_S = 5.0
ANSWER_S = 3.0
UPGRADE, DUTY, PHONES, IMPORT, PURGE = 4_915_001, 4_915_002, 4_915_003, 4_915_004, 4_915_005
"""Keys of advisory locks: upgrading the schema, duty (planning, sweeps, digests), dialing a number, import, purge"""
CHANNEL = "dialer"
"""Of NOTIFY: something was written that other workers want to know of at once."""
LOCKED = "55P03"
PASSING = frozenset({"40001", "40P01", LOCKED})
"""Serialisation failure, deadlock, lock not available: nothing was written, and once more may do."""
TAKEN, READ_ONLY = "23505", "25006"  # unique violation; a transaction that takes no writes
SESSION = {
    "application_name": "dialer",
    "timezone": "UTC",
    # Facts that are read after a lock have to be what others committed, whatever the server's default is.
    "default_transaction_isolation": "read committed",
    # A worker whose link was cut must not hold locks for long: the server finds out by itself.
    "idle_in_transaction_session_timeout": "15s",
    "tcp_keepalives_idle": "3",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "2",
    "tcp_user_timeout": "8s",
    "lock_timeout": "20s",
    "jit": "off",
}


class Link:
    """One process's connections to a PostgreSQL database."""

    writers = WRITERS
    tries = 8

    def __init__(self, url: URL, options: Mapping[str, str]) -> None:
        self._url = url
        self._engine = engine(url, WRITERS + READERS, options)
        self._raw: WeakSet[asyncpg.Connection] = WeakSet()
        self._is_cut = False
        event.listen(self._engine.sync_engine, "connect", lambda one, record: self._opened(one.driver_connection))

    def _opened(self, raw: asyncpg.Connection) -> None:
        self._raw.add(raw)
        if self._is_cut:
            raw.terminate()

    async def write(self, work: Callable[[Connection], T], quick: bool) -> T:
        """One durable transaction. Raises DBAPIError, and whatever `work` raises.

        Where the commit itself failed, nobody knows whether it took effect: who asked has to look.
        """
        return await self._transact("BEGIN", work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        return await self._transact("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", work)

    async def _transact(self, begin: str, work: Callable[[Connection], T]) -> T:
        async with self._connected() as connection:
            await _say(connection, begin)
            try:
                found = await connection.run_sync(work)
            except BaseException as error:
                # A session that was begun on a standby, or while the database took no writes, may stay so for good.
                await (_drop if state_of(error) == READ_ONLY else _give_back)(connection)
                raise
            await _commit(connection)
        return found

    async def look(self, work: Callable[[Connection], T]) -> T:
        async with self._connected() as connection:
            try:
                return await connection.run_sync(work)
            except BaseException as error:
                if is_away(error) or not isinstance(error, DBAPIError):
                    await _drop(connection)
                raise

    def _connected(self) -> AbstractAsyncContextManager[AsyncConnection]:
        self._check()
        return connected(self._engine)

    def _check(self) -> None:
        if self._is_cut:
            raise wrapped("connect", ConnectionAbortedError("given up"))

    async def forget_pages(self) -> bool:
        return True  # vacuuming is the server's own business

    async def close(self) -> None:
        await self._engine.dispose()

    async def attend(self, noticed: Callable[[], None], worker: str) -> "Attendance":
        """A connection of its own that stays open. Raises DBAPIError."""
        self._check()
        opened = await Attendance.open(self._url, noticed, worker)
        self._opened(opened.raw)
        return opened

    def cut(self) -> None:
        """As `Store.cut`."""
        self._is_cut = True
        for raw in list(self._raw):
            raw.terminate()

    def is_passing(self, error: Exception) -> bool:
        return state_of(error) in PASSING

    def is_common(self, error: Exception) -> bool:
        return is_away(error)  # what is locked is one row, and those who need another are not kept

    def is_taken(self, error: Exception) -> bool:
        return state_of(error) == TAKEN


def engine(url: URL, size: int, options: Mapping[str, str] | None = None) -> AsyncEngine:
    """Connections that begin nothing by themselves."""
    made = create_async_engine(
        url, pool_size=size, max_overflow=0, pool_timeout=CONNECT_S, isolation_level="AUTOCOMMIT", hide_parameters=True,
        json_serializer=document, execution_options={**(options or {})},
        connect_args={
            "server_settings": SESSION, "timeout": CONNECT_S, "command_timeout": STATEMENT_S,
            "statement_cache_size": 500,
        },
    )  # fmt: skip
    event.listen(made.sync_engine, "connect", lambda one, record: watch(one.driver_connection))
    event.listen(made.sync_engine, "handle_error", _without_values)
    return made


def _without_values(context: Any) -> DBAPIError | None:
    """What SQLAlchemy raises, as `wrapped` would."""
    raised = context.original_exception
    errors = [error for error in (raised, raised.__cause__) if isinstance(error, FAULTS)]
    return wrapped(context.statement or "", errors[0]) if errors else None


@asynccontextmanager
async def connected(of: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection that answers: after a restart of the server those in the pool are dead, and are made anew.
    Raises OperationalError where there is none to be had. What the work itself raises stays as it is.
    """
    connection = await _open(of)
    if _raw(connection).is_closed():
        await connection.invalidate()
        await connection.close()
        await of.dispose()
        connection = await _open(of)
    try:
        yield connection
    finally:
        await connection.close()


async def _open(of: AsyncEngine) -> AsyncConnection:
    try:
        connection = await of.connect()
        await connection.get_raw_connection()
    except (*FAULTS, NoneFree) as error:
        raise wrapped("connect", error) from error
    return connection


def watch(raw: asyncpg.Connection) -> None:
    """Has the machine itself end a connection over a network that is silent. Unix sockets go without."""
    transport = getattr(raw, "_transport", None)
    held = transport.get_extra_info("socket") if transport is not None else None
    if held is None or held.family not in (socket.AF_INET, socket.AF_INET6):
        return
    wanted = {"TCP_USER_TIMEOUT": SILENT_S * 1000, "TCP_KEEPIDLE": 2, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 2}
    with suppress(OSError):  # it has just ended: whoever uses it is told
        held.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in wanted.items():
            if hasattr(socket, name):
                held.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


async def _drop(connection: AsyncConnection) -> None:
    """Ends it at once, without a word to a server that may not answer."""
    if connection.invalidated:
        return  # SQLAlchemy saw that it has ended
    _raw(connection).terminate()
    await connection.invalidate()


def _raw(connection: AsyncConnection) -> Any:
    held = connection.sync_connection
    assert held is not None
    return held.connection.driver_connection


async def _say(connection: AsyncConnection, sql: str) -> None:
    try:
        said = await _raw(connection).execute(sql)
    except FAULTS as error:
        await _drop(connection)
        raise wrapped(sql, error) from error
    except asyncio.CancelledError:
        await _drop(connection)
        raise
    if sql == "COMMIT" and said != "COMMIT":
        # Of a transaction that had failed: the server undid it, and says so in no other way.
        raise DBAPIError(sql, None, Exception("what was to be committed had failed, and was undone"))


async def _commit(connection: AsyncConnection) -> None:
    """Not to be cancelled half-way: then nobody would know."""
    ending = asyncio.ensure_future(_say(connection, "COMMIT"))
    try:
        await asyncio.shield(ending)
    except asyncio.CancelledError:
        await asyncio.wait([ending])
        raise


async def _give_back(connection: AsyncConnection) -> None:
    """Undoes what was begun. A connection that can't be asked to is closed, which undoes it too."""
    try:
        if not connection.invalidated:
            await asyncio.wait_for(_raw(connection).execute("ROLLBACK"), CONNECT_S)
    except (*FAULTS, asyncio.CancelledError):
        await _drop(connection)


def wrapped(sql: str, error: BaseException) -> DBAPIError:
    """As SQLAlchemy raises it, without the values: they are personal data."""
    said = Answer(error) if isinstance(error, asyncpg.PostgresError) else error
    state = getattr(error, "sqlstate", None) or ""
    if state.startswith("23"):
        return IntegrityError(sql, None, said)
    if _is_away(error):
        return OperationalError(sql, None, said)
    return DBAPIError(sql, None, said)


class Answer(Exception):
    """What the server said, without its details, which quote values."""

    def __init__(self, error: asyncpg.PostgresError) -> None:
        self.sqlstate = error.sqlstate
        is_quoting = (error.sqlstate or "").startswith("22")  # of values that do not fit it says which
        told = f"a value does not fit ({type(error).__name__})" if is_quoting or not error.args else str(error.args[0])
        super().__init__(told)


def state_of(error: BaseException) -> str:
    """The server's five letters for what is wrong; empty where the server said nothing."""
    origin = getattr(error, "orig", None) or error
    found = getattr(origin, "sqlstate", None) or getattr(origin.__cause__, "sqlstate", None)
    return str(found or "")


def is_away(error: BaseException) -> bool:
    """Whether the server can't be reached, is going down or coming up, or has no connection to spare."""
    if not isinstance(error, DBAPIError):
        return False
    origin = error.orig
    return _is_away(origin) or _is_away(getattr(origin, "__cause__", None))


def _is_away(error: BaseException | None) -> bool:
    if isinstance(error, OSError | TimeoutError | NoneFree | asyncpg.InterfaceError | asyncpg.InternalClientError):
        return True
    return (getattr(error, "sqlstate", None) or "")[:2] in ("08", "53", "57")


def is_ours(error: DBAPIError) -> bool:
    """Whether PostgreSQL, or the way to it, raised it."""
    origins = (error.orig, getattr(error.orig, "__cause__", None))
    return any(isinstance(one, (Answer, *FAULTS)) for one in origins)


def told(error: DBAPIError) -> str:
    """What it said, on one line, without statement and values."""
    text = str(error.orig).strip() or type(error.orig).__name__
    return text.splitlines()[0].rsplit(">: ", 1)[-1]


def once(url: URL, work: Callable[[Connection], T]) -> T:
    """Runs `work` in a transaction of its own, on a connection of its own, waiting for it here.

    In an event loop of its own: whoever asks may be in one. Raises DBAPIError.
    """

    async def run() -> T:
        of = create_async_engine(url, poolclass=NullPool, connect_args={"timeout": CONNECT_S})
        try:
            async with connected(of) as connection, connection.begin():
                return await connection.run_sync(work)
        except FAULTS as error:
            raise wrapped("a statement", error) from error

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, run()).result()


class Attendance:
    """One connection that stays: hears what others notify of, holds the duty, knows the server's time.

    Each of its questions ends in `ANSWER_S` seconds; where one fails, nothing is held any more and it has to be opened
    again: the server lets go of the duty when it misses this connection, which its keepalives see to in seconds.
    """

    def __init__(self, raw: asyncpg.Connection) -> None:
        self.raw = raw

    @classmethod
    async def open(cls, url: URL, noticed: Callable[[], None], worker: str) -> "Attendance":
        given = url.translate_connect_args(username="user")
        query = {name: value for name, value in url.query.items() if isinstance(value, str)}
        try:
            raw = await asyncpg.connect(
                **{**given, **query},
                timeout=CONNECT_S,
                command_timeout=ANSWER_S,
                server_settings={**SESSION, "application_name": session_of(worker)},
            )
            watch(raw)
            await raw.add_listener(CHANNEL, lambda *told: noticed())
        except FAULTS as error:
            raise wrapped("LISTEN", error) from error
        return cls(raw)

    async def take_duty(self) -> bool:
        """Whether this connection has it now: nobody else had it, or it had it before."""
        return bool(await self._ask("SELECT pg_try_advisory_lock($1)", DUTY))

    async def take_purge(self) -> bool:
        return bool(await self._ask("SELECT pg_try_advisory_lock($1)", PURGE))

    async def end_purge(self) -> None:
        await self._ask("SELECT pg_advisory_unlock($1)", PURGE)

    async def end_silent(self, now: datetime) -> str:
        """Ends the connection of a worker that has the duty and shows no life any more. Returns its name; empty: there
        is none. Raises NotEnded, and stays."""
        return await end_silent(self._ask, DUTY, now)

    async def beat(self, worker: str, started_at: datetime, now: datetime, goes_by: str | None = None) -> None:
        """A sign of life, on this connection: one that waited for others' transactions would pass for a death.

        Raises DBAPIError where the connection is lost, and what it held with it.
        """
        began, seen = ((at - EPOCH) // MICROSECOND for at in (started_at, now))
        await self._ask(BEAT, worker, began, seen, goes_by)

    async def now(self) -> datetime:
        """The server's time: the one query that asks for it."""
        found: datetime = await self._ask("SELECT clock_timestamp()")
        return found

    def end(self) -> None:
        """At once, without a word: it may be that nobody hears."""
        self.raw.terminate()

    async def close(self) -> None:
        with suppress(*FAULTS):
            await self.raw.close(timeout=CONNECT_S)

    async def _ask(self, sql: str, *given: Any) -> Any:
        try:
            return await self.raw.fetchval(sql, *given)
        except FAULTS as error:
            if getattr(error, "sqlstate", None) != DENIED:
                self.raw.terminate()
            raise wrapped(sql, error) from error
