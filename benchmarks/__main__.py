"""`python -m benchmarks [A B …]`: measures this dialer, its peers and the limit of the machine, in turn.

A dispatch, B whole life, C planning, D punctuality, E backlog, F hooks. Without letters: all, and RESULTS.md is
written anew.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import results, work_a, work_b, work_c, work_d, work_e, work_f
from benchmarks.apart import ROOT, Failed, apart
from benchmarks.bases import Bases, bases, filesystem
from benchmarks.contender import FULL, LONG, QUICK, USUAL, Contender, Options, Work

WORKS: dict[str, Callable[[Options], Work]] = {
    "A": work_a.work, "B": work_b.work, "C": work_c.work, "D": work_d.work, "E": work_e.work, "F": work_f.work,
}  # fmt: skip
PAGE = Path(__file__).parent / "RESULTS.md"
DATABASES = {"sqlite": ("sqlite",), "postgresql": ("postgresql",), "both": ("sqlite", "postgresql")}


def main() -> None:
    asked = _parser().parse_args()
    letters = [letter.upper() for letter in asked.works] or list(WORKS)
    if wrong := set(letters) - set(WORKS):
        sys.exit(f"benchmarks: no work is named {', '.join(sorted(wrong))}; there are {', '.join(WORKS)}")
    options = Options(asked.runs or (1 if asked.level == QUICK else 3), asked.level, DATABASES[asked.database])
    # As Ctrl-C does: the server must not outlive the run.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("benchmarks: ended"))
    started, load, tables = time.monotonic(), os.getloadavg(), []
    with bases() as found:
        for letter in letters:
            tables.append(measure(WORKS[letter](options), options, found))
            results.show(tables[-1])
        machine = results.machine(filesystem(found.folder), found.facts, _commit(), load)
    print(f"\n{time.monotonic() - started:,.0f} s\n" + "\n".join(machine))
    page = asked.out or (PAGE if set(letters) == set(WORKS) and asked.level != QUICK else None)
    if page is not None:
        command = " ".join(["python -m benchmarks", *sys.argv[1:]])
        results.write(page, tables, command, machine)
        print(f"written: {page}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("works", nargs="*", metavar="WORK", help="A to F")
    parser.add_argument("--runs", type=int, help="runs of each contender (3; 1 with --quick); long ones have one")
    parser.add_argument("--database", choices=DATABASES, default="both", help="this dialer's, and the limits'")
    for flag, level, told in (
        ("--quick", QUICK, "a little work, to see that it runs; no page is written"),
        ("--long", LONG, "20,000 attempts, 100,000 accounts, a backlog of a million: much longer"),
        ("--full", FULL, "1,000,000 accounts and a backlog of 10,000,000 as well: hours"),
    ):
        parser.add_argument(flag, dest="level", action="store_const", const=level, default=USUAL, help=told)
    parser.add_argument("--out", type=Path, help="where the page goes; without it only a run of all works has one")
    return parser


def measure(work: Work, options: Options, found: Bases) -> results.Table:
    """Run 1 of each contender, then run 2, so that what the machine does beside falls on all of them."""
    rows = [results.Row(one.name) for one in work.contenders]
    for run in range(options.runs):
        for one, row in zip(work.contenders, rows, strict=True):
            if row.skipped or run >= (one.runs or options.runs):
                continue
            began = time.monotonic()
            try:
                row.add(_once(one, found))
            except (Failed, RuntimeError) as error:
                row.skipped = str(error)
            told = f"skipped: {row.skipped}" if row.skipped else f"{time.monotonic() - began:.0f} s"
            print(f"{work.letter} run {run + 1}: {one.name}: {told}", file=sys.stderr, flush=True)
    return results.Table(work.title, work.told, work.columns, rows)


def _once(one: Contender, found: Bases) -> dict[str, float]:
    with found.fresh(one.database) as (url, folder):
        values: dict[str, float] = apart(one.function, database=url, folder=str(folder), **one.values)
        return values


def _commit() -> str:
    """Short, with `, changed` where the files are not those of the commit; empty where there is no repository."""
    words = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=, changed", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


if __name__ == "__main__":
    main()
