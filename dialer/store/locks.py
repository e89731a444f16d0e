"""What several workers on one database keep from each other by locks: PostgreSQL only, SQLite has one writer."""

from collections.abc import Iterable, Sequence

from sqlalchemy import bindparam, distinct, func, select

from dialer.store import tables as t
from dialer.store.common import AnyRow, People, in_parts, within
from dialer.store.database import Tx
from dialer.store.postgres import IMPORT, PHONES
from dialer.store.prepared import Prepared


def imports(tx: Tx) -> None:
    """Of several imports at once, one chunk after the other: what is new to the database has no row to be locked."""
    if tx.dialect.name == "postgresql":
        _import.all(tx)


_import = Prepared(select(func.pg_advisory_xact_lock(IMPORT)))
_persons = Prepared(
    select(t.persons.c.person_id)
    .where(t.persons.c.person_id.in_(bindparam("ids", expanding=True)))
    .order_by(t.persons.c.person_id)
    .with_for_update()
)


def persons(tx: Tx, person_ids: Iterable[str]) -> None:
    """Until the transaction ends nobody else plans, dials or settles anything of these persons.

    In the order of ids, so that two that want the same persons never wait for each other in a circle. What is read
    after it is what others have committed before.
    """
    if tx.dialect.name != "postgresql":
        return
    for part in in_parts(sorted(set(person_ids))):
        _persons.all(tx, ids=part)


_of_accounts = Prepared(
    select(t.persons.c.person_id)
    .where(
        t.persons.c.person_id.in_(
            select(t.accounts.c.person_id).where(t.accounts.c.account_id.in_(bindparam("ids", expanding=True)))
        )
    )
    .order_by(t.persons.c.person_id)
    .with_for_update()
)


def persons_of_accounts(tx: Tx, account_ids: Iterable[str]) -> None:
    """The same for the persons of these accounts: before what is known of them is read, to be changed."""
    if tx.dialect.name == "postgresql":
        for part in in_parts(sorted(set(account_ids))):
            _of_accounts.all(tx, ids=part)


_span = Prepared(
    select(t.persons.c.person_id)
    .where(within(t.persons.c.person_id, is_list=False))
    .order_by(t.persons.c.person_id)
    .with_for_update()
)


def span(tx: Tx, people: People) -> None:
    """The same for a span of persons."""
    if tx.dialect.name == "postgresql":
        _span.all(tx, **people.given)


_a = t.attempts.c
_of_attempts = Prepared(
    select(t.persons.c.person_id)
    .where(
        t.persons.c.person_id.in_(
            select(_a.person_id).where(
                _a.attempt_id.in_(bindparam("ids", expanding=True))
                | _a.provider_ref.in_(bindparam("refs", expanding=True))
            )
        )
    )
    .order_by(t.persons.c.person_id)
    .with_for_update()
)


def persons_of(tx: Tx, attempt_ids: Iterable[int], refs: Iterable[str]) -> None:
    """The same for the persons of these attempts, named by id or by their provider's reference."""
    if tx.dialect.name == "postgresql":
        _of_attempts.all(tx, ids=sorted(attempt_ids), refs=sorted(refs))


_shared = Prepared(
    select(t.accounts.c.phone)
    .where(t.accounts.c.phone.in_(bindparam("phones", expanding=True)))
    .group_by(t.accounts.c.phone)
    .having(func.count(distinct(t.accounts.c.person_id)) > 1)
    .order_by(t.accounts.c.phone)
)
_try = Prepared(select(func.pg_try_advisory_xact_lock(PHONES, func.hashtext(bindparam("phone")))))


def unshared(tx: Tx, rows: Sequence[AnyRow]) -> Sequence[AnyRow]:
    """These attempts without those on a number of several persons that another worker is deciding about just now.

    Persons are locked with their attempts; caps that count by number need the number to be locked too. Those left out
    come with the next tick.
    """
    if tx.dialect.name != "postgresql" or not rows:
        return rows
    busy: set[str] = set()
    for phone in _shared.scalars(tx, phones=sorted({row.phone for row in rows})):
        if not _try.scalar(tx, phone=phone):
            busy.add(phone)
    return [row for row in rows if row.phone not in busy]
