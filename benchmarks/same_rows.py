"""The limit of the machine over this dialer's own tables: its rows are written, and nothing is decided.

Where `by_hand` writes narrow tables of its own, these loops write what the dialer leaves behind of each attempt: the
same columns, under the same indexes. `dispatch`: the attempt when it is claimed and when it is settled, what was
placed, the verdict, one event. `whole_life`: five events, the number taken and given back, 0.3 follow-ups as well.
`planning`: the attempts of a plan, whom they are about, the members. SQLAlchemy Core on the drivers that the dialer
uses; the results of a batch share a commit with the claims of the next. No facts are read, no line is kept to.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, func, select, update

from benchmarks import hands, stage
from benchmarks.by_hand import BATCH, FOLLOWED_OF_TEN, NAMES
from benchmarks.contender import Contender, Options
from benchmarks.figures import peak_mb
from dialer.planning import PAGE
from dialer.store import tables as t
from dialer.store.queues import PLANNED
from dialer.store.record_tables import placements

WAYS = {"sqlite": "core+aiosqlite", "postgresql": "core+asyncpg"}
PLAN: tuple[Table, ...] = (t.attempts, t.attempt_accounts, t.members)
LINE, WORKER, CALLER = "main", "by hand", "+864001234567"
RING, TALK, LATER, LEASE = timedelta(seconds=3), timedelta(seconds=20), timedelta(days=1), timedelta(seconds=90)
COST = Decimal("0.12")
TOLD = {"voice": ("accepted", "ringing", "answered", "human_detected", "ended"), "sms": ("sent",)}
"""Kinds of events; the first is the engine's own."""
Row = Any

_a, _aa = t.attempts.c, t.attempt_accounts.c
TAKE = (
    select(t.attempts, _aa.account_id, _aa.installment_id)
    .join(t.attempt_accounts, _aa.attempt_id == _a.attempt_id)
    .where(_a.campaign_id == bindparam("campaign"), _a.channel == bindparam("over"), _a.priority == bindparam("of"))
    .where(PLANNED, _a.due_at <= bindparam("now"))
    .order_by(_a.due_at, _a.attempt_id)
    .limit(bindparam("most"))
)
CLAIMED = ("state", "version", "line", "caller", "worker", "claimed_at", "check_at", "cost")
SETTLED = (
    "state", "placed_at", "answered_at", "ended_at", "settled_at", "provider_ref", "disposition", "outcome", "detected",
    "check_at", "cost",
)  # fmt: skip
PLACED = ("attempt_id", "campaign_id", "person_id", "phone", "channel", "script")


def _moved(names: Sequence[str]) -> Any:
    values = {name: bindparam(f"to_{name}") for name in names}
    return update(t.attempts).where(_a.attempt_id == bindparam("key")).values(values)


CLAIM, RESULT = _moved(CLAIMED), _moved(SETTLED)
FREE = t.live_calls.delete().where(t.live_calls.c.phone == bindparam("of"))


def contenders(options: Options, what: str, count: int, runs: int | None = None) -> list[Contender]:
    """`what`: `dispatch`, `whole_life` or `planning`."""
    return [
        Contender(
            f"by hand, {NAMES[WAYS[base]]}, our tables", base, f"benchmarks.same_rows:{what}", {"count": count}, runs
        )
        for base in options.databases
    ]  # fmt: skip


def dispatch(database: str, folder: str, count: int) -> dict[str, float]:
    return asyncio.run(_dial(database, Path(folder), count, stage.MESSAGES))


def whole_life(database: str, folder: str, count: int) -> dict[str, float]:
    return asyncio.run(_dial(database, Path(folder), count, stage.CALLS))


def planning(database: str, folder: str, count: int) -> dict[str, float]:
    return asyncio.run(_plan(database, Path(folder), count))


async def _dial(database: str, folder: Path, count: int, content: str) -> dict[str, float]:
    async with stage.house(folder, database) as house:
        await stage.plan(house, folder, count, content=content)
        await stage.rest(house)
        queue = await house.store.read(_queue)
        hand = await _hand(database, house.store.is_shared)
        started = time.perf_counter()
        await _run(hand, queue)
        taken = time.perf_counter() - started
        await hand.close()
        followed = await house.store.read(_followed)
    found = {"rate": count / taken, "peak_mb": peak_mb()}
    return found | ({"followed": followed / count} if queue["over"] == "voice" else {})


async def _hand(database: str, is_shared: bool) -> Any:
    return await hands.open_hand(WAYS["postgresql" if is_shared else "sqlite"], database)


def _queue(tx: Connection) -> dict[str, Any]:
    """What all were planned in: they are one campaign's, of one segment."""
    row = tx.execute(select(_a.campaign_id, _a.channel, _a.priority).where(PLANNED).distinct()).one()
    return {"campaign": row.campaign_id, "over": row.channel, "of": row.priority}


def _followed(tx: Connection) -> int:
    return int(tx.execute(select(func.count()).where(_a.cause == "otherwise")).scalar_one())


async def _run(hand: Any, queue: dict[str, Any]) -> None:
    """Until nothing is due: claims of one batch and results of the one before in each commit."""
    placed: list[Row] = []
    ends = stage.AT + LATER
    while True:
        at = datetime.now(UTC)
        await hand.begin()
        if placed:
            await _settle(hand, placed, at)
        taken = await hand.all(TAKE, {**queue, "now": ends, "most": BATCH})
        if taken:
            await _claim(hand, taken, at)
        await hand.commit()
        if not taken:
            return
        placed = taken


async def _claim(hand: Any, taken: list[Row], at: datetime) -> None:
    held = {"version": 1, "line": LINE, "caller": CALLER, "worker": WORKER, "claimed_at": at}
    moved = {"state": "placing", **held, "check_at": at + LEASE, "cost": COST}
    to = {f"to_{name}": value for name, value in moved.items()}
    await hand.many(CLAIM, [{"key": row.attempt_id, **to} for row in taken])
    await hand.many(placements.insert(), [{**{name: getattr(row, name) for name in PLACED}, **held} for row in taken])
    passed = {"at": at, "stage": "dialing", "verdict": "pass"}
    await hand.many(t.verdicts.insert(), [{"attempt_id": row.attempt_id, **passed} for row in taken])
    calls = [row for row in taken if row.channel == "voice"]
    if calls:
        lives = [{"phone": row.phone, "attempt_id": row.attempt_id, "line": LINE} for row in calls]
        await hand.many(t.live_calls.insert(), lives)


async def _settle(hand: Any, placed: list[Row], at: datetime) -> None:
    talked = {"answered_at": at + RING, "ended_at": at + TALK, "disposition": "human", "detected": "human"}
    sent = {"answered_at": None, "ended_at": at, "disposition": "sent", "detected": None}
    calls = [row for row in placed if row.channel == "voice"]
    moved = {
        "state": "settled", "placed_at": at, "settled_at": at, "outcome": "reached", "check_at": None, "cost": COST,
        **(talked if calls else sent),
    }  # fmt: skip
    to = {f"to_{name}": value for name, value in moved.items()}
    rows = [{"key": row.attempt_id, "to_provider_ref": f"noop-{row.attempt_id}", **to} for row in placed]
    await hand.many(RESULT, rows)
    await hand.many(t.events.insert(), [event for row in placed for event in _events(row, at)])
    if calls:
        await hand.many(FREE, [{"of": row.phone} for row in calls])
        follow = [row for row in calls if row.attempt_id % 10 < FOLLOWED_OF_TEN]
        await hand.many(t.attempts.insert(), [_following(row, at) for row in follow])
        await hand.many(t.attempt_accounts.insert(), [_about(row) for row in follow])


def _events(row: Row, at: datetime) -> list[dict[str, Any]]:
    ref = f"noop-{row.attempt_id}"
    return [
        {
            "attempt_id": row.attempt_id, "kind": kind, "at": at, "received_at": at, "stray": False,
            "data": {"ref": ref}, "identity": f"{ref}/{kind}/0" if number else None,
        }
        for number, kind in enumerate(TOLD[row.channel])
    ]  # fmt: skip


_CARRIED = (
    "campaign_id", "person_id", "segment", "due_on", "round", "rounds", "day_offset", "window", "entry", "priority",
    "phone", "country", "line_type", "zones", "window_from", "window_until", "valid_until", "script",
)  # fmt: skip
FURTHER = 10**9
"""From an attempt's id to its follow-up's: of the same due date on PostgreSQL too."""


def _following(row: Row, at: datetime) -> dict[str, Any]:
    return {
        **{name: getattr(row, name) for name in _CARRIED},
        "attempt_id": row.attempt_id + FURTHER, "try": 2, "cause": "otherwise", "retries": 0, "infra": 0,
        "otherwise_used": True, "channel": "sms", "state": "planned", "due_at": at + LATER, "planned_for": at + LATER,
    }  # fmt: skip


def _about(row: Row) -> dict[str, Any]:
    return {
        "attempt_id": row.attempt_id + FURTHER, "account_id": row.account_id, "installment_id": row.installment_id,
        "campaign_id": row.campaign_id, "day_offset": row.day_offset, "window": row.window, "try": 2,
        "cancelled": False,
    }  # fmt: skip


# --- planning ---------------------------------------------------------------------------------------------------------


async def _plan(database: str, folder: Path, count: int) -> dict[str, float]:
    """What the dialer planned is read, taken away, and written again, a page of as many persons a transaction."""
    async with stage.house(folder, database) as house:
        await stage.plan(house, folder, count)
        pages = await house.store.read(_pages)
        await house.store.write(lambda tx: [tx.execute(delete(table)) for table in PLAN])
        await stage.rest(house)
        hand = await _hand(database, house.store.is_shared)
        started = time.perf_counter()
        for page in zip(*pages, strict=True):
            await hand.begin()
            for table, rows in zip(PLAN, page, strict=True):
                await hand.many(table.insert(), rows)
            await hand.commit()
        taken = time.perf_counter() - started
        await hand.close()
    return {"planned": count / taken, "peak_mb": peak_mb()}


def _pages(tx: Connection) -> list[list[list[dict[str, Any]]]]:
    """The rows of each table of a plan in its own order, a page of them at a time: there is one for each person."""
    every = [_rows(tx, table) for table in PLAN]
    return [[rows[start : start + PAGE] for start in range(0, len(rows), PAGE)] for rows in every]


def _rows(tx: Connection, table: Table) -> list[dict[str, Any]]:
    """Without what the database works out, and what is NULL in all: the dialer writes neither."""
    found = tx.execute(select(table).order_by(*table.primary_key.columns)).mappings().all()
    names = [one.name for one in table.columns if one.computed is None and any(row[one] is not None for row in found)]
    return [{name: row[name] for name in names} for row in found]
