"""The campaign file's schema. `Campaign.model_validate(data)` checks shapes; `campaigns.problems` checks meaning.

`data` is what tomllib reads. Whatever a validator here refuses it says as ValueError("what is wrong; what is
accepted"); a `description` says what is accepted where the type alone does not. The docstring of a field says what it
means: `dialer schema campaign` hands it to editors.
Source of the rules: interface.md, "The campaign file".
"""

import re
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from campaigns.model import Channel, Disposition, Outcome

T = TypeVar("T")
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
KEYS = "0123456789*#"


def read_duration(value: object) -> timedelta:
    """`"30s" "10m" "2h" "1d"`, longer than nothing, at most 366 days. Raises ValueError."""
    if isinstance(value, timedelta):
        return value
    found = re.fullmatch(r"([0-9]{1,8})([smhd])", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("is not a duration")
    duration = timedelta(seconds=int(found[1]) * UNITS_S[found[2]])
    if not timedelta(0) < duration <= timedelta(days=366):
        raise ValueError("is not a duration from 1 second to 366 days")
    return duration


def read_wall_time(value: object) -> time:
    """`"09:30"`. Raises ValueError."""
    if isinstance(value, time) and not value.second:
        return value
    if not isinstance(value, str) or not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value):
        raise ValueError("is not a time of day")
    return time.fromisoformat(value)


def read_money(value: object) -> Decimal:
    """`"0.01"`: exact, so never a TOML number. Raises ValueError."""
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,4})?", value):
        raise ValueError("is not an amount of money")
    return Decimal(value)


def _forward(window: tuple[time, time]) -> tuple[time, time]:
    if window[0] >= window[1]:
        raise ValueError(
            f"runs from {window[0]:%H:%M} to {window[1]:%H:%M}, which is not forward within one day; "
            "accepted: a later second time, at most 23:59"
        )
    return window


def _once(items: tuple[T, ...]) -> tuple[T, ...]:
    if twice := [item for number, item in enumerate(items) if item in items[:number]]:
        raise ValueError(f"names {twice[0]} twice; accepted: each once")
    return items


def _stop_word(value: object) -> object:
    if value == "paid" or value in [*Outcome]:
        return value
    raise ValueError(f"is no outcome; accepted: paid, {', '.join(Outcome)}")


def _pause(value: object) -> object:
    try:
        return value if value == "promise" else read_duration(value)
    except ValueError as error:
        raise ValueError(f'{error}; accepted: a duration such as "24h", or "promise"') from None


def _key(value: str) -> str:
    if len(value) != 1 or value not in KEYS:
        raise ValueError("is no key of a telephone; accepted: 0 to 9, * and #")
    return value


def _written(pattern: str, *examples: str, told: str) -> WithJsonSchema:
    """How a value is written in the file, for the JSON Schema: its reader makes something else of the text."""
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [*examples], "description": told})


ONCE = Field(min_length=1, json_schema_extra={"uniqueItems": True})
"""A list that is not empty and names each item once; goes with `_once`."""

Count = Annotated[int, Field(strict=True, ge=0, le=1000)]
Flag = Annotated[bool, Field(strict=True)]
Day = Annotated[date, Field(strict=True)]
Name = Annotated[str, Field(min_length=1, max_length=64)]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Money = Annotated[
    Decimal,
    BeforeValidator(read_money),
    _written(r"^[0-9]{1,12}(\.[0-9]{1,4})?$", "0.01", "1200.00", told='an amount in quotes, such as "1200.00"'),
]
Duration = Annotated[
    timedelta,
    BeforeValidator(read_duration),
    _written("^0*[1-9][0-9]*[smhd]$", "10m", "24h", told='a duration such as "30s", "10m", "2h" or "1d"'),
]
WallTime = Annotated[
    time,
    BeforeValidator(read_wall_time),
    # TOML's own time, 09:30:00 without quotes, reaches an editor's checker as text.
    _written("^([01][0-9]|2[0-3]):[0-5][0-9](:00)?$", "09:30", told='a time such as "09:30"'),
]
Window = Annotated[
    tuple[WallTime, WallTime], AfterValidator(_forward), Field(description='a pair such as ["09:30", "11:30"]')
]
Windows = Annotated[tuple[Window, ...], Field(min_length=1)]
StopWord = Annotated[Outcome | Literal["paid"], BeforeValidator(_stop_word)]
Pause = Annotated[Duration | Literal["promise"], BeforeValidator(_pause)]
PromiseWord = Annotated[str, Field(pattern=r"^(\+[0-9]{1,2}d|due)$", description='"+1d" (days from the call) or "due"')]
Key = Annotated[str, AfterValidator(_key), _written("^[0-9*#]$", "1", told="a key of the telephone")]


class Strict(BaseModel):
    """A table of the file: no key that is not known, and frozen once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Audience(Strict):
    """Which installments and days. Dates bound the due dates, `skip` and `weekdays` the days of contact."""

    due_days: Annotated[tuple[Annotated[int, Field(strict=True, ge=1, le=31)], ...], ONCE, AfterValidator(_once)]
    """Days of the month on which installments fall due. 30 means the last day where the month is shorter."""
    min_amount: Money = Decimal("0.01")
    """Installments of which less than this is still unpaid are left alone."""
    from_: Day | None = Field(None, alias="from")
    """The first due date of the campaign. Without it: from the launch on."""
    until: Day | None = None
    """The last due date, included. Without it: until the campaign is cancelled."""
    skip: Annotated[tuple[Day, ...], Field(min_length=1)] = ()
    """Dates on which nobody is contacted, such as holidays."""
    weekdays: Annotated[tuple[Weekday, ...], ONCE, AfterValidator(_once)] = ()
    """Days of the week on which people are contacted. Without it: every day."""
    combine: Flag = False
    """One call about all accounts of a person that fall due on the same day; scripts and messages then need
    `say_many` and `text_many`."""

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.from_ and self.until and self.from_ > self.until:
            raise ValueError(f"from {self.from_} is after until {self.until}; accepted: from on or before until")
        return self


class LineChoice(Strict):
    """Names of lines in the settings, in order of preference."""

    voice: Annotated[tuple[Name, ...], ONCE, AfterValidator(_once)] = ()
    """The lines that calls take."""
    sms: Annotated[tuple[Name, ...], ONCE, AfterValidator(_once)] = ()
    """The lines that messages take."""


class Stop(Strict):
    """What ends, and what pauses, the rest of the rounds."""

    on: Annotated[tuple[StopWord, ...], ONCE, AfterValidator(_once)] = ()
    """Outcomes that end the rest of the rounds; `paid`: the installment is paid in full."""
    pause: dict[Outcome, Pause] = {}
    """Outcome → how long no round is made; `promise`: until the promised date has passed."""


class Late(Strict):
    """The late count in the `months` before the due date, both bounds included."""

    months: Annotated[int, Field(strict=True, ge=1, le=120)]
    """How many calendar months before the due date are looked at."""
    min: Count = 0
    """So many installments, at least, were paid late or are open past their due date."""
    max: Count | None = None
    """At most so many. Without it: no upper bound."""

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}; accepted: min at most max")
        return self


class Retry(Strict):
    """The same again, `after` the end of a call that ended so, at most `max` times for all causes together."""

    on: Annotated[tuple[Disposition, ...], ONCE, AfterValidator(_once)]
    """Dispositions (how the call ended) after which it is tried again."""
    after: Duration
    """How long after the end of the call."""
    max: Count = 1
    """How many times at most, for all causes together."""


class Content(Strict):
    """What is said or sent: a call has a script, a message a message."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"channel": {"const": "voice"}}},
            "then": {"required": ["script"], "not": {"required": ["message"]}},
            "else": {"required": ["message"], "not": {"required": ["script"]}},
        }
    )

    channel: Channel
    """`voice`: a call, which needs a `script`. `sms`: a text message, which needs a `message`."""
    script: Name | None = None
    """The name of a script of this file: `[script.NAME]`."""
    message: Name | None = None
    """The name of a message of this file: `[message.NAME]`."""

    @property
    def content(self) -> str:
        """The script's or the message's name."""
        return self.script or self.message or ""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        wanted, other = ("script", "message") if self.channel == Channel.VOICE else ("message", "script")
        if getattr(self, wanted) is None or getattr(self, other) is not None:
            given = f"a {other}" if getattr(self, other) else f"no {wanted}"
            raise ValueError(f'is for "{self.channel}" and has {given}; accepted: a {wanted} and no {other}')
        return self


class Otherwise(Content):
    """Another way, once a round, after a call that ended so and is not retried."""

    on: Annotated[tuple[Disposition, ...], ONCE, AfterValidator(_once)]
    """Dispositions (how the call ended) after which this way is taken."""
    after: Duration
    """How long after the end of the call."""


class Rounds(Content):
    """Rounds: each of `days` (beside the due date, 0) with each window of `between` (the person's local time)."""

    days: Annotated[tuple[Annotated[int, Field(strict=True, ge=-60, le=60)], ...], ONCE, AfterValidator(_once)]
    """Days beside the due date: -1 is the day before, 0 the due date itself."""
    between: Windows
    """Windows of the day, in the person's local time; each makes a round of its own on each of `days`."""
    retry: Retry | None = None
    """The same again after a call that did not get through."""
    otherwise: Otherwise | None = None
    """Another way, such as a message, after a call that did not get through and is not retried."""


class Segment(Strict):
    """A named selection of accounts with its rounds. Without `late` it takes every account."""

    name: Name
    """How reports name it, such as "A"."""
    late: Late | None = None
    """Which accounts it takes, by how often they paid late. The first segment that matches takes the account."""
    priority: Annotated[int, Field(strict=True, ge=-1000, le=1000)] = 0
    """When a line has not enough room, the higher goes first."""
    rounds: Annotated[tuple[Rounds, ...], Field(min_length=1)]
    """When and how these accounts are contacted."""


class Message(Strict):
    """A text message; `text_many` is for several accounts of one person."""

    text: Text
    """What is sent. Filled in: {name} {lender} {lender_phone} {due_on} {amount} {pay_to} {days}."""
    text_many: Text | None = None
    """The same for several accounts of one person: {count} of them, {amount} is their sum."""
    neutral: Flag = False
    """Whoever else reads it learns nothing: {due_on} {amount} {pay_to} {count} {days} are not accepted in the texts,
    and no essentials are asked for."""
    essentials: Flag = True
    """Whether due date, amount and account to pay into must all be in the text. Nothing to a neutral one."""


class Silent(Strict):
    """Say the step again `repeat` times, then go to the step `then`; without one, hang up."""

    repeat: Annotated[int, Field(strict=True, ge=0, le=9)] = 1
    """How many times the step is said again."""
    then: Name | None = None
    """The step that follows. Without it the call ends, outcome `reached`."""


class Step(Strict):
    """One step of a script: what is said, and what follows."""

    say: Annotated[str, Field(max_length=2000)] = ""
    """What is said. Filled in: {name} {lender} {lender_phone} {due_on} {amount} {pay_to} {days}."""
    say_many: Text | None = None
    """The same for several accounts of one person: {count} of them, {amount} is their sum."""
    keys: dict[Key, Name] = {}
    """Key of the telephone → the step that follows."""
    silent: Silent | None = None
    """What follows when no key is pressed. Without it: once more, then the call ends."""
    wrong: Silent | None = None
    """What follows a key that leads nowhere. Without it: once more, then the call ends."""
    verify: Name | None = None
    """The step that is reached when the person has said who they are: with key 1, or with `digits`."""
    digits: Literal[4] | None = None
    """Asks for so many digits in place of a key: only those of the column `verify` in accounts.csv lead to the step
    `verify`. Whoever has none there, and whoever is wrong more often than `wrong` says, goes on to `wrong.then`."""
    transfer: Name | None = None
    """The person is put through to this name under [transfers] in the settings."""
    outcome: Outcome | None = None
    """What the call then means: the answer that this step records."""
    promise: PromiseWord | None = None
    """The day on which the person says they will pay."""


class Script(Strict):
    """A call's dialogue."""

    language: Name
    """The language it is spoken in, such as "zh-CN" or "en"."""
    first: Name
    """The step with which the call begins."""
    voicemail: Text | None = None
    """What is said to a machine, where the rule packs have no text for it. Nothing of the debt: anybody may play it."""
    essentials: Flag = True
    """Whether due date, amount and account to pay into must all be in the first step; in a script with `verify`, in
    the step that it leads to."""
    step: Annotated[dict[Name, Step], Field(min_length=1)]
    """The steps, each under its name: `[script.NAME.step.STEP]`."""


class Campaign(Strict):
    """Why, whom, when, how often: the whole file, frozen at launch."""

    format: Literal[1]
    """The version of this form of file."""
    name: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$",
            description="letters, digits and - _ . , at most 64, the first a letter or digit",
        ),
    ]
    """What commands and reports call it. A changed file with the same name is a new version of the same campaign."""
    title: Annotated[str, Field(max_length=200)] = ""
    """The same for people, in their language."""
    packs: Annotated[tuple[Name, ...], ONCE, AfterValidator(_once)] = ()
    """Rule packs that bind it beside the house's own; merged, the strictest holds."""
    audience: Audience
    """Which installments are reminded of, and on which days."""
    lines: LineChoice
    """The ways out, by name."""
    stop: Stop = Stop()
    """What ends and what pauses the rest of the rounds."""
    segment: Annotated[tuple[Segment, ...], Field(min_length=1)]
    """Who gets which rounds. Segments are tried in order."""
    message: dict[Name, Message] = {}
    """Text messages, each under its name."""
    script: dict[Name, Script] = {}
    """Dialogues of calls, each under its name."""
