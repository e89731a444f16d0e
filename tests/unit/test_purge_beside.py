"""`dialer purge` on PostgreSQL beside others: other installations, tables that somebody laid aside, another purge."""

import asyncio
from datetime import date

import asyncpg
import pytest

from config.settings import Settings
from dialer import purge
from dialer.errors import DialerError
from dialer.house import House
from dialer.store import Store, partitions
from tests.support.on_server import Rows
from tests.support.postgres import named
from tests.unit.test_purge_months import DAY, GOING, KEEP, Server, Still, on, played

__all__ = ["played"]


def test_months_of_another_schema_are_not_ours(played: tuple[Rows, Settings]) -> None:
    async def act(server: Server) -> None:
        await server.sql("CREATE SCHEMA other")
        for name in ("attempts", "events", "placements", "verdicts"):
            await server.sql(f"CREATE TABLE other.{name} (attempt_id bigint) PARTITION BY RANGE (attempt_id)")
            await server.sql(f"CREATE TABLE other.{name}_2020_01 PARTITION OF other.{name} DEFAULT")
        database = server.house.store.url.database
        await server.sql(f'ALTER DATABASE "{database}" SET search_path = public, other')
        await server.house.store.close()
        assert date(2020, 1, 1) not in await server.house.store.read(lambda tx: partitions.over(tx, DAY))
        await server.sql("ALTER TABLE other.attempts DETACH PARTITION other.attempts_2020_01")
        await server.sql(f"COMMENT ON TABLE other.attempts_2020_01 IS '{partitions.TAKEN_OUT}'")
        await server.purge()
        assert await server.sizes() == dict.fromkeys(GOING, 0)
        assert await server.sql("SELECT * FROM other.attempts_2020_01") == []
        await server.verify()

    on(played, act)


def test_what_somebody_detached_stays(played: tuple[Rows, Settings]) -> None:
    async def act(server: Server) -> None:
        await server.sql("ALTER TABLE attempts DETACH PARTITION attempts_2026_01")
        await server.sql("CREATE TABLE attempts_2021_03 AS SELECT * FROM attempts_2026_01")
        before = await server.sql("SELECT * FROM attempts_2026_01 ORDER BY 1")
        events = await server.sql("SELECT * FROM events_2026_01 ORDER BY 1")
        await server.purge()
        assert await server.sql("SELECT * FROM attempts_2026_01 ORDER BY 1") == before
        assert await server.sql("SELECT * FROM attempts_2021_03 ORDER BY 1") == before
        assert await server.sql("SELECT * FROM events_2026_01 ORDER BY 1") == events
        await server.verify()

    on(played, act)


def test_one_purge_at_a_time(played: tuple[Rows, Settings]) -> None:
    async def act(server: Server) -> None:
        before = await server.sizes()
        other = Store(server.house.store.url.render_as_string(hide_password=False))
        beside = House(server.house.settings, Still(), other)
        async with server.house.store.purging() as is_mine:
            assert is_mine
            with pytest.raises(DialerError, match="another purge is at work"):
                await purge.purge(beside, DAY, KEEP)
            assert await server.sizes() == before
        both = await asyncio.gather(
            purge.purge(server.house, DAY, KEEP), purge.purge(beside, DAY, KEEP), return_exceptions=True
        )
        done = [one for one in both if isinstance(one, purge.Purged)]
        assert all(isinstance(one, purge.Purged | DialerError) for one in both)
        assert {name: sum(one.counts.get(name, 0) for one in done) for name in GOING} == before
        await server.verify()
        await other.close()

    on(played, act)


def test_an_empty_month_that_somebody_reads_stops_no_purge(played: tuple[Rows, Settings]) -> None:
    async def act(server: Server) -> None:
        reader = await asyncpg.connect(named(str(server.house.store.url.database)))
        async with reader.transaction():
            await reader.execute("SELECT FROM events_2025_12")
            await server.purge()
        await reader.close()
        assert await server.months() == []
        assert await server.sql("SELECT 1 FROM pg_class WHERE relname = 'events_2025_12'") != []
        await server.purge()
        assert await server.sql("SELECT 1 FROM pg_class WHERE relname = 'events_2025_12'") == []
        await server.verify()

    on(played, act)
