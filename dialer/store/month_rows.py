"""PostgreSQL: what is asked of one month's own tables when all of it is over, a span of ids at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import BigInteger, ColumnElement, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from dialer.erased import Span
from dialer.store import tables as t
from dialer.store.common import DAY_BITS, AnyRow
from dialer.store.database import Tx
from dialer.store.partitions import ids_of, name_of
from dialer.store.types import Instant

SEALED = {"events": "event_id", "placements": "placement_id", "verdicts": "verdict_id"}
"""The sealed tables that are divided by months, and what numbers their rows."""
SPAN = 200_000
"""Ids of one statement: some tenths of a second, far from the time a statement gets."""
_kept = bindparam("kept", type_=ARRAY(BigInteger))


@dataclass(frozen=True, slots=True)
class Marks:
    """How far numbers went: what came later is above them."""

    attempts: int
    """The running number that attempts of all due dates share."""
    last: dict[str, int]
    """Sealed table → the month's highest id."""


def marks(tx: Tx, month: date) -> Marks:
    """Asked before the rows are looked through."""
    number = tx.execute(text("SELECT last_value FROM attempt_numbers")).scalar_one()
    return Marks(number, {kind: bounds(tx, kind, month)[1] for kind in SEALED})


def bounds(tx: Tx, kind: str, month: date) -> Span:
    """The lowest and the highest id of a sealed table's month; 0 and 0 where there is none."""
    key = SEALED[kind]
    asked = text(f"SELECT coalesce(min({key}), 0), coalesce(max({key}), 0) FROM {name_of(kind, month)}")
    first, last = tx.execute(asked).one()
    return first, last


def spans(found: Span) -> Iterator[Span]:
    """A statement's worth of ids each."""
    first, last = found
    return ((start, min(start + SPAN - 1, last)) for start in range(first, last + 1, SPAN))


def attempts_after(tx: Tx, month: date, before: datetime, after: int) -> AnyRow:
    """The next attempts by id: how many (`found`), the last id (`last`), how many have no final state (`going`), and
    the ids of those that were closed later than `before` (`young`)."""
    page = f"SELECT * FROM {name_of('attempts', month)} WHERE attempt_id > :after ORDER BY attempt_id LIMIT {SPAN}"
    young = "final IS NOT NULL AND (settled_at >= :before OR settled_at IS NULL)"
    asked = text(
        "SELECT count(*) AS found, max(attempt_id) AS last, count(*) FILTER (WHERE final IS NULL) AS going,"
        f" coalesce(array_agg(attempt_id) FILTER (WHERE {young}), ARRAY[]::bigint[]) AS young FROM ({page}) AS page"
    ).bindparams(bindparam("before", type_=Instant))
    return tx.execute(asked, {"after": after, "before": before}).one()


def with_open(tx: Tx, month: date, most: int) -> set[int]:
    """Ids of the month's attempts with an open task or promise; not many more than `most`."""
    k, p = t.tasks.c, t.promises.c
    # Distinct: an attempt may have several of them, and must not take the place of another under the limit.
    asked = ((k.attempt_id, k.done_at.is_(None)), (p.attempt_id, p.state == "open"))
    return {
        key
        for column, is_open in asked
        for key in tx.execute(select(column).distinct().where(is_open, _is_of(column, month)).limit(most + 1)).scalars()
    }


def _is_of(column: ColumnElement[int], month: date) -> ColumnElement[bool]:
    first, last = ids_of(month)
    return (column >= first) & (column < last)


def rows(tx: Tx, kind: str, month: date, span: Span, kept: Sequence[int]) -> int:
    """How many rows of a sealed table's month have an id of this span, but for those of attempts that are kept."""
    asked = text(f"SELECT count(*) {_rows_of(kind, month)}").bindparams(_kept)
    return int(tx.execute(asked, _given(span, kept)).scalar_one())


def sealed_spans(tx: Tx, kind: str, month: date, span: Span, kept: Sequence[int]) -> list[Span]:
    """The ids of those of them that a seal covers, as spans without gaps."""
    # Beside a number that rises by one a row, ids without a gap stay at the same distance.
    sealed = _rows_of(kind, month, f"JOIN digests d ON d.kind = '{kind}' AND d.row_id = e.{SEALED[kind]}")
    numbered = f"SELECT d.row_id, d.row_id - row_number() OVER (ORDER BY d.row_id) AS run {sealed}"
    asked = text(f"SELECT min(row_id), max(row_id) FROM ({numbered}) AS one GROUP BY run ORDER BY 1").bindparams(_kept)
    return [(first, last) for first, last in tx.execute(asked, _given(span, kept))]


def _rows_of(kind: str, month: date, beside: str = "") -> str:
    mine = f"e.{SEALED[kind]} BETWEEN :first AND :last"
    return f"FROM {name_of(kind, month)} e {beside} WHERE {mine} AND e.attempt_id <> ALL(:kept)"


def _given(span: Span, kept: Sequence[int]) -> dict[str, object]:
    return {"first": span[0], "last": span[1], "kept": list(kept)}


def is_as_before(tx: Tx, month: date, before: Marks, kept: set[int]) -> bool:
    """Whether nothing came to the month since these marks, and nothing was opened about another than the kept ones."""
    first, last = (number >> DAY_BITS for number in ids_of(month))
    # No attempt changes any more once it has a final state.
    asked = text(
        f"SELECT EXISTS (SELECT FROM generate_series(CAST(:first AS bigint), :last - 1) AS day, LATERAL (SELECT FROM"
        f" {name_of('attempts', month)} WHERE attempt_id > (day << {DAY_BITS}) + :number"
        f" AND attempt_id < ((day + 1) << {DAY_BITS}) LIMIT 1) AS later)"
    )
    if tx.execute(asked, {"first": first, "last": last, "number": before.attempts}).scalar():
        return False
    same = all(bounds(tx, kind, month)[1] == key for kind, key in before.last.items())
    return same and with_open(tx, month, len(kept)) <= kept


# --- after it was taken out -----------------------------------------------------------------------------------------


def unsalt(tx: Tx, kind: str, month: date, span: Span) -> None:
    """Takes the salts of the month's rows away, of those whose digests are still there."""
    tx.execute(
        text(
            f"UPDATE digests d SET salt = NULL FROM {name_of(kind, month)} e WHERE d.kind = :kind"
            f" AND d.row_id BETWEEN :first AND :last AND d.salt IS NOT NULL AND e.{SEALED[kind]} = d.row_id"
            # Said of both: the server does not conclude it, and would read the whole month for each span.
            f" AND e.{SEALED[kind]} BETWEEN :first AND :last"
        ),
        {"kind": kind, "first": span[0], "last": span[1]},
    )


def page_after(tx: Tx, month: date, after: int, most: int) -> int | None:
    """The last id of the next `most` attempts; None: there is none after this one."""
    page = f"SELECT attempt_id FROM {name_of('attempts', month)} WHERE attempt_id > :after ORDER BY 1 LIMIT :most"
    found: int | None = tx.execute(
        text(f"SELECT max(attempt_id) FROM ({page}) AS page"), {"after": after, "most": most}
    ).scalar()
    return found
