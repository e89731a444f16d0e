"""Twilio's facts as events: from the parameters of a callback, and from a resource that was fetched. Pure.

A fact is told by several ways (callback, dialogue, `find`), repeatedly and in any order; its identity is the SID with
what happened (of a message: its status), which happens once to each, so that whichever comes first counts.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from adapters.contract import Event, EventKind
from adapters.twilio_codes import CALL_STATUS, MACHINES, MESSAGE_STATUS, UNSUBSCRIBED, ended, undelivered

Form = Mapping[str, str]
FRESH = timedelta(seconds=2)
_is_sid = re.compile("[A-Z]{2}[0-9a-f]{32}").fullmatch


def number(text: str | None) -> int | None:
    """A code or count; None where it is none."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else None


def is_sound(form: Form, account_sid: str) -> bool:
    """Whether the fields are such as Twilio sends them.

    Its signature covers names and values without what lies between: moved borders would make other fields of the same
    signed text, and another message's identity of a replayed one.
    """
    sids = (form.get(name, "") for name in ("CallSid", "MessageSid", "SmsSid"))
    versions = form.get("ApiVersion", "2010-04-01")
    return (
        form.get("AccountSid") == account_sid
        and versions == "2010-04-01"
        and all(not sid or _is_sid(sid) for sid in sids)
    )


def fact(kind: EventKind, at: datetime, attempt_id: str, ref: str, status: str = "", **more: Any) -> Event:
    return Event(kind, at, attempt_id, ref, f"{ref}/{status or kind}", **more)


def of_call(form: Form, attempt_id: str, now: datetime) -> list[Event]:
    """A call's status callback. A word that is not known is no event."""
    status, ref = form.get("CallStatus", ""), form.get("CallSid", "")
    kind, at = CALL_STATUS.get(status), timestamp(form.get("Timestamp"), now)
    if kind is None or not ref:
        return []
    sequence = number(form.get("SequenceNumber")) or 0
    if kind is not EventKind.ENDED:
        return [fact(kind, at, attempt_id, ref, sequence=sequence)]
    answered_by = form.get("AnsweredBy", "")
    sip, code = number(form.get("SipResponseCode")), number(form.get("ErrorCode"))
    raw = ", ".join([*([str(code)] if code else []), *([f"sip {sip}"] if sip and sip != 200 else [])])
    talk_s = float(number(form.get("CallDuration")) or 0)
    end = fact(kind, at, attempt_id, ref, sequence=sequence, disposition=ended(status, answered_by, sip, code),
               code=raw, talk_s=talk_s)  # fmt: skip
    return [*detected(answered_by, at, attempt_id, ref), end]


def detected(answered_by: str, at: datetime, attempt_id: str, ref: str) -> list[Event]:
    """Who took the call, where Twilio is sure."""
    if answered_by in MACHINES:
        return [fact(EventKind.MACHINE_DETECTED, at, attempt_id, ref)]
    return [fact(EventKind.HUMAN_DETECTED, at, attempt_id, ref)] if answered_by == "human" else []


def of_message(form: Form, attempt_id: str, now: datetime) -> list[Event]:
    """A message's status callback. It has no time and no number of its own."""
    ref = form.get("MessageSid") or form.get("SmsSid", "")
    return _message(form.get("MessageStatus", ""), number(form.get("ErrorCode")), now, attempt_id, ref) if ref else []


def _message(status: str, code: int | None, at: datetime, attempt_id: str, ref: str) -> list[Event]:
    kind = MESSAGE_STATUS.get(status)
    if kind is None:
        return []
    if kind is not EventKind.UNDELIVERED:
        return [fact(kind, at, attempt_id, ref, status)]
    return [
        fact(kind, at, attempt_id, ref, status, disposition=undelivered(code), code=str(code or ""),
             opted_out=code in UNSUBSCRIBED)
    ]  # fmt: skip


def of_text(form: Form, now: datetime) -> list[Event]:
    """A person's text message to us. A stop word that only the account's own list knows is STOP as well."""
    ref, sender = form.get("MessageSid") or form.get("SmsSid", ""), form.get("From", "")
    if not ref or not sender:
        return []
    text = "STOP" if form.get("OptOutType") == "STOP" else form.get("Body", "")
    return [Event(EventKind.REPLIED, now, ref=ref, identity=ref, sender=sender, text=text)]


def of_call_resource(call: Any, attempt_id: str) -> list[Event]:
    """What a fetched call tells, oldest first."""
    status, ref, begun = str(call.status), str(call.sid), _aware(call.date_created)
    at = max(begun, _aware(call.start_time, begun))
    found = [fact(EventKind.ACCEPTED, begun, attempt_id, ref)]
    kind = CALL_STATUS.get(status)
    if status in ("in-progress", "completed"):
        found.append(fact(EventKind.ANSWERED, at, attempt_id, ref))
        found += detected(str(call.answered_by or ""), at, attempt_id, ref)
    elif kind is EventKind.RINGING:
        found.append(fact(kind, at, attempt_id, ref))
    if kind is EventKind.ENDED:
        disposition, talk_s = ended(status, str(call.answered_by or "")), float(number(call.duration) or 0)
        over = max(at, _aware(call.end_time, at))
        found.append(fact(kind, over, attempt_id, ref, disposition=disposition, talk_s=talk_s))
    return found


def of_message_resource(message: Any, attempt_id: str) -> list[Event]:
    """What a fetched message tells, oldest first."""
    begun = _aware(message.date_created)
    at = max(begun, _aware(message.date_updated, begun))
    found = [fact(EventKind.ACCEPTED, begun, attempt_id, str(message.sid))]
    told = _message(str(message.status), message.error_code, at, attempt_id, str(message.sid))
    return found + [event for event in told if event.kind is not EventKind.ACCEPTED]


def timestamp(text: str | None, now: datetime) -> datetime:
    """RFC 2822; `now` where there is none, or none that can be read.

    Twilio tells whole seconds: of what has just happened our own clock knows better.
    """
    try:
        at = _aware(parsedate_to_datetime(text), now) if text else now
    except (ValueError, OverflowError):  # such as the first day of the year 1, east of Greenwich
        return now
    return now if timedelta(0) <= now - at < FRESH else at


def _aware(at: datetime | None, otherwise: datetime | None = None) -> datetime:
    if at is None:
        return otherwise or datetime(1970, 1, 1, tzinfo=UTC)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
