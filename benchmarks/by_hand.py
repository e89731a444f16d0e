"""The limit of the machine: loops written for nothing else, which decide nothing and commit in batches of 500.

One description of the statements; four ways to run them: sqlite3, aiosqlite, asyncpg, and SQLAlchemy Core on the
drivers that this dialer uses. `dispatch` writes the intent, then the result; `whole_life` writes the rows of a whole
life: claim, verdict, the phone taken and given back, five events, the result, the person, 0.3 follow-ups. The results
of a batch share a commit with the claims of the next.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    MetaData,
    String,
    Table,
    bindparam,
    delete,
    insert,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.schema import CreateIndex, CreateTable

from benchmarks import hands
from benchmarks.contender import Contender, Options
from benchmarks.figures import peak_mb

BATCH = 500
EVENTS = 5
FOLLOWED_OF_TEN = 3
NAMES = {
    "sqlite3": "sqlite3",
    "aiosqlite": "aiosqlite",
    "core+aiosqlite": "SQLAlchemy Core, aiosqlite",
    "asyncpg": "asyncpg",
    "core+asyncpg": "SQLAlchemy Core, asyncpg",
}

metadata = MetaData()


def _table(name: str, *columns: Column[Any], index: str = "") -> Table:
    made = Table(name, metadata, *columns)
    if index:
        Index(f"ix_{name}_{index}", made.c[index])
    return made


def _number(name: str, **more: Any) -> Column[Any]:
    return Column(name, BigInteger, **more)


def _text(name: str, **more: Any) -> Column[Any]:
    return Column(name, String, **more)


attempts = _table(
    "attempts", _number("attempt_id", primary_key=True, autoincrement=False), _number("person"), _text("phone"),
    _text("state"), _number("due_at"), _number("claimed_at"), _number("settled_at"), _text("outcome"),
)  # fmt: skip
IS_PLANNED = attempts.c.state == literal_column("'planned'")
Index("ix_attempts_due", attempts.c.due_at, sqlite_where=text("state = 'planned'"), postgresql_where=IS_PLANNED)
persons = _table(
    "persons", _number("person", primary_key=True, autoincrement=False), _number("contacts"), _number("last_at")
)
verdicts = _table(
    "verdicts", _number("id", primary_key=True, autoincrement=False), _number("attempt_id"), _number("at"),
    _text("verdict"), index="attempt_id",
)  # fmt: skip
events = _table(
    "events", _number("id", primary_key=True, autoincrement=False), _number("attempt_id"), _text("kind"), _number("at"),
    _text("identity", unique=True), _text("data"), index="attempt_id",
)  # fmt: skip
live = _table("live_calls", _text("phone", primary_key=True), _number("attempt_id"))

TAKE = (
    select(attempts.c.attempt_id, attempts.c.person, attempts.c.phone)
    .where(IS_PLANNED, attempts.c.due_at <= bindparam("now"))
    .order_by(attempts.c.due_at)
    .limit(bindparam("most"))
)
CLAIM = (
    update(attempts)
    .where(attempts.c.attempt_id == bindparam("of"))
    .values(state=literal_column("'placing'"), claimed_at=bindparam("at"))
)
RESULT = (
    update(attempts)
    .where(attempts.c.attempt_id == bindparam("of"))
    .values(state=literal_column("'settled'"), settled_at=bindparam("at"), outcome=bindparam("as"))
)
PERSON = (
    update(persons)
    .where(persons.c.person == bindparam("of"))
    .values(contacts=persons.c.contacts + 1, last_at=bindparam("at"))
)
ADD_ATTEMPTS, ADD_PERSONS, ADD_VERDICTS = insert(attempts), insert(persons), insert(verdicts)
ADD_EVENTS, ADD_LIVE = insert(events), insert(live)
FREE = delete(live).where(live.c.phone == bindparam("of"))
Row = Sequence[Any]


def contenders(options: Options, what: str, count: int) -> list[Contender]:
    ways = [("sqlite", ("sqlite3", "aiosqlite", "core+aiosqlite")), ("postgresql", ("asyncpg", "core+asyncpg"))]
    return [
        Contender(
            f"by hand, {NAMES[way]}", base, f"benchmarks.by_hand:{what}", {"count": count, "way": way}
        )
        for base, found in ways
        if base in options.databases
        for way in found
    ]  # fmt: skip


def dispatch(database: str, folder: str, count: int, way: str) -> dict[str, float]:
    return asyncio.run(_measure(database, count, way, is_whole=False))


def whole_life(database: str, folder: str, count: int, way: str) -> dict[str, float]:
    return asyncio.run(_measure(database, count, way, is_whole=True))


async def _measure(database: str, count: int, way: str, is_whole: bool) -> dict[str, float]:
    hand = await hands.open_hand(way, database)
    tables = metadata.sorted_tables
    await hand.begin()
    for table in tables:
        await hand.run(CreateTable(table))
        for index in sorted(table.indexes, key=lambda one: str(one.name)):
            await hand.run(CreateIndex(index))
    await hand.commit()
    started = time.perf_counter()
    for begin in range(0, count, 10 * BATCH):
        await hand.begin()
        numbers = range(begin, min(count, begin + 10 * BATCH))
        await hand.many(ADD_ATTEMPTS, [_planned(number) for number in numbers])
        await hand.many(ADD_PERSONS, [{"person": n, "contacts": 0, "last_at": 0} for n in numbers])
        await hand.commit()
    planned = count / (time.perf_counter() - started)
    if "asyncpg" in way:
        await hand.begin()
        await hand.run(text("ANALYZE"))
        await hand.commit()
    started = time.perf_counter()
    await _run(hand, is_whole)
    taken = time.perf_counter() - started
    await hand.close()
    return {"rate": count / taken, "planned": planned, "peak_mb": peak_mb()} | (
        {"followed": FOLLOWED_OF_TEN / 10} if is_whole else {}
    )


def _planned(number: int) -> dict[str, Any]:
    return {
        "attempt_id": number, "person": number, "phone": f"+86138{number:08d}", "state": "planned", "due_at": number,
        "claimed_at": 0, "settled_at": 0, "outcome": "",
    }  # fmt: skip


async def _run(hand: Any, is_whole: bool) -> None:
    """Until nothing is due: claims of one batch and results of the one before in each commit."""
    placed: list[Row] = []
    while True:
        at = time.time_ns() // 1_000
        await hand.begin()
        if placed:
            await _settle(hand, placed, at, is_whole)
        taken = await hand.all(TAKE, {"now": 10**12, "most": BATCH})
        if taken:
            await _claim(hand, taken, at, is_whole)
        await hand.commit()
        if not taken:
            return
        for row in taken:
            await _place(row)
        placed = taken


async def _place(row: Row) -> None:
    """The no-op provider."""


async def _claim(hand: Any, taken: list[Row], at: int, is_whole: bool) -> None:
    await hand.many(CLAIM, [{"of": row[0], "at": at} for row in taken])
    if is_whole:
        rows = [{"id": row[0], "attempt_id": row[0], "at": at, "verdict": "pass"} for row in taken]
        await hand.many(ADD_VERDICTS, rows)
        await hand.many(ADD_LIVE, [{"phone": row[2], "attempt_id": row[0]} for row in taken])


async def _settle(hand: Any, placed: list[Row], at: int, is_whole: bool) -> None:
    await hand.many(RESULT, [{"of": row[0], "at": at, "as": "reached"} for row in placed])
    if not is_whole:
        return
    told = [
        {
            "id": row[0] * EVENTS + n, "attempt_id": row[0], "kind": "ringing", "at": at, "data": "{}",
            "identity": f"CA{row[0]:032x}/{n}",
        }
        for row in placed
        for n in range(EVENTS)
    ]  # fmt: skip
    await hand.many(ADD_EVENTS, told)
    await hand.many(PERSON, [{"of": row[1], "at": at} for row in placed])
    await hand.many(FREE, [{"of": row[2]} for row in placed])
    follow = [
        {**_planned(row[0] + 10**9), "due_at": 2 * 10**12} for row in placed if row[0] % 10 < FOLLOWED_OF_TEN
    ]  # fmt: skip
    await hand.many(ADD_ATTEMPTS, follow)
