"""How one call goes: rings, is answered, follows the other side's TwiML as the scripted person would, ends."""

import math
from dataclasses import dataclass
from urllib.parse import urljoin
from xml.etree.ElementTree import Element

from tests.support.twilio_markup import Problem, read, text_of
from tests.support.twilio_office import API, Call, Office, Said, Sent, rfc2822

DOCUMENTS_MAX = 100
LETTERS_A_SECOND = 15
FINAL = {"completed", "busy", "no-answer", "failed", "canceled"}


class Over(Exception):
    """The call ends here, with this status."""

    def __init__(self, status: str = "completed") -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True, slots=True)
class Document:
    url: str
    method: str
    root: Element


def common(office: Office, call: Call, status: str = "") -> dict[str, str]:
    """What every request about a call says."""
    return {
        "CallSid": call.sid,
        "AccountSid": office.account_sid,
        "From": call.from_,
        "To": call.to,
        "Caller": call.from_,
        "Called": call.to,
        "CallStatus": status or call.status,
        "Direction": call.direction,
        "ApiVersion": API,
    }


async def live(office: Office, call: Call) -> None:
    """From queued to its end."""
    act = call.act
    try:
        await office.stay(call, "queued")
        _check(call)
        call.started_at = office.now()
        await _announce(office, call, "initiated", "initiated")
        if act.outcome == "failed":
            raise Over("failed")
        call.status = "ringing"
        await _announce(office, call, "ringing", "ringing")
        if act.outcome != "answers":
            raise Over(act.outcome)
        await _answered(office, call)
        raise Over
    except Over as over:
        await _end(office, call, over.status)


def _check(call: Call) -> None:
    """Whether the call goes on: nobody ended it, and its time is not up."""
    if call.is_ended_by_api:
        raise Over("completed" if call.answered_at else "canceled")
    if call.talk_s >= float(call.form.get("TimeLimit") or 14_400):
        raise Over


async def _announce(office: Office, call: Call, event: str, status: str, **more: str) -> None:
    """A stage is reached: its callback, where one was asked for; then perhaps a hold."""
    sequence, call.sequence = call.sequence, call.sequence + 1
    call.updated_at = office.now()
    url = call.form.get("StatusCallback", "")
    if url and event in call.events:
        form = common(office, call, status) | {
            "SequenceNumber": str(sequence),
            "Timestamp": rfc2822(office.now()) or "",
            "CallbackSource": "call-progress-events",
        }
        await office.callback(call, url, form | more, call.form.get("StatusCallbackMethod", "POST"))
    if status not in FINAL:
        await office.stay(call, status)
        _check(call)


async def _answered(office: Office, call: Call) -> None:
    call.status, call.answered_at = "in-progress", office.now()
    await _announce(office, call, "answered", "in-progress")
    detects = call.form.get("MachineDetection", "")
    is_async = call.form.get("AsyncAmd", "false") == "true"
    told: dict[str, str] = {}
    if detects and not is_async:
        told = _detected(call)
    talk = Talk(office, call)
    document = await talk.begin(told)
    if detects and is_async:
        await _tell_async(office, call)
    await talk.follow(document)


def _detected(call: Call) -> dict[str, str]:
    """What the machine detection found. It hears the end of a greeting only where that was asked for."""
    found = call.act.answered_by
    if found.startswith("machine_end") and call.form["MachineDetection"] != "DetectMessageEnd":
        found = "machine_start"
    call.answered_by = found
    return {"AnsweredBy": found, "MachineDetectionDuration": "2400"}


async def _tell_async(office: Office, call: Call) -> None:
    told = {"CallSid": call.sid, "AccountSid": office.account_sid} | _detected(call)
    if url := call.form.get("AsyncAmdStatusCallback", ""):
        await office.callback(call, url, told)
        await office.stay(call, "amd")


async def _end(office: Office, call: Call, status: str) -> None:
    """The terminal callback; its event is named completed, whatever came of the call."""
    act = call.act
    call.ended_at = office.now()
    call.status = call.stage = status
    call.sip = 200 if call.answered_at else act.sip
    if call.answered_at is None:
        seconds = 0
    else:
        seconds = act.talk_s if act.talk_s is not None else max(1, math.ceil(call.talk_s))
    call.talk_s = seconds
    more = {"CallDuration": str(seconds), "Duration": str(math.ceil(seconds / 60))}
    if call.sip and status != "canceled":
        more["SipResponseCode"] = str(call.sip)
    if act.code and status == "failed":
        more["ErrorCode"] = str(act.code)
    if call.answered_by:
        more["AnsweredBy"] = call.answered_by
    await _announce(office, call, "completed", status, **more)
    await office.settle(call)


class Talk:
    """The talk after the answer: one document after the other."""

    def __init__(self, office: Office, call: Call) -> None:
        self.office, self.call = office, call
        self.heard = 0
        """Documents that were begun."""
        self.gathers = 0

    async def begin(self, told: dict[str, str]) -> Document:
        form = self.call.form
        if twiml := form.get("Twiml", ""):
            return self._read(Sent("", {}, body=twiml, content_type="text/xml", status=200), "POST")
        return await self._fetch(form["Url"], form.get("Method", "POST"), told)

    async def follow(self, document: Document | None) -> None:
        """Executes documents until one ends the call."""
        while document is not None:
            self.heard += 1
            if self.heard > DOCUMENTS_MAX:
                self._reject([Problem(12200, f"more than {DOCUMENTS_MAX} documents: a loop")])
            document = await self._document(document)

    async def _document(self, document: Document) -> Document | None:
        """One document; the next one, or None where the call ends."""
        for verb in [*document.root, None]:
            _check(self.call)
            if (redirect := self.call.redirect) is not None:
                self.call.redirect = None
                return await self._redirected(*redirect)
            if self.call.act.hangs_up_after == 0:
                raise Over
            if verb is None or verb.tag == "Hangup":
                return None
            if verb.tag in {"Say", "Play", "Pause"}:
                self._hear(verb)
            elif (following := await self._interactive(document, verb)) is not None:
                return following
        return None

    async def _redirected(self, url: str, method: str, twiml: str) -> Document:
        """A POST to the call gave it something else to do."""
        self.call.interrupted.clear()
        if twiml:
            return self._read(Sent("", {}, body=twiml, content_type="text/xml", status=200), "POST")
        return await self._fetch(url, method, {})

    def _hear(self, verb: Element) -> None:
        call, text = self.call, text_of(verb)
        if verb.tag == "Say":
            call.said.append(Said(text, verb.get("language", ""), verb.get("voice", "")))
            call.talk_s += len(text) / LETTERS_A_SECOND
        elif verb.tag == "Play":
            call.played.append(text or verb.get("digits", ""))
            call.talk_s += 1
        else:
            call.talk_s += int(verb.get("length", "1"))

    async def _interactive(self, document: Document, verb: Element) -> Document | None:
        """A verb that may lead to another document; None: on with the next verb."""
        if verb.tag == "Gather":
            for child in verb:
                self._hear(child)
        if self.call.act.hangs_up_after is not None and self.heard >= self.call.act.hangs_up_after:
            raise Over
        match verb.tag:
            case "Gather":
                return await self._gather(document, verb)
            case "Dial":
                return await self._dial(document, verb)
            case "Redirect":
                return await self._go(document, text_of(verb), verb.get("method", "POST"), {})
        return await self._record(document, verb)

    async def _gather(self, document: Document, verb: Element) -> Document | None:
        call = self.call
        await self.office.stay(call, "gather")
        if call.is_ended_by_api or call.redirect is not None:
            return None
        pressed = self._keys() if "dtmf" in verb.get("input", "dtmf") else ""
        digits, finish = "", ""
        for key in pressed:
            if key == verb.get("finishOnKey", "#"):
                finish = key
                break
            digits += key
            if len(digits) == int(verb.get("numDigits", "0")):
                break
        call.pressed.append(digits)
        call.talk_s += 1 if digits else int(verb.get("timeout", "5"))
        if not digits and verb.get("actionOnEmptyResult", "false") != "true":
            return None
        form = {"Digits": digits, "FinishedOnKey": finish, "msg": "Gather End"}
        return await self._go(document, verb.get("action", ""), verb.get("method", "POST"), form)

    def _keys(self) -> str:
        keys, turn = self.call.act.keys, self.gathers
        self.gathers += 1
        if callable(keys):
            return keys([said.text for said in self.call.said])
        return keys[turn] if turn < len(keys) else ""

    async def _dial(self, document: Document, verb: Element) -> Document | None:
        call, how = self.call, self.call.act.dial
        numbers = [text_of(child) for child in verb] or [text_of(verb)]
        call.dialed += numbers
        await self.office.stay(call, "dial")
        _check(call)
        if call.redirect is not None:
            return None
        is_over, talked = how == "caller_hangs_up", how in {"completed", "caller_hangs_up"}
        form = {
            "DialCallSid": self.office.new_sid("CA"),
            "DialCallStatus": "completed" if talked else how,
            "DialBridged": "true" if talked else "false",
        }
        if talked:
            form["DialCallDuration"] = "30"
        call.talk_s += 30 if talked else int(verb.get("timeout", "30")) if how == "no-answer" else 2
        action = verb.get("action", "")
        if is_over:
            if action:
                url = urljoin(document.url, action)
                said = common(self.office, call, "completed") | form
                call.documents.append(await self.office.fetch(url, said, verb.get("method", "POST")))
            raise Over
        return await self._go(document, action, verb.get("method", "POST"), form) if action else None

    async def _record(self, document: Document, verb: Element) -> Document | None:
        self.call.talk_s += 5
        sid = self.office.new_sid("RE")
        form = {"RecordingSid": sid, "RecordingUrl": f"https://api.twilio.com/{sid}", "RecordingDuration": "5"}
        url = verb.get("action") or document.url
        return await self._go(document, url, verb.get("method", "POST"), form | {"Digits": ""})

    async def _go(self, document: Document, url: str, method: str, form: dict[str, str]) -> Document:
        return await self._fetch(urljoin(document.url, url), method, form)

    async def _fetch(self, url: str, method: str, form: dict[str, str]) -> Document:
        """A document from the other side; where that fails, the one of the fallback URL; where that fails, the end."""
        asked = common(self.office, self.call) | form
        try:
            return self._read(await self.office.fetch(url, asked, method), method)
        except Over:
            fallback = self.call.form.get("FallbackUrl", "")
            if not fallback or "ErrorCode" in form:
                raise
        error = {"ErrorCode": str(self.office.faults[-1].code), "ErrorUrl": url}
        return await self._fetch(fallback, self.call.form.get("FallbackMethod", "POST"), error)

    def _read(self, sent: Sent, method: str) -> Document:
        self.call.documents.append(sent)
        if not sent.is_good:
            self._reject([Problem(11200, f"{sent.url}: {sent.status or sent.error} {sent.body[:200]}")])
        root, problems = read(sent.body, sent.content_type)
        if problems or root is None:
            self._reject(problems)
        assert root is not None
        return Document(sent.url, method, root)

    def _reject(self, problems: list[Problem]) -> None:
        """Says "an application error has occurred" and hangs up."""
        for problem in problems:
            self.office.fault(problem.code, problem.said, self.call.sid)
        raise Over
