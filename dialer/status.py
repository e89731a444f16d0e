"""What stands how: campaigns with their progress, lines, the next hour, and what is wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from campaigns.model import Outcome
from dialer import alarms
from dialer.attempt import State
from dialer.errors import DialerError
from dialer.house import House
from dialer.status_model import STATES, CampaignStatus, LineStatus, Progress, Status, WorkerStatus
from dialer.store import Tx, status_rows, views, workers
from dialer.store import attempts as attempt_store
from dialer.store import queues as queue_store
from dialer.store.common import AnyRow
from dialer.store.duty import session_of

NOT_THE_PERSON = frozenset({
    Outcome.NO_CONTACT, Outcome.INVALID_NUMBER, Outcome.FAILED, Outcome.UNKNOWN, Outcome.VOICEMAIL_LEFT,
    Outcome.WRONG_NUMBER,
})  # fmt: skip
"""As the report counts it (a test compares them), whose libraries take their time to import."""
SHARE = 20
"""Counting takes at most one part in so many of a watch's time."""
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Counted:
    """What only a walk over every attempt tells: some tenths of a second for a million."""

    at: datetime
    took: timedelta
    progress: Mapping[int, Sequence[AnyRow]]
    outside: int

    def is_fresh(self, now: datetime) -> bool:
        """Whether it is too early to count again."""
        return now - self.at < self.took * SHARE


def count(tx: Tx, house: House) -> Counted:
    at = house.clock.now()
    progress = status_rows.progress(tx)
    outside = status_rows.outside_window(tx, at - alarms.OUTSIDE_OVER)
    return Counted(at, house.clock.now() - at, progress, outside)


def build(tx: Tx, house: House, name: str | None = None, counted: Counted | None = None) -> Status:
    """The status now, with what was counted before, if it was. Raises DialerError for a campaign not launched."""
    rows = _campaigns(tx, name)
    counted = counted or count(tx, house)
    facts = alarms.read(tx, house, counted.outside)
    lost = [row.campaign_id for row in status_rows.lost(tx)]
    return Status(
        at=facts.now,
        counted_at=counted.at,
        halted=facts.halted,
        halted_since=facts.halted_at,
        alarms=alarms.of(facts),
        campaigns=[
            _campaign(tx, house, row, counted.progress.get(row.campaign_id, ()), lost.count(row.campaign_id), facts.now)
            for row in rows
        ],
        lines=_lines(tx, house, facts.now),
        next_hour=facts.hour,
        open_tasks=status_rows.open_tasks(tx),
        workers=_workers(tx),
    )


def _workers(tx: Tx) -> list[WorkerStatus]:
    sessions = workers.sessions_on_duty(tx)
    return [
        WorkerStatus(
            worker=row.worker,
            host=row.worker.rsplit("-", 2)[0],
            started_at=row.started_at,
            heard_at=row.seen_at,
            on_duty=session_of(row.worker) in sessions,
        )
        for row in workers.every(tx)
    ]


def _campaigns(tx: Tx, name: str | None) -> list[AnyRow]:
    every = views.campaigns(tx)
    found = [row for row in every if name in (None, row.name)]
    if name is not None and not found:
        names = ", ".join(row.name for row in every) or "none is launched"
        raise DialerError(f'no campaign is named "{name}"; launched are: {names}')
    return found


def _campaign(tx: Tx, house: House, row: AnyRow, counted: Sequence[AnyRow], lost: int, now: datetime) -> CampaignStatus:
    queues = house.version(tx, row.campaign_id, row.version).queues
    due = queue_store.first_due(tx, queues)
    return CampaignStatus(
        name=row.name,
        status=row.status,
        version=row.version,
        planned_at=row.planned_at,
        next_due_at=min(due.values(), default=None),
        due_now=sum(queue_store.waiting(tx, queue, now, now) for queue in queues),
        lost=lost,
        progress=_progress(counted),
    )


def _progress(counted: Sequence[AnyRow]) -> list[Progress]:
    found: dict[tuple[str, int], Progress] = {}
    for row in counted:
        key = (row.segment, row.round)
        if key not in found:
            counts = dict.fromkeys(STATES, 0)
            found[key] = Progress(segment=row.segment, round=row.round, counts=counts, reached=0)
        found[key].counts[row.state if row.state in STATES else "running"] += row.attempts
        if row.state == State.SETTLED and row.outcome not in NOT_THE_PERSON:
            found[key].reached += row.attempts
    return list(found.values())


def _lines(tx: Tx, house: House, now: datetime) -> list[LineStatus]:
    known, running = attempt_store.lines(tx), attempt_store.running_calls(tx)
    spent, last_placed = attempt_store.spent(tx, house.today(now)), status_rows.last_placed(tx)
    placed = status_rows.placed_since(tx, now - MINUTE)
    found = []
    for name, settings in house.settings.lines.items():
        row, most = known.get(name), settings.spend_max_per_day
        found.append(
            LineStatus(
                line=name,
                adapter=settings.adapter,
                channels=list(settings.channels),
                calls_per_second=settings.calls_per_second,
                messages_per_second=settings.messages_per_second,
                placed_last_minute=placed.get(name, 0),
                running_calls=len(running.get(name, ())),
                calls_at_once=settings.calls_at_once,
                breaker=row.breaker if row else "closed",
                breaker_until=row.breaker_until if row else None,
                held_until=row.held_until if row and row.held_until and row.held_until > now else None,
                last_placed_at=last_placed.get(name),
                spent_today=str(spent.get(name, 0)),
                spend_max_per_day=None if most is None else str(most),
                heard_at=row.heard_at if row else None,
            )
        )
    return found
