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
from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from campaigns.hours import FOREVER, Interval, closing, intersect, join, opening, public_holidays, zone_named
from campaigns.limits import CountedEvent, Limit, Period, counted
from campaigns.model import Channel

Actor = Literal["creditor", "third_party"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Text = Annotated[str, Field(min_length=1)]
Day = Annotated[date, Field(strict=True)]
Whole = Annotated[int, Field(strict=True)]

WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HORIZON_DAYS = 14
"""How far ahead an opening is looked for; a person who has none in that time is never called."""

_CACHE_MAX = 100_000


def _wall_time(value: object) -> object:
    if not isinstance(value, str | time):  # seconds since midnight are no way to write a time
        raise ValueError("is not a time of day")
    return value


WallTime = Annotated[
    time,
    BeforeValidator(_wall_time),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9](:.*)?$",
            "examples": ["08:00"],
            "description": 'a time such as "08:00"',
        }
    ),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class DaysPastDue(_Strict):
    """Bounds of the days a debt is overdue, both included."""

    min: Whole = 0
    """At least so many days overdue."""
    max: Whole | None = None
    """At most so many. Without it: no upper bound."""


class RuleBase(_Strict):
    """What every rule says about itself. `effective_to` is the last day in force."""

    id: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9][a-z0-9-]*\.[a-z0-9][a-z0-9_-]*$",
            description='two words in small letters with a point between, such as "cn-gbt.hours"',
        ),
    ]
    """Jurisdiction, a point, the rule's own name: `cn-gbt.hours`. Verdicts and `dialer explain` name it."""
    force: Literal["law", "presumption", "standard", "guidance", "house"]
    """How binding its source is."""
    citation: Text
    """Its source, as `dialer explain` quotes it."""
    url: Text
    """Where the source can be read."""
    grade: Literal["P", "S", "M", "H"]
    """P: the text was read; S: a secondary source; M: from memory, off unless turned on; H: the house's own."""
    checked_on: Day
    """When somebody last compared the rule with its source."""
    actor: Annotated[tuple[Actor, ...], Field(min_length=1)]
    """Whom it binds: creditors themselves, third parties that collect for others, or both."""
    channels: Annotated[tuple[Channel, ...], Field(min_length=1)]
    """What it limits: calls, messages, or both."""
    quote: str = ""
    """The source's own words."""
    effective_from: Day | None = None
    """The first day in force."""
    effective_to: Day | None = None
    """The last day in force."""
    stage: tuple[Literal["pre_due", "overdue", "default"], ...] = ()
    """Kept as information: the rule applies at every stage of the debt."""
    days_past_due: DaysPastDue | None = None
    """Kept as information: the rule applies however long the debt is overdue."""
    mode: tuple[Literal["notify", "interactive"], ...] = ()
    """Kept as information: the rule applies to every kind of contact."""
    line_type: tuple[Literal["mobile", "fixed", "voip"], ...] = ()
    """The kinds of numbers that a cap or cool-off is about. Without it: every number. A number that may be of such a
    kind counts as one; a window applies to all."""
    key: tuple[Literal["person", "debt", "account", "campaign"], ...] = ("person",)
    """Kept as information: contacts are always counted by person, which is at least as strict."""
    pool: tuple[Literal["creditor", "agents"], ...] = ()
    """Kept as information: all contacts count, whoever makes them."""
    waive: tuple[
        Literal["direct_prior_consent", "agreed_frequency", "agreed_hours", "express_consent", "reply"], ...
    ] = ()
    """What lifts the rule. Only `express_consent` is known to the gate: the lender's file says `yes`."""
    on_breach: Literal["defer", "block"] = "defer"
    """Whether an attempt that breaks it waits, or is never made."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.id.startswith("dialer."):
            raise ValueError("ids that begin with dialer. are the gate's own checks; name the jurisdiction instead")
        if self.effective_from and self.effective_to and self.effective_to < self.effective_from:
            raise ValueError("effective_to lies before effective_from")
        return self

    @property
    def contact(self) -> str:
        """What the rule limits, in a word."""
        words = {Channel.VOICE: "call", Channel.SMS: "message"}
        return words[self.channels[0]] if len({*self.channels}) == 1 else "contact"

    def in_force(self, today: date) -> bool:
        begun = self.effective_from is None or self.effective_from <= today
        return begun and (self.effective_to is None or today <= self.effective_to)


class Opening(_Strict):
    """Hours of some days, local time; `from` included, `until` excluded."""

    days: Literal["all", "holidays"] | Annotated[tuple[Weekday, ...], Field(min_length=1)]
    """All days, public holidays, or a list such as ["mon", "tue"]."""
    from_: Annotated[WallTime, Field(alias="from")]
    """The first permitted instant."""
    until: WallTime
    """The end, excluded, on the same day."""

    @model_validator(mode="after")
    def _runs_forward(self) -> Self:
        if self.from_.tzinfo or self.until.tzinfo:
            raise ValueError("a time of day with an offset; write local time, such as 08:00")
        if self.until <= self.from_:
            raise ValueError(f"until {self.until:%H:%M} is not after from {self.from_:%H:%M}; a window ends on its day")
        return self

    def __str__(self) -> str:
        named = {"all": "", "holidays": " on public holidays"}
        days = named[self.days] if isinstance(self.days, str) else f" {'/'.join(self.days)}"
        return f"{self.from_:%H:%M}–{self.until:%H:%M}{days}"


class Window(RuleBase):
    """When contact is permitted. Outside of it none is.

    With `holidays` (a country), a public holiday has only the hours of the entries for `holidays`, none if there are
    none, and a year which the calendar does not know is closed. `guard_s`: opens that many seconds later, for laws
    that say "after 8:00".
    """

    kind: Literal["window"]
    """When contact is permitted."""
    zones: Literal["all_candidates", "stated"] = "all_candidates"
    """Open only where it is open in every zone the person may be in, or in the stated one alone."""
    open: Annotated[tuple[Opening, ...], Field(min_length=1)]
    """The permitted hours. Outside of them there are none."""
    holidays: str | None = None
    """A country whose public holidays have only the hours of the entries for `holidays`."""
    guard_s: Annotated[Whole, Field(ge=0, lt=3600)] = 0
    """Opens so many seconds later, for laws that say "after 8:00"."""
    clock: dict[Channel, Literal["placed", "submitted", "sent"]] = {}
    """Kept as information: the instant of placing is what is looked at."""

    @model_validator(mode="after")
    def _knows_its_holidays(self) -> Self:
        if self.holidays is None and any(entry.days == "holidays" for entry in self.open):
            raise ValueError('hours for holidays without a calendar; add holidays = "COUNTRY"')
        if self.holidays is not None and self.holidays not in holiday_calendars.list_supported_countries():
            raise ValueError(f"no holiday calendar for {self.holidays}; a country of ISO 3166, such as CN")
        return self

    @property
    def says(self) -> str:
        """The rule in words."""
        hours = ", ".join(str(entry) for entry in self.open)
        closed = self.holidays is not None and all(entry.days != "holidays" for entry in self.open)
        none = f", never on public holidays of {self.holidays}" if closed else ""
        where = "every zone the person may be in" if self.zones == "all_candidates" else "the person's stated zone"
        return f"{self.contact}s only {hours}{none}, in {where}"

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
    """How many contacts at most."""
    max: Annotated[Whole, Field(ge=1)]
    """So many contacts of a person."""
    period: Period
    """In this time."""
    count: Annotated[tuple[CountedEvent, ...], Field(min_length=1)]
    """What counts as a contact: one that shows any of these events."""

    @property
    def says(self) -> str:
        """The rule in words."""
        events = " or ".join(self.count).replace("_", " ")
        return f"at most {self.max} {self.contact}{'s' if self.max > 1 else ''} ({events}) in {self.period}"

    @property
    def limit(self) -> Limit:
        return Limit(self.id, self.max, self.period, counted(self.count, self.channels))


class After(_Strict):
    """What a cool-off follows. Which side began it makes no difference."""

    event: CountedEvent
    """What happened."""
    direction: Literal["any", "outbound"] = "any"
    """Kept as information: which side began it makes no difference."""


class Cooloff(RuleBase):
    """No contact on the rule's channels for a period after an event on them: a cap of one."""

    kind: Literal["cooloff"]
    """A pause after an event."""
    after: After
    """The event."""
    period: Period
    """How long the pause is."""

    @property
    def says(self) -> str:
        """The rule in words."""
        return f"no {self.contact} within {self.period} after one ({self.after.event.replace('_', ' ')})"

    @property
    def limit(self) -> Limit:
        return Limit(self.id, 1, self.period, counted((self.after.event,), self.channels))


Rule = Annotated[Window | Cap | Cooloff, Field(discriminator="kind")]


class Pack(_Strict):
    """One jurisdiction's rules, or the house's own: a file of `config/rules`."""

    name: Text
    """What campaigns and settings call it; in a file, by default the file's name without .toml."""
    rules: Annotated[tuple[Rule, ...], Field(min_length=1, validation_alias=AliasChoices("rules", "rule"))]
    """Each of its rules: `[[rule]]`."""

    @model_validator(mode="after")
    def _names_each_rule_once(self) -> Self:
        ids = [rule.id for rule in self.rules]
        if twice := sorted({rule_id for rule_id in ids if ids.count(rule_id) > 1}):
            raise ValueError(f"rule ids used twice: {', '.join(twice)}; accepted: each id once")
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
