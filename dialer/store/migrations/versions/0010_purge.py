"""Promises and tasks are found by their attempt, tasks by their person: a purge does not walk over all of them."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

FOUND_BY = (("promises", "attempt_id"), ("tasks", "attempt_id"), ("tasks", "person_id"))


def upgrade() -> None:
    for table, column in FOUND_BY:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)


def downgrade() -> None:
    for table, column in FOUND_BY:
        op.drop_index(op.f(f"ix_{table}_{column}"), table_name=table)
