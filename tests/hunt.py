"""The hunt: hostile simulations from many seeds, each judged by the referee. `make hunt` runs it on two processes.

    python -m tests.hunt [--seeds 200] [--first 1] [--attempts 0] [--processes 2]
    python -m tests.hunt --replay SEED [--keep DIR]

A seed that finds something is printed as the command that replays it, to the byte; exit 1 then, or when fewer attempts
were simulated than asked for. The same seeds every time: fresh ones are for `make torture`.
"""

import argparse
import gc
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from tests.support import hunted

SEEDS, PROCESSES = 200, 2
SHOWN_S = 30.0


@dataclass(slots=True)
class Tally:
    """What was hunted, and what was found."""

    seeds: int = 0
    attempts: int = 0
    placed: int = 0
    checks: Counter[str] = field(default_factory=Counter)
    found: list[int] = field(default_factory=list)

    def take(self, seed: int, one: hunted.Hunted) -> None:
        self.seeds += 1
        self.attempts += one.attempts
        self.placed += one.placed
        self.checks.update(one.checks)
        if one.findings:
            self.found.append(seed)
            print(f"\nseed {seed}, {len(one.findings)} findings:", *one.findings[:10], sep="\n  ")
            print(f"  replay: python -m tests.hunt --replay {seed} --keep found-{seed}", flush=True)

    def told(self) -> str:
        return (
            f"{self.seeds} seeds, {self.attempts:,} attempts, {self.placed:,} placements, "
            f"{self.checks.total():,} checks, {len(self.found)} seeds with findings"
        )


def one_seed(seed: int, keep: Path | None = None) -> hunted.Hunted:
    """One seed in a folder of its own. Whatever it ends with is what it found."""
    with tempfile.TemporaryDirectory(prefix="hunt-") as scratch:
        folder = keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            return hunted.hunt(folder, seed)
        except Exception as error:  # noqa: BLE001 - a simulation that fails is a finding
            return hunted.Hunted(0, 0, {}, [f"the simulation failed: {type(error).__name__}: {error}"])


def spare_the_collector() -> None:
    """What is imported is never garbage, and a simulation makes few cycles: a twentieth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


def hunt(first: int, seeds: int, processes: int) -> Tally:
    """So many seeds from `first` on."""
    tally, shown_at = Tally(), time.monotonic()
    with ProcessPoolExecutor(processes, get_context("spawn"), spare_the_collector) as pool:
        running = {pool.submit(one_seed, seed): seed for seed in range(first, first + seeds)}
        for done in as_completed(running):
            tally.take(running[done], done.result())
            if time.monotonic() - shown_at > SHOWN_S:
                shown_at = time.monotonic()
                print(tally.told(), flush=True)
    return tally


def count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1 on")
    return int(text)


def main() -> None:
    words = argparse.ArgumentParser(prog="python -m tests.hunt", description=__doc__)
    words.add_argument("--seeds", type=count, default=SEEDS)
    words.add_argument("--first", type=int, default=1, metavar="SEED")
    words.add_argument("--attempts", type=int, default=0, help="so many at least, else exit 1")
    words.add_argument("--processes", type=count, default=PROCESSES)
    words.add_argument("--replay", type=int, metavar="SEED")
    words.add_argument("--keep", type=Path, metavar="DIR", help="of a replay: all that `dialer referee` reads")
    given = words.parse_args()
    if given.keep is not None and (given.replay is None or given.keep.is_file()):
        words.error("--keep names a folder, for --replay")
    if given.replay is not None:
        tally = Tally()
        tally.take(given.replay, one_seed(given.replay, given.keep))
    else:
        began_at = time.monotonic()
        tally = hunt(given.first, given.seeds, given.processes)
        print(f"{(time.monotonic() - began_at) / 60:.1f} min, ", end="")
    print(tally.told())
    if tally.attempts < given.attempts:
        print(f"fewer than {given.attempts:,} attempts: let it have more seeds or more people")
    sys.exit(1 if tally.found or tally.attempts < given.attempts else 0)


if __name__ == "__main__":
    main()
