"""Asking the provider about lost attempts: never in a hurry, and never without end, whatever it answers."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapters.contract import Event, EventKind, Order, Receipt, Uncertain
from dialer import settle
from dialer.attempt import CLAIM_S
from dialer.dial import PAUSES_S
from dialer.inbound import Inbox
from dialer.news import News, of_event
from dialer.store import Tx
from tests.support.scene import ALICE, Scene, account, due, play


def test_an_end_of_another_call_neither_spins_nor_keeps_the_attempt_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(scene: Scene) -> None:
        asked: list[str] = []

        async def place(order: Order) -> Receipt:
            # Another leg's reference is the first that we hear.
            ringing = Event(EventKind.RINGING, scene.clock.now(), order.attempt_id, "leg-b", "ring-b")
            await scene.worker.inbox.take([of_event(ringing)])
            raise Uncertain("cut off")

        async def find(order: Order) -> list[Event]:
            asked.append(order.attempt_id)
            return [Event(EventKind.ENDED, scene.clock.now(), "", "ref-1", "end-1", disposition="busy")]

        monkeypatch.setattr(scene.mock, "place", place)
        monkeypatch.setattr(scene.mock, "find", find)
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-16 12:00")
        row = next(row for row in scene.rows() if row.claimed_at)
        assert (row.state, row.disposition, row.lost_at is None) == ("settled", "unknown", False)
        assert row.settled_at <= settle.deadline(row._mapping) + timedelta(minutes=10)
        assert scene.rows("live_calls") == []
        assert 5 < asked.count(str(row.attempt_id)) < 1_000

    play(tmp_path, "2026-01-13 08:00", act)


def test_what_was_claimed_long_ago_is_not_handed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database was held while the claim was written: what rules counted from the claim would be too early."""

    async def act(scene: Scene) -> None:
        store, waits = scene.house.store, [CLAIM_S + 5]
        write = store.write

        async def slow(work: object, quick: bool = False) -> object:
            def timed(tx: Tx) -> object:
                return work(tx)  # type: ignore[operator]

            found = await write(timed)
            if getattr(found, "placements", None) and waits:
                await scene.clock.sleep_until(scene.clock.now() + timedelta(seconds=waits.pop()))
            return found

        monkeypatch.setattr(store, "write", slow)
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-14 12:00")
        row = next(row for row in scene.rows() if row.claimed_at)
        kinds = [(one.kind, one.data.get("why")) for one in scene.rows("events") if one.attempt_id == row.attempt_id]
        assert kinds[0] == ("withdrawn", "claimed_long_ago")
        assert (row.placed_at - row.claimed_at).total_seconds() < CLAIM_S
        assert len(scene.mock.calls_to(ALICE)) == 1

    play(tmp_path, "2026-01-14 08:00", act)


async def dialed(scene: Scene, monkeypatch: pytest.MonkeyPatch, fault: Callable[[], Exception | None]) -> None:
    """Alice's morning, where the last look before a call that it would let pass meets these faults."""
    look = scene.house.store.look

    async def faulty(work: Callable[[Tx], object]) -> object:
        found = await look(work)
        if isinstance(found, dict) and "" in found.values() and (error := fault()) is not None:
            raise error
        return found

    monkeypatch.setattr(scene.house.store, "look", faulty)
    await scene.load(account(1, ALICE), due(1, "2026-01-15"))
    await scene.launch()
    await scene.start()
    await scene.until("2026-01-14 12:00")


def test_what_cannot_be_looked_at_again_goes_back_to_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is away for a moment right before the call: nothing was sent, so it is not lost."""

    async def act(scene: Scene) -> None:
        failing = [OSError("the server is gone")]
        await dialed(scene, monkeypatch, lambda: failing.pop() if failing else None)
        row = next(row for row in scene.rows() if row.claimed_at)
        kinds = [(one.kind, one.data.get("why")) for one in scene.rows("events") if one.attempt_id == row.attempt_id]
        assert kinds[0] == ("withdrawn", "not_looked")
        assert row.state == "settled"
        assert (row.placed_at - row.planned_for).total_seconds() < CLAIM_S, "it did not wait for its lease to end"
        assert len(scene.mock.calls_to(ALICE)) == 1

    play(tmp_path, "2026-01-14 08:00", act)


def test_while_nothing_can_be_looked_at_it_is_not_claimed_on_and_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where only the last look fails, for want of a reader's file, each claim would write a withdrawal at once."""

    async def act(scene: Scene) -> None:
        until: list[datetime] = []

        def fault() -> Exception | None:
            until[:] = until or [scene.clock.now() + timedelta(seconds=18)]
            return OSError("too many open files") if scene.clock.now() < until[0] else None

        await dialed(scene, monkeypatch, fault)
        withdrawn = [one for one in scene.rows("events") if one.kind == "withdrawn"]
        assert 3 <= len(withdrawn) <= 5
        assert len(scene.mock.calls_to(ALICE)) == 1

    play(tmp_path, "2026-01-14 08:00", act)


def test_while_nothing_can_be_looked_at_that_is_said_once_in_a_while_and_it_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was claimed ahead is looked at one by one: each would be an error of its own, more the faster the line."""

    async def act(scene: Scene) -> None:
        faults: list[str] = []

        def fault() -> Exception | None:
            return OSError("too many open files") if scene.clock.now() < until else None

        async def watch() -> None:
            while True:
                faults.append(scene.worker.fault)
                await scene.clock.sleep_until(scene.clock.now() + timedelta(seconds=1))

        until = datetime.fromisoformat("2026-01-14 10:00:12+08:00")
        numbers = range(2, 50)
        await scene.load(
            "".join(account(one, f"+8613800{one:06}") for one in numbers),
            "".join(due(one, "2026-01-15") for one in numbers),
        )
        await scene.launch()
        await scene.until("2026-01-14 10:00")
        watching = asyncio.create_task(watch())
        with capture_logs() as logs:
            await dialed(scene, monkeypatch, fault)
        watching.cancel()
        withdrawn = [one for one in scene.rows("events") if one.kind == "withdrawn"]
        assert len(withdrawn) > 6
        assert len([one for one in logs if one["event"] == "not_looked"]) == 3
        assert "it can't look at what it claimed" in faults[1:12]
        assert not any(faults[20:])

    play(tmp_path, "2026-01-14 09:00", act)


def test_while_each_last_look_is_slow_it_is_not_claimed_on_and_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An overloaded host, whose looks are too old when they are answered, must not be given more work by them."""

    async def act(scene: Scene) -> None:
        look, until = scene.house.store.look, datetime.fromisoformat("2026-01-14 10:00:30+08:00")

        async def slow(work: Callable[[Tx], object]) -> object:
            found = await look(work)
            if isinstance(found, dict) and "" in found.values() and scene.clock.now() < until:
                await scene.clock.sleep_until(scene.clock.now() + timedelta(seconds=1.2))
            return found

        monkeypatch.setattr(scene.house.store, "look", slow)
        numbers = range(1, 50)
        await scene.load(
            "".join(account(one, f"+8613800{one:06}") for one in numbers),
            "".join(due(one, "2026-01-15") for one in numbers),
        )
        await scene.until("2026-01-14 10:00")
        await scene.launch()
        await scene.start()
        with capture_logs() as logs:
            await scene.until("2026-01-14 12:00")
        withdrawn = [one.data.get("why") for one in scene.rows("events") if one.kind == "withdrawn"]
        assert set(withdrawn) == {"looked_long_ago"}
        assert len(withdrawn) < 200
        assert 3 <= len([one for one in logs if one["event"] == "looked_late"]) <= 5
        assert {one.state for one in scene.rows() if one.claimed_at} == {"settled"}

    play(tmp_path, "2026-01-14 08:00", act)


def test_what_cannot_be_recorded_is_said_once_and_never_placed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(scene: Scene) -> None:
        tried: list[datetime] = []

        async def full(news: Sequence[News]) -> None:
            if not news[0].identity:  # the carrier's own is told again by the carrier
                tried.append(scene.clock.now())
            raise OSError("no room")

        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        with capture_logs() as logs:
            with monkeypatch.context() as patch:
                patch.setattr(Inbox, "take", lambda inbox, news: full(news))
                while len(tried) < len(PAUSES_S):
                    await scene.clock.sleep_until(scene.clock.now() + timedelta(seconds=1))
                await scene.clock.sleep_until(scene.clock.now() + timedelta(seconds=1))
            await scene.until("2026-01-16 12:00")
        told = [one for one in logs if one["event"] == "not_recorded"]
        placed = [call.attempt_id for call in scene.mock.calls_to(ALICE)]
        assert [(str(one["attempt_id"]), one["error"]) for one in told] == [(placed[0], "OSError: no room")]
        assert len(placed) == len({*placed})
        assert [(at - tried[0]).total_seconds() for at in tried[:4]] == [0, 1, 6, 26]

    play(tmp_path, "2026-01-14 08:00", act)
