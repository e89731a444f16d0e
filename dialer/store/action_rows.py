"""Read-only statements of what was given and done: files, payments, stops, launches, and what an operator did."""

from collections.abc import Sequence

from sqlalchemy import case, func, select

from dialer.store import law_tables as law
from dialer.store import tables as t
from dialer.store.common import AnyRow
from dialer.store.database import Tx

STATUSES = ("pause", "resume", "cancel", "halt", "unhalt")


def accounts(tx: Tx) -> Sequence[AnyRow]:
    """In the order in which they were last imported with a change."""
    a = t.accounts.c
    return tx.execute(select(t.accounts).order_by(a.imported_at, a.account_id)).all()


def installments(tx: Tx) -> Sequence[AnyRow]:
    """With `known_at`: when the installment, or its first payment, was recorded; in that order."""
    i, p = t.installments.c, t.payments.c
    first = (
        select(p.account_id, p.installment_id, func.min(p.recorded_at).label("paid_at"))
        .group_by(p.account_id, p.installment_id)
        .subquery()
    )
    same = (first.c.account_id == i.account_id) & (first.c.installment_id == i.installment_id)
    known_at = case((first.c.paid_at < i.imported_at, first.c.paid_at), else_=i.imported_at)
    return tx.execute(
        select(i.account_id, i.installment_id, i.due_on, i.amount, i.currency, known_at.label("known_at"))
        .outerjoin_from(t.installments, first, same)
        .order_by(known_at, i.account_id, i.installment_id)
    ).all()


def payments(tx: Tx) -> Sequence[AnyRow]:
    """Each change of what is paid, with the installment's due date."""
    i, p = t.installments.c, t.payments.c
    same = (p.account_id == i.account_id) & (p.installment_id == i.installment_id)
    return tx.execute(
        select(p.account_id, i.due_on, p.paid_on, p.amount, p.recorded_at)
        .join_from(t.payments, t.installments, same)
        .order_by(p.payment_id)
    ).all()


def suppressions(tx: Tx) -> Sequence[AnyRow]:
    """All of them, lifted ones too."""
    return tx.execute(select(t.suppressions).order_by(t.suppressions.c.suppression_id)).all()


def versions(tx: Tx) -> Sequence[AnyRow]:
    """Every version of every campaign: name, text, launched_at."""
    v, c = t.versions.c, t.campaigns.c
    return tx.execute(
        select(c.name, v.text, v.launched_at)
        .join_from(t.versions, t.campaigns, c.campaign_id == v.campaign_id)
        .order_by(v.launched_at, v.campaign_id, v.version)
    ).all()


def statuses(tx: Tx) -> Sequence[AnyRow]:
    """Pauses, resumptions, cancellations, halts: at, action, subject (the campaign's name)."""
    a = t.actions.c
    return tx.execute(select(a.at, a.action, a.subject).where(a.action.in_(STATUSES)).order_by(a.action_id)).all()


def agreements(tx: Tx) -> Sequence[AnyRow]:
    """What persons agreed to."""
    a = law.agreements.c
    return tx.execute(select(law.agreements).order_by(a.recorded_at, a.person_id, a.kind, a.given_on)).all()
