"""What every rule says about itself: whom it binds, when, where its source stands. The vocabulary of a pack's file.

Each docstring of a field is what `dialer schema pack` tells editors. Source of the words: compliance.md.
"""

from datetime import date, timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from campaigns.limits import Key
from campaigns.model import Channel

Actor = Literal["creditor", "third_party"]
Stage = Literal["pre_due", "overdue", "default"]
Mode = Literal["notify", "interactive"]
Waive = Literal["direct_prior_consent", "agreed_frequency", "agreed_hours", "express_consent", "reply"]
Text = Annotated[str, Field(min_length=1)]
Day = Annotated[date, Field(strict=True)]
Whole = Annotated[int, Field(strict=True)]

DEFAULT_DAYS = 90
"""A debt so many days past due is in default; the packs' sources name no number, banks commonly use this one."""
AMBIGUOUS_LINES = frozenset({"", "unknown", "fixed_or_mobile"})
"""Kinds of numbers that may be any: a rule about one kind holds for them too."""
WORDS = {Channel.VOICE: "call", Channel.SMS: "message"}


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class DaysPastDue(Strict):
    """Bounds of the days a debt is overdue, both included."""

    min: Whole | None = None
    """At least so many days overdue; negative: days before the due date. Without it: no lower bound."""
    max: Whole | None = None
    """At most so many. Without it: no upper bound."""

    @model_validator(mode="after")
    def _runs_forward(self) -> Self:
        if self.min is not None and self.max is not None and self.max < self.min:
            raise ValueError(f"min {self.min} is above max {self.max}; accepted: min at most max")
        return self


class RuleBase(Strict):
    """What every rule says about itself. `effective_to` is the last day in force."""

    id: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9][a-z0-9-]*\.[a-z0-9][a-z0-9_-]*$",
            description='two words in small letters with a point between, such as "cn-gbt.hours"',
        ),
    ]
    """Jurisdiction, a point, the rule's own name: `cn-gbt.hours`. Verdicts and `dialer explain` name it."""
    force: Literal["law", "presumption", "standard", "guidance", "house"]
    """How binding its source is. Only what is `house` can be turned off by `relaxed` in the settings."""
    citation: Text
    """Its source, as `dialer explain` quotes it."""
    url: Text
    """Where the source can be read."""
    grade: Literal["P", "S", "M", "H"]
    """P: the text was read; S: a secondary source; M: from memory, off unless turned on; H: the house's own."""
    checked_on: Day
    """When somebody last compared the rule with its source."""
    actor: Annotated[tuple[Actor, ...], Field(min_length=1)]
    """Whom it binds: creditors themselves, third parties that collect for others, or both."""
    channels: Annotated[tuple[Channel, ...], Field(min_length=1)]
    """What it limits: calls, messages, or both."""
    quote: str = ""
    """The source's own words."""
    note: str = ""
    """How the source was read, where it can be read in several ways."""
    effective_from: Day | None = None
    """The first day in force, the person's local date."""
    effective_to: Day | None = None
    """The last day in force, the person's local date."""
    purpose: tuple[Literal["reminder", "solicitation"], ...] = ()
    """What for. Without it: any contact. Campaigns are reminders, so a rule about solicitation alone never holds."""
    stage: tuple[Stage, ...] = ()
    """How the debt stands: not yet due, overdue, or in default (90 days). Without it: always. Told from the installment
    that is reminded of and from the oldest open one of the account: it holds where it holds for either."""
    days_past_due: DaysPastDue | None = None
    """How long the debt is overdue, told as for `stage`."""
    mode: tuple[Mode, ...] = ()
    """A contact that only tells, or one that takes answers. Without it: both. A call with keys counts as both."""
    line_type: tuple[Literal["mobile", "fixed", "voip"], ...] = ()
    """The kinds of numbers it is about. Without it: every number. A number that may be of such a kind counts as one."""
    key: Annotated[tuple[Key, ...], Field(min_length=1)] = ("person",)
    """What contacts are counted by: those that agree in all of these. An account is one debt; `creditor`: all of the
    lender's contacts together."""
    pool: tuple[Literal["creditor", "agents"], ...] = ()
    """Whose contacts count together. Without it: everybody's."""
    waive: tuple[Waive, ...] = ()
    """What lifts the rule: `express_consent` where the lender's file says `yes` for the channel; the others where an
    agreement of the person was imported and is in force."""
    waive_dates: Annotated[Whole, Field(ge=1)] | None = None
    """How many dates an agreement lifts the rule at most, the date it was given being the first."""
    on_breach: Literal["defer", "block", "warn"] = "defer"
    """Whether an attempt that breaks it waits, is never made, or is made and the verdict says so."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.id.startswith("dialer."):
            raise ValueError("ids that begin with dialer. are the gate's own checks; name the jurisdiction instead")
        if self.effective_from and self.effective_to and self.effective_to < self.effective_from:
            raise ValueError("effective_to lies before effective_from; accepted: a later day")
        if self.waive_dates and not self.waive:
            raise ValueError("waive_dates without waive; accepted: waive beside it, or neither")
        if "account" in self.key and "debt" in self.key:
            raise ValueError("key names account and debt, which are the same; accepted: one of them")
        if len({*self.channels}) < len(self.channels) or len({*self.key}) < len(self.key):
            raise ValueError("channels or key names a word twice; accepted: each once")
        if (self.grade == "H") != (self.force == "house"):
            raise ValueError('grade "H" and force "house" go together; accepted: both, or neither')
        return self

    @property
    def contact(self) -> str:
        """What the rule limits, in a word."""
        return WORDS[self.channels[0]] if len(self.channels) == 1 else "contact"

    @property
    def is_conditional(self) -> bool:
        """Whether more than the date decides if it holds for an attempt."""
        return bool(self.stage or self.days_past_due or self.mode or self.line_type or self.waive)

    @property
    def is_dated(self) -> bool:
        """Whether it holds on some days and not on others."""
        return bool(self.effective_from or self.effective_to or self.stage or self.days_past_due)

    def in_force(self, day: date) -> bool:
        begun = self.effective_from is None or self.effective_from <= day
        return begun and (self.effective_to is None or day <= self.effective_to)

    def holds_for_dues(self, dues: tuple[date, ...], day: date) -> bool:
        """Whether it is about a debt with these due dates (none: not known, so it is), on a local date."""
        if not (self.stage or self.days_past_due) or not dues:
            return True
        return any(self._at_days((day - due_on) // timedelta(days=1)) for due_on in dues)

    def _at_days(self, overdue: int) -> bool:
        stage: Stage = "pre_due" if overdue <= 0 else "default" if overdue > DEFAULT_DAYS else "overdue"
        bounds = self.days_past_due
        if bounds and bounds.min is not None and overdue < bounds.min:
            return False
        fits = bounds is None or bounds.max is None or overdue <= bounds.max
        return fits and (not self.stage or stage in self.stage)
