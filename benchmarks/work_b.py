"""Work B, whole life: dispatch, and the facts, the gate, four events a call, the outcome, what follows."""

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path

from benchmarks import by_hand, figures, same_rows, stage
from benchmarks.apart import ROOT
from benchmarks.contender import Contender, Options, Work, ours
from dialer import garbage
from dialer.house import House
from dialer.worker import Fitted, Worker


def work(options: Options) -> Work:
    count = options.size(500, 10_000, 20_000)
    limit = options.size(5_000, 20_000)
    given = {"count": count, "workers": 2}
    two = [Contender("this dialer, PostgreSQL, 2 workers", base, "benchmarks.work_b:many", given)
           for base in options.databases if base == "postgresql"]  # fmt: skip
    return Work(
        "B",
        f"B. Whole life: {count:,} calls due at once",
        "Facts, gate with two packs, intent durable before placing, four events a call each durable before the next, "
        f"outcome, a follow-up for three in ten. By hand: the rows of {limit:,} calls, and nothing is decided; in "
        "narrow tables made for it, and in this dialer's own (our tables), with all their columns and indexes.",
        {"rate": "settled /s", "followed": "follow-ups a call", "peak_mb": "peak MB"},
        [
            *ours("benchmarks.work_b:life", options, count=count),
            *two,
            *by_hand.contenders(options, "whole_life", limit),
            *same_rows.contenders(options, "whole_life", limit),
        ],
    )


def life(database: str, folder: str, count: int) -> dict[str, float]:
    return asyncio.run(_life(database, Path(folder), count))


async def _life(database: str, folder: Path, count: int) -> dict[str, float]:
    async with stage.house(folder, database) as house:
        rate = await stage.dial(house, await planned(house, folder, count))
        return {"rate": rate, "followed": await _followed(house, count), "peak_mb": figures.peak_mb()}


async def planned(house: House, folder: Path, count: int) -> datetime:
    """When so many are due: a fifth of what is planned is due later, so that the window is open to the last."""
    await stage.plan(house, folder, count + count // 4)
    return await stage.when_due(house, count)


async def _followed(house: House, count: int) -> float:
    found = await house.store.read(stage.outcomes)
    return sum(number for what, number in found.items() if what.endswith("sms")) / count


# --- many workers, each a process ------------------------------------------------------------------------------------


MANY_LOOK_S = 0.1
"""How often it is looked whether all is settled: counting is work for the server that the workers share."""


def many(database: str, folder: str, count: int, workers: int) -> dict[str, float]:
    return asyncio.run(_many(database, Path(folder), count, workers))


async def _many(database: str, folder: Path, count: int, workers: int) -> dict[str, float]:
    async with stage.house(folder, database) as house, AsyncExitStack() as stack:
        until = await planned(house, folder, count)
        waiting = await house.store.read(lambda tx: stage.unsettled(tx, house, until))
        children = [await stack.enter_async_context(_child(database, folder, until, n)) for n in range(workers)]
        for child in children:
            assert child.stdin is not None
            child.stdin.write(b"go\n")
        left, started = waiting, time.perf_counter()
        seen_at = started
        while left:
            await asyncio.sleep(MANY_LOOK_S)
            before, left = left, await house.store.look(lambda tx: stage.unsettled(tx, house, until))
            seen_at = time.perf_counter() if left < before else seen_at
            is_stuck = time.perf_counter() - seen_at > stage.STUCK_S
            if is_stuck or any(child.returncode is not None for child in children):
                raise RuntimeError(f"{left} of {waiting} attempts are not settled")
        taken = time.perf_counter() - started
        return {"rate": waiting / taken, "followed": await _followed(house, count)}


@asynccontextmanager
async def _child(database: str, folder: Path, until: datetime, number: int) -> AsyncIterator[Process]:
    """A worker that is ready, and works from a line on its input to the end of that."""
    own = folder / f"worker{number}"
    own.mkdir()
    given = {"database": database, "folder": str(own), "until": until.isoformat()}
    command = (sys.executable, "-m", "benchmarks.apart", "benchmarks.work_b:beside", json.dumps(given))
    child = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=PIPE, stdout=PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        assert await child.stdout.readline() == b"ready\n"
        yield child
        child.stdin.close()
        await child.communicate()
    finally:
        with suppress(ProcessLookupError):
            child.kill()


def beside(database: str, folder: str, until: str) -> float:
    return asyncio.run(_beside(database, Path(folder), datetime.fromisoformat(until)))


async def _beside(database: str, folder: Path, until: datetime) -> float:
    async with stage.house(folder, database) as house:
        worker = Worker(house, {"mock": Fitted(stage.NoOp(), stage.NO_OP)}, folder.name)
        await worker.open()
        garbage.settle()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        house.clock.set(until)
        running = asyncio.create_task(worker.run())
        await asyncio.to_thread(sys.stdin.read)
        worker.stop()
        await running
        await worker.drain(10)
        await worker.close()
    return 0.0
