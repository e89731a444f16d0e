"""The packs that the program ships: their form, and what each says of a few instants (compliance.md)."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from campaigns.gate import Ask, Block, Defer, Facts, Pass, Saying, Verdict, check
from campaigns.limits import PeriodType, Whose
from campaigns.model import Agreement, Channel, Contact, Disposition
from campaigns.rulebase import RuleBase
from campaigns.rules import Content, OptOut, Pack, Rule, Window
from campaigns.ruleset import Ruleset, merge
from dialer.packs import read_pack
from tests.support.law import (
    BUSY,
    EASTERN,
    HUMAN,
    MACHINE,
    NO_ANSWER,
    RULES,
    SHANGHAI,
    SMS,
    VOICE,
    at,
    facts,
    rule,
    window,
)

NAMES = sorted(path.stem for path in RULES.glob("*.toml"))
D = Disposition
HERE = "config/rules"


@cache
def text_of(name: str) -> str:
    return (RULES / f"{name}.toml").read_text(encoding="utf-8")


@cache
def pack(name: str) -> Pack:
    return Pack.model_validate({"name": name, **tomllib.loads(text_of(name))})


EVERY = [(name, one) for name in NAMES for one in pack(name).rules]


# --- their form ---------------------------------------------------------------------------------------------------


def test_the_packs_are_those_that_compliance_has_numbers_for() -> None:
    told = (
        "au ca-on ca-qc carrier-aliyun cl cn co house id in jp kr mx ph th us us-dc us-fl us-ma us-ny-nyc us-wa us-wv "
        "vn za"
    )
    assert set(NAMES) == {*told.split()}


@pytest.mark.parametrize("name", NAMES)
def test_it_begins_by_saying_what_it_is_and_what_it_leaves_out(name: str) -> None:
    head = text_of(name).split("\nname ")[0]
    assert all(line.startswith("#") for line in head.splitlines())
    assert "not legal advice" in head.lower()
    assert "Not in it" in head, "what of the law it does not express, and why"
    assert pack(name).name == name


@pytest.mark.parametrize(("name", "one"), EVERY, ids=lambda value: getattr(value, "id", value))
def test_every_rule_has_its_source_and_the_name_of_its_pack(name: str, one: RuleBase) -> None:
    assert one.id.startswith(name)
    assert one.citation
    assert one.url.startswith(("http://", "https://")) or (name == "house" and one.url.startswith(HERE))
    assert date(2026, 11, 23) <= one.checked_on <= date(2026, 11, 27)
    assert (one.force == "house") == (one.grade == "H")


def test_ids_are_given_once_over_all_packs() -> None:
    ids = [one.id for _, one in EVERY]
    assert len(ids) == len(set(ids))
    assert merge([pack(name) for name in NAMES], "third_party").rules


def test_rules_from_memory_are_off_until_they_are_named() -> None:
    from_memory = {one.id for _, one in EVERY if one.grade == "M"}
    assert from_memory == {"us-tcpa.ring", "us-tcpa.reassigned", "us-wv.30in7", "us-wv.10in7"}
    packs = [pack(name) for name in NAMES]
    for actor in ("creditor", "third_party"):
        assert not from_memory & {*merge(packs, actor).rules}
    named = merge(packs, "creditor", grade_m=frozenset(from_memory)).rules
    assert from_memory - {*named} == {"us-tcpa.ring"}  # it is about telemarketing, named or not


def test_together_they_need_every_kind_and_every_type_of_period() -> None:
    kinds = {one.kind for _, one in EVERY}
    assert kinds == {
        kind for one in get_args(get_args(Rule)[0]) for kind in get_args(one.model_fields["kind"].annotation)
    }
    periods = {one.period.type for _, one in EVERY if hasattr(one, "period")}
    assert periods == {*get_args(PeriodType)}


def test_what_is_about_solicitation_is_listed_and_never_binds() -> None:
    told = {one.id for _, one in EVERY if one.purpose == ("solicitation",)}
    assert told == {
        "cn-sms.31", "cn-sms.31-optout", "us-tcpa.abandon", "us-tcpa.ring", "us-fl.sales-hours", "us-fl.sales-3",
    }  # fmt: skip
    assert not told & {*merge([pack(name) for name in NAMES], "third_party", grade_m=frozenset(told)).rules}


@pytest.mark.parametrize(
    ("name", "creditor", "third_party"),
    [("us", 6, 12), ("us-ma", 2, 2), ("us-dc", 3, 3), ("us-wa", 0, 2), ("ca-on", 0, 3), ("ca-qc", 0, 3), ("cn", 9, 9)],
)
def test_whom_they_bind(name: str, creditor: int, third_party: int) -> None:
    assert len(merge([pack(name)], "creditor").rules) == creditor
    assert len(merge([pack(name)], "third_party").rules) == third_party


def test_the_limited_message_reveals_nothing() -> None:
    rules = merge([pack("us")], "third_party")
    assert rules.limited_message("en-US") == "This is {lender}. Please call us back at {lender_phone}. Thank you."
    assert "{lender_phone}" in (rules.limited_message("es") or "")
    assert rules.limited_message("zh-CN") == ""  # in another language nothing is left
    assert merge([pack("us")], "creditor").limited_message("en") is None


@pytest.mark.parametrize("year", [2025, 2026, 2027])
def test_quebec_s_holidays_are_nine_a_year_and_no_sunday(year: int) -> None:
    (hours,) = [one for one in pack("ca-qc").rules if one.id == "ca-qc.hours"]
    assert isinstance(hours, Window)
    days = hours.known_holidays(year)
    assert days is not None
    assert len(days) == 9
    assert all(day.weekday() != 6 for day in days)
    good_friday, easter_monday = sorted(days)[1:3]
    assert (good_friday.weekday(), easter_monday - good_friday) == (4, timedelta(days=3))
    assert hours.known_holidays(2028) is None


# --- what they say of an instant ----------------------------------------------------------------------------------

ZONES = {
    "au": "Australia/Sydney", "ca-on": "America/Toronto", "ca-qc": "America/Toronto", "carrier-aliyun": SHANGHAI,
    "cl": "America/Santiago", "cn": SHANGHAI, "co": "America/Bogota", "house": SHANGHAI, "id": "Asia/Jakarta",
    "in": "Asia/Kolkata", "jp": "Asia/Tokyo", "kr": "Asia/Seoul", "mx": "America/Mexico_City", "ph": "Asia/Manila",
    "th": "Asia/Bangkok", "us": EASTERN, "us-dc": EASTERN, "us-fl": EASTERN, "us-ma": EASTERN, "us-ny-nyc": EASTERN,
    "us-wa": "America/Los_Angeles", "us-wv": EASTERN, "vn": "Asia/Ho_Chi_Minh", "za": "Africa/Johannesburg",
}  # fmt: skip
THIRD = {"ca-on", "ca-qc", "us-wa"}


@dataclass(frozen=True)
class Case:
    """One question to one pack."""

    pack: str
    now: str
    """Local time."""
    refuses: str = ""
    """The rule that refuses, in its short form; empty: it passes."""
    made: Sequence[tuple[str, Any]] = ()
    """Earlier contacts: local time and a disposition, or the event of one made elsewhere."""
    channel: Channel = VOICE
    until: str = ""
    """The first instant at which it would pass, local; empty: not looked at."""
    actor: str = ""
    relaxed: str = ""
    made_by: Channel | str = ""
    """The earlier contacts' channel; empty: the asked one."""
    dues: tuple[date, ...] = ()
    roles: tuple[str, ...] = ("borrower",)
    consent: str = "yes"
    agreed: tuple[Agreement, ...] = ()
    text: str | None = None
    accounts: tuple[tuple[str, ...], tuple[str, ...]] = field(default=((), ()))
    """Of the attempt, and of the earlier contacts."""
    line_type: str = "mobile"
    unverified: str = ""

    def __str__(self) -> str:
        return f"{self.pack} {self.now} {self.refuses or 'passes'}"


def rules_for(case: Case) -> Ruleset:
    actor = case.actor or ("third_party" if case.pack in THIRD else "creditor")
    return merge([pack(case.pack)], actor, frozenset({case.unverified}), frozenset({case.relaxed}))


def verdict_of(case: Case) -> Verdict:
    zone = ZONES[case.pack]
    whose = Whose("P-1", "+1", "7", case.accounts[0])
    words = case.text
    names = {"lender": ("Acme",), "lender_phone": ("+1800",), "amount": ("$5",)}
    asked = Ask(
        case.channel, (zone,), "CN", case.line_type, 0, whose, case.dues, case.roles,
        saying=Saying(words, names, "press 9" in words) if words is not None else None,
    )  # fmt: skip
    made_by = str(case.made_by or case.channel)
    earlier = [
        Contact(at(when, zone), made_by, how, "P-1", "+1", "7", case.accounts[1])
        if isinstance(how, Disposition)
        else Contact(at(when, zone), made_by, None, "P-1", "+1", "7", case.accounts[1], event=how)
        for when, how in case.made
    ]
    known: Facts = facts(earlier, consent=case.consent, agreements=case.agreed)
    return check(asked, known, rules_for(case), at(case.now, zone))


def on(hour: str, how: Any, *days: int, month: str = "2026-09") -> list[tuple[str, Any]]:
    return [(f"{month}-{day:02}T{hour}", how) for day in days]


MON, TUE, WED, THU, FRI, SAT, SUN = (f"2026-09-{day:02}" for day in range(7, 14))
DUE = date(2026, 9, 7)
GOOD = "Hello, this is Acme, +1800. For no more calls press 9."
CASES = [
    Case("cn", f"{MON}T22:00:00", "cn-gbt.hours", until=f"{TUE}T08:00"),
    Case("cn", f"{MON}T21:59:59"),
    Case("cn", f"{MON}T08:00:00"),
    Case("cn", f"{MON}T22:30", agreed=(Agreement("agreed_hours", DUE),)),
    Case("cn", f"{MON}T12:00", "cn-gbt.notify3", on("09:00", MACHINE, 7, 7, 7), until=f"{TUE}T00:00"),
    Case("cn", f"{MON}T12:00", "", on("09:00", BUSY, 7, 7, 7, 7)),
    Case("cn", f"{MON}T12:00", "", on("09:00", HUMAN, 7, 7)),
    Case("cn", f"{MON}T12:00", "cn-card.party", roles=("reference",)),
    Case("cn", f"{MON}T12:00", "", roles=("guarantor",)),
    Case("cn", f"{MON}T12:00", "cn-pipl.24", text="hello", channel=SMS),
    Case("cn", f"{MON}T12:00", "", text="hello,回复TD退订", channel=SMS),
    Case("cn", f"{MON}T12:00", "cn-pipl.24", text="hello"),
    Case("us", f"{MON}T12:00", "us-tcpa.consent", consent=""),
    Case("us", f"{MON}T12:00", "us-tcpa.consent", consent="", line_type="fixed_or_mobile"),
    Case("us", f"{MON}T12:00", "", consent="", line_type="fixed"),
    Case("us", f"{MON}T12:00", "us-tcpa.3in30", on("09:00", BUSY, 1, 2, 3), consent="", line_type="fixed"),
    Case("us", f"{MON}T12:00", "", on("09:00", BUSY, 1, 2, 3), line_type="fixed"),
    Case("us", f"{MON}T12:00", "us-tcpa.message", text="Hello, this is Acme. For no more calls press 9."),
    Case("us", f"{MON}T12:00", "us-tcpa.optout", text="Hello, this is Acme, +1800."),
    Case("us", f"{MON}T12:00", "", text=GOOD),
    Case("us", f"{MON}T12:00", "us-tcpa.message", text="x" * 101 + GOOD),
    Case("us", f"{MON}T21:00", "us-tcpa.quiet", until=f"{TUE}T08:00"),
    Case("us", f"{MON}T08:00:59", "us-regf.hours", actor="third_party", until=f"{MON}T08:01"),
    Case("us", "2026-04-07T12:00", "us-regf.7in7", on("09:00", NO_ANSWER, *range(1, 8), month="2026-04"),
         actor="third_party", until="2026-04-08T00:00", relaxed="us-regf.strict"),
    Case("us", "2026-04-08T12:00", "", on("09:00", NO_ANSWER, *range(1, 8), month="2026-04"), actor="third_party"),
    Case("us", "2026-04-07T12:00", "", on("09:00", BUSY, *range(1, 8), month="2026-04"), actor="third_party"),
    # Case 15: the law counts each debt by itself, the house the person.
    Case("us", "2026-04-07T12:00", "us-regf.strict", on("09:00", NO_ANSWER, *range(1, 8), month="2026-04"),
         actor="third_party", accounts=(("L-2",), ("L-1",))),
    Case("us", "2026-04-07T12:00", "", on("09:00", NO_ANSWER, *range(1, 8), month="2026-04"),
         actor="third_party", accounts=(("L-2",), ("L-1",)), relaxed="us-regf.strict"),
    Case("us", "2026-09-14T12:00", "us-regf.conversation", [("2026-09-08T10:00", HUMAN)], actor="third_party",
         until="2026-09-15T00:00"),
    Case("us", "2026-09-15T12:00", "", [("2026-09-08T10:00", HUMAN)], actor="third_party"),
    # Case 17: what is made within the first seven dates of a consent is uncounted.
    Case("us", "2026-05-07T12:00", "", on("09:00", NO_ANSWER, *range(1, 8), month="2026-05"), actor="third_party",
         agreed=(Agreement("direct_prior_consent", date(2026, 5, 1)),)),
    Case("us", "2026-05-09T12:00", "us-regf.7in7", on("09:00", NO_ANSWER, *([8] * 7), month="2026-05"),
         actor="third_party", agreed=(Agreement("direct_prior_consent", date(2026, 5, 1)),)),
    Case("us", f"{MON}T12:00", "us-regf.optout", text="Acme: $5", channel=SMS, actor="third_party"),
    Case("us", f"{MON}T12:00", "", text="Acme: $5. STOP to end", channel=SMS, actor="third_party"),
    Case("us", f"{MON}T12:00", "us-tcpa.reassigned", unverified="us-tcpa.reassigned"),
    Case("us-ma", f"{WED}T12:00", "us-ma.2in7", on("12:00", NO_ANSWER, 7, 8), until="2026-09-14T00:00"),
    Case("us-ma", f"{WED}T12:00", "us-ma.2in7", on("12:00", D.DELIVERED, 7, 8), made_by="sms"),
    Case("us-ma", f"{WED}T12:00", "", on("12:00", BUSY, 7, 8)),
    Case("us-ma", f"{WED}T12:00", "", on("12:00", NO_ANSWER, 7, 8), accounts=(("L-2",), ("L-1",))),
    Case("us-ma", f"{WED}T21:00", "us-ma.hours"),
    Case("us-ny-nyc", f"{WED}T12:00", "us-ny-nyc.2in7", on("12:00", HUMAN, 7, 8), dues=(date(2026, 9, 1),)),
    Case("us-ny-nyc", f"{WED}T12:00", "us-ny-nyc.3in7", on("12:00", BUSY, 7, 8, 8), dues=(date(2026, 9, 1),)),
    Case("us-ny-nyc", f"{WED}T12:00", "", on("12:00", BUSY, 7, 8, 8), dues=(date(2026, 9, 20),)),
    Case("us-ny-nyc", "2026-08-20T12:00", "", on("12:00", BUSY, 17, 18, 19, month="2026-08"),
         dues=(date(2026, 8, 1),)),
    Case("us-ny-nyc", "2027-01-07T12:00", "", on("12:00", HUMAN, 5, 6, month="2027-01"), dues=(date(2027, 1, 1),)),
    Case("us-dc", f"{FRI}T12:00", "us-dc.calls", on("12:00", BUSY, 7, 8, 9, 10), dues=(date(2026, 8, 11),)),
    Case("us-dc", f"{FRI}T12:00", "", on("12:00", BUSY, 7, 8, 9, 10), dues=(date(2026, 8, 12),)),
    Case("us-dc", f"{FRI}T12:00", "us-dc.consent", channel=SMS, consent="", dues=(date(2026, 8, 1),)),
    Case("us-wa", f"{FRI}T12:00", "us-wa.3in7", on("12:00", BUSY, 7, 8, 9)),
    Case("us-wa", f"{FRI}T12:00", "us-wa.3in7", on("12:00", "placed", 7, 8, 9), made_by="letter"),
    Case("us-wa", f"{FRI}T07:59", "us-wa.hours", until=f"{FRI}T08:00"),
    Case("us-fl", f"{FRI}T21:00", "us-fl.hours"),
    Case("us-fl", f"{FRI}T20:30", "", on("12:00", BUSY, 11, 11, 11)),
    Case("us-fl", f"{FRI}T21:30", "", agreed=(Agreement("direct_prior_consent", DUE),)),
    Case("us-wv", f"{FRI}T12:00", "", on("12:00", HUMAN, *([7] * 31))),
    Case("us-wv", f"{FRI}T12:00", "us-wv.30in7", on("12:00", BUSY, *([7] * 30)), unverified="us-wv.30in7"),
    Case("co", f"{MON}T19:00", "co-2300.hours", until=f"{TUE}T07:00"),
    Case("co", f"{SAT}T15:00", "co-2300.hours", until="2026-09-14T07:00"),
    Case("co", "2026-01-12T10:00", "co-2300.hours", until="2026-01-13T07:00"),  # observed Epiphany
    Case("co", f"{TUE}T10:00", "co-2300.channel", on("09:00", HUMAN, 7), SMS, made_by="voice",
         relaxed="co-2300.strict"),
    Case("co", f"{TUE}T10:00", "", on("09:00", HUMAN, 7), relaxed="co-2300.strict"),
    Case("co", f"{TUE}T10:00", "co-2300.strict", on("09:00", HUMAN, 7), until="2026-09-14T00:00"),
    Case("co", f"{MON}T12:00", "co-2300.daily", on("09:00", HUMAN, 7), relaxed="co-2300.strict",
         until=f"{TUE}T00:00"),
    Case("co", f"{TUE}T10:00", "", on("09:00", NO_ANSWER, 7)),
    Case("co", f"{TUE}T10:00", "co-2300.consent", consent=""),
    Case("co", f"{TUE}T10:00", "co-2300.party", roles=("reference",)),
    Case("cl", f"{TUE}T10:00", "cl-21320.apart", on("09:00", D.DELIVERED, 7), SMS, until=f"{THU}T00:00"),
    Case("cl", f"{THU}T10:00", "", on("09:00", D.DELIVERED, 7), SMS),
    Case("cl", f"{SUN}T10:00", "cl-21320.hours", on("09:00", D.DELIVERED, 7, 10), SMS),
    Case("cl", f"{SAT}T10:00", "cl-21320.remote", on("09:00", D.DELIVERED, 7, 10), SMS, until="2026-09-14T00:00"),
    Case("cl", f"{FRI}T10:00", "cl-21320.weekly", on("09:00", NO_ANSWER, 7), until="2026-09-14T00:00"),
    Case("cl", f"{FRI}T10:00", "cl-21320.weekly", on("09:00", "placed", 7), made_by="visit"),
    Case("au", f"{MON}T07:29", "au-rg96.hours", until=f"{MON}T07:30"),
    Case("au", f"{SAT}T08:59", "au-rg96.hours", until=f"{SAT}T09:00"),
    Case("au", "2026-04-06T12:00", "au-rg96.hours", until="2026-04-07T07:30"),  # Easter Monday
    Case("au", f"{FRI}T12:00", "au-rg96.weekly", on("12:00", HUMAN, 7, 8, 9), until="2026-09-14T00:00"),
    Case("au", f"{FRI}T12:00", "", on("12:00", NO_ANSWER, 7, 8, 9, 10)),
    Case("au", "2026-09-28T12:00", "au-rg96.monthly", on("12:00", HUMAN, 1, 2, 3, 7, 8, 9, 14, 15, 16, 21),
         until="2026-10-01T00:00"),
    Case("ca-on", f"{MON}T12:00", "ca-on.notice"),
    Case("ca-on", f"{SAT}T12:00", "ca-on.notice", on("12:00", "notice", 7), made_by="letter", until=f"{SUN}T00:00"),
    Case("ca-on", f"{SUN}T14:00", "", on("12:00", "notice", 7), made_by="letter"),
    Case("ca-on", f"{SUN}T12:59", "ca-on.hours", on("12:00", "notice", 1), made_by="letter", until=f"{SUN}T13:00"),
    Case("ca-on", f"{MON}T12:00", "ca-on.hours", on("12:00", "notice", 1), made_by="letter"),  # Labour Day
    Case("ca-on", f"{FRI}T12:00", "ca-on.3in7",
         [(f"{TUE}T00:00", "notice"), *on("10:00", HUMAN, 8), *on("10:00", MACHINE, 9, 10)], relaxed="-"),
    Case("ca-qc", "2026-04-06T12:00", "ca-qc.hours", [("2026-03-01T12:00", "notice")], made_by="letter",
         until="2026-04-07T08:00"),  # Easter Monday
    Case("ca-qc", "2026-04-07T12:00", "", [("2026-03-01T12:00", "notice")], made_by="letter"),
    Case("ca-qc", f"{SAT}T12:00", "ca-qc.notice", on("12:00", "notice", 7), made_by="letter", until=f"{SUN}T00:00"),
    Case("ca-qc", f"{SUN}T12:00", "ca-qc.messages", channel=SMS),
    Case("ca-qc", f"{SUN}T12:00", "", channel=SMS, relaxed="ca-qc.messages"),
    Case("in", f"{MON}T19:00", "in-rbi.hours", until=f"{TUE}T08:00"),
    Case("in", f"{MON}T23:00", "", channel=SMS),
    Case("th", f"{MON}T19:59"),
    Case("th", f"{SAT}T10:00", "th-dca.weekend"),
    Case("th", f"{SAT}T17:59", relaxed="th-dca.weekend"),
    Case("th", f"{SAT}T18:00", "th-dca.hours", relaxed="th-dca.weekend"),
    Case("th", "2026-04-13T18:00", "th-dca.hours"),  # Songkran, a Monday
    Case("th", f"{MON}T19:00", "th-dca.daily", on("10:00", NO_ANSWER, 7), until=f"{TUE}T00:00"),
    Case("id", "2026-08-17T10:00", "id-ojk.hours"),  # Independence Day, a Monday
    Case("id", f"{SAT}T19:59"),
    Case("id", f"{SUN}T10:00", "id-ojk.hours"),
    Case("id", f"{MON}T10:00", "id-ojk.party", roles=("guarantor",)),
    Case("vn", f"{MON}T06:59", "vn-sbv.hours", until=f"{MON}T07:00"),
    Case("vn", f"{MON}T20:00", "vn-sbv.daily", on("10:00", NO_ANSWER, *([7] * 5)), until=f"{TUE}T00:00"),
    # Case 22: later than 15 days the law knows no hours.
    Case("ph", f"{MON}T22:30", "ph-sec.hours", dues=(date(2026, 8, 23),)),
    Case("ph", f"{MON}T22:30", "", dues=(date(2026, 8, 22),)),
    Case("ph", f"{MON}T22:30", "ph-sec.hours", dues=(date(2026, 9, 9),)),
    Case("kr", f"{MON}T12:00", "kr-pda.7in7", on("09:00", NO_ANSWER, *range(1, 8)), until=f"{TUE}T00:00"),
    Case("kr", f"{MON}T12:00", "", on("09:00", NO_ANSWER, *range(1, 8)), accounts=(("L-2",), ("L-1",))),
    Case("kr", f"{MON}T21:00", "kr-pda.hours"),
    Case("jp", f"{MON}T21:00", "jp-mlba.hours", until=f"{TUE}T08:00"),
    Case("za", f"{SUN}T12:00", "za.hours", until="2026-09-14T06:00"),
    Case("za", f"{SAT}T20:59"),
    Case("mx", f"{MON}T06:59", "mx.hours", until=f"{MON}T07:00"),
    Case("mx", f"{MON}T12:00", "mx.identity", text="$5", channel=SMS),
    Case("mx", f"{MON}T12:00", "", text="Acme: $5", channel=SMS),
    Case("house", f"{MON}T20:00", "house.hours", until=f"{TUE}T09:00"),
    Case("house", f"{MON}T10:59", "house.gap", on("10:00", NO_ANSWER, 7), until=f"{MON}T11:00"),
    Case("house", f"{MON}T15:00", "house.daily", on("10:00", NO_ANSWER, 7, 7, 7), relaxed="house.number"),
    Case("house", f"{MON}T15:00", "house.number", on("10:00", NO_ANSWER, 7, 7, 7), relaxed="house.daily"),
    Case("carrier-aliyun", f"{MON}T10:00:59", "carrier-aliyun.minute", on("10:00", BUSY, 7), until=f"{MON}T10:01"),
    Case("carrier-aliyun", f"{MON}T10:59", "carrier-aliyun.hour", on("10:00", BUSY, *([7] * 5)), until=f"{MON}T11:00"),
    Case("carrier-aliyun", f"{TUE}T09:00", "carrier-aliyun.day",
         [*on("10:00", BUSY, 7), *on("20:00", BUSY, *([7] * 19))], until=f"{TUE}T10:00"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_a_pack_says_of_an_instant(case: Case) -> None:
    verdict = verdict_of(case)
    if not case.refuses:
        assert isinstance(verdict, Pass), verdict
        return
    assert isinstance(verdict, Defer | Block), verdict
    assert verdict.rule == case.refuses, verdict
    if case.until:
        assert isinstance(verdict, Defer), verdict
        local = verdict.until.astimezone(ZoneInfo(ZONES[case.pack])).replace(tzinfo=None)
        assert local == datetime.fromisoformat(case.until)


def test_every_pack_and_every_rule_that_refuses_has_a_case() -> None:
    assert {case.pack for case in CASES} == {*NAMES}
    silent = {
        one.id
        for _, one in EVERY
        if one.kind == "retention" or one.purpose or (isinstance(one, OptOut) and not one.offered)
        or (isinstance(one, Content) and one.parts == ("voicemail",))
    }  # fmt: skip
    # Of these, another rule of the pack refuses the same first.
    behind = {"cn-gbt.talk3", "cn-gbt.party", "cn-sms.optout", "us-wv.10in7", "us-dc.messages", "th-dca.party",
              "vn-sbv.party"}  # fmt: skip
    assert {one.id for _, one in EVERY} - silent - behind == {case.refuses for case in CASES} - {""}


def test_a_number_s_cap_counts_whoever_it_belongs_to() -> None:
    # Case 16: two persons of one telephone; the number's cap is shared, the person's is not.
    case = Case("house", f"{MON}T15:00")
    rules = rules_for(case)
    now = at(case.now)
    others = [Contact(now - timedelta(hours=hour), "voice", NO_ANSWER, "P-2", "+1") for hour in (5, 4, 3)]
    asked = Ask(VOICE, (SHANGHAI,), "CN", "mobile", 0, Whose("P-1", "+1"))
    verdict = check(asked, facts(others), rules, now)
    assert isinstance(verdict, Defer)
    assert verdict.rule == "house.number"
    elsewhere = [replace(one, phone="+2") for one in others]
    assert isinstance(check(asked, facts(elsewhere), rules, now), Pass)


def test_the_confirmation_of_a_stop_may_be_sent_at_night() -> None:
    asked = Ask(SMS, (SHANGHAI,), "CN", "mobile", 0, Whose("P-1", "+1"), kind="confirmation")
    assert isinstance(check(asked, facts(), rules_for(Case("house", "")), at(f"{MON}T23:00")), Pass)
    assert not isinstance(
        check(replace(asked, kind="reminder"), facts(), rules_for(Case("house", "")), at(f"{MON}T23:00")), Pass
    )


# --- packs that contradict themselves -----------------------------------------------------------------------------


def refusal(*rules: dict[str, Any]) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(ValidationError) as caught:
        Pack.model_validate({"name": "test", "rules": rules})
    return [(error["loc"], str(error["ctx"]["error"])) for error in caught.value.errors()]


def is_fine(*rules: dict[str, Any]) -> bool:
    return len(Pack.model_validate({"name": "test", "rules": rules}).rules) == len(rules)


def cap(rule_id: str, maximum: int, length: int = 1, **more: Any) -> dict[str, Any]:
    fields = {"max": maximum, "period": {"type": "consecutive_dates", "length": length}, "count": ["placed"]}
    return rule("cap", f"test.{rule_id}", **{"force": "law", "grade": "S", **fields, **more})


def named(rule_id: str, first: str, until: str, **more: Any) -> dict[str, Any]:
    return {**window(first, until), "id": f"test.{rule_id}", **more}


def test_windows_that_never_meet_are_refused_at_the_one_that_closes() -> None:
    morning, evening = named("morning", "08:00", "12:00"), named("evening", "12:00", "20:00")
    (found,) = refusal(morning, evening)
    assert found[0] == ("rules", 1, "open")
    assert found[1].startswith("leaves no hour of any week for a call of a creditor together with test.morning; ")
    assert is_fine(morning, named("evening", "11:59", "20:00"))
    assert is_fine(morning, {**evening, "channels": ["sms"]})
    assert is_fine(morning, {**evening, "actor": ["third_party"]})
    assert is_fine(morning, {**evening, "stage": ["overdue"]})
    assert is_fine(morning, {**evening, "on_breach": "warn"})
    assert is_fine({**morning, "effective_to": date(2026, 1, 1)}, {**evening, "effective_from": date(2026, 1, 2)})
    assert refusal({**morning, "effective_to": date(2026, 1, 2)}, {**evening, "effective_from": date(2026, 1, 2)})


def test_weekdays_and_holidays_may_be_what_they_share() -> None:
    def days(rule_id: str, days: Any, **more: Any) -> dict[str, Any]:
        return named(rule_id, "08:00", "12:00", open=[{"days": days, "from": "08:00", "until": "12:00"}], **more)

    assert refusal(days("week", ["mon", "tue"]), days("end", ["sat", "sun"]))
    assert is_fine(days("week", ["mon", "tue"]), days("end", ["tue", "sun"]))
    assert is_fine(days("week", ["mon", "tue"]), days("off", "holidays", holidays="CN"))
    assert refusal(days("week", ["mon"], holidays="CN"), days("off", "holidays", holidays="CN"))


def test_a_guard_may_leave_nothing() -> None:
    short = named("short", "08:00", "08:10", guard_s=600)
    assert refusal(short)[0][1].startswith("leaves no hour of any week for a call of a creditor; ")
    assert is_fine({**short, "guard_s": 599})


def test_a_cap_that_another_never_lets_be_reached_is_refused() -> None:
    (found,) = refusal(cap("week", 3, 7), cap("day", 4))
    assert found == (
        ("rules", 1, "max"),
        "is never reached: test.week already permits only 3 in 7 consecutive dates; "
        "accepted: a lower max, or a shorter period of the other",
    )
    assert is_fine(cap("week", 3, 7), cap("day", 2))
    assert is_fine(cap("week", 3, 7), cap("day", 4, channels=["sms"]))
    assert is_fine(cap("week", 3, 7), cap("day", 4, key=["number"]))
    assert is_fine(cap("week", 3, 7, waive=["agreed_frequency"]), cap("day", 4))
    assert is_fine(cap("week", 3, 7, count=["conversation"]), cap("day", 4))
    assert is_fine(cap("week", 3, 7, force="house", grade="H"), cap("day", 4))
    pause = rule(
        "cooloff", "test.pause", force="law", grade="S", after={"event": "placed"},
        period={"type": "consecutive_dates", "length": 2},
    )  # fmt: skip
    assert refusal(pause, cap("day", 2))[0][0] == ("rules", 1, "max")
    assert is_fine(pause, cap("week", 2, 7))


def test_one_rule_twice_is_refused_by_id_or_by_content() -> None:
    assert refusal(cap("day", 1), cap("day", 2)) == [
        (("rules", 1, "id"), "rule ids used twice: test.day; accepted: each id once")
    ]
    assert refusal(cap("day", 1), cap("other", 1)) == [
        (("rules", 1, "id"), "is test.day once more, with another id; accepted: each rule once")
    ]
    assert is_fine(cap("day", 1), cap("other", 1, citation="another law"))


def test_roles_and_words_that_exclude_each_other_are_refused() -> None:
    borrower, guarantor = (rule("party", f"test.{role}", roles=[role]) for role in ("borrower", "guarantor"))
    assert refusal(borrower, guarantor) == [
        (
            ("rules", 1, "roles"),
            "leaves nobody to contact together with test.borrower; accepted: roles that both rules have",
        )
    ]
    says = rule("content", "test.says", parts=["call"], says_all=["lender", "amount"])
    hides = rule("content", "test.hides", parts=["call"], forbids=["amount"])
    assert refusal(says, hides) == [
        (("rules", 1, "forbids"), "test.says demands amount and test.hides forbids it; accepted: one of the two")
    ]
    assert is_fine(says, {**hides, "parts": ["message"], "channels": ["sms"]})


def test_rules_in_the_plural_are_no_table_of_a_pack(tmp_path: Path) -> None:
    """A rule that nobody reads would be a law that nobody keeps."""
    file = tmp_path / "both.toml"
    file.write_text("[[rules]]\nx = 1\n[[rule]]\n", encoding="utf-8")
    pack, faults = read_pack("both", file)
    assert pack is None
    assert [str(one).partition("both.toml:")[2] for one in faults] == [
        '1: rules: is not known, perhaps "rule" is meant; accepted: name, rule'
    ]
