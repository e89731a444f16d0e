"""The face of `dialer simulate`: progress while it runs, the report and the referee's verdicts when it is done."""

import os
import shlex
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from typer import BadParameter

from config.settings import Settings
from dialer import check, export, log, report, report_show
from dialer.cli.progress import Working
from dialer.cli.referee import PACKS, counted, finding_lines
from dialer.cli.targets import keep_off
from dialer.clock import Clock, SystemClock
from dialer.errors import DialerError
from dialer.house import House
from dialer.own_files import is_same
from dialer.referee import Paths, Verdicts, judge, read
from dialer.simulate import FAULTS, Simulation
from dialer.simulate import simulate as run_simulation
from dialer.store import Tx
from dialer.wholefile import whole_file

DAYS = timedelta(days=31)
"""How long it goes on without --to."""
WRITTEN = (
    "actions.jsonl", "attempts.csv", "attempts.jsonl", "journal.jsonl", "network.jsonl", "report.html", "report.json",
    "settings.toml",
)  # fmt: skip
"""Files of `--out`; those of an earlier simulation are replaced."""
DAYS_MAX = 800
"""Longest simulation: some two years."""


def simulate(
    settings: Settings, campaign: Path, accounts: Path, installments: Path, suppressions: Path | None,
    from_: date | None, to: date | None, seed: int, faults: str, folder: Path | None, json: bool, out: Console,
    err: Console, config: Path, clock: Clock = SystemClock(),
) -> None:  # fmt: skip
    """Runs the simulation, writes into `folder` its exports, the report, and all else that `dialer referee` reads;
    prints the report, and what the referee found. `config`: the settings' file. Raises DialerError for findings."""
    first = from_ or clock.now().astimezone(ZoneInfo(settings.lender.time_zone)).date()
    last = to or first + DAYS
    if faults not in FAULTS:
        raise BadParameter(f'"{faults}" is no level; accepted: {", ".join(FAULTS)}', param_hint="--faults")
    if last < first:
        raise BadParameter(f"{last} lies before {first}; accepted: that day or a later one", param_hint="--to")
    if (last - first).days > DAYS_MAX:
        raise BadParameter(f"{last} is too far from {first}; accepted: at most {DAYS_MAX} days", param_hint="--to")
    check.read_campaign(campaign, settings)
    if folder is not None:
        check_folder(folder, config)
        files = [("--out", folder / name) for name in WRITTEN]
        keep_off(settings, config, files, [campaign, accounts, installments, suppressions])
    log.set_up("critical")  # what fails in it was meant to, or is the referee's to tell
    what = Simulation(settings, campaign, accounts, installments, first, last, seed, faults, None, suppressions)
    with ExitStack() as stack:
        kept = folder or Path(stack.enter_context(TemporaryDirectory()))
        try:
            found, verdicts = _judged(what, kept, config, None if json else err)
        except (DialerError, KeyboardInterrupt):
            raise
        except Exception as error:
            wrong = f"the simulation failed ({type(error).__name__}: {error})"
            raise DialerError(f"{wrong}; the same again: {replay(what, config)}") from error
        if folder is not None:
            report.write_html(found, folder / "report.html", settings.lender.language, settings)
    if json:
        out.print_json(found.model_dump_json())
    else:
        report_show.show(found, out)
        if folder is not None:
            out.print(f"Exports, journal and the report as a page: {folder}")
    _tell(verdicts, what, config, None if json else out, err)


def _judged(what: Simulation, kept: Path, config: Path, err: Console | None) -> tuple[Any, Verdicts]:
    """The report, and the verdicts on all that the simulation left in the folder `kept`."""
    make_folder(kept)
    for name in WRITTEN:  # of an earlier simulation: what is half old would accuse
        (kept / name).unlink(missing_ok=True)
    journal = kept / "journal.jsonl"
    found = run_with_progress(replace(what, journal=journal), kept, err)
    with whole_file(kept / "report.json") as stream:
        stream.write(found.model_dump_json(indent=2) + "\n")
    with whole_file(kept / "settings.toml") as stream:
        stream.write(config.read_text(encoding="utf-8-sig"))
    # By the settings where they stand: packs of one's own lie beside them.
    with Working("judging", err):
        return found, judge(read(paths=replace(Paths.of(kept, PACKS), settings=config)))


def _tell(verdicts: Verdicts, what: Simulation, config: Path, out: Console | None, err: Console) -> None:
    if not verdicts.findings:
        if out is not None:
            out.print(f"The referee made {sum(verdicts.checked.values()):,} checks and found nothing.")
        return
    for line in finding_lines(verdicts):
        err.print(line, markup=False, highlight=False)
    if named := [name for name in os.environ if name.startswith("DIALER_") and name != "DIALER_CONFIG"]:
        err.print(
            f"The referee judges by {config}, without {', '.join(sorted(named))} of the environment.", markup=False
        )
    raise DialerError(f"the referee has {counted(verdicts)}; the same again: {replay(what, config)}")


def replay(what: Simulation, config: Path) -> str:
    """The command that simulates exactly this again."""
    words = [
        "dialer", "simulate", what.campaign, "--accounts", what.accounts, "--installments", what.installments,
        *(("--suppressions", what.suppressions) if what.suppressions else ()), "--config", config,
        "--from", what.first, "--to", what.last, "--seed", what.seed, "--faults", what.faults, "--out", "found",
    ]  # fmt: skip
    return shlex.join(map(str, words))


def check_folder(folder: Path, config: Path) -> None:
    """Raises BadParameter for a folder in which a simulation's files would pass for an installation's."""
    if str(folder) in ("", ".") or is_same(folder, Path(os.path.realpath(config)).parent):
        raise BadParameter(
            "is where the settings are; accepted: a folder of its own, such as month", param_hint="--out"
        )


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
