"""The mock adapter: places calls and messages in a simulated network; for tests, the demo and simulations.

Two sides. A test says what a number does: `mock.on("+8613800138001").answers(keys="2,1")`. Every other
number follows the profile in the settings, drawn from the seed. See docs/mock.md.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import repeat
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from adapters.carrier import (
    Fate,
    LifelikePerson,
    Machine,
    Person,
    ScriptedPerson,
    fact,
    lifelike,
    ref_of,
    timeline,
)
from adapters.contract import (
    Adapter,
    Event,
    EventKind,
    Heard,
    HookReply,
    HookRequest,
    Host,
    Order,
    Proof,
    Receipt,
    Spec,
    Unavailable,
    Uncertain,
)
from adapters.journal import Journal, Placement
from adapters.remote import RemoteCarrier
from adapters.scripted import QUICK, Behaviour, Number, mishap

_KEEPS = 10_000
"""So many calls that are over, and orders, stay in memory; older ones are told from the journal."""


class Settings(BaseModel):
    """`[adapters.mock]` of dialer.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    profile: Literal["lifelike", "quick", "rings_out"] = "lifelike"
    """How simulated people behave: by the hour and by habit; answer at once and press 1; never answer."""
    seed: int = 1
    """The same seed makes the same people."""
    journal: Path | None = None
    """A file that gets one JSON line per placement taken. Without it: in memory only."""
    utc_offset_h: float = Field(8.0, ge=-12, le=14)
    """Where the simulated people live; `lifelike` answers by their hour of the day."""
    faults: float = Field(0.0, ge=0, le=1)
    """Share of placements with a mishap: unavailable, answer lost, events missing, repeated, late or reversed."""
    carrier: Path | None = None
    """The Unix socket of a carrier in a process of its own (`python -m dialer.carrier`), which is told all the rest
    itself. Without it: the carrier lives in the dialer's process."""

    @model_validator(mode="after")
    def _is_told_once(self) -> "Settings":
        others = sorted(self.model_fields_set - {"carrier"})
        if self.carrier is not None and others:
            raise ValueError(
                f"has a carrier of its own and {', '.join(others)}; accepted: carrier alone, the rest is told to "
                "`python -m dialer.carrier`"
            )
        return self


class Call:
    """One call or message on its way through the network.

    It keeps a timeline of its own: events carry the instants at which they happened, also when the host
    is late, as simulations are that gather events into batches.
    """

    def __init__(self, host: Host, order: Order, at: datetime, fate: Fate, behaviour: Behaviour) -> None:
        self.order = order
        self.at = at
        self.fate = fate
        self.behaviour = behaviour
        self._host = host
        self._plan = timeline(order, at, fate)
        self._held: list[Event] = []
        self.happened = self._plan[:1]
        """Every event so far, oldest first; the host learns of all but the first, which is the receipt."""
        self.over = False
        self.silent = not behaviour.reports
        """Tells the host nothing (any more)."""

    def catch_up(self, now: datetime) -> None:
        """Lets happen what nobody leads: everything of the plan up to `now`."""
        while not self.over and self._plan[len(self.happened)].at <= now:
            self._happen(self._plan[len(self.happened)])

    async def run(self, person: Person | None) -> None:
        """Carries the call out and reports it. None: nobody leads the dialogue; the person waits in vain."""
        try:
            while not self.over:
                event = self._plan[len(self.happened)]
                if event.kind is EventKind.ENDED and person is not None and self._answered_at is not None:
                    event = await self._talk(person, self._answered_at) or event
                await self._host.sleep_until(event.at)
                if self.over or self.silent:
                    return
                self._happen(event)
                await self._report(event)
        finally:
            self.silent = self.silent or not self.over  # cut off: `find` will tell the rest

    async def hang_up(self, now: datetime) -> None:
        if self.silent:
            self.catch_up(now)
        if self.over or self.order.channel == "sms":
            return
        answered_at = self._answered_at
        if answered_at is None:
            event = fact(self.order, EventKind.ENDED, now, "no_answer")
        else:
            event = self._ending(answered_at, now)
        self._happen(event, over=True)
        await self._report(event)

    @property
    def _answered_at(self) -> datetime | None:
        return next((event.at for event in self.happened if event.kind is EventKind.ANSWERED), None)

    def _happen(self, event: Event, *, over: bool = False) -> None:
        self.happened.append(event)
        self.over = over or len(self.happened) == len(self._plan)

    def _ending(self, answered_at: datetime, at: datetime) -> Event:
        talk_s = max(0.0, (at - answered_at).total_seconds())
        return fact(self.order, EventKind.ENDED, at, self.fate.ends, talk_s)

    async def _talk(self, person: Person, answered_at: datetime) -> Event | None:
        """Goes through the dialogue and returns the call's ending; None: it was cut off."""
        cut_at = answered_at + timedelta(seconds=min(self.order.time_limit_s, self.fate.holds_s))
        at = self.happened[-1].at
        heard = Heard("machine" if self.fate.ends == "machine" else "start", at=at)
        while True:
            try:
                step = await self._host.step(self.order.attempt_id, heard)
            except Unavailable:  # nobody leads the dialogue any more: the network ends the call
                return self._ending(answered_at, min(at, cut_at))
            reaction = person.react(step)
            at += timedelta(seconds=reaction.after_s)
            if reaction.heard is None or at >= cut_at:
                return self._ending(answered_at, min(at, cut_at))
            await self._host.sleep_until(at)
            if self.over or self.silent:
                return None
            heard = replace(reaction.heard, at=at)

    async def _report(self, event: Event) -> None:
        if self.behaviour.backwards:
            self._held.append(event)
            while self.over and self._held:
                await self._tell(self._held.pop())
        elif self.behaviour.late_s:
            self._host.start(self._tell_late(event))
        else:
            await self._tell(event)

    async def _tell_late(self, event: Event) -> None:
        await self._host.sleep_until(event.at + timedelta(seconds=self.behaviour.late_s))
        await self._tell(event)

    async def _tell(self, event: Event) -> None:
        for _ in range(self.behaviour.copies):
            if not self.silent:
                await self._host.record([event])


class MockAdapter:
    """The adapter; `on` scripts a number, `placements`, `calls_to` and `messages_to` tell what was taken."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self._host: Host | None = None
        self._journal = Journal(self._settings.journal)
        self._numbers: dict[str, Number] = {}
        self._orders: deque[Order] = deque(maxlen=_KEEPS)
        self._calls: dict[str, Call] = {}
        self._done: deque[Call] = deque()

    def on(self, number: str) -> Number:
        """Scripts what this number (E.164) does from now on; what was said of it before is forgotten."""
        if not (number.startswith("+") and number[1:].isdigit()):
            raise ValueError(f"{number!r} is not in E.164: + and digits")
        self._numbers[number] = Number()
        return self._numbers[number]

    @property
    def placements(self) -> list[Placement]:
        """What the carrier took, oldest first; with a journal, earlier runs included (the newest 200,000)."""
        return self._journal.placements()

    def calls_to(self, number: str) -> list[Order]:
        """The calls taken in this run (of the newest 10,000 orders), oldest first, with `ref` and `placed_at`."""
        return [order for order in self._orders if order.to == number and order.channel == "voice"]

    def messages_to(self, number: str) -> list[Order]:
        """The same of messages; `text` is what was sent."""
        return [order for order in self._orders if order.to == number and order.channel == "sms"]

    async def open(self, host: Host) -> None:
        """Raises OSError when the journal cannot be read and appended to."""
        self._journal.open()
        self._host = host

    async def close(self) -> None:
        self._host = None
        for call in self._calls.values():
            call.silent = True
        self._journal.close()

    async def place(self, order: Order) -> Receipt:
        """Everything before the answer happens without a pause: a cancelled `place` was taken wholly or not at all."""
        host = self._opened()
        now = host.now()
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)  # as the journal keeps it
        if order.valid_until is not None and now > order.valid_until:
            raise Unavailable(f"attempt {order.attempt_id} is past its validity")
        behaviour = self._behaviour(order, now)
        if behaviour.error is not None:
            raise behaviour.error.with_traceback(None)
        try:
            self._journal.write(Placement(now, order.attempt_id, order.channel, order.to, order.line))
        except OSError as error:
            raise Unavailable(f"the mock carrier's journal cannot be written: {error}") from error
        order = replace(order, ref=ref_of(order.attempt_id), placed_at=now)
        self._orders.append(order)
        self._carry(host, Call(host, order, now, self._fate(order, now, behaviour), behaviour), led=True)
        if behaviour.stalls_s:
            await host.sleep_until(now + timedelta(seconds=behaviour.stalls_s))
        if behaviour.loses_answer:
            raise Uncertain(f"the answer about attempt {order.attempt_id} was lost")
        return Receipt(order.ref)

    async def find(self, order: Order) -> list[Event]:
        """Answers from the journal. A call that was cut off (by a restart) goes on from here, without its dialogue.

        Keys that were pressed before the cut are not known any more."""
        host = self._opened()
        call = self._calls.get(order.attempt_id)
        if call is None or (call.silent and not call.over):
            call = self._resume(host, order, call)
        return [] if call is None else list(call.happened)

    async def hang_up(self, ref: str) -> None:
        """Reports the ending at once. A call of an earlier run is known here only after `find` was asked for it."""
        call = self._calls.get(ref.removeprefix(ref_of("")))
        if call is not None and self._host is not None:
            await call.hang_up(self._host.now())

    async def hook(self, request: HookRequest) -> HookReply:
        """The mock carrier calls nobody over HTTP."""
        return HookReply(status=404, body="the mock adapter has no hooks")

    async def prove(self, callers: Mapping[str, frozenset[str]]) -> list[Proof]:
        return [Proof("carrier", True, "simulated: it calls nobody")]

    def _opened(self) -> Host:
        if self._host is None:
            raise Unavailable("the mock adapter is closed")
        return self._host

    def _behaviour(self, order: Order, at: datetime) -> Behaviour:
        if order.to in self._numbers:
            return self._numbers[order.to].take(order.channel)
        return self._mishap(order, at)

    def _mishap(self, order: Order, at: datetime) -> Behaviour:
        settings = self._settings
        if not settings.faults:
            return Behaviour()
        return mishap(settings.seed, order.attempt_id, at.isoformat(), settings.faults)

    def _fate(self, order: Order, at: datetime, behaviour: Behaviour) -> Fate:
        settings = self._settings
        scripted = behaviour.fate(order.channel, settings.profile == "quick")
        if scripted is not None:
            return scripted
        if settings.profile == "lifelike":
            return lifelike(settings.seed, order.attempt_id, order.channel, order.to, at, settings.utc_offset_h)
        if order.channel == "sms":
            return Fate("delivered", connects_s=0.2)
        return QUICK if settings.profile == "quick" else Fate("no_answer", connects_s=1.0)

    def _person(self, call: Call) -> Person:
        quick = self._settings.profile == "quick"
        if call.fate.ends == "machine":
            return Machine()
        if call.behaviour.call:
            return ScriptedPerson(call.behaviour.keys, 0.5 if quick else None)
        return ScriptedPerson(repeat("1"), 0.5) if quick else LifelikePerson(self._settings.seed, call.order.attempt_id)

    def _carry(self, host: Host, call: Call, *, led: bool) -> None:
        self._calls[call.order.attempt_id] = call
        if call.silent or call.over:
            self._retire(call)
        else:
            host.start(self._run(call, led))

    async def _run(self, call: Call, led: bool) -> None:
        try:
            await call.run(self._person(call) if led else None)
        finally:
            self._retire(call)

    def _retire(self, call: Call) -> None:
        self._done.append(call)
        if len(self._done) > _KEEPS:
            oldest = self._done.popleft()
            if self._calls.get(oldest.order.attempt_id) is oldest:
                del self._calls[oldest.order.attempt_id]

    def _resume(self, host: Host, order: Order, cut_off: Call | None) -> Call | None:
        """The call of a placement that this run knows only from the journal, or whose events ran dry."""
        if cut_off is not None:
            order, at, fate, behaviour = cut_off.order, cut_off.at, cut_off.fate, cut_off.behaviour
        else:
            placement = self._journal.find(order.attempt_id)
            if placement is None:
                return None
            order, at = replace(order, channel=placement.channel, to=placement.to), placement.at
            behaviour = self._behaviour(order, at)
            fate = self._fate(order, at, behaviour)
        call = Call(host, order, at, fate, behaviour)
        call.catch_up(host.now())
        self._carry(host, call, led=False)
        return call


def build(settings: Settings) -> Adapter:
    return MockAdapter(settings) if settings.carrier is None else RemoteCarrier(settings.carrier)


ADAPTER = Spec(
    name="mock",
    channels=frozenset({"voice", "sms"}),
    receipts=True,
    settings=Settings,
    build=build,
)
