"""A database that went back in time, on a virtual clock: what was placed is found, the rest never dialed."""

import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.contract import Event, Order, Unavailable
from campaigns.model import Reason
from dialer import mark, operate, sweep
from dialer.attempt import Kind
from dialer.errors import DialerError
from dialer.inbound import ingest
from dialer.news import News
from dialer.planning import plan_all
from dialer.store import InlineStore, Tx
from dialer.store import restored as store
from dialer.worker import Worker
from tests.support.scene import ALICE, BOB, CAROL, SHANGHAI, Scene, account, due, late, play

PEOPLE = account(1, ALICE) + account(2, BOB) + account(3, CAROL)
DUES = due(1, "2026-01-15") + due(2, "2026-01-15") + due(3, "2026-01-15")
DAY_BEFORE = "2026-01-14"
POLL = timedelta(minutes=2)


def database(scene: Scene) -> Any:
    found = scene.house.store
    assert isinstance(found, InlineStore)
    return found._engine.raw_connection().driver_connection


async def begin(scene: Scene, accounts: str = PEOPLE, installments: str = DUES) -> bytes:
    """What everybody's first round is planned in; then it is dialed until 10:40. Returns the copy from before."""
    await scene.load(accounts, installments)
    await scene.launch()
    await scene.until(f"{DAY_BEFORE} 09:00")
    copy: bytes = database(scene).serialize()
    await dial(scene, f"{DAY_BEFORE} 10:40")
    return copy


async def dial(scene: Scene, until: str) -> None:
    scene.worker.poll = timedelta(seconds=5)
    await scene.start()
    await scene.until(until)
    await scene.stop()


async def go_back(scene: Scene, copy: bytes) -> store.Gap:
    """The copy takes the place of the database."""
    with closing(sqlite3.connect(":memory:")) as other:
        other.deserialize(copy)
        other.backup(database(scene))
    now = scene.clock.now()
    return await scene.house.store.write(lambda tx: mark.go_back(tx, store.newest(tx), now, None, "a test"))


async def start_again(scene: Scene, name: str = "second") -> Worker:
    scene.worker = Worker(scene.house, scene.worker.adapters, name, poll=POLL)
    await scene.start()
    return scene.worker


def placed(scene: Scene) -> Counter[str]:
    return Counter(order.to for order in scene.mock._orders)


def lost(scene: Scene) -> store.Gap | None:
    found = scene.house.store
    assert isinstance(found, InlineStore)
    return found.run(store.gap)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def test_what_was_placed_is_found_the_rest_is_over_and_later_rounds_are_dialed(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        copy = await begin(scene)
        before = placed(scene)
        truth = {row.attempt_id: (row.outcome, row.ended_at) for row in scene.rows() if row.state == "settled"}
        # One was placed, one has its slot later; the third was drafted anew in the lost time, under another number.
        assert before
        assert len(truth) == len(scene.mock._orders) < 3
        await go_back(scene, copy)
        with pytest.raises(DialerError, match="still to be asked about"):
            await operate.unhalt(scene.house)
        await start_again(scene)
        await scene.until(f"{DAY_BEFORE} 10:41")
        assert lost(scene) is None
        rows = {row.attempt_id: row for row in scene.rows()}
        assert {key: (rows[key].outcome, rows[key].ended_at) for key in truth} == truth
        assert placed(scene) == before, "nothing is dialed while it is halted"
        assert await operate.unhalt(scene.house)
        scene.worker.wake.set()
        await scene.until("2026-01-15 18:00")
        assert all(row.state == "settled" for row in scene.rows()), [(row.state, row.reason) for row in scene.rows()]
        assert placed(scene) == {ALICE: 2, BOB: 2, CAROL: 2}
        assert max(Counter(order.attempt_id for order in scene.mock._orders).values()) == 1
        assert len(scene.rows("placements")) == 6

    play(tmp_path, f"{DAY_BEFORE} 08:00", act)


def test_what_the_provider_does_not_know_is_over_with_a_reason_and_never_dialed(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        copy = await begin(scene)
        slots = {row.attempt_id: row.planned_for for row in scene.rows() if row.round == 1}
        passed = {key for key, slot in slots.items() if slot <= scene.clock.now()}
        assert passed
        asked: list[str] = []

        async def find(order: Order) -> list[Event]:
            asked.append(order.attempt_id)
            return []

        scene.mock.find = find  # type: ignore[method-assign]
        await go_back(scene, copy)
        await start_again(scene)
        await scene.until(f"{DAY_BEFORE} 10:41")
        await operate.unhalt(scene.house)
        before = placed(scene)
        await scene.until(f"{DAY_BEFORE} 11:20")
        await plan_all(scene.house)
        rows = {row.attempt_id: row for row in scene.rows()}
        assert {int(key) for key in asked} == passed
        assert {(rows[key].state, rows[key].reason) for key in passed} == {("expired", Reason.LAUNCHED_LATE)}
        assert sum(placed(scene).values()) == sum(before.values()) + len(slots) - len(passed) - _waiting(rows, slots)

    def _waiting(rows: dict[int, Any], slots: dict[int, datetime]) -> int:
        return sum(rows[key].state == "planned" for key in slots)

    play(tmp_path, f"{DAY_BEFORE} 08:00", act)


def test_a_provider_that_cannot_be_asked_is_asked_again_until_it_answers(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        copy = await begin(scene)
        truly, times = scene.mock.find, []

        async def find(order: Order) -> list[Event]:
            times.append(scene.clock.now())
            if scene.clock.now() < at(f"{DAY_BEFORE} 11:00"):
                raise Unavailable("away")
            return await truly(order)

        scene.mock.find = find  # type: ignore[method-assign]
        await go_back(scene, copy)
        await start_again(scene)
        await scene.until(f"{DAY_BEFORE} 10:59")
        assert lost(scene) is not None
        with pytest.raises(DialerError):
            await operate.unhalt(scene.house)
        with pytest.raises(DialerError, match="paused now"):
            await operate.set_status(scene.house, "test", "cancelled")
        assert len(times) < 40, "with back-off"
        await scene.until(f"{DAY_BEFORE} 11:10")
        assert lost(scene) is None
        assert {row.state for row in scene.rows() if row.planned_for <= at(f"{DAY_BEFORE} 10:40")} == {"settled"}

    play(tmp_path, f"{DAY_BEFORE} 08:00", act)


def test_after_a_day_in_vain_it_is_over_unasked(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        copy = await begin(scene)

        async def find(order: Order) -> list[Event]:
            raise RuntimeError("broken")

        scene.mock.find = find  # type: ignore[method-assign]
        await go_back(scene, copy)
        await start_again(scene)
        await scene.until("2026-01-15 10:39")
        assert lost(scene) is not None
        await scene.until("2026-01-15 10:50")
        assert lost(scene) is None
        done = [row.detail for row in scene.rows("actions") if row.action == "reconciled"]
        assert done
        assert done[0].startswith("0 found, 0 not_found, ")
        assert not done[0].endswith(", 0 unasked")

    play(tmp_path, f"{DAY_BEFORE} 08:00", act)


def test_not_found_counts_only_when_the_provider_would_show_it(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        copy = await begin(scene)

        async def find(order: Order) -> list[Event]:
            return []

        scene.mock.find = find  # type: ignore[method-assign]
        fitted = scene.worker.adapters["mock"]
        slow = {"mock": replace(fitted, spec=replace(fitted.spec, visibility_delay_s=600.0))}
        await go_back(scene, copy)
        scene.worker = Worker(scene.house, slow, "second", poll=POLL)
        await scene.start()
        await scene.until(f"{DAY_BEFORE} 10:49")
        assert lost(scene) is not None
        await scene.until(f"{DAY_BEFORE} 10:59")
        assert lost(scene) is None

    play(tmp_path, f"{DAY_BEFORE} 08:00", act)


def test_a_round_drafted_only_in_the_lost_time_is_not_made_again(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        copy: bytes = database(scene).serialize()
        await scene.load(PEOPLE, DUES)  # after the copy
        await dial(scene, f"{DAY_BEFORE} 11:22")
        assert placed(scene) == {BOB: 1, CAROL: 1}, "the other has a later slot; the window is open"
        numbers = {row.attempt_id for row in scene.rows()}
        await go_back(scene, copy)
        await start_again(scene)
        await scene.until(f"{DAY_BEFORE} 11:23")
        await operate.unhalt(scene.house)
        await scene.load(PEOPLE, DUES)
        await scene.until("2026-01-15 18:00")
        assert placed(scene) == {ALICE: 2, BOB: 2, CAROL: 2}
        first = [row for row in scene.rows() if row.round == 1 and row.phone != ALICE]
        assert [(row.state, row.reason) for row in first] == [("expired", Reason.LAUNCHED_LATE)] * 2
        assert not {row.attempt_id for row in first} & numbers, "a number never comes again"

    play(tmp_path, f"{DAY_BEFORE} 08:00", act)


def test_no_follow_up_is_made_of_what_the_lost_time_placed(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        dues = late(1, "2025-11-15") + due(1, "2026-01-15")
        await scene.load(account(1, ALICE), dues)
        await scene.launch()
        copy: bytes = database(scene).serialize()
        await dial(scene, "2026-01-13 12:00")
        assert [row.cause for row in scene.rows() if row.claimed_at] == ["round", "otherwise"]
        assert len(scene.mock._orders) == 2
        await go_back(scene, copy)
        await start_again(scene)
        await scene.until("2026-01-13 12:01")
        await operate.unhalt(scene.house)
        await scene.until("2026-01-13 20:00")
        assert len(scene.mock._orders) == 2
        assert [row.cause for row in scene.rows() if row.cause != "round"] == []
        # The next day's are made as always.
        await scene.until("2026-01-14 20:00")
        assert len(scene.mock._orders) == 4

    play(tmp_path, "2026-01-13 08:00", act)


def test_what_is_still_to_be_asked_about_is_neither_cancelled_nor_expired(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        copy = await begin(scene)
        passed = {row.attempt_id for row in scene.rows() if row.planned_for <= scene.clock.now()}
        await go_back(scene, copy)
        for number in (1, 2, 3):
            scene.paid(number, "2026-01-15")
        await scene.until(f"{DAY_BEFORE} 12:00")  # the window is over
        assert await sweep.expire(scene.house) == 0
        assert {row.attempt_id for row in scene.rows() if row.state == "planned"} == passed
        await start_again(scene)
        await scene.until(f"{DAY_BEFORE} 12:01")
        assert {row.state for row in scene.rows() if row.attempt_id in passed} == {"settled"}

    play(tmp_path, f"{DAY_BEFORE} 08:00", act)


def test_an_event_that_came_too_early_still_settles_what_is_found(tmp_path: Path) -> None:
    """The provider calls back about a call that the copy knows only as planned: kept as a stray, then it counts."""

    async def act(scene: Scene) -> None:
        copy = await begin(scene)
        ends = scene.rows("events", kind="ended")
        await go_back(scene, copy)
        news, now = [News(Kind.ENDED, row.at, row.attempt_id, identity=row.identity) for row in ends], scene.clock.now()
        await scene.house.store.write(lambda tx: ingest(tx, scene.house, news, now))
        assert [row.stray for row in scene.rows("events")] == [True] * len(news)
        await start_again(scene)
        await scene.until(f"{DAY_BEFORE} 10:45")
        found = [row for row in scene.rows() if row.claimed_at]
        assert {row.attempt_id for row in found} == {int(order.attempt_id) for order in scene.mock._orders}
        assert {(row.state, row.disposition) for row in found} == {("settled", "no_answer")}

    play(tmp_path, f"{DAY_BEFORE} 08:00", act)


def test_a_second_restore_keeps_the_beginning_of_the_first(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        copy = await begin(scene)
        first = await go_back(scene, copy)
        await scene.until(f"{DAY_BEFORE} 10:50")
        second = await _again(scene, lambda tx: mark.go_back(tx, scene.clock.now(), scene.clock.now(), None, "again"))
        assert second.since == first.since
        assert second.at > first.at

    async def _again(scene: Scene, work: Callable[[Tx], store.Gap]) -> store.Gap:
        return await scene.house.store.write(work)

    play(tmp_path, f"{DAY_BEFORE} 08:00", act)
