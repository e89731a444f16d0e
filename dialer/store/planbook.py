"""Statements of planning: what is known of persons, what is planned for them, and the difference written."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, or_, select, text, update

from dialer.play import Stops
from dialer.store import optouts
from dialer.store import tables as t
from dialer.store.attempts import IN_FORCE, IS_RUNNING
from dialer.store.common import IN_MAX, AnyRow, People, Values, in_parts, insert_all, insert_rows, within
from dialer.store.database import Tx
from dialer.store.prepared import Prepared
from dialer.store.queues import PLANNED

_p = t.persons.c.person_id
_span = select(_p).where(_p > bindparam("after")).order_by(_p).limit(bindparam("count")).subquery()
_last = Prepared(select(func.max(_span.c.person_id)))


def next_people(tx: Tx, after: str, count: int) -> People | None:
    """The next span of persons in the order of their ids; None at the end."""
    until = _last.scalar(tx, after=after, count=count)
    return None if until is None else People(after, until)


def persons_with_phone(tx: Tx, phones: Sequence[str]) -> set[str]:
    a = t.accounts.c
    found: set[str] = set()
    for part in in_parts(phones):
        found.update(tx.execute(select(a.person_id).where(a.phone.in_(part)).distinct()).scalars())
    return found


_a, _i = t.accounts.c, t.installments.c


_due = {
    is_list: Prepared(
        select(
            _i.installment_id, _i.due_on, _i.amount, _i.paid_amount, _i.currency, _i.is_open, _a.account_id,
            _a.person_id, _a.phone, _a.zones, _a.country, _a.line_type, _a.consent_voice, _a.consent_sms, _a.region,
        )
        .join(t.accounts, _a.account_id == _i.account_id)
        .where(within(_a.person_id, is_list), _i.due_on >= bindparam("first"), _i.due_on <= bindparam("last"))
        .order_by(_a.person_id, _a.account_id)
    )
    for is_list in (False, True)
}  # fmt: skip


def due(tx: Tx, people: People, first: date, last: date) -> Sequence[tuple[Any, ...]]:
    """Installments due in [first, last] with their accounts.

    installment_id, due_on, amount, paid_amount, currency, is_open, account_id, person_id, phone, zones, country,
    line_type, consent_voice, consent_sms, region.
    """
    columns = _due[people.is_list].columns(tx, **people.given, first=first, last=last)
    return list(zip(*columns, strict=True))


_history = Prepared(
    select(_i.account_id, _i.due_on, _i.paid_on, _i.is_open).where(
        _i.account_id.in_(bindparam("accounts", expanding=True)),
        _i.due_on >= bindparam("since"),
        _i.due_on <= bindparam("last"),
        or_(_i.is_open, _i.paid_on > _i.due_on),
    )
)


def history(
    tx: Tx, account_ids: Sequence[str], since: date, last: date
) -> dict[str, list[tuple[date, date | None, bool]]]:
    """account → (due_on, paid_on, is_open) of its installments due in [since, last] that are open or were paid late:
    no others ever count as late."""
    found: dict[str, list[tuple[date, date | None, bool]]] = {}
    for part in in_parts(account_ids):
        for account_id, due_on, paid_on, is_open in _history.all(tx, accounts=part, since=since, last=last):
            found.setdefault(account_id, []).append((due_on, paid_on, is_open))
    return found


_s = t.suppressions.c
_in_force = _s.lifted_at.is_(None) & or_(_s.until.is_(None), _s.until >= bindparam("today"))
_touching = Prepared(
    select(t.suppressions).where(
        _in_force,
        or_(_s.person_id.in_(bindparam("persons", expanding=True)), _s.phone.in_(bindparam("phones", expanding=True))),
    )
)


def stops(tx: Tx, persons: Sequence[str], phones: Sequence[str], today: date) -> Stops:
    """The suppressions in force that touch any of these, and the opt-outs of those who were forgotten."""
    found = Stops()
    seen: set[int] = set()
    half = IN_MAX // 2
    for start in range(0, max(len(persons), len(phones)), half):
        given = {"persons": persons[start : start + half], "phones": phones[start : start + half], "today": today}
        for row in _touching.all(tx, **given):
            if row.suppression_id not in seen:
                seen.add(row.suppression_id)
                _add(found, row)
    for kept in optouts.in_force(tx, persons, phones, today):
        _add(found, kept)
    return found


def _add(found: Stops, row: AnyRow | optouts.Kept) -> None:
    entry = (row.channel, row.until)
    if row.both:
        found.pairs.setdefault((row.person_id or "", row.phone or ""), []).append(entry)
        return
    if row.person_id:
        found.persons.setdefault(row.person_id, []).append(entry)
    if row.phone:
        found.phones.setdefault(row.phone, []).append(entry)


_t, _ta = t.attempts.c, t.attempt_accounts.c
_planned = {
    is_list: Prepared(
        select(
            _t.attempt_id, _t.person_id, _t.phone, _t.due_on, _t.day_offset, _t.window, _t.cause, _t.state, _t.reason,
            _t.segment, _t.priority, _t.round, _t.rounds, _t.channel, _t.script, _t.entry, _t.zones, _t.planned_for,
            _t.window_from, _t.window_until, _t.valid_until, _ta.account_id, _ta.installment_id, _ta.cancelled,
        )
        .join(t.attempt_accounts, _ta.attempt_id == _t.attempt_id)
        .where(
            within(_t.person_id, is_list),
            _t.campaign_id == bindparam("campaign"),
            or_(_t.due_on >= bindparam("since"), text("attempts.state IN ('planned', 'placing')")),
        )
        .order_by(_t.attempt_id, _ta.account_id)
    )
    for is_list in (False, True)
}  # fmt: skip


def planned(tx: Tx, campaign_id: int, people: People, since: date) -> Sequence[AnyRow]:
    """What is written for these persons and due dates: one row per attempt and account, cancelled ones too."""
    return _planned[people.is_list].all(tx, **people.given, campaign=campaign_id, since=since)


_accounts_of = {
    is_list: Prepared(select(_a.account_id).where(within(_a.person_id, is_list))) for is_list in (False, True)
}
_elsewhere = Prepared(
    select(_t.attempt_id, _t.cause, _t.state, _t.day_offset, _t.window, _ta.account_id, _ta.installment_id)
    .join_from(t.attempt_accounts, t.attempts, _t.attempt_id == _ta.attempt_id)
    .join(t.accounts, _a.account_id == _ta.account_id)
    .where(
        _ta.account_id.in_(bindparam("accounts", expanding=True)),
        IN_FORCE,
        _t.person_id != _a.person_id,
        _t.campaign_id == bindparam("campaign"),
        _t.due_on >= bindparam("since"),
    )
    .order_by(_t.attempt_id, _ta.account_id)
)


def planned_elsewhere(tx: Tx, campaign_id: int, people: People, since: date) -> Sequence[AnyRow]:
    """What is written about these persons' accounts for others, who had them before: one row per attempt and account.

    attempt_id, cause, state, day_offset, window, account_id, installment_id. The accounts are asked for first: joined
    to these people, SQLite would walk over all that is planned.
    """
    return [
        row
        for part in in_parts(_accounts_of[people.is_list].scalars(tx, **people.given))
        for row in _elsewhere.all(tx, accounts=part, campaign=campaign_id, since=since)
    ]


_cancel = Prepared(
    update(t.attempts)
    .where(t.attempts.c.attempt_id == bindparam("of"), t.attempts.c.state == "planned")
    .values(state="cancelled", reason=bindparam("why"), settled_at=bindparam("at"))
)
_withdraw = Prepared(
    update(t.attempts)
    .where(t.attempts.c.attempt_id == bindparam("of"), t.attempts.c.state == "placing")
    .values(withdrawn=bindparam("why"))
)
_free = Prepared(
    update(t.attempt_accounts)
    .where(t.attempt_accounts.c.attempt_id == bindparam("of"))
    # Guarded like the state itself: what was claimed meanwhile keeps its round.
    .where(
        select(t.attempts.c.attempt_id)
        .where(t.attempts.c.attempt_id == bindparam("of"), t.attempts.c.state == "cancelled")
        .exists()
    )
    .values(cancelled=True)
)
_free_one = Prepared(
    update(t.attempt_accounts)
    .where(t.attempt_accounts.c.attempt_id == bindparam("of"), t.attempt_accounts.c.account_id == bindparam("account"))
    .values(cancelled=True)
)
_take_out = Prepared(
    delete(t.attempt_accounts).where(
        t.attempt_accounts.c.attempt_id == bindparam("of"), t.attempt_accounts.c.account_id == bindparam("account")
    )
)


def cancel(tx: Tx, rows: Sequence[tuple[int, str]], now: datetime) -> None:
    """Cancels planned attempts, (id, reason), and frees their rounds."""
    _cancel.run_many(tx, [{"of": key, "why": why, "at": now} for key, why in rows])
    _free.run_many(tx, [{"of": key} for key, _ in rows])


def cancel_campaign(tx: Tx, campaign_id: int, reason: str, now: datetime) -> int:
    """Cancels all that is planned in a campaign; what is being placed is withdrawn if there is still time."""
    a = t.attempts.c
    keys = tx.execute(select(a.attempt_id).where(a.campaign_id == campaign_id, PLANNED)).scalars().all()
    cancel(tx, [(key, reason) for key in keys], now)
    withdraw_placing(tx, reason, campaign_id)
    return len(keys)


def withdraw(tx: Tx, rows: Sequence[tuple[int, str]]) -> None:
    """Marks attempts that are about to be placed, (id, why): the last look before placing sees it."""
    _withdraw.run_many(tx, [{"of": key, "why": why} for key, why in rows])


def withdraw_placing(tx: Tx, why: str, campaign_id: int | None = None) -> None:
    """The same for all that is about to be placed, of one campaign or of all (halt)."""
    statement = update(t.attempts).where(IS_RUNNING, t.attempts.c.state == "placing").values(withdrawn=why)
    tx.execute(statement if campaign_id is None else statement.where(t.attempts.c.campaign_id == campaign_id))


def drop_accounts(tx: Tx, rows: Sequence[tuple[int, str]]) -> None:
    """Takes single accounts, (attempt id, account id), out of planned attempts that go on for the others."""
    _free_one.run_many(tx, [{"of": key, "account": account} for key, account in rows])


def add_attempts(tx: Tx, attempts: Sequence[Values], accounts: Sequence[Values]) -> None:
    insert_all(tx, t.attempts, attempts)
    insert_all(tx, t.attempt_accounts, accounts)


ACCOUNT = tuple(t.attempt_accounts.columns.keys())
DRAFTED = (
    "attempt_id", "person_id", "phone", "zones", "country", "line_type", "state", "reason", "rule", "due_at",
    "planned_for", "settled_at", "campaign_id", "segment", "priority", "due_on", "round", "rounds", "day_offset",
    "window", "entry", "channel", "script", "window_from", "window_until", "valid_until", "try", "cause", "retries",
    "infra", "otherwise_used",
)  # fmt: skip
"""The columns of an attempt that planning writes: first its own, then what it shares with others of its round."""


def add_drafted(tx: Tx, attempts: Sequence[tuple[Any, ...]], accounts: Sequence[tuple[Any, ...]]) -> None:
    """The same of attempts as rows of DRAFTED, and of whole rows of their accounts."""
    insert_rows(tx, t.attempts, DRAFTED, attempts)
    insert_rows(tx, t.attempt_accounts, ACCOUNT, accounts)


def add_accounts(tx: Tx, rows: Sequence[tuple[Any, ...]]) -> None:
    """Puts accounts, whole rows, into planned attempts; one that was taken out before comes back."""
    _take_out.run_many(tx, [{"of": row[0], "account": row[1]} for row in rows])
    insert_rows(tx, t.attempt_accounts, ACCOUNT, rows)


def add_verdicts(tx: Tx, rows: Sequence[Values]) -> None:
    insert_all(tx, t.verdicts, rows)
