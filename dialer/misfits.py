"""What a campaign wants and the settings do not have: lines, transfers, packs, and hours that the rules leave open."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from campaigns.file import Campaign, Rounds
from campaigns.model import Channel
from campaigns.problems import Problem, contents, unknown
from campaigns.rulebook import Rulebook
from campaigns.ruleset import Ruleset
from config.settings import LineSettings, Settings
from dialer.packs import Packs, pack_files, read_packs
from dialer.unsaid import unsaid

FORTNIGHT = [date(2026, 6, 1) + timedelta(days=n) for n in range(14)]
"""Days on which a window has to be legal at least once: every weekday twice, in a year that holiday calendars know."""


def misfits(campaign: Campaign, settings: Settings) -> Iterator[Problem]:
    """All of them, warnings included."""
    for channel in Channel:
        fitting = [other for other, line in settings.lines.items() if channel in line.channels]
        for number, name in enumerate(getattr(campaign.lines, channel)):
            loc = ("lines", channel.value, number)
            if name not in settings.lines:
                yield unknown(loc, name, "is no line of the settings", fitting)
            elif name not in fitting:
                yield unknown(loc, name, f"is a line without {channel}", fitting)
    for script, one in campaign.script.items():
        for step, what in one.step.items():
            if what.transfer and what.transfer not in settings.transfers:
                place = ("script", script, "step", step, "transfer")
                yield unknown(place, what.transfer, "is no transfer of the settings", settings.transfers)
    known = pack_files(settings)
    for number, pack in enumerate(campaign.packs):
        if pack not in known:
            yield unknown(("packs", number), pack, "is no rule pack", known)
    yield from _unlawful(campaign, settings)


def _unlawful(campaign: Campaign, settings: Settings) -> Iterator[Problem]:
    """What can never pass: rounds whose window leaves no room on any day, by the rules or the hours of the lines, and
    texts that do not say what the rules demand."""
    always = [settings.house, *campaign.packs]
    if read_packs(settings, [*always, settings.lender.country.lower()])[1]:  # told with the settings
        return
    lender = settings.lender
    try:
        book = Rulebook(Packs(settings), always, lender.actor, settings.unverified, settings.relaxed)
        rules = book.of((lender.country,), lender.country)
    except ValueError as error:
        wrong, _, accepted = str(error).partition("; ")
        yield Problem(("packs",), wrong, accepted)
        return
    yield from _lawless(campaign, settings, book)
    yield from unsaid(campaign, settings, rules)
    for loc, rounds in contents(campaign):
        if isinstance(rounds, Rounds):
            lines = [settings.lines[name] for name in getattr(campaign.lines, rounds.channel) if name in settings.lines]
            for number, window in enumerate(rounds.between):
                room = _Room(rules, rounds.channel, ZoneInfo(settings.lender.time_zone), lines)
                yield from room.problems((*loc, "between", number), window)


def _lawless(campaign: Campaign, settings: Settings, book: Rulebook) -> Iterator[Problem]:
    """Countries that a line reaches and no pack knows: whoever is there is denied."""
    for channel in Channel:
        for number, name in enumerate(getattr(campaign.lines, channel)):
            line = settings.lines.get(name)
            reached = line.allow_countries if line else ()
            unknown = [country for country in reached if not book.knows_part_of(country)]
            if unknown:
                wrong = f'"{name}" reaches {", ".join(unknown)}, of which no rule pack knows: nobody there is contacted'
                remedy = f"a pack of yours named {unknown[0].lower()}.toml under rules in the settings"
                all_of_them = len(unknown) == len(reached)
                accepted = f"accepted: {remedy}" if all_of_them else f"add {remedy}"
                yield Problem(("lines", channel.value, number), wrong, accepted, warning=not all_of_them)


@dataclass(frozen=True, slots=True)
class _Room:
    """How much of a round's window can be used, in the lender's zone."""

    rules: Ruleset
    channel: Channel
    zone: ZoneInfo
    lines: Sequence[LineSettings]

    def problems(self, loc: tuple[str | int, ...], window: tuple[time, time]) -> Iterator[Problem]:
        told = f"{window[0]:%H:%M} to {window[1]:%H:%M}"
        ring = max((line.ring_timeout for line in self.lines if self.channel == Channel.VOICE), default=timedelta())
        legal = self._longest(window)
        if legal <= ring:
            ringing = f", with {ring.total_seconds():g} s for ringing" if ring else ""
            yield Problem(loc, f"{told} lies outside the legal window", f"accepted: within {self._widest()}{ringing}")
        elif legal < datetime.combine(FORTNIGHT[0], window[1]) - datetime.combine(FORTNIGHT[0], window[0]):
            wrong = f"{told} lies partly outside the legal window, {self._widest()}"
            yield Problem(loc, wrong, "that part is never used; narrow the window", warning=True)
        if legal > ring and self.lines and all(line.hours for line in self.lines):
            parts = [(max(window[0], a), min(window[1], b)) for line in self.lines for a, b in line.hours]
            if not any(self._longest(part) > ring for part in parts):
                yield Problem(loc, f"{told} lies outside the hours of its lines", "accepted: a window in their hours")

    def _longest(self, window: tuple[time, time]) -> timedelta:
        """The longest legal part of the window on any day."""
        return max(
            min(ends, closes) - max(begins, opens)
            for day in FORTNIGHT
            for begins, ends in [(self._utc(day, window[0]), self._utc(day, window[1]))]
            for opens, closes in [(begins, begins), *self._legal(begins, ends)]
        )

    def _legal(self, first: datetime, last: datetime) -> list[tuple[datetime, datetime]]:
        return self.rules.windows(self.channel, (self.zone.key,), first, last)

    def _widest(self) -> str:
        return max((self._hours(day) for day in FORTNIGHT), key=len)

    def _hours(self, day: date) -> str:
        """`09:00-20:00`, the legal hours of a day."""
        begins, ends = self._utc(day, time()), self._utc(day + timedelta(days=1), time())
        spans = [(max(begins, opens), min(ends, closes)) for opens, closes in self._legal(begins, ends)]
        return ", ".join(
            f"{opens.astimezone(self.zone):%H:%M}-{closes.astimezone(self.zone):%H:%M}" for opens, closes in spans
        )

    def _utc(self, day: date, at: time) -> datetime:
        return datetime.combine(day, at, self.zone).astimezone(UTC)
