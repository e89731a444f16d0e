"""Words of the command line of whatever kind: done, or refused in the one form, and nothing changed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.support import ODD, SHORT_AND_LONG, TEXT, fuzz, hostile
from tests.support.scene import ACCOUNTS_HEAD, ALICE, CAMPAIGN, INSTALLMENTS_HEAD, SETTINGS, account, due

WORD = st.one_of(
    TEXT,
    ODD,
    st.sampled_from(
        [
            "2026-01-15",
            "2026-W01-1",
            "20260115",
            "2026-01-15T24:00",
            "2026-01-15T09:30+99:99",
            "0001-01-01T00:00+23:59",
            "2199-12-31T23:59-23:59",
            "1990-01-01",
            "2199-12-31",
            "+8613800138001",
            "tel:+8613800138001;ext=1",
            "13800138001 ext. 5",
            "+" * 300,
            "1E+999999999",
            "1e-999999999",
            "0.000000000000000000001",
            "L-1",
            "P-1",
            "test",
            "voice",
            "--json",
            "--",
            "-",
            "\udcff\udcfe",
            "x" * 5_000,
            "[bold]x[/bold]",
            ".",
            "/",
            "/dev/zero",
        ]
    ),
)
COMMANDS = {
    "plan": ("plan", "campaign.toml", "--from", WORD, "--to", WORD),
    "plan file": ("plan", WORD),
    "check": ("check", WORD),
    "import": ("import", WORD, WORD),
    "launch": ("launch", WORD),
    "pause": ("pause", WORD),
    "cancel": ("cancel", WORD),
    "status": ("status", WORD),
    "halt": ("halt", "--reason", WORD),
    "attempts": ("attempts", "--csv", "-", "--since", WORD, "--campaign", WORD),
    "report": ("report", "--day", WORD, "--campaign", WORD),
    "digest": ("digest", "--day", WORD),
    "explain": ("explain", WORD, "--at", WORD),
    "explain at": ("explain", "L-1", "--at", WORD),
    "suppress": ("suppress", WORD, "--reason", WORD, "--until", WORD, "--channel", WORD),
    "suppress person": ("suppress", "--person", WORD, "--reason", WORD),
    "lift": ("suppress", WORD, "--lift", "--reason", WORD),
    "paid": ("paid", WORD, WORD, "--amount", WORD, "--on", WORD),
    "paid amount": ("paid", "L-1", "2026-01-15", "--amount", WORD),
    "reverse": ("paid", "L-1", "2026-01-15", "--reverse", "--amount", WORD),
    "schema": ("schema", WORD),
    "rules": ("rules", WORD),
    "forget": ("forget", WORD),
    "purge": ("purge", "--dry-run", WORD),
    "audit": ("audit", "verify", "--head", WORD),
    "anything": (WORD, WORD, WORD),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("dialer.toml").write_text(SETTINGS, encoding="utf-8")
    Path("campaign.toml").write_text(CAMPAIGN, encoding="utf-8")
    Path("a.csv").write_text(ACCOUNTS_HEAD + account(1, ALICE), encoding="utf-8")
    Path("i.csv").write_text(INSTALLMENTS_HEAD + due(1, "2026-01-15"), encoding="utf-8")
    assert hostile(capsys, tmp_path, "import", "accounts", "a.csv").code == 0
    assert hostile(capsys, tmp_path, "import", "installments", "i.csv").code == 0
    return tmp_path


@SHORT_AND_LONG
@pytest.mark.parametrize("name", COMMANDS)
def test_any_words_are_done_or_refused(name: str, times: int, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = st.tuples(*(part if isinstance(part, st.SearchStrategy) else st.just(part) for part in COMMANDS[name]))

    @fuzz(times * 5)
    @given(words)
    def every(given_words: tuple[str, ...]) -> None:
        # The daemon and the simulation run on; a sample folder or a link to a device is written where it is told.
        if given_words[0] in ("run", "simulate", "init") or "--watch" in given_words:
            return
        hostile(capsys, folder, *given_words)

    every()


def test_an_exponent_without_end_is_no_amount(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Written out in full it would fill the memory."""
    for amount in ("1E+999999999999", "1e-999999999999", "1e19"):
        done = hostile(capsys, folder, "paid", "L-1", "2026-01-15", "--amount", amount)
        assert (done.code, done.err) == (
            2, f'command line: --amount "{amount}" is no amount above 0; accepted: such as 1200.00\n',
        )  # fmt: skip


def test_bytes_that_are_no_text_are_refused(folder: Path) -> None:
    """As a shell hands them over, in a process of its own."""
    words = [sys.executable, "-m", "dialer", "suppress", "--person", b"\xff\xfe", "--reason", "x"]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)}
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (
        2, "command line: word 3: holds control characters, or is not UTF-8; accepted: one line of text\n",
    )  # fmt: skip
