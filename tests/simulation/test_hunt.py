"""The long hunt: many seeds with a hostile network. `make hunt` runs it; a seed that fails is in the test's name."""

from pathlib import Path

import pytest

from tests.simulation.test_simulate import check_run, run


@pytest.mark.hunt
@pytest.mark.parametrize("seed", range(1000, 1020))
def test_a_hostile_network_finds_no_second_call(tmp_path: Path, seed: int) -> None:
    check_run(run(tmp_path / "a", seed, "hostile"))
