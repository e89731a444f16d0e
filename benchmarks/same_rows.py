"""The limit of the machine over this dialer's own tables: the rows of a whole life, and nothing is decided.

Where `by_hand` writes narrow tables of its own, this loop writes what the dialer leaves behind of each call: the same
columns, under the same indexes. The attempt (when it is claimed, and when it is settled), what was placed, the verdict,
the number taken and given back, five events, 0.3 follow-ups. SQLAlchemy Core on the drivers that the dialer uses;
batches of 500, the results of one share a commit with the claims of the next. It reads no facts and keeps to no line.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, func, select, update

from benchmarks import hands, stage
from benchmarks.by_hand import BATCH, FOLLOWED_OF_TEN, NAMES
from benchmarks.contender import Contender, Options
from benchmarks.figures import peak_mb
from dialer.store import tables as t
from dialer.store.queues import PLANNED
from dialer.store.record_tables import placements

WAYS = {"sqlite": "core+aiosqlite", "postgresql": "core+asyncpg"}
LINE, WORKER, CALLER = "main", "by hand", "+864001234567"
RING, TALK, LATER, LEASE = timedelta(seconds=3), timedelta(seconds=20), timedelta(days=1), timedelta(seconds=90)
COST = Decimal("0.12")
TOLD = ("accepted", "ringing", "answered", "human_detected", "ended")

_a, _aa = t.attempts.c, t.attempt_accounts.c
TAKE = (
    select(t.attempts, _aa.account_id, _aa.installment_id)
    .join(t.attempt_accounts, _aa.attempt_id == _a.attempt_id)
    .where(_a.campaign_id == bindparam("campaign"), _a.channel == "voice", _a.priority == bindparam("priority"))
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
    return update(t.attempts).where(_a.attempt_id == bindparam("of")).values(values)


CLAIM, RESULT = _moved(CLAIMED), _moved(SETTLED)
FREE = t.live_calls.delete().where(t.live_calls.c.phone == bindparam("of"))
Row = Any


def contenders(options: Options, count: int) -> list[Contender]:
    return [
        Contender(f"by hand, {NAMES[WAYS[base]]}, our tables", base, "benchmarks.same_rows:life", {"count": count})
        for base in options.databases
    ]


def life(database: str, folder: str, count: int) -> dict[str, float]:
    return asyncio.run(_life(database, Path(folder), count))


async def _life(database: str, folder: Path, count: int) -> dict[str, float]:
    async with stage.house(folder, database) as house:
        await stage.plan(house, folder, count)
        await stage.rest(house)
        queue = await house.store.read(_queue)
        way = WAYS["postgresql" if house.store.is_shared else "sqlite"]
        hand = await hands.open_hand(way, database)
        started = time.perf_counter()
        await _run(hand, queue)
        taken = time.perf_counter() - started
        await hand.close()
        followed = await house.store.read(_followed)
    return {"rate": count / taken, "followed": followed / count, "peak_mb": peak_mb()}


def _queue(tx: Any) -> dict[str, int]:
    """What all were planned in: they are one campaign's, of one segment."""
    row = tx.execute(select(_a.campaign_id, _a.priority).where(PLANNED).distinct()).one()
    return {"campaign": row.campaign_id, "priority": row.priority}


def _followed(tx: Any) -> int:
    return int(tx.execute(select(func.count()).where(_a.cause == "otherwise")).scalar_one())


async def _run(hand: Any, queue: dict[str, int]) -> None:
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
    await hand.many(CLAIM, [{"of": row.attempt_id, **to} for row in taken])
    await hand.many(placements.insert(), [{**{name: getattr(row, name) for name in PLACED}, **held} for row in taken])
    passed = {"at": at, "stage": "dialing", "verdict": "pass"}
    await hand.many(t.verdicts.insert(), [{"attempt_id": row.attempt_id, **passed} for row in taken])
    await hand.many(
        t.live_calls.insert(), [{"phone": row.phone, "attempt_id": row.attempt_id, "line": LINE} for row in taken]
    )


async def _settle(hand: Any, placed: list[Row], at: datetime) -> None:
    moved = {
        "state": "settled", "placed_at": at, "answered_at": at + RING, "ended_at": at + TALK, "settled_at": at,
        "disposition": "human", "outcome": "reached", "detected": "human", "check_at": None, "cost": COST,
    }  # fmt: skip
    to = {f"to_{name}": value for name, value in moved.items()}
    await hand.many(
        RESULT, [{"of": row.attempt_id, "to_provider_ref": f"noop-{row.attempt_id}", **to} for row in placed]
    )
    await hand.many(t.events.insert(), [event for row in placed for event in _events(row.attempt_id, at)])
    await hand.many(FREE, [{"of": row.phone} for row in placed])
    follow = [row for row in placed if row.attempt_id % 10 < FOLLOWED_OF_TEN]
    await hand.many(t.attempts.insert(), [_following(row, at) for row in follow])
    await hand.many(t.attempt_accounts.insert(), [_about(row) for row in follow])


def _events(key: int, at: datetime) -> list[dict[str, Any]]:
    ref = f"noop-{key}"
    return [
        {
            "attempt_id": key, "kind": kind, "at": at, "received_at": at, "stray": False, "data": {"ref": ref},
            "identity": f"{ref}/{kind}/0" if number else None,
        }
        for number, kind in enumerate(TOLD)
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
