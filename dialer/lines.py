"""The ways out: each line's pace, its calls at once, its breaker. Kept in memory, saved with every claim."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from decimal import Decimal
from hashlib import blake2b
from math import ceil
from typing import Any, overload
from zoneinfo import ZoneInfo

from adapters.contract import Adapter, Spec
from campaigns.hours import opening
from campaigns.model import Channel
from config.settings import LineSettings
from dialer.log import log

AHEAD = timedelta(milliseconds=250)
"""Room is reserved at most this far ahead: what is claimed is placed before anything can change much."""
TURN_SHARE, TURN_LEAST = 0.998, timedelta(milliseconds=5)
"""So much of the spacing lies between two of a line at least, however late one of them was. With less spacing, lines
keep only their slots: no timer is that fine."""
SECOND = timedelta(seconds=1, milliseconds=2)
"""With what the provider's clock, or its list, may differ by from one to the next."""
BREAKER_WINDOW = timedelta(seconds=120)
BREAKER_LEAST = 20
BREAKER_SHARE = 0.5
BREAKER_PAUSE = timedelta(seconds=60)
BREAKER_PAUSE_MAX = timedelta(minutes=15)


@dataclass(slots=True)
class Breaker:
    """Pauses a line on which at least half of at least 20 attempts in 120 s failed in the network.

    After a pause single attempts probe it: one success closes the breaker, one failure doubles the pause.
    """

    line: str
    state: str = "closed"
    until: datetime | None = None
    pause: timedelta = BREAKER_PAUSE
    probing: int | None = None
    """The attempt that probes."""
    seen: deque[tuple[datetime, bool]] = field(default_factory=deque)
    failures: int = 0

    def room(self, now: datetime) -> int | None:
        """How many attempts may start: None for no limit."""
        if self.state == "open" and self.until is not None and now >= self.until:
            self.state, self.probing = "probing", None
            log.warning("line_probing", line=self.line)
        if self.state == "closed":
            return None
        return 1 if self.state == "probing" and self.probing is None else 0

    def heard(self, attempt_id: int, failed: bool, now: datetime) -> None:
        """One attempt's end: `failed` when the infrastructure did."""
        if self.state == "probing":
            if attempt_id == self.probing or not failed:
                self._probed(failed, now)
            return
        self.seen.append((now, failed))
        self.failures += failed
        while self.seen and self.seen[0][0] <= now - BREAKER_WINDOW:
            self.failures -= self.seen.popleft()[1]
        many = len(self.seen) >= BREAKER_LEAST and self.failures >= BREAKER_SHARE * len(self.seen)
        if self.state == "closed" and many:
            self._open(now)

    def _probed(self, failed: bool, now: datetime) -> None:
        self.probing = None
        if failed:
            self.pause = min(self.pause * 2, BREAKER_PAUSE_MAX)
            self._open(now)
            return
        self.state, self.until, self.pause = "closed", None, BREAKER_PAUSE
        self.seen.clear()
        self.failures = 0
        log.warning("line_resumed", line=self.line)

    def _open(self, now: datetime) -> None:
        self.state, self.until = "open", now + self.pause
        log.error(
            "line_paused", line=self.line, failures=self.failures, of=len(self.seen), until=self.until.isoformat(),
            hint="the network fails on this line; it is tried again by itself",
        )  # fmt: skip
        self.seen.clear()
        self.failures = 0


@dataclass(frozen=True, slots=True)
class Instants(Sequence[datetime]):
    """So many of them, evenly spaced. None is made before it is asked for: of a fast line there are thousands."""

    first: datetime
    spacing: timedelta
    many: int

    def __len__(self) -> int:
        return self.many

    @overload
    def __getitem__(self, number: int) -> datetime: ...
    @overload
    def __getitem__(self, number: slice) -> list[datetime]: ...
    def __getitem__(self, number: int | slice) -> datetime | list[datetime]:
        numbers = range(self.many)[number]
        if isinstance(numbers, int):
            return self.first + numbers * self.spacing
        return [self.first + each * self.spacing for each in numbers]


@dataclass(slots=True)
class Line:
    """One configured way out."""

    name: str
    settings: LineSettings
    adapter: Adapter
    spec: Spec
    next_at: dict[Channel, datetime]
    zone: ZoneInfo
    """The lender's, for the line's own hours."""
    running: set[int] = field(default_factory=set)
    """Calls in flight."""
    breaker: Breaker = field(init=False)
    last_placed_at: datetime | None = None
    held: dict[Channel, datetime] = field(default_factory=dict)
    """Until when the provider asked for a pause (retry-after)."""
    ahead: timedelta = AHEAD
    share: float = 1.0
    """Of its rate that is used."""
    turn_share: float = TURN_SHARE
    is_counted: bool = False
    """Whether each second is counted too, for a share so near to the rate that lateness could overfill one."""
    elsewhere: int = 0
    """Calls of other workers, running or about to."""
    _turn_at: dict[Channel, datetime] = field(default_factory=dict)
    _handed: dict[Channel, deque[datetime]] = field(default_factory=dict)
    _spacings: dict[tuple[Channel, float], timedelta] = field(default_factory=dict)
    """By channel and share: asked for three times a call."""

    def __post_init__(self) -> None:
        self.breaker = Breaker(self.name)

    def spacing(self, channel: Channel) -> timedelta:
        """Between two that begin."""
        if (found := self._spacings.get((channel, self.share))) is None:
            rate = self.settings.calls_per_second if channel == Channel.VOICE else self.settings.messages_per_second
            found = self._spacings[channel, self.share] = timedelta(seconds=1 / (float(rate) * self.share))
        return found

    def slots(
        self, channel: Channel, now: datetime, free_at: datetime | None = None, running: int | None = None
    ) -> Sequence[datetime]:
        """The instants at which this line may place next, evenly spaced, at most 250 ms ahead.

        `free_at`, `running`: where its pace and its calls stand, if memory is not to be asked.
        """
        if channel not in self.settings.channels or not self._is_open(channel, now):
            return []
        at, spacing = max(free_at or self._free_at(channel, now), now), self.spacing(channel)
        room = int((now + self.ahead - at) / spacing) + 1 if at <= now + self.ahead else 0
        if channel == Channel.VOICE:
            room = min(room, self.settings.calls_at_once - (len(self.running) if running is None else running))
        allowed = self.breaker.room(now)
        room = room if allowed is None else min(room, allowed)
        return Instants(at, spacing, max(room, 0))

    def hold(self, channel: Channel, until: datetime, now: datetime) -> bool:
        """The provider asked for a pause; a shorter one ends none. True: none was on."""
        before = self.held.get(channel)
        self.held[channel] = until if before is None else max(until, before)
        return before is None or before <= now

    @property
    def held_until(self) -> datetime | None:
        """The longer of both channels' pauses."""
        return max(self.held.values(), default=None)

    def _is_open(self, channel: Channel, now: datetime) -> bool:
        """Inside the line's own hours (lender time), and not held by the provider."""
        if channel in self.held and now < self.held[channel]:
            return False
        return is_open(self.settings, now.astimezone(self.zone).time())

    def _opens_at(self, now: datetime) -> datetime | None:
        """When its own hours begin again; None: they hold now, or it has none."""
        local = now.astimezone(self.zone)
        if is_open(self.settings, local.time()):
            return None
        days = (local.date(), local.date() + timedelta(days=1))
        begins = (opening(day, first, self.zone) for day in days for first, _ in self.settings.hours)
        return min(at for at in begins if at > now)

    def next_room(self, channel: Channel, now: datetime) -> datetime | None:
        """When there will be room again; None where only the end of a running call makes some."""
        if channel not in self.settings.channels:
            return None
        if channel == Channel.VOICE and len(self.running) + self.elsewhere >= self.settings.calls_at_once:
            return None
        if self.breaker.state == "probing":
            return None
        # Half of the room used up is a good time to refill: fewer, larger transactions.
        at = self._free_at(channel, now) - self.ahead / 2
        waits = (
            self.held.get(channel),
            self._opens_at(now),
            self.breaker.until if self.breaker.state == "open" else None,
        )
        return max([at, now, *(wait for wait in waits if wait is not None)])

    def turn(self, channel: Channel, now: datetime) -> datetime:
        """When the next one may be handed over: its slot has come, and one that was late is not followed too soon."""
        spacing = self.spacing(channel)
        if spacing < TURN_LEAST:
            return now
        at = max(now, self.kept(channel, now))
        self._turn_at[channel] = at + self.turn_share * spacing
        return at

    def handed(self, channel: Channel, at: datetime) -> datetime | None:
        """One is about to be handed over. None: it may, and counts; else when the second before has room for it."""
        if not self.is_counted:
            return None
        rate = self.settings.calls_per_second if channel == Channel.VOICE else self.settings.messages_per_second
        before = self._handed.setdefault(channel, deque(maxlen=ceil(rate)))
        if len(before) == before.maxlen and at < before[0] + SECOND <= at + SECOND:
            return before[0] + SECOND
        before.append(at)
        return None

    def sent(self, channel: Channel, at: datetime) -> None:
        """One went out at that instant, later perhaps than its turn was."""
        after = at + self.turn_share * self.spacing(channel)
        if channel in self._turn_at and after > self._turn_at[channel]:
            self._turn_at[channel] = after

    def _free_at(self, channel: Channel, now: datetime) -> datetime:
        """When the next slot begins: one that was handed over late moves those after it."""
        return max(self.next_at[channel], self.kept(channel, now))

    def kept(self, channel: Channel, now: datetime) -> datetime:
        """Until when the last turn keeps others away."""
        at = self._turn_at.get(channel, now)
        return now if at > now + self.ahead + 2 * self.spacing(channel) else at  # else the clock was set back

    def took(self, channel: Channel, attempt_id: int, at: datetime) -> None:
        """An attempt was claimed for the slot `at`."""
        self.next_at[channel] = max(self.next_at[channel], at + self.spacing(channel))
        if channel == Channel.VOICE:
            self.running.add(attempt_id)
        if self.breaker.state == "probing":
            self.breaker.probing = attempt_id

    def price(self, channel: Channel, talk_s: float | None = None) -> Decimal:
        """As `price` of its settings."""
        return price(self.settings, channel, talk_s)

    @property
    def standing(self) -> tuple[str, datetime | None, datetime | None]:
        """What may keep the line still: its breaker, or its provider."""
        return (self.breaker.state, self.breaker.until, self.held_until)

    def caller(self, person_id: str) -> str:
        """The same caller id for the same person, always."""
        callers = self.settings.callers
        if len(callers) == 1:
            return callers[0]
        number = int.from_bytes(blake2b(person_id.encode(), digest_size=8).digest(), "big")
        return callers[number % len(callers)] if callers else ""

    def row(self) -> dict[str, Any]:
        return {
            "line": self.name,
            "next_voice_at": self.next_at[Channel.VOICE],
            "next_sms_at": self.next_at[Channel.SMS],
            "breaker": self.breaker.state,
            "breaker_until": self.breaker.until,
            "last_placed_at": self.last_placed_at,
            "held_until": self.held_until,
            "heard_at": None,
        }


def is_open(line: LineSettings, local: time) -> bool:
    """Whether its own hours hold that time, the lender's."""
    return not line.hours or any(begins <= local < ends for begins, ends in line.hours)


def price(line: LineSettings, channel: Channel, talk_s: float | None = None) -> Decimal:
    """What an attempt costs, started minutes counted; without `talk_s` the most it may cost, which is reserved."""
    if channel == Channel.SMS:
        return line.price_per_message
    seconds = line.time_limit.total_seconds() if talk_s is None else talk_s
    return line.price_per_minute * ceil(seconds / 60)


class Lines:
    """All lines by name, and the running attempts' way back to theirs."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self.by_name = {line.name: line for line in lines}

    def __iter__(self) -> Any:
        return iter(self.by_name.values())

    def of(self, names: Iterable[str], channel: Channel) -> list[Line]:
        return [
            self.by_name[name] for name in names
            if name in self.by_name and channel in self.by_name[name].settings.channels
        ]  # fmt: skip

    def ended(self, line: str | None, attempt_id: int, failed: bool | None, now: datetime) -> None:
        """An attempt is over or came back. `failed`: the infrastructure did; None says nothing of it."""
        found = self.by_name.get(line or "")
        if found is None:
            return
        found.running.discard(attempt_id)
        if failed is not None:
            found.breaker.heard(attempt_id, failed, now)
        elif found.breaker.probing == attempt_id:
            found.breaker.probing = None
