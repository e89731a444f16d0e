"""One account's story in time order, told from the record: slots, verdicts, events, what they led to, payments.

A slot stands at its own instant, not at that of its planning, so the story runs on into what is still planned.
Names and phones are masked; of a text message only a stop word is repeated. `timeline_words` has the words.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from campaigns.rulebook import Rulebook
from campaigns.words import says
from dialer.attempt import State
from dialer.house import House
from dialer.packs import OWN_CHECKS
from dialer.report_words import Speech
from dialer.store import Tx, timeline, views
from dialer.timeline_words import Telling

OWN_CHECK = "the dialer's own check"

Kind = Literal[
    "payment", "agreement", "reply", "action", "selected", "slot", "verdict", "contact", "event", "settled", "promise",
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
    """Of a `slot`: how the attempt stands today. Of a `verdict`: `pass`, `defer` or `block`."""
    code: str | None = None
    """The engine's own word, whatever the language: an outcome, a reason, a task's kind, a promise's state."""
    until: datetime | None = None
    """Of a `verdict` that defers: the first instant at which it may be placed, as far as was known then."""
    rule: str | None = None
    """The id of the rule that decided; its words and source follow."""
    saw: dict[str, Any] | None = None
    """Of a `verdict`: the facts it rests on. Null: it passed, or it is of an older version."""
    says: str | None = None
    """What the rule says."""
    citation: str | None = None
    url: str | None = None


def source_of(book: Rulebook, rule: str | None, words: Speech) -> dict[str, str | None]:
    """`says`, `citation` and `url` of a rule's id. The dialer's own checks have no url; a rule that is no longer in
    the packs has nothing."""
    if rule is None:
        return {}
    if rule.startswith(OWN_CHECKS):
        return {"says": words.rule(rule), "citation": words.say(OWN_CHECK)}
    known = book.rule(rule)
    return {"says": says(known, words.locale), "citation": known.citation, "url": known.url} if known else {}


def own_attempts(rows: Iterable[Any]) -> list[Any]:
    """Without those that went on without the account: these are told as contacts of the person, not as its own."""
    return [row for row in rows if not row.taken_out or row.state == State.CANCELLED]


def tell(tx: Tx, house: House, account: Any, zone: ZoneInfo, words: Speech) -> list[Entry]:
    """All entries about an account (its row), oldest first."""
    story = _Story(tx, house, account, zone, words)
    # Attempts first: what their verdicts say is told again with the tasks they opened.
    entries = [*story.of_attempts(), *story.of_campaigns(), *story.of_person(), *story.of_money()]
    return sorted(entries, key=lambda entry: (entry.at, _RANK[entry.kind]))


class _Story:
    """What each part of the record says about one account."""

    def __init__(self, tx: Tx, house: House, account: Any, zone: ZoneInfo, words: Speech) -> None:
        self._tx, self._house, self._account, self._zone = tx, house, account, zone
        self._words, self._telling = words, Telling(words, zone, account.phone, house.stop_words)
        self._rows = timeline.attempts(tx, account.account_id)
        self._members = timeline.members(tx, account.account_id)
        self._own = own_attempts(self._rows)
        self._events = views.events_of(tx, [row.attempt_id for row in self._own])
        self._refusals: dict[int, list[tuple[str, str]]] = {}
        """attempt id → rule and reason of each refusal, in the language."""

    def _entry(self, at: datetime, kind: Kind, text: str, **more: Any) -> Entry:
        return Entry(at=at.astimezone(self._zone), kind=kind, text=text, **more)

    def of_campaigns(self) -> Iterator[Entry]:
        """What operators did, and when the account was taken in, stopped and paused."""
        telling = self._telling
        if self._members:
            names = sorted({member.name for member in self._members})
            for row in timeline.actions(self._tx, names, self._members[0].frozen_at):
                yield self._entry(row.at, "action", telling.action(row), campaign=row.subject or None)
        for member in self._members:
            yield self._entry(member.frozen_at, "selected", telling.selected(member), campaign=member.name)
            if member.stopped:
                at = self._said_at(member, {member.stopped})
                yield self._entry(at, "stopped", telling.stopped(member), campaign=member.name)
            if member.paused_until is not None:
                pauses = self._house.version(self._tx, member.campaign_id, member.version).file.stop.pause
                at = self._said_at(member, pauses)
                yield self._entry(at, "paused", telling.paused(member), campaign=member.name)

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
            yield self._entry(row.planned_for, "slot", self._telling.slot(row, others), state=row.state, **about)
            for verdict in verdicts.get(row.attempt_id, ()):
                yield self._of_verdict(verdict, book, about)
            for event in self._events.get(row.attempt_id, ()):
                yield self._entry(event.at, "event", self._telling.event(event), **about)
            if row.settled_at is not None:
                code = row.outcome if row.state == State.SETTLED else row.reason
                by = self._by(book, row.rule)
                yield self._entry(row.settled_at, row.state, self._telling.end(row), code=code, **about, **by)

    def _of_verdict(self, row: Any, book: Rulebook, about: dict[str, Any]) -> Entry:
        told = self._telling.verdict(row, book.rule(row.rule) if row.rule else None)
        if row.verdict != "pass":
            self._refusals.setdefault(row.attempt_id, []).append((row.rule or "", told.why))
        until = row.until and row.until.astimezone(self._zone)
        return self._entry(
            row.at,
            "verdict",
            told.text,
            state=row.verdict,
            until=until,
            saw=row.saw,
            **about,
            **self._by(book, row.rule),
        )

    def _by(self, book: Rulebook, rule: str | None) -> Mapping[str, str | None]:
        return {"rule": rule, **source_of(book, rule, self._words)}

    def of_person(self) -> Iterator[Entry]:
        """Other contacts of the person, agreements, replies, suppressions, tasks: they concern all accounts alike."""
        person, phone, telling = self._account.person_id, self._account.phone, self._telling
        own = {row.attempt_id for row in self._own}
        for row in timeline.contacts(self._tx, person):
            if row.attempt_id not in own:
                yield self._entry(row.claimed_at, "contact", telling.contact(row), attempt_id=row.attempt_id)
        for row in timeline.elsewhere(self._tx, person, phone):
            yield self._entry(row.at, "contact", telling.elsewhere(row, self._account.account_id))
        for row in timeline.agreements(self._tx, person):
            yield self._entry(row.recorded_at, "agreement", telling.agreement(row))
        for row in timeline.replies(self._tx, phone):
            yield self._entry(row.at, "reply", telling.reply(row))
        for stop in timeline.suppressions(self._tx, person, phone):
            yield self._entry(stop.created_at, "suppression", telling.suppression(stop))
            if stop.lifted_at is not None:
                yield self._entry(stop.lifted_at, "suppression", telling.lifted(stop))
        for row in timeline.tasks(self._tx, person):
            text = telling.task(row, self._refusals.get(row.attempt_id, ()))
            opened = self._words.say("opened {}", text)
            yield self._entry(row.opened_at, "task", opened, attempt_id=row.attempt_id, code=row.kind)
            if row.done_at is not None:
                done = self._words.say("done {}", text)
                yield self._entry(row.done_at, "task", done, attempt_id=row.attempt_id, code=row.kind)

    def of_money(self) -> Iterator[Entry]:
        """Promises and payments."""
        say = self._words.say
        for row in timeline.promises(self._tx, self._account.account_id):
            word = self._telling.promise(row)
            yield self._entry(row.made_at, "promise", say("promised {}", word), attempt_id=row.attempt_id)
            if row.closed_at is not None:
                text = say("{0}: the promise {1}", say(row.state), word)
                yield self._entry(row.closed_at, "promise", text, attempt_id=row.attempt_id, code=row.state)
        for row in timeline.payments(self._tx, self._account.account_id):
            yield self._entry(row.recorded_at, "payment", self._telling.payment(row))
