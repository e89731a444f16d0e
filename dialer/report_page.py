"""The report as one page of HTML: no script, no outside address, readable on a phone, in the dark and on paper."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined

from campaigns.rules import AnyRule
from dialer import report_charts, report_summary
from dialer.report_model import Report
from dialer.report_words import Speech, speech

_NONE: Mapping[str, AnyRule] = {}
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def render(
    found: Report, language: str, columns: Mapping[str, str], pays_within: int, rules: Mapping[str, AnyRule] = _NONE
) -> str:
    """The page in Chinese for a zh language, else in English.

    `columns`: name → title of the counts in the table; `pays_within`: days in which a payment counts as one after
    the contact; `rules`: by id, those that refused.
    """
    words = replace(speech(language), rules=rules)
    loads = report_charts.loads(found.load, found.capacity, words.say("placed in an hour"), words)
    return _environment().get_template("report.html.j2").render(
        report=found,
        columns=columns,
        pays_within=pays_within,
        language="zh-CN" if words.words else "en",
        at=found.at.astimezone(ZoneInfo(found.time_zone)).strftime("%Y-%m-%d %H:%M"),
        period=_period(found, words),
        sentences=report_summary.sentences(found, pays_within, words),
        notices=report_summary.notices(found, loads, words),
        calls=report_summary.calls(found),
        spend=report_summary.spend(found),
        parts=report_charts.PARTS,
        few=report_charts.FEW,
        loads=loads,
        _=words.say,
        words=words,
        sums=report_summary.sums,
        **_charts(found, words),
    )  # fmt: skip


def _charts(found: Report, words: Speech) -> dict[str, Any]:
    """The charts with their captions, by the names that the template gives them."""
    say = words.say
    hours = {hour: f"{hour:02d}" for hour in range(24)}
    clock = {hour: f"{hour:02d}:00" for hour in hours}
    weekdays = {day: say(name) for day, name in enumerate(WEEKDAYS, 1)}
    return {
        "clock": clock,
        "weekdays": weekdays,
        "rounds": report_charts.outcomes(found.rounds, say("Outcomes by segment and round"), words),
        "by_hour": report_charts.answered(found.by_hour, hours, say("Answer rate by hour"), words),
        "by_hour_said": report_summary.extremes(found.by_hour, clock, words),
        "by_weekday": report_charts.answered(found.by_weekday, weekdays, say("Answer rate by weekday"), words),
        "by_weekday_said": report_summary.extremes(found.by_weekday, weekdays, words),
        "paid_after": report_charts.paid_after(found.paid_after_days, say("Payments by days after the contact"), words),
        "paid_after_said": report_summary.half_paid(found.paid_after_days, words),
    }


def _period(found: Report, words: Speech) -> str:
    """The day asked for, else the days in which something was placed; empty where nothing was."""
    if found.day is not None:
        return words.days(found.day, found.day)
    days = [hour.at.date() for hour in found.load]
    return words.days(min(days), max(days)) if days else ""


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("dialer", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
