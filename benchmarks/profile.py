"""`python -m benchmarks.profile [sqlite|postgresql]`: where the time of work B goes, kept in benchmarks/profiles/.

pyinstrument looks a thousand times a second at what the event loop's thread does, waiting included.
"""

import asyncio
import re
import sys
from pathlib import Path

from pyinstrument import Profiler
from pyinstrument.renderers import ConsoleRenderer

from benchmarks import stage
from benchmarks.bases import bases

CALLS = 6_000
FOLDER = Path(__file__).parent / "profiles"


async def profiled(database: str, folder: Path) -> tuple[Profiler, float]:
    """Work B, from when its calls are due: the profile, and attempts settled a second."""
    async with stage.house(folder, database) as house:
        await stage.plan(house, folder, CALLS)
        at = await stage.when_due(house, CALLS)
        profiler = Profiler(interval=0.001, async_mode="disabled")
        profiler.start()
        rate = await stage.dial(house, at)
        profiler.stop()
    return profiler, rate


def _is_much(line: str) -> bool:
    """Whether it is no place of the tree, or one of 50 ms or more."""
    found = re.search(r"─ (\d+\.\d+) ", line)
    return found is None or float(found[1]) >= 0.05


def main(kind: str) -> None:
    with bases() as found, found.fresh(kind) as (database, folder):
        profiler, rate = asyncio.run(profiled(database, folder))
    FOLDER.mkdir(exist_ok=True)
    tree = profiler.output(ConsoleRenderer(unicode=True, color=False, show_all=True, timeline=False))
    shown = "\n".join(line.rstrip() for line in tree.splitlines() if line.strip() and _is_much(line))
    file = FOLDER / f"b-{kind}.txt"
    head = f"Work B on {kind}: {CALLS:,} calls, {rate:,.0f} settled a second while it was looked at.\n\n"
    file.write_text(head + shown + "\n", encoding="utf-8")
    print(f"written: {file}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "sqlite")
