"""`dialer purge` on PostgreSQL: a month that is over goes with its tables; what is open stays, the record is whole."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from config.settings import Settings
from dialer import audit, months, purge, record, transfer
from dialer import erase as erasing
from dialer.clock import SystemClock
from dialer.errors import DialerError
from dialer.forget import forget
from dialer.house import House
from dialer.store import Store, Tx, desk, month_rows, partitions
from dialer.store import attempts as attempt_store
from dialer.store import erasure as erasure_store
from dialer.store.worker_tables import EVERY
from tests.support.on_server import Rows, put, rows_of
from tests.support.postgres import database, in_thread
from tests.support.scene import ALICE, BOB, CAROL, Scene, account, due, play

TODAY = date(2026, 1, 12)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY, KEEP = date(2026, 2, 1), 20
HANGING = ("attempt_accounts", "placements", "promises", "tasks")
GOING = ("attempts", "events", "verdicts", *HANGING)


class Still:
    """A clock that stands, and counts how often somebody waited."""

    waits = 0

    def now(self) -> datetime:
        return NOW

    def off_s(self) -> float:
        return 0.0

    async def sleep_until(self, at: datetime) -> None:
        self.waits += 1
        await asyncio.sleep(0)


@dataclass
class Server:
    """One installation on PostgreSQL, weeks after its calls; everything is sealed."""

    house: House

    @property
    def address(self) -> str:
        return self.house.store.url.set(drivername="postgresql").render_as_string(hide_password=False)

    def sql(self, words: str, **given: Any) -> Awaitable[list[tuple[Any, ...]]]:
        def ask(tx: Tx) -> list[tuple[Any, ...]]:
            found = tx.execute(text(words), given)
            return [tuple(row) for row in found] if found.returns_rows else []

        return self.house.store.write(ask)

    async def sizes(self) -> dict[str, int]:
        return {name: (await self.sql(f"SELECT count(*) FROM {name}"))[0][0] for name in GOING}

    async def months(self) -> list[str]:
        return [row[0] for row in await self.sql("SELECT relname FROM pg_class WHERE relname ~ '_2026_01$' ORDER BY 1")]

    async def verify(self) -> audit.Audit:
        found = await self.house.store.read(lambda tx: audit.verify(tx, NOW, None))
        assert found.intact, found.findings
        return found

    async def purge(self) -> dict[str, int]:
        counts = (await purge.purge(self.house, DAY, KEEP)).counts
        return {table: count for table, count in counts.items() if count}

    async def salts(self) -> int:
        """How many digests of rows that are gone could still be tried out."""
        left = " UNION ALL ".join(f"SELECT '{kind}', {key} FROM {kind}" for kind, key in month_rows.SEALED.items())
        asked = f"SELECT count(*) FROM digests WHERE kind IN {(*month_rows.SEALED,)} AND salt IS NOT NULL"
        return int((await self.sql(f"{asked} AND (kind, row_id) NOT IN ({left})"))[0][0])

    async def open_task(self, attempt_id: int) -> None:
        task = {"kind": "review", "person_id": "P-2", "detail": "", "opened_at": NOW, "attempt_id": attempt_id}
        await self.house.store.write(lambda tx: desk.add_tasks(tx, [task]))

    async def add_event(self) -> None:
        (key,) = (await self.sql("SELECT min(attempt_id) FROM attempts"))[0]
        late = (key, "completed", NOW, NOW, "late", True, {})
        await self.house.store.write(lambda tx: attempt_store.add_events(tx, [late]))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rows, Settings]:
    """ALICE is called and says she paid, BOB promises, CAROL is not reached; the one promise was kept."""

    async def act(scene: Scene) -> tuple[Rows, Settings]:
        scene.mock.on(ALICE).answers(keys="1")
        scene.mock.on(BOB).answers(keys="2")
        accounts = account(1, ALICE) + account(2, BOB) + account(3, CAROL)
        await scene.load(accounts, due(1, "2026-01-15") + due(2, "2026-01-15") + due(3, "2026-01-30"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-31 08:00")
        await scene.stop()
        rows = rows_of(scene)
        for row in rows["promises"]:
            row["state"] = "kept"
        return rows, scene.house.settings

    return play(tmp_path_factory.mktemp("played"), "2026-01-12 08:00", act)


def on(played: tuple[Rows, Settings], act: Callable[[Server], Coroutine[Any, Any, None]]) -> None:
    rows, settings = played

    async def run(url: str) -> None:
        store = Store(url)
        server = Server(House(settings, Still(), store))
        try:
            await store.write(lambda tx: put(tx, rows, TODAY))
            await record.seal(server.house, record.DESK)
            await act(server)
        finally:
            await store.close()

    with database() as url:
        in_thread(run(url))


def never(*given: Any) -> None:
    raise AssertionError("row by row")


def test_a_month_that_is_over_goes_with_its_tables(
    played: tuple[Rows, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(server: Server) -> None:
        before = await server.sizes()
        assert min(before[name] for name in GOING if name != "tasks") > 0
        assert await server.months() != []
        monkeypatch.setattr(erasure_store, "delete_attempts", never)
        done = await server.purge()
        assert await server.months() == []
        left = await server.sizes()
        assert left == dict.fromkeys(GOING, 0)
        assert {name: done.get(name, 0) for name in GOING} == {name: before[name] - left[name] for name in GOING}
        found = await server.verify()
        erased = {one.table: one.erased for one in found.tables if one.erased}
        assert erased == {name: before[name] - left[name] for name in ("events", "verdicts", "placements")}
        assert await server.salts() == 0
        assert await server.purge() == {}

    on(played, act)


@pytest.mark.parametrize("what", ["task", "promise", "young"])
def test_an_attempt_that_stays_does_so_with_all_that_is_about_it(played: tuple[Rows, Settings], what: str) -> None:
    async def act(server: Server) -> None:
        (key,) = (await server.sql("SELECT attempt_id FROM promises"))[0]
        if what == "promise":
            await server.sql("UPDATE promises SET state = 'open'")
        elif what == "young":
            now = (NOW - datetime(1970, 1, 1, tzinfo=UTC)) // (NOW - NOW).resolution
            await server.sql("UPDATE attempts SET settled_at = :now WHERE attempt_id = :key", now=now, key=key)
        else:
            await server.open_task(key)
        of = {name: f"SELECT * FROM {name} WHERE attempt_id = {key} ORDER BY 1" for name in GOING}
        before = {name: await server.sql(words) for name, words in of.items()}
        await server.purge()
        assert await server.months() == []
        assert {name: await server.sql(words) for name, words in of.items()} == before
        assert (await server.sizes())["attempts"] == 1
        found = {one.table: one for one in (await server.verify()).tables}
        assert found["events"].sealed == len(before["events"]) > 0
        assert await server.salts() == 0

    on(played, act)


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_several_tasks_of_one_attempt_hide_no_other_that_is_open(
    played: tuple[Rows, Settings], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    monkeypatch.setattr(months, "KEPT_MAX", 1)

    async def act(server: Server) -> None:
        one, other, *_ = [row[0] for row in await server.sql("SELECT attempt_id FROM attempts ORDER BY 1")]
        await server.open_task(one)
        await server.open_task(one)
        sealed = months._sealed

        async def late(*given: Any) -> Any:
            await server.open_task(other)
            return await sealed(*given)

        if when == "before":
            await server.open_task(other)
        else:
            monkeypatch.setattr(months, "_sealed", late)
        await server.purge()
        assert await server.sql("SELECT attempt_id FROM attempts ORDER BY 1") == [(one,), (other,)]
        await server.verify()

    on(played, act)


@pytest.mark.parametrize("why", ["too many stay", "one is not over", "an event came", "something was opened"])
def test_else_it_goes_row_by_row(played: tuple[Rows, Settings], monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    async def act(server: Server) -> None:
        if why == "too many stay":
            monkeypatch.setattr(months, "KEPT_MAX", 0)
            await server.sql("UPDATE promises SET state = 'open'")
        elif why == "one is not over":
            one = "(SELECT min(attempt_id) FROM attempts)"
            await server.sql(f"UPDATE attempts SET state = 'planned', settled_at = NULL WHERE attempt_id = {one}")
        sealed = months._sealed

        async def late(*given: Any) -> Any:
            found = await sealed(*given)
            if why == "an event came":
                await server.add_event()
                await record.seal(server.house, record.DESK)
            elif why == "something was opened":
                await server.sql("UPDATE promises SET state = 'open'")
            return found

        monkeypatch.setattr(months, "_sealed", late)
        before = await server.sizes()
        done = await server.purge()
        stays = int(why != "an event came")
        assert done["attempts"] == before["attempts"] - stays
        assert (await server.sizes())["attempts"] == stays
        await server.verify()
        assert await server.salts() == 0

    on(played, act)


def test_a_purge_that_was_broken_off_is_finished_by_the_next(
    played: tuple[Rows, Settings], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()

    async def act(server: Server) -> None:
        def broken(*given: Any, **more: Any) -> None:
            raise ConnectionAbortedError

        whole = months._erase_hanging
        monkeypatch.setattr(months, "_erase_hanging", broken)
        with pytest.raises(ConnectionAbortedError):
            await server.purge()
        monkeypatch.setattr(months, "_erase_hanging", whole)
        assert (await server.sizes())["attempts"] == 0
        assert await server.months() != []
        await server.verify()
        with pytest.raises(DialerError, match="was broken off; let it end, or run `dialer purge` again"):
            await forget(server.house, "P-3")
        with pytest.raises(DialerError, match="a purge was broken off; run dialer purge, which finishes it"):
            await transfer.copy(server.address, f"sqlite:///{folder}/copy.db", SystemClock(), lambda rows: print)
        assert not list(folder.iterdir())
        await server.purge()
        assert await server.months() == []
        assert await server.sizes() == dict.fromkeys(GOING, 0)
        await server.verify()

    on(played, act)


def test_what_lies_outside_the_month_is_not_looked_at(played: tuple[Rows, Settings]) -> None:
    """More attempts of before the months, or of an older month that stays, than a statement takes parameters."""

    async def act(server: Server) -> None:
        names = [column.name for column in EVERY.tables["attempts"].columns if column.computed is None]
        own = {"attempt_id": "number", "state": "'planned'", "settled_at": "NULL", "provider_ref": "NULL"}
        values = ", ".join(own.get(name, f'"{name}"') for name in names)
        quoted = ", ".join(f'"{name}"' for name in names)
        one = "(SELECT * FROM attempts LIMIT 1) one, generate_series(1, 33000) number"
        await server.sql(f"INSERT INTO attempts ({quoted}) SELECT {values} FROM {one}")
        await server.purge()
        assert await server.months() == []
        assert (await server.sizes())["attempts"] == 33_000
        await server.verify()

    on(played, act)


def test_what_a_sweep_seals_meanwhile_is_in_the_record(
    played: tuple[Rows, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event comes when the purge has sealed, and a daemon's sweep seals it when the purge has counted what is."""

    async def act(server: Server) -> None:
        take_out, sealed = months.take_out, months._sealed

        async def first(house: House, *given: Any) -> Any:
            await server.add_event()
            return await take_out(house, *given)

        async def late(*given: Any) -> Any:
            found = await sealed(*given)
            await record.seal(server.house, "worker")
            return found

        monkeypatch.setattr(months, "take_out", first)
        monkeypatch.setattr(months, "_sealed", late)
        await server.purge()
        assert await server.months() == []
        await server.verify()
        assert await server.salts() == 0

    on(played, act)


@pytest.mark.parametrize("ends", [True, False])
def test_a_month_that_somebody_reads_is_waited_for(
    played: tuple[Rows, Settings], monkeypatch: pytest.MonkeyPatch, ends: bool
) -> None:
    monkeypatch.setattr(months, "TRIES", 2)

    async def act(server: Server) -> None:
        before = await server.sizes()
        other = Store(server.house.store.url.render_as_string(hide_password=False))
        hold, held = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def reading(tx: Tx) -> None:
            tx.execute(text("SELECT count(*) FROM attempts")).scalar()
            loop.call_soon(held.set)
            from sqlalchemy.util import await_only

            await_only(hold.wait())

        reader = asyncio.create_task(other.read(reading))
        await held.wait()

        async def sleep_until(at: datetime) -> None:
            if ends:
                hold.set()
                await reader

        server.house.clock.sleep_until = sleep_until  # type: ignore[method-assign]
        if ends:
            assert (await server.purge())["attempts"] == before["attempts"]
            assert await server.months() == []
        else:
            with pytest.raises(DialerError, match="the tables of 2026-01 are in use all the time"):
                await server.purge()
            assert await server.sizes() == before
            hold.set()
            await reader
        await server.verify()
        await other.close()

    on(played, act)


def test_pages_are_as_small_as_one_likes(played: tuple[Rows, Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((months, "PAGE"), (month_rows, "SPAN"), (erasing, "SPANS_MAX"), (purge, "PARTS_PAGE")):
        monkeypatch.setattr(module, name, 1)

    async def act(server: Server) -> None:
        # One in the middle stays, so that there is more than one span.
        middle = await server.sql(
            "SELECT attempt_id FROM events ORDER BY event_id OFFSET (SELECT count(*) / 2 FROM events)"
        )
        await server.open_task(middle[0][0])
        await server.purge()
        assert await server.months() == []
        assert (await server.sizes())["attempts"] == 1
        assert len(await server.sql("SELECT 1 FROM erasures WHERE kind = 'events'")) > 1
        await server.verify()
        assert await server.salts() == 0

    on(played, act)


def test_sqlite_has_no_months(tmp_path: Path) -> None:
    async def act(scene: Scene) -> tuple[list[date], list[date]]:
        store = scene.house.store
        return await store.read(lambda tx: partitions.over(tx, DAY)), await store.read(partitions.taken_out)

    assert play(tmp_path, "2026-01-12 08:00", act) == ([], [])
