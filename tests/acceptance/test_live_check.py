"""`dialer check --live`: the database is read, every adapter is asked for its proofs; nothing is placed or written."""

import json
from pathlib import Path

import pytest

from adapters import loader
from adapters.contract import Proof
from dialer import live
from tests.support import outsider
from tests.support.command import Done, run
from tests.support.live import installation


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> outsider.Plan:
    monkeypatch.setitem(loader.BUILT_IN, "outsider", "tests.support.outsider:ADAPTER")
    fresh = outsider.Plan()
    monkeypatch.setattr(outsider, "PLAN", fresh)
    return fresh


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    installation(tmp_path, 1)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def outside(folder: Path) -> None:
    """A second line, on the outsider."""
    settings = (folder / "dialer.toml").read_text()
    second = settings[settings.index("[lines.main]") : settings.index("[adapters.mock]")]
    second = (
        second.replace("[lines.main]", "[lines.second]").replace('"mock"', '"outsider"').replace('"sms"', '"voice"')
    )
    second = second.replace('channels = ["voice", "voice"]', 'channels = ["voice"]')
    (folder / "dialer.toml").write_text(settings + second)


def proofs(done: Done) -> list[tuple[str, str, bool]]:
    return [(one["of"], one["what"], one["holds"]) for one in json.loads(done.out)["live"]]


def test_a_database_that_is_not_there_is_said_and_not_made(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = run(capsys, "check", "now.toml", "--live")
    assert done.code == 0, done.err
    assert f"database: {folder / 'dialer.db'}: ok (is not there yet" in done.out
    assert "mock: carrier: ok (simulated: it calls nobody)" in done.out
    assert not (folder / "dialer.db").exists()


def test_the_database_is_read_and_not_changed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "db", "upgrade").code == 0
    assert run(capsys, "halt", "--reason", "fire").code == 0
    before = (folder / "dialer.db").read_bytes()
    done = run(capsys, "check", "--live", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["live"][0]["said"] == "can be read; halted: fire"
    assert (folder / "dialer.db").read_bytes() == before
    assert sorted(file.name for file in folder.glob("dialer.db*")) == ["dialer.db"]


def test_without_live_nothing_is_asked(folder: Path, plan: outsider.Plan, capsys: pytest.CaptureFixture[str]) -> None:
    outside(folder)
    plan.open_error = RuntimeError("nobody may open it")
    done = run(capsys, "check", "--json")
    assert (done.code, json.loads(done.out)["live"]) == (0, None)


def test_a_file_that_is_no_database_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "dialer.db").write_bytes(b"no database at all, only text" * 100)
    done = run(capsys, "check", "--live")
    assert done.code == 1
    assert "dialer.db: FAILED: database" in done.out
    assert "1 of 2 live checks failed (database)" in done.err


def test_every_adapter_that_a_line_names_is_asked(
    folder: Path, plan: outsider.Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    outside(folder)
    plan.proofs = [Proof("account", True, "is active"), Proof("number +6591230001", False, "is not ours: +6591230001")]
    done = run(capsys, "check", "--live")
    assert done.code == 1
    assert "outsider: account: ok (is active)" in done.out
    assert "outsider: number +659***0001: FAILED: is not ours: +659***0001" in done.out
    assert "dialer: 1 of 4 live checks failed (outsider)" in done.err
    assert plan.callers == {"+6561234567": frozenset({"voice"})}
    assert plan.public_url == "http://127.0.0.1:8080"
    assert plan.closed == 1


def test_an_adapter_that_raises_is_a_proof_that_does_not_hold(
    folder: Path, plan: outsider.Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    outside(folder)
    plan.error = ValueError("no such account")
    done = run(capsys, "check", "--live", "--json")
    assert done.code == 1
    assert proofs(done)[1:] == [("mock", "carrier", True), ("outsider", "adapter", False)]
    assert json.loads(done.out)["live"][2]["said"] == "ValueError: no such account"
    assert "Traceback" not in done.err
    assert plan.closed == 1
    plan.open_error = OSError("no way there")
    assert "outsider: adapter: FAILED: OSError: no way there" in run(capsys, "check", "--live").out


def test_one_that_does_not_answer_is_not_waited_for(
    folder: Path, plan: outsider.Plan, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    outside(folder)
    monkeypatch.setattr(live, "PROVE_S", 0.05)
    plan.hangs = True
    done = run(capsys, "check", "--live")
    assert done.code == 1
    assert "outsider: adapter: FAILED: did not answer in 0.05 s" in done.out
    assert plan.closed == 1


def test_it_works_beside_a_running_daemon(tmp_path: Path) -> None:
    place = installation(tmp_path, 1)
    with place.daemon():
        place.wait("the start", lambda: place.logged("started"))
        told = place.dialer("check", "--live")
    assert "mock: carrier: ok" in told
    assert "dialer.db: ok (can be read)" in told
