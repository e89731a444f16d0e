"""Statements about what rules look at: contacts of a person and of a number, contacts made elsewhere, agreements."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import bindparam, func, select

from campaigns.model import Agreement, Contact, Disposition
from dialer.attempt import PLACING
from dialer.store import law_tables as w
from dialer.store import tables as t
from dialer.store.common import AnyRow, Values, in_parts, insert_for
from dialer.store.database import Tx
from dialer.store.prepared import Prepared

_a, _c, _g = t.attempts.c, w.contacts.c, w.agreements.c
_ids: Any = bindparam("ids", expanding=True)

_made = select(
    _a.attempt_id,
    _a.person_id,
    _a.phone,
    _a.claimed_at,
    _a.placed_at,
    _a.channel,
    _a.disposition,
    _a.campaign_id,
    _a.cause,
).where(_a.claimed_at >= bindparam("since"))
# By person and by number apart: for an OR of both SQLite walks over the whole index.
_MADE = (Prepared(_made.where(_a.person_id.in_(_ids))), Prepared(_made.where(_a.phone.in_(_ids))))
_elsewhere = select(w.contacts).where(_c.at >= bindparam("since"))
_ELSEWHERE = (Prepared(_elsewhere.where(_c.person_id.in_(_ids))), Prepared(_elsewhere.where(_c.phone.in_(_ids))))
_about = Prepared(
    select(t.attempt_accounts.c.attempt_id, t.attempt_accounts.c.account_id).where(
        t.attempt_accounts.c.attempt_id.in_(bindparam("ids", expanding=True)), ~t.attempt_accounts.c.cancelled
    )
)
CONFIRMATION = "confirmation"


def contacts(
    tx: Tx, persons: Sequence[str], phones: Sequence[str], since: datetime, by: str, with_accounts: bool
) -> list[Contact]:
    """Every contact of these persons and on these numbers since an instant, made by us or elsewhere, in no order.

    `by`: who we are, `creditor` or `agents`. `with_accounts`: also what our own were about. What confirms an opt-out is
    no contact: the person asked for it.
    """
    found: dict[int, AnyRow] = {}
    others: dict[int, AnyRow] = {}
    for ours, elsewhere, ids in zip(_MADE, _ELSEWHERE, (persons, phones), strict=True):
        for part in in_parts(ids):
            found.update((row.attempt_id, row) for row in ours.all(tx, ids=part, since=since - PLACING))
            others.update((row.contact_id, row) for row in elsewhere.all(tx, ids=part, since=since))
    accounts = _accounts(tx, found) if with_accounts else {}
    made = [
        Contact(
            _made_at(row), row.channel, Disposition(row.disposition) if row.disposition else None, row.person_id,
            row.phone, str(row.campaign_id), tuple(accounts.get(row.attempt_id, ())), by,
        )
        for row in found.values()
        if row.cause != CONFIRMATION
    ]  # fmt: skip
    return made + [
        Contact(
            row.at, row.channel, None, row.person_id, row.phone, "", (row.account_id,) if row.account_id else (),
            row.by, row.event, row.direction,
        )
        for row in others.values()
    ]  # fmt: skip


def _made_at(row: AnyRow) -> datetime:
    """When it was placed: a pause of an hour runs from then. As late as it may have been where nobody has told yet;
    never before its claim, whatever a provider's clock says."""
    made_at: datetime = max(row.placed_at, row.claimed_at) if row.placed_at else row.claimed_at + PLACING
    return made_at


def _accounts(tx: Tx, attempt_ids: Iterable[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for part in in_parts(attempt_ids):
        for key, account in _about.all(tx, ids=part):
            found.setdefault(key, []).append(account)
    return found


_agreed = Prepared(select(w.agreements).where(_g.person_id.in_(_ids)))


def agreements(tx: Tx, persons: Sequence[str]) -> dict[str, list[Agreement]]:
    """person → what they agreed to, old agreements too: contacts made while one held do not count later either."""
    found: dict[str, list[Agreement]] = {}
    for part in in_parts(persons):
        for row in _agreed.all(tx, ids=part):
            found.setdefault(row.person_id, []).append(Agreement(row.kind, row.given_on, row.until))
    return found


_ratio = Prepared(
    select(func.count().filter(_a.outcome == "callback"), func.count()).where(
        _a.campaign_id == bindparam("of"),
        _a.channel == "voice",
        _a.claimed_at >= bindparam("since"),
        _a.disposition.in_(bindparam("answered", expanding=True)),
    )
)


def abandoned(tx: Tx, campaign_id: int, since: datetime) -> tuple[int, int]:
    """Of a campaign's calls that a person answered: those put through to nobody, and all."""
    ((callbacks, every),) = _ratio.all(tx, of=campaign_id, since=since, answered=("human", "answered"))
    return int(callbacks), int(every)


def add_contacts(tx: Tx, rows: Sequence[Values]) -> None:
    """Adds contacts made elsewhere; those that are known already are left."""
    if rows:
        tx.execute(insert_for(tx.dialect.name, w.contacts).on_conflict_do_nothing(), list(rows))


def known_contacts(tx: Tx, persons: Iterable[str]) -> set[tuple[Any, ...]]:
    """The contacts made elsewhere with these persons, as `contact_key` makes them comparable."""
    found: set[tuple[Any, ...]] = set()
    for part in in_parts(persons):
        found.update(contact_key(row) for row in tx.execute(select(w.contacts).where(_c.person_id.in_(part))))
    return found


def contact_key(row: Any) -> tuple[Any, ...]:
    return (row.person_id, row.account_id, row.phone, row.channel, row.at, row.event, row.direction, row.by)


def known_agreements(tx: Tx, persons: Iterable[str]) -> dict[tuple[str, str, date], date | None]:
    """(person, kind, given on) → until."""
    found: dict[tuple[str, str, date], date | None] = {}
    for part in in_parts(persons):
        for row in _agreed.all(tx, ids=part):
            found[(row.person_id, row.kind, row.given_on)] = row.until
    return found


def put_agreements(tx: Tx, rows: Sequence[Values]) -> None:
    """Inserts or replaces by person, kind and day."""
    if rows:
        insert = insert_for(tx.dialect.name, w.agreements)
        changed = {name: insert.excluded[name] for name in ("until", "recorded_at")}
        keys = ["person_id", "kind", "given_on"]
        tx.execute(insert.on_conflict_do_update(index_elements=keys, set_=changed), list(rows))
