"""Which installments are in play in a campaign, and to whom contact is suppressed. Pure."""

from dataclasses import dataclass, field
from datetime import date, datetime

from campaigns.model import Reason

InstallmentKey = tuple[str, str]
"""(account id, installment id)"""
Place = tuple[str, str, int, int]
"""One account's place in the cadence: (account id, installment id, day offset, window)."""


@dataclass(slots=True)
class Play:
    """Which installments are in play in a campaign, and why the others are not."""

    open: dict[InstallmentKey, date] = field(default_factory=dict)
    paid: set[InstallmentKey] = field(default_factory=set)
    stopped: dict[InstallmentKey, str] = field(default_factory=dict)
    paused: dict[InstallmentKey, datetime] = field(default_factory=dict)

    def note(
        self, key: InstallmentKey, due_on: date, is_open: bool, stopped: str | None, paused_until: datetime | None
    ) -> None:
        if not is_open:
            self.paid.add(key)
        elif stopped:
            self.stopped[key] = stopped
        else:
            self.open[key] = due_on
        if paused_until is not None:
            self.paused[key] = paused_until

    def why_not(self, key: InstallmentKey, due_on: date, slot: datetime) -> Reason | None:
        """The reason this installment takes no part in an attempt at `slot`; None: it does."""
        if key in self.paid:
            return Reason.PAID
        if key in self.stopped:
            return Reason.OPTED_OUT if self.stopped[key] == "opted_out" else Reason.STOPPED
        if self.open.get(key) != due_on:
            return Reason.REPLANNED
        if key in self.paused and slot < self.paused[key]:
            return Reason.PAUSED_UNTIL
        return None


@dataclass(slots=True)
class Stops:
    """Suppressions in force: (channel or empty, last day or None), by whom they hold for."""

    persons: dict[str, list[tuple[str, date | None]]] = field(default_factory=dict)
    phones: dict[str, list[tuple[str, date | None]]] = field(default_factory=dict)
    pairs: dict[tuple[str, str], list[tuple[str, date | None]]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.persons or self.phones or self.pairs)

    def holds(self, person_id: str, phone: str, channel: str, day: date) -> bool:
        """Whether contact over `channel` on `day` is suppressed for this person or this phone."""
        return any(
            (not on or on == channel) and (until is None or day <= until)
            for found in (self.persons.get(person_id), self.phones.get(phone), self.pairs.get((person_id, phone)))
            if found
            for on, until in found
        )
