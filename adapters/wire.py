"""What the mock adapter and its carrier in a process of its own say to each other: JSON lines over a Unix socket.

From the dialer: `{"ask": N, "place"|"find": ORDER}`, `{"ask": N, "hang_up": REF}`; `{"recorded": N}`, `{"answer": N,
"step": STEP}`. From the carrier: `{"reply": N, "receipt": REF}`, `{"reply": N, "events": [EVENT, …]}`, `{"reply": N,
"error": NAME, …}`; `{"event": N, "fact": EVENT}`, `{"step": N, "attempt_id": ID, "heard": HEARD}`.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from pydantic import TypeAdapter

from adapters.contract import Event, Heard, Order, Refused, Step, Unavailable, Uncertain

Message = dict[str, Any]

LINE_MAX = 4 * 1024 * 1024
"""Bytes of one message; a longer one ends the connection."""

ORDER = TypeAdapter(Order)
EVENT = TypeAdapter(Event)
EVENTS = TypeAdapter(list[Event])
HEARD = TypeAdapter(Heard)
STEP = TypeAdapter(Step)


def plain(kind: TypeAdapter[Any], value: object) -> Any:
    """A value of the contract as what JSON knows."""
    return kind.dump_python(value, mode="json")


def error_fields(error: BaseException) -> Message:
    """An error of the contract, to travel. Whatever is none of the three is `Uncertain`, as the contract has it."""
    if isinstance(error, Unavailable):
        return {"error": "unavailable", "why": str(error), "retry_after_s": error.retry_after_s}
    if isinstance(error, Refused):
        return {"error": "refused", "disposition": error.disposition, "code": error.code, "opted_out": error.opted_out}
    return {"error": "uncertain", "why": str(error) or type(error).__name__}


def error_of(message: Message) -> Exception | None:
    """The error that a reply carries; None: it carries none."""
    match message.get("error"):
        case None:
            return None
        case "unavailable":
            return Unavailable(str(message.get("why", "")), message.get("retry_after_s"))
        case "refused":
            return Refused(
                str(message.get("disposition", "")), str(message.get("code", "")), message.get("opted_out") is True
            )
        case _:
            return Uncertain(str(message.get("why", "")))


class Link:
    """One connection between the two."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, message: Message) -> bool:
        """False: the connection is known to be gone, and nothing of the message was sent. True promises nothing."""
        if self._writer.is_closing() or self._reader.at_eof():
            return False
        self._writer.write(json.dumps(message).encode() + b"\n")
        return True

    async def messages(self) -> AsyncIterator[Message]:
        """What comes, until the connection ends: also by a torn or overlong line, or by what is no message."""
        while True:
            try:
                line = await self._reader.readline()
                message = json.loads(line) if line.endswith(b"\n") else None
            except (OSError, ValueError):
                return
            if not isinstance(message, dict):
                return
            yield message

    def close(self) -> None:
        self._writer.close()

    async def closed(self) -> None:
        """Closes and returns once the connection is gone."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


async def connect(path: str) -> Link:
    """Raises OSError when nobody listens there."""
    return Link(*await asyncio.open_unix_connection(path, limit=LINE_MAX))
