"""A file appears whole or not at all; what is no file is written to and not replaced."""

import os
import stat
from pathlib import Path
from threading import Thread

import pytest

from dialer.errors import DialerError
from dialer.wholefile import whole_file


def test_what_breaks_off_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")

    def break_off() -> None:
        with whole_file(path) as stream:
            stream.write("new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("private", "mode"), [(True, 0o600), (False, 0o640)])
def test_who_may_read_it(tmp_path: Path, private: bool, mode: int) -> None:
    before = os.umask(0o027)
    try:
        with whole_file(tmp_path / "a", private) as stream:
            stream.write("x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "there")
    with whole_file(tmp_path / "link") as stream:
        stream.write("x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there").read_text() == "x"


def test_a_pipe_stays_a_pipe(tmp_path: Path) -> None:
    pipe, heard = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = Thread(target=lambda: heard.append(pipe.read_text()))
    reader.start()
    with whole_file(pipe) as stream:
        stream.write("x")
    reader.join(5)
    assert heard == ["x"]
    assert pipe.is_fifo()


@pytest.mark.parametrize("name", ["", "no/a", "file/a", "a" * 300])
def test_where_nothing_can_be_written_the_path_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DialerError, match=r"cannot be written \(.+\); name a file"), whole_file(tmp_path / name):
        pass
