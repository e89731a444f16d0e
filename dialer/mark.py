"""The mark beside the database: how far it was, so that an old copy put in its place is noticed, however it got there.

`NAME.db.mark` holds the installation's token and the highest ids. The database is always written first, so it is never
behind its mark, unless it is an older one.
"""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Self

from dialer.clock import Clock
from dialer.errors import DialerError
from dialer.log import log
from dialer.store import Store, Tx, planbook, sqlite_file, workers
from dialer.store import restored as store
from dialer.store.addresses import followed
from dialer.store.common import flag, flag_once, note_action, set_flag
from dialer.store.holder import without_daemon
from dialer.store.restored import Gap, High
from dialer.store.types import EPOCH

SIZE = 256
"""Bytes of the file, always: one write, which no killed process leaves half done."""
GAP_KNOWN = 1_000_000
"""How far attempts' numbers are raised beyond the mark, which may lag a minute behind."""
GAP_UNKNOWN = 10_000_000
"""The same beyond the copy's own, where no mark says how far it was."""

CLOCKS_APART = timedelta(days=1)
"""By no more may a copy's instant lie ahead: another machine's clock may have been wrong, a year may be mistyped."""

UNFIT = (OSError, ValueError, KeyError, TypeError)
"""What reading a mark raises that can't be read, or says nothing."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What the file says."""

    token: str
    high: High

    def line(self) -> bytes:
        text = json.dumps({"token": self.token, **asdict(self.high)})
        return text.ljust(SIZE - 1).encode() + b"\n"


def path_of(database: Path) -> Path:
    """Beside the file itself, whatever link leads to it, as the lock: there `dialer restore` looks for it, too."""
    return Path(f"{followed(database)}.mark")


def known(database: Path) -> Mark | None:
    """What the mark of this database says. None: there is none, or it can't be read."""
    with suppress(*UNFIT):
        return _read(_found_at(database))
    return None


def read(path: Path) -> Mark | None:
    """None: there is none, or it can't be read."""
    with suppress(*UNFIT):
        return _read(path)
    return None


def _read(path: Path) -> Mark | None:
    """None: there is none. One that can't be read raises one of UNFIT."""
    # Also of a link that leads nowhere: where it should lead may be on a disk that is away.
    if not os.path.lexists(path):
        return None
    found = json.loads(path.read_bytes())
    return Mark(str(found["token"]), High.read(found))


def _beside_link(database: Path) -> Path:
    """Where dialers of before kept it."""
    return Path(f"{database}.mark")


def _found_at(database: Path) -> Path:
    """Where it is, or would be; what lies at the place of before counts until the daemon has written it anew."""
    path, before = path_of(database), _beside_link(database)
    return before if os.path.lexists(before) and not os.path.lexists(path) else path


def write(path: Path, mark: Mark) -> None:
    """Raises OSError."""
    handle = _open(path)
    try:
        os.pwrite(handle, mark.line(), 0)
    finally:
        os.close(handle)


def _open(path: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(handle, SIZE)
    return handle


def refuse_where_gone(url: str) -> None:
    """Raises DialerError where a database was that had placed something, and is not there: in a new one nobody would
    know of it, and people would be called again."""
    file = sqlite_file(url)
    if file is not None and _is_away(file) and (wrong := _told(file, _found_at(file))):
        raise DialerError(wrong)


def _is_away(file: Path) -> bool:
    """An empty file counts: it knows of nothing either, and is made into a new database."""
    path = followed(file)
    return not path.exists() or (path.is_file() and not path.stat().st_size)


def _told(file: Path, at: Path) -> str:
    """What is wrong where the file is away; empty: nothing was placed from it."""
    gone = f"the database {file} is {'an empty file' if file.exists() else 'gone'}"
    back = "put the database back (is its disk mounted?), or `dialer restore` a backup"
    new = "A new one would call people again; if it is to be a new one all the same, move that file away"
    try:
        mark = _read(at)
    except UNFIT as error:
        why = error.strerror if isinstance(error, OSError) else "it is damaged"
        return (
            f"{gone}, and {at}, which says whether something was placed from it, can't be read ({why}): see who "
            f"may read it; {back}. {new}"
        )
    if mark is None and file.is_symlink() and not file.exists():
        # What says that something was placed lies there too.
        return (
            f"the database {file} is a link to {followed(file)}, which is not there: {back}. If it is to be a new one, "
            "make an empty file there"
        )
    if mark is None or not mark.high.placements:
        return ""
    count = f"{mark.high.placements:,} calls and messages"
    return f"{gone}, and {at} says that {count} were placed from it: {back}. {new}"


async def check(database: Store, url: str, clock: Clock) -> None:
    """Before anything is done with a database: one that went back in time is halted, and says so."""
    file = sqlite_file(url)
    # Read before the database: whoever writes meanwhile only gets further.
    mark, now = known(file) if file else None, clock.now()
    if await database.read(lambda tx: went_back(tx, mark, now)) is None:
        return

    def back(tx: Tx) -> tuple[Gap, Mark]:
        since = went_back(tx, mark, now) or now
        why = "a new one is in its place" if since == EPOCH else "an older copy was put in place by hand"
        lost = go_back(tx, since, now, mark.high if mark else None, why)
        return lost, Mark(token(tx, now), store.highest(tx, now))

    lost, fresh = await database.write(back)
    log.error(
        "went_back",
        since=lost.since.isoformat(),
        hint="the database is an older copy, or a new one: nothing is dialed; see `dialer status`",
    )
    if file is not None:
        _renew(path_of(file), fresh)


@dataclass(frozen=True, slots=True)
class Rewound:
    """A database that somebody said is an older copy."""

    lost: Gap
    to_ask: int
    """Planned attempts that may have been placed since."""
    next_attempt: int


async def rewind(database: Store, url: str, clock: Clock, since: datetime) -> Rewound:
    """What is done with an older copy, where somebody says that it is one, of `since`: nothing gives away a dump, a
    standby, a machine's snapshot. Raises DialerError while somebody dials from it."""
    file, now = sqlite_file(url), clock.now()

    def back(tx: Tx) -> tuple[Rewound, Mark]:
        if alive := workers.alive(tx) if database.is_shared else []:
            raise DialerError(f"nothing was done: a worker dials from it ({', '.join(alive)}); stop every daemon first")
        lost = go_back(tx, since, now, None, "an operator said so")
        fresh = Mark(token(tx, now), store.highest(tx, now))
        return Rewound(lost, store.left(tx, lost), fresh.high.attempts), fresh

    with without_daemon(url, "nothing was done"):
        done, fresh = await database.write(back)
        if file is not None:
            _renew(path_of(file), fresh)
    return done


def _renew(path: Path, mark: Mark) -> None:
    """Raises DialerError: with the mark as it is the same would be found again."""
    try:
        write(path, mark)
    except OSError as error:
        raise DialerError(
            f"the database is another than {path} says, so it is halted; and that file can't be written "
            f"({error.strerror}): see who may write it, or move it away"
        ) from error


def went_back(tx: Tx, mark: Mark | None, now: datetime) -> datetime | None:
    """The newest instant the database knows of, where it is an older one, or 1970 where it is a new one in the place of
    one that had placed something; None: it is neither."""
    if of := flag(tx, store.BACKUP):
        return _copied_at(of, now)
    if mark is None:
        return None
    own, high = flag(tx, store.TOKEN), store.highest(tx, now)
    # However it was made, it knows of none of those calls. Another installation's that was moved here is told apart by
    # what it placed itself: it knows whom it called, and only the mark is not its own (`mark_renewed`).
    if own != mark.token and mark.high.placements and not high.placements:
        return None if _is_told(tx) else EPOCH
    # Without a token it is a new one, or one from before there were tokens.
    same = own == mark.token if own else high.placements + high.events > 0
    return store.newest(tx) if same and high.is_behind(mark.high) else None


def _copied_at(text: str, now: datetime) -> datetime:
    """The copy's instant, which a person may have written there. Raises DialerError: with a wrong one nobody would be
    asked about what was placed since, or about all of it for ever."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or at > now + CLOCKS_APART:
        wrong = "lies ahead" if at is not None and at.tzinfo else "is no instant with its offset from UTC"
        raise DialerError(
            f'the flag "{store.BACKUP}" in the database says that it is a copy of "{text[:40]}", which {wrong}: UPDATE '
            "it to when the copy was begun, such as 2026-11-28T02:00:00+00:00; nothing was done"
        )
    return at


def _is_told(tx: Tx) -> bool:
    """Whether it is halted already for being new, and its mark could not be renewed."""
    pending = store.gap(tx)
    return pending is not None and pending.since == EPOCH


def go_back(tx: Tx, since: datetime, now: datetime, known: High | None, why: str) -> Gap:
    """Writes down that the database went back in time: nothing is dialed, and no number of an attempt comes again."""
    pending = store.gap(tx)
    lost = Gap(min(since, pending.since) if pending else since, now)
    own = store.highest(tx, now).attempts
    least = max(own, known.attempts) + GAP_KNOWN if known else own + GAP_UNKNOWN
    store.raise_numbers(tx, least)
    of = f"{lost.since:%Y-%m-%d %H:%M:%S} UTC"
    what = "a new database in the place of another" if lost.since == EPOCH else f"restored from a backup of {of}"
    set_flag(tx, "halt", f"{what}; see dialer status; then dialer unhalt", now)
    planbook.withdraw_placing(tx, "halted")
    set_flag(tx, store.RESTORED, lost.text(), now)
    set_flag(tx, store.BACKUP, None, now)
    note_action(tx, "restore", "", why if lost.since == EPOCH else f"{why}; a copy of {of}", now)
    return lost


def token(tx: Tx, now: datetime) -> str:
    """The installation's own; made once."""
    return flag_once(tx, store.TOKEN, token_hex(16), now)


@dataclass(slots=True)
class Marker:
    """Keeps the mark of one daemon."""

    database: Store
    clock: Clock
    path: Path | None
    _handle: int | None = None
    _mark: Mark = field(default_factory=lambda: Mark("", High()))
    _failed: bool = False

    @classmethod
    async def open(cls, database: Store, url: str, clock: Clock) -> Self:
        """Takes up the mark, or makes it. To be called after `check`."""
        file = sqlite_file(url)
        marker = cls(database, clock, path_of(file) if file else None)
        own = await database.write(lambda tx: token(tx, clock.now()))
        if file is not None and marker.path is not None:
            marker._take_up(marker.path, _found_at(file), own)
        await marker.bring()
        if file is not None and file.is_symlink() and marker._handle is not None and not marker._failed:
            marker._leave(_beside_link(file))
        return marker

    def _take_up(self, path: Path, found_at: Path, own: str) -> None:
        hint, known = "", None
        try:
            known = _read(found_at)
        except UNFIT:
            hint = "it could not be read: an older copy put in place before would not have been noticed"
        if known is not None and known.token != own:
            hint = "another installation's database was here before: look whether this is the right one"
        self._mark = known if known is not None and known.token == own else Mark(own, High())
        try:
            self._handle = _open(path)
        except OSError as error:
            self._say(error)
            return
        if hint:
            log.warning("mark_renewed", file=str(found_at), hint=hint)

    def _leave(self, before: Path) -> None:
        """What lies at the place of before says the same by now as where all look, or is that file."""
        assert self.path is not None
        if before.exists() and not before.samefile(self.path):
            before.unlink()

    async def bring(self) -> None:
        """Up to date, each minute."""
        now = self.clock.now()
        high = await self.database.read(lambda tx: store.highest(tx, now))
        self._note(high)

    def placed(self, placement_id: int) -> None:
        """After the commit of a claim."""
        self._note(High(placements=placement_id))

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _note(self, high: High) -> None:
        self._mark = Mark(self._mark.token, self._mark.high.or_more(high))
        if self._handle is None:
            return
        try:
            os.pwrite(self._handle, self._mark.line(), 0)
            self._failed = False
        except OSError as error:
            self._say(error)

    def _say(self, error: OSError) -> None:
        """Once: dialing goes on without it, an old copy of the database would not be noticed."""
        if not self._failed:
            log.warning(
                "mark_not_written", file=str(self.path), error=error.strerror, hint="see the disk and its rights"
            )
        self._failed = True
