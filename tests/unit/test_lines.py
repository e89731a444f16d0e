"""A line's pace, its calls at once, and its breaker."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from adapters.mock import ADAPTER, MockAdapter
from campaigns.model import Channel
from config.settings import LineSettings
from dialer.lines import BREAKER_PAUSE, Line, Lines

NOW = datetime(2026, 1, 14, 2, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def line(**changed: object) -> Line:
    given = {
        "adapter": "mock", "channels": ["voice", "sms"], "callers": ["+864001234567", "+864001234568"],
        "allow_countries": ["CN"], "calls_per_second": 20, "calls_at_once": 10, "price_per_minute": "0.12",
        "price_per_message": "0.05", **changed,
    }  # fmt: skip
    settings = LineSettings.model_validate(given)
    return Line("main", settings, MockAdapter(), ADAPTER, dict.fromkeys(Channel, NOW), ZoneInfo("Asia/Shanghai"))


def test_slots_are_evenly_spaced_and_at_most_250_ms_ahead() -> None:
    slots = list(line().slots(Channel.VOICE, NOW))
    assert slots[0] == NOW
    assert {b - a for a, b in pairwise(slots)} == {timedelta(milliseconds=50)}
    assert slots[-1] == NOW + timedelta(milliseconds=250)


def test_idle_time_is_not_saved_up() -> None:
    one = line(calls_per_second=1)
    later = NOW + timedelta(hours=1)
    assert list(one.slots(Channel.VOICE, later)) == [later]
    one.took(Channel.VOICE, 1, later)
    assert list(one.slots(Channel.VOICE, later)) == []
    assert list(one.slots(Channel.VOICE, later + 0.75 * SECOND)) == [later + SECOND]


def test_one_that_was_late_is_not_followed_too_soon() -> None:
    one = line(calls_per_second=1)
    late = NOW + timedelta(milliseconds=30)
    assert one.turn(Channel.VOICE, late) == late
    assert one.turn(Channel.VOICE, NOW + SECOND) == late + 0.998 * SECOND
    assert one.turn(Channel.SMS, NOW + SECOND) == NOW + SECOND, "messages have a pace of their own"


def test_a_slow_line_that_was_late_once_goes_on_from_there() -> None:
    """A slot that no one may use would be claimed, and withdrawn, again and again."""
    one = line(calls_per_second=0.2)
    late = NOW + 3 * SECOND
    one.took(Channel.VOICE, 1, NOW)
    assert one.turn(Channel.VOICE, late) == late
    assert list(one.slots(Channel.VOICE, NOW + 5 * SECOND)) == []
    next_at = late + 5 * 0.998 * SECOND
    assert list(one.slots(Channel.VOICE, next_at - 0.1 * SECOND)) == [next_at]
    assert one.next_room(Channel.VOICE, late) == next_at - one.ahead / 2
    assert one.turn(Channel.VOICE, next_at) == next_at


def test_a_request_that_went_out_late_moves_the_next_turn() -> None:
    one = line(calls_per_second=1)
    one.turn(Channel.VOICE, NOW)
    one.sent(Channel.VOICE, NOW + 0.2 * SECOND)
    assert one.turn(Channel.VOICE, NOW + SECOND) == NOW + 1.198 * SECOND


def test_a_pause_of_one_channel_is_not_the_other_s_and_a_shorter_one_ends_none() -> None:
    one = line()
    assert one.hold(Channel.SMS, NOW + 60 * SECOND, NOW)
    assert not one.hold(Channel.SMS, NOW + 5 * SECOND, NOW), "it is on already"
    assert list(one.slots(Channel.SMS, NOW + 30 * SECOND)) == []
    assert one.slots(Channel.VOICE, NOW + 30 * SECOND)
    assert one.held_until == NOW + 60 * SECOND


def test_a_clock_that_is_set_back_holds_nothing_up() -> None:
    one = line(calls_per_second=1)
    one.turn(Channel.VOICE, NOW + timedelta(hours=1))
    assert one.turn(Channel.VOICE, NOW) == NOW


def test_calls_at_once_bound_calls_and_not_messages() -> None:
    one = line(calls_at_once=2)
    for key in (1, 2):
        one.took(Channel.VOICE, key, NOW)
    later = NOW + SECOND
    assert list(one.slots(Channel.VOICE, later)) == []
    assert one.slots(Channel.SMS, later)
    assert one.next_room(Channel.VOICE, later) is None
    Lines([one]).ended("main", 1, False, later)
    assert len(one.slots(Channel.VOICE, later)) == 1


def test_the_breaker_opens_probes_and_closes() -> None:
    one, lines = line(), Lines([])
    lines.by_name["main"] = one
    for key in range(19):
        lines.ended("main", key, key % 2 == 0, NOW)
    assert one.breaker.state == "closed"  # 19 are too few
    lines.ended("main", 19, True, NOW)
    assert one.breaker.state == "open"
    assert list(one.slots(Channel.VOICE, NOW + BREAKER_PAUSE - SECOND)) == []
    probe_at = NOW + BREAKER_PAUSE
    assert len(one.slots(Channel.VOICE, probe_at)) == 1
    one.took(Channel.VOICE, 50, probe_at)
    assert list(one.slots(Channel.VOICE, probe_at + SECOND)) == []  # one probe at a time
    lines.ended("main", 50, True, probe_at + SECOND)
    assert one.breaker.state == "open"
    again = probe_at + SECOND + 2 * BREAKER_PAUSE  # the pause doubled
    assert list(one.slots(Channel.VOICE, again - SECOND)) == []
    assert one.slots(Channel.VOICE, again)
    one.took(Channel.VOICE, 51, again)
    lines.ended("main", 51, False, again + SECOND)
    assert one.breaker.state == "closed"
    assert len(one.slots(Channel.VOICE, again + 2 * SECOND)) > 1


def test_old_failures_leave_the_breaker() -> None:
    one, lines = line(), Lines([])
    lines.by_name["main"] = one
    for key in range(15):
        lines.ended("main", key, True, NOW)
    for key in range(15, 40):
        lines.ended("main", key, False, NOW + timedelta(seconds=121))
    assert one.breaker.state == "closed"


@pytest.mark.parametrize(("talk_s", "price"), [(1, "0.12"), (60, "0.12"), (61, "0.24"), (None, "0.60")])
def test_calls_cost_started_minutes_and_reserve_the_time_limit(talk_s: float | None, price: str) -> None:
    assert line().price(Channel.VOICE, talk_s) == Decimal(price)
    assert line().price(Channel.SMS) == Decimal("0.05")


def test_the_caller_is_stable_per_person_and_spread_over_persons() -> None:
    one = line()
    assert one.caller("P-1") == one.caller("P-1")
    assert {one.caller(f"P-{n}") for n in range(50)} == {"+864001234567", "+864001234568"}


def test_a_line_keeps_its_own_hours() -> None:
    one = line(hours=[["09:00", "10:30"]])
    assert one.slots(Channel.VOICE, NOW)  # 10:00 in Shanghai
    assert list(one.slots(Channel.VOICE, NOW + timedelta(minutes=30))) == []


def test_outside_its_hours_a_line_has_room_when_they_begin_again() -> None:
    one = line(hours=[["09:00", "10:30"], ["14:00", "15:00"]])
    assert one.next_room(Channel.SMS, NOW + timedelta(minutes=10)) == NOW + timedelta(minutes=10)
    assert one.next_room(Channel.SMS, NOW + timedelta(minutes=30)) == NOW + timedelta(hours=4)
    assert one.next_room(Channel.SMS, NOW + timedelta(hours=5)) == NOW + timedelta(hours=23)


def test_retry_after_holds_the_line() -> None:
    one = line()
    one.hold(Channel.VOICE, NOW + 5 * SECOND, NOW)
    assert list(one.slots(Channel.VOICE, NOW + 4 * SECOND)) == []
    assert one.next_room(Channel.VOICE, NOW) == NOW + 5 * SECOND
    assert one.slots(Channel.VOICE, NOW + 5 * SECOND)
