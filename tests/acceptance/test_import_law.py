"""`dialer import contacts` and `agreements`: what is kept, that again changes nothing, and every bad cell told."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from dialer import intake
from dialer.errors import InvalidInput
from tests.acceptance.test_import import Desk

CONTACTS = "person_id,account_id,phone,channel,at,event,direction,by\n"
AGREEMENTS = "person_id,kind,given_on,until\n"


@pytest.fixture
async def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    await desk.start()
    return desk


async def test_contacts_are_kept_once_and_touch_no_plan(desk: Desk) -> None:
    rows = (
        "P-1,L-1,13800138001,voice,2026-01-09T10:00+08:00,conversation,,\n"
        "P-1,,,letter,2026-01-08T12:00+08:00,notice,outbound,creditor\n"
        "P-9,,,visit,2026-01-08T12:00Z,placed,,agents\n"
    )
    report = await desk.load("contacts", CONTACTS + rows)
    assert (report.new, report.unchanged, report.rejected) == (3, 0, 0)
    assert report.notices == ["1 row: the person is in no accounts file yet: kept, and counted once they are"]
    assert desk.touches == []
    report = await desk.load("contacts", CONTACTS + rows + rows)
    assert (report.new, report.unchanged) == (0, 6)
    found = desk.rows("select person_id, account_id, phone, channel, event, direction, by from contacts order by 1, 4")
    assert found == [
        ("P-1", "", "", "letter", "notice", "outbound", "creditor"),
        ("P-1", "L-1", "+8613800138001", "voice", "conversation", "outbound", "creditor"),
        ("P-9", "", "", "visit", "placed", "outbound", "agents"),
    ]
    (at,) = desk.rows("select at from contacts where event = 'conversation'")[0]
    assert at == int(datetime(2026, 1, 9, 2, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize("how", [{}, {"dry_run": True}])
async def test_a_contact_that_lies_ahead_is_told(desk: Desk, how: dict[str, bool]) -> None:
    """With its year mistyped no cap would count it now, and nobody would know."""
    rows = "P-1,,,letter,2027-01-08T12:00Z,notice,,\nP-1,,,letter,2026-01-08T12:00Z,notice,,\n"
    report = await desk.load("contacts", CONTACTS + rows, **how)
    assert (report.new, report.notices) == (2, [f"1 row: {intake.CONTACT_AHEAD}"])


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (",,,voice,2026-01-09T10:00Z,placed,,", "person_id: is empty; accepted: up to 64 characters"),
        ("P-1,,,fax,2026-01-09T10:00Z,placed,,", "channel: is not known; accepted: voice, sms, letter, visit"),
        (
            "P-1,,,voice,2026-01-09T10:00,placed,,",
            "at: has no offset from UTC; accepted: date and time with the offset,",
        ),
        ("P-1,,,voice,2026-01-09,placed,,", "at: has no offset from UTC; accepted: date and time with the offset,"),
        ("P-1,,,voice,yesterday,placed,,", "at: is no instant; accepted: date and time with the offset,"),
        ("P-1,,,voice,2026-01-09T10:00Z,dialed,,", "event: is not known; accepted: placed, network_fail, rang_out"),
        ("P-1,,,voice,2026-01-09T10:00Z,,,", "event: is empty; accepted: placed, network_fail, rang_out"),
        (
            "P-1,,,voice,2026-01-09T10:00Z,placed,sideways,",
            'direction: "sideways" is not known; accepted: outbound, inbound',
        ),
        ("P-1,,,voice,2026-01-09T10:00Z,placed,,us", 'by: "us" is not known; accepted: creditor, agents'),
        ("P-1,,123,voice,2026-01-09T10:00Z,placed,,", "phone: a phone number that cannot exist; accepted: E.164"),
    ],
)
async def test_a_bad_contact_is_told_and_nothing_is_changed(desk: Desk, row: str, fault: str) -> None:
    with pytest.raises(InvalidInput) as error:
        await desk.load("contacts", f"{CONTACTS}{row}\n", strict=True)
    (told,) = map(str, error.value.faults)
    assert told.partition("contacts.csv:2: ")[2].startswith(fault), told
    assert desk.rows("select count(*) from contacts") == [(0,)]


async def test_an_agreement_may_end_and_is_one_by_person_kind_and_day(desk: Desk) -> None:
    assert (await desk.load("agreements", AGREEMENTS + "P-1,agreed_hours,2026-01-01,\n")).new == 1
    assert (await desk.load("agreements", AGREEMENTS + "P-1,agreed_hours,2026-01-01,\n")).unchanged == 1
    report = await desk.load("agreements", AGREEMENTS + "P-1,agreed_hours,2026-01-01,2026-02-01\n")
    assert (report.new, report.changed) == (0, 1)
    assert desk.rows("select person_id, kind, given_on, until from agreements") == [
        ("P-1", "agreed_hours", date(2026, 1, 1).isoformat(), date(2026, 2, 1).isoformat())
    ]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("P-1,agreed_everything,2026-01-01,", "kind: is not known; accepted: direct_prior_consent, agreed_frequency"),
        ("P-1,agreed_hours,,", "given_on: is empty; accepted: a day as YYYY-MM-DD"),
        ("P-1,agreed_hours,2026-01-01,2026-13-01", 'until: "2026-13-01" is no date; accepted: a day as YYYY-MM-DD'),
        (
            "P-1,agreed_hours,2026-01-10,2026-01-09",
            "until: lies before given_on; accepted: that day or later, or empty",
        ),
    ],
)
async def test_a_bad_agreement_is_told(desk: Desk, row: str, fault: str) -> None:
    with pytest.raises(InvalidInput) as error:
        await desk.load("agreements", f"{AGREEMENTS}{row}\n", strict=True)
    (told,) = map(str, error.value.faults)
    assert told.partition("agreements.csv:2: ")[2].startswith(fault), told
