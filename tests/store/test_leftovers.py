"""Both databases: what a cancelled campaign leaves planned is taken up by the minute's sweep."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dialer import check, operate, sweep
from dialer.house import House, add_months
from dialer.planning import replan
from dialer.store import Store, Tx
from dialer.store import tables as t
from dialer.store.common import People
from tests.support.scene import ALICE, SETTINGS, Scene, account, due


class Still:
    """A clock that stands: a morning before the due date."""

    def now(self) -> datetime:
        return datetime(2026, 1, 14, 0, 30, tzinfo=UTC)

    def off_s(self) -> float:
        return 0.0


async def test_a_page_of_planning_that_read_the_campaign_before_its_cancel(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "dialer.toml").write_text(SETTINGS, encoding="utf-8")
    clock: Any = Still()
    house = House(check.read_settings(tmp_path / "dialer.toml", {}), clock, Store(database_url))
    nobody: Any = None
    scene = Scene(tmp_path, house, clock, nobody, nobody)
    await add_months(house)
    await scene.load(account(1, ALICE), due(1, "2026-01-15"))
    await scene.launch()
    before = await house.store.read(house.launched)
    await operate.set_status(house, "test", "cancelled")
    await house.store.write(lambda tx: replan(tx, house, People(ids=("P-1",)), clock.now(), before))
    assert ("planned", None) in await _standing(house)
    assert await sweep.expire(house) > 0
    assert {state for state, _ in await _standing(house)} == {"cancelled"}
    assert {reason for _, reason in await _standing(house)} == {"campaign_cancelled"}
    assert await sweep.expire(house) == 0
    await house.store.close()


async def _standing(house: House) -> list[tuple[str, str | None]]:
    def read(tx: Tx) -> list[tuple[str, str | None]]:
        return [(row.state, row.reason) for row in tx.execute(t.attempts.select())]

    return await house.store.read(read)
