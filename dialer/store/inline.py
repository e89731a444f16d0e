"""The store without threads, for simulations: every call ends before anything else runs."""

import sqlite3
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool

from dialer.store import at_hand, sqlite
from dialer.store.database import Store, Tx
from dialer.store.types import document

T = TypeVar("T")


class InlineStore(Store):
    """A SQLite database in memory. `beside`: another process's way into the same database."""

    _engine: Engine
    _tx: Connection

    def __init__(self, url: str = "sqlite://", beside: "InlineStore | None" = None) -> None:
        self.url = make_url(url)
        self._waiting, self._running, self._writing = [], set(), 0
        self._writers, self._tries = 1, sqlite.BUSY_TRIES
        self._is_guest = beside is not None
        if beside is not None:
            self._engine, self._tx = beside._engine, beside._tx
            return
        self._engine = create_engine(
            self.url, poolclass=StaticPool, connect_args={"check_same_thread": False}, json_serializer=document
        )
        sqlite.prepare(self._engine, synchronous="OFF")
        self._tx = sqlite.by_hand(self._engine, {})

    is_shared = False

    async def write(self, work: Callable[[Tx], T], quick: bool = False) -> T:
        return self.run(work)

    async def read(self, work: Callable[[Tx], T]) -> T:
        return self.run(work)

    async def look(self, work: Callable[[Tx], T]) -> T:
        return await self.read(work)

    def run(self, work: Callable[[Tx], T]) -> T:
        raw: Any = self._tx.connection.driver_connection
        raw.execute("BEGIN IMMEDIATE")
        try:
            found = work(self._tx)
            raw.execute("COMMIT")
        except BaseException:
            at_hand.forget(self._tx)
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            raise
        return found

    def is_common(self, error: Exception) -> bool:
        return sqlite.is_locked(error)

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

    async def write(self, work: Callable[[Tx], T], quick: bool = False) -> T:
        return await Store.write(self, work, quick)

    async def read(self, work: Callable[[Tx], T]) -> T:
        await self._mishap("read")
        found = self.run(work)
        await self._mishap("was read")
        return found

    async def _once(self, work: Callable[[Tx], T], quick: bool) -> T:
        if (fault := await self._mishap("write")) is not None:
            raise _failure(fault)
        result = self.run(work)
        if (fault := await self._mishap("written")) is not None:
            raise _failure(fault)
        return result

    def _is_passing(self, error: Exception) -> bool:
        return self.is_common(error)

    def _is_overtaken(self, error: Exception, tries: int) -> bool:
        return False  # SQLite has one writer


class Mishap(Protocol):
    """What befalls a call of the database: it may wait, or end the process. Returns how it fails; None: it does not."""

    async def __call__(self, when: str) -> str | None: ...


def _failure(text: str) -> OperationalError:
    return OperationalError("a simulated fault", None, sqlite3.OperationalError(f"{text} (a simulated fault)"))
