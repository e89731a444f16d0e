"""What `dialer tasks --json` prints of a task."""

from datetime import datetime

from pydantic import BaseModel

KINDS = ("call_back", "review", "fix_data")
"""Of tasks; a test compares them with those that outcomes and the gate open."""


class Task(BaseModel):
    """One open task."""

    task_id: int
    kind: str
    """`call_back`, `review` or `fix_data`."""
    person_id: str
    accounts: list[str]
    """Account ids of the person, as `dialer explain` takes them."""
    attempt_id: int | None
    """The attempt it came from, if it came from one."""
    detail: str
    """What it is about. Phone numbers are masked."""
    opened_at: datetime
