"""Faces of the read-only views: attempts, report, explain, status."""

from datetime import date, datetime
from functools import partial
from pathlib import Path

from pydantic import BaseModel
from rich.console import Console
from typer import BadParameter

from dialer import explain as explaining
from dialer import export
from dialer import report as reporting
from dialer import status as standing
from dialer.house import House


class Exported(BaseModel):
    """`dialer attempts --json`."""

    file: str
    attempts: int


async def attempts(
    house: House, csv: Path | None, jsonl: Path | None, campaign: str | None, since: datetime | None, reveal: bool,
    json: bool, out: Console,
) -> None:  # fmt: skip
    """Writes the files that were asked for."""
    wanted = [(csv, export.write_csv), (jsonl, export.write_jsonl)]
    if csv is None and jsonl is None:
        raise BadParameter("nowhere to write to; accepted: --csv FILE, --jsonl FILE, or both")
    for path, write in wanted:
        if path is None:
            continue
        count = await house.store.read(partial(write, path=path, campaign=campaign, since=since, reveal=reveal))
        if json:
            out.print_json(Exported(file=str(path), attempts=count).model_dump_json())
        else:
            out.print(f"{count:,} attempts written to {path}", markup=False)


async def report(
    house: House, campaign: str | None, day: date | None, html: Path | None, json: bool, out: Console
) -> None:
    found = await house.store.read(lambda tx: reporting.build(tx, house, campaign, day))
    if json:
        out.print_json(found.model_dump_json())
    else:
        reporting.show(found, out)
    if html is not None:
        reporting.write_html(found, html, house.settings.lender.language)
        if not json:
            out.print(f"The report as a page: {html}", markup=False)


async def explain(house: House, account: str, at: datetime | None, json: bool, out: Console) -> None:
    found = await house.store.read(lambda tx: explaining.explain(tx, house, account, at))
    if json:
        out.print_json(found.model_dump_json())
    else:
        explaining.show(found, out)


async def status(house: House, name: str | None, json: bool, out: Console) -> None:
    found = await house.store.read(lambda tx: standing.build(tx, house, name))
    if json:
        out.print_json(found.model_dump_json())
    else:
        standing.show(found, house, out)
