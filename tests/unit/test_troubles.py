"""What fails again and again, as the log tells it: once, then once a minute; a database that is away, and back."""

import asyncio
import io
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError, OperationalError
from structlog.testing import capture_logs

from dialer import daemon
from dialer import log as logs
from dialer.store.database import said
from dialer.troubles import Troubles
from dialer.worker import Worker

AWAY = OperationalError("SELECT 1", None, ConnectionRefusedError(111, "Connect call failed"))
ODD = DBAPIError("SELECT secret", None, Exception("relation does not exist"))


class Clock:
    """Stands until it is moved."""

    at = datetime(2026, 1, 14, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_database_that_is_away_is_told_once_for_all_then_once_a_minute_and_when_it_is_back(clock: Any) -> None:
    troubles = Troubles(clock, "w-1")
    with capture_logs() as told:
        for _ in range(90):
            assert not troubles.is_news("dialing", AWAY)
            assert not troubles.is_news("reconciling", AWAY)
            assert not troubles.is_news("bell", AWAY, lasts=False)
            clock.move(1)
        troubles.works("dialing")
        assert troubles.is_away, "one of them has not got it back"
        troubles.works("reconciling")
        troubles.works("reconciling")
        assert not troubles.is_away
    assert [(row["event"], row.get("for_s"), row.get("after_s")) for row in told] == [
        ("database_lost", 0.0, None), ("database_lost", 60.0, None), ("database_back", None, 90.0),
    ]  # fmt: skip
    assert told[0]["error"] == "OperationalError: [Errno 111] Connect call failed"


def test_any_other_error_is_news_once_a_minute_for_each_who_has_it(clock: Any) -> None:
    troubles = Troubles(clock, "w-1")
    found = []
    for _ in range(61):
        found += [troubles.is_news("dialing", ODD), troubles.is_news("bell", ODD)]
        clock.move(1)
    assert [n for n, news in enumerate(found) if news] == [0, 1, 120, 121]
    assert troubles.is_news("dialing", ValueError("another one"))
    assert not troubles.is_away


def test_no_statement_and_no_link_gets_into_the_log() -> None:
    assert said(ODD) == "DBAPIError: relation does not exist"
    assert said(TimeoutError()) == "TimeoutError"
    for error in (ODD, AWAY, OperationalError("SELECT secret", {"a": 1}, Exception("database is locked"))):
        stream = io.StringIO()
        logs.set_up("info", "json", stream)
        logs.log.error("hook_failed", error=f"{type(error).__name__}: {error}")
        text = json.loads(stream.getvalue())["error"]
        assert str(error.orig) in text
        assert not {"SELECT", "sqlalche.me", "\n"} & {word for word in ("SELECT", "sqlalche.me", "\n") if word in text}


def test_who_leaves_does_not_keep_the_database_away(clock: Any) -> None:
    """A loop that ended while it was away says nothing any more: what is stopped must not be given up for it."""
    troubles = Troubles(clock, "w-1")
    assert not troubles.is_news("dialing", AWAY)
    assert not troubles.is_news("signs of life", AWAY)
    troubles.leaves("dialing")
    troubles.works("signs of life")
    assert not troubles.is_away


def test_a_bell_alone_says_once_a_minute_that_it_is_away(clock: Any) -> None:
    troubles = Troubles(clock, "w-1")
    with capture_logs() as told:
        for _ in range(90):
            assert not troubles.is_news("bell", AWAY, lasts=False)
            troubles.works("dialing")
            clock.move(1)
    assert [row["event"] for row in told] == ["database_lost", "database_lost"]


def test_a_bell_that_is_stopped_while_it_rings_is_no_fault(clock: Any) -> None:
    async def act() -> None:
        worker: Any = SimpleNamespace(troubles=Troubles(clock, "w-1"))
        ringing = asyncio.create_task(daemon._guarded(worker, asyncio.Event().wait)())
        await asyncio.sleep(0)
        ringing.cancel()
        await ringing

    with capture_logs() as told:
        asyncio.run(act())
    assert told == []


def test_what_an_adapter_fails_at_is_said_once_a_minute(clock: Any) -> None:
    async def fails() -> None:
        raise ODD

    async def act() -> None:
        worker: Any = SimpleNamespace(troubles=Troubles(clock, "w-1"), _tasks=set())
        for seconds in (0, 30, 30):
            clock.move(seconds)
            work = asyncio.create_task(fails())
            await asyncio.wait([work])
            Worker._done(worker, work)

    with capture_logs() as told:
        asyncio.run(act())
    assert [row["event"] for row in told] == ["adapter_work_failed"] * 2
