"""The network between the simulated carrier and the machines: callbacks lost, late, twice, reordered, forged; outages.

The carrier itself is the mock adapter's. It lives on when a machine ends; who is there gets its callbacks.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, Protocol

from adapters.contract import (
    Event,
    EventKind,
    Heard,
    HookReply,
    HookRequest,
    Host,
    Order,
    Proof,
    Receipt,
    Spec,
    Step,
    Unavailable,
    Uncertain,
)  # fmt: skip
from adapters.mock import MockAdapter
from dialer.clock import VirtualClock
from dialer.export import instant
from dialer.log import log
from dialer.simulated.diary import Diary
from dialer.simulated.levels import RETRIES_S, Level

HIDDEN_S = 20.0
"""How long a placement may stay invisible to `find`."""


class Station(Protocol):
    """A machine, as the network sees it."""

    is_up: bool

    async def call(self, work: Callable[[Host], Any]) -> tuple[bool, Any]: ...


class Network:
    """The carrier's host. Level none: a wire."""

    public_url = "http://127.0.0.1:8080"

    def __init__(
        self, carrier: MockAdapter, spec: Spec, clock: VirtualClock, level: Level, seed: int, diary: Diary
    ) -> None:
        self.stations: list[Station] = []
        self.direct: Host | None = None
        """Level none: the one worker's host, called without any detour."""
        self.spec = spec if level.is_calm else replace(spec, visibility_delay_s=HIDDEN_S)
        self.calm = level.is_calm
        self._carrier, self._clock, self._level, self._diary = carrier, clock, level, diary
        self._draw = Random(f"{seed}|network")
        self._context = Context()
        self._work: set[asyncio.Task[None]] = set()
        self._away_until: datetime | None = None
        self._hidden: dict[str, datetime] = {}

    # --- the carrier's host -----------------------------------------------------------------------------------------

    def now(self) -> datetime:
        return self._clock.now()

    async def sleep_until(self, at: datetime) -> None:
        await self._clock.sleep_until(at)

    def start(self, work: Awaitable[None]) -> None:
        """The network's own work: it does not end with the machine that caused it."""
        task = asyncio.get_running_loop().create_task(_run(work), context=self._context.copy())
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def record(self, events: Sequence[Event]) -> None:
        facts = [self._note(event) for event in events]
        if self.direct is not None:
            await self.direct.record(events)
            for fact in facts:
                fact["acknowledged_at"] = instant(self.now())
            return
        for event, fact in zip(events, facts, strict=True):
            self.start(self._deliver(event, fact))

    async def step(self, attempt_id: str, heard: Heard) -> Step:
        if self.direct is not None:
            return await self.direct.step(attempt_id, heard)
        station = self._someone()
        if station is not None and not self._is_away():
            answered, step = await station.call(lambda host: host.step(attempt_id, heard))
            if answered:
                assert isinstance(step, Step)
                return step
        raise Unavailable("nobody answers; the call ends")

    # --- the machines' way to the carrier ---------------------------------------------------------------------------

    async def place(self, order: Order) -> Receipt:
        if self._is_away():
            raise Unavailable("connection refused")
        if self._chance(self._level.mishaps / 10):
            raise Uncertain("the connection was cut before the order was taken")
        if self._chance(self._level.hidden):
            self._hidden[order.attempt_id] = self.now() + timedelta(seconds=HIDDEN_S * self._draw.random())
        if self._chance(self._level.texts):
            self.start(self._text(order))
        return await self._carrier.place(order)

    async def _text(self, order: Order) -> None:
        """A person writes by themselves, whatever became of the call: from the number, about no attempt."""
        await asyncio.sleep(3600 * self._draw.random() ** 2)
        identity = f"text-{self._draw.getrandbits(64):x}"
        text = self._draw.choice(("TD", "退订", "STOP"))
        await self.record([Event(EventKind.REPLIED, self.now(), identity=identity, sender=order.to, text=text)])

    async def find(self, order: Order) -> list[Event]:
        if self._is_away():
            raise Unavailable("connection refused")
        until = self._hidden.get(order.attempt_id)
        return [] if until is not None and self.now() < until else await self._carrier.find(order)

    async def hang_up(self, ref: str) -> None:
        await self._carrier.hang_up(ref)

    def go_away(self, until: datetime) -> None:
        self._away_until = until

    async def close(self) -> None:
        """Nothing is under way any more, or is told to anybody."""
        for task in list(self._work):
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await self._carrier.close()

    # --- callbacks --------------------------------------------------------------------------------------------------

    async def _deliver(self, event: Event, fact: dict[str, Any]) -> None:
        level, draw = self._level, self._draw
        if self._chance(level.dropped):
            return
        if self._chance(level.delayed):
            await asyncio.sleep(3600 * draw.random() ** 4)
        if self._chance(level.forged):
            await self._send(self._forged(event))
        for pause_s in (0.0, *RETRIES_S):
            await asyncio.sleep(pause_s)
            if await self._send(event):
                fact["acknowledged_at"] = instant(self.now())
                break
        if self._chance(level.repeated):
            await asyncio.sleep(600 * draw.random() ** 3)
            await self._send(event)

    async def _send(self, event: Event) -> bool:
        station = None if self._is_away() else self._someone()
        if station is None:
            return False
        answered, _ = await station.call(lambda host: host.record([event]))
        return answered

    def _forged(self, event: Event) -> Event:
        """What nobody who knows the provider's reference would send: unknown attempts, other references, odd kinds."""
        draw = self._draw
        kind = draw.choice([kind for kind in EventKind if kind is not EventKind.REPLIED])
        ends = draw.choice(("answered", "busy", "human", "invalid_number", "nonsense"))
        names = (("", "forged"), (str(10**9 + draw.randrange(10**6)), "forged"), ("9" * 30, ""), ("-1", "mock--1"))
        attempt_id, ref = draw.choice(names)
        identity = f"forged-{draw.getrandbits(64):x}"
        return Event(kind, event.at, attempt_id, ref, identity, disposition=ends, digits="9")

    def _someone(self) -> Station | None:
        up = [station for station in self.stations if station.is_up]
        return self._draw.choice(up) if up else None

    def _is_away(self) -> bool:
        return self._away_until is not None and self.now() < self._away_until

    def _chance(self, share: float) -> bool:
        return not self.calm and share > 0 and self._draw.random() < share

    def _note(self, event: Event) -> dict[str, Any]:
        fact = {
            "at": instant(event.at), "attempt_id": event.attempt_id, "kind": event.kind.value,
            "disposition": event.disposition, "digits": event.digits, "sender": event.sender, "text": event.text,
            "identity": event.identity, "acknowledged_at": None,
        }  # fmt: skip
        self._diary.facts.append(fact)
        return fact


async def _run(work: Awaitable[None]) -> None:
    try:
        await work
    except Exception as error:  # noqa: BLE001 - a call whose worker failed it: `find` tells the rest
        log.error("network_failed", error=f"{type(error).__name__}: {error}")


class Wire:
    """The adapter where nothing goes wrong: the carrier itself; its callbacks go to the one worker."""

    def __init__(self, network: Network) -> None:
        self._network = network

    async def open(self, host: Host) -> None:
        self._network.direct = host

    async def close(self) -> None:
        await self._network.close()

    async def place(self, order: Order) -> Receipt:
        return await self._network.place(order)

    async def find(self, order: Order) -> list[Event]:
        return await self._network.find(order)

    async def hang_up(self, ref: str) -> None:
        await self._network.hang_up(ref)

    async def hook(self, request: HookRequest) -> HookReply:
        return HookReply(404)

    async def prove(self, callers: Mapping[str, frozenset[str]]) -> list[Proof]:
        return []
