"""What `dialer rules` tells: every pack and rule, whether it binds this lender, and what a user's pack gives to think.

The models are what `--json` prints.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from campaigns.rules import AnyRule, Pack
from campaigns.ruleset import binds_reminders
from campaigns.words import says
from config.files import Fault, read_toml
from config.settings import Settings
from dialer.errors import InvalidInput
from dialer.packs import pack_files, read_pack, shipped_files

STALE = timedelta(days=365)
"""A rule that nobody compared with its source for longer is worth a look."""


class RuleShown(BaseModel):
    """One rule."""

    id: str
    kind: str
    says: str
    """The rule in words."""
    force: str
    """How binding its source is: law, presumption, standard, guidance or house."""
    grade: str
    """P: the text was read; S: a secondary source; M: from memory; H: the house's own."""
    binds: bool
    """Whether it can hold for this lender's reminders today, where its pack applies."""
    why_not: str
    """Why it can not; empty where it binds."""
    citation: str
    url: str
    checked_on: date
    quote: str
    note: str
    effective_from: date | None
    effective_to: date | None
    actor: list[str]
    channels: list[str]
    details: dict[str, Any]
    """All else that its pack says of it, as in the file."""


class PackShown(BaseModel):
    """One pack, with its rules in the order of its file."""

    name: str
    file: str
    """Where it stands; of those that the program ships, within the program."""
    rules: list[RuleShown]


class RuleWarning(BaseModel):
    """Something about a pack that is no fault."""

    file: str
    line: int
    field: str
    text: str


class RulesReport(BaseModel):
    """`dialer rules --json`: packs, and with `check` those of the files that were checked, all valid."""

    actor: str
    """For whom `binds` is told: `creditor` or `third_party`."""
    settings: str | None
    """The settings that were looked at; null: there are none, and the packs that the program ships are told."""
    packs: list[PackShown]
    warnings: list[RuleWarning]
    """With `check` alone."""


_COMMON = {
    "id", "kind", "force", "grade", "citation", "url", "checked_on", "quote", "note", "effective_from", "effective_to",
    "actor", "channels",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Whom:
    """For whom is told whether a rule binds."""

    actor: str = "creditor"
    unverified: frozenset[str] = frozenset()
    relaxed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, settings: Settings) -> "Whom":
        return cls(settings.lender.actor, frozenset(settings.unverified), frozenset(settings.relaxed))


def known_packs(settings: Settings | None) -> Mapping[str, Traversable]:
    """The files of all packs by name: those that the program ships, and those that the settings name."""
    return pack_files(settings) if settings else shipped_files()


def listed(files: Mapping[str, Traversable], names: Iterable[str], whom: Whom, today: date) -> list[PackShown]:
    """The packs of these names. Raises InvalidInput with the faults of all their files."""
    packs, found = [], []
    for name in names:
        pack, wrongs = read_pack(name, files[name])
        found += wrongs
        packs += [shown(pack, _told(files[name]), whom, today)] if pack else []
    if found:
        raise InvalidInput(found)
    return packs


def shown(pack: Pack, file: str, whom: Whom, today: date) -> PackShown:
    """A pack as it is told. `today`: the lender's."""
    return PackShown(name=pack.name, file=file, rules=[_rule(rule, whom, today) for rule in pack.rules])


def why_not(rule: AnyRule, whom: Whom, today: date) -> str:
    """Why a rule can not hold for any reminder today; empty: it can."""
    if whom.actor not in rule.actor:
        return f"only {' and '.join(rule.actor)}".replace("_", " ")
    if rule.purpose and "reminder" not in rule.purpose:
        return "only solicitation"
    if rule.grade == "M" and rule.id not in whom.unverified:
        return "off: unverified"
    if not binds_reminders(rule, whom.actor, whom.unverified, whom.relaxed):
        return "off: relaxed"
    if rule.effective_from and today < rule.effective_from:
        return f"from {rule.effective_from}"
    if rule.effective_to and rule.effective_to < today:
        return f"until {rule.effective_to}"
    return ""


def _rule(rule: AnyRule, whom: Whom, today: date) -> RuleShown:
    reason = why_not(rule, whom, today)
    common = rule.model_dump(mode="json", include=_COMMON)
    more = rule.model_dump(mode="json", by_alias=True, exclude=_COMMON, exclude_defaults=True)
    return RuleShown(says=says(rule, "en"), binds=not reason, why_not=reason, details=more, **common)


def _told(file: Traversable) -> str:
    shipped = {str(one) for one in shipped_files().values()}
    return f"config/rules/{file.name}" if str(file) in shipped else str(file)


# --- a user's pack -----------------------------------------------------------------------------------------------


def check_packs(files: Sequence[Path], whom: Whom, today: date) -> tuple[list[PackShown], list[RuleWarning]]:
    """The packs in these files, all valid, and what is worth a second look. Raises InvalidInput with all faults."""
    found: list[Fault] = []
    packs: list[tuple[Path, Pack]] = []
    for file in dict.fromkeys(files):
        pack, wrongs = read_pack(file.stem, file)
        found += wrongs
        packs += [(file, pack)] if pack else []
    if found:
        raise InvalidInput(sorted(set(found)))
    warnings = []
    for file, pack in packs:
        others = {**_shipped_ids(but=file), **{r.id: str(path) for path, p in packs if path != file for r in p.rules}}
        warnings += list(_warnings(file, pack, others, today))
    return [shown(pack, str(file), whom, today) for file, pack in packs], warnings


def _warnings(file: Path, pack: Pack, others: Mapping[str, str], today: date) -> Iterator[RuleWarning]:
    document = read_toml(file)

    def warning(path: tuple[str | int, ...], text: str) -> RuleWarning:
        fault = document.fault(path, text, "")
        return RuleWarning(file=fault.file, line=fault.line or 1, field=fault.field, text=text)

    if pack.name != file.stem:
        yield warning(("name",), f'nothing knows it by this name, but by its file\'s, "{file.stem}": leave it out')
    if file.stem in shipped_files() and not _is_shipped(file):
        yield warning((), f'"{file.stem}" is the name of a pack that the program ships; the settings want another')
    for number, rule in enumerate(pack.rules):
        place = ("rule", number)
        if rule.id in others:
            where = others[rule.id]
            yield warning((*place, "id"), f"{rule.id} is an id of {where} too; beside it the two must be the same rule")
        if rule.grade == "M":
            yield warning((*place, "grade"), f'from memory: off, unless the settings say unverified = ["{rule.id}"]')
        if rule.checked_on > today:
            yield warning((*place, "checked_on"), f"{rule.checked_on} lies ahead; write the day it was compared")
        elif today - rule.checked_on > STALE:
            years = f"last compared with its source on {rule.checked_on}, more than a year ago"
            yield warning((*place, "checked_on"), f"{years}; look again")


def _shipped_ids(but: Path) -> dict[str, str]:
    """Rule id → the shipped pack that has it."""
    names: Collection[str] = [name for name, file in shipped_files().items() if not _same(file, but)]
    packs = {name: read_pack(name, shipped_files()[name])[0] for name in names}
    return {rule.id: f"the pack {name}" for name, pack in packs.items() if pack for rule in pack.rules}


def _is_shipped(file: Path) -> bool:
    return any(_same(one, file) for one in shipped_files().values())


def _same(one: Traversable, other: Path) -> bool:
    return isinstance(one, Path) and os.path.realpath(one) == os.path.realpath(other)
