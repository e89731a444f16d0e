"""What comes from outside while it runs: provider's events, the API, the mock's journal, texts, positions, numbers."""

import contextlib
import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.contract import Event, EventKind, Unavailable
from adapters.journal import Journal, Placement
from campaigns.message import Values, render, template_faults
from campaigns.optout import meaning
from campaigns.script import Position
from campaigns.where import number_facts, read_phone
from dialer import bounds
from dialer.news import News, of_event
from tests.fuzz.support import ODD, SHORT_AND_LONG, TEXT, drawn, fuzz
from tests.support.scene import ALICE, Scene, account, due, play
from tests.unit.test_api import PATH, with_api

VALUES = Values(
    "王丽", "示例", "+864001234567", date(2026, 1, 15), (Decimal(7),), "CNY", ("1",), date(2026, 1, 14), "zh-CN"
)
ANY = st.one_of(st.text(max_size=30), ODD, st.sampled_from(["x" * 5_000, "\ud800", "TD", "退订", "STOP", ALICE]))
EDGES = (  # which no other zone can tell
    datetime.min.replace(tzinfo=timezone(timedelta(hours=8))),
    datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))),
)  # fmt: skip
AT = st.one_of(
    st.datetimes(timezones=st.just(UTC)), st.datetimes(), st.sampled_from(EDGES),
    st.just(datetime(2026, 1, 14, 2, tzinfo=UTC)),
)  # fmt: skip
EVENTS = st.builds(
    Event,
    st.sampled_from(EventKind),
    AT,
    st.sampled_from(["", "1", "2", "99", "-1", "x", "9" * 30, "²", "١"]),
    ANY,
    ANY,
    st.integers(),
    ANY,
    ANY,
    ANY,
    ANY,
    ANY,
    ANY,
    st.floats(),
)


@SHORT_AND_LONG
def test_any_event_of_a_provider_is_kept_within_bounds(times: int, tmp_path: Path) -> None:
    """Each is durable, whatever it says, and neither fills the database nor keeps its neighbours from being written."""

    async def act(scene: Scene) -> None:
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        await scene.launch()
        await scene.start()
        await scene.until("2026-01-14 11:31")

        for events in drawn(st.lists(EVENTS, max_size=4), times * 60):
            await scene.worker.inbox.take([of_event(event) for event in events])
        for row in scene.rows("events"):
            assert scene.clock.now() - bounds.LATE_MAX <= row.at <= row.received_at
            assert len(json.dumps(row.data, ensure_ascii=False)) < 4_000
            assert len(row.identity or "") <= 200
        await scene.until("2026-01-16 08:00")
        assert scene.rows("live_calls") == []

    play(tmp_path, "2026-01-13 08:00", act)


def test_what_is_too_long_keeps_what_tells_it_apart() -> None:
    now = datetime(2026, 1, 14, tzinfo=UTC)
    one, other = (bounds.changes(News(None, now, identity="x" * 300 + end), now)["identity"] for end in "ab")
    assert one != other
    assert len(one) == len(other) == 200
    assert bounds.changes(News(None, now, identity="x" * 200, text="好" * 2_000, talk_s=60), now) == {}
    late = News(None, now + timedelta(days=9), talk_s=float("nan"), identity="told")
    assert bounds.changes(late, now) == {"at": now, "talk_s": 0.0}
    elsewhere = now.astimezone(ZoneInfo("Asia/Shanghai"))
    assert bounds.changes(News(None, elsewhere, identity="x"), now)["at"].tzinfo is UTC  # so that times subtract
    assert bounds.changes(late._replace(identity=""), now) == {"talk_s": 0.0}  # our own, before the clock was set back


@pytest.mark.parametrize("after", [float("nan"), float("inf"), -1.0, 1e300])
def test_a_pause_that_no_clock_can_wait_for_says_nothing(after: float) -> None:
    assert Unavailable("busy", after).retry_after_s is None
    assert Unavailable("busy", 30).retry_after_s == 30


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(TEXT, st.sampled_from(["phone", "reason", "until", "channel", "person_id"])), inner, max_size=5
        ),
    ),
)
BODY = st.one_of(
    st.binary(max_size=60),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.sampled_from(
        [
            b"[" * 16_000,
            b'{"a":' * 3_000,
            b"x" * 20_000,
            b'{"phone":"\\ud800","reason":"x"}',
            b"1" * 6_000,
            b"\xff\xfe{}",
        ]
    ),
)


@SHORT_AND_LONG
def test_any_request_is_answered_and_changes_nothing_unless_it_is_right(times: int, tmp_path: Path) -> None:
    async def act(scene: Scene, to: httpx.AsyncClient) -> None:
        paths = st.sampled_from([PATH, PATH, PATH, "/healthz", "/", "/api", "/" + "x" * 3_000, "/%00", "/../etc"])
        methods = st.sampled_from(["POST", "POST", "GET", "PUT", "DELETE", "OPTIONS", "FOO"])
        odd = st.text('abc\t;,="é', max_size=60)
        for method, path, body, header in drawn(st.tuples(methods, paths, BODY, odd), times * 120):
            before = scene.rows("suppressions")
            reply = await to.request(
                method, path, content=body, headers={"X-Odd": header.encode(), "Content-Type": "x"}
            )
            assert reply.status_code in (200, 404, 405, 413, 422), (method, path, body, reply.text)
            assert len(reply.content) < 20_000
            if reply.status_code != 200:
                assert scene.rows("suppressions") == before

    with_api(tmp_path, act)


LINES = [
    b'{"at": "2026-01-14T01:30:00.123Z", "attempt_id": "1", "channel": "voice", "to": "+86138", "line": "main"}',
    b"",
    b"{}",
    b"null",
    b"[]",
    b"[" * 90_000,
    b'{"at": 1}',
    b"\xff\x00",
    b'{"at": "2026-01-14T01:30", "attempt_id": "2",',
    b'{"at": "2026-01-14T01:30:00", "attempt_id": "3", "channel": "voice", "to": "x", "line": "main"}',
    b'{"at": "2026-01-14T01:30:00Z", "attempt_id": ["4"], "channel": "voice", "to": "x", "line": "main"}',
    b'{"at": "2026-01-14T01:30:00Z", "attempt_id": "5", "channel": "fax", "to": "x", "line": "main"}',
    b"x" * 70_000,
]


@SHORT_AND_LONG
def test_a_journal_of_garbage_is_read_and_written_on(times: int, tmp_path: Path) -> None:
    """Only whole placements count; what is written next stands on a line of its own."""
    path = tmp_path / "journal.jsonl"
    new = Placement(datetime(2026, 1, 15, tzinfo=UTC), "new", "voice", ALICE, "main")

    @fuzz(times * 60)
    @given(st.lists(st.one_of(st.sampled_from(LINES), st.binary(max_size=20)), max_size=6), st.booleans())
    def every(lines: list[bytes], ended: bool) -> None:
        path.write_bytes(b"\n".join(lines) + (b"\n" if ended else b""))
        journal = Journal(path)
        journal.open()
        journal.write(new)
        assert journal.find("new") == new
        assert {one.attempt_id for one in journal.placements()} <= {"1", "new"}
        journal.close()
        assert path.read_bytes().splitlines()[-1] + b"\n" == new.to_line()

    every()


@SHORT_AND_LONG
def test_texts_positions_and_numbers_of_whatever_kind(times: int) -> None:
    @fuzz(times * 300)
    @given(st.one_of(ANY, st.text(), JSON.map(json.dumps), st.just("[" * 90_000)))
    def every(text: str) -> None:
        meaning(text)
        with contextlib.suppress(ValueError):
            assert isinstance(Position.from_text(text), Position)
        if not template_faults(text):
            render(text, VALUES)
        with contextlib.suppress(ValueError):
            phone = read_phone(text, "CN")
            assert phone.startswith("+")
            number_facts(phone)

    every()
