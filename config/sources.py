"""Where settings come from: the file, a secrets directory, the environment; and where a fault in one is told.

A variable is named DIALER_ and the keys in between `__`: DIALER_LINES__MAIN__CALLS_PER_SECOND. Lists and tables are
written as JSON. A secret is a file of that name. DIALER_CONFIG and DIALER_TEST_* are not settings.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel
from pydantic_settings import BaseSettings, EnvSettingsSource

from config.faults import accepted_at, is_list_or_table, known_keys, nearest
from config.files import ENVIRONMENT, Document, Fault, field_name

PREFIX = "DIALER_"
NOT_SETTINGS = ("DIALER_CONFIG", "DIALER_TEST_")
SECRET_MAX = 64 * 1024
"""Bytes of one secret."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of the environment, or one file of the secrets directory (`file` then names it)."""

    name: str
    value: str = field(repr=False)
    file: str = ENVIRONMENT

    @property
    def place(self) -> tuple[str, ...]:
        """The key it sets."""
        return tuple(self.name.upper().removeprefix(PREFIX).lower().split("__"))

    def fault(self, wrong: str, accepted: str) -> Fault:
        return Fault(self.file, None if self.file == ENVIRONMENT else 1, self.name, wrong, accepted)


@dataclass(slots=True)
class Sources:
    """The file and what overrides it."""

    document: Document
    model: type[BaseModel]
    variables: dict[tuple[str, ...], Variable] = field(default_factory=dict)

    def merged(self) -> dict[str, Any]:
        """The file's data with the variables over it."""
        return _over(self.document.data, _Environment(self.model, self.variables.values())())

    def fault(self, place: Sequence[str | int], wrong: str, accepted: str) -> Fault:
        """At the variable that set this place, or most of it; else at its line in the file."""
        own = max(self.variables, key=lambda one: _common(one, place), default=())
        common = _common(own, place)
        covers = bool(own) and common == len(own)
        if not covers and common <= len(self.document.known(place)):
            return self.document.fault(place, wrong, accepted)
        if common == len(place):
            return self.variables[own].fault(wrong, accepted)
        missing = place[common:] if covers else place
        return self.variables[own].fault(f"{field_name(missing)} {wrong}", accepted)


def collect(document: Document, env: Mapping[str, str], model: type[BaseModel]) -> tuple[Sources, list[Fault]]:
    """The sources with every variable that can be used, and a fault for each that can't."""
    sources, found = Sources(document, model), []
    secrets, faults = _secrets(document, env)
    for variable in [*secrets, *(Variable(name, value) for name, value in env.items() if _is_setting(name))]:
        if fault := _misspelt(sources, variable) or _not_json(model, variable):
            found.append(fault)
        else:
            sources.variables[variable.place] = variable
    for place, variable in [*sources.variables.items()]:
        if fault := _no_such_line(sources, variable):
            found.append(fault)
            del sources.variables[place]
    return sources, faults + found


class _Environment(EnvSettingsSource):
    """pydantic-settings on variables that are handed in.

    Settings are no BaseSettings: that would read os.environ by itself, and take keys such as _env_file from the file.
    """

    def __init__(self, model: type[BaseModel], variables: Any) -> None:
        self._variables = {variable.name.lower(): variable.value for variable in variables}
        super().__init__(
            cast("type[BaseSettings]", model), case_sensitive=False, env_prefix=PREFIX, env_nested_delimiter="__"
        )

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._variables


def _common(one: Sequence[str | int], other: Sequence[str | int]) -> int:
    """How many parts two places share from their beginning."""
    return next(
        (n for n, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), min(len(one), len(other))
    )


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`below` with the values of `above` in their places; tables are merged, everything else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        inner = merged.get(key)
        merged[key] = _over(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def _is_setting(name: str) -> bool:
    return name.upper().startswith(PREFIX) and not name.upper().startswith(NOT_SETTINGS)


def _secrets(document: Document, env: Mapping[str, str]) -> tuple[list[Variable], list[Fault]]:
    given = env.get(f"{PREFIX}SECRETS") or document.data.get("secrets")
    if not isinstance(given, str) or not given:
        return [], []
    folder = Path(document.file).parent / given
    found: list[Variable] = []
    try:
        for file in sorted(folder.iterdir()):
            if _is_setting(file.name) and file.is_file():
                with file.open("rb") as opened:
                    content = opened.read(SECRET_MAX + 1)
                if len(content) > SECRET_MAX:
                    raise ValueError("a part of a secret is none")
                found.append(Variable(file.name, content.decode().strip(), str(file)))
    except (OSError, ValueError):
        wrong, accepted = "cannot be read", f"accepted: a readable directory of text files up to {SECRET_MAX:,} bytes"
        if f"{PREFIX}SECRETS" in env:
            return [], [Variable(f"{PREFIX}SECRETS", given).fault(wrong, accepted)]
        return [], [document.fault(("secrets",), wrong, accepted)]
    return found, []


def _misspelt(sources: Sources, variable: Variable) -> Fault | None:
    place = variable.place
    for end in range(1, len(place) + 1):
        if accepted_at(sources.model, place[:end]) is None:
            stem = PREFIX + "".join(f"{part.upper()}__" for part in place[: end - 1])
            keys = [key.upper() for key in known_keys(sources.model, place[: end - 1])]
            keys = [key for key in keys if _is_setting(stem + key)]
            wrong = f"is not known{nearest(place[end - 1], keys, stem)}"
            wanted = f"{stem} and one of {', '.join(keys)}" if keys else stem.rstrip("_")
            return variable.fault(wrong, f"accepted: {wanted}")
    return None


def _not_json(model: type[BaseModel], variable: Variable) -> Fault | None:
    if not is_list_or_table(model, variable.place):
        return None
    try:
        json.loads(variable.value)
    except (ValueError, RecursionError):
        return variable.fault("is not JSON", f"{accepted_at(model, variable.place)}, written as JSON")
    return None


def _no_such_line(sources: Sources, variable: Variable) -> Fault | None:
    """A part of a line that is defined nowhere: one fault, in place of one for each of the line's missing keys."""
    lines, place = sources.document.data.get("lines"), variable.place
    known = [*lines] if isinstance(lines, dict) else []
    if place[0] != "lines" or len(place) < 3 or place[1] in known:
        return None
    if ("lines", place[1], "adapter") in sources.variables:
        return None
    wrong = f'no line is named "{place[1]}"{nearest(place[1], known)}'
    return variable.fault(wrong, f"accepted: {', '.join(known) or 'a line with all its keys'}")
