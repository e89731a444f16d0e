"""Several real daemons on one PostgreSQL database, and one carrier that all of them call through.

Each worker has a folder of its own (settings, port, log). The carrier is a process beside them, so that what a dead
worker placed can be asked about, and an event may reach any worker. Its journal, the exports and the database judge.
"""

import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from tests.support.live import Installation, free_port, installation
from tests.support.nursery import shared
from tests.support.postgres import in_thread

LINE = '[adapters.mock]\nprofile = "quick"\njournal = "journal.jsonl"\n'
MICRO = 1_000_000
DUE = "planned_for <= $1 and state not in ('settled', 'blocked', 'expired', 'cancelled')"


def await_it(done: Callable[[], Any], limit_s: float, pause_s: float = 0.05) -> bool:
    """Polls real processes from outside: there is nothing to await here."""
    until = time.monotonic() + limit_s
    while not done():
        if time.monotonic() >= until:
            return False
        time.sleep(pause_s)
    return True


@dataclass
class Daemon:
    """One worker's process."""

    folder: Path
    pid: int = 0

    def logged(self, event: str) -> list[dict[str, Any]]:
        path = self.folder / "run.log"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        rows = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [row for row in rows if row.get("event") == event]

    def kill(self, number: int = signal.SIGKILL) -> int | None:
        """Sends the signal; its exit code."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)
        return shared().wait(self.pid, 40)


@dataclass
class Crowd:
    """An installation with workers. `url` is the database's address as commands and tests see it."""

    folder: Path
    url: str
    here: Installation
    is_shared: bool = True
    workers: list[Daemon] = field(default_factory=list)

    def command(self, *words: str) -> str:
        return self.here.dialer(*words)

    def start(self, url: str = "", wait: bool = True, netns: str = "") -> Daemon:
        """One more worker; `url`: the database's address as it sees it."""
        daemon = Daemon(self.folder / f"w{len(self.workers)}")
        daemon.folder.mkdir()
        text = (self.folder / "dialer.toml").read_text(encoding="utf-8")
        text = text.replace(f'"{self.url}"', f'"{url or self.url}"')
        text = text.replace('"carrier.sock"', '"../carrier.sock"').replace('"sg.toml"', '"../sg.toml"')
        text = re.sub(r"port = \d+", f"port = {free_port()}", text)
        (daemon.folder / "dialer.toml").write_text(text, encoding="utf-8")
        self.workers.append(daemon)
        self.again(daemon, wait, netns)
        return daemon

    def again(self, daemon: Daemon, wait: bool = True, netns: str = "") -> None:
        before = len(daemon.logged("started"))
        daemon.pid = shared().start(daemon.folder, "run", netns=netns)
        if wait:
            told = (daemon.folder / "run.log").read_text
            assert await_it(lambda: len(daemon.logged("started")) > before, 20), told()[-3000:]

    def journal(self) -> list[dict[str, Any]]:
        """Of the shared carrier, or of all workers' own, in the order of time."""
        paths = [path for path in self.folder.glob("**/journal*.jsonl") if path.parent != self.folder or self.is_shared]
        lines = [line for path in paths for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
        return sorted((json.loads(line) for line in lines), key=lambda one: str(one["at"]))

    def rows(self, sql: str, *given: Any) -> list[Any]:
        async def ask() -> list[Any]:
            connection = await asyncpg.connect(self.url, timeout=10)
            try:
                return list(await connection.fetch(sql, *given))
            finally:
                await connection.close()

        return in_thread(ask())

    def unfinished(self, more: str = "true") -> int:
        """How many that are due are not at their end."""
        return int(self.rows(f"select count(*) from attempts where {DUE} and {more}", int(time.time() * MICRO))[0][0])

    def settled(self, limit_s: float) -> bool:
        return await_it(lambda: not self.unfinished(), limit_s, 0.2)

    def shares(self) -> Counter[str]:
        """worker → how many it placed."""
        return Counter(dict(self.rows("select worker, count(*) from placements group by worker")))

    def names(self) -> list[str]:
        """The workers that are written down."""
        return [row[0] for row in self.rows("select worker from workers order by started_at")]

    def halt_and_stop(self) -> list[str]:
        """Each worker is told to stop; what is wrong with how they did."""
        for daemon in self.workers:
            with suppress(ProcessLookupError):
                os.kill(daemon.pid, signal.SIGTERM)
        return [
            f"{daemon.folder.name} ended with {code} after SIGTERM"
            for daemon in self.workers
            if (code := shared().wait(daemon.pid, 40)) not in (0, -signal.SIGKILL)
        ]

    def faults(self) -> list[str]:
        """What the journal, the exports, the record and the referee find wrong."""
        taken = self.journal()
        if not self.is_shared:
            text = "".join(json.dumps(one) + "\n" for one in taken)
            (self.folder / "journal.jsonl").write_text(text, encoding="utf-8")
        self.command("attempts", "--jsonl", "attempts.jsonl")
        self.command("actions", "--jsonl", "actions.jsonl", "--reveal")
        report = self.folder / "report.json"
        report.write_text(shared().capture(self.folder, "report", "--json").stdout, encoding="utf-8")
        lines = (self.folder / "attempts.jsonl").read_text(encoding="utf-8").splitlines()
        known = {row["attempt_id"]: row for row in map(json.loads, lines)}
        found = [f"{key} placed {n} times" for key, n in Counter(one["attempt_id"] for one in taken).items() if n > 1]
        found += [f"{one['attempt_id']} is nobody's" for one in taken if one["attempt_id"] not in known]
        rounds = Counter((one["to"], known[one["attempt_id"]]["round"]) for one in taken if one["attempt_id"] in known)
        found += [f"{to} called {n} times in round {number}" for (to, number), n in rounds.items() if n > 1]
        for words in (("referee", ".", "--settings", "dialer.toml"), ("audit", "verify")):
            done = shared().capture(self.folder, *words)
            found += [f"{words[0]}: {done.stdout}{done.stderr}"] if done.returncode else []
        if held := self.rows("select count(*) from live_calls")[0][0]:
            found.append(f"{held} phones are held by calls that are over")
        return found


def most_in_a_second(taken: Sequence[dict[str, Any]], seconds: float = 1.0) -> int:
    """The largest number of placements in any window of that length, its end not counted."""
    at = sorted(datetime.fromisoformat(one["at"].replace("Z", "+00:00")) for one in taken)
    length, first, most = timedelta(seconds=seconds), 0, 0
    for last, instant in enumerate(at):
        while at[first] <= instant - length:
            first += 1
        most = max(most, last - first + 1)
    return most


@contextmanager
def crowd(
    folder: Path, url: str, people: int, rate: float = 20, line: str = "", is_shared: bool = True, launch: bool = True
) -> Iterator[Crowd]:
    """Everything but the workers: files imported, campaign launched, carrier listening. `line`: more of its settings.

    Not `is_shared`: each worker has a carrier in its own process, whose journal tells to the millisecond when it placed.
    """
    url = url.replace(":@", "@")  # an empty password would be a secret in a file
    here = installation(folder, people, rate)
    settings = folder / "dialer.toml"
    text = settings.read_text(encoding="utf-8")
    assert LINE in text
    if is_shared:
        text = text.replace(LINE, '[adapters.mock]\ncarrier = "carrier.sock"\n')
    text = text.replace('"sqlite:///dialer.db"', f'"{url}"').replace("[lines.main]\n", f"[lines.main]\n{line}", 1)
    if "calls_at_once" in line:
        text = text.replace("calls_at_once = 200\n", "")
    settings.write_text(text, encoding="utf-8")
    found = Crowd(folder, url, here, is_shared)
    found.command("import", "accounts", "accounts.csv")
    found.command("import", "installments", "installments.csv")
    if launch:
        found.command("launch", "now.toml")
    words = ("--socket", "carrier.sock", "--journal", "journal.jsonl", "--profile", "quick", "--seed", "1")
    others = [shared().start(folder, "carrier", *words)] if is_shared else []
    if is_shared:
        assert await_it((folder / "carrier.sock").exists, 10, 0.01), (folder / "carrier.log").read_text()
    try:
        yield found
    finally:
        for pid in (*(daemon.pid for daemon in found.workers), *others):
            if shared().wait(pid, 0) is None:
                os.kill(pid, signal.SIGKILL)
                shared().wait(pid)
