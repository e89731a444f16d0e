"""What config/deploy holds fits the program, and is sound by the tools that know: systemd-analyze and hadolint."""

import re
import shutil
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from dialer.stopping import DRAIN_S
from tests.style.source import PACKAGES, ROOT

DEPLOY = ROOT / "config" / "deploy"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MANUAL = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
EXPOSURE_MAX = 15
"""In tenths: systemd-analyze says OK from 1.0 up to 5.0."""
SECONDS = {"s": 1, "min": 60}


def _text(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


def _directives(name: str, value: str = ".*") -> list[str]:
    """The values of a directive of the unit, in their order."""
    return re.findall(rf"^{name}=({value})$", _text("dialer.service"), re.MULTILINE)


def _seconds(name: str) -> float:
    (text,) = _directives(name, r"\d+(?:s|min)")
    number, unit = re.fullmatch(r"(\d+)(s|min)", text).groups()  # type: ignore[union-attr]
    return int(number) * SECONDS[unit]


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not on this machine")
    return found


# --- the unit -----------------------------------------------------------------------------------------------------


def test_systemd_takes_the_unit_without_a_word(tmp_path: Path) -> None:
    # The program it names is not installed here.
    unit = tmp_path / "dialer.service"
    unit.write_text(re.sub("^ExecStart=.*", "ExecStart=/bin/true", _text("dialer.service"), flags=re.MULTILINE))
    assert _run(_tool("systemd-analyze"), "verify", "--man=no", unit) == ""


def test_systemd_calls_its_exposure_ok() -> None:
    limit = f"--threshold={EXPOSURE_MAX}"
    said = _run(_tool("systemd-analyze"), "security", "--offline=true", "--no-pager", limit, DEPLOY / "dialer.service")
    assert re.search(r"exposure level for dialer.service: \d\.\d OK", said)


def test_the_unit_is_a_plain_user_without_rights() -> None:
    assert _directives("User") == ["dialer"]
    assert re.search(r"^u dialer ", _text("sysusers.conf"), re.MULTILINE)
    assert _directives("CapabilityBoundingSet") == _directives("AmbientCapabilities") == [""]
    for name in ("NoNewPrivileges", "PrivateUsers", "ProtectHome", "MemoryDenyWriteExecute", "RestrictNamespaces"):
        assert _directives(name) == ["yes"], name
    assert _directives("ProtectSystem") == ["strict"]
    assert _directives("SystemCallFilter")[0] == "@system-service"
    assert _directives("UMask") == ["0077"]


def test_the_unit_waits_for_running_calls_and_watches_the_daemon() -> None:
    assert _directives("Type") == ["notify"]
    assert _directives("KillMode") == ["mixed"]
    assert _seconds("TimeoutStopSec") >= DRAIN_S + 15
    # Shorter than the five minutes after which the daemon itself calls a standstill.
    assert 30 <= _seconds("WatchdogSec") <= 240


def test_a_daemon_that_can_not_stay_up_is_left_down() -> None:
    assert _directives("Restart") == ["on-failure"]
    assert _directives("RestartPreventExitStatus") == ["2"]
    (tries,) = _directives("StartLimitBurst")
    # Else so many ends would never fall into the interval, and it would be started for ever.
    assert int(tries) * (_seconds("RestartSec") + 30) < _seconds("StartLimitIntervalSec")


def test_unit_command_and_image_agree_on_their_places() -> None:
    wrapper = _text("dialer")
    (start,) = _directives("ExecStart")
    assert start == "/opt/dialer/bin/dialer run"
    assert "/opt/dialer/bin/dialer" in wrapper
    assert "COPY --from=build /opt/dialer /opt/dialer" in _text("Dockerfile")
    for text in (_text("dialer.service"), wrapper, _text("Dockerfile")):
        assert "/etc/dialer/dialer.toml" in text
    (credentials,) = _directives("LoadCredential")
    assert credentials == "DIALER:/etc/dialer/secrets"
    assert "/etc/dialer/secrets/*" in wrapper
    _run(_tool("sh"), "-n", DEPLOY / "dialer")


def test_the_manual_quotes_the_unit_as_it_is() -> None:
    quoted = re.findall(r"`([A-Z][A-Za-z]+)=([^`]*)`", MANUAL)
    assert "WatchdogSec" in dict(quoted)
    assert [f"{name}={value}" for name, value in quoted if value not in _directives(name)] == []


def test_the_manual_installs_what_is_there() -> None:
    installed = set(re.findall(r"\bconfig/deploy/([\w.]+)", MANUAL))
    assert {"dialer", "dialer.service", "sysusers.conf", "tmpfiles.conf", "compose.yaml"} <= installed
    assert [name for name in installed if not (DEPLOY / name).is_file()] == []


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_manual_moves_the_sample_s_state_out_of_the_settings_folder(language: str) -> None:
    sample = (ROOT / "config" / "samples" / language / "dialer.toml").read_text(encoding="utf-8")
    moved = re.findall(r"s#(.+?)#(.+?)#", MANUAL)
    assert len(moved) == 2
    for before, after in moved:
        assert before in sample
        assert "/var/lib/dialer/" in after


# --- the image ----------------------------------------------------------------------------------------------------


def _copied() -> list[str]:
    """What the Dockerfile takes from the project."""
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", _text("Dockerfile"), re.MULTILINE)
    return [name for line in lines for name in line.split()]


def test_hadolint_finds_nothing() -> None:
    assert _run(_tool("hadolint"), DEPLOY / "Dockerfile") == ""


def test_the_image_has_the_python_of_the_tests() -> None:
    (version,) = re.findall(r"^ARG BASE=python:([\d.]+)-slim-\w+$", _text("Dockerfile"), re.MULTILINE)
    assert SpecifierSet(PROJECT["project"]["requires-python"]).contains(version)
    assert version == PROJECT["tool"]["mypy"]["python_version"]
    assert re.findall(r"^FROM (\S+)", _text("Dockerfile"), re.MULTILINE) == ["${BASE}", "${BASE}"]


def test_the_image_is_made_of_what_is_there() -> None:
    copied = _copied()
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert set(PACKAGES) | {"requirements.lock", "pyproject.toml", "README.md", "LICENSE"} <= set(copied)
    sent = {line[1:] for line in _text("Dockerfile.dockerignore").splitlines() if line.startswith("!")}
    assert sent == set(copied)


@pytest.mark.parametrize("name", ["config/dialer.db", "config/dialer.db-wal", "adapters/a.csv.rejects.csv"])
def test_no_data_goes_to_the_builder(name: str) -> None:
    ignored = [line.removeprefix("**/") for line in _text("Dockerfile.dockerignore").splitlines() if "**/" in line]
    assert any(fnmatch(Path(name).name, pattern) for pattern in ignored)


def test_all_that_is_installed_is_locked_and_nobody_is_root() -> None:
    dockerfile = _text("Dockerfile")
    installs = re.findall(r"pip\b[^&\n]* install ([^&\n]+)", dockerfile)
    assert len(installs) == 3
    for words in installs:
        assert words.startswith(("--require-hashes --only-binary :all: -r requirements", "--no-deps --no-index "))
    assert re.findall(r"^USER (\d+):", dockerfile, re.MULTILINE)[-1] != "0"
    assert "/healthz" in dockerfile
    assert 'ENTRYPOINT ["dialer"]' in dockerfile


def test_compose_takes_every_right_away() -> None:
    lines = {line.strip() for line in _text("compose.yaml").splitlines()}
    assert {"read_only: true", "cap_drop: [ALL]", "- no-new-privileges:true", "init: true"} <= lines
    ports = re.findall(r'^      - "(.*):8080:8080"$', _text("compose.yaml"), re.MULTILINE)
    assert ports == ["127.0.0.1"]
    (grace,) = re.findall(r"stop_grace_period: (\d+)s", _text("compose.yaml"))
    assert int(grace) >= DRAIN_S + 10
    (context,) = re.findall(r"context: (\S+)", _text("compose.yaml"))
    (dockerfile,) = re.findall(r"dockerfile: (\S+)", _text("compose.yaml"))
    assert (DEPLOY / context).resolve() == ROOT
    assert (ROOT / dockerfile) == DEPLOY / "Dockerfile"
