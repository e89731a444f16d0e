"""The gate: may this attempt be placed now? `check` is pure and total; what it cannot know, it denies.

A refusal that waiting cannot cure is a Block and beats every Defer. Of several reasons to wait the one that lasts
longest is named, and `until` is moved on to an instant at which the windows are open as well.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from campaigns.hours import zone_named
from campaigns.limits import Limit
from campaigns.model import Channel, Contact
from campaigns.rules import HORIZON_DAYS, Cooloff, Ruleset

HOLD = timedelta(minutes=1)
"""How long an attempt waits while the dialer is halted or its campaign paused; then it is asked again."""

_AMBIGUOUS_LINES = frozenset({"", "unknown", "fixed_or_mobile"})


@dataclass(frozen=True, slots=True)
class Pass:
    """May be placed until `valid_until`: for a call its last instant, included; for a message the close, excluded."""

    valid_until: datetime


@dataclass(frozen=True, slots=True)
class Defer:
    """Not now; `until` is the earliest instant at which all that is known now permits it."""

    until: datetime
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Block:
    """Never."""

    rule: str
    reason: str


Verdict = Pass | Defer | Block


@dataclass(slots=True)
class Ask:
    """One attempt as the gate sees it. `zones` are all the person may be in, the stated one first."""

    channel: Channel
    zones: tuple[str, ...]
    country: str
    """Of the number, ISO 3166 alpha-2; empty: unknown."""
    line_type: str
    ring_s: float
    """The ring time-out in seconds: a call must be able to ring for so long before the close. Nothing to a message."""


@dataclass(slots=True)
class LineFacts:
    """The line the attempt would take."""

    name: str
    allow_countries: frozenset[str]
    price: Decimal
    """What this attempt may cost at most."""
    spend_left: Decimal | None
    """None: no limit."""
    spend_resets_at: datetime


@dataclass(slots=True)
class Facts:
    """What is known at this instant. Empty strings mean "not so"; a text is the reason."""

    halted: str
    campaign: str
    """`active`, `paused` or `cancelled`."""
    is_open: bool
    """The installment is still to be paid."""
    stopped: str
    suppressed: str
    consent: str
    """For this channel: `yes`, `no` or empty (unknown)."""
    contacts: Sequence[Contact]
    """This person's, of all campaigns, oldest first."""
    line: LineFacts | None
    """None: no line is chosen yet; what belongs to a line is then not checked."""


def check(ask: Ask, facts: Facts, rules: Ruleset, now: datetime) -> Verdict:
    """The verdict at `now` (aware, UTC)."""
    if block := _standing_block(ask, facts):
        return block
    lead = timedelta(seconds=ask.ring_s) if ask.channel is Channel.VOICE else timedelta()
    interval = rules.open_at(ask.channel, ask.zones, now)
    if (
        interval is not None
        and now + lead <= interval[1]
        and _held(facts, now) is None
        and next(_full(ask, facts, rules, now), None) is None
    ):
        return Pass(interval[1] - lead)
    return _refusal(ask, facts, rules, now, lead)


def _standing_block(ask: Ask, facts: Facts) -> Block | None:
    """The house's own reasons that no waiting cures."""
    line = facts.line
    if facts.campaign not in ("active", "paused"):
        return Block("dialer.cancelled", "the campaign is cancelled")
    if not facts.is_open:
        return Block("dialer.paid", "nothing is left to pay")
    if facts.stopped:
        return Block("dialer.stopped", facts.stopped)
    if facts.suppressed:
        return Block("dialer.suppressed", facts.suppressed)
    if facts.consent == "no":
        return Block("dialer.consent", f"no consent to {ask.channel}")
    if line is not None and ask.country not in line.allow_countries:
        return Block("dialer.country", f"line {line.name} does not reach {ask.country or 'an unknown country'}")
    if ask.line_type == "premium":
        return Block("dialer.premium", "a premium-rate number")
    if not ask.zones or None in map(zone_named, ask.zones):
        return Block("dialer.zone", "nobody knows the person's time zone")
    return None


def _held(facts: Facts, now: datetime) -> Defer | None:
    """The house's own reasons to wait, the longest."""
    line = facts.line
    if line is not None and line.spend_left is not None and line.price > line.spend_left:
        # A reset that is already due has not been counted yet: ask again soon.
        until = max(line.spend_resets_at, now + HOLD)
        return Defer(until, "dialer.spend", f"the spend limit of line {line.name} is reached")
    if facts.halted:
        return Defer(now + HOLD, "dialer.halted", facts.halted)
    if facts.campaign == "paused":
        return Defer(now + HOLD, "dialer.paused", "the campaign is paused")
    return None


def _full(ask: Ask, facts: Facts, rules: Ruleset, now: datetime) -> Iterator[tuple[Limit, datetime]]:
    """The caps and cool-offs that leave no room now, each with the instant from which it does."""
    if not facts.contacts:
        return
    zone = zone_named(ask.zones[0])
    assert zone is not None, "_standing_block lets no unknown zone through"
    for limit in rules.limits[ask.channel]:
        free_at = limit.frees_at(facts.contacts, zone)
        if free_at is not None and free_at > now and _binds(limit, ask, facts, rules):
            yield limit, free_at


def _binds(limit: Limit, ask: Ask, facts: Facts, rules: Ruleset) -> bool:
    rule = rules.rules[limit.rule]
    if "express_consent" in rule.waive and facts.consent == "yes":
        return False
    return not rule.line_type or ask.line_type in rule.line_type or ask.line_type in _AMBIGUOUS_LINES


def _refusal(ask: Ask, facts: Facts, rules: Ruleset, now: datetime, lead: timedelta) -> Defer | Block:
    """Why not, and until when: all reasons are gathered, the longest is named."""
    waits = [held] if (held := _held(facts, now)) else []
    waits += [Defer(free_at, limit.rule, _why_full(limit, rules)) for limit, free_at in _full(ask, facts, rules, now)]
    for window in rules.hours[ask.channel]:
        until = rules.only(window.id).next_open(ask.channel, ask.zones, now, lead)
        if until is None:
            return Block(window.id, f"no hour of {HORIZON_DAYS} days is permitted in {_places(ask)}")
        if until > now:
            waits.append(Defer(until, window.id, f"outside the permitted hours in {_places(ask)}"))
    for wait in waits:
        if wait.rule in rules.rules and rules.rules[wait.rule].on_breach == "block":
            return Block(wait.rule, wait.reason)
    longest = max(waits, key=lambda wait: wait.until)
    until = rules.next_open(ask.channel, ask.zones, longest.until, lead)
    if until is None:
        return Block(longest.rule, f"{longest.reason}; no hour of {HORIZON_DAYS} days after is permitted by all rules")
    return Defer(until, longest.rule, longest.reason)


def _places(ask: Ask) -> str:
    first, *others = ask.zones
    return f"{first} and {len(others)} more zones" if len(others) > 2 else ", ".join(ask.zones)


def _why_full(limit: Limit, rules: Ruleset) -> str:
    if isinstance(rules.rules[limit.rule], Cooloff):
        return "too soon after the last contact"
    return f"{limit.max} contacts already, the most per {limit.period}"
