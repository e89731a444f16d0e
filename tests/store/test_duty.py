"""The duty of one worker among many: it leaves who hangs, whose connection stays as it is, and nobody else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from dialer.clock import DisciplinedClock, SystemClock
from dialer.crew import Crew
from dialer.house import House
from dialer.store import postgres
from dialer.store.addresses import driver_url
from dialer.store.database import DBAPIError
from dialer.store.postgres import Attendance
from dialer.troubles import Troubles

SHORT = timedelta(seconds=0.5)
LONG_HOST = "dialer-production-eu-central-1-deployment-7f9c4b8d6c-abcde"


@asynccontextmanager
async def _attending(url: str, *names: str) -> AsyncIterator[list[Attendance]]:
    async with AsyncExitStack() as stack:
        found = []
        for name in names:
            one = await Attendance.open(driver_url(url), lambda: None, name)
            stack.push_async_callback(one.close)
            found.append(one)
        yield found


@pytest.fixture(autouse=True)
def _silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "SILENCE", SHORT)


async def _beat(one: Attendance, name: str) -> None:
    await one.beat(name, datetime.now(UTC), datetime.now(UTC))


async def test_who_has_the_duty_and_shows_no_life_loses_it_with_its_connection(postgres_url: str) -> None:
    async with _attending(postgres_url, "one", "other") as (one, other):
        await _beat(one, "one")
        assert await one.take_duty()
        assert not await other.take_duty()
        assert not await other.end_silent(datetime.now(UTC)), "it lives"
        await asyncio.sleep(SHORT.total_seconds() + 0.1)
        assert await other.end_silent(datetime.now(UTC))
        assert await other.take_duty()
        with pytest.raises(DBAPIError):
            await _beat(one, "one")


async def test_a_host_with_a_long_name_does_not_make_its_workers_one(postgres_url: str) -> None:
    """The server's name of a connection has 63 characters: its living worker went with the dead one."""
    names = [f"{LONG_HOST}-{end}" for end in ("101-aaaaaa", "102-bbbbbb", "103-cccccc")]
    async with _attending(postgres_url, *names) as (one, dead, other):
        await _beat(dead, names[1])
        assert await one.take_duty()
        await asyncio.sleep(SHORT.total_seconds() + 0.1)
        connection = await asyncpg.connect(postgres_url)
        written = int(datetime.now(UTC).timestamp() * 1_000_000)
        await connection.execute("INSERT INTO workers VALUES ($1, $2, $2)", names[0], written)
        await connection.close()
        assert not await other.end_silent(datetime.now(UTC))
        await _beat(one, names[0])


async def test_a_sign_of_life_that_is_slowly_written_is_one(postgres_url: str) -> None:
    """Two seconds lie between two, and each may take three: together more than a silence."""
    async with _attending(postgres_url, "one", "other") as (one, other):
        await _beat(one, "one")
        assert await one.take_duty()
        await asyncio.sleep(SHORT.total_seconds())
        holder = await asyncpg.connect(postgres_url)
        async with holder.transaction():
            await holder.execute("SELECT * FROM workers FOR UPDATE")
            slow = asyncio.create_task(_beat(one, "one"))
            await asyncio.sleep(0.2)
            assert not await other.end_silent(datetime.now(UTC))
        await slow
        await holder.close()


async def test_a_server_whose_clock_is_set_ahead_ends_nobody(postgres_url: str) -> None:
    """The workers ask for its time once a minute: until then their signs of life are told by the time before."""
    async with _attending(postgres_url, "one", "other") as (one, other):
        before = datetime.now(UTC) - timedelta(minutes=1)
        await one.beat("one", before, before)
        assert await one.take_duty()
        await asyncio.sleep(SHORT.total_seconds() + 0.1)
        assert not await other.end_silent(before)


async def test_a_worker_whose_clock_is_off_ends_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[datetime] = []

    class Held:
        """The duty is another's."""

        async def now(self) -> datetime:
            return datetime.now(UTC)

        async def beat(self, *told: object) -> None: ...

        async def take_duty(self) -> bool:
            return False

        async def end_silent(self, now: datetime) -> bool:
            asked.append(now)
            return False

    class Database:
        async def attend(self, noticed: object, worker: str) -> Held:
            return Held()

    settings: object = None
    bare = SystemClock.now
    house = House(settings, DisciplinedClock(), Database())  # type: ignore[arg-type]

    async def take_over(dead: set[str]) -> None: ...

    crew = Crew(house, "me", lambda: None, take_over, Troubles(house.clock, "me"))
    await crew.open()
    assert len(asked) == 1
    monkeypatch.setattr(SystemClock, "now", lambda self: bare(self) - timedelta(seconds=12))
    crew._clock_s = None
    await crew.open()
    assert house.is_clock_off()
    assert len(asked) == 1
