"""The rule packs' windows and counts, as far as they can be read plainly; what is more exotic is named, not guessed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from dialer.referee.days import WEEKDAYS, local
from dialer.referee.scene import Scene

TERRITORIES = {"PR": "US", "GU": "US", "VI": "US", "AS": "US", "MP": "US"}
CONDITIONS = ("stage", "days_past_due", "line_type")
CALENDARS = ("calendar_day", "consecutive_dates")


@dataclass(frozen=True, slots=True)
class Rule:
    """What all rules say."""

    id: str
    channels: frozenset[str]
    first: date | None
    last: date | None
    waived_by: frozenset[str]

    def in_force(self, day: date) -> bool:
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


@dataclass(frozen=True, slots=True)
class Hours:
    """A window: hours by weekday."""

    rule: Rule
    only_stated: bool
    openings: tuple[tuple[frozenset[str], time, time], ...]
    guard: timedelta

    def is_open(self, at: datetime, zone: str) -> bool:
        here = local(at, zone)
        if not self.rule.in_force(here.date()):
            return True
        day, wall = WEEKDAYS[here.weekday()], here.time()
        late = (here - self.guard).time() if self.guard and (here - self.guard).date() == here.date() else wall
        return any(day in days and begins <= late and wall < ends for days, begins, ends in self.openings)


@dataclass(frozen=True, slots=True)
class Count:
    """A cap, or a cool-off (`max` 1, and what is placed need not count itself)."""

    rule: Rule
    max: int
    events: frozenset[str]
    over: frozenset[str]
    """The channels whose contacts count."""
    period: str
    length: timedelta
    """Of elapsed time; of local dates, in days."""
    next_day: bool
    keys: frozenset[str]
    is_pause: bool


@dataclass(slots=True)
class Law:
    """The readable rules of each pack, and the names of the others."""

    windows: dict[str, list[Hours]]
    counts: dict[str, list[Count]]
    exotic: dict[str, list[str]]


def read_law(scene: Scene) -> Law:
    law = Law({}, {}, {})
    for name, rules in scene.evidence.packs.items():
        law.windows[name], law.counts[name], law.exotic[name] = [], [], []
        for data in rules:
            if data.get("kind") in ("window", "cap", "cooloff") and _binds(data, scene.evidence.settings):
                _read_rule(data, law, name, {"agreements", "contacts"} & scene.ledger.kinds)
            elif data.get("kind") == "exclusive_channel" and _binds(data, scene.evidence.settings):
                law.exotic[name].append(f"{data.get('id')}: rules of kind exclusive_channel are not read")
    return law


def packs_of(scene: Scene, always: Iterable[str], regions: Iterable[str], country: str, line: str) -> list[str]:
    """Names of the packs that apply, the house's first."""
    settings = scene.evidence.settings
    names = [settings.get("house", "house"), *always]
    for place in (*regions, country):
        parts = place.split("-") if place else []
        if parts:
            names.append(TERRITORIES.get(parts[0], parts[0]).lower())
        names += ["-".join(parts[:count]).lower() for count in range(1, len(parts) + 1)]
    names += settings.get("lines", {}).get(line, {}).get("packs", ())
    return [name for name in dict.fromkeys(names) if name in scene.evidence.packs]


def _binds(data: dict[str, Any], settings: dict[str, Any]) -> bool:
    """Whether the rule can bind a reminder of this lender, with what the settings turn on and off."""
    actor = settings.get("lender", {}).get("actor", "creditor")
    purpose = data.get("purpose", ())
    is_on = data.get("grade") != "M" or data.get("id") in settings.get("unverified", ())
    is_off = data.get("force") == "house" and data.get("id") in settings.get("relaxed", ())
    warns = data.get("on_breach") == "warn"
    return (
        actor in data.get("actor", (actor,))
        and (not purpose or "reminder" in purpose)
        and is_on
        and not (is_off or warns)
    )


def _read_rule(data: dict[str, Any], law: Law, pack: str, imported: set[str]) -> None:
    try:
        rule = Rule(
            data["id"], frozenset(data["channels"]), data.get("effective_from"), data.get("effective_to"),
            frozenset(data.get("waive", ())),
        )  # fmt: skip
        if why := _why_exotic(data, imported):
            law.exotic[pack].append(f"{rule.id}: {why}")
        elif data["kind"] == "window":
            law.windows[pack].append(_hours(rule, data))
        else:
            law.counts[pack].append(_count(rule, data))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        law.exotic[pack].append(f"{data.get('id')}: can't be read ({error})")


def _why_exotic(data: dict[str, Any], imported: set[str]) -> str:
    """Why a rule is not checked; empty: it is."""
    if conditions := [name for name in CONDITIONS if data.get(name)]:
        return f"holds by {', '.join(conditions)}"
    if "agreements" in imported and {*data.get("waive", ())} - {"reply", "express_consent"}:
        return "agreements that waive it are not read"
    if data["kind"] == "window":
        special = any(isinstance(one["days"], str) and one["days"] != "all" for one in data["open"])
        return "has holidays" if special or data.get("holidays") or data.get("holiday_dates") else ""
    return _why_no_count(data)


def _why_no_count(data: dict[str, Any]) -> str:
    """The same of a cap or cool-off."""
    period, events = data["period"], data["count"] if data["kind"] == "cap" else [data["after"]["event"]]
    if data.get("armed_by") or data.get("required"):
        return "holds only after another event"
    if not {*events} <= {"placed", "connected", "conversation"}:
        return f"counts {', '.join(sorted({*events} - {'placed', 'connected', 'conversation'}))}"
    if period["type"] not in ("rolling_elapsed", *CALENDARS) or (
        period["type"] == "calendar_day" and period.get("length", 1) != 1
    ):
        return f"its period is {period['type']}"
    if not {*data.get("key", ("person",))} & {"person", "number", "debt", "account"}:
        return "counts by no person, number or debt"
    return ""


def _hours(rule: Rule, data: dict[str, Any]) -> Hours:
    openings = tuple(
        (frozenset(WEEKDAYS if one["days"] == "all" else one["days"]), _wall(one["from"]), _wall(one["until"]))
        for one in data["open"]
    )
    return Hours(rule, data.get("zones") == "stated", openings, timedelta(seconds=data.get("guard_s", 0)))


def _count(rule: Rule, data: dict[str, Any]) -> Count:
    is_pause, period = data["kind"] == "cooloff", data["period"]
    events = [data["after"]["event"]] if is_pause else data["count"]
    over = data["after"].get("channels") if is_pause else data.get("count_channels")
    unit = period.get("unit", "days") if period["type"] == "rolling_elapsed" else "days"
    return Count(
        rule, 1 if is_pause else data["max"], frozenset(events), frozenset(over or data["channels"]), period["type"],
        timedelta(**{unit: period.get("length", 1)}), period.get("day_one") == "next",
        frozenset(data.get("key", ("person",))), is_pause,
    )  # fmt: skip


def _wall(value: Any) -> time:
    return value if isinstance(value, time) else time.fromisoformat(value)
