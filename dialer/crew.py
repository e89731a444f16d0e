"""Many workers on one database: signs of life, the duty that one of them has, and what dead ones left.

The duty is planning, sweeps and digests: PostgreSQL gives it to one connection at a time, and takes it back when that
connection is gone. A worker alone on its file always has it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from dialer.clock import DisciplinedClock
from dialer.house import House
from dialer.log import log
from dialer.store import workers
from dialer.store.database import DBAPIError, said
from dialer.store.duty import NotEnded
from dialer.store.workers import DEAD
from dialer.troubles import Troubles

BEAT_S = 2.0
"""Seconds between two signs of life."""
PRESENT = timedelta(seconds=6)
"""So long after its last sign of life a worker may take up attempts. It stops well before others believe it dead, or
they would take over what it is just about to place."""
CLOCK_S = 60.0
GOODBYE_S = 5.0


@dataclass(slots=True)
class Crew:
    """One worker among others on the same database."""

    house: House
    worker: str
    noticed: Callable[[], None]
    """Called when another process wrote something that is to be known at once."""
    take_over: Callable[[set[str]], Awaitable[None]]
    """Awaited with the names of dead workers, by the one on duty."""
    troubles: Troubles
    on_duty: bool = False
    began: Callable[[], None] = lambda: None
    """Called when the duty comes to this worker."""
    started_at: datetime = field(init=False)
    goes_by: str | None = None
    """What the settings and packs are known by; None: it does not say."""
    _apart: list[tuple[str, ...]] = field(default_factory=list)
    """Workers by what they go by, as it was said the last time."""
    _attendance: Any = None
    _clock_s: float | None = None
    """When the database was asked for its time, by the event loop's clock: the machine's may be set back meanwhile."""
    _seen_s: float | None = None
    """When the last sign of life that was written was begun, by the event loop's clock."""
    _away: bool = False
    _back_s: float | None = None
    """When the database was found back the last time, by the event loop's clock."""
    _looking: "asyncio.Task[None] | None" = None

    def __post_init__(self) -> None:
        self.started_at = self.house.clock.now()

    async def open(self) -> None:
        """Raises DBAPIError where the database can't be reached."""
        await self._attend()

    async def run(self) -> None:
        """Until it is cancelled, whatever befalls the database."""
        while True:
            await asyncio.sleep(BEAT_S)
            try:
                await self._attend()
            except Exception as error:  # noqa: BLE001 - one that shows no life any more would be taken for dead
                self._lose(error)
                continue
            if self.on_duty and self._looking is None:
                # Beside the signs of life: to take over what many left may take longer than one may be silent.
                self._looking = asyncio.create_task(self._look())
                self._looking.add_done_callback(self._looked)

    async def close(self) -> None:
        """Says goodbye: what it left running need not wait for its death to be noticed."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])
        if self._attendance is not None:
            await self._attendance.close()
        try:
            async with asyncio.timeout(GOODBYE_S):
                await self.house.store.write(lambda tx: workers.gone(tx, [self.worker]), quick=True)
        except (DBAPIError, TimeoutError) as error:
            log.warning("goodbye_not_said", error=type(error).__name__, hint="the others notice by themselves")

    def is_present(self) -> bool:
        """Whether others know that this worker lives."""
        now_s = asyncio.get_running_loop().time()
        return self._seen_s is not None and now_s - self._seen_s < PRESENT.total_seconds()

    async def _attend(self) -> None:
        """One sign of life; the duty, where nobody has it; each minute the clock."""
        if self._attendance is None:
            self._attendance = await self.house.store.attend(self.noticed, self.worker)
            self._clock_s = None
        await self._discipline()
        began_s = asyncio.get_running_loop().time()
        await self._attendance.beat(self.worker, self.started_at, self.house.clock.now(), self.goes_by)
        self._seen_s = began_s
        self.troubles.works("signs of life")
        if self._away:
            self._away, self._back_s = False, began_s
            self.noticed()
        if not self.on_duty and await self._take_duty():
            self.on_duty = True
            log.info("on_duty", worker=self.worker, hint="this worker plans, sweeps and sends the digests")
            self.began()

    async def _take_duty(self) -> bool:
        """Also from one that hangs: its connection stays, and with it what only the one on duty sees to. Not by a clock
        that is off: by it all may seem to."""
        if await self._attendance.take_duty():
            return True
        if self._is_just_back() or self.house.is_clock_off():
            return False
        return await self._end_silent() and bool(await self._attendance.take_duty())

    async def _end_silent(self) -> bool:
        """Whether there was one that hangs, and its connection is gone. One that can't be ended is said."""
        try:
            silent = await self._attendance.end_silent(self.house.clock.now())
        except NotEnded as error:
            if self.troubles.is_news("duty", error, lasts=False):
                log.error("duty_held", by=error.worker, error=error.why, hint="end its process, or nobody plans")
            return False
        if silent:
            log.warning("silent_ended", silent=silent, hint="it had the duty and gave no sign of life for 7 s")
        return bool(silent)

    def _is_just_back(self) -> bool:
        """Whether the database was away just now: none of the workers could show then that it lives."""
        now_s = asyncio.get_running_loop().time()
        return self._back_s is not None and now_s - self._back_s < DEAD.total_seconds()

    async def _look(self) -> None:
        """Whether other workers are dead, and whether all go by the same. By a clock that is off all of them would seem
        to be dead, and while the database was away none of them could show that it lives."""
        now = self.house.clock.now()
        if self.house.is_clock_off() or self._is_just_back():
            return
        since = now - DEAD
        missing, apart = await self.house.store.look(lambda tx: (workers.missing(tx, since), workers.apart(tx, since)))
        if missing - {self.worker}:
            await self.take_over(missing - {self.worker})
        if apart and apart != self._apart:
            told = [", ".join(names) for names in apart]
            log.warning("workers_apart", workers=told, hint="give all the same settings and packs, and restart those")
        self._apart = apart

    def _looked(self, task: "asyncio.Task[None]") -> None:
        self._looking = None
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception) and self.troubles.is_news("taking over", error, lasts=False):
            log.error("not_taken_over", error=said(error), hint="it is tried again every 2 s")

    async def _discipline(self) -> None:
        """Each minute, and each time while the clock is off: all workers judge by the database's clock."""
        clock, now_s = self.house.clock, asyncio.get_running_loop().time()
        is_known = self._clock_s is not None and now_s < self._clock_s + CLOCK_S and not self.house.is_clock_off()
        if not isinstance(clock, DisciplinedClock) or is_known:
            return
        asked_at = clock.bare()
        said = await self._attendance.now()
        clock.discipline(said - (asked_at + (clock.bare() - asked_at) / 2))
        self._clock_s = now_s

    def _lose(self, error: Exception) -> None:
        """Said once, until it is back."""
        self._away = True
        self.troubles.away("signs of life", error)
        if self._attendance is not None:
            self._attendance.end()
        if self.on_duty:
            log.warning("off_duty", worker=self.worker, hint="another worker takes it over")
        self._attendance, self.on_duty = None, False
