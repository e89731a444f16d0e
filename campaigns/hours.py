"""Wall-clock times of a place as UTC intervals: openings, closes, the edges of local days, public holidays.

Everything that crosses a local day is computed from local dates, never by adding 24 hours: a local day may last
23, 24.5 or 25 hours. Instants are aware and UTC; intervals are half-open, [open, close).
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo, reset_tzpath

import holidays

reset_tzpath(to=())  # names and rules from one source, the package tzdata: a system's own may be years old
ZoneInfo.clear_cache()

Interval = tuple[datetime, datetime]

FOREVER: Interval = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))

_ANNOUNCED_YEARLY = frozenset({"CN"})
"""Countries whose government announces each year's holidays; `holidays` computes dates for unpublished years."""


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    return frozenset((files("tzdata") / "zones").read_text(encoding="utf-8").split())


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo | None:
    """The IANA zone of that exact name, or None if there is none."""
    return ZoneInfo(name) if name in _zone_names() else None


@lru_cache(maxsize=4096)
def opening(day: date, wall: time, zone: ZoneInfo) -> datetime:
    """The instant a window opens: at the last occurrence of a repeated wall time, at the jump of a skipped one."""
    return _instant(day, wall.replace(fold=1), zone)


@lru_cache(maxsize=4096)
def closing(day: date, wall: time, zone: ZoneInfo) -> datetime:
    """The instant a window closes: at the first occurrence of a repeated wall time, at the jump of a skipped one."""
    return _instant(day, wall.replace(fold=0), zone)


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a local date; where midnight is skipped, the jump."""
    return closing(day, time(), zone)


def local_date(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date()


def _instant(day: date, wall: time, zone: ZoneInfo) -> datetime:
    local = datetime.combine(day, wall, tzinfo=zone)
    before, after = local.replace(fold=0).utcoffset(), local.replace(fold=1).utcoffset()
    if before is None or after is None or before >= after:
        return local.astimezone(UTC)
    # The wall time is skipped: the jump lies between its two readings, to be found where the offset changes.
    low, high = (local.replace(tzinfo=UTC) - offset for offset in (after, before))
    while high - low > timedelta(microseconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


def join(intervals: Iterable[Interval]) -> list[Interval]:
    """The union, sorted and disjoint; what touches becomes one, what is empty goes."""
    joined: list[Interval] = []
    for opens, closes in sorted(interval for interval in intervals if interval[0] < interval[1]):
        if joined and opens <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(closes, joined[-1][1]))
        else:
            joined.append((opens, closes))
    return joined


def intersect(some: Sequence[Interval], others: Sequence[Interval]) -> list[Interval]:
    """What lies in both; both are sorted and disjoint, and so is the result."""
    common, first, second = [], 0, 0
    while first < len(some) and second < len(others):
        a, b = some[first], others[second]
        opens, closes = max(a[0], b[0]), min(a[1], b[1])
        if opens < closes:
            common.append((opens, closes))
        if a[1] <= b[1]:
            first += 1  # what ends first meets nothing that comes later
        else:
            second += 1
    return common


@lru_cache(maxsize=256)
def public_holidays(place: str, year: int) -> frozenset[date] | None:
    """The public holidays of a country, or of a part of one such as CA-ON, in a year; None if nobody knows that year.

    Unknown are years for which `holidays` only guesses: those of a country that announces each year (told by its
    make-up workdays, which are never computed), and those with estimated dates. Raises NotImplementedError for a
    place the library lacks.
    """
    calendar = _calendar(place, year)
    if place in _ANNOUNCED_YEARLY and not make_up_workdays(place, year):
        return None
    if not calendar or any("estimated" in name for name in calendar.values()):
        return None
    return frozenset(calendar)


@lru_cache(maxsize=256)
def make_up_workdays(place: str, year: int) -> frozenset[date]:
    """Days of weekends on which people work in return for a longer holiday, as far as they are announced."""
    return frozenset(day for day in _calendar(place, year).weekend_workdays if day.year == year)


def _calendar(place: str, year: int) -> holidays.HolidayBase:
    country, _, part = place.partition("-")
    return holidays.country_holidays(country, subdiv=part or None, years=year)
