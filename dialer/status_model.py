"""What `dialer status --json` prints. Names are fixed; further ones may come."""

from datetime import datetime

from pydantic import BaseModel

from dialer.alarms import Alarm
from dialer.next_hour import NextHour

STATES = ("planned", "running", "settled", "expired", "blocked", "cancelled")


class Progress(BaseModel):
    """One round of a segment: how many attempts are in each state (running: placing to lost)."""

    segment: str
    round: int
    counts: dict[str, int]
    reached: int
    """Of the settled ones: the person heard it, or said something; a message was delivered or sent."""


class CampaignStatus(BaseModel):
    name: str
    status: str
    version: int
    planned_at: datetime | None
    next_due_at: datetime | None
    due_now: int
    lost: int
    """Placed, ending unknown: their provider is asked."""
    progress: list[Progress]


class LineStatus(BaseModel):
    line: str
    adapter: str
    channels: list[str]
    calls_per_second: float
    messages_per_second: float
    placed_last_minute: int
    """Calls and messages."""
    running_calls: int
    calls_at_once: int
    breaker: str
    breaker_until: datetime | None
    held_until: datetime | None
    """The provider asked for a pause; None where it is over."""
    last_placed_at: datetime | None
    spent_today: str
    spend_max_per_day: str | None
    heard_at: datetime | None
    """When a daemon last reported the line."""


class WorkerStatus(BaseModel):
    """One of the daemons on a PostgreSQL database."""

    worker: str
    host: str
    started_at: datetime
    heard_at: datetime
    """Its last sign of life; one without for ten seconds is taken for dead."""
    on_duty: bool
    """Whether it plans, sweeps and sends the digests."""


class Status(BaseModel):
    """`dialer status --json`."""

    at: datetime
    counted_at: datetime
    """When `progress` was counted: in a watch over very many attempts, a while before `at`."""
    halted: str | None
    halted_since: datetime | None
    alarms: list[Alarm]
    campaigns: list[CampaignStatus]
    lines: list[LineStatus]
    next_hour: NextHour
    open_tasks: dict[str, int]
    workers: list[WorkerStatus] = []
    """PostgreSQL: each that has shown life, until it says goodbye or is found dead. SQLite: none."""
