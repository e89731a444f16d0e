"""What was known when: accounts, installments, campaigns, halts and stops, replayed from `actions.jsonl`."""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Generic, TypeVar

import phonenumbers

from dialer.referee.campaignfile import File, read_file
from dialer.referee.days import zone_of
from dialer.referee.model import Action, Evidence, Link

T = TypeVar("T")


NEEDED = {
    "accounts": frozenset({"account_id", "person_id", "phone"}),
    "installments": frozenset({"account_id", "due_on", "amount"}),
}
"""Columns without which nothing of a file is loaded."""


class Timeline(Generic[T]):
    """Values, each in force from an instant on. It may have been so from `asked` on already."""

    __slots__ = ("_first", "entries")

    def __init__(self, *first: T) -> None:
        """`first`: what is in force before anything was done."""
        self._first = first
        self.entries: list[tuple[datetime, datetime, T]] = []
        """(asked, in force from, value), in the order of the second."""

    def put(self, action: Action, value: T) -> None:
        self.entries.append((action.asked_at, action.at, value))

    def at(self, at: datetime) -> T | None:
        """What is certainly in force; None: nothing yet."""
        found = None
        for _, since, value in self.entries:
            if since > at:
                break
            found = value
        return found

    def possible(self, first: datetime, last: datetime) -> list[T]:
        """Everything that may have been in force at some instant between these two."""
        found = list(self._first)
        for asked, since, value in self.entries:
            if since <= first:
                found = [value]
            elif asked <= last:
                found.append(value)
        return found

    @property
    def last(self) -> T | None:
        return self.entries[-1][2] if self.entries else None


@dataclass(frozen=True, slots=True)
class Account:
    """One row of accounts.csv. `phone` in E.164; empty where it is masked."""

    account_id: str
    person: str
    phone: str
    zone: str
    region: str
    consents: tuple[str, str]
    """voice, sms"""


@dataclass(frozen=True, slots=True)
class Owed:
    """One installment as it stood."""

    due_on: date
    amount: Decimal
    paid: Decimal = Decimal(0)
    paid_on: date | None = None

    @property
    def is_open(self) -> bool:
        return self.paid < self.amount


@dataclass(slots=True)
class Bar:
    """Contact is stopped: for a number, a person, or only for a person on a number (`both`)."""

    since: datetime
    phone: str
    person: str
    both: bool
    channel: str
    until: date | None
    why: str
    ended: datetime | None = None
    """From then on it may have been lifted."""


@dataclass(slots=True)
class Campaign:
    files: Timeline[File] = field(default_factory=Timeline)
    status: Timeline[str] = field(default_factory=Timeline)


@dataclass(slots=True)
class Ledger:
    """Everything replayed. `imports`: (instant, kind, rows) of each import."""

    country: str
    accounts: dict[str, Timeline[Account]] = field(default_factory=lambda: defaultdict(Timeline))
    owed: dict[Link, Timeline[Owed]] = field(default_factory=lambda: defaultdict(Timeline))
    links_of: dict[str, list[Link]] = field(default_factory=lambda: defaultdict(list))
    """account id → its installments"""
    accounts_of: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """person → account ids, of all times"""
    persons_of: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """phone → account ids that had it at some time"""
    campaigns: dict[str, Campaign] = field(default_factory=lambda: defaultdict(Campaign))
    halted: Timeline[bool] = field(default_factory=lambda: Timeline(False))
    bars: list[Bar] = field(default_factory=list)
    imports: dict[datetime, int] = field(default_factory=dict)
    """Instants of imports, with their rows."""
    kinds: set[str] = field(default_factory=set)
    """Kinds of files that were imported."""
    reversed_on: dict[Link, date] = field(default_factory=dict)
    rebuilt: bool = False
    """The files were made from the database: what was before an account's last change is not known."""
    unread: int = 0
    """Launched files that can't be read."""

    def take(self, action: Action) -> None:
        _TAKES[action.name](self, action)

    def account_at(self, account_id: str, at: datetime) -> Account | None:
        found = self.accounts.get(account_id)
        return found.at(at) if found else None

    def _import(self, action: Action) -> None:
        kind = action.fields["kind"]
        self.kinds.add(kind)
        self.rebuilt = self.rebuilt or bool(action.fields.get("rebuilt"))
        rows = _rows(action.fields["text"], NEEDED.get(kind, frozenset()))
        self.imports[action.at] = len(rows)
        seen: set[Any] = set()
        for cells in rows:
            if kind == "accounts":
                self._account(action, cells, seen)
            elif kind == "installments":
                self._installment(action, cells, seen)
            elif kind == "suppressions":
                until = _day(cells.get("until", ""))
                phone = e164(cells.get("phone", ""), self.country)
                self._bar(action, phone, cells.get("person_id", ""), cells.get("channel", ""), until)

    def _account(self, action: Action, cells: dict[str, str], seen: set[Any]) -> None:
        account_id, person, region = cells["account_id"], cells["person_id"], cells.get("region", "")
        phone = e164(cells.get("phone", ""), region[:2] or self.country)
        zone = cells.get("time_zone", "")
        consents = cells.get("consent_voice", ""), cells.get("consent_sms", "")
        is_bad = not account_id or not person or (not phone and "*" not in cells.get("phone", ""))
        if is_bad or account_id in seen or (zone and zone_of(zone) is None) or not set(consents) <= {"", "yes", "no"}:
            return
        seen.add(account_id)
        account = Account(account_id, person, phone, zone, region, consents)
        if self.accounts[account_id].last != account:
            self.accounts[account_id].put(action, account)
            self.accounts_of[person].add(account_id)
            self.persons_of[phone].add(account_id)

    def _installment(self, action: Action, cells: dict[str, str], seen: set[Any]) -> None:
        account_id, due_on, amount = cells["account_id"], _day(cells["due_on"]), _money(cells["amount"])
        paid, paid_on = _money(cells.get("paid_amount", "") or "0"), _day(cells.get("paid_on", ""))
        link = account_id, cells.get("installment_id", "") or cells["due_on"]
        if account_id not in self.accounts or not due_on or not amount or paid is None or bool(paid) != bool(paid_on):
            return
        if link in seen or self._is_known_otherwise(link, due_on):
            return
        seen.add(link)
        before = self.owed[link].last if link in self.owed else None
        if before is None:
            self.links_of[account_id].append(link)
        elif paid < before.paid or self._is_old(link, paid, paid_on, before):
            paid, paid_on = before.paid, before.paid_on
        owed = Owed(due_on, amount, paid, paid_on)
        if owed != before:
            self.owed[link].put(action, owed)

    def _is_old(self, link: Link, paid: Decimal, paid_on: date | None, before: Owed) -> bool:
        """Yesterday's file again, which does not know that the payment was taken back."""
        reversed_on = self.reversed_on.get(link)
        return paid > before.paid and reversed_on is not None and paid_on is not None and paid_on <= reversed_on

    def _is_known_otherwise(self, link: Link, due_on: date) -> bool:
        """The same debt under an id and without one is a reject."""
        if link in self.owed:
            return False
        same_day = [one for one in self.links_of[link[0]] if (owed := self.owed[one].last) and owed.due_on == due_on]
        return any((one[1] == str(due_on)) != (link[1] == str(due_on)) for one in same_day)

    def _launch(self, action: Action) -> None:
        try:
            file = read_file(action.fields["text"])
        except (ValueError, KeyError, TypeError, AttributeError, InvalidOperation):
            self.unread += 1
            return
        campaign = self.campaigns[action.fields["campaign"]]
        if campaign.status.last == "cancelled":
            return
        campaign.files.put(action, file)
        if campaign.status.last is None:
            campaign.status.put(action, "active")

    def _status(self, action: Action) -> None:
        words = {"pause": "paused", "resume": "active", "cancel": "cancelled"}
        campaign = self.campaigns[action.fields["campaign"]]
        if campaign.status.last != "cancelled":
            campaign.status.put(action, words[action.name])

    def _halt(self, action: Action) -> None:
        self.halted.put(action, action.name == "halt")

    def _paid(self, action: Action) -> None:
        fields = action.fields
        due_on, text = date.fromisoformat(fields["due_on"]), fields.get("amount")
        amount = None if text is None else _money(text)
        links = [
            (link, owed)
            for link in self.links_of.get(fields["account_id"], ())
            if (owed := self.owed[link].last) and owed.due_on == due_on
        ]
        if fields.get("reverse"):
            self._reversed(action, [(link, owed) for link, owed in links if owed.paid], amount)
            return
        wanted = [(link, owed) for link, owed in links if owed.is_open]
        if amount is not None and len(wanted or links) != 1:
            return
        for link, owed in wanted if amount is None else (wanted or links):
            paid = owed.amount if amount is None else owed.paid + amount
            self.owed[link].put(action, Owed(owed.due_on, owed.amount, paid, _day(fields.get("paid_on") or "")))

    def _reversed(self, action: Action, links: list[tuple[Link, Owed]], amount: Decimal | None) -> None:
        if amount is not None and len(links) != 1:
            return
        for link, owed in links:
            left = Decimal(0) if amount is None else owed.paid - amount
            if left < 0:
                return
            if owed.paid_on:
                self.reversed_on[link] = max(owed.paid_on, self.reversed_on.get(link, owed.paid_on))
            self.owed[link].put(action, Owed(owed.due_on, owed.amount, left, owed.paid_on if left else None))

    def _suppress(self, action: Action) -> None:
        fields = action.fields
        phone = e164(fields.get("phone") or "", self.country)
        until = _day(fields.get("until") or "")
        person, channel, both = fields.get("person_id") or "", fields.get("channel") or "", bool(fields.get("both"))
        if phone or not both:  # of a masked number nobody knows where the person may not be contacted
            self._bar(action, phone, person, channel, until, both)

    def _bar(
        self, action: Action, phone: str, person: str, channel: str, until: date | None, both: bool = False
    ) -> None:
        if phone or person:
            self.bars.append(Bar(action.at, phone, person, both, channel, until, "a suppression"))


_TAKES: dict[str, Callable[[Ledger, Action], None]] = {
    "import": Ledger._import,
    "launch": Ledger._launch,
    "pause": Ledger._status,
    "resume": Ledger._status,
    "cancel": Ledger._status,
    "halt": Ledger._halt,
    "unhalt": Ledger._halt,
    "paid": Ledger._paid,
    "suppress": Ledger._suppress,
    "lift": lambda ledger, action: None,  # `stops` puts lifts to all bars, what was said in calls among them
}


def replay(evidence: Evidence) -> Ledger:
    """Everything that was done, in order."""
    ledger = Ledger(evidence.country)
    for action in evidence.actions or ():
        ledger.take(action)
    return ledger


@lru_cache(maxsize=200_000)
def e164(text: str, country: str) -> str:
    """The number in E.164; empty where it is none."""
    if re.fullmatch(r"\+861[3-9][0-9]{9}", text):
        return text
    try:
        number = phonenumbers.parse(text, country or None)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_valid_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@lru_cache(maxsize=200_000)
def country_of(phone: str) -> str:
    """The country of a number, ISO 3166 alpha-2; empty where nobody knows it."""
    if re.fullmatch(r"\+861[3-9][0-9]{9}", phone):
        return "CN"
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(phone)) or ""
    except phonenumbers.NumberParseException:
        return ""


def _rows(text: str, needed: frozenset[str]) -> list[dict[str, str]]:
    """The rows by their header; none of a file that lacks a column, and none with too many cells: rejects."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    try:
        header, *lines = [[cell.strip() for cell in line] for line in reader if any(line)] or [[]]
    except csv.Error:
        return []
    if not needed <= {*header}:
        return []
    return [dict(zip(header, line, strict=True)) for line in lines if len(line) == len(header)]


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def _money(text: str) -> Decimal | None:
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() and found >= 0 else None
