"""An attempt that can not be decided about, for a fault of ours: it waits alone, with a task; all others are called."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from dialer import dialogue
from tests.support.scene import ALICE, BOB, Scene, account, due, play


def first_round(scene: Scene) -> tuple[Any, Any]:
    """The attempt that can't be worded, whose slot is the earlier one, and the other."""
    one, other = sorted((row for row in scene.rows() if row.round == 1), key=lambda row: row.planned_for)
    return one, other


async def begin(scene: Scene, monkeypatch: pytest.MonkeyPatch, lasts: timedelta) -> None:
    """From the earlier slot on, for so long, what stands in that person's templates can't be told."""
    await scene.load(account(1, ALICE) + account(2, BOB), due(1, "2026-01-15") + due(2, "2026-01-15"))
    await scene.launch()
    right, (broken, _) = dialogue.values_of, first_round(scene)

    def values_of(house: Any, attempt: Any, *rest: Any) -> Any:
        if attempt.person_id == broken.person_id and rest[-1] < broken.planned_for + lasts:
            raise IndexError("list index out of range")
        return right(house, attempt, *rest)

    monkeypatch.setattr(dialogue, "values_of", values_of)
    await scene.start()


def test_the_others_are_called_and_it_expires_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(scene: Scene) -> None:
        with capture_logs() as told:
            await begin(scene, monkeypatch, timedelta(days=1))
            await scene.clock.sleep_until(first_round(scene)[0].planned_for + timedelta(seconds=30))
            waiting, _ = first_round(scene)
            assert (waiting.state, waiting.rule) == ("planned", "dialer.fault")
            await scene.until("2026-01-14 11:45")
        over, other = first_round(scene)
        assert (over.state, over.reason, over.rule) == ("expired", "window_closed", "dialer.fault")
        assert other.state == "settled"
        assert [(task.kind, task.person_id) for task in scene.rows("tasks")] == [("fix_data", over.person_id)], "once"
        assert {entry["event"] for entry in told if entry["log_level"] == "error"} == {"attempt_undecided"}

    play(tmp_path, "2026-01-14 08:00", act)


def test_it_is_called_once_the_fault_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(scene: Scene) -> None:
        await begin(scene, monkeypatch, timedelta(minutes=5))
        await scene.until("2026-01-14 11:45")
        assert [row.state for row in first_round(scene)] == ["settled", "settled"]

    play(tmp_path, "2026-01-14 08:00", act)
