"""TwiML as Twilio reads it: which verbs, which attributes, which values, what within what."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

Check = Callable[[str], bool]
SAY_MAX = 4096
SSML = {"break", "emphasis", "lang", "p", "phoneme", "prosody", "s", "say-as", "sub", "w"}


def _one_of(*words: str) -> Check:
    return lambda value: value in words


def _number(least: int, most: int) -> Check:
    return lambda value: value.isascii() and value.isdigit() and least <= int(value) <= most


def _like(pattern: str) -> Check:
    compiled = re.compile(pattern)
    return lambda value: compiled.fullmatch(value) is not None


_bool, _method, _any = _one_of("true", "false"), _one_of("GET", "POST"), _like(r"(?s).*")
_url = _like(r"(https?://[^\s]+|/[^\s]*|[^\s:]+)")
_language = _like(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_e164 = _like(r"\+[1-9]\d{6,14}")
_dialed = _like(r"\+?[\d()\-. ]{3,20}")
_recorded = _one_of(
    "do-not-record", "record-from-answer", "record-from-ringing",
    "record-from-answer-dual", "record-from-ringing-dual", "true", "false",
)  # fmt: skip
_events = _like(r"(initiated|ringing|answered|completed)( (initiated|ringing|answered|completed))*")
_recording: dict[str, Check] = {
    "trim": _one_of("trim-silence", "do-not-trim"),
    "recordingStatusCallback": _url,
    "recordingStatusCallbackMethod": _method,
    "recordingStatusCallbackEvent": _like(r"(in-progress|completed|absent)( (in-progress|completed|absent))*"),
    "recordingConfigurationId": _any,
}

ATTRIBUTES: dict[str, dict[str, Check]] = {
    "Response": {},
    "Hangup": {},
    "Say": {
        "voice": _like(r"man|woman|alice|(Polly|Google|ElevenLabs)\.[\w.-]+"),
        "language": _language,
        "loop": _number(0, 1000),
    },
    "Play": {"loop": _number(0, 1000), "digits": _like(r"[0-9A-D*#wW]+")},
    "Pause": {"length": _number(1, 600)},
    "Redirect": {"method": _method},
    "Gather": {
        "input": _one_of("dtmf", "speech", "dtmf speech", "speech dtmf"),
        "action": _url,
        "method": _method,
        "timeout": _number(1, 600),
        "speechTimeout": _like(r"auto|[1-9]\d*"),
        "maxSpeechTime": _number(1, 60),
        "profanityFilter": _bool,
        "finishOnKey": _like(r"[0-9#*]?"),
        "numDigits": _number(1, 128),
        "partialResultCallback": _url,
        "partialResultCallbackMethod": _method,
        "language": _language,
        "hints": _any,
        "bargeIn": _bool,
        "debug": _bool,
        "actionOnEmptyResult": _bool,
        "speechModel": _any,
        "enhanced": _bool,
    },
    "Dial": {
        "action": _url,
        "method": _method,
        "timeout": _number(1, 600),
        "hangupOnStar": _bool,
        "timeLimit": _number(1, 86_400),
        "callerId": _e164,
        "record": _recorded,
        "answerOnBridge": _bool,
        "ringTone": _like(r"[a-z]{2}"),
        "recordingTrack": _one_of("both", "inbound", "outbound"),
        "sequential": _bool,
        "referUrl": _url,
        "referMethod": _method,
        "events": _any,
        "passports": _any,
        **_recording,
    },
    "Number": {
        "sendDigits": _like(r"[0-9*#wW]{1,32}"),
        "url": _url,
        "method": _method,
        "statusCallbackEvent": _events,
        "statusCallback": _url,
        "statusCallbackMethod": _method,
        "byoc": _any,
        "machineDetection": _one_of("Enable", "DetectMessageEnd"),
        "amdStatusCallback": _url,
        "amdStatusCallbackMethod": _method,
        "machineDetectionTimeout": _number(3, 59),
        "machineDetectionSpeechThreshold": _number(1000, 6000),
        "machineDetectionSpeechEndThreshold": _number(500, 5000),
        "machineDetectionSilenceTimeout": _number(2000, 10_000),
    },
    "Record": {
        "action": _url,
        "method": _method,
        "timeout": _number(1, 600),
        "finishOnKey": _like(r"[0-9#*]*"),
        "maxLength": _number(1, 14_400),
        "playBeep": _bool,
        "transcribe": _bool,
        "transcribeCallback": _url,
        **_recording,
    },
}
WITHIN: dict[str, set[str]] = {
    "Response": set(ATTRIBUTES) - {"Response", "Number"},
    "Gather": {"Say", "Play", "Pause"},
    "Dial": {"Number"},
    "Say": SSML,
}


@dataclass(frozen=True, slots=True)
class Problem:
    code: int
    said: str


def text_of(verb: Element) -> str:
    """What a Say says, a Dial dials, a Redirect names."""
    return " ".join("".join(verb.itertext()).split())


def read(text: str, content_type: str) -> tuple[Element | None, list[Problem]]:
    """A document and all that Twilio has against it."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in {"text/xml", "application/xml", "text/html"}:
        return None, [Problem(12300, f"Invalid Content-Type {content_type!r}")]
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        return None, [Problem(12100, f"Document parse failure: {error}: {text[:200]!r}")]
    if root.tag != "Response":
        return None, [Problem(12200, f"the document's root is <{root.tag}>, not <Response>")]
    return root, problems(root)


def problems(element: Element) -> list[Problem]:
    """Attributes, values, nesting and texts of an element and those within."""
    found = [*_attributes(element), *_content(element)]
    for child in element:
        if child.tag not in WITHIN.get(element.tag, set()):
            found.append(Problem(12200, f"<{child.tag}> within <{element.tag}> is not allowed"))
        elif child.tag in ATTRIBUTES:
            found += problems(child)
        if element.tag != "Say" and (child.tail or "").strip():
            found.append(Problem(12200, f"text {child.tail!r} within <{element.tag}>"))
    return found


def _attributes(element: Element) -> list[Problem]:
    known = ATTRIBUTES[element.tag]
    return [
        Problem(12200, f"<{element.tag} {name}={value!r}>: {'value' if name in known else 'attribute'} not accepted")
        for name, value in element.attrib.items()
        if name not in known or not known[name](value)
    ]


def _content(element: Element) -> list[Problem]:
    text = text_of(element)
    own = (element.text or "").strip()
    match element.tag:
        case "Say":
            return [] if 0 < len("".join(element.itertext())) <= SAY_MAX and text else [_say(len(text))]
        case "Gather":
            return [] if element.get("action") and not own else [Problem(12200, "<Gather> needs an action and no text")]
        case "Dial":
            numbers = [own] if own else [text_of(child) for child in element]
            good = 1 <= len(numbers) <= 10 and all(_dialed(number) for number in numbers)
            return [] if good else [Problem(13224, f"<Dial>: invalid phone number {numbers}")]
        case "Redirect":
            return [] if text and _url(text) else [Problem(12200, f"<Redirect>: invalid URL {text!r}")]
        case "Play":
            return [] if bool(text) != ("digits" in element.attrib) else [Problem(12200, "<Play> of a URL or digits")]
        case "Response" | "Pause" | "Hangup" | "Record" if own:
            return [Problem(12200, f"text {own!r} within <{element.tag}>")]
    return []


def _say(length: int) -> Problem:
    return Problem(13520, f"<Say>: invalid text of {length} characters")
