"""The hot statements use their indexes: what they cost does not grow with the backlog."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from dialer.store import (
    InlineStore,
    Tx,
    attempts,
    desk,
    erasure,
    law,
    movement,
    planbook,
    queues,
    running,
    status_rows,
    tables,
)  # fmt: skip
from dialer.store import campaigns as campaign_store
from dialer.store.common import People
from dialer.store.schema import create

NOW = datetime(2026, 1, 14, tzinfo=UTC)
QUEUE = (1, "voice", 10)
PEOPLE = {"a span": People("P-100", "P-1001"), "a list": People(ids=("P-1", "P-1001"))}
HOT: dict[str, Callable[[Tx], Any]] = {
    "take_due": lambda tx: queues.take_due(tx, QUEUE, NOW, 5),
    "first_due": lambda tx: queues.first_due(tx, [QUEUE, (1, "sms", 10)]),
    "expire": lambda tx: queues.expire(tx, QUEUE, NOW),
    "waiting": lambda tx: queues.waiting(tx, QUEUE, NOW, NOW),
    "overdue": lambda tx: running.overdue(tx, NOW, 5),
    "next_check": running.next_check,
    "heard_at": lambda tx: running.heard_at(tx, 1),
    "running_calls": attempts.running_calls,
    "roster": lambda tx: attempts.roster(tx, [1, 2]),
    "contacts": lambda tx: law.contacts(tx, ["P-1"], ["+8613800138001"], NOW, "creditor", True),
    "last_look": lambda tx: attempts.last_look(tx, {1: NOW}, "worker"),
    "by_id": lambda tx: attempts.by_id(tx, [1]),
    "moving": lambda tx: movement.moving(tx, [1], ["r"]),
    "known_identities": lambda tx: attempts.known_identities(tx, ["e"]),
    "stops": lambda tx: planbook.stops(tx, ["P-1"], ["+8613800138001"], NOW.date()),
    "persons_of": lambda tx: desk.persons_of(tx, ["+8613800138001"]),
    "open_promises": lambda tx: desk.open_promises(tx, NOW.date()),
    "last_placed": status_rows.last_placed,
    "placed_since": lambda tx: status_rows.placed_since(tx, NOW),
    "outside_window": lambda tx: status_rows.outside_window(tx, NOW),
    "call_seconds": lambda tx: status_rows.call_seconds(tx, "main", NOW, 5),
    "due_between": lambda tx: status_rows.due_between(tx, QUEUE, NOW, NOW),
    "lost": status_rows.lost,
}
for told, some in PEOPLE.items():
    # What a payment, a stop or an import has planned anew, and what a page of planning does.
    HOT |= {
        f"due of {told}": lambda tx, some=some: planbook.due(tx, some, NOW.date(), NOW.date()),
        f"planned of {told}": lambda tx, some=some: planbook.planned(tx, 1, some, NOW.date()),
        f"elsewhere of {told}": lambda tx, some=some: elsewhere(tx, some),
    }
HOT["members"] = lambda tx: campaign_store.members(tx, 1, ["L-1", "L-1001"])
HOT["history"] = lambda tx: planbook.history(tx, ["L-1"], NOW.date(), NOW.date())
HOT["delete_attempts"] = lambda tx: erasure.delete_attempts(tx, [1, 2])
HOT["delete_persons"] = lambda tx: erasure.delete_persons(tx, [somebody(tx)])
HOT["next_people"] = lambda tx: planbook.next_people(tx, "P-1", 5)
SMALL = {"suppressions", "flags", "campaigns", "lines", "spend"}
"""Tables that do not grow with the backlog."""


def somebody(tx: Tx) -> str:
    """One who has an account: of those without any nothing more is asked."""
    if not tx.execute(select(tables.accounts.c.account_id).where(tables.accounts.c.person_id == "P-1001")).first():
        values = dict.fromkeys((column.name for column in tables.accounts.columns if not column.nullable), "")
        values |= {"account_id": "L-1001", "person_id": "P-1001", "imported_at": NOW, "zones": ("Asia/Shanghai",)}
        tx.execute(tables.accounts.insert(), values)
    return "P-1001"


def elsewhere(tx: Tx, people: People) -> None:
    somebody(tx)
    planbook.planned_elsewhere(tx, 1, people, NOW.date())


def scans(name: str, drop: str = "") -> list[str]:
    """The large tables that a hot statement walks from end to end; `drop`: without this index."""
    store = InlineStore()
    create(store)
    ran: list[str] = []

    def plans(tx: Tx) -> list[str]:
        if drop:
            tx.exec_driver_sql(f"DROP INDEX {drop}")
        raw: Any = tx.connection.driver_connection
        raw.set_trace_callback(ran.append)  # with the values written in: prepared statements pass by the engine
        HOT[name](tx)
        raw.set_trace_callback(None)
        asked = [text for text in ran if text.startswith(("SELECT", "UPDATE", "DELETE"))]
        assert asked
        return [row[3] for text in asked for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]

    # All that a campaign has is no less than a whole table.
    walks = [plan for plan in store.run(plans) if plan.startswith("SCAN") or plan.endswith("(campaign_id=?)")]
    found = [plan for plan in walks if plan.split()[1] not in SMALL]
    # The index of running attempts holds what runs now, that of open promises what is open: never the backlog.
    return [plan for plan in found if "ix_attempts_running" not in plan and "ix_promises_open" not in plan]


def test_progress_walks_over_its_index_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HOT, "progress", status_rows.progress)
    assert scans("progress") == ["SCAN attempts USING COVERING INDEX ix_attempts_progress"]


@pytest.mark.parametrize("name", list(HOT))
def test_no_hot_statement_walks_a_large_table(name: str) -> None:
    assert scans(name) == []


def test_a_missing_index_would_be_seen() -> None:
    assert scans("take_due", drop="ix_attempts_due")
    assert scans("overdue", drop="ix_attempts_running")
