"""`dialer referee`: what it prints, its exit codes, and that no file makes it fall over."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from dialer.cli.app import app
from dialer.cli.referee import SHOWN
from dialer.errors import DialerError, InvalidInput
from dialer.referee import Unreadable, judge, read
from tests.support.evidence import PACKS, Made

NAMES = ("journal.jsonl", "attempts.jsonl", "actions.jsonl", "network.jsonl", "report.json", "settings.toml")


def test_a_clean_folder_ends_with_0_and_a_table(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["referee", str(Made().write(tmp_path))])
    assert done.exit_code == 0
    assert "one_live_call         8         ·" in done.output
    assert "not checked: report.json is missing: counts are not checked" in done.output
    assert "Nothing was found." in done.output


def repeat(made: Made) -> None:
    """The journal has a message's line again and again."""
    made.network = None
    made.row("L-1", 1)["channel"] = made.journal[0]["channel"] = "sms"
    made.journal += [made.journal[0]] * (SHOWN + 3)


def test_findings_end_with_1_and_are_listed_up_to_a_limit(tmp_path: Path) -> None:
    made = Made()
    repeat(made)
    done = CliRunner().invoke(app, ["referee", str(made.write(tmp_path))])
    assert isinstance(done.exception, DialerError)
    assert done.exception.exit_code == 1
    assert "placed_twice: 2026-01-14T01:40:00.000Z attempt 1, L-1: was placed at 2026-01-14 01:40:00" in done.output
    assert "… and 5 more" in done.output


def test_json_has_every_finding(tmp_path: Path) -> None:
    made = Made()
    repeat(made)
    done = CliRunner().invoke(app, ["referee", str(made.write(tmp_path)), "--json"])
    assert len(json.loads(done.output)["findings"]) == SHOWN + 5  # two later calls are too many for the day


def test_options_name_other_files(tmp_path: Path) -> None:
    folder = Made().write(tmp_path / "files")
    moved = tmp_path / "journal-of-the-carrier"
    (folder / "journal.jsonl").rename(moved)
    done = CliRunner().invoke(app, ["referee", str(folder), "--journal", str(moved)])
    assert done.exit_code == 0, done.exception


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_cannot_be_read_is_told_with_its_line(tmp_path: Path, name: str) -> None:
    made = Made()
    made.count()
    folder = made.write(tmp_path)
    lines = (folder / name).read_text(encoding="utf-8").splitlines()
    (folder / name).write_text("\n".join([*lines[:-1], "{ broken", lines[-1]]), encoding="utf-8")
    done = CliRunner().invoke(app, ["referee", str(folder)])
    assert isinstance(done.exception, InvalidInput)
    line = len(lines) if name.endswith(".jsonl") else 1
    assert f"{folder / name}:{line}: " in str(done.exception)
    assert "accepted: " in str(done.exception)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (
            "journal.jsonl",
            {"at": "2026-01-14T01:00:00", "attempt_id": "1", "channel": "voice", "to": "+1", "line": "m"},
        ),
        ("journal.jsonl", {"attempt_id": "1"}),
        ("journal.jsonl", []),
        ("actions.jsonl", {"at": "2026-01-14T01:00:00Z", "action": "sing"}),
        ("actions.jsonl", {"at": "2026-01-14T01:00:00Z", "action": "paid", "account_id": "L-1", "due_on": "soon"}),
        ("actions.jsonl", {"at": "2026-01-14T01:00:00Z", "action": "launch", "campaign": "monthly"}),
        ("attempts.jsonl", {"attempt_id": "1"}),
        ("network.jsonl", {"at": "2026-01-14T01:00:00Z", "attempt_id": "1", "kind": "ended"}),
    ],
)
def test_a_line_that_lacks_something_is_a_fault(tmp_path: Path, name: str, line: object) -> None:
    folder = Made().write(tmp_path)
    (folder / name).write_text(json.dumps(line) + "\n", encoding="utf-8")
    with pytest.raises(Unreadable) as told:
        read(folder, PACKS)
    assert str(told.value).startswith(f"{folder / name}:1: ")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["import", "launch", "suppress", "lift"]), st.text(max_size=200), st.text(max_size=20))
def test_whatever_was_given_is_judged_or_told(tmp_path: Path, action: str, text: str, word: str) -> None:
    made = Made()
    kind = ("accounts", "installments", "suppressions", word)[len(text) % 4]
    head = made.actions[0]["text"].splitlines()[0] + "\n" if len(word) % 2 else ""
    made.actions.append(
        made.do("14", "05:00", action, kind=kind, text=head + text, campaign="monthly", phone=word, person_id=word)
    )
    with suppress(Unreadable):
        assert judge(read(made.write(tmp_path), PACKS)).checked["placed_twice"] == 8


ODD = (None, 7, "zz", [], {}, "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z")


@pytest.mark.parametrize("name", ["journal.jsonl", "attempts.jsonl", "actions.jsonl", "network.jsonl"])
def test_no_value_of_a_field_makes_it_fall_over(tmp_path: Path, name: str) -> None:
    made = Made()
    made.count()
    folder = made.write(tmp_path)
    lines = (folder / name).read_text(encoding="utf-8").splitlines()
    kinds = {json.loads(line).get("action"): number for number, line in enumerate(lines)}
    for number in kinds.values():
        fields = json.loads(lines[number])
        for field in fields:
            for value in ODD:
                odd = json.dumps({**fields, field: value})
                (folder / name).write_text("\n".join([*lines[:number], odd, *lines[number + 1 :]]), encoding="utf-8")
                done = CliRunner().invoke(app, ["referee", str(folder), "--json"])
                is_told = isinstance(done.exception, DialerError | None)
                assert is_told, f"{name}:{number + 1} {field}={value!r}: {done.exception!r}"


@pytest.mark.parametrize("report", ["{}", '{"totals": 5, "rounds": {}, "lines": "x"}'])
def test_a_report_of_another_form_is_a_fault(tmp_path: Path, report: str) -> None:
    folder = Made().write(tmp_path)
    (folder / "report.json").write_text(report, encoding="utf-8")
    done = CliRunner().invoke(app, ["referee", str(folder)])
    assert isinstance(done.exception, InvalidInput)


def test_without_packs_or_with_a_lender_nobody_knows_nothing_is_judged(tmp_path: Path) -> None:
    folder = Made().write(tmp_path / "files")
    done = CliRunner().invoke(app, ["referee", str(folder), "--packs", str(tmp_path / "typo")])
    assert isinstance(done.exception, InvalidInput)
    assert "typo:1: packs: has no rule packs" in str(done.exception)
    settings_file = folder / "settings.toml"
    settings_file.write_text(settings_file.read_text().replace("Asia/Shanghai", "Mars/Base"), encoding="utf-8")
    done = CliRunner().invoke(app, ["referee", str(folder)])
    assert "lender.time_zone: is missing or not known" in str(done.exception)


@pytest.mark.parametrize("grace", ["nan", "inf", "-1", "1e30"])
def test_a_grace_is_some_seconds(tmp_path: Path, grace: str) -> None:
    assert CliRunner().invoke(app, ["referee", str(tmp_path), "--grace", grace]).exit_code == 2
