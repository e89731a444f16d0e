"""Work E, backlog: the whole life of some calls while many more are planned for later."""

import asyncio
from datetime import datetime
from pathlib import Path

from benchmarks import figures, stage
from benchmarks.apart import apart
from benchmarks.contender import Contender, Options, Work, ours

ROUNDS = (-4, -3, -2, -1)
"""Four rounds an account, one a day: what is due is a part of the first."""

SIZES = (
    (4_000, 12_000),
    (10_000, 100_000),
    (10_000, 300_000, 1_000_000),
    (10_000, 300_000, 1_000_000, 10_000_000),
)
"""As many planned, for quick, usual, long, full."""


def work(options: Options) -> Work:
    sizes = SIZES[options.level]
    due = options.size(500, 2_500)
    contenders = [
        Contender(
            f"{one.name}, {size:,} planned",
            one.database,
            one.function,
            {**one.values, "backlog": size},
            runs(size, options),
        )
        for size in sizes
        for one in ours("benchmarks.work_e:life", options, due=due)
    ]
    return Work(
        "E",
        f"E. Backlog: {due:,} calls due, many more planned",
        "Work B beside a growing plan. Planned in one process and then on the disk; the worker is another, and its "
        "memory is told.",
        {
            "rate": "settled /s",
            "resident_mb": "worker's MB after",
            "peak_mb": "worker's peak MB",
            "attempts": "planned",
        },
        contenders,
    )


def runs(size: int, options: Options) -> int:
    """Millions take minutes to plan."""
    return 1 if size >= 1_000_000 else options.runs


def plan(database: str, folder: str, backlog: int, due: int) -> tuple[float, str]:
    return asyncio.run(_plan(database, Path(folder), backlog, due))


async def _plan(database: str, folder: Path, backlog: int, due: int) -> tuple[float, str]:
    """Attempts planned, and when `due` of them are due: that is looked for here, where it fills no worker's memory."""
    async with stage.house(folder, database) as house:
        found = await stage.plan(house, folder, backlog // len(ROUNDS), days=ROUNDS)
        await stage.rest(house)
        return found["attempts"], (await stage.when_due(house, due)).isoformat()


def life(database: str, folder: str, backlog: int, due: int) -> dict[str, float]:
    planned, until = apart("benchmarks.work_e:plan", database=database, folder=folder, backlog=backlog, due=due)
    return asyncio.run(_life(database, Path(folder), datetime.fromisoformat(until))) | {"attempts": planned}


async def _life(database: str, folder: Path, until: datetime) -> dict[str, float]:
    async with stage.house(folder, database) as house:
        rate = await stage.dial(house, until)
        return {"rate": rate, "resident_mb": figures.resident_mb(), "peak_mb": figures.peak_mb()}
