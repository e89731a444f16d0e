"""What the calls and messages of the stand-in for Twilio share: signatures, callbacks, held stages, faults."""

import asyncio
import base64
import hmac
import itertools
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlencode

import httpx

from tests.support.twilio_script import Act, Trouble

Delivery = Literal["in_order", "early", "late", "twice", "reversed", "dropped", "forged"]
API = "2010-04-01"
STAGES = {"queued", "initiated", "ringing", "in-progress", "amd", "gather", "dial", "sent"}


def rfc2822(at: datetime | None) -> str | None:
    """A date as Twilio writes it."""
    return None if at is None else f"{at.astimezone(UTC):%a, %d %b %Y %H:%M:%S} +0000"


def signature(token: str, url: str, form: Mapping[str, str]) -> str:
    """X-Twilio-Signature: HMAC-SHA1 over the URL and each field's name and value, by name."""
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), "sha1").digest()).decode()


@dataclass(frozen=True, slots=True)
class Fault:
    """Something Twilio would have rejected or logged as an error."""

    code: int
    said: str
    sid: str = ""


@dataclass(slots=True)
class Sent:
    """One request to the other side's hooks. `status` 0: not (yet) sent, or no answer came; `error` says why."""

    url: str
    form: dict[str, str]
    method: str = "POST"
    status: int = 0
    body: str = ""
    content_type: str = ""
    error: str = ""
    times: int = 0

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Said:
    """One Say as it was heard."""

    text: str
    language: str
    voice: str


@dataclass(slots=True, kw_only=True)
class Record:
    """What a call and a message have in common. `form` is how it was created."""

    sid: str
    to: str
    from_: str
    form: dict[str, str]
    act: Act
    created_at: datetime
    updated_at: datetime
    status: str = "queued"
    stage: str = "queued"
    """Where it stands in detail; what `hold` holds."""
    direction: str = "outbound-api"
    callbacks: list[Sent] = field(default_factory=list)
    kept: list[Sent] = field(default_factory=list)
    """Callbacks of the policy "reversed", until the end."""
    interrupted: asyncio.Event = field(default_factory=asyncio.Event)
    parked: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, kw_only=True)
class Call(Record):
    events: frozenset[str] = frozenset({"completed"})
    said: list[Said] = field(default_factory=list)
    played: list[str] = field(default_factory=list)
    pressed: list[str] = field(default_factory=list)
    """What was pressed at each Gather."""
    dialed: list[str] = field(default_factory=list)
    documents: list[Sent] = field(default_factory=list)
    """Every document that was fetched."""
    answered_by: str = ""
    started_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    talk_s: float = 0.0
    """How long the talk would have lasted: nothing really waits."""
    sequence: int = 0
    sip: int = 0
    redirect: tuple[str, str, str] | None = None
    """From a POST to the call: URL, method, TwiML."""
    is_ended_by_api: bool = False


@dataclass(slots=True, kw_only=True)
class Message(Record):
    body: str
    sent_at: datetime | None = None
    error_code: int = 0


class Hold:
    """Whoever comes to the stage stays there until `release()`, or until a call is ended by the API."""

    def __init__(self, stage: str, to: str = "") -> None:
        self.stage, self.to = stage, to
        self.inside: list[Record] = []
        self._open = asyncio.Event()
        self._arrival = asyncio.Event()

    def release(self) -> None:
        self._open.set()

    async def reached(self, count: int = 1, timeout_s: float = 5.0) -> None:
        """Waits until so many have come here."""
        async with asyncio.timeout(timeout_s):
            while len(self.inside) < count:
                self._arrival.clear()
                await self._arrival.wait()

    async def wait(self, record: Record) -> None:
        if self._open.is_set() or self.to not in ("", record.to):
            return
        self.inside.append(record)
        self._arrival.set()
        record.parked.set()
        await first(self._open.wait(), record.interrupted.wait())
        record.parked.clear()


async def first(*waits: "asyncio.Future[None] | Coroutine[Any, Any, object]", timeout_s: float | None = None) -> None:
    """Returns when the first of them is done; coroutines that are not are cancelled, tasks go on."""
    own: list[asyncio.Future[Any]] = [
        asyncio.create_task(each) for each in waits if not isinstance(each, asyncio.Future)
    ]
    given: list[asyncio.Future[Any]] = [each for each in waits if isinstance(each, asyncio.Future)]
    try:
        await asyncio.wait([*own, *given], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in own:
            each.cancel()


class Office:
    """State and services. The tests see it as `TwilioPeer`."""

    def __init__(self, account_sid: str, auth_token: str, now: Callable[[], datetime] | None = None) -> None:
        self.account_sid, self.auth_token = account_sid, auth_token
        self.now = now or (lambda: datetime.now(UTC))
        self.callbacks: Delivery = "in_order"
        """How status callbacks are delivered from now on; documents are always fetched."""
        self.faults: list[Fault] = []
        self.sent: list[Sent] = []
        """Every status callback, in the order in which they came about, delivered or not."""
        self.calls: dict[str, Call] = {}
        self.messages: dict[str, Message] = {}
        self.troubles: list[Trouble] = []
        self.webhook_timeout_s = 15.0
        self._late: list[Sent] = []
        self._holds: list[Hold] = []
        self._reroutes: list[tuple[str, str]] = []
        self._numbers = itertools.count(1)
        self.client: httpx.AsyncClient | None = None

    def new_sid(self, prefix: str) -> str:
        return f"{prefix}{next(self._numbers):032x}"

    def fault(self, code: int, said: str, sid: str = "") -> None:
        self.faults.append(Fault(code, said, sid))

    def hold(self, stage: str, to: str = "") -> Hold:
        """Calls (and messages: queued, sent) stay in this one of the `STAGES`. See `Hold`."""
        if stage not in STAGES:
            raise ValueError(f"{stage!r} is none of {sorted(STAGES)}")
        self._holds.append(Hold(stage, to))
        return self._holds[-1]

    def reroute(self, public: str, to: str) -> None:
        """Hooks below `public` are signed as they were given and delivered to `to`."""
        self._reroutes.append((public, to))

    async def stay(self, record: Record, stage: str) -> None:
        record.stage, record.updated_at = stage, self.now()
        for hold in [each for each in self._holds if each.stage == stage]:
            await hold.wait(record)

    async def fetch(self, url: str, form: Mapping[str, str], method: str = "POST", forged: bool = False) -> Sent:
        """Asks the other side, signed; what came back, or why nothing did."""
        sent = Sent(url, dict(form), method)
        await self.deliver(sent, forged)
        return sent

    async def deliver(self, sent: Sent, forged: bool = False) -> None:
        assert self.client is not None, "use it as `async with TwilioPeer(...)`"
        url, body = sent.url, ""
        if sent.method == "GET":
            url += ("&" if "?" in url else "?") + urlencode(sent.form)
        else:
            body = urlencode(sent.form)
        token = "someone else's token" if forged else self.auth_token
        headers = {
            "X-Twilio-Signature": signature(token, url, sent.form if body else {}),
            "I-Twilio-Idempotency-Token": self.new_sid("IT"),
            "User-Agent": "TwilioProxy/1.1",
        }
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
        for public, local in self._reroutes:
            url = local + url.removeprefix(public) if url.startswith(public) else url
        timeout = httpx.Timeout(self.webhook_timeout_s, pool=None)
        sent.times += 1
        try:
            reply = await self.client.request(sent.method, url, content=body, headers=headers, timeout=timeout)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            sent.status, sent.error = 0, f"{type(error).__name__} {error}"
            return
        sent.status, sent.body = reply.status_code, reply.text
        sent.content_type = reply.headers.get("content-type", "")

    async def callback(self, record: Record, url: str, form: Mapping[str, str], method: str = "POST") -> None:
        """A status callback, as the policy of the moment will have it."""
        sent = Sent(url, dict(form), method)
        record.callbacks.append(sent)
        self.sent.append(sent)
        match self.callbacks:
            case "dropped":
                return
            case "late":
                self._late.append(sent)
            case "reversed":
                record.kept.append(sent)
            case "twice":
                await self._tell(sent, record.sid)
                await self._tell(sent, record.sid)
            case "in_order" | "early":
                await self._tell(sent, record.sid)
            case "forged":
                await self.deliver(sent, forged=True)
            case unknown:
                raise ValueError(f"callbacks = {unknown!r}")

    async def settle(self, record: Record) -> None:
        """At the end: what was kept back goes out, the last first."""
        while record.kept:
            await self._tell(record.kept.pop(), record.sid)

    async def release(self) -> int:
        """Sends what the policy "late" held back, the oldest first; how many."""
        late, self._late = self._late, []
        for sent in late:
            await self._tell(sent)
        return len(late)

    async def _tell(self, sent: Sent, sid: str = "") -> None:
        await self.deliver(sent)
        if not sent.is_good:
            self.fault(11200, f"status callback {sent.url}: {sent.status or sent.error}", sid)
