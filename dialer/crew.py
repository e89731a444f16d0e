"""Many workers on one database: signs of life, the duty that one of them has, and what dead ones left.

The duty is planning, sweeps and digests: PostgreSQL gives it to one connection at a time, and takes it back when that
connection is gone. A worker alone on its file always has it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from dialer.clock import DisciplinedClock
from dialer.house import House
from dialer.log import log
from dialer.store import Tx, workers
from dialer.store.database import DBAPIError

BEAT_S = 2.0
"""Seconds between two signs of life."""
DEAD = timedelta(seconds=10)
"""Without one for so long a worker is dead: what it left running is looked after by others."""
CLOCK_EVERY = timedelta(minutes=1)


@dataclass(slots=True)
class Crew:
    """One worker among others on the same database."""

    house: House
    worker: str
    noticed: Callable[[], None]
    """Called when another process wrote something that is to be known at once."""
    take_over: Callable[[set[str]], Any]
    """Awaited with the names of dead workers, by the one on duty."""
    on_duty: bool = False
    began: Callable[[], None] = lambda: None
    """Called when the duty comes to this worker."""
    started_at: datetime = field(init=False)
    _attendance: Any = None
    _clock_at: datetime | None = None

    def __post_init__(self) -> None:
        self.started_at = self.house.clock.now()

    async def open(self) -> None:
        """Raises DBAPIError where the database can't be reached."""
        await self._attend()
        await self._beat()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(BEAT_S)
            try:
                await self._attend()
                await self._beat()
            except DBAPIError as error:
                self._lose(error)

    async def close(self) -> None:
        """Says goodbye: what it left running need not wait for its death to be noticed."""
        if self._attendance is not None:
            await self._attendance.close()
        try:
            await self.house.store.write(lambda tx: workers.gone(tx, [self.worker]), quick=True)
        except DBAPIError as error:
            log.warning("goodbye_not_said", error=type(error).__name__, hint="the others notice by themselves")

    async def _attend(self) -> None:
        if self._attendance is None:
            self._attendance = await self.house.store.attend(self.noticed)
            self._clock_at = None
        await self._discipline()
        if self.on_duty:
            await self._attendance.look()
        elif await self._attendance.take_duty():
            self.on_duty = True
            log.info("on_duty", worker=self.worker, hint="this worker plans, sweeps and sends the digests")
            self.began()

    async def _beat(self) -> None:
        now = self.house.clock.now()

        def beat(tx: Tx) -> set[str]:
            workers.seen(tx, self.worker, now, self.started_at)
            return workers.missing(tx, now - DEAD) if self.on_duty else set()

        if missing := await self.house.store.write(beat, quick=True) - {self.worker}:
            await self.take_over(missing)

    async def _discipline(self) -> None:
        """Each minute: all workers judge by the database's clock."""
        clock, now = self.house.clock, self.house.clock.now()
        if not isinstance(clock, DisciplinedClock) or (self._clock_at and now < self._clock_at + CLOCK_EVERY):
            return
        asked_at = clock.bare()
        said = await self._attendance.now()
        clock.discipline(said - (asked_at + (clock.bare() - asked_at) / 2))
        self._clock_at = clock.now()

    def _lose(self, error: DBAPIError) -> None:
        if self._attendance is not None:
            log.error("database_lost", error=type(error.orig).__name__, hint="it is tried again every 2 s")
        if self.on_duty:
            log.warning("off_duty", worker=self.worker, hint="another worker takes it over")
        self._attendance, self.on_duty = None, False
