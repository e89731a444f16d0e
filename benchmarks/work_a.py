"""Work A, dispatch: attempts due at once, each durable before and after a no-op provider call."""

import asyncio
from pathlib import Path

from benchmarks import by_hand, figures, peers, same_rows, stage
from benchmarks.contender import Options, Work, ours


def work(options: Options) -> Work:
    count = options.size(1_000, 10_000, 20_000)
    limit = options.size(5_000, 20_000)
    return Work(
        "A",
        f"A. Dispatch: {count:,} attempts due at once",
        "Planned ahead, then each durable before and after a no-op call of the provider. This dialer: text messages, "
        f"with its facts and its gate, which it has no way to leave out. By hand: {limit:,}, in narrow tables made for "
        "it, and in this dialer's own (our tables).",
        {"rate": "dispatched /s", "planned": "planned /s", "peak_mb": "peak MB"},
        [
            *ours("benchmarks.work_a:life", options, count=count),
            *peers.dispatch(options, count),
            *by_hand.contenders(options, "dispatch", limit),
            *same_rows.contenders(options, "dispatch", limit),
        ],
    )


def life(database: str, folder: str, count: int) -> dict[str, float]:
    return asyncio.run(_life(database, Path(folder), count))


async def _life(database: str, folder: Path, count: int) -> dict[str, float]:
    async with stage.house(folder, database) as house:
        found = await stage.plan(house, folder, count, content=stage.MESSAGES)
        rate = await stage.dial(house, await stage.when_due(house, count))
    return {"rate": rate, "planned": found["planned"], "peak_mb": figures.peak_mb()}
