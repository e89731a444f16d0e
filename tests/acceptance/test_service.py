"""The daemon as a service: what systemd hears of a real process, the emergency stop, the digest over a kill."""

import json
import signal
import socket
import sqlite3
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.support.live import Installation, installation, noon_zone


class Systemd:
    """The socket that a service manager listens on."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.heard: list[str] = []

    def hear(self) -> list[str]:
        """All that was said so far, the newest last."""
        with suppress(BlockingIOError):
            while True:
                self.heard += self.socket.recv(4096).decode().splitlines()
        return self.heard

    def fed(self, seconds: float) -> int:
        """How often the watchdog is fed in so many seconds from now."""
        before = self.hear().count("WATCHDOG=1")
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.hear()  # the kernel keeps few datagrams
            time.sleep(0.05)
        return self.hear().count("WATCHDOG=1") - before


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    found = Systemd(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "2000000")
    yield found
    found.socket.close()


def load(here: Installation) -> None:
    here.dialer("import", "accounts", "accounts.csv")
    here.dialer("import", "installments", "installments.csv")
    here.dialer("launch", "now.toml")


def readyz(here: Installation) -> dict[str, object]:
    with urllib.request.urlopen(f"http://127.0.0.1:{here.port}/readyz", timeout=5) as reply:
        found: dict[str, object] = json.load(reply)
        return found


def test_systemd_hears_when_it_is_ready_that_it_lives_and_that_it_stops(tmp_path: Path, systemd: Systemd) -> None:
    here = installation(tmp_path, 3)
    load(here)
    with here.daemon() as process:
        here.wait("ready", lambda: "READY=1" in systemd.hear())
        assert systemd.heard[0].startswith("STATUS=opening the database")
        fed = systemd.heard.count("WATCHDOG=1")
        here.wait("it is fed thrice", lambda: systemd.hear().count("WATCHDOG=1") >= fed + 3, 5)
        here.dialer("halt", "--reason", "drill")
        here.wait("the halt is seen", lambda: "STATUS=halted: drill" in systemd.hear())
        assert readyz(here) == {"ready": True, "reason": "", "halted": "drill"}
        here.dialer("unhalt")
        here.wait("the halt is gone", lambda: readyz(here)["halted"] is None)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert "STOPPING=1" in systemd.hear()
    assert [entry["reason"] for entry in here.logged("halted")] == ["drill"]
    assert len(here.logged("unhalted")) == 1
    (outlook,) = here.logged("outlook")
    assert outlook["today"].startswith("1 active campaign (now); ")
    assert "line main (mock) up to 20 calls/s and 50 messages/s; not halted" in outlook["today"]


def test_a_writer_that_hangs_starves_the_watchdog_until_it_answers(tmp_path: Path, systemd: Systemd) -> None:
    here = installation(tmp_path, 1)
    with here.daemon():
        here.wait("ready", lambda: "READY=1" in systemd.hear())
        fed = systemd.heard.count("WATCHDOG=1")
        here.wait("it is fed", lambda: systemd.hear().count("WATCHDOG=1") > fed, 3)
        with closing(sqlite3.connect(tmp_path / "dialer.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(1)
            assert systemd.fed(3) == 0, "longer than the 2 s after which systemd starts it anew"
            other.execute("ROLLBACK")
        here.wait("it is fed again", lambda: systemd.fed(0.2) > 0)
        assert here.logged("hanging")


def test_the_digest_comes_once_a_day_whatever_happens_to_the_daemon(tmp_path: Path) -> None:
    here = installation(tmp_path, 3)
    hour_ago = datetime.now(UTC).astimezone(ZoneInfo(noon_zone())) - timedelta(hours=1)
    mail = f"import sys; open({str(tmp_path / 'mails')!r}, 'ab').write(sys.stdin.buffer.read())"
    with (tmp_path / "dialer.toml").open("a", encoding="utf-8") as settings:
        command = json.dumps([sys.executable, "-c", mail])
        settings.write(f'[digest]\nat = "{hour_ago:%H:%M}"\nfile = "digests/{{day}}"\ncommand = {command}\n')
    load(here)
    day = f"{hour_ago - timedelta(days=hour_ago.hour < 12):%Y-%m-%d}"  # before noon it tells of the day before
    for _ in range(2):
        with here.daemon() as process:
            sent = len(here.logged("started"))
            here.wait("started", lambda sent=sent: len(here.logged("started")) > sent)
            here.wait("the digest", lambda: len(here.logged("digest_sent")) == 2)
            time.sleep(1)
            process.send_signal(signal.SIGKILL)
    assert sorted(entry["to"] for entry in here.logged("digest_sent")) == ["command", "file"]
    assert (tmp_path / "mails").read_bytes().count(b"Message-ID: ") == 1
    text = (tmp_path / "digests" / f"{day}.txt").read_text(encoding="utf-8")
    assert text.startswith(f"Lender: reminders of {day}: ")
    assert f"<title>Lender: reminders of {day}" in (tmp_path / "digests" / f"{day}.html").read_text(encoding="utf-8")
    assert not here.logged("digest_failed")


def test_the_command_prints_a_day_and_delivers_it_when_told(tmp_path: Path) -> None:
    here = installation(tmp_path, 3)
    load(here)
    day = f"{datetime.now(UTC).astimezone(ZoneInfo(noon_zone())):%Y-%m-%d}"
    assert here.dialer("digest").startswith(f"Lender: reminders of {day}: 0 placed")
    assert json.loads(here.dialer("digest", "--json", "--day", day))["figures"]["planned"] == 3
    assert "the settings have no [digest]" in here.dialer("digest", "--send", check=1)
    with (tmp_path / "dialer.toml").open("a", encoding="utf-8") as settings:
        settings.write('[digest]\nfile = "digests/{day}.txt"\ncommand = ["/nowhere/sendmail"]\n')
    said = here.dialer("digest", "--send", check=1)
    assert f"The digest of {day} went to: file" in said
    assert "dialer: command: /nowhere/sendmail: cannot be started" in said
    assert (tmp_path / "digests" / f"{day}.txt").exists()
    assert "lies ahead; accepted: today or earlier" in here.dialer("digest", "--day", "2199-01-01", check=2)
