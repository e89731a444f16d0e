"""PostgreSQL: placements too in a table a month: one that is over goes with all that is written of a call."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TOLD = "What was to be placed, written with the intent; an attempt's own row goes on changing, this one does not"
PARTS = """
SELECT part.relname, pg_get_expr(part.relpartbound, part.oid) FROM pg_inherits
JOIN pg_class part ON part.oid = inhrelid WHERE inhparent = 'attempts'::regclass ORDER BY 1
"""


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("ALTER TABLE placements RENAME TO placements_whole")
    like = "LIKE placements_whole INCLUDING DEFAULTS INCLUDING COMMENTS"
    op.execute(f"CREATE TABLE placements ({like}) PARTITION BY RANGE (attempt_id)")
    op.create_table_comment("placements", TOLD)
    op.execute("ALTER SEQUENCE placements_placement_id_seq OWNED BY placements.placement_id")
    for name, bound in op.get_bind().execute(sa.text(PARTS)).all():
        op.execute(f"CREATE TABLE {name.replace('attempts', 'placements')} PARTITION OF placements {bound}")
    op.execute("INSERT INTO placements SELECT * FROM placements_whole")
    op.execute("DROP TABLE placements_whole")
    op.create_index(op.f("ix_placements_attempt_id"), "placements", ["attempt_id"], unique=False)
    op.execute("CREATE UNIQUE INDEX uq_placements_placement_id ON placements (placement_id, attempt_id)")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        raise NotImplementedError("what was divided by months is not put together again")
