"""Whether a file is plain: reading it line by line must give what the csv module gives."""

import csv
import io
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer import csvtext
from dialer.csvfile import look_through
from dialer.errors import InvalidInput

CELLS = st.text(
    alphabet=["a", "1", " ", "\t", "王", '"', "\r", "\n", "\x0b", "\x85", "\u2028", "'", ";", "\ufeff"], max_size=4
)


@given(st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=8), st.sampled_from(["\n", "\r\n", "\r"]))
def test_rows_are_those_of_the_csv_module(rows: list[list[str]], ends: str) -> None:
    """As it stands: cells are not quoted here, so quotes and line ends in them are the file's own."""
    text = "key,other" + ends + "".join(",".join(cells) + ends for cells in rows)
    with NamedTemporaryFile(suffix=".csv") as file:
        file.write(text.encode())
        file.flush()
        try:
            sheet = look_through(Path(file.name), ["key"], ["other"])
            found = [row for chunk in sheet.chunks(3) for row in chunk]
        except InvalidInput:
            assert '"' in text or "\r" in text  # a quote that swallows lines, a header that a carriage return broke
            return
    assert sheet.rows == len(found)
    if sheet.plain:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        wanted = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
        assert [(row.line, row.cells) for row in found] == wanted[1:]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a,b\n1,2\n", True),
        ("a,b\r\n1,2\r\n", True),
        ("a,b\r\n1,2", True),
        ("\ufeffa,b\n1,2\n", True),
        ('a,b\n1,"2"\n', False),
        ("a,b\r1,2\r", False),
        ("a,b\n1,2\r3\n", False),
        ("a,b\n1," + "2" * 140_000 + "\n", False),
        ("a,b\r\n" + "1,23\r\n" * 400_000, True),
        ("a,b\r\n" + "1,2\r\n" * 400_000 + "1,\r2\r\n", False),
    ],
    ids=["lf", "crlf", "no last end", "bom", "quote", "cr", "lone cr", "long cell", "many blocks", "lone cr far down"],
)
def test_plain(tmp_path: Path, text: str, plain: bool) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())
    assert csvtext.look(path) == csvtext.Text("utf-8", plain)
