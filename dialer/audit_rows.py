"""Each row of a sealed table beside its digest, in the order of ids; and the digests beside their seals' parts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from dialer.erased import Erased
from dialer.record import digest, leaf
from dialer.store import Tx
from dialer.store import record as record_store
from dialer.store.record import COLUMNS, VERSION

PAGE = 5_000
LOWEST = -(1 << 63)

Tell = Callable[[str, int | None, str], None]
"""(table, id, what is wrong)"""


@dataclass(slots=True)
class Counted:
    """Rows of one table."""

    sealed: int = 0
    erased: int = 0
    waiting: int = 0

    def told(self) -> dict[str, int]:
        return {"sealed": self.sealed, "erased": self.erased, "waiting": self.waiting}


@dataclass(slots=True)
class _Sum:
    """A part's digests as far as they were seen."""

    first_id: int
    last_id: int
    rows: int = 0
    hash: Any = field(default_factory=sha256)

    def add(self, key: int, one: bytes) -> None:
        self.last_id = key
        self.rows += 1
        self.hash.update(leaf(key, one))


class Look:
    """A look through one table. What is wrong goes to `tell`."""

    def __init__(self, tx: Tx, kind: str, erased: Erased, now: datetime, tell: Tell) -> None:
        self._tx, self._kind, self._erased, self._tell = tx, kind, erased, tell
        self._sealed_to = record_store.sealed_to(tx, kind, now)
        self._parts: dict[int, Any] = {}
        self._sums: dict[int, _Sum] = {}
        self._whole: set[int] = set()
        self._count = Counted()

    def run(self) -> Counted:
        for key, row, one in self._pairs():
            if one is not None:
                self._add(key, one)
            if one is None:
                self._without_seal(key)
            elif row is None:
                self._without_row(key, one)
            else:
                self._compare(key, row, one)
        self._unfinished()
        return self._count

    def _pairs(self) -> Iterator[tuple[int, Any, Any]]:
        """(id, row or None, digest or None), page by page."""
        after = LOWEST
        while True:
            given = record_store.digests_after(self._tx, self._kind, after, PAGE)
            digests = {one.row_id: one for one in given if isinstance(one.row_id, int)}
            until = max(digests) if len(digests) == PAGE else None
            found = record_store.rows_after(self._tx, self._kind, VERSION, after, PAGE, until)
            rows = {row[0]: row for row in found}
            if len(found) == PAGE:
                until = found[-1][0]
                digests = {key: one for key, one in digests.items() if key <= until}
            self._learn({one.seal_id for one in digests.values()})
            for key in sorted(rows.keys() | digests.keys()):
                yield key, rows.get(key), digests.get(key)
            for one in given:
                if not isinstance(one.row_id, int):
                    self._tell("digests", None, f"{self._kind} {one.row_id}: is no id")
            if until is None:
                return
            after = until

    def _learn(self, seal_ids: set[int]) -> None:
        self._parts.update(record_store.parts(self._tx, self._kind, seal_ids - self._parts.keys() - self._whole))

    def _add(self, key: int, one: Any) -> None:
        found = self._sums.setdefault(one.seal_id, _Sum(key, key))
        found.add(key, one.digest)
        part = self._parts.get(one.seal_id)
        if part is not None and found.rows == part.rows:
            self._finish(one.seal_id, part, self._sums.pop(one.seal_id))

    def _finish(self, seal_id: int, part: Any, found: _Sum) -> None:
        if (found.first_id, found.last_id, found.hash.hexdigest()) != (part.first_id, part.last_id, part.root):
            self._tell("digests", None, f"{_seal(part, seal_id)}: its digests of {self._kind} were changed")
        self._whole.add(seal_id)

    def _without_seal(self, key: int) -> None:
        if self._erased.is_gone(key):
            self._tell(self._kind, key, "was erased, and is there again")
        elif key <= self._sealed_to:
            self._tell(self._kind, key, "was put among rows that are sealed")
        else:
            self._count.waiting += 1

    def _without_row(self, key: int, one: Any) -> None:
        if self._erased.is_gone(key):
            self._count.erased += 1
        else:
            self._tell(self._kind, key, f"was removed; {self._sealed_by(one)}")

    def _compare(self, key: int, row: Any, one: Any) -> None:
        part = self._parts.get(one.seal_id)
        version = getattr(part, "version", None) or VERSION
        if self._erased.is_gone(key):
            self._tell(self._kind, key, f"was erased, and is there again; {self._sealed_by(one)}")
        elif (remains := self._erased.remains.get(key)) is not None:
            if digest(self._kind, row).hex() == remains:
                self._count.erased += 1
            else:
                self._tell(self._kind, key, f"was changed after it was erased; {self._sealed_by(one)}")
        elif one.salt is not None and _digest(self._kind, row, one.salt, version) == one.digest:
            self._count.sealed += 1
        else:
            self._tell(self._kind, key, f"was changed; {self._sealed_by(one)}")

    def _sealed_by(self, one: Any) -> str:
        return f"sealed by {_seal(self._parts.get(one.seal_id), one.seal_id)}"

    def _unfinished(self) -> None:
        """Parts whose digests are not all there: dropped after all of their rows were purged, or removed."""
        for seal_id, found in self._sums.items():
            part = self._parts.get(seal_id)
            of = f" of {part.rows}" if part is not None and _is_whole(part) and part.rows > found.rows else ""
            self._tell("digests", None, f"{_seal(part, seal_id)}: it has {found.rows}{of} digests of {self._kind}")
        after = LOWEST
        while page := record_store.parts_after(self._tx, self._kind, after, PAGE):
            gone = [part for part in page if part.seal_id not in self._whole and part.seal_id not in self._sums]
            for part in gone:
                if _is_whole(part) and self._erased.count(part.first_id, part.last_id) >= part.rows:
                    self._count.erased += part.rows
                else:
                    text = f"all {part.rows} digests of {self._kind} are missing"
                    self._tell("digests", None, f"seal {part.seal_id}: {text}")
            orphans = {part.seal_id for part in page} - record_store.seal_ids(self._tx, [one.seal_id for one in page])
            for seal_id in sorted(orphans):
                self._tell("seals", seal_id, "is missing; what it sealed is still there")
            after = page[-1].seal_id


def _digest(kind: str, row: Any, salt: Any, version: int) -> bytes:
    if not isinstance(salt, bytes) or version not in COLUMNS:
        return b""
    values = row if version == VERSION else [row._mapping[name] for name in COLUMNS[version][kind]]
    return digest(kind, values, salt, version)


def _is_whole(part: Any) -> bool:
    """Whether it holds numbers where numbers belong: SQLite takes any text."""
    return all(isinstance(one, int) for one in (part.first_id, part.last_id, part.rows))


def _seal(part: Any, seal_id: int) -> str:
    """Where a seal stands, as far as that is known."""
    if part is None or part.chain is None:
        return f"seal {seal_id}, which is missing"
    return f"seal {part.number} of chain {part.chain}"
