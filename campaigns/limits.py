"""How many contacts a period allows: the arithmetic shared by caps, cool-offs and exclusive channels.

A limit never counts what lies in a period. It asks when the max-th last counted contact leaves it: from that instant
on there is room. So the answer to "may I?" and to "when, then?" is the same instant.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from campaigns.hours import day_start, local_date
from campaigns.model import Channel, Contact, Disposition

CountedEvent = Literal[
    "placed",
    "network_fail",
    "rang_out",
    "voicemail_left",
    "connected",
    "conversation",
    "abandoned",
    "sms_submitted",
    "sms_sent",
    "delivered",
    "inbound",
    "notice",
]
ContactChannel = Literal["voice", "sms", "letter", "visit"]
"""How contact can be made; calls and messages by us, letters and visits by others, who report them."""
Key = Literal["person", "debt", "account", "number", "creditor", "campaign"]
PeriodType = Literal[
    "rolling_elapsed", "consecutive_dates", "calendar_day", "calendar_week", "calendar_month", "anchored_first"
]
_ELAPSED: tuple[PeriodType, ...] = ("rolling_elapsed", "anchored_first")

_D = Disposition
_PERHAPS: frozenset[Disposition | None] = frozenset({None, _D.UNKNOWN})
"""Running, or its ending unknown: counts as the worst it can become (design.md)."""

COUNTED: dict[CountedEvent, frozenset[Disposition | None]] = {
    # Infrastructure refusals "never count against the person" (design.md); all else that was placed does, a number
    # that does not exist too: carriers count it (compliance.md, case 12).
    "placed": frozenset({None, *_D}) - {_D.INFRASTRUCTURE},
    "network_fail": _PERHAPS | {_D.BUSY, _D.PHONE_OFF, _D.UNREACHABLE, _D.INVALID_NUMBER, _D.BLOCKED},
    "rang_out": _PERHAPS | {_D.NO_ANSWER, _D.DECLINED},
    "voicemail_left": _PERHAPS | {_D.MACHINE},
    # A machine that answers is a connected call too: the network put it through. The strict reading of GB/T 45251.
    "connected": _PERHAPS | {_D.HUMAN, _D.ANSWERED, _D.MACHINE},
    "conversation": _PERHAPS | {_D.HUMAN, _D.ANSWERED},
    # Whoever answers is spoken to at once, by the script: our own calls are never abandoned, but they may be unknown.
    "abandoned": _PERHAPS,
    "sms_submitted": _PERHAPS | {_D.SENT, _D.DELIVERED, _D.UNDELIVERED},
    "sms_sent": _PERHAPS | {_D.SENT, _D.DELIVERED, _D.UNDELIVERED},
    "delivered": _PERHAPS | {_D.SENT, _D.DELIVERED},
    "inbound": frozenset(),
    "notice": frozenset(),
}
"""What of our own attempts shows an event."""

SHOWN_BY: dict[CountedEvent, frozenset[str]] = {
    # What was made elsewhere is reported with its event. Where the report leaves room it counts as the worst.
    "placed": frozenset(
        {"placed", "network_fail", "rang_out", "voicemail_left", "connected", "conversation", "abandoned",
         "sms_submitted", "sms_sent", "delivered"}
    ),
    "network_fail": frozenset({"network_fail", "placed"}),
    "rang_out": frozenset({"rang_out", "placed"}),
    "voicemail_left": frozenset({"voicemail_left", "placed"}),
    "connected": frozenset({"connected", "conversation", "voicemail_left", "abandoned", "placed"}),
    "conversation": frozenset({"conversation", "connected", "placed"}),
    "abandoned": frozenset({"abandoned"}),
    "sms_submitted": frozenset({"placed", "sms_submitted", "sms_sent", "delivered"}),
    "sms_sent": frozenset({"placed", "sms_submitted", "sms_sent", "delivered"}),
    "delivered": frozenset({"placed", "sms_submitted", "sms_sent", "delivered"}),
    "inbound": frozenset(),
    "notice": frozenset({"notice"}),
}  # fmt: skip
"""What of the outbound contacts made elsewhere shows an event."""
_MESSAGE_EVENTS = frozenset({"sms_submitted", "sms_sent", "delivered"})
_ANYWHERE = frozenset({"placed", "inbound", "notice"})

_MONDAY = 1  # date.fromordinal(1) is a Monday

_CALENDARS: dict[str, tuple[Callable[[date], int], Callable[[int], date]]] = {
    # The number of the period a date belongs to, and the date a period of that number begins.
    "calendar_day": (date.toordinal, date.fromordinal),
    "consecutive_dates": (date.toordinal, date.fromordinal),
    "calendar_week": (lambda day: (day.toordinal() - _MONDAY) // 7, lambda n: date.fromordinal(n * 7 + _MONDAY)),
    "calendar_month": (lambda day: day.year * 12 + day.month - 1, lambda n: date(n // 12, n % 12 + 1, 1)),
}
EVER = timedelta(days=3650)
"""So far back is looked for what arms a limit once and for all."""


class Period(BaseModel):
    """A stretch of time in which contacts are counted.

    `rolling_elapsed`: `length` units of elapsed time back from now. `anchored_first`: the same, counted from the first
    contact; the next after its end begins a new one. The other types count local dates of the person's first zone,
    weeks from Monday; today is the last of `length` of them. `day_one`: whether the event's date is the first of the
    period, or the date after it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: PeriodType
    """How time is counted: elapsed, or in local dates of the person's first zone."""
    length: int = Field(1, strict=True, ge=1, le=10_000)
    """How many units, dates, weeks or months."""
    unit: Literal["minutes", "hours", "days"] = "days"
    """Of `length`, where elapsed time is counted."""
    day_one: Literal["event", "next"] = "event"
    """Whether the event's date is the first of the period, or the date after it."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.type not in _ELAPSED and self.unit != "days":
            raise ValueError(f"unit {self.unit} in a period of local dates; unit is for {' and '.join(_ELAPSED)}")
        if self.type in _ELAPSED and self.day_one != "event":
            raise ValueError("day_one in a period of elapsed time; it is for periods of local dates")
        return self

    def frees_at(self, instants: Sequence[datetime], maximum: int, zone: ZoneInfo) -> datetime:
        """From when on one more is allowed, if these (oldest first, at least `maximum`) are counted."""
        if self.type == "rolling_elapsed":
            return instants[-maximum] + self._elapsed
        if self.type == "anchored_first":
            return self._anchored(instants, maximum)
        number_of, begins = _CALENDARS[self.type]
        number = number_of(local_date(instants[-maximum], zone))
        return day_start(begins(number + self.length + (self.day_one == "next")), zone)

    @property
    def look_back(self) -> timedelta:
        """So far back a contact may still count: the period, and room for its local dates' edges."""
        if self.type == "rolling_elapsed":
            return self._elapsed
        if self.type == "anchored_first":
            # What came before decides where a period begins: a month, or three periods, is what is loaded of it.
            return max(3 * self._elapsed, timedelta(days=31))
        days = {"calendar_week": 7, "calendar_month": 31}.get(self.type, 1)
        return timedelta(days=days * (self.length + (self.day_one == "next")) + 2)

    @property
    def reach(self) -> timedelta:
        """So far back lies what fills the period that ends now, at most."""
        return self._elapsed if self.type in _ELAPSED else self.look_back

    def __str__(self) -> str:
        many = self.unit if self.type in _ELAPSED else f"{self.type.replace('_', ' ').removesuffix('s')}s"
        return f"{self.length} {many.removesuffix('s') if self.length == 1 else many}"

    @cached_property
    def _elapsed(self) -> timedelta:
        return timedelta(**{self.unit: self.length})

    def _anchored(self, instants: Sequence[datetime], maximum: int) -> datetime:
        anchor, count = instants[0], 0
        for at in instants:
            if at >= anchor + self._elapsed:
                anchor, count = at, 0
            count += 1
        return anchor + self._elapsed if count >= maximum else instants[-1]


@dataclass(frozen=True, slots=True)
class Whose:
    """Of whom contacts are counted together: what an attempt is about, as far as a limit's key looks at it."""

    person: str = ""
    phone: str = ""
    campaign: str = ""
    accounts: tuple[str, ...] = ()


@dataclass(slots=True)
class Limit:
    """A cap or cool-off made ready to count: at most `max` contacts of the `counted` kinds in `period`."""

    rule: str
    max: int
    period: Period
    counted: frozenset[tuple[str, str | None]]
    keys: frozenset[Key] = frozenset({"person"})
    pool: frozenset[str] = frozenset()
    """Whose contacts count; empty: everybody's."""
    armed_by: frozenset[tuple[str, str | None]] = frozenset()
    """Nothing counts before the first contact that shows one of these; empty: all counts."""
    other_channels: bool = False
    """Only contacts over another channel than the one asked about hold it back: the last counted one decides."""
    is_required: bool = False
    """Before the first counted contact there is none of ours."""
    # Worked out of the above once: the gate asks all limits about every attempt.
    look_back: timedelta = field(init=False)
    reach: timedelta = field(init=False)
    """Where the max-th last contact is older than this, whatever its kind, there is room."""
    is_per_account: bool = field(init=False)
    _by_person: bool = field(init=False)
    _by_person_alone: bool = field(init=False)
    _all_matter: bool = field(init=False)

    def __post_init__(self) -> None:
        self.look_back = EVER if self.armed_by or self.is_required else self.period.look_back
        self.is_per_account = "debt" in self.keys or "account" in self.keys
        self._by_person = "person" in self.keys
        self._by_person_alone = self.keys <= {"person", "creditor"} and not self.pool
        # What came before decides where an anchored period begins, however long ago.
        self._all_matter = self.period.type == "anchored_first"
        self.reach = self.period.reach

    def frees_at(
        self, contacts: Sequence[Contact], zone: ZoneInfo, whose: Whose, channel: Channel, now: datetime
    ) -> datetime | None:
        """From when on one more is allowed; None: at any time. `contacts` are oldest first, none after `now`.

        A limit per debt holds for each of the accounts that the attempt is about."""
        if len(contacts) < self.max or now - contacts[-self.max].at > self.reach:
            return None
        since = None if self._all_matter else now - self.look_back
        if not self.is_per_account:
            return self._of(self.counting(contacts, whose, "", since), zone, channel)
        found = [
            at
            for account in whose.accounts or ("",)
            if (at := self._of(self.counting(contacts, whose, account, since), zone, channel)) is not None
        ]
        return max(found, default=None)

    def _of(self, made: list[Contact], zone: ZoneInfo, channel: Channel) -> datetime | None:
        if len(made) < self.max or (self.other_channels and made[-1].channel == channel):
            return None
        return self.period.frees_at([one.at for one in made], self.max, zone)

    def counting(
        self, contacts: Sequence[Contact], whose: Whose, account: str = "", since: datetime | None = None
    ) -> list[Contact]:
        """The contacts that count, oldest first: of those that no longer can, only the last ones are kept.

        `since`: older ones are known to be of no account."""
        if self.armed_by:
            since = self._armed_at(contacts, whose, account)
            if since is None:
                return []
        made: list[Contact] = []
        counted, by_person, by_person_alone = self.counted, self._by_person, self._by_person_alone
        for one in reversed(contacts):
            if since is not None and one.at < since:
                break
            if (
                one.shows in counted
                and (not by_person or one.person == whose.person)
                and (by_person_alone or self._is_of(one, whose, account))
            ):
                made.append(one)
                if len(made) == self.max and not self._all_matter:
                    break
        made.reverse()
        return made

    def _is_of(self, one: Contact, whose: Whose, account: str) -> bool:
        """Whether it is of the number, the debt, the campaign and the pool that count."""
        keys = self.keys
        return (
            ("number" not in keys or one.phone == whose.phone)
            and (not account or not one.accounts or account in one.accounts)
            and ("campaign" not in keys or one.campaign == whose.campaign)
            and (not self.pool or not one.by or one.by in self.pool)
        )

    def _armed_at(self, contacts: Sequence[Contact], whose: Whose, account: str) -> datetime | None:
        for one in contacts:
            ours = not self._by_person or one.person == whose.person
            if one.shows in self.armed_by and ours and self._is_of(one, whose, account):
                return one.at
        return None


def counted(
    events: Iterable[CountedEvent], channels: Iterable[str], inbound: bool = False
) -> frozenset[tuple[str, str | None]]:
    """What of a person's contacts on these channels shows one of these events, as `Contact.shows` says it.

    `inbound`: what the person began counts as well."""
    found: set[tuple[str, str | None]] = set()
    for event in events:
        for channel in channels:
            if event in _ANYWHERE or (event in _MESSAGE_EVENTS) == (channel == "sms"):
                found.update((channel, disposition) for disposition in COUNTED[event])
                found.update((channel, f"outbound {word}") for word in SHOWN_BY[event])
                if inbound:
                    found.update((channel, f"inbound {word}") for word in SHOWN_BY[event])
            if event == "inbound":
                found.update((channel, f"inbound {word}") for word in SHOWN_BY["placed"])
    return frozenset(found)
