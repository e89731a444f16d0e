"""Indexes that an attempt's every step does not touch: by what is set when it begins and cleared when it ends."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

RUNNING = "state IN ('placing', 'placed', 'ringing', 'talking', 'lost')"


def upgrade() -> None:
    _again("ix_attempts_running", ["check_at"], "check_at IS NOT NULL")
    _again("ix_attempts_line_placed_at", ["line", "placed_at"], "placed_at IS NOT NULL")


def downgrade() -> None:
    _again("ix_attempts_running", ["check_at"], RUNNING)
    _again("ix_attempts_line_placed_at", ["line", "placed_at"], "line IS NOT NULL")


def _again(name: str, columns: list[str], where: str) -> None:
    op.drop_index(op.f(name), table_name="attempts")
    op.create_index(
        op.f(name), "attempts", columns, unique=False, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
    )
