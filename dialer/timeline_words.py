"""What each row of the record says in an account's story, in Chinese or English.

Names and phones are masked; of a text message only a stop word is repeated.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from campaigns.model import Outcome
from campaigns.optout import STOP_WORDS, is_stop
from campaigns.rules import AnyRule
from campaigns.words import WAIVED, WAIVES
from dialer.attempt import State
from dialer.confirmation import CAUSE as CONFIRMATION
from dialer.explain_words import listed, perhaps
from dialer.log import mask_phone, mask_text
from dialer.report_words import Speech
from dialer.verdict_words import MADE, ended, seen, warned, why

_STANDS = {State.PLANNED: "planned", State.SETTLED: "made", State.CANCELLED: "cancelled", State.BLOCKED: "blocked",
           State.EXPIRED: "expired"}  # fmt: skip
_SAID = frozenset(Outcome)
_VERIFIED = {"yes": "was who we asked for", "no": "did not know what was asked for"}
_UNTIL = {"defer": "defer until {}", "block": "block", "pass": "pass"}
_LAUNCHED = re.compile(r"version (\d+), sha256 (\w+)")
_ASKED_FOR = re.compile(r"(\w+), segment (.+), due (\d{4}-\d\d-\d\d)")
_REFUSED = re.compile(r"(.*) \[([a-z0-9.-]+)\]")


@dataclass(frozen=True)
class Told:
    """A verdict in words."""

    text: str
    why: str
    seen: str


@dataclass(frozen=True)
class Telling:
    """Tells rows in a language, with local times of a zone, for the reader of one account's story."""

    words: Speech
    zone: ZoneInfo
    phone: str
    stop_words: frozenset[str] = STOP_WORDS

    def local(self, at: datetime) -> str:
        return f"{at.astimezone(self.zone):%Y-%m-%d %H:%M}"

    def action(self, row: Any) -> str:
        """What an operator did."""
        say = self.words.say
        what = " ".join(filter(None, (say(row.action), row.subject)))
        detail = mask_text(row.detail)
        if launched := _LAUNCHED.fullmatch(row.detail):
            detail = say("version {0}, sha256 {1}", *launched.groups())
        return say("{0}: {1}", what, detail) if detail else what

    def selected(self, member: Any) -> str:
        say = self.words.say
        counts = listed(self.words, (say("late count {0} in {1} months", n, m) for m, n in member.late.items()))
        taken = say("taken in for {}", member.due_on)
        return say("{0}; {1}", taken, counts) if counts else taken

    def stopped(self, member: Any) -> str:
        return self.words.say(
            "the rest of the rounds for {0} is not made: {1}", member.due_on, self.name(member.stopped)
        )

    def paused(self, member: Any) -> str:
        return self.words.say("no round for {0} before {1}", member.due_on, self.local(member.paused_until))

    def name(self, word: str | None) -> str:
        """What a word of the closed lists (outcome, disposition, reason) means."""
        return self.words.name(word) if word else ""

    def slot(self, row: Any, others: Sequence[str]) -> str:
        """The round, its window, how the attempt stands."""
        say = self.words.say
        stands = say(_STANDS[row.state]) if row.state in _STANDS else say("now {}", say(row.state))
        if row.cause == CONFIRMATION:
            return say("a message to {0} that confirms the opt-out; {1}", mask_phone(row.phone), stands)
        # `try` is a keyword, so the column is read by its name in the row's mapping.
        number = row._mapping["try"]
        cause = "" if row.cause == "round" else say(", try {0} ({1})", number, say(row.cause.replace("_", " ")))
        begins, ends = row.window_from.astimezone(self.zone), row.window_until.astimezone(self.zone)
        until = f"{ends:%H:%M}" if ends.date() == begins.date() else f"{ends:%Y-%m-%d %H:%M}"
        joined = say(", together with {}", listed(self.words, others)) if others else ""
        phone = "" if row.phone == self.phone else say(" to {}", mask_phone(row.phone))
        return say(
            "round {0} of {1}{2} for {3}, segment {4}: {5} ({6}){7}{8}, {9}; {10}",
            row.round, row.rounds, cause, row.due_on, row.segment, say(MADE[row.channel]), row.script, phone, joined,
            f"{begins:%H:%M}–{until}", stands,
        )  # fmt: skip

    def verdict(self, row: Any, rule: AnyRule | None) -> Told:
        """The verdict, why, and what it saw."""
        say, at = self.words.say, row.at.astimezone(self.zone)
        reason, facts = "", seen(row.saw, at, self.words)
        if row.verdict == "pass":
            reason = warned(row.reason, self.words) if row.reason else ""
        elif row.rule:
            reason = why(row.rule, rule, row.saw, row.reason or "", self.words, row.verdict == "block")
        text = say(_UNTIL[row.verdict], self.local(row.until) if row.until else "")
        text = say("{0}: {1}", text, reason) if reason else text
        text = say("{0} ({1})", text, facts) if facts else text
        return Told(text + (say(" (at planning)") if row.stage == "planning" else ""), reason, facts)

    def event(self, row: Any) -> str:
        """What the provider told, or what became of the placing."""
        say, data = self.words.say, row.data
        found = [self.name(data[key]) for key in ("disposition", "said") if data.get(key)]
        found += [say("pressed {}", data["digits"])] if data.get("digits") else []
        found += [say(_VERIFIED[data["verified"]])] if data.get("verified") else []
        found += [say("talked {} s", f"{data['talk_s']:.1f}")] if data.get("talk_s") else []
        found += [say("the provider's code {}", mask_text(data["code"]))] if data.get("code") else []
        if reason := data.get("why"):
            known = self.words.rule(reason) or (self.name(reason) if reason.replace("_", "").isalpha() else "")
            found.append(known or perhaps(self.words, mask_text(reason)))
        what = say(row.kind.replace("_", " "))
        text = say("{0}: {1}", what, say(", ").join(found)) if found else what
        return text + (say(" (stray: it moved nothing)") if row.stray else "")

    def end(self, row: Any) -> str:
        """How the attempt ended."""
        if row.state == State.SETTLED:
            return self.words.say("{0}: {1}", self.name(row.disposition), self.name(row.outcome))
        if row.state == State.BLOCKED:
            return self.words.say("never placed")
        return self.name(row.reason) or self.words.say("not placed")

    def contact(self, row: Any) -> str:
        """A contact of ours about other accounts of the person."""
        say = self.words.say
        ended = self.name(row.outcome) if row.outcome else say("still running")
        return say("{0} about the person's other accounts: {1}", say(f"a {MADE[row.channel]}"), ended)

    def elsewhere(self, row: Any, account_id: str) -> str:
        """A contact that was made elsewhere and reported to us."""
        say = self.words.say
        whose = say("by the person") if row.direction == "inbound" else (
            say("by an agency") if row.by == "agents" else say("by the lender")
        )  # fmt: skip
        about = say(", about {}", row.account_id) if row.account_id and row.account_id != account_id else ""
        return say(
            "{0} made elsewhere {1}: {2}{3}", say(f"a {MADE[row.channel]}"), whose, ended(row.event, self.words), about
        )

    def agreement(self, row: Any) -> str:
        """What the person agreed to."""
        say = self.words.say
        what = (WAIVES if self.words.words else WAIVED)[row.kind]
        until = say(" until {}", row.until) if row.until else ""
        return say("from {0}{1}: {2}", row.given_on, until, what)

    def reply(self, row: Any) -> str:
        text = row.data.get("text", "")
        if is_stop(text, self.stop_words):
            return self.words.say('a text message "{}"', text.strip())
        return self.words.say("a text message, {0} characters", len(text))

    def suppression(self, row: Any) -> str:
        """What a suppression holds for and why, without naming the person."""
        say = self.words.say
        whom = "the person on this phone" if row.both else "the person" if row.person_id else "the phone"
        until = say(" until {}", row.until) if row.until else ""
        why = self.name(row.reason) if row.reason in _SAID else perhaps(self.words, mask_text(row.reason))
        channel = say(row.channel or "voice and sms")
        return say(
            "{0} suppressed for {1}{2}: {3}, by {4}", channel, say(whom), until, why, perhaps(self.words, row.source)
        )

    def lifted(self, row: Any) -> str:
        why = mask_text(row.lifted_reason) if row.lifted_reason else self.words.say("no reason given")
        return self.words.say("lifted ({0}): {1}", why, self.suppression(row))

    def task(self, row: Any, refusals: Iterable[tuple[str, str]]) -> str:
        """Work for a human. `refusals`: rule id and reason of the attempt's verdicts, in the language."""
        say, detail = self.words.say, mask_text(row.detail)
        if asked := _ASKED_FOR.fullmatch(row.detail):
            outcome, segment, due_on = asked.groups()
            detail = say("{0}, segment {1}, due {2}", self.name(outcome), mask_text(segment), due_on)
        elif refused := _REFUSED.fullmatch(row.detail):
            told = next((reason for rule, reason in refusals if rule == refused[2]), mask_text(refused[1]))
            detail = f"{told} [{refused[2]}]"
        return say("{0}: {1}", self.words.name(row.kind), perhaps(self.words, detail))

    def promise(self, row: Any) -> str:
        return self.words.say("to pay {0} {1} by {2}", row.amount, row.currency, row.promised_on)

    def payment(self, row: Any) -> str:
        say = self.words.say
        what = say("paid") if row.amount >= 0 else say("taken back")
        on = say(" on {}", row.paid_on) if row.paid_on else ""
        source = perhaps(self.words, row.source)
        return say("{0} {1} {2}{3} for {4}, by {5}", abs(row.amount), row.currency, what, on, row.due_on, source)
