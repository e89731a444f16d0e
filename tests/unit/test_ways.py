"""A line's pace within one claim: as soon as it can, never two closer than its spacing."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from dialer.ways import Pace

NOW = datetime(2026, 1, 14, 1, 0, tzinfo=UTC)


def _ms(count: int) -> timedelta:
    return timedelta(milliseconds=count)


@given(st.lists(st.integers(-300, 260), max_size=40), st.sampled_from([1, 7, 50, 200, 1000]), st.booleans())
def test_each_goes_out_once_it_is_due_and_none_too_soon_after_another(
    dues: list[int], spacing: int, is_alone: bool
) -> None:
    slots = [NOW + _ms(spacing) * number for number in range(250 // spacing + 1)]
    pace, taken = Pace(slots, _ms(spacing), is_alone), list[datetime]()
    for due in dues:
        at = pace.free(NOW + _ms(due))
        if at is None:
            # As a search without any cleverness finds none either.
            last = slots[-1] + _ms(spacing) if is_alone else slots[-1]
            steps = (max(NOW + _ms(due), NOW) + _ms(step) for step in range(2 * 250))
            apart = (one for one in steps if all(abs(one - other) >= _ms(spacing) for other in taken))
            assert len(taken) == len(slots) or all(one > last for one in apart)
            continue
        assert at >= max(NOW + _ms(due), NOW)
        assert all(abs(at - other) >= _ms(spacing) for other in taken)
        assert pace.take(NOW + _ms(due)) == at
        taken.append(at)
    assert len(taken) <= len(slots)


def test_what_is_due_already_goes_out_one_after_the_other() -> None:
    pace = Pace([NOW + _ms(10) * number for number in range(5)], _ms(10), is_alone=False)
    assert [pace.take(NOW - _ms(5)) for _ in range(5)] == [NOW + _ms(10) * number for number in range(5)]
    assert pace.free(NOW) is None


def test_a_slot_ahead_leaves_those_before_it_free() -> None:
    pace = Pace([NOW + _ms(10) * number for number in range(5)], _ms(10), is_alone=False)
    assert pace.take(NOW + _ms(33)) == NOW + _ms(33)
    assert [pace.take(NOW) for _ in range(3)] == [NOW, NOW + _ms(10), NOW + _ms(20)]
    assert pace.free(NOW) is None  # 30 would be too close to 33, and 43 is beyond the room
