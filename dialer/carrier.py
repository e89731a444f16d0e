"""`python -m dialer.carrier`: the mock carrier in a process of its own, for `[adapters.mock] carrier`.

It keeps the journal, and goes on when the dialer dies: for tests that kill.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from adapters.contract import Event, Heard, Step
from adapters.exchange import Exchange
from adapters.mock import MockAdapter, Settings
from dialer import log as logs
from dialer.clock import SystemClock
from dialer.log import log


@dataclass(slots=True)
class Machine:
    """The machine's clock and tasks, for an exchange. What a carrier reports goes to its connections, not here."""

    clock: SystemClock = field(default_factory=SystemClock)
    public_url: str = ""
    _tasks: "set[asyncio.Future[None]]" = field(default_factory=set)

    def now(self) -> datetime:
        return self.clock.now()

    async def sleep_until(self, at: datetime) -> None:
        await self.clock.sleep_until(at)

    def start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Future[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("carrier_work_failed", error=f"{type(error).__name__}: {error}")

    async def record(self, events: Sequence[Event]) -> None:
        raise AssertionError("an exchange reports by itself")

    async def step(self, attempt_id: str, heard: Heard) -> Step:
        raise AssertionError("an exchange asks by itself")


async def run(socket: Path, settings: Settings) -> None:
    """Until SIGTERM or SIGINT. Raises OSError when the socket or the journal cannot be had."""
    exchange, stopped = Exchange(MockAdapter(settings), Machine(), socket), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await exchange.open()
    log.info("carrier_listens", socket=str(socket), journal=str(settings.journal))
    await stopped.wait()
    await exchange.close()


def _words() -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(prog="python -m dialer.carrier", description="The mock carrier, on its own.")
    words.add_argument("--socket", type=Path, required=True, help="the Unix socket that [adapters.mock] carrier names")
    words.add_argument("--journal", type=Path, required=True, help="gets one JSON line per placement taken")
    words.add_argument("--profile", default="lifelike", help="lifelike, quick or rings_out")
    words.add_argument("--seed", type=int, default=1, help="the same seed makes the same people")
    words.add_argument("--faults", type=float, default=0.0, help="share of placements with a mishap")
    words.add_argument("--utc-offset-h", type=float, default=8.0, help="where the simulated people live")
    return words


def main() -> None:
    words = _words()
    given = vars(words.parse_args())
    socket: Path = given.pop("socket")
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        words.error("; ".join(f"--{'-'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()))
    logs.set_up()
    try:
        asyncio.run(run(socket, settings))
    except OSError as error:
        log.error("carrier_not_started", error=str(error), hint="see the folders of --socket and --journal")
        sys.exit(1)


if __name__ == "__main__":
    main()
