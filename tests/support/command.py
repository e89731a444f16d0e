"""The command `dialer` as a shell runs it, but inside this process: quick enough for a table of bad inputs."""

import sys
from dataclasses import dataclass

import pytest
import structlog

from dialer.cli.app import main


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


def run(capsys: pytest.CaptureFixture[str], *words: str) -> Done:
    """Runs `dialer WORDS…` in the current folder and environment."""
    before = sys.argv
    sys.argv = ["dialer", *words]
    try:
        main()
    except SystemExit as ended:
        code = ended.code or 0
    else:
        code = 0
    finally:
        sys.argv = before
        # It logs to this test's standard error, which is gone after the test.
        structlog.reset_defaults()
    told = capsys.readouterr()
    assert isinstance(code, int)
    return Done(code, told.out, told.err)
