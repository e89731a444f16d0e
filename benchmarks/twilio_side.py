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
    """Lets it come to its end: `{"seconds": [each hook's], "taken": all of them}`."""
    child.stdin.close()
    found: dict[str, Any] = json.loads(await child.stdout.readline())
    return found


# --- the process -------------------------------------------------------------------------------------------------


class Connection:
    """One connection that is kept open."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, request: bytes) -> int:
        """Returns the status."""
        if self._streams is None or self._streams[0].at_eof():  # an idle one is closed by the server after seconds
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        if "content-length: " in head:
            await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r")[0]))
        return int(head.split(" ", 2)[1])

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()


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
        parts = urlsplit(call["url"])
        connection = self._idle.pop() if self._idle else Connection(str(parts.hostname), int(parts.port or 80))
        began = time.perf_counter()
        status = await connection.post(request)
        self.seconds.append(time.perf_counter() - began)
        self._idle.append(connection)
        if not 200 <= status < 300:
            raise RuntimeError(f"a hook was answered with {status}")

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
    began = time.perf_counter()
    running += [asyncio.create_task(teller.full(calls)) for _ in range(connections)]
    await asyncio.gather(*running)
    print(json.dumps({"seconds": teller.seconds, "taken": time.perf_counter() - began}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:])))
