"""docs/states.md shows the table that the engine runs."""

from dialer.attempt import TABLE
from tests.style import states


def test_the_page_is_the_table() -> None:
    assert states.PAGE.read_text(encoding="utf-8") == states.page(), "run: make docs"


def test_the_diagram_has_an_arrow_for_every_pair_of_states() -> None:
    pairs = {(state, after) for state, row in TABLE.items() for after in row.values()}
    drawn = states.diagram()
    assert all(f"    {state} --> {after}: " in drawn for state, after in pairs)
    assert drawn.count("-->") == len(pairs) + 1 + sum(not row for row in TABLE.values())
