"""The migrations make exactly the tables, and an old or strange database is told apart."""

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect

from dialer.errors import DialerError
from dialer.store.migrate import versions
from dialer.store.schema import HEAD, upgrade
from dialer.store.tables import metadata


def test_migrations_equal_the_tables(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    assert upgrade(url) is None
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, metadata) == []
        found = inspect(connection)
        for table in metadata.tables.values():
            assert {i["name"] for i in found.get_indexes(table.name)} == {i.name for i in table.indexes}
    engine.dispose()
    assert upgrade(url) == HEAD == versions()[0]


def test_partial_indexes_come_with_their_conditions(tmp_path: Path) -> None:
    upgrade(f"sqlite:///{tmp_path}/a.db")
    with sqlite3.connect(tmp_path / "a.db") as connection:
        made = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"))
    connection.close()
    assert "WHERE state = 'planned'" in made["ix_attempts_due"]
    assert "WHERE NOT cancelled" in made["uq_attempt_accounts_round"]
    assert made["uq_attempt_accounts_round"].startswith("CREATE UNIQUE INDEX")


def test_a_newer_database_and_a_strange_one_are_refused(tmp_path: Path) -> None:
    upgrade(f"sqlite:///{tmp_path}/new.db")
    with sqlite3.connect(tmp_path / "new.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(DialerError, match="newer dialer"):
        upgrade(f"sqlite:///{tmp_path}/new.db")
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE recipes (id INTEGER)")
    connection.close()
    with pytest.raises(DialerError, match="not ours"):
        upgrade(f"sqlite:///{tmp_path}/other.db")
    (tmp_path / "text.db").write_text("this is no database at all, but long enough to look at" * 20)
    with pytest.raises(DialerError, match="not a database"):
        upgrade(f"sqlite:///{tmp_path}/text.db")
