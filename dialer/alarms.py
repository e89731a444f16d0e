"""What is wrong, or soon will be: `dialer status`, its watch and the daily digest raise the same alarms.

The store reads the facts, `of` judges them. docs/operations.md says of each what it means and what to do; where the
log has an event of the same name, it is the same thing.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from campaigns.model import Channel
from dialer import next_hour, sweep
from dialer.house import House
from dialer.lines import price
from dialer.next_hour import NextHour
from dialer.report_words import Speech, speech
from dialer.settle import deadline
from dialer.store import Tx, sqlite_file, status_rows, views, workers
from dialer.store import attempts as attempt_store
from dialer.store import queues as queue_store
from dialer.store import restored as restored_store
from dialer.store.types import EPOCH

Name = Literal[
    "halted", "restored", "placed_outside_window", "daemon_silent", "nothing_placed", "line_paused",
    "spend_limit_reached", "lost_too_long", "disk_nearly_full", "hour_overbooked", "spend_limit_near", "attempts_lost",
    "not_planned_today", "workers_apart", "tasks_waiting",
]  # fmt: skip
SILENT = timedelta(minutes=3)
"""A daemon reports its lines each minute."""
OUTSIDE_OVER = timedelta(hours=24)
TASK_WAITS = timedelta(days=2)
NEAR = Decimal("0.9")
DISK_LEAST = 1_000_000_000
"""Bytes."""
PLANNED_BY = time(0, 30)
"""Daily planning begins at 00:05, lender time, and may take minutes over a large portfolio."""


class Alarm(BaseModel):
    """What is wrong (`text`) and what to do (`hint`). Errors come first: somebody should look now."""

    name: Name
    severity: Literal["error", "warning"]
    text: str
    hint: str


@dataclass(frozen=True, slots=True)
class Spend:
    """A line with a limit: what is spent of it today, and what its cheapest attempt would reserve."""

    line: str
    spent: Decimal
    most: Decimal
    least: Decimal


class Restored(NamedTuple):
    """A database that went back in time."""

    since: datetime
    """The copy's instant."""
    at: datetime
    left: int | None
    """Attempts that are still to be asked about; None: all are, and the halt was not lifted since."""


class Lost(NamedTuple):
    """An attempt whose end nobody knows."""

    since: datetime
    deadline: datetime
    """When it is settled as unknown, at the latest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the alarms are judged by."""

    now: datetime
    zone: ZoneInfo
    """The lender's."""
    currency: str = ""
    halted: str | None = None
    """Why; None: not halted."""
    halted_at: datetime | None = None
    restored: Restored | None = None
    heard_at: datetime | None = None
    """When a daemon last reported its lines."""
    next_due_at: datetime | None = None
    """Of the active campaigns; past where something waits."""
    waiting: int = 0
    """Due inside their window for 5 minutes, while nothing was placed."""
    paused: Sequence[tuple[str, datetime]] = ()
    """Lines at rest by their breaker, and until when."""
    spends: Sequence[Spend] = ()
    lost: Sequence[Lost] = ()
    """The oldest first."""
    hour: NextHour = field(default_factory=lambda: NextHour(planned=[], routes=[]))
    unplanned: Sequence[str] = ()
    """Campaigns that were not planned today."""
    old_tasks: int = 0
    oldest_task_at: datetime | None = None
    outside: int = 0
    """Placed outside their window within 24 hours."""
    disk_free: int | None = None
    """Bytes left where the database lies; None: not known."""
    apart: Sequence[tuple[str, ...]] = ()
    """Workers that go by other settings or packs than the rest: those together that go by the same."""


def build(tx: Tx, house: House, outside: int | None = None, language: str = "en") -> list[Alarm]:
    """What is wrong now, errors first. `outside`: how many were placed outside their window, where it is counted."""
    return of(read(tx, house, outside), language)


def of(facts: Facts, language: str = "en") -> list[Alarm]:
    """The alarms that these facts give, errors first; told in Chinese for a zh language, else in English."""
    words = speech(language, "alarms.zh.toml")
    found = [alarm for judge in _JUDGES for alarm in judge(facts, words)]
    return sorted(found, key=lambda alarm: alarm.severity != "error")


def read(tx: Tx, house: House, outside: int | None = None) -> Facts:
    """Reads the facts. `outside` is counted over the last 24 hours where it is not given."""
    now = house.clock.now()
    launched = house.launched(tx)
    active = [one for one in launched if one.status == "active"]
    # A line that was taken out of the settings leaves its row behind.
    rows = {name: row for name, row in attempt_store.lines(tx).items() if name in house.settings.lines}
    halt = status_rows.halt(tx)
    due = queue_store.first_due(tx, [queue for one in active for queue in one.queues])
    old_tasks, oldest_task_at = status_rows.old_tasks(tx, now - TASK_WAITS)
    return Facts(
        now=now,
        zone=house.zone,
        currency=house.settings.lender.currency,
        halted=halt.value if halt else None,
        halted_at=halt.set_at if halt else None,
        restored=_restored_of(tx, halt.set_at if halt else None),
        heard_at=max((row.heard_at for row in rows.values() if row.heard_at), default=None),
        next_due_at=min(due.values(), default=None),
        waiting=_waiting(tx, house, now),
        paused=[(row.line, row.breaker_until) for row in rows.values() if row.breaker == "open" and row.breaker_until],
        spends=_spends(tx, house, now),
        lost=[Lost(row.lost_at, deadline(row._asdict())) for row in status_rows.lost(tx)],
        hour=next_hour.read(tx, house, active, rows, now),
        unplanned=_unplanned(tx, house, now),
        old_tasks=old_tasks,
        oldest_task_at=oldest_task_at,
        outside=status_rows.outside_window(tx, now - OUTSIDE_OVER) if outside is None else outside,
        disk_free=_disk_free(house),
        apart=workers.apart(tx, now - workers.DEAD),
    )


def _restored_of(tx: Tx, halted_at: datetime | None) -> Restored | None:
    if (lost := restored_store.gap(tx)) is not None:
        return Restored(lost.since, lost.at, restored_store.left(tx, lost))
    done = restored_store.reconciled(tx)
    if done is None or halted_at is None or halted_at > done[1]:
        return None
    return Restored(done[0].since, done[0].at, None)


def _waiting(tx: Tx, house: House, now: datetime) -> int:
    if any(sweep.is_fresh(placed_at, now) for placed_at in status_rows.last_placed(tx, until=now).values()):
        return 0
    return sweep.waiting(tx, house, now)


def _spends(tx: Tx, house: House, now: datetime) -> list[Spend]:
    spent, found = attempt_store.spent(tx, house.today(now)), []
    for name, line in house.settings.lines.items():
        if line.spend_max_per_day is not None:
            least = min(price(line, Channel(channel)) for channel in line.channels)
            found.append(Spend(name, spent.get(name, Decimal(0)), line.spend_max_per_day, least))
    return found


def _unplanned(tx: Tx, house: House, now: datetime) -> list[str]:
    if now.astimezone(house.zone).time() < PLANNED_BY:
        return []
    return [
        row.name
        for row in views.campaigns(tx)
        if row.status != "cancelled" and (row.planned_at is None or house.today(row.planned_at) < house.today(now))
    ]


def _disk_free(house: House) -> int | None:
    file = sqlite_file(house.settings.database)
    # A folder that can't be asked is no alarm of its own: whatever is wrong with it shows in the reading itself.
    with suppress(OSError):
        return None if file is None else shutil.disk_usage(file.parent).free
    return None


# --- the judges: one fault each ----------------------------------------------------------------------------------


def _halted(facts: Facts, words: Speech) -> Iterator[Alarm]:
    # One cause, one alarm: what was restored is halted, and more is to be done than to lift that.
    if facts.halted is not None and facts.restored is None:
        since = _local(facts, facts.halted_at, words)
        text = words.say("halted since {0}: {1}; nothing is placed on any line", since, facts.halted)
        yield _error("halted", text, words.say("`dialer unhalt` lifts it"))


def _restored(facts: Facts, words: Speech) -> Iterator[Alarm]:
    if facts.restored is None:
        return
    say, (since, at, left) = words.say, facts.restored
    text = say(
        "the database was restored at {0} from a copy of {1}: what happened since is not in it, and nothing is placed",
        _local(facts, at, words), _local(facts, since, words),
    ) if since != EPOCH else say(
        "a new database was found at {0} in another's place: whom that one called is not in it, and nothing is placed",
        _local(facts, at, words),
    )  # fmt: skip
    then = say(
        "import the newest files, enter what was said since, launch what was launched since, then `dialer unhalt`"
    )
    if left is None:
        yield _error("restored", say("{}; the providers were asked about all that may have been placed", text), then)
        return
    text = say("{0}; providers are still to be asked about {1} {1:attempt|attempts}", text, left)
    yield _error("restored", text, say("let the daemon run until none is left; {}", then))


def _outside(facts: Facts, words: Speech) -> Iterator[Alarm]:
    if facts.outside:
        text = words.say(
            "{0} {0:attempt is|attempts are} placed outside their window within 24 hours; that must never happen",
            facts.outside,
        )
        hint = words.say("`dialer halt`, then look at the clock of the machine, and tell us")
        yield _error("placed_outside_window", text, hint)


def _silent(facts: Facts, words: Speech) -> Iterator[Alarm]:
    due_at, heard_at, say = facts.next_due_at, facts.heard_at, words.say
    if due_at is None or (heard_at is not None and heard_at > facts.now - SILENT):
        return
    if due_at.astimezone(facts.zone).date() > facts.now.astimezone(facts.zone).date():
        return
    since = say("no daemon has ever reported")
    if heard_at:
        since = say("no daemon has reported since {}", _local(facts, heard_at, words))
    what = say("something is planned for {}", _local(facts, due_at, words))
    if due_at <= facts.now:
        what = say("something is due")
    hint = say("start `dialer run`, or see in its log why it stopped")
    yield _error("daemon_silent", say("{0}, and {1}", since, what), hint)


def _nothing_placed(facts: Facts, words: Speech) -> Iterator[Alarm]:
    # One cause, one alarm: without a daemon nothing can be placed.
    if facts.waiting and facts.halted is None and not any(_silent(facts, words)):
        text = words.say(
            "{0} {0:attempt is|attempts are} due inside their window for 5 minutes, and nothing was placed",
            facts.waiting,
        )
        hint = words.say("see the lines: one may be paused, held, full, or out of its spend limit")
        yield _error("nothing_placed", text, hint)


def _paused(facts: Facts, words: Speech) -> Iterator[Alarm]:
    for line, until in facts.paused:
        text = words.say(
            "line {0} is paused by its breaker until {1}: its attempts failed in the network",
            line, _local(facts, until, words),
        )  # fmt: skip
        hint = words.say("look at the provider's status; the line tries itself again")
        yield _error("line_paused", text, hint)


def _spend(facts: Facts, words: Speech) -> Iterator[Alarm]:
    say = words.say
    for one in facts.spends:
        text = say(
            "line {0} has spent {1} of its {2} {3} for today",
            one.line, f"{one.spent:,}", f"{one.most:,}", facts.currency,
        )  # fmt: skip
        if one.spent + one.least > one.most:
            hint = say("raise spend_max_per_day and restart the daemon, or leave the rest to another line")
            yield _error("spend_limit_reached", say("{}: it places nothing more", text), hint)
        elif one.spent >= NEAR * one.most:
            hint = say("raise spend_max_per_day if the rest of today is to be called")
            yield _warning("spend_limit_near", text, hint)


def _lost(facts: Facts, words: Speech) -> Iterator[Alarm]:
    say = words.say
    long = [one for one in facts.lost if one.deadline < facts.now]
    if long:
        since = _local(facts, long[0].since, words)
        text = say("{0} {0:attempt is|attempts are} lost beyond the deadline, the first since {1}", len(long), since)
        hint = say("it should be settled as unknown by now: see that the daemon runs, and its log")
        yield _error("lost_too_long", text, hint)
    if fresh := len(facts.lost) - len(long):
        text = say("{0} {0:attempt is|attempts are} lost: handed over, and how they ended is not known", fresh)
        hint = say("nothing at once, the provider is asked; if it is many, it is in trouble")
        yield _warning("attempts_lost", text, hint)


def _disk(facts: Facts, words: Speech) -> Iterator[Alarm]:
    if facts.disk_free is not None and facts.disk_free < DISK_LEAST:
        text = words.say("{} MB are left on the disk of the database", f"{facts.disk_free / 1_000_000:,.0f}")
        hint = words.say("free some: without room nothing can be recorded, and nothing is placed")
        yield _error("disk_nearly_full", text, hint)


def _overbooked(facts: Facts, words: Speech) -> Iterator[Alarm]:
    say = words.say
    for route in facts.hour.routes:
        if route.is_over:
            text = say(
                "{0} {1} are planned for the next hour over {2}, which can place {3}",
                route.planned, say("calls" if route.channel == "voice" else "messages"),
                say(" and ").join(route.lines), route.can_place,
            )  # fmt: skip
            hint = say("what is not placed inside its window expires: raise the line's limits, or add a line")
            yield _warning("hour_overbooked", text, hint)


def _unplanned_today(facts: Facts, words: Speech) -> Iterator[Alarm]:
    if facts.unplanned:
        named = words.say(", ").join(facts.unplanned)
        text = words.say("not planned today: {}; new due dates are missing", named)
        hint = words.say("start the daemon: it plans at once, and each day at 00:05")
        yield _warning("not_planned_today", text, hint)


def _apart(facts: Facts, words: Speech) -> Iterator[Alarm]:
    if facts.apart:
        most, *others = (words.say(", ").join(names) for names in facts.apart)
        text = words.say("workers go by other settings or packs: {0} than {1}", words.say("; ").join(others), most)
        hint = words.say("a line's limits hold only where all have the same: give them the same, and restart them")
        yield _warning("workers_apart", text, hint)


def _tasks(facts: Facts, words: Speech) -> Iterator[Alarm]:
    if facts.old_tasks:
        text = words.say(
            "{0} {0:task is|tasks are} open for more than 2 days, the first since {1}",
            facts.old_tasks, _local(facts, facts.oldest_task_at, words),
        )  # fmt: skip
        yield _warning("tasks_waiting", text, words.say("somebody should see to them: people wait to be called back"))


_JUDGES = (
    _halted, _restored, _outside, _silent, _nothing_placed, _paused, _spend, _lost, _disk, _overbooked,
    _unplanned_today, _apart, _tasks,
)  # fmt: skip


def _error(name: Name, text: str, hint: str) -> Alarm:
    return Alarm(name=name, severity="error", text=text, hint=hint)


def _warning(name: Name, text: str, hint: str) -> Alarm:
    return Alarm(name=name, severity="warning", text=text, hint=hint)


def _local(facts: Facts, at: datetime | None, words: Speech) -> str:
    """An instant for people: the time alone where it is today's, lender time."""
    if at is None:
        return words.say("an unknown time")
    local = at.astimezone(facts.zone)
    is_today = local.date() == facts.now.astimezone(facts.zone).date()
    return f"{local:%H:%M:%S}" if is_today else f"{local:%m-%d %H:%M}"
