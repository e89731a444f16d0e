"""`dialer import`, `paid` and `suppress`: what they change, whom they touch, and that again changes nothing."""

import csv
from datetime import UTC, date, datetime
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer import BadParameter

from dialer import intake
from dialer.cli.imports import FAULTS_MAX, ImportReport, import_file, print_report, rejects_path
from dialer.errors import DialerError, InvalidInput
from dialer.roster import Suppression
from dialer.store import InlineStore, Tx, portfolio
from dialer.store.schema import create

NOW = datetime(2026, 1, 10, 8, tzinfo=UTC)
DAY = date(2026, 1, 15)
ACCOUNTS = "account_id,person_id,name,phone,language,time_zone,region,pay_to,consent_voice,consent_sms\n"
INSTALLMENTS = "account_id,due_on,amount,currency,paid_on,paid_amount\n"
WITH_IDS = "installment_id,account_id,due_on,amount,currency,paid_on,paid_amount\n"
SUPPRESSIONS = "phone,person_id,channel,reason,until\n"


class FixedClock:
    def now(self) -> datetime:
        return NOW

    async def sleep_until(self, at: datetime) -> None:
        raise AssertionError("an import never sleeps")


class Desk:
    """A store with accounts L-1 (P-1), L-2 and L-3 (both P-2), and a record of who was touched."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = InlineStore()
        create(self.store)
        self.touches: list[set[str]] = []

    def touched(self, tx: Tx, persons: set[str], now: datetime) -> None:
        assert now == NOW
        self.touches.append(persons)

    async def load(self, kind: str, text: str, **options: Any) -> ImportReport:
        path = self.folder / f"{kind}.csv"
        path.write_text(text)
        self.touches.clear()
        return await import_file(self.store, FixedClock(), "CN", kind, path, self.touched, **options)

    async def start(self) -> None:
        rows = [account("L-1", "P-1", "1"), account("L-2", "P-2", "2"), account("L-3", "P-2", "2")]
        await self.load("accounts", ACCOUNTS + "".join(rows))
        self.touches.clear()

    def installment(self, key: str = "2026-01-15", account_id: str = "L-1") -> intake.Installment | None:
        return self.store.run(lambda tx: portfolio.installments(tx, [(account_id, key)])).get((account_id, key))

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        return self.store.run(lambda tx: [tuple(row) for row in tx.exec_driver_sql(sql)])

    def payments(self) -> list[tuple[object, ...]]:
        return self.rows("select account_id, amount, paid_on, source from payments order by payment_id")


@pytest.fixture
async def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    await desk.start()
    return desk


def account(account_id: str, person_id: str, phone: str, **_: str) -> str:
    return f"{account_id},{person_id},王丽,+861380013800{phone},zh-CN,,CN,工商银行,yes,\n"


def installment(paid_on: str = "", paid: str = "", due_on: str = "2026-01-15", account_id: str = "L-1") -> str:
    return f"{account_id},{due_on},1200.00,CNY,{paid_on},{paid}\n"


def counts(report: ImportReport) -> tuple[int, int, int, int]:
    assert report.new + report.changed + report.unchanged + report.rejected == report.rows
    return (report.new, report.changed, report.unchanged, report.rejected)


# Accounts


async def test_importing_again_changes_and_touches_nothing(desk: Desk) -> None:
    rows = account("L-1", "P-1", "1") + account("L-2", "P-2", "2") + account("L-4", "P-4", "4")
    assert counts(await desk.load("accounts", ACCOUNTS + rows)) == (1, 0, 2, 0)
    assert desk.touches == [{"P-4"}]
    before = desk.rows("select * from accounts")
    assert counts(await desk.load("accounts", ACCOUNTS + rows)) == (0, 0, 3, 0)
    assert desk.touches == []
    assert desk.rows("select * from accounts") == before


async def test_an_account_that_goes_to_another_person_touches_both(desk: Desk) -> None:
    report = await desk.load("accounts", ACCOUNTS + account("L-2", "P-1", "2"))
    assert counts(report) == (0, 1, 0, 0)
    assert desk.touches == [{"P-1", "P-2"}]
    assert report.notices == [f"1 row: {intake.MOVED}"]


async def test_an_account_without_a_zone_is_loaded_with_a_notice(desk: Desk) -> None:
    report = await desk.load("accounts", ACCOUNTS + "L-9,P-9,A,+18005550199,,,,,,\n")
    assert counts(report) == (1, 0, 0, 0)
    assert report.notices == [f"1 row: {intake.NO_ZONE}", f"1 row: {intake.NO_PAY_TO}"]


# Installments and payments


@pytest.mark.parametrize(
    ("first", "then", "paid", "change", "notice"),
    [
        (("", ""), ("2026-01-09", "1200.00"), "1200.00", (0, 1, 0, 0), ""),
        (("2026-01-05", "500.00"), ("2026-01-09", "1200.00"), "1200.00", (0, 1, 0, 0), ""),
        (("2026-01-09", "1200.00"), ("2026-01-09", "1200"), "1200.00", (0, 0, 1, 0), ""),
        (("2026-01-09", "1200.00"), ("", ""), "1200.00", (0, 0, 1, 0), ""),
        (("2026-01-09", "1200.00"), ("", "0.00"), "1200.00", (0, 0, 1, 0), ""),
        (("2026-01-09", "1200.00"), ("2026-01-09", "1199.99"), "1200.00", (0, 0, 1, 0), intake.KEPT),
        (("2026-01-09", "1200.00"), ("2026-01-08", "1200.00"), "1200.00", (0, 1, 0, 0), ""),
    ],
)
async def test_a_file_never_lowers_a_payment(desk: Desk, first, then, paid, change, notice) -> None:
    await desk.load("installments", INSTALLMENTS + installment(*first))
    report = await desk.load("installments", INSTALLMENTS + installment(*then))
    assert counts(report) == change
    assert report.notices == ([f"1 row: {notice}"] if notice else [])
    assert desk.installment().paid_amount == Decimal(paid)
    assert sum(Decimal(str(row[1])) for row in desk.payments()) == Decimal(paid)
    assert desk.touches == ([{"P-1"}] if change[1] else [])


@pytest.mark.parametrize("how", [{}, {"dry_run": True}, {"strict": True}])
async def test_a_payment_that_lies_ahead_counts_and_is_told(desk: Desk, how: dict[str, bool]) -> None:
    """A year mistyped would otherwise keep somebody from every reminder, and nobody would know."""
    await desk.load("installments", INSTALLMENTS + installment())
    report = await desk.load("installments", INSTALLMENTS + installment("2027-01-09", "1200.00"), **how)
    assert counts(report) == (0, 1, 0, 0)
    assert report.notices == [f"1 row: {intake.AHEAD}"]
    today_somewhere = installment("2026-01-10", "1200.00", due_on="2026-02-15")
    assert (await desk.load("installments", INSTALLMENTS + today_somewhere, **how)).notices == []


async def test_an_increase_writes_the_difference_as_a_payment(desk: Desk) -> None:
    await desk.load("installments", INSTALLMENTS + installment("2026-01-10", "500.00"))
    await desk.load("installments", INSTALLMENTS + installment("2026-01-14", "1200.00"))
    assert desk.payments() == [("L-1", "500.00", "2026-01-10", "import"), ("L-1", "700.00", "2026-01-14", "import")]
    assert not desk.installment().is_open


async def test_with_an_id_a_changed_due_day_moves_the_installment(desk: Desk) -> None:
    await desk.load("installments", WITH_IDS + "I-1," + installment())
    report = await desk.load("installments", WITH_IDS + "I-1," + installment(due_on="2026-01-20"))
    assert counts(report) == (0, 1, 0, 0)
    assert desk.rows("select installment_id, due_on from installments") == [("I-1", "2026-01-20")]


@pytest.mark.parametrize("ids_first", [True, False])
async def test_one_debt_never_becomes_two_by_ids_that_come_or_go(desk: Desk, ids_first: bool) -> None:
    files = [WITH_IDS + "I-1," + installment(), INSTALLMENTS + installment()]
    first, second = files if ids_first else reversed(files)
    await desk.load("installments", first)
    report = await desk.load("installments", second)
    assert counts(report) == (0, 0, 0, 1)
    assert "installment_id: does not fit" in report.first_rejects[0]
    assert len(desk.rows("select * from installments")) == 1


async def test_an_installment_of_an_unknown_account_is_a_reject_in_its_place(desk: Desk) -> None:
    rows = [installment(account_id="nobody"), installment(due_on="x"), installment(account_id="L-2")]
    report = await desk.load("installments", INSTALLMENTS + "".join(rows))
    assert counts(report) == (1, 0, 0, 2)
    assert [line.split(": ")[:2] for line in report.first_rejects] == [
        [f"{report.file}:2", "account_id"],
        [f"{report.file}:3", "due_on"],
    ]


async def test_a_reversed_payment_stays_reversed_when_yesterdays_file_comes_again(desk: Desk) -> None:
    file = INSTALLMENTS + installment("2026-01-14", "1200.00")
    await desk.load("installments", file)
    desk.store.run(lambda tx: intake.reverse_payment(tx, "L-1", DAY, None, NOW, desk.touched))
    report = await desk.load("installments", file)
    assert counts(report) == (0, 0, 1, 0)
    assert report.notices == [f"1 row: {intake.REVERSED}"]
    assert desk.installment().is_open
    await desk.load("installments", INSTALLMENTS + installment("2026-01-16", "1200.00"))
    assert not desk.installment().is_open


# Suppressions


async def test_suppressions_are_added_once_and_touch_whoever_has_the_phone(desk: Desk) -> None:
    rows = "+8613800138002,,,asked,\n,P-1,sms,asked,2026-12-31\n+8613800138002,,,asked again,\n"
    assert counts(await desk.load("suppressions", SUPPRESSIONS + rows)) == (2, 0, 1, 0)
    assert desk.touches == [{"P-1", "P-2"}]
    assert counts(await desk.load("suppressions", SUPPRESSIONS + rows)) == (0, 0, 3, 0)
    assert desk.touches == []
    assert len(desk.rows("select * from suppressions where lifted_at is null")) == 2


async def test_a_longer_suppression_is_added_and_the_shorter_one_lifts_nothing(desk: Desk) -> None:
    await desk.load("suppressions", SUPPRESSIONS + ",P-1,,asked,\n")
    assert counts(await desk.load("suppressions", SUPPRESSIONS + ",P-1,,asked,2026-01-11\n")) == (1, 0, 0, 0)
    assert desk.rows("select until from suppressions where lifted_at is null order by 1") == [(None,), ("2026-01-11",)]


# Rejects, strict, dry run


async def test_bad_rows_go_beside_the_file_and_good_ones_are_loaded(desk: Desk) -> None:
    bad = account("L-8", "P-8", "8").replace("CN", "=Mars").replace("yes", "?")
    report = await desk.load("accounts", ACCOUNTS + bad + account("L-9", "P-9", "9"))
    assert counts(report) == (1, 0, 0, 1)
    path = desk.folder / "accounts.csv.rejects.csv"
    assert report.rejects_file == str(path)
    header, row = csv.reader(path.read_text("utf-8-sig").splitlines())
    assert header == ["line", "field", "reason", *ACCOUNTS.strip().split(",")]
    assert row[:2] == ["2", "language; region; consent_voice"]
    assert '"=Mars" is no region (accepted: ' in row[2]
    assert (row[6], row[9]) == ("+8613800138008", "'=Mars")
    await desk.load("accounts", ACCOUNTS + account("L-9", "P-9", "9"))
    assert not path.exists()


@pytest.mark.parametrize("faults", [1, FAULTS_MAX, FAULTS_MAX + 1, FAULTS_MAX + 50])
async def test_strict_with_a_bad_row_tells_every_fault_and_changes_nothing(desk: Desk, faults: int) -> None:
    rows = account("L-9", "P-9", "9") + "".join(f"B-{n},P,,12,,,CN,,,\n" for n in range(faults))
    before = desk.rows("select * from accounts")
    with pytest.raises(InvalidInput) as refused:
        await desk.load("accounts", ACCOUNTS + rows, strict=True)
    told = refused.value.faults
    assert refused.value.exit_code == 2
    assert [fault.line for fault in told[:FAULTS_MAX]] == list(range(3, 3 + min(faults, FAULTS_MAX)))
    more = faults - FAULTS_MAX
    assert len(told) == FAULTS_MAX + 1 if more > 0 else len(told) == faults
    assert more <= 0 or told[-1].wrong == f"{more} more faults in this file are not shown"
    assert desk.rows("select * from accounts") == before
    assert desk.touches == []
    assert not rejects_path(desk.folder / "accounts.csv").exists()


async def test_strict_is_one_transaction_over_all_chunks(desk: Desk) -> None:
    # Rows 2,001 apart give one debt with and without an id: only loading, chunk after chunk, can see it.
    rows = ["I-1," + installment(), *(f"I-{n}," + installment(due_on="2026-02-15") for n in range(2, 2_003))]
    with pytest.raises(InvalidInput, match="does not fit"):
        await desk.load("installments", WITH_IDS + "".join(rows) + "," + installment(), strict=True)
    assert desk.rows("select count(*) from installments") == [(0,)]
    report = await desk.load("installments", WITH_IDS + "".join(rows), strict=True)
    assert counts(report) == (2_002, 0, 0, 0)


async def test_a_dry_run_says_how_many_rejects_it_does_not_show_and_writes_them_where_it_is_told(desk: Desk) -> None:
    rows = "".join(account(f"B-{number}", "P-9", "") for number in range(13))
    report = await desk.load("accounts", ACCOUNTS + rows, dry_run=True)
    out = StringIO()
    print_report(report, Console(file=out, width=200))
    assert len(report.first_rejects) == 10
    assert "… and 3 more; `--rejects FILE` writes all of them, with line and reason" in out.getvalue()
    wanted = desk.folder / "bad.csv"
    told = await desk.load("accounts", ACCOUNTS + rows, dry_run=True, rejects=wanted)
    assert (told.rejects_file, len(wanted.read_text("utf-8-sig").splitlines())) == (str(wanted), 14)
    assert "accepted: accepted" not in wanted.read_text("utf-8-sig")
    assert not rejects_path(desk.folder / "accounts.csv").exists()
    assert desk.rows("select count(*) from accounts") == [(3,)]


async def test_rejects_never_overwrite_what_is_imported(desk: Desk) -> None:
    with pytest.raises(BadParameter, match="is the file to import"):
        await desk.load("accounts", ACCOUNTS, rejects=desk.folder / "accounts.csv")
    assert (desk.folder / "accounts.csv").read_text() == ACCOUNTS


async def test_a_dry_run_counts_and_writes_nothing(desk: Desk) -> None:
    rows = account("L-1", "P-1", "7") + account("L-9", "P-9", "9") + account("L-2", "P-2", "2") + "bad\n"
    tables = ("accounts", "persons", "actions")
    before = [desk.rows(f"select * from {table}") for table in tables]
    report = await desk.load("accounts", ACCOUNTS + rows, dry_run=True)
    assert counts(report) == (1, 1, 1, 1)
    assert report.rejects_file is None
    assert [desk.rows(f"select * from {table}") for table in tables] == before
    assert sorted(path.name for path in desk.folder.iterdir()) == ["accounts.csv"]
    assert desk.touches == []


async def test_a_faulty_file_changes_nothing_although_its_first_rows_are_good(desk: Desk) -> None:
    with pytest.raises(InvalidInput, match=r":3: row: "):
        await desk.load("accounts", ACCOUNTS + account("L-9", "P-9", "9") + 'L-10,"P\nL-11,P\n')
    assert len(desk.rows("select * from accounts")) == 3


async def test_the_persons_touched_are_told_in_the_same_transaction(desk: Desk) -> None:
    def fails(tx: Tx, persons: set[str], now: datetime) -> None:
        raise RuntimeError("the plan could not be changed")

    path = desk.folder / "i.csv"
    path.write_text(INSTALLMENTS + installment("2026-01-14", "1200.00"))
    with pytest.raises(RuntimeError):
        await import_file(desk.store, FixedClock(), "CN", "installments", path, fails)
    assert desk.installment() is None
    assert desk.payments() == []


async def test_the_summary_and_the_record_of_actions(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    report = await desk.load("accounts", ACCOUNTS + account("L-1", "P-1", "1") + account("L-9", "P-9", "9") + "bad\n")
    print_report(report, Console(width=200))
    printed = capsys.readouterr().out
    assert f"{report.file}: 3 rows of accounts (utf-8)" in printed
    assert "1  new" in printed
    assert f"The rejected rows are in {report.file}.rejects.csv" in printed
    detail = "accounts.csv: 1 new, 0 changed, 1 rejected"
    assert desk.rows("select action, subject, detail from actions")[-1] == ("import", "accounts", detail)


# Payments and stops said by command


@pytest.fixture
async def due(desk: Desk) -> Desk:
    await desk.load("installments", INSTALLMENTS + installment() + installment(due_on="2025-12-15", account_id="L-2"))
    desk.touches.clear()
    return desk


@pytest.mark.parametrize(
    ("amount", "paid"), [(None, "1200.00"), ("1200", "1200.00"), ("200.5", "200.50"), ("1300", "1300.00")]
)
async def test_paid(due: Desk, amount: str | None, paid: str) -> None:
    value = None if amount is None else Decimal(amount)
    (after,) = due.store.run(lambda tx: intake.record_payment(tx, "L-1", DAY, value, DAY, NOW, due.touched))
    assert (after.paid_on, str(after.paid_amount)) == (DAY, paid)
    assert due.installment() == after
    assert due.payments() == [("L-1", paid, "2026-01-15", "command")]
    assert due.touches == [{"P-1"}]
    assert due.rows("select subject, detail from actions where action = 'paid'") == [("L-1", f"due {DAY}: {paid} CNY")]


async def test_paid_in_full_twice_is_paid_once(due: Desk) -> None:
    for expected in (1, 0):
        changed = due.store.run(lambda tx: intake.record_payment(tx, "L-1", DAY, None, DAY, NOW, due.touched))
        assert len(changed) == expected
    assert len(due.payments()) == 1


@pytest.mark.parametrize(
    ("amount", "left", "paid_on"), [(None, "0", None), ("1200", "0.00", None), ("0.01", "1199.99", DAY)]
)
async def test_a_reversal_opens_the_installment_again(due: Desk, amount: str | None, left: str, paid_on) -> None:
    due.store.run(lambda tx: intake.record_payment(tx, "L-1", DAY, None, DAY, NOW, due.touched))
    value = None if amount is None else Decimal(amount)
    (after,) = due.store.run(lambda tx: intake.reverse_payment(tx, "L-1", DAY, value, NOW, due.touched))
    assert (after.paid_amount, after.paid_on, after.is_open) == (Decimal(left), paid_on, True)
    assert sum(Decimal(str(row[1])) for row in due.payments()) == Decimal(left)
    assert due.touches == [{"P-1"}, {"P-1"}]


@pytest.mark.parametrize(
    ("account_id", "due_on", "amount", "says"),
    [
        ("L-9", DAY, None, "account L-9: not known"),
        ("L-1", date(2026, 1, 16), None, "account L-1: no installment due on 2026-01-16"),
        ("L-1", DAY, "0", "not above 0"),
        ("L-1", DAY, "-1", "is no amount"),
        ("L-1", DAY, "0.001", "more decimals than CNY"),
    ],
)
async def test_a_payment_that_cannot_be_recorded(due: Desk, account_id, due_on, amount, says) -> None:
    value = None if amount is None else Decimal(amount)
    with pytest.raises(DialerError, match=says):
        due.store.run(lambda tx: intake.record_payment(tx, account_id, due_on, value, DAY, NOW, due.touched))
    assert due.touches == []


@pytest.mark.parametrize(("amount", "says"), [(None, "nothing is paid"), ("1", "nothing is paid")])
async def test_a_reversal_of_nothing(due: Desk, amount: str | None, says: str) -> None:
    value = None if amount is None else Decimal(amount)
    with pytest.raises(DialerError, match=says):
        due.store.run(lambda tx: intake.reverse_payment(tx, "L-1", DAY, value, NOW, due.touched))


async def test_a_reversal_of_more_than_was_paid(due: Desk) -> None:
    due.store.run(lambda tx: intake.record_payment(tx, "L-1", DAY, Decimal(5), DAY, NOW, due.touched))
    with pytest.raises(DialerError, match=r"only 5\.00 CNY are paid"):
        due.store.run(lambda tx: intake.reverse_payment(tx, "L-1", DAY, Decimal(6), NOW, due.touched))


async def test_two_installments_on_one_day(desk: Desk) -> None:
    await desk.load("installments", WITH_IDS + "I-1," + installment() + "I-2," + installment())
    with pytest.raises(DialerError, match=r"several installments are due that day \(I-1, I-2\)"):
        desk.store.run(lambda tx: intake.record_payment(tx, "L-1", DAY, Decimal(5), DAY, NOW, desk.touched))
    changed = desk.store.run(lambda tx: intake.record_payment(tx, "L-1", DAY, None, DAY, NOW, desk.touched))
    assert [one.is_open for one in changed] == [False, False]


async def test_suppress_and_lift(desk: Desk) -> None:
    value = Suppression("+8613800138002", None, "", "asked", None)
    assert desk.store.run(lambda tx: intake.suppress(tx, value, "command", NOW, desk.touched))
    assert not desk.store.run(lambda tx: intake.suppress(tx, value, "command", NOW, desk.touched))
    assert desk.touches == [{"P-2"}]
    lifted = desk.store.run(lambda tx: intake.lift(tx, value.phone, None, "sms", "asked back", NOW, desk.touched))
    assert lifted == 1
    assert desk.touches == [{"P-2"}, {"P-2"}]
    assert desk.rows("select channel, reason from suppressions where lifted_at is null") == [("voice", "asked")]
    with pytest.raises(DialerError, match="no such suppression"):
        desk.store.run(lambda tx: intake.lift(tx, value.phone, None, "sms", "again", NOW, desk.touched))
    subjects = desk.rows("select action, subject from actions where action in ('suppress', 'lift')")
    assert subjects == [("suppress", "+86138****8002"), ("lift", "+86138****8002")]


async def test_suppressing_nobody_is_an_error(desk: Desk) -> None:
    with pytest.raises(DialerError, match="nobody to suppress"):
        desk.store.run(
            lambda tx: intake.suppress(tx, Suppression(None, None, "", "x", None), "command", NOW, desk.touched)
        )
