"""How an attempt may move: one table, one function that applies it; what its end means. Pure."""

from datetime import timedelta
from enum import StrEnum

from campaigns.model import Disposition, Outcome

CLAIM_S = 15.0
"""So long after its claim an attempt may be handed over: a database that was held, or a host that slept, ends it."""
PLACE_S = 10.0
"""Seconds a provider gets to answer; after that nobody knows, and the attempt is lost."""
PLACING = timedelta(seconds=CLAIM_S + PLACE_S)
"""What is claimed was placed within these, or never."""


class State(StrEnum):
    PLANNED = "planned"
    PLACING = "placing"
    PLACED = "placed"
    RINGING = "ringing"
    TALKING = "talking"
    LOST = "lost"
    SETTLED = "settled"
    BLOCKED = "blocked"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class Kind(StrEnum):
    """What can happen to an attempt, past tense. The first ten are ours, the others the provider's."""

    PASSED = "passed"
    DEFERRED = "deferred"
    BLOCKED = "blocked"
    CANCELLED = "cancelled"
    WINDOW_CLOSED = "window_closed"
    WITHDRAWN = "withdrawn"
    LEASE_EXPIRED = "lease_expired"
    SILENT = "silent"
    NOT_FOUND = "not_found"
    DEADLINE = "deadline"
    UNAVAILABLE = "unavailable"
    UNCERTAIN = "uncertain"
    REFUSED = "refused"
    ACCEPTED = "accepted"
    SENT = "sent"
    """Accepted, of a message whose adapter gives no receipts: nothing more will come."""
    RINGING = "ringing"
    ANSWERED = "answered"
    HUMAN_DETECTED = "human_detected"
    MACHINE_DETECTED = "machine_detected"
    KEYED = "keyed"
    TRANSFERRED = "transferred"
    ENDED = "ended"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"


OWN = frozenset(list(Kind)[:10])
"""Our own doing: in a state that has no row for it, it is our mistake and raises."""

RUNNING = (State.PLACING, State.PLACED, State.RINGING, State.TALKING, State.LOST)
FINAL = (State.SETTLED, State.BLOCKED, State.EXPIRED, State.CANCELLED)

_END = {Kind.ENDED: State.SETTLED, Kind.DELIVERED: State.SETTLED, Kind.UNDELIVERED: State.SETTLED}
_TALK = dict.fromkeys((Kind.KEYED, Kind.HUMAN_DETECTED, Kind.MACHINE_DETECTED, Kind.TRANSFERRED), State.TALKING)

TABLE: dict[State, dict[Kind, State]] = {
    State.PLANNED: {
        Kind.PASSED: State.PLACING,
        Kind.DEFERRED: State.PLANNED,
        Kind.BLOCKED: State.BLOCKED,
        Kind.CANCELLED: State.CANCELLED,
        Kind.WINDOW_CLOSED: State.EXPIRED,
    },
    State.PLACING: {
        Kind.ACCEPTED: State.PLACED,
        Kind.SENT: State.SETTLED,
        Kind.REFUSED: State.SETTLED,
        Kind.UNAVAILABLE: State.PLANNED,
        Kind.WITHDRAWN: State.PLANNED,
        Kind.UNCERTAIN: State.LOST,
        Kind.LEASE_EXPIRED: State.LOST,
        Kind.RINGING: State.RINGING,
        Kind.ANSWERED: State.TALKING,
        **_END,
    },
    State.PLACED: {Kind.RINGING: State.RINGING, Kind.ANSWERED: State.TALKING, Kind.SILENT: State.LOST, **_END},
    State.RINGING: {Kind.ANSWERED: State.TALKING, Kind.SILENT: State.LOST, Kind.ENDED: State.SETTLED},
    State.TALKING: {Kind.SILENT: State.LOST, Kind.ENDED: State.SETTLED, **_TALK},
    State.LOST: {
        Kind.SENT: State.SETTLED,
        Kind.RINGING: State.RINGING,
        Kind.ANSWERED: State.TALKING,
        Kind.NOT_FOUND: State.SETTLED,
        Kind.DEADLINE: State.SETTLED,
        **_END,
    },
    State.SETTLED: {},
    State.BLOCKED: {},
    State.EXPIRED: {},
    State.CANCELLED: {},
}

QUIET = frozenset(
    {
        Kind.ACCEPTED, Kind.SENT, Kind.UNCERTAIN, Kind.LEASE_EXPIRED, Kind.SILENT, Kind.WITHDRAWN, Kind.NOT_FOUND,
        Kind.DEADLINE,
    }
)  # fmt: skip
"""In a state without a row for them these are nothing at all: while the provider was asked, or the record was on its
way, better news came."""


class IllegalTransition(Exception):
    """We tried to move an attempt where the table has no way. A fault of ours, never of a provider."""


def advance(state: State, kind: Kind) -> State | None:
    """The next state; None where the event changes nothing (a provider's late, repeated or stray news).

    Raises IllegalTransition where our own code asks for a move the table does not have.
    """
    following = TABLE[state].get(kind)
    if following is None and kind in OWN and kind not in QUIET:
        raise IllegalTransition(f"{kind} in state {state}")
    return following


_OUTCOMES: dict[Disposition, Outcome] = {
    Disposition.HUMAN: Outcome.REACHED,
    Disposition.ANSWERED: Outcome.REACHED,
    Disposition.MACHINE: Outcome.NO_CONTACT,
    Disposition.NO_ANSWER: Outcome.NO_CONTACT,
    Disposition.BUSY: Outcome.NO_CONTACT,
    Disposition.DECLINED: Outcome.NO_CONTACT,
    Disposition.PHONE_OFF: Outcome.NO_CONTACT,
    Disposition.UNREACHABLE: Outcome.NO_CONTACT,
    Disposition.INVALID_NUMBER: Outcome.INVALID_NUMBER,
    Disposition.BLOCKED: Outcome.FAILED,
    Disposition.INFRASTRUCTURE: Outcome.FAILED,
    Disposition.SENT: Outcome.REACHED,
    Disposition.DELIVERED: Outcome.REACHED,
    Disposition.UNDELIVERED: Outcome.NO_CONTACT,
    Disposition.UNKNOWN: Outcome.UNKNOWN,
}


_DISPOSITIONS = {one.value: one for one in Disposition}


def disposition_of(reported: str, answered: bool, detected: str | None) -> Disposition:
    """How it ended, from what the provider reported and what was detected.

    `human` needs a detection or a pressed key; an answered call without either is `answered`.
    """
    said = _DISPOSITIONS.get(reported)
    if said in (None, Disposition.ANSWERED, Disposition.HUMAN, Disposition.MACHINE):
        if detected == "human":
            return Disposition.HUMAN
        if detected == "machine" or said is Disposition.MACHINE:
            return Disposition.MACHINE
        return Disposition.ANSWERED if answered or said is not None else Disposition.NO_ANSWER
    return said


def outcome_of(disposition: Disposition, said: Outcome | None) -> Outcome:
    """What it means: the last outcome the dialogue said, else what follows from the disposition.

    A dialogue that ran to its end before a machine was found has reached nobody.
    """
    if disposition is Disposition.MACHINE and said is Outcome.REACHED:
        return Outcome.NO_CONTACT
    return said if said is not None else _OUTCOMES[disposition]
