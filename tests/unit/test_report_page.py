"""The report as a page: what stands in it, in both languages, for a full month, one day and nothing at all."""

import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from html import escape
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from random import Random
from string import Formatter
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from campaigns.model import Disposition, Outcome, Reason
from campaigns.words import says
from dialer import check, report_charts, report_page, report_summary
from dialer.cli.app import app
from dialer.packs import rules_named
from dialer.report_model import (
    TITLES,
    Answered,
    Capacity,
    Counts,
    Funnel,
    HourLoad,
    LineCounts,
    Lost,
    Messages,
    PaidAfter,
    Promises,
    Refusal,
    Report,
    RoundCounts,
    Sum,
    columns_of,
)
from dialer.report_words import PLAIN, Speech, speech
from tests.support.scene import SETTINGS

TEMPLATES = Path(str(files("dialer") / "templates"))
PACKS = sorted(Path(str(files("config") / "rules")).glob("*.toml"))
SHANGHAI = timezone(timedelta(hours=8))
AT = datetime(2026, 1, 31, 14, 30, tzinfo=UTC)
PLACED = ("reached", "promised", "says_paid", "opted_out", "other", "not_reached", "running")


LINES = (("main", "voice", 600), ("backup", "voice", 90), ("main", "sms", 70))
"""Line, channel, and at most so many in an hour."""


def rounds_of(random: Random, sizes: dict[str, int], per_round: int) -> list[RoundCounts]:
    """Plausible counts that add up, for so many rounds of each segment."""
    found = []
    for segment, size in sizes.items():
        for number in range(1, size + 1):
            weights = (24, 17, 9, 2, 3, 45, 1)
            parts = Counter(random.choices(PLACED, weights, k=random.randrange(per_round // 2, per_round)))
            placed, follow_ups = parts.total(), random.randrange(per_round // 8)
            refused, cancelled, expired = (random.randrange(1 + per_round // part) for part in (12, 6, 30))
            outcomes = {name: parts[name] for name in ("promised", "reached", "says_paid", "opted_out")}
            outcomes |= {"no_contact": parts["not_reached"], "agent": parts["other"]}
            found.append(
                RoundCounts(
                    segment=segment, round=number, placed=placed, follow_ups=follow_ups,
                    planned=placed + refused + cancelled + expired - follow_ups,
                    refused=refused, cancelled=cancelled, expired=expired,
                    outcomes={name: count for name, count in outcomes.items() if count},
                    reached_by_message=parts["reached"] // 3, **parts,
                )
            )  # fmt: skip
    return found


def total(rounds: list[RoundCounts]) -> Counts:
    return Counts(**{name: sum(getattr(one, name) for one in rounds) for name in Counts.model_fields})


def month(seed: int = 1) -> Report:
    """January of a lender with three segments and two lines."""
    random = Random(seed)
    rounds = rounds_of(random, {"A": 2, "B": 3, "C": 6}, 1_400)
    totals = total(rounds)
    hours = [9, 10, 11, 14, 15, 16, 17]
    calls = {hour: random.randrange(300, 1_500) for hour in hours} | {18: 12}
    by_hour = [Answered(at=at, calls=n, answered=int(n * random.uniform(0.3, 0.6))) for at, n in calls.items()]
    by_weekday = [Answered(at=day, calls=900 + 31 * day, answered=400 + 7 * day) for day in range(1, 8)]
    days = [date(2026, 1, day) for day in (13, 14, 15, 28, 29, 30)]
    load = [
        HourLoad(at=datetime(day.year, day.month, day.day, hour, tzinfo=SHANGHAI), line=line, channel=channel,
                 placed=random.randrange(size // 3, size))
        for day in days for line, channel, size in LINES for hour in hours
    ]  # fmt: skip
    return Report(
        at=AT, lender="海岸消费金融", time_zone="Asia/Shanghai", currency="CNY", campaign="monthly-reminder", day=None,
        totals=totals, rounds=rounds, by_hour=by_hour, by_weekday=by_weekday, load=load,
        funnel=Funnel(planned=5_247, placed=4_631, reached=3_402, paid=2_118),
        refusals=[
            Refusal(rule="cn-gbt.notify3", blocked=0, expired=41, deferred=120),
            Refusal(rule="dialer.consent", blocked=212, expired=0, deferred=0),
            Refusal(rule="house.daily", blocked=0, expired=17, deferred=1_033),
        ],
        reasons={"paid": 903, "paused_until": 188, "opted_out": 61, "stopped": 40, "window_closed": 23},
        outcomes={"no_contact": 3_911, "reached": 2_013, "promised": 1_530, "says_paid": 802, "opted_out": 171,
                  "agent": 88, "wrong_number": 51, "voicemail_left": 43, "disputed": 31, "unknown": 6},
        dispositions={"no_answer": 2_950, "human": 2_911, "answered": 1_204, "busy": 611, "machine": 402,
                      "delivered": 380, "phone_off": 199, "infrastructure": 14, "unknown": 6},
        right_party_contacts=2_860,
        promises=Promises(
            made=1_530, open=77, kept=1_021, broken=432,
            amounts=[Sum(currency="CNY", count=1_530, amount=Decimal("4012345.50"))],
            kept_amounts=[Sum(currency="CNY", count=1_021, amount=Decimal("2741200.00"))],
        ),
        paid_after_contact=[Sum(currency="CNY", count=2_160, amount=Decimal("5870123.45"))],
        paid_after_days=[PaidAfter(days=day, payments=n) for day, n in
                         {0: 733, 1: 611, 2: 345, 3: 201, 5: 170, 6: 58, 7: 42}.items()],
        messages=Messages(placed=431, sent=20, delivered=380, undelivered=31),
        lines=[
            LineCounts(line="backup", calls=1_011, answered=402, spend=Decimal("88.92")),
            LineCounts(line="main", calls=7_204, answered=3_713, messages=431, spend=Decimal("1201.47"),
                       spend_on_messages=Decimal("21.55")),
        ],
        capacity=[Capacity(line=line, channel=channel, an_hour=an_hour) for line, channel, an_hour in
                  (("backup", "voice", 90), ("main", "sms", 3_600), ("main", "voice", 720))],
        lost=Lost(ever=34, causes={"silent": 21, "uncertain": 9, "lease_expired": 4}, found=26, unknown=6, open=2,
                  minutes=3.25),
        outside_window=0,
    )  # fmt: skip


def nothing() -> Report:
    """Before anything was launched."""
    return Report(
        at=AT, lender="Harbour Finance", time_zone="Asia/Shanghai", currency="CNY", campaign=None, day=None,
        totals=Counts(), funnel=Funnel(), rounds=[], refusals=[], reasons={}, outcomes={}, dispositions={}, by_hour=[],
        by_weekday=[], right_party_contacts=0, promises=Promises(), paid_after_contact=[], paid_after_days=[],
        messages=Messages(), lines=[], load=[], capacity=[], lost=Lost(), outside_window=0,
    )  # fmt: skip


def one_day() -> Report:
    """One day of one segment with one round on one line."""
    rounds = rounds_of(Random(2), {"A": 1}, 40)
    totals = total(rounds)
    return nothing().model_copy(
        update={
            "campaign": "first-own", "day": date(2026, 1, 14), "rounds": rounds, "totals": totals,
            "funnel": Funnel(planned=totals.placed + 4, placed=totals.placed, reached=14, paid=0),
            "by_hour": [Answered(at=10, calls=totals.placed, answered=15)],
            "by_weekday": [Answered(at=3, calls=totals.placed, answered=15)],
            "lines": [LineCounts(line="main", calls=totals.placed, answered=15, spend=Decimal("3.60"))],
            "load": [HourLoad(at=datetime(2026, 1, 14, 10, tzinfo=SHANGHAI), line="main", channel="voice",
                              placed=totals.placed)],
            "capacity": [Capacity(line="main", channel="voice", an_hour=72_000)],
            "outcomes": rounds[0].outcomes, "right_party_contacts": 13,
        }
    )  # fmt: skip


REPORTS = {"month": month, "nothing": nothing, "one day": one_day}
VOID = {"meta"}
TAGS = set(re.findall(r"\w+", """
    html head meta title style body main header section div h1 h2 h3 p ul li b i span small dl dt dd
    table thead tbody tr th td details summary svg g path line text
"""))  # fmt: skip
PLAIN_ENGLISH = re.compile(r"[A-Za-z][A-Za-z_.]+")


def page(found: Report, language: str = "en") -> str:
    return report_page.render(found, language, columns_of(found), 7)


@cache
def written(name: str, language: str) -> str:
    return page(REPORTS[name](), language)


class Parsed(HTMLParser):
    """The page's tags, attributes and texts; fails where the tags do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip() and self._open[-1:] != ["style"]:
            self.texts.append(data.strip())


def svgs(text: str, title: str) -> list[str]:
    """The drawings whose label begins so: the wide one and the narrow one."""
    found = [one for one in re.findall(r"<svg .*?</svg>", text, re.DOTALL) if f'aria-label="{title}' in one]
    assert len(found) == 2
    return found


def numbers(pattern: str, drawn: str) -> list[float]:
    return [float(one) for one in re.findall(pattern, drawn)]


# --- the page as a whole -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["zh-CN", "en"])
@pytest.mark.parametrize("name", REPORTS)
def test_the_page_stands_on_its_own(name: str, language: str) -> None:
    text = written(name, language)
    found = Parsed(text)
    assert found.tags <= TAGS
    assert {name for name, _ in found.attributes}.isdisjoint({"src", "href", "xlink:href", "srcset", "data", "action"})
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert not re.search(r"https?:|//[a-z]|url\(|@import|@font-face", text)
    assert f'<html lang="{language}">' in text
    assert len(text.encode()) < 400_000


def test_every_figure_of_the_report_stands_in_its_page() -> None:
    found = month()
    shown = set(re.findall(r"\d[\d,]*(?:\.\d+)?", " ".join(Parsed(written("month", "en")).texts)))
    silent = {"load", "capacity", "at", "time_zone"}  # their busiest hours are shown, see below
    hidden = {"reached_by_message", "spend_on_messages"}  # only parts of others
    as_share = {"report.lines.answered"}
    missing = []

    def look(value: object, path: str) -> None:
        if isinstance(value, dict):
            for key, part in value.items():
                if key not in hidden:
                    look(part, f"{path}.{key}")
        elif isinstance(value, list):
            for one in value:
                look(one, path)
        elif isinstance(value, int | float | Decimal) and value and path not in as_share:
            told = f"{value:,.2f}" if isinstance(value, Decimal) else f"{value:,}"
            if told not in shown:
                missing.append((path, told))

    look(found.model_dump(exclude=silent), "report")
    assert missing == []
    assert [f"{100 * one.answered / one.calls:.0f}" in shown for one in found.lines] == [True, True]


def test_a_line_shows_its_busiest_hour_and_what_it_could_do() -> None:
    found, text = month(), " ".join(Parsed(written("month", "en")).texts)
    for line, channel, an_hour in (("main", "voice", 720), ("backup", "voice", 90), ("main", "sms", 3_600)):
        peak = max(one.placed for one in found.load if (one.line, one.channel) == (line, channel))
        assert f"{peak} placed. That is {100 * peak / an_hour:.0f}% of the {an_hour:,} it can place." in text


def test_names_from_data_are_text_and_never_markup() -> None:
    bad = "</title></svg><script>alert(1)</script>\"' onload=x <b>&amp;"
    found = month().model_copy(update={"campaign": bad, "lender": bad, "time_zone": "Asia/Shanghai"})
    for one in found.rounds:
        one.segment = bad if one.segment == "A" else one.segment
    found.lines[0].line = bad
    for hour in found.load:
        hour.line = bad
    found.outcomes[bad] = found.dispositions[bad] = found.reasons[bad] = 3
    found.refusals[0].rule = bad
    parsed = Parsed(page(found))
    assert parsed.tags <= TAGS
    assert not [name for name, _ in parsed.attributes if name.startswith("on")]
    assert sum(bad in text for text in parsed.texts) >= 6
    assert any(bad in value for name, value in parsed.attributes if name == "aria-label")


def test_without_anything_the_page_says_what_to_do() -> None:
    texts = " ".join(Parsed(written("nothing", "en")).texts)
    assert "Nothing was planned here. Launch a campaign" in texts
    assert "<svg" not in written("nothing", "en")


@pytest.mark.parametrize("name", REPORTS)
def test_a_chart_comes_in_two_widths_and_says_its_figures(name: str) -> None:
    for both in re.findall(r'<div class="chart">(.*?</svg>.*?</svg>)', written(name, "en"), re.DOTALL):
        labels = re.findall(r'role="img" aria-label="([^"]+)"', both)
        assert len(labels) == 2
        assert labels[0] == labels[1]
        assert re.search(r"\d", labels[0])
        assert re.findall(r'<svg width="(\d+)', both) == [str(report_charts.WIDE), str(report_charts.NARROW)]


# --- words -------------------------------------------------------------------------------------------------------


class Asked(dict[str, str]):
    """The Chinese words, and which of them were asked for."""

    def __init__(self, words: Mapping[str, str]) -> None:
        super().__init__(words)
        self.asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)


def with_everything() -> list[Report]:
    """Reports that together make the page say everything it can say."""
    bad, early, full = month(), month(), month()
    bad.outside_window = 2
    bad.outcomes |= dict.fromkeys(Outcome, 900)
    bad.dispositions |= dict.fromkeys(Disposition, 900)
    bad.reasons |= dict.fromkeys(Reason, 9)
    bad.promises.broken = 2_000
    bad.paid_after_days = [PaidAfter(days=0, payments=5)]
    bad.lost.open = 0
    early.totals = Counts(planned=40, waiting=40)
    early.funnel.reached = 0
    early.paid_after_contact = []
    full.lost = Lost()
    full.totals.expired = full.totals.waiting = 1
    own = [rule for rule in PLAIN if rule.startswith("dialer.")]
    full.refusals = [Refusal(rule=rule, blocked=1, expired=0, deferred=0) for rule in own]
    return [bad, early, full, one_day(), nothing()]


def test_chinese_has_every_word_and_no_idle_one(monkeypatch: pytest.MonkeyPatch) -> None:
    words = Asked(tomllib.loads((TEMPLATES / "report.zh.toml").read_text(encoding="utf-8")))
    monkeypatch.setattr(report_page, "speech", lambda language: Speech("zh_CN", words))
    for found in with_everything():
        page(found, "zh")
    words.asked |= set(re.findall(r'\b_\("([^"]+)"', (TEMPLATES / "report.html.j2").read_text(encoding="utf-8")))
    words.asked |= set(TITLES.values())
    assert words.asked - set(words) == set()
    assert set(words) - words.asked == set()


@pytest.mark.parametrize("key", tomllib.loads((TEMPLATES / "report.zh.toml").read_text(encoding="utf-8")))
def test_a_translation_takes_the_same_figures(key: str) -> None:
    def fields(text: str) -> set[str]:
        names = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
        return {name or str(place) for place, name in enumerate(names)}

    words = tomllib.loads((TEMPLATES / "report.zh.toml").read_text(encoding="utf-8"))
    assert fields(words[key]) == fields(key)


def test_nothing_stays_english_in_chinese() -> None:
    own = {"monthly-reminder", "main", "backup", "Asia", "Shanghai", "CNY", "GB"}
    texts = [text for text in Parsed(written("month", "zh")).texts if not re.fullmatch(r"[a-z-]+\.[a-z0-9]+", text)]
    assert set(PLAIN_ENGLISH.findall(" ".join(texts))) <= own | {"monthly", "reminder"}


def test_every_rule_that_comes_with_the_dialer_is_explained(tmp_path: Path) -> None:
    ids = {rule["id"] for pack in PACKS for rule in tomllib.loads(pack.read_text(encoding="utf-8"))["rule"]}
    (tmp_path / "dialer.toml").write_text(SETTINGS, encoding="utf-8")
    rules = rules_named(check.read_settings(tmp_path / "dialer.toml", {}), ids)
    assert set(rules) == ids
    full = month()
    full.refusals = [Refusal(rule=rule, blocked=1, expired=0, deferred=0) for rule in sorted(ids)]
    for language in ("zh", "en"):
        shown = report_page.render(full, language, columns_of(full), 7, rules)
        for rule in rules.values():
            assert f"{rule.id}<small>{escape(says(rule, language), quote=True)}</small>" in shown.replace(
                "&#39;", "&#x27;"
            )
    assert speech("en").rule("lender.own") == ""


@example(part=9_999, rest=1)
@example(part=1, rest=9_999)
@given(part=st.integers(0, 10_000), rest=st.integers(0, 10_000))
def test_a_share_is_none_or_all_only_where_it_is(part: int, rest: int) -> None:
    share = speech("en").share(part, part + rest)
    assert (share == "0%") == (part == 0 and rest > 0)
    assert (share == "100%") == (rest == 0 and part > 0)


def test_one_is_not_many() -> None:
    found = one_day()
    found.funnel = Funnel(planned=2, placed=1, reached=1, paid=1)
    found.paid_after_contact = [Sum(currency="CNY", count=1, amount=Decimal(300))]
    texts = " ".join(Parsed(page(found)).texts)
    assert (
        "1 of them (100%) was reached. 1 of these (100%) was paid within 7 days, CNY\N{NO-BREAK SPACE}300.00" in texts
    )
    assert "1 payment within 7 days" in texts


# --- what needs attention ----------------------------------------------------------------------------------------


def notices(found: Report) -> dict[str, str]:
    words = speech("en")
    loads = report_charts.loads(found.load, found.capacity, "", words)
    return {one.text: one.level for one in report_summary.notices(found, loads, words)}


def test_a_good_day_needs_no_attention() -> None:
    assert notices(one_day()) == {"Nothing was placed outside its window.": "good"}
    assert notices(nothing()) == {}


@pytest.mark.parametrize(
    ("change", "level", "says"),
    [
        ({"outside_window": 1}, "bad", "1 attempt was placed outside its window. This must not be: find out why."),
        ({"lost": Lost(ever=3, open=3)}, "watch", "3 attempts are lost and not cleared up yet; the provider is asked."),
        ({"lost": Lost(ever=1, unknown=1)}, "watch", "How 1 attempt ended was never learned; it counts as a contact."),
        ({"promises": Promises(made=4, kept=1, broken=2, open=1)}, "watch",
         "2 of 3 promises that fell due were broken."),
        ({"outcomes": {"disputed": 1}}, "watch",
         "1 contact asked for a person: a dispute, hardship, a death or a call back."),
        ({"outcomes": {"wrong_number": 1, "invalid_number": 1}}, "watch",
         "2 attempts met a wrong or invalid number: the accounts need better ones."),
        ({"reasons": {"window_closed": 5}}, "watch",
         "The window closed before 5 attempts could be placed: the lines were too slow, or not running."),
        ({"dispositions": {"infrastructure": 2}}, "watch", "2 attempts failed by a fault of the network."),
        ({"messages": Messages(placed=10, delivered=9, undelivered=1)}, "watch", "1 of 10 messages was not delivered."),
        ({"capacity": [Capacity(line="main", channel="voice", an_hour=21)]}, "watch",
         "Line main was full: 100% of its capacity in the busiest hour."),
    ],
)  # fmt: skip
def test_what_is_not_as_it_should_be_is_said(change: dict[str, Any], level: str, says: str) -> None:
    found = notices(one_day().model_copy(update=change))
    assert found[says] == level
    assert next(iter(found)) == says


@pytest.mark.parametrize(
    "change",
    [
        {"promises": Promises(made=4, kept=3, broken=1)},
        {"outcomes": {"reached": 9, "agent": 2}},
        {"messages": Messages(placed=100, delivered=95, undelivered=5)},
        {"reasons": {"paid": 20, "launched_late": 3}},
        {
            "capacity": [
                Capacity(line="main", channel="voice", an_hour=24),
                Capacity(line="x", channel="sms", an_hour=1),
            ]
        },
    ],
)
def test_what_is_usual_raises_no_notice(change: dict[str, Any]) -> None:
    assert set(notices(one_day().model_copy(update=change)).values()) == {"good"}


# --- charts ------------------------------------------------------------------------------------------------------

MONTH_TITLES = ("Answer rate by hour", "Answer rate by weekday", "Payments by days after the contact")


@pytest.mark.parametrize("form", [0, 1], ids=["wide", "narrow"])
def test_the_columns_are_as_high_as_the_rates(form: int) -> None:
    found = month()
    drawn = svgs(written("month", "en"), "Answer rate by hour")[form]
    rates = [one.answered / one.calls for one in found.by_hour]
    heights = [height for height in numbers(r"v(-?[\d.]+)h-[\d.]+Z\" fill=\"var\(--(?:bar|pale)\)", drawn) if height]
    assert heights == pytest.approx([150 * rate / max(rates) for rate in rates])
    said = re.findall(r"(\d\d): ([^,\"]+)", drawn)
    calls = {f"{one.at:02d}": f"{100 * one.answered / one.calls:.0f}%" for one in found.by_hour}
    assert dict(said) == calls | {"12": "–", "13": "–"}
    assert [text for text in re.findall(r">([^<>]+)</text>", drawn) if "%" in text] == list(calls.values())
    assert drawn.count('fill="var(--pale)"') == sum(one.calls < report_charts.FEW for one in found.by_hour) == 1


def test_the_stretches_of_a_round_are_its_shares() -> None:
    found = month()
    for drawn in svgs(written("month", "en"), "Outcomes by segment and round"):
        widths = numbers(r"h(-?[\d.]+)v22", drawn)
        whole = sum(widths) / len(found.rounds)
        parts = [getattr(one, part) / one.placed for one in found.rounds for part in report_charts.PARTS
                 if getattr(one, part)]  # fmt: skip
        assert sorted(widths) == pytest.approx(sorted(share * whole for share in parts))
        assert [f"{one.placed:,}" in drawn for one in found.rounds] == [True] * len(found.rounds)
        for one in found.rounds:
            assert f"{one.segment} {one.round}: promised {100 * one.promised / one.placed:.0f}%" in drawn


def test_payments_show_the_days_without_any() -> None:
    [drawn, _] = svgs(written("month", "en"), "Payments by days")
    assert "0: 733, 1: 611, 2: 345, 3: 201, 4: 0, 5: 170, 6: 58, 7: 42" in drawn


def test_capacity_is_drawn_where_it_can_be_seen() -> None:
    def dashes(line: str) -> int:
        return svgs(written("month", "en"), line)[0].count("stroke-dasharray")

    assert (dashes("main, calls"), dashes("backup, calls"), dashes("main, messages")) == (1, 1, 0)


def test_an_hour_of_the_day_shows_its_busiest_day_and_the_mean() -> None:
    found = month()
    [drawn, _] = svgs(written("month", "en"), "backup, calls")
    for hour in (9, 14):
        placed = [one.placed for one in found.load if one.line == "backup" and one.at.hour == hour]
        assert f"{hour:02d}: {max(placed)}, {round(sum(placed) / 6)} on average" in drawn
    assert "12: 0, 0 on average" in drawn


def test_the_hour_that_comes_twice_counts_twice() -> None:
    """Summer time ends: 01:00 comes with both offsets."""
    twice = []
    for offset, placed in ((1, 30), (0, 50)):
        at = datetime(2026, 10, 25, 1, tzinfo=timezone(timedelta(hours=offset)))
        twice.append(HourLoad(at=at, line="x", channel="voice", placed=placed))
    [load] = report_charts.loads(twice, [], "placed", speech("en"))
    assert (load.days, load.peak.placed) == (1, 50)
    assert 'aria-label="x, calls: placed. 01: 50"' in load.chart.wide


@settings(max_examples=15)
@example(segments=["高风险逾期客户分群之一二三四", "high-risk overdue customers"], counts=[1] * 7)
@given(
    segments=st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=40).filter(str.strip),
        min_size=1, max_size=4, unique=True,
    ),
    counts=st.lists(st.integers(0, 50), min_size=7, max_size=7),
)  # fmt: skip
def test_any_segment_is_drawn_in_its_place(segments: list[str], counts: list[int]) -> None:
    parts = dict(zip(PLACED, counts, strict=True))
    rows = [RoundCounts(segment=one, round=12, placed=sum(counts), **parts) for one in segments]
    chart = report_charts.outcomes(rows, "Outcomes", speech("en"))
    if not sum(counts):
        assert chart is None
        return
    assert chart is not None
    for drawn, width in ((chart.wide, report_charts.WIDE), (chart.narrow, report_charts.NARROW)):
        names = re.findall(r'text-anchor="end"[^>]*>([^<]*)</text>', drawn)
        assert len(names) == len(segments)
        assert all(name.endswith(" 12") for name in names)
        assert f'width="{width}" height="{28 * len(rows)}"' in drawn


@given(rows=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=24))
def test_the_best_and_the_worst_hour_are_of_those_with_enough_calls(rows: list[tuple[int, int]]) -> None:
    answered = [Answered(at=at, calls=a + b, answered=a) for at, (a, b) in enumerate(rows) if a + b]
    names = {at: f"<{at}>" for at in range(24)}
    said = report_summary.extremes(answered, names, speech("en"))
    rates = {f"<{one.at}>": one.answered / one.calls for one in answered if one.calls >= report_charts.FEW}
    if len(rates) < 2:
        assert said == ""
    else:
        best, worst = re.findall(r"<\d+>", said)
        assert rates[best] == max(rates.values())
        assert rates[worst] == min(rates.values())


# --- colours -----------------------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_has_the_contrast_of_wcag_aa(theme: int) -> None:
    blocks = re.findall(r":root \{([^}]*)\}", written("month", "en"))
    assert len(blocks) == 2
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", blocks[theme]))
    assert set(re.findall(r"var\(--([a-z-]+)\)", written("month", "en"))) <= set(colours)
    pairs = [(text, ground) for text in ("ink", "dim") for ground in ("card", "page")]
    pairs += [("card", level) for level in ("good", "watch", "bad")]
    for part in report_charts.PARTS:
        pairs.append(("on-soft" if part in report_charts.SOFT else "on-strong", part.replace("_", "-")))
    for text, ground in pairs:
        light, dark = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


# --- the command -------------------------------------------------------------------------------------------------


@pytest.fixture
def lender(tmp_path: Path) -> Path:
    """The settings of a lender who speaks Chinese."""
    made = CliRunner().invoke(app, ["init", str(tmp_path / "lender"), "--language", "zh"])
    assert made.exit_code == 0
    return tmp_path / "lender" / "dialer.toml"


@pytest.mark.parametrize(
    ("options", "language"), [([], "zh-CN"), (["--language", "en"], "en"), (["--language", "zh"], "zh-CN")]
)
def test_the_page_is_in_the_lenders_language_or_the_one_asked_for(
    lender: Path, options: list[str], language: str
) -> None:
    written_to = lender.parent / "report.html"
    assert CliRunner().invoke(app, ["db", "upgrade", "--config", str(lender)]).exit_code == 0
    result = CliRunner().invoke(app, ["report", "--config", str(lender), "--html", str(written_to), *options])
    assert result.exit_code == 0, result.output
    assert f'<html lang="{language}">' in written_to.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--html", "r.html", "--language", "fr"], '"fr" is no language of the page; accepted: zh, en'),
        (["--language", "en"], "there is no page to write in it; give --html FILE as well"),
    ],
)
def test_a_language_that_cannot_be_is_refused(lender: Path, options: list[str], says: str) -> None:
    result = CliRunner().invoke(app, ["report", "--config", str(lender), *options])
    assert result.exit_code == 2
    assert says in " ".join(result.output.replace("│", " ").split())
