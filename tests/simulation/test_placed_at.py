"""When a call was placed: what pauses run from, and what the report says, whatever clocks and providers tell of it."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from adapters.contract import Event, EventKind
from dialer.attempt import PLACING
from dialer.news import of_event
from dialer.store import InlineStore, Tx, law
from dialer.store import tables as t
from tests.support.scene import ALICE, Scene, account, due, play


def store_of(scene: Scene) -> InlineStore:
    found = scene.house.store
    assert isinstance(found, InlineStore)
    return found


async def one_call(scene: Scene) -> Any:
    """The row of the only attempt, dialed."""
    scene.mock.on(ALICE).rings_out()
    await scene.load(account(1, ALICE), due(1, "2026-01-15"))
    await scene.launch()
    await scene.start()
    await scene.until("2026-01-14 12:00")
    return next(row for row in scene.rows() if row.claimed_at)


def made_at(scene: Scene, row: Any, **values: Any) -> datetime:
    """When the rules take it as made, with these values in the row."""

    def read(tx: Tx) -> datetime:
        tx.execute(update(t.attempts).where(t.attempts.c.attempt_id == row.attempt_id).values(**values))
        since = row.claimed_at - timedelta(days=1)
        return law.contacts(tx, [row.person_id], [row.phone], since, "creditor", with_accounts=False)[0].at

    return store_of(scene).run(read)


def test_a_pause_runs_from_the_placement_or_from_as_late_as_it_may_have_been(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        row = await one_call(scene)
        later = row.claimed_at + timedelta(milliseconds=200)
        assert made_at(scene, row, placed_at=later) == later
        assert made_at(scene, row, placed_at=row.claimed_at - timedelta(hours=1)) == row.claimed_at
        assert made_at(scene, row, placed_at=None) == row.claimed_at + PLACING

    play(tmp_path, "2026-01-13 08:00", act)


@pytest.mark.parametrize("off_s", [-0.9, 3600.0])
def test_a_coarse_or_wrong_clock_of_the_provider_puts_no_call_outside_its_window(tmp_path: Path, off_s: float) -> None:
    async def act(scene: Scene) -> None:
        row = await one_call(scene)
        forgotten = {"placed_at": None, "state": "lost", "disposition": None, "outcome": None, "ended_at": None}
        made_at(scene, row, **forgotten, provider_ref=None, settled_at=None)
        at = row.claimed_at + timedelta(seconds=off_s)
        told = Event(EventKind.ENDED, at, str(row.attempt_id), "ref-1", "told-1", disposition="no_answer")
        await scene.worker.inbox.take([of_event(told)])
        (after,) = [one for one in scene.rows() if one.attempt_id == row.attempt_id]
        assert after.state == "settled"
        assert row.claimed_at <= after.placed_at <= row.claimed_at + PLACING

    play(tmp_path, "2026-01-13 08:00", act)


def test_a_clock_that_is_right_again_when_news_is_written_moves_no_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set back while the news came, set right before it was written: the news is as it was told."""

    async def act(scene: Scene) -> None:
        row = await one_call(scene)
        write, told_at = store_of(scene).write, scene.clock.now() + timedelta(seconds=14)

        async def later(work: Any, quick: bool = False) -> Any:
            scene.clock.is_off_s = 0.0
            return await write(work, quick)

        scene.clock.is_off_s = 15.0
        monkeypatch.setattr(scene.house.store, "write", later)
        event = Event(EventKind.RINGING, told_at, str(row.attempt_id), row.provider_ref, identity="told")
        await scene.worker.inbox.take([of_event(event)])
        assert [one.at for one in scene.rows("events") if one.identity == "told"] == [told_at]

    play(tmp_path, "2026-01-13 08:00", act)
