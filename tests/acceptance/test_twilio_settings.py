"""Twilio in the settings: what is refused and how, what is warned of, and which commands do without its secret."""

import socket
from pathlib import Path

import pytest

from tests.support import command
from tests.support.command import Done
from tests.support.scene import SETTINGS

SID = "AC" + "0" * 32
TOKEN = "DIALER_ADAPTERS__TWILIO__AUTH_TOKEN"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, f'account_sid = "{SID}"')
    return tmp_path


def write(folder: Path, section: str, web: str = "") -> None:
    text = SETTINGS.replace('"mock"', '"twilio"').replace("unused.db", "dialer.db")
    (folder / "dialer.toml").write_text(f"{text}{web}[adapters.twilio]\n{section}\n", encoding="utf-8")


def told(done: Done) -> list[str]:
    return [line.partition("adapters.twilio")[2] for line in done.err.splitlines() if "adapters.twilio" in line]


@pytest.mark.parametrize(
    ("section", "faults"),
    [
        (f'account_sid = "{SID}"\nauth_token = "abcdefgh"', [".auth_token: is a secret; accepted: " + TOKEN]),
        ('account_sid = "AC12"', [".account_sid: is no such identifier; accepted: AC and 32 hexadecimal digits"]),
        (f'account_sid = "{SID}"\nbase_url = "ftp://x"', [".base_url: is no web address; accepted: https://…"]),
        (f'account_sid = "{SID}"\nbase_url = "http://x:99999"', [".base_url: is no web address; accepted: https://…"]),
        (f'account_sid = "{SID}"\nbase_url = "https://x/2010-04-01"', [".base_url: goes on to /2010-04-01"]),
        (f'account_sid = "{SID}"\nvoice = 1', ['.voice: is not known, perhaps "voices" is meant']),
        (f'account_sid = "{SID}"\napi_key = "SK{"1" * 32}"', [": has one of api_key and api_secret; accepted: both"]),
    ],
)
def test_what_is_wrong_is_said(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], section: str, faults: list[str]
) -> None:
    write(here, section)
    monkeypatch.setenv(TOKEN, "0123456789abcdef")
    done = command.run(capsys, "check")
    assert done.code == 2
    assert [found[: len(fault)] for found, fault in zip(told(done), faults, strict=True)] == faults


@pytest.mark.parametrize("value", ["x", " 0123456789 ", "0123\n456789", "…………………"])
def test_a_token_that_can_be_none(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    monkeypatch.setenv(TOKEN, value)
    done = command.run(capsys, "check")
    assert done.code == 2
    assert f"environment: {TOKEN}: is no token; accepted: 8 or more" in done.err
    assert value.strip() not in done.err.replace("8 or more letters", "") or len(value) == 1


@pytest.mark.parametrize("words", [("run",), ("check",)])
def test_without_its_secret_no_adapter_is_opened(
    here: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    done = command.run(capsys, *words)
    assert done.code == 2
    assert told(done) == [f".auth_token: is missing; accepted: {TOKEN}, or a secrets file"]


@pytest.mark.parametrize("words", [("halt", "--reason", "now"), ("status",), ("unhalt",)])
def test_an_emergency_stop_needs_no_secret(
    here: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert command.run(capsys, "db", "upgrade").code == 0
    assert command.run(capsys, *words).code == 0


@pytest.mark.parametrize(("public", "warned"), [("http://127.0.0.1:8080", True), ("https://dialer.example", False)])
def test_an_address_that_twilio_can_not_reach_is_warned_of(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], public: str, warned: bool
) -> None:
    write(here, f'account_sid = "{SID}"', f'[web]\npublic_url = "{public}"\n')
    monkeypatch.setenv(TOKEN, "0123456789abcdef")
    done = command.run(capsys, "check")
    assert done.code == 0
    assert ("leads twilio to its own machine" in done.err + done.out) == warned


def test_a_daemon_whose_hooks_cannot_be_served_does_not_start(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(TOKEN, "0123456789abcdef")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        write(here, f'account_sid = "{SID}"', f'[web]\nport = {port}\npublic_url = "https://example.com"\n')
        done = command.run(capsys, "run")
    assert (done.code, done.out) == (1, "")
    wrong = (
        f"dialer: nothing can listen on 127.0.0.1:{port} (Address already in use), where twilio calls back; see [web]"
    )
    assert done.err.startswith(wrong)
    assert not (here / "dialer.db").exists()
