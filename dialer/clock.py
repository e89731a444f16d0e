"""The one source of time. Nothing else in the project reads a clock (a style test holds that)."""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Clock(Protocol):
    """Aware instants in UTC, and sleeping on the same clock."""

    def now(self) -> datetime: ...

    def off_s(self) -> float:
        """By how many seconds the clock is known to be wrong, or was set lately: beyond 2 s nothing is dialed."""

    async def sleep_until(self, at: datetime) -> None:
        """Returns at once when `at` is past."""


STEP_S = 0.1
"""Less is a clock being slewed, not set."""
STEADY_S = 60.0
"""So long after the wall clock was set it is not trusted: who corrects it may do so in several steps."""


class Steps:
    """Sees when a wall clock is set, against a steady one; both in seconds."""

    def __init__(self, wall_s: float, steady_s: float) -> None:
        self._ahead_s = wall_s - steady_s
        self._set_at_s, self._set_by_s = steady_s - STEADY_S, 0.0

    def off_s(self, wall_s: float, steady_s: float) -> float:
        """How far the wall clock was set in the last minute; 0 if it was not, or by less than a tenth of a second."""
        step_s = wall_s - steady_s - self._ahead_s
        if abs(step_s) > STEP_S:
            self._ahead_s += step_s
            self._set_at_s, self._set_by_s = steady_s, abs(step_s)
        return self._set_by_s if steady_s - self._set_at_s < STEADY_S else 0.0


class SystemClock:
    """The machine's clock. It cannot know the true time; it sees when the wall clock is set, against the steady one."""

    def __init__(self) -> None:
        self._steps = Steps(time.time(), time.monotonic())

    def now(self) -> datetime:
        return datetime.now(UTC)

    def off_s(self) -> float:
        """As `Steps.off_s`."""
        return self._steps.off_s(time.time(), time.monotonic())

    async def sleep_until(self, at: datetime) -> None:
        # A long sleep is cut, so that a jump of the wall clock is noticed within a second.
        while (left := (at - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 - nothing else happens to wait for
            await asyncio.sleep(min(left, 1.0))


class DisciplinedClock(SystemClock):
    """The machine's clock as the database's clock corrects it, so that many workers judge by the same time.

    One that is off by more than `OFF_MAX_S` seconds is said to be off, too: nothing is dialed by it.
    """

    OFF_MAX_S = 2.0

    def __init__(self) -> None:
        super().__init__()
        self._behind = timedelta()

    def bare(self) -> datetime:
        """Uncorrected."""
        return super().now()

    def now(self) -> datetime:
        return super().now() + self._behind

    def discipline(self, behind: timedelta) -> None:
        """`behind`: how far the database's clock was found to be ahead of this machine's."""
        self._behind = behind

    def off_s(self) -> float:
        """As `Clock.off_s`."""
        behind_s = abs(self._behind.total_seconds())
        return max(super().off_s(), behind_s if behind_s > self.OFF_MAX_S else 0.0)


class VirtualClock:
    """Time that passes only when every task waits: the loop's own, counted from `start`."""

    def __init__(self, start: datetime, loop: "VirtualLoop") -> None:
        self._start = start.astimezone(UTC)
        self._loop = loop
        self.is_off_s = 0.0
        """What `off_s` says: tests set it."""

    def off_s(self) -> float:
        return self.is_off_s

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._loop.time())

    async def sleep_until(self, at: datetime) -> None:
        if at <= self.now():
            return
        done = self.timer(at)
        try:
            await done
        finally:
            done.cancel()

    def timer(self, at: datetime) -> "asyncio.Future[None]":
        """Done at that instant, unless it is cancelled before."""
        done: asyncio.Future[None] = self._loop.create_future()
        # One microsecond more: the loop counts in floats and must not wake before `at`.
        handle = self._loop.call_at((at - self._start).total_seconds() + 1e-6, _wake, done)
        done.add_done_callback(lambda _: handle.cancel())
        return done


class _NoWaiting(selectors.DefaultSelector):
    """Where the loop would wait, virtual time jumps to the next timer instead."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise RuntimeError("every task waits and no timer is set: the simulation would never end")
        self.loop.advance(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time. Work in threads does not hold it up: use none (an inline store)."""

    def __init__(self) -> None:
        self._virtual_s = 0.0
        selector = _NoWaiting()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self._virtual_s

    def advance(self, seconds: float) -> None:
        self._virtual_s += max(seconds, 1e-6)


def run_virtual(start: datetime, work: Callable[[VirtualClock], Coroutine[Any, Any, T]]) -> T:
    """Runs `work(clock)` to its end on a virtual clock that begins at `start`."""
    loop = VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(work(VirtualClock(start, loop)))


def _wake(done: "asyncio.Future[None]") -> None:
    if not done.done():
        done.set_result(None)
