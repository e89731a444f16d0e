"""Planning and dialing on SQLite (synchronous=FULL): stored accounts → durable attempts → placed → settled.

    PYTHONPATH=. python benchmarks/whole_life.py [ACCOUNTS]

The adapter does nothing and reports three events a call at once, so that what is measured is ours: facts, gate with
two packs, intent committed before placing, events ingested durably, outcome. Medians of three runs.
"""

import asyncio
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapters.contract import Event, EventKind, HookReply, HookRequest, Host, Order, Proof, Receipt, Spec
from adapters.mock import Settings as MockSettings
from dialer import check, garbage, intake, log, operate
from dialer.clock import SystemClock
from dialer.house import House
from dialer.planning import replan_persons
from dialer.store import Store, Tx
from dialer.store import attempts as attempt_store
from dialer.store import queues as queue_store
from dialer.store.schema import upgrade
from dialer.worker import Fitted, Worker
from tests.support.scene import ACCOUNTS_HEAD, CAMPAIGN, INSTALLMENTS_HEAD, SETTINGS, account, due

RUNS = 3
AT = datetime(2026, 1, 14, 1, 25, tzinfo=UTC)
"""When the clock of the benchmark starts: five minutes before the window opens in Shanghai."""


class ShiftedClock(SystemClock):
    """The machine's clock, moved, so that the benchmark's day is always the same."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = AT - super().now()

    def now(self) -> datetime:
        return super().now() + self.shift


class NoOp:
    """Takes everything and reports it at once."""

    async def open(self, host: Host) -> None:
        self._host = host

    async def close(self) -> None:
        """Nothing is open."""

    async def place(self, order: Order) -> Receipt:
        self._host.start(self._report(order))
        return Receipt(f"noop-{order.attempt_id}")

    async def _report(self, order: Order) -> None:
        now = self._host.now()
        kinds = ((EventKind.RINGING, ""), (EventKind.ANSWERED, ""), (EventKind.ENDED, "answered"))
        await self._host.record(
            [Event(kind, now, order.attempt_id, f"noop-{order.attempt_id}", disposition=end) for kind, end in kinds]
        )

    async def find(self, order: Order) -> list[Event]:
        return []

    async def hang_up(self, ref: str) -> None:
        """Calls end at once."""

    async def hook(self, request: HookRequest) -> HookReply:
        return HookReply(404)

    async def prove(self, callers: Mapping[str, frozenset[str]]) -> list[Proof]:
        return []


SPEC = Spec("noop", frozenset({"voice", "sms"}), True, MockSettings, lambda settings: NoOp())


async def measure(folder: Path, accounts: int) -> tuple[float, float, float]:
    """Rows imported, attempts planned and attempts settled, each a second."""
    fast = "calls_per_second = 10000\ncalls_at_once = 10000"
    text = SETTINGS.replace("calls_per_second = 20\ncalls_at_once = 200", fast).replace("unused.db", "bench.db")
    (folder / "dialer.toml").write_text(text, encoding="utf-8")
    settings = check.read_settings(folder / "dialer.toml", {})
    upgrade(settings.database)
    house = House(settings, ShiftedClock(), Store(settings.database))
    imported = await load(house, folder, accounts)
    window = CAMPAIGN.replace(
        'days = [-1]\nbetween = [["09:30", "11:30"]]', 'days = [-1]\nbetween = [["09:30", "11:29"]]'
    )
    (folder / "campaign.toml").write_text(window, encoding="utf-8")
    started = time.perf_counter()
    launched = await operate.launch(house, folder / "campaign.toml")
    assert launched.counts is not None
    planned = launched.counts.drafted / (time.perf_counter() - started)
    settled = await dial(house)
    await house.store.close()
    return imported, planned, settled


async def load(house: House, folder: Path, accounts: int) -> float:
    """Imports; returns rows a second over both files."""
    phones = [f"+86138{number:08d}" for number in range(accounts)]
    (folder / "accounts.csv").write_text(
        ACCOUNTS_HEAD + "".join(account(n, phone) for n, phone in enumerate(phones)), encoding="utf-8"
    )
    rows = "".join(due(n, "2026-01-15") + due(n, "2025-12-15", paid="2025-12-14") for n in range(accounts))
    (folder / "installments.csv").write_text(INSTALLMENTS_HEAD + rows, encoding="utf-8")
    started = time.perf_counter()
    for kind in ("accounts", "installments"):
        what = intake.KINDS[kind]
        for chunk in what.read(folder / f"{kind}.csv", "CN"):
            await house.store.write(
                lambda tx, what=what, chunk=chunk: what.load(
                    tx, chunk, house.clock.now(), lambda tx, persons, now: replan_persons(tx, house, persons, now)
                )
            )
    return 3 * accounts / (time.perf_counter() - started)


async def dial(house: House) -> float:
    """Half of a morning's window, due at once; returns attempts settled a second."""
    assert isinstance(house.clock, ShiftedClock)
    house.clock.shift += timedelta(hours=1, minutes=5)  # half of the window's slots are due now
    due_until = house.clock.now()
    waiting = await house.store.read(lambda tx: unsettled(tx, house, due_until))
    worker = Worker(house, {"mock": Fitted(NoOp(), SPEC)}, "bench")
    await worker.open()
    worker.lines.by_name["main"].ahead = timedelta(milliseconds=25)
    started = time.perf_counter()
    running = asyncio.create_task(worker.run())
    left = waiting
    while left:
        await asyncio.sleep(0.1)
        left = await house.store.read(lambda tx: unsettled(tx, house, due_until))
        assert time.perf_counter() - started < 120, f"{left} of {waiting} are not settled"
    taken = time.perf_counter() - started
    worker.stop()
    await running
    await worker.close()
    return waiting / taken


def unsettled(tx: Tx, house: House, due_until: datetime) -> int:
    """What was due at that instant and is still planned or running."""
    queues = [queue for one in house.launched(tx) for queue in one.queues]
    planned = sum(queue_store.waiting(tx, queue, due_until, due_until) for queue in queues)
    return planned + sum(len(calls) for calls in attempt_store.running_calls(tx).values())


def main(accounts: int) -> None:
    log.set_up("error")
    garbage.settle()  # as every command does
    found: list[Sequence[float]] = []
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            found.append(asyncio.run(measure(Path(folder), accounts)))
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()} {platform.release()}"
    print(f"{machine}; Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, synchronous=FULL")
    print(f"{accounts:,} accounts, median of {RUNS} runs (lowest to highest):")
    for name, values in zip(
        ("rows imported", "attempts planned", "attempts, whole life"), zip(*found, strict=True), strict=True
    ):
        print(f"  {name:22} {statistics.median(values):>9,.0f} a second ({min(values):,.0f} to {max(values):,.0f})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000)
