"""Work B, whole life: dispatch, and the facts, the gate, four events a call, the outcome, what follows."""

import asyncio
from pathlib import Path

from benchmarks import by_hand, figures, stage
from benchmarks.contender import Options, Work, ours


def work(options: Options) -> Work:
    count = options.size(500, 3_000, 20_000)
    limit = options.size(5_000, 20_000)
    return Work(
        "B",
        f"B. Whole life: {count:,} calls due at once",
        "Facts, gate with two packs, intent durable before placing, four events a call each durable before the next, "
        f"outcome, a follow-up for three in ten. By hand: the rows of {limit:,} calls, and nothing is decided.",
        {"rate": "settled /s", "followed": "follow-ups a call", "peak_mb": "peak MB"},
        [
            *ours("benchmarks.work_b:life", options, count=count),
            *by_hand.contenders(options, "whole_life", limit),
        ],
    )


def life(database: str, folder: str, count: int) -> dict[str, float]:
    return asyncio.run(_life(database, Path(folder), count))


async def _life(database: str, folder: Path, count: int) -> dict[str, float]:
    async with stage.house(folder, database) as house:
        await stage.plan(house, folder, count)
        rate = await stage.dial(house, await stage.when_due(house, count))
        found = await house.store.read(stage.outcomes)
    follow_ups = sum(number for what, number in found.items() if what.endswith("sms"))
    return {"rate": rate, "followed": follow_ups / count, "peak_mb": figures.peak_mb()}
