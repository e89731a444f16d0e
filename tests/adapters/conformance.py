"""What every adapter must do, whoever its provider is. See adapters/contract.py for the rules.

An adapter joins by two small classes in its test file: a `Rig`, which drives its (simulated) provider, and

    class TestAcme(AdapterConformance):
        @pytest.fixture
        async def rig(self) -> AsyncIterator[Rig]: ...
"""

import asyncio
from abc import ABC, abstractmethod
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.contract import Adapter, Event, EventKind, Order, Refused, Spec, Unavailable, Uncertain
from adapters.loader import load
from campaigns.model import Disposition
from tests.adapters.host import VirtualHost

FINAL = {EventKind.ENDED, EventKind.DELIVERED, EventKind.UNDELIVERED}
DISPOSITIONS = {word.value for word in Disposition}


class Rig(ABC):
    """An open adapter, the host it is open on, and a hand on its provider."""

    spec: Spec
    adapter: Adapter
    host: VirtualHost

    def order(self, channel: str = "voice", **changes: Any) -> Order:
        """An order that this provider can take; another attempt id and number for another order."""
        usual: dict[str, Any] = {
            "attempt_id": "a-1",
            "channel": channel,
            "to": "+8613800138001",
            "caller": "+864001234567",
            "line": "main",
            "text": "您好",
        }
        return Order(**(usual | changes))

    @abstractmethod
    def accepts(self, order: Order) -> None:
        """From now on the provider takes the order; a call is answered, a message delivered."""

    @abstractmethod
    def refuses(self, order: Order) -> None: ...

    @abstractmethod
    def is_down(self, order: Order) -> None:
        """Nothing reaches the provider, and that is certain."""

    @abstractmethod
    def times_out(self, order: Order) -> None:
        """The provider takes the order, and its answer is lost."""

    @abstractmethod
    def repeats(self, order: Order) -> None:
        """The provider takes the order and reports every event twice."""

    @abstractmethod
    def requests(self, order: Order) -> int:
        """How often the provider was asked to place this order, whatever it answered."""

    async def reports(self) -> None:
        """Lets the provider report all that there is to report."""
        await self.host.run()


def of(events: list[Event], order: Order) -> list[Event]:
    return [event for event in events if event.attempt_id == order.attempt_id]


class AdapterConformance:
    """The suite. A subclass named Test… gives the fixture `rig`."""

    @pytest.fixture(params=["voice", "sms"])
    def order(self, rig: Rig, request: pytest.FixtureRequest) -> Order:
        if request.param not in rig.spec.channels:
            pytest.skip(f"{rig.spec.name} has no {request.param}")
        return rig.order(request.param)

    async def test_is_found_by_its_name(self, rig: Rig) -> None:
        assert load(rig.spec.name) is rig.spec
        assert rig.spec.channels <= {"voice", "sms"}
        assert rig.spec.channels

    async def test_settings_name_a_misspelt_key(self, rig: Rig) -> None:
        with pytest.raises(ValidationError, match="mispelt"):
            rig.spec.settings.model_validate({"mispelt": 1})

    async def test_a_taken_order_gives_a_reference_and_comes_to_one_end(self, rig: Rig, order: Order) -> None:
        rig.accepts(order)
        receipt = await rig.adapter.place(order)
        await rig.reports()
        assert receipt.ref
        assert rig.requests(order) == 1
        events = of(rig.host.events, order)
        if order.channel == "voice" or rig.spec.receipts:
            assert [event.kind in FINAL for event in events].count(True) == 1
        for event in events:
            assert event.ref in ("", receipt.ref)
            assert event.at.utcoffset() == timedelta(0)
            assert event.identity or event.ref
            assert event.kind not in FINAL or event.disposition in DISPOSITIONS | {""}

    async def test_two_attempts_keep_their_references_and_events_apart(self, rig: Rig, order: Order) -> None:
        other = rig.order(order.channel, attempt_id="a-2", to="+8613800138002")
        rig.accepts(order)
        rig.accepts(other)
        refs = {(await rig.adapter.place(one)).ref for one in (order, other)}
        await rig.reports()
        assert len(refs) == 2
        identities = [(e.ref, e.kind, e.sequence, e.identity) for e in rig.host.events]
        assert len(set(identities)) == len(identities)

    async def test_a_refusal_is_refused_with_a_disposition(self, rig: Rig, order: Order) -> None:
        rig.refuses(order)
        with pytest.raises(Refused) as caught:
            await rig.adapter.place(order)
        assert caught.value.disposition in DISPOSITIONS
        assert rig.requests(order) == 1

    async def test_what_was_never_sent_is_unavailable_and_not_found(self, rig: Rig, order: Order) -> None:
        rig.is_down(order)
        with pytest.raises(Unavailable) as caught:
            await rig.adapter.place(order)
        assert caught.value.retry_after_s is None or caught.value.retry_after_s >= 0
        assert rig.requests(order) <= 1, "place never tries again by itself"
        await rig.reports()
        assert of(rig.host.events, order) == []
        rig.accepts(order)  # the network is back, and knows nothing of it
        assert await rig.adapter.find(order) == []

    async def test_after_unavailable_it_can_be_placed(self, rig: Rig, order: Order) -> None:
        rig.is_down(order)
        with pytest.raises(Unavailable):
            await rig.adapter.place(order)
        rig.accepts(order)
        assert (await rig.adapter.place(order)).ref

    async def test_a_lost_answer_is_uncertain_sent_once_and_found_later(self, rig: Rig, order: Order) -> None:
        rig.times_out(order)
        with pytest.raises(Uncertain):
            await rig.adapter.place(order)
        assert rig.requests(order) == 1, "place never tries again by itself"
        await rig.host.advance(rig.spec.visibility_delay_s)
        assert of(await rig.adapter.find(order), order)

    async def test_find_tells_what_was_reported_oldest_first(self, rig: Rig, order: Order) -> None:
        rig.accepts(order)
        receipt = await rig.adapter.place(order)
        await rig.reports()
        await rig.host.advance(rig.spec.visibility_delay_s)
        found = await rig.adapter.find(rig.order(order.channel, ref=receipt.ref, placed_at=rig.host.now()))
        assert [event.at for event in found] == sorted(event.at for event in found)
        reported = {e.kind: e.disposition for e in of(rig.host.events, order) if e.kind in FINAL}
        assert {e.kind: e.disposition for e in of(found, order) if e.kind in FINAL} == reported

    async def test_find_of_an_unknown_attempt_is_empty(self, rig: Rig, order: Order) -> None:
        assert await rig.adapter.find(rig.order(order.channel, attempt_id="never-placed")) == []

    async def test_a_repeated_event_keeps_its_identity(self, rig: Rig, order: Order) -> None:
        rig.repeats(order)
        await rig.adapter.place(order)
        await rig.reports()
        seen = [(e.ref, e.kind, e.sequence, e.identity) for e in of(rig.host.events, order)]
        assert len(seen) == 2 * len(set(seen))
        assert seen

    async def test_after_close_no_event_comes_and_nothing_is_placed(self, rig: Rig, order: Order) -> None:
        rig.accepts(order)
        await rig.adapter.place(order)
        before = list(rig.host.events)
        await rig.adapter.close()
        await rig.reports()
        assert rig.host.events == before
        with pytest.raises(Unavailable):
            await rig.adapter.place(rig.order(order.channel, attempt_id="a-2"))

    async def test_close_can_be_repeated(self, rig: Rig) -> None:
        await rig.adapter.close()
        await rig.adapter.close()
        with pytest.raises(Unavailable):
            await rig.adapter.find(rig.order())

    async def test_hanging_up_an_unknown_call_is_harmless(self, rig: Rig) -> None:
        await rig.adapter.hang_up("no-such-ref")
        assert rig.host.events == []

    async def test_hanging_up_ends_a_running_call_once(self, rig: Rig) -> None:
        if "voice" not in rig.spec.channels:
            pytest.skip("no calls")
        order = rig.order()
        rig.accepts(order)
        receipt = await rig.adapter.place(order)
        await rig.adapter.hang_up(receipt.ref)
        await rig.adapter.hang_up(receipt.ref)
        await rig.reports()
        assert [event.kind for event in of(rig.host.events, order)].count(EventKind.ENDED) == 1

    @pytest.mark.parametrize("steps", range(4))
    async def test_a_cancelled_place_was_taken_once_or_not_at_all(self, rig: Rig, order: Order, steps: int) -> None:
        rig.accepts(order)
        placing = asyncio.create_task(rig.adapter.place(order))
        for _ in range(steps):
            await asyncio.sleep(0)
        placing.cancel()
        await asyncio.gather(placing, return_exceptions=True)
        await rig.host.advance(rig.spec.visibility_delay_s)
        found = of(await rig.adapter.find(order), order)
        assert rig.requests(order) <= 1
        assert bool(found) == bool(rig.requests(order))
