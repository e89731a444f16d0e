"""One worker: adapters, lines, and the loops that dial and reconcile. The daemon and the simulation run the same."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from adapters import contract
from campaigns.model import Channel
from dialer.attempt import Kind
from dialer.dial import Dialer
from dialer.dialogue import Dialogues
from dialer.house import House
from dialer.inbound import Inbox
from dialer.lines import AHEAD, Line, Lines
from dialer.log import log
from dialer.lull import Lull
from dialer.news import of_event
from dialer.reconcile import Reconciler
from dialer.restored import Restorer
from dialer.room import OwnRoom, Room, SharedRoom
from dialer.store import Tx
from dialer.store import attempts as attempt_store
from dialer.store import queues as queue_store
from dialer.store.database import DBAPIError, is_away, said
from dialer.troubles import Troubles

LEAST_WAIT = timedelta(milliseconds=2)
IDLE_WAIT = timedelta(milliseconds=50)
TURN = timedelta(milliseconds=50)
"""Claims follow each other no faster: what is claimed is due in a multiple of it, and some together cost less."""
RECOUNT_S = 0.25


@dataclass(frozen=True, slots=True)
class Fitted:
    """An adapter that was built from its settings, with its spec."""

    adapter: contract.Adapter
    spec: contract.Spec


@dataclass(slots=True)
class Worker:
    """Everything one process does with attempts."""

    house: House
    adapters: Mapping[str, Fitted]
    name: str
    poll: timedelta = timedelta(milliseconds=500)
    """How often to look for what other processes wrote."""
    gather: timedelta = timedelta(0)
    """Simulations only: how long due attempts and news wait for company; never until a window closes."""
    placed: Callable[[int], None] = field(default=lambda placement_id: None)
    """Told the last placement's id after each claim that placed something."""
    present: Callable[[], bool] = lambda: True
    """Whether the other workers know that this one lives: else it must not take up anything new."""
    lines: Lines = field(init=False)
    room: Room = field(init=False)
    inbox: Inbox = field(init=False)
    dialogues: Dialogues = field(init=False)
    dialer: Dialer = field(init=False)
    reconciler: Reconciler = field(init=False)
    restorer: Restorer = field(init=False)
    troubles: Troubles = field(init=False)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    """Something may be due, or room may be free: the dialing loop turns."""
    look: asyncio.Event = field(default_factory=asyncio.Event)
    """Something was placed or heard: what is to be looked after, and when, is another."""
    stopping: bool = False
    turned_s: float = field(default=0.0, init=False)
    """When the dialing loop last turned, by the event loop's clock: a sign of life."""
    fault: str = field(default="", init=False)
    """Why the dialing loop did not get through its last turn; empty: it did."""
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    _reported: list[object] | None = None
    """What kept the lines still when they were last reported."""

    def __post_init__(self) -> None:
        self.troubles = Troubles(self.house.clock, self.name)

    async def open(self) -> None:
        """Opens the adapters and takes over what an earlier run left."""
        self.turned_s = asyncio.get_running_loop().time()
        await self.house.store.warm()
        self.lines = await self._read_lines()
        self.inbox = Inbox(self.house, self.lines, self.wake.set, gather_s=self.gather.total_seconds())
        self.dialogues = Dialogues(self.house, self.inbox)
        self.inbox.closed, self.inbox.heard = self.dialogues.end, self.look.set
        self.room = await self._room()
        lull = Lull(self.house.clock)
        if not self.house.store.is_shared:
            self.house.store.lull = lull.wait
        self.dialer = Dialer(
            self.house, self.lines, self.room, self.inbox, self.dialogues, self.name, lull, self.placed
        )
        self.reconciler = Reconciler(self.house, self.lines, self.inbox, self.dialer, self.name)
        self.restorer = Restorer(self.house, self.lines, self.name)
        for fitted in self.adapters.values():
            await fitted.adapter.open(_Host(self))
        if not self.house.store.is_shared:
            await self.reconciler.adopt()
        await self.restorer.open()

    async def run(self) -> None:
        """Dials and reconciles until `stop`."""
        await asyncio.gather(self._dial(), self._reconcile())

    def stop(self) -> None:
        """No new calls from here on."""
        self.stopping = True
        self.wake.set()
        self.look.set()

    async def drain(self, limit_s: float) -> int:
        """Waits until running calls are recorded, at most `limit_s` seconds. Returns how many still run."""
        until = self.house.clock.now() + timedelta(seconds=limit_s)
        await self.dialer.drain()
        while (left := sum(len(line.running) for line in self.lines)) and self.house.clock.now() < until:
            await asyncio.sleep(0.05)
            if self.house.store.is_shared:
                await self._recount()
        await self.inbox.drain()
        return left

    async def _recount(self) -> None:
        """Another worker may have heard of the end of our calls."""
        with suppress(DBAPIError):  # then the count stays as it is: it is asked again at once
            self._count(await self.house.store.look(lambda tx: attempt_store.running_calls(tx, self.name)))
            await asyncio.sleep(RECOUNT_S)

    async def close(self) -> None:
        for fitted in self.adapters.values():
            await fitted.adapter.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.inbox.drain()
        self.house.store.lull = None  # its slots are nobody's any more

    async def report_lines(self) -> None:
        """Writes where the lines and their breakers stand, for `dialer status`: a sign of life too.

        What runs is counted anew: another worker may have heard of the end of our calls.
        """
        rows = [{**line.row(), "heard_at": self.house.clock.now()} for line in self.lines]

        def write(tx: Tx) -> dict[str, set[int]]:
            self.room.report(tx, rows)
            return attempt_store.running_calls(tx, self._mine)

        self._count(await self.house.store.write(write, quick=True))

    @property
    def _mine(self) -> str:
        """Whose calls are counted: many workers count their own, one alone all there are."""
        return self.name if self.house.store.is_shared else ""

    def _count(self, running: Mapping[str, set[int]]) -> None:
        for line in self.lines:
            line.running = running.get(line.name, set())

    async def _report_changes(self) -> None:
        """At the start, and at once where something stops a line: what is shown must not lag a minute behind."""
        standing: list[object] = [line.standing for line in self.lines]
        if standing != self._reported:
            await self.report_lines()
            self._reported = standing

    async def hook(self, adapter: str, request: contract.HookRequest) -> contract.HookReply:
        """A provider's request, answered by its adapter, which a line names."""
        return await self.adapters[adapter].adapter.hook(request)

    def start(self, work: Awaitable[None]) -> None:
        """Runs an adapter's work beside the loops."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        # That the database is away the loops say, for all that fails with it.
        if isinstance(error, Exception) and not is_away(error) and self.troubles.is_news("adapter", error):
            log.error("adapter_work_failed", error=said(error))

    async def _room(self) -> Room:
        if not self.house.store.is_shared:
            return OwnRoom(self.lines)
        shared = SharedRoom(self.house, self.lines, self.name)
        await shared.open()
        return shared

    async def take_over(self, dead: Collection[str]) -> None:
        """What dead workers left is looked after from here on."""
        log.warning("workers_dead", workers=sorted(dead))
        if await self.reconciler.adopt(dead):
            self.look.set()

    async def _read_lines(self) -> Lines:
        def read(tx: Tx) -> tuple[dict[str, object], dict[str, set[int]]]:
            return dict(attempt_store.lines(tx)), attempt_store.running_calls(tx, self._mine)

        known, running = await self.house.store.read(read)
        now = self.house.clock.now()
        lines = []
        for name, settings in self.house.settings.lines.items():
            fitted, row = self.adapters[settings.adapter], known.get(name)
            next_at = {
                Channel.VOICE: getattr(row, "next_voice_at", now),
                Channel.SMS: getattr(row, "next_sms_at", now),
            }
            ahead = max(AHEAD, self.gather / 10)
            lines.append(
                Line(
                    name,
                    settings,
                    fitted.adapter,
                    fitted.spec,
                    next_at,
                    self.house.zone,
                    running.get(name, set()),
                    ahead=ahead,
                )
            )
        return Lines(lines)

    async def _dial(self) -> None:
        while not self.stopping:
            self.turned_s = asyncio.get_running_loop().time()
            self.wake.clear()
            try:
                await self._report_changes()
                until = await self._dial_once()
                self.troubles.works("dialing")
                self.fault = self._hindrance()
            except Exception as error:  # noqa: BLE001 - the database may be away for a while; the loop must outlive it
                self.fault = f"it does not dial ({type(error).__name__})"
                if self.troubles.is_news("dialing", error):
                    log.error("dialing_failed", error=said(error), hint="tried again each second")
                until = self.house.clock.now() + timedelta(seconds=1)
            now = self.house.clock.now()
            until = now + self.poll if until is None else min(until, now + self.poll)
            await self._wait(self.wake, max(until, now + LEAST_WAIT))
        self.troubles.leaves("dialing")

    def _hindrance(self) -> str:
        """Why nothing is claimed though the loop turns; empty: it may be."""
        if not self.present():
            return "it can't show the other workers that it lives"
        return "it can't look at what it claimed" if self.dialer.is_blind else ""

    async def _dial_once(self) -> datetime | None:
        """Dials what is due and has room. Returns when to look again; None: when something happens."""
        now = self.house.clock.now()
        if not self.present():
            return None
        claimed = await self.dialer.tick()
        if claimed.placements:
            self.look.set()
            await self.house.clock.sleep_until(now + TURN)
        if claimed.halted:
            return None
        if not claimed.more and not claimed.examined and claimed.next_due_at is not None:
            # Due, and nothing to be had: another worker has it before it.
            return max(claimed.next_due_at, now + IDLE_WAIT)
        if not claimed.more:
            if self.gather or claimed.next_due_at is None:
                return await self._company(claimed.next_due_at)
            # Claimed ahead, some at a time, so that each can go out at its very slot.
            return claimed.next_due_at - AHEAD / 2
        wanted = [(self.lines.by_name[name], channel) for name, channel in claimed.wanted if name in self.lines.by_name]
        rooms = [at for line, channel in wanted if (at := line.next_room(channel, now)) is not None]
        # What was left may be for one of these lines alone: room on the others must not make the loop spin.
        least = LEAST_WAIT if claimed.placements else IDLE_WAIT
        return max(min(rooms), now + least) if rooms else None

    async def _company(self, due_at: datetime | None) -> datetime | None:
        """A simulation dials several due attempts in one transaction, none of them after its window."""
        if due_at is None:
            return None
        latest = due_at + self.gather

        def closing(tx: Tx) -> datetime | None:
            queues = [queue for one in self.house.launched(tx) for queue in one.queues]
            return queue_store.first_closing(tx, queues, latest)

        closes_at = await self.house.store.read(closing)
        return latest if closes_at is None else max(due_at, min(latest, closes_at - self.gather / 5))

    async def _wait(self, event: asyncio.Event, until: datetime) -> None:
        """Until then, or something happens here."""
        sleep = asyncio.ensure_future(self.house.clock.sleep_until(until))
        woken = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait({sleep, woken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            woken.cancel()

    async def _reconcile(self) -> None:
        pause = max(timedelta(seconds=1), self.gather)
        while not self.stopping:
            self.look.clear()
            try:
                looked = await self.reconciler.tick() + await self.restorer.tick()
                checks = (self.reconciler.next_at, self.restorer.next_at)
                next_at = min((at for at in checks if at is not None), default=None)
                self.troubles.works("reconciling")
            except Exception as error:  # noqa: BLE001 - as above
                if self.troubles.is_news("reconciling", error):
                    log.error("reconciling_failed", error=said(error), hint="it is tried again")
                looked, next_at = 0, None
            now = self.house.clock.now()
            latest = now + max(self.poll, timedelta(seconds=1))
            await self.house.clock.sleep_until(now + (LEAST_WAIT if looked else pause))
            await self._wait(self.look, min(next_at or latest, latest))
        self.troubles.leaves("reconciling")


@dataclass(slots=True)
class _Host:
    """What an adapter sees of the engine."""

    worker: Worker

    @property
    def public_url(self) -> str:
        return self.worker.house.settings.web.public_url.rstrip("/")

    def now(self) -> datetime:
        return self.worker.house.clock.now()

    async def sleep_until(self, at: datetime) -> None:
        await self.worker.house.clock.sleep_until(at)

    def start(self, work: Awaitable[None]) -> None:
        self.worker.start(work)

    async def record(self, events: Sequence[contract.Event]) -> None:
        news = [of_event(event) for event in events]
        await self.worker.inbox.take(news)
        for one in news:
            if one.kind == Kind.ENDED and one.attempt_id is not None:
                self.worker.dialogues.end(one.attempt_id)

    async def step(self, attempt_id: str, heard: contract.Heard) -> contract.Step:
        return await self.worker.dialogues.step(int(attempt_id) if attempt_id.isdecimal() else -1, heard)
