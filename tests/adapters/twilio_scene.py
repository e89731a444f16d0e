"""What the tests of the stand-in for Twilio share: a client of its REST API, and hooks it calls."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import httpx

from tests.support import twilio_http
from tests.support.twilio_office import Call
from tests.support.twilio_peer import TwilioPeer

RequestValidator: Any = import_module("twilio.request_validator").RequestValidator
VoiceResponse: Any = import_module("twilio.twiml.voice_response").VoiceResponse
SID, TOKEN = "AC" + "a" * 32, "secret"
ANN, US = "+15005550001", "+15005550006"
CALLS, MESSAGES = (f"/2010-04-01/Accounts/{SID}/{name}.json" for name in ("Calls", "Messages"))
ALL = ["initiated", "ringing", "answered", "completed"]
GOODBYE = "<Response><Say>Goodbye</Say><Hangup/></Response>"


@dataclass
class Hooks:
    """The other side: documents by path, the status callbacks as they came, and whether each was signed."""

    url: str = ""
    documents: dict[str, str | Callable[[dict[str, str]], str]] = field(default_factory=dict)
    status: int = 200
    content_type: str = "text/xml"
    heard: list[tuple[str, dict[str, str], bool]] = field(default_factory=list)
    stall_s: float = 0.0

    async def answer(self, request: twilio_http.Request) -> twilio_http.Reply:
        given = request.headers["x-twilio-signature"]
        url = self.url + request.path
        is_signed = RequestValidator(TOKEN).validate(url, request.form, given)
        self.heard.append((request.path, request.form, is_signed))
        if self.stall_s:
            await asyncio.sleep(self.stall_s)
        document = self.documents.get(request.path, "")
        body = document(request.form) if callable(document) else document
        return twilio_http.Reply(self.status, body, self.content_type if body else "text/plain")

    def of(self, path: str) -> list[dict[str, str]]:
        return [form for at, form, _ in self.heard if at == path]

    def statuses(self) -> list[str]:
        return [form["CallStatus"] for form in self.of("/status")]


@dataclass
class Scene:
    peer: TwilioPeer
    hooks: Hooks
    client: httpx.AsyncClient

    async def call(self, to: str = ANN, **more: Any) -> httpx.Response:
        form = {
            "To": to, "From": US, "Url": f"{self.hooks.url}/voice", "StatusCallback": f"{self.hooks.url}/status",
            "StatusCallbackEvent": ALL,
        } | more  # fmt: skip
        return await self.client.post(CALLS, data=form)

    async def through(self, to: str = ANN, **more: Any) -> Call:
        assert (await self.call(to, **more)).status_code == 201
        await self.peer.idle()
        return self.peer.call_to(to)

    async def sms(self, to: str = ANN, body: str = "Due tomorrow", **more: str) -> httpx.Response:
        form = {"To": to, "From": US, "Body": body, "StatusCallback": f"{self.hooks.url}/sms"} | more
        return await self.client.post(MESSAGES, data=form)


def opened_client(peer: TwilioPeer, auth: httpx.BasicAuth | None) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=peer.base_url, auth=auth, trust_env=False, verify=False)


@asynccontextmanager
async def opened() -> AsyncIterator[Scene]:
    hooks = Hooks(documents={"/voice": GOODBYE})
    server = twilio_http.Server(hooks.answer, lambda: datetime.now(UTC))
    await server.open()
    hooks.url = server.url
    try:
        async with TwilioPeer(SID, TOKEN) as peer, opened_client(peer, httpx.BasicAuth(SID, TOKEN)) as client:
            yield Scene(peer, hooks, client)
    finally:
        await server.close()
    assert server.errors == []


def codes(scene: Scene) -> list[int]:
    """The faults' codes; they are taken off, so that the scene ends well."""
    found = [fault.code for fault in scene.peer.faults]
    scene.peer.faults.clear()
    return found


def menu(**attributes: str) -> str:
    more = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return (
        f'<Response><Gather action="/keys"{more}><Say language="en-US" voice="Polly.Joanna">Press 1</Say></Gather>'
        "<Say>Nothing heard</Say></Response>"
    )
