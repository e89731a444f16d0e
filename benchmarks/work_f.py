"""Work F, hooks: Twilio's signed callbacks over HTTP, each durable before it is answered."""

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.contract import Order
from benchmarks import figures, stage, twilio_side
from benchmarks.contender import Options, Work, ours
from dialer import check, garbage
from dialer.house import House
from dialer.web import app as web
from dialer.worker import Fitted, Worker
from tests.support.live import free_port

CONNECTIONS, STEADY_S = 32, 10
RATE = 50
"""Calls a second at the steady rate, each with four callbacks."""


def work(options: Options) -> Work:
    calls = options.size(400, 1_500, 5_000)
    steady = RATE * options.size(3, STEADY_S)
    return Work(
        "F",
        f"F. Hooks: Twilio's signed callbacks, {4 * steady:,} at {4 * RATE} a second, then {4 * calls:,} at full speed",
        f"Over HTTP from a process beside, which shares the cores; durable before the 2xx. Full speed: {CONNECTIONS} "
        "connections. Latency in ms, as the provider sees it.",
        {
            "rate": "hooks /s, full speed", "p50": "p50 ms", "p99": "p99 ms", "most": "max ms",
            "steady_p50": f"p50 at {4 * RATE}/s", "steady_p99": f"p99 at {4 * RATE}/s",
        },
        ours("benchmarks.work_f:life", options, runs=1, calls=calls, steady=steady),
    )  # fmt: skip


def life(database: str, folder: str, calls: int, steady: int) -> dict[str, float]:
    return asyncio.run(_life(database, Path(folder), calls, steady))


async def _life(database: str, folder: Path, calls: int, steady: int) -> dict[str, float]:
    port = free_port()
    placed: list[tuple[Order, str]] = []
    async with stage.house(folder, database, "twilio", **twilio_side.settings(port)) as house:
        await stage.plan(house, folder, calls + steady)
        house.clock.set(await stage.when_due(house, calls + steady))
        async with serving(house, port, lambda order, url, at: placed.append((order, url))):
            while len(placed) < calls + steady:  # noqa: ASYNC110 - the adapter could tell, but this is no part of it
                await asyncio.sleep(0.1)
            slow = await _steady(placed[:steady])
            fast = await _full(placed[steady:])
            left = await house.store.read(lambda tx: stage.unsettled(tx, house, house.clock.now()))
            assert not left, f"{left} calls are not settled"
    rate = len(fast["seconds"]) / fast["taken"]
    calm = figures.percentiles(slow["seconds"])
    return {"rate": rate, **figures.percentiles(fast["seconds"]), "steady_p50": calm["p50"], "steady_p99": calm["p99"]}


@asynccontextmanager
async def serving(house: House, port: int, taken: Any) -> Any:
    """A worker and the web server, as the daemon runs them."""
    adapter = twilio_side.Quiet(check.adapter_settings(twilio_side.QUIET, house.settings))  # type: ignore[arg-type]
    adapter.taken = taken
    worker = Worker(house, {"twilio": Fitted(adapter, twilio_side.QUIET)}, "bench")
    await worker.open()
    garbage.settle()
    server = web.server(web.build(lambda: web.Ready(ready=True), house, worker.hook), "127.0.0.1", port)
    running = [asyncio.create_task(server.serve()), asyncio.create_task(worker.run())]
    try:
        yield worker
    finally:
        worker.stop()
        server.should_exit = True
        await asyncio.gather(*running)
        await worker.drain(10)
        await worker.close()


async def _steady(calls: list[tuple[Order, str]]) -> dict[str, Any]:
    async with twilio_side.beside("steady") as child:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number, (order, url) in enumerate(calls):
            await asyncio.sleep(max(0.0, began + number / RATE - loop.time()))
            twilio_side.told(child, order, url)
        return await twilio_side.took(child)


async def _full(calls: list[tuple[Order, str]]) -> dict[str, Any]:
    async with twilio_side.beside("full", str(CONNECTIONS)) as child:
        for order, url in calls:
            twilio_side.told(child, order, url)
        return await twilio_side.took(child)
