"""`dialer actions`: what was given and done, as the referee reads it."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import BaseModel
from typer import BadParameter

from dialer.cli.common import CONFIG, Config, Json, err, out, with_house
from dialer.cli.targets import keep_off

if TYPE_CHECKING:
    from dialer.house import House


class ActionsReport(BaseModel):
    """`dialer actions --json`."""

    file: str
    actions: int


def actions(
    jsonl: Annotated[Path, typer.Option(metavar="FILE", help="A JSON object a line; `-` is standard output.")],
    reveal: Annotated[bool, typer.Option("--reveal", help="Whole phone numbers and names.")] = False,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """Export what was given and done: files, payments, stops, launches. `dialer referee` judges by it."""
    from dialer import actions as exporting
    from dialer.cli.progress import Working
    from dialer.export import STANDARD_OUTPUT

    if json and jsonl == STANDARD_OUTPUT:
        raise BadParameter("- and --json both print to standard output; accepted: one of them, or a file instead of -")

    async def work(house: "House") -> None:
        async with Working(f"writing {jsonl.name}", None if json else err):
            count = await house.store.read(partial(exporting.write_jsonl, path=jsonl, reveal=reveal))
        if json:
            out.print_json(ActionsReport(file=str(jsonl), actions=count).model_dump_json())
        elif jsonl != STANDARD_OUTPUT:
            out.print(f"{count:,} actions written to {jsonl}", markup=False)

    with_house(config, work, needs=True, first=lambda of: keep_off(of, config, [("--jsonl", jsonl)], dash=True))


def add_to(app: typer.Typer) -> None:
    """Puts this command into the command line."""
    app.command()(actions)
