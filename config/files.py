"""TOML → plain data, with the line of every key, and the one form in which a fault in a file is told.

`tomllib` reads, because it is exact; the tree of tree-sitter only tells where a key stands.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

SIZE_MAX = 1024 * 1024
"""Bytes of a file that is read; campaign and settings files have a few thousand."""
DEPTH_MAX = 16
"""Tables and lists inside each other; a script's step needs seven."""
FAULTS_MAX = 200
"""Faults that are told of one file; the last says how many more there are."""
UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What no line of a terminal should hold: control characters, line breaks, halves of surrogate pairs."""
PART_MAX = 1_000
"""Characters of each part of a fault that are told."""
ENVIRONMENT = "environment"

Place = tuple[str | int, ...]
"""Where a value stands: keys, and positions in lists counted from 0."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing wrong in what a user gave: `FILE:LINE: FIELD: what is wrong; what is accepted`.

    One line of a terminal, whatever the user gave: no control characters, and no part without an end.
    `line` counts from 1 and is None only where there are none: in the environment.
    """

    file: str
    line: int | None
    field: str
    wrong: str
    accepted: str

    def __post_init__(self) -> None:
        for name in ("file", "field", "wrong", "accepted"):
            object.__setattr__(self, name, one_line(getattr(self, name)))

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.field}: {self.wrong}; {self.accepted}"


def one_line(text: str, maximum: int = PART_MAX) -> str:
    """`text` without control characters, and cut where it is far too long."""
    if len(text) > maximum:
        text = text[: maximum - 1] + "…"
    return UNFIT.sub("?", text)


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
    """The TOML file at `path`. Raises FaultyFile: it is missing, unreadable, empty, too large, no text or no TOML."""
    document = parse_toml(_content(path), str(path))
    if not document.data:
        raise FaultyFile(document.fault((), "is empty", "`dialer init` writes one that works"))
    return document


def parse_toml(content: bytes, file: str) -> Document:
    """TOML from memory, named `file` in faults. Raises FaultyFile."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FaultyFile(Fault(file, line, "file", "is not UTF-8", "save it as UTF-8")) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise FaultyFile(Fault(file, line, "file", "is no text", "accepted: a TOML file, saved as UTF-8"))
    if line := _long_key(text):
        raise FaultyFile(_too_deep(file, line))
    try:
        data = tomllib.loads(text)
    except RecursionError:
        raise FaultyFile(_too_deep(file, 1)) from None
    except ValueError as error:  # TOMLDecodeError, and Python's own limit on the digits of a number
        wrong, accepted, line = _syntax(str(error), text)
        raise FaultyFile(Fault(file, line, "syntax", wrong, accepted)) from None
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
        if path.is_dir():
            raise faulty("is a folder", "name a TOML file in it")
        if path.exists() and not path.is_file():
            raise faulty("is not a file", "accepted: a TOML file")
        if path.suffix.lower() == ".csv" and path.exists():
            raise faulty("is a roster, by its name", "accepted: a TOML file; `dialer import` loads rosters")
        with path.open("rb") as file:
            content = file.read(SIZE_MAX + 1)
    except FileNotFoundError:
        near = get_close_matches(path.stem, [file.stem for file in path.parent.glob("*.toml")], n=1)
        meant = f', perhaps "{path.with_stem(near[0])}" is meant' if near else ""
        raise faulty(f"does not exist{meant}", "name a TOML file that does (`dialer init` writes some)") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "bad name"
        raise faulty(f"cannot be read ({why.lower()})", "accepted: a readable TOML file") from None
    if len(content) > SIZE_MAX:
        raise faulty("is too large", f"accepted: at most {SIZE_MAX:,} bytes")
    return content


_TWICE = "each [table] once, and [[table]] for one more of a list"
_SYNTAX = {
    # How tomllib's message begins → what is wrong, and what is accepted, in our words.
    "illegal character": (
        "a quote is not closed, or a control character stands in a text",
        'a closing quote on the same line, or """ around several lines',
    ),
    "unterminated string": ("a text is not closed", 'a closing quote, or """ around several lines'),
    'expected "\'"': ("a quote is not closed", "a closing quote on the same line"),
    "cannot overwrite a value": ("the same key or table twice", "each once, and [[table]] for one more of a list"),
    "duplicate inline table key": ("the same key twice", "each key once"),
    "cannot declare": ("the same table twice", _TWICE),
    "cannot redefine namespace": ("the same table twice", _TWICE),
    "cannot mutate immutable namespace": ("something closed is added to later", "all of it inside its { } or [ ]"),
    "expected '=' after a key": ("neither KEY = VALUE nor [table]", "KEY = VALUE, [table], or a comment behind #"),
    "invalid statement": ("neither KEY = VALUE nor [table]", "KEY = VALUE, [table], or a comment behind #"),
    "expected newline or end of document": ("something stands behind a value", "one KEY = VALUE a line"),
    "expected ']": ("the name of a table is not closed", "[table] or [[table]], alone on its line"),
    "invalid value": (
        "a value that is none",
        "text in quotes, a number, true, false, a date, a list in [ ], a table in { }",
    ),
    "invalid date or datetime": ("a date that does not exist", "a day of the calendar, such as 2026-01-31"),
    "unclosed array": ("a list is not closed", "a ] at its end, and commas between its items"),
    "unclosed inline table": ("a table is not closed", "a } at its end, and commas between its keys"),
    "invalid initial character": ("a key begins with a character it can't have", "letters, digits, - and _"),
    "unescaped '\\'": ("a \\ that means nothing", "two of them, or single quotes around the text"),
}
_FULL_WIDTH = "“”‘’＂＇＝［］｛｝＃"
"""What a Chinese keyboard writes for the signs of TOML."""


def _syntax(message: str, text: str) -> tuple[str, str, int]:
    """What is wrong, what is accepted, and the line that tomllib names at its message's end.

    It names none where a number has too many digits: that is Python's own limit.
    """
    end = text.count("\n") + (not text.endswith("\n"))
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", message, re.DOTALL)
    if found is None:
        return "is not TOML: a number has too many digits", "accepted: at most 4,300 digits", 1
    line, said = int(found[2] or max(1, end)), found[1].lower()
    known = (words for begins, words in _SYNTAX.items() if said.startswith(begins))
    wrong, accepted = next(known, (said, "TOML 1.0"))
    outside = re.sub(r'"[^"]*"', "", text.split("\n")[line - 1])
    if wide := [sign for sign in outside.partition("#")[0] if sign in _FULL_WIDTH]:
        wrong, accepted = f"{wide[0]} is a full-width sign", "the sign of the English keyboard"
    return f"is not TOML: {wrong}", f"accepted: {accepted}", line


_PART = r"""(?:"(?:[^"\\\n]++|\\.)*+"?+|'[^'\n]*+'?+|[A-Za-z0-9_-]++)"""
_TOKEN = re.compile(rf"""(?P<long>(?:{_PART}[ \t]*+\.[ \t]*+){{{2 * DEPTH_MAX},}}+)|{_PART}|[^A-Za-z0-9_"'-]++""")
"""Whatever stands next, and whether it is a key of more parts than may nest. Nothing is looked at again and again."""


def _long_key(text: str) -> int:
    """The line of a dotted key with far too many parts; 0 where there is none.

    tomllib's time and memory grow with the square of these: one of 400 KB took more than the machine has. So many
    dotted words in a text or a comment count as well; nobody writes them without a space in between."""
    found = next((token for token in _TOKEN.finditer(text) if token["long"]), None)
    return text.count("\n", 0, found.start()) + 1 if found else 0


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


_BARE = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def _keys(node: Node) -> list[str]:
    """The parts of a key, unquoted by the one who knows how: tomllib."""
    text = (node.text or b"").decode()
    if _BARE.fullmatch(text):
        return text.split(".")
    inner: Any = tomllib.loads(f"{text} = 0")
    parts = []
    while isinstance(inner, dict):
        part, inner = next(iter(inner.items()))
        parts.append(part)
    return parts
