"""Transactions: writers that commit in groups, and the readers beside them, on either database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from dialer.errors import DialerError
from dialer.store import postgres, sqlite
from dialer.store.addresses import driver_url, remedy, sqlite_file
from dialer.store.prepared import compile_all

Tx = Connection
"""A running transaction. Statements by noun take it; rooms outside the store only pass it on."""

T = TypeVar("T")
GROUP_MAX = 64


class Link(Protocol):
    """A process's connections to its database, of either kind."""

    writers: int
    """How many transactions may write at once."""
    tries: int
    """How often a transaction is tried where what stands against it passes by itself."""

    async def write(self, work: Callable[[Tx], T], quick: bool) -> T: ...
    async def read(self, work: Callable[[Tx], T]) -> T: ...
    async def look(self, work: Callable[[Tx], T]) -> T: ...
    async def forget_pages(self) -> bool: ...
    async def close(self) -> None: ...
    def cut(self) -> None: ...
    async def attend(self, noticed: Callable[[], None], worker: str) -> Any: ...
    def is_passing(self, error: Exception) -> bool: ...
    def is_common(self, error: Exception) -> bool: ...
    def is_taken(self, error: Exception) -> bool: ...


@dataclass(slots=True)
class _Job:
    work: Callable[[Tx], Any]
    done: "asyncio.Future[Any]"
    quick: bool


class Store:
    """The database. `write` runs a plain function in a durable transaction, `read` in a snapshot.

    Functions given to `write` must be repeatable: jobs that wait together share one commit, and when one
    of them fails the others are run again on their own. They change nothing outside the database.
    """

    lull: Callable[[], Awaitable[None]] | None = None
    """Waited for before what is quick, where that holds up the event loop: nothing is about to happen then."""

    def __init__(self, url: str, **options: str) -> None:
        """`options` go with every transaction, for statements that need a secret of the settings."""
        self.url = driver_url(url)
        self._link = link(self.url, options)
        self._writers, self._tries = self._link.writers, self._link.tries
        self._waiting: list[_Job] = []
        self._running: set[asyncio.Task[None]] = set()
        self._writing = 0

    async def write(self, work: Callable[[Tx], T], quick: bool = False) -> T:
        """Runs `work` in a transaction and returns its result once it is durable.

        `quick`: it takes some milliseconds, however large the database is, and need not go into a thread.
        """
        job = _Job(work, asyncio.get_running_loop().create_future(), quick)
        self._waiting.append(job)
        if self._writing < self._writers:
            self._writing += 1
            task = asyncio.create_task(self._commit_groups(), name="store-writer")
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        # The commit goes on even if the caller is cancelled: others share it.
        result: T = await asyncio.shield(job.done)
        return result

    async def read(self, work: Callable[[Tx], T]) -> T:
        """Runs `work` in a read-only snapshot."""
        return await self._link.read(work)

    async def look(self, work: Callable[[Tx], T]) -> T:
        """Runs `work`, one statement or a few that need not agree, and at once: nothing long."""
        return await self._link.look(work)

    async def warm(self) -> None:
        """Compiles the statements of what is imported, before anything is due."""
        await self.look(lambda tx: compile_all(tx.dialect))

    async def forget_pages(self) -> bool:
        """Moves what was written into the database's file and empties the log beside it, which holds old pages.

        False: somebody still reads an older state; the log is emptied when it has grown the next time.
        """
        return await self._link.forget_pages()

    @property
    def is_shared(self) -> bool:
        """Whether other workers may use the database at the same time."""
        return self.url.get_backend_name() == "postgresql"

    async def attend(self, noticed: Callable[[], None], worker: str) -> postgres.Attendance:
        """A connection that stays, of a shared database, under the worker's name. `noticed` is called when another
        process says that it wrote something. Raises DBAPIError."""
        found: postgres.Attendance = await self._link.attend(noticed, worker)
        return found

    @asynccontextmanager
    async def purging(self) -> AsyncIterator[bool]:
        """False: another process is in it, and stays so until it ends. A file has one writer anyway."""
        if not self.is_shared:
            yield True
            return
        held = await self.attend(lambda: None, "purge")
        try:
            yield await held.take_purge()
            with suppress(DBAPIError):  # then it is lost already
                await held.end_purge()
        finally:
            await held.close()

    async def close(self) -> None:
        while self._running:
            await asyncio.wait(self._running)
        await self._link.close()

    def cut(self) -> None:
        """Ends every connection to a server, without a word, for good: whatever waits for one fails at once. A file is
        never waited for so long that this would be needed."""
        self._link.cut()

    async def _commit_groups(self) -> None:
        try:
            while self._waiting:
                if self.lull is not None and all(job.quick for job in self._waiting):
                    await self.lull()
                group, self._waiting = self._waiting[:GROUP_MAX], self._waiting[GROUP_MAX:]
                await self._commit(group)
        finally:
            # In the same step in which it saw that nothing waits: what comes after that starts another.
            self._writing -= 1

    async def _commit(self, group: list[_Job]) -> None:
        worked = False

        def work(tx: Tx) -> list[Any]:
            nonlocal worked
            worked = False  # anew where the group is tried again
            results = [job.work(tx) for job in group]
            worked = True
            return results

        try:
            results = await self._transact(work, all(job.quick for job in group))
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to whoever asked for the work
            # A commit that failed may have taken effect all the same: who asked has to look, it is not done again here.
            if len(group) > 1 and not worked and not self.is_common(error):
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

    async def _transact(self, work: Callable[[Tx], T], quick: bool) -> T:
        for tries in range(1, self._tries + 1):
            try:
                return await self._once(work, quick)
            except DBAPIError as error:
                if tries == self._tries or not (self._is_passing(error) or self._is_overtaken(error, tries)):
                    raise
        raise AssertionError("the last try returns or raises")

    async def _once(self, work: Callable[[Tx], T], quick: bool) -> T:
        return await self._link.write(work, quick)

    def _is_passing(self, error: Exception) -> bool:
        """Whether trying again at once may help."""
        return self._link.is_passing(error)

    def _is_overtaken(self, error: Exception, tries: int) -> bool:
        """Whether another worker may have written the same just now: run once more, the work sees it."""
        return tries == 1 and self._link.is_taken(error)

    def is_common(self, error: Exception) -> bool:
        """Whether it is no job's fault: each by itself would fail the same way, one after the other."""
        return self._link.is_common(error)


def link(url: URL, options: Mapping[str, str]) -> Link:
    """The connections to this database; none is opened before it is needed."""
    if url.get_backend_name() == "postgresql":
        return postgres.Link(url, options)
    return sqlite.Link(url, options)


is_away = postgres.is_away


def said(error: BaseException) -> str:
    """An error on one line, by its kind; a database's without statement and values."""
    if isinstance(error, DBAPIError):
        return f"{type(error).__name__}: {postgres.told(error)}"
    return f"{type(error).__name__}: {error}".rstrip(": ")


@contextmanager
def explained() -> Iterator[None]:
    """What the database refuses, as a DialerError that says what to do."""
    try:
        yield
    except DBAPIError as error:
        if sqlite.is_locked(error):
            wrong = "another process has held the database for half a minute, perhaps a long import; try again"
        elif postgres.is_ours(error):
            wrong = f"the database: {postgres.told(error)}; {remedy(error, postgres.state_of(error))}"
        else:
            wrong = f"the database: {error.orig}; see its disk, and who may write its file"
        raise DialerError(wrong) from error


__all__ = ["DBAPIError", "Store", "Tx", "driver_url", "explained", "is_away", "said", "sqlite_file"]
