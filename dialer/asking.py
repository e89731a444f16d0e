"""What the gate is asked about an attempt, and the facts it stands on: the same for dialing and for `explain`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from campaigns.cadence import lead
from campaigns.gate import Ask, Facts, LineFacts
from campaigns.history import History
from campaigns.limits import Whose
from campaigns.model import Agreement, Channel, Contact, Reason
from campaigns.ruleset import Ruleset
from dialer import confirmation, dialogue
from dialer.house import House, Launched
from dialer.play import Stops
from dialer.store import Tx, law, planbook

SUPPRESSED = "suppressed"
CHANNELS = {channel.value: channel for channel in Channel}
"""Channel by the text that rows have."""


@dataclass(slots=True)
class Known:
    """What is known of a batch of attempts."""

    roster: Mapping[int, Sequence[Any]]
    """attempt id → its accounts."""
    history: History
    stops: Stops
    agreements: Mapping[str, Sequence[Agreement]] = field(default_factory=dict)
    abandoned: Callable[[Launched, Ruleset], tuple[int, int]] | None = None
    """The calls in the period of a ratio; None: no rule has one."""


def load(
    tx: Tx, house: House, one: Launched, rows: Sequence[Any], roster: Mapping[int, Sequence[Any]], now: datetime,
    is_now: bool = False,
) -> Known:  # fmt: skip
    """The facts of attempts of one campaign, in the transaction that decides about them.

    `is_now`: our own contacts count even where another clock, or ours before it was set, made them later than `now`.
    """
    persons, phones = sorted({row.person_id for row in rows}), sorted({row.phone for row in rows})
    rules = {_rules(house, one, row, roster[row.attempt_id]) for row in rows}
    since = now - max((each.look_back for each in rules), default=timedelta())
    by_account = any(each.counts_by_account for each in rules)
    found = law.contacts(tx, persons, phones, since, house.party, by_account)
    return Known(
        roster,
        History(_until(found, now, is_now)),
        planbook.stops(tx, persons, phones, house.today(now)),
        law.agreements(tx, persons),
        partial(_abandoned, tx, now, {}) if any(each.ratio_days for each in rules) else None,
    )


def _rules(house: House, one: Launched, row: Any, accounts: Sequence[Any]) -> Ruleset:
    """With those of every line that it may take."""
    return one.rules(accounts, row.country, house.line_packs(one, row.channel))


def _until(contacts: Iterable[Contact], now: datetime, is_now: bool) -> Iterator[Contact]:
    for contact in contacts:
        if contact.at <= now:
            yield contact
        elif is_now and not contact.event:
            contact.at = now
            yield contact


def _abandoned(
    tx: Tx, now: datetime, known: dict[tuple[int, int], tuple[int, int]], one: Launched, rules: Ruleset
) -> tuple[int, int]:
    """The campaign's calls in the period of its ratio, counted once a batch."""
    days = rules.ratio_days
    if not days:
        return (0, 0)
    key = (one.campaign_id, days)
    if key not in known:
        known[key] = law.abandoned(tx, one.campaign_id, now - timedelta(days=days))
    return known[key]


def ask_of(spoken: dialogue.Spoken, ring_s: float, has_text: bool = True) -> Ask:
    """What the gate is asked about an attempt. `ring_s`: of the line it would take; `has_text`: whether it is known
    what would be said."""
    one, row, accounts = spoken.one, spoken.row, spoken.accounts
    channel, confirms = CHANNELS[row.channel], row.cause == confirmation.CAUSE
    dues = {row.due_on, *[account.oldest_due_on for account in accounts]} - {None}
    roles = {account.role for account in accounts}
    ids = tuple([account.account_id for account in accounts])
    return Ask(
        channel,
        row.zones,
        row.country,
        row.line_type,
        lead(channel, ring_s).total_seconds(),
        Whose(row.person_id, row.phone, str(one.campaign_id), ids),
        tuple(sorted(dues) if len(dues) > 1 else dues),
        tuple(sorted(roles) if len(roles) > 1 else roles) or ("borrower",),
        "confirmation" if confirms else "reminder",
        saying=spoken if accounts and has_text and not confirms else None,
    )


def facts_of(
    house: House, one: Launched, row: Any, accounts: Sequence[Any], known: Known, line: LineFacts | None, now: datetime
) -> Facts:
    """The gate's facts about one attempt."""
    is_open, stopped, suppressed = True, "", ""
    if row.cause == confirmation.CAUSE:
        pass  # it says nothing of a debt, and answers the very stop that suppresses
    elif not accounts:
        stopped = Reason.REPLANNED.value
    else:
        fit = [account for account in accounts if account.is_open and account.due_on == row.due_on]
        is_open = bool(fit)
        if fit and all(account.stopped for account in fit):
            stopped = fit[0].stopped
        if known.stops and known.stops.holds(row.person_id, row.phone, row.channel, house.today(now)):
            suppressed = SUPPRESSED
    return Facts(
        halted="",
        campaign=one.status,
        is_open=is_open,
        stopped=stopped,
        suppressed=suppressed,
        consent=_consent(row, accounts),
        contacts=known.history.of(row.person_id, row.phone),
        line=line,
        agreements=known.agreements.get(row.person_id, ()),
        checked_on=_checked_on(accounts),
        clock_off_s=house.clock.off_s(),
        abandoned=(0, 0) if known.abandoned is None else known.abandoned(one, _rules(house, one, row, accounts)),
    )


def _consent(row: Any, accounts: Sequence[Any]) -> str:
    """One account's `no` is everybody's; `yes` has to be said for all."""
    if row.channel == Channel.VOICE:
        consents = {account.consent_voice for account in accounts}
    else:
        consents = {account.consent_sms for account in accounts}
    return "no" if "no" in consents else "yes" if consents == {"yes"} else ""


def _checked_on(accounts: Sequence[Any]) -> date | None:
    found = [account.checked_on for account in accounts if account.checked_on]
    return max(found, default=None)
