"""`dialer plan` from files for 100,000 accounts: makes the files, times the real command, prints time and peak memory.

    .venv/bin/python -m benchmarks.plan [--accounts 100000] [--keep DIR]

Exits 1 where it takes more than what issue 2 asks for.
"""

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, sleep

from dialer.demo import write_portfolio, write_samples

ROOT = Path(__file__).resolve().parent.parent
LIMIT_S, LIMIT_MB = 10.0, 500.0
"""What issue 2 asks for, with 100,000 accounts."""
ACCOUNTS_PER_BORROWER = 1.05
FIRST, LAST = "2026-01-13", "2026-02-13"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, help="where to leave the files")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder: Path = asked.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        accounts, installments = write_portfolio(folder, round(asked.accounts / ACCOUNTS_PER_BORROWER), seed=1)
        count = _lines(accounts) - 1
        seconds, cpu_s, megabytes, rows = _measure(folder, accounts, installments)
    print(
        f"plan: {count:,} accounts, {rows:,} rows in {seconds:.1f} s ({cpu_s:.1f} s of CPU), {megabytes:.0f} MB at most"
    )
    print(f"machine: {platform.platform()}, {os.cpu_count()} CPUs, Python {platform.python_version()}")
    if asked.accounts <= 100_000 and (seconds > LIMIT_S or megabytes > LIMIT_MB):
        sys.exit(f"plan: over the limit of {LIMIT_S:.0f} s or {LIMIT_MB:.0f} MB")


def _measure(folder: Path, accounts: Path, installments: Path) -> tuple[float, float, float, int]:
    """Seconds, CPU seconds, peak megabytes of all its processes, and rows of one run of the command."""
    config, campaign = write_samples(folder)
    rows = folder / "plan.csv"
    command = [
        sys.executable, "-m", "dialer", "plan", str(campaign), "--config", str(config), "--from", FIRST, "--to", LAST,
        "--accounts", str(accounts), "--installments", str(installments), "--csv", str(rows),
    ]  # fmt: skip
    began, peak_kb = perf_counter(), 0
    with subprocess.Popen(command, cwd=ROOT) as process:
        while process.poll() is None:
            peak_kb = max(peak_kb, _resident_kb(process.pid))
            sleep(0.5)  # a look into a process takes it milliseconds
    seconds = perf_counter() - began
    if process.returncode:
        sys.exit(f"plan: ended with {process.returncode}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, used.ru_utime + used.ru_stime, peak_kb / 1024, _lines(rows) - 1


def _resident_kb(pid: int) -> int:
    """Of the process and those it forked; a page that several share counts once. 0 for one that has just ended."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    own = sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return own + sum(_resident_kb(int(child)) for child in children)


def _lines(path: Path) -> int:
    with path.open(encoding="utf-8") as lines:
        return sum(1 for _ in lines)


if __name__ == "__main__":
    main()
