"""The lines as one claiming transaction sees them: which may serve, what room each has, what money is left."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from campaigns.gate import LineFacts
from campaigns.model import Channel
from dialer.asking import CHANNELS
from dialer.house import House, Launched
from dialer.lines import Line, Lines
from dialer.room import Taken


class Ways:
    """Changes nothing outside itself, so that the transaction can be run again."""

    def __init__(self, house: House, lines: Lines, taken: Taken, spent: Mapping[str, Decimal], today: date) -> None:
        """`spent`: line → what was spent `today`, the lender's date."""
        self._lines, self._spent, self._elsewhere = lines, dict(spent), taken.elsewhere
        self._room = {key: list(reversed(slots)) for key, slots in taken.slots.items()}
        self._tomorrow = datetime.combine(today + timedelta(days=1), datetime.min.time(), house.zone)
        self._fit: dict[tuple[int, str, str], tuple[list[Line], list[Line]]] = {}
        self._price: dict[tuple[str, str], Decimal] = {}
        self._allowed: dict[str, frozenset[str]] = {}

    def slots(self, one: Launched, channel: Channel) -> int:
        return sum(len(self._room.get((name, channel), ())) for name in one.lines(channel))

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
            if self._room.get((line.name, CHANNELS[row.channel])):
                return line
        return None if is_able else next(iter(fit or lines), None)

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

    def take(self, line: Line, channel: Channel) -> datetime:
        """The next slot of the line, whose money is then spent."""
        self._spent[line.name] = self._spent.get(line.name, Decimal(0)) + self.price(line, channel)
        return self._room[(line.name, channel)].pop()

    def _left(self, line: Line) -> Decimal | None:
        most = line.settings.spend_max_per_day
        if most is None:
            return None
        return most - self._spent.get(line.name, Decimal(0)) - self._elsewhere.get(line.name, Decimal(0))
