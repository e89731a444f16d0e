"""What stands how: campaigns with their progress, lines, what is due, and what is wrong."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dialer.attempt import State
from dialer.errors import DialerError
from dialer.house import House
from dialer.store import Tx, views
from dialer.store import attempts as attempt_store
from dialer.store import queues as queue_store

STATES = ("planned", "running", "settled", "expired", "blocked", "cancelled")


class Progress(BaseModel):
    """One round of a segment: how many attempts are in each state (running: placing to lost)."""

    segment: str
    round: int
    counts: dict[str, int]


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
    calls_per_second: float
    running_calls: int
    breaker: str
    breaker_until: datetime | None
    last_placed_at: datetime | None
    spent_today: str
    spend_max_per_day: str | None


class Status(BaseModel):
    """`dialer status --json`."""

    at: datetime
    halted: str | None
    halted_since: datetime | None
    campaigns: list[CampaignStatus]
    lines: list[LineStatus]
    open_tasks: dict[str, int]


def build(tx: Tx, house: House, name: str | None = None) -> Status:
    """The status now. Raises DialerError for a campaign that is not launched."""
    now = house.clock.now()
    rows = [row for row in views.campaigns(tx) if name in (None, row.name)]
    if name is not None and not rows:
        names = ", ".join(row.name for row in views.campaigns(tx)) or "none is launched"
        raise DialerError(f'no campaign is named "{name}"; launched are: {names}')
    states = views.states(tx)
    halt = views.halt(tx)
    return Status(
        at=now,
        halted=halt.value if halt else None,
        halted_since=halt.set_at if halt else None,
        campaigns=[_campaign(tx, house, row, states.get(row.campaign_id, []), now) for row in rows],
        lines=_lines(tx, house, now),
        open_tasks=views.open_tasks(tx),
    )


def _campaign(tx: Tx, house: House, row: Any, states: list[tuple[str, int, str, int]], now: datetime) -> CampaignStatus:
    progress: dict[tuple[str, int], dict[str, int]] = {}
    for segment, number, state, count in states:
        counts = progress.setdefault((segment, number), dict.fromkeys(STATES, 0))
        counts[state if state in STATES else "running"] += count
    queues = house.version(tx, row.campaign_id, row.version).queues
    due = queue_store.first_due(tx, queues)
    return CampaignStatus(
        name=row.name,
        status=row.status,
        version=row.version,
        planned_at=row.planned_at,
        next_due_at=min(due.values(), default=None),
        due_now=sum(queue_store.waiting(tx, queue, now, now) for queue in queues),
        lost=sum(count for _, _, state, count in states if state == State.LOST),
        progress=[Progress(segment=s, round=n, counts=counts) for (s, n), counts in progress.items()],
    )


def _lines(tx: Tx, house: House, now: datetime) -> list[LineStatus]:
    known, running = attempt_store.lines(tx), attempt_store.running_calls(tx)
    spent, last_placed = attempt_store.spent(tx, house.today(now)), views.last_placed(tx)
    found = []
    for name, settings in house.settings.lines.items():
        row, most = known.get(name), settings.spend_max_per_day
        found.append(
            LineStatus(
                line=name,
                adapter=settings.adapter,
                calls_per_second=settings.calls_per_second,
                running_calls=len(running.get(name, ())),
                breaker=row.breaker if row else "closed",
                breaker_until=row.breaker_until if row else None,
                last_placed_at=last_placed.get(name),
                spent_today=str(spent.get(name, 0)),
                spend_max_per_day=None if most is None else str(most),
            )
        )
    return found


def show(found: Status, house: House, out: Console) -> None:
    """Prints it; instants in the lender's time."""
    if found.halted is not None:
        since = _local(found.halted_since, house)
        out.print(f"[bold red]HALTED[/] since {since}: {escape(found.halted)}. `dialer unhalt` lifts it.")
    if not found.campaigns:
        out.print("No campaign is launched. `dialer launch CAMPAIGN.toml` starts one.")
    for one in found.campaigns:
        _show_campaign(one, house, out)
    _show_lines(found.lines, house, out)
    if found.open_tasks:
        out.print("Open tasks: " + ", ".join(f"{kind} {count}" for kind, count in sorted(found.open_tasks.items())))


def _show_campaign(one: CampaignStatus, house: House, out: Console) -> None:
    due = f", {one.due_now} due now" if one.due_now else ""
    lost = f", [bold red]{one.lost} lost[/] (their provider is asked)" if one.lost else ""
    head = f"[bold]{escape(one.name)}[/] version {one.version}: {one.status}"
    out.print(f"{head}; next {_local(one.next_due_at, house)}{due}{lost}")
    table = _table("segment", "round", *STATES)
    for row in one.progress:
        counts = (str(row.counts[state] or "·") for state in STATES)
        table.add_row(escape(row.segment), str(row.round), *counts)
    if one.progress:
        out.print(table)


def _show_lines(lines: list[LineStatus], house: House, out: Console) -> None:
    table = _table("line", "adapter", "calls/s", "running", "breaker", "last placed", "spent today")
    for line in lines:
        is_closed = line.breaker == "closed"
        breaker = "closed" if is_closed else f"[bold red]{line.breaker}[/] until {_local(line.breaker_until, house)}"
        most = f" of {line.spend_max_per_day}" if line.spend_max_per_day else ""
        table.add_row(
            escape(line.line), escape(line.adapter), f"{line.calls_per_second:g}", str(line.running_calls), breaker,
            _local(line.last_placed_at, house), f"{line.spent_today}{most}",
        )  # fmt: skip
    out.print(table)


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, pad_edge=False, header_style="dim")


def _local(at: datetime | None, house: House) -> str:
    return "–" if at is None else f"{at.astimezone(house.zone):%m-%d %H:%M:%S}"
