"""`/hooks/ADAPTER/…`: what providers tell us over HTTP. The adapter answers; what it was told is durable by then.

413 above 64 KiB, 404 for an adapter that no line uses, 503 where it can not be written down now: it may be sent again.
Refusals and failures are counted and said, once a minute for each adapter and status: a wrong secret and an attack look
alike.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta

from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from adapters.contract import HookReply, HookRequest
from dialer.log import log

BODY_MAX = 64 * 1024
BODY_S = 10.0
"""Seconds that a body has to come."""
SAID_AGAIN = timedelta(minutes=1)

Answer = Callable[[str, HookRequest], Awaitable[HookReply]]
"""(adapter, request) → its reply."""


class Hooks:
    """Hands requests to the adapters, and counts the answers by adapter and status. An application of its own."""

    def __init__(self, names: Iterable[str], answer: Answer, now: Callable[[], datetime]) -> None:
        self.counts: Counter[tuple[str, int]] = Counter()
        self._names, self._answer, self._now = frozenset(names), answer, now
        self._said: dict[tuple[str, int], datetime] = {}

    def add_to(self, app: FastAPI) -> None:
        app.add_route("/hooks/{adapter}/{rest:path}", self, methods=["GET", "POST"])  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = await self._take(scope, receive)
        await send({"type": "http.response.start", "status": reply.status, "headers": _headers(reply)})
        await send({"type": "http.response.body", "body": reply.body.encode()})

    async def _take(self, scope: Scope, receive: Receive) -> HookReply:
        name = scope["path"].split("/", 3)[2]
        if name not in self._names:
            # Whoever asks for adapters that are not there must not fill the counts with names.
            return HookReply(404, "no such adapter")
        try:
            async with asyncio.timeout(BODY_S):
                body = await read_body(receive, BODY_MAX)
        except (TimeoutError, ClientDisconnect):
            return HookReply(408, "the body did not come")
        if body is None:
            return self._noted(name, HookReply(413, f"more than {BODY_MAX} bytes"))
        try:
            reply = await self._answer(name, _request(scope, body))
        except Exception as error:  # noqa: BLE001 - the provider is told that it was not taken
            return self._noted(name, HookReply(503, "not now"), error)
        return self._noted(name, reply)

    def _noted(self, name: str, reply: HookReply, error: Exception | None = None) -> HookReply:
        key = (name, reply.status)
        self.counts[key] += 1
        if reply.status >= 400:
            now = self._now()
            if now - self._said.get(key, now - SAID_AGAIN) >= SAID_AGAIN:
                self._said[key] = now
                told = {"adapter": name, "status": reply.status, "so_many": self.counts[key]}
                if error is None:
                    log.warning("hook_refused", why=reply.body, **told)
                else:
                    log.error("hook_failed", error=f"{type(error).__name__}: {error}", **told)
        return reply


def _headers(reply: HookReply) -> list[tuple[bytes, bytes]]:
    kind = reply.content_type + ("; charset=utf-8" if reply.content_type.startswith("text/") else "")
    found = [(b"content-type", kind.encode("latin-1"))]
    if reply.status != 204:  # which has no body
        found.append((b"content-length", str(len(reply.body.encode())).encode()))
    return found


def _request(scope: Scope, body: bytes) -> HookRequest:
    """Of a header that comes twice the first counts."""
    path = scope.get("raw_path", scope["path"].encode()).decode("latin-1").partition("?")[0]
    headers = {
        name.decode("latin-1"): value.decode("latin-1").strip(" \t") for name, value in reversed(scope["headers"])
    }
    return HookRequest(scope["method"], path, scope["query_string"].decode("utf-8", "replace"), headers, body)


async def read_body(receive: Receive, most: int) -> bytes | None:
    """The whole body; None where it is too long, of which no more is read than that. Raises ClientDisconnect."""
    found = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        found += message.get("body", b"")
        if len(found) > most:
            return None
        if not message.get("more_body", False):
            return bytes(found)
