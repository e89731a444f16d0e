"""The mock carrier for a process of its own: it listens at a Unix socket and goes on when the dialer dies.

As a real provider does: calls run on whoever is connected; an event that was not recorded is sent again, a bounded
number of times, to whichever connection is there; a step of a dialogue that nobody gives in time ends the call.
`python -m dialer.carrier` runs it.
"""

import asyncio
import os
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from adapters import wire
from adapters.contract import Event, Heard, Host, Step
from adapters.mock import MockAdapter
from adapters.wire import Link, Message

STEP_S = 3.0
"""Seconds that the dialer gets for the next step of a dialogue."""
SENT_AGAIN_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Pauses after which an event that was not recorded is sent again; then it is left to `find`."""


class Exchange:
    """A mock carrier behind a socket. It is the host of its mock adapter; `base` gives it clock and tasks."""

    def __init__(
        self,
        mock: MockAdapter,
        base: Host,
        path: Path,
        step_s: float = STEP_S,
        sent_again_s: Sequence[float] = SENT_AGAIN_S,
    ) -> None:
        self._mock = mock
        self._base = base
        self._path = path
        self._step_s = step_s
        self._sent_again_s = sent_again_s
        self._server: asyncio.Server | None = None
        self._links: list[Link] = []
        self._numbers = count(1)
        self._unrecorded: dict[int, asyncio.Future[None]] = {}
        self._steps: dict[int, asyncio.Future[Step]] = {}
        self._unsent: dict[int, Message] = {}
        """Steps that no connection was there for."""
        self._tasks: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Listens. Raises OSError when the socket or the journal cannot be had, or another carrier listens there."""
        with suppress(FileNotFoundError, ConnectionRefusedError):
            await (await wire.connect(str(self._path))).closed()
            raise OSError(f"another carrier listens at {self._path}")
        await self._mock.open(self)
        self._server = await asyncio.start_unix_server(self._serve, str(self._path), limit=wire.LINE_MAX)
        # Whoever connects can place calls.
        os.chmod(self._path, 0o600)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._server = None
        for link in list(self._links):
            await link.closed()
        await self._mock.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- the host of the mock adapter --------------------------------------------------------------------------

    @property
    def public_url(self) -> str:
        return self._base.public_url

    def now(self) -> datetime:
        return self._base.now()

    async def sleep_until(self, at: datetime) -> None:
        await self._base.sleep_until(at)

    def start(self, work: Awaitable[None]) -> None:
        self._base.start(work)

    async def record(self, events: Sequence[Event]) -> None:
        """Returns at once: no network waits for a dialer."""
        for event in events:
            self._begin(self._deliver(event))

    async def step(self, attempt_id: str, heard: Heard) -> Step:
        """The dialer's answer. Without one in time, the call is hung up; it is not asked twice."""
        number = next(self._numbers)
        message = {"step": number, "attempt_id": attempt_id, "heard": wire.plain(wire.HEARD, heard)}
        self._steps[number] = asyncio.get_running_loop().create_future()
        if not self._send(message):
            self._unsent[number] = message
        try:
            async with asyncio.timeout(self._step_s):
                return await self._steps[number]
        except TimeoutError:
            return Step("", "", "hang_up")
        finally:
            del self._steps[number]
            self._unsent.pop(number, None)

    # --- connections -------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(reader, writer)
        self._links.append(link)
        for message in self._unsent.values():
            link.send(message)
        self._unsent.clear()
        try:
            async for message in link.messages():
                try:
                    self._take(link, message)
                except (KeyError, ValidationError):
                    return  # no dialer of ours speaks like that
        finally:
            self._links.remove(link)
            await link.closed()

    def _take(self, link: Link, message: Message) -> None:
        if "recorded" in message:
            if message["recorded"] in self._unrecorded:
                self._unrecorded.pop(message["recorded"]).set_result(None)
        elif "answer" in message:
            step, asked = wire.STEP.validate_python(message["step"]), self._steps.get(message["answer"])
            if asked is not None and not asked.done():
                asked.set_result(step)
        else:
            self._begin(self._reply(link, message["ask"], message))

    async def _reply(self, link: Link, number: int, question: Message) -> None:
        """Does what was asked, also when the connection ends meanwhile: an order that arrived is taken."""
        try:
            reply = await self._do(question)
        except Exception as error:  # noqa: BLE001 - the three of the contract travel, everything else is uncertain
            reply = wire.error_fields(error)
        link.send({"reply": number, **reply})

    async def _do(self, question: Message) -> Message:
        if "place" in question:
            return {"receipt": (await self._mock.place(wire.ORDER.validate_python(question["place"]))).ref}
        if "find" in question:
            found = await self._mock.find(wire.ORDER.validate_python(question["find"]))
            return {"events": wire.plain(wire.EVENTS, found)}
        await self._mock.hang_up(str(question["hang_up"]))
        return {}

    async def _deliver(self, event: Event) -> None:
        number = next(self._numbers)
        message = {"event": number, "fact": wire.plain(wire.EVENT, event)}
        recorded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._unrecorded[number] = recorded
        for pause_s in self._sent_again_s:
            self._send(message)
            await asyncio.wait({recorded}, timeout=pause_s)
            if recorded.done():
                return
        self._unrecorded.pop(number, None)

    def _send(self, message: Message) -> bool:
        """To the newest connection that still stands."""
        return any(link.send(message) for link in reversed(self._links))

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
