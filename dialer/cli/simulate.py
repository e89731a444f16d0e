"""The face of `dialer simulate`: progress while it runs, the report when it is done."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from typer import BadParameter

from config.settings import Settings
from dialer import check, export, report, report_show
from dialer.cli.progress import Working
from dialer.clock import Clock, SystemClock
from dialer.errors import DialerError
from dialer.house import House
from dialer.simulate import FAULTS, Simulation
from dialer.simulate import simulate as run_simulation
from dialer.store import Tx
from dialer.wholefile import whole_file

DAYS = timedelta(days=31)
"""How long it goes on without --to."""
DAYS_MAX = 800
"""Longest simulation: some two years."""


def simulate(
    settings: Settings, campaign: Path, accounts: Path, installments: Path, suppressions: Path | None,
    from_: date | None, to: date | None, seed: int, faults: str, folder: Path | None, json: bool, out: Console,
    err: Console, config: Path, clock: Clock = SystemClock(),
) -> None:  # fmt: skip
    """Runs the simulation, writes into `folder` its exports, the report, and all else that `dialer referee` reads;
    prints the report. `config`: the settings' file."""
    first = from_ or clock.now().astimezone(ZoneInfo(settings.lender.time_zone)).date()
    last = to or first + DAYS
    if faults not in FAULTS:
        raise BadParameter(f'"{faults}" is no level; accepted: {", ".join(FAULTS)}', param_hint="--faults")
    if last < first:
        raise BadParameter(f"{last} lies before {first}; accepted: that day or a later one", param_hint="--to")
    if (last - first).days > DAYS_MAX:
        raise BadParameter(f"{last} is too far from {first}; accepted: at most {DAYS_MAX} days", param_hint="--to")
    check.read_campaign(campaign, settings)
    journal = None
    if folder is not None:
        make_folder(folder)
        journal = folder / "journal.jsonl"
        journal.unlink(missing_ok=True)
    what = Simulation(settings, campaign, accounts, installments, first, last, seed, faults, journal, suppressions)
    found = run_with_progress(what, folder, None if json else err)
    if folder is not None:
        report.write_html(found, folder / "report.html", settings.lender.language, settings)
        with whole_file(folder / "report.json") as stream:
            stream.write(found.model_dump_json(indent=2) + "\n")
        with whole_file(folder / "settings.toml") as stream:
            stream.write(config.read_text(encoding="utf-8-sig"))
    if json:
        out.print_json(found.model_dump_json())
    else:
        report_show.show(found, out)
        if folder is not None:
            out.print(f"Exports, journal and the report as a page: {folder}")


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DialerError(f"{folder}: {error.strerror}; name a folder that can be made") from error


def run_with_progress(what: Simulation, folder: Path | None, err: Console | None) -> Any:
    """The simulation with a progress bar on `err`; returns the report."""
    days = (what.last - what.first).days + 1
    with Working("simulating", err, days, at_once=True) as bar:

        def progress(day: date) -> None:
            bar.reach((day - what.first).days, str(day))

        def finish(house: House, tx: Tx) -> Any:
            if folder is not None:
                export.write_csv(tx, folder / "attempts.csv")
                export.write_jsonl(tx, folder / "attempts.jsonl", currency=what.settings.lender.currency)
            return report.build(tx, house)

        return run_simulation(what, finish, progress, folder)
