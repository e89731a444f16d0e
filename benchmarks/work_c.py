"""Work C, planning: accounts and installments from CSV files, then a campaign's attempts."""

import asyncio
from pathlib import Path

from benchmarks import figures, same_rows, stage
from benchmarks.contender import Options, Work, ours

BY_HAND_MAX = 100_000
"""Attempts whose rows are kept in memory, to be written again."""


def work(options: Options) -> Work:
    count = options.size(2_000, 20_000, 100_000, 1_000_000)
    return Work(
        "C",
        f"C. Planning from CSV: {count:,} accounts, twice as many installments",
        "Files as a lender sends them, imported as `dialer import` does, then one campaign launched: rows a second, "
        "attempts planned a second, and the most memory that the process held. By hand: the rows of such a plan, from "
        "memory.",
        {"accounts": "accounts /s", "installments": "installments /s", "planned": "planned /s", "peak_mb": "peak MB"},
        [
            *ours("benchmarks.work_c:life", options, runs=1, count=count),
            *same_rows.contenders(options, "planning", min(count, BY_HAND_MAX), runs=1),
        ],
    )


def life(database: str, folder: str, count: int) -> dict[str, float]:
    return asyncio.run(_life(database, Path(folder), count))


async def _life(database: str, folder: Path, count: int) -> dict[str, float]:
    async with stage.house(folder, database) as house:
        found = await stage.plan(house, folder, count)
    return {**found, "peak_mb": figures.peak_mb()}
