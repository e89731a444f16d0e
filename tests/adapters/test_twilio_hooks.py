"""Twilio's requests to us: who may, what they say, what moves, what is answered. Signed by the SDK's own algorithm."""

import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest
import respx
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from adapters.contract import EventKind, Heard, HookReply, HookRequest, Step, Unavailable
from adapters.twilio import Settings, TwilioAdapter
from tests.adapters.host import VirtualHost
from tests.adapters.support import WANG, an_order

SID, TOKEN = "AC" + "0" * 32, "0123456789abcdef"
CALL, MESSAGE = "CA" + "1" * 32, "SM" + "1" * 32
URL = "https://dialer.example/base"
FORM = "application/x-www-form-urlencoded"


def dialogue(attempt_id: str, heard: Heard) -> Step:
    """Asks, transfers to an agent, says good-bye; counts what was heard as the engine does."""
    number = (heard.number or 0) + (heard.what != "start")
    match heard:
        case Heard("start"):
            return Step("greet", "您好 & <welcome>", "gather", "zh-CN", "12", number=number)
        case Heard("keys", "1"):
            return Step("agent", "Please hold.", "transfer", "en-GB", to="+864001234500", number=number)
        case Heard("keys", "2"):
            return Step("who", "Your code?", "gather", "xx", digits=4, silence_s=8.0, number=number)
        case Heard("machine"):
            return Step("greet", "https://files.example/hello.mp3", "hang_up", number=number)
        case _:
            return Step("bye", "", "hang_up", number=number)


@pytest.fixture
async def host() -> AsyncIterator[VirtualHost]:
    one = VirtualHost(dialogue=dialogue)
    one.public_url = URL
    yield one
    await one.close()


@pytest.fixture
async def adapter(host: VirtualHost) -> AsyncIterator[TwilioAdapter]:
    one = TwilioAdapter(Settings.model_validate({"account_sid": SID, "auth_token": TOKEN}))
    await one.open(host)
    yield one
    await one.close()


def path_of(adapter: TwilioAdapter, kind: str, attempt: str = "7", *more: str) -> str:
    return adapter._url(kind, attempt, *more).removeprefix(URL)


async def ask(
    adapter: TwilioAdapter, path: str, form: dict[str, Any], token: str = TOKEN, query: str = "", **headers: str
) -> HookReply:
    form = {"AccountSid": SID, **form}
    signed = RequestValidator(token).compute_signature(f"{URL}{path}{'?' if query else ''}{query}", form)
    usual = {"content-type": FORM, "x-twilio-signature": signed}
    return await adapter.hook(HookRequest("POST", path, query, usual | headers, urlencode(form).encode()))


def verbs(reply: HookReply) -> ElementTree.Element:
    assert (reply.status, reply.content_type) == (200, "text/xml")
    return ElementTree.fromstring(reply.body)


# --- trust ---------------------------------------------------------------------------------------------------------


async def test_a_signed_callback_is_recorded(adapter: TwilioAdapter, host: VirtualHost) -> None:
    reply = await ask(adapter, path_of(adapter, "call"), {"CallSid": CALL, "CallStatus": "ringing"})
    assert reply.status == 204
    assert [(e.kind, e.attempt_id, e.ref) for e in host.events] == [(EventKind.RINGING, "7", CALL)]


@pytest.mark.parametrize(
    "headers", [{"x-twilio-signature": ""}, {"x-twilio-signature": "Zm9v"}, {"x-twilio-signature": "é"}]
)
async def test_a_wrong_or_missing_signature_is_refused(
    adapter: TwilioAdapter, host: VirtualHost, headers: dict[str, str]
) -> None:
    form = {"CallSid": CALL, "CallStatus": "completed"}
    assert (await ask(adapter, path_of(adapter, "call"), form, **headers)).status == 403
    assert (await ask(adapter, path_of(adapter, "call"), form, token="another token")).status == 403
    assert (await ask(adapter, "/hooks/twilio/inbound", {"From": WANG, "Body": "STOP"}, **headers)).status == 403
    assert host.events == []


async def test_one_changed_word_breaks_the_signature(adapter: TwilioAdapter, host: VirtualHost) -> None:
    path, form = path_of(adapter, "call"), {"AccountSid": SID, "CallSid": CALL, "CallStatus": "ringing"}
    signed = RequestValidator(TOKEN).compute_signature(URL + path, form)
    headers = {"content-type": FORM, "x-twilio-signature": signed}
    changed = urlencode(form | {"CallStatus": "completed"}).encode()
    assert (await adapter.hook(HookRequest("POST", path, "", headers, changed))).status == 403
    other = path_of(adapter, "call", "8")
    assert (await adapter.hook(HookRequest("POST", other, "", headers, urlencode(form).encode()))).status == 403
    assert host.events == []


async def test_headers_do_not_say_where_we_are(adapter: TwilioAdapter, host: VirtualHost) -> None:
    path, form = path_of(adapter, "call"), {"CallSid": CALL, "CallStatus": "ringing"}
    signed = RequestValidator(TOKEN).compute_signature("https://evil.example" + path, form)
    headers = {"x-twilio-signature": signed, "host": "evil.example", "x-forwarded-host": "evil.example"}
    assert (await ask(adapter, path, form, **headers)).status == 403


async def test_queries_repeated_and_empty_fields_are_signed_too(adapter: TwilioAdapter, host: VirtualHost) -> None:
    path, query = path_of(adapter, "call"), "a=1&b=%2F"
    body = f"Tag=b&Tag=a&Empty=&CallSid={CALL}&CallStatus=ringing&AccountSid={SID}"
    text = f"{URL}{path}?{query}AccountSid{SID}CallSid{CALL}CallStatusringingEmptyTagaTagb"
    import base64
    import hmac

    signed = base64.b64encode(hmac.new(TOKEN.encode(), text.encode(), hashlib.sha1).digest()).decode()
    headers = {"content-type": FORM, "x-twilio-signature": signed}
    assert (await adapter.hook(HookRequest("POST", path, query, headers, body.encode()))).status == 204
    assert len(host.events) == 1


@pytest.mark.parametrize("hashed", [True, False])
async def test_a_json_body_is_signed_by_its_hash(adapter: TwilioAdapter, host: VirtualHost, hashed: bool) -> None:
    path, body = path_of(adapter, "call"), json.dumps({"CallStatus": "completed"})
    query = f"bodySHA256={hashlib.sha256(body.encode()).hexdigest()}" if hashed else "bodySHA256=00"
    signed = RequestValidator(TOKEN).compute_signature(f"{URL}{path}?{query}", {})
    headers = {"content-type": "application/json", "x-twilio-signature": signed}
    reply = await adapter.hook(HookRequest("POST", path, query, headers, body.encode()))
    assert reply.status == 403, "no callback that we ask for is JSON: it names no account"
    assert host.events == []


@pytest.mark.parametrize("path", ["call", "machine", "message", "answered"])
async def test_a_request_that_names_no_call_is_none(adapter: TwilioAdapter, host: VirtualHost, path: str) -> None:
    more = ("1",) if path == "answered" else ()
    reply = await ask(adapter, path_of(adapter, path, "7", *more), {"CallStatus": "completed", "MessageStatus": "sent"})
    assert reply.status == 400
    assert host.events == []


async def test_a_signed_text_does_not_sign_other_borders_between_its_fields(
    adapter: TwilioAdapter, host: VirtualHost
) -> None:
    """The signature covers names and values run together: whoever has one may not make others of it."""
    form = {"AccountSid": SID, "Body": "hi", "From": WANG, "MessageSid": MESSAGE, "NumMedia": "0", "To": "+1500"}
    signed = RequestValidator(TOKEN).compute_signature(f"{URL}/hooks/twilio/inbound", form)
    moved = [
        {**form, "MessageSid": f"{MESSAGE}NumMedia0"} | {"NumMedia": None},
        {**form, "MessageSid": f"{MESSAGE}NumMedia0To+1500"} | {"NumMedia": None, "To": None},
        {**form, "AccountSid": f"{SID}Bodyhi"} | {"Body": None},
    ]
    for other in moved:
        kept = {name: value for name, value in other.items() if value is not None}
        assert RequestValidator(TOKEN).compute_signature(f"{URL}/hooks/twilio/inbound", kept) == signed
        assert (await ask(adapter, "/hooks/twilio/inbound", kept)).status == 403
    assert (await ask(adapter, "/hooks/twilio/inbound", form)).status == 200
    assert [event.identity for event in host.events] == [MESSAGE]


async def test_another_account_s_request_is_refused(adapter: TwilioAdapter, host: VirtualHost) -> None:
    form = {"AccountSid": "AC" + "9" * 32, "CallSid": CALL, "CallStatus": "ringing"}
    assert (await ask(adapter, path_of(adapter, "call"), form)).status == 403


@pytest.mark.parametrize("body", [b"\xff\xfe", b"a=1&" * 300, b'{"a":1}'])
@pytest.mark.parametrize("content_type", [FORM, "application/json", ""])
async def test_what_is_no_form_is_refused(adapter: TwilioAdapter, body: bytes, content_type: str) -> None:
    headers = {"content-type": content_type, "x-twilio-signature": "Zm9v"}
    assert (await adapter.hook(HookRequest("POST", path_of(adapter, "call"), "", headers, body))).status == 403


@pytest.mark.parametrize(
    "path",
    [
        "/hooks/twilio/call/8/{tag}", "/hooks/twilio/call/7/", "/hooks/twilio/call/7", "/hooks/twilio/",
        "/hooks/twilio/call/7/{tag}/more", "/hooks/twilio/step/7/{tag}/1/x.greet", "/hooks/twilio/nothing/7/{tag}",
        "/hooks/twilio/step/7/{tag}/1", "/hooks/twilio/call/7/%C3%A9", "/hooks/twilio/answered/7/{tag}",
    ],
)  # fmt: skip
async def test_signed_but_no_address_of_ours(adapter: TwilioAdapter, host: VirtualHost, path: str) -> None:
    path = path.replace("{tag}", path_of(adapter, "call").rpartition("/")[2])
    assert (await ask(adapter, path, {"CallSid": CALL, "CallStatus": "completed"})).status == 404
    assert host.events == []
    assert host.heard == []


UNSIGNED = st.tuples(st.text(max_size=60), st.binary(max_size=60), st.text(max_size=30), st.text(max_size=20))


@given(st.lists(UNSIGNED, min_size=1, max_size=20))
@hypothesis_settings(max_examples=25)
async def test_nothing_unsigned_gets_in(requests: list[tuple[str, bytes, str, str]]) -> None:
    host = VirtualHost()
    one = TwilioAdapter(Settings.model_validate({"account_sid": SID, "auth_token": TOKEN}))
    await one.open(host)
    for path, body, signature, query in requests:
        headers = {"content-type": FORM, "x-twilio-signature": signature}
        reply = await one.hook(HookRequest("POST", f"/hooks/twilio/{path}", query, headers, body))
        assert reply.status == 403
    assert host.events == []
    await one.close()


async def test_a_closed_adapter_takes_nothing(adapter: TwilioAdapter, host: VirtualHost) -> None:
    path = path_of(adapter, "call")
    await adapter.close()
    with pytest.raises(Unavailable):
        await ask(adapter, path, {"CallSid": CALL, "CallStatus": "completed"})
    assert host.events == []


# --- calls ---------------------------------------------------------------------------------------------------------


async def test_what_a_callback_tells(adapter: TwilioAdapter, host: VirtualHost) -> None:
    end = {"CallSid": CALL, "CallStatus": "failed", "SequenceNumber": "2", "SipResponseCode": "404",
           "Timestamp": "Wed, 14 Jan 2026 01:30:05 +0000", "CallDuration": "0"}  # fmt: skip
    await ask(adapter, path_of(adapter, "call"), end)
    (event,) = host.events
    assert (event.kind, event.disposition, event.code, event.sequence) == ("ended", "invalid_number", "sip 404", 2)
    assert event.at.isoformat() == "2026-01-14T01:30:05+00:00"


@pytest.mark.parametrize("odd", [{"Timestamp": "soon"}, {"SequenceNumber": "x"}, {"CallDuration": "-1"}, {}])
async def test_odd_fields_are_no_trouble(adapter: TwilioAdapter, host: VirtualHost, odd: dict[str, str]) -> None:
    assert (
        await ask(adapter, path_of(adapter, "call"), {"CallSid": CALL, "CallStatus": "completed", **odd})
    ).status == 204
    assert [event.kind for event in host.events] == ["ended"]
    assert host.events[0].at == host.now()


async def test_a_machine_that_took_the_call_is_told_before_its_end(adapter: TwilioAdapter, host: VirtualHost) -> None:
    form = {"CallSid": CALL, "CallStatus": "completed", "AnsweredBy": "machine_start", "CallDuration": "9"}
    await ask(adapter, path_of(adapter, "call"), form)
    assert [(e.kind, e.disposition) for e in host.events] == [("machine_detected", ""), ("ended", "machine")]


async def test_a_repeated_callback_is_the_same_fact(adapter: TwilioAdapter, host: VirtualHost) -> None:
    for _ in range(2):
        await ask(adapter, path_of(adapter, "call"), {"CallSid": CALL, "CallStatus": "ringing", "SequenceNumber": "1"})
    assert host.events[0] == host.events[1]
    assert host.events[0].identity


@pytest.mark.parametrize("form", [{"CallStatus": "teleported", "CallSid": CALL}, {"CallSid": CALL}])
async def test_a_status_that_is_not_known_is_no_event(
    adapter: TwilioAdapter, host: VirtualHost, form: dict[str, str]
) -> None:
    assert (await ask(adapter, path_of(adapter, "call"), form)).status == 204
    assert host.events == []


# --- dialogues -----------------------------------------------------------------------------------------------------


async def test_a_question_in_the_person_s_language(adapter: TwilioAdapter, host: VirtualHost) -> None:
    reply = await ask(adapter, path_of(adapter, "answered", "7", "3"), {"CallSid": CALL, "CallStatus": "in-progress"})
    gather = verbs(reply).find("Gather")
    assert gather is not None
    wanted = {"input": "dtmf", "numDigits": "1", "timeout": "5", "finishOnKey": "", "actionOnEmptyResult": "true"}
    assert {key: gather.get(key) for key in wanted} == wanted
    assert gather.get("action") == URL + path_of(adapter, "step", "7", "3", "0.greet")
    say = gather.find("Say")
    assert say is not None
    assert (say.text, say.get("language"), say.get("voice")) == ("您好 & <welcome>", "cmn-CN", "Polly.Zhiyu-Neural")
    assert [event.kind for event in host.events] == ["answered"]
    assert host.heard == [("7", Heard("start", number=0))]


async def test_a_key_leads_to_an_agent(adapter: TwilioAdapter, host: VirtualHost) -> None:
    form = {"CallSid": CALL, "Digits": "1", "From": "+864001234567"}
    reply = verbs(await ask(adapter, path_of(adapter, "step", "7", "3", "0.greet"), form))
    dial = reply.find("Dial")
    assert dial is not None
    assert [dial.findtext("Number"), dial.get("callerId"), dial.get("answerOnBridge")] == [
        "+864001234500", "+864001234567", "true",
    ]  # fmt: skip
    assert dial.get("action") == URL + path_of(adapter, "step", "7", "3", "1.agent")
    assert [child.tag for child in reply] == ["Say", "Dial"]
    assert host.heard == [("7", Heard("keys", "1", number=0))]


@pytest.mark.parametrize(
    ("form", "heard"),
    [
        ({"Digits": "4321"}, Heard("keys", "4321", number=2)),
        ({"Digits": ""}, Heard("silence", number=2)),
        ({}, Heard("silence", number=2)),
        ({"DialCallStatus": "completed"}, Heard("transferred", connected=True, number=2)),
        *[({"DialCallStatus": word}, Heard("transferred", number=2)) for word in ("busy", "no-answer", "failed")],
    ],
)
async def test_what_was_heard(adapter: TwilioAdapter, host: VirtualHost, form: dict[str, str], heard: Heard) -> None:
    await ask(adapter, path_of(adapter, "step", "7", "1", "2.who is / there?"), {"CallSid": CALL, **form})
    assert host.heard == [("7", heard)]


async def test_a_code_of_several_digits_in_a_language_without_a_voice(adapter: TwilioAdapter) -> None:
    reply = await ask(adapter, path_of(adapter, "step", "7", "1", "0.greet"), {"CallSid": CALL, "Digits": "2"})
    gather = verbs(reply).find("Gather")
    assert gather is not None
    assert (gather.get("numDigits"), gather.get("timeout")) == ("4", "8")
    say = gather.find("Say")
    assert say is not None
    assert say.get("voice") is None


@pytest.mark.parametrize("by", ["machine_start", "machine_end_beep", "fax"])
async def test_a_machine_hears_the_recording_and_no_question(
    adapter: TwilioAdapter, host: VirtualHost, by: str
) -> None:
    reply = verbs(await ask(adapter, path_of(adapter, "answered", "7", "1"), {"CallSid": CALL, "AnsweredBy": by}))
    assert [child.tag for child in reply] == ["Play", "Hangup"]
    assert [event.kind for event in host.events] == ["answered", "machine_detected"]
    assert host.heard == [("7", Heard("machine", number=0))]


@respx.mock
async def test_a_machine_that_is_known_late_is_told_the_rest(adapter: TwilioAdapter, host: VirtualHost) -> None:
    update = respx.post(f"https://api.twilio.com/2010-04-01/Accounts/{SID}/Calls/{CALL}.json").respond(
        200, json={"sid": CALL}
    )
    path = path_of(adapter, "machine")
    assert (await ask(adapter, path, {"CallSid": CALL, "AnsweredBy": "human"})).status == 204
    assert not update.called
    assert (await ask(adapter, path, {"CallSid": CALL, "AnsweredBy": "machine_end_beep"})).status == 204
    assert b"hello.mp3" in update.calls.last.request.content
    update.respond(400, json={"code": 21220})
    assert (await ask(adapter, path, {"CallSid": CALL, "AnsweredBy": "machine_end_beep"})).status == 204, "it is over"


# --- messages ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [
        ("queued", "", ("accepted", "", "")),
        ("sent", "", ("accepted", "", "")),
        ("delivered", "", ("delivered", "", "")),
        ("read", "", ("delivered", "", "")),
        ("undelivered", "30003", ("undelivered", "phone_off", "30003")),
        ("failed", "30007", ("undelivered", "blocked", "30007")),
        ("failed", "", ("undelivered", "undelivered", "")),
    ],
)
async def test_what_became_of_a_message(
    adapter: TwilioAdapter, host: VirtualHost, status: str, code: str, told: tuple[str, str, str]
) -> None:
    form = {"MessageSid": MESSAGE, "MessageStatus": status, **({"ErrorCode": code} if code else {})}
    await ask(adapter, path_of(adapter, "message"), form)
    (event,) = host.events
    assert (event.kind, event.disposition, event.code) == told
    assert event.identity == f"{MESSAGE}/{status}"


async def test_an_opt_out_that_twilio_knew(adapter: TwilioAdapter, host: VirtualHost) -> None:
    form = {"MessageSid": MESSAGE, "MessageStatus": "failed", "ErrorCode": "21610"}
    await ask(adapter, path_of(adapter, "message"), form)
    assert host.events[0].opted_out


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({"Body": "TD"}, "TD"),
        ({"Body": "arrêt", "OptOutType": "STOP"}, "STOP"),
        ({"Body": "hi", "OptOutType": "HELP"}, "hi"),
    ],
)
async def test_a_person_writes(adapter: TwilioAdapter, host: VirtualHost, form: dict[str, str], text: str) -> None:
    reply = await ask(adapter, "/hooks/twilio/inbound", {"MessageSid": MESSAGE, "From": WANG, **form})
    assert len(verbs(reply)) == 0, "nothing is answered"
    (event,) = host.events
    assert (event.kind, event.sender, event.text, event.identity) == (EventKind.REPLIED, WANG, text, MESSAGE)


async def test_a_callback_teaches_the_reference_of_a_lost_answer(adapter: TwilioAdapter, host: VirtualHost) -> None:
    await ask(adapter, path_of(adapter, "call", "9"), {"CallSid": CALL, "CallStatus": "initiated"})
    record = {"sid": CALL, "status": "in-progress", "to": WANG, "from": "+860000000000", "direction": "outbound-api",
              "date_created": "Wed, 14 Jan 2026 09:30:01 +0000"}  # fmt: skip
    with respx.mock:
        respx.get(url__regex=".*/Calls.json.*").respond(200, json={"calls": [record], "next_page_uri": None})
        found = await adapter.find(an_order("9", placed_at=host.now()))
    assert [event.kind for event in found] == ["accepted", "answered"]
