"""Statements that are compiled once and then handed to the driver as they are.

SQLAlchemy's own `execute` costs some 55 µs a statement before and after SQLite's 2 µs: cache key, context, cursor,
result. That is what a hot statement pays thousands of times a second; here it is paid once. Rows are named tuples, and
values go through SQLAlchemy's types both ways. Engine events such as `before_cursor_execute` do not see these.

PostgreSQL gets many rows as one statement over arrays (`dialer.store.arrays`): a round trip a row is what costs there.
"""

import re
import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import Any, NoReturn
from weakref import WeakSet

from sqlalchemy import JSON, Connection, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_only

from dialer.store import postgres
from dialer.store.arrays import Arrays, any_of
from dialer.store.columns import Columns, Process, each, repeats

FEW = 12
"""Rows that are read one by one: columns are worth it where there are more."""
SEVERAL = 50
"""Rows of one INSERT of SQLite: the parameters of the widest table stay far below its limit."""
_VALUES = re.compile(r"^INSERT INTO [^?]* VALUES (\((?:\?, )*\?\))(?= ON CONFLICT|$)")


_EVERY: "WeakSet[Prepared]" = WeakSet()


def compile_all(dialect: Dialect) -> None:
    """Compiles every statement that is not yet. It takes milliseconds each: not while something is due."""
    for prepared in list(_EVERY):
        prepared._compiled(dialect)


class Prepared:
    """One statement with named parameters. A list parameter (`expanding`) takes any number of values up to IN_MAX.

    `statement`: SQLAlchemy's, or what makes it for the dialect of this name.
    """

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._by_dialect: dict[str, _Compiled] = {}
        _EVERY.add(self)

    def all(self, tx: Connection, **given: Any) -> list[Any]:
        """Its rows. Raises DBAPIError, as every statement does."""
        compiled = self._compiled(tx.dialect)
        sql, values = compiled.filled(given)
        return list(map(compiled.row, compiled.read(_fetch(tx, sql, values))))

    def plain(self, tx: Connection, **given: Any) -> list[dict[str, Any]]:
        """Its rows as dictionaries: for many that are going to be changed."""
        compiled = self._compiled(tx.dialect)
        sql, values = compiled.filled(given)
        names = compiled.row_names
        return [dict(zip(names, row, strict=True)) for row in compiled.read(_fetch(tx, sql, values))]

    def first(self, tx: Connection, **given: Any) -> Any | None:
        """Its first row."""
        rows = self.all(tx, **given)
        return rows[0] if rows else None

    def scalars(self, tx: Connection, **given: Any) -> list[Any]:
        """The first value of each row."""
        return [row[0] for row in self.all(tx, **given)]

    def scalar(self, tx: Connection, **given: Any) -> Any | None:
        """The first value of the first row; None where there is none."""
        row = self.first(tx, **given)
        return None if row is None else row[0]

    def columns(self, tx: Connection, **given: Any) -> list[Sequence[Any]]:
        """The same, column by column, none where there is no row. For thousands of rows: what repeats in a column goes
        through its type once."""
        compiled = self._compiled(tx.dialect)
        sql, values = compiled.filled(given)
        return compiled.columns(_fetch(tx, sql, values))

    def run(self, tx: Connection, **given: Any) -> int:
        """Returns how many rows it changed."""
        return _change(tx, *self._compiled(tx.dialect).filled(given))

    def run_many(self, tx: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
        """Once for each of these; returns how many rows they changed together."""
        if not rows:
            return 0
        names = self._compiled(tx.dialect).names
        return self.run_columns(tx, {name: [row[name] for row in rows] for name in names})

    def run_columns(self, tx: Connection, columns: Columns) -> int:
        """Once for each row of these columns, of one length, by the names of the parameters. For thousands of rows: a
        column goes through its type as a whole."""
        compiled = self._compiled(tx.dialect)
        if compiled.arrays is not None:
            return _change(tx, compiled.arrays.sql, compiled.arrays.columns(columns))
        rows = compiled.rows(columns)
        if compiled.several is None:
            return _change(tx, compiled.sql, rows, is_many=True)
        groups, rest = _grouped(list(rows))
        changed = _change(tx, compiled.several, groups, is_many=True) if groups else 0
        return changed + (_change(tx, compiled.sql, rest, is_many=True) if rest else 0)

    def all_many(self, tx: Connection, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """What it returns once for each of these, in order."""
        if not rows:
            return []
        compiled = self._compiled(tx.dialect)
        if compiled.arrays is None:
            return [found for row in rows for found in self.all(tx, **row)]
        return list(map(compiled.row, compiled.read(_fetch(tx, compiled.arrays.sql, compiled.arrays.values(rows)))))

    def _compiled(self, dialect: Dialect) -> "_Compiled":
        found = self._by_dialect.get(dialect.name)
        if found is None:
            is_made = hasattr(self._statement, "compile")
            statement = self._statement if is_made else self._statement(dialect.name)
            found = self._by_dialect[dialect.name] = _Compiled(statement, dialect)
        return found


class _Compiled:
    """The statement for one dialect: its text, its parameters in order, and what values go through on their way."""

    def __init__(self, statement: Any, dialect: Dialect) -> None:
        made = statement.compile(dialect=dialect)
        self.sql = str(made)
        self._places: list[tuple[str, Process | None]] = []
        self._fixed: dict[str, Any] = {}
        self._lists: dict[str, Process | None] = {}
        self._repeating = frozenset(name for name, bind in made.binds.items() if repeats(bind.type))
        is_numbered = dialect.name == "postgresql"
        for name in made.positiontup or ():
            bind = made.binds[name]
            process = bind.type.dialect_impl(dialect).bind_processor(dialect)
            assert bind.required or not bind.expanding, "a list is given with each call, not written into the statement"
            if not bind.required:  # a value that is written into the statement
                self._fixed[name] = process(bind.value) if process else bind.value
            elif bind.expanding:
                self._lists[name] = process
            self._places.append((name, process if bind.required and not bind.expanding else None))
        self.names = tuple(dict.fromkeys(name for name, _ in self._places if name not in self._fixed))
        """Of its parameters."""
        columns = made._result_columns
        self.row_names = [column.keyname for column in columns]
        self.row: Callable[[Iterable[Any]], Any] = _row(self.row_names)._make
        processors = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
        self._processors = [(place, process) for place, process in enumerate(processors) if process is not None]
        self._documents = {place for place, column in enumerate(columns) if isinstance(column.type, JSON)}
        self._is_numbered = is_numbered
        self.arrays = Arrays(made, dialect) if is_numbered and not self._lists and Arrays.fits(self.sql) else None
        self.several = None if is_numbered else _several(self.sql)
        if is_numbered:
            # Numbers were given to the others first.
            self._places.sort(key=lambda place: place[0] in self._lists)
            self.sql = any_of(self.sql, made, dialect, [name for name, _ in self._places])

    def read(self, rows: Sequence[Any]) -> Iterable[Sequence[Any]]:
        """The rows as Python has them: many by their columns, few by themselves."""
        if not self._processors:
            return rows
        if len(rows) < FEW:
            return map(self._read, rows)
        columns: list[Iterable[Any]] = list(zip(*rows, strict=True))
        for place, process in self._processors:
            columns[place] = self._read_column(process, columns[place], place in self._documents)
        return zip(*columns, strict=True)

    def _read_column(self, process: Process, column: Iterable[Any], is_document: bool) -> Iterable[Any]:
        if is_document:  # each has its own, which may be changed
            return [None if value is None else process(value) for value in column]
        known = {value: process(value) for value in set(column) if value is not None}
        return map(known.get, column)

    def _read(self, values: Sequence[Any]) -> Sequence[Any]:
        """Most columns that have a type of their own are empty in most rows."""
        found = list(values)
        for place, process in self._processors:
            value = found[place]
            if value is not None:
                found[place] = process(value)
        return found

    def columns(self, rows: Iterable[Any]) -> list[Sequence[Any]]:
        columns = list(zip(*rows, strict=True))
        processors = dict(self._processors)
        return [each(processors.get(place), column, True) for place, column in enumerate(columns)]

    def values(self, given: Mapping[str, Any]) -> Sequence[Any]:
        """The driver's values, in order."""
        if self._fixed:
            given = {**given, **self._fixed}
        return [process(given[name]) if process else given[name] for name, process in self._places]

    def rows(self, columns: Columns) -> Iterable[Sequence[Any]]:
        """The driver's values of each row, in order."""
        fixed, repeating = self._fixed, self._repeating
        return zip(
            *(
                repeat(fixed[name]) if name in fixed else each(process, columns[name], name in repeating)
                for name, process in self._places
            ),
            strict=False,
        )

    def filled(self, given: Mapping[str, Any]) -> tuple[str, Sequence[Any]]:
        """The text with as many places as the lists have values, and the driver's values."""
        sql, values = self.sql, self.values(given)
        if not self._lists:
            return sql, values
        flat: list[Any] = []
        for (name, _), value in zip(self._places, values, strict=True):
            if name not in self._lists:
                flat.append(value)
                continue
            process = self._lists[name]
            if self._is_numbered:
                flat.append([process(one) for one in value] if process else list(value))
                continue
            many = _padded(value)
            sql = sql.replace(f"__[POSTCOMPILE_{name}]", ", ".join("?" * len(many)), 1)
            flat += [process(one) for one in many] if process else many
        return sql, flat


def _row(names: Sequence[str]) -> Any:
    """A class of rows with these columns: SQLAlchemy's own take ten times as long to be asked for one."""

    class Row(namedtuple("Row", names, rename=True)):  # type: ignore[misc]
        __slots__ = ()

        @property
        def _mapping(self) -> dict[str, Any]:
            return dict(zip(names, self, strict=True))

        def _asdict(self) -> dict[str, Any]:
            return self._mapping

    return Row


def _several(sql: str) -> str | None:
    """An INSERT of one row as one of SEVERAL rows, which takes SQLite a third less a row; None for anything else."""
    found = _VALUES.search(sql)
    if found is None or "?" in sql[found.end() :]:
        return None
    return f"{sql[: found.end()]}{f', {found[1]}' * (SEVERAL - 1)}{sql[found.end() :]}"


def _grouped(rows: Sequence[Sequence[Any]]) -> tuple[list[list[Any]], Sequence[Sequence[Any]]]:
    """The values of SEVERAL rows at a time, and the rows that are left."""
    whole = len(rows) - len(rows) % SEVERAL
    groups = [list(chain.from_iterable(rows[start : start + SEVERAL])) for start in range(0, whole, SEVERAL)]
    return groups, rows[whole:]


def _padded(values: Iterable[Any]) -> list[Any]:
    """As many values as the next power of two: a handful of texts serve every count, and SQLite keeps them prepared.

    The last value again changes no IN; of nothing at all, NULL is in no list.
    """
    many = list(values) or [None]
    size = 1 << (len(many) - 1).bit_length()
    return many + many[-1:] * (size - len(many))


def _fetch(tx: Connection, sql: str, values: Sequence[Any]) -> Sequence[Any]:
    raw: Any = tx.connection.driver_connection
    try:
        if isinstance(raw, sqlite3.Connection):
            return raw.execute(sql, values).fetchall()
        if tx.dialect.name == "postgresql":
            return await_only(raw.fetch(sql, *values))
        return await_only(raw.execute_fetchall(sql, values))
    except (sqlite3.Error, *postgres.FAULTS) as error:
        _refused(tx, sql, error)


def _change(tx: Connection, sql: str, values: Iterable[Any], is_many: bool = False) -> int:
    raw: Any = tx.connection.driver_connection
    try:
        if tx.dialect.name == "postgresql":
            return _count(await_only(raw.execute(sql, *values)))
        run = raw.executemany if is_many else raw.execute
        if isinstance(raw, sqlite3.Connection):
            return int(run(sql, values).rowcount)
        return int(await_only(run(sql, values)).rowcount)
    except (sqlite3.Error, *postgres.FAULTS) as error:
        _refused(tx, sql, error)


def _count(status: str) -> int:
    """PostgreSQL's `UPDATE 5`, `INSERT 0 5`."""
    return int(status.rsplit(" ", 1)[-1])


def _refused(tx: Connection, sql: str, error: BaseException) -> NoReturn:
    """As SQLAlchemy raises it, without the values: they are personal data."""
    if isinstance(error, sqlite3.Error):
        raise DBAPIError.instance(sql, None, error, sqlite3.Error, dialect=tx.dialect) from error
    raise postgres.wrapped(sql, error) from error
