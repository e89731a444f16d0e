"""Lenders' files of whatever kind: rows are loaded or rejected, the file as a whole is read or refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.files import Fault
from dialer import csvfile, csvtext
from dialer.errors import InvalidInput
from dialer.law_rows import EVERY_KIND
from tests.fuzz.support import LINE, ODD, SHORT_AND_LONG, TEXT, contents, fuzz, hostile, mutated
from tests.support.scene import SETTINGS

GOOD = {
    "accounts": (
        "account_id,person_id,name,phone,language,time_zone,region,pay_to,consent_voice,consent_sms,role,verify\n"
        "L-1,P-1,王丽,+8613800138001,zh-CN,,CN,工商银行尾号1,yes,yes,borrower,1234\n"
        'L-2,P-2,"Doe, Ann",13800138002,en,Asia/Shanghai,CN,"Bank ""1""",no,,guarantor,\n'
    ),
    "installments": (
        "account_id,due_on,amount,currency,paid_on,paid_amount,installment_id\n"
        "L-1,2026-01-15,1200.00,CNY,,,\nL-1,2025-12-15,1200.00,CNY,2025-12-14,1200.00,\n"
    ),
    "suppressions": "phone,person_id,channel,reason,until\n13800138001,,,asked,\n,P-2,voice,in hospital,2026-02-01\n",
    "contacts": (
        "person_id,account_id,phone,channel,at,event,direction,by\n"
        "P-1,L-1,13800138001,voice,2026-01-14T09:30+08:00,conversation,outbound,agents\n"
    ),
    "agreements": "person_id,kind,given_on,until\nP-1,time,2026-01-01,2026-02-01\n",
}


def read(kind: str, path: Path) -> None:
    """Reads it to its end. Every row is good or rejected, with each reason told in one line."""
    what: Any = EVERY_KIND[kind]
    try:
        reading = what.read(path, "CN")
    except InvalidInput as refused:
        found = refused.faults
    else:
        found = tuple(_rows(path, reading))
    assert all(LINE.fullmatch(str(fault)) for fault in found), found


def _rows(path: Path, reading: Any) -> Iterator[Fault]:
    """Every row's faults."""
    rows = 0
    for chunk in reading:
        rows += chunk.rows
        for reject in chunk.rejects:
            assert reject.problems
            yield from reject.faults(path)
    assert rows == reading.sheet.rows
    assert all("\n" not in notice for notice in reading.sheet.notices)


@SHORT_AND_LONG
@pytest.mark.parametrize("kind", GOOD)
def test_a_damaged_file_is_read_or_refused(kind: str, times: int, tmp_path: Path) -> None:
    path = tmp_path / f"{kind}.csv"

    @fuzz(times * 50)
    @given(st.one_of(mutated(GOOD[kind].encode()), mutated(GOOD[kind].encode("gb18030"))))
    def every(text: bytes) -> None:
        path.write_bytes(text)
        read(kind, path)

    every()


@SHORT_AND_LONG
@pytest.mark.parametrize("kind", GOOD)
def test_any_cell_is_taken_or_rejected(kind: str, times: int, tmp_path: Path) -> None:
    """Every reader of a cell, with values that are nearly right, and others that are not at all."""
    path = tmp_path / f"{kind}.csv"
    head, *rows = GOOD[kind].splitlines()
    near = sorted({cell for row in rows for cell in row.replace('"', "").split(",") if cell})
    cell = st.one_of(ODD, TEXT, st.sampled_from(near), st.builds("".join, st.tuples(st.sampled_from(near), ODD)))
    columns = head.count(",") + 1

    @fuzz(times * 40)
    @given(st.lists(st.lists(cell, min_size=columns, max_size=columns), max_size=4))
    def every(table: list[list[str]]) -> None:
        lines = [",".join('"' + one.replace('"', '""') + '"' for one in row) for row in table]
        path.write_bytes("\n".join([head, *lines]).encode("utf-8", "replace").replace(b"\0", b""))
        read(kind, path)

    every()


@SHORT_AND_LONG
def test_any_bytes_are_read_or_refused(times: int, tmp_path: Path) -> None:
    path = tmp_path / "accounts.csv"

    @fuzz(times * 100)
    @given(st.one_of(st.binary(max_size=200), st.lists(ODD).map(lambda parts: "".join(parts).encode())))
    def every(text: bytes) -> None:
        path.write_bytes(text)
        read("accounts", path)

    every()


@SHORT_AND_LONG
def test_the_command_ends_as_documented(
    times: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 0 with good rows loaded and bad ones in the file of rejects, or exit 2 and nothing changed."""
    monkeypatch.chdir(tmp_path)
    Path("dialer.toml").write_text(SETTINGS, encoding="utf-8")
    Path("accounts.csv").write_text(GOOD["accounts"], encoding="utf-8")
    assert hostile(capsys, tmp_path, "import", "accounts", "accounts.csv").code == 0

    @fuzz(times * 12)
    @given(
        st.sampled_from(sorted(GOOD)).flatmap(lambda k: st.tuples(st.just(k), mutated(GOOD[k].encode()))), st.booleans()
    )
    def every(one: tuple[str, bytes], strict: bool) -> None:
        kind, text = one
        path = Path(f"{kind}.csv")
        path.write_bytes(text)
        done = hostile(capsys, tmp_path, "import", kind, str(path), *(["--strict"] if strict else []))
        assert done.code in (0, 2), done

    every()
    assert contents(tmp_path)


def refused(path: Path) -> str:
    with pytest.raises(InvalidInput) as caught:
        read_whole(path)
    (fault,) = caught.value.faults
    return str(fault).removeprefix(f"{path}:")


def read_whole(path: Path) -> None:
    for _ in EVERY_KIND["suppressions"].read(path, "CN"):
        pass


HEAD = "phone,person_id,channel,reason,until"


def test_a_line_without_an_end_is_refused_and_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text(f"{HEAD}\n,P-1,,{'x' * csvtext.LINE_MAX},\n")
    assert refused(path).startswith("2: file: has a line of more than 1,048,576 characters; accepted: ")
    path.write_text(f"{HEAD}\n" + "," * 3 * csvtext.LINE_MAX)
    assert refused(path).startswith("2: file: has a line of more than 1,048,576 characters; accepted: ")
    path.write_text(f"{HEAD}\n{',' * (csvtext.LINE_MAX - 10)}x\n")
    read_whole(path)  # the one row has too many cells: it is rejected, the file is not


def test_a_record_of_many_lines_is_bounded_too(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    cell = '"' + "x\n" * 50_000 + '",'
    path.write_text(f"{HEAD}\n" + cell * 20)
    assert refused(path).startswith(
        "2: row: a quoted cell that begins in this row does not end as it should, or it is "
    )
    path.write_text(f'{HEAD}\n,P-1,,"{"x" * 140_000}",\n')
    assert "cells below 131,072 characters, rows below 1,048,576" in refused(path)


def test_columns_are_bounded_and_unknown_ones_are_told_in_part(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text(f"{HEAD},{','.join(f'c{n}' for n in range(2_000))}\n")
    assert refused(path) == "1: row: has 2,005 columns; accepted: at most 1,000"
    path.write_text(f"{HEAD},{','.join(f'c{n}' for n in range(500))}\n")
    notices = EVERY_KIND["suppressions"].read(path, "CN").sheet.notices
    assert len(notices) == csvfile.NOTICES_MAX + 1
    assert notices[-1] == "480 more columns are not known and were ignored"
