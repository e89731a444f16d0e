"""`dialer status`: what stands how, and what is wrong."""

import io
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from adapters.contract import Event, Order, Unavailable
from dialer import operate, status
from dialer.errors import DialerError
from dialer.status import Status
from dialer.store import InlineStore
from tests.support.scene import ALICE, BOB, CAROL, SETTINGS, SHANGHAI, Scene, account, due, late, play


def read(scene: Scene, name: str | None = None) -> Status:
    store = scene.house.store
    assert isinstance(store, InlineStore)
    return store.run(lambda tx: status.build(tx, scene.house, name))


def shown(scene: Scene) -> str:
    out = io.StringIO()
    status.show(read(scene), scene.house, Console(file=out, width=100))
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
        assert "HALTED since 01-12 08:00:00: carrier [red]outage" in shown(scene)
        await operate.unhalt(scene.house)
        assert read(scene).halted is None
        assert "HALTED" not in shown(scene)

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
