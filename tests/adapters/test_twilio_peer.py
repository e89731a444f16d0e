"""The stand-in for Twilio itself: what it answers, how its people behave, and how its connections break."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib import import_module
from typing import Any

import httpx
import pytest

from tests.support import twilio_http, twilio_markup
from tests.support.twilio_office import Call, Delivery, signature
from tests.support.twilio_peer import TwilioPeer
from tests.support.twilio_script import Trouble

RequestValidator: Any = import_module("twilio.request_validator").RequestValidator
VoiceResponse: Any = import_module("twilio.twiml.voice_response").VoiceResponse
SID, TOKEN = "AC" + "a" * 32, "secret"
ANN, US = "+15005550001", "+15005550006"
CALLS, MESSAGES = (f"/2010-04-01/Accounts/{SID}/{name}.json" for name in ("Calls", "Messages"))
ALL = ["initiated", "ringing", "answered", "completed"]
GOODBYE = "<Response><Say>Goodbye</Say><Hangup/></Response>"


@dataclass
class Hooks:
    """The other side: documents by path, the status callbacks as they came, and whether each was signed."""

    url: str = ""
    documents: dict[str, str | Callable[[dict[str, str]], str]] = field(default_factory=dict)
    status: int = 200
    content_type: str = "text/xml"
    heard: list[tuple[str, dict[str, str], bool]] = field(default_factory=list)
    stall_s: float = 0.0

    async def answer(self, request: twilio_http.Request) -> twilio_http.Reply:
        given = request.headers["x-twilio-signature"]
        url = self.url + request.path
        is_signed = RequestValidator(TOKEN).validate(url, request.form, given)
        self.heard.append((request.path, request.form, is_signed))
        if self.stall_s:
            await asyncio.sleep(self.stall_s)
        document = self.documents.get(request.path, "")
        body = document(request.form) if callable(document) else document
        return twilio_http.Reply(self.status, body, self.content_type if body else "text/plain")

    def of(self, path: str) -> list[dict[str, str]]:
        return [form for at, form, _ in self.heard if at == path]

    def statuses(self) -> list[str]:
        return [form["CallStatus"] for form in self.of("/status")]


@dataclass
class Scene:
    peer: TwilioPeer
    hooks: Hooks
    client: httpx.AsyncClient

    async def call(self, to: str = ANN, **more: Any) -> httpx.Response:
        form = {
            "To": to, "From": US, "Url": f"{self.hooks.url}/voice", "StatusCallback": f"{self.hooks.url}/status",
            "StatusCallbackEvent": ALL,
        } | more  # fmt: skip
        return await self.client.post(CALLS, data=form)

    async def through(self, to: str = ANN, **more: Any) -> Call:
        assert (await self.call(to, **more)).status_code == 201
        await self.peer.idle()
        return self.peer.call_to(to)

    async def sms(self, to: str = ANN, body: str = "Due tomorrow", **more: str) -> httpx.Response:
        form = {"To": to, "From": US, "Body": body, "StatusCallback": f"{self.hooks.url}/sms"} | more
        return await self.client.post(MESSAGES, data=form)


def opened_client(peer: TwilioPeer, auth: httpx.BasicAuth | None) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=peer.base_url, auth=auth, trust_env=False, verify=False)


@asynccontextmanager
async def opened() -> AsyncIterator[Scene]:
    hooks = Hooks(documents={"/voice": GOODBYE})
    server = twilio_http.Server(hooks.answer, lambda: datetime.now(UTC))
    await server.open()
    hooks.url = server.url
    try:
        async with TwilioPeer(SID, TOKEN) as peer, opened_client(peer, httpx.BasicAuth(SID, TOKEN)) as client:
            yield Scene(peer, hooks, client)
    finally:
        await server.close()
    assert server.errors == []


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with opened() as scene:
        yield scene


def codes(scene: Scene) -> list[int]:
    """The faults' codes; they are taken off, so that the scene ends well."""
    found = [fault.code for fault in scene.peer.faults]
    scene.peer.faults.clear()
    return found


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


# How calls go.


async def test_the_callbacks_of_a_call(scene: Scene) -> None:
    call = await scene.through()
    assert scene.hooks.statuses() == ["initiated", "ringing", "in-progress", "completed"]
    forms = scene.hooks.of("/status")
    assert [form["SequenceNumber"] for form in forms] == ["0", "1", "2", "3"]
    assert {form["CallSid"] for form in forms} == {call.sid}
    last = forms[-1]
    assert (last["SipResponseCode"], last["AccountSid"], last["From"], last["To"]) == ("200", SID, US, ANN)
    assert (last["CallbackSource"], last["ApiVersion"]) == ("call-progress-events", "2010-04-01")
    assert parsedate_to_datetime(last["Timestamp"])
    assert int(last["CallDuration"]) == call.talk_s >= 1


async def test_only_events_asked_for_are_told(scene: Scene) -> None:
    await scene.through(StatusCallbackEvent=["answered", "completed"])
    assert scene.hooks.statuses() == ["in-progress", "completed"]
    await scene.through(StatusCallbackEvent=[])
    assert scene.hooks.statuses()[2:] == ["completed"]
    assert scene.hooks.of("/status")[2]["SequenceNumber"] == "3"


async def test_calls_that_nobody_answers(scene: Scene) -> None:
    scene.peer.on(ANN).busy().then().no_answer().then().failed(sip=503, code=32011)
    for status, sip, stages in (("busy", "486", 3), ("no-answer", "487", 3), ("failed", "503", 2)):
        scene.hooks.heard.clear()
        call = await scene.through()
        last = scene.hooks.of("/status")[-1]
        assert (call.status, last["CallStatus"], last["SipResponseCode"]) == (status, status, sip)
        assert (last["CallDuration"], len(scene.hooks.heard)) == ("0", stages)
    assert last["ErrorCode"] == "32011"


def menu(**attributes: str) -> str:
    more = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return (
        f'<Response><Gather action="/keys"{more}><Say language="en-US" voice="Polly.Joanna">Press 1</Say></Gather>'
        "<Say>Nothing heard</Say></Response>"
    )


@pytest.mark.parametrize(
    ("pressed", "attributes", "digits", "finish"),
    [
        ("1", {"numDigits": "1"}, "1", ""), ("123", {"numDigits": "2"}, "12", ""), ("12#9", {}, "12", "#"),
        ("1*", {"finishOnKey": "*"}, "1", "*"), ("1#", {"finishOnKey": "", "numDigits": "2"}, "1#", ""),
    ],
)  # fmt: skip
async def test_keys(scene: Scene, pressed: str, attributes: dict[str, str], digits: str, finish: str) -> None:
    scene.hooks.documents |= {"/voice": menu(**attributes), "/keys": GOODBYE}
    scene.peer.on(ANN).answers(keys=[pressed])
    call = await scene.through()
    (form,) = scene.hooks.of("/keys")
    assert (form["Digits"], form["FinishedOnKey"], form["CallStatus"]) == (digits, finish, "in-progress")
    assert [said.text for said in call.said] == ["Press 1", "Goodbye"]
    assert (call.said[0].language, call.said[0].voice, call.pressed) == ("en-US", "Polly.Joanna", [digits])


@pytest.mark.parametrize("pressed", ["", "#"])
async def test_silence(scene: Scene, pressed: str) -> None:
    scene.hooks.documents |= {"/voice": menu(), "/keys": GOODBYE}
    scene.peer.on(ANN).answers(keys=[pressed])
    assert [said.text for said in (await scene.through()).said] == ["Press 1", "Nothing heard"]
    assert scene.hooks.of("/keys") == []
    scene.hooks.documents["/voice"] = menu(actionOnEmptyResult="true")
    assert [said.text for said in (await scene.through()).said] == ["Press 1", "Goodbye"]
    assert [form["Digits"] for form in scene.hooks.of("/keys")] == [""]


async def test_a_person_who_decides_by_what_was_said(scene: Scene) -> None:
    scene.hooks.documents |= {"/voice": menu(), "/keys": GOODBYE}
    scene.peer.on(ANN).answers(keys=lambda said: "7" if said == ["Press 1"] else "")
    assert (await scene.through()).pressed == ["7"]


@pytest.mark.parametrize(("steps", "said"), [(0, []), (1, ["Press 1"]), (2, ["Press 1", "Press 1"])])
async def test_hanging_up(scene: Scene, steps: int, said: list[str]) -> None:
    scene.hooks.documents |= {"/voice": menu(), "/keys": menu()}
    scene.peer.on(ANN).answers(keys=["1", "1", "1"]).hangs_up(after_steps=steps)
    call = await scene.through()
    assert ([each.text for each in call.said], call.status) == (said, "completed")


@pytest.mark.parametrize(
    ("dial", "status", "bridged"),
    [("completed", "completed", "true"), ("no-answer", "no-answer", "false"), ("busy", "busy", "false")],
)
async def test_a_transfer(scene: Scene, dial: Any, status: str, bridged: str) -> None:
    scene.hooks.documents |= {
        "/voice": '<Response><Dial action="/dialed" timeout="20"><Number>+15005550009</Number></Dial></Response>',
        "/dialed": GOODBYE,
    }
    scene.peer.on(ANN).answers(dial=dial)
    call = await scene.through()
    (form,) = scene.hooks.of("/dialed")
    assert (form["DialCallStatus"], form["DialBridged"]) == (status, bridged)
    assert ("DialCallDuration" in form) == (status == "completed")
    assert (call.dialed, call.said[-1].text) == (["+15005550009"], "Goodbye")


async def test_a_transfer_in_which_the_caller_hangs_up(scene: Scene) -> None:
    scene.hooks.documents |= {"/voice": f'<Response><Dial action="/dialed">{US}</Dial><Say>x</Say></Response>'}
    scene.peer.on(ANN).answers(dial="caller_hangs_up")
    call = await scene.through()
    assert ([form["CallStatus"] for form in scene.hooks.of("/dialed")], call.said) == (["completed"], [])


async def test_redirect_pause_play_and_record(scene: Scene) -> None:
    scene.hooks.documents |= {
        "/voice": '<Response><Pause length="2"/><Play>/a.mp3</Play><Redirect>/two</Redirect></Response>',
        "/two": '<Response><Record action="/three" maxLength="10"/></Response>',
        "/three": "<Response/>",
    }
    call = await scene.through()
    assert call.played == ["/a.mp3"]
    assert [sent.url.rpartition("/")[2] for sent in call.documents] == ["voice", "two", "three"]
    assert scene.hooks.of("/three")[0]["RecordingDuration"] == "5"


async def test_twiml_within_the_create_and_the_time_limit(scene: Scene) -> None:
    twiml = f"<Response><Say>{'x' * 300}</Say><Say>Never</Say></Response>"
    call = await scene.through(Url="", Twiml=twiml, TimeLimit="10")
    assert (len(call.said), call.talk_s) == (1, 20)


async def test_machines(scene: Scene) -> None:
    scene.peer.on(ANN).machine("machine_end_beep")
    for how, found in (("Enable", "machine_start"), ("DetectMessageEnd", "machine_end_beep")):
        scene.hooks.heard.clear()
        call = await scene.through(MachineDetection=how)
        assert scene.hooks.of("/voice")[0]["AnsweredBy"] == call.answered_by == found
        assert scene.hooks.of("/status")[-1]["AnsweredBy"] == found
    scene.hooks.heard.clear()
    await scene.through()
    assert "AnsweredBy" not in scene.hooks.of("/voice")[0]
    scene.peer.on(ANN).human()
    assert (await scene.through(MachineDetection="Enable")).answered_by == "human"


async def test_machines_detected_aside(scene: Scene) -> None:
    async def answered(form: dict[str, str]) -> None:
        await scene.client.post(CALLS.replace(".json", f"/{form['CallSid']}.json"), data={"Twiml": GOODBYE})

    hold = scene.peer.hold("amd")
    scene.hooks.documents["/voice"] = "<Response><Say>Is that you</Say></Response>"
    scene.peer.on(ANN).machine()
    amd = {"MachineDetection": "Enable", "AsyncAmd": "true", "AsyncAmdStatusCallback": f"{scene.hooks.url}/amd"}
    await scene.call(**amd)
    await hold.reached()
    (form,) = scene.hooks.of("/amd")
    assert (form["AnsweredBy"], "AnsweredBy" in scene.hooks.of("/voice")[0]) == ("machine_start", False)
    await answered(form)
    await scene.peer.idle()
    assert [said.text for said in scene.peer.call_to(ANN).said] == ["Goodbye"]


# What Twilio rejects.


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("<Response><Say>", 12100), ("<Reply/>", 12200), ("<Response><Sing/></Response>", 12200),
        ("<Response><Say></Say></Response>", 13520), (f"<Response><Say>{'x' * 4097}</Say></Response>", 13520),
        ('<Response><Say speed="2">x</Say></Response>', 12200),
        ('<Response><Say voice="Bob">x</Say></Response>', 12200),
        ("<Response><Gather/></Response>", 12200), ('<Response><Gather action="/x" numDigits="0"/></Response>', 12200),
        ('<Response><Gather action="/x" actionOnEmptyResult="True"/></Response>', 12200),
        ('<Response><Gather action="/x"><Dial>+15005550009</Dial></Gather></Response>', 12200),
        ("<Response><Dial>nobody</Dial></Response>", 13224), ("<Response><Dial/></Response>", 13224),
        ('<Response><Dial timeout="0">+15005550009</Dial></Response>', 12200),
        ("<Response><Redirect/></Response>", 12200), ("<Response>Hello</Response>", 12200),
        ("<Response><Number>+15005550009</Number></Response>", 12200),
        ("<Response><Redirect>/voice</Redirect></Response>", 12200),
    ],
)  # fmt: skip
async def test_documents_that_twilio_rejects(scene: Scene, document: str, code: int) -> None:
    scene.hooks.documents["/voice"] = document
    call = await scene.through()
    assert (codes(scene), call.status) == ([code], "completed")
    assert scene.hooks.statuses()[-1] == "completed"


async def test_answers_that_are_no_documents(scene: Scene) -> None:
    scene.hooks.content_type = "application/json"
    await scene.through()
    assert codes(scene) == [12300]
    scene.hooks.content_type, scene.hooks.status = "text/xml", 500
    call = await scene.through(StatusCallback="")
    assert (codes(scene), call.status, call.said) == ([11200], "completed", [])
    scene.hooks.status = 200
    await scene.through(Url="http://127.0.0.1:9/gone")
    assert codes(scene) == [11200]
    scene.peer.webhook_timeout_s, scene.hooks.stall_s = 0.05, 0.2
    await scene.through(StatusCallback="")
    assert codes(scene) == [11200]


async def test_the_fallback_url(scene: Scene) -> None:
    scene.hooks.documents |= {"/voice": "no XML", "/fallback": GOODBYE}
    call = await scene.through(FallbackUrl=f"{scene.hooks.url}/fallback")
    assert [said.text for said in call.said] == ["Goodbye"]
    assert [form["ErrorCode"] for form in scene.hooks.of("/fallback")] == ["12100"]
    assert codes(scene) == [12100]


def test_what_the_sdk_writes_is_accepted() -> None:
    voice = VoiceResponse()
    gather = voice.gather(
        action="https://a.example/x",
        num_digits=4,
        timeout=5,
        finish_on_key="",
        action_on_empty_result=True,
        input="dtmf",
    )
    gather.say("您好", language="cmn-CN", voice="Polly.Zhiyu", loop=2).break_(time="1s")
    gather.pause(length=1)
    voice.dial(None, action="/d", timeout=30, time_limit=600, caller_id=US, answer_on_bridge=True).number(
        US, status_callback_event="initiated answered", status_callback="/s"
    )
    voice.play("/a.mp3")
    voice.redirect("/y", method="POST")
    voice.hangup()
    root, problems = twilio_markup.read(str(voice), "text/xml; charset=utf-8")
    assert (root is not None, problems) == (True, [])


async def test_faults_end_the_block(scene: Scene) -> None:
    with pytest.raises(AssertionError, match="12345"):
        async with TwilioPeer(SID, TOKEN) as peer:
            peer.fault(12345, "a fault")
    async with TwilioPeer(SID, TOKEN, strict=False) as peer:
        peer.fault(12345, "a fault")


# Holding, ending and redirecting calls.


@pytest.mark.parametrize(
    ("stage", "end", "told"),
    [
        ("queued", "canceled", ["canceled"]),
        ("ringing", "completed", ["initiated", "ringing", "canceled"]),
        ("gather", "completed", ["initiated", "ringing", "in-progress", "completed"]),
    ],
)
async def test_a_held_call_is_ended(scene: Scene, stage: str, end: str, told: list[str]) -> None:
    scene.hooks.documents["/voice"] = menu()
    hold = scene.peer.hold(stage)
    uri = (await scene.call()).json()["uri"]
    await hold.reached()
    reply = await scene.client.post(uri, data={"Status": end})
    assert reply.status_code == 200
    await scene.peer.idle()
    assert scene.hooks.statuses() == told
    again = await scene.client.post(uri, data={"Status": end})
    assert (again.status_code, again.json()["code"]) == (400, 21220)


async def test_a_call_is_redirected(scene: Scene) -> None:
    scene.hooks.documents |= {"/voice": menu(), "/other": GOODBYE}
    ringing, gather = scene.peer.hold("ringing"), scene.peer.hold("gather", to=ANN)
    uri = (await scene.call()).json()["uri"]
    await ringing.reached()
    assert (await scene.client.get(uri)).json()["status"] == "ringing"
    assert (await scene.client.post(uri, data={"Url": "http://x"})).json()["code"] == 21220
    ringing.release()
    await gather.reached()
    assert (await scene.client.post(uri, data={"Status": "canceled"})).json()["status"] == "in-progress"
    await scene.client.post(uri, data={"Url": f"{scene.hooks.url}/other"})
    await scene.peer.idle()
    assert [said.text for said in scene.peer.call_to(ANN).said] == ["Press 1", "Goodbye"]


async def test_idle_says_what_is_still_open(scene: Scene) -> None:
    scene.peer.hold("ringing")
    await scene.call()
    with pytest.raises(AssertionError, match=r"to \+15005550001: ringing"):
        await scene.peer.idle(timeout_s=0.05)


# How callbacks come.


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("in_order", ["initiated", "ringing", "in-progress", "completed"]),
        ("reversed", ["completed", "in-progress", "ringing", "initiated"]),
        ("twice", ["initiated"] * 2 + ["ringing"] * 2 + ["in-progress"] * 2 + ["completed"] * 2),
        ("dropped", []),
    ],
)
async def test_orders_of_callbacks(scene: Scene, how: Delivery, told: list[str]) -> None:
    scene.peer.callbacks = how
    call = await scene.through()
    assert (scene.hooks.statuses(), call.status, len(call.callbacks)) == (told, "completed", 4)


async def test_late_callbacks(scene: Scene) -> None:
    scene.peer.callbacks = "late"
    await scene.through()
    assert scene.hooks.statuses() == []
    assert await scene.peer.release() == 4
    assert scene.hooks.statuses() == ["initiated", "ringing", "in-progress", "completed"]


async def test_callbacks_before_the_reply(scene: Scene) -> None:
    scene.peer.callbacks = "early"
    assert (await scene.call()).json()["status"] == "queued"
    assert scene.hooks.statuses()[-1] == "completed"
    hold = scene.peer.hold("ringing")
    async with asyncio.timeout(0.5):
        await scene.call()
    assert scene.hooks.statuses()[-1] == "ringing"
    hold.release()
    await scene.peer.idle()


async def test_forged_callbacks(scene: Scene) -> None:
    scene.peer.callbacks = "forged"
    await scene.through()
    assert [is_signed for path, _, is_signed in scene.hooks.heard if path == "/status"] == [False] * 4
    assert [sent.status for sent in scene.peer.sent] == [200] * 4


async def test_a_callback_that_is_refused_is_a_fault(scene: Scene) -> None:
    scene.hooks.status = 503
    await scene.through(StatusCallbackEvent=["initiated"])
    assert codes(scene) == [11200, 11200]


async def test_hooks_below_a_public_address(scene: Scene) -> None:
    scene.peer.reroute("https://hooks.example", scene.hooks.url)
    local, scene.hooks.url = scene.hooks.url, "https://hooks.example"
    await scene.through()
    assert local.startswith("http://127")
    assert all(is_signed for _, _, is_signed in scene.hooks.heard)
    assert len(scene.hooks.heard) == 5


async def test_hooks_without_a_server() -> None:
    async def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=GOODBYE, headers={"Content-Type": "text/xml"})

    async with TwilioPeer(SID, TOKEN, hooks=httpx.MockTransport(handler)) as peer:
        async with httpx.AsyncClient(
            base_url=peer.base_url, auth=(SID, TOKEN), trust_env=False, verify=False
        ) as client:
            await client.post(CALLS, data={"To": ANN, "From": US, "Url": "https://hooks.example/x"})
        await peer.idle()
        assert peer.call_to(ANN).status == "completed"


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
    numbers = [f"+1500556{number:04d}" for number in range(200)]
    made: list[Coroutine[Any, Any, httpx.Response]] = [
        scene.call(number, StatusCallbackEvent=["completed"]) for number in numbers
    ]
    assert {reply.status_code for reply in await asyncio.gather(*made)} == {201}
    await scene.peer.idle()
    assert {call.status for call in scene.peer.calls.values()} == {"completed"}
    assert scene.hooks.statuses() == ["completed"] * 200
