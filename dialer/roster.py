"""The lender's rows as values: what an account, an installment and a suppression are, read from CSV and checked.

No database: `dialer plan --accounts F --installments F` needs nothing else. A bad row is a Reject, not an exception.
"""

import re
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from babel import Locale, UnknownLocaleError
from babel.numbers import get_currency_precision, is_currency

from campaigns import where
from campaigns.model import Channel
from config.files import Fault
from dialer.csvfile import CHUNK_ROWS, Row, Sheet, look_through

T = TypeVar("T", bound=Hashable)
Read = Callable[[str], Any]

ID_MAX, TEXT_MAX, REASON_MAX = 64, 200, 500
FIRST_DAY, LAST_DAY = date(1990, 1, 1), date(2199, 12, 31)
MONEY = re.compile(r"[0-9]{1,12}(?:\.([0-9]{1,6}))?")
NO_ZONE = "no time zone can be told from file, region or number: loaded, but the gate refuses contact"
NO_PAY_TO = "pay_to is empty: a script or message that names it has nothing to say there"


class Account(NamedTuple):
    """One row of accounts.csv, in the order of the table's columns."""

    account_id: str
    person_id: str
    name: str
    phone: str
    """E.164."""
    country: str
    """Of the number, ISO 3166 alpha-2."""
    line_type: str
    zones: tuple[str, ...]
    """All zones the person may be in, the stated one first; empty: nobody knows."""
    language: str
    time_zone: str
    """As stated, may be empty."""
    region: str
    pay_to: str
    consent_voice: str
    consent_sms: str


class Installment(NamedTuple):
    """One row of installments.csv."""

    account_id: str
    installment_id: str
    """The file's, else the due date."""
    due_on: date
    amount: Decimal
    currency: str
    paid_on: date | None
    paid_amount: Decimal
    """Cumulative; 0 where the file says nothing."""

    @property
    def is_open(self) -> bool:
        return self.paid_amount < self.amount


class Suppression(NamedTuple):
    """One row of suppressions.csv: holds for the phone, and for the person on every phone."""

    phone: str | None
    person_id: str | None
    channel: str
    """`voice`, `sms`, or empty for both."""
    reason: str
    until: date | None
    """The last day it holds, lender time; None: for good."""


class Problem(NamedTuple):
    """What is wrong with one cell."""

    field: str
    wrong: str
    accepted: str


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that is not loaded, and every reason why."""

    row: Row
    problems: tuple[Problem, ...]

    def faults(self, path: Path) -> Iterator[Fault]:
        return (Fault(str(path), self.row.line, p.field, p.wrong, f"accepted: {p.accepted}") for p in self.problems)


@dataclass(slots=True)
class Chunk(Generic[T]):
    """Some consecutive rows: the good ones as values, the others as rejects."""

    good: list[tuple[Row, T]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return len(self.good) + len(self.rejects)


class BadRow(Exception):
    """The row's problems, all at once."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(len(problems))
        self.problems = problems


@dataclass(frozen=True)
class Reading(Generic[T]):
    """A file ready to be read, any number of times; iterating gives its chunks and never raises for a bad row."""

    sheet: Sheet
    parse: Callable[[list[str]], T]
    """A row's trimmed cells → its value; raises BadRow."""
    key: Callable[[T], Hashable] | None
    """What may be in a file once; None: repeated rows are harmless."""

    def __iter__(self) -> Iterator[Chunk[T]]:
        return self.chunks()

    def chunks(self, size: int = CHUNK_ROWS) -> Iterator[Chunk[T]]:
        """Bounded memory: of the keys seen only 64-bit hashes are kept."""
        seen: set[int] = set()
        for rows in self.sheet.chunks(size):
            chunk: Chunk[T] = Chunk()
            for row in rows:
                try:
                    chunk.good.append((row, self._value(row, seen)))
                except BadRow as bad:
                    chunk.rejects.append(Reject(row, bad.problems))
            yield chunk

    def _value(self, row: Row, seen: set[int]) -> T:
        width = len(self.sheet.header)
        if row.broken:
            raise BadRow(Problem("row", row.broken, "cells in quotes closed before the comma"))
        if len(row.cells) != width:
            raise BadRow(Problem("row", f"has {len(row.cells)} cells", f"{width}, as in the header"))
        value = self.parse(self.sheet.values(row))
        if self.key is not None:
            mark = hash(self.key(value))
            if mark in seen:
                raise BadRow(Problem("row", "has a key that is in the file already", "each key once"))
            seen.add(mark)
        return value


def read_accounts(path: Path, country: str) -> Reading[Account]:
    """accounts.csv. `country`: the lender's, ISO 3166 alpha-2, for numbers in national form without a region.

    Raises InvalidInput for what concerns the whole file, as do the other two.
    """
    return Reading(look_through(path, tuple(_ACCOUNT)), partial(_account, country), lambda account: account.account_id)


def read_installments(path: Path) -> Reading[Installment]:
    """installments.csv; the key is account_id with installment_id, where there is none with due_on."""
    needed = tuple(name for name in _INSTALLMENT if name != "installment_id")
    return Reading(look_through(path, needed, ["installment_id"]), _installment, lambda row: row[:2])


def read_suppressions(path: Path, country: str) -> Reading[Suppression]:
    """suppressions.csv. `country`: the lender's, for numbers in national form."""
    return Reading(look_through(path, tuple(_SUPPRESSION)), partial(_suppression, country), None)


def money(text: str, currency: str) -> Decimal:
    """A non-negative amount, with the currency's decimals. Raises ValueError `what is wrong; what is accepted`."""
    found = MONEY.fullmatch(text)
    if found is None:
        raise _wrong(text, "is no amount", "digits with a decimal point, such as 1200.00")
    digits, unit = _unit(currency)
    if len((found[1] or "").rstrip("0")) > digits:
        raise _wrong(text, f"has more decimals than {currency}", f"at most {digits}")
    return Decimal(text).quantize(unit)


def _account(country: str, cells: list[str]) -> Account:
    try:
        account_id, person_id, name, number, language, zone, region, pay_to, voice, sms = _read(_ACCOUNT, cells)
        phone = where.read_phone(number, region[:2] or country)
    except ValueError as error:
        raise BadRow(*_account_problems(country, cells)) from error
    number_country, line_type = where.number_facts(phone)
    zones = where.zones_of(phone, region, zone)
    return Account(
        account_id, person_id, name, phone, number_country, line_type, zones, language, zone, region, pay_to, voice, sms
    )


def _account_problems(country: str, cells: list[str]) -> Iterator[Problem]:
    yield from _problems(_ACCOUNT, cells)
    cell = dict(zip(_ACCOUNT, cells, strict=True))
    if not list(_problems({"region": _region}, [cell["region"]])):
        yield from _problems(
            {"phone": lambda text: where.read_phone(text, cell["region"][:2] or country)}, [cell["phone"]]
        )


def _installment(cells: list[str]) -> Installment:
    try:
        account_id, due_on, owed, currency, paid_on, paid, installment_id = _read(_INSTALLMENT, cells)
        amount, paid_amount = money(owed, currency), money(paid or "0", currency)
    except ValueError as error:
        raise BadRow(*_installment_problems(cells)) from error
    if not amount:
        raise BadRow(Problem("amount", "is not above 0", "an amount such as 1200.00"))
    if paid_on is None and paid_amount:
        raise BadRow(Problem("paid_on", "is empty although paid_amount is not", "both, or neither"))
    if paid_on is not None and not paid_amount:
        raise BadRow(Problem("paid_amount", "is 0 or empty although paid_on is a day", "both, or neither"))
    return Installment(account_id, installment_id or cells[1], due_on, amount, currency, paid_on, paid_amount)


def _installment_problems(cells: list[str]) -> Iterator[Problem]:
    yield from _problems(_INSTALLMENT, cells)
    cell = dict(zip(_INSTALLMENT, cells, strict=True))
    if is_currency(cell["currency"]):
        read = partial(money, currency=cell["currency"])
        yield from _problems({"amount": read, "paid_amount": read}, [cell["amount"], cell["paid_amount"] or "0"])


def _suppression(country: str, cells: list[str]) -> Suppression:
    number, person_id, channel, reason, until = cells
    readers = _SUPPRESSION | ({"phone": partial(where.read_phone, country=country)} if number else {})
    try:
        number, person_id, channel, reason, until = _read(readers, cells)
    except ValueError as error:
        raise BadRow(*_problems(readers, cells)) from error
    if not number and not person_id:
        raise BadRow(Problem("phone", "is empty, as is person_id", "one of them, or both"))
    return Suppression(number or None, person_id or None, channel, reason, until)


def _read(readers: dict[str, Read], cells: list[str]) -> list[Any]:
    """Each cell by its own reader. Raises the first ValueError: bad rows are few, good ones must be quick."""
    return [read(cell) for read, cell in zip(readers.values(), cells, strict=True)]


def _problems(readers: dict[str, Read], cells: list[str]) -> Iterator[Problem]:
    for (name, read), cell in zip(readers.items(), cells, strict=True):
        try:
            read(cell)
        except ValueError as error:
            yield _problem(name, error)


def _problem(name: str, error: ValueError) -> Problem:
    """Readers say `what is wrong; what is accepted`."""
    wrong, _, accepted = str(error).partition("; ")
    return Problem(name, wrong, accepted)


def _wrong(text: str, wrong: str, accepted: str) -> ValueError:
    """Repeats what a cell holds: for words, days and amounts, never for names and numbers."""
    return ValueError(f'"{text[:40]}" {wrong}; {accepted}' if text else f"is empty; {accepted}")


def _text(maximum: int, text: str) -> str:
    if len(text) > maximum:
        raise ValueError(f"has {len(text)} characters; at most {maximum}")
    return text


def _id(text: str) -> str:
    if not text:
        raise ValueError(f"is empty; up to {ID_MAX} characters")
    return _optional_id(text)


def _optional_id(text: str) -> str:
    if len(text) > ID_MAX:
        raise ValueError(f"has {len(text)} characters; at most {ID_MAX}")
    if not text.isprintable():
        raise ValueError("holds line breaks or control characters; printable characters")
    return text


def _reason(text: str) -> str:
    if not text:
        raise ValueError(f"is empty; why contact has to stop, up to {REASON_MAX} characters")
    return _text(REASON_MAX, text)


@lru_cache(1024)
def _word(words: tuple[str, ...], text: str) -> str:
    if text.lower() not in words:
        raise _wrong(text, "is not known", f"{', '.join(filter(None, words))}, or empty")
    return text.lower()


@lru_cache(1024)
def _language(text: str) -> str:
    try:
        if text:
            Locale.parse(text.replace("_", "-"), sep="-")
    except (ValueError, UnknownLocaleError) as error:
        raise _wrong(text, "is no language", "a tag such as zh-CN or en, or empty") from error
    return text.replace("_", "-")


@lru_cache(4096)
def _zone(text: str) -> str:
    if text and not where.is_zone(text):
        raise _wrong(text, "is no time zone", "an IANA name such as Asia/Shanghai, or empty")
    return text


@lru_cache(4096)
def _region(text: str) -> str:
    if text and not where.is_region(text):
        raise _wrong(text, "is no region", "a country or a part of one, such as CN or US-MA, or empty")
    return text


@lru_cache(1024)
def _unit(currency: str) -> tuple[int, Decimal]:
    """The currency's number of decimals, and its smallest unit."""
    digits = get_currency_precision(currency)
    return digits, Decimal(1).scaleb(-digits)


@lru_cache(1024)
def _currency(text: str) -> str:
    if not is_currency(text):
        raise _wrong(text, "is no currency", "an ISO 4217 code such as CNY")
    return text


@lru_cache(16384)
def _day(text: str) -> date:
    accepted = "a day as YYYY-MM-DD, 1990 to 2199"
    try:
        if len(text) != 10 or text[4] + text[7] != "--":
            raise ValueError(text)
        day = date.fromisoformat(text)
    except ValueError as error:
        raise _wrong(text, "is no date", accepted) from error
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"{text} is too far away; {accepted}")
    return day


def _day_or_none(text: str) -> date | None:
    return _day(text) if text else None


_free = partial(_text, TEXT_MAX)
_consent = partial(_word, ("yes", "no", ""))

_ACCOUNT: dict[str, Read] = {
    "account_id": _id,
    "person_id": _id,
    "name": _free,
    "phone": _free,  # read by `where`, which needs the region
    "language": _language,
    "time_zone": _zone,
    "region": _region,
    "pay_to": _free,
    "consent_voice": _consent,
    "consent_sms": _consent,
}
_INSTALLMENT: dict[str, Read] = {
    "account_id": _id,
    "due_on": _day,
    "amount": str,  # read by `money`, which needs the currency
    "currency": _currency,
    "paid_on": _day_or_none,
    "paid_amount": str,
    "installment_id": _optional_id,
}
_SUPPRESSION: dict[str, Read] = {
    "phone": _optional_id,
    "person_id": _optional_id,
    "channel": partial(_word, (*Channel, "")),
    "reason": _reason,
    "until": _day_or_none,
}
