"""PostgreSQL: the tables of the months that attempts, events, placements and verdicts are divided into."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date

from sqlalchemy import BigInteger, TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError

from dialer.store.addresses import driver_url
from dialer.store.common import first_number
from dialer.store.database import Tx
from dialer.store.postgres import LOCKED, UPGRADE, once, state_of
from dialer.store.tables import metadata

TABLES = ("attempts", "events", "placements", "verdicts")
AHEAD = 3
"""Months made ahead: due dates are planned days before their first round, so more is never needed."""

FILLED = {"attempts": " WITH (fillfactor = 70)"}
"""How full a page is made: an attempt changes six times in its life, in place where its page has room."""

TAKEN_OUT = "taken out of use by dialer purge, to be dropped"
"""The comment on such a month's attempts: what somebody else detached, or laid beside them, is not ours to drop."""

# By what a name without a schema means: others on the server may have tables of the same names.
_parts = text(
    "SELECT part.relname FROM pg_inherits JOIN pg_class part ON part.oid = inhrelid"
    " WHERE inhparent = to_regclass('attempts')"
)
ALONE = (
    "SELECT relname FROM pg_class WHERE relname ~ '^attempts_[0-9]{4}_[0-9]{2}$' AND relkind = 'r'"
    " AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('attempts'))"
    f" AND NOT relispartition AND obj_description(oid, 'pg_class') = '{TAKEN_OUT}'"
)
"""The names of the tables of attempts that were taken out and not dropped yet."""
_alone = text(ALONE)


class InUse(Exception):
    """Others are at work with the tables for longer than a moment: nothing was done."""


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


def ids_of(month: date) -> tuple[int, int]:
    """The first id an attempt of this month can have, and the first of the next one."""
    return first_number(month), first_number(_after(month))


def _add(tx: Tx, month: date) -> bool:
    first, last = ids_of(month)
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


def drop_empty(tx: Tx, month: date) -> bool:
    """Drops the tables of a month in which nothing is left; their room is free at once. Whether that was so."""
    if not _is_empty(tx, month):
        return False
    with _quickly(tx):
        for table in TABLES:
            tx.execute(text(f"LOCK TABLE {name_of(table, month)} IN ACCESS EXCLUSIVE MODE"))
        # Asked again: what came in between must not go with its table.
        if not _is_empty(tx, month):
            return False
        for table in TABLES:
            tx.execute(text(f"DROP TABLE {name_of(table, month)}"))
    return True


def over(tx: Tx, before: date) -> list[date]:
    """The months in use that were over before that day; none on SQLite."""
    return [month for month in _months(tx, _parts) if _after(month) <= before]


def hold(tx: Tx, month: date) -> bool:
    """Has everybody else wait, to the end of this transaction. False: the month is in use no more.

    Raises InUse where others are at work with it for longer than a moment: then nothing was done.
    """
    # Whatever the server believes of a month that it never analyzed: nobody is to wait until it has been read.
    tx.execute(text("SET LOCAL enable_seqscan = off"))
    if month not in _months(tx, _parts):
        return False
    # One after the other as the engine's own transactions take them, and without the other months.
    with _quickly(tx):
        for table in TABLES:
            tx.execute(text(f"LOCK TABLE ONLY {table} IN ACCESS EXCLUSIVE MODE"))
    return month in _months(tx, _parts)


def take_out(tx: Tx, month: date, kept: Sequence[int]) -> None:
    """Detaches a month that is held: its tables are their own from here on, and nobody sees their rows any more. Those
    of the attempts that are `kept` go to `…_other`."""
    with _quickly(tx):
        for table in TABLES:
            tx.execute(text(f"ALTER TABLE {table} DETACH PARTITION {name_of(table, month)}"))
    for table in TABLES if kept else ():
        _move(tx, table, month, kept)
    tx.execute(text(f"COMMENT ON TABLE {name_of('attempts', month)} IS '{TAKEN_OUT}'"))


def _move(tx: Tx, table: str, month: date, kept: Sequence[int]) -> None:
    columns = ", ".join(f'"{column.name}"' for column in metadata.tables[table].columns if column.computed is None)
    tx.execute(
        text(
            f"WITH moved AS (DELETE FROM {name_of(table, month)} WHERE attempt_id = ANY(:kept) RETURNING {columns})"
            f" INSERT INTO {table} ({columns}) SELECT {columns} FROM moved"
        ).bindparams(bindparam("kept", type_=ARRAY(BigInteger))),
        {"kept": list(kept)},
    )


def taken_out(tx: Tx) -> list[date]:
    """The months that were taken out and not dropped yet; none on SQLite."""
    return _months(tx, _alone)


def drop(tx: Tx, month: date) -> None:
    """The tables of a month that was taken out; their room is free at once."""
    for table in TABLES:
        tx.execute(text(f"DROP TABLE IF EXISTS {name_of(table, month)}"))


def _be_quick(tx: Tx) -> None:
    """Whoever waits for a whole table keeps everybody waiting behind it: rather not now than for long."""
    tx.execute(text("SET LOCAL lock_timeout = '500ms'"))


@contextmanager
def _quickly(tx: Tx) -> Iterator[None]:
    """Raises InUse where a lock is not to be had in a moment. Not tried again at once, as other transactions are: who
    waits for it would be kept waiting on and on."""
    _be_quick(tx)
    try:
        yield
    except DBAPIError as error:
        if state_of(error) != LOCKED:
            raise
        raise InUse("others are at work with the tables") from error


def _months(tx: Tx, named: TextClause) -> list[date]:
    """Those that have tables of these names, in order."""
    if tx.dialect.name != "postgresql":
        return []
    found = (_month_of(name) for name in sorted(tx.execute(named).scalars()))
    return [month for month in found if month is not None]


def _month_of(name: str) -> date | None:
    """None: it is no month's table."""
    year, _, number = name.removeprefix("attempts_").partition("_")
    return date(int(year), int(number), 1) if year.isdecimal() and number.isdecimal() else None


def _is_empty(tx: Tx, month: date) -> bool:
    return not any(
        tx.execute(text(f"SELECT EXISTS (SELECT FROM {name_of(table, month)})")).scalar() for table in TABLES
    )
