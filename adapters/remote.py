"""The mock adapter where its carrier is a process of its own (`[adapters.mock] carrier`): the dialer's side.

The carrier is asked over one connection, which is made anew when it ends. What was sent over a connection that
ended before the reply came is `Uncertain`; what could not be sent is `Unavailable`. Nothing is sent twice.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from datetime import timedelta
from itertools import count
from pathlib import Path

from pydantic import ValidationError

from adapters import wire
from adapters.contract import Event, Heard, HookReply, HookRequest, Host, Order, Proof, Receipt, Unavailable, Uncertain
from adapters.wire import Link, Message

RECONNECT_S = 0.25
"""Seconds between two tries to reach the carrier."""


class RemoteCarrier:
    """The adapter. Takes events and steps of whatever calls the carrier has, those of earlier runs included."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._host: Host | None = None
        self._link: Link | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[Message]] = {}

    async def open(self, host: Host) -> None:
        """Does not wait for a carrier that is not there: placing is `Unavailable` until it is."""
        self._host = host
        await self._connect()
        self._keeping = asyncio.create_task(self._keep(host), name="mock-carrier-link")

    async def close(self) -> None:
        self._host, link = None, self._link
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
            self._keeping = None
        if link is not None:
            await link.closed()
        self._lost()

    async def place(self, order: Order) -> Receipt:
        try:
            reply = await self._ask({"place": wire.plain(wire.ORDER, order)})
        except ConnectionResetError as error:
            raise Uncertain(f"the carrier went away with attempt {order.attempt_id}") from error
        return Receipt(reply["receipt"])

    async def find(self, order: Order) -> list[Event]:
        try:
            reply = await self._ask({"find": wire.plain(wire.ORDER, order)})
        except ConnectionResetError as error:
            raise Unavailable("the carrier went away while it was asked") from error
        return wire.EVENTS.validate_python(reply["events"])

    async def hang_up(self, ref: str) -> None:
        """Raises Unavailable when the carrier cannot be told."""
        try:
            await self._ask({"hang_up": ref})
        except ConnectionResetError as error:
            raise Unavailable("the carrier went away while it was told to hang up") from error

    async def hook(self, request: HookRequest) -> HookReply:
        """The mock carrier calls nobody over HTTP."""
        return HookReply(status=404, body="the mock adapter has no hooks")

    async def prove(self, callers: Mapping[str, frozenset[str]]) -> list[Proof]:
        listens = self._link is not None
        said = "simulated: it calls nobody" if listens else "nobody listens; start it: python -m dialer.carrier"
        return [Proof(f"carrier at {self._path}", listens, said)]

    async def _ask(self, question: Message) -> Message:
        """The reply. Raises Unavailable if nothing was sent, ConnectionResetError if it never came, and its error."""
        if self._host is None:
            raise Unavailable("the mock adapter is closed")
        number = next(self._numbers)
        if self._link is None or not self._link.send({"ask": number, **question}):
            raise Unavailable(f"no carrier listens at {self._path}", retry_after_s=RECONNECT_S)
        self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            reply = await self._asked[number]
        finally:
            self._asked.pop(number, None)
        if error := wire.error_of(reply):
            raise error
        return reply

    async def _connect(self) -> None:
        try:
            self._link = await wire.connect(str(self._path))
        except OSError:
            self._link = None  # `_keep` tries again, `_ask` says so

    async def _keep(self, host: Host) -> None:
        """Listens, and connects anew where the connection ended."""
        while True:
            if self._link is None:
                await host.sleep_until(host.now() + timedelta(seconds=RECONNECT_S))
                await self._connect()
                continue
            try:
                await self._listen(host, self._link)
            finally:
                self._lost()

    async def _listen(self, host: Host, link: Link) -> None:
        async for message in link.messages():
            try:
                work = self._work(host, link, message)
            except (KeyError, ValidationError):
                return  # no carrier of ours speaks like that
            if work is not None:
                host.start(work)

    def _work(self, host: Host, link: Link, message: Message) -> Awaitable[None] | None:
        """What a message makes us do; a reply goes to whoever asked."""
        if "reply" in message:
            asked = self._asked.get(message["reply"])
            if asked is not None and not asked.done():
                asked.set_result(message)
            return None
        if "event" in message:
            return self._record(host, link, message["event"], wire.EVENT.validate_python(message["fact"]))
        heard = wire.HEARD.validate_python(message["heard"])
        return self._step(host, link, message["step"], message["attempt_id"], heard)

    async def _record(self, host: Host, link: Link, number: int, event: Event) -> None:
        """The carrier is told only of what is durable; what it is not told of, it sends again."""
        await host.record([event])
        link.send({"recorded": number})

    async def _step(self, host: Host, link: Link, number: int, attempt_id: str, heard: Heard) -> None:
        step = await host.step(attempt_id, heard)
        link.send({"answer": number, "step": wire.plain(wire.STEP, step)})

    def _lost(self) -> None:
        if self._link is not None:
            self._link.close()
        self._link = None
        for asked in self._asked.values():
            if not asked.done():
                asked.set_exception(ConnectionResetError())
