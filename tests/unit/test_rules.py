"""Packs: what a rule must say, which rules are in force, and the windows that follow from them."""

import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from campaigns.model import Channel, Disposition
from campaigns.rules import Pack
from campaigns.ruleset import merge
from tests.support.law import calls, passes

RULES = Path(__file__).parents[2] / "config" / "rules"
WINDOW: dict[str, Any] = {
    "id": "test.hours",
    "kind": "window",
    "force": "house",
    "actor": ["creditor"],
    "channels": ["voice", "sms"],
    "open": [{"days": "all", "from": "08:00", "until": "22:00"}],
    "citation": "a test",
    "url": "tests",
    "grade": "H",
    "checked_on": date(2026, 11, 23),
}
CAP: dict[str, Any] = {
    **{key: value for key, value in WINDOW.items() if key != "open"},
    "id": "test.cap",
    "kind": "cap",
    "max": 3,
    "period": {"type": "calendar_day"},
    "count": ["placed"],
}


def shipped(name: str) -> Pack:
    return Pack.model_validate(tomllib.loads((RULES / f"{name}.toml").read_text(encoding="utf-8")))


def pack(*rules: dict[str, Any]) -> Pack:
    return Pack.model_validate({"name": "test", "rules": rules})


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def hours(
    first: datetime, *zones: str, days: int = 1, channel: Channel = Channel.VOICE, **more: Any
) -> list[tuple[str, str]]:
    """Windows of one rule as UTC wall times, for short expectations."""
    found = merge([pack({**WINDOW, **more})], "creditor").windows(channel, zones, first, first + timedelta(days=days))
    return [(f"{a:%d %H:%M}", f"{b:%d %H:%M}") for a, b in found]


@pytest.mark.parametrize(
    ("base", "change"),
    [
        (WINDOW, {"citation": ""}),
        (WINDOW, {"citation": None}),
        (WINDOW, {"colour": "red"}),
        (WINDOW, {"id": "dialer.hours"}),
        (WINDOW, {"id": "hours"}),
        (WINDOW, {"grade": "Z"}),
        (WINDOW, {"actor": []}),
        (WINDOW, {"actor": ["bank"]}),
        (WINDOW, {"channels": ["fax"]}),
        (WINDOW, {"kind": "windows"}),
        (WINDOW, {"open": []}),
        (WINDOW, {"open": [{"days": "all", "from": "22:00", "until": "08:00"}]}),
        (WINDOW, {"open": [{"days": "all", "from": "08:00", "until": "08:00"}]}),
        (WINDOW, {"open": [{"days": "all", "from": "08:00Z", "until": "09:00Z"}]}),
        (WINDOW, {"open": [{"days": ["monday"], "from": "08:00", "until": "09:00"}]}),
        (WINDOW, {"open": [{"days": "holidays", "from": "08:00", "until": "09:00"}]}),
        (WINDOW, {"holidays": "Atlantis"}),
        (WINDOW, {"effective_from": date(2026, 2, 1), "effective_to": date(2026, 1, 1)}),
        (CAP, {"max": 0}),
        (CAP, {"count": []}),
        (CAP, {"count": ["thought_of"]}),
        (CAP, {"key": ["campaign"]}),
        (CAP, {"key": ["account", "debt"]}),
        (CAP, {"grade": "P"}),
        (CAP, {"period": {"type": "calendar_day", "length": 0}}),
        (CAP, {"period": {"type": "calendar_day", "unit": "hours"}}),
        (CAP, {"period": {"type": "rolling_elapsed", "day_one": "next"}}),
    ],
)
def test_a_faulty_rule_is_refused(base: dict[str, Any], change: dict[str, Any]) -> None:
    assert pack(base).rules
    with pytest.raises(ValidationError):
        pack({**base, **change})


def test_a_pack_names_each_rule_once() -> None:
    with pytest.raises(ValidationError, match=r"used twice: test\.cap"):
        pack(CAP, {**CAP, "max": 2})


@pytest.mark.parametrize("name", ["house", "cn", "us"])
def test_the_shipped_packs_say_where_every_rule_comes_from(name: str) -> None:
    found = shipped(name)
    assert found.name == name
    assert all(rule.citation and rule.url and rule.grade and rule.checked_on for rule in found.rules)


def test_the_example_rules_are_in_our_vocabulary() -> None:
    example = Path(__file__).parent.parent / "support" / "examples" / "rules.toml"
    assert (
        len(Pack.model_validate({"name": "example", **tomllib.loads(example.read_text(encoding="utf-8"))}).rules) == 3
    )


def test_regulation_f_binds_third_parties_only() -> None:
    packs = [shipped("house"), shipped("us")]
    lender, agency = merge(packs, "creditor").rules, merge(packs, "third_party").rules
    assert {"us-regf.hours", "us-regf.7in7", "us-regf.conversation"} <= set(agency) - set(lender)
    assert all(rule_id.startswith("us-regf.") for rule_id in set(agency) - set(lender))
    assert set(lender) < set(agency)


def test_an_unknown_actor_would_escape_every_rule_so_it_is_refused() -> None:
    with pytest.raises(ValueError, match="creditor or third_party"):
        merge([shipped("house")], "bank")


def test_a_rule_from_memory_is_off_unless_named() -> None:
    packs = [pack({**CAP, "grade": "M", "force": "law"}, WINDOW)]
    assert set(merge(packs, "creditor").rules) == {"test.hours"}
    assert set(merge(packs, "creditor", grade_m=frozenset({"test.cap"})).rules) == {"test.hours", "test.cap"}


@pytest.mark.parametrize(
    ("now", "holds"),
    [
        (utc(2026, 1, 31, 15, 59), False),  # midnight in Shanghai is 16:00 UTC
        (utc(2026, 1, 31, 16), True),
        (utc(2026, 2, 28, 15, 59), True),
        (utc(2026, 2, 28, 16), False),
    ],
)
def test_a_rule_holds_from_its_first_local_date_to_its_last(now: datetime, holds: bool) -> None:
    days = {"effective_from": date(2026, 2, 1), "effective_to": date(2026, 2, 28)}
    made = calls(Disposition.HUMAN, now, now, now)
    closed = {**WINDOW, "open": [{"days": "all", "from": "04:00", "until": "04:01"}]}
    for rule in (CAP, closed):
        assert passes(merge([pack({**rule, **days})], "creditor"), now, contacts=made) is not holds


def test_one_id_with_two_meanings_is_refused_and_the_same_rule_twice_is_not() -> None:
    assert len(merge([pack(CAP), pack(CAP)], "creditor").rules) == 1
    with pytest.raises(ValueError, match=r"test\.cap"):
        merge([pack(CAP), pack({**CAP, "max": 2})], "creditor")


def test_windows_are_whole_even_where_the_range_cuts_them() -> None:
    rules = merge([shipped("cn")], "creditor")
    inside = rules.windows(Channel.VOICE, ("Asia/Shanghai",), utc(2026, 1, 14, 5), utc(2026, 1, 14, 6))
    assert inside == [(utc(2026, 1, 14, 0), utc(2026, 1, 14, 14))]
    night = rules.windows(Channel.VOICE, ("Asia/Shanghai",), utc(2026, 1, 14, 14), utc(2026, 1, 15))
    assert night == []


def test_a_window_over_midnight_utc_is_one_interval() -> None:
    assert hours(utc(2026, 1, 14), "America/New_York", days=2) == [
        ("13 13:00", "14 03:00"),
        ("14 13:00", "15 03:00"),
        ("15 13:00", "16 03:00"),
    ]


def test_case_4_the_next_opening_comes_from_the_local_date() -> None:
    # Lord Howe goes from +10:30 to +11 on 4 October 2026, and back on 5 April.
    assert hours(utc(2026, 10, 2, 12), "Australia/Lord_Howe", days=2) == [
        ("02 21:30", "03 11:30"),
        ("03 21:00", "04 11:00"),
    ]
    assert hours(utc(2026, 4, 3, 12), "Australia/Lord_Howe", days=2) == [
        ("03 21:00", "04 11:00"),
        ("04 21:30", "05 11:30"),
    ]


def test_case_7_eastern_and_honolulu_leave_the_afternoon() -> None:
    law = [{"days": "all", "from": "08:00", "until": "21:00"}]
    assert hours(utc(2026, 7, 15, 12), "America/New_York", "Pacific/Honolulu", open=law) == [("15 18:00", "16 01:00")]


def test_case_8_a_number_of_two_zones_has_the_hours_of_both() -> None:
    law = [{"days": "all", "from": "08:00", "until": "21:00"}]
    assert hours(utc(2026, 7, 15, 12), "America/New_York", "America/Chicago", open=law) == [("15 13:00", "16 01:00")]


def test_a_rule_on_the_stated_zone_ignores_the_other_candidates() -> None:
    both = ("Asia/Shanghai", "America/New_York")
    assert hours(utc(2026, 1, 14), *both, zones="stated") == [("14 00:00", "14 14:00")]
    assert hours(utc(2026, 1, 14), *both) == [("14 00:00", "14 03:00"), ("14 13:00", "14 14:00")]


def test_a_guard_opens_later_and_closes_no_later() -> None:
    assert hours(utc(2026, 1, 14), "Asia/Shanghai", guard_s=60) == [("14 00:01", "14 14:00")]


def test_no_zone_or_an_unknown_one_has_no_hours() -> None:
    assert hours(utc(2026, 1, 14)) == []
    assert hours(utc(2026, 1, 14), "Mars/Olympus") == []
    assert hours(utc(2026, 1, 14), "Asia/Shanghai", "Mars/Olympus") == []


def test_a_channel_that_no_window_names_is_open() -> None:
    assert hours(utc(2026, 1, 14), "Asia/Shanghai", channels=["sms"]) == [("01 00:00", "31 23:59")]


def test_weekdays_and_holidays_have_hours_of_their_own() -> None:
    week = [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "until": "20:00"}]
    rest = [{"days": "holidays", "from": "10:00", "until": "12:00"}]
    # 2026-02-13 is a Friday, 14 a Saturday; from Monday 16 on the New Year's holidays.
    first = utc(2026, 2, 12, 16)
    assert hours(first, "Asia/Shanghai", days=5, open=week + rest, holidays="CN") == [
        ("13 00:00", "13 12:00"),
        ("16 02:00", "16 04:00"),
        ("17 02:00", "17 04:00"),
    ]
    assert hours(first, "Asia/Shanghai", days=5, open=week, holidays="CN") == [("13 00:00", "13 12:00")]
    everyday = [{"days": "all", "from": "08:00", "until": "20:00"}]
    assert len(hours(first, "Asia/Shanghai", days=5, open=everyday, holidays="CN")) == 3  # Friday to Sunday


def test_a_year_whose_holidays_nobody_knows_is_closed() -> None:
    assert hours(utc(2026, 12, 30), "Asia/Shanghai", days=4, holidays="CN") == [
        ("30 00:00", "30 14:00"),
        ("31 00:00", "31 14:00"),
    ]


_spans = st.tuples(st.integers(0, 23), st.integers(0, 23)).filter(lambda span: span[0] < span[1])
_zones = st.sampled_from(
    ["Asia/Shanghai", "America/New_York", "Pacific/Easter", "Australia/Lord_Howe", "Pacific/Kiritimati"]
)


@settings(max_examples=60)
@given(
    st.lists(_spans, min_size=1, max_size=3),
    st.lists(_zones, min_size=1, max_size=2),
    st.integers(0, 364),
    st.randoms(),
)
def test_merging_only_narrows_and_the_order_of_packs_is_nothing(
    spans: list[tuple[int, int]], zones: list[str], day: int, random: Any
) -> None:
    packs = [
        pack({**WINDOW, "id": f"test.{n}", "open": [{"days": "all", "from": f"{a:02}:00", "until": f"{b:02}:00"}]})
        for n, (a, b) in enumerate(spans)
    ]
    ask = (Channel.VOICE, tuple(zones), utc(2026, 1, 1) + timedelta(days=day), utc(2026, 1, 3) + timedelta(days=day))
    merged = merge(packs, "creditor").windows(*ask)
    for one in packs:
        alone = merge([one], "creditor").windows(*ask)
        assert all(any(a <= opens and closes <= b for a, b in alone) for opens, closes in merged)
    random.shuffle(packs)
    assert merge(packs, "creditor").windows(*ask) == merged
    assert merged == sorted(merged)
    assert all(opens < closes for opens, closes in merged)
