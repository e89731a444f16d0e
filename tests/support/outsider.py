"""An adapter that a third party might have written, for tests of commands: it does as the test's `Plan` says."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel

from adapters.contract import Event, HookReply, HookRequest, Host, Order, Proof, Receipt, Spec


@dataclass
class Plan:
    """What it does, and what it was asked; one for all instances, as a command builds its own."""

    proofs: list[Proof] = field(default_factory=list)
    error: Exception | None = None
    open_error: Exception | None = None
    hangs: bool = False
    callers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    public_url: str = ""
    closed: int = 0
    place: Callable[[Host, Order], Awaitable[Receipt]] | None = None
    hook: Callable[[Host, HookRequest], Awaitable[HookReply]] | None = None
    hang_up: Callable[[Host, str], Awaitable[None]] | None = None
    orders: list[Order] = field(default_factory=list)


PLAN = Plan()


class Settings(BaseModel):
    """It has none."""


class Outsider:
    """The adapter."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def open(self, host: Host) -> None:
        self._host = host
        PLAN.public_url = host.public_url
        if PLAN.open_error:
            raise PLAN.open_error

    async def close(self) -> None:
        PLAN.closed += 1

    async def place(self, order: Order) -> Receipt:
        assert PLAN.place is not None, "nobody may be called"
        PLAN.orders.append(order)
        return await PLAN.place(self._host, order)

    async def find(self, order: Order) -> list[Event]:
        return []

    async def hang_up(self, ref: str) -> None:
        assert PLAN.hang_up is not None, "nobody is on the phone"
        await PLAN.hang_up(self._host, ref)

    async def hook(self, request: HookRequest) -> HookReply:
        assert PLAN.hook is not None, "no hook is expected"
        return await PLAN.hook(self._host, request)

    async def prove(self, callers: Mapping[str, frozenset[str]]) -> list[Proof]:
        PLAN.callers = callers
        if PLAN.hangs:
            await asyncio.sleep(3600)
        if PLAN.error:
            raise PLAN.error
        return PLAN.proofs


ADAPTER = Spec("outsider", frozenset({"voice", "sms"}), True, Settings, Outsider)
