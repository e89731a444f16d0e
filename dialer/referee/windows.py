"""No placement outside a window: the round's own, and the legal ones, in the person's zone."""

from datetime import datetime

from dialer.referee.campaignfile import File
from dialer.referee.days import local
from dialer.referee.law import Hours, Law, packs_of
from dialer.referee.ledger import Account
from dialer.referee.model import Attempt
from dialer.referee.scene import Call, Scene


def outside_window(scene: Scene, law: Law) -> None:
    for call in scene.calls:
        if call.attempt is not None:
            if call.attempt.cause == "round":
                _own_window(scene, call, call.attempt)
            _legal_windows(scene, call, call.attempt, law)


def _own_window(scene: Scene, call: Call, attempt: Attempt) -> None:
    """(a) the window of the round, in a version of the campaign that ruled at the placement."""
    files = scene.files(attempt, call.at)
    zones = _first_zones(scene, call, attempt)
    if not files or not zones:
        scene.sheet.unchecked["outside_window: the campaign's file or the person's zone is not known"] += 1
        return
    scene.sheet.checked["outside_window"] += 1
    if not any(_fits(scene, call.at, attempt, file, zone) for file in files for zone in zones):
        segment = files[0].segment(attempt.segment)
        at = segment.round(attempt.round) if segment else None
        window = f"{at.begins:%H:%M}–{at.ends:%H:%M} of day {at.offset:+d}" if at else "there is no such round"
        spot = f"round {attempt.round} of {attempt.segment} for {attempt.due_on} ({window})"
        text = f"{spot} was placed at {_told(call.at, zones[0])}"
        scene.sheet.found("outside_window", call.at, attempt.attempt_id, attempt.about, text)


def _fits(scene: Scene, at: datetime, attempt: Attempt, file: File, zone: str) -> bool:
    segment = file.segment(attempt.segment)
    spot = segment.round(attempt.round) if segment else None
    if spot is None:
        return False
    begins, ends = spot.window(attempt.due_on, zone)
    return begins - scene.edge <= at < ends + scene.edge and file.contacts_on(local(begins, zone).date())


def _first_zones(scene: Scene, call: Call, attempt: Attempt) -> list[str]:
    """The person's local time: what the file states, else China for China's, else what the exports say first. Where
    the account has just changed, and where several accounts differ, any of them."""
    found: list[str] = []
    for account in _accounts(scene, call, attempt):
        found += scene.zones(account)[:1] or attempt.zones[:1]
    return list(dict.fromkeys(found or attempt.zones[:1] or [scene.evidence.lender_zone]))


def _accounts(scene: Scene, call: Call, attempt: Attempt) -> list[Account]:
    """The attempt's accounts, as they are and as they have just been."""
    now, before = scene.accounts(attempt, call.at), scene.accounts(attempt, call.at - scene.grace * 10)
    return list(dict.fromkeys([*now, *before]))


def _legal_windows(scene: Scene, call: Call, attempt: Attempt, law: Law) -> None:
    """(b) the legal windows of the packs that apply."""
    accounts = scene.accounts(attempt, call.at)
    if scene.is_about_moved(attempt.links, call.at - scene.grace * 10, call.at):
        scene.sheet.unchecked["outside_window: the account had just changed"] += 1
        return
    zones = [zone for account in accounts for zone in scene.zones(account)] or list(attempt.zones)
    zones = list(dict.fromkeys(zones)) or [scene.evidence.lender_zone]
    files = scene.files(attempt, call.at)
    always = files[-1].packs if files else ()
    regions = [account.region for account in accounts]
    for pack in packs_of(scene, always, regions, scene.country(call.placement.to), call.placement.line):
        for exotic in law.exotic[pack]:
            scene.sheet.unchecked[f"rule {exotic}"] += 1
        for hours in law.windows[pack]:
            if call.placement.channel in hours.rule.channels and not _is_waived(hours, call, attempt, accounts):
                _legal(scene, call, attempt, hours, zones)


def _is_waived(hours: Hours, call: Call, attempt: Attempt, accounts: list[Account]) -> bool:
    if not attempt.is_reminder:
        return "reply" in hours.rule.waived_by
    voice = call.placement.channel == "voice"
    agreed = accounts and all(account.consents[0 if voice else 1] == "yes" for account in accounts)
    return bool(agreed) and "express_consent" in hours.rule.waived_by


def _legal(scene: Scene, call: Call, attempt: Attempt, hours: Hours, zones: list[str]) -> None:
    scene.sheet.checked["outside_window"] += 1
    for zone in zones[:1] if hours.only_stated else zones:
        # at an edge the claim's instant decides, which lay a little earlier, or the other side's clock is a little off
        if not any(hours.is_open(at, zone) for at in (call.at, call.at - scene.edge, call.at + scene.edge)):
            text = f"{hours.rule.id} does not permit it at {_told(call.at, zone)}"
            scene.sheet.found("outside_window", call.at, attempt.attempt_id, attempt.about, text)
            return


def _told(at: datetime, zone: str) -> str:
    return f"{local(at, zone):%a %F %T} ({zone})"
