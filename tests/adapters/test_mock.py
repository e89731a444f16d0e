"""The mock adapter: the conformance suite, its profiles, mishaps, settings and documentation."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from adapters.carrier import answer_share, habit_of
from adapters.contract import EventKind, HookRequest, Order, Refused, Unavailable, Uncertain
from adapters.mock import ADAPTER, MockAdapter, Settings
from adapters.scripted import Number
from tests.adapters.conformance import AdapterConformance, Rig
from tests.adapters.host import VirtualHost
from tests.adapters.support import an_order, two_questions
from tests.style.pages import blocks

ROOT = Path(__file__).parents[2]
K = EventKind


class MockRig(Rig):
    def __init__(self) -> None:
        self.spec = ADAPTER
        self.mock = self.adapter = MockAdapter()
        self.host = VirtualHost()
        self.numbers: list[Number] = []

    def _on(self, order: Order) -> Number:
        self.numbers.append(self.mock.on(order.to))
        return self.numbers[-1].answers().delivered()

    def accepts(self, order: Order) -> None:
        self._on(order)

    def refuses(self, order: Order) -> None:
        self._on(order).fails(Refused("blocked", "607"))

    def is_down(self, order: Order) -> None:
        self._on(order).fails(Unavailable)

    def times_out(self, order: Order) -> None:
        self._on(order).loses_answer()

    def repeats(self, order: Order) -> None:
        self._on(order).reports_twice()

    def requests(self, order: Order) -> int:
        return self.numbers[-1].asked


class TestMock(AdapterConformance):
    @pytest.fixture
    async def rig(self) -> AsyncIterator[Rig]:
        rig = MockRig()
        await rig.adapter.open(rig.host)
        yield rig
        await rig.adapter.close()
        await rig.host.close()


async def a_day(settings: Settings, calls: int = 400, **changes: object) -> VirtualHost:
    """A day of calls, one every two minutes, to as many numbers."""
    host, mock = VirtualHost(dialogue=two_questions), MockAdapter(settings)
    await mock.open(host)
    for count in range(calls):
        with suppress(Unavailable, Uncertain):  # mishaps are part of the day
            await mock.place(an_order(f"a-{count}", f"+86138{count:08d}", **changes))
        await host.advance(120)
    await host.run()
    await mock.close()
    return host


async def test_quick_answers_after_200_ms_talks_500_ms_and_presses_1() -> None:
    host, mock = VirtualHost(dialogue=two_questions), MockAdapter(Settings(profile="quick"))
    await mock.open(host)
    began_at = host.now()
    await mock.place(an_order())
    await host.run()
    assert host.kinds("a-1") == [K.RINGING, K.ANSWERED, K.ENDED]
    assert [h.digits for _, h in host.heard] == ["", "1"]
    assert host.events[1].at - began_at == timedelta(seconds=0.2)
    assert host.events[2].talk_s == 0.5


async def test_rings_out_rings_until_the_time_out() -> None:
    host = await a_day(Settings(profile="rings_out"), calls=3, ring_timeout_s=25.0)
    assert [e.kind for e in host.events] == [K.RINGING, K.ENDED] * 3
    assert host.events[1].at - host.events[0].at == timedelta(seconds=25)
    assert host.events[1].disposition == "no_answer"


async def test_a_lifelike_day_repeats_with_its_seed_and_shows_every_ending() -> None:
    days = [await a_day(Settings(seed=seed, faults=faults)) for seed, faults in ((1, 0.2), (1, 0.2), (2, 0.2))]
    assert (days[0].events, days[0].heard) == (days[1].events, days[1].heard)
    assert days[0].events != days[2].events
    sound = await a_day(Settings(seed=3), calls=1500)
    endings = Counter(e.disposition for e in sound.events if e.kind is K.ENDED)
    assert endings.total() == 1500, "every call ends once"
    assert set(endings) >= {"answered", "no_answer", "busy", "declined", "phone_off", "machine", "invalid_number"}
    assert 0.25 < endings["answered"] / 1500 < 0.65
    keys = Counter(h.digits for _, h in sound.heard if h.what == "keys")
    assert keys["1"] > keys["2"] > sum(keys.values()) / 10
    assert any(h.what == "silence" for _, h in sound.heard)


async def test_lifelike_messages_are_mostly_delivered_and_seldom_answered() -> None:
    host = await a_day(Settings(seed=1), calls=2000, channel="sms")
    kinds = Counter(e.kind for e in host.events)
    assert kinds[K.DELIVERED] + kinds[K.UNDELIVERED] == 2000
    assert 0.9 < kinds[K.DELIVERED] / 2000 < 1
    assert 0 < kinds[K.REPLIED] < 30
    assert {e.text for e in host.events if e.kind is K.REPLIED} == {"TD"}


async def test_mishaps_leave_no_call_without_an_end() -> None:
    """Whatever was taken is known to `find` with its ending, reported or not."""
    host, mock = VirtualHost(), MockAdapter(Settings(faults=1.0))
    await mock.open(host)
    orders = [an_order(f"a-{count}", f"+86138{count:08d}") for count in range(200)]
    errors: Counter[type] = Counter()
    for order in orders:
        try:
            await mock.place(order)
        except (Unavailable, Uncertain) as error:
            errors[type(error)] += 1
    await host.advance(600)
    taken = {placement.attempt_id for placement in mock.placements}
    assert errors[Unavailable] > 10
    assert errors[Uncertain] > 10
    assert 100 < len(taken) < 200
    for order in orders:
        found = await mock.find(order)
        assert bool(found) == (order.attempt_id in taken)
        assert not found or found[-1].kind is K.ENDED


def test_people_answer_less_at_night_and_workers_less_in_office_hours() -> None:
    wednesday = datetime(2026, 1, 14, tzinfo=UTC)
    habits = [habit_of(1, f"+86138{count:08d}") for count in range(200)]
    assert {habit.works for habit in habits} == {True, False}
    for habit in habits:
        at_ten, at_noon, at_night = (answer_share(habit, wednesday.replace(hour=hour)) for hour in (10, 12, 23))
        assert at_night < at_ten <= at_noon
        assert (at_ten < at_noon) == habit.works
        assert answer_share(habit, wednesday.replace(day=17, hour=10)) == at_noon, "a Saturday"


async def test_the_mock_has_no_hooks(mock_carrier: MockAdapter) -> None:
    assert (await mock_carrier.hook(HookRequest("POST", "/", "", {}, b""))).status == 404


@pytest.mark.parametrize("wrong", [{"profile": "slow"}, {"faults": 1.1}, {"utc_offset_h": 15}, {"sed": 1}])
def test_settings_refuse_what_they_do_not_know(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(wrong)


@pytest.mark.parametrize(("page", "passed"), [("docs/mock.md", 3), ("README.md", 1)])
def test_the_example_in_the_documentation_runs(tmp_path: Path, page: str, passed: int) -> None:
    conftest, *others = blocks("docs/mock.md", "python")
    (tmp_path / "conftest.py").write_text(conftest)
    (tmp_path / "test_example.py").write_text((others if page == "docs/mock.md" else blocks(page, "python"))[0])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{passed} passed" in done.stdout
