"""Statements about what outcomes leave behind: suppressions, promises, tasks."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import ColumnElement, bindparam, exists, func, literal_column, select, update

from dialer.store import tables as t
from dialer.store.common import AnyRow, Values, in_parts, insert_all
from dialer.store.database import Tx

_s = t.suppressions.c
OPEN = t.promises.c.state == literal_column("'open'")
"""Written out, not bound, as the partial index wants it."""


def suppress(tx: Tx, row: Values) -> bool:
    """Adds a suppression unless the same one is in force. False: it was."""
    same = [_s[name] == row[name] if row[name] is not None else _s[name].is_(None)
            for name in ("phone", "person_id", "channel", "both", "until")]  # fmt: skip
    if tx.execute(select(exists().where(_s.lifted_at.is_(None), *same))).scalar():
        return False
    tx.execute(t.suppressions.insert(), row)
    return True


def add_promises(tx: Tx, rows: Sequence[Values]) -> None:
    """New promises replace open ones for the same installment: the person's last word counts."""
    p = t.promises.c
    replaced = (
        t.promises.delete()
        .where(
            p.account_id == bindparam("of_account"),
            p.installment_id == bindparam("of_installment"),
            p.state == "open",
            p.made_at < bindparam("before"),
        )
        .where(p.attempt_id == bindparam("of_attempt"))
    )
    if rows:
        tx.execute(
            replaced,
            [
                {
                    "of_account": row["account_id"],
                    "of_installment": row["installment_id"],
                    "of_attempt": row["attempt_id"],
                    "before": row["made_at"],
                }
                for row in rows
            ],
        )
        insert_all(tx, t.promises, rows)


def open_promises(tx: Tx, until: date) -> Sequence[AnyRow]:
    """Open promises for days up to `until`, with what was paid: (promise_id, promised_on, is_open, paid_on)."""
    p, i = t.promises.c, t.installments.c
    return tx.execute(
        select(p.promise_id, p.promised_on, i.is_open, i.paid_on)
        .join(t.installments, (i.account_id == p.account_id) & (i.installment_id == p.installment_id))
        .where(OPEN, p.promised_on <= until)
    ).all()


def paid_promises(tx: Tx) -> Sequence[AnyRow]:
    """Open promises whose installment is paid in full: (promise_id, promised_on, is_open, paid_on)."""
    p, i = t.promises.c, t.installments.c
    return tx.execute(
        select(p.promise_id, p.promised_on, i.is_open, i.paid_on)
        .join(t.installments, (i.account_id == p.account_id) & (i.installment_id == p.installment_id))
        .where(OPEN, ~i.is_open)
    ).all()


def close_promises(tx: Tx, rows: Sequence[tuple[int, str]], now: datetime) -> None:
    """(promise id, kept or broken)."""
    statement = (
        update(t.promises)
        .where(t.promises.c.promise_id == bindparam("of"), t.promises.c.state == "open")
        .values(state=bindparam("to"), closed_at=bindparam("at"))
    )
    if rows:
        tx.execute(statement, [{"of": key, "to": to, "at": now} for key, to in rows])


def add_tasks(tx: Tx, rows: Sequence[Values]) -> None:
    insert_all(tx, t.tasks, rows)


def add_tasks_once(tx: Tx, rows: Sequence[Values]) -> None:
    """Adds tasks, but none of which the person has an open one with the same detail."""
    k = t.tasks.c
    fresh = {(row["kind"], row["person_id"], row["detail"]): row for row in rows}
    for part in in_parts({row["person_id"] for row in rows}):
        still_open = select(k.kind, k.person_id, k.detail).where(k.person_id.in_(part), k.done_at.is_(None))
        for found in tx.execute(still_open):
            fresh.pop((found.kind, found.person_id, found.detail), None)
    add_tasks(tx, list(fresh.values()))


_k = t.tasks.c


def _open(kind: str, person: str) -> list[ColumnElement[bool]]:
    """Of one kind, or of one person; empty: of any."""
    return [
        _k.done_at.is_(None),
        *([_k.kind == kind] if kind else []),
        *([_k.person_id == person] if person else []),
    ]


def open_tasks(tx: Tx, kind: str, person: str, most: int) -> Sequence[AnyRow]:
    """Tasks that nobody has done, the oldest first: task_id, kind, person_id, attempt_id, detail, opened_at."""
    wanted = select(_k.task_id, _k.kind, _k.person_id, _k.attempt_id, _k.detail, _k.opened_at)
    return tx.execute(wanted.where(*_open(kind, person)).order_by(_k.opened_at, _k.task_id).limit(most)).all()


def count_open_tasks(tx: Tx, kind: str, person: str) -> int:
    return int(tx.execute(select(func.count()).select_from(t.tasks).where(*_open(kind, person))).scalar_one())


def tasks_of(tx: Tx, task_ids: Sequence[int]) -> dict[int, datetime | None]:
    """task id → when it was done; None: it is open. Unknown ones are left out."""
    rows = (tx.execute(select(_k.task_id, _k.done_at).where(_k.task_id.in_(part))) for part in in_parts(task_ids))
    return {key: done_at for part in rows for key, done_at in part}


def close_tasks(tx: Tx, task_ids: Sequence[int], now: datetime) -> None:
    for part in in_parts(task_ids):
        tx.execute(update(t.tasks).where(_k.task_id.in_(part), _k.done_at.is_(None)).values(done_at=now))


def accounts_of(tx: Tx, persons: Sequence[str]) -> dict[str, list[str]]:
    """person → account ids."""
    a = t.accounts.c
    found: dict[str, list[str]] = {person: [] for person in persons}
    for part in in_parts(persons):
        for person, account in tx.execute(select(a.person_id, a.account_id).where(a.person_id.in_(part))):
            found[person].append(account)
    return found


def persons_of(tx: Tx, phones: Sequence[str]) -> dict[str, set[str]]:
    """phone → the persons who have it."""
    a = t.accounts.c
    found: dict[str, set[str]] = {phone: set() for phone in phones}
    for part in in_parts(phones):
        for phone, person in tx.execute(select(a.phone, a.person_id).where(a.phone.in_(part)).distinct()):
            found[phone].add(person)
    return found
