"""No index goes by an attempt's `state` any more: PostgreSQL then changes most rows in place, without their indexes."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

OVER = "state IN ('settled', 'expired', 'blocked', 'cancelled')"
FINAL = f"CASE WHEN {OVER} THEN state END"
ROUND = ["campaign_id", "segment", "round"]
DUE = ["campaign_id", "channel", "priority", "due_at"]
AT_REST = "state IN ('planned', 'settled', 'expired', 'blocked', 'cancelled')"


def upgrade() -> None:
    is_server = op.get_bind().dialect.name == "postgresql"
    # So it is since there are attempts; what the indexes go by from here on must not leave one out.
    stray = "claimed_at IS NOT NULL OR settled_at IS NOT NULL"
    op.execute(f"UPDATE attempts SET claimed_at = NULL, settled_at = NULL WHERE state = 'planned' AND ({stray})")
    op.execute(f"UPDATE attempts SET settled_at = due_at WHERE settled_at IS NULL AND {OVER}")
    op.execute(f"UPDATE attempts SET check_at = NULL WHERE check_at IS NOT NULL AND {OVER}")
    _fill(70)  # before the tables are written anew, so that there is room in their pages
    kept = "the state where it is a final one: by it they are counted"
    # SQLite adds none that is stored, PostgreSQL indexes none that is not.
    made = sa.Computed(FINAL, persisted=is_server or None)
    op.add_column("attempts", sa.Column("final", sa.String(), made, nullable=True, comment=kept))
    op.drop_index(op.f("ix_attempts_due"), table_name="attempts")
    op.drop_index(op.f("ix_attempts_progress"), table_name="attempts")
    _index("ix_attempts_due", DUE, "claimed_at IS NULL AND settled_at IS NULL")
    if is_server:
        _index("ix_attempts_final", [*ROUND, "final", "outcome"], "check_at IS NULL")
    else:
        _index("ix_attempts_progress", [*ROUND, "state", "outcome", "check_at"], "check_at IS NULL")


def downgrade() -> None:
    _fill(100)
    is_server = op.get_bind().dialect.name == "postgresql"
    op.drop_index(op.f("ix_attempts_due"), table_name="attempts")
    op.drop_index(op.f("ix_attempts_final" if is_server else "ix_attempts_progress"), table_name="attempts")
    op.drop_column("attempts", "final")
    _index("ix_attempts_due", DUE, "state = 'planned'")
    _index("ix_attempts_progress", [*ROUND, "state", "outcome"], AT_REST)


def _index(name: str, columns: list[str], where: str) -> None:
    op.create_index(
        op.f(name), "attempts", columns, unique=False, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
    )


def _fill(percent: int) -> None:
    """How full new pages become, of each month."""
    if op.get_bind().dialect.name == "postgresql":
        parts = sa.text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'attempts'::regclass")
        for (part,) in op.get_bind().execute(parts).all():
            op.execute(f"ALTER TABLE {part} SET (fillfactor = {percent})")
