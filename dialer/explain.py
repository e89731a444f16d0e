"""Why an account was, or was not, contacted: its story from the record, and what the gate would say.

The gate is asked with what is known now, at the instant that is asked about: contacts and suppressions after that
instant are left out, payments and consents are today's. What the gate did say then is in the story.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from difflib import get_close_matches
from math import ceil
from types import SimpleNamespace
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from campaigns.gate import Ask, Block, Defer, Facts, LineFacts, Pass, Verdict, check
from campaigns.hours import zone_named
from campaigns.model import Channel
from campaigns.ruleset import Ruleset
from dialer import asking, confirmation
from dialer.attempt import State
from dialer.claim import LIVE_CALL, ONE_CALL
from dialer.errors import DialerError
from dialer.explain_summary import summarize
from dialer.house import House, Launched
from dialer.log import mask_name, mask_phone
from dialer.store import Tx, timeline
from dialer.store import attempts as attempt_store
from dialer.store.common import flag
from dialer.timeline import Entry, own_attempts, source_of, suppression, tell

WAITS_MAX = 20
"""So many rules in turn are waited for when the first permitted instant is looked for."""
_BY_HAND = frozenset({"dialer.halted", "dialer.paused"})
"""What only an operator ends, however long it is waited for."""


class Due(BaseModel):
    """One installment of the account. Amounts as text, in `currency`."""

    installment_id: str
    due_on: date
    amount: str
    paid_amount: str
    currency: str
    is_open: bool


class Answer(BaseModel):
    """What the gate would say. Instants are in the person's local time, with its offset."""

    campaign: str
    channel: Channel
    verdict: Literal["pass", "defer", "block"]
    rule: str | None
    """The id of the rule that refuses; its words and source follow."""
    reason: str | None
    says: str | None = None
    """What the rule says."""
    citation: str | None = None
    url: str | None = None
    passes_at: datetime | None
    """The first instant at which it would pass, as far as is known now; null where only somebody's doing (a payment
    taken back, a halt lifted) could let it pass."""
    attempt_id: int | None = None
    """Null: nothing is planned, and the answer is for any attempt of this campaign over this channel."""
    due_on: date | None = None
    due_at: datetime | None = None
    """When the attempt is taken up next: its slot, or the end of a deferral."""
    valid_until: datetime | None = None
    """The attempt's last instant."""
    expires: bool = False
    """The attempt's own time is over before it would pass."""
    possible_at: datetime | None = None
    """When the attempt can be placed at the earliest: `due_at` or `passes_at`, the later; null if never."""


class Explanation(BaseModel):
    """`dialer explain --json`. Instants are in the person's local time, with its offset; name and phone are masked."""

    account_id: str
    person_id: str
    name: str
    phone: str
    time_zone: str
    zones: list[str]
    """All the person may be in, the stated one first."""
    consent_voice: str
    consent_sms: str
    installments: list[Due]
    timeline: list[Entry]
    """Oldest first; it runs on into what is planned."""
    asked_at: datetime
    summary: str
    """Whether and why the person was called on the day asked about, and when it is possible next."""
    answers: list[Answer]
    """Empty: no campaign is launched, so nothing is placed."""


def explain(tx: Tx, house: House, account_id: str, at: datetime | None = None) -> Explanation:
    """The account's story, and the gate's answer at `at` (aware; default now). Raises DialerError if it is unknown."""
    account = timeline.account(tx, account_id)
    if account is None:
        raise _unknown(tx, account_id)
    stated = zone_named(account.zones[0]) if account.zones else None
    zone = stated or house.zone
    installments = timeline.installments(tx, account_id)
    asked_at = (at or house.clock.now()).astimezone(zone)
    story = tell(tx, house, account, zone)
    answers = _Asking(tx, house, account, installments, zone, asked_at, at is None).answers()
    attempts = own_attempts(timeline.attempts(tx, account_id))
    return Explanation(
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
        summary=summarize(attempts, story, answers, asked_at),
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


class _Asking:
    """Asks the gate about one account at one instant."""

    def __init__(
        self, tx: Tx, house: House, account: Any, installments: Any, zone: ZoneInfo, at: datetime, is_now: bool
    ) -> None:
        self._tx, self._house, self._account, self._zone = tx, house, account, zone
        self._installments, self._is_now = installments, is_now
        self._at = at.astimezone(UTC)
        self._launched = {one.campaign_id: one for one in house.launched(tx)}

    def answers(self) -> list[Answer]:
        """About the next planned attempt; where there is none, about each channel of each launched campaign."""
        planned = [
            row
            for row in timeline.attempts(self._tx, self._account.account_id)
            if row.state == State.PLANNED and not row.taken_out and row.valid_until >= self._at
        ]
        if planned:
            row = min(planned, key=lambda row: (row.due_at, row.attempt_id))
            one = self._launched.get(row.campaign_id) or self._house.version(
                self._tx, row.campaign_id, row.current, row.campaign, row.campaign_status
            )
            accounts = attempt_store.roster(self._tx, [row.attempt_id])[row.attempt_id]
            return [self._of_attempt(row, self._ask(one, row, accounts))]
        return [
            self._ask(one, wanted, [wanted])
            for one in self._launched.values()
            for channel in Channel
            if one.lines(channel)
            for wanted in [self._any(one, channel)]
        ]

    def _any(self, one: Launched, channel: Channel) -> SimpleNamespace:
        """What the gate needs of an attempt and of its account, for the next open installment, else the last."""
        today = self._house.today(self._at)
        still = [row for row in self._installments if row.is_open]
        ahead = [row for row in still if row.due_on >= today]
        due = next(iter(ahead or still[-1:]), None)
        stopped = next(
            (
                member.stopped
                for member in timeline.members(self._tx, self._account.account_id)
                if due is not None
                and (member.campaign_id, member.installment_id) == (one.campaign_id, due.installment_id)
            ),
            None,
        )
        about = {
            "due_on": due.due_on if due else None, "is_open": due is not None, "stopped": stopped or "",
            "oldest_due_on": min((row.due_on for row in still), default=None), "attempt_id": 0, "cause": "round",
        }  # fmt: skip
        return SimpleNamespace(**self._account._asdict(), **about, channel=channel.value)

    def _of_attempt(self, row: Any, answer: Answer) -> Answer:
        """The general answer, with the attempt's own times."""
        due_at, valid_until = row.due_at.astimezone(self._zone), row.valid_until.astimezone(self._zone)
        possible_at = answer.passes_at and max(answer.passes_at, due_at)
        too_late = possible_at is not None and possible_at > valid_until
        return answer.model_copy(
            update={
                "attempt_id": row.attempt_id,
                "due_at": due_at,
                "valid_until": valid_until,
                "expires": too_late,
                "possible_at": None if too_late else possible_at,
            }
        )

    def _ask(self, one: Launched, row: Any, accounts: list[Any]) -> Answer:
        line = self._line(one, row, Channel(row.channel))
        settings = self._house.settings.lines[line.name] if line else None
        ring_s = settings.ring_timeout.total_seconds() if settings else one.ring_s
        ask = asking.ask_of(self._house, one, row, accounts, ring_s, self._at, has_text=bool(row.attempt_id))
        rules = one.rules(accounts, row.country, settings.packs if settings else ())
        facts = self._facts(one, row, accounts, line)
        verdict = self._check(ask, facts, rules, row)
        passes_at, reason = self._first_pass(verdict, ask, facts, rules)
        rule = None if isinstance(verdict, Pass) else verdict.rule
        return Answer(
            campaign=one.name,
            channel=ask.channel,
            verdict="pass" if isinstance(verdict, Pass) else "defer" if isinstance(verdict, Defer) else "block",
            rule=rule,
            reason=reason,
            **source_of(one.book, rule),
            passes_at=passes_at.astimezone(self._zone) if passes_at else None,
            due_on=row.due_on,
        )

    def _check(self, ask: Ask, facts: Facts, rules: Ruleset, row: Any) -> Verdict:
        verdict = check(ask, facts, rules, self._at)
        may = isinstance(verdict, Pass) and self._is_now and ask.channel is Channel.VOICE
        if may and timeline.live_call(self._tx, row.phone) is not None:
            return Defer(self._at + ONE_CALL, LIVE_CALL, "another call to this number is running")
        return verdict

    def _first_pass(
        self, verdict: Verdict, ask: Ask, facts: Facts, rules: Ruleset
    ) -> tuple[datetime | None, str | None]:
        """(when it would pass, why not before). A deferral names its longest reason: what holds after it is asked."""
        if isinstance(verdict, Pass):
            return self._at, None
        if isinstance(verdict, Block):
            return None, verdict.reason
        reason, last, line = verdict.reason, verdict, facts.line
        for _ in range(WAITS_MAX):
            if line is not None and last.until >= line.spend_resets_at:
                facts = replace(facts, line=replace(line, spend_left=None))
            after = check(ask, facts, rules, last.until)
            if isinstance(after, Pass):
                return last.until, reason
            if after.rule not in (last.rule, verdict.rule):
                reason = f"{reason}; after that: {after.reason}"
            if isinstance(after, Block) or after.rule in _BY_HAND:
                return None, reason
            last = after
        return None, reason

    def _facts(self, one: Launched, row: Any, accounts: list[Any], line: LineFacts | None) -> Facts:
        """The facts as dialing loads them, with the switch and the suppressions as at the instant asked about."""
        known = asking.load(self._tx, self._house, one, [row], {row.attempt_id: accounts}, self._at)
        found = asking.facts_of(self._house, one, row, accounts, known, line, self._at)
        suppressed = "" if row.cause == confirmation.CAUSE else self._suppressed(row)
        return replace(found, halted=flag(self._tx, "halt"), suppressed=suppressed)

    def _suppressed(self, row: Any) -> str:
        """The suppression in force at the instant asked about; empty: none."""
        today = self._house.today(self._at)
        for one in timeline.suppressions(self._tx, row.person_id, row.phone):
            holds = one.created_at <= self._at and (one.lifted_at is None or one.lifted_at > self._at)
            if holds and one.channel in ("", row.channel) and (one.until is None or today <= one.until):
                return suppression(one)
        return ""

    def _line(self, one: Launched, row: Any, channel: Channel) -> LineFacts | None:
        """The line that would be taken, as dialing chooses it, but for its pace: that changes no verdict."""
        today = self._house.today(self._at)
        spent = attempt_store.spent(self._tx, today)
        resets_at = datetime.combine(today + timedelta(days=1), datetime.min.time(), self._house.zone)
        found = []
        for name in one.lines(channel):
            settings = self._house.settings.lines.get(name)
            if settings is None or channel not in settings.channels:
                continue
            minutes = ceil(settings.time_limit.total_seconds() / 60)
            price = settings.price_per_minute * minutes if channel is Channel.VOICE else settings.price_per_message
            most = settings.spend_max_per_day
            left = None if most is None else most - spent.get(name, Decimal(0))
            found.append(LineFacts(name, frozenset(settings.allow_countries), price, left, resets_at))
        fit = [line for line in found if row.country in line.allow_countries]
        able = [line for line in fit if line.spend_left is None or line.spend_left >= line.price]
        return next(iter(able or fit or found), None)
