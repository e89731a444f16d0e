"""Rules in words: every kind and every word of a pack's vocabulary in Chinese, and Chinese that is Chinese."""

import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest

from campaigns.limits import ContactChannel, CountedEvent, Key, PeriodType
from campaigns.rulebase import Mode, Stage, Waive
from campaigns.rules import AnyRule, Cap, Cooloff, Pack, Part, Role, Said
from campaigns.window import WEEKDAYS
from campaigns.words import says
from tests.support.law import RULES, rule

LATIN = re.compile(r"[A-Za-z]+")
OPEN = [{"days": "all", "from": "08:00", "until": "20:00"}]
DAY = {"type": "calendar_day"}
AFTER = {"event": "placed"}
BASE: dict[str, dict[str, Any]] = {
    "window": rule("window", open=OPEN),
    "cap": rule("cap", max=3, period=DAY, count=["connected"]),
    "cooloff": rule("cooloff", after=AFTER, period=DAY),
    "exclusive_channel": rule("exclusive_channel", after=AFTER, period=DAY),
    "party": rule("party", roles=["borrower"]),
    "consent": rule("consent"),
    "optout": rule("optout"),
    "content": rule("content", parts=["call"], says_all=["lender"]),
    "ring": rule("ring", min_s=15),
    "number_check": rule("number_check", max_age_days=31),
    "ratio": rule("ratio", max_percent=3, days=30),
    "retention": rule("retention", keep_days=731),
}
"""One rule of each kind, as short as it can be."""
EXAMPLES: list[tuple[str, dict[str, Any], str]] = [
    ("window", {}, "仅可于每天 08:00–20:00 拨打电话，以对方可能所在的所有时区为准"),
    ("window", {"zones": "stated", "channels": ["sms"]}, "仅可于每天 08:00–20:00 发送短信，以对方登记的时区为准"),
    (
        "window",
        {"holidays": "CO", "channels": ["voice", "sms"]},
        "仅可于每天 08:00–20:00 联系，哥伦比亚公共假日不得联系，以对方可能所在的所有时区为准",
    ),
    ("cap", {}, "每人每天最多接通3次电话"),
    (
        "cap",
        {"key": ["person", "debt"], "count": ["conversation", "delivered"], "channels": ["voice", "sms"]},
        "每人就每笔债务每天最多联系3次（电话、短信；计入真人通话、短信送达）",
    ),
    (
        "cap",
        {
            "count": ["placed"],
            "armed_by": "conversation",
            "period": {"type": "consecutive_dates", "length": 7},
            "days_past_due": {"min": 31},
        },
        "债务逾期不少于31天时，每人连续7天内最多拨打3次电话，自首次真人通话起计",
    ),
    ("cap", {"pool": ["agents"], "mode": ["notify"]}, "单向告知的电话：每人每天最多接通3次电话，仅计受托机构的联系"),
    ("cooloff", {"period": {"type": "rolling_elapsed", "unit": "hours"}}, "拨出后1小时内，不得再拨打电话"),
    (
        "cooloff",
        {"after": {"event": "notice"}, "required": True, "period": {"type": "consecutive_dates", "length": 6}},
        "须先有书面通知，且通知当日起6天内不得拨打电话",
    ),
    ("exclusive_channel", {"after": {"event": "conversation"}}, "真人通话当日，只可沿用该次的联系方式"),
    ("party", {"channels": ["voice", "sms"], "roles": ["borrower", "guarantor"]}, "仅可联系借款人或保证人"),
    ("consent", {"line_type": ["mobile"]}, "未经对方明示同意，不得向手机号码拨打电话"),
    ("optout", {"channels": ["sms"]}, "每条短信须提供拒绝联系的方式"),
    ("content", {"forbids": ["amount"]}, "电话开场白：须说明机构名称；不得透露金额"),
    ("ring", {"on_breach": "warn"}, "电话至少振铃15秒；违反时仅提示"),
    ("number_check", {}, "号码未在最近31天内核验的，不得拨打电话"),
    ("ratio", {}, "活动在30天内的弃呼不得超过真人接听电话的3%"),
    ("retention", {}, "记录至少保存731天"),
    (
        "consent",
        {"waive": ["direct_prior_consent"], "waive_dates": 7, "stage": ["overdue", "default"]},
        "债务已逾期时，未经对方明示同意，不得拨打电话；对方事先直接同意的除外（自同意之日起7天内有效）",
    ),
]


ALIKE = {"debt", "account"}
"""Two keys of one meaning."""


def built(kind: str, **changes: Any) -> AnyRule:
    [found] = Pack.model_validate({"name": "test", "rules": [{**BASE[kind], **changes}]}).rules
    return found


def vocabulary() -> list[tuple[str, dict[str, Any]]]:
    """Every word of the closed lists, in a rule that may say it."""
    both = ["voice", "sms"]
    found: list[tuple[str, dict[str, Any]]] = [(kind, {}) for kind in BASE]
    for event in get_args(CountedEvent):
        found.append(("cap", {"count": [event], "channels": both}))
        found.append(("cap", {"count": [event]}))
        found.append(("cap", {"armed_by": event}))
        found.append(("cooloff", {"after": {"event": event}}))
    for kind in get_args(PeriodType):
        for length in (1, 5):
            found.append(("cap", {"period": {"type": kind, "length": length}}))
            if kind != "anchored_first":
                found.append(("cooloff", {"period": {"type": kind, "length": length}}))
    for unit in ("minutes", "hours", "days"):
        found.append(("cap", {"period": {"type": "rolling_elapsed", "length": 2, "unit": unit}}))
    found += [("cooloff", {"period": {"type": "calendar_week", "day_one": "next"}})]
    found += [("cap", {"key": [key, "person"] if key != "person" else [key]}) for key in get_args(Key)]
    found += [("cap", {"count_channels": [channel]}) for channel in get_args(ContactChannel)]
    found += [("cooloff", {"after": {"event": "placed", "channels": [one]}}) for one in get_args(ContactChannel)]
    found += [("window", {"open": [{**OPEN[0], "days": [day]}]}) for day in WEEKDAYS]
    found += [
        ("window", {"holidays": "CN", "open": [*OPEN, {**OPEN[0], "days": day}]}) for day in ("workdays", "holidays")
    ]
    found += [("content", {"says_all": [said]}) for said in get_args(Said)]
    found += [("content", {"parts": [part]}) for part in get_args(Part) if part != "voicemail"]
    found += [("content", {"parts": ["voicemail"], "says_all": [], "texts": {"en": "{lender}"}})]
    found += [("party", {"roles": [role]}) for role in get_args(Role)]
    found += [("ring", {"stage": [stage]}) for stage in get_args(Stage)]
    found += [("ring", {"mode": [mode]}) for mode in get_args(Mode)]
    found += [("ring", {"waive": [waive]}) for waive in get_args(Waive)]
    found += [("ring", {"line_type": [line]}) for line in ("mobile", "fixed", "voip")]
    found += [("ring", {"days_past_due": {"min": 1, "max": 9}, "on_breach": "warn"})]
    return found


def test_there_is_a_rule_of_every_kind() -> None:
    assert {type(built(kind)) for kind in BASE} == set(get_args(AnyRule))


@pytest.mark.parametrize(("kind", "changes"), vocabulary())
def test_every_word_of_a_pack_is_told_in_both_languages(kind: str, changes: dict[str, Any]) -> None:
    found = built(kind, **changes)
    assert not LATIN.search(says(found, "zh-CN"))
    assert "None" not in says(found, "en")
    assert "_" not in says(found, "en")


@pytest.mark.parametrize(("kind", "changes", "text"), EXAMPLES)
def test_a_rule_in_chinese(kind: str, changes: dict[str, Any], text: str) -> None:
    assert says(built(kind, **changes), "zh") == text


@pytest.mark.parametrize("kind", BASE)
def test_rules_of_different_meaning_are_told_differently(kind: str) -> None:
    """A word that is left out of the sentence would make two rules say the same."""
    told: dict[str, str] = {}
    for one, changes in vocabulary():
        if one == kind:
            found = built(kind, **changes)
            assert told.setdefault(says(found, "zh"), meaning(found)) == meaning(found), changes


def meaning(found: AnyRule) -> str:
    """What a rule does, whatever way it is written."""
    if isinstance(found, Cap | Cooloff):
        limit = found.limit
        # A date is a date: calendar days in a row.
        period = str(limit.period.model_dump()).replace("calendar_day", "consecutive_dates")
        counts, arms = (sorted(f"{c} {shown}" for c, shown in some) for some in (limit.counted, limit.armed_by))
        keys = sorted(limit.keys - {"creditor"} - ALIKE), bool(limit.keys & ALIKE)
        return str((limit.max, period, counts, keys, arms))
    return found.model_dump_json()


@pytest.mark.parametrize("file", sorted(RULES.glob("*.toml")), ids=lambda file: file.stem)
def test_the_packs_that_come_with_the_dialer_are_told(file: Path) -> None:
    data = tomllib.loads(file.read_text(encoding="utf-8"))
    for one in Pack.model_validate({"name": file.stem, **data}).rules:
        words = getattr(one, "words", ())
        calendar = getattr(one, "holidays", None) or ""
        own = {word for text in (*words, calendar) for word in LATIN.findall(text)}
        assert set(LATIN.findall(says(one, "zh"))) <= own, one.id
        assert says(one, "en").startswith(one.says)


def test_conditions_are_told_in_english_too() -> None:
    found = built("consent", waive=["direct_prior_consent"], waive_dates=7, stage=["overdue", "default"])
    assert says(found, "en") == (
        "no call without the person's express consent; while a debt is overdue; unless the person consented directly "
        "before, for 7 dates"
    )
