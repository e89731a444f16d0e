"""Room on the lines shared by two workers, step by step: on one PostgreSQL database in one process, on a clock that
stands still until it is moved."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.loader import load
from adapters.mock import Settings as MockSettings
from campaigns.model import Channel
from config.settings import LineSettings
from dialer.lines import Line, Lines
from dialer.room import LATE, RESERVED, SharedRoom, Taken
from dialer.store import Store, Tx, tables, workers
from dialer.store.common import flag_once, set_flag
from dialer.store.postgres import BEAT
from dialer.store.types import EPOCH, MICROSECOND

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
VOICE = ("main", Channel.VOICE)


@dataclass
class Standing:
    """The clock."""

    at: datetime = NOON

    def now(self) -> datetime:
        return self.at

    def off_s(self) -> float:
        return 0.0

    async def sleep_until(self, at: datetime) -> None:
        self.at = max(self.at, at)


@dataclass
class Home:
    """What a room uses of the house."""

    store: Store
    clock: Standing
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Shanghai"))

    def today(self, now: datetime) -> Any:
        return now.astimezone(self.zone).date()


def _room(home: Any, name: str, **settings: Any) -> SharedRoom:
    given: dict[str, Any] = {
        "adapter": "mock", "channels": ["voice"], "callers": ["+862000000000"], "allow_countries": ["CN"],
        "calls_per_second": 20, "calls_at_once": 100, **settings,
    }  # fmt: skip
    spec, paces = load("mock"), dict.fromkeys(Channel, NOON)
    line = Line("main", LineSettings(**given), spec.build(MockSettings()), spec, paces, home.zone)
    return SharedRoom(home, Lines([line]), name)


@asynccontextmanager
async def two(url: str, **settings: Any) -> AsyncIterator[tuple[SharedRoom, SharedRoom, Any]]:
    home = Home(Store(url), Standing())
    rooms = [_room(home, name, **settings) for name in ("a", "b")]
    try:
        for one in rooms:
            await one.open()
            await _beat(home, one.worker)
        yield rooms[0], rooms[1], home
    finally:
        await home.store.close()


async def _beat(home: Any, worker: str) -> None:
    seen = (home.clock.now() - EPOCH) // MICROSECOND

    def write(tx: Tx) -> None:
        text = BEAT.replace("$1", f"'{worker}'").replace("$2", str(seen)).replace("$3", str(seen)).replace("$4", "NULL")
        tx.exec_driver_sql(text)

    await home.store.write(write)


async def _use(home: Any, room: SharedRoom, taken: Taken, count: int) -> None:
    """As a claim does that uses so many slots."""
    used = {VOICE: taken.slots[VOICE][:count]} if count else {}
    await home.store.write(lambda tx: taken.save(tx, [line.row() for line in room.lines], used))


async def test_two_workers_never_get_the_same_slot(postgres_url: str) -> None:
    async with two(postgres_url) as (a, b, home):
        seen: list[datetime] = []
        for _ in range(40):
            for room in (a, b):
                taken = await room.take(home.clock.now())
                slots = list(taken.slots.get(VOICE, ()))
                seen += slots[:2]
                await _use(home, room, taken, min(len(slots), 2))
            home.clock.at += timedelta(milliseconds=60)
        gaps = [later - one for one, later in zip(sorted(seen), sorted(seen)[1:], strict=False)]
        assert min(gaps) >= timedelta(seconds=1 / (20 * 0.95)) - MICROSECOND
        assert len(seen) >= 40 * 0.06 * 20 * 0.9, "what was not used came back"


async def test_slots_that_nobody_used_come_back(postgres_url: str) -> None:
    async with two(postgres_url) as (a, b, home):
        first = await a.take(NOON)
        await _use(home, a, first, 1)
        second = await b.take(NOON)
        assert second.slots[VOICE][0] == first.slots[VOICE][1]


async def test_calls_at_once_are_counted_over_both_from_the_reservation_on(postgres_url: str) -> None:
    async with two(postgres_url, calls_at_once=4) as (a, b, home):
        first = await a.take(NOON)
        assert len(first.slots[VOICE]) == 4
        assert VOICE not in (await b.take(NOON)).slots, "all four are reserved"

        def claim(tx: Tx) -> None:
            calls = [{"phone": f"+8613800138{n:03d}", "attempt_id": n, "line": "main"} for n in range(3)]
            tx.execute(tables.live_calls.insert(), calls)
            first.save(tx, [line.row() for line in a.lines], {VOICE: first.slots[VOICE][:3]})

        await home.store.write(claim)
        home.clock.at += timedelta(seconds=1)
        assert len((await b.take(home.clock.now())).slots[VOICE]) == 1, "three run, one is free"


async def test_money_that_another_is_about_to_spend_is_not_there(postgres_url: str) -> None:
    money = {"price_per_minute": Decimal("1"), "time_limit": "60s", "spend_max_per_day": Decimal("5")}
    async with two(postgres_url, **money) as (a, b, _):
        first = await a.take(NOON)
        wanted = Decimal(len(first.slots[VOICE]))
        second = await b.take(NOON + timedelta(milliseconds=200))
        assert second.elsewhere == {"main": min(wanted, Decimal(5))}


async def test_what_a_dead_worker_reserved_returns(postgres_url: str) -> None:
    async with two(postgres_url, calls_at_once=4) as (a, b, home):
        await a.take(NOON)
        home.clock.at = NOON + RESERVED
        assert len((await b.take(home.clock.now())).slots[VOICE]) == 4, "by itself, in time"
        await _use(home, b, await b.take(home.clock.now()), 0)
        await a.take(home.clock.now())
        await home.store.write(lambda tx: workers.gone(tx, ["a"]))
        home.clock.at += timedelta(milliseconds=300)
        assert len((await b.take(home.clock.now())).slots[VOICE]) == 4, "at once, where its death is known"


async def test_who_was_too_slow_does_not_use_what_others_have_by_now(postgres_url: str) -> None:
    async with two(postgres_url, calls_at_once=4) as (a, b, home):
        slow = await a.take(NOON)
        home.clock.at = NOON + RESERVED
        await b.take(home.clock.now())
        with pytest.raises(workers.Returned):
            await _use(home, a, slow, 4)


async def test_a_late_one_takes_another_slot_unless_it_is_alone(postgres_url: str) -> None:
    async with two(postgres_url) as (a, b, home):
        slot = (await a.take(NOON)).slots[VOICE][0]
        home.clock.at = slot + LATE
        assert await a.another("main", Channel.VOICE, slot, 0) is None
        home.clock.at += MICROSECOND
        instead = await a.another("main", Channel.VOICE, slot, 0)
        assert instead is not None
        assert instead > home.clock.now()
        following = (await b.take(instead)).slots[VOICE][0]
        assert following >= instead + timedelta(seconds=1 / (20 * 0.95)) - MICROSECOND
        await home.store.write(lambda tx: workers.gone(tx, ["b"]))
        await a.take(home.clock.now())
        assert a.is_alone
        assert await a.another("main", Channel.VOICE, slot, 0) is None


async def test_what_is_made_once_is_the_same_for_workers_that_start_at_once(postgres_url: str) -> None:
    stores = [Store(postgres_url) for _ in range(4)]
    try:
        tried = [
            one.write(lambda tx, n=n: flag_once(tx, "token", f"{n}", NOON)) for n, one in enumerate(stores)
        ]  # fmt: skip
        assert len(set(await asyncio.gather(*tried))) == 1
        await asyncio.gather(*(one.write(lambda tx: set_flag(tx, "zones", "x", NOON)) for one in stores))
    finally:
        for one in stores:
            await one.close()
