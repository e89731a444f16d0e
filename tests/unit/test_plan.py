"""Drafts: who gets which rounds and when, combined calls, the horizon; the forecast of the gate's verdicts."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns import gate
from campaigns.file import Campaign
from campaigns.history import History
from campaigns.model import Channel, Contact, Disposition, Draft, Member
from campaigns.plan import Drafted, Row, draft, due_range, forecast, horizon, last_instant
from campaigns.rules import Pack
from campaigns.ruleset import Ruleset, merge
from tests.support.law import Everywhere

SHANGHAI = "Asia/Shanghai"
DUE = date(2026, 1, 15)
RING_S = 30.0
MORNING, AFTERNOON = ["09:00", "11:30"], ["14:30", "17:30"]


def table(days: list[int], *between: list[str], **more: Any) -> dict[str, Any]:
    return {"days": days, "between": list(between), "channel": "voice", "script": "hello"} | more


def segment(name: str, least: int, most: int | None, priority: int, *tables: dict[str, Any]) -> dict[str, Any]:
    late = {"months": 3, "min": least} | ({} if most is None else {"max": most})
    return {"name": name, "late": late, "priority": priority, "rounds": list(tables)}


HANDBOOK = [
    segment("A", 0, 0, 10, table([-1], ["09:30", "11:30"]), table([0], ["14:00", "15:00"])),
    segment("B", 1, 2, 20, table([-2, -1, 0], ["09:30", "11:30"])),
    segment("C", 3, None, 30, table([-2, -1, 0], MORNING, AFTERNOON)),
]


def campaign(*segments: dict[str, Any], **audience: Any) -> Campaign:
    return Campaign.model_validate(
        {
            "format": 1,
            "name": "test",
            "audience": {"due_days": [15, 30], **audience},
            "lines": {},
            "segment": list(segments or HANDBOOK),
        }
    )


def one_segment(*tables: dict[str, Any], **audience: Any) -> Campaign:
    return campaign(segment("S", 0, None, 0, *tables), **audience)


RULE = {"force": "house", "actor": ["creditor"], "citation": "-", "url": "-", "grade": "H", "checked_on": DUE}
BOTH = {"channels": ["voice", "sms"]}


def hours(opens: str, closes: str) -> dict[str, Any]:
    slot = {"days": "all", "from": opens, "until": closes}
    return RULE | BOTH | {"id": f"test.from{opens[:2]}", "kind": "window", "open": [slot]}


def ruleset(*rules: dict[str, Any]) -> Ruleset:
    return merge([Pack.model_validate({"name": "test", "rules": list(rules)})], "creditor")


HOUSE = ruleset(hours("09:00", "20:00"))


def member(account_id: str = "L-1", late: int = 0, **fields: Any) -> Member:
    values: dict[str, Any] = {
        "account_id": account_id,
        "person_id": f"P-{account_id}",
        "installment_id": "2026-01",
        "phone": "+8613800138001",
        "zones": (SHANGHAI,),
        "currency": "CNY",
        "due_on": DUE,
        "amount": Decimal("100.00"),
        "late": {3: late},
        "country": "CN",
        "line_type": "mobile",
    }
    return Member(**values | fields)


def drafted(of: Campaign, *members: Member, rules: Ruleset = HOUSE) -> Drafted:
    return draft(members, of, Everywhere(rules), RING_S, SHANGHAI)


def drafts(of: Campaign, *members: Member, rules: Ruleset = HOUSE) -> list[Draft]:
    return drafted(of, *members, rules=rules).drafts


def at(text: str, zone_hours: int = 8) -> datetime:
    """A local time of January 2026, as `dd hh:mm[:ss]`, in UTC; in Shanghai unless told."""
    day, clock = text.split()
    return (datetime.fromisoformat(f"2026-01-{day}T{clock}") - timedelta(hours=zone_hours)).replace(tzinfo=UTC)


# --- which rounds


@pytest.mark.parametrize(
    ("late", "name", "windows"),
    [
        (0, "A", ["14 09:30", "15 14:00"]),
        (1, "B", ["13 09:30", "14 09:30", "15 09:30"]),
        (2, "B", ["13 09:30", "14 09:30", "15 09:30"]),
        (3, "C", ["13 09:00", "13 14:30", "14 09:00", "14 14:30", "15 09:00", "15 14:30"]),
    ],
)
def test_each_segment_gets_exactly_its_rounds(late: int, name: str, windows: list[str]) -> None:
    found = drafts(campaign(), member(late=late))
    assert [one.window_from for one in found] == [at(window) for window in windows]
    assert [one.round.number for one in found] == list(range(1, len(windows) + 1))
    assert {(one.segment, one.round.rounds) for one in found} == {(name, len(windows))}


@pytest.mark.parametrize(
    ("due_on", "days"),
    [
        (date(2026, 2, 28), ["2026-02-26", "2026-02-27", "2026-02-28"]),
        (date(2028, 2, 29), ["2028-02-27", "2028-02-28", "2028-02-29"]),
        (date(2026, 3, 30), ["2026-03-28", "2026-03-29", "2026-03-30"]),
        (date(2026, 3, 28), []),
        (date(2026, 1, 31), []),
    ],
)
def test_februarys_thirtieth_is_its_last_day_and_march_returns(due_on: date, days: list[str]) -> None:
    found = drafts(campaign(), member(late=1, due_on=due_on))
    assert [str(one.planned_for.astimezone(ZoneInfo(SHANGHAI)).date()) for one in found] == days


@pytest.mark.parametrize(
    ("audience", "due_on", "rounds"),
    [
        ({"from": DUE}, DUE, [1, 2, 3]),
        ({"from": date(2026, 1, 16)}, DUE, []),
        ({"until": DUE}, DUE, [1, 2, 3]),
        ({"until": date(2026, 1, 14)}, DUE, []),
        ({"skip": [date(2026, 1, 14)]}, DUE, [1, 3]),
        ({"weekdays": ["tue", "thu"]}, DUE, [1, 3]),
        ({"weekdays": ["sun"]}, DUE, []),
        ({"min_amount": "100.00"}, DUE, [1, 2, 3]),
        ({"min_amount": "100.01"}, DUE, []),
    ],
)
def test_the_audience_bounds_due_dates_days_and_amounts(
    audience: dict[str, Any], due_on: date, rounds: list[int]
) -> None:
    found = drafted(campaign(**audience), member(late=1, due_on=due_on))
    assert [one.round.number for one in found.drafts] == rounds
    assert found.unselected == []


def test_an_account_that_no_segment_takes_is_reported() -> None:
    left = member("L-2", late=1)
    found = drafted(campaign(HANDBOOK[0]), member("L-1"), left, member("L-3", late=1, due_on=date(2026, 1, 16)))
    assert {one.accounts[0].account_id for one in found.drafts} == {"L-1"}
    assert found.unselected == [left]


# --- slots


def test_slots_are_the_same_in_every_run_and_whoever_else_is_planned() -> None:
    some = [member(f"L-{n}", late=n % 4) for n in range(50)]
    alone = [
        (one.accounts[0].account_id, one.round.number, one.planned_for) for m in some for one in drafts(campaign(), m)
    ]
    together = [(d.accounts[0].account_id, d.round.number, d.planned_for) for d in drafts(campaign(), *some)]
    assert together == alone


def test_slots_spread_evenly_over_the_accounts() -> None:
    count, length_ms = 10_000, 2 * 3600 * 1000 - RING_S * 1000
    by_round: dict[int, list[float]] = {}
    for one in drafts(campaign(), *(member(f"L-{n}", late=1) for n in range(count))):
        place = (one.planned_for - one.window_from) / timedelta(milliseconds=length_ms)
        by_round.setdefault(one.round.number, []).append(place)
    for places in by_round.values():
        distance = max(abs(place - n / count) for n, place in enumerate(sorted(places)))
        assert distance < 1.95 / count**0.5  # Kolmogorov: passed with probability 0.999 by an even spread


def test_nobody_is_called_at_the_same_minute_each_time() -> None:
    for number in range(300):
        found = drafts(
            campaign(), member(f"L-{number}", late=1), member(f"L-{number}", late=1, due_on=date(2026, 1, 30))
        )
        within = [one.planned_for - one.window_from for one in found if one.due_on == DUE]
        assert min(abs(a - b) for n, a in enumerate(within) for b in within[:n]) > timedelta(minutes=20)


ZONES = st.sampled_from(
    [SHANGHAI, "America/New_York", "America/Los_Angeles", "Pacific/Kiritimati", "Etc/GMT+12", "Australia/Lord_Howe"]
)
TIMES = st.integers(4 * 12, 24 * 12 - 1).map(lambda n: time(n // 12, n % 12 * 5))  # after every clock change


@settings(max_examples=150)
@given(
    st.lists(ZONES, min_size=1, max_size=3, unique=True).map(tuple),
    st.tuples(TIMES, TIMES).filter(lambda pair: pair[0] < pair[1]),
    st.dates(date(2026, 1, 1), date(2027, 12, 31)),
    st.sampled_from(["voice", "sms"]),
    st.text(alphabet="LP-0123456789", min_size=1),
)
def test_slots_lie_in_the_round_and_legal_windows(
    zones: tuple[str, ...], between: tuple[time, time], due_on: date, channel: str, account_id: str
) -> None:
    content = {"channel": channel, "script": None, "message": "note"} if channel == "sms" else {}
    of = one_segment(table([-1, 0], [f"{t:%H:%M}" for t in between], **content), due_days=[due_on.day])
    found = drafts(of, member(account_id, due_on=due_on, zones=zones))
    assert len(found) == 2
    for one in found:
        ring = timedelta(seconds=RING_S if channel == "voice" else 0)
        legal = HOUSE.windows(Channel(channel), zones, one.window_from, one.window_until)
        local = one.planned_for.astimezone(ZoneInfo(zones[0]))
        assert local.date() == due_on + timedelta(days=one.round.day_offset)
        assert between[0] <= local.time() < between[1]
        assert one.planned_for.microsecond % 1000 == 0
        assert one.window_from <= one.planned_for <= last_instant(one, RING_S)
        if legal:
            assert any(opens <= one.planned_for and one.planned_for + ring <= closes for opens, closes in legal)
            assert all(
                any(opens <= edge <= closes for opens, closes in legal) for edge in (one.window_from, one.window_until)
            )


def test_the_legal_window_narrows_the_rounds() -> None:
    found = drafts(one_segment(table([0], ["08:00", "09:10"])), *(member(f"L-{n}") for n in range(400)))
    assert {(one.window_from, one.window_until) for one in found} == {(at("15 09:00"), at("15 09:10"))}
    slots = [one.planned_for for one in found]
    assert at("15 09:00") <= min(slots) < at("15 09:00:10")
    assert at("15 09:09:20") < max(slots) < at("15 09:09:30")
    assert {last_instant(one, RING_S) for one in found} == {at("15 09:09:30")}


def test_a_pause_inside_the_legal_hours_gets_no_slot() -> None:
    rule = hours("09:00", "12:00")
    rule["open"].append({"days": "all", "from": "13:00", "until": "20:00"})
    found = drafts(
        one_segment(table([0], ["11:00", "14:00"])), *(member(f"L-{n}") for n in range(400)), rules=ruleset(rule)
    )
    assert {(one.window_from, one.window_until) for one in found} == {(at("15 11:00"), at("15 14:00"))}
    before = sum(at("15 11:00") <= one.planned_for < at("15 11:59:30") for one in found)
    after = sum(at("15 13:00") <= one.planned_for < at("15 13:59:30") for one in found)
    assert before + after == 400
    assert 160 < before < 240


def test_where_nothing_is_legal_the_draft_stays_for_the_gate_to_refuse() -> None:
    zones = ("America/New_York", "Pacific/Honolulu")
    (one,) = drafts(one_segment(table([0], ["10:00", "11:00"])), member(zones=zones))
    assert (one.window_from, one.window_until) == (at("15 10:00", -5), at("15 11:00", -5))
    assert one.window_from <= one.planned_for < one.window_until


def test_a_stretch_shorter_than_the_ring_gives_a_slot_at_its_begin() -> None:
    of = one_segment(table([0], ["19:30", "20:30"]))
    (one,) = draft([member()], of, Everywhere(HOUSE), 1800.0, SHANGHAI).drafts
    assert one.planned_for == one.window_from == at("15 19:30")


def test_an_unknown_zone_is_planned_in_the_lenders_and_stays_unknown() -> None:
    (one,) = drafts(one_segment(table([0], ["10:00", "11:00"])), member(zones=()))
    assert one.zones == ()
    assert (one.window_from, one.window_until) == (at("15 10:00"), at("15 11:00"))


# --- combined calls


def person(*accounts: Member, combine: bool = True) -> list[tuple[str, str, int]]:
    found = drafts(campaign(combine=combine), *accounts)
    return [("+".join(m.account_id for m in one.accounts), one.segment, one.round.number) for one in found]


def test_accounts_due_together_become_one_call_served_by_the_highest_priority() -> None:
    accounts = [member("L-2", late=3, person_id="P"), member("L-1", late=0, person_id="P")]
    assert person(*accounts) == [("L-1+L-2", "C", number) for number in range(1, 7)]
    assert person(*accounts[:1]) == [("L-2", "C", number) for number in range(1, 7)]
    assert person(*accounts[1:]) == [("L-1", "A", 1), ("L-1", "A", 2)]


def test_without_combine_each_account_keeps_its_own_rounds() -> None:
    accounts = [member("L-1", late=0, person_id="P"), member("L-2", late=1, person_id="P")]
    expected = [("L-1", "A", 1), ("L-1", "A", 2), ("L-2", "B", 1), ("L-2", "B", 2), ("L-2", "B", 3)]
    assert person(*accounts, combine=False) == expected


@pytest.mark.parametrize(
    "difference",
    [{"phone": "+8613800138002"}, {"currency": "USD"}, {"due_on": date(2026, 1, 30)}, {"person_id": "Q"}],
)
def test_only_the_same_person_date_phone_and_currency_combine(difference: dict[str, Any]) -> None:
    accounts = [member("L-1", person_id="P"), member("L-2", **{"person_id": "P"} | difference)]
    assert Counter(name for name, _, _ in person(*accounts)) == {"L-1": 2, "L-2": 2}


def test_two_calls_to_one_person_on_one_day_keep_apart() -> None:
    accounts = [member(f"L-{n}", late=1, person_id="P", currency=c) for n, c in enumerate(("CNY", "EUR", "USD"))]
    by_round: dict[int, list[datetime]] = {}
    for one in drafts(campaign(combine=True), *accounts):
        by_round.setdefault(one.round.number, []).append(one.planned_for)
    assert len(by_round) == 3
    for slots in by_round.values():
        assert min(abs(a - b) for n, a in enumerate(slots) for b in slots[:n]) > timedelta(minutes=39)


def test_two_installments_of_one_account_on_one_day_are_one_call_or_keep_apart() -> None:
    both = [member("L-1", person_id="P", installment_id=name) for name in ("b", "a")]
    (_, combined) = drafts(campaign(combine=True), *both)
    assert [m.installment_id for m in combined.accounts] == ["a", "b"]
    apart = drafts(campaign(), *both)
    assert len({one.planned_for for one in apart}) == len(apart) == 4


def test_combined_slots_belong_to_the_person_not_to_the_accounts() -> None:
    one, two = member("L-1", person_id="P"), member("L-2", person_id="P")
    alone, together = drafts(campaign(combine=True), two), drafts(campaign(combine=True), one, two)
    assert [d.planned_for for d in alone] == [d.planned_for for d in together]


def test_the_order_of_members_makes_no_difference_to_a_person() -> None:
    accounts = [member(f"L-{n}", late=n, person_id="P", currency="CNY" if n % 2 else "USD") for n in range(5)]
    assert drafts(campaign(combine=True), *accounts) == drafts(campaign(combine=True), *reversed(accounts))


def test_a_combined_call_lists_only_accounts_that_a_segment_takes() -> None:
    left = member("L-2", late=3, person_id="P")
    found = drafted(campaign(*HANDBOOK[:2], combine=True), member("L-1", late=1, person_id="P"), left)
    assert {tuple(m.account_id for m in one.accounts) for one in found.drafts} == {("L-1",)}
    assert found.unselected == [left]


def test_all_evidence_of_where_a_person_is_binds_a_combined_call() -> None:
    zones = ("America/New_York", "America/Los_Angeles")
    accounts = [member(f"L-{n}", person_id="P", zones=(zone,)) for n, zone in enumerate(zones)]
    (one,) = drafts(one_segment(table([0], ["10:00", "13:00"]), combine=True), *accounts)
    assert one.zones == zones
    assert (one.window_from, one.window_until) == (at("15 09:00", -8), at("15 13:00", -5))


# --- the horizon


@pytest.mark.parametrize(
    ("late", "now", "is_planned"),
    [
        (1, at("10 09:30"), False),
        (1, at("10 09:30:01"), True),
        (0, at("11 09:30"), False),
        (0, at("11 09:30:01"), True),
        (1, at("15 11:29:59"), True),
        (1, at("15 11:30"), False),
        (0, at("15 14:59:59"), True),
        (0, at("15 15:00"), False),
    ],
)
def test_a_due_date_is_planned_from_three_days_before_its_first_round_until_its_last(
    late: int, now: datetime, is_planned: bool
) -> None:
    every = drafts(campaign(), member("L-1", late=late), member("L-2", late=late, due_on=date(2026, 5, 15)))
    mine = [one for one in every if one.due_on == DUE]
    assert horizon(every, now) == (mine if is_planned else [])


@settings(max_examples=150)
@given(
    st.integers(0, 366 * 86_400).map(lambda s: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=s)),
    st.lists(st.integers(-10, 10), min_size=1, max_size=3, unique=True),
    ZONES,
    ZONES,
    st.integers(-20, 20),
)
def test_the_due_range_holds_whatever_the_horizon_holds(
    now: datetime, days: list[int], zone: str, lender_zone: str, distance: int
) -> None:
    of = one_segment(table(days, ["00:00", "23:55"]), due_days=list(range(1, 32)))
    first, last = due_range(of, now, lender_zone)
    due_on = now.date() + timedelta(days=distance)
    if horizon(drafts(of, member(due_on=due_on, zones=(zone,)), rules=Ruleset([])), now):
        assert first <= due_on <= last
    assert last - first <= timedelta(days=max(days) - min(days) + 3 + 4)


def test_the_due_range_keeps_the_audiences_bounds() -> None:
    bounded = campaign(**{"from": date(2026, 1, 14), "until": date(2026, 1, 16)})
    assert due_range(bounded, at("13 12:00"), SHANGHAI) == (date(2026, 1, 14), date(2026, 1, 16))


# --- the forecast

GAP = RULE | {
    "id": "test.gap",
    "kind": "cooloff",
    "channels": ["voice"],
    "after": {"event": "placed"},
    "period": {"type": "rolling_elapsed", "length": 1, "unit": "hours"},
}
DAILY = (
    RULE | BOTH | {"id": "test.daily", "kind": "cap", "max": 2, "period": {"type": "calendar_day"}, "count": ["placed"]}
)
DENSE = one_segment(table([0], ["10:00", "10:10"], ["10:20", "10:30"], ["14:00", "14:10"], ["17:00", "17:10"]))


def facts(**fields: Any) -> gate.Facts:
    values: dict[str, Any] = {
        "halted": "", "campaign": "active", "is_open": True, "stopped": "", "suppressed": "", "consent": "yes",
        "contacts": (), "line": None,
    }  # fmt: skip
    return gate.Facts(**values | fields)


def rows(
    of: Campaign, *members: Member, now: datetime, rules: Ruleset, contacts: Sequence[Contact] = (), **fields: Any
) -> list[Row]:
    line = gate.LineFacts("main", frozenset({"CN"}), Decimal("0.1"), None, now)
    book, history = Everywhere(rules), History(contacts)
    return forecast(drafts(of, *members, rules=rules), lambda _: facts(**fields), book, line, RING_S, now, history)


def words(found: list[Row]) -> list[str]:
    return ["pass" if isinstance(row.verdict, gate.Pass) else row.verdict.rule for row in found]


def test_passed_rows_count_towards_caps_and_deferred_ones_do_not() -> None:
    found = rows(DENSE, member(), now=at("14 00:00"), rules=ruleset(hours("09:00", "20:00"), GAP, DAILY))
    assert [row.draft.round.number for row in found] == [1, 2, 3, 4]
    assert words(found) == ["pass", "test.gap", "pass", "test.daily"]


def test_rows_of_another_person_do_not_count() -> None:
    rules = ruleset(hours("09:00", "20:00"), GAP, DAILY)
    found = rows(DENSE, member("L-1"), member("L-2"), now=at("14 00:00"), rules=rules)
    assert Counter(words(found)) == {"pass": 4, "test.gap": 2, "test.daily": 2}
    slots = [(row.draft.planned_for, row.draft.accounts[0].account_id) for row in found]
    assert slots == sorted(slots)


def test_contacts_already_made_count_as_well() -> None:
    made = [Contact(at("15 09:40"), Channel.VOICE, Disposition.NO_ANSWER, "P-L-1")]
    rules = ruleset(hours("09:00", "20:00"), GAP, DAILY)
    assert words(rows(DENSE, member(), now=at("15 09:50"), rules=rules, contacts=made)) == [
        "test.gap", "test.gap", "pass", "test.daily",
    ]  # fmt: skip


def test_rounds_that_are_over_are_left_out_and_an_open_one_is_asked_about_now() -> None:
    rules = ruleset(hours("09:00", "20:00"), GAP)
    assert [row.draft.round.number for row in rows(DENSE, member(), now=at("15 10:10"), rules=rules)] == [2, 3, 4]
    made = [Contact(at("15 09:09:40"), Channel.VOICE, Disposition.BUSY, "P-L-1")]
    first = rows(DENSE, member(), now=at("15 10:09:50"), rules=rules, contacts=made)[0]
    assert first.draft.planned_for < at("15 10:09:40")
    assert words([first]) == ["pass"]


def test_what_is_never_legal_is_forecast_with_the_rule_that_refuses_it() -> None:
    zones = ("America/New_York", "Pacific/Honolulu")
    of = one_segment(table([0], ["10:00", "11:00"]))
    assert words(rows(of, member(zones=zones), now=at("14 00:00"), rules=HOUSE)) == ["test.from09"]
    assert words(rows(of, member(zones=()), now=at("14 00:00"), rules=HOUSE)) == ["dialer.zone"]


def test_the_lines_countries_are_forecast() -> None:
    of = one_segment(table([0], ["10:00", "11:00"]))
    assert words(rows(of, member(country="US"), now=at("14 00:00"), rules=HOUSE)) == ["dialer.country"]


def test_facts_may_name_a_line_of_their_own() -> None:
    line = gate.LineFacts("other", frozenset({"US"}), Decimal(0), None, at("14 00:00"))
    of = one_segment(table([0], ["10:00", "11:00"]))
    assert words(rows(of, member(), now=at("14 00:00"), rules=HOUSE, line=line)) == ["dialer.country"]
    found = forecast(drafts(of, member()), lambda _: facts(line=line), Everywhere(HOUSE), None, RING_S, at("14 00:00"))
    assert words(found) == ["dialer.country"]
