"""Random input, the same at every run: how much of it, and what must hold of a command whatever it was given."""

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.command import Done, run

SHORT_AND_LONG = pytest.mark.parametrize(
    "times", [pytest.param(1, id="short"), pytest.param(6, id="long", marks=pytest.mark.hunt)]
)
"""Each test stands for two: the one of `make test`, and one of six times as many examples for `make hunt`."""
LINE = re.compile(r"(?:(?:.+:\d+|environment): [^\n]+?:|command line:) [^\n]+; [^\n]+")
"""How a fault is told."""
LINES_MAX = 400


def fuzz(examples: int) -> Callable[[Any], Any]:
    """For a `@given` function: so many examples, from a seed of its own name, and no clock."""
    return settings(
        max_examples=examples, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate, Phase.shrink],
    )  # fmt: skip


def hostile(capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> Done:
    """Runs a command with input of whatever kind. It has to end as documented, and at exit 2 change nothing."""
    before = contents(folder)
    done = run(capsys, *words)
    assert done.code in (0, 1, 2), done
    assert "Traceback" not in done.err, done.err
    told = done.err.splitlines()
    assert len(told) <= LINES_MAX, len(told)
    assert all(len(line) <= 8_000 for line in told), max(map(len, told))
    if done.code == 2:
        assert told, words
        assert all(LINE.fullmatch(line) for line in told), done.err
        assert contents(folder) == before
    elif done.code == 1:
        assert told, words
        assert told[0].startswith("dialer: "), done.err
    return done


def contents(folder: Path) -> list[str]:
    """All that stands in the folder's databases."""
    found: list[str] = []
    for database in sorted(folder.glob("*.db")):
        with closing(connect(database)) as opened:
            found += opened.iterdump()
    return found


ODD = st.sampled_from(
    [
        "",
        " ",
        "\t",
        "\r",
        "\n",
        "\r\n",
        "\0",
        "\x1b[2J",
        "\ufeff",
        "\u202e",
        "\u3000",
        "é",
        "王丽",
        "𝟙",
        "🙂",
        '"',
        '""',
        "'",
        ",",
        ";",
        "=cmd()",
        "@",
        "-",
        "+",
        "-1",
        "1e999",
        "NaN",
        "Infinity",
        "0x10",
        "١٢٣",
        "2026-02-30",
        "9999-12-31",
        "0001-01-01",
        "[/]",
        "[red]",
        "{name}",
        "{0.__class__}",
        "%s",
        "\\",
        "../../etc/passwd",
        "/dev/null",
        "null",
        "true",
        "[" * 70,
        "A" * 300,
        "9" * 400,
    ]
)
TEXT = st.one_of(st.text(max_size=40), ODD, st.lists(ODD, max_size=4).map("".join))
"""What people, programs and attackers write. No halves of surrogate pairs: no file can hold them."""


def mutated(sample: bytes) -> st.SearchStrategy[bytes]:
    """A good file with some pieces replaced, doubled or taken away."""
    places = st.integers(0, len(sample))
    piece = st.one_of(TEXT.map(lambda text: text.encode("utf-8", "ignore")), st.binary(max_size=6))
    change = st.tuples(places, st.integers(0, 30), st.one_of(piece, st.just(b""), st.just(b"\xff\xfe")))

    def apply(changes: list[tuple[int, int, bytes]]) -> bytes:
        found = sample
        for at, length, new in changes:
            found = found[:at] + new + found[at + length :]
        return found

    return st.lists(change, min_size=1, max_size=5).map(apply)


def lines_mutated(sample: str) -> st.SearchStrategy[bytes]:
    """A good text file with lines gone, doubled, swapped, or their values replaced."""
    lines = sample.splitlines()
    values = st.one_of(
        st.sampled_from(
            [
                "1",
                "-1",
                "0",
                "1.5",
                "inf",
                "nan",
                "true",
                '""',
                '"x"',
                "[]",
                "[[]]",
                "{}",
                "{ a = {} }",
                "2026-01-01",
                "09:30:00",
                "[1, 2]",
                '["x"]',
                '["09:00", "08:00"]',
                "9" * 30,
                "1e400",
                "0001-01-01T00:00:00Z",
                '"+8d"',
                '"99999d"',
                '"{x}"',
                '"{name!r}"',
                '"{due_on:x}"',
                '"{"',
                '"\\u0000"',
                '"\\u202e"',
                "'''\n\n'''",
                "[" * 40 + "]" * 40,
            ]
        ),
        st.integers().map(str),
        TEXT.map(lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'),
    )
    change = st.tuples(
        st.integers(0, len(lines) - 1), st.sampled_from(["drop", "double", "swap", "value", "key"]), values
    )

    def apply(changes: list[tuple[int, str, str]]) -> bytes:
        found = list(lines)
        for at, what, value in changes:
            at %= max(1, len(found))
            key, equals, _ = found[at].partition("=") if found else ("", "", "")
            if what == "drop" and found:
                del found[at]
            elif what == "double" and found:
                found.insert(at, found[at])
            elif what == "swap" and found:
                other = len(value) % len(found)
                found[at], found[other] = found[other], found[at]
            elif what == "value" and equals:
                found[at] = f"{key}= {value}"
            elif what == "key" and equals:
                found[at] = f"{key.rstrip()}x = {value}"
        return "\n".join(found).encode("utf-8", "replace")

    return st.lists(change, min_size=1, max_size=4).map(apply)


def drawn(strategy: st.SearchStrategy[Any], examples: int) -> list[Any]:
    """So many values, for a test that runs on its own loop."""
    found: list[Any] = []

    @fuzz(examples)
    @given(strategy)
    def every(one: Any) -> None:
        found.append(one)

    every()
    return found
