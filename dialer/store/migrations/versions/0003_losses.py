"""Which attempts were ever lost, for the report: without it, it reads every event."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

LOSSES = "kind IN ('uncertain', 'lease_expired', 'silent') AND NOT stray"


def upgrade() -> None:
    op.create_index(
        op.f("ix_events_losses"),
        "events",
        ["attempt_id"],
        unique=False,
        sqlite_where=sa.text(LOSSES),
        postgresql_where=sa.text(LOSSES),
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_events_losses"), table_name="events")
