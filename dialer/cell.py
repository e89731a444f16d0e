"""One cell of a lender's file: text → value. Every reader raises ValueError `what is wrong; what is accepted`.

Days, words and codes repeat over millions of rows, so their readers remember what they read.
"""

import re
from datetime import date
from decimal import Decimal
from functools import lru_cache, partial

from babel import Locale, UnknownLocaleError
from babel.numbers import get_currency_precision, is_currency

from campaigns import where
from campaigns.model import Channel
from dialer.csvfile import shown

ID_MAX, TEXT_MAX, REASON_MAX = 64, 200, 500
FIRST_DAY, LAST_DAY = date(1990, 1, 1), date(2199, 12, 31)
MONEY = re.compile(r"[0-9]{1,12}(?:\.([0-9]{1,6}))?")


@lru_cache(16384)
def money(text: str, currency: str) -> Decimal:
    """A non-negative amount, with the currency's decimals. Raises ValueError `what is wrong; what is accepted`."""
    found = MONEY.fullmatch(text)
    if found is None:
        raise _wrong(text, "is no amount", "digits with a decimal point, such as 1200.00")
    digits, unit = _unit(currency)
    decimals = found[1] or ""
    if len(decimals) == digits:
        return Decimal(text)
    if len(decimals.rstrip("0")) > digits:
        raise _wrong(text, f"has more decimals than {currency}", f"at most {digits}")
    return Decimal(text).quantize(unit)


def _wrong(text: str, wrong: str, accepted: str) -> ValueError:
    """Repeats what a cell holds: for words, days and amounts, never for names and numbers."""
    return ValueError(f'"{shown(text)}" {wrong}; {accepted}' if text else f"is empty; {accepted}")


def text_up_to(maximum: int, text: str) -> str:
    """Any text, which may be empty. What it says is personal: no message repeats it."""
    if len(text) > maximum:
        raise ValueError(f"has {len(text)} characters; at most {maximum}")
    return text


def ident(text: str) -> str:
    if text and len(text) <= ID_MAX and text.isprintable():
        return text
    if not text:
        raise ValueError(f"is empty; up to {ID_MAX} characters")
    return ident_or_empty(text)


def ident_or_empty(text: str) -> str:
    if not text:
        return text
    if len(text) > ID_MAX:
        raise ValueError(f"has {len(text)} characters; at most {ID_MAX}")
    if not text.isprintable():
        raise ValueError("holds line breaks or control characters; printable characters")
    return text


def reason(text: str) -> str:
    if not text:
        raise ValueError(f"is empty; why contact has to stop, up to {REASON_MAX} characters")
    return text_up_to(REASON_MAX, text)


@lru_cache(1024)
def word(words: tuple[str, ...], text: str) -> str:
    if text.lower() not in words:
        raise _wrong(text, "is not known", f"{', '.join(filter(None, words))}, or empty")
    return text.lower()


@lru_cache(1024)
def role(text: str) -> str:
    """Who the person is to the debt: whoever else it is about is not to be told of it, so there are no more words."""
    if text.lower() not in ("", "borrower", "guarantor"):
        accepted = "borrower, guarantor, or empty; that anybody else is contacted is not built, on purpose"
        raise _wrong(text, "is no role", accepted)
    return text.lower()


@lru_cache(1024)
def language(text: str) -> str:
    try:
        if text:
            Locale.parse(text.replace("_", "-"), sep="-")
    except (ValueError, UnknownLocaleError) as error:
        raise _wrong(text, "is no language", "a tag such as zh-CN or en, or empty") from error
    return text.replace("_", "-")


@lru_cache(4096)
def zone(text: str) -> str:
    if text and not where.is_zone(text):
        raise _wrong(text, "is no time zone", "an IANA name such as Asia/Shanghai, or empty")
    return text


@lru_cache(4096)
def region(text: str) -> str:
    if text and not where.is_region(text):
        raise _wrong(text, "is no region", "a country or a part of one, such as CN or US-MA, or empty")
    return text


@lru_cache(1024)
def _unit(currency: str) -> tuple[int, Decimal]:
    """The currency's number of decimals, and its smallest unit."""
    digits = get_currency_precision(currency)
    return digits, Decimal(1).scaleb(-digits)


@lru_cache(1024)
def currency(text: str) -> str:
    if not is_currency(text):
        raise _wrong(text, "is no currency", "an ISO 4217 code such as CNY")
    return text


@lru_cache(16384)
def day(text: str) -> date:
    accepted = "a day as YYYY-MM-DD, 1990 to 2199"
    try:
        if len(text) != 10 or text[4] + text[7] != "--":
            raise ValueError(text)
        found = date.fromisoformat(text)
    except ValueError as error:
        raise _wrong(text, "is no date", accepted) from error
    if not FIRST_DAY <= found <= LAST_DAY:
        raise ValueError(f"{text} is too far away; {accepted}")
    return found


def day_or_none(text: str) -> date | None:
    return day(text) if text else None


free = partial(text_up_to, TEXT_MAX)
consent = partial(word, ("yes", "no", ""))
channel = partial(word, (*Channel, ""))
