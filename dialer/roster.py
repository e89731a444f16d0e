"""The lender's rows as values: what an account, an installment and a suppression are, read from CSV and checked.

No database: `dialer plan --accounts F --installments F` needs nothing else. A bad row is a Reject, not an exception.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from babel.numbers import is_currency

from campaigns import where
from config.files import Fault
from dialer import cell, secret, together
from dialer.csvfile import CHUNK_ROWS, Row, Sheet, look_through
from dialer.seen import Seen

T = TypeVar("T", bound=Hashable)
Read = Callable[[str], Any]
PIECE = 250
"""Rows read together: as few as leave most of a file with some bad rows to be read so."""


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
    role: str = ""
    """`borrower` or `guarantor`; empty in a file that does not say."""
    verify: str = ""
    """The hash of what the person is asked for; see `dialer.secret`. Empty: nothing, or the file does not say."""
    checked_on: date | None = None
    """When the number was last looked up in a register of reassigned numbers."""


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
        return (
            Fault(str(path), self.row.line, p.field, p.wrong, f"accepted: {p.accepted.removeprefix('accepted: ')}")
            for p in self.problems
        )


@dataclass(slots=True)
class Chunk(Generic[T]):
    """Some consecutive rows: the good ones as values, the others as rejects."""

    good: list[tuple[Row, T]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return len(self.good) + len(self.rejects)


REPEATED = Problem("row", "has a key that is in the file already", "each key once")


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
    key: Callable[[T], str] | None
    """What may be in a file once; None: repeated rows are harmless."""
    quick: Callable[[together.Columns], list[T] | None] | None = None
    """The same of many rows, column by column; None where one of them is doubtful: then each is parsed by itself."""

    def __iter__(self) -> Iterator[Chunk[T]]:
        return self.chunks()

    def chunks(self, size: int = CHUNK_ROWS) -> Iterator[Chunk[T]]:
        """Bounded memory: of the keys seen only hashes are kept."""
        seen = Seen(self.sheet.rows)
        for rows in self.sheet.chunks(size):
            chunk: Chunk[T] = Chunk()
            for start in range(0, len(rows), PIECE):
                good, rejects = self._read(rows[start : start + PIECE])
                if self.key is not None:
                    good = _once(good, rejects, seen.repeated([self.key(value) for _, value in good]))
                chunk.good += good
                chunk.rejects += rejects
            yield chunk

    def _read(self, rows: list[Row]) -> tuple[list[tuple[Row, T]], list[Reject]]:
        if self.quick is not None and (columns := self.sheet.columns(rows)) is not None:
            found = self.quick(columns)
            if found is not None:
                return list(zip(rows, found, strict=True)), []
        return self._one_by_one(rows)

    def _one_by_one(self, rows: list[Row]) -> tuple[list[tuple[Row, T]], list[Reject]]:
        good: list[tuple[Row, T]] = []
        rejects: list[Reject] = []
        width, values, parse = len(self.sheet.header), self.sheet.values(), self.parse
        for row in rows:
            try:
                if len(row[1]) != width:
                    raise _misshapen(row, width)
                good.append((row, parse(values(row))))
            except BadRow as bad:
                rejects.append(Reject(row, bad.problems))
        return good, rejects


def _once(good: list[tuple[Row, T]], rejects: list[Reject], repeated: list[int]) -> list[tuple[Row, T]]:
    """The good rows without those at these places, which become rejects."""
    if not repeated:
        return good
    rejects += [Reject(good[place][0], (REPEATED,)) for place in repeated]
    rejects.sort(key=lambda reject: reject.row.line)
    gone = set(repeated)
    return [pair for place, pair in enumerate(good) if place not in gone]


def _misshapen(row: Row, width: int) -> BadRow:
    if row.broken:
        return BadRow(Problem("row", row.broken, "cells in quotes closed before the comma"))
    return BadRow(Problem("row", f"has {len(row.cells)} cells", f"{width}, as in the header"))


def read_accounts(path: Path, country: str) -> Reading[Account]:
    """accounts.csv. `country`: the lender's, ISO 3166 alpha-2, for numbers in national form without a region.

    Raises InvalidInput for what concerns the whole file, as do the other two.
    """
    sheet = look_through(path, tuple(_ACCOUNT), tuple(_ACCOUNT_TOO))
    return Reading(sheet, partial(_account, country), lambda account: account[0], partial(_accounts, country))


def read_installments(path: Path) -> Reading[Installment]:
    """installments.csv; the key is account_id with installment_id, where there is none with due_on."""
    needed = tuple(name for name in _INSTALLMENT if name != "installment_id")
    return Reading(look_through(path, needed, ["installment_id"]), _installment, _installment_key, _installments)


def read_suppressions(path: Path, country: str) -> Reading[Suppression]:
    """suppressions.csv. `country`: the lender's, for numbers in national form."""
    return Reading(look_through(path, tuple(_SUPPRESSION)), partial(read_suppression, country), None)


def _account(country: str, cells: list[str]) -> Account:
    needed, more = cells[: len(_ACCOUNT)], cells[len(_ACCOUNT) :]
    try:
        account_id, person_id, name, number, language, zone, region, pay_to, voice, sms = read_cells(_ACCOUNT, needed)
        role, verify, checked_on = read_cells(_ACCOUNT_TOO, more) if any(more) else ("", "", None)
        phone = where.read_phone(number, region[:2] or country)
    except ValueError as error:
        raise BadRow(*_account_problems(country, cells)) from error
    number_country, line_type = where.number_facts(phone)
    zones = where.zones_of(phone, region, zone)
    return Account(
        account_id, person_id, name, phone, number_country, line_type, zones, language, zone, region, pay_to, voice,
        sms, role, secret.digest(account_id, verify), checked_on,
    )  # fmt: skip


def _accounts(country: str, columns: together.Columns) -> list[Account] | None:
    values = together.accounts(country, columns)
    # By tuple itself: `Account._make` takes three times as long.
    return None if values is None else list(map(tuple.__new__, repeat(Account), zip(*values, strict=True)))


def _account_problems(country: str, cells: list[str]) -> Iterator[Problem]:
    yield from told_problems(_ACCOUNT | _ACCOUNT_TOO, cells)
    by_name = dict(zip(_ACCOUNT, cells, strict=False))
    if not list(told_problems({"region": cell.region}, [by_name["region"]])):
        yield from told_problems(
            {"phone": lambda text: where.read_phone(text, by_name["region"][:2] or country)}, [by_name["phone"]]
        )


def _installment(cells: list[str]) -> Installment:
    try:
        account_id, due, owed, currency, paid_day, paid, installment_id = cells
        account_id, due_on, currency = cell.ident(account_id), cell.day(due), cell.currency(currency)
        paid_on, installment_id = cell.day_or_none(paid_day), cell.ident_or_empty(installment_id)
        amount, paid_amount = cell.money(owed, currency), cell.money(paid or "0", currency)
    except ValueError as error:
        raise BadRow(*_installment_problems(cells)) from error
    if not amount:
        raise BadRow(Problem("amount", "is not above 0", "an amount such as 1200.00"))
    if paid_on is None and paid_amount:
        raise BadRow(Problem("paid_on", "is empty although paid_amount is not", "both, or neither"))
    if paid_on is not None and not paid_amount:
        raise BadRow(Problem("paid_amount", "is 0 or empty although paid_on is a day", "both, or neither"))
    return Installment(account_id, installment_id or cells[1], due_on, amount, currency, paid_on, paid_amount)


def _installment_key(row: Installment) -> str:
    return f"{row[0]}\0{row[1]}"  # ids have no control characters


def _installments(columns: together.Columns) -> list[Installment] | None:
    values = together.installments(columns)
    return None if values is None else list(map(tuple.__new__, repeat(Installment), zip(*values, strict=True)))


def _installment_problems(cells: list[str]) -> Iterator[Problem]:
    yield from told_problems(_INSTALLMENT, cells)
    by_name = dict(zip(_INSTALLMENT, cells, strict=True))
    if is_currency(by_name["currency"]):
        read = partial(cell.money, currency=by_name["currency"])
        yield from told_problems(
            {"amount": read, "paid_amount": read}, [by_name["amount"], by_name["paid_amount"] or "0"]
        )


def read_suppression(country: str, cells: list[str]) -> Suppression:
    """One row's cells: phone, person_id, channel, reason, until. Raises BadRow with all that is wrong."""
    number, person_id, channel, reason, until = cells
    readers = _SUPPRESSION | ({"phone": partial(where.read_phone, country=country)} if number else {})
    try:
        number, person_id, channel, reason, until = read_cells(readers, cells)
    except ValueError as error:
        raise BadRow(*told_problems(readers, cells)) from error
    if not number and not person_id:
        raise BadRow(Problem("phone", "is empty, as is person_id", "one of them, or both"))
    return Suppression(number or None, person_id or None, channel, reason, until)


def read_cells(readers: Mapping[str, Read], cells: list[str]) -> list[Any]:
    """Each cell by its own reader. Raises the first ValueError: bad rows are few, good ones must be quick."""
    return [read(text) for read, text in zip(readers.values(), cells, strict=True)]


def told_problems(readers: Mapping[str, Read], cells: list[str]) -> Iterator[Problem]:
    """Everything that is wrong with the cells, each by its own reader."""
    for (name, read), text in zip(readers.items(), cells, strict=True):
        try:
            read(text)
        except ValueError as error:
            yield _problem(name, error)


def _problem(name: str, error: ValueError) -> Problem:
    """Readers say `what is wrong; what is accepted`."""
    wrong, _, accepted = str(error).partition("; ")
    return Problem(name, wrong, accepted)


_ACCOUNT: dict[str, Read] = {
    "account_id": cell.ident,
    "person_id": cell.ident,
    "name": cell.free,
    "phone": cell.free,  # read by `where`, which needs the region
    "language": cell.language,
    "time_zone": cell.zone,
    "region": cell.region,
    "pay_to": cell.free,
    "consent_voice": cell.consent,
    "consent_sms": cell.consent,
}
_ACCOUNT_TOO: dict[str, Read] = {
    "role": cell.role,
    "verify": secret.read,
    "number_checked_on": cell.day_or_none,
}
"""Columns that may be missing."""
_INSTALLMENT: dict[str, Read] = {
    "account_id": cell.ident,
    "due_on": cell.day,
    "amount": str,  # read by `money`, which needs the currency
    "currency": cell.currency,
    "paid_on": cell.day_or_none,
    "paid_amount": str,
    "installment_id": cell.ident_or_empty,
}
_SUPPRESSION: dict[str, Read] = {
    "phone": cell.ident_or_empty,
    "person_id": cell.ident_or_empty,
    "channel": cell.channel,
    "reason": cell.reason,
    "until": cell.day_or_none,
}
