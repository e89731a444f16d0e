"""The mock carrier's journal, and what the adapter tells from it after a restart."""

import errno
import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.contract import Event, EventKind, Order, Unavailable
from adapters.journal import Journal, Placement
from adapters.mock import MockAdapter, Settings
from tests.adapters.host import VirtualHost

AT = datetime(2026, 1, 14, 1, 30, 0, 123_000, tzinfo=UTC)


def a_placement(count: int = 1) -> Placement:
    return Placement(AT + timedelta(seconds=count), f"a-{count}", "voice", "+8613800138001", "main")


def an_order(count: int = 1) -> Order:
    return Order(f"a-{count}", "voice", f"+86138{count:08d}", "+864001234567", "main")


def a_journal(path: Path, keeps: int = 200_000) -> Journal:
    journal = Journal(path, keeps)
    journal.open()
    return journal


async def a_mock(path: Path, host: VirtualHost, profile: str = "lifelike") -> MockAdapter:
    mock = MockAdapter(Settings.model_validate({"journal": path, "profile": profile}))
    await mock.open(host)
    return mock


async def test_one_line_stands_there_before_place_returns(tmp_path: Path) -> None:
    path, host = tmp_path / "new" / "journal.jsonl", VirtualHost(now=AT + timedelta(microseconds=987))
    mock = await a_mock(path, host)
    await mock.place(an_order())
    assert path.read_text() == (
        '{"at": "2026-01-14T01:30:00.123Z", "attempt_id": "a-1", "channel": "voice", '
        '"to": "+8613800000001", "line": "main"}\n'
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600, "numbers stand in it unmasked"
    mock.on(an_order(2).to).fails(Unavailable)
    with pytest.raises(Unavailable):
        await mock.place(an_order(2))
    assert len(path.read_text().splitlines()) == 1
    await host.close()


@pytest.mark.parametrize("cut", range(len(a_placement(3).to_line())))
def test_a_torn_last_line_costs_only_itself(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "journal.jsonl"
    whole, torn = [a_placement(1), a_placement(2)], a_placement(3).to_line()[:cut]
    path.write_bytes(b"".join(p.to_line() for p in whole) + torn)
    journal = a_journal(path)
    if cut == len(a_placement(3).to_line()) - 1:  # only its newline is missing
        whole.append(a_placement(3))
    assert journal.placements() == whole
    journal.write(a_placement(4))
    journal.close()
    assert a_journal(path).placements() == [*whole, a_placement(4)]
    assert [json.loads(line)["attempt_id"] for line in path.read_text().splitlines()][-1] == "a-4"


def test_a_damaged_line_in_the_middle_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"at": "2026\n[]\n{"at": "x"}\n' + a_placement().to_line())
    assert a_journal(path).placements() == [a_placement()]


def test_processes_that_share_a_file_know_each_others_placements(tmp_path: Path) -> None:
    one, other = (a_journal(tmp_path / "journal.jsonl") for _ in range(2))
    for count in range(1, 5):
        (one, other)[count % 2].write(a_placement(count))
    assert one.find("a-1") == other.find("a-1") == a_placement(1)
    assert one.placements() == other.placements() == [a_placement(count) for count in range(1, 5)]
    assert one.find("a-5") is None


def test_memory_is_bounded_and_the_file_still_answers(tmp_path: Path) -> None:
    journal = a_journal(tmp_path / "journal.jsonl", keeps=3)
    for count in range(10):
        journal.write(a_placement(count))
    assert journal.placements() == [a_placement(count) for count in (7, 8, 9)]
    assert journal.find("a-0") == a_placement(0)
    assert journal.find("a-10") is None


@pytest.mark.parametrize("room", [0, 1, 40, -1])
async def test_a_full_disk_takes_nothing_and_leaves_no_torn_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    path, host, write = tmp_path / "journal.jsonl", VirtualHost(), os.write
    mock = await a_mock(path, host)
    await mock.place(an_order(1))
    await mock.place(an_order(2))
    before = path.read_bytes()

    def full(fd: int, data: bytes) -> int:
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(fd, data[:room])

    with monkeypatch.context() as disk:
        disk.setattr(os, "write", full)
        with pytest.raises(Unavailable, match="journal"):
            await mock.place(an_order(3))
    assert path.read_bytes() == before
    assert await mock.find(an_order(3)) == []
    await mock.place(an_order(3))
    assert [placement.attempt_id for placement in mock.placements] == ["a-1", "a-2", "a-3"]
    await host.close()


@pytest.mark.parametrize(("name", "reason"), [("", "directory"), ("pipe", "not a regular file")])
async def test_a_journal_that_cannot_be_opened_stops_the_start(tmp_path: Path, name: str, reason: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=reason):
        await a_mock(tmp_path / name, VirtualHost())


@pytest.mark.parametrize("killed_after_s", [0, 1.0, 3.5, 9.0, 14.0, 20.0, 31.0])
@pytest.mark.parametrize("profile", ["lifelike", "quick", "rings_out"])
async def test_after_a_kill_and_a_restart_every_call_comes_to_its_end(
    tmp_path: Path, killed_after_s: float, profile: str
) -> None:
    path, orders = tmp_path / "journal.jsonl", [an_order(count) for count in range(60)]
    before = VirtualHost()
    mock = await a_mock(path, before, profile)
    for order in orders:
        await mock.place(order)
    await before.advance(killed_after_s)
    await before.close()  # nothing is told to the adapter: a kill

    after = VirtualHost(now=before.now() + timedelta(seconds=4))
    reborn = await a_mock(path, after, profile)
    found: dict[str, list[Event]] = {}
    for order in orders:
        found[order.attempt_id] = await reborn.find(order)
    await after.run()
    for order in orders:
        told = before.events + found[order.attempt_id] + after.events
        endings = [e for e in told if e.attempt_id == order.attempt_id and e.kind is EventKind.ENDED]
        assert len({e.identity for e in endings}) == 1
        assert all(e.at <= after.now() for e in found[order.attempt_id])
        assert [e.at for e in found[order.attempt_id]] == sorted(e.at for e in found[order.attempt_id])
    assert len(reborn.placements) == len(orders), "nothing was placed again"
    assert await reborn.find(an_order(999)) == []


async def test_a_restarted_carrier_tells_the_same_story(tmp_path: Path) -> None:
    """Of calls that nobody answered, every event is the same; of all, the instants up to the answer."""
    path, host, orders = tmp_path / "journal.jsonl", VirtualHost(), [an_order(count) for count in range(200)]
    mock = await a_mock(path, host)
    for order in orders:
        await mock.place(order)
    await host.run()
    reborn = await a_mock(path, VirtualHost(now=host.now() + timedelta(hours=1)))
    unanswered = 0
    for order in orders:
        live, told = await mock.find(order), await reborn.find(order)
        if EventKind.ANSWERED in {event.kind for event in live}:
            live, told = live[:3], told[:3]
        else:
            unanswered += 1
        assert told == live
    assert 0 < unanswered < 200


async def test_an_adapter_opened_again_carries_on(tmp_path: Path) -> None:
    host = VirtualHost()
    mock = await a_mock(tmp_path / "journal.jsonl", host)
    mock.on(an_order().to).answers(after_s=10)
    await mock.place(an_order())
    await host.advance(5)
    await mock.close()
    await mock.open(host)
    assert [e.kind for e in await mock.find(an_order())] == [EventKind.ACCEPTED, EventKind.RINGING]
    await mock.find(an_order())  # asking twice doesn't make it two calls
    await host.run()
    kinds = [EventKind.RINGING, EventKind.ANSWERED, EventKind.ENDED]
    assert host.kinds("a-1") == kinds
