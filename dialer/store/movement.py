"""Statements of news: attempts read as far as news moves them, and written as it left them."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import compress
from operator import is_not, itemgetter
from typing import Any

from sqlalchemy import bindparam, select, update

from dialer.store import at_hand
from dialer.store import tables as t
from dialer.store.attempts import RUNNING, Overtaken, Tx
from dialer.store.common import Values, in_parts
from dialer.store.prepared import Prepared

_a = t.attempts.c
MOVED = (
    "state", "due_at", "claimed_at", "placed_at", "answered_at", "ended_at", "settled_at", "provider_ref", "code",
    "disposition", "outcome", "detected", "position", "lost_at", "check_at", "checks", "returns", "cost", "reason",
    "withdrawn",
)  # fmt: skip
"""The columns an event may move."""
_moved = itemgetter(*MOVED)
_NEEDED = (
    "attempt_id", "campaign_id", "version", "person_id", "cause", "channel", "script", "line", "valid_until", *MOVED,
)  # fmt: skip
"""What most news asks of an attempt: half of its columns cost half of the time."""
_more = tuple(column.name for column in t.attempts.columns if column.name not in (*_NEEDED, "final"))
_moving = select(*(_a[name] for name in _NEEDED))
_moving_by_id = Prepared(_moving.where(_a.attempt_id.in_(bindparam("ids", expanding=True))))
_moving_by_ref = Prepared(_moving.where(_a.provider_ref.in_(bindparam("refs", expanding=True))))
_others = Prepared(
    select(_a.attempt_id, *(_a[name] for name in _more)).where(_a.attempt_id.in_(bindparam("ids", expanding=True)))
)


def moving(tx: Tx, attempt_ids: Iterable[int], refs: Iterable[str]) -> dict[int, dict[str, Any]]:
    """attempt id → what news may move, and needs to know, of the attempt. `refs`: of those that are named by their
    provider's reference only. What is at hand is not read; it is not to be changed."""
    kept = at_hand.rows(tx)
    found: dict[int, dict[str, Any]] = {}
    unknown = []
    for key in attempt_ids:
        if key in kept:
            found[key] = kept[key]
        else:
            unknown.append(key)
    for part in in_parts(unknown):
        found.update({attempt["attempt_id"]: attempt for attempt in _moving_by_id.plain(tx, ids=part)})
    for part in in_parts(refs):
        for attempt in _moving_by_ref.plain(tx, refs=part):
            found.setdefault(attempt["attempt_id"], attempt)
    return found


def complete(tx: Tx, moving: Mapping[int, dict[str, Any]]) -> None:
    """Adds the columns that `moving` left out."""
    for part in in_parts(moving):
        for others in _others.plain(tx, ids=part):
            moving[others["attempt_id"]].update(others)


def keep(tx: Tx, moved: Mapping[int, dict[str, Any]]) -> None:
    """Keeps at hand what runs of these, as `moving` had them and `move` wrote them."""
    running = {key: attempt for key, attempt in moved.items() if attempt["state"] in RUNNING}
    at_hand.keep(tx, running, {key: attempt for key, attempt in moved.items() if key not in running})


@lru_cache(maxsize=512)
def _move(names: tuple[str, ...]) -> Prepared:
    return Prepared(
        update(t.attempts)
        .where(_a.attempt_id == bindparam("of"), _a.state == bindparam("was"))
        .values({name: bindparam(f"to_{name}") for name in names})
    )


def move(tx: Tx, rows: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> None:
    """Writes moved attempts: (each as it was read, its values now).

    Only what is another: a column that is written, though with the same value, costs the work of its indexes. Few
    combinations occur, each with a statement of its own.
    """
    groups: dict[tuple[str, ...], list[tuple[Values, Values]]] = {}
    for was, now in rows:
        # What was not touched is the same object: asked first, it spares most comparisons.
        others = compress(MOVED, map(is_not, _moved(now), _moved(was)))
        groups.setdefault(tuple([name for name in others if now[name] != was[name]]), []).append((was, now))
    for names, moved in groups.items():
        if names:
            columns = {f"to_{name}": [now[name] for _, now in moved] for name in names}
            columns["of"] = [now["attempt_id"] for _, now in moved]
            columns["was"] = [was["state"] for was, _ in moved]
            if _move(names).run_columns(tx, columns) != len(moved):
                raise Overtaken(f"{len(moved)} attempts were to move, not all did")
