"""The simulation: the same seed gives the same bytes, and no fault makes a second call."""

import json
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from rich.console import Console

from dialer import check, demo
from dialer.cli.simulate import run_with_progress
from dialer.simulate import Simulation

PEOPLE = 60


def run(folder: Path, seed: int, faults: str) -> Path:
    folder.mkdir()
    config, campaign = demo.write_samples(folder)
    accounts, installments = demo.write_portfolio(folder, PEOPLE, 7)
    settings = check.read_settings(config, {})
    journal = folder / "journal.jsonl"
    what = Simulation(
        settings, campaign, accounts, installments, date(2026, 1, 11), date(2026, 1, 17), seed, faults, journal
    )
    run_with_progress(what, folder, Console(quiet=True))
    return folder


@pytest.fixture(scope="module")
def mild(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("mild") / "a", 1, "mild")


def test_one_seed_gives_the_same_bytes_and_another_does_not(tmp_path: Path, mild: Path) -> None:
    first, again, other = mild, run(tmp_path / "b", 1, "mild"), run(tmp_path / "c", 2, "mild")
    for name in ("attempts.csv", "attempts.jsonl", "journal.jsonl"):
        assert (first / name).read_bytes() == (again / name).read_bytes()
        assert (first / name).read_bytes() != (other / name).read_bytes()


@pytest.mark.parametrize("faults", ["none", "mild", "hostile"])
def test_whatever_the_network_does_nobody_is_called_twice_and_everything_ends(
    tmp_path: Path, mild: Path, faults: str
) -> None:
    check_run(mild if faults == "mild" else run(tmp_path / "a", 3, faults))


def check_run(folder: Path) -> None:
    """What must hold after any run: one placement an attempt, every attempt at an end, each placed one passed."""
    placements = Counter(json.loads(line)["attempt_id"] for line in (folder / "journal.jsonl").read_text().splitlines())
    assert placements
    assert max(placements.values()) == 1
    rows = [json.loads(line) for line in (folder / "attempts.jsonl").read_text().splitlines()]
    states = Counter(row["state"] for row in rows)
    assert set(states) <= {"settled", "blocked", "expired", "cancelled"}, states
    assert set(placements) <= {row["attempt_id"] for row in rows if row["state"] == "settled"}
    assert all(row["outcome"] for row in rows if row["state"] == "settled")
    passed = {row["attempt_id"] for row in rows if any(v["verdict"] == "pass" for v in row["verdicts"])}
    assert set(placements) <= passed
