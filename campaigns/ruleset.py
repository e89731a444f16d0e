"""The rules in force for one attempt, merged from packs and made ready to be asked often.

Merging never loosens: windows are intersected, every cap and cool-off holds, whatever a rule demands is demanded. The
order of packs makes no difference.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar

from campaigns.hours import FOREVER, Interval, intersect, zone_named
from campaigns.limits import Limit
from campaigns.model import Channel
from campaigns.rulebase import RuleBase
from campaigns.rules import AnyRule, Content, Cooloff, Counting, Demand, OptOut, Pack, Ratio, Window

HORIZON_DAYS = 14
"""How far ahead an opening is looked for; a person who has none in that time is never called."""

_CACHE_MAX = 100_000
R = TypeVar("R", bound=RuleBase)


class Ruleset:
    """The rules in force for one attempt. Without a window rule all hours are open.

    `unknown`: the jurisdiction for which there is no pack; nobody there may be contacted. Empty: all are known.
    """

    def __init__(self, rules: Iterable[AnyRule], unknown: str = "") -> None:
        self.rules: Mapping[str, AnyRule] = {rule.id: rule for rule in sorted(rules, key=lambda r: r.id)}
        self.unknown = unknown
        self.hours: dict[Channel, tuple[Window, ...]] = {}
        self.steady: dict[Channel, tuple[Window, ...]] = {}
        """Windows that hold for every attempt of the channel: their intersection is worked out once a day and place."""
        self.conditional: dict[Channel, tuple[Window, ...]] = {}
        self.limits: dict[Channel, tuple[tuple[Limit, Counting, bool], ...]] = {}
        """Each with its rule, and whether that always holds."""
        self.demands: dict[Channel, tuple[tuple[Demand, bool], ...]] = {}
        """What no waiting cures: party, consent, opt-out, content, ring, number check, ratio. As above."""
        for channel in Channel:
            bound = [rule for rule in self.rules.values() if channel in rule.channels]
            hours = tuple(rule for rule in bound if isinstance(rule, Window))
            self.hours[channel] = hours
            self.steady[channel] = tuple(rule for rule in hours if _is_steady(rule))
            self.conditional[channel] = tuple(rule for rule in hours if not _is_steady(rule))
            self.limits[channel] = tuple(
                (rule.limit, rule, _is_plain(rule)) for rule in bound if isinstance(rule, Counting)
            )
            self.demands[channel] = tuple(
                (rule, _is_plain(rule))
                for rule in bound
                if isinstance(rule, Demand)
                and not (isinstance(rule, OptOut) and not rule.offered)
                and not (isinstance(rule, Content) and rule.parts == ("voicemail",))
            )
        self.needs_text = {
            channel: any(isinstance(rule, Content | OptOut) for rule, _ in found)
            for channel, found in self.demands.items()
        }
        """Whether the gate looks at what is said."""
        self.requires = any(isinstance(rule, Cooloff) and rule.required for rule in self.rules.values())
        """Whether something has to have happened before anybody is contacted."""
        self.ratio_days = max((rule.days for rule in self.of_kind(Ratio)), default=0)
        """The period of the ratios, of which the gate wants a campaign's calls; 0: no rule has one."""
        self._messages: dict[str, str | None] = {}
        self._days: dict[tuple[Channel, tuple[str, ...], int], tuple[Interval, ...]] = {}
        self._spans: dict[tuple[Channel, tuple[str, ...], int, int], Sequence[Interval]] = {}
        self._alone: dict[str, Ruleset] = {}

    @property
    def look_back(self) -> timedelta:
        """So far back the gate wants to know a person's contacts."""
        found = (limit.look_back for some in self.limits.values() for limit, _, _ in some)
        return max(found, default=timedelta())

    @property
    def counts_by_account(self) -> bool:
        """Whether a limit asks which accounts a contact was about."""
        return any(limit.is_per_account for some in self.limits.values() for limit, _, _ in some)

    def of_kind(self, kind: type[R]) -> list[R]:
        return [rule for rule in self.rules.values() if isinstance(rule, kind)]

    @property
    def stop_words(self) -> frozenset[str]:
        """Texts that mean stop, by the packs."""
        return frozenset(word for rule in self.of_kind(OptOut) for word in rule.words)

    def limited_message(self, language: str) -> str | None:
        """What may be left on a machine: the packs' own words in the language, empty where they have none in it.

        None: no pack says; the script's own words are left."""
        if language not in self._messages:
            self._messages[language] = self._limited_message(language)
        return self._messages[language]

    def _limited_message(self, language: str) -> str | None:
        found = [rule.texts for rule in self.of_kind(Content) if "voicemail" in rule.parts and rule.texts]
        if not found:
            return None
        tags = (language, language.partition("-")[0])
        return next((texts[tag] for texts in found for tag in tags if tag in texts), "")

    def windows(self, channel: Channel, zones: tuple[str, ...], first: datetime, last: datetime) -> list[Interval]:
        """All intervals that overlap [first, last) and that every window rule permits, the conditional ones included:
        whole, sorted, disjoint, UTC. No zone, or an unknown one: none."""
        days = first.astimezone(UTC).toordinal(), last.astimezone(UTC).toordinal()
        found = self._span(channel, zones, *days)
        return [(opens, closes) for opens, closes in found if opens < last and closes > first]

    def _span(self, channel: Channel, zones: tuple[str, ...], first: int, last: int) -> Sequence[Interval]:
        """The same for all intervals that these days (UTC) have part in."""
        key = (channel, zones, first, last)
        if (known := self._spans.get(key)) is None:
            found: list[Interval] = []
            for day in range(first, last + 1):
                found += [one for one in self._day(channel, zones, day) if not found or one[0] > found[-1][0]]
            for rule in self.conditional[channel]:
                found = intersect(found, self.only(rule.id)._span(channel, zones, first, last))
            if len(self._spans) >= _CACHE_MAX:
                self._spans.clear()
            known = self._spans[key] = found
        return known

    def open_at(self, channel: Channel, zones: tuple[str, ...], at: datetime) -> Interval | None:
        """The interval of the steady windows that contains this instant (UTC)."""
        for interval in self._day(channel, zones, at.toordinal()):
            if interval[0] <= at < interval[1]:
                return interval
        return None

    def next_open(
        self, channel: Channel, zones: tuple[str, ...], at: datetime, lead: timedelta = timedelta()
    ) -> datetime | None:
        """The first instant from `at` on at which the steady windows are open and stay so for `lead`; None: not
        within 14 days."""
        for day in range(at.toordinal(), at.toordinal() + HORIZON_DAYS + 1):
            for opens, closes in self._day(channel, zones, day):
                start = max(opens, at)
                if start < closes and start + lead <= closes:
                    return start if start <= at + timedelta(days=HORIZON_DAYS) else None
        return None

    def only(self, rule_id: str) -> "Ruleset":
        """One of the rules alone: what would hold if there were no other. A window is steady there. Raises KeyError."""
        if rule_id not in self._alone:
            alone = self._alone[rule_id] = Ruleset([self.rules[rule_id]])
            alone.steady, alone.conditional = alone.hours, dict.fromkeys(Channel, ())
        return self._alone[rule_id]

    def _day(self, channel: Channel, zones: tuple[str, ...], day: int) -> tuple[Interval, ...]:
        key = (channel, zones, day)
        if (known := self._days.get(key)) is None:
            if len(self._days) >= _CACHE_MAX:
                self._days.clear()
            known = self._days[key] = tuple(self._intersection(channel, zones, date.fromordinal(day)))
        return known

    def _intersection(self, channel: Channel, zones: tuple[str, ...], day: date) -> list[Interval]:
        places = [place for name in zones if (place := zone_named(name))]
        if not zones or len(places) < len(zones):
            return []
        legal = [FOREVER]
        for rule in self.steady[channel]:
            for place in places if rule.zones == "all_candidates" else places[:1]:
                legal = intersect(legal, rule.intervals(day, place))
        start = datetime.combine(day, time(), UTC)
        return [(opens, closes) for opens, closes in legal if closes > start and opens < start + timedelta(days=1)]


def _is_plain(rule: RuleBase) -> bool:
    return not (rule.is_conditional or rule.is_dated)


def _is_steady(rule: Window) -> bool:
    """Effective dates are in the window's own intervals; only what an attempt brings along makes it conditional."""
    return not rule.is_conditional and rule.on_breach != "warn"


def merge(
    packs: Sequence[Pack],
    actor: str,
    grade_m: frozenset[str] = frozenset(),
    relaxed: frozenset[str] = frozenset(),
    unknown: str = "",
) -> Ruleset:
    """The rules of all packs that bind this actor's reminders and are verified, or named in `grade_m`.

    `relaxed`: ids of rules of force `house` that are left out. The order of packs makes no difference; effective dates
    are looked at when the gate is asked. Raises ValueError for an unknown actor, and for one id with two meanings.
    """
    if actor not in ("creditor", "third_party"):
        raise ValueError(f"unknown actor {actor}; creditor or third_party")
    merged: dict[str, AnyRule] = {}
    for pack in packs:
        for rule in pack.rules:
            if not binds_reminders(rule, actor, grade_m, relaxed):
                continue
            if merged.setdefault(rule.id, rule) != rule:
                raise ValueError(
                    f"rule {rule.id} of pack {pack.name} is another one elsewhere; give it an id of its own"
                )
    return Ruleset(merged.values(), unknown)


def binds_reminders(rule: RuleBase, actor: str, grade_m: frozenset[str], relaxed: frozenset[str]) -> bool:
    """Whether a rule holds for this actor's reminders at all, whatever the attempt."""
    if actor not in rule.actor or (rule.purpose and "reminder" not in rule.purpose):
        return False
    if rule.grade == "M" and rule.id not in grade_m:
        return False
    return not (rule.force == "house" and rule.id in relaxed)
