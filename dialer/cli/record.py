"""`dialer audit`, `purge` and `forget`: the record looked through, and what is erased from it."""

from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import BaseModel
from rich.markup import escape
from rich.table import Table

from dialer.cli.common import CONFIG, Config, Json, ask, err, numbered, out, parse_date, with_house
from dialer.errors import DialerError

if TYPE_CHECKING:
    from dialer.audit import Audit, Head
    from dialer.house import House

WAL = "old pages may lie in the log beside the database until it is emptied; run the command again when nobody reads"
COPIES = "Backups, exports, rejects, the lender's files, the provider's records and the mock's journal are not touched."

audit = typer.Typer(no_args_is_help=True, help="Whether the record is as it was sealed.")


class PurgeReport(BaseModel):
    """`dialer purge --json`."""

    before: date
    """What was over before this day, lender time."""
    keep_days: int
    """How many days things must be kept, by the packs."""
    dry_run: bool
    erased: dict[str, int]
    """Table → rows; with `dry_run` only what would go first: attempts, events of no attempt, contacts, persons that
    can go already."""
    pages_cleared: bool
    """False: the database's log may hold old pages for a while."""


class ForgetReport(BaseModel):
    """`dialer forget --json`."""

    erased: dict[str, int]
    """Table → rows that were erased, wholly or in part."""
    cancelled: int
    """Planned attempts."""
    opt_outs: int
    """Suppressions that stay in force under a keyed hash."""
    shared_phones: int
    """Numbers that somebody else has too: they stay with them."""
    pages_cleared: bool
    """False: the database's log may hold old pages for a while."""


@audit.command()
def verify(
    head: Annotated[str | None, typer.Option(metavar="HASH", help="A head that was kept outside: is it held?")] = None,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Look through the whole record: every row changed, removed or put in. Exit 1 when something is wrong."""
    from dialer import audit as auditing

    if head is not None and (wrong := auditing.no_hash(head)):
        raise typer.BadParameter(wrong, param_hint="--head")

    async def work(house: "House") -> None:
        from dialer.cli.progress import Working

        now = house.clock.now()
        async with Working("looking through the record", None if json else err):
            found = await house.store.read(lambda tx: auditing.verify(tx, now, head, _local(house)))
        if json:
            out.print_json(found.model_dump_json())
        else:
            _show(found)
        if not found.intact:
            raise DialerError(
                f"the record is not as it was sealed: {numbered(found.wrong, 'finding')}; keep the database as it is"
            )

    with_house(config, work, needs=True)


@audit.command("head")
def print_head(config: Config = CONFIG, json: Json = False) -> None:
    """Print where the record ends. Keep it outside: `audit verify --head HASH` proves later that it still holds."""

    async def work(house: "House") -> None:
        from dialer import audit as auditing

        found = await house.store.read(lambda tx: auditing.heads(tx, _local(house)))
        if json:
            out.print_json(auditing.HeadReport(heads=found).model_dump_json())
        elif found:
            _show_heads(found)
        else:
            out.print("Nothing is sealed yet: the daemon seals each minute.")

    with_house(config, work, needs=True)


def purge(
    before: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="Default: as late as the packs allow.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count it, erase nothing.")] = False,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Erase what is older than the packs say it must be kept; what is open stays, and so do suppressions."""
    day = parse_date(before, "--before")

    async def work(house: "House") -> None:
        from dialer import purge as purging
        from dialer.cli.progress import Working

        keep_days = purging.retention_days(house.settings)
        last = day or purging.latest(house, keep_days)
        if wrong := purging.too_young(house, last, keep_days):
            raise typer.BadParameter(wrong, param_hint="--before")
        async with Working("purging", None if json else err):
            found = await purging.purge(house, last, keep_days, dry_run)
        report = PurgeReport(
            before=found.before, keep_days=keep_days, dry_run=dry_run, erased=_told(found.counts),
            pages_cleared=found.pages_cleared,
        )  # fmt: skip
        if json:
            out.print_json(report.model_dump_json())
            return
        what = "would be erased" if dry_run else "erased"
        out.print(f"Before {found.before} ({keep_days} days must be kept): {_counts(report.erased)} {what}.")
        if not found.pages_cleared:
            out.print(f"  {WAL}")

    with_house(config, work, needs=True)


def forget(
    person: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Erase a person's data from the database. Who opted out stays so, as a keyed hash."""

    async def work(house: "House") -> None:
        from dialer import forget as forgetting

        known = await house.store.read(lambda tx: forgetting.look(tx, person))
        if not yes:
            accounts, attempts = numbered(len(known.accounts), "account"), numbered(len(known.attempts), "attempt")
            told = f"{escape(person)}: {accounts} and {attempts}. It can't be undone."
            ask(told, "Forget?", "can't be undone", "erased", json)
        done = await forgetting.forget(house, person)
        report = ForgetReport(
            erased=_told(done.counts), cancelled=done.cancelled, opt_outs=done.opt_outs, shared_phones=done.shared,
            pages_cleared=done.pages_cleared,
        )  # fmt: skip
        if json:
            out.print_json(report.model_dump_json())
        else:
            _show_forgotten(report)

    with_house(config, work, needs=True)


def _local(house: "House") -> Callable[[datetime], datetime]:
    return lambda at: at.astimezone(house.zone)


def _told(counts: dict[str, int]) -> dict[str, int]:
    return {table: count for table, count in counts.items() if count}


def _counts(erased: dict[str, int]) -> str:
    return ", ".join(numbered(count, table.removesuffix("s"), table) for table, count in erased.items()) or "nothing"


def _show(found: "Audit") -> None:
    for one in found.findings:
        out.print(f"{one.table}{'' if one.id is None else f' {one.id}'}: {one.text}", markup=False)
    if found.wrong > len(found.findings):
        out.print(f"… and {found.wrong - len(found.findings):,} more")
    table = Table("table", *(["rows as sealed", "erased", "not sealed yet"]), box=None, header_style="", pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in found.tables:
        table.add_row(row.table, *(f"{count:,}" if count else "·" for count in (row.sealed, row.erased, row.waiting)))
    out.print(table)
    out.print(f"{numbered(found.seals, 'seal')} in {numbered(found.chains, 'chain')}", highlight=False)
    if found.held:
        out.print(f"--head is {found.held}: nothing before it was rewritten", markup=False, highlight=False)
    _show_heads(found.heads)
    if found.intact:
        out.print("The record is as it was sealed.")


def _show_heads(heads: "list[Head]") -> None:
    for head in heads:
        where = f"seal {head.number} of chain {head.chain}, {head.at:%Y-%m-%d %H:%M:%S}"
        out.print(f"head {head.hash}  {where}", markup=False, highlight=False)


def _show_forgotten(report: ForgetReport) -> None:
    out.print(f"Forgotten: {_counts(report.erased)}.")
    if report.cancelled:
        out.print(f"  {numbered(report.cancelled, 'planned attempt was', 'planned attempts were')} cancelled.")
    if report.opt_outs:
        kept = numbered(report.opt_outs, "suppression stays", "suppressions stay")
        out.print(f"  {kept} in force, as {'a keyed hash' if report.opt_outs == 1 else 'keyed hashes'}.")
    if report.shared_phones:
        one = "number belongs to somebody else as well and stays"
        many = "numbers belong to somebody else as well and stay"
        out.print(f"  {numbered(report.shared_phones, one, many)} with them.")
    if not report.pages_cleared:
        out.print(f"  {WAL}")
    out.print(f"  {COPIES}")


def add_to(app: typer.Typer) -> None:
    """Puts these commands into the command line."""
    app.add_typer(audit, name="audit")
    app.command()(purge)
    app.command()(forget)
