"""How instants, money and word lists are stored, the same on every database."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic_core import to_json
from sqlalchemy import BigInteger, ColumnElement, Dialect, String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import TypeDecorator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
INSTANTS_MAX = 20_000
_instants: dict[int, datetime] = {}
"""What was read lately: an attempt is read five times in its life, with the same dozen of instants."""


def document(value: Any) -> str:
    """A JSON document as it is stored. Each event has one: the standard library takes five times as long."""
    return to_json(value).decode()


class Instant(TypeDecorator[datetime]):
    """An aware instant as whole microseconds since 1970 UTC: compares and indexes as a number."""

    impl = BigInteger
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], int | None]:
        def process(value: datetime | None) -> int | None:
            return None if value is None else (value - EPOCH) // MICROSECOND

        return process

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None]:
        def process(value: int | None) -> datetime | None:
            if value is None:
                return None
            if (found := _instants.get(value)) is None:
                if len(_instants) >= INSTANTS_MAX:
                    _instants.clear()
                found = _instants[value] = EPOCH + timedelta(microseconds=value)
            return found

        return process


class Money(TypeDecorator[Decimal]):
    """An amount as its decimal text: exact, and never a float. The currency stands beside it."""

    impl = String
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Decimal | None], str | None]:
        return lambda value: None if value is None else format(value, "f")

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Decimal | None]:
        return lambda value: None if value is None else Decimal(value)


class Zones(TypeDecorator[tuple[str, ...]]):
    """A tuple of zone names, joined by a comma."""

    impl = String
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[tuple[str, ...] | None], str | None]:
        return lambda value: None if value is None else ",".join(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], tuple[str, ...]]:
        # Millions of attempts share a handful of tuples.
        known: dict[str, tuple[str, ...]] = {}

        def process(value: str | None) -> tuple[str, ...]:
            text = value or ""
            if text not in known:
                known[text] = tuple(text.split(",")) if text else ()
            return known[text]

        return process


class AsText(ColumnElement[str]):
    """A document as the text that is stored. PostgreSQL's driver would decode it; SQLite has nothing but the text."""

    type = String()
    inherit_cache = True
    _traverse_internals = [("column", InternalTraversal.dp_clauseelement)]  # noqa: RUF012 - SQLAlchemy's own form

    def __init__(self, column: ColumnElement[Any]) -> None:
        self.column = column


@compiles(AsText)
def _as_it_is(element: AsText, compiler: Any, **given: Any) -> str:
    return str(compiler.process(element.column, **given))


@compiles(AsText, "postgresql")
def _cast(element: AsText, compiler: Any, **given: Any) -> str:
    return f"CAST({compiler.process(element.column, **given)} AS TEXT)"
