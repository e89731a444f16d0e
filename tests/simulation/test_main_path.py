"""The main path, end to end on virtual time: files in, borrowers reminded, outcomes recorded."""

import itertools
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.contract import Refused, Unavailable, Uncertain
from dialer import operate, sweep
from dialer.planning import plan_all
from dialer.store import campaigns as campaign_store
from tests.support.scene import ALICE, BOB, CAMPAIGN, CAROL, SHANGHAI, Scene, account, due, late, play

HISTORY = ("2025-12-15", "2025-11-15", "2025-10-15")


def local(at: datetime) -> str:
    return f"{at.astimezone(SHANGHAI):%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("lates", "days", "scripted"),
    [
        (0, ["01-14", "01-15"], "A"),
        (1, ["01-13", "01-14", "01-15"], "B"),
        (2, ["01-13", "01-14", "01-15"], "B"),
        (3, ["01-13", "01-13", "01-14", "01-14", "01-15", "01-15"], "C"),
    ],
)
def test_each_segment_gets_exactly_its_rounds(tmp_path: Path, lates: int, days: list[str], scripted: str) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).answers()
        await scene.load(account(1, ALICE), late(1, *HISTORY[:lates]) + due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-17 00:00")
        rows = scene.rows()
        assert {row.segment for row in rows} == {scripted}
        assert [row.round for row in rows] == list(range(1, len(days) + 1))
        assert [local(row.placed_at)[:5] for row in rows] == days
        assert all(row.state == "settled" and row.outcome == "reached" for row in rows)
        assert all(row.window_from <= row.placed_at < row.window_until for row in rows)
        assert len(scene.mock.calls_to(ALICE)) == len(days)

    play(tmp_path, "2026-01-12 08:00", act)


def test_who_does_not_answer_gets_a_message_ten_minutes_later(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).rings_out()
        await scene.load(account(1, ALICE), late(1, HISTORY[0]) + due(1, "2026-01-15", "860.50"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-14 00:00")
        call, message = sorted(scene.rows(round=1), key=lambda row: row[0])
        assert (call.disposition, call.outcome) == ("no_answer", "no_contact")
        assert (message.channel, message.cause, message[10]) == ("sms", "otherwise", 2)
        assert message.planned_for == call.ended_at + timedelta(minutes=10)
        assert (message.state, message.disposition) == ("settled", "delivered")
        sent = scene.mock.messages_to(ALICE)[0].text
        assert "1月15日" in sent
        assert "860.50" in sent
        assert "工商银行尾号1" in sent
        assert "王丽" in sent

    play(tmp_path, "2026-01-12 08:00", act)


RETRIES = CAMPAIGN.replace(
    'otherwise = { on = ["no_answer"',
    'retry = { on = ["no_answer", "busy"], after = "10m", max = 1 }\notherwise = { on = ["no_answer"',
)


def test_retries_come_first_and_one_max_counts_all_causes(tmp_path: Path) -> None:
    """whispey #494: "at most 1 retry" made 3, because per-code budgets stacked."""

    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).busy().then().rings_out().then().busy()
        await scene.load(account(1, ALICE), late(1, HISTORY[0]) + due(1, "2026-01-15"))
        await scene.launch(RETRIES.replace('after = "10m", max = 1', 'after = "61m", max = 1'))
        await scene.start()
        await scene.until("2026-01-14 00:00")
        rows = scene.rows(round=1)
        assert [(row.cause, row.channel, row.disposition) for row in rows] == [
            ("round", "voice", "busy"),
            ("retry", "voice", "no_answer"),
            ("otherwise", "sms", "delivered"),
        ]
        assert rows[1].planned_for == rows[0].ended_at + timedelta(minutes=61)  # bound by the law, not by `between`
        assert [row[10] for row in rows] == [1, 2, 3]

    play(tmp_path, "2026-01-12 08:00", act)


@pytest.mark.parametrize(
    ("keys", "outcome", "calls"),
    [("1", "says_paid", 3), ("2", "promised", 3), ("9", "opted_out", 1), ("0", "agent", 6)],
)
def test_keys_decide_what_happens_to_the_rest(tmp_path: Path, keys: str, outcome: str, calls: int) -> None:
    async def act(scene: Scene) -> None:
        number = scene.mock.on(ALICE).answers(keys=keys)
        if keys in "12":
            number.then().answers()
        await scene.load(account(1, ALICE), late(1, *HISTORY) + due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-17 00:00")
        first = scene.rows()[0]
        assert (first.outcome, first.disposition) == (outcome, "human")
        made = scene.mock.calls_to(ALICE)
        if keys == "1":  # says_paid pauses for 24 hours from the key
            pauses = [row for row in scene.rows() if row.state == "cancelled"]
            assert {row.reason for row in pauses} == {"paused_until"}
            assert all(row.planned_for < first.ended_at + timedelta(days=1) for row in pauses)
        if keys == "2":  # until the promised day, the 14th, is over: only the due day's two rounds are left
            assert [local(order.placed_at)[:5] for order in made[1:]] == ["01-15", "01-15"]
            promise = scene.rows("promises")[0]
            assert (str(promise.promised_on), str(promise.amount), promise.state) == ("2026-01-14", "100.00", "open")
        if keys == "9":
            assert len(made) == 1
            rest = scene.rows()[1:]
            assert len(rest) == 5
            assert {(row.state, row.reason) for row in rest} == {("cancelled", "opted_out")}
            kinds = {(row.phone, row.person_id, row.channel) for row in scene.rows("suppressions")}
            assert kinds == {(ALICE, None, ""), (None, "P-1", "")}
        if keys == "0":
            assert len(made) == calls

    play(tmp_path, "2026-01-12 08:00", act)


def test_a_payment_cancels_what_is_planned_in_the_same_transaction(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).answers()
        await scene.load(account(1, ALICE), late(1, *HISTORY) + due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-13 12:00")
        scene.paid(1, "2026-01-15", "40.00")
        assert {row.state for row in scene.rows()[1:]} == {"planned"}
        scene.paid(1, "2026-01-15")
        assert {(row.state, row.reason) for row in scene.rows()[1:]} == {("cancelled", "paid")}
        await scene.until("2026-01-17 00:00")
        assert len(scene.mock.calls_to(ALICE)) == 1

    play(tmp_path, "2026-01-12 08:00", act)


def test_combined_accounts_make_one_call_and_fall_back_when_one_is_paid(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).answers()
        roster = account(1, ALICE, person=7) + account(2, ALICE, person=7)
        await scene.load(roster, late(1, *HISTORY) + due(1, "2026-01-15", "70.00") + due(2, "2026-01-15", "30.00"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-13 23:00")
        assert [row.segment for row in scene.rows() if row.state == "settled"] == ["C", "C"]
        said = [row for row in scene.rows("attempt_accounts") if row.attempt_id == scene.rows()[0].attempt_id]
        assert [row.account_id for row in said] == ["L-1", "L-2"]
        scene.paid(1, "2026-01-15")
        await scene.until("2026-01-17 00:00")
        later = [row for row in scene.rows() if row.state == "settled"][2:]
        # L-2 alone is an A customer: the day before, and the due day.
        assert [(row.segment, local(row.placed_at)[:5]) for row in later] == [("A", "01-14"), ("A", "01-15")]
        assert len(scene.mock.calls_to(ALICE)) == 4

    play(tmp_path, "2026-01-12 08:00", act)


def test_a_launch_on_the_day_before_does_not_make_up_what_is_over(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).answers()
        await scene.load(account(1, ALICE), late(1, HISTORY[0]) + due(1, "2026-01-15"))
        launched = await scene.launch()
        assert launched.counts is not None
        assert launched.counts.late == 1
        await scene.start()
        await scene.until("2026-01-17 00:00")
        rows = scene.rows()
        assert [(row.round, row.state, row.reason) for row in rows] == [
            (1, "expired", "launched_late"),
            (2, "settled", None),
            (3, "settled", None),
        ]

    play(tmp_path, "2026-01-14 08:00", act)


def test_a_slot_that_passed_in_an_open_window_is_dialed_at_once(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).answers()
        await scene.load(account(1, ALICE), late(1, HISTORY[0]) + due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-13 11:29:29")
        first = scene.rows()[0]
        await scene.until("2026-01-13 11:40")
        first = scene.rows()[0]
        assert first.state == "settled"
        assert local(first.placed_at) == "01-13 11:29"
        assert first.placed_at > first.planned_for

    play(tmp_path, "2026-01-13 11:29:20", act)


def test_a_launch_that_was_broken_off_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise KeyboardInterrupt

    async def act(scene: Scene) -> None:
        await scene.load(account(1, ALICE), late(1, HISTORY[0]) + due(1, "2026-01-15"))
        with monkeypatch.context() as patch:
            patch.setattr(operate, "plan_all", broken)
            with pytest.raises(KeyboardInterrupt):
                await scene.launch()
        assert scene.rows() == []
        again = await scene.launch()
        assert again.version == 1
        assert again.counts is not None
        assert again.counts.drafted == len(scene.rows()) > 0
        assert (await scene.launch()).counts is None

    play(tmp_path, "2026-01-12 08:00", act)


def test_a_new_version_that_was_broken_off_goes_on_though_the_old_one_was_being_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = CAMPAIGN.replace(
        'days = [-2, -1, 0]\nbetween = [["09:30", "11:30"]]', 'days = [-2, -1, 0]\nbetween = [["15:00", "16:00"]]'
    )

    async def broken(*_: object) -> None:
        raise KeyboardInterrupt

    async def act(scene: Scene) -> None:
        store, pages = scene.house.store, 0
        write = store.write

        async def interrupted(*given: Any) -> Any:
            """After the daily planning's first page a changed file is launched, and that is broken off."""
            nonlocal pages
            found, pages = await write(*given), pages + 1
            if pages == 1:
                with monkeypatch.context() as patch:
                    patch.setattr(operate, "plan_all", broken)
                    with pytest.raises(KeyboardInterrupt):
                        await scene.launch(changed)
            return found

        people = (1, ALICE), (2, BOB)
        await scene.load(
            "".join(account(*one) for one in people),
            "".join(late(n, HISTORY[0]) + due(n, "2026-01-15") for n, _ in people),
        )
        await scene.launch()
        with monkeypatch.context() as patch:
            patch.setattr(store, "write", interrupted)
            await plan_all(scene.house, size=1)
        again = await scene.launch(changed)
        assert again.version == 2
        assert again.counts is not None
        assert {local(row.due_at)[6:8] for row in scene.rows(state="planned")} == {"15"}

    play(tmp_path, "2026-01-12 08:00", act)


def test_launching_twice_changes_nothing_and_a_changed_file_moves_only_what_is_planned(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).answers()
        await scene.load(account(1, ALICE), late(1, HISTORY[0]) + due(1, "2026-01-15"))
        await scene.launch()
        before = scene.rows()
        assert (await scene.launch()).counts is None
        assert scene.rows() == before
        await scene.start()
        await scene.until("2026-01-13 12:00")
        changed = CAMPAIGN.replace(
            'days = [-2, -1, 0]\nbetween = [["09:30", "11:30"]]', 'days = [-2, -1, 0]\nbetween = [["15:00", "16:00"]]'
        )
        launched = await scene.launch(changed)
        assert launched.version == 2
        assert launched.counts is not None
        assert launched.counts.cancelled == 2
        await scene.until("2026-01-17 00:00")
        rows = [row for row in scene.rows() if row.state == "settled"]
        assert next(local(row.placed_at)[6:8] for row in rows) in ("09", "10", "11")
        assert [local(row.placed_at)[6:8] for row in rows[1:]] == ["15", "15"]
        assert [row.version for row in rows] == [1, 2, 2]
        assert {row.reason for row in scene.rows(state="cancelled")} == {"replanned"}

    play(tmp_path, "2026-01-12 08:00", act)


def test_planning_again_changes_nothing(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        roster = account(1, ALICE) + account(2, BOB) + account(3, CAROL)
        await scene.load(roster, late(3, *HISTORY) + "".join(due(n, "2026-01-15") for n in (1, 2, 3)))
        await scene.launch()
        before = scene.rows(), scene.rows("attempt_accounts")
        counts = await sweep.daily(scene.house)
        assert (counts.drafted, counts.cancelled) == (0, 0)
        assert (scene.rows(), scene.rows("attempt_accounts")) == before

    play(tmp_path, "2026-01-12 08:00", act)


def test_the_horizon_is_three_days_and_the_daily_bell_brings_the_rest(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        assert scene.rows() == []
        await scene.until("2026-01-11 00:05")
        assert (await sweep.daily(scene.house)).drafted == 0
        await scene.until("2026-01-12 00:05")
        assert (await sweep.daily(scene.house)).drafted == 2

    play(tmp_path, "2026-01-02 08:00", act)


def test_a_moved_due_date_moves_only_what_is_still_planned(tmp_path: Path) -> None:
    campaign = CAMPAIGN.replace("due_days = [15, 30]", "due_days = [15, 16, 30]")

    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).answers()
        head = "account_id,installment_id,due_on,amount,currency,paid_on,paid_amount\n"
        await scene.load(account(1, ALICE))
        await scene.take("installments", scene.file("i.csv", head + "L-1,I-7,2026-01-15,100.00,CNY,,\n"))
        await scene.launch(campaign)
        await scene.start()
        await scene.until("2026-01-14 12:00")
        await scene.take("installments", scene.file("i.csv", head + "L-1,I-7,2026-01-16,100.00,CNY,,\n"))
        await scene.until("2026-01-18 00:00")
        rows = [(row.round, str(row.due_on), row.state, row.reason) for row in scene.rows()]
        # The round of the day before was made for this installment: it is not made a second time.
        assert rows == [
            (1, "2026-01-15", "settled", None),
            (2, "2026-01-15", "cancelled", "replanned"),
            (2, "2026-01-16", "settled", None),
        ]

    play(tmp_path, "2026-01-12 08:00", act)


def test_a_round_whose_window_has_just_closed_expires_and_is_not_replanned(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        await scene.until("2026-01-14 11:29:45")  # after the last instant that leaves time to ring
        assert (await sweep.daily(scene.house)).cancelled == 0
        await sweep.expire(scene.house)
        first = scene.rows()[0]
        assert (first.state, first.reason) == ("expired", "window_closed")

    play(tmp_path, "2026-01-12 08:00", act)


def test_pause_halt_and_cancel_hold_at_once(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).answers()
        await scene.load(account(1, ALICE), late(1, *HISTORY) + due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await operate.set_status(scene.house, "test", "paused")
        await scene.until("2026-01-13 12:00")
        await sweep.expire(scene.house)
        await operate.set_status(scene.house, "test", "active")
        await operate.halt(scene.house, "drill")
        await scene.until("2026-01-13 18:00")
        assert scene.mock.placements == []
        assert await operate.unhalt(scene.house)
        await scene.until("2026-01-14 12:00")
        assert len(scene.mock.placements) == 1
        assert await operate.set_status(scene.house, "test", "cancelled") == 3
        await scene.until("2026-01-17 00:00")
        assert len(scene.mock.placements) == 1
        states = [(row.state, row.reason) for row in scene.rows()]
        assert (
            states
            == [("expired", "window_closed")] * 2 + [("settled", None)] + [("cancelled", "campaign_cancelled")] * 3
        )
        with pytest.raises(operate.DialerError, match="was cancelled"):
            await scene.launch()

    play(tmp_path, "2026-01-12 08:00", act)


@pytest.mark.parametrize(
    ("error", "state", "disposition", "placements"),
    [
        (Refused("invalid_number", "404"), "settled", "invalid_number", 0),
        (Refused("blocked"), "settled", "blocked", 0),
        (Uncertain("cut"), "settled", "unknown", 0),
    ],
)
def test_what_the_adapter_raises_decides(
    tmp_path: Path, error: Exception, state: str, disposition: str, placements: int
) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).fails(error)
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-14 13:00")
        first = scene.rows()[0]
        assert (first.state, first.disposition) == (state, disposition)
        assert len(scene.mock.placements) == placements
        assert scene.rows("live_calls") == []

    play(tmp_path, "2026-01-12 08:00", act)


def test_unavailable_is_tried_again_and_placed_once(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).fails(Unavailable("down")).then().fails(Unavailable("down")).then().answers()
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-14 13:00")
        first = scene.rows()[0]
        assert (first.state, first.outcome, first.returns) == ("settled", "reached", 2)
        assert len(scene.mock.placements) == 1

    play(tmp_path, "2026-01-12 08:00", act)


def test_a_lost_answer_is_found_and_never_placed_again(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).loses_answer()
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-14 13:00")
        first = scene.rows()[0]
        assert first.state == "settled"
        assert first.disposition != "unknown"
        assert len(scene.mock.placements) == 1

    play(tmp_path, "2026-01-12 08:00", act)


@pytest.mark.parametrize("how", ["never_reports", "reports_twice", "out_of_order"])
def test_a_carrier_that_reports_badly_still_leaves_one_settled_call(tmp_path: Path, how: str) -> None:
    async def act(scene: Scene) -> None:
        getattr(scene.mock.on(ALICE).answers(), how)()
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-14 20:00")
        first = scene.rows()[0]
        assert (first.state, first.disposition) == ("settled", "answered")
        assert len(scene.mock.calls_to(ALICE)) == 1
        assert scene.rows("live_calls") == []

    play(tmp_path, "2026-01-12 08:00", act)


def test_infrastructure_failures_are_repeated_three_times_outside_retry(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).network_fails().then().network_fails().then().network_fails().then().network_fails()
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-14 23:00")
        rows = scene.rows(round=1)
        assert [(row.cause, row.infra, row.disposition) for row in rows] == [
            ("round", 0, "infrastructure"),
            ("infrastructure", 1, "infrastructure"),
            ("infrastructure", 2, "infrastructure"),
            ("infrastructure", 3, "infrastructure"),
        ]
        assert [row.retries for row in rows] == [0, 0, 0, 0]

    play(tmp_path, "2026-01-12 08:00", act)


def test_a_text_message_td_suppresses_both_channels_for_phone_and_person(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).rings_out().replies("TD")
        await scene.load(account(1, ALICE), late(1, HISTORY[0]) + due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-17 00:00")
        assert len(scene.mock.calls_to(ALICE)) == 1
        assert len(scene.mock.messages_to(ALICE)) == 2  # the reminder, and the confirmation of the opt-out
        assert {(row.phone, row.person_id, row.channel) for row in scene.rows("suppressions")} == {
            (ALICE, None, ""),
            (None, "P-1", ""),
        }
        planned = [(row.state, row.reason) for row in scene.rows() if row.cause == "round"][1:]
        assert planned == [("cancelled", "opted_out")] * 2

    play(tmp_path, "2026-01-12 08:00", act)


def test_one_live_call_a_number_the_other_waits(tmp_path: Path) -> None:
    """Five persons share a phone and a slot: their calls never overlap."""

    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).answers()
        roster = "".join(account(n, ALICE, person=n) for n in range(1, 6))
        await scene.load(roster, "".join(due(n, "2026-01-15") for n in range(1, 6)))
        await scene.launch(
            CAMPAIGN.replace('between = [["09:30", "11:30"]]\nchannel', 'between = [["09:30", "09:40"]]\nchannel', 1)
        )
        await scene.start()
        await scene.until("2026-01-15 00:00")
        rows = sorted(scene.rows(state="settled"), key=lambda row: row.placed_at)
        assert len(rows) == 3  # the house's limit of a number in a day, whoever's it is
        left = [row for row in scene.rows(round=1) if row.state != "settled"]
        assert {(row.state, row.rule) for row in left} == {("expired", "house.number")}
        assert all(before.ended_at <= after.placed_at for before, after in itertools.pairwise(rows))

    play(tmp_path, "2026-01-14 09:00", act)


def test_the_gap_defers_a_second_call_by_an_hour(tmp_path: Path) -> None:
    """Two phones of one person: the house's hour between calls holds over both, and each verdict is stored."""

    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).answers()
        scene.mock.on(BOB).answers()
        await scene.load(
            account(1, ALICE, person=1) + account(2, BOB, person=1), due(1, "2026-01-15") + due(2, "2026-01-15")
        )
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-15 00:00")
        first, second = sorted(scene.rows(round=1), key=lambda row: row.planned_for)
        assert second.planned_for - first.planned_for < timedelta(hours=2)
        if second.state == "settled":
            assert second.placed_at - first.placed_at >= timedelta(hours=1)
        else:
            assert (second.state, second.reason, second.rule) == ("expired", "window_closed", "house.gap")
        assert next(row.verdict for row in scene.rows("verdicts", attempt_id=second.attempt_id)) == "defer"

    play(tmp_path, "2026-01-13 09:00", act)


def test_nobody_is_called_after_the_window_when_the_daemon_was_away(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).answers()
        await scene.load(account(1, ALICE), late(1, *HISTORY) + due(1, "2026-01-15"))
        await scene.launch()
        await scene.until("2026-01-13 12:00")  # the morning's window passes without a worker
        await scene.start()
        await scene.until("2026-01-14 00:00")
        first, second = scene.rows()[:2]
        assert (first.state, first.reason) == ("expired", "window_closed")
        assert second.state == "settled"

    play(tmp_path, "2026-01-12 08:00", act)


def test_the_line_keeps_its_pace_without_bursts(tmp_path: Path) -> None:
    people = 40

    async def act(scene: Scene) -> None:
        phones = [f"+86138001390{n:02d}" for n in range(people)]
        await scene.load(
            "".join(account(n + 1, phone) for n, phone in enumerate(phones)),
            "".join(due(n + 1, "2026-01-15") for n in range(people)),
        )
        await scene.launch(
            CAMPAIGN.replace('between = [["09:30", "11:30"]]\nchannel', 'between = [["09:30", "09:31"]]\nchannel', 1)
        )
        await scene.start()
        await scene.until("2026-01-15 00:00")
        at = sorted(row.placed_at for row in scene.rows(round=1, state="settled"))
        gaps = [(b - a).total_seconds() for a, b in itertools.pairwise(at)]
        assert len(at) == 30 or len(at) == 31  # one a second for the half minute that the ring time-out leaves
        assert min(gaps) >= 0.99
        expired = scene.rows(round=1, state="expired")
        assert len(expired) == people - len(at)
        assert {row.reason for row in expired} == {"window_closed"}

    from tests.support.scene import SETTINGS

    play(tmp_path, "2026-01-14 09:00", act, SETTINGS.replace("calls_per_second = 20", "calls_per_second = 1"))


def test_the_spend_limit_stops_the_line_until_the_next_day(tmp_path: Path) -> None:
    from tests.support.scene import SETTINGS

    async def act(scene: Scene) -> None:
        for phone in (ALICE, BOB):
            scene.mock.on(phone).answers()
        await scene.load(account(1, ALICE) + account(2, BOB), due(1, "2026-01-15") + due(2, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-16 00:00")
        first = scene.rows(round=1)
        assert sorted(row.state for row in first) == ["expired", "settled"]
        assert next(row.rule for row in first if row.state == "expired") == "dialer.spend"
        # The reservation of five minutes was corrected to what the call cost.
        assert {str(row.amount) for row in scene.rows("spend")} <= {"0.12", "0.24"}

    limited = SETTINGS + ""
    limited = limited.replace('price_per_message = "0.05"', 'price_per_message = "0.05"\nspend_max_per_day = "0.61"')
    play(tmp_path, "2026-01-12 08:00", act, limited)


def test_a_campaign_that_was_cancelled_is_planned_no_more_and_the_others_are(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.load(account(1, ALICE), late(1, HISTORY[0]) + due(1, "2026-01-15"))
        await scene.launch(CAMPAIGN.replace('name = "test"', 'name = "other"', 1))
        await scene.launch()
        await operate.set_status(scene.house, "other", "cancelled")
        await scene.clock.sleep_until(scene.clock.now() + timedelta(days=1))
        now = scene.clock.now()
        await plan_all(scene.house)
        assert await scene.house.store.read(campaign_store.planned_since) == now

    play(tmp_path, "2026-01-12 08:00", act)
