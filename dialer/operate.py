"""What an operator does to campaigns: launch, pause, resume, cancel; and the emergency stop."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from campaigns.model import Reason
from dialer import check
from dialer.errors import DialerError
from dialer.house import House
from dialer.log import mask_text
from dialer.planning import Counts, plan_all
from dialer.restored import refuse_while_asking
from dialer.store import Tx, planbook
from dialer.store import campaigns as campaign_store
from dialer.store.common import UNHALTED, flag, note_action, set_flag

MOVED = "moved to "
"""What the reason of a halt begins with where the installation has another database now."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What a launch did. `counts` is None where the file was in force already."""

    name: str
    version: int
    status: str
    counts: Counts | None


async def launch(house: House, path: Path) -> Launch:
    """Freezes a campaign file and plans it. The same file again changes nothing, a changed one is a new version; what
    was not planned to its end is then."""
    file = check.read_campaign(path, house.settings)
    text = path.read_text(encoding="utf-8-sig")
    digest = sha256(text.encode()).hexdigest()
    now = house.clock.now()

    def write(tx: Tx) -> tuple[campaign_store.CampaignRow, bool]:
        known = campaign_store.named(tx, file.name)
        if known is not None and known.status == "cancelled":
            raise DialerError(f'campaign "{file.name}" was cancelled; launch it under another name')
        if known is not None and known.digest == digest:
            return known, False
        row = campaign_store.launch(tx, file.name, text, digest, str(path), now)
        note_action(tx, "launch", file.name, f"version {row.version}, sha256 {digest[:12]}", now)
        return row, True

    row, is_new = await house.store.write(write)
    # One that was broken off in its planning goes on with it.
    counts = await plan_all(house, [file.name]) if is_new or row.planned_at is None else None
    return Launch(row.name, row.version, row.status, counts)


async def set_status(house: House, name: str, status: str) -> int:
    """Pauses, resumes or cancels a campaign. Returns how many planned attempts were cancelled."""
    now = house.clock.now()

    def write(tx: Tx) -> int:
        known = campaign_store.named(tx, name)
        if known is None:
            names = ", ".join(row.name for row in campaign_store.every(tx)) or "none is launched"
            raise DialerError(f'no campaign is named "{name}"; launched are: {names}')
        if known.status == status:
            return 0
        if known.status == "cancelled":
            raise DialerError(f'campaign "{name}" was cancelled; that is final')
        if status == "cancelled":
            # What is cancelled is asked about no more.
            refuse_while_asking(tx, f'campaign "{name}" can be paused now, and cancelled later')
        campaign_store.set_status(tx, name, status, now)
        note_action(tx, {"active": "resume", "paused": "pause", "cancelled": "cancel"}[status], name, "", now)
        if status == "cancelled":
            return planbook.cancel_campaign(tx, known.campaign_id, Reason.CAMPAIGN_CANCELLED, now)
        if status == "paused":
            planbook.withdraw_placing(tx, "paused", known.campaign_id)
        return 0

    return await house.store.write(write)


async def halt(house: House, reason: str) -> None:
    """Nothing is placed on any line until `unhalt`; survives restarts. Phones in the reason, which is shown to many,
    are masked."""
    now, reason = house.clock.now(), mask_text(reason)

    def write(tx: Tx) -> None:
        set_flag(tx, "halt", reason or flag(tx, "halt") or "no reason given", now)
        planbook.withdraw_placing(tx, "halted")
        note_action(tx, "halt", "", reason, now)

    await house.store.write(write)


async def unhalt(house: House) -> bool:
    """Lifts the emergency stop. False: there was none.

    Raises DialerError while a restored database is still being asked about, and for one that was moved away.
    """
    now = house.clock.now()

    def write(tx: Tx) -> bool:
        refuse_while_asking(tx, "the halt stays")
        if not (reason := flag(tx, "halt")):
            return False
        if reason.startswith(MOVED):
            raise DialerError(
                f"this database was {reason}: from both of them everybody would be called twice; the halt stays. "
                "If it is to be this one after all, halt it with another reason first"
            )
        set_flag(tx, "halt", None, now)
        set_flag(tx, UNHALTED, "halt", now)
        note_action(tx, "unhalt", "", "", now)
        return True

    return await house.store.write(write)
