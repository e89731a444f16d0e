"""`dialer init`: settings, a campaign and a small portfolio that work as written, in the operator's language."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from shlex import quote
from string import Template
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from rich.console import Console
from typer import BadParameter

from campaigns.calendar import months_before
from dialer.cli.schema import write_files
from dialer.errors import DialerError

SAMPLES = {
    "README.md": "README.md",
    "dialer.toml": "dialer.toml",
    "monthly.toml": "campaigns/monthly.toml",
    "accounts.csv": "accounts.csv",
    "installments.csv": "installments.csv",
    "suppressions.csv": "suppressions.csv",
    "gitignore": ".gitignore",
}
"""The sample's name in config/samples/LANGUAGE → where it is written."""
SCHEMAS = "schemas"
"""Where the JSON Schemas are written, which the first lines of both TOML files name for editors."""
ZONES = {"zh": "Asia/Shanghai", "en": "America/New_York"}
"""Language → the sample lender's time zone: the portfolio is due from its today."""
DUE_IN = timedelta(days=2)
"""The first due date from today: its reminders begin at once."""
LATER_IN = timedelta(days=16)


class InitReport(BaseModel):
    """What was written."""

    folder: str
    language: str
    files: list[str]


@dataclass(frozen=True, slots=True)
class Words:
    """What is told when it is done, in one language."""

    wrote: str
    next: str


WORDS = {"zh": Words("已写入", "下一步"), "en": Words("Wrote", "Next")}


def language_of(env: Mapping[str, str]) -> str:
    """`zh` where the locale (LC_ALL, else LANG) is a Chinese one, else `en`."""
    return "zh" if (env.get("LC_ALL") or env.get("LANG") or "").lower().startswith("zh") else "en"


def init(folder: Path, language: str, now: datetime, console: Console, as_json: bool) -> InitReport:
    """Writes the samples of a language into `folder`, with due dates that fit `now`.

    Raises DialerError, and writes nothing, where a file of that name is there already or the folder can't be written;
    BadParameter for a language without samples.
    """
    if language not in ZONES:
        raise BadParameter(f'"{language}" is no language of the samples; accepted: {", ".join(ZONES)}')
    there = [name for name in SAMPLES.values() if (folder / name).exists()]
    if there:
        raise DialerError(f"{folder} has {', '.join(there)} already; nothing was written: name another folder")
    values = _values(now.astimezone(ZoneInfo(ZONES[language])).date())
    texts = {name: Template(sample_text(language, one)).substitute(values) for one, name in SAMPLES.items()}
    schemas = _write(folder, texts)
    written = [*SAMPLES.values(), *(f"{SCHEMAS}/{name}" for name in schemas)]
    report = InitReport(folder=str(folder), language=language, files=written)
    if as_json:
        console.out(report.model_dump_json(indent=2), highlight=False)
    else:
        console.out(_next_steps(folder, written, WORDS[language]), highlight=False)
    return report


def sample_text(language: str, name: str) -> str:
    """A sample as it is kept, with `$due_days` and the like still in it."""
    return (files("config") / "samples" / language / name).read_text(encoding="utf-8")


def _write(folder: Path, texts: Mapping[str, str]) -> list[str]:
    """All of them or none, since half a folder would be in the way of the next try; then the schemas, whose names it
    returns."""
    made: list[Path] = []
    try:
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with (folder / name).open("x", encoding="utf-8", newline="\n") as file:
                made.append(folder / name)
                file.write(text)
        return [Path(one.file).name for one in write_files(folder / SCHEMAS)]
    except BaseException as error:
        for path in made:
            with suppress(OSError):  # what kept it from being written may keep it from being taken away
                path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            wrong = f"{folder} cannot be written ({error.strerror}); name another folder"
            raise DialerError(wrong) from error
        raise


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


def _next_steps(folder: Path, written: list[str], words: Words) -> str:
    wrote = "\n".join(f"  {folder / name}" for name in written)
    enter = "" if folder == Path(".") else f"  cd {quote(str(folder))}\n"
    return f"""{words.wrote}
{wrote}
{words.next}
{enter}  dialer check campaigns/monthly.toml
  dialer plan campaigns/monthly.toml --accounts accounts.csv --installments installments.csv
  dialer import accounts accounts.csv
  dialer import installments installments.csv
  dialer import suppressions suppressions.csv
  dialer launch campaigns/monthly.toml
  dialer run"""
