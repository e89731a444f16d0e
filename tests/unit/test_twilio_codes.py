"""Twilio's numbers and words: every code that the tables name, and what becomes of those that they do not."""

from typing import get_args

import pytest

from adapters import twilio_codes as codes
from adapters.contract import EventKind, Refused, Unavailable, Uncertain
from adapters.twilio_http import Rejected, failure
from campaigns.model import Disposition

WORDS = {word.value for word in Disposition}
CALL_WORDS = ("queued", "initiated", "ringing", "in-progress", "completed", "busy", "no-answer", "failed", "canceled")
MESSAGE_WORDS = (
    "accepted", "scheduled", "queued", "sending", "sent", "delivered", "undelivered", "failed", "read", "canceled",
    "partially_delivered",
)  # fmt: skip


@pytest.mark.parametrize(("code", "disposition"), codes.REFUSALS.items())
def test_a_refusal_ends_the_attempt_as_its_code_says(code: int, disposition: str) -> None:
    found = failure(Rejected(400, code, None))
    assert isinstance(found, Refused)
    assert (found.disposition, found.code) == (disposition, str(code))
    assert disposition in WORDS
    assert found.opted_out == (code == 21610)


@pytest.mark.parametrize("code", codes.LIMITS)
@pytest.mark.parametrize("status", [400, 429])
def test_a_limit_of_the_account_is_named_and_waited_for(code: int, status: int) -> None:
    found = failure(Rejected(status, code, None))
    assert isinstance(found, Unavailable)
    assert str(found) == f"the account's limit on {codes.LIMITS[code].name} ({code})"
    assert found.retry_after_s == codes.LIMITS[code].retry_after_s
    asked = failure(Rejected(status, code, 7.5))
    assert isinstance(asked, Unavailable)
    assert asked.retry_after_s == 7.5, "what Twilio asks for comes first"


@pytest.mark.parametrize("code", [None, 99999])
def test_too_many_requests_were_not_sent(code: int | None) -> None:
    found = failure(Rejected(429, code, None))
    assert isinstance(found, Unavailable)
    assert found.retry_after_s == codes.BUSY.retry_after_s


@pytest.mark.parametrize(("code", "about"), [(20003, "credentials"), (20005, "not active"), (10001, "not active")])
@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_fault_of_the_account_is_no_attempt_s(code: int, about: str, status: int) -> None:
    found = failure(Rejected(status, code, None))
    assert isinstance(found, Unavailable)
    assert about in str(found)
    assert found.retry_after_s is not None
    assert found.retry_after_s >= 60


@pytest.mark.parametrize("status", [401, 403, 404, 400])
@pytest.mark.parametrize("code", [20404, 99999])
def test_an_unknown_refusal_is_the_infrastructure_s_with_its_number(status: int, code: int) -> None:
    found = failure(Rejected(status, code, None))
    assert isinstance(found, Refused)
    assert (found.disposition, found.code) == ("infrastructure", str(code))


@pytest.mark.parametrize(
    ("codes_of", "disposition"),
    [
        ({21211, 21214, 21217, 13223, 13226}, "invalid_number"),
        ({21612, 21614, 21635, 13224}, "unreachable"),
        ({21202, 21216, 21610, 21618, 13225}, "blocked"),
        ({20404, 21203, 21210, 21215, 21408, 21606, 21608, 21617, 13227}, "infrastructure"),
    ],
)
def test_what_codes_mean_as_the_documentation_has_them(codes_of: set[int], disposition: str) -> None:
    assert {codes.REFUSALS[code] for code in codes_of} == {disposition}


@pytest.mark.parametrize("status", [301, 400, 401, 404, 408, 425, 499, 500, 502, 503, 504])
def test_what_may_have_been_taken_is_uncertain(status: int) -> None:
    """Without a code of Twilio's nobody knows who answered."""
    assert isinstance(failure(Rejected(status, None, 3)), Uncertain)


@pytest.mark.parametrize("code", codes.UNDELIVERED)
def test_an_undelivered_message_has_a_disposition(code: int) -> None:
    assert codes.undelivered(code) == codes.UNDELIVERED[code] in WORDS


@pytest.mark.parametrize("code", [None, 0, 12345])
def test_a_code_that_is_not_known_is_undelivered(code: int | None) -> None:
    assert codes.undelivered(code) == "undelivered"


def test_every_status_of_the_documentation_is_an_event() -> None:
    assert set(codes.CALL_STATUS) == set(CALL_WORDS)
    assert set(codes.MESSAGE_STATUS) == set(MESSAGE_WORDS)
    assert set(codes.CALL_STATUS.values()) | set(codes.MESSAGE_STATUS.values()) <= set(EventKind)


@pytest.mark.parametrize(("sip", "disposition"), codes.SIP.items())
def test_a_failed_call_ends_as_its_sip_code_says(sip: int, disposition: str) -> None:
    assert codes.ended("failed", sip=sip) == disposition in WORDS


@pytest.mark.parametrize(
    ("status", "more", "disposition"),
    [
        ("completed", {}, "answered"),
        ("completed", {"answered_by": "human"}, "human"),
        ("completed", {"answered_by": "unknown"}, "answered"),
        *[("completed", {"answered_by": word}, "machine") for word in sorted(codes.MACHINES)],
        ("busy", {"sip": 486}, "busy"),
        ("busy", {"sip": 603}, "declined"),
        ("no-answer", {}, "no_answer"),
        ("canceled", {}, "no_answer"),
        ("failed", {"code": 13224}, "unreachable"),
        ("failed", {"code": 13223}, "invalid_number"),
        ("failed", {"code": 13225}, "blocked"),
        ("failed", {}, "unreachable"),
    ],
)
def test_how_a_call_ended(status: str, more: dict[str, object], disposition: str) -> None:
    assert codes.ended(status, **more) == disposition  # type: ignore[arg-type]


def test_the_channels_of_the_contract_are_those_of_the_adapter() -> None:
    from adapters.contract import ChannelName
    from adapters.twilio import ADAPTER

    assert ADAPTER.channels == set(get_args(ChannelName))
