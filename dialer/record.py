"""The record: verdicts, events, placements, actions and erasures, sealed in batches into one hash chain a worker.

A row is never touched by its seal: the sweep reads what is there, writes a salted digest of each row into a table of
its own, and a seal over the digests. So writers wait for nobody, and a row can be erased while the chain stays whole.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from hashlib import sha256
from os import urandom
from typing import Any

from dialer.house import House
from dialer.store import Tx
from dialer.store import record as record_store
from dialer.store.record import COLUMNS, TABLES, VERSION
from dialer.store.types import EPOCH, MICROSECOND

DESK = "desk"
"""The chain of what commands seal."""
ROWS_MAX = 2_000
"""Rows sealed in one transaction: about 20 ms."""
SALT_BYTES = 16
DOCUMENTS = {"events": frozenset({"data"}), "verdicts": frozenset({"saw"}), "erasures": frozenset({"remains"})}
"""Columns that hold JSON: sealed by what they say, however it is spaced or ordered."""


async def seal(house: House, chain: str) -> int:
    """Seals everything that is there and no seal covers yet, a batch a transaction. Returns how many rows."""
    sealed, now = 0, house.clock.now()
    # Not what comes meanwhile: of several workers that dial, more may come than is sealed in the time.
    ends = await house.store.read(ends_now)
    while found := await house.store.write(partial(seal_batch, chain=chain, now=now, ends=ends)):
        sealed += found
        if found < ROWS_MAX:
            break
    return sealed


def ends_now(tx: Tx) -> dict[str, int]:
    """Sealed table → its highest id."""
    return {kind: record_store.last_id(tx, kind) for kind in TABLES}


def seal_batch(tx: Tx, chain: str, now: datetime, ends: Mapping[str, int]) -> int:
    """One seal over at most ROWS_MAX rows, of each table up to this id. Returns how many; 0: there was nothing, and no
    seal is made."""
    parts, digests, left = [], [], ROWS_MAX
    for kind in TABLES:
        rows = record_store.unsealed(tx, kind, now, ends[kind], left) if left else ()
        if rows:
            made = _digested(kind, rows)
            parts.append(_part(kind, made))
            digests.append(made)
            left -= len(rows)
    if parts:
        record_store.add_seal(tx, _seal(tx, chain, now, parts), parts, digests)
    return ROWS_MAX - left


def _digested(kind: str, rows: Sequence[Any]) -> list[dict[str, Any]]:
    salts = urandom(SALT_BYTES * len(rows))
    made = []
    for number, row in enumerate(rows):
        salt = salts[number * SALT_BYTES : (number + 1) * SALT_BYTES]
        made.append({"kind": kind, "row_id": row[0], "salt": salt, "digest": digest(kind, row, salt)})
    return made


def _part(kind: str, made: Sequence[dict[str, Any]]) -> dict[str, Any]:
    ids = [row["row_id"] for row in made]
    root = root_of((row["row_id"], row["digest"]) for row in made)
    return {"kind": kind, "first_id": ids[0], "last_id": ids[-1], "rows": len(ids), "root": root}


def _seal(tx: Tx, chain: str, now: datetime, parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    ends = record_store.ends(tx)
    if own := ends.get(chain):
        number, parents = own.number + 1, [own.hash]
    else:
        # A worker's first seal holds fast the ends of the chains before: none can be cut short any more.
        number, parents = 1, sorted(one.hash for one in ends.values() if not one.joined)
    at = (now - EPOCH) // MICROSECOND
    hash_ = seal_hash(VERSION, chain, number, at, parents, [tuple(part.values()) for part in parts])
    return {
        "chain": chain, "number": number, "at": now, "version": VERSION, "parents": " ".join(parents), "hash": hash_,
    }  # fmt: skip


def seal_hash(
    version: int, chain: str, number: int, at: int, parents: Sequence[str], parts: Sequence[tuple[Any, ...]]
) -> str:
    """sha256 of a seal. `at` in microseconds since 1970; a part is (kind, first id, last id, rows, root)."""
    words = [version, chain, number, at, list(parents), sorted(list(part) for part in parts)]
    return sha256(json.dumps(words, separators=(",", ":")).encode()).hexdigest()


def root_of(rows: Iterable[tuple[int, bytes]]) -> str:
    """sha256 over (id, digest) in the order of ids."""
    found = sha256()
    for key, one in rows:
        found.update(leaf(key, one))
    return found.hexdigest()


def leaf(key: int, one: bytes) -> bytes:
    """What a row adds to its seal."""
    return key.to_bytes(8, "big", signed=True) + one


def digest(kind: str, row: Sequence[Any], salt: bytes = b"", version: int = VERSION) -> bytes:
    """sha256 over the salt and the row's canonical form."""
    return sha256(salt + payload(kind, row, version)).digest()


def payload(kind: str, row: Sequence[Any], version: int = VERSION) -> bytes:
    """A row in its canonical form: version, table, and its values in the order of COLUMNS, as JSON."""
    documents = DOCUMENTS.get(kind, ())
    values = [
        _document(value) if name in documents else _plain(value)
        for name, value in zip(COLUMNS[version][kind], row, strict=True)
    ]
    return json.dumps([version, kind, *values], sort_keys=True, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    if value is None or type(value) in (int, str):
        return value
    # PostgreSQL has booleans of its own; anything else was written by hand.
    return int(value) if isinstance(value, bool) else {"strange": repr(value)}


def _document(value: Any) -> Any:
    if not isinstance(value, str):
        return value if value is None or isinstance(value, dict | list) else _plain(value)
    try:
        return json.loads(value)
    except ValueError:
        return {"unreadable": value}
