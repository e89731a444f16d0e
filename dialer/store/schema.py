"""The schema's versions: made and upgraded by Alembic, from the first day."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect
from sqlalchemy.engine import URL, Engine
from sqlalchemy.exc import DatabaseError

from dialer.errors import DialerError
from dialer.store.database import InlineStore, driver_url
from dialer.store.tables import metadata

MIGRATIONS = Path(__file__).parent / "migrations"


def create(store: InlineStore) -> None:
    """All tables at once, for a simulation's database that nobody upgrades."""
    store.run(metadata.create_all)


def upgrade(url: str) -> str | None:
    """Brings the database to this program's version, making it if need be. Returns the version it came from.

    Raises DialerError where the file is no database of ours, or a newer program wrote it.
    """
    parsed = _sync(driver_url(url))
    engine = create_engine(parsed)
    try:
        before = _version(engine, parsed)
        if before != head():
            with engine.begin() as connection:
                config = _config()
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        return before
    except DatabaseError as error:
        raise DialerError(f"database {_shown(parsed)}: {error.orig}; name another file, or restore a backup") from error
    finally:
        engine.dispose()


def head() -> str:
    """The version this program knows."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def _version(engine: Engine, url: URL) -> str | None:
    with engine.connect() as connection:
        version = MigrationContext.configure(connection).get_current_revision()
        strange = version is None and bool(inspect(connection).get_table_names())
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if strange:
        raise DialerError(f"database {_shown(url)} holds tables that are not ours; name another file")
    if version is not None and version not in known:
        raise DialerError(f"database {_shown(url)} has version {version}, made by a newer dialer; upgrade the program")
    return version


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def _sync(parsed: URL) -> URL:
    return parsed.set(drivername=parsed.get_backend_name())


def _shown(url: URL) -> str:
    return url.database or url.render_as_string(hide_password=True)
