"""The web server's connections: what a request may have of a head, and what comes back to a client that goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from benchmarks.twilio_side import Teller
from dialer.web import wire
from tests.support.live import free_port

FULL = wire.UNTOLD_MAX + 300_000
"""More than is read at once beside."""


async def answers(scope: dict[str, object], receive: object, send: object) -> None:
    """Says how long the body was."""
    length, more = 0, True
    while more:
        message = await receive()  # type: ignore[operator]
        if message["type"] == "http.disconnect":
            return
        length, more = length + len(message["body"]), message["more_body"]
    said = str(length).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(said))]})  # type: ignore[operator]
    await send({"type": "http.response.body", "body": said})  # type: ignore[operator]


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[int, wire.Server]]:
    port = free_port()
    server = wire.server(answers, "127.0.0.1", port)  # type: ignore[arg-type]
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0)
    yield port, server
    server.should_exit = True
    await running


async def ask(port: int, *parts: bytes) -> bytes:
    """All that comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await reader.read()
    except ConnectionError:
        return b"closed"
    finally:
        writer.close()


@pytest.mark.parametrize(
    "head",
    [
        b"POST /" + b"a" * FULL,
        b"POST / HTTP/1.1\r\nx: " + b"a" * FULL,
        b"POST / HTTP/1.1\r\n" + b"x: a\r\n" * (FULL // 6),
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: " + b"a" * FULL,
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1;" + b"a" * FULL,
    ],
    ids=["address", "header", "headers", "trailer", "extension"],
)
async def test_what_has_no_end_is_refused(head: bytes) -> None:
    async with serving() as (port, _):
        said = await asyncio.wait_for(ask(port, *(head[at : at + 4_000] for at in range(0, len(head), 4_000))), 20)
    assert said == b"closed" or said.startswith(b"HTTP/1.1 400 ")


async def test_bodies_of_any_length_and_requests_after_each_other(  # by the bound of heads: hooks have their own
) -> None:
    long = b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % FULL + b"a" * FULL
    short = b"POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\nab"
    chunked = b"POST / HTTP/1.1\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    async with serving() as (port, _):
        said = await asyncio.wait_for(ask(port, long, short * 3, chunked), 20)
    bodies = [part.rpartition(b"\r\n\r\n")[2] for part in said.split(b"HTTP/1.1 200 OK")[1:]]
    assert bodies == [b"%d" % FULL, b"2", b"2", b"2", b"3"]


async def test_the_benchmarks_client_takes_a_new_connection_where_an_idle_one_was_closed() -> None:
    """Also where it is closed in the instant in which it is used."""
    teller, short = Teller(), b"POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\nab"
    async with serving() as (port, server):
        call, used = {"url": f"http://127.0.0.1:{port}/"}, []
        for _ in range(3):
            await teller.post(call, short)
            used.append(teller._idle[0])
            for connection in list(server.server_state.connections):
                connection.timeout_keep_alive_handler()  # type: ignore[union-attr]
        while teller._idle[0].is_open:  # noqa: ASYNC110 - the closing comes by the network
            await asyncio.sleep(0)
        await teller.post(call, short)
        used.append(teller._idle[0])
        used[-1].close()
    assert len(set(map(id, used))) == len(teller.seconds) == 4
