"""Statements of one row as statements over arrays: each shape that SQLAlchemy gives them."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect

from dialer.store import Store, Tx
from dialer.store import tables as t
from dialer.store.arrays import Arrays, any_of
from dialer.store.common import insert_all, insert_for, put_all
from dialer.store.prepared import Prepared
from dialer.store.types import Instant

PG = asyncpg_dialect()
NOW = datetime(2026, 1, 14, tzinfo=UTC)
_f, _l = t.flags.c, t.lines.c


def rewritten(statement: object) -> str:
    made = statement.compile(dialect=PG)  # type: ignore[attr-defined]
    assert Arrays.fits(str(made))
    return " ".join(Arrays(made, PG).sql.split())


def named() -> dict[str, object]:
    return {"name": bindparam("name"), "value": bindparam("value"), "set_at": bindparam("set_at", type_=Instant)}


ROWS = "FROM unnest($1::TEXT::VARCHAR[], $2::TEXT::TEXT[], $3::TEXT::BIGINT[]) AS v(c1, c2, c3)"


def test_an_insert_reads_its_rows() -> None:
    found = rewritten(t.flags.insert().inline().values(named()))
    assert found == f"INSERT INTO flags (name, value, set_at) SELECT v.c1, v.c2, v.c3 {ROWS}"


def test_what_follows_the_values_of_an_insert_stays() -> None:
    insert = insert_for("postgresql", t.flags).values(named())
    skipped = rewritten(insert.on_conflict_do_nothing().returning(_f.name))
    assert skipped.endswith(f"{ROWS} ON CONFLICT DO NOTHING RETURNING flags.name")
    put = rewritten(insert.on_conflict_do_update(index_elements=["name"], set_={"value": insert.excluded["value"]}))
    assert put.endswith(f"{ROWS} ON CONFLICT (name) DO UPDATE SET value = excluded.value")


def test_an_update_and_a_delete_are_joined() -> None:
    changed = update(t.flags).where(_f.name == bindparam("of")).values(value=bindparam("to"))
    assert rewritten(changed) == (
        "UPDATE flags SET value=v.c1 FROM unnest($1::TEXT::TEXT[], $2::TEXT::VARCHAR[]) AS v(c1, c2) "
        "WHERE flags.name = v.c2"
    )
    assert rewritten(t.flags.delete().where(_f.name == bindparam("of"))) == (
        "DELETE FROM flags USING unnest($1::TEXT::VARCHAR[]) AS v(c1) WHERE flags.name = v.c1"
    )


def test_a_value_that_is_the_same_for_all_stands_behind_the_arrays() -> None:
    changed = update(t.flags).where(_f.name == bindparam("of"), _f.value == "on").values(value=bindparam("to"))
    made = changed.compile(dialect=PG)
    arrays = Arrays(made, PG)
    assert "flags.value = $3::TEXT" in arrays.sql or "flags.value = $3::VARCHAR" in arrays.sql
    assert arrays.values([{"of": "a", "to": "x"}, {"of": "b", "to": "y"}]) == ['{"x","y"}', '{"a","b"}', "on"]


@pytest.mark.parametrize("statement", [select(t.flags), t.flags.delete(), text("LOCK TABLE flags")])
def test_what_has_no_row_to_take_is_left_alone(statement: object) -> None:
    assert not Arrays.fits(str(statement.compile(dialect=PG)))  # type: ignore[attr-defined]


def test_a_list_is_one_value() -> None:
    statement = select(_f.name).where(_f.name.in_(bindparam("names", expanding=True)), _f.value == bindparam("v"))
    made = statement.compile(dialect=PG)
    found = any_of(str(made), made, PG, ["v", "names"])
    assert "flags.name = ANY($2::VARCHAR[])" in found
    assert "POSTCOMPILE" not in found


async def test_rows_of_every_type_and_none_go_in_and_come_back(postgres_url: str) -> None:
    """Thousands of rows and absent values, through insert, put, update and delete."""
    store = Store(postgres_url)
    many = [
        {"payment_id": n, "account_id": f"L-{n}", "installment_id": "x", "paid_on": date(2026, 1, 1) if n % 2 else None,
         "amount": Decimal(f"{n}.10"), "source": "import", "recorded_at": NOW} for n in range(1, 3_001)
    ]  # fmt: skip
    mark = Prepared(update(t.payments).where(t.payments.c.payment_id == bindparam("of")).values(source=bindparam("to")))
    gone = Prepared(t.payments.delete().where(t.payments.c.payment_id == bindparam("of")))

    def work(tx: Tx) -> tuple[int, int]:
        insert_all(tx, t.payments, many)
        put_all(tx, t.payments, [{**row, "amount": Decimal("1.00")} for row in many[:2]])
        changed = mark.run_many(tx, [{"of": n, "to": f"to {n}"} for n in range(1, 6)])
        return changed, gone.run_many(tx, [{"of": n} for n in (3_000, 3_001)])

    assert await store.write(work) == (5, 1)
    rows = await store.read(lambda tx: tx.execute(select(t.payments).order_by(t.payments.c.payment_id)).all())
    assert len(rows) == 2_999
    assert (rows[0].amount, rows[2].amount) == (Decimal("1.00"), Decimal("3.10"))
    assert (rows[0].source, rows[5].source) == ("to 1", "import")
    assert (rows[0].paid_on, rows[1].paid_on, rows[9].recorded_at) == (date(2026, 1, 1), None, NOW)
    await store.close()


ODD = [
    "",
    "NULL",
    "null",
    '"',
    "\\",
    '\\"',
    '","',
    "{}",
    "{a,b}",
    ", ",
    " before",
    "after ",
    "\n\t",
    "王丽",
    "\U0001f600",
    "'",
    "$1",
]
_texts = st.sampled_from(ODD) | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
_rows = st.fixed_dictionaries(
    {
        "kind": _texts, "person_id": st.none() | _texts, "attempt_id": st.none() | st.integers(-(2**63), 2**63 - 1),
        "detail": _texts, "opened_at": st.datetimes(timezones=st.just(UTC)),
        "data": st.none() | st.dictionaries(_texts, _texts, max_size=2), "day": st.none() | st.dates(date(1, 1, 1)),
        "is_on": st.none() | st.booleans(),
    }
)  # fmt: skip
_odd = Table(
    "odd", MetaData(), Column("number", BigInteger), Column("kind", String), Column("person_id", String),
    Column("attempt_id", BigInteger), Column("detail", Text), Column("opened_at", Instant), Column("data", JSON),
    Column("day", Date), Column("is_on", Boolean),
)  # fmt: skip


async def test_whatever_an_arrays_text_has_to_quote_comes_back_as_it_was(postgres_url: str) -> None:
    store = Store(postgres_url)

    def work(tx: Tx) -> None:
        _odd.create(tx)

        @settings(max_examples=100, derandomize=True)
        @given(st.lists(_rows, min_size=1, max_size=5))
        def check(rows: list[dict[str, Any]]) -> None:
            tx.execute(_odd.delete())
            insert_all(tx, _odd, [{"number": number, **row} for number, row in enumerate(rows)])
            found = tx.execute(select(_odd).order_by(_odd.c.number))
            assert [{name: getattr(one, name) for name in rows[0]} for one in found] == rows

        check()

    await store.write(work)
    await store.close()
