"""What a database says of itself: its rows, whether it takes writes, and on PostgreSQL the settings that matter."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from dialer.store import transfer
from dialer.store.ends import End, ServerEnd

SETTINGS = (
    "server_version", "fsync", "full_page_writes", "synchronous_commit", "TimeZone", "max_connections",
    "superuser_reserved_connections",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Server:
    """What a PostgreSQL server says; texts as it writes them."""

    settings: Mapping[str, str]
    """As a new connection gets them, not as this one has set them."""
    version_number: int
    """180004 is 18.4."""
    encoding: str
    collation: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Health:
    """What was found in one transaction that is undone."""

    tables: Mapping[str, int]
    """table → rows."""
    server: Server | None
    workers: Mapping[str, datetime] = field(default_factory=dict)
    """worker → its last sign of life."""


async def examine(end: End) -> Health:
    """Reads, and writes a row, which is undone. Raises one of `ends.FAULTS`."""
    tables = await transfer.counts(end)
    seen = (await transfer.standing(end)).seen
    server = await _server(end) if isinstance(end, ServerEnd) else None
    await end.run("INSERT INTO flags (name, value, set_at) VALUES ('dialer db check', '', 0)")
    return Health(tables, server, seen)


async def _server(end: ServerEnd) -> Server:
    rows = await end.ask("SELECT name, reset_val FROM pg_settings WHERE name = ANY($1::text[])", [*SETTINGS])
    found: dict[str, str] = {name: str(value) for name, value in rows}
    # Connections of this program ask for UTC; what others get stands in the configuration.
    ((zone,),) = await end.ask("SELECT boot_val FROM pg_settings WHERE name = 'TimeZone'")
    found["TimeZone"] = found.get("TimeZone") or str(zone)
    ((number, encoding, collation),) = await end.ask(
        "SELECT current_setting('server_version_num')::int, pg_encoding_to_char(encoding), datcollate"
        " FROM pg_database WHERE datname = current_database()"
    )
    return Server(found, number, encoding, collation, await end.now())
