"""`dialer purge`: what is old goes, what is open or young stays, and the record is as whole as before."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from dialer import audit, purge, record
from dialer.errors import DialerError
from dialer.purge import Purged
from dialer.store import InlineStore, desk
from tests.support.scene import ALICE, BOB, CAROL, Scene, account, due, play

START = "2026-01-12 08:00"
LATER = "2026-03-01 08:00"
KEEP = 20
DAY = date(2026, 2, 1)
PERSONAL = ("attempts", "attempt_accounts", "events", "verdicts", "placements", "promises", "tasks", "contacts",
            "accounts", "installments", "payments", "members", "persons")  # fmt: skip


def inline(scene: Scene) -> InlineStore:
    assert isinstance(scene.house.store, InlineStore)
    return scene.house.store


def verify(scene: Scene, head: str | None = None) -> audit.Audit:
    found = inline(scene).run(lambda tx: audit.verify(tx, scene.clock.now(), head))
    assert found.intact, found.findings
    return found


def sizes(scene: Scene) -> dict[str, int]:
    return {table: len(scene.rows(table)) for table in PERSONAL}


async def years(scene: Scene) -> None:
    """ALICE is called and pays, BOB promises and keeps it, CAROL never pays; then weeks pass."""
    scene.mock.on(ALICE).answers(keys="1")
    scene.mock.on(BOB).answers(keys="2")
    await scene.load(
        account(1, ALICE) + account(2, BOB) + account(3, CAROL),
        due(1, "2026-01-15") + due(2, "2026-01-15") + due(3, "2026-01-15"),
    )
    await scene.launch()
    await scene.start()
    await scene.until("2026-01-14 23:00")
    await record.seal(scene.house, "worker")
    await scene.until("2026-01-16 08:00")
    scene.paid(1, "2026-01-15")
    scene.paid(2, "2026-01-15")
    await record.seal(scene.house, "worker")
    await scene.until("2026-01-17 08:00")
    await scene.stop()
    store = inline(scene)
    kept = [(row.promise_id, "kept") for row in scene.rows("promises")]
    store.run(lambda tx: desk.close_promises(tx, kept, scene.clock.now()))
    await scene.until(LATER)


def stage(tmp_path: Path, act: Callable[[Scene], object]) -> None:
    async def whole(scene: Scene) -> None:
        await years(scene)
        await act(scene)  # type: ignore[misc]

    play(tmp_path, START, whole)


def test_what_is_old_goes_and_what_is_open_stays(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        before = sizes(scene)
        head = verify(scene).heads[0].hash
        found = await purge.purge(scene.house, DAY, KEEP)
        left = sizes(scene)
        # CAROL's installment is open: the person stays, and its attempts are old all the same.
        assert {row.person_id for row in scene.rows("persons")} == {"P-3"}
        assert [row.account_id for row in scene.rows("accounts")] == ["L-3"]
        assert [row.account_id for row in scene.rows("installments")] == ["L-3"]
        assert left | {"persons": 0, "accounts": 0, "installments": 0, "members": 0, "events": 0, "verdicts": 0,
                       "placements": 0} == dict.fromkeys(PERSONAL, 0)  # fmt: skip
        assert (left["events"], left["verdicts"], left["placements"]) == (1, 1, 1), (
            "the highest ids are not given again"
        )
        assert {table: before[table] - left[table] for table in PERSONAL if before[table] != left[table]} == {
            table: count for table, count in found.counts.items() if count
        }
        after = verify(scene, head)
        assert after.held
        assert {one.table: one.erased for one in after.tables if one.erased} == {
            kind: before[kind] - 1 for kind in ("events", "verdicts", "placements")
        }

    stage(tmp_path, act)


def test_digests_go_where_all_that_they_held_is_gone(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        before = len(scene.rows("digests", kind="events"))
        await purge.purge(scene.house, DAY, KEEP)
        (first, *_others) = scene.rows("seal_parts", kind="events")
        assert scene.rows("digests", kind="events", seal_id=first.seal_id) == []
        assert 0 < len(scene.rows("digests", kind="events")) < before
        again = await purge.purge(scene.house, DAY, KEEP)
        assert again.counts == {}
        verify(scene)

    stage(tmp_path, act)


def test_a_purged_row_that_is_there_again_and_a_part_that_nothing_explains_are_told(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await purge.purge(scene.house, DAY, KEEP)
        store = inline(scene)
        names = "attempt_id, at, stage, verdict, rule, until, reason, saw"
        store.run(
            lambda tx: tx.exec_driver_sql(f"INSERT INTO verdicts (verdict_id, {names}) SELECT 1, {names} FROM verdicts")
        )
        found = store.run(lambda tx: audit.verify(tx, scene.clock.now(), None))
        assert [(one.table, one.id, one.text) for one in found.findings] == [
            ("verdicts", 1, "was erased, and is there again")
        ]
        store.run(lambda tx: tx.exec_driver_sql("DELETE FROM verdicts WHERE verdict_id = 1"))
        verify(scene)
        store.run(lambda tx: tx.exec_driver_sql("DELETE FROM erasures WHERE kind = 'events'"))
        found = store.run(lambda tx: audit.verify(tx, scene.clock.now(), None))
        assert {"erasures", "digests"} <= {one.table for one in found.findings}

    stage(tmp_path, act)


def test_a_dry_run_counts_and_changes_nothing(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        before = sizes(scene), len(scene.rows("actions")), len(scene.rows("seals"))
        dry = await purge.purge(scene.house, DAY, KEEP, dry_run=True)
        assert (sizes(scene), len(scene.rows("actions")), len(scene.rows("seals"))) == before
        real = await purge.purge(scene.house, DAY, KEEP)
        assert dry.counts == {name: real.counts[name] for name in ("attempts", "persons")}

    stage(tmp_path, act)


def test_pages_are_as_small_as_one_likes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "PAGE", 1)
    monkeypatch.setattr(purge, "PARTS_PAGE", 1)

    async def act(scene: Scene) -> None:
        attempts = len(scene.rows())
        found = await purge.purge(scene.house, DAY, KEEP)
        assert found.counts["attempts"] == attempts
        assert len(scene.rows("actions", action="purge")) == attempts + 2
        verify(scene)

    stage(tmp_path, act)


def test_an_attempt_with_an_open_task_or_promise_stays_whole(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        store = inline(scene)
        with_promise = scene.rows("promises")[0].attempt_id
        store.run(lambda tx: tx.exec_driver_sql("UPDATE promises SET state = 'open'"))
        task = {"kind": "review", "person_id": "P-1", "detail": "", "opened_at": scene.clock.now()}
        with_task = scene.rows("attempts", person_id="P-1")[0].attempt_id
        store.run(lambda tx: desk.add_tasks(tx, [{**task, "attempt_id": with_task}]))
        await purge.purge(scene.house, DAY, KEEP)
        assert {with_promise, with_task} <= {row.attempt_id for row in scene.rows()}
        assert {row.attempt_id for row in scene.rows("placements")} >= {with_promise, with_task}
        assert {row.person_id for row in scene.rows("persons")} == {"P-1", "P-2", "P-3"}
        verify(scene)

    stage(tmp_path, act)


def test_what_is_younger_stays(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        before = sizes(scene)
        found = await purge.purge(scene.house, date(2026, 1, 1), KEEP)
        assert found == Purged(date(2026, 1, 1))
        assert sizes(scene) == before
        last = scene.house.today(scene.clock.now()) - timedelta(days=KEEP)
        with pytest.raises(DialerError, match=f"must be kept; accepted: {last} or earlier"):
            await purge.purge(scene.house, last + timedelta(days=1), KEEP)

    stage(tmp_path, act)


def test_who_was_forgotten_is_purged_in_time(tmp_path: Path) -> None:
    """Rows that were blanked are deleted later: both are told by the record."""
    from dialer.forget import forget

    async def act(scene: Scene) -> None:
        await forget(scene.house, "P-2")
        verify(scene)
        await purge.purge(scene.house, DAY, KEEP)
        assert len(scene.rows()) == 0
        verify(scene)

    stage(tmp_path, act)
