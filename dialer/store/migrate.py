"""The only importer of Alembic: makes the tables and brings them from version to version."""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from dialer.store.postgres import UPGRADE

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(connection: Connection, look: Callable[[Connection], None]) -> None:
    """Runs what is missing up to the last version, in this transaction: who is killed in it leaves the old version.

    Whoever comes while another process upgrades waits for it, and finds nothing to do. `look`: of a server's database,
    asked whether it may be, when nobody else upgrades it.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE})
        look(connection)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def versions() -> list[str]:
    """Every version this program knows, the last one first."""
    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
