"""The mock adapter's scripted side: what a test tells a number to do, and carriers that misbehave."""

import asyncio
from datetime import timedelta

import pytest

from adapters.contract import EventKind, Heard, Order, Refused, Step, Unavailable, Uncertain
from adapters.mock import MockAdapter
from adapters.scripted import Number
from tests.adapters.host import VirtualHost
from tests.adapters.support import WANG, an_order, two_questions

K = EventKind


async def ending_of(mock: MockAdapter, host: VirtualHost, order: Order) -> str:
    await mock.place(order)
    await host.run()
    return host.events[-1].disposition


@pytest.mark.parametrize(
    ("script", "kinds", "disposition"),
    [
        (Number.busy, [K.ENDED], "busy"),
        (Number.phone_off, [K.ENDED], "phone_off"),
        (Number.unreachable, [K.ENDED], "unreachable"),
        (Number.invalid_number, [K.ENDED], "invalid_number"),
        (Number.network_fails, [K.ENDED], "infrastructure"),
        (Number.rings_out, [K.RINGING, K.ENDED], "no_answer"),
        (Number.declines, [K.RINGING, K.ENDED], "declined"),
        (Number.answers, [K.RINGING, K.ANSWERED, K.ENDED], "answered"),
        (Number.machine, [K.RINGING, K.ANSWERED, K.MACHINE_DETECTED, K.ENDED], "machine"),
    ],
)
async def test_a_scripted_call_reports_its_events_and_ending(
    mock_carrier: MockAdapter, virtual_host: VirtualHost, script, kinds, disposition
) -> None:
    script(mock_carrier.on(WANG))
    assert await ending_of(mock_carrier, virtual_host, an_order()) == disposition
    assert virtual_host.kinds("a-1") == kinds
    assert [e.kind for e in await mock_carrier.find(an_order())] == [K.ACCEPTED, *kinds]


async def test_the_dialogue_hears_the_keys_in_turn(mock_carrier: MockAdapter, virtual_host: VirtualHost) -> None:
    virtual_host.dialogue = two_questions
    mock_carrier.on(WANG).answers(keys="2,1", detected=True)
    await mock_carrier.place(an_order())
    await virtual_host.run()
    heard = [heard for _, heard in virtual_host.heard]
    assert [(h.what, h.digits) for h in heard] == [("start", ""), ("keys", "2"), ("keys", "1")]
    instants = [h.at for h in heard]
    assert instants == sorted(set(instants))
    assert K.HUMAN_DETECTED in virtual_host.kinds("a-1")
    assert K.KEYED not in virtual_host.kinds("a-1"), "keys go through step alone"
    answered, ended = virtual_host.events[1], virtual_host.events[-1]
    assert ended.talk_s == pytest.approx((ended.at - answered.at).total_seconds())


async def test_a_missing_key_is_silence_after_the_steps_own_time(
    mock_carrier: MockAdapter, virtual_host: VirtualHost
) -> None:
    virtual_host.dialogue = two_questions
    mock_carrier.on(WANG).answers(keys="2,")
    await mock_carrier.place(an_order())
    await virtual_host.run()
    keyed, silent = virtual_host.heard[1][1], virtual_host.heard[2][1]
    assert silent.what == "silence"
    assert (silent.at - keyed.at).total_seconds() > Step("", "", "gather").silence_s


async def test_a_transfer_is_heard_at_its_end(mock_carrier: MockAdapter, virtual_host: VirtualHost) -> None:
    def dialogue(attempt_id: str, heard: Heard) -> Step:
        return Step("agent", "正在转接。", "transfer", to="+864001234568") if heard.what == "start" else bye

    bye = Step("bye", "", "hang_up")
    virtual_host.dialogue = dialogue
    mock_carrier.on(WANG).answers()
    await mock_carrier.place(an_order())
    await virtual_host.run()
    assert [(h.what, h.connected) for _, h in virtual_host.heard] == [("start", False), ("transferred", True)]


async def test_a_machine_is_said_to_the_dialogue(mock_carrier: MockAdapter, virtual_host: VirtualHost) -> None:
    mock_carrier.on(WANG).machine()
    await mock_carrier.place(an_order())
    await virtual_host.run()
    assert [h.what for _, h in virtual_host.heard] == ["machine"]


@pytest.mark.parametrize(("after_s", "disposition"), [(29.9, "answered"), (30.0, "no_answer"), (31.0, "no_answer")])
async def test_the_ring_time_out_ends_the_ringing(
    mock_carrier: MockAdapter, virtual_host: VirtualHost, after_s: float, disposition: str
) -> None:
    mock_carrier.on(WANG).answers(after_s=after_s)
    assert await ending_of(mock_carrier, virtual_host, an_order(ring_timeout_s=30.0)) == disposition
    ringing, then = virtual_host.events[:2]
    assert (then.at - ringing.at).total_seconds() == min(after_s, 30.0)


async def test_the_time_limit_hangs_up_a_dialogue_without_end(
    mock_carrier: MockAdapter, virtual_host: VirtualHost
) -> None:
    virtual_host.dialogue = lambda attempt_id, heard: Step("ask", "请按键。", "gather")
    mock_carrier.on(WANG).answers()
    assert await ending_of(mock_carrier, virtual_host, an_order(time_limit_s=60.0)) == "answered"
    assert virtual_host.events[-1].talk_s == 60.0


async def test_the_person_may_hang_up_in_the_middle(mock_carrier: MockAdapter, virtual_host: VirtualHost) -> None:
    virtual_host.dialogue = two_questions
    mock_carrier.on(WANG).answers(keys="2,1", hangs_up_after_s=1.5)
    assert await ending_of(mock_carrier, virtual_host, an_order()) == "answered"
    assert virtual_host.events[-1].talk_s == 1.5
    assert len(virtual_host.heard) == 1


@pytest.mark.parametrize(
    ("script", "kinds"),
    [
        (Number.delivered, [K.DELIVERED]),
        (Number.undelivered, [K.UNDELIVERED]),
        (Number.invalid_number, [K.UNDELIVERED]),
    ],
)
async def test_a_message_reports_its_receipt(
    mock_carrier: MockAdapter, virtual_host: VirtualHost, script, kinds
) -> None:
    script(mock_carrier.on(WANG))
    await mock_carrier.place(an_order(channel="sms", text="您好"))
    await virtual_host.run()
    assert virtual_host.kinds("a-1") == kinds
    assert mock_carrier.messages_to(WANG)[0].text == "您好"
    assert mock_carrier.calls_to(WANG) == []


async def test_a_reply_names_its_sender_and_no_attempt(mock_carrier: MockAdapter, virtual_host: VirtualHost) -> None:
    mock_carrier.on(WANG).replies("TD")
    await mock_carrier.place(an_order(channel="sms"))
    await virtual_host.run()
    reply = virtual_host.events[-1]
    assert (reply.kind, reply.sender, reply.text, reply.attempt_id) == (K.REPLIED, WANG, "TD", "")


async def test_a_message_is_not_delivered_after_its_validity(
    mock_carrier: MockAdapter, virtual_host: VirtualHost
) -> None:
    valid_until = virtual_host.now() + timedelta(seconds=1)
    mock_carrier.on(WANG).delivered()
    await mock_carrier.place(an_order(channel="sms", valid_until=valid_until))
    await virtual_host.run()
    assert [(e.kind, e.at) for e in virtual_host.events] == [(K.UNDELIVERED, valid_until)]


async def test_a_call_never_rings_after_its_validity(mock_carrier: MockAdapter, virtual_host: VirtualHost) -> None:
    valid_until = virtual_host.now() + timedelta(milliseconds=5)
    mock_carrier.on(WANG).answers()
    await mock_carrier.place(an_order(valid_until=valid_until))
    await virtual_host.advance(1)
    assert virtual_host.events[0].at == valid_until
    with pytest.raises(Unavailable, match="validity"):
        await mock_carrier.place(an_order("a-2", valid_until=valid_until))


async def test_behaviours_follow_each_other_apart_for_calls_and_messages(
    mock_carrier: MockAdapter, virtual_host: VirtualHost
) -> None:
    number = mock_carrier.on(WANG).busy().undelivered().then().rings_out().delivered().then().fails(Uncertain)
    channels = ["voice", "voice", "sms", "sms"]
    for count, channel in enumerate(channels):
        await mock_carrier.place(an_order(f"a-{count}", channel=channel))
        await virtual_host.run()
    final = [e.disposition or e.kind for e in virtual_host.events if e.kind is not K.RINGING]
    assert final == ["busy", "no_answer", "undelivered", "delivered"]
    for _ in range(2):
        with pytest.raises(Uncertain):
            await mock_carrier.place(an_order("a-9"))
    assert number.asked == 6
    assert len(mock_carrier.placements) == 4


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (Unavailable("down", 3.0), Unavailable),
        (Refused("blocked"), Refused),
        (Refused, Refused),
        (Uncertain, Uncertain),
    ],
)
async def test_what_fails_is_not_taken(mock_carrier: MockAdapter, virtual_host: VirtualHost, error, raised) -> None:
    mock_carrier.on(WANG).fails(error)
    with pytest.raises(raised):
        await mock_carrier.place(an_order())
    await virtual_host.run()
    assert mock_carrier.placements == []
    assert virtual_host.events == []
    assert await mock_carrier.find(an_order()) == []


async def test_a_lost_answer_is_taken_and_reported(mock_carrier: MockAdapter, virtual_host: VirtualHost) -> None:
    mock_carrier.on(WANG).busy().loses_answer()
    with pytest.raises(Uncertain):
        await mock_carrier.place(an_order())
    await virtual_host.run()
    assert [p.attempt_id for p in mock_carrier.placements] == ["a-1"]
    assert virtual_host.kinds("a-1") == [K.ENDED]


async def test_a_stalled_place_takes_at_once_and_returns_late(
    mock_carrier: MockAdapter, virtual_host: VirtualHost
) -> None:
    mock_carrier.on(WANG).answers().stalls(12)
    placing = asyncio.create_task(mock_carrier.place(an_order()))
    await virtual_host.advance(11.9)
    assert not placing.done()
    assert K.RINGING in virtual_host.kinds("a-1")
    await virtual_host.advance(0.1)
    assert (await placing).ref == virtual_host.events[0].ref


async def test_a_stalled_place_that_is_cancelled_was_taken(
    mock_carrier: MockAdapter, virtual_host: VirtualHost
) -> None:
    mock_carrier.on(WANG).answers().stalls(12)
    placing = asyncio.create_task(mock_carrier.place(an_order()))
    await virtual_host.advance(10)
    placing.cancel()
    await virtual_host.run()
    assert placing.cancelled()
    assert virtual_host.kinds("a-1") == [K.RINGING, K.ANSWERED, K.ENDED]


async def test_never_reports_tells_only_find_and_step_by_step(
    mock_carrier: MockAdapter, virtual_host: VirtualHost
) -> None:
    mock_carrier.on(WANG).answers(keys="1").never_reports()
    await mock_carrier.place(an_order())
    seen = []
    for seconds in (0, 3, 6, 20):
        await virtual_host.advance(seconds)
        seen.append([e.kind for e in await mock_carrier.find(an_order())])
    assert seen[0] == [K.ACCEPTED]
    assert seen[1] == [K.ACCEPTED, K.RINGING]
    assert seen[2] == [K.ACCEPTED, K.RINGING, K.ANSWERED]
    assert seen[3] == [K.ACCEPTED, K.RINGING, K.ANSWERED, K.ENDED]
    assert (virtual_host.events, virtual_host.heard) == ([], [])


async def test_late_reports_keep_the_instants_and_the_dialogue(
    mock_carrier: MockAdapter, virtual_host: VirtualHost
) -> None:
    mock_carrier.on(WANG).answers().reports_late(90)
    await mock_carrier.place(an_order())
    await virtual_host.advance(89)
    assert virtual_host.events == []
    assert len(virtual_host.heard) == 1
    await virtual_host.run()
    assert virtual_host.kinds("a-1") == [K.RINGING, K.ANSWERED, K.ENDED]
    assert virtual_host.now() - virtual_host.events[-1].at == timedelta(seconds=90)


async def test_out_of_order_reports_come_last_first(mock_carrier: MockAdapter, virtual_host: VirtualHost) -> None:
    mock_carrier.on(WANG).answers().out_of_order()
    await mock_carrier.place(an_order())
    await virtual_host.run()
    assert virtual_host.kinds("a-1") == [K.ENDED, K.ANSWERED, K.RINGING]


@pytest.mark.parametrize(("after", "disposition"), [(1, "no_answer"), (4, "no_answer"), (9, "answered")])
async def test_hang_up_ends_a_call_at_that_instant(
    mock_carrier: MockAdapter, virtual_host: VirtualHost, after: int, disposition: str
) -> None:
    virtual_host.dialogue = two_questions
    mock_carrier.on(WANG).answers(keys="2,1")
    receipt = await mock_carrier.place(an_order())
    await virtual_host.advance(after)
    await mock_carrier.hang_up(receipt.ref)
    hung_up_at = virtual_host.now()
    await virtual_host.run()
    assert (virtual_host.events[-1].disposition, virtual_host.events[-1].at) == (disposition, hung_up_at)


async def test_a_late_host_gets_the_instants_of_the_calls_own_timeline() -> None:
    """Simulations gather events into batches: record and step return much later than they were called."""

    class LateHost(VirtualHost):
        async def record(self, events) -> None:
            await super().record(events)
            await self.sleep_until(self.now() + timedelta(minutes=5))

        async def step(self, attempt_id: str, heard: Heard) -> Step:
            await self.sleep_until(self.now() + timedelta(minutes=5))
            return await super().step(attempt_id, heard)

    timelines = []
    for host in (VirtualHost(dialogue=two_questions), LateHost(dialogue=two_questions)):
        mock = MockAdapter()
        await mock.open(host)
        mock.on(WANG).answers(keys="2,1")
        await mock.place(an_order())
        await host.run()
        timelines.append((host.events, host.heard))
        await host.close()
    assert timelines[0] == timelines[1]


async def test_a_host_that_fails_once_loses_no_ending(mock_carrier: MockAdapter, virtual_host: VirtualHost) -> None:
    def broken(attempt_id: str, heard: Heard) -> Step:
        raise RuntimeError("database is away")

    virtual_host.dialogue = broken
    mock_carrier.on(WANG).answers()
    await mock_carrier.place(an_order())
    with pytest.raises(RuntimeError, match="database"):
        await virtual_host.run()
    assert K.ENDED not in virtual_host.kinds("a-1")
    await virtual_host.advance(60)
    assert (await mock_carrier.find(an_order()))[-1].disposition == "answered"


def test_a_number_must_be_e164() -> None:
    with pytest.raises(ValueError, match=r"E\.164"):
        MockAdapter().on("13800138001")
