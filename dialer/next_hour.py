"""What is planned for the next hour, against what the lines can place in it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from statistics import fmean
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from campaigns.model import Channel
from config.settings import LineSettings
from dialer.house import House, Launched
from dialer.lines import is_open
from dialer.store import Tx, status_rows
from dialer.store import queues as queue_store
from dialer.store.common import AnyRow

HOUR, STEP, MINUTE = timedelta(hours=1), timedelta(minutes=10), timedelta(minutes=1)
STEPS = HOUR // STEP
MEASURED_OVER = timedelta(days=1)
MEASURED_LEAST, MEASURED_MOST = 20, 200
"""Calls from which a line's usual length of a call is taken: fewer say nothing, more say nothing new."""


class Planned(BaseModel):
    """What one active campaign is to send over one channel within the next hour."""

    campaign: str
    channel: str
    lines: list[str]
    due_now: int
    """Due already, and inside its window."""
    by_step: list[int]
    """How many become due in each of the next six times ten minutes."""

    @property
    def attempts(self) -> int:
        return self.due_now + sum(self.by_step)


class Route(BaseModel):
    """Lines that campaigns use together for a channel: what all of them plan there, and what these can place."""

    channel: str
    lines: list[str]
    planned: int
    can_place: int

    @property
    def is_over(self) -> bool:
        return self.planned > self.can_place


class NextHour(BaseModel):
    planned: list[Planned]
    routes: list[Route]


def read(tx: Tx, house: House, active: Sequence[Launched], lines: Mapping[str, AnyRow], now: datetime) -> NextHour:
    """`active`: the campaigns that dial; `lines`: the lines' rows by name."""
    planned = [
        _planned(tx, one, channel, now)
        for one in active
        for channel in Channel
        if one.lines(channel)
    ]  # fmt: skip
    names = {name for each in planned if each.channel == Channel.VOICE for name in each.lines}
    call_s = {name: usual_call_s(status_rows.call_seconds(tx, name, now - MEASURED_OVER, MEASURED_MOST))
              for name in sorted(names)}  # fmt: skip
    able = {
        (name, channel): capacity(settings, channel, now, house.zone, _rests_until(lines.get(name)), call_s.get(name))
        for name, settings in house.settings.lines.items()
        for channel in Channel
        if channel in settings.channels
    }
    return NextHour(planned=planned, routes=routes(planned, able))


def _planned(tx: Tx, one: Launched, channel: Channel, now: datetime) -> Planned:
    queues = [queue for queue in one.queues if queue[1] == channel]
    return Planned(
        campaign=one.name,
        channel=channel.value,
        lines=list(one.lines(channel)),
        due_now=sum(queue_store.waiting(tx, queue, now, now) for queue in queues),
        by_step=[
            sum(status_rows.due_between(tx, queue, now + i * STEP, now + (i + 1) * STEP) for queue in queues)
            for i in range(STEPS)
        ],
    )


def routes(planned: Sequence[Planned], able: Mapping[tuple[str, Channel], int]) -> list[Route]:
    """Where campaigns share lines, a route's plan counts all that has no other way than these lines."""
    found = {}
    for each in planned:
        channel, names = Channel(each.channel), frozenset(each.lines)
        inside = [other for other in planned if other.channel == channel and names.issuperset(other.lines)]
        found[channel, names] = Route(
            channel=channel.value,
            lines=each.lines,
            planned=sum(other.attempts for other in inside),
            can_place=sum(able.get((name, channel), 0) for name in names),
        )
    return list(found.values())


def capacity(
    line: LineSettings, channel: Channel, now: datetime, zone: ZoneInfo, rests_until: datetime | None,
    call_s: float | None,
) -> int:  # fmt: skip
    """How many a line can place within the next hour: by its rate, its calls at once, its hours and its rest.

    Hours and rest count in whole minutes. `call_s`: how long a call usually takes, so that calls at once bound the
    rate too; None: not known.
    """
    rate = line.calls_per_second if channel == Channel.VOICE else line.messages_per_second
    if channel == Channel.VOICE and call_s:
        rate = min(rate, line.calls_at_once / call_s)
    minutes = [now + i * MINUTE for i in range(HOUR // MINUTE)]
    able = [at for at in minutes if at >= (rests_until or now) and is_open(line, at.astimezone(zone).time())]
    return int(rate * MINUTE.total_seconds() * len(able))


def usual_call_s(seconds: Sequence[float]) -> float | None:
    """The mean; None where too few calls were made to know."""
    return fmean(seconds) if len(seconds) >= MEASURED_LEAST else None


def _rests_until(line: AnyRow | None) -> datetime | None:
    """Until when its breaker or its provider keeps the line still."""
    if line is None:
        return None
    waits = (line.held_until, line.breaker_until if line.breaker == "open" else None)
    return max((wait for wait in waits if wait is not None), default=None)
