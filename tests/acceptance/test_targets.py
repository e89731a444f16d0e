"""A file that a command is told to write is never the database, the settings or what the command reads."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dialer import own_files
from dialer.store.schema import upgrade
from tests.support.command import Done, run
from tests.support.law import RULES

PLAN = "plan campaigns/monthly.toml --accounts accounts.csv --installments installments.csv"
SIMULATE = "simulate campaigns/monthly.toml --accounts accounts.csv --installments installments.csv"
COMMANDS = (
    ("attempts --csv {}", "--csv"),
    ("attempts --jsonl {}", "--jsonl"),
    ("attempts --csv other.csv --jsonl {}", "--jsonl"),
    ("actions --jsonl {}", "--jsonl"),
    ("report --html {}", "--html"),
    ("plan campaigns/monthly.toml --csv {}", "--csv"),
    (f"{PLAN} --csv {{}}", "--csv"),
    ("schema settings --out {}", "--out"),
    ("import accounts accounts.csv --rejects {}", "--rejects"),
    ("import accounts accounts.csv --dry-run --rejects {}", "--rejects"),
)
"""All that write a file, and the option that names it."""
DATABASE = "belongs to the database"

Command = Callable[[str], Done]


@pytest.fixture
def dialer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Of an installation with an empty database, and all that may lie beside it."""
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "init", ".", "--language", "en").code == 0
    upgrade("sqlite:///dialer.db")
    return lambda words: run(capsys, *words.split())


def files() -> dict[str, tuple[int, bytes]]:
    """What lies in the folder and below: which file it is, and its content."""
    found = [file for file in Path().rglob("*") if file.is_file()]
    return {str(file): (file.stat().st_ino, file.read_bytes()) for file in found}


def refused(dialer: Command, words: str, fault: str) -> None:
    """Before anything was opened or written."""
    before = files()
    done = dialer(words)
    assert (done.code, done.out, done.err) == (2, "", f"command line: {fault}; name another file\n"), words
    assert files() == before, words


@pytest.mark.parametrize(("words", "option"), COMMANDS)
def test_no_command_writes_over_what_the_installation_needs(words: str, option: str, dialer: Command) -> None:
    shutil.copy("dialer.db", "copy.db")
    Path("link.csv").symlink_to("dialer.db")
    Path("hard.csv").hardlink_to("dialer.db")
    for name in ("dialer.db", "campaigns/../dialer.db", "link.csv", "hard.csv", str(Path("dialer.db").absolute())):
        refused(dialer, words.format(name), f"{option}: {name} {DATABASE}")
    for end in own_files.BESIDE[1:]:
        refused(dialer, words.format(f"dialer.db{end}"), f"{option}: dialer.db{end} {DATABASE}")
    refused(dialer, words.format("dialer.toml"), f"{option}: dialer.toml is the settings file")
    refused(dialer, words.format("copy.db"), f"{option}: copy.db is a SQLite database")
    assert dialer(words.format("fine")).code == 0


@pytest.mark.parametrize(("words", "option"), COMMANDS)
def test_a_database_behind_a_link_is_known_by_both_names(words: str, option: str, dialer: Command) -> None:
    Path("disk").mkdir()
    Path("dialer.db").rename("disk/real.db")
    Path("dialer.db").symlink_to("disk/real.db")
    for name in ("dialer.db", "dialer.db.mark", "disk/real.db", "disk/real.db-wal"):
        refused(dialer, words.format(name), f"{option}: {name} {DATABASE}")


def test_what_a_command_reads_is_not_written_over(dialer: Command) -> None:
    Path("link.csv").symlink_to("installments.csv")
    for words, option, name in (
        (f"{PLAN} --csv accounts.csv", "--csv", "accounts.csv"),
        (f"{PLAN} --csv link.csv", "--csv", "link.csv"),
        (f"{PLAN} --csv campaigns/monthly.toml", "--csv", "campaigns/monthly.toml"),
        ("import accounts accounts.csv --rejects accounts.csv", "--rejects", "accounts.csv"),
        ("import installments installments.csv --rejects link.csv", "--rejects", "link.csv"),
    ):
        refused(dialer, words, f"{option}: {name} is a file that this command reads")


@pytest.mark.parametrize(
    "words", ["attempts --csv {}", "report --html {}", "import accounts accounts.csv --rejects {}"]
)
def test_what_the_settings_name_is_not_written_over(words: str, dialer: Command) -> None:
    text = (RULES / "us-wa.toml").read_text().replace('name = "us-wa"', 'name = "ours"')
    Path("secrets").mkdir()
    Path("secrets/DIALER_FORGET_KEY").write_text("0123456789abcdef")
    Path("carrier.jsonl").touch()
    Path("ours.toml").write_text(text)
    Path("dialer.toml").write_text('rules = ["ours.toml"]\nsecrets = "secrets"\n' + Path("dialer.toml").read_text())
    option = words.split()[-2]
    for name in ("ours.toml", "secrets/DIALER_FORGET_KEY", "carrier.jsonl"):
        refused(dialer, words.format(name), f"{option}: {name} is named in the settings")


def test_a_simulation_s_files_are_looked_at_one_by_one(dialer: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("month").mkdir()
    shutil.copy("accounts.csv", "month/attempts.csv")
    words = SIMULATE.replace("--accounts accounts.csv", "--accounts month/attempts.csv")
    refused(dialer, f"{words} --out month", "--out: month/attempts.csv is a file that this command reads")
    Path("dialer.db").rename("month/report.html")
    monkeypatch.setenv("DIALER_DATABASE", "sqlite:///month/report.html")
    refused(dialer, f"{SIMULATE} --out month", f"--out: month/report.html {DATABASE}")


def test_what_has_no_name_of_its_own_is_looked_at_as_well(dialer: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("dialer.db").rename("accounts.csv.rejects.csv")
    monkeypatch.setenv("DIALER_DATABASE", "sqlite:///accounts.csv.rejects.csv")
    fault = f"--rejects: accounts.csv.rejects.csv {DATABASE}"
    refused(dialer, "import accounts accounts.csv", fault)
    refused(dialer, "import accounts accounts.csv --strict", fault)
    assert dialer("import accounts accounts.csv --dry-run").code == 0
    Path("schemas/pack.schema.json").unlink()
    Path("schemas/pack.schema.json").symlink_to("../accounts.csv.rejects.csv")
    refused(dialer, "schema --out schemas", f"--out: schemas/pack.schema.json {DATABASE}")


def test_a_database_that_is_not_made_yet_gets_no_rejects_in_its_place(dialer: Command) -> None:
    Path("dialer.db").unlink()
    refused(dialer, "import accounts accounts.csv --rejects dialer.db", f"--rejects: dialer.db {DATABASE}")


def test_schemas_are_written_without_settings_and_over_no_database_even_then(dialer: Command) -> None:
    Path("dialer.toml").write_text("database = 1\n")
    refused(dialer, "schema settings --out dialer.toml", "--out: dialer.toml is the settings file")
    refused(dialer, "schema settings --out dialer.db", "--out: dialer.db is a SQLite database")
    Path("dialer.toml").unlink()
    assert dialer("schema settings --out fine").code == 0


@pytest.mark.parametrize("command", ["status", "digest --send", "check"])
def test_settings_send_no_digest_and_no_journal_into_the_database(command: str, dialer: Command) -> None:
    text = Path("dialer.toml").read_text()
    Path("day.txt").symlink_to("dialer.db")
    for old, new, field in (
        ("[web]", '[digest]\nfile = "day.txt"\n[web]', "digest.file"),
        ("[web]", '[digest]\nfile = "day"\n[web]', "digest.file"),
        ("carrier.jsonl", "dialer.db", "adapters.mock.journal"),
    ):
        assert old in text
        Path("dialer.toml").write_text(text.replace(old, new))
        before, done = files(), dialer(command)
        assert done.code == 2
        assert re.fullmatch(rf"dialer.toml:\d+: {field}: {DATABASE}; name another file\n", done.err), done.err
        assert files() == before


@pytest.mark.parametrize(
    "words",
    [
        "attempts --csv {}", "attempts --jsonl {}", "actions --jsonl {}", "report --html {}", f"{PLAN} --csv {{}}",
        "schema settings --out {}", f"{SIMULATE} --out {{}}", "backup {}", "rules check {}",
    ],
)  # fmt: skip
def test_links_that_lead_in_a_circle_are_told_as_they_are(words: str, dialer: Command) -> None:
    Path("circle").symlink_to("circle")
    done = dialer(words.format("circle"))
    assert done.code in (1, 2)
    assert re.fullmatch(r"(dialer: )?circle:? .*; .*|circle:1: .*", done.err.splitlines()[-1]), done.err
    assert Path("circle").is_symlink()


def test_devices_and_pipes_are_written_to(dialer: Command) -> None:
    for words in ("attempts --csv /dev/null --jsonl /dev/null", f"{PLAN} --csv /dev/null", "report --html /dev/null"):
        assert dialer(words).code == 0, words
    done = dialer("plan campaigns/monthly.toml --accounts /dev/null --installments /dev/null --csv /dev/null")
    assert (done.code, "--csv" in done.err) == (2, False), "a terminal may be read and written"


@pytest.mark.parametrize(
    ("words", "option"), [(f"{PLAN} --csv -", "--csv"), ("import accounts accounts.csv --rejects -", "--rejects")]
)
def test_a_dash_becomes_no_file_where_it_is_not_standard_output(words: str, option: str, dialer: Command) -> None:
    refused(dialer, words, f"{option}: - is not written to standard output here")


@pytest.mark.parametrize("words", ["attempts --csv -", "actions --jsonl -"])
def test_a_dash_is_standard_output_where_the_help_says_so(words: str, dialer: Command) -> None:
    assert dialer(words).code == 0
    assert not Path("-").exists()
