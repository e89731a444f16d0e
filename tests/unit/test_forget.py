"""`dialer forget`: nothing of the person is left, who opted out stays so, and the record is as whole as before."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dialer import audit, explain, intake, operate, record, sweep
from dialer.errors import DialerError
from dialer.forget import Forgotten, forget
from dialer.planning import replan_persons
from dialer.roster import Suppression
from dialer.store import InlineStore, Tx, optouts, planbook
from dialer.store.worker_tables import EVERY
from tests.support.scene import ALICE, BOB, CAROL, Scene, account, due, play

PAY_TO = "工商银行尾号"
START = "2026-01-12 08:00"


def inline(scene: Scene) -> InlineStore:
    assert isinstance(scene.house.store, InlineStore)
    return scene.house.store


def cells(scene: Scene) -> dict[str, str]:
    """Every cell of every table: `table.column` → all of it as one text."""

    def read(tx: Tx) -> dict[str, str]:
        return {
            f"{table.name}.{column.name}": "\n".join(
                str(row[0]) for row in tx.exec_driver_sql(f'SELECT "{column.name}" FROM "{table.name}"')
            )
            for table in EVERY.tables.values()
            for column in table.columns
        }

    return inline(scene).run(read)


def found(scene: Scene, *words: str) -> set[str]:
    return {name for name, text in cells(scene).items() for word in words if word in text}


def verify(scene: Scene) -> audit.Audit:
    return inline(scene).run(lambda tx: audit.verify(tx, scene.clock.now(), None))


async def one_person(scene: Scene, *, keys: str = "9", person: str = "P-7701") -> None:
    """P-7701 (two accounts, ALICE) and P-2 (BOB) are called; ALICE presses a key and later writes."""
    rows = account(7701, ALICE) + account(7702, ALICE, 7701) + account(2, BOB)
    dues = due(7701, "2026-01-15") + due(7702, "2026-01-15") + due(2, "2026-01-15")
    scene.mock.on(ALICE).answers(keys=keys)
    scene.mock.on(BOB).answers(keys="1")
    await scene.load(rows.replace("王丽,+8613800138001", "欧阳娜娜,+8613800138001"), dues)
    await scene.launch()
    await scene.start()
    await scene.until("2026-01-14 12:00")
    inline(scene).run(
        lambda tx: intake.suppress(
            tx, Suppression(ALICE, "P-7701", "sms", f"欧阳娜娜 asked from {ALICE}", None), "command", scene.clock.now(),
            scene.touched,
        )
    )  # fmt: skip
    await operate.halt(scene.house, f"a complaint of 欧阳娜娜, {ALICE}")
    await operate.unhalt(scene.house)
    scene.paid(7701, "2026-01-15", "10.00")


WORDS = (ALICE, "+86138****8001", "欧阳", PAY_TO + "7701", "P-7701", "L-7701", "L-7702")


def test_nothing_of_the_person_is_left_in_any_column(tmp_path: Path) -> None:
    async def act(scene: Scene) -> Forgotten:
        await one_person(scene)
        assert {"accounts.phone", "attempts.phone", "placements.phone", "suppressions.phone"} <= found(scene, ALICE)
        assert {"actions.detail", "accounts.name"} <= found(scene, "欧阳")
        # In force until then, in the words of the operator, who halts for a reason: the flag is gone by now.
        done = await forget(scene.house, "P-7701")
        assert found(scene, *WORDS) == set()
        assert '"digits"' in cells(scene)["events.data"], "what others pressed is still there"
        assert BOB in cells(scene)["placements.phone"]
        return done

    done = play(tmp_path, START, act)
    assert done.counts["accounts"] == 2
    assert done.counts["installments"] == 2
    assert done.counts["payments"] == 1
    assert done.opt_outs >= 3
    assert done.shared == 0


def test_the_record_stays_whole_and_tells_how_many_rows_were_erased(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await one_person(scene)
        await record.seal(scene.house, "worker")
        before = verify(scene)
        head = before.heads[0].hash
        done = await forget(scene.house, "P-7701")
        after = verify(scene)
        assert after.intact, after.findings
        erased = {one.table: one.erased for one in after.tables}
        assert erased["events"] == done.counts["events"] > 0
        assert erased["placements"] == done.counts["placements"] > 0
        assert erased["actions"] == done.counts["actions"] == 3
        assert erased["verdicts"] == 0, "a verdict names nobody"
        assert inline(scene).run(lambda tx: audit.verify(tx, scene.clock.now(), head)).held
        (action,) = scene.rows("actions", action="forget")
        assert (action.subject, "7701" in action.detail) == ("", False)

    play(tmp_path, START, act)


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("UPDATE placements SET phone = '+8613900000000' WHERE phone = ''", "placements"),
        ("UPDATE events SET data = '{}' WHERE data LIKE '%digits%'", "events"),
        ("UPDATE placements SET phone = '' WHERE phone != ''", "placements"),
        ("DELETE FROM placements WHERE phone = ''", "placements"),
        ("DELETE FROM erasures WHERE kind = 'events'", "events"),
        ("DELETE FROM erasures WHERE kind = 'placements'", "erasures"),
        ("UPDATE erasures SET remains = '{}'", "erasures"),
        ("UPDATE erasures SET ids = '1-1000' WHERE kind = 'events'", "erasures"),
        ("UPDATE erasures SET ids = 'all'", "erasures"),
        ("DELETE FROM actions WHERE action = 'forget'", "erasures"),
        ("UPDATE actions SET detail = '' WHERE action = 'forget'", "erasures"),
        (
            "INSERT INTO erasures (action_id, at, kind, rows, ids, remains) "
            "SELECT action_id, at, 'verdicts', 1, '1', '{}' FROM actions WHERE action = 'forget'",
            "erasures",
        ),
    ],
)
def test_what_no_erasure_explains_is_told(tmp_path: Path, statement: str, table: str) -> None:
    async def act(scene: Scene) -> None:
        await one_person(scene)
        await forget(scene.house, "P-7701")
        assert verify(scene).intact
        inline(scene).run(lambda tx: tx.exec_driver_sql(statement))
        told = verify(scene)
        assert table in {one.table for one in told.findings}, told.findings

    play(tmp_path, START, act)


def test_a_digest_of_what_was_erased_cannot_be_tried_out(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await one_person(scene)
        await forget(scene.house, "P-7701")
        blanked = {row.placement_id for row in scene.rows("placements") if not row.phone}
        salted = {row.row_id: row.salt for row in scene.rows("digests", kind="placements")}
        assert blanked
        assert {key for key, salt in salted.items() if salt is None} == blanked

    play(tmp_path, START, act)


# --- who opted out --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("person", "phone", "called"),
    [("P-7701", ALICE, False), ("P-7701", "+8613800138077", False), ("P-99", ALICE, False), ("P-99", BOB, True)],
    ids=["both", "the person on another number", "another person on the number", "neither"],
)
def test_who_opted_out_and_was_forgotten_is_never_called_again(
    tmp_path: Path, person: str, phone: str, called: bool
) -> None:
    async def act(scene: Scene) -> None:
        await one_person(scene)
        await forget(scene.house, "P-7701")
        made = len(scene.mock.calls_to(phone)), len(scene.mock.messages_to(phone))
        scene.mock.on(phone).rings_out()
        row = account(88, phone).replace("P-88", person)
        await scene.load(row, due(88, "2026-01-30"))
        await scene.until("2026-01-28 00:05")
        await sweep.daily(scene.house)
        await scene.until("2026-02-01 00:00")
        await scene.stop()
        assert ((len(scene.mock.calls_to(phone)), len(scene.mock.messages_to(phone))) > made) == called
        told = inline(scene).run(lambda tx: explain.explain(tx, scene.house, "L-88"))
        kept = [entry for entry in told.timeline if entry.kind == "suppression"]
        assert bool(kept) != called
        if kept:
            assert {answer.rule for answer in told.answers} == {"dialer.suppressed"}

    play(tmp_path, START, act)


def test_what_is_planned_already_is_not_dialed_when_the_opt_out_is_known_by_its_hash_alone(tmp_path: Path) -> None:
    """The claim looks for itself: here planning knew nothing of it."""

    async def act(scene: Scene) -> None:
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        row = {"both": False, "channel": "", "until": None, "reason": "opted_out", "created_at": scene.clock.now()}
        inline(scene).run(lambda tx: optouts.add(tx, [{**row, "person_id": None, "phone": ALICE}], scene.clock.now()))
        await scene.start()
        await scene.until("2026-01-16 00:00")
        assert scene.mock.calls_to(ALICE) == []
        assert {row.rule for row in scene.rows()} == {"dialer.suppressed"}

    play(tmp_path, START, act)


def test_a_wrong_number_binds_that_person_on_that_number_alone(tmp_path: Path) -> None:
    def rows(tx: Tx, persons: list[str], phones: list[str]) -> Any:
        return planbook.stops(tx, persons, phones, scene_today)

    async def act(scene: Scene) -> None:
        nonlocal scene_today
        scene_today = scene.house.today(scene.clock.now())
        row = {"channel": "", "until": None, "reason": "wrong_number", "created_at": scene.clock.now(), "both": True}
        store = inline(scene)
        store.run(lambda tx: optouts.add(tx, [{**row, "person_id": "P-1", "phone": ALICE}], scene.clock.now()))
        stops = store.run(lambda tx: rows(tx, ["P-1", "P-2"], [ALICE, BOB]))
        assert [(p, n) for p in ("P-1", "P-2") for n in (ALICE, BOB) if stops.holds(p, n, "voice", scene_today)] == [
            ("P-1", ALICE)
        ]

    scene_today: Any = None
    play(tmp_path, START, act)


def test_an_opt_out_that_was_kept_can_be_lifted(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await one_person(scene)
        await forget(scene.house, "P-7701")
        await scene.until("2026-01-25 00:00")
        await scene.load(account(88, ALICE).replace("P-88", "P-7701"), due(88, "2026-01-30"))
        store, now = inline(scene), scene.clock.now()
        assert scene.rows("attempts", person_id="P-7701") == []
        store.run(lambda tx: intake.lift(tx, ALICE, "P-7701", "voice", "wants it again", now, scene.touched))
        assert {row.channel for row in scene.rows("opt_outs") if row.lifted_at is None} == {"sms"}
        store.run(lambda tx: intake.lift(tx, ALICE, "P-7701", "", "wants it again", now, scene.touched))
        with pytest.raises(DialerError, match="no such suppression"):
            store.run(lambda tx: intake.lift(tx, ALICE, "P-7701", "", "again", now, scene.touched))
        store.run(lambda tx: replan_persons(tx, scene.house, {"P-7701"}, scene.clock.now()))
        await scene.until("2026-01-28 00:00")
        store.run(lambda tx: replan_persons(tx, scene.house, {"P-7701"}, scene.clock.now()))
        assert scene.rows("attempts", person_id="P-7701")

    play(tmp_path, START, act)


def test_who_never_opted_out_rests_until_the_caps_would_have_run_out(tmp_path: Path) -> None:
    """With the attempts' names the caps lose what they count."""

    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).answers(keys="1")
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-14 12:00")
        assert len(scene.mock.calls_to(ALICE)) == 1
        await scene.stop()
        await forget(scene.house, "P-1")
        kept = scene.rows("opt_outs")
        assert {row.reason for row in kept} == {"contacted shortly before it was forgotten"}
        assert all(row.until > scene.house.today(scene.clock.now()) for row in kept)

    play(tmp_path, START, act)


# --- what is in the way ---------------------------------------------------------------------------------------------


def test_planned_attempts_are_cancelled_and_never_placed(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        planned = scene.rows("attempts", state="planned")
        assert planned
        done = await forget(scene.house, "P-1")
        assert done.cancelled == len(planned)
        assert {(row.state, row.reason) for row in scene.rows()} == {("cancelled", "stopped")}
        await scene.start()
        await scene.until("2026-01-16 00:00")
        assert scene.mock.calls_to(ALICE) == []

    play(tmp_path, START, act)


def test_while_an_attempt_runs_nothing_is_erased(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).rings_out()
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.clock.sleep_until(scene.rows()[0].due_at + timedelta(seconds=5))
        assert scene.rows("live_calls")
        before = cells(scene)["accounts.phone"]
        with pytest.raises(DialerError, match=r"is running.*try again after 2026-01-14 \d\d:\d\d"):
            await forget(scene.house, "P-1")
        assert cells(scene)["accounts.phone"] == before
        assert scene.rows("actions", action="forget") == []

    play(tmp_path, START, act)


def test_an_id_that_is_not_known_is_answered_with_the_nearest(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.load(account(7701, ALICE), "")
        with pytest.raises(DialerError, match=r'no person has the id "P-771"; the nearest ids are P-7701'):
            await forget(scene.house, "P-771")
        await forget(scene.house, "P-7701")
        with pytest.raises(DialerError, match="no person has the id"):
            await forget(scene.house, "P-7701")

    play(tmp_path, START, act)


def test_a_number_that_somebody_else_has_stays_with_them(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.load(account(1, ALICE) + account(2, ALICE, 2), "")
        now = scene.clock.now()
        inline(scene).run(
            lambda tx: intake.suppress(
                tx, Suppression(ALICE, "P-1", "", "王丽 asked", None), "command", now, scene.touched
            )
        )
        done = await forget(scene.house, "P-1")
        assert done.shared == 1
        (left,) = scene.rows("suppressions")
        assert (left.phone, left.person_id, left.reason) == (ALICE, None, "suppressed before it was forgotten")
        assert {row.person_id for row in scene.rows("accounts")} == {"P-2"}
        (kept,) = scene.rows("opt_outs")
        assert kept.person_mark
        assert kept.phone_mark is None

    play(tmp_path, START, act)


def test_what_stays_of_a_forgotten_person_is_told_in_chinese(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        now, store = scene.clock.now(), inline(scene)
        asked = Suppression(ALICE, None, "", "王丽 asked", None)
        store.run(lambda tx: intake.suppress(tx, asked, "command", now, scene.touched))
        await forget(scene.house, "P-1")
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        found = store.run(lambda tx: explain.explain(tx, scene.house, "L-1", None, "zh"))
        (told,) = [entry.text for entry in found.timeline if entry.kind == "suppression"]
        assert told == "停止电话和短信联系（该号码）：资料删除之前已停止联系；来源：已删除的资料"

    play(tmp_path, START, act)


# --- the key --------------------------------------------------------------------------------------------------------


def test_without_the_key_nobody_is_called(tmp_path: Path) -> None:
    """Nobody could tell any more whom the opt-outs name."""

    async def act(scene: Scene) -> None:
        await one_person(scene)
        await forget(scene.house, "P-7701")
        await scene.load(account(5, CAROL, 5), due(5, "2026-01-15"))
        assert scene.rows("attempts", person_id="P-5", state="planned")
        store, today = inline(scene), scene.house.today(scene.clock.now())
        store.run(lambda tx: tx.exec_driver_sql("DELETE FROM flags WHERE name = 'forget_key'"))
        with pytest.raises(DialerError, match="another forget_key"):  # what the claim asks
            store.run(lambda tx: planbook.stops(tx, ["P-5"], [CAROL], today))
        with pytest.raises(DialerError, match=r"another forget_key.*nobody is called"):
            await scene.load(account(6, CAROL, 6), due(6, "2026-01-15"))

    play(tmp_path, START, act)
