"""`dialer purge`: erases what is older than it must be kept. What is open stays, and so do suppressions."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any

from config.settings import Settings
from dialer import months, record
from dialer.erase import Eraser
from dialer.erased import Erased, explained
from dialer.errors import DialerError
from dialer.house import House
from dialer.packs import pack_files, read_packs
from dialer.store import Tx
from dialer.store import erasure as erasure_store
from dialer.store import record as record_store

PAGE = 1_000
"""Attempts, contacts or persons of one transaction."""
PARTS_PAGE = 500
KEEP_DAYS = 3 * 365 + 1
"""How long things are kept where no rule of any pack says it: three years, one of them a leap year."""

Find = Callable[..., list[Any]]
"""(transaction, after=key) → the next page of keys, in order."""


@dataclass(slots=True)
class Purged:
    """What was erased, or would be."""

    before: date
    counts: Counter[str] = field(default_factory=Counter)
    """Table → rows."""
    pages_cleared: bool = True
    """False: the database's log may hold old pages for a while."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One kind of what is purged: how to find the next page, and how to erase it."""

    name: str
    find: Find
    erase: Callable[[Eraser, list[Any]], None]
    first: Any = 0


def retention_days(settings: Settings) -> int:
    """How many days things must be kept: three years, or longer where a rule of any pack demands it."""
    packs, _ = read_packs(settings, [*pack_files(settings)])
    rules: Iterable[Any] = (rule for pack in packs for rule in pack.rules)
    demanded: list[int] = [rule.keep_days for rule in rules if rule.kind == "retention"]
    return max([KEEP_DAYS, *demanded])


def latest(house: House, keep_days: int) -> date:
    """The latest day before which everything may go."""
    return house.today(house.clock.now()) - timedelta(days=keep_days)


def too_young(house: House, before: date, keep_days: int) -> str:
    """What is wrong with purging what is older than that day; empty: nothing."""
    if before <= (last := latest(house, keep_days)):
        return ""
    return f"{before} is too late: what is younger than {keep_days} days must be kept; accepted: {last} or earlier"


async def purge(house: House, before: date, keep_days: int, dry_run: bool = False) -> Purged:
    """Erases what was over before that day, lender time; a page a transaction. `dry_run`: only counts it.

    Raises DialerError for a day that is younger than `keep_days` days, and while another purge is at work.
    """
    if wrong := too_young(house, before, keep_days):
        raise DialerError(f"--before: {wrong}")
    found = Purged(before)
    at = datetime.combine(before, time(), house.zone)
    if dry_run:
        for step in _steps(at, before):
            count = await _count(house, step)
            found.counts += Counter({step.name: count})
        return found
    async with house.store.purging() as is_mine:
        if not is_mine:
            raise DialerError("another purge is at work; let it end")
        await _purge(house, at, found)
    return found


async def _purge(house: House, at: datetime, found: Purged) -> None:
    before = found.before
    # What is erased is sealed first: the record must show that something was there.
    await record.seal(house, record.DESK)
    found.counts.update(await months.take_out(house, at, before))
    for step in _steps(at, before):
        await _erase(house, step, found)
    await months.drop_empty(house, before)
    await _drop_digests(house)
    found.counts.update(await months.finish(house))
    await record.seal(house, record.DESK)
    found.pages_cleared = await house.store.forget_pages()


def _steps(at: datetime, day: date) -> list[_Step]:
    """In this order: a person goes when none of its attempts is left."""
    old = erasure_store
    return [
        _Step("attempts", lambda tx, after: old.old_attempts(tx, at, after, PAGE), _attempts),
        _Step("events", lambda tx, after: old.old_replies(tx, at, after, PAGE), _replies),
        _Step("contacts", lambda tx, after: old.old_contacts(tx, at, after, PAGE), _contacts),
        _Step("persons", lambda tx, after: old.old_persons(tx, at, day, after, PAGE), _persons, ""),
    ]


async def _count(house: House, step: _Step) -> int:
    found, after = 0, step.first
    while keys := await house.store.read(partial(step.find, after=after)):
        found, after = found + len(keys), keys[-1]
    return found


async def _erase(house: House, step: _Step, found: Purged) -> None:
    after = step.first
    while True:
        keys, counts = await house.store.write(partial(_page, house=house, step=step, after=after, before=found.before))
        if not keys:
            return
        after = keys[-1]
        found.counts.update(counts)


def _page(tx: Tx, house: House, step: _Step, after: Any, before: date) -> tuple[list[Any], dict[str, int]]:
    keys = step.find(tx, after)
    eraser = Eraser(tx, house.clock.now())
    if keys:
        step.erase(eraser, keys)
        names = step.name if len(keys) > 1 else step.name.removesuffix("s")
        eraser.close("purge", f"before {before}, {len(keys)} {names} with all that hangs on them")
    return keys, eraser.counts


def _attempts(eraser: Eraser, keys: list[int]) -> None:
    for kind in ("verdicts", "events", "placements"):
        eraser.remove(kind, erasure_store.rows_of(eraser.tx, kind, keys))
    eraser.add(erasure_store.delete_attempts(eraser.tx, keys))


def _replies(eraser: Eraser, keys: list[int]) -> None:
    eraser.remove("events", keys)


def _contacts(eraser: Eraser, keys: list[int]) -> None:
    eraser.add(erasure_store.delete_contacts(eraser.tx, keys))


def _persons(eraser: Eraser, keys: list[str]) -> None:
    eraser.add(erasure_store.delete_persons(eraser.tx, keys))


async def _drop_digests(house: House) -> None:
    """Where all rows of a seal's part are gone, its root says all that can still be checked: the digests go too."""
    rows = await house.store.read(record_store.erasures)
    found, _ = explained(rows, {row.action_id: str(row.detail) for row in rows})
    for kind, erased in found.items():
        after = 0
        while page := await house.store.write(partial(_drop_page, kind=kind, erased=erased, after=after)):
            after = page


def _drop_page(tx: Tx, kind: str, erased: Erased, after: int) -> int:
    """Returns the last seal looked at; 0: there is none after it."""
    parts = record_store.parts_after(tx, kind, after, PARTS_PAGE)
    for part in parts:
        if erased.count(part.first_id, part.last_id) >= part.rows:
            erasure_store.drop_digests(tx, kind, part, erased.is_gone)
    return parts[-1].seal_id if parts else 0
