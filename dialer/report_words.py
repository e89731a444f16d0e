"""How the report's page says things in Chinese or English: words, counts, shares, money and days."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files

from babel.dates import format_interval, format_skeleton
from babel.numbers import format_currency

from campaigns.rules import AnyRule
from campaigns.words import is_chinese, says
from dialer.report_model import TITLES

LANGUAGES = ("zh", "en")
NOTHING = "–"
"""Stands where there is nothing to divide by."""

PLAIN = {
    # outcomes
    "reached": "heard it, said no more", "no_contact": "no contact", "agent": "wanted an agent",
    "callback": "wants a call back", "deceased": "borrower deceased", "refused": "refuses to pay",
    # dispositions
    "human": "a person answered", "answered": "answered, by whom is not known", "machine": "voicemail",
    "blocked": "blocked by the carrier", "infrastructure": "network fault", "sent": "sent, without receipt",
    # why cancelled or expired
    "paid": "paid before", "stopped": "stopped by an earlier answer", "paused_until": "paused by an earlier answer",
    "replanned": "planned anew", "campaign_cancelled": "the campaign was cancelled",
    "launched_late": "launched after the window", "window_closed": "the window closed first",
    # channels
    "voice": "calls", "sms": "messages",
    # what lost an attempt
    "uncertain": "the provider's answer did not come", "lease_expired": "our worker stopped on the way",
    "silent": "the call's end was not told",
    # the dialer's own rules
    "dialer.cancelled": "the campaign is cancelled", "dialer.paid": "nothing is left to pay",
    "dialer.stopped": "stopped by an earlier answer", "dialer.suppressed": "the person wants no contact",
    "dialer.consent": "no consent to this channel", "dialer.country": "no line reaches the country",
    "dialer.premium": "a premium-rate number", "dialer.zone": "the person's time zone is not known",
    "dialer.spend": "the line's spend limit was reached", "dialer.halted": "everything was halted",
    "dialer.paused": "the campaign was paused", "dialer.live_call": "another call to the number was running",
    "dialer.jurisdiction": "no rule pack knows where the person is", "dialer.clock": "our clock was wrong",
    "dialer.fault": "a fault of the dialer",
}  # fmt: skip
"""What the engine's own names mean, where the name alone does not say it to everybody."""


class Count(int):
    """An int that prints with thousands, and chooses a word: `"{0} call{0:|s}"`, `"{0:was|were}"`."""

    def __format__(self, spec: str) -> str:
        if "|" not in spec:
            return super().__format__(spec or ",")
        one, many = spec.split("|")
        return one if self == 1 else many


@dataclass(frozen=True)
class Speech:
    """One language. `words`: English → this language; empty for English."""

    locale: str
    words: Mapping[str, str]
    rules: Mapping[str, AnyRule] = field(default_factory=dict)
    """Those of the packs that are spoken of, by id."""

    def say(self, text: str, *parts: object) -> str:
        """The text, its parts put into the braces; ints with thousands."""
        found = self.words.get(text, text)
        return found.format(*(Count(one) if type(one) is int else one for one in parts))

    def name(self, name: str) -> str:
        """What a name of the engine's closed lists (an outcome, a reason, a column …) says to a reader."""
        return self.say(PLAIN.get(name, name.replace("_", " ")))

    def column(self, name: str) -> str:
        """The title of a count."""
        return self.say(TITLES[name])

    def rule(self, rule: str) -> str:
        """What a rule or one of the dialer's own checks says, by its id; empty for one that no pack has any more."""
        if rule in self.rules:
            return says(self.rules[rule], self.locale)
        return self.name(rule) if rule in PLAIN else ""

    def count(self, count: int) -> str:
        """`1,234`."""
        return f"{count:,}"

    def share(self, part: int, whole: int) -> str:
        """`54%`; never 0% for some or 100% for not all."""
        if not whole:
            return NOTHING
        percent = round(100 * part / whole)
        if percent == 0 and part:
            return "<1%"
        if percent >= 100 and part < whole:
            return ">99%"
        return f"{percent}%"

    def money(self, amount: Decimal, currency: str) -> str:
        """`CNY 1,234.50` or `¥1,234.50`, with the currency's own digits."""
        style = None if self.words else "¤¤\N{NO-BREAK SPACE}#,##0.00"
        return str(format_currency(amount, currency, style, locale=self.locale))

    def amount(self, amount: Decimal, currency: str) -> str:
        """The same without the currency, for a column that names it."""
        return str(format_currency(amount, currency, "#,##0.00", locale=self.locale))

    def days(self, first: date, last: date) -> str:
        """`12–30 Jan 2026`, or the one day."""
        return str(format_interval(first, last, "yMMMd", locale=self.locale))

    def day(self, day: date) -> str:
        """`Tue 13 Jan`."""
        return str(format_skeleton("MMMEd", day, locale=self.locale))


def speech(language: str, *more: str) -> Speech:
    """Chinese for a zh language, else English. `more`: files of words beside those of the report."""
    if not is_chinese(language):
        return Speech("en_GB", {})
    return Speech("zh_CN", {key: word for name in ("report.zh.toml", *more) for key, word in _chinese(name).items()})


@cache
def _chinese(name: str) -> dict[str, str]:
    """English → Chinese, from a file beside the templates."""
    text = (files("dialer") / "templates" / name).read_text(encoding="utf-8")
    found: dict[str, str] = tomllib.loads(text)
    return found
