"""The report's figures, each recomputed from the rows by other means; the page stands on its own."""

import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from rich.console import Console

from dialer import report, sweep
from dialer.errors import DialerError
from dialer.house import House
from dialer.report import Report
from dialer.store import InlineStore, Tx
from dialer.store import tables as t
from tests.support.scene import ALICE, BOB, CAROL, Scene, account, due, late, play

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


def on_rows(folder: Path, write: Callable[[Tx, House], object], **scope: Any) -> Report:
    """The report on rows that `write` inserted."""

    async def act(scene: Scene) -> Report:
        store = scene.house.store
        assert isinstance(store, InlineStore)
        store.run(lambda tx: write(tx, scene.house))
        return built(scene, **scope)

    return play(folder, "2026-01-20 08:00", act)


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
        # Two contacts before one payment: it still counts once.
        insert(tx, placed(1, outcome=outcome), placed(2, outcome=outcome))
        for number in (1, 2):
            tx.execute(t.attempt_accounts.insert(), {
                "attempt_id": number, "account_id": "L-1", "installment_id": "I", "campaign_id": 1, "day_offset": -1,
                "window": 0, "try": number, "cancelled": False,
            })  # fmt: skip
        tx.execute(t.installments.insert(), {
            "account_id": "L-1", "installment_id": "I", "due_on": date(2026, 1, 15), "amount": Decimal("9.90"),
            "currency": "CNY", "paid_amount": Decimal("9.90"), "is_open": False, "imported_at": NOON,
        })  # fmt: skip
        for account_id in ("L-1", "L-2"):  # nobody was called about L-2
            tx.execute(t.payments.insert(), {
                "account_id": account_id, "installment_id": "I", "paid_on": date.fromisoformat(paid_on),
                "amount": Decimal("9.90"), "source": "import", "recorded_at": recorded_at,
            })  # fmt: skip

    found = on_rows(tmp_path, write)
    assert sum(one.count for one in found.paid_after_contact) == counted
    assert sum(one.amount for one in found.paid_after_contact) == counted * Decimal("9.90")


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


def shown(found: Report) -> str:
    console = Console(width=100, record=True, file=StringIO())
    report.show(found, console)
    return console.export_text()


def test_the_text_fits_and_names_what_the_operator_asks(month: Month, tmp_path: Path) -> None:
    text = shown(month.found)
    for words in ("says paid", "opted", "refused", "C 6", "dialer.consent", "Placed outside their window: 0"):
        assert words in text
    assert "1,234" in shown(month.found.model_copy(update={"outside_window": 1234}))
    assert "…" not in text


def test_nothing_yet_can_be_shown(tmp_path: Path) -> None:
    found = on_rows(tmp_path, lambda tx, _: None)
    assert "Right-party contacts: 0" in shown(found)
    report.write_html(found, tmp_path / "r.html", "en")
    assert "nothing yet" in (tmp_path / "r.html").read_text(encoding="utf-8")


class Page(HTMLParser):
    """The page's table rows as text, its tags, and whether they nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag != "meta":
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "tr" in self.open and data.strip():
            self.rows[-1].append(data.strip())


@pytest.mark.parametrize(("language", "total", "lang"), [("zh-CN", "合计", "zh-CN"), ("en", "all", "en")])
def test_the_page_stands_on_its_own(month: Month, tmp_path: Path, language: str, total: str, lang: str) -> None:
    path = tmp_path / "report.html"
    report.write_html(month.found, path, language)
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert not page.open
    assert not page.tags & {"script", "link", "img", "iframe"}
    assert not re.search(r"https?://|url\(|@import", text)
    assert f'<html lang="{lang}">' in text
    [row] = [row for row in page.rows if row[0] == total]
    assert row[1:4] == [
        str(month.found.totals.planned),
        str(month.found.totals.follow_ups),
        str(month.found.totals.placed),
    ]
    assert [path.name] == [one.name for one in tmp_path.iterdir()]


def test_every_word_of_the_page_has_its_chinese(month: Month, tmp_path: Path) -> None:
    report.write_html(month.found, tmp_path / "r.html", "zh-CN")
    body = (tmp_path / "r.html").read_text(encoding="utf-8").split("</style>")[1]
    words = set(re.findall(r"[A-Za-z_.]{2,}", re.sub(r"<[^>]*>", " ", body)))
    assert words <= {"Asia", "Shanghai", "CNY", "main", "dialer.consent"}


def test_names_are_text_and_never_markup(month: Month, tmp_path: Path) -> None:
    bad = month.found.model_copy(update={"lender": "<script>x</script>", "campaign": "[bold]x[/nothing]"})
    report.write_html(bad, tmp_path / "r.html", "en")
    assert "<script>" not in (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "[bold]x[/nothing]" in shown(bad)


def test_a_page_that_cannot_be_written_says_so(month: Month, tmp_path: Path) -> None:
    with pytest.raises(DialerError, match=r"r\.html: No such file or directory; give a file"):
        report.write_html(month.found, tmp_path / "no" / "r.html", "en")


def test_the_report_reads_back_from_its_json(month: Month) -> None:
    assert Report.model_validate_json(month.found.model_dump_json()) == month.found
