"""What the daemon is about to do, in a sentence for whoever has just started it."""

from datetime import datetime

from dialer.house import House
from dialer.store import Tx, queues
from dialer.store.common import flag


def tell(tx: Tx, house: House) -> str:
    """Campaigns, the next attempt, the lines, and the emergency stop; instants in the lender's time."""
    return "; ".join([_campaigns(tx, house), _next(tx, house), _lines(house), _halt(tx)])


def _campaigns(tx: Tx, house: House) -> str:
    found = house.launched(tx)
    if not found:
        return "no campaign is launched: `dialer launch CAMPAIGN.toml` starts one"
    parts = []
    for status in ("active", "paused"):
        if names := [one.name for one in found if one.status == status]:
            parts.append(f"{len(names)} {status} campaign{'s' if len(names) > 1 else ''} ({', '.join(names)})")
    return " and ".join(parts)


def _next(tx: Tx, house: House) -> str:
    """What is due next in active campaigns, and what is planned in paused ones."""
    due_at = _first(tx, house, "active")
    held_at = _first(tx, house, "paused")
    if due_at is None and held_at is None:
        return "nothing is planned"
    parts = []
    if due_at is not None:
        parts.append("something is due now" if due_at <= house.clock.now() else f"next due {_local(due_at, house)}")
    if held_at is not None:
        parts.append(f"paused: what is planned from {_local(held_at, house)} on waits for `dialer resume NAME`")
    return "; ".join(parts)


def _first(tx: Tx, house: House, status: str) -> datetime | None:
    wanted = [queue for one in house.launched(tx) if one.status == status for queue in one.queues]
    return min(queues.first_due(tx, wanted).values(), default=None)


def _local(at: datetime, house: House) -> str:
    return f"{at.astimezone(house.zone):%Y-%m-%d %H:%M:%S} ({house.settings.lender.time_zone})"


def _lines(house: House) -> str:
    def rates(name: str) -> str:
        line = house.settings.lines[name]
        calls = [f"{line.calls_per_second:g} calls/s"] if "voice" in line.channels else []
        messages = [f"{line.messages_per_second:g} messages/s"] if "sms" in line.channels else []
        return f"line {name} ({line.adapter}) up to {' and '.join(calls + messages)}"

    return ", ".join(rates(name) for name in sorted(house.settings.lines))


def _halt(tx: Tx) -> str:
    reason = flag(tx, "halt")
    return f"HALTED ({reason}): nothing is placed until `dialer unhalt`" if reason else "not halted"
