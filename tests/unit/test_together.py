"""Rows read together give what each gives by itself: values, faults and their lines."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialer import roster, together
from dialer.roster import Reading, read_accounts, read_installments
from dialer.seen import Seen

ACCOUNT = {
    "account_id": ["L-1", "L-2", "L-3", "贷款 4", "", "x" * 65, "L\t5"],
    "person_id": ["P-1", "P-2", " P-3 ", "", "y" * 64],
    "name": ["王丽", "", "n" * 201],
    "phone": ["+8613800138001", "13800138002", "+14155552671", "12", "", "p" * 201],
    "language": ["zh-CN", "en_US", "", "klingonese"],
    "time_zone": ["", "Asia/Shanghai", "PRC", "Mars/Olympus"],
    "region": ["CN", "US-MA", "", "XX"],
    "pay_to": ["工商银行尾号1234", "", "b" * 201],
    "consent_voice": ["yes", "NO", "", "perhaps"],
    "consent_sms": ["", "yes", "maybe"],
    "role": ["", "Guarantor", "father"],
    "verify": ["", "123x", "12"],
    "number_checked_on": ["", "2026-01-01", "1.1.2026"],
}
INSTALLMENT = {
    "account_id": ["L-1", "L-2", " L-3", "", "x" * 65],
    "due_on": ["2026-01-15", "2026-02-15", "2026-02-30", "1899-01-01", ""],
    "amount": ["100.00", "100", "0", "1.005", "-1", ""],
    "currency": ["CNY", "JPY", "KWD", "XXQ", ""],
    "paid_on": ["", "", "2026-01-14", "yesterday"],
    "paid_amount": ["", "0", "50.00", "1e3"],
    "installment_id": ["", "I-1", "I-2", "z" * 65],
}


def _rows(cells: dict[str, list[str]]) -> st.SearchStrategy[list[list[str]]]:
    """Mostly good: the first words of each column are, and one of the others spoils a row."""
    good = st.tuples(*(st.sampled_from(words[:2]) for words in cells.values())).map(list)
    number = st.integers(0, 40).map(lambda n: f"L-{n}")
    better = st.tuples(good, number).map(lambda pair: [pair[1], *pair[0][1:]])
    every = [(at, word) for at, words in enumerate(cells.values()) for word in words]
    spoiled = st.tuples(better, st.sampled_from(every)).map(_spoiled)
    return st.lists(st.one_of(better, better, spoiled, st.just(["L-1", "short"])), max_size=12)


def _spoiled(given: tuple[list[str], tuple[int, str]]) -> list[str]:
    row, (at, word) = given
    return [*row[:at], word, *row[at + 1 :]]


def _told(reading: Reading) -> list[object]:
    return [
        (chunk.good, [(reject.row, reject.problems) for reject in chunk.rejects], chunk.rows)
        for chunk in reading.chunks(7)
    ]


def _is_same(cells: dict[str, list[str]], rows: list[list[str]], read: object) -> None:
    with NamedTemporaryFile(suffix=".csv") as file:
        file.write("\n".join([",".join(cells), *(",".join(row) for row in rows), ""]).encode())
        file.flush()
        reading = read(Path(file.name))
        assert _told(reading) == _told(replace(reading, quick=None))


@pytest.mark.parametrize("piece", [3, 250])
@settings(max_examples=150)
@given(rows=_rows(ACCOUNT))
def test_accounts(piece: int, rows: list[list[str]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(roster, "PIECE", piece)
        _is_same(ACCOUNT, rows, lambda path: read_accounts(path, "CN"))


@pytest.mark.parametrize("piece", [3, 250])
@settings(max_examples=150)
@given(rows=_rows(INSTALLMENT))
def test_installments(piece: int, rows: list[list[str]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(roster, "PIECE", piece)
        _is_same(INSTALLMENT, rows, read_installments)


@pytest.mark.parametrize("kind", ["accounts", "installments"])
def test_each_word_by_itself(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every word of every column in an otherwise good row, paid and not: a piece of its own each."""
    monkeypatch.setattr(roster, "PIECE", 1)
    cells = ACCOUNT if kind == "accounts" else INSTALLMENT
    good = [words[0] for words in cells.values()]
    bases = [good] if kind == "accounts" else [good, [*good[:4], "2026-01-14", "50.00", "I-1"]]
    rows = [_spoiled((base, (at, word))) for base in bases for at, words in enumerate(cells.values()) for word in words]
    read = partial(read_accounts, country="CN") if kind == "accounts" else read_installments
    _is_same(cells, rows, read)
    monkeypatch.setattr(Seen, "repeated", lambda self, keys: [])
    _is_same(cells, rows, read)


def test_good_rows_are_not_read_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("account_id,due_on,amount,currency,paid_on,paid_amount\nL-1,2026-01-15,5.00,CNY,,\n")
    monkeypatch.setattr(Reading, "_one_by_one", None)
    (chunk,) = read_installments(path)
    assert chunk.rows == 1
    assert together.installments([["L-1"], ["2026-01-15"], ["5.001"], ["CNY"], [""], [""], [""]]) is None


@given(st.lists(st.lists(st.text(max_size=2), max_size=40), max_size=40), st.integers(0, 3_000))
def test_seen_repeats_what_a_set_has(batches: list[list[str]], expected: int) -> None:
    seen, known = Seen(expected), set[str]()
    for keys in batches:
        repeated = []
        for place, key in enumerate(keys):
            if key in known:
                repeated.append(place)
            known.add(key)
        assert seen.repeated(keys) == repeated


def test_seen_grows_with_a_file_that_grew() -> None:
    seen = Seen(0)
    keys = [f"L-{n}" for n in range(5_000)]
    assert seen.repeated(keys[:3_000]) == []
    assert seen.repeated(keys) == list(range(3_000))
    assert seen.repeated(keys) == list(range(5_000))


def test_keys_of_one_place_stay_apart() -> None:
    seen = Seen(0)
    assert seen._put([(7, 1), (7, 2), (7 + 1024, 1), (7, 1), (7 + 1024, 1)]) == [3, 4]
