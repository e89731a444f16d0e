"""Why the gate refused, and what it saw, in Chinese or English: told from the rule and the facts kept with the verdict.

Verdicts of older versions have no facts; theirs is the English reason that was stored.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from campaigns.rules import AnyRule, Cap, Cooloff, ExclusiveChannel
from campaigns.ruleset import HORIZON_DAYS
from campaigns.words import every
from dialer.explain_words import listed, perhaps
from dialer.log import mask_text
from dialer.packs import OWN_CHECKS
from dialer.report_words import Speech

Saw = Mapping[str, Any]
PARTS = {
    "lender": "the lender", "lender_phone": "the lender's phone", "name": "the person's name", "due_on": "the due date",
    "amount": "the amount", "pay_to": "where to pay", "stop": "a way to stop",
}  # fmt: skip
"""What a text has to tell, or must not."""
MADE = {"voice": "call", "sms": "message", "letter": "letter", "visit": "visit"}
"""A contact's channel, as what was made over it."""
BREAKS = "although it breaks {}, which only warns"
_ID = re.compile(r"[a-z0-9][a-z0-9-]*\.[a-z0-9][a-z0-9_-]*")


def why(rule_id: str, rule: AnyRule | None, saw: Saw | None, stored: str, words: Speech, blocks: bool = False) -> str:
    """The reason in words. `rule`: None where no pack has it any more; `stored`: the reason that was written down;
    `blocks`: it was refused for good."""
    if rule_id in _OWN:
        return _OWN[rule_id](saw or {}, mask_text(stored), words)
    if rule_id.startswith(OWN_CHECKS):
        return words.rule(rule_id)
    for fact, tell in _BY_FACT.items():
        if saw and fact in saw:
            return tell(rule, saw, words, blocks and (rule is None or rule.on_breach != "block"))
    return mask_text(stored)


def warned(stored: str, words: Speech) -> str:
    """What a pass says of rules that only warn."""
    return words.say(BREAKS, listed(words, _ID.findall(stored)))


def seen(saw: Saw | None, at: datetime, words: Speech) -> str:
    """The facts that the reason does not name itself; empty: none. `at`: the instant of the verdict, local time."""
    if not saw:
        return ""
    if saw.get("contacts"):
        return listed(words, (contact(one, at, words) for one in reversed(saw["contacts"])), "; ")
    if "local" in saw:
        pairs = zip(saw["zones"], map(datetime.fromisoformat, saw["local"]), strict=False)
        return listed(words, (words.say("{0} in {1}", f"{local:%H:%M:%S}", zone) for zone, local in pairs))
    if "left" in saw:
        return words.say("{0} left, {1} needed", saw["left"], saw["price"])
    return ""


def contact(one: Sequence[str], at: datetime, words: Speech) -> str:
    """A contact that counted: when, over what, what came of it: `09:12 call, no answer`."""
    when, channel, event = one
    local = datetime.fromisoformat(when)
    shown = f"{local:%H:%M}" if local.date() == at.date() else f"{local:%m-%d %H:%M}"
    return words.say("{0} {1}, {2}", shown, words.say(MADE.get(channel, channel)), ended(event, words))


def ended(event: str, words: Speech) -> str:
    """What came of a contact: a disposition, or the event that was reported of one made elsewhere."""
    return words.say("made") if event == "placed" else words.name(event)


# --- the packs' rules: by what was seen ------------------------------------------------------------------------------


def _limit(rule: AnyRule | None, saw: Saw, words: Speech, is_final: bool) -> str:
    if isinstance(rule, ExclusiveChannel):
        return words.say("another channel was used last")
    if isinstance(rule, Cooloff):
        if not rule.required:
            return words.say("too soon after the last contact")
        return words.say("too soon after the notice" if saw["contacts"] else "no notice is on record")
    if isinstance(rule, Cap) and words.words:
        return words.say("{0} contact{0:|s} already, the most in {1}", saw["max"], every(rule.period))
    # Of a rule that is gone only the English of its period is left.
    period = words.say("the rule's period") if words.words else str(saw["period"])
    return words.say("{0} contact{0:|s} already, the most in {1}", saw["max"], period)


def _closed(rule: AnyRule | None, saw: Saw, words: Speech, is_final: bool) -> str:
    zones = listed(words, saw["zones"])
    if is_final:
        return words.say("no hour of {0} days is permitted in {1}", HORIZON_DAYS, zones)
    return words.say("outside the permitted hours in {}", zones)


def _role(rule: AnyRule | None, saw: Saw, words: Speech, is_final: bool) -> str:
    return words.say("the {} may not be contacted", words.say(saw["role"]))


def _consent(rule: AnyRule | None, saw: Saw, words: Speech, is_final: bool) -> str:
    return words.say("no express consent is on record; the file says: {}", words.name(saw["consent"]))


def _ring(rule: AnyRule | None, saw: Saw, words: Speech, is_final: bool) -> str:
    return words.say("it would ring {} s only", f"{saw['ring_s']:g}")


def _checked(rule: AnyRule | None, saw: Saw, words: Speech, is_final: bool) -> str:
    if saw["checked_on"]:
        return words.say("the number was looked up last on {}", saw["checked_on"])
    return words.say("the number was never looked up")


def _ratio(rule: AnyRule | None, saw: Saw, words: Speech, is_final: bool) -> str:
    return words.say("{0} of {1} answered calls were abandoned", saw["abandoned"], saw["answered"])


def _missing(rule: AnyRule | None, saw: Saw, words: Speech, is_final: bool) -> str:
    return words.say("it does not name {}", listed(words, (words.say(PARTS[one]) for one in saw["missing"])))


def _told(rule: AnyRule | None, saw: Saw, words: Speech, is_final: bool) -> str:
    return words.say("it tells {}", listed(words, (words.say(PARTS[one]) for one in saw["told"])))


_BY_FACT: dict[str, Callable[[AnyRule | None, Saw, Speech, bool], str]] = {
    "contacts": _limit, "local": _closed, "role": _role, "consent": _consent, "ring_s": _ring, "checked_on": _checked,
    "abandoned": _ratio, "missing": _missing, "told": _told,
}  # fmt: skip


# --- the dialer's own checks -----------------------------------------------------------------------------------------


def _stopped(saw: Saw, stored: str, words: Speech) -> str:
    return words.say("{0}: {1}", words.rule("dialer.stopped"), words.name(saw.get("outcome", stored)))


def _suppressed(saw: Saw, stored: str, words: Speech) -> str:
    return perhaps(words, stored)


def _no_consent(saw: Saw, stored: str, words: Speech) -> str:
    return words.say("no consent to this channel: the file says no")


def _country(saw: Saw, stored: str, words: Speech) -> str:
    if "line" not in saw:
        return words.rule("dialer.country")
    return words.say("line {0} does not reach {1}", saw["line"], saw["country"] or words.say("an unknown country"))


def _jurisdiction(saw: Saw, stored: str, words: Speech) -> str:
    return words.say("no rule pack knows {}", words.say(saw.get("jurisdiction", "where the person is")))


def _spend(saw: Saw, stored: str, words: Speech) -> str:
    return words.say("the spend limit of line {} is reached", saw["line"]) if "line" in saw else stored


def _clock(saw: Saw, stored: str, words: Speech) -> str:
    return words.say("our clock is off by {} s", saw.get("off_s", "?"))


def _halted(saw: Saw, stored: str, words: Speech) -> str:
    return words.say("{0}: {1}", words.rule("dialer.halted"), stored) if stored else words.rule("dialer.halted")


def _live_call(saw: Saw, stored: str, words: Speech) -> str:
    return words.say("another call to this number is running")


def _fault(saw: Saw, stored: str, words: Speech) -> str:
    return words.say("a fault of the dialer: it could not be decided about; tried again every 10 minutes")


_OWN: dict[str, Callable[[Saw, str, Speech], str]] = {
    "dialer.stopped": _stopped, "dialer.suppressed": _suppressed, "dialer.consent": _no_consent,
    "dialer.country": _country, "dialer.jurisdiction": _jurisdiction, "dialer.spend": _spend, "dialer.clock": _clock,
    "dialer.halted": _halted, "dialer.live_call": _live_call, "dialer.fault": _fault,
}  # fmt: skip
"""The others say what they are about: a plain sentence each."""
