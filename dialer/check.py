"""Settings and campaign files from disk, checked in themselves and against each other: what every command does first.

All faults of all given files are raised at once, as InvalidInput. What is faulty in its shape (a type, a missing key)
is left out when the meaning is checked, so that what is right beside it is still looked at.
"""

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from importlib.resources import files as resource_files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from adapters import loader
from adapters.contract import Spec
from campaigns.file import Audience, Campaign, LineChoice, Message, Rounds, Script
from campaigns.model import Channel
from campaigns.problems import Problem, contents, problems
from campaigns.rules import Pack, Ruleset, merge
from config import faults
from config import settings as config_settings
from config.files import Document, Fault, FaultyFile, parse_toml, read_toml
from config.settings import LineSettings, Settings
from config.sources import Sources
from dialer.errors import InvalidInput

Load = Callable[[str], Spec]

FORTNIGHT = [date(2026, 6, 1) + timedelta(days=n) for n in range(14)]
"""Days on which a window has to be legal at least once: every weekday twice, in a year that holiday calendars know."""


@dataclass(slots=True)
class Findings:
    """What is wrong (faults), and what is worth knowing (notices)."""

    faults: list[Fault]
    notices: list[Fault]

    def raise_faults(self) -> None:
        """Raises InvalidInput when there are any."""
        if self.faults:
            raise InvalidInput(sorted(set(self.faults)))


def read_settings(path: Path, env: Mapping[str, str], load: Load = loader.load) -> Settings:
    """The settings, with the adapters' sections checked. Raises InvalidInput with all faults."""
    settings, found = _read_settings(path, env, load)
    Findings(found, []).raise_faults()
    assert settings is not None  # without faults there are settings
    return settings


def read_campaign(path: Path, settings: Settings) -> Campaign:
    """The campaign, checked against the settings. Raises InvalidInput with all faults."""
    campaign, findings = _read_campaign(path, settings)
    findings.raise_faults()
    assert campaign is not None  # without faults there is a campaign
    return campaign


def check_files(
    config: Path, env: Mapping[str, str], campaigns: Sequence[Path], load: Load = loader.load
) -> tuple[Settings, list[Fault]]:
    """Settings and campaigns together: the settings, and notices. Raises InvalidInput with all faults of all files."""
    settings, found = _read_settings(config, env, load)
    findings = Findings(found, [])
    for path in campaigns:
        _, one = _read_campaign(path, settings)
        findings.faults += one.faults
        findings.notices += one.notices
    findings.raise_faults()
    assert settings is not None  # without faults there are settings
    return settings, sorted(set(findings.notices))


def frozen_campaign(text: str) -> Campaign:
    """A campaign that was checked when it was launched, from its stored text."""
    return Campaign.model_validate(tomllib.loads(text))


def adapter_settings(spec: Spec, settings: Settings) -> BaseModel:
    """What `spec.build` takes: the adapter's section of the settings, read by the adapter's own model."""
    return spec.settings.model_validate(settings.adapters.get(spec.name, {}))


def load_rules(settings: Settings, campaign: Campaign, today: date | None = None) -> Ruleset:
    """The rules of the house's pack and of the campaign's packs, merged. Raises InvalidInput.

    Without `today` a rule holds whatever its dates."""
    packs, found = _packs(settings, [settings.house, *campaign.packs])
    Findings(found, []).raise_faults()
    return merge(packs, settings.lender.actor, today, frozenset(settings.unverified))


def _read_settings(path: Path, env: Mapping[str, str], load: Load) -> tuple[Settings | None, list[Fault]]:
    settings, sources, found = config_settings.read(path, env)
    if sources is None:
        return None, found
    data = sources.merged()
    specs: dict[str, Spec] = {}
    for place, name in _adapters_named(data):
        try:
            specs[name] = specs.get(name) or load(name)
        except (LookupError, ImportError) as error:
            wrong = f'no adapter is named "{name}"' if isinstance(error, LookupError) else str(error)
            found.append(sources.fault(place, wrong, _names(loader.known())))
    sections = {name: _table(_table(data.get("adapters")).get(name)) for name in specs}
    for name, spec in specs.items():
        own, wrongs = faults.check(spec.settings, sections[name])
        found += [sources.fault(("adapters", name, *wrong.path), wrong.wrong, wrong.accepted) for wrong in wrongs]
        sections[name] = _absolute(own, sections[name], path.absolute().parent) if own else sections[name]
    if settings is None:
        return None, found
    found += [*_line_faults(settings, specs, sources), *_pack_faults(settings, sources)]
    return settings.model_copy(update={"adapters": sections}), found


def _adapters_named(data: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Where adapters are named, also in settings that are faulty elsewhere."""
    used = set()
    for line, table in _table(data.get("lines")).items():
        if isinstance(name := _table(table).get("adapter"), str) and name:
            used.add(name)
            yield ("lines", line, "adapter"), name
    for name in _table(data.get("adapters")):
        if name not in used:
            yield ("adapters", name), name


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _absolute(own: BaseModel, section: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The section with the paths in it relative to the settings file's folder."""
    return section | {key: folder / value for key, value in own if key in section and isinstance(value, Path)}


def _line_faults(settings: Settings, specs: Mapping[str, Spec], sources: Sources) -> Iterator[Fault]:
    for name, line in settings.lines.items():
        spec = specs.get(line.adapter)
        for number, channel in enumerate(line.channels):
            if spec and channel not in spec.channels:
                wrong = f'the adapter "{spec.name}" has no {channel}'
                yield sources.fault(("lines", name, "channels", number), wrong, _names(sorted(spec.channels)))


def _pack_faults(settings: Settings, sources: Sources) -> Iterator[Fault]:
    files = _pack_files(settings)
    shipped = _shipped_packs()
    for number, rule in enumerate(settings.rules):
        if rule.stem in shipped or rule.stem in [other.stem for other in settings.rules[:number]]:
            wrong = f'"{rule.stem}" is the name of another pack'
            yield sources.fault(("rules", number), wrong, "accepted: a file of another name")
        elif not rule.is_file():
            yield sources.fault(("rules", number), "does not exist", "accepted: a rule pack, relative to this file")
    if settings.house not in files:
        yield sources.fault(("house",), f'no pack is named "{settings.house}"', _names(shipped))
    packs, found = _packs(settings, [settings.house, *(rule.stem for rule in settings.rules if rule.is_file())])
    yield from found
    packs += _packs(settings, [*files])[0] if settings.unverified else []
    known = {rule.id for pack in packs for rule in pack.rules if rule.grade == "M"}
    for number, rule_id in enumerate(settings.unverified):
        if rule_id not in known:
            wrong = f'no rule of grade M has the id "{rule_id}"'
            yield sources.fault(("unverified", number), wrong, _names(sorted(known)))


def _shipped_packs() -> dict[str, Traversable]:
    folder = resource_files("config") / "rules"
    return {
        file.name.removesuffix(".toml"): file
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".toml")
    }


def _pack_files(settings: Settings) -> dict[str, Traversable]:
    return {**_shipped_packs(), **{path.stem: path for path in settings.rules}}


def _packs(settings: Settings, names: Sequence[str]) -> tuple[list[Pack], list[Fault]]:
    """The packs of these names, each once; and the faults of their files. A name without a file is left out."""
    files = _pack_files(settings)
    packs: list[Pack] = []
    found: list[Fault] = []
    for name in dict.fromkeys(names):
        if name not in files:
            continue
        try:
            document = _read_pack(files[name])
        except FaultyFile as error:
            found.append(error.fault)
            continue
        # A file says [[rule]] for each of the pack's rules.
        data = {("rules" if key == "rule" else key): value for key, value in document.data.items()}
        pack, wrongs = faults.check(Pack, {"name": name, **data})
        for wrong in wrongs:
            path = ("rule", *wrong.path[1:]) if wrong.path[:1] == ("rules",) else wrong.path
            found.append(document.fault(path, wrong.wrong, wrong.accepted))
        packs += [pack] if pack else []
    return packs, found


def _read_pack(file: Traversable) -> Document:
    return read_toml(file) if isinstance(file, Path) else parse_toml(file.read_bytes(), file.name)


def _read_campaign(path: Path, settings: Settings | None) -> tuple[Campaign | None, Findings]:
    try:
        document = read_toml(path)
    except FaultyFile as error:
        return None, Findings([error.fault], [])
    whole, wrongs = faults.check(Campaign, document.data)
    findings = Findings([document.fault(wrong.path, wrong.wrong, wrong.accepted) for wrong in wrongs], [])
    campaign = whole or _sound_parts(document.data)
    # A faulty key makes its neighbours look wrong too: of that table nothing else is told.
    blurred = {wrong.path[:2] for wrong in wrongs}
    for problem in [*problems(campaign), *(_misfits(campaign, settings) if settings else ())]:
        if problem.loc[:2] not in blurred:
            told = findings.notices if problem.notice else findings.faults
            told.append(document.fault(problem.loc, problem.wrong, problem.accepted))
    return whole, findings


def _sound_parts(data: Mapping[str, Any]) -> Campaign:
    """What of a faulty campaign is right by itself: lines, packs, scripts, messages. No segment, so none is used."""
    packs = data.get("packs")
    named = isinstance(packs, list) and all(isinstance(pack, str) for pack in packs)
    scripts = {name: faults.check(Script, part)[0] for name, part in _table(data.get("script")).items()}
    messages = {name: faults.check(Message, part)[0] for name, part in _table(data.get("message")).items()}
    return Campaign.model_construct(
        format=1,
        name="",
        audience=Audience(due_days=(1,)),
        packs=tuple(packs or ()) if named else (),
        lines=faults.check(LineChoice, _table(data.get("lines")))[0] or LineChoice(),
        segment=(),
        script={name: script for name, script in scripts.items() if script},
        message={name: message for name, message in messages.items() if message},
    )


def _misfits(campaign: Campaign, settings: Settings) -> Iterator[Problem]:
    """What the campaign wants and the settings do not have."""
    for channel in Channel:
        for number, name in enumerate(getattr(campaign.lines, channel)):
            loc = ("lines", channel.value, number)
            fitting = [other for other, line in settings.lines.items() if channel in line.channels]
            if name not in settings.lines:
                near = faults.nearest(name, settings.lines)
                yield Problem(loc, f'no line of the settings is named "{name}"{near}', _names(fitting))
            elif name not in fitting:
                yield Problem(loc, f'the line "{name}" has no {channel}', _names(fitting))
    for script, one in campaign.script.items():
        for step, what in one.step.items():
            if what.transfer and what.transfer not in settings.transfers:
                wrong = f'no transfer of the settings is named "{what.transfer}"'
                yield Problem(("script", script, "step", step, "transfer"), wrong, _names(settings.transfers))
    files = _pack_files(settings)
    for number, pack in enumerate(campaign.packs):
        if pack not in files:
            wrong = f'no rule pack is named "{pack}"{faults.nearest(pack, files)}'
            yield Problem(("packs", number), wrong, _names(files))
    yield from _windows(campaign, settings)


def _windows(campaign: Campaign, settings: Settings) -> Iterator[Problem]:
    """Rounds whose window leaves no room for an attempt on any day: by the rules, or by the hours of the lines."""
    packs, found = _packs(settings, [settings.house, *campaign.packs])
    if found:  # told with the settings
        return
    try:
        rules = merge(packs, settings.lender.actor, None, frozenset(settings.unverified))
    except ValueError as error:
        wrong, _, accepted = str(error).partition("; ")
        yield Problem(("packs",), wrong, accepted)
        return
    for loc, rounds in contents(campaign):
        if isinstance(rounds, Rounds):
            lines = [settings.lines[name] for name in getattr(campaign.lines, rounds.channel) if name in settings.lines]
            for number, window in enumerate(rounds.between):
                room = _Room(rules, rounds.channel, ZoneInfo(settings.lender.time_zone), lines)
                yield from room.problems((*loc, "between", number), window)


@dataclass(frozen=True, slots=True)
class _Room:
    """How much of a round's window can be used, in the lender's zone."""

    rules: Ruleset
    channel: Channel
    zone: ZoneInfo
    lines: Sequence[LineSettings]

    def problems(self, loc: tuple[str | int, ...], window: tuple[time, time]) -> Iterator[Problem]:
        told = f"{window[0]:%H:%M} to {window[1]:%H:%M}"
        ring = max((line.ring_timeout for line in self.lines if self.channel == Channel.VOICE), default=timedelta())
        legal = self._longest(window)
        if legal <= ring:
            hours = max((self._hours(day) for day in FORTNIGHT), key=len)
            ringing = f", with {ring.total_seconds():g} s for ringing" if ring else ""
            yield Problem(loc, f"{told} lies outside the legal window", f"accepted: within {hours}{ringing}")
        elif legal < datetime.combine(FORTNIGHT[0], window[1]) - datetime.combine(FORTNIGHT[0], window[0]):
            wrong = f"{told} lies partly outside the legal window"
            yield Problem(loc, wrong, "accepted, and cut to the legal part", notice=True)
        if legal > ring and self.lines and all(line.hours for line in self.lines):
            parts = [(max(window[0], a), min(window[1], b)) for line in self.lines for a, b in line.hours]
            if not any(self._longest(part) > ring for part in parts):
                yield Problem(loc, f"{told} lies outside the hours of its lines", "accepted: a window in their hours")

    def _longest(self, window: tuple[time, time]) -> timedelta:
        """The longest legal part of the window on any day."""
        return max(
            min(ends, closes) - max(begins, opens)
            for day in FORTNIGHT
            for begins, ends in [(self._utc(day, window[0]), self._utc(day, window[1]))]
            for opens, closes in [(begins, begins), *self._legal(begins, ends)]
        )

    def _legal(self, first: datetime, last: datetime) -> list[tuple[datetime, datetime]]:
        return self.rules.windows(self.channel, (self.zone.key,), first, last)

    def _hours(self, day: date) -> str:
        """`09:00-20:00`, the legal hours of a day."""
        begins, ends = self._utc(day, time()), self._utc(day + timedelta(days=1), time())
        spans = [(max(begins, opens), min(ends, closes)) for opens, closes in self._legal(begins, ends)]
        return ", ".join(
            f"{opens.astimezone(self.zone):%H:%M}-{closes.astimezone(self.zone):%H:%M}" for opens, closes in spans
        )

    def _utc(self, day: date, at: time) -> datetime:
        return datetime.combine(day, at, self.zone).astimezone(UTC)


def _names(known: Sequence[str] | Mapping[str, object]) -> str:
    return f"accepted: {', '.join(known) or 'none is there yet'}"
