"""What is watched: progress by round, what a line placed lately, and how long its provider asked it to pause."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "lines",
        sa.Column("held_until", sa.BigInteger(), nullable=True, comment="the provider asked for a pause until then"),
    )
    op.create_index(
        op.f("ix_attempts_line_placed_at"),
        "attempts",
        ["line", "placed_at"],
        unique=False,
        sqlite_where=sa.text("line IS NOT NULL"),
        postgresql_where=sa.text("line IS NOT NULL"),
    )
    at_rest = "state IN ('planned', 'settled', 'expired', 'blocked', 'cancelled')"
    op.create_index(
        op.f("ix_attempts_progress"),
        "attempts",
        ["campaign_id", "segment", "round", "state", "outcome"],
        unique=False,
        sqlite_where=sa.text(at_rest),
        postgresql_where=sa.text(at_rest),
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_attempts_progress"), table_name="attempts")
    op.drop_index(op.f("ix_attempts_line_placed_at"), table_name="attempts")
    op.drop_column("lines", "held_until")
