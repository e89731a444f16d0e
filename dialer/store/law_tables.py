"""The tables of what only rules look at: contacts made elsewhere, and what persons agreed to.

Every change here needs a migration in `migrations/versions` (a test compares them).
"""

from sqlalchemy import Column, Date, Index, String, Table

from dialer.store.tables import Key, metadata
from dialer.store.types import Instant

EVERY = metadata
"""All tables, these among them."""

contacts = Table(
    "contacts",
    metadata,
    Column("contact_id", Key, primary_key=True),
    Column("person_id", String, nullable=False, index=True),
    Column("account_id", String, nullable=False, comment="empty: about all of the person's accounts"),
    Column("phone", String, nullable=False, index=True, comment="E.164, or empty"),
    Column("channel", String, nullable=False, comment="voice, sms, letter or visit"),
    Column("at", Instant, nullable=False),
    Column("event", String, nullable=False, comment="what happened, in the words that caps count"),
    Column("direction", String, nullable=False, comment="outbound or inbound"),
    Column("by", String, nullable=False, comment="creditor or agents"),
    Column("recorded_at", Instant, nullable=False),
    Index(
        "uq_contacts_once", "person_id", "account_id", "phone", "channel", "at", "event", "direction", "by", unique=True
    ),
    comment="Contacts made elsewhere, by the lender's staff or its agents: the caps count them too",
)

agreements = Table(
    "agreements",
    metadata,
    Column("person_id", String, primary_key=True),
    Column("kind", String, primary_key=True, comment="which rules it waives"),
    Column("given_on", Date, primary_key=True),
    Column("until", Date, comment="the last day it holds"),
    Column("recorded_at", Instant, nullable=False),
    comment="What a person agreed to, and for how long",
)
