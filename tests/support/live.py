"""A real installation in a folder, for tests that run the real command in real processes and real time.

The lender lives where it is about noon now, so that windows "now" are inside the day whenever the test runs.
"""

import json
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.nursery import Child, shared

DIALER = [sys.executable, "-m", "dialer"]
ALWAYS = """
name = "sg"
[[rule]]
id = "sg.hours"
kind = "window"
force = "house"
actor = ["creditor"]
channels = ["voice", "sms"]
open = [{ days = "all", from = "00:00", until = "23:59" }]
citation = "a test's rule"
url = "tests/support/live.py"
grade = "H"
checked_on = 2026-11-23
"""
SETTINGS = """
database = "sqlite:///dialer.db"
house = "sg"
rules = ["sg.toml"]
lender = {{ name = "Lender", phone = "+6561234567", language = "en", currency = "CNY", country = "SG", time_zone = "{zone}", actor = "creditor" }}
[lines.main]
adapter = "mock"
channels = ["voice", "sms"]
callers = ["+6561234567"]
calls_per_second = {rate}
calls_at_once = 200
messages_per_second = 50
allow_countries = ["SG"]
[adapters.mock]
profile = "quick"
journal = "journal.jsonl"
[web]
port = {port}
[log]
format = "json"
"""
CAMPAIGN = """
format = 1
name = "now"
[audience]
due_days = [{day}]
[lines]
voice = ["main"]
[[segment]]
name = "all"
[[segment.rounds]]
days = [0]
between = [["{begins}", "{ends}"]]
channel = "voice"
script = "reminder"
[script.reminder]
language = "en"
first = "greet"
[script.reminder.step.greet]
say = "{{name}}, {{amount}} is due on {{due_on}}, pay to {{pay_to}}. Press 1 if it is paid, 9 for no more calls."
keys = {{ 1 = "paid", 9 = "stop" }}
[script.reminder.step.paid]
say = "Thank you."
outcome = "says_paid"
[script.reminder.step.stop]
say = "You will get no more calls."
outcome = "opted_out"
"""


def noon_zone() -> str:
    """A zone in which it is between 11:30 and 12:30 now. (Etc/GMT-8 is UTC+8.)"""
    hours = round(12 - (datetime.now(UTC) - datetime.now(UTC).replace(hour=0, minute=0)).total_seconds() / 3600)
    return "Etc/GMT" if hours == 0 else f"Etc/GMT{-hours:+d}"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@dataclass
class Installation:
    """Files of one lender; `dialer(...)` runs the command, `daemon()` the daemon."""

    folder: Path
    port: int

    def dialer(self, *words: str, check: int = 0) -> str:
        done = shared().capture(self.folder, *words)
        assert done.returncode == check, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout + done.stderr

    @contextmanager
    def daemon(self) -> Iterator[Child]:
        log = self.folder / "daemon.log"
        log.touch()  # tests read it before the first word
        process = Child(shared(), shared().start(self.folder, "run", out=log))
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()

    def journal(self) -> list[dict[str, Any]]:
        path = self.folder / "journal.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("}")]

    def attempts(self) -> list[dict[str, Any]]:
        self.dialer("attempts", "--jsonl", "a.jsonl")
        return [json.loads(line) for line in (self.folder / "a.jsonl").read_text().splitlines()]

    def logged(self, event: str) -> list[dict[str, Any]]:
        lines = (self.folder / "daemon.log").read_text().splitlines()
        return [found for line in lines if line.startswith("{") and (found := json.loads(line))["event"] == event]

    def over(self) -> bool:
        """Whether nothing runs or waits any more; slots of the next minutes are not waited for. Read from the database
        itself: the command would take a processor's time from the daemon that is waited for."""
        unfinished = "state = 'planned' AND due_at <= ? OR state IN ('placing', 'placed', 'ringing', 'talking', 'lost')"
        with closing(sqlite3.connect(self.folder / "dialer.db")) as found:
            query, now = f"SELECT count(*) FROM attempts WHERE {unfinished}", int(time.time() * 1_000_000)
            return bool(found.execute(query, (now,)).fetchone() == (0,))

    def wait(self, what: str, done: Any, limit_s: float = 20.0, pause_s: float = 0.05) -> None:
        """Polls a real process from outside: there is nothing to await here."""
        until = time.monotonic() + limit_s
        while not done():
            assert time.monotonic() < until, (
                f"{what} did not happen in {limit_s} s\n{(self.folder / 'daemon.log').read_text()[-3000:]}"
            )
            time.sleep(pause_s)


def installation(folder: Path, people: int, rate: float = 20, ahead: timedelta = timedelta(minutes=12)) -> Installation:
    """A lender with `people` accounts due today, whose window began ten hours ago: hardly a slot is not past."""
    zone = noon_zone()
    offset = -int(zone.removeprefix("Etc/GMT") or 0)
    now = datetime.now(UTC) + timedelta(hours=offset)
    port = free_port()
    write = lambda name, text: (folder / name).write_text(text, encoding="utf-8")  # noqa: E731
    write("sg.toml", ALWAYS)
    write("dialer.toml", SETTINGS.format(zone=zone, rate=rate, port=port))
    begins, ends = now - timedelta(hours=10), now + ahead
    write("now.toml", CAMPAIGN.format(day=now.day, begins=f"{begins:%H:%M}", ends=f"{ends:%H:%M}"))
    head = "account_id,person_id,name,phone,language,time_zone,region,pay_to,consent_voice,consent_sms"
    rows = [f"L-{n},P-{n},Ann,+659123{n:04d},en,{zone},SG,Bank 1,yes,yes" for n in range(people)]
    write("accounts.csv", "\n".join([head, *rows]) + "\n")
    dues = [f"L-{n},{now:%Y-%m-%d},100.00,CNY,," for n in range(people)]
    write("installments.csv", "\n".join(["account_id,due_on,amount,currency,paid_on,paid_amount", *dues]) + "\n")
    return Installation(folder, port)
