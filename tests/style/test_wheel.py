"""The wheel holds all that the command needs, and works away from the source tree."""

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.style.source import PACKAGES, ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], ROOT)
    (built,) = folder.glob("*.whl")
    return built


def _run(command: list[str], folder: Path, **env: str) -> str:
    done = subprocess.run(command, cwd=folder, env=os.environ | env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_holds_the_four_packages_with_their_data(wheel: Path) -> None:
    packed = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    ours = {
        file.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }
    assert packed == ours
    assert {"config/rules/cn.toml", "config/samples/zh/monthly.toml", "dialer/store/migrations/env.py"} <= packed


def test_it_names_the_command_the_adapter_and_the_licence(wheel: Path) -> None:
    with ZipFile(wheel) as packed:
        info = {
            name.split("/", 1)[1]: packed.read(name).decode() for name in packed.namelist() if ".dist-info/" in name
        }
    assert "dialer = dialer.__main__:main" in info["entry_points.txt"]
    assert "mock = adapters.mock:ADAPTER" in info["entry_points.txt"]
    assert "Apache License" in info["licenses/LICENSE"]
    assert "License-Expression: Apache-2.0" in info["METADATA"]


def test_installed_elsewhere_it_writes_samples_that_it_accepts(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    _run(
        [sys.executable, "-m", "pip", "install", "-qq", "--no-deps", "--no-index", "--target", str(site), str(wheel)],
        tmp_path,
    )
    dialer = [sys.executable, str(site / "bin" / "dialer")]
    where = _run([sys.executable, "-c", "import dialer; print(dialer.__file__)"], tmp_path, PYTHONPATH=str(site))
    assert Path(where.strip()).is_relative_to(site)
    _run([*dialer, "init", "mine"], tmp_path, PYTHONPATH=str(site))
    assert "valid" in _run([*dialer, "check", "campaigns/monthly.toml"], tmp_path / "mine", PYTHONPATH=str(site))
