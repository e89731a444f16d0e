"""One account's story in time order, told from the record: slots, verdicts, events, what they led to, payments.

A slot stands at its own instant, not at that of its planning, so the story runs on into what is still planned.
Names and phones are masked; of a text message only a stop word is repeated.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from campaigns.model import Channel
from campaigns.optout import is_stop
from campaigns.rulebook import Rulebook
from dialer.attempt import State
from dialer.confirmation import CAUSE as CONFIRMATION
from dialer.house import House
from dialer.log import mask_phone, mask_text
from dialer.report_words import PLAIN
from dialer.store import Tx, timeline, views

OWN_CHECK = "the dialer's own check"
_CALLED = {Channel.VOICE: "call", Channel.SMS: "message"}
_STANDS = {State.PLANNED: "planned", State.SETTLED: "made", State.CANCELLED: "cancelled", State.BLOCKED: "blocked",
           State.EXPIRED: "expired"}  # fmt: skip
_DETAILS = {
    "disposition": "{}", "digits": "{}", "verified": "what was asked for: {}", "said": "{}", "promise": "{}",
    "talk_s": "talked {:.1f} s", "code": "the provider's code {}", "why": "{}",
}  # fmt: skip

Kind = Literal[
    "payment", "reply", "action", "selected", "slot", "verdict", "contact", "event", "settled", "promise",
    "suppression", "stopped", "paused", "task", "cancelled", "expired", "blocked",
]  # fmt: skip
_RANK = {kind: rank for rank, kind in enumerate(get_args(Kind))}
"""What happened in one transaction has one instant: it is told in the order of cause and effect."""


class Entry(BaseModel):
    """One thing that happened, or will."""

    at: datetime
    """In the person's local time, with its offset."""
    kind: Kind
    text: str
    """What happened, in words."""
    attempt_id: int | None = None
    campaign: str | None = None
    state: str | None = None
    """Of a `slot`: how the attempt stands today."""
    until: datetime | None = None
    """Of a `verdict` that defers: the first instant at which it may be placed, as far as was known then."""
    rule: str | None = None
    """The id of the rule that decided; its words and source follow."""
    says: str | None = None
    """What the rule says."""
    citation: str | None = None
    url: str | None = None


def source_of(book: Rulebook, rule: str | None) -> dict[str, str | None]:
    """`says`, `citation` and `url` of a rule's id. The dialer's own checks have no url; a rule that is no longer in
    the packs has nothing."""
    if rule is None:
        return {}
    if rule.startswith("dialer."):
        return {"says": PLAIN.get(rule), "citation": OWN_CHECK}
    known = book.rule(rule)
    return {"says": known.says, "citation": known.citation, "url": known.url} if known else {}


def own_attempts(rows: Iterable[Any]) -> list[Any]:
    """Without those that went on without the account: these are told as contacts of the person, not as its own."""
    return [row for row in rows if not row.taken_out or row.state == State.CANCELLED]


def meaning(word: str | None) -> str:
    """What a word of the closed lists (outcome, disposition, reason) means."""
    return PLAIN.get(word or "", (word or "").replace("_", " "))


def tell(tx: Tx, house: House, account: Any, zone: ZoneInfo) -> list[Entry]:
    """All entries about an account (its row), oldest first."""
    story = _Story(tx, house, account, zone)
    entries = [*story.of_campaigns(), *story.of_attempts(), *story.of_person(), *story.of_money()]
    return sorted(entries, key=lambda entry: (entry.at, _RANK[entry.kind]))


class _Story:
    """What each part of the record says about one account."""

    def __init__(self, tx: Tx, house: House, account: Any, zone: ZoneInfo) -> None:
        self._tx, self._house, self._account, self._zone = tx, house, account, zone
        self._rows = timeline.attempts(tx, account.account_id)
        self._members = timeline.members(tx, account.account_id)
        self._own = own_attempts(self._rows)
        self._events = views.events_of(tx, [row.attempt_id for row in self._own])

    def _entry(self, at: datetime, kind: Kind, text: str, **more: Any) -> Entry:
        return Entry(at=at.astimezone(self._zone), kind=kind, text=text, **more)

    def _local(self, at: datetime) -> str:
        return f"{at.astimezone(self._zone):%Y-%m-%d %H:%M}"

    def of_campaigns(self) -> Iterator[Entry]:
        """What operators did, and when the account was taken in, stopped and paused."""
        if self._members:
            names = sorted({member.name for member in self._members})
            for row in timeline.actions(self._tx, names, self._members[0].frozen_at):
                what = " ".join(filter(None, (row.action, row.subject)))
                text = f"{what}: {mask_text(row.detail)}" if row.detail else what
                yield self._entry(row.at, "action", text, campaign=row.subject or None)
        for member in self._members:
            late = ", ".join(f"late count {count} in {months} months" for months, count in member.late.items())
            text = f"taken in for {member.due_on}" + (f"; {late}" if late else "")
            yield self._entry(member.frozen_at, "selected", text, campaign=member.name)
            if member.stopped:
                text = f"the rest of the rounds for {member.due_on} is not made: {meaning(member.stopped)}"
                at = self._said_at(member, {member.stopped})
                yield self._entry(at, "stopped", text, campaign=member.name)
            if member.paused_until is not None:
                pauses = self._house.version(self._tx, member.campaign_id, member.version).file.stop.pause
                text = f"no round for {member.due_on} before {self._local(member.paused_until)}"
                yield self._entry(self._said_at(member, pauses), "paused", text, campaign=member.name)

    def _said_at(self, member: Any, outcomes: Iterable[str]) -> datetime:
        """When the last of these outcomes was said, else settled: stops and pauses keep no instant of their own."""
        words = set(outcomes)
        found: list[datetime] = [member.frozen_at]
        for row in self._own:
            if (row.campaign_id, row.installment_id) == (member.campaign_id, member.installment_id):
                said = [one.at for one in self._events.get(row.attempt_id, ()) if one.data.get("said") in words]
                found += said or ([row.settled_at] if row.outcome in words and row.settled_at else [])
        return max(found)

    def of_attempts(self) -> Iterator[Entry]:
        """Slots, verdicts, events and ends of the account's own attempts."""
        ids = [row.attempt_id for row in self._own]
        verdicts, together = views.verdicts_of(self._tx, ids), views.accounts_of(self._tx, ids)
        for row in self._own:
            book = self._house.version(self._tx, row.campaign_id, row.version or row.current).book
            about = {"attempt_id": row.attempt_id, "campaign": row.campaign}
            others = [account for account in together[row.attempt_id] if account != self._account.account_id]
            yield self._entry(row.planned_for, "slot", self._slot(row, others), state=row.state, **about)
            for verdict in verdicts.get(row.attempt_id, ()):
                until = verdict.until and verdict.until.astimezone(self._zone)
                text = self._verdict(verdict)
                yield self._entry(verdict.at, "verdict", text, until=until, **about, **_by(book, verdict.rule))
            for event in self._events.get(row.attempt_id, ()):
                yield self._entry(event.at, "event", _event(event), **about)
            if row.settled_at is not None:
                yield self._entry(row.settled_at, row.state, _end(row), **about, **_by(book, row.rule))

    def _slot(self, row: Any, others: list[str]) -> str:
        # `try` is a keyword, so the column is read by its name in the row's mapping.
        number = row._mapping["try"]
        if row.cause == CONFIRMATION:
            stands = _STANDS.get(row.state, f"now {row.state}")
            return f"a message to {mask_phone(row.phone)} that confirms the opt-out; {stands}"
        cause = "" if row.cause == "round" else f", try {number} ({row.cause})"
        begins, ends = row.window_from.astimezone(self._zone), row.window_until.astimezone(self._zone)
        until = f"{ends:%H:%M}" if ends.date() == begins.date() else f"{ends:%Y-%m-%d %H:%M}"
        joined = f", together with {', '.join(others)}" if others else ""
        phone = "" if row.phone == self._account.phone else f" to {mask_phone(row.phone)}"
        return (
            f"round {row.round} of {row.rounds}{cause} for {row.due_on}, segment {row.segment}: {_CALLED[row.channel]} "
            f"({row.script}){phone}{joined}, {begins:%H:%M}–{until}; {_STANDS.get(row.state, f'now {row.state}')}"
        )

    def _verdict(self, row: Any) -> str:
        until = f" until {self._local(row.until)}" if row.until else ""
        why = f": {mask_text(row.reason)}" if row.reason else ""
        return f"{row.verdict}{until}{why}" + (" (at planning)" if row.stage == "planning" else "")

    def of_person(self) -> Iterator[Entry]:
        """Other contacts of the person, replies, suppressions, tasks: they concern all accounts alike."""
        person, phone = self._account.person_id, self._account.phone
        own = {row.attempt_id for row in self._own}
        for row in timeline.contacts(self._tx, person):
            if row.attempt_id not in own:
                ended = meaning(row.outcome) if row.outcome else "still running"
                text = f"a {_CALLED[row.channel]} about the person's other accounts: {ended}"
                yield self._entry(row.claimed_at, "contact", text, attempt_id=row.attempt_id)
        for row in timeline.replies(self._tx, phone):
            said = row.data.get("text", "")
            text = (
                f'a text message "{said.strip()}"'
                if is_stop(said, self._house.stop_words)
                else f"a text message, {len(said)} characters"
            )
            yield self._entry(row.at, "reply", text)
        for stop in timeline.suppressions(self._tx, person, phone):
            yield self._entry(stop.created_at, "suppression", suppression(stop))
            if stop.lifted_at is not None:
                why = mask_text(stop.lifted_reason or "no reason given")
                yield self._entry(stop.lifted_at, "suppression", f"lifted ({why}): {suppression(stop)}")
        for row in timeline.tasks(self._tx, person):
            text = f"{row.kind}: {mask_text(row.detail)}"
            yield self._entry(row.opened_at, "task", f"opened {text}", attempt_id=row.attempt_id)
            if row.done_at is not None:
                yield self._entry(row.done_at, "task", f"done {text}", attempt_id=row.attempt_id)

    def of_money(self) -> Iterator[Entry]:
        """Promises and payments."""
        for row in timeline.promises(self._tx, self._account.account_id):
            word = f"to pay {row.amount} {row.currency} by {row.promised_on}"
            yield self._entry(row.made_at, "promise", f"promised {word}", attempt_id=row.attempt_id)
            if row.closed_at is not None:
                text = f"{row.state}: the promise {word}"
                yield self._entry(row.closed_at, "promise", text, attempt_id=row.attempt_id)
        for row in timeline.payments(self._tx, self._account.account_id):
            what = "paid" if row.amount >= 0 else "taken back"
            on = f" on {row.paid_on}" if row.paid_on else ""
            text = f"{abs(row.amount)} {row.currency} {what}{on} for {row.due_on}, by {row.source}"
            yield self._entry(row.recorded_at, "payment", text)


def suppression(row: Any) -> str:
    """What a suppression holds for and why, without naming the person."""
    whom = "the person on this phone" if row.both else "the person" if row.person_id else "the phone"
    until = f" until {row.until}" if row.until else ""
    return f"{row.channel or 'voice and sms'} suppressed for {whom}{until}: {mask_text(row.reason)}, by {row.source}"


def _by(book: Rulebook, rule: str | None) -> Mapping[str, str | None]:
    return {"rule": rule, **source_of(book, rule)}


def _event(row: Any) -> str:
    details = [
        form.format(mask_text(value) if isinstance(value, str) else value)
        for name, form in _DETAILS.items()
        if (value := row.data.get(name))
    ]
    stray = " (stray: it moved nothing)" if row.stray else ""
    return f"{row.kind.replace('_', ' ')}{': ' if details else ''}{', '.join(details)}{stray}"


def _end(row: Any) -> str:
    if row.state == State.SETTLED:
        return f"{row.disposition}: {row.outcome}"
    if row.state == State.BLOCKED:
        return "never placed"
    return f"{meaning(row.reason)} ({row.reason})" if row.reason else "not placed"
