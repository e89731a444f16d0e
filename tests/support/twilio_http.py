"""A small HTTP server whose connections a test can cut wherever it likes."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

Pairs = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Request:
    """One request as it came in. `status` is what it was answered with: 0 while it is not answered."""

    method: str
    path: str
    query: Pairs
    fields: Pairs
    headers: dict[str, str]
    body: bytes
    at: datetime
    status: int = 0

    @property
    def form(self) -> dict[str, str]:
        """The form's fields; of a repeated one the last."""
        return dict(self.fields)

    def all(self, name: str) -> list[str]:
        """Every value of a repeated field."""
        return [value for key, value in self.fields if key == name]


@dataclass(frozen=True, slots=True)
class Reply:
    """`cut`: "silent" closes the connection instead of replying, "half" in the middle of the body."""

    status: int = 200
    body: str = ""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: Literal["", "silent", "half"] = ""


class Server:
    """Listens on 127.0.0.1; every connection serves requests one after the other until a side closes it."""

    def __init__(self, answer: Callable[[Request], Awaitable[Reply]], now: Callable[[], datetime]) -> None:
        self._answer, self._now = answer, now
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.cut_unread = 0
        """How many requests to come are cut off before they are read."""
        self.unread = 0
        """How many were."""
        self.errors: list[BaseException] = []
        """What went wrong in this server itself: a mistake of the test's own side."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def open(self) -> None:
        """Listens, after a `close` on the same port as before."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Listens no more and cuts every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                goes_on = True
                while goes_on:
                    goes_on = await self._exchange(reader, writer)
        finally:
            writer.transport.abort()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.errors.append(error)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its reply; whether the connection goes on."""
        first = await reader.read(1)
        if not first:
            return False
        if self.cut_unread:
            self.cut_unread -= 1
            self.unread += 1
            _reset(writer)
            return False
        request = await self._read(first, reader)
        reply = await self._answer(request)
        request.status = 0 if reply.cut == "silent" else reply.status
        if reply.cut == "silent":
            return False
        wire = _wire(reply)
        writer.write(wire[: len(wire) - len(reply.body.encode()) // 2 - 1] if reply.cut else wire)
        await writer.drain()
        return not reply.cut and request.headers.get("connection", "").lower() != "close"

    async def _read(self, first: bytes, reader: asyncio.StreamReader) -> Request:
        head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        parts = urlsplit(target)
        is_form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        fields = tuple(parse_qsl(body.decode(), keep_blank_values=True)) if is_form else ()
        query = tuple(parse_qsl(parts.query, keep_blank_values=True))
        return Request(method, unquote(parts.path), query, fields, headers, body, self._now())


def _reset(writer: asyncio.StreamWriter) -> None:
    """The other side sees a reset, no orderly end."""
    found: socket.socket = writer.get_extra_info("socket")
    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _wire(reply: Reply) -> bytes:
    body = reply.body.encode()
    phrase = HTTPStatus(reply.status).phrase
    headers = {"Content-Type": reply.content_type, "Content-Length": str(len(body)), **reply.headers}
    lines = [f"HTTP/1.1 {reply.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
