"""The dialer killed with SIGKILL, against a carrier that goes on: nobody is called twice, and nothing is forgotten."""

from pathlib import Path

import pytest

from tests.support.kills import KILLS_A_ROUND, kill_round
from tests.support.nursery import Nursery, shared

ROUNDS, KILLS = 10, KILLS_A_ROUND
"""110 kills in `make hunt`."""


@pytest.fixture
def nursery() -> Nursery:
    return shared()


def test_three_kills_and_nobody_is_called_twice(tmp_path: Path, nursery: Nursery) -> None:
    faults, killed = kill_round(tmp_path, 20261128, 3, nursery)
    assert faults == []
    assert killed.total() == 3


@pytest.mark.hunt
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_hundred_kills(tmp_path: Path, nursery: Nursery, seed: int) -> None:
    faults, killed = kill_round(tmp_path, seed, KILLS, nursery)
    assert faults == [], f"python -m tests.torture --replay-kills {seed}"
    assert killed.total() == KILLS, killed
