"""The face of `dialer digest`: prints a day in short, or delivers it now."""

from datetime import date

from pydantic import Field
from rich.console import Console
from typer import BadParameter

from dialer import digest as digests
from dialer import digest_send
from dialer.cli.progress import Working
from dialer.errors import DialerError
from dialer.house import House


class DigestReport(digests.Digest):
    """`dialer digest --json`."""

    sent: list[str] = Field([], description="with --send: the destinations that got it: file, command, url")


async def digest(house: House, day: date | None, send: bool, json: bool, out: Console, err: Console) -> None:
    """Raises DialerError where a destination did not get it; the daily one is sent all the same at its hour."""
    today = house.today(house.clock.now())
    day = day or today
    if day > today:
        raise BadParameter(f"{day} lies ahead; accepted: today or earlier", param_hint="--day")
    async with Working("counting the day", None if json else err):
        found = await house.store.read(lambda tx: digests.build(tx, house, day))
    sent, failed = await _send(house, found, json, err) if send else ([], {})
    if json:
        out.print_json(DigestReport(**dict(found), sent=sent).model_dump_json())
    elif not send:
        out.print(digests.text(found), end="", markup=False, highlight=False)
    elif sent:
        out.print(f"The digest of {found.day} went to: {', '.join(sent)}")
    if failed:
        raise DialerError("; ".join(f"{to}: {why}" for to, why in failed.items()))


async def _send(house: House, found: digests.Digest, json: bool, err: Console) -> tuple[list[str], dict[str, str]]:
    """Who has got it, and who has not: destination → why."""
    settings = house.settings.digest
    if settings is None:
        raise DialerError("the settings have no [digest]; say there where it goes: a file, a command or a url")
    async with Working("sending the digest", None if json else err):
        failed = await digest_send.send_all(settings, found)
    return [to for to in digest_send.destinations(settings) if to not in failed], failed
