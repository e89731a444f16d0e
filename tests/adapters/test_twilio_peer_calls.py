"""The stand-in for Twilio: how its people take calls, what TwiML it rejects, how its callbacks come."""

import asyncio
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from tests.adapters.twilio_scene import ANN, CALLS, GOODBYE, SID, TOKEN, US, Scene, VoiceResponse, codes, menu, opened
from tests.support import twilio_markup
from tests.support.twilio_office import Delivery
from tests.support.twilio_peer import TwilioPeer


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with opened() as scene:
        yield scene


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


async def test_words_that_mean_nothing_are_told(scene: Scene) -> None:
    with pytest.raises(ValueError, match="answered"):
        scene.peer.hold("answered")
    scene.peer.callbacks = "later"  # type: ignore[assignment]
    await scene.call()
    with pytest.raises(ValueError, match="later"):
        await scene.peer.idle()


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
