"""Where persons may be, worked out anew when what is known of zones has changed: an upgrade of the program or its data.

Windows need nothing of this: they are computed from the zones' rules whenever the gate is asked.
"""

from importlib.metadata import version

from campaigns.where import zones_of
from dialer.house import House
from dialer.log import log
from dialer.planning import replan_persons
from dialer.store import Tx, portfolio
from dialer.store.common import flag, set_flag

FLAG = "zone_data"
PAGE = 2_000
"""Accounts a transaction."""


def data_version() -> str:
    """What the zones of a person depend on."""
    return " ".join(f"{name} {version(name)}" for name in ("outbound-dialer", "phonenumbers", "tzdata"))


async def refresh(house: House) -> int:
    """Looks at every account once after an upgrade. Returns how many changed; their plans move with them."""
    known = data_version()
    if await house.store.read(lambda tx: flag(tx, FLAG)) == known:
        return 0
    after, changed = "", 0
    while True:

        def page(tx: Tx, after: str = after) -> tuple[str, int]:
            rows = portfolio.whereabouts(tx, after, PAGE)
            moved = {
                row.account_id: zones
                for row in rows
                if (zones := zones_of(row.phone, row.region, row.time_zone)) != row.zones
            }
            portfolio.set_zones(tx, moved)
            replan_persons(tx, house, {row.person_id for row in rows if row.account_id in moved}, house.clock.now())
            return (rows[-1].account_id if rows else ""), len(moved)

        after, count = await house.store.write(page)
        changed += count
        if not after:
            break
    await house.store.write(lambda tx: set_flag(tx, FLAG, known, house.clock.now()))
    if changed:
        log.info("zones_changed", accounts=changed, data=known)
    return changed
