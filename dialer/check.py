"""Settings and campaign files from disk, checked in themselves and against each other: what every command does first.

All faults of all given files are raised at once, as InvalidInput. What is faulty in its shape (a type, a missing key)
is left out when the meaning is checked, so that what is right beside it is still looked at.
"""

import socket
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from adapters import loader
from adapters.contract import Spec
from campaigns.file import Audience, Campaign, LineChoice, Message, Script
from campaigns.problems import problems
from campaigns.rulebook import Rulebook
from config import faults
from config import settings as config_settings
from config.files import Document, Fault, FaultyFile, read_toml
from config.settings import Settings
from config.sources import Sources
from dialer import confirmation, own_files
from dialer.errors import InvalidInput
from dialer.misfits import misfits
from dialer.packs import Packs, pack_faults

Load = Callable[[str], Spec]

RESOLVE_S = 2.0
"""Seconds that the name of a host has to be resolved."""


@dataclass(slots=True)
class Findings:
    """What is wrong (faults), and what is worth knowing (warnings)."""

    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)

    def raise_faults(self) -> None:
        """Raises InvalidInput when there are any."""
        if self.faults:
            raise InvalidInput(sorted(set(self.faults)))


@dataclass(frozen=True, slots=True)
class CheckedCampaign:
    """A campaign that is valid, and where its keys stand."""

    document: Document
    campaign: Campaign


@dataclass(frozen=True, slots=True)
class Checked:
    """Settings and campaigns that are valid, where their keys stand, and what is worth knowing all the same."""

    settings: Settings
    sources: Sources
    campaigns: list[CheckedCampaign]
    warnings: list[Fault]


def read_settings(path: Path, env: Mapping[str, str], load: Load = loader.load, secrets: bool = False) -> Settings:
    """The settings, with the adapters' sections checked. Raises InvalidInput with all faults.

    `secrets`: an adapter's secret must be there. Only who opens adapters needs it: `dialer halt` must not.
    """
    settings, _, found = _read_settings(path, env, load, secrets)
    Findings(found).raise_faults()
    assert settings is not None  # without faults there are settings
    return settings


def read_campaign(path: Path, settings: Settings) -> Campaign:
    """The campaign, checked against the settings. Raises InvalidInput with all faults."""
    document, findings = _document(path)
    campaign = _check_campaign(document, settings, findings) if document else None
    findings.raise_faults()
    assert campaign is not None  # without faults there is a campaign
    return campaign


def check_files(config: Path, env: Mapping[str, str], campaigns: Sequence[Path], load: Load = loader.load) -> Checked:
    """Settings and campaigns together, and the host that the daemon listens at. Raises InvalidInput with all faults."""
    settings, sources, found = _read_settings(config, env, load, secrets=True)
    every = Findings(found)
    if settings and sources and (wrong := unbindable(settings.web.host)):
        accepted = 'accepted: an address of this machine, such as "127.0.0.1", or "0.0.0.0" for all of them'
        every.faults.append(sources.fault(("web", "host"), wrong, accepted))
    if settings and sources and not every.faults:
        every.warnings += _unreachable(settings, sources, load)
    names: dict[str, str] = {}
    checked = []
    for path in dict.fromkeys(campaigns):
        document, one = _document(path)
        if document:
            campaign = _check_campaign(document, settings, one)
            checked += [CheckedCampaign(document, campaign)] if campaign else []
            name = str(document.data.get("name"))
            if "name" in document.data and names.setdefault(name, document.file) != document.file:
                wrong = f"is the name of {names[name]} as well"
                one.faults.append(document.fault(("name",), wrong, "accepted: a name of its own for each campaign"))
        every.faults += one.faults
        every.warnings += one.warnings
    every.raise_faults()
    assert settings is not None  # without faults there are settings
    assert sources is not None  # and where they stand
    return Checked(settings, sources, checked, sorted(set(every.warnings)))


def frozen_campaign(text: str) -> Campaign:
    """A campaign that was checked when it was launched, from its stored text."""
    return Campaign.model_validate(tomllib.loads(text))


def adapter_settings(spec: Spec, settings: Settings) -> BaseModel:
    """What `spec.build` takes: the adapter's section of the settings, read by the adapter's own model."""
    return spec.settings.model_validate(settings.adapters.get(spec.name, {}))


def load_book(settings: Settings, campaign: Campaign | None) -> Rulebook:
    """The packs that bind the campaign: the house's, its own, and those of where people are. Raises InvalidInput."""
    packs = Packs(settings)
    always = [settings.house, *(campaign.packs if campaign else ())]
    return Rulebook(packs, always, settings.lender.actor, settings.unverified, settings.relaxed)


def unbindable(host: str) -> str:
    """Why nothing could listen at this host: it is no address of this machine, or a name that leads to none.

    Empty where something could. Nothing is sent but what resolving a name takes, and that is not waited for long."""
    found: SimpleQueue[list[Any]] = SimpleQueue()

    def resolve() -> None:
        try:
            found.put(socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError):
            found.put([])

    Thread(target=resolve, daemon=True).start()
    try:
        addresses = found.get(timeout=RESOLVE_S)
    except Empty:
        return f"could not be resolved in {RESOLVE_S:g} s"
    if not addresses:
        return "is no address, and no name that can be resolved"
    return "" if any(map(_can_bind, addresses)) else "is no address of this machine"


def _can_bind(found: Any) -> bool:
    family, kind, protocol, _, address = found
    try:
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(address)
    except OSError:
        return False
    return True


# --- settings ----------------------------------------------------------------------------------------------------


def _read_settings(
    path: Path, env: Mapping[str, str], load: Load, secrets: bool
) -> tuple[Settings | None, Sources | None, list[Fault]]:
    settings, sources, found = config_settings.read(path, env)
    if sources is None:
        return None, None, found
    if _is_campaign(sources.document.data):
        wrong = "is a campaign, not settings"
        return None, None, [sources.document.fault((), wrong, "name the settings with --config, the campaign without")]
    data = sources.merged()
    specs: dict[str, Spec] = {}
    for place, name in _adapters_named(data):
        try:
            specs[name] = specs.get(name) or load(name)
        except (LookupError, ImportError) as error:
            known = loader.known()
            misspelt = isinstance(error, LookupError) and name not in known
            wrong = f'no adapter is named "{name}"{faults.nearest(name, known)}' if misspelt else str(error)
            found.append(sources.fault(place, wrong, f"accepted: {', '.join(known)}"))
    sections = {name: _table(_table(data.get("adapters")).get(name)) for name in specs}
    for name, spec in specs.items():
        own, wrongs = faults.check(spec.settings, sections[name])
        found += _secrets_in_the_file(name, spec, sources)
        found += _section_faults(name, spec, sources, wrongs, secrets)
        sections[name] = _sealed(own, sections[name], path.absolute().parent) if own else sections[name]
    if settings is None:
        return None, sources, found
    found += [*_line_faults(settings, specs, sources), *pack_faults(settings, sources)]
    found += [*confirmation.text_faults(settings, sources), *own_files.faults(settings, sections, sources)]
    return settings.model_copy(update={"adapters": sections}), sources, found


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


def _sealed(own: BaseModel, section: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The section, its paths relative to the settings file's folder, and its secrets such that nobody prints them."""
    given = [(key, value) for key, value in own if key in section]
    paths = {key: folder / value for key, value in given if isinstance(value, Path)}
    return section | paths | {key: value for key, value in given if isinstance(value, SecretStr)}


def _secrets_of(name: str, spec: Spec) -> dict[str, str]:
    """An adapter's secrets → where they may come from: never from the settings file."""
    variable = f"accepted: DIALER_ADAPTERS__{name.upper()}__"
    fields = spec.settings.model_fields.items()
    return {key: f"{variable}{key.upper()}, or a secrets file" for key, info in fields if "SecretStr" in repr(info)}


def _secrets_in_the_file(name: str, spec: Spec, sources: Sources) -> Iterator[Fault]:
    section = _table(_table(sources.document.data.get("adapters")).get(name))
    for key, accepted in _secrets_of(name, spec).items():
        if key in section:
            yield sources.document.fault(("adapters", name, key), "is a secret", accepted)


def _section_faults(
    name: str, spec: Spec, sources: Sources, wrongs: Sequence[faults.Wrong], secrets: bool
) -> Iterator[Fault]:
    """What is wrong with an adapter's section. `secrets`: also that a secret is missing."""
    places = _secrets_of(name, spec)
    for wrong in wrongs:
        missing = len(wrong.path) == 1 and wrong.path[0] in places and wrong.wrong == faults.MISSING
        if missing and not secrets:
            continue
        accepted = places[str(wrong.path[0])] if missing else wrong.accepted
        yield sources.fault(("adapters", name, *wrong.path), wrong.wrong, accepted)


def _line_faults(settings: Settings, specs: Mapping[str, Spec], sources: Sources) -> Iterator[Fault]:
    for name, line in settings.lines.items():
        spec = specs.get(line.adapter)
        for number, channel in enumerate(line.channels):
            if spec and channel not in spec.channels:
                wrong = f'the adapter "{spec.name}" has no {channel}'
                place = ("lines", name, "channels", number)
                yield sources.fault(place, wrong, f"accepted: {', '.join(sorted(spec.channels))}")


def _unreachable(settings: Settings, sources: Sources, load: Load) -> Iterator[Fault]:
    """A provider that calls back, and an address that leads it to its own machine."""
    host = urlsplit(settings.web.public_url).hostname or ""
    called = sorted({name for line in settings.lines.values() if load(name := line.adapter).calls_back})
    own = "base_url" in {key for name in called for key in settings.adapters.get(name, {})}
    if called and not own and host in ("localhost", "127.0.0.1", "::1"):
        wrong = f"leads {', '.join(called)} to its own machine: no call gets its dialogue, nothing is heard of its end"
        yield sources.fault(("web", "public_url"), wrong, "the address under which the internet reaches this daemon")


# --- campaigns ---------------------------------------------------------------------------------------------------


def _document(path: Path) -> tuple[Document | None, Findings]:
    """The file, read as one that may be a campaign."""
    try:
        document = read_toml(path)
    except FaultyFile as error:
        return None, Findings([error.fault])
    if _is_settings(document.data):
        wrong = "holds settings, not a campaign"
        return None, Findings([document.fault((), wrong, "name settings with --config, campaigns without")])
    return document, Findings()


def _is_settings(data: Mapping[str, Any]) -> bool:
    return "segment" not in data and ("lender" in data or "database" in data)


def _is_campaign(data: Mapping[str, Any]) -> bool:
    return "segment" in data and not ("lender" in data or "database" in data)


def _check_campaign(document: Document, settings: Settings | None, findings: Findings) -> Campaign | None:
    """The campaign, where its shape is right; adds to `findings`."""
    whole, wrongs = faults.check(Campaign, document.data)
    findings.faults += [document.fault(wrong.path, wrong.wrong, wrong.accepted) for wrong in wrongs]
    campaign = whole or _sound_parts(document.data)
    # A faulty key makes its neighbours look wrong too: of that table nothing else is told.
    blurred = {wrong.path[:2] for wrong in wrongs}
    for problem in [*problems(campaign), *(misfits(campaign, settings) if settings else ())]:
        if problem.loc[:2] not in blurred:
            told = findings.warnings if problem.warning else findings.faults
            near = faults.nearest(problem.said, problem.known) if problem.said else ""
            told.append(document.fault(problem.loc, f"{problem.wrong}{near}", problem.accepted))
    return whole


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
