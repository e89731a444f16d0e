"""What `dialer check` warns of: lines too slow or too dear, days that empty a round, long messages, old packs."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from campaigns.model import Channel
from config.files import Fault
from dialer.advice import Longest, advise
from dialer.check import CheckedCampaign, check_files
from dialer.cli.check import NO_PORTFOLIO, CheckReport, Portfolio
from dialer.cli.check import check as run_check
from dialer.errors import InvalidInput
from dialer.forecast import Cell, Forecast
from dialer.store import schema
from dialer.workload import CALL_S, workload
from tests.support.command import run

SETTINGS = """\
database = "sqlite:///dialer.db"
rules = ["ours.toml"]
[lender]
name = "Lender"
phone = "+864001234567"
language = "en"
currency = "CNY"
country = "CN"
time_zone = "Asia/Shanghai"
[lines.main]
adapter = "mock"
channels = ["voice", "sms"]
callers = ["+864001234567"]
calls_per_second = 1
calls_at_once = 1000
messages_per_second = 1
price_per_minute = "0.10"
price_per_message = "0.05"
spend_max_per_day = "500.00"
allow_countries = ["CN"]
[lines.other]
adapter = "mock"
channels = ["voice"]
callers = ["+864001234567"]
calls_per_second = 2
calls_at_once = 1000
allow_countries = ["CN"]
"""
CAMPAIGN = """\
format = 1
name = "monthly"
packs = ["cn", "ours"]
[audience]
due_days = [15, 30]
[lines]
voice = ["main"]
sms = ["main"]
[[segment]]
name = "A"
[[segment.rounds]]
days = [-1, 0]
between = [["09:30", "11:30"], ["14:00", "15:00"]]
channel = "voice"
script = "reminder"
otherwise = { on = ["busy"], channel = "sms", message = "missed", after = "10m" }
[message.missed]
text = "{name}: {amount} is due on {due_on:month_day}, to {pay_to}. STOP"
[script.reminder]
language = "en"
first = "greet"
[script.reminder.step.greet]
say = "{due_on} {amount} {pay_to}"
keys = { 9 = "stop" }
[script.reminder.step.stop]
outcome = "opted_out"
"""
PACK = """\
[[rule]]
id = "ours.hours"
kind = "window"
force = "law"
actor = ["creditor"]
channels = ["voice", "sms"]
open = [{ days = "all", from = "08:00", until = "21:00" }]
citation = "ours"
url = "ours"
grade = "P"
checked_on = 2026-03-01
"""
NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")
Edits = dict[str, str]


@dataclass
class Desk:
    """A folder with settings, a campaign and a pack in it."""

    folder: Path

    def write(self, settings: Edits | None = None, campaign: Edits | None = None, pack: Edits | None = None) -> None:
        for name, text, edits in (
            ("dialer.toml", SETTINGS, settings), ("c.toml", CAMPAIGN, campaign), ("ours.toml", PACK, pack)
        ):  # fmt: skip
            for old, new in (edits or {}).items():
                assert old in text
                text = text.replace(old, new, 1)
            (self.folder / name).write_text(text, encoding="utf-8")

    def checked(self) -> tuple[CheckedCampaign, Callable[[Forecast], list[str]]]:
        """The campaign, and what is told of a forecast for it."""
        checked = check_files(self.folder / "dialer.toml", {}, [self.folder / "c.toml"])
        (one,) = checked.campaigns
        return one, lambda found: self.told([*workload(one, checked.settings, found)])

    def advice(self, now: datetime = NOW, longest: Longest | None = None) -> list[str]:
        checked = check_files(self.folder / "dialer.toml", {}, [self.folder / "c.toml"])
        return self.told([*advise(checked.campaigns[0], checked.settings, longest, now)])

    def told(self, faults: Sequence[Fault]) -> list[str]:
        return [str(fault).removeprefix(f"{self.folder}/") for fault in faults]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    found = Desk(tmp_path)
    found.write()
    return found


def spread(
    begins: str, ends: str, attempts: int, channel: Channel = Channel.VOICE, into: Forecast | None = None
) -> Forecast:
    """A forecast with so many attempts spread evenly between two local times."""
    found = into or Forecast()
    first, last = (datetime.fromisoformat(text).replace(tzinfo=SHANGHAI) for text in (begins, ends))
    minutes = int((last - first) / timedelta(minutes=1))
    for minute in range(minutes):
        at = first + timedelta(minutes=minute)
        count = attempts * (minute + 1) // minutes - attempts * minute // minutes
        if count:
            found.minutes[int(at.timestamp()) // 60, channel] += count
            found.hours[at.date(), at.hour, channel] += count
            found.attempts[Cell("A", 1, 4, channel, at.date(), "pass", "")] += count
    return found


# --- files alone -------------------------------------------------------------------------------------------------


def test_a_sound_campaign_gets_no_advice(desk: Desk) -> None:
    assert desk.advice() == []


def test_a_pack_that_nobody_looked_at_for_a_year(desk: Desk) -> None:
    assert desk.advice(datetime(2027, 3, 1, 4, tzinfo=UTC)) == []
    assert desk.advice(datetime(2027, 3, 2, 4, tzinfo=UTC))[0] == (
        'c.toml:3: packs[2]: "ours" was last compared with its sources on 2026-03-01, over a year ago; '
        "upgrade the dialer, or have counsel read it anew"
    )
    # A house's own rules are nobody's law.
    desk.write(pack={'grade = "P"': 'grade = "H"', 'force = "law"': 'force = "house"'})
    assert not [told for told in desk.advice(datetime(2027, 3, 2, 4, tzinfo=UTC)) if "packs" in told]


def test_a_skipped_day_empties_its_rounds(desk: Desk) -> None:
    desk.write(campaign={"due_days = [15, 30]": "due_days = [15, 30]\nskip = [2026-11-29, 2026-12-15, 2027-05-01]"})
    assert desk.advice() == [
        "c.toml:13: segment[1].rounds[1].days: A loses rounds 1 and 2 on 2026-11-29 (in skip), "
        "rounds 3 and 4 on 2026-12-15 (in skip); nothing takes their place: add a day, or leave it so"
    ]


def test_weekdays_empty_the_rounds_of_others(desk: Desk) -> None:
    desk.write(campaign={"due_days = [15, 30]": 'due_days = [15]\nweekdays = ["mon", "wed", "thu", "fri"]'})
    # 2026-12-15 is a Tuesday, 2027-01-15 a Friday: of the next 60 days only the first is lost.
    (told,) = desk.advice()
    assert "A loses rounds 3 and 4 on 2026-12-15 (not in weekdays); " in told


def test_many_days_are_counted(desk: Desk) -> None:
    desk.write(campaign={"days = [-1, 0]": "days = [-4, -3, -2, -1, 0]",
                         "due_days = [15, 30]": 'due_days = [15, 30]\nweekdays = ["mon"]'})  # fmt: skip
    (told,) = desk.advice()
    assert told.count("not in weekdays") == 4
    assert ", and more on " in told


def test_a_public_holiday_empties_a_round_and_is_named_with_its_rule(desk: Desk) -> None:
    weekly = 'open = [{ days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], from = "08:00", until = "21:00" }]'
    desk.write(
        campaign={"due_days = [15, 30]": "due_days = [25]"},
        pack={'open = [{ days = "all", from = "08:00", until = "21:00" }]': f'{weekly}\nholidays = "US"'},
    )
    (told,) = desk.advice()
    assert "A loses rounds 3 and 4 on 2026-12-25 (closed by ours.hours); " in told


def test_a_holiday_that_leaves_no_more_than_the_ringing_empties_a_round(desk: Desk) -> None:
    weekly = '{ days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], from = "08:00", until = "21:00" }'
    short = '{ days = "holidays", from = "08:00", until = "14:01" }'
    desk.write(
        settings={"calls_at_once": 'ring_timeout = "1m"\ncalls_at_once'},
        campaign={"due_days = [15, 30]": "due_days = [25]"},
        pack={'{ days = "all", from = "08:00", until = "21:00" }]': f'{weekly}, {short}]\nholidays = "US"'},
    )
    (told,) = desk.advice()
    assert "A loses round 4 on 2026-12-25 (closed by ours.hours); " in told


def test_a_year_that_the_holiday_calendar_does_not_know_is_said(desk: Desk) -> None:
    desk.write(
        campaign={"due_days = [15, 30]": "due_days = [15]"},
        pack={'until = "21:00" }]': 'until = "21:00" }]\nholidays = "CN"'},
    )
    (told,) = desk.advice(datetime(2039, 12, 20, 4, tzinfo=UTC))[2:]
    assert "2040-01-14 (ours.hours: the calendar of CN does not know 2040 yet)" in told


def test_a_long_message_and_its_price(desk: Desk) -> None:
    longest = Longest("A" * 60, "account " + "1" * 60, ())
    assert desk.advice(longest=Longest("Wang", "account 1", ())) == []
    (told,) = desk.advice(longest=longest)
    assert told == (
        "c.toml:18: message.missed.text: takes 2 segments (GSM-7, 176 characters) with the longest name and account of "
        "the portfolio, 0.10 CNY a message with main where each is billed; one segment holds 160 characters"
    )


def test_a_sign_that_makes_a_message_dear_is_named(desk: Desk) -> None:
    desk.write(campaign={"{name}: {amount} is due": "{name}, we’d remind you that {amount} is due"})
    (told,) = desk.advice()
    assert "takes 2 segments (UCS-2, " in told
    assert told.endswith("; without ’ one segment holds 160 characters, as it is 70")


def test_a_message_for_several_accounts_is_measured_too_and_in_every_language(desk: Desk) -> None:
    many = (
        'text_many = "STOP ends it. {name}: {count} payments, {amount}, are due on {due_on:long}. '
        + "x" * 66
        + '"\n[script.reminder]'
    )
    desk.write(campaign={"[script.reminder]": many})
    assert desk.advice() == []
    # In Chinese the date alone turns the text into UCS-2.
    told = desk.advice(longest=Longest("Wang", "account 1", ("en", "zh-CN")))
    assert len(told) == 1
    assert "message.missed.text_many: takes 2 segments (UCS-2, 1" in told[0]


def test_without_a_price_none_is_named(desk: Desk) -> None:
    desk.write(settings={'price_per_message = "0.05"\n': ""})
    (told,) = desk.advice(longest=Longest("A" * 60, "account " + "1" * 60, ()))
    assert "CNY" not in told.split("; ")[0].split("portfolio")[1]


# --- the load ----------------------------------------------------------------------------------------------------


def test_a_line_that_is_too_slow_for_the_plan(desk: Desk) -> None:
    desk.write(settings={'spend_max_per_day = "500.00"\n': ""})
    _, told = desk.checked()
    assert told(spread("2026-11-29T09:30", "2026-11-29T11:30", 7_200)) == []
    found = spread("2026-11-29T09:30", "2026-11-29T11:30", 23_040)
    assert told(found) == [
        "c.toml:7: lines.voice: needs 3.2 calls/s between 09:30 and 11:30 on 2026-11-29, main gives 1; "
        "raise calls_per_second as far as the provider allows, add a line, or widen the windows"
    ]
    spread("2026-12-14T14:00", "2026-12-14T15:00", 4_000, into=found)
    assert "main gives 1, and too little on 1 more days; " in told(found)[0]


def test_a_second_line_helps(desk: Desk) -> None:
    found = spread("2026-11-29T09:30", "2026-11-29T11:30", 20_000)
    desk.write(campaign={'voice = ["main"]': 'voice = ["main", "other"]'})
    _, told = desk.checked()
    assert told(found) == []
    assert "main and other gives 3; " in told(spread("2026-11-29T09:30", "2026-11-29T11:30", 23_040))[0]


def test_calls_at_once_hold_a_line_back(desk: Desk) -> None:
    desk.write(settings={"calls_at_once = 1000": "calls_at_once = 9"})
    _, told = desk.checked()
    (one,) = told(spread("2026-11-29T09:30", "2026-11-29T11:30", 2_880))
    assert f"needs 0.4 calls/s between 09:30 and 11:30 on 2026-11-29, main gives {9 / CALL_S:g} " in one
    assert "(9 calls at once of main, at some 45 s a call); raise calls_at_once " in one


def test_a_line_gives_nothing_outside_its_hours(desk: Desk) -> None:
    desk.write(
        settings={'allow_countries = ["CN"]\n': 'allow_countries = ["CN"]\nhours = [["09:00", "11:00"]]\n'},
        campaign={', ["14:00", "15:00"]': ""},
    )
    _, told = desk.checked()
    (one,) = told(spread("2026-11-29T09:30", "2026-11-29T11:30", 3_600))
    assert "needs 0.5 calls/s between 11:00 and 11:30 on 2026-11-29, main gives 0; " in one


def test_messages_are_held_against_their_own_rate(desk: Desk) -> None:
    _, told = desk.checked()
    found = spread("2026-11-29T09:30", "2026-11-29T10:30", 7_200, Channel.SMS)
    assert (
        "lines.sms: needs 2 messages/s between 09:30 and 10:30 on 2026-11-29, main gives 1; raise messages_per_"
        in (told(found)[0])
    )


def test_a_plan_that_costs_more_than_a_day_may(desk: Desk) -> None:
    desk.write(settings={"calls_per_second = 1": "calls_per_second = 50"})
    _, told = desk.checked()
    found = spread("2026-11-29T09:30", "2026-11-29T11:30", 4_000)
    spread("2026-11-29T14:00", "2026-11-29T15:00", 2_000, Channel.SMS, into=found)
    assert told(found) == []  # 400 and 100: exactly what it may
    spread("2026-11-29T15:00", "2026-11-29T15:15", 100, into=found)
    assert told(found) == [
        "c.toml:7: lines.voice: the plan costs up to 510.00 CNY on 2026-11-29, at one minute a call, and "
        "spend_max_per_day of main is 500.00; raise it, or what is beyond it waits for the next day and expires with "
        "its window"
    ]


def test_a_line_without_a_limit_takes_the_rest(desk: Desk) -> None:
    desk.write(
        settings={"calls_per_second = 1": "calls_per_second = 50"},
        campaign={'voice = ["main"]': 'voice = ["main", "other"]'},
    )
    _, told = desk.checked()
    assert told(spread("2026-11-29T09:30", "2026-11-29T11:30", 40_000)) == []


def test_accounts_that_nobody_reminds(desk: Desk) -> None:
    _, told = desk.checked()
    found = Forecast(unselected={f"L-{n}" for n in range(1, 8)})
    assert told(found) == [
        "c.toml:9: segment: 7 accounts are taken by none: L-1, L-2, L-3, L-4, L-5, …; "
        "nobody reminds them: widen a late, or add a segment without one"
    ]


def test_due_days_that_no_installment_has(desk: Desk) -> None:
    _, told = desk.checked()
    assert told(Forecast()) == [
        "c.toml:5: audience.due_days: nothing of the portfolio falls due on these days in the next month; "
        "compare them with due_on of the installments"
    ]
    # What was made already, or is paid, is no sign of a mistake.
    assert told(Forecast(left_out=Counter({"made": 3}))) == []


def test_a_campaign_that_is_refused_as_a_whole(desk: Desk) -> None:
    _, told = desk.checked()
    day = date(2026, 11, 29)
    cells = {Cell("A", 1, 4, Channel.VOICE, day, "block", "dialer.country"): 30,
             Cell("A", 2, 4, Channel.VOICE, day, "block", "dialer.country"): 30,
             Cell("A", 1, 4, Channel.VOICE, day, "block", "dialer.consent"): 40}  # fmt: skip
    reasons = {("block", "dialer.country"): "line main does not reach US", ("block", "dialer.consent"): "no consent"}
    assert told(Forecast(attempts=Counter(cells), reasons=reasons)) == [
        "c.toml:1: file: all 100 attempts of the next month are refused, by dialer.country: line main does not reach "
        "US; see `dialer plan`"
    ]
    cells[Cell("A", 1, 4, Channel.VOICE, day, "defer", "house.hours")] = 1
    assert told(Forecast(attempts=Counter(cells), reasons=reasons)) == []


# --- the command -------------------------------------------------------------------------------------------------

ACCOUNTS = "account_id,person_id,name,phone,language,time_zone,region,pay_to,consent_voice,consent_sms\n"
INSTALLMENTS = "account_id,due_on,amount,currency,paid_on,paid_amount\n"


def write_portfolio(folder: Path, persons: int) -> Portfolio:
    accounts, installments = folder / "a.csv", folder / "i.csv"
    rows = [f"L-{n},P-{n},Wang,+86138{n:08d},en,,CN,account 1,yes,yes\n" for n in range(persons)]
    accounts.write_text(ACCOUNTS + "".join(rows), encoding="utf-8")
    due = [f"L-{n},2026-11-30,100.00,CNY,,\n" for n in range(persons)]
    installments.write_text(INSTALLMENTS + "".join(due), encoding="utf-8")
    return Portfolio(accounts, installments)


async def report(desk: Desk, portfolio: Portfolio | None = None) -> CheckReport:
    quiet, files = Console(quiet=True), [desk.folder / "c.toml"]
    return await run_check(files, desk.folder / "dialer.toml", {}, portfolio or Portfolio(None, None), NOW, quiet, True)


async def test_the_load_is_that_of_the_files(desk: Desk) -> None:
    desk.write(settings={"calls_per_second = 1": "calls_per_second = 0.02"})
    found = await report(desk, write_portfolio(desk.folder, 400))
    assert (found.portfolio, found.note) == ("files", "load: 1,600 attempts in the next 31 days, from the files")
    (told,) = found.warnings
    assert (told.line, told.field) == (7, "lines.voice")
    # The hour takes 400 calls, the two hours before noon as many: the hour is the narrowest.
    assert "between 14:00 and 15:00 on 2026-11-" in told.text
    assert "main gives 0.02, and too little on 1 more days" in told.text
    assert not (desk.folder / "dialer.db").exists()


async def test_without_a_portfolio_it_says_so_and_makes_no_database(desk: Desk) -> None:
    found = await report(desk)
    assert (found.portfolio, found.note, found.warnings) == (None, NO_PORTFOLIO, [])
    assert not (desk.folder / "dialer.db").exists()
    found = await report(desk, write_portfolio(desk.folder, 0))
    assert (found.portfolio, found.note, found.warnings) == (None, NO_PORTFOLIO, [])


async def test_an_empty_database_and_one_of_nobody_are_no_portfolio(desk: Desk) -> None:
    file = desk.folder / "dialer.db"
    file.touch()
    assert (await report(desk)).note == NO_PORTFOLIO
    assert file.stat().st_size == 0
    schema.upgrade(f"sqlite:///{file}")
    assert (await report(desk)).note == NO_PORTFOLIO


async def test_a_database_that_cannot_be_read_is_said_and_left_alone(desk: Desk) -> None:
    file = desk.folder / "dialer.db"
    file.write_bytes(b"nothing that a database begins with" * 100)
    found = await report(desk)
    assert found.note.startswith(f"load is not checked: database {file}: ")
    assert file.read_bytes() == b"nothing that a database begins with" * 100


async def test_a_database_of_another_version_is_not_upgraded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{desk.folder}/dialer.db"
    schema.upgrade(url)
    known = schema.HEAD
    monkeypatch.setattr(schema, "HEAD", "9999")
    assert (await report(desk)).note == (
        f"load is not checked: the database has version {known}, this program 9999; any other command upgrades it"
    )
    assert schema.version(url) == known


def test_the_load_is_that_of_the_database(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.write(campaign={"due_days = [15, 30]": "due_days = [15, 16]"})
    write_portfolio(desk.folder, 5)
    monkeypatch.chdir(desk.folder)
    assert run(capsys, "import", "accounts", "a.csv").code == 0
    assert run(capsys, "import", "installments", "i.csv").code == 0
    before = (desk.folder / "dialer.db").read_bytes()
    done = run(capsys, "check", "c.toml")
    assert done.code == 0
    assert "warning: c.toml:5: audience.due_days: nothing of the portfolio falls due on these days" in done.out
    assert done.out.splitlines()[-3:] == [
        "dialer.toml: valid",
        "c.toml: valid",
        "load: 0 attempts in the next 31 days, from the database",
    ]
    assert (desk.folder / "dialer.db").read_bytes() == before


async def test_a_bad_row_of_the_files_is_a_fault(desk: Desk) -> None:
    portfolio = write_portfolio(desk.folder, 3)
    assert portfolio.installments is not None
    with portfolio.installments.open("a", encoding="utf-8") as file:
        file.write("L-1,2026-02-30,100.00,CNY,,\n")
    with pytest.raises(InvalidInput, match=r'i\.csv:5: due_on: "2026-02-30" is no date'):
        await report(desk, portfolio)
