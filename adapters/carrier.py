"""The simulated telephone network inside the mock adapter: what becomes of a call or a message.

Everything follows from the seed, the attempt's id, the number and the instant, so that a carrier started
again tells the same story about what it took before. No clock, no I/O, no global randomness.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from math import inf
from random import Random
from typing import Protocol

from adapters.contract import ChannelName, Event, EventKind, Heard, Order, Step

RINGS = frozenset({"answered", "machine", "declined", "no_answer"})
"""The endings before which the phone rings; the network itself reports the others."""

CAUSES = {
    "answered": "16",
    "machine": "16",
    "busy": "17",
    "unreachable": "18",
    "no_answer": "19",
    "phone_off": "20",
    "declined": "21",
    "invalid_number": "1",
    "infrastructure": "38",
}
"""Disposition → Q.850 cause, the raw code a telephone network gives with an ending."""

_SEQUENCE = {kind: number for number, kind in enumerate(EventKind)}


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one placement, decided when it is taken. Each duration counts from the event before."""

    ends: str
    """The disposition it comes to; `answered`: a person picks up."""
    connects_s: float
    """Until it rings, or the network reports; for a message: until it is delivered or given up."""
    rings_s: float = 6.0
    """Until somebody picks up or declines; from the ring time-out on, nobody does."""
    detects_s: float | None = None
    """From the answer until the network tells a person from a machine; None: it doesn't tell."""
    talks_s: float = 8.0
    """How long an answered call lasts when nobody leads the dialogue."""
    holds_s: float = inf
    """The person hangs up this long after the answer, whatever is being said."""
    reply: str = ""
    """The text message that the person answers a message with."""
    replies_s: float = 20.0


def ref_of(attempt_id: str) -> str:
    """The carrier's reference of a placement."""
    return f"mock-{attempt_id}"


def fact(order: Order, kind: EventKind, at: datetime, disposition: str = "", talk_s: float = 0.0) -> Event:
    """One event of an order. A placement has at most one of each kind, so reference and kind identify it."""
    ref = ref_of(order.attempt_id)
    return Event(
        kind=kind,
        at=at,
        attempt_id=order.attempt_id,
        ref=ref,
        identity=f"{ref}:{kind}",
        sequence=_SEQUENCE[kind],
        disposition=disposition,
        code=CAUSES.get(disposition, ""),
        talk_s=talk_s,
    )


def timeline(order: Order, at: datetime, fate: Fate) -> list[Event]:
    """All events of a placement taken at `at`, oldest first, if nobody leads a dialogue and nobody interferes."""
    events = _message(order, at, fate) if order.channel == "sms" else _call(order, at, fate)
    return [fact(order, EventKind.ACCEPTED, at), *events]


def _call(order: Order, at: datetime, fate: Fate) -> list[Event]:
    connects_at = at + timedelta(seconds=fate.connects_s)
    if order.valid_until is not None:  # never rings later than that
        connects_at = max(at, min(connects_at, order.valid_until))
    if fate.ends not in RINGS:
        return [fact(order, EventKind.ENDED, connects_at, fate.ends)]
    rings = fact(order, EventKind.RINGING, connects_at)
    if fate.ends == "no_answer" or fate.rings_s >= order.ring_timeout_s:
        gives_up_at = connects_at + timedelta(seconds=order.ring_timeout_s)
        return [rings, fact(order, EventKind.ENDED, gives_up_at, "no_answer")]
    picked_up_at = connects_at + timedelta(seconds=fate.rings_s)
    if fate.ends == "declined":
        return [rings, fact(order, EventKind.ENDED, picked_up_at, "declined")]
    return [rings, *_answered(order, picked_up_at, fate)]


def _answered(order: Order, at: datetime, fate: Fate) -> list[Event]:
    talk_s = min(fate.talks_s, fate.holds_s, order.time_limit_s)
    events = [fact(order, EventKind.ANSWERED, at)]
    if fate.detects_s is not None and fate.detects_s < talk_s:
        kind = EventKind.MACHINE_DETECTED if fate.ends == "machine" else EventKind.HUMAN_DETECTED
        events.append(fact(order, kind, at + timedelta(seconds=fate.detects_s)))
    return [*events, fact(order, EventKind.ENDED, at + timedelta(seconds=talk_s), fate.ends, talk_s)]


def _message(order: Order, at: datetime, fate: Fate) -> list[Event]:
    arrives_at = at + timedelta(seconds=fate.connects_s)
    if order.valid_until is not None and arrives_at > order.valid_until:
        return [fact(order, EventKind.UNDELIVERED, max(at, order.valid_until), "undelivered")]
    if fate.ends != "delivered":
        return [fact(order, EventKind.UNDELIVERED, arrives_at, fate.ends)]
    delivered = fact(order, EventKind.DELIVERED, arrives_at)
    if not fate.reply:
        return [delivered]
    ref = f"{ref_of(order.attempt_id)}-reply"
    replied_at = arrives_at + timedelta(seconds=fate.replies_s)
    # A reply comes from a person, not from an attempt: like a real provider, the carrier can't tie the two.
    reply = Event(EventKind.REPLIED, replied_at, ref=ref, identity=ref, sender=order.to, text=fate.reply)
    return [delivered, reply]


@dataclass(frozen=True, slots=True)
class Habit:
    """How the person behind a number treats the phone. Shares are between 0 and 1."""

    reach: float
    """Share of calls answered at a good hour."""
    works: bool
    """Answers less in office hours."""
    refusals: tuple[float, ...]
    """Weights of `_REFUSALS`, for the calls that are not answered."""
    exists: bool


_REFUSALS = ("no_answer", "busy", "phone_off", "declined", "machine", "unreachable")


@lru_cache(maxsize=65_536)
def habit_of(seed: int, number: str) -> Habit:
    """The habit of a number: always the same for a seed."""
    draw = Random(f"{seed}|habit|{number}")
    return Habit(
        reach=draw.uniform(0.3, 0.85),
        works=draw.random() < 0.7,
        refusals=tuple(share * draw.uniform(0.4, 1.6) for share in (0.52, 0.11, 0.12, 0.14, 0.09, 0.02)),
        exists=draw.random() >= 0.005,
    )


def answer_share(habit: Habit, local: datetime) -> float:
    """How likely the person answers at this local time."""
    if local.hour < 8 or local.hour >= 22:
        return habit.reach * 0.3
    in_office = habit.works and local.weekday() < 5 and local.hour in (9, 10, 11, 14, 15, 16, 17)
    return habit.reach * (0.65 if in_office else 1.0)


def lifelike(seed: int, attempt_id: str, channel: ChannelName, to: str, at: datetime, utc_offset_h: float) -> Fate:
    """The fate of one placement as a real network might deal it. `at` in UTC; the offset gives people's hours."""
    draw = Random(f"{seed}|{attempt_id}|{to}|{at.isoformat()}")
    habit = habit_of(seed, to)
    if channel == "sms":
        return _lifelike_message(draw, habit, to)
    connects_s = draw.uniform(1, 4)
    if not habit.exists:
        return Fate("invalid_number", connects_s)
    if draw.random() < 0.005:
        return Fate("infrastructure", connects_s)
    if draw.random() < answer_share(habit, at + timedelta(hours=utc_offset_h)):
        detects_s = 0.8 if draw.random() < 0.9 else None
        return Fate("answered", connects_s, draw.uniform(2, 18), detects_s, draw.uniform(4, 20))
    ends = draw.choices(_REFUSALS, habit.refusals)[0]
    if ends == "machine":
        return Fate(ends, connects_s, draw.uniform(12, 24), 3.0, draw.uniform(6, 20))
    return Fate(ends, connects_s, draw.uniform(2, 12))


def _lifelike_message(draw: Random, habit: Habit, to: str) -> Fate:
    takes_s = draw.uniform(60, 900) if draw.random() < 0.03 else draw.uniform(1, 6)
    if not habit.exists:
        return Fate("invalid_number", takes_s)
    if draw.random() < 0.015:
        return Fate("undelivered", takes_s)
    opts_out = draw.random() < 0.003
    stop_word = "TD" if to.startswith("+86") else "STOP"
    return Fate("delivered", takes_s, reply=stop_word if opts_out else "", replies_s=draw.uniform(20, 600))


@dataclass(frozen=True, slots=True)
class Reaction:
    """What the answering side does `after_s` seconds after a step began; `heard` None: the call ends there."""

    after_s: float
    heard: Heard | None


class Person(Protocol):
    """Whoever or whatever picked up."""

    def react(self, step: Step) -> Reaction: ...


def listening_s(text: str) -> float:
    """Seconds to say a text: 4.5 Chinese characters a second, 15 of other scripts."""
    wide = sum(character >= "⺀" for character in text)
    return wide / 4.5 + (len(text) - wide) / 15


class LifelikePerson:
    """Listens, presses one of the keys offered (the first ones most), now and then says nothing or hangs up."""

    _WEIGHTS = (10.0, 7.0, 1.0, 0.4)

    def __init__(self, seed: int, attempt_id: str) -> None:
        self._draw = Random(f"{seed}|person|{attempt_id}")

    def react(self, step: Step) -> Reaction:
        draw, whole_s = self._draw, listening_s(step.text)
        if draw.random() < 0.06:
            return Reaction(whole_s * draw.random(), None)
        if step.then == "hang_up":
            return Reaction(whole_s, None)
        if step.then == "transfer":
            connected = draw.random() < 0.85
            takes_s = draw.uniform(30, 180) if connected else 20.0
            return Reaction(whole_s + takes_s, Heard("transferred", connected=connected))
        if draw.random() < 0.1:
            return Reaction(whole_s + step.silence_s, Heard("silence"))
        waits_s = min(draw.uniform(0.3, 3.0), step.silence_s)
        return Reaction(whole_s * draw.uniform(0.6, 1.0) + waits_s, Heard("keys", digits=self._press(step)))

    def _press(self, step: Step) -> str:
        if step.digits > 1:
            return "".join(self._draw.choices("0123456789", k=step.digits))
        wrong = [key for key in "1234567890" if key not in step.keys]
        if not step.keys or (wrong and self._draw.random() < 0.04):
            return self._draw.choice(wrong)
        weights = [self._WEIGHTS[min(place, 3)] for place in range(len(step.keys))]
        return self._draw.choices(step.keys, weights)[0]


class ScriptedPerson:
    """Presses the given keys, one entry a question; an empty or missing entry is silence.

    `step_s` is the time each step takes; None: as long as its text takes to say.
    """

    def __init__(self, keys: Iterable[str], step_s: float | None) -> None:
        self._keys = iter(keys)
        self._step_s = step_s

    def react(self, step: Step) -> Reaction:
        whole_s = listening_s(step.text) + 1.0 if self._step_s is None else self._step_s
        if step.then == "hang_up":
            return Reaction(whole_s if self._step_s is None else 0.0, None)
        if step.then == "transfer":
            return Reaction(whole_s + (30.0 if self._step_s is None else 0.0), Heard("transferred", connected=True))
        digits = next(self._keys, "")
        if not digits:
            return Reaction(whole_s + step.silence_s, Heard("silence"))
        return Reaction(whole_s, Heard("keys", digits=digits))


class Machine:
    """Records what it hears and presses nothing."""

    def react(self, step: Step) -> Reaction:
        return Reaction(listening_s(step.text), None)
