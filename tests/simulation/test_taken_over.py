"""An account that goes to another person while its rounds are made: no round twice, and none of the rest forgotten."""

from pathlib import Path

import pytest

from dialer import sweep
from dialer.planning import replan_persons
from tests.support.scene import ALICE, BOB, Scene, account, due, late, play

DUES = late(1, "2025-12-15", "2025-11-15", "2025-10-15") + due(1, "2026-01-15")
"""A C: two rounds a day."""


@pytest.mark.parametrize(("new", "phone"), [(7, ALICE), (7, BOB), (0, BOB)])
def test_rounds_go_on_with_whoever_has_the_account(tmp_path: Path, new: int, phone: str) -> None:
    """`new`: the other person, after (7) or before (0) the first in the order in which persons are planned."""

    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).rings_out()
        scene.mock.on(BOB).rings_out()
        await scene.load(account(1, ALICE), DUES)
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-14 12:30")  # made: the first round of that day, and what came before it
        made = {row.attempt_id for row in scene.rows() if row.claimed_at}
        row = account(1, phone, person=new) if new else account(1, phone).replace("P-1", "P-0")
        await scene.load(row)
        # Alone, as where a call of theirs comes back, or where the two are not on the same page of the daily planning.
        now, person = scene.clock.now(), f"P-{new}"
        await scene.house.store.write(lambda tx: replan_persons(tx, scene.house, [person], now))
        await sweep.daily(scene.house)
        await scene.until("2026-01-16 08:00")
        rounds = [one for one in scene.rows() if one.cause == "round" and one.state != "cancelled"]
        assert len({(one.day_offset, one.window) for one in rounds}) == len(rounds)
        assert made
        assert {one.person_id for one in rounds if one.attempt_id in made} == {"P-1"}
        after = [one for one in rounds if one.attempt_id not in made]
        assert {one.person_id for one in after} == {f"P-{new}"}
        assert [one.state for one in after] == ["settled"] * 3
        assert {one.state for one in scene.rows() if one.person_id == "P-1"} == {"settled", "cancelled"}

    play(tmp_path, "2026-01-12 08:00", act)
