"""What `dialer explain` answers: the shape of its `--json`. Texts are in the language asked for."""

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel

from campaigns.model import Channel
from dialer.timeline import Entry


class Due(BaseModel):
    """One installment of the account. Amounts as text, in `currency`."""

    installment_id: str
    due_on: date
    amount: str
    paid_amount: str
    currency: str
    is_open: bool


class PackAsked(BaseModel):
    """A pack whose rules were asked."""

    name: str
    rules: int
    """So many of its rules bind this channel."""


class Refusing(BaseModel):
    """A rule that refuses beside the one that is named."""

    rule: str
    reason: str
    says: str | None = None
    citation: str | None = None
    url: str | None = None
    passes_at: datetime | None
    """The first instant at which this rule alone would pass; null: not by waiting."""


class Room(BaseModel):
    """What a counting rule leaves."""

    rule: str
    used: int
    max: int
    says: str | None = None
    citation: str | None = None
    url: str | None = None


class Answer(BaseModel):
    """What the gate would say. Instants are in the person's local time, with its offset."""

    campaign: str
    channel: Channel
    verdict: Literal["pass", "defer", "block"]
    rule: str | None
    """The id of the rule that refuses; its words and source follow."""
    reason: str | None
    """Why it refuses, in words; where waiting for one rule leads to another, that too. Of a pass: the rules that it
    breaks and that only warn; else null."""
    saw: dict[str, Any] | None = None
    """The facts that the refusal rests on."""
    seen: str = ""
    """The same in words, where the reason does not name them."""
    rule_passes_at: datetime | None = None
    """Of a deferral: the first instant at which the named rule alone would pass."""
    says: str | None = None
    """What the rule says."""
    citation: str | None = None
    url: str | None = None
    others: list[Refusing] = []
    """The other rules of the packs that refuse at this instant."""
    packs: list[PackAsked] = []
    """Whose law was asked."""
    rooms: list[Room] = []
    """The counting rules that are partly used up, those with the least room first."""
    placeable_until: datetime | None = None
    """Of a pass: the last instant, as the windows stand; null: no window ever closes."""
    passes_at: datetime | None
    """The first instant at which it would pass, as far as is known now; null where only somebody's doing (a payment
    taken back, a halt lifted) could let it pass."""
    attempt_id: int | None = None
    """Null: nothing is planned, and the answer is for any attempt of this campaign over this channel."""
    due_on: date | None = None
    due_at: datetime | None = None
    """When the attempt is taken up next: its slot, or the end of a deferral."""
    valid_until: datetime | None = None
    """The attempt's last instant."""
    expires: bool = False
    """The attempt's own time is over before it would pass."""
    possible_at: datetime | None = None
    """When the attempt can be placed at the earliest, from its slot on; null if never."""
    held_by: str | None = None
    """What holds it back till then, or ends it: as the gate would say at the slot."""


class Explanation(BaseModel):
    """`dialer explain --json`. Instants are in the person's local time, with its offset; name and phone are masked."""

    language: str
    """`zh-CN` or `en`: in it are the texts."""
    account_id: str
    person_id: str
    name: str
    phone: str
    time_zone: str
    zones: list[str]
    """All the person may be in, the stated one first."""
    consent_voice: str
    consent_sms: str
    installments: list[Due]
    timeline: list[Entry]
    """Oldest first; it runs on into what is planned."""
    asked_at: datetime
    summary: str
    """Whether and why the person was called on the day asked about, and when it is possible next."""
    answers: list[Answer]
    """Empty: no campaign is launched, so nothing is placed."""
