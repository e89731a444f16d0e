"""Twilio, as far as hooks go: an adapter that hands nothing out, and a process that tells what became of the calls.

`python -m benchmarks.twilio_side` reads lines of JSON, `{"url": …, "sid": …}`, one a call, and posts four signed status
callbacks for each. With `steady` each call's come at once, 0.5, 1 and 2 s after its line, all calls beside each other.
With `full N`, N connections take call after call, each callback as soon as the one before was answered. At the end it
prints the seconds that each took, as JSON. The requests are made by hand: a client that is slower than the server would
be what is measured.
"""

import asyncio
import hashlib
import json
import re
import sys
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

from twilio.request_validator import RequestValidator

from adapters.contract import Order, Receipt, Spec
from adapters.twilio import ADAPTER, TwilioAdapter

SID, TOKEN = "AC" + "0" * 32, "0123456789abcdef"
CALLBACKS = (("initiated", 0.0), ("ringing", 0.5), ("in-progress", 1.0), ("completed", 2.0))
"""What is told of a call, and how long after it was taken."""
MORE = f"""[adapters.twilio]
account_sid = "{SID}"
[web]
public_url = "http://127.0.0.1:{{port}}"
port = {{port}}
"""
SECRETS = {"DIALER_ADAPTERS__TWILIO__AUTH_TOKEN": TOKEN}


def settings(port: int) -> dict[str, Any]:
    """What the installation's settings have more of."""
    return {"more": MORE.format(port=port), "secrets": SECRETS}


class Quiet(TwilioAdapter):
    """The real adapter, hooks and all, but that orders go nowhere: `taken` is called with the time of each."""

    taken: Callable[[Order, str, float], None]
    """(order, where its callbacks go, when it was handed over)"""
    sid: Callable[[str], str] = staticmethod(lambda key: f"CA{hashlib.md5(key.encode()).hexdigest()}")

    async def place(self, order: Order) -> Receipt:
        host, _ = self._opened()
        at = host.now()
        ref = self.sid(order.attempt_id)
        self._remember(ref, order.attempt_id)
        self.taken(order, self._url("call", order.attempt_id), at.timestamp())
        return Receipt(ref, at)


QUIET = Spec("twilio", ADAPTER.channels, True, ADAPTER.settings, Quiet, calls_back=True)


@asynccontextmanager
async def beside(*how: str) -> Any:
    """The process; it is told of calls on its standard input, which is closed to have it end."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.twilio_side", *how,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**28,
    )  # fmt: skip
    assert child.stdout is not None
    await child.stdout.readline()  # it has started
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


def told(child: Any, order: Order, url: str) -> None:
    child.stdin.write(json.dumps({"url": url, "sid": Quiet.sid(order.attempt_id), "to": order.to}).encode() + b"\n")


async def took(child: Any) -> dict[str, Any]:
    """Lets it come to its end: `{"seconds": [each hook's], "taken": all of them, "cpu": its own, at full speed}`."""
    child.stdin.close()
    said = await child.stdout.readline()
    if not said:
        raise RuntimeError("the process that tells of the calls failed; it says why above")
    found: dict[str, Any] = json.loads(said)
    return found


# --- the process -------------------------------------------------------------------------------------------------


class Connection(asyncio.Protocol):
    """One connection that is kept open, with one request at a time."""

    def __init__(self) -> None:
        self.is_open = False
        self._transport: asyncio.Transport
        self._head = b""
        self._answer: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self.is_open = transport, True

    def post(self, request: bytes) -> "asyncio.Future[int]":
        """The status. ConnectionError: closed without an answer, as the server does with one that was idle."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._head += data
        head, ended, body = self._head.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        if ended and len(body) >= (int(length[1]) if length else 0):
            self._head = b""
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(int(head.split(b" ", 2)[1]))

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError("closed without an answer"))

    def close(self) -> None:
        self._transport.close()


def requests(call: dict[str, str]) -> list[bytes]:
    """Its callbacks, signed, as bytes: made before the clock runs."""
    validator, parts = RequestValidator(TOKEN), urlsplit(call["url"])
    found = []
    for number, (status, _) in enumerate(CALLBACKS):
        form = {
            "CallSid": call["sid"], "AccountSid": SID, "ApiVersion": "2010-04-01", "From": "+864001234567",
            "To": call["to"], "Direction": "outbound-api", "CallStatus": status, "SequenceNumber": str(number),
            **({"CallDuration": "20", "AnsweredBy": "human"} if status == "completed" else {}),
        }  # fmt: skip
        body = urlencode(form).encode()
        head = (
            f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-length: {len(body)}\r\n"
            "content-type: application/x-www-form-urlencoded; charset=UTF-8\r\n"
            f"x-twilio-signature: {validator.compute_signature(call['url'], form)}\r\n\r\n"
        )
        found.append(head.encode() + body)
    return found


class Teller:
    """Posts, and keeps how long each took."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._idle: list[Connection] = []

    async def post(self, call: dict[str, str], request: bytes) -> None:
        began = time.perf_counter()
        status = None
        while status is None:
            connection, is_new = await self._connection(call["url"])
            try:
                status = await connection.post(request)
            except ConnectionError:
                # The server closes what was idle for seconds, perhaps just now; a new one has no such excuse.
                if is_new:
                    raise
        self.seconds.append(time.perf_counter() - began)
        self._idle.append(connection)
        if not 200 <= status < 300:
            raise RuntimeError(f"a hook was answered with {status}")

    async def _connection(self, url: str) -> tuple[Connection, bool]:
        """One that is open, and whether it is new."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection, False
        parts = urlsplit(url)
        made = await asyncio.get_running_loop().create_connection(Connection, parts.hostname, parts.port or 80)
        return made[1], True

    async def steady(self, call: dict[str, str]) -> None:
        began, made = time.perf_counter(), requests(call)
        for request, (_, after_s) in zip(made, CALLBACKS, strict=True):
            await asyncio.sleep(max(0.0, began + after_s - time.perf_counter()))
            await self.post(call, request)

    async def full(self, calls: list[tuple[dict[str, str], list[bytes]]]) -> None:
        while calls:
            call, made = calls.pop()
            for request in made:
                await self.post(call, request)


async def main(how: str, connections: int = 0) -> None:
    reader = asyncio.StreamReader(limit=2**20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print("started", flush=True)
    teller, running, calls = Teller(), [], []
    async for line in reader:
        call = json.loads(line)
        if how == "steady":
            running.append(asyncio.create_task(teller.steady(call)))
        else:
            calls.append((call, requests(call)))
    began, busy = time.perf_counter(), time.process_time()
    running += [asyncio.create_task(teller.full(calls)) for _ in range(connections)]
    await asyncio.gather(*running)
    taken, busy = time.perf_counter() - began, time.process_time() - busy
    print(json.dumps({"seconds": teller.seconds, "taken": taken, "cpu": busy}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
