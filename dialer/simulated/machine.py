"""A simulated host with one worker: its clock is set, it sleeps, its database fails, it may end at any await.

Ended, it has no effect any more: every task of the worker is cancelled, and whatever it still calls never returns.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextvars import Context, ContextVar, copy_context
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from adapters.contract import Adapter, Event, HookReply, HookRequest, Host, Order, Proof, Receipt
from dialer import record, sweep
from dialer.clock import Steps, VirtualClock
from dialer.house import House
from dialer.log import log
from dialer.simulated.levels import OPEN_S, Level
from dialer.simulated.network import Network
from dialer.store import FailingStore, InlineStore
from dialer.store import campaigns as campaign_store
from dialer.worker import Fitted, Worker

ON: ContextVar["Machine | None"] = ContextVar("machine", default=None)
"""On which machine a task runs; None: the world's own."""
POLL = timedelta(minutes=20)
"""How often a simulated worker looks by itself; what operators do wakes it, as polling twice a second would."""
BELL = timedelta(minutes=20)
PLANS = 0.1
"""Share of starts that plan the day anew, as every start of the daemon does: what an earlier process left undone must
come to its end without that, too."""


def follow(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> "asyncio.Task[Any]":
    """A task factory: each task is known to the machine on which it runs."""
    task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, **options)
    context: Context | None = options.get("context")
    machine = ON.get() if context is None else context.get(ON)
    if machine is not None:
        machine.follow(task)
    return task


class MachineClock:
    """The world's time as a machine sees it: set wrong now and then, and standing still for whoever sleeps."""

    def __init__(self, true: VirtualClock, machine: "Machine") -> None:
        self._true, self._machine = true, machine
        self.step = timedelta(0)
        self.slept_s = 0.0
        self._naps: dict[asyncio.Future[None], None] = {}
        self._steps = Steps(*self._read())

    def now(self) -> datetime:
        return self._true.now() + self.step

    def off_s(self) -> float:
        return self._steps.off_s(*self._read())

    def _read(self) -> tuple[float, float]:
        return self.now().timestamp(), self._true.now().timestamp() - self.slept_s

    def set(self, step: timedelta) -> None:
        """Sets the wall clock so far from the truth; who sleeps looks at it again, as after at most a second."""
        self.step = step
        for nap in list(self._naps):
            if not nap.done():
                nap.set_result(None)

    async def sleep_until(self, at: datetime) -> None:
        while at > self.now():
            nap = self._true.timer(at - self.step)
            self._naps[nap] = None
            try:
                await nap
            finally:
                self._naps.pop(nap, None)
                nap.cancel()
            await self._machine.awake()


class Machine:
    """One host, one process, one worker. `run` returns when the process has ended."""

    def __init__(self, number: int, seed: int, level: Level, world: House, network: Network, gather: timedelta) -> None:
        self.name = f"worker-{number}"
        self.is_dead = self.is_up = False
        self.calm = level.is_calm
        self._level = level
        self._draw = Random(f"{seed}|{self.name}")
        self._true = world.clock
        assert isinstance(self._true, VirtualClock)
        assert isinstance(world.store, InlineStore)
        self._network = network
        self._frozen_until: datetime | None = None
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._context = copy_context()
        self._context.run(ON.set, self)
        self.clock = MachineClock(self._true, self)
        store = FailingStore(world.store, self._database)
        self.house = world.beside(self.clock, store)
        self.host: Host | None = None
        fitted = Fitted(Handset(self, network), network.spec)
        names = {line.adapter for line in world.settings.lines.values()}
        self.worker = Worker(self.house, dict.fromkeys(names, fitted), self.name, poll=POLL, gather=gather)

    # --- the process ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self.task = asyncio.get_running_loop().create_task(self._run(), context=self._context)

    async def _run(self) -> None:
        """As the daemon: opens, rings its bells, dials until it is told to stop."""
        while True:
            try:
                await self.worker.open()
                break
            except Exception as error:  # noqa: BLE001 - a start that failed is tried again, as systemd does
                log.error("start_failed", error=str(error))
                await asyncio.sleep(15)
        self.is_up = True
        bells = asyncio.create_task(self._bells())
        await self.worker.run()
        bells.cancel()
        await self.worker.drain(25)
        self.is_up = False
        await self.worker.close()

    async def _bells(self) -> None:
        day = None if self.chance(PLANS) else await self._planned_on()
        while True:
            if day != (day := self.house.today(self.clock.now() - timedelta(minutes=5))):
                await self._ring(self._daily)
            await self._ring(self._often)
            await self.clock.sleep_until(self.clock.now() + BELL)

    async def _planned_on(self) -> date | None:
        """The day of the last planning that came to its end, whoever made it."""
        planned_at = await self.house.store.read(campaign_store.planned_since)
        return None if planned_at is None else self.house.today(planned_at - timedelta(minutes=5))

    async def _daily(self) -> None:
        await sweep.daily(self.house)
        self.worker.wake.set()

    async def _often(self) -> None:
        await sweep.expire(self.house)
        await self.worker.report_lines()
        await record.seal(self.house, self.name)

    async def _ring(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - as in the daemon: it rings again
            log.error("bell_failed", error=str(error))

    # --- what befalls it --------------------------------------------------------------------------------------------

    def follow(self, task: "asyncio.Task[Any]") -> None:
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))
        if self.is_dead:
            task.cancel()

    def crash(self) -> None:
        """The process ends here and now: nothing of it goes on."""
        self.is_dead, self.is_up = True, False
        for task in list(self._tasks):
            task.cancel()

    def freeze(self, until: datetime) -> None:
        """The host sleeps: timers, the database and the network stand still for it."""
        self._frozen_until = until
        self.clock.slept_s += (until - self._true.now()).total_seconds()

    async def awake(self) -> None:
        while self._frozen_until is not None and self._true.now() < self._frozen_until:
            await self._true.sleep_until(self._frozen_until)
        if self.is_dead:
            await self._die()

    async def call(self, work: Callable[[Host], Coroutine[Any, Any, Any]]) -> tuple[bool, Any]:
        """A request of the network to this machine. (False, None): no answer in time, or a failure."""
        if not self.is_up or self.host is None:
            return False, None
        task = asyncio.get_running_loop().create_task(self._answer(work), context=self._context)
        task.add_done_callback(_seen)
        await asyncio.wait([task], timeout=OPEN_S)
        if not task.done() or task.cancelled() or task.exception() is not None:
            return False, None
        return True, task.result()

    async def _answer(self, work: Callable[[Host], Coroutine[Any, Any, Any]]) -> Any:
        await self.awake()
        assert self.host is not None
        return await work(self.host)

    def chance(self, share: float) -> bool:
        return not self.calm and share > 0 and self._draw.random() < share

    async def mortal(self) -> None:
        """A moment in which the process may end."""
        if self.is_dead or self.chance(self._level.crashes):
            await self._die()

    async def _die(self) -> None:
        if not self.is_dead:
            self.crash()
        await asyncio.get_running_loop().create_future()

    async def _database(self, when: str) -> str | None:
        """Befalls every call of the database, before and after it takes effect."""
        await self.awake()
        await self.mortal()
        if self.chance(self._level.slow):
            await asyncio.sleep(3 * self._draw.random() ** 2)
            await self.awake()
        if when == "write" and self.chance(self._level.held):
            await asyncio.sleep(30 * self._draw.random())
            await self.awake()
        if when == "write" and self.chance(self._level.locked):
            return "database is locked"
        if when in ("read", "write") and self.chance(self._level.failed):
            return "disk I/O error"
        if when == "written" and self.chance(self._level.unsure):
            return "disk I/O error"
        return None


def _seen(task: "asyncio.Task[Any]") -> None:
    """Whoever called may have hung up meanwhile: then nobody asks how it failed."""
    if not task.cancelled():
        task.exception()


class Handset:
    """The adapter as the worker of one machine has it: the shared carrier, reached from a process that may end."""

    def __init__(self, machine: Machine, network: Network) -> None:
        self._machine, self._network = machine, network

    async def open(self, host: Host) -> None:
        self._machine.host = host

    async def close(self) -> None:
        self._machine.host = None

    async def place(self, order: Order) -> Receipt:
        await self._machine.mortal()
        receipt = await self._network.place(order)
        await self._machine.mortal()
        await self._machine.awake()
        return receipt

    async def find(self, order: Order) -> list[Event]:
        await self._machine.mortal()
        return await self._network.find(order)

    async def hang_up(self, ref: str) -> None:
        await self._network.hang_up(ref)

    async def hook(self, request: HookRequest) -> HookReply:
        return HookReply(404)

    async def prove(self, callers: Mapping[str, frozenset[str]]) -> list[Proof]:
        return []


_: type[Adapter] = Handset
