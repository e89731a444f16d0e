"""THE main path: take what is due, gate, commit the intent, look once more, place, record.

`tick` reserves room on the lines, at most 250 ms ahead, and runs one short transaction (`dialer.claim`). What it
committed as `placing` is then placed, once: right before it, one more look says whether it still may be.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from adapters.contract import Refused, Unavailable
from campaigns.model import Channel, Outcome
from dialer.asking import CHANNELS
from dialer.attempt import CLAIM_S, PLACE_S, Kind
from dialer.claim import Claim, Claimed, Placement
from dialer.dialogue import Dialogue, Dialogues
from dialer.house import House
from dialer.inbound import Inbox
from dialer.lines import Line, Lines
from dialer.log import log
from dialer.lull import Lull
from dialer.news import News
from dialer.room import Room
from dialer.store import Tx
from dialer.store import attempts as attempt_store
from dialer.store.database import said

LOOK_S = 1.0
"""Seconds that the last look is good for: a host that slept since has to look again."""
REMEMBERED = timedelta(minutes=5)
"""How long a claim's instant is known: well beyond its lease."""
PAUSES_S = (0, 1, 5, 20)
"""Before each try to record what became of a placement."""
CLOCK_WAIT = timedelta(seconds=1)
"""While the clock is off, so long until the next look at it."""
BLIND_S = 5.0
"""Seconds without a claim after a last look that failed or was slow: all would be claimed and withdrawn on and on."""


@dataclass(slots=True)
class Dialer:
    """Places what is due. One per worker; `tick` is never run twice at once."""

    house: House
    lines: Lines
    room: Room
    inbox: Inbox
    dialogues: Dialogues
    worker: str
    lull: Lull
    placed: Callable[[int], None] = field(default=lambda placement_id: None)
    """As the worker's."""
    last_placed_at: datetime | None = None
    _clock_off: bool = False
    _blind_until_s: float = 0.0
    """No claims until then, by the event loop's clock."""
    _placing: set["asyncio.Task[None]"] = field(default_factory=set)
    _handed: set[tuple[int, datetime]] = field(default_factory=set)
    """Claims (attempt id, claimed_at) whose order the adapter has, or may have: until what came of it is durable."""
    _ticks: dict[datetime, None] = field(default_factory=dict)
    """When this worker claimed, oldest first."""
    _given_up: set[tuple[int, datetime]] = field(default_factory=set)
    """Claims (attempt id, claimed_at) that must not be handed over any more."""

    @property
    def is_blind(self) -> bool:
        """Whether nothing is claimed, since what was could not be looked at just now."""
        return asyncio.get_running_loop().time() < self._blind_until_s

    async def tick(self) -> Claimed:
        """One bounded round: claims what there is room for and starts placing it. Returns what it claimed."""
        now = self.house.clock.now()
        if self._stands_still() or self.is_blind:
            return Claimed(next_due_at=now + CLOCK_WAIT)
        taken = await self.room.take(now)
        self._remember(now)
        claimed = await self.house.store.write(
            lambda tx: Claim(tx, self.house, self.lines, taken, self.worker, now).run(), quick=True
        )
        if claimed.last_placement_id:
            self.placed(claimed.last_placement_id)
        for placement in claimed.placements:
            line = self.lines.by_name[placement.order.line]
            line.took(CHANNELS[placement.order.channel], placement.attempt_id, placement.at)
            if placement.script is not None:
                self.dialogues.begin(
                    placement.attempt_id,
                    Dialogue(
                        placement.script, placement.values, voicemail=placement.voicemail, notice=placement.notice
                    ),
                )
        if claimed.placements:
            self.lull.expect(placement.at for placement in claimed.placements)
            self._start(self._place_in_turn(claimed.placements))
        return claimed

    def _remember(self, now: datetime) -> None:
        """What is claimed now is known as ours by its instant, even where nobody knows whether it was committed."""
        self._ticks[now] = None
        while (oldest := next(iter(self._ticks))) < now - REMEMBERED:
            del self._ticks[oldest]

    def _stands_still(self) -> bool:
        """Whether the clock is off: by it nothing is judged. Said once."""
        was_off, self._clock_off = self._clock_off, self.house.is_clock_off()
        if self._clock_off and not was_off:
            off_s = round(self.house.clock.off_s(), 1)
            log.error("clock_off", off_s=off_s, hint="nothing is dialed until it has been right for a minute")
        return self._clock_off

    def give_up(self, attempt_id: int, claimed_at: datetime) -> bool:
        """Sees to it that this claim of ours is never handed over. False: it was, or may have been, or it is not ours:
        what was taken over from another worker may have been sent."""
        if claimed_at not in self._ticks or (attempt_id, claimed_at) in self._handed:
            return False
        self._given_up.add((attempt_id, claimed_at))
        return True

    async def drain(self) -> None:
        """Waits until everything claimed was handed over and recorded."""
        while self._placing:
            await asyncio.wait(self._placing)

    async def _place_in_turn(self, placements: Sequence[Placement]) -> None:
        """Each at its own instant, after the last look."""
        waiting = sorted(placements, key=lambda placement: placement.at)
        while waiting:
            await self.house.clock.sleep_until(waiting[0].at - self.room.early)
            now = self.house.clock.now()
            ready = [placement for placement in waiting if placement.at - self.room.early <= now]
            waiting = waiting[len(ready) :]
            stopped = await self._last_look(ready)
            for placement in ready:
                if why := stopped[placement.attempt_id]:
                    self._start(self._withdraw(placement, why))
                else:
                    self._start(self._place(placement, now))

    async def _last_look(self, ready: Sequence[Placement]) -> dict[int, str]:
        """attempt id → why it must not be placed after all; empty: it may. Where the database can't say, none may."""
        claims = {placement.attempt_id: placement.claimed_at for placement in ready}
        asked_at = self.house.clock.now()

        def look(tx: Tx) -> dict[int, str]:
            return attempt_store.last_look(tx, claims, self.worker)

        try:
            found = await self.house.store.look(look)
        except Exception as error:  # noqa: BLE001 - whatever keeps it from being looked at: nothing was sent
            if self._go_blind():
                log.error("not_looked", attempts=len(claims), error=said(error), hint="all go back to the plan")
            return dict.fromkeys(claims, "not_looked")
        for placement in ready:
            key = placement.attempt_id
            found[key] = found[key] or self._too_late(placement, asked_at)
        late = sum(why == "looked_long_ago" for why in found.values())
        if late and self._go_blind():
            log.warning("looked_late", attempts=late, hint="all go back to the plan; nothing is claimed for 5 s")
        return found

    def _go_blind(self) -> bool:
        """Whether it was not so yet. Said only then, not for each: what is claimed ahead is looked at one by one."""
        was_blind = self.is_blind
        self._blind_until_s = asyncio.get_running_loop().time() + BLIND_S
        return not was_blind

    def _too_late(self, placement: Placement, looked_at: datetime) -> str:
        """Why time itself stands against placing; empty: it does not."""
        now = self.house.clock.now()
        if now > placement.valid_until:
            return "window_closed"
        if self.house.is_clock_off():
            return "clock"
        if (now - placement.claimed_at).total_seconds() > CLAIM_S:
            return "claimed_long_ago"
        return "" if abs((now - looked_at).total_seconds()) <= LOOK_S else "looked_long_ago"

    async def _place(self, placement: Placement, looked_at: datetime) -> None:
        """The one call of `adapter.place`: what is not proved unsent is never placed again."""
        line, channel = self.lines.by_name[placement.order.line], CHANNELS[placement.order.channel]
        key, claim, retry_after_s = placement.attempt_id, placement.claimed_at, None
        looked_at, why = await self._in_its_slot(placement, looked_at, line, channel)
        if why := "gone" if (key, claim) in self._given_up else why or self._too_late(placement, looked_at):
            await self._withdraw(placement, why)
            return
        # From here on nobody may believe that it was not sent.
        self._handed.add((key, claim))
        at = self.house.clock.now()
        line.last_placed_at = self.last_placed_at = at
        try:
            async with asyncio.timeout(PLACE_S):
                receipt = await line.adapter.place(placement.order)
        except Unavailable as error:
            retry_after_s = error.retry_after_s
            news = News(Kind.UNAVAILABLE, at, key, why=str(error), retry_after_s=retry_after_s, claim=claim)
        except Refused as error:
            said = Outcome.OPTED_OUT if error.opted_out else None
            news = News(Kind.REFUSED, at, key, disposition=error.disposition, code=error.code, said=said)
        except Exception as error:  # noqa: BLE001 - Uncertain, the time-out, and what an adapter should not raise
            news = News(Kind.UNCERTAIN, at, key, why=f"{type(error).__name__}: {error}")
            log.warning("placement_uncertain", attempt_id=key, line=line.name, error=type(error).__name__)
        else:
            final = channel == Channel.SMS and not line.spec.receipts
            news = News(Kind.SENT if final else Kind.ACCEPTED, at, key, ref=receipt.ref)
            line.sent(channel, receipt.sent_at or at)
        if retry_after_s is not None:
            self._hold(line, channel, retry_after_s, news.why)
        if await self._record(news):
            self._handed.discard((key, claim))

    async def _in_its_slot(
        self, placement: Placement, looked_at: datetime, line: Line, channel: Channel
    ) -> tuple[datetime, str]:
        """Waits until it may be placed; one that is late among many workers takes another slot, and looks again.
        Returns the last look's instant, and what that said."""
        slot, times = placement.at, 0
        while (another := await self._wait_for(slot, line, channel, times)) is not None:
            slot, times = another, times + 1
            await self.house.clock.sleep_until(slot - self.room.early)
            looked_at = self.house.clock.now()
            if why := (await self._last_look([placement]))[placement.attempt_id]:
                return looked_at, why
        return looked_at, ""

    async def _wait_for(self, slot: datetime, line: Line, channel: Channel, times: int) -> datetime | None:
        """Until its turn comes. Returns the slot that was taken instead, where this one has passed."""
        clock = self.house.clock
        await clock.sleep_until(slot)
        await clock.sleep_until(line.turn(channel, clock.now()))
        while (another := await self.room.another(line.name, channel, slot, times)) is None:
            full_until = line.handed(channel, clock.now())
            if full_until is None:
                return None
            await clock.sleep_until(full_until)
        return another

    def _hold(self, line: Line, channel: Channel, seconds: float, why: str) -> None:
        """The provider wants to be left alone for a while. Said when it begins, not for each that was on its way."""
        now = self.house.clock.now()
        if line.hold(channel, now + timedelta(seconds=seconds), now):
            log.warning("line_held", line=line.name, channel=channel.value, seconds=seconds, why=why)

    async def _withdraw(self, placement: Placement, why: str) -> None:
        key, claim = placement.attempt_id, placement.claimed_at
        if why != "gone":
            await self._record(News(Kind.WITHDRAWN, self.house.clock.now(), key, why=why, claim=claim))
        self._given_up.discard((key, claim))
        self.dialogues.end(key)

    async def _record(self, news: News) -> bool:
        """Whether it is durable. If it is not: no reason to place again; the lease runs out and the attempt is lost."""
        why = ""
        for pause_s in PAUSES_S:
            if pause_s:
                await asyncio.sleep(pause_s)
            try:
                await self.inbox.take([news])
                return True
            except Exception as error:  # noqa: BLE001 - logged at the end; reconciliation settles it
                why = said(error)
        # Once for each: with a database that is away there may be thousands of them.
        log.error("not_recorded", attempt_id=news.attempt_id, kind=news.kind, error=why)
        return False

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._placing.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._placing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # The claims of this group stay `placing`; their leases expire and `find` tells what became of them.
            log.error("placing_failed", error=said(error))
