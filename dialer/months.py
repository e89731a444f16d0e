"""`dialer purge` on PostgreSQL: a month that is over goes with its tables, not row by row.

What is erased is noted in the same short transaction that takes the tables out of use. What takes long comes before it,
and only reads, or after it, when nobody sees the rows any more.
A purge that was broken off there is finished by the next.
"""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

from dialer import record
from dialer.erase import Eraser
from dialer.erased import Span, joined
from dialer.errors import DialerError
from dialer.house import House
from dialer.store import Tx, month_rows, partitions
from dialer.store import erasure as erasure_store
from dialer.store.month_rows import Marks

KEPT_MAX = 5_000
"""Attempts of a month that may stay: they are moved while everybody waits. With more, the month goes row by row."""
PAGE = 20_000
"""Attempts whose accounts, promises and tasks are deleted in one transaction."""
TRIES = 30
PAUSE = timedelta(seconds=5)
"""Between tries to have the tables to oneself: a report may be reading them, and each try keeps everybody waiting for
half a second."""

Counts = Counter[str]
"""Table → rows."""


class _Changed(DialerError):
    """Something came to the month while it was looked through."""


@dataclass(frozen=True, slots=True)
class _Survey:
    """What a month holds."""

    month: date
    marks: Marks
    kept: set[int]
    """Attempts that have to stay."""
    attempts: int
    rows: Counts
    """Sealed table → rows, but for those of the attempts that stay."""
    parts: dict[str, list[Span]]
    """Sealed table → the ids of those of them that are sealed."""


async def take_out(house: House, at: datetime, before: date) -> Counts:
    """Takes the months out of use that were over before that day, and all of whose attempts were closed before `at`
    but for a few, which stay. Returns what was erased with them. Nothing on SQLite.
    """
    counts: Counts = Counter()
    for month in await house.store.read(lambda tx: partitions.over(tx, before)):
        survey = await _survey(house, month, at)
        if survey is not None:
            counts.update(await _when_free(house, survey, before))
    return counts


async def _survey(house: House, month: date, at: datetime) -> _Survey | None:
    """None: it is empty, too many of its attempts have to stay, or some are not over."""
    marks = await house.store.read(lambda tx: month_rows.marks(tx, month))
    # After the marks: what a sweep sealed once it was looked through would be gone without a word in the record.
    await record.seal(house, record.DESK)
    kept = await house.store.read(lambda tx: month_rows.with_open(tx, month, KEPT_MAX))
    attempts = after = 0
    while True:
        page = await house.store.read(partial(month_rows.attempts_after, month=month, before=at, after=after))
        if page.going or len(kept) > KEPT_MAX or not (attempts or page.found):
            return None
        if not page.found:
            return _Survey(month, marks, kept, attempts - len(kept), *await _sealed(house, month, sorted(kept)))
        kept.update(page.young)
        attempts, after = attempts + page.found, page.last


async def _sealed(house: House, month: date, kept: list[int]) -> tuple[Counts, dict[str, list[Span]]]:
    rows: Counts = Counter()
    parts = {}
    for kind in month_rows.SEALED:
        found: list[Span] = []
        for span in month_rows.spans(await house.store.read(partial(month_rows.bounds, kind=kind, month=month))):
            of = partial(_of_span, kind=kind, month=month, span=span, kept=kept)
            number, sealed = await house.store.read(of)
            rows[kind] += number
            found += sealed
        parts[kind] = joined(found)
    return rows, parts


def _of_span(tx: Tx, kind: str, month: date, span: Span, kept: list[int]) -> tuple[int, list[Span]]:
    return month_rows.rows(tx, kind, month, span, kept), month_rows.sealed_spans(tx, kind, month, span, kept)


async def _when_free(house: House, survey: _Survey, before: date) -> Counts:
    """Raises DialerError where the tables are in use all the time."""
    for _ in range(TRIES):
        try:
            return await house.store.write(lambda tx: _take_out(tx, house, survey, before))
        except _Changed:
            return Counter()  # row by row then
        except partitions.InUse:
            await house.clock.sleep_until(house.clock.now() + PAUSE)
    raise DialerError(
        f"the tables of {survey.month:%Y-%m} are in use all the time; purge again while nothing reads for minutes"
    )


def _take_out(tx: Tx, house: House, survey: _Survey, before: date) -> Counts:
    eraser = Eraser(tx, house.clock.now())
    for kind, parts in survey.parts.items():
        eraser.gone(kind, parts, survey.rows[kind])
    eraser.add({"attempts": survey.attempts})
    eraser.close(
        "purge", f"before {before}, the month {survey.month:%Y-%m} with all its attempts but {len(survey.kept)}"
    )
    # Last, so that everybody waits for as short as can be.
    is_held = partitions.hold(tx, survey.month)
    if not is_held or not month_rows.is_as_before(tx, survey.month, survey.marks, survey.kept):
        raise _Changed(f"{survey.month:%Y-%m}")
    partitions.take_out(tx, survey.month, sorted(survey.kept))
    return eraser.counts


# --- what was taken out ---------------------------------------------------------------------------------------------


async def finish(house: House) -> Counts:
    """Deletes what hangs on attempts of the months that were taken out, and drops their tables; another purge's too.

    The digests of what is gone as a whole were dropped before. Returns what was erased.
    """
    counts: Counts = Counter()
    for month in await house.store.read(partitions.taken_out):
        for kind in month_rows.SEALED:
            for span in month_rows.spans(await house.store.read(partial(month_rows.bounds, kind=kind, month=month))):
                await house.store.write(partial(month_rows.unsalt, kind=kind, month=month, span=span))
        # Not from the first id of all: what lies in other months, and in `…_other`, is none of this one's.
        after = partitions.ids_of(month)[0] - 1
        while last := await house.store.read(partial(month_rows.page_after, month=month, after=after, most=PAGE)):
            counts.update(await house.store.write(partial(_erase_hanging, span=(after + 1, last))))
            after = last
        await house.store.write(partial(partitions.drop, month=month))
    return counts


async def drop_empty(house: House, before: date) -> None:
    """Where somebody reads them for longer than a moment, they stay until the next purge: they hold nothing."""
    for month in await house.store.read(lambda tx: partitions.over(tx, before)):
        with suppress(partitions.InUse):
            await house.store.write(partial(partitions.drop_empty, month=month))


def _erase_hanging(tx: Tx, span: Span) -> dict[str, int]:
    return erasure_store.delete_hanging(tx, span, erasure_store.attempts_in(tx, span))


def refuse_while_taken_out(tx: Tx) -> None:
    """Raises DialerError where a purge has not finished: what it took out holds persons that nobody finds any more."""
    if partitions.taken_out(tx):
        raise DialerError(
            "a purge is at work, or was broken off; let it end, or run `dialer purge` again, which finishes it; "
            "nothing was erased"
        )
