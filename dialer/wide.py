"""Text that breaks between Chinese characters: rich breaks at spaces alone, and Chinese has none."""

from collections.abc import Iterator
from typing import Any

from rich.cells import get_character_cell_size
from rich.console import Console
from rich.containers import Lines
from rich.text import Text

_NEVER_FIRST = frozenset("，。、；：？！）》」』”’…%")
_NEVER_LAST = frozenset("（《「『“‘")
_WIDE = 2
"""Columns of a Chinese character."""


class WideText(Text):
    """A text whose lines end after a space, or beside a wide character; punctuation stays with its word."""

    def wrap(self, console: Console, width: int, **options: Any) -> Lines:
        """Its lines, each at most `width` columns. Whatever else rich asks for is its own business: cells are short."""
        lines = Lines(
            line for part in self.split("\n", allow_blank=True) for line in part.divide(_breaks(part.plain, width))
        )
        for line in lines:
            line.rstrip()
        return lines


def _breaks(text: str, width: int) -> Iterator[int]:
    """Where a new line begins, so that none is wider than so many columns."""
    start, allowed, used = 0, 0, 0
    for at, char in enumerate(text):
        size = get_character_cell_size(char)
        if at > start and _may_break(text[at - 1], char):
            allowed = at
        used += size
        if used > width and not char.isspace() and at > start:
            # A word that is wider than the line is cut.
            start = allowed if allowed > start else at
            yield start
            used = sum(map(get_character_cell_size, text[start : at + 1]))


def _may_break(before: str, after: str) -> bool:
    if after.isspace() or after in _NEVER_FIRST or before in _NEVER_LAST:
        return False
    return before.isspace() or _WIDE in (get_character_cell_size(before), get_character_cell_size(after))
