"""A table of one line a row, whose width is known before it is drawn: what has no room can be left out in time."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.text import Text

GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    left: bool = False
    """Words stand to the left, numbers to the right."""
    spare: int = 0
    """Above 0: may be left out where there is no room, the lowest first."""


@dataclass(slots=True)
class Grid:
    columns: list[Column]
    rows: list[list[Text]] = field(default_factory=list)

    def add(self, *cells: str | Text) -> None:
        self.rows.append([cell if isinstance(cell, Text) else Text(cell) for cell in cells])

    def insert(self, index: int, column: Column, cells: Sequence[Text]) -> None:
        self.columns.insert(index, column)
        for row, cell in zip(self.rows, cells, strict=True):
            row.insert(index, cell)

    def shrink(self, width: int) -> None:
        """Leaves out spare columns until it fits, or none is left."""
        while self.width > width:
            spare = [column for column in self.columns if column.spare]
            if not spare:
                return
            index = self.columns.index(min(spare, key=lambda column: column.spare))
            del self.columns[index]
            for row in self.rows:
                del row[index]

    @property
    def width(self) -> int:
        return sum(self._widths()) + GAP * (len(self.columns) - 1)

    def lines(self) -> tuple[Text, list[Text]]:
        """The titles, and the rows."""
        titles = [Text(column.title, style="dim") for column in self.columns]
        return self._line(titles), [self._line(row) for row in self.rows]

    def _widths(self) -> list[int]:
        return [
            max(Text(column.title).cell_len, *(row[index].cell_len for row in self.rows), 0)
            for index, column in enumerate(self.columns)
        ]

    def _line(self, cells: Sequence[Text]) -> Text:
        line = Text(no_wrap=True)
        for index, (column, cell, width) in enumerate(zip(self.columns, cells, self._widths(), strict=True)):
            room = " " * (width - cell.cell_len)
            line.append(" " * GAP if index else "")
            for part in (cell, room) if column.left else (room, cell):
                line.append(part)
        line.rstrip()
        return line
