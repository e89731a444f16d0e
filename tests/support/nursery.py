"""A process that has imported the dialer and forks it: real processes, killed and started again in tenths of a second.

A start of Python with all that the dialer imports takes seconds of which none is of interest. Tests talk to it over
`Nursery`; run as a module it reads one JSON request a line: `{"words": […], "cwd": …, "log": …}` → `{"pid": N}`,
`{"wait": pid, "limit_s": S}` → `{"code": N}`, null where it still runs; a negative code is the signal that ended it.
"""

import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NEEDED = (
    "dialer.cli.app", "dialer.cli.record", "dialer.cli.imports", "dialer.daemon", "dialer.carrier", "dialer.web.app",
    "dialer.export", "dialer.operate", "dialer.audit", "adapters.mock", "aiosqlite", "sqlalchemy.dialects.sqlite.aiosqlite",
    "alembic.command", "uvicorn.loops.auto", "uvicorn.protocols.http.auto", "uvicorn.lifespan.on",
)  # fmt: skip
"""What a daemon imports sooner or later."""


class Nursery:
    """Starts `dialer …`, and `dialer.carrier …`, in no time. Close it: what it started ends with it."""

    def __init__(self) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("DIALER_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.nursery"],
            cwd=ROOT, env={**kept, "PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def start(self, folder: Path, *words: str) -> int:
        """The process id of `dialer WORDS…` in the folder; what it says is added to `<first word>.log` there."""
        pid: int = self._ask({"words": words, "cwd": str(folder), "log": str(folder / f"{words[0]}.log")})["pid"]
        return pid

    def wait(self, pid: int, limit_s: float = 30.0) -> int | None:
        """Its exit code; None: it still runs."""
        code: int | None = self._ask({"wait": pid, "limit_s": limit_s})["code"]
        return code

    def run(self, folder: Path, *words: str) -> None:
        """Runs a command to its end. Raises AssertionError where it fails."""
        code = self.wait(self.start(folder, *words), 60)
        assert code == 0, f"dialer {' '.join(words)}: {code}\n{(folder / f'{words[0]}.log').read_text()[-3000:]}"

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


def fork(request: dict[str, Any]) -> int:
    if pid := os.fork():
        return pid
    code = 1
    try:
        os.setsid()
        os.chdir(request["cwd"])
        nothing, log = os.open(os.devnull, os.O_RDONLY), os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for target, source in ((0, nothing), (1, log), (2, log)):
            os.dup2(source, target)
        code = command(request["words"])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


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
