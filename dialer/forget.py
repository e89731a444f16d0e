"""`dialer forget`: erases a person from the database. Who opted out stays so, without being named."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from secrets import token_hex
from typing import Any

from campaigns.model import Outcome, Reason
from dialer import record
from dialer.erase import Eraser
from dialer.errors import DialerError
from dialer.house import House
from dialer.log import mask_phone
from dialer.months import refuse_while_taken_out
from dialer.restored import refuse_while_asking
from dialer.store import Tx, locks, optouts, planbook
from dialer.store import erasure as erasure_store
from dialer.store.erasure import Known

KEPT_OF_EVENTS = ("disposition", "talk_s")
"""What an event's data may still say; all else is what the person said or how it is found."""
BEFORE = "contacted shortly before it was forgotten"
OTHER = "suppressed before it was forgotten"
"""In the place of an operator's own words, which may name somebody."""
WORD_LEAST = 4
"""An id this short is no word to look for in texts: it would be found everywhere."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was erased."""

    counts: dict[str, int]
    """Table → rows, of all that were erased wholly or in part."""
    cancelled: int
    """Planned attempts."""
    opt_outs: int
    """Suppressions that stay in force under a keyed hash."""
    shared: int
    """Numbers of the person that somebody else has too: they stay with them."""
    pages_cleared: bool
    """False: the database's log may hold old pages for a while."""


def look(tx: Tx, person_id: str) -> Known:
    """What would be forgotten. Raises DialerError for an id that is not known, and while an attempt runs."""
    known = erasure_store.known_of(tx, person_id)
    if known is None:
        near = get_close_matches(person_id, erasure_store.persons_like(tx, person_id), n=5, cutoff=0.5)
        hint = f"; the nearest ids are {', '.join(near)}" if near else ""
        raise DialerError(f'no person has the id "{person_id}"{hint}; nothing was erased')
    return known


async def forget(house: House, person_id: str) -> Forgotten:
    """Erases the person. Raises DialerError where it is not known, or an attempt runs."""
    # What is erased is sealed first: the record must show that something was there.
    await record.seal(house, record.DESK)
    now = house.clock.now()
    done = await house.store.write(lambda tx: _forget(tx, house, person_id, now))
    await record.seal(house, record.DESK)
    return Forgotten(*done, pages_cleared=await house.store.forget_pages())


def _forget(tx: Tx, house: House, person_id: str, now: datetime) -> tuple[dict[str, int], int, int, int]:
    refuse_while_asking(tx, "nothing was erased")
    refuse_while_taken_out(tx)
    locks.persons(tx, [person_id])
    known = look(tx, person_id)
    if known.running:
        times = [row.check_at for row in known.running if row.check_at is not None]
        when = max(max(times, default=now), now + timedelta(minutes=1)).astimezone(house.zone)
        ids = ", ".join(str(row.attempt_id) for row in known.running)
        raise DialerError(
            f"attempt {ids} is running: what comes back must find its person; nothing was erased, "
            f"try again after {when:%Y-%m-%d %H:%M}"
        )
    planned = erasure_store.planned_of(tx, person_id)
    planbook.cancel(tx, [(key, Reason.STOPPED.value) for key in planned], now)
    kept = [*_suppressions(tx, house, known, now), *_rests(house, tx, known, now)]
    optouts.add(tx, kept, now)
    eraser = Eraser(tx, now)
    _blank(eraser, known, f"forgotten-{token_hex(6)}")
    eraser.add(erasure_store.delete_person(tx, known))
    eraser.close("forget", f"a person, {len(known.attempts)} attempts, {len(kept)} opt-outs kept")
    return eraser.counts, len(planned), len(kept), len(known.shared)


def _suppressions(tx: Tx, house: House, known: Known, now: datetime) -> list[dict[str, Any]]:
    """Takes the person out of the suppressions; returns those in force, for the keyed opt-outs."""
    today, kept = house.today(now), []
    for row in erasure_store.suppressions_of(tx, known):
        mine = row.person_id == known.person_id
        if row.both and not mine:
            continue
        person = row.person_id if mine else None
        own_phone = row.phone if row.both or row.phone in known.own_phones else None
        reason = row.reason if row.reason in {one.value for one in Outcome} else OTHER
        if row.lifted_at is None and (row.until is None or row.until >= today) and (person or own_phone):
            stop = {name: getattr(row, name) for name in ("both", "channel", "until", "created_at")}
            kept.append({**stop, "person_id": person, "phone": own_phone, "reason": reason})
        left = None if mine else row.person_id, None if own_phone else row.phone
        erasure_store.rename_suppression(tx, row.suppression_id, *left, reason)
    return kept


def _rests(house: House, tx: Tx, known: Known, now: datetime) -> list[dict[str, Any]]:
    """Caps count contacts that nobody will know of any more: until they would have run out, there are none at all."""
    rules = [one.rules([row], row.country) for one in house.launched(tx) for row in known.accounts]
    looks_back = max((one.look_back for one in rules), default=timedelta(0))
    if known.contacted_at is None or known.contacted_at + looks_back <= now:
        return []
    until = house.today(known.contacted_at + looks_back)
    rest = {"both": False, "channel": "", "until": until, "created_at": now, "reason": BEFORE}
    named: list[tuple[str | None, str | None]] = [(known.person_id, None)]
    named += [(None, phone) for phone in sorted(known.own_phones)]
    return [{**rest, "person_id": person, "phone": phone} for person, phone in named]


def _blank(eraser: Eraser, known: Known, alias: str) -> None:
    """Sealed rows lose what tells of the person."""
    tx = eraser.tx
    words = _words(known)
    events = [(row, _event(row, words)) for row in erasure_store.events_of(tx, known)]
    eraser.blank("events", [new for row, new in events if (new["identity"], new["data"]) != (row.identity, row.data)])
    verdicts = [row for row in erasure_store.verdicts_of(tx, known) if _names(f"{row.reason} {row.saw}", words)]
    eraser.blank("verdicts", [{"of": row.verdict_id, "reason": None, "saw": None} for row in verdicts])
    own = {"person_id": alias, "phone": ""}
    eraser.blank("placements", [{"of": key, **own} for key in erasure_store.placements_of(tx, known)])
    subjects = {known.person_id, *known.account_ids, *known.phones, *(mask_phone(one) for one in known.phones)}
    told = [row for row in erasure_store.actions(tx) if row.subject in subjects or _names(row.detail, words)]
    eraser.blank("actions", [{"of": row.action_id, "subject": alias, "detail": ""} for row in told])
    erasure_store.rename_attempts(tx, known, alias)
    eraser.add({"attempts": len(known.attempts)})


def _event(row: Any, words: Iterable[str]) -> dict[str, Any]:
    data = {name: row.data[name] for name in KEPT_OF_EVENTS if name in row.data}
    # The identity is what tells a repeated event: it goes only where it names somebody.
    identity = f"forgotten/{row.event_id}" if _names(row.identity, words) else row.identity
    return {"of": row.event_id, "identity": identity, "data": data}


def _words(known: Known) -> set[str]:
    """What names the person in a text: numbers, names, and ids that are long enough to be one's own."""
    ids = {known.person_id, *known.account_ids}
    texts = {text for row in known.accounts for text in (row.name, row.pay_to)}
    return {one for one in ids if len(one) >= WORD_LEAST} | known.phones | {one for one in texts if len(one) > 1}


def _names(text: str | None, words: Iterable[str]) -> bool:
    return text is not None and any(word in text for word in words)
