"""Late counts at the edges of their span, and which segment takes which count."""

from datetime import date
from typing import Any

import pytest

from campaigns.file import Campaign
from campaigns.segment import late_counts, months_of, select

DUE = date(2026, 1, 15)
THREE = frozenset({3})


def campaign(*lates: dict[str, int] | None) -> Campaign:
    rounds = [{"days": [0], "between": [["10:00", "11:00"]], "channel": "voice", "script": "hello"}]
    segments: list[dict[str, Any]] = []
    for name, late in zip("ABCDE", lates, strict=False):
        segments.append({"name": name, "rounds": rounds} | ({"late": late} if late else {}))
    return Campaign.model_validate(
        {"format": 1, "name": "test", "audience": {"due_days": [15]}, "lines": {}, "segment": segments}
    )


ABC = campaign({"months": 3, "max": 0}, {"months": 3, "min": 1, "max": 2}, {"months": 3, "min": 3})


def count(was_due: date, paid_on: date | None, is_open: bool, planning_day: date = date(2026, 1, 12)) -> int:
    return late_counts([(was_due, paid_on, is_open)], DUE, THREE, planning_day)[3]


@pytest.mark.parametrize(
    ("was_due", "counted"),
    [
        (date(2025, 10, 14), 0),
        (date(2025, 10, 15), 1),
        (date(2026, 1, 14), 1),
        (date(2026, 1, 15), 0),
        (date(2026, 1, 30), 0),
    ],
)
def test_the_span_begins_with_the_day_months_before_and_ends_before_the_due_date(was_due: date, counted: int) -> None:
    assert count(was_due, date(2026, 2, 20), False, planning_day=date(2026, 3, 1)) == counted


@pytest.mark.parametrize(
    ("paid_on", "counted"), [(date(2025, 12, 14), 0), (date(2025, 12, 15), 0), (date(2025, 12, 16), 1)]
)
def test_paid_on_the_due_date_is_in_time(paid_on: date, counted: int) -> None:
    assert count(date(2025, 12, 15), paid_on, False) == counted


@pytest.mark.parametrize(
    ("planning_day", "counted"), [(date(2025, 12, 14), 0), (date(2025, 12, 15), 0), (date(2025, 12, 16), 1)]
)
def test_open_is_late_only_once_it_is_past_due(planning_day: date, counted: int) -> None:
    assert count(date(2025, 12, 15), None, True, planning_day) == counted


def test_a_partial_payment_in_time_leaves_it_late() -> None:
    assert count(date(2025, 12, 15), date(2025, 12, 10), True) == 1


@pytest.mark.parametrize(("planning_day", "counted"), [(date(2025, 12, 14), 0), (date(2025, 12, 17), 1)])
def test_a_payment_after_the_planning_day_is_not_known_yet(planning_day: date, counted: int) -> None:
    assert count(date(2025, 12, 15), date(2025, 12, 18), False, planning_day) == counted


def test_paid_in_full_on_an_unknown_day_is_no_evidence_of_lateness() -> None:
    assert count(date(2025, 12, 15), None, False) == 0


def test_months_are_clamped_at_the_end_of_february() -> None:
    history = [(date(2026, 2, day), date(2026, 4, 1), False) for day in (27, 28)]
    assert late_counts(history, date(2026, 5, 31), THREE, date(2026, 5, 29)) == {3: 1}


def test_each_look_back_is_counted_by_itself() -> None:
    history = [(date(2025, month, 15), None, True) for month in (7, 9, 11, 12)]
    assert late_counts(iter(history), DUE, frozenset({1, 3, 6}), date(2026, 1, 12)) == {1: 1, 3: 2, 6: 4}


@pytest.mark.parametrize(("late", "name"), [(0, "A"), (1, "B"), (2, "B"), (3, "C"), (4, "C"), (40, "C")])
def test_the_handbooks_segments(late: int, name: str) -> None:
    segment = select({3: late}, ABC)
    assert segment is not None
    assert segment.name == name


def test_the_first_segment_that_matches_takes_the_account() -> None:
    both = campaign({"months": 3, "min": 1}, {"months": 12, "min": 1}, None)
    assert months_of(both) == {3, 12}
    names = [getattr(select(late, both), "name", None) for late in ({3: 1, 12: 5}, {3: 0, 12: 5}, {3: 0, 12: 0})]
    assert names == ["A", "B", "C"]


def test_no_segment_may_match() -> None:
    assert select({3: 0}, campaign({"months": 3, "min": 1})) is None


def test_a_missing_look_back_is_our_mistake() -> None:
    with pytest.raises(KeyError):
        select({1: 0}, ABC)
