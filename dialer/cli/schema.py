"""`dialer schema`: the JSON Schema of a file that people write, or of what a command prints with `--json`."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from typer import BadParameter

from config.faults import nearest
from dialer import check as checking
from dialer import shapes
from dialer.cli.common import CONFIG
from dialer.cli.targets import keep_off
from dialer.errors import DialerError, InvalidInput
from dialer.wholefile import whole_file


class Published(BaseModel):
    """One schema."""

    name: str
    of: str
    """What it describes."""


class Written(BaseModel):
    """A schema that was written to a file."""

    name: str
    file: str


class SchemaReport(BaseModel):
    """`dialer schema --json`: the schemas there are; with `--out` those that were written. With a NAME alone the
    schema itself is printed."""

    schemas: list[Published]
    written: list[Written]


def answers() -> dict[str, type[BaseModel]]:
    """Command → what it prints with `--json`, in the order of names."""
    return dict(sorted((_of_operations() | _of_views()).items()))


def _of_views() -> dict[str, type[BaseModel]]:
    """Commands that tell; `audit-head` is the command `audit head`. Each model comes from the module of its command;
    all together take their time to import."""
    from dialer.audit import Audit, HeadReport
    from dialer.cli import actions, check, plan, tasks, views
    from dialer.cli.call import CallReport
    from dialer.cli.digest import DigestReport
    from dialer.cli.referee import RefereeReport
    from dialer.explain import Explanation
    from dialer.report_model import Report
    from dialer.rulelist import RulesReport
    from dialer.status_model import Status

    return {
        "actions": actions.ActionsReport,
        "attempts": views.Exported,
        "audit-head": HeadReport,
        "audit-verify": Audit,
        "call": CallReport,
        "check": check.CheckReport,
        "digest": DigestReport,
        "explain": Explanation,
        "plan": plan.Plan,
        "referee": RefereeReport,
        "report": Report,
        "rules": RulesReport,
        "schema": SchemaReport,
        "simulate": Report,
        "status": Status,
        "tasks": tasks.TaskList,
    }


def _of_operations() -> dict[str, type[BaseModel]]:
    """Commands that change something, or are about what they change."""
    from dialer.cli import backup, db, done, imports, init, record, tasks
    from dialer.condition_model import Condition

    return {
        "backup": backup.BackupReport,
        "cancel": done.StatusDone,
        "db-check": Condition,
        "db-copy": db.CopyReport,
        "db-restored": db.RestoredReport,
        "db-upgrade": db.UpgradeReport,
        "done": tasks.TasksDone,
        "forget": record.ForgetReport,
        "halt": done.HaltDone,
        "import": imports.ImportReport,
        "init": init.InitReport,
        "launch": done.LaunchDone,
        "paid": done.PaidDone,
        "pause": done.StatusDone,
        "purge": record.PurgeReport,
        "restore": backup.RestoreReport,
        "resume": done.StatusDone,
        "suppress": done.SuppressDone,
        "unhalt": done.UnhaltDone,
    }


def schema(name: str | None, to: Path | None, as_json: bool, console: Console) -> None:
    """Prints the schema of this name, or writes it to the file `to`. Without a name: lists them all, or writes those
    of files into the folder `to`. Raises BadParameter for an unknown name, DialerError where nothing can be written.
    """
    words = {command: command.replace("-", " ") for command in answers()}
    known = shapes.FILES | {command: f"what `dialer {words[command]} --json` prints" for command in words}
    if name is not None and name not in known:
        raise BadParameter(f'no schema is named "{name}"{nearest(name, known)}; accepted: {", ".join(known)}')
    if name is not None and to is None:
        console.out(_text(name), highlight=False)
        return
    if to is not None:
        _keep_off([to] if name else [_file(to, one) for one in shapes.FILES])
    written = [] if to is None else [_write(name, to)] if name else write_files(to)
    report = SchemaReport(schemas=[Published(name=one, of=known[one]) for one in known], written=written)
    if as_json:
        console.out(report.model_dump_json(indent=2), highlight=False)
    else:
        _show(report, known, console)


def write_files(folder: Path) -> list[Written]:
    """The schemas of the files that people write, each as `NAME.schema.json`. Raises DialerError."""
    return [_write(name, _file(folder, name)) for name in shapes.FILES]


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.schema.json"


def _keep_off(targets: Sequence[Path]) -> None:
    """This command needs no settings, and mends faulty ones: where they can be read, they say which is the database."""
    config, settings = Path(os.environ.get("DIALER_CONFIG", CONFIG)), None
    with suppress(InvalidInput):
        settings = checking.read_settings(config, os.environ)
    keep_off(settings, config, [("--out", path) for path in targets])


def _text(name: str) -> str:
    found = shapes.of_file(name) if name in shapes.FILES else shapes.of_answer(name, answers()[name])
    return json.dumps(found, indent=2, ensure_ascii=False)


def _write(name: str, path: Path) -> Written:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DialerError(f"{path}: cannot be written ({error.strerror}); name another file") from error
    with whole_file(path, private=False) as stream:
        stream.write(_text(name) + "\n")
    return Written(name=name, file=str(path))


def _show(report: SchemaReport, known: dict[str, str], console: Console) -> None:
    for one in report.written:
        console.print(f"{escape(one.file)}: the schema of {known[one.name]}", highlight=False)
    if report.written:
        return
    table = Table.grid(padding=(0, 2))
    for published in report.schemas:
        table.add_row(published.name, escape(published.of))
    console.print(table)
    console.print("`dialer schema NAME` prints one; `dialer schema --out schemas` writes those of files, for editors.")
