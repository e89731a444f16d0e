"""No cap exceeded and no pause cut short, as far as the rules can be read plainly."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from dialer.referee.days import local
from dialer.referee.law import Count, Law, packs_of
from dialer.referee.scene import Call, Scene

Key = tuple[str, ...]
TALKED = frozenset({"human", "answered"})


def cap_exceeded(scene: Scene, law: Law) -> None:
    counting = _Counting(scene)
    known: dict[tuple[object, ...], list[Count]] = {}
    for call in scene.calls:
        if call.attempt is None or not call.attempt.is_reminder:
            continue
        for count in _counts(scene, call, law, known):
            counting.check(call, count)


def _counts(scene: Scene, call: Call, law: Law, known: dict[tuple[object, ...], list[Count]]) -> list[Count]:
    """The counts of the packs that apply to a placement."""
    attempt = call.attempt
    assert attempt is not None
    files, accounts = scene.files(attempt, call.at), scene.accounts(attempt, call.at)
    always, regions = files[-1].packs if files else (), tuple(account.region for account in accounts)
    country = scene.country(call.placement.to)
    agreed = bool(accounts) and all(
        account.consents[0 if call.placement.channel == "voice" else 1] == "yes" for account in accounts
    )
    key = (always, regions, country, call.placement.line, call.placement.channel, agreed)
    if key not in known:
        known[key] = [
            count
            for pack in packs_of(scene, always, regions, country, call.placement.line)
            for count in law.counts[pack]
            if call.placement.channel in count.rule.channels
            and not (agreed and "express_consent" in count.rule.waived_by)
        ]
    return known[key]


class _Counting:
    """Counts each placement after those before it, by person, number or debt."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._made: dict[tuple[Key, frozenset[str]], dict[Key, list[Call]]] = {}

    def check(self, call: Call, count: Count) -> None:
        sheet = self._scene.sheet
        zone = self._zone(call)
        if not count.rule.in_force(local(call.at, zone).date()):
            return
        if not count.is_pause and not _shows(call, count):
            return
        sheet.checked["cap_exceeded"] += 1
        for key in _keys(call, count):
            inside = self._inside(call, count, zone, key)
            if len(inside) >= count.max:
                text = (
                    f"{count.rule.id}: {len(inside)} before it, "
                    f"the last at {inside[-1].at:%F %T} ({inside[-1].placement.attempt_id})"
                )
                sheet.found("cap_exceeded", call.at, call.placement.attempt_id, call.about, text)
                return

    def _inside(self, call: Call, count: Count, zone: str, key: Key) -> list[Call]:
        """The contacts before this one that count, and lie in the period that ends with it."""
        earlier = self._contacts(count)[key]
        found = []
        for one in reversed(earlier):
            if (
                one.at > call.at
                or one is call
                or (one.at == call.at and one.placement.attempt_id >= call.placement.attempt_id)
            ):
                continue
            if not self._in_period(one.at, call.at, count, zone):
                break
            found.append(one)
        return found[::-1]

    def _contacts(self, count: Count) -> dict[Key, list[Call]]:
        """All contacts that the rule counts, by its key, in order of time; made once a kind of rule."""
        name = tuple(sorted(count.events)) + tuple(sorted(count.over)), count.keys
        if name not in self._made:
            found: dict[Key, list[Call]] = defaultdict(list)
            for call in self._scene.calls:
                if (
                    call.attempt
                    and call.attempt.is_reminder
                    and call.placement.channel in count.over
                    and _shows(call, count)
                ):
                    for key in _keys(call, count):
                        found[key].append(call)
            self._made[name] = found
        return self._made[name]

    def _in_period(self, earlier: datetime, at: datetime, count: Count, zone: str) -> bool:
        edge = self._scene.edge
        if count.period == "rolling_elapsed":
            return at - earlier < count.length - edge
        days = [_apart(earlier + shift, at, zone) for shift in (-edge, edge)] + [_apart(earlier, at - edge, zone)]
        first = 1 if count.next_day else 0
        return all(first <= apart < count.length.days + first for apart in days)

    def _zone(self, call: Call) -> str:
        attempt = call.attempt
        assert attempt is not None
        for account in self._scene.accounts(attempt, call.at):
            if zones := self._scene.zones(account):
                return zones[0]
        return attempt.zones[0] if attempt.zones else self._scene.evidence.lender_zone


def _apart(earlier: datetime, at: datetime, zone: str) -> int:
    first: date = local(earlier, zone).date()
    last: date = local(at, zone).date()
    return (last - first) // timedelta(days=1)


def _shows(call: Call, count: Count) -> bool:
    """Whether the placement shows one of the events. What failed in the network's own machinery shows none."""
    if call.disposition == "infrastructure" or (call.attempt and call.attempt.disposition == "infrastructure"):
        return False
    return (
        "placed" in count.events
        or ("connected" in count.events and call.placement.channel == "voice" and call.answered_at is not None)
        or ("conversation" in count.events and call.disposition in TALKED)
    )


def _keys(call: Call, count: Count) -> Iterator[Key]:
    """By whom it counts; a rule for each debt has one key an account."""
    attempt = call.attempt
    assert attempt is not None
    parts = []
    if "person" in count.keys:
        parts.append(attempt.person)
    if "number" in count.keys:
        parts.append(call.placement.to)
    if "campaign" in count.keys:
        parts.append(attempt.campaign)
    if {"debt", "account"} & count.keys:
        for account in sorted({account for account, _ in attempt.links}):
            yield (*parts, account)
        return
    yield tuple(parts)
