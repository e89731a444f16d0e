"""What rules look at beside our own attempts, from the lender's files: contacts made elsewhere, agreements.

A contact is never changed by a later file, and never taken back: it was made. An agreement's end may be.
"""

from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, get_args

from campaigns import where
from campaigns.limits import ContactChannel
from campaigns.rulebase import Waive
from dialer import cell
from dialer.csvfile import look_through
from dialer.intake import KINDS, Difference, Kind
from dialer.roster import BadRow, Chunk, Problem, Read, Reading, read_cells, told_problems
from dialer.store import Tx, law, portfolio

EVENTS = (
    "placed", "network_fail", "rang_out", "voicemail_left", "connected", "conversation", "abandoned", "sms_submitted",
    "sms_sent", "delivered", "notice",
)  # fmt: skip
"""What can be reported of a contact; the channel `letter` has `notice` and `placed`."""
UNKNOWN_PERSON = "the person is in no accounts file yet: kept, and counted once they are"


class MadeContact(NamedTuple):
    """One row of contacts.csv: a contact that the lender's staff or its agents had with a person."""

    person_id: str
    account_id: str
    """What it was about; empty: all of the person's accounts."""
    phone: str
    """E.164, or empty: not by telephone, or not known."""
    channel: str
    at: datetime
    event: str
    direction: str
    """`outbound`, or `inbound`: the person began it."""
    by: str
    """`creditor` or `agents`."""


class MadeAgreement(NamedTuple):
    """One row of agreements.csv."""

    person_id: str
    kind: str
    """Which rules it waives, in the packs' word."""
    given_on: date
    until: date | None
    """The last day it holds; None: until somebody says otherwise."""


def instant(text: str) -> datetime:
    """`2026-01-14T09:30+08:00`. Raises ValueError `what is wrong; what is accepted`."""
    accepted = "date and time with the offset, such as 2026-01-14T09:30+08:00"
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"is no instant; {accepted}") from None
    if found.tzinfo is None or "T" not in text.upper():
        raise ValueError(f"has no offset from UTC; {accepted}")
    if not cell.FIRST_DAY <= found.date() <= cell.LAST_DAY:
        raise ValueError(f"is too far away; {accepted}")
    return found.astimezone(UTC)


def _one_of(*words: str) -> partial[str]:
    return partial(_word, words)


def _word(words: tuple[str, ...], text: str) -> str:
    """One of the words; empty is the first of them."""
    return cell.word((*words, ""), text) or words[0]


def _needed(words: tuple[str, ...], text: str) -> str:
    if text.lower() not in words:
        raise ValueError(f"is {'empty' if not text else 'not known'}; {', '.join(words)}")
    return text.lower()


_CONTACT: dict[str, Read] = {
    "person_id": cell.ident,
    "account_id": cell.ident_or_empty,
    "phone": cell.ident_or_empty,
    "channel": partial(_needed, get_args(ContactChannel)),
    "at": instant,
    "event": partial(_needed, EVENTS),
    "direction": _one_of("outbound", "inbound"),
    "by": _one_of("creditor", "agents"),
}
_AGREEMENT: dict[str, Read] = {
    "person_id": cell.ident,
    "kind": partial(_needed, tuple(kind for kind in get_args(Waive) if kind != "reply")),
    "given_on": cell.day,
    "until": cell.day_or_none,
}


def read_contacts(path: Path, country: str) -> Reading[MadeContact]:
    """contacts.csv. `country`: the lender's, for numbers in national form. Raises InvalidInput for the whole file."""
    return Reading(look_through(path, tuple(_CONTACT)), partial(_contact, country), None)


def read_agreements(path: Path) -> Reading[MadeAgreement]:
    """agreements.csv; the key is person_id, kind and given_on."""
    return Reading(look_through(path, tuple(_AGREEMENT)), _agreement, lambda row: "\0".join(map(str, row[:3])))


def _contact(country: str, cells: list[str]) -> MadeContact:
    readers = dict(_CONTACT)
    if cells[2]:
        readers["phone"] = partial(where.read_phone, country=country)
    try:
        return MadeContact(*read_cells(readers, cells))
    except ValueError as error:
        raise BadRow(*told_problems(readers, cells)) from error


def _agreement(cells: list[str]) -> MadeAgreement:
    try:
        found = MadeAgreement(*read_cells(_AGREEMENT, cells))
    except ValueError as error:
        raise BadRow(*told_problems(_AGREEMENT, cells)) from error
    if found.until is not None and found.until < found.given_on:
        raise BadRow(Problem("until", "lies before given_on", "that day or later, or empty"))
    return found


def compare_contacts(tx: Tx, chunk: Chunk[MadeContact]) -> Difference[MadeContact]:
    persons = {row.person_id for _, row in chunk.good}
    known, there = law.known_contacts(tx, persons), portfolio.known_persons(tx, persons)
    found: Difference[MadeContact] = Difference(rejects=list(chunk.rejects))
    for _, row in chunk.good:
        found.add(row, row if tuple(row) in known else None)
        known.add(tuple(row))
        found.notices[UNKNOWN_PERSON] += row.person_id not in there
    return found


def write_contacts(tx: Tx, found: Difference[MadeContact], now: datetime) -> None:
    law.add_contacts(tx, [{**row._asdict(), "recorded_at": now} for row in found.new])


def compare_agreements(tx: Tx, chunk: Chunk[MadeAgreement]) -> Difference[MadeAgreement]:
    persons = {row.person_id for _, row in chunk.good}
    known, there = law.known_agreements(tx, persons), portfolio.known_persons(tx, persons)
    found: Difference[MadeAgreement] = Difference(rejects=list(chunk.rejects))
    for _, row in chunk.good:
        key = (row.person_id, row.kind, row.given_on)
        found.add(row, MadeAgreement(*key, known[key]) if key in known else None)
        found.notices[UNKNOWN_PERSON] += row.person_id not in there
    return found


def write_agreements(tx: Tx, found: Difference[MadeAgreement], now: datetime) -> None:
    law.put_agreements(tx, [{**row._asdict(), "recorded_at": now} for row in (*found.new, *found.changed)])


EVERY_KIND: dict[str, Kind[Any]] = {
    **KINDS,
    "contacts": Kind(read_contacts, compare_contacts, write_contacts),
    "agreements": Kind(lambda path, _: read_agreements(path), compare_agreements, write_agreements),
}
"""Every kind of file that `dialer import` takes."""
