"""Small things every statement module needs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, ColumnElement, Dialect, Row, Table, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from dialer.store import tables as t
from dialer.store.database import Tx

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

    def within(self, column: ColumnElement[str] | Column[str]) -> ColumnElement[bool]:
        if self.ids:
            return column.in_(self.ids)
        return (column > self.after) & (column <= self.until)


def insert_for(dialect: str, table: Table) -> Any:
    """An INSERT that knows ON CONFLICT: the same words in both dialects, from two modules."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


@lru_cache(maxsize=32)
def _put(dialect: str, table: Table) -> Any:
    insert = insert_for(dialect, table)
    keys = [column.name for column in table.primary_key.columns]
    values = {column.name: insert.excluded[column.name] for column in table.columns if column.name not in keys}
    return insert.on_conflict_do_update(index_elements=keys, set_=values)


def put_for(tx: Tx, table: Table) -> Any:
    """An INSERT of whole rows that takes the place of the row with the same key."""
    return _put(tx.dialect.name, table)


def insert_all(tx: Tx, table: Table, rows: Sequence[Values]) -> None:
    """Inserts rows that all have the same columns.

    The statement is compiled once and the driver gets tuples: SQLAlchemy's own executemany costs several times as
    much a row, and planning writes hundreds of thousands.
    """
    if not rows:
        return
    statement, columns = _bulk(tx.dialect, table, tuple(rows[0]))
    tx.exec_driver_sql(
        statement, [tuple(process(row[name]) if process else row[name] for name, process in columns) for row in rows]
    )


Columns = list[tuple[str, Callable[[Any], Any] | None]]
_compiled: dict[tuple[str, str, tuple[str, ...]], tuple[str, Columns]] = {}


def _bulk(dialect: Dialect, table: Table, names: tuple[str, ...]) -> tuple[str, Columns]:
    """The INSERT for these columns, in its own order, and what each value goes through on its way to the driver."""
    key = (dialect.name, table.name, names)
    if key not in _compiled:
        insert = table.insert().values({name: bindparam(name, type_=table.c[name].type) for name in names})
        compiled = insert.compile(dialect=dialect)
        order = compiled.positiontup or list(names)
        processors = [table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in order]
        _compiled[key] = (str(compiled), list(zip(order, processors, strict=True)))
    return _compiled[key]


def take_numbers(tx: Tx, count: int) -> range:
    """`count` fresh attempt ids. The row's lock lasts as long as the transaction."""
    if count == 0:
        return range(0)
    taken = tx.execute(
        update(t.numbers)
        .where(t.numbers.c.name == "attempt")
        .values(next=t.numbers.c.next + count)
        .returning(t.numbers.c.next)
    ).scalar_one_or_none()
    if taken is None:
        tx.execute(t.numbers.insert(), {"name": "attempt", "next": 1 + count})
        taken = 1 + count
    return range(taken - count, taken)


def in_parts(values: Iterable[Any], size: int = IN_MAX) -> Iterable[list[Any]]:
    every = list(values)
    for start in range(0, len(every), size):
        yield every[start : start + size]


_flag = select(t.flags.c.value).where(t.flags.c.name == bindparam("of"))


def flag(tx: Tx, name: str) -> str:
    """The switch's value; empty where it is not set."""
    return tx.execute(_flag, {"of": name}).scalar() or ""


def set_flag(tx: Tx, name: str, value: str | None, now: datetime) -> None:
    """Sets the switch; None takes it away."""
    tx.execute(t.flags.delete().where(t.flags.c.name == name))
    if value is not None:
        tx.execute(t.flags.insert(), {"name": name, "value": value, "set_at": now})


def note_action(tx: Tx, action: str, subject: str, detail: str, now: datetime) -> None:
    """What an operator did, for the record."""
    tx.execute(t.actions.insert(), {"at": now, "action": action, "subject": subject, "detail": detail})


__all__ = [
    "AnyRow", "People", "Values", "flag", "in_parts", "insert_all", "insert_for", "note_action", "put_for",
    "set_flag", "take_numbers",
]  # fmt: skip
