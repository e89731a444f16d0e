"""Signs of life: whether the daemon is ready, and whether it lives at all, so that a hung one is started anew."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from dialer.house import House
from dialer.log import log
from dialer.notify import Notifier
from dialer.store.common import flag
from dialer.web import app as web
from dialer.worker import Worker

T = TypeVar("T")
EVERY_S = 1.0
ANSWER_S = 5.0
"""Seconds the database gets to answer a look; then the daemon is not ready."""

FILE_HINT = "see the disk, and who else works on the database"
SERVER_HINT = "see the server (`dialer db check`), and the network to it"


class Question(Generic[T]):
    """Asked again once it was answered: work that hangs is waited for, not cancelled, or threads would pile up."""

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._asked: asyncio.Future[T] | None = None

    async def answer(self, limit_s: float) -> T:
        """The answer. Raises TimeoutError where there is none in `limit_s` seconds, and whatever the work raises."""
        if self._asked is None:
            self._asked = asyncio.ensure_future(self._ask())
        done, _ = await asyncio.wait({self._asked}, timeout=limit_s)
        if not done:
            raise TimeoutError
        asked, self._asked = self._asked, None
        return asked.result()

    async def close(self, limit_s: float) -> None:
        """Waits for what was asked last: the database is closed next."""
        if self._asked is not None:
            await asyncio.wait({self._asked}, timeout=limit_s)


class Pulse:
    """Looks each second. `ready()` is what /readyz says; the watchdog is fed only while everything answers."""

    def __init__(self, house: House, worker: Worker, notifier: Notifier) -> None:
        self._worker, self._notifier = worker, notifier
        self._halt = Question(lambda: house.store.read(lambda tx: flag(tx, "halt")))
        self._write = Question(lambda: house.store.write(lambda tx: None))
        self._halted = ""
        """The reason of the emergency stop; empty where there is none."""
        self._fault = ""
        self._hangs = False
        self._silent_s: float | None = None
        """Since when it has been said that the database is silent."""
        self._hint = SERVER_HINT if house.store.is_shared else FILE_HINT

    def ready(self) -> web.Ready:
        """A halt is the operator's own choice: it is ready, and says so."""
        reason = "stopping" if self._worker.stopping else self._fault or self._worker.fault
        return web.Ready(ready=not reason, reason=reason, halted=self._halted or None)

    async def run(self) -> None:
        """Until it is cancelled."""
        await asyncio.gather(self._looking(), self._feeding())

    async def close(self) -> None:
        """To be called when `run` was cancelled."""
        await self._halt.close(EVERY_S)
        await self._write.close(EVERY_S)

    async def _looking(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(EVERY_S)

    async def _look(self) -> None:
        """Reads the emergency stop, which other processes set: a sign that the database answers, too."""
        fault, hangs = "", False
        try:
            self._saw(await self._halt.answer(ANSWER_S))
        except TimeoutError:
            fault, hangs = f"the database does not answer within {ANSWER_S:g} s", True
            self._tell(TimeoutError(), fault)
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing can be dialed without the database
            fault = f"the database can't be read ({type(error).__name__})"
            self._tell(error, fault)
        if not fault:
            self._answers()
        self._fault, self._hangs = fault, hangs

    def _tell(self, error: Exception, reason: str) -> None:
        """Once a minute, and not where it is said already that the database is away."""
        if self._worker.troubles.is_news("looks", error) and not self._worker.troubles.is_away:
            self._silent_s = self._silent_s or asyncio.get_running_loop().time()
            log.error("database_silent", reason=reason, hint=self._hint)

    def _answers(self) -> None:
        self._worker.troubles.works("looks")
        if self._silent_s is not None:
            log.info("database_answers", after_s=round(asyncio.get_running_loop().time() - self._silent_s, 1))
            self._silent_s = None

    def _saw(self, halted: str) -> None:
        """One line when the emergency stop was set or lifted; at the start, too, where it is in force."""
        if halted == self._halted:
            return
        if halted:
            log.warning("halted", reason=halted, hint="nothing is placed until `dialer unhalt`")
        else:
            log.info("unhalted")
        self._notifier.tell(STATUS=f"halted: {halted}" if halted else "dialing")
        self._halted = halted

    async def _feeding(self) -> None:
        """Each half of the watchdog's time; nothing where there is none."""
        period = self._notifier.watchdog_s
        if period is None:
            return
        loop, silent = asyncio.get_running_loop(), ""
        while True:
            began = loop.time()
            why = await self._hanging(period)
            if not why:
                self._notifier.tell(WATCHDOG=1)
            elif not silent:
                log.error("hanging", reason=why, hint=f"unless it ends, systemd starts the daemon anew in {period:g} s")
            silent = why
            await asyncio.sleep(max(period / 2 - (loop.time() - began), 0))

    async def _hanging(self, period: float) -> str:
        """What does not answer; empty while all does. An error is an answer: a new start would not mend it."""
        if self._hangs:
            return self._fault
        if not self._worker.stopping and asyncio.get_running_loop().time() - self._worker.turned_s > period:
            return "the dialing loop does not turn"
        try:
            await self._write.answer(period / 2)
        except TimeoutError:
            return "the database's writer does not answer"
        except Exception as error:  # noqa: BLE001 - as said above
            if self._worker.troubles.is_news("writes", error, lasts=False):
                log.error("database_silent", reason=f"can't be written ({type(error).__name__})", hint=self._hint)
        return ""
