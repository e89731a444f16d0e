"""The forecast of two files, without any database: read, checked and answered by several processes at once.

Each process takes a share of the persons with all their accounts; persons have nothing to do with each other.
"""

import gc
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import date
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO, Any, TypeVar
from zlib import crc32

from campaigns.segment import late_counts
from config.files import Fault
from dialer.csvfile import Row, Sheet, plain_records
from dialer.errors import DialerError, InvalidInput
from dialer.forecast import PAGE, Forecast, Page, Progress, Question, answer, left_to_pay, member_of
from dialer.forecast_texts import Named
from dialer.roster import Account, Installment, Reading, read_accounts, read_installments

T = TypeVar("T", Account, Installment)
FAULTS_MAX = 1_000
"""Faults that are told; one more says how many there are besides."""
SHARE_ROWS = 50_000
"""Rows that are worth a process of their own."""
SHARES_MAX = 8


@dataclass(frozen=True, slots=True)
class Files:
    """Two files that were looked through."""

    accounts: Reading[Account]
    installments: Reading[Installment]

    @property
    def rows(self) -> int:
        return self.accounts.sheet.rows + self.installments.sheet.rows


def open_files(country: str, accounts: Path, installments: Path) -> Files:
    """Looks both files through. Raises InvalidInput with all that is wrong with either as a whole."""
    faults: list[Fault] = []
    first = _opened(lambda: read_accounts(accounts, country), faults)
    second = _opened(lambda: read_installments(installments), faults)
    if first is None or second is None:
        raise InvalidInput(faults)
    return Files(first, second)


def _opened(read: Callable[[], Reading[T]], faults: list[Fault]) -> Reading[T] | None:
    try:
        return read()
    except InvalidInput as error:
        faults.extend(error.faults)
        return None


def from_files(
    asked: Question, files: Files, with_lines: bool, progress: Progress, shares: int | None = None
) -> Forecast:
    """The forecast. Raises InvalidInput with the faults of all rows. The number of shares makes no difference.

    `progress` hears of about twice the files' rows: read, then answered.
    """
    work = _Work(asked, files, with_lines, shares or _shares(files.rows))
    with _without_collection():
        parts = [work.share(0, progress)] if work.shares == 1 else _in_processes(work, progress)
        if count := sum(part.fault_count for part in parts):
            raise InvalidInput(_told(files, count, (fault for part in parts for fault in part.faults)))
        total = Forecast()
        for part in parts:
            total.add(part.forecast)
        total.lines.sort()
    return total


@contextmanager
def _without_collection() -> Iterator[None]:
    """Millions of objects that live to the end and hold no cycles: walking over them again and again took half the
    time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _shares(rows: int) -> int:
    return min(1 + rows // SHARE_ROWS, os.cpu_count() or 1, SHARES_MAX)


def _told(files: Files, count: int, faults: Iterable[Fault]) -> list[Fault]:
    """The first faults in the order of files and lines."""
    order = [str(files.accounts.sheet.path), str(files.installments.sheet.path)]
    told = sorted(faults, key=lambda fault: (order.index(fault.file), fault.line))[:FAULTS_MAX]
    if count > len(told):
        wrong = f"{count - len(told)} more faults are not shown"
        told.append(Fault(told[-1].file, told[-1].line, "file", wrong, "mend these first"))
    return told


@dataclass(slots=True)
class _Part:
    """What one share gives."""

    forecast: Forecast = field(default_factory=Forecast)
    faults: list[Fault] = field(default_factory=list)
    """The first of them, in the order of files and lines."""
    fault_count: int = 0

    def add(self, faults: Iterable[Fault]) -> None:
        for fault in faults:
            self.fault_count += 1
            if self.fault_count <= FAULTS_MAX:
                self.faults.append(fault)


@dataclass(frozen=True, slots=True)
class _Work:
    asked: Question
    files: Files
    with_lines: bool
    shares: int

    def share(self, number: int, progress: Progress) -> _Part:
        """Reads and answers one share."""
        part = _Part()
        persons = self._read(_Owners(number, self.shares), part, progress)
        if not part.faults:
            page_rows = self.files.rows // self.shares // (1 + len(persons) // PAGE)
            for page in _pages(self.asked, persons):
                part.forecast.add(answer(self.asked, page, self.with_lines))
                progress(page_rows)
            part.forecast.lines.sort()
        return part

    def _read(self, owners: "_Owners", part: _Part, progress: Progress) -> dict[str, list["_Known"]]:
        """The accounts by person."""
        persons: dict[str, list[_Known]] = {}
        accounts: dict[str, _Known] = {}
        for _, account in _good(owners.accounts(self.files.accounts), part, progress):
            known = accounts[account.account_id] = _Known(account)
            persons.setdefault(account.person_id, []).append(known)
        since, (first, last) = self.asked.since, self.asked.dues
        path, wrong = str(self.files.installments.sheet.path), f"is not in {self.files.accounts.sheet.path.name}"
        for row, one in _good(owners.installments(self.files.installments), part, progress):
            if not owners.knows(one.account_id):
                part.add([Fault(path, row.line, "account_id", wrong, "accepted: an account of that file")])
            elif since <= one.due_on <= last and (found := accounts.get(one.account_id)):
                found.history.append((one.due_on, one.paid_on, one.is_open))
                if one.due_on >= first:
                    found.due.append(one)
        return persons


@dataclass(slots=True)
class _Known:
    """An account and its installments: those that may be reminded of, and what late counts need of all."""

    account: Account
    due: list[Installment] = field(default_factory=list)
    history: list[tuple[date, date | None, bool]] = field(default_factory=list)


class _Owners:
    """Which rows belong to a share: by their person, told from the cells before anything is parsed."""

    def __init__(self, share: int, shares: int) -> None:
        self._share, self._shares = share, shares
        self._of: dict[str, int] = {}
        """Share by account id, of all rows of the accounts' file, rejected ones too."""

    def knows(self, account_id: str) -> bool:
        return account_id in self._of

    def accounts(self, reading: Reading[Account]) -> Reading[Account]:
        account_at, person_at = reading.sheet.indexes[:2]
        width = max(account_at, person_at) + 1

        def owns(cells: list[str]) -> bool:
            if len(cells) < width:
                return self._share == 0
            share = crc32(cells[person_at].strip().encode()) % self._shares
            # An account that is there twice, with two persons, is told where it came first.
            return self._of.setdefault(cells[account_at].strip(), share) == self._share

        return replace(reading, sheet=_only(reading.sheet, width, owns))

    def installments(self, reading: Reading[Installment]) -> Reading[Installment]:
        account_at = reading.sheet.indexes[0]

        def owns(cells: list[str]) -> bool:
            account_id = cells[account_at].strip() if len(cells) > account_at else ""
            return self._of.get(account_id, 0) == self._share

        return replace(reading, sheet=_only(reading.sheet, account_at + 1, owns))


@dataclass(frozen=True, slots=True)
class _SharedSheet(Sheet):
    """A sheet of which only some rows are read."""

    width: int
    owns: Callable[[list[str]], bool]
    """Told from the first `width` cells, or more."""

    def records(self, stream: IO[str]) -> Iterator[Row]:
        """The header, and the rows of this share."""
        if not self.plain:
            records = Sheet.records(self, stream)
            yield next(records)
            yield from (row for row in records if self.owns(row.cells))
            return
        lines = enumerate(stream, 1)
        yield next(plain_records(lines))
        yield from plain_records((number, line) for number, line in lines if self.owns(line.split(",", self.width)))


def _only(sheet: Sheet, width: int, owns: Callable[[list[str]], bool]) -> Sheet:
    return _SharedSheet(**{one.name: getattr(sheet, one.name) for one in fields(Sheet)}, width=width, owns=owns)


def _good(reading: Reading[T], part: _Part, progress: Progress) -> Iterator[tuple[Row, T]]:
    for chunk in reading:
        yield from chunk.good
        for reject in chunk.rejects:
            part.add(reject.faults(reading.sheet.path))
        progress(chunk.rows)


def _pages(asked: Question, persons: dict[str, list[_Known]]) -> Iterator[Page]:
    """Empties `persons`, so that memory is free for the answers."""
    months, today = asked.months, asked.first
    while persons:
        page = Page()
        for _ in range(min(PAGE, len(persons))):
            _, accounts = persons.popitem()
            for known in accounts:
                if asked.writing is not None:
                    page.named[known.account.account_id] = Named.of(known.account)
                for one in known.due:
                    if left := left_to_pay(one.amount, one.paid_amount, one.paid_on, today):
                        late = late_counts(known.history, one.due_on, months, today)
                        oldest = min((due_on for due_on, _, is_open in known.history if is_open), default=None)
                        page.members.append(member_of(known.account, one, left, late, oldest))
        yield page


def _in_processes(work: _Work, progress: Progress) -> list[_Part]:
    """A process a share, forked: each has the question and the files without their being sent."""
    context = get_context("fork")
    running: dict[Any, BaseProcess] = {}
    for number in range(work.shares):
        receiver, sender = context.Pipe(duplex=False)
        running[receiver] = context.Process(target=_run, args=(work, number, sender), daemon=True)
        running[receiver].start()
        sender.close()
    parts: list[_Part] = []
    while running:
        ready: list[Any] = wait(running)
        for receiver in ready:
            news = _news(receiver)
            if isinstance(news, int):
                progress(news)
            else:
                parts.append(news)
                running.pop(receiver).join()
    return parts


def _news(receiver: Any) -> int | _Part:
    """Rows done, or at last the part. Raises what the process ended with."""
    try:
        news: int | _Part | DialerError = receiver.recv()
    except EOFError:
        raise DialerError("a process of the plan was killed, perhaps for want of memory; try again") from None
    if isinstance(news, DialerError):
        raise news
    return news


def _run(work: _Work, number: int, sender: Any) -> None:
    """The life of a process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with the one that began it
    try:
        sender.send(work.share(number, sender.send))
    except DialerError as error:
        sender.send(error)
