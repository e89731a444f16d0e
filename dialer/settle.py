"""How an attempt closes: its disposition, its outcome, what it cost; and when silence becomes loss."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import ceil
from typing import Any

from campaigns.model import Channel, Disposition, Outcome
from config.settings import LineSettings
from dialer.attempt import Kind, State, disposition_of, outcome_of
from dialer.house import House

SILENCE = timedelta(seconds=60)
"""Beyond ring time-out and time limit, before a call without news is lost."""
CALL_DEADLINE = timedelta(minutes=30)
"""From lost: after it a call is settled as unknown, whatever the provider says later."""


def settle(attempt: dict[str, Any], now: datetime) -> bool:
    """Writes the outcome and closes. True: the dialogue had said none, it follows from the disposition."""
    derived = attempt["outcome"] is None
    said = None if derived else Outcome(attempt["outcome"])
    attempt["outcome"] = outcome_of(Disposition(attempt["disposition"]), said).value
    attempt["state"] = State.SETTLED.value
    attempt["settled_at"] = now
    attempt["check_at"] = None
    return derived


def disposition(attempt: Mapping[str, Any], kind: Kind, reported: str) -> Disposition:
    """How it ended, by the last event and what was detected before."""
    if kind == Kind.SENT:
        return Disposition.SENT
    if kind == Kind.DELIVERED:
        return Disposition.DELIVERED
    if kind == Kind.UNDELIVERED and not reported:
        return Disposition.UNDELIVERED
    if kind == Kind.REFUSED and not reported:
        return Disposition.INFRASTRUCTURE
    return disposition_of(reported, attempt["answered_at"] is not None, attempt["detected"])


def cost(house: House, attempt: Mapping[str, Any], talk_s: float) -> Decimal:
    """What it cost after all: calls by started minutes, messages when they were taken."""
    line = line_settings(house, attempt)
    if line is None:
        return attempt["cost"] or Decimal(0)
    if attempt["channel"] == Channel.SMS:
        return line.price_per_message if attempt["placed_at"] is not None else Decimal(0)
    if attempt["answered_at"] is None and not talk_s:
        return Decimal(0)
    seconds = talk_s or (attempt["ended_at"] - attempt["answered_at"]).total_seconds()
    return line.price_per_minute * max(ceil(seconds / 60), 1)


def corrections(
    house: House, attempts: Iterable[Mapping[str, Any]], reserved: Mapping[int, Decimal | None]
) -> dict[date, dict[str, Decimal]]:
    """What to add to the lines' spend, by the lender's day on which it was reserved."""
    found: dict[date, dict[str, Decimal]] = {}
    for attempt in attempts:
        before = reserved[attempt["attempt_id"]]
        change = (attempt["cost"] or Decimal(0)) - (before or Decimal(0))
        if not change or attempt["line"] is None:
            continue
        # A claim that came back has no claimed_at any more: it was today's, at most 250 ms ago.
        day = house.today(attempt["claimed_at"] or house.clock.now())
        amounts = found.setdefault(day, {})
        amounts[attempt["line"]] = amounts.get(attempt["line"], Decimal(0)) + change
    return found


def line_settings(house: House, attempt: Mapping[str, Any]) -> LineSettings | None:
    """None: the line is no longer in the settings."""
    return house.settings.lines.get(attempt["line"] or "")


def silent_at(house: House, attempt: Mapping[str, Any], heard_at: datetime) -> datetime:
    """When no further news means that the attempt is lost."""
    if attempt["channel"] == Channel.SMS:
        valid_until: datetime = attempt["valid_until"]
        return max(valid_until, heard_at) + SILENCE
    line = line_settings(house, attempt)
    if line is None:
        return heard_at + CALL_DEADLINE
    return heard_at + line.ring_timeout + line.time_limit + SILENCE


def deadline(attempt: Mapping[str, Any]) -> datetime:
    """When a lost attempt is settled as unknown: 30 minutes for a call, its validity for a message."""
    lost_at: datetime = attempt["lost_at"]
    if attempt["channel"] == Channel.VOICE:
        return lost_at + CALL_DEADLINE
    validity: timedelta = attempt["valid_until"] - attempt["claimed_at"]
    after: timedelta = max(validity, CALL_DEADLINE)
    return lost_at + after
