"""What the referee reads of a campaign's file: whom it is about, its rounds, what stops and pauses them."""

import tomllib
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from dialer.referee.days import WEEKDAYS, instant, is_due_day

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Round:
    """One place in the cadence. `ordinal` counts the windows of its day, from 0."""

    number: int
    offset: int
    ordinal: int
    begins: time
    ends: time

    @property
    def spot(self) -> tuple[int, int]:
        return self.offset, self.ordinal

    def window(self, due_on: date, zone: str) -> tuple[datetime, datetime]:
        day = due_on + timedelta(days=self.offset)
        return instant(day, self.begins, zone), instant(day, self.ends, zone)


@dataclass(frozen=True, slots=True)
class Segment:
    name: str
    priority: int
    late: tuple[int, int, int | None] | None
    """(months, min, max); None: it takes everybody."""
    rounds: tuple[Round, ...]

    def round(self, number: int) -> Round | None:
        return self.rounds[number - 1] if 0 < number <= len(self.rounds) else None


@dataclass(frozen=True, slots=True)
class File:
    """One version of a campaign."""

    name: str
    due_days: tuple[int, ...]
    first: date | None
    last: date | None
    min_amount: Decimal
    combine: bool
    skip: frozenset[date]
    weekdays: frozenset[str]
    segments: tuple[Segment, ...]
    stop_on: frozenset[str]
    pauses: dict[str, timedelta | str]
    packs: tuple[str, ...]

    def segment(self, name: str) -> Segment | None:
        return next((one for one in self.segments if one.name == name), None)

    def is_about(self, due_on: date) -> bool:
        """Whether installments that fall due that day are the campaign's."""
        inside = (self.first is None or self.first <= due_on) and (self.last is None or due_on <= self.last)
        return inside and is_due_day(due_on, self.due_days)

    def contacts_on(self, day: date) -> bool:
        return day not in self.skip and (not self.weekdays or WEEKDAYS[day.weekday()] in self.weekdays)

    def rounds_of(self, segment: Segment, due_on: date) -> list[Round]:
        """Those that take place: none on skipped days."""
        return [one for one in segment.rounds if self.contacts_on(due_on + timedelta(days=one.offset))]


def read_file(text: str) -> File:
    """Raises ValueError, KeyError or TypeError for what is no campaign: such a file was never in force."""
    data = tomllib.loads(text.removeprefix("\ufeff"))
    audience, stop = data["audience"], data.get("stop", {})
    return File(
        str(data["name"]), tuple(audience["due_days"]), audience.get("from"), audience.get("until"),
        Decimal(audience.get("min_amount", "0.01")), bool(audience.get("combine", False)),
        frozenset(audience.get("skip", ())), frozenset(audience.get("weekdays", ())),
        tuple(_segment(one) for one in data["segment"]), frozenset(stop.get("on", ())),
        {said: value if value == "promise" else _duration(value) for said, value in stop.get("pause", {}).items()},
        tuple(data.get("packs", ())),
    )  # fmt: skip


def _segment(data: dict[str, Any]) -> Segment:
    spots = sorted(
        (day, _wall(begins), _wall(ends))
        for one in data["rounds"]
        for day in one["days"]
        for begins, ends in one["between"]
    )
    rounds: list[Round] = []
    for number, (day, begins, ends) in enumerate(spots, 1):
        ordinal = sum(one.offset == day for one in rounds)
        rounds.append(Round(number, day, ordinal, begins, ends))
    late = data.get("late")
    return Segment(
        data["name"],
        data.get("priority", 0),
        late and (late["months"], late.get("min", 0), late.get("max")),
        tuple(rounds),
    )


def _wall(value: Any) -> time:
    return value if isinstance(value, time) else time.fromisoformat(value)


def _duration(value: str) -> timedelta:
    return timedelta(seconds=int(value[:-1]) * SECONDS[value[-1]])
