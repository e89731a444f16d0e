"""Workers say what they go by, so that one with other settings than the rest is noticed."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    told = "digest of the settings and packs that all workers have to share"
    op.add_column("workers", sa.Column("goes_by", sa.String(), nullable=True, comment=told))


def downgrade() -> None:
    op.drop_column("workers", "goes_by")
