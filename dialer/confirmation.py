"""The one message that confirms an opt-out by text: what it says, and its attempt.

It is allowed after the opt-out because it does nothing but confirm it, once, within five minutes (47 CFR
64.1200(a)(12)). It is an ordinary attempt that no round drafted: `cause` is `confirmation`, `try` is 0, so that
`uq_attempt_accounts_round` lets the database hold "never a second". Nothing follows from how it ends.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from campaigns.message import template_faults, template_names
from config.files import Fault
from config.settings import Settings
from config.sources import Sources
from dialer.attempt import State

if TYPE_CHECKING:
    from dialer.store import Tx

CAUSE = "confirmation"
TRY = 0
"""The round itself is 1, its follow-ups are more."""
VALIDITY = timedelta(minutes=5)
"""Later it is no longer presumed to be part of the consent: it expires instead."""
NAMES = frozenset({"lender", "lender_phone"})
"""What its text may name: it tells nothing of the person and nothing of a debt."""
TEXTS = {
    "zh": "【{lender}】您已退订,我们不再致电或发送短信。如有疑问请致电{lender_phone}。",
    "en": "{lender}: you are opted out and will get no more calls or messages from us. Questions: {lender_phone}",
}
"""Where the settings have none of their own."""

_CARRIED = (
    "campaign_id", "version", "person_id", "segment", "due_on", "round", "rounds", "day_offset", "window", "entry",
    "channel", "script", "phone", "country", "line_type", "zones",
)  # fmt: skip


def is_confirmation(attempt: Any) -> bool:
    """Whether this attempt (its row's mapping) confirms an opt-out, so that it is no reminder."""
    return bool(attempt["cause"] == CAUSE)


def template(settings: Settings, language: str) -> str:
    """The text's template in this language, else in its main language, else in the lender's, else in English."""
    texts = TEXTS | settings.optout.confirmation
    for tag in (language, settings.lender.language):
        for wanted in (tag, tag.partition("-")[0]):
            if wanted in texts:
                return texts[wanted]
    return texts["en"]


def text_faults(settings: Settings, sources: Sources) -> Iterator[Fault]:
    """What is wrong with the texts of the settings."""
    accepted = f"accepted: {' '.join(f'{{{name}}}' for name in sorted(NAMES))}"
    for language, text in settings.optout.confirmation.items():
        place = ("optout", "confirmation", language)
        for fault in template_faults(text):
            yield sources.fault(place, fault.partition("; ")[0], accepted)
        for name, _ in template_names(text):
            if name not in NAMES and not template_faults(f"{{{name}}}"):
                yield sources.fault(place, f"names {{{name}}}, which is no part of a confirmation", accepted)


def add(tx: "Tx", settings: Settings, priorities: dict[int, int], phone: str, now: datetime) -> bool:
    """Adds the confirmation for an opt-out that has just come into force. `priorities`: campaign id → its highest.

    False: none is wanted, the number was never sent a message, its campaign is over, or it had its confirmation.
    """
    # Here: every command checks the texts of the settings, and many of them need no database, whose import is slow.
    from dialer.store import attempts as attempt_store
    from dialer.store.common import take_numbers

    if not settings.optout.confirm or (last := attempt_store.last_message(tx, phone)) is None:
        return False
    accounts = attempt_store.roster(tx, [last.attempt_id])[last.attempt_id]
    if last.campaign_id not in priorities or not accounts:
        return False
    (number,) = take_numbers(tx, [last.due_on])
    attempt = {name: last._mapping[name] for name in _CARRIED} | {
        "attempt_id": number, "try": TRY, "cause": CAUSE, "retries": 0, "infra": 0, "otherwise_used": False,
        "priority": priorities[last.campaign_id], "state": State.PLANNED.value, "due_at": now, "planned_for": now,
        "window_from": now, "window_until": now + VALIDITY, "valid_until": now + VALIDITY,
    }  # fmt: skip
    about = [
        {
            "attempt_id": number, "account_id": row.account_id, "installment_id": row.installment_id,
            "campaign_id": last.campaign_id, "day_offset": last.day_offset, "window": last.window, "try": TRY,
            "cancelled": False,
        }
        for row in accounts
    ]  # fmt: skip
    return attempt_store.add_once(tx, attempt, about)
