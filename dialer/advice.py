"""What is valid and yet worth a second look: days that empty a round, old packs, messages that cost more than one.

Warnings, never faults. These follow from the files alone, with the longest values of a portfolio where there is one;
what a portfolio asks of the lines is `dialer.workload`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from campaigns.cadence import round_window, rounds
from campaigns.calendar import is_contact_day, is_due_in
from campaigns.file import Segment
from campaigns.hours import intersect
from campaigns.message import Values, render, segments, template_names
from campaigns.model import Channel, Round
from campaigns.ruleset import Ruleset
from config.files import Fault
from config.settings import LenderSettings, Settings
from dialer.check import CheckedCampaign, load_book
from dialer.packs import read_packs

AHEAD = timedelta(days=60)
"""How far days that empty a round are looked for."""
STALE = timedelta(days=365)
"""A pack that was compared with the law longer ago is worth a look."""
DATES_MAX = 4
"""Dates that are named; the others are counted."""
CODES = {"gsm7": "GSM-7", "ucs2": "UCS-2"}
SAMPLE_AMOUNT = Decimal("12345.67")
"""Amounts of one portfolio differ by a digit or two: not worth a pass over all installments."""


@dataclass(frozen=True, slots=True)
class Longest:
    """What makes a message as long as it gets: of a portfolio, or a sample where there is none."""

    name: str
    pay_to: str
    languages: tuple[str, ...]
    """In which people are written to; empty: the lender's."""


SAMPLES = {
    "zh": Longest("欧阳娜娜", "工商银行尾号1234", ()),
    "en": Longest("Christopher Johnson", "account ending 1234", ()),
}


def advise(one: CheckedCampaign, settings: Settings, longest: Longest | None, now: datetime) -> Iterator[Fault]:
    """The warnings for a campaign at `now`."""
    today = now.astimezone(ZoneInfo(settings.lender.time_zone)).date()
    yield from _packs(one, settings, today)
    country = settings.lender.country
    yield from _days(one, settings, load_book(settings, one.campaign).of((country,), country), today)
    yield from _messages(one, settings, longest, today)


def _packs(one: CheckedCampaign, settings: Settings, today: date) -> Iterator[Fault]:
    """Packs that nobody has compared with the law for a year. The house's own rules are nobody's law."""
    for number, name in enumerate(one.campaign.packs):
        packs, _ = read_packs(settings, [name])
        checked = [rule.checked_on for pack in packs for rule in pack.rules if rule.grade != "H"]
        if checked and today - min(checked) > STALE:
            wrong = f'"{name}" was last compared with its sources on {min(checked)}, over a year ago'
            yield one.document.fault(("packs", number), wrong, "upgrade the dialer, or have counsel read it anew")


# --- days that empty a round -------------------------------------------------------------------------------------


def _days(one: CheckedCampaign, settings: Settings, rules: Ruleset, today: date) -> Iterator[Fault]:
    for number, segment in enumerate(one.campaign.segment):
        empty = _Emptied(one, settings, rules).of(segment, today)
        for entry in sorted({at.entry for _, at, _ in empty}):
            dates: dict[tuple[date, str], list[int]] = {}
            for day, at, why in empty:
                if at.entry == entry:
                    dates.setdefault((day, why), []).append(at.number)
            told = [f"{_rounds(numbers)} on {day} ({why})" for (day, why), numbers in sorted(dates.items())]
            more = f", and more on {len(told) - DATES_MAX} other days" if len(told) > DATES_MAX else ""
            wrong = f"{segment.name} loses {', '.join(told[:DATES_MAX])}{more}"
            place = ("segment", number, "rounds", entry, "days")
            yield one.document.fault(place, wrong, "nothing takes their place: add a day, or leave it so")


def _rounds(numbers: Sequence[int]) -> str:
    every = sorted(set(numbers))
    return f"round{'s' if len(every) > 1 else ''} {' and '.join(map(str, every))}"


@dataclass(frozen=True, slots=True)
class _Emptied:
    """The rounds of the next days in which nobody can be contacted, in the lender's zone."""

    one: CheckedCampaign
    settings: Settings
    rules: Ruleset

    def of(self, segment: Segment, today: date) -> list[tuple[date, Round, str]]:
        """The day, the round, and why."""
        found = []
        for at in rounds(segment):
            for ahead in range(AHEAD.days + 1):
                day = today + timedelta(days=ahead)
                due_on = day - timedelta(days=at.day_offset)
                if is_due_in(due_on, self.one.campaign.audience) and (why := self._why(at, day, due_on)):
                    found.append((day, at, why))
        return found

    def _why(self, at: Round, day: date, due_on: date) -> str:
        audience = self.one.campaign.audience
        if day in audience.skip:
            return "in skip"
        if not is_contact_day(day, audience):
            return "not in weekdays"
        if self._has_room(self.rules, at, due_on):
            return ""
        for rule in self.rules.hours[at.channel]:
            if not self._has_room(self.rules.only(rule.id), at, due_on):
                if rule.has_holidays and rule.known_holidays(day.year) is None:
                    calendar = f"the calendar of {rule.holidays}" if rule.holidays else "its list of holidays"
                    return f"{rule.id}: {calendar} does not know {day.year} yet"
                return f"closed by {rule.id}"
        return "closed by the rules together"

    def _has_room(self, rules: Ruleset, at: Round, due_on: date) -> bool:
        zone = self.settings.lender.time_zone
        opens, closes = round_window(at, due_on, zone)
        lines = [self.settings.lines[name] for name in getattr(self.one.campaign.lines, at.channel)]
        ring = max((line.ring_timeout for line in lines if at.channel is Channel.VOICE), default=timedelta())
        legal = intersect([(opens, closes)], rules.windows(at.channel, (zone,), opens, closes))
        return any(ends - begins > ring for begins, ends in legal)


# --- messages ----------------------------------------------------------------------------------------------------


def _messages(one: CheckedCampaign, settings: Settings, longest: Longest | None, today: date) -> Iterator[Fault]:
    """Messages that take several segments: providers bill each."""
    for name, message in one.campaign.message.items():
        for key in ("text", "text_many"):
            text = getattr(message, key)
            if text and (wrong := _several(one, settings, text, key == "text_many", longest, today)):
                yield one.document.fault(("message", name, key), *wrong)


def _several(
    one: CheckedCampaign, settings: Settings, text: str, is_many: bool, longest: Longest | None, today: date
) -> tuple[str, str] | None:
    lender = settings.lender
    sample = SAMPLES.get(lender.language.partition("-")[0], SAMPLES["en"])
    days = [today + timedelta(days=ahead) for ahead in range(366)]
    dues = [day for day in days if is_due_in(day, one.campaign.audience)] or [today]
    values = [
        _values(longest or sample, lender, language, due_on, is_many)
        for language in (longest or sample).languages or (lender.language,)
        for due_on in (dues if "due_on" in [name for name, _ in template_names(text)] else dues[:1])
    ]
    length = max((segments(render(text, each)) for each in values), key=lambda one: (one.segments, one.characters))
    if length.segments == 1:
        return None
    whose = "the longest name and account of the portfolio" if longest else "sample values"
    wrong = f"takes {length.segments} segments ({CODES[length.encoding]}, {length.characters} characters) with {whose}"
    for line in one.campaign.lines.sms[:1]:
        if price := settings.lines[line].price_per_message:
            wrong += f", {price * length.segments} {lender.currency} a message with {line} where each is billed"
    return wrong, _shorter(text, length.encoding)


def _shorter(text: str, encoding: str) -> str:
    """What brings it down to one segment, or near it."""
    if encoding == "gsm7":
        return "one segment holds 160 characters"
    odd = [sign for sign in dict.fromkeys(text) if segments(sign).encoding == "ucs2"]
    if odd and len(odd) <= 3:
        return f"without {' '.join(odd)} one segment holds 160 characters, as it is 70"
    return "one segment holds 70 characters"


def _values(longest: Longest, lender: LenderSettings, language: str, due_on: date, is_many: bool) -> Values:
    return Values(
        name=longest.name,
        lender=lender.name,
        lender_phone=lender.phone,
        due_on=due_on,
        amounts=(SAMPLE_AMOUNT,) * (2 if is_many else 1),
        currency=lender.currency,
        pay_to=(longest.pay_to,),
        today=due_on - timedelta(days=2),
        language=language,
    )
