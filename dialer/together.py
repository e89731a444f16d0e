"""Rows of a lender's file read together, column by column: several times as fast as one by one.

Only where every row is plainly good. Else nothing is told, and each row is read by itself (`dialer.roster`), which says
what is wrong with it; a test holds both ways to the same values. What repeats in a column is read once.
"""

from collections.abc import Callable, Sequence
from typing import Any

from campaigns import where
from dialer import cell, secret

Columns = Sequence[Sequence[str]]
"""Trimmed cells, a column each wanted column of the file, all of one length that is not 0."""
Values = list[Sequence[Any]]
"""What they say, a column each field of a row's value."""


def installments(columns: Columns) -> Values | None:
    """Columns in the order of `roster.Installment`; None: look at each row."""
    account_ids, due, owed, currencies, paid_days, paid, own_ids = columns
    if not (_are_idents(account_ids) and all(account_ids) and _are_idents(own_ids)):
        return None
    try:
        currencies = _each(cell.currency, currencies)
        due_on, paid_on = _each(cell.day, due), _each(cell.day_or_none, paid_days)
        amounts = _money(owed, currencies)
        paid_amounts = _money([text or "0" for text in paid], currencies)
    except ValueError:
        return None
    if not all(amounts) or [day is None for day in paid_on] != [not amount for amount in paid_amounts]:
        return None
    ids = [own or day for own, day in zip(own_ids, due, strict=True)]
    return [account_ids, ids, due_on, amounts, currencies, paid_on, paid_amounts]


def accounts(country: str, columns: Columns) -> Values | None:
    """Columns in the order of `roster.Account`; None: look at each row. `country`: the lender's."""
    account_ids, person_ids, names, numbers, languages, stated, regions, pay_to, voice, sms, *more = columns
    roles, digits, checked_on = more
    if not (_are_idents(account_ids) and all(account_ids) and _are_idents(person_ids) and all(person_ids)):
        return None
    if max(map(len, (*names, *numbers, *pay_to))) > cell.TEXT_MAX:
        return None
    try:
        read = {name: _each(by, texts) for name, by, texts in (
            ("language", cell.language, languages), ("zone", cell.zone, stated), ("region", cell.region, regions),
            ("voice", cell.consent, voice), ("sms", cell.consent, sms), ("role", cell.role, roles),
            ("digits", secret.read, digits), ("checked_on", cell.day_or_none, checked_on),
        )}  # fmt: skip
        phones = [where.read_phone(text, of[:2] or country) for text, of in zip(numbers, regions, strict=True)]
    except ValueError:
        return None
    countries, line_types = zip(*map(where.number_facts, phones), strict=True)
    zones = list(map(where.zones_of, phones, regions, stated))
    verify = list(map(secret.digest, account_ids, digits)) if any(digits) else digits
    return [
        account_ids, person_ids, names, phones, countries, line_types, zones, read["language"], stated, regions, pay_to,
        read["voice"], read["sms"], read["role"], verify, read["checked_on"],
    ]  # fmt: skip


def _are_idents(texts: Sequence[str]) -> bool:
    return max(map(len, texts)) <= cell.ID_MAX and "".join(texts).isprintable()


def _each(read: Callable[[Any], Any], texts: Sequence[Any]) -> list[Any]:
    """Raises ValueError for any that is wrong."""
    found = {text: read(text) for text in set(texts)}
    return [found[text] for text in texts]


def _money(texts: Sequence[str], currencies: Sequence[str]) -> list[Any]:
    if len(set(currencies)) == 1:
        currency = currencies[0]
        return _each(lambda text: cell.money(text, currency), texts)
    return [cell.money(text, currency) for text, currency in zip(texts, currencies, strict=True)]
