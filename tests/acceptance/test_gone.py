"""A database that is gone, though its mark says that calls were placed from it: nothing makes it anew."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dialer import mark
from dialer.mark import Mark
from dialer.store.restored import High
from dialer.store.schema import upgrade
from tests.support.command import Done, run

COMMANDS = (
    "import accounts accounts.csv", "import accounts accounts.csv --dry-run", "launch campaigns/monthly.toml",
    "plan campaigns/monthly.toml", "status", "run", "halt", "backup copy.db", "db upgrade",
    "db copy sqlite:///new.db", "call --to +12125550100 --script reminder --campaign campaigns/monthly.toml",
)  # fmt: skip
SAYS = "dialer.db.mark says that 7 calls and messages were placed from it: put the database back (is its disk mounted?)"

Command = Callable[[str], Done]


@pytest.fixture
def dialer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Of an installation that has placed seven calls, and lost its database."""
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "init", ".", "--language", "en").code == 0
    mark.write(tmp_path / "dialer.db.mark", Mark("t", High(attempts=9, placements=7)))
    return lambda words: run(capsys, *words.split())


def refused(dialer: Command, says: str) -> None:
    """By every command; and none makes a file."""
    before = files()
    for words in COMMANDS:
        done = dialer(words)
        assert done.code == 1, words
        assert says in local(done.err), words
    for words, tells in (("db check", "fault: "), ("check --live", "dialer.db: FAILED: ")):
        done = dialer(words)
        assert done.code == 1, words
        assert f"{tells}the database " in done.out, words
        assert says in local(done.out.replace("\n", " ")), words
    done = dialer("check campaigns/monthly.toml")
    assert (done.code, "load is not checked: the database " in done.out) == (0, True)
    assert files() == before


def local(text: str) -> str:
    """What lies in this folder by its name alone."""
    return text.replace(f"{Path.cwd()}/", "")


def files() -> set[tuple[str, int]]:
    """What lies in the folder and below, with its size."""
    found = [file for file in Path().rglob("*") if file.name not in IDLE and not file.is_dir()]
    return {(str(file), file.lstat().st_size) for file in found}


IDLE = {"dialer.db.daemon", "real.db.daemon", "carrier.jsonl"}
"""`run` looks first which daemon has the database; `check --live` whether the mock's journal can be written."""


def test_it_is_not_made_anew(dialer: Command) -> None:
    refused(dialer, f"dialer.db is gone, and {SAYS}")
    Path("dialer.db.mark").unlink()
    assert dialer("import accounts accounts.csv").code == 0


def test_nothing_was_placed_from_it(dialer: Command) -> None:
    mark.write(Path("dialer.db.mark"), Mark("t", High(attempts=9)))
    assert dialer("import accounts accounts.csv").code == 0


def test_an_empty_file_in_its_place_is_no_database(dialer: Command) -> None:
    Path("dialer.db").touch()
    refused(dialer, f"dialer.db is an empty file, and {SAYS}")
    assert Path("dialer.db").stat().st_size == 0
    Path("dialer.db.mark").unlink()
    assert dialer("import accounts accounts.csv").code == 0


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda at: at.write_bytes(b"\x00" * mark.SIZE), "it is damaged"),
        (lambda at: at.write_bytes(b""), "it is damaged"),
        (lambda at: at.write_bytes(b'{"token": "t"}'), "it is damaged"),
        (lambda at: (at.unlink(), at.mkdir()), "Is a directory"),
        (lambda at: (at.unlink(), at.symlink_to("gone/mark")), "No such file or directory"),
    ],
)
def test_a_mark_that_cannot_be_read_might_say_so(dialer: Command, spoil: Callable[[Path], object], why: str) -> None:
    spoil(Path("dialer.db.mark"))
    refused(dialer, f"which says whether something was placed from it, can't be read ({why}): see who may read it")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_mark_that_may_not_be_read_might_say_so(dialer: Command) -> None:
    Path("dialer.db.mark").chmod(0)
    refused(dialer, "can't be read (Permission denied): see who may read it")


def test_a_damaged_mark_beside_its_database_stops_nobody(dialer: Command) -> None:
    upgrade("sqlite:///dialer.db")
    Path("dialer.db.mark").write_bytes(b"nothing")
    assert dialer("status").code == 0


def test_a_link_that_leads_nowhere_leads_to_no_new_database(dialer: Command) -> None:
    Path("dialer.db.mark").unlink()
    Path("disk").mkdir()
    Path("dialer.db").symlink_to("disk/real.db")
    refused(dialer, "is a link to disk/real.db, which is not there: put the database back")
    Path("disk/real.db").touch()
    assert dialer("import accounts accounts.csv").code == 0


@pytest.mark.parametrize("name", ["dialer.db.mark", "disk/real.db.mark"])
def test_a_mark_is_found_beside_the_link_as_well_as_beside_the_file(dialer: Command, name: str) -> None:
    Path("disk").mkdir()
    Path("dialer.db").symlink_to("disk/real.db")
    Path("dialer.db.mark").rename(name)
    refused(dialer, f"dialer.db is gone, and {name} says that 7 calls and messages were placed")


def test_a_new_database_that_came_in_its_place_all_the_same_is_halted(dialer: Command) -> None:
    upgrade("sqlite:///dialer.db")
    done = dialer("import accounts accounts.csv")
    assert (done.code, "went_back" in done.out + done.err) == (0, True)
    assert "in another's place: whom that one called is not in it" in dialer("status").out.replace("\n", " ")
    assert "went_back" not in dialer("halt").err, "once"
    done = dialer("unhalt")
    assert (done.code, "the halt stays: a new database was found in another's place, and" in done.err) == (1, True)


def test_a_backup_that_has_no_folder_to_go_to_is_told_so(dialer: Command) -> None:
    Path("dialer.db.mark").unlink()
    upgrade("sqlite:///dialer.db")
    assert dialer("backup copy.db").code == 0
    Path("dialer.db").unlink()
    Path("dialer.db").symlink_to("disk/real.db")
    for words, nothing in (("restore copy.db --yes", "restored"), ("db copy sqlite:///dialer.db", "copied")):
        if nothing == "copied":
            upgrade("sqlite:///dialer2.db")
            settings = Path("dialer.toml").read_text()
            Path("dialer.toml").write_text(settings.replace("sqlite:///dialer.db", "sqlite:///dialer2.db"))
        done = dialer(words)
        assert (done.code, "disk does not exist; make it" in done.err) == (1, True), done
        assert f"nothing was {nothing}: " in done.err
        assert "stop it first" not in done.err
