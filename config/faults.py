"""Pydantic's errors in our words: what is wrong, and what is accepted.

None of pydantic's phrases is passed on. What is accepted is read from the model's own JSON schema, so a field's
`description` is the text that users see. A validator of ours says it itself, as ValueError("wrong; accepted").
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, time
from difflib import get_close_matches
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from config.files import FAULTS_MAX, Place

Schema = Mapping[str, Any]
M = TypeVar("M", bound=BaseModel)

MISSING = "is missing"
_PHRASES = {
    "missing": MISSING,
    "too_short": "is empty",
    "string_too_short": "is empty",
    "too_long": "has too many items",
    "string_too_long": "is too long",
    "string_pattern_mismatch": "is not written as it has to be",
    "greater_than": "is too small",
    "greater_than_equal": "is too small",
    "less_than": "is too large",
    "less_than_equal": "is too large",
    "finite_number": "is not a finite number",
    "literal_error": "is not known",
    "enum": "is not known",
}


@dataclass(frozen=True, slots=True)
class Wrong:
    """A fault without its file and line. `unknown`: the key itself is not known; `meant` is the one most like it."""

    path: Place
    wrong: str
    accepted: str
    unknown: bool = False
    meant: str = ""


def translate(error: ValidationError, model: type[BaseModel]) -> list[Wrong]:
    """Everything that `model` found wrong, in its order. No value is repeated but numbers and words of closed lists."""
    root = _schema(model)
    details = error.errors(include_url=False)
    shown = FAULTS_MAX - 1
    if more := max(0, len(details) - shown):
        rest = Wrong((), f"{more} more faults are not told", "accepted: mend the others first")
        return [*_told(root, details[:shown]), rest]
    return _told(root, details)


def _told(root: Schema, details: list[ErrorDetails]) -> list[Wrong]:
    inner = [detail["loc"] for detail in details]
    found = [
        _wrong(root, detail)
        for detail in details
        # A list whose items are faulty also counts as too short: said once, at the item.
        if detail["type"] != "too_short" or not any(_inside(loc, detail["loc"]) for loc in inner)
    ]
    # Of alternatives the one that was tried further tells more: a list with a faulty item is not "no word" besides.
    return [wrong for wrong in found if not any(_inside(other.path, wrong.path) for other in found)]


def check(model: type[M], data: Mapping[str, Any]) -> tuple[M | None, list[Wrong]]:
    """`data` as a `model`, and all that is wrong with it.

    Keys that are not known are left out for a second look, so that whoever checks the meaning next can go on: None
    only where something else is wrong."""
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        wrongs = translate(error, model)
    if not all(wrong.unknown for wrong in wrongs):
        # A misspelt key is missing as well: said once, where it stands.
        meant = {(*wrong.path[:-1], wrong.meant) for wrong in wrongs if wrong.meant}
        return None, [wrong for wrong in wrongs if wrong.wrong != MISSING or wrong.path not in meant]
    with suppress(ValidationError):  # a misspelt key may be the one that its table can't do without
        return model.model_validate(_without(data, {wrong.path for wrong in wrongs})), wrongs
    return None, wrongs


def nearest(word: str, known: Iterable[str], stem: str = "") -> str:
    """`, perhaps "voice" is meant`, or nothing."""
    found = most_like(word, known)
    return f', perhaps "{stem}{found}" is meant' if found else ""


def most_like(word: str, known: Iterable[str]) -> str:
    """The name that is spelt most like the word; empty where none is near."""
    spelt = {name.lower(): name for name in known}
    found = get_close_matches(word.lower(), spelt, n=1, cutoff=0.6)
    return spelt[found[0]] if found else ""


def accepted_at(model: type[BaseModel], path: Place) -> str | None:
    """What is accepted at `path`; None where the model knows no such key."""
    _, nodes, found = _follow(_schema(model), path)
    return _describe(_schema(model), nodes) if found else None


def known_keys(model: type[BaseModel], path: Place) -> list[str]:
    """The keys of the table at `path`."""
    return _keys(_follow(_schema(model), path)[1])


def is_list_or_table(model: type[BaseModel], path: Place) -> bool:
    """Whether a text at `path` has to be read as JSON, as in an environment variable."""
    nodes = _follow(_schema(model), path)[1]
    return bool(nodes) and all(node.get("type") in ("array", "object") for node in nodes)


def _without(data: Any, places: set[Place], here: Place = ()) -> Any:
    if isinstance(data, dict):
        return {key: _without(value, places, (*here, key)) for key, value in data.items() if (*here, key) not in places}
    if isinstance(data, list):
        return [_without(value, places, (*here, number)) for number, value in enumerate(data)]
    return data


@cache
def _schema(model: type[BaseModel]) -> Schema:
    return model.model_json_schema(by_alias=True)


def _inside(loc: tuple[str | int, ...], outer: tuple[str | int, ...]) -> bool:
    return len(loc) > len(outer) and loc[: len(outer)] == outer


def _wrong(root: Schema, detail: ErrorDetails) -> Wrong:
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    loc = tuple(detail["loc"])
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        path, nodes, _ = _follow(root, loc, marks=True)
        tags = [*_tags(nodes)]
        tag = str(context.get("tag", ""))
        wrong = MISSING if kind == "union_tag_not_found" else f'"{tag}" is not known{nearest(tag, tags)}'
        return Wrong((*path, str(context["discriminator"]).strip("'")), wrong, _listed(tags))
    if kind == "extra_forbidden":
        path, nodes, _ = _follow(root, loc[:-1], marks=True)
        keys = _keys(nodes)
        told, meant = f"is not known{nearest(str(loc[-1]), keys)}", most_like(str(loc[-1]), keys)
        return Wrong((*path, loc[-1]), told, _listed(keys), unknown=True, meant=meant)
    path, nodes, _ = _follow(root, loc, marks=True)
    accepted = _describe(root, nodes)
    if kind == "value_error":
        wrong, _, own = str(context["error"]).partition("; ")
        listed = own.removeprefix("accepted: ").split(", ")
        near = nearest(value, listed) if isinstance(value, str) and all(map(str.isidentifier, listed)) else ""
        return Wrong(path, f"{wrong}{near}", own or accepted)
    if kind in ("enum", "literal_error") and isinstance(value, str):
        words = [word for word in _words(root, nodes) if isinstance(word, str)]
        return Wrong(path, f'"{value[:40]}" is not known{nearest(value, words)}', accepted)
    phrase = _PHRASES.get(kind)
    if kind in ("too_short", "string_too_short") and value:
        phrase = "is too short"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if phrase is None:
        return Wrong(path, _kind(value), accepted)
    return Wrong(path, f"{value} {phrase}" if is_number else phrase, accepted)


def _kind(value: object) -> str:
    """What a value is, in the words of TOML, where another kind is wanted."""
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "is true or false"),
        (int, "is a whole number"),
        (float, "is a number with a point"),
        (str, "is text"),
        ((list, tuple), "is a list"),
        (dict, "is a table"),
        (date, "is a date"),
        (time, "is a time"),
    )
    return next((words for types, words in kinds if isinstance(value, types)), "is of another kind")


def _follow(root: Schema, loc: Iterable[str | int], marks: bool = False) -> tuple[Place, list[Schema], bool]:
    """The path that `loc` means in the file (without pydantic's own marks), the schemas there, and whether any is.

    `marks`: a word where no table is names one of several alternatives, as pydantic calls it."""
    path: Place = ()
    nodes = _branches(root, root)
    found = True
    parts = [*loc]
    for number, part in enumerate(parts):
        if part == "[key]":
            break
        if parts[number + 1 :] == ["[key]"]:
            names = [node["propertyNames"] for node in nodes if "propertyNames" in node]
            return (*path, part), [inner for name in names for inner in _branches(root, name)], bool(names)
        tagged = [node["discriminator"]["mapping"][part] for node in nodes if part in [*_tags([node])]]
        if tagged:
            nodes = _branches(root, {"$ref": tagged[0]})
            continue
        if marks and nodes and isinstance(part, str) and not any(map(_is_table, nodes)):
            continue
        path = (*path, part)
        nodes = [inner for node in nodes for inner in _step(root, node, part)]
        found = found and bool(nodes)
    return path, nodes, found


def _is_table(node: Schema) -> bool:
    return node.get("type") == "object" or bool({"properties", "additionalProperties", "discriminator"} & {*node})


def _step(root: Schema, node: Schema, part: str | int) -> list[Schema]:
    """The schemas of one key or list item inside `node`."""
    if isinstance(part, int):
        fixed = node.get("prefixItems", [])
        inner = fixed[part] if part < len(fixed) else node.get("items")
    else:
        anything = next(iter(node.get("patternProperties", {}).values()), None) or node.get("additionalProperties")
        inner = node.get("properties", {}).get(part, anything)
    if inner is True:
        return [{}]
    return _branches(root, inner) if inner else []


def _branches(root: Schema, node: Schema) -> list[Schema]:
    """`node` without references and alternatives; null, a default's way of saying "not given", is left out."""
    if "$ref" in node:
        target = root
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        own = {key: value for key, value in node.items() if key not in ("$ref", "default")}
        return _branches(root, {**target, **own})
    if "discriminator" in node:
        return [node]
    alternatives = node.get("anyOf") or node.get("oneOf")
    if alternatives and "description" not in node:
        return [inner for one in alternatives for inner in _branches(root, one)]
    return [] if node.get("type") == "null" else [node]


def _tags(nodes: list[Schema]) -> Iterator[str]:
    return (tag for node in nodes for tag in node.get("discriminator", {}).get("mapping", {}))


def _keys(nodes: list[Schema]) -> list[str]:
    return [key for node in nodes for key in node.get("properties", {})]


def _words(root: Schema, nodes: list[Schema]) -> list[object]:
    words: list[object] = []
    for node in nodes:
        if "anyOf" in node:
            words += _words(root, [inner for one in node["anyOf"] for inner in _branches(root, one)])
        words += node.get("enum", [node["const"]] if "const" in node else [])
    return words


def _listed(words: Iterable[object]) -> str:
    return f"accepted: {', '.join(str(word) for word in words)}"


def _describe(root: Schema, nodes: list[Schema]) -> str:
    words = _words(root, nodes)
    other = [_one(root, node) for node in nodes if not _words(root, [node])]
    told = ([", ".join(str(word) for word in words)] if words else []) + other
    return f"accepted: {' or '.join(dict.fromkeys(told)) or 'another value'}"


def _one(root: Schema, node: Schema) -> str:
    """One alternative in words. A table's docstring is about the code, so its keys come first."""
    if "properties" in node:
        return f"a table with {', '.join(node['properties'])}"
    if "description" in node:
        return str(node["description"])
    match node.get("type"):
        case "array":
            items = _branches(root, node.get("items") or {})
            inner = _describe(root, items).removeprefix("accepted: ")
            least, of = " of at least one" if node.get("minItems") else "", "one of " if _words(root, items) else ""
            return f"a list{least}, each {of}{inner}"
        case "integer" | "number":
            return _number(node)
        case "boolean":
            return "true or false"
        case "object" if isinstance(values := node.get("additionalProperties"), dict):
            return f"a table, each value {_describe(root, _branches(root, values)).removeprefix('accepted: ')}"
        case "object":
            return "a table"
        case "string" if node.get("format") == "date":
            return "a date such as 2026-01-31, without quotes"
        case "string":
            return _text(node.get("minLength", 0))
    return "another value"


def _text(least: int) -> str:
    if least > 1:
        return f"text of at least {least} characters"
    return "text that is not empty" if least else "text"


def _number(node: Schema) -> str:
    word = "a whole number" if node["type"] == "integer" else "a number"
    match node:
        case {"minimum": low, "maximum": high}:
            return f"{word} from {low} to {high}"
        case {"exclusiveMinimum": low, "maximum": high}:
            return f"{word} above {low}, at most {high}"
        case {"minimum": low}:
            return f"{word}, at least {low}"
        case {"exclusiveMinimum": low}:
            return f"{word} above {low}"
        case {"maximum": high}:
            return f"{word}, at most {high}"
    return word
