"""How long `dialer purge` takes on PostgreSQL for a month that is over: by its tables, and row by row as on SQLite.

    .venv/bin/python -m benchmarks.purge [--calls 20000] [--runs 2]

The calls are dialed first, as in work B, and the campaign is cancelled; then four years are over. The two alternate,
each in a database and a process of its own.
"""

import argparse
import asyncio
import time
from datetime import timedelta
from pathlib import Path
from statistics import median

from benchmarks import stage
from benchmarks.apart import apart
from benchmarks.bases import POSTGRESQL, bases
from benchmarks.work_b import planned
from dialer import months, operate, purge, record
from dialer.store import partitions, views

YEARS = timedelta(days=4 * 366)
WAYS = {"by its tables": months.KEPT_MAX, "row by row": -1}
"""How many attempts may stay of a month that goes by its tables; fewer than none: no month does."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=2)
    asked = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with bases() as made:
        for _ in range(asked.runs):
            for way, kept_max in WAYS.items():
                with made.fresh(POSTGRESQL) as (database, folder):
                    given = {"folder": str(folder), "count": asked.calls, "kept_max": kept_max}
                    found[way].append(apart("benchmarks.purge:over", database=database, **given))
    for way, runs in found.items():
        of = {name: median(run[name] for run in runs) for name in runs[0]}
        held = f", everybody waited {of['held_ms']:.0f} ms" if of["held_ms"] else ""
        told = f"{of['seconds']:.1f} s for {of['attempts']:,.0f} attempts and {of['rows']:,.0f} rows about them{held}"
        print(f"purge, {way}: {told} (median of {len(runs)})")


def over(database: str, folder: str, count: int, kept_max: int) -> dict[str, float]:
    months.KEPT_MAX = kept_max
    return asyncio.run(_over(database, Path(folder), count))


async def _over(database: str, folder: Path, count: int) -> dict[str, float]:
    async with stage.house(folder, database) as house:
        await stage.dial(house, await planned(house, folder, count))
        for campaign in await house.store.read(views.campaigns):
            await operate.set_status(house, campaign.name, "cancelled")
        assert isinstance(house.clock, stage.ShiftedClock)
        house.clock.set(house.clock.now() + YEARS)
        await record.seal(house, record.DESK)
        held = _watched()
        started = time.perf_counter()
        done = await purge.purge(house, purge.latest(house, purge.KEEP_DAYS), purge.KEEP_DAYS)
        seconds = time.perf_counter() - started
    rows = sum(done.counts.values()) - done.counts["attempts"]
    return {"seconds": seconds, "attempts": done.counts["attempts"], "rows": rows, "held_ms": max(held, default=0.0)}


def _watched() -> list[float]:
    """Gets the milliseconds from the asking for a month's tables to their being out of use; the commit follows."""
    found: list[float] = []
    hold, take_out, asked = partitions.hold, partitions.take_out, [0.0]

    def holding(*given: object) -> bool:
        asked[0] = time.perf_counter()
        return hold(*given)  # type: ignore[arg-type]

    def taking(*given: object) -> None:
        take_out(*given)  # type: ignore[arg-type]
        found.append((time.perf_counter() - asked[0]) * 1_000)

    partitions.hold, partitions.take_out = holding, taking
    return found


if __name__ == "__main__":
    main()
