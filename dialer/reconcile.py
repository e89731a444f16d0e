"""Lost attempts: ask the adapter, settle; never redial.

A running attempt whose `check_at` has come is looked at: silent too long, it is lost; lost, its provider is asked,
with back-off, until it answers or the deadline settles it as unknown. What a dead worker left running is asked
about at once.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from adapters.contract import Event, Order, Unavailable
from campaigns.model import Channel
from dialer import settle
from dialer.attempt import PLACING, Kind, State
from dialer.dial import Dialer
from dialer.house import House
from dialer.inbound import Inbox, ingest
from dialer.lines import Line, Lines
from dialer.log import log
from dialer.news import News, of_event
from dialer.store import Tx, workers
from dialer.store import attempts as attempt_store
from dialer.store import running as running_store
from dialer.store.database import is_away, said

LOOKED_MAX = 200
BACK_OFF_MAX_S = 300.0
OTHERS_SINCE = timedelta(hours=1)
"""How long before its claim other attempts to the number are looked for, so that their calls are not taken for it."""
ASK_S = 10.0
"""Seconds a provider gets to say what it knows, or to hang up."""


@dataclass(slots=True)
class Reconciler:
    """Looks after what runs too long. One per worker."""

    house: House
    lines: Lines
    inbox: Inbox
    dialer: Dialer
    worker: str
    next_at: datetime | None = None
    """When the next one is to be looked after, as the last round left it."""
    _mute: set[str] = field(default_factory=set)
    """Lines whose provider did not answer in this round: one of them must not keep all the others waiting."""

    @property
    def _mine(self) -> str:
        """Whose attempts are looked after: many workers look after their own, one alone after all there are."""
        return self.worker if self.house.store.is_shared else ""

    async def adopt(self, dead: Collection[str] | None = None) -> int:
        """Takes over what other workers left running; what they were placing is lost. `dead`: what these left."""
        now = self.house.clock.now()

        def take_over(tx: Tx) -> int:
            rows = running_store.adopt(tx, self.worker, now, dead)
            # In one transaction: what is `placing` and ours by name would pass for a claim that we never handed over.
            placing = [row.attempt_id for row in rows if row.state == State.PLACING]
            ingest(tx, self.house, [News(Kind.LEASE_EXPIRED, now, key, why="its worker ended") for key in placing], now)
            if dead:
                workers.gone(tx, dead)
            return len(rows)

        count = await self.house.store.write(take_over)
        if count:
            log.warning("adopted", attempts=count, hint="an earlier run left them; their provider is asked")
        return count

    async def tick(self) -> int:
        """One bounded round. Returns how many attempts were looked at."""
        now = self.house.clock.now()
        if self.house.is_clock_off():
            return 0
        self._mute.clear()

        def read(tx: Tx) -> tuple[Sequence[Any], datetime | None]:
            return running_store.overdue(tx, now, LOOKED_MAX, self._mine), running_store.next_check(tx, self._mine)

        rows, self.next_at = await self.house.store.look(read)
        looked = 0
        for row in rows:
            try:
                await self._look(row, now)
                looked += 1
            except Exception as error:  # one of them must not keep the others waiting
                if is_away(error):
                    raise  # as it would for each of them
                log.error("reconciling_failed", attempt_id=row.attempt_id, error=said(error), hint="it is tried again")
        if rows:
            self.next_at = await self.house.store.look(lambda tx: running_store.next_check(tx, self._mine))
        return looked  # a fault must not be looked at again without a pause

    async def _look(self, row: Any, now: datetime) -> None:
        state = State(row.state)
        if state == State.PLACING:
            await self._end_of_lease(row, now)
            return
        if state != State.LOST and now >= settle.silent_at(self.house, row._mapping, row.claimed_at):
            if await self._is_heard(row, now):
                return
            await self._hang_up(row)
            await self.inbox.take([News(Kind.SILENT, now, row.attempt_id, why="no news for too long")])
            return
        await self._ask(row, now)
        # Also where it was told an end: that may have been another call's. What moved it meanwhile stays as it is.
        await self._again_later(row, now)

    async def _is_heard(self, row: Any, now: datetime) -> bool:
        """Whether news came so late that it is not silent yet: then it is looked at when it would be."""
        heard_at = await self.house.store.look(lambda tx: running_store.heard_at(tx, row.attempt_id))
        silent_at = settle.silent_at(self.house, row._mapping, heard_at or row.claimed_at)
        if now >= silent_at:
            return False
        later = (row.attempt_id, row.state, silent_at, 0)
        await self.house.store.write(lambda tx: running_store.check_later(tx, [later]), quick=True)
        return True

    async def _end_of_lease(self, row: Any, now: datetime) -> None:
        """Lost; but a claim of our own that we never handed over was proved unsent: it comes back."""
        if row.worker == self.worker and self.dialer.give_up(row.attempt_id, row.claimed_at):
            news = News(Kind.WITHDRAWN, now, row.attempt_id, why="never handed over", claim=row.claimed_at)
        else:
            news = News(Kind.LEASE_EXPIRED, now, row.attempt_id, why="no news of its placing", claim=row.claimed_at)
        await self.inbox.take([news])

    async def _ask(self, row: Any, now: datetime) -> None:
        """Asks the provider; gives up at the deadline, whatever it tells."""
        line = self.lines.by_name.get(row.line or "")
        found = None if line is None else await self._find(line, row)
        if line is not None and found:
            await self.inbox.take(news_of(found, row, line))
        if row.state != State.LOST:
            return
        if line is not None and found is not None and not found:
            if now >= _shown_at(row, line):
                await self.inbox.take([News(Kind.NOT_FOUND, now, row.attempt_id, why="the provider does not know it")])
        elif now >= settle.deadline(row._mapping):
            await self._hang_up(row)
            await self.inbox.take([News(Kind.DEADLINE, now, row.attempt_id, why="no answer until the deadline")])

    async def _find(self, line: Line, row: Any) -> Sequence[Any] | None:
        """The provider's events; None: it can't be asked now."""
        if line.name in self._mute:
            return None
        others: frozenset[str] = frozenset()
        if not row.provider_ref:
            since = row.claimed_at - OTHERS_SINCE
            others = await self.house.store.look(lambda tx: attempt_store.refs_to(tx, row.phone, since, row.attempt_id))
        order = Order(
            str(row.attempt_id), row.channel, row.phone, row.caller or "", line.name,
            ring_timeout_s=line.settings.ring_timeout.total_seconds(),
            time_limit_s=line.settings.time_limit.total_seconds(),
            valid_until=row.valid_until, ref=row.provider_ref or "", placed_at=row.placed_at or row.claimed_at,
            others=others,
        )  # fmt: skip
        try:
            async with asyncio.timeout(ASK_S):
                return await line.adapter.find(order)
        except TimeoutError:
            self._mute.add(line.name)
            log.warning("find_timed_out", attempt_id=row.attempt_id, line=line.name, hint="it is asked again")
            return None
        except Unavailable:
            return None
        except Exception as error:  # noqa: BLE001 - an adapter's fault must not stop the others' reconciliation
            log.warning(
                "find_failed", attempt_id=row.attempt_id, line=line.name, error=f"{type(error).__name__}: {error}"
            )
            return None

    async def _hang_up(self, row: Any) -> None:
        """A call that talks past its limit is ended at the provider too."""
        line = self.lines.by_name.get(row.line or "")
        if line is None or not row.provider_ref or row.channel != Channel.VOICE:
            return
        if line.name in self._mute:
            return
        try:
            async with asyncio.timeout(ASK_S):
                await line.adapter.hang_up(row.provider_ref)
        except Exception as error:  # noqa: BLE001 - the attempt is settled without it
            log.warning("hang_up_failed", attempt_id=row.attempt_id, error=type(error).__name__)

    async def _again_later(self, row: Any, now: datetime) -> None:
        checks = row.checks + 1
        at = now + timedelta(seconds=min(2.0 ** min(checks, 9), BACK_OFF_MAX_S))
        line = self.lines.by_name.get(row.line or "")
        if line is not None and now < _shown_at(row, line) < at:
            at = _shown_at(row, line)  # from then on an answer counts either way
        later = (row.attempt_id, row.state, at, checks)
        await self.house.store.write(lambda tx: running_store.check_later(tx, [later]), quick=True)


def _shown_at(row: Any, line: Line) -> datetime:
    """When a provider that has it must show it: whoever placed it may have sent it as late as a claim may be handed
    over, and the provider may show it so much later."""
    at: datetime = row.claimed_at + PLACING + timedelta(seconds=line.spec.visibility_delay_s + 1)
    return at


def news_of(found: Sequence[Event], row: Any, line: Line) -> list[News]:
    """What `find` told about the attempt that was asked for."""
    news = [of_event(event) for event in found]
    news = [one if one.attempt_id else _named(one, row.attempt_id) for one in news]
    final = row.channel == Channel.SMS and not line.spec.receipts
    return [_final(one) if final and one.kind == Kind.ACCEPTED else one for one in news]


def _named(one: News, attempt_id: int) -> News:
    """An event of `find` that names only the provider's reference is about the attempt we asked for."""
    return one._replace(attempt_id=attempt_id)


def _final(one: News) -> News:
    return News(Kind.SENT, one.at, one.attempt_id, one.ref, one.identity)
