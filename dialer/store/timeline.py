"""Read-only statements about one account: all that was recorded of it and of its person, for `explain`."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import or_, select

from dialer.store import law_tables as w
from dialer.store import optouts
from dialer.store import tables as t
from dialer.store.common import AnyRow
from dialer.store.database import Tx

ALIKE_MAX = 2_000
CAMPAIGN_ACTIONS = ("launch", "pause", "resume", "cancel")
HOUSE_ACTIONS = ("halt", "unhalt")


def account(tx: Tx, account_id: str) -> AnyRow | None:
    return tx.execute(select(t.accounts).where(t.accounts.c.account_id == account_id)).first()


def accounts_of_person(tx: Tx, person_id: str) -> list[str]:
    a = t.accounts.c
    return list(tx.execute(select(a.account_id).where(a.person_id == person_id).order_by(a.account_id)).scalars())


def ids_like(tx: Tx, account_id: str) -> list[str]:
    """Ids that may have been meant: one slip of the pen leaves the first or the second half of an id whole."""
    a, half = t.accounts.c.account_id, max(len(account_id) // 2, 1)
    alike = or_(a.startswith(account_id[:half], autoescape=True), a.endswith(account_id[-half:], autoescape=True))
    return list(tx.execute(select(a).where(alike).order_by(a).limit(ALIKE_MAX)).scalars())


def installments(tx: Tx, account_id: str) -> Sequence[AnyRow]:
    i = t.installments.c
    statement = select(t.installments).where(i.account_id == account_id).order_by(i.due_on, i.installment_id)
    return tx.execute(statement).all()


def payments(tx: Tx, account_id: str) -> Sequence[AnyRow]:
    """Payments with their installment's due date and currency."""
    p, i = t.payments.c, t.installments.c
    of_installment = (i.account_id == p.account_id) & (i.installment_id == p.installment_id)
    return tx.execute(
        select(p.paid_on, p.amount, p.source, p.recorded_at, i.due_on, i.currency)
        .join(t.installments, of_installment)
        .where(p.account_id == account_id)
        .order_by(p.payment_id)
    ).all()


def members(tx: Tx, account_id: str) -> Sequence[AnyRow]:
    """The account's places in campaigns, with the campaign's name, version and status and the due date."""
    m, c, i = t.members.c, t.campaigns.c, t.installments.c
    of_installment = (i.account_id == m.account_id) & (i.installment_id == m.installment_id)
    return tx.execute(
        select(t.members, c.name, c.version, c.status, i.due_on, i.is_open)
        .join(t.campaigns, c.campaign_id == m.campaign_id)
        .join(t.installments, of_installment)
        .where(m.account_id == account_id)
        .order_by(m.frozen_at, m.campaign_id, i.due_on)
    ).all()


def attempts(tx: Tx, account_id: str) -> Sequence[AnyRow]:
    """Every attempt that was ever about the account, oldest slot first.

    `current`: the campaign's version in force. `taken_out`: the account no longer belongs to it, though it may go on
    for the person's other accounts.
    """
    a, aa, c = t.attempts.c, t.attempt_accounts.c, t.campaigns.c
    return tx.execute(
        select(
            t.attempts, c.name.label("campaign"), c.version.label("current"), c.status.label("campaign_status"),
            aa.installment_id, aa.cancelled.label("taken_out"),
        )
        .join(t.attempt_accounts, aa.attempt_id == a.attempt_id)
        .join(t.campaigns, c.campaign_id == a.campaign_id)
        .where(aa.account_id == account_id)
        .order_by(a.planned_for, a.attempt_id)
    ).all()  # fmt: skip


def contacts(tx: Tx, person_id: str) -> Sequence[AnyRow]:
    """Every contact of the person, of all campaigns and accounts, oldest first: the caps count them all."""
    a = t.attempts.c
    return tx.execute(
        select(a.attempt_id, a.claimed_at, a.channel, a.disposition, a.outcome)
        .where(a.person_id == person_id, a.claimed_at.is_not(None))
        .order_by(a.claimed_at, a.attempt_id)
    ).all()


def elsewhere(tx: Tx, person_id: str, phone: str) -> Sequence[AnyRow]:
    """Contacts made elsewhere with this person or on this phone, oldest first: the caps count them too."""
    c = w.contacts.c
    statement = select(w.contacts).where(or_(c.person_id == person_id, c.phone == phone))
    return tx.execute(statement.order_by(c.at, c.contact_id)).all()


def agreements(tx: Tx, person_id: str) -> Sequence[AnyRow]:
    """What the person agreed to, the oldest first."""
    g = w.agreements.c
    statement = select(w.agreements).where(g.person_id == person_id)
    return tx.execute(statement.order_by(g.given_on, g.kind)).all()


def replies(tx: Tx, phone: str) -> Sequence[AnyRow]:
    """Text messages that came from this number. They belong to no attempt."""
    e = t.events.c
    statement = select(t.events).where(e.attempt_id.is_(None), e.kind == "replied")
    return tx.execute(statement.where(e.data["sender"].as_string() == phone).order_by(e.event_id)).all()


def suppressions(tx: Tx, person_id: str, phone: str) -> list[AnyRow | optouts.Kept]:
    """Suppressions that touch this person on this phone, lifted ones too; and opt-outs from before it was forgotten."""
    s = t.suppressions.c
    whole = ~s.both & or_(s.person_id == person_id, s.phone == phone)
    pair = s.both & (s.person_id == person_id) & (s.phone == phone)
    rows = tx.execute(select(t.suppressions).where(or_(whole, pair)).order_by(s.suppression_id))
    return [*rows, *optouts.in_force(tx, [person_id], [phone])]


def promises(tx: Tx, account_id: str) -> Sequence[AnyRow]:
    p = t.promises.c
    return tx.execute(select(t.promises).where(p.account_id == account_id).order_by(p.promise_id)).all()


def tasks(tx: Tx, person_id: str) -> Sequence[AnyRow]:
    k = t.tasks.c
    return tx.execute(select(t.tasks).where(k.person_id == person_id).order_by(k.task_id)).all()


def actions(tx: Tx, campaigns: Sequence[str], since: datetime) -> Sequence[AnyRow]:
    """What operators did to these campaigns, and to all since an instant (halts)."""
    a = t.actions.c
    concerned = a.action.in_(CAMPAIGN_ACTIONS) & a.subject.in_(campaigns)
    everywhere = a.action.in_(HOUSE_ACTIONS) & (a.at >= since)
    return tx.execute(select(t.actions).where(or_(concerned, everywhere)).order_by(a.action_id)).all()


def live_call(tx: Tx, phone: str) -> int | None:
    """The attempt that is calling this number now."""
    found: int | None = tx.execute(
        select(t.live_calls.c.attempt_id).where(t.live_calls.c.phone == phone)
    ).scalar_one_or_none()
    return found
