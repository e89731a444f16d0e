"""`dialer simulate`: the real engine on a virtual clock, the mock carrier and a database of its own.

The same planning, gate, dialing, inbound and reconcile code runs; only time, network and disk are simulated.
One seed gives one course of events, to the byte.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from adapters.mock import ADAPTER, MockAdapter
from adapters.mock import Settings as MockSettings
from config.files import Fault
from config.settings import Settings
from dialer import intake, operate, record, sweep
from dialer.clock import VirtualClock, run_virtual
from dialer.errors import InvalidInput
from dialer.house import House
from dialer.planning import replan_persons
from dialer.roster import Chunk, Installment
from dialer.store import InlineStore, Tx
from dialer.store.schema import create
from dialer.worker import Fitted, Worker

FAULTS = {"none": 0.0, "mild": 0.02, "hostile": 0.2}
"""Share of placements that meet a mishap of the network."""
GATHER = timedelta(seconds=120)
"""Due attempts and news wait so long for company: virtual seconds cost nothing, transactions do."""
SETTLING = timedelta(hours=1)
"""After the last day: what was lost is settled by its deadline."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """What to simulate: both days included, in the lender's zone."""

    settings: Settings
    campaign: Path
    accounts: Path
    installments: Path
    first: date
    last: date
    seed: int = 1
    faults: str = "none"
    journal: Path | None = None
    suppressions: Path | None = None


Progress = Callable[[date], None]


def simulate(what: Simulation, then: Callable[[House, Tx], Any], progress: Progress = lambda day: None) -> Any:
    """Runs the simulation, then `then(house, tx)` on what it left, and returns that. `progress` hears of each day."""
    start = datetime.combine(what.first, time(), ZoneInfo(what.settings.lender.time_zone))
    return run_virtual(start, lambda clock: _run(what, clock, then, progress))


async def _run(what: Simulation, clock: VirtualClock, then: Callable[[House, Tx], Any], progress: Progress) -> Any:
    store = InlineStore()
    create(store)
    house = House(what.settings, clock, store)
    await _load(house, "accounts", what.accounts, lambda chunk: chunk)
    later: dict[date, list[tuple[Any, Installment]]] = defaultdict(list)
    await _load(house, "installments", what.installments, lambda chunk: _without_later(chunk, what.first, later))
    if what.suppressions is not None:
        await _load(house, "suppressions", what.suppressions, lambda chunk: chunk)
    await operate.launch(house, what.campaign)
    mock = MockAdapter(
        MockSettings(**{**what.settings.adapters.get("mock", {}), "seed": what.seed, "journal": what.journal,
                        "faults": FAULTS[what.faults], "carrier": None})
    )  # fmt: skip
    fitted = Fitted(mock, ADAPTER)
    names = {line.adapter for line in what.settings.lines.values()}
    worker = Worker(house, dict.fromkeys(names, fitted), "simulation", poll=timedelta(days=1), gather=GATHER)
    await worker.open()
    running = asyncio.create_task(worker.run())
    await _days(house, what, later, worker, progress)
    worker.stop()
    await running
    await worker.drain(SETTLING.total_seconds())
    await worker.close()
    await record.seal(house, worker.name)
    return store.run(lambda tx: then(house, tx))


async def _load(house: House, kind: str, path: Path, change: Callable[[Any], Any]) -> None:
    """Imports a file as `dialer import --strict` does: a bad row ends the simulation before it begins."""
    what: intake.Kind[Any] = intake.KINDS[kind]
    faults: list[Fault] = []
    for chunk in what.read(path, house.settings.lender.country):
        wanted = change(chunk)
        found = await house.store.write(partial(what.load, chunk=wanted, now=house.clock.now(), touched=_untouched))
        faults += [fault for reject in found.rejects for fault in reject.faults(path)]
    if faults:
        raise InvalidInput(faults)


def _untouched(tx: Tx, persons: set[str], now: datetime) -> None:
    """Nothing is planned before the launch."""


def _without_later(
    chunk: Chunk[Installment], first: date, later: dict[date, list[tuple[Any, Installment]]]
) -> Chunk[Installment]:
    """Payments after the first day are not known yet: they are delivered on their day."""
    good = []
    for row, value in chunk.good:
        if value.paid_on is not None and value.paid_on > first:
            later[value.paid_on].append((row, value))
            value = value._replace(paid_on=None, paid_amount=Decimal(0))
        good.append((row, value))
    return replace(chunk, good=good)


async def _days(
    house: House, what: Simulation, later: dict[date, list[tuple[Any, Installment]]], worker: Worker, progress: Progress
) -> None:
    """The bells of each day, as the daemon's scheduler rings them."""
    day = what.first
    while day <= what.last:
        progress(day)
        await _until(house, day, time(0, 1))
        await _deliver(house, later.get(day, ()))
        await _until(house, day, time(0, 5))
        await sweep.daily(house)
        worker.wake.set()
        for hour in range(1, 24):
            await _until(house, day, time(hour))
            await sweep.expire(house)
            await record.seal(house, worker.name)
        day += timedelta(days=1)
    await _until(house, day, time())


async def _until(house: House, day: date, at: time) -> None:
    await house.clock.sleep_until(datetime.combine(day, at, house.zone))


async def _deliver(house: House, rows: Iterable[tuple[Any, Installment]]) -> None:
    """The payments of a day, as an import of that day's file."""
    good = list(rows)
    now = house.clock.now()
    for start in range(0, len(good), 500):
        chunk: Chunk[Installment] = Chunk(good[start : start + 500], [])

        def load(tx: Tx, chunk: Chunk[Installment] = chunk) -> None:
            intake.KINDS["installments"].load(
                tx, chunk, now, lambda tx, persons, at: replan_persons(tx, house, persons, at)
            )

        await house.store.write(load)
