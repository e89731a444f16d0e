"""One installation whose line is Twilio, on a clock that a test moves, with real connections to whoever plays Twilio."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from adapters.contract import Event, Order, Receipt
from adapters.twilio import ADAPTER, TwilioAdapter
from dialer import check, operate, sweep
from dialer.house import House
from dialer.store import InlineStore
from dialer.store.schema import create
from dialer.web import app as web
from dialer.worker import Fitted, Worker
from tests.support.scene import SHANGHAI, Scene

SID, TOKEN = "AC" + "0" * 32, "0123456789abcdef"
OURS, AGENTS = "+864001234567", "+864001234568"


class SteppedClock:
    """Goes from sleeper to sleeper, as far as the test says, each time everything else has come to rest."""

    def __init__(self, at: datetime) -> None:
        self._now = at
        self._numbers = count()
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._now

    def off_s(self) -> float:
        return 0.0

    async def sleep_until(self, at: datetime) -> None:
        if at > self._now:
            alarm: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heappush(self._sleepers, (at, next(self._numbers), alarm))
            await alarm

    async def go(self, until: datetime, rest: Callable[[], Awaitable[None]]) -> None:
        await rest()
        while self._sleepers and self._sleepers[0][0] <= until:
            at, _, alarm = heappop(self._sleepers)
            if alarm.done():
                continue
            self._now = max(self._now, at)
            alarm.set_result(None)
            await rest()
        self._now = max(self._now, until)


class Counted(TwilioAdapter):
    """The adapter, which knows how many of its requests are on their way, and how often it was told to place."""

    asking = 0
    placed = 0

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.refs: list[str] = []

    async def place(self, order: Order) -> Receipt:
        self.placed += 1
        with self._asked():
            receipt = await super().place(order)
            self.refs.append(receipt.ref)
            return receipt

    async def find(self, order: Order) -> list[Event]:
        with self._asked():
            return await super().find(order)

    async def hang_up(self, ref: str) -> None:
        with self._asked():
            await super().hang_up(ref)

    @contextmanager
    def _asked(self) -> Iterator[None]:
        self.asking += 1
        try:
            yield
        finally:
            self.asking -= 1


@dataclass
class Stage(Scene):
    """A scene with Twilio. `idle`: awaits whoever plays Twilio."""

    adapter: Any = None
    idle: Callable[[], Awaitable[None]] | None = None
    app: Any = None

    async def until(self, text: str) -> None:
        clock: Any = self.clock
        await clock.go(datetime.fromisoformat(text).replace(tzinfo=SHANGHAI), self.rest)

    async def rest(self) -> None:
        """Until nobody speaks to anybody any more."""
        quiet = 0
        while quiet < 8:
            if self.idle is not None:
                await self.idle()
            quiet = quiet + 1 if not self.adapter.asking else 0
            await asyncio.sleep(0)

    async def day(self) -> None:
        """What the daemon does at 00:05."""
        await sweep.daily(self.house)
        self.worker.wake.set()


SETTINGS = """
[adapters.twilio]
account_sid = "{sid}"
base_url = "{base_url}"
"""


def write_settings(folder: Path, sample: str, base_url: str, line: str = "") -> Path:
    """The sample's settings, with Twilio in the mock's place."""
    head, _, rest = sample.replace('"mock" ', f'"twilio"\n{line}\n#').partition("[adapters.mock]")
    rest = rest[rest.index("\n[") :]
    path = folder / "dialer.toml"
    path.write_text(head + SETTINGS.format(sid=SID, base_url=base_url) + rest, encoding="utf-8")
    return path


@asynccontextmanager
async def stage(
    folder: Path, at: str, base_url: str, sample: str, line: str = "", public_url: str = "http://dialer.test"
) -> AsyncIterator[Stage]:
    """Opened, with an empty database; `at` in Shanghai. Its hooks are `stage.app`, an ASGI application."""
    env = {"DIALER_ADAPTERS__TWILIO__AUTH_TOKEN": TOKEN, "DIALER_WEB__PUBLIC_URL": public_url}
    settings = check.read_settings(write_settings(folder, sample, base_url, line), env)
    clock: Any = SteppedClock(datetime.fromisoformat(at).replace(tzinfo=SHANGHAI))
    store = InlineStore()
    create(store)
    house = House(settings, clock, store)
    adapter = Counted(check.adapter_settings(ADAPTER, settings))  # type: ignore[arg-type]
    worker = Worker(house, {"twilio": Fitted(adapter, ADAPTER)}, "test", poll=timedelta(days=1))
    one = Stage(folder, house, clock, adapter, worker, adapter=adapter)  # type: ignore[arg-type]
    one.app = web.build(web.Ready, house, worker.hook)  # type: ignore[arg-type]
    try:
        yield one
    finally:
        if one._running is not None:
            one.worker.stop()
            one._running.cancel()
            await asyncio.gather(one._running, return_exceptions=True)
        await worker.close()
        await store.close()


class Hooks(httpx.AsyncBaseTransport):
    """A way to a web server that is built later."""

    app: FastAPI | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert self.app is not None
        return await httpx.ASGITransport(self.app).handle_async_request(request)


async def launch(one: Stage, campaign: str) -> operate.Launch:
    return await operate.launch(one.house, one.file("monthly.toml", campaign))
