"""Every zone of the tz database, around every change of its clocks in 2026 and 2027: the engine against a slow reader.

The slow reader asks no code of ours. It looks at a clock once a minute and notes the date and the time it shows. From
these notes alone it says when a window opens on a date (at the last sight of that time; unseen, at the first later
one) and when it closes for good (at the first sight of that time or a later one, or as the date ends).
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib.resources import files
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from campaigns.hours import closing, day_start, join, local_date, opening, zone_named
from campaigns.ruleset import Ruleset
from tests.support.law import TICK, ask, check, deferred, facts, passes, ruleset, window

NAMES = (files("tzdata") / "zones").read_text(encoding="utf-8").split()
FIRST, LAST = datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
STRIDE, AROUND, MINUTE, DAY = timedelta(hours=6), timedelta(hours=26), timedelta(minutes=1), timedelta(days=1)

Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Change:
    """The first instant of a new offset."""

    at: datetime
    before: timedelta
    after: timedelta

    @property
    def walls(self) -> tuple[datetime, datetime]:
        """The wall times that are skipped, or come twice."""
        shown = self.at.replace(tzinfo=None)
        first, second = sorted((shown + self.before, shown + self.after))
        return first, second


def offset(at: datetime, zone: ZoneInfo) -> timedelta:
    found = at.astimezone(zone).utcoffset()
    assert found is not None
    return found


def changes(name: str) -> tuple[Change, ...]:
    """All changes of a zone's offset, found by looking every six hours and then closer, to the second."""
    zone, found = ZoneInfo(name), []
    looks = [FIRST + n * STRIDE for n in range((LAST - FIRST) // STRIDE + 1)]
    for (low, before), (high, after) in pairwise((at, offset(at, zone)) for at in looks):
        while before != after and high - low > timedelta(seconds=1):
            middle = low + (high - low) // 2
            low, high = (middle, high) if offset(middle, zone) == before else (low, middle)
        if before != after:
            found.append(Change(high.replace(microsecond=0), before, after))
    return tuple(found)


@cache
def alike() -> dict[tuple[timedelta, tuple[Change, ...]], list[str]]:
    """The names of all zones whose clocks show the same throughout the two years."""
    groups = defaultdict(list)
    for name in NAMES:
        groups[offset(FIRST, ZoneInfo(name)), changes(name)].append(name)
    return groups


def noted(change: Change, name: str) -> dict[date, list[tuple[datetime, time]]]:
    """Whole local dates around a change: what the clock shows, minute by minute."""
    zone, notes = ZoneInfo(name), defaultdict(list)
    first = (change.at - AROUND).astimezone(zone).date()
    last = (change.at + AROUND).astimezone(zone).date()
    at = change.at - AROUND - DAY
    while at < change.at + AROUND + DAY:
        shown = at.astimezone(zone)
        if first <= shown.date() <= last:
            notes[shown.date()].append((at, time(shown.hour, shown.minute)))
        at += MINUTE
    return notes


def read(notes: dict[date, list[tuple[datetime, time]]], opens: time, until: time) -> list[Span]:
    """When the window is open, from the notes alone."""
    spans = []
    for seen in notes.values():
        exact = [at for at, shown in seen if shown == opens]
        start = exact[-1] if exact else next((at for at, shown in seen if shown > opens), None)
        end = next((at for at, shown in seen if shown >= until), seen[-1][0] + MINUTE)
        if start and start < end:
            spans.append((start, end))
    return _touching(spans)


def _touching(spans: list[Span]) -> list[Span]:
    """What ends as the next begins is one."""
    starts, ends = {start for start, _ in spans}, {end for _, end in spans}
    return list(zip(sorted(starts - ends), sorted(ends - starts), strict=True))


def windows(change: Change) -> Iterator[tuple[time, time]]:
    """The usual hours, and windows with an edge around the beginning, in the midst and around the end of the change."""
    yield time(8), time(21)
    yield time(0), time(23, 59)
    low, high = change.walls
    midst = low + (high - low) / 2
    for edge in {wall.time() for wall in (low - MINUTE, low, low + MINUTE, midst, high - MINUTE, high, high + MINUTE)}:
        if edge < time(23, 59):
            yield edge, time(23, 59)
        if edge > time(0):
            yield time(0), edge


def cases() -> list[tuple[str, Change]]:
    """Every change of every group, once."""
    return [(names[0], change) for (_, found), names in alike().items() for change in found]


@cache
def rules(opens: time, until: time) -> Ruleset:
    return ruleset(window(f"{opens:%H:%M}", f"{until:%H:%M}"))


def test_every_name_is_in_a_group_whose_changes_are_its_own() -> None:
    grouped = [name for names in alike().values() for name in names]
    assert sorted(grouped) == sorted(NAMES)
    assert len(NAMES) > 590
    tried = {name for name, _ in cases()}
    for (_, found), names in alike().items():
        assert all(zone_named(name) for name in names)
        assert bool(found) is bool(tried & set(names))
    assert len(cases()) > 100


@pytest.mark.parametrize(
    ("name", "shift"),
    [
        ("Australia/Lord_Howe", 30),
        ("Antarctica/Troll", 120),
        ("Pacific/Easter", 60),
        ("America/Santiago", 60),
        ("Asia/Gaza", 60),
        ("Africa/Cairo", 60),
        ("Europe/Dublin", 60),
        ("America/Nuuk", 60),
        ("Africa/Casablanca", 60),
    ],
)
def test_the_odd_clocks_are_among_them(name: str, shift: int) -> None:
    (found,) = (found for (_, found), names in alike().items() if name in names)
    assert found
    assert {abs(change.after - change.before) for change in found} == {timedelta(minutes=shift)}


def test_windows_open_and_close_as_the_slow_reader_says() -> None:
    for name, change in cases():
        zone, notes = zone_named(name), noted(change, name)
        assert zone is not None
        for opens, until in windows(change):
            ours = join((opening(day, opens, zone), closing(day, until, zone)) for day in notes)
            assert ours == read(notes, opens, until), (name, change, opens, until)


def test_the_gate_passes_and_defers_as_the_slow_reader_says() -> None:
    for name, change in cases():
        notes = noted(change, name)
        for opens, until in windows(change):
            spans, law = read(notes, opens, until), rules(opens, until)
            for start, end in spans:
                said = [passes(law, at, name) for at in (start - TICK, start, end - TICK, end)]
                assert said == [False, True, True, False], (name, change, opens, until, start, end)
            for (_, end), (start, _) in pairwise(spans):
                for at in (end, end + (start - end) / 2, start - TICK):
                    verdict = check(ask(name), facts(), law, at)
                    assert deferred(verdict) == ("test.window", start), (name, change, opens, until, at)


def test_local_dates_begin_where_the_slow_reader_first_sees_them() -> None:
    for name, change in cases():
        zone = zone_named(name)
        assert zone is not None
        for day, seen in noted(change, name).items():
            assert day_start(day, zone) == seen[0][0], (name, change, day)
            assert {local_date(at, zone) for at, _ in (seen[0], seen[-1])} == {day}


def test_clocks_change_at_whole_minutes() -> None:
    for _, change in cases():
        assert change.at == change.at.replace(second=0, microsecond=0)
        assert not change.before % MINUTE
        assert not change.after % MINUTE
