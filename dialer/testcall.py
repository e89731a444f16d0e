"""`dialer call`: one test call, or message, to a test number; the gate, the adapter and the dialogue are the real ones.

An engine of its own runs inside the command, on a database in memory (`teststage`). It makes one placement: before the
order is handed over the campaign is paused in there, so that no follow-up, retry or later round is ever taken up.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from errno import EADDRINUSE
from typing import Any, TypeVar, cast

from adapters import loader
from adapters.contract import Adapter, Event, EventKind, Heard, Host, Step
from adapters.mock import ADAPTER as MOCK
from campaigns.model import Channel, Outcome
from dialer import check, explain, teststage
from dialer.attempt import PLACE_S, State
from dialer.clock import Clock
from dialer.errors import DialerError
from dialer.explain_model import Explanation
from dialer.explain_words import tongue
from dialer.house import House
from dialer.lines import is_open
from dialer.store import InlineStore, Tx, views
from dialer.store import attempts as attempt_store
from dialer.store import campaigns as campaign_store
from dialer.teststage import Wanted
from dialer.timeline_words import Telling
from dialer.worker import Fitted, Worker

T = TypeVar("T")
LOOK_S = 0.05
WAIT_S = 15.0
"""Seconds for a line to take the attempt up."""
LOST_S = 150.0
"""Seconds in which the provider is asked what became of a placement; longer than it may hide one."""
RECEIPT_S = 120.0
"""Seconds in which a message's receipt is waited for."""
HANG_UP_S = 10.0
NOT_REACHED = frozenset({Outcome.FAILED, Outcome.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that happened."""

    at: datetime
    kind: str
    text: str


Tell = Callable[[Told], None]


@dataclass(slots=True)
class Ending:
    """How the test ended. `why`: what could not be done, and what to do; empty where it settled."""

    why: str = ""
    attempt: Any = None
    """The attempt's row as it was left; None: it never came to one."""
    refusal: Explanation | None = None
    events: list[Told] = field(default_factory=list)


class Foreign(Exception):
    """News that is not about the test: whoever brings it is to bring it again, to the daemon."""


@dataclass(slots=True)
class _OnlyOurs:
    """A host that takes what concerns the test. What else it took would be acknowledged, and forgotten at the end."""

    host: Host
    to: str
    number: int
    ref: Callable[[], str | None]

    @property
    def public_url(self) -> str:
        return self.host.public_url

    def now(self) -> datetime:
        return self.host.now()

    async def sleep_until(self, at: datetime) -> None:
        await self.host.sleep_until(at)

    def start(self, work: Any) -> None:
        self.host.start(work)

    async def record(self, events: Sequence[Event]) -> None:
        if not all(map(self._is_ours, events)):
            raise Foreign("news of another call or person; a test call takes none, the daemon has to be told")
        await self.host.record(events)

    async def step(self, attempt_id: str, heard: Heard) -> Step:
        if attempt_id != str(self.number):
            raise Foreign("another call than the test call; its daemon has to lead it")
        return await self.host.step(attempt_id, heard)

    def _is_ours(self, event: Event) -> bool:
        if event.kind is EventKind.REPLIED:
            return event.sender == self.to
        return event.attempt_id == str(self.number) if event.attempt_id else event.ref == self.ref()


class _Between:
    """An adapter that sees such a host, and tells when it is about to place; all else is its own."""

    def __init__(self, adapter: Adapter, between: Callable[[Host], Host], placing: Callable[[], None]) -> None:
        self._adapter, self._between, self._placing = adapter, between, placing

    async def open(self, host: Host) -> None:
        await self._adapter.open(self._between(host))

    def __getattr__(self, name: str) -> Any:
        if name == "place":  # it is called at once
            self._placing()
        return getattr(self._adapter, name)


async def call(wanted: Wanted, clock: Clock, tell: Tell, stopped: asyncio.Event) -> Ending:
    """Makes the test call. `stopped`: set to hang up and end. Raises DialerError where it cannot even begin."""
    with _port(wanted) as listening:
        house, number = teststage.stage(wanted, clock)
        try:
            found = await house.store.read(lambda tx: explain.explain(tx, house, teststage.ACCOUNT, language="en"))
            if found.answers[0].verdict != "pass":
                # That the attempt itself is over by then says nothing: another test makes another one.
                answers = [one.model_copy(update={"expires": False}) for one in found.answers]
                return Ending(_refused(found), refusal=found.model_copy(update={"answers": answers}))
            return await _Test(wanted, house, number, tell, stopped).run(listening)
        finally:
            await house.store.close()


@contextmanager
def _port(wanted: Wanted) -> Iterator[socket.socket | None]:
    """Where the hooks are taken; None: the adapters of these lines have none. Raises DialerError where it is taken."""
    web = wanted.settings.web
    if {line.adapter for line in wanted.lines.values()} <= {MOCK.name}:
        yield None
        return
    try:
        family = socket.AF_INET6 if ":" in web.host else socket.AF_INET
        listening = socket.create_server((web.host, web.port), family=family)
    except OSError as error:
        wrong = f"nothing can listen on {web.host}:{web.port} ({error.strerror}); see [web] in the settings"
        if error.errno == EADDRINUSE:
            wrong = (
                f"port {web.port} of {web.host} is taken, by the running daemon perhaps, which alone would hear the "
                "provider; stop the daemon for the test call, or give the call a port of its own, to which public_url "
                "leads (DIALER_WEB__PORT, DIALER_WEB__PUBLIC_URL)"
            )
        raise DialerError(wrong) from error
    with listening:
        yield listening


def _refused(found: Explanation) -> str:
    answer = found.answers[0]
    until = f", until {answer.passes_at:%Y-%m-%d %H:%M:%S}" if answer.passes_at else ""
    return f"the gate refuses the test call: {answer.reason} [{answer.rule}]{until}; nothing was placed"


class _Test:
    """One test while it runs."""

    def __init__(self, wanted: Wanted, house: House, number: int, tell: Tell, stopped: asyncio.Event) -> None:
        self._wanted, self._house, self._number, self._stopped = wanted, house, number, stopped
        self._tell_user = tell
        self._began_at = house.clock.now()
        self._telling = Telling(tongue("en"), house.zone, wanted.to, house.stop_words)
        self._adapters: dict[str, Adapter] = {}
        self._is_claimed = self._is_lost = False
        self._seen = 0
        """Events that were told."""
        self._told: list[Told] = []

    async def run(self, listening: socket.socket | None) -> Ending:
        """Places, waits and watches; whatever happens, all is closed at the end."""
        settings = self._house.settings
        fitted = {name: self._fit(name) for name in sorted({line.adapter for line in settings.lines.values()})}
        worker = Worker(self._house, fitted, "test", placed=self._claimed)
        try:
            await worker.open()
        except Exception as error:  # foreign code: whatever it raises is the reason
            raise DialerError(
                f"an adapter cannot be opened ({type(error).__name__}: {error}); see `dialer check --live`"
            ) from error
        async with _serving(self._house, worker, listening):
            running = asyncio.create_task(worker.run())
            try:
                return await self._watch()
            finally:
                worker.stop()
                await running
                await worker.drain(0)
                await worker.close()

    def _fit(self, name: str) -> Fitted:
        spec = loader.load(name)
        self._adapters[name] = spec.build(check.adapter_settings(spec, self._house.settings))
        between = _Between(
            self._adapters[name],
            lambda host: _OnlyOurs(host, self._wanted.to, self._number, self._ref),
            self._stand_still,
        )
        return Fitted(cast(Adapter, between), spec)

    def _ref(self) -> str | None:
        return cast("str | None", self._row().provider_ref)

    def _claimed(self, placement_id: int) -> None:
        self._is_claimed = True
        line = self._row().line
        self._tell("passed", f"the gate lets it pass, on line {line}")

    def _stand_still(self) -> None:
        """Nothing else is placed from here on, whatever follows: the campaign is paused before anything can follow."""
        name, now = self._wanted.campaign.name, self._house.clock.now()
        self._read(lambda tx: campaign_store.set_status(tx, name, "paused", now))

    def _read(self, work: Callable[[Tx], T]) -> T:
        store = self._house.store
        assert isinstance(store, InlineStore)
        return store.run(work)

    def _row(self) -> Any:
        return self._read(lambda tx: attempt_store.by_id(tx, [self._number])[self._number])

    def _tell(self, kind: str, text: str, at: datetime | None = None) -> None:
        told = Told(at or self._house.clock.now(), kind, text)
        self._told.append(told)
        self._tell_user(told)

    async def _watch(self) -> Ending:
        while not self._stopped.is_set():
            if (why := self._over()) is not None:
                return self._ending(why)
            await asyncio.sleep(LOOK_S)
        return self._ending(await self._hang_up())

    def _ending(self, why: str) -> Ending:
        return Ending(why, self._row(), events=self._told)

    def _over(self) -> str | None:
        """Why it could not be done; empty: it settled; None: it goes on. Tells what happened since the last look."""
        events = self._read(lambda tx: views.events_of(tx, [self._number]).get(self._number, []))
        for event in events[self._seen :]:
            self._tell(event.kind, self._telling.event(event), event.at)
        self._seen = len(events)
        self._say_lost(self._row())
        row, now = self._row(), self._house.clock.now()
        if row.state == State.SETTLED:
            return self._settled(row, events)
        if not self._is_claimed:
            return self._unclaimed(now)
        if row.state in _BACK:
            last = self._telling.event(events[-1]) if events else "withdrawn"
            return f"nothing was sent ({last}); see `dialer check --live`, and try again"
        if row.lost_at is not None and now >= row.lost_at + timedelta(seconds=LOST_S):
            return f"the provider does not say what became of it in {LOST_S:g} s; look there before you try again"
        is_sent = row.channel == Channel.SMS and row.placed_at is not None
        if is_sent and now >= row.placed_at + timedelta(seconds=RECEIPT_S):
            return f"the provider took the message, and gave no receipt in {RECEIPT_S:g} s; look there"
        return None

    def _say_lost(self, row: Any) -> None:
        """Why nothing happens for a while."""
        if row.state == State.LOST and not self._is_lost:
            self._is_lost = True
            self._tell("lost", f"nobody knows whether it was taken; the provider is asked, for {LOST_S:g} s at most")

    def _settled(self, row: Any, events: Sequence[Any]) -> str:
        if any(event.kind == "refused" for event in events):
            code = f", its code {row.code}" if row.code else ""
            return f"the provider refused it: {row.disposition}{code}; see `dialer check --live`"
        if row.outcome in NOT_REACHED:
            return f"it could not be carried out: {self._telling.end(row)}; look at the provider before you try again"
        return ""

    def _unclaimed(self, now: datetime) -> str | None:
        """Whether the gate, asked again at dialing, refused it, or no line has taken it for too long."""
        verdicts = self._read(lambda tx: views.verdicts_of(tx, [self._number]).get(self._number, []))
        if verdicts:
            told = self._telling.verdict(verdicts[-1], None)
            return f"the gate refuses the test call: {told.text} [{verdicts[-1].rule}]; nothing was placed"
        if now < self._began_at + timedelta(seconds=WAIT_S):
            return None
        local = now.astimezone(self._house.zone).time()
        shut = [name for name, line in self._wanted.lines.items() if not is_open(line, local)]
        why = f"outside its own hours: {', '.join(shut)}" if shut else "see its limits"
        return f"no line took it in {WAIT_S:g} s ({why}); nothing was placed"

    async def _hang_up(self) -> str:
        """Ends the call where it stands. A message that was sent cannot be taken back."""
        if not self._is_claimed:
            self._stand_still()
            return "ended by you before anything was placed"
        if self._wanted.channel == Channel.SMS:
            return "ended by you; the message was handed over, or may have been"
        until = self._house.clock.now() + timedelta(seconds=PLACE_S + HANG_UP_S)
        is_asked = False
        while self._over() is None and self._house.clock.now() < until:
            if (ref := self._ref()) and not is_asked:
                is_asked = True
                try:
                    async with asyncio.timeout(HANG_UP_S):
                        await self._adapters[self._house.settings.lines[self._row().line].adapter].hang_up(ref)
                except Exception as error:  # noqa: BLE001 - foreign code; who ended the test must know that it goes on
                    limit = self._house.settings.lines[self._row().line].time_limit
                    return f"ended by you, but not hung up ({type(error).__name__}: {error}); the call ends by {limit}"
            await asyncio.sleep(LOOK_S)
        if self._row().state != State.SETTLED:
            return "ended by you; the provider did not say that the call is over, look there"
        return "ended by you; the call was hung up"


_BACK = frozenset({State.PLANNED, State.CANCELLED, State.EXPIRED, State.BLOCKED})


@asynccontextmanager
async def _serving(house: House, worker: Worker, listening: socket.socket | None) -> AsyncIterator[None]:
    """The hooks, as the daemon serves them."""
    if listening is None:
        yield
        return
    # Its libraries take their time to import.
    from dialer.web import app as web

    settings = house.settings.web
    server = web.server(web.build(lambda: web.Ready(ready=True), house, worker.hook), settings.host, settings.port)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn tells by a flag
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await serving
