"""A process that has imported the dialer and forks it: real processes, killed and started again in tenths of a second.

A start of Python with all that the dialer imports takes seconds of which none is of interest. (What is: the wheel's,
the README's and a few other tests start the command cold.) Tests talk to it over `Nursery`; run as a module it reads
one JSON request a line: `{"words": […], "cwd": …, "env": {…}, "out": …, "err": …}` → `{"pid": N}`,
`{"wait": pid, "limit_s": S}` → `{"code": N}`, null where it still runs; a negative code is the signal that ended it.
"""

import ctypes
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NEEDED = (
    "dialer.cli.app", "dialer.cli.record", "dialer.cli.imports", "dialer.daemon", "dialer.carrier", "dialer.web.app",
    "dialer.export", "dialer.operate", "dialer.audit", "adapters.mock", "aiosqlite", "sqlalchemy.dialects.sqlite.aiosqlite",
    "alembic.command", "asyncpg", "sqlalchemy.dialects.postgresql.asyncpg", "uvicorn.loops.auto", "uvicorn.protocols.http.auto", "uvicorn.lifespan.on",
)  # fmt: skip
"""What a daemon imports sooner or later."""
CLONE_NEWNET = 0x40000000


class Nursery:
    """Starts `dialer …`, and `dialer.carrier …`, in no time. Close it: what it started ends with it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.nursery"],
            cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def start(
        self, folder: Path, *words: str, out: Path | None = None, err: Path | None = None, netns: str = ""
    ) -> int:
        """The process id of `dialer WORDS…` in the folder; what it says is added to `<first word>.log` there, or to
        these files. Its environment is what this process's is now. `netns`: the network namespace it lives in."""
        out = out or folder / f"{words[0]}.log"
        request = {"words": words, "cwd": str(folder), "env": environment(), "out": str(out), "err": str(err or out)}
        request["netns"] = netns
        pid: int = self._ask(request)["pid"]
        return pid

    def wait(self, pid: int, limit_s: float = 30.0) -> int | None:
        """Its exit code; None: it still runs."""
        code: int | None = self._ask({"wait": pid, "limit_s": limit_s})["code"]
        return code

    def run(self, folder: Path, *words: str) -> None:
        """Runs a command to its end. Raises AssertionError where it fails."""
        code = self.wait(self.start(folder, *words), 60)
        assert code == 0, f"dialer {' '.join(words)}: {code}\n{(folder / f'{words[0]}.log').read_text()[-3000:]}"

    def capture(self, folder: Path, *words: str, limit_s: float = 60.0) -> "subprocess.CompletedProcess[str]":
        """Runs a command to its end, as `subprocess.run` does where it captures the output."""
        with TemporaryDirectory() as aside:
            out, err = Path(aside, "out"), Path(aside, "err")
            pid = self.start(folder, *words, out=out, err=err)
            code = self.wait(pid, limit_s)
            if code is None:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(words, limit_s, out.read_bytes(), err.read_bytes())
            texts = [file.read_text(encoding="utf-8") for file in (out, err)]
        return subprocess.CompletedProcess(words, code, *texts)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        reply: dict[str, Any] = json.loads(self._process.stdout.readline())
        return reply


@dataclass(frozen=True)
class Child:
    """A process that a nursery started, with what tests use of `subprocess.Popen`."""

    nursery: Nursery
    pid: int

    def poll(self) -> int | None:
        return self.nursery.wait(self.pid, 0)

    def wait(self, timeout: float = 60.0) -> int:
        code = self.nursery.wait(self.pid, timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return code

    def send_signal(self, number: int) -> None:
        """Nothing where it has ended: its number may be another's by now."""
        if self.poll() is None:
            os.kill(self.pid, number)


@cache
def shared() -> Nursery:
    """The one of this test process, started by the first test that needs it. tests/conftest.py closes it."""
    return Nursery()


def close_shared() -> None:
    if shared.cache_info().currsize:
        shared().close()
        shared.cache_clear()


def environment() -> dict[str, str]:
    """That of a shell in which the command is this source tree, and no setting of the machine's counts."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DIALER_")}
    return {**kept, "PYTHONPATH": str(ROOT)}


def fork(request: dict[str, Any]) -> int:
    if pid := os.fork():
        return pid
    code = 1
    try:
        os.setsid()
        if request["netns"]:
            enter(request["netns"])
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["env"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for target, name in ((1, request["out"]), (2, request["err"])):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), target)
        code = command(request["words"])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def enter(netns: str) -> None:
    """This process's network is that namespace's from here on, as with `ip netns exec`. Raises OSError."""
    handle = os.open(f"/run/netns/{netns}", os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(handle, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), f"network namespace {netns}")
    os.close(handle)


def command(words: list[str]) -> int:
    """Runs it as `python -m` does; its exit code."""
    name = "dialer.carrier" if words[0] == "carrier" else "dialer.__main__"
    sys.argv = [name, *(words[1:] if words[0] == "carrier" else words)]
    try:
        importlib.import_module(name).main()
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    return 0


def wait(pid: int, limit_s: float, ended: dict[int, int]) -> int | None:
    until = time.monotonic() + limit_s
    while pid not in ended:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            ended[pid] = os.waitstatus_to_exitcode(status)
        elif time.monotonic() >= until:
            return None
        else:
            time.sleep(0.002)
    return ended[pid]


def main() -> None:
    for name in NEEDED:
        importlib.import_module(name)
    ended: dict[int, int] = {}
    started: set[int] = set()
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            reply: dict[str, Any] = {"code": wait(request["wait"], request["limit_s"], ended)}
        else:
            reply = {"pid": fork(request)}
            started.add(reply["pid"])
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()
    for pid in started - set(ended):
        os.kill(pid, 9)


if __name__ == "__main__":
    main()
