"""What workers say on the connection that stays: that they live, and of the duty, which one has. PostgreSQL only."""

from datetime import timedelta

BEAT = (
    "INSERT INTO workers (worker, started_at, seen_at) VALUES ($1, $2, $3) "
    "ON CONFLICT (worker) DO UPDATE SET seen_at = excluded.seen_at"
)
SILENCE = timedelta(seconds=7)
"""So long after the last sign of life the one on duty loses the duty: a process that hangs, or was stopped, keeps its
connection. It takes up nothing new by then, and is not yet believed dead."""
END_SILENT = (
    "SELECT bool_or(pg_terminate_backend(a.pid, 1000)) FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
    "JOIN workers w ON a.application_name = 'dialer ' || right(w.worker, 56) "
    "WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 0 AND l.objid::bigint = $1 AND l.objsubid = 1 "
    "AND a.datname = current_database() AND a.usename = current_user "
    "AND w.seen_at < least(extract(epoch FROM clock_timestamp()) * 1000000, $3::bigint) - $2::bigint "
    "AND a.state_change < clock_timestamp() - $2::bigint * interval '1 microsecond'"
)
"""`session_of` who has the duty and shows no life; a user may end what is his own. One that is slow, whose sign of life
is still being written, is not silent. By the server's clock and by that of who asks: where the server's was just set,
signs of life are still told by what it was before."""
