"""Wall time → UTC at clock changes, interval arithmetic, and which holidays a calendar knows."""

from datetime import UTC, date, datetime, time, timedelta
from importlib.resources import files
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.hours import closing, day_start, intersect, join, opening, public_holidays, zone_named

EASTER = ZoneInfo("Pacific/Easter")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
NEW_YORK = ZoneInfo("America/New_York")


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize("wall", [time(22), time(22, 30), time(22, 59, 59)])
def test_case_2_a_close_or_opening_that_is_skipped_falls_at_the_jump(wall: time) -> None:
    day = date(2026, 9, 5)
    assert closing(day, wall, EASTER) == utc(2026, 9, 6, 4)
    assert opening(day, wall, EASTER) == utc(2026, 9, 6, 4)


def test_case_3_a_repeated_close_counts_first_and_a_repeated_opening_last() -> None:
    day = date(2026, 4, 4)  # 21:00 to 21:59 comes twice: from 02:00Z, and from 03:00Z
    assert closing(day, time(21), EASTER) == utc(2026, 4, 5, 2)
    assert closing(day, time(21, 30), EASTER) == utc(2026, 4, 5, 2, 30)
    assert opening(day, time(21, 30), EASTER) == utc(2026, 4, 5, 3, 30)
    assert closing(day, time(22), EASTER) == utc(2026, 4, 5, 4)


@pytest.mark.parametrize(
    ("day", "wall", "expected"),
    [
        (date(2026, 4, 5), time(1, 45), utc(2026, 4, 4, 15, 15)),  # 01:30–02:00 comes twice; the last is at +10:30
        (date(2026, 10, 4), time(2, 15), utc(2026, 10, 3, 15, 30)),  # 02:00–02:30 is skipped; the jump
        (date(2026, 10, 4), time(8), utc(2026, 10, 3, 21)),
    ],
)
def test_lord_howe_shifts_by_half_an_hour(day: date, wall: time, expected: datetime) -> None:
    assert opening(day, wall, LORD_HOWE) == expected


def test_a_local_day_may_last_23_or_25_hours() -> None:
    def length(day: date) -> timedelta:
        return day_start(day + timedelta(days=1), NEW_YORK) - day_start(day, NEW_YORK)

    assert length(date(2026, 3, 8)) == timedelta(hours=23)
    assert length(date(2026, 11, 1)) == timedelta(hours=25)


def test_a_skipped_midnight_and_a_skipped_day_begin_at_the_jump() -> None:
    assert day_start(date(2026, 9, 6), ZoneInfo("America/Santiago")) == utc(2026, 9, 6, 4)
    apia = ZoneInfo("Pacific/Apia")  # had no 30 December 2011
    assert day_start(date(2011, 12, 30), apia) == day_start(date(2011, 12, 31), apia) == utc(2011, 12, 30, 10)


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "asia/shanghai", "../etc/passwd", "America", "Asia/Shanghai "])
def test_a_zone_is_known_by_its_exact_name_only(name: str) -> None:
    assert zone_named(name) is None
    assert zone_named("Asia/Shanghai") is not None


def test_names_and_rules_are_those_of_the_package_and_not_the_system_s() -> None:
    looks = [utc(2026, 1, 1) + timedelta(days=3 * n) for n in range(243)]
    for name in (files("tzdata") / "zones").read_text(encoding="utf-8").split():
        with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
            packaged = ZoneInfo.from_file(file)
        for zone in (zone_named(name), ZoneInfo(name)):
            assert [at.astimezone(zone).utcoffset() for at in looks] == [
                at.astimezone(packaged).utcoffset() for at in looks
            ]


_minutes = st.integers(0, 200)
_spans = st.lists(st.tuples(_minutes, _minutes), max_size=8)


def _intervals(spans: list[tuple[int, int]]) -> list[tuple[datetime, datetime]]:
    return join((utc(2026, 1, 1) + timedelta(minutes=a), utc(2026, 1, 1) + timedelta(minutes=b)) for a, b in spans)


@given(_spans, _spans)
def test_join_is_the_union_and_intersect_the_intersection(
    some: list[tuple[int, int]], more: list[tuple[int, int]]
) -> None:
    def minutes(spans: list[tuple[datetime, datetime]]) -> set[int]:
        first = utc(2026, 1, 1)
        return {m for m in range(201) for a, b in spans if a <= first + timedelta(minutes=m) < b}

    joined = _intervals(some)
    assert minutes(joined) == {m for m in range(201) for a, b in some if a <= m < b}
    assert all(a[1] < b[0] for a, b in pairwise(joined))
    assert minutes(intersect(joined, _intervals(more))) == minutes(joined) & minutes(_intervals(more))


def test_holidays_of_announced_years_only() -> None:
    known = public_holidays("CN", 2026)
    assert known is not None
    assert date(2026, 2, 17) in known
    assert date(2026, 9, 20) not in known  # a make-up workday
    assert public_holidays("CN", 2027) is None  # the library computes it; nobody has announced it
    assert public_holidays("ID", 2029) is None  # Eid by estimate
    assert public_holidays("US", 2029) is not None
