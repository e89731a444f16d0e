"""What holds of placements by themselves: once each, one call a number, all of them ended, known and recorded."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from dialer.referee.model import Attempt, Heard
from dialer.referee.reading import instant
from dialer.referee.scene import ENDS, Call, Scene

RUNNING = frozenset({"placing", "placed", "ringing", "talking", "lost"})
NETWORK_ANSWERED = frozenset(
    {"human", "answered", "machine", "no_answer", "busy", "declined", "phone_off", "unreachable", "delivered",
     "undelivered", "sent"}
)  # fmt: skip
SAME = timedelta(milliseconds=1)


def placed_twice(scene: Scene) -> None:
    first: dict[str, datetime] = {}
    for call in scene.calls:
        key = call.placement.attempt_id
        scene.sheet.checked["placed_twice"] += 1
        if key in first:
            scene.sheet.found("placed_twice", call.at, key, call.about, f"was placed at {first[key]:%F %T} already")
        first.setdefault(key, call.at)


def one_live_call(scene: Scene) -> None:
    by_number: dict[str, list[Call]] = defaultdict(list)
    for call in scene.calls:
        if call.placement.channel == "voice":
            by_number[call.placement.to].append(call)
    for calls in by_number.values():
        running: Call | None = None
        for call in calls:
            if running is not None and running.ended_at is not None and call.at < running.ended_at:
                text = f"call {running.placement.attempt_id} to the number went on until {running.ended_at:%T.%f}"
                scene.sheet.found("one_live_call", call.at, call.placement.attempt_id, call.about, text)
            if call.ended_at is None:
                scene.sheet.unchecked["one_live_call: nobody knows when the call ended"] += 1
            else:
                scene.sheet.checked["one_live_call"] += 1
                if running is None or running.ended_at is None or call.ended_at > running.ended_at:
                    running = call


def ends(scene: Scene) -> None:
    sheet, end = scene.sheet, scene.end
    for call in scene.calls:
        sheet.checked["ends"] += 1
        key, attempt = call.placement.attempt_id, call.attempt
        if attempt is None:
            sheet.found("ends", call.at, key, call.placement.line, "was placed and is not in the exports")
        elif attempt.state != "settled":
            sheet.found("ends", call.at, key, call.about, f"was placed and is {attempt.state}")
        elif not attempt.disposition or not attempt.outcome:
            sheet.found("ends", call.at, key, call.about, "is settled without disposition or outcome")
    for one in scene.evidence.attempts:
        sheet.checked["ends"] += 1
        if one.state in RUNNING and one.attempt_id not in scene.placed:
            sheet.found("ends", one.claimed_at, one.attempt_id, one.about, f"is {one.state} at the end")
        elif one.state == "planned" and end is not None and one.window_until < end:
            text = f"is planned at the end, though its window closed at {one.window_until:%F %T}"
            sheet.found("ends", one.window_until, one.attempt_id, one.about, text)


def not_placed(scene: Scene) -> None:
    for one in scene.evidence.attempts:
        scene.sheet.checked["not_placed"] += 1
        in_journal = one.attempt_id in scene.placed
        if one.disposition in NETWORK_ANSWERED and not in_journal:
            text = f"is {one.disposition}, and the carrier never took it"
            scene.sheet.found("not_placed", one.placed_at or one.claimed_at, one.attempt_id, one.about, text)
        elif in_journal and one.claimed_at is None:
            text = f"was never taken up ({one.state}), and the carrier has it"
            scene.sheet.found("not_placed", one.settled_at, one.attempt_id, one.about, text)


def acknowledged(scene: Scene) -> None:
    """What the host confirmed as durable is recorded, and an end that it confirmed ended the attempt."""
    known: dict[str, dict[str, list[datetime]]] = {}
    for one in scene.evidence.network or ():
        attempt = scene.by_id.get(one.attempt_id)
        if one.acknowledged_at is None or attempt is None or one.kind == "replied":
            continue
        scene.sheet.checked["acknowledged"] += 1
        if attempt.attempt_id not in known:
            known[attempt.attempt_id] = _events(attempt.events)
        if not any(abs(at - one.at) <= SAME for at in known[attempt.attempt_id].get(one.kind, ())):
            text = f"{one.kind} was confirmed at {one.acknowledged_at:%F %T} and is not recorded"
            scene.sheet.found("acknowledged", one.at, attempt.attempt_id, attempt.about, text)
        elif one.kind in ENDS and (lacks := _lacks(attempt, one)):
            scene.sheet.found("acknowledged", one.at, attempt.attempt_id, attempt.about, lacks)


def _events(events: list[dict[str, Any]]) -> dict[str, list[datetime]]:
    found: dict[str, list[datetime]] = defaultdict(list)
    for one in events:
        found[one["kind"]].append(instant(one["at"]))
    return found


def _lacks(attempt: Attempt, one: Heard) -> str:
    if attempt.state != "settled":
        return f"{one.kind} was confirmed, and the attempt is {attempt.state}"
    if attempt.disposition in (None, "unknown"):
        return f"{one.kind} was confirmed, and how it ended is {attempt.disposition or 'not told'}"
    return ""
