"""Bad settings, campaigns and environments: each is refused with the exact line that names it and what is accepted.

The cases stand in faults/cases.toml.
"""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.check import check_files, read_campaign, read_settings
from dialer.errors import InvalidInput

FOLDER = Path(__file__).parent / "faults"
SETTINGS = (FOLDER / "dialer.toml").read_text(encoding="utf-8")
CAMPAIGN = (FOLDER / "monthly.toml").read_text(encoding="utf-8")
CASES: dict[str, list[dict[str, str]]] = tomllib.loads((FOLDER / "cases.toml").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write()


def write(settings: str = SETTINGS, campaign: str = CAMPAIGN) -> None:
    Path("dialer.toml").write_text(settings, encoding="utf-8")
    Path("monthly.toml").write_text(campaign, encoding="utf-8")


def refused(env: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        check_files(Path("dialer.toml"), env or {}, [Path("monthly.toml")])
    return [str(fault) for fault in caught.value.faults]


def test_the_base_of_these_cases_is_valid() -> None:
    settings, notices = check_files(Path("dialer.toml"), {}, [Path("monthly.toml")])
    assert read_settings(Path("dialer.toml"), {}) == settings
    assert read_campaign(Path("monthly.toml"), settings).name == "monthly"
    assert notices == []


@pytest.mark.parametrize("case", CASES["settings"], ids=lambda case: case["fault"].split(";")[0])
def test_bad_settings(case: dict[str, str]) -> None:
    assert case["old"] in SETTINGS
    write(settings=SETTINGS.replace(case["old"], case["new"], 1))
    assert refused()[0] == case["fault"]
    with pytest.raises(InvalidInput) as caught:
        read_settings(Path("dialer.toml"), {})
    assert str(caught.value.faults[0]) == case["fault"]


@pytest.mark.parametrize("case", CASES["campaign"], ids=lambda case: case["fault"].split(";")[0])
def test_bad_campaign(case: dict[str, str]) -> None:
    assert case["old"] in CAMPAIGN
    write(campaign=CAMPAIGN.replace(case["old"], case["new"], 1))
    assert refused()[0] == case["fault"]


@pytest.mark.parametrize("case", CASES["environment"], ids=lambda case: case["name"])
def test_bad_environment(case: dict[str, str]) -> None:
    assert refused({case["name"]: case["value"]}) == [case["fault"]]


def test_all_faults_of_all_files_come_at_once_and_in_order() -> None:
    write(
        SETTINGS.replace('"30s"', "30").replace('"+864001234568"', '"120"').replace('"quick"', '"fast"'),
        CAMPAIGN.replace('"09:30", "11:30"', '"11:30", "09:30"')
        .replace("[15, 30]", "[]")
        .replace('first = "greet"', 'first = "hello"')
        .replace("title", "titel"),
    )
    assert [fault.split(": ")[:2] for fault in refused({"DIALER_DATABSE": "x", "DIALER_WEB__PORT": "0"})] == [
        ["dialer.toml:16", "lines.main.ring_timeout"],
        ["dialer.toml:27", "transfers.agents"],
        ["dialer.toml:30", "adapters.mock.profile"],
        ["environment", "DIALER_DATABSE"],
        ["environment", "DIALER_WEB__PORT"],
        ["monthly.toml:6", "audience.due_days"],
        ["monthly.toml:23", "segment[1].rounds[1].between[1]"],
        ["monthly.toml:42", "script.reminder.first"],
    ]


def test_a_misspelt_key_and_an_unknown_line_are_both_told() -> None:
    write(campaign=CAMPAIGN.replace("days = [-1, 0]", "days = [-1, 0]\ndayz = 3").replace('["main"]', '["mian"]', 1))
    assert [fault.split(": ")[0] for fault in refused()] == ["monthly.toml:10", "monthly.toml:23"]


def test_a_misspelt_key_brings_no_fault_that_only_follows_from_it() -> None:
    write(campaign=CAMPAIGN.replace('then = "bye"', 'than = "bye"').replace("keys = { 1 =", "kees = { 1 =", 1))
    assert [fault.split(": ")[1] for fault in refused()] == [
        "script.reminder.step.greet.kees",
        "script.reminder.step.greet.silent.than",
    ]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "monthly.toml:1: file: does not exist; name a TOML file that does (`dialer init` writes some)"),
        (b"", "monthly.toml:1: audience: is missing; accepted: a table with "),
        (b"a = 1\n\xff\xfe", "monthly.toml:2: file: is not UTF-8; save it as UTF-8"),
        (b"x" * (1024 * 1024 + 1), "monthly.toml:1: file: is too large; accepted: at most 1,048,576 bytes"),
        (
            b"a = " + b"[" * 5000,
            "monthly.toml:1: file: nests too deep; accepted: at most 16 levels of tables and lists",
        ),
        (b"\na = " + b"[" * 30 + b"]" * 30, "monthly.toml:2: file: nests too deep; accepted: at most 16 levels"),
        (b"\x00\x01PK", "monthly.toml:1: syntax: is not TOML: "),
    ],
)
def test_files_that_are_none(content: bytes | None, fault: str) -> None:
    Path("monthly.toml").unlink()
    if content is not None:
        Path("monthly.toml").write_bytes(content)
    assert refused()[0].startswith(fault)


def test_a_folder_is_no_file() -> None:
    Path("monthly.toml").unlink()
    Path("monthly.toml").mkdir()
    assert refused() == ["monthly.toml:1: file: is not a file; accepted: a TOML file"]


PHRASES = ("Input should", "Extra inputs", "Field required", "validation", "Traceback", "pydantic", "value_error")
VALUES = [
    "",
    "0",
    "-1",
    "3.5",
    "true",
    '""',
    '"x"',
    "[]",
    "[[]]",
    "{}",
    "{ x = 1 }",
    "[1, 'a']",
    "2026-01-01",
    "nan",
    "1e999",
]


@settings(max_examples=80, deadline=None)
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
