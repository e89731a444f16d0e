"""`dialer simulate` at level none: attempts that reached an end, a second of CPU, in one process.

    PYTHONPATH=. python benchmarks/simulate.py [BORROWERS]

The demo's portfolio, settings and campaign over January 2026, with the carrier's journal on the disk. An attempt counts
when it is settled, blocked, expired or cancelled; the settled ones are told apart. CPU time, for other work on the
machine counts less in it; reading and loading the files is inside. Median of three.

Issue 5 asks for 3,000 a second. Measured on 2026-11-28, two cores shared with five others (they make it slower, and
unsteady), 2,000 borrowers: 273 ended a second (214 to 276), 136 settled; before statements were prepared 153 and 76.

What limits it, shares of one run under cProfile (which makes Python's calls look dearer than they are):

| part of the work                                     | share |   | where the time itself goes | share |
| - | - | - | - | - |
| news written: `inbound.ingest`                       |  22 % |   | Python's built-ins, stdlib | 16 %  |
| claims: facts, gate, intent: `Claim.run`             |  20 % |   | SQLite's own code          | 16 %  |
| every person planned anew each day: `plan_all`       |  17 % |   | SQLAlchemy, transactions   | 13 %  |
| persons planned anew after news (part in `ingest`)   |   7 % |   | `store/prepared.py`        |  8 %  |
| the carrier's calls: `Call.run`                      |   6 % |   | asyncio                    |  6 %  |
| hand-over: `_place` 4 %, last look 4 %, seals 4 %    |  12 % |   | `diff.py`                  |  5 %  |

Much of it is paid a turn, an hour or a day and not an attempt, so larger portfolios are faster an attempt.
"""

import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path

from dialer import check, demo, log
from dialer.house import House
from dialer.simulate import Simulation, simulate
from dialer.store import Tx
from dialer.store.status_rows import progress

RUNS = 3
ENDED = frozenset({"settled", "blocked", "expired", "cancelled"})


def measure(folder: Path, borrowers: int) -> tuple[float, float, int]:
    """Attempts ended and attempts settled, each a second of CPU; how many ended."""
    config, campaign = demo.write_samples(folder)
    accounts, installments = demo.write_portfolio(folder, borrowers, demo.SEED)
    settings = check.read_settings(config, {})
    journal = folder / "journal.jsonl"
    what = Simulation(settings, campaign, accounts, installments, demo.FIRST, demo.LAST, demo.SEED, "none", journal)
    started = time.process_time()
    ended, settled = simulate(what, count)
    taken = time.process_time() - started
    return ended / taken, settled / taken, ended


def count(house: House, tx: Tx) -> tuple[int, int]:
    """(ended, settled)"""
    rows = [row for each in progress(tx).values() for row in each]
    ended = sum(row.attempts for row in rows if row.state in ENDED)
    return ended, sum(row.attempts for row in rows if row.state == "settled")


def main(borrowers: int) -> None:
    log.set_up("error")
    found: list[tuple[float, float, int]] = []
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            found.append(measure(Path(folder), borrowers))
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()} {platform.release()}"
    print(f"{machine}; Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, one process")
    print(f"{borrowers:,} borrowers, a month, {found[0][2]:,} attempts; median of {RUNS} runs (lowest to highest):")
    for name, values in (("attempts ended", [one[0] for one in found]), ("settled", [one[1] for one in found])):
        print(
            f"  {name:15} {statistics.median(values):>7,.0f} a second of CPU ({min(values):,.0f} to {max(values):,.0f})"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000)
