"""After a restore: the database went back in time. Nothing is dialed until the providers were asked about what it lost.

An attempt that was planned in the copy may have been placed since. It is asked about: what the provider knows is
taken in as placed and settles as always, the rest is over (`launched_late`), because its round may have been placed
under another id.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from adapters.contract import Order, Unavailable
from campaigns.model import Channel, Reason
from dialer.attempt import Kind, State
from dialer.claim import LEASE
from dialer.errors import DialerError
from dialer.house import House, Launched
from dialer.inbound import Ended, ingest
from dialer.lines import Line, Lines
from dialer.log import log
from dialer.news import News
from dialer.reconcile import BACK_OFF_MAX_S, news_of
from dialer.store import Tx, phones
from dialer.store import attempts as attempt_store
from dialer.store import restored as store
from dialer.store.common import note_action
from dialer.store.restored import Gap
from dialer.store.types import EPOCH

STEP = 100
"""Attempts a step asks about."""
AT_ONCE = 20
ASK_S = 10.0
"""Seconds a provider gets to answer."""
GIVE_UP = timedelta(hours=24)
"""From the restore: what nobody could be asked about by then is over too, unasked."""


class _Line(NamedTuple):
    """A line that may have placed an attempt, and what its provider says."""

    line: Line
    news: list[News]


@dataclass(slots=True)
class _Ask:
    """When to ask about an attempt, and how often it was tried."""

    next_at: datetime
    tries: int = 0


@dataclass(slots=True)
class _Answers:
    """What a step learnt."""

    found: dict[int, _Line] = field(default_factory=dict)
    not_found: list[int] = field(default_factory=list)
    unasked: list[int] = field(default_factory=list)
    later: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Restorer:
    """Asks about what may have been placed in the lost time. One per worker."""

    house: House
    lines: Lines
    worker: str
    _gap: Gap | None = None
    _asks: dict[int, _Ask] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("found", "not_found", "unasked"), 0))

    @property
    def next_at(self) -> datetime | None:
        """When the next one is to be asked about."""
        return min((ask.next_at for ask in self._asks.values()), default=None)

    async def open(self) -> None:
        """At start: looks whether there is a lost time, and what is to be asked about."""
        self._gap = lost = await self.house.store.read(store.gap)
        if lost is None:
            return
        await self._load(lost)
        log.error(
            "restored", since=lost.since.isoformat(), at=lost.at.isoformat(), to_ask=len(self._asks),
            hint="nothing is dialed until the providers were asked and `dialer unhalt`; see `dialer status`",
        )  # fmt: skip

    async def tick(self) -> int:
        """One bounded step. Returns how many attempts were asked about."""
        lost = self._gap
        if lost is None or self.house.is_clock_off():
            return 0
        now = self.house.clock.now()
        due = [key for key, ask in self._asks.items() if ask.next_at <= now][:STEP]
        if due:
            await self._step(lost, due, now)
        if not self._asks:
            await self._close(lost)
        return len(due)

    async def _load(self, lost: Gap) -> None:
        now = self.house.clock.now()
        keys = await self.house.store.read(lambda tx: store.to_ask(tx, lost))
        self._asks = {key: _Ask(now) for key in keys}

    async def _step(self, lost: Gap, due: Sequence[int], now: datetime) -> None:
        def read(tx: Tx) -> tuple[dict[int, Any], dict[int, Launched]]:
            return attempt_store.by_id(tx, due), {one.campaign_id: one for one in self.house.launched(tx)}

        rows, launched = await self.house.store.read(read)
        rows = {key: row for key, row in rows.items() if row.state == State.PLANNED}
        gate = asyncio.Semaphore(AT_ONCE)
        told = await asyncio.gather(*(self._ask(row, launched, gate) for row in rows.values()))
        answers = _Answers()
        for row, answer in zip(rows.values(), told, strict=True):
            self._sort(lost, row, answer, answers, now)
        taken, ended = await self.house.store.write(lambda tx: self._write(tx, lost, answers, launched))
        for key in due:
            if key in answers.later:
                ask = self._asks[key]
                ask.tries += 1
                ask.next_at = now + timedelta(seconds=min(2.0 ** min(ask.tries, 9), BACK_OFF_MAX_S))
            else:
                del self._asks[key]
        for name in self._counts:
            self._counts[name] += len(getattr(answers, name))
        self._book(taken, ended, now)

    def _sort(self, lost: Gap, row: Any, answer: _Line | str, answers: _Answers, now: datetime) -> None:
        if isinstance(answer, _Line):
            answers.found[row.attempt_id] = answer
        elif answer == "nobody" or (answer == "unknown" and now >= lost.at + GIVE_UP):
            answers.unasked.append(row.attempt_id)
        elif answer == "not_found" and now >= lost.at + self._visible_after(row.channel):
            answers.not_found.append(row.attempt_id)
        else:
            answers.later.append(row.attempt_id)

    def _visible_after(self, channel: str) -> timedelta:
        """How long after the lost time a provider may not show yet what it took in it."""
        delays = [line.spec.visibility_delay_s for line in self.lines if channel in line.settings.channels]
        return timedelta(seconds=max(delays, default=0.0) + 1)

    async def _ask(self, row: Any, launched: Mapping[int, Launched], gate: asyncio.Semaphore) -> _Line | str:
        """The line that placed it; `not_found` by any; `unknown` where one can't be asked; `nobody` is there to ask.

        The campaign's own lines come first: of several at one provider nobody knows which it was.
        """
        one = launched.get(row.campaign_id)
        named = one.lines(row.channel) if one else ()
        lines = self.lines.of(dict.fromkeys((*named, *self.lines.by_name)), Channel(row.channel))
        answer = "not_found" if lines else "nobody"
        for line in lines:
            async with gate:
                found = await self._find(line, row)
            if found:
                return _Line(line, found)
            if found is None:
                answer = "unknown"
        return answer

    async def _find(self, line: Line, row: Any) -> list[News] | None:
        """The provider's news; None: it can't be asked now."""
        settings = line.settings
        order = Order(
            str(row.attempt_id), row.channel, row.phone, line.caller(row.person_id), line.name,
            ring_timeout_s=settings.ring_timeout.total_seconds(), time_limit_s=settings.time_limit.total_seconds(),
            valid_until=row.valid_until, placed_at=row.planned_for, placed_until=row.valid_until,
        )  # fmt: skip
        try:
            async with asyncio.timeout(ASK_S):
                return news_of(await line.adapter.find(order), row, line)
        except (Unavailable, TimeoutError):
            return None
        except Exception as error:  # noqa: BLE001 - an adapter's fault must not stop the others
            log.warning(
                "find_failed", attempt_id=row.attempt_id, line=line.name, error=f"{type(error).__name__}: {error}"
            )
            return None

    def _write(
        self, tx: Tx, lost: Gap, answers: _Answers, launched: Mapping[int, Launched]
    ) -> tuple[list[tuple[Any, _Line]], list[Ended]]:
        """planned → placing and the provider's events, in one transaction; what was not found is over."""
        now = self.house.clock.now()
        keys = [*answers.found, *answers.not_found, *answers.unasked]
        rows = {key: row for key, row in attempt_store.by_id(tx, keys).items() if row.state == State.PLANNED}
        found = [(rows[key], answer) for key, answer in answers.found.items() if key in rows]
        attempt_store.claim(tx, [self._claimed(row, answer, lost, launched, now) for row, answer in found])
        calls = [(row.phone, row.attempt_id, answer.line.name) for row, answer in found if row.channel == Channel.VOICE]
        # Whoever does not get the number was placed all the same: that it was is what the provider says.
        phones.take(tx, calls)
        over = [key for key in (*answers.not_found, *answers.unasked) if key in rows]
        attempt_store.close(tx, [_over(rows[key], now) for key in over])
        news = _fresh(tx, [one for _, answer in found for one in answer.news])
        # What the provider told may not move it: it must not stay `placing` in our name, as if it were not sent yet.
        why = "found after a restore"
        news += [News(Kind.LEASE_EXPIRED, now, row.attempt_id, why=why) for row, _ in found]
        return found, ingest(tx, self.house, news, now)

    def _claimed(
        self, row: Any, answer: _Line, lost: Gap, launched: Mapping[int, Launched], now: datetime
    ) -> dict[str, Any]:
        one = launched.get(row.campaign_id)
        return {
            "of": row.attempt_id,
            "in_version": one.version if one else None,
            "by_line": answer.line.name,
            "by_caller": answer.line.caller(row.person_id),
            "by_worker": self.worker,
            # A provider's clock may be ahead of ours.
            "at": min(lost.at, *(news.at for news in answer.news)),
            "check": now + LEASE,
            "reserved": None,
        }

    def _book(self, taken: Sequence[tuple[Any, _Line]], ended: Sequence[Ended], now: datetime) -> None:
        """Calls that still run take their place on their lines."""
        for row, answer in taken:
            if row.channel == Channel.VOICE:
                answer.line.running.add(row.attempt_id)
        for one in ended:
            self.lines.ended(one.line, one.attempt_id, None, now)

    async def _close(self, lost: Gap) -> None:
        now, told = self.house.clock.now(), ", ".join(f"{count} {name}" for name, count in self._counts.items())

        def close(tx: Tx) -> bool:
            closed = store.close(tx, lost, now)
            if closed:
                note_action(tx, "reconciled", "", told, now)
            return closed

        if await self.house.store.write(close):
            self._gap = None
            log.info("reconciled", **self._counts, hint="`dialer unhalt` when what was said since is entered")
        else:
            await self._load(lost)


def _fresh(tx: Tx, news: Sequence[News]) -> list[News]:
    """News that came as a stray before its attempt was known to be placed counts now, under another identity."""
    known = attempt_store.known_identities(tx, [one.identity for one in news if one.identity])
    return [one._replace(identity=f"{one.identity}/restored") if one.identity in known else one for one in news]


def _over(row: Any, now: datetime) -> dict[str, Any]:
    why = Reason.LAUNCHED_LATE.value
    return {"of": row.attempt_id, "to": State.EXPIRED.value, "why": why, "by_rule": row.rule, "at": now}


def refuse_while_asking(tx: Tx, what: str) -> None:
    """Raises DialerError while a restored database is still being asked about."""
    lost = store.gap(tx)
    if lost is not None:
        count = store.left(tx, lost)
        left = f"providers are still to be asked about {count} attempt{'' if count == 1 else 's'} that may have been"
        open_ = f"{left} placed since" if count else "the daemon has not looked yet what may have been placed since"
        of = f"the database was restored from a copy of {lost.since:%Y-%m-%d %H:%M:%S} UTC"
        if lost.since == EPOCH:
            of = "a new database was found in another's place"
        raise DialerError(
            f"{what}: {of}, and {open_}; let the daemon run (`dialer run`), see `dialer status`, and try again"
        )
