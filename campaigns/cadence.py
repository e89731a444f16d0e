"""A segment's rounds and their slots, and what follows when an attempt has ended.

All instants are aware, UTC. `zone` is where the person is first stated to be (`zones[0]`); the caller gives the
lender's zone for a person of whom nobody knows it.
"""

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from hashlib import blake2b
from itertools import groupby
from typing import Literal
from zoneinfo import ZoneInfo

from campaigns.calendar import is_contact_day
from campaigns.file import Audience, Otherwise, Retry, Segment, Stop
from campaigns.hours import Interval, closing, day_start, local_date, opening
from campaigns.model import Channel, Disposition, Outcome, Reason, Round
from campaigns.ruleset import Ruleset

GOLDEN = 0.6180339887498949
"""The fraction that keeps each round's slot far from the earlier rounds'."""

BACK_OFF = (timedelta(seconds=60), timedelta(seconds=120), timedelta(seconds=240))
"""Waits after the first, second and third infrastructure failure; a fourth is final."""

MESSAGE_LEAD = timedelta(seconds=60)
"""Providers send within seconds; what they have not sent when the validity ends, at the close, they drop (case 29)."""

ONE_DAY = timedelta(days=1)


@lru_cache(maxsize=256)
def rounds(segment: Segment) -> tuple[Round, ...]:
    """The segment's rounds, days × between of each of its tables, in time order, numbered from 1."""
    places = sorted(
        (day, begins, ends, entry)
        for entry, table in enumerate(segment.rounds)
        for day in table.days
        for begins, ends in table.between
    )
    numbered: list[Round] = []
    for _, one_day in groupby(places, key=lambda place: place[0]):
        for window, (day, begins, ends, entry) in enumerate(one_day):
            table = segment.rounds[entry]
            number = len(numbered) + 1
            numbered.append(Round(number, len(places), day, window, begins, ends, table.channel, table.content, entry))
    return tuple(numbered)


def spread(campaign_name: str, key: str, due_on: date) -> float:
    """Where in their windows this account or person begins: in [0, 1), the same in every run, even over the keys."""
    digest = blake2b(f"{campaign_name}\0{key}\0{due_on}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) / 2**53


def slot_fraction(campaign_name: str, key: str, due_on: date, number: int) -> float:
    """The slot's place in its window, in [0, 1): stable for (campaign, account or person, due date, round)."""
    return (spread(campaign_name, key, due_on) + number * GOLDEN) % 1.0


def round_window(at: Round, due_on: date, zone: str) -> Interval:
    """The round's window around this due date, half-open. Empty (both the same) where a clock change swallows it."""
    day, place = due_on + timedelta(days=at.day_offset), ZoneInfo(zone)
    begins = opening(day, at.begins, place)
    return begins, max(begins, closing(day, at.ends, place))


def lead(channel: Channel, ring_s: float) -> timedelta:
    """So long before a window closes something has to be placed: a call must be able to ring, a message to be sent."""
    return timedelta(seconds=ring_s) if channel is Channel.VOICE else MESSAGE_LEAD


def day_end(day: date, zone: str) -> datetime:
    """The local midnight after this date."""
    return day_start(day + ONE_DAY, ZoneInfo(zone))


# --- what follows an ended attempt ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt that has settled, and what its round has used up so far."""

    disposition: Disposition
    at: datetime
    retries: int = 0
    """How many retries of this round were made, this attempt included if it was one."""
    otherwise: bool = False
    """Whether this round's `otherwise` was used, this attempt included."""


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A further attempt in the same round. It may be placed from `due_at` on, and never at or after `expires_at`."""

    kind: Literal["retry", "otherwise"]
    channel: Channel
    script: str
    """The script's name (voice) or the message's (sms)."""
    due_at: datetime
    expires_at: datetime

    @property
    def is_expired(self) -> bool:
        """No permitted instant is left: it is recorded as expired, never placed."""
        return self.due_at >= self.expires_at


@dataclass(frozen=True, slots=True)
class Place:
    """Where a follow-up has to fit in: whose round it is, and what bounds it."""

    segment: Segment
    round: Round
    due_on: date
    zones: tuple[str, ...]
    """All zones the person may be in, not empty."""
    audience: Audience
    rules: Ruleset
    ring_s: float

    @property
    def expires_at(self) -> datetime:
        return follow_up_expiry(self.segment, self.round, self.due_on, self.zones[0], self.audience)


def follow_up(ended: Ended, place: Place) -> FollowUp | None:
    """What the round does next: its retry first, then its `otherwise`, once; None if neither wants this disposition.

    Due at the end + `after`, moved to the next instant that is legal and on a contact day. A retry that no longer
    fits leaves the turn to `otherwise`; if nothing fits, the first wish comes back expired. After `otherwise` the
    round is over.
    """
    wishes = [_fitted(wish, ended.at, place) for wish in _wishes(ended, place.segment, place.round)]
    return next((wish for wish in wishes if not wish.is_expired), wishes[0] if wishes else None)


def wants_more(ended: Ended, segment: Segment, at: Round) -> bool:
    """Whether `follow_up` says anything but None, told without the rules and zones of a place."""
    return bool(_wishes(ended, segment, at))


def _wishes(ended: Ended, segment: Segment, at: Round) -> list[Retry | Otherwise]:
    table = segment.rounds[at.entry]
    if ended.otherwise:
        return []
    wishes: list[Retry | Otherwise] = []
    if table.retry and ended.disposition in table.retry.on and ended.retries < table.retry.max:
        wishes.append(table.retry)
    if table.otherwise and ended.disposition in table.otherwise.on:
        wishes.append(table.otherwise)
    return wishes


def _fitted(wish: Retry | Otherwise, ended_at: datetime, place: Place) -> FollowUp:
    if isinstance(wish, Retry):
        follow_up = FollowUp("retry", place.round.channel, place.round.script, ended_at + wish.after, place.expires_at)
    else:
        follow_up = FollowUp("otherwise", wish.channel, wish.content, ended_at + wish.after, place.expires_at)
    due_at = first_permitted(follow_up.due_at, follow_up.channel, place)
    return replace(follow_up, due_at=due_at or place.expires_at)


def first_permitted(earliest: datetime, channel: Channel, place: Place) -> datetime | None:
    """The first instant from `earliest` on, before the place expires, that is legal and on a contact day.

    Between it and the close of its legal window, and the expiry, there is room for ringing or sending.
    """
    ring = lead(channel, place.ring_s)
    zone, expires_at = ZoneInfo(place.zones[0]), place.expires_at
    if earliest >= expires_at:
        return None
    for opens, closes in place.rules.windows(channel, place.zones, earliest, expires_at):
        at, last = max(opens, earliest), min(closes, expires_at)
        while at < last and at + ring <= last:
            today = local_date(at, zone)
            if is_contact_day(today, place.audience):
                return at
            at = opening(today + ONE_DAY, time(), zone)
    return None


def follow_up_expiry(segment: Segment, at: Round, due_on: date, zone: str, audience: Audience) -> datetime:
    """When a round's follow-ups expire: as the account's next round begins, or as the due day ends.

    For a round after the due day it is its own day's end. Rounds on skipped days do not take place.
    """
    for later in rounds(segment)[at.number :]:
        if is_contact_day(due_on + timedelta(days=later.day_offset), audience):
            return min(round_window(later, due_on, zone)[0], _last_midnight(at, due_on, zone))
    return _last_midnight(at, due_on, zone)


def _last_midnight(at: Round, due_on: date, zone: str) -> datetime:
    return day_end(due_on + timedelta(days=max(0, at.day_offset)), zone)


def back_off(failures: int) -> timedelta | None:
    """The wait after an attempt's nth infrastructure failure (from 1); None after the last: the disposition stands."""
    return BACK_OFF[failures - 1] if failures <= len(BACK_OFF) else None


# --- what an outcome means for the rest of the rounds -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stopped:
    """The rest of the rounds is cancelled, with this reason."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Paused:
    """Rounds whose slot lies before this instant are cancelled (`paused_until`); later ones stay."""

    until: datetime


def stop_and_pause(
    stop: Stop, outcome: Outcome | Literal["paid"], promised_on: date | None, now: datetime, zone: str
) -> Stopped | Paused | None:
    """What `[stop]` says about an outcome; stopping goes before pausing.

    `"promise"` pauses until the local midnight after the promised day; without a promised day there is no pause.
    """
    if outcome in stop.on:
        return Stopped(_STOP_REASONS.get(outcome, Reason.STOPPED))
    pause = None if outcome == "paid" else stop.pause.get(outcome)
    if isinstance(pause, timedelta):
        return Paused(now + pause)
    if pause == "promise" and promised_on is not None:
        return Paused(day_end(promised_on, zone))
    return None


_STOP_REASONS: dict[str, Reason] = {"paid": Reason.PAID, Outcome.OPTED_OUT: Reason.OPTED_OUT}


def promise_date(text: str, today: date, due_on: date) -> date:
    """The promised day of a step's `promise`: `+Nd` from the day of the call in the person's zone, or `due`.

    Raises ValueError for any other text.
    """
    if text == "due":
        return due_on
    if match := re.fullmatch(r"\+(\d{1,3})d", text, re.ASCII):
        return today + timedelta(days=int(match[1]))
    raise ValueError(f'promise: "{text}" is no day; "+Nd" (as in "+1d") or "due" is accepted')
