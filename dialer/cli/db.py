"""`dialer db`: the database looked at, brought to this version, moved to another place, said to be an older copy."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import BaseModel
from rich.markup import escape
from rich.table import Table

from dialer.cli.common import CONFIG, Config, Json, ask, err, out, parse_instant, settings_of, with_house
from dialer.condition_model import Condition, TableRows
from dialer.errors import DialerError

if TYPE_CHECKING:
    from dialer.house import House
    from dialer.transfer import Copied

db = typer.Typer(
    no_args_is_help=True, help="The database: looked at, upgraded, moved to another place, said to be an older copy."
)


class UpgradeReport(BaseModel):
    """`dialer db upgrade --json`."""

    address: str
    """Without the password."""
    before: str | None
    """The schema's version before; null: it was made."""
    now: str


class CopyReport(BaseModel):
    """`dialer db copy --json`."""

    source: str
    """Without the password; halted now."""
    to: str
    """Without the password: what `database` in the settings should name."""
    rows: int
    tables: list[TableRows]


class RestoredReport(BaseModel):
    """`dialer db restored --json`."""

    since: datetime
    """The copy's instant: of what happened from then on, the database knows nothing."""
    at: datetime
    to_ask: int
    """Planned attempts that may have been placed since: the daemon asks their providers."""
    next_attempt: int
    """The number of the next attempt: ids that were given since never come again."""


@db.command()
def upgrade(config: Config = CONFIG, json: Json = False) -> None:
    """Bring the database to this program's version, making it where it is not there."""
    from dialer import mark
    from dialer.cli.progress import Working
    from dialer.store import schema, shown

    settings = settings_of(config)
    mark.refuse_where_gone(settings.database)

    async def work() -> str | None:
        async with Working("bringing the database to this version", None if json else err):
            return await asyncio.to_thread(schema.upgrade, settings.database)

    before = asyncio.run(work())
    report = UpgradeReport(address=shown(settings.database), before=before, now=schema.HEAD)
    if json:
        out.print_json(report.model_dump_json())
        return
    told = "has this program's version already:" if before == report.now else f"was brought from version {before} to"
    told = "was made, version" if before is None else told
    out.print(f"{escape(report.address)} {told} {report.now}", highlight=False)


@db.command()
def check(config: Config = CONFIG, json: Json = False) -> None:
    """Say how the database stands, and what is wrong with it. Changes nothing; exit 1 where something is wrong."""
    from dialer.clock import SystemClock
    from dialer.condition import look

    found = asyncio.run(look(settings_of(config).database, SystemClock()))
    if json:
        out.print_json(found.model_dump_json())
    else:
        _show(found)
    if found.faults:
        count = f"{len(found.faults)} fault{'s' if found.faults[1:] else ''}"
        raise DialerError(f"{found.address}: {count}; each says what is wrong, mend it and check again")


@db.command()
def copy(
    to: Annotated[str, typer.Argument(metavar="TO", help="postgresql://USER@HOST/NAME or sqlite:///FILE, empty.")],
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Copy everything to an empty database, and compare it row by row. Nobody may dial; the old one is halted then."""
    from dialer.cli.progress import Working
    from dialer.clock import SystemClock
    from dialer.store.addresses import driver_url
    from dialer.transfer import copy as move

    try:
        driver_url(to)
    except DialerError as error:
        wrong = str(error).removeprefix("database: ").replace("; use ", "; accepted: ")
        raise typer.BadParameter(wrong, param_hint="TO") from error
    settings = settings_of(config)
    with Working("copying and comparing", None if json else err, 0, unit="rows") as bar:

        def begin(rows: int) -> Callable[[int], None]:
            bar.expect(rows)
            return bar.advance

        done = asyncio.run(move(settings.database, to, SystemClock(), begin))
    if json:
        out.print_json(_copy_report(done).model_dump_json())
    else:
        _show_copy(done)


@db.command()
def restored(
    at: Annotated[str, typer.Argument(metavar="AT", help="When the copy was begun: 2026-01-14T09:30:00+08:00.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Say that the database is an older copy: a dump, a snapshot. It is halted; providers are asked what came since."""

    async def work(house: "House") -> None:
        from dialer import mark
        from dialer.cli.backup import next_steps

        since = parse_instant(at, house, "AT")
        assert since is not None
        if since > house.clock.now():
            raise typer.BadParameter(f"{at} lies ahead; accepted: when the copy was begun", param_hint="AT")
        shown = _local(since, house)
        if not yes:
            told = f"It is halted, and the providers are asked what was placed since {shown}."
            ask(told, "A copy of then?", "halts the database", "changed", json)
        done = await mark.rewind(house.store, house.settings.database, house.clock, since)
        if json:
            report = RestoredReport(
                since=done.lost.since, at=done.lost.at, to_ask=done.to_ask, next_attempt=done.next_attempt
            )
            out.print_json(report.model_dump_json())
            return
        out.print(f"The database is a copy of {shown}. Nothing is dialed: it is halted.", highlight=False)
        if done.lost.since < since:
            earlier = _local(done.lost.since, house)
            out.print(f"  An earlier copy is asked about still: what was placed since {earlier}.", highlight=False)
        next_steps(done.to_ask, done.next_attempt)

    with_house(config, work, needs=True)


def _local(at: datetime, house: "House") -> str:
    return f"{at.astimezone(house.zone):%Y-%m-%d %H:%M:%S}"


def _copy_report(done: "Copied") -> CopyReport:
    tables = [TableRows(table=name, rows=rows) for name, rows in done.tables.items()]
    return CopyReport(source=done.source, to=done.to, rows=sum(done.tables.values()), tables=tables)


def _show_copy(done: "Copied") -> None:
    full = {name: rows for name, rows in done.tables.items() if rows}
    lines = [
        f"{sum(full.values()):,} rows of {len(full)} tables were copied, read back and found the same:",
        "  " + ", ".join(f"{name} {rows:,}" for name, rows in full.items()),
        f"{escape(done.source)} is halted from now on: two databases of one installation would call everybody twice.",
        "Next",
        f'  write database = "{escape(done.to)}" into the settings',
        "  (one with a password: into DIALER_DATABASE, or a secrets file)",
        "  dialer db check, dialer status, then start the daemon; it is halted there where it was halted here",
        "  delete the old database when nobody needs it",
    ]
    for line in lines:
        out.print(line, highlight=False)


def _show(found: Condition) -> None:
    """What was found, then what is wrong."""
    empty = "none, it is empty" if found.readable else "not known"
    version = empty if found.version is None else found.version
    can = {True: "yes", False: "no"}
    table = Table.grid(padding=(0, 2))
    table.add_row("address", escape(found.address))
    table.add_row("kind", found.kind)
    table.add_row("version", f"{version} (this program's: {found.wanted})")
    table.add_row("read, written", f"{can[found.readable]}, {can[found.writable]}")
    for one in found.server:
        table.add_row(one.name, escape(f"{one.value}  {one.said}".rstrip()))
    if found.server:
        table.add_row("workers", escape(", ".join(found.workers) or "none"))
    for rows in found.tables:
        if rows.rows:
            table.add_row(rows.table, f"{rows.rows:,} rows")
    if found.writable:
        table.add_row("other tables", "empty")
    out.print(table)
    for fault in found.faults:
        out.print(f"fault: {escape(fault)}", highlight=False)


def add_to(app: typer.Typer) -> None:
    """Puts these commands into the command line."""
    app.add_typer(db, name="db")
