"""Local dates and times of places, and days of the calendar."""

from calendar import monthrange
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

ONE_DAY = timedelta(days=1)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CHINA = "Asia/Shanghai"
ONE_CHINA = frozenset({"Asia/Urumqi", "Asia/Kashgar", "Asia/Chongqing", "Asia/Chungking", "Asia/Harbin", "PRC"})
"""Names that mean China's one legal time."""


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo | None:
    """None: there is no such zone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def local(at: datetime, zone: str) -> datetime:
    """In the place's time; in UTC where nobody knows the place."""
    return at.astimezone(zone_of(zone) or UTC)


def instant(day: date, wall: time, zone: str) -> datetime:
    return datetime.combine(day, wall, zone_of(zone) or UTC).astimezone(UTC)


def midnight_after(day: date, zone: str) -> datetime:
    return instant(day + ONE_DAY, time(), zone)


def clamped(year: int, month: int, day: int) -> date:
    """The date, or the month's last day where the month is shorter."""
    return date(year, month, min(day, monthrange(year, month)[1]))


def is_due_day(day: date, due_days: Iterable[int]) -> bool:
    return any(clamped(day.year, day.month, one) == day for one in due_days)


def months_before(day: date, months: int) -> date:
    """So many calendar months earlier: 31 May less 3 is the last day of February."""
    year, month = day.year, day.month - months
    while month < 1:
        year, month = year - 1, month + 12
    return clamped(year, month, day.day)
