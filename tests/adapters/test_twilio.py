"""The Twilio adapter and a stand-in for Twilio that calls back: the conformance suite, and connections that break."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from adapters.contract import HookReply, HookRequest, Order, Receipt, Unavailable, Uncertain
from adapters.twilio import ADAPTER, Settings, TwilioAdapter
from dialer.web.hooks import Hooks
from tests.adapters.conformance import AdapterConformance, Rig, of
from tests.adapters.host import VirtualHost
from tests.support.twilio_peer import TwilioPeer

SID, TOKEN = "AC" + "a" * 32, "0123456789abcdef"


class TwilioRig(Rig):
    """An adapter whose Twilio is the stand-in; its callbacks come through the dialer's own web server."""

    spec = ADAPTER

    def __init__(self) -> None:
        self.host = VirtualHost(now=datetime.now(UTC))
        self.host.public_url = "http://dialer.test"
        app = FastAPI()
        Hooks(["twilio"], self._answer, self.host.now).add_to(app)
        self.peer = TwilioPeer(SID, TOKEN, now=self.host.now, hooks=httpx.ASGITransport(app))
        self.adapter: TwilioAdapter = TwilioAdapter(Settings.model_validate({"account_sid": SID, "auth_token": TOKEN}))

    async def _answer(self, name: str, request: HookRequest) -> HookReply:
        return await self.adapter.hook(request)

    async def open(self) -> None:
        given = {"account_sid": SID, "auth_token": TOKEN, "base_url": self.peer.base_url}
        self.adapter = TwilioAdapter(Settings.model_validate(given))
        await self.adapter.open(self.host)

    def accepts(self, order: Order) -> None:
        self.peer.troubles.clear()
        self.peer.on(order.to).answers(keys=["1"]).delivers()

    def refuses(self, order: Order) -> None:
        self.peer.next(400, 21211, "not a number", to=order.to)

    def is_down(self, order: Order) -> None:
        self.peer.next(429, 20429, "Too many requests", to=order.to)

    def times_out(self, order: Order) -> None:
        self.peer.next(to=order.to, cut="in_reply")

    def repeats(self, order: Order) -> None:
        self.peer.callbacks = "twice"
        self.peer.on(order.to).no_answer().delivers()

    def requests(self, order: Order) -> int:
        return len(self.peer.creates(order.to))

    async def reports(self) -> None:
        await self.peer.idle()


@pytest.fixture
async def rig() -> AsyncIterator[TwilioRig]:
    one = TwilioRig()
    one.peer.strict = False
    async with one.peer:
        await one.open()
        yield one
        await one.adapter.close()


class TestTwilio(AdapterConformance):
    @pytest.fixture
    async def rig(self) -> AsyncIterator[Rig]:
        one = TwilioRig()
        one.peer.strict = False
        async with one.peer:
            await one.open()
            yield one
            await one.adapter.close()


CHANNELS = pytest.mark.parametrize("channel", ["voice", "sms"])


@CHANNELS
async def test_a_closed_port_was_not_reached(rig: TwilioRig, channel: str) -> None:
    async with rig.peer.unreachable():
        with pytest.raises(Unavailable):
            await rig.adapter.place(rig.order(channel))
    assert rig.requests(rig.order(channel)) == 0
    assert (await rig.adapter.place(rig.order(channel))).ref


@CHANNELS
@pytest.mark.parametrize(
    ("trouble", "taken"),
    [
        ({"cut": "before_reading"}, False),
        ({"cut": "after_reading"}, False),
        ({"cut": "after_reading", "created": True}, True),
        ({"cut": "in_reply"}, True),
        ({"status": 500, "created": True}, True),
        ({"status": 503}, False),
    ],
)
async def test_a_cut_connection_is_uncertain_sent_once_and_find_tells(
    rig: TwilioRig, channel: str, trouble: dict[str, Any], taken: bool
) -> None:
    order = rig.order(channel, placed_at=rig.host.now())
    rig.peer.next(to=order.to, **trouble)
    with pytest.raises(Uncertain):
        await rig.adapter.place(order)
    await rig.reports()
    assert len(rig.peer.creates()) + rig.peer.unread == 1, "no retry of the SDK's or httpx's own"
    assert bool(await rig.adapter.find(order)) == taken


async def test_a_connection_that_died_while_it_was_idle_is_not_used_twice(rig: TwilioRig) -> None:
    await rig.adapter.place(rig.order())
    rig.peer.next(cut="before_reading")
    with pytest.raises(Uncertain):
        await rig.adapter.place(rig.order(attempt_id="a-2", to="+8613800138002"))
    assert len(rig.peer.creates()) + rig.peer.unread == 2


@CHANNELS
async def test_callbacks_may_come_before_the_reply(rig: TwilioRig, channel: str) -> None:
    rig.peer.callbacks = "early"
    order = rig.order(channel)
    receipt = await rig.adapter.place(order)
    events = of(rig.host.events, order)
    assert events, "before place returned"
    assert {event.ref for event in events} == {receipt.ref}
    await rig.reports()


@CHANNELS
async def test_a_lost_reply_is_mended_by_the_first_callback(rig: TwilioRig, channel: str) -> None:
    """Two calls to the number within the minute: by time alone they could not be told apart."""
    other = rig.order(channel, attempt_id="a-9")
    assert isinstance(await rig.adapter.place(other), Receipt)
    order = rig.order(channel, placed_at=rig.host.now())
    rig.peer.next(to=order.to, cut="in_reply")
    with pytest.raises(Uncertain):
        await rig.adapter.place(order)
    await rig.reports()
    found = await rig.adapter.find(order)
    assert {event.ref for event in found} == {event.ref for event in of(rig.host.events, order)}


async def test_forged_callbacks_change_nothing(rig: TwilioRig) -> None:
    rig.peer.callbacks = "forged"
    rig.peer.on("+8613800138001").no_answer()
    await rig.adapter.place(rig.order())
    await rig.reports()
    assert rig.host.events == []


@pytest.mark.parametrize("policy", ["reversed", "late", "dropped"])
async def test_late_reordered_and_lost_callbacks(rig: TwilioRig, policy: Any) -> None:
    rig.peer.callbacks = policy
    rig.peer.on("+8613800138001").no_answer()
    order = rig.order()
    receipt = await rig.adapter.place(order)
    await rig.reports()
    if policy == "late":
        assert rig.host.events == []
        await rig.peer.release()
    found = await rig.adapter.find(rig.order(ref=receipt.ref))
    assert [(e.kind, e.disposition) for e in found][-1] == ("ended", "no_answer")
    reported = {event.kind for event in of(rig.host.events, order)}
    assert reported == (set() if policy == "dropped" else {"accepted", "ringing", "ended"})
