"""`dialer explain`: the account's story as it was recorded, and the gate's answer at an instant."""

import io
import re
import tomllib
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from rich.cells import cell_len
from rich.console import Console

from campaigns.limits import CountedEvent
from campaigns.rules import Role
from dialer import attempt, forget, intake, operate
from dialer.errors import DialerError
from dialer.explain import Answer, Explanation, explain
from dialer.explain_show import show
from dialer.report_words import PLAIN, speech
from dialer.roster import Suppression
from dialer.store import InlineStore, Tx, desk, law, optouts, timeline
from dialer.store.common import note_action
from dialer.timeline import Kind
from dialer.verdict_words import MADE
from tests.support.command import run as command
from tests.support.phrases import phrases
from tests.support.scene import ALICE, BOB, CAMPAIGN, SETTINGS, SHANGHAI, Scene, account, due, late, play

HISTORY = ("2025-12-15", "2025-11-15", "2025-10-15")
START = "2026-01-12 08:00"
ROOT = Path(__file__).parents[2]


def store_of(scene: Scene) -> InlineStore:
    assert isinstance(scene.house.store, InlineStore)
    return scene.house.store


def told(scene: Scene, number: int = 1, at: str | None = None, language: str | None = "en") -> Explanation:
    """The account's story, which is told in Chinese as well, and is Chinese then."""
    instant = datetime.fromisoformat(at).replace(tzinfo=SHANGHAI) if at else None
    found = store_of(scene).run(lambda tx: explain(tx, scene.house, f"L-{number}", instant, language))
    if language == "en":
        chinese = store_of(scene).run(lambda tx: explain(tx, scene.house, f"L-{number}", instant))
        assert chinese.language == "zh-CN"
        assert latin(chinese) == set()
        assert [(one.at, one.kind, one.rule) for one in chinese.timeline] == [
            (one.at, one.kind, one.rule) for one in found.timeline
        ]
    return found


OURS = {
    "test", "reminder", "missed", "main", "CNY", "Asia", "Shanghai", "TD", "carrier", "house", "cn", "own",
    # what operators wrote
    "wrong", "text", "x", "asked", "from", "by",
}  # fmt: skip
"""Names and texts of these scenes that stand in any language."""
NAMES = re.compile(r"[a-z][a-z0-9-]*\.[a-z0-9_-]+|[LP]-\d+|\b[ABC]\b|\b[0-9a-f]{12}\b|\+[\d*]+")
"""Ids: of rules, accounts, persons, segments; digests, phones."""


def latin(found: Explanation) -> set[str]:
    """What of a story, as it is printed, is neither Chinese nor somebody's own. Sources are quoted as they are."""
    bare = found.model_copy(deep=True)
    for answer in bare.answers:
        for one in (answer, *answer.others, *answer.rooms):
            one.citation = one.url = None
    for entry in bare.timeline:
        entry.citation = entry.url = None
    return set(re.findall(r"[A-Za-z_]+", NAMES.sub("", printed(bare, 1000)))) - OURS


def answer(scene: Scene, at: str | None = None) -> Answer:
    return told(scene, at=at).answers[0]


def suppress(scene: Scene, phone: str | None, person: str | None, until: date | None = None, why: str = "x") -> None:
    value = Suppression(phone, person, "", why, until)
    store_of(scene).run(lambda tx: intake.suppress(tx, value, "command", scene.clock.now(), scene.touched))


def texts(found: Explanation, kind: str) -> list[str]:
    return [entry.text for entry in found.timeline if entry.kind == kind]


def printed(found: Explanation, width: int = 400) -> str:
    out = io.StringIO()
    show(found, Console(file=out, width=width))
    return out.getvalue()


def run(
    folder: Path, act: Callable[[Scene], Any], rows: str | None = None, people: str | None = None,
    settings: str = SETTINGS, campaign: str | None = CAMPAIGN, until: str | None = None, begin: str = START,
) -> None:  # fmt: skip
    """Loads, launches, lets the engine run until an instant (None: it stands still), then looks."""

    async def work(scene: Scene) -> None:
        await scene.load(people or account(1, ALICE), rows or late(1, *HISTORY) + due(1, "2026-01-15"))
        if campaign is not None:
            await scene.launch(campaign)
        if until is not None:
            await scene.start()
            await scene.until(until)
        found = act(scene)
        if found is not None:
            await found

    play(folder, begin, work, settings)


def test_a_promise_is_told_in_the_order_of_cause_and_effect(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).answers(keys="2").then().answers()
        await scene.load(account(1, ALICE), late(1, *HISTORY) + due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-13 12:00")
        found = told(scene)
        assert [entry.at for entry in found.timeline] == sorted(entry.at for entry in found.timeline)
        first = [entry.kind for entry in found.timeline if entry.attempt_id == 1 and entry.kind != "task"]
        assert first[:2] == ["slot", "verdict"]
        assert first.index("event") < first.index("promise") <= first.index("settled")
        assert texts(found, "settled") == ["a person answered: promised"]
        assert texts(found, "promise") == ["promised to pay 100.00 CNY by 2026-01-14"]
        assert texts(found, "paused") == ["no round for 2026-01-15 before 2026-01-15 00:00"]
        order = [entry.kind for entry in found.timeline]
        assert order.index("promise") < order.index("paused") < order.index("cancelled")
        assert texts(found, "verdict") == ["pass"]
        assert set(texts(found, "cancelled")) == {"paused by an earlier answer"}
        slots = [entry for entry in found.timeline if entry.kind == "slot"]
        assert len(slots) == 6
        assert slots[0].text == "round 1 of 6 for 2026-01-15, segment C: call (reminder), 09:00–11:30; made"
        assert [slot.state for slot in slots] == ["settled", *["cancelled"] * 3, *["planned"] * 2]
        assert slots[1].text.endswith("; cancelled")
        assert found.summary == (
            f"On 2026-01-13: called at {slots[0].at:%H:%M:%S} (promised). Besides, round 2 was cancelled: paused by an "
            f"earlier answer. Next possible: a call on {slots[4].at:%Y-%m-%d at %H:%M:%S}."
        )
        assert all(entry.at.utcoffset() == timedelta(hours=8) for entry in found.timeline)
        assert texts(found, "selected") == ["taken in for 2026-01-15; late count 3 in 3 months"]

    play(tmp_path, START, act)


def test_an_opt_out_is_told_and_the_gate_blocks_for_good(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).answers(keys="9")
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-14 12:00")
        found = told(scene)
        assert texts(found, "stopped") == ["the rest of the rounds for 2026-01-15 is not made: opted out"]
        assert texts(found, "suppression") == [
            "voice and sms suppressed for the phone: opted out, by call",
            "voice and sms suppressed for the person: opted out, by call",
        ]
        assert {one.channel for one in found.answers} == {"voice", "sms"}
        for one in found.answers:
            assert (one.verdict, one.rule, one.passes_at) == ("block", "dialer.stopped", None)
            assert one.attempt_id is None
            assert one.citation == "the dialer's own check"
        assert "It would not pass by waiting alone." in printed(found)

    play(tmp_path, START, act)


def test_a_deferral_names_its_rule_with_citation_and_the_other_contact(tmp_path: Path) -> None:
    """Two phones of one person: what defers the second is a call about the other account."""

    def act(scene: Scene) -> None:
        second = 1 if scene.rows(round=1, person_id="P-1", phone=ALICE)[0].rule == "house.gap" else 2
        found = told(scene, second)
        refused = [entry for entry in found.timeline if entry.kind == "verdict" and entry.rule == "house.gap"]
        assert refused
        assert refused[0].text.startswith("defer until 2026-01-14 ")
        assert refused[0].citation == "House rule: one hour between two calls of a person"
        assert refused[0].url == "config/rules/house.toml"
        others = [entry for entry in found.timeline if entry.kind == "contact"]
        assert others[0].at < refused[0].at
        assert others[0].text == "a call about the person's other accounts: no contact"
        assert refused[0].says == "no call within 1 hour after one (placed)"
        assert refused[0].until is not None
        assert timedelta(0) <= refused[0].until - others[0].at - timedelta(hours=1) < timedelta(seconds=1)
        lines = printed(found).splitlines()
        assert any("too soon after the last contact (" in line and "[house.gap]" in line for line in lines)
        assert any(line.startswith("house.gap") and refused[0].citation in line for line in lines)
        assert found.summary.startswith(
            "Not called on 2026-01-14, because round 1 was not made in time: no call within 1 hour after one (placed) "
            "[house.gap]. Next possible: a call on 2026-01-15 at "
        )

    people = account(1, ALICE, person=1) + account(2, BOB, person=1)
    narrow = CAMPAIGN.replace('between = [["09:30", "11:30"]]\nchannel', 'between = [["09:30", "10:00"]]\nchannel', 1)
    rows = due(1, "2026-01-15") + due(2, "2026-01-15")
    run(tmp_path, act, rows, people, campaign=narrow, until="2026-01-14 13:00", begin="2026-01-13 09:00")


@pytest.mark.parametrize(
    ("at", "verdict", "rule", "passes_at"),
    [
        ("2026-01-13 08:59:59", "defer", "house.hours", "2026-01-13 09:00:00"),
        ("2026-01-13 09:00:00", "pass", None, "2026-01-13 09:00:00"),
        ("2026-01-13 19:59:30", "pass", None, "2026-01-13 19:59:30"),
        ("2026-01-13 19:59:31", "defer", "house.hours", "2026-01-14 09:00:00"),
    ],
)
def test_the_answer_at_the_edges_of_the_permitted_hours(
    tmp_path: Path, at: str, verdict: str, rule: str | None, passes_at: str
) -> None:
    def act(scene: Scene) -> None:
        found = answer(scene, at)
        assert (found.verdict, found.rule) == (verdict, rule)
        assert f"{found.passes_at:%Y-%m-%d %H:%M:%S}" == passes_at
        assert found.attempt_id == scene.rows()[0].attempt_id
        assert (found.citation is None) == (rule is None)

    run(tmp_path, act, due(1, "2026-01-15"))


def test_the_answer_is_about_the_next_attempt_that_still_has_time(tmp_path: Path) -> None:
    def act(scene: Scene) -> None:
        first, last = scene.rows()
        assert answer(scene, "2026-01-14 11:00").attempt_id == first.attempt_id
        assert answer(scene, "2026-01-14 12:00").attempt_id == last.attempt_id
        assert answer(scene, "2026-01-15 15:00").attempt_id is None

    run(tmp_path, act, due(1, "2026-01-15"))


def test_a_spend_limit_defers_beyond_the_attempts_time(tmp_path: Path) -> None:
    poor = SETTINGS.replace('price_per_message = "0.05"', 'price_per_message = "0.05"\nspend_max_per_day = "0.59"')

    def act(scene: Scene) -> None:
        found = answer(scene, "2026-01-14 10:00")
        assert (found.verdict, found.rule, found.expires) == ("defer", "dialer.spend", True)
        assert f"{found.passes_at:%m-%d %H:%M}" == "01-15 09:00"
        assert "By then it has expired" in printed(told(scene, at="2026-01-14 10:00"))

    run(tmp_path, act, due(1, "2026-01-15"), settings=poor)


@pytest.mark.parametrize("stop", ["halt", "pause"])
def test_a_halt_or_pause_holds_until_it_is_lifted_and_is_told(tmp_path: Path, stop: str) -> None:
    async def stopped(scene: Scene) -> None:
        rule = "dialer.halted" if stop == "halt" else "dialer.paused"
        if stop == "halt":
            await operate.halt(scene.house, "wrong text")
        else:
            await operate.set_status(scene.house, "test", "paused")
        day = answer(scene, "2026-01-14 10:00")
        assert (day.verdict, day.rule, day.passes_at) == ("defer", rule, None)
        night = answer(scene, "2026-01-14 22:00")
        assert (night.rule, night.passes_at) == ("house.hours", None)
        assert night.reason is not None
        assert "; after that: " in night.reason
        assert any(text.startswith(stop) for text in texts(told(scene), "action"))

    run(tmp_path, stopped, due(1, "2026-01-15"))


def test_suppressions_count_at_the_instant_asked_about(tmp_path: Path) -> None:
    def act(scene: Scene) -> None:
        suppress(scene, ALICE, None, date(2026, 1, 13), f"asked from {BOB}")
        assert answer(scene, "2026-01-11 10:00").rule != "dialer.suppressed"
        now = answer(scene)
        assert (now.verdict, now.rule) == ("block", "dialer.suppressed")
        assert (
            now.reason
            == "voice and sms suppressed for the phone until 2026-01-13: asked from +86138****8002, by command"
        )
        assert answer(scene, "2026-01-14 10:00").verdict == "pass"
        assert BOB not in told(scene).model_dump_json()
        assert now.reason in printed(told(scene))

    run(tmp_path, act, due(1, "2026-01-13"))


def test_while_the_number_is_called_for_another_person_the_call_waits(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).rings_out()
        rows = "".join(late(n, *HISTORY) + due(n, "2026-01-15") for n in (1, 2))
        await scene.load(account(1, ALICE) + account(2, ALICE), rows)
        await scene.launch()
        await scene.start()
        first, second = sorted(scene.rows(round=1), key=lambda row: row.planned_for)
        await scene.clock.sleep_until(first.planned_for + timedelta(seconds=10))
        waiting = told(scene, int(second.person_id.removeprefix("P-")))
        assert (waiting.answers[0].verdict, waiting.answers[0].rule) == ("defer", "dialer.live_call")
        running = told(scene, int(first.person_id.removeprefix("P-")))
        assert "now ringing" in texts(running, "slot")[0]
        assert running.answers[0].rule == "house.gap"  # the running call is a contact already

    play(tmp_path, START, act)


def test_a_follow_up_is_told_with_its_cause_and_a_window_over_midnight(tmp_path: Path) -> None:
    def act(scene: Scene) -> None:
        slots = texts(told(scene), "slot")
        assert "round 1 of 3, try 2 (otherwise) for 2026-01-15, segment B: message (missed)" in slots[1]
        assert "–2026-01-14 09:30; made" in slots[1]
        assert "–11:30;" in slots[0]

    run(tmp_path, act, late(1, HISTORY[0]) + due(1, "2026-01-15"), until="2026-01-13 12:00")


def test_a_planned_account_suppressed_afterwards_shows_its_cancelled_rounds_with_the_reason(tmp_path: Path) -> None:
    def act(scene: Scene) -> None:
        suppress(scene, None, "P-1")
        found = told(scene)
        cancelled = [entry for entry in found.timeline if entry.kind == "cancelled"]
        assert [entry.text for entry in cancelled] == ["opted out"] * 2
        assert found.answers[0].rule == "dialer.suppressed"

    run(tmp_path, act, due(1, "2026-01-15"))


def test_payments_are_told_and_a_paid_account_is_blocked(tmp_path: Path) -> None:
    def act(scene: Scene) -> None:
        scene.paid(1, "2026-01-15", "40.00")
        assert answer(scene, "2026-01-14 10:00").verdict == "pass"
        scene.paid(1, "2026-01-15")
        found = told(scene)
        assert texts(found, "payment") == [
            "40.00 CNY paid on 2026-01-12 for 2026-01-15, by command",
            "60.00 CNY paid on 2026-01-12 for 2026-01-15, by command",
        ]
        assert set(texts(found, "cancelled")) == {"paid before"}
        assert found.answers[0].rule == "dialer.paid"
        assert "Nothing is left to pay." in printed(found)

    run(tmp_path, act, due(1, "2026-01-15"))


def test_an_account_taken_out_of_a_joint_call_tells_that_call_as_anothers(tmp_path: Path) -> None:
    def act(scene: Scene) -> None:
        assert "together with L-2" in texts(told(scene), "slot")[0]

    async def later(scene: Scene) -> None:
        act(scene)
        scene.paid(1, "2026-01-15")
        await scene.start()
        await scene.until("2026-01-14 12:00")
        found = told(scene)
        assert texts(found, "contact") == ["a call about the person's other accounts: no contact"]
        assert not texts(found, "event")
        assert texts(told(scene, 2), "settled") == ["no answer: no contact"]

    people = account(1, ALICE, person=7) + account(2, ALICE, person=7)
    run(tmp_path, later, due(1, "2026-01-15") + due(2, "2026-01-15"), people)


def test_replies_are_told_and_only_a_stop_word_is_repeated(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).rings_out().replies("我叫王丽,住在上海")
        scene.mock.on(BOB).rings_out().replies("TD").then().delivered()
        both = "".join(late(n, HISTORY[0]) + due(n, "2026-01-15") for n in (1, 2))
        await scene.load(account(1, ALICE) + account(2, BOB), both)
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-13 12:00")
        assert texts(told(scene, 1), "reply") == ["a text message, 9 characters"]
        assert texts(told(scene, 1), "task") == ["opened review: text message"]
        assert texts(told(scene, 2), "reply") == ['a text message "TD"']

    play(tmp_path, START, act)


def test_no_name_and_no_phone_appears_whole(tmp_path: Path) -> None:
    def act(scene: Scene) -> None:
        found = told(scene)
        for text in (found.model_dump_json(), printed(found)):
            assert "+86138****8001" in text
            assert "王*" in text
            assert ALICE not in text
            assert "王丽" not in text
            assert "工商银行" not in text

    run(tmp_path, act, until="2026-01-14 00:00")


def test_a_number_that_an_operator_wrote_is_masked(tmp_path: Path) -> None:
    def act(scene: Scene) -> None:
        store = scene.house.store
        assert isinstance(store, InlineStore)
        store.run(lambda tx: note_action(tx, "pause", "test", f"asked by {ALICE}", scene.clock.now()))
        found = told(scene).model_dump_json()
        assert "asked by +86138****8001" in found
        assert ALICE not in found

    run(tmp_path, act, until="2026-01-14 00:00")


def test_contacts_after_the_instant_asked_about_are_left_out(tmp_path: Path) -> None:
    def act(scene: Scene) -> None:
        called = scene.rows(round=1)[0].claimed_at.astimezone(SHANGHAI).replace(tzinfo=None)
        for seconds, rule in ((-1, None), (1, "house.gap"), (3599, "house.gap"), (3600, None)):
            found = answer(scene, (called + timedelta(seconds=seconds)).isoformat())
            assert (seconds, found.rule) == (seconds, rule)

    run(tmp_path, act, due(1, "2026-01-15"), until="2026-01-14 13:00")


def test_without_a_campaign_there_is_nothing_to_ask(tmp_path: Path) -> None:
    def act(scene: Scene) -> None:
        found = told(scene)
        assert found.answers == []
        assert "no campaign is launched" in printed(found)
        assert [(one.due_on, one.amount) for one in found.installments] == [(date(2026, 1, 15), "100.00")]

    run(tmp_path, act, due(1, "2026-01-15"), campaign=None)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("L-1045", "L-1046"),
        ("l-1046", "L-1046"),
        ("P-1046", '"P-1046" is a person; give one of the accounts: L-1046'),
        ("nobody%", "`dialer import accounts FILE`"),
    ],
)
def test_an_unknown_account_is_answered_with_what_may_have_been_meant(tmp_path: Path, given: str, says: str) -> None:
    def act(scene: Scene) -> None:
        def ask(tx: Tx) -> None:
            with pytest.raises(DialerError) as error:
                explain(tx, scene.house, given)
            assert says in str(error.value)
            assert given in str(error.value)

        store_of(scene).run(ask)

    run(tmp_path, act, due(1046, "2026-01-15"), account(1046, ALICE) + account(7, BOB))


def test_the_story_fits_the_screen_and_changes_nothing(tmp_path: Path) -> None:
    def act(scene: Scene) -> None:
        before = {name: scene.rows(name) for name in ("attempts", "verdicts", "events", "live_calls")}
        text = printed(told(scene), width=100)
        assert all(len(line) <= 100 for line in text.splitlines())
        assert "the gate would say" in text
        assert "[/" not in text
        assert before == {name: scene.rows(name) for name in before}

    run(tmp_path, act, until="2026-01-14 00:00")


@pytest.mark.parametrize(
    ("at", "says"),
    [
        (
            "2026-01-12 12:00",
            "Not called on 2026-01-12, because no round lies on this day. Next possible: a call on 2026-01-14 at ",
        ),
        ("2026-01-14 09:00", "Not called on 2026-01-14 yet. Next possible: a call on 2026-01-14 at "),
        ("2026-01-16 12:00", "Not called on 2026-01-16, because no round lies on this day. Nothing more is planned."),
    ],
)
def test_the_summary_says_whether_and_when(tmp_path: Path, at: str, says: str) -> None:
    def act(scene: Scene) -> None:
        assert told(scene, at=at).summary.startswith(says)

    run(tmp_path, act, due(1, "2026-01-15"))


def test_the_summary_is_about_its_day_alone(tmp_path: Path) -> None:
    def act(scene: Scene) -> None:
        first, last = scene.rows()
        called = f"called at {first.claimed_at.astimezone(SHANGHAI):%H:%M:%S} (no contact)"
        assert told(scene).summary.startswith(f"On 2026-01-14: {called}. Next possible: a call on 2026-01-15 at ")
        assert told(scene, at="2026-01-15 09:00").summary.startswith("Not called on 2026-01-15 yet.")
        at_once = told(scene, at=f"{last.due_at.astimezone(SHANGHAI) + timedelta(seconds=5):%Y-%m-%d %H:%M:%S}")
        assert at_once.summary.endswith("Next possible: a call now.")

    run(tmp_path, act, due(1, "2026-01-15"), until="2026-01-14 14:00")


def test_the_summary_of_a_block_and_of_a_halt_names_the_rule(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        found = told(scene)
        assert found.summary.startswith(
            "Not called on 2026-01-14, because round 1 was blocked: no consent to this channel [dialer.consent]. Next "
            "is a call planned for 2026-01-15 "
        )
        assert found.summary.endswith(
            "which would be blocked: no consent to this channel: the file says no [dialer.consent]."
        )
        assert found.answers[0].says == "no consent to this channel"
        await operate.halt(scene.house, "wrong text")
        waiting = told(scene, 2, "2026-01-15 10:00")
        assert waiting.summary.endswith(
            "held back till somebody acts: everything was halted: wrong text [dialer.halted]."
        )
        assert waiting.answers[0].possible_at is None

    people = account(1, ALICE, consent="no") + account(2, BOB)
    run(tmp_path, act, due(1, "2026-01-15") + due(2, "2026-01-15"), people, until="2026-01-14 23:00")


def test_an_attempt_that_waits_longer_than_it_lives_is_not_called_possible(tmp_path: Path) -> None:
    poor = SETTINGS.replace('price_per_message = "0.05"', 'price_per_message = "0.05"\nspend_max_per_day = "0.59"')

    def act(scene: Scene) -> None:
        found = told(scene, at="2026-01-14 10:00")
        assert found.answers[0].possible_at is None
        assert "but it expires before it may be placed: the spend limit of line main is reached" in found.summary

    run(tmp_path, act, due(1, "2026-01-15"), settings=poor)


def test_a_call_that_is_held_back_is_possible_when_the_hold_ends(tmp_path: Path) -> None:
    def act(scene: Scene) -> None:
        first = scene.rows()[0]
        called = first.claimed_at.astimezone(SHANGHAI)
        found = told(scene, at=f"{called + timedelta(minutes=5):%Y-%m-%d %H:%M:%S}")
        one = found.answers[0]
        assert (one.rule, one.possible_at) == ("house.gap", one.due_at)
        assert one.passes_at is not None
        assert one.due_at is not None
        assert one.passes_at < one.due_at

    run(tmp_path, act, due(1, "2026-01-15"), until="2026-01-14 14:00")


def test_the_story_has_a_heading_a_day_and_marks_the_instant_asked_about(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.mock.on(ALICE).answers(keys="9")
        await scene.load(account(1, ALICE), late(1, *HISTORY) + due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-13 12:00")
        lines = printed(told(scene)).splitlines()
        days = ["Mon 2026-01-12", "Tue 2026-01-13", "Wed 2026-01-14", "Thu 2026-01-15"]
        assert [line.strip() for line in lines if line[:3] in ("Mon", "Tue", "Wed", "Thu")] == days
        asked = next(number for number, line in enumerate(lines) if "the instant asked about" in line)
        slots = [number for number, line in enumerate(lines) if "slot" in line and "round" in line]
        assert [number < asked for number in slots] == [True, *[False] * 5]
        assert any("cancelled   2–6" in line for line in lines)  # five at once are one line
        assert any("accepted · " in line and "ringing · " in line and "answered · " in line for line in lines)

    play(tmp_path, START, act)


# --- in the lender's language ------------------------------------------------------------------------------------


def elsewhere(scene: Scene, channel: str, at: str, event: str, **more: str) -> None:
    row = {"person_id": "P-1", "account_id": "", "phone": ALICE, "channel": channel, "event": event, "by": "creditor",
           "direction": "outbound", "at": datetime.fromisoformat(at).replace(tzinfo=SHANGHAI),
           "recorded_at": scene.clock.now(), **more}  # fmt: skip
    store_of(scene).run(lambda tx: law.add_contacts(tx, [row]))


def agreed(scene: Scene, kind: str, given_on: date, until: date | None = None) -> None:
    row = {"person_id": "P-1", "kind": kind, "given_on": given_on, "until": until, "recorded_at": scene.clock.now()}
    store_of(scene).run(lambda tx: law.put_agreements(tx, [row]))


def test_the_story_is_in_the_lenders_language_unless_another_is_asked_for(tmp_path: Path) -> None:
    def act(scene: Scene) -> None:
        assert told(scene, language=None).language == "zh-CN"
        assert told(scene, language="en").language == "en"
        found = told(scene, language=None, at="2026-01-13 21:00")
        assert found.summary.startswith("2026-01-13 未联系，原因：当天没有安排轮次。下次可联系：2026-01-14 ")
        assert texts(found, "selected") == ["应还日 2026-01-15；近 3 个月逾期 0 次"]
        slot = texts(found, "slot")[0]
        assert slot == "应还日 2026-01-15，客群 A 第 1/2 轮：电话（reminder），09:30–11:30；计划"
        one = found.answers[0]
        assert (one.reason, one.seen) == ("不在 Asia/Shanghai 的允许时段内", "Asia/Shanghai 21:00:00")
        assert one.says is not None
        assert one.says.startswith("仅可于每天 09:00–20:00 联系")
        lines = printed(found).splitlines()
        assert "2026-01-14 周三" in [line.strip() for line in lines]
        assert any("的判定：推迟，不在 Asia/Shanghai 的允许时段内 [house.hours]。" in line for line in lines)
        assert any("最早于 2026-01-14 09:00:00 通过。" in line for line in lines)

    run(tmp_path, act, due(1, "2026-01-15"))


def test_contacts_made_elsewhere_and_agreements_are_told(tmp_path: Path) -> None:
    def act(scene: Scene) -> None:
        elsewhere(scene, "letter", "2026-01-12 07:00", "placed")
        elsewhere(scene, "voice", "2026-01-12 07:10", "conversation", direction="inbound", account_id="L-1")
        elsewhere(scene, "visit", "2026-01-12 07:20", "conversation", by="agents", account_id="L-7")
        agreed(scene, "agreed_hours", date(2026, 1, 10), date(2026, 2, 10))
        assert texts(told(scene), "contact") == [
            "a letter made elsewhere by the lender: made",
            "a call made elsewhere by the person: conversation",
            "a visit made elsewhere by an agency: conversation, about L-7",
        ]
        assert texts(told(scene), "agreement") == ["from 2026-01-10 until 2026-02-10: the person agreed to other hours"]
        found = told(scene, language=None)
        assert texts(found, "contact") == [
            "机构另行联系（信函）：已进行",
            "对方另行联系（电话）：真人通话",
            "受托机构另行联系（上门）：真人通话，账户 L-7",
        ]
        assert texts(found, "agreement") == ["自 2026-01-10 起，至 2026-02-10：对方另行约定联系时间"]

    run(tmp_path, act, due(1, "2026-01-15"))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_what_counted_is_named_with_its_local_times(tmp_path: Path, language: str) -> None:
    def act(scene: Scene) -> None:
        for clock, event in (("09:12", "rang_out"), ("10:20", "voicemail_left"), ("11:30", "conversation")):
            elsewhere(scene, "voice", f"2026-01-14 {clock}", event)
        one = told(scene, at="2026-01-14 11:40", language=language).answers[0]
        assert one.rule == "house.number" or one.rule == "house.daily"
        assert one.seen == (
            "11:30 电话 真人通话；10:20 电话 已留言；09:12 电话 振铃未接" if language == "zh"
            else "11:30 call, conversation; 10:20 call, voicemail left; 09:12 call, rang out"
        )  # fmt: skip
        full, closed = (
            ("已达每天最多 3 次的上限；之后：", "不在 Asia/Shanghai 的允许时段内") if language == "zh"
            else ("3 contacts already, the most in 1 calendar day; after that: ",
                  "outside the permitted hours in Asia/Shanghai")
        )  # fmt: skip
        assert one.reason == full + closed
        assert f"{one.rule_passes_at:%m-%d %H:%M}" == "01-15 00:00"
        assert f"{one.passes_at:%m-%d %H:%M}" == "01-15 09:00"
        assert {other.rule for other in one.others} == {"house.gap", "house.daily", "house.number"} - {one.rule}
        gap = next(other for other in one.others if other.rule == "house.gap")
        assert f"{gap.passes_at:%H:%M}" == "12:30"
        assert [(room.rule, room.used, room.max) for room in one.rooms[:2]] == [
            ("house.daily", 3, 3), ("house.number", 3, 3),
        ]  # fmt: skip
        assert one.saw is not None
        assert len(one.saw["contacts"]) == 3

    run(tmp_path, act, due(1, "2026-01-15"))


def test_of_the_past_only_what_had_happened_by_then_is_asked(tmp_path: Path) -> None:
    """Contacts made elsewhere and agreements too: a later one changes no earlier answer."""
    early = CAMPAIGN.replace('packs = ["cn"]', 'packs = ["cn", "own"]')
    pack = tmp_path / "own.toml"
    pack.write_text(
        '[[rule]]\nid = "own.hours"\nkind = "window"\nforce = "house"\nactor = ["creditor"]\nchannels = ["voice"]\n'
        'open = [{ days = "all", from = "09:20", until = "20:00" }]\nwaive = ["agreed_hours"]\ncitation = "a test"\n'
        'url = "tests"\ngrade = "H"\nchecked_on = 2026-01-01\n',
        encoding="utf-8",
    )

    def act(scene: Scene) -> None:
        agreed(scene, "agreed_hours", date(2026, 1, 14))
        elsewhere(scene, "voice", "2026-01-14 10:00", "placed")
        assert answer(scene, "2026-01-13 09:10").rule == "own.hours"
        assert answer(scene, "2026-01-14 09:10").verdict == "pass"
        assert answer(scene, "2026-01-14 09:59").verdict == "pass"
        assert answer(scene, "2026-01-14 10:01").rule == "house.gap"

    run(tmp_path, act, due(1, "2026-01-15"), settings=f'rules = ["{pack}"]\n{SETTINGS}', campaign=early)


def test_the_packs_that_were_asked_and_the_room_that_is_left_are_told(tmp_path: Path) -> None:
    def act(scene: Scene) -> None:
        elsewhere(scene, "voice", "2026-01-14 08:00", "rang_out")
        found = told(scene, at="2026-01-14 09:30")
        one = found.answers[0]
        assert (one.verdict, [pack.name for pack in one.packs]) == ("pass", ["house", "cn"])
        assert all(pack.rules for pack in one.packs)
        assert [(room.rule, room.used, room.max) for room in one.rooms[:1]] == [("house.daily", 1, 3)]
        assert f"{one.placeable_until:%H:%M:%S}" == "19:59:30"
        text = printed(found)
        assert "pass, until 2026-01-14 19:59:30 at the latest." in text
        assert "Asked: house (4 rules), cn (" in text
        assert "Used of the limits: house.daily 1 of 3" in text

    run(tmp_path, act, due(1, "2026-01-15"))


def test_a_refusal_in_the_story_names_facts_rule_and_first_pass_in_chinese(tmp_path: Path) -> None:
    """A call made elsewhere half an hour before the slots: the gap defers the first call."""

    async def act(scene: Scene) -> None:
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        slot = scene.rows()[0].planned_for.astimezone(SHANGHAI)
        elsewhere(scene, "voice", f"{slot.replace(tzinfo=None) - timedelta(minutes=30)}", "rang_out")
        await scene.start()
        await scene.until("2026-01-14 13:00")
        found = told(scene, language=None)
        refused = next(one for one in found.timeline if one.kind == "verdict" and one.rule == "house.gap")
        called, passes = slot - timedelta(minutes=30), slot + timedelta(minutes=30)
        assert refused.text == (f"推迟至 {passes:%Y-%m-%d %H:%M}：距上一次联系太近（{called:%H:%M} 电话 振铃未接）")
        assert refused.says == "拨出后1小时内，不得再拨打电话"
        assert refused.saw is not None
        assert refused.saw["contacts"][0][1:] == ["voice", "rang_out"]
        assert refused.state == "defer"

    play(tmp_path, START, act)


PHRASES = ("explain_words", "verdict_words", "timeline_words", "timeline", "explain_ask", "explain_summary",
           "explain_show")  # fmt: skip


def test_every_phrase_is_there_in_chinese_and_none_is_idle() -> None:
    own = tomllib.loads((ROOT / "dialer/templates/explain.zh.toml").read_text(encoding="utf-8"))
    said, everything = phrases(*(ROOT / "dialer" / f"{name}.py" for name in PHRASES))
    assert said - set(speech("zh").words) - set(own) == set()
    lists = [get_args(Kind), tuple(attempt.Kind), CONSENTS, TASK_KINDS, SOURCES, ACTIONS, attempt.State, ("replied",),
             get_args(CountedEvent), get_args(Role), WHYS, ("retry", "otherwise", "infrastructure", "confirmation"),
             [f"a {one}" for one in MADE.values()], MADE.values(), FORGOTTEN]  # fmt: skip
    closed = {str(word).replace("_", " ") for words in lists for word in words}
    assert closed - set(speech("zh").words) - set(own) - set(PLAIN) - INTERNAL == set()
    assert set(own) - closed - everything == {"text message", "suppressed", "the person or the number is suppressed"}


CONSENTS = ("yes", "no", "voice", "sms")
TASK_KINDS = ("call_back", "visit", "letter", "review", "fix_data")
SOURCES = ("call", "message", "command", "import", "file", "carrier", "reverse")
ACTIONS = (*timeline.CAMPAIGN_ACTIONS, *timeline.HOUSE_ACTIONS)
WHYS = ("its worker ended", "no news of its placing", "no news for too long", "the provider does not know it",
        "no answer until the deadline", "gone", "halted", "paused", "window_closed")  # fmt: skip
FORGOTTEN = (forget.BEFORE, forget.OTHER, optouts.SOURCE)
INTERNAL = {"gone"}
"""Never recorded: there is nothing to withdraw."""


def test_a_name_of_a_language_that_is_not_spoken_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dialer.toml").write_text(SETTINGS, encoding="utf-8")
    done = command(capsys, "explain", "L-1", "--language", "fr")
    assert (done.code, done.out) == (2, "")
    assert '"fr" is not spoken here; accepted: zh, en' in done.err


def test_a_narrow_terminal_loses_nothing_of_a_day_or_an_address(tmp_path: Path) -> None:
    def look(scene: Scene) -> None:
        text = printed(told(scene), width=40)
        assert all(cell_len(line) <= 40 for line in text.splitlines())
        assert "…" not in text

    run(tmp_path, look)


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_chinese_fits_the_screen_and_loses_nothing(tmp_path: Path, width: int) -> None:
    def act(scene: Scene) -> None:
        found = told(scene, language=None)
        lines = printed(found, width=width).splitlines()
        assert all(cell_len(line) <= width for line in lines)
        assert not [line for line in lines if line.lstrip()[:1] in "，。；：）、" and line.strip()]
        assert "…" not in "".join(lines)
        shown = re.sub(r"\s", "", "".join(lines))
        slot = texts(found, "slot")[0]
        for text in (found.summary, f"{found.answers[0].reason}[{found.answers[0].rule}]"):
            assert re.sub(r"\s", "", text) in shown
        # In the table a line's end is followed by the columns before it, which are empty there.
        assert re.sub(r"\s", "", slot) in shown

    run(tmp_path, act, until="2026-01-14 00:00")


def test_a_pass_tells_what_it_breaks_that_only_warns(tmp_path: Path) -> None:
    pack = tmp_path / "own.toml"
    pack.write_text(
        '[[rule]]\nid = "own.ring"\nkind = "ring"\nforce = "house"\nactor = ["creditor"]\nchannels = ["voice"]\n'
        'min_s = 90\non_breach = "warn"\ncitation = "a test"\nurl = "tests"\ngrade = "H"\nchecked_on = 2026-01-01\n',
        encoding="utf-8",
    )

    def act(scene: Scene) -> None:
        found = told(scene, at="2026-01-14 10:00")
        assert found.answers[0].verdict == "pass"
        assert "pass, although it breaks own.ring, which only warns, until 2026-01-14 " in printed(found)
        chinese = printed(told(scene, at="2026-01-14 10:00", language="zh"))
        assert "通过，虽违反仅作提示的规则 own.ring，最迟 2026-01-14 " in chinese

    own = CAMPAIGN.replace('packs = ["cn"]', 'packs = ["cn", "own"]')
    run(tmp_path, act, due(1, "2026-01-15"), settings=f'rules = ["{pack}"]\n{SETTINGS}', campaign=own)


def test_a_task_that_a_refusal_opened_says_why_in_the_language_and_is_masked(tmp_path: Path) -> None:
    pack = tmp_path / "own.toml"
    pack.write_text(
        '[[rule]]\nid = "own.check"\nkind = "number_check"\nforce = "house"\nactor = ["creditor"]\n'
        'channels = ["voice"]\nmax_age_days = 31\ncitation = "a test"\nurl = "tests"\ngrade = "H"\n'
        "checked_on = 2026-01-01\n",
        encoding="utf-8",
    )

    def act(scene: Scene) -> None:
        opened = {"kind": "review", "person_id": "P-1", "attempt_id": None, "detail": f"asked by {BOB}",
                  "opened_at": scene.clock.now()}  # fmt: skip
        store_of(scene).run(lambda tx: desk.add_tasks(tx, [opened]))
        assert texts(told(scene, language=None), "task") == [
            "新建 更正资料：号码从未核验 [own.check]",
            "新建 人工复核：asked by +86138****8002",
        ]
        assert texts(told(scene), "task")[0] == "opened fix data: the number was never looked up [own.check]"
        assert texts(told(scene), "verdict") == ["block: the number was never looked up"]
        assert texts(told(scene, language=None), "verdict") == ["拦截：号码从未核验"]

    own = CAMPAIGN.replace('packs = ["cn"]', 'packs = ["cn", "own"]')
    run(tmp_path, act, due(1, "2026-01-15"), settings=f'rules = ["{pack}"]\n{SETTINGS}', campaign=own,
        until="2026-01-14 12:00")  # fmt: skip
