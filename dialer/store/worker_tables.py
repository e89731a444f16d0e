"""The tables of many workers on one database.

Every change here needs a migration in `migrations/versions` (a test compares them).
"""

from sqlalchemy import Column, Integer, Sequence, String, Table

from dialer.store.record_tables import EVERY
from dialer.store.tables import metadata
from dialer.store.types import Instant, Money

__all__ = ["EVERY"]

attempt_numbers = Sequence("attempt_numbers", metadata=metadata)
"""PostgreSQL's own: a row of `numbers` would be locked until its transaction ends, and all others wait for it."""

workers = Table(
    "workers",
    metadata,
    Column("worker", String, primary_key=True),
    Column("started_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False, comment="its last sign of life"),
    Column("goes_by", String, comment="digest of the settings and packs that all workers have to share"),
    comment="The daemons that dial from this database; one without a sign of life for long enough is dead",
)

reservations = Table(
    "reservations",
    metadata,
    Column("worker", String, primary_key=True),
    Column("line", String, primary_key=True),
    Column("calls", Integer, nullable=False, comment="of the calls at once"),
    Column("amount", Money, nullable=False, comment="of the day's spend"),
    Column("until", Instant, nullable=False, comment="then it returns by itself"),
    comment="What a worker may use of a line in the claim that it is about to make",
)
