"""The campaign file's schema. `Campaign.model_validate(data)` checks shapes; `campaigns.problems` checks meaning.

`data` is what tomllib reads. Whatever a validator here refuses it says as ValueError("what is wrong; what is
accepted"); a `description` says what is accepted where the type alone does not.
Source of the rules: interface.md, "The campaign file".
"""

import re
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

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


Count = Annotated[int, Field(strict=True, ge=0, le=1000)]
Flag = Annotated[bool, Field(strict=True)]
Day = Annotated[date, Field(strict=True)]
Name = Annotated[str, Field(min_length=1, max_length=64)]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Money = Annotated[Decimal, BeforeValidator(read_money), Field(description='an amount in quotes, such as "1200.00"')]
Duration = Annotated[
    timedelta, BeforeValidator(read_duration), Field(description='a duration such as "30s", "10m", "2h" or "1d"')
]
WallTime = Annotated[time, BeforeValidator(read_wall_time), Field(description='a time such as "09:30"')]
Window = Annotated[
    tuple[WallTime, WallTime], AfterValidator(_forward), Field(description='a pair such as ["09:30", "11:30"]')
]
Windows = Annotated[tuple[Window, ...], Field(min_length=1)]
StopWord = Annotated[Outcome | Literal["paid"], BeforeValidator(_stop_word)]
Pause = Annotated[timedelta | Literal["promise"], BeforeValidator(_pause)]
PromiseWord = Annotated[str, Field(pattern=r"^(\+[0-9]{1,2}d|due)$", description='"+1d" (days from the call) or "due"')]
Key = Annotated[str, AfterValidator(_key)]


class Strict(BaseModel):
    """A table of the file: no key that is not known, and frozen once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Audience(Strict):
    """Which installments and days. Dates bound the due dates, `skip` and `weekdays` the days of contact."""

    due_days: Annotated[
        tuple[Annotated[int, Field(strict=True, ge=1, le=31)], ...], Field(min_length=1), AfterValidator(_once)
    ]
    """30 means the month's last day where the month is shorter."""
    min_amount: Money = Decimal("0.01")
    """Of what is still unpaid."""
    from_: Day | None = Field(None, alias="from")
    until: Day | None = None
    """Included."""
    skip: Annotated[tuple[Day, ...], Field(min_length=1)] = ()
    weekdays: Annotated[tuple[Weekday, ...], Field(min_length=1), AfterValidator(_once)] = ()
    """Empty: every day."""
    combine: Flag = False

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.from_ and self.until and self.from_ > self.until:
            raise ValueError(f"from {self.from_} is after until {self.until}; accepted: from on or before until")
        return self


class LineChoice(Strict):
    """Names of lines in the settings, in order of preference."""

    voice: Annotated[tuple[Name, ...], Field(min_length=1), AfterValidator(_once)] = ()
    sms: Annotated[tuple[Name, ...], Field(min_length=1), AfterValidator(_once)] = ()


class Stop(Strict):
    """What ends, and what pauses, the rest of the rounds."""

    on: Annotated[tuple[StopWord, ...], Field(min_length=1), AfterValidator(_once)] = ()
    pause: dict[Outcome, Pause] = {}
    """`promise`: until the promised date has passed."""


class Late(Strict):
    """The late count in the `months` before the due date, both bounds included."""

    months: Annotated[int, Field(strict=True, ge=1, le=120)]
    min: Count = 0
    max: Count | None = None

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}; accepted: min at most max")
        return self


class Retry(Strict):
    """The same again, `after` the end of a call that ended so, at most `max` times for all causes together."""

    on: Annotated[tuple[Disposition, ...], Field(min_length=1), AfterValidator(_once)]
    after: Duration
    max: Count = 1


class Content(Strict):
    """What is said or sent: a call has a script, a message a message."""

    channel: Channel
    script: Name | None = None
    message: Name | None = None

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

    on: Annotated[tuple[Disposition, ...], Field(min_length=1), AfterValidator(_once)]
    after: Duration


class Rounds(Content):
    """Rounds: each of `days` (beside the due date, 0) with each window of `between` (the person's local time)."""

    days: Annotated[
        tuple[Annotated[int, Field(strict=True, ge=-60, le=60)], ...], Field(min_length=1), AfterValidator(_once)
    ]
    between: Windows
    retry: Retry | None = None
    otherwise: Otherwise | None = None


class Segment(Strict):
    """A named selection of accounts with its rounds. Without `late` it takes every account."""

    name: Name
    late: Late | None = None
    priority: Annotated[int, Field(strict=True, ge=-1000, le=1000)] = 0
    """When a line has not enough room, the higher goes first."""
    rounds: Annotated[tuple[Rounds, ...], Field(min_length=1)]


class Message(Strict):
    """A text message; `text_many` is for several accounts of one person."""

    text: Text
    text_many: Text | None = None
    essentials: Flag = True
    """False: date, amount and account may be missing."""


class Silent(Strict):
    """Say the step again `repeat` times, then go to the step `then`; without one, hang up."""

    repeat: Annotated[int, Field(strict=True, ge=0, le=9)] = 1
    then: Name | None = None


class Step(Strict):
    """One step of a script: what is said, and what follows."""

    say: Annotated[str, Field(max_length=2000)] = ""
    say_many: Text | None = None
    keys: dict[Key, Name] = {}
    """Key → step."""
    silent: Silent | None = None
    wrong: Silent | None = None
    """After a key that leads nowhere."""
    verify: Name | None = None
    """The step that is reached when the person has said who they are."""
    transfer: Name | None = None
    """A name under [transfers] in the settings."""
    outcome: Outcome | None = None
    promise: PromiseWord | None = None
    """The day on which the person says they will pay."""


class Script(Strict):
    """A call's dialogue."""

    language: Name
    first: Name
    voicemail: Text | None = None
    essentials: Flag = True
    """False: the first step may leave out date, amount and account."""
    step: Annotated[dict[Name, Step], Field(min_length=1)]


class Campaign(Strict):
    """Why, whom, when, how often: the whole file, frozen at launch."""

    format: Literal[1]
    name: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$",
            description="letters, digits and - _ . , at most 64, the first a letter or digit",
        ),
    ]
    title: Annotated[str, Field(max_length=200)] = ""
    packs: Annotated[tuple[Name, ...], Field(min_length=1), AfterValidator(_once)] = ()
    audience: Audience
    lines: LineChoice
    stop: Stop = Stop()
    segment: Annotated[tuple[Segment, ...], Field(min_length=1)]
    message: dict[Name, Message] = {}
    script: dict[Name, Script] = {}
