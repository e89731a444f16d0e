"""The daily digest on its way: into a file, to a command as a mail, to a web address as JSON; once a day to each.

What has been delivered stands in the database. Between a delivery and its record lies a moment: who is killed in it
delivers again, under the same Message-ID or Idempotency-Key, so that the receiver can tell.
"""

import asyncio
import os
import signal
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import httpx

from config.settings import DigestSettings
from dialer import digest
from dialer.digest import Digest
from dialer.errors import DialerError
from dialer.house import House
from dialer.log import log
from dialer.store import Tx
from dialer.store.common import flag, set_flag
from dialer.wholefile import whole_file

LATEST = timedelta(hours=12)
"""How long after its hour a digest is still sent: by a daemon that was down, or to a destination that failed."""
NOON = time(12)
"""An earlier hour is too early to tell of its own day."""
COMMAND_S = 60.0
POST_S = 30.0
AGAIN = (timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=30))
"""After each failure of a destination; the last one from then on."""
SAID_MAX = 200


def destinations(settings: DigestSettings) -> tuple[str, ...]:
    """Of `file`, `command` and `url` those that are set."""
    return tuple(name for name in ("file", "command", "url") if getattr(settings, name) is not None)


def rings_at(day: date, at: time, zone: ZoneInfo) -> datetime:
    """When the digest of a lender's day is due: at that hour of the day; at an hour before noon, of the next day."""
    return datetime.combine(day + timedelta(days=at < NOON), at, zone)


def due_day(now: datetime, at: time, zone: ZoneInfo) -> date | None:
    """The lender's day whose digest may be sent now; None where one is over and the next has not come."""
    today = now.astimezone(zone).date()
    for back in range(3):
        day = today - timedelta(days=back)
        if rings_at(day, at, zone) <= now < rings_at(day, at, zone) + LATEST:
            return day
    return None


async def send(to: str, settings: DigestSettings, found: Digest) -> None:
    """Delivers it to one destination. Raises DialerError where that failed; it may be tried again."""
    if to == "file":
        await asyncio.to_thread(_write, settings, found)
    elif to == "command":
        await _run(settings, found)
    else:
        await _post(settings, found)


async def send_all(settings: DigestSettings, found: Digest) -> dict[str, str]:
    """Delivers it to every destination; returns what failed: destination → why."""

    async def one(to: str) -> str:
        try:
            await send(to, settings, found)
        except DialerError as error:
            return str(error)
        return ""

    names = destinations(settings)
    return {to: why for to, why in zip(names, await asyncio.gather(*map(one, names)), strict=True) if why}


@dataclass(slots=True)
class _Round:
    """How far one day's digest has come."""

    day: date
    tries: dict[str, int] = field(default_factory=dict)
    again_at: dict[str, datetime] = field(default_factory=dict)
    delivered: set[str] = field(default_factory=set)
    """A database that can't be written must not make us deliver again each minute."""
    done: bool = False


@dataclass(slots=True)
class Courier:
    """What the daemon's bell rings for, each minute."""

    house: House
    _round: _Round = field(default_factory=lambda: _Round(date.min))

    async def ring(self) -> None:
        """Sends the day's digest to whom it is due and who has not got it yet. Failures are logged and tried again."""
        settings, now = self.house.settings.digest, self.house.clock.now()
        day = due_day(now, settings.at, self.house.zone) if settings else None
        if settings is None or day is None:
            return
        if day != self._round.day:
            self._round = _Round(day)
        if self._round.done:
            return
        waiting = await self.house.store.read(lambda tx: _not_sent(tx, settings, day))
        self._round.done = not waiting
        ready = [to for to in waiting if self._round.again_at.get(to, now) <= now]
        if ready:
            found = await self.house.store.read(lambda tx: digest.build(tx, self.house, day))
            await asyncio.gather(*(self._deliver(to, settings, found) for to in ready))

    async def _deliver(self, to: str, settings: DigestSettings, found: Digest) -> None:
        if to not in self._round.delivered:
            try:
                await send(to, settings, found)
            except DialerError as error:
                self._failed(to, settings, found.day, error)
                return
            self._round.delivered.add(to)
            log.info("digest_sent", day=str(found.day), to=to)
        now = self.house.clock.now()
        await self.house.store.write(lambda tx: set_flag(tx, _flag(to), str(found.day), now))

    def _failed(self, to: str, settings: DigestSettings, day: date, error: DialerError) -> None:
        tries = self._round.tries[to] = self._round.tries.get(to, 0) + 1
        again_at = self._round.again_at[to] = self.house.clock.now() + AGAIN[min(tries, len(AGAIN)) - 1]
        until = rings_at(day, settings.at, self.house.zone) + LATEST
        log.error(
            "digest_failed", day=str(day), to=to, error=str(error), tried=tries,
            again_at=again_at.isoformat(timespec="seconds"), hint=f"it is tried again until {until:%m-%d %H:%M}",
        )  # fmt: skip


def _flag(to: str) -> str:
    return f"digest.{to}"


def _not_sent(tx: Tx, settings: DigestSettings, day: date) -> list[str]:
    """Destinations that have not got this day's digest. The flag holds the last day that was delivered."""
    return [to for to in destinations(settings) if flag(tx, _flag(to)) < str(day)]


# --- file ---------------------------------------------------------------------------------------------------------


def files(settings: DigestSettings, found: Digest) -> dict[Path, str]:
    """The files to write and what goes into them."""
    path = Path(str(settings.file).replace("{day}", str(found.day)))
    suffixes = (path.suffix,) if path.suffix in (".html", ".txt") else (".html", ".txt")
    name = path.name.removesuffix(path.suffix) if len(suffixes) == 1 else path.name
    return {
        path.with_name(name + suffix): digest.html(found) if suffix == ".html" else digest.text(found)
        for suffix in suffixes
    }


def _write(settings: DigestSettings, found: Digest) -> None:
    """Each file appears whole or not at all."""
    for path, content in files(settings, found).items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DialerError(f"{path}: cannot be written ({error.strerror}); see `file` of [digest]") from error
        with whole_file(path, private=False) as stream:
            stream.write(content)


# --- command ------------------------------------------------------------------------------------------------------


def mail(settings: DigestSettings, found: Digest) -> bytes:
    """The digest as a mail: text and HTML, one of which the reader's program shows."""
    message = EmailMessage()
    message["Subject"] = found.subject
    message["Date"] = format_datetime(found.at)
    message["Message-ID"] = f"<{_identity(found)}@{(settings.sender or '@dialer.invalid').rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    if settings.sender:
        message["From"] = settings.sender
    if settings.to:
        message["To"] = ", ".join(settings.to)
    message.set_content(digest.text(found))
    message.add_alternative(digest.html(found), subtype="html")
    return bytes(message)


def _identity(found: Digest) -> str:
    """The same for every delivery of a lender's day."""
    return f"digest-{found.day}-{sha256(found.lender.encode()).hexdigest()[:12]}"


async def _run(settings: DigestSettings, found: Digest) -> None:
    assert settings.command is not None
    program = settings.command[0]
    # Files, not pipes: what the program leaves behind it may hold a pipe open for ever.
    with tempfile.TemporaryFile() as heard, tempfile.TemporaryFile() as said:
        heard.write(mail(settings, found))
        heard.seek(0)
        try:
            process = await asyncio.create_subprocess_exec(
                *settings.command, stdin=heard, stdout=asyncio.subprocess.DEVNULL, stderr=said,
                env=_environment(os.environ, found), start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise DialerError(f"{program}: cannot be started ({error.strerror}); see `command` of [digest]") from error
        try:
            async with asyncio.timeout(COMMAND_S):
                code = await process.wait()
        except TimeoutError:
            raise DialerError(f"{program}: did not end in {COMMAND_S:g} s and was killed; run it by hand") from None
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if code:
            raise DialerError(f"{program}: ended with code {code}{_last_words(said)}; run it by hand")


def _last_words(said: IO[bytes]) -> str:
    said.seek(0)
    words = " ".join(said.read(4 * SAID_MAX).decode(errors="replace").split())[:SAID_MAX]
    return f" and said: {words}" if words else ""


def _environment(env: Mapping[str, str], found: Digest) -> dict[str, str]:
    """Ours, without what is not the program's business: settings, which may be secrets, and systemd's socket."""
    kept = {
        name: value for name, value in env.items() if not name.upper().startswith(("DIALER_", "NOTIFY_", "WATCHDOG_"))
    }
    return kept | {"DIGEST_DAY": str(found.day), "DIGEST_SUBJECT": found.subject}


# --- url ----------------------------------------------------------------------------------------------------------


def payload(found: Digest) -> dict[str, Any]:
    """What is posted."""
    whole = found.model_dump(mode="json")
    texts = {"text": digest.text(found), "html": digest.html(found)}
    return {
        "day": whole["day"],
        "subject": found.subject,
        **texts,
        "figures": whole["figures"],
        "alarms": whole["alarms"],
    }


async def _post(settings: DigestSettings, found: Digest) -> None:
    address = str(settings.url)
    host = urlsplit(address).hostname
    headers = {"Idempotency-Key": _identity(found)}
    if settings.authorization:
        headers["Authorization"] = settings.authorization.get_secret_value()
    try:
        # httpx limits each step; a server that answers a byte a second shall not hold us either.
        async with (
            asyncio.timeout(POST_S),
            httpx.AsyncClient(timeout=POST_S, follow_redirects=False) as client,
            client.stream("POST", address, json=payload(found), headers=headers) as reply,
        ):
            code = reply.status_code
    except (TimeoutError, httpx.TimeoutException) as error:
        raise DialerError(f"{host}: did not answer in {POST_S:g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        # Nothing else of the error: it may name the address, whose query may be a key.
        why = str(error) if isinstance(error, httpx.ConnectError) else type(error).__name__
        raise DialerError(f"{host}: cannot be reached ({why}); see `url` of [digest]") from error
    if 300 <= code < 400:
        raise DialerError(f"{host}: answered {code}, a redirect, which is not followed; set `url` to where it leads")
    if not 200 <= code < 300:
        raise DialerError(f"{host}: answered {code}; see what it expects, and `url` of [digest]")
