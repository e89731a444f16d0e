"""What the gate is asked, what it looks at, and what it says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, Protocol

from campaigns.limits import Whose
from campaigns.model import Agreement, Channel, Contact

Saw = Mapping[str, object]
"""The facts that a refusal rests on, as plain data (text, numbers, lists): stored with it, told in any language."""
Task = Literal["", "fix_data", "review"]


@dataclass(frozen=True, slots=True)
class Pass:
    """May be placed until `valid_until`: for a call its last instant, included; for a message the close, excluded."""

    valid_until: datetime
    warned: tuple[str, ...] = ()
    """Ids of rules of `on_breach = "warn"` that it breaks."""


@dataclass(frozen=True, slots=True)
class Defer:
    """Not now. `until` is the first instant at which `rule` would pass; of several rules the longest wait is named."""

    until: datetime
    rule: str
    reason: str
    saw: Saw = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Block:
    """Never. `task`: what kind of work it is for the operator to make it possible; empty: none."""

    rule: str
    reason: str
    saw: Saw = field(default_factory=dict)
    task: Task = ""


Verdict = Pass | Defer | Block


class Wording(Protocol):
    """What is said, as the person gets it. It may be worked out where it is asked for: few rules ask for the text."""

    @property
    def text(self) -> str:
        """A message's text, or the first words of a call."""

    @property
    def names(self) -> Mapping[str, tuple[str, ...]]:
        """What each name of a template says here, in all its forms: `lender`, `amount` …"""

    @property
    def offers_stop(self) -> bool:
        """Whether a key of the call stops all contact. A message has to name a stop word in its text."""


@dataclass(frozen=True, slots=True)
class Saying:
    """A wording that is known as a whole."""

    text: str
    names: Mapping[str, tuple[str, ...]]
    offers_stop: bool


@dataclass(slots=True)
class Ask:
    """One attempt as the gate sees it. `zones` are all the person may be in, the stated one first."""

    channel: Channel
    zones: tuple[str, ...]
    country: str
    """Of the number, ISO 3166 alpha-2; empty: unknown."""
    line_type: str
    lead_s: float
    """So many seconds before the close it has to be placed at the latest: the ring time-out of a call, the time that
    a message may take on its way."""
    whose: Whose = field(default_factory=Whose)
    dues: tuple[date, ...] = ()
    """The due date reminded of, and the oldest open one of each account; empty: not known."""
    roles: tuple[str, ...] = ("borrower",)
    kind: Literal["reminder", "confirmation"] = "reminder"
    """A confirmation answers a person's own opt-out: no cap counts it, and what `reply` waives is waived."""
    modes: tuple[str, ...] = ("notify", "interactive")
    saying: Wording | None = None
    """None: nothing is rendered yet, and what is said is not looked at."""


@dataclass(slots=True)
class LineFacts:
    """The line the attempt would take."""

    name: str
    allow_countries: frozenset[str]
    price: Decimal
    """What this attempt may cost at most."""
    spend_left: Decimal | None
    """None: no limit."""
    spend_resets_at: datetime


@dataclass(slots=True)
class Facts:
    """What is known at this instant. Empty strings mean "not so"; a text is the reason."""

    halted: str
    campaign: str
    """`active`, `paused` or `cancelled`."""
    is_open: bool
    """The installment is still to be paid."""
    stopped: str
    suppressed: str
    consent: str
    """For this channel: `yes`, `no` or empty (unknown)."""
    contacts: Sequence[Contact]
    """This person's, of all campaigns, and those of others on the same number; oldest first."""
    line: LineFacts | None
    """None: no line is chosen yet; what belongs to a line is then not checked."""
    agreements: Sequence[Agreement] = ()
    checked_on: date | None = None
    """When the number was last looked up in a register of reassigned numbers."""
    clock_off_s: float = 0.0
    """By how many seconds our clock is known to be wrong."""
    abandoned: tuple[int, int] = (0, 0)
    """Of the campaign's calls in a ratio's period: abandoned, and answered by a person."""
