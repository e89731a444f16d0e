"""The report in a few sentences: what happened, and what needs attention. Composed from its figures alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from campaigns.model import Disposition, Outcome, Reason
from dialer.report_charts import FEW, Load
from dialer.report_model import Answered, PaidAfter, Report, Sum
from dialer.report_words import Speech

NEAR_FULL = 0.9
"""A busiest hour with this share of a line's capacity has no room for more."""
BROKEN = 1 / 3
"""More than this share of the promises that fell due were broken."""
UNDELIVERED = 0.05
NETWORK_FAULTS = 0.02
BAD_NUMBERS = 0.02
"""More than these shares of messages or calls are no longer chance."""
NEEDS_A_PERSON = (Outcome.DISPUTED, Outcome.HARDSHIP, Outcome.DECEASED, Outcome.CALLBACK)

Level = Literal["good", "watch", "bad"]


@dataclass(frozen=True)
class Notice:
    """Something to know: `bad` must not be, `watch` may need a hand, `good` is as it should be."""

    level: Level
    text: str


def calls(found: Report) -> int:
    """The placed that are no messages."""
    return found.totals.placed - found.messages.placed


def spend(found: Report) -> Decimal:
    return sum((line.spend for line in found.lines), Decimal(0))


def sums(found: list[Sum], speech: Speech) -> str:
    """The money of each currency."""
    return " + ".join(speech.money(one.amount, one.currency) for one in found)


def sentences(found: Report, pays_within: int, speech: Speech) -> list[str]:
    """What happened. `pays_within`: the days in which a payment counts as one after the contact."""
    say, funnel, totals = speech.say, found.funnel, found.totals
    if not totals.planned + totals.follow_ups:
        what_to_do = say("Launch a campaign and let the daemon run: then this page shows what comes of it.")
        return [say("Nothing was planned here."), *([] if found.day or found.campaign else [what_to_do])]
    if not totals.placed:
        return [say("Nothing was placed yet; {0} attempt{0:|s} {0:is|are} waiting.", totals.waiting)]
    told = [
        say(
            "{0} call{0:|s} and {1} message{1:|s} went out about {2} of {3} installments; "
            "{4} of them ({5}) {4:was|were} reached.",
            calls(found), found.messages.placed, funnel.placed, funnel.planned, funnel.reached,
            speech.share(funnel.reached, funnel.placed),
        )
    ]  # fmt: skip
    if funnel.paid:
        told.append(
            say(
                "{0} of these ({1}) {0:was|were} paid within {2} days, {3} in all.",
                funnel.paid, speech.share(funnel.paid, funnel.reached), pays_within,
                sums(found.paid_after_contact, speech),
            )
        )  # fmt: skip
    cost = spend(found)
    if cost and funnel.reached:
        each = speech.money(cost / funnel.reached, found.currency)
        told.append(say("It cost {}: {} for each that was reached.", speech.money(cost, found.currency), each))
    return told


def extremes(rows: Sequence[Answered], names: Mapping[int, str], speech: Speech) -> str:
    """The hour or weekday in which most calls were answered, and the one with least; empty where that says nothing."""
    telling = sorted((one for one in rows if one.calls >= FEW), key=lambda one: one.answered / one.calls)
    if len(telling) < 2:
        return ""
    low, high = telling[0], telling[-1]
    shares = [speech.share(one.answered, one.calls) for one in (high, low)]
    return speech.say("Most often: {} ({}). Least: {} ({}).", names[high.at], shares[0], names[low.at], shares[1])


def half_paid(rows: Sequence[PaidAfter], speech: Speech) -> str:
    """By when half of the payments had come; empty without any."""
    total, so_far = sum(one.payments for one in rows), 0
    for one in rows:
        so_far += one.payments
        if 2 * so_far >= total:
            days = speech.say("Half of them came within {0} day{0:|s}.", one.days)
            return days if one.days else speech.say("Half of them came on the day of the contact.")
    return ""


def notices(found: Report, loads: list[Load], speech: Speech) -> list[Notice]:
    """What needs attention, the worst first; always says whether the windows were kept."""
    ranks: tuple[Level, ...] = ("bad", "watch", "good")
    all_of_them = [*_safety(found, speech), *_work(found, speech), *_machinery(found, loads, speech)]
    return sorted(all_of_them, key=lambda one: ranks.index(one.level))


def _safety(found: Report, speech: Speech) -> Iterator[Notice]:
    """What must never be, or must not stay."""
    say, lost, outside = speech.say, found.lost, found.outside_window
    if outside:
        text = "{0} attempt{0:|s} {0:was|were} placed outside {0:its|their} window. This must not be: find out why."
        yield Notice("bad", say(text, outside))
    elif found.totals.placed:
        yield Notice("good", say("Nothing was placed outside its window."))
    if lost.open:
        text = "{0} attempt{0:|s} {0:is|are} lost and not cleared up yet; the provider is asked."
        yield Notice("watch", say(text, lost.open))
    if lost.unknown:
        text = "How {0} attempt{0:|s} ended was never learned; {0:it counts as a contact|they count as contacts}."
        yield Notice("watch", say(text, lost.unknown))


def _work(found: Report, speech: Speech) -> Iterator[Notice]:
    """What waits for people."""
    say, promises = speech.say, found.promises
    due = promises.kept + promises.broken
    if promises.broken > BROKEN * due:
        yield Notice("watch", say("{0} of {1} promises that fell due {0:was|were} broken.", promises.broken, due))
    waiting = sum(found.outcomes.get(outcome, 0) for outcome in NEEDS_A_PERSON)
    if waiting:
        text = "{0} contact{0:|s} asked for a person: a dispute, hardship, a death or a call back."
        yield Notice("watch", say(text, waiting))
    wrong = found.outcomes.get(Outcome.WRONG_NUMBER, 0) + found.outcomes.get(Outcome.INVALID_NUMBER, 0)
    if wrong > BAD_NUMBERS * found.totals.placed:
        yield Notice(
            "watch", say("{0} attempt{0:|s} met a wrong or invalid number: the accounts need better ones.", wrong)
        )


def _machinery(found: Report, loads: list[Load], speech: Speech) -> Iterator[Notice]:
    """What the lines did not do."""
    say, closed = speech.say, found.reasons.get(Reason.WINDOW_CLOSED, 0)
    if closed:
        text = "The window closed before {0} attempt{0:|s} could be placed: the lines were too slow, or not running."
        yield Notice("watch", say(text, closed))
    for load in loads:
        if load.an_hour and load.peak.placed >= NEAR_FULL * load.an_hour:
            share = speech.share(load.peak.placed, load.an_hour)
            yield Notice(
                "watch", say("Line {} was full: {} of its capacity in the busiest hour.", load.peak.line, share)
            )
    faults = found.dispositions.get(Disposition.INFRASTRUCTURE, 0)
    if faults > NETWORK_FAULTS * found.totals.placed:
        yield Notice("watch", say("{0} attempt{0:|s} failed by a fault of the network.", faults))
    undelivered, sent = found.messages.undelivered, found.messages.placed
    if undelivered > UNDELIVERED * sent:
        yield Notice("watch", say("{0} of {1} messages {0:was|were} not delivered.", undelivered, sent))
