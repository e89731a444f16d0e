"""One round of kills: `dialer run` against a carrier in a process of its own, killed at moments drawn from a seed.

Used by tests/acceptance/test_kills.py and by tests/torture.py. A seed draws the moments; real processes make of them
what the machine's load makes of them, so that a seed tells where to look and not exactly what happens.
"""

import asyncio
import json
import os
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from adapters.contract import Event, EventKind, Order, Unavailable
from adapters.remote import RemoteCarrier
from tests.adapters.host import VirtualHost
from tests.support.live import Installation, installation
from tests.support.nursery import Nursery

MOMENTS = ("journal", "journal", "journal", "start", "dialogue", "stop")
"""When it is killed: half of the times right at the carrier's journal line."""
SETTLES_S = 40.0
KILLS_A_ROUND = 11
OPEN = ("planned", "placing", "placed", "ringing", "talking", "lost")


@dataclass
class Round:
    """An installation, its carrier, and what goes wrong. `faults` says it in words; none is what is wanted."""

    here: Installation
    nursery: Nursery
    random: Random
    faults: list[str]
    killed: Counter[str]

    @property
    def folder(self) -> Path:
        return self.here.folder

    def journal_size(self) -> int:
        path = self.folder / "journal.jsonl"
        return path.stat().st_size if path.exists() else 0

    def await_placement(self, size: int, limit_s: float = 10.0) -> bool:
        """Whether the carrier takes something more than `size` bytes tell of; looked at often, for kills at the line."""
        return _await(lambda: self.journal_size() > size, limit_s, 0.0003)

    def log_size(self) -> int:
        path = self.folder / "run.log"
        return path.stat().st_size if path.exists() else 0

    def await_start(self, said: int) -> bool:
        """Whether the log says after so many bytes that a daemon started."""
        return _await(lambda: b'"event": "started"' in (self.folder / "run.log").read_bytes()[said:], 20, 0.01)

    def kill(self, moment: str) -> None:
        """Starts the daemon and kills it at such a moment."""
        size, said = self.journal_size(), self.log_size()
        pid = self.nursery.start(self.folder, "run")
        if moment == "start":
            # A start takes about 0.3 s on an idle machine; twice as long to hit its end on a busy one.
            time.sleep(self.random.uniform(0.0, 0.6))
        elif not self.await_placement(size) and self.open_attempts("planned"):
            self.faults.append(f"no placement came in 10 s after a start (to be killed at: {moment})")
        if moment == "dialogue":
            time.sleep(self.random.uniform(0.15, 1.2))
        elif moment == "stop":
            # The journal's line may be of the one before, whose order was on its way: whoever is only being loaded has
            # no way yet to stop cleanly.
            if not self.await_start(said):
                self.faults.append("the daemon did not start in 20 s (to be killed at: stop)")
            os.kill(pid, signal.SIGTERM)
            time.sleep(self.random.uniform(0.0, 0.8))
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        code = self.nursery.wait(pid)
        if code == -signal.SIGKILL:
            self.killed[moment] += 1
        elif not (moment == "stop" and code == 0):
            self.faults.append(f"the daemon ended by itself with {code} (to be killed at: {moment})")

    def open_attempts(self, *states: str) -> int:
        """How many that are due are in these states; without any: not at their end. Read from the database itself: the
        command costs half a second."""
        states = states or OPEN
        with closing(sqlite3.connect(f"file:{self.folder / 'dialer.db'}?mode=ro", uri=True)) as database:
            now = int(datetime.now(UTC).timestamp() * 1_000_000)
            query = (
                f"select count(*) from attempts where state in ({', '.join('?' * len(states))}) and planned_for <= ?"
            )
            return int(database.execute(query, (*states, now)).fetchone()[0])

    def settle(self) -> None:
        """One last run, until everything is settled; it stops cleanly."""
        said = self.log_size()
        pid = self.nursery.start(self.folder, "run")
        if not self.await_start(said):
            self.faults.append("the daemon did not start in 20 s")
        if not _await(lambda: not self.open_attempts(), SETTLES_S, 0.1):
            self.faults.append(
                f"{self.open_attempts()} attempts are not at their end {SETTLES_S:g} s after the last start"
            )
        os.kill(pid, signal.SIGTERM)
        if (code := self.nursery.wait(pid, 30)) != 0:
            self.faults.append(f"the daemon ended with {code} after SIGTERM")


def _await(done: Callable[[], Any], limit_s: float, pause_s: float) -> bool:
    """Polls a real process from outside: there is nothing to await here."""
    until = time.monotonic() + limit_s
    while not done():
        if time.monotonic() >= until:
            return False
        time.sleep(pause_s)
    return True


def kill_round(folder: Path, seed: int, kills: int, nursery: Nursery) -> tuple[list[str], Counter[str]]:
    """Plays one round in an empty folder. Returns what was wrong, and how often it was killed at which moment."""
    random = Random(seed)
    rate = random.choice((6, 10, 25))
    # Enough for a placement after every start: a run before a kill lasts about half a second.
    here = installation(folder, people=kills * (4 + rate * 2 // 5), rate=rate)
    settings = folder / "dialer.toml"
    inside = '[adapters.mock]\nprofile = "quick"\njournal = "journal.jsonl"\n'
    text = settings.read_text(encoding="utf-8")
    assert inside in text
    settings.write_text(text.replace(inside, '[adapters.mock]\ncarrier = "carrier.sock"\n'), encoding="utf-8")
    one = Round(here, nursery, random, [], Counter())
    for words in (("import", "accounts", "accounts.csv"), ("import", "installments", "installments.csv"),
                  ("launch", "now.toml")):  # fmt: skip
        nursery.run(folder, *words)
    with _carrier(one, seed):
        for _ in range(2 * kills):  # one that stopped cleanly before it could be killed does not count
            if one.killed.total() == kills:
                break
            one.kill(random.choice(MOMENTS) if one.open_attempts("planned") else "start")
        one.settle()
        one.faults += verdict(one)
    return one.faults, one.killed


@contextmanager
def _carrier(one: Round, seed: int) -> Iterator[None]:
    words = ("--socket", "carrier.sock", "--journal", "journal.jsonl", "--profile", "quick", "--seed", str(seed))
    pid = one.nursery.start(one.folder, "carrier", *words)
    assert _await((one.folder / "carrier.sock").exists, 10, 0.01), (one.folder / "carrier.log").read_text()
    try:
        yield
    finally:
        os.kill(pid, signal.SIGTERM)
        one.nursery.wait(pid)


def verdict(one: Round) -> list[str]:
    """What is wrong, of the carrier's journal, what the carrier knows, the exports and the record."""
    one.nursery.run(one.folder, "attempts", "--jsonl", "a.jsonl")
    lines = (one.folder / "a.jsonl").read_text(encoding="utf-8").splitlines()
    rows = {row["attempt_id"]: row for row in map(json.loads, lines)}
    taken = [json.loads(line) for line in (one.folder / "journal.jsonl").read_text(encoding="utf-8").splitlines()]
    return [
        *_twice(rows, taken),
        *_unsettled(rows, taken),
        *_unlike(rows, asyncio.run(_known(one.folder / "carrier.sock", taken))),
        *_left_over(one.folder),
        *_record(one),
    ]


def _twice(rows: dict[str, Any], taken: list[dict[str, Any]]) -> Iterator[str]:
    for key, count in Counter(line["attempt_id"] for line in taken).items():
        if count > 1:
            yield f"attempt {key} was placed {count} times"
        if key not in rows:
            yield f"the carrier took attempt {key}, which nobody knows"
    rounds = Counter((line["to"], rows[line["attempt_id"]]["round"]) for line in taken if line["attempt_id"] in rows)
    yield from (
        f"{to} was called {count} times in round {number}" for (to, number), count in rounds.items() if count > 1
    )


def _unsettled(rows: dict[str, Any], taken: list[dict[str, Any]]) -> Iterator[str]:
    for key in {line["attempt_id"] for line in taken} & set(rows):
        if rows[key]["state"] != "settled":
            yield f"attempt {key} was placed and is {rows[key]['state']}"
    placed = {line["attempt_id"] for line in taken}
    for key, row in rows.items():
        if row["state"] == "settled" and key not in placed and row["disposition"] != "unknown":
            yield f"the carrier never took attempt {key}, which is settled as {row['disposition']}"


def _unlike(rows: dict[str, Any], known: dict[str, list[Event]]) -> Iterator[str]:
    """Where the end that the carrier knows is not the one that was written."""
    for key, events in known.items():
        ended = [event for event in events if event.kind is EventKind.ENDED]
        if len(ended) != 1:
            yield f"the carrier knows {len(ended)} ends of attempt {key}"
            continue
        wanted = {"answered", "human"} if ended[0].disposition == "answered" else {ended[0].disposition}
        if key in rows and rows[key]["disposition"] not in wanted:
            yield f"attempt {key} ended as {ended[0].disposition}, which is written as {rows[key]['disposition']}"


async def _known(path: Path, taken: list[dict[str, Any]]) -> dict[str, list[Event]]:
    """What the carrier itself knows of all that it took."""
    near, host = RemoteCarrier(path), VirtualHost()
    await near.open(host)
    try:
        found = {}
        for line in taken:
            key = line["attempt_id"]
            with suppress(Unavailable):
                found[key] = await near.find(Order(key, line["channel"], line["to"], "", line["line"]))
        return found
    finally:
        await near.close()
        await host.close()


def _left_over(folder: Path) -> Iterator[str]:
    with closing(sqlite3.connect(f"file:{folder / 'dialer.db'}?mode=ro", uri=True)) as database:
        if held := database.execute("select count(*) from live_calls").fetchone()[0]:
            yield f"{held} phones are held by calls that are over"


def _record(one: Round) -> Iterator[str]:
    if (code := one.nursery.wait(one.nursery.start(one.folder, "audit", "verify"), 60)) != 0:
        yield f"dialer audit verify: {code}: {(one.folder / 'audit.log').read_text(encoding='utf-8')[-500:]}"
