"""Which sealed rows were erased, by whom, and what remains of them. Ids are written as ranges: `1-20,25`."""

import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

ERASING = ("purge", "forget")
"""The actions that may erase."""
_RANGES = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")
_COUNTS = re.compile(r"(\w+) (\d+)")

Span = tuple[int, int]
"""First and last id."""


def ranges(ids: Iterable[int]) -> str:
    """1, 2, 3, 5 → `1-3,5`. The ids in rising order."""
    return written(_spans(ids))


def written(parts: Iterable[Span]) -> str:
    """(1, 3), (5, 5) → `1-3,5`."""
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


def size(parts: Iterable[Span]) -> int:
    """How many ids these are."""
    return sum(last - first + 1 for first, last in parts)


def joined(parts: Iterable[Span]) -> list[Span]:
    """In order, and one where they touch or overlap."""
    found: list[Span] = []
    for first, last in sorted(parts):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def _spans(ids: Iterable[int]) -> Iterator[Span]:
    first = last = None
    for key in ids:
        if first is None or last is None or key != last + 1:
            if first is not None and last is not None:
                yield first, last
            first = key
        last = key
    if first is not None and last is not None:
        yield first, last


def spans(text: str) -> list[Span]:
    """`1-3,5` → (1, 3), (5, 5). Raises ValueError where it is nothing of the kind."""
    if not _RANGES.fullmatch(text):
        raise ValueError(f'"{text[:40]}" is no list of ids')
    ends = [part.split("-") for part in text.split(",")]
    return [(int(one[0]), int(one[-1])) for one in ends]


def told(counts: dict[str, int]) -> str:
    """How many sealed rows an action erased, as its detail says it: `events 12, placements 3`."""
    return ", ".join(f"{kind} {count}" for kind, count in counts.items() if count)


@dataclass(slots=True)
class Erased:
    """What erasures explain of one table: rows that are gone, and what remains of others."""

    gone: list[Span] = field(default_factory=list)
    remains: dict[int, str] = field(default_factory=dict)
    """id → the digest of what remains, as hex."""

    def settle(self) -> None:
        """Joins the spans; a row that was blanked and then purged is gone."""
        self.gone = joined(self.gone)
        self.remains = {key: left for key, left in self.remains.items() if not self.is_gone(key)}

    def is_gone(self, key: int) -> bool:
        place = bisect_right(self.gone, (key, 1 << 63)) - 1
        return place >= 0 and self.gone[place][0] <= key <= self.gone[place][1]

    def count(self, first: int, last: int) -> int:
        """How many ids from `first` to `last` are gone."""
        place = max(bisect_right(self.gone, (first, 1 << 63)) - 1, 0)
        found = 0
        for begin, end in self.gone[place:]:
            if begin > last:
                break
            found += max(min(end, last) - max(begin, first) + 1, 0)
        return found


def explained(rows: Sequence[Any], details: dict[int, str]) -> tuple[dict[str, Erased], dict[int, str]]:
    """What these erasures explain, by table; and what is wrong with them: erasure id → why.

    `details`: action id → its detail, which says how many rows of each table the action erased.
    """
    found: dict[str, Erased] = {}
    wrong: dict[int, str] = {}
    counts: dict[int, dict[str, int]] = {}
    last: dict[int, int] = {}
    for row in rows:
        try:
            parts, remains = spans(row.ids), {int(key): str(left) for key, left in json.loads(row.remains).items()}
        except (ValueError, TypeError, AttributeError):
            wrong[row.erasure_id] = "cannot be read"
            continue
        if row.action not in ERASING:
            wrong[row.erasure_id] = f"no purge or forget is action {row.action_id}"
            continue
        of = found.setdefault(row.kind, Erased())
        if remains:
            of.remains |= remains
        else:
            of.gone += parts
        mine = counts.setdefault(row.action_id, {})
        mine[row.kind] = mine.get(row.kind, 0) + size(parts)
        last[row.action_id] = row.erasure_id
    for action_id, mine in counts.items():
        said = {kind: int(count) for kind, count in _COUNTS.findall(details.get(action_id, ""))}
        if any(said.get(kind) != count for kind, count in mine.items()):
            wrong[last[action_id]] = f"action {action_id} says that it erased other numbers of rows"
    for of in found.values():
        of.settle()
    return found, wrong
