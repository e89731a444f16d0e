"""The report's charts, as SVG that stands in the page.

Every text in a chart is made here, in the page's language, so that Vega only places it. Colours are the page's CSS
variables, so that one drawing serves light and dark. Each chart is drawn twice, for a wide and for a narrow column;
the page's style shows the one that fits.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from operator import itemgetter
from typing import Any
from unicodedata import east_asian_width

from dialer.report_model import Answered, Capacity, HourLoad, PaidAfter, RoundCounts
from dialer.report_words import Speech

WIDE, NARROW = 526, 330
"""Widths in px: of half the page on a desktop, and of a phone's."""
FEW = 30
"""A rate of fewer calls than these is drawn pale: it says little."""
BEHIND = 3
"""Capacity is drawn where it is at most so many times the peak; else its line would press the columns flat."""

PARTS = ("promised", "says_paid", "reached", "other", "opted_out", "not_reached", "running")
"""What becomes of the placed, the best first; together they are `placed`. Each has its colour in the page."""
SOFT = frozenset({"not_reached", "running"})
"""Pale colours, that take dark text."""

Spec = dict[str, Any]
AS_IT_IS: Spec = {"type": "nominal", "scale": None}
"""For a field that names a colour itself."""
ROOM_FOR_A_SHARE, ROOM_FOR_A_COUNT = 29, 48
"""px."""


@dataclass(frozen=True)
class Chart:
    """A drawing in two widths. Each has all its figures in its label, for who can't see it."""

    wide: str
    narrow: str


@dataclass(frozen=True)
class Column:
    """One column: its place on the axis, its height, that in words, and the text on top (all do not always fit)."""

    at: str
    value: float
    said: str
    top: str
    mean: float | None = None
    """A darker column in front of it."""
    pale: bool = False


@dataclass(frozen=True)
class Load:
    """What one line placed on one channel, by the hour of the day. `peak`: the busiest hour of all."""

    peak: HourLoad
    an_hour: int | None
    limited: bool
    """Whether the chart draws what the line can place in an hour."""
    days: int
    chart: Chart


def outcomes(rows: Sequence[RoundCounts], title: str, speech: Speech) -> Chart | None:
    """What became of the placed attempts of each round, as shares of them."""
    rounds = [one for one in rows if one.placed]
    if not rounds:
        return None
    pieces = [piece for row, one in enumerate(rounds) for piece in _pieces(row, one, speech)]
    figures = [
        f"{one.segment} {one.round}: {', '.join(piece['said'] for piece in of_row)}"
        for one, (_, of_row) in zip(rounds, groupby(pieces, itemgetter("row")), strict=True)
    ]
    names = [(one.segment, str(one.round)) for one in rounds]
    return _drawn(lambda width: _across(names, pieces, width), f"{title}. {'; '.join(figures)}")


def _pieces(row: int, one: RoundCounts, speech: Speech) -> list[dict[str, Any]]:
    """One stretch a part, side by side from 0 to 1."""
    found, begin = [], 0
    for part in PARTS:
        count = getattr(one, part)
        if not count:
            continue
        share = speech.share(count, one.placed)
        found.append(
            {
                "row": row,
                "from": begin / one.placed,
                "to": (begin + count) / one.placed,
                "middle": (begin + count / 2) / one.placed,
                "share": count / one.placed,
                "said": f"{speech.column(part)} {share}",
                "text": share,
                "placed": speech.count(one.placed),
                "fill": f"var(--{part.replace('_', '-')})",
                "ink": "var(--on-soft)" if part in SOFT else "var(--on-strong)",
            }
        )
        begin += count
    return found


def answered(rows: Sequence[Answered], names: Mapping[int, str], title: str, speech: Speech) -> Chart | None:
    """The share of calls that were answered, for each hour or weekday. `names`: the row's `at` → what stands below."""
    of = {one.at: one for one in rows}
    columns = []
    for at in range(min(of, default=0), max(of, default=-1) + 1):
        one = of.get(at) or Answered(at=at, calls=0, answered=0)
        share = speech.share(one.answered, one.calls)
        top = share if one.calls else ""
        columns.append(Column(names[at], one.answered / (one.calls or 1), share, top, pale=0 < one.calls < FEW))
    return _columns(columns, title)


def paid_after(rows: Sequence[PaidAfter], title: str, speech: Speech) -> Chart | None:
    """Payments by the days after the contact, the empty days between included."""
    of_day = {one.days: one.payments for one in rows}
    columns = []
    for day in range(max(of_day, default=-1) + 1):
        count = speech.count(of_day.get(day, 0))
        columns.append(Column(str(day), of_day.get(day, 0), count, count))
    return _columns(columns, title)


def loads(hours: Iterable[HourLoad], capacity: Iterable[Capacity], title: str, speech: Speech) -> list[Load]:
    """One for each line and channel that placed anything, the one with the busiest hour first."""
    most = {(one.line, one.channel): one.an_hour for one in capacity}
    of_line: dict[tuple[str, str], list[HourLoad]] = {}
    for hour in hours:
        of_line.setdefault((hour.line, hour.channel), []).append(hour)
    found = [_load(rows, most.get(key), title, speech) for key, rows in of_line.items()]
    return sorted(found, key=lambda one: (-one.peak.placed, one.peak.line, one.peak.channel))


def _load(rows: Sequence[HourLoad], an_hour: int | None, title: str, speech: Speech) -> Load:
    peak = max(rows, key=lambda row: row.placed)
    days = len({row.at.date() for row in rows})
    columns = []
    for hour in range(min(row.at.hour for row in rows), max(row.at.hour for row in rows) + 1):
        placed = [row.placed for row in rows if row.at.hour == hour]
        most, mean = max(placed, default=0), sum(placed) / days
        text = speech.count(most)
        top = text if hour == peak.at.hour else ""
        if days == 1:
            columns.append(Column(f"{hour:02d}", most, text, top))
        else:
            said = speech.say("{}, {} on average", most, round(mean))
            columns.append(Column(f"{hour:02d}", most, said, top, mean, pale=True))
    limit = an_hour if an_hour is not None and an_hour <= BEHIND * peak.placed else None
    chart = _columns(columns, f"{peak.line}, {speech.name(peak.channel)}: {title}", limit)
    assert chart is not None  # a line is listed only for what it placed
    return Load(peak, an_hour, limit is not None, days, chart)


def _columns(columns: Sequence[Column], title: str, limit: float | None = None) -> Chart | None:
    """Columns side by side; `limit`: a line across, at its height."""
    if not columns:
        return None
    figures = ", ".join(f"{one.at}: {one.said}" for one in columns)
    return _drawn(lambda width: _upright(columns, width, limit), f"{title}. {figures}")


def _upright(columns: Sequence[Column], width: int, limit: float | None) -> Spec:
    rows = [
        {
            "at": one.at,
            "value": one.value,
            "mean": one.mean,
            "text": one.top,
            "fill": "var(--pale)" if one.pale else "var(--bar)",
            "edge": "var(--bar)" if one.value else "none",
        }
        for one in columns
    ]
    at = {"field": "at", "type": "ordinal", "sort": None, "axis": {"labelAngle": 0, "labelPadding": 6}}
    top = max(limit or 0, *(one.value for one in columns)) or 1
    height = {"type": "quantitative", "scale": {"domain": [0, top]}, "axis": None}
    # Few columns stay columns, and do not become walls.
    band = min(64, 0.76 * width / len(columns))
    layers: list[Spec] = [
        {
            "mark": {"type": "bar", "width": band},
            "encoding": {
                "y": {"field": "value", **height},
                "fill": {**AS_IT_IS, "field": "fill"},
                "stroke": {**AS_IT_IS, "field": "edge"},
            },
        }
    ]
    if any(one.mean is not None for one in columns):
        mark = {"type": "bar", "width": band, "fill": "var(--bar)"}
        layers.append({"mark": mark, "encoding": {"y": {"field": "mean", **height}}})
    if limit is not None:
        mark = {"type": "rule", "stroke": "var(--bad)", "strokeDash": [5, 4], "strokeWidth": 1.5}
        once: Spec = {"values": [{}]}
        layers.append({"data": once, "mark": mark, "encoding": {"x": None, "y": {"datum": limit, **height}}})
    # In a halo, so that it can be read where it meets the limit.
    text = {"type": "text", "dy": -9, "stroke": "var(--card)", "strokeWidth": 4}
    layers.append({"mark": text, "encoding": {"y": {"field": "value", **height}, "text": {"field": "text"}}})
    return _spec(rows, (width, 150), {"top": 18, "bottom": 24}, {"encoding": {"x": at}, "layer": layers})


def _across(names: Sequence[tuple[str, str]], pieces: list[dict[str, Any]], width: int) -> Spec:
    """Rows of stretches from 0 to 1; before each its (segment, round), after it how many were placed."""
    left = min(0.32 * width, 14 + max(_length(" ".join(name)) for name in names))
    inner = width - left - ROOM_FOR_A_COUNT
    short = [_shortened(segment, f" {number}", left - 10) for segment, number in names]
    rows = [{**piece, "name": short[piece["row"]]} for piece in pieces]
    share = {"type": "quantitative", "scale": {"domain": [0, 1]}, "axis": None}

    def written(field: str, x: Spec, only: str, mark: Spec, **more: Any) -> Spec:
        """The field as text at x, for the stretches that the filter `only` leaves."""
        encoding = {"x": {**x, **share}, "text": {"field": field}, **more}
        return {"mark": {"type": "text", **mark}, "transform": [{"filter": only}], "encoding": encoding}

    bar = {"type": "bar", "height": 22, "stroke": "var(--card)", "strokeWidth": 1}
    readable = f"datum.share * {inner} > {ROOM_FOR_A_SHARE}"
    fill, ink = {**AS_IT_IS, "field": "fill"}, {**AS_IT_IS, "field": "ink"}
    layers = [
        {"mark": bar, "encoding": {"x": {"field": "from", **share}, "x2": {"field": "to"}, "fill": fill}},
        written("text", {"field": "middle"}, readable, {}, color=ink),
        written("name", {"datum": 0}, "datum.from == 0", {"align": "right", "dx": -8}),
        written("placed", {"datum": 1}, "datum.to == 1", {"align": "left", "dx": 6, "fill": "var(--dim)"}),
    ]
    marks = {"encoding": {"y": {"field": "row", "type": "ordinal", "axis": None}}, "layer": layers}
    return _spec(rows, (inner, 28 * len(names)), {"left": left, "right": ROOM_FOR_A_COUNT}, marks)


def _length(text: str) -> float:
    """About how many px the text takes in the chart's type; a Chinese sign is as wide as it is high."""
    return sum(12.5 if east_asian_width(sign) in "WF" else 7.5 for sign in text)


def _shortened(text: str, end: str, room: float) -> str:
    """The text with its end; what does not fit of the text is cut, never the end."""
    if _length(text + end) <= room:
        return text + end
    while text and _length(f"{text}…{end}") > room:
        text = text[:-1]
    return f"{text}…{end}"


def _spec(rows: Sequence[Mapping[str, Any]], size: tuple[float, float], room: Mapping[str, float], marks: Spec) -> Spec:
    """What all charts share: no frame, no background, the page's colours and type.

    The room around is fixed, not measured: the reader's font is not the one that is here.
    """
    return {
        "data": {"values": rows},
        "width": size[0],
        "height": size[1],
        "autosize": "none",
        "background": None,
        "padding": {"left": 0, "right": 0, "top": 0, "bottom": 0, **room},
        **marks,
        "config": {
            "aria": False,
            "view": {"stroke": None},
            "text": {"fontSize": 12, "fill": "var(--ink)", "baseline": "middle"},
            "axis": {
                "title": None,
                "ticks": False,
                "grid": False,
                "domainColor": "var(--line)",
                "labelColor": "var(--ink)",
                "labelFontSize": 12,
            },
        },
    }


def _drawn(spec: Callable[[int], Spec], label: str) -> Chart:
    return Chart(_svg(spec(WIDE), label), _svg(spec(NARROW), label))


def _svg(spec: Spec, label: str) -> str:
    """The drawing as an element of the page: it takes the page's font, and only its label is read aloud."""
    import vl_convert  # only here: loading it takes longer than most commands run

    drawn: str = vl_convert.vegalite_to_svg(spec)
    head, inner = drawn.split(">", 1)
    size = " ".join(re.findall(r'(?:width|height|viewBox)="[^"]*"', head))
    return f'<svg {size} role="img" aria-label="{escape(label)}">{inner}'
