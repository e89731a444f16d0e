"""TOML with line numbers: every way of writing a key has its line, and what is missing has its parent's."""

import tomllib
from datetime import date
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import InitErrorDetails
from pydantic_core.core_schema import ErrorType

from config.faults import translate
from config.files import Fault, FaultyFile, Place, field_name, parse_toml

TEXT = """\
# a comment
top = 1
a.b . "c d" = [1, # one
  2,
  { x = 1, y = [
     3] },
]
[table]
inline = { one = 1, two = { three = 3 } }
'quo.ted' = true

[[list]]
name = "first"
[[list.inner]]
x = 1
[[list.inner]]
x = 2
[list.sub]
y = 1
[[list]]
name = "second"
[[list.inner]]
x = 3
[deep.er.still]
z = 1979-05-27
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("a",), 3),
        (("a", "b", "c d"), 3),
        (("a", "b", "c d", 0), 3),
        (("a", "b", "c d", 1), 4),
        (("a", "b", "c d", 2, "x"), 5),
        (("a", "b", "c d", 2, "y", 0), 6),
        (("table",), 8),
        (("table", "inline", "two", "three"), 9),
        (("table", "quo.ted"), 10),
        (("list",), 12),
        (("list", 0), 12),
        (("list", 0, "name"), 13),
        (("list", 0, "inner", 0), 14),
        (("list", 0, "inner", 0, "x"), 15),
        (("list", 0, "inner", 1, "x"), 17),
        (("list", 0, "sub", "y"), 19),
        (("list", 1), 20),
        (("list", 1, "inner", 0, "x"), 23),
        (("deep", "er", "still", "z"), 25),
        # what is not there: its nearest parent
        (("missing",), 1),
        (("table", "missing"), 8),
        (("list", 1, "inner", 0, "missing", "deeper"), 22),
        (("list", 7), 12),
    ],
)
def test_line_of(path: Place, line: int) -> None:
    assert parse_toml(TEXT.encode(), "f").line(path) == line


def test_windows_line_ends_and_a_byte_order_mark_change_no_line() -> None:
    document = parse_toml(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode(), "f")
    assert document.lines == parse_toml(TEXT.encode(), "f").lines
    assert document.data["deep"]["er"]["still"]["z"] == date(1979, 5, 27)


KEYS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters='"\\'), max_size=6)


@given(st.lists(st.tuples(KEYS, st.lists(KEYS, unique=True, max_size=4)), unique_by=lambda one: one[0], max_size=5))
def test_every_key_of_every_table_has_its_line(tables: list[tuple[str, list[str]]]) -> None:
    text, places = "", {}
    for name, keys in tables:
        places[(name,)] = text.count("\n") + 1
        text += f'["{name}"]\n'
        for key in keys:
            text += "# between\n"
            places[(name, key)] = text.count("\n") + 1
            text += f'"{key}" = [\n]\n'
    document = parse_toml(text.encode(), "f")
    assert document.lines == places


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (
            b"a = 1\nb",
            "f:2: syntax: is not TOML: neither KEY = VALUE nor [table]; "
            "accepted: KEY = VALUE, [table], or a comment behind #",
        ),
        (
            b"a = 1\n\na = 2\n",
            "f:3: syntax: is not TOML: the same key or table twice; "
            "accepted: each once, and [[table]] for one more of a list",
        ),
        (
            b"a = [1,\n2\n",
            "f:2: syntax: is not TOML: a list is not closed; accepted: a ] at its end, and commas between its items",
        ),
        (
            b"a = " + b"1" * 5000,
            "f:1: syntax: is not TOML: a number has too many digits; accepted: at most 4,300 digits",
        ),
        (
            "a = 1\nb = “你好”".encode(),
            "f:2: syntax: is not TOML: “ is a full-width sign; accepted: the sign of the English keyboard",
        ),
        (b"a = 1\n\x00", "f:2: file: is no text; accepted: a TOML file, saved as UTF-8"),
        (b"ok = 1\n# \xff", "f:2: file: is not UTF-8; save it as UTF-8"),
        (b"a." * 40 + b"a = 1", "f:1: file: nests too deep; accepted: at most 16 levels of tables and lists"),
    ],
)
def test_what_is_no_toml_is_one_fault(content: bytes, fault: str) -> None:
    with pytest.raises(FaultyFile) as caught:
        parse_toml(content, "f")
    assert str(caught.value.fault) == fault


@pytest.mark.parametrize(
    "text",
    ['a = "x', "a = 'x", 'a = """x', "[a]\n[a]", "a = { b = 1, b = 2 }", "a = { b = 1", "[[a]", "[a", "= 1", "a = zh",
     "a = 1 2", "a = 2026-02-30", 'a = "\\q"', "[!]", "a = []\n[[a]]", "a = 1\na.b = 2", 'a = "\x01"'],
)  # fmt: skip
def test_the_parsers_own_phrases_are_not_passed_on(text: str) -> None:
    with pytest.raises(FaultyFile) as caught:
        parse_toml(text.encode(), "f")
    with pytest.raises(tomllib.TOMLDecodeError) as raw:
        tomllib.loads(text)
    assert str(raw.value).partition(" (at ")[0].lower() not in str(caught.value.fault).lower()
    assert caught.value.fault.accepted != "accepted: TOML 1.0"


def test_a_full_width_sign_inside_a_text_is_not_to_blame() -> None:
    with pytest.raises(FaultyFile) as caught:
        parse_toml('a = "他说“好”" b'.encode(), "f")
    assert caught.value.fault.wrong == "is not TOML: something stands behind a value"


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_a_document_or_a_fault(content: bytes) -> None:
    try:
        line = parse_toml(content, "f").line(("x",))
    except FaultyFile as error:
        line = error.fault.line or 0
    assert 1 <= line <= content.count(b"\n") + 1


def test_a_fault_of_the_environment_has_no_line() -> None:
    assert str(Fault("environment", None, "DIALER_X", "is not known", "accepted: Y")) == (
        "environment: DIALER_X: is not known; accepted: Y"
    )


def test_fields_are_counted_from_one_and_quoted_where_needed() -> None:
    assert field_name(("segment", 0, "rounds", 1, "a b")) == 'segment[1].rounds[2]."a b"'
    assert field_name(("keys", "*")) == "keys.*"


class Anything(BaseModel):
    model_config = ConfigDict(extra="forbid")
    field: int = 0


WORDS = (
    *("error", "expected", "discriminator", "tag", "expected_tags", "class", "class_name", "function_name", "pattern"),
    *("encoding", "encoding_error", "method_name", "expected_schemes", "attribute", "field_type"),
)
NUMBERS = (
    *("min_length", "max_length", "actual_length", "gt", "ge", "lt", "le", "multiple_of", "max_digits"),
    *("decimal_places", "whole_digits", "expected_version", "tz_actual", "tz_expected"),
)
CONTEXT = dict.fromkeys(WORDS, "word") | dict.fromkeys(NUMBERS, 1) | {"error": ValueError("is odd; accepted: 2")}
PHRASES = ("Input", "should", "Extra", "Field", "valid", "Value error")


@pytest.mark.parametrize("kind", get_args(ErrorType))
def test_every_kind_of_error_of_pydantic_is_told_in_our_words(kind: str) -> None:
    line = InitErrorDetails(type=kind, loc=("field",), input=object(), ctx=CONTEXT)
    try:
        error = ValidationError.from_exception_data("Anything", [line])
    except TypeError:  # this kind wants a word where others want something else
        line["ctx"] = CONTEXT | dict.fromkeys(("error", "expected_version", "tz_expected"), "word")
        error = ValidationError.from_exception_data("Anything", [line])
    for told in translate(error, Anything):
        assert not any(phrase in told.wrong + told.accepted for phrase in PHRASES)
        assert told.wrong
        assert told.accepted
        assert told.path[0] == "field"
