"""The stand-in for Twilio: its signatures, its REST API, its messages, and how its connections break."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib import import_module
from typing import Any

import httpx
import pytest

from tests.adapters.twilio_scene import (
    ANN,
    CALLS,
    GOODBYE,
    MESSAGES,
    SID,
    TOKEN,
    US,
    RequestValidator,
    Scene,
    codes,
    menu,
    opened,
)
from tests.support.twilio_client import Plain
from tests.support.twilio_office import signature
from tests.support.twilio_script import Trouble

HttpClient: Any = import_module("twilio.http").HttpClient
SdkResponse: Any = import_module("twilio.http.response").Response
SdkClient: Any = import_module("twilio.rest").Client
TwilioRestException: Any = import_module("twilio.base.exceptions").TwilioRestException


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with opened() as scene:
        yield scene


# Signatures.


@pytest.mark.parametrize("url", ["https://a.example/hooks/x?y=1&z=2", "http://127.0.0.1:8080/ü", "https://a.example"])
@pytest.mark.parametrize("form", [{}, {"To": ANN, "Body": "您好 é", "A": "", "b": "x=1&y"}])
def test_its_signature_is_twilios(url: str, form: Mapping[str, str]) -> None:
    assert signature(TOKEN, url, form) == RequestValidator(TOKEN).compute_signature(url, dict(form))


async def test_every_request_of_a_call_is_signed(scene: Scene) -> None:
    await scene.through()
    assert len(scene.hooks.heard) == 5
    assert all(is_signed for _, _, is_signed in scene.hooks.heard)


async def test_a_get_is_signed_with_its_query(scene: Scene) -> None:
    await scene.through(Method="GET")
    document = scene.peer.call_to(ANN).documents[0]
    assert (document.method, document.status, scene.hooks.of("/voice")) == ("GET", 200, [{}])


# The REST API.


async def test_a_call_is_created(scene: Scene) -> None:
    hold = scene.peer.hold("queued")
    reply = await scene.call()
    made = reply.json()
    assert reply.status_code == 201
    assert (made["status"], made["to"], made["from"], made["direction"]) == ("queued", ANN, US, "outbound-api")
    assert (made["start_time"], made["duration"], made["account_sid"]) == (None, None, SID)
    assert abs(parsedate_to_datetime(made["date_created"]) - datetime.now(UTC)).total_seconds() < 3
    hold.release()
    await scene.peer.idle()
    found = (await scene.client.get(made["uri"])).json()
    assert (found["status"], found["answered_by"]) == ("completed", None)
    assert found["start_time"]
    assert found["end_time"]
    assert int(found["duration"]) >= 1


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"To": ""}, 21201), ({"To": "0612"}, 21211), ({"From": ""}, 21213), ({"From": "x"}, 21212),
        ({"Url": ""}, 21205), ({"Url": "ftp://x"}, 21205),
    ],
)  # fmt: skip
async def test_a_call_that_twilio_refuses(scene: Scene, form: dict[str, str], code: int) -> None:
    reply = await scene.call(**form)
    body = reply.json()
    assert (reply.status_code, body["code"], body["status"]) == (400, code, 400)
    assert set(body) == {"code", "message", "more_info", "status"}
    assert scene.peer.calls == {}


@pytest.mark.parametrize(
    ("form", "code"),
    [({"To": ""}, 21604), ({"From": ""}, 21603), ({"Body": ""}, 21602), ({"Body": "x" * 1601}, 21617)],
)
async def test_a_message_that_twilio_refuses(scene: Scene, form: dict[str, str], code: int) -> None:
    assert (
        await scene.sms(**{"to": ANN} | {k.lower() if k in ("To", "Body") else k: v for k, v in form.items()})
    ).json()["code"] == code


async def test_slips_in_a_create_are_faults(scene: Scene) -> None:
    await scene.through(StatusCallbackEvents="x", Timeout="601", StatusCallbackEvent=["in-progress"])
    assert codes(scene) == [20001, 20001, 20001]


async def test_who_may_ask(scene: Scene) -> None:
    for auth in (httpx.BasicAuth(SID, "wrong"), httpx.BasicAuth("AC0", TOKEN), None):
        async with httpx.AsyncClient(
            base_url=scene.peer.base_url, auth=auth, trust_env=False, verify=False
        ) as stranger:
            reply = await stranger.post(CALLS, data={})
        assert (reply.status_code, reply.json()["code"]) == (401, 20003)
    scene.peer.keys["SK1"] = "key"
    assert (await scene.client.get(CALLS, auth=httpx.BasicAuth("SK1", "key"))).status_code == 200


async def test_the_account_its_numbers_and_what_is_not_there(scene: Scene) -> None:
    account = (await scene.client.get(f"/2010-04-01/Accounts/{SID}.json")).json()
    assert (account["sid"], account["status"]) == (SID, "active")
    scene.peer.own(US)
    scene.peer.own("+15005550007", voice=False)
    numbers = f"/2010-04-01/Accounts/{SID}/IncomingPhoneNumbers.json"
    found = (await scene.client.get(numbers, params={"PhoneNumber": "+15005550007"})).json()
    (number,) = found["incoming_phone_numbers"]
    assert number["capabilities"] == {"voice": False, "sms": True, "mms": True, "fax": False}
    assert (await scene.call(From="+15005550007")).json()["code"] == 21210
    assert (await scene.sms(From="+15005550099")).json()["code"] == 21606
    for path in (CALLS.replace("Calls", "Calls/CA1"), CALLS.replace(SID, "AC1"), "/x"):
        assert (await scene.client.get(path)).json()["code"] == 20404


async def test_lists_are_filtered_and_paged_newest_first(scene: Scene) -> None:
    for number in range(5):
        await scene.through(f"+1500555010{number}")
    first = (await scene.client.get(CALLS, params={"From": US, "PageSize": 2, "Status": "completed"})).json()
    second = (await scene.client.get(first["next_page_uri"])).json()
    third = (await scene.client.get(second["next_page_uri"])).json()
    assert third["next_page_uri"] is None
    order = [call["to"][-1] for each in (first, second, third) for call in each["calls"]]
    assert order == ["4", "3", "2", "1", "0"]
    for query, count in (
        ({"To": "+15005550103"}, 1), ({"To": ANN}, 0), ({"Status": "busy"}, 0),
        ({"StartTime>": "2020-01-01T00:00:00Z"}, 5), ({"StartTime<": "2020-01-01"}, 0),
        ({"StartTime": f"{datetime.now(UTC):%Y-%m-%d}"}, 5), ({"StartTime>": "2999-01-01"}, 0),
    ):  # fmt: skip
        assert len((await scene.client.get(CALLS, params=query)).json()["calls"]) == count, query
    await scene.sms()
    await scene.peer.idle()
    assert len((await scene.client.get(MESSAGES, params={"DateSent>": "2020-01-01"})).json()["messages"]) == 1
    scene.peer.is_listing_late = True
    assert (await scene.client.get(CALLS)).json()["calls"] == []


async def test_a_queued_call_has_not_started_for_the_filter(scene: Scene) -> None:
    hold = scene.peer.hold("queued")
    await scene.call()
    await hold.reached()
    assert (await scene.client.get(CALLS, params={"StartTime>": "2020-01-01"})).json()["calls"] == []
    assert len((await scene.client.get(CALLS, params={"To": ANN})).json()["calls"]) == 1
    hold.release()
    await scene.peer.idle()


# Messages.


async def test_a_message_is_delivered(scene: Scene) -> None:
    made = (await scene.sms()).json()
    assert (made["status"], made["num_segments"], made["date_sent"], made["error_code"]) == ("queued", "1", None, None)
    await scene.peer.idle()
    forms = scene.hooks.of("/sms")
    assert [form["MessageStatus"] for form in forms] == ["queued", "sent", "delivered"]
    assert all(form["MessageSid"] == form["SmsSid"] == made["sid"] for form in forms)
    assert all("SequenceNumber" not in form and "ErrorCode" not in form for form in forms)
    assert all(is_signed for _, _, is_signed in scene.hooks.heard)
    assert (await scene.client.get(made["uri"])).json()["status"] == "delivered"


async def test_messages_that_do_not_arrive(scene: Scene) -> None:
    scene.peer.on(ANN).undelivered(30003).then().sms_fails(30005).then().no_receipt()
    for told, code in (
        (["queued", "sent", "undelivered"], 30003),
        (["queued", "failed"], 30005),
        (["queued", "sent"], 0),
    ):
        scene.hooks.heard.clear()
        await scene.sms(body="您好" * 40)
        await scene.peer.idle()
        forms = scene.hooks.of("/sms")
        message = scene.peer.message_to(ANN)
        assert ([form["MessageStatus"] for form in forms], forms[-1].get("ErrorCode")) == (
            told,
            str(code) if code else None,
        )
        shown = (await scene.client.get(MESSAGES.replace(".json", f"/{message.sid}.json"))).json()
        assert (shown["error_code"], shown["num_segments"]) == (code or None, "2")


async def test_a_person_writes(scene: Scene) -> None:
    url = f"{scene.hooks.url}/in"
    sent = await scene.peer.text(ANN, US, "Stop", url=url, opt_out_type="STOP")
    ((_, form, is_signed),) = scene.hooks.heard
    assert (form["From"], form["To"], form["Body"], form["OptOutType"]) == (ANN, US, "Stop", "STOP")
    assert (is_signed, sent.status) == (True, 200)
    refused = await scene.sms()
    assert (refused.status_code, refused.json()["code"]) == (400, 21610)
    await scene.peer.text(ANN, US, "START", url=url)
    assert (await scene.sms()).status_code == 201
    await scene.peer.idle()


# What goes wrong with requests.


async def test_refusals(scene: Scene) -> None:
    scene.peer.next(429, 20429, "Too many requests", headers={"Retry-After": "7"})
    reply = await scene.call()
    assert (reply.status_code, reply.json()["code"], reply.headers["retry-after"]) == (429, 20429, "7")
    scene.peer.next(502, body="<html>Bad gateway</html>", content_type="text/html", of="messages", skip=1)
    assert (await scene.call()).status_code == 201
    assert [(await scene.sms()).status_code for _ in range(3)] == [201, 502, 201]
    scene.peer.next(503, 20503, of="reads", times=2)
    assert [(await scene.client.get(CALLS)).status_code for _ in range(3)] == [503, 503, 200]
    scene.peer.on(ANN).refuses(400, 21211)
    assert (await scene.call()).json()["code"] == 21211
    assert (await scene.call("+15005550002")).status_code == 201
    await scene.peer.idle()
    assert len(scene.peer.creates(to=ANN)) == 6
    assert [request.status for request in scene.peer.creates(to=ANN)][:2] == [429, 201]


async def test_a_500_that_created_the_call(scene: Scene) -> None:
    scene.peer.on(ANN).trouble(Trouble(status=500, code=20500, created=True))
    assert (await scene.call()).status_code == 500
    await scene.peer.idle()
    assert scene.hooks.statuses()[-1] == "completed"


@pytest.mark.parametrize(
    ("how", "error", "made", "read"),
    [
        ({"cut": "before_reading"}, httpx.ReadError, 0, 0),
        ({"cut": "after_reading"}, httpx.RemoteProtocolError, 0, 1),
        ({"cut": "after_reading", "created": True}, httpx.RemoteProtocolError, 1, 1),
        ({"cut": "in_reply"}, httpx.RemoteProtocolError, 1, 1),
        ({"cut": "in_reply", "created": False, "status": 500}, httpx.RemoteProtocolError, 0, 1),
        ({"stall_s": 5.0}, httpx.ReadTimeout, 1, 1),
        ({"stall_s": 5.0, "created": False}, httpx.ReadTimeout, 0, 1),
    ],
)
async def test_cut_connections(scene: Scene, how: dict[str, Any], error: type[Exception], made: int, read: int) -> None:
    await scene.client.get(CALLS)  # a connection that is used again must break in the same way
    scene.client.timeout = httpx.Timeout(0.1)
    scene.peer.next(**how)
    with pytest.raises(error):
        await scene.call()
    await scene.peer.idle()
    assert (len(scene.peer.calls), len(scene.peer.creates()), scene.peer.unread) == (made, read, 1 - read)
    scene.client.timeout = httpx.Timeout(5)
    assert (await scene.call()).status_code == 201
    await scene.peer.idle()


async def test_a_stall_that_ends(scene: Scene) -> None:
    scene.peer.next(stall_s=0.02)
    assert (await scene.call()).status_code == 201
    await scene.peer.idle()


async def test_a_closed_port(scene: Scene) -> None:
    await scene.client.get(CALLS)
    async with scene.peer.unreachable():
        with pytest.raises(httpx.ConnectError):
            await scene.call()
    assert (await scene.call()).status_code == 201
    await scene.peer.idle()


async def test_hundreds_of_calls_at_once(scene: Scene) -> None:
    scene.hooks.documents |= {"/voice": menu(), "/keys": GOODBYE}
    scene.peer.everyone.answers(keys=["1"])
    async with httpx.AsyncClient(base_url=scene.peer.base_url, auth=(SID, TOKEN), transport=Plain()) as scene.client:
        events = {"StatusCallbackEvent": ["completed"]}
        made = [scene.call(f"+1500556{number:04d}", **events) for number in range(200)]
        assert {reply.status_code for reply in await asyncio.gather(*made)} == {201}
        await scene.peer.idle()
    assert {call.status for call in scene.peer.calls.values()} == {"completed"}
    assert scene.hooks.statuses() == ["completed"] * 200


async def test_the_hooks_client_reads_every_kind_of_body() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        writer.write(BODIES[path])
        writer.close()

    BODIES = {
        "/chunks": b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        "/end": b"HTTP/1.1 200 OK\r\n\r\nabcde",
        "/none": b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
    }
    async with (
        await asyncio.start_server(serve, "127.0.0.1", 0) as server,
        httpx.AsyncClient(transport=Plain()) as client,
    ):
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert [(await client.get(url + path)).text for path in BODIES] == ["abcde", "abcde", ""]
        with pytest.raises(httpx.UnsupportedProtocol):
            await client.get("https://127.0.0.1")


class ToPeer(HttpClient):  # type: ignore[misc]
    """The SDK's own client, with the stand-in's address in place of Twilio's."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url

    def request(self, method: str, url: str, params: Any = None, data: Any = None, **more: Any) -> Any:
        url = url.replace("https://api.twilio.com", self.base_url)
        reply = httpx.request(method, url, params=params, data=data, auth=more["auth"], trust_env=False, verify=False)
        return SdkResponse(reply.status_code, reply.text)


async def test_the_sdk_reads_its_answers(scene: Scene) -> None:
    sdk = SdkClient(SID, TOKEN, http_client=ToPeer(scene.peer.base_url))
    scene.peer.own(US)

    def used() -> None:
        for number in range(3):
            sdk.calls.create(to=f"+1500555010{number}", from_=US, twiml=GOODBYE, status_callback_event=["completed"])
        assert [call.to[-1] for call in sdk.calls.stream(from_=US, page_size=1)] == ["2", "1", "0"]
        since = datetime.now(UTC) - timedelta(minutes=1)
        message = sdk.messages.create(to=ANN, from_=US, body="x")
        assert (sdk.messages(message.sid).fetch().date_created - since).total_seconds() > 50
        assert sdk.api.accounts(SID).fetch().status == "active"
        (number,) = sdk.incoming_phone_numbers.list(phone_number=US)
        assert number.capabilities["voice"]
        with pytest.raises(TwilioRestException) as refused:
            sdk.messages.create(to=ANN, from_=US, body="")
        assert (refused.value.code, refused.value.status) == (21602, 400)

    await asyncio.to_thread(used)
    await scene.peer.idle()
    found = await asyncio.to_thread(lambda: sdk.calls.list(start_time_after=datetime(2020, 1, 1, tzinfo=UTC)))
    assert [(call.status, call.answered_by) for call in found] == [("completed", None)] * 3
    with pytest.raises(TwilioRestException, match="not in-progress"):
        await asyncio.to_thread(lambda: found[0].update(status="completed"))
