"""Reading the lender's files: encodings, columns, line numbers, and every check of a cell. No database."""

import csv
import io
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.csvfile import AtomicCsv, look_through, neutralised
from dialer.csvtext import BLOCK
from dialer.errors import DialerError, InvalidInput
from dialer.roster import Chunk, Reading, read_accounts, read_installments, read_suppressions

EXAMPLES = Path(__file__).parent.parent / "support" / "examples"
ACCOUNT = "account_id,person_id,name,phone,language,time_zone,region,pay_to,consent_voice,consent_sms"
GOOD = "L-1,P-1,王丽,+8613800138001,zh-CN,,CN,工商银行尾号1234,yes,"
INSTALLMENT = "account_id,due_on,amount,currency,paid_on,paid_amount"
SUPPRESSION = "phone,person_id,channel,reason,until"


@pytest.fixture
def file(tmp_path: Path):
    def write(*lines: str, encoding: str = "utf-8", newline: str = "\n") -> Path:
        path = tmp_path / "rows.csv"
        path.write_bytes((newline.join(lines) + newline).encode(encoding))
        return path

    return write


def only(reading: Reading) -> Chunk:
    chunks = list(reading)
    assert len(chunks) == 1
    return chunks[0]


def values(reading: Reading) -> list:
    return [value for chunk in reading for _, value in chunk.good]


def problems(reading: Reading) -> list[tuple[int, str]]:
    return [(reject.row.line, p.field) for chunk in reading for reject in chunk.rejects for p in reject.problems]


def account(**cells: str) -> str:
    row = dict(zip(ACCOUNT.split(","), GOOD.split(","), strict=True)) | cells
    return ",".join(row.values())


# The whole file


@pytest.mark.parametrize(
    ("encoding", "named"), [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("gb18030", "gb18030"), ("gbk", "gb18030")]
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encodings_and_line_ends_read_the_same(file, encoding: str, named: str, newline: str) -> None:
    reading = read_accounts(file(ACCOUNT, GOOD, encoding=encoding, newline=newline), "CN")
    assert reading.sheet.encoding == named
    assert bool(reading.sheet.notices) == (named == "gb18030")
    (value,) = values(reading)
    assert (value.name, value.pay_to, value.zones) == ("王丽", "工商银行尾号1234", ("Asia/Shanghai",))


def test_gb18030_is_found_by_a_byte_far_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    many = "\n".join(account(account_id=f"L-{n}", name="A", pay_to="B" * 150) for n in range(6_000))
    path.write_bytes(f"{ACCOUNT}\n{many}\n".encode() + account(account_id="last").encode("gb18030"))
    assert path.stat().st_size > BLOCK
    reading = read_accounts(path, "CN")
    assert reading.sheet.encoding == "gb18030"
    assert values(reading)[-1].name == "王丽"


def test_a_damaged_utf8_file_is_not_taken_for_gb18030(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(f"{ACCOUNT}\n{GOOD}\n{GOOD}\n".encode() + b"L-2,\xd6\xd0\n")
    with pytest.raises(InvalidInput) as refused:
        read_accounts(path, "CN")
    assert str(refused.value).startswith(f"{path}:4: file: holds bytes that are not UTF-8")


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        (b"", 1, "is empty"),
        (b"\n\r\n", 1, "is empty"),
        (ACCOUNT.encode("utf-16"), 1, "is UTF-16"),
        (b"\x89PNG\r\n\x1a\n\xff\xff\x00", 1, "holds bytes that are not UTF-8"),
        (f"{ACCOUNT}\nL-1,\0\n".encode(), 2, "NUL"),
        (f'{ACCOUNT}\n{GOOD}\nL-2,"P\n{GOOD}\n'.encode(), 3, "does not end as it should"),
        (f'{ACCOUNT}\n{GOOD}\nL-2,"P\nQ"x,\n{GOOD}\n'.encode(), 3, "does not end as it should"),
        (f"{ACCOUNT}\n{GOOD}\nL-2,{'x' * 140_000}\n".encode(), 3, "far too long"),
    ],
)
def test_what_spoils_the_whole_file_is_a_fault_with_its_line(
    tmp_path: Path, content: bytes, line: int, says: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidInput) as refused:
        read_accounts(path, "CN")
    (fault,) = refused.value.faults
    assert fault.line == line
    assert says in fault.wrong


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    for path, says in ((tmp_path / "none.csv", "does not exist"), (tmp_path, "is a folder")):
        with pytest.raises(InvalidInput, match=says):
            look_through(path, ["account_id"])


def test_every_missing_column_is_named_with_the_nearest_spelling(file) -> None:
    path = file("account_id,due_date,amount,currency,paid_amount", "L-1,2026-01-15,1,CNY,")
    with pytest.raises(InvalidInput) as refused:
        read_installments(path)
    assert [(fault.line, fault.field) for fault in refused.value.faults] == [(1, "due_on"), (1, "paid_on")]
    columns = "accepted: the columns account_id, due_on, amount, currency, paid_on, paid_amount"
    assert str(refused.value).splitlines()[0] == (
        f'{path}:1: due_on: is missing, perhaps "due_date" is there instead; {columns}'
    )


@pytest.mark.parametrize(("separator", "name"), [(";", "semicolons"), ("\t", "tabs")])
@pytest.mark.parametrize("quote", ["", '"'])
def test_other_separators_than_commas_are_told_once(file, separator: str, name: str, quote: str) -> None:
    lines = [separator.join(f"{quote}{cell}{quote}" for cell in line.split(",")) for line in (ACCOUNT, GOOD)]
    path = file(*lines)
    with pytest.raises(InvalidInput) as refused:
        read_accounts(path, "CN")
    assert str(refused.value) == f"{path}:1: row: is separated by {name}; accepted: commas"


def test_of_another_file_not_each_column_is_told(file) -> None:
    path = file("phone,person_id,channel,reason,until", ",P-1,,x,")
    with pytest.raises(InvalidInput) as refused:
        read_installments(path)
    columns = "account_id, due_on, amount, currency, paid_on, paid_amount"
    assert str(refused.value) == (
        f"{path}:1: row: has none of the columns that are needed; accepted: the columns {columns}"
    )


@pytest.mark.parametrize(
    ("header", "guess"),
    [
        (ACCOUNT.replace("region", "reason"), ""),
        (ACCOUNT.replace("region", "due_on"), ""),
        (ACCOUNT.replace("region", "Region"), ', perhaps "Region" is there instead'),
        (ACCOUNT.replace("region", "regions"), ', perhaps "regions" is there instead'),
    ],
)
def test_only_what_is_spelt_much_like_a_missing_column_is_guessed(file, header: str, guess: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_accounts(file(header, GOOD), "CN")
    (fault,) = refused.value.faults
    assert (fault.field, fault.wrong) == ("region", f"is missing{guess}")


def test_a_doubled_column_is_a_fault(file) -> None:
    with pytest.raises(InvalidInput, match="amount: is there twice"):
        read_installments(file(f"{INSTALLMENT},amount", "L-1,2026-01-15,1,CNY,,,2"))


def test_columns_in_any_order_and_unknown_ones_said(file) -> None:
    reading = read_installments(
        file("paid_amount,instalment_id, currency ,amount,due_on,paid_on,account_id", ",x,CNY,5,2026-01-15,,L-1")
    )
    assert reading.sheet.notices == (
        'the column "instalment_id" is not known and was ignored, perhaps "installment_id" is meant',
    )
    assert values(reading)[0].installment_id == "2026-01-15"


def test_lines_are_physical_lines(file) -> None:
    two_lines = account(account_id="L-2", name='"王\n丽"')
    reading = read_accounts(
        file(ACCOUNT, GOOD, two_lines, "", ",,,,,,,,,", account(account_id="L-3", region="XX-YY")), "CN"
    )
    assert problems(reading) == [(7, "region")]
    assert reading.sheet.rows == 3


def test_a_quote_broken_within_its_line_spoils_that_row_alone(file) -> None:
    reading = read_installments(
        file(INSTALLMENT, 'L-1,2026-01-15,"5"0,CNY,,', "L-2,2026-01-15,50,CNY,,", "L-3,2026-01-15,50,CNY", "L-4")
    )
    assert problems(reading) == [(2, "row"), (4, "row"), (5, "row")]
    assert [value.account_id for value in values(reading)] == ["L-2"]


def test_a_file_that_changes_while_it_is_read(file) -> None:
    reading = read_installments(file(INSTALLMENT, "L-1,2026-01-15,50,CNY,,"))
    reading.sheet.path.write_bytes(b"")
    with pytest.raises(DialerError, match="changed while it was read"):
        list(reading)


def test_chunks_split_and_a_reading_can_be_repeated(file) -> None:
    rows = [f"L-{n},2026-01-15,50,CNY,," for n in range(7)]
    reading = read_installments(file(INSTALLMENT, *rows))
    assert [chunk.rows for chunk in reading.chunks(3)] == [3, 3, 1]
    assert [chunk.rows for chunk in reading.chunks(7)] == [7]


# Accounts


@pytest.mark.parametrize(
    ("cells", "field"),
    [
        ({"account_id": ""}, "account_id"),
        ({"account_id": "x" * 65}, "account_id"),
        ({"account_id": "a\tb"}, "account_id"),
        ({"person_id": " "}, "person_id"),
        ({"name": "x" * 201}, "name"),
        ({"phone": ""}, "phone"),
        ({"phone": "12"}, "phone"),
        ({"phone": "abc"}, "phone"),
        ({"language": "xx"}, "language"),
        ({"time_zone": "Asia/Nowhere"}, "time_zone"),
        ({"region": "China"}, "region"),
        ({"consent_voice": "maybe"}, "consent_voice"),
        ({"consent_sms": "1"}, "consent_sms"),
    ],
)
def test_a_bad_cell_rejects_its_row(file, cells: dict[str, str], field: str) -> None:
    reading = read_accounts(file(ACCOUNT, account(**cells), account(account_id="L-2")), "CN")
    assert problems(reading) == [(2, field)]
    assert [value.account_id for value in values(reading)] == ["L-2"]


@pytest.mark.parametrize("cells", [{"account_id": "x" * 64}, {"name": ""}, {"language": ""}, {"consent_sms": "NO"}])
def test_cells_at_the_edge_of_what_is_accepted(file, cells: dict[str, str]) -> None:
    assert problems(read_accounts(file(ACCOUNT, account(**cells)), "CN")) == []


def test_all_problems_of_a_row_at_once(file) -> None:
    row = account(person_id="", phone="12", time_zone="Mars", consent_voice="?")
    reading = read_accounts(file(ACCOUNT, row), "CN")
    assert sorted(field for _, field in problems(reading)) == ["consent_voice", "person_id", "phone", "time_zone"]


@pytest.mark.parametrize(
    ("phone", "region", "e164", "country"),
    [
        ("13800138002", "", "+8613800138002", "CN"),
        ("13800138002", "CN", "+8613800138002", "CN"),
        ("(617) 495-1000", "US-MA", "+16174951000", "US"),
        ("+16174951000", "CN", "+16174951000", "US"),
    ],
)
def test_a_number_is_read_for_its_region_else_for_the_lenders_country(file, phone, region, e164, country) -> None:
    (value,) = values(read_accounts(file(ACCOUNT, account(phone=phone, region=region)), "CN"))
    assert (value.phone, value.country) == (e164, country)


def test_faults_never_repeat_a_phone_or_a_name(file) -> None:
    path = file(ACCOUNT, account(phone="1395551234599", name="王丽" * 101))
    (reject,) = only(read_accounts(path, "CN")).rejects
    said = "\n".join(str(fault) for fault in reject.faults(path))
    assert "139555" not in said
    assert "王丽" not in said
    assert said.startswith(f"{path}:2: name: has 202 characters; accepted: at most 200")


def test_what_a_fault_repeats_is_one_line_without_phones(file) -> None:
    path = file(ACCOUNT, account(region="+8613955512345"), account(account_id="L-2", region='"a;\x1b\nb"'))
    rejects = only(read_accounts(path, "CN")).rejects
    assert [reject.problems[0].wrong for reject in rejects] == ['"****" is no region', '"a???b" is no region']
    assert all(reject.problems[0].accepted.startswith("a country") for reject in rejects)


def test_the_same_key_twice_is_a_reject_also_chunks_apart(file) -> None:
    rows = [account(account_id=f"L-{n % 4}") for n in range(5)]
    reading = read_accounts(file(ACCOUNT, *rows), "CN")
    assert [(r.row.line, r.problems[0].field) for c in reading.chunks(2) for r in c.rejects] == [(6, "row")]


# Installments


@pytest.mark.parametrize(
    ("row", "fields"),
    [
        (",2026-01-15,1,CNY,,", ["account_id"]),
        ("L-1,,1,CNY,,", ["due_on"]),
        ("L-1,2026-02-30,1,CNY,,", ["due_on"]),
        ("L-1,20260115,1,CNY,,", ["due_on"]),
        ("L-1,2026-1-15,1,CNY,,", ["due_on"]),
        ("L-1,2026-W03-4,1,CNY,,", ["due_on"]),
        ("L-1,15/01/2026,1,CNY,,", ["due_on"]),
        ("L-1,1989-12-31,1,CNY,,", ["due_on"]),
        ("L-1,2200-01-01,1,CNY,,", ["due_on"]),
        ("L-1,2026-01-15,0,CNY,,", ["amount"]),
        ("L-1,2026-01-15,,CNY,,", ["amount"]),
        ("L-1,2026-01-15,-1,CNY,,", ["amount"]),
        ("L-1,2026-01-15,1e3,CNY,,", ["amount"]),
        ("L-1,2026-01-15,١٢,CNY,,", ["amount"]),
        ("L-1,2026-01-15,NaN,CNY,,", ["amount"]),
        ('L-1,2026-01-15,"1,200.00",CNY,,', ["amount"]),
        ("L-1,2026-01-15,1.001,CNY,,", ["amount"]),
        ("L-1,2026-01-15,1.5,JPY,,", ["amount"]),
        ("L-1,2026-01-15,1,RMB,,", ["currency"]),
        ("L-1,2026-01-15,1,,,", ["currency"]),
        ("L-1,2026-01-15,1,CNY,2026-01-14,", ["paid_amount"]),
        ("L-1,2026-01-15,1,CNY,2026-01-14,0", ["paid_amount"]),
        ("L-1,2026-01-15,1,CNY,,1", ["paid_on"]),
        ("L-1,2026-01-15,1,CNY,gestern,1", ["paid_on"]),
        ("L-1,x,y,CNY,z,w", ["due_on", "paid_on", "amount", "paid_amount"]),
    ],
)
def test_bad_installments(file, row: str, fields: list[str]) -> None:
    assert [field for _, field in problems(read_installments(file(INSTALLMENT, row)))] == fields


@pytest.mark.parametrize(
    ("row", "amount", "paid_on", "paid"),
    [
        ("L-1,2026-01-15,1200,CNY,,", "1200.00", None, "0.00"),
        ("L-1,2026-01-15,1200.500,CNY,,0", "1200.50", None, "0.00"),
        ("L-1,1990-01-01,0.01,CNY,2026-01-14,0.02", "0.01", date(2026, 1, 14), "0.02"),
        ("L-1,2199-12-31,100.00,JPY,,0.00", "100", None, "0"),
        ("L-1,2026-01-15,1.234,KWD,,", "1.234", None, "0.000"),
    ],
)
def test_good_installments(file, row: str, amount: str, paid_on: date | None, paid: str) -> None:
    (value,) = values(read_installments(file(INSTALLMENT, row)))
    assert (str(value.amount), value.paid_on, str(value.paid_amount)) == (amount, paid_on, paid)
    assert value.is_open == (Decimal(paid) < Decimal(amount))


def test_the_key_is_the_id_where_there_is_one(file) -> None:
    header = f"installment_id,{INSTALLMENT}"
    rows = ["I-1,L-1,2026-01-15,1,CNY,,", "I-2,L-1,2026-01-15,1,CNY,,", ",L-1,2026-02-15,1,CNY,,"]
    reading = read_installments(file(header, *rows, rows[1], rows[2]))
    assert [value.installment_id for value in values(reading)] == ["I-1", "I-2", "2026-02-15"]
    assert problems(reading) == [(5, "row"), (6, "row")]


def test_the_examples_are_read_whole() -> None:
    accounts = values(read_accounts(EXAMPLES / "accounts.csv", "CN"))
    assert [account.person_id for account in accounts] == ["P-1", "P-2", "P-3", "P-3"]
    assert {account.zones for account in accounts} == {("Asia/Shanghai",)}
    assert len(values(read_installments(EXAMPLES / "installments.csv"))) == 9


# Suppressions


@pytest.mark.parametrize(
    ("row", "fields"),
    [
        ("+8613800138001,,,asked,", []),
        ("13800138001,,voice,asked,2026-12-31", []),
        (",P-1,sms,asked,", []),
        (",,,asked,", ["phone"]),
        ("12,,,asked,", ["phone"]),
        ("12,P-1,,asked,", ["phone"]),
        (",P-1,email,asked,", ["channel"]),
        (",P-1,,,", ["reason"]),
        (",P-1,,asked,soon", ["until"]),
    ],
)
def test_suppressions(file, row: str, fields: list[str]) -> None:
    assert [field for _, field in problems(read_suppressions(file(SUPPRESSION, row), "CN"))] == fields


# Rejects and exports


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("+1;cmd", "'+1;cmd"),
        ("-2", "'-2"),
        ("@x", "'@x"),
        ("\tx", "'\tx"),
        ("+8613800138001", "+8613800138001"),
        ("+86138=1", "'+86138=1"),
        ("王丽", "王丽"),
        ("", ""),
    ],
)
def test_formulas_are_neutralised_and_phones_are_not(cell: str, safe: str) -> None:
    assert neutralised(cell) == safe


def test_an_atomic_csv_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("older")
    with AtomicCsv(path, ["a"]) as out:
        out.write([["=1"]])
    assert path.read_text() == "older"
    with AtomicCsv(path, ["a"]) as out:
        out.write([["=1"]])
        assert path.read_text() == "older"
        assert out.commit()
    assert path.read_text("utf-8-sig") == "a\n'=1\n"
    assert path.stat().st_mode & 0o077 == 0
    with AtomicCsv(path, ["a"]) as out:
        assert not out.commit()
    assert list(tmp_path.iterdir()) == []


cells = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12), min_size=6, max_size=6)


@given(rows=st.lists(cells, max_size=8))
def test_whatever_csv_writes_is_read_without_an_exception(tmp_path_factory: pytest.TempPathFactory, rows) -> None:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([INSTALLMENT.split(","), *rows])
    path = tmp_path_factory.mktemp("any") / "i.csv"
    path.write_bytes(out.getvalue().encode())
    reading = read_installments(path)
    told = sum(any(cell.strip() for cell in row) for row in rows)
    assert sum(chunk.rows for chunk in reading) == reading.sheet.rows == told
    lines = [reject.row.line for chunk in reading for reject in chunk.rejects]
    assert lines == sorted(lines)
