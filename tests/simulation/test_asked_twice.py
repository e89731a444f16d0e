"""Dialogues whose provider asks twice, whose worker changes, and calls that are recorded."""

from dataclasses import replace
from pathlib import Path

import pytest

from adapters.contract import Heard, Step
from tests.simulation.test_lost_and_found import Hand, K, first, staged
from tests.support.scene import SETTINGS, Scene

NOTICE = "本次通话将被录音。"


async def ask(scene: Scene, hand: Hand, what: str, digits: str = "", number: int | None = 0) -> Step:
    heard = Heard(what, digits, number=number)  # type: ignore[arg-type]
    return await hand.host.step(hand.orders[0].attempt_id, heard)


def keyed(scene: Scene) -> list[str]:
    return [row.data["digits"] for row in scene.rows("events") if row.kind == "keyed" and "digits" in row.data]


def test_what_is_asked_twice_is_answered_alike_and_moves_nothing(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        await hand.tell(K.RINGING, K.ANSWERED)
        greet = await ask(scene, hand, "start")
        assert (greet.name, greet.number) == ("greet", 0)
        assert await ask(scene, hand, "start") == greet
        again = await ask(scene, hand, "keys", "7")
        assert (again.name, again.number) == ("greet", 1)
        assert await ask(scene, hand, "keys", "7") == again
        assert await ask(scene, hand, "start") == again, "the dialogue does not begin anew"
        thanks = await ask(scene, hand, "keys", "2", 1)
        assert (thanks.name, thanks.then, thanks.number) == ("tomorrow", "hang_up", 2)
        assert await ask(scene, hand, "keys", "2", 1) == thanks
        assert await ask(scene, hand, "keys", "9", 1) == thanks, "told twice, with another key: the first one counts"
        assert keyed(scene) == ["7", "2"]
        assert first(scene).outcome == "promised"

    staged(tmp_path, act)


def test_another_worker_answers_as_the_first_one_would(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        await hand.tell(K.RINGING, K.ANSWERED)
        await ask(scene, hand, "start")
        again = await ask(scene, hand, "silence")
        scene.worker.dialogues._running.clear()
        assert await ask(scene, hand, "silence") == again
        scene.worker.dialogues._running.clear()
        thanks = await ask(scene, hand, "keys", "1", 1)
        assert (thanks.name, thanks.number) == ("paid", 2)
        scene.worker.dialogues._running.clear()
        assert await ask(scene, hand, "keys", "1", 1) == thanks
        assert keyed(scene) == ["1"]

    staged(tmp_path, act)


def test_a_machine_that_is_told_twice_hears_the_same(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        await hand.tell(K.RINGING, K.ANSWERED)
        left = await ask(scene, hand, "machine")
        assert left.then == "hang_up"
        assert await ask(scene, hand, "machine") == replace(left, goes_on=True)
        scene.worker.dialogues._running.clear()
        assert await ask(scene, hand, "machine") == replace(left, goes_on=True)
        assert len([row for row in scene.rows("events") if row.kind == "machine_detected"]) == 1

    staged(tmp_path, act)


def test_a_machine_that_is_told_of_after_a_key_changes_nothing(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        await hand.tell(K.RINGING, K.ANSWERED)
        await ask(scene, hand, "start")
        thanks = await ask(scene, hand, "keys", "1")
        late = await ask(scene, hand, "machine", number=None)
        assert late == replace(thanks, goes_on=True)
        await hand.tell(K.MACHINE_DETECTED)
        await hand.tell(K.ENDED, disposition="machine")
        row = first(scene)
        assert (row.disposition, row.outcome) == ("human", "says_paid"), "no machine presses keys"

    staged(tmp_path, act)


def test_a_machine_that_heard_the_dialogue_to_its_end_was_not_reached(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        await hand.tell(K.RINGING, K.ANSWERED)
        await ask(scene, hand, "start")
        await ask(scene, hand, "silence")
        bye = await ask(scene, hand, "silence", number=1)
        assert (bye.name, bye.then) == ("bye", "hang_up")
        await hand.tell(K.ENDED, disposition="machine")
        row = first(scene)
        assert (row.disposition, row.outcome) == ("machine", "no_contact")

    staged(tmp_path, act)


@pytest.mark.parametrize(("key", "outcome"), [("9", "opted_out"), ("1", "says_paid")])
def test_a_key_counts_although_the_news_of_the_end_overtook_it(tmp_path: Path, key: str, outcome: str) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        await hand.tell(K.RINGING, K.ANSWERED)
        await ask(scene, hand, "start")
        await hand.tell(K.ENDED, disposition="answered")
        assert first(scene).state == "settled"
        await ask(scene, hand, "keys", key)
        await ask(scene, hand, "keys", key)
        assert first(scene).outcome == outcome
        assert keyed(scene) == [key]
        assert bool(scene.rows("suppressions")) == (key == "9")
        if key == "9":
            assert {row.reason for row in scene.rows(state="cancelled")} == {"opted_out"}
            assert scene.rows(state="planned") == []
        assert scene.worker.dialogues._running == {}

    staged(tmp_path, act)


def test_long_after_its_end_nobody_presses_keys_in_a_call(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        await hand.tell(K.RINGING, K.ANSWERED)
        await ask(scene, hand, "start")
        await hand.tell(K.ENDED, disposition="answered")
        await scene.until("2026-01-14 13:30")
        assert (await ask(scene, hand, "keys", "9")).then == "hang_up"
        assert first(scene).outcome == "reached"
        assert keyed(scene) == []

    staged(tmp_path, act)


def test_what_another_worker_heard_meanwhile_is_known(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        await hand.tell(K.RINGING, K.ANSWERED)
        await ask(scene, hand, "start")
        dialogues = scene.worker.dialogues
        ours = dict(dialogues._running)
        stale = {key: replace(one, heard=0) for key, one in ours.items()}
        await ask(scene, hand, "silence")
        dialogues._running.clear()
        dialogues._running.update(stale)  # as it stands in a worker that did not hear the silence
        thanks = await ask(scene, hand, "keys", "2", 1)
        assert (thanks.name, thanks.number) == ("tomorrow", 2)
        assert first(scene).outcome == "promised"

    staged(tmp_path, act)


def test_a_recorded_call_says_so_first_and_once(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        assert hand.orders[0].record
        await hand.tell(K.RINGING, K.ANSWERED)
        assert (await ask(scene, hand, "start")).text.startswith(f"{NOTICE} 王丽您好")
        scene.worker.dialogues._running.clear()
        assert (await ask(scene, hand, "start")).text.startswith(NOTICE)
        assert NOTICE not in (await ask(scene, hand, "silence")).text

    staged(tmp_path, act, settings=with_line(f'record_notice = {{ zh = "{NOTICE}" }}'))


def test_without_a_notice_in_its_language_no_call_is_recorded(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        assert not hand.orders[0].record
        assert (hand.orders[0].detection, hand.orders[0].version) == ("asynchronous", 1)

    line = 'record_notice = { en = "This call is recorded." }\nmachine_detection = "asynchronous"'
    staged(tmp_path, act, settings=with_line(line))


def with_line(more: str) -> str:
    return SETTINGS.replace("[transfers]", f"{more}\n[transfers]")
