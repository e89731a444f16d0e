"""A stand-in for Twilio on the test's own event loop: REST API, callers who ring and press keys, signed callbacks.

    async with TwilioPeer(SID, TOKEN) as peer:      # REST below peer.base_url
        peer.on("+15005550001").answers(keys=["1"])
        ...                                         # the code under test creates a call
        await peer.idle()
        assert peer.call_to("+15005550001").said[0].text == "Press 1 if it is paid."

Nothing waits for real time: a call goes on as fast as the other side answers, unless a test holds it. What Twilio
would have rejected is kept in `faults`; leaving the block with faults fails, unless `strict=False` or they are cleared.
"""

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Any

import httpx

from tests.support import twilio_call, twilio_message, twilio_rest
from tests.support.twilio_client import Plain
from tests.support.twilio_http import Reply, Request, Server
from tests.support.twilio_office import API, Call, Message, Office, Record, Sent, first, rfc2822
from tests.support.twilio_rest import refusal
from tests.support.twilio_script import Act, Of, Person, Trouble, Where

EARLY_S = 1.0
"""With the policy "early" a create is answered when its call is through, or held, or after this."""


class TwilioPeer(Office):
    """See the module. `hooks`: an httpx transport to the code under test, in place of real connections."""

    def __init__(
        self,
        account_sid: str = "AC" + "0" * 32,
        auth_token: str = "token",
        *,
        now: Callable[[], datetime] | None = None,
        hooks: httpx.AsyncBaseTransport | None = None,
        strict: bool = True,
    ) -> None:
        super().__init__(account_sid, auth_token, now)
        self.strict = strict
        self.requests: list[Request] = []
        """Every REST request that was read."""
        self.keys = {account_sid: auth_token}
        """Whoever may ask: user → password. API keys can be added."""
        self.owned: dict[str, dict[str, bool]] = {}
        """Our numbers and what they can do. Where there are any, no other one may call or write."""
        self.account_status = "active"
        self.is_listing_late = False
        """Lists show nothing yet; asked by their SIDs, calls and messages are there."""
        self.stops: set[tuple[str, str]] = set()
        """Who texted STOP to which number: Twilio refuses messages between them by itself."""
        self.keeps_stops = True
        self._people: dict[str, Person] = {}
        self.everyone = Person("", self.troubles)
        """How those go who have no script of their own: they answer and press nothing."""
        self._server = Server(self._answer, self.now)
        self._hooks = hooks
        self._tasks: dict[asyncio.Task[None], Record] = {}

    async def __aenter__(self) -> "TwilioPeer":
        await self._server.open()
        self.client = httpx.AsyncClient(transport=self._hooks or Plain())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.close()
        if self.client is not None:
            await self.client.aclose()
        if error is None:
            self._raise_own()
            assert not (self.strict and self.faults), f"Twilio would have rejected: {self.faults}"

    @property
    def base_url(self) -> str:
        return self._server.url

    @property
    def unread(self) -> int:
        """How many requests were cut off before they were read."""
        return self._server.unread

    # What a test writes down.

    def on(self, number: str) -> Person:
        """The person with this number, to be scripted."""
        return self._people.setdefault(number, Person(number, self.troubles))

    def own(self, number: str, voice: bool = True, sms: bool = True) -> None:
        """A number of the account."""
        self.owned[number] = {"voice": voice, "sms": sms, "mms": sms, "fax": False}

    def next(
        self,
        status: int = 0,
        code: int = 0,
        message: str = "",
        *,
        of: Of = "creates",
        to: str = "",
        skip: int = 0,
        times: int | None = 1,
        body: str | None = None,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        cut: Where | None = None,
        stall_s: float = 0.0,
        created: bool | None = None,
    ) -> None:
        """What goes wrong with the next request of this kind, after `skip` good ones, `times` times (None: always).

        `cut`: "before_reading" (whatever request comes next), "after_reading", "in_reply". `created`: whether the
        call or message comes about all the same; by default only where the true reply is cut or late."""
        if cut == "before_reading":
            self._server.cut_unread += times or 1_000_000
            return
        if created is None:
            created = cut == "in_reply" or (stall_s > 0 and not status and body is None and cut is None)
        self.troubles.append(
            Trouble(
                of, to, skip, times, status, code, message, body, content_type, headers or {}, cut, stall_s, created
            )
        )

    @asynccontextmanager
    async def unreachable(self) -> AsyncIterator[None]:
        """Within the block the port is closed: connections are refused."""
        await self._server.close()
        try:
            yield
        finally:
            await self._server.open()

    # What a test does and looks at.

    def creates(self, to: str = "") -> list[Request]:
        """The requests that asked for a call or a message."""
        return [each for each in self.requests if "creates" in _kinds(each) and to in ("", each.form.get("To"))]

    def call_to(self, number: str) -> Call:
        """The last call to this number."""
        return [call for call in self.calls.values() if call.to == number][-1]

    def message_to(self, number: str) -> Message:
        return [message for message in self.messages.values() if message.to == number][-1]

    async def text(self, from_: str, to: str, body: str, *, url: str, opt_out_type: str = "") -> Sent:
        """A person writes to one of our numbers; what the hook at `url` answered."""
        word = body.strip().upper()
        if word in twilio_message.STOP:
            self.stops.add((from_, to))
        elif word in twilio_message.START:
            self.stops.discard((from_, to))
        message = self._message(from_, to, body, {}, direction="inbound", status="received")
        return await twilio_message.text(self, message, url, opt_out_type)

    async def idle(self, timeout_s: float = 10.0) -> None:
        """Waits until every call and message is through; fails with what is still open."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._tasks:
                    await asyncio.wait(list(self._tasks))
                    await asyncio.sleep(0)
        except TimeoutError:
            still = [f"{one.sid[:2]}…{one.sid[-4:]} to {one.to}: {one.stage}" for one in self._tasks.values()]
            raise AssertionError(f"still open after {timeout_s} s: {still}") from None
        self._raise_own()

    def _raise_own(self) -> None:
        """A mistake of the stand-in itself must not look like Twilio's behaviour."""
        if self._server.errors:
            raise self._server.errors.pop(0)

    # The REST API.

    async def _answer(self, request: Request) -> Reply:
        self.requests.append(request)
        trouble = self._trouble(request)
        if trouble is None:
            return await self._route(request)
        reply = trouble.reply(refusal)
        if trouble.created:
            true = await self._route(request)
            reply = true if not trouble.status and trouble.body is None else reply
        if trouble.stall_s:
            await asyncio.sleep(trouble.stall_s)
        if trouble.cut == "after_reading":
            return Reply(cut="silent")
        return replace(reply, cut="half") if trouble.cut == "in_reply" else reply

    def _trouble(self, request: Request) -> Trouble | None:
        for trouble in self.troubles:
            if not trouble.concerns(_kinds(request), request.form.get("To", "")):
                continue
            if trouble.skip:
                trouble.skip -= 1
                continue
            if trouble.times is not None:
                trouble.times -= 1
                if trouble.times == 0:
                    self.troubles.remove(trouble)
            return trouble
        return None

    async def _route(self, request: Request) -> Reply:
        if not self._is_known(request.headers.get("authorization", "")):
            return refusal(401, 20003, "Authenticate", {"WWW-Authenticate": 'Basic realm="Twilio API"'})
        match _parts(request.path), request.method:
            case [[self.account_sid], "GET"]:
                return self._account()
            case [[self.account_sid, "Calls"], "POST"]:
                return await self._create_call(request)
            case [[self.account_sid, "Messages"], "POST"]:
                return await self._create_message(request)
            case [[self.account_sid, "Calls"], "GET"]:
                return self._list(request, "calls", list(self.calls.values()))
            case [[self.account_sid, "Messages"], "GET"]:
                return self._list(request, "messages", list(self.messages.values()))
            case [[self.account_sid, "IncomingPhoneNumbers"], "GET"]:
                return self._list_numbers(request)
            case [[self.account_sid, "Calls", sid], "GET"] if sid in self.calls:
                return self._shown(self.calls[sid])
            case [[self.account_sid, "Calls", sid], "POST"] if sid in self.calls:
                return self._update(self.calls[sid], request)
            case [[self.account_sid, "Messages", sid], "GET"] if sid in self.messages:
                return self._shown(self.messages[sid])
        return refusal(404, 20404, f"The requested resource {request.path} was not found")

    def _is_known(self, authorization: str) -> bool:
        scheme, _, secret = authorization.partition(" ")
        try:
            user, _, password = base64.b64decode(secret).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        return scheme.lower() == "basic" and self.keys.get(user) == password

    def _shown(self, one: Record, status: int = 200) -> Reply:
        return Reply(status, json.dumps(twilio_rest.record(self.account_sid, one)))

    def _account(self) -> Reply:
        base = f"/{API}/Accounts/{self.account_sid}"
        body = {
            "sid": self.account_sid,
            "owner_account_sid": self.account_sid,
            "friendly_name": "Stand-in",
            "status": self.account_status,
            "type": "Full",
            "date_created": rfc2822(self.now()),
            "date_updated": rfc2822(self.now()),
            "uri": f"{base}.json",
            "subresource_uris": {"calls": f"{base}/Calls.json", "messages": f"{base}/Messages.json"},
        }
        return Reply(body=json.dumps(body))

    def _list(self, request: Request, key: str, records: list[Record]) -> Reply:
        found = [] if self.is_listing_late else twilio_rest.chosen(records, request.query)
        rows = [twilio_rest.record(self.account_sid, one) for one in found]
        return twilio_rest.page(request.path, key, rows, request.query)

    def _list_numbers(self, request: Request) -> Reply:
        wanted = dict(request.query).get("PhoneNumber", "").lstrip("+ ")
        rows = [
            {"sid": f"PN{index:032x}", "phone_number": number, "friendly_name": number, "capabilities": abilities}
            | {"account_sid": self.account_sid, "status": "in-use"}
            for index, (number, abilities) in enumerate(self.owned.items())
            if wanted in number
        ]
        return twilio_rest.page(request.path, "incoming_phone_numbers", rows, request.query)

    async def _create_call(self, request: Request) -> Reply:
        form, now = request.form, self.now()
        if (refused := twilio_rest.call_refusal(request)) is not None:
            return refused
        if self.owned and not self.owned.get(form["From"], {}).get("voice"):
            return refusal(400, 21210, f"The source phone number provided, {form['From']}, is not yet verified.")
        act = self._people.get(form["To"], self.everyone).act_of_call()
        call = Call(
            sid=self.new_sid("CA"), to=form["To"], from_=form["From"], form=form, act=act, created_at=now,
            updated_at=now, events=frozenset(request.all("StatusCallbackEvent")) or frozenset({"completed"}),
        )  # fmt: skip
        self.calls[call.sid] = call
        for oddity in twilio_rest.oddities(request, twilio_rest.CALL_FIELDS):
            self.fault(20001, oddity, call.sid)
        return await self._begin(call, twilio_call.live(self, call))

    async def _create_message(self, request: Request) -> Reply:
        form = request.form
        if (refused := twilio_rest.message_refusal(request)) is not None:
            return refused
        from_ = form.get("From", "")
        if self.owned and from_.startswith("+") and not self.owned.get(from_, {}).get("sms"):
            return refusal(
                400, 21606, f"The 'From' phone number provided ({from_}) is not a valid message-capable number."
            )
        if self.keeps_stops and (form["To"], from_) in self.stops:
            return refusal(400, 21610, "Attempt to send to unsubscribed recipient")
        message = self._message(from_, form["To"], form["Body"], form)
        for oddity in twilio_rest.oddities(request, twilio_rest.MESSAGE_FIELDS):
            self.fault(20001, oddity, message.sid)
        return await self._begin(message, twilio_message.live(self, message))

    def _message(
        self,
        from_: str,
        to: str,
        body: str,
        form: dict[str, str],
        direction: str = "outbound-api",
        status: str = "queued",
    ) -> Message:
        is_ours = direction != "inbound"
        act, now = self._people.get(to, self.everyone).act_of_message() if is_ours else Act(), self.now()
        message = Message(
            sid=self.new_sid("SM"), to=to, from_=from_, form=form, act=act, created_at=now, updated_at=now,
            body=body, direction=direction, status=status,
        )  # fmt: skip
        self.messages[message.sid] = message
        return message

    async def _begin(self, one: Record, life: Coroutine[Any, Any, None]) -> Reply:
        """Starts its life. The reply shows it queued, unless callbacks are to come before the reply."""
        reply = self._shown(one, 201)
        task = asyncio.create_task(life, name=one.sid)
        self._tasks[task] = one
        task.add_done_callback(self._ended)
        if self.callbacks == "early":
            await first(task, one.parked.wait(), timeout_s=EARLY_S)
        return reply

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._server.errors.append(error)

    def _update(self, call: Call, request: Request) -> Reply:
        """Ends a call or gives it something else to do."""
        status, url, twiml = (request.form.get(name, "") for name in ("Status", "Url", "Twiml"))
        if call.status in twilio_call.FINAL or call.is_ended_by_api:
            return refusal(400, 21220, "Call is not in-progress. Cannot redirect.")
        if status:
            if status not in {"completed", "canceled"}:
                return refusal(400, 20001, f"Status {status!r} is not accepted")
            call.is_ended_by_api = status == "completed" or call.answered_at is None
        elif call.answered_at is None:
            return refusal(400, 21220, "Call is not in-progress. Cannot redirect.")
        elif url or twiml:
            call.redirect = (url, request.form.get("Method", "POST"), twiml)
        if call.is_ended_by_api or call.redirect is not None:
            call.interrupted.set()
        return self._shown(call)


def _parts(path: str) -> list[str]:
    """`/2010-04-01/Accounts/AC…/Calls.json` → [AC…, Calls]; of anything else nothing."""
    prefix = f"/{API}/Accounts/"
    if not path.startswith(prefix) or not path.endswith(".json"):
        return []
    return path.removeprefix(prefix).removesuffix(".json").split("/")


def _kinds(request: Request) -> set[str]:
    """What the request is to those that cause trouble."""
    if request.method != "POST":
        return {"reads"}
    parts = _parts(request.path)
    return {"updates"} if len(parts) == 3 else {"creates", parts[-1].lower() if parts else ""}
