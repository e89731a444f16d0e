"""How much disk an attempt takes: simulates the demo's month and looks at the database that it leaves.

    .venv/bin/python -m benchmarks.disk [--borrowers 5000]

Everything is counted with the attempt: its verdicts, events, promises, tasks and indexes. Nothing is deleted in
the daemon's database, so this is also how it grows.
"""

import argparse
import os
import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path

from dialer import check, log
from dialer.demo import FIRST, LAST, write_portfolio, write_samples
from dialer.house import House
from dialer.simulate import Simulation, simulate
from dialer.store import Tx

BEFORE = date(2025, 6, 1)
"""A day on which nothing of the portfolio is planned yet: what it leaves is the roster alone."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--borrowers", type=int, default=5_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        config, campaign = write_samples(folder)
        accounts, installments = write_portfolio(folder, asked.borrowers, seed=1)
        settings = check.read_settings(config, {k: v for k, v in os.environ.items() if not k.startswith("DIALER_")})
        log.set_up("error")
        month = Simulation(settings, campaign, accounts, installments, FIRST, LAST)
        roster, people, _ = simulate(replace(month, first=BEFORE, last=BEFORE), _size)
        whole, _, attempts = simulate(month, _size)
    print(f"disk: roster of {people:,} accounts {roster / 1e6:.1f} MB, {roster / people:,.0f} bytes an account")
    print(f"disk: {attempts:,} attempts {(whole - roster) / 1e6:.1f} MB, {(whole - roster) / attempts:,.0f} bytes each")


def _size(house: House, tx: Tx) -> tuple[int, int, int]:
    """Bytes in use, accounts, attempts."""

    def number(statement: str) -> int:
        return int(tx.exec_driver_sql(statement).scalar_one())

    pages = number("PRAGMA page_count") - number("PRAGMA freelist_count")
    accounts, attempts = number("SELECT count(*) FROM accounts"), number("SELECT count(*) FROM attempts")
    return pages * number("PRAGMA page_size"), accounts, attempts


if __name__ == "__main__":
    main()
