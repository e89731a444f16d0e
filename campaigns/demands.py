"""What a rule demands that no waiting brings: a role, a consent, words, a ring, a look-up, a share. Pure."""

from datetime import date

from campaigns.model import Channel
from campaigns.optout import names_stop_word
from campaigns.rules import Consent, Content, Demand, NumberCheck, OptOut, Party, Ratio, Ring
from campaigns.verdict import Ask, Block, Facts, Wording

BEGINNING = 100
"""Characters of a text that count as its beginning: what is said in the first seven seconds or so."""


def unmet(rule: Demand, ask: Ask, facts: Facts, today: date) -> Block | None:
    """The refusal, where the attempt does not have what the rule demands. `today`: the person's local date."""
    match rule:
        case Party():
            others = [role for role in ask.roles if role not in rule.roles]
            return Block(rule.id, f"the {others[0]} may not be contacted", {"role": others[0]}) if others else None
        case Consent():
            given = facts.consent == "yes" or any(
                one.kind == "express_consent" and one.given_on <= today and (one.until is None or today <= one.until)
                for one in facts.agreements
            )
            saw = {"consent": facts.consent or "unknown", "line_type": ask.line_type}
            return None if given else Block(rule.id, f"no express consent to {ask.channel} is on record", saw)
        case Ring():
            if ask.channel is Channel.VOICE and ask.lead_s < rule.min_s:
                return Block(rule.id, f"it would ring {ask.lead_s:g} s only", {"ring_s": ask.lead_s})
            return None
        case NumberCheck():
            return _unchecked(rule, facts, today)
        case Ratio():
            abandoned, answered = facts.abandoned
            if abandoned * 100 <= rule.max_percent * answered:
                return None
            saw = {"abandoned": str(abandoned), "answered": str(answered)}
            return Block(rule.id, f"{abandoned} of {answered} answered calls were abandoned", saw)
        case OptOut() | Content():
            return _unsaid(rule, ask)


def _unchecked(rule: NumberCheck, facts: Facts, today: date) -> Block | None:
    known = facts.checked_on
    if known is not None and 0 <= (today - known).days <= rule.max_age_days:
        return None
    told = f"last on {known}" if known else "never"
    saw = {"checked_on": known.isoformat() if known else ""}
    return Block(rule.id, f"the number was looked up {told}", saw, "fix_data")


def _unsaid(rule: OptOut | Content, ask: Ask) -> Block | None:
    """Words are looked at as the person gets them. A confirmation says one thing only."""
    saying = ask.saying
    if saying is None or ask.kind == "confirmation":
        return None
    if isinstance(rule, OptOut):
        offered = saying.offers_stop if ask.channel is Channel.VOICE else names_stop_word(_own(saying), rule.words)
        return None if offered else Block(rule.id, "it offers no way to stop", {"missing": ["stop"]})
    if ("call" if ask.channel is Channel.VOICE else "message") not in rule.parts:
        return None
    missing = [name for name in rule.says_all if not _tells(saying, name, saying.text)]
    missing += [name for name in rule.begins if not _tells(saying, name, saying.text[:BEGINNING])]
    if missing:
        return Block(rule.id, f"it does not name {', '.join(dict.fromkeys(missing))}", {"missing": missing})
    told = [name for name in rule.forbids if _tells(saying, name, saying.text)]
    return Block(rule.id, f"it tells {', '.join(told)}", {"told": told}) if told else None


def _own(saying: Wording) -> str:
    """The text without what was filled in: a lender named "TD Finance" offers nothing by its name."""
    text = saying.text
    for forms in saying.names.values():
        for form in filter(None, forms):
            text = text.replace(form, " ")
    return text


def _tells(saying: Wording, name: str, text: str) -> bool:
    return any(form and form in text for form in saying.names.get(name, ()))
