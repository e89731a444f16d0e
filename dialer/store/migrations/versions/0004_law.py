"""What rules look at: contacts made elsewhere, agreements, roles, and the facts that a verdict rests on."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "contacts",
        sa.Column("contact_id", KEY, nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False, comment="empty: about all of the person's accounts"),
        sa.Column("phone", sa.String(), nullable=False, comment="E.164, or empty"),
        sa.Column("channel", sa.String(), nullable=False, comment="voice, sms, letter or visit"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.String(), nullable=False, comment="what happened, in the words that caps count"),
        sa.Column("direction", sa.String(), nullable=False, comment="outbound or inbound"),
        sa.Column("by", sa.String(), nullable=False, comment="creditor or agents"),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("contact_id", name=op.f("pk_contacts")),
        comment="Contacts made elsewhere, by the lender's staff or its agents: the caps count them too",
    )
    op.create_index(op.f("ix_contacts_person_id"), "contacts", ["person_id"], unique=False)
    op.create_index(op.f("ix_contacts_phone"), "contacts", ["phone"], unique=False)
    once = ["person_id", "account_id", "phone", "channel", "at", "event", "direction", "by"]
    op.create_index(op.f("uq_contacts_once"), "contacts", once, unique=True)
    op.create_table(
        "agreements",
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False, comment="which rules it waives"),
        sa.Column("given_on", sa.Date(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True, comment="the last day it holds"),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("person_id", "kind", "given_on", name=op.f("pk_agreements")),
        comment="What a person agreed to, and for how long",
    )
    for column in (
        sa.Column("role", sa.String(), nullable=False, server_default="borrower", comment="borrower or guarantor"),
        sa.Column("verify", sa.String(), nullable=False, server_default="",
                  comment="salted hash of what the person is asked for"),
        sa.Column("checked_on", sa.Date(), nullable=True,
                  comment="when the number was last looked up in a register of reassigned numbers"),
    ):  # fmt: skip
        op.add_column("accounts", column)
    saw = sa.Column("saw", sa.JSON(), nullable=True, comment="the facts a refusal rests on, to be told in any language")
    op.add_column("verdicts", saw)
    op.create_index(
        op.f("ix_attempts_phone_claimed_at"),
        "attempts",
        ["phone", "claimed_at"],
        unique=False,
        sqlite_where=sa.text("claimed_at IS NOT NULL"),
        postgresql_where=sa.text("claimed_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_attempts_phone_claimed_at"), table_name="attempts")
    op.drop_column("verdicts", "saw")
    for name in ("checked_on", "verify", "role"):
        op.drop_column("accounts", name)
    op.drop_table("agreements")
    op.drop_table("contacts")
