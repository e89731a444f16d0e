"""The duty of one worker among many: it leaves who hangs, whose connection stays as it is."""

from datetime import UTC, datetime, timedelta

import pytest

from dialer.store.addresses import driver_url
from dialer.store.database import DBAPIError
from dialer.store.duty import SILENCE
from dialer.store.postgres import Attendance


async def test_who_has_the_duty_and_shows_no_life_loses_it_with_its_connection(postgres_url: str) -> None:
    url, now = driver_url(postgres_url), datetime.now(UTC)
    one = await Attendance.open(url, lambda: None, "one")
    other = await Attendance.open(url, lambda: None, "other")
    try:
        await one.beat("one", now, now)
        assert await one.take_duty()
        assert not await other.take_duty()
        assert not await other.end_silent(), "it lives"
        await one.beat("one", now, datetime.now(UTC) - SILENCE - timedelta(seconds=1))
        assert await other.end_silent()
        assert await other.take_duty()
        with pytest.raises(DBAPIError):
            await one.beat("one", now, datetime.now(UTC))
    finally:
        one.end()
        await other.close()
