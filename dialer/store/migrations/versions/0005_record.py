"""The record: placements, seals over what happened, what was erased, and the opt-outs of forgotten persons."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _placements() -> None:
    op.create_table(
        "placements",
        sa.Column("placement_id", KEY, nullable=False),
        sa.Column("attempt_id", KEY, nullable=False),
        sa.Column("campaign_id", KEY, nullable=False),
        sa.Column("version", sa.Integer(), nullable=True, comment="of the campaign file"),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("phone", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("script", sa.String(), nullable=False, comment="the script's name, or the message's"),
        sa.Column("line", sa.String(), nullable=True),
        sa.Column("caller", sa.String(), nullable=True),
        sa.Column("worker", sa.String(), nullable=True),
        sa.Column("claimed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("placement_id", name=op.f("pk_placements")),
        comment=(
            "What was to be placed, written with the intent; an attempt's own row goes on changing, this one does not"
        ),
    )
    op.create_index(op.f("ix_placements_attempt_id"), "placements", ["attempt_id"], unique=False)


def _seals() -> None:
    op.create_table(
        "seals",
        sa.Column("seal_id", KEY, nullable=False),
        sa.Column("chain", sa.String(), nullable=False, comment="the worker that sealed"),
        sa.Column("number", sa.Integer(), nullable=False, comment="1, 2, 3 … within the chain"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, comment="of the serialisation"),
        sa.Column("parents", sa.Text(), nullable=False,
                  comment="hashes of the seals before; the first of a chain names all ends"),
        sa.Column("hash", sa.String(), nullable=False, comment="sha256 over the above and the parts"),
        sa.PrimaryKeyConstraint("seal_id", name=op.f("pk_seals")),
        comment="One batch of the record each, chained",
    )  # fmt: skip
    op.create_index(op.f("uq_seals_place"), "seals", ["chain", "number"], unique=True)
    op.create_table(
        "seal_parts",
        sa.Column("kind", sa.String(), nullable=False, comment="the sealed table"),
        sa.Column("seal_id", KEY, nullable=False),
        sa.Column("first_id", KEY, nullable=False),
        sa.Column("last_id", KEY, nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("root", sa.String(), nullable=False, comment="sha256 over ids and digests, in the order of ids"),
        sa.PrimaryKeyConstraint("kind", "seal_id", name=op.f("pk_seal_parts")),
        sqlite_with_rowid=False,
    )


def _digests() -> None:
    op.create_table(
        "digests",
        sa.Column("kind", sa.String(), nullable=False, comment="the sealed table"),
        sa.Column("row_id", KEY, nullable=False),
        sa.Column("seal_id", KEY, nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=True,
                  comment="gone with what was erased: without it nobody can try out phones"),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="sha256 over salt and row"),
        sa.PrimaryKeyConstraint("kind", "row_id", name=op.f("pk_digests")),
        sqlite_with_rowid=False,
    )  # fmt: skip
    op.create_table(
        "heads",
        sa.Column("chain", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("joined", sa.Boolean(), nullable=False, server_default=sa.false(),
                  comment="a later chain names it as its parent"),
        sa.PrimaryKeyConstraint("chain", name=op.f("pk_heads")),
        comment="Where each chain ends",
    )  # fmt: skip


def _erasures() -> None:
    op.create_table(
        "erasures",
        sa.Column("erasure_id", KEY, nullable=False),
        sa.Column("action_id", KEY, nullable=False, comment="the purge or forget"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False, comment="the sealed table"),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("ids", sa.Text(), nullable=False, comment="1-20,25"),
        sa.Column("remains", sa.JSON(), nullable=False,
                  comment="id → digest of what remains of a row; empty: the rows are gone"),
        sa.PrimaryKeyConstraint("erasure_id", name=op.f("pk_erasures")),
        comment="Which sealed rows were erased; sealed itself",
    )  # fmt: skip


def _opt_outs() -> None:
    op.create_table(
        "opt_outs",
        sa.Column("opt_out_id", KEY, nullable=False),
        sa.Column("person_mark", sa.String(), nullable=True, comment="keyed hash of the person id"),
        sa.Column("phone_mark", sa.String(), nullable=True, comment="keyed hash of the phone"),
        sa.Column("both", sa.Boolean(), nullable=False, server_default=sa.false(),
                  comment="holds only for this person on this phone"),
        sa.Column("channel", sa.String(), nullable=False, comment="voice, sms, or empty for both"),
        sa.Column("until", sa.Date(), nullable=True, comment="the last day it holds, lender time"),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False, comment="which key made the marks"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("lifted_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("opt_out_id", name=op.f("pk_opt_outs")),
        comment="Suppressions of forgotten persons",
    )  # fmt: skip
    holds = sa.text("lifted_at IS NULL")
    op.create_index(op.f("ix_opt_outs_key"), "opt_outs", ["key"], sqlite_where=holds, postgresql_where=holds)
    op.create_index(op.f("ix_opt_outs_person_mark"), "opt_outs", ["person_mark"], unique=False)
    op.create_index(op.f("ix_opt_outs_phone_mark"), "opt_outs", ["phone_mark"], unique=False)


def upgrade() -> None:
    op.create_index(
        op.f("ix_tasks_open_person_id"),
        "tasks",
        ["person_id"],
        unique=False,
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )
    _placements()
    _seals()
    _digests()
    _erasures()
    _opt_outs()


def downgrade() -> None:
    op.drop_index(op.f("ix_tasks_open_person_id"), table_name="tasks")
    for table in ("opt_outs", "erasures", "heads", "digests", "seal_parts", "seals", "placements"):
        op.drop_table(table)
