"""Short words for tests of the law: rules, rulesets, instants, and what the gate is asked."""

import tomllib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from campaigns.gate import Ask, Defer, Facts, LineFacts, Pass, Verdict, check
from campaigns.model import Channel, Contact, Disposition
from campaigns.rules import Pack
from campaigns.ruleset import Ruleset, merge

RULES = Path(__file__).parents[2] / "config" / "rules"
SHANGHAI, EASTERN, PACIFIC, HONOLULU, EASTER = (
    "Asia/Shanghai",
    "America/New_York",
    "America/Los_Angeles",
    "Pacific/Honolulu",
    "Pacific/Easter",
)
VOICE, SMS = Channel.VOICE, Channel.SMS
HUMAN, MACHINE, NO_ANSWER, BUSY = Disposition.HUMAN, Disposition.MACHINE, Disposition.NO_ANSWER, Disposition.BUSY
TICK = timedelta(microseconds=1)
COMMON: dict[str, Any] = {
    "force": "house",
    "actor": ["creditor"],
    "channels": ["voice"],
    "citation": "a test",
    "url": "tests",
    "grade": "H",
    "checked_on": date(2026, 11, 23),
}


@cache
def shipped(*names: str, actor: str = "creditor", relaxed: frozenset[str] = frozenset()) -> Ruleset:
    packs = [Pack.model_validate(tomllib.loads((RULES / f"{name}.toml").read_text(encoding="utf-8"))) for name in names]
    return merge(packs, actor, relaxed=relaxed)


def rule(kind: str, rule_id: str | None = None, **fields: Any) -> dict[str, Any]:
    return {**COMMON, "kind": kind, "id": rule_id or f"test.{kind}", **fields}


def window(first: str, until: str) -> dict[str, Any]:
    return rule("window", open=[{"days": "all", "from": first, "until": until}])


class Everywhere:
    """A rulebook in which the same rules bind everybody."""

    def __init__(self, rules: Ruleset) -> None:
        self.everywhere = rules

    def of(self, regions: tuple[str, ...], country: str, more: tuple[str, ...] = ()) -> Ruleset:
        return self.everywhere


def ruleset(*rules: dict[str, Any]) -> Ruleset:
    return merge([Pack.model_validate({"name": "test", "rules": rules})], "creditor")


def at(text: str, zone: str = SHANGHAI) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def ask(*zones: str, channel: Channel = VOICE, ring_s: float = 0, line_type: str = "mobile", **more: Any) -> Ask:
    return Ask(channel, zones or (SHANGHAI,), "CN", line_type, ring_s, **more)


def line(**changes: Any) -> LineFacts:
    fields = LineFacts("main", frozenset({"CN"}), Decimal("0.60"), None, at("2026-01-15T00:00"))
    return replace(fields, **changes)


def facts(contacts: Sequence[Contact] = (), **changes: Any) -> Facts:
    return replace(Facts("", "active", True, "", "", "", contacts, line()), **changes)


def calls(disposition: Disposition | None, *instants: datetime, channel: Channel = VOICE, **more: Any) -> list[Contact]:
    return [Contact(instant, channel, disposition, **more) for instant in instants]


def elsewhere(event: str, *instants: datetime, channel: str = "voice", **more: Any) -> list[Contact]:
    """Contacts that others made, or the person began."""
    return [Contact(instant, channel, None, event=event, **more) for instant in instants]


def passes(rules: Ruleset, now: datetime, *zones: str, contacts: Sequence[Contact] = (), ring_s: float = 0) -> bool:
    return isinstance(check(ask(*zones, ring_s=ring_s), facts(contacts), rules, now), Pass)


def deferred(verdict: Verdict) -> tuple[str, datetime]:
    assert isinstance(verdict, Defer), verdict
    return verdict.rule, verdict.until


def first_pass(question: Ask, known: Facts, rules: Ruleset, now: datetime) -> datetime | None:
    """The first instant from `now` on that passes, as `explain` finds it; None: never."""
    for _ in range(20):
        verdict = check(question, known, rules, now)
        if isinstance(verdict, Pass):
            return now
        if not isinstance(verdict, Defer):
            return None
        now = verdict.until
    return None
