"""The face of `dialer simulate`: progress while it runs, the report when it is done."""

from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from typer import BadParameter

from config.settings import Settings
from dialer import check, export, report
from dialer.errors import DialerError
from dialer.house import House
from dialer.simulate import FAULTS, Simulation
from dialer.simulate import simulate as run_simulation
from dialer.store import Tx

DAYS_MAX = 800
"""Longest simulation: some two years."""


def simulate(
    settings: Settings, campaign: Path, accounts: Path, installments: Path, first: date, last: date, seed: int,
    faults: str, folder: Path | None, json: bool, out: Console, err: Console,
) -> None:  # fmt: skip
    """Runs the simulation, writes its exports into `folder`, prints the report."""
    if faults not in FAULTS:
        raise BadParameter(f'"{faults}" is no level; accepted: {", ".join(FAULTS)}', param_hint="--faults")
    if last < first:
        raise BadParameter(f"{last} lies before {first}", param_hint="--to")
    if (last - first).days > DAYS_MAX:
        raise BadParameter(f"more than {DAYS_MAX} days after --from", param_hint="--to")
    check.read_campaign(campaign, settings)
    journal = None
    if folder is not None:
        make_folder(folder)
        journal = folder / "journal.jsonl"
        journal.unlink(missing_ok=True)
    what = Simulation(settings, campaign, accounts, installments, first, last, seed, faults, journal)
    found = run_with_progress(what, folder, err)
    if json:
        out.print_json(found.model_dump_json())
    else:
        report.show(found, out)
        if folder is not None:
            out.print(f"Exports and journal: {folder}")


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DialerError(f"{folder}: {error.strerror}; name a folder that can be made") from error


def run_with_progress(what: Simulation, folder: Path | None, err: Console) -> Any:
    """The simulation with a progress bar on standard error; returns the report."""
    days = (what.last - what.first).days + 1
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[day]}"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("simulating", total=days, day="")

        def progress(day: date) -> None:
            bar.update(task, completed=(day - what.first).days, day=str(day))

        def finish(house: House, tx: Tx) -> Any:
            if folder is not None:
                export.write_csv(tx, folder / "attempts.csv")
                export.write_jsonl(tx, folder / "attempts.jsonl")
            return report.build(tx, house)

        return run_simulation(what, finish, progress)
