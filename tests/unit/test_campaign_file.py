"""The campaign file: what its values mean, and what `problems` finds in one whose shapes are right."""

import tomllib
from collections.abc import Callable
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from campaigns.file import Campaign, Late, read_duration, read_money, read_wall_time
from campaigns.model import Channel, Disposition, Outcome
from campaigns.problems import problems

TEXT = """\
format = 1
name = "monthly"
[audience]
due_days = [15, 30]
[lines]
voice = ["main"]
sms = ["main"]
[[segment]]
name = "A"
[[segment.rounds]]
days = [-1]
between = [["09:30", "11:30"]]
channel = "voice"
script = "s"
otherwise = { on = ["busy"], channel = "sms", message = "m", after = "10m" }
[message.m]
text = "{due_on} {amount} {pay_to}"
[script.s]
language = "en"
first = "one"
[script.s.step.one]
say = "{due_on:long} {amount} {pay_to}"
keys = { 1 = "two" }
[script.s.step.two]
outcome = "reached"
"""


def data() -> dict[str, Any]:
    return tomllib.loads(TEXT)


def found(content: dict[str, Any], warnings: bool = False) -> list[str]:
    return [
        f"{'.'.join(map(str, problem.loc))}: {problem.wrong}"
        for problem in problems(Campaign.model_validate(content))
        if warnings or not problem.warning
    ]


def test_what_stands_in_the_file_is_read() -> None:
    content = data()
    content["audience"] |= {"from": date(2026, 1, 1), "skip": [date(2026, 2, 17)], "weekdays": ["mon"]}
    content["stop"] = {"on": ["paid", "opted_out"], "pause": {"promised": "promise", "says_paid": "24h"}}
    campaign = Campaign.model_validate(content)
    assert (campaign.audience.from_, campaign.audience.until) == (date(2026, 1, 1), None)
    assert (campaign.audience.skip, campaign.audience.weekdays) == ((date(2026, 2, 17),), ("mon",))
    assert campaign.stop.on == ("paid", Outcome.OPTED_OUT)
    assert campaign.stop.pause == {Outcome.PROMISED: "promise", Outcome.SAYS_PAID: timedelta(hours=24)}
    rounds = campaign.segment[0].rounds[0]
    assert (rounds.between, rounds.content) == (((time(9, 30), time(11, 30)),), "s")
    assert rounds.otherwise is not None
    assert (rounds.otherwise.on, rounds.otherwise.channel) == ((Disposition.BUSY,), Channel.SMS)
    assert (rounds.otherwise.content, rounds.otherwise.after) == ("m", timedelta(minutes=10))
    assert found(content, warnings=True) == []


def test_defaults() -> None:
    campaign = Campaign.model_validate(data())
    assert campaign.audience.min_amount == Decimal("0.01")
    assert (campaign.audience.combine, campaign.packs, campaign.stop.on, campaign.stop.pause) == (False, (), (), {})
    assert (campaign.segment[0].late, campaign.segment[0].priority) == (None, 0)
    assert (Late(months=3).min, Late(months=3).max) == (0, None)


@pytest.mark.parametrize(
    ("where", "key", "good", "bad"),
    [
        (("audience",), "due_days", [[1], [31], [15, 30]], [[0], [32], [], [15, 15], ["15"], [15.0], [True]]),
        (("audience",), "min_amount", ["0", "0.01"], ["-1", 1, 0.01, "", "1,5"]),
        (("audience",), "until", [date(2026, 1, 1)], ["2026-01-01", 5, time(9)]),
        (("audience",), "skip", [[date(2026, 1, 1)]], [[], [1]]),
        (("audience",), "combine", [True, False], [1, "true"]),
        (("segment", 0), "priority", [-1000, 0, 1000], [1001, "1", 1.0, True]),
        (("segment", 0), "late", [{"months": 1}, {"months": 120}, {"months": 3, "min": 2, "max": 2}],
         [{"months": 0}, {"months": 121}, {"months": 3, "min": 2, "max": 1}, {"months": 3, "min": -1}, {}]),
        (("segment", 0, "rounds", 0), "days", [[-60], [0], [60]], [[-61], [61], [], [0, 0]]),
        (("segment", 0, "rounds", 0), "between", [[["00:00", "23:59"]], [["09:00", "09:01"]]],
         [[], [["09:00", "09:00"]], [["09:01", "09:00"]], [["09:00"]], [["09:00", "24:00"]], [["9:00", "10:00"]],
          [["09:00", "10:00", "11:00"]], ["09:00", "10:00"]]),
        (("segment", 0, "rounds", 0), "script", ["s"], ["", None, 3]),
        (("segment", 0, "rounds", 0), "message", [None], ["m"]),
        (("segment", 0, "rounds", 0), "retry", [{"on": ["busy"], "after": "1s"}],
         [{"on": [], "after": "1s"}, {"on": ["busy"]}, {"on": ["reached"], "after": "1s"},
          {"on": ["busy"], "after": "1s", "max": -1}]),
        (("script", "s", "step", "one"), "keys", [{"0": "two", "*": "two", "#": "two"}],
         [{"10": "two"}, {"a": "two"}, {"": "two"}, {"1": ""}, {"1": 2}]),
        (("script", "s", "step", "two"), "promise", ["+0d", "+99d", "due"], ["0d", "+d", "+100d", "tomorrow", 1]),
        (("script", "s", "step", "one"), "silent", [{"repeat": 0}, {"repeat": 9}], [{"repeat": -1}, {"repeat": 10}]),
        ((), "format", [1], [0, 2, "1"]),
        ((), "name", ["a", "A.b-c_1", "x" * 64], ["", "a b", "-a", "x" * 65, "月"]),
        ((), "packs", [["cn"]], [[], [""], ["cn", "cn"]]),
    ],
)  # fmt: skip
def test_what_a_key_accepts(where: tuple[Any, ...], key: str, good: list[Any], bad: list[Any]) -> None:
    def changed(value: object) -> dict[str, Any]:
        content = table = data()
        for part in where:
            table = table[part]
        table[key] = value
        return content

    for value in good:
        Campaign.model_validate(changed(value))
    for value in bad:
        with pytest.raises(ValidationError):
            Campaign.model_validate(changed(value))


@given(st.integers(1, 10**7), st.sampled_from("smhd"))
def test_durations_are_read_or_refused_by_their_length(count: int, unit: str) -> None:
    seconds = count * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit]
    if seconds <= 366 * 86400:
        assert read_duration(f"{count}{unit}") == timedelta(seconds=seconds)
    else:
        with pytest.raises(ValueError, match="duration"):
            read_duration(f"{count}{unit}")


@given(st.text(max_size=8) | st.integers() | st.floats() | st.none())
def test_readers_refuse_in_our_words(value: object) -> None:
    for reader, word in ((read_duration, "duration"), (read_wall_time, "time of day"), (read_money, "money")):
        try:
            reader(value)
        except ValueError as error:
            assert str(error).startswith("is not") and word in str(error)  # noqa: PT017, PT018


def edit(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    content = data()
    change(content)
    return content


def steps(**other: dict[str, Any]) -> dict[str, Any]:
    """The campaign with these steps beside its own first one, which leads to `two`."""
    return edit(lambda content: content["script"]["s"]["step"].update(other))


TOLD = "names {due_on} {amount} {pay_to} before the person has said who they are"
LOOP = "loops: no key leads to a step that ends the call"


@pytest.mark.parametrize(
    ("other", "wrong"),
    [
        # back to a menu by a key: no loop, as long as something ends
        ({"two": {"say": "x", "keys": {"1": "one", "2": "end"}}, "end": {"say": "bye"}}, []),
        ({"two": {"say": "x", "keys": {"1": "one"}, "outcome": "reached"}}, []),
        ({"two": {"say": "x", "keys": {"1": "two", "2": "end"}}, "end": {"transfer": "agents"}}, []),
        # keys that only lead in circles
        ({"two": {"say": "x", "keys": {"1": "one"}}}, ["script.s.step.one: " + LOOP]),
        ({"two": {"say": "x", "keys": {"1": "two"}}}, ["script.s.step.one: " + LOOP]),
        # silence or wrong keys that lead back
        ({"two": {"say": "x", "keys": {"1": "end"}, "silent": {"then": "two"}}, "end": {"say": "bye"}},
         ['script.s.step.two.silent.then: loops: silence or wrong keys lead from "two" back to "two" for ever']),
        ({"two": {"say": "x", "keys": {"1": "end"}, "silent": {"then": "three"}}, "end": {"say": "bye"},
          "three": {"say": "x", "keys": {"1": "end"}, "wrong": {"then": "two"}}},
         ['script.s.step.two.silent.then: loops: silence or wrong keys lead from "three" back to "two" for ever']),
        # a way out of silence is none, if it ends
        ({"two": {"say": "x", "keys": {"1": "one"}, "silent": {"then": "end"}}, "end": {"say": "bye"}}, []),
        # nowhere
        ({"two": {"say": "x", "keys": {"1": "gone"}}}, ['script.s.step.two.keys.1: "gone" is no step of this script']),
        ({"two": {"say": "x", "verify": "gone"}},
         ['script.s.step.two.verify: "gone" is no step of this script', "script.s.step.one: " + TOLD]),
        # steps that can't be carried out
        ({"two": {}}, ["script.s.step.two: says nothing and does nothing"]),
        ({"two": {"keys": {"1": "one"}, "outcome": "reached"}},
         ["script.s.step.two: waits for a key and says nothing"]),
        ({"two": {"say": "x", "silent": {}}}, ["script.s.step.two.silent: waits for no key in this step"]),
        ({"two": {"outcome": "reached", "promise": "due"}}, ["script.s.step.two.promise: stands without its outcome"]),
    ],
)  # fmt: skip
def test_ways_through_a_script(other: dict[str, Any], wrong: list[str]) -> None:
    assert found(steps(**other)) == wrong


LATE = "never matches: what it wants is taken by {} before it"


@pytest.mark.parametrize(
    ("ranges", "wrong"),
    [
        ([(3, 0, 0), (3, 1, 2), (3, 3, None)], ""),
        ([(3, 0, 0), (3, 1, 2), (3, 3, None), None], LATE.format("0, 1, 2")),
        ([(3, 0, 0), (3, 2, None), None], ""),
        ([None, (3, 0, 0)], LATE.format("0")),
        ([(3, 0, 5), (3, 2, 5)], LATE.format("0")),
        ([(3, 0, 5), (3, 2, 6)], ""),
        ([(3, 3, 4), (3, 1, 2), (3, 1, 4)], LATE.format("1, 0")),
        ([(3, 0, None), (6, 0, 1)], ""),
        ([(3, 0, None), None], LATE.format("0")),
    ],
)
def test_segments_that_can_never_match(ranges: list[tuple[int, int, int | None] | None], wrong: str) -> None:
    content = data()
    (one,) = content["segment"]
    content["segment"] = []
    for number, late in enumerate(ranges):
        limits = {} if late is None else {"late": dict(zip(("months", "min", "max"), late, strict=True))}
        content["segment"].append(one | {"name": str(number)} | limits)
    told = [problem for problem in found(content) if "never" in problem]
    assert told == ([f"segment.{len(ranges) - 1}.late: {wrong}"] if wrong else [])


def rounds(*windows: tuple[list[int], list[list[str]]]) -> dict[str, Any]:
    content = data()
    (one,) = content["segment"][0]["rounds"]
    content["segment"][0]["rounds"] = [one | {"days": days, "between": between} for days, between in windows]
    return content


def test_windows_of_one_day_may_touch_and_not_overlap() -> None:
    morning, noon, late = ["09:00", "12:00"], ["11:59", "13:00"], ["12:00", "13:00"]
    assert found(rounds(([-1, 0], [morning, late]))) == []
    assert found(rounds(([-1], [morning]), ([0], [noon]))) == []
    overlap = "11:59 to 13:00 overlaps another window of day 0"
    assert found(rounds(([-1, 0], [morning]), ([0], [noon]))) == [f"segment.0.rounds.1.between.0: {overlap}"]
    whole = rounds(([0], [["09:00", "18:00"], ["10:00", "11:00"], ["15:00", "16:00"]]))
    assert len(found(whole)) == 2


ESSENTIALS = ("{due_on}", "{amount}", "{pay_to}")


@pytest.mark.parametrize("lacking", ESSENTIALS)
def test_the_three_essentials(lacking: str) -> None:
    text = " ".join(name for name in ESSENTIALS if name != lacking)
    content = data()
    content["message"]["m"]["text"] = text
    content["script"]["s"]["step"]["one"]["say"] = text
    assert found(content) == [f"script.s.step.one.say: lacks {lacking}", f"message.m.text: lacks {lacking}"]
    content["message"]["m"]["essentials"] = content["script"]["s"]["essentials"] = False
    assert found(content) == []
    many = edit(lambda content: content["message"]["m"].update(text_many=text))
    assert found(many) == ([] if lacking == "{pay_to}" else [f"message.m.text_many: lacks {lacking}"])


@pytest.mark.parametrize(
    "text", ["{name.x}", "{name[0]}", "{name!r}", "{0}", "{}", "{due_on:%Y}", "{amount:long}", "{", "}"]
)
def test_templates_take_only_the_known_names_and_formats(text: str) -> None:
    content = steps(two={"say": text})
    assert [problem.split(": ")[0] for problem in found(content)] == ["script.s.step.two.say"]
    content = edit(lambda content: content["script"]["s"].update(voicemail=text))
    assert [problem.split(": ")[0] for problem in found(content)] == ["script.s.voicemail"]


def test_combined_accounts_need_their_own_texts() -> None:
    content = edit(lambda content: content["audience"].update(combine=True))
    assert found(content) == [
        "script.s.step.one: has no say_many, and accounts are combined",
        "message.m: has no text_many, and accounts are combined",
    ]
    content["script"]["s"]["step"]["one"]["say_many"] = "{due_on} {amount}"
    content["message"]["m"]["text_many"] = "{due_on} {amount} {count}"
    assert found(content) == []


def test_rounds_name_what_is_there() -> None:
    content = data()
    content["segment"][0]["rounds"][0]["script"] = "gone"
    content["segment"][0]["rounds"][0]["otherwise"]["message"] = "gone"
    del content["lines"]["sms"]
    assert found(content) == [
        'segment.0.rounds.0.script: "gone" is no script of this file',
        'segment.0.rounds.0.otherwise.message: "gone" is no message of this file',
        "lines: names no line for sms, though rounds use it",
    ]


def test_only_a_promise_can_pause_until_the_promised_day() -> None:
    content = edit(lambda content: content.update(stop={"pause": {"refused": "promise"}}))
    assert found(content) == ['stop.pause.refused: "refused" comes without a promised day']


def test_warnings_are_told_apart_from_faults() -> None:
    content = steps(two={"say": "x", "keys": {"1": "three"}}, three={"outcome": "promised"}, four={"say": "never said"})
    content["message"]["unused"] = content["message"]["m"]
    assert found(content) == []
    assert found(content, warnings=True) == [
        "message.unused: is used by no round",
        "script.s.step.three.outcome: names no day, so a pause for the promise never begins",
        "script.s.step.four: is reached from no step",
    ]


# --- nothing is told to others ---------------------------------------------------------------------------------------

ASK = {"say": "{name}? 1", "verify": "debt", "keys": {"2": "end"}}
DEBT = {"say": "{due_on} {amount} {pay_to}", "outcome": "reached"}
END = {"say": "{lender_phone}"}
CODE: dict[str, Any] = {"say": "?", "verify": "debt", "digits": 4, "wrong": {"then": "end"}}


def asking(**other: dict[str, Any]) -> dict[str, Any]:
    """The campaign with a script that asks who is there; `other` replaces steps of it."""
    whole = {"one": ASK, "debt": DEBT, "end": END} | other
    return edit(lambda content: content["script"]["s"].update(step=whole))


@pytest.mark.parametrize(
    ("other", "wrong"),
    [
        ({}, []),
        ({"one": ASK | {"say": "{name}, {amount}?"}}, ["one: names {amount} before the person has said who they are"]),
        ({"end": {"say": "x", "say_many": "{count}"}}, ["end: names {count} before the person has said who they are"]),
        ({"debt": {"say": "{due_on} {amount}"}}, ["debt.say: lacks {pay_to}"]),
        # key 1 says who the person is, unless another key of the step does
        ({"one": ASK | {"keys": {"1": "debt", "2": "end"}}}, []),
        ({"one": ASK | {"keys": {"1": "end", "5": "debt"}}}, []),
        ({"one": ASK | {"keys": {"1": "end"}}},
         ["one.keys.1: leads elsewhere, though with verify key 1 says who the person is"]),
        # a key alone does not do where digits are asked for
        ({"one": {"say": "1?", "keys": {"1": "code"}}, "code": CODE}, []),
        ({"one": {"say": "1?", "verify": "code"}, "code": CODE}, []),
        ({"one": {"say": "1?", "verify": "code"}, "code": CODE | {"say": "{due_on}?"}},
         ["code: names {due_on} before the person has said who they are"]),
        ({"one": {"say": "1?", "verify": "code", "keys": {"3": "debt"}}, "code": CODE},
         ["debt: names {due_on} {amount} {pay_to} before the person has said who they are"]),
        # what a step with digits needs
        ({"one": CODE | {"wrong": {"repeat": 2}}}, ["one: has no end for those who cannot be verified"]),
        ({"one": {"say": "?", "digits": 4, "keys": {"1": "debt"}, "wrong": {"then": "end"}}},
         ["one.say: lacks {due_on} {amount} {pay_to}", "one.digits: lead nowhere", "one.keys: stand beside digits"]),
    ],
)  # fmt: skip
def test_nothing_of_the_debt_is_said_before_the_person_is_known(other: dict[str, Any], wrong: list[str]) -> None:
    assert found(asking(**other)) == [f"script.s.step.{one}" for one in wrong]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("{name}, call {lender} at {lender_phone}.", []),
        ("{amount} till {due_on}", ["script.s.voicemail: names {due_on} {amount} to whoever plays it"]),
    ],
)
def test_a_machine_is_told_nothing_of_the_debt(text: str, wrong: list[str]) -> None:
    assert found(edit(lambda content: content["script"]["s"].update(voicemail=text))) == wrong


def test_a_neutral_message_names_nothing_of_the_debt_and_needs_no_essentials() -> None:
    def message(**keys: Any) -> list[str]:
        content = data()
        content["audience"]["combine"] = True
        content["script"]["s"]["step"]["one"]["say_many"] = "{due_on} {amount}"
        content["message"]["m"] = {"neutral": True} | keys
        return found(content)

    assert message(text="{name}: {lender} {lender_phone}") == []
    assert message(text="{days}", text_many="{count} {amount}") == [
        "message.m.text: names {days} though it is neutral",
        "message.m.text_many: names {amount} {count} though it is neutral",
    ]
    assert message(text="x", essentials=False) == []
    assert "message.m.essentials: contradicts neutral = true" in message(text="x", essentials=True)
