"""JSON Schemas of the files that people write and of what commands print with `--json`.

They are made from the models that read and write: what a field means is its docstring, what is accepted the
description of its type. Draft 2020-12; an `$id` is a name, nothing stands there to be fetched.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import cache
from typing import Any

from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

from adapters import loader
from campaigns.file import UNITS_S, Campaign
from campaigns.rules import Pack
from config.settings import LineSettings, Settings

Schema = dict[str, Any]
FILES = {
    "campaign": "a campaign file: why, whom, when, how often",
    "settings": "dialer.toml: the settings of one installation",
    "pack": "a rule pack: one jurisdiction's rules, or the house's own",
}
"""The files that people write."""
_REF = "#/$defs/{model}"


class _Shape(GenerateJsonSchema):
    """pydantic's generator, with values as they are written in a file and words for people."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False  # a title that only repeats the name hides the description in editors

    def encode_default(self, dft: Any) -> Any:
        return _duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Without a default that only says "not given"; TOML has no null, and an empty list is often refused."""
        found = super().default_schema(schema)
        if found.get("default") in (None, [], {}) or isinstance(schema.get("default"), BaseModel):
            found.pop("default", None)
        return found

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """In a file a key is there or not; null can't be written."""
        return self.generate_inner(schema["schema"]) if self.mode == "validation" else super().nullable_schema(schema)

    def tuple_schema(self, schema: core_schema.TupleSchema) -> JsonSchemaValue:
        """A pair of one kind is a list of two: editors that know only older drafts check its items too."""
        found = super().tuple_schema(schema)
        first, *others = found.get("prefixItems", [None])
        if others and all(other == first for other in others):
            del found["prefixItems"]
            found["items"] = first
        return found

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Keys that fit no pattern are not accepted."""
        found = super().dict_schema(schema)
        return found | {"additionalProperties": False} if "patternProperties" in found else found

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,
        total: bool,
    ) -> bool:
        """Everything is printed, defaults too."""
        return self.mode == "serialization" or super().field_is_required(field, total)

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Each field with what it means and, in its type's words, what is accepted."""
        found = super().model_schema(schema)
        model: type[BaseModel] = schema["cls"]
        for name, text in _docstrings(model).items():
            node = found.get("properties", {}).get(_key(name, model.model_fields[name]))
            if node is not None:
                accepted = node.get("description")
                node["description"] = f"{text} Accepted: {accepted}." if accepted else text
        return found


def of_model(model: type[BaseModel], mode: JsonSchemaMode, ref_template: str = _REF) -> Schema:
    """The bare schema of a model: `validation` as it is written, `serialization` as it is printed."""
    return model.model_json_schema(schema_generator=_Shape, mode=mode, ref_template=ref_template)


def of_file(name: str) -> Schema:
    """The schema of one of `FILES`, as an editor needs it. Raises KeyError."""
    return _named(name, _MAKERS[name]() | {"description": FILES[name]})


def of_answer(name: str, model: type[BaseModel]) -> Schema:
    """The schema of what the command `name` prints with `--json`."""
    return _named(name, of_model(model, "serialization"))


def _named(name: str, bare: Schema) -> Schema:
    head = {"$schema": GenerateJsonSchema.schema_dialect, "$id": f"urn:dialer:{name}", "title": name}
    last = {"$defs": bare.get("$defs", {})}
    return {**head, "description": "", **{key: bare[key] for key in bare if key not in head | last}, **last}


def _campaign() -> Schema:
    return of_model(Campaign, "validation")


def _settings() -> Schema:
    """With the names of the adapters that are installed, and the section of each, by the adapter's own model."""
    found = of_model(Settings, "validation")
    found["$defs"][LineSettings.__name__]["properties"]["adapter"]["enum"] = loader.known()
    sections = {}
    for name in loader.known():
        own = of_model(loader.load(name).settings, "validation", f"#/properties/adapters/properties/{name}{_REF[1:]}")
        sections[name] = _not_required(own, *own.get("required", ()))
    adapters = {key: value for key, value in found["properties"]["adapters"].items() if key == "description"}
    adapters |= {"type": "object", "properties": sections, "additionalProperties": False}
    found["properties"]["adapters"] = adapters
    return _not_required(found, "database")


def _not_required(node: Schema, *keys: str) -> Schema:
    """What holds a secret comes from the environment or a secrets file, so the file may lack it."""
    return node | {"required": [key for key in node.get("required", ()) if key not in keys]}


def _pack() -> Schema:
    """A file says `[[rule]]` for each of the pack's rules, and is named by its own name."""
    found = of_model(Pack, "validation")
    found["properties"] = {{"rules": "rule"}.get(key, key): node for key, node in found["properties"].items()}
    return found | {"required": ["rule"]}


_MAKERS: dict[str, Callable[[], Schema]] = {"campaign": _campaign, "settings": _settings, "pack": _pack}


def _key(name: str, field: FieldInfo) -> str:
    """What a field is called in the file or in the answer."""
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        alias = alias.choices[0]
    return alias if isinstance(alias, str) else field.serialization_alias or name


def _duration(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    unit, length = next((unit, length) for unit, length in reversed(UNITS_S.items()) if seconds % length == 0)
    return f"{seconds // length}{unit}"


@cache
def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Field → the docstring beneath it, inherited ones too."""
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if issubclass(one, BaseModel) and one is not BaseModel:
            with suppress(OSError):  # a model that was made while running has no source
                found |= _beneath(inspect.getsource(one))
    return {name: text for name, text in found.items() if name in model.model_fields}


def _beneath(source: str) -> dict[str, str]:
    """The text beneath each annotated name of a class."""
    (body,) = ast.parse(textwrap.dedent(source)).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for pair in zip(body.body, body.body[1:], strict=False):
        match pair:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split())
    return found
