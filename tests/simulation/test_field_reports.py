"""What the users of other dialers reported (../shared/field.md), each as a test of ours."""

import asyncio
import csv
import json
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from adapters.contract import Event, EventKind, Refused, Unavailable
from adapters.mock import ADAPTER
from dialer import export, operate, sweep
from dialer.clock import SystemClock
from dialer.news import of_event
from dialer.worker import Fitted, Worker
from tests.support.command import run
from tests.support.scene import (
    ACCOUNTS_HEAD,
    ALICE,
    BOB,
    CAMPAIGN,
    INSTALLMENTS_HEAD,
    SETTINGS,
    SHANGHAI,
    Scene,
    account,
    due,
    play,
)

TEN = "".join(account(n, f"+86138001381{n:02d}") for n in range(10))
TEN_DUE = "".join(due(n, "2026-01-15") for n in range(10))
MORNING = 'days = [-1]\nbetween = [["09:30", "11:30"]]\nchannel = "voice"\nscript = "reminder"\n'
"""The first round of segment A."""


def campaign(first: str = MORNING, then: str = "") -> str:
    """The campaign with another first round of segment A, and something that follows it."""
    return CAMPAIGN.replace(MORNING, first + then, 1)


def local(at: datetime, zone: ZoneInfo = SHANGHAI) -> str:
    return f"{at.astimezone(zone):%m-%d %H:%M}"


async def crash(scene: Scene, name: str) -> None:
    """The worker's process is gone between any two awaits; another one takes its place, at the same carrier."""
    old = scene.worker
    tasks = {scene._running, *old._tasks, *old.dialer._placing, old.inbox._running} - {None}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    scene.worker = Worker(scene.house, {"mock": Fitted(scene.mock, ADAPTER)}, name, poll=timedelta(hours=1))
    await scene.start()


def test_report_01_a_crash_at_the_end_of_the_window_calls_nobody_again(tmp_path: Path) -> None:
    """Surveda 2369: a crash at the end of the window, and 96 attempts to one contact."""

    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).rings_out()
        scene.mock.on(BOB).loses_answer()
        await scene.load(account(1, ALICE) + account(2, BOB), due(1, "2026-01-15") + due(2, "2026-01-15"))
        await scene.launch()
        await scene.start()
        for number in range(96):
            await scene.clock.sleep_until(scene.clock.now() + timedelta(seconds=0.7))
            await crash(scene, f"worker-{number}")
        await scene.until("2026-01-14 13:00")
        await sweep.expire(scene.house)
        assert len(scene.mock.calls_to(ALICE)) == len(scene.mock.calls_to(BOB)) == 1
        assert [(row.state, row[10]) for row in scene.rows(round=1)] == [("settled", 1), ("settled", 1)]
        assert scene.rows("live_calls") == []

    play(tmp_path, "2026-01-14 11:28:30", act)


def test_report_02_waiting_for_room_on_the_line_uses_up_no_attempt(tmp_path: Path) -> None:
    """Surveda 1619: the time-out ran from queueing, contacts were used up without a ring."""

    async def act(scene: Scene) -> None:
        await scene.load(TEN, TEN_DUE)
        await scene.launch(campaign())
        await scene.until("2026-01-14 11:20")  # every slot has passed: all ten wait for the one call at a time
        await scene.start()
        await scene.until("2026-01-14 13:00")
        rows = sorted(scene.rows(round=1), key=lambda row: row.placed_at)
        assert [(row.state, row.disposition, row[10]) for row in rows] == [("settled", "no_answer", 1)] * 10
        waits = [row.placed_at - scene.clock.now().replace(hour=3, minute=20) for row in rows]
        assert waits[-1] >= 9 * timedelta(seconds=30)
        for row in rows:
            assert timedelta(seconds=30) <= row.ended_at - row.placed_at < timedelta(seconds=40)

    play(tmp_path, "2026-01-12 08:00", act, SETTINGS.replace("calls_at_once = 200", "calls_at_once = 1"))


@pytest.mark.parametrize(
    ("next_round", "state", "placed"),
    [("14:00", "settled", "01-15 09:00"), ("09:00", "expired", None)],
)
def test_report_03_a_retry_after_hours_takes_the_next_opening(
    tmp_path: Path, next_round: str, state: str, placed: str | None
) -> None:
    """Surveda 780: a retry that falls after hours must become the next day's opening; or, where the account's next
    round begins then, end with its reason."""
    retry = 'retry = { on = ["no_answer"], after = "4h", max = 1 }\n'
    text = campaign(MORNING.replace('["09:30", "11:30"]', '["16:30", "17:30"]'), retry)
    text = text.replace('["14:00", "15:00"]', f'["{next_round}", "15:00"]', 1)

    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).rings_out()
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch(text)
        await scene.start()
        await scene.until("2026-01-15 13:00")
        first, retried = sorted(scene.rows(round=1), key=lambda row: row.attempt_id)
        assert local(first.ended_at) > "01-14 16:30"  # four hours later nobody may be called any more
        assert (retried.cause, retried.state) == ("retry", state)
        assert retried.reason == (None if placed else "window_closed")
        assert (local(retried.placed_at) if retried.placed_at else None) == placed

    play(tmp_path, "2026-01-12 08:00", act)


def test_report_04_no_retry_is_queued_before_the_first_call_is_over(tmp_path: Path) -> None:
    """Surveda 672: a retry was queued before the first call was dialed."""
    text = campaign(then='retry = { on = ["busy"], after = "2h", max = 1 }\n')

    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).busy()
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch(text)
        await scene.start()
        seen = set()
        while scene.clock.now() < datetime(2026, 1, 14, 12, tzinfo=SHANGHAI):
            await scene.clock.sleep_until(scene.clock.now() + timedelta(seconds=30 if scene.mock.placements else 300))
            rows = scene.rows(round=1)
            seen.add((rows[0].state, len(rows)))
        assert ("planned", 1) in seen
        assert {count for state, count in seen if state != "settled"} == {1}
        first, second = scene.rows(round=1)
        assert second.planned_for == first.ended_at + timedelta(hours=2)

    play(tmp_path, "2026-01-12 08:00", act)


def test_report_05_no_zone_and_no_clock_change_moves_a_call_to_another_day(tmp_path: Path) -> None:
    """Verboice 247 and 288: a zone error queued calls a day late, a retry skipped the open window."""
    new_york = ZoneInfo("America/New_York")
    settings = SETTINGS.replace('allow_countries = ["CN"]', 'allow_countries = ["CN", "US"]')
    person = "L-1,P-1,Ann,+12125550123,en,America/New_York,US-NY,Bank 1,yes,yes\n"
    text = campaign(then='retry = { on = ["no_answer"], after = "2h", max = 1 }\n').replace("[15, 30]", "[9]")
    text = text.replace('= "{name}', '= "{lender}{lender_phone}{name}')  # who calls is said: the law of the place

    async def act(scene: Scene) -> None:
        await scene.load(person, due(1, "2026-03-09"))  # in the night before the 8th the clocks go forward
        await scene.launch(text)
        rows = scene.rows()
        assert [row.state for row in rows] == ["planned", "planned"]
        assert [local(row.planned_for, new_york)[:5] for row in rows] == ["03-08", "03-09"]
        for row, opens, closes in zip(rows, ("09:30", "14:00"), ("11:30", "15:00"), strict=True):
            assert opens <= local(row.planned_for, new_york)[6:] < closes
        await scene.start()
        await scene.until("2026-03-11 08:00")
        for row in scene.rows():
            if row.placed_at:
                assert row.window_from <= row.placed_at < row.window_until
        first, second = scene.rows(round=1)
        assert local(second.placed_at, new_york)[:5] == local(first.placed_at, new_york)[:5] == "03-08"

    play(tmp_path, "2026-03-06 08:00", act, settings)


def test_report_06_a_limit_of_one_call_at_a_time_leaves_nothing_queued(tmp_path: Path) -> None:
    """Mailroom 300: a concurrency limit left calls queued for ever. Also where a call never reports its end."""

    async def act(scene: Scene) -> None:
        scene.mock.on("+8613800138103").answers().never_reports()
        scene.worker.poll = timedelta(minutes=1)  # how often the worker looks who has been silent for too long
        await scene.load(TEN, TEN_DUE)
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-16 08:00")
        await sweep.expire(scene.house)
        assert {row.state for row in scene.rows()} == {"settled"}
        assert len(scene.mock.placements) == 20
        assert scene.rows("live_calls") == []

    play(tmp_path, "2026-01-12 08:00", act, SETTINGS.replace("calls_at_once = 200", "calls_at_once = 1"))


def test_report_07_one_retry_is_one_whatever_the_causes(tmp_path: Path) -> None:
    """Whispey 494: at most one retry made three, because there was a budget for each code."""
    text = campaign(then='retry = { on = ["busy", "no_answer", "phone_off", "machine"], after = "2h", max = 1 }\n')

    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).busy().then().rings_out().then().phone_off().then().machine()
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch(text)
        await scene.start()
        await scene.until("2026-01-15 13:30")
        assert [row.disposition for row in scene.rows(round=1)] == ["busy", "no_answer"]
        assert len(scene.mock.calls_to(ALICE)) == 2

    play(tmp_path, "2026-01-12 08:00", act)


def test_report_08_schedule_and_retry_stand_in_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bolna 511: no schedule and no retry, users built cron around it. `plan` shows the one, `check` both."""
    monkeypatch.chdir(tmp_path)
    retry = 'retry = { on = ["busy"], after = "2h", max = 1 }\n'
    for name, text in (
        ("dialer.toml", SETTINGS),
        ("c.toml", campaign(then=retry)),
        ("wrong.toml", campaign(then=retry.replace("max", "times"))),
        ("a.csv", ACCOUNTS_HEAD + account(1, ALICE)),
        ("i.csv", INSTALLMENTS_HEAD + due(1, "2026-01-15")),
    ):
        Path(name).write_text(text, encoding="utf-8")
    days = ("--from", "2026-01-12", "--to", "2026-01-20")
    done = run(capsys, "plan", "c.toml", "--accounts", "a.csv", "--installments", "i.csv", *days, "--csv", "p.csv")
    assert done.code == 0, done.err
    with Path("p.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [(row["round"], row["slot_at"][:10], row["window_from"][11:16]) for row in rows] == [
        ("1", "2026-01-14", "09:30"), ("2", "2026-01-15", "14:00"),
    ]  # fmt: skip
    assert run(capsys, "check", "c.toml").code == 0
    refused = run(capsys, "check", "wrong.toml")
    assert refused.code == 2
    assert "segment[1].rounds[1].retry.times: is not known" in refused.err


@pytest.mark.parametrize("how", ["declines", "machine"])
def test_report_09_declined_calls_and_machines_are_followed_up(tmp_path: Path, how: str) -> None:
    """Dograh 777: rejected and voicemail calls were not detected, so the redial never ran."""
    on = 'otherwise = { on = ["declined", "machine"], channel = "sms", message = "missed", after = "10m" }\n'

    async def act(scene: Scene) -> None:
        getattr(scene.mock.on(ALICE), how)()
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch(campaign(then=on))
        await scene.start()
        await scene.until("2026-01-14 13:00")
        call, message = scene.rows(round=1)
        assert call.disposition == {"declines": "declined", "machine": "machine"}[how]
        assert (message.channel, message.cause, message.state) == ("sms", "otherwise", "settled")
        assert len(scene.mock.messages_to(ALICE)) == 1

    play(tmp_path, "2026-01-12 08:00", act)


def test_report_10_machines_codes_and_rejections_are_known(tmp_path: Path) -> None:
    """LiveKit 403, 295, 481: no voicemail detection, no SIP code in events, rate rejections reported late."""

    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).machine()
        scene.mock.on(BOB).fails(Unavailable("rate", retry_after_s=30)).then().fails(Refused("declined", "603"))
        await scene.load(account(1, ALICE) + account(2, BOB), due(1, "2026-01-15") + due(2, "2026-01-15"))
        await scene.launch()
        bobs = next(row for row in scene.rows(round=1) if row.phone == BOB)
        await scene.start()
        await scene.clock.sleep_until(bobs.planned_for + timedelta(seconds=2))
        (rejected,) = scene.rows(attempt_id=bobs.attempt_id)
        assert (rejected.state, rejected.returns) == ("planned", 1)  # known at once, and nothing was used up
        assert scene.worker.lines.by_name["main"].held_until >= bobs.planned_for + timedelta(seconds=30)
        await scene.until("2026-01-14 13:00")
        file = tmp_path / "a.jsonl"
        await scene.house.store.read(lambda tx: export.write_jsonl(tx, file, currency="CNY"))
        told = {row["attempt_id"]: row for row in map(json.loads, file.read_text().splitlines())}
        (bob,) = (row for row in told.values() if row["attempt_id"] in (bobs.attempt_id, str(bobs.attempt_id)))
        assert bob["disposition"] == "declined"
        assert any(event.get("code") == "603" for event in bob["events"]), bob["events"]
        assert "machine" in {row["disposition"] for row in told.values()}

    play(tmp_path, "2026-01-12 08:00", act)


def test_report_11_who_declined_is_not_rung_again_over_another_line(tmp_path: Path) -> None:
    """Jambonz 198: failing over to another gateway re-rang someone who had just declined."""
    begin, end = SETTINGS.index("[lines.main]"), SETTINGS.index("[transfers]")
    second = SETTINGS[begin:end].replace("lines.main", "lines.second")
    text = CAMPAIGN.replace('voice = ["main"]', 'voice = ["main", "second"]')

    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).declines()
        bob = scene.mock.on(BOB).fails(Refused("declined", "603"))
        await scene.load(account(1, ALICE) + account(2, BOB), due(1, "2026-01-15") + due(2, "2026-01-15"))
        await scene.launch(text)
        await scene.start()
        await scene.until("2026-01-15 13:30")
        assert [(row.disposition, row.round) for row in scene.rows() if row.state == "settled"] == [("declined", 1)] * 2
        assert len(scene.mock.calls_to(ALICE)) == 1
        assert bob.asked == 1

    play(tmp_path, "2026-01-12 08:00", act, SETTINGS[:end] + second + SETTINGS[end:])


def test_report_12_do_not_call_is_told_and_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Newfies 37: nobody could tell who is on the do-not-call list and why."""
    monkeypatch.chdir(tmp_path)
    soon = SystemClock().now().date() + timedelta(days=2)
    Path("dialer.toml").write_text(SETTINGS, encoding="utf-8")
    Path("c.toml").write_text(CAMPAIGN.replace("[15, 30]", f"[{soon.day}]"), encoding="utf-8")
    Path("a.csv").write_text(ACCOUNTS_HEAD + account(1, ALICE), encoding="utf-8")
    Path("i.csv").write_text(INSTALLMENTS_HEAD + due(1, str(soon)), encoding="utf-8")
    for words in (
        "import accounts a.csv",
        "import installments i.csv",
        "launch c.toml",
        f"suppress {ALICE} --reason asked",
    ):
        assert run(capsys, *words.split()).code == 0
    told = run(capsys, "explain", "L-1", "--language", "en").out
    assert "suppressed" in told
    assert "asked" in told
    attempts = run(capsys, "attempts", "--csv", "-").out
    assert {row["reason"] for row in csv.DictReader(attempts.lstrip("\ufeff").splitlines())} == {"opted_out"}


def test_report_12_inactive_people_are_not_called_and_intervals_are_exact(tmp_path: Path) -> None:
    """Newfies 21, 14, 29: inactive contacts were called, the retry's interval was wrong, dispositions were lost."""
    text = campaign(then='retry = { on = ["busy"], after = "90m", max = 2 }\n')

    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).busy()
        await scene.load(account(1, ALICE) + account(2, BOB), due(1, "2026-01-15") + due(2, "2026-01-15"))
        await scene.launch(text)
        scene.paid(2, "2026-01-15")
        await scene.start()
        await scene.until("2026-01-15 08:00")
        assert scene.mock.calls_to(BOB) == []
        rows = scene.rows(round=1, person_id="P-1")
        assert [row.disposition for row in rows] == ["busy"] * 3
        assert all(b.planned_for - a.ended_at == timedelta(minutes=90) for a, b in pairwise(rows))
        assert all(timedelta(0) <= row.placed_at - row.planned_for < timedelta(seconds=2) for row in rows[1:])
        await operate.set_status(scene.house, "test", "cancelled")
        assert [row.disposition for row in scene.rows(round=1, person_id="P-1")] == ["busy"] * 3

    play(tmp_path, "2026-01-12 08:00", act)


def test_report_13_caps_hold_and_a_machine_is_nobody_reached(tmp_path: Path) -> None:
    """GoAlert 1084: 16 calls an hour were a carrier's spam. 921: `completed` can be voicemail."""
    windows = ", ".join(f'["{hour:02d}:00", "{hour:02d}:50"]' for hour in range(9, 19))
    text = campaign(MORNING.replace('["09:30", "11:30"]', windows))

    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).answers()
        scene.mock.on(BOB).machine()
        await scene.load(account(1, ALICE) + account(2, BOB), due(1, "2026-01-15") + due(2, "2026-01-15"))
        await scene.launch(text)
        await scene.start()
        await scene.until("2026-01-15 08:00")
        await sweep.expire(scene.house)
        for phone in (ALICE, BOB):
            placed = sorted(row.placed_at for row in scene.rows(phone=phone) if row.placed_at)
            assert 1 <= len(placed) <= 3  # of ten rounds that day: the house's cap
            assert all(b - a >= timedelta(hours=1) for a, b in pairwise(placed))
        assert {row.outcome for row in scene.rows(phone=BOB, state="settled")} == {"no_contact"}
        assert {row.disposition for row in scene.rows(phone=ALICE, state="settled")} == {"answered"}
        refused = [row for row in scene.rows(day_offset=-1) if row.state in ("expired", "blocked")]
        assert all(row.reason for row in refused)

    play(tmp_path, "2026-01-12 08:00", act)


@pytest.mark.parametrize("how", ["out_of_order", "reports_twice", "never_reports", "reports_late"])
def test_report_14_callbacks_in_any_order_or_none_settle_it_once(tmp_path: Path, how: str) -> None:
    """Twilio-firebase 21, mailroom 482: callbacks out of order, or over an error; others had no end for days."""

    async def act(scene: Scene) -> None:
        alice = scene.mock.on(ALICE).answers(keys="1", detected=True)
        getattr(alice, how)(*([45.0] if how == "reports_late" else []))
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-14 13:00")
        first = scene.rows(round=1)[0]
        assert (first.state, len(scene.mock.calls_to(ALICE))) == ("settled", 1)
        assert first.disposition == "human"
        assert first.settled_at - first.placed_at < timedelta(minutes=30 + 10)
        late_news = [
            Event(EventKind.RINGING, scene.clock.now(), str(first.attempt_id), identity="late-1"),
            Event(EventKind.ENDED, scene.clock.now(), str(first.attempt_id), identity="late-2", disposition="busy"),
        ]
        await scene.worker.inbox.take([of_event(event) for event in late_news])
        assert scene.rows(round=1)[0]._mapping == first._mapping
        strays = [row.identity for row in scene.rows("events") if row.stray]
        assert strays[-2:] == ["late-1", "late-2"]

    play(tmp_path, "2026-01-12 08:00", act)


@pytest.mark.parametrize("day", [29, 30, 31])
def test_report_15_the_last_days_of_a_month_come_in_every_month(
    day: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Actual 5435, 6276, 6814: due days 29 to 31 skipped whole months."""
    monkeypatch.chdir(tmp_path)
    ends = [date(2026 + month // 12, month % 12 + 1, 1) - timedelta(days=1) for month in range(1, 13)]
    dues = [min(end, end.replace(day=min(day, end.day))) for end in ends]
    Path("dialer.toml").write_text(SETTINGS, encoding="utf-8")
    Path("c.toml").write_text(CAMPAIGN.replace("[15, 30]", f"[{day}]"), encoding="utf-8")
    Path("a.csv").write_text(ACCOUNTS_HEAD + account(1, ALICE), encoding="utf-8")
    Path("i.csv").write_text(INSTALLMENTS_HEAD + "".join(due(1, str(on)) for on in dues), encoding="utf-8")
    words = ("--accounts", "a.csv", "--installments", "i.csv", "--from", "2026-01-01", "--to", "2026-12-31")
    done = run(capsys, "plan", "c.toml", *words, "--csv", "p.csv")
    assert done.code == 0, done.err
    with Path("p.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [(row["due_on"], row["round"]) for row in rows] == [(str(on), one) for on in dues for one in ("1", "2")]
    days = [(str(on - timedelta(days=1)), str(on)) for on in dues]
    assert [row["slot_at"][:10] for row in rows] == [one for pair in days for one in pair]
