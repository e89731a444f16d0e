"""One attempt moved by one piece of news, as the state table says. In memory; nothing is read or written."""

from datetime import datetime, timedelta
from typing import Any

from campaigns.model import Disposition, Outcome
from dialer import settle
from dialer.attempt import PLACING, RUNNING, Kind, State, advance
from dialer.house import House
from dialer.news import News


def apply(house: House, attempt: dict[str, Any], one: News, now: datetime) -> bool:
    """Moves one attempt by one piece of news. False: it changed nothing, it is a stray."""
    assert one.kind is not None
    if one.claim is not None and one.claim != attempt["claimed_at"]:
        return False
    if attempt["state"] in _NEVER_PLACED:
        # What was not placed has no provider: whoever tells of it is mistaken, or not the provider.
        advance(_STATES[attempt["state"]], one.kind)
        return False
    if one.ref and attempt["provider_ref"] and one.ref != attempt["provider_ref"]:
        # Another call than ours, whatever attempt it names.
        return False
    if one.ref and not attempt["provider_ref"]:
        attempt["provider_ref"] = one.ref
    if one.kind in (Kind.ACCEPTED, Kind.SENT) and attempt["placed_at"] is None:
        attempt["placed_at"] = _placed_at(attempt, one)
    if one.position is not None:
        attempt["position"] = one.position
    if one.said is not None:
        attempt["outcome"] = one.said.value
    following = advance(_STATES[attempt["state"]], one.kind)
    if following is None:
        if attempt["state"] in RUNNING:
            _detect(attempt, one)  # before news of the answer: who is there is known all the same
        return _late_end(house, attempt, one) or one.kind in (Kind.ACCEPTED, Kind.SENT)
    attempt["state"] = following.value
    if attempt["placed_at"] is None and one.kind in _SHOWS_PLACED:
        attempt["placed_at"] = _placed_at(attempt, one)
    _MOVES[one.kind](house, attempt, one, now)
    return True


_STATES = {state.value: state for state in State}
_NEVER_PLACED = frozenset({State.PLANNED, State.BLOCKED, State.EXPIRED, State.CANCELLED})
_SHOWS_PLACED = frozenset({Kind.RINGING, Kind.ANSWERED, Kind.ENDED, Kind.DELIVERED, Kind.UNDELIVERED})


def _placed_at(attempt: dict[str, Any], one: News) -> datetime:
    """A provider's clock may be coarse, and its first news late: what was claimed was placed within seconds, or not."""
    claimed_at = attempt["claimed_at"]
    # Claimed up to a quarter of a second before it was due, and never placed before that.
    return min(max(one.at, claimed_at, attempt["due_at"]), claimed_at + PLACING) if one.identity else one.at


def _late_end(house: House, attempt: dict[str, Any], one: News) -> bool:
    """The one exception to finality: the end of an attempt that was given up as unknown, told late, once."""
    if attempt["disposition"] != Disposition.UNKNOWN or one.kind not in (Kind.ENDED, Kind.DELIVERED, Kind.UNDELIVERED):
        return False
    if attempt["state"] != State.SETTLED:
        return False
    attempt["outcome"] = None if attempt["outcome"] == Outcome.UNKNOWN else attempt["outcome"]
    _end(house, attempt, one, one.at)
    settle.settle(attempt, one.at)
    return True


def _wait(house: House, attempt: dict[str, Any], one: News, now: datetime) -> None:
    """It goes on: silence from here on is measured from when we heard of it.

    What comes soon after the last news does not move `check_at`, which spares the database half of the work: whoever
    looks then asks when the last news came.
    """
    silent_at, was = settle.silent_at(house, attempt, now), attempt["check_at"]
    if not (was and now < was <= silent_at <= was + settle.SILENCE and _is_of_silence(house, attempt)):
        attempt["check_at"] = silent_at
    attempt["checks"] = 0
    attempt["lost_at"] = None


def _is_of_silence(house: House, attempt: dict[str, Any]) -> bool:
    """Whether `check_at` was set by news: the end of a claim's lease comes sooner."""
    check_at: datetime = attempt["check_at"]
    return check_at >= settle.silent_at(house, attempt, attempt["claimed_at"])


def _answered(house: House, attempt: dict[str, Any], one: News, now: datetime) -> None:
    attempt["answered_at"] = one.at
    _wait(house, attempt, one, now)


def _detect(attempt: dict[str, Any], one: News) -> None:
    if one.kind == Kind.MACHINE_DETECTED:
        attempt["detected"] = attempt["detected"] or "machine"  # no machine presses keys
    elif one.kind == Kind.HUMAN_DETECTED or one.digits or one.verified:
        attempt["detected"] = "human"


def _talked(house: House, attempt: dict[str, Any], one: News, now: datetime) -> None:
    """It does not begin to be silent anew: a call past its limit is hung up, however much is pressed in it."""
    _detect(attempt, one)


def _end(house: House, attempt: dict[str, Any], one: News, now: datetime) -> None:
    attempt["ended_at"] = one.at
    attempt["code"] = one.code or attempt["code"]
    attempt["disposition"] = settle.disposition(attempt, one.kind or Kind.ENDED, one.disposition).value
    attempt["cost"] = settle.cost(house, attempt, one.talk_s)


def _unknown(house: House, attempt: dict[str, Any], one: News, now: datetime) -> None:
    attempt["ended_at"] = now
    attempt["disposition"] = Disposition.UNKNOWN.value


def _lose(house: House, attempt: dict[str, Any], one: News, now: datetime) -> None:
    attempt["lost_at"] = now
    attempt["check_at"] = now + timedelta(seconds=1)
    attempt["checks"] = 0


def _come_back(house: House, attempt: dict[str, Any], one: News, now: datetime) -> None:
    """Unsent: back to planned, with a pause, and as if it had never been taken up."""
    attempt["claimed_at"] = attempt["check_at"] = attempt["placed_at"] = attempt["withdrawn"] = None
    attempt["cost"] = None
    if one.kind == Kind.UNAVAILABLE:
        attempt["returns"] += 1
        pause = one.retry_after_s or min(5.0 * 2 ** min(attempt["returns"], 6), 300.0)
        attempt["due_at"] = now + timedelta(seconds=pause)


_MOVES = {
    Kind.ACCEPTED: _wait,
    Kind.SENT: _end,
    Kind.RINGING: _wait,
    Kind.ANSWERED: _answered,
    Kind.HUMAN_DETECTED: _talked,
    Kind.MACHINE_DETECTED: _talked,
    Kind.KEYED: _talked,
    Kind.TRANSFERRED: _talked,
    Kind.ENDED: _end,
    Kind.DELIVERED: _end,
    Kind.UNDELIVERED: _end,
    Kind.REFUSED: _end,
    Kind.NOT_FOUND: _unknown,
    Kind.DEADLINE: _unknown,
    Kind.UNCERTAIN: _lose,
    Kind.LEASE_EXPIRED: _lose,
    Kind.SILENT: _lose,
    Kind.UNAVAILABLE: _come_back,
    Kind.WITHDRAWN: _come_back,
}
