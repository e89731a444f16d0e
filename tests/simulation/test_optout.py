"""Opt-outs on virtual time: by text, by key, by file; the one confirmation; what no import brings back."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.contract import Event, EventKind, Refused
from dialer import intake, operate
from dialer.claim import Placement
from dialer.dial import Dialer
from dialer.news import of_event
from tests.support.scene import ALICE, BOB, CAMPAIGN, CAROL, SETTINGS, Scene, account, due, late, play

HISTORY = ("2025-12-15", "2025-11-15", "2025-10-15")
SMS = CAMPAIGN.replace('channel = "voice"\nscript = "reminder"', 'channel = "sms"\nmessage = "missed"')
"""Every round is a message."""
SUPPRESSIONS_HEAD = "phone,person_id,channel,reason,until\n"


def confirmations(scene: Scene) -> list[object]:
    return scene.rows(cause="confirmation")


async def text(scene: Scene, sender: str, words: str, identity: str = "") -> None:
    """A text message comes in."""
    event = Event(EventKind.REPLIED, scene.clock.now(), identity=identity or f"text-{scene.clock.now()}-{words}",
                  sender=sender, text=words)  # fmt: skip
    await scene.worker.inbox.take([of_event(event)])


async def begin(scene: Scene, campaign: str = SMS, lates: int = 3) -> None:
    """P-1 gets messages (as often as segment A, B or C says) about what is due on 15 January."""
    await scene.load(account(1, ALICE), late(1, *HISTORY[:lates]) + due(1, "2026-01-15"))
    await scene.launch(campaign)
    await scene.start()


# --- case 26: STOP mid-campaign ------------------------------------------------------------------------------------


def test_case_26_queued_attempts_are_cancelled_and_one_confirmation_is_sent(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).replies("STOP").then().delivered()
        await begin(scene)
        await scene.until("2026-01-17 00:00")
        first, *rest = scene.rows(cause="round")
        assert (first.state, first.disposition) == ("settled", "delivered")
        assert {(row.state, row.reason) for row in rest} == {("cancelled", "opted_out")}
        assert len(rest) == 5
        (confirmation,) = confirmations(scene)
        assert (confirmation.state, confirmation.disposition, confirmation.channel) == ("settled", "delivered", "sms")
        assert confirmation._mapping["try"] == 0
        assert confirmation.placed_at - first.placed_at < timedelta(minutes=5)
        sent = [order.text for order in scene.mock.messages_to(ALICE)]
        assert len(sent) == 2
        assert sent[1] == "【示例小贷】您已退订,我们不再致电或发送短信。如有疑问请致电+864001234567。"
        assert [(row.phone, row.person_id) for row in scene.rows("suppressions")] == [(ALICE, None), (None, "P-1")]

    play(tmp_path, "2026-01-12 08:00", act)


def test_case_26_the_queue_is_empty_in_the_transaction_of_the_stop(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await begin(scene)
        await scene.until("2026-01-13 12:00")
        await text(scene, ALICE, "退订")
        states = {row.state for row in scene.rows(cause="round") if row.planned_for > scene.clock.now()}
        assert states == {"cancelled"}

    play(tmp_path, "2026-01-12 08:00", act)


def test_case_26_it_is_looked_at_again_right_before_dialing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The claim is committed, the call not yet made: the STOP in between withdraws it."""
    look = Dialer._last_look

    async def act(scene: Scene) -> None:
        async def stop_then_look(dialer: Dialer, ready: Sequence[Placement]) -> dict[int, str]:
            await text(scene, ALICE, "STOP", identity="in-between")
            return await look(dialer, ready)

        monkeypatch.setattr(Dialer, "_last_look", stop_then_look)
        scene.mock.on(ALICE).answers()
        await begin(scene, CAMPAIGN)
        await scene.until("2026-01-17 00:00")
        assert scene.mock.calls_to(ALICE) == []
        first = scene.rows()[0]
        assert (first.state, first.reason, first.placed_at) == ("cancelled", "opted_out", None)
        assert [row.kind for row in scene.rows("events", attempt_id=first.attempt_id)] == ["withdrawn"]

    play(tmp_path, "2026-01-12 08:00", act)


def test_case_26_what_was_submitted_is_recorded_and_not_repeated(tmp_path: Path) -> None:
    """The call rings when the STOP comes: it runs to its end and is recorded, its retry is not made."""
    retry = CAMPAIGN.replace(
        'otherwise = { on = ["no_answer"',
        'retry = { on = ["no_answer"], after = "61m" }\notherwise = { on = ["no_answer"',
    )

    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).rings_out()
        await begin(scene, retry, lates=1)
        await scene.clock.sleep_until(min(row.planned_for for row in scene.rows()))
        while not (running := scene.rows(state="ringing")):
            await scene.clock.sleep_until(scene.clock.now() + timedelta(seconds=5))
        await text(scene, ALICE, "STOP")
        await scene.until("2026-01-17 00:00")
        (first,) = scene.rows(attempt_id=running[0].attempt_id)
        assert (first.state, first.disposition) == ("settled", "no_answer")
        assert len(scene.mock.calls_to(ALICE)) == 1
        assert scene.mock.messages_to(ALICE) == []
        assert confirmations(scene) == []  # it was never sent a message

    play(tmp_path, "2026-01-12 08:00", act)


@pytest.mark.parametrize("again", ["STOP", "TD", "I said stop"])
def test_case_26_a_second_stop_gets_no_second_confirmation(tmp_path: Path, again: str) -> None:
    async def act(scene: Scene) -> None:
        await begin(scene)
        await scene.until("2026-01-13 12:00")
        await text(scene, ALICE, "STOP", "1")
        await text(scene, ALICE, again, "2")
        await scene.until("2026-01-13 12:10")
        await text(scene, ALICE, again, "3")
        await scene.until("2026-01-17 00:00")
        assert len(confirmations(scene)) == 1
        assert len(scene.mock.messages_to(ALICE)) == 2

    play(tmp_path, "2026-01-12 08:00", act)


def test_case_26_the_database_has_the_last_word_against_a_second_confirmation(tmp_path: Path) -> None:
    """The suppression is lifted, so that the engine believes the next STOP to be a new one."""

    async def act(scene: Scene) -> None:
        await begin(scene)
        await scene.until("2026-01-13 12:00")
        await text(scene, ALICE, "STOP", "1")
        now = scene.clock.now()
        await scene.house.store.write(lambda tx: intake.lift(tx, ALICE, "P-1", "", "asked us to", now, lambda *_: None))
        await text(scene, ALICE, "STOP", "2")
        await scene.until("2026-01-13 13:00")
        assert [row.state for row in confirmations(scene)] == ["settled"]
        assert len({row.attempt_id for row in scene.rows()}) == len(scene.rows())

    play(tmp_path, "2026-01-12 08:00", act)


def test_a_confirmation_goes_out_although_the_person_has_another_number_by_now(tmp_path: Path) -> None:
    """Nobody is left on the number: that must stop neither the confirmation nor anybody else's calls."""

    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).delivered()
        await begin(scene)
        await scene.until("2026-01-13 18:00")
        await operate.halt(scene.house, "so that nothing is claimed between the text and the file")
        await text(scene, ALICE, "TD")
        await scene.load(account(1, CAROL))
        await operate.unhalt(scene.house)
        scene.worker.wake.set()
        await scene.clock.sleep_until(scene.clock.now() + timedelta(minutes=4))
        assert scene.mock.messages_to(ALICE)[-1].text.startswith("【示例小贷】您已退订")
        assert [row.state for row in scene.rows(cause="confirmation")] == ["settled"]

    play(tmp_path, "2026-01-13 08:00", act)


def test_the_confirmation_expires_after_five_minutes(tmp_path: Path) -> None:
    """At night nothing is sent; in the morning it would be no confirmation any more."""

    async def act(scene: Scene) -> None:
        await begin(scene)
        await scene.until("2026-01-13 23:30")
        await text(scene, ALICE, "STOP")
        await scene.until("2026-01-14 12:00")
        (confirmation,) = confirmations(scene)
        assert (confirmation.state, confirmation.reason) == ("expired", "window_closed")
        assert confirmation.valid_until - confirmation.due_at == timedelta(minutes=5)

    play(tmp_path, "2026-01-12 08:00", act)


def test_no_confirmation_where_the_settings_want_none(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await begin(scene)
        await scene.until("2026-01-13 12:00")
        await text(scene, ALICE, "STOP")
        assert confirmations(scene) == []
        assert scene.rows("suppressions")

    play(tmp_path, "2026-01-12 08:00", act, settings=SETTINGS + "[optout]\nconfirm = false\n")


def test_the_confirmation_is_in_the_words_of_the_settings_and_the_persons_language(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        english = account(1, ALICE).replace("zh-CN", "en-GB")
        await scene.load(english, due(1, "2026-01-15"))
        await scene.launch(SMS)
        await scene.start()
        await scene.until("2026-01-14 12:00")
        await text(scene, ALICE, "STOP")
        await scene.until("2026-01-14 12:01")
        assert scene.mock.messages_to(ALICE)[-1].text == "示例小贷: done."

    own = '[optout.confirmation]\nzh = "好。"\nen = "{lender}: done."\n'
    play(tmp_path, "2026-01-12 08:00", act, settings=SETTINGS + own)


def test_nothing_follows_from_a_confirmation(tmp_path: Path) -> None:
    """It is undelivered, replans go on around it, and the network fails: no retry, no stop, no task."""

    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).delivered().then().invalid_number()
        await begin(scene)
        await scene.until("2026-01-13 12:00")
        await text(scene, ALICE, "STOP")
        await operate.launch(scene.house, scene.file("campaign.toml", SMS.replace("回复TD退订。", "回复TD退订")))
        await scene.until("2026-01-17 00:00")
        (confirmation,) = confirmations(scene)
        assert (confirmation.state, confirmation.disposition) == ("settled", "invalid_number")
        assert scene.rows("tasks") == []
        assert {row.reason for row in scene.rows("suppressions")} == {"opted_out"}
        assert {row.stopped for row in scene.rows("members")} == {None}
        assert len(scene.mock.messages_to(ALICE)) == 2

    play(tmp_path, "2026-01-12 08:00", act)


def test_a_confirmation_is_not_repeated_when_the_network_fails(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).delivered().then().fails(Refused("infrastructure"))
        await begin(scene)
        await scene.until("2026-01-13 12:00")
        assert len(scene.rows(cause="round", state="settled")) == 1
        await text(scene, ALICE, "STOP")
        await scene.until("2026-01-17 00:00")
        (confirmation,) = confirmations(scene)
        assert (confirmation.state, confirmation.disposition) == ("settled", "infrastructure")
        assert len(scene.rows()) == 7

    play(tmp_path, "2026-01-12 08:00", act)


def test_a_stop_from_a_number_that_nobody_has_yet_holds_for_whoever_gets_it(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await begin(scene)
        await text(scene, BOB, "STOP")
        await scene.load(account(2, BOB), due(2, "2026-01-15"))
        assert {row.state for row in scene.rows(person_id="P-2")} == {"cancelled"}

    play(tmp_path, "2026-01-12 08:00", act)


# --- case 27: the wrong person -------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["Wrong person, stop", "打错了 退订", "不是我!TD"])
def test_case_27_wrong_person_stop_is_an_opt_out_and_the_number_is_no_longer_valid(tmp_path: Path, words: str) -> None:
    async def act(scene: Scene) -> None:
        await begin(scene)
        await scene.until("2026-01-13 12:00")
        sent = len(scene.mock.messages_to(ALICE))
        await text(scene, ALICE, words)
        await scene.until("2026-01-13 12:30")
        found = [(row.phone, row.person_id, row.both, row.reason) for row in scene.rows("suppressions")]
        assert found == [(ALICE, None, False, "opted_out"), (ALICE, "P-1", True, "wrong_number")]
        assert [row.kind for row in scene.rows("tasks")] == ["fix_data"]
        assert len(confirmations(scene)) == 1
        ahead = [row for row in scene.rows(cause="round") if row.planned_for > scene.clock.now()]
        assert {(row.state, row.reason) for row in ahead} == {("cancelled", "opted_out")}
        # The stranger cannot opt the borrower out: on a number of their own they are reminded again.
        await scene.load(account(1, BOB))
        await scene.until("2026-01-17 00:00")
        assert scene.mock.messages_to(BOB)
        assert len(scene.mock.messages_to(ALICE)) == sent + 1

    play(tmp_path, "2026-01-12 08:00", act)


def test_case_27_by_keys(tmp_path: Path) -> None:
    """A key for the wrong person leads on to one for "never again": both hold, the second on top of the first."""
    asks = CAMPAIGN.replace('9 = "stop" }\nsilent', '9 = "other" }\nsilent').replace(
        "[script.reminder.step.stop]",
        '[script.reminder.step.other]\nsay = "打错了。不再来电请按9。"\noutcome = "wrong_number"\n'
        'keys = { 9 = "stop" }\n[script.reminder.step.stop]',
    )

    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).answers("9,9")
        await begin(scene, asks)
        await scene.until("2026-01-17 00:00")
        assert len(scene.mock.calls_to(ALICE)) == 1
        found = {(row.phone, row.person_id, row.both, row.reason) for row in scene.rows("suppressions")}
        assert (ALICE, "P-1", True, "wrong_number") in found
        assert (ALICE, None, False, "opted_out") in found

    play(tmp_path, "2026-01-12 08:00", act)


def test_a_wrong_number_alone_ends_contact_on_it_and_is_confirmed_to_nobody(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await begin(scene)
        await scene.until("2026-01-13 12:00")
        sent = len(scene.mock.messages_to(ALICE))
        await text(scene, ALICE, "you have the wrong number")
        await scene.until("2026-01-17 00:00")
        assert len(scene.mock.messages_to(ALICE)) == sent
        assert [(row.both, row.reason) for row in scene.rows("suppressions")] == [(True, "wrong_number")]
        assert confirmations(scene) == []

    play(tmp_path, "2026-01-12 08:00", act)


def test_free_text_only_opens_a_review(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await begin(scene)
        await scene.until("2026-01-13 12:00")
        await text(scene, ALICE, "I will pay at the end of the month")
        assert scene.rows("suppressions") == []
        assert [(row.kind, row.detail) for row in scene.rows("tasks")] == [("review", "text message")]
        await scene.until("2026-01-17 00:00")
        assert len(scene.mock.messages_to(ALICE)) == 6

    play(tmp_path, "2026-01-12 08:00", act)


# --- case 16: a shared number; and imports that lift nothing -------------------------------------------------------


def test_case_16_one_ones_stop_blocks_the_number_for_both(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.load(account(1, ALICE) + account(2, ALICE), due(1, "2026-01-15") + due(2, "2026-01-15"))
        await scene.launch(SMS)
        await scene.start()
        await scene.until("2026-01-14 12:00")
        sent = len(scene.mock.messages_to(ALICE))
        await text(scene, ALICE, "STOP")
        await scene.until("2026-01-17 00:00")
        assert len(confirmations(scene)) == 1
        assert len(scene.mock.messages_to(ALICE)) == sent + 1
        ahead = [row for row in scene.rows(cause="round") if row.state != "settled"]
        assert {row.person_id for row in ahead} == {"P-1", "P-2"}
        assert {(row.state, row.reason) for row in ahead} == {("cancelled", "opted_out")}

    play(tmp_path, "2026-01-12 08:00", act)


def test_a_second_person_who_comes_to_the_number_later_is_blocked_too(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await begin(scene)
        await scene.until("2026-01-13 12:00")
        await text(scene, ALICE, "STOP")
        await scene.load(account(2, ALICE), due(2, "2026-01-15"))
        assert {(row.state, row.reason) for row in scene.rows(person_id="P-2")} == {("cancelled", "opted_out")}

    play(tmp_path, "2026-01-12 08:00", act)


@pytest.mark.parametrize(
    ("accounts", "installments"),
    [
        (account(1, ALICE), due(1, "2026-01-15")),
        (account(1, BOB), due(1, "2026-01-15")),
        (account(1, BOB) + account(3, BOB, person=1), due(1, "2026-01-15") + due(3, "2026-01-15")),
    ],
    ids=["the same", "another phone", "another phone and account"],
)
def test_no_import_of_accounts_lifts_an_opt_out(tmp_path: Path, accounts: str, installments: str) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).replies("STOP").then().delivered()
        await begin(scene)
        await scene.until("2026-01-13 14:00")
        sent = len(scene.mock.placements)
        await scene.load(accounts, installments)
        await scene.until("2026-01-17 00:00")
        assert len(scene.mock.placements) == sent
        assert {row.lifted_at for row in scene.rows("suppressions")} == {None}

    play(tmp_path, "2026-01-12 08:00", act)


@pytest.mark.parametrize("row", [f"{ALICE},,sms,once more,2026-01-13\n", ",P-1,voice,file,\n"])
def test_no_import_of_suppressions_lifts_an_opt_out(tmp_path: Path, row: str) -> None:
    async def act(scene: Scene) -> None:
        await begin(scene)
        await scene.until("2026-01-13 12:00")
        await text(scene, ALICE, "STOP")
        await scene.until("2026-01-13 12:30")
        sent = len(scene.mock.placements)
        await scene.take("suppressions", scene.file("suppressions.csv", SUPPRESSIONS_HEAD + row))
        await scene.take("suppressions", scene.file("suppressions.csv", SUPPRESSIONS_HEAD))
        await scene.until("2026-01-17 00:00")
        assert len(scene.mock.placements) == sent

    play(tmp_path, "2026-01-12 08:00", act)


@pytest.mark.parametrize("row", [f"{ALICE},,,asked,\n", ",P-1,sms,asked,\n"])
def test_a_file_of_suppressions_cancels_what_is_queued_in_its_own_transaction(tmp_path: Path, row: str) -> None:
    async def act(scene: Scene) -> None:
        await begin(scene)
        await scene.until("2026-01-13 08:00")
        assert {one.state for one in scene.rows()} == {"planned"}
        await scene.take("suppressions", scene.file("suppressions.csv", SUPPRESSIONS_HEAD + row))
        assert {(one.state, one.reason) for one in scene.rows()} == {("cancelled", "opted_out")}

    play(tmp_path, "2026-01-12 08:00", act)
