"""When what goes wrong goes wrong: machines end, sleep, have their clocks set; the carrier goes away."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from dialer import record
from dialer.house import House
from dialer.log import log
from dialer.simulated.levels import CALM, RIGHT_AGAIN, Level
from dialer.simulated.life import Life
from dialer.simulated.machine import Machine, follow
from dialer.simulated.network import Network

DAY_S = 86_400.0
BUSY_S = (8 * 3600.0, 20 * 3600.0)
"""Most of it befalls the hours in which people are called."""
AFTER = timedelta(hours=6)
"""When all is calm again, so long until everything must have come to its end: deadlines, late callbacks, follow-ups."""


@dataclass(slots=True)
class Trouble:
    """Drives one hostile simulation."""

    seed: int
    level: Level
    house: House
    network: Network
    life: Life
    gather: timedelta
    _draw: Random = field(init=False)
    _until: datetime = field(init=False)
    _machines: list[Machine] = field(default_factory=list)
    _count: int = 0
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)
    _calm: bool = False

    def __post_init__(self) -> None:
        self._draw = Random(f"{self.seed}|trouble")
        self.life.wake = self._wake

    def begin(self, until: datetime) -> None:
        """Starts the first machine, and everything that may befall it until then."""
        asyncio.get_running_loop().set_task_factory(follow)
        self._until = until
        acts = self.level.acts_a_day * max(len(self.life.books.accounts), 30) / 100
        self._later(self._keep_one_up())
        for a_day, what in (
            (self.level.crashes_a_day, self._crash), (self.level.replaced_a_day, self._replace),
            (self.level.stops_a_day, self._stop), (self.level.sleeps_a_day, self._sleep),
            (self.level.steps_a_day, self._step), (self.level.outages_a_day, self._outage), (acts, self.life.act),
        ):  # fmt: skip
            if a_day:
                self._later(self._now_and_then(a_day, what))

    async def settle(self) -> None:
        """Calm from here on: what is still open comes to its end, and the last machine stops cleanly."""
        self._calm = True
        for machine in self._machines:
            machine.calm = True
        self.network.calm = True
        await self.house.clock.sleep_until(self.house.clock.now() + AFTER)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for machine in [one for one in self._machines if not one.is_dead]:
            machine.worker.stop()
        while any(not machine.is_dead and machine.is_up for machine in self._machines):  # noqa: ASYNC110
            await asyncio.sleep(1)
        await self.network.close()
        await record.seal(self.house, "simulation")

    async def _keep_one_up(self) -> None:
        """As systemd does: who ended is started anew, after seconds, or after hours in a bad night."""
        while True:
            machine = self._start()
            await asyncio.wait([machine.task])
            machine.crash()  # a process that ended by itself leaves nothing running either
            pause_s = 15.0 if self._calm or self._draw.random() < 0.8 else 10_000 * self._draw.random() ** 2
            await asyncio.sleep(pause_s)

    def _start(self) -> Machine:
        self._count += 1
        level = CALM if self._calm else self.level
        machine = Machine(self._count, self.seed, level, self.house, self.network, self.gather)
        self._machines = [one for one in self._machines if not one.is_dead] + [machine]
        self.network.stations[:] = self._machines
        machine.start()
        return machine

    async def _now_and_then(self, a_day: float, what: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """At random moments, so often a day in the mean; nine of ten in the busy hours."""
        while not self._calm:
            await asyncio.sleep(self._pause_s(a_day))
            if not self._calm and self.house.clock.now() < self._until:
                self._later(what())

    def _pause_s(self, a_day: float) -> float:
        local = self.house.clock.now().astimezone(self.house.zone)
        into_s = local.hour * 3600.0 + local.minute * 60 + local.second
        begins, ends = BUSY_S
        left = self._draw.expovariate(0.9 * a_day / (ends - begins))
        if into_s < begins:
            return begins - into_s + left
        return left if into_s + left < ends else DAY_S - into_s + begins + left - max(ends - into_s, 0)

    # --- what may befall --------------------------------------------------------------------------------------------

    async def _crash(self) -> None:
        if (machine := self._any()) is not None:
            machine.crash()

    async def _replace(self) -> None:
        """A second worker beside the first, for a while; then the first one ends."""
        old = self._any()
        new = self._start()
        await asyncio.sleep(self._draw.uniform(1, 600))
        ending = old if old is not None and not old.is_dead else new
        ending.crash()

    async def _stop(self) -> None:
        if (machine := self._any()) is not None:
            machine.worker.stop()

    async def _sleep(self) -> None:
        if (machine := self._any()) is not None:
            span = timedelta(seconds=20_000 * self._draw.random() ** 3 + 5)
            machine.freeze(self.house.clock.now() + span)

    async def _step(self) -> None:
        machine = self._any()
        if machine is None:
            return
        step_s = self._draw.choice((-1, 1)) * (3 + 20_000 * self._draw.random() ** 3)
        machine.clock.set(timedelta(seconds=step_s))
        await asyncio.sleep(RIGHT_AGAIN.total_seconds() * self._draw.random())
        machine.clock.set(timedelta(0))

    async def _outage(self) -> None:
        span_s = 30 + 1800 * self._draw.random() ** 2
        self.network.go_away(self.house.clock.now() + timedelta(seconds=span_s))

    def _any(self) -> Machine | None:
        up = [machine for machine in self._machines if machine.is_up]
        return self._draw.choice(up) if up else None

    def _wake(self) -> None:
        for machine in self._machines:
            machine.worker.wake.set()

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(_said)
        self._tasks.append(task)


def _said(task: "asyncio.Task[None]") -> None:
    """An act that failed is a fault of the engine's or of the simulation's: it must not go unheard."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("act_failed", error=f"{type(error).__name__}: {error}")
