"""A call's dialogue: every branch of the sample scripts, silence, wrong keys, machines, transfers, hang-ups."""

import tomllib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.file import Script
from campaigns.model import Outcome
from campaigns.script import (
    Answer,
    Heard,
    Keys,
    Knows,
    Machine,
    Position,
    Silence,
    Transferred,
    advance,
    begin,
    hung_up,
    openings,
    unverified,
)

SAMPLES = tomllib.loads("""
[reminder]
language = "zh-CN"
first    = "greet"
[reminder.step.greet]
say      = "{name}您好,应还{amount}。"
say_many = "{name}您好,{count}笔应还,共{amount}。"
keys = { 1 = "paid", 2 = "when", 0 = "agent", 9 = "stop" }
silent = { repeat = 1, then = "bye" }
[reminder.step.paid]
say     = "感谢您,我们会核对到账情况。"
outcome = "says_paid"
[reminder.step.when]
say  = "今天还款请按1,明天还款请按2,到期日还款请按3。"
keys = { 1 = "today", 2 = "tomorrow", 3 = "due" }
[reminder.step.today]
say     = "好的,请于今天完成还款,再见。"
outcome = "promised"
promise = "+0d"
[reminder.step.tomorrow]
say     = "好的,请于明天完成还款,再见。"
outcome = "promised"
promise = "+1d"
[reminder.step.due]
say     = "好的,请于到期日完成还款,再见。"
outcome = "promised"
promise = "due"
[reminder.step.agent]
say      = "正在为您转接人工。"
transfer = "agents"
[reminder.step.stop]
say     = "好的,我们不再给您拨打提醒电话。"
outcome = "opted_out"
[reminder.step.bye]
say     = "再见。"
outcome = "reached"

[confirm]
language = "zh-CN"
first    = "greet"
[confirm.step.greet]
say  = "今天是还款日。"
keys = { 1 = "paid", 2 = "today", 0 = "agent", 9 = "stop" }
[confirm.step.paid]
say     = "感谢您,再见。"
outcome = "says_paid"
[confirm.step.today]
say     = "好的,再见。"
outcome = "promised"
promise = "+0d"
[confirm.step.agent]
say      = "正在为您转接人工。"
transfer = "agents"
[confirm.step.stop]
say     = "好的,我们不再给您拨打提醒电话。"
outcome = "opted_out"
""")
REMINDER = Script.model_validate(SAMPLES["reminder"])
CONFIRM = Script.model_validate(SAMPLES["confirm"])


Steps = dict[str, dict[str, object]]


def script(**steps: dict[str, object]) -> Script:
    """A script that begins with its first step."""
    return script_of(steps)


def script_of(steps: Steps, voicemail: str | None = None) -> Script:
    first = next(iter(steps))
    return Script.model_validate({"language": "zh-CN", "first": first, "voicemail": voicemail, "step": steps})


def after(dialogue: Script, *heard: Heard) -> Answer:
    answer = begin(dialogue)
    for one in heard:
        answer = advance(dialogue, answer.position, one)
    return answer


def keyed(digits: str) -> tuple[Keys, ...]:
    return tuple(Keys(digit) for digit in digits)


def test_begin_says_the_first_step_and_accepts_its_keys_in_the_order_of_the_script() -> None:
    position, said = begin(REMINDER)
    assert position == Position("greet")
    assert (said.step, said.then, said.keys) == ("greet", "gather", "1209")
    assert said.say == REMINDER.step["greet"].say
    assert said.say_many == REMINDER.step["greet"].say_many
    assert said.outcome is None


@pytest.mark.parametrize(
    ("dialogue", "digits", "step", "outcome", "promise"),
    [
        (REMINDER, "1", "paid", Outcome.SAYS_PAID, None),
        (REMINDER, "21", "today", Outcome.PROMISED, "+0d"),
        (REMINDER, "22", "tomorrow", Outcome.PROMISED, "+1d"),
        (REMINDER, "23", "due", Outcome.PROMISED, "due"),
        (REMINDER, "9", "stop", Outcome.OPTED_OUT, None),
        (CONFIRM, "1", "paid", Outcome.SAYS_PAID, None),
        (CONFIRM, "2", "today", Outcome.PROMISED, "+0d"),
        (CONFIRM, "9", "stop", Outcome.OPTED_OUT, None),
    ],
)
def test_keys_lead_to_a_last_step_that_says_its_text_and_hangs_up(
    dialogue: Script, digits: str, step: str, outcome: Outcome, promise: str | None
) -> None:
    position, said = after(dialogue, *keyed(digits))
    assert position == Position(step, outcome=outcome, promise=promise, done=True)
    assert (said.step, said.say, said.then) == (step, dialogue.step[step].say, "hang_up")
    assert (said.outcome, said.promise) == (outcome, promise)
    assert hung_up(position) is outcome


@pytest.mark.parametrize("dialogue", [REMINDER, CONFIRM])
@pytest.mark.parametrize(("connected", "outcome"), [(True, Outcome.AGENT), (False, Outcome.CALLBACK)])
def test_a_transfer_is_an_agent_or_a_callback(dialogue: Script, connected: bool, outcome: Outcome) -> None:
    waiting = after(dialogue, Keys("0"))
    assert (waiting.said.then, waiting.said.transfer, waiting.said.keys) == ("transfer", "agents", "")
    assert waiting.said.say == "正在为您转接人工。"
    assert not waiting.position.done
    position, said = advance(dialogue, waiting.position, Transferred(connected))
    assert position == Position("agent", outcome=outcome, done=True)
    assert (said.say, said.then, said.outcome) == ("", "hang_up", outcome)


@pytest.mark.parametrize("heard", [Keys("1"), Silence(), Machine()])
def test_whatever_else_is_heard_while_waiting_for_an_agent_is_a_callback(heard: Heard) -> None:
    assert after(REMINDER, Keys("0"), heard).position.outcome is Outcome.CALLBACK


def test_a_transferring_step_that_names_its_outcome_keeps_it() -> None:
    dialogue = script(a={"say": "x", "outcome": "disputed", "transfer": "agents"})
    assert begin(dialogue).said.outcome is Outcome.DISPUTED
    assert after(dialogue, Transferred(connected=True)).position.outcome is Outcome.DISPUTED


def test_silence_repeats_the_step_once_and_then_takes_the_script_s_way() -> None:
    first = after(REMINDER, Silence())
    assert first.said == begin(REMINDER).said
    assert first.position == Position("greet", repeats_silent=1)
    assert after(REMINDER, Silence(), Keys("1")).position.outcome is Outcome.SAYS_PAID
    position, said = after(REMINDER, Silence(), Silence())
    assert (said.step, said.say, said.then) == ("bye", "再见。", "hang_up")
    assert position == Position("bye", outcome=Outcome.REACHED, done=True)


@pytest.mark.parametrize("heard", [Silence(), Keys("7"), Keys(""), Keys("11")])
def test_a_step_without_rules_is_repeated_once_and_then_hangs_up_as_reached(heard: Heard) -> None:
    assert after(CONFIRM, heard).said.say == CONFIRM.step["greet"].say
    position, said = after(CONFIRM, heard, heard)
    assert (said.say, said.then, said.outcome) == ("", "hang_up", Outcome.REACHED)
    assert (position.outcome, position.done) == (Outcome.REACHED, True)


def test_silence_and_wrong_keys_are_counted_apart_and_anew_in_each_step() -> None:
    answer = after(CONFIRM, Silence(), Keys("7"))
    assert answer.position == Position("greet", repeats_silent=1, repeats_wrong=1)
    assert not answer.position.done
    assert after(REMINDER, Silence(), Keys("7"), Keys("2")).position == Position("when")


@pytest.mark.parametrize("repeat", [0, 1, 3])
@pytest.mark.parametrize(("rule", "heard"), [("silent", Silence()), ("wrong", Keys("5"))])
def test_the_step_is_repeated_as_often_as_its_rule_says(rule: str, heard: Heard, repeat: int) -> None:
    dialogue = script(
        a={"say": "x", "keys": {"1": "b"}, rule: {"repeat": repeat, "then": "c"}},
        b={"say": "b"},
        c={"say": "c", "outcome": "refused"},
    )
    assert after(dialogue, *[heard] * repeat).said.step == "a"
    assert after(dialogue, *[heard] * (repeat + 1)).position.outcome is Outcome.REFUSED


def test_a_rule_without_a_next_step_hangs_up() -> None:
    dialogue = script(a={"say": "x", "keys": {"1": "b"}, "wrong": {"repeat": 0}}, b={"say": "b"})
    assert after(dialogue, Keys("2")).said.then == "hang_up"


def test_a_machine_hears_the_voicemail() -> None:
    dialogue = script_of({"a": {"say": "x", "keys": {"1": "b"}}, "b": {"say": "b"}}, voicemail="请回电{lender_phone}。")
    position, said = after(dialogue, Machine())
    assert (said.say, said.say_many, said.then) == ("请回电{lender_phone}。", None, "hang_up")
    assert (position.outcome, position.done) == (Outcome.VOICEMAIL_LEFT, True)


def test_a_machine_hears_nothing_where_the_script_has_no_voicemail() -> None:
    position, said = after(REMINDER, Machine())
    assert (said.say, said.then) == ("", "hang_up")
    assert (position.outcome, position.done) == (Outcome.NO_CONTACT, True)


@pytest.mark.parametrize(
    ("own", "packs", "says", "outcome"),
    [
        ("请回电{lender_phone}。", "v", "v", Outcome.VOICEMAIL_LEFT),
        (None, "v", "v", Outcome.VOICEMAIL_LEFT),
        ("应还{amount}。", "v", "v", Outcome.VOICEMAIL_LEFT),
        ("应还{amount}。", None, "", Outcome.NO_CONTACT),
        ("{due_on:long}", None, "", Outcome.NO_CONTACT),
    ],
)
def test_a_machine_hears_the_packs_text_else_ours_and_never_of_the_debt(
    own: str | None, packs: str | None, says: str, outcome: Outcome
) -> None:
    dialogue = script_of({"a": {"say": "x", "keys": {"1": "b"}}, "b": {"say": "b"}}, voicemail=own)
    position, said = advance(dialogue, begin(dialogue).position, Machine(), voicemail=packs)
    assert (said.say, position.outcome, position.done) == (says, outcome, True)


def test_a_late_machine_takes_no_opt_out_away() -> None:
    stop: dict[str, object] = {"say": "b", "outcome": "opted_out", "keys": {"1": "a"}}
    dialogue = script_of({"a": {"say": "x", "keys": {"9": "b"}}, "b": stop}, voicemail="v")
    position, said = after(dialogue, Keys("9"), Machine())
    assert (position.outcome, said.say) == (Outcome.OPTED_OUT, "")


@pytest.mark.parametrize(
    ("heard", "outcome"),
    [
        ((), Outcome.REACHED),
        ((Silence(),), Outcome.REACHED),
        (keyed("2"), Outcome.REACHED),
        (keyed("0"), Outcome.REACHED),
        (keyed("1"), Outcome.SAYS_PAID),
        (keyed("22"), Outcome.PROMISED),
        (keyed("9"), Outcome.OPTED_OUT),
        ((Silence(), Silence()), Outcome.REACHED),
        ((Machine(),), Outcome.NO_CONTACT),
    ],
)
def test_a_hang_up_is_the_last_outcome_said_else_reached(heard: tuple[Heard, ...], outcome: Outcome) -> None:
    assert hung_up(after(REMINDER, *heard).position) is outcome


def test_a_hang_up_before_the_first_step_is_reached() -> None:
    assert hung_up(None) is Outcome.REACHED


def test_the_last_outcome_said_holds_through_silence_and_takes_its_promise_along() -> None:
    dialogue = script(
        a={"say": "a", "outcome": "promised", "promise": "+2d", "keys": {"1": "b", "2": "c", "0": "d"}},
        b={"say": "b", "outcome": "refused"},
        c={"say": "c"},
        d={"say": "d", "transfer": "agents"},
    )
    kept = Position("a", 2, 0, Outcome.PROMISED, "+2d", done=True)
    assert after(dialogue, Silence(), Silence()).position == kept
    assert after(dialogue, Keys("1")).position == Position("b", outcome=Outcome.REFUSED, done=True)
    ended = after(dialogue, Keys("2"))
    assert ended.position == Position("c", outcome=Outcome.PROMISED, promise="+2d", done=True)
    assert (ended.said.say, ended.said.outcome, ended.said.promise) == ("c", Outcome.PROMISED, "+2d")
    agent = after(dialogue, Keys("0"), Transferred(connected=True)).position
    assert (agent.outcome, agent.promise) == (Outcome.AGENT, None)


def test_a_last_step_without_an_outcome_is_reached() -> None:
    position, said = begin(script(a={"say": "a"}))
    assert (position.outcome, said.outcome, said.say) == (Outcome.REACHED, Outcome.REACHED, "a")


@pytest.mark.parametrize("heard", [Keys("1"), Silence(), Machine(), Transferred(connected=True)])
def test_a_dialogue_that_is_done_only_hangs_up(heard: Heard) -> None:
    done = after(REMINDER, Keys("9")).position
    position, said = advance(REMINDER, done, heard)
    assert position == done
    assert (said.say, said.then) == ("", "hang_up")


@pytest.mark.parametrize("heard", [Keys("1"), Silence(), Machine(), Transferred(connected=False)])
@pytest.mark.parametrize("outcome", [None, Outcome.SAYS_PAID])
def test_a_position_of_a_step_that_is_gone_ends_the_dialogue(heard: Heard, outcome: Outcome | None) -> None:
    position, said = advance(CONFIRM, Position("when", outcome=outcome), heard)
    assert (said.say, said.then) == ("", "hang_up")
    assert (position.outcome, position.done) == (outcome or Outcome.REACHED, True)


def test_a_target_that_does_not_exist_ends_the_dialogue() -> None:
    dialogue = script(a={"say": "a", "keys": {"1": "gone"}})
    assert after(dialogue, Keys("1")).said.then == "hang_up"


WHO: Steps = {
    "who": {"say": "{name}本人请按1,不是请按2。", "verify": "greet", "keys": {"2": "stranger"}},
    "greet": {"say": "应还{amount}。", "keys": {"1": "paid"}},
    "paid": {"say": "谢谢。", "outcome": "says_paid"},
    "stranger": {"say": "打扰了。", "outcome": "wrong_number"},
}


def test_verify_says_nothing_of_the_debt_before_the_person_is_known() -> None:
    dialogue = script_of(WHO)
    assert begin(dialogue).said.keys == "12"
    assert after(dialogue, Keys("1")).said.step == "greet"
    assert after(dialogue, Keys("2")).position.outcome is Outcome.WRONG_NUMBER
    assert after(dialogue, Silence(), Silence()).said.step == "who"
    assert unverified(dialogue) == {"who", "stranger"}


def test_verify_adds_no_key_where_the_script_has_one_for_it() -> None:
    dialogue = script_of(WHO | {"who": {"say": "本人请按5。", "verify": "greet", "keys": {"5": "greet"}}})
    assert begin(dialogue).said.keys == "5"
    assert after(dialogue, Keys("5")).said.step == "greet"
    assert after(dialogue, Keys("1")).said.step == "who"


def test_a_way_around_verify_is_seen() -> None:
    silent = {"repeat": 1, "then": "greet"}
    ask: dict[str, object] = {"say": "?", "keys": {"1": "ask2"}, "silent": silent}
    dialogue = script_of(WHO | {"who": ask, "ask2": {"say": "?", "verify": "paid"}})
    assert unverified(dialogue) == {"who", "ask2", "greet", "paid"}
    assert unverified(REMINDER) == frozenset()


CODE = WHO | {
    "who": {"say": "{name}本人请按1。", "keys": {"1": "code", "2": "stranger"}},
    "code": {"say": "后四位?", "verify": "greet", "digits": 4, "wrong": {"repeat": 1, "then": "safe"}},
    "safe": {"say": "请致电{lender_phone}。"},
}


def told(dialogue: Script, heard: list[Heard], knows: Knows | None) -> list[Answer]:
    answers = [begin(dialogue, knows)]
    for one in heard:
        answers.append(advance(dialogue, answers[-1].position, one, knows))
    return answers


def test_digits_are_gathered_and_only_the_right_ones_open_the_debt() -> None:
    dialogue = script_of(CODE)
    asked, opened = told(dialogue, [Keys("1"), Keys("1234")], "1234".__eq__)[1:]
    assert (asked.said.then, asked.said.keys, asked.said.digits, asked.said.verified) == ("gather", "", 4, None)
    assert (opened.said.step, opened.said.verified, opened.said.digits) == ("greet", True, 1)
    again, safe = told(dialogue, [Keys("1"), Keys("0000"), Keys("1")], "1234".__eq__)[2:]
    assert (again.said.step, again.said.verified, again.said.unverified) == ("code", False, False)
    assert (safe.said.step, safe.said.verified, safe.said.unverified) == ("safe", False, True)
    assert (safe.position.outcome, safe.position.done) == (Outcome.NO_CONTACT, True)


def test_where_nothing_is_on_file_nobody_is_asked_and_nobody_passes() -> None:
    safe = told(script_of(CODE), [Keys("1")], None)[-1]
    assert (safe.said.step, safe.said.unverified, safe.position.outcome) == ("safe", True, Outcome.NO_CONTACT)
    first = script_of({"code": CODE["code"], "greet": CODE["greet"], "safe": CODE["safe"], "paid": {"say": "x"}})
    assert told(first, [], None)[0].said.step == "safe"


def test_the_safe_ending_may_go_on_and_says_what_it_means() -> None:
    stop: Steps = {"safe": {"say": "?", "keys": {"9": "stop"}}, "stop": {"say": "x", "outcome": "opted_out"}}
    safe, stopped = told(script_of(CODE | stop), [Keys("1"), Keys("9")], None)[1:]
    assert (safe.said.outcome, safe.position.done) == (Outcome.NO_CONTACT, False)
    assert stopped.position.outcome is Outcome.OPTED_OUT


def test_a_key_alone_says_nothing_of_who_is_there_where_digits_are_asked_for() -> None:
    assert unverified(script_of(CODE)) == {"who", "code", "safe", "stranger"}
    assert unverified(script_of(CODE | {"who": {"say": "?", "verify": "code"}})) == {"who", "code", "safe"}
    assert openings(script_of(CODE | {"who": {"say": "?", "verify": "code"}})) == {"greet"}
    assert openings(script_of(WHO)) == {"greet"}
    assert openings(REMINDER) == {"greet"}


heards = st.one_of(
    st.builds(Keys, st.sampled_from(["", *"0123456789*#", "12"])),
    st.just(Silence()),
    st.just(Machine()),
    st.builds(Transferred, st.booleans()),
)


@given(dialogue=st.sampled_from([REMINDER, CONFIRM]), heard=st.lists(heards, min_size=8, max_size=12))
@settings(max_examples=200)
def test_whatever_is_heard_the_dialogue_ends_and_stays_ended(dialogue: Script, heard: list[Heard]) -> None:
    # Two menus deep, each left at the latest by the third silence-or-wrong key: 3 + 3 answers, and one transfer.
    answers = [begin(dialogue)]
    for one in heard:
        answers.append(advance(dialogue, answers[-1].position, one))
    assert answers[7].position.done
    for before, now in pairwise(answers):
        assert now.said.step in dialogue.step
        assert now.position.done == (now.said.then == "hang_up")
        assert not now.position.done or now.position.outcome is not None
        if before.position.done:
            assert now.position == before.position


@given(heard=st.lists(heards, max_size=8), right=st.sampled_from(["1234", "1", None]))
def test_whatever_is_heard_the_debt_is_told_only_after_the_digits(heard: list[Heard], right: str | None) -> None:
    answers = told(script_of(CODE), heard, right.__eq__ if right else None)
    passed = False
    for answer in answers:
        passed = passed or answer.said.verified is True
        assert passed or answer.said.step in unverified(script_of(CODE))
    assert not (passed and right is None)


@st.composite
def loopless(draw: st.DrawFn) -> Script:
    """Scripts whose every way leads to a later step, or to one that doesn't exist."""
    count = draw(st.integers(1, 4))
    steps: Steps = {}
    for number in range(count):
        later = st.sampled_from([f"s{target}" for target in range(number + 1, count + 1)])
        rule = st.none() | st.fixed_dictionaries({"repeat": st.integers(0, 2), "then": st.none() | later})
        steps[f"s{number}"] = {
            "say": "x",
            "keys": draw(st.dictionaries(st.sampled_from("123*#"), later, max_size=3)),
            "silent": draw(rule),
            "wrong": draw(rule),
            "verify": draw(st.none() | later),
            "transfer": draw(st.sampled_from([None, None, "agents"])),
            "outcome": draw(st.none() | st.sampled_from(Outcome)),
        }
    return script_of(steps, draw(st.sampled_from([None, "v"])))


@given(dialogue=loopless(), heard=st.lists(heards, min_size=20, max_size=20))
@settings(max_examples=200)
def test_every_script_without_loops_ends(dialogue: Script, heard: list[Heard]) -> None:
    bound = sum(
        1 + (step.silent.repeat if step.silent else 1) + (step.wrong.repeat if step.wrong else 1)
        for step in dialogue.step.values()
    )
    assert after(dialogue, *heard[:bound]).position.done


@given(heard=st.lists(heards, max_size=5))
def test_a_stored_position_goes_on_where_it_was(heard: list[Heard]) -> None:
    position = after(REMINDER, *heard).position
    assert Position.from_text(position.to_text()) == position


def test_a_position_is_stored_compactly() -> None:
    position = Position('步"骤', 1, 2, Outcome.PROMISED, "+1d", done=True)
    assert position.to_text() == '["步\\"骤",1,2,"promised","+1d",true]'
    assert Position.from_text(position.to_text()) == position


@pytest.mark.parametrize("text", ["", "{}", "[]", '["a",0,0,null,null]', '["a",0,0,"glad",null,false]', '["a","0",0]'])
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Position.from_text(text)
