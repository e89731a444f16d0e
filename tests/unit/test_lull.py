"""The moments between placements: a small transaction begins where nothing is about to go out."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from dialer.clock import VirtualClock, run_virtual
from dialer.lull import LEAVING, PATIENCE, Lull

START = datetime(2026, 1, 14, 1, 0, tzinfo=UTC)
LEFT_MS = LEAVING / timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("slots_ms", "waits_ms"),
    [
        ([], 0),
        ([-5, -2], 0),
        ([-1], LEFT_MS - 1),
        ([8], 0),
        ([3], 3 + LEFT_MS),
        ([3, 20], 3 + LEFT_MS),
        ([3, 9, 40], 9 + LEFT_MS),
        (range(1, 200), 0),
        ([5, 10, 15, 20, 25, 30], 0),
    ],
    ids=[
        "nothing",
        "long gone",
        "leaving",
        "far enough",
        "near",
        "a gap after it",
        "the gap after two",
        "dense",
        "far",
    ],
)
def test_what_is_about_to_go_out_goes_first(slots_ms: list[float], waits_ms: float) -> None:
    async def act(clock: VirtualClock) -> timedelta:
        lull = Lull(clock)
        lull.expect(START + timedelta(milliseconds=ms) for ms in slots_ms)
        await lull.wait()
        return clock.now() - START

    waited = run_virtual(START, act)
    assert abs(waited - timedelta(milliseconds=waits_ms)) < timedelta(milliseconds=0.1)
    assert waited <= PATIENCE


def test_slots_of_several_claims_are_one_row_and_old_ones_are_forgotten() -> None:
    async def act(clock: VirtualClock) -> list[float]:
        lull, found = Lull(clock), []
        for minute in range(3):
            begins = START + timedelta(minutes=minute)
            await clock.sleep_until(begins)
            lull.expect([begins + timedelta(milliseconds=6)])
            lull.expect([begins + timedelta(milliseconds=2)])
            before = clock.now()
            await lull.wait()
            found.append((clock.now() - before) / timedelta(milliseconds=1))
        assert len(lull._slots) <= 2
        return found

    assert run_virtual(START, act) == pytest.approx([6 + LEFT_MS] * 3, abs=0.1)


def test_a_clock_that_is_set_back_meanwhile_holds_nothing_up() -> None:
    class SetBack:
        """A clock that an hour is taken from."""

        def __init__(self, clock: VirtualClock) -> None:
            self.clock, self.shift = clock, timedelta(0)

        def now(self) -> datetime:
            return self.clock.now() + self.shift

        def off_s(self) -> float:
            return 0.0

        async def sleep_until(self, at: datetime) -> None:
            await self.clock.sleep_until(at - self.shift)
            while self.now() < at:  # as the machine's does
                await self.clock.sleep_until(at - self.shift)

    async def act(clock: VirtualClock) -> timedelta:
        moved = SetBack(clock)
        lull = Lull(moved)
        lull.expect([START + timedelta(milliseconds=5)])
        waiting = asyncio.ensure_future(lull.wait())
        await asyncio.sleep(0.001)
        moved.shift = -timedelta(hours=1)
        await waiting
        return clock.now() - START

    assert run_virtual(START, act) <= PATIENCE
