"""The tables. Every change here needs a migration in `migrations/versions` (a test compares them)."""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Computed,
    Date,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
    text,
)

from dialer.store.types import Instant, Money, Zones

FINAL = "CASE WHEN state IN ('settled', 'expired', 'blocked', 'cancelled') THEN state END"


def only(where: str) -> dict[str, Any]:
    """Of an index: for the rows of which that holds."""
    return {"sqlite_where": text(where), "postgresql_where": text(where)}


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives a row number of its own only to INTEGER, PostgreSQL wants BIGINT for millions of rows.
Key = BigInteger().with_variant(Integer, "sqlite")

flags = Table(
    "flags",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False),
    Column("set_at", Instant, nullable=False),
    comment="Switches of the whole installation; `halt` is the emergency stop",
)

numbers = Table(
    "numbers",
    metadata,
    Column("name", String, primary_key=True),
    Column("next", BigInteger, nullable=False),
    comment="The next free attempt id",
)

persons = Table(
    "persons",
    metadata,
    Column("person_id", String, primary_key=True),
    Column("created_at", Instant, nullable=False),
    comment="Locked together with their attempts, so that caps hold over workers",
)

accounts = Table(
    "accounts",
    metadata,
    Column("account_id", String, primary_key=True),
    Column("person_id", String, nullable=False, index=True),
    Column("name", String, nullable=False),
    Column("phone", String, nullable=False, index=True, comment="E.164"),
    Column("country", String, nullable=False, comment="of the number"),
    Column("line_type", String, nullable=False, comment="of the number"),
    Column("zones", Zones, nullable=False, comment="all zones the person may be in, the stated one first"),
    Column("language", String, nullable=False),
    Column("time_zone", String, nullable=False, comment="as stated in the file, may be empty"),
    Column("region", String, nullable=False),
    Column("pay_to", String, nullable=False),
    Column("consent_voice", String, nullable=False),
    Column("consent_sms", String, nullable=False),
    Column("role", String, nullable=False, server_default="borrower", comment="borrower or guarantor"),
    Column("verify", String, nullable=False, server_default="", comment="salted hash of what the person is asked for"),
    Column("checked_on", Date, comment="when the number was last looked up in a register of reassigned numbers"),
    Column("imported_at", Instant, nullable=False),
)

installments = Table(
    "installments",
    metadata,
    Column("account_id", String, primary_key=True),
    Column("installment_id", String, primary_key=True, comment="the file's, else the due date"),
    Column("due_on", Date, nullable=False),
    Column("amount", Money, nullable=False),
    Column("currency", String, nullable=False),
    Column("paid_on", Date, comment="of the last payment known"),
    Column("paid_amount", Money, nullable=False, comment="cumulative"),
    Column("is_open", Boolean, nullable=False, comment="paid_amount < amount"),
    Column("imported_at", Instant, nullable=False),
    Index("ix_installments_account_id_due_on", "account_id", "due_on"),
    Index("ix_installments_open_due_on", "due_on", **only("is_open")),
)

payments = Table(
    "payments",
    metadata,
    Column("payment_id", Key, primary_key=True),
    Column("account_id", String, nullable=False, index=True),
    Column("installment_id", String, nullable=False),
    Column("paid_on", Date),
    Column("amount", Money, nullable=False, comment="the change; negative for a reversal"),
    Column("source", String, nullable=False, comment="import, command, reverse, api"),
    Column("recorded_at", Instant, nullable=False),
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("suppression_id", Key, primary_key=True),
    Column("phone", String, index=True),
    Column("person_id", String, index=True),
    Column("both", Boolean, nullable=False, server_default=false(), comment="holds only for this person on this phone"),
    Column("channel", String, nullable=False, comment="voice, sms, or empty for both"),
    Column("reason", String, nullable=False),
    Column("until", Date, comment="the last day it holds, lender time"),
    Column("source", String, nullable=False, comment="file, command, call, message, carrier, api"),
    Column("created_at", Instant, nullable=False),
    Column("lifted_at", Instant),
    Column("lifted_reason", String),
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("campaign_id", Key, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("status", String, nullable=False, comment="active, paused, cancelled"),
    Column("version", Integer, nullable=False),
    Column("launched_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("planned_at", Instant),
)

versions = Table(
    "campaign_versions",
    metadata,
    Column("campaign_id", Key, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("digest", String, nullable=False, comment="sha256 of the file"),
    Column("text", Text, nullable=False, comment="the file, frozen"),
    Column("path", String, nullable=False),
    Column("launched_at", Instant, nullable=False),
)

members = Table(
    "members",
    metadata,
    Column("campaign_id", Key, primary_key=True),
    Column("account_id", String, primary_key=True),
    Column("installment_id", String, primary_key=True),
    Column("late", JSON, nullable=False, comment="frozen late count by months looked back"),
    Column("frozen_at", Instant, nullable=False),
    Column("stopped", String, comment="the outcome that ended the rest of the rounds"),
    Column("paused_until", Instant),
)

attempts = Table(
    "attempts",
    metadata,
    Column("attempt_id", Key, primary_key=True),
    Column("campaign_id", Key, nullable=False),
    Column("version", Integer, comment="of the campaign file it was placed under"),
    Column("person_id", String, nullable=False),
    Column("segment", String, nullable=False),
    Column("due_on", Date, nullable=False),
    Column("round", Integer, nullable=False),
    Column("rounds", Integer, nullable=False),
    Column("day_offset", Integer, nullable=False),
    Column("window", Integer, nullable=False, comment="ordinal within the day"),
    Column("try", Integer, nullable=False, comment="1: the round itself; more: its follow-ups; 0: a confirmation"),
    Column("cause", String, nullable=False, comment="round, retry, otherwise, infrastructure, confirmation"),
    Column("entry", Integer, nullable=False, comment="index of the segment's rounds table"),
    Column("retries", Integer, nullable=False, comment="retries of this round made so far"),
    Column("infra", Integer, nullable=False, comment="repeats after infrastructure failures so far"),
    Column("otherwise_used", Boolean, nullable=False),
    Column("channel", String, nullable=False),
    Column("script", String, nullable=False, comment="the script's name, or the message's"),
    Column("priority", Integer, nullable=False),
    Column("phone", String, nullable=False),
    Column("country", String, nullable=False),
    Column("line_type", String, nullable=False),
    Column("zones", Zones, nullable=False),
    # In no index of PostgreSQL's, which then changes most rows in their place, without a new entry in each index.
    Column("state", String, nullable=False),
    Column(
        "final",
        String,
        Computed(FINAL, persisted=True),
        comment="the state where it is a final one: by it they are counted",
    ),
    Column("reason", String, comment="why cancelled or expired"),
    Column("rule", String, comment="the rule that blocked it or made it expire"),
    Column("due_at", Instant, nullable=False, comment="when to take it up next; deferrals move it"),
    Column("planned_for", Instant, nullable=False, comment="the slot"),
    Column("window_from", Instant, nullable=False),
    Column("window_until", Instant, nullable=False),
    Column("valid_until", Instant, nullable=False, comment="last instant at which it may be placed"),
    Column("line", String),
    Column("caller", String),
    Column("worker", String, comment="who holds it while it runs"),
    Column("claimed_at", Instant, comment="when the intent was committed: from here it counts as a contact"),
    Column("placed_at", Instant),
    Column("answered_at", Instant),
    Column("ended_at", Instant),
    Column("settled_at", Instant),
    Column("provider_ref", String),
    Column("code", String, comment="the provider's raw code"),
    Column("disposition", String),
    Column("outcome", String),
    Column("detected", String, comment="human or machine, once detected"),
    Column("position", String, comment="where the dialogue stands"),
    Column("lost_at", Instant),
    Column("check_at", Instant, comment="when silence becomes loss, or when to ask the provider next"),
    Column("checks", Integer, nullable=False, server_default="0"),
    Column("returns", Integer, nullable=False, server_default="0", comment="times it came back unsent"),
    Column("withdrawn", String, comment="why it must not be placed any more, set while it is placing"),
    Column("cost", Money, comment="reserved at placing, corrected at settling"),
    Index(
        "ix_attempts_due",
        "campaign_id",
        "channel",
        "priority",
        "due_at",
        **only("claimed_at IS NULL AND settled_at IS NULL"),
    ),
    Index("ix_attempts_person_id_claimed_at", "person_id", "claimed_at"),
    # Persons may share a number. Partial: an attempt gets here once, when it is taken up.
    Index("ix_attempts_phone_claimed_at", "phone", "claimed_at", **only("claimed_at IS NOT NULL")),
    # What runs has a `check_at`, nothing else has one; by it, a change of state alone costs no work of this index.
    Index("ix_attempts_running", "check_at", **only("check_at IS NOT NULL")),
    Index("ix_attempts_provider_ref", "provider_ref", **only("provider_ref IS NOT NULL")),
    # For whoever watches: what does not run, counted from the index alone. PostgreSQL goes by `final`, see `state`;
    # SQLite can't count from an index with such a column, and needs the one that its condition names.
    Index(
        "ix_attempts_progress",
        "campaign_id",
        "segment",
        "round",
        "state",
        "outcome",
        "check_at",
        **only("check_at IS NULL"),
    ).ddl_if("sqlite"),
    Index(
        "ix_attempts_final", "campaign_id", "segment", "round", "final", "outcome", **only("check_at IS NULL")
    ).ddl_if("postgresql"),
    Index("ix_attempts_line_placed_at", "line", "placed_at", **only("placed_at IS NOT NULL")),
)

attempt_accounts = Table(
    "attempt_accounts",
    metadata,
    Column("attempt_id", Key, primary_key=True),
    Column("account_id", String, primary_key=True),
    Column("installment_id", String, nullable=False),
    Column("campaign_id", Key, nullable=False),
    Column("day_offset", Integer, nullable=False),
    Column("window", Integer, nullable=False),
    Column("try", Integer, nullable=False),
    Column("cancelled", Boolean, nullable=False, server_default=false()),
    # The last word against a second placement: whatever the engine believes, a round is made once.
    Index(
        "uq_attempt_accounts_round",
        "account_id",
        "installment_id",
        "campaign_id",
        "day_offset",
        "window",
        "try",
        unique=True,
        **only("NOT cancelled"),
    ),
    sqlite_with_rowid=False,
)

live_calls = Table(
    "live_calls",
    metadata,
    Column("phone", String, primary_key=True),
    Column("attempt_id", Key, nullable=False, index=True),
    Column("line", String, comment="whose call it is"),
    comment="One running call or message to a number at a time",
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("verdict_id", Key, primary_key=True),
    Column("attempt_id", Key, nullable=False, index=True),
    Column("at", Instant, nullable=False),
    Column("stage", String, nullable=False, comment="planning or dialing"),
    Column("verdict", String, nullable=False, comment="pass, defer or block"),
    Column("rule", String),
    Column("until", Instant),
    Column("reason", String),
    Column("saw", JSON(none_as_null=True), comment="the facts a refusal rests on, to be told in any language"),
)

events = Table(
    "events",
    metadata,
    Column("event_id", Key, primary_key=True),
    Column("attempt_id", Key, index=True),
    Column("kind", String, nullable=False),
    Column("at", Instant, nullable=False, comment="the provider's time"),
    Column("received_at", Instant, nullable=False),
    Column("identity", String, unique=True, comment="the provider's own; empty for the engine's own events"),
    Column("stray", Boolean, nullable=False),
    Column("data", JSON, nullable=False),
    # What made attempts lost, for the report; few events do.
    Index("ix_events_losses", "attempt_id", **only("kind IN ('uncertain', 'lease_expired', 'silent') AND NOT stray")),
)

promises = Table(
    "promises",
    metadata,
    Column("promise_id", Key, primary_key=True),
    Column("campaign_id", Key, nullable=False),
    Column("attempt_id", Key, nullable=False, index=True),
    Column("account_id", String, nullable=False, index=True),
    Column("installment_id", String, nullable=False),
    Column("promised_on", Date, nullable=False, comment="the day by which the person said to pay"),
    Column("amount", Money, nullable=False),
    Column("currency", String, nullable=False),
    Column("state", String, nullable=False, comment="open, kept, broken"),
    Column("made_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Index("ix_promises_open", "promised_on", **only("state = 'open'")),
)

tasks = Table(
    "tasks",
    metadata,
    Column("task_id", Key, primary_key=True),
    Column("kind", String, nullable=False, comment="call_back, review, fix_data"),
    Column("person_id", String, nullable=False, index=True),
    Column("attempt_id", Key, index=True),
    Column("detail", String, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("done_at", Instant),
    Index("ix_tasks_open_person_id", "person_id", **only("done_at IS NULL")),
)

lines = Table(
    "lines",
    metadata,
    Column("line", String, primary_key=True),
    Column("next_voice_at", Instant, nullable=False, comment="when the pace allows the next call"),
    Column("next_sms_at", Instant, nullable=False),
    Column("breaker", String, nullable=False, comment="closed, open, probing"),
    Column("breaker_until", Instant),
    Column("last_placed_at", Instant),
    Column("heard_at", Instant, comment="when a worker last reported this line"),
    Column("held_until", Instant, comment="the provider asked for a pause until then"),
)

spend = Table(
    "spend",
    metadata,
    Column("line", String, primary_key=True),
    Column("day", Date, primary_key=True, comment="lender time"),
    Column("amount", Money, nullable=False),
)

actions = Table(
    "actions",
    metadata,
    Column("action_id", Key, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("action", String, nullable=False, comment="launch, pause, halt, suppress, lift, paid, import …"),
    Column("subject", String, nullable=False),
    Column("detail", String, nullable=False),
)
