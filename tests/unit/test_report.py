"""The report's figures on rows made for them, each boundary from both sides; and how the terminal shows them."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from rich.console import Console

from dialer import report, report_show, sweep
from dialer.errors import DialerError
from dialer.house import House
from dialer.report import Report
from dialer.report_model import COLUMNS, TITLES, Counts, Lost, RoundCounts, columns_of
from dialer.store import InlineStore, Tx
from dialer.store import tables as t
from tests.support.scene import ALICE, BOB, CAROL, SETTINGS, Scene, account, due, late, play

HISTORY = ("2025-12-15", "2025-11-15", "2025-10-15")
DAVE, ERIN = "+8613800138004", "+8613800138005"
PERSONS = (ALICE, BOB, CAROL, DAVE, ERIN)


def built(scene: Scene, campaign: str | None = None, day: date | None = None) -> Report:
    store = scene.house.store
    assert isinstance(store, InlineStore)
    return store.run(lambda tx: report.build(tx, scene.house, campaign, day))


class Month(NamedTuple):
    """What a short run left behind."""

    found: Report
    one_day: Report
    attempts: list[Any]
    promises: list[Any]


async def _due_day(scene: Scene) -> Month:
    """Alice promises and pays, Bob is texted, Carol opts out, Dave gave no consent, Erin says she paid."""
    scene.mock.on(ALICE).answers(keys="2").then().answers()
    scene.mock.on(BOB).rings_out()
    scene.mock.on(CAROL).answers(keys="9")
    scene.mock.on(ERIN).answers(keys="1").then().machine()
    accounts = "".join(account(n, phone, consent="no" if phone == DAVE else "yes") for n, phone in enumerate(PERSONS))
    lates = (3, 1, 3, 0, 0)
    await scene.load(
        accounts, "".join(late(n, *HISTORY[:k]) + due(n, "2026-01-15", "33.10") for n, k in enumerate(lates))
    )
    await scene.launch()
    await scene.start()
    await scene.until("2026-01-14 08:00")
    scene.paid(0, "2026-01-15")
    await scene.until("2026-01-18 00:00")
    await sweep.close_promises(scene.house)
    return Month(built(scene), built(scene, "test", date(2026, 1, 13)), scene.rows(), scene.rows("promises"))


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Month:
    return play(tmp_path_factory.mktemp("report"), "2026-01-12 08:00", _due_day)


def test_what_happened_is_what_is_reported(month: Month) -> None:
    totals = month.found.totals
    # Alice C: 6 rounds, Bob B: 3 and a message each, Carol C: 6, Dave and Erin A: 2 each.
    assert (totals.planned, totals.follow_ups) == (19, 3)
    assert (totals.promised, totals.says_paid, totals.opted_out, totals.reached) == (1, 1, 1, 3)
    assert totals.reached_by_message == 3
    assert totals.refused == 2
    assert [(one.rule, one.blocked) for one in month.found.refusals] == [("dialer.consent", 2)]
    assert (month.found.right_party_contacts, month.found.outside_window) == (3, 0)
    assert month.found.reasons["opted_out"] == 5
    assert (month.found.messages.placed, month.found.messages.delivered) == (3, 3)
    assert [one.model_dump() for one in month.found.paid_after_contact] == [
        {"currency": "CNY", "count": 1, "amount": Decimal("33.10")}
    ]


def test_rounds_add_up_to_the_rows(month: Month) -> None:
    rows = {key: [row for row in month.attempts if (row.segment, row.round) == key]
            for key in {(row.segment, row.round) for row in month.attempts}}  # fmt: skip
    assert [(one.segment, one.round) for one in month.found.rounds] == sorted(rows)
    for one in month.found.rounds:
        of_round = rows[(one.segment, one.round)]
        assert one.planned + one.follow_ups == len(of_round)
        assert one.placed == sum(row.claimed_at is not None for row in of_round)
        outcomes = Counter(row.outcome for row in of_round)
        for name in ("reached", "promised", "says_paid", "opted_out"):
            assert getattr(one, name) == outcomes[name]
        assert one.cancelled == sum(row.state == "cancelled" for row in of_round)


def test_every_attempt_stands_in_exactly_one_column(month: Month) -> None:
    for one in (month.found.totals, month.one_day.totals, *month.found.rounds):
        assert one.planned + one.follow_ups == one.placed + one.refused + one.cancelled + one.expired + one.waiting
        ended = one.reached + one.promised + one.says_paid + one.opted_out + one.other + one.not_reached
        assert one.placed == ended + one.running


def test_outcomes_dispositions_and_lines_are_those_of_the_rows(month: Month) -> None:
    settled = [row for row in month.attempts if row.state == "settled"]
    assert month.found.outcomes == Counter(row.outcome for row in settled)
    assert month.found.dispositions == Counter(row.disposition for row in settled)
    [line] = month.found.lines
    calls = [row for row in settled if row.channel == "voice"]
    assert (line.line, line.calls, line.messages) == ("main", len(calls), len(settled) - len(calls))
    assert line.answered == sum(row.answered_at is not None for row in calls)
    assert line.spend == sum(row.cost for row in settled) > 0
    assert (
        sum(one.calls for one in month.found.by_hour) == sum(one.calls for one in month.found.by_weekday) == line.calls
    )
    assert {one.at for one in month.found.by_weekday} <= {2, 3, 4}  # 13 to 15 January 2026: Tuesday to Thursday


def test_promises_are_counted_by_how_they_ended(month: Month) -> None:
    assert [row.state for row in month.promises] == ["kept"]
    assert month.found.promises.model_dump() == {
        "made": 1, "open": 0, "kept": 1, "broken": 0,
        "amounts": [{"currency": "CNY", "count": 1, "amount": Decimal("33.10")}],
        "kept_amounts": [{"currency": "CNY", "count": 1, "amount": Decimal("33.10")}],
    }  # fmt: skip


def test_a_day_is_the_lenders(month: Month) -> None:
    begin = datetime(2026, 1, 12, 16, tzinfo=UTC)
    of_day = [row for row in month.attempts if begin <= row.planned_for < begin + timedelta(days=1)]
    assert 0 < len(of_day) < len(month.attempts)
    assert month.one_day.totals.planned + month.one_day.totals.follow_ups == len(of_day)


# --- boundaries, on rows made for them ---------------------------------------------------------------------------

NOON = datetime(2026, 1, 14, 4, tzinfo=UTC)  # in Shanghai
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def placed(number: int, **given: Any) -> dict[str, Any]:
    """A settled call that was placed at noon; what differs is given."""
    slot = given.get("planned_for", NOON)
    return {
        "attempt_id": number, "campaign_id": 1, "version": 1, "person_id": "P", "segment": "A",
        "due_on": date(2026, 1, 15), "round": 1, "rounds": 2, "day_offset": -1, "window": 0, "try": number,
        "cause": "round", "entry": 0, "retries": 0, "infra": 0, "otherwise_used": False, "channel": "voice",
        "script": "reminder", "priority": 10, "phone": ALICE, "country": "CN", "line_type": "mobile",
        "zones": ("Asia/Shanghai",), "state": "settled", "due_at": slot, "planned_for": slot,
        "window_from": NOON - HOUR, "window_until": NOON + HOUR, "valid_until": NOON + HOUR, "line": "main",
        "claimed_at": NOON, "placed_at": NOON, "disposition": "human", "outcome": "reached", "cost": Decimal("0.10"),
    } | given  # fmt: skip


def on_rows(folder: Path, write: Callable[[Tx, House], object], settings: str = SETTINGS, **scope: Any) -> Report:
    """The report on rows that `write` inserted, all of one campaign."""

    async def act(scene: Scene) -> Report:
        store = scene.house.store
        assert isinstance(store, InlineStore)
        launched = {"status": "active", "version": 1, "launched_at": NOON - 9 * DAY, "changed_at": NOON}
        store.run(lambda tx: tx.execute(t.campaigns.insert(), {"campaign_id": 1, "name": "test", **launched}))
        store.run(lambda tx: write(tx, scene.house))
        return built(scene, **scope)

    return play(folder, "2026-01-20 08:00", act, settings)


def insert(tx: Tx, *rows: dict[str, Any]) -> None:
    for row in rows:
        tx.execute(t.attempts.insert(), row)


@pytest.mark.parametrize(
    ("at", "outside"),
    [
        (NOON - HOUR - timedelta(microseconds=1), 1),
        (NOON - HOUR, 0),
        (NOON + HOUR - timedelta(microseconds=1), 0),
        (NOON + HOUR, 1),
    ],
)
def test_windows_are_half_open(tmp_path: Path, at: datetime, outside: int) -> None:
    found = on_rows(tmp_path, lambda tx, _: insert(tx, placed(1, placed_at=at)))
    assert found.outside_window == outside


@pytest.mark.parametrize(
    ("zones", "hour", "weekday"),
    [
        (("Asia/Shanghai",), 1, 4),
        (("Asia/Kolkata", "Asia/Shanghai"), 23, 3),
        (("Asia/Kathmandu",), 23, 3),
        (("America/New_York",), 12, 3),
        ((), 1, 4),  # nobody knows: the lender's
    ],
)
def test_hours_are_the_persons(tmp_path: Path, zones: tuple[str, ...], hour: int, weekday: int) -> None:
    at = datetime(2026, 1, 14, 17, 59, 59, tzinfo=UTC)
    rows = [placed(1, zones=zones, placed_at=at, answered_at=at), placed(2, zones=zones, placed_at=at)]
    found = on_rows(tmp_path, lambda tx, _: insert(tx, *rows))
    assert [tuple(one.model_dump().values()) for one in found.by_hour] == [(hour, 2, 1)]
    assert [tuple(one.model_dump().values()) for one in found.by_weekday] == [(weekday, 2, 1)]


@pytest.mark.parametrize(
    ("slot", "counted"),
    [("2026-01-13T15:59:59", 0), ("2026-01-13T16:00:00", 1), ("2026-01-14T15:59:59", 1), ("2026-01-14T16:00:00", 0)],
)
def test_a_day_begins_at_the_lenders_midnight(tmp_path: Path, slot: str, counted: int) -> None:
    row = placed(1, planned_for=datetime.fromisoformat(slot).replace(tzinfo=UTC))
    found = on_rows(tmp_path, lambda tx, _: insert(tx, row), day=date(2026, 1, 14))
    assert found.totals.placed == counted


def test_spend_is_exact(tmp_path: Path) -> None:
    found = on_rows(tmp_path, lambda tx, _: insert(tx, *(placed(n) for n in range(1, 4))))
    assert str(found.lines[0].spend) == "0.30"


def test_a_human_on_a_wrong_number_is_no_right_party(tmp_path: Path) -> None:
    rows = [placed(1), placed(2, outcome="wrong_number"), placed(3, disposition="machine")]
    assert on_rows(tmp_path, lambda tx, _: insert(tx, *rows)).right_party_contacts == 1


@pytest.mark.parametrize(
    ("paid_on", "recorded_at", "outcome", "counted"),
    [
        ("2026-01-13", NOON + DAY, "reached", 0),
        ("2026-01-14", NOON, "reached", 0),  # already known when the contact was made
        ("2026-01-14", NOON + HOUR, "reached", 1),
        ("2026-01-21", NOON + 8 * DAY, "reached", 1),
        ("2026-01-22", NOON + 8 * DAY, "reached", 0),
        ("2026-01-15", NOON + DAY, "promised", 1),
        ("2026-01-15", NOON + DAY, "says_paid", 1),
        ("2026-01-15", NOON + DAY, "no_contact", 0),
    ],
)
def test_payments_within_seven_days_after_contact(
    tmp_path: Path, paid_on: str, recorded_at: datetime, outcome: str, counted: int
) -> None:
    def write(tx: Tx, _: House) -> None:
        # Two contacts before one payment: it still counts once. Nobody was called about L-2.
        insert(tx, placed(1, outcome=outcome), placed(2, outcome=outcome))
        about(tx, 1, "L-1")
        about(tx, 2, "L-1")
        for account_id in ("L-1", "L-2"):
            pays(tx, account_id, paid_on, recorded_at)

    found = on_rows(tmp_path, write)
    assert sum(one.count for one in found.paid_after_contact) == counted
    assert sum(one.amount for one in found.paid_after_contact) == counted * Decimal("9.90")
    assert sum(one.payments for one in found.paid_after_days) == found.funnel.paid == counted


def about(tx: Tx, attempt_id: int, account_id: str, cancelled: bool = False) -> None:
    """Says that the attempt is about the account's one installment."""
    tx.execute(t.attempt_accounts.insert(), {
        "attempt_id": attempt_id, "account_id": account_id, "installment_id": "I", "campaign_id": 1, "day_offset": -1,
        "window": 0, "try": attempt_id, "cancelled": cancelled,
    })  # fmt: skip


def pays(
    tx: Tx, account_id: str, paid_on: str, recorded_at: datetime, amount: str = "9.90", source: str = "import"
) -> None:
    """A payment of the account's one installment, which is made if it is not there."""
    i = t.installments
    if tx.execute(i.select().where(i.c.account_id == account_id)).first() is None:
        tx.execute(i.insert(), {
            "account_id": account_id, "installment_id": "I", "due_on": date(2026, 1, 15), "amount": Decimal("9.90"),
            "currency": "CNY", "paid_amount": Decimal("9.90"), "is_open": False, "imported_at": NOON,
        })  # fmt: skip
    tx.execute(t.payments.insert(), {
        "account_id": account_id, "installment_id": "I", "paid_on": date.fromisoformat(paid_on),
        "amount": Decimal(amount), "source": source, "recorded_at": recorded_at,
    })  # fmt: skip


def test_the_days_are_counted_from_the_last_contact_before_the_payment(tmp_path: Path) -> None:
    def write(tx: Tx, _: House) -> None:
        late_evening = datetime(2026, 1, 14, 15, 59, 59, tzinfo=UTC)  # still the 14th in Shanghai
        contacts = {1: NOON, 2: late_evening, 3: late_evening + 2 * DAY, 4: NOON + 3 * DAY}
        insert(tx, *(placed(number, placed_at=at) for number, at in contacts.items()))
        for number in contacts:
            about(tx, number, "L-1")
        pays(tx, "L-1", "2026-01-15", NOON + DAY)  # a day after the second contact
        pays(tx, "L-1", "2026-01-16", NOON + 9 * DAY)  # the day of the third
        pays(tx, "L-1", "2026-01-21", NOON + 9 * DAY)  # 4 days after the fourth
        pays(tx, "L-1", "2026-01-24", NOON + 9 * DAY)  # 7 days after it
        pays(tx, "L-1", "2026-01-25", NOON + 9 * DAY)

    found = on_rows(tmp_path, write)
    assert {one.days: one.payments for one in found.paid_after_days} == {1: 1, 0: 1, 4: 1, 7: 1}
    assert [one.days for one in found.paid_after_days] == [0, 1, 4, 7]
    assert found.funnel.paid == 1


def test_what_was_taken_back_was_not_paid(tmp_path: Path) -> None:
    def write(tx: Tx, _: House) -> None:
        insert(tx, placed(1), placed(2))
        for number, account_id in ((1, "L-1"), (2, "L-2")):
            about(tx, number, account_id)
            pays(tx, account_id, "2026-01-15", NOON + DAY)
        pays(tx, "L-1", "2026-01-15", NOON + 2 * DAY, "-9.90", "reverse")
        pays(tx, "L-1", "2026-01-17", NOON + 3 * DAY, "5.00")

    found = on_rows(tmp_path, write)
    assert [one.model_dump() for one in found.paid_after_contact] == [
        {"currency": "CNY", "count": 2, "amount": Decimal("14.90")}
    ]


def test_an_installment_stands_in_the_furthest_stage_it_came_to(tmp_path: Path) -> None:
    unplaced = {"claimed_at": None, "placed_at": None, "disposition": None, "outcome": None, "cost": None}

    def write(tx: Tx, _: House) -> None:
        insert(
            tx,
            placed(1, outcome="no_contact"),
            placed(2, outcome="refused"),
            placed(3, outcome="wrong_number"),
            placed(4, **unplaced | {"state": "cancelled", "reason": "paid"}),
            placed(5, outcome="reached"),
            placed(6, outcome="reached"),
        )
        for number in (1, 2):
            about(tx, number, "L-1")  # reached at the second attempt
        about(tx, 3, "L-2")
        about(tx, 4, "L-3", cancelled=True)
        about(tx, 5, "L-4", cancelled=True)  # dropped from a combined call before it was placed
        about(tx, 5, "L-5")
        about(tx, 6, "L-6")
        for account_id in ("L-1", "L-3", "L-4", "L-6"):
            pays(tx, account_id, "2026-01-15", NOON + DAY)

    assert on_rows(tmp_path, write).funnel.model_dump() == {"planned": 6, "placed": 4, "reached": 3, "paid": 1}


@pytest.mark.parametrize(
    ("zone", "instants", "hours"),
    [
        ("Asia/Shanghai", "2026-01-14T01:59:59 2026-01-14T02:00", "2026-01-14T09:00+08:00 2026-01-14T10:00+08:00"),
        ("Asia/Kathmandu", "2026-01-14T02:14 2026-01-14T02:15", "2026-01-14T07:00+05:45 2026-01-14T08:00+05:45"),
        # Summer time ends at 06:00 UTC: 01:00 comes twice.
        ("America/New_York", "2025-11-02T05:30 2025-11-02T06:30", "2025-11-02T01:00-04:00 2025-11-02T01:00-05:00"),
    ],
)
def test_the_load_is_by_the_lenders_hours(tmp_path: Path, zone: str, instants: str, hours: str) -> None:
    at = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in instants.split()]
    first, second = hours.split()
    rows = [placed(number, placed_at=one, claimed_at=one) for number, one in enumerate(at)]
    # Never proved to be taken by the provider: it stands where the intent was committed.
    rows.append(placed(9, placed_at=None, claimed_at=at[0], channel="sms", line="second"))
    found = on_rows(tmp_path, lambda tx, _: insert(tx, *rows), SETTINGS.replace("Asia/Shanghai", zone))
    assert [(one.at.isoformat(timespec="minutes"), one.line, one.channel, one.placed) for one in found.load] == [
        (first, "main", "voice", 1), (first, "second", "sms", 1), (second, "main", "voice", 1),
    ]  # fmt: skip
    assert sum(one.placed for one in found.load) == found.totals.placed
    assert Report.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(("rate", "an_hour"), [("20", 72_000), ("0.1", 360), ("0.0001", 1), ("0.7", 2520)])
def test_a_line_can_place_its_rate_for_an_hour(tmp_path: Path, rate: str, an_hour: int) -> None:
    settings = SETTINGS.replace("calls_per_second = 20", f"calls_per_second = {rate}")
    found = on_rows(tmp_path, lambda tx, _: None, settings)
    assert [tuple(one.model_dump().values()) for one in found.capacity] == [
        ("main", "sms", 180_000),
        ("main", "voice", an_hour),
    ]


def happened(tx: Tx, attempt_id: int, kind: str, minute: float, stray: bool = False) -> None:
    at = NOON + timedelta(minutes=minute)
    row = {"attempt_id": attempt_id, "kind": kind, "at": at, "received_at": at, "stray": stray, "data": {}}
    tx.execute(t.events.insert(), row)


def test_lost_attempts_are_counted_by_what_lost_them_last_and_how_they_ended(tmp_path: Path) -> None:
    def write(tx: Tx, _: House) -> None:
        settled = {number: {"settled_at": NOON + timedelta(minutes=minute)}
                   for number, minute in ((1, 1), (2, 14), (3, 30), (4, -5))}  # fmt: skip
        unknown = {"disposition": "unknown", "outcome": "promised"}  # they had said so before the line went silent
        insert(tx, placed(1, **settled[1]), placed(2, **settled[2]), placed(3, **settled[3], **unknown))
        insert(tx, placed(4, **settled[4]))  # given up, then its end was told late, with the provider's time
        insert(tx, placed(5, state="lost", disposition=None, outcome=None), placed(6, state="talking", outcome=None))
        insert(tx, placed(7))
        happened(tx, 1, "uncertain", 0)
        happened(tx, 2, "uncertain", 0)
        happened(tx, 2, "silent", 10)
        happened(tx, 2, "silent", 20, stray=True)
        happened(tx, 3, "lease_expired", 0)
        for number in (4, 5, 6):
            happened(tx, number, "silent", 0)
        happened(tx, 7, "uncertain", 0, stray=True)

    lost = on_rows(tmp_path, write).lost
    assert lost.model_dump() == {
        "ever": 6, "causes": {"silent": 4, "uncertain": 1, "lease_expired": 1}, "found": 3, "unknown": 1, "open": 2,
        "minutes": 2.5,  # of 0, 1, 4 and 30
    }  # fmt: skip


@pytest.mark.parametrize(("minutes", "median"), [((3,), 3.0), ((1, 2), 1.5), ((9, 1, 2), 2.0), ((), None)])
def test_the_median_is_the_middle(tmp_path: Path, minutes: tuple[int, ...], median: float | None) -> None:
    def write(tx: Tx, _: House) -> None:
        for number, minute in enumerate(minutes, 1):
            insert(tx, placed(number, settled_at=NOON + timedelta(minutes=minute)))
            happened(tx, number, "silent", 0)

    assert on_rows(tmp_path, write).lost.minutes == median


def test_spend_on_messages_is_a_part(tmp_path: Path) -> None:
    rows = [placed(1), placed(2, channel="sms", cost=Decimal("0.05")), placed(3, channel="sms", cost=None)]
    [line] = on_rows(tmp_path, lambda tx, _: insert(tx, *rows)).lines
    assert (line.messages, line.spend, line.spend_on_messages) == (2, Decimal("0.15"), Decimal("0.05"))


def test_rules_that_only_deferred_are_named_too(tmp_path: Path) -> None:
    def write(tx: Tx, _: House) -> None:
        unplaced = {"claimed_at": None, "placed_at": None, "disposition": None, "outcome": None, "cost": None}
        insert(
            tx,
            placed(1),
            placed(2, **unplaced, state="expired", reason="window_closed", rule="house.gap"),
            placed(3, **unplaced, state="expired", reason="launched_late"),
            placed(4, **unplaced, state="planned"),
        )
        for attempt_id, rule in ((1, "dialer.spend"), (1, "dialer.spend"), (2, "house.gap")):
            tx.execute(t.verdicts.insert(), {
                "attempt_id": attempt_id, "at": NOON, "stage": "dialing", "verdict": "defer", "rule": rule,
            })  # fmt: skip

    found = on_rows(tmp_path, write)
    assert [tuple(one.model_dump().values()) for one in found.refusals] == [
        ("dialer.spend", 0, 0, 1),
        ("house.gap", 0, 1, 1),
    ]
    assert (found.totals.refused, found.totals.expired, found.totals.waiting) == (1, 1, 1)
    assert found.reasons == {"launched_late": 1}


def test_an_unknown_campaign_is_named_with_the_known_ones(month: Month, tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.launch()
        with pytest.raises(DialerError, match=r'"tset"; launched are: test'):
            built(scene, "tset")

    play(tmp_path, "2026-01-12 08:00", act)


# --- its faces ---------------------------------------------------------------------------------------------------


def shown(found: Report, width: int = 100) -> str:
    console = Console(width=width, record=True, file=StringIO(), soft_wrap=True)
    report_show.show(found, console)
    return console.export_text()


@pytest.mark.parametrize("width", [70, 80, 100, 120, 200])
def test_no_heading_is_cut_and_no_line_too_long(month: Month, width: int) -> None:
    """With everything in it: every column there is, and many digits."""
    counts = dict.fromkeys(COLUMNS, 123456)
    full = month.found.model_copy(
        update={
            "totals": Counts(**counts),
            "rounds": [RoundCounts(segment="A", round=1, **counts)],
            "lost": Lost(ever=7, causes={"silent": 7}, found=4, unknown=2, open=1, minutes=3.25),
        }
    )
    for found in (month.found, full):
        text = shown(found, width)
        assert "…" not in text
        assert max(map(len, text.splitlines())) <= width
        headings = " ".join(text.split("Installments")[0].split())
        assert all(word in headings for name in columns_of(found) for word in TITLES[name].split())


def test_the_text_names_what_the_operator_asks(month: Month) -> None:
    text = shown(month.found, 200)
    for words in (
        "says opted", "C 6", "dialer.consent", "5 planned, 4 placed, 4 reached (100%), 1 of them paid within 7 days",
        "Busiest hour          2026-01-13 ", "of at most 72,000", "1 made: 1 kept, 0 broken, 0 open",
        "3: 3 delivered", "of it on messages", "Lost                  0", "Outside their window  0",
    ):  # fmt: skip
        assert words in text
    lost = Lost(ever=7, causes={"silent": 4, "uncertain": 3}, found=4, unknown=2, open=1, minutes=3.25)
    text = shown(month.found.model_copy(update={"outside_window": 1234, "lost": lost}), 200)
    assert "7 (no news 4, no clear answer 3): 4 cleared up by their provider, 2 unknown, 1 open; median 3.25" in text
    assert "1,234" in text


def test_nothing_yet_can_be_shown(tmp_path: Path) -> None:
    text = shown(on_rows(tmp_path, lambda tx, _: None))
    assert "Installments          none" in text
    assert "Right-party contacts  0" in text


def test_names_are_text_and_never_markup(month: Month) -> None:
    line = month.found.lines[0].model_copy(update={"line": "[red]x[/no]"})
    bad = month.found.model_copy(update={"campaign": "[bold]x[/nothing]", "lines": [line]})
    assert "[bold]x[/nothing]" in shown(bad)
    assert "[red]x[/no]" in shown(bad)


def test_a_page_that_cannot_be_written_says_so(month: Month, tmp_path: Path) -> None:
    with pytest.raises(DialerError, match=r"r\.html: cannot be written \(No such file or directory\); name a file"):
        report.write_html(month.found, tmp_path / "no" / "r.html", "en")


def test_the_report_reads_back_from_its_json(month: Month) -> None:
    assert Report.model_validate_json(month.found.model_dump_json()) == month.found
