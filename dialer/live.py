"""`dialer check --live`: whether the database can be read, and what every adapter proves. Nothing is placed or written.

It works beside a running daemon and without one; whether one has to be there for a proof is the adapter's to say.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import BaseModel

from adapters import loader
from adapters.contract import Adapter, Event, Heard, Proof, Step
from config.files import one_line
from config.settings import Settings
from dialer import check
from dialer.clock import Clock, SystemClock
from dialer.errors import DialerError
from dialer.log import mask_text

PROVE_S = 30.0
"""Seconds that an adapter has to open and to prove; a provider that is slower is not to be relied upon."""
CLOSE_S = 5.0
SAID_MAX, OWN_MAX = 300, 2_000
"""Characters of what an adapter said, and of what we say ourselves, long paths included."""


class LiveProof(BaseModel):
    """One thing that `check --live` looked at."""

    of: str
    """`database`, or the adapter's name."""
    what: str
    holds: bool
    said: str
    """What was found; where it does not hold, what is wrong and what to do. Phone numbers are masked."""


class Refusing(RuntimeError):
    """An adapter that was only to prove something wanted more."""


@dataclass(slots=True)
class ProvingHost:
    """The least that an adapter needs to prove something: no call is behind it, so nothing can be heard of one."""

    public_url: str
    clock: Clock
    tasks: set["asyncio.Future[None]"] = field(default_factory=set)

    def now(self) -> datetime:
        return self.clock.now()

    async def sleep_until(self, at: datetime) -> None:
        await self.clock.sleep_until(at)

    def start(self, work: Awaitable[None]) -> None:
        self.tasks.add(asyncio.ensure_future(work))

    async def record(self, events: Sequence[Event]) -> None:
        raise Refusing("nothing is recorded while an adapter is only asked for its proofs")

    async def step(self, attempt_id: str, heard: Heard) -> Step:
        raise Refusing("no call is led while an adapter is only asked for its proofs")

    async def end(self) -> None:
        """Ends what the adapter started."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def prove(settings: Settings) -> AsyncGenerator[LiveProof, None]:
    """The database's proof, then those of every adapter that a line names, one adapter after the other."""
    yield _told("database", await asyncio.to_thread(_database, settings), OWN_MAX)
    for name in sorted({line.adapter for line in settings.lines.values()}):
        for proof in await _adapter(name, settings):
            yield _told(name, proof)


def _told(of: str, proof: Proof, most: int = SAID_MAX) -> LiveProof:
    said = one_line(mask_text(proof.said), most)
    return LiveProof(of=of, what=mask_text(proof.what), holds=proof.holds, said=said)


def _database(settings: Settings) -> Proof:
    # SQLAlchemy takes its time to import, and the check alone can do without.
    from dialer import mark
    from dialer.store import peek, shown
    from dialer.store.common import flag

    url = settings.database
    what = shown(url)
    try:
        mark.refuse_where_gone(url)
        standing = peek.standing(url)
        if standing != "current":
            return Proof(what, True, standing)
        halt = peek.read(url, lambda tx: flag(tx, "halt"))
    except DialerError as error:
        return Proof(what, False, str(error))
    return Proof(what, True, f"can be read; halted: {halt}" if halt else "can be read")


async def _adapter(name: str, settings: Settings) -> list[Proof]:
    """What the adapter proves; that it cannot even be asked is a proof that does not hold."""
    host = ProvingHost(settings.web.public_url.rstrip("/"), SystemClock())
    adapter: Adapter | None = None
    try:
        spec = loader.load(name)
        adapter = spec.build(check.adapter_settings(spec, settings))
        async with asyncio.timeout(PROVE_S):
            await adapter.open(host)
            proofs = list(await adapter.prove(_callers(name, settings)))
    except TimeoutError:
        proofs = [Proof("adapter", False, f"did not answer in {PROVE_S:g} s; see the way to its provider")]
    except Exception as error:  # noqa: BLE001 - foreign code: whatever it raises is what it proves
        proofs = [Proof("adapter", False, f"{type(error).__name__}: {error}")]
    if adapter is not None:
        proofs += await _close(adapter)
    await host.end()
    return proofs


async def _close(adapter: Adapter) -> list[Proof]:
    try:
        async with asyncio.timeout(CLOSE_S):
            await adapter.close()
    except Exception as error:  # noqa: BLE001 - as above
        return [Proof("adapter", False, f"cannot be closed ({type(error).__name__}: {error})")]
    return []


def _callers(adapter: str, settings: Settings) -> Mapping[str, frozenset[str]]:
    """Caller id → the channels for which the adapter's lines use it."""
    found: dict[str, set[str]] = defaultdict(set)
    for line in settings.lines.values():
        if line.adapter == adapter:
            for caller in line.callers:
                found[caller].update(line.channels)
    return {caller: frozenset(channels) for caller, channels in found.items()}
