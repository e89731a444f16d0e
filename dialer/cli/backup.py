"""`dialer backup` and `dialer restore`: a whole copy while everything runs, and its way back."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer
from pydantic import BaseModel
from rich.markup import escape

from dialer.cli.common import CONFIG, Config, Json, ask, err, numbered, out, settings_of

if TYPE_CHECKING:
    from dialer.backup import Backup, Restore


class BackupReport(BaseModel):
    """`dialer backup --json`."""

    file: str
    at: datetime
    """What was committed before is in it."""
    bytes: int
    attempts: int
    """Rows of attempts."""


class RestoreReport(BaseModel):
    """`dialer restore --json`."""

    file: str
    since: datetime
    """The backup's instant: of what happened from then on, the database knows nothing."""
    at: datetime
    kept: str | None
    """Where the database before it is; null where there was none."""
    to_ask: int
    """Planned attempts that may have been placed since: the daemon asks their providers."""
    next_attempt: int
    """The number of the next attempt: ids that were given since never come again."""


def backup(
    file: Path,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Write a whole, checked copy of the database, while the daemon runs."""
    from dialer import backup as backing
    from dialer.cli.progress import Working
    from dialer.clock import SystemClock

    settings = settings_of(config)

    async def work() -> "Backup":
        async with Working("copying the database", None if json else err):
            return await asyncio.to_thread(backing.back_up, settings.database, file, SystemClock(), force)

    done = asyncio.run(work())
    report = BackupReport(file=str(file), at=done.at, bytes=done.size, attempts=done.attempts)
    if json:
        out.print_json(report.model_dump_json())
        return
    at = done.at.astimezone(ZoneInfo(settings.lender.time_zone))
    out.print(
        f"{escape(str(file))}: {done.size:,} bytes, as of {at:%Y-%m-%d %H:%M:%S}, {done.attempts:,} attempts; "
        "whole and checked.", highlight=False,
    )  # fmt: skip


def restore(
    file: Path,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Put a backup in the database's place, halted. The daemon then asks what became of the time in between."""
    from dialer import backup as backing
    from dialer.clock import SystemClock

    settings = settings_of(config)
    zone = ZoneInfo(settings.lender.time_zone)
    found = backing.look(file)
    if not yes:
        told = f"{escape(str(file))} is of {found.at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
        told = f"{told}: the database will know nothing of what came after."
        ask(told, "Restore?", "halts the database", "changed", json)
    done = backing.restore(settings.database, file, SystemClock())
    if json:
        report = RestoreReport(
            file=str(file), since=done.since, at=done.at, kept=None if done.kept is None else str(done.kept),
            to_ask=done.to_ask, next_attempt=done.next_attempt,
        )  # fmt: skip
        out.print_json(report.model_dump_json())
    else:
        _show(file, done, zone)


def _show(file: Path, done: "Restore", zone: ZoneInfo) -> None:
    since = done.since.astimezone(zone)
    lines = [f"Restored from {escape(str(file))}, as of {since:%Y-%m-%d %H:%M:%S}. Nothing is dialed: it is halted."]
    if done.kept is not None:
        lines.append(f"  The database before is {escape(str(done.kept))}; delete it when nobody needs it.")
    for line in lines:
        out.print(line, highlight=False)
    next_steps(done.to_ask, done.next_attempt)


def next_steps(to_ask: int, next_attempt: int) -> None:
    """What is to be done with a database that went back in time."""
    lines = [
        f"  {numbered(to_ask, 'planned attempt')} may have been placed since; new ones begin at {next_attempt}.",
        "Next",
        "  start the daemon (dialer run): it asks the providers what became of them; dialer status counts the rest",
        "  dialer import the lender's newest files; dialer suppress, dialer paid what was said since",
        "  dialer launch the campaign files that were launched since",
        "  dialer unhalt",
    ]
    for line in lines:
        out.print(line, highlight=False)


def add_to(app: typer.Typer) -> None:
    """Puts these commands into the command line."""
    app.command()(backup)
    app.command()(restore)
