"""The sample campaign through Twilio, played by a stand-in: every branch of both scripts, and what follows from it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from string import Template
from typing import Any

import pytest

from dialer.cli.init import sample_text
from tests.support.scene import SHANGHAI, account, due, late
from tests.support.twilio_peer import TwilioPeer
from tests.support.twilio_script import Person
from tests.support.twilio_stage import AGENTS, OURS, SID, TOKEN, Hooks, Stage, launch, stage

CAMPAIGN = Template(sample_text("zh", "monthly.toml")).substitute(due_days="[15]", today="2026-01-12")
SAMPLE = sample_text("zh", "dialer.toml")
DUE = "2026-01-15"
Script = Callable[[Person], object]


@dataclass(frozen=True)
class Way:
    """How a person behaves, and what has to come of it: (disposition, outcome), and the steps that are heard."""

    name: str
    acts: Script
    ends: tuple[str, str]
    heard: int = 0
    """How many texts were said; 0: not looked at."""


def keys(*pressed: str, **more: Any) -> Script:
    return lambda person: person.answers(keys=pressed, **more)


def first_not_then(acts: Script) -> Script:
    """Does not answer the reminder; the due day's call goes as `acts` says."""
    return lambda person: acts(person.no_answer().then())


REMINDER = [
    Way("paid", keys("1"), ("human", "says_paid"), 2),
    Way("pays today", keys("2", "1"), ("human", "promised"), 3),
    Way("pays tomorrow", keys("2", "2"), ("human", "promised"), 3),
    Way("pays when due", keys("2", "3"), ("human", "promised"), 3),
    Way("wants an agent", keys("0"), ("human", "agent"), 2),
    Way("wants an agent, nobody is there", keys("0", dial="no-answer"), ("human", "callback"), 2),
    Way("wants an agent, who is busy", keys("0", dial="busy"), ("human", "callback"), 2),
    Way("wants an agent, the call fails", keys("0", dial="failed"), ("human", "callback"), 2),
    Way("wants no more calls", keys("9"), ("human", "opted_out"), 2),
    Way("says nothing", keys(), ("human", "reached"), 3),
    Way("says nothing at first", keys("", "1"), ("human", "says_paid"), 3),
    Way("presses a wrong key", keys("7", "1"), ("human", "says_paid"), 3),
    Way("presses wrong keys only", keys("7", "*"), ("human", "reached"), 2),
    Way("says nothing about when", keys("2"), ("human", "reached"), 3),
    Way("hangs up at once", lambda person: person.answers().hangs_up(1), ("human", "reached"), 1),
    Way("a machine", lambda person: person.machine("machine_end_beep"), ("machine", "no_contact")),
    Way("does not answer", lambda person: person.no_answer(), ("no_answer", "no_contact")),
    Way("is busy", lambda person: person.busy(), ("busy", "no_contact")),
    Way("has no such number", lambda person: person.failed(sip=404), ("invalid_number", "invalid_number")),
]
CONFIRM = [
    Way("paid", first_not_then(keys("1")), ("human", "says_paid"), 2),
    Way("pays today", first_not_then(keys("2")), ("human", "promised"), 2),
    Way("wants an agent", first_not_then(keys("0")), ("human", "agent"), 2),
    Way("wants an agent, nobody is there", first_not_then(keys("0", dial="no-answer")), ("human", "callback"), 2),
    Way("wants no more calls", first_not_then(keys("9")), ("human", "opted_out"), 2),
    Way("says nothing", first_not_then(keys()), ("human", "reached"), 2),
    Way("presses wrong keys only", first_not_then(keys("5", "5")), ("human", "reached"), 2),
    Way("a machine", first_not_then(lambda person: person.machine("machine_end_beep")), ("machine", "no_contact")),
]
Act = Callable[[Stage, TwilioPeer], Awaitable[None]]


def number(index: int) -> str:
    return f"+86138001380{index:02}"


async def on_stage(folder: Path, act: Act, line: str = "", at: str = "2026-01-12 08:00") -> None:
    hooks = Hooks()
    clock: list[Any] = []
    async with (
        TwilioPeer(SID, TOKEN, now=lambda: clock[0].now(), hooks=hooks) as peer,
        stage(folder, at, peer.base_url, SAMPLE, line) as one,
    ):
        clock.append(one.clock)
        hooks.app, one.idle = one.app, peer.idle
        await act(one, peer)
        assert all(sent.is_good for sent in peer.sent if sent.status), "every hook was taken"


async def run(one: Stage, people: int, more: str = "", days: int = 4) -> None:
    """So many persons with a due date, through all of it."""
    await one.load("".join(account(n, number(n)) for n in range(1, people + 1)),
                   "".join(due(n, DUE) for n in range(1, people + 1)) + more)  # fmt: skip
    await launch(one, CAMPAIGN)
    await one.start()
    for day in range(12, 12 + days):
        await one.until(f"2026-01-{day} 00:05")
        await one.day()
        await one.until(f"2026-01-{day} 23:50")


def settled(one: Stage, person: int, **where: Any) -> list[Any]:
    rows = one.rows(person_id=f"P-{person}", **where)
    assert {row.state for row in rows} <= {"settled", "cancelled"}, [(row.state, row.reason) for row in rows]
    return [row for row in rows if row.state == "settled"]


async def test_every_branch_of_the_reminder(tmp_path: Path) -> None:
    async def act(one: Stage, peer: TwilioPeer) -> None:
        for n, way in enumerate(REMINDER, 1):
            way.acts(peer.on(number(n)))
        await run(one, len(REMINDER), "".join(late(n, "2025-12-15") for n in range(1, len(REMINDER) + 1)))
        for n, way in enumerate(REMINDER, 1):
            calls = settled(one, n, channel="voice")
            assert {(row.disposition, row.outcome) for row in calls} == {way.ends}, way.name
            assert not way.heard or len(peer.call_to(number(n)).said) == way.heard, way.name
        assert {call.dialed[0] for call in peer.calls.values() if call.dialed} == {AGENTS}
        assert {row.kind for row in one.rows("tasks")} >= {"call_back"}
        texted = {message.to for message in peer.messages.values()}
        unreached = {number(n) for n, way in enumerate(REMINDER, 1) if way.ends[1] == "no_contact"}
        assert texted == unreached, "a message follows where nobody was reached, and nowhere else"
        assert {row.disposition for row in one.rows(channel="sms")} == {"delivered"}
        assert len(peer.creates()) == one.adapter.placed

    await on_stage(tmp_path, act, 'machine_detection = "detect-message-end"')


async def test_every_branch_of_the_due_day_s_script(tmp_path: Path) -> None:
    async def act(one: Stage, peer: TwilioPeer) -> None:
        for n, way in enumerate(CONFIRM, 1):
            way.acts(peer.on(number(n)))
        await run(one, len(CONFIRM))
        for n, way in enumerate(CONFIRM, 1):
            first, second = settled(one, n)
            assert first.outcome == "no_contact"
            assert (second.script, second.disposition, second.outcome) == ("confirm", *way.ends), way.name
            assert not way.heard or len(peer.call_to(number(n)).said) == way.heard, way.name

    await on_stage(tmp_path, act, 'machine_detection = "detect"')


async def test_a_machine_that_is_known_late_ends_the_dialogue(tmp_path: Path) -> None:
    async def act(one: Stage, peer: TwilioPeer) -> None:
        peer.on(number(1)).machine("machine_end_beep")
        peer.on(number(2)).answers(keys=["1"])
        await run(one, 2)
        assert {row.disposition for row in settled(one, 1)} == {"machine"}
        assert {row.outcome for row in settled(one, 2)} == {"says_paid"}

    await on_stage(tmp_path, act, 'machine_detection = "asynchronous"')


async def test_a_stop_by_text_ends_it(tmp_path: Path) -> None:
    async def act(one: Stage, peer: TwilioPeer) -> None:
        peer.on(number(1)).no_answer()
        await one.load(account(1, number(1)), due(1, DUE) + late(1, "2025-12-15"))
        await launch(one, CAMPAIGN)
        await one.start()
        await one.until("2026-01-13 20:00")
        assert len(peer.calls) == 1
        await peer.text(number(1), OURS, "TD", url="http://dialer.test/hooks/twilio/inbound")
        await one.until("2026-01-15 23:00")
        assert len(peer.calls) == 1
        assert {row.reason for row in one.rows(state="cancelled")} == {"opted_out"}

    await on_stage(tmp_path, act)


async def test_a_stop_that_only_twilio_knew_of(tmp_path: Path) -> None:
    async def act(one: Stage, peer: TwilioPeer) -> None:
        peer.on(number(1)).no_answer().refuses(400, 21610, "unsubscribed")
        peer.troubles[-1].of = "messages"
        await run(one, 1, late(1, "2025-12-15"), days=3)
        assert len(peer.calls) == 1, "nothing more after Twilio refused the message"
        assert [row.outcome for row in one.rows(channel="sms")] == ["opted_out"]

    await on_stage(tmp_path, act)


@pytest.mark.parametrize("policy", ["early", "twice", "reversed", "dropped"])
async def test_however_callbacks_come_everything_settles_once(tmp_path: Path, policy: Any) -> None:
    async def act(one: Stage, peer: TwilioPeer) -> None:
        peer.callbacks = policy
        peer.on(number(1)).answers(keys=["2", "2"])
        peer.on(number(2)).no_answer()
        await run(one, 2)
        assert {row.outcome for row in settled(one, 1)} == {"promised"}
        assert {row.disposition for row in settled(one, 2)} == {"no_answer"}
        assert len(peer.creates()) == one.adapter.placed == len(one.rows(state="settled"))

    await on_stage(tmp_path, act)


async def test_a_call_whose_answer_was_lost_is_found_and_never_made_again(tmp_path: Path) -> None:
    async def act(one: Stage, peer: TwilioPeer) -> None:
        peer.callbacks = "dropped"
        peer.on(number(1)).no_answer()
        peer.next(cut="in_reply")
        peer.next(status=500, code=20500, created=True, skip=1)
        await run(one, 1)
        rows = settled(one, 1)
        assert [row.disposition for row in rows] == ["no_answer", "no_answer"]
        assert len(peer.calls) == len(peer.creates()) == 2

    await on_stage(tmp_path, act)


async def test_while_its_token_is_refused_nobody_is_lost(tmp_path: Path) -> None:
    """A token that was changed at Twilio: the attempts wait, and are made once it is mended."""

    async def act(one: Stage, peer: TwilioPeer) -> None:
        right = dict(peer.keys)
        peer.keys = {SID: "another token"}
        people = range(1, 9)
        await one.load("".join(account(n, number(n)) for n in people), "".join(due(n, DUE) for n in people))
        await launch(one, CAMPAIGN)
        await one.start()
        await one.until("2026-01-14 11:00")
        rounds = [row for row in one.rows() if row.round == 1]
        assert {row.state for row in rounds} == {"planned"}
        early = min(row.planned_for.astimezone(SHANGHAI) for row in rounds)
        assert early.hour < 11
        minutes = (one.clock.now() - early) / timedelta(minutes=1)
        assert 2 <= len(peer.creates()) <= len(people) * (minutes + 1), "each once a minute at most"
        peer.keys = right
        await one.until("2026-01-14 11:45")
        assert {row.state for row in one.rows() if row.round == 1} == {"settled"}
        assert len(peer.calls) == len(people)

    await on_stage(tmp_path, act)
