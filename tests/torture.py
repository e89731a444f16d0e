"""Goes on for as long as it is told: rounds of kills and rounds of simulation, each from a fresh seed.

`make torture MINUTES=… KILLS=…`. Every round that finds something is printed as the command that replays it; the run
ends with exit 1 then. A seed of kills draws the same moments again, but real processes run as the machine lets them.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from random import SystemRandom

from tests.hunt import one_seed
from tests.support.kills import KILLS_A_ROUND, kill_round
from tests.support.nursery import Nursery

SEEDS = 2**31
FOUND_MAX = 20
"""After so many findings more of the same helps nobody."""
SHOWN_S = 60.0


@dataclass
class Tally:
    """What was done, and the commands that replay what was found."""

    kills: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    simulations: int = 0
    attempts: int = 0
    found: list[str] = field(default_factory=list)

    def take(self, faults: list[str], replay: str) -> None:
        if faults:
            self.found.append(replay)
            print(f"\nFOUND {len(faults)}:", *faults, f"replay: {replay}", sep="\n  ", flush=True)

    def told(self) -> str:
        when = ", ".join(f"{count} at {moment}" for moment, count in sorted(self.kills.items()))
        return (
            f"{self.kills.total()} kills in {self.rounds} rounds ({when or 'none'}), "
            f"{self.simulations} simulations with {self.attempts:,} attempts, {len(self.found)} with findings"
        )


def killing(seed: int, kills: int, nursery: Nursery) -> tuple[list[str], Counter[str]]:
    """One round of kills. Its folder stays where something was found."""
    folder = Path(tempfile.mkdtemp(prefix=f"kills-{seed}-"))
    try:
        faults, killed = kill_round(folder, seed, kills, nursery)
    except Exception as error:  # noqa: BLE001 - as above
        faults, killed = [f"{type(error).__name__}: {error}"], Counter()
    if faults:
        return [*faults, f"files: {folder}"], killed
    shutil.rmtree(folder)
    return faults, killed


def torture(minutes: float, kills: int) -> Tally:
    """Kills in one process, simulations in another: at least so many minutes, and at least so many kills."""
    tally, seeds, began_at, shown_at = Tally(), SystemRandom(), time.monotonic(), 0.0
    nursery = Nursery()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        simulated = seeds.randrange(SEEDS)
        simulating = pool.submit(one_seed, simulated)
        while len(tally.found) < FOUND_MAX:
            seed = seeds.randrange(SEEDS)
            faults, killed = killing(seed, KILLS_A_ROUND, nursery)
            tally.rounds += 1
            tally.kills += killed
            tally.take(faults, f"python -m tests.torture --replay-kills {seed}")
            minutes_left = minutes - (time.monotonic() - began_at) / 60
            is_over = minutes_left <= 0 and tally.kills.total() >= kills
            if simulating.done() or is_over:
                one = simulating.result()
                tally.simulations, tally.attempts = tally.simulations + 1, tally.attempts + one.attempts
                tally.take(one.findings, f"python -m tests.hunt --replay {simulated} --keep found-{simulated}")
                simulated = seeds.randrange(SEEDS)
                simulating = pool.submit(one_seed, simulated) if not is_over else simulating
            if is_over:
                break
            if time.monotonic() - shown_at > SHOWN_S:
                shown_at = time.monotonic()
                print(f"{max(minutes_left, 0):.0f} min left at least: {tally.told()}", flush=True)
    nursery.close()
    return tally


def main() -> None:
    words = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    words.add_argument("--minutes", type=float, default=0.0, help="goes on for so long at least")
    words.add_argument("--kills", type=int, default=1000, help="and until it has killed so often")
    words.add_argument("--replay-kills", type=int, metavar="SEED")
    given = words.parse_args()
    if given.replay_kills is not None:
        nursery = Nursery()
        faults, _ = killing(given.replay_kills, KILLS_A_ROUND, nursery)
        nursery.close()
    else:
        tally = torture(given.minutes, given.kills)
        print(tally.told())
        faults = tally.found
    print(*faults or ["nothing found"], sep="\n")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
