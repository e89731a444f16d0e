"""`dialer plan` as users run it: a real process, the handbook's example files, no database."""

import csv
import json
import shutil
import subprocess
from collections import Counter, defaultdict
from pathlib import Path
from string import Template

import pytest

from tests.support.live import DIALER
from tests.support.nursery import environment, shared

ROOT = Path(__file__).resolve().parent.parent.parent
SETTINGS = ROOT / "config" / "samples" / "zh" / "dialer.toml"
CAMPAIGN = ROOT / "config" / "samples" / "zh" / "monthly.toml"
ACCOUNTS = """\
account_id,person_id,name,phone,language,time_zone,region,pay_to,consent_voice,consent_sms
L-1001,P-1,王丽,+8613800138001,zh-CN,,CN,工商银行尾号1234,yes,yes
L-1002,P-2,李强,13800138002,zh-CN,Asia/Shanghai,CN,建设银行尾号5678,yes,yes
L-1003,P-3,张敏,+8613800138003,zh-CN,,CN,农业银行尾号9012,yes,
L-1004,P-3,张敏,+8613800138003,zh-CN,,CN,农业银行尾号9012,yes,
"""
INSTALLMENTS = """\
account_id,due_on,amount,currency,paid_on,paid_amount
L-1001,2026-01-15,1200.00,CNY,,
L-1001,2025-12-15,1200.00,CNY,2025-12-14,1200.00
L-1002,2026-01-15,860.50,CNY,,
L-1002,2025-12-15,860.50,CNY,2025-12-18,860.50
L-1003,2026-01-30,2400.00,CNY,,
L-1003,2025-12-30,2400.00,CNY,2026-01-04,2400.00
L-1003,2025-11-30,2400.00,CNY,2025-12-02,2400.00
L-1003,2025-10-30,2400.00,CNY,2025-11-09,2400.00
L-1004,2026-01-30,300.00,CNY,,
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The handbook's four accounts, with the sample settings and campaign."""
    (tmp_path / "accounts.csv").write_text(ACCOUNTS, encoding="utf-8")
    (tmp_path / "installments.csv").write_text(INSTALLMENTS, encoding="utf-8")
    shutil.copy(SETTINGS, tmp_path / "dialer.toml")
    text = Template(CAMPAIGN.read_text(encoding="utf-8")).substitute(due_days="[15, 30]")
    (tmp_path / "monthly.toml").write_text(text, encoding="utf-8")
    return tmp_path


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return shared().capture(folder, "plan", "monthly.toml", *words)


def plan(folder: Path, *words: str) -> list[dict[str, str]]:
    """The rows of the CSV file that the command wrote."""
    files = ("--accounts", "accounts.csv", "--installments", "installments.csv", "--csv", "plan.csv")
    done = run(folder, *files, *words)
    assert done.returncode == 0, done.stderr
    with (folder / "plan.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_each_account_of_the_handbook_gets_exactly_its_rounds(folder: Path) -> None:
    rows = plan(folder, "--from", "2026-01-13", "--to", "2026-01-31")
    assert Counter(row["account_id"] for row in rows) == {"L-1001": 2, "L-1002": 3, "L-1003": 6, "L-1004": 6}
    slots = defaultdict(list)
    for row in rows:
        slots[row["account_id"]].append(row["slot_at"])
    assert slots["L-1003"] == slots["L-1004"], "one call about both accounts of a person"
    assert {row["verdict"] for row in rows} == {"pass"}
    hours = {row["slot_at"][11:16] for row in rows if row["segment"] == "C"}
    assert all("09:00" <= hour < "11:30" or "14:30" <= hour < "17:30" for hour in hours)
    assert sorted(path.name for path in folder.iterdir()) == [
        "accounts.csv", "dialer.toml", "installments.csv", "monthly.toml", "plan.csv",
    ], "a dry run makes no database"  # fmt: skip


def test_a_launch_on_the_day_before_does_not_make_up_the_day_before_that(folder: Path) -> None:
    rows = plan(folder, "--from", "2026-01-14", "--to", "2026-01-31")
    assert [row["slot_at"][:10] for row in rows if row["account_id"] == "L-1002"] == ["2026-01-14", "2026-01-15"]


def test_two_plans_are_identical_to_the_byte(folder: Path) -> None:
    """Each from a Python of its own, which orders its sets in its own way."""
    words = ["plan", "monthly.toml", "--accounts", "accounts.csv", "--installments", "installments.csv"]
    for seed in "12":
        command = [*DIALER, *words, "--from", "2026-01-13", "--csv", f"plan{seed}.csv"]
        env = {**environment(), "PYTHONHASHSEED": seed}
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    assert (folder / "plan1.csv").read_bytes() == (folder / "plan2.csv").read_bytes()


def test_people_get_tables_and_programs_get_json(folder: Path) -> None:
    files = ("--accounts", "accounts.csv", "--installments", "installments.csv", "--from", "2026-01-13")
    told = run(folder, *files)
    assert told.returncode == 0, told.stderr
    assert "monthly-reminder" in told.stdout
    assert "11 attempts to 3 persons about 4 accounts" in told.stdout
    done = run(folder, *files, "--json")
    report = json.loads(done.stdout)
    assert (report["from"], report["to"], report["source"]) == ("2026-01-13", "2026-02-13", "files")
    assert report["verdicts"] == {"pass": 11, "defer": 0, "block": 0}
    assert [one["attempts"] for one in report["rounds"]] == [1] * 11


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--accounts", "accounts.csv"), "--installments"),
        (("--from", "2026-01-14", "--to", "2026-01-13"), "2026-01-13"),
        (("--from", "the 14th"), "--from"),
    ],
)
def test_wrong_usage_exits_2(folder: Path, words: tuple[str, ...], what: str) -> None:
    done = run(folder, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert what in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_row_exits_2_with_every_fault_and_writes_nothing(folder: Path) -> None:
    with (folder / "accounts.csv").open("a", encoding="utf-8") as stream:
        stream.write("L-1005,P-5,赵,12,zh-CN,,CN,x,yes,yes\n")
    with (folder / "installments.csv").open("a", encoding="utf-8") as stream:
        stream.write("L-1001,2026-02-31,1.00,CNY,,\n")
    files = ("--accounts", "accounts.csv", "--installments", "installments.csv", "--csv", "plan.csv")
    done = run(folder, *files, "--from", "2026-01-13")
    assert done.returncode == 2
    assert "accounts.csv:6: phone:" in done.stderr
    assert "installments.csv:11: due_on:" in done.stderr
    assert not (folder / "plan.csv").exists()


def test_without_files_and_without_a_database_exits_1_and_says_what_to_do(folder: Path) -> None:
    done = run(folder)
    assert done.returncode == 1
    assert "--accounts and --installments" in done.stderr
    assert not (folder / "dialer.db").exists()
