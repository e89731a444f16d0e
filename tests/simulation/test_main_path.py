"""The main path, end to end on virtual time: files in, borrowers reminded, outcomes recorded."""

from pathlib import Path

from tests.support.scene import ALICE, Scene, account, due, late, play


def test_an_a_customer_is_called_the_day_before_and_on_the_due_day(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).answers()
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-16 00:00")

    def check(scene: Scene) -> None: ...

    async def whole(scene: Scene) -> None:
        await act(scene)
        rows = scene.rows()
        print([(r.round, r.state, r.disposition, r.outcome, r.planned_for, r.placed_at) for r in rows])
        assert [row.state for row in rows] == ["settled", "settled"]
        assert len(scene.mock.calls_to(ALICE)) == 2

    play(tmp_path, "2026-01-12 00:00", whole)
