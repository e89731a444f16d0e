"""What follows a settled attempt in its round: a repeat, the retry, the `otherwise`. A new attempt, never the same."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from campaigns.cadence import (
    Ended,
    FollowUp,
    Place,
    back_off,
    first_permitted,
    follow_up,
    follow_up_expiry,
    rounds,
    wants_more,
)
from campaigns.file import Segment
from campaigns.model import Channel, Disposition, Outcome, Reason, Round
from dialer.attempt import State
from dialer.confirmation import is_confirmation
from dialer.house import House, Launched
from dialer.store import Tx
from dialer.store import attempts as attempt_store
from dialer.store import restored as restored_store
from dialer.store.common import take_numbers

NOTHING_FOLLOWS = frozenset({Outcome.OPTED_OUT, Outcome.WRONG_NUMBER, Outcome.DECEASED, Outcome.INVALID_NUMBER})
"""Whatever a campaign says of dispositions: these people are not to be contacted again on this number."""


def add(tx: Tx, house: House, settled: Sequence[dict[str, Any]], now: datetime) -> None:
    """Adds the follow-ups of settled attempts, in the settling transaction."""
    open_ended = _open_ended(tx, house, settled)
    if not open_ended:
        return
    wanted = []
    roster = attempt_store.roster(tx, [attempt["attempt_id"] for _, attempt, _ in open_ended])
    for one, attempt, at in open_ended:
        following = _following(house, one, attempt, at, roster[attempt["attempt_id"]])
        if following:
            wanted.append((one, attempt, following))
    if not wanted:
        return
    attempts, accounts = [], []
    numbers = take_numbers(tx, [attempt["due_on"] for _, attempt, _ in wanted])
    for number, (one, attempt, following) in zip(numbers, wanted, strict=True):
        still = [row for row in roster[attempt["attempt_id"]] if row.is_open and not row.stopped]
        if not still:
            continue
        attempts.append(_attempt_row(number, one, attempt, following, now))
        accounts += [_account_row(number, attempt, row) for row in still]
    attempt_store.add(tx, attempts, accounts)


_At = tuple[Segment, Round]


def _open_ended(tx: Tx, house: House, settled: Sequence[dict[str, Any]]) -> list[tuple[Launched, dict[str, Any], _At]]:
    """Those after which something may follow, with their round in the file in force: most calls end their round."""
    if not settled:
        return []
    launched = {one.campaign_id: one for one in house.launched(tx)}
    lost_until = restored_store.lost_until(tx)
    places: dict[tuple[Any, ...], _At | None] = {}
    found = []
    for attempt in settled:
        one = launched.get(attempt["campaign_id"])
        if one is None or is_confirmation(attempt) or _is_lost_time(attempt, lost_until):
            continue
        key = (one.campaign_id, attempt["segment"], attempt["day_offset"], attempt["window"])
        if key not in places:
            places[key] = _round(one, attempt)
        at = places[key]  # None where a relaunch took the round away
        if at is not None and _wants_more(attempt, at) and _may_follow(one, attempt):
            found.append((one, attempt, at))
    return found


def _round(one: Launched, attempt: dict[str, Any]) -> _At | None:
    segment = next((s for s in one.file.segment if s.name == attempt["segment"]), None)
    if segment is None:
        return None
    place = (attempt["day_offset"], attempt["window"])
    return next(((segment, r) for r in rounds(segment) if (r.day_offset, r.window) == place), None)


def _wants_more(attempt: dict[str, Any], at: _At) -> bool:
    if attempt["disposition"] == Disposition.INFRASTRUCTURE:
        return back_off(attempt["infra"] + 1) is not None
    return wants_more(_ended(attempt), *at)


def _ended(attempt: dict[str, Any]) -> Ended:
    disposition = Disposition(attempt["disposition"])
    return Ended(disposition, attempt["ended_at"], attempt["retries"], attempt["otherwise_used"])


def _is_lost_time(attempt: dict[str, Any], lost_until: datetime | None) -> bool:
    """Placed before the database was restored: what followed may have been placed then, too."""
    return lost_until is not None and (attempt["claimed_at"] is None or attempt["claimed_at"] <= lost_until)


def _may_follow(one: Launched, attempt: dict[str, Any]) -> bool:
    outcome = Outcome(attempt["outcome"])
    return not (outcome in NOTHING_FOLLOWS or outcome in one.file.stop.on or outcome in one.file.stop.pause)


def _following(
    house: House, one: Launched, attempt: dict[str, Any], at: _At, accounts: Sequence[Any]
) -> FollowUp | None:
    zones = attempt["zones"] or (house.settings.lender.time_zone,)
    rules = one.rules(accounts, attempt["country"])
    place = Place(*at, attempt["due_on"], zones, one.file.audience, rules, one.ring_s)
    if attempt["disposition"] == Disposition.INFRASTRUCTURE:
        return _repeat(attempt, place)
    return follow_up(_ended(attempt), place)


def _repeat(attempt: dict[str, Any], place: Place) -> FollowUp | None:
    """The same again after the network failed: outside the round's `retry`, at most three times."""
    pause = back_off(attempt["infra"] + 1)
    if pause is None:
        return None
    channel = Channel(attempt["channel"])
    expires_at = follow_up_expiry(place.segment, place.round, place.due_on, place.zones[0], place.audience)
    due_at = first_permitted(attempt["ended_at"] + pause, channel, place) or expires_at
    return FollowUp("retry", channel, _script(attempt, place), due_at, expires_at)


def _script(attempt: dict[str, Any], place: Place) -> str:
    """The round's own words as the file in force has them; of another way after it (`otherwise`) what was planned."""
    same = attempt["channel"] == place.round.channel and not attempt["otherwise_used"]
    return place.round.script if same else str(attempt["script"])


def _attempt_row(
    number: int, one: Launched, attempt: dict[str, Any], following: FollowUp, now: datetime
) -> dict[str, Any]:
    infrastructure = attempt["disposition"] == Disposition.INFRASTRUCTURE
    expired = following.is_expired
    carried = (
        "campaign_id", "person_id", "segment", "due_on", "round", "rounds", "day_offset", "window", "entry",
        "priority", "phone", "country", "line_type", "zones",
    )  # fmt: skip
    ring = timedelta(seconds=one.ring_s if following.channel == Channel.VOICE else 0.001)
    return {
        **{name: attempt[name] for name in carried},
        "attempt_id": number,
        "try": attempt["try"] + 1,
        "cause": "infrastructure" if infrastructure else following.kind,
        "retries": attempt["retries"] + (0 if infrastructure or following.kind == "otherwise" else 1),
        "infra": attempt["infra"] + (1 if infrastructure else 0),
        "otherwise_used": attempt["otherwise_used"] or (not infrastructure and following.kind == "otherwise"),
        "channel": following.channel.value,
        "script": following.script,
        "state": (State.EXPIRED if expired else State.PLANNED).value,
        "reason": Reason.WINDOW_CLOSED.value if expired else None,
        "due_at": following.due_at,
        "planned_for": following.due_at,
        "window_from": min(following.due_at, following.expires_at),
        "window_until": following.expires_at,
        "valid_until": following.expires_at - ring,
        "settled_at": now if expired else None,
    }


def _account_row(number: int, attempt: dict[str, Any], row: Any) -> dict[str, Any]:
    return {
        "attempt_id": number,
        "account_id": row.account_id,
        "installment_id": row.installment_id,
        "campaign_id": attempt["campaign_id"],
        "day_offset": attempt["day_offset"],
        "window": attempt["window"],
        "try": attempt["try"] + 1,
        "cancelled": False,
    }
