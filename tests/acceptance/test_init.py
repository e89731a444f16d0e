"""`dialer init`: a folder that works at once, in the operator's language alone."""

import csv
import errno
import json
import re
import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from rich.console import Console

from campaigns.message import segments
from campaigns.where import read_phone
from dialer.cli.check import CheckReport, Portfolio, check
from dialer.cli.init import SAMPLES, init, language_of
from dialer.errors import DialerError
from tests.support.command import run

LANGUAGES = ("zh", "en")
HAN = re.compile(r"[\u3000-\u9fff\uff00-\uffef]")
NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
"""Noon of the 23rd in Shanghai, still the 22nd in New York."""


def written(folder: Path, language: str, now: datetime = NOW) -> Path:
    init(folder, language, now, Console(quiet=True), as_json=False)
    return folder


def cells(file: Path) -> list[list[str]]:
    return [*csv.reader(file.read_text(encoding="utf-8").splitlines())]


def comments(text: str) -> list[str]:
    """What stands behind a # that no text of the file holds; the first line is for editors."""
    lines = re.sub(r'"[^"]*"', "", text).splitlines()
    return [line.partition("#")[2] for line in lines if "#" in line and not line.startswith("#:schema ")]


def samples(folder: Path) -> list[Path]:
    """What was written, the schemas apart."""
    return [file for file in folder.rglob("*") if file.is_file() and file.parent.name != "schemas"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("today", ["2026-11-23", "2026-01-29", "2027-02-26", "2026-12-31"])
async def test_what_it_writes_is_valid_and_nothing_looks_unwise(tmp_path: Path, language: str, today: str) -> None:
    now = datetime.fromisoformat(f"{today}T20:00:00+00:00")
    folder = written(tmp_path / "new", language, now)
    portfolio = Portfolio(folder / "accounts.csv", folder / "installments.csv")
    campaigns, quiet = [folder / "campaigns/monthly.toml"], Console(quiet=True)
    report = await check(campaigns, folder / "dialer.toml", {}, portfolio, now, quiet, True)
    assert report.warnings == []
    assert report.portfolio == "files"
    assert int(report.note.split()[1]) >= 20, report.note


@pytest.mark.parametrize(("language", "today"), [("zh", date(2026, 11, 23)), ("en", date(2026, 11, 22))])
def test_the_first_due_date_is_two_days_from_the_lenders_today(tmp_path: Path, language: str, today: date) -> None:
    rows = cells(written(tmp_path, language) / "installments.csv")
    due = {row[1] for row in rows[1:] if not row[4]}
    assert due == {str(today + timedelta(days=2)), str(today + timedelta(days=16))}
    assert not [cell for row in rows for cell in row if "$" in cell]


def test_comments_are_in_the_operators_language_alone(tmp_path: Path) -> None:
    for language in LANGUAGES:
        folder = written(tmp_path / language, language)
        told = [
            comment
            for name in ("dialer.toml", "campaigns/monthly.toml", ".gitignore")
            for comment in comments((folder / name).read_text(encoding="utf-8"))
        ]
        assert len(told) > 30
        # What is commented out is TOML in both.
        prose = [comment for comment in told if "=" not in comment and not comment.strip().endswith(".csv")]
        assert all(bool(HAN.search(comment)) == (language == "zh") for comment in prose), prose
    every = [file.read_text(encoding="utf-8") for file in samples(tmp_path / "en")]
    assert not [text for text in every if HAN.search(text)]


def test_both_samples_have_the_same_files_keys_and_accounts(tmp_path: Path) -> None:
    zh, en = (written(tmp_path / language, language) for language in LANGUAGES)
    names = sorted(str(file.relative_to(zh)) for file in samples(zh))
    assert names == sorted(SAMPLES.values())
    for name in ("dialer.toml", "campaigns/monthly.toml"):
        keys = [
            [re.match(r"\s*(\[.*\]|\S+)", line)[0] for line in text.splitlines() if re.match(r"[\[a-z]", line)]  # type: ignore[index]
            for text in ((folder / name).read_text(encoding="utf-8") for folder in (zh, en))
        ]
        assert sorted(keys[0]) == sorted(keys[1])
    for name, column in (("accounts.csv", 0), ("installments.csv", 0), ("accounts.csv", 1)):
        ids = [[row[column] for row in cells(folder / name)] for folder in (zh, en)]
        assert ids[0] == ids[1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_editors_find_the_schema_that_a_file_names(tmp_path: Path, language: str) -> None:
    folder = written(tmp_path, language)
    for name in ("dialer.toml", "campaigns/monthly.toml"):
        first = (folder / name).read_text(encoding="utf-8").splitlines()[0]
        schema = json.loads(((folder / name).parent / first.removeprefix("#:schema ")).read_text(encoding="utf-8"))
        assert not [
            *Draft202012Validator(schema).iter_errors(tomllib.loads((folder / name).read_text(encoding="utf-8")))
        ]


def test_no_number_can_belong_to_anybody(tmp_path: Path) -> None:
    """555-0100 to 555-0199 are kept for fiction in every American area code."""
    text = "".join(file.read_text(encoding="utf-8") for file in samples(written(tmp_path, "en")))
    numbers = re.findall(r"\+\d{9,}", text)
    assert len(numbers) > 15
    assert all(re.fullmatch(r"\+1\d{3}55501\d\d", number) for number in numbers)
    assert all(read_phone(number, "US") == number for number in numbers)


def test_the_english_message_is_one_segment_for_everybody(tmp_path: Path) -> None:
    text = (written(tmp_path, "en") / "campaigns/monthly.toml").read_text(encoding="utf-8")
    found = re.findall(r'^text(?:_many)? = "(.*)"', text, re.MULTILINE)
    assert [segments(one).encoding for one in found] == ["gsm7", "gsm7"]


def test_it_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "accounts.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(DialerError, match=r"has accounts\.csv already") as caught:
        written(tmp_path, "en")
    assert caught.value.exit_code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["accounts.csv"]


def test_a_disk_that_takes_nothing_any_more_is_told_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written until then can't be taken away either."""
    opened, made = Path.open, []

    def refuse(path: Path, *args: Any, **named: Any) -> Any:
        raise OSError(errno.EROFS, "Read-only file system")

    def few(path: Path, *args: Any, **named: Any) -> Any:
        if args[:1] == ("x",):
            made.append(path)
        return refuse(path) if len(made) > 2 else opened(path, *args, **named)

    monkeypatch.setattr(Path, "open", few)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(DialerError, match="cannot be written"):
        written(tmp_path / "new", "en")
    monkeypatch.undo()


def test_half_a_folder_is_not_left_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, *args: Any, **more: Any) -> Any:
        if path == tmp_path / "suppressions.csv":
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(path, *args, **more)

    opened = Path.open
    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(DialerError, match=r"No space left"):
        written(tmp_path, "en")
    monkeypatch.undo()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    written(tmp_path, "en")


@pytest.mark.parametrize(
    ("env", "language"),
    [
        ({}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_TW"}, "zh"),
        ({"LC_ALL": "zh_CN.UTF-8", "LANG": "en_US.UTF-8"}, "zh"),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LC_ALL": "", "LANG": "zh_CN.UTF-8"}, "zh"),
    ],
)
def test_the_locale_chooses_the_language(env: dict[str, str], language: str) -> None:
    assert language_of(env) == language


@pytest.mark.parametrize(("locale", "words"), [("zh_CN.UTF-8", "已写入"), ("en_US.UTF-8", "Wrote")])
def test_what_it_says_next_can_be_typed(
    locale: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LC_ALL", locale)
    done = run(capsys, "init", "my reminders")
    assert done.out.startswith(words)
    assert "  cd 'my reminders'\n" in done.out
    monkeypatch.chdir(tmp_path / "my reminders")
    steps = [line.split()[1:] for line in done.out.splitlines() if line.startswith("  dialer ")]
    assert [step[0] for step in steps] == ["check", "plan", "import", "import", "import", "launch", "run"]
    for step in steps[:-1]:
        assert run(capsys, *step).code == 0, step
    assert run(capsys, "explain", "L-1001").code == 0
    # Its own README shows the same.
    readme = (tmp_path / "my reminders" / "README.md").read_text(encoding="utf-8")
    assert all(f"dialer {' '.join(step)}" in readme for step in steps[1:])


def test_json_names_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    told = json.loads(run(capsys, "init", "--language", "zh", "--json").out)
    assert (told["folder"], told["language"]) == (".", "zh")
    assert all((tmp_path / name).is_file() for name in told["files"])
    checked = run(capsys, "check", "campaigns/monthly.toml", "--json").out
    report = CheckReport.model_validate_json(checked)
    assert (report.campaigns, report.warnings, report.portfolio) == (["campaigns/monthly.toml"], [], None)
    assert not (tmp_path / "dialer.db").exists()
