"""What an outcome does beyond its own attempt: stop, pause, suppression, promise, task.

Replies belong to the person, not to a state: they take effect whatever the attempt's state is.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from campaigns.cadence import Paused, Stopped, promise_date, stop_and_pause
from campaigns.file import Stop
from campaigns.model import Outcome
from campaigns.optout import Meaning, meaning
from dialer import confirmation
from dialer.house import House
from dialer.store import Tx, desk
from dialer.store import attempts as attempt_store
from dialer.store import campaigns as campaign_store

SUPPRESS_PERSON = frozenset({Outcome.OPTED_OUT, Outcome.DECEASED})
SUPPRESS_PHONE = frozenset({Outcome.OPTED_OUT, Outcome.INVALID_NUMBER})
SUPPRESS_PAIR = frozenset({Outcome.WRONG_NUMBER})
TASKS: dict[Outcome, str] = {
    Outcome.CALLBACK: "call_back",
    Outcome.DISPUTED: "review",
    Outcome.HARDSHIP: "review",
    Outcome.REFUSED: "review",
    Outcome.DECEASED: "review",
    Outcome.WRONG_NUMBER: "fix_data",
    Outcome.INVALID_NUMBER: "fix_data",
}


@dataclass(frozen=True, slots=True)
class _Said:
    attempt: dict[str, Any]
    outcome: Outcome
    promise: str | None
    at: datetime


_Rest = tuple[date | None, Stopped | Paused | None]
"""What something said means for the rest: the day promised, and whether the rounds stop or pause."""


@dataclass(slots=True)
class Book:
    """Collects what was said in one batch of news, then writes it in one go."""

    tx: Tx
    house: House
    now: datetime
    _said: list[_Said] = field(default_factory=list)
    _touched: set[str] = field(default_factory=set)
    _stops: dict[tuple[int, int], Stop] = field(default_factory=dict)
    """(campaign id, version) → what its file stops and pauses on."""

    @property
    def attempts(self) -> list[dict[str, Any]]:
        """Those of which something was said; `write` needs all their columns."""
        return [one.attempt for one in self._said]

    def said(self, attempt: dict[str, Any], outcome: Outcome, promise: str | None, at: datetime) -> None:
        """An outcome the dialogue came to, or the one that follows from the disposition."""
        self._said.append(_Said(attempt, outcome, promise, at))

    def replied(self, sender: str, text: str, at: datetime) -> bool:
        """A person's text message. False: nobody we know has this number.

        An opt-out holds for the number, and for the persons who have it on every other one. Not for these where the
        sender says that we have the wrong person: then the number is no longer theirs, and they are not the sender.
        """
        last = attempt_store.last_message(self.tx, sender)
        # Who was written to there answers, also where the file has given them another number since.
        persons = sorted(desk.persons_of(self.tx, [sender])[sender] | ({last.person_id} if last else set()))
        found = meaning(text, self.house.stop_words)
        if found.stops and self._suppress(sender, None, False, "opted_out", "message"):
            confirmation.add(self.tx, self.house.settings, self._priorities(), sender, self.now)
        for person in persons:
            if found.wrong_person:
                self._suppress(sender, person, True, Outcome.WRONG_NUMBER.value, "message")
            elif found.stops:
                self._suppress(None, person, False, "opted_out", "message")
        if found.stops or found.wrong_person:
            self._touched |= set(persons)
        if found.review:
            kind = TASKS[Outcome.WRONG_NUMBER] if found.wrong_person else "review"
            desk.add_tasks(self.tx, [_task(kind, person, None, _told(found), self.now) for person in persons])
        return bool(persons)

    def unverified(self, attempt: dict[str, Any], why: str) -> None:
        """A call in which the person could not show who they are: nothing was told, a human looks into it."""
        task = _task("review", attempt["person_id"], attempt["attempt_id"], why, self.now)
        desk.add_tasks(self.tx, [task])

    def _priorities(self) -> dict[int, int]:
        """campaign id → its highest priority, of those that are not cancelled."""
        return {
            one.campaign_id: max(part.priority for part in one.file.segment) for one in self.house.launched(self.tx)
        }

    def write(self) -> set[str]:
        """Writes it all; returns the persons whose plans have to be looked at again."""
        rests = [self._rest(one) for one in self._said]
        about = {one.attempt["attempt_id"] for one, rest in zip(self._said, rests, strict=True) if any(rest)}
        # Most calls end without a word that touches the rest: what they were about is then not asked.
        roster = attempt_store.roster(self.tx, sorted(about)) if about else {}
        for one, rest in zip(self._said, rests, strict=True):
            self._suppressions(one)
            if one.outcome in TASKS:
                detail = f"{one.outcome.value}, segment {one.attempt['segment']}, due {one.attempt['due_on']}"
                task = _task(TASKS[one.outcome], one.attempt["person_id"], one.attempt["attempt_id"], detail, self.now)
                desk.add_tasks(self.tx, [task])
            if any(rest):
                self._for_the_rest(one, rest, roster[one.attempt["attempt_id"]])
        return self._touched

    def _rest(self, one: _Said) -> _Rest:
        attempt = one.attempt
        zone = attempt["zones"][0] if attempt["zones"] else self.house.settings.lender.time_zone
        promised_on = self._promised_on(one, zone)
        key = (attempt["campaign_id"], attempt["version"] or 1)
        if key not in self._stops:
            self._stops[key] = self.house.version(self.tx, *key).file.stop
        verdict = stop_and_pause(self._stops[key], one.outcome, promised_on, one.at, zone)
        return (promised_on if one.outcome == Outcome.PROMISED else None, verdict)

    def _for_the_rest(self, one: _Said, rest: _Rest, accounts: list[Any]) -> None:
        """Promise, stop and pause, for every account the attempt was about."""
        attempt, (promised_on, verdict) = one.attempt, rest
        if promised_on is not None:
            desk.add_promises(self.tx, [_promise(one, row, promised_on) for row in accounts if row.is_open])
        keys = [
            {"of_campaign": attempt["campaign_id"], "of_account": row.account_id, "of_installment": row.installment_id}
            for row in accounts
        ]
        if isinstance(verdict, Stopped):
            campaign_store.stop_members(self.tx, [{**key, "outcome": one.outcome.value} for key in keys])
            self._touched.add(attempt["person_id"])
        elif isinstance(verdict, Paused):
            campaign_store.pause_members(self.tx, [{**key, "until": verdict.until} for key in keys])
            self._touched.add(attempt["person_id"])

    def _promised_on(self, one: _Said, zone: str) -> date | None:
        if one.promise is None:
            return None
        return promise_date(one.promise, one.at.astimezone(ZoneInfo(zone)).date(), one.attempt["due_on"])

    def _suppressions(self, one: _Said) -> None:
        phone, person, source = one.attempt["phone"], one.attempt["person_id"], "carrier"
        if one.outcome != Outcome.INVALID_NUMBER:
            source = "call"
        if one.outcome in SUPPRESS_PHONE and self._suppress(phone, None, False, one.outcome.value, source):
            self._touched |= desk.persons_of(self.tx, [phone])[phone]
        if one.outcome in SUPPRESS_PERSON and self._suppress(None, person, False, one.outcome.value, source):
            self._touched.add(person)
        if one.outcome in SUPPRESS_PAIR and self._suppress(phone, person, True, one.outcome.value, source):
            self._touched.add(person)

    def _suppress(self, phone: str | None, person: str | None, both: bool, reason: str, source: str) -> bool:
        row = {
            "phone": phone, "person_id": person, "both": both, "channel": "", "reason": reason, "until": None,
            "source": source, "created_at": self.now,
        }  # fmt: skip
        return desk.suppress(self.tx, row)


def _told(found: Meaning) -> str:
    """What a text message meant, for the task of the one who reads it."""
    meant = [text for text, holds in (("wrong number", found.wrong_person), ("opted out", found.stops)) if holds]
    return f"text message ({', '.join(meant)})" if meant else "text message"


def _task(kind: str, person: str, attempt_id: int | None, detail: str, now: datetime) -> dict[str, Any]:
    return {"kind": kind, "person_id": person, "attempt_id": attempt_id, "detail": detail, "opened_at": now}


def _promise(one: _Said, row: Any, promised_on: date) -> dict[str, Any]:
    return {
        "campaign_id": one.attempt["campaign_id"],
        "attempt_id": one.attempt["attempt_id"],
        "account_id": row.account_id,
        "installment_id": row.installment_id,
        "promised_on": promised_on,
        "amount": row.amount - row.paid_amount,
        "currency": row.currency,
        "state": "open",
        "made_at": one.at,
    }
