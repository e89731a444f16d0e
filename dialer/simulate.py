"""`dialer simulate`: the real engine on a virtual clock, the mock carrier and a database of its own.

The same planning, gate, dialing, inbound, reconcile and store code runs; only time, network and disk are simulated.
One seed gives one course of events, to the byte, whatever goes wrong in it (`dialer.simulated`).
"""

import asyncio
import shutil
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

from adapters.mock import ADAPTER, MockAdapter
from adapters.mock import Settings as MockSettings
from config.files import Fault
from config.settings import Settings
from dialer import intake, record, sweep
from dialer.clock import VirtualClock, run_virtual
from dialer.errors import InvalidInput
from dialer.house import House
from dialer.roster import Installment
from dialer.simulated.diary import Diary
from dialer.simulated.levels import LEVELS, Level
from dialer.simulated.life import Life
from dialer.simulated.network import Network, Wire
from dialer.simulated.trouble import Trouble
from dialer.store import InlineStore, Tx
from dialer.store.schema import create
from dialer.worker import Fitted, Worker

FAULTS = tuple(LEVELS)
"""The levels of `--faults`."""
GATHER = timedelta(seconds=120)
"""Due attempts and news wait so long for company: virtual seconds cost nothing, transactions do."""
COMPANY_S = (2.0, 100.0)
"""Less company where the order of events is what is looked for: between these, as the seed says."""
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
    level: Level | None = None
    """How much goes wrong; None: as `faults` says."""


Progress = Callable[[date], None]


def simulate(
    what: Simulation, then: Callable[[House, Tx], Any], progress: Progress = lambda day: None,
    folder: Path | None = None,
) -> Any:  # fmt: skip
    """Runs the simulation, then `then(house, tx)` on what it left, and returns that. `progress` hears of each day.

    Into `folder` go actions.jsonl and network.jsonl: what happened outside the engine.
    """
    start = datetime.combine(what.first, time(), ZoneInfo(what.settings.lender.time_zone))
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(TemporaryDirectory()))
        return run_virtual(start, lambda clock: _run(what, clock, then, progress, scratch, folder))


async def _run(
    what: Simulation, clock: VirtualClock, then: Callable[[House, Tx], Any], progress: Progress, scratch: Path,
    folder: Path | None,
) -> Any:  # fmt: skip
    store = InlineStore()
    create(store)
    world = _World(what, House(what.settings, clock, store), scratch, progress)
    await world.begin()
    await (world.calm() if world.level.is_calm else world.troubled())
    if folder is not None:
        world.diary.write(folder)
    return store.run(lambda tx: then(world.house, tx))


@dataclass(slots=True)
class _World:
    """One simulation while it runs."""

    what: Simulation
    house: House
    scratch: Path
    progress: Progress
    diary: Diary = field(default_factory=Diary)
    level: Level = field(init=False)
    network: Network = field(init=False)
    carrier: MockAdapter = field(init=False)
    life: Life = field(init=False)
    later: dict[date, list[Installment]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        what, clock = self.what, self.house.clock
        assert isinstance(clock, VirtualClock)
        self.level = what.level or LEVELS[what.faults]
        options = {"seed": what.seed, "journal": what.journal, "faults": self.level.mishaps, "carrier": None}
        self.carrier = MockAdapter(MockSettings(**{**what.settings.adapters.get("mock", {}), **options}))
        self.network = Network(self.carrier, ADAPTER, clock, self.level, what.seed, self.diary)
        self.life = Life(self.house, what.campaign, self.scratch, what.seed, self.diary, lambda: None)

    async def begin(self) -> None:
        """Imports and launches. A bad row ends the simulation before it begins, as `dialer import --strict` does."""
        what = self.what
        await self.life.import_accounts(self._read("accounts", what.accounts))
        rows = self._read("installments", what.installments)
        await self.life.import_installments([self._known_by(one, what.first) for one in rows])
        if what.suppressions is not None:
            await self.life.import_suppressions(self._read("suppressions", what.suppressions))
        shutil.copy(what.campaign, self.scratch)
        await self.life.launch(what.campaign.read_text(encoding="utf-8-sig"))
        await self.carrier.open(self.network)

    def _read(self, kind: str, path: Path) -> list[Any]:
        rows, faults = [], list[Fault]()
        for chunk in intake.KINDS[kind].read(path, self.house.settings.lender.country):
            rows += [value for _, value in chunk.good]
            faults += [fault for reject in chunk.rejects for fault in reject.faults(path)]
        if faults:
            raise InvalidInput(faults)
        return rows

    def _known_by(self, one: Installment, day: date) -> Installment:
        """Payments after the first day are not known yet: they are delivered on their day."""
        if one.paid_on is None or one.paid_on <= day:
            return one
        self.later[one.paid_on].append(one)
        return one._replace(paid_on=None, paid_amount=Decimal(0))

    async def calm(self) -> None:
        """One worker, and nothing goes wrong."""
        names = {line.adapter for line in self.what.settings.lines.values()}
        fitted = Fitted(Wire(self.network), ADAPTER)
        worker = Worker(self.house, dict.fromkeys(names, fitted), "simulation", poll=timedelta(days=1), gather=GATHER)
        await worker.open()
        running = asyncio.create_task(worker.run())
        async for day in self._days():
            await sweep.daily(self.house)
            worker.wake.set()
            for hour in range(1, 24):
                await self._until(day, time(hour))
                await sweep.expire(self.house)
                await record.seal(self.house, worker.name)
        worker.stop()
        await running
        await worker.drain(SETTLING.total_seconds())
        await worker.close()
        await record.seal(self.house, worker.name)

    async def troubled(self) -> None:
        """Machines that fail under a worker, while the lender and the operator go on."""
        trouble = Trouble(self.what.seed, self.level, self.house, self.network, self.life, self._gather())
        trouble.begin(self._midnight(self.what.last))
        async for _ in self._days():
            pass
        await trouble.settle()

    def _gather(self) -> timedelta:
        least, most = COMPANY_S
        return timedelta(seconds=least * (most / least) ** Random(f"{self.what.seed}|gather").random())

    async def _days(self) -> Any:
        day = self.what.first
        while day <= self.what.last:
            self.progress(day)
            await self._until(day, time(0, 1))
            if self.later[day]:
                await self.life.import_installments([self._as_paid(one) for one in self.later[day]])
            await self._until(day, time(0, 5))
            yield day
            day += timedelta(days=1)
        await self._until(day, time())

    def _as_paid(self, one: Installment) -> Installment:
        """The row of that day's file: the lender's books may have moved on otherwise."""
        known = self.life.books.installments[one[:2]]
        return known if known.paid_amount >= one.paid_amount else one

    async def _until(self, day: date, at: time) -> None:
        await self.house.clock.sleep_until(datetime.combine(day, at, self.house.zone))

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day + timedelta(days=1), time(), self.house.zone)
