"""`dialer audit`, `purge` and `forget` as commands, on a file: what they print, and what is left on the disk."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.command import Done, run

PHONE, NAME, PAY_TO = "+12125550999", "Marguerite Yourcenar", "Rare Bank 99887766"
HEAD = "account_id,person_id,name,phone,language,time_zone,region,pay_to,consent_voice,consent_sms\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder as `dialer init` writes it, with one account more."""
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "init", ".", "--language", "en").code == 0
    rows = f"X-4711,P-4711,{NAME},{PHONE},en,,US-NY,{PAY_TO},yes,yes\n"
    (tmp_path / "more.csv").write_text(HEAD + rows, encoding="utf-8")
    for kind, file in (("accounts", "accounts.csv"), ("accounts", "more.csv"), ("installments", "installments.csv")):
        assert run(capsys, "import", kind, file).code == 0
    return tmp_path


def sql(statement: str) -> None:
    with closing(sqlite3.connect("dialer.db")) as connection, connection:
        connection.execute(statement)


def seal(capsys: pytest.CaptureFixture[str]) -> Done:
    """Commands that erase seal first, even where nothing is old."""
    return run(capsys, "purge")


def test_what_is_told_and_how_it_ends(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "audit", "head").out.startswith("Nothing is sealed yet")
    assert run(capsys, "launch", "campaigns/monthly.toml").code == 0
    assert "nothing erased" in seal(capsys).out
    head = run(capsys, "audit", "head")
    assert head.out.startswith("head ")
    hash_ = head.out.split()[1]
    assert run(capsys, "halt", "--reason", "x").code == 0
    good = run(capsys, "audit", "verify", "--head", hash_)
    assert (good.code, good.err) == (0, "")
    assert "The record is as it was sealed." in good.out
    assert "--head is seal 1 of chain desk" in good.out
    assert "1 seal in 1 chain\n" in good.out
    sql("UPDATE actions SET detail = 'other' WHERE action = 'launch'")
    bad = run(capsys, "audit", "verify")
    assert bad.code == 1
    assert "actions 4: was changed; sealed by seal 1 of chain desk" in bad.out
    assert "dialer: the record is not as it was sealed: 1 finding; " in bad.err
    told = json.loads(run(capsys, "audit", "verify", "--json").out)
    assert (told["intact"], told["findings"][0]["table"], told["findings"][0]["id"]) == (False, "actions", 4)
    lost = run(capsys, "audit", "verify", "--head", "0" * 64)
    assert "no seal has the hash" in lost.out
    typo = run(capsys, "audit", "verify", "--head", "abc")
    assert (typo.code, typo.out) == (2, "")
    assert typo.err.startswith('command line: --head: "abc" is no hash; accepted: what `dialer audit head` printed')


def test_nothing_is_forgotten_without_a_yes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = run(capsys, "forget", "P-4711")
    assert asked.code == 1
    assert "give --yes" in asked.err
    unknown = run(capsys, "forget", "P-471", "--yes")
    assert unknown.code == 1
    assert 'no person has the id "P-471"; the nearest ids are P-4711' in unknown.err
    assert run(capsys, "explain", "X-4711").code == 0


def on_disk(place: Path, *words: str) -> set[str]:
    """Words that stand anywhere in the database's files."""
    data = b"".join(path.read_bytes() for path in sorted(place.glob("dialer.db*")))
    return {word for word in words if word.encode() in data}


def test_what_was_forgotten_is_not_in_the_files_either(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not in free space of the database and not in the log beside it."""
    assert on_disk(place, PHONE, NAME, PAY_TO) == {PHONE, NAME, PAY_TO}
    # Rows come, grow and move before it: copies of pages must not keep what they held.
    for number in range(3):
        others = "".join(
            f"Y-{n},P-Y{n},Somebody {n * 'x' if number else n},+1212555{n:04},en,,US-NY,Bank,yes,yes\n"
            for n in range(200, 320)
        )
        (place / "others.csv").write_text(HEAD + others, encoding="utf-8")
        mine = f"X-4711,P-4711,{NAME} {'y' * number},{PHONE},en,,US-NY,{PAY_TO},yes,yes\n"
        (place / "more.csv").write_text(HEAD + mine, encoding="utf-8")
        for file in ("others.csv", "more.csv"):
            assert run(capsys, "import", "accounts", file).code == 0
    assert run(capsys, "suppress", PHONE, "--person", "P-4711", "--reason", f"{NAME} asked").code == 0
    done = run(capsys, "forget", "P-4711", "--yes")
    assert done.code == 0, done.err
    assert "1 suppression stays in force, as a keyed hash." in done.out
    assert on_disk(place, PHONE, NAME, PAY_TO, "P-4711", "X-4711") == set()
    assert run(capsys, "audit", "verify").code == 0
    assert run(capsys, "import", "accounts", "more.csv").code == 0
    assert "suppressed for" in run(capsys, "explain", "X-4711").out


def test_the_key_of_the_settings_is_used_and_missed(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALER_FORGET_KEY", "a key of sixteen characters or more")
    assert run(capsys, "suppress", "--person", "P-4711", "--reason", "asked").code == 0
    assert run(capsys, "forget", "P-4711", "--yes").code == 0
    with closing(sqlite3.connect("dialer.db")) as connection:
        assert connection.execute("SELECT count(*) FROM flags WHERE name = 'forget_key'").fetchone() == (0,)
    assert run(capsys, "import", "accounts", "more.csv").code == 0
    assert "suppressed for" in run(capsys, "explain", "X-4711").out
    monkeypatch.delenv("DIALER_FORGET_KEY")
    missed = run(capsys, "explain", "X-4711")
    assert missed.code == 1
    assert "give DIALER_FORGET_KEY its former value" in missed.err


def test_the_key_is_a_secret(place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = place / "dialer.toml"
    path.write_text('forget_key = "in the open, for all"\n' + path.read_text(encoding="utf-8"), encoding="utf-8")
    told = run(capsys, "check")
    assert told.code == 2
    assert "forget_key: is a secret; accepted: DIALER_FORGET_KEY, or a secrets file" in told.err
    assert "in the open" not in told.err


def test_purge_says_what_must_be_kept(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    young = run(capsys, "purge", "--before", "2099-01-01")
    assert (young.code, "must be kept; accepted: " in young.err) == (2, True)
    dry = json.loads(run(capsys, "purge", "--dry-run", "--json").out)
    assert (dry["dry_run"], dry["erased"]) == (True, {})
