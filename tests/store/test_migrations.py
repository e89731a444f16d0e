"""Migrations on both databases: what they make, what they keep, and who comes second."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import JSON, Boolean, Connection, Date, Integer, MetaData, Numeric, inspect, select, text

from dialer.errors import DialerError
from dialer.store import holder, migrate, partitions, schema
from dialer.store.addresses import sqlite_file
from dialer.store.holder import no_daemon_of_before, only_one
from dialer.store.schema import HEAD, upgrade, version
from dialer.store.worker_tables import EVERY
from tests.support import postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without tables, on both."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/a.db"
        return
    with postgres.database(is_empty=True) as url:
        yield url


def within(url: str, work: Callable[[Connection], Any]) -> Any:
    with schema._looked_at(url) as (_, once):
        return once(work, writes=True)


def first_version(url: str, number: str = "0001") -> None:
    def make(connection: Connection) -> None:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.upgrade(config, number)

    within(url, make)


def fill(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    """Two rows in every table, something in every column; table → what is there now."""
    known = MetaData()
    known.reflect(connection)
    for table in known.tables.values():
        if table.name != "alembic_version":
            for number in (1, 2):
                row = {column.name: value(column.type, number) for column in table.columns}
                connection.execute(table.insert(), row)
    return content(connection, known)


def value(kind: Any, number: int) -> Any:
    if isinstance(kind, Boolean):
        return number == 1
    if isinstance(kind, JSON):
        return {"n": number}
    if isinstance(kind, Date):
        return date(2026, 1, number)
    return number if isinstance(kind, Integer | Numeric) else f"text {number}"


def content(connection: Connection, known: MetaData) -> dict[str, list[dict[str, Any]]]:
    """Of every table of these, the columns of these."""
    return {
        table.name: sorted((dict(row._mapping) for row in connection.execute(select(table))), key=repr)
        for table in known.tables.values()
        if table.name != "alembic_version"
    }


def test_an_old_database_comes_with_all_that_is_in_it(empty: str) -> None:
    first_version(empty)
    before = within(empty, fill)
    assert {"accounts", "attempts", "events", "verdicts", "attempt_accounts", "suppressions"} <= set(before)
    assert upgrade(empty) == "0001"
    assert version(empty) == HEAD

    def now(connection: Connection) -> dict[str, list[dict[str, Any]]]:
        known = MetaData()
        known.reflect(connection, only=[*before])
        return content(connection, known)

    after = within(empty, now)
    for name, rows in before.items():
        kept = [{column: row[column] for column in rows[0]} for row in after[name]]
        assert sorted(kept, key=repr) == rows, name


def test_placements_come_into_the_months_of_their_attempts() -> None:
    with postgres.database(is_empty=True) as url:
        first_version(url, "0010")
        first, last = partitions.ids_of(date(2026, 1, 1))
        keys = {1: 5, 2: first, 3: last - 1, 4: last}

        def months(connection: Connection) -> None:
            for name in ("attempts", "events", "verdicts"):
                made = f"CREATE TABLE {name}_2026_01 PARTITION OF {name} FOR VALUES FROM ({first}) TO ({last})"
                connection.execute(text(made))
            known = MetaData()
            known.reflect(connection, only=["placements"])
            placements = known.tables["placements"]
            for number, key in keys.items():
                row = {column.name: value(column.type, number) for column in placements.columns}
                connection.execute(placements.insert(), {**row, "attempt_id": key})
            connection.execute(text("SELECT setval('placements_placement_id_seq', 4)"))

        within(url, months)
        upgrade(url)
        lie = text("SELECT placement_id, attempt_id, tableoid::regclass::text FROM placements ORDER BY 1")
        other, month = "placements_other", "placements_2026_01"
        rows = [tuple(row) for row in within(url, lambda tx: tx.execute(lie).all())]
        assert rows == [(1, 5, other), (2, first, month), (3, last - 1, month), (4, last, other)]
        next_one = text("SELECT nextval('placements_placement_id_seq')")
        assert within(url, lambda tx: tx.execute(next_one).scalar()) == 5
        assert within(url, lambda tx: partitions.missing(tx, date(2026, 1, 20))) != []


def test_numbers_go_on_after_an_upgrade(empty: str) -> None:
    first_version(empty)
    within(empty, fill)
    if empty.startswith("postgresql"):
        within(empty, lambda tx: tx.execute(text("SELECT setval('events_event_id_seq', 2)")))
    upgrade(empty)
    added = text("INSERT INTO events (kind, at, received_at, stray, data) VALUES ('x', 1, 1, false, '{}')"
                 " RETURNING event_id")  # fmt: skip
    assert within(empty, lambda tx: tx.execute(added).scalar()) == 3


def test_what_the_index_of_the_planned_goes_by_holds_for_every_row(empty: str) -> None:
    first_version(empty, "0008")
    states = {1: "planned", 2: "cancelled", 3: "placing"}

    def odd(connection: Connection) -> None:
        known = MetaData()
        known.reflect(connection, only=["attempts"])
        attempts = known.tables["attempts"]
        set_at = {"claimed_at": 5, "settled_at": 5, "check_at": 5}
        for key, state in states.items():
            row = {column.name: value(column.type, key) for column in attempts.columns}
            times = {**set_at, "settled_at": None} if state != "planned" else set_at
            connection.execute(attempts.insert(), {**row, "attempt_id": key, "state": state, **times})

    within(empty, odd)
    upgrade(empty)
    wanted = text("SELECT attempt_id, claimed_at, settled_at, check_at, final FROM attempts ORDER BY attempt_id")
    rows = [tuple(row) for row in within(empty, lambda tx: tx.execute(wanted).all())]
    assert rows == [(1, None, None, 5, None), (2, 5, 2, None, "cancelled"), (3, 5, None, 5, None)]


def test_four_upgrade_at_once_and_one_does_it(empty: str) -> None:
    first_version(empty)
    with ThreadPoolExecutor(4) as four:
        assert {*four.map(lambda _: upgrade(empty), range(4))} <= {"0001", HEAD}
    assert version(empty) == HEAD


def test_four_make_an_empty_database_at_once(empty: str) -> None:
    with ThreadPoolExecutor(4) as four:
        assert {*four.map(lambda _: upgrade(empty), range(4))} <= {None, HEAD}
    assert version(empty) == HEAD


def test_what_is_not_ours_and_what_is_newer_is_refused(empty: str) -> None:
    within(empty, lambda tx: tx.execute(text("CREATE TABLE recipes (id INTEGER)")))
    with pytest.raises(DialerError, match="not ours"):
        upgrade(empty)
    within(empty, lambda tx: tx.execute(text("DROP TABLE recipes")))
    upgrade(empty)
    within(empty, lambda tx: tx.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(DialerError, match="newer dialer"):
        upgrade(empty)


def test_nothing_changes_under_a_daemon_of_before(empty: str) -> None:
    first_version(empty, "0008")
    with at_work(empty):
        with pytest.raises(DialerError, match=r"older .*; stop (it|them) first"):
            upgrade(empty)
        if empty.startswith("postgresql"):
            with pytest.raises(DialerError, match="older workers still dial from it"):
                upgrade(empty, holds=True)  # a new worker holds nothing there
        assert version(empty) == "0008"
    assert upgrade(empty) == "0008"
    with at_work(empty):
        assert upgrade(empty) == HEAD  # nothing is to be changed: every command comes here


def test_a_worker_whose_clock_ran_ahead_keeps_nobody_from_upgrading(postgres_url: str) -> None:
    with postgres.database(is_empty=True) as url:
        first_version(url, "0008")
        within(url, lambda connection: connection.execute(text(SEEN.format(ago_s=-3600))))
        assert upgrade(url) == "0008"


def test_a_daemon_upgrades_the_file_that_it_holds_and_others_wait_for_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    first_version(url)
    with only_one(url):
        assert upgrade(url) == "0001"  # the lock says that its daemon is of this version
    first_version(url := f"sqlite:///{tmp_path}/b.db")
    with only_one(url):
        assert upgrade(url, holds=True) == "0001"


def test_no_daemon_begins_while_somebody_upgrades(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    began = Event()

    def begin() -> None:
        with only_one(url):
            began.set()

    with ThreadPoolExecutor(1) as daemon:
        with no_daemon_of_before(url), no_daemon_of_before(url):
            begins = daemon.submit(begin)
            assert not began.wait(0.2)
        begins.result(10)
    assert began.is_set()


SEEN = """
INSERT INTO workers (worker, started_at, seen_at)
VALUES ('w', 0, (extract(epoch FROM clock_timestamp()) - {ago_s}) * 1000000)
ON CONFLICT (worker) DO UPDATE SET seen_at = excluded.seen_at
"""


@contextmanager
def at_work(url: str) -> Iterator[None]:
    """A daemon of before, as others see it: what lies beside a file names its process alone."""
    if url.startswith("postgresql"):
        within(url, lambda connection: connection.execute(text(SEEN.format(ago_s=1))))
        yield
        within(url, lambda connection: connection.execute(text(SEEN.format(ago_s=11))))
        return
    with only_one(url), pytest.MonkeyPatch.context() as patch:
        patch.setattr(holder, "PAUSE_S", 0.001)
        Path(f"{sqlite_file(url)}.daemon").write_text(f"{os.getpid()}\n")
        yield


DIVIDED = {"uq_events_identity", "uq_events_event_id", "uq_placements_placement_id", "uq_verdicts_verdict_id"}
"""PostgreSQL's own keys of divided tables: they name what the table is divided by."""
OF_SQLITE = "ix_attempts_progress"
"""An index that only SQLite has; PostgreSQL has another for the same."""


def test_the_migrations_make_the_tables_on_postgresql(postgres_url: str) -> None:
    def compare(connection: Connection) -> list[Any]:
        options = {"compare_type": True, "include_object": ours, "compare_server_default": False}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), EVERY))

    def ours(_: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
        return not (reflected and kind == "table" and name not in EVERY.tables)

    def told(found: Any) -> str:
        one = found[0] if isinstance(found, list) else found
        return f"{one[0]} {getattr(one[1], 'name', one[1])}"

    found = within(postgres_url, compare)
    assert [one for one in map(told, found) if one.split()[-1] not in {*DIVIDED, OF_SQLITE}] == []


def test_partial_indexes_have_their_conditions_on_postgresql(postgres_url: str) -> None:
    def made(connection: Connection) -> dict[str, str]:
        rows = connection.execute(text("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"))
        return {str(name): str(made) for name, made in rows}

    found = within(postgres_url, made)
    names = within(postgres_url, lambda tx: {
        table.name: {one["name"] for one in inspect(tx).get_indexes(table.name)} for table in EVERY.tables.values()
    })  # fmt: skip
    for table in EVERY.tables.values():
        indexes = [index for index in table.indexes if index.name != OF_SQLITE]
        assert {index.name for index in indexes} <= names[table.name], table.name
        for index in indexes:
            condition = index.dialect_options["postgresql"]["where"]
            assert (" WHERE " in found[str(index.name)]) == (condition is not None), index.name
    assert "WHERE ((claimed_at IS NULL) AND (settled_at IS NULL))" in found["ix_attempts_due"]
    assert not [name for name, text in found.items() if "attempts" in text and "state" in text], "no change in place"
    assert "WHERE (NOT cancelled)" in found["uq_attempt_accounts_round"]
    assert found["uq_attempt_accounts_round"].startswith("CREATE UNIQUE INDEX")
