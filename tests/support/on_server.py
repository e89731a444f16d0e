"""A played scene's rows in a PostgreSQL database, with the attempts numbered as they would have been there."""

from datetime import date
from typing import Any

from sqlalchemy import text

from dialer.store import Tx, partitions
from dialer.store.common import first_number
from dialer.store.worker_tables import EVERY
from tests.support.scene import Scene

KEYS = {"actions": "action_id", "events": "event_id", "placements": "placement_id", "verdicts": "verdict_id"}
Rows = dict[str, list[dict[str, Any]]]


def rows_of(scene: Scene) -> Rows:
    """table → its rows, of a scene of which nothing is sealed yet."""
    found = {name: [dict(row._mapping) for row in scene.rows(name)] for name in EVERY.tables}
    ids = {row["attempt_id"]: first_number(row["due_on"]) + row["attempt_id"] for row in found["attempts"]}
    for rows in found.values():
        for row in rows:
            if row.get("attempt_id") is not None:
                row["attempt_id"] = ids[row["attempt_id"]]
    for row in found["attempts"]:
        del row["final"]
    return found


def put(tx: Tx, rows: Rows, today: date) -> None:
    """Writes them into a database that has nothing, whose months are those of `today`."""
    partitions.add(tx, today)
    for table in EVERY.sorted_tables:
        if rows[table.name]:
            tx.execute(table.insert(), rows[table.name])
    for table, key in KEYS.items():
        tx.execute(text(f"SELECT setval('{table}_{key}_seq', (SELECT max({key}) FROM {table}))"))
    last = max(row["attempt_id"] - first_number(row["due_on"]) for row in rows["attempts"])
    tx.execute(text("SELECT setval('attempt_numbers', :last)"), {"last": last})
