"""Work E, backlog: the whole life of some calls while many more are planned for later."""

import asyncio
from pathlib import Path

from benchmarks import figures, stage
from benchmarks.apart import apart
from benchmarks.contender import Contender, Options, Work, ours

ROUNDS = (-4, -3, -2, -1)
"""Four rounds an account, one a day: what is due is a part of the first."""

SIZES = (
    (4_000, 12_000),
    (10_000, 300_000),
    (10_000, 300_000, 1_000_000),
    (10_000, 300_000, 1_000_000, 10_000_000),
)
"""As many planned, for quick, usual, long, full."""


def work(options: Options) -> Work:
    sizes = SIZES[options.level]
    due = options.size(500, 2_500)
    contenders = [
        Contender(f"{one.name}, {size:,} planned", one.database, one.function, {**one.values, "backlog": size}, 1)
        for size in sizes
        for one in ours("benchmarks.work_e:life", options, due=due)
    ]
    return Work(
        "E",
        f"E. Backlog: {due:,} calls due, many more planned",
        "Work B beside a growing plan. Planned in one process; the worker is another, and its memory is told.",
        {
            "rate": "settled /s",
            "resident_mb": "worker's MB after",
            "peak_mb": "worker's peak MB",
            "attempts": "planned",
        },
        contenders,
    )


def plan(database: str, folder: str, backlog: int) -> float:
    return asyncio.run(_plan(database, Path(folder), backlog))


async def _plan(database: str, folder: Path, backlog: int) -> float:
    async with stage.house(folder, database) as house:
        found = await stage.plan(house, folder, backlog // len(ROUNDS), days=ROUNDS)
    return found["attempts"]


def life(database: str, folder: str, backlog: int, due: int) -> dict[str, float]:
    planned = apart("benchmarks.work_e:plan", database=database, folder=folder, backlog=backlog)
    return asyncio.run(_life(database, Path(folder), due)) | {"attempts": planned}


async def _life(database: str, folder: Path, due: int) -> dict[str, float]:
    async with stage.house(folder, database) as house:
        rate = await stage.dial(house, due)
        return {"rate": rate, "resident_mb": figures.resident_mb(), "peak_mb": figures.peak_mb()}
