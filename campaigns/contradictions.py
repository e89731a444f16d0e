"""Where the rules of one pack contradict each other: hours that never meet, limits that can't be reached, doubles.

Pure arithmetic on wall clocks and counts: what a pack forbids for ever is a slip of its author, and is told with the
rule that brings it. Rules of other packs are not looked at: packs are meant to narrow each other.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations

from campaigns.limits import Limit
from campaigns.model import Channel
from campaigns.rulebase import WORDS, Actor, RuleBase
from campaigns.rules import AnyRule, Cap, Content, Cooloff, Party
from campaigns.window import WEEKDAYS, Window

Span = tuple[int, int]
"""Seconds since midnight, half-open."""
ACTORS: tuple[Actor, ...] = ("creditor", "third_party")
_BINDING = ("stage", "days_past_due", "mode", "line_type", "purpose", "waive_dates")
"""What narrows when a rule holds: two rules are compared only where these are the same."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """One of them, at a rule (counted from 0) and one of its fields."""

    rule: int
    field: str
    wrong: str
    accepted: str


def contradictions(rules: Sequence[AnyRule]) -> list[Contradiction]:
    """All of a pack, in the order of its rules; each rule is named once, with the first that is found."""
    found = [*_doubles(rules), *_closed(rules), *_unreachable(rules), *_nobody(rules), *_unsayable(rules)]
    first: dict[int, Contradiction] = {}
    for one in found:
        first.setdefault(one.rule, one)
    return [first[number] for number in sorted(first)]


def _doubles(rules: Sequence[AnyRule]) -> Iterator[Contradiction]:
    ids: set[str] = set()
    said: list[tuple[dict[str, object], str]] = []
    for number, rule in enumerate(rules):
        if rule.id in ids:
            yield Contradiction(number, "id", f"rule ids used twice: {rule.id}", "accepted: each id once")
        ids.add(rule.id)
        own = rule.model_dump(exclude={"id"})
        twin = next((other for what, other in said if what == own), None)
        if twin:
            yield Contradiction(number, "id", f"is {twin} once more, with another id", "accepted: each rule once")
        said.append((own, rule.id))


# --- hours -------------------------------------------------------------------------------------------------------


def _closed(rules: Sequence[AnyRule]) -> Iterator[Contradiction]:
    """Windows that leave no hour of any week between them, whoever asks, though each has its own."""
    for channel in Channel:
        for actor in ACTORS:
            windows = [
                (number, rule)
                for number, rule in enumerate(rules)
                if isinstance(rule, Window) and channel in rule.channels and actor in rule.actor and _always(rule)
            ]
            for day in sorted({rule.effective_from or date.min for _, rule in windows}):
                before: list[Window] = []
                for number, rule in [pair for pair in windows if pair[1].in_force(day)]:
                    before.append(rule)
                    if not any(_week(before)):
                        others = ", ".join(other.id for other in before[:-1])
                        what = f"leaves no hour of any week for a {WORDS[channel]} of a {actor.replace('_', ' ')}"
                        wrong = f"{what}{f' together with {others}' if others else ''}"
                        yield Contradiction(number, "open", wrong, "accepted: hours that the windows of a pack share")
                        break


def _always(rule: RuleBase) -> bool:
    """Whether it holds for every reminder: agreements apart, which not everybody gives."""
    narrowed = rule.stage or rule.days_past_due or rule.mode or rule.line_type
    return not narrowed and rule.on_breach != "warn" and (not rule.purpose or "reminder" in rule.purpose)


def _week(windows: Sequence[Window]) -> Iterator[list[Span]]:
    """What they have in common on each weekday, and on a public holiday that falls on it."""
    for weekday in WEEKDAYS:
        for is_holiday in (False, True):
            common: list[Span] = [(0, 24 * 3600)]
            for window in windows:
                common = _common(common, _hours(window, weekday, is_holiday))
            yield common


def _hours(window: Window, weekday: str, is_holiday: bool) -> list[Span]:
    off = is_holiday and window.has_holidays
    wanted = ("holidays",) if off else ("all",)
    days = [entry for entry in window.open if entry.days in wanted or (not off and weekday in entry.days)]
    spans = []
    for entry in days:
        opens, closes = (
            int(timedelta(hours=at.hour, minutes=at.minute, seconds=at.second).total_seconds())
            for at in (entry.from_, entry.until)
        )
        spans.append((opens + window.guard_s, closes))
    return spans


def _common(some: Iterable[Span], others: Sequence[Span]) -> list[Span]:
    spans = ((max(a[0], b[0]), min(a[1], b[1])) for a in some for b in others)
    return [(opens, closes) for opens, closes in spans if opens < closes]


# --- counts ------------------------------------------------------------------------------------------------------


def _unreachable(rules: Sequence[AnyRule]) -> Iterator[Contradiction]:
    """Caps that never refuse anything, because another rule of the pack always refuses before."""
    limits = [(number, rule) for number, rule in enumerate(rules) if isinstance(rule, Cap | Cooloff)]
    for number, rule in limits:
        if not isinstance(rule, Cap):
            continue
        for other_number, other in limits:
            if other_number != number and _is_narrower(other, rule) and _same_time(other, rule):
                wrong = f"is never reached: {other.id} already permits only {other.limit.max} in {other.period}"
                yield Contradiction(number, "max", wrong, "accepted: a lower max, or a shorter period of the other")
                break


def _is_narrower(other: Cap | Cooloff, rule: Cap) -> bool:
    """Whether whatever `rule` refuses, `other` refuses too, and more."""
    ours, theirs = rule.limit, other.limit
    if other.force == "house" or other.grade == "M" or other.on_breach == "warn" or theirs.armed_by:
        return False  # may be turned off, and then the other one is reached
    if isinstance(other, Cooloff) and other.required:
        return False
    if {*rule.channels} - {*other.channels} or {*rule.actor} - {*other.actor} or {*other.waive} - {*rule.waive}:
        return False
    if theirs.keys - ours.keys or ours.counted - theirs.counted or (theirs.pool and theirs.pool != ours.pool):
        return False
    return _is_tighter(theirs, ours) and all(getattr(rule, name) == getattr(other, name) for name in _BINDING)


def _is_tighter(theirs: Limit, ours: Limit) -> bool:
    same_kind = theirs.period.type == ours.period.type and theirs.period.day_one == ours.period.day_one
    if not same_kind or theirs.max > ours.max:
        return False
    theirs_long, ours_long = (_length(limit) for limit in (theirs, ours))
    return theirs_long >= ours_long and (theirs.max, -theirs_long) != (ours.max, -ours_long)


def _length(limit: Limit) -> float:
    """In units that compare within one type of period."""
    return timedelta(**{limit.period.unit: limit.period.length}).total_seconds()


def _same_time(other: RuleBase, rule: RuleBase) -> bool:
    """Whether `other` is in force whenever `rule` is."""
    begun = (other.effective_from or date.min) <= (rule.effective_from or date.min)
    return begun and (rule.effective_to or date.max) <= (other.effective_to or date.max)


# --- persons and words -------------------------------------------------------------------------------------------


def _nobody(rules: Sequence[AnyRule]) -> Iterator[Contradiction]:
    parties = [(number, rule) for number, rule in enumerate(rules) if isinstance(rule, Party) and _always(rule)]
    for (_, one), (number, other) in combinations(parties, 2):
        if _meet(one, other) and not {*one.roles} & {*other.roles}:
            wrong = f"leaves nobody to contact together with {one.id}"
            yield Contradiction(number, "roles", wrong, "accepted: roles that both rules have")


def _unsayable(rules: Sequence[AnyRule]) -> Iterator[Contradiction]:
    contents = [(number, rule) for number, rule in enumerate(rules) if isinstance(rule, Content)]
    for (_, one), (number, other) in combinations(contents, 2):
        same = all(getattr(one, name) == getattr(other, name) for name in _BINDING)
        if same and _meet(one, other) and {*one.parts} & {*other.parts}:
            for demanding, forbidding in ((one, other), (other, one)):
                if both := {*demanding.says_all, *demanding.begins} & {*forbidding.forbids}:
                    wrong = f"{demanding.id} demands {', '.join(sorted(both))} and {forbidding.id} forbids it"
                    yield Contradiction(
                        number, "forbids" if forbidding is other else "says_all", wrong, "accepted: one of the two"
                    )


def _meet(one: RuleBase, other: RuleBase) -> bool:
    """Whether both hold for some attempt on some day."""
    if not ({*one.channels} & {*other.channels} and {*one.actor} & {*other.actor}):
        return False
    last = min(one.effective_to or date.max, other.effective_to or date.max)
    return max(one.effective_from or date.min, other.effective_from or date.min) <= last
