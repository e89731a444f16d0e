"""CSV files as lenders send them: looked through once, then read in chunks, always with physical line numbers.

UTF-8 with or without BOM, or GB18030; CRLF or LF; columns in any order. What concerns the whole file (it cannot
be read, a column is missing) raises InvalidInput before anything is used; what concerns one row is a value.
"""

import csv
import difflib
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple

from config.files import Fault
from dialer import csvtext
from dialer.errors import DialerError, InvalidInput

CHUNK_ROWS = 2_000
COLUMNS_MAX = 1_000
NOTICES_MAX = 20
"""Unknown columns that are told."""
LIKE = 0.7
"""How much alike two names of columns are spelt, of 1, where one may be meant by the other; `region` and `reason` are
0.67."""
E164 = re.compile(r"\+[1-9][0-9]{6,14}")
LONG_NUMBER = re.compile(r"\+?[0-9]{7,}")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class Row(NamedTuple):
    """One record. `line` is the physical line it begins on; `broken` says why it has no usable cells, if so."""

    line: int
    cells: list[str]
    broken: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file that was looked through: it can be read to its end, and has the columns that are needed."""

    path: Path
    encoding: str
    """`utf-8` or `gb18030`."""
    header: tuple[str, ...]
    indexes: tuple[int, ...]
    """Where each wanted column stands; -1: an optional one that is not there."""
    rows: int
    notices: tuple[str, ...]
    plain: bool
    """No quotes: every line is a record, and its cells stand between commas."""

    def records(self, stream: IO[str]) -> Iterator[Row]:
        """All records, the header first."""
        return plain_records(enumerate(stream, 1)) if self.plain else _records(stream, self.path)

    def chunks(self, size: int = CHUNK_ROWS) -> Iterator[list[Row]]:
        """The records below the header, `size` at a time. Raises DialerError if the file changed meanwhile."""
        try:
            with _opened(self.path, self.encoding) as stream:
                records = self.records(stream)
                next(records)
                while chunk := list(islice(records, size)):
                    yield chunk
        except (OSError, UnicodeError, InvalidInput, StopIteration) as error:
            raise DialerError(f"{self.path}: changed while it was read; import it again when it is complete") from error

    def columns(self, rows: Sequence[Row]) -> list[list[str]] | None:
        """The wanted columns of these rows, trimmed, in the order they were asked for; None where a row has not as many
        cells as the header."""
        cells, width = [row[1] for row in rows], len(self.header)
        if any(len(one) != width for one in cells):
            return None
        every, absent = list(zip(*cells, strict=True)), ("",) * len(cells)
        return [list(map(str.strip, every[at] if at >= 0 else absent)) for at in self.indexes]

    def values(self) -> Callable[[Row], list[str]]:
        """What gives the wanted columns of a row, trimmed, in the order they were asked for."""
        pick, strip = itemgetter(*self.indexes), str.strip
        # A column that is not there has the index -1, the empty cell put at the end.
        return lambda row: list(map(strip, pick([*row[1], ""])))


def look_through(path: Path, needed: Sequence[str], optional: Sequence[str] = ()) -> Sheet:
    """Reads the whole file once, streamed: its encoding, its columns, its records.

    Raises InvalidInput with every fault that concerns the whole file.
    """
    encoding, plain = _text(path)
    try:
        with _opened(path, encoding) as stream:
            records = plain_records(enumerate(stream, 1)) if plain else _records(stream, path)
            first = next(records, None)
            if first is None:
                raise _fault(path, 1, "file", "is empty", f"a CSV file with the columns {_list(needed)}")
            header = tuple(cell.strip() for cell in first.cells)
            # A head with quotes between other separators than commas has no cells.
            alone = _line(path, encoding, first.line) if first.broken else first.cells[0] if len(header) == 1 else ""
            if name := _separators(alone, (*needed, *optional)):
                raise _fault(path, first.line, "row", f"is separated by {name}", "commas")
            notices = _check_header(path, first, header, needed, optional)
            rows = (
                sum(1 for line in stream if line[0].isalnum() or not _is_blank(line))
                if plain
                else sum(1 for _ in records)
            )
    except OSError as error:
        raise _unreadable(path, error) from error
    if encoding == "gb18030":
        notices.insert(0, "read as GB18030, because it is not UTF-8")
    indexes = tuple(header.index(name) if name in header else -1 for name in (*needed, *optional))
    return Sheet(path, encoding, header, indexes, rows, tuple(notices), plain)


def shown(text: str) -> str:
    """What a file says, short and fit for one line of a terminal: no control characters, and no phone number."""
    return LONG_NUMBER.sub("****", "".join(c if c.isprintable() and c != ";" else "?" for c in text[:40]))


def neutralised(cell: str) -> str:
    """The cell, safe for a spreadsheet: what it would run as a formula gets an apostrophe; E.164 phones do not."""
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) and not E164.fullmatch(cell) else cell


class AtomicCsv:
    """A CSV file that appears whole or not at all: written beside its place, moved there by `commit`.

    Nothing is made before the first row. Readable by its owner only: it holds personal data.
    """

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        self.path = path
        self._header = header
        self._stream: IO[str] | None = None
        self._name = path
        self._csv: Any = None

    def write(self, rows: Iterable[Sequence[str]]) -> None:
        """Adds rows, each cell neutralised. Raises DialerError where the folder cannot be written."""
        try:
            for row in rows:
                if self._stream is None:
                    self._open()
                self._csv.writerow([neutralised(cell) for cell in row])
        except OSError as error:
            raise self._unwritable(error) from error

    def commit(self) -> bool:
        """Puts the file in its place and returns True; without rows takes an older one away and returns False."""
        try:
            if self._stream is None:
                self.path.unlink(missing_ok=True)
                return False
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()
            os.replace(self._name, self.path)
        except OSError as error:
            raise self._unwritable(error) from error
        self._stream = None
        return True

    def __enter__(self) -> "AtomicCsv":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._stream is not None:
            self._stream.close()
            self._name.unlink(missing_ok=True)

    def _open(self) -> None:
        # With a BOM spreadsheets read Chinese names right; look_through reads both.
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        self._name = Path(name)
        self._stream = os.fdopen(handle, "w", encoding="utf-8-sig", newline="")
        self._csv = csv.writer(self._stream, lineterminator="\n")
        self._csv.writerow(self._header)

    def _unwritable(self, error: OSError) -> DialerError:
        return DialerError(f"{self.path}: cannot be written ({error.strerror}); make its folder writable and try again")


def _records(stream: IO[str], path: Path) -> Iterator[Row]:
    """Records without the blank ones. A quote that swallows further lines is a fault of the whole file: nobody
    knows which rows are lost. One that is broken within its line spoils that row alone."""
    lines = _Lines(stream)
    reader = csv.reader(lines, strict=True)
    while True:
        line, lines.read = reader.line_num + 1, 0
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if reader.line_num > line or "limit" in str(error):
                wrong = "a quoted cell that begins in this row does not end as it should, or it is far too long"
                accepted = (
                    f'every quote closed, a " inside written "", cells below {csv.field_size_limit():,} characters, '
                    f"rows below {csvtext.LINE_MAX:,}"
                )
                raise _fault(path, line, "row", wrong, accepted) from error
            yield Row(line, [], "has broken quotes")
            continue
        if any(map(str.strip, cells)):
            yield Row(line, cells)


class _Lines:
    """The lines of a file, as long as those of one record (`read` is set back at its start) fit into memory."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self.read = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._stream)
        self.read += len(line)
        if self.read > csvtext.LINE_MAX:
            raise csv.Error("the limit of a record's length")
        return line


def plain_records(lines: Iterator[tuple[int, str]]) -> Iterator[Row]:
    """The same of a file without quotes, from its numbered lines: three times as fast."""
    make = tuple.__new__
    for number, line in lines:
        if line[0].isalnum() or not _is_blank(line):
            # By tuple itself: a NamedTuple's own way takes twice as long.
            yield make(Row, (number, line.rstrip("\r\n").split(","), ""))


def _is_blank(line: str) -> bool:
    """A line of a plain file in which no cell says anything."""
    return line.replace(",", " ").isspace()


def _opened(path: Path, encoding: str) -> IO[str]:
    stream = path.open(encoding=encoding, newline="")
    if stream.read(1) != "\ufeff":
        stream.seek(0)
    return stream


def _text(path: Path) -> tuple[str, bool]:
    """Its encoding, and whether it is plain. Raises InvalidInput for what is no text or no file."""
    try:
        if not path.is_file():
            wrong = (
                "it is a folder" if path.is_dir() else "it is no regular file" if path.exists() else "it does not exist"
            )
            raise _fault(path, 1, "file", wrong, "the path of a CSV file")
        found = csvtext.look(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    if isinstance(found, csvtext.Bad):
        raise _fault(path, found.line, "file", found.wrong, "a CSV file in UTF-8 or GB18030")
    return found.encoding, found.plain


def _check_header(
    path: Path, first: Row, header: tuple[str, ...], needed: Sequence[str], optional: Sequence[str]
) -> list[str]:
    """Notices about columns that are not known. Raises InvalidInput naming every column that is missing or doubled."""
    if len(header) > COLUMNS_MAX:
        raise _fault(path, first.line, "row", f"has {len(header):,} columns", f"at most {COLUMNS_MAX:,}")
    known = {*needed, *optional}
    unknown = [name for name in header if name and name not in known]
    missing = {name: _nearest(name, unknown, "is there instead") for name in needed if name not in header}
    columns = f"the columns {_list(needed)}"
    if len(missing) == len(needed) and not any(missing.values()):
        # Another file: what is wrong with each column would only hide that.
        raise _fault(path, first.line, "row", first.broken or "has none of the columns that are needed", columns)
    faults = [_one_fault(path, first.line, name, f"is missing{near}", columns) for name, near in missing.items()]
    for name in sorted(known):
        if header.count(name) > 1:
            faults.append(_one_fault(path, first.line, name, "is there twice", "each column once"))
    if faults:
        raise InvalidInput(faults)
    absent = [name for name in optional if name not in header]
    notices = [
        f'the column "{shown(name)}" is not known and was ignored{_nearest(name, absent, "is meant")}'
        for name in unknown[:NOTICES_MAX]
    ]
    more = len(unknown) - NOTICES_MAX
    return [*notices, f"{more} more columns are not known and were ignored"] if more > 0 else notices


def _separators(head: str, known: Sequence[str]) -> str:
    """What stands between the columns of a head instead of commas, as some spreadsheets write it; or nothing."""
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if len({cell.strip().strip('"') for cell in head.split(separator)}.intersection(known)) > 1:
            return name
    return ""


def _line(path: Path, encoding: str, number: int) -> str:
    with _opened(path, encoding) as stream:
        return next(islice(stream, number - 1, None))


def _nearest(name: str, among: Sequence[str], verb: str) -> str:
    """The name that is spelt much like it, or begins with the same word: `due_date` for `due_on`."""
    spelt = {"_".join(one.lower().split()): one for one in among}
    word = name.partition("_")[0]
    same = (one for one in spelt if one.partition("_")[0] == word)
    found = next(iter(difflib.get_close_matches(name, spelt, n=1, cutoff=LIKE)), None) or next(same, None)
    return f', perhaps "{shown(spelt[found])}" {verb}' if found else ""


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)


def _fault(path: Path, line: int, field: str, wrong: str, accepted: str) -> InvalidInput:
    return InvalidInput([_one_fault(path, line, field, wrong, accepted)])


def _one_fault(path: Path, line: int, field: str, wrong: str, accepted: str) -> Fault:
    return Fault(str(path), line, field, wrong, f"accepted: {accepted}")


def _unreadable(path: Path, error: OSError) -> InvalidInput:
    return _fault(path, 1, "file", f"cannot be read ({error.strerror})", "a file this user may read")
