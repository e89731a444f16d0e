"""How a daemon stops: no new calls, running ones are recorded, and it is gone in time, whatever its database does."""

import asyncio
from dataclasses import dataclass

from dialer.house import House
from dialer.log import log
from dialer.worker import Worker

DRAIN_S = 25.0
"""Seconds for running calls to end after SIGTERM; the exit comes within 30."""
LOOKS_S = (10.0, 20.0)
"""When it is looked whether the database is away: then nothing can be recorded, and it is not waited for any longer."""
LATEST_S = 26.0
"""After so long no database is waited for."""
MORE_S = 0.5
"""For what waited for it to end, before drained or not is not asked any more."""


@dataclass(slots=True)
class Stop:
    """Asked for by a signal. Before that, all of the time is left."""

    house: House
    worker: Worker
    _asked_s: float | None = None
    _latest_s: float | None = None
    """Until when is drained."""
    _draining: asyncio.Timeout | None = None

    def ask(self) -> None:
        self.worker.stop()
        if self._asked_s is not None:
            return
        loop = asyncio.get_running_loop()
        self._asked_s = loop.time()
        self._latest_s = self._asked_s + LATEST_S + MORE_S
        for after_s in LOOKS_S:
            loop.call_later(after_s, self._look)
        loop.call_later(LATEST_S, self.house.store.cut)

    async def drain(self) -> int:
        """As the worker's, in what is left of the time. Returns how many calls still run."""
        now_s = asyncio.get_running_loop().time()
        asked_s = now_s if self._asked_s is None else self._asked_s
        try:
            async with asyncio.timeout_at(self._latest_s) as self._draining:
                return await self.worker.drain(max(asked_s + DRAIN_S - now_s, 0))
        except TimeoutError:
            return sum(len(line.running) for line in self.worker.lines)
        finally:
            self._draining = None

    def _look(self) -> None:
        if not self.worker.troubles.is_away:
            return
        log.warning("database_given_up", hint="it stops without it; what runs is looked after by others, or later")
        self.house.store.cut()
        self._latest_s = asyncio.get_running_loop().time() + MORE_S
        if self._draining is not None:
            self._draining.reschedule(self._latest_s)
