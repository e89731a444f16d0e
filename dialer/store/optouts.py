"""Opt-outs of forgotten persons: suppressions that name nobody, but a keyed hash of the person id or the phone.

The key is the installation's `forget_key`, else one made once and kept among the flags. Beside the database it is no
more than a salt: who has both can try out all phones.
"""

import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from secrets import token_hex
from typing import Any

from sqlalchemy import func, select, update

from dialer.errors import DialerError
from dialer.store.common import AnyRow, flag, flag_once, in_parts, insert_all
from dialer.store.database import Tx
from dialer.store.prepared import Prepared
from dialer.store.record_tables import opt_outs

KEY_FLAG = "forget_key"
OPTION = "forget_key"
"""The execution option under which the store's connections carry the key of the settings."""
KEY_BYTES = 32
SOURCE = "a forgotten record"
"""Where a suppression comes from that was found again by its marks."""
_o = opt_outs.c
_HOLDS = _o.lifted_at.is_(None)
"""As the partial index on the key wants it: whether there are any, and under which keys, is asked with every batch."""
_first_key = Prepared(select(func.min(_o.key)).where(_HOLDS))
_last_key = Prepared(select(func.max(_o.key)).where(_HOLDS))


@dataclass(frozen=True, slots=True)
class Kept:
    """An opt-out that was found again by its marks, as a suppression."""

    person_id: str | None
    phone: str | None
    both: bool
    channel: str
    until: date | None
    reason: str
    created_at: datetime
    lifted_at: datetime | None
    opt_out_id: int
    source: str = SOURCE
    lifted_reason: str | None = None


def in_force(tx: Tx, persons: Iterable[str], phones: Iterable[str], today: date | None = None) -> list[Kept]:
    """The opt-outs, not lifted, of any of these persons or phones; today: those that still hold.

    Raises DialerError where marks were made under a key that is not at hand: then nobody knows whom they name.
    """
    key = _key_at_hand(tx)
    if key is None:
        return []
    by_person = {_mark(key, "person", one): one for one in persons if one}
    by_phone = {_mark(key, "phone", one): one for one in phones if one}
    found: dict[int, Kept] = {}
    for column, marks in ((_o.person_mark, by_person), (_o.phone_mark, by_phone)):
        for some in in_parts(marks):
            for row in tx.execute(select(opt_outs).where(_o.lifted_at.is_(None), column.in_(some))):
                if today is None or row.until is None or row.until >= today:
                    found[row.opt_out_id] = _kept(row, by_person, by_phone)
    # One for this person on this phone holds where both were asked about.
    return [one for _, one in sorted(found.items()) if not one.both or (one.person_id and one.phone)]


def _kept(row: AnyRow, by_person: Mapping[str, str], by_phone: Mapping[str, str]) -> Kept:
    return Kept(
        by_person.get(row.person_mark or ""), by_phone.get(row.phone_mark or ""), row.both, row.channel, row.until,
        row.reason, row.created_at, row.lifted_at, row.opt_out_id,
    )  # fmt: skip


def add(tx: Tx, rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Keeps suppressions (person_id, phone, both, channel, until, reason, created_at) without naming anybody."""
    if not rows:
        return
    key = _key(tx, now)
    names = ("both", "channel", "until", "reason", "created_at")
    made = [
        {
            "person_mark": _mark(key, "person", row["person_id"]) if row["person_id"] else None,
            "phone_mark": _mark(key, "phone", row["phone"]) if row["phone"] else None,
            "key": _name_of(key),
            **{name: row[name] for name in names},
        }
        for row in rows
    ]
    insert_all(tx, opt_outs, made)


def lift(tx: Tx, person: str | None, phone: str | None, channel: str, now: datetime) -> list[Kept]:
    """Ends those that name this person or this phone. With a channel, the other one stays. Returns what was ended."""
    persons, phones = [one for one in (person,) if one], [one for one in (phone,) if one]
    found = [one for one in in_force(tx, persons, phones) if not channel or one.channel in ("", channel)]
    for one in found:
        other = {"voice": "sms", "sms": "voice"}[channel] if channel and not one.channel else ""
        values = {"channel": other} if other else {"lifted_at": now}
        tx.execute(update(opt_outs).where(_o.opt_out_id == one.opt_out_id).values(**values))
    return found


def _key_at_hand(tx: Tx) -> bytes | None:
    """The key of the settings, else the database's own. None: no opt-out is in force, so none is needed.

    Raises DialerError where opt-outs in force were made under another one.
    """
    first = _first_key.scalar(tx)
    if first is None:
        return None
    key = _key_of(tx)
    if {first, _last_key.scalar(tx)} != {_name_of(key)}:
        raise DialerError(
            "opt-outs of forgotten persons were made under another forget_key, so nobody knows whom they name and "
            "nobody is called; give DIALER_FORGET_KEY its former value"
        )
    return key


def _key_of(tx: Tx) -> bytes:
    return str(tx.get_execution_options().get(OPTION) or flag(tx, KEY_FLAG)).encode()


def _key(tx: Tx, now: datetime) -> bytes:
    """The same, made where there is none."""
    if not _key_of(tx):
        flag_once(tx, KEY_FLAG, token_hex(KEY_BYTES), now)
    return _key_at_hand(tx) or _key_of(tx)


def _mark(key: bytes, what: str, value: str) -> str:
    """HMAC-SHA256 of a person id or a phone."""
    return hmac.digest(key, f"{what}\0{value}".encode(), "sha256").hex()


def _name_of(key: bytes) -> str:
    """Tells keys apart without telling them."""
    return hmac.digest(key, b"name", "sha256").hex()[:16]
