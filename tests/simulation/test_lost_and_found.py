"""Every way into `lost` and out of it, and callbacks that come when they should not, on virtual time.

The carrier here is led by hand: it takes what it is given and says only what the test says.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.contract import (
    Event,
    EventKind,
    Heard,
    HookReply,
    HookRequest,
    Host,
    Order,
    Proof,
    Receipt,
    Refused,
    Unavailable,
)
from adapters.contract import Uncertain as UncertainError
from adapters.mock import ADAPTER
from dialer.store import tables
from dialer.worker import Fitted
from tests.support.scene import ALICE, CAMPAIGN, SETTINGS, Scene, account, due, play

K = EventKind
SILENT_S = 30 + 300 + 60
"""Ring time-out, time limit, and a minute."""


class Hand:
    """A provider that takes every order and then does what the test wants."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.answer: Callable[[Order], Coroutine[Any, Any, Receipt]] = self.take
        self.known: list[Event] = []
        self.asked_at: list[datetime] = []
        self.find_does: Callable[[Order], Coroutine[Any, Any, None]] | None = None
        self.hung_up: list[str] = []
        self.hang_up_tells: list[Event] = []

    async def open(self, host: Host) -> None:
        self.host = host

    async def close(self) -> None:
        self.orders.append(Order("closed", "voice", "", "", ""))

    async def take(self, order: Order) -> Receipt:
        return Receipt(f"ref-{order.attempt_id}")

    async def place(self, order: Order) -> Receipt:
        self.orders.append(order)
        return await self.answer(order)

    async def find(self, order: Order) -> list[Event]:
        self.asked_at.append(self.host.now())
        if self.find_does is not None:
            await self.find_does(order)
        return [event for event in self.known if event.attempt_id in ("", order.attempt_id)]

    async def hang_up(self, ref: str) -> None:
        self.hung_up.append(ref)
        await self.host.record(self.hang_up_tells)

    async def hook(self, request: HookRequest) -> HookReply:
        return HookReply()

    async def prove(self, callers: Mapping[str, frozenset[str]]) -> list[Proof]:
        return []

    def event(self, kind: EventKind, disposition: str = "", number: int = 0, **changes: Any) -> Event:
        """An event of the order of this number, now."""
        key = self.orders[number].attempt_id
        usual = Event(kind, self.host.now(), key, f"ref-{key}", f"{key}:{kind}", disposition=disposition)
        return usual._replace(**changes)

    async def tell(self, *kinds: EventKind, **changes: Any) -> None:
        for kind in kinds:
            await self.host.record([self.event(kind, **changes)])


Act = Callable[[Scene, Hand], Coroutine[Any, Any, None]]


def staged(
    folder: Path, act: Act, people: int = 1, campaign: str = CAMPAIGN, settings: str = SETTINGS, **spec: Any
) -> None:
    """Plays `act` from the moment at which the first order was placed."""

    async def whole(scene: Scene) -> None:
        hand = Hand()
        scene.worker.poll = timedelta(seconds=2)  # as in production, reconciling does not wait for a poll an hour away
        scene.worker.adapters = {"mock": Fitted(hand, replace(ADAPTER, **spec))}
        phones = [f"+86138001380{number:02d}" for number in range(1, people + 1)]
        await scene.load(
            "".join(account(number, phone) for number, phone in enumerate(phones, 1)),
            "".join(due(number, "2026-01-15") for number in range(1, people + 1)),
        )
        await scene.launch(campaign)
        await before(scene, hand)
        await scene.start()
        while len(hand.orders) < people:
            await after(scene, 1)
        await act(scene, hand)

    async def before(scene: Scene, hand: Hand) -> None:
        if hasattr(act, "before"):
            await act.before(scene, hand)

    play(folder, "2026-01-14 11:26", whole, settings)


async def after(scene: Scene, seconds: float) -> None:
    await scene.clock.sleep_until(scene.clock.now() + timedelta(seconds=seconds))


async def long_after(scene: Scene, minutes: float) -> None:
    """The same, with fewer looks on the way: what is to be asked about is asked at its time."""
    was, scene.worker.poll = scene.worker.poll, timedelta(minutes=1)
    await after(scene, minutes * 60)
    scene.worker.poll = was


def first(scene: Scene) -> Any:
    return scene.rows()[0]


def strays(scene: Scene) -> list[str]:
    return [row.kind for row in scene.rows("events") if row.stray]


# --- into lost, and out of it ------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [(), (K.RINGING,), (K.RINGING, K.ANSWERED)], ids=["placed", "ringing", "talking"])
def test_a_call_without_news_past_its_limit_is_hung_up_and_settled(tmp_path: Path, told: tuple[EventKind, ...]) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        await hand.tell(*told)
        await after(scene, SILENT_S - 5)
        assert first(scene).state in ("placed", "ringing", "talking")
        assert hand.hung_up == []
        hand.known = [hand.event(K.ENDED, "answered", talk_s=300.0)]
        await after(scene, 15)
        assert hand.hung_up == [f"ref-{hand.orders[0].attempt_id}"]
        row = first(scene)
        assert (row.state, row.disposition) == ("settled", "answered")
        assert scene.rows("live_calls") == []
        assert "silent" in [event.kind for event in scene.rows("events")]

    staged(tmp_path, act)


def test_silence_is_counted_from_the_last_news(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        await hand.tell(K.RINGING)
        await after(scene, 40)
        await hand.tell(K.ANSWERED)
        await after(scene, SILENT_S - 5)
        assert first(scene).state == "talking"
        assert hand.hung_up == []
        await after(scene, 15)
        assert hand.hung_up == [f"ref-{hand.orders[0].attempt_id}"]
        assert "silent" in [event.kind for event in scene.rows("events")]

    staged(tmp_path, act)


def test_a_call_that_goes_on_past_its_limit_is_hung_up_however_much_is_pressed(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        await hand.tell(K.RINGING, K.ANSWERED)
        hand.known = [hand.event(K.RINGING)]
        for number in range(9):
            await after(scene, 45)
            await hand.tell(K.KEYED, digits="5", identity=f"key-{number}")
        assert hand.hung_up == [f"ref-{hand.orders[0].attempt_id}"]
        assert first(scene).state == "lost"

    staged(tmp_path, act)


def test_the_end_that_hanging_up_brings_is_the_end(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        await hand.tell(K.RINGING, K.ANSWERED)
        hand.hang_up_tells = [hand.event(K.ENDED, "answered")]
        await after(scene, SILENT_S + 5)
        row = first(scene)
        assert (row.state, row.disposition) == ("settled", "answered")
        assert hand.asked_at == [], "nothing is lost that has ended"

    staged(tmp_path, act)


def test_what_its_provider_knows_moves_a_lost_call_on_and_it_ends_as_usual(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        hand.known = [hand.event(K.ACCEPTED), hand.event(K.RINGING)]
        await after(scene, SILENT_S + 5)
        assert (first(scene).state, first(scene).lost_at) == ("ringing", None)
        await hand.tell(K.ANSWERED)
        await hand.tell(K.ENDED, disposition="answered")
        assert (first(scene).state, first(scene).disposition) == ("settled", "answered")
        assert strays(scene) == []

    staged(tmp_path, act)


def test_a_lost_call_that_stays_as_it_was_is_given_up_after_half_an_hour(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        await hand.tell(K.RINGING)
        hand.known = [hand.event(K.RINGING)]
        await after(scene, SILENT_S + 5)
        lost_at = first(scene).lost_at
        await long_after(scene, 29)
        assert first(scene).state == "lost"
        await long_after(scene, 7)
        row = first(scene)
        assert (row.state, row.outcome) == ("settled", "unknown")
        assert timedelta(minutes=30) <= row.settled_at - lost_at <= timedelta(minutes=35), "asked every five minutes"
        assert scene.rows("live_calls") == []
        pauses = [later - sooner for sooner, later in zip(hand.asked_at, hand.asked_at[1:], strict=False)]
        assert pauses == sorted(pauses), "asked with back-off"
        assert len(pauses) < 20

    staged(tmp_path, act)


def lost_answer(hand: Hand) -> None:
    async def cut(order: Order) -> Receipt:
        raise UncertainError("cut")

    hand.answer = cut


def with_lost_answers(act: Act) -> Act:
    """The provider's answers are lost from the beginning."""

    async def before(scene: Scene, hand: Hand) -> None:
        lost_answer(hand)

    act.before = before  # type: ignore[attr-defined]
    return act


def test_not_found_counts_only_after_the_visibility_delay(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        await after(scene, 115)
        assert first(scene).state == "lost"
        assert len(hand.asked_at) > 3
        await after(scene, 200)
        row = first(scene)
        assert (row.state, row.outcome) == ("settled", "unknown")
        assert "not_found" in [event.kind for event in scene.rows("events")]

    staged(tmp_path, with_lost_answers(act), visibility_delay_s=120.0)


def test_what_becomes_visible_late_is_found_and_not_placed_again(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        await after(scene, 60)
        hand.known = [hand.event(K.ENDED, "busy")]
        await after(scene, 120)
        assert (first(scene).state, first(scene).disposition) == ("settled", "busy")
        assert len(hand.orders) == 1

    staged(tmp_path, with_lost_answers(act), visibility_delay_s=120.0)


def test_news_that_comes_while_its_provider_is_asked_wins(tmp_path: Path) -> None:
    """The provider's answer "I do not know it" is older than the ringing that came meanwhile."""

    async def act(scene: Scene, hand: Hand) -> None:
        key, others = hand.orders[0].attempt_id, hand.orders[1].attempt_id
        claimed = {str(row.attempt_id): row.claimed_at for row in scene.rows()}
        visible_at = claimed[key] + timedelta(seconds=201)

        async def rings(order: Order) -> None:
            if order.attempt_id == key and hand.host.now() >= visible_at:
                await hand.tell(K.RINGING)

        hand.find_does = rings
        await after(scene, 300)
        by_id = {str(row.attempt_id): row for row in scene.rows()}
        assert by_id[key].state == "ringing"
        assert by_id[others].outcome == "unknown", "the others are looked after all the same"
        await hand.tell(K.ENDED, disposition="declined")
        assert {str(row.attempt_id): row for row in scene.rows()}[key].disposition == "declined"

    with capture_logs() as logged:
        staged(tmp_path, with_lost_answers(act), people=2, visibility_delay_s=200.0)
    assert [one for one in logged if one["log_level"] == "error"] == [], "it is no mistake of ours"


def test_a_provider_that_never_answers_keeps_nothing_from_its_end(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        async def never(order: Order) -> None:
            await asyncio.Event().wait()

        hand.find_does = never
        await long_after(scene, 45)
        assert {(row.state, row.outcome) for row in scene.rows(round=1)} == {("settled", "unknown")}

    staged(tmp_path, with_lost_answers(act), people=3)


def test_a_provider_that_cannot_be_asked_is_asked_until_the_deadline(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        async def down(order: Order) -> None:
            raise Unavailable("down")

        hand.find_does = down
        await long_after(scene, 29)
        assert first(scene).state == "lost", "not to be asked is not to be unknown"
        await long_after(scene, 7)
        assert (first(scene).state, first(scene).outcome) == ("settled", "unknown")

    staged(tmp_path, with_lost_answers(act))


def given_up(act: Act) -> Act:
    """Plays on after an attempt was given up as unknown."""

    async def later(scene: Scene, hand: Hand) -> None:
        await after(scene, 45)
        assert first(scene).outcome == "unknown"
        await act(scene, hand)

    return with_lost_answers(later)


def test_a_late_end_replaces_unknown_once(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        await long_after(scene, 60)
        await hand.tell(K.ENDED, disposition="busy")
        assert (first(scene).disposition, first(scene).outcome) == ("busy", "no_contact")
        assert [(row.line, row.amount) for row in scene.rows("spend")] == [("main", 0)], "a busy line costs nothing"
        await hand.tell(K.ENDED, disposition="declined", identity="another")
        assert first(scene).disposition == "busy"
        assert strays(scene) == ["ended"]

    staged(tmp_path, given_up(act))


def test_what_a_late_end_means_takes_effect(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        assert {row.state for row in scene.rows(round=2)} == {"planned"}
        await hand.tell(K.ENDED, disposition="invalid_number")
        assert [row.phone for row in scene.rows("suppressions")] == [ALICE]
        assert {row.state for row in scene.rows(round=2)} == {"cancelled"}

    staged(tmp_path, given_up(act))


# --- messages ----------------------------------------------------------------------------------------------------

TEXTS = CAMPAIGN.replace('channel = "voice"\nscript = "reminder"', 'channel = "sms"\nmessage = "missed"', 1)


def test_a_message_without_a_receipt_is_lost_after_its_validity_and_found(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        row = first(scene)
        hand.known = [hand.event(K.ACCEPTED)]
        await scene.clock.sleep_until(row.valid_until + timedelta(seconds=55))
        assert first(scene).state == "placed"
        await after(scene, 10)
        assert first(scene).state == "lost"
        hand.known.append(hand.event(K.DELIVERED))
        await after(scene, 30)
        assert (first(scene).state, first(scene).disposition) == ("settled", "delivered")
        assert hand.hung_up == [], "a message is not hung up"

    staged(tmp_path, act, campaign=TEXTS)


def test_a_lost_message_that_was_taken_settles_as_sent_where_there_are_no_receipts(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        hand.known = [hand.event(K.ACCEPTED)]
        await after(scene, 5)
        assert (first(scene).state, first(scene).disposition) == ("settled", "sent")

    staged(tmp_path, with_lost_answers(act), campaign=TEXTS, receipts=False)


def test_a_lost_message_is_given_up_after_its_validity(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        hand.known = [hand.event(K.ACCEPTED)]
        row = first(scene)
        await scene.clock.sleep_until(row.lost_at + (row.valid_until - row.claimed_at) - timedelta(minutes=6))
        assert first(scene).state == "lost"
        await long_after(scene, 42)
        assert (first(scene).state, first(scene).outcome) == ("settled", "unknown")

    staged(tmp_path, with_lost_answers(act), campaign=TEXTS)


# --- callbacks at the wrong time ---------------------------------------------------------------------------------


@pytest.mark.parametrize("reply", ["taken", Unavailable("down"), Refused("blocked"), UncertainError("cut")], ids=repr)
def test_events_before_the_reply_are_believed_whatever_the_reply_says(tmp_path: Path, reply: Any) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        assert first(scene).state == "placing"
        await hand.tell(K.RINGING)
        await after(scene, 4)  # the reply has come
        assert first(scene).state == "ringing"
        await hand.tell(K.ANSWERED)
        await hand.tell(K.ENDED, disposition="answered")
        await long_after(scene, 10)
        row = first(scene)
        assert (row.state, row.disposition, row.provider_ref) == ("settled", "answered", f"ref-{row.attempt_id}")
        assert [order.to for order in hand.orders] == [ALICE], "it was never placed again"

    async def before(scene: Scene, hand: Hand) -> None:
        async def late(order: Order) -> Receipt:
            await hand.host.sleep_until(hand.host.now() + timedelta(seconds=3))
            if isinstance(reply, Exception):
                raise reply
            return Receipt(f"ref-{order.attempt_id}")

        hand.answer = late

    act.before = before  # type: ignore[attr-defined]
    staged(tmp_path, act)


def test_an_end_before_the_reply_is_the_end(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        await hand.tell(K.ENDED, disposition="busy")
        assert first(scene).state == "settled"
        await after(scene, 20)  # place() has timed out meanwhile
        row = first(scene)
        assert (row.state, row.disposition) == ("settled", "busy")
        assert len(hand.orders) == 1

    async def before(scene: Scene, hand: Hand) -> None:
        async def never(order: Order) -> Receipt:
            await asyncio.Event().wait()
            raise AssertionError

        hand.answer = never

    act.before = before  # type: ignore[attr-defined]
    staged(tmp_path, act)


def test_events_twice_late_and_out_of_order_leave_one_settled_call(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        await hand.tell(K.ANSWERED, K.ANSWERED, K.RINGING)
        assert first(scene).state == "talking"
        await hand.tell(K.ENDED, disposition="answered")
        settled = first(scene)
        await hand.tell(K.ENDED, disposition="answered")
        await hand.tell(K.ENDED, disposition="busy", identity="again")
        await hand.tell(K.KEYED, K.HUMAN_DETECTED)
        assert first(scene) == settled
        assert [row.kind for row in scene.rows("events")].count("ended") == 2, "the same fact is kept once"
        assert strays(scene) == ["ringing", "ended", "keyed", "human_detected"]

    staged(tmp_path, act)


def test_news_of_unknown_attempts_is_kept_as_a_stray_and_moves_nothing(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        rows = scene.rows()
        for key in ("999999", "-1", "9" * 30, "mock", "", "1.0"):
            for kind in (K.RINGING, K.ENDED):
                await hand.tell(kind, attempt_id=key, ref="nobody's", identity=f"{key}/{kind}")
        assert scene.rows() == rows
        assert len(strays(scene)) == 12
        assert (await hand.host.step("999999", Heard("start"))).then == "hang_up"

    staged(tmp_path, act)


def test_news_of_an_attempt_that_was_never_placed_leaves_it_as_it_is(tmp_path: Path) -> None:
    """Forged, or of another attempt: it must not even take the provider's reference."""

    async def act(scene: Scene, hand: Hand) -> None:
        planned = scene.rows(round=2)
        key = str(planned[0].attempt_id)
        for kind in (K.ACCEPTED, K.RINGING, K.ANSWERED, K.KEYED, K.ENDED, K.DELIVERED, K.UNDELIVERED):
            await hand.tell(kind, attempt_id=key, ref="forged", identity=f"forged:{kind}")
        assert scene.rows(round=2) == planned
        assert len(strays(scene)) == 7
        assert (await hand.host.step(key, Heard("start"))).then == "hang_up"
        scene.worker.poll = timedelta(hours=1)
        await scene.until("2026-01-15 15:00")
        assert [order.attempt_id for order in hand.orders].count(key) == 1, "it is called at its time, as planned"

    staged(tmp_path, act)


def test_what_ends_during_a_shutdown_is_recorded(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        await hand.tell(K.RINGING, K.ANSWERED)
        stopping = asyncio.create_task(scene.stop())
        await asyncio.sleep(0.2)
        assert not stopping.done(), "it waits for the call"
        assert (await hand.host.step(hand.orders[0].attempt_id, Heard("start"))).then == "gather"
        await hand.host.step(hand.orders[0].attempt_id, Heard("keys", "1"))
        await hand.tell(K.ENDED, disposition="answered")
        await stopping
        row = first(scene)
        assert (row.state, row.disposition, row.outcome) == ("settled", "human", "says_paid")
        assert hand.orders[-1].attempt_id == "closed"

    staged(tmp_path, act)


def test_a_dialogue_is_forgotten_with_its_call_however_that_ends(tmp_path: Path) -> None:
    async def act(scene: Scene, hand: Hand) -> None:
        await long_after(scene, 45)
        assert {row.state for row in scene.rows(round=1)} == {"settled"}
        assert scene.worker.dialogues._running == {}
        assert (await hand.host.step(hand.orders[0].attempt_id, Heard("keys", "1"))).then == "hang_up"
        assert first(scene).outcome in ("unknown", "failed")

    async def before(scene: Scene, hand: Hand) -> None:
        replies: list[Exception] = [Refused("blocked"), UncertainError("cut")]

        async def no(order: Order) -> Receipt:
            raise replies[len(hand.orders) % 2]

        hand.answer = no

    act.before = before  # type: ignore[attr-defined]
    staged(tmp_path, act, people=2)


def test_find_is_told_which_calls_are_other_attempts_ones(tmp_path: Path) -> None:
    """Another's call to the number must not be taken for that of the attempt whose answer was lost."""
    asked: list[Order] = []

    async def act(scene: Scene, hand: Hand) -> None:
        async def note(order: Order) -> None:
            asked.append(order)

        hand.find_does = note
        t = tables.attempts
        (key,) = [row.attempt_id for row in scene.rows(state="planned")]

        async def other(minutes_ago: int) -> None:
            then = {"provider_ref": "other", "claimed_at": scene.clock.now() - timedelta(minutes=minutes_ago)}
            await scene.house.store.write(lambda tx: tx.execute(t.update().where(t.c.attempt_id == key).values(**then)))

        await other(minutes_ago=90)
        await after(scene, 5)
        assert {order.others for order in asked} == {frozenset()}
        asked.clear()
        await other(minutes_ago=2)
        await after(scene, 15)
        assert {order.others for order in asked} == {frozenset({"other"})}

    async def its_answer_is_lost(scene: Scene, hand: Hand) -> None:
        async def answer(order: Order) -> Receipt:
            raise UncertainError("cut")

        hand.answer = answer

    act.before = its_answer_is_lost  # type: ignore[attr-defined]
    staged(tmp_path, act)
