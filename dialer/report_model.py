"""What a report says, as `dialer report --json` prints it."""

from datetime import date, datetime
from decimal import Decimal

from pydantic import BaseModel, Field


class Counts(BaseModel):
    """Attempts by what became of them.

    planned + follow_ups = placed + refused + cancelled + expired + waiting, and
    placed = reached + promised + says_paid + opted_out + other + not_reached + running.
    """

    planned: int = Field(0, description="the rounds' own attempts")
    follow_ups: int = Field(0, description="retries, repeats and messages that followed them")
    placed: int = Field(0, description="handed to a provider, calls and messages")
    reached: int = Field(0, description="outcome `reached`: heard it or got the message, and said nothing more")
    promised: int = 0
    says_paid: int = 0
    opted_out: int = 0
    other: int = Field(0, description="asked for an agent, refused, disputed, wrong number …: see `outcomes`")
    not_reached: int = Field(0, description="no contact, voicemail, invalid number, failed or unknown")
    running: int = Field(0, description="placed and not settled yet")
    refused: int = Field(0, description="blocked by a rule, or deferred by one until the window was over")
    cancelled: int = Field(0, description="see `reasons`")
    expired: int = Field(0, description="the window closed, and no rule was why")
    waiting: int = Field(0, description="still planned")
    reached_by_message: int = Field(0, description="the messages among `reached`")


class RoundCounts(Counts):
    """One round of a segment."""

    segment: str
    round: int
    outcomes: dict[str, int] = Field({}, description="outcomes of its settled attempts, follow-ups included")


class Funnel(BaseModel):
    """Installments, each counted once, by how far their attempts came. Every stage is a part of the one before."""

    planned: int = Field(0, description="installments that any attempt was about, cancelled ones too")
    placed: int = Field(0, description="at least one attempt was handed to a provider")
    reached: int = Field(0, description="at least one reached the person, or they said something; not a wrong number")
    paid: int = Field(0, description="followed by one of the payments of `paid_after_contact`, in part or in full")


class Refusal(BaseModel):
    """What one rule did: attempts it blocked, expired (deferred past the window's end), and deferred at some time."""

    rule: str
    blocked: int
    expired: int
    deferred: int


class Answered(BaseModel):
    """Calls that were placed in an hour (0 to 23) or on a weekday (1: Monday) of the person's time."""

    at: int
    calls: int
    answered: int


class Sum(BaseModel):
    """So many, together so much money."""

    currency: str
    count: int
    amount: Decimal


class HourLoad(BaseModel):
    """What one line placed in one hour of the lender's time; together they are all that was placed."""

    at: datetime = Field(description="the hour's begin, with the lender's UTC offset")
    line: str
    channel: str
    placed: int


class Capacity(BaseModel):
    """The most that a line can place in an hour, by its rate in the settings of today.

    Its calls at once may allow fewer, which depends on how long the calls last. `hours` do not change it: they say
    in which hours the line may be used.
    """

    line: str
    channel: str
    an_hour: int


class PaidAfter(BaseModel):
    """Payments by the days from the last such contact before them to the payment; 0: the same day, lender time."""

    days: int
    payments: int


class Lost(BaseModel):
    """Attempts whose ending was unknown for a while, and how that was cleared up: ever = found + unknown + open.

    None is ever placed again.
    """

    ever: int = Field(0, description="attempts that were lost at some time")
    causes: dict[str, int] = Field({}, description="by the last event that lost it: uncertain, lease_expired or silent")
    found: int = Field(0, description="settled by what the provider told")
    unknown: int = Field(0, description="disposition `unknown`: the provider knew nothing, or the deadline came")
    open: int = Field(0, description="not settled: their provider is asked, or was, and they go on")
    minutes: float | None = Field(None, description="median from lost to settled, of those that are settled")


class Promises(BaseModel):
    made: int = 0
    open: int = 0
    kept: int = 0
    broken: int = 0
    amounts: list[Sum] = Field(default=[], description="of all that was promised")
    kept_amounts: list[Sum] = Field(default=[], description="of the kept ones")


class Messages(BaseModel):
    """The reminders among the messages."""

    placed: int = 0
    sent: int = Field(0, description="the provider gives no receipts")
    delivered: int = 0
    undelivered: int = 0
    confirmations: int = Field(0, description="sent besides, to confirm an opt-out: no reminders, counted nowhere else")


class LineCounts(BaseModel):
    """What a line carried, confirmations of opt-outs included."""

    line: str
    calls: int = 0
    answered: int = 0
    messages: int = 0
    spend: Decimal = Field(Decimal(0), description="in the lender's currency; reservations of running calls included")
    spend_on_messages: Decimal = Field(Decimal(0), description="the messages' part of it")


class Report(BaseModel):
    """`dialer report --json`. With a day: the attempts whose slot lies on it, lender time."""

    at: datetime
    lender: str
    time_zone: str
    currency: str
    campaign: str | None
    day: date | None
    totals: Counts
    funnel: Funnel
    rounds: list[RoundCounts]
    refusals: list[Refusal]
    reasons: dict[str, int] = Field(description="why attempts were cancelled, or expired without a rule")
    outcomes: dict[str, int]
    dispositions: dict[str, int]
    by_hour: list[Answered]
    by_weekday: list[Answered]
    right_party_contacts: int = Field(description="calls with a person who did not say that the number is wrong")
    promises: Promises
    paid_after_contact: list[Sum] = Field(
        description="paid within 7 days after a contact that reached them, or in which they promised or said paid; "
        "not what was taken back later"
    )
    paid_after_days: list[PaidAfter] = Field(description="the same by how long after; a row a day that has any")
    messages: Messages
    lines: list[LineCounts]
    load: list[HourLoad] = Field(description="hours in which something was placed")
    capacity: list[Capacity]
    lost: Lost
    outside_window: int = Field(description="placed outside the attempt's window; must be 0")


COLUMNS = tuple(name for name in Counts.model_fields if name != "reached_by_message")
ALWAYS = frozenset({"planned", "placed", "reached", "promised", "says_paid", "opted_out", "not_reached", "refused"})
"""Columns shown also where nothing is in them."""
TITLES = {name: name.replace("_", " ") for name in COLUMNS} | {"refused": "refused by rule"}
"""`refused` alone is an outcome too: the person's own refusal."""


def columns_of(found: Report) -> dict[str, str]:
    """Name → title of the counts to show."""
    return {name: title for name, title in TITLES.items() if name in ALWAYS or getattr(found.totals, name)}
