"""The mark beside the database: what is behind it is an older copy, and nothing else is."""

import asyncio
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from dialer import mark, purge
from dialer.clock import SystemClock
from dialer.errors import DialerError
from dialer.mark import Mark, Marker
from dialer.store import Store
from dialer.store import restored as store
from dialer.store.common import flag, note_action, set_flag, take_numbers
from dialer.store.restored import Gap, High
from dialer.store.schema import upgrade
from tests.support.command import run

CLOCK = SystemClock()


def within(file: Path, work: Callable[[Store], Awaitable[Any]]) -> Any:
    """Runs `work(store)` on the database in `file`, made if need be."""
    upgrade(url(file))

    async def act() -> Any:
        opened = Store(url(file))
        try:
            return await work(opened)
        finally:
            await opened.close()

    return asyncio.run(act())


def url(file: Path) -> str:
    return f"sqlite:///{file}"


async def live(opened: Store, file: Path, actions: int = 2) -> Mark:
    """A daemon's run in which something is done. Returns its mark."""
    await mark.check(opened, url(file), CLOCK)
    marker = await Marker.open(opened, url(file), CLOCK)
    for _ in range(actions):
        await opened.write(
            lambda tx: (note_action(tx, "halt", "", "", CLOCK.now()), take_numbers(tx, [CLOCK.now().date()] * 5))
        )
    await marker.bring()
    marker.close()
    found = mark.read(mark.path_of(file))
    assert found is not None
    return found


async def found_out(opened: Store, file: Path) -> Gap | None:
    await mark.check(opened, url(file), CLOCK)
    return await opened.read(store.gap)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "dialer.db"


def test_the_mark_says_how_far_the_database_is(file: Path) -> None:
    found = within(file, lambda opened: live(opened, file))
    assert found.high == High(attempts=11, placements=0, events=0, actions=2)
    assert len(mark.path_of(file).read_bytes()) == mark.SIZE
    assert mark.path_of(file).stat().st_mode & 0o777 == 0o600
    assert within(file, lambda opened: found_out(opened, file)) is None


def test_an_older_copy_is_halted_once_and_its_numbers_are_raised(file: Path) -> None:
    within(file, lambda opened: live(opened, file))
    shutil.copy(file, older := file.with_name("older"))
    with closing(sqlite3.connect(file)) as now:
        at = now.execute("SELECT max(at) FROM actions").fetchone()[0]
    far = within(file, lambda opened: live(opened, file, 20))
    shutil.copy(older, file)
    lost = within(file, lambda opened: found_out(opened, file))
    assert lost is not None
    assert (lost.since - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) == at
    again = within(file, lambda opened: found_out(opened, file))
    assert again == lost, "it is not found a second time"
    halted, high = within(
        file, lambda opened: opened.read(lambda tx: (flag(tx, "halt"), store.highest(tx, CLOCK.now())))
    )
    assert "see dialer status; then dialer unhalt" in halted
    assert high.attempts == far.high.attempts + mark.GAP_KNOWN


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("yesterday", "is no instant with its offset"),
        ("2026-11-28 02:00", "is no instant with its offset"),
        ("2026-11-28", "is no instant with its offset"),
        ("2999-11-28T02:00:00+00:00", "lies ahead"),
    ],
)
def test_a_copys_instant_that_a_person_wrote_and_nobody_can_read_is_refused_each_time(
    file: Path, text: str, wrong: str
) -> None:
    async def marked(opened: Store) -> None:
        await opened.write(lambda tx: set_flag(tx, store.BACKUP, text, CLOCK.now()))

    within(file, marked)
    for _ in range(2):
        with pytest.raises(DialerError, match=f'copy of "{text[:40]}".*{wrong}'.replace("+", "[+]")):
            within(file, lambda opened: found_out(opened, file))
    assert within(file, lambda opened: opened.read(lambda tx: flag(tx, "halt"))) == "", "nothing was done"


@pytest.mark.parametrize("text", [b"", b"\x00" * 300, b"{}", b'{"token": 1}', b"[1]", b"\xff\xfe"])
def test_a_mark_that_says_nothing_is_written_anew(file: Path, text: bytes) -> None:
    before = within(file, lambda opened: live(opened, file))
    mark.path_of(file).write_bytes(text)
    assert within(file, lambda opened: found_out(opened, file)) is None
    with structlog.testing.capture_logs() as said:
        assert within(file, lambda opened: live(opened, file, 0)) == before
    assert [(one["event"], "could not be read" in one["hint"]) for one in said] == [("mark_renewed", True)]


def test_another_installations_mark_is_said_and_written_anew(file: Path) -> None:
    own = within(file, lambda opened: live(opened, file))
    mark.write(mark.path_of(file), Mark("another", High(attempts=10**9)))
    with structlog.testing.capture_logs() as said:
        assert within(file, lambda opened: live(opened, file, 0)) == own
    assert [one["event"] for one in said] == ["mark_renewed"]


def _place(file: Path) -> None:
    """A call is placed, as the record has it."""
    with closing(sqlite3.connect(file)) as written:
        names = [row[1] for row in written.execute("PRAGMA table_info(placements)")]
        written.execute(f"INSERT INTO placements VALUES ({', '.join('1' for _ in names)})")
        written.commit()


def test_another_installations_database_goes_on_where_it_knows_whom_it_called(file: Path) -> None:
    own = within(file, lambda opened: live(opened, file))
    _place(file)
    mark.write(mark.path_of(file), Mark("another", High(placements=9)))
    assert within(file, lambda opened: found_out(opened, file)) is None
    assert within(file, lambda opened: live(opened, file, 0)).token == own.token


def test_a_database_that_placed_nothing_where_something_was_placed_is_halted_once(file: Path) -> None:
    for opens in (None, lambda opened: live(opened, file)):
        if opens:  # it was made by a dialer of before, whose daemon has run already
            within(file, opens)
        mark.write(mark.path_of(file), Mark("another", High(attempts=70, placements=9)))
        lost = within(file, lambda opened: found_out(opened, file))
        assert lost is not None
        assert within(file, lambda opened: found_out(opened, file)) == lost, "it is not found a second time"
        halted, high = within(
            file, lambda opened: opened.read(lambda tx: (flag(tx, "halt"), store.highest(tx, CLOCK.now())))
        )
        assert halted.startswith("a new database in the place of another; see dialer status")
        assert high.attempts >= 70 + mark.GAP_KNOWN
        for one in file.parent.glob("dialer.db*"):
            one.unlink()


def test_one_whose_mark_cannot_be_renewed_says_so_and_is_not_halted_again(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    within(file, lambda opened: opened.write(lambda tx: None))
    mark.write(mark.path_of(file), Mark("another", High(placements=9)))
    with monkeypatch.context() as patch:
        patch.setattr(mark, "write", refuses)
        with pytest.raises(DialerError, match=r"dialer.db.mark says, so it is halted; and that file can't be written"):
            within(file, lambda opened: mark.check(opened, url(file), CLOCK))
    halted = within(file, lambda opened: opened.read(store.gap))
    assert halted is not None
    assert within(file, lambda opened: found_out(opened, file)) == halted


def test_a_mark_that_is_a_link_to_the_place_of_before_stays(file: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "linked.db"
    link.symlink_to(file)
    mark.path_of(file).symlink_to(old := link.with_name("linked.db.mark"))
    old.touch()
    known = within(link, lambda opened: live(opened, link))
    assert mark.known(link) == mark.read(old) == known


def test_the_mark_lies_beside_the_file_itself_and_one_beside_a_link_goes_there(file: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "linked.db"
    link.symlink_to(file)
    before = within(link, lambda opened: live(opened, link))
    assert [one.name for one in link.parent.iterdir()] == ["linked.db"]
    shutil.copy(file, older := file.with_name("older"))
    far = within(link, lambda opened: live(opened, link))
    mark.path_of(file).rename(old := link.with_name("linked.db.mark"))
    assert within(link, lambda opened: live(opened, link, 0)) == far
    assert not old.exists()
    mark.path_of(file).rename(old)
    shutil.copy(older, file)
    assert before.high.is_behind(far.high)
    assert within(link, lambda opened: found_out(opened, link)) is not None, "as before, it is an older copy"


def test_a_new_database_where_an_old_one_was_is_no_older_copy(file: Path) -> None:
    within(file, lambda opened: live(opened, file))
    for one in file.parent.glob("dialer.db*"):
        if one.suffix != ".mark":
            one.unlink()
    assert within(file, lambda opened: found_out(opened, file)) is None


def test_what_was_purged_does_not_make_it_older(file: Path) -> None:
    """The newest event goes, its seal stays."""
    insert = "INSERT INTO events (kind, at, received_at, stray, data) VALUES ('replied', 1, 1, 1, '{}')"

    async def act(opened: Store) -> None:
        with closing(sqlite3.connect(file)) as written:
            written.execute(insert)
            written.commit()
        house: Any = type("House", (), {"store": opened, "clock": CLOCK, "settings": None})()
        await purge.record.seal(house, "test")
        await live(opened, file)
        with closing(sqlite3.connect(file)) as written:
            written.execute("DELETE FROM events")
            written.commit()

    within(file, act)
    found = mark.read(mark.path_of(file))
    assert found is not None
    assert found.high.events == 1
    assert within(file, lambda opened: found_out(opened, file)) is None


def test_a_mark_that_cannot_be_written_is_said_once(file: Path) -> None:
    async def act(opened: Store) -> None:
        mark.path_of(file).mkdir()
        marker = await Marker.open(opened, url(file), CLOCK)
        marker.placed(7)
        await marker.bring()
        marker.close()

    with structlog.testing.capture_logs() as said:
        within(file, act)
    assert [one["event"] for one in said] == ["mark_not_written"]


def test_every_command_looks(file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    assert run(capsys, "init", ".", "--language", "en").code == 0
    within(file, lambda opened: live(opened, file))
    mark.write(mark.path_of(file), _further(file))
    told = run(capsys, "status")
    assert "went_back" in told.out + told.err
    assert "restored" in told.out
    assert run(capsys, "unhalt").code == 1


def _further(file: Path) -> Mark:
    found = mark.read(mark.path_of(file))
    assert found is not None
    return Mark(found.token, found.high.or_more(High(placements=1)))
