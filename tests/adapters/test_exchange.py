"""The mock carrier behind a socket: the conformance suite, and connections refused and cut."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters import wire
from adapters.contract import Adapter, Event, EventKind, Heard, Order, Refused, Step, Unavailable, Uncertain
from adapters.exchange import Exchange
from adapters.mock import ADAPTER, MockAdapter, Settings, build
from adapters.scripted import Number
from tests.adapters.conformance import AdapterConformance, Rig
from tests.adapters.host import VirtualHost
from tests.adapters.support import an_order, two_questions

K = EventKind


class Far:
    """A carrier behind a socket, on a clock moved by hand, and what it takes to restart it."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder, self.options = folder, options
        self.path = folder / "c.sock"
        self.clock = VirtualHost()

    async def open(self) -> "Far":
        self.mock = MockAdapter(Settings(journal=self.folder / "journal.jsonl", profile="quick"))
        self.exchange = Exchange(self.mock, self.clock, self.path, **self.options)
        await self.exchange.open()
        return self

    async def close(self) -> None:
        await self.exchange.close()
        await self.clock.close()


async def turns(count: int = 200) -> None:
    """Lets the event loop carry messages over the socket."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(done: Callable[[], object]) -> None:
    """Waits for what another end of a socket does."""
    async with asyncio.timeout(10):
        while not done():  # noqa: ASYNC110 - a socket's other end
            await asyncio.sleep(0.001)


class ExchangeRig(Rig):
    def __init__(self, far: Far) -> None:
        self.spec = ADAPTER
        self.far = far
        self.adapter: Adapter = build(Settings(carrier=far.path))
        self.host = VirtualHost()
        self.numbers: list[Number] = []

    def _on(self, order: Order) -> Number:
        self.numbers.append(self.far.mock.on(order.to))
        return self.numbers[-1].answers().delivered()

    def accepts(self, order: Order) -> None:
        self._on(order)

    def refuses(self, order: Order) -> None:
        self._on(order).fails(Refused("blocked", "607"))

    def is_down(self, order: Order) -> None:
        self._on(order).fails(Unavailable)

    def times_out(self, order: Order) -> None:
        self._on(order).loses_answer()

    def repeats(self, order: Order) -> None:
        self._on(order).reports_twice()

    def requests(self, order: Order) -> int:
        return self.numbers[-1].asked

    async def reports(self) -> None:
        await turns()
        await self.far.clock.run()
        await turns()


class TestExchange(AdapterConformance):
    @pytest.fixture
    async def rig(self, tmp_path: Path) -> AsyncIterator[Rig]:
        rig = ExchangeRig(await Far(tmp_path, step_s=0.05).open())
        await rig.adapter.open(rig.host)
        yield rig
        await rig.adapter.close()
        await rig.host.close()
        await rig.far.close()


@pytest.fixture
async def host() -> AsyncIterator[VirtualHost]:
    host = VirtualHost(dialogue=two_questions)
    yield host
    await host.close()


@pytest.fixture
async def far(tmp_path: Path) -> AsyncIterator[Far]:
    far = await Far(tmp_path, step_s=0.1, sent_again_s=(0.05,) * 100).open()
    yield far
    await far.close()


async def opened(path: Path, host: VirtualHost) -> Adapter:
    adapter = build(Settings(carrier=path))
    await adapter.open(host)
    return adapter


async def test_a_whole_call_with_its_dialogue_goes_over_the_socket(far: Far, host: VirtualHost) -> None:
    near = await opened(far.path, host)
    assert (await near.place(an_order())).ref == "mock-a-1"
    await far.clock.run()
    await until(lambda: len(host.events) == 3)
    assert host.kinds("a-1") == [K.RINGING, K.ANSWERED, K.ENDED]
    assert [heard.digits for _, heard in host.heard] == ["", "1"]
    assert host.events == [event for event in await near.find(an_order()) if event.kind is not K.ACCEPTED]
    await near.close()


@pytest.mark.parametrize(
    "error", [Unavailable("busy", 7.5), Refused("invalid_number", "1"), Uncertain("no answer"), ValueError("a bug")]
)
async def test_errors_travel(far: Far, host: VirtualHost, error: Exception) -> None:
    far.mock.on(an_order().to).fails(error)  # type: ignore[arg-type]
    near = await opened(far.path, host)
    wanted = error if not isinstance(error, ValueError) else Uncertain("a bug")
    with pytest.raises(type(wanted)) as caught:
        await near.place(an_order())
    assert str(caught.value) == str(wanted)
    assert vars(caught.value) == vars(wanted)
    await near.close()


async def test_nobody_listens_so_nothing_was_sent(tmp_path: Path, host: VirtualHost) -> None:
    near = await opened(tmp_path / "c.sock", host)
    for ask in (near.place(an_order()), near.find(an_order()), near.hang_up("mock-a-1")):
        with pytest.raises(Unavailable, match="no carrier listens"):
            await ask
    far = await Far(tmp_path).open()
    await host.advance(1)
    await until(lambda: near._link)  # type: ignore[attr-defined]
    assert (await near.place(an_order())).ref, "it connects by itself when the carrier is there"
    await near.close()
    await far.close()


async def test_a_connection_cut_before_is_unavailable_and_nothing_is_placed_later(far: Far, host: VirtualHost) -> None:
    near = await opened(far.path, host)
    await until(lambda: far.exchange._links)
    await far.exchange.close()
    await until(lambda: near._link is None)  # type: ignore[attr-defined]
    with pytest.raises(Unavailable):
        await near.place(an_order())
    await far.open()
    await host.advance(1)
    await until(lambda: near._link)  # type: ignore[attr-defined]
    assert far.mock.placements == []
    assert await near.find(an_order()) == []
    await near.close()


async def test_a_connection_cut_while_it_is_placed_is_uncertain_and_found(far: Far, host: VirtualHost) -> None:
    far.mock.on(an_order().to).answers().stalls(5)
    near = await opened(far.path, host)
    placing = asyncio.create_task(near.place(an_order()))
    await until(lambda: far.mock.placements)
    await far.exchange.close()
    with pytest.raises(Uncertain):
        await placing
    await far.open()
    await host.advance(1)
    await until(lambda: near._link)  # type: ignore[attr-defined]
    assert (await near.find(an_order()))[0].kind is K.ACCEPTED
    assert [placement.attempt_id for placement in far.mock.placements] == ["a-1"], "no retry by itself"
    await near.close()


class Silent:
    """A carrier that takes what it is sent and closes the connection without a word."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard.append(await reader.readline())
        await wire.Link(reader, writer).closed()


@pytest.mark.parametrize(("what", "error"), [("place", Uncertain), ("find", Unavailable), ("hang_up", Unavailable)])
async def test_a_connection_that_ends_without_a_reply(
    tmp_path: Path, host: VirtualHost, what: str, error: type[Exception]
) -> None:
    silent = Silent()
    server = await asyncio.start_unix_server(silent.serve, str(tmp_path / "c.sock"))
    near = await opened(tmp_path / "c.sock", host)
    with pytest.raises(error):
        await getattr(near, what)("mock-a-1" if what == "hang_up" else an_order())
    assert [what in json.loads(line) for line in silent.heard] == [True], "once"
    await near.close()
    server.close()


async def test_a_call_runs_on_without_the_dialer_and_its_events_go_to_the_next_one(far: Far, host: VirtualHost) -> None:
    far.mock.on(an_order().to).rings_out()
    near = await opened(far.path, host)
    await near.place(an_order())
    await near.close()
    await far.clock.run()
    assert host.events == []
    again = await opened(far.path, host)
    await until(lambda: len(host.events) == 2)
    assert host.kinds("a-1") == [K.RINGING, K.ENDED], "in the order in which they happened"
    await again.close()


class Forgetful(VirtualHost):
    """Fails to make the first event durable."""

    def __init__(self) -> None:
        super().__init__()
        self.tries = 0

    async def record(self, events: Sequence[Event]) -> None:
        self.tries += 1
        if self.tries > 1:
            await super().record(events)

    def start(self, work: Awaitable[None]) -> None:
        super().start(self._first_fails(work))

    async def _first_fails(self, work: Awaitable[None]) -> None:
        if self.tries == 0:
            self.tries += 1
            work.close()  # type: ignore[attr-defined]
            return
        await work


async def test_an_event_that_was_not_recorded_is_sent_again_and_a_recorded_one_is_not(far: Far) -> None:
    host = Forgetful()
    near = await opened(far.path, host)
    await near.place(an_order(channel="sms"))
    await far.clock.run()
    await until(lambda: host.events)
    await until(lambda: not far.exchange._unrecorded)
    assert host.kinds("a-1") == [K.DELIVERED]
    assert host.tries == 2
    await near.close()


async def test_an_event_that_nobody_records_is_left_to_find(tmp_path: Path, host: VirtualHost) -> None:
    far = await Far(tmp_path, sent_again_s=(0.001, 0.001)).open()
    near = await opened(far.path, host)
    await near.place(an_order(channel="sms"))
    await near.close()
    await far.clock.run()
    await until(lambda: not far.exchange._unrecorded)
    again = await opened(far.path, host)
    await turns()
    assert host.events == []
    assert [event.kind for event in await again.find(an_order(channel="sms"))] == [K.ACCEPTED, K.DELIVERED]
    await again.close()
    await far.close()


class Mute(VirtualHost):
    """Never knows what to say."""

    async def step(self, attempt_id: str, heard: Heard) -> Step:
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_step_that_nobody_gives_ends_the_call(far: Far) -> None:
    host = Mute()
    near = await opened(far.path, host)
    await near.place(an_order())
    ticks = asyncio.create_task(drive(far))
    await until(lambda: len(host.events) == 3)
    ended = host.events[-1]
    assert (ended.kind, ended.disposition) == (K.ENDED, "answered")
    ticks.cancel()
    await near.close()
    await host.close()


async def drive(far: Far) -> None:
    """Moves the far clock, also while a call waits for the dialer in real time."""
    while True:
        await asyncio.sleep(0.001)
        if far.clock._sleepers:
            at, _, alarm = far.clock._sleepers.pop(0)
            far.clock._now = max(far.clock._now, at)
            if not alarm.done():
                alarm.set_result(None)


async def test_a_step_asked_while_nobody_is_there_is_given_by_the_next_connection(far: Far, host: VirtualHost) -> None:
    asking = asyncio.create_task(far.exchange.step("a-1", Heard("start")))
    await turns(5)
    near = await opened(far.path, host)
    assert (await asking).name == "greet"
    await near.close()


@pytest.mark.parametrize("rubbish", [b"\n", b"[]\n", b"{}\n", b'{"event": 1}\n', b"\xff\n", b'{"ask": 1'])
async def test_rubbish_ends_the_connection_on_either_side(
    far: Far, tmp_path: Path, host: VirtualHost, rubbish: bytes
) -> None:
    reader, writer = await asyncio.open_unix_connection(str(far.path))
    writer.write(rubbish)
    writer.write_eof()
    assert await reader.read() == b""
    await wire.Link(reader, writer).closed()

    async def talks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(rubbish)
        writer.write_eof()
        await reader.read()
        await wire.Link(reader, writer).closed()

    server = await asyncio.start_unix_server(talks, str(tmp_path / "r.sock"))
    near = await opened(tmp_path / "r.sock", host)
    await until(lambda: near._link is None)  # type: ignore[attr-defined]
    await near.close()
    await turns()
    server.close()


async def test_a_second_carrier_does_not_take_the_socket_and_a_dead_one_leaves_it(far: Far) -> None:
    with pytest.raises(OSError, match="another carrier"):
        await Exchange(MockAdapter(Settings()), far.clock, far.path).open()
    assert far.path.stat().st_mode & 0o777 == 0o600
    await far.exchange.close()
    await far.open()
    await (await wire.connect(str(far.path))).closed()


def test_a_carrier_of_its_own_is_told_the_rest_itself() -> None:
    with pytest.raises(ValidationError, match="carrier alone"):
        Settings(carrier=Path("c.sock"), seed=2)


def test_what_the_process_cannot_do_it_says(tmp_path: Path) -> None:
    def said(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "dialer.carrier", *words], capture_output=True, text=True, timeout=60, check=False
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr

    good = ("--socket", str(tmp_path / "c.sock"), "--journal", str(tmp_path / "j"))
    code, text = said(*good, "--faults", "2")
    assert (code, "--faults" in text) == (2, True)
    code, text = said("--socket", str(tmp_path / "no" / "c.sock"), *good[2:])
    assert (code, "carrier_not_started" in text) == (1, True)


def test_orders_and_events_survive_the_wire() -> None:
    order = replace(an_order(), valid_until=VirtualHost().now(), ring_timeout_s=12.5, text="您好\n", ref="r")
    event = Event(K.REPLIED, VirtualHost().now(), sender="+8613800138001", text="TD\u2028", talk_s=1.5)
    for kind, value in ((wire.ORDER, order), (wire.EVENT, event)):
        assert kind.validate_python(json.loads(json.dumps(wire.plain(kind, value)))) == value
