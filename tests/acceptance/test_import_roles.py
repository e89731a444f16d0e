"""The optional columns of accounts.csv: the role, what the person is asked for, when the number was looked up."""

from datetime import date
from pathlib import Path

import pytest

from dialer import secret
from dialer.errors import InvalidInput
from dialer.store import portfolio
from tests.acceptance.test_import import ACCOUNTS, Desk, counts

HEAD = ACCOUNTS.strip() + ",role,verify,number_checked_on\n"


@pytest.fixture
async def desk(tmp_path: Path) -> Desk:
    found = Desk(tmp_path)
    await found.load("accounts", HEAD + row("guarantor,1234,2026-01-02"))
    return found


def row(more: str, person: str = "P-1", phone: str = "+8613800138001") -> str:
    return f"L-1,{person},王丽,{phone},zh-CN,,CN,工商银行,yes,,{more}\n"


def known(desk: Desk) -> tuple[str, bool, date | None]:
    """(role, whether 1234 is what is kept, when the number was looked up)."""
    account = desk.store.run(lambda tx: portfolio.accounts(tx, ["L-1"]))["L-1"]
    return account.role, secret.matches("1234", [("L-1", account.verify)]), account.checked_on


async def test_what_the_columns_say_is_kept_and_the_digits_only_as_a_hash(desk: Desk) -> None:
    assert known(desk) == ("guarantor", True, date(2026, 1, 2))
    assert "1234" not in str(desk.rows("select * from accounts"))
    again = await desk.load("accounts", HEAD + row("guarantor,1234,2026-01-02"))
    assert counts(again) == (0, 0, 1, 0)
    assert desk.touches == []


async def test_without_the_columns_a_person_is_the_borrower_and_cannot_be_verified(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.start()
    assert known(desk) == ("borrower", False, None)


@pytest.mark.parametrize("text", [HEAD + row(",,"), ACCOUNTS + row("")[:-2] + "\n"], ids=["empty", "absent"])
async def test_what_a_later_file_does_not_say_stays(desk: Desk, text: str) -> None:
    assert counts(await desk.load("accounts", text)) == (0, 0, 1, 0)
    assert known(desk) == ("guarantor", True, date(2026, 1, 2))


async def test_what_a_later_file_says_counts_and_a_look_up_never_goes_back(desk: Desk) -> None:
    assert counts(await desk.load("accounts", HEAD + row("borrower,99X,2026-01-01").replace("99X", "999X"))) == (
        0,
        1,
        0,
        0,
    )
    assert known(desk) == ("borrower", False, date(2026, 1, 2))


async def test_what_was_known_of_another_person_or_number_is_not_known_of_this_one(desk: Desk) -> None:
    await desk.load("accounts", HEAD + row(",,", phone="+8613800138002"))
    assert known(desk) == ("guarantor", True, None)
    await desk.load("accounts", HEAD + row(",,", person="P-9", phone="+8613800138002"))
    assert known(desk) == ("borrower", False, None)


async def test_nobody_but_borrower_and_guarantor_can_be_entered(desk: Desk) -> None:
    rows = "".join(
        row(f"{role},,").replace("L-1", f"L-{n}") for n, role in enumerate(("mother", "employer", "Guarantor"), 2)
    )
    report = await desk.load("accounts", HEAD + rows)
    assert counts(report) == (1, 0, 0, 2)
    assert report.first_rejects[0].endswith(
        ':2: role: "mother" is no role; accepted: borrower, guarantor, or empty; that anybody else is contacted is not '
        "built, on purpose"
    )


@pytest.mark.parametrize("verify", ["123", "12345", "12x4", "abcd", "１２３４", "****"])
async def test_bad_digits_are_rejected_and_repeated_nowhere(desk: Desk, verify: str) -> None:
    report = await desk.load("accounts", HEAD + row(f",{verify},"))
    assert counts(report) == (0, 0, 0, 1)
    told = "is masked" if verify == "****" else "is not what a person can key in"
    assert f"verify: {told}; accepted: 4 digits" in report.first_rejects[0]
    rejects = (desk.folder / "accounts.csv.rejects.csv").read_text(encoding="utf-8-sig")
    assert verify == "****" or (verify not in rejects and verify not in report.first_rejects[0])
    assert ",****," in rejects
    with pytest.raises(InvalidInput) as caught:
        await desk.load("accounts", HEAD + row(f",{verify},"), strict=True)
    assert verify == "****" or verify not in str(caught.value.faults)


@pytest.mark.parametrize(
    "bad", [row(",1234,").replace("zh-CN", "klingonese"), row("x,1234,"), row(",1234,,,"), "L-9,1234\n"]
)
async def test_good_digits_in_a_bad_row_are_masked_where_it_is_written_down(desk: Desk, bad: str) -> None:
    """Also where the row has too many cells or too few, so that nobody knows which is which."""
    assert counts(await desk.load("accounts", HEAD + bad)) == (0, 0, 0, 1)
    rejects = (desk.folder / "accounts.csv.rejects.csv").read_text(encoding="utf-8-sig")
    assert "1234" not in rejects
    assert "****" in rejects


def test_the_hash_is_of_the_account_and_x_is_keyed_in_as_a_star() -> None:
    assert secret.digest("L-1", "1234") != secret.digest("L-2", "1234")
    assert secret.digest("L-1", "123x") == secret.digest("L-1", "123X") == secret.digest("L-1", "123*")
    assert secret.digest("L-1", "") == ""
    kept = [("L-1", ""), ("L-2", secret.digest("L-2", "4321")), ("L-3", secret.digest("L-3", "123X"))]
    assert secret.matches("4321", kept)
    assert secret.matches("123*", kept)
    assert not secret.matches("1234", kept)
    assert not secret.matches("", kept)
