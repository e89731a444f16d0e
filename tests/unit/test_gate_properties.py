"""Properties of the gate over random packs, zones, instants and histories; and its slow twin says the same."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.gate import Ask, Block, Defer, Facts, Pass, check
from campaigns.limits import Whose
from campaigns.model import Agreement, Channel, Contact, Disposition
from campaigns.rules import Pack
from campaigns.ruleset import Ruleset, merge
from tests.fuzz.support import SHORT_AND_LONG
from tests.support.law import SHANGHAI, TICK, facts, rule
from tests.support.reference import lets_through

START = datetime(2026, 1, 1, tzinfo=UTC)
PERSONS, PHONES, ACCOUNTS = ("P-1", "P-2"), ("+8613800138001", "+8613800138002"), ("L-1", "L-2", "L-3")
ZONES = (
    SHANGHAI, "America/New_York", "Pacific/Honolulu", "Pacific/Easter", "Australia/Lord_Howe", "America/Santiago",
    "Asia/Kathmandu", "Europe/London",
)  # fmt: skip
EVENTS = ("placed", "network_fail", "rang_out", "voicemail_left", "connected", "conversation", "sms_sent", "delivered")
WAIVES = ("agreed_hours", "agreed_frequency", "direct_prior_consent", "express_consent")

hours = st.tuples(st.integers(0, 22), st.integers(1, 23)).filter(lambda span: span[0] < span[1])
days = st.one_of(
    st.just("all"),
    st.lists(st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), min_size=3, unique=True),
)
openings = st.builds(
    lambda span, on: {"days": on, "from": f"{span[0]:02}:00", "until": f"{span[1]:02}:00"}, hours, days
)
periods = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["rolling_elapsed", "anchored_first"]),
            "length": st.integers(1, 72),
            "unit": st.sampled_from(["minutes", "hours", "days"]),
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["calendar_day", "consecutive_dates", "calendar_week", "calendar_month"]),
            "length": st.integers(1, 4),
            "day_one": st.sampled_from(["event", "next"]),
        }
    ),
)
keys = st.sampled_from(
    [["person"], ["number"], ["person", "debt"], ["debt"], ["person", "campaign"], ["person", "number"]]
)
some_days = st.dates(date(2025, 12, 20), date(2027, 1, 10))
narrowing = st.fixed_dictionaries(
    {"channels": st.sampled_from([["voice"], ["sms"], ["voice", "sms"]])},
    optional={
        "stage": st.lists(st.sampled_from(["pre_due", "overdue", "default"]), min_size=1, max_size=2, unique=True),
        "days_past_due": st.sampled_from([{"min": 5}, {"max": 15}, {"min": 3, "max": 40}, {"min": -2, "max": 0}]),
        "line_type": st.sampled_from([["mobile"], ["fixed"]]),
        "mode": st.sampled_from([["notify"], ["interactive"]]),
        "waive": st.lists(st.sampled_from(WAIVES), min_size=1, max_size=2, unique=True),
        "effective_from": some_days,
    },
)
windows = st.builds(
    lambda more, open_: {"kind": "window", "open": open_, **more}, narrowing, st.lists(openings, min_size=1, max_size=2)
)
caps = st.builds(
    lambda more, key, period, most, count, armed: {
        "kind": "cap", "key": key, "period": period, "max": most, "count": count, **more,
        **({"armed_by": armed} if armed else {}),
    },
    narrowing, keys, periods, st.integers(1, 4), st.lists(st.sampled_from(EVENTS), min_size=1, max_size=3, unique=True),
    st.sampled_from([None, None, None, "conversation"]),
)  # fmt: skip
rests = st.builds(
    lambda more, key, period, event, direction, kind: {
        "kind": kind, "key": key, "period": period, "after": {"event": event, "direction": direction}, **more,
    },
    narrowing, keys, periods.filter(lambda one: one["type"] != "anchored_first"), st.sampled_from(EVENTS),
    st.sampled_from(["any", "outbound"]),
    st.sampled_from(["cooloff", "exclusive_channel"]),
)  # fmt: skip
wanted = st.lists(st.one_of(windows, caps, rests), min_size=1, max_size=5)
nows = st.integers(0, 365 * 24 * 3600).map(lambda s: START + timedelta(seconds=s))


@st.composite
def situations(draw: st.DrawFn) -> tuple[Ask, Facts, datetime]:
    """An attempt, what is known, and an instant."""
    now = draw(nows)
    made = []
    for age in sorted(draw(st.lists(st.integers(0, 45 * 24 * 3600), max_size=10)), reverse=True):
        channel = draw(st.sampled_from(["voice", "sms"]))
        event = draw(st.sampled_from(["", "", *EVENTS[3:6]]))
        ours = draw(st.sampled_from([None, *Disposition]))
        made.append(
            Contact(
                now - timedelta(seconds=age), channel, None if event else ours, draw(st.sampled_from(PERSONS)),
                draw(st.sampled_from(PHONES)), draw(st.sampled_from(["c", "d"])),
                tuple(draw(st.lists(st.sampled_from(ACCOUNTS), max_size=2, unique=True))),
                draw(st.sampled_from(["", "creditor", "agents"])), event,
                draw(st.sampled_from(["outbound", "inbound"])),
            )
        )  # fmt: skip
    today = now.date()
    agreed = [
        Agreement(draw(st.sampled_from(WAIVES)), today - timedelta(days=given), draw(st.sampled_from([None, today])))
        for given in draw(st.lists(st.integers(1, 30), max_size=1))
    ]
    ask = Ask(
        draw(st.sampled_from(list(Channel))), tuple(draw(st.lists(st.sampled_from(ZONES), min_size=1, max_size=2))),
        "CN",
        draw(st.sampled_from(["mobile", "fixed", "unknown"])), draw(st.sampled_from([0, 30, 90])),
        Whose("P-1", PHONES[0], "c", tuple(draw(st.lists(st.sampled_from(ACCOUNTS), max_size=2, unique=True)))),
        tuple(today + timedelta(days=n) for n in draw(st.lists(st.integers(-100, 5), max_size=2))),
        modes=draw(st.sampled_from([("notify", "interactive"), ("notify",)])),
    )  # fmt: skip
    known = replace(facts(made, line=None, consent=draw(st.sampled_from(["", "yes"]))), agreements=agreed)
    return ask, known, now


def pack(name: str, rules: Sequence[dict[str, Any]]) -> Pack:
    numbered = [
        rule(one["kind"], f"{name}.rule{n}", **{k: v for k, v in one.items() if k != "kind"})
        for n, one in enumerate(rules)
    ]
    return Pack.model_construct(
        name=name, rules=tuple(Pack.model_validate({"name": name, "rules": [one]}).rules[0] for one in numbered)
    )


def ruleset_of(rules: Sequence[dict[str, Any]]) -> Ruleset:
    return merge([pack("test", rules)], "creditor")


@SHORT_AND_LONG
def test_the_gate_agrees_with_its_slow_twin(times: int) -> None:
    @settings(max_examples=times * 100)
    @given(wanted, situations())
    def every(rules: list[dict[str, Any]], situation: tuple[Ask, Facts, datetime]) -> None:
        ask, known, now = situation
        found = ruleset_of(rules)
        slow = {each.id: lets_through(each, ask, known, now) for each in found.rules.values()}
        verdict = check(ask, known, found, now)
        assert isinstance(verdict, Pass) is all(slow.values()), (verdict, slow)
        if not isinstance(verdict, Pass):
            assert not slow[verdict.rule]

    every()


@SHORT_AND_LONG
def test_a_deferral_ends_at_the_first_instant_at_which_its_rule_lets_through(times: int) -> None:
    @settings(max_examples=times * 100)
    @given(wanted, situations())
    def every(rules: list[dict[str, Any]], situation: tuple[Ask, Facts, datetime]) -> None:
        ask, known, now = situation
        found = ruleset_of(rules)
        verdict = check(ask, known, found, now)
        if isinstance(verdict, Defer):
            alone = found.rules[verdict.rule]
            assert verdict.until > now
            assert lets_through(alone, ask, known, verdict.until), (alone, verdict)
            assert not lets_through(alone, ask, known, verdict.until - TICK), (alone, verdict)
            assert isinstance(check(ask, known, found.only(verdict.rule), verdict.until), Pass)
            # Of several rules the one that waits longest is named.
            for each in found.rules:
                own = check(ask, known, found.only(each), now)
                assert not isinstance(own, Defer) or own.until <= verdict.until

    every()


@SHORT_AND_LONG
def test_merging_never_loosens_and_the_order_of_packs_does_not_matter(times: int) -> None:
    @settings(max_examples=times * 50)
    @given(wanted, wanted, situations())
    def every(some: list[dict[str, Any]], others: list[dict[str, Any]], situation: tuple[Ask, Facts, datetime]) -> None:
        ask, known, now = situation
        packs = [pack("some", some), pack("others", others)]
        merged = check(ask, known, merge(packs, "creditor"), now)
        assert merged == check(ask, known, merge(packs[::-1], "creditor"), now)
        alone = [check(ask, known, merge([one], "creditor"), now) for one in packs]
        if any(isinstance(one, Block) for one in alone):
            assert isinstance(merged, Block)
        if any(isinstance(one, Defer) for one in alone):
            assert not isinstance(merged, Pass)
        if isinstance(merged, Pass):
            assert merged.valid_until == min(one.valid_until for one in alone if isinstance(one, Pass))
        elif isinstance(merged, Defer):
            assert merged.until == max(one.until for one in alone if isinstance(one, Defer))

    every()


@SHORT_AND_LONG
def test_the_gate_is_total_and_says_the_same_twice(times: int) -> None:
    @settings(max_examples=times * 50)
    @given(wanted, situations())
    def every(rules: list[dict[str, Any]], situation: tuple[Ask, Facts, datetime]) -> None:
        ask, known, now = situation
        found = ruleset_of(rules)
        first = check(ask, known, found, now)
        assert isinstance(first, Pass | Defer | Block)
        assert check(ask, known, found, now) == first == check(ask, known, ruleset_of(rules), now)

    every()
