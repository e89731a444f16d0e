"""`dialer init`: settings, a campaign and a small portfolio that work as they are written."""

from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from string import Template

from pydantic import BaseModel
from rich.console import Console

from campaigns.calendar import months_before
from dialer.errors import DialerError

SAMPLES = {
    "dialer.toml": "dialer.toml",
    "monthly.toml": "campaigns/monthly.toml",
    "accounts.csv": "accounts.csv",
    "installments.csv": "installments.csv",
    "suppressions.csv": "suppressions.csv",
}
"""The sample's name in config/samples → where it is written."""
DUE_IN = timedelta(days=2)
"""The first due date from today: its reminders begin at once."""
LATER_IN = timedelta(days=16)


class InitReport(BaseModel):
    """What was written."""

    folder: str
    files: list[str]


def init(folder: Path, today: date, console: Console, as_json: bool) -> InitReport:
    """Writes the samples into `folder`, with due dates that fit `today` (the lender's date).

    Raises DialerError, and writes nothing, where a file of that name is there already or the folder can't be written.
    """
    there = [name for name in SAMPLES.values() if (folder / name).exists()]
    if there:
        raise DialerError(f"{folder} has {', '.join(there)} already; nothing was written: name another folder")
    values = _values(today)
    try:
        for sample, name in SAMPLES.items():
            text = (files("config") / "samples" / sample).read_text(encoding="utf-8")
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with (folder / name).open("x", encoding="utf-8", newline="\n") as file:
                file.write(Template(text).substitute(values))
    except OSError as error:
        raise DialerError(f"{folder} cannot be written ({error.strerror}); name another folder") from error
    report = InitReport(folder=str(folder), files=[*SAMPLES.values()])
    if as_json:
        console.out(report.model_dump_json(indent=2), highlight=False)
    else:
        console.out(_next_steps(folder), highlight=False)
    return report


def _values(today: date) -> dict[str, str]:
    """`$due` and `$later`, the due dates one to three months before them, and the days they were paid on."""
    due_dates = {"due": today + DUE_IN, "later": today + LATER_IN}
    values = {"today": str(today), "due_days": str(sorted({due_on.day for due_on in due_dates.values()}))}
    for name, due_on in due_dates.items():
        values[name] = str(due_on)
        for months in (1, 2, 3):
            before = months_before(due_on, months)
            values[f"{name}_{months}"] = str(before)
            values[f"{name}_{months}_early"] = str(before - timedelta(days=1))
            values[f"{name}_{months}_late"] = str(before + timedelta(days=4))
    return values


def _next_steps(folder: Path) -> str:
    wrote = "\n".join(f"  {folder / name}" for name in SAMPLES.values())
    return f"""Wrote
{wrote}
Next:
  cd {folder}
  dialer check campaigns/monthly.toml
  dialer plan campaigns/monthly.toml --accounts accounts.csv --installments installments.csv
  dialer import accounts accounts.csv
  dialer import installments installments.csv
  dialer import suppressions suppressions.csv
  dialer launch campaigns/monthly.toml && dialer run"""
