"""PostgreSQL: attempts, their events and verdicts in a table a month of due dates, so that old ones can be detached.

An attempt's id begins with its due date (`dialer.store.common.first_number`), so that the id alone tells the month.
What has an older, shorter id, and events of no attempt, lie in the table `…_other`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = {"attempts": "attempt_id", "events": "event_id", "verdicts": "verdict_id"}


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table, key in TABLES.items():
            _divide(table, key)


def _divide(table: str, key: str) -> None:
    wanted = sa.text("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = :of")
    found = op.get_bind().execute(wanted, {"of": table})
    indexes = {name: made for name, made in found if name.startswith("ix_")}
    op.execute(f"ALTER TABLE {table} RENAME TO {table}_whole")
    like = f"LIKE {table}_whole INCLUDING DEFAULTS INCLUDING COMMENTS"
    op.execute(f"CREATE TABLE {table} ({like}) PARTITION BY RANGE (attempt_id)")
    op.execute(f"ALTER SEQUENCE IF EXISTS {table}_{key}_seq OWNED BY {table}.{key}")
    op.execute(f"CREATE TABLE {table}_other PARTITION OF {table} DEFAULT")
    op.execute(f"INSERT INTO {table} SELECT * FROM {table}_whole")
    op.execute(f"DROP TABLE {table}_whole")
    for made in indexes.values():
        op.execute(made)
    if table == "attempts":
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY ({key})")
    else:
        # A key of a divided table has to name what it is divided by, which events of no attempt do not have.
        op.execute(f"CREATE UNIQUE INDEX uq_{table}_{key} ON {table} ({key}, attempt_id) NULLS NOT DISTINCT")
    if table == "events":
        op.execute(
            "CREATE UNIQUE INDEX uq_events_identity ON events (identity, attempt_id) NULLS NOT DISTINCT"
            " WHERE identity IS NOT NULL"
        )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        raise NotImplementedError("what was divided by months is not put together again")
