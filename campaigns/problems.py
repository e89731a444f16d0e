"""What a campaign file means, checked in itself: names that lead nowhere, loops, windows, templates, essentials.

`problems` looks at a campaign whose shapes are right. What also needs the settings (lines, transfers, packs, the legal
windows) is checked by `dialer.check`. Source of the rules: interface.md, "The campaign file".
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import time

from campaigns.file import Campaign, Content, Message, Rounds, Script, Segment, Step
from campaigns.message import (
    ESSENTIALS,
    NAMES,
    OF_THE_DEBT,
    is_neutral,
    known_language,
    template_faults,
    template_names,
)
from campaigns.model import Channel, Outcome
from campaigns.script import VERIFY_KEY, openings, unverified

Path = tuple[str | int, ...]

OF_ONE_ACCOUNT = frozenset({"amount", "pay_to"})
"""Names that mean another thing when one call is about several accounts."""

NOT_OF_THE_DEBT = "accepted: {name} {lender} {lender_phone}"


@dataclass(frozen=True, slots=True)
class Problem:
    """`loc`: keys and positions (from 0) in the file. A `warning` is worth knowing and no fault."""

    loc: Path
    wrong: str
    accepted: str
    warning: bool = False
    said: str = ""
    """The name that leads nowhere."""
    known: tuple[str, ...] = ()
    """The names that are there; the one most like `said` is perhaps meant."""


def problems(campaign: Campaign) -> list[Problem]:
    """All of them, warnings included. Empty: the campaign can run, as far as the file alone tells."""
    found = [*_stop(campaign), *_segments(campaign.segment), *_contents(campaign)]
    for name, script in campaign.script.items():
        found += _script(("script", name), script)
    for name, message in campaign.message.items():
        found += _message(("message", name), message)
    return found


def contents(campaign: Campaign) -> Iterator[tuple[Path, Content]]:
    """Every place that says or sends something: the rounds, and what follows them otherwise."""
    for s, segment in enumerate(campaign.segment):
        for r, rounds in enumerate(segment.rounds):
            loc: Path = ("segment", s, "rounds", r)
            yield loc, rounds
            if rounds.otherwise:
                yield (*loc, "otherwise"), rounds.otherwise


def _stop(campaign: Campaign) -> Iterator[Problem]:
    for outcome, pause in campaign.stop.pause.items():
        if pause == "promise" and outcome != Outcome.PROMISED:
            loc = ("stop", "pause", outcome.value)
            yield Problem(loc, f'"{outcome}" comes without a promised day', 'accepted: a duration such as "24h"')


def _segments(segments: Sequence[Segment]) -> Iterator[Problem]:
    for number, segment in enumerate(segments):
        loc: Path = ("segment", number)
        earlier = segments[:number]
        if segment.name in [other.name for other in earlier]:
            yield Problem((*loc, "name"), f'"{segment.name}" is the name of two segments', "accepted: each name once")
        if by := _shadowing(segment, earlier):
            wrong = f"never matches: what it wants is taken by {', '.join(by)} before it"
            yield Problem((*loc, "late"), wrong, "accepted: a range of late counts that is still left")
        yield from _overlaps(loc, segment.rounds)


def _shadowing(segment: Segment, earlier: Sequence[Segment]) -> list[str]:
    """The names of earlier segments that together take all accounts of this one; empty when some are left."""
    if everything := [other.name for other in earlier if other.late is None]:
        return everything[:1]
    late = segment.late
    low, high = (late.min, late.max) if late else (0, None)
    for months in {late.months} if late else {other.late.months for other in earlier if other.late}:
        ranges = [
            (other.late.min, other.late.max, other.name)
            for other in earlier
            if other.late and other.late.months == months
        ]
        if by := _covering(low, high, ranges):
            return by
    return []


def _covering(low: int, high: int | None, ranges: Iterable[tuple[int, int | None, str]]) -> list[str]:
    """The names of the ranges that leave nothing of low … high (None: without end); empty when something is left."""
    names = []
    for first, last, name in sorted(ranges, key=lambda one: one[0]):
        if first > low or (last is not None and last < low):
            continue
        names.append(name)
        if last is None or (high is not None and last >= high):
            return names
        low = last + 1
    return []


def _overlaps(loc: Path, tables: Sequence[Rounds]) -> Iterator[Problem]:
    """Two windows of one segment and day that overlap."""
    days: dict[int, list[tuple[time, time, Path]]] = {}
    for r, rounds in enumerate(tables):
        for day in rounds.days:
            for b, (begins, ends) in enumerate(rounds.between):
                days.setdefault(day, []).append((begins, ends, (*loc, "rounds", r, "between", b)))
    told = set()
    for day, windows in days.items():
        windows.sort(key=lambda one: (one[0], one[1]))
        latest = time.min
        for begins, ends, place in windows:
            if begins < latest and place not in told:
                told.add(place)
                wrong = f"{begins:%H:%M} to {ends:%H:%M} overlaps another window of day {day}"
                yield Problem(place, wrong, "accepted: windows of one day that do not overlap")
            latest = max(latest, ends)


def _contents(campaign: Campaign) -> Iterator[Problem]:
    """Scripts and messages that rounds name: they are there, a line carries them, they can be combined."""
    used: dict[Channel, set[str]] = {Channel.VOICE: set(), Channel.SMS: set()}
    for loc, content in contents(campaign):
        key, known = _table(campaign, content.channel)
        used[content.channel].add(content.content)
        if content.content not in known:
            yield unknown((*loc, key), content.content, f"is no {key} of this file", known)
    for channel, names in used.items():
        key, known = _table(campaign, channel)
        if names and not getattr(campaign.lines, channel):
            accepted = f'accepted: {channel} = ["LINE"], a line of the settings'
            yield Problem(("lines",), f"names no line for {channel}, though rounds use it", accepted)
        for name in known:
            if name not in names:
                yield Problem((key, name), "is used by no round", "use it in a round, or delete it", warning=True)
            elif campaign.audience.combine:
                yield from _combined(campaign, key, name)


def _table(campaign: Campaign, channel: Channel) -> tuple[str, Mapping[str, Script | Message]]:
    return ("script", campaign.script) if channel == Channel.VOICE else ("message", campaign.message)


def _combined(campaign: Campaign, key: str, name: str) -> Iterator[Problem]:
    """With `combine`, what names one account's amount or account needs another text for several."""
    remedy = "or audience.combine = false"
    if key == "message":
        if campaign.message[name].text_many is None and not campaign.message[name].neutral:
            yield Problem((key, name), "has no text_many, and accounts are combined", f"accepted: text_many, {remedy}")
        return
    script = campaign.script[name]
    wanting = [step for step, one in script.step.items() if OF_ONE_ACCOUNT & _used(one.say) and not one.say_many]
    if not wanting and script.first in script.step and not any(one.say_many for one in script.step.values()):
        wanting = [script.first]
    for step in wanting:
        loc = (key, name, "step", step)
        yield Problem(loc, "has no say_many, and accounts are combined", f"accepted: say_many, {remedy}")


def _message(loc: Path, message: Message) -> Iterator[Problem]:
    if message.neutral and message.essentials and "essentials" in message.model_fields_set:
        yield Problem((*loc, "essentials"), "contradicts neutral = true", "accepted: one of them")
    wanted = ESSENTIALS if message.essentials and not message.neutral else ()
    texts = {"text": message.text, "text_many": message.text_many}
    for key, text in texts.items():
        if text:
            yield from _template((*loc, key), text, wanted if key == "text" else wanted[:2])
            if message.neutral and not is_neutral(text):
                yield Problem((*loc, key), f"names {_of_the_debt(text)} though it is neutral", NOT_OF_THE_DEBT)


def _of_the_debt(*texts: str | None) -> str:
    names = {name for text in texts if text for name in _used(text)}
    return " ".join(f"{{{name}}}" for name in NAMES if name in names & OF_THE_DEBT)


def _template(loc: Path, text: str, wanted: Sequence[str]) -> Iterator[Problem]:
    faults = template_faults(text)
    for fault in faults:
        wrong, _, accepted = fault.partition("; ")
        name = re.search(r"unknown name \{(\w+)", wrong)
        yield Problem(loc, wrong, accepted, said=name[1] if name else "", known=NAMES)
    if not faults and (lacking := [f"{{{name}}}" for name in wanted if name not in _used(text)]):
        remedy = "essentials = false where that is meant"
        yield Problem(loc, f"lacks {' '.join(lacking)}", f"accepted: the essentials in the text, or {remedy}")


def _used(text: str) -> set[str]:
    return {name for name, _ in template_names(text)}


def _script(loc: Path, script: Script) -> Iterator[Problem]:
    if not known_language(script.language):
        yield Problem((*loc, "language"), "is no language", 'accepted: a language tag such as "zh-CN" or "en"')
    if script.first not in script.step:
        yield unknown((*loc, "first"), script.first, "is no step of this script", script.step)
    if script.voicemail:
        yield from _template((*loc, "voicemail"), script.voicemail, ())
        if not template_faults(script.voicemail) and not is_neutral(script.voicemail):
            wrong = f"names {_of_the_debt(script.voicemail)} to whoever plays it"
            yield Problem((*loc, "voicemail"), wrong, NOT_OF_THE_DEBT)
    essential = openings(script) if script.essentials else ()
    for name, step in script.step.items():
        yield from _step((*loc, "step", name), step, ESSENTIALS if name in essential else ())
        for path, target, _ in _edges(step):
            if target not in script.step:
                yield unknown((*loc, "step", name, *path), target, "is no step of this script", script.step)
    yield from _ways(loc, script)
    for name in sorted(unverified(script) & {*script.step}):
        step = script.step[name]
        if not is_neutral(step.say, step.say_many):
            wrong = f"names {_of_the_debt(step.say, step.say_many)} before the person has said who they are"
            yield Problem((*loc, "step", name), wrong, "accepted: this after the step that verify leads to")


def _step(loc: Path, step: Step, essentials: Sequence[str]) -> Iterator[Problem]:
    asks = bool(step.keys or step.verify)
    if step.say or essentials:
        yield from _template((*loc, "say"), step.say, essentials)
    if step.say_many:
        yield from _template((*loc, "say_many"), step.say_many, essentials[:2])
    yield from _digits(loc, step)
    if step.verify and not step.digits and VERIFY_KEY in step.keys and step.verify not in step.keys.values():
        wrong = f"leads elsewhere, though with verify key {VERIFY_KEY} says who the person is"
        yield Problem((*loc, "keys", VERIFY_KEY), wrong, f'accepted: another key, or "{step.verify}"')
    if step.transfer and asks:
        yield Problem(loc, "transfers and waits for keys at once", "accepted: transfer, or keys")
    if asks and not step.say:
        yield Problem(loc, "waits for a key and says nothing", "accepted: say, with the keys in it")
    if not (asks or step.say or step.transfer or step.outcome):
        yield Problem(loc, "says nothing and does nothing", "accepted: say, keys, transfer or outcome")
    for key in ("silent", "wrong"):
        if getattr(step, key) and not asks:
            yield Problem((*loc, key), "waits for no key in this step", f"accepted: keys, or no {key}")
    if step.promise and step.outcome != Outcome.PROMISED:
        yield Problem((*loc, "promise"), "stands without its outcome", 'accepted: outcome = "promised" beside it')
    if step.outcome == Outcome.PROMISED and not step.promise:
        wrong, remedy = "names no day, so a pause for the promise never begins", 'add promise = "+1d" or "due"'
        yield Problem((*loc, "outcome"), wrong, remedy, warning=True)


def _digits(loc: Path, step: Step) -> Iterator[Problem]:
    """A step that asks for digits: it leads somewhere, takes no keys beside, and has an end for whom it stops."""
    if step.digits is None:
        return
    if step.verify is None:
        yield Problem((*loc, "digits"), "lead nowhere", "accepted: verify = the step that they open")
    if step.keys:
        yield Problem((*loc, "keys"), "stand beside digits", "accepted: keys in the step before")
    if step.wrong is None or step.wrong.then is None:
        wrong = "has no end for those who cannot be verified"
        yield Problem(loc, wrong, "accepted: wrong = { then = a step that, say, asks them to call {lender_phone} }")


def _edges(step: Step) -> list[tuple[Path, str, bool]]:
    """Where a step leads: the place of the name, the next step, and whether the person chooses it."""
    edges: list[tuple[Path, str, bool]] = [(("keys", key), target, True) for key, target in step.keys.items()]
    if step.verify:
        edges.append((("verify",), step.verify, True))
    for key, rule in (("silent", step.silent), ("wrong", step.wrong)):
        if rule and rule.then:
            edges.append(((key, "then"), rule.then, False))
    return edges


def _ways(loc: Path, script: Script) -> Iterator[Problem]:
    """Loops and steps that nobody reaches.

    A loop is a circle that a person does not leave: one of silences and wrong keys alone, or one whose steps lead,
    whatever is pressed, to no step that hangs up, transfers or has an outcome. Going back to a menu by a key is none.
    """
    every = {name: {target for _, target, _ in _edges(step)} for name, step in script.step.items()}
    unchosen = {name: {to for _, to, chosen in _edges(step) if not chosen} for name, step in script.step.items()}
    told: set[str] = set()
    for name, step in script.step.items():
        for path, target, chosen in _edges(step):
            if not chosen and name not in told and name in (after := _reachable(unchosen, target)):
                told |= {other for other in after if name in _reachable(unchosen, other)}
                wrong = f'loops: silence or wrong keys lead from "{target}" back to "{name}" for ever'
                yield Problem((*loc, "step", name, *path), wrong, "accepted: a step that ends, or none (hang up)")
    ends = {name for name, step in script.step.items() if step.outcome or not every[name]}
    for name in script.step:
        onward = _reachable(every, name)
        if name not in told and not onward & ends and onward <= {*script.step}:
            told |= onward
            wrong = "loops: no key leads to a step that ends the call"
            yield Problem((*loc, "step", name), wrong, "accepted: a way to a step with an outcome or without keys")
    for name in sorted({*script.step} - _reachable(every, script.first), key=[*script.step].index):
        yield Problem((*loc, "step", name), "is reached from no step", "lead a key to it, or delete it", warning=True)


def _reachable(ways: Mapping[str, set[str]], start: str) -> set[str]:
    """`start` and every step that can follow it."""
    seen: set[str] = set()
    ahead = [start]
    while ahead:
        name = ahead.pop()
        if name not in seen:
            seen.add(name)
            ahead += ways.get(name, ())
    return seen


def unknown(loc: Path, said: str, wrong: str, known: Iterable[str]) -> Problem:
    """A name that leads nowhere, with those that are there: `"remind" is no script of this file`."""
    names = tuple(known)
    accepted = f"accepted: {', '.join(names) or 'none is there yet'}"
    return Problem(loc, f'"{said}" {wrong}', accepted, said=said, known=names)
