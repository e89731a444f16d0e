"""The migrations make exactly the tables, and an old or strange database is told apart."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, event, inspect, text

from dialer.errors import DialerError
from dialer.store import InlineStore, migrate, schema
from dialer.store.migrate import versions
from dialer.store.schema import HEAD, create, upgrade, version
from dialer.store.worker_tables import EVERY

OF_POSTGRESQL = "ix_attempts_final"
"""An index that only PostgreSQL has; SQLite has another for the same."""


def test_migrations_equal_the_tables(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    assert upgrade(url) is None
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        found = [one for one in compare_metadata(context, EVERY) if getattr(one[1], "name", "") != OF_POSTGRESQL]
        assert found == []
        there = inspect(connection)
        for table in EVERY.tables.values():
            assert {i["name"] for i in there.get_indexes(table.name)} == {
                index.name for index in table.indexes if index.name != OF_POSTGRESQL
            }
    engine.dispose()
    assert upgrade(url) == HEAD == versions()[0]


def test_partial_indexes_come_with_their_conditions(tmp_path: Path) -> None:
    upgrade(f"sqlite:///{tmp_path}/a.db")
    with sqlite3.connect(tmp_path / "a.db") as connection:
        made = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"))
    connection.close()
    assert "WHERE claimed_at IS NULL AND settled_at IS NULL" in made["ix_attempts_due"]
    assert "WHERE NOT cancelled" in made["uq_attempt_accounts_round"]
    assert made["uq_attempt_accounts_round"].startswith("CREATE UNIQUE INDEX")


def _indexes(connection: Connection) -> dict[str, str]:
    """Index → how it was made, conditions included; compare_metadata does not look at those."""
    made = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"))
    return {name: " ".join(sql.replace('"', "").split()) for name, sql in made}


def _first_version(path: Path) -> str:
    """A database as the first version made it."""
    url = f"sqlite:///{path}"
    engine = create_engine(url)
    with engine.begin() as connection:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    return url


def test_an_upgraded_database_has_the_indexes_of_a_new_one(tmp_path: Path) -> None:
    store = InlineStore()
    create(store)
    wanted = store.run(_indexes)
    url = _first_version(tmp_path / "a.db")
    assert upgrade(url) == "0001"
    engine = create_engine(url)
    with engine.connect() as connection:
        assert _indexes(connection) == wanted
    engine.dispose()


def test_an_upgrade_that_is_broken_off_leaves_the_version_before(tmp_path: Path) -> None:
    url = _first_version(tmp_path / "a.db")

    def die(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "ix_events_losses" in statement:
            raise KeyboardInterrupt

    event.listen(Engine, "before_cursor_execute", die)
    try:
        with pytest.raises(KeyboardInterrupt):
            upgrade(url)
    finally:
        event.remove(Engine, "before_cursor_execute", die)
    assert version(url) == "0001"
    assert upgrade(url) == "0001"
    assert version(url) == HEAD


def test_two_processes_upgrade_one_after_the_other(tmp_path: Path) -> None:
    url = _first_version(tmp_path / "a.db")
    with ThreadPoolExecutor(4) as four:
        assert {*four.map(lambda _: upgrade(url), range(4))} <= {"0001", HEAD}
    assert version(url) == HEAD


def test_who_finds_the_database_held_is_told_to_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "WAIT_S", 0.01)
    url = _first_version(tmp_path / "a.db")
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DialerError, match="held by another process, perhaps an upgrade; try again"):
            upgrade(url)


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
