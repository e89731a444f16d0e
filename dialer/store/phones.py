"""Statements about live calls: one running call to a number at a time."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam

from dialer.store import tables as t
from dialer.store.common import insert_for
from dialer.store.database import Tx
from dialer.store.prepared import Prepared

PHONES_MAX = 256
"""Phones taken in one statement."""


@lru_cache(maxsize=16)
def _take(count: int) -> Prepared:
    rows: list[dict[str, Any]] = [
        {"phone": bindparam(f"to{n}"), "attempt_id": bindparam(f"of{n}"), "line": bindparam(f"by{n}")}
        for n in range(count)
    ]
    return Prepared(
        lambda dialect: (
            insert_for(dialect, t.live_calls).values(rows).on_conflict_do_nothing().returning(t.live_calls.c.attempt_id)
        )
    )


def take(tx: Tx, wanted: Sequence[tuple[str, int, str]]) -> set[int]:
    """Takes (phone, attempt id, line) into live_calls in the order of phones; returns the ids that got theirs."""
    every, won, start = sorted(wanted), set[int](), 0
    if tx.dialect.name == "postgresql":
        rows = [{"to0": phone, "of0": of, "by0": line} for phone, of, line in every]
        return {row[0] for row in _take(1).all_many(tx, rows)}
    while start < len(every):
        # Powers of two: a handful of statements serve every count.
        size = min(1 << (len(every) - start).bit_length() - 1, PHONES_MAX)
        given: dict[str, Any] = {}
        for number, (phone, of, line) in enumerate(every[start : start + size]):
            given[f"to{number}"], given[f"of{number}"], given[f"by{number}"] = phone, of, line
        won.update(_take(size).scalars(tx, **given))
        start += size
    return won


_release = Prepared(t.live_calls.delete().where(t.live_calls.c.attempt_id == bindparam("of")))


def release(tx: Tx, attempt_ids: Sequence[int]) -> None:
    _release.run_many(tx, [{"of": key} for key in attempt_ids])
