"""A step of the dialogue as TwiML, and who speaks it."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from twilio.twiml.voice_response import VoiceResponse

from adapters.contract import Step

TRANSFER_RING_S = 30
"""Seconds until an agent who does not take a transferred call is no agent."""


class Voice(BaseModel):
    """How a language is spoken: Twilio's name of the language, and one of its voices."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    language: Annotated[str, Field(min_length=2)]
    """Twilio's name of the language, such as cmn-CN."""
    voice: Annotated[str, Field(min_length=1)]
    """One of Twilio's voices, such as Polly.Zhiyu."""


VOICES = {
    "zh": Voice(language="cmn-CN", voice="Polly.Zhiyu-Neural"),
    "yue": Voice(language="yue-CN", voice="Polly.Hiujin-Neural"),
    "en": Voice(language="en-US", voice="Polly.Joanna-Neural"),
    "en-GB": Voice(language="en-GB", voice="Polly.Amy-Neural"),
    "es": Voice(language="es-US", voice="Polly.Lupe-Neural"),
    "fr": Voice(language="fr-FR", voice="Polly.Lea-Neural"),
    "de": Voice(language="de-DE", voice="Polly.Vicki-Neural"),
    "pt": Voice(language="pt-BR", voice="Polly.Camila-Neural"),
    "ja": Voice(language="ja-JP", voice="Polly.Takumi-Neural"),
    "ko": Voice(language="ko-KR", voice="Polly.Seoyeon-Neural"),
    "vi": Voice(language="vi-VN", voice="Google.vi-VN-Standard-A"),
    "id": Voice(language="id-ID", voice="Google.id-ID-Standard-A"),
    "th": Voice(language="th-TH", voice="Google.th-TH-Standard-A"),
}
"""Language of a script, or its main language → voice. The settings' own come first."""


def voice_of(language: str, own: Mapping[str, Voice]) -> Voice | None:
    """The settings' voice of the language or of its main language, else the built-in one; None: Twilio's default."""
    tags = (language, language.partition("-")[0])
    return next((voices[tag] for voices in (own, VOICES) for tag in tags if tag in voices), None)


def render(step: Step, action: str, caller: str, own: Mapping[str, Voice]) -> VoiceResponse:
    """`action`: where what is heard goes. `caller`: our number, which the agent sees."""
    reply = VoiceResponse()
    if step.then == "gather":
        # Without a finishing key: # is a key like the others.
        gather = reply.gather(
            input="dtmf", num_digits=step.digits, timeout=max(1, round(step.silence_s)), finish_on_key="",
            action=action, method="POST", action_on_empty_result=True,
        )  # fmt: skip
        _say(gather, step, own)
        return reply
    _say(reply, step, own)
    if step.then == "transfer" and step.to:
        by = {"caller_id": caller} if caller else {}
        dial = reply.dial(action=action, method="POST", timeout=TRANSFER_RING_S, answer_on_bridge=True, **by)
        dial.number(step.to)
        return reply
    reply.hangup()
    return reply


def _say(verb: Any, step: Step, own: Mapping[str, Voice]) -> None:
    """A text that is an address alone is a recording that is played."""
    if re.fullmatch(r"https://\S+", step.text):
        verb.play(step.text)
    elif step.text:
        spoken = voice_of(step.language, own)
        text = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", " ", step.text)  # no XML holds these
        verb.say(text, **({"language": spoken.language, "voice": spoken.voice} if spoken else {}))
