"""Due days and months at their clamps; days of contact."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.calendar import is_contact_day, is_due_day, is_due_in, months_before
from campaigns.file import Audience

DAYS = st.dates(date(1990, 1, 1), date(2100, 12, 31))


def audience(**fields: Any) -> Audience:
    return Audience.model_validate({"due_days": [15, 30], **fields})


@pytest.mark.parametrize(
    ("due_on", "due_days", "is_due"),
    [
        (date(2026, 1, 15), [15, 30], True),
        (date(2026, 1, 14), [15, 30], False),
        (date(2026, 1, 30), [15, 30], True),
        (date(2026, 1, 31), [15, 30], False),
        (date(2026, 2, 28), [15, 30], True),
        (date(2026, 2, 27), [15, 30], False),
        (date(2028, 2, 28), [30], False),
        (date(2028, 2, 29), [30], True),
        (date(2026, 3, 30), [30], True),
        (date(2026, 3, 28), [30], False),
        (date(2026, 4, 30), [31], True),
        (date(2026, 4, 29), [31], False),
        (date(2026, 5, 30), [31], False),
        (date(2026, 5, 31), [31], True),
        (date(2026, 2, 28), [29], True),
        (date(2026, 2, 28), [28], True),
    ],
)
def test_due_days_clamp_to_the_last_day(due_on: date, due_days: list[int], is_due: bool) -> None:
    assert is_due_day(due_on, due_days) is is_due


@given(DAYS, st.integers(1, 31))
def test_every_month_has_each_due_day_exactly_once(any_day: date, due_day: int) -> None:
    first = any_day.replace(day=1)
    month = [first + timedelta(days=n) for n in range(31) if (first + timedelta(days=n)).month == first.month]
    assert sum(is_due_day(day, [due_day]) for day in month) == 1


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2026, 5, 31), 3, date(2026, 2, 28)),
        (date(2028, 5, 31), 3, date(2028, 2, 29)),
        (date(2026, 1, 15), 3, date(2025, 10, 15)),
        (date(2026, 3, 30), 1, date(2026, 2, 28)),
        (date(2026, 12, 31), 1, date(2026, 11, 30)),
        (date(2026, 12, 31), 12, date(2025, 12, 31)),
        (date(2026, 1, 1), 1, date(2025, 12, 1)),
        (date(2026, 6, 30), 0, date(2026, 6, 30)),
    ],
)
def test_months_before_are_calendar_months(day: date, months: int, expected: date) -> None:
    assert months_before(day, months) == expected


@given(DAYS, st.integers(0, 120))
def test_months_before_keep_the_day_or_clamp_it(day: date, months: int) -> None:
    earlier = months_before(day, months)
    assert (day.year - earlier.year) * 12 + day.month - earlier.month == months
    assert earlier.day == day.day or (earlier.day < day.day and (earlier + timedelta(days=1)).day == 1)


@pytest.mark.parametrize(
    ("due_on", "is_in"),
    [
        (date(2026, 1, 15), True),
        (date(2025, 12, 30), False),
        (date(2026, 6, 30), True),
        (date(2026, 7, 15), False),
        (date(2026, 3, 16), False),
    ],
)
def test_an_audience_bounds_its_due_dates_both_ends_included(due_on: date, is_in: bool) -> None:
    bounded = audience(**{"from": date(2026, 1, 15), "until": date(2026, 6, 30)})
    assert is_due_in(due_on, bounded) is is_in


def test_an_audience_without_bounds_goes_on() -> None:
    assert is_due_in(date(1999, 2, 28), audience())
    assert is_due_in(date(2099, 12, 15), audience())


@pytest.mark.parametrize(
    ("day", "fields", "is_contact"),
    [
        (date(2026, 2, 17), {}, True),
        (date(2026, 2, 17), {"skip": [date(2026, 2, 17)]}, False),
        (date(2026, 2, 18), {"skip": [date(2026, 2, 17)]}, True),
        (date(2026, 2, 16), {"weekdays": ["mon", "fri"]}, True),
        (date(2026, 2, 17), {"weekdays": ["mon", "fri"]}, False),
        (date(2026, 2, 22), {"weekdays": ["sun"]}, True),
        (date(2026, 2, 22), {"weekdays": ["sun"], "skip": [date(2026, 2, 22)]}, False),
    ],
)
def test_contact_days(day: date, fields: dict[str, Any], is_contact: bool) -> None:
    assert is_contact_day(day, audience(**fields)) is is_contact
