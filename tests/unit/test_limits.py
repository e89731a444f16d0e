"""Caps and cool-offs through the gate: what counts, from when, until when. Cases of compliance.md by number."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.gate import Block, Defer, Pass, check
from campaigns.model import Channel, Contact, Disposition
from tests.support.law import (
    BUSY,
    EASTER,
    EASTERN,
    HONOLULU,
    HUMAN,
    MACHINE,
    NO_ANSWER,
    SHANGHAI,
    SMS,
    TICK,
    VOICE,
    ask,
    at,
    calls,
    deferred,
    facts,
    first_pass,
    passes,
    rule,
    ruleset,
    shipped,
)


def test_case_5_a_day_of_24_hours_over_a_clock_change() -> None:
    rules = ruleset(
        rule("cap", max=3, count=["placed"], period={"type": "rolling_elapsed", "length": 24, "unit": "hours"})
    )
    made = calls(NO_ANSWER, *(at(f"2026-03-07T{hour}:00", EASTERN) for hour in (12, 13, 14)))
    verdict = check(ask(EASTERN), facts(made), rules, at("2026-03-08T12:59", EASTERN))
    assert deferred(verdict) == ("test.cap", at("2026-03-08T13:00", EASTERN))
    assert passes(rules, at("2026-03-08T13:00", EASTERN), EASTERN, contacts=made)


def test_case_10_seven_calls_in_seven_consecutive_days() -> None:
    rules = shipped("us", actor="third_party").only("us-regf.7in7")
    made = calls(NO_ANSWER, *(at(f"2026-04-0{day}T12:00", EASTERN) for day in range(1, 8)))
    eighth = check(ask(EASTERN), facts(made), rules, at("2026-04-07T18:00", EASTERN))
    assert deferred(eighth) == ("us-regf.7in7", at("2026-04-08T00:00", EASTERN))
    assert passes(rules, at("2026-04-08T00:00", EASTERN), EASTERN, contacts=made)


def test_case_11_seven_days_after_a_conversation() -> None:
    rules = shipped("us", actor="third_party").only("us-regf.conversation")
    made = calls(HUMAN, at("2026-09-08T10:00", EASTERN))
    verdict = check(ask(EASTERN), facts(made), rules, at("2026-09-14T23:59", EASTERN))
    assert deferred(verdict) == ("us-regf.conversation", at("2026-09-15T00:00", EASTERN))


@pytest.mark.parametrize(
    ("disposition", "regf", "china", "house"),
    [
        (BUSY, False, False, True),
        (Disposition.INVALID_NUMBER, False, False, True),
        (NO_ANSWER, True, False, True),
        (Disposition.DECLINED, True, False, True),
        (MACHINE, True, True, True),
        (Disposition.ANSWERED, True, True, True),
        (HUMAN, True, True, True),
        (Disposition.UNKNOWN, True, True, True),
        (None, True, True, True),
        (Disposition.INFRASTRUCTURE, False, False, False),
    ],
)
def test_case_12_what_each_cap_counts(disposition: Disposition | None, regf: bool, china: bool, house: bool) -> None:
    now = at("2026-01-14T18:00")
    made = calls(disposition, *(now - timedelta(minutes=90 + n) for n in range(7, 0, -1)))
    agency = shipped("us", actor="third_party")
    assert passes(agency.only("us-regf.7in7"), now, contacts=made) is not regf
    assert passes(shipped("cn").only("cn-gbt.notify3"), now, contacts=made) is not china
    assert passes(shipped("house").only("house.daily"), now, contacts=made) is not house


def test_case_13_three_connected_by_the_evening_wait_for_the_morning() -> None:
    made = calls(HUMAN, *(at(f"2026-01-14T{time}") for time in ("10:00", "15:00", "21:59")))
    verdict = check(ask(), facts(made), shipped("cn"), at("2026-01-14T21:59:30"))
    assert deferred(verdict) == ("cn-gbt.notify3", at("2026-01-15T00:00"))
    assert first_pass(ask(), facts(made), shipped("cn"), at("2026-01-14T21:59:30")) == at("2026-01-15T08:00")
    assert passes(shipped("cn"), at("2026-01-15T08:00"), contacts=made)
    assert passes(shipped("cn"), at("2026-01-14T21:59:30"), contacts=made[:2])


@pytest.mark.parametrize("disposition", [None, Disposition.UNKNOWN])
def test_case_30_what_runs_or_is_unknown_counts_as_the_worst(disposition: Disposition | None) -> None:
    now = at("2026-01-14T12:00")
    connected = calls(HUMAN, now - timedelta(hours=3), now - timedelta(hours=2))
    third = calls(disposition, now - timedelta(minutes=1))
    assert passes(shipped("cn"), now, contacts=connected)
    assert deferred(check(ask(), facts(connected + third), shipped("cn"), now))[0] == "cn-gbt.notify3"
    assert deferred(check(ask(), facts(third), shipped("house"), now)) == ("house.gap", now + timedelta(minutes=59))


def test_the_gap_is_one_hour_between_calls_and_exempts_messages() -> None:
    rules, placed = shipped("house"), at("2026-01-14T10:00")
    called, written = calls(NO_ANSWER, placed), calls(Disposition.SENT, placed, channel=SMS)
    assert not passes(rules, placed + timedelta(hours=1) - TICK, contacts=called)
    assert passes(rules, placed + timedelta(hours=1), contacts=called)
    assert passes(rules, placed + timedelta(minutes=1), contacts=written)
    assert isinstance(check(ask(channel=SMS), facts(called), rules, placed + timedelta(minutes=1)), Pass)


@pytest.mark.parametrize("channel", [VOICE, SMS])
def test_three_contacts_a_day_over_both_channels(channel: Channel) -> None:
    made = [
        Contact(at("2026-01-14T09:00"), VOICE, BUSY),
        Contact(at("2026-01-14T11:00"), SMS, Disposition.UNDELIVERED),
        Contact(at("2026-01-14T13:00"), VOICE, None),
    ]
    now = at("2026-01-14T16:00")
    verdict = check(ask(channel=channel), facts(made), shipped("house"), now)
    assert deferred(verdict) == ("house.daily", at("2026-01-15T00:00"))
    assert isinstance(check(ask(channel=channel), facts(made[1:]), shipped("house"), now), Pass)


def test_the_day_of_a_cap_is_that_of_the_stated_zone() -> None:
    rules = shipped("house").only("house.daily")
    made = calls(NO_ANSWER, *(at(f"2026-01-14T{hour}:00", EASTERN) for hour in (12, 14, 23)))  # the 15th in Shanghai
    now = at("2026-01-14T23:30", EASTERN)
    assert deferred(check(ask(EASTERN, SHANGHAI), facts(made), rules, now))[1] == at("2026-01-15T00:00", EASTERN)
    assert deferred(check(ask(SHANGHAI, EASTERN), facts(made), rules, now))[1] == at("2026-01-16T00:00")


@pytest.mark.parametrize(
    ("period", "until"),
    [
        ({"type": "rolling_elapsed", "length": 90, "unit": "minutes"}, "2026-01-14T13:30"),
        ({"type": "rolling_elapsed", "length": 2}, "2026-01-16T12:00"),
        ({"type": "calendar_day"}, "2026-01-15T00:00"),
        ({"type": "consecutive_dates", "length": 3}, "2026-01-17T00:00"),
        ({"type": "consecutive_dates", "length": 2, "day_one": "next"}, "2026-01-17T00:00"),
        ({"type": "calendar_week"}, "2026-01-19T00:00"),
        ({"type": "calendar_week", "length": 2}, "2026-01-26T00:00"),
        ({"type": "calendar_month"}, "2026-02-01T00:00"),
        ({"type": "calendar_month", "length": 12}, "2027-01-01T00:00"),
        ({"type": "anchored_first", "length": 24, "unit": "hours"}, "2026-01-15T10:00"),
    ],
)
def test_every_period_ends_when_it_should(period: dict[str, Any], until: str) -> None:
    rules = ruleset(rule("cap", max=1 if period["type"] != "anchored_first" else 2, count=["placed"], period=period))
    made = calls(NO_ANSWER, *(at(f"2026-01-{day}") for day in ("12T09:00", "14T10:00", "14T12:00")))
    assert deferred(check(ask(), facts(made), rules, at("2026-01-14T12:00"))) == ("test.cap", at(until))


def test_a_breach_that_blocks() -> None:
    cap = rule("cap", max=1, count=["placed"], period={"type": "calendar_day"}, on_breach="block")
    made = calls(NO_ANSWER, at("2026-01-14T10:00"))
    verdict = check(ask(), facts(made), ruleset(cap), at("2026-01-14T12:00"))
    assert isinstance(verdict, Block)
    assert verdict.rule == "test.cap"


@pytest.mark.parametrize(
    ("consent", "line_type", "allowed"),
    [
        ("yes", "fixed", True),
        ("", "fixed", False),
        ("", "mobile", True),
        ("", "fixed_or_mobile", False),
        ("", "", False),
    ],
)
def test_a_cap_that_consent_waives_and_a_kind_of_line_narrows(consent: str, line_type: str, allowed: bool) -> None:
    made = calls(NO_ANSWER, *(at(f"2026-01-{day}T12:00") for day in ("05", "06", "07")))
    rules = shipped("us").only("us-tcpa.3in30")
    verdict = check(ask(line_type=line_type), facts(made, consent=consent), rules, at("2026-01-14T12:00"))
    assert isinstance(verdict, Pass) is allowed
    assert allowed or deferred(verdict)[1] == at("2026-02-04T00:00")


_periods = st.one_of(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["rolling_elapsed", "anchored_first"]), "length": st.integers(1, 90)},
        optional={"unit": st.sampled_from(["minutes", "hours", "days"])},
    ),
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["calendar_day", "consecutive_dates", "calendar_week", "calendar_month"]),
            "length": st.integers(1, 9),
        },
        optional={"day_one": st.sampled_from(["event", "next"])},
    ),
)
_spans = st.tuples(st.integers(0, 23), st.integers(0, 23)).filter(lambda span: span[0] < span[1])
_zones = st.sampled_from([SHANGHAI, EASTERN, HONOLULU, EASTER, "Australia/Lord_Howe", "America/Santiago"])
_ages = st.lists(st.integers(0, 40 * 24 * 3600), max_size=6).map(lambda ages: sorted(ages, reverse=True))
_nows = st.integers(0, 364 * 24 * 3600).map(lambda s: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=s))


@settings(max_examples=200)
@given(_periods, st.integers(1, 4), _ages, _zones, _nows)
def test_a_cap_passes_at_until_and_not_a_moment_before(
    period: dict[str, Any], maximum: int, ages: list[int], zone: str, now: datetime
) -> None:
    rules = ruleset(rule("cap", max=maximum, count=["placed"], period=period))
    made = calls(NO_ANSWER, *(now - timedelta(seconds=age) for age in ages))
    verdict = check(ask(zone), facts(made), rules, now)
    if len(made) < maximum:
        assert isinstance(verdict, Pass)
    if isinstance(verdict, Defer):
        assert verdict.until > now
        assert passes(rules, verdict.until, zone, contacts=made)
        assert not passes(rules, verdict.until - TICK, zone, contacts=made)


@settings(max_examples=100)
@given(
    st.lists(_spans, min_size=1, max_size=2),
    st.lists(_zones, min_size=1, max_size=2),
    _nows,
    _ages,
    st.sampled_from([0, 30]),
)
def test_whatever_the_rules_until_is_the_first_instant_that_passes(
    spans: list[tuple[int, int]], zones: list[str], now: datetime, ages: list[int], ring_s: int
) -> None:
    hours = [{"days": "all", "from": f"{first:02}:00", "until": f"{until:02}:00"} for first, until in spans]
    gap = rule("cooloff", after={"event": "placed"}, period={"type": "rolling_elapsed", "unit": "hours", "length": 5})
    rules = ruleset(rule("window", open=hours), gap)
    made = calls(NO_ANSWER, *(now - timedelta(seconds=age) for age in ages))
    verdict = check(ask(*zones, ring_s=ring_s), facts(made), rules, now)
    if isinstance(verdict, Defer):
        alone = rules.only(verdict.rule)
        assert passes(alone, verdict.until, *zones, contacts=made, ring_s=ring_s)
        assert not passes(alone, verdict.until - TICK, *zones, contacts=made, ring_s=ring_s)
    elif isinstance(verdict, Pass):
        assert now <= verdict.valid_until
        assert passes(rules, verdict.valid_until - TICK, *zones, contacts=made, ring_s=ring_s)
        assert not passes(rules, verdict.valid_until + TICK, *zones, contacts=made, ring_s=ring_s)


@settings(max_examples=100)
@given(_nows, _ages, st.sampled_from(list(Disposition)), _zones)
def test_merging_packs_never_lets_through_what_one_of_them_refuses(
    now: datetime, ages: list[int], disposition: Disposition, zone: str
) -> None:
    made = calls(disposition, *(now - timedelta(seconds=age) for age in ages))
    names = ("house", "cn", "us")
    merged = check(ask(zone), facts(made), shipped(*names, actor="third_party"), now)
    assert merged == check(ask(zone), facts(made), shipped(*reversed(names), actor="third_party"), now)
    alone = [passes(shipped(name, actor="third_party"), now, zone, contacts=made) for name in names]
    assert isinstance(merged, Pass) is all(alone)
