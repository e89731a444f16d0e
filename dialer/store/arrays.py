"""Statements for PostgreSQL over arrays: as many rows as there are in one statement, and lists as one value.

A statement of one row is rewritten so that it takes one array a parameter and reads the rows from `unnest`:

    UPDATE lines SET breaker=$1::VARCHAR WHERE lines.line = $2::VARCHAR
    UPDATE lines SET breaker=v.c1
      FROM unnest($1::TEXT::VARCHAR[], $2::TEXT::VARCHAR[]) AS v(c1, c2) WHERE lines.line = v.c2

Such an array goes to the server as its text, `{"open","closed"}`, which a few calls of C make: the driver's own way
asks of each value whether it is not an array itself, and took a twelfth of a call's time.

Only statements that this package wrote come here: each of the three kinds in the one shape that SQLAlchemy gives it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Dialect

from dialer.store.columns import Columns, each, repeats

_PLACE = re.compile(r"\$(\d+)(::[A-Z]+)?")
_VALUES = re.compile(r" VALUES \((.*?)\)(?= ON CONFLICT| RETURNING|$)", re.DOTALL)
_IN = re.compile(r" IN \(__\[POSTCOMPILE_(\w+?)\]\)")


class Arrays:
    """One statement over the rows of arrays."""

    def __init__(self, made: Any, dialect: Dialect) -> None:
        names = list(made.positiontup or ())
        self._columns: list[tuple[str, Any, bool, Written | None]] = []
        self._fixed: list[Any] = []
        place_of: dict[int, str] = {}
        arrays = []
        for number, name in enumerate(names, 1):
            bind = made.binds[name]
            process = bind.type.dialect_impl(dialect).bind_processor(dialect)
            if bind.required:
                kind = type_of(bind, dialect)
                written = _WRITTEN.get(kind.split("(")[0])
                self._columns.append((name, process, repeats(bind.type), written))
                arrays.append(f"${len(self._columns)}{'::TEXT' if written else ''}::{kind}[]")
                place_of[number] = f"v.c{len(self._columns)}"
        for number, name in enumerate(names, 1):
            bind = made.binds[name]
            if not bind.required:
                process = bind.type.dialect_impl(dialect).bind_processor(dialect)
                self._fixed.append(process(bind.value) if process else bind.value)
                place_of[number] = f"${len(self._columns) + len(self._fixed)}::{type_of(bind, dialect)}"
        rows = f"unnest({', '.join(arrays)}) AS v({', '.join(f'c{n}' for n in range(1, len(arrays) + 1))})"
        self.sql = _over(_PLACE.sub(lambda found: place_of[int(found[1])], str(made)), rows)

    @staticmethod
    def fits(sql: str) -> bool:
        """Whether it is a statement of one row with a value to give."""
        kind = sql.split(" ", 1)[0]
        return "$" in sql and ((kind == "INSERT" and " VALUES (" in sql) or (kind in _JOINS and " WHERE " in sql))

    def values(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """One array a column, then the values that are the same for every row."""
        return self.columns({name: [row[name] for row in rows] for name, *_ in self._columns})

    def columns(self, columns: Columns) -> list[Any]:
        """The same of values that are in columns already."""
        found: list[Any] = []
        for name, process, again, written in self._columns:
            values = each(process, columns[name], again)
            found.append(written(values) if written else values)
        return found + self._fixed


Written = Callable[[Sequence[Any]], str]
"""An array's text, as PostgreSQL reads it."""


def _numbers(values: Sequence[int | bool | None]) -> str:
    return "{" + repr(list(values))[1:-1].replace("None", "NULL") + "}"


def _dates(values: Sequence[date | None]) -> str:
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def _words(values: Sequence[str | None]) -> str:
    if None not in values:
        together = '","'.join(values)  # type: ignore[arg-type]
        if "\\" not in together and together.count('"') == 2 * (len(values) - 1):
            return '{"' + together + '"}'
    return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


_WRITTEN: dict[str, Written] = {
    "BIGINT": _numbers, "INTEGER": _numbers, "BOOLEAN": _numbers, "DATE": _dates,
    "VARCHAR": _words, "TEXT": _words, "JSON": _words,
}  # fmt: skip
_JOINS = {"UPDATE": "FROM", "DELETE": "USING"}


def _over(sql: str, rows: str) -> str:
    """The statement that reads its values from these rows."""
    kind = sql.split(" ", 1)[0]
    if kind == "INSERT":
        return _VALUES.sub(lambda found: f" SELECT {found[1]} FROM {rows}", sql, count=1)
    before, after = sql.split(" WHERE ", 1)
    return f"{before} {_JOINS[kind]} {rows} WHERE {after}"


def any_of(sql: str, made: Any, dialect: Dialect, names: Sequence[str]) -> str:
    """`x IN (list)` as `x = ANY(array)`: one text and one plan for every length. `names`: the parameters in order."""

    def place(found: re.Match[str]) -> str:
        name = found[1]
        return f" = ANY(${names.index(name) + 1}::{type_of(made.binds[name], dialect)}[])"

    return _IN.sub(place, sql)


def type_of(bind: Any, dialect: Dialect) -> str:
    """The parameter's type as PostgreSQL writes it."""
    return str(dialect.type_compiler_instance.process(bind.type))
