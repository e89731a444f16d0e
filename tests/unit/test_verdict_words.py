"""Why the gate refuses, in both languages: every own check, every kind of rule, and the facts it saw."""

import ast
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest

from campaigns.gate import Ask, Block, Defer, Facts, Saying, check
from campaigns.limits import COUNTED, Whose
from campaigns.model import Contact, Disposition
from campaigns.rules import AnyRule, Said
from campaigns.ruleset import Ruleset
from dialer.explain_words import TOLD_MAX, listed, tongue
from dialer.packs import OWN_CHECKS
from dialer.report_words import PLAIN
from dialer.verdict_words import PARTS, contact, seen, warned, why
from tests.support.law import EASTERN, NO_ANSWER, SHANGHAI, SMS, VOICE, ask, at, facts, line, rule, ruleset

ROOT = Path(__file__).parents[2]
ZH, EN = tongue("zh-CN"), tongue("en")
LATIN = re.compile(r"[A-Za-z_]+")
NOON = at("2026-01-14T12:00")
OPEN = [{"days": "all", "from": "08:00", "until": "20:00"}]
DAY = {"type": "calendar_day"}
CALLED = [Contact(NOON - timedelta(minutes=n), "voice", NO_ANSWER, "P", "+86", by="creditor") for n in (168, 20)]
LETTER = Contact(NOON - timedelta(days=1), "letter", None, "P", "+86", by="creditor", event="notice")


def question(*zones: str, **changes: Any) -> Ask:
    return replace(ask(*zones), whose=Whose("P", "+86", "1", ("L-1",)), **changes)


def said(text: str, offers_stop: bool = False) -> Any:
    return Saying(text, {"amount": ("100",), "lender": ("Harbour",)}, offers_stop)


REFUSALS: list[tuple[str, dict[str, Any], Ask, Facts, str, str, str]] = [
    ("window", {"open": OPEN}, question(EASTERN), facts(),
     "不在 America/New_York 的允许时段内", "outside the permitted hours in America/New_York",
     "23:00:00 in America/New_York"),
    ("window", {"open": [{"days": ["mon"], "from": "08:00", "until": "08:01"}]},
     question(lead_s=90), facts(),
     "Asia/Shanghai 在 14 天内没有允许的时段", "no hour of 14 days is permitted in Asia/Shanghai",
     "12:00:00 in Asia/Shanghai"),
    ("cap", {"max": 2, "period": DAY, "count": ["placed"]}, question(), facts(CALLED),
     "已达每天最多 2 次的上限", "2 contacts already, the most in 1 calendar day",
     "11:40 call, no answer; 09:12 call, no answer"),
    ("cooloff", {"after": {"event": "placed"}, "period": DAY}, question(), facts(CALLED),
     "距上一次联系太近", "too soon after the last contact", "11:40 call, no answer"),
    ("cooloff", {"after": {"event": "notice"}, "period": DAY, "required": True}, question(), facts(),
     "没有书面通知的记录", "no notice is on record", ""),
    ("cooloff", {"after": {"event": "notice"}, "period": {**DAY, "length": 6}, "required": True}, question(),
     facts([LETTER]), "距书面通知太近", "too soon after the notice", "01-13 12:00 letter, notice"),
    ("exclusive_channel", {"after": {"event": "placed"}, "period": DAY, "channels": ["sms"]}, question(channel=SMS),
     facts(CALLED), "上一次用了另一种联系方式", "another channel was used last", "11:40 call, no answer"),
    ("party", {"roles": ["borrower"]}, question(roles=("guarantor",)), facts(),
     "不得联系保证人", "the guarantor may not be contacted", ""),
    ("consent", {}, question(), facts(),
     "没有明示同意的记录；资料记载：未知", "no express consent is on record; the file says: unknown", ""),
    ("optout", {}, question(saying=said("hello")), facts(),
     "没有说明拒绝联系的方式", "it does not name a way to stop", ""),
    ("content", {"parts": ["call"], "says_all": ["lender"]}, question(saying=said("hello")), facts(),
     "没有说明机构名称", "it does not name the lender", ""),
    ("content", {"parts": ["call"], "forbids": ["amount"]}, question(saying=said("you owe 100")), facts(),
     "透露了金额", "it tells the amount", ""),
    ("ring", {"min_s": 15}, question(lead_s=9.5), facts(), "只会振铃 9.5 秒", "it would ring 9.5 s only", ""),
    ("number_check", {"max_age_days": 31}, question(), facts(),
     "号码从未核验", "the number was never looked up", ""),
    ("number_check", {"max_age_days": 31}, question(), facts(checked_on=date(2025, 11, 1)),
     "号码上次核验于 2025-11-01", "the number was looked up last on 2025-11-01", ""),
    ("ratio", {"max_percent": 3, "days": 30}, question(), facts(abandoned=(4, 100)),
     "100 次接听中有 4 次弃呼", "4 of 100 answered calls were abandoned", ""),
]  # fmt: skip


def refused(rules: Ruleset, asked: Ask, known: Facts) -> Defer | Block:
    verdict = check(asked, known, rules, NOON)
    assert isinstance(verdict, Defer | Block), verdict
    return verdict


@pytest.mark.parametrize(("kind", "fields", "asked", "known", "zh", "en", "facts_seen"), REFUSALS)
def test_each_kind_of_rule_says_why_and_what_it_saw(
    kind: str, fields: dict[str, Any], asked: Ask, known: Facts, zh: str, en: str, facts_seen: str
) -> None:
    rules = ruleset(rule(kind, **fields))
    verdict = refused(rules, asked, known)
    [one] = rules.rules.values()
    told = [why(one.id, one, verdict.saw, "", words, isinstance(verdict, Block)) for words in (ZH, EN)]
    assert told == [zh, en]
    local = NOON.astimezone(ZoneInfo(SHANGHAI))
    assert seen(verdict.saw, local, EN) == facts_seen
    chinese = seen(verdict.saw, local, ZH)
    assert bool(chinese) == bool(facts_seen)
    assert set(LATIN.findall(chinese)) <= {"America", "New_York", "Asia", "Shanghai"}


def test_every_kind_that_can_refuse_is_there() -> None:
    kinds = {kind for one in get_args(AnyRule) for kind in get_args(one.model_fields["kind"].annotation)}
    assert {kind for kind, *_ in REFUSALS} == kinds - {"retention"}  # it says how long records are kept


OWN: list[tuple[str, Mapping[str, Any], Ask, Ruleset, str]] = [
    ("dialer.cancelled", {"campaign": "cancelled"}, question(), ruleset(rule("consent")), "活动已取消"),
    ("dialer.paid", {"is_open": False}, question(), ruleset(rule("consent")), "已无应还款"),
    ("dialer.stopped", {"stopped": "disputed"}, question(), ruleset(rule("consent")), "因此前的答复而停止：有异议"),
    ("dialer.suppressed", {"suppressed": "suppressed"}, question(), ruleset(rule("consent")), "本人或号码已停止联系"),
    ("dialer.consent", {"consent": "no"}, question(), ruleset(rule("consent")), "未同意此联系方式：资料记载为不同意"),
    ("dialer.country", {"line": line(allow_countries=frozenset())}, question(), ruleset(rule("consent")),
     "线路 main 不能拨打 CN"),
    ("dialer.premium", {}, question(line_type="premium"), ruleset(rule("consent")), "高额收费号码"),
    ("dialer.zone", {}, question(zones=("Nowhere/City",)), ruleset(rule("consent")), "对方所在时区不明"),
    ("dialer.jurisdiction", {}, question(), Ruleset([], "where the person is"), "没有规则包适用于对方所在地区"),
    ("dialer.spend", {"line": line(spend_left=0)}, question(), Ruleset([]), "线路 main 的费用已达上限"),
    ("dialer.clock", {"clock_off_s": 3.25}, question(), Ruleset([]), "本机时钟偏差 3.2 秒"),
    ("dialer.halted", {"halted": "文本有误"}, question(), Ruleset([]), "全部停拨中：文本有误"),
    ("dialer.paused", {"campaign": "paused"}, question(), Ruleset([]), "活动暂停中"),
]  # fmt: skip
"""What the gate refuses by itself; `dialer.live_call` is the claim's."""


def own_ids() -> set[str]:
    """Every id of an own check, as the code that refuses writes it."""
    files = [ROOT / "campaigns/gate.py", ROOT / "dialer/claim.py", ROOT / "dialer/diff.py"]
    texts = [
        node.value
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return {text for text in texts if re.fullmatch(r"dialer\.\w+", text)}


def test_every_own_check_has_words() -> None:
    assert {check_id for check_id, *_ in OWN} | {"dialer.live_call", "dialer.fault"} == own_ids()
    assert own_ids() == {name for name in PLAIN if name.startswith(OWN_CHECKS)}
    for check_id in own_ids():
        assert not LATIN.search(ZH.rule(check_id)), check_id
        assert EN.rule(check_id) == PLAIN[check_id]


@pytest.mark.parametrize(("check_id", "changes", "asked", "rules", "zh"), OWN)
def test_each_own_check_says_why(check_id: str, changes: Any, asked: Ask, rules: Ruleset, zh: str) -> None:
    verdict = refused(rules, asked, facts(**changes))
    assert verdict.rule == check_id
    assert why(check_id, None, verdict.saw, verdict.reason, ZH) == zh
    assert why(check_id, None, verdict.saw, verdict.reason, EN)


def test_another_call_to_the_number_is_told() -> None:
    stored = "another call to this number is running"
    assert why("dialer.live_call", None, None, stored, ZH) == "该号码正在另一通话中"
    assert why("dialer.live_call", None, None, stored, EN) == stored


def test_a_fault_of_our_own_is_told() -> None:
    stored = "a fault of the dialer: it could not be decided about; tried again every 10 minutes"
    assert why("dialer.fault", None, None, stored, ZH) == "程序故障,无法判断;每10分钟重试一次"
    assert why("dialer.fault", None, None, stored, EN) == stored


def test_a_verdict_without_facts_keeps_its_stored_reason_and_masks_it() -> None:
    stored = "3 contacts already, asked by +8613800138001"
    for words in (ZH, EN):
        assert why("house.daily", None, None, stored, words) == "3 contacts already, asked by +86138****8001"
    assert seen(None, NOON, ZH) == ""


def test_a_rule_that_left_its_pack_is_told_from_the_facts_alone() -> None:
    saw = {"max": 3, "period": "2 calendar weeks", "contacts": [[NOON.isoformat(), "voice", "busy"]]}
    assert why("gone.cap", None, saw, "", ZH) == "已达规则周期内最多 3 次的上限"
    assert why("gone.cap", None, saw, "", EN) == "3 contacts already, the most in 2 calendar weeks"


@pytest.mark.parametrize("event", sorted({*COUNTED, *map(str, Disposition), "running"}))
@pytest.mark.parametrize("channel", ["voice", "sms", "letter", "visit"])
def test_whatever_counted_is_told_in_chinese(channel: str, event: str) -> None:
    assert not LATIN.search(contact([NOON.isoformat(), channel, event], NOON, ZH))
    assert "_" not in contact([NOON.isoformat(), channel, event], NOON, EN)


def test_what_a_text_may_tell_has_words() -> None:
    assert {*get_args(Said), "stop"} == set(PARTS)
    assert not [part for part in PARTS.values() if LATIN.search(ZH.say(part))]


def test_braces_of_an_operator_are_text() -> None:
    assert why("dialer.halted", None, {}, "{name} {0}", EN) == "everything was halted: {name} {0}"
    assert why("dialer.suppressed", None, {}, "{0}", ZH) == "{0}"


def test_a_long_list_of_facts_is_counted() -> None:
    many = [str(n) for n in range(TOLD_MAX + 3)]
    assert listed(EN, many) == "0, 1, 2, 3, 4 more"
    assert listed(ZH, many[:TOLD_MAX]) == "0、1、2、3、4"


def test_a_pass_tells_what_only_warned() -> None:
    stored = "although it breaks house.daily, us-ma.2in7, which only warns"
    assert warned(stored, EN) == stored
    assert warned(stored, ZH) == "虽违反仅作提示的规则 house.daily、us-ma.2in7"


def test_an_instant_of_another_day_has_its_date() -> None:
    evening = datetime(2026, 1, 13, 23, 59, tzinfo=UTC)
    assert contact([evening.isoformat(), str(VOICE), "busy"], NOON, EN) == "01-13 23:59 call, busy"
