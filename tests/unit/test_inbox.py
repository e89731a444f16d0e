"""The inbox: who sent what, and who is told that it is not durable."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from dialer import inbound
from dialer.attempt import Kind
from dialer.inbound import Inbox
from dialer.news import News
from dialer.store import InlineStore

NOW = datetime(2026, 1, 14, tzinfo=UTC)


class Wrong(Exception):
    """What the database has against a piece of news."""


class Store(InlineStore):
    def is_common(self, error: Exception) -> bool:
        return "away" in str(error)


def taken(
    monkeypatch: pytest.MonkeyPatch, fails: Callable[[str], str], *senders: Sequence[str]
) -> tuple[list[str], Any]:
    """How each sender's wait ended, and how often each piece was tried. `fails`: identity → why it can't be written."""
    tried: Counter[str] = Counter()

    def ingest(tx: Any, house: Any, news: Sequence[News], *_: Any) -> list[Any]:
        tried.update(one.identity for one in news)
        if wrong := [why for one in news if (why := fails(one.identity))]:
            raise Wrong(wrong[0])
        return []

    async def send() -> list[Any]:
        clock = SimpleNamespace(now=lambda: NOW, off_s=lambda: 0.0)
        inbox = Inbox(SimpleNamespace(store=Store(), clock=clock), SimpleNamespace(), lambda: None)  # type: ignore[arg-type]
        pieces = [[News(Kind.RINGING, NOW, 1, identity=name) for name in names] for names in senders]
        return await asyncio.gather(*map(inbox.take, pieces), return_exceptions=True)

    monkeypatch.setattr(inbound, "ingest", ingest)
    return ["durable" if ended is None else str(ended) for ended in asyncio.run(send())], tried


def test_one_piece_that_cannot_be_written_keeps_no_other_from_being_durable(monkeypatch: pytest.MonkeyPatch) -> None:
    ended, tried = taken(monkeypatch, lambda name: "odd" if name == "b1" else "", ["a"], ["b1", "b2"], ["c"])
    assert ended == ["durable", "odd", "durable"]
    assert tried == {"a": 2, "b1": 2, "b2": 2, "c": 2}  # together, then each by itself: those beside it too


def test_what_every_piece_would_meet_is_told_to_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ended, tried = taken(monkeypatch, lambda name: "away", ["a"], ["b1", "b2"], ["c"])
    assert ended == ["away"] * 3
    assert tried == {"a": 1, "b1": 1, "b2": 1, "c": 1}


def test_what_comes_to_every_piece_while_each_is_written_is_told_to_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    why = {"b": "odd", "c": "away"}
    ended, tried = taken(monkeypatch, lambda name: why.get(name, ""), ["a"], ["b"], ["c"], ["d"])
    assert ended == ["durable", "odd", "away", "away"]
    assert tried["d"] == 1


def test_one_piece_alone_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert taken(monkeypatch, lambda name: "odd", ["a"]) == (["odd"], {"a": 1})
