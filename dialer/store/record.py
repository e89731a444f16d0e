"""Statements of the record: rows as they are sealed, the seals over them, and what was erased."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Select,
    String,
    Table,
    bindparam,
    exists,
    func,
    select,
    update,
)
from sqlalchemy import type_coerce as as_type

from dialer.store import record_tables as r
from dialer.store import tables as t
from dialer.store.common import AnyRow, Values, in_parts, insert_all, put_all
from dialer.store.database import Tx
from dialer.store.prepared import Prepared
from dialer.store.types import AsText, Instant

TABLES: dict[str, Table] = {
    "verdicts": t.verdicts,
    "events": t.events,
    "placements": r.placements,
    "actions": t.actions,
    "erasures": r.erasures,
}
"""What is sealed. Rows are only ever added here; purge and forget erase, and write down what."""
COLUMNS: dict[int, dict[str, tuple[str, ...]]] = {
    1: {
        "verdicts": ("verdict_id", "attempt_id", "at", "stage", "verdict", "rule", "until", "reason", "saw"),
        "events": ("event_id", "attempt_id", "kind", "at", "received_at", "identity", "stray", "data"),
        "placements": (
            "placement_id", "attempt_id", "campaign_id", "version", "person_id", "phone", "channel", "script", "line",
            "caller", "worker", "claimed_at",
        ),
        "actions": ("action_id", "at", "action", "subject", "detail"),
        "erasures": ("erasure_id", "action_id", "at", "kind", "rows", "ids", "remains"),
    }
}  # fmt: skip
"""Version of the serialisation → table → its columns, the id first. A new column needs a new version: rows that were
sealed under an older one are read as they were."""
VERSION = max(COLUMNS)
LATE = timedelta(minutes=5)
"""PostgreSQL: a row may become visible after rows with higher ids, at most as late as the longest transaction."""


def key_of(kind: str) -> Column[Any]:
    return next(iter(TABLES[kind].primary_key.columns))


def _raw(column: Column[Any]) -> ColumnElement[Any]:
    """As it is stored: what somebody wrote into the file by hand must not end the look at it."""
    if isinstance(column.type, JSON):
        return AsText(column).label(column.name)
    if isinstance(column.type, Instant):
        return as_type(column, BigInteger).label(column.name)
    return as_type(column, column.type if isinstance(column.type, BigInteger) else String).label(column.name)


def _rows(kind: str, version: int) -> Select[*tuple[Any, ...]]:
    return select(*(_raw(TABLES[kind].c[name]) for name in COLUMNS[version][kind]))


def _late(tx: Tx) -> timedelta:
    """SQLite has one writer: ids become visible in their order."""
    return timedelta(0) if tx.dialect.name == "sqlite" else LATE


_last = Prepared(
    select(r.seal_parts.c.last_id)
    .join(r.seals, r.seals.c.seal_id == r.seal_parts.c.seal_id)
    .where(r.seal_parts.c.kind == bindparam("of"), r.seals.c.at <= bindparam("before"))
    .order_by(r.seal_parts.c.seal_id.desc())
    .limit(1)
)


def sealed_to(tx: Tx, kind: str, now: datetime) -> int:
    """Up to this id nothing unsealed can come any more; what is there unsealed was put there."""
    return _last.scalar(tx, of=kind, before=now - _late(tx)) or 0


_d = r.digests.c


@lru_cache(maxsize=8)
def _unsealed(kind: str) -> Prepared:
    key = key_of(kind)
    known = exists().where(_d.kind == kind, _d.row_id == key)
    mine = (key > bindparam("after"), key <= bindparam("until"), ~known)
    return Prepared(_rows(kind, VERSION).where(*mine).order_by(key).limit(bindparam("most")))


def unsealed(tx: Tx, kind: str, now: datetime, until: int, most: int) -> Sequence[AnyRow]:
    """Rows without a seal as they are stored, up to this id, in the order of ids. Each is looked up: an id alone tells
    nothing."""
    return _unsealed(kind).all(tx, after=sealed_to(tx, kind, now), until=until, most=most)


_ends = Prepared(select(r.heads).order_by(r.heads.c.chain))


def ends(tx: Tx) -> dict[str, AnyRow]:
    """chain → its end as it was noted: number, hash, joined."""
    return {row.chain: row for row in _ends.all(tx)}


def add_seal(tx: Tx, seal: Values, parts: Sequence[Values], digests: Iterable[Sequence[Values]]) -> None:
    """A seal with its parts and the digests of each; the chain ends with it."""
    key = tx.execute(r.seals.insert().values(**seal).returning(r.seals.c.seal_id)).scalar_one()
    insert_all(tx, r.seal_parts, [{**part, "seal_id": key} for part in parts])
    for rows in digests:
        insert_all(tx, r.digests, [{**row, "seal_id": key} for row in rows])
    if seal["number"] == 1:
        tx.execute(update(r.heads).values(joined=True))
    head = {name: seal[name] for name in ("chain", "number", "hash")}
    put_all(tx, r.heads, [{**head, "joined": False}])


# --- looking through it ---------------------------------------------------------------------------------------------


def rows_after(tx: Tx, kind: str, version: int, after: int, most: int, until: int | None = None) -> Sequence[AnyRow]:
    """Rows as they are stored, in the order of ids, (after, until]."""
    key = key_of(kind)
    statement = _rows(kind, version).where(key > after)
    statement = statement if until is None else statement.where(key <= until)
    return tx.execute(statement.order_by(key).limit(most)).all()


_digests_after = Prepared(
    select(_d.row_id, _d.seal_id, _d.salt, _d.digest)
    .where(_d.kind == bindparam("of"), _d.row_id > bindparam("after"))
    .order_by(_d.row_id)
    .limit(bindparam("most"))
)


def digests_after(tx: Tx, kind: str, after: int, most: int) -> Sequence[AnyRow]:
    """(row_id, seal_id, salt, digest) in the order of ids."""
    return _digests_after.all(tx, of=kind, after=after, most=most)


def parts(tx: Tx, kind: str, seal_ids: Iterable[int]) -> dict[int, AnyRow]:
    """seal id → its part for this table, with the seal's chain, number, at and version."""
    p, s = r.seal_parts.c, r.seals.c
    found: dict[int, AnyRow] = {}
    for some in in_parts(seal_ids):
        statement = (
            select(r.seal_parts, s.chain, s.number, as_type(s.at, BigInteger).label("at"), s.version)
            .outerjoin(r.seals, s.seal_id == p.seal_id)
            .where(p.kind == kind, p.seal_id.in_(some))
        )
        found.update((row.seal_id, row) for row in tx.execute(statement))
    return found


def parts_after(tx: Tx, kind: str, after: int, most: int) -> Sequence[AnyRow]:
    p = r.seal_parts.c
    statement = select(r.seal_parts).where(p.kind == kind, p.seal_id > after)
    return tx.execute(statement.order_by(p.seal_id).limit(most)).all()


def seals(tx: Tx, most: int) -> Iterator[tuple[AnyRow, list[AnyRow]]]:
    """Every seal with its parts, chain by chain, in the order of numbers."""
    s, p = r.seals.c, r.seal_parts.c
    chain, number = "", 0
    while True:
        after = (s.chain > chain) | ((s.chain == chain) & (s.number > number))
        wanted = (s.seal_id, s.chain, s.number, as_type(s.at, BigInteger).label("at"), s.version, s.parents, s.hash)
        page = tx.execute(select(*wanted).where(after).order_by(s.chain, s.number).limit(most)).all()
        # The key begins with the table's name, so each is asked for by itself.
        found = [
            row
            for kind in TABLES
            for part in in_parts(row.seal_id for row in page)
            for row in tx.execute(select(r.seal_parts).where(p.kind == kind, p.seal_id.in_(part)))
        ]
        found.sort(key=lambda part: part.seal_id)
        by_seal = {key: list(group) for key, group in groupby(found, attrgetter("seal_id"))}
        yield from ((row, by_seal.get(row.seal_id, [])) for row in page)
        if len(page) < most:
            return
        chain, number = page[-1].chain, page[-1].number


def hashes(tx: Tx, wanted: Iterable[str]) -> set[str]:
    """Those of these hashes that a seal has."""
    found: set[str] = set()
    for some in in_parts(wanted):
        found.update(tx.execute(select(r.seals.c.hash).where(r.seals.c.hash.in_(some))).scalars())
    return found


def seal_ids(tx: Tx, wanted: Iterable[int]) -> set[int]:
    """Those of these seals that are there."""
    found: set[int] = set()
    for some in in_parts(wanted):
        found.update(tx.execute(select(r.seals.c.seal_id).where(r.seals.c.seal_id.in_(some))).scalars())
    return found


def seal_of(tx: Tx, hash_: str) -> AnyRow | None:
    """The one seal whose hash begins so: number, chain, at in microseconds."""
    s = r.seals.c
    wanted = select(s.number, s.chain, as_type(s.at, BigInteger).label("at"))
    statement = wanted.where(s.hash.startswith(hash_, autoescape=True)).order_by(s.seal_id).limit(2)
    found = tx.execute(statement).all()
    return found[0] if len(found) == 1 else None


# --- what was erased ------------------------------------------------------------------------------------------------


def erasures(tx: Tx) -> Sequence[AnyRow]:
    """Every erasure, the first one first, with what was done: action is null where there is no such action."""
    e, a = r.erasures.c, t.actions.c
    return tx.execute(
        select(
            e.erasure_id,
            e.action_id,
            e.kind,
            e.rows,
            e.ids,
            AsText(e.remains).label("remains"),
            a.action,
            a.detail,
        )
        .outerjoin(t.actions, a.action_id == e.action_id)
        .order_by(e.erasure_id)
    ).all()


def add_action(tx: Tx, action: str, subject: str, detail: str, now: datetime) -> int:
    """The same as `note_action`, with the new row's id."""
    row = {"at": now, "action": action, "subject": subject, "detail": detail}
    return int(tx.execute(t.actions.insert().values(**row).returning(t.actions.c.action_id)).scalar_one())


def sealed_among(tx: Tx, kind: str, ids: Iterable[int]) -> list[int]:
    """Those of these rows that a seal covers, in order."""
    found: list[int] = []
    for some in in_parts(ids):
        found.extend(tx.execute(select(_d.row_id).where(_d.kind == kind, _d.row_id.in_(some))).scalars())
    return sorted(found)


def read_again(tx: Tx, kind: str, ids: Iterable[int]) -> list[AnyRow]:
    """These rows as they are stored now."""
    key = key_of(kind)
    return [row for some in in_parts(ids) for row in tx.execute(_rows(kind, VERSION).where(key.in_(some)))]


def unsalt(tx: Tx, kind: str, ids: Iterable[int]) -> None:
    """Takes the salts away: from the digest alone nobody can find out what the row said."""
    for some in in_parts(ids):
        tx.execute(update(r.digests).where(_d.kind == kind, _d.row_id.in_(some)).values(salt=None))


def add_erasures(tx: Tx, rows: Sequence[Values]) -> None:
    insert_all(tx, r.erasures, rows)


def last_id(tx: Tx, kind: str) -> int:
    """The highest id: it is never purged, or SQLite would give it to another row."""
    return tx.execute(select(func.max(key_of(kind)))).scalar() or 0
