"""Rule packs: those the program ships, and those the settings name; read, and what is wrong with them."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files as resource_files
from importlib.resources.abc import Traversable
from pathlib import Path

from campaigns.rules import Pack
from config import faults
from config.files import Document, Fault, FaultyFile, parse_toml, read_toml
from config.settings import Settings
from config.sources import Sources


def pack_files(settings: Settings) -> Mapping[str, Traversable]:
    """Every pack's file by the pack's name."""
    return {**_shipped(), **{path.stem: path for path in settings.rules}}


def read_packs(settings: Settings, names: Sequence[str]) -> tuple[list[Pack], list[Fault]]:
    """The packs of these names, each once; and the faults of their files. A name without a file is left out."""
    known = pack_files(settings)
    packs: list[Pack] = []
    found: list[Fault] = []
    for name in dict.fromkeys(names):
        if name not in known:
            continue
        try:
            document = _read(known[name])
        except FaultyFile as error:
            found.append(error.fault)
            continue
        # A file says [[rule]] for each of the pack's rules.
        data = {("rules" if key == "rule" else key): value for key, value in document.data.items()}
        pack, wrongs = faults.check(Pack, {"name": name, **data})
        for wrong in wrongs:
            path = ("rule", *wrong.path[1:]) if wrong.path[:1] == ("rules",) else wrong.path
            words = [text.replace("rules", "rule") if wrong.unknown else text for text in (wrong.wrong, wrong.accepted)]
            found.append(document.fault(path, *words))
        packs += [pack] if pack else []
    return packs, found


def pack_faults(settings: Settings, sources: Sources) -> Iterator[Fault]:
    """What is wrong with `house`, `rules` and `unverified` of the settings, and with the packs that they name."""
    shipped = _shipped()
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
    packs, found = read_packs(settings, [settings.house, *(rule.stem for rule in settings.rules if rule.is_file())])
    yield from found
    packs += read_packs(settings, [*known])[0] if settings.unverified else []
    ids = sorted({rule.id for pack in packs for rule in pack.rules if rule.grade == "M"})
    for number, rule_id in enumerate(settings.unverified):
        if rule_id not in ids:
            wrong = f'no rule of grade M has the id "{rule_id}"{faults.nearest(rule_id, ids)}'
            yield sources.fault(("unverified", number), wrong, f"accepted: {', '.join(ids) or 'none is there yet'}")


def _shipped() -> dict[str, Traversable]:
    folder = resource_files("config") / "rules"
    return {
        file.name.removesuffix(".toml"): file
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".toml")
    }


def _read(file: Traversable) -> Document:
    return read_toml(file) if isinstance(file, Path) else parse_toml(file.read_bytes(), file.name)
