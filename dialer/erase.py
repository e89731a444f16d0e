"""Erasing sealed rows so that it is seen: one action tells how many, erasures which, and both are sealed in turn."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dialer.erased import Span, ranges, size, told, written
from dialer.record import digest
from dialer.store import Tx
from dialer.store import erasure as erasure_store
from dialer.store import record as record_store

SPANS_MAX = 5_000
"""Spans of one erasure: some 80 kB."""


@dataclass(slots=True)
class Eraser:
    """Collects what one action erases; `close` writes the action and its erasures. All in one transaction."""

    tx: Tx
    now: datetime
    counts: Counter[str] = field(default_factory=Counter)
    """Table → rows, of all that was erased."""
    _erasures: list[dict[str, Any]] = field(default_factory=list)
    _sealed: dict[str, int] = field(default_factory=dict)

    def blank(self, kind: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Writes over columns: rows of `of`, the id, and the columns' new values."""
        erasure_store.blank(self.tx, kind, rows)
        self.add({kind: len(rows)})
        ids = record_store.sealed_among(self.tx, kind, (row["of"] for row in rows))
        remains = {str(row[0]): digest(kind, row).hex() for row in record_store.read_again(self.tx, kind, ids)}
        self._note(kind, ids, remains)

    def remove(self, kind: str, ids: Sequence[int]) -> None:
        """Deletes rows, but the one with the highest id."""
        last = record_store.last_id(self.tx, kind)
        gone = sorted(key for key in ids if key != last)
        erasure_store.remove(self.tx, kind, gone)
        self.add({kind: len(gone)})
        self._note(kind, record_store.sealed_among(self.tx, kind, gone), {})

    def gone(self, kind: str, parts: Sequence[Span], rows: int) -> None:
        """Notes sealed rows that go with their whole table, which has so many rows; their digests are seen to later."""
        self.add({kind: rows})
        for start in range(0, len(parts), SPANS_MAX):
            some = parts[start : start + SPANS_MAX]
            self._write(kind, size(some), written(some), {})

    def add(self, counts: Mapping[str, int]) -> None:
        """Counts what was erased without a seal."""
        self.counts.update(counts)

    def _note(self, kind: str, ids: Iterable[int], remains: Mapping[str, str]) -> None:
        ids = list(ids)
        if ids:
            record_store.unsalt(self.tx, kind, ids)
            self._write(kind, len(ids), ranges(ids), remains)

    def _write(self, kind: str, rows: int, ids: str, remains: Mapping[str, str]) -> None:
        self._sealed[kind] = self._sealed.get(kind, 0) + rows
        own = {"at": self.now, "kind": kind, "rows": rows, "ids": ids, "remains": dict(remains)}
        self._erasures.append(own)

    def close(self, action: str, detail: str) -> int:
        """Notes the action and returns its id."""
        detail = f"{detail}: sealed rows {told(self._sealed) or '0'}"
        key = record_store.add_action(self.tx, action, "", detail, self.now)
        record_store.add_erasures(self.tx, [{"action_id": key, **one} for one in self._erasures])
        return key
