"""Runs one measurement in a process of its own, so that its memory is its own and nothing is warm from another.

`apart("benchmarks.work_a:life", database=…)` runs `python -m benchmarks.apart benchmarks.work_a:life '{"database": …}'`
and returns what the function returned, by way of JSON. BENCH_VERBOSE=1 in the environment shows errors in full.
"""

import json
import os
import subprocess
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LIMIT_S = 6 * 3_600.0


class Failed(Exception):
    """The measurement ended with this error."""


def apart(function: str, limit_s: float = LIMIT_S, **values: Any) -> Any:
    """What the function returned. Raises Failed with its last words."""
    command = [sys.executable, "-m", "benchmarks.apart", function, json.dumps(values)]
    env = {key: value for key, value in os.environ.items() if not key.startswith("DIALER_")}
    env["PYTHONPATH"] = str(ROOT)
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            out, said = child.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            raise Failed(f"took longer than {limit_s:,.0f} s") from None
        except BaseException:
            child.terminate()
            raise
    if child.returncode:
        if os.environ.get("BENCH_VERBOSE"):
            print(said, file=sys.stderr)
        words = _last_words(said).replace(f"{values.get('folder', '')}/", "")
        raise Failed(words or f"ended with {child.returncode}")
    return json.loads(out.splitlines()[-1])


def _last_words(said: str) -> str:
    """The error's own line: what follows the last traceback, without notes that come after it."""
    lines = [line.strip() for line in said.rpartition("Traceback (most recent call last):")[2].splitlines()]
    errors = [line for line in lines if line and line.split(":")[0].split(".")[-1].endswith(("Error", "Input", "Exit"))]
    name, colon, words = (errors or [line for line in lines if line] or [""])[-1].partition(":")
    return f"{name.rpartition('.')[2]}{colon}{words}"


def main() -> None:
    module, _, name = sys.argv[1].partition(":")
    try:
        found = getattr(import_module(module), name)(**json.loads(sys.argv[2]))
    except Exception:  # noqa: BLE001 - whatever it is, it is said, and the parent goes on with the next
        traceback.print_exc()
        _end(1)
    print(json.dumps(found))
    _end(0)


def _end(code: int) -> None:
    """At once: a thread of a driver that nobody closed would keep the process."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
