"""The attempts that run, kept in memory as they stand in the database, from one transaction to the next.

Where one connection does all the writing (SQLite), what it has written need not be read again: an attempt is, else, for
each piece of its news. It holds while nobody else wrote, which the database itself tells: `data_version` of other
connections, `total_changes` of this one. A transaction that is rolled back takes it all away (`forget`).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

MOST = 20_000
"""Attempts at hand, some 1.5 kB each; further ones are read each time."""
_KEY = "at_hand"
Rows = dict[int, dict[str, Any]]
"""attempt id → its columns, as `movement.moving` has them."""


class _AtHand:
    def __init__(self) -> None:
        self.rows: Rows = {}
        self.stamp: tuple[int, int] | None = None
        """How often others, and we, had written when `rows` were true."""


def is_kept(tx: Connection) -> bool:
    """Whether anything may be at hand: only where this connection does all the writing."""
    return isinstance(tx.connection.driver_connection, sqlite3.Connection)


def rows(tx: Connection) -> Rows:
    """Those at hand, none where anything was written since. Not to be changed: see `keep`."""
    found = _of(tx)
    if found.rows and found.stamp != _stamp(tx):
        found.rows.clear()
    return found.rows


def keep(tx: Connection, changed: Rows, over: Rows) -> None:
    """What was written since `rows`, in this transaction, left these running as they are here, and those over; no
    other running attempt has changed."""
    if not is_kept(tx):
        return
    found = _of(tx)
    for key in over:
        found.rows.pop(key, None)
    found.rows.update(changed)
    while len(found.rows) > MOST:
        found.rows.popitem()
    found.stamp = _stamp(tx)


@contextmanager
def untouched(tx: Connection) -> Iterator[None]:
    """What is written in here is about no running attempt."""
    before = rows(tx) if is_kept(tx) else {}
    yield
    if before:
        keep(tx, {}, {})


def forget(tx: Connection) -> None:
    """Nothing is at hand any more: what was written was rolled back, or is about any attempt."""
    tx.info.pop(_KEY, None)


def _of(tx: Connection) -> _AtHand:
    found: _AtHand = tx.info.setdefault(_KEY, _AtHand()) if is_kept(tx) else _AtHand()
    return found


def _stamp(tx: Connection) -> tuple[int, int]:
    raw: Any = tx.connection.driver_connection
    return raw.execute("PRAGMA data_version").fetchone()[0], raw.total_changes
