"""The alarms: from facts, one fault each; and the facts from what the store holds."""

import re
import shutil
import tomllib
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.contract import Event, Order, Unavailable
from campaigns.model import Channel
from config.settings import LineSettings
from dialer import alarms, operate, sweep
from dialer.alarms import Alarm, Facts, Spend
from dialer.next_hour import MEASURED_LEAST, NextHour, Planned, Route, capacity, routes, usual_call_s
from dialer.report_words import speech
from dialer.store import InlineStore, campaigns, status_rows
from dialer.store import tables as t
from dialer.store.common import UNHALTED, set_flag
from dialer.store.types import EPOCH
from tests.support.phrases import phrases
from tests.support.scene import ALICE, BOB, SETTINGS, SHANGHAI, Scene, account, due, play

NOW = datetime(2026, 1, 14, 2, 0, tzinfo=UTC)
"""10:00 in Shanghai."""


def facts(**changed: Any) -> Facts:
    """A quiet house at 10:00: a daemon that lives, nothing wrong."""
    quiet: dict[str, Any] = {"now": NOW, "zone": SHANGHAI, "currency": "CNY", "heard_at": NOW - timedelta(seconds=50)}
    return Facts(**(quiet | changed))


def ago(**by: float) -> datetime:
    return NOW - timedelta(**by)


def lost(minutes: float, deadline: float = 30) -> alarms.Lost:
    """Lost so many minutes ago, with a deadline so many minutes after that."""
    return alarms.Lost(ago(minutes=minutes), ago(minutes=minutes - deadline))


def over(planned: int, can_place: int) -> NextHour:
    return NextHour(planned=[], routes=[Route(channel="voice", lines=["a", "b"], planned=planned, can_place=can_place)])


def spend(spent: str, least: str = "0.60") -> dict[str, Any]:
    return {"spends": [Spend("main", Decimal(spent), Decimal("50.00"), Decimal(least))]}


@pytest.mark.parametrize(
    ("changed", "name", "text"),
    [
        ({"halted": "outage", "halted_at": ago(hours=1)}, "halted", "halted since 09:00:00: outage"),
        (
            {"restored": alarms.Restored(ago(hours=2), ago(hours=1), 3), "halted": "x", "halted_at": ago(hours=1)},
            "restored",
            "the database was restored at 09:00:00 from a copy of 08:00:00: what happened since is not in it, and "
            "nothing is placed; providers are still to be asked about 3 attempts",
        ),
        (
            {"restored": alarms.Restored(ago(hours=2), ago(hours=1), None), "halted": "x", "halted_at": ago(hours=1)},
            "restored",
            "the providers were asked about all that may have been placed",
        ),
        (
            {"restored": alarms.Restored(EPOCH, ago(hours=1), None), "halted": "x", "halted_at": ago(hours=1)},
            "restored",
            "a new database was found at 09:00:00 in another's place: whom that one called is not in it",
        ),
        ({"outside": 1}, "placed_outside_window", "1 attempt is placed outside"),
        (
            {"next_due_at": ago(seconds=1), "heard_at": ago(minutes=3)},
            "daemon_silent",
            "no daemon has reported since 09:57:00, and something is due",
        ),
        (
            {"next_due_at": NOW + timedelta(hours=13), "heard_at": None},
            "daemon_silent",
            "no daemon has ever reported, and something is planned for 23:00:00",
        ),
        ({"waiting": 3}, "nothing_placed", "3 attempts are due inside their window for 5 minutes"),
        ({"paused": [("main", NOW + timedelta(minutes=1))]}, "line_paused", "is paused by its breaker until 10:01:00"),
        (spend("49.41"), "spend_limit_reached", "has spent 49.41 of its 50.00 CNY for today: it places nothing more"),
        (spend("45.00"), "spend_limit_near", "has spent 45.00 of its 50.00 CNY for today"),
        ({"lost": [lost(31)]}, "lost_too_long", "1 attempt is lost beyond the deadline, the first since"),
        ({"lost": [lost(29)]}, "attempts_lost", "1 attempt is lost"),
        ({"lost": [lost(45, 120)]}, "attempts_lost", "1 attempt is lost"),
        ({"disk_free": 999_999_999}, "disk_nearly_full", "1,000 MB are left"),
        ({"hour": over(7201, 7200)}, "hour_overbooked", "7,201 calls are planned for the next hour over a and b"),
        ({"unplanned": ["monthly"]}, "not_planned_today", "not planned today: monthly"),
        (
            {"apart": [("main", "outage"), ("a",), ("b",)]},
            "workers_apart",
            "workers go by other settings or packs: a; b than main, outage",
        ),
        ({"old_tasks": 2, "oldest_task_at": ago(days=3)}, "tasks_waiting", "2 tasks are open for more than 2 days"),
    ],
)  # fmt: skip
def test_each_fault_raises_its_own_alarm_and_no_other(changed: dict[str, Any], name: str, text: str) -> None:
    (alarm,) = alarms.of(facts(**changed))
    assert alarm.name == name
    assert text in alarm.text
    assert alarm.hint
    (chinese,) = alarms.of(facts(**changed), "zh-CN")
    assert (chinese.name, chinese.severity) == (name, alarm.severity)
    assert set(re.findall(r"[A-Za-z_]+", chinese.text + chinese.hint)) <= NAMES
    assert set(re.findall(r"\d[\d:,.]*", chinese.text)) >= set(re.findall(r"\d[\d:,.]*\d", alarm.text))


NAMES = {"dialer", "halt", "unhalt", "run", "spend_max_per_day", "CNY", "MB", "main", "a", "b", "monthly", "outage"}
"""What stands in any language: commands, settings, lines, campaigns."""


def test_every_phrase_of_the_alarms_is_there_in_chinese_and_none_is_idle() -> None:
    said, texts = phrases(Path(alarms.__file__))
    own = tomllib.loads((files("dialer") / "templates" / "alarms.zh.toml").read_text("utf-8"))
    assert len(said) > 25
    assert said - set(speech("zh", "alarms.zh.toml").words) == set()
    assert set(own) - texts == set()


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"heard_at": None, "next_due_at": None},
        {"heard_at": ago(days=9), "next_due_at": NOW + timedelta(hours=14)},  # tomorrow, lender time
        {"heard_at": ago(seconds=179), "next_due_at": ago(hours=1)},
        spend("44.99"),
        spend("0"),
        {"disk_free": 1_000_000_000},
        {"disk_free": None},
        {"hour": over(7200, 7200)},
    ],
)
def test_what_is_as_it_should_be_raises_nothing(changed: dict[str, Any]) -> None:
    assert alarms.of(facts(**changed)) == []


def names(found: list[Alarm]) -> list[str]:
    return [alarm.name for alarm in found]


def test_one_cause_gives_one_alarm() -> None:
    assert names(alarms.of(facts(waiting=3, heard_at=None, next_due_at=ago(hours=1)))) == ["daemon_silent"]
    assert names(alarms.of(facts(waiting=3, halted="x", halted_at=NOW))) == ["halted"]


def test_errors_come_before_warnings() -> None:
    found = alarms.of(facts(old_tasks=1, oldest_task_at=ago(days=3), lost=[lost(1)], disk_free=0, waiting=1))
    assert names(found) == ["nothing_placed", "disk_nearly_full", "attempts_lost", "tasks_waiting"]
    assert [alarm.severity for alarm in found] == ["error", "error", "warning", "warning"]


# --- what the lines can place ------------------------------------------------------------------------------------


def line(**changed: Any) -> LineSettings:
    given = {"adapter": "mock", "channels": ["voice", "sms"], "callers": ["+864001234567"], "allow_countries": ["CN"]}
    limits = {"calls_per_second": 2, "calls_at_once": 10, "messages_per_second": 5}
    return LineSettings.model_validate(given | limits | changed)


@pytest.mark.parametrize(
    ("changed", "call_s", "rests_s", "expected"),
    [
        ({}, None, 0, 7200),
        ({}, 1.0, 0, 7200),
        ({}, 50.0, 0, 720),  # ten calls at once of 50 s: 0.2 a second
        ({}, None, 900, 5400),
        ({}, None, 3600, 0),
        ({}, None, 9999, 0),
        ({"hours": [["10:30", "18:00"]]}, None, 0, 3600),
        ({"hours": [["09:00", "10:15"], ["10:45", "18:00"]]}, None, 0, 3600),
        ({"hours": [["09:00", "10:15"]]}, None, 900, 0),
        ({"hours": [["11:00", "18:00"]]}, None, 0, 0),
    ],
)
def test_a_line_places_by_its_rate_its_calls_at_once_its_hours_and_its_rest(
    changed: dict[str, Any], call_s: float | None, rests_s: float, expected: int
) -> None:
    rests_until = NOW + timedelta(seconds=rests_s)
    assert capacity(line(**changed), Channel.VOICE, NOW, SHANGHAI, rests_until, call_s) == expected


def test_messages_have_a_rate_of_their_own_and_no_calls_at_once() -> None:
    assert capacity(line(), Channel.SMS, NOW, SHANGHAI, None, 50.0) == 18_000


def test_an_hour_over_midnight_has_both_days_hours() -> None:
    late = datetime(2026, 1, 14, 15, 30, tzinfo=UTC)  # 23:30 in Shanghai
    hours = [["00:00", "00:10"], ["23:00", "23:40"]]
    assert capacity(line(hours=hours), Channel.VOICE, late, SHANGHAI, None, None) == 2 * 20 * 60


@given(st.integers(0, 24 * 60 - 1), st.integers(1, 60), st.integers(-60, 24 * 60))
def test_the_hour_in_which_clocks_change_counts_what_it_lasts(opens: int, minutes: int, shift: int) -> None:
    """Clocks in New York go forward on 8 March 2026: minute by minute gives the same."""
    zone = ZoneInfo("America/New_York")
    now = datetime(2026, 3, 8, 5, 0, tzinfo=UTC) + timedelta(minutes=shift)
    begins, ends = opens, min(opens + minutes, 24 * 60 - 1)
    if begins >= ends:
        return
    window = (time(begins // 60, begins % 60), time(ends // 60, ends % 60))
    settings = line(calls_per_second=1).model_copy(update={"hours": (window,)})
    inside = [
        minute
        for minute in range(60)
        if window[0] <= (now + timedelta(minutes=minute)).astimezone(zone).time().replace(tzinfo=None) < window[1]
    ]
    assert capacity(settings, Channel.VOICE, now, zone, None, None) == 60 * len(inside)


def test_campaigns_that_share_lines_are_held_against_them_together() -> None:
    def plan(name: str, names: list[str], count: int, channel: str = "voice") -> Planned:
        return Planned(campaign=name, channel=channel, lines=names, due_now=0, by_step=[count, 0, 0, 0, 0, 0])

    planned = [plan("x", ["a"], 10), plan("y", ["b", "a"], 20), plan("z", ["a", "b"], 40), plan("m", ["a"], 7, "sms")]
    able = {("a", Channel.VOICE): 100, ("b", Channel.VOICE): 200, ("a", Channel.SMS): 5}
    found = {(route.channel, *sorted(route.lines)): (route.planned, route.can_place, route.is_over)
             for route in routes(planned, able)}  # fmt: skip
    # What may go over `a` alone also stands in the way of what may go over both.
    assert found == {
        ("voice", "a"): (10, 100, False),
        ("voice", "a", "b"): (70, 300, False),
        ("sms", "a"): (7, 5, True),
    }


def test_the_usual_length_of_a_call_is_taken_from_enough_calls_only() -> None:
    assert usual_call_s([40.0] * (MEASURED_LEAST - 1)) is None
    assert usual_call_s([30.0, 50.0] * MEASURED_LEAST) == 40.0


# --- facts from the store ----------------------------------------------------------------------------------------


def raised(scene: Scene) -> list[str]:
    store = scene.house.store
    assert isinstance(store, InlineStore)
    return names(store.run(lambda tx: alarms.build(tx, scene.house)))


@pytest.fixture(autouse=True)
def large_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10**12))


async def one_round(scene: Scene, number: int = 1, phone: str = ALICE) -> datetime:
    """A launched campaign with one account; the slot of its first round."""
    await scene.load(account(number, phone), due(number, "2026-01-15"))
    await scene.launch()
    slot: datetime = scene.rows(round=1)[0].planned_for
    return slot


def test_without_a_daemon_the_days_first_attempt_raises_the_alarm(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        slot = await one_round(scene)
        assert raised(scene) == []
        await scene.until("2026-01-14 00:10")
        assert raised(scene) == ["daemon_silent"]
        await scene.clock.sleep_until(slot + timedelta(minutes=6))
        # It is past 00:30, too: nobody planned.
        assert raised(scene) == ["daemon_silent", "not_planned_today"]
        await operate.set_status(scene.house, "test", "paused")
        assert raised(scene) == ["not_planned_today"]
        await operate.set_status(scene.house, "test", "cancelled")
        assert raised(scene) == []

    play(tmp_path, "2026-01-12 08:00", act)


def test_a_daemon_that_lives_but_does_not_place_raises_what_the_log_says_too(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        slot = await one_round(scene, 2, BOB)
        await scene.worker.open()
        await scene.clock.sleep_until(slot + timedelta(minutes=6))
        await sweep.daily(scene.house)
        await scene.worker.report_lines()
        assert raised(scene) == ["nothing_placed"]
        assert await sweep.standstill(scene.house, None, slot - timedelta(hours=1)) == 1
        await operate.halt(scene.house, "wait")
        assert raised(scene) == ["halted"]

    play(tmp_path, "2026-01-12 08:00", act)


def test_what_was_resumed_just_now_could_not_be_placed_before(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        slot = await one_round(scene, 2, BOB)
        await scene.worker.open()
        await operate.set_status(scene.house, "test", "paused")
        await scene.clock.sleep_until(slot + timedelta(minutes=6))
        await sweep.daily(scene.house)
        await operate.set_status(scene.house, "test", "active")
        await scene.worker.report_lines()
        assert raised(scene) == []
        await scene.clock.sleep_until(slot + timedelta(minutes=11, seconds=1))
        await scene.worker.report_lines()
        assert raised(scene) == ["nothing_placed"]

    play(tmp_path, "2026-01-12 08:00", act)


def test_what_was_halted_until_just_now_could_not_be_placed_before(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        slot = await one_round(scene, 2, BOB)
        await scene.worker.open()
        await operate.halt(scene.house, "looking into it")
        await scene.clock.sleep_until(slot + timedelta(minutes=6))
        await sweep.daily(scene.house)
        await operate.unhalt(scene.house)
        await scene.worker.report_lines()
        assert raised(scene) == []
        assert await sweep.standstill(scene.house, None, slot - timedelta(hours=1)) == 0
        await scene.clock.sleep_until(slot + timedelta(minutes=11, seconds=1))
        await scene.worker.report_lines()
        assert raised(scene) == ["nothing_placed"]
        assert await sweep.standstill(scene.house, None, slot - timedelta(hours=1)) == 1
        # By a clock that was ahead.
        await scene.house.store.write(lambda tx: set_flag(tx, UNHALTED, "halt", slot + timedelta(hours=1)))
        assert raised(scene) == ["nothing_placed"]

    play(tmp_path, "2026-01-12 08:00", act)


def test_what_a_clock_that_was_ahead_wrote_silences_nothing(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        slot = await one_round(scene, 2, BOB)
        await scene.worker.open()
        await scene.clock.sleep_until(slot + timedelta(minutes=6))
        await sweep.daily(scene.house)
        await scene.worker.report_lines()
        ahead, long_ago, store = slot + timedelta(hours=1), slot - timedelta(hours=1), scene.house.store
        await store.write(lambda tx: campaigns.set_status(tx, "test", "active", ahead))
        assert raised(scene) == ["nothing_placed"]
        assert await sweep.standstill(scene.house, ahead, long_ago) == 1
        assert await sweep.standstill(scene.house, None, ahead) == 1
        assert isinstance(store, InlineStore)
        placed = t.attempts.update().where(t.attempts.c.round == 1).values(line="main", placed_at=ahead)
        store.run(lambda tx: tx.execute(placed))
        assert raised(scene) == ["nothing_placed"]

    play(tmp_path, "2026-01-12 08:00", act)


def test_what_waits_is_no_alarm_while_something_was_placed_within_5_minutes(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        slot = await one_round(scene, 2, BOB)
        await scene.start()
        await scene.clock.sleep_until(slot + timedelta(seconds=1))
        scene.worker.stop()
        await sweep.daily(scene.house)
        placed_at = scene.rows(round=1)[0].placed_at
        store = scene.house.store
        assert isinstance(store, InlineStore)
        waiting = {"state": "planned", "due_at": slot - timedelta(hours=1), "valid_until": slot + timedelta(hours=1)}
        store.run(lambda tx: tx.execute(t.attempts.update().where(t.attempts.c.round == 2).values(waiting)))
        await scene.clock.sleep_until(placed_at + timedelta(minutes=4, seconds=59))
        await scene.worker.report_lines()
        assert raised(scene) == []
        await scene.clock.sleep_until(placed_at + timedelta(minutes=5, seconds=1))
        assert raised(scene) == ["nothing_placed"]

    play(tmp_path, "2026-01-12 08:00", act)


def test_an_attempt_becomes_due_in_one_step_only(tmp_path: Path) -> None:
    """The instant between two steps belongs to the earlier one, and what is due now to none."""

    async def act(scene: Scene) -> None:
        slot = await one_round(scene)
        row = scene.rows(round=1)[0]
        queue, second = (row.campaign_id, row.channel, row.priority), timedelta(seconds=1)
        store = scene.house.store
        assert isinstance(store, InlineStore)
        assert store.run(lambda tx: status_rows.due_between(tx, queue, slot - second, slot)) == 1
        assert store.run(lambda tx: status_rows.due_between(tx, queue, slot, slot + second)) == 0

    play(tmp_path, "2026-01-12 08:00", act)


def test_what_is_placed_and_settled_raises_nothing(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        slot = await one_round(scene)
        await scene.start()
        await scene.until("2026-01-14 00:05")
        await sweep.daily(scene.house)
        await scene.clock.sleep_until(slot + timedelta(minutes=2))
        assert scene.rows(state="settled")
        assert raised(scene) == []

    play(tmp_path, "2026-01-12 08:00", act)


def test_a_lost_call_is_a_warning_and_after_its_deadline_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(order: Order) -> list[Event]:
        raise Unavailable("nobody answers questions today")

    async def act(scene: Scene) -> None:
        monkeypatch.setattr(scene.mock, "find", away)
        scene.mock.on(ALICE).never_reports()
        slot = await one_round(scene)
        await scene.start()
        await scene.clock.sleep_until(slot + timedelta(minutes=5))
        scene.worker.stop()  # nobody settles it
        await sweep.daily(scene.house)
        store = scene.house.store
        assert isinstance(store, InlineStore)
        store.run(lambda tx: tx.execute(t.attempts.update().where(t.attempts.c.state == "placed").values(
            state="lost", lost_at=scene.clock.now())))  # fmt: skip
        assert raised(scene) == ["attempts_lost"]
        await scene.clock.sleep_until(slot + timedelta(minutes=36))
        assert raised(scene) == ["lost_too_long"]

    play(tmp_path, "2026-01-12 08:00", act)


def test_a_line_whose_breaker_opened_is_known_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(scene: Scene) -> None:
        await scene.start()
        await scene.clock.sleep_until(NOW)
        assert raised(scene) == []
        breaker, now = scene.worker.lines.by_name["main"].breaker, scene.clock.now()
        for attempt_id in range(20):
            breaker.heard(attempt_id, failed=True, now=now)
        scene.worker.wake.set()
        await scene.clock.sleep_until(NOW + timedelta(seconds=1))
        assert raised(scene) == ["line_paused"]

    play(tmp_path, "2026-01-14 09:59", act)


def test_a_line_that_was_taken_out_of_the_settings_raises_nothing(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.start()
        await scene.clock.sleep_until(NOW)
        store = scene.house.store
        assert isinstance(store, InlineStore)
        gone = {"line": "gone", "breaker": "open", "breaker_until": NOW, "next_voice_at": NOW, "next_sms_at": NOW}
        store.run(lambda tx: tx.execute(t.lines.insert().values(gone)))
        assert raised(scene) == []

    play(tmp_path, "2026-01-14 09:59", act)


def test_spend_is_todays_and_the_limit_is_reached_when_no_attempt_fits_any_more(tmp_path: Path) -> None:
    """A call reserves five minutes at 0.12; a message 0.05 is the cheapest attempt."""

    async def act(scene: Scene) -> None:
        store = scene.house.store
        assert isinstance(store, InlineStore)
        for amount, expected in (("0.80", []), ("0.90", ["spend_limit_near"]), ("0.96", ["spend_limit_reached"])):
            row = {"line": "main", "day": scene.house.today(scene.clock.now()), "amount": Decimal(amount)}
            store.run(lambda tx: tx.execute(t.spend.delete()))
            store.run(partial(lambda row, tx: tx.execute(t.spend.insert(), row), row))
            assert raised(scene) == expected
        await scene.until("2026-01-13 00:01")
        assert raised(scene) == []

    play(tmp_path, "2026-01-12 08:00", act, SETTINGS.replace("[transfers]", 'spend_max_per_day = "1.00"\n[transfers]'))


def test_more_than_the_line_can_place_in_an_hour_is_told(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        people = range(1, 61)
        await scene.load(
            "".join(account(number, f"+86138001380{number:02}") for number in people),
            "".join(due(number, "2026-01-15") for number in people),
        )
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-14 00:05")
        await sweep.daily(scene.house)
        await scene.until("2026-01-14 09:29")
        await scene.worker.report_lines()
        assert raised(scene) == ["hour_overbooked"]

    # 7 calls an hour, for sixty in two hours.
    play(tmp_path, "2026-01-12 08:00", act, SETTINGS.replace("calls_per_second = 20", "calls_per_second = 0.002"))


def test_a_placement_outside_its_window_is_told_for_a_day(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        slot = await one_round(scene)
        await scene.start()
        await scene.until("2026-01-14 12:00")
        scene.worker.stop()
        await sweep.daily(scene.house)
        assert raised(scene) == []
        store = scene.house.store
        assert isinstance(store, InlineStore)
        store.run(
            lambda tx: tx.execute(
                t.attempts.update().where(t.attempts.c.round == 1).values(window_from=slot, window_until=slot)
            )
        )
        assert raised(scene) == ["placed_outside_window"]
        assert names(store.run(lambda tx: alarms.build(tx, scene.house, outside=0))) == []
        await scene.clock.sleep_until(slot + timedelta(hours=25))
        await sweep.daily(scene.house)
        assert "placed_outside_window" not in raised(scene)

    play(tmp_path, "2026-01-12 08:00", act)


def test_a_task_that_waits_for_two_days_is_told_until_it_is_done(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(BOB).invalid_number()
        await one_round(scene, 2, BOB)
        await scene.start()
        await scene.until("2026-01-16 09:00")
        await sweep.daily(scene.house)
        (task,) = scene.rows("tasks")
        assert raised(scene) == []
        await scene.clock.sleep_until(task.opened_at + timedelta(days=2, seconds=1))
        await sweep.daily(scene.house)
        assert raised(scene) == ["tasks_waiting"]
        store = scene.house.store
        assert isinstance(store, InlineStore)
        store.run(lambda tx: tx.execute(t.tasks.update().values(done_at=scene.clock.now())))
        assert raised(scene) == []

    play(tmp_path, "2026-01-12 08:00", act)


def test_a_disk_that_is_nearly_full_is_told_and_one_that_cant_be_asked_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def nearly_full(path: Path) -> Any:
        asked.append(path)
        return SimpleNamespace(free=10**8)

    def gone(path: Path) -> Any:
        raise FileNotFoundError(path)

    async def act(scene: Scene) -> None:
        monkeypatch.setattr(shutil, "disk_usage", nearly_full)
        assert raised(scene) == ["disk_nearly_full"]
        assert asked == [tmp_path]
        monkeypatch.setattr(shutil, "disk_usage", gone)
        assert raised(scene) == []

    play(tmp_path, "2026-01-12 08:00", act)
