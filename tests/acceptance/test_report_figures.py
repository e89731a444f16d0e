"""Every figure of `dialer report` is counted again from the lines of `dialer attempts --jsonl`, by other means."""

import csv
import json
import sqlite3
import tomllib
from collections import defaultdict
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest

from adapters.mock import ADAPTER, MockAdapter
from adapters.mock import Settings as MockSettings
from dialer import check, intake, log, sweep
from dialer.clock import VirtualClock, run_virtual
from dialer.house import House
from dialer.report_model import Report
from dialer.store import InlineStore, Tx
from dialer.store.schema import upgrade
from dialer.worker import Fitted, Worker
from tests.support.nursery import shared
from tests.support.recount import FIELDS, Recount
from tests.support.scene import ACCOUNTS_HEAD, CAMPAIGN, INSTALLMENTS_HEAD, SETTINGS, SHANGHAI, Scene

PEOPLE = 200
FIRST, LAST = datetime(2026, 1, 9, tzinfo=SHANGHAI), datetime(2026, 1, 29, 10, 20, tzinfo=SHANGHAI)
SECOND_LINE = """
[lines.second]
adapter = "mock"
channels = ["voice"]
callers = ["+864001234569"]
calls_per_second = 0.7
allow_countries = ["CN", "IN"]
price_per_minute = "0.0815"
hours = [["09:00", "20:00"]]
"""
TWO_LINES = (SETTINGS.replace('allow_countries = ["CN"]', 'allow_countries = ["CN", "IN"]') + SECOND_LINE).replace(
    "sqlite:///unused.db", "sqlite:///dialer.db"
)
OTHER = (
    CAMPAIGN.replace('"test"', '"other"').replace("[15, 30]", "[20]").replace('voice = ["main"]', 'voice = ["second"]')
)
PAYS = ("before", "promptly", "later", "in parts", "bounces", "never")
SCOPES: dict[str, tuple[str | None, str | None]] = {
    "all": (None, None),
    "campaign": ("test", None),
    "day": (None, "2026-01-14"),
    "campaign and day": ("other", "2026-01-19"),
    "empty": ("other", "2026-01-02"),
}


# --- the month ---------------------------------------------------------------------------------------------------


class Month(NamedTuple):
    """An installation after some weeks, as the commands see it."""

    folder: Path
    lines: list[dict[str, Any]]

    def report(self, scope: str) -> dict[str, Any]:
        campaign, day = SCOPES[scope]
        asked = (["--campaign", campaign] if campaign else []) + (["--day", day] if day else [])
        found: dict[str, Any] = json.loads(dialer(self.folder, "report", "--json", *asked))
        return found

    def recount(self, scope: str) -> dict[str, Any]:
        campaign, day = SCOPES[scope]
        settings = tomllib.loads((self.folder / "dialer.toml").read_text(encoding="utf-8"))
        return Recount(self.lines, settings, campaign, date.fromisoformat(day) if day else None).everything()


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Month:
    folder = tmp_path_factory.mktemp("month")
    (folder / "dialer.toml").write_text(TWO_LINES, encoding="utf-8")
    url = f"sqlite:///{folder / 'dialer.db'}"
    upgrade(url)
    log.set_up("error")  # to today's standard error: an earlier test's may be closed
    run_virtual(FIRST, lambda clock: _run(folder, url, clock))
    _add_what_is_rare(folder / "dialer.db")
    return Month(folder, [json.loads(line) for line in dialer(folder, "attempts", "--jsonl", "-").splitlines()])


def dialer(folder: Path, *words: str) -> str:
    done = shared().capture(folder, *words, limit_s=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def _run(folder: Path, url: str, clock: VirtualClock) -> None:
    """Two campaigns for some weeks, with the daily bells, payments and a network that fails now and then."""
    store = InlineStore(url)
    house = House(check.read_settings(folder / "dialer.toml", {}), clock, store)
    mock = MockAdapter(MockSettings(profile="lifelike", seed=5, faults=0.15))
    worker = Worker(house, {"mock": Fitted(mock, ADAPTER)}, "test", timedelta(days=1), gather=timedelta(seconds=120))
    scene = Scene(folder, house, clock, mock, worker)
    payments = await _load(scene)
    for campaign in (CAMPAIGN, OTHER):
        await scene.launch(campaign)
    await scene.start()
    day = FIRST.date()
    while day <= LAST.date():
        await clock.sleep_until(min(datetime.combine(day, time(0, 5), SHANGHAI), LAST))
        await sweep.daily(house)
        for hour in range(1, 24):
            await clock.sleep_until(min(datetime.combine(day, time(hour), SHANGHAI), LAST))
            await sweep.expire(house)
            for pay in payments.pop((day, hour), ()):
                store.run(pay(clock.now(), scene.touched))
            worker.wake.set()
        day += timedelta(days=1)
    # Not drained: what runs goes on running, as after a crash.
    store.run(lambda tx: None)


Pay = Callable[[datetime, Any], Callable[[Tx], Any]]


async def _load(scene: Scene) -> dict[tuple[date, int], list[Pay]]:
    """Borrowers of every kind; returns what they will pay, by day and hour."""
    random, payments = Random(20260109), defaultdict(list)
    people, dues = csv_rows(), csv_rows()
    for number in range(1, PEOPLE + 1):
        phone = f"+9198765{number:05}" if number % 9 == 0 else f"+86138{number:08}"
        region = "IN" if number % 9 == 0 else "CN"
        due_day = random.choice((15, 15, 20, 30))
        lates = random.choice((0, 0, 1, 2, 3))
        currency = random.choice(("CNY", "CNY", "CNY", "HKD"))
        for part in range(1 + (number % 8 == 0)):
            account = f"L-{number}-{part}"
            amount = f"{random.randrange(100, 900)}.{random.randrange(100):02}"
            consent = random.choices(("yes", "", "no"), (90, 5, 5))[0]
            people.append([account, f"P-{number}", "王丽", phone, "zh-CN", "", region, "工商银行", consent, "yes"])
            for back, month in enumerate((12, 11, 10)):
                was_due = date(2025, month, due_day)
                paid_on = was_due + timedelta(days=2 if back < lates else -1)
                dues.append([account, was_due, amount, currency, paid_on, amount])
            due_on = date(2026, 1, due_day)
            dues.append([account, due_on, amount, currency, "", ""])
            for at, pay in _payments(random, account, due_on, Decimal(amount)):
                payments[at].append(pay)
    for kind, head, rows in (("accounts", ACCOUNTS_HEAD, people), ("installments", INSTALLMENTS_HEAD, dues)):
        path = scene.file(f"{kind}.csv", head)
        with path.open("a", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows(rows)
        await scene.take(kind, path)
    return payments


def csv_rows() -> list[list[Any]]:
    return []


def _payments(random: Random, account: str, due_on: date, amount: Decimal) -> list[tuple[tuple[date, int], Pay]]:
    """When this account pays, takes back, or not: ((day, hour), what then happens)."""

    def pays(part: Decimal | None, days: int, known_after: int = 0) -> tuple[tuple[date, int], Pay]:
        on = due_on + timedelta(days=days)

        def pay(now: datetime, touched: Any) -> Callable[[Tx], Any]:
            return lambda tx: intake.record_payment(tx, account, due_on, part, on, now, touched)

        return (on + timedelta(days=known_after), random.choice((8, 13, 18))), pay

    def bounces(days: int) -> tuple[tuple[date, int], Pay]:
        def pay(now: datetime, touched: Any) -> Callable[[Tx], Any]:
            return lambda tx: intake.reverse_payment(tx, account, due_on, None, now, touched)

        return (due_on + timedelta(days=days), 19), pay

    how, quarter = random.choice(PAYS), round(amount / 4, 2)
    if how == "before":
        return [pays(None, random.randrange(-4, 0))]
    if how == "promptly":
        return [pays(None, random.randrange(0, 2), random.randrange(0, 2))]
    if how == "later":
        return [pays(None, random.randrange(1, 9), random.randrange(0, 3))]
    if how == "in parts":
        return [pays(quarter, -1), pays(2 * quarter, 1)]
    if how == "bounces":
        return [pays(quarter, -1), pays(None, 0), bounces(1), pays(quarter, 2)]
    return []


def _add_what_is_rare(database: Path) -> None:
    """So that every column has something in it, whatever the seed: what is rare, and what must never happen."""
    with sqlite3.connect(database) as store:
        for change, where in (
            ("cause = 'confirmation'", "disposition = 'delivered' AND attempt_id % 4 = 1"),
            ("disposition = 'sent'", "disposition = 'delivered' AND attempt_id % 3 = 0"),
            ("disposition = 'undelivered'", "disposition = 'delivered' AND attempt_id % 7 = 0"),
            ("state = 'expired', reason = 'launched_late', rule = NULL", "state = 'cancelled' AND attempt_id % 5 = 0"),
            ("window_until = placed_at", "placed_at IS NOT NULL AND attempt_id % 50 = 0"),
            ("outcome = 'wrong_number'", "disposition = 'human' AND attempt_id % 20 = 0"),
            ("outcome = 'disputed'", "disposition = 'human' AND attempt_id % 20 = 1"),
            ("state = 'lost', outcome = NULL", "lost_at IS NOT NULL AND state = 'settled' AND attempt_id % 2 = 1"),
            ("settled_at = lost_at - 1", "lost_at IS NOT NULL AND state = 'settled' AND attempt_id % 2 = 0"),
        ):
            assert store.execute(f"UPDATE attempts SET {change} WHERE {where}").rowcount > 0, where


# --- the figures -------------------------------------------------------------------------------------------------


def test_no_field_is_left_out() -> None:
    """`at` is the clock's, and is looked at below."""
    assert set(Report.model_fields) - {"at"} == set(FIELDS)


@pytest.mark.parametrize("scope", SCOPES)
def test_each_figure_is_that_of_the_exported_lines(month: Month, scope: str) -> None:
    found, counted = month.report(scope), month.recount(scope)
    for name in FIELDS:
        assert alike(found[name]) == alike(counted[name]), name


def alike(value: Any) -> Any:
    """The same value in one form: money and instants as such, minutes without the rounding, empty counts left out."""
    if isinstance(value, dict):
        return {name: _typed(name, one) for name, one in value.items()}
    return [alike(one) for one in value] if isinstance(value, list) else value


def _typed(name: str, value: Any) -> Any:
    if name in ("amount", "spend", "spend_on_messages"):
        return Decimal(value)
    if name == "at" and isinstance(value, str):
        return datetime.fromisoformat(value)
    if name == "minutes" and value is not None:
        return pytest.approx(value, abs=0.01)
    return alike(value)


def test_the_month_has_something_of_everything(month: Month) -> None:
    """Else two empty figures could agree."""
    counted = month.recount("all")
    empty = [f"{name}: {where}" for name in FIELDS for where in zeros(counted[name])]
    assert empty == ["campaign: None", "day: None"]
    assert [one["line"] for one in counted["lines"]] == ["main", "second"]
    assert len(counted["paid_after_contact"]) == 2
    assert len(month.lines) > 500


def zeros(value: Any, at: str = "") -> list[str]:
    """Where in the totals nothing was counted. The parts of a list may be empty, the list may not."""
    if isinstance(value, dict):
        return [where for name, one in value.items() for where in zeros(one, f"{at}{name} ")]
    return [] if value else [f"{at}{value}"]


def test_the_report_is_of_now(month: Month) -> None:
    begun = (month.folder / "dialer.toml").stat().st_mtime
    at = datetime.fromisoformat(month.report("empty")["at"]).timestamp()
    assert begun < at < begun + 600
