"""What every command and the daemon stand on: settings, clock, store, and the launched campaigns."""

import asyncio
import tomllib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from campaigns.file import Campaign
from campaigns.gate import CLOCK_OFF_MAX_S
from campaigns.model import Channel
from campaigns.optout import STOP_WORDS
from campaigns.rulebook import Rulebook
from campaigns.ruleset import Ruleset
from campaigns.script import offers_stop
from config.settings import Settings
from dialer import check, mark
from dialer.clock import Clock, DisciplinedClock, SystemClock
from dialer.errors import InvalidInput
from dialer.log import log
from dialer.store import InlineStore, Store, Tx, optouts, partitions, sqlite_file
from dialer.store import campaigns as campaign_store
from dialer.store.addresses import refuse_without_folder
from dialer.store.schema import create, upgrade


@dataclass(frozen=True, slots=True)
class Launched:
    """A launched campaign with the version of its file in force, read and compiled."""

    campaign_id: int
    name: str
    status: str
    version: int
    file: Campaign
    book: Rulebook
    ring_s: float
    stops: dict[str, bool]
    """script → whether a key of it ends all contact, as far as it was asked."""

    @property
    def queues(self) -> list[tuple[int, str, int]]:
        """(campaign id, channel, priority) of all that this campaign may send."""
        priorities = sorted({segment.priority for segment in self.file.segment}, reverse=True)
        return [(self.campaign_id, channel.value, p) for p in priorities for channel in Channel if self.lines(channel)]

    def rules(self, accounts: Sequence[Any], country: str, more: tuple[str, ...] = ()) -> Ruleset:
        """The rules for an attempt about these accounts (rows with a region) on a number of this country; `more`: names
        of its line's packs."""
        if len(accounts) == 1:
            return self.book.of((accounts[0].region,), country, more)
        return self.book.of(tuple(sorted({account.region for account in accounts})), country, more)

    def offers_stop(self, script: str) -> bool:
        """Whether a key of this script ends all contact."""
        if script not in self.stops:
            self.stops[script] = offers_stop(self.file.script[script])
        return self.stops[script]

    def lines(self, channel: str) -> tuple[str, ...]:
        return self.file.lines.voice if channel == Channel.VOICE else self.file.lines.sms


@dataclass(slots=True)
class House:
    """One installation: built once per process, handed to everything that works."""

    settings: Settings
    clock: Clock
    store: Store
    _compiled: dict[tuple[int, int], tuple[Campaign, Rulebook, float, dict[str, bool]]] = field(default_factory=dict)
    _stop_words: frozenset[str] | None = None
    _line_packs: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)

    def beside(self, clock: Clock, store: Store) -> "House":
        """Another process of the same installation, in a simulation: what was compiled is shared."""
        return House(self.settings, clock, store, self._compiled)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.settings.lender.time_zone)

    @property
    def party(self) -> str:
        """Who we are to the rules that count contacts: `creditor`, or one of its `agents`."""
        return "creditor" if self.settings.lender.actor == "creditor" else "agents"

    @property
    def stop_words(self) -> frozenset[str]:
        """Texts that mean stop: those known everywhere, and those of every pack."""
        if self._stop_words is None:
            try:
                self._stop_words = STOP_WORDS | check.load_book(self.settings, None).stop_words
            except InvalidInput as error:
                # A STOP must be heard whatever became of a pack's file.
                log.error("packs_unreadable", hint="only the stop words known everywhere count", error=str(error))
                return STOP_WORDS
        return self._stop_words

    def line_packs(self, one: Launched, channel: str) -> tuple[str, ...]:
        """Names of the packs of all lines that a campaign may take: what facts are loaded for."""
        names = one.lines(channel)
        if (known := self._line_packs.get(names)) is None:
            lines = (self.settings.lines.get(name) for name in names)
            known = self._line_packs[names] = tuple(
                dict.fromkeys(pack for line in lines if line for pack in line.packs)
            )
        return known

    def is_clock_off(self) -> bool:
        """Whether the clock is known to be wrong, or was just set: then nothing is dialed, closed or given up."""
        return self.clock.off_s() > CLOCK_OFF_MAX_S

    def today(self, now: datetime) -> date:
        """The lender's date."""
        return now.astimezone(self.zone).date()

    def launched(self, tx: Tx) -> list[Launched]:
        """Every campaign that is not cancelled, at its version in force."""
        return [self.version(tx, row.campaign_id, row.version, row.name, row.status)
                for row in campaign_store.every(tx) if row.status != "cancelled"]  # fmt: skip

    def version(self, tx: Tx, campaign_id: int, version: int, name: str = "", status: str = "") -> Launched:
        """One version of a campaign, from memory after the first time: a frozen file never changes."""
        key = (campaign_id, version)
        if key not in self._compiled:
            file = Campaign.model_validate(tomllib.loads(campaign_store.text_of(tx, campaign_id, version)))
            self._compiled[key] = (file, check.load_book(self.settings, file), self.ring_s(file), {})
        file, book, ring_s, stops = self._compiled[key]
        return Launched(campaign_id, name or file.name, status, version, file, book, ring_s, stops)

    def ring_s(self, file: Campaign) -> float:
        """Seconds a call may ring: the longest of the campaign's lines, so that any of them fits the window."""
        return max((self.settings.lines[line].ring_timeout.total_seconds() for line in file.lines.voice), default=0.0)


async def add_months(house: House) -> None:
    """Where tables are divided by months: the next ones, before anything is planned for them."""
    if not house.store.is_shared:
        return
    today = house.today(house.clock.now())
    missing = await house.store.look(lambda tx: partitions.missing(tx, today))
    if missing:
        await house.store.write(lambda tx: partitions.add(tx, today))


@asynccontextmanager
async def without_database(settings: Settings) -> AsyncIterator[House]:
    """A house over a database in memory, with nothing in it: as it would be, had it been made. Raises DialerError where
    it could not be made."""
    mark.refuse_where_gone(settings.database)
    if (file := sqlite_file(settings.database)) is not None:
        refuse_without_folder(file)
    store = InlineStore()
    create(store)
    try:
        yield House(settings, SystemClock(), store)
    finally:
        await store.close()


@asynccontextmanager
async def open_house(settings: Settings, makes: bool = True, holds: bool = False) -> AsyncIterator[House]:
    """The house of one process on the machine's clock; the database is upgraded first, and made where this `makes` one.

    `holds`: as of the upgrade. Raises DialerError where it can't be used, or is not there.
    """
    mark.refuse_where_gone(settings.database)
    # In a thread: the upgrade of a large database takes its time, and whoever waits wants to see that.
    await asyncio.to_thread(upgrade, settings.database, makes, holds)
    key = settings.forget_key
    store = Store(settings.database, **({optouts.OPTION: key.get_secret_value()} if key else {}))
    clock = DisciplinedClock() if store.is_shared else SystemClock()
    try:
        await mark.check(store, settings.database, clock)
        house = House(settings, clock, store)
        await add_months(house)
        yield house
    finally:
        await store.close()
