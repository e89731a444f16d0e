"""Dialogues whose provider asks twice, whose worker changes, and calls that are recorded."""

from pathlib import Path

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
        assert await ask(scene, hand, "machine") == left
        scene.worker.dialogues._running.clear()
        assert await ask(scene, hand, "machine") == left
        assert len([row for row in scene.rows("events") if row.kind == "machine_detected"]) == 1

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
