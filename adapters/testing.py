"""For tests against an adapter: a host with a clock moved by hand, and the mock carrier as a pytest fixture.

Needs pytest and pytest-asyncio. Put `pytest_plugins = ["adapters.testing"]` into the conftest.py at the
root of your tests. See docs/mock.md.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Any

import pytest_asyncio

from adapters.contract import Event, EventKind, Heard, Step
from adapters.mock import MockAdapter

Dialogue = Callable[[str, Heard], Step]
"""(attempt_id, heard) → the next step."""

_SPINS = 100_000


def goodbye(attempt_id: str, heard: Heard) -> Step:
    """The dialogue of a host that was given none: says one word and hangs up."""
    return Step("bye", "再见。", "hang_up")


class VirtualHost:
    """A `Host` in memory: nothing moves until the test calls `advance` or `run`, and then without waiting.

    `events` holds what was recorded and `heard` what the dialogue heard, both in the order of their coming.
    """

    public_url = "http://127.0.0.1:8080"

    def __init__(self, now: datetime = datetime(2026, 1, 14, 1, 30, tzinfo=UTC), dialogue: Dialogue = goodbye) -> None:
        self.dialogue = dialogue
        self.events: list[Event] = []
        self.heard: list[tuple[str, Heard]] = []
        self._now = now
        self._order = count()
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._awake: set[asyncio.Task[Any] | None] = set()
        self._failures: list[BaseException] = []

    def now(self) -> datetime:
        return self._now

    async def sleep_until(self, at: datetime) -> None:
        if at <= self._now:
            return
        alarm: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._sleepers, (at, next(self._order), alarm))
        task = asyncio.current_task()
        self._awake.discard(task)
        await alarm
        if task in self._tasks:
            self._awake.add(task)

    def start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        self._awake.add(task)
        task.add_done_callback(self._ended)

    async def record(self, events: Sequence[Event]) -> None:
        self.events.extend(events)

    async def step(self, attempt_id: str, heard: Heard) -> Step:
        self.heard.append((attempt_id, heard))
        return self.dialogue(attempt_id, heard)

    def kinds(self, attempt_id: str) -> list[EventKind]:
        """The kinds of an attempt's recorded events, in the order of their coming."""
        return [event.kind for event in self.events if event.attempt_id == attempt_id]

    async def advance(self, seconds: float) -> None:
        """Moves the clock, waking whoever sleeps on the way; raises what a started task raised."""
        await self._run(self._now + timedelta(seconds=seconds))

    async def run(self) -> None:
        """Moves the clock until nobody sleeps any more: all calls are over."""
        await self._run(None)

    async def close(self) -> None:
        """Ends what still runs, as an engine does after it closed its adapters."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._sleepers.clear()

    async def _run(self, until: datetime | None) -> None:
        await self._settle()
        while self._sleepers and (until is None or self._sleepers[0][0] <= until):
            at, _, alarm = heappop(self._sleepers)
            self._now = max(self._now, at)
            if not alarm.done():
                alarm.set_result(None)
                await asyncio.sleep(0)  # the sleeper counts as awake from here on
            await self._settle()
        self._now = max(self._now, until or self._now)

    async def _settle(self) -> None:
        for _ in range(_SPINS):
            await asyncio.sleep(0)
            if self._failures:
                raise self._failures.pop(0)
            if not self._awake:
                return
        raise RuntimeError("a started task waits for something else than the host's clock")

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._awake.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._failures.append(error)


@pytest_asyncio.fixture
async def virtual_host() -> AsyncIterator[VirtualHost]:
    """A host whose clock stands at 2026-01-14 09:30 in Shanghai until the test moves it."""
    host = VirtualHost()
    yield host
    await host.close()


@pytest_asyncio.fixture
async def mock_carrier(virtual_host: VirtualHost) -> AsyncIterator[MockAdapter]:
    """The mock adapter, open on `virtual_host`. Numbers that the test doesn't script are lifelike, seed 1."""
    carrier = MockAdapter()
    await carrier.open(virtual_host)
    yield carrier
    await carrier.close()
