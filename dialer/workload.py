"""What a portfolio asks of a campaign's lines in the next days, and where they can't give it: warnings, never faults.

Only what is planned today counts. Retries and messages after missed calls come on top; nobody knows how many.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import groupby
from zoneinfo import ZoneInfo

from campaigns.model import Channel
from config.files import Fault
from config.settings import LineSettings, Settings
from dialer.check import CheckedCampaign
from dialer.forecast import Forecast

QUARTER = timedelta(minutes=15)
"""The grain in which attempts are held against the lines: windows begin and end on quarters of an hour, mostly."""
CALL_S = 45.0
"""Seconds a call keeps its place among the calls at once: an estimate of ringing, a greeting and a key."""
SHOWN_MAX = 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def workload(one: CheckedCampaign, settings: Settings, found: Forecast) -> Iterator[Fault]:
    """The warnings for a campaign's forecast."""
    yield from _nobody(one, found)
    for channel in Channel:
        if lines := getattr(one.campaign.lines, channel):
            yield from _too_slow(one, settings, found, channel, lines)
    yield from _too_dear(one, settings, found)


def _nobody(one: CheckedCampaign, found: Forecast) -> Iterator[Fault]:
    """Accounts that no segment takes; and campaigns that reach nobody at all."""
    if found.unselected:
        ids = ", ".join(sorted(found.unselected)[:SHOWN_MAX])
        more = ", …" if len(found.unselected) > SHOWN_MAX else ""
        wrong = f"{len(found.unselected):,} accounts are taken by none: {ids}{more}"
        yield one.document.fault(("segment",), wrong, "nobody reminds them: widen a late, or add a segment without one")
    elif not found.attempts and not found.left_out:
        wrong = "nothing of the portfolio falls due on these days in the next month"
        yield one.document.fault(("audience", "due_days"), wrong, "compare them with due_on of the installments")
    if {cell.verdict for cell in found.attempts} == {"block"}:
        rules: Counter[str] = Counter()
        for cell, count in found.attempts.items():
            rules[cell.rule] += count
        rule = max(rules, key=lambda name: (rules[name], name))
        wrong = f"all {found.attempts.total():,} attempts of the next month are refused, by {rule}"
        yield one.document.fault((), f"{wrong}: {found.reasons['block', rule]}", "see `dialer plan`")


# --- rate --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Quarters in a row that hold more attempts than the lines can begin."""

    begins: datetime
    """Lender time."""
    ends: datetime
    attempts: int
    room: float
    """Attempts that the lines can begin."""

    @property
    def seconds(self) -> float:
        return (self.ends - self.begins).total_seconds()


def _too_slow(
    one: CheckedCampaign, settings: Settings, found: Forecast, channel: Channel, names: Sequence[str]
) -> Iterator[Fault]:
    lines = [settings.lines[name] for name in names]
    over = _stretches(_quarters(found, channel), lines, channel, ZoneInfo(settings.lender.time_zone))
    if not over:
        return
    worst = max(over, key=lambda stretch: (stretch.attempts - stretch.room, stretch.begins))
    day, what = worst.begins.date(), "calls" if channel is Channel.VOICE else "messages"
    wrong = (
        f"needs {worst.attempts / worst.seconds:.3g} {what}/s between {worst.begins:%H:%M} and {worst.ends:%H:%M} "
        f"on {day}, {' and '.join(names)} gives {worst.room / worst.seconds:.3g}"
    )
    held = [name for name in names if channel is Channel.VOICE and _is_held_by_calls(settings.lines[name])]
    for name in held:
        wrong += f" ({settings.lines[name].calls_at_once} calls at once of {name}, at some {CALL_S:g} s a call)"
    if more := len({stretch.begins.date() for stretch in over} - {day}):
        wrong += f", and too little on {more} more days"
    key = "calls_at_once" if held else f"{what}_per_second"
    remedy = f"raise {key} as far as the provider allows, add a line, or widen the windows"
    yield one.document.fault(("lines", channel.value), wrong, remedy)


def _quarters(found: Forecast, channel: Channel) -> dict[int, int]:
    """Attempts by the quarter of an hour since 1970 they fall in, in order."""
    quarters: Counter[int] = Counter()
    for (minute, on), count in found.minutes.items():
        if on is channel:
            quarters[minute // 15] += count
    return dict(sorted(quarters.items()))


def _stretches(
    quarters: Mapping[int, int], lines: Sequence[LineSettings], channel: Channel, zone: ZoneInfo
) -> list[_Stretch]:
    begins = {number: (_EPOCH + QUARTER * number).astimezone(zone) for number in quarters}
    rooms = {number: _room(lines, channel, begins[number]) for number in quarters}
    over = [number for number, count in quarters.items() if count > rooms[number]]
    found = []
    # Of numbers in a row, each less its position is the same.
    for _, row in groupby(enumerate(over), key=lambda one: one[1] - one[0]):
        numbers = [number for _, number in row]
        attempts, room = sum(quarters[number] for number in numbers), sum(rooms[number] for number in numbers)
        found.append(_Stretch(begins[numbers[0]], begins[numbers[-1]] + QUARTER, attempts, room))
    return found


def _room(lines: Sequence[LineSettings], channel: Channel, begins: datetime) -> float:
    """Attempts that the lines can begin in the quarter from `begins`, in the part of it in which they may be used."""
    return sum(_rate(line, channel) * _open_s(line, begins.time(), (begins + QUARTER).time()) for line in lines)


def _rate(line: LineSettings, channel: Channel) -> float:
    """Attempts a second. Calls are held back by those that are still running, too."""
    if channel is Channel.SMS:
        return float(line.messages_per_second)
    return min(float(line.calls_per_second), line.calls_at_once / CALL_S)


def _is_held_by_calls(line: LineSettings) -> bool:
    return line.calls_at_once / CALL_S < float(line.calls_per_second)


def _open_s(line: LineSettings, begins: time, ends: time) -> float:
    """Seconds of the quarter in which the line may be used."""
    first, last = _seconds(begins), _seconds(ends) or 86_400
    if not line.hours:
        return last - first
    return sum(max(0, min(last, _seconds(until)) - max(first, _seconds(opens))) for opens, until in line.hours)


def _seconds(at: time) -> int:
    return at.hour * 3600 + at.minute * 60 + at.second


# --- spend -------------------------------------------------------------------------------------------------------


def _too_dear(one: CheckedCampaign, settings: Settings, found: Forecast) -> Iterator[Fault]:
    """The day on which the plan costs more than its lines may spend, where every call takes one begun minute."""
    choice = one.campaign.lines
    for names in dict.fromkeys(names for names in (choice.voice, choice.sms) if names):
        limits = [settings.lines[name].spend_max_per_day for name in names]
        limit = sum(one for one in limits if one is not None)
        costs: dict[date, Decimal] = {}
        for (day, _, channel), count in found.hours.items():
            if getattr(choice, channel) == names:
                costs[day] = costs.get(day, Decimal(0)) + count * _price(settings.lines[names[0]], channel)
        dearest = max(costs, key=lambda on: (costs[on], on), default=None)
        if dearest is not None and None not in limits and costs[dearest] > limit:
            wrong = (
                f"the plan costs up to {costs[dearest]:.2f} {settings.lender.currency} on {dearest}, at one minute a "
                f"call, and spend_max_per_day of {' and '.join(names)} is {limit:.2f}"
            )
            remedy = "raise it, or what is beyond it waits for the next day and expires with its window"
            yield one.document.fault(("lines", "voice" if choice.voice == names else "sms"), wrong, remedy)


def _price(line: LineSettings, channel: Channel) -> Decimal:
    return line.price_per_minute if channel is Channel.VOICE else line.price_per_message
