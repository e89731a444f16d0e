"""Why an account was, or was not, contacted: its story from the record, and what the gate would say (`explain_ask`)."""

from datetime import datetime
from difflib import get_close_matches
from typing import Any

from campaigns.hours import zone_named
from dialer.errors import DialerError
from dialer.explain_ask import Asking
from dialer.explain_model import Answer, Due, Explanation
from dialer.explain_summary import summarize
from dialer.explain_words import tongue
from dialer.house import House
from dialer.log import mask_name, mask_phone
from dialer.store import Tx, timeline
from dialer.timeline import own_attempts, tell

__all__ = ["Answer", "Due", "Explanation", "explain"]


def explain(
    tx: Tx, house: House, account_id: str, at: datetime | None = None, language: str | None = None
) -> Explanation:
    """The account's story, and the gate's answer at `at` (aware; default now), in Chinese for a zh language, else in
    English (default: the lender's). Raises DialerError if the account is unknown."""
    account = timeline.account(tx, account_id)
    if account is None:
        raise _unknown(tx, account_id)
    stated = zone_named(account.zones[0]) if account.zones else None
    zone = stated or house.zone
    installments = timeline.installments(tx, account_id)
    asked_at = (at or house.clock.now()).astimezone(zone)
    words = tongue(language or house.settings.lender.language)
    story = tell(tx, house, account, zone, words)
    answers = Asking(tx, house, account, installments, asked_at, at is None, words).answers()
    attempts = own_attempts(timeline.attempts(tx, account_id))
    return Explanation(
        language="zh-CN" if words.words else "en",
        account_id=account_id,
        person_id=account.person_id,
        name=mask_name(account.name),
        phone=mask_phone(account.phone),
        time_zone=zone.key,
        zones=list(account.zones),
        consent_voice=account.consent_voice,
        consent_sms=account.consent_sms,
        installments=[_due(row) for row in installments],
        timeline=story,
        asked_at=asked_at,
        summary=summarize(attempts, story, answers, asked_at, words),
        answers=answers,
    )


def _unknown(tx: Tx, account_id: str) -> DialerError:
    if accounts := timeline.accounts_of_person(tx, account_id):
        return DialerError(f'"{account_id}" is a person; give one of the accounts: {", ".join(accounts[:20])}')
    near = get_close_matches(account_id, timeline.ids_like(tx, account_id), n=5, cutoff=0.5)
    hint = f"the nearest ids are {', '.join(near)}" if near else "`dialer import accounts FILE` brings accounts in"
    return DialerError(f'no account has the id "{account_id}"; {hint}')


def _due(row: Any) -> Due:
    return Due(
        installment_id=row.installment_id, due_on=row.due_on, amount=str(row.amount), paid_amount=str(row.paid_amount),
        currency=row.currency, is_open=row.is_open,
    )  # fmt: skip
