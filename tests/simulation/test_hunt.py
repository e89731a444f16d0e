"""A short hunt, as `make hunt` does it at length: hostile simulations, judged by the referee."""

from pathlib import Path

import pytest

from dialer.referee import INVARIANTS
from tests.support.hunted import hunt


@pytest.mark.parametrize("seed", [1, 2])
def test_a_hostile_world_finds_nothing(tmp_path: Path, seed: int) -> None:
    found = hunt(tmp_path, seed, 50)
    assert found.findings == []
    assert [name for name in INVARIANTS if not found.checks[name]] == []
    assert found.placed > 100


def test_a_hostile_seed_replays_to_the_byte(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        hunt(folder, 5, 20)
    first, again = ({file.name: file.read_bytes() for file in folder.iterdir()} for folder in folders)
    assert first == again
    assert {"journal.jsonl", "attempts.jsonl", "network.jsonl", "actions.jsonl"} <= set(first)
