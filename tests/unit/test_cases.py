"""The cases of compliance.md that packs, keys and kinds of rules decide, by their numbers; through the gate alone.

The other cases: 1 to 8 and 28, 29 in test_gate and test_hours, 5 and 10 to 13, 30 in test_limits, 6 to 9 in test_where,
26 and 27 in tests/simulation/test_optout, 32 and 33 partly in tests/simulation/test_law.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from campaigns.calendar import clamped, is_due_day
from campaigns.gate import Block, Defer, Pass, check
from campaigns.limits import Whose
from campaigns.model import Agreement, Contact, Disposition
from campaigns.rules import Pack
from campaigns.ruleset import Ruleset, merge
from tests.support.law import (
    EASTERN,
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
    elsewhere,
    facts,
    first_pass,
    rule,
    ruleset,
    shipped,
)

SANTIAGO, BOGOTA, SYDNEY, TORONTO, MANILA = (
    "America/Santiago", "America/Bogota", "Australia/Sydney", "America/Toronto", "Asia/Manila",
)  # fmt: skip
YES = {"line": None, "consent": "yes"}


def verdict_of(
    rules: Ruleset,
    now: datetime,
    zone: str,
    contacts: list[Contact] | None = None,
    channel: str = VOICE,
    **more: object,
) -> object:
    return check(ask(zone, channel=channel, **more), facts(contacts or [], **YES), rules, now)


def allows(
    rules: Ruleset,
    now: datetime,
    zone: str,
    contacts: list[Contact] | None = None,
    channel: str = VOICE,
    **more: object,
) -> bool:
    return isinstance(verdict_of(rules, now, zone, contacts, channel, **more), Pass)


def test_case_14_lender_and_agency_share_one_count() -> None:
    made = calls(HUMAN, at("2026-01-14T09:00"), at("2026-01-14T11:00"), by="creditor")
    made += elsewhere("connected", at("2026-01-14T13:00"), by="agents")
    now = at("2026-01-14T15:00")
    for rules in (shipped("cn"), shipped("cn", actor="third_party")):
        assert allows(rules, now, SHANGHAI, made[:2])
        assert deferred(verdict_of(rules, now, SHANGHAI, made)) == ("cn-gbt.notify3", at("2026-01-15T00:00"))


def test_case_14_a_pool_leaves_out_whom_it_does_not_name() -> None:
    cap = rule("cap", max=1, count=["placed"], period={"type": "calendar_day"}, pool=["creditor"])
    now = at("2026-01-14T15:00")
    assert allows(ruleset(cap), now, SHANGHAI, elsewhere("connected", at("2026-01-14T13:00"), by="agents"))
    assert not allows(ruleset(cap), now, SHANGHAI, elsewhere("connected", at("2026-01-14T13:00"), by="creditor"))


def test_case_15_two_debts_have_counters_of_their_own_and_a_conversation_about_both_rests_both() -> None:
    agency = shipped("us", actor="third_party")
    days = [at(f"2026-04-0{day}T12:00", EASTERN) for day in range(1, 8)]
    now = at("2026-04-07T18:00", EASTERN)
    about = {debt: {"whose": Whose("P", accounts=(debt,))} for debt in ("L-1", "L-2")}
    of_one = calls(NO_ANSWER, *days, person="P", accounts=("L-1",))
    seven, rest = agency.only("us-regf.7in7"), agency.only("us-regf.conversation")
    assert not allows(seven, now, EASTERN, of_one, **about["L-1"])
    assert allows(seven, now, EASTERN, of_one, **about["L-2"])
    # A call about both needs room in both.
    assert not allows(seven, now, EASTERN, of_one, whose=Whose("P", accounts=("L-1", "L-2")))
    of_both = calls(HUMAN, days[-1], person="P", accounts=("L-1", "L-2"))
    for debt in about.values():
        assert deferred(verdict_of(rest, now, EASTERN, of_both, **debt))[1] == at("2026-04-14T00:00", EASTERN)


def test_case_15_a_cap_of_a_person_over_all_debts_is_the_houses_and_can_be_relaxed() -> None:
    made = calls(
        NO_ANSWER, *(at(f"2026-04-07T{hour}:00", EASTERN) for hour in (10, 12, 14)), person="P", accounts=("L-1",)
    )
    now, other = at("2026-04-07T16:00", EASTERN), {"whose": Whose("P", "+12125550100", accounts=("L-2",))}
    assert deferred(verdict_of(shipped("house"), now, EASTERN, made, **other))[0] == "house.daily"
    assert allows(shipped("house", relaxed=frozenset({"house.daily"})), now, EASTERN, made, **other)


def test_case_16_joint_debtors_share_the_numbers_cap_and_nothing_else() -> None:
    made = [
        Contact(at(f"2026-01-14T{hour}:00"), VOICE, NO_ANSWER, person, "+8613800138001")
        for hour, person in (("09", "P-1"), ("11", "P-2"), ("13", "P-1"))
    ]
    now, house = at("2026-01-14T15:00"), shipped("house")
    second = {"whose": Whose("P-2", "+8613800138001")}
    assert deferred(verdict_of(house, now, SHANGHAI, made, **second)) == ("house.number", at("2026-01-15T00:00"))
    assert allows(house, now, SHANGHAI, made, whose=Whose("P-2", "+8613900139002"))
    assert allows(shipped("house", relaxed=frozenset({"house.number"})), now, SHANGHAI, made, **second)


def test_case_17_calls_made_with_consent_are_not_counted_and_only_for_seven_days() -> None:
    rules = shipped("us", actor="third_party").only("us-regf.7in7")
    consent = Agreement("direct_prior_consent", date(2026, 5, 1))
    made = calls(NO_ANSWER, *(at(f"2026-05-0{day}T12:00", EASTERN) for day in range(1, 8)))
    known = replace(facts(made, **YES), agreements=(consent,))
    assert isinstance(check(ask(EASTERN), known, rules, at("2026-05-07T18:00", EASTERN)), Pass)
    assert isinstance(check(ask(EASTERN), known, rules, at("2026-05-08T09:00", EASTERN)), Pass)
    # The same seven without the consent leave no room on the seventh; from the eighth day on calls count again.
    later = calls(NO_ANSWER, *(at(f"2026-05-08T{hour:02}:00", EASTERN) for hour in range(9, 16)))
    known = replace(facts(made + later, **YES), agreements=(consent,))
    eighth = check(ask(EASTERN), known, rules, at("2026-05-08T18:00", EASTERN))
    assert deferred(eighth) == ("us-regf.7in7", at("2026-05-15T00:00", EASTERN))
    assert not allows(rules, at("2026-05-07T18:00", EASTERN), EASTERN, made)


def test_case_18_colombia_after_a_direct_contact() -> None:
    strict, loose = shipped("co"), shipped("co", relaxed=frozenset({"co-2300.strict"}))
    made = calls(HUMAN, at("2026-01-19T10:00", BOGOTA))  # a Monday
    tuesday = at("2026-01-20T10:00", BOGOTA)
    for rules in (strict, loose):
        assert not allows(rules, at("2026-01-19T15:00", BOGOTA), BOGOTA, made)
        assert not allows(rules, tuesday, BOGOTA, made, SMS)
        assert allows(rules, at("2026-01-26T10:00", BOGOTA), BOGOTA, made, SMS)
        assert not allows(rules, at("2026-01-12T10:00", BOGOTA), BOGOTA), "Epiphany is observed on that Monday"
        assert allows(rules, at("2026-01-13T10:00", BOGOTA), BOGOTA)
    assert not allows(strict, tuesday, BOGOTA, made)
    assert allows(loose, tuesday, BOGOTA, made)


def test_case_19_chile_messages_two_days_apart_and_two_a_week() -> None:
    rules = shipped("cl")
    monday = calls(Disposition.DELIVERED, at("2026-01-12T10:00", SANTIAGO), channel=SMS)
    assert not allows(rules, at("2026-01-13T10:00", SANTIAGO), SANTIAGO, monday, SMS)
    assert allows(rules, at("2026-01-15T10:00", SANTIAGO), SANTIAGO, monday, SMS)
    thursday = monday + calls(Disposition.DELIVERED, at("2026-01-15T10:00", SANTIAGO), channel=SMS)
    assert not allows(rules, at("2026-01-17T19:00", SANTIAGO), SANTIAGO, thursday, SMS)
    visit = elsewhere("placed", at("2026-01-12T10:00", SANTIAGO), channel="visit")
    assert not allows(rules, at("2026-01-14T10:00", SANTIAGO), SANTIAGO, visit), "a visit takes the week's call"


def test_case_20_australia_counts_actual_contact() -> None:
    rules, now = shipped("au"), at("2026-03-13T15:00", SYDNEY)  # a Friday
    days = [at(f"2026-03-{day:02}T15:00", SYDNEY) for day in (9, 10, 11, 12)]
    about = {"whose": Whose("P", accounts=("L-1",))}
    unanswered = calls(NO_ANSWER, *days, person="P", accounts=("L-1",))
    assert allows(rules, now, SYDNEY, unanswered, **about)
    talked = calls(HUMAN, *days[:3], person="P", accounts=("L-1",))
    assert deferred(verdict_of(rules, now, SYDNEY, talked, **about))[0] == "au-rg96.weekly"
    assert allows(rules, now, SYDNEY, talked[:2], **about)
    assert allows(rules, now, SYDNEY, talked, whose=Whose("P", accounts=("L-2",)))


def test_case_21_ontario_waits_for_the_notice_and_counts_from_the_first_conversation() -> None:
    rules = shipped("ca-on", actor="third_party")
    day = [at(f"2026-03-{number:02}T12:00", TORONTO) for number in range(2, 20)]
    silence = verdict_of(rules, day[6], TORONTO)
    assert isinstance(silence, Block)
    assert (silence.rule, silence.task) == ("ca-on.notice", "review")
    notice = elsewhere("notice", day[0], channel="letter")
    assert deferred(verdict_of(rules, day[5], TORONTO, notice)) == ("ca-on.notice", at("2026-03-08T00:00", TORONTO))
    # Day 6 is a Sunday with its own hours.
    assert allows(rules, at("2026-03-08T13:00", TORONTO), TORONTO, notice)
    before = notice + calls(NO_ANSWER, *day[7:11])
    assert allows(rules, day[11], TORONTO, before), "before a conversation nothing is counted"
    talked = notice + calls(HUMAN, day[7]) + calls(NO_ANSWER, *day[8:11])
    assert allows(rules, day[11], TORONTO, talked), "rang out does not count"
    left = talked + calls(MACHINE, day[9] + timedelta(hours=1), day[10] + timedelta(hours=1))
    assert deferred(verdict_of(rules, day[11], TORONTO, sorted(left, key=lambda one: one.at)))[0] == "ca-on.3in7"


@pytest.mark.parametrize(("days", "law"), [(15, False), (16, True)])
def test_case_22_the_philippines_from_the_sixteenth_day_overdue(days: int, law: bool) -> None:
    now = at("2026-03-20T22:30", MANILA)
    dues = (date(2026, 3, 20) - timedelta(days=days),)
    assert allows(shipped("ph"), now, MANILA, dues=dues) is law
    assert not allows(shipped("ph", "house"), now, MANILA, dues=dues)
    assert allows(shipped("ph", "house", relaxed=frozenset({"house.hours"})), now, MANILA, dues=dues) is law


def test_case_22_waits_for_the_day_on_which_the_law_ends_where_that_is_sooner() -> None:
    now = at("2026-03-20T22:30", MANILA)
    assert deferred(verdict_of(shipped("ph"), now, MANILA, dues=(date(2026, 3, 5),))) == (
        "ph-sec.hours", at("2026-03-21T00:00", MANILA),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("day", "dues"),
    [
        (30, [date(2026, 1, 30), date(2026, 2, 28), date(2026, 3, 30), date(2028, 2, 29)]),
        (31, [date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)]),
    ],
)
def test_case_23_a_due_day_clamps_and_does_not_drift(day: int, dues: list[date]) -> None:
    for due_on in dues:
        assert clamped(due_on.year, due_on.month, day) == due_on
        assert is_due_day(due_on, (day,))
    assert not is_due_day(date(2026, 3, 28), (day,))


def test_case_24_make_up_workdays_are_workdays_and_an_unknown_year_is_closed() -> None:
    workdays = rule("window", open=[{"days": "workdays", "from": "09:00", "until": "18:00"}], holidays="CN")
    rules = ruleset(workdays)
    for day, is_open in (
        ("2026-09-20", True), ("2026-10-10", True), ("2026-09-27", False), ("2026-10-01", False), ("2026-09-21", True),
    ):  # fmt: skip
        assert allows(rules, at(f"{day}T10:00"), SHANGHAI) is is_open, day
    unknown = verdict_of(rules, at("2031-03-12T10:00"), SHANGHAI)
    assert isinstance(unknown, Block)
    assert unknown.task == "fix_data"


def test_case_25_quebec_knows_easter_monday() -> None:
    rules = shipped("ca-qc", actor="third_party").only("ca-qc.hours")
    assert not allows(rules, at("2026-04-06T10:00", TORONTO), TORONTO)
    assert allows(rules, at("2026-04-07T10:00", TORONTO), TORONTO)
    assert not allows(rules, at("2031-04-08T10:00", TORONTO), TORONTO), "a year that the list does not have"


@pytest.mark.parametrize(("abandoned", "answered", "allowed"), [(3, 100, True), (4, 101, False), (0, 0, True)])
def test_case_31_abandoned_calls_of_those_that_a_person_answered(abandoned: int, answered: int, allowed: bool) -> None:
    ratio = rule("ratio", max_percent="3", days=30)
    known = replace(facts(**YES), abandoned=(abandoned, answered))
    assert isinstance(check(ask(), known, ruleset(ratio), at("2026-01-14T12:00")), Pass) is allowed


def test_case_32_the_rules_in_force_at_the_instant_of_dialing() -> None:
    """A pack changes at midnight: before it the old hours hold, after it the new ones."""
    openings = {
        hours: [{"days": "all", "from": hours[0], "until": hours[1]}]
        for hours in (("08:00", "22:00"), ("10:00", "20:00"))
    }
    old, new = openings
    rules = ruleset(
        rule("window", "test.old", open=openings[old], effective_to=date(2026, 1, 14)),
        rule("window", "test.new", open=openings[new], effective_from=date(2026, 1, 15)),
    )
    assert allows(rules, at("2026-01-14T21:30"), SHANGHAI)
    assert not allows(rules, at("2026-01-15T21:30"), SHANGHAI)
    morning = verdict_of(rules, at("2026-01-15T08:00"), SHANGHAI)
    assert deferred(morning) == ("test.new", at("2026-01-15T10:00"))
    assert first_pass(ask(), facts(**YES), rules, at("2026-01-14T22:30")) == at("2026-01-15T10:00")


@pytest.mark.parametrize(("off_s", "allowed"), [(0.0, True), (2.0, True), (2.1, False), (3600.0, False)])
def test_case_33_a_clock_that_is_off_is_not_trusted(off_s: float, allowed: bool) -> None:
    now = at("2026-01-14T12:00")
    verdict = check(ask(), replace(facts(**YES), clock_off_s=off_s), shipped("cn"), now)
    assert isinstance(verdict, Pass) is allowed
    if not allowed:
        assert deferred(verdict) == ("dialer.clock", now + timedelta(minutes=1))


def test_case_33_an_unknown_jurisdiction_is_denied_with_a_task() -> None:
    rules = merge(
        [
            Pack.model_validate(
                {"name": "test", "rules": [rule("window", open=[{"days": "all", "from": "08:00", "until": "20:00"}])]}
            )
        ],
        "creditor",
        unknown="FR",
    )
    verdict = check(ask(), facts(**YES), rules, datetime(2026, 1, 14, 4, tzinfo=UTC))
    assert isinstance(verdict, Block)
    assert (verdict.rule, verdict.task) == ("dialer.jurisdiction", "fix_data")


def test_an_exclusive_channel_leaves_the_channel_of_the_last_contact_open() -> None:
    only = rule(
        "exclusive_channel", channels=["voice", "sms"], after={"event": "conversation"},
        period={"type": "rolling_elapsed", "length": 2},
    )  # fmt: skip
    talked = at("2026-01-14T10:00")
    made = calls(HUMAN, talked)
    assert allows(ruleset(only), talked + timedelta(hours=1), SHANGHAI, made)
    closed = verdict_of(ruleset(only), talked + timedelta(hours=1), SHANGHAI, made, SMS)
    assert deferred(closed) == ("test.exclusive_channel", talked + timedelta(days=2))
    assert allows(ruleset(only), talked + timedelta(days=2), SHANGHAI, made, SMS)
    assert not allows(ruleset(only), talked + timedelta(days=2) - TICK, SHANGHAI, made, SMS)
    assert isinstance(closed, Defer)
