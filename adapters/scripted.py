"""What a test tells the mock carrier to do with a number."""

from dataclasses import dataclass, replace
from math import inf
from random import Random
from typing import Self

from adapters.carrier import Fate
from adapters.contract import ChannelName, Refused, Unavailable, Uncertain

PlaceError = Unavailable | Refused | Uncertain


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the carrier treats one placement. An empty `call` or `message` leaves that side to the profile."""

    call: str = ""
    """The disposition that a call comes to."""
    keys: tuple[str, ...] = ()
    rings_s: float | None = None
    detected: bool = False
    holds_s: float = inf
    message: str = ""
    """The disposition that a message comes to."""
    reply: str = ""
    error: PlaceError | None = None
    """Raised by place(), and nothing is taken."""
    loses_answer: bool = False
    stalls_s: float = 0.0
    reports: bool = True
    copies: int = 1
    late_s: float = 0.0
    backwards: bool = False

    def fate(self, channel: ChannelName, quick: bool) -> Fate | None:
        """None: the profile decides."""
        if channel == "sms":
            connects_s = 0.2 if quick else 2.0
            return Fate(self.message, connects_s, reply=self.reply) if self.message else None
        if not self.call:
            return None
        usual = QUICK if quick else Fate("answered", connects_s=2.0)
        detects_s = 0.1 if self.detected or self.call == "machine" else None
        rings_s = usual.rings_s if self.rings_s is None else self.rings_s
        return replace(usual, ends=self.call, rings_s=rings_s, detects_s=detects_s, holds_s=self.holds_s)


QUICK = Fate("answered", connects_s=0.0, rings_s=0.2, talks_s=0.5)
"""A call of the profile `quick`."""


class Number:
    """What one number does, placement by placement: each call of a method changes the newest behaviour.

    `then()` begins the behaviour of the next placement; the last one holds for all that follow. Calls and
    messages are counted apart. What is said about calls and about messages may stand in one behaviour:
    `mock.on(n).busy().delivered().then().answers(keys="1").replies("TD")`.
    """

    def __init__(self) -> None:
        self._behaviours = [Behaviour()]
        self._next: dict[ChannelName, int] = {"voice": 0, "sms": 0}

    def take(self, channel: ChannelName) -> Behaviour:
        """The behaviour for the next placement."""
        place = self._next[channel]
        self._next[channel] += 1
        return self._behaviours[min(place, len(self._behaviours) - 1)]

    @property
    def asked(self) -> int:
        """How often the carrier was asked to place something to this number, whatever it answered."""
        return sum(self._next.values())

    def then(self) -> Self:
        self._behaviours.append(Behaviour())
        return self

    def answers(
        self,
        keys: str = "",
        *,
        after_s: float | None = None,
        hangs_up_after_s: float = inf,
        detected: bool = False,
    ) -> Self:
        """A person picks up and presses `keys`, one entry a question: `"2,1"`; an empty entry is silence.

        `after_s`: seconds of ringing. `detected`: the carrier reports that it is a person.
        """
        pressed = tuple(key.strip() for key in keys.split(",")) if keys else ()
        return self._set(call="answered", keys=pressed, rings_s=after_s, holds_s=hangs_up_after_s, detected=detected)

    def machine(self, *, after_s: float | None = None) -> Self:
        """An answering machine picks up, and the carrier notices."""
        return self._set(call="machine", rings_s=after_s)

    def busy(self) -> Self:
        return self._set(call="busy")

    def rings_out(self) -> Self:
        return self._set(call="no_answer")

    def declines(self) -> Self:
        return self._set(call="declined")

    def phone_off(self) -> Self:
        return self._set(call="phone_off")

    def unreachable(self) -> Self:
        return self._set(call="unreachable")

    def invalid_number(self) -> Self:
        """Calls and messages alike."""
        return self._set(call="invalid_number", message="invalid_number")

    def network_fails(self) -> Self:
        """The call is taken and ends as `infrastructure`."""
        return self._set(call="infrastructure")

    def delivered(self) -> Self:
        return self._set(message="delivered")

    def undelivered(self) -> Self:
        return self._set(message="undelivered")

    def replies(self, text: str) -> Self:
        """A message is delivered, and the person answers it with this text 20 s later."""
        return self._set(message="delivered", reply=text)

    def fails(self, error: PlaceError | type[PlaceError]) -> Self:
        """`place` raises this and takes nothing: `Unavailable`, `Refused("blocked")` or `Uncertain`."""
        if isinstance(error, type):
            error = Refused("blocked") if issubclass(error, Refused) else error("as scripted")
        return self._set(error=error)

    def loses_answer(self) -> Self:
        """The order is taken, journaled and carried out, but `place` raises `Uncertain`."""
        return self._set(loses_answer=True)

    def stalls(self, seconds: float) -> Self:
        """The order is taken at once, but `place` returns only so much later."""
        return self._set(stalls_s=seconds)

    def never_reports(self) -> Self:
        """No event and no step of a dialogue ever comes; `find` knows what happened."""
        return self._set(reports=False)

    def reports_twice(self) -> Self:
        return self._set(copies=2)

    def reports_late(self, seconds: float) -> Self:
        """Each event comes so much after it happened; the dialogue is on time."""
        return self._set(late_s=seconds)

    def out_of_order(self) -> Self:
        """Events come only when all is over, the last one first; the dialogue is on time."""
        return self._set(backwards=True)

    def _set(self, **changes: object) -> Self:
        self._behaviours[-1] = replace(self._behaviours[-1], **changes)  # type: ignore[arg-type]
        return self


_MISHAPS = (
    Behaviour(error=Unavailable("congestion", retry_after_s=5.0)),
    Behaviour(error=Uncertain("no answer, nothing taken")),
    Behaviour(loses_answer=True),
    Behaviour(reports=False),
    Behaviour(copies=2),
    Behaviour(late_s=45.0),
    Behaviour(backwards=True),
)


def mishap(seed: int, attempt_id: str, at: str, share: float) -> Behaviour:
    """A faulty behaviour for this share (0 to 1) of placements, drawn from the seed; else a sound one."""
    draw = Random(f"{seed}|mishap|{attempt_id}|{at}")
    return draw.choice(_MISHAPS) if draw.random() < share else Behaviour()
