"""`dialer db copy`: an installation moves from one database to another, all of it or nothing, while nobody dials.

The old database is halted in the end: two of one installation would call everybody twice.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from dialer import mark
from dialer.clock import Clock
from dialer.errors import DialerError
from dialer.operate import MOVED
from dialer.own_files import belongs
from dialer.store import ends, partitions, schema, sqlite_file
from dialer.store import transfer as store
from dialer.store.addresses import driver_url, settable, shown
from dialer.store.holder import without_daemon
from dialer.store.workers import DEAD

Begin = Callable[[int], store.Advance]
"""Hears how many rows will be told of, and gives what hears of them."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied."""

    source: str
    to: str
    """Both without passwords; `to` as the settings should name it."""
    tables: dict[str, int]
    """table → rows."""


async def copy(database: str, to: str, clock: Clock, begin: Begin) -> Copied:
    """Copies every row of `database` to `to`, which is made where it is not there.

    Raises DialerError, and then nothing was copied: where somebody dials from either, where attempts run, where `to`
    holds anything, or where what is read back is not what was written.
    """
    await asyncio.to_thread(_look, database, to)
    with ExitStack() as stack:
        for url in (database, to):
            stack.enter_context(without_daemon(url, "nothing was copied"))
        made = stack.enter_context(_all_or_nothing(sqlite_file(to)))
        async with ends.begun(database) as left:
            standing = await store.standing(left)
            _refuse(standing, await _now(left, clock), shown(database))
            _refuse_mark(standing.token, to)
            rows = sum((await store.counts(left)).values())
            await asyncio.to_thread(_make, to, await store.months(left))
            async with ends.begun(to) as right:
                await _is_empty(right, to)
                copied = await _move(left, right, begin(2 * rows), clock, (database, to), made)
    return Copied(shown(database), settable(to), copied)


async def _move(
    left: ends.End,
    right: ends.End,
    advance: store.Advance,
    clock: Clock,
    urls: tuple[str, str],
    made: list[Path],
) -> dict[str, int]:
    database, to = urls
    copied = await store.copy(left, right, advance)
    await store.go_on(left, right)
    await store.halt(left, f"{MOVED}{shown(to)}; see `database` in the settings", clock.now())
    await left.commit()
    try:
        await right.commit()
    except ends.FAULTS as error:
        told = ends.refused(to, error)
        raise DialerError(f"{told}. {shown(database)} stays in use: dialer unhalt, and copy again") from error
    made.clear()  # whatever comes now, the copy is there, and the settings may name it
    if right.is_server:
        await right.run("ANALYZE")
    return copied


def _look(database: str, to: str) -> None:
    """What can be said before anything is opened or made. Raises DialerError."""
    source, target = driver_url(database), driver_url(to)
    for url in (database, to):
        if driver_url(url).get_backend_name() == "sqlite" and sqlite_file(url) is None:
            raise DialerError(f"database {shown(url)} is no file; name one, as sqlite:///FILE")
    mark.refuse_where_gone(database)
    file, other = sqlite_file(database), sqlite_file(to)
    if file is not None and not file.exists():
        raise DialerError(f"there is no database {file}; see `database` in the settings")
    version = schema.version(database)
    if version != schema.HEAD:
        wrong = "is empty: there is nothing to copy" if version is None else f"has version {version}; dialer db upgrade"
        raise DialerError(f"database {shown(source)} {wrong}")
    if source == target or (file and other and other.exists() and file.samefile(other)):
        raise DialerError(f"{shown(target)} is the database that is in use; name another one")
    _refuse_beside(file, other)
    there = schema.version(to) if other is None or other.exists() else None
    if there not in (None, schema.HEAD):
        raise DialerError(f"{shown(target)} is an older installation (version {there}); name an empty database")


def _refuse_beside(file: Path | None, other: Path | None) -> None:
    """Raises DialerError where one of them has the name of what belongs to the other: SQLite takes a `-wal` away, and
    with it a whole database."""
    if file is None or other is None:
        return
    for one, beside in ((file, other), (other, file)):
        if belongs(f"sqlite:///{one}", beside):
            raise DialerError(f"nothing was copied: {beside} belongs to the database {one}; name another place")


def _refuse_mark(token: str, to: str) -> None:
    """Raises DialerError where another installation's calls were placed from `to`, which is gone: the copy would be
    halted for being in its place. Its own mark may lie there, where it moves back."""
    file = sqlite_file(to)
    known = mark.known(file) if file is not None else None
    if file is not None and known is not None and known.high.placements and known.token != token:
        raise DialerError(
            f"nothing was copied: {mark.path_of(file)} says that {known.high.placements:,} calls and messages were "
            "placed from another installation's database there; name another place, or move that file away"
        )


@contextmanager
def _all_or_nothing(file: Path | None) -> Iterator[list[Path]]:
    """The files that are made for the copy. Where it fails they are taken away again, those that the list still has."""
    is_new = file is not None and not file.exists()
    made = [Path(f"{file}{more}") for more in ("", "-wal", "-shm")] if is_new else []
    try:
        yield made
    except BaseException:
        for each in made:
            each.unlink(missing_ok=True)
        raise


def _make(to: str, months: Sequence[date]) -> None:
    schema.upgrade(to, holds=True)
    if months:
        partitions.make_for(to, months)


def _refuse(standing: store.Standing, now: datetime, name: str) -> None:
    """Raises DialerError where somebody dials, where it is not known what became of a placement, and for a database
    that was moved already."""
    if standing.halt.startswith(MOVED):
        raise DialerError(
            f"{name} was {standing.halt}: that one goes on, copy it. If it is to be this one after all, halt it with "
            "another reason first"
        )
    if alive := sorted(worker for worker, at in standing.seen.items() if at >= now - DEAD):
        raise DialerError(f"{name}: a worker dials from it ({', '.join(alive)}); stop every daemon first")
    if standing.purging:
        raise DialerError(f"{name}: a purge was broken off; run dialer purge, which finishes it, and copy again")
    if standing.placing:
        raise DialerError(
            f"{name}: {standing.placing:,} attempts are being placed, a daemon was killed in it; halt, start it once "
            "until dialer status shows none, stop it, and copy again"
        )
    if standing.running and not standing.halt:
        raise DialerError(
            f"{name}: the end of {standing.running:,} attempts is not known; halt, let the daemon run until dialer "
            "status shows none, or copy as it is while it is halted"
        )


async def _is_empty(end: ends.End, url: str) -> None:
    full = {name: rows for name, rows in (await store.counts(end)).items() if rows}
    if full:
        told = ", ".join(f"{name} {rows:,}" for name, rows in full.items())
        raise DialerError(f"{shown(url)} is not empty ({told} rows); name an empty database")


async def _now(end: ends.End, clock: Clock) -> datetime:
    """Signs of life are written by the server's clock."""
    return await end.now() if isinstance(end, ends.ServerEnd) else clock.now()
