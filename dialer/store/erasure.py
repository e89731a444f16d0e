"""Statements that erase: a person, or what is older than it must be kept. No other module deletes or changes sealed
rows (a style test holds that)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, bindparam, delete, exists, or_, select, update

from dialer.erased import Span
from dialer.store import law_tables as w
from dialer.store import record as record_store
from dialer.store import record_tables as r
from dialer.store import tables as t
from dialer.store.attempts import RUNNING
from dialer.store.common import AnyRow, in_parts
from dialer.store.database import Tx

_a, _aa, _s, _e = t.attempts.c, t.attempt_accounts.c, t.suppressions.c, t.events.c
LIKE_MAX = 2_000


# --- a person -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a person, as far as it is needed to erase it."""

    person_id: str
    accounts: list[AnyRow]
    """account_id, name, phone, pay_to, region, country"""
    attempts: list[AnyRow]
    """attempt_id, phone, state, check_at, claimed_at"""
    phones: set[str]
    """Every number that the person is or was known by."""
    shared: set[str]
    """Those that an account of somebody else has."""
    contacted_at: datetime | None
    """The last contact, by whomever."""

    @property
    def account_ids(self) -> list[str]:
        return [row.account_id for row in self.accounts]

    @property
    def attempt_ids(self) -> list[int]:
        return [row.attempt_id for row in self.attempts]

    @property
    def own_phones(self) -> set[str]:
        return self.phones - self.shared

    @property
    def running(self) -> list[AnyRow]:
        return [row for row in self.attempts if row.state in RUNNING]


def known_of(tx: Tx, person_id: str) -> Known | None:
    """All of a person; None where nothing is known of this id."""
    a = t.accounts.c
    accounts = tx.execute(
        select(a.account_id, a.name, a.phone, a.pay_to, a.region, a.country)
        .where(a.person_id == person_id)
        .order_by(a.account_id)
    ).all()
    attempts = tx.execute(
        select(_a.attempt_id, _a.phone, _a.state, _a.check_at, _a.claimed_at).where(_a.person_id == person_id)
    ).all()
    contacts = tx.execute(select(w.contacts).where(w.contacts.c.person_id == person_id)).all()
    suppressed = tx.execute(select(_s.phone).where(_s.person_id == person_id)).scalars().all()
    others = [table.c.person_id for table in (t.persons, w.agreements, t.tasks)]
    elsewhere = (tx.execute(select(exists().where(column == person_id))).scalar() for column in others)
    if not (accounts or attempts or contacts or suppressed or any(elsewhere)):
        return None
    phones = {row.phone for row in (*accounts, *attempts, *contacts)} | {*suppressed}
    phones = {phone for phone in phones if phone}
    shared = {
        phone
        for some in in_parts(phones)
        for phone in tx.execute(select(a.phone).where(a.phone.in_(some), a.person_id != person_id)).scalars()
    }
    at = [row.claimed_at for row in attempts if row.claimed_at] + [row.at for row in contacts]
    return Known(person_id, list(accounts), list(attempts), phones, shared, max(at, default=None))


def persons_like(tx: Tx, person_id: str) -> list[str]:
    """Ids that may have been meant."""
    p, half = t.persons.c.person_id, max(len(person_id) // 2, 1)
    alike = or_(p.startswith(person_id[:half], autoescape=True), p.endswith(person_id[-half:], autoescape=True))
    return list(tx.execute(select(p).where(alike).order_by(p).limit(LIKE_MAX)).scalars())


def planned_of(tx: Tx, person_id: str) -> list[int]:
    return list(tx.execute(select(_a.attempt_id).where(_a.person_id == person_id, _a.state == "planned")).scalars())


def suppressions_of(tx: Tx, known: Known) -> list[AnyRow]:
    """Those that name the person or one of its numbers, lifted ones too."""
    found = {row.suppression_id: row for row in tx.execute(_stops(_s.person_id == known.person_id))}
    for some in in_parts(sorted(known.phones)):
        found.update({row.suppression_id: row for row in tx.execute(_stops(_s.phone.in_(some)))})
    return [found[key] for key in sorted(found)]


def _stops(where: ColumnElement[bool]) -> Any:
    return select(t.suppressions).where(where)


def rename_suppression(tx: Tx, key: int, person_id: str | None, phone: str | None, reason: str) -> None:
    """What is left of a suppression without the forgotten person; nothing: it goes."""
    if person_id is None and phone is None:
        tx.execute(delete(t.suppressions).where(_s.suppression_id == key))
    else:
        values = {"person_id": person_id, "phone": phone, "reason": reason, "lifted_reason": None}
        tx.execute(update(t.suppressions).where(_s.suppression_id == key).values(**values))


def events_of(tx: Tx, known: Known) -> list[AnyRow]:
    """(event_id, identity, data) of the person's attempts, and of its text messages."""
    found = _of_attempts(tx, (_e.event_id, _e.identity, _e.data), _e.attempt_id, known.attempt_ids)
    replies = select(_e.event_id, _e.identity, _e.data).where(_e.attempt_id.is_(None))
    for some in in_parts(sorted(known.phones)):
        found += tx.execute(replies.where(_e.data["sender"].as_string().in_(some))).all()
    return found


def verdicts_of(tx: Tx, known: Known) -> list[AnyRow]:
    """(verdict_id, reason, saw) of the person's attempts, where there is something to read."""
    v = t.verdicts.c
    found = _of_attempts(tx, (v.verdict_id, v.reason, v.saw), v.attempt_id, known.attempt_ids)
    return [row for row in found if row.reason or row.saw]


def placements_of(tx: Tx, known: Known) -> list[int]:
    p = r.placements.c
    return [row[0] for row in _of_attempts(tx, (p.placement_id,), p.attempt_id, known.attempt_ids)]


def _of_attempts(tx: Tx, wanted: Sequence[Any], column: Any, attempt_ids: Iterable[int]) -> list[AnyRow]:
    return [row for some in in_parts(attempt_ids) for row in tx.execute(select(*wanted).where(column.in_(some)))]


def actions(tx: Tx) -> Iterable[AnyRow]:
    """(action_id, subject, detail) of every action: an operator's words may name anybody."""
    a = t.actions.c
    return tx.execute(select(a.action_id, a.subject, a.detail))


def blank(tx: Tx, kind: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes over columns of sealed rows: each row is its id, as `of`, and the columns' new values, alike in all."""
    if rows:
        names = [name for name in rows[0] if name != "of"]
        table = record_store.TABLES[kind]
        statement = update(table).where(record_store.key_of(kind) == bindparam("of"))
        statement = statement.values({name: bindparam(f"to_{name}", type_=table.c[name].type) for name in names})
        tx.execute(statement, [{"of": row["of"], **{f"to_{name}": row[name] for name in names}} for row in rows])


def rename_attempts(tx: Tx, known: Known, alias: str) -> None:
    """The attempts stay for the figures, under an alias; their accounts too."""
    values = {"person_id": alias, "phone": "", "provider_ref": None, "code": None}
    tx.execute(update(t.attempts).where(_a.person_id == known.person_id).values(**values))
    rows = _of_attempts(tx, (_aa.attempt_id, _aa.account_id, _aa.installment_id), _aa.attempt_id, known.attempt_ids)
    accounts = {key: f"{alias}/{number}" for number, key in enumerate(sorted({row.account_id for row in rows}), 1)}
    dues = sorted({row[1:] for row in rows})
    installments = {due: str(number) for number, due in enumerate(dues, 1)}
    statement = (
        update(t.attempt_accounts)
        .where(_aa.attempt_id == bindparam("of"), _aa.account_id == bindparam("was"))
        .values(account_id=bindparam("to_account"), installment_id=bindparam("to_installment"))
    )
    given = [
        {"of": row[0], "was": row[1], "to_account": accounts[row[1]], "to_installment": installments[row[1:]]}
        for row in rows
    ]
    if given:
        tx.execute(statement, given)


def delete_person(tx: Tx, known: Known) -> dict[str, int]:
    """What is kept of nobody: table → rows deleted."""
    counts: dict[str, int] = {}
    steps: list[tuple[Table, str, Sequence[Any]]] = [
        (t.promises, "attempt_id", known.attempt_ids),
        (t.promises, "account_id", known.account_ids),
        *((table, "account_id", known.account_ids) for table in (t.members, t.payments, t.installments, t.accounts)),
        *((table, "person_id", [known.person_id]) for table in (t.tasks, w.contacts, w.agreements, t.persons)),
    ]
    for table, column, values in steps:
        _delete(tx, table, column, values, counts)
    return counts


_of_any_campaign = t.members.c.campaign_id.in_(select(t.campaigns.c.campaign_id))
"""The key of members begins with it: without, all of them would be walked over."""


def _delete(tx: Tx, table: Table, column: str, values: Iterable[Any], counts: dict[str, int]) -> None:
    also = [_of_any_campaign] if table is t.members else []
    for some in in_parts(values):
        done = tx.execute(delete(table).where(table.c[column].in_(some), *also))
        counts[table.name] = counts.get(table.name, 0) + done.rowcount


# --- what is old ----------------------------------------------------------------------------------------------------

CLOSED = ("settled", "blocked", "expired", "cancelled")


def _is_old(before: datetime) -> ColumnElement[bool]:
    """An attempt that was closed before, with nothing open about it."""
    k, p = t.tasks.c, t.promises.c
    with_task = select(k.attempt_id).where(k.done_at.is_(None), k.attempt_id.is_not(None))
    with_promise = select(p.attempt_id).where(p.state == "open")
    closed = _a.state.in_(CLOSED) & (_a.settled_at < before)
    return closed & _a.attempt_id.not_in(with_task) & _a.attempt_id.not_in(with_promise)


def old_attempts(tx: Tx, before: datetime, after: int, most: int) -> list[int]:
    statement = select(_a.attempt_id).where(_a.attempt_id > after, _is_old(before))
    return list(tx.execute(statement.order_by(_a.attempt_id).limit(most)).scalars())


def old_replies(tx: Tx, before: datetime, after: int, most: int) -> list[int]:
    """Events that belong to no attempt."""
    statement = select(_e.event_id).where(_e.attempt_id.is_(None), _e.event_id > after, _e.received_at < before)
    return list(tx.execute(statement.order_by(_e.event_id).limit(most)).scalars())


def old_contacts(tx: Tx, before: datetime, after: int, most: int) -> list[int]:
    c = w.contacts.c
    statement = select(c.contact_id).where(c.contact_id > after, c.at < before, c.event != "notice")
    return list(tx.execute(statement.order_by(c.contact_id).limit(most)).scalars())


def old_persons(tx: Tx, before: datetime, day: date, after: str, most: int) -> list[str]:
    """Persons about whom nothing is open and nothing is younger. `day`: the lender's date of `before`."""
    p, a, i, y, c, g, k = (
        table.c
        for table in (t.persons, t.accounts, t.installments, t.payments, w.contacts, w.agreements, t.tasks)
    )  # fmt: skip
    mine = a.person_id == p.person_id
    young_due = i.is_open | (i.due_on >= day) | (i.paid_on >= day) | (i.imported_at >= before)
    busy = select(k.person_id).where(k.done_at.is_(None) | (k.done_at >= before))
    statement = select(p.person_id).where(
        p.person_id > after,
        p.created_at < before,
        p.person_id.not_in(busy),
        ~exists().where(mine, a.imported_at >= before),
        ~exists().where(mine, i.account_id == a.account_id, young_due),
        ~exists().where(mine, y.account_id == a.account_id, y.recorded_at >= before),
        ~exists().where(c.person_id == p.person_id, c.at >= before),
        ~exists().where(g.person_id == p.person_id, (g.recorded_at >= before) | (g.until >= day)),
        ~exists().where(_a.person_id == p.person_id, ~_is_old(before)),
    )
    return list(tx.execute(statement.order_by(p.person_id).limit(most)).scalars())


def delete_hanging(tx: Tx, span: Span, kept: Sequence[int]) -> dict[str, int]:
    """What hangs on attempts with these ids and is not sealed, but for those that are kept: table → rows deleted."""
    counts: dict[str, int] = {}
    for table in (t.promises, t.tasks, t.attempt_accounts):
        counts[table.name] = tx.execute(delete(table).where(*_in(table.c.attempt_id, span, kept))).rowcount
    return counts


def attempts_in(tx: Tx, span: Span) -> list[int]:
    """Ids of attempts."""
    return list(tx.execute(select(_a.attempt_id).where(*_in(_a.attempt_id, span, ()))).scalars())


def _in(column: ColumnElement[int], span: Span, kept: Sequence[int]) -> list[ColumnElement[bool]]:
    own = [column >= span[0], column <= span[1]]
    return [*own, column.not_in(kept)] if kept else own


def rows_of(tx: Tx, kind: str, attempt_ids: Sequence[int]) -> list[int]:
    """Ids of a sealed table's rows about these attempts."""
    key, column = record_store.key_of(kind), record_store.TABLES[kind].c.attempt_id
    return sorted(row[0] for row in _of_attempts(tx, (key,), column, attempt_ids))


def remove(tx: Tx, kind: str, ids: Iterable[int]) -> None:
    """Deletes rows of a sealed table."""
    key = record_store.key_of(kind)
    for some in in_parts(ids):
        tx.execute(delete(record_store.TABLES[kind]).where(key.in_(some)))


def delete_attempts(tx: Tx, attempt_ids: Sequence[int]) -> dict[str, int]:
    """Attempts with what hangs on them and is not sealed: table → rows deleted."""
    counts: dict[str, int] = {}
    for table in (t.promises, t.tasks, t.attempt_accounts, t.attempts):
        _delete(tx, table, "attempt_id", attempt_ids, counts)
    return counts


def delete_contacts(tx: Tx, ids: Sequence[int]) -> dict[str, int]:
    counts: dict[str, int] = {}
    _delete(tx, w.contacts, "contact_id", ids, counts)
    return counts


def delete_persons(tx: Tx, person_ids: Sequence[str]) -> dict[str, int]:
    """Persons with their accounts and what hangs on them: table → rows deleted."""
    a = t.accounts.c
    accounts: list[str] = []
    for some in in_parts(person_ids):
        accounts += tx.execute(select(a.account_id).where(a.person_id.in_(some))).scalars()
    counts: dict[str, int] = {}
    for table in (t.members, t.payments, t.installments, t.accounts):
        _delete(tx, table, "account_id", accounts, counts)
    for table in (t.tasks, w.contacts, w.agreements, t.persons):
        _delete(tx, table, "person_id", person_ids, counts)
    return counts


def drop_digests(tx: Tx, kind: str, part: AnyRow, is_gone: Any) -> bool:
    """Drops the digests of a part whose rows are all gone: its root stays in the seal. False: some are still there."""
    d = r.digests.c
    mine = (d.kind == kind, d.seal_id == part.seal_id, d.row_id >= part.first_id, d.row_id <= part.last_id)
    ids = tx.execute(select(d.row_id).where(*mine)).scalars().all()
    if not ids or not all(is_gone(key) for key in ids):
        return False
    tx.execute(delete(r.digests).where(*mine))
    return True
