"""The duty of one worker among many: it leaves who hangs, whose connection stays as it is, and nobody else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy.engine import make_url
from structlog.testing import capture_logs

from dialer.clock import DisciplinedClock, SystemClock
from dialer.crew import Crew
from dialer.house import House
from dialer.store import Store, duty, workers
from dialer.store.addresses import driver_url
from dialer.store.database import DBAPIError
from dialer.store.postgres import Attendance
from dialer.troubles import Troubles

SHORT = timedelta(seconds=0.5)
END = "pg_terminate_backend(integer, bigint)"
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
    monkeypatch.setattr(duty, "SILENCE", SHORT)


@asynccontextmanager
async def _user(url: str) -> AsyncIterator[tuple[asyncpg.Connection, str, str]]:
    """One that owns no server: an administrator's connection, its name, and the database's address for it."""
    name = f"dialer_{uuid4().hex[:8]}"
    connection = await asyncpg.connect(url)
    await connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{name}'")
    await connection.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}")
    try:
        yield connection, name, make_url(url).set(username=name, password=name).render_as_string(hide_password=False)
    finally:
        await connection.execute(f"DROP OWNED BY {name}")
        await connection.execute(f"DROP ROLE {name}")
        await connection.close()


def _crew(database: Any) -> Crew:
    settings: Any = None
    house = House(settings, DisciplinedClock(), database)

    async def take_over(dead: set[str]) -> None: ...

    return Crew(house, "me", lambda: None, take_over, Troubles(house.clock, "me"))


async def _beat(one: Attendance, name: str) -> None:
    await one.beat(name, datetime.now(UTC), datetime.now(UTC))


async def test_who_has_the_duty_and_shows_no_life_loses_it_with_its_connection(postgres_url: str) -> None:
    async with _attending(postgres_url, "one", "other") as (one, other):
        await _beat(one, "one")
        assert await one.take_duty()
        assert not await other.take_duty()
        assert not await other.end_silent(datetime.now(UTC)), "it lives"
        await asyncio.sleep(SHORT.total_seconds() + 0.1)
        assert await other.end_silent(datetime.now(UTC)) == "one"
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


async def test_a_server_that_does_not_tell_what_sessions_do_still_ends_who_shows_no_life(postgres_url: str) -> None:
    async with _user(postgres_url) as (connection, name, url):
        await connection.execute(f"ALTER ROLE {name} SET track_activities = off")
        async with _attending(url, "one", "other") as (one, other):
            await _beat(one, "one")
            assert await one.take_duty()
            assert not await other.end_silent(datetime.now(UTC)), "it lives"
            await asyncio.sleep(SHORT.total_seconds() + 0.1)
            assert await other.end_silent(datetime.now(UTC)) == "one"


@pytest.mark.parametrize("is_other", [False, True], ids=["without_the_right", "another_user"])
async def test_one_that_may_end_nobody_lives_on_and_says_who_keeps_the_duty(postgres_url: str, is_other: bool) -> None:
    """Also beside a worker that lives, where the server asks for the right before it looks whom it is for."""
    async with _user(postgres_url) as (connection, _, url):
        await connection.execute(f"REVOKE EXECUTE ON FUNCTION {END} FROM PUBLIC" if not is_other else "SELECT")
        async with _attending(postgres_url if is_other else url, "one") as (one,):
            await _beat(one, "one")
            assert await one.take_duty()
            store = Store(url)
            crew = _crew(store)
            with capture_logs() as logs:
                await crew.open()
                await asyncio.sleep(SHORT.total_seconds() + 0.1)
                for _ in range(2):
                    await crew.open()
            assert [(row["event"], row["by"]) for row in logs] == [("duty_held", "one")]
            assert crew.is_present()
            assert not crew.on_duty
            await crew.close()
            await store.close()


async def test_who_ends_a_silent_worker_says_so(postgres_url: str) -> None:
    """Its own log, if it ever wakes, tells of a database that was lost."""
    async with _attending(postgres_url, "one") as (one,):
        await _beat(one, "one")
        assert await one.take_duty()
        await asyncio.sleep(SHORT.total_seconds() + 0.1)
        store = Store(postgres_url)
        crew = _crew(store)
        with capture_logs() as logs:
            await crew.open()
        assert [(row["event"], row.get("silent")) for row in logs] == [("silent_ended", "one"), ("on_duty", None)]
        await crew.close()
        await store.close()


async def test_a_worker_whose_clock_is_off_ends_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[datetime] = []

    class Held:
        """The duty is another's."""

        async def now(self) -> datetime:
            return datetime.now(UTC)

        async def beat(self, *told: object) -> None: ...

        async def take_duty(self) -> bool:
            return False

        async def end_silent(self, now: datetime) -> str:
            asked.append(now)
            return ""

    class Database:
        async def attend(self, noticed: object, worker: str) -> Held:
            return Held()

    bare = SystemClock.now
    crew = _crew(Database())
    await crew.open()
    assert len(asked) == 1
    monkeypatch.setattr(SystemClock, "now", lambda self: bare(self) - timedelta(seconds=12))
    crew._clock_s = None
    await crew.open()
    assert crew.house.is_clock_off()
    assert len(asked) == 1


async def test_living_workers_are_told_by_what_they_go_by(postgres_url: str) -> None:
    store, now = Store(postgres_url), datetime.now(UTC)
    said = {"one": "x", "two": "y", "three": "x", "four": None, "dead": "z"}
    async with _attending(postgres_url, *said) as ways:
        for way, (name, goes_by) in zip(ways, said.items(), strict=True):
            seen_at = now - workers.DEAD * 2 if name == "dead" else now
            await way.beat(name, now, seen_at, goes_by)
        since = now - workers.DEAD
        assert await store.read(lambda tx: workers.apart(tx, since)) == [("one", "three"), ("two",)]
        await ways[1].beat("two", now, now, "x")
        assert await store.read(lambda tx: workers.apart(tx, since)) == []
    await store.close()
