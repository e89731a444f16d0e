"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("phone", sa.String(), nullable=False, comment="E.164"),
        sa.Column("country", sa.String(), nullable=False, comment="of the number"),
        sa.Column("line_type", sa.String(), nullable=False, comment="of the number"),
        sa.Column("zones", sa.String(), nullable=False, comment="all zones the person may be in, the stated one first"),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("time_zone", sa.String(), nullable=False, comment="as stated in the file, may be empty"),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("pay_to", sa.String(), nullable=False),
        sa.Column("consent_voice", sa.String(), nullable=False),
        sa.Column("consent_sms", sa.String(), nullable=False),
        sa.Column("imported_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_accounts")),
    )
    op.create_index(op.f("ix_accounts_person_id"), "accounts", ["person_id"], unique=False)
    op.create_index(op.f("ix_accounts_phone"), "accounts", ["phone"], unique=False)


def _actions() -> None:
    op.create_table(
        "actions",
        sa.Column("action_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.String(), nullable=False, comment="launch, pause, halt, suppress, lift, paid, import …"),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("action_id", name=op.f("pk_actions")),
    )


def _attempt_accounts() -> None:
    op.create_table(
        "attempt_accounts",
        sa.Column("attempt_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("installment_id", sa.String(), nullable=False),
        sa.Column("campaign_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("day_offset", sa.Integer(), nullable=False),
        sa.Column("window", sa.Integer(), nullable=False),
        sa.Column("try", sa.Integer(), nullable=False),
        sa.Column("cancelled", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("attempt_id", "account_id", name=op.f("pk_attempt_accounts")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "uq_attempt_accounts_round",
        "attempt_accounts",
        ["account_id", "installment_id", "campaign_id", "day_offset", "window", "try"],
        unique=True,
        sqlite_where=sa.text("NOT cancelled"),
        postgresql_where=sa.text("NOT cancelled"),
    )


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("attempt_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("campaign_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True, comment="of the campaign file it was placed under"),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("segment", sa.String(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("rounds", sa.Integer(), nullable=False),
        sa.Column("day_offset", sa.Integer(), nullable=False),
        sa.Column("window", sa.Integer(), nullable=False, comment="ordinal within the day"),
        sa.Column(
            "try", sa.Integer(), nullable=False, comment="1: the round itself; more: its follow-ups; 0: a confirmation"
        ),
        sa.Column(
            "cause", sa.String(), nullable=False, comment="round, retry, otherwise, infrastructure, confirmation"
        ),
        sa.Column("entry", sa.Integer(), nullable=False, comment="index of the segment's rounds table"),
        sa.Column("retries", sa.Integer(), nullable=False, comment="retries of this round made so far"),
        sa.Column("infra", sa.Integer(), nullable=False, comment="repeats after infrastructure failures so far"),
        sa.Column("otherwise_used", sa.Boolean(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("script", sa.String(), nullable=False, comment="the script's name, or the message's"),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("phone", sa.String(), nullable=False),
        sa.Column("country", sa.String(), nullable=False),
        sa.Column("line_type", sa.String(), nullable=False),
        sa.Column("zones", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True, comment="why cancelled or expired"),
        sa.Column("rule", sa.String(), nullable=True, comment="the rule that blocked it or made it expire"),
        sa.Column("due_at", sa.BigInteger(), nullable=False, comment="when to take it up next; deferrals move it"),
        sa.Column("planned_for", sa.BigInteger(), nullable=False, comment="the slot"),
        sa.Column("window_from", sa.BigInteger(), nullable=False),
        sa.Column("window_until", sa.BigInteger(), nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=False, comment="last instant at which it may be placed"),
        sa.Column("line", sa.String(), nullable=True),
        sa.Column("caller", sa.String(), nullable=True),
        sa.Column("worker", sa.String(), nullable=True, comment="who holds it while it runs"),
        sa.Column(
            "claimed_at",
            sa.BigInteger(),
            nullable=True,
            comment="when the intent was committed: from here it counts as a contact",
        ),
        sa.Column("placed_at", sa.BigInteger(), nullable=True),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("provider_ref", sa.String(), nullable=True),
        sa.Column("code", sa.String(), nullable=True, comment="the provider's raw code"),
        sa.Column("disposition", sa.String(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("detected", sa.String(), nullable=True, comment="human or machine, once detected"),
        sa.Column("position", sa.String(), nullable=True, comment="where the dialogue stands"),
        sa.Column("lost_at", sa.BigInteger(), nullable=True),
        sa.Column(
            "check_at",
            sa.BigInteger(),
            nullable=True,
            comment="when silence becomes loss, or when to ask the provider next",
        ),
        sa.Column("checks", sa.Integer(), server_default="0", nullable=False),
        sa.Column("returns", sa.Integer(), server_default="0", nullable=False, comment="times it came back unsent"),
        sa.Column(
            "withdrawn",
            sa.String(),
            nullable=True,
            comment="why it must not be placed any more, set while it is placing",
        ),
        sa.Column("cost", sa.String(), nullable=True, comment="reserved at placing, corrected at settling"),
        sa.PrimaryKeyConstraint("attempt_id", name=op.f("pk_attempts")),
    )
    op.create_index(
        "ix_attempts_due",
        "attempts",
        ["campaign_id", "channel", "priority", "due_at"],
        unique=False,
        sqlite_where=sa.text("state = 'planned'"),
        postgresql_where=sa.text("state = 'planned'"),
    )
    op.create_index("ix_attempts_person_id_claimed_at", "attempts", ["person_id", "claimed_at"], unique=False)
    op.create_index(
        "ix_attempts_provider_ref",
        "attempts",
        ["provider_ref"],
        unique=False,
        sqlite_where=sa.text("provider_ref IS NOT NULL"),
        postgresql_where=sa.text("provider_ref IS NOT NULL"),
    )
    op.create_index(
        "ix_attempts_running",
        "attempts",
        ["check_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('placing', 'placed', 'ringing', 'talking', 'lost')"),
        postgresql_where=sa.text("state IN ('placing', 'placed', 'ringing', 'talking', 'lost')"),
    )


def _campaign_versions() -> None:
    op.create_table(
        "campaign_versions",
        sa.Column("campaign_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False, comment="sha256 of the file"),
        sa.Column("text", sa.Text(), nullable=False, comment="the file, frozen"),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("launched_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", "version", name=op.f("pk_campaign_versions")),
    )


def _campaigns() -> None:
    op.create_table(
        "campaigns",
        sa.Column("campaign_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False, comment="active, paused, cancelled"),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("launched_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("planned_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("campaign_id", name=op.f("pk_campaigns")),
        sa.UniqueConstraint("name", name=op.f("uq_campaigns_name")),
    )


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("event_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("attempt_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="the provider's time"),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "identity", sa.String(), nullable=True, comment="the provider's own; empty for the engine's own events"
        ),
        sa.Column("stray", sa.Boolean(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_events")),
        sa.UniqueConstraint("identity", name=op.f("uq_events_identity")),
    )
    op.create_index(op.f("ix_events_attempt_id"), "events", ["attempt_id"], unique=False)


def _flags() -> None:
    op.create_table(
        "flags",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("set_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_flags")),
        comment="Switches of the whole installation; `halt` is the emergency stop",
    )


def _installments() -> None:
    op.create_table(
        "installments",
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("installment_id", sa.String(), nullable=False, comment="the file's, else the due date"),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("amount", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("paid_on", sa.Date(), nullable=True, comment="of the last payment known"),
        sa.Column("paid_amount", sa.String(), nullable=False, comment="cumulative"),
        sa.Column("is_open", sa.Boolean(), nullable=False, comment="paid_amount < amount"),
        sa.Column("imported_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "installment_id", name=op.f("pk_installments")),
    )
    op.create_index("ix_installments_account_id_due_on", "installments", ["account_id", "due_on"], unique=False)
    op.create_index(
        "ix_installments_open_due_on",
        "installments",
        ["due_on"],
        unique=False,
        sqlite_where=sa.text("is_open"),
        postgresql_where=sa.text("is_open"),
    )


def _lines() -> None:
    op.create_table(
        "lines",
        sa.Column("line", sa.String(), nullable=False),
        sa.Column("next_voice_at", sa.BigInteger(), nullable=False, comment="when the pace allows the next call"),
        sa.Column("next_sms_at", sa.BigInteger(), nullable=False),
        sa.Column("breaker", sa.String(), nullable=False, comment="closed, open, probing"),
        sa.Column("breaker_until", sa.BigInteger(), nullable=True),
        sa.Column("last_placed_at", sa.BigInteger(), nullable=True),
        sa.Column("heard_at", sa.BigInteger(), nullable=True, comment="when a worker last reported this line"),
        sa.PrimaryKeyConstraint("line", name=op.f("pk_lines")),
    )


def _live_calls() -> None:
    op.create_table(
        "live_calls",
        sa.Column("phone", sa.String(), nullable=False),
        sa.Column("attempt_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("phone", name=op.f("pk_live_calls")),
        comment="One running call or message to a number at a time",
    )
    op.create_index(op.f("ix_live_calls_attempt_id"), "live_calls", ["attempt_id"], unique=False)


def _members() -> None:
    op.create_table(
        "members",
        sa.Column("campaign_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("installment_id", sa.String(), nullable=False),
        sa.Column("late", sa.JSON(), nullable=False, comment="frozen late count by months looked back"),
        sa.Column("frozen_at", sa.BigInteger(), nullable=False),
        sa.Column("stopped", sa.String(), nullable=True, comment="the outcome that ended the rest of the rounds"),
        sa.Column("paused_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("campaign_id", "account_id", "installment_id", name=op.f("pk_members")),
    )


def _numbers() -> None:
    op.create_table(
        "numbers",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("next", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_numbers")),
        comment="The next free attempt id",
    )


def _payments() -> None:
    op.create_table(
        "payments",
        sa.Column("payment_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("installment_id", sa.String(), nullable=False),
        sa.Column("paid_on", sa.Date(), nullable=True),
        sa.Column("amount", sa.String(), nullable=False, comment="the change; negative for a reversal"),
        sa.Column("source", sa.String(), nullable=False, comment="import, command, reverse, api"),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("payment_id", name=op.f("pk_payments")),
    )
    op.create_index(op.f("ix_payments_account_id"), "payments", ["account_id"], unique=False)


def _persons() -> None:
    op.create_table(
        "persons",
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_persons")),
        comment="Locked together with their attempts, so that caps hold over workers",
    )


def _promises() -> None:
    op.create_table(
        "promises",
        sa.Column("promise_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("campaign_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("attempt_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("installment_id", sa.String(), nullable=False),
        sa.Column("promised_on", sa.Date(), nullable=False, comment="the day by which the person said to pay"),
        sa.Column("amount", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False, comment="open, kept, broken"),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("promise_id", name=op.f("pk_promises")),
    )
    op.create_index(op.f("ix_promises_account_id"), "promises", ["account_id"], unique=False)
    op.create_index(
        "ix_promises_open",
        "promises",
        ["promised_on"],
        unique=False,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )


def _spend() -> None:
    op.create_table(
        "spend",
        sa.Column("line", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False, comment="lender time"),
        sa.Column("amount", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("line", "day", name=op.f("pk_spend")),
    )


def _suppressions() -> None:
    op.create_table(
        "suppressions",
        sa.Column("suppression_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("phone", sa.String(), nullable=True),
        sa.Column("person_id", sa.String(), nullable=True),
        sa.Column(
            "both",
            sa.Boolean(),
            server_default=sa.false(),
            nullable=False,
            comment="holds only for this person on this phone",
        ),
        sa.Column("channel", sa.String(), nullable=False, comment="voice, sms, or empty for both"),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True, comment="the last day it holds, lender time"),
        sa.Column("source", sa.String(), nullable=False, comment="file, command, call, message, carrier, api"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("lifted_at", sa.BigInteger(), nullable=True),
        sa.Column("lifted_reason", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("suppression_id", name=op.f("pk_suppressions")),
    )
    op.create_index(op.f("ix_suppressions_person_id"), "suppressions", ["person_id"], unique=False)
    op.create_index(op.f("ix_suppressions_phone"), "suppressions", ["phone"], unique=False)


def _tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("task_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(), nullable=False, comment="call_back, review, fix_data"),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("attempt_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_tasks")),
    )


def _verdicts() -> None:
    op.create_table(
        "verdicts",
        sa.Column("verdict_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("attempt_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False, comment="planning or dialing"),
        sa.Column("verdict", sa.String(), nullable=False, comment="pass, defer or block"),
        sa.Column("rule", sa.String(), nullable=True),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("verdict_id", name=op.f("pk_verdicts")),
    )
    op.create_index(op.f("ix_verdicts_attempt_id"), "verdicts", ["attempt_id"], unique=False)
    # ### end Alembic commands ###


def upgrade() -> None:
    _accounts()
    _actions()
    _attempt_accounts()
    _attempts()
    _campaign_versions()
    _campaigns()
    _events()
    _flags()
    _installments()
    _lines()
    _live_calls()
    _members()
    _numbers()
    _payments()
    _persons()
    _promises()
    _spend()
    _suppressions()
    _tasks()
    _verdicts()


def downgrade() -> None:
    for table in (
        "verdicts",
        "tasks",
        "suppressions",
        "spend",
        "promises",
        "persons",
        "payments",
        "numbers",
        "members",
        "live_calls",
        "lines",
        "installments",
        "flags",
        "events",
        "campaigns",
        "campaign_versions",
        "attempts",
        "attempt_accounts",
        "actions",
        "accounts",
    ):
        op.drop_table(table)
