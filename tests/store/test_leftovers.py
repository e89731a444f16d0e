"""Both databases: what is planned in a cancelled campaign, what waits in a paused one, and money that is taken back."""

import io
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console

from dialer import check, operate, outlook, status, status_show, sweep
from dialer.house import House, add_months
from dialer.planning import replan
from dialer.status_model import Status
from dialer.store import Store, Tx, attempts
from dialer.store import tables as t
from dialer.store.common import People
from tests.support.scene import ALICE, SETTINGS, Scene, account, due


class Still:
    """A clock that stands: a morning before the due date."""

    def now(self) -> datetime:
        return datetime(2026, 1, 14, 0, 30, tzinfo=UTC)

    def off_s(self) -> float:
        return 0.0


def _house(url: str, folder: Path) -> House:
    (folder / "dialer.toml").write_text(SETTINGS, encoding="utf-8")
    clock: Any = Still()
    return House(check.read_settings(folder / "dialer.toml", {}), clock, Store(url))


async def test_a_page_of_planning_that_read_the_campaign_before_its_cancel(database_url: str, tmp_path: Path) -> None:
    house = _house(database_url, tmp_path)
    clock: Any = house.clock
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


async def test_what_is_planned_in_a_paused_campaign_is_told(database_url: str, tmp_path: Path) -> None:
    house = _house(database_url, tmp_path)
    nobody: Any = None
    scene = Scene(tmp_path, house, house.clock, nobody, nobody)  # type: ignore[arg-type]
    await add_months(house)
    await scene.load(account(1, ALICE), due(1, "2026-01-15"))
    await scene.launch()
    assert "; next due 2026-01-14 " in await house.store.read(lambda tx: outlook.tell(tx, house))
    await operate.set_status(house, "test", "paused")
    told = await house.store.read(lambda tx: outlook.tell(tx, house))
    assert told.startswith("1 paused campaign (test); paused: what is planned from 2026-01-14 ")
    assert "nothing is planned" not in told
    await operate.set_status(house, "test", "cancelled")
    assert "nothing is planned" in await house.store.read(lambda tx: outlook.tell(tx, house))
    await house.store.close()


async def test_what_is_taken_back_never_makes_a_days_spend_less_than_nothing(database_url: str) -> None:
    store, day = Store(database_url), date(2026, 1, 14)
    found = []
    for amount in ("-1.00", "2.00", "-0.50", "-5.00"):
        await store.write(lambda tx, amount=amount: attempts.add_spend(tx, day, {"main": Decimal(amount)}))
        found.append((await store.read(lambda tx: attempts.spent(tx, day)))["main"])
    assert found == [Decimal(0), Decimal("2.00"), Decimal("1.50"), Decimal(0)]
    await store.close()


async def test_the_status_names_each_worker_and_who_has_the_duty(postgres_url: str, tmp_path: Path) -> None:
    house = _house(postgres_url, tmp_path)
    names = ("far-host-7-abcdef", f"near-{'x' * 60}-8-123456")
    ways = [await house.store.attend(lambda: None, name) for name in names]
    now = house.clock.now()
    for way, name, ago_s in zip(ways, names, (60, 1), strict=True):
        await way.beat(name, now - timedelta(hours=1), now - timedelta(seconds=ago_s))
    assert [row.on_duty for row in (await _status(house)).workers] == [False, False]
    assert await ways[1].take_duty()
    found = await _status(house)
    told = [(one.worker, one.host, one.heard_at, one.on_duty) for one in found.workers]
    assert told == [
        (names[0], "far-host", now - timedelta(seconds=60), False),
        (names[1], f"near-{'x' * 60}", now - timedelta(seconds=1), True),
    ]
    out = io.StringIO()
    status_show.show(found, house, Console(file=out, width=200))
    assert "daemon heard at 08:29:59" in out.getvalue()
    row = re.escape(names[0]) + r" +far-host +07:30:00 +08:29:00 +·"
    assert re.search(rf"^worker +host +since +heard at +duty$\n^{row}", out.getvalue(), re.MULTILINE)
    assert re.search(r" 08:29:59 +plans, sweeps$", out.getvalue(), re.MULTILINE)
    for way in ways:
        await way.close()
    await house.store.close()


async def _status(house: House) -> Status:
    return await house.store.read(lambda tx: status.build(tx, house))
