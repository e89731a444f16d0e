"""Statements about a database that went back in time: how far it was, what the lost time may have placed."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy import ColumnElement, func, select, text, update

from dialer.store import record
from dialer.store import record_tables as r
from dialer.store import tables as t
from dialer.store.common import set_flag
from dialer.store.database import Tx
from dialer.store.prepared import Prepared
from dialer.store.queues import PLANNED
from dialer.store.types import EPOCH

RESTORED = "restored"
"""Flag: the database went back in time, and not everything was asked about yet."""
RESTORED_AT = "restored_at"
"""Flag, for good: the same, once everything was asked about."""
BACKUP = "backup"
"""Flag, in copies that `dialer backup` made: the copy's instant."""
TOKEN = "installation"
"""Flag: what tells this installation's database from another's."""


@dataclass(frozen=True, slots=True)
class Gap:
    """The time that a restored database knows nothing of: from the copy's instant until it was put in place."""

    since: datetime
    at: datetime

    @classmethod
    def read(cls, text: str) -> Self:
        found = json.loads(text)
        return cls(datetime.fromisoformat(found["since"]), datetime.fromisoformat(found["at"]))

    def text(self) -> str:
        return json.dumps({"since": self.since.isoformat(), "at": self.at.isoformat()})


@dataclass(frozen=True, slots=True)
class High:
    """The highest ids: they only grow, so a database that has lower ones is an older one."""

    attempts: int = 0
    """The next number of an attempt."""
    placements: int = 0
    events: int = 0
    actions: int = 0

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Self:
        """Raises ValueError or KeyError for what is none."""
        return cls(**{name: int(found[name]) for name in asdict(cls())})

    def is_behind(self, other: "High") -> bool:
        mine, theirs = asdict(self), asdict(other)
        return any(mine[name] < theirs[name] for name in mine)

    def or_more(self, other: "High") -> "High":
        mine, theirs = asdict(self), asdict(other)
        return High(**{name: max(mine[name], theirs[name]) for name in mine})


_next = select(t.numbers.c.next).where(t.numbers.c.name == "attempt")


def _next_number(tx: Tx) -> Any:
    return text("SELECT last_value + 1 FROM attempt_numbers") if tx.dialect.name == "postgresql" else _next


def highest(tx: Tx, now: datetime) -> High:
    """The highest ids ever given here: what was purged counts, its seals are still there."""
    found = {"attempts": tx.execute(_next_number(tx)).scalar() or 1}
    for kind in ("placements", "events", "actions"):
        last = tx.execute(select(func.max(record.key_of(kind)))).scalar() or 0
        found[kind] = max(last, record.sealed_to(tx, kind, now))
    return High(**found)


def raise_numbers(tx: Tx, least: int) -> None:
    """No attempt gets a number below `least` from here on."""
    if tx.dialect.name == "postgresql":
        raised = text("SELECT setval('attempt_numbers', greatest(last_value, :least)) FROM attempt_numbers")
        tx.execute(raised, {"least": least})
        return
    known = tx.execute(_next).scalar()
    if known is None:
        tx.execute(t.numbers.insert(), {"name": "attempt", "next": least})
    elif known < least:
        tx.execute(update(t.numbers).where(t.numbers.c.name == "attempt").values(next=least))


_newest = (
    select(func.max(t.lines.c.heard_at)),
    select(t.events.c.received_at).order_by(t.events.c.event_id.desc()).limit(1),
    select(r.placements.c.claimed_at).order_by(r.placements.c.placement_id.desc()).limit(1),
    select(t.actions.c.at).order_by(t.actions.c.action_id.desc()).limit(1),
)


def newest(tx: Tx) -> datetime:
    """The newest instant that the database knows of; 1970 in an empty one."""
    found = (tx.execute(statement).scalar() for statement in _newest)
    return max((at for at in found if at is not None), default=EPOCH)


_gaps = Prepared(
    select(t.flags.c.value, t.flags.c.name).where((t.flags.c.name == RESTORED) | (t.flags.c.name == RESTORED_AT))
)


def gap(tx: Tx) -> Gap | None:
    """The lost time, as long as something is to be asked about; None: there is none."""
    return next((Gap.read(text) for text, name in _gaps.all(tx) if name == RESTORED), None)


def lost_until(tx: Tx) -> datetime | None:
    """The end of the last lost time, for good: what had its slot by then may have been placed under another id."""
    return max((Gap.read(text).at for text, _ in _gaps.all(tx)), default=None)


def reconciled(tx: Tx) -> tuple[Gap, datetime] | None:
    """The last lost time that was asked about wholly, and when that ended."""
    row = tx.execute(select(t.flags.c.value, t.flags.c.set_at).where(t.flags.c.name == RESTORED_AT)).first()
    return None if row is None else (Gap.read(row.value), row.set_at)


def _unasked(lost: Gap) -> tuple[ColumnElement[bool], ...]:
    a = t.attempts.c
    return PLANNED, a.planned_for <= lost.at, a.valid_until >= lost.since


def to_ask(tx: Tx, lost: Gap) -> list[int]:
    """Planned attempts that may have been placed in the lost time. Walks over all that is planned."""
    a = t.attempts.c
    statement = select(a.attempt_id).where(*_unasked(lost)).order_by(a.planned_for, a.attempt_id)
    return list(tx.execute(statement).scalars())


def left(tx: Tx, lost: Gap) -> int:
    """How many are still to be asked about."""
    return tx.execute(select(func.count()).select_from(t.attempts).where(*_unasked(lost))).scalar_one()


def close(tx: Tx, lost: Gap, now: datetime) -> bool:
    """Everything was asked about: `restored` becomes `restored_at`. False: something is left."""
    if left(tx, lost):
        return False
    set_flag(tx, RESTORED, None, now)
    set_flag(tx, RESTORED_AT, lost.text(), now)
    return True
