"""`dialer call`: one test call to a test number, through the gate, on the real adapter; nothing of it is kept."""

import asyncio
import json
import os
import re
import signal
import socket
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from jsonschema import Draft202012Validator

from adapters import loader
from adapters.contract import (
    Event,
    EventKind,
    Heard,
    HookReply,
    HookRequest,
    Host,
    Order,
    Receipt,
    Refused,
    Unavailable,
    Uncertain,
)
from dialer import shapes, testcall
from dialer.cli.call import CallReport
from tests.support import outsider
from tests.support.command import Done, run
from tests.support.live import installation

TO = "+6591230099"
MESSAGE = """
[message.missed]
text = "{lender}: {amount} is due on {due_on}, pay to {pay_to}. Reply STOP to end."
"""
Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> outsider.Plan:
    monkeypatch.setitem(loader.BUILT_IN, "outsider", "tests.support.outsider:ADAPTER")
    fresh = outsider.Plan()
    monkeypatch.setattr(outsider, "PLAN", fresh)
    return fresh


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    installation(tmp_path, 1)
    settings = tmp_path / "dialer.toml"
    settings.write_text(f'test_numbers = ["{TO}"]\n{settings.read_text()}')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edit(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


def outside(folder: Path) -> int:
    """The line goes over the outsider. Returns the port of the hooks."""
    edit(folder / "dialer.toml", ('adapter = "mock"', 'adapter = "outsider"'))
    text = (folder / "dialer.toml").read_text()
    return int(text.split("port = ")[1].split()[0])


def call(capsys: Capsys, *words: str, to: str = TO, script: str = "reminder") -> Done:
    done = run(capsys, "call", "--to", to, "--script", script, "--campaign", "now.toml", *words)
    assert "Traceback" not in done.err
    return done


def read(done: Done) -> CallReport:
    """The answer for programs, which is as its schema says."""
    Draft202012Validator(shapes.of_answer("call", CallReport)).validate(json.loads(done.out))
    return CallReport.model_validate_json(done.out, strict=False)


def raising(error: Exception) -> Callable[[Host, Order], Awaitable[Receipt]]:
    async def place(host: Host, order: Order) -> Receipt:
        raise error

    return place


def event(order: Order, kind: EventKind, host: Host, **more: str) -> Event:
    return Event(kind, host.now(), order.attempt_id, "ref-1", f"ref-1/{kind}", **more)  # type: ignore[arg-type]


async def busy(host: Host, order: Order) -> Receipt:
    host.start(host.record([event(order, EventKind.ENDED, host, disposition="busy")]))
    return Receipt("ref-1")


async def rings(host: Host, order: Order) -> Receipt:
    host.start(host.record([event(order, EventKind.RINGING, host)]))
    return Receipt("ref-1")


# --- a call that goes ----------------------------------------------------------------------------------------------


def test_it_calls_and_tells_as_it_goes(folder: Path, capsys: Capsys) -> None:
    before = sorted(file.name for file in folder.iterdir())
    done = call(capsys, to="91230099")  # the national form of the lender's country
    assert done.code == 0, done.err
    told = [line[9:] for line in done.out.splitlines()[1:-1]]
    assert told[:4] == ["the gate lets it pass, on line main", "accepted", "ringing", "answered"]
    assert told[4] == "keyed: says paid, pressed 1"
    assert done.out.splitlines()[-1].startswith("Disposition: human; outcome: says_paid. It was a test")
    assert sorted(file.name for file in folder.iterdir()) == before, "neither database nor journal"


def test_the_answer_for_programs(folder: Path, capsys: Capsys) -> None:
    done = call(capsys, "--json")
    report = read(done)
    assert (done.code, report.state, report.outcome, report.line) == (0, "settled", "says_paid", "main")
    assert [one.kind for one in report.events][:4] == ["passed", "accepted", "ringing", "answered"]
    assert report.attempt_id is not None
    assert report.attempt_id > 10**15, "no attempt of the database has such a number"


def test_nobody_answers_and_that_is_said(folder: Path, capsys: Capsys) -> None:
    edit(
        folder / "dialer.toml", ('"quick"', '"rings_out"'), ("[adapters.mock]", 'ring_timeout = "1s"\n[adapters.mock]')
    )
    done = call(capsys)
    assert done.code == 0, done.err
    assert "Nobody answered. Disposition: no_answer; outcome: no_contact." in done.out


def test_a_message_goes_by_its_name(folder: Path, capsys: Capsys) -> None:
    edit(folder / "now.toml", ('voice = ["main"]', 'voice = ["main"]\nsms = ["main"]'))
    (folder / "now.toml").write_text((folder / "now.toml").read_text() + MESSAGE)
    done = call(capsys, script="missed")
    assert done.code == 0, done.err
    assert "Disposition: delivered; outcome: reached." in done.out


def test_no_retry_and_no_later_round_is_made(folder: Path, plan: outsider.Plan, capsys: Capsys) -> None:
    outside(folder)
    edit(
        folder / "now.toml", ('script = "reminder"\n', 'script = "reminder"\nretry = { on = ["busy"], after = "1s" }\n')
    )
    plan.place = busy
    done = call(capsys)
    assert done.code == 0, done.err
    assert "Disposition: busy" in done.out
    assert len(plan.orders) == 1
    assert (plan.orders[0].to, plan.closed) == (TO, 1)


def test_the_provider_reaches_it_by_its_hooks_and_others_news_is_not_taken(
    folder: Path, plan: outsider.Plan, capsys: Capsys
) -> None:
    port, replies = outside(folder), list[int]()

    async def from_outside(order: Order) -> None:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/hooks/outsider") as provider:
            for path in ("/7", "/reply", f"/{order.attempt_id}"):
                replies.append((await provider.post(path)).status_code)

    async def place(host: Host, order: Order) -> Receipt:
        host.start(from_outside(order))
        return Receipt("ref-1")

    async def hook(host: Host, request: HookRequest) -> HookReply:
        last = request.path.rpartition("/")[2]
        if last == "reply":
            await host.record([Event(EventKind.REPLIED, host.now(), ref="r", text="STOP", sender="+6591230000")])
        order = Order(last, "voice", TO, "", "main")
        await host.record([event(order, EventKind.ANSWERED, host)])
        step = await host.step(last, Heard("start"))
        assert "test account" in step.text
        await host.step(last, Heard("keys", "9", number=0))
        await host.record([event(order, EventKind.ENDED, host, disposition="answered")])
        return HookReply(204)

    plan.place, plan.hook = place, hook
    done = call(capsys)
    assert done.code == 0, done.err
    assert replies == [503, 503, 204], "a STOP that is acknowledged here would be forgotten"
    assert "keyed: opted out, pressed 9" in done.out
    assert "outcome: opted_out" in done.out


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "script", "code", "said"),
    [
        ("+6591230098", "reminder", 1, "+6591230098 is no test number (those are: +659***0099); add it to"),
        ("12", "reminder", 2, "command line: --to: is "),
        (TO, "remind", 2, '--script: "remind" is no script and no message of now.toml, perhaps "reminder"'),
    ],
)  # fmt: skip
def test_what_cannot_be_tried_out(folder: Path, capsys: Capsys, to: str, script: str, code: int, said: str) -> None:
    done = call(capsys, to=to, script=script)
    assert done.code == code
    assert said in done.err


def test_an_emergency_stop_holds_and_nothing_is_written(folder: Path, capsys: Capsys) -> None:
    assert run(capsys, "db", "upgrade").code == 0
    assert run(capsys, "halt", "--reason", "fire").code == 0
    before = (folder / "dialer.db").read_bytes()
    done = call(capsys)
    assert done.code == 1
    assert "[dialer.halted]" in done.out
    assert "fire [dialer.halted]; nothing was placed" in done.err
    assert (folder / "dialer.db").read_bytes() == before


def test_a_suppressed_number_is_not_called(folder: Path, capsys: Capsys) -> None:
    assert run(capsys, "suppress", TO, "--reason", "asked by mail", "--channel", "voice").code == 0
    done = call(capsys, "--json")
    report = read(done)
    assert done.code == 1
    assert report.refusal is not None
    assert (report.refusal.verdict, report.refusal.rule) == ("block", "dialer.suppressed")
    assert "asked by mail" in report.why
    assert (report.attempt_id, report.events) == (None, [])
    assert run(capsys, "suppress", TO, "--reason", "it was a test", "--lift").code == 0
    assert call(capsys).code == 0


def test_whoever_has_the_number_may_be_suppressed_as_a_person(folder: Path, capsys: Capsys) -> None:
    edit(folder / "accounts.csv", ("+6591230000", TO))
    assert run(capsys, "import", "accounts", "accounts.csv").code == 0
    assert run(capsys, "suppress", "--person", "P-0", "--reason", "asked").code == 0
    assert "[dialer.suppressed]" in call(capsys).err


def test_outside_the_legal_hours_the_verdict_says_until_when(folder: Path, capsys: Capsys) -> None:
    hour = (datetime.now(ZoneInfo("Asia/Singapore")).hour + 12) % 24
    edit(folder / "sg.toml", ('"00:00"', f'"{hour:02}:00"'), ('"23:59"', f'"{hour:02}:30"'))
    line = next(one for one in (folder / "now.toml").read_text().splitlines() if one.startswith("between"))
    edit(folder / "now.toml", (line, f'between = [["{hour:02}:00", "{hour:02}:30"]]'))
    done = call(capsys)
    assert done.code == 1
    told = " ".join(done.out.split())
    assert "defer, outside the permitted hours in Asia/Singapore [sg.hours]" in told
    assert "a test's rule, tests/support/live.py" in told, "the citation"
    assert re.search(r"\[sg.hours\], until \d{4}-\d\d-\d\d \d\d:00:00; nothing was placed", done.err)


# --- what does not go --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Unavailable("no credit", 0.0), "nothing was sent (unavailable: no credit); see `dialer check --live`"),
        (Refused("invalid_number", "21211"), "the provider refused it: "),
        (Uncertain("no answer"), "the provider does not say what became of it in 0.3 s"),
    ],
)
def test_a_placement_that_fails_is_made_once(
    folder: Path, plan: outsider.Plan, capsys: Capsys, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    outside(folder)
    monkeypatch.setattr(testcall, "LOST_S", 0.3)
    plan.place = raising(error)
    done = call(capsys)
    assert done.code == 1
    assert said in done.err
    assert len(plan.orders) == 1


def test_an_adapter_that_cannot_be_opened(folder: Path, plan: outsider.Plan, capsys: Capsys) -> None:
    outside(folder)
    plan.open_error = OSError("no way there")
    done = call(capsys)
    assert done.code == 1
    assert "an adapter cannot be opened (OSError: no way there); see `dialer check --live`" in done.err


def test_a_taken_port_is_said(folder: Path, plan: outsider.Plan, capsys: Capsys) -> None:
    with socket.create_server(("127.0.0.1", outside(folder))):
        done = call(capsys)
    assert done.code == 1
    assert "is taken, by the running daemon perhaps" in done.err
    assert "stop the daemon for the test call, or" in done.err
    assert plan.orders == []


def test_the_mock_is_called_beside_a_daemon(tmp_path: Path) -> None:
    place = installation(tmp_path, 1)
    edit(tmp_path / "dialer.toml", ('house = "sg"', f'house = "sg"\ntest_numbers = ["{TO}"]'))
    with place.daemon():
        place.wait("the start", lambda: place.logged("started"))
        told = place.dialer("call", "--to", TO, "--script", "reminder", "--campaign", "now.toml")
    assert "outcome: says_paid" in told
    assert place.journal() == []


def test_a_line_that_is_shut(folder: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(folder / "dialer.toml", ("calls_at_once", 'hours = [["02:00", "03:00"]]\ncalls_at_once'))
    monkeypatch.setattr(testcall, "WAIT_S", 0.3)
    done = call(capsys)
    assert done.code == 1
    assert "no line took it in 0.3 s (outside its own hours: main); nothing was placed" in done.err


def test_ctrl_c_hangs_up(folder: Path, plan: outsider.Plan, capsys: Capsys) -> None:
    outside(folder)
    ended: list[str] = []

    async def place(host: Host, order: Order) -> Receipt:
        asyncio.get_running_loop().call_later(0.3, os.kill, os.getpid(), signal.SIGINT)
        return await rings(host, order)

    async def hang_up(host: Host, ref: str) -> None:
        ended.append(ref)
        await host.record([event(plan.orders[0], EventKind.ENDED, host, disposition="no_answer")])

    plan.place, plan.hang_up = place, hang_up
    done = call(capsys, "--json")
    assert (done.code, ended) == (1, ["ref-1"])
    assert "ended by you; the call was hung up" in done.err
    assert json.loads(done.out)["state"] == "settled"
