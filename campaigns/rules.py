"""Rule packs: the models of their rules, and how packs are merged into the rules in force.

The vocabulary is that of a pack file (`config/rules/*.toml`). Fields that narrow where a rule applies (`stage`,
`days_past_due`, `mode`, `key`, `pool`, and `line_type` of a window) are read and reported but not yet decided: such a
rule applies always, and counts all contacts of the person, which is at least as strict. Merging never loosens:
windows are intersected, every cap and cool-off holds.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

import holidays as holiday_calendars
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from campaigns.hours import FOREVER, Interval, closing, intersect, join, opening, public_holidays, zone_named
from campaigns.limits import CountedEvent, Limit, Period, counted
from campaigns.model import Channel

Actor = Literal["creditor", "third_party"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Text = Annotated[str, Field(min_length=1)]

WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HORIZON_DAYS = 14
"""How far ahead an opening is looked for; a person who has none in that time is never called."""

_CACHE_MAX = 100_000


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class DaysPastDue(_Strict):
    """Bounds of the days a debt is overdue, both included."""

    min: int = 0
    max: int | None = None


class RuleBase(_Strict):
    """What every rule says about itself. `effective_to` is the last day in force."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*\.[a-z0-9][a-z0-9_-]*$")]
    force: Literal["law", "presumption", "standard", "guidance", "house"]
    citation: Text
    url: Text
    grade: Literal["P", "S", "M", "H"]
    """P: the text was read; S: a secondary source; M: from memory, off unless turned on; H: the house's own."""
    checked_on: date
    actor: Annotated[tuple[Actor, ...], Field(min_length=1)]
    channels: Annotated[tuple[Channel, ...], Field(min_length=1)]
    quote: str = ""
    effective_from: date | None = None
    effective_to: date | None = None
    stage: tuple[Literal["pre_due", "overdue", "default"], ...] = ()
    days_past_due: DaysPastDue | None = None
    mode: tuple[Literal["notify", "interactive"], ...] = ()
    line_type: tuple[Literal["mobile", "fixed", "voip"], ...] = ()
    """Empty: every line. A number that may be of such a type counts as one."""
    key: tuple[Literal["person", "debt", "account", "campaign"], ...] = ("person",)
    pool: tuple[Literal["creditor", "agents"], ...] = ()
    waive: tuple[
        Literal["direct_prior_consent", "agreed_frequency", "agreed_hours", "express_consent", "reply"], ...
    ] = ()
    """Of these only `express_consent` is known to the gate: the lender's file says `yes`."""
    on_breach: Literal["defer", "block"] = "defer"

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.id.startswith("dialer."):
            raise ValueError("ids that begin with dialer. are the gate's own checks; name the jurisdiction instead")
        if self.effective_from and self.effective_to and self.effective_to < self.effective_from:
            raise ValueError("effective_to lies before effective_from")
        return self

    def in_force(self, today: date) -> bool:
        begun = self.effective_from is None or self.effective_from <= today
        return begun and (self.effective_to is None or today <= self.effective_to)


class Opening(_Strict):
    """Hours of some days, local time; `from` included, `until` excluded."""

    days: Literal["all", "holidays"] | Annotated[tuple[Weekday, ...], Field(min_length=1)]
    from_: Annotated[time, Field(alias="from")]
    until: time

    @model_validator(mode="after")
    def _runs_forward(self) -> Self:
        if self.from_.tzinfo or self.until.tzinfo:
            raise ValueError("a time of day with an offset; write local time, such as 08:00")
        if self.until <= self.from_:
            raise ValueError(f"until {self.until:%H:%M} is not after from {self.from_:%H:%M}; a window ends on its day")
        return self


class Window(RuleBase):
    """When contact is permitted. Outside of it none is.

    With `holidays` (a country), a public holiday has only the hours of the entries for `holidays`, none if there are
    none, and a year which the calendar does not know is closed. `guard_s`: opens that many seconds later, for laws
    that say "after 8:00".
    """

    kind: Literal["window"]
    zones: Literal["all_candidates", "stated"] = "all_candidates"
    open: Annotated[tuple[Opening, ...], Field(min_length=1)]
    holidays: str | None = None
    guard_s: Annotated[int, Field(ge=0, lt=3600)] = 0
    clock: dict[Channel, Literal["placed", "submitted", "sent"]] = {}

    @model_validator(mode="after")
    def _knows_its_holidays(self) -> Self:
        if self.holidays is None and any(entry.days == "holidays" for entry in self.open):
            raise ValueError('hours for holidays without a calendar; add holidays = "COUNTRY"')
        if self.holidays is not None and self.holidays not in holiday_calendars.list_supported_countries():
            raise ValueError(f"no holiday calendar for {self.holidays}; a country of ISO 3166, such as CN")
        return self

    def intervals(self, day: date, zone: ZoneInfo) -> list[Interval]:
        """What is open in a place on a UTC day: whole intervals, also where they begin before it or end after it."""
        guard = timedelta(seconds=self.guard_s)
        return join(
            (opening(local, entry.from_, zone) + guard, closing(local, entry.until, zone))
            for local in (day + timedelta(days=n) for n in (-1, 0, 1))
            for entry in self._entries(local)
        )

    def _entries(self, day: date) -> list[Opening]:
        if self.holidays:
            known = public_holidays(self.holidays, day.year)
            if known is None:
                return []
            if day in known:
                return [entry for entry in self.open if entry.days == "holidays"]
        weekday = WEEKDAYS[day.weekday()]
        return [entry for entry in self.open if entry.days == "all" or weekday in entry.days]


class Cap(RuleBase):
    """At most `max` contacts that show one of the events of `count`, on the rule's channels, in a period."""

    kind: Literal["cap"]
    max: Annotated[int, Field(ge=1)]
    period: Period
    count: Annotated[tuple[CountedEvent, ...], Field(min_length=1)]

    @property
    def limit(self) -> Limit:
        return Limit(self.id, self.max, self.period, counted(self.count, self.channels))


class After(_Strict):
    """What a cool-off follows. Which side began it makes no difference."""

    event: CountedEvent
    direction: Literal["any", "outbound"] = "any"


class Cooloff(RuleBase):
    """No contact on the rule's channels for a period after an event on them: a cap of one."""

    kind: Literal["cooloff"]
    after: After
    period: Period

    @property
    def limit(self) -> Limit:
        return Limit(self.id, 1, self.period, counted((self.after.event,), self.channels))


Rule = Annotated[Window | Cap | Cooloff, Field(discriminator="kind")]


class Pack(_Strict):
    """One jurisdiction's rules, or the house's own: a file of `config/rules`."""

    name: Text
    rules: Annotated[tuple[Rule, ...], Field(min_length=1, validation_alias=AliasChoices("rules", "rule"))]

    @model_validator(mode="after")
    def _names_each_rule_once(self) -> Self:
        ids = [rule.id for rule in self.rules]
        if twice := sorted({rule_id for rule_id in ids if ids.count(rule_id) > 1}):
            raise ValueError(f"rule ids used twice: {', '.join(twice)}")
        return self


class Ruleset:
    """The rules in force for one campaign, made ready to be asked often. Without a window rule all hours are open."""

    def __init__(self, rules: Sequence[Window | Cap | Cooloff]) -> None:
        self.rules: Mapping[str, Window | Cap | Cooloff] = {rule.id: rule for rule in sorted(rules, key=lambda r: r.id)}
        self.hours: dict[Channel, tuple[Window, ...]] = {}
        self.limits: dict[Channel, tuple[Limit, ...]] = {}
        for channel in Channel:
            bound = [rule for rule in self.rules.values() if channel in rule.channels]
            self.hours[channel] = tuple(rule for rule in bound if isinstance(rule, Window))
            self.limits[channel] = tuple(rule.limit for rule in bound if not isinstance(rule, Window))
        self._days: dict[tuple[Channel, tuple[str, ...], int], tuple[Interval, ...]] = {}
        self._alone: dict[str, Ruleset] = {}

    @property
    def look_back(self) -> timedelta:
        """So far back the gate wants to know a person's contacts."""
        return max((limit.period.look_back for found in self.limits.values() for limit in found), default=timedelta())

    def windows(self, channel: Channel, zones: tuple[str, ...], first: datetime, last: datetime) -> list[Interval]:
        """All legal intervals that overlap [first, last): whole, sorted, disjoint, UTC.

        They are the intersection over every window rule for the channel and every zone it looks at. No zone, or an
        unknown one: none.
        """
        found: list[Interval] = []
        for day in range(first.astimezone(UTC).toordinal(), last.astimezone(UTC).toordinal() + 1):
            for opens, closes in self._day(channel, zones, day):
                if opens < last and closes > first and (not found or opens > found[-1][0]):
                    found.append((opens, closes))
        return found

    def open_at(self, channel: Channel, zones: tuple[str, ...], at: datetime) -> Interval | None:
        """The legal interval that contains this instant (UTC)."""
        for interval in self._day(channel, zones, at.toordinal()):
            if interval[0] <= at < interval[1]:
                return interval
        return None

    def next_open(
        self, channel: Channel, zones: tuple[str, ...], at: datetime, lead: timedelta = timedelta()
    ) -> datetime | None:
        """The first instant from `at` on that is open and stays so for `lead`; None: not within 14 days."""
        for day in range(at.toordinal(), at.toordinal() + HORIZON_DAYS + 1):
            for opens, closes in self._day(channel, zones, day):
                start = max(opens, at)
                if start < closes and start + lead <= closes:
                    return start if start <= at + timedelta(days=HORIZON_DAYS) else None
        return None

    def only(self, rule_id: str) -> "Ruleset":
        """One of the rules alone: what would hold if there were no other. Raises KeyError."""
        if rule_id not in self._alone:
            self._alone[rule_id] = Ruleset([self.rules[rule_id]])
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
        for rule in self.hours[channel]:
            for place in places if rule.zones == "all_candidates" else places[:1]:
                legal = intersect(legal, rule.intervals(day, place))
        start = datetime.combine(day, time(), UTC)
        return [(opens, closes) for opens, closes in legal if closes > start and opens < start + timedelta(days=1)]


def merge(
    packs: Sequence[Pack], actor: str, today: date | None = None, grade_m: frozenset[str] = frozenset()
) -> Ruleset:
    """The rules of all packs that bind this actor, are in force today and are verified, or named in `grade_m`.

    Without `today` a rule applies whatever its dates. The order of packs makes no difference. Raises ValueError for
    an unknown actor, and for one id with two meanings.
    """
    if actor not in ("creditor", "third_party"):
        raise ValueError(f"unknown actor {actor}; creditor or third_party")
    merged: dict[str, Window | Cap | Cooloff] = {}
    for pack in packs:
        for rule in pack.rules:
            if actor not in rule.actor or (rule.grade == "M" and rule.id not in grade_m):
                continue
            if today is not None and not rule.in_force(today):
                continue
            if merged.setdefault(rule.id, rule) != rule:
                raise ValueError(
                    f"rule {rule.id} of pack {pack.name} is another one elsewhere; give it an id of its own"
                )
    return Ruleset(list(merged.values()))
