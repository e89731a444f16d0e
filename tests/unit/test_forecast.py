"""`dialer plan`: which rounds, when, and what the gate would say; from two files, and from the database."""

import csv
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer import BadParameter

from campaigns.model import Channel
from dialer import check, forecast, forecast_store, operate
from dialer.cli.plan import Plan, plan
from dialer.errors import DialerError, InvalidInput
from dialer.forecast import HEADER, Forecast
from dialer.forecast_files import from_files, open_files
from tests.support.scene import (
    ACCOUNTS_HEAD,
    ALICE,
    BOB,
    CAMPAIGN,
    CAROL,
    INSTALLMENTS_HEAD,
    SETTINGS,
    SHANGHAI,
    Scene,
    account,
    due,
    late,
    play,
)  # fmt: skip

FEBRUARY_30 = "2026-02-28"
HISTORY = ("2025-12-15", "2025-11-15", "2025-10-15")
A, B, C = "", late(1, HISTORY[0]), late(1, *HISTORY)
"""Histories of account L-1 that put it into a segment."""
PREMIUM, CHICAGO = "+441609009123456789", "+13125550123"


class Fixed:
    """A clock that stands still."""

    def __init__(self, local: str) -> None:
        self._now = datetime.fromisoformat(local).replace(tzinfo=SHANGHAI).astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    async def sleep_until(self, at: datetime) -> None:
        raise AssertionError("a plan never sleeps")


class Desk:
    """Settings, a campaign and two files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = SETTINGS
        self.campaign = CAMPAIGN
        self.now = "2026-01-01 12:00"
        self.report: Plan
        self.printed = ""

    def file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    async def plan(
        self, accounts: str, installments: str, first: str | None = "2026-01-01", last: str | None = None
    ) -> list[dict[str, str]]:
        """The rows of the CSV file."""
        settings = check.read_settings(self.file("dialer.toml", self.settings), {})
        files = self.file("a.csv", ACCOUNTS_HEAD + accounts), self.file("i.csv", INSTALLMENTS_HEAD + installments)
        begin, end = (date.fromisoformat(day) if day else None for day in (first, last))
        out = self.folder / "plan.csv"
        console = Console(file=StringIO(), width=200)
        campaign = self.file("campaign.toml", self.campaign)
        self.report = await plan(settings, campaign, begin, end, *files, out, False, console, Fixed(self.now))
        assert isinstance(console.file, StringIO)
        self.printed = console.file.getvalue()
        with out.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def days(rows: list[dict[str, str]]) -> list[str]:
    return [row["slot_at"][5:10] for row in rows]


@pytest.mark.parametrize(
    ("history", "segment", "expected"),
    [
        (A, "A", ["01-14", "01-15"]),
        (B, "B", ["01-13", "01-14", "01-15"]),
        (C, "C", ["01-13", "01-13", "01-14", "01-14", "01-15", "01-15"]),
    ],
)
async def test_each_account_gets_exactly_its_rounds(
    desk: Desk, history: str, segment: str, expected: list[str]
) -> None:
    rows = await desk.plan(account(1, ALICE), due(1, "2026-01-15") + history)
    assert days(rows) == expected
    assert [(row["segment"], row["round"], row["rounds"]) for row in rows] == [
        (segment, str(number), str(len(expected))) for number in range(1, len(expected) + 1)
    ]
    assert {(row["verdict"], row["rule"], row["reason"]) for row in rows} == {("pass", "", "")}
    assert all(row["window_from"] <= row["slot_at"] < row["window_until"] for row in rows)


async def test_a_combined_call_is_a_row_per_account_at_the_same_slot(desk: Desk) -> None:
    installments = due(1, "2026-01-15") + due(2, "2026-01-15") + C
    rows = await desk.plan(account(1, ALICE, 7) + account(2, ALICE, 7), installments)
    assert Counter(row["account_id"] for row in rows) == {"L-1": 6, "L-2": 6}
    assert {row["segment"] for row in rows} == {"C"}, "the segment of highest priority serves all"
    assert [row["slot_at"] for row in rows[::2]] == [row["slot_at"] for row in rows[1::2]]
    assert (desk.report.attempts, desk.report.rows, desk.report.persons, desk.report.accounts) == (6, 12, 1, 2)


@pytest.mark.parametrize(("other", "verdict"), [("yes", "pass"), ("", "pass"), ("no", "block")])
async def test_one_accounts_no_is_the_whole_calls(desk: Desk, other: str, verdict: str) -> None:
    people = account(1, ALICE, 7) + account(2, ALICE, 7, consent=other)
    rows = await desk.plan(people, due(1, "2026-01-15") + due(2, "2026-01-15"))
    assert [row["verdict"] for row in rows] == [verdict] * 4


async def test_one_account_with_two_installments_on_a_day_is_one_row(desk: Desk) -> None:
    desk.campaign = CAMPAIGN
    settings = check.read_settings(desk.file("dialer.toml", SETTINGS), {})
    head = INSTALLMENTS_HEAD.replace("paid_amount", "paid_amount,installment_id")
    accounts = desk.file("a.csv", ACCOUNTS_HEAD + account(1, ALICE))
    both = desk.file("i.csv", head + "L-1,2026-01-15,9.00,CNY,,,x\nL-1,2026-01-15,8.00,CNY,,,y\n")
    campaign = desk.file("campaign.toml", CAMPAIGN)
    console = Console(file=StringIO())
    first = date(2026, 1, 1)
    report = await plan(settings, campaign, first, None, accounts, both, None, False, console)
    assert (report.attempts, report.rows, report.accounts) == (2, 2, 1)


async def test_the_30th_of_february_is_its_last_day(desk: Desk) -> None:
    rows = await desk.plan(account(1, ALICE), due(1, FEBRUARY_30), "2026-02-20", "2026-03-10")
    assert days(rows) == ["02-27", "02-28"]
    assert {row["due_on"] for row in rows} == {FEBRUARY_30}


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("2026-01-13", "2026-01-15", ["01-13", "01-14", "01-15"]),
        ("2026-01-14", "2026-01-15", ["01-14", "01-15"]),
        ("2026-01-13", "2026-01-14", ["01-13", "01-14"]),
        ("2026-01-14", "2026-01-14", ["01-14"]),
        ("2026-01-16", "2026-02-16", []),
        ("2025-12-01", "2026-01-12", []),
        ("2025-12-14", None, ["01-13", "01-14"]),  # 31 days later
        ("2025-12-15", None, ["01-13", "01-14", "01-15"]),
    ],
)
async def test_both_ends_of_the_range_are_included(
    desk: Desk, first: str, last: str | None, expected: list[str]
) -> None:
    # Late long before, so that every planning day here sees the same history.
    rows = await desk.plan(account(1, ALICE), due(1, "2026-01-15") + late(1, "2025-11-15"), first, last)
    assert days(rows) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-01-13 09:00", ["01-13", "01-14", "01-15"]),
        ("2026-01-13 11:29:30", ["01-13", "01-14", "01-15"]),  # the last instant that leaves 30 s to ring
        ("2026-01-13 11:29:31", ["01-14", "01-15"]),
        ("2026-01-14 08:00", ["01-14", "01-15"]),  # D-1 does not make up D-2
        ("2026-01-15 12:00", []),
    ],
)
async def test_without_a_first_day_rounds_that_are_over_are_left_out(desk: Desk, now: str, expected: list[str]) -> None:
    desk.now = now
    rows = await desk.plan(account(1, ALICE), due(1, "2026-01-15") + B, None)
    assert days(rows) == expected
    assert {row["verdict"] for row in rows} <= {"pass"}


async def test_with_a_first_day_the_plan_begins_at_its_midnight(desk: Desk) -> None:
    desk.now = "2026-01-13 23:00"
    rows = await desk.plan(account(1, ALICE), due(1, "2026-01-15") + B, "2026-01-13")
    assert days(rows) == ["01-13", "01-14", "01-15"]
    assert desk.report.planned_at == datetime(2026, 1, 13, tzinfo=SHANGHAI)


@pytest.mark.parametrize(("paid_on", "rounds"), [("2026-01-10", 0), ("2026-01-11", 2)])
async def test_a_payment_after_the_planning_day_is_not_known_yet(desk: Desk, paid_on: str, rounds: int) -> None:
    rows = await desk.plan(account(1, ALICE), due(1, "2026-01-15", paid=paid_on), "2026-01-10")
    assert len(rows) == rounds


async def test_a_late_payment_after_the_planning_day_counts_as_still_open(desk: Desk) -> None:
    # Paid on the 5th: on the 3rd it is open and past due, and a reminder about it would not be planned any more.
    rows = await desk.plan(
        account(1, ALICE), due(1, "2026-01-15") + due(1, "2025-12-15", paid="2026-01-05"), "2026-01-03"
    )
    assert [row["segment"] for row in rows if row["due_on"] == "2026-01-15"] == ["B", "B", "B"]


async def test_two_plans_are_identical_to_the_byte_however_many_processes_share_the_work(desk: Desk) -> None:
    people = "".join(account(n, f"+86138{n:08}", n // 2) for n in range(1, 60))
    dues = "".join(due(n, "2026-01-30" if n % 3 else "2026-01-15") + late(n, *HISTORY[: n % 4]) for n in range(1, 60))
    await desk.plan(people, dues)
    first = (desk.folder / "plan.csv").read_bytes()
    await desk.plan(people, dues)
    assert (desk.folder / "plan.csv").read_bytes() == first
    settings = check.read_settings(desk.folder / "dialer.toml", {})
    campaign = check.read_campaign(desk.folder / "campaign.toml", settings)
    asked = forecast.question(settings, campaign, date(2026, 1, 1), date(2026, 2, 1), Fixed("2026-01-01 00:00").now())
    files = open_files("CN", desk.folder / "a.csv", desk.folder / "i.csv")
    heard: list[int] = []
    alone, shared = (from_files(asked, files, True, heard.append, shares) for shares in (1, 3))
    assert alone == shared
    assert ",".join(HEADER) + "\n" + "".join(line[-1] for line in shared.lines) == first.decode()
    assert sum(heard) >= 2 * files.rows, "both told how far they were"


async def test_rows_stand_in_the_order_of_slots_then_accounts(desk: Desk) -> None:
    people = "".join(account(n, f"+86138{n:08}") for n in range(1, 40))
    rows = await desk.plan(people, "".join(due(n, "2026-01-15") for n in range(1, 40)))
    keys = [(datetime.fromisoformat(row["slot_at"]), row["account_id"]) for row in rows]
    assert keys == sorted(keys)
    assert len({at for at, _ in keys}) > 70, "slots are spread"


async def test_times_are_the_persons_own_with_their_offset(desk: Desk) -> None:
    desk.settings = SETTINGS.replace('allow_countries = ["CN"]', 'allow_countries = ["CN", "US"]')
    text = f"L-1,P-1,Ann,{CHICAGO},en,America/Chicago,US-IL,bank,yes,yes\n"
    rows = await desk.plan(text, due(1, "2026-01-15"))
    assert all(row["slot_at"].endswith("-06:00") for row in rows)
    assert rows[0]["window_from"] == "2026-01-14T09:30:00.000-06:00"
    assert all(len(row["slot_at"]) == len("2026-01-14T09:30:00.000-06:00") for row in rows)


@pytest.mark.parametrize(
    ("accounts", "rule", "verdict"),
    [
        (account(1, ALICE, consent="no"), "dialer.consent", "block"),
        (f"L-1,P-1,Ann,{CHICAGO},en,America/Chicago,US-IL,bank,yes,yes\n", "dialer.country", "block"),
        ("L-1,P-1,Ann,+80012345678,en,,,bank,yes,yes\n", "dialer.country", "block"),
        ("L-1,P-1,Ann,+8616896123,zh-CN,,CN,bank,yes,yes\n", "dialer.premium", "block"),
    ],
)
async def test_what_the_gate_would_refuse_names_the_rule(desk: Desk, accounts: str, rule: str, verdict: str) -> None:
    rows = await desk.plan(accounts, due(1, "2026-01-15"))
    assert [(row["verdict"], row["rule"]) for row in rows] == [(verdict, rule)] * 2
    assert all(row["reason"] for row in rows)
    [refusal] = desk.report.refusals
    assert (refusal.rule, refusal.attempts, refusal.citation) == (rule, 2, "")
    assert rule in desk.printed
    assert desk.report.hours == [], "what is blocked takes no room on a line"


async def test_a_person_in_no_known_zone_is_refused(desk: Desk) -> None:
    desk.settings = SETTINGS.replace('allow_countries = ["CN"]', 'allow_countries = ["CN", "US"]')
    rows = await desk.plan("L-1,P-1,Ann,+18002345678,en,,,bank,yes,yes\n", due(1, "2026-01-15"))
    assert [row["rule"] for row in rows] == ["dialer.zone"] * 2
    assert {row["slot_at"][-6:] for row in rows} == {"+08:00"}, "printed in the lender's zone"


async def test_earlier_rows_of_the_plan_count_towards_caps(desk: Desk) -> None:
    four = '[["09:00", "10:00"], ["11:30", "12:30"], ["14:00", "15:00"], ["17:00", "18:00"]]'
    desk.campaign = CAMPAIGN.replace('[["09:00", "11:30"], ["14:30", "17:30"]]', four)
    rows = await desk.plan(account(1, ALICE), due(1, "2026-01-15") + C)
    by_day = [[row["verdict"] for row in rows[start : start + 4]] for start in (0, 4, 8)]
    assert by_day == [["pass", "pass", "pass", "defer"]] * 3, "three contacts a day, and a new day begins anew"
    refused = rows[3]
    assert refused["rule"] in {"house.daily", "cn-gbt.notify3"}
    assert refused["slot_at"].startswith("2026-01-13T17:"), "the slot itself, not the instant it is deferred to"
    assert desk.report.refusals[0].citation
    assert desk.report.verdicts == {"pass": 9, "defer": 3, "block": 0}


async def test_a_lines_limits_change_no_verdict_and_the_chart_shows_them(desk: Desk) -> None:
    desk.settings = SETTINGS.replace("calls_per_second = 20", 'calls_per_second = 0.001\nspend_max_per_day = "0.01"')
    people = "".join(account(n, f"+86138{n:08}") for n in range(1, 40))
    rows = await desk.plan(people, "".join(due(n, "2026-01-15") for n in range(1, 40)))
    assert {row["verdict"] for row in rows} == {"pass"}
    assert sum(hour.attempts for hour in desk.report.hours) == len(rows)
    assert {hour.capacity for hour in desk.report.hours} == {3}
    assert all(hour.over for hour in desk.report.hours if hour.attempts > 3)
    assert "over by" in desk.printed


async def test_a_lines_own_hours_cut_its_capacity(desk: Desk) -> None:
    desk.settings = SETTINGS.replace("calls_per_second = 20", 'calls_per_second = 2\nhours = [["09:00", "14:50"]]')
    rows = await desk.plan(account(1, ALICE), due(1, "2026-01-15"))
    assert len(rows) == 2
    assert {hour.hour: hour.capacity for hour in desk.report.hours}[14] == 2 * 50 * 60


async def test_accounts_that_no_segment_takes_are_reported(desk: Desk) -> None:
    desk.campaign = CAMPAIGN.replace("late = { months = 3, max = 0 }", "late = { months = 3, min = 9 }")
    rows = await desk.plan(account(1, ALICE) + account(2, BOB), due(1, "2026-01-15") + due(2, "2026-01-15") + C)
    assert {row["account_id"] for row in rows} == {"L-1"}
    assert (desk.report.unselected, desk.report.unselected_first) == (1, ["L-2"])
    assert "taken by no segment: L-2" in desk.printed


async def test_what_a_spreadsheet_would_run_is_neutralised_and_quotes_are_kept(desk: Desk) -> None:
    text = f'"=1+1,""x""",-P,王丽,{ALICE},zh-CN,,CN,bank,yes,yes\n'
    rows = await desk.plan(text, '"=1+1,""x""",2026-01-15,9.00,CNY,,\n')
    assert {(row["account_id"], row["person_id"]) for row in rows} == {('\'=1+1,"x"', "'-P")}


async def test_a_plan_without_rows_is_a_file_with_a_header(desk: Desk) -> None:
    assert await desk.plan(account(1, ALICE), due(1, "2026-06-15"), last="2026-01-31") == []
    assert (desk.folder / "plan.csv").read_text() == ",".join(HEADER) + "\n"
    assert "Nothing would be attempted" in desk.printed


@pytest.mark.parametrize("shares", [1, 3])
async def test_bad_rows_are_told_all_at_once_and_nothing_is_written(tmp_path: Path, shares: int) -> None:
    desk = Desk(tmp_path)
    people = account(1, ALICE) + account(2, "12") + account(3, CAROL) + account(3, CAROL, 4) + "short\n"
    dues = due(1, "2026-02-31") + due(2, "2026-01-15") + due(9, "2026-01-15") + due(3, "2026-01-15") * 2
    with pytest.raises(InvalidInput) as caught:
        await desk.plan(people, dues)
    assert not (tmp_path / "plan.csv").exists()
    told = [(Path(fault.file).name, fault.line, fault.field) for fault in caught.value.faults]
    assert told == [
        ("a.csv", 3, "phone"), ("a.csv", 5, "row"), ("a.csv", 6, "row"),
        ("i.csv", 2, "due_on"), ("i.csv", 4, "account_id"), ("i.csv", 6, "row"),
    ]  # fmt: skip
    settings = check.read_settings(tmp_path / "dialer.toml", {})
    campaign = check.read_campaign(tmp_path / "campaign.toml", settings)
    asked = forecast.question(settings, campaign, date(2026, 1, 1), date(2026, 2, 1), Fixed("2026-01-01 00:00").now())
    files = open_files("CN", tmp_path / "a.csv", tmp_path / "i.csv")
    with pytest.raises(InvalidInput) as again:
        from_files(asked, files, False, lambda rows: None, shares)
    assert again.value.faults == caught.value.faults


async def test_faults_of_both_files_as_a_whole_are_told_together(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("account_id\nL-1\n")
    with pytest.raises(InvalidInput) as caught:
        open_files("CN", tmp_path / "a.csv", tmp_path / "nowhere.csv")
    assert {Path(fault.file).name for fault in caught.value.faults} == {"a.csv", "nowhere.csv"}


@pytest.mark.parametrize(
    ("first", "last", "files", "what"),
    [
        (date(2026, 1, 2), date(2026, 1, 1), 2, "lies before"),
        (date(9999, 12, 31), None, 2, "too far away"),
        (date(2026, 1, 1), None, 1, "one of two files"),
    ],
)
async def test_wrong_usage_is_said(tmp_path: Path, first: date, last: date | None, files: int, what: str) -> None:
    desk = Desk(tmp_path)
    settings = check.read_settings(desk.file("dialer.toml", SETTINGS), {})
    path = desk.file("a.csv", ACCOUNTS_HEAD)
    campaign = desk.file("campaign.toml", CAMPAIGN)
    with pytest.raises(BadParameter, match=what):
        await plan(settings, campaign, first, last, path, path if files == 2 else None, None, False, Console())


async def test_without_files_and_without_a_database_it_says_what_to_do(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    settings = check.read_settings(desk.file("dialer.toml", SETTINGS), {})
    with pytest.raises(DialerError, match="--accounts and --installments"):
        await plan(settings, desk.file("c.toml", CAMPAIGN), None, None, None, None, None, False, Console())
    assert not (tmp_path / "unused.db").exists(), "a dry run makes no database"


# --- from the database -------------------------------------------------------------------------------------------


async def from_database(scene: Scene, first: str | None = None, campaign: str = CAMPAIGN) -> Forecast:
    """The plan of the scene's campaign from its database, from now or from a day."""
    house = scene.house
    file = check.read_campaign(scene.file("planned.toml", campaign), house.settings)
    now = house.clock.now() if first is None else datetime.fromisoformat(first).replace(tzinfo=SHANGHAI).astimezone(UTC)
    today = now.astimezone(SHANGHAI).date()
    asked = forecast.question(house.settings, file, today, today + timedelta(days=31), now)
    return await forecast_store.from_store(asked, house.store, True, lambda persons: None)


def told(found: Forecast) -> list[tuple[str, ...]]:
    """Account, round, verdict and rule of each row."""
    rows = csv.reader(line[-1] for line in found.lines)
    return [(row[0], row[4], row[10], row[11]) for row in rows]


def test_the_database_gives_the_plan_that_its_files_give(tmp_path: Path) -> None:
    people = account(1, ALICE, 7) + account(2, ALICE, 7) + account(3, BOB)
    dues = due(1, "2026-01-15") + due(2, "2026-01-15") + C + due(3, "2026-01-30") + due(3, FEBRUARY_30)

    async def act(scene: Scene) -> Forecast:
        await scene.load(people, dues)
        return await from_database(scene)

    found = play(tmp_path, "2026-01-12 00:00", act)
    settings = check.read_settings(tmp_path / "dialer.toml", {})
    campaign = check.read_campaign(tmp_path / "planned.toml", settings)
    asked = forecast.question(settings, campaign, date(2026, 1, 12), date(2026, 2, 12), Fixed("2026-01-12 00:00").now())
    files = open_files("CN", tmp_path / "accounts.csv", tmp_path / "installments.csv")
    assert found == from_files(asked, files, True, lambda rows: None)
    assert len(found.lines) == 14


def test_rounds_already_made_are_left_out(tmp_path: Path) -> None:
    async def act(scene: Scene) -> Forecast:
        await scene.load(account(1, ALICE), due(1, "2026-01-15") + B)
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-13 20:00")
        return await from_database(scene, "2026-01-13")

    found = play(tmp_path, "2026-01-12 12:00", act)
    assert told(found) == [("L-1", "2", "pass", ""), ("L-1", "3", "pass", "")]
    assert found.left_out == {"made": 1}


def test_who_is_suppressed_or_stopped_is_refused_and_says_why(tmp_path: Path) -> None:
    async def act(scene: Scene) -> Forecast:
        await scene.load(account(1, ALICE) + account(2, BOB), due(1, "2026-01-15") + due(2, "2026-01-15"))
        scene.mock.on(BOB).answers(keys="9")
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-14 20:00")
        path = scene.file("suppressions.csv", f"phone,person_id,channel,reason,until\n{ALICE},,voice,asked,\n")
        await scene.take("suppressions", path)
        return await from_database(scene)

    found = play(tmp_path, "2026-01-12 12:00", act)
    assert sorted(told(found)) == [("L-1", "2", "block", "dialer.suppressed"), ("L-2", "2", "block", "dialer.stopped")]


def test_what_a_pause_covers_is_left_out(tmp_path: Path) -> None:
    async def act(scene: Scene) -> Forecast:
        await scene.load(account(1, ALICE), due(1, "2026-01-15") + B)
        scene.mock.on(ALICE).answers(keys="2")  # pays tomorrow, the 14th
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-13 20:00")
        return await from_database(scene)

    found = play(tmp_path, "2026-01-12 12:00", act)
    assert told(found) == [("L-1", "3", "pass", "")]
    assert found.left_out["paused_until"] == 1


def test_recent_contacts_count_towards_caps(tmp_path: Path) -> None:
    short = CAMPAIGN.replace("11:30", "09:50")
    other = CAMPAIGN.replace('name = "test"', 'name = "other"').replace("09:30", "09:00").replace("11:30", "09:10")

    async def act(scene: Scene) -> Forecast:
        await scene.load(account(1, ALICE), due(1, "2026-01-15") + B)
        await operate.launch(scene.house, scene.file("other.toml", other))
        await scene.start()
        await scene.until("2026-01-13 09:15")
        return await from_database(scene, campaign=short)

    found = play(tmp_path, "2026-01-12 12:00", act)
    assert [row[1:] for row in told(found)] == [("1", "defer", "house.gap"), ("2", "pass", ""), ("3", "pass", "")]


@pytest.mark.parametrize(("status", "rule"), [("paused", "dialer.paused"), ("halted", "dialer.halted")])
def test_a_paused_campaign_and_a_halt_defer_all(tmp_path: Path, status: str, rule: str) -> None:
    async def act(scene: Scene) -> Forecast:
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        if status == "halted":
            await operate.halt(scene.house, "a test")
        else:
            await operate.set_status(scene.house, "test", status)
        return await from_database(scene)

    found = play(tmp_path, "2026-01-12 12:00", act)
    assert {(row[2], row[3]) for row in told(found)} == {("defer", rule)}
    assert {channel for _, _, channel in found.hours} == {Channel.VOICE}, "the slots still stand in the chart"


# --- messages ------------------------------------------------------------------------------------------------------

WRITTEN = CAMPAIGN.replace(
    'days = [0]\nbetween = [["14:00", "15:00"]]\nchannel = "voice"\nscript = "reminder"',
    'days = [0]\nbetween = [["14:00", "15:00"]]\nchannel = "sms"\nmessage = "short"',
).replace(
    "[message.missed]",
    """[message.short]
text = "{lender}: {name}, {amount} {due_on:date} {pay_to}. TD"
text_many = "{lender}: {name}, {count}, {amount} {due_on:date}. TD"
[message.missed]""",
)
LATIN = SETTINGS.replace("示例小贷", "Sample Lending")
LONG = "Industrial Bank; branch of the northern district; account ending in 1234; " + "in the name of Ms Wang; " * 3


def in_english(row: str, pay_to: str = "Bank 1") -> str:
    name, bank = "王丽", row.split(",")[7]
    return row.replace(name, "Wang").replace("zh-CN", "en").replace(bank, pay_to)


async def test_messages_are_counted_by_their_length_in_each_persons_language(desk: Desk) -> None:
    desk.settings, desk.campaign = LATIN, WRITTEN
    long = "工商银行股份有限公司北京市朝阳区建国门外大街支行个人业务部尾号一二三四五六七八九十的账户" * 2
    people = [
        in_english(account(1, ALICE)), account(2, BOB), account(3, CAROL).replace("工商银行尾号3", long),
        in_english(account(4, "+8613800138004"), LONG), account(5, "+8613800138005", consent="no"),
    ]  # fmt: skip
    await desk.plan("".join(people), "".join(due(number, "2026-01-15") for number in range(1, 6)))
    told = [(one.encoding, one.messages, one.segments, one.cost, one.cost_by_segment) for one in desk.report.messages]
    assert told == [
        ("gsm7", 1, 1, "0.05", "0.05"),
        ("gsm7", 1, 2, "0.05", "0.10"),
        ("ucs2", 1, 1, "0.05", "0.05"),
        ("ucs2", 1, 2, "0.05", "0.10"),
    ], "whom the gate blocks gets none"
    assert {(one.message, one.line) for one in desk.report.messages} == {("short", "main")}
    lines = [line.split() for line in desk.printed.splitlines()]
    assert ["short", "main", "UCS-2", "1", "2", "2", "0.05", "0.10"] in lines
    assert "CNY a message  CNY a segment" in desk.printed
    assert "Spend limits count price_per_message once a message" in desk.printed


async def test_a_combined_message_is_one(desk: Desk) -> None:
    desk.settings, desk.campaign = LATIN, WRITTEN
    await desk.plan(account(1, ALICE, 7) + account(2, ALICE, 7), due(1, "2026-01-15") + due(2, "2026-01-15"))
    assert [(one.messages, one.segments) for one in desk.report.messages] == [(1, 1)]


async def test_without_messages_nothing_is_said_of_them(desk: Desk) -> None:
    await desk.plan(account(1, ALICE), due(1, "2026-01-15"))
    assert desk.report.messages == []
    assert "CNY" not in desk.printed


def test_the_database_counts_the_same_lengths_as_the_files(tmp_path: Path) -> None:
    people = in_english(account(1, ALICE), LONG) + account(2, BOB)
    dues = due(1, "2026-01-15") + due(2, "2026-01-15")

    async def act(scene: Scene) -> None:
        await scene.load(people, dues)
        campaign = check.read_campaign(scene.file("campaign.toml", WRITTEN), scene.house.settings)
        first, last = date(2026, 1, 1), date(2026, 1, 31)
        asked = forecast.question(scene.house.settings, campaign, first, last, scene.clock.now())
        found = await forecast_store.from_store(asked, scene.house.store, False, lambda rows: None)
        files = open_files("CN", tmp_path / "accounts.csv", tmp_path / "installments.csv")
        for shares in (1, 2):
            assert found.lengths == from_files(asked, files, False, lambda rows: None, shares).lengths
        assert sorted((one.encoding, one.segments, count) for one, count in found.lengths.items()) == [
            ("gsm7", 2, 1), ("ucs2", 1, 1),
        ]  # fmt: skip

    play(tmp_path, "2026-01-01 00:00", act, settings=LATIN)
