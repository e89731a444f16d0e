"""The lender's rows into the store: idempotent, a chunk a transaction, payments and stops in force at once.

Whatever changes here and may change plans is told to `touched` in the same transaction: nobody is called for
what was paid or stopped a moment ago. A payment that is known is never lowered by a file, only by a reversal.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, TypeVar

from campaigns.model import Channel
from dialer import cell
from dialer.errors import DialerError
from dialer.log import mask_phone
from dialer.roster import (
    Account,
    Chunk,
    Installment,
    Problem,
    Reading,
    Reject,
    Suppression,
    read_accounts,
    read_installments,
    read_suppressions,
)
from dialer.store import Tx, locks, optouts, planbook, portfolio
from dialer.store.common import note_action
from dialer.store.portfolio import Payment

T = TypeVar("T", bound=Hashable)
Touched = Callable[[Tx, set[str], datetime], object]
"""Called with the persons whose plans may change, in the transaction that changed them."""

BORROWER = "borrower"
"""Who a person is where no file says it."""
NO_ZONE = "no time zone can be told from file, region or number: loaded, but the gate refuses contact"
NO_PAY_TO = "pay_to is empty: what names it has no account to name"
MOVED = "the account went to another person"
KEPT = "paid_amount is lower than what is known: the known payment was kept (a reversal: dialer paid --reverse)"
NO_ACCOUNT = Problem("account_id", "is no account that is known", "an account that was imported before")
AHEAD = "paid_on lies ahead: it counts as paid already; look whether the day is right (else: dialer paid --reverse)"
CONTACT_AHEAD = "at lies ahead: the caps count it only around that time; look whether the day is right"
REVERSED = "the payment was taken back by dialer paid --reverse: it was not taken again"


@dataclass(slots=True)
class Difference(Generic[T]):
    """What a chunk would change, compared with what is known. Nothing is written by making one."""

    new: list[T] = field(default_factory=list)
    changed: list[T] = field(default_factory=list)
    unchanged: int = 0
    rejects: list[Reject] = field(default_factory=list)
    notices: Counter[str] = field(default_factory=Counter)
    touched: set[str] = field(default_factory=set)
    payments: list[Payment] = field(default_factory=list)

    def add(self, value: T, known: T | None) -> bool:
        """Counts the value as new, changed or unchanged; False if it is unchanged."""
        if value == known:
            self.unchanged += 1
            return False
        (self.changed if known else self.new).append(value)
        return True


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """One kind of file: how it is read, compared with the store, and written."""

    read: Callable[[Path, str], Reading[T]]
    """The path, and the lender's country."""
    compare: Callable[[Tx, Chunk[T]], Difference[T]]
    write: Callable[[Tx, Difference[T], datetime], None]

    def load(self, tx: Tx, chunk: Chunk[T], now: datetime, touched: Touched) -> Difference[T]:
        """Loads the chunk's good rows in the caller's transaction, and says what that changed."""
        locks.imports(tx)
        locks.persons_of_accounts(
            tx, (row.account_id for _, row in chunk.good if isinstance(row, Account | Installment))
        )
        difference = self.compare(tx, chunk)
        self.write(tx, difference, now)
        if difference.touched:
            touched(tx, difference.touched, now)
        return difference


def compare_accounts(tx: Tx, chunk: Chunk[Account]) -> Difference[Account]:
    known = portfolio.accounts(tx, [account.account_id for _, account in chunk.good])
    found: Difference[Account] = Difference(rejects=list(chunk.rejects))
    for _, row in chunk.good:
        before = known.get(row.account_id)
        account = _completed(row, before)
        if found.add(account, before):
            found.touched.update(row.person_id for row in (account, before) if row)
        found.notices[NO_ZONE] += not account.zones
        found.notices[NO_PAY_TO] += not account.pay_to
        found.notices[MOVED] += before is not None and before.person_id != account.person_id
    return found


def _completed(account: Account, before: Account | None) -> Account:
    """The file's row with what is known and the file does not say: an empty cell or a missing column takes nothing
    away, as with payments.

    But what was known of another person, or of another number, is not known of this one.
    """
    role, verify, checked_on = account.role, account.verify, account.checked_on
    if before is not None and before.person_id == account.person_id:
        role, verify = role or before.role, verify or before.verify
        if before.phone == account.phone:
            checked_on = max(filter(None, (checked_on, before.checked_on)), default=None)
    return account._replace(role=role or BORROWER, verify=verify, checked_on=checked_on)


def write_accounts(tx: Tx, found: Difference[Account], now: datetime) -> None:
    portfolio.put_accounts(tx, found.new + found.changed, now)


def compare_installments(tx: Tx, chunk: Chunk[Installment]) -> Difference[Installment]:
    found: Difference[Installment] = Difference(rejects=list(chunk.rejects))
    owners = portfolio.owners(tx, {value.account_id for _, value in chunk.good})
    # Where nothing is known of an account there is nothing to compare with: so with the first file, row for row.
    owing = {account_id for account_id, (_, is_owing) in owners.items() if is_owing}
    old = [(value[:2], value) for _, value in chunk.good if value.account_id in owing] if owing else []
    known = portfolio.installments(tx, [key for key, _ in old])
    fresh = [(value.account_id, value.due_on) for key, value in old if key not in known]
    by_day = {(one.account_id, one.due_on): one for one in portfolio.due(tx, fresh)}
    raised = {key[0] for key, value in old if key in known and value.paid_amount > known[key].paid_amount}
    reversals = portfolio.reversed_on(tx, raised)
    for row, value in chunk.good:
        key = value[:2]
        before = known.get(key)
        if (problem := _misfit(owners, by_day, value, before)) is not None:
            found.rejects.append(Reject(row, (problem,)))
            continue
        merged, notice = _merged(value, before, reversals.get(key)) if before else (value, "")
        if notice:
            found.notices[notice] += 1
        if found.add(merged, before):
            found.touched.add(owners[value.account_id][0])
            found.payments += _payments(merged, before, "import")
    found.rejects.sort(key=lambda reject: reject.row.line)
    return found


def _misfit(
    owners: Mapping[str, Any], by_day: dict[tuple[str, date], Installment], value: Installment,
    before: Installment | None,
) -> Problem | None:  # fmt: skip
    """What of a row does not fit what is known: its account, or its own id."""
    if value.account_id not in owners:
        return NO_ACCOUNT
    if before is None:
        other = by_day.setdefault((value.account_id, value.due_on), value)
        if other is not value:
            return _other_keys(other, value)
    return None


def write_installments(tx: Tx, found: Difference[Installment], now: datetime) -> None:
    portfolio.put_installments(tx, found.new + found.changed, now)
    portfolio.add_payments(tx, found.payments, now)


def compare_suppressions(tx: Tx, chunk: Chunk[Suppression]) -> Difference[Suppression]:
    values = [value for _, value in chunk.good]
    phones = {value.phone for value in values if value.phone}
    people = {value.person_id for value in values if value.person_id}
    active = {_what(row) for row in portfolio.suppressions(tx, phones, people)}
    found: Difference[Suppression] = Difference(rejects=list(chunk.rejects))
    for value in values:
        if found.add(value, value if _what(value) in active else None):
            active.add(_what(value))
    found.touched = _contacts(tx, found.new)
    return found


def write_suppressions(tx: Tx, found: Difference[Suppression], now: datetime) -> None:
    portfolio.add_suppressions(tx, found.new, "file", now)


KINDS: dict[str, Kind[Any]] = {
    "accounts": Kind(read_accounts, compare_accounts, write_accounts),
    "installments": Kind(lambda path, _: read_installments(path), compare_installments, write_installments),
    "suppressions": Kind(read_suppressions, compare_suppressions, write_suppressions),
}


def record_payment(
    tx: Tx, account_id: str, due_on: date, amount: Decimal | None, paid_on: date, now: datetime,
    touched: Touched, source: str = "command",
) -> list[Installment]:  # fmt: skip
    """Adds `amount` to what is paid on the installment due that day; None: pays in full whatever is open that day.

    Returns the installments that changed: none if all was paid before. Raises DialerError if there is no such
    installment, or an amount could belong to several.
    """
    locks.persons_of_accounts(tx, [account_id])
    open_ones = [one for one in _due(tx, account_id, due_on) if one.is_open]
    if amount is None:
        after = [one._replace(paid_on=paid_on, paid_amount=one.amount) for one in open_ones]
    else:
        one = _only(open_ones or _due(tx, account_id, due_on))
        after = [one._replace(paid_on=paid_on, paid_amount=one.paid_amount + _amount(amount, one.currency))]
    _store_payment(tx, account_id, after, "paid", source, now, touched)
    return after


def reverse_payment(
    tx: Tx, account_id: str, due_on: date, amount: Decimal | None, now: datetime, touched: Touched
) -> list[Installment]:
    """Takes `amount` back (a payment bounced); None: all that is paid on whatever falls due that day.

    Returns the installments that changed. Raises DialerError if there is no such installment, less is paid than
    is taken back, or an amount could belong to several.
    """
    locks.persons_of_accounts(tx, [account_id])
    paid = [one for one in _due(tx, account_id, due_on) if one.paid_amount]
    if not paid:
        raise DialerError(f"nothing is paid on the installment of {account_id} due on {due_on}; nothing to reverse")
    if amount is None:
        after = [one._replace(paid_on=None, paid_amount=Decimal(0)) for one in paid]
    else:
        one = _only(paid)
        left = one.paid_amount - _amount(amount, one.currency)
        if left < 0:
            raise DialerError(f"only {one.paid_amount} {one.currency} are paid; reverse at most that")
        after = [one._replace(paid_on=one.paid_on if left else None, paid_amount=left)]
    _store_payment(tx, account_id, after, "reverse", "reverse", now, touched)
    return after


def suppress(tx: Tx, value: Suppression, source: str, now: datetime, touched: Touched) -> bool:
    """Stops contact at once. `value.phone` in E.164. False if the same suppression is in force already."""
    if not (value.phone or value.person_id):
        raise DialerError("nobody to suppress; give a phone or a person")
    known = portfolio.suppressions(tx, _given(value.phone), _given(value.person_id))
    if _what(value) in {_what(row) for row in known}:
        return False
    portfolio.add_suppressions(tx, [value], source, now)
    note_action(tx, "suppress", _subject(value), f"{value.channel or 'voice and sms'}: {value.reason}", now)
    touched(tx, _contacts(tx, [value]), now)
    return True


def lift(
    tx: Tx, phone: str | None, person_id: str | None, channel: str, reason: str, now: datetime, touched: Touched
) -> int:
    """Ends the suppressions that name this phone (E.164) or this person; returns how many.

    With a channel, the other one stays suppressed where both were. Raises DialerError if there is none.
    """
    rows = portfolio.suppressions(tx, _given(phone), _given(person_id))
    rows = [row for row in rows if not channel or row.channel in ("", channel)]
    kept = optouts.lift(tx, person_id, phone, channel, now)
    if not rows and not kept:
        raise DialerError("no such suppression is in force; `dialer explain` shows what holds for an account")
    portfolio.lift(tx, [row.suppression_id for row in rows], reason, now)
    portfolio.keep_channel(tx, [row for row in rows if channel and not row.channel], _other(channel), now)
    ended = [Suppression(row.phone, row.person_id, row.channel, row.reason, row.until) for row in rows]
    note_action(tx, "lift", _subject(Suppression(phone, person_id, channel, reason, None)), reason, now)
    ended += [Suppression(one.phone, one.person_id, one.channel, one.reason, one.until) for one in kept]
    touched(tx, _contacts(tx, ended), now)
    return len(ended)


def _other_keys(other: Installment, value: Installment) -> Problem | None:
    """A file with ids after one without (or the reverse) would make two debts of one: the person would be
    called about both. Nobody but the lender can say which is which."""
    if _has_id(other) == _has_id(value):
        return None
    known = "under an id" if _has_id(other) else "without an id"
    wrong = f"does not fit: what is due on {value.due_on} is known {known}"
    return Problem("installment_id", wrong, "ids in every file, or in none")


def _has_id(one: Installment) -> bool:
    return one.installment_id != one.due_on.isoformat()


def _merged(value: Installment, before: Installment, reversed_on: date | None) -> tuple[Installment, str]:
    """The file's row with the payment that holds, and a notice where that is not the file's."""
    kept = value._replace(paid_on=before.paid_on, paid_amount=before.paid_amount)
    if value.paid_amount < before.paid_amount:
        return kept, KEPT if value.paid_amount else ""
    if value.paid_amount > before.paid_amount and reversed_on and value.paid_on and value.paid_on <= reversed_on:
        # Yesterday's file again: it does not know yet that the payment bounced.
        return kept, REVERSED
    return value, ""


def _payments(after: Installment, before: Installment | None, source: str) -> list[Payment]:
    """The change of what is paid; none where there is none."""
    if before is None and not after.paid_amount:
        return []
    change = after.paid_amount - (before.paid_amount if before else Decimal(0))
    if not change:
        return []
    day = before.paid_on if before and change < 0 else after.paid_on
    return [Payment(after.account_id, after.installment_id, day, change, source)]


def _due(tx: Tx, account_id: str, due_on: date) -> list[Installment]:
    found = portfolio.due(tx, [(account_id, due_on)])
    if not found:
        known = "no installment due on" if portfolio.persons(tx, [account_id]) else "not known, so nothing is due on"
        raise DialerError(f"account {account_id}: {known} {due_on}; check both, or import the files first")
    return found


def _only(candidates: Sequence[Installment]) -> Installment:
    if len(candidates) > 1:
        ids = ", ".join(one.installment_id for one in candidates)
        raise DialerError(f"several installments are due that day ({ids}); leave the amount out, or import payments")
    return candidates[0]


def _amount(amount: Decimal, currency: str) -> Decimal:
    try:
        value = cell.money(format(amount, "f"), currency)
    except ValueError as error:
        raise DialerError(f"amount: {error}") from error
    if not value:
        raise DialerError("amount: it is not above 0; such as 1200.00")
    return value


def _store_payment(
    tx: Tx, account_id: str, after: Sequence[Installment], action: str, source: str, now: datetime, touched: Touched
) -> None:
    if not after:
        return
    before = portfolio.installments(tx, [one[:2] for one in after])
    payments = [payment for one in after for payment in _payments(one, before[one[:2]], source)]
    portfolio.put_installments(tx, after, now)
    portfolio.add_payments(tx, payments, now)
    for one, payment in zip(after, payments, strict=True):
        note_action(tx, action, account_id, f"due {one.due_on}: {payment.amount} {one.currency}", now)
    touched(tx, set(portfolio.persons(tx, [account_id]).values()), now)


def _what(one: Any) -> tuple[str | None, str | None, str, date | None, bool]:
    """What makes two suppressions the same; the reason does not."""
    return (one.phone, one.person_id, one.channel, one.until, getattr(one, "both", False))


def concerned(tx: Tx, value: Suppression) -> int:
    """How many imported accounts a suppression concerns: of the person, or with the phone."""
    return portfolio.accounts_concerned(tx, value.person_id, value.phone)


def _contacts(tx: Tx, rows: Iterable[Suppression]) -> set[str]:
    """The persons whom these concern: named, or reached by the phone."""
    rows = list(rows)
    named = {row.person_id for row in rows if row.person_id}
    return named | planbook.persons_with_phone(tx, sorted({row.phone for row in rows if row.phone}))


def _given(value: str | None) -> list[str]:
    return [value] if value else []


def _other(channel: str) -> str:
    return Channel.SMS if channel == Channel.VOICE else Channel.VOICE


def _subject(value: Suppression) -> str:
    """For the record of actions: a person's id, or a phone that nobody can call."""
    return value.person_id or mask_phone(value.phone or "")
