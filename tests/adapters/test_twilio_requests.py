"""What the Twilio adapter asks for, and what it makes of answers, refusals and cuts. Twilio's HTTP is respx's."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
import respx

from adapters.contract import EventKind, Order, Refused, Unavailable, Uncertain
from adapters.twilio import Settings, TwilioAdapter
from tests.adapters.host import VirtualHost
from tests.adapters.support import WANG, an_order

SID, TOKEN = "AC" + "0" * 32, "0123456789abcdef"
CALL, MESSAGE = "CA" + "1" * 32, "SM" + "1" * 32
API = f"https://api.twilio.com/2010-04-01/Accounts/{SID}"
CREATED = "Wed, 14 Jan 2026 01:30:01 +0000"


def settings(**more: Any) -> Settings:
    return Settings.model_validate({"account_sid": SID, "auth_token": TOKEN, **more})


@pytest.fixture
async def adapter(virtual_host: VirtualHost) -> AsyncIterator[TwilioAdapter]:
    one = TwilioAdapter(settings())
    await one.open(virtual_host)
    yield one
    await one.close()


@pytest.fixture
def twilio() -> Any:
    with respx.mock(assert_all_called=False) as router:
        yield router


def call(**more: object) -> dict[str, object]:
    usual = {"sid": CALL, "status": "queued", "to": WANG, "from": "+864001234567", "direction": "outbound-api",
             "date_created": CREATED, "parent_call_sid": None, "start_time": None, "end_time": None,
             "duration": None, "answered_by": None}  # fmt: skip
    return usual | more


def message(**more: object) -> dict[str, object]:
    usual = {"sid": MESSAGE, "status": "queued", "to": WANG, "from": "+864001234567", "direction": "outbound-api"}
    usual |= {"date_created": CREATED, "date_updated": CREATED, "error_code": None, "messaging_service_sid": None}
    return usual | more


def asked(route: respx.Route) -> dict[str, list[str]]:
    assert route.call_count == 1
    return parse_qs(route.calls.last.request.content.decode(), keep_blank_values=True)


@pytest.mark.parametrize(
    ("detection", "wanted"),
    [
        ("off", {}),
        ("detect", {"MachineDetection": ["Enable"]}),
        ("detect-message-end", {"MachineDetection": ["DetectMessageEnd"]}),
        ("asynchronous", {"MachineDetection": ["DetectMessageEnd"], "AsyncAmd": ["true"]}),
    ],
)
async def test_a_call_as_it_is_asked_for(
    adapter: TwilioAdapter, twilio: Any, detection: str, wanted: dict[str, list[str]]
) -> None:
    route = twilio.post(f"{API}/Calls.json").respond(201, json=call())
    receipt = await adapter.place(an_order(detection=detection, ring_timeout_s=25.0, time_limit_s=120.0, version=3))
    form = asked(route)
    assert receipt.ref == CALL
    assert (form["To"], form["From"], form["Timeout"], form["TimeLimit"]) == (
        [WANG],
        ["+864001234567"],
        ["25"],
        ["120"],
    )
    assert form["StatusCallbackEvent"] == ["initiated", "ringing", "answered", "completed"]
    assert form["Url"][0].startswith("http://127.0.0.1:8080/hooks/twilio/answered/a-1/")
    assert form["Url"][0].endswith("/3"), "the campaign's version"
    assert {key: form[key] for key in form if key in ("MachineDetection", "AsyncAmd")} == wanted
    assert ("AsyncAmdStatusCallback" in form) == (detection == "asynchronous")
    assert "Record" not in form


async def test_a_recorded_call_is_asked_for_as_such(adapter: TwilioAdapter, twilio: Any) -> None:
    route = twilio.post(f"{API}/Calls.json").respond(201, json=call())
    await adapter.place(an_order(record=True))
    assert asked(route)["Record"] == ["true"]


async def test_nothing_is_placed_after_its_validity(
    adapter: TwilioAdapter, virtual_host: VirtualHost, twilio: Any
) -> None:
    route = twilio.post(f"{API}/Calls.json").respond(201, json=call())
    soon = virtual_host.now() + timedelta(seconds=12)
    await adapter.place(an_order(valid_until=soon))
    assert asked(route)["Timeout"] == ["30"], "the window's end is already that much earlier"
    await virtual_host.advance(13)
    with pytest.raises(Unavailable):
        await adapter.place(an_order("a-2", valid_until=soon))
    assert route.call_count == 1


async def test_a_message_ends_with_its_window(adapter: TwilioAdapter, virtual_host: VirtualHost, twilio: Any) -> None:
    route = twilio.post(f"{API}/Messages.json").respond(201, json=message())
    until = virtual_host.now() + timedelta(minutes=90)
    receipt = await adapter.place(an_order(channel="sms", text="您好", valid_until=until))
    form = asked(route)
    assert receipt.ref == MESSAGE
    assert (form["Body"], form["ValidityPeriod"], form["From"]) == (["您好"], ["5400"], ["+864001234567"])


async def test_a_messaging_service_chooses_the_sender(virtual_host: VirtualHost, twilio: Any) -> None:
    one = TwilioAdapter(settings(messaging_service="MG" + "2" * 32))
    await one.open(virtual_host)
    route = twilio.post(f"{API}/Messages.json").respond(201, json=message())
    await one.place(an_order(channel="sms", text="hi"))
    form = asked(route)
    assert form["MessagingServiceSid"] == ["MG" + "2" * 32]
    assert "From" not in form
    await one.close()


async def test_another_provider_that_speaks_as_twilio(
    virtual_host: VirtualHost, twilio: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_REGION", "ie1")
    key = {"api_key": "SK" + "3" * 32, "api_secret": "secret-of-the-key"}
    one = TwilioAdapter(settings(base_url="https://space.example/api/laml", **key))
    await one.open(virtual_host)
    route = twilio.post(f"https://space.example/api/laml/2010-04-01/Accounts/{SID}/Calls.json")
    route.respond(201, json=call())
    await one.place(an_order())
    header = route.calls.last.request.headers["authorization"]
    assert header == httpx.BasicAuth(key["api_key"], key["api_secret"])._auth_header
    await one.close()


Fault = Callable[[httpx.Request], httpx.Response]


def raising(error: type[httpx.TransportError]) -> Fault:
    def act(request: httpx.Request) -> httpx.Response:
        raise error("cut", request=request)

    return act


@pytest.mark.parametrize("channel", ["voice", "sms"])
@pytest.mark.parametrize(
    ("fault", "wanted"),
    [
        (raising(httpx.ConnectError), Unavailable),
        (raising(httpx.ConnectTimeout), Unavailable),
        (raising(httpx.PoolTimeout), Unavailable),
        (raising(httpx.ProxyError), Unavailable),
        (raising(httpx.WriteError), Uncertain),
        (raising(httpx.WriteTimeout), Uncertain),
        (raising(httpx.ReadError), Uncertain),
        (raising(httpx.ReadTimeout), Uncertain),
        (raising(httpx.RemoteProtocolError), Uncertain),
        (lambda _: httpx.Response(201, text="<html>"), Uncertain),
        (lambda _: httpx.Response(201, text=""), Uncertain),
        (lambda _: httpx.Response(201, json={}), Uncertain),
        (lambda _: httpx.Response(302, headers={"location": "https://elsewhere.example/"}), Uncertain),
        (lambda _: httpx.Response(500, text="oops"), Uncertain),
        (lambda _: httpx.Response(503, json={"code": 20503, "status": 503}), Uncertain),
        (lambda _: httpx.Response(429, headers={"retry-after": "4"}, json={"code": 20429}), Unavailable),
        (lambda _: httpx.Response(400, json={"code": 21211, "message": f"{WANG} is no number"}), Refused),
        (lambda _: httpx.Response(400, json={"type": "t", "title": "t", "status": 400, "code": 21211}), Refused),
        (lambda _: httpx.Response(401, json={"code": 20003}), Unavailable),
        (lambda _: httpx.Response(403, text="<html>"), Uncertain),
        (lambda _: httpx.Response(404, json={"message": "no code"}), Uncertain),
    ],
)
async def test_a_fault_is_one_of_three_errors_and_nothing_is_sent_again(
    adapter: TwilioAdapter, twilio: Any, channel: str, fault: Fault, wanted: type[Exception]
) -> None:
    route = twilio.post(url__regex=r".*/(Calls|Messages)\.json").mock(side_effect=fault)
    with pytest.raises(wanted) as caught:
        await adapter.place(an_order(channel=channel, text="您好"))
    assert route.call_count == 1, "neither the SDK nor httpx tries again"
    assert WANG not in str(caught.value)


async def test_the_pause_that_twilio_asks_for(adapter: TwilioAdapter, twilio: Any) -> None:
    twilio.post(f"{API}/Calls.json").respond(429, headers={"retry-after": "4"}, json={"code": 20429})
    with pytest.raises(Unavailable, match="limit on requests at once") as caught:
        await adapter.place(an_order())
    assert caught.value.retry_after_s == 4


async def test_a_number_that_told_twilio_to_stop_has_opted_out(adapter: TwilioAdapter, twilio: Any) -> None:
    twilio.post(f"{API}/Messages.json").respond(400, json={"code": 21610, "message": "unsubscribed"})
    with pytest.raises(Refused) as caught:
        await adapter.place(an_order(channel="sms", text="hi"))
    assert caught.value.opted_out
    assert caught.value.disposition == "blocked"


# --- find ----------------------------------------------------------------------------------------------------------


def sought(host: VirtualHost, **more: Any) -> Order:
    return an_order(placed_at=host.now(), **more)


def listing(twilio: Any, *records: dict[str, object], of: str = "calls") -> respx.Route:
    found: respx.Route = twilio.get(url__regex=rf".*/{of.capitalize()}\.json.*")
    return found.respond(200, json={of: list(records), "next_page_uri": None})


async def test_the_one_that_was_made_since_the_claim_is_ours(
    adapter: TwilioAdapter, virtual_host: VirtualHost, twilio: Any
) -> None:
    ended = {"status": "completed", "start_time": "Wed, 14 Jan 2026 01:30:09 +0000", "answered_by": "human",
             "end_time": "Wed, 14 Jan 2026 01:31:00 +0000", "duration": "51"}  # fmt: skip
    route = listing(
        twilio,
        call(**ended),
        call(sid="CA" + "2" * 32, date_created="Wed, 14 Jan 2026 00:10:00 +0000"),
        call(sid="CA" + "3" * 32, direction="inbound"),
        call(sid="CA" + "4" * 32, direction="outbound-dial", parent_call_sid=CALL),
        call(sid="CA" + "5" * 32, **{"from": "+864009999999"}),
    )
    found = await adapter.find(sought(virtual_host))
    assert [event.kind for event in found] == ["accepted", "answered", "human_detected", "ended"]
    assert {event.ref for event in found} == {CALL}
    assert (found[-1].disposition, found[-1].talk_s) == ("human", 51.0)
    assert parse_qs(route.calls.last.request.url.query.decode())["To"] == [WANG]


async def test_of_two_that_may_be_it_none_is_taken(
    adapter: TwilioAdapter, virtual_host: VirtualHost, twilio: Any
) -> None:
    listing(twilio, call(), call(sid="CA" + "2" * 32))
    with pytest.raises(Unavailable, match="2 of Twilio's records"):
        await adapter.find(sought(virtual_host))


async def test_another_attempt_s_call_is_not_ours(
    adapter: TwilioAdapter, virtual_host: VirtualHost, twilio: Any
) -> None:
    twilio.post(f"{API}/Calls.json").respond(201, json=call(sid="CA" + "2" * 32))
    await adapter.place(an_order("a-other"))
    listing(twilio, call(), call(sid="CA" + "2" * 32))
    assert {event.ref for event in await adapter.find(sought(virtual_host))} == {CALL}


async def test_a_known_reference_is_fetched(adapter: TwilioAdapter, virtual_host: VirtualHost, twilio: Any) -> None:
    twilio.get(f"{API}/Messages/{MESSAGE}.json").respond(200, json=message(status="undelivered", error_code=30005))
    found = await adapter.find(sought(virtual_host, channel="sms", ref=MESSAGE))
    assert [(e.kind, e.disposition, e.code) for e in found] == [
        (EventKind.ACCEPTED, "", ""), (EventKind.UNDELIVERED, "invalid_number", "30005"),
    ]  # fmt: skip
    twilio.get(f"{API}/Messages/{CALL}.json").respond(404, json={"code": 20404})
    assert await adapter.find(sought(virtual_host, channel="sms", ref=CALL)) == []
    twilio.get(f"{API}/Messages/{CALL}.json").respond(404, text="<html>no such proxy</html>")
    with pytest.raises(Unavailable):
        await adapter.find(sought(virtual_host, channel="sms", ref=CALL))


@pytest.mark.parametrize(
    "fault",
    [
        raising(httpx.ReadTimeout),
        lambda _: httpx.Response(500),
        lambda _: httpx.Response(200),
        lambda _: httpx.Response(404, json={"code": 20404}),
        lambda _: httpx.Response(404, text="<html>"),
    ],
)
async def test_a_provider_that_can_not_be_asked_is_no_answer(
    adapter: TwilioAdapter, virtual_host: VirtualHost, twilio: Any, fault: Fault
) -> None:
    twilio.get(url__regex=".*").mock(side_effect=fault)
    with pytest.raises(Unavailable):
        await adapter.find(sought(virtual_host))


@pytest.mark.parametrize("answer", [(400, {"code": 21220}), (404, {"code": 20404}), (200, call(status="completed"))])
async def test_hanging_up_one_that_is_over_is_nothing(
    adapter: TwilioAdapter, twilio: Any, answer: tuple[int, dict[str, object]]
) -> None:
    route = twilio.post(f"{API}/Calls/{CALL}.json").respond(answer[0], json=answer[1])
    await adapter.hang_up(CALL)
    assert asked(route)["Status"] == ["completed"]


async def test_a_hang_up_that_failed_is_said(adapter: TwilioAdapter, twilio: Any) -> None:
    twilio.post(f"{API}/Calls/{CALL}.json").respond(500)
    with pytest.raises(Unavailable):
        await adapter.hang_up(CALL)


# --- the live check ------------------------------------------------------------------------------------------------


async def test_what_is_proved(adapter: TwilioAdapter, virtual_host: VirtualHost, twilio: Any) -> None:
    from adapters.contract import HookRequest

    async def ourselves(request: httpx.Request) -> httpx.Response:
        reply = await adapter.hook(HookRequest("GET", request.url.path, "", {}, b""))
        return httpx.Response(reply.status, text=reply.body)

    twilio.get(f"{API}.json").respond(200, json={"status": "active", "type": "Full"})
    owned = {"incoming_phone_numbers": [{"capabilities": {"voice": True, "SMS": False}}], "next_page_uri": None}
    twilio.get(url__regex=".*/IncomingPhoneNumbers.json.*").respond(200, json=owned)
    twilio.get(url__regex=f"{virtual_host.public_url}/.*").mock(side_effect=ourselves)
    callers = {"+864001234567": frozenset({"voice"}), "+864001234568": frozenset({"voice", "sms"})}
    proofs = await adapter.prove(callers)
    assert [one.holds for one in proofs] == [True, True, False, True]
    assert proofs[2].said.startswith("has no sms: ")


async def test_what_can_not_be_proved(adapter: TwilioAdapter, virtual_host: VirtualHost, twilio: Any) -> None:
    twilio.get(f"{API}.json").respond(401, json={"code": 20003})
    twilio.get(url__regex=".*/IncomingPhoneNumbers.json.*").respond(
        200, json={"incoming_phone_numbers": [], "next_page_uri": None}
    )
    twilio.get(url__regex=".*/OutgoingCallerIds.json.*").respond(
        200, json={"outgoing_caller_ids": [{}], "next_page_uri": None}
    )
    twilio.get(url__regex=f"{virtual_host.public_url}/.*").respond(403)
    proofs = await adapter.prove({"+1": frozenset({"voice"}), "+2": frozenset({"voice", "sms"})})
    assert [one.holds for one in proofs] == [False, True, False, False]
    assert "do not fit" in proofs[0].said
    assert proofs[1].said == "is a verified caller id"
    assert "another auth token" in proofs[3].said


async def test_what_is_another_order_s_by_the_record_is_not_ours(
    adapter: TwilioAdapter, virtual_host: VirtualHost, twilio: Any
) -> None:
    listing(twilio, call(), call(sid="CA" + "2" * 32))
    found = await adapter.find(sought(virtual_host, others=frozenset({CALL})))
    assert {event.ref for event in found} == {"CA" + "2" * 32}


@pytest.mark.parametrize(("by", "is_ours"), [("MG" + "2" * 32, True), ("MG" + "3" * 32, False), (None, False)])
async def test_a_message_of_our_messaging_service(
    virtual_host: VirtualHost, twilio: Any, by: str | None, is_ours: bool
) -> None:
    one = TwilioAdapter(settings(messaging_service="MG" + "2" * 32))
    await one.open(virtual_host)
    listing(twilio, message(messaging_service_sid=by, **{"from": "+15005550009"}), of="messages")
    assert bool(await one.find(sought(virtual_host, channel="sms"))) == is_ours
    await one.close()


async def test_after_a_restore_it_may_have_been_any_time_of_its_window(
    adapter: TwilioAdapter, virtual_host: VirtualHost, twilio: Any
) -> None:
    """Calls wait for their line: the copy knows their slots, and not when they were made."""
    listing(twilio, call(date_created="Wed, 14 Jan 2026 02:45:00 +0000"))
    assert await adapter.find(sought(virtual_host)) == []
    until = virtual_host.now() + timedelta(hours=2)
    assert {event.ref for event in await adapter.find(sought(virtual_host, placed_until=until))} == {CALL}


async def test_a_message_that_was_found_is_not_found_for_another(
    adapter: TwilioAdapter, virtual_host: VirtualHost, twilio: Any
) -> None:
    listing(twilio, message(), of="messages")
    assert await adapter.find(sought(virtual_host, channel="sms"))
    assert await adapter.find(sought(virtual_host, channel="sms", attempt_id="a-2")) == []


async def test_when_a_request_went_out_is_told(adapter: TwilioAdapter, virtual_host: VirtualHost, twilio: Any) -> None:
    twilio.post(f"{API}/Calls.json").respond(201, json=call())
    assert (await adapter.place(an_order())).sent_at == virtual_host.now()
