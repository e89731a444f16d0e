"""The answer in two sentences: was the person called on the day asked about, and why; and when is it possible next."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from campaigns.model import Channel
from dialer.attempt import State
from dialer.explain_model import Answer
from dialer.explain_words import moment, sentences
from dialer.report_words import Speech
from dialer.timeline import Entry
from dialer.verdict_words import MADE

_ENDED = {State.BLOCKED: "blocked", State.CANCELLED: "cancelled", State.EXPIRED: "not made in time"}


def summarize(
    attempts: Sequence[Any], story: Iterable[Entry], answers: Sequence[Answer], at: datetime, words: Speech
) -> str:
    """`attempts`: rows of the account's own; `at`: the instant asked about, in the person's local time."""
    says = {entry.rule: entry.says for entry in story if entry.rule and entry.says}
    return sentences(words, (_of_the_day(attempts, says, at, words), _of_what_follows(answers, at, words)))


def _of_the_day(attempts: Sequence[Any], says: Mapping[str, str], at: datetime, words: Speech) -> str:
    today, zone, say = at.date(), at.tzinfo, words.say
    made = [row for row in attempts if row.claimed_at and row.claimed_at <= at]
    made = [row for row in made if row.claimed_at.astimezone(zone).date() == today]
    slots = [row for row in attempts if row.planned_for.astimezone(zone).date() == today and row not in made]
    missed = say("; ").join(_missed([row for row in slots if row.state in _ENDED], says, words))
    if made:
        told = say("On {0}: {1}.", today, say("; ").join(_contact(row, at, words) for row in made))
        return sentences(words, (told, say("Besides, {}.", missed))) if missed else told
    if missed:
        return say("Not called on {0}, because {1}.", today, missed)
    if any(row.state == State.PLANNED for row in slots):
        return say("Not called on {} yet.", today)
    return say("Not called on {}, because no round lies on this day.", today)


def _contact(row: Any, at: datetime, words: Speech) -> str:
    say = words.say
    when = f"{row.claimed_at.astimezone(at.tzinfo):%H:%M:%S}"
    done = say("called at {}", when) if row.channel == Channel.VOICE else say("sent a message at {}", when)
    if row.state == State.LOST:
        ended = say("its ending is not known yet, the provider is asked")
    elif row.outcome is None or row.settled_at is None or row.settled_at > at:
        ended = say("still running")
    else:
        ended = words.name(row.outcome if row.channel == Channel.VOICE else row.disposition)
    return say("{0} ({1})", done, ended)


def _missed(rows: Sequence[Any], says: Mapping[str, str], words: Speech) -> Iterator[str]:
    """What ended without being placed, each reason once with its rounds."""
    say = words.say
    rounds: dict[str, list[str]] = {}
    for row in rows:
        why = words.name(row.reason or "")
        if row.rule:
            why = f"{says.get(row.rule) or say('a rule refused')} [{row.rule}]"
        rounds.setdefault(say("{0}: {1}", say(_ENDED[row.state]), why), []).append(str(row.round))
    for told, numbers in rounds.items():
        unique = list(dict.fromkeys(numbers))
        if len(unique) > 1:
            yield say("rounds {0} and {1} were {2}", say(", ").join(unique[:-1]), unique[-1], told)
        else:
            yield say("round {0} was {1}", unique[0], told)


def _of_what_follows(answers: Sequence[Answer], at: datetime, words: Speech) -> str:
    if not answers:
        return words.say("No campaign is launched, so nothing is planned.")
    first = answers[0]
    if first.attempt_id is not None and first.due_at is not None:
        return _of_next(first, first.due_at, at, words)
    refused = {f"{answer.reason} [{answer.rule}]" for answer in answers if answer.verdict == "block"}
    if len(refused) == 1 and all(answer.verdict == "block" for answer in answers):
        return words.say("Nothing more is planned; any contact would be blocked: {}.", refused.pop())
    return words.say("Nothing more is planned.")


def _of_next(answer: Answer, due_at: datetime, at: datetime, words: Speech) -> str:
    say, why = words.say, answer.held_by or f"{answer.reason} [{answer.rule}]"
    what = say(f"a {MADE[answer.channel]}")
    if answer.possible_at is not None:
        held = say(", held back till then: {}", why) if answer.possible_at > max(due_at, at) else ""
        when = say("on {0} at {1}", f"{answer.possible_at:%Y-%m-%d}", f"{answer.possible_at:%H:%M:%S}")
        return say("Next possible: {0} {1}{2}.", what, say("now") if answer.possible_at == at else when, held)
    planned = say("Next is {0} planned for {1}", what, moment(due_at))
    if answer.expires:
        return say("{0}, but it expires before it may be placed: {1}.", planned, why)
    if answer.verdict == "defer":
        return say("{0}, held back till somebody acts: {1}.", planned, why)
    return say("{0}, which would be blocked: {1}.", planned, why)
