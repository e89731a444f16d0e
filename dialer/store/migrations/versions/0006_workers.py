"""Many workers: who they are, what they have reserved on the lines, and numbers that nobody waits for."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "workers",
        sa.Column("worker", sa.String(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False, comment="its last sign of life"),
        sa.PrimaryKeyConstraint("worker", name=op.f("pk_workers")),
        comment="The daemons that dial from this database; one without a sign of life for long enough is dead",
    )
    op.create_table(
        "reservations",
        sa.Column("worker", sa.String(), nullable=False),
        sa.Column("line", sa.String(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False, comment="of the calls at once"),
        sa.Column("amount", sa.String(), nullable=False, comment="of the day's spend"),
        sa.Column("until", sa.BigInteger(), nullable=False, comment="then it returns by itself"),
        sa.PrimaryKeyConstraint("worker", "line", name=op.f("pk_reservations")),
        comment="What a worker may use of a line in the claim that it is about to make",
    )
    op.add_column("live_calls", sa.Column("line", sa.String(), nullable=True, comment="whose call it is"))
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.schema.CreateSequence(sa.Sequence("attempt_numbers")))


def downgrade() -> None:
    op.drop_column("live_calls", "line")
    op.drop_table("reservations")
    op.drop_table("workers")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.schema.DropSequence(sa.Sequence("attempt_numbers")))
