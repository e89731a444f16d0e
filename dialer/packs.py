"""Rule packs: those the program ships, and those the settings name; read, and what is wrong with them."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files as resource_files
from importlib.resources.abc import Traversable
from pathlib import Path

from campaigns.rules import AnyRule, Pack
from config import faults
from config.files import Document, Fault, FaultyFile, parse_toml, read_toml
from config.settings import Settings
from config.sources import Sources
from dialer.errors import InvalidInput

OWN_CHECKS = "dialer."
"""So begin the ids of the dialer's own checks."""


def pack_files(settings: Settings) -> Mapping[str, Traversable]:
    """Every pack's file by the pack's name."""
    return {**shipped_files(), **{path.stem: path for path in settings.rules}}


class Packs(Mapping[str, Pack]):
    """Every pack by its name, read when it is first asked for. A faulty file raises InvalidInput then."""

    def __init__(self, settings: Settings) -> None:
        self._files = pack_files(settings)
        self._read: dict[str, Pack] = {}

    def __getitem__(self, name: str) -> Pack:
        if name not in self._read:
            pack, found = read_pack(name, self._files[name])
            if pack is None:
                raise InvalidInput(found)
            self._read[name] = pack
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __contains__(self, name: object) -> bool:
        return name in self._files


def read_packs(settings: Settings, names: Sequence[str]) -> tuple[list[Pack], list[Fault]]:
    """The packs of these names, each once; and the faults of their files. A name without a file is left out."""
    known = pack_files(settings)
    packs: list[Pack] = []
    found: list[Fault] = []
    for name in dict.fromkeys(names):
        if name in known:
            pack, wrongs = read_pack(name, known[name])
            packs += [pack] if pack else []
            found += wrongs
    return packs, found


def rules_named(settings: Settings, wanted: Collection[str]) -> dict[str, AnyRule]:
    """The rules of these ids, of whatever pack. A file that can't be read has none: its faults are told elsewhere."""
    if all(one.startswith(OWN_CHECKS) for one in wanted):
        return {}
    packs, _ = read_packs(settings, [*pack_files(settings)])
    return {rule.id: rule for pack in packs for rule in pack.rules if rule.id in wanted}


def read_pack(name: str, file: Traversable) -> tuple[Pack | None, list[Fault]]:
    """The pack in a file, or what is wrong with it. Those that the program ships are read once."""
    return _read_pack(name, file) if isinstance(file, Path) and not _is_shipped(file) else _shipped_pack(name)


def _is_shipped(file: Path) -> bool:
    return os.path.dirname(os.path.realpath(file)) == os.path.realpath(str(resource_files("config") / "rules"))


@cache
def _shipped_pack(name: str) -> tuple[Pack | None, list[Fault]]:
    return _read_pack(name, shipped_files()[name])


def _read_pack(name: str, file: Traversable) -> tuple[Pack | None, list[Fault]]:
    try:
        document = _read(file)
    except FaultyFile as error:
        return None, [error.fault]
    # A file says [[rule]] for each of the pack's rules.
    if "rules" in document.data:
        misspelt = document.fault(("rules",), 'is not known, perhaps "rule" is meant', "accepted: name, rule")
        return None, [misspelt]
    data = {("rules" if key == "rule" else key): value for key, value in document.data.items()}
    pack, wrongs = faults.check(Pack, {"name": name, **data})
    found = []
    for wrong in wrongs:
        path = ("rule", *wrong.path[1:]) if wrong.path[:1] == ("rules",) else wrong.path
        words = [text.replace("rules", "rule") if wrong.unknown else text for text in (wrong.wrong, wrong.accepted)]
        found.append(document.fault(path, *words))
    return pack, found


def pack_faults(settings: Settings, sources: Sources) -> Iterator[Fault]:
    """What is wrong with `house`, `rules` and `unverified` of the settings, and with the packs that they name."""
    shipped = shipped_files()
    for number, rule in enumerate(settings.rules):
        if rule.stem in shipped or rule.stem in [other.stem for other in settings.rules[:number]]:
            wrong = f'"{rule.stem}" is the name of another pack'
            yield sources.fault(("rules", number), wrong, "accepted: a file of another name")
        elif not rule.is_file():
            yield sources.fault(("rules", number), "does not exist", "accepted: a rule pack, relative to this file")
    known = pack_files(settings)
    if settings.house not in known:
        near = faults.nearest(settings.house, known)
        wrong = f'no pack is named "{settings.house}"{near}'
        yield sources.fault(("house",), wrong, f"accepted: {', '.join(known)}")
    for line, what in settings.lines.items():
        for number, name in enumerate(what.packs):
            if name not in known:
                wrong = f'no pack is named "{name}"{faults.nearest(name, known)}'
                yield sources.fault(("lines", line, "packs", number), wrong, f"accepted: {', '.join(known)}")
    packs, found = read_packs(settings, [settings.house, *(rule.stem for rule in settings.rules if rule.is_file())])
    yield from found
    if settings.unverified or settings.relaxed:
        packs += read_packs(settings, [*known])[0]
        from_memory = {rule.id for pack in packs for rule in pack.rules if rule.grade == "M"}
        yield from _strange(sources, "unverified", settings.unverified, from_memory, "grade M")
        ours = {rule.id for pack in packs for rule in pack.rules if rule.force == "house"}
        yield from _strange(sources, "relaxed", settings.relaxed, ours, "force house")


def _strange(sources: Sources, key: str, given: Sequence[str], known: set[str], what: str) -> Iterator[Fault]:
    ids = sorted(known)
    for number, rule_id in enumerate(given):
        if rule_id not in ids:
            wrong = f'no rule of {what} has the id "{rule_id}"{faults.nearest(rule_id, ids)}'
            yield sources.fault((key, number), wrong, f"accepted: {', '.join(ids) or 'none is there yet'}")


def shipped_files() -> dict[str, Traversable]:
    """The files of the packs that the program ships, by name."""
    folder = resource_files("config") / "rules"
    return {
        file.name.removesuffix(".toml"): file
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".toml")
    }


def _read(file: Traversable) -> Document:
    return read_toml(file) if isinstance(file, Path) else parse_toml(file.read_bytes(), file.name)
