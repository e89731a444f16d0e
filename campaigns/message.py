"""Templates: the few names a script or message may use, rendered in the person's language; the length of an SMS.

A name's value is put in as text, once: braces in it stay braces, line breaks and control characters become one space.
Money and dates are written by Babel (CLDR), with ordinary spaces where CLDR has no-break ones, so that
English stays GSM-7.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from string import Formatter
from typing import Literal, NamedTuple

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton
from babel.numbers import format_currency


@dataclass(slots=True)
class Values:
    """What the names of a template stand for, for one attempt."""

    name: str
    lender: str
    lender_phone: str
    due_on: date
    amounts: tuple[Decimal, ...]
    """Still unpaid, one an account: {amount} is their sum, {count} their number."""
    currency: str
    """ISO 4217."""
    pay_to: tuple[str, ...]
    """Accounts to pay into; equal ones are named once."""
    today: date
    """The person's local date: {days} counts from it to the due date, 0 on the day, negative after it."""
    language: str
    """A language tag such as zh-CN; one that CLDR doesn't know is written the English way."""


NAMES = ("name", "lender", "lender_phone", "due_on", "amount", "count", "pay_to", "days")
ESSENTIALS = ("due_on", "amount", "pay_to")
"""When, how much, into which account. A text for several accounts may leave the last one out."""
OF_THE_DEBT = frozenset({*ESSENTIALS, "count", "days"})
"""Names that tell of a debt: nobody but the person may hear them."""
DATE_FORMATS = ("long", "date", "month_day")
"""January 15, 2026 (also where no format is given) · Jan 15, 2026 · January 15."""


def template_names(text: str) -> list[tuple[str, str]]:
    """The names in `text` with their formats ("" for none), in order, unknown ones too.

    Empty for a text whose braces don't match: `template_faults` names that."""
    try:
        return [(name, spec) for _, name, spec in _parse(text) if name is not None]
    except ValueError:
        return []


def template_faults(text: str) -> list[str]:
    """What is wrong with the template, each with what is accepted; empty when it can be rendered."""
    try:
        parts = _parse(text)
    except ValueError as error:
        return [f"braces don't match ({error}); a brace that is meant as text is written twice"]
    return [fault for _, name, spec in parts if name is not None and (fault := _fault(name, spec))]


def is_neutral(*texts: str | None) -> bool:
    """Whether none of the texts tells of a debt, as far as their names go."""
    return not any(OF_THE_DEBT & {name for name, _ in template_names(text)} for text in texts if text)


def render(template: str, values: Values) -> str:
    """The template with its names replaced. Raises ValueError for one that `template_faults` refuses."""
    return "".join(
        [literal if name is None else literal + _VALUES[name](values, spec) for literal, name, spec in _sound(template)]
    )


def forms(values: Values) -> dict[str, tuple[str, ...]]:
    """What each name may stand as in a rendered text, in all its formats: for rules about what is said."""
    return {
        "name": (_flat(values.name),),
        "lender": (_flat(values.lender),),
        "lender_phone": (_flat(values.lender_phone),),
        "amount": (_amount(values),),
        "due_on": _days(values.due_on, values.language),
        "pay_to": tuple([_flat(one) for one in values.pay_to]),
    }


def choose(text: str, text_many: str | None, count: int) -> str:
    """The template for `count` accounts: `text_many` for several, where there is one."""
    return text_many if text_many and count > 1 else text


def known_language(tag: str) -> bool:
    """Whether money and dates can be written in this language (zh-CN, en-US, es …)."""
    return _find_locale(tag) is not None


@lru_cache(maxsize=256)
def _parse(text: str) -> tuple[tuple[str, str | None, str], ...]:
    """(literal, name, format) in order. Only the splitting is Formatter's: nothing is ever looked up by it."""
    return tuple(
        (literal, name if not conversion else f"{name}!{conversion}", spec or "")
        for literal, name, spec, conversion in Formatter().parse(text)
    )


@lru_cache(maxsize=256)
def _sound(template: str) -> tuple[tuple[str, str | None, str], ...]:
    """The parts of a template without faults. Raises ValueError."""
    if faults := template_faults(template):
        raise ValueError("; ".join(faults))
    return _parse(template)


def _fault(name: str, spec: str) -> str | None:
    if name not in NAMES:
        return f"unknown name {{{name}}}; accepted: {' '.join(f'{{{known}}}' for known in NAMES)}"
    if name == "due_on" and spec and spec not in DATE_FORMATS:
        return f"unknown format {{{name}:{spec}}}; accepted: {', '.join(f':{known}' for known in DATE_FORMATS)}"
    if name != "due_on" and spec:
        return f"unknown format {{{name}:{spec}}}; accepted: {{{name}}} alone"
    return None


def _amount(values: Values, spec: str = "") -> str:
    amounts = values.amounts
    amount = amounts[0] if len(amounts) == 1 else sum(amounts, Decimal(0))
    return _flat(_money(amount, values.currency, values.language))


def _flat(value: str) -> str:
    """One line of printable text: control characters and lone surrogates count as spaces, runs of spaces as one."""
    if not value.isprintable():  # what is has neither of them
        value = "".join(" " if unicodedata.category(c) in ("Cc", "Cs") else c for c in value)
    return " ".join(value.split())


@lru_cache(maxsize=256)
def _find_locale(tag: str) -> Locale | None:
    tag = tag.replace("_", "-")
    for candidate in (tag, tag.partition("-")[0]):
        try:
            return Locale.parse(candidate, sep="-")
        except (ValueError, UnknownLocaleError):
            continue
    return None


def _locale(tag: str) -> Locale:
    return _find_locale(tag) or Locale("en")


# By the tag, not by the locale: a Locale works out its hash anew each time.
@lru_cache(maxsize=1024)
def _day(day: date, spec: str, language: str) -> str:
    locale = _locale(language)
    if spec == "month_day":
        return format_skeleton("MMMMd", day, locale=locale)
    return format_date(day, "medium" if spec == "date" else "long", locale=locale)


@lru_cache(maxsize=1024)
def _days(day: date, language: str) -> tuple[str, ...]:
    return tuple(_day(day, spec, language) for spec in DATE_FORMATS)


@lru_cache(maxsize=4096)
def _money(amount: Decimal, currency: str, language: str) -> str:
    """¥ before a number is read badly by Chinese voices, 元 after it well. English names a currency
    whose sign (₹, ₱ …) would turn a whole SMS into UCS-2."""
    locale = _locale(language)
    if (locale.language, currency) == ("zh", "CNY"):
        return format_currency(amount, currency, "#,##0.00元", locale=locale)
    money = format_currency(amount, currency, locale=locale)
    if locale.language == "en" and segments(money).encoding == "ucs2":
        return format_currency(amount, currency, locale=locale, format_type="name")
    return money


def _listed(items: tuple[str, ...], language: str) -> str:
    if len(items) == 1:
        return _flat(items[0])
    # Flat as a whole, too: some locales' comma has other spaces.
    return _flat(_comma(language).join(dict.fromkeys(flat for item in items if (flat := _flat(item)))))


@lru_cache(maxsize=256)
def _comma(language: str) -> str:
    comma: str = _locale(language).list_patterns["standard"]["middle"].removeprefix("{0}").removesuffix("{1}")
    return comma


_VALUES: dict[str, Callable[[Values, str], str]] = {
    "name": lambda values, _: _flat(values.name),
    "lender": lambda values, _: _flat(values.lender),
    "lender_phone": lambda values, _: _flat(values.lender_phone),
    "due_on": lambda values, spec: _flat(_day(values.due_on, spec, values.language)),
    "amount": _amount,
    "count": lambda values, _: str(len(values.amounts)),
    "pay_to": lambda values, _: _listed(values.pay_to, values.language),
    "days": lambda values, _: str((values.due_on - values.today).days),
}
"""What each name stands for in a format, flat."""


# 3GPP TS 23.038, 6.2.1: the default alphabet, and the extension table, whose characters take an escape before them.
_GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM7_EXTENSION = frozenset("^{}\\[~]|€\f")


class Length(NamedTuple):
    """How long an SMS is. `characters` counts septets (gsm7) or UTF-16 units (ucs2)."""

    encoding: Literal["gsm7", "ucs2"]
    characters: int
    segments: int


def segments(text: str) -> Length:
    """The length of `text` as an SMS: 160 septets or 70 UTF-16 units in one segment, 153 or 67 in each of several
    (the rest carries the joining header). An escaped character and a surrogate pair are never split over two."""
    if all(c in _GSM7 or c in _GSM7_EXTENSION for c in text):
        sizes = [2 if c in _GSM7_EXTENSION else 1 for c in text]
        return Length("gsm7", sum(sizes), _filled(sizes, 160, 153))
    sizes = [2 if ord(c) > 0xFFFF else 1 for c in text]
    return Length("ucs2", sum(sizes), _filled(sizes, 70, 67))


def _filled(sizes: list[int], alone: int, joined: int) -> int:
    """Segments that hold the sizes in order. An empty message is still one."""
    if sum(sizes) <= alone:
        return 1
    count, used = 1, 0
    for size in sizes:
        if used + size > joined:
            count, used = count + 1, 0
        used += size
    return count
