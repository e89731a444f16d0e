"""Work D, punctuality: how long after its slot an attempt reaches the provider, while hooks arrive."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import select

from benchmarks import figures, peers, stage, twilio_side
from benchmarks.contender import Options, Work, ours
from benchmarks.work_f import serving
from dialer.store import Tx
from dialer.store import tables as t
from tests.support.live import free_port

RATE = 100
START = timedelta(seconds=6)
"""So long before the first slot the worker, and the process beside it, are started."""
RING_S = 30
"""So long before its end a window takes no more calls."""


def work(options: Options) -> Work:
    seconds = options.size(5, 60)
    return Work(
        "D",
        f"D. Punctuality: {RATE} a second for {seconds} s",
        "From the planned slot to the provider's call, ms. This dialer: gate and all, with four signed hooks a call "
        "arriving meanwhile, from a process that shares the cores; peers: a no-op, and nothing arrives.",
        {"least": "earliest", "p50": "p50", "p99": "p99", "most": "latest", "count": "calls"},
        [
            *ours("benchmarks.work_d:life", options, runs=1, seconds=seconds),
            *peers.punctuality(options, RATE, seconds),
        ],
    )


def life(database: str, folder: str, seconds: int) -> dict[str, float]:
    return asyncio.run(_life(database, Path(folder), seconds))


async def _life(database: str, folder: Path, seconds: int) -> dict[str, float]:
    port, minutes = free_port(), -(-(seconds + RING_S) // 60)
    ends = f"09:{30 + minutes}"
    handed: dict[int, float] = {}
    async with stage.house(folder, database, "twilio", rate=1_000, **twilio_side.settings(port)) as house:
        await stage.plan(house, folder, RATE * (60 * minutes - RING_S), ends=ends)
        opens = datetime(2026, 1, 11, 9, 30, tzinfo=ZoneInfo("Asia/Shanghai"))
        house.clock.set(opens - START)
        async with twilio_side.beside("steady") as child:

            def taken(order: object, url: str, at: float) -> None:
                handed[int(order.attempt_id)] = at  # type: ignore[attr-defined]
                twilio_side.told(child, order, url)  # type: ignore[arg-type]

            async with serving(house, port, taken) as worker:
                await house.clock.sleep_until(opens + timedelta(seconds=seconds))
                worker.stop()
                await worker.dialer.drain()
                await twilio_side.took(child)
        slots = await house.store.read(planned_for)
    return figures.percentiles([at - slots[key] for key, at in handed.items()])


def planned_for(tx: Tx) -> dict[int, float]:
    """attempt id → its slot."""
    rows = tx.execute(select(t.attempts.c.attempt_id, t.attempts.c.planned_for))
    return {key: at.timestamp() for key, at in rows}
