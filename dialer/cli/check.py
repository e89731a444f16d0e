"""`dialer check`: settings and campaign files, every fault at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel
from rich.console import Console

from config.files import Fault
from dialer.check import check_files


class Notice(BaseModel):
    """Something worth knowing that is no fault."""

    file: str
    line: int | None
    field: str
    text: str


class CheckReport(BaseModel):
    """Everything is valid. Faults are no report: the command ends with them, exit code 2."""

    settings: str
    campaigns: list[str]
    notices: list[Notice]


def check(files: Sequence[Path], config: Path, env: Mapping[str, str], console: Console, as_json: bool) -> CheckReport:
    """Checks the settings, and campaign files against them. Raises InvalidInput with all faults of all files."""
    _, notices = check_files(config, env, files)
    report = CheckReport(
        settings=str(config), campaigns=[str(file) for file in files], notices=[_notice(fault) for fault in notices]
    )
    if as_json:
        console.out(report.model_dump_json(indent=2), highlight=False)
        return report
    for fault in notices:
        console.out(f"notice: {fault}", highlight=False)
    for name in [report.settings, *report.campaigns]:
        console.out(f"{name}: valid", highlight=False)
    return report


def _notice(fault: Fault) -> Notice:
    return Notice(file=fault.file, line=fault.line, field=fault.field, text=f"{fault.wrong}; {fault.accepted}")
