"""Faces of the read-only views: attempts, report, explain, status."""

import asyncio
from datetime import date, datetime
from functools import partial
from pathlib import Path

from pydantic import BaseModel
from rich.console import Console
from typer import BadParameter

from dialer import explain as explaining
from dialer import explain_show, export, report_show, status_show
from dialer import report as reporting
from dialer import status as standing
from dialer.cli.common import numbered
from dialer.cli.progress import Working
from dialer.house import House
from dialer.own_files import is_same
from dialer.report_words import LANGUAGES


class Exported(BaseModel):
    """`dialer attempts --json`."""

    file: str
    """The first of `files`."""
    files: list[str]
    attempts: int


async def attempts(
    house: House, csv: Path | None, jsonl: Path | None, campaign: str | None, since: datetime | None, reveal: bool,
    json: bool, out: Console, err: Console,
) -> None:  # fmt: skip
    """Writes the files that were asked for; `-` is standard output."""
    paths = [csv, jsonl]
    write_jsonl = partial(export.write_jsonl, currency=house.settings.lender.currency)
    written, count = [], 0
    for path, write in ((csv, export.write_csv), (jsonl, write_jsonl)):
        if path is None:
            continue
        async with Working(f"writing {path.name}", None if json else err):
            count = await house.store.read(partial(write, path=path, campaign=campaign, since=since, reveal=reveal))
        written.append(str(path))
        if not json and export.STANDARD_OUTPUT not in paths:
            out.print(f"{numbered(count, 'attempt')} written to {path}", markup=False)
    if json:
        out.print_json(Exported(file=written[0], files=written, attempts=count).model_dump_json())


def check_targets(csv: Path | None, jsonl: Path | None, json: bool) -> None:
    """Raises BadParameter for files that `attempts` can't write."""
    paths = [path for path in (csv, jsonl) if path is not None]
    if not paths:
        raise BadParameter("nowhere to write to; accepted: --csv FILE, --jsonl FILE, or both")
    if export.STANDARD_OUTPUT in paths and json:
        raise BadParameter("- and --json both print to standard output; accepted: one of them, or a file instead of -")
    if paths.count(export.STANDARD_OUTPUT) > 1:
        raise BadParameter("--csv - and --jsonl - both print to standard output; accepted: a file for one of them")
    if csv is not None and jsonl is not None and is_same(csv, jsonl) and (csv.is_file() or not csv.exists()):
        raise BadParameter(f"--csv {csv} and --jsonl {jsonl} are one file; accepted: a file for each")


def check_page(html: Path | None, language: str | None) -> None:
    """Raises BadParameter for a page that `report` can't write."""
    if language is not None and language not in LANGUAGES:
        accepted = ", ".join(LANGUAGES)
        raise BadParameter(f'"{language}" is no language of the page; accepted: {accepted}', param_hint="--language")
    if html is not None and html.name == "-":
        raise BadParameter('"-" is no file for a page; accepted: a path, such as report.html', param_hint="--html")
    if language is not None and html is None:
        raise BadParameter("there is no page to write in it; give --html FILE as well", param_hint="--language")


async def report(
    house: House, campaign: str | None, day: date | None, html: Path | None, language: str | None, json: bool,
    out: Console, err: Console,
) -> None:  # fmt: skip
    """Prints the report; with `html` also writes the page, in `language` or else the lender's."""
    async with Working("counting", None if json else err):
        found = await house.store.read(lambda tx: reporting.build(tx, house, campaign, day))
    if json:
        out.print_json(found.model_dump_json())
    else:
        report_show.show(found, out)
    if html is not None:
        async with Working("drawing the report", None if json else err):
            settings = house.settings
            await asyncio.to_thread(reporting.write_html, found, html, language or settings.lender.language, settings)
        if not json:
            out.print(f"The report as a page: {html}", markup=False)


def check_language(language: str | None) -> None:
    """Raises BadParameter for a language that `explain` does not speak."""
    if language is not None and language not in LANGUAGES:
        accepted = ", ".join(LANGUAGES)
        raise BadParameter(f'"{language}" is not spoken here; accepted: {accepted}', param_hint="--language")


async def explain(
    house: House, account: str, at: datetime | None, language: str | None, json: bool, out: Console
) -> None:
    """Prints the account's story, in `language` or else the lender's."""
    found = await house.store.read(lambda tx: explaining.explain(tx, house, account, at, language))
    if json:
        out.print_json(found.model_dump_json())
    else:
        explain_show.show(found, out)


async def status(house: House, name: str | None, json: bool, out: Console) -> None:
    found = await house.store.read(lambda tx: standing.build(tx, house, name))
    if json:
        out.print_json(found.model_dump_json())
    else:
        status_show.show(found, house, out)
