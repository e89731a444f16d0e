"""Twilio's REST resources as JSON: records, lists with filters and pages, refusals, what a create has to say."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from tests.support.twilio_http import Pairs, Reply, Request
from tests.support.twilio_message import segments
from tests.support.twilio_office import API, Call, Message, Record, rfc2822

E164 = re.compile(r"\+[1-9]\d{6,14}")
SENDER = re.compile(r"\+[1-9]\d{6,14}|\d{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{1,11}")
EVENTS = {"initiated", "ringing", "answered", "completed"}
CALL_FIELDS = {
    "To", "From", "Url", "Twiml", "ApplicationSid", "Method", "FallbackUrl", "FallbackMethod", "StatusCallback",
    "StatusCallbackMethod", "StatusCallbackEvent", "SendDigits", "Timeout", "TimeLimit", "Record", "MachineDetection",
    "MachineDetectionTimeout", "MachineDetectionSpeechThreshold", "MachineDetectionSpeechEndThreshold",
    "MachineDetectionSilenceTimeout", "AsyncAmd", "AsyncAmdStatusCallback", "AsyncAmdStatusCallbackMethod", "CallerId",
    "CallReason", "CallToken", "Byoc", "Trim", "RecordingStatusCallback", "RecordingChannels", "RecordingTrack",
    "RecordingStatusCallbackMethod", "RecordingStatusCallbackEvent", "RecordingConfigurationId", "SipAuthUsername",
    "SipAuthPassword", "ClientNotificationUrl", "Passports",
}  # fmt: skip
MESSAGE_FIELDS = {
    "To", "From", "Body", "MessagingServiceSid", "StatusCallback", "ValidityPeriod", "MediaUrl", "ApplicationSid",
    "ProvideFeedback", "Attempt", "SmartEncoded", "ShortenUrls", "SendAt", "ScheduleType", "MaxPrice", "RiskCheck",
    "ForceDelivery", "ContentRetention", "AddressRetention", "PersistentAction", "SendAsMms", "ContentSid",
    "ContentVariables", "FallbackFrom", "MessageIntent", "TrafficType",
}  # fmt: skip
CALL_VALUES = {
    "Method": "GET|POST",
    "FallbackMethod": "GET|POST",
    "StatusCallbackMethod": "GET|POST",
    "Timeout": r"[1-9]\d?|[1-5]\d\d|600",
    "TimeLimit": r"[1-9]\d{0,4}",
    "MachineDetection": "Enable|DetectMessageEnd",
    "MachineDetectionTimeout": r"[3-9]|[1-5]\d",
    "AsyncAmd": "true|false",
}


def refusal(status: int, code: int, message: str = "", headers: Mapping[str, str] | None = None) -> Reply:
    """An error as Twilio says it."""
    body = {
        "code": code,
        "message": message or f"Error {code}",
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    return Reply(status, json.dumps(body), headers=headers or {})


def call_refusal(request: Request) -> Reply | None:
    """What is wrong with a create of a call, in Twilio's codes."""
    form = request.form
    if not form.get("To"):
        return refusal(400, 21201, "No 'To' number is specified")
    if not form.get("From"):
        return refusal(400, 21213, "No 'From' number is specified")
    if not E164.fullmatch(form["To"]):
        return refusal(400, 21211, f"The phone number you are attempting to call, {form['To']}, is not valid.")
    if not E164.fullmatch(form["From"]):
        return refusal(400, 21212, f"From number, {form['From']}, is not valid.")
    if not form.get("Url") and not form.get("Twiml") and not form.get("ApplicationSid"):
        return refusal(400, 21205, "Url parameter is required.")
    if form.get("Url") and not form["Url"].startswith(("http://", "https://")):
        return refusal(400, 21205, f"Url is not a valid URL: {form['Url']}")
    return None


def message_refusal(request: Request) -> Reply | None:
    """What is wrong with a create of a message, in Twilio's codes."""
    form = request.form
    if not form.get("To"):
        return refusal(400, 21604, "A 'To' phone number is required.")
    if not form.get("From") and not form.get("MessagingServiceSid"):
        return refusal(400, 21603, "A 'From' phone number is required.")
    if not form.get("Body"):
        return refusal(400, 21602, "Message body is required.")
    if len(form["Body"]) > 1600:
        return refusal(400, 21617, "The concatenated message body exceeds the 1600 character limit.")
    if not E164.fullmatch(form["To"]):
        return refusal(400, 21211, f"Invalid 'To' Phone Number: {form['To']}")
    if form.get("From") and not SENDER.fullmatch(form["From"]):
        return refusal(400, 21212, f"The 'From' number {form['From']} is not a valid phone number.")
    return None


def oddities(request: Request, known: set[str]) -> list[str]:
    """What Twilio would pass over in silence, and what is likely a slip."""
    found = [f"unknown parameter {name}" for name, _ in request.fields if name not in known]
    found += [f"unknown event {event!r}" for event in request.all("StatusCallbackEvent") if event not in EVENTS]
    values = CALL_VALUES if known is CALL_FIELDS else {}
    found += [
        f"{name}={value!r}"
        for name, value in request.fields
        if name in values and not re.fullmatch(values[name], value)
    ]
    return found


def record(account: str, one: Record) -> dict[str, Any]:
    """One call or message as its resource."""
    is_call = isinstance(one, Call)
    collection = "Calls" if is_call else "Messages"
    base: dict[str, Any] = {
        "sid": one.sid,
        "account_sid": account,
        "to": one.to,
        "from": one.from_ or None,
        "status": one.status,
        "direction": one.direction,
        "api_version": API,
        "date_created": rfc2822(one.created_at),
        "date_updated": rfc2822(one.updated_at),
        "price": None,
        "price_unit": "USD",
        "uri": f"/{API}/Accounts/{account}/{collection}/{one.sid}.json",
    }
    if isinstance(one, Call):
        return base | _call(one)
    assert isinstance(one, Message)
    return base | _message(one)


def _call(call: Call) -> dict[str, Any]:
    return {
        "annotation": None,
        "answered_by": call.answered_by or None,
        "caller_name": None,
        "duration": str(int(call.talk_s)) if call.ended_at else None,
        "start_time": rfc2822(call.started_at),
        "end_time": rfc2822(call.ended_at),
        "forwarded_from": None,
        "from_formatted": call.from_,
        "to_formatted": call.to,
        "group_sid": None,
        "parent_call_sid": None,
        "phone_number_sid": "",
        "queue_time": "0",
        "trunk_sid": None,
        "subresource_uris": {},
    }


def _message(message: Message) -> dict[str, Any]:
    return {
        "body": message.body,
        "date_sent": rfc2822(message.sent_at),
        "error_code": message.error_code or None,
        "error_message": None,
        "messaging_service_sid": message.form.get("MessagingServiceSid"),
        "num_media": "0",
        "num_segments": str(segments(message.body)),
        "subresource_uris": {},
    }


def chosen(records: Sequence[Record], query: Pairs) -> list[Record]:
    """Those the filters of a list let through, the newest first."""
    wanted = dict(query)
    return [one for one in reversed(records) if _is_wanted(one, wanted)]


def _is_wanted(one: Record, wanted: Mapping[str, str]) -> bool:
    plain = {"To": one.to, "From": one.from_, "Status": one.status}
    if any(wanted.get(name, value) != value for name, value in plain.items()):
        return False
    name, at = ("StartTime", one.started_at) if isinstance(one, Call) else ("DateSent", getattr(one, "sent_at", None))
    exact, after, before = wanted.get(name), wanted.get(f"{name}>"), wanted.get(f"{name}<")
    if not (exact or after or before):
        return True
    if at is None:
        return False
    at = at.replace(microsecond=0)
    if exact and (at.date() != _day(exact).date() if len(exact) == 10 else at != _day(exact)):
        return False
    return (not after or at >= _day(after)) and (not before or at <= _day(before, at_end=True))


def _day(text: str, at_end: bool = False) -> datetime:
    """A date or an instant of a filter; a date as an upper bound is its end."""
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return at.replace(hour=23, minute=59, second=59) if at_end and len(text) == 10 else at


def page(path: str, key: str, rows: Sequence[Any], query: Pairs) -> Reply:
    """One page of a list, with the address of the next."""
    asked = dict(query)
    number, size = int(asked.get("Page", "0")), min(1000, int(asked.get("PageSize", "50")))
    rest = [(name, value) for name, value in query if name not in {"Page", "PageSize", "PageToken"}]

    def address(of: int) -> str:
        return f"{path}?{urlencode([*rest, ('PageSize', str(size)), ('Page', str(of))])}"

    start = number * size
    shown = list(rows[start : start + size])
    has_more = len(rows) > start + size
    body = {
        key: shown,
        "page": number,
        "page_size": size,
        "start": start,
        "end": start + max(0, len(shown) - 1),
        "uri": address(number),
        "first_page_uri": address(0),
        "next_page_uri": f"{address(number + 1)}&PageToken=PA{start + size}" if has_more else None,
        "previous_page_uri": address(number - 1) if number else None,
    }
    return Reply(body=json.dumps(body))
