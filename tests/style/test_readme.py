"""The README's commands run as shown, its tour names every room, its links lead somewhere."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest

from tests.style.pages import blocks, commands
from tests.style.source import PACKAGES, ROOT, sources
from tests.support.nursery import environment, shared

STEPS = [step for block in blocks("README.md", "console") for step in commands(block)]
PAGES = ["README.md", *(f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md")))]
SAME_EVERY_DAY = ("dialer init", "dialer check", "dialer import")
"""What these print does not depend on the hour or the day; of the others only that they succeed and say something."""


def test_the_first_campaign_goes_as_the_readme_says(tmp_path: Path) -> None:
    folder, shell = tmp_path, _environment(tmp_path)
    for command, shown in STEPS:
        if command.startswith("cd "):
            folder /= command.removeprefix("cd ")
        elif command == "dialer run":
            _starts_and_stops(folder, shell)
        else:
            done = _run(command, folder, shell)
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            assert done.stdout.strip(), command
            if command.startswith(SAME_EVERY_DAY):
                assert _timeless(done.stdout) == _timeless(shown), command


def _run(command: str, folder: Path, shell: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """As typed; but where it is but words, and not the first of all commands, without the seconds of a start."""
    words = command.split()
    if words[:2] == ["dialer", "init"] or words[0] != "dialer" or set(command) & set("|&;<>()$`\\\"'*?[#~%"):
        return subprocess.run(
            command, shell=True, cwd=folder, env=shell, capture_output=True, text=True, timeout=120, check=False
        )
    return shared().capture(folder, *words[1:], limit_s=120)


def _timeless(printed: str) -> str:
    """How many attempts lie ahead depends on the hour."""
    return re.sub(r"\d+ attempts", "n attempts", printed).strip()


def _environment(folder: Path) -> dict[str, str]:
    """A shell in which `dialer` is this source tree, installed or not, and no setting of the machine's counts."""
    (folder / "bin").mkdir()
    script = folder / "bin" / "dialer"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m dialer "$@"\n')
    script.chmod(0o755)
    return environment() | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "COLUMNS": "120"}


def _starts_and_stops(folder: Path, shell: dict[str, str]) -> None:
    """`dialer run` until it says that it started, then SIGTERM."""
    dialer = shell["PATH"].split(":")[0] + "/dialer"
    daemon = subprocess.Popen([dialer, "run"], cwd=folder, env=shell, stderr=subprocess.PIPE, text=True)
    assert daemon.stderr is not None
    watchdog = Timer(60, daemon.kill)
    watchdog.start()
    try:
        said = ""
        while "started" not in said:
            line = daemon.stderr.readline()
            assert line, said
            said += line
        daemon.send_signal(signal.SIGTERM)
        _, rest = daemon.communicate(timeout=40)
    finally:
        watchdog.cancel()
        daemon.kill()
    assert daemon.returncode == 0, said + rest
    assert "stopped" in rest


def test_the_steps_are_those_of_a_first_campaign() -> None:
    verbs = [command.split()[1] for command, _ in STEPS if command.startswith("dialer ")]
    wanted = [
        "init",
        "check",
        "import",
        "import",
        "import",
        "plan",
        "launch",
        "run",
        "status",
        "explain",
        "report",
        "simulate",
        "schema",
    ]
    assert [verb for verb in verbs if verb in wanted] == wanted


def test_the_tour_names_every_module() -> None:
    tour = (ROOT / "README.md").read_text(encoding="utf-8").split("## A tour of the rooms")[1].split("\n### ")[0]
    names = {Path(source.name) for source in sources(*PACKAGES)}
    rooms = {path.stem for path in names if path.parent.name in PACKAGES and not path.stem.startswith("__")}
    assert rooms - set(re.findall(r"\w+", tour)) == set()


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = [link.split("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    missing = [target for target in targets if not ((ROOT / page).parent / target).exists()]
    assert missing == []
