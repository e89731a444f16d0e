"""Bad input of every kind: each is refused with the exact line that names it and says what is accepted.

The cases stand in faults/cases.toml. All of them go through the real command; none may show a traceback or a phrase of
the libraries beneath.
"""

import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.check import check_files, read_campaign, read_settings
from dialer.errors import InvalidInput
from dialer.store.schema import upgrade
from tests.support.command import Done, run

FOLDER = Path(__file__).parent / "faults"
SETTINGS = (FOLDER / "dialer.toml").read_text(encoding="utf-8")
CAMPAIGN = (FOLDER / "monthly.toml").read_text(encoding="utf-8")
PACK = (FOLDER / "ours.toml").read_text(encoding="utf-8")
CASES: dict[str, list[dict[str, str]]] = tomllib.loads((FOLDER / "cases.toml").read_text(encoding="utf-8"))
ACCOUNTS = "account_id,person_id,name,phone,language,time_zone,region,pay_to,consent_voice,consent_sms\n"
INSTALLMENTS = "account_id,due_on,amount,currency,paid_on,paid_amount\n"
FILES = {
    "accounts.csv": ACCOUNTS + "L-1,P-1,Wang,+8613800138001,zh-CN,,CN,x,yes,yes\n",
    "installments.csv": INSTALLMENTS + "L-1,2026-12-15,100.00,CNY,,\n",
    "bad_inst.csv": INSTALLMENTS + "L-1,2026-02-30,1e3,RMB,,\nL-9,2026-12-15,100.00,CNY,,\n",
    "suppressions.csv": "phone,person_id,channel,reason,until\n,,,x,\n",
    "columns.csv": "a,b\n1,2\n",
    "empty.csv": "",
    "other.toml": CAMPAIGN.replace('"monthly"', '"other"'),
    "twin.toml": CAMPAIGN,
}
BINARY = {"binary.csv": b"\x00\x01PK\x03", "utf16.csv": b"\xff\xfeh\x00"}
PHRASES = (
    *(
        "Input should",
        "Extra inputs",
        "Field required",
        "validation",
        "pydantic",
        "value_error",
        "type=",
        "input_value",
    ),
    *("Traceback", "Error:", "Exception", "errno", "Errno", "sqlite3", "sqlalchemy", "NoneType", "Invalid value"),
)
"""What would show the machinery."""

Command = Callable[..., Done]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An empty database of this version: made once."""
    file = tmp_path_factory.mktemp("database") / "dialer.db"
    upgrade(f"sqlite:///{file}")
    return file.read_bytes()


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write()


@pytest.fixture
def dialer(capsys: pytest.CaptureFixture[str]) -> Command:
    return lambda *words: run(capsys, *words)


def write(settings: str = SETTINGS, campaign: str = CAMPAIGN) -> None:
    Path("dialer.toml").write_text(settings, encoding="utf-8")
    Path("monthly.toml").write_text(campaign, encoding="utf-8")


def write_more() -> None:
    """What the commands of the table name."""
    for name, text in FILES.items():
        Path(name).write_text(text, encoding="utf-8")
    for name, content in BINARY.items():
        Path(name).write_bytes(content)
    Path("folder").mkdir()


def first_fault(done: Done, code: int = 2) -> str:
    """The first line of a refusal; nothing in it shows the machinery."""
    assert done.code == code, done
    assert not [phrase for phrase in PHRASES if phrase in done.err], done.err
    assert code == 1 or done.out == ""
    told = done.err.splitlines()
    assert all("; " in line or line.startswith("dialer: ") for line in told), done.err
    return told[0]


def matches(told: str, fault: str) -> bool:
    """… at the end stands for whatever follows."""
    return told.startswith(fault.removesuffix("…")) if fault.endswith("…") else told == fault


def by_fault(case: dict[str, str]) -> str:
    return case["fault"].split(";")[0]


def test_the_base_of_these_cases_is_valid(dialer: Command) -> None:
    Path("dialer.toml").write_text('rules = ["ours.toml"]\n' + SETTINGS, encoding="utf-8")
    Path("ours.toml").write_text(PACK, encoding="utf-8")
    done = dialer("check", "monthly.toml")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[:2] == ["dialer.toml: valid", "monthly.toml: valid"]
    checked = check_files(Path("dialer.toml"), {}, [Path("monthly.toml")])
    assert read_settings(Path("dialer.toml"), {}) == checked.settings
    assert read_campaign(Path("monthly.toml"), checked.settings) == checked.campaigns[0].campaign
    assert checked.warnings == []


def test_the_table_is_long_enough() -> None:
    assert sum(len(cases) for cases in CASES.values()) >= 200
    assert {*CASES} == {
        "settings", "campaign", "pack", "environment", "secret", "accounts", "installments", "suppressions", "command"
    }  # fmt: skip


@pytest.mark.parametrize("case", CASES["settings"], ids=by_fault)
def test_bad_settings(case: dict[str, str], dialer: Command) -> None:
    assert case["old"] in SETTINGS
    write(settings=SETTINGS.replace(case["old"], case["new"], 1))
    assert first_fault(dialer("check", "monthly.toml")) == case["fault"]
    with pytest.raises(InvalidInput) as caught:
        read_settings(Path("dialer.toml"), {})
    assert str(caught.value.faults[0]) == case["fault"]


@pytest.mark.parametrize("case", CASES["campaign"], ids=by_fault)
def test_bad_campaign(case: dict[str, str], dialer: Command) -> None:
    assert case["old"] in CAMPAIGN
    write(campaign=CAMPAIGN.replace(case["old"], case["new"], 1))
    assert first_fault(dialer("check", "monthly.toml")) == case["fault"]


@pytest.mark.parametrize("case", CASES["pack"], ids=by_fault)
def test_bad_pack(case: dict[str, str], dialer: Command) -> None:
    assert case["old"] in PACK
    write(settings='rules = ["ours.toml"]\n' + SETTINGS)
    Path("ours.toml").write_text(PACK.replace(case["old"], case["new"], 1), encoding="utf-8")
    told = first_fault(dialer("check")).replace(f"{Path.cwd()}/", "")
    assert matches(told, case["fault"]), told


@pytest.mark.parametrize("case", CASES["environment"], ids=lambda case: case["name"])
def test_bad_environment(case: dict[str, str], dialer: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(case["name"], case["value"])
    assert first_fault(dialer("check", "monthly.toml")) == case["fault"]


@pytest.mark.parametrize("case", CASES["secret"], ids=lambda case: case["name"])
def test_bad_secret(case: dict[str, str], dialer: Command) -> None:
    write(settings='secrets = "secrets"\n' + SETTINGS)
    Path("secrets").mkdir()
    (Path("secrets") / case["name"]).write_text(case["value"], encoding="utf-8")
    done = dialer("check")
    assert matches(first_fault(done), case["fault"]), done.err
    assert case["value"] not in done.err


@pytest.mark.parametrize(
    ("kind", "case"),
    [(kind, case) for kind in ("accounts", "installments", "suppressions") for case in CASES[kind]],
    ids=lambda case: case if isinstance(case, str) else by_fault(case),
)
def test_bad_rows(kind: str, case: dict[str, str], dialer: Command, database: bytes) -> None:
    write_more()
    Path("dialer.db").write_bytes(database)
    header = FILES[f"{kind}.csv"].splitlines()[0]
    Path("rows.csv").write_text(f"{header}\n{case['row']}\n", encoding="utf-8")
    told = first_fault(dialer("import", kind, "rows.csv", "--strict"))
    assert matches(told, case["fault"]), told


@pytest.mark.parametrize("case", CASES["command"], ids=lambda case: case["run"])
def test_bad_command(case: dict[str, str], dialer: Command, database: bytes) -> None:
    write_more()
    if "no database" not in case["fault"]:
        Path("dialer.db").write_bytes(database)
    told = first_fault(dialer(*shlex.split(case["run"])), int(case["code"]))
    assert matches(told, case["fault"].replace("{folder}", str(Path.cwd()))), told


COMMANDS = (
    "init check import plan launch pause resume cancel status halt run simulate attempts report "
    "explain rules suppress paid"
)


def test_every_command_has_bad_input_in_the_table() -> None:
    assert {case["run"].split()[0] for case in CASES["command"]} >= {*COMMANDS.split()}


def test_every_command_names_a_fault_of_the_settings(dialer: Command) -> None:
    write(settings=SETTINGS.replace("= 20", "= 0"))
    fault = "dialer.toml:15: lines.main.calls_per_second: 0 is too small; accepted: a number above 0, at most 10000"
    for words in (
        "check", "import accounts x.csv", "plan monthly.toml", "launch monthly.toml", "pause x", "status", "halt",
        "unhalt", "run", "simulate monthly.toml --accounts x --installments y --from 2026-01-01 --to 2026-01-02",
        "attempts --csv x.csv", "report", "explain L-1", "suppress 1 --reason x", "paid L-1 2026-12-15",
    ):  # fmt: skip
        assert first_fault(dialer(*words.split())) == fault, words


def test_the_database_may_be_something_else(dialer: Command) -> None:
    Path("dialer.db").write_bytes(b"no database at all, but long enough to look like a file")
    told = first_fault(dialer("status"), 1)
    assert told.startswith(f"dialer: database {Path.cwd()}/dialer.db: ")
    assert told.endswith("; name another file, or restore a backup")


def test_a_host_of_another_machine_is_a_fault_of_check_alone(dialer: Command) -> None:
    write(settings=SETTINGS.replace("[transfers]", '[web]\nhost = "192.0.2.7"\n[transfers]'))
    assert first_fault(dialer("check", "monthly.toml")) == (
        "dialer.toml:27: web.host: is no address of this machine; "
        'accepted: an address of this machine, such as "127.0.0.1", or "0.0.0.0" for all of them'
    )
    assert dialer("db", "upgrade").code == 0


def test_all_faults_of_all_files_come_at_once_and_in_order(dialer: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        SETTINGS.replace('"30s"', "30").replace('"+864001234568"', '"120"').replace('"quick"', '"fast"'),
        CAMPAIGN.replace('"09:30", "11:30"', '"11:30", "09:30"')
        .replace("[15, 30]", "[]")
        .replace('first = "greet"', 'first = "hello"')
        .replace("title", "titel"),
    )
    monkeypatch.setenv("DIALER_DATABSE", "x")
    monkeypatch.setenv("DIALER_WEB__PORT", "0")
    assert [fault.split(": ")[:2] for fault in dialer("check", "monthly.toml").err.splitlines()] == [
        ["dialer.toml:16", "lines.main.ring_timeout"],
        ["dialer.toml:27", "transfers.agents"],
        ["dialer.toml:30", "adapters.mock.profile"],
        ["environment", "DIALER_DATABSE"],
        ["environment", "DIALER_WEB__PORT"],
        ["monthly.toml:6", "audience.due_days"],
        ["monthly.toml:23", "segment[1].rounds[1].between[1]"],
        ["monthly.toml:42", "script.reminder.first"],
    ]


def places(done: Done, part: int) -> list[str]:
    return [fault.split(": ")[part] for fault in done.err.splitlines()]


def test_a_misspelt_key_and_an_unknown_line_are_both_told(dialer: Command) -> None:
    write(campaign=CAMPAIGN.replace("days = [-1, 0]", "days = [-1, 0]\ndayz = 3").replace('["main"]', '["mian"]', 1))
    assert places(dialer("check", "monthly.toml"), 0) == ["monthly.toml:10", "monthly.toml:23"]


def test_a_misspelt_key_brings_no_fault_that_only_follows_from_it(dialer: Command) -> None:
    write(
        SETTINGS.replace("database", "databse"),
        CAMPAIGN.replace('then = "bye"', 'than = "bye"').replace("keys = { 1 =", "kees = { 1 =", 1),
    )
    assert places(dialer("check", "monthly.toml"), 1) == [
        "databse",
        "script.reminder.step.greet.kees",
        "script.reminder.step.greet.silent.than",
    ]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "monthly.toml:1: file: is empty; `dialer init` writes one that works"),
        (b"# later\n", "monthly.toml:1: file: is empty; `dialer init` writes one that works"),
        (b"a = 1\n\xff\xfe", "monthly.toml:2: file: is not UTF-8; save it as UTF-8"),
        ("标题 = 1".encode("gb18030"), "monthly.toml:1: file: is not UTF-8; save it as UTF-8"),
        (b"x" * (1024 * 1024 + 1), "monthly.toml:1: file: is too large; accepted: at most 1,048,576 bytes"),
        (
            b"a = " + b"[" * 5000,
            "monthly.toml:1: file: nests too deep; accepted: at most 16 levels of tables and lists",
        ),
        (b"\na = " + b"[" * 30 + b"]" * 30, "monthly.toml:2: file: nests too deep; accepted: at most 16 levels"),
        (b"\x00\x01PK", "monthly.toml:1: file: is no text; accepted: a TOML file, saved as UTF-8"),
    ],
)
@pytest.mark.parametrize("command", ["check", "plan", "launch"])
def test_files_that_are_no_campaign(command: str, content: bytes, fault: str, dialer: Command, database: bytes) -> None:
    Path("dialer.db").write_bytes(database)
    Path("monthly.toml").write_bytes(content)
    assert first_fault(dialer(command, "monthly.toml")).startswith(fault)


VALUES = [
    *("", "0", "-1", "3.5", "true", '""', '"x"', "[]", "[[]]", "{}", "{ x = 1 }", "[1, 'a']", "2026-01-01", "nan"),
    *("1e999", "“x”", '"' + "9" * 400 + '"'),
]


@settings(max_examples=80)
@given(
    st.lists(st.tuples(st.integers(0, 90), st.sampled_from(VALUES)), min_size=1, max_size=3),
    st.sampled_from(["dialer.toml", "monthly.toml"]),
)
def test_whatever_a_value_is_replaced_by_the_fault_is_told_in_our_words(
    edits: list[tuple[int, str]], file: str
) -> None:
    texts = {"dialer.toml": SETTINGS.splitlines(), "monthly.toml": CAMPAIGN.splitlines()}
    lines = texts[file]
    for number, value in edits:
        key, equals, _ = lines[number % len(lines)].partition(" = ")
        lines[number % len(lines)] = key + equals + value if equals else key
    write(*("\n".join(text) for text in texts.values()))
    try:
        check_files(Path("dialer.toml"), {}, [Path("monthly.toml")])
    except InvalidInput as error:
        told = [str(fault) for fault in error.faults]
        assert not any(phrase in fault for fault in told for phrase in PHRASES)
        assert all(fault.startswith(("dialer.toml:", "monthly.toml:")) for fault in told)
        assert len(told) == len(set(told))
