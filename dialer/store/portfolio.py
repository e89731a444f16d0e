"""Statements about the lender's portfolio: accounts, installments, payments, suppressions."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, Column, Select, String, bindparam, column, exists, func, or_, select, update
from sqlalchemy.sql.selectable import FromClause
from sqlalchemy.types import TypeEngine

from dialer.roster import Account, Installment, Suppression
from dialer.store import tables as t
from dialer.store.common import AnyRow, add_missing, in_parts, insert_all, insert_rows, put_rows
from dialer.store.database import Tx
from dialer.store.prepared import Prepared

Key = tuple[str, str]
"""(account_id, installment_id)"""


class Payment(NamedTuple):
    """A change of what is paid on an installment; negative for a reversal."""

    account_id: str
    installment_id: str
    paid_on: date | None
    amount: Decimal
    source: str
    """import, command, reverse or api."""


_accounts = select(*(t.accounts.c[name] for name in Account._fields))
_installments = select(*(t.installments.c[name] for name in Installment._fields))


def _pairs(dialect: str, second: TypeEngine[Any]) -> FromClause:
    """A table (first, second) of bound pairs, joined: SQLite scans the table for `(a, b) IN (…)`.

    SQLite gets them as one JSON array of two-element arrays (`pairs`), PostgreSQL as two arrays (`firsts`, `seconds`).
    """
    if dialect == "postgresql":
        given = (bindparam("firsts", type_=ARRAY(String)), bindparam("seconds", type_=ARRAY(second)))
        names = column("first", String), column("second", second)
        return func.unnest(*given).table_valued(*names).render_derived(name="pair")
    element = func.json_each(bindparam("pairs")).table_valued("value")
    parts = func.json_extract(element.c.value, "$[0]"), func.json_extract(element.c.value, "$[1]")
    return select(parts[0].label("first"), parts[1].label("second")).subquery("pair")


_i = t.installments.c


@lru_cache
def _by_pair(dialect: str, of: Column[Any]) -> Select[*tuple[Any, ...]]:
    """The installments of pairs (account id, value of this column)."""
    pair = _pairs(dialect, of.type)
    found = _installments.join_from(pair, t.installments, (_i.account_id == pair.c.first) & (of == pair.c.second))
    return found.order_by(_i.account_id, _i.installment_id)


def _of_pairs(tx: Tx, of: Column[Any], pairs: Sequence[tuple[str, Any]]) -> list[Installment]:
    if not pairs:
        return []
    given: dict[str, Any] = {"pairs": json.dumps(pairs, default=str)}
    if tx.dialect.name == "postgresql":
        given = {"firsts": [first for first, _ in pairs], "seconds": [second for _, second in pairs]}
    return [Installment._make(row) for row in tx.execute(_by_pair(tx.dialect.name, of), given)]


def accounts(tx: Tx, ids: Collection[str]) -> dict[str, Account]:
    """The accounts known of these ids."""
    found: dict[str, Account] = {}
    for part in in_parts(ids):
        rows = tx.execute(_accounts.where(t.accounts.c.account_id.in_(part)))
        found.update((row[0], Account._make(row)) for row in rows)
    return found


_a = t.accounts.c
_of_ids = _a.account_id.in_(bindparam("ids", expanding=True))
_persons = Prepared(select(_a.account_id, _a.person_id).where(_of_ids))
_owners = Prepared(
    select(_a.account_id, _a.person_id, exists().where(_i.account_id == _a.account_id).label("owing")).where(_of_ids)
)


def persons(tx: Tx, account_ids: Collection[str]) -> dict[str, str]:
    """account id → person id, of the accounts that are known."""
    return {row[0]: row[1] for part in in_parts(account_ids) for row in _persons.all(tx, ids=part)}


def owners(tx: Tx, account_ids: Collection[str]) -> dict[str, tuple[str, bool]]:
    """account id → person id and whether there is any installment, of the accounts that are known."""
    return {row[0]: (row[1], row[2]) for part in in_parts(account_ids) for row in _owners.all(tx, ids=part)}


def whereabouts(tx: Tx, after: str, most: int) -> Sequence[AnyRow]:
    """What tells where persons may be, of the accounts after an id: account, person, phone, region, zone, zones."""
    a = t.accounts.c
    wanted = select(a.account_id, a.person_id, a.phone, a.region, a.time_zone, a.zones)
    return tx.execute(wanted.where(a.account_id > after).order_by(a.account_id).limit(most)).all()


def set_zones(tx: Tx, zones: Mapping[str, tuple[str, ...]]) -> None:
    """account id → all zones the person may be in."""
    statement = update(t.accounts).where(t.accounts.c.account_id == bindparam("of")).values(zones=bindparam("to"))
    if zones:
        tx.execute(statement, [{"of": key, "to": value} for key, value in zones.items()])


def known_persons(tx: Tx, person_ids: Collection[str]) -> set[str]:
    """Which of these persons have an account."""
    a = t.accounts.c
    found: set[str] = set()
    for part in in_parts(person_ids):
        found.update(tx.execute(select(a.person_id).where(a.person_id.in_(part)).distinct()).scalars())
    return found


def accounts_concerned(tx: Tx, person_id: str | None, phone: str | None) -> int:
    """How many accounts are of this person, or have this phone."""
    a = t.accounts.c
    wanted = or_(a.person_id == person_id, a.phone == phone)
    return tx.execute(select(func.count()).select_from(t.accounts).where(wanted)).scalar_one()


def put_accounts(tx: Tx, rows: Sequence[Account], now: datetime) -> None:
    """Inserts or replaces by account_id; a person who is new gets a row to be locked by."""
    put_rows(tx, t.accounts, [(*row, now) for row in rows])
    add_missing(tx, t.persons, [(person_id, now) for person_id in dict.fromkeys(row.person_id for row in rows)])


def installments(tx: Tx, keys: Iterable[Key]) -> dict[Key, Installment]:
    """The installments known of these keys."""
    return {(row[0], row[1]): row for row in _of_pairs(tx, _i.installment_id, list(keys))}


def due(tx: Tx, days: Iterable[tuple[str, date]]) -> list[Installment]:
    """The installments of these accounts that fall due on these days, in the order of their ids."""
    return _of_pairs(tx, _i.due_on, list(days))


def put_installments(tx: Tx, rows: Sequence[Installment], now: datetime) -> None:
    """Inserts or replaces by account_id and installment_id."""
    put_rows(tx, t.installments, [(*row, row.paid_amount < row.amount, now) for row in rows])


def add_payments(tx: Tx, rows: Sequence[Payment], now: datetime) -> None:
    names = ("account_id", "installment_id", "paid_on", "amount", "source", "recorded_at")
    insert_rows(tx, t.payments, names, [(*row, now) for row in rows])


def reversed_on(tx: Tx, account_ids: Collection[str]) -> dict[Key, date]:
    """The day of the last payment that was taken back, by installment."""
    p = t.payments.c
    found: dict[Key, date] = {}
    for part in in_parts(account_ids):
        rows = tx.execute(
            select(p.account_id, p.installment_id, func.max(p.paid_on))
            .where(p.account_id.in_(part), p.source == "reverse", p.paid_on.is_not(None))
            .group_by(p.account_id, p.installment_id)
        )
        found.update(((row[0], row[1]), row[2]) for row in rows)
    return found


def suppressions(tx: Tx, phones: Collection[str], person_ids: Collection[str]) -> list[AnyRow]:
    """Those not lifted that name one of these phones or persons, each once, oldest first."""
    s = t.suppressions.c
    found: dict[int, AnyRow] = {}
    for named, values in ((s.phone, phones), (s.person_id, person_ids)):
        for part in in_parts(values):
            for row in tx.execute(select(t.suppressions).where(s.lifted_at.is_(None), named.in_(part))):
                found[row.suppression_id] = row
    return [found[key] for key in sorted(found)]


def add_suppressions(tx: Tx, rows: Sequence[Suppression], source: str, now: datetime) -> None:
    insert_all(tx, t.suppressions, [{**row._asdict(), "source": source, "created_at": now} for row in rows])


def keep_channel(tx: Tx, rows: Sequence[AnyRow], channel: str, now: datetime) -> None:
    """Suppressions of both channels, written again for one of them."""
    names = ("phone", "person_id", "both", "reason", "until", "source")
    values = [{name: getattr(row, name) for name in names} for row in rows]
    insert_all(tx, t.suppressions, [{**one, "channel": channel, "created_at": now} for one in values])


def lift(tx: Tx, suppression_ids: Collection[int], reason: str, now: datetime) -> None:
    s = t.suppressions.c
    for part in in_parts(suppression_ids):
        tx.execute(
            update(t.suppressions)
            .where(s.suppression_id.in_(part), s.lifted_at.is_(None))
            .values(lifted_at=now, lifted_reason=reason)
        )
