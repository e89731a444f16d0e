"""docs/rules.md shows real rules, one of every kind, and names every field."""

import tomllib
from typing import get_args

from campaigns.rulebase import RuleBase
from campaigns.rules import Rule
from tests.style.pages import blocks
from tests.style.source import ROOT

PACKS = [tomllib.loads(file.read_text(encoding="utf-8")) for file in (ROOT / "config" / "rules").glob("*.toml")]
SHOWN = [rule for block in blocks("docs/rules.md", "toml") for rule in tomllib.loads(block).get("rule", [])]


def test_every_example_stands_in_a_pack_as_it_is_shown() -> None:
    real = [rule for pack in PACKS for rule in pack["rule"]]
    assert [rule["id"] for rule in SHOWN if rule not in real] == []


def test_every_kind_has_one_example() -> None:
    kinds = [kind for one in get_args(get_args(Rule)[0]) for kind in get_args(one.model_fields["kind"].annotation)]
    assert sorted(rule["kind"] for rule in SHOWN) == sorted(kinds)


def test_every_field_of_a_rule_is_explained() -> None:
    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    assert [name for name in RuleBase.model_fields if f"`{name}`" not in page] == []


def test_every_house_reading_is_listed() -> None:
    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    ids = [rule["id"] for pack in PACKS for rule in pack["rule"] if rule["force"] == "house"]
    assert [one for one in ids if not one.startswith("house.") and f"`{one}`" not in page] == []
