"""Due days, calendar months, and the days on which a campaign may contact people."""

from calendar import monthrange
from collections.abc import Collection
from datetime import date
from functools import lru_cache

from campaigns.file import WEEKDAYS, Audience


def clamped(year: int, month: int, day: int) -> date:
    """The date, or the month's last day where the month is shorter."""
    return date(year, month, min(day, monthrange(year, month)[1]))


def is_due_day(due_on: date, due_days: Collection[int]) -> bool:
    """Whether `due_on` is one of the days of month; 30 means the last day where the month is shorter."""
    return any(clamped(due_on.year, due_on.month, day) == due_on for day in due_days)


@lru_cache(maxsize=1024)
def months_before(day: date, months: int) -> date:
    """`months` calendar months earlier, clamped: 31 May − 3 months is the last day of February."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return clamped(year, month + 1, day.day)


def is_due_in(due_on: date, audience: Audience) -> bool:
    """Whether the campaign is about this due date: one of its due days, inside its bounds (both included)."""
    if audience.from_ is not None and due_on < audience.from_:
        return False
    if audience.until is not None and due_on > audience.until:
        return False
    return is_due_day(due_on, audience.due_days)


def is_contact_day(day: date, audience: Audience) -> bool:
    """Whether the campaign contacts anybody on this local date: not a skipped day, and one of its weekdays, if any."""
    if day in audience.skip:
        return False
    return not audience.weekdays or WEEKDAYS[day.weekday()] in audience.weekdays
