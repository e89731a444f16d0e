"""Prepared statements: lists of any length, types both ways, and the database's refusals as SQLAlchemy raises them."""

import importlib
import pkgutil
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import bindparam, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.exc import DBAPIError

from dialer import store
from dialer.store import InlineStore, Store, Tx
from dialer.store import tables as t
from dialer.store.common import add_missing, insert_all, insert_rows, put_all, put_rows
from dialer.store.prepared import SEVERAL, Prepared
from dialer.store.schema import create

NOW = datetime(2026, 1, 14, 1, 2, 3, 4, tzinfo=UTC)
_f = t.flags.c
_named = Prepared(
    select(t.flags).where(_f.name.in_(bindparam("names", expanding=True)), _f.value == "on").order_by(_f.name)
)


def _fill(tx: Tx) -> None:
    rows = [{"name": f"f{n}", "value": "off" if n == 3 else "on", "set_at": NOW} for n in range(6)]
    insert_all(tx, t.flags, rows)


def _look(tx: Tx) -> None:
    for names, found in (([], []), (["f1"], ["f1"]), (["f5", "f0", "f3"], ["f0", "f5"]), (["x"] * 5, [])):
        assert [row.name for row in _named.all(tx, names=names)] == found
    row = _named.first(tx, names=["f2"])
    assert row is not None
    assert row._mapping["set_at"] == NOW


def test_lists_of_any_length_and_types_both_ways() -> None:
    store = InlineStore()
    create(store)
    store.run(_fill)
    store.run(_look)


async def test_the_same_over_the_stores_own_connections(database_url: str) -> None:
    store = Store(database_url)
    await store.write(_fill)
    await store.read(_look)
    with pytest.raises(DBAPIError) as refused:
        await store.write(_fill)
    assert "f0" not in str(refused.value)
    await store.close()


def test_changed_rows_are_counted_and_refusals_name_no_values() -> None:
    store = InlineStore()
    create(store)
    store.run(_fill)
    mark = Prepared(t.flags.update().where(_f.name == bindparam("of"), _f.value == "on").values(value=bindparam("to")))
    assert store.run(lambda tx: mark.run_many(tx, [{"of": f"f{n}", "to": "x"} for n in range(6)])) == 5
    store.run(lambda tx: put_all(tx, t.flags, [{"name": "f0", "value": "on", "set_at": NOW}]))
    assert store.run(lambda tx: _named.scalars(tx, names=["f0", "f1"])) == ["f0"]
    with pytest.raises(DBAPIError) as refused:
        store.run(_fill)
    assert "f0" not in str(refused.value)


def _put_installments(tx: Tx) -> None:
    day, money = date(2026, 1, 15), Decimal("100.00")
    paid = ("L-1", "a", day, money, "CNY", day, money, False, NOW)
    put_rows(tx, t.installments, [paid, ("L-2", "a", day, Decimal("100"), "JPY", None, Decimal(0), True, NOW)])
    open_again = ("L-1", "a", day, money, "CNY", None, Decimal("0.00"), True, NOW)
    put_rows(tx, t.installments, [open_again])
    add_missing(tx, t.installments, [paid, ("L-3", *paid[1:])])
    rows = tx.execute(select(t.installments).order_by(t.installments.c.account_id)).all()
    assert tuple(rows[0]) == open_again
    assert [(str(row.amount), row.paid_on, row.is_open) for row in rows] == [
        ("100.00", None, True), ("100", None, True), ("100.00", day, False),
    ]  # fmt: skip
    names = ("account_id", "installment_id", "paid_on", "amount", "source", "recorded_at")
    insert_rows(tx, t.payments, names, [("L-1", "a", on, money, "import", NOW) for on in (None, day)])
    assert tx.execute(select(t.payments.c.paid_on).order_by(t.payments.c.payment_id)).scalars().all() == [None, day]


async def test_rows_by_columns_keep_money_and_what_is_empty(database_url: str) -> None:
    store = Store(database_url)
    await store.write(_put_installments)
    await store.close()


@pytest.mark.parametrize("count", [1, SEVERAL - 1, SEVERAL, SEVERAL + 1, 3 * SEVERAL])
async def test_rows_of_several_a_statement_are_all_there_in_their_order(database_url: str, count: int) -> None:
    store = Store(database_url)
    rows = [(f"f{n:03d}", f"on {n}", NOW) for n in range(count)]
    every = Prepared(select(_f.name, _f.value, _f.set_at).order_by(_f.name))
    await store.write(lambda tx: insert_rows(tx, t.flags, ("name", "value", "set_at"), rows))
    assert [tuple(row) for row in await store.read(every.all)] == rows
    await store.write(lambda tx: put_rows(tx, t.flags, [(name, f"{value}!", at) for name, value, at in rows]))
    await store.write(lambda tx: add_missing(tx, t.flags, [*rows, ("other", "on", NOW)]))
    wanted = [*((name, f"{value}!", at) for name, value, at in rows), ("other", "on", NOW)]
    assert [tuple(row) for row in await store.read(every.all)] == wanted
    assert list(zip(*await store.read(every.columns), strict=True)) == wanted
    assert await store.read(lambda tx: _named.columns(tx, names=[])) == []
    with pytest.raises(DBAPIError) as refused:
        await store.write(lambda tx: insert_rows(tx, t.flags, ("name", "value", "set_at"), rows))
    assert "f000" not in str(refused.value)
    await store.close()


def test_every_statement_is_one_for_both_databases() -> None:
    """Each is compiled: one with a list written into it, which SQLite would not understand, is refused."""
    modules = [importlib.import_module(f"dialer.store.{one.name}") for one in pkgutil.iter_modules(store.__path__)]
    every = [each for module in modules for each in vars(module).values() if isinstance(each, Prepared)]
    assert len(every) > 50
    for dialect in (sqlite.dialect(paramstyle="qmark"), asyncpg.dialect()):
        for each in every:
            each._compiled(dialect)


def test_a_list_written_into_a_statement_is_refused() -> None:
    with pytest.raises(AssertionError, match="a list is given with each call"):
        Prepared(select(t.flags.c.value).where(t.flags.c.name.in_(("a", "b"))))._compiled(sqlite.dialect())
