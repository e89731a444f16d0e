"""What the bells ring for: daily planning, closing what is over, and the alarm when dialing stands still."""

from datetime import datetime, timedelta

from campaigns.model import Reason
from dialer.house import House, add_months
from dialer.log import log
from dialer.planning import PAGE_BESIDE_DIALING, Counts, plan_all
from dialer.store import Tx, desk, planbook
from dialer.store import campaigns as campaign_store
from dialer.store import queues as queue_store
from dialer.store.common import UNHALTED, flag, flag_set_at
from dialer.store.restored import gap

STANDSTILL = timedelta(minutes=5)
CLOCK_WAIT = timedelta(seconds=10)


async def daily(house: House) -> Counts:
    """At 00:05 lender time: the due dates that come into the horizon, and the promises that ran out."""
    while house.is_clock_off():
        # By a wrong clock rounds would be over that are not.
        await house.clock.sleep_until(house.clock.now() + CLOCK_WAIT)
    await add_months(house)
    counts = await plan_all(house, size=PAGE_BESIDE_DIALING)
    await close_promises(house)
    log.info("planned", drafted=counts.drafted, cancelled=counts.cancelled, launched_late=counts.late)
    return counts


async def close_promises(house: House) -> None:
    """open → kept where it was paid by the promised day, broken where that day has passed unpaid."""
    now = house.clock.now()
    yesterday = house.today(now) - timedelta(days=1)

    def close(tx: Tx) -> None:
        rows = {row.promise_id: row for row in (*desk.open_promises(tx, yesterday), *desk.paid_promises(tx))}
        ended = [
            (key, "kept" if not row.is_open and row.paid_on and row.paid_on <= row.promised_on else "broken")
            for key, row in rows.items()
        ]
        desk.close_promises(tx, ended, now)

    await house.store.write(close)


async def expire(house: House) -> int:
    """Closes planned attempts whose window is over, of paused campaigns too, and whatever is planned in cancelled ones.
    Not by a clock that is off."""
    if house.is_clock_off():
        return 0
    now = house.clock.now()

    def close(tx: Tx) -> int:
        if gap(tx) is not None:
            return 0  # what may have been placed in the lost time is asked about first
        closed = sum(queue_store.expire(tx, queue, now) for queue in _queues(house, tx, ("active", "paused"), now))
        over = [row.campaign_id for row in campaign_store.every(tx) if row.status == "cancelled"]
        # Planning that read a campaign before it was cancelled leaves something in it, and so does what is given back.
        return closed + sum(planbook.cancel_campaign(tx, key, Reason.CAMPAIGN_CANCELLED, now) for key in over)

    return await house.store.write(close)


async def standstill(house: House, last_placed_at: datetime | None, started_at: datetime) -> int:
    """The alarm: nothing was placed for 5 minutes although something is due inside its window. Returns how many."""
    now = house.clock.now()
    if is_fresh(last_placed_at, now) or is_fresh(started_at, now):
        return 0

    def count(tx: Tx) -> int:
        return 0 if flag(tx, "halt") else waiting(tx, house, now)

    found = await house.store.read(count)
    if found:
        log.error(
            "nothing_placed", minutes=5, waiting=found,
            hint="see `dialer status`: a line may be paused by its breaker, full, or out of its spend limit",
        )  # fmt: skip
    return found


def waiting(tx: Tx, house: House, now: datetime) -> int:
    """How many attempts of active campaigns, inside their window, have been due for 5 minutes. What was launched or
    resumed since then, or was halted, could not be placed before."""
    if is_fresh(flag_set_at(tx, UNHALTED), now):
        return 0
    fresh = {row.campaign_id for row in campaign_store.every(tx) if is_fresh(row.changed_at, now)}
    queues = [queue for queue in _queues(house, tx, ("active",), now) if queue[0] not in fresh]
    return sum(queue_store.waiting(tx, queue, now - STANDSTILL, now) for queue in queues)


def is_fresh(at: datetime | None, now: datetime) -> bool:
    """Whether it was within the last 5 minutes. What lies further ahead, a clock wrote that was ahead: for as long as
    it was, it would silence the alarm."""
    return at is not None and abs(now - at) < STANDSTILL


def _queues(house: House, tx: Tx, statuses: tuple[str, ...], now: datetime) -> list[queue_store.Queue]:
    """The queues of campaigns in these statuses in which something is due."""
    every = [queue for one in house.launched(tx) if one.status in statuses for queue in one.queues]
    return [queue for queue, due_at in queue_store.first_due(tx, every).items() if due_at <= now]
