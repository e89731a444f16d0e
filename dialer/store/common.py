"""Small things every statement module needs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, Column, ColumnElement, Row, Table, bindparam, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from dialer.store import tables as t
from dialer.store.columns import Columns
from dialer.store.database import Tx
from dialer.store.postgres import CHANNEL
from dialer.store.prepared import Prepared
from dialer.store.types import EPOCH

Values = Mapping[str, Any]
AnyRow = Row[*tuple[Any, ...]]
"""A row of any columns: they are read by name."""
IN_MAX = 5_000
"""Parameters of one IN list: SQLite takes 32,766, PostgreSQL 32,767."""


@dataclass(frozen=True, slots=True)
class People:
    """Which persons a statement is about: a span of ids (after, up to and including), or a list."""

    after: str = ""
    until: str = ""
    ids: tuple[str, ...] = ()

    @property
    def is_list(self) -> bool:
        return bool(self.ids)

    @property
    def given(self) -> Values:
        """What a statement that asks `within` takes."""
        return {"ids": self.ids} if self.ids else {"after": self.after, "until": self.until}


def within(column: Column[str], is_list: bool) -> ColumnElement[bool]:
    """Whether a row is of these people: the two forms that `People` has."""
    if is_list:
        return column.in_(bindparam("ids", expanding=True))
    return (column > bindparam("after")) & (column <= bindparam("until"))


def insert_for(dialect: str, table: Table) -> Any:
    """An INSERT that knows ON CONFLICT: the same words in both dialects, from two modules."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


@lru_cache(maxsize=64)
def _put(table: Table, names: tuple[str, ...]) -> Prepared:
    def statement(dialect: str) -> Any:
        insert = insert_for(dialect, table)
        keys = [column.name for column in table.primary_key.columns]
        values = {column.name: insert.excluded[column.name] for column in table.columns if column.name not in keys}
        return insert.values(_binds(table, names)).on_conflict_do_update(index_elements=keys, set_=values)

    return Prepared(statement)


@lru_cache(maxsize=64)
def _add(table: Table, names: tuple[str, ...]) -> Prepared:
    return Prepared(lambda dialect: insert_for(dialect, table).values(_binds(table, names)).on_conflict_do_nothing())


def _binds(table: Table, names: Iterable[str]) -> dict[str, BindParameter[Any]]:
    return {name: bindparam(name, type_=table.c[name].type) for name in names}


def put_all(tx: Tx, table: Table, rows: Sequence[Values]) -> None:
    """Inserts whole rows; each takes the place of the row with the same key."""
    _put(table, tuple(table.columns.keys())).run_many(tx, rows)


@lru_cache(maxsize=128)
def _insert(table: Table, names: tuple[str, ...]) -> Prepared:
    return Prepared(table.insert().inline().values(_binds(table, names)))


def insert_all(tx: Tx, table: Table, rows: Sequence[Values]) -> None:
    """Inserts rows that all have the same columns."""
    if rows:
        _insert(table, tuple(rows[0])).run_many(tx, rows)


def insert_rows(tx: Tx, table: Table, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Inserts rows of values for these columns: for thousands of them, which cost a third of what mappings do."""
    if rows:
        columns = _columns(table, names, rows)
        _insert(table, tuple(columns)).run_columns(tx, columns)


def put_rows(tx: Tx, table: Table, rows: Sequence[Sequence[Any]]) -> None:
    """The same of whole rows in the order of the table's columns; each takes the place of the row with the same key."""
    if rows:
        columns = _columns(table, table.columns.keys(), rows)
        _put(table, tuple(columns)).run_columns(tx, columns)


def add_missing(tx: Tx, table: Table, rows: Sequence[Sequence[Any]]) -> None:
    """The same where the key is not there yet; other rows stay as they are."""
    if rows:
        columns = _columns(table, table.columns.keys(), rows)
        _add(table, tuple(columns)).run_columns(tx, columns)


def _columns(table: Table, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Columns:
    """Without those that are NULL in every row: Python's driver takes longer over each than over a text."""
    return {
        name: column
        for name, column in zip(names, zip(*rows, strict=True), strict=True)
        if table.c[name].server_default is not None or any(value is not None for value in column)
    }


_take = Prepared(
    update(t.numbers)
    .where(t.numbers.c.name == "attempt")
    .values(next=t.numbers.c.next + bindparam("count"))
    .returning(t.numbers.c.next)
)


DAY_BITS = 36
"""PostgreSQL: an attempt's id begins with its due date, in days since 1970, before so many bits of a running number."""
_running = text("SELECT nextval('attempt_numbers') FROM generate_series(1, :count)")


def first_number(due_on: date) -> int:
    """PostgreSQL: the least id of an attempt for this due date. By it the tables are divided."""
    return (due_on - EPOCH.date()).days << DAY_BITS


def take_numbers(tx: Tx, due_days: Sequence[date]) -> list[int]:
    """A fresh attempt id for each of these due dates.

    SQLite: one after the other. PostgreSQL: the due date and a running number that nobody waits for.
    """
    count = len(due_days)
    if count == 0:
        return []
    if tx.dialect.name == "postgresql":
        running = tx.execute(_running, {"count": count}).scalars().all()
        return [first_number(day) + number for day, number in zip(due_days, running, strict=True)]
    taken = _take.scalar(tx, count=count)
    if taken is None:
        tx.execute(t.numbers.insert(), {"name": "attempt", "next": 1 + count})
        taken = 1 + count
    return list(range(taken - count, taken))


def in_parts(values: Iterable[Any], size: int = IN_MAX) -> Iterable[list[Any]]:
    every = list(values)
    for start in range(0, len(every), size):
        yield every[start : start + size]


UNHALTED = "unhalted"
"""Flag: since when it is halted no more. Not why it was: that may name somebody."""
_flag = Prepared(select(t.flags.c.value).where(t.flags.c.name == bindparam("of")))
_flag_at = Prepared(select(t.flags.c.set_at).where(t.flags.c.name == bindparam("of")))


def flag(tx: Tx, name: str) -> str:
    """The switch's value; empty where it is not set."""
    return _flag.scalar(tx, of=name) or ""


def flag_set_at(tx: Tx, name: str) -> datetime | None:
    """Since when the switch is as it is; None where it is not set."""
    found: datetime | None = _flag_at.scalar(tx, of=name)
    return found


def set_flag(tx: Tx, name: str, value: str | None, now: datetime) -> None:
    """Sets the switch; None takes it away."""
    if value is None:
        tx.execute(t.flags.delete().where(t.flags.c.name == name))
    else:
        put_all(tx, t.flags, [{"name": name, "value": value, "set_at": now}])


def flag_once(tx: Tx, name: str, value: str, now: datetime) -> str:
    """The switch's value: what it has, else this one. Of several workers that set it at once, one does."""
    if not (found := flag(tx, name)):
        insert = insert_for(tx.dialect.name, t.flags).on_conflict_do_nothing()
        tx.execute(insert, [{"name": name, "value": value, "set_at": now}])
        found = flag(tx, name)
    return found


_notify = text("SELECT pg_notify(:channel, '')")


def note_action(tx: Tx, action: str, subject: str, detail: str, now: datetime) -> None:
    """What an operator did, for the record; once it is committed, every worker is told that there is something new."""
    tx.execute(t.actions.insert(), {"at": now, "action": action, "subject": subject, "detail": detail})
    if tx.dialect.name == "postgresql":
        tx.execute(_notify, {"channel": CHANNEL})


__all__ = [
    "AnyRow", "People", "Values", "add_missing", "flag", "flag_once", "in_parts", "insert_all", "insert_for",
    "insert_rows", "note_action", "put_all", "put_rows", "set_flag", "take_numbers", "within",
]  # fmt: skip
