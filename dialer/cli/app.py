"""The command line: parse, call one function, print. Every error ends here, none as a traceback.

Each command imports what it needs when it is called: all together would take two seconds.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dialer.cli import actions, backup, db, record, referee, tasks, usage
from dialer.cli import call as call_command
from dialer.cli import rules as rules_command
from dialer.cli.common import (
    CONFIG,
    Config,
    Json,
    broken_off,
    err,
    fault_lines,
    out,
    parse_date,
    parse_instant,
    settings_of,
    with_house,
)
from dialer.cli.targets import keep_off
from dialer.errors import DialerError, InvalidInput

if TYPE_CHECKING:
    from dialer.house import House

HERE = Path(".")

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Outbound reminders: never outside legal hours, never twice, never forgotten, every decision explainable.",
)


def main() -> None:
    """Runs the command; errors become messages and exit codes: 1 could not be done, 2 wrong input, 130 broken off."""
    try:
        usage.check_words(sys.argv[1:])
        sys.exit(usage.called(app))
    except usage.UsageError as error:
        for told in usage.faults(error, sys.argv[1:]):
            err.print(told, markup=False)
        sys.exit(2)
    except InvalidInput as error:
        for line in fault_lines(error.faults):
            err.print(line, markup=False)
        sys.exit(error.exit_code)
    except DialerError as error:
        err.print(f"dialer: {error}", markup=False)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os._exit(0)
    except OSError as error:
        err.print(
            f"dialer: {error.filename or 'the output'} cannot be used ({error.strerror}); try another", markup=False
        )
        os._exit(1)  # at a normal exit Python would try to write the rest once more


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]")] = HERE,
    language: Annotated[
        str | None, typer.Option(metavar="zh|en", help="Of the samples. Default: zh in a Chinese locale, else en.")
    ] = None,
    json: Json = False,
) -> None:
    """Write a working dialer.toml, a campaign and a small portfolio into DIR."""
    from dialer.cli.init import init as init_folder
    from dialer.cli.init import language_of
    from dialer.clock import SystemClock

    init_folder(folder, language or language_of(os.environ), SystemClock().now(), out, json)


@app.command()
def check(
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", help="Campaign files.")] = None,
    config: Config = CONFIG,
    accounts: Annotated[Path | None, typer.Option(help="With --installments: this portfolio's load.")] = None,
    installments: Annotated[Path | None, typer.Option()] = None,
    live: Annotated[bool, typer.Option("--live", help="Also reach the database and the adapters.")] = False,
    json: Json = False,
) -> None:
    """Check the settings and campaign files: every fault at once, with its line and remedy; then what looks unwise."""
    from dialer.cli.check import Portfolio
    from dialer.cli.check import check as check_files
    from dialer.clock import SystemClock

    portfolio, now = Portfolio(accounts, installments), SystemClock().now()
    asyncio.run(check_files(files or [], config, os.environ, portfolio, now, out, json, live))


@app.command("import")
def import_(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="accounts, installments, suppressions, contacts or agreements")
    ],
    file: Path,
    config: Config = CONFIG,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, change nothing.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Load all rows or none.")] = False,
    rejects: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where bad rows go, with --dry-run too. Default: FILE.rejects.csv."),
    ] = None,
    json: Json = False,
) -> None:
    """Import a lender's file: upserts by key; bad rows go to FILE.rejects.csv."""
    from dialer.cli.imports import load
    from dialer.law_rows import EVERY_KIND

    if kind not in EVERY_KIND:
        raise typer.BadParameter(f'"{kind}" is no kind of file; accepted: {", ".join(EVERY_KIND)}')
    load(config, kind, file, json, dry_run=dry_run, strict=strict, rejects=rejects)  # type: ignore[arg-type]


@app.command()
def plan(
    campaign: Path,
    config: Config = CONFIG,
    from_: Annotated[str | None, typer.Option("--from", metavar="YYYY-MM-DD", help="Default: today.")] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="YYYY-MM-DD", help="Default: 31 days later.")] = None,
    accounts: Annotated[Path | None, typer.Option(help="With --installments: plan these files, no database.")] = None,
    installments: Annotated[Path | None, typer.Option()] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every row.")] = None,
    json: Json = False,
) -> None:
    """Dry run: what would be attempted, when, and what the gate would refuse and by which rule."""
    from dialer.cli.plan import plan as plan_campaign

    days = parse_date(from_, "--from"), parse_date(to, "--to")
    settings = settings_of(config)
    keep_off(settings, config, [("--csv", csv)], [campaign, accounts, installments])
    asyncio.run(plan_campaign(settings, campaign, *days, accounts, installments, csv, json, out))


@app.command()
def launch(campaign: Path, config: Config = CONFIG, json: Json = False) -> None:
    """Freeze a campaign file and plan it. A changed file of the same name re-plans what is still planned."""
    from dialer.check import read_campaign
    from dialer.cli import desk

    with broken_off("part of it may be planned; launch it again to go on"):
        with_house(
            config, lambda house: desk.launch(house, campaign, json, out, err),
            first=lambda settings: read_campaign(campaign, settings),
        )  # fmt: skip


def _status_command(name: str, status: str, text: str) -> None:
    @app.command(name, help=text)
    def command(campaign: str, config: Config = CONFIG, json: Json = False) -> None:
        from dialer.cli import desk

        with_house(config, lambda house: desk.set_status(house, campaign, status, json, out), needs=True)


_status_command("pause", "paused", "Place nothing of a campaign until it is resumed.")
_status_command("resume", "active", "Go on with a paused campaign.")
_status_command("cancel", "cancelled", "End a campaign for good; what is planned is cancelled.")


@app.command()
def status(
    campaign: Annotated[str | None, typer.Argument(metavar="[NAME]")] = None,
    config: Config = CONFIG,
    watch: Annotated[bool, typer.Option("--watch", help="Again every two seconds, until Ctrl-C.")] = False,
    json: Json = False,
) -> None:
    """Campaigns, lines, what is due and what is wrong."""
    if watch:
        from dialer.cli.watch import watch as watch_status

        with_house(config, lambda house: watch_status(house, campaign, json, out), needs=True)
        return
    from dialer.cli import views

    with_house(config, lambda house: views.status(house, campaign, json, out), needs=True)


@app.command()
def halt(
    reason: Annotated[str, typer.Option(help="Why; shown until it is lifted.")] = "",
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Emergency stop: nothing is placed on any line until `dialer unhalt`."""
    from dialer.cli import desk

    with_house(config, lambda house: desk.halt(house, reason, json, out), needs=True)


@app.command()
def unhalt(config: Config = CONFIG, json: Json = False) -> None:
    """Lift the emergency stop."""
    from dialer.cli import desk

    with_house(config, lambda house: desk.unhalt(house, json, out), needs=True)


@app.command()
def run(config: Config = CONFIG) -> None:
    """Run the daemon: dials what is due, until SIGTERM or Ctrl-C."""
    from dialer import daemon
    from dialer.store import explained

    with explained():
        asyncio.run(daemon.run(settings_of(config, quiet=False, secrets=True)))


@app.command()
def simulate(
    campaign: Path,
    accounts: Annotated[Path, typer.Option()],
    installments: Annotated[Path, typer.Option()],
    suppressions: Annotated[Path | None, typer.Option(help="Default: nobody is suppressed.")] = None,
    from_: Annotated[str | None, typer.Option("--from", metavar="YYYY-MM-DD", help="Default: today.")] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="YYYY-MM-DD", help="Default: 31 days later.")] = None,
    config: Config = CONFIG,
    seed: Annotated[int, typer.Option()] = 1,
    faults: Annotated[str, typer.Option(metavar="none|mild|hostile")] = "none",
    out_dir: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write all that `dialer referee` reads there.")
    ] = None,
    json: Json = False,
) -> None:
    """The real engine on a virtual clock and the mock carrier, in a database of its own."""
    from dialer.cli.simulate import simulate as simulate_campaign

    days = parse_date(from_, "--from"), parse_date(to, "--to")
    files = campaign, accounts, installments, suppressions
    simulate_campaign(settings_of(config), *files, *days, seed, faults, out_dir, json, out, err, config)


@app.command()
def attempts(
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="A table; `-` is standard output.")] = None,
    jsonl: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With verdicts, events, promises and payments; `-` as above.")
    ] = None,
    campaign: Annotated[str | None, typer.Option(metavar="NAME")] = None,
    since: Annotated[str | None, typer.Option(metavar="T", help="Planned for T or later.")] = None,
    reveal: Annotated[bool, typer.Option("--reveal", help="Whole phone numbers.")] = False,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Export every attempt and its history."""
    from dialer.cli import views

    views.check_targets(csv, jsonl, json)

    async def work(house: "House") -> None:
        since_at = parse_instant(since, house, "--since")
        await views.attempts(house, csv, jsonl, campaign, since_at, reveal, json, out, err)

    targets = [("--csv", csv), ("--jsonl", jsonl)]
    with_house(config, work, needs=True, first=lambda settings: keep_off(settings, config, targets, dash=True))


@app.command()
def report(
    campaign: Annotated[str | None, typer.Option(metavar="NAME")] = None,
    day: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE")] = None,
    language: Annotated[
        str | None, typer.Option(metavar="zh|en", help="Of the page that --html writes. Default: the lender's.")
    ] = None,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """What was reached, promised, paid and refused; by segment, hour and line."""
    from dialer.cli import views

    views.check_page(html, language)
    of = parse_date(day, "--day")

    async def work(house: "House") -> None:
        await views.report(house, campaign, of, html, language, json, out, err)

    with_house(config, work, needs=True, first=lambda settings: keep_off(settings, config, [("--html", html)]))


@app.command()
def digest(
    day: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="Default: today.")] = None,
    send: Annotated[bool, typer.Option("--send", help="Deliver it now, as the settings say.")] = False,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """The day in short: figures, alarms, what is to be decided, and what is planned next."""
    from dialer.cli.digest import digest as tell

    of = parse_date(day, "--day")
    with_house(config, lambda house: tell(house, of, send, json, out, err), needs=True)


@app.command()
def explain(
    account: str,
    at: Annotated[str | None, typer.Option("--at", metavar="T", help="Ask the gate about this instant.")] = None,
    language: Annotated[str | None, typer.Option(help="zh or en. Default: the lender's.", show_default=False)] = None,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Why somebody was (not) contacted: plan, verdicts, events; and what the gate would say now."""
    from dialer.cli import views

    views.check_language(language)

    async def work(house: "House") -> None:
        await views.explain(house, account, parse_instant(at, house, "--at"), language, json, out)

    with_house(config, work, needs=True)


@app.command()
def schema(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Default: list the names.")] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write it; without NAME: those of files, to a folder.")
    ] = None,
    json: Json = False,
) -> None:
    """JSON Schema of campaign files and settings, for editors, and of what `--json` prints."""
    from dialer.cli.schema import schema as print_schema

    print_schema(name, out_file, json, out)


app.command("rules")(rules_command.command)


@app.command()
def suppress(
    phone: Annotated[str | None, typer.Argument(metavar="[PHONE]")] = None,
    person: Annotated[str | None, typer.Option(metavar="P")] = None,
    channel: Annotated[str, typer.Option(metavar="voice|sms", help="Default: both.")] = "",
    until: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="The last day. Default: for good.")] = None,
    reason: Annotated[str, typer.Option(metavar="R", help="Required: why; kept, and shown by `dialer explain`.")] = "",
    lift: Annotated[bool, typer.Option("--lift", help="End it instead.")] = False,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Stop contact with a number or a person at once."""
    from dialer.cli import desk
    from dialer.clock import SystemClock

    last = parse_date(until, "--until")
    asked = desk.Suppress(phone, person, channel, last, reason, lift)
    with_house(
        config, lambda house: desk.suppress(house, asked, json, out), tries=lift,
        first=lambda settings: desk.check_suppress(asked, settings, SystemClock().now()),
    )  # fmt: skip


@app.command()
def paid(
    account: str,
    due_on: Annotated[str, typer.Argument(metavar="DUE_ON")],
    amount: Annotated[str | None, typer.Option(help="Default: all that is open.")] = None,
    on: Annotated[str | None, typer.Option("--on", metavar="YYYY-MM-DD", help="Default: today.")] = None,
    reverse: Annotated[
        bool, typer.Option("--reverse", help="The payment bounced: open the installment again.")
    ] = False,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Record a payment; what is planned for it is cancelled at once."""
    from dialer.cli import desk

    due, day = parse_date(due_on, "DUE_ON"), parse_date(on, "--on")
    assert due is not None
    asked = desk.Paid(account, due, amount, day, reverse)
    with_house(config, lambda house: desk.paid(house, asked, json, out), needs=True)


record.add_to(app)
backup.add_to(app)
db.add_to(app)
actions.add_to(app)
tasks.add_to(app)
referee.add_to(app)
call_command.add_to(app)
