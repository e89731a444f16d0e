"""`dialer simulate` as a newcomer runs it: without dates, on the folder that `dialer init` wrote."""

import csv
import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.support.command import run
from tests.support.nursery import shared

FILES = ("--accounts", "accounts.csv", "--installments", "installments.csv")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    shared().run(folder, "init", "--language", "en")
    return folder


@pytest.fixture(scope="module")
def month(sample: Path) -> "CompletedProcess[str]":
    """The month that most of these tests look at, in the sample's folder `month`."""
    return shared().capture(sample, "simulate", "campaigns/monthly.toml", *FILES, "--out", "month", "--json")


@pytest.fixture
def folder(sample: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(sample)
    return sample


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return [*csv.DictReader(file)]


def test_a_month_from_today_leaves_exports_and_the_page(folder: Path, month: "CompletedProcess[str]") -> None:
    assert month.returncode == 0, month.stderr
    found = json.loads(month.stdout)
    assert (
        found["totals"]["placed"]
        == len([row for row in rows(folder / "month" / "attempts.csv") if row["placed_at"] and row["try"] != "0"])
        > 0
    )
    assert found["totals"]["waiting"] == 0
    assert {file.name for file in (folder / "month").iterdir()} == {
        "actions.jsonl", "attempts.csv", "attempts.jsonl", "journal.jsonl", "network.jsonl", "report.html",
        "report.json", "settings.toml",
    }  # fmt: skip
    assert not (folder / "dialer.db").exists()


@pytest.mark.usefixtures("month")
def test_who_is_suppressed_is_not_called(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "simulate", "campaigns/monthly.toml", *FILES, "--suppressions", "suppressions.csv", "--out", "with")
    phones = {row["phone"] for row in rows(folder / "suppressions.csv") if not row["channel"]}
    stopped = {row["person_id"] for row in rows(folder / "accounts.csv") if row["phone"] in phones}
    called = [
        {row["person_id"] for row in rows(folder / out / "attempts.csv") if row["placed_at"]}
        for out in ("month", "with")
    ]
    assert stopped & called[0]
    assert not stopped & called[1]


def test_the_referee_takes_the_folder_as_it_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "simulate", "campaigns/monthly.toml", *FILES, "--faults", "mild", "--out", "mild").code == 0
    done = run(capsys, "referee", "mild")
    assert (done.code, done.err) == (0, "")
    assert "Nothing was found." in done.out
    journal = folder / "mild" / "journal.jsonl"
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    journal.write_text("".join([*lines, lines[-1]]), encoding="utf-8")
    done = run(capsys, "referee", "mild")
    assert done.code == 1
    assert "placed_twice" in done.out
