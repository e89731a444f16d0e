"""The tables of the record: what was placed, the seals over it, what was erased, and who asked not to be called.

Every change here needs a migration in `migrations/versions` (a test compares them).
"""

from sqlalchemy import JSON, Boolean, Column, Date, Index, Integer, LargeBinary, String, Table, Text, false, text

from dialer.store.law_tables import EVERY
from dialer.store.tables import Key, metadata
from dialer.store.types import Instant

__all__ = ["EVERY"]

placements = Table(
    "placements",
    metadata,
    Column("placement_id", Key, primary_key=True),
    Column("attempt_id", Key, nullable=False, index=True),
    Column("campaign_id", Key, nullable=False),
    Column("version", Integer, comment="of the campaign file"),
    Column("person_id", String, nullable=False),
    Column("phone", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("script", String, nullable=False, comment="the script's name, or the message's"),
    Column("line", String),
    Column("caller", String),
    Column("worker", String),
    Column("claimed_at", Instant, nullable=False),
    comment="What was to be placed, written with the intent; an attempt's own row goes on changing, this one does not",
)

seals = Table(
    "seals",
    metadata,
    Column("seal_id", Key, primary_key=True),
    Column("chain", String, nullable=False, comment="the worker that sealed"),
    Column("number", Integer, nullable=False, comment="1, 2, 3 … within the chain"),
    Column("at", Instant, nullable=False),
    Column("version", Integer, nullable=False, comment="of the serialisation"),
    Column("parents", Text, nullable=False, comment="hashes of the seals before; the first of a chain names all ends"),
    Column("hash", String, nullable=False, comment="sha256 over the above and the parts"),
    Index("uq_seals_place", "chain", "number", unique=True),
    comment="One batch of the record each, chained",
)

seal_parts = Table(
    "seal_parts",
    metadata,
    Column("kind", String, primary_key=True, comment="the sealed table"),
    Column("seal_id", Key, primary_key=True),
    Column("first_id", Key, nullable=False),
    Column("last_id", Key, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("root", String, nullable=False, comment="sha256 over ids and digests, in the order of ids"),
    sqlite_with_rowid=False,
)

digests = Table(
    "digests",
    metadata,
    Column("kind", String, primary_key=True, comment="the sealed table"),
    Column("row_id", Key, primary_key=True),
    Column("seal_id", Key, nullable=False),
    Column("salt", LargeBinary, comment="gone with what was erased: without it nobody can try out phones"),
    Column("digest", LargeBinary, nullable=False, comment="sha256 over salt and row"),
    sqlite_with_rowid=False,
)

heads = Table(
    "heads",
    metadata,
    Column("chain", String, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("hash", String, nullable=False),
    Column("joined", Boolean, nullable=False, server_default=false(), comment="a later chain names it as its parent"),
    comment="Where each chain ends",
)

erasures = Table(
    "erasures",
    metadata,
    Column("erasure_id", Key, primary_key=True),
    Column("action_id", Key, nullable=False, comment="the purge or forget"),
    Column("at", Instant, nullable=False),
    Column("kind", String, nullable=False, comment="the sealed table"),
    Column("rows", Integer, nullable=False),
    Column("ids", Text, nullable=False, comment="1-20,25"),
    Column("remains", JSON, nullable=False, comment="id → digest of what remains of a row; empty: the rows are gone"),
    comment="Which sealed rows were erased; sealed itself",
)

opt_outs = Table(
    "opt_outs",
    metadata,
    Column("opt_out_id", Key, primary_key=True),
    Column("person_mark", String, index=True, comment="keyed hash of the person id"),
    Column("phone_mark", String, index=True, comment="keyed hash of the phone"),
    Column("both", Boolean, nullable=False, server_default=false(), comment="holds only for this person on this phone"),
    Column("channel", String, nullable=False, comment="voice, sms, or empty for both"),
    Column("until", Date, comment="the last day it holds, lender time"),
    Column("reason", String, nullable=False),
    Column("key", String, nullable=False, comment="which key made the marks"),
    Column("created_at", Instant, nullable=False),
    Column("lifted_at", Instant),
    Index("ix_opt_outs_key", "key", sqlite_where=text("lifted_at IS NULL"), postgresql_where=text("lifted_at IS NULL")),
    comment="Suppressions of forgotten persons",
)
