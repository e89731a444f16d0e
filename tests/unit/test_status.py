"""`dialer status`: what stands how, and what is wrong."""

import io
import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from adapters.contract import Event, Order, Receipt, Unavailable
from dialer import operate, report, status, status_show
from dialer.errors import DialerError
from dialer.status_model import STATES, Progress, Status
from dialer.store import InlineStore
from tests.support.scene import ALICE, BOB, CAROL, SETTINGS, SHANGHAI, Scene, account, due, late, play


def read(scene: Scene, name: str | None = None) -> Status:
    store = scene.house.store
    assert isinstance(store, InlineStore)
    return store.run(lambda tx: status.build(tx, scene.house, name))


def shown(scene: Scene, width: int = 100) -> str:
    out = io.StringIO()
    status_show.show(read(scene), scene.house, Console(file=out, width=width))
    return out.getvalue()


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def counts(found: Status) -> dict[tuple[str, int], dict[str, int]]:
    """(segment, round) → what is not zero."""
    return {
        (row.segment, row.round): {state: count for state, count in row.counts.items() if count}
        for row in found.campaigns[0].progress
    }


def test_before_anything_is_launched_it_says_how_to_begin(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        found = read(scene)
        assert (found.campaigns, found.halted, found.open_tasks) == ([], None, {})
        assert [(line.line, line.running_calls, line.breaker, line.spent_today) for line in found.lines] == [
            ("main", 0, "closed", "0")
        ]
        assert "No campaign is launched" in shown(scene)

    play(tmp_path, "2026-01-12 08:00", act)


def test_progress_counts_each_round_and_the_next_slot_is_named(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).answers()
        await scene.load(
            account(1, ALICE) + account(2, BOB),
            due(1, "2026-01-15") + due(2, "2026-01-15"),
        )
        await scene.launch()
        first = min(row.planned_for for row in scene.rows())
        before = read(scene, "test")
        assert counts(before) == {("A", 1): {"planned": 2}, ("A", 2): {"planned": 2}}
        assert (before.campaigns[0].next_due_at, before.campaigns[0].due_now) == (first, 0)
        await scene.start()
        await scene.until("2026-01-14 12:00")
        scene.paid(2, "2026-01-15")
        after = read(scene, "test")
        assert counts(after) == {("A", 1): {"settled": 2}, ("A", 2): {"planned": 1, "cancelled": 1}}
        # Alice answered, Bob's phone rang out.
        assert [row.reached for row in after.campaigns[0].progress] == [1, 0]
        assert re.search(r"^A 1 +█+ +2 +· +· +1 +50%$", shown(scene), re.MULTILINE)
        assert re.search(r"^all +█+░+·+ +2 +1 +1 +1 +50%$", shown(scene), re.MULTILINE)
        assert after.campaigns[0].next_due_at == scene.rows(state="planned")[0].planned_for

    play(tmp_path, "2026-01-12 08:00", act)


def test_what_is_due_counts_until_its_window_closes(tmp_path: Path) -> None:
    """No worker runs: what is due waits."""

    async def act(scene: Scene) -> None:
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        row = scene.rows(round=1)[0]
        for at, waiting in (
            (row.due_at - timedelta(seconds=1), 0),
            (row.due_at + timedelta(seconds=1), 1),
            (row.valid_until - timedelta(seconds=1), 1),
            (row.valid_until + timedelta(seconds=1), 0),
        ):
            await scene.clock.sleep_until(at)
            assert read(scene).campaigns[0].due_now == waiting, at
        await scene.until("2026-01-14 11:00")

    play(tmp_path, "2026-01-12 08:00", act)


def test_running_calls_and_lost_ones_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(order: Order) -> list[Event]:
        raise Unavailable("nobody answers questions today")

    async def act(scene: Scene) -> None:
        monkeypatch.setattr(scene.mock, "find", away)
        scene.mock.on(ALICE).never_reports()
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        slot = scene.rows(round=1)[0].planned_for
        await scene.clock.sleep_until(slot + timedelta(seconds=2))
        running = read(scene)
        assert counts(running)[("A", 1)] == {"running": 1}
        assert (running.lines[0].running_calls, running.campaigns[0].lost) == (1, 0)
        assert "lost" not in shown(scene)
        # After 390 s without news it is lost; this stage looks only once an hour.
        await scene.clock.sleep_until(slot + timedelta(minutes=40))
        assert len(scene.rows(state="lost")) == 1
        assert (read(scene).campaigns[0].lost, counts(read(scene))[("A", 1)]) == (1, {"running": 1})
        assert "1 lost" in shown(scene)
        await scene.clock.sleep_until(slot + timedelta(hours=3))
        assert (read(scene).campaigns[0].lost, counts(read(scene))[("A", 1)]) == (0, {"settled": 1})

    play(tmp_path, "2026-01-12 08:00", act)


def test_a_halt_is_shown_with_its_reason_and_since_when(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await operate.halt(scene.house, "carrier [red]outage")
        found = read(scene)
        assert (found.halted, found.halted_since) == ("carrier [red]outage", local("2026-01-12 08:00"))
        assert "ERROR halted: halted since 08:00:00: carrier [red]outage; nothing is placed" in shown(scene)
        await operate.unhalt(scene.house)
        assert read(scene).halted is None
        assert "halted" not in shown(scene)

    play(tmp_path, "2026-01-12 08:00", act)


def test_lines_show_their_pace_and_todays_spend_against_the_limit(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).answers(keys="1")
        scene.mock.on(BOB).rings_out()
        await scene.load(
            account(1, ALICE) + account(2, BOB),
            late(1, "2025-12-15") + due(1, "2026-01-15") + late(2, "2025-12-15") + due(2, "2026-01-15"),
        )
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-13 20:00")
        line = read(scene).lines[0]
        spent = sum(row.cost for row in scene.rows() if row.placed_at)
        assert spent > 0
        assert (line.spent_today, line.spend_max_per_day, line.calls_per_second) == (str(spent), "50.00", 20.0)
        assert line.last_placed_at == max(row.placed_at for row in scene.rows() if row.placed_at)
        assert f"{spent} of 50.00" in shown(scene)
        await scene.until("2026-01-14 00:01")
        assert read(scene).lines[0].spent_today == "0"

    limited = SETTINGS.replace("[transfers]", 'spend_max_per_day = "50.00"\n[transfers]')
    play(tmp_path, "2026-01-12 08:00", act, limited)


def test_open_tasks_are_counted_by_kind(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).invalid_number()
        scene.mock.on(BOB).invalid_number()
        scene.mock.on(CAROL).answers()
        people = ((1, ALICE), (2, BOB), (3, CAROL))
        await scene.load(
            "".join(account(*one) for one in people), "".join(due(number, "2026-01-15") for number, _ in people)
        )
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-14 12:00")
        assert read(scene).open_tasks == {"fix_data": 2}
        assert "fix_data 2" in shown(scene)

    play(tmp_path, "2026-01-12 08:00", act)


def test_a_paused_campaign_is_shown_so_and_another_name_is_an_error(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        await operate.set_status(scene.house, "test", "paused")
        assert [(one.name, one.status, one.version) for one in read(scene).campaigns] == [("test", "paused", 1)]
        assert "test version 1: paused" in shown(scene)
        with pytest.raises(DialerError, match='no campaign is named "tset"; launched are: test'):
            read(scene, "tset")

    play(tmp_path, "2026-01-12 08:00", act)


def test_a_line_shows_what_it_placed_in_the_last_minute_and_how_full_it_is(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        slot = scene.rows(round=1)[0].planned_for
        await scene.clock.sleep_until(slot + timedelta(seconds=2))
        line = read(scene).lines[0]
        assert (line.placed_last_minute, line.running_calls, line.calls_at_once) == (1, 1, 200)
        assert re.search(r"^main +mock +20 +50 +1 +1 of 200 +closed", shown(scene), re.MULTILINE)
        await scene.clock.sleep_until(slot + timedelta(seconds=62))
        line = read(scene).lines[0]
        assert (line.placed_last_minute, line.running_calls) == (0, 0)

    play(tmp_path, "2026-01-12 08:00", act)


def test_a_line_that_its_provider_holds_is_shown_at_once_and_not_for_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(order: Order) -> Receipt:
        raise Unavailable("too many requests", retry_after_s=30)

    async def act(scene: Scene) -> None:
        monkeypatch.setattr(scene.mock, "place", busy)
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        slot = scene.rows(round=1)[0].planned_for
        await scene.clock.sleep_until(slot + timedelta(seconds=2))
        held_until = read(scene).lines[0].held_until
        assert held_until is not None
        assert slot + timedelta(seconds=29) < held_until < slot + timedelta(seconds=31)
        assert f"held until {held_until.astimezone(SHANGHAI):%H:%M:%S}" in shown(scene)
        scene.worker.stop()
        await scene.clock.sleep_until(slot + timedelta(seconds=40))
        assert read(scene).lines[0].held_until is None

    play(tmp_path, "2026-01-12 08:00", act)


def test_the_daemon_is_heard_as_soon_as_it_dials(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        assert "no daemon heard yet" in shown(scene)
        await scene.start()
        await scene.clock.sleep_until(local("2026-01-12 08:00:01"))
        assert read(scene).lines[0].heard_at == local("2026-01-12 08:00")
        assert "daemon heard at 08:00:00" in shown(scene)

    play(tmp_path, "2026-01-12 08:00", act)


def test_the_next_hour_is_counted_by_ten_minutes(tmp_path: Path) -> None:
    """What is due now counts too; what becomes due after the hour does not."""

    async def act(scene: Scene) -> None:
        people = range(1, 41)
        await scene.load(
            "".join(account(number, f"+86138001380{number:02}") for number in people),
            "".join(due(number, "2026-01-15") for number in people),
        )
        await scene.launch()
        await scene.until("2026-01-14 09:45")
        now = scene.clock.now()
        ahead = [(row.due_at - now) / timedelta(minutes=10) for row in scene.rows(round=1)]
        found = read(scene).next_hour
        calls, messages = found.planned
        assert (calls.campaign, calls.channel, calls.lines) == ("test", "voice", ["main"])
        assert calls.due_now == sum(1 for tens in ahead if tens <= 0) > 0
        assert calls.by_step == [sum(1 for tens in ahead if n < tens <= n + 1) for n in range(6)]
        assert calls.attempts == sum(1 for tens in ahead if tens <= 6) < 40
        assert messages.attempts == 0
        route = found.routes[0]
        assert (route.lines, route.planned, route.can_place) == (["main"], calls.attempts, 72_000)
        row = rf"^test: calls +main +{calls.due_now} .* {calls.attempts} +72,000$"
        assert re.search(row, shown(scene), re.MULTILINE)
        await operate.set_status(scene.house, "test", "paused")
        assert read(scene).next_hour.planned == []

    play(tmp_path, "2026-01-12 08:00", act)


def test_reached_is_what_the_report_calls_so() -> None:
    assert status.NOT_THE_PERSON == report.NOT_THE_PERSON


def test_old_counts_are_used_while_counting_would_take_too_much_of_the_time(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        store = scene.house.store
        assert isinstance(store, InlineStore)
        counted = store.run(lambda tx: status.count(tx, scene.house))
        await scene.launch()
        await scene.clock.sleep_until(counted.at + timedelta(seconds=10))
        later = store.run(lambda tx: status.build(tx, scene.house, None, counted))
        assert (later.campaigns[0].progress, later.counted_at) == ([], counted.at)
        assert later.at - counted.at >= timedelta(seconds=10)
        slow = replace(counted, took=timedelta(seconds=1))
        assert slow.is_fresh(counted.at + timedelta(seconds=19))
        assert not slow.is_fresh(counted.at + timedelta(seconds=20))

    play(tmp_path, "2026-01-12 08:00", act)


@given(st.lists(st.integers(0, 10**7), min_size=len(STATES), max_size=len(STATES)), st.integers(8, 200))
def test_a_bar_is_as_wide_as_asked_and_shows_every_state_there_is(numbers: list[int], width: int) -> None:
    counts = dict(zip(STATES, numbers, strict=True))
    text = status_show.bar(counts, width).plain
    if not any(numbers):
        return
    assert len(text) == width
    for state, (glyph, _) in status_show.GLYPHS.items():
        assert (glyph in text) == bool(counts[state])
        share = counts[state] / sum(numbers)
        assert text.count(glyph) >= width * share - len(STATES)


def test_sparks_rise_with_the_counts() -> None:
    assert status_show.spark([0, 1, 4, 8, 4, 0]) == "·▁▄█▄·"
    assert status_show.spark([5, 5, 5]) == "███"
    assert status_show.spark([0, 0]) == "··"


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_tables_keep_within_the_width(tmp_path: Path, width: int) -> None:
    """With every state in the table and numbers of seven digits, at 80 columns and more nothing sticks out."""

    async def act(scene: Scene) -> None:
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        found = read(scene)
        counts = dict.fromkeys(STATES, 12_345)
        found.campaigns[0].progress = [Progress(segment="A", round=n, counts=counts, reached=9_876) for n in (1, 2)]
        out = io.StringIO()
        status_show.show(found, scene.house, Console(file=out, width=width))
        longest = max(len(line) for line in out.getvalue().splitlines())
        assert longest <= max(width, 80)
        assert "12,345" in out.getvalue()

    play(tmp_path, "2026-01-12 08:00", act)
