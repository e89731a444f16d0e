"""`dialer referee`: the independent checker's verdicts on a folder of exports, or on files named one by one."""

from collections.abc import Iterator
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import BaseModel, Field
from rich.table import Table

import config
from config.files import Fault
from dialer.cli.common import Json, err, out
from dialer.cli.progress import Working
from dialer.errors import DialerError, InvalidInput

if TYPE_CHECKING:
    from dialer.referee import Evidence, Paths, Verdicts

PACKS = Path(config.__file__).parent / "rules"
SHOWN = 50
"""So many findings are printed; `--json` has them all."""
HERE = Path(".")


class FindingTold(BaseModel):
    """One breach."""

    invariant: str
    at: datetime | None = Field(description="when; null where it is about no instant")
    attempt_id: str = Field(description="empty where it is about no single attempt")
    about: str = Field(description="the account, person, line or figure")
    text: str


class RefereeReport(BaseModel):
    """`dialer referee --json`."""

    findings: list[FindingTold]
    checked: dict[str, int] = Field(description="invariant → on how many things it was checked")
    unchecked: list[str] = Field(description="what could not be checked, and why")


def referee(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Holds the files by their names.")] = HERE,
    journal: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: DIR/journal.jsonl.")] = None,
    attempts: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: DIR/attempts.jsonl.")] = None,
    actions: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: DIR/actions.jsonl.")] = None,
    network: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: DIR/network.jsonl.")] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: DIR/report.json.")] = None,
    settings: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: DIR/settings.toml.")] = None,
    packs: Annotated[Path | None, typer.Option(metavar="DIR", help="Rule packs. Default: those shipped.")] = None,
    grace: Annotated[
        float, typer.Option(metavar="S", min=0, max=3600, help="Seconds after a stop in which a call may still go.")
    ] = 1.0,
    json: Json = False,
) -> None:
    """Check from outside what must hold: journal, files given and exports against each other. Exit 1: it does not."""
    from dialer.referee import Limits, Paths, judge

    if not isfinite(grace):
        raise typer.BadParameter("is no number of seconds; accepted: 0 to 3600", param_hint="--grace")
    known = Paths.of(folder, packs or PACKS)
    paths = Paths(
        journal or known.journal, attempts or known.attempts, settings or known.settings, known.packs,
        actions or known.actions, network or known.network, report or known.report,
    )  # fmt: skip
    with Working("judging", None if json else err):
        evidence = _read(paths)
        try:
            verdicts = judge(evidence, Limits(grace_s=grace))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            wrong = f"a field of these files has a form that cannot be read ({type(error).__name__}: {error})"
            raise InvalidInput([Fault(str(folder), 1, "files", wrong, "what docs/referee.md says")]) from error
    if json:
        out.print_json(report_of(verdicts).model_dump_json())
    else:
        _show(verdicts)
    if verdicts.findings:
        raise DialerError(f"the referee has {counted(verdicts)}; docs/referee.md says what each means")


def _read(paths: "Paths") -> "Evidence":
    from dialer.referee import Unreadable, read

    try:
        return read(paths=paths)
    except Unreadable as error:
        faults = [
            Fault(str(one.path), one.line, one.where, one.wrong, f"accepted: {one.accepted}") for one in error.faults
        ]
        raise InvalidInput(faults) from error


def report_of(verdicts: "Verdicts") -> RefereeReport:
    """The verdicts as they are published."""
    findings = [
        FindingTold(invariant=one.invariant, at=one.at, attempt_id=one.attempt_id, about=one.about, text=one.text)
        for one in verdicts.findings
    ]
    return RefereeReport(findings=findings, checked=verdicts.checked, unchecked=verdicts.unchecked)


def _show(verdicts: "Verdicts") -> None:
    from dialer.referee import INVARIANTS

    table = Table("invariant", "checked", "findings", box=None, header_style="", pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for name in INVARIANTS:
        found = sum(one.invariant == name for one in verdicts.findings)
        table.add_row(name, *(f"{count:,}" if count else "·" for count in (verdicts.checked[name], found)))
    out.print(table)
    for line in finding_lines(verdicts):
        out.print(line, markup=False, highlight=False)
    for told in verdicts.unchecked:
        out.print(f"not checked: {told}", markup=False, highlight=False)
    if not verdicts.findings:
        out.print("Nothing was found.")


def counted(verdicts: "Verdicts") -> str:
    count = len(verdicts.findings)
    return f"{count:,} finding{'' if count == 1 else 's'}"


def finding_lines(verdicts: "Verdicts") -> Iterator[str]:
    """Each finding as a line, as far as anybody reads."""
    for one in verdicts.findings[:SHOWN]:
        at = f"{one.at:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z " if one.at else ""
        which = f"attempt {one.attempt_id}, " if one.attempt_id else ""
        yield f"{one.invariant}: {at}{which}{one.about}: {one.text}"
    if len(verdicts.findings) > SHOWN:
        yield f"… and {len(verdicts.findings) - SHOWN:,} more"


def add_to(app: typer.Typer) -> None:
    """Puts this command into the command line."""
    app.command()(referee)
