"""The record: whoever changes, removes or puts in a row after it was sealed is told of it, with table and id."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialer import audit, operate, record
from dialer.audit import Audit
from dialer.clock import SystemClock
from dialer.errors import DialerError
from dialer.house import House
from dialer.store import InlineStore, Tx
from dialer.store.record import COLUMNS, TABLES, VERSION
from tests.fuzz.support import SHORT_AND_LONG
from tests.support.scene import ALICE, BOB, SHANGHAI, Scene, account, due, play

KINDS = ["verdicts", "events", "placements", "actions"]
KEYS = {"verdicts": "verdict_id", "events": "event_id", "placements": "placement_id", "actions": "action_id"}
NOW = datetime(2026, 1, 20, tzinfo=SHANGHAI)
PEOPLE = 4
Tamper = Callable[[sqlite3.Connection], None]


async def days(scene: Scene) -> None:
    """Three days with calls and an operator, sealed by one worker and then by another."""
    scene.mock.on(ALICE).answers(keys="1")
    scene.mock.on(BOB).answers(keys="9")
    await scene.load(
        "".join(account(n, f"+86138001380{n:02}") for n in range(1, PEOPLE + 1)),
        "".join(due(n, "2026-01-15") for n in range(1, PEOPLE + 1)),
    )
    await scene.launch()
    await scene.start()
    for until, chain in (
        ("2026-01-14 10:30", "first"),
        ("2026-01-14 13:00", "first"),
        ("2026-01-15 14:30", "second"),
        ("2026-01-15 18:00", "second"),
    ):
        await scene.until(until)
        await operate.halt(scene.house, "a look")
        await operate.unhalt(scene.house)
        assert await record.seal(scene.house, chain) > 0
        assert await record.seal(scene.house, chain) == 0


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a sealed record, to be copied."""
    folder = tmp_path_factory.mktemp("record")

    async def act(scene: Scene) -> None:
        await days(scene)
        assert isinstance(scene.house.store, InlineStore)
        with closing(sqlite3.connect(folder / "whole.db")) as file, scene.house.store._engine.connect() as ours:
            driver: Any = ours.connection.driver_connection
            driver.backup(file)

    play(folder, "2026-01-12 08:00", act)
    return folder / "whole.db"


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(whole, tmp_path / "copy.db"))


def look(path: Path, head: str | None = None) -> Audit:
    store = InlineStore(f"sqlite:///{path}")
    try:
        return store.run(lambda tx: audit.verify(tx, NOW, head))
    finally:
        store._engine.dispose()


def run(path: Path, *statements: str) -> list[Any]:
    """What the last statement gives."""
    with closing(sqlite3.connect(path)) as connection, connection:
        return [connection.execute(statement).fetchall() for statement in statements][-1]


def ids(path: Path, kind: str) -> list[int]:
    return [row[0] for row in run(path, f"SELECT {KEYS[kind]} FROM {kind} ORDER BY 1")]


def told(found: Audit) -> set[tuple[str, int | None]]:
    assert found.intact == (not found.findings)
    return {(one.table, one.id) for one in found.findings}


# --- what is sealed -------------------------------------------------------------------------------------------------


def test_every_row_is_sealed_once_and_the_record_is_intact(copy: Path) -> None:
    found = look(copy)
    assert found.intact
    assert found.seals == 4
    assert found.chains == 2
    for one in found.tables:
        assert one.sealed == run(copy, f"SELECT count(*) FROM {one.table}")[0][0]
        assert (one.erased, one.waiting) == (0, 0)
    assert all(one.sealed > 3 for one in found.tables if one.table in KINDS)


def test_a_placement_is_noted_with_whom_and_by_which_line_and_version(copy: Path) -> None:
    wanted = "attempt_id, campaign_id, version, person_id, phone, channel, script, line, caller, worker"
    given = run(copy, f"SELECT {wanted}, claimed_at FROM placements ORDER BY attempt_id")
    assert given == run(copy, f"SELECT {wanted}, claimed_at FROM attempts WHERE claimed_at > 0 ORDER BY attempt_id")
    alice = next(row for row in given if row[3] == "P-1")
    assert alice[2:10] == (1, "P-1", ALICE, "voice", "reminder", "main", "+864001234567", "test")


def test_every_column_of_a_sealed_table_is_sealed() -> None:
    assert COLUMNS[VERSION] == {kind: tuple(table.c.keys()) for kind, table in TABLES.items()}, (
        "a new column needs a new VERSION of the serialisation; the old one stays as it is"
    )


def test_what_is_not_sealed_yet_is_counted(copy: Path) -> None:
    run(copy, "INSERT INTO actions (at, action, subject, detail) VALUES (1, 'halt', '', '')")
    found = look(copy)
    assert found.intact
    assert {one.table: one.waiting for one in found.tables}["actions"] == 1


def test_a_document_that_says_the_same_in_other_words_is_the_same(copy: Path) -> None:
    run(copy, "UPDATE events SET data = replace(data, ': ', ':  ')")
    assert look(copy).intact


# --- what was done to it --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_row_is_named(copy: Path, kind: str) -> None:
    key = ids(copy, kind)[2]
    column = {"verdicts": "verdict", "events": "kind", "placements": "phone", "actions": "detail"}[kind]
    run(copy, f"UPDATE {kind} SET {column} = 'other' WHERE {KEYS[kind]} = {key}")
    found = look(copy)
    assert told(found) == {(kind, key)}
    assert found.findings[0].text.startswith("was changed; sealed by seal 1 of chain first")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", [0, 2, -1])
def test_a_removed_row_is_named(copy: Path, kind: str, place: int) -> None:
    key = ids(copy, kind)[place]
    run(copy, f"DELETE FROM {kind} WHERE {KEYS[kind]} = {key}")
    found = look(copy)
    assert told(found) == {(kind, key)}
    assert "was removed" in found.findings[0].text


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_put_in_under_an_old_id_is_named(copy: Path, kind: str) -> None:
    columns = ", ".join(COLUMNS[VERSION][kind][1:]).replace("identity", "identity || 'x'")
    names = ", ".join(COLUMNS[VERSION][kind][1:])
    run(copy, f"INSERT INTO {kind} ({KEYS[kind]}, {names}) SELECT 0, {columns} FROM {kind} WHERE {KEYS[kind]} = 1")
    assert told(look(copy)) == {(kind, 0)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_removed_row_whose_place_another_takes_is_named(copy: Path, kind: str) -> None:
    """SQLite gives the highest id again."""
    last = ids(copy, kind)[-1]
    names = ", ".join(COLUMNS[VERSION][kind][1:])
    values = names.replace("identity", "identity || 'x'")
    run(
        copy,
        f"DELETE FROM {kind} WHERE {KEYS[kind]} = {last}",
        f"INSERT INTO {kind} ({names}) SELECT {values} FROM {kind} WHERE {KEYS[kind]} = 1",
    )
    assert ids(copy, kind)[-1] == last
    assert told(look(copy)) == {(kind, last)}


@pytest.mark.parametrize("kind", KINDS)
def test_two_rows_that_changed_places_are_both_named(copy: Path, kind: str) -> None:
    key, one, two = KEYS[kind], *ids(copy, kind)[1:3]
    for was, to in ((one, -1), (two, one), (-1, two)):
        run(copy, f"UPDATE {kind} SET {key} = {to} WHERE {key} = {was}")
    assert told(look(copy)) == {(kind, one), (kind, two)}


def test_a_chain_whose_end_was_cut_off_is_told(copy: Path) -> None:
    key = run(copy, "SELECT max(seal_id) FROM seals")[0][0]
    run(copy, f"DELETE FROM seals WHERE seal_id = {key}")
    found = look(copy)
    texts = {one.text for one in found.findings}
    assert "chain second: its end was cut off, seal 2 is missing" in texts
    assert ("seals", key) in told(found)


def test_a_chain_whose_end_was_cut_off_with_all_that_belongs_to_it_is_told(copy: Path) -> None:
    key = run(copy, "SELECT max(seal_id) FROM seals")[0][0]
    run(copy, *(f"DELETE FROM {table} WHERE seal_id = {key}" for table in ("seals", "seal_parts", "digests")))
    assert [one.text for one in look(copy).findings] == ["chain second: its end was cut off, seal 2 is missing"]


def test_an_earlier_chain_cannot_be_cut_even_if_its_noted_end_is_moved(copy: Path) -> None:
    key, hash_ = run(copy, "SELECT seal_id, hash FROM seals WHERE chain = 'first' AND number = 2")[0]
    before = run(copy, "SELECT hash FROM seals WHERE chain = 'first' AND number = 1")[0][0]
    run(
        copy,
        *(f"DELETE FROM {table} WHERE seal_id = {key}" for table in ("seals", "seal_parts", "digests")),
        f"UPDATE heads SET number = 1, hash = '{before}' WHERE chain = 'first'",
    )
    assert f"follows a seal that is not there any more ({hash_[:12]}…)" in str(look(copy).findings)


def test_a_seal_in_the_middle_that_is_missing_or_changed_is_told(copy: Path) -> None:
    run(copy, "DELETE FROM seals WHERE chain = 'second' AND number = 1")
    texts = {one.text for one in look(copy).findings}
    assert "chain second: seal 1 is missing" in texts
    for column, value in (("at", "at + 1"), ("parents", "''"), ("hash", "'0'"), ("version", "2"), ("number", "'x'")):
        other = copy.with_name(f"{column}.db")
        shutil.copy(copy, other)
        run(other, f"UPDATE seals SET {column} = {value} WHERE chain = 'first' AND number = 2")
        assert ("seals", 2) in told(look(other)), column


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM digests WHERE kind = 'events' AND row_id = 2",
        "DELETE FROM digests WHERE kind = 'events' AND seal_id = 2",
        "UPDATE digests SET digest = zeroblob(32) WHERE kind = 'events' AND row_id = 2",
        "UPDATE digests SET salt = NULL WHERE kind = 'events' AND row_id = 2",
        "UPDATE digests SET seal_id = 1 WHERE kind = 'events' AND seal_id = 2",
        "UPDATE seal_parts SET root = '0' WHERE kind = 'events' AND seal_id = 2",
        "UPDATE seal_parts SET last_id = 'x' WHERE kind = 'events' AND seal_id = 2",
        "UPDATE seal_parts SET rows = rows + 1 WHERE kind = 'events' AND seal_id = 2",
        "DELETE FROM seal_parts WHERE kind = 'events' AND seal_id = 2",
        "UPDATE heads SET hash = '0' WHERE chain = 'second'",
        "DELETE FROM heads WHERE chain = 'first'",
    ],
)
def test_what_is_done_to_the_seals_themselves_is_told(copy: Path, statement: str) -> None:
    run(copy, statement)
    assert not look(copy).intact


def test_a_row_and_its_digest_changed_together_break_the_seal(copy: Path) -> None:
    """Who computes a new digest for a changed row has to rewrite the chain from there on."""
    run(copy, "UPDATE events SET kind = 'ended' WHERE event_id = 2")
    store = InlineStore(f"sqlite:///{copy}")
    row = store.run(lambda tx: audit.record_store.read_again(tx, "events", [2]))[0]
    salt = run(copy, "SELECT hex(salt) FROM digests WHERE kind = 'events' AND row_id = 2")[0][0]
    new = record.digest("events", row, bytes.fromhex(salt)).hex()
    run(copy, f"UPDATE digests SET digest = x'{new}' WHERE kind = 'events' AND row_id = 2")
    found = look(copy)
    assert [(one.table, one.text) for one in found.findings] == [
        ("digests", "seal 1 of chain first: its digests of events were changed")
    ]


# --- a row of any kind, any column ----------------------------------------------------------------------------------

OTHERS = st.one_of(
    st.none(), st.integers(-(2**62), 2**62), st.text("abc0:{}\"' 注", max_size=6), st.floats(allow_nan=False),
    st.binary(max_size=4),
)  # fmt: skip


@SHORT_AND_LONG
def test_any_change_of_any_column_of_any_sealed_row_is_told(times: int, copy: Path) -> None:
    @settings(max_examples=times * 50, derandomize=True)
    @given(data=st.data())
    def every(data: st.DataObject) -> None:
        kind = data.draw(st.sampled_from(KINDS))
        key = data.draw(st.sampled_from(ids(copy, kind)))
        column = data.draw(st.sampled_from(COLUMNS[VERSION][kind][1:]))
        value = data.draw(OTHERS)
        with closing(sqlite3.connect(copy)) as connection:
            where = f"FROM {kind} WHERE {KEYS[kind]} = {key}"
            (before,) = connection.execute(f"SELECT {column} {where}").fetchone()
            try:
                connection.execute(f"UPDATE {kind} SET {column} = ? WHERE {KEYS[kind]} = ?", (value, key))
            except sqlite3.IntegrityError:  # NULL where something must stand, or an identity twice
                return
            (after,) = connection.execute(f"SELECT {column} {where}").fetchone()
            same = type(after) is type(before) and after == before
            connection.commit()
            try:
                assert told(look(copy)) == (set() if same else {(kind, key)})
            finally:
                connection.execute(f"UPDATE {kind} SET {column} = ? WHERE {KEYS[kind]} = ?", (before, key))
                connection.commit()

    every()


# --- a head kept outside --------------------------------------------------------------------------------------------


def test_a_head_that_was_kept_is_still_held_later(copy: Path) -> None:
    early = run(copy, "SELECT hash FROM seals WHERE chain = 'first' AND number = 1")[0][0]
    assert look(copy, early).held == "seal 1 of chain first"
    (head,) = look(copy).heads
    assert look(copy, head.hash[:12].upper()).held == f"seal {head.number} of chain second"


def test_who_rewrites_everything_is_found_by_the_head_that_was_kept(copy: Path) -> None:
    head = look(copy).heads[0].hash
    run(
        copy,
        "UPDATE verdicts SET verdict = 'pass'",
        *(f"DELETE FROM {table}" for table in ("seals", "seal_parts", "digests", "heads")),
    )
    store = InlineStore(f"sqlite:///{copy}")
    assert store.run(lambda tx: record.seal_batch(tx, "second", NOW, record.ends_now(tx))) > 0
    store._engine.dispose()
    assert look(copy).intact, "the database alone can't tell"
    found = look(copy, head)
    assert not found.intact
    assert "the record was rewritten" in found.findings[0].text


def test_what_is_no_hash_is_refused(copy: Path) -> None:
    for head in ("", "abc", "nothing of the kind"):
        with pytest.raises(DialerError, match="is no hash"):
            look(copy, head)


# --- how it is sealed -----------------------------------------------------------------------------------------------


def test_a_backlog_is_sealed_in_batches(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "ROWS_MAX", 7)
    tables = ("seals", "seal_parts", "digests", "heads")
    run(copy, *(f"DELETE FROM {table}" for table in tables))
    rows = sum(one.waiting for one in look(copy).tables)
    store = InlineStore(f"sqlite:///{copy}")
    sealed = []
    while found := store.run(lambda tx: record.seal_batch(tx, "one", NOW, record.ends_now(tx))):
        sealed.append(found)
    store._engine.dispose()
    assert sum(sealed) == rows
    assert max(sealed) == 7
    after = look(copy)
    assert after.intact
    assert after.seals == len(sealed)


async def test_what_comes_while_it_seals_is_left_to_the_next(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a purge would not get to its end while workers dial."""
    monkeypatch.setattr(record, "ROWS_MAX", 1)
    note = "INSERT INTO actions (at, action, subject, detail) VALUES (1, 'halt', '', '')"
    run(copy, note, note, note)
    store = InlineStore(f"sqlite:///{copy}")
    whole = record.seal_batch

    def busy(tx: Tx, *given: Any, **more: Any) -> int:
        found = whole(tx, *given, **more)
        tx.exec_driver_sql(note)
        return found

    monkeypatch.setattr(record, "seal_batch", busy)
    settings: Any = None
    sealed = await record.seal(House(settings, SystemClock(), store), "second")
    store._engine.dispose()
    assert sealed == 3
    assert look(copy).tables[3].waiting == 4


def test_a_worker_that_begins_holds_the_ends_of_all_chains(copy: Path) -> None:
    ends = [
        run(copy, f"SELECT hash FROM seals WHERE chain = '{one}' ORDER BY number DESC")[0][0] for one in ("second",)
    ]
    run(copy, "INSERT INTO actions (at, action, subject, detail) VALUES (1, 'halt', '', '')")
    store = InlineStore(f"sqlite:///{copy}")
    assert store.run(lambda tx: record.seal_batch(tx, "third", NOW, record.ends_now(tx))) == 1
    # The one before goes on beside it: now there are two ends.
    store.run(
        lambda tx: tx.exec_driver_sql("INSERT INTO actions (at, action, subject, detail) VALUES (2, 'x', '', '')")
    )
    assert store.run(lambda tx: record.seal_batch(tx, "second", NOW, record.ends_now(tx))) == 1
    store._engine.dispose()
    assert run(copy, "SELECT parents FROM seals WHERE chain = 'third'")[0][0].split() == ends
    found = look(copy)
    assert found.intact
    assert [head.chain for head in found.heads] == ["second", "third"]
