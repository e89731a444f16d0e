"""PostgreSQL: the tables of the months that attempts, events and verdicts are divided into."""

from collections.abc import Iterable
from datetime import date

from sqlalchemy import text

from dialer.store.addresses import driver_url
from dialer.store.common import first_number
from dialer.store.database import Tx
from dialer.store.postgres import UPGRADE, once

TABLES = ("attempts", "events", "verdicts")
AHEAD = 3
"""Months made ahead: due dates are planned days before their first round, so more is never needed."""

FILLED = {"attempts": " WITH (fillfactor = 70)"}
"""How full a page is made: an attempt changes six times in its life, in place where its page has room."""

_parts = text(
    "SELECT part.relname FROM pg_inherits JOIN pg_class part ON part.oid = inhrelid"
    " JOIN pg_class whole ON whole.oid = inhparent WHERE whole.relname = 'attempts'"
)


def months(today: date) -> list[date]:
    """The first days of the months that have to be there: the one before, this one, and those ahead."""
    number = today.year * 12 + today.month - 1
    return [date(n // 12, n % 12 + 1, 1) for n in range(number - 1, number + AHEAD + 1)]


def missing(tx: Tx, today: date) -> list[date]:
    """Those of them that have no table yet; none on SQLite, which has one table for all."""
    if tx.dialect.name != "postgresql":
        return []
    known = set(tx.execute(_parts).scalars())
    return [month for month in months(today) if name_of("attempts", month) not in known]


def name_of(table: str, month: date) -> str:
    return f"{table}_{month:%Y_%m}"


def add(tx: Tx, today: date) -> list[date]:
    """Makes what is missing; returns the months. Whoever comes at the same time waits, and finds nothing to do.

    A month of which something lies in `…_other` already stays there: it would have to be moved.
    """
    tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE})
    _be_quick(tx)
    return [month for month in missing(tx, today) if _add(tx, month)]


def make_for(url: str, of: Iterable[date]) -> None:
    """Makes these months in a database that has no rows yet, for those that come from another one. Nothing on SQLite.

    Raises DBAPIError.
    """

    def make(tx: Tx) -> None:
        tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE})
        known = set(tx.execute(_parts).scalars())
        for month in of:
            if name_of("attempts", month) not in known:
                _add(tx, month)

    parsed = driver_url(url)
    if parsed.get_backend_name() == "postgresql":
        once(parsed, make)


def _add(tx: Tx, month: date) -> bool:
    first, last = first_number(month), first_number(_after(month))
    given = {"first": first, "last": last}
    for table in TABLES:
        taken = text(f"SELECT EXISTS (SELECT FROM {table}_other WHERE attempt_id >= :first AND attempt_id < :last)")
        if tx.execute(taken, given).scalar():
            return False
    for table in TABLES:
        made = f"CREATE TABLE {name_of(table, month)} PARTITION OF {table} FOR VALUES FROM ({first}) TO ({last})"
        tx.execute(text(made + FILLED.get(table, "")))
    return True


def _after(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def drop_empty(tx: Tx, before: date) -> list[date]:
    """Drops the tables of months before that day in which nothing is left; their room is free at once. Returns them."""
    if tx.dialect.name != "postgresql":
        return []
    months = (_month_of(name) for name in sorted(tx.execute(_parts).scalars()))
    over = [month for month in months if month is not None and _after(month) <= before]
    _be_quick(tx)
    empty = [month for month in over if _is_empty(tx, month)]
    for month in empty:
        for table in TABLES:
            tx.execute(text(f"LOCK TABLE {name_of(table, month)} IN ACCESS EXCLUSIVE MODE"))
    # Asked again: what came in between must not go with its table.
    empty = [month for month in empty if _is_empty(tx, month)]
    for month in empty:
        for table in TABLES:
            tx.execute(text(f"DROP TABLE {name_of(table, month)}"))
    return empty


def _be_quick(tx: Tx) -> None:
    """Whoever waits for a whole table keeps everybody waiting behind it: rather not now than for long."""
    tx.execute(text("SET LOCAL lock_timeout = '500ms'"))


def _month_of(name: str) -> date | None:
    """None: it is no month's table."""
    year, _, number = name.removeprefix("attempts_").partition("_")
    return date(int(year), int(number), 1) if year.isdecimal() and number.isdecimal() else None


def _is_empty(tx: Tx, month: date) -> bool:
    return not any(
        tx.execute(text(f"SELECT EXISTS (SELECT FROM {name_of(table, month)})")).scalar() for table in TABLES
    )
