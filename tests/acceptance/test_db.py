"""`dialer db`: what it says of a database; what is wrong ends with a line and exit code 1, never a traceback."""

import io
import json
import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from dialer import condition
from dialer.condition import look
from dialer.store import health, schema, shown
from dialer.store.health import Server
from tests.store.test_migrations import at_work, first_version
from tests.support import postgres
from tests.support.command import run
from tests.support.postgres import in_thread
from tests.unit.test_transfer import Still, sql, write


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """An installation that has done nothing yet."""
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "init", ".", "--language", "en").code == 0
    return tmp_path


def test_a_database_is_made_looked_at_and_moved(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(capsys, "db", "check")
    assert done.code == 1
    assert f"fault: {here}/dialer.db is not there; dialer db upgrade makes it" in done.out
    assert not (here / "dialer.db").exists()
    assert "was made, version 00" in run(capsys, "db", "upgrade").out
    assert "has this program's version already" in run(capsys, "db", "upgrade").out
    done = run(capsys, "db", "check")
    assert (done.code, done.err) == (0, "")
    assert run(capsys, "import", "accounts", "accounts.csv").code == 0
    with postgres.database(is_empty=True) as url:
        done = run(capsys, "db", "copy", url)
        assert done.code == 0, done.err
        assert "rows of 3 tables were copied, read back and found the same" in done.out.replace("\n", " ")
        assert f'write database = "{shown(url)}" into the settings' in done.out
        done = run(capsys, "db", "copy", url)
        assert done.code == 1
        assert "was moved to postgresql" in done.err
        assert run(capsys, "status", "--json").out.count("moved to postgresql") == 2
        monkeypatch.setenv("DIALER_DATABASE", url)
        told = json.loads(run(capsys, "db", "check", "--json").out)
        assert (told["kind"], told["readable"], told["writable"]) == ("postgresql", True, True)
        assert {one["table"]: one["rows"] for one in told["tables"]}["accounts"] == 13
        assert {one["name"]: one["holds"] for one in told["server"]}["clock_offset"]
        for words in (["check", "--live"], ["status"], ["plan", "campaigns/monthly.toml"], ["audit", "verify"]):
            assert run(capsys, *words).code == 0, words
        for words in (["backup", "copy.db"], ["restore", "accounts.csv", "--yes"]):
            done = run(capsys, *words)
            assert done.code == 1
            assert done.err.startswith("dialer: ")


def test_a_dry_run_makes_no_database(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(capsys, "import", "accounts", "accounts.csv", "--dry-run", "--json")
    assert (done.code, json.loads(done.out)["new"]) == (0, 13), done.err
    (notice,) = json.loads(done.out)["notices"]
    assert notice == f"there is no database {here}/dialer.db yet: compared with an empty one, without accounts"
    assert not (here / "dialer.db").exists()
    with postgres.database(is_empty=True) as url:
        monkeypatch.setenv("DIALER_DATABASE", url)
        assert json.loads(run(capsys, "import", "accounts", "accounts.csv", "--dry-run", "--json").out)["new"] == 13
        assert schema.version(url) is None


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("halt", 1),
        ("unhalt", 1),
        ("paid L-1001 2026-12-01", 1),
        ("forget P-1 --yes", 1),
        ("pause monthly-reminder", 1),
        ("purge", 1),
        ("launch missing.toml", 2),
        ("launch accounts.csv", 2),
        ("launch dialer.toml", 2),
        ("launch wrong.toml", 2),
        ("suppress", 2),
        ("suppress 123 --reason x", 2),
        ("suppress +12125550100", 2),
        ("suppress --person P-1 --reason x --channel fax", 2),
        ("suppress --person P-1 --reason x --until 2020-01-01", 2),
        ("suppress --person P-1 --reason x --lift", 1),
        ("import accounts missing.csv", 2),
        ("import accounts dialer.toml", 2),
        ("import accounts accounts.csv --rejects accounts.csv", 2),
        ("import accounts accounts.csv --strict --rejects bad.csv", 2),
        ("import installments installments.csv --strict", 2),
    ],
)
def test_what_cannot_be_done_without_a_database_makes_none(
    here: Path, capsys: pytest.CaptureFixture[str], words: str, code: int
) -> None:
    (here / "wrong.toml").write_text('name = "wrong"\n')
    before = {*here.iterdir()}
    assert run(capsys, *words.split()).code == code
    assert {*here.iterdir()} == before


def test_a_database_is_not_upgraded_while_a_daemon_of_before_dials_from_it(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{here}/dialer.db"
    first_version(url, "0008")
    with at_work(url):
        for words in (["status"], ["db", "upgrade"], ["import", "accounts", "accounts.csv"]):
            done = run(capsys, *words)
            assert done.code == 1, words
            assert f"an older daemon still works on {here}/dialer.db (process {os.getpid()}); stop it first" in done.err
        assert schema.version(url) == "0008"
    assert "was brought from version 0008" in run(capsys, "db", "upgrade").out


READING = (
    "status", "status --watch", "report", "explain L-1", "attempts --csv a.csv", "actions --jsonl a.jsonl", "digest",
    "audit verify", "audit head", "purge --dry-run",
)  # fmt: skip


def test_what_only_reads_makes_no_database(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {*here.iterdir()}
    for words in READING:
        done = run(capsys, *words.split())
        assert (done.code, done.out) == (1, ""), words
        assert done.err.startswith(f"dialer: there is no database {here}/dialer.db yet; `dialer import` or"), words
    assert {*here.iterdir()} == before
    with postgres.database(is_empty=True) as url:
        monkeypatch.setenv("DIALER_DATABASE", url)
        for words in READING:
            done = run(capsys, *words.split())
            assert (done.code, "is empty yet; `dialer import` or" in done.err) == (1, True), words
        assert schema.version(url) is None
    assert {*here.iterdir()} == before


def test_a_backup_of_a_server_is_its_own_tools_work(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALER_DATABASE", "postgresql://u:hush@h/x")
    done = run(capsys, "backup", "copy.db")
    assert (done.code, "use pg_dump and pg_restore" in done.err, "hush" in done.err) == (1, True, False)


@pytest.mark.parametrize(
    ("to", "wrong"),
    [
        ("nowhere", "no address of a database; accepted: sqlite:///FILE or postgresql://USER@HOST/NAME"),
        ("mysql://h/x", "mysql is not supported; accepted: sqlite:///FILE or postgresql://USER@HOST/NAME"),
    ],
)
def test_a_copy_to_what_is_no_database_is_wrong_usage(
    here: Path, capsys: pytest.CaptureFixture[str], to: str, wrong: str
) -> None:
    done = run(capsys, "db", "copy", to)
    assert (done.code, done.out, done.err) == (2, "", f"command line: TO: {wrong}\n")


@pytest.mark.parametrize("words", ["status", "db check", "db upgrade", "db copy sqlite:///a.db", "run", "halt"])
def test_a_server_that_does_not_answer_is_a_line_and_exit_code_1(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setenv("DIALER_DATABASE", "postgresql://u:hush@127.0.0.1:1/x")
    done = run(capsys, *words.split())
    assert done.code == 1
    assert "postgresql://u:***@127.0.0.1:1/x" in done.err
    assert "see host and port" in done.out + done.err
    assert "hush" not in done.out + done.err
    assert "Traceback" not in done.err


def test_an_empty_server_plans_nothing_and_stays_empty(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres.database(is_empty=True) as url:
        monkeypatch.setenv("DIALER_DATABASE", url)
        done = run(capsys, "plan", "campaigns/monthly.toml")
        assert (done.code, "is empty yet; import the files" in done.err) == (1, True)
        assert "is empty; the first command that needs it fills it" in run(capsys, "check", "--live").out
        done = run(capsys, "db", "check")
        assert (done.code, "fault: it is empty; dialer db upgrade makes its tables" in done.out) == (1, True)


def test_what_is_wrong_with_a_server_is_told(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {
        "server_version": "13.2", "fsync": "off", "full_page_writes": "off", "synchronous_commit": "off",
        "TimeZone": "UTC", "max_connections": "10", "superuser_reserved_connections": "3",
    }  # fmt: skip

    async def bad(end: object) -> Server:
        return Server(said, 130_002, "LATIN1", "de_DE.UTF-8", Still().now())

    monkeypatch.setattr(health, "_server", bad)
    found = in_thread(look(postgres_url, Still()))  # type: ignore[arg-type]
    wrong = {fault.split()[0] for fault in found.faults}
    assert wrong == {"server_version", "fsync", "full_page_writes", "synchronous_commit", "encoding", "max_connections"}
    assert any(one.said.startswith("advice: C") for one in found.server if one.name == "collation")
    assert condition._clock(Server(said, 1, "", "", Still().now()), Still().now().replace(year=2025)).holds is False


def test_an_older_database_and_one_that_takes_no_writes_are_told(postgres_url: str) -> None:
    write(postgres_url, sql("UPDATE alembic_version SET version_num = '0005'"))
    found = in_thread(look(postgres_url, Still()))  # type: ignore[arg-type]
    assert found.faults[0].startswith("it has version 0005, this program")
    assert found.faults[0].endswith("; dialer db upgrade")
    write(postgres_url, sql("UPDATE alembic_version SET version_num = '9999'"))
    newer = in_thread(look(postgres_url, Still()))  # type: ignore[arg-type]
    assert newer.faults[0].endswith("; a newer dialer made it, upgrade the program")
    write(postgres_url, sql("UPDATE alembic_version SET version_num = '" + found.wanted + "'"))
    write(postgres_url, sql("ALTER TABLE flags ADD CONSTRAINT none CHECK (name = '') NOT VALID"))
    found = in_thread(look(postgres_url, Still()))  # type: ignore[arg-type]
    assert (found.readable, found.writable) == (True, False)
    assert "violates check constraint" in found.faults[0]


class Terminal(io.StringIO):
    """Somebody who answers."""

    def isatty(self) -> bool:
        return True


def test_what_is_asked_does_not_come_between_the_json(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(capsys, "db", "upgrade").code == 0
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    done = run(capsys, "db", "restored", "2026-01-02", "--json")
    assert (done.code, "A copy of then?" in done.err) == (0, True)
    assert json.loads(done.out)["to_ask"] == 0


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_database_that_is_said_to_be_an_older_copy_is_halted_and_asked_about(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A restored dump, a promoted standby, a machine's snapshot: nothing gives them away."""
    with ExitStack() as stack:
        url = f"sqlite:///{here}/dialer.db"
        if kind == "postgresql":
            url = stack.enter_context(postgres.database(is_empty=True))
            monkeypatch.setenv("DIALER_DATABASE", url)
        assert run(capsys, "db", "upgrade").code == 0
        run(capsys, "import", "accounts", "accounts.csv")
        run(capsys, "import", "installments", "installments.csv")
        assert run(capsys, "launch", "campaigns/monthly.toml").code == 0
        for at, wrong in (("yesterday", "is no instant"), ("2099-01-01", "lies ahead"), ("9999-01-01", "too far away")):
            done = run(capsys, "db", "restored", at, "--yes")
            assert (done.code, wrong in done.err) == (2, True), done
        done = run(capsys, "db", "restored", "2026-01-02")
        assert (done.code, "give --yes where nobody can answer" in done.err) == (1, True)
        with at_work(url):
            done = run(capsys, "db", "restored", "2026-01-02", "--yes")
            assert (done.code, "nothing was done: " in done.err, "stop" in done.err) == (1, True, True)
        assert json.loads(run(capsys, "status", "--json").out)["halted"] is None
        done = run(capsys, "db", "restored", "2026-01-02T03:00:00+00:00", "--yes", "--json")
        assert done.code == 0, done.err
        told = json.loads(done.out)
        assert (told["since"], told["next_attempt"] > 10_000_000) == ("2026-01-02T03:00:00Z", True)
        found = json.loads(run(capsys, "status", "--json").out)
        assert [one["name"] for one in found["alarms"]][:1] == ["restored"]
        assert (found["halted"] is not None, found["alarms"][0]["text"].count("of 01-0")) == (True, 1)
        done = run(capsys, "db", "restored", "2026-01-05", "--yes")
        assert (done.code, "asked about still: what was placed since 2026-01-01 22:00:00." in done.out) == (0, True)
        done = run(capsys, "unhalt")
        assert (done.code, "the database was restored from a copy of 2026-01-02 03:00:00" in done.err) == (1, True)
