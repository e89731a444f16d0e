"""`dialer db check`: whether the configured database is fit to dial from, and what is wrong where it is not."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import datetime

from campaigns.gate import CLOCK_OFF_MAX_S
from dialer import mark
from dialer.clock import Clock
from dialer.condition_model import Condition, Judged, TableRows
from dialer.errors import DialerError
from dialer.store import ends, health, schema, shown, sqlite_file
from dialer.store.addresses import refuse_without_folder
from dialer.store.health import Server
from dialer.store.workers import DEAD

PER_WORKER = 8
"""Connections of one worker: 3 that write, 4 that read, 1 that stays."""
OLDEST = 150_000
"""PostgreSQL 15: indexes in which empty places are alike."""
PLAIN = ("C", "POSIX", "C.UTF-8", "C.utf8", "ucs_basic")
"""Collations that no upgrade of the operating system changes."""


async def look(database: str, clock: Clock) -> Condition:
    """Changes nothing. What is wrong is told, never raised."""
    file = sqlite_file(database)
    found = Condition(
        kind="sqlite" if database.startswith("sqlite") else "postgresql", address=shown(database), version=None,
        wanted=schema.HEAD, readable=False, writable=False, tables=[], workers=[], server=[], faults=[],
    )  # fmt: skip
    try:
        mark.refuse_where_gone(database)
        if file is not None:
            refuse_without_folder(file)
    except DialerError as error:
        found.faults.append(str(error))
        return found
    if file is not None and not file.exists():
        found.faults.append(f"{file} is not there; dialer db upgrade makes it, an import too")
        return found
    try:
        found.version = await asyncio.to_thread(schema.version, database)
        found.readable = True
        if found.version == schema.HEAD:
            await _examine(database, found, clock)
    except DialerError as error:
        found.faults.append(str(error))
    if found.readable and found.version is None:
        found.faults.append("it is empty; dialer db upgrade makes its tables, an import too")
    elif found.readable and found.version != schema.HEAD:
        is_newer = found.version is not None and found.version > schema.HEAD
        remedy = "a newer dialer made it, upgrade the program" if is_newer else "dialer db upgrade"
        found.faults.append(f"it has version {found.version}, this program {schema.HEAD}; {remedy}")
    return found


async def _examine(database: str, found: Condition, clock: Clock) -> None:
    async with ends.begun(database, locks=False) as end:
        asked_at = clock.now()
        told = await health.examine(end)
        at = asked_at + (clock.now() - asked_at) / 2
    found.writable = True
    found.tables = [TableRows(table=name, rows=rows) for name, rows in told.tables.items()]
    if told.server is not None:
        found.workers = sorted(name for name, last in told.workers.items() if last >= told.server.now - DEAD)
        found.server = [*_judged(told.server, len(found.workers), at)]
        found.faults += [f"{one.name} {one.value}: {one.said}" for one in found.server if not one.holds]


def _judged(server: Server, workers: int, at: datetime) -> Iterator[Judged]:
    told = server.settings
    new = server.version_number >= OLDEST
    said = "" if new else "is too old; 15 is the oldest that does"
    yield Judged(name="server_version", value=told["server_version"], holds=new, said=said)
    for name in ("fsync", "full_page_writes"):
        holds = told[name] == "on"
        said = "" if holds else "what was acknowledged may be lost with the power, and called again; turn it on"
        yield Judged(name=name, value=told[name], holds=holds, said=said)
    lasting = told["synchronous_commit"] != "off"
    said = "" if lasting else "the last commits may be lost in a crash, and called again; turn it on"
    yield Judged(name="synchronous_commit", value=told["synchronous_commit"], holds=lasting, said=said)
    yield Judged(name="timezone", value=told["TimeZone"], holds=True, said="")
    yield _clock(server, at)
    unicode = server.encoding == "UTF8"
    said = "" if unicode else "cannot keep every name; create the database with ENCODING 'UTF8'"
    yield Judged(name="encoding", value=server.encoding, holds=unicode, said=said)
    plain = server.collation in PLAIN
    said = "" if plain else "advice: C, which no upgrade of the system's locales changes (then indexes break)"
    yield Judged(name="collation", value=server.collation, holds=True, said=said)
    yield _connections(told, workers)


def _clock(server: Server, at: datetime) -> Judged:
    off_s = (server.now - at).total_seconds()
    holds = abs(off_s) <= CLOCK_OFF_MAX_S
    said = "" if holds else "the machine's clock and the server's differ, workers will not dial; see chrony on both"
    return Judged(name="clock_offset", value=f"{off_s:+.3f} s", holds=holds, said=said)


def _connections(told: Mapping[str, str], workers: int) -> Judged:
    free = int(told["max_connections"]) - int(told["superuser_reserved_connections"])
    needed = max(workers, 1) * PER_WORKER
    holds = free >= needed
    said = "" if holds else f"{max(workers, 1)} workers take {needed} connections, {free} are to be had; raise it"
    return Judged(name="max_connections", value=told["max_connections"], holds=holds, said=said)
