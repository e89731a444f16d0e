"""What runs is kept at hand between two pieces of its news: it is never another than the database has."""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select, update

from dialer.attempt import Kind
from dialer.inbound import ingest
from dialer.news import News
from dialer.store import Store, Tx, at_hand, movement
from dialer.store import tables as t
from dialer.store.database import sqlite_file
from tests.support.hunted import hunt
from tests.support.scene import ALICE, Scene, account, due, play

a = t.attempts.c


def _as_the_database_has_it(tx: Tx, found: dict[int, dict[str, Any]]) -> int:
    """Compares; returns how many it compared."""
    for key, attempt in found.items():
        stands = tx.execute(select(t.attempts).where(a.attempt_id == key)).mappings().one()
        assert attempt == {name: stands[name] for name in attempt}
    return len(found)


def test_in_a_hostile_world_nothing_at_hand_is_ever_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moving, seen = movement.moving, {"kept": 0, "batches": 0}

    def watched(tx: Tx, ids: Iterable[int], refs: Iterable[str]) -> dict[int, dict[str, Any]]:
        seen["kept"] += _as_the_database_has_it(tx, at_hand.rows(tx))
        seen["batches"] += 1
        return moving(tx, ids, refs)

    monkeypatch.setattr(movement, "moving", watched)
    for seed in (11, 12):
        assert hunt(tmp_path, seed, 40).findings == []
    assert seen["batches"] > 200
    assert seen["kept"] > 200


def _ring(scene: Scene, key: int, tx: Tx) -> None:
    now = scene.clock.now()
    ingest(tx, scene.house, [News(Kind.RINGING, now, key, ref="r", identity=f"r/{now}")], now)


async def _placed(scene: Scene) -> int:
    """An attempt that runs and is at hand."""
    await scene.load(account(1, ALICE), due(1, "2026-01-15"))
    await scene.launch()
    key: int = scene.rows()[0].attempt_id
    placing = {"state": "placing", "claimed_at": scene.clock.now(), "check_at": scene.clock.now(), "line": "main"}
    await scene.house.store.write(lambda tx: tx.execute(update(t.attempts).values(placing)))
    await scene.house.store.write(lambda tx: _ring(scene, key, tx))
    assert await scene.house.store.write(lambda tx: list(at_hand.rows(tx))) == [key]
    return key


def test_what_another_work_of_ours_writes_is_read_again(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        key, store = await _placed(scene), scene.house.store
        later = scene.clock.now() + timedelta(hours=1)
        await store.write(lambda tx: tx.execute(update(t.attempts).values(check_at=later)))
        found = await store.write(lambda tx: movement.moving(tx, [key], [])[key])
        assert found["check_at"] == later

    play(tmp_path, "2026-01-13 08:00", act)


def test_nothing_is_at_hand_after_a_transaction_that_was_rolled_back(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        key, store = await _placed(scene), scene.house.store

        def answered_and_failed(tx: Tx) -> None:
            now = scene.clock.now()
            ingest(tx, scene.house, [News(Kind.ANSWERED, now, key, ref="r", identity="a")], now)
            assert at_hand.rows(tx)[key]["state"] == "talking"
            raise RuntimeError("after all")

        with pytest.raises(RuntimeError, match="after all"):
            await store.write(answered_and_failed)
        assert await store.write(lambda tx: dict(at_hand.rows(tx))) == {}
        assert (await store.write(lambda tx: movement.moving(tx, [key], [])))[key]["state"] == "ringing"

    play(tmp_path, "2026-01-13 08:00", act)


async def test_what_another_process_writes_is_read_again(tmp_path: Path) -> None:
    """Over the store's own connection to a file: `data_version` tells."""
    from dialer.store.schema import upgrade

    url = f"sqlite:///{tmp_path}/dialer.db"
    upgrade(url)
    store = Store(url)
    row = {column.name: None for column in t.attempts.columns}

    def keep(tx: Tx) -> None:
        at_hand.keep(tx, {7: {**row, "attempt_id": 7}}, {})

    await store.write(keep)
    assert list(await store.write(lambda tx: at_hand.rows(tx))) == [7]
    await store.read(lambda tx: tx.execute(select(t.flags)).all())
    assert list(await store.write(lambda tx: at_hand.rows(tx))) == [7]
    other = create_engine(f"sqlite:///{sqlite_file(url)}")
    with other.begin() as connection:
        connection.exec_driver_sql("INSERT INTO flags VALUES ('halt', 'x', 0)")
    other.dispose()
    assert await store.write(lambda tx: dict(at_hand.rows(tx))) == {}
    await store.close()


async def test_a_shared_database_keeps_nothing_at_hand(postgres_url: str) -> None:
    store = Store(postgres_url)
    await store.write(lambda tx: at_hand.keep(tx, {7: {"attempt_id": 7}}, {}))
    assert await store.write(lambda tx: dict(at_hand.rows(tx))) == {}
    await store.close()


def test_attempts_are_numbered_in_the_order_of_their_slots(tmp_path: Path) -> None:
    """What is due together lies together: a commit then writes few pages."""

    async def act(scene: Scene) -> None:
        numbers = range(10, 40)
        accounts = "".join(account(n, f"+86138000000{n}") for n in numbers)
        await scene.load(accounts, "".join(due(n, "2026-01-15") for n in numbers))
        await scene.launch()
        slots = [row.planned_for for row in sorted(scene.rows(), key=lambda row: row.attempt_id)]
        assert len(slots) >= 30
        assert slots == sorted(slots)

    play(tmp_path, "2026-01-13 08:00", act)


async def test_a_quick_transaction_waits_for_the_lull_and_another_does_not(tmp_path: Path) -> None:
    from dialer.store.schema import upgrade

    url = f"sqlite:///{tmp_path}/dialer.db"
    upgrade(url)
    store, waits = Store(url), []

    async def lull() -> None:
        waits.append("waited")

    store.lull = lull
    await store.write(lambda tx: waits.append("quick"), quick=True)
    await store.write(lambda tx: waits.append("long"))
    await store.close()
    assert waits == ["waited", "quick", "long"]


def test_a_worker_minds_the_slots_of_what_it_claimed(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).rings_out()
        await _placed_by_itself(scene)
        assert scene.house.store.lull == scene.worker.dialer.lull.wait
        slot = next(row.planned_for for row in scene.rows() if row.claimed_at)
        (expected,) = scene.worker.dialer.lull._slots
        assert abs(expected - slot) < timedelta(milliseconds=1)

    play(tmp_path, "2026-01-13 08:00", act)


async def _placed_by_itself(scene: Scene) -> None:
    await scene.load(account(1, ALICE), due(1, "2026-01-15"))
    await scene.launch()
    await scene.start()
    await scene.until("2026-01-14 12:00")
