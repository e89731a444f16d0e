"""An installation's tables from one database to another: rows as they are stored, read back and compared; then the
numbers that go on from what is there."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256

from sqlalchemy import Table

from dialer.errors import DialerError
from dialer.store.common import DAY_BITS
from dialer.store.ends import End
from dialer.store.partitions import ALONE
from dialer.store.restored import TOKEN
from dialer.store.types import EPOCH, MICROSECOND
from dialer.store.worker_tables import EVERY

RUNNING = ("placing", "placed", "ringing", "talking", "lost")
_OF_DAY = (1 << DAY_BITS) - 1
"""An attempt's id less its due date."""
_NEXT = re.compile(r"nextval\('([^']+)'")
Advance = Callable[[int], None]


def tables() -> list[Table]:
    """Every table, by name."""
    return [EVERY.tables[name] for name in sorted(EVERY.tables)]


async def counts(end: End) -> dict[str, int]:
    """table → rows."""
    found = {}
    for table in tables():
        ((found[table.name],),) = await end.ask(f"SELECT count(*) FROM {table.name}")
    return found


@dataclass(frozen=True, slots=True)
class Standing:
    """What has to be known of a source."""

    halt: str
    """Why it is halted; empty: it is not."""
    placing: int
    running: int
    """Attempts that were placed, and whose end is not known."""
    seen: Mapping[str, datetime]
    """worker → its last sign of life."""
    token: str
    """The installation's own; empty: it has none yet."""
    purging: bool
    """Whether a purge has taken out what it has not dropped yet."""


async def standing(end: End) -> Standing:
    halt = await end.ask("SELECT value FROM flags WHERE name = 'halt'")
    states = ", ".join(f"'{state}'" for state in RUNNING)
    by_state = await end.ask(f"SELECT state, count(*) FROM attempts WHERE state IN ({states}) GROUP BY state")
    states_of: dict[str, int] = dict(by_state)
    seen = {name: EPOCH + at * MICROSECOND for name, at in await end.ask("SELECT worker, seen_at FROM workers")}
    placing = states_of.pop("placing", 0)
    token = await end.ask(f"SELECT value FROM flags WHERE name = '{TOKEN}'")
    purging = end.is_server and bool(await end.ask(ALONE))
    return Standing(
        halt[0][0] if halt else "", placing, sum(states_of.values()), seen, token[0][0] if token else "", purging
    )


async def copy(source: End, target: End, advance: Advance) -> dict[str, int]:
    """Every row, read back and compared in the order of keys; table → rows. `advance` hears of rows, each twice.

    Both ends have begun. Raises DialerError where what was read back is not what was written.
    """
    found = {}
    for table in tables():
        count, digest = 0, sha256()
        async for rows in source.pages(table):
            await target.put(table, rows)
            count += len(rows)
            for row in rows:
                digest.update(repr(row).encode())
            advance(len(rows))
        if (count, digest.digest()) != await _read_back(target, table, advance):
            raise DialerError(
                f"{table.name}: the rows that were read back are not those that were written; nothing was copied, "
                "copy again, and report it where it comes again"
            )
        found[table.name] = count
    return found


async def _read_back(target: End, table: Table, advance: Advance) -> tuple[int, bytes]:
    count, digest = 0, sha256()
    async for rows in target.pages(table):
        count += len(rows)
        for row in rows:
            digest.update(repr(row).encode())
        advance(len(rows))
    return count, digest.digest()


# --- numbers --------------------------------------------------------------------------------------------------------


async def months(source: End) -> list[date]:
    """The first days of the months that attempts' ids begin with; none where they are numbered one after the other."""
    made = f"SELECT DISTINCT attempt_id >> {DAY_BITS} FROM attempts WHERE attempt_id > {_OF_DAY}"
    days = [EPOCH.date() + timedelta(days=number) for (number,) in await source.ask(made)]
    return sorted({day.replace(day=1) for day in days})


async def go_on(source: End, target: End) -> None:
    """Sets the target's numbers beyond every one that was given, erased rows' included."""
    given = await _given(source)
    if target.is_server:
        for table, (sequence, column) in (await _sequences(target)).items():
            ((last,),) = await target.ask(f'SELECT coalesce(max("{column}"), 0) FROM {table}')
            await _reach(target, sequence, max(last, given.get(table, 0)))
        await _reach(target, "attempt_numbers", await _running_number(source))
        return
    await target.run("DELETE FROM numbers WHERE name = 'attempt'")
    await target.run("INSERT INTO numbers (name, next) VALUES ('attempt', $1)", await _next_number(source))


async def _reach(target: End, sequence: str, last: int) -> None:
    if last > 0:
        await target.ask("SELECT setval($1::text::regclass, $2)", sequence, last)


async def _sequences(end: End) -> dict[str, tuple[str, str]]:
    """table → its sequence, and the column that it numbers."""
    rows = await end.ask(
        "SELECT c.relname, a.attname, pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d"
        " JOIN pg_class c ON c.oid = d.adrelid"
        " JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum"
        " WHERE c.relname = ANY($1::text[]) AND pg_table_is_visible(c.oid)",
        [*EVERY.tables],
    )
    found = {}
    for table, column, default in rows:
        if sequence := _NEXT.search(default):
            found[table] = (sequence[1], column)
    return found


async def _given(source: End) -> dict[str, int]:
    """table → the highest number that is known to be given: of sealed rows, and on a server of every sequence."""
    found: dict[str, int] = dict(await source.ask("SELECT kind, max(row_id) FROM digests GROUP BY kind"))
    if source.is_server:
        for table, (sequence, _) in (await _sequences(source)).items():
            found[table] = max(found.get(table, 0), await _last(source, sequence))
    return found


async def _last(source: End, sequence: str) -> int:
    ((last, is_called),) = await source.ask(f"SELECT last_value, is_called FROM {sequence}")
    return int(last) if is_called else 0


async def _running_number(source: End) -> int:
    """The last running number of an attempt, its due date left out."""
    found: list[int] = [0]
    for table in ("attempts", "placements"):
        ((last,),) = await source.ask(f"SELECT coalesce(max(attempt_id & {_OF_DAY}), 0) FROM {table}")
        found.append(last)
    found += [row[0] for row in await source.ask("SELECT next FROM numbers WHERE name = 'attempt'")]
    if source.is_server:
        found.append(await _last(source, "attempt_numbers"))
    return max(found) & _OF_DAY


async def _next_number(source: End) -> int:
    """Above every attempt's id: with the last due date that is there and the last running number."""
    ((top,),) = await source.ask("SELECT coalesce(max(attempt_id), 0) FROM attempts")
    known = [row[0] for row in await source.ask("SELECT next FROM numbers WHERE name = 'attempt'")]
    return int(max([((top >> DAY_BITS) << DAY_BITS) + await _running_number(source) + 1, top + 1, *known]))


async def halt(source: End, why: str, now: datetime) -> None:
    """Two databases of one installation would call everybody twice: the one that was left dials nothing any more."""
    at = (now - EPOCH) // MICROSECOND
    await source.run("DELETE FROM flags WHERE name = 'halt'")
    await source.run("INSERT INTO flags (name, value, set_at) VALUES ('halt', $1, $2)", why, at)
    made = "INSERT INTO actions (at, action, subject, detail) VALUES ($1, 'copy', '', $2)"
    await source.run(made, at, why)
