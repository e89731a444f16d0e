"""`dialer actions`: what was given and done, from the database, in the shape that `dialer referee` reads."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dialer import operate
from dialer.cli.app import app
from dialer.errors import DialerError
from dialer.planning import Counts
from dialer.referee import judge
from dialer.referee.ledger import replay
from dialer.referee.reading import Paths, read
from tests.support.evidence import PACKS

WANG = "+8613800138001"


def invoke(*words: str) -> str:
    done = CliRunner().invoke(app, [*words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new one in which everything was done once that the record can tell."""
    monkeypatch.chdir(tmp_path)
    invoke("init", ".", "--language", "zh")
    for kind in ("accounts", "installments", "suppressions"):
        invoke("import", kind, f"{kind}.csv")
    invoke("launch", "campaigns/monthly.toml")
    invoke("pause", "monthly-reminder")
    invoke("resume", "monthly-reminder")
    invoke("halt", "--reason", "test")
    invoke("unhalt")
    invoke("suppress", WANG, "--person", "P-1", "--channel", "sms", "--reason", f"asked by {WANG}")
    invoke("suppress", WANG, "--reason", "again", "--lift")
    return tmp_path


def test_counts_that_are_one_are_told_in_the_singular(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = Counts(drafted=1, cancelled=1, late=1, suppressed=1, unselected=1, segments={"A": 1})

    async def launched(*_: object) -> operate.Launch:
        return operate.Launch("monthly", 2, "active", counts)

    monkeypatch.chdir(tmp_path)
    invoke("init", ".", "--language", "en")
    invoke("db", "upgrade")
    monkeypatch.setattr(operate, "launch", launched)
    assert invoke("launch", "campaigns/monthly.toml").splitlines()[:5] == [
        "monthly: version 2 launched, 1 attempt planned (A 1).",
        "  1 planned attempt of the version before was cancelled (replanned).",
        "  1 round is over already and is not made up (launched_late).",
        "  1 round is not planned because of suppressions.",
        "  1 account is in no segment: nobody reminds it; add a segment, or see `dialer plan`.",
    ]


def exported(*words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in invoke("actions", "--jsonl", "-", *words).splitlines()]


def due(lines: list[dict[str, Any]]) -> str:
    """A due date of account L-1001 that is open."""
    (text,) = [one["text"] for one in lines if one.get("kind") == "installments"][-1:]
    return max(row.split(",")[2] for row in text.splitlines() if row.startswith("L-1001,"))


def test_everything_that_was_done_is_told_in_order(installation: Path) -> None:
    day = due(exported())
    invoke("paid", "L-1001", day, "--amount", "1.50")
    invoke("paid", "L-1001", day, "--reverse")
    invoke("cancel", "monthly-reminder")
    lines = exported()
    told = [one["action"] for one in lines]
    assert [one for one in told if one not in ("import", "paid", "suppress")] == [
        "launch", "pause", "resume", "halt", "unhalt", "lift", "cancel",
    ]  # fmt: skip
    assert {one["kind"] for one in lines if one["action"] == "import"} == {"accounts", "installments"}
    assert all(one["rebuilt"] for one in lines if one["action"] == "import")
    assert [one["at"] for one in lines] == sorted(one["at"] for one in lines)
    payments = [(one["amount"], one["reverse"]) for one in lines if one["action"] == "paid" and one["due_on"] == day
                and one["account_id"] == "L-1001"]  # fmt: skip
    assert payments == [("1.50", False), ("1.50", True)]
    launched = next(one for one in lines if one["action"] == "launch")
    assert launched["text"] == (installation / "campaigns" / "monthly.toml").read_text(encoding="utf-8")


def test_phones_and_names_are_masked_unless_revealed(installation: Path) -> None:
    hidden, shown = json.dumps(exported(), ensure_ascii=False), json.dumps(exported("--reveal"), ensure_ascii=False)
    assert WANG not in hidden
    assert "+86138****8001" in hidden
    assert WANG in shown


def test_the_referee_takes_it_and_knows_what_stands(installation: Path) -> None:
    day = due(exported())
    invoke("paid", "L-1001", day)
    invoke("attempts", "--jsonl", "attempts.jsonl")
    invoke("actions", "--jsonl", "actions.jsonl", "--reveal")
    (installation / "journal.jsonl").touch()
    paths = Paths(*(installation / name for name in ("journal.jsonl", "attempts.jsonl", "dialer.toml")), PACKS,
                  installation / "actions.jsonl")  # fmt: skip
    evidence = read(paths=paths)
    verdicts = judge(evidence)
    assert verdicts.findings == []
    assert verdicts.checked["rounds"] > 0
    ledger = replay(evidence)
    assert len(ledger.accounts) > 5
    links = [link for link in ledger.owed if link[0] == "L-1001" and link[1] == day]
    assert [ledger.owed[link].last.is_open for link in links] == [False]  # type: ignore[union-attr]
    assert ledger.campaigns["monthly-reminder"].status.last == "active"
    assert not ledger.halted.last


def test_masked_numbers_are_said(installation: Path) -> None:
    invoke("attempts", "--jsonl", "attempts.jsonl")
    invoke("actions", "--jsonl", "actions.jsonl")
    (installation / "journal.jsonl").touch()
    printed = invoke("referee", ".", "--settings", "dialer.toml")
    assert "not checked: phones in actions.jsonl are masked" in printed


def test_where_nothing_can_be_written_it_says_so(installation: Path) -> None:
    done = CliRunner().invoke(app, ["actions", "--jsonl", "nowhere/actions.jsonl"])
    assert isinstance(done.exception, DialerError)
