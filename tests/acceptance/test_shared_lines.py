"""A line's limits over several real daemons, measured from what they placed: each has its own carrier and journal here,
so that the instants are those at which it handed over."""

import time
from datetime import datetime
from decimal import Decimal
from itertools import accumulate
from pathlib import Path

import pytest

from tests.support.crowd import MICRO, Crowd, await_it, crowd, most_in_a_second

MONEY = 'price_per_minute = "0.10"\nspend_max_per_day = "3.00"\ntime_limit = "60s"\n'


def _at(row: dict[str, str]) -> float:
    return datetime.fromisoformat(row["at"].replace("Z", "+00:00")).timestamp()


def _at_once(crew: Crowd) -> int:
    """How many calls ran at the same time at most, from the journal's instant to the end that was told."""
    ends = dict(crew.rows("select attempt_id, ended_at from attempts where ended_at is not null"))
    steps = []
    for row in crew.journal():
        steps += [(_at(row), 1), (ends[int(row["attempt_id"])] / MICRO, -1)]
    return max(accumulate(step for _, step in sorted(steps)))


def test_no_second_and_no_instant_holds_more_than_the_line_may(tmp_path: Path, postgres_url: str) -> None:
    with crowd(tmp_path, postgres_url, 55, 30, line="calls_at_once = 17\n", is_shared=False) as crew:
        for _ in range(3):
            crew.start(wait=False)
        assert crew.settled(60)
        taken = crew.journal()
        assert most_in_a_second(taken) <= 30
        assert _at_once(crew) <= 17
        assert crew.halt_and_stop() == []
        assert crew.faults() == []


def test_the_day_s_money_is_never_overspent_and_comes_back(tmp_path: Path, postgres_url: str) -> None:
    """The money of thirty calls is there, for sixty; one of two workers dies while it is spent."""
    with crowd(tmp_path, postgres_url, 60, 15, line=MONEY, is_shared=False) as crew:
        for _ in range(2):
            crew.start(wait=False)
        assert await_it(lambda: len(crew.journal()) >= 10, 40)
        crew.workers[1].kill()
        seen = [Decimal(0)]
        until = time.monotonic() + 4
        while time.monotonic() < until:
            seen += [Decimal(row[0]) for row in crew.rows("select amount from spend")]
            time.sleep(0.1)
        assert max(seen) <= Decimal(3)
        assert 25 <= len(crew.journal()) <= 30


@pytest.mark.torture
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_how_much_of_a_rate_is_used(tmp_path: Path, postgres_url: str, workers: int) -> None:
    """Over twenty seconds of backlog at 50 a second."""
    rate, seconds = 50, 20
    with crowd(tmp_path, postgres_url, rate * (seconds + 8), rate, is_shared=False) as crew:
        for _ in range(workers):
            crew.start(wait=False)
        assert await_it(lambda: len(crew.shares()) >= min(workers, 2), 20)
        time.sleep(seconds + 2)
        taken = crew.journal()
        began = _at(taken[0]) + 2.0
        used = len([row for row in taken if began <= _at(row) < began + seconds]) / (rate * seconds)
        assert most_in_a_second(taken) <= rate
        assert used >= (0.98 if workers == 1 else 0.88), f"{used:.1%} of the rate is used"
