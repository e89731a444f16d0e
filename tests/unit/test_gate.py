"""The gate: the cases of compliance.md that windows decide, and the house's own checks."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from campaigns.gate import Block, Pass, check
from campaigns.limits import Whose
from campaigns.model import Channel
from campaigns.rules import Pack
from campaigns.ruleset import Ruleset, merge
from tests.support.law import (
    EASTER,
    EASTERN,
    HONOLULU,
    PACIFIC,
    SHANGHAI,
    SMS,
    TICK,
    VOICE,
    ask,
    at,
    calls,
    deferred,
    facts,
    line,
    passes,
    rule,
    ruleset,
    shipped,
    window,
)

# --- windows ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", [VOICE, SMS])
@pytest.mark.parametrize(
    ("now", "allowed"),
    [("22:00:00", False), ("21:59:59", True), ("08:00:00", True), ("07:59:59.999999", False), ("03:00:00", False)],
)
def test_case_1_china(now: str, allowed: bool, channel: Channel) -> None:
    verdict = check(ask(channel=channel), facts(), shipped("cn"), at(f"2026-01-14T{now}"))
    assert isinstance(verdict, Pass) is allowed
    if not allowed:
        day = "15" if now.startswith("22") else "14"
        assert deferred(verdict) == ("cn-gbt.hours", at(f"2026-01-{day}T08:00"))


def test_case_1_regulation_f_says_after_eight() -> None:
    rules = shipped("us", actor="third_party").only("us-regf.hours")
    us = replace(facts(), line=None)
    assert isinstance(check(ask(EASTERN), us, rules, at("2026-01-14T08:01", EASTERN)), Pass)
    early = check(ask(EASTERN), us, rules, at("2026-01-14T08:00:59", EASTERN))
    assert deferred(early) == ("us-regf.hours", at("2026-01-14T08:01", EASTERN))


def test_case_2_a_close_that_does_not_exist() -> None:
    rules = ruleset(window("08:00", "22:00"))
    close = datetime(2026, 9, 6, 4, tzinfo=UTC)
    assert passes(rules, close - TICK, EASTER)
    assert not passes(rules, close, EASTER)


@pytest.mark.parametrize(
    ("until", "utc_minutes", "allowed"),
    [
        *(("21:00", minute, minute < 0) for minute in (-1, 0, 60, 119)),
        *(("21:30", minute, minute < 30) for minute in (29, 30, 60, 75)),
    ],
)
def test_case_3_a_close_that_comes_twice(until: str, utc_minutes: int, allowed: bool) -> None:
    first_21 = datetime(2026, 4, 5, 2, tzinfo=UTC)  # local 21:00–21:59 from here, and again an hour later
    assert passes(ruleset(window("08:00", until)), first_21 + timedelta(minutes=utc_minutes), EASTER) is allowed


def test_case_4_the_next_opening_is_not_24_hours_on() -> None:
    zone = "Australia/Lord_Howe"
    verdict = check(ask(zone), facts(), ruleset(window("08:00", "21:00")), at("2026-10-03T21:00", zone))
    assert deferred(verdict)[1] == at("2026-10-04T08:00", zone) == at("2026-10-03T21:00", zone) + timedelta(hours=10.5)


@pytest.mark.parametrize(("now", "allowed"), [("10:59", False), ("11:00", True), ("20:59", True), ("21:00", False)])
def test_case_6_eastern_number_and_pacific_address(now: str, allowed: bool) -> None:
    rules = ruleset(window("08:00", "21:00"))
    assert passes(rules, at(f"2026-07-15T{now}", EASTERN), PACIFIC, EASTERN) is allowed


def test_case_7_an_empty_intersection_is_never() -> None:
    rules = ruleset(window("09:00", "12:00"))
    verdict = check(ask(EASTERN, HONOLULU), facts(), rules, at("2026-07-15T10:00", EASTERN))
    assert isinstance(verdict, Block)
    assert verdict.rule == "test.window"


MORNING = rule("window", "test.morning", open=[{"days": "all", "from": "08:00", "until": "12:00"}])
EVENING = rule("window", "test.evening", open=[{"days": "all", "from": "18:00", "until": "20:00"}])


def merged(*rules: dict[str, Any]) -> Ruleset:
    """Each in a pack of its own: one pack may not contradict itself."""
    return merge([Pack.model_validate({"name": "test", "rules": [one]}) for one in rules], "creditor")


def test_rules_that_leave_no_hour_between_them_block() -> None:
    verdict = check(ask(), facts(), merged(MORNING, EVENING), at("2026-01-14T10:00"))
    assert isinstance(verdict, Block)
    assert verdict.rule == "test.evening"


def test_a_cap_that_lasts_longer_does_not_hide_that_no_hour_is_left() -> None:
    cap = rule("cap", max=1, count=["placed"], period={"type": "calendar_month", "length": 1, "day_one": "event"})
    made = facts(calls(None, at("2026-01-13T10:00"), person="P-1"))
    verdict = check(ask(whose=Whose("P-1")), made, merged(MORNING, EVENING, cap), at("2026-01-14T10:00"))
    assert isinstance(verdict, Block)
    assert verdict.rule == "test.evening"


def test_an_hour_that_comes_when_a_rule_ends_is_waited_for() -> None:
    ending = {**EVENING, "stage": ["pre_due"]}
    verdict = check(ask(dues=(date(2026, 1, 16),)), facts(), merged(MORNING, ending), at("2026-01-14T10:00"))
    assert deferred(verdict) == ("test.evening", at("2026-01-14T18:00"))


def test_a_window_that_only_warns_blocks_nothing() -> None:
    rules = merged(MORNING, {**EVENING, "on_breach": "warn"})
    verdict = check(ask(), facts(), rules, at("2026-01-14T13:00"))
    assert deferred(verdict) == ("test.morning", at("2026-01-15T08:00"))


@pytest.mark.parametrize(
    ("now", "allowed"), [("20:59:50", False), ("20:59:30", True), ("20:59:30.000001", False), ("08:00:00", True)]
)
def test_case_28_the_ring_ends_before_the_close(now: str, allowed: bool) -> None:
    assert passes(ruleset(window("08:00", "21:00")), at(f"2026-01-14T{now}"), ring_s=30) is allowed


def test_case_28_a_call_is_valid_until_its_last_dial() -> None:
    verdict = check(ask(ring_s=30), facts(), ruleset(window("08:00", "21:00")), at("2026-01-14T10:00"))
    assert verdict == Pass(at("2026-01-14T20:59:30"))


def test_case_29_a_message_is_valid_until_the_close() -> None:
    rules = ruleset({**window("08:00", "21:00"), "channels": ["sms"]})
    message = ask(channel=SMS, ring_s=30)
    assert check(message, facts(), rules, at("2026-01-14T20:58")) == Pass(at("2026-01-14T21:00"))
    assert deferred(check(message, facts(), rules, at("2026-01-14T21:00")))[1] == at("2026-01-15T08:00")


def test_a_window_shorter_than_the_ring_is_no_opening() -> None:
    openings = [{"days": "all", "from": "08:00", "until": "08:01"}, {"days": "all", "from": "12:00", "until": "13:00"}]
    verdict = check(ask(ring_s=90), facts(), ruleset(rule("window", open=openings)), at("2026-01-14T07:00"))
    assert deferred(verdict)[1] == at("2026-01-14T12:00")


def test_of_two_windows_the_one_that_lasts_longer_is_named() -> None:
    verdict = check(ask(), facts(), shipped("house", "cn"), at("2026-01-14T07:00"))
    assert deferred(verdict) == ("house.hours", at("2026-01-14T09:00"))


# --- the house's own checks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "blocked_by"),
    [
        ({"campaign": "cancelled"}, "dialer.cancelled"),
        ({"campaign": "misspelt"}, "dialer.cancelled"),
        ({"is_open": False}, "dialer.paid"),
        ({"stopped": "disputed"}, "dialer.stopped"),
        ({"suppressed": "opted out"}, "dialer.suppressed"),
        ({"consent": "no"}, "dialer.consent"),
        ({"line": line(allow_countries=frozenset({"US"}))}, "dialer.country"),
        ({"line": line(allow_countries=frozenset())}, "dialer.country"),
    ],
)
@pytest.mark.parametrize("now", ["12:00", "23:00"])
def test_what_no_waiting_cures_blocks_and_beats_every_deferral(
    change: dict[str, Any], blocked_by: str, now: str
) -> None:
    changed = facts(**{"halted": "a test", **change})
    verdict = check(ask(), changed, shipped("house", "cn"), at(f"2026-01-14T{now}"))
    assert isinstance(verdict, Block)
    assert verdict.rule == blocked_by


@pytest.mark.parametrize(
    ("change", "blocked_by"),
    [
        ({"line_type": "premium"}, "dialer.premium"),
        ({"zones": ()}, "dialer.zone"),
        ({"zones": ("Mars/Olympus",)}, "dialer.zone"),
        ({"zones": (SHANGHAI, "Mars/Olympus")}, "dialer.zone"),
        ({"country": ""}, "dialer.country"),
        ({"country": "US"}, "dialer.country"),
    ],
)
def test_a_number_nobody_may_or_can_place(change: dict[str, Any], blocked_by: str) -> None:
    verdict = check(replace(ask(), **change), facts(), shipped("house"), at("2026-01-14T12:00"))
    assert isinstance(verdict, Block)
    assert verdict.rule == blocked_by


@pytest.mark.parametrize(
    ("change", "rule_id"), [({"halted": "a test"}, "dialer.halted"), ({"campaign": "paused"}, "dialer.paused")]
)
def test_halted_and_paused_wait_a_minute(change: dict[str, Any], rule_id: str) -> None:
    now = at("2026-01-14T12:00")
    assert deferred(check(ask(), facts(**change), shipped("house"), now)) == (rule_id, now + timedelta(minutes=1))
    evening = at("2026-01-14T19:59:30")
    assert deferred(check(ask(), facts(**change), shipped("house"), evening))[0] == rule_id


def test_the_window_outlasts_a_halt() -> None:
    verdict = check(ask(), facts(halted="a test"), shipped("house"), at("2026-01-14T21:00"))
    assert deferred(verdict) == ("house.hours", at("2026-01-15T09:00"))


@pytest.mark.parametrize(("left", "allowed"), [(None, True), ("0.60", True), ("0.59", False), ("-1", False)])
def test_the_spend_limit_holds_until_it_is_reset(left: str | None, allowed: bool) -> None:
    spent = facts(line=line(spend_left=Decimal(left) if left else None))
    verdict = check(ask(), spent, shipped("house"), at("2026-01-14T12:00"))
    if allowed:
        assert isinstance(verdict, Pass)
    else:
        assert deferred(verdict) == ("dialer.spend", at("2026-01-15T00:00"))


def test_a_reset_that_is_already_due_is_asked_again_in_a_minute() -> None:
    now = at("2026-01-15T12:00")
    spent = facts(line=line(spend_left=Decimal(0)))
    assert deferred(check(ask(), spent, shipped("house"), now)) == ("dialer.spend", now + timedelta(minutes=1))


def test_without_a_line_only_what_belongs_to_it_is_left_out() -> None:
    now = at("2026-01-14T12:00")
    assert isinstance(check(ask(EASTERN, SHANGHAI), facts(line=None), ruleset(window("00:00", "23:59")), now), Pass)
    assert isinstance(check(ask(line_type="premium"), facts(line=None), shipped("house"), now), Block)
