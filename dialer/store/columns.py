"""Many rows of one statement, column by column: each goes through its type in one go.

Days, zones and the edges of windows repeat in thousands of rows: what they are stored as is worked out once a batch.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Boolean, Date
from sqlalchemy.types import TypeEngine

from dialer.store.types import Instant, Zones

Process = Callable[[Any], Any]
Columns = Mapping[str, Sequence[Any]]
"""Values by the name of their parameter, all columns of one length."""


def repeats(of: TypeEngine[Any]) -> bool:
    """Whether equal values of this type are stored alike, and repeat. Money is not: 1.0 equals 1.00, and is not it."""
    return isinstance(of, Boolean | Date | Instant | Zones)


def each(process: Process | None, values: Sequence[Any], is_repeating: bool) -> Sequence[Any]:
    """A column as the driver takes it."""
    if process is None:
        return values
    if not is_repeating:
        # Not by value, see `repeats`; but what is read from one file is often the same object.
        places = list(map(id, values))
        known = {place: process(value) for place, value in dict(zip(places, values, strict=True)).items()}
        return list(map(known.__getitem__, places))
    stored = {value: process(value) for value in set(values)}
    return list(map(stored.__getitem__, values))
