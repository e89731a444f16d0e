"""`dialer tasks` and `dialer done`: what a human has to see to, and that it was."""

from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import BaseModel
from rich import box
from rich.markup import escape
from rich.table import Table
from typer import BadParameter

from config.faults import nearest
from config.files import one_line
from dialer import cell
from dialer.cli.common import CONFIG, Config, Json, out, with_house
from dialer.cli.done import Done
from dialer.task_model import KINDS, Task

if TYPE_CHECKING:
    from dialer.house import House

MOST = 50
"""Tasks that are shown, if nothing else is asked for."""
MOST_MAX = 100_000
TASK_MAX = 2**63 - 1
"""What a database takes for an id."""


class TaskList(BaseModel):
    """`dialer tasks --json`: the oldest first."""

    tasks: list[Task]
    open: int
    """How many there are in all, of what was asked for."""


class ClosedDetail(BaseModel):
    """What became of the tasks."""

    closed: list[int]
    """Those that were open."""


class TasksDone(Done):
    """Tasks were closed."""

    detail: ClosedDetail


def tasks(
    kind: Annotated[str, typer.Option(help=f"One of {', '.join(KINDS)}. Default: all.")] = "",
    person: Annotated[str, typer.Option(metavar="P", help="Of this person.")] = "",
    most: Annotated[int, typer.Option(min=1, max=MOST_MAX, help="So many, the oldest.")] = MOST,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """List what somebody has to see to: whom to call back, what to look through, which data to mend."""
    from dialer.tasks import listed

    if kind and kind not in KINDS:
        raise BadParameter(
            f'--kind "{one_line(kind, 40)}" is not known{nearest(kind, KINDS)}; accepted: {", ".join(KINDS)}'
        )

    async def work(house: "House") -> None:
        found, count = await house.store.read(lambda tx: listed(tx, kind, person, most))
        if json:
            out.print_json(TaskList(tasks=found, open=count).model_dump_json())
        else:
            _show(found, count, house)

    with_house(config, work, needs=True)


def _show(found: list[Task], count: int, house: "House") -> None:
    if not found:
        out.print("No task is open.")
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for name in ("task", "kind", "since", "person", "accounts", "what"):
        table.add_column(name, overflow="fold", justify="right" if name == "task" else "left")
    for task in found:
        since = task.opened_at.astimezone(house.zone).strftime("%Y-%m-%d %H:%M")
        cells = (task.kind, since, task.person_id, ", ".join(task.accounts), task.detail)
        table.add_row(str(task.task_id), *map(escape, cells))
    out.print(table)
    if count > len(found):
        out.print(f"… and {count - len(found):,} more; --most shows more of them.")
    out.print("`dialer explain ACCOUNT` tells the story; `dialer done TASK --reason R` closes a task.", highlight=False)


def done(
    task: Annotated[
        list[int], typer.Argument(metavar="TASK", min=1, max=TASK_MAX, help="Ids, as `dialer tasks` shows them.")
    ],
    reason: Annotated[str, typer.Option(metavar="R", help="What was done; kept in the record.")] = "",
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Close tasks that were seen to."""
    from dialer.tasks import close

    if len(reason) > cell.REASON_MAX:
        raise BadParameter(f"--reason has {len(reason)} characters; accepted: at most {cell.REASON_MAX}")

    async def work(house: "House") -> None:
        now = house.clock.now()
        closed = await house.store.write(lambda tx: close(tx, task, reason, now))
        asked = ", ".join(str(key) for key in dict.fromkeys(task))
        if json:
            detail = ClosedDetail(closed=closed)
            out.print_json(
                TasksDone(action="done", subject=asked, changed=bool(closed), detail=detail).model_dump_json()
            )
            return
        told = ", ".join(map(str, closed))
        out.print(f"Closed: {told}." if closed else f"{asked}: closed already; nothing changed.", highlight=False)

    with_house(config, work, needs=True)


def add_to(app: typer.Typer) -> None:
    """Puts these commands into the command line."""
    app.command()(tasks)
    app.command()(done)
