"""The report, counted again in plain Python from the lines of `dialer attempts --jsonl`.

It shares no code with the engine: of the report's own module it knows nothing but the JSON. What the lines do not hold
(the settings, the report's scope) is given.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

Line = dict[str, Any]
CONTACT = ("reached", "promised", "says_paid")
SILENT_ENDS = ("no_contact", "invalid_number", "failed", "unknown", "voicemail_left")


@dataclass
class Recount:
    """One report's scope over all exported lines. Each property or method is named as the field it counts."""

    lines_: list[Line]
    settings: dict[str, Any]
    campaign: str | None = None
    day: date | None = None

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.settings["lender"]["time_zone"])

    @cached_property
    def every(self) -> list[Line]:
        return [one for one in self.lines_ if self.campaign in (None, one["campaign"]) and self._is_of_day(one)]

    @cached_property
    def mine(self) -> list[Line]:
        """The reminders: what confirms an opt-out is none."""
        return [one for one in self.every if one["cause"] != "confirmation"]

    def _is_of_day(self, one: Line) -> bool:
        return self.day in (None, self.local_day(one["planned_for"]))

    def local_day(self, text: str) -> date:
        return datetime.fromisoformat(text).astimezone(self.zone).date()

    @cached_property
    def placed(self) -> list[Line]:
        return [one for one in self.mine if one["claimed_at"]]

    @cached_property
    def carried(self) -> list[Line]:
        return [one for one in self.every if one["claimed_at"]]

    @cached_property
    def settled(self) -> list[Line]:
        return [one for one in self.mine if one["state"] == "settled"]

    def everything(self) -> dict[str, Any]:
        """Field of the report → its value, as JSON has it. A field without a method here is not counted again."""
        return {name: count(self) for name, count in FIELDS.items()}

    # --- attempts ------------------------------------------------------------------------------------------------

    def counts(self, lines: Iterable[Line]) -> dict[str, int]:
        found = dict.fromkeys(
            ("planned", "follow_ups", "placed", "reached", "promised", "says_paid", "opted_out", "other", "not_reached",
             "running", "refused", "cancelled", "expired", "waiting", "reached_by_message"), 0)  # fmt: skip
        for one in lines:
            found["planned" if one["cause"] == "round" else "follow_ups"] += 1
            found["placed"] += one["claimed_at"] is not None
            found[stands(one)] += 1
            found["reached_by_message"] += one["channel"] == "sms" and one["outcome"] == "reached"
        return found

    def rounds(self) -> list[dict[str, Any]]:
        of_round = defaultdict(list)
        for one in self.mine:
            of_round[one["segment"], one["round"]].append(one)
        return [
            {
                **self.counts(lines),
                "segment": segment,
                "round": number,
                "outcomes": Counter(one["outcome"] for one in lines if one["state"] == "settled"),
            }
            for (segment, number), lines in sorted(of_round.items())
        ]

    def refusals(self) -> list[dict[str, Any]]:
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for one in self.mine:
            if one["state"] == "blocked" or (one["state"] == "expired" and one["rule"]):
                found[one["rule"]][one["state"]] += 1
            for rule in {v["rule"] for v in one["verdicts"] if v["verdict"] == "defer" and v["rule"]}:
                found[rule]["deferred"] += 1
        kinds = ("blocked", "expired", "deferred")
        return [{"rule": rule, **{kind: found[rule][kind] for kind in kinds}} for rule in sorted(found)]

    def reasons(self) -> dict[str, int]:
        return Counter(one["reason"] for one in self.mine if stands(one) in ("cancelled", "expired"))

    def answered(self, part: Callable[[datetime], int]) -> list[dict[str, int]]:
        """Of the calls that a provider took, by a part of the person's local time."""
        calls, answered = Counter[int](), Counter[int]()
        for one in self.mine:
            if one["channel"] == "voice" and one["placed_at"]:
                zone = ZoneInfo(one["zones"][0]) if one["zones"] else self.zone
                at = part(datetime.fromisoformat(one["placed_at"]).astimezone(zone))
                calls[at] += 1
                answered[at] += one["answered_at"] is not None
        return [{"at": at, "calls": calls[at], "answered": answered[at]} for at in sorted(calls)]

    def right_party_contacts(self) -> int:
        return sum(one["disposition"] == "human" and one["outcome"] != "wrong_number" for one in self.settled)

    def outside_window(self) -> int:
        return sum(
            one["placed_at"] is not None and not one["window_from"] <= one["placed_at"] < one["window_until"]
            for one in self.every
        )

    # --- installments and money ----------------------------------------------------------------------------------

    @cached_property
    def paid_after(self) -> list[tuple[tuple[str, str], str, Decimal, int]]:
        """(installment, currency, amount, days since the last contact) of each payment that followed one."""
        contacts: dict[tuple[str, str], list[datetime]] = defaultdict(list)
        installments = {}
        for one in self.mine:
            for about in one["installments"]:
                key = about["account_id"], about["installment_id"]
                installments[key] = about
                if one["placed_at"] and one["outcome"] in CONTACT and not about["cancelled"]:
                    contacts[key].append(datetime.fromisoformat(one["placed_at"]))
        return [
            (key, about["currency"], Decimal(payment["amount"]), days)
            for key, about in installments.items()
            for payment in lasting(about["payments"])
            if (days := self._days_since(contacts[key], payment)) is not None
        ]

    def _days_since(self, contacts: list[datetime], payment: dict[str, str]) -> int | None:
        recorded_at, paid_on = datetime.fromisoformat(payment["recorded_at"]), date.fromisoformat(payment["paid_on"])
        since = [(paid_on - at.astimezone(self.zone).date()).days for at in contacts if at < recorded_at]
        return min((days for days in since if 0 <= days <= 7), default=None)

    def funnel(self) -> dict[str, int]:
        stages: dict[str, set[Any]] = {name: set() for name in ("planned", "placed", "reached")}
        for one in self.mine:
            for about in one["installments"]:
                key = about["account_id"], about["installment_id"]
                stages["planned"].add(key)
                if not one["claimed_at"] or about["cancelled"]:
                    continue
                stages["placed"].add(key)
                if one["outcome"] not in (None, "wrong_number", *SILENT_ENDS):
                    stages["reached"].add(key)
        paid = {key for key, *_ in self.paid_after}
        return {**{name: len(keys) for name, keys in stages.items()}, "paid": len(paid)}

    def promises(self) -> dict[str, Any]:
        made = [promise for one in self.mine for promise in one["promises"]]
        kept = [one for one in made if one["state"] == "kept"]
        return {
            "made": len(made),
            **{state: sum(one["state"] == state for one in made) for state in ("open", "kept", "broken")},
            "amounts": sums((one["currency"], Decimal(one["amount"])) for one in made),
            "kept_amounts": sums((one["currency"], Decimal(one["amount"])) for one in kept),
        }

    # --- lines and providers -------------------------------------------------------------------------------------

    def messages(self) -> dict[str, int]:
        ends = Counter(one["disposition"] for one in self.placed if one["channel"] == "sms")
        ends_by_name = {name: ends[name] for name in ("sent", "delivered", "undelivered")}
        confirmations = sum(one["cause"] == "confirmation" for one in self.carried)
        return {"placed": ends.total(), **ends_by_name, "confirmations": confirmations}

    def by_line(self) -> list[dict[str, Any]]:
        found = []
        for name in sorted({one["line"] for one in self.carried}):
            calls = [one for one in self.carried if (one["line"], one["channel"]) == (name, "voice")]
            texts = [one for one in self.carried if (one["line"], one["channel"]) == (name, "sms")]
            found.append(
                {
                    "line": name,
                    "calls": len(calls),
                    "answered": sum(one["answered_at"] is not None for one in calls),
                    "messages": len(texts),
                    "spend": sum((Decimal(one["cost"]) for one in calls + texts), Decimal()),
                    "spend_on_messages": sum((Decimal(one["cost"]) for one in texts), Decimal()),
                }
            )
        return found

    def load(self) -> list[dict[str, Any]]:
        found: Counter[tuple[datetime, str, str]] = Counter()
        for one in self.carried:
            local = datetime.fromisoformat(one["placed_at"] or one["claimed_at"]).astimezone(self.zone)
            begin = local - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
            found[begin.astimezone(UTC), one["line"], one["channel"]] += 1
        names = ("at", "line", "channel")
        return [{**dict(zip(names, key, strict=True)), "placed": found[key]} for key in sorted(found)]

    def capacity(self) -> list[dict[str, Any]]:
        rates = {"sms": "messages_per_second", "voice": "calls_per_second"}
        return [
            {"line": name, "channel": channel, "an_hour": -(-Fraction(str(line.get(rates[channel], 1))) * 3600 // 1)}
            for name, line in sorted(self.settings["lines"].items())
            for channel in sorted(line["channels"])
        ]

    def lost(self) -> dict[str, Any]:
        causes, ends, took = Counter[str](), Counter[str](), []
        for one in self.every:
            losing = [
                e for e in one["events"] if e["kind"] in ("uncertain", "lease_expired", "silent") and not e["stray"]
            ]
            if not losing:
                continue
            causes[losing[-1]["kind"]] += 1
            if one["state"] != "settled":
                ends["open"] += 1
                continue
            ends["unknown" if one["disposition"] == "unknown" else "found"] += 1
            lost_for = datetime.fromisoformat(one["settled_at"]) - datetime.fromisoformat(losing[-1]["received_at"])
            took.append(max(lost_for.total_seconds(), 0) / 60)
        return {
            "ever": causes.total(),
            "causes": causes,
            **{name: ends[name] for name in ("found", "unknown", "open")},
            "minutes": median(took) if took else None,
        }


def stands(one: Line) -> str:
    """The one column of the counts that an attempt belongs to."""
    if one["claimed_at"] is None:
        if one["state"] == "blocked" or (one["state"] == "expired" and one["rule"]):
            return "refused"
        return str(one["state"]) if one["state"] in ("cancelled", "expired") else "waiting"
    if one["state"] != "settled":
        return "running"
    if one["outcome"] in (*CONTACT, "opted_out"):
        return str(one["outcome"])
    return "not_reached" if one["outcome"] in SILENT_ENDS else "other"


def lasting(payments: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The payments after the last that was taken back."""
    reversals = [number for number, one in enumerate(payments) if one["source"] == "reverse"]
    return [one for one in payments[(reversals or [-1])[-1] + 1 :] if one["paid_on"]]


def sums(amounts: Iterable[tuple[str, Decimal]]) -> list[dict[str, Any]]:
    found: dict[str, list[Decimal]] = defaultdict(list)
    for currency, amount in amounts:
        found[currency].append(amount)
    return [{"currency": name, "count": len(found[name]), "amount": sum(found[name])} for name in sorted(found)]


FIELDS: dict[str, Callable[[Recount], Any]] = {
    "lender": lambda it: it.settings["lender"]["name"],
    "time_zone": lambda it: it.settings["lender"]["time_zone"],
    "currency": lambda it: {one["currency"] for one in it.lines_}.pop(),
    "campaign": lambda it: it.campaign,
    "day": lambda it: it.day and it.day.isoformat(),
    "totals": lambda it: it.counts(it.mine),
    "funnel": Recount.funnel,
    "rounds": Recount.rounds,
    "refusals": Recount.refusals,
    "reasons": Recount.reasons,
    "outcomes": lambda it: Counter(one["outcome"] for one in it.settled),
    "dispositions": lambda it: Counter(one["disposition"] for one in it.settled),
    "by_hour": lambda it: it.answered(lambda local: local.hour),
    "by_weekday": lambda it: it.answered(datetime.isoweekday),
    "right_party_contacts": Recount.right_party_contacts,
    "promises": Recount.promises,
    "paid_after_contact": lambda it: sums((currency, amount) for _, currency, amount, _ in it.paid_after),
    "paid_after_days": lambda it: [
        {"days": days, "payments": count} for days, count in sorted(Counter(days for *_, days in it.paid_after).items())
    ],
    "messages": Recount.messages,
    "lines": Recount.by_line,
    "load": Recount.load,
    "capacity": Recount.capacity,
    "lost": Recount.lost,
    "outside_window": Recount.outside_window,
}
