"""Rule packs: the models of their rules, one class a kind.

The vocabulary is that of a pack file (`config/rules/*.toml`); `rulebase` has what all rules say about themselves,
`ruleset` merges those in force, `gate` asks them. Source of the kinds: compliance.md, "A vocabulary".
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AliasChoices, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails

from campaigns.limits import ContactChannel, CountedEvent, Limit, Period, counted
from campaigns.message import template_faults, template_names
from campaigns.rulebase import RuleBase, Strict, Text, Whole
from campaigns.window import Opening, Window

__all__ = [
    "After", "AnyRule", "Cap", "Consent", "Content", "Cooloff", "ExclusiveChannel", "NumberCheck", "Opening", "OptOut",
    "Pack", "Party", "Ratio", "Retention", "Ring", "Rule", "Window",
]  # fmt: skip

Role = Literal["borrower", "guarantor"]
Said = Literal["lender", "lender_phone", "name", "due_on", "amount", "pay_to"]
Part = Literal["call", "message", "voicemail"]
ON_MACHINES = frozenset({"lender", "lender_phone"})
"""What a limited message may name: a stranger may listen to it."""

CountingRule = TypeVar("CountingRule", bound=RuleBase)


def _listed(events: Iterable[str], word: str = "or") -> str:
    return f" {word} ".join(events).replace("_", " ")


def _of_somebody(rule: CountingRule) -> CountingRule:
    """Contacts are known by person and by number; another key can only narrow these."""
    if not {"person", "number", "debt", "account"} & {*rule.key}:
        raise ValueError(f"key names only {_listed(rule.key)}; accepted: person, debt or number, with others beside it")
    return rule


def _from_each_event(rule: CountingRule, period: Period) -> CountingRule:
    if period.type == "anchored_first":
        raise ValueError("period anchored_first is for caps, a pause runs from its event; accepted: rolling_elapsed")
    return rule


def _whose(key: Iterable[str]) -> str:
    words = {"person": "person", "debt": "debt", "account": "account", "number": "number", "campaign": "campaign"}
    named = [words[one] for one in key if one in words]
    return f" a {' and '.join(named)}" if named else ""


class Cap(RuleBase):
    """At most `max` contacts that show one of the events of `count`, on the channels counted, in a period."""

    kind: Literal["cap"]
    """How many contacts at most."""
    max: Annotated[Whole, Field(ge=1)]
    """So many contacts."""
    period: Period
    """In this time."""
    count: Annotated[tuple[CountedEvent, ...], Field(min_length=1)]
    """What counts as a contact: one that shows any of these events."""
    count_channels: tuple[ContactChannel, ...] = ()
    """Over which channels contacts count. Without it: the rule's own channels."""
    armed_by: CountedEvent | None = None
    """The rule holds from the first such event on, and counts nothing before it. Without it: it always holds."""

    @model_validator(mode="after")
    def _counts_somebody(self) -> Self:
        return _of_somebody(self)

    @property
    def says(self) -> str:
        """The rule in words."""
        many = f"{self.contact}{'s' if self.max > 1 else ''}"
        since = f", from the first {_listed([self.armed_by])} on" if self.armed_by else ""
        over = f", over {', '.join(self.count_channels)}" if {*self.count_channels} - {*self.channels} else ""
        return f"at most {self.max} {many} ({_listed(self.count)}){_whose(self.key)} in {self.period}{over}{since}"

    @property
    def limit(self) -> Limit:
        channels = self.count_channels or self.channels
        return Limit(
            self.id, self.max, self.period, counted(self.count, channels, "inbound" in self.count),
            frozenset(self.key), frozenset(self.pool),
            counted((self.armed_by,), ("voice", "sms", "letter", "visit"), True) if self.armed_by else frozenset(),
        )  # fmt: skip


class After(Strict):
    """What a cool-off follows."""

    event: CountedEvent
    """What happened."""
    direction: Literal["any", "outbound"] = "any"
    """Whoever began it, or only what the lender's side began."""
    channels: tuple[ContactChannel, ...] = ()
    """Over which channels. Without it: the rule's own."""


class Cooloff(RuleBase):
    """No contact on the rule's channels for a period after an event."""

    kind: Literal["cooloff"]
    """A pause after an event."""
    after: After
    """The event."""
    period: Period
    """How long the pause is, from the event on."""
    required: bool = False
    """The event has to have happened: before it there is no contact at all, such as a written notice."""

    @model_validator(mode="after")
    def _counts_somebody(self) -> Self:
        return _of_somebody(self)

    @model_validator(mode="after")
    def _runs_from_its_event(self) -> Self:
        return _from_each_event(self, self.period)

    @model_validator(mode="after")
    def _requires_what_is_recorded(self) -> Self:
        if self.required and self.after.event != "notice":
            raise ValueError('required is for after.event = "notice"; accepted: that, or required = false')
        return self

    @property
    def says(self) -> str:
        """The rule in words."""
        event = _listed([self.after.event])
        if self.required:
            return f"no {self.contact} before a {event} and {self.period} after it"
        return f"no {self.contact} within {self.period} after one ({event})"

    @property
    def limit(self) -> Limit:
        channels: tuple[str, ...] = self.after.channels or self.channels
        if self.required:
            channels = ("letter", "sms", "voice", "visit")
        shown = counted((self.after.event,), channels, self.after.direction == "any")
        return Limit(
            self.id, 1, self.period, shown, frozenset(self.key), frozenset(self.pool), is_required=self.required
        )  # fmt: skip


class ExclusiveChannel(RuleBase):
    """For a period after an event, only the channel it happened on may be used."""

    kind: Literal["exclusive_channel"]
    """One channel at a time."""
    after: After
    """The event."""
    period: Period
    """How long the other channels are closed."""

    @model_validator(mode="after")
    def _counts_somebody(self) -> Self:
        return _of_somebody(self)

    @model_validator(mode="after")
    def _runs_from_its_event(self) -> Self:
        return _from_each_event(self, self.period)

    @property
    def says(self) -> str:
        """The rule in words."""
        return f"only the channel of the last {_listed([self.after.event])} for {self.period}"

    @property
    def limit(self) -> Limit:
        shown = counted((self.after.event,), self.after.channels or ("voice", "sms"), self.after.direction == "any")
        return Limit(
            self.id, 1, self.period, shown, frozenset(self.key), frozenset(self.pool), other_channels=True
        )  # fmt: skip


class Party(RuleBase):
    """Who may be contacted at all."""

    kind: Literal["party"]
    """Who may be contacted."""
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    """These, and nobody else."""

    @property
    def says(self) -> str:
        """The rule in words."""
        return f"{self.contact}s only to the {' or the '.join(self.roles)}"


class Consent(RuleBase):
    """Contact needs the person's consent: the lender's file says `yes` for the channel, or an agreement holds."""

    kind: Literal["consent"]
    """No contact without consent."""

    @property
    def says(self) -> str:
        """The rule in words."""
        to = f" to a {' or '.join(self.line_type)} number" if self.line_type else ""
        return f"no {self.contact}{to} without the person's express consent"


class OptOut(RuleBase):
    """Every contact offers a way to stop all of them; these words of a reply mean it."""

    kind: Literal["optout"]
    """A way to stop is offered."""
    words: tuple[Text, ...] = ()
    """Texts that mean "stop" here, beside those known everywhere."""
    offered: bool = True
    """Whether every message names a stop word, and every call a key that stops."""

    @property
    def says(self) -> str:
        """The rule in words."""
        return f"every {self.contact} offers a way to stop" if self.offered else "these words of a reply mean stop"


class Content(RuleBase):
    """What has to be said, and what must not be said, looked at in the text as the person gets it."""

    kind: Literal["content"]
    """What has to be said, and what must not be."""
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]
    """Of what: the first words of a call, a message, or what is left on a machine."""
    says_all: tuple[Said, ...] = ()
    """What the text must name: the lender, the lender's phone, the person …"""
    begins: tuple[Said, ...] = ()
    """What the text must name among its first 100 characters."""
    forbids: tuple[Said, ...] = ()
    """What the text must not name."""
    texts: dict[str, Text] = Field({})
    """The limited message left on a machine, by language (`en`, `es` …): it takes the place of the script's own, and in
    a language that is missing here nothing is left."""

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not (self.says_all or self.begins or self.forbids or self.texts):
            raise ValueError("asks for nothing; accepted: says_all, begins, forbids or texts")
        if both := {*self.says_all, *self.begins} & {*self.forbids}:
            raise ValueError(f"demands and forbids {', '.join(sorted(both))}; accepted: one of the two")
        if self.texts and self.parts != ("voicemail",):
            raise ValueError('texts are for machines; accepted: parts = ["voicemail"] beside them')
        if self.parts == ("voicemail",) and not self.texts:
            raise ValueError("is about machines and has no texts; accepted: texts, by language")
        for language, text in self.texts.items():
            wrong = template_faults(text) or [name for name, _ in template_names(text) if name not in ON_MACHINES]
            if wrong:
                told = "a text with braces that don't match or names that are not known"
                told = told if template_faults(text) else f"tells {{{wrong[0]}}} to a machine"
                raise ValueError(f"texts.{language}: {told}; accepted: {{lender}} and {{lender_phone}} alone")
        return self

    @property
    def says(self) -> str:
        """The rule in words."""
        told = []
        if self.says_all:
            told.append(f"names {_listed(self.says_all, 'and')}")
        if self.begins:
            told.append(f"begins with {_listed(self.begins, 'and')}")
        if self.forbids:
            told.append(f"does not tell {_listed(self.forbids)}")
        if self.texts:
            told.append("is the pack's limited message or nothing")
        return f"every {' and '.join(self.parts)} {', '.join(told)}"


class Ring(RuleBase):
    """A call rings at least so long before it is given up."""

    kind: Literal["ring"]
    """How long it rings at least."""
    min_s: Annotated[Whole, Field(ge=1, le=120)]
    """In seconds; the line's `ring_timeout` must be at least this."""

    @property
    def says(self) -> str:
        """The rule in words."""
        return f"a call rings at least {self.min_s} s"


class NumberCheck(RuleBase):
    """The number was looked up in a register of reassigned numbers lately."""

    kind: Literal["number_check"]
    """The number was looked up lately."""
    max_age_days: Annotated[Whole, Field(ge=1)]
    """At most so many days ago; the lender's file says when (`number_checked_on`)."""

    @property
    def says(self) -> str:
        """The rule in words."""
        return f"no {self.contact} to a number that was not looked up in the last {self.max_age_days} days"


class Ratio(RuleBase):
    """At most a share of a campaign's answered calls is abandoned: nobody spoke to who had answered."""

    kind: Literal["ratio"]
    """At most a share of calls."""
    max_percent: Annotated[Decimal, Field(gt=0, lt=100)]
    """Of the calls that a person answered; machines are not counted."""
    days: Annotated[Whole, Field(ge=1)]
    """Counted over so many days back."""

    @property
    def says(self) -> str:
        """The rule in words."""
        return f"at most {self.max_percent}% of a campaign's answered calls abandoned in {self.days} days"


class Retention(RuleBase):
    """How long records are kept at least: `dialer purge` never erases younger ones."""

    kind: Literal["retention"]
    """How long records are kept."""
    keep_days: Annotated[Whole, Field(ge=1)]
    """So many days at least."""

    @property
    def says(self) -> str:
        """The rule in words."""
        return f"records are kept {self.keep_days} days at least"


Counting = Cap | Cooloff | ExclusiveChannel
Demand = Party | Consent | OptOut | Content | Ring | NumberCheck | Ratio
AnyRule = Window | Counting | Demand | Retention
Rule = Annotated[AnyRule, Field(discriminator="kind")]


class Pack(Strict):
    """One jurisdiction's rules, a carrier's limits, or the house's own: a file of `config/rules`."""

    name: Text
    """The file's name without .toml, by which campaigns and settings know it; may be left out."""
    rules: Annotated[tuple[Rule, ...], Field(min_length=1, validation_alias=AliasChoices("rules", "rule"))]
    """Each of its rules: `[[rule]]`."""

    @model_validator(mode="after")
    def _does_not_contradict_itself(self) -> Self:
        from campaigns.contradictions import contradictions  # which is about these classes

        found: list[InitErrorDetails] = [
            {
                "type": "value_error",
                "loc": ("rules", one.rule, one.field),
                "input": None,
                "ctx": {"error": ValueError(f"{one.wrong}; {one.accepted}")},
            }
            for one in contradictions(self.rules)
        ]
        if found:
            # Raised this way each one keeps its place in the file.
            raise ValidationError.from_exception_data("Pack", found)
        return self
