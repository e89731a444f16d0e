"""The moments between placements. While a transaction runs nothing else does, and what comes due meanwhile is late."""

import asyncio
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from dialer.clock import Clock

LENGTH = timedelta(milliseconds=8)
"""As long as a small transaction takes, nearly always."""
LEAVING = timedelta(milliseconds=1.5)
"""So long a placement takes from its slot to the provider."""
PATIENCE = timedelta(milliseconds=20)
"""A lull that is further off is not waited for: then placements are so dense that there is none."""


@dataclass(slots=True)
class Lull:
    """When placements go out, and when none does. One per worker."""

    clock: Clock
    _slots: list[datetime] = field(default_factory=list)
    """In order."""

    def expect(self, slots: Iterable[datetime]) -> None:
        """Placements that were claimed, by their instants."""
        ahead = self._slots[bisect_right(self._slots, self.clock.now() - LEAVING) :]
        self._slots = sorted([*ahead, *slots])

    async def wait(self) -> None:
        """Returns when no placement is about to go out: at once, within PATIENCE, or at once where that is too far."""
        now = at = self.clock.now()
        first = bisect_right(self._slots, now - LEAVING)
        for slot in islice(self._slots, first, None):
            if slot - at >= LENGTH:
                break
            at = slot + LEAVING
            if at - now > PATIENCE:
                return
        if at > now:
            # Not by the clock: that may be set back meanwhile, and what is to be written must not wait for it.
            await asyncio.sleep((at - now).total_seconds())
