"""The lines as one claiming transaction sees them: which may serve, what room each has, what money is left."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from campaigns.gate import LineFacts
from campaigns.model import Channel
from dialer.asking import CHANNELS
from dialer.house import House, Launched
from dialer.lines import Line, Lines
from dialer.room import Taken


class Pace:
    """What one line may begin over one channel: so many, at instants that lie `spacing` apart."""

    def __init__(self, slots: Sequence[datetime], spacing: timedelta, is_alone: bool) -> None:
        """`slots`: the instants at which it could begin one after the other; `is_alone`: nobody's follows the last."""
        self.left, self._first, self._spacing = len(slots), slots[0], spacing
        self._last = slots[-1] + spacing if is_alone else slots[-1]
        self._taken: list[datetime] = []

    def free(self, due_at: datetime) -> datetime | None:
        """The first instant from then on that keeps its distance from all others; None: there is none."""
        if not self.left:
            return None
        at = max(due_at, self._first)  # all before it is taken
        number = bisect_right(self._taken, at)
        if number and self._taken[number - 1] + self._spacing > at:
            at = self._taken[number - 1] + self._spacing
        while number < len(self._taken) and self._taken[number] - at < self._spacing:
            at = self._taken[number] + self._spacing
            number += 1
        return at if at <= self._last else None

    def take(self, due_at: datetime) -> datetime:
        at = self.free(due_at)
        assert at is not None, "a line was chosen that has no room"
        number = bisect_right(self._taken, at)
        self._taken.insert(number, at)
        if at < self._first + self._spacing:
            self._first = at + self._spacing
            while (number := number + 1) < len(self._taken) and self._taken[number] - self._first < self._spacing:
                self._first = self._taken[number] + self._spacing
        self.left -= 1
        return at


class Ways:
    """Changes nothing outside itself, so that the transaction can be run again."""

    def __init__(self, house: House, lines: Lines, taken: Taken, spent: Mapping[str, Decimal], today: date) -> None:
        """`spent`: line → what was spent `today`, the lender's date."""
        self._lines, self._spent, self._elsewhere = lines, dict(spent), taken.elsewhere
        self._mine, self._used = taken.mine, dict[str, Decimal]()
        self._room = {
            key: Pace(slots, lines.by_name[key[0]].spacing(key[1]), taken.is_alone)
            for key, slots in taken.slots.items()
        }
        self._tomorrow = datetime.combine(today + timedelta(days=1), datetime.min.time(), house.zone)
        self._fit: dict[tuple[int, str, str], tuple[list[Line], list[Line]]] = {}
        self._price: dict[tuple[str, str], Decimal] = {}
        self._allowed: dict[str, frozenset[str]] = {}

    def slots(self, one: Launched, channel: Channel) -> int:
        return sum(self._room[name, channel].left for name in one.lines(channel) if (name, channel) in self._room)

    def line(self, one: Launched, row: Any) -> Line | None:
        """The first line, in order of preference, that has room, may call the country and has money left.

        None: a line that could serve has no room now, so the attempt stays as it is. Where no line can ever
        serve, the first is taken and the gate says why not.
        """
        key = (one.campaign_id, row.channel, row.country)
        if (known := self._fit.get(key)) is None:
            lines = self._lines.of(one.lines(row.channel), row.channel)
            fit = [line for line in lines if row.country in line.settings.allow_countries]
            known = self._fit[key] = (lines, fit)
        lines, fit = known
        is_able = False
        for line in fit:
            if (left := self._left(line)) is not None and left < self.price(line, row.channel):
                continue
            is_able = True
            pace = self._room.get((line.name, CHANNELS[row.channel]))
            if pace is not None and pace.free(row.due_at) is not None:
                return line
        # What is only reserved, by others or by us for less than the day has, is no reason to give the day up.
        may = is_able or any(
            (left := self._unspent(line)) is None or left >= self.price(line, row.channel) for line in fit
        )
        return None if may else next(iter(fit or lines), None)

    def price(self, line: Line, channel: str) -> Decimal:
        """What an attempt may cost at most."""
        key = (line.name, channel)
        if key not in self._price:
            self._price[key] = line.price(CHANNELS[channel])
        return self._price[key]

    def facts(self, line: Line, channel: Channel) -> LineFacts:
        """What the gate has to know of the line."""
        if line.name not in self._allowed:
            self._allowed[line.name] = frozenset(line.settings.allow_countries)
        allowed, price = self._allowed[line.name], self.price(line, channel)
        return LineFacts(line.name, allowed, price, self._left(line), self._tomorrow)

    def take(self, line: Line, channel: Channel, due_at: datetime) -> datetime:
        """When the attempt goes out: at its slot, or as soon after it as the line can. Its money is then spent."""
        price = self.price(line, channel)
        for spent in (self._spent, self._used):
            spent[line.name] = spent.get(line.name, Decimal(0)) + price
        return self._room[line.name, channel].take(due_at)

    def _unspent(self, line: Line) -> Decimal | None:
        """What the day's bound leaves; None: there is none."""
        most = line.settings.spend_max_per_day
        return None if most is None else most - self._spent.get(line.name, Decimal(0))

    def _left(self, line: Line) -> Decimal | None:
        """The same for this claim, which may use no more than it reserved."""
        unspent = self._unspent(line)
        if unspent is None:
            return None
        left = unspent - self._elsewhere.get(line.name, Decimal(0))
        if line.name not in self._mine:
            return left
        return min(left, self._mine[line.name] - self._used.get(line.name, Decimal(0)))
