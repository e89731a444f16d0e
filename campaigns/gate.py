"""The gate: may this attempt be placed now? `check` is pure and total; what it cannot know, it denies.

A refusal that waiting cannot cure is a Block and beats every Defer. Of several reasons to wait the one that lasts
longest is named: `until` is the first instant at which that rule would pass.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from campaigns import demands
from campaigns.hours import day_start, intersect, local_date, zone_named
from campaigns.limits import Limit
from campaigns.model import Agreement, Channel, Contact
from campaigns.rulebase import AMBIGUOUS_LINES, RuleBase
from campaigns.rules import Cooloff, ExclusiveChannel, Window
from campaigns.ruleset import HORIZON_DAYS, Ruleset
from campaigns.verdict import Ask, Block, Defer, Facts, LineFacts, Pass, Saw, Saying, Verdict

__all__ = ["Ask", "Block", "Defer", "Facts", "LineFacts", "Pass", "Saying", "Verdict", "check"]

HOLD = timedelta(minutes=1)
"""How long an attempt waits while the dialer is halted or its campaign paused; then it is asked again."""
CLOCK_OFF_MAX_S = 2.0
"""Beyond it nobody knows whether a window is open (case 33)."""
DATED_DAYS = 400
"""How far ahead a rule that holds on some days only is looked after."""

_DAY = timedelta(days=1)


def check(ask: Ask, facts: Facts, rules: Ruleset, now: datetime) -> Verdict:
    """The verdict at `now` (aware, UTC)."""
    if block := _standing_block(ask, facts, rules):
        return block
    asking = _Asking(ask, facts, rules, now)
    if (block := next(asking.unmet(), None)) is not None:
        return block
    if _held(facts, now) is None and next(asking.refusals(), None) is None:
        return Pass(asking.valid_until, tuple(dict.fromkeys(asking.warned)))
    return _refusal(asking)


def _standing_block(ask: Ask, facts: Facts, rules: Ruleset) -> Block | None:
    """The house's own reasons that no waiting cures."""
    line = facts.line
    if facts.campaign not in ("active", "paused"):
        return Block("dialer.cancelled", "the campaign is cancelled")
    if not facts.is_open:
        return Block("dialer.paid", "nothing is left to pay")
    if facts.stopped:
        return Block("dialer.stopped", facts.stopped, {"outcome": facts.stopped})
    if facts.suppressed:
        return Block("dialer.suppressed", facts.suppressed)
    if facts.consent == "no":
        return Block("dialer.consent", f"no consent to {ask.channel}", {"consent": "no"})
    if line is not None and ask.country not in line.allow_countries:
        reason = f"line {line.name} does not reach {ask.country or 'an unknown country'}"
        return Block("dialer.country", reason, {"country": ask.country, "line": line.name})
    if ask.line_type == "premium":
        return Block("dialer.premium", "a premium-rate number", {"line_type": ask.line_type})
    if not ask.zones or None in map(zone_named, ask.zones):
        return Block("dialer.zone", "nobody knows the person's time zone", {"zones": list(ask.zones)}, "fix_data")
    if rules.unknown:
        reason = f"no rule pack knows {rules.unknown}"
        return Block("dialer.jurisdiction", reason, {"jurisdiction": rules.unknown}, "fix_data")
    return None


def _held(facts: Facts, now: datetime) -> Defer | None:
    """The house's own reasons to wait, the longest."""
    line = facts.line
    if line is not None and line.spend_left is not None and line.price > line.spend_left:
        # A reset that is already due has not been counted yet: ask again soon.
        until = max(line.spend_resets_at, now + HOLD)
        saw = {"line": line.name, "price": str(line.price), "left": str(line.spend_left)}
        return Defer(until, "dialer.spend", f"the spend limit of line {line.name} is reached", saw)
    if facts.clock_off_s > CLOCK_OFF_MAX_S:
        reason = f"our clock is off by {facts.clock_off_s:.1f} s, or was just set by so much"
        return Defer(now + HOLD, "dialer.clock", reason, {"off_s": round(facts.clock_off_s, 1)})
    if facts.halted:
        return Defer(now + HOLD, "dialer.halted", facts.halted)
    if facts.campaign == "paused":
        return Defer(now + HOLD, "dialer.paused", "the campaign is paused")
    return None


class _Asking:
    """One question, and what is worked out of it only where a rule needs it."""

    def __init__(self, ask: Ask, facts: Facts, rules: Ruleset, now: datetime) -> None:
        self.ask, self.facts, self.rules, self.now = ask, facts, rules, now
        zone = zone_named(ask.zones[0])
        assert zone is not None, "_standing_block lets no unknown zone through"
        self.zone: ZoneInfo = zone
        self.lead = timedelta(seconds=ask.lead_s)
        self.warned: list[str] = []
        self._closes: datetime | None = None
        self._today: date | None = None

    @property
    def today(self) -> date:
        """The person's local date."""
        if self._today is None:
            self._today = local_date(self.now, self.zone)
        return self._today

    @property
    def valid_until(self) -> datetime:
        """The last instant of the windows that were found open: for a call less the ring time-out."""
        assert self._closes is not None, "refusals() looks at the windows first"
        return self._closes - self.lead if self.ask.channel is Channel.VOICE else self._closes

    def unmet(self) -> Iterator[Block]:
        """What a rule demands and no waiting brings."""
        for rule, is_plain in self.rules.demands[self.ask.channel]:
            if (is_plain or self.binds(rule, self.today)) and (
                block := demands.unmet(rule, self.ask, self.facts, self.today)
            ):
                if rule.on_breach == "warn":
                    self.warned.append(rule.id)
                else:
                    yield block

    def refusals(self) -> Iterator[tuple[RuleBase, Limit | None, datetime | None]]:
        """The windows and limits that refuse now, each with the first instant at which it would not; None: never."""
        yield from self._closed()
        if not self.facts.contacts and not self.rules.requires:
            return
        if self.ask.kind == "confirmation":
            return
        facts, ask, now = self.facts, self.ask, self.now
        made = len(facts.contacts)
        for limit, rule, is_plain in self.rules.limits[ask.channel]:
            if limit.is_required:
                free_at = self._after_notice(limit)
            elif made < limit.max or now - facts.contacts[-limit.max].at > limit.reach:
                continue
            else:
                contacts = self._counting(rule) if facts.agreements and rule.waive else facts.contacts
                free_at = limit.frees_at(contacts, self.zone, ask.whose, ask.channel, now)
            if free_at is None or (free_at is not _NEVER and free_at <= now):
                continue
            if is_plain or self.binds(rule, self.today):
                if rule.on_breach == "warn":
                    self.warned.append(rule.id)
                else:
                    yield rule, limit, self._until(rule, None if free_at is _NEVER else free_at)

    def _after_notice(self, limit: Limit) -> datetime | None:
        """The pause after what has to have happened before; `_NEVER` where it did not."""
        free_at = limit.frees_at(self.facts.contacts, self.zone, self.ask.whose, self.ask.channel, self.now)
        whose = self.ask.whose
        accounts = (limit.is_per_account and whose.accounts) or ("",)
        noticed = [bool(limit.counting(self.facts.contacts, whose, one)) for one in accounts]
        return free_at if all(noticed) else _NEVER

    def _closed(self) -> Iterator[tuple[RuleBase, Limit | None, datetime | None]]:
        """The windows that are closed; finds out when the first of the open ones closes."""
        ask, rules, now = self.ask, self.rules, self.now
        interval = rules.open_at(ask.channel, ask.zones, now)
        if interval is not None and now + self.lead <= interval[1] and not self.facts.agreements:
            self._closes = interval[1]
            looked_at = rules.conditional[ask.channel]
        else:
            looked_at = rules.hours[ask.channel]
            self._closes = _LAST
        for rule in looked_at:
            if not self.binds(rule, self.today):
                continue
            alone = rules.only(rule.id)
            own = alone.open_at(ask.channel, ask.zones, now)
            if own is not None and now + self.lead <= own[1]:
                self._closes = min(self._closes, own[1])
            elif rule.on_breach == "warn":
                self.warned.append(rule.id)
            else:
                yield rule, None, self._until(rule, alone.next_open(ask.channel, ask.zones, now, self.lead))

    def binds(self, rule: RuleBase, day: date) -> bool:
        """Whether the rule holds for this attempt on a local date of the person."""
        ask, line_type = self.ask, self.ask.line_type
        if not rule.in_force(day) or not rule.holds_for_dues(ask.dues, day):
            return False
        if rule.line_type and line_type not in rule.line_type and line_type not in AMBIGUOUS_LINES:
            return False
        if rule.mode and not any(mode in ask.modes for mode in rule.mode):
            return False
        return not (rule.waive and self._is_waived(rule, day))

    def _is_waived(self, rule: RuleBase, day: date) -> bool:
        if "reply" in rule.waive and self.ask.kind == "confirmation":
            return True
        if "express_consent" in rule.waive and self.facts.consent == "yes":
            return True
        return any(lifts(one, rule, day) for one in self.facts.agreements)

    def _counting(self, rule: RuleBase) -> list[Contact]:
        """The contacts less those made while an agreement lifted the rule: they count neither then nor later."""
        return [
            one
            for one in self.facts.contacts
            if not any(lifts(agreed, rule, local_date(one.at, self.zone)) for agreed in self.facts.agreements)
        ]

    def _until(self, rule: RuleBase, own: datetime | None) -> datetime | None:
        """When the rule would pass: at `own` (None: never), or as the first day begins on which it does not hold."""
        if not rule.is_dated:
            return own
        day, last = self.today, own or self.now + DATED_DAYS * _DAY
        while (begins := day_start(day := day + _DAY, self.zone)) < last:
            if not self.binds(rule, day):
                return begins
        return own


_LAST = datetime.max.replace(tzinfo=day_start(date(2026, 1, 1), ZoneInfo("UTC")).tzinfo)
_NEVER = _LAST - timedelta(days=1)


def lifts(agreed: Agreement, rule: RuleBase, day: date) -> bool:
    """Whether what a person agreed to lifts a rule on this local date. The date it was given is the first."""
    if (
        agreed.kind == "reply"
        or agreed.kind not in rule.waive
        or day < agreed.given_on
        or (agreed.until is not None and day > agreed.until)
    ):
        return False
    return rule.waive_dates is None or (day - agreed.given_on).days < rule.waive_dates


def _refusal(asking: _Asking) -> Defer | Block:
    """Why not, and until when: all reasons are gathered, the longest is named."""
    ask, rules, now = asking.ask, asking.rules, asking.now
    waits = [held] if (held := _held(asking.facts, now)) else []
    for rule, limit, until in asking.refusals():
        reason, saw = _why_full(asking, rule, limit) if limit else _why_closed(ask, now)
        if until is None:
            if limit:
                return Block(rule.id, "no notice is on record", saw, "review")
            return Block(rule.id, f"no hour of {HORIZON_DAYS} days is permitted in {_places(ask)}", saw, "fix_data")
        if rule.on_breach == "block":
            return Block(rule.id, reason, saw)
        waits.append(Defer(until, rule.id, reason, saw))
    shut = [wait for wait in waits if isinstance(rules.rules.get(wait.rule), Window)]
    if shut and _never_open(asking):
        longest = max(shut, key=lambda wait: wait.until)
        reason = f"{longest.reason}; no hour of {HORIZON_DAYS} days after is permitted by all rules"
        return Block(longest.rule, reason, longest.saw, "fix_data")
    return max(waits, key=lambda wait: wait.until)


def _never_open(asking: _Asking) -> bool:
    """Whether the windows that hold all that time leave no hour between them, though each has its own."""
    ask, now = asking.ask, asking.now
    last = now + HORIZON_DAYS * _DAY
    days = [asking.today + number * _DAY for number in range(HORIZON_DAYS + 1)]
    legal = [(now, last)]
    for rule in asking.rules.hours[ask.channel]:
        if rule.on_breach != "warn" and all(asking.binds(rule, day) for day in days):
            legal = intersect(legal, asking.rules.only(rule.id).windows(ask.channel, ask.zones, now, last))
    return not legal


def _why_closed(ask: Ask, now: datetime) -> tuple[str, Saw]:
    local = [f"{now.astimezone(zone_named(name)).isoformat(timespec='seconds')}" for name in ask.zones]
    return f"outside the permitted hours in {_places(ask)}", {"zones": list(ask.zones), "local": local}


def _places(ask: Ask) -> str:
    first, *others = ask.zones
    return f"{first} and {len(others)} more zones" if len(others) > 2 else ", ".join(ask.zones)


def _why_full(asking: _Asking, rule: RuleBase, limit: Limit) -> tuple[str, Saw]:
    contacts = asking._counting(rule) if asking.facts.agreements and rule.waive else asking.facts.contacts
    whose = asking.ask.whose
    accounts = (limit.is_per_account and whose.accounts) or ("",)
    made = {id(one): one for account in accounts for one in limit.counting(contacts, whose, account)}
    saw = {
        "max": limit.max,
        "period": str(limit.period),
        "contacts": [
            [one.at.astimezone(asking.zone).isoformat(timespec="seconds"), str(one.channel),
             one.event or (str(one.disposition) if one.disposition else "running")]
            for one in made.values()
        ],
    }  # fmt: skip
    if isinstance(rule, ExclusiveChannel):
        return "another channel was used last", saw
    if isinstance(rule, Cooloff):
        return "too soon after the last contact" if not rule.required else "too soon after the notice", saw
    return f"{limit.max} contacts already, the most per {limit.period}", saw
