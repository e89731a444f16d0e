"""The stage of `dialer call`: a database in memory with one invented person, the campaign, and one attempt due now.

What the gate must know of the real database is read from it, and nothing is written there: the emergency stop, the
suppressions of the number and of whoever has it, a call to it that is running, and what the lines spent today.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from campaigns.cadence import rounds
from campaigns.file import Campaign
from campaigns.model import Channel, Round
from campaigns.where import number_facts, zones_of
from config.settings import LineSettings, Settings
from dialer import intake, mark, secret
from dialer.attempt import State
from dialer.clock import Clock
from dialer.errors import DialerError
from dialer.house import House
from dialer.roster import Account, Installment, Suppression
from dialer.store import InlineStore, Tx, peek, phones, planbook, portfolio, timeline
from dialer.store import attempts as attempt_store
from dialer.store import campaigns as campaign_store
from dialer.store.common import flag, set_flag
from dialer.store.schema import create

ACCOUNT = PERSON = "test"
CODE = "1234"
"""What the invented person keys in where the script asks for digits."""
AMOUNT = Decimal("100.00")
NAME, PAY_TO = {"zh": "测试"}, {"zh": "测试账户 0000"}
VALID = {Channel.VOICE: timedelta(seconds=60), Channel.SMS: timedelta(seconds=120)}
"""How long the attempt may wait for its line, and a message for its delivery."""
ELSEWHERE = -1
"""Stands for an attempt of the real database: none has this number."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be tried out."""

    settings: Settings
    path: Path
    """Of the campaign file."""
    campaign: Campaign
    to: str
    """E.164."""
    content: str
    """The script's or the message's name."""

    @property
    def channel(self) -> Channel:
        return Channel.VOICE if self.content in self.campaign.script else Channel.SMS

    @property
    def lines(self) -> dict[str, LineSettings]:
        """The campaign's lines for this channel, by name."""
        return {name: self.settings.lines[name] for name in getattr(self.campaign.lines, self.channel)}

    @property
    def language(self) -> str:
        """The one that is spoken, or written."""
        script = self.campaign.script.get(self.content)
        return script.language if script else self.settings.lender.language


@dataclass(frozen=True, slots=True)
class _Truth:
    """What the real database says."""

    halt: str = ""
    stops: tuple[Suppression, ...] = ()
    is_live: bool = False
    """The number is being called."""
    spent: tuple[tuple[str, Decimal], ...] = ()


def stage(wanted: Wanted, clock: Clock) -> tuple[House, int]:
    """The house, and the number of its one attempt. Raises DialerError where the real database can't be read."""
    store, now = InlineStore(), clock.now()
    create(store)
    house = House(_own_settings(wanted), clock, store)
    truth = _truth(wanted, house.today(now))
    store.run(lambda tx: _copy(tx, house, wanted, truth, now))
    # No attempt of the real database has such a number: a provider and its hooks must not take one for the other.
    number = int(now.timestamp() * 1_000_000)
    store.run(lambda tx: _plan(tx, wanted, number, now))
    return house, number


def _own_settings(wanted: Wanted) -> Settings:
    """Only the campaign's lines. No API: what it acknowledged would be forgotten with this database. No journal of the
    mock carrier: the daemon asks that one about attempts, and the referee judges by it."""
    settings, named = wanted.settings, wanted.campaign.lines
    lines = {name: settings.lines[name] for name in (*named.voice, *named.sms)}
    mock = {key: value for key, value in settings.adapters.get("mock", {}).items() if key != "journal"}
    web = settings.web.model_copy(update={"token": None})
    adapters = {**settings.adapters, "mock": mock}
    return settings.model_copy(update={"lines": lines, "web": web, "adapters": adapters, "database": "sqlite://"})


def _truth(wanted: Wanted, today: date) -> _Truth:
    settings, to = wanted.settings, wanted.to
    mark.refuse_where_gone(settings.database)
    standing = peek.standing(settings.database)
    if standing.startswith("has version"):
        raise DialerError(f"the database {standing}, `dialer status` for one; then call again")
    if standing != "current":
        return _Truth()

    def read(tx: Tx) -> _Truth:
        found = {}
        for person in planbook.persons_with_phone(tx, [to]) or {""}:
            for one in timeline.suppressions(tx, person, to):
                if one.lifted_at is None and (one.until is None or one.until >= today):
                    found[one.channel, one.reason, one.until] = Suppression(
                        to, None, one.channel, one.reason, one.until
                    )
        spent = tuple(attempt_store.spent(tx, today).items())
        return _Truth(flag(tx, "halt"), tuple(found.values()), timeline.live_call(tx, to) is not None, spent)

    key = settings.forget_key
    return peek.read(settings.database, read, **({"forget_key": key.get_secret_value()} if key else {}))


def _copy(tx: Tx, house: House, wanted: Wanted, truth: _Truth, now: datetime) -> None:
    if truth.halt:
        set_flag(tx, "halt", truth.halt, now)
    for stop in truth.stops:
        intake.suppress(tx, stop, "the database", now, lambda tx, persons, now: None)
    if truth.is_live:
        phones.take(tx, [(wanted.to, ELSEWHERE, "")])
    attempt_store.add_spend(tx, house.today(now), dict(truth.spent))


def _plan(tx: Tx, wanted: Wanted, number: int, now: datetime) -> None:
    text = wanted.path.read_text(encoding="utf-8-sig")
    row = campaign_store.launch(
        tx, wanted.campaign.name, text, sha256(text.encode()).hexdigest(), str(wanted.path), now
    )
    account = _account(wanted, now)
    segment, place = _place(wanted)
    today = now.astimezone(ZoneInfo((*account.zones, wanted.settings.lender.time_zone)[0])).date()
    due_on = today - timedelta(days=place.day_offset)
    currency = wanted.settings.lender.currency
    portfolio.put_accounts(tx, [account], now)
    portfolio.put_installments(tx, [Installment(ACCOUNT, str(due_on), due_on, AMOUNT, currency, None, Decimal(0))], now)
    key = {"attempt_id": number, "campaign_id": row.campaign_id, "day_offset": place.day_offset,
           "window": place.window, "try": 1}  # fmt: skip
    about = {**key, "account_id": ACCOUNT, "installment_id": str(due_on), "cancelled": False}
    planbook.add_attempts(tx, [{**key, **_attempt(wanted, account, segment, place, due_on, now)}], [about])


def _account(wanted: Wanted, now: datetime) -> Account:
    """Whose number it is said yes when it was put among the test numbers, and it was looked at then."""
    country, line_type = number_facts(wanted.to)
    tongue = wanted.language.partition("-")[0]
    return Account(
        ACCOUNT, PERSON, NAME.get(tongue, "Test"), wanted.to, country, line_type,
        zones_of(wanted.to, country, ""), wanted.language, "", country, PAY_TO.get(tongue, "test account 0000"),
        "yes", "yes", "borrower", secret.digest(ACCOUNT, CODE), now.date(),
    )  # fmt: skip


def _place(wanted: Wanted) -> tuple[str, Round]:
    """The first round that says this, with its segment; for what only follows a round, the first of all."""
    every = [(segment.name, one) for segment in wanted.campaign.segment for one in rounds(segment)]
    same = [(name, one) for name, one in every if (one.channel, one.script) == (wanted.channel, wanted.content)]
    return (same or every)[0]


def _attempt(
    wanted: Wanted, account: Account, segment: str, place: Round, due_on: date, now: datetime
) -> dict[str, Any]:
    until = now + VALID[wanted.channel]
    return {
        "person_id": PERSON, "segment": segment, "due_on": due_on, "round": place.number, "rounds": place.rounds,
        "cause": "round", "entry": place.entry, "retries": 0, "infra": 0, "otherwise_used": False,
        "channel": wanted.channel.value, "script": wanted.content,
        "priority": max(one.priority for one in wanted.campaign.segment), "phone": wanted.to,
        "country": account.country, "line_type": account.line_type, "zones": account.zones,
        "state": State.PLANNED.value, "reason": None, "rule": None, "due_at": now, "planned_for": now,
        "window_from": now, "window_until": until, "valid_until": until, "settled_at": None,
    }  # fmt: skip
