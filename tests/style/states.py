"""The page about an attempt's states, drawn from the table that the engine runs: `python -m tests.style.states`."""

from collections import defaultdict

from dialer.attempt import FINAL, OWN, QUIET, TABLE, Kind, State
from tests.style.source import ROOT

PAGE = ROOT / "docs" / "states.md"
HEAD = """\
# An attempt's states

An attempt is one intended call or message: one row, never reused. It moves only by the table `TABLE` in
`dialer/attempt.py`, through the one function `advance`, and every write says which state it expects to find.
This page is drawn from that table; a test compares them. After a change: `make docs`.

Only `unavailable` (the adapter proves that nothing was sent) and `withdrawn` (the adapter was never asked) lead from
`placing` back to `planned`. Otherwise, what reached `placing` is never placed again. Where nobody knows what became of
it, it is `lost`, and its provider is asked.

"""


def page() -> str:
    """The whole page."""
    return f"{HEAD}```mermaid\n{diagram()}```\n\n{table()}\n{footnotes()}"


def diagram() -> str:
    """A mermaid state diagram; moves between the same two states share an arrow."""
    arrows: dict[tuple[State, State], list[Kind]] = defaultdict(list)
    for state, row in TABLE.items():
        for kind, following in row.items():
            arrows[state, following].append(kind)
    lines = ["stateDiagram-v2", "    [*] --> planned"]
    lines += [f"    {state} --> {following}: {', '.join(kinds)}" for (state, following), kinds in arrows.items()]
    lines += [f"    {state} --> [*]" for state in FINAL]
    return "\n".join(lines) + "\n"


def table() -> str:
    """The same, by state."""
    lines = ["| state | event → next state |", "| - | - |"]
    for state, row in TABLE.items():
        following: dict[State, list[Kind]] = defaultdict(list)
        for kind, after in row.items():
            following[after].append(kind)
        cells = " · ".join(f"{', '.join(kinds)} → {after}" for after, kinds in following.items())
        lines.append(f"| {state} | {cells or 'final'} |")
    return "\n".join(lines) + "\n"


def footnotes() -> str:
    own = ", ".join(kind for kind in Kind if kind in OWN - QUIET)
    quiet = ", ".join(kind for kind in Kind if kind in QUIET)
    return f"""\
What happens where the table has no row for it:

- our own doing ({own}): our mistake, it raises `IllegalTransition`;
- {quiet}: nothing, better news came first (`accepted` still leaves the provider's reference);
- a provider's event: it is kept as a stray and changes no state. Once, a late `ended`, `delivered` or `undelivered`
  may replace the outcome of an attempt that was settled as `unknown`.
"""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
