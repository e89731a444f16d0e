"""All that an adapter author reads: what the engine hands over, what it wants back.

An adapter is one file: a pydantic `Settings`, a class with the methods of `Adapter`, two tables
(provider status → event, provider exception → error), and at its end one exported `Spec`.
It sees no store, no account and no campaign. Rules that hold for every adapter:

- `place` is called at most once per attempt. It never retries by itself and must not let its SDK retry.
- It raises exactly one of three errors, because they decide whether placing again is safe:
  `Unavailable` only if it is proved that nothing was sent, `Refused` if the provider said no,
  `Uncertain` for everything else. Any other exception counts as `Uncertain`.
- Every event carries the attempt's id, or at least the provider's reference.
- `host.record` returns once the events are durable: answer the provider after it, not before.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple, Protocol

from pydantic import BaseModel

ChannelName = Literal["voice", "sms"]
Detection = Literal["off", "detect", "detect-message-end", "asynchronous"]
"""How the provider tells a machine from a human: not at all; before the dialogue begins, once it is sure, or at the
end of a machine's greeting; beside the dialogue, which begins at once."""
RETRY_AFTER_MAX_S = 86_400.0
"""A provider that asks for a longer pause is asked again sooner."""


class Unavailable(Exception):
    """Nothing was sent; placing again is safe. `retry_after_s` in seconds, if the provider said so."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        # A header of the provider, perhaps: what no clock can wait for says nothing.
        is_sane = retry_after_s is not None and 0 <= retry_after_s <= RETRY_AFTER_MAX_S
        self.retry_after_s = retry_after_s if is_sane else None


class Refused(Exception):
    """The provider said no: the attempt ends with this disposition (see `Ended`). `code` is the provider's own.

    `opted_out`: because the person told the provider to stop; that ends contact here as well.
    """

    def __init__(self, disposition: str, code: str = "", opted_out: bool = False) -> None:
        super().__init__(f"{disposition} {code}".strip())
        self.disposition = disposition
        self.code = code
        self.opted_out = opted_out


class Uncertain(Exception):
    """Sent, or perhaps sent, and no answer: the attempt is lost until `find` tells."""


class EventKind(StrEnum):
    """What a provider can report, past tense."""

    ACCEPTED = "accepted"
    RINGING = "ringing"
    ANSWERED = "answered"
    HUMAN_DETECTED = "human_detected"
    MACHINE_DETECTED = "machine_detected"
    KEYED = "keyed"
    TRANSFERRED = "transferred"
    ENDED = "ended"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    REPLIED = "replied"
    """A person's text message to us. Needs `sender` and `text`; belongs to the person, not to an attempt."""


class Event(NamedTuple):
    """One fact from the provider. `at` is aware, UTC, the provider's own time where it tells one.

    `identity` is unique per fact (the provider's own id for it); where the provider has none, leave it
    empty and give `ref`, `sequence`: reference, kind and sequence identify it then.
    `disposition` goes with ENDED and UNDELIVERED: one of `campaigns.model.Disposition`'s words.
    `digits` goes with KEYED, `text` and `sender` (E.164) with REPLIED, `code` is the provider's raw code.
    `talk_s` goes with ENDED: seconds billed.
    """

    kind: EventKind
    at: datetime
    attempt_id: str = ""
    ref: str = ""
    identity: str = ""
    sequence: int = 0
    disposition: str = ""
    digits: str = ""
    step: str = ""
    text: str = ""
    sender: str = ""
    code: str = ""
    talk_s: float = 0.0
    opted_out: bool = False
    """With ENDED and UNDELIVERED: the person told the provider to stop, which ends contact here as well."""


@dataclass(frozen=True, slots=True)
class Order:
    """One call to place or message to send."""

    attempt_id: str
    channel: ChannelName
    to: str
    """E.164."""
    caller: str
    """E.164, or an alphanumeric sender for messages."""
    line: str
    text: str = ""
    """The message's text; for a call the first sentence, for logs of carriers without dialogues."""
    language: str = ""
    ring_timeout_s: float = 30.0
    time_limit_s: float = 300.0
    valid_until: datetime | None = None
    """After this instant the provider must not ring or send."""
    ref: str = ""
    """The provider's reference, known only when the order is handed to `find` or `hang_up` later."""
    placed_at: datetime | None = None
    """When it was handed over; set for `find`."""
    placed_until: datetime | None = None
    """Where that is not known: it was handed over between `placed_at` and this, if at all; for `find`."""
    others: frozenset[str] = frozenset()
    """References of our other orders to this number since about then; for `find` without a reference: it is none of
    these."""
    detection: Detection = "off"
    """How machines are told from humans, for a call."""
    record: bool = False
    """Whether the provider keeps a recording of the call; its dialogue says so first."""
    version: int = 1
    """Of the campaign's frozen file, whose dialogue the call follows."""


class Receipt(NamedTuple):
    """The provider took it. `ref` is its reference. `sent_at`: when the request went out, where the adapter knows: a
    connection may have had to be made first, and the line's pace counts from there."""

    ref: str
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What happened since the last step: the call began, keys, silence, a machine, the transfer's end."""

    what: Literal["start", "keys", "silence", "machine", "transferred"]
    digits: str = ""
    connected: bool = False
    """With `transferred`: an agent took the call."""
    at: datetime | None = None
    number: int | None = None
    """The `number` of the step that it answers, where the provider may ask twice: what was answered already gets the
    same answer again, and nothing moves."""


@dataclass(frozen=True, slots=True)
class Step:
    """One neutral step of the dialogue: say `text`, then gather a key, transfer, or hang up."""

    name: str
    text: str
    then: Literal["gather", "transfer", "hang_up"]
    language: str = ""
    keys: str = ""
    """The keys that are accepted, for `gather`; empty: any."""
    digits: int = 1
    """How many keys make one answer, for `gather`; they are handed over together in one `Heard`."""
    to: str = ""
    """E.164, for `transfer`."""
    silence_s: float = 5.0
    number: int = 0
    """How many things were heard before it."""
    goes_on: bool = False
    """Nothing new: what is being said goes on. Only for a machine that is told of while the dialogue runs."""


@dataclass(frozen=True, slots=True)
class HookRequest:
    """An HTTP request of the provider to our hook, as the web server took it."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class HookReply:
    status: int = 200
    body: str = ""
    content_type: str = "text/plain"


@dataclass(frozen=True, slots=True)
class Proof:
    """One thing that `prove` looked at. `said`: what was found; where it does not hold, what is wrong, what to do."""

    what: str
    holds: bool
    said: str = ""


class Host(Protocol):
    """What the engine offers an adapter."""

    @property
    def public_url(self) -> str:
        """Base of the URLs the provider calls back, without a trailing slash."""

    def now(self) -> datetime:
        """The one clock: aware, UTC."""

    async def sleep_until(self, at: datetime) -> None:
        """Sleeps on the one clock (virtual in simulations)."""

    def start(self, work: Awaitable[None]) -> None:
        """Runs `work` beside the adapter; ended at close, its failure is logged."""

    async def record(self, events: Sequence[Event]) -> None:
        """Returns once the events are durable."""

    async def step(self, attempt_id: str, heard: Heard) -> Step:
        """The dialogue's next step; whatever was heard is durable before it returns."""


class Adapter(Protocol):
    """What the engine wants of an adapter. One instance per settings section, shared by its lines."""

    async def open(self, host: Host) -> None: ...

    async def close(self) -> None: ...

    async def place(self, order: Order) -> Receipt:
        """Hands the order to the provider, once. Raises Unavailable, Refused or Uncertain, nothing else on purpose."""

    async def find(self, order: Order) -> list[Event]:
        """What the provider knows of this attempt: its events up to now, oldest first; empty: not found.

        Raises Unavailable when the provider cannot be asked now."""

    async def hang_up(self, ref: str) -> None:
        """Ends a running call; of one that is over it does nothing."""

    async def hook(self, request: HookRequest) -> HookReply:
        """Answers one callback; only for providers that call back over HTTP. They come below `/hooks/NAME/`."""

    async def prove(self, callers: Mapping[str, frozenset[str]]) -> list[Proof]:
        """For `dialer check --live`, opened, beside a running daemon or without one: whether the provider can be
        reached with these settings, and can reach us. Places nothing. A provider that can't be asked is a proof that
        does not hold, no exception. `callers`: caller id or sender → the channels its lines use it for."""


@dataclass(frozen=True, slots=True)
class Spec:
    """An adapter file's one export."""

    name: str
    channels: frozenset[str]
    receipts: bool
    """Whether messages get delivery receipts; without, a message settles when it is accepted."""
    settings: type[BaseModel]
    build: Callable[[Any], Adapter]
    """Settings → adapter."""
    visibility_delay_s: float = 0.0
    """How long a placed call may stay invisible to `find`."""
    calls_back: bool = False
    """Whether the provider calls our hooks: it has to reach `web.public_url`."""
    extras: Mapping[str, str] = field(default_factory=dict)
