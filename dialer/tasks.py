"""Tasks: what a human has to see to, such as calling somebody back. The engine opens them, people close them."""

from collections.abc import Sequence
from datetime import datetime

from dialer.errors import DialerError
from dialer.log import mask_text
from dialer.store import Tx, desk
from dialer.store.common import note_action
from dialer.task_model import Task


def listed(tx: Tx, kind: str, person: str, most: int) -> tuple[list[Task], int]:
    """Open tasks, the oldest first, at most so many; and how many there are. `kind`, `person`: empty for any."""
    rows = desk.open_tasks(tx, kind, person, most)
    accounts = desk.accounts_of(tx, sorted({row.person_id for row in rows}))
    found = [
        Task(
            task_id=row.task_id, kind=row.kind, person_id=row.person_id, accounts=sorted(accounts[row.person_id]),
            attempt_id=row.attempt_id, detail=mask_text(row.detail), opened_at=row.opened_at,
        )
        for row in rows
    ]  # fmt: skip
    return found, desk.count_open_tasks(tx, kind, person)


def close(tx: Tx, task_ids: Sequence[int], reason: str, now: datetime) -> list[int]:
    """Closes these tasks; each is noted among the operators' actions. Returns those that were open.

    Raises DialerError, and then none is closed, where one of them is not known.
    """
    known = desk.tasks_of(tx, task_ids)
    if unknown := [str(key) for key in dict.fromkeys(task_ids) if key not in known]:
        raise DialerError(f"no task has the id {', '.join(unknown)}; dialer tasks lists the open ones; none was closed")
    fresh = [key for key, done_at in sorted(known.items()) if done_at is None]
    desk.close_tasks(tx, fresh, now)
    for key in fresh:
        note_action(tx, "done", f"task {key}", mask_text(reason), now)
    return fresh
