"""The bytes of a lender's file as text: its encoding, where it is damaged, and whether its lines are its records."""

import codecs
import csv
import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

BLOCK = 1 << 20
LINE_MAX = 1 << 20
"""Characters of a line, and of a record of several lines: it is in memory as a whole."""
SURE_CHARACTERS = 10
"""So many non-ASCII characters read as UTF-8, and a bad byte after them is damage and not GB18030."""
_FOREIGN = re.compile(r"[^\x00-\x7f]")


@dataclass(frozen=True, slots=True)
class Text:
    """A file that is text to its end."""

    encoding: str
    """`utf-8` or `gb18030`."""
    plain: bool
    """It has no quotes, no carriage return but before a line feed, and no line too long for the csv module."""


@dataclass(frozen=True, slots=True)
class Bad:
    """The first place where a file is not the text it was taken for."""

    line: int
    wrong: str
    damaged: bool
    """It surely is not another encoding."""


def look(path: Path) -> Text | Bad:
    """Decodes the whole file, block by block. Raises OSError."""
    found = _decoded(path, "utf-8")
    if isinstance(found, Text) or found.damaged:
        return found
    other = _decoded(path, "gb18030")
    return other if isinstance(other, Text) else found


def _decoded(path: Path, encoding: str) -> Text | Bad:
    decoder = codecs.getincrementaldecoder(encoding)()
    lines, foreign = 1, 0
    plain = _Plain()
    unended = 0  # characters of the line that the last block left open
    with path.open("rb") as stream:
        while True:
            block = stream.read(BLOCK)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                before = error.object[: error.start]
                foreign += 0 if before.isascii() else sum(c > "\x7f" for c in before.decode(encoding, "ignore"))
                utf16 = error.object.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
                wrong = "is UTF-16" if utf16 else f"holds bytes that are not {encoding.upper()}"
                return Bad(lines + before.count(b"\n"), wrong, foreign >= SURE_CHARACTERS)
            if "\0" in text:
                line = lines + text[: text.index("\0")].count("\n")
                return Bad(line, "holds NUL characters, which no text has", True)
            if line := _too_long(text, unended):
                return Bad(lines + line - 1, f"has a line of more than {LINE_MAX:,} characters", True)
            unended = len(text) - text.rindex("\n") - 1 if "\n" in text else unended + len(text)
            lines += text.count("\n")
            if not text.isascii() and foreign < SURE_CHARACTERS:
                foreign += sum(1 for _ in islice(_FOREIGN.finditer(text), SURE_CHARACTERS))
            plain.read(text)
            if not block:
                return Text(encoding, plain.holds())


def _too_long(text: str, unended: int) -> int:
    """The line of a text, from 1, that is too long; 0 where none is. `unended`: what belongs to its first line."""
    if unended + len(text) <= LINE_MAX:
        return 0
    lengths = map(len, f"{'x' * unended}{text}".split("\n"))
    return next((number for number, length in enumerate(lengths, 1) if length > LINE_MAX), 0)


class _Plain:
    """Whether a text, given in blocks, is plain."""

    def __init__(self) -> None:
        self._sure = True
        self._returns = self._line_ends = 0
        self._last = ""

    def read(self, text: str) -> None:
        if not self._sure or not text:
            return
        self._returns += text.count("\r")
        self._line_ends += text.count("\r\n") + (self._last == "\r" and text[0] == "\n")
        self._last = text[-1]
        # Half the limit: a line may go over from one block to the next.
        self._sure = '"' not in text and max(map(len, text.split("\n"))) <= csv.field_size_limit() // 2

    def holds(self) -> bool:
        return self._sure and self._returns == self._line_ends
