"""The statements about the portfolio, on SQLite."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import event, func, select, text

from dialer.roster import Account, Installment, Suppression
from dialer.store import InlineStore, Tx, portfolio
from dialer.store import tables as t
from dialer.store.portfolio import Payment
from dialer.store.schema import create

NOW = datetime(2026, 1, 10, 8, tzinfo=UTC)
LATER = datetime(2026, 1, 11, 8, tzinfo=UTC)
DAY = date(2026, 1, 15)
ACCOUNT = Account(
    "L-1", "P-1", "王丽", "+8613800138001", "CN", "mobile", ("Asia/Shanghai",), "zh-CN", "", "CN", "x", "yes", ""
)
INSTALLMENT = Installment("L-1", "2026-01-15", DAY, Decimal("1200.00"), "CNY", None, Decimal("0.00"))


@pytest.fixture
def tx() -> Iterator[Tx]:
    store = InlineStore()
    create(store)
    with store._engine.begin() as connection:
        yield connection


def count(tx: Tx, table: object) -> int:
    return tx.execute(select(func.count()).select_from(table)).scalar_one()


def test_accounts_come_back_as_they_were_put(tx: Tx) -> None:
    other = ACCOUNT._replace(account_id="L-2", zones=(), phone="+16174951000")
    portfolio.put_accounts(tx, [ACCOUNT, other], NOW)
    assert portfolio.accounts(tx, ["L-1", "L-2", "L-3"]) == {"L-1": ACCOUNT, "L-2": other}
    assert portfolio.persons(tx, ["L-2", "L-3"]) == {"L-2": "P-1"}
    assert count(tx, t.persons) == 1


def test_putting_again_replaces_and_keeps_the_person(tx: Tx) -> None:
    portfolio.put_accounts(tx, [ACCOUNT], NOW)
    portfolio.put_accounts(tx, [ACCOUNT._replace(name="李强")], LATER)
    (row,) = tx.execute(select(t.accounts))
    assert (row.name, row.imported_at) == ("李强", LATER)
    assert tx.execute(select(t.persons.c.created_at)).scalar_one() == NOW


@pytest.mark.parametrize(
    ("paid", "is_open"), [("0.00", True), ("1199.99", True), ("1200.00", False), ("1300.00", False)]
)
def test_an_installment_is_open_until_the_amount_is_covered(tx: Tx, paid: str, is_open: bool) -> None:
    value = INSTALLMENT._replace(paid_on=DAY, paid_amount=Decimal(paid))
    portfolio.put_installments(tx, [INSTALLMENT], NOW)
    portfolio.put_installments(tx, [value], NOW)
    assert tx.execute(select(t.installments.c.is_open)).scalars().all() == [is_open]
    assert portfolio.installments(tx, [("L-1", "2026-01-15"), ("L-1", "x"), ("x", "2026-01-15")]) == {value[:2]: value}


def test_due_finds_by_day_in_the_order_of_ids(tx: Tx) -> None:
    rows = [INSTALLMENT._replace(installment_id=name) for name in ("b", "a", '"é')]
    other = INSTALLMENT._replace(due_on=date(2026, 1, 16))
    portfolio.put_installments(tx, [*rows, other], NOW)
    assert [row.installment_id for row in portfolio.due(tx, [("L-1", DAY)])] == ['"é', "a", "b"]
    assert portfolio.due(tx, []) == []


def test_keys_are_sought_in_the_index(tx: Tx) -> None:
    statements: list[str] = []
    event.listen(tx, "before_cursor_execute", lambda *args: statements.append(args[2]))
    portfolio.installments(tx, [("L-1", "2026-01-15")])
    portfolio.due(tx, [("L-1", DAY)])
    for statement in statements[:2]:
        literal = statement.replace("?", "'[]'")
        plan = tx.execute(text(f"explain query plan {literal}"))
        steps = [step for (*_, step) in plan if "installments" in step]
        assert steps
        assert all(step.startswith("SEARCH installments USING") for step in steps)


def test_the_last_reversal_of_each_installment(tx: Tx) -> None:
    def payment(installment: str, day: int, amount: str, source: str) -> Payment:
        return Payment("L-1", installment, date(2026, 1, day), Decimal(amount), source)

    rows = [("a", 3, "5", "import"), ("a", 3, "-5", "reverse"), ("a", 7, "-5", "reverse"), ("b", 9, "5", "import")]
    portfolio.add_payments(tx, [payment(*row) for row in rows], NOW)
    assert portfolio.reversed_on(tx, ["L-1", "L-2"]) == {("L-1", "a"): date(2026, 1, 7)}
    assert portfolio.reversed_on(tx, ["L-2"]) == {}


def test_suppressions_are_found_once_by_phone_or_person_until_lifted(tx: Tx) -> None:
    rows = [
        Suppression("+861", "P-1", "", "asked", None),
        Suppression("+861", None, "sms", "asked", DAY),
        Suppression(None, "P-2", "voice", "asked", None),
    ]
    portfolio.add_suppressions(tx, rows, "file", NOW)
    assert [row.suppression_id for row in portfolio.suppressions(tx, ["+861"], ["P-1", "P-2"])] == [1, 2, 3]
    assert [row.suppression_id for row in portfolio.suppressions(tx, [], ["P-2"])] == [3]
    portfolio.lift(tx, [1, 3], "a mistake", NOW)
    portfolio.lift(tx, [1], "again", LATER)
    assert [row.suppression_id for row in portfolio.suppressions(tx, ["+861"], ["P-1", "P-2"])] == [2]
    lifted = tx.execute(select(t.suppressions).where(t.suppressions.c.suppression_id == 1)).one()
    assert (lifted.lifted_at, lifted.lifted_reason) == (NOW, "a mistake")
