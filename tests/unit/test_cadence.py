"""Rounds, their windows and slots; what follows an outcome, and when it expires."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.cadence import (
    Ended,
    FollowUp,
    Paused,
    Place,
    Stopped,
    back_off,
    first_permitted,
    follow_up,
    follow_up_expiry,
    promise_date,
    round_window,
    rounds,
    slot_fraction,
    stop_and_pause,
)
from campaigns.file import Audience, Segment, Stop
from campaigns.model import Channel, Disposition, Outcome, Reason
from campaigns.rules import Pack
from campaigns.ruleset import Ruleset, merge

SHANGHAI = "Asia/Shanghai"
NEW_YORK = "America/New_York"
DUE = date(2026, 1, 15)
MORNING, AFTERNOON = ["09:00", "11:30"], ["14:30", "17:30"]
AUDIENCE = Audience.model_validate({"due_days": [15, 30]})


def table(days: list[int], *between: list[str], **more: Any) -> dict[str, Any]:
    return {"days": days, "between": list(between), "channel": "voice", "script": "reminder"} | more


def segment(*tables: dict[str, Any]) -> Segment:
    return Segment.model_validate({"name": "S", "rounds": list(tables)})


A = segment(table([-1], ["09:30", "11:30"]), table([0], ["14:00", "15:00"], script="confirm"))
B = segment(table([-2, -1, 0], ["09:30", "11:30"]))
C = segment(table([-2, -1, 0], MORNING, AFTERNOON))
RETRY = {"on": ["busy", "no_answer"], "after": "2h", "max": 2}
OTHERWISE = {"on": ["no_answer", "machine"], "channel": "sms", "message": "missed", "after": "10m"}


def legal(opens: str = "09:00", closes: str = "20:00") -> Ruleset:
    rule = {
        "id": "test.hours",
        "kind": "window",
        "force": "house",
        "actor": ["creditor"],
        "channels": ["voice", "sms"],
        "open": [{"days": "all", "from": opens, "until": closes}],
        "citation": "a test",
        "url": "tests",
        "grade": "H",
        "checked_on": DUE,
    }
    return merge([Pack.model_validate({"name": "test", "rules": [rule]})], "creditor")


def at(text: str, zone_hours: int = 8) -> datetime:
    """A local time of January 2026, as `dd hh:mm[:ss]`, in UTC; in Shanghai unless told."""
    day, clock = text.split()
    return (datetime.fromisoformat(f"2026-01-{day}T{clock}") - timedelta(hours=zone_hours)).replace(tzinfo=UTC)


# --- rounds


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (A, [(1, -1, 0, "09:30", 0), (2, 0, 0, "14:00", 1)]),
        (B, [(1, -2, 0, "09:30", 0), (2, -1, 0, "09:30", 0), (3, 0, 0, "09:30", 0)]),
        (
            C,
            [
                (1, -2, 0, "09:00", 0),
                (2, -2, 1, "14:30", 0),
                (3, -1, 0, "09:00", 0),
                (4, -1, 1, "14:30", 0),
                (5, 0, 0, "09:00", 0),
                (6, 0, 1, "14:30", 0),
            ],
        ),
    ],
    ids="ABC",
)
def test_the_handbooks_rounds(of: Segment, expected: list[tuple[int, int, int, str, int]]) -> None:
    found = rounds(of)
    assert [(r.number, r.day_offset, r.window, f"{r.begins:%H:%M}", r.entry) for r in found] == expected
    assert {r.rounds for r in found} == {len(expected)}


def test_tables_and_days_in_any_order_give_rounds_in_time_order() -> None:
    text = table([0, -1], ["12:00", "13:00"], channel="sms", message="note", script=None)
    mixed = rounds(segment(table([0], AFTERNOON, MORNING), text))
    assert [(r.day_offset, r.window, f"{r.begins:%H:%M}", r.channel, r.script, r.entry) for r in mixed] == [
        (-1, 0, "12:00", "sms", "note", 1),
        (0, 0, "09:00", "voice", "reminder", 0),
        (0, 1, "12:00", "sms", "note", 1),
        (0, 2, "14:30", "voice", "reminder", 0),
    ]


# --- windows


@pytest.mark.parametrize(
    ("due_on", "between", "zone", "window"),
    [
        (DUE, ["09:30", "11:30"], SHANGHAI, ("2026-01-15T01:30", "2026-01-15T03:30")),
        (date(2026, 3, 7), ["09:30", "11:30"], NEW_YORK, ("2026-03-07T14:30", "2026-03-07T16:30")),
        (date(2026, 3, 8), ["09:30", "11:30"], NEW_YORK, ("2026-03-08T13:30", "2026-03-08T15:30")),
        (date(2026, 3, 8), ["01:30", "02:30"], NEW_YORK, ("2026-03-08T06:30", "2026-03-08T07:00")),
        (date(2026, 3, 8), ["02:10", "02:50"], NEW_YORK, ("2026-03-08T07:00", "2026-03-08T07:00")),
        (date(2026, 11, 1), ["00:30", "01:30"], NEW_YORK, ("2026-11-01T04:30", "2026-11-01T05:30")),
        (date(2026, 11, 1), ["01:30", "03:00"], NEW_YORK, ("2026-11-01T06:30", "2026-11-01T08:00")),
        (date(2026, 11, 1), ["01:10", "01:50"], NEW_YORK, ("2026-11-01T06:10", "2026-11-01T06:10")),
    ],
    ids=["plain", "eve", "spring", "into_gap", "in_gap", "to_overlap", "from_overlap", "in_overlap"],
)
def test_round_windows_over_clock_changes(due_on: date, between: list[str], zone: str, window: tuple[str, str]) -> None:
    one = rounds(segment(table([0], between)))[0]
    expected = tuple(datetime.fromisoformat(text).replace(tzinfo=UTC) for text in window)
    assert round_window(one, due_on, zone) == expected


# --- slots


def test_slot_fractions_are_stable_for_ever() -> None:
    # pinned: another value would move every planned attempt at the next planning
    assert slot_fraction("monthly-reminder", "P-1", DUE, 1) == pytest.approx(0.9829841167016116, abs=1e-12)


@given(st.text(), st.text(), st.dates(), st.integers(1, 400))
def test_a_slot_fraction_lies_in_its_window(campaign: str, key: str, due_on: date, number: int) -> None:
    assert 0 <= slot_fraction(campaign, key, due_on, number) < 1


@pytest.mark.parametrize(
    "other", [("d", "P-1", DUE, 1), ("c", "P-2", DUE, 1), ("c", "P-1", date(2026, 1, 30), 1), ("c", "P-1", DUE, 2)]
)
def test_everything_named_moves_the_slot(other: tuple[str, str, date, int]) -> None:
    assert abs(slot_fraction("c", "P-1", DUE, 1) - slot_fraction(*other)) > 1e-6


@given(st.text(min_size=1), st.integers(2, 12))
def test_no_two_rounds_are_near_the_same_place(key: str, count: int) -> None:
    places = sorted(slot_fraction("c", key, DUE, number) for number in range(1, count + 1))
    gaps = [b - a for a, b in zip(places, [*places[1:], places[0] + 1], strict=True)]
    assert min(gaps) > 0.38 / count  # of a two-hour window with twelve rounds: more than three minutes


# --- follow-ups


def follow(
    disposition: str,
    ended_at: str,
    *,
    number: int = 1,
    rules: Ruleset | None = None,
    used: tuple[int, bool] = (0, False),
    entry: dict[str, Any] | None = None,
    days: list[int] | None = None,
    **fields: Any,
) -> FollowUp | None:
    both = {"retry": RETRY, "otherwise": OTHERWISE} if entry is None else entry
    of = segment(table(days or [-1, 0], ["09:30", "11:30"], **both))
    audience = Audience.model_validate({"due_days": [15], **fields})
    place = Place(of, rounds(of)[number - 1], DUE, (SHANGHAI,), audience, rules or legal(), 30.0)
    return follow_up(Ended(Disposition(disposition), at(ended_at), *used), place)


@pytest.mark.parametrize(
    ("disposition", "used", "kind"),
    [
        ("busy", (0, False), "retry"),
        ("busy", (1, False), "retry"),
        ("busy", (2, False), None),
        ("no_answer", (0, False), "retry"),
        ("no_answer", (1, False), "retry"),
        ("no_answer", (2, False), "otherwise"),
        ("no_answer", (2, True), None),
        ("no_answer", (0, True), None),
        ("machine", (0, False), "otherwise"),
        ("machine", (0, True), None),
        ("human", (0, False), None),
        ("declined", (0, False), None),
        ("unknown", (0, False), None),
    ],
)
def test_retry_comes_first_then_otherwise_once(disposition: str, used: tuple[int, bool], kind: str | None) -> None:
    found = follow(disposition, "14 10:00", used=used)
    assert (found.kind if found else None) == kind


def test_a_round_without_follow_ups_has_none() -> None:
    assert follow("no_answer", "14 10:00", entry={}) is None


def test_a_retry_repeats_the_round_and_otherwise_brings_its_own_words() -> None:
    retry, message = follow("busy", "14 10:00"), follow("machine", "14 10:00")
    assert retry == FollowUp("retry", Channel.VOICE, "reminder", at("14 12:00"), at("15 09:30"))
    assert message == FollowUp("otherwise", Channel.SMS, "missed", at("14 10:10"), at("15 09:30"))


@pytest.mark.parametrize(
    ("ended_at", "due_at"),
    [
        ("14 12:00", "14 14:00"),
        ("14 17:00", "14 19:00"),
        ("14 17:59:30", "14 19:59:30"),
        ("14 17:59:31", "15 09:00"),
        ("14 18:00", "15 09:00"),
        ("14 23:59", "15 09:00"),
    ],
)
def test_a_retry_after_the_close_less_the_ring_waits_for_the_next_opening(ended_at: str, due_at: str) -> None:
    found = follow("busy", ended_at)
    assert found is not None
    assert (found.due_at, found.is_expired) == (at(due_at), False)


def test_a_message_may_be_sent_until_a_minute_before_the_close() -> None:
    within, after = follow("machine", "14 19:49"), follow("machine", "14 19:49:01")
    assert within is not None
    assert after is not None
    assert (within.due_at, after.due_at) == (at("14 19:59"), at("15 09:00"))


def test_where_a_retry_no_longer_fits_otherwise_has_its_turn() -> None:
    found = follow("no_answer", "15 18:30", number=2)
    assert found == FollowUp("otherwise", Channel.SMS, "missed", at("15 18:40"), at("16 00:00"))


def test_what_cannot_fit_comes_back_expired() -> None:
    found = follow("busy", "15 18:30", number=2)
    assert found == FollowUp("retry", Channel.VOICE, "reminder", at("16 00:00"), at("16 00:00"))
    assert found.is_expired


def test_the_next_round_takes_over_at_its_window_even_if_the_law_opens_before() -> None:
    found = follow("busy", "14 18:00", rules=legal("09:30", "20:00"))
    assert found is not None
    assert found.is_expired


def test_follow_ups_keep_off_skipped_days() -> None:
    found = follow("busy", "13 18:30", days=[-2, 1], skip=[date(2026, 1, 14)])
    assert found is not None
    assert (found.due_at, found.expires_at) == (at("15 09:00"), at("16 00:00"))


def test_where_every_hour_is_legal_a_skipped_day_is_waited_out_until_midnight() -> None:
    found = follow("busy", "13 23:30", days=[-2, 1], skip=[date(2026, 1, 14)], rules=Ruleset([]))
    assert found is not None
    assert found.due_at == at("15 00:00")


@pytest.mark.parametrize(
    ("of", "number", "expires_at"),
    [
        (A, 1, "15 14:00"),
        (A, 2, "16 00:00"),
        (C, 1, "13 14:30"),
        (C, 2, "14 09:00"),
        (C, 6, "16 00:00"),
        (segment(table([-5], MORNING)), 1, "16 00:00"),
        (segment(table([-1, 3], MORNING)), 1, "16 00:00"),
        (segment(table([-1, 3], MORNING)), 2, "19 00:00"),
    ],
)
def test_expiry_at_the_next_round_or_the_due_days_end(of: Segment, number: int, expires_at: str) -> None:
    assert follow_up_expiry(of, rounds(of)[number - 1], DUE, SHANGHAI, AUDIENCE) == at(expires_at)


def test_a_round_that_does_not_take_place_ends_nothing() -> None:
    skipping = Audience.model_validate({"due_days": [15], "skip": [date(2026, 1, 14)]})
    assert follow_up_expiry(B, rounds(B)[0], DUE, SHANGHAI, skipping) == at("15 09:30")


def test_all_zones_bind_the_first_permitted_instant() -> None:
    place = Place(C, rounds(C)[1], DUE, (NEW_YORK, "America/Los_Angeles"), AUDIENCE, legal(), 30.0)
    assert first_permitted(at("13 08:00", -5), Channel.VOICE, place) == at("13 09:00", -8)
    assert first_permitted(at("13 19:59:30", -5), Channel.VOICE, place) == at("13 19:59:30", -5)
    assert (
        first_permitted(at("13 19:59:31", -5), Channel.VOICE, place) is None
    )  # round 3 begins before Los Angeles opens


def test_infrastructure_is_tried_three_times_more() -> None:
    assert [back_off(n) for n in (1, 2, 3, 4, 5)] == [
        timedelta(minutes=1),
        timedelta(minutes=2),
        timedelta(minutes=4),
        None,
        None,
    ]


# --- stop and pause

STOP = Stop.model_validate(
    {"on": ["paid", "opted_out", "disputed"], "pause": {"promised": "promise", "says_paid": "24h", "disputed": "1d"}}
)
NOW = at("13 10:00")


@pytest.mark.parametrize(
    ("outcome", "promised_on", "expected"),
    [
        ("paid", None, Stopped(Reason.PAID)),
        (Outcome.OPTED_OUT, None, Stopped(Reason.OPTED_OUT)),
        (Outcome.DISPUTED, None, Stopped(Reason.STOPPED)),
        (Outcome.SAYS_PAID, None, Paused(at("14 10:00"))),
        (Outcome.PROMISED, date(2026, 1, 13), Paused(at("14 00:00"))),
        (Outcome.PROMISED, date(2026, 1, 15), Paused(at("16 00:00"))),
        (Outcome.PROMISED, None, None),
        (Outcome.REACHED, date(2026, 1, 15), None),
        (Outcome.REFUSED, None, None),
    ],
)
def test_stop_goes_before_pause(outcome: Any, promised_on: date | None, expected: Stopped | Paused | None) -> None:
    assert stop_and_pause(STOP, outcome, promised_on, NOW, SHANGHAI) == expected


def test_paid_stops_only_where_the_campaign_says_so() -> None:
    assert stop_and_pause(Stop(), "paid", None, NOW, SHANGHAI) is None


def test_a_promised_day_ends_at_the_persons_midnight() -> None:
    paused = stop_and_pause(STOP, Outcome.PROMISED, date(2026, 3, 8), NOW, NEW_YORK)
    assert paused == Paused(datetime(2026, 3, 9, 4, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("+0d", date(2026, 1, 30)), ("+1d", date(2026, 1, 31)), ("+2d", date(2026, 2, 1)), ("due", DUE)],
)
def test_promise_dates(text: str, expected: date) -> None:
    assert promise_date(text, date(2026, 1, 30), DUE) == expected


@pytest.mark.parametrize("text", ["", "1d", "+d", "-1d", "+1h", "+1d ", "Due", "+९d"])
def test_other_promises_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is accepted"):
        promise_date(text, DUE, DUE)
