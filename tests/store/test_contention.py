"""Several connections on one PostgreSQL: what fails alone, what is tried again, what is skipped, who waits for whom."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from dialer import mark
from dialer.clock import SystemClock
from dialer.errors import DialerError
from dialer.store import Store, Tx, attempts, locks, queues
from dialer.store import tables as t
from dialer.store.common import flag, insert_all, take_numbers
from dialer.store.database import explained
from dialer.store.postgres import is_away, state_of, wrapped
from dialer.store.restored import BACKUP
from tests.store.test_hot_postgres import FILL, FIRST, MANY

NOW = datetime(2026, 1, 14, tzinfo=UTC)


@pytest.fixture
async def two(postgres_url: str) -> AsyncIterator[tuple[Store, Store]]:
    """Two workers' ways into one database."""
    stores = Store(postgres_url), Store(postgres_url)
    yield stores
    for store in stores:
        await store.close()


def add(name: str, value: str = "x") -> Any:
    return lambda tx: insert_all(tx, t.flags, [{"name": name, "value": value, "set_at": NOW}])


def change(name: str) -> Any:
    return lambda tx: tx.execute(text("UPDATE flags SET value = value || '.' WHERE name = :of"), {"of": name})


async def test_a_fault_of_one_job_is_not_the_others_and_names_no_values(two: tuple[Store, Store]) -> None:
    store, _ = two
    await store.write(add("secret-name"))
    results = await asyncio.gather(
        *(store.write(add(name)) for name in ("a", "secret-name", "b")), return_exceptions=True
    )
    assert isinstance(results[1], IntegrityError)
    assert "secret-name" not in f"{results[1]} {results[1].orig}"
    assert (results[0], results[2]) == (None, None)
    found = await store.read(lambda tx: tx.execute(text("SELECT name FROM flags ORDER BY name")).scalars().all())
    assert found == ["a", "b", "secret-name"]


async def test_two_that_wait_for_each_other_both_get_through(two: tuple[Store, Store]) -> None:
    first, second = two
    await first.write(lambda tx: [add(name, "")(tx) for name in ("a", "b")])
    tries = 0

    def both(one: str, other: str) -> Any:
        def work(tx: Tx) -> None:
            nonlocal tries
            tries += 1
            change(one)(tx)
            tx.execute(text("SELECT pg_sleep(0.3)"))
            change(other)(tx)

        return work

    await asyncio.gather(first.write(both("a", "b")), second.write(both("b", "a")))
    assert tries == 3, "one was the deadlock's victim, and was tried again"
    assert await first.read(lambda tx: flag(tx, "a")) == ".."


async def hold(store: Store, work: Any, until: asyncio.Event, held: asyncio.Event) -> None:
    """Runs `work` in a transaction that stays open until the event."""
    loop = asyncio.get_running_loop()

    def wait(tx: Tx) -> None:
        try:
            work(tx)
        finally:
            loop.call_soon(held.set)
        for _ in range(200):
            tx.execute(text("SELECT pg_sleep(0.02)"))
            if until.is_set():
                return

    await store.write(wait)


def _once(identity: str) -> Any:
    """An event of no attempt, unless it is known: whether it was written."""

    def work(tx: Tx) -> bool:
        if attempts.known_identities(tx, [identity]):
            return False
        attempts.add_events(tx, [(None, "text", NOW, NOW, identity, True, {})])
        return True

    return work


async def test_the_same_message_at_two_workers_at_once_is_written_once_and_no_error(two: tuple[Store, Store]) -> None:
    first, second = two
    held, until, results = asyncio.Event(), asyncio.Event(), []
    holding = asyncio.create_task(hold(first, lambda tx: results.append(_once("m-1")(tx)), until, held))
    await held.wait()
    other = asyncio.create_task(second.write(_once("m-1")))
    await asyncio.sleep(0.1)  # it waits for the other's row
    until.set()
    await holding
    assert (results[-1], await other) == (True, False)
    assert await first.read(lambda tx: tx.execute(text("SELECT count(*) FROM events")).scalar()) == 1


@pytest.mark.parametrize("error", [OSError("mine"), TimeoutError("mine"), ConnectionResetError("mine")])
async def test_an_error_of_the_work_itself_is_not_the_databases(two: tuple[Store, Store], error: Exception) -> None:
    def work(tx: Tx) -> None:
        raise error

    for run in (two[0].write, two[0].read, two[0].look):
        with pytest.raises(type(error), match="mine") as raised:
            await run(work)
        assert raised.value is error


async def test_a_connection_that_ends_in_a_statement_is_the_databases(two: tuple[Store, Store]) -> None:
    for _ in range(2):
        with pytest.raises(OperationalError):
            await two[0].write(lambda tx: tx.execute(text("SELECT pg_terminate_backend(pg_backend_pid())")))


async def test_what_another_worker_takes_is_skipped_with_all_of_its_person(two: tuple[Store, Store]) -> None:
    first, second = two

    def fill(tx: Tx) -> None:
        for statement in FILL.replace(str(MANY), "40").split(";\n")[:3]:
            tx.exec_driver_sql(statement)
        tx.exec_driver_sql(f"UPDATE attempts SET person_id = 'P-1', due_at = 1 WHERE attempt_id = {FIRST} + 7")

    await first.write(fill)
    queue, taken, until, held = (2, "voice", 10), [], asyncio.Event(), asyncio.Event()
    now = NOW + timedelta(days=1)

    def take(tx: Tx, most: int) -> list[int]:
        return [row.attempt_id - FIRST for row in queues.take_due(tx, queue, now, most)]

    every = await first.write(lambda tx: take(tx, 100))
    assert {1, 7} <= set(every)
    holding = asyncio.create_task(hold(first, lambda tx: taken.extend(take(tx, 1)), until, held))
    await held.wait()
    others = await second.write(lambda tx: take(tx, 100))
    assert taken == [7]
    assert set(others) == set(every) - {1, 7}, "the person's other attempt waits too"
    until.set()
    await holding
    assert await second.write(lambda tx: take(tx, 100)) == every


async def test_persons_are_held_until_the_transaction_ends(two: tuple[Store, Store]) -> None:
    first, second = two
    await first.write(lambda tx: insert_all(tx, t.persons, [{"person_id": p, "created_at": NOW} for p in ("a", "b")]))
    until, held, order = asyncio.Event(), asyncio.Event(), []
    holding = asyncio.create_task(hold(first, lambda tx: locks.persons(tx, ["b", "a"]), until, held))
    await held.wait()

    async def other() -> None:
        await second.write(lambda tx: locks.persons(tx, ["a", "b"]))
        order.append("second")

    waiting = asyncio.create_task(other())
    await asyncio.sleep(0.2)
    assert order == []
    order.append("first ends")
    until.set()
    await asyncio.gather(holding, waiting)
    assert order == ["first ends", "second"]


async def test_a_restored_dump_that_says_so_is_halted_and_gives_no_number_twice(two: tuple[Store, Store]) -> None:
    """docs/operations.md, PostgreSQL: what to write after pg_restore."""
    store, _ = two
    day = NOW.date()
    (before,) = await store.write(lambda tx: take_numbers(tx, [day]))
    await store.write(add(BACKUP, "2026-01-10T02:00:00+00:00"))
    await mark.check(store, "postgresql://here/x", SystemClock())
    assert (await store.read(lambda tx: flag(tx, "halt"))).startswith("restored from a backup of 2026-01-10 02:00:00")
    (after,) = await store.write(lambda tx: take_numbers(tx, [day]))
    assert after >= before + mark.GAP_UNKNOWN
    assert await store.read(lambda tx: flag(tx, BACKUP)) == ""


@pytest.mark.parametrize(
    "work",
    [
        lambda tx: [add("hush")(tx), tx.execute(text("SELECT CAST(name AS INTEGER) FROM flags"))],
        lambda tx: [tx.execute(t.flags.insert(), {"name": "hush", "value": "", "set_at": NOW}) for _ in range(2)],
        lambda tx: insert_all(tx, t.flags, [{"name": "hush", "value": "", "set_at": NOW}] * 2),
        lambda tx: insert_all(tx, t.numbers, [{"name": "a", "next": "hush"}]),
        lambda tx: tx.execute(t.numbers.insert(), {"name": "a", "next": "hush"}),
    ],
)
async def test_no_refusal_names_a_value(two: tuple[Store, Store], work: Any) -> None:
    """Whether the server or its client refuses, and whether the statement was prepared or not."""
    with pytest.raises(DBAPIError) as refused:
        await two[0].write(work)
    error: BaseException | None = refused.value
    assert "hush" not in f"{error} {error.orig}"  # type: ignore[union-attr]
    assert state_of(refused.value)


async def test_who_met_a_database_that_took_no_writes_writes_when_it_does_again(two: tuple[Store, Store]) -> None:
    """A session keeps the setting with which it began, as one does that was opened on a standby."""
    store, other = two
    name = await other.look(lambda tx: tx.execute(text("SELECT current_database()")).scalar())
    await other.look(lambda tx: tx.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on")))
    with pytest.raises(DBAPIError, match="read-only transaction"):
        await store.write(add("a"))
    await other.look(lambda tx: tx.execute(text(f"ALTER DATABASE {name} RESET default_transaction_read_only")))
    await store.write(add("a"))


def test_a_connection_that_the_server_just_ends_is_one_that_is_lost() -> None:
    ended = asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")
    error = wrapped("BEGIN", ended)
    assert is_away(error)
    with pytest.raises(DialerError, match="see host and port"), explained():
        raise error
