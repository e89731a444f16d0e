"""What workers say on the connection that stays: that they live, and of the duty, which one has. PostgreSQL only."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.exc import DBAPIError

from dialer.store.types import EPOCH, MICROSECOND

DENIED = "42501"
"""The server's word for a right that is missing. The connection is as good as before."""
BEAT = (
    "INSERT INTO workers (worker, started_at, seen_at, goes_by) VALUES ($1, $2, $3, $4) "
    "ON CONFLICT (worker) DO UPDATE SET seen_at = excluded.seen_at, goes_by = excluded.goes_by"
)
SILENCE = timedelta(seconds=7)
"""So long after the last sign of life the one on duty loses the duty: a process that hangs, or was stopped, keeps its
connection. It takes up nothing new by then, and is not yet believed dead."""
_SILENT = (
    "FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
    "JOIN workers w ON a.application_name = 'dialer ' || right(w.worker, 56) "
    "WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 0 AND l.objid::bigint = $1 AND l.objsubid = 1 "
    "AND a.datname = current_database() "
    "AND w.seen_at < least(extract(epoch FROM clock_timestamp()) * 1000000, $3::bigint) - $2::bigint "
    "AND coalesce(a.state_change, '-infinity') < clock_timestamp() - $2::bigint * interval '1 microsecond'"
)
"""`session_of` who has the duty and shows no life. One that is slow, whose sign of life is still being written, is not
silent; where the server does not tell what it does (`track_activities` is off, or it has another user), its sign of
life alone counts. By the server's clock and by that of who asks: where the server's was just set, signs of life are
still told by what it was before."""
SILENT = f"SELECT w.worker {_SILENT}"
"""Apart from the end: a server asks for the right to end anybody also where there is nobody to be ended."""
END_SILENT = f"SELECT bool_or(pg_terminate_backend(a.pid, 1000)) {_SILENT}"
"""A user may end what is his own."""


class NotEnded(Exception):
    """Who has the duty shows no life, and its connection could not be ended."""

    def __init__(self, worker: str, why: str) -> None:
        super().__init__(f"{worker}: {why}")
        self.worker, self.why = worker, why


def session_of(worker: str) -> str:
    """The name of its staying connection at the server, which cuts longer ones: a long name's end says who it is."""
    return f"dialer {worker[-56:]}"


async def end_silent(ask: Callable[..., Awaitable[Any]], duty: int, now: datetime) -> str:
    """As `Attendance.end_silent`; `duty`: the key of its lock."""
    given = (duty, SILENCE // MICROSECOND, (now - EPOCH) // MICROSECOND)
    if (silent := await ask(SILENT, *given)) is None:
        return ""
    try:
        ended = await ask(END_SILENT, *given)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != DENIED:
            raise
        raise NotEnded(silent, str(error.orig)) from error
    if ended is False:
        raise NotEnded(silent, "it does not end within a second")
    return silent if ended else ""
