"""The one writer: what a group of jobs shares, and what each has for itself."""

import asyncio
import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import URL, text
from sqlalchemy.exc import OperationalError

from dialer.errors import DialerError
from dialer.store import Store, Tx, explained, sqlite
from dialer.store.schema import upgrade


def _count(tx: Tx) -> int:
    return int(tx.execute(text("SELECT count(*) FROM notes")).scalar_one())


def _note(tx: Tx) -> None:
    tx.execute(text("INSERT INTO notes VALUES (1)"))


def _fail(tx: Tx) -> None:
    _note(tx)
    raise ValueError("mine alone")


@pytest.fixture
def url(tmp_path: Path) -> str:
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("CREATE TABLE notes (id INTEGER)")
    connection.close()
    return f"sqlite:///{tmp_path / 'a.db'}"


async def test_a_fault_of_one_job_is_not_the_others(url: str) -> None:
    store = Store(url)
    first, second, third = await asyncio.gather(
        store.write(_note), store.write(_fail), store.write(_note), return_exceptions=True
    )
    assert (first, third) == (None, None)
    assert isinstance(second, ValueError)
    assert await store.read(_count) == 2
    await store.close()


async def test_what_is_broken_off_while_a_thread_writes_leaves_nothing(url: str) -> None:
    """As at a second Ctrl-C: every task is cancelled, and the thread goes on."""
    began, goes_on, ended = threading.Event(), threading.Event(), threading.Event()

    def slow(tx: Tx) -> None:
        _note(tx)
        began.set()
        goes_on.wait(10)
        try:
            _note(tx)
        finally:
            ended.set()

    store = Store(url)
    writing = asyncio.create_task(store.write(slow))
    assert await asyncio.to_thread(began.wait, 10)
    for _ in range(3):
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0.01)
    goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    # A store that does not wait for it would be closed under it: sometimes nothing is left all the same.
    assert await asyncio.to_thread(ended.wait, 10)
    await store.close()
    store = Store(url)
    assert await store.read(_count) == 0
    await store.write(_note)
    assert await store.read(_count) == 1
    await store.close()


async def test_a_locked_database_fails_a_group_at_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each job on its own would wait as long as all together: minutes, in which nobody is heard."""
    monkeypatch.setattr(sqlite, "BUSY_S", 0.01)
    said: list[str] = []
    say = sqlite._Own.say

    async def heard(own: sqlite._Own, sql: str) -> None:
        said.append(sql)
        await say(own, sql)

    store = Store(url)
    await store.write(_note)
    monkeypatch.setattr(sqlite._Own, "say", heard)
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    results = await asyncio.gather(*(store.write(_note) for _ in range(5)), return_exceptions=True)
    other.execute("ROLLBACK")
    other.close()
    assert [type(result) for result in results] == [OperationalError] * 5
    assert said == ["BEGIN IMMEDIATE"] * sqlite.BUSY_TRIES
    await store.write(_note)
    assert await store.read(_count) == 2
    await store.close()


async def test_what_comes_just_when_a_writer_ends_is_written(url: str) -> None:
    """Its task is over before its end is told: a job that relied on it would wait until another one comes."""
    store = Store(url)
    await store.write(_note, quick=True)
    late: list[object] = []
    first = asyncio.ensure_future(store.write(_note, quick=True))
    await asyncio.sleep(0)
    # Called where the writer's task is done, and not yet taken out of those that run.
    (job,) = store._waiting
    job.done.add_done_callback(lambda _: late.append(store.write(_note, quick=True).send(None)))
    await first
    for _ in range(200):
        await asyncio.sleep(0.005)
        if await store.read(_count) == 3:
            break
    assert await store.read(_count) == 3
    await store.close()


async def test_two_first_looks_at_once_open_one_connection(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[float] = []
    begin = sqlite._Own.__init__

    def count(self: sqlite._Own, address: URL, options: Mapping[str, str], busy_s: float, kept_kib: int) -> None:
        opened.append(busy_s)
        begin(self, address, options, busy_s, kept_kib)

    monkeypatch.setattr(sqlite._Own, "__init__", count)
    store = Store(url)
    assert await asyncio.gather(store.look(_count), store.look(_count), store.look(_count)) == [0, 0, 0]
    assert opened == [sqlite.LOOK_S]
    await store.close()


@pytest.mark.parametrize("folder", ["locked", "free"])
async def test_a_file_that_is_gone_is_not_taken_for_a_locked_one(tmp_path: Path, folder: str) -> None:
    # Its path is part of what is said.
    (tmp_path / folder).mkdir()
    file = tmp_path / folder / "dialer.db"
    upgrade(f"sqlite:///{file}")
    store = Store(f"sqlite:///{file}")
    await store.write(lambda tx: None)
    file.rename(tmp_path / "away.db")
    for ask in (store.write, store.read, store.look):
        with pytest.raises(DialerError, match=r"dialer\.db was taken away"), explained():
            await ask(lambda tx: None)
    await store.close()
