"""Room on the lines: how many may start, and when. Kept in memory by the only worker, in the database by many."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from campaigns.model import Channel
from dialer.house import House
from dialer.lines import Line, Lines
from dialer.store import Tx, workers
from dialer.store import attempts as attempt_store
from dialer.store.workers import DEAD

Slots = Mapping[tuple[str, Channel], Sequence[datetime]]
"""(line, channel) → the instants at which it may place next."""
ALONE_SHARE, SHARED_SHARE = 0.995, 0.95
"""So much of a line's rate is used by one worker alone, and by several. In any second there are so few slots that those
who use theirs by `LATE` too late do not make it hold more than the rate; who is later takes another slot. One alone
counts each second by itself."""
CATCH_UP = 0.8
"""One that was late is followed no sooner than by so much of the spacing."""
LATE = timedelta(seconds=1 / SHARED_SHARE - 1)
EARLY = timedelta(milliseconds=50)
"""The last look is begun so long before a slot, or the way to the database and back would make everyone late."""
LEAD = timedelta(milliseconds=100)
"""A slot that is taken instead of a late one is so far away at least; twice as far each time."""
RESERVED = timedelta(seconds=5)
"""What a worker that died in between has reserved returns after so long; a claim takes well under a second."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Room that was taken for one claim."""

    slots: Slots
    is_alone: bool = True
    """Nobody else's slot follows the last one."""
    elsewhere: Mapping[str, Decimal] = field(default_factory=dict)
    """line → money that other workers are about to spend."""
    mine: Mapping[str, Decimal] = field(default_factory=dict)
    """line → money that this claim may spend at most; lines that are not named have no such bound."""
    save: Callable[[Tx, Sequence[dict[str, Any]], Slots], None] = lambda tx, rows, used: None
    """To be called at the end of the claim, with the rows of the lines that were used, and the slots that were."""


class Room(Protocol):
    """Where a claim gets its room from."""

    early: timedelta
    """How long before a slot the last look may begin."""

    async def take(self, now: datetime) -> Taken: ...

    async def another(self, name: str, channel: Channel, at: datetime, times: int) -> datetime | None:
        """The slot to be used instead of that one, which has passed: others may place by now. None: it may be used.
        `times`: how often that happened to the same attempt."""

    def report(self, tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
        """Writes how the lines stand."""


@dataclass(slots=True)
class OwnRoom:
    """Of the only worker: what is in memory is what there is; it is saved so that a restart goes on from there."""

    lines: Lines
    early: timedelta = timedelta(milliseconds=5)

    async def another(self, name: str, channel: Channel, at: datetime, times: int) -> datetime | None:
        return None

    async def take(self, now: datetime) -> Taken:
        slots = {
            (line.name, channel): found
            for line in self.lines
            for channel in Channel
            if (found := line.slots(channel, now))
        }
        return Taken(slots, save=lambda tx, rows, used: attempt_store.save_lines(tx, rows))

    def report(self, tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
        attempt_store.save_lines(tx, rows)


@dataclass(slots=True)
class SharedRoom:
    """Of many workers: reserved in a short transaction before the claim, returned in the claim itself."""

    house: House
    lines: Lines
    worker: str
    early: timedelta = EARLY
    is_alone: bool = False

    async def open(self) -> None:
        for line in self.lines:
            line.share, line.turn_share, line.is_counted = SHARED_SHARE, CATCH_UP, True
        await self.house.store.write(lambda tx: workers.add_lines(tx, self.lines.by_name), quick=True)

    async def take(self, now: datetime) -> Taken:
        found = await self.house.store.write(lambda tx: self._reserve(tx, now), quick=True)
        self.is_alone = found.alone
        for name, (elsewhere, paces) in found.standing.items():
            line = self.lines.by_name[name]
            # Below zero where others have heard of the end of calls that we still count.
            line.elsewhere = elsewhere - len(line.running)
            line.next_at.update(paces)
        return Taken(
            found.slots, False, found.elsewhere, found.mine, lambda tx, rows, used: self._use(tx, rows, found, used)
        )

    async def another(self, name: str, channel: Channel, at: datetime, times: int) -> datetime | None:
        if self.is_alone or self.house.clock.now() <= at + LATE:
            return None
        line = self.lines.by_name[name]

        def move(tx: Tx) -> datetime:
            row = workers.lock_lines(tx, [name])[name]
            paces = {Channel.VOICE: row.next_voice_at, Channel.SMS: row.next_sms_at}
            found: datetime = max(paces[channel], self.house.clock.now() + LEAD * 2 ** min(times, 3))
            paces[channel] = found + line.spacing(channel)
            workers.move_paces(tx, [_pace(name, paces)])
            return found

        return await self.house.store.write(move, quick=True)

    def report(self, tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
        workers.report(tx, rows, self.house.clock.now())

    def _reserve(self, tx: Tx, now: datetime) -> "_Reserved":
        rows = workers.lock_lines(tx, self.lines.by_name)
        alone = not workers.others(tx, self.worker, now - DEAD)
        for line in self.lines:
            line.share = ALONE_SHARE if alone else SHARED_SHARE
        workers.expire(tx, self.worker, now)
        # Reservations before what they turn into: in between they may count twice, never not at all.
        held = workers.reserved(tx, self.worker, now)
        live, spent = workers.live(tx), attempt_store.spent(tx, self.house.today(now))
        found = _Reserved({}, {name: money for name, (_, money) in held.items()}, alone)
        for line in self.lines:
            if (held_until := rows[line.name].held_until) is not None and held_until > now:
                # What its provider told another worker is meant for all; which channel, is not written down.
                for channel in Channel:
                    line.hold(channel, held_until, now)
            running = live.get(line.name, 0) + held.get(line.name, (0, Decimal(0)))[0]
            paces = {Channel.VOICE: rows[line.name].next_voice_at, Channel.SMS: rows[line.name].next_sms_at}
            for channel in Channel:
                slots = line.slots(channel, now, max(paces[channel], line.kept(channel, now)), running)
                if slots:
                    found.slots[(line.name, channel)] = slots
                    paces[channel] = slots[-1] + line.spacing(channel)
            found.standing[line.name] = (running, paces)
        left = {name: self._left(self.lines.by_name[name], spent, held) for name in found.standing}
        workers.move_paces(tx, [_pace(name, paces) for name, (_, paces) in sorted(found.standing.items())])
        reservations = found.rows(self.worker, now, self.lines, left)
        workers.reserve(tx, self.worker, reservations)
        found.mine = {one["line"]: one["amount"] for one in reservations if left[one["line"]] is not None}
        return found

    def _left(
        self, line: Line, spent: Mapping[str, Decimal], held: Mapping[str, tuple[int, Decimal]]
    ) -> Decimal | None:
        most = line.settings.spend_max_per_day
        if most is None:
            return None
        return max(most - spent.get(line.name, Decimal(0)) - held.get(line.name, (0, Decimal(0)))[1], Decimal(0))

    def _use(self, tx: Tx, rows: Sequence[dict[str, Any]], found: "_Reserved", used: Slots) -> None:
        workers.use(tx, self.worker, len({name for name, _ in found.slots}), found.unused(used))
        workers.report(tx, rows, self.house.clock.now())


def _pace(name: str, paces: Mapping[Channel, datetime]) -> dict[str, Any]:
    return {"of": name, "voice": paces[Channel.VOICE], "sms": paces[Channel.SMS]}


@dataclass(slots=True)
class _Reserved:
    """What one reservation took."""

    slots: dict[tuple[str, Channel], Sequence[datetime]]
    elsewhere: dict[str, Decimal]
    alone: bool
    standing: dict[str, tuple[int, dict[Channel, datetime]]] = field(default_factory=dict)
    """line → its calls of all workers, and where its paces stand now."""
    mine: dict[str, Decimal] = field(default_factory=dict)
    """line → the money that was reserved, where there is a bound."""

    def rows(
        self, worker: str, now: datetime, lines: Lines, left: Mapping[str, Decimal | None]
    ) -> list[dict[str, Any]]:
        """One a line, as the table has them."""
        found = []
        for name in sorted({name for name, _ in self.slots}):
            line = lines.by_name[name]
            counts = {channel: len(self.slots.get((name, channel), ())) for channel in Channel}
            amount = sum((line.price(channel) * count for channel, count in counts.items()), Decimal(0))
            most = left[name]
            found.append(
                {
                    "worker": worker, "line": name, "calls": counts[Channel.VOICE], "until": now + RESERVED,
                    "amount": amount if most is None else min(amount, most),
                }
            )  # fmt: skip
        return found

    def unused(self, used: Slots) -> dict[str, list[dict[str, Any]]]:
        """channel → from when on each line is free again after what was used, with where its pace was set to."""
        found: dict[str, list[dict[str, Any]]] = {}
        for (name, channel), slots in sorted(self.slots.items()):
            was = self.standing[name][1][channel]
            spacing = was - slots[-1]
            free = max((at + spacing for at in used.get((name, channel), ())), default=slots[0])
            if free < was:
                found.setdefault(channel.value, []).append({"of": name, "was": was, "free": free})
        return found
