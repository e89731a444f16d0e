"""Statements about live calls: one running call to a number at a time."""

from collections.abc import Sequence

from sqlalchemy import bindparam, select

from dialer.store import tables as t
from dialer.store.common import in_parts, insert_for
from dialer.store.database import Tx
from dialer.store.prepared import Prepared

_take = Prepared(
    lambda dialect: (
        insert_for(dialect, t.live_calls)
        .values({column.name: bindparam(column.name, type_=column.type) for column in t.live_calls.columns})
        .on_conflict_do_nothing()
    )
)
_won = Prepared(
    select(t.live_calls.c.attempt_id).where(t.live_calls.c.attempt_id.in_(bindparam("ids", expanding=True)))
)


def take(tx: Tx, wanted: Sequence[tuple[str, int, str]]) -> set[int]:
    """Takes (phone, attempt id, line) into live_calls in the order of phones; returns the ids that got theirs."""
    every = sorted(wanted)
    ids = {of for _, of, _ in every}
    rows = [{"phone": phone, "attempt_id": of, "line": line} for phone, of, line in every]
    if _take.run_many(tx, rows) == len(rows):
        return ids
    return {key for part in in_parts(ids) for key in _won.scalars(tx, ids=part)}


_release = Prepared(t.live_calls.delete().where(t.live_calls.c.attempt_id == bindparam("of")))


def release(tx: Tx, attempt_ids: Sequence[int]) -> None:
    _release.run_many(tx, [{"of": key} for key in attempt_ids])
