"""The answer in two sentences: was the person called on the day asked about, and why; and when is it possible next."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from campaigns.model import Channel
from dialer.attempt import State
from dialer.timeline import Entry, meaning

if TYPE_CHECKING:
    from dialer.explain import Answer

_ENDED = {State.BLOCKED: "blocked", State.CANCELLED: "cancelled", State.EXPIRED: "not made in time"}
_A = {Channel.VOICE: "a call", Channel.SMS: "a message"}


def summarize(attempts: Sequence[Any], story: Iterable[Entry], answers: Sequence["Answer"], at: datetime) -> str:
    """`attempts`: rows of the account's own; `at`: the instant asked about, in the person's local time."""
    says = {entry.rule: entry.says for entry in story if entry.rule and entry.says}
    return f"{_of_the_day(attempts, says, at)} {_of_what_follows(answers, at)}"


def _of_the_day(attempts: Sequence[Any], says: Mapping[str, str], at: datetime) -> str:
    today, zone = at.date(), at.tzinfo
    made = [row for row in attempts if row.claimed_at and row.claimed_at <= at]
    made = [row for row in made if row.claimed_at.astimezone(zone).date() == today]
    slots = [row for row in attempts if row.planned_for.astimezone(zone).date() == today and row not in made]
    missed = list(_missed([row for row in slots if row.state in _ENDED], says))
    also = f" Besides, {'; '.join(missed)}." if missed else ""
    if made:
        return f"On {today}: {'; '.join(_contact(row, at) for row in made)}.{also}"
    if missed:
        return f"Not called on {today}, because {'; '.join(missed)}."
    if any(row.state == State.PLANNED for row in slots):
        return f"Not called on {today} yet."
    return f"Not called on {today}, because no round lies on this day."


def _contact(row: Any, at: datetime) -> str:
    done = "called" if row.channel == Channel.VOICE else "sent a message"
    if row.state == State.LOST:
        ended = "its ending is not known yet, the provider is asked"
    elif row.outcome is None or row.settled_at is None or row.settled_at > at:
        ended = "still running"
    else:
        ended = meaning(row.outcome if row.channel == Channel.VOICE else row.disposition)
    return f"{done} at {row.claimed_at.astimezone(at.tzinfo):%H:%M:%S} ({ended})"


def _missed(rows: Sequence[Any], says: Mapping[str, str]) -> Iterator[str]:
    """What ended without being placed, each reason once with its rounds."""
    rounds: dict[str, list[str]] = {}
    for row in rows:
        why = f"{says.get(row.rule, 'a rule refused')} [{row.rule}]" if row.rule else meaning(row.reason)
        rounds.setdefault(f"{_ENDED[row.state]}: {why}", []).append(str(row.round))
    for told, numbers in rounds.items():
        unique = list(dict.fromkeys(numbers))
        yield f"{f'rounds {_and(unique)} were' if len(unique) > 1 else f'round {unique[0]} was'} {told}"


def _and(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _of_what_follows(answers: Sequence["Answer"], at: datetime) -> str:
    if not answers:
        return "No campaign is launched, so nothing is planned."
    first = answers[0]
    if first.attempt_id is not None and first.due_at is not None:
        return _of_next(first, first.due_at, at)
    refused = {f"{answer.reason} [{answer.rule}]" for answer in answers if answer.verdict == "block"}
    if len(refused) == 1 and all(answer.verdict == "block" for answer in answers):
        return f"Nothing more is planned; any contact would be blocked: {refused.pop()}."
    return "Nothing more is planned."


def _of_next(answer: "Answer", due_at: datetime, at: datetime) -> str:
    what, why = _A[answer.channel], f"{answer.reason} [{answer.rule}]"
    if answer.possible_at is not None:
        held = f", held back till then: {why}" if answer.possible_at > max(due_at, at) else ""
        when = "now" if answer.possible_at == at else f"on {answer.possible_at:%Y-%m-%d at %H:%M:%S}"
        return f"Next possible: {what} {when}{held}."
    planned = f"Next is {what} planned for {due_at:%Y-%m-%d %H:%M:%S}"
    if answer.expires:
        return f"{planned}, but it expires before it may be placed: {why}."
    if answer.verdict == "defer":
        return f"{planned}, held back till somebody acts: {why}."
    return f"{planned}, which would be blocked: {why}."
