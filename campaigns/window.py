"""A window: when contact is permitted, in the local time of the places where the person may be."""

from datetime import date, time, timedelta
from functools import lru_cache
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

import holidays as holiday_calendars
from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from campaigns.hours import Interval, closing, day_start, join, make_up_workdays, opening, public_holidays
from campaigns.model import Channel
from campaigns.rulebase import Day, RuleBase, Strict, Whole

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SATURDAY = 5


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


def _days(days: tuple[Weekday, ...]) -> str:
    """`mon–fri`, or `mon/wed` where they do not follow each other."""
    first, last = WEEKDAYS.index(days[0]), WEEKDAYS.index(days[-1])
    return f"{days[0]}–{days[-1]}" if len(days) > 2 and WEEKDAYS[first : last + 1] == days else "/".join(days)


class Opening(Strict):
    """Hours of some days, local time; `from` included, `until` excluded."""

    days: Literal["all", "holidays", "workdays"] | Annotated[tuple[Weekday, ...], Field(min_length=1)]
    """All days, public holidays, or a list such as ["mon", "tue"]. `workdays`: Monday to Friday without the holidays of
    the window's calendar, and the days of weekends on which work is made up for."""
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
        named = {"all": "", "holidays": " on public holidays", "workdays": " on workdays"}
        days = named[self.days] if isinstance(self.days, str) else f" {_days(self.days)}"
        return f"{self.from_:%H:%M}–{self.until:%H:%M}{days}"


@lru_cache(maxsize=512)
def _supported(calendar: str) -> bool:
    country, _, part = calendar.partition("-")
    known = holiday_calendars.list_supported_countries(include_aliases=False)
    return country in known and (not part or part in known[country])


class Window(RuleBase):
    """When contact is permitted. Outside of it none is.

    With `holidays` (a calendar) or `holiday_dates` (a list), a public holiday has only the hours of the entries for
    `holidays`, none if there are none, and a year which calendar or list does not know is closed. `guard_s`: opens that
    many seconds later, for laws that say "after 8:00".
    """

    kind: Literal["window"]
    """When contact is permitted."""
    zones: Literal["all_candidates", "stated"] = "all_candidates"
    """Open only where it is open in every zone the person may be in, or in the stated one alone."""
    open: Annotated[tuple[Opening, ...], Field(min_length=1)]
    """The permitted hours. Outside of them there are none."""
    holidays: str | None = None
    """A country, or a part of one such as "CA-ON", whose public holidays have only the hours for `holidays`."""
    holiday_dates: Annotated[tuple[Day, ...], Field(min_length=1)] | None = None
    """A statute's own holidays, date by date: where no calendar has them all. Their years must be whole."""
    guard_s: Annotated[Whole, Field(ge=0, lt=3600)] = 0
    """Opens so many seconds later, for laws that say "after 8:00"."""
    clock: dict[Channel, Literal["placed", "submitted", "sent"]] = Field({})
    """Whose clock counts. A message is handed over early enough, and with a validity, for all of them."""

    @model_validator(mode="after")
    def _knows_its_holidays(self) -> Self:
        if self.holidays is not None and self.holiday_dates is not None:
            raise ValueError("holidays twice, by calendar and by dates; accepted: one of holidays, holiday_dates")
        named = [entry.days for entry in self.open if entry.days in ("holidays", "workdays")]
        if not self.has_holidays and named:
            raise ValueError(f'hours for {named[0]} without a calendar; add holidays = "COUNTRY"')
        if self.holidays is not None and not _supported(self.holidays):
            raise ValueError(f"no holiday calendar for {self.holidays}; a country of ISO 3166, such as CN, or CA-ON")
        return self

    @property
    def has_holidays(self) -> bool:
        return self.holidays is not None or self.holiday_dates is not None

    @property
    def says(self) -> str:
        """The rule in words."""
        hours = ", ".join(str(entry) for entry in self.open)
        closed = self.has_holidays and all(entry.days != "holidays" for entry in self.open)
        whose = f" of {self.holidays}" if self.holidays else ""
        none = f", never on public holidays{whose}" if closed else ""
        where = "every zone the person may be in" if self.zones == "all_candidates" else "the person's stated zone"
        return f"{self.contact}s only {hours}{none}, in {where}"

    def intervals(self, day: date, zone: ZoneInfo) -> list[Interval]:
        """What is open in a place on a UTC day: whole intervals, also where they begin before it or end after it.

        On a local date on which the rule is not in force all of the day is open."""
        guard = timedelta(seconds=self.guard_s)
        found: list[Interval] = []
        for local in (day + timedelta(days=n) for n in (-1, 0, 1)):
            if not self.in_force(local):
                found.append((day_start(local, zone), day_start(local + timedelta(days=1), zone)))
                continue
            for entry in self._entries(local):
                found.append((opening(local, entry.from_, zone) + guard, closing(local, entry.until, zone)))
        return join(found)

    def _entries(self, day: date) -> list[Opening]:
        if self.has_holidays:
            known = self.known_holidays(day.year)
            if known is None:
                return []
            if day in known:
                return [entry for entry in self.open if entry.days == "holidays"]
        weekday = WEEKDAYS[day.weekday()]
        made_up = self.holidays is not None and day in make_up_workdays(self.holidays, day.year)
        fitting = {"all", "workdays"} if day.weekday() < SATURDAY or made_up else {"all"}
        return [entry for entry in self.open if entry.days in fitting or weekday in entry.days]

    def known_holidays(self, year: int) -> frozenset[date] | None:
        """The holidays of a year; None: not known, so it is closed."""
        if self.holidays:
            return public_holidays(self.holidays, year)
        return frozenset(day for day in self.holiday_dates or () if day.year == year) or None
