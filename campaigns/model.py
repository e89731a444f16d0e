"""What the pure code takes and gives: members in, drafts out; the closed lists of words."""

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple


class Channel(StrEnum):
    """How a person is contacted."""

    VOICE = "voice"
    SMS = "sms"


class Disposition(StrEnum):
    """How a call or message ended. A closed list; `human` needs a detection or a pressed key."""

    HUMAN = "human"
    ANSWERED = "answered"
    MACHINE = "machine"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    DECLINED = "declined"
    PHONE_OFF = "phone_off"
    UNREACHABLE = "unreachable"
    INVALID_NUMBER = "invalid_number"
    BLOCKED = "blocked"
    INFRASTRUCTURE = "infrastructure"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    UNKNOWN = "unknown"


class Outcome(StrEnum):
    """What a settled attempt means for its campaign. A closed list."""

    REACHED = "reached"
    SAYS_PAID = "says_paid"
    PROMISED = "promised"
    REFUSED = "refused"
    DISPUTED = "disputed"
    HARDSHIP = "hardship"
    WRONG_NUMBER = "wrong_number"
    OPTED_OUT = "opted_out"
    DECEASED = "deceased"
    AGENT = "agent"
    CALLBACK = "callback"
    VOICEMAIL_LEFT = "voicemail_left"
    NO_CONTACT = "no_contact"
    INVALID_NUMBER = "invalid_number"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why an attempt was cancelled or expired. A closed list."""

    PAID = "paid"
    OPTED_OUT = "opted_out"
    STOPPED = "stopped"
    PAUSED_UNTIL = "paused_until"
    REPLANNED = "replanned"
    CAMPAIGN_CANCELLED = "campaign_cancelled"
    LAUNCHED_LATE = "launched_late"
    WINDOW_CLOSED = "window_closed"


class Member(NamedTuple):
    """One account with one open installment that falls due, as a campaign sees it.

    `zones` are all zones the person may be in, the stated one first: the legal windows are
    intersected over all of them, `between` and printing use the first. Empty: nobody knows.
    `late` is the frozen late count by months looked back.
    """

    account_id: str
    person_id: str
    installment_id: str
    phone: str
    zones: tuple[str, ...]
    currency: str
    due_on: date
    amount: Decimal
    """Still unpaid."""
    late: dict[int, int]
    country: str = ""
    """Of the number, ISO 3166 alpha-2, e.g. CN."""
    line_type: str = ""
    """Of the number: mobile, fixed, fixed_or_mobile, toll_free, premium, voip or unknown."""
    consent_voice: str = ""
    consent_sms: str = ""
    """`yes`, `no` or empty (unknown)."""
    region: str = ""
    """As the file says it, e.g. US-MA; empty: not said."""
    role: str = "borrower"
    """Or `guarantor`."""
    checked_on: date | None = None
    """When the number was last looked up in a register of reassigned numbers."""
    oldest_due_on: date | None = None
    """Of all that is open on the account; None: what is reminded of."""


@dataclass(frozen=True, slots=True)
class Round:
    """One place in a segment's cadence: a day beside the due date and a window in that day."""

    number: int
    rounds: int
    day_offset: int
    window: int
    """The window's ordinal within its day, from 0."""
    begins: time
    ends: time
    channel: Channel
    script: str
    """The script's name (voice) or the message's (sms)."""
    entry: int
    """Index of the `[[segment.rounds]]` table it came from: there stand `retry` and `otherwise`."""


class Draft(NamedTuple):
    """An attempt as it is desired: who, which round, and the slot. Instants are aware, UTC."""

    person_id: str
    phone: str
    zones: tuple[str, ...]
    due_on: date
    segment: str
    priority: int
    round: Round
    accounts: tuple[Member, ...]
    """Sorted by account_id; several only where the campaign combines."""
    planned_for: datetime
    window_from: datetime
    window_until: datetime
    """Round window ∩ legal window, half-open; the slot keeps the ring time-out's distance from its end."""


@dataclass(slots=True)
class Contact:
    """An earlier or running contact, as the caps count it: an attempt of ours, or one made elsewhere (`event`)."""

    at: datetime
    channel: str
    """`voice` or `sms`; made elsewhere also `letter` or `visit`."""
    disposition: Disposition | None
    """None while it runs: it then counts as the worst it can become."""
    person: str = ""
    phone: str = ""
    campaign: str = ""
    accounts: tuple[str, ...] = ()
    """What it was about; empty: all of the person's accounts, or nobody asked."""
    by: str = ""
    """`creditor` or `agents`; empty: not told, so it is everybody's."""
    event: str = ""
    """Made elsewhere: what happened, in the words that caps count."""
    direction: str = "outbound"
    shows: tuple[str, str | None] = ("", None)
    """What limits look up, worked out from the above."""

    def __post_init__(self) -> None:
        self.shows = (self.channel, f"{self.direction} {self.event}" if self.event else self.disposition)


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a person agreed to: the rules that `kind` waives do not hold from `given_on` to `until`, both included."""

    kind: str
    given_on: date
    until: date | None = None
