"""Where a reading that is a little too generous would let through what is not permitted: found by a review."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from campaigns.gate import Block, Pass, Saying, check
from campaigns.model import Agreement
from campaigns.rulebook import Rulebook
from campaigns.rules import Pack
from tests.support.law import SMS, ask, at, deferred, facts, rule, ruleset, shipped, window

NOON = at("2026-01-14T12:00")


def packs(**named: list[dict[str, Any]]) -> dict[str, Pack]:
    return {name: Pack.model_validate({"name": name, "rules": rules}) for name, rules in named.items()}


def test_an_agreement_to_reply_lifts_no_hours() -> None:
    """`reply` is the one confirmation of a stop; whatever a file says, it opens no night."""
    night = at("2026-01-14T03:00")
    known = replace(facts(), agreements=(Agreement("reply", date(2026, 1, 1)),))
    assert deferred(check(ask(channel=SMS), known, shipped("house"), night))[0] == "house.hours"
    assert isinstance(check(ask(channel=SMS, kind="confirmation"), known, shipped("house"), night), Pass)


def test_one_id_with_two_meanings_denies_whom_both_concern_and_nobody_else() -> None:
    book = Rulebook(
        packs(cn=[window("08:00", "20:00")], cn_bj=[window("08:00", "22:00")], us=[window("09:00", "21:00")])
        | {"cn-bj": Pack.model_validate({"name": "cn-bj", "rules": [window("08:00", "22:00")]})},
        [], "creditor",
    )  # fmt: skip
    denied = check(ask(), facts(), book.of(("CN-BJ",), "CN"), NOON)
    assert isinstance(denied, Block)
    assert denied.rule == "dialer.jurisdiction"
    assert "test.window" in denied.reason
    assert isinstance(check(ask(), facts(), book.of(("CN",), "CN"), NOON), Pass)


@pytest.mark.parametrize(
    "text",
    ["You owe {amount} by {due_on}.", "{nombre}", "{", "{lender.phone}"],
    ids=["debt", "unknown", "brace", "attribute"],
)
def test_a_limited_message_may_name_nothing_but_the_lender(text: str) -> None:
    with pytest.raises(ValidationError, match=r"\{lender\} and \{lender_phone\} alone"):
        ruleset(rule("content", parts=["voicemail"], texts={"en": text}))
    assert ruleset(rule("content", parts=["voicemail"], texts={"en": "{lender}: {lender_phone}"}))


@pytest.mark.parametrize(
    ("text", "lender", "offers"),
    [("TD Finance: 5 USD due", "TD Finance", False), ("TD Finance: 5 USD due. STOP ends it", "TD Finance", True)],
)
def test_a_lenders_name_offers_no_way_to_stop(text: str, lender: str, offers: bool) -> None:
    said = Saying(text, {"lender": (lender,)}, False)
    verdict = check(ask(channel=SMS, saying=said), facts(), ruleset(rule("optout", channels=["sms"])), NOON)
    assert isinstance(verdict, Pass) is offers


@pytest.mark.parametrize(("days_ago", "allowed"), [(0, True), (31, True), (32, False), (-1, False)])
def test_a_look_up_counts_from_the_day_it_was_made_and_not_before(days_ago: int, allowed: bool) -> None:
    known = replace(facts(), checked_on=date(2026, 1, 14) - timedelta(days=days_ago))
    verdict = check(ask(), known, ruleset(rule("number_check", max_age_days=31)), NOON)
    assert isinstance(verdict, Pass) is allowed
