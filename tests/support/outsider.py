"""An adapter that a third party might have written, for tests of commands: it does as the test's `Plan` says."""

import asyncio
from collections.abc import Mapping
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


PLAN = Plan()


class Settings(BaseModel):
    """It has none."""


class Outsider:
    """The adapter."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def open(self, host: Host) -> None:
        PLAN.public_url = host.public_url
        if PLAN.open_error:
            raise PLAN.open_error

    async def close(self) -> None:
        PLAN.closed += 1

    async def place(self, order: Order) -> Receipt:
        raise AssertionError("nobody may be called")

    async def find(self, order: Order) -> list[Event]:
        return []

    async def hang_up(self, ref: str) -> None:
        raise AssertionError("nobody is on the phone")

    async def hook(self, request: HookRequest) -> HookReply:
        return HookReply()

    async def prove(self, callers: Mapping[str, frozenset[str]]) -> list[Proof]:
        PLAN.callers = callers
        if PLAN.hangs:
            await asyncio.sleep(3600)
        if PLAN.error:
            raise PLAN.error
        return PLAN.proofs


ADAPTER = Spec("outsider", frozenset({"voice", "sms"}), True, Settings, Outsider)
