"""`dialer db copy`: every row as it was, the record still sealed, no number given twice; or nothing at all."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from dialer import audit, mark, operate, transfer
from dialer.errors import DialerError
from dialer.house import House
from dialer.mark import Mark
from dialer.store import InlineStore, Store, Tx, ends, peek, schema, worker_tables
from dialer.store.common import first_number, flag, insert_all, put_all, take_numbers
from dialer.store.holder import only_one
from dialer.store.restored import High
from dialer.store.transfer import tables
from tests.support import postgres
from tests.support.postgres import in_thread
from tests.support.scene import SHANGHAI, Scene, play
from tests.unit.test_record import days

NOW = datetime(2026, 1, 20, tzinfo=SHANGHAI)
DUE = date(2026, 2, 15)


@dataclass
class Still:
    """A clock that stands."""

    def now(self) -> datetime:
        return NOW


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days of an installation, sealed; at its end nothing runs."""
    folder = tmp_path_factory.mktemp("moved")

    async def act(scene: Scene) -> None:
        await days(scene)
        assert isinstance(scene.house.store, InlineStore)
        with closing(sqlite3.connect(folder / "whole.db")) as file, scene.house.store._engine.connect() as ours:
            raw: Any = ours.connection.driver_connection
            raw.backup(file)
            file.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
            file.execute("INSERT INTO alembic_version VALUES (?)", (schema.HEAD,))
            file.commit()

    play(folder, "2026-01-12 08:00", act)
    return folder / "whole.db"


@pytest.fixture
def source(whole: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(whole, tmp_path / 'dialer.db')}"


def copy(source: str, to: str, hear: Callable[[int], None] = lambda rows: None) -> dict[str, int]:
    return in_thread(transfer.copy(source, to, Still(), lambda rows: hear)).tables  # type: ignore[arg-type]


def content(url: str) -> dict[str, list[Any]]:
    """Every row of every table, as it is stored."""

    async def read() -> dict[str, list[Any]]:
        async with ends.begun(url) as end:
            return {table.name: [row async for page in end.pages(table) for row in page] for table in tables()}

    return in_thread(read())


def write(url: str, work: Callable[[Tx], Any]) -> Any:
    async def run() -> Any:
        store = Store(url)
        try:
            return await store.write(work)
        finally:
            await store.close()

    return in_thread(run())


def sql(statement: str) -> Callable[[Tx], Any]:
    return lambda tx: tx.execute(text(statement))


def test_there_and_back_every_row_is_the_same_and_the_record_is_intact(source: str, tmp_path: Path) -> None:
    before, heard = content(source), 0

    def hear(rows: int) -> None:
        nonlocal heard
        heard += rows

    with postgres.database(is_empty=True) as server:
        moved = copy(source, server, hear)
        assert content(server) == before
        assert moved == {name: len(rows) for name, rows in before.items()}
        assert heard == 2 * sum(moved.values())
        assert moved["events"] > 10
        found = peek.read(server, lambda tx: audit.verify(tx, NOW, None))
        assert (found.intact, found.seals, found.wrong) == (True, 4, 0)
        # The old one dials nothing any more, the new one is as the old one was.
        assert peek.read(source, lambda tx: flag(tx, "halt")).startswith("moved to postgresql://")
        assert peek.read(server, lambda tx: flag(tx, "halt")) == ""
        back = f"sqlite:///{tmp_path}/back.db"
        copy(server, back)
        after = content(back)
        assert {name: rows for name, rows in after.items() if name != "numbers"} == {
            name: rows for name, rows in before.items() if name != "numbers"
        }
        found = peek.read(back, lambda tx: audit.verify(tx, NOW, None))
        assert (found.intact, found.seals) == (True, 4)


def test_numbers_go_on_beyond_all_that_were_given(source: str, tmp_path: Path) -> None:
    used = {row[0] for row in content(source)["attempts"]}
    with postgres.database(is_empty=True) as server, postgres.database(is_empty=True) as other:
        copy(source, server)
        added = "INSERT INTO actions (at, action, subject, detail) VALUES (1, 'halt', '', '') RETURNING action_id"
        actions = {row[0] for row in content(server)["actions"]}
        assert write(server, lambda tx: tx.execute(text(added)).scalar()) == max(actions) + 1
        (new,) = write(server, lambda tx: take_numbers(tx, [DUE]))
        assert new > first_number(DUE) + max(used)
        row = f"UPDATE attempts SET attempt_id = {new}, due_on = '{DUE}' WHERE attempt_id = {max(used)}"
        write(server, sql(row))
        copy(server, other)  # an attempt of a month that the other has no table for yet
        (month,) = peek.read(other, lambda tx: tx.execute(text("SELECT attempt_id FROM attempts_2026_02")).scalars())
        assert month == new
        assert write(other, lambda tx: take_numbers(tx, [DUE])) > [new]
        back = f"sqlite:///{tmp_path}/back.db"
        copy(other, back)
        (next_,) = write(back, lambda tx: take_numbers(tx, [date(2026, 1, 1)]))
        assert next_ > new
        with postgres.database(is_empty=True) as again:
            copy(back, again)
            (last,) = write(again, lambda tx: take_numbers(tx, [DUE]))
            assert last > next_


def test_a_database_in_which_somebody_dials_is_not_copied(source: str, postgres_url: str) -> None:
    with only_one(source), pytest.raises(DialerError, match="nothing was copied: another daemon"):
        copy(source, postgres_url)
    for state, told in (("placing", "1 attempts are being placed"), ("talking", "the end of 1 attempts is not known")):
        write(source, sql(f"UPDATE attempts SET state = '{state}' WHERE attempt_id = 1"))
        with pytest.raises(DialerError, match=told):
            copy(source, postgres_url)
    assert not any(content(postgres_url).values())
    write(source, sql("INSERT INTO flags VALUES ('halt', 'moving', 1)"))
    assert copy(source, postgres_url)["attempts"] > 0
    assert peek.read(postgres_url, lambda tx: flag(tx, "halt")) == "moving"


def test_a_copy_that_is_refused_or_breaks_off_leaves_no_file(source: str, tmp_path: Path) -> None:
    before, to = {*tmp_path.iterdir()}, f"sqlite:///{tmp_path}/new.db"
    with only_one(source):  # a daemon's own lock stays
        with pytest.raises(DialerError, match="another daemon"):
            copy(source, to)
        assert {*tmp_path.iterdir()} == before | {tmp_path / "dialer.db.daemon"}
    (tmp_path / "dialer.db.daemon").unlink()
    write(source, sql("UPDATE attempts SET state = 'placing' WHERE attempt_id = 1"))
    with pytest.raises(DialerError, match="1 attempts are being placed"):
        copy(source, to)
    write(source, sql("UPDATE attempts SET state = 'settled' WHERE attempt_id = 1"))

    def breaks(rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(source, to, breaks)
    assert {*tmp_path.iterdir()} == before
    copy(source, to)
    assert {*tmp_path.iterdir()} == before | {tmp_path / "new.db"}


def test_where_another_installation_placed_something_nothing_is_copied_to(source: str, tmp_path: Path) -> None:
    to, path = f"sqlite:///{tmp_path}/new.db", tmp_path / "new.db.mark"
    before = {*tmp_path.iterdir(), path}
    mark.write(path, Mark("another", High(placements=7)))
    with pytest.raises(DialerError, match=r"new.db.mark says that 7 calls and messages were placed from another inst"):
        copy(source, to)
    assert {*tmp_path.iterdir()} == before
    mark.write(path, Mark(write(source, lambda tx: mark.token(tx, NOW)), High(placements=7)))
    copy(source, to)  # back where it was


@pytest.mark.parametrize(
    "name", ["dialer.db-wal", "dialer.db-shm", "dialer.db-journal", "dialer.db.mark", "./dialer.db-wal"]
)
def test_nothing_is_copied_to_what_belongs_to_the_database(source: str, tmp_path: Path, name: str) -> None:
    # SQLite took the `-wal` for its own and away: the copy was gone, and the database could not be read.
    before = content(source)
    with pytest.raises(DialerError, match=r"nothing was copied: .* belongs to the database .*dialer\.db; name another"):
        copy(source, f"sqlite:///{tmp_path}/{name}")
    assert content(source) == before
    assert not (tmp_path / name).exists()


def test_nothing_is_copied_to_where_the_database_would_be_taken_for_a_log(source: str, tmp_path: Path) -> None:
    odd = f"sqlite:///{shutil.move(tmp_path / 'dialer.db', tmp_path / 'new.db-wal')}"
    with pytest.raises(DialerError, match=r"nothing was copied: .*new\.db-wal belongs to the database .*new\.db;"):
        copy(odd, f"sqlite:///{tmp_path}/new.db")
    assert content(odd)["attempts"]


def test_a_link_leads_to_the_same_lock(source: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "linked.db"
    link.symlink_to(tmp_path / "dialer.db")
    with only_one(source), pytest.raises(DialerError, match="another daemon"), only_one(f"sqlite:///{link}"):
        pytest.fail("two daemons have the same file")


def test_who_locks_a_file_that_was_taken_away_meanwhile_locks_the_next(source: str, tmp_path: Path) -> None:
    path = tmp_path / "dialer.db.daemon"
    opened, was = [], Path.open

    def taken_away(self: Path, *how: Any, **more: Any) -> Any:
        handle = was(self, *how, **more)
        if self == path and not opened:
            path.unlink()
        opened.append(handle)
        return handle

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", taken_away)
        with only_one(source):
            assert len(opened) == 2
            assert path.exists()


def _seen(tx: Tx, at: datetime, started_at: datetime) -> None:
    put_all(tx, worker_tables.workers, [{"worker": "w-1", "started_at": started_at, "seen_at": at, "goes_by": None}])


def test_a_worker_that_lives_is_seen_on_a_server_and_a_dead_one_is_copied(postgres_url: str, tmp_path: Path) -> None:
    async def now() -> datetime:
        async with ends.begun(postgres_url) as end:
            assert isinstance(end, ends.ServerEnd)
            return await end.now()

    at, to = in_thread(now()), f"sqlite:///{tmp_path}/a.db"
    write(postgres_url, lambda tx: _seen(tx, at, at))
    with pytest.raises(DialerError, match=r"a worker dials from it \(w-1\); stop every daemon first"):
        copy(postgres_url, to)
    write(postgres_url, lambda tx: _seen(tx, at - timedelta(minutes=1), at))
    assert copy(postgres_url, to)["workers"] == 1


def test_only_an_empty_database_is_copied_to(source: str, postgres_url: str, tmp_path: Path) -> None:
    with pytest.raises(DialerError, match="is the database that is in use"):
        copy(source, f"sqlite:///{tmp_path}/../{tmp_path.name}/dialer.db")
    write(postgres_url, sql("INSERT INTO persons VALUES ('P-1', 1)"))
    with pytest.raises(DialerError, match=r"is not empty \(persons 1 rows\); name an empty database"):
        copy(source, postgres_url)
    with sqlite3.connect(tmp_path / "strange.db") as strange:
        strange.execute("CREATE TABLE recipes (id INTEGER)")
    strange.close()
    with pytest.raises(DialerError, match="not ours"):
        copy(source, f"sqlite:///{tmp_path}/strange.db")
    with pytest.raises(DialerError, match="there is no database"):
        copy(f"sqlite:///{tmp_path}/absent.db", source)
    assert peek.read(source, lambda tx: flag(tx, "halt")) == ""


def test_what_was_written_by_hand_is_refused_without_its_value_and_can_be_mended(source: str) -> None:
    with postgres.database(is_empty=True) as server:
        for bad, good in (("rounds = 'Wang Li'", "rounds = 2"), ("due_on = 'Wang Li'", "due_on = '2026-01-15'")):
            write(source, sql(f"UPDATE attempts SET {bad} WHERE attempt_id = 1"))
            with pytest.raises(DialerError, match="attempts: a value is not of its column's kind") as refused:
                copy(source, server)
            assert "Wang" not in str(refused.value)
            write(source, sql(f"UPDATE attempts SET {good} WHERE attempt_id = 1"))
            assert not any(content(server).values())
        assert copy(source, server)["attempts"] > 0


@pytest.mark.parametrize("fault", ["lost", "changed"])
def test_what_is_not_read_back_as_it_was_written_is_not_kept(
    source: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    put = ends.ServerEnd.put

    async def bad(end: ends.ServerEnd, table: Any, rows: Any) -> None:
        if table.name == "persons":
            rows = rows[:-1] if fault == "lost" else [*rows[:-1], (rows[-1][0], 5)]
        await put(end, table, rows)

    monkeypatch.setattr(ends.ServerEnd, "put", bad)
    with pytest.raises(DialerError, match="persons: the rows that were read back are not those that were written"):
        copy(source, postgres_url)
    assert not any(content(postgres_url).values())
    assert peek.read(source, lambda tx: flag(tx, "halt")) == ""


def test_every_kind_of_value_goes_both_ways(tmp_path: Path, postgres_url: str) -> None:
    """Long texts, every script, quotes and backslashes, empty and absent, a document that is but a number."""
    from dialer.store import tables as t

    first = f"sqlite:///{tmp_path}/a.db"
    schema.upgrade(first)
    names = ["", "a\tb\nc\\N\\.", "王丽 😀 é e\u0301", "'\"", "x" * 100_000]
    rows = [{"name": f"{n}{name}", "value": name, "set_at": NOW} for n, name in enumerate(names)]
    write(first, lambda tx: insert_all(tx, t.flags, rows))
    for data in ("5", "5.50", '{"a": [1, null, "\\u00e9"]}', "null"):
        write(
            first,
            lambda tx, data=data: tx.execute(
                text("INSERT INTO events (kind, at, received_at, stray, data) VALUES ('x', -1, 2, 1, :data)"),
                {"data": data},
            ),
        )
    before = content(first)
    copy(first, postgres_url)
    assert content(postgres_url) == before


def test_a_database_that_was_moved_stays_halted(tmp_path: Path, whole: Path) -> None:
    """From both of them everybody would be called twice."""
    old, to = tmp_path / "old.db", f"sqlite:///{tmp_path}/new.db"
    shutil.copy(whole, old)
    copy(f"sqlite:///{old}", to)

    async def lift() -> None:
        store = Store(f"sqlite:///{old}")
        try:
            await operate.unhalt(House(None, Still(), store))  # type: ignore[arg-type]
        finally:
            await store.close()

    with pytest.raises(DialerError, match=r"was moved to .*new\.db.*; the halt stays"):
        in_thread(lift())
    with pytest.raises(DialerError, match=r"was moved to .*new\.db.*: that one goes on"):
        copy(f"sqlite:///{old}", f"sqlite:///{tmp_path}/second.db")
    assert not (tmp_path / "second.db").exists()
