"""TOML → plain data, with the line of every key, and the one form in which a fault in a file is told.

`tomllib` reads, because it is exact; the tree of tree-sitter only tells where a key stands.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

SIZE_MAX = 1024 * 1024
"""Bytes of a file that is read; campaign and settings files have a few thousand."""
DEPTH_MAX = 16
"""Tables and lists inside each other; a script's step needs seven."""
ENVIRONMENT = "environment"

Place = tuple[str | int, ...]
"""Where a value stands: keys, and positions in lists counted from 0."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing wrong in what a user gave: `FILE:LINE: FIELD: what is wrong; what is accepted`.

    `line` counts from 1 and is None only where there are none: in the environment.
    """

    file: str
    line: int | None
    field: str
    wrong: str
    accepted: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.field}: {self.wrong}; {self.accepted}"


class FaultyFile(Exception):
    """The file could not be read at all: its one fault says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Document:
    """A TOML file that was read."""

    file: str
    """As the user named it."""
    text: str
    data: dict[str, Any]
    lines: Mapping[Place, int] = field(repr=False)

    def line(self, path: Sequence[str | int]) -> int:
        """The line, from 1, of the key or list item; of one that is not there, its nearest parent's."""
        return self.lines.get(self.known(path), 1)

    def known(self, path: Sequence[str | int]) -> Place:
        """The longest beginning of `path` that stands in the file."""
        return next(tuple(path[:end]) for end in range(len(path), -1, -1) if not end or tuple(path[:end]) in self.lines)

    def fault(self, path: Sequence[str | int], wrong: str, accepted: str) -> Fault:
        return Fault(self.file, self.line(path), field_name(path), wrong, accepted)


def read_toml(path: Path) -> Document:
    """The TOML file at `path`. Raises FaultyFile where it is missing, unreadable, too large, not UTF-8 or not TOML."""
    return parse_toml(_content(path), str(path))


def parse_toml(content: bytes, file: str) -> Document:
    """TOML from memory, named `file` in faults. Raises FaultyFile."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FaultyFile(Fault(file, line, "file", "is not UTF-8", "save it as UTF-8")) from None
    try:
        data = tomllib.loads(text)
    except RecursionError:
        raise FaultyFile(_too_deep(file, 1)) from None
    except ValueError as error:  # TOMLDecodeError, and Python's own limit on the digits of a number
        wrong, line = _syntax(str(error), text)
        raise FaultyFile(Fault(file, line, "syntax", wrong, "accepted: TOML 1.0")) from None
    lines = _lines(text)
    document = Document(file, text, data, lines)
    if deep := _deep(data):
        raise FaultyFile(_too_deep(file, document.line(deep)))
    return document


def field_name(path: Sequence[str | int]) -> str:
    """`segment[1].rounds[2].between`, as a person counts: from 1."""
    name = ""
    for part in path:
        if isinstance(part, int):
            name += f"[{part + 1}]"
        else:
            name += ("." if name else "") + (part if re.fullmatch(r"[\w*#-]+", part) else f'"{part}"')
    return name or "file"


def _content(path: Path) -> bytes:
    def faulty(wrong: str, accepted: str) -> FaultyFile:
        return FaultyFile(Fault(str(path), 1, "file", wrong, accepted))

    try:
        if path.exists() and not path.is_file():
            raise faulty("is not a file", "accepted: a TOML file")
        with path.open("rb") as file:
            content = file.read(SIZE_MAX + 1)
    except FileNotFoundError:
        raise faulty("does not exist", "name a TOML file that does (`dialer init` writes some)") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "bad name"
        raise faulty(f"cannot be read ({why.lower()})", "accepted: a readable TOML file") from None
    if len(content) > SIZE_MAX:
        raise faulty("is too large", f"accepted: at most {SIZE_MAX:,} bytes")
    return content


def _syntax(message: str, text: str) -> tuple[str, int]:
    """What tomllib says, and the line it names at its end; that of a number with too many digits it does not know."""
    end = text.count("\n") + (not text.endswith("\n"))
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", message, re.DOTALL)
    if found is None:
        return "is not TOML: a number has too many digits", 1
    wrong = found[1][:1].lower() + found[1][1:]
    wrong = "the same key twice" if wrong == "cannot overwrite a value" else wrong
    return f"is not TOML: {wrong}", int(found[2] or max(1, end))


def _too_deep(file: str, line: int) -> Fault:
    return Fault(file, line, "file", "nests too deep", f"accepted: at most {DEPTH_MAX} levels of tables and lists")


def _deep(data: object, path: Place = ()) -> Place:
    """The first path that is too long; () when there is none."""
    if len(path) > DEPTH_MAX:
        return path
    items: Iterator[tuple[str | int, object]] = iter(())
    if isinstance(data, dict):
        items = iter(data.items())
    elif isinstance(data, list):
        items = iter(enumerate(data))
    return next((deep for key, value in items if (deep := _deep(value, (*path, key)))), ())


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_toml.language()))


def _lines(text: str) -> dict[Place, int]:
    """The line of every key and list item of a text that tomllib has accepted."""
    walk = _Walk()
    for node in _parser().parse(text.encode()).root_node.named_children:
        if node.type == "pair":
            walk.pair((), node)
        elif node.type in ("table", "table_array_element"):
            walk.table(node)
    return walk.lines


class _Walk:
    """Walks the tree and notes where things stand."""

    def __init__(self) -> None:
        self.lines: dict[Place, int] = {}
        self._last: dict[Place, int] = {}
        """Arrays of tables: the position of the last table."""

    def table(self, node: Node) -> None:
        """`[a.b]` or `[[a.b]]` with the pairs under it."""
        header, *pairs = [child for child in node.named_children if child.type != "comment"]
        line = header.start_point.row + 1
        *parents, name = _keys(header)
        path: Place = ()
        for parent in parents:
            path = self._inside((*path, parent), line)
        path = (*path, name)
        if node.type == "table_array_element":
            self._last[path] = self._last.get(path, -1) + 1
            self.lines.setdefault(path, line)
            path = (*path, self._last[path])
        self.lines[path] = line
        for pair in pairs:
            self.pair(path, pair)

    def pair(self, path: Place, node: Node) -> None:
        """`a.b = value`."""
        key, *rest = [child for child in node.named_children if child.type != "comment"]
        for part in _keys(key):
            path = (*path, part)
            self.lines.setdefault(path, key.start_point.row + 1)
        if rest:
            self._value(path, rest[0])

    def _inside(self, path: Place, line: int) -> Place:
        self.lines.setdefault(path, line)
        return (*path, self._last[path]) if path in self._last else path

    def _value(self, path: Place, node: Node) -> None:
        if len(path) > DEPTH_MAX:
            return
        inner = [child for child in node.named_children if child.type != "comment"]
        if node.type == "inline_table":
            for pair in inner:
                self.pair(path, pair)
        elif node.type == "array":
            for position, item in enumerate(inner):
                self.lines[(*path, position)] = item.start_point.row + 1
                self._value((*path, position), item)


def _keys(node: Node) -> list[str]:
    """The parts of a key, unquoted by the one who knows how: tomllib."""
    inner: Any = tomllib.loads(f"{(node.text or b'').decode()} = 0")
    parts = []
    while isinstance(inner, dict):
        part, inner = next(iter(inner.items()))
        parts.append(part)
    return parts
