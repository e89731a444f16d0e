"""`dialer import`: a file into the store, with progress, a summary, and FILE.rejects.csv for the bad rows."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel
from rich.console import Console
from typer import BadParameter

from config.files import Fault
from config.settings import Settings
from dialer import secret
from dialer.cli.common import broken_off, err, numbered, out, settings_of, with_house
from dialer.cli.progress import Working
from dialer.cli.targets import keep_off
from dialer.clock import Clock
from dialer.csvfile import AtomicCsv
from dialer.errors import InvalidInput
from dialer.house import House, without_database
from dialer.intake import AHEAD, CONTACT_AHEAD, Difference, Kind, Touched
from dialer.law_rows import EVERY_KIND, MadeContact
from dialer.own_files import is_same
from dialer.planning import replan_touched
from dialer.roster import Chunk, Reading, Reject
from dialer.store import InlineStore, Store, Tx, schema, shown
from dialer.store.common import note_action

KindName = Literal["accounts", "installments", "suppressions", "contacts", "agreements"]
FAULTS_MAX = 100
"""Faults that a strict import prints; the last says how many more there are."""
TODAY_FURTHEST = timedelta(hours=14)
"""Before UTC: what lies ahead of the today there lies ahead everywhere."""
SHOWN_MAX = 10
"""Rejects that are printed besides the file that has them all."""


class ImportReport(BaseModel):
    """What an import did, or with `dry_run` would do. All counts are rows of the file."""

    kind: KindName
    file: str
    encoding: str
    """`utf-8` or `gb18030`."""
    dry_run: bool
    rows: int
    new: int
    changed: int
    unchanged: int
    rejected: int
    rejects_file: str | None
    """Where the rejected rows are, with line and reason; null if there are none, or nothing was written."""
    reject_faults: int
    """All that is wrong with the rejected rows; a row may have several faults."""
    first_rejects: list[str]
    """Up to ten of these, as `FILE:LINE: FIELD: what is wrong; what is accepted`."""
    notices: list[str]


class _Total:
    """The counts of all chunks so far."""

    def __init__(self, reading: Reading[Any]) -> None:
        self._sheet = reading.sheet
        self.new = self.changed = self.unchanged = self.rejected = 0
        self.faults: list[Fault] = []
        self.fault_count = 0
        self._notices: Counter[str] = Counter()

    def add(self, found: Difference[Any], now: datetime) -> None:
        self.new += len(found.new)
        self.changed += len(found.changed)
        self.unchanged += found.unchanged
        self.rejected += len(found.rejects)
        self._notices.update(found.notices)
        today = (now + TODAY_FURTHEST).date()
        self._notices[AHEAD] += sum(one.paid_on is not None and one.paid_on > today for one in found.payments)
        if found.new and isinstance(found.new[0], MadeContact):
            self._notices[CONTACT_AHEAD] += sum(one.at > now for one in found.new)
        faults = [fault for reject in found.rejects for fault in reject.faults(self._sheet.path)]
        self.fault_count += len(faults)
        self.faults += islice(faults, max(FAULTS_MAX - len(self.faults), 0))

    @property
    def notices(self) -> list[str]:
        return [
            *self._sheet.notices,
            *(f"{numbered(count, 'row')}: {text}" for text, count in self._notices.items() if count),
        ]

    def refuse(self) -> InvalidInput:
        """Every fault there is, up to the printed maximum."""
        more = self.fault_count - len(self.faults)
        if more:
            last, path = self.faults[-1], str(self._sheet.path)
            wrong = f"{more} more faults in this file are not shown"
            self.faults.append(Fault(path, last.line, "file", wrong, "without --strict FILE.rejects.csv gets all"))
        return InvalidInput(self.faults)


def load(
    config: Path, kind: KindName, file: Path, json: bool, *, dry_run: bool, strict: bool, rejects: Path | None
) -> None:
    """The command: loads the file into the installation's database, and prints what came of it."""
    settings = settings_of(config)
    target = rejects or (None if dry_run else rejects_path(file))
    keep_off(settings, config, [("--rejects", target)], [file])
    if not schema.is_made(settings.database):
        # What can't be done makes no database.
        _check_target(file, rejects, loads_all=strict and not dry_run)
        EVERY_KIND[kind].read(file, settings.lender.country)
        if strict and not dry_run:
            asyncio.run(_try_out(settings, kind, file, None if json else err))

    async def work(house: House) -> None:
        report = await import_file(
            house.store, house.clock, house.settings.lender.country, kind, file, replan_touched(house),
            dry_run=dry_run, strict=strict, rejects=rejects, console=None if json else err,
        )  # fmt: skip
        if isinstance(house.store, InlineStore):
            name = shown(house.settings.database)
            report.notices.append(f"there is no database {name} yet: compared with an empty one, without accounts")
        if json:
            out.print_json(report.model_dump_json())
        else:
            print_report(report, out)

    with broken_off(_left(dry_run, strict)):
        with_house(config, work, tries=dry_run)


def _left(dry_run: bool, strict: bool) -> str:
    """What an import that is broken off leaves."""
    if dry_run:
        return "nothing was changed"
    if strict:
        return "all of the file was loaded, or nothing; import it again"
    return "what was loaded until then stays; import the file again"


async def _try_out(settings: Settings, kind: KindName, file: Path, console: Console | None) -> None:
    """Raises InvalidInput with every fault that a strict import into a new database would find."""
    async with without_database(settings) as house:
        await import_file(
            house.store, house.clock, settings.lender.country, kind, file, replan_touched(house), dry_run=True,
            strict=True, console=console,
        )  # fmt: skip


async def import_file(
    store: Store, clock: Clock, country: str, kind: KindName, path: Path, touched: Touched, *,
    dry_run: bool = False, strict: bool = False, rejects: Path | None = None, console: Console | None = None,
) -> ImportReport:  # fmt: skip
    """Loads the file: good rows a chunk a transaction, bad rows into `rejects`, else FILE.rejects.csv.

    `country`: the lender's. `strict`: all rows in one transaction, or with any bad row none (InvalidInput with
    every fault). `dry_run`: nothing is written, neither to the database nor beside the file; `rejects` alone, where
    it is named. A file that cannot be read as a whole raises InvalidInput before anything is changed. `console`:
    where progress is shown.
    """
    _check_target(path, rejects, loads_all=strict and not dry_run)
    what: Kind[Any] = EVERY_KIND[kind]
    reading = what.read(path, country)
    if dry_run or strict:
        target = rejects if dry_run else None
        async with _working("checking", reading, console) as bar:
            total = await _compare(store, what, reading, clock, target, bar)
        if strict and total.rejected:
            raise total.refuse()
        if dry_run:
            return _report(kind, reading, total, target if total.rejected else None, dry_run)
    target = rejects or rejects_path(path)
    async with _working("loading", reading, console) as bar:
        if strict:
            total = await _load_whole(store, what, reading, clock, touched, bar)
        else:
            total = await _load_chunks(store, what, reading, clock, touched, target, bar)
    report = _report(kind, reading, total, target if total.rejected else None, dry_run)
    detail = f"{path.name}: {report.new} new, {report.changed} changed, {report.rejected} rejected"
    await store.write(lambda tx: note_action(tx, "import", kind, detail, clock.now()))
    return report


def _check_target(path: Path, rejects: Path | None, loads_all: bool) -> None:
    if rejects is not None and is_same(rejects, path):
        raise BadParameter(f"{rejects} is the file to import; accepted: another file", param_hint="--rejects")
    if rejects is not None and loads_all:
        raise BadParameter("--strict loads all rows or none; accepted: with --dry-run", param_hint="--rejects")


def rejects_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.rejects.csv")


def print_report(report: ImportReport, console: Console) -> None:
    """The summary for people."""
    verb = "would be " if report.dry_run else ""
    console.print(
        f"{report.file}: {numbered(report.rows, 'row')} of {report.kind} ({report.encoding})",
        highlight=False,
        markup=False,
    )
    for count, word in (
        (report.new, f"{verb}new"),
        (report.changed, f"{verb}changed"),
        (report.unchanged, "unchanged"),
        (report.rejected, f"{verb}rejected"),
    ):
        console.print(f"{count:>12,}  {word}", highlight=False)
    for notice in report.notices:
        console.print(f"notice: {notice}", highlight=False, markup=False)
    for line in report.first_rejects:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    more = report.reject_faults - len(report.first_rejects)
    if more:
        where = "" if report.rejects_file else "; `--rejects FILE` writes all of them, with line and reason"
        console.print(f"… and {more:,} more{where}", highlight=False)
    if report.rejects_file:
        console.print(f"The rejected rows are in {report.rejects_file}", highlight=False, markup=False)


async def _compare(
    store: Store, what: Kind[Any], reading: Reading[Any], clock: Clock, target: Path | None, bar: Working
) -> _Total:
    """What a load would do. Rejected rows go to `target`, where there is one."""
    total = _Total(reading)
    with _rejects_file(reading, target or rejects_path(reading.sheet.path)) as rejects:
        for chunk in reading:
            found = await store.read(partial(_compare_chunk, what, chunk))
            total.add(found, clock.now())
            if target is not None:
                rejects.write(_reject_rows(reading, found.rejects))
            bar.advance(chunk.rows)
        if target is not None:
            rejects.commit()
    return total


def _compare_chunk(what: Kind[Any], chunk: Chunk[Any], tx: Tx) -> Difference[Any]:
    return what.compare(tx, chunk)


async def _load_chunks(
    store: Store, what: Kind[Any], reading: Reading[Any], clock: Clock, touched: Touched, target: Path, bar: Working
) -> _Total:
    total = _Total(reading)
    with _rejects_file(reading, target) as rejects:
        for chunk in reading:
            found = await store.write(partial(what.load, chunk=chunk, now=clock.now(), touched=touched))
            total.add(found, clock.now())
            rejects.write(_reject_rows(reading, found.rejects))
            bar.advance(chunk.rows)
        rejects.commit()
    return total


async def _load_whole(
    store: Store, what: Kind[Any], reading: Reading[Any], clock: Clock, touched: Touched, bar: Working
) -> _Total:
    """One transaction. It holds up other writers, so the file was compared before and is known to be good."""

    def whole(tx: Tx) -> _Total:
        total = _Total(reading)
        for chunk in reading:
            now = clock.now()
            total.add(what.load(tx, chunk, now, touched), now)
            bar.advance(chunk.rows)
        if total.rejected:
            raise total.refuse()
        return total

    total = await store.write(whole)
    with _rejects_file(reading, rejects_path(reading.sheet.path)) as rejects:
        rejects.commit()
    return total


def _rejects_file(reading: Reading[Any], target: Path) -> AtomicCsv:
    return AtomicCsv(target, ("line", "field", "reason", *reading.sheet.header))


def _reject_rows(reading: Reading[Any], rejects: Iterable[Reject]) -> Iterable[list[str]]:
    for reject in rejects:
        fields = "; ".join(problem.field for problem in reject.problems)
        told = [(problem.wrong, problem.accepted.removeprefix("accepted: ")) for problem in reject.problems]
        reasons = "; ".join(f"{wrong} (accepted: {accepted})" for wrong, accepted in told)
        yield [str(reject.row.line), fields, reasons, *secret.masked(reading.sheet.header, reject.row.cells)]


def _working(verb: str, reading: Reading[Any], console: Console | None) -> Working:
    return Working(f"{verb} {reading.sheet.path.name}", console, reading.sheet.rows, "rows")


def _report(kind: KindName, reading: Reading[Any], total: _Total, rejects: Path | None, dry_run: bool) -> ImportReport:
    return ImportReport(
        kind=kind,
        file=str(reading.sheet.path),
        encoding=reading.sheet.encoding,
        dry_run=dry_run,
        rows=reading.sheet.rows,
        new=total.new,
        changed=total.changed,
        unchanged=total.unchanged,
        rejected=total.rejected,
        rejects_file=None if rejects is None else str(rejects),
        reject_faults=total.fault_count,
        first_rejects=[str(fault) for fault in total.faults[:SHOWN_MAX]],
        notices=total.notices,
    )
