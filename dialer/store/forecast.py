"""Statements of the forecast: read-only."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, func, select

from dialer.store import tables as t
from dialer.store.common import People, within
from dialer.store.database import Tx

_a, _i = t.accounts.c, t.installments.c
_roster = select(
    _i.installment_id, _i.due_on, _i.amount, _i.paid_amount, _i.currency, _i.paid_on, _i.is_open, _a.account_id,
    _a.person_id, _a.phone, _a.zones, _a.country, _a.line_type, _a.consent_voice, _a.consent_sms, _a.region, _a.role,
    _a.checked_on,
).join(t.accounts, _a.account_id == _i.account_id)  # fmt: skip


def longest(tx: Tx) -> tuple[str, str]:
    """The longest name and the longest account to pay into; empty where there is nobody."""

    def of(column: ColumnElement[str]) -> str:
        return tx.execute(select(column).order_by(func.length(column).desc(), column).limit(1)).scalar() or ""

    return of(_a.name), of(_a.pay_to)


def languages(tx: Tx) -> list[str]:
    """In which people are written to, as far as the roster says."""
    return [*tx.execute(select(_a.language).where(_a.language != "").distinct().order_by(_a.language)).scalars()]


def roster(tx: Tx, people: People, since: date, last: date, with_names: bool = False) -> Sequence[Any]:
    """Installments due in [since, last], paid ones too, with their accounts: an account's stand together.

    `with_names`: also what a text names of the account."""
    wanted = (within(_a.person_id, people.is_list), _i.due_on >= since, _i.due_on <= last)
    columns = _roster.add_columns(_a.name, _a.language, _a.pay_to) if with_names else _roster
    return tx.execute(columns.where(*wanted).order_by(_a.person_id, _a.account_id, _i.due_on), people.given).all()
