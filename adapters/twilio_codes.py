"""What Twilio's words and numbers mean here: statuses, SIP codes, error codes. Tables, and nothing of the SDK.

Twilio has some 2,000 error codes; those that a call or a message can come back with stand here, and a test goes through
every one. A code that does not stand here is the infrastructure's: tried again up to three times, told with its number.
Source: twilio.com/docs/api/errors, twilio.com/docs/voice/api/call-resource, twilio.com/docs/messaging/api.
"""

from typing import NamedTuple

from adapters.contract import EventKind


class Limit(NamedTuple):
    """A limit of the account: nothing was sent. `name` is what the operator is told."""

    name: str
    retry_after_s: float | None
    """None: it is about this number alone, the line goes on."""


LIMITS = {
    10004: Limit("calls at once", 5),
    14107: Limit("messages between two numbers in a short time", None),
    20429: Limit("requests at once", 2),
    21611: Limit("messages waiting at the sender", 60),
    63038: Limit("messages a day", 3600),
}
"""Error code → which limit of the account it is, and after how many seconds to ask again where Twilio says nothing."""
ACCOUNT = {
    20003: Limit("credentials, which Twilio refuses", 60),
    20005: Limit("standing: it is not active", 300),
    20008: Limit("credentials: they are for tests", 300),
    10001: Limit("standing: it is not active", 300),
}
"""Error code → what is wrong with the account itself. No attempt's fault: all of them wait until it is mended."""
BUSY = Limit("requests a second", 5)
"""A 429 without a code that stands above."""

UNSUBSCRIBED = frozenset({21610})
"""The person sent STOP, which Twilio took: an opt-out."""

REFUSALS = {
    # The number.
    21211: "invalid_number", 21217: "invalid_number", 21214: "invalid_number", 13223: "invalid_number",
    13226: "invalid_number",
    # A landline, or no way to it for messages.
    21614: "unreachable", 21635: "unreachable", 21612: "unreachable",
    13224: "unreachable",  # a number that is not supported; carriers' outages too
    # The destination is forbidden: by the carrier, by Twilio, or by the person.
    21202: "blocked", 21216: "blocked", 13225: "blocked", 21610: "blocked", 21618: "blocked",
    # The account may not call or write to that country (geo permissions).
    21203: "infrastructure", 21215: "infrastructure", 21408: "infrastructure", 13227: "infrastructure",
    # The account: unknown, on trial.
    20404: "infrastructure", 10002: "infrastructure", 21219: "infrastructure", 21608: "infrastructure",
    # The caller id or the sender.
    21210: "infrastructure", 21212: "infrastructure", 21213: "infrastructure", 21601: "infrastructure",
    21603: "infrastructure", 21606: "infrastructure", 21607: "infrastructure", 21616: "infrastructure",
    21701: "infrastructure", 21703: "infrastructure", 21704: "infrastructure", 21705: "infrastructure",
    # What we ask for: a text that is too long, a hook's address, a parameter.
    20001: "infrastructure", 21201: "infrastructure", 21604: "infrastructure", 21205: "infrastructure",
    21602: "infrastructure", 21605: "infrastructure", 21617: "infrastructure", 21619: "infrastructure",
    21609: "infrastructure", 21626: "infrastructure", 21234: "infrastructure",
}  # fmt: skip
"""Error code → disposition, of a create request that was refused or a call that failed."""

UNDELIVERED = {
    30001: "infrastructure",  # waited too long, or too many waited
    30002: "infrastructure",  # account suspended
    30003: "phone_off",
    30004: "blocked",
    30005: "invalid_number",
    30006: "unreachable",  # landline, or a carrier out of reach
    30007: "blocked",  # filtered by the carrier
    30008: "undelivered",
    30010: "infrastructure",
    30017: "infrastructure",  # carrier congested
    30018: "infrastructure",  # sender not registered
    30022: "infrastructure",  # the campaign's rate
    30023: "infrastructure",  # the campaign's day limit
    30024: "infrastructure",
    30027: "infrastructure",
    30032: "infrastructure",  # toll-free number not verified
    30033: "infrastructure",
    30034: "infrastructure",  # number not registered
    30035: "infrastructure",
    30410: "undelivered",  # the carrier did not answer: it may have come
    30450: "blocked",
    30453: "undelivered",
    30500: "infrastructure",
    63038: "infrastructure",
    21610: "blocked",
}
"""Error code of a message that was taken → disposition; any other: undelivered."""

SIP = {
    404: "invalid_number", 410: "invalid_number", 484: "invalid_number", 604: "invalid_number",
    408: "unreachable", 480: "unreachable", 487: "no_answer",
    486: "busy", 600: "busy", 603: "declined",
    403: "blocked", 607: "blocked", 608: "blocked",
    500: "infrastructure", 502: "infrastructure", 503: "infrastructure", 504: "infrastructure",
}  # fmt: skip
"""SIP code of a call that failed → disposition."""

CALL_STATUS = {
    "queued": EventKind.ACCEPTED,
    "initiated": EventKind.ACCEPTED,
    "ringing": EventKind.RINGING,
    "in-progress": EventKind.ANSWERED,
    "completed": EventKind.ENDED,
    "busy": EventKind.ENDED,
    "no-answer": EventKind.ENDED,
    "failed": EventKind.ENDED,
    "canceled": EventKind.ENDED,
}

MESSAGE_STATUS = {
    "accepted": EventKind.ACCEPTED,
    "scheduled": EventKind.ACCEPTED,
    "queued": EventKind.ACCEPTED,
    "sending": EventKind.ACCEPTED,
    "sent": EventKind.ACCEPTED,
    "delivered": EventKind.DELIVERED,
    "read": EventKind.DELIVERED,
    "partially_delivered": EventKind.DELIVERED,
    "undelivered": EventKind.UNDELIVERED,
    "failed": EventKind.UNDELIVERED,
    "canceled": EventKind.UNDELIVERED,
}

MACHINES = frozenset({"machine_start", "machine_end_beep", "machine_end_silence", "machine_end_other", "fax"})
"""AnsweredBy words that mean nobody listens; `unknown` is nobody's verdict."""
BRIDGED = frozenset({"completed", "answered"})
"""DialCallStatus words that mean an agent took the transferred call."""


def ended(status: str, answered_by: str = "", sip: int | None = None, code: int | None = None) -> str:
    """The disposition of a call that is over. A machine that took it is no person reached."""
    if status == "completed":
        return "machine" if answered_by in MACHINES else "human" if answered_by == "human" else "answered"
    if status == "busy":
        return "declined" if sip == 603 else "busy"
    if status == "failed":
        return SIP.get(sip or 0) or REFUSALS.get(code or 0) or "unreachable"
    return "no_answer"


def undelivered(code: int | None) -> str:
    """The disposition of a message that did not arrive."""
    return UNDELIVERED.get(code or 0, "undelivered")
