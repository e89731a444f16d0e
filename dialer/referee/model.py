"""What the referee looks at, and what it says. Instants are aware and UTC."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

INVARIANTS = (
    "placed_twice", "one_live_call", "outside_window", "cap_exceeded", "after_stop", "after_payment", "while_stopped",
    "while_promised", "rounds", "ends", "not_placed", "acknowledged", "counts",
)  # fmt: skip

SLACK_S = 60.0
"""What was given or stopped may have taken effect so many seconds before it was confirmed, without an `asked_at`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One breach. `about` says whom or what it concerns: an account, a person, a campaign, a line of the report."""

    invariant: str
    at: datetime | None
    attempt_id: str
    about: str
    text: str


@dataclass(slots=True)
class Verdicts:
    """What was found, on how many things each invariant was checked, and what could not be checked and why."""

    findings: list[Finding]
    checked: dict[str, int]
    unchecked: list[str]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much leeway there is, in seconds."""

    grace_s: float = 1.0
    """After something is in force a placement that was on its way may still be made for so long."""
    edge_s: float = 2.0
    """At the edges of windows and periods: the engine counts from its claim, the journal from the carrier's yes."""
    relaunch_s: float = 10.0
    """So long a new version of a campaign may take to re-plan; until then the one before it is accepted too."""
    planning_s: float = 26 * 3600.0
    """Whoever could have been planned for so long without a break must have been: the daily planning lies in it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One line of the carrier's journal: what it took."""

    at: datetime
    attempt_id: str
    channel: str
    to: str
    line: str


@dataclass(frozen=True, slots=True)
class Action:
    """One line of `actions.jsonl`: in force from `at`; it may have taken effect from `asked_at` on."""

    at: datetime
    asked_at: datetime
    name: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Heard:
    """One line of `network.jsonl`: what happened in the network, and when the host confirmed it (None: never)."""

    at: datetime
    attempt_id: str
    kind: str
    disposition: str
    sender: str
    text: str
    acknowledged_at: datetime | None


Link = tuple[str, str]
"""(account id, installment id)"""


@dataclass(slots=True)
class Attempt:
    """One line of the exports."""

    attempt_id: str
    campaign: str
    person: str
    segment: str
    due_on: date
    round: int
    try_: int
    cause: str
    channel: str
    line: str | None
    zones: tuple[str, ...]
    state: str
    reason: str | None
    rule: str | None
    disposition: str | None
    outcome: str | None
    planned_for: datetime
    window_from: datetime
    window_until: datetime
    claimed_at: datetime | None
    placed_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    settled_at: datetime | None
    links: tuple[Link, ...]
    """What it is about: of a cancelled one what it was about."""
    every_link: tuple[Link, ...]
    promises: list[dict[str, Any]]
    events: list[dict[str, Any]]

    @property
    def is_reminder(self) -> bool:
        """What confirms an opt-out is none."""
        return self.cause != "confirmation"

    @property
    def about(self) -> str:
        return ";".join(account for account, _ in self.links) or self.person


@dataclass(slots=True)
class Evidence:
    """All that is known from outside. What is None was not given."""

    placements: list[Taken]
    attempts: list[Attempt]
    actions: list[Action] | None
    network: list[Heard] | None
    report: dict[str, Any] | None
    settings: dict[str, Any]
    packs: dict[str, list[dict[str, Any]]]
    """Rules by the name of their pack, as the files have them."""
    missing: list[str] = field(default_factory=list)
    """What was not given or is masked, and what that leaves unchecked."""

    @property
    def lender_zone(self) -> str:
        return str(self.settings.get("lender", {}).get("time_zone", "UTC"))

    @property
    def country(self) -> str:
        return str(self.settings.get("lender", {}).get("country", ""))


@dataclass(slots=True)
class Sheet:
    """Where the checks write down what they see."""

    findings: list[Finding] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)
    unchecked: Counter[str] = field(default_factory=Counter)

    def found(self, invariant: str, at: datetime | None, attempt_id: str, about: str, text: str) -> None:
        self.findings.append(Finding(invariant, at, attempt_id, about, text))

    def verdicts(self) -> Verdicts:
        """In an order that depends on nothing but what was found."""
        order = {name: number for number, name in enumerate(INVARIANTS)}
        start = datetime.min.replace(tzinfo=UTC)
        self.findings.sort(
            key=lambda one: (
                order[one.invariant],
                one.at or start,
                len(one.attempt_id),
                one.attempt_id,
                one.about,
                one.text,
            )
        )
        told = [f"{text} ({count:,})" if count > 1 else text for text, count in sorted(self.unchecked.items())]
        return Verdicts(self.findings, {name: self.checked[name] for name in INVARIANTS}, told)
