"""`dialer schema`: what editors complete and check, and what programs may rely on."""

import csv
import json
import tempfile
import tomllib
from collections.abc import Iterator
from datetime import date, datetime, time
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from typer.main import get_command
from typer.testing import CliRunner

from adapters.mock import Settings as MockSettings
from campaigns.file import Campaign
from config.faults import check
from config.settings import Settings
from dialer import shapes
from dialer.check import check_files
from dialer.cli.app import app
from dialer.cli.schema import answers
from dialer.errors import DialerError, InvalidInput

SIMULATE = "simulate campaigns/monthly.toml --accounts accounts.csv --installments installments.csv"
DAYS = f"""\
init . --language zh
check campaigns/monthly.toml
check --live
import accounts accounts.csv
import installments installments.csv --dry-run
import installments installments.csv
import suppressions suppressions.csv
plan campaigns/monthly.toml
plan campaigns/monthly.toml --accounts accounts.csv --installments installments.csv --csv plan.csv
launch campaigns/monthly.toml
launch campaigns/monthly.toml
pause monthly-reminder
status
resume monthly-reminder
status monthly-reminder
halt --reason test
unhalt
unhalt
suppress +8613800138009 --reason asked
suppress +8613800138009 --reason again --lift
suppress --person P-2 --reason asked --until 2099-01-01
attempts --csv attempts.csv
attempts --jsonl attempts.jsonl --csv attempts.csv
actions --jsonl actions.jsonl
referee . --settings dialer.toml --journal /dev/null
digest
report
explain L-1001
tasks
explain L-1003 --at 2099-01-01
purge --dry-run
purge
audit head
audit verify
forget P-2 --yes
explain L-1003 --language zh
{SIMULATE} --from 2026-01-01 --to 2026-01-02
paid ACCOUNT DUE_ON --amount 1.00
paid ACCOUNT DUE_ON --reverse
rules
rules cn us-ma
schema
schema --out schemas
schema campaign --out campaign.json
cancel monthly-reminder
report --html report.html
backup copy.db
db restored 2026-01-01T00:00+00:00 --yes
restore copy.db --yes
db upgrade
db check
db copy sqlite:///moved.db""".splitlines()
"""What is asked of a new installation, in order."""
FAULTS = Path(__file__).parent / "faults"
EXAMPLES = Path(__file__).parents[1] / "support" / "examples"
CASES = tomllib.loads((FAULTS / "cases.toml").read_text(encoding="utf-8"))
TEXTS = {
    "campaign": (FAULTS / "monthly.toml").read_text(encoding="utf-8"),
    "settings": (FAULTS / "dialer.toml").read_text(encoding="utf-8"),
    "pack": (files("config") / "rules" / "cn.toml").read_text(encoding="utf-8"),
}


def plain(data: Any) -> Any:
    """TOML as an editor's checker sees it: dates and times are text."""
    if isinstance(data, dict):
        return {key: plain(value) for key, value in data.items()}
    if isinstance(data, list):
        return [plain(value) for value in data]
    return data.isoformat() if isinstance(data, date | datetime | time) else data


@cache
def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(shapes.of_file(name))


def wrongs(name: str, text: str) -> list[str]:
    """What the schema finds wrong in a file."""
    data = plain(tomllib.loads(text))
    return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in validator(name).iter_errors(data)]


def invoke(*words: str) -> str:
    done = CliRunner().invoke(app, [*words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def nodes(found: Any) -> Iterator[dict[str, Any]]:
    """Every object of a schema."""
    if isinstance(found, dict):
        yield found
        for value in found.values():
            yield from nodes(value)
    elif isinstance(found, list):
        for value in found:
            yield from nodes(value)


# --- the schemas themselves ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*shapes.FILES, *answers()])
def test_it_is_a_schema_that_stands_by_itself(name: str) -> None:
    found = json.loads(invoke("schema", name))
    Draft202012Validator.check_schema(found)
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert (found["$id"], found["title"]) == (f"urn:dialer:{name}", name)
    assert found["description"]
    for node in nodes(found):
        if "$ref" in node:
            target: Any = found
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            assert target


@pytest.mark.parametrize("name", shapes.FILES)
def test_every_key_of_a_file_is_described_and_no_other_is_known(name: str) -> None:
    tables = [node for node in nodes(shapes.of_file(name)) if "properties" in node and "type" in node]
    assert len(tables) >= 6
    for table in tables:
        assert table["additionalProperties"] is False
        for key, node in table["properties"].items():
            assert len(node.get("description", "")) > 8, key


@pytest.mark.parametrize("name", shapes.FILES)
def test_nothing_is_null_and_every_default_and_example_is_accepted(name: str) -> None:
    root = shapes.of_file(name)
    for node in nodes(root):
        assert node.get("type") != "null"
        given = [*node.get("examples", ()), *([node["default"]] if "default" in node else [])]
        for value in given if not isinstance(node.get("examples"), dict) else ():
            Draft202012Validator({**node, "$defs": root["$defs"]}).validate(value)


def test_values_are_described_as_they_are_written() -> None:
    line = shapes.of_file("settings")["$defs"]["LineSettings"]["properties"]
    assert line["ring_timeout"]["default"] == "30s"
    assert line["time_limit"]["default"] == "5m"
    assert line["price_per_minute"]["default"] == "0"
    window = line["hours"]["items"]
    assert window["items"]["pattern"]
    assert (window["minItems"], window["maxItems"]) == (2, 2)
    assert line["channels"]["items"]["enum"] == ["voice", "sms"]
    assert "default" not in line["spend_max_per_day"]


def test_the_sections_of_adapters_are_those_of_their_own_models() -> None:
    mock = shapes.of_file("settings")["properties"]["adapters"]["properties"]["mock"]
    assert set(mock["properties"]) == set(MockSettings.model_fields)
    assert mock["properties"]["profile"]["enum"] == ["lifelike", "quick", "rings_out"]


# --- files against their schema -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("campaign", EXAMPLES / "monthly.toml"),
        ("settings", EXAMPLES / "dialer.toml"),
        ("pack", EXAMPLES / "rules.toml"),
        ("campaign", FAULTS / "monthly.toml"),
        ("settings", FAULTS / "dialer.toml"),
        *(("pack", path) for path in sorted(Path(str(files("config") / "rules")).glob("*.toml"))),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_good_files_pass(name: str, path: Path) -> None:
    assert wrongs(name, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("language", ["zh", "en"])
def test_what_init_writes_passes(tmp_path: Path, language: str) -> None:
    invoke("init", str(tmp_path / "d"), "--language", language)
    assert wrongs("settings", (tmp_path / "d" / "dialer.toml").read_text(encoding="utf-8")) == []
    assert wrongs("campaign", (tmp_path / "d" / "campaigns" / "monthly.toml").read_text(encoding="utf-8")) == []


MEANINGS = {
    "is not a currency": "three capitals may be none",
    "is not a time zone": "names come and go",
    "is not a country": "two capitals may be none",
    "is not a language": "a tag may name none",
    "is not a phone number": "the lengths of numbers differ by country",
    "is not the address of a database": "an address has many forms",
    "is not a finite number": "JSON has no such numbers",
    "which is not forward": "two times are compared",
    "is after until": "two dates are compared",
    "is above max": "two counts are compared",
    "from 1 second to 366 days": "the unit decides how many are too many",
    'from "1s" to "1d"': "the unit decides how many are too many",
    "is text; accepted: a date": "to JSON a date is text",
    "database: is missing": "DIALER_DATABASE may give it",
}
"""What the models refuse and no schema can, with the reason."""


@pytest.mark.parametrize(("name", "model"), [("settings", Settings), ("campaign", Campaign)])
def test_faults_of_shape_are_found_by_the_editor_too(name: str, model: Any) -> None:
    found, missed = 0, []
    for case in CASES[name]:
        text = TEXTS[name].replace(case["old"], case["new"], 1)
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError:  # told by every editor
            continue
        if check(model, data)[1]:
            found += 1
            if not wrongs(name, text) and not any(words in case["fault"] for words in MEANINGS):
                missed.append(case["fault"])
    assert missed == []
    assert found >= 20


VALUES = ["", '""', '"x"', "-1", "3.5", "[]", "[[]]", "{}", "{ x = 1 }", '[1, "a"]', "2026-01-01", "09:30:00", '"24h"']
CHANGES = st.sampled_from([*(("value", value) for value in VALUES), ("key", "xyz"), ("gone", "")])


def changed(text: str, number: int, change: tuple[str, str]) -> str:
    """The text with one of its lines changed: another value, a key that is misspelt, or no such line."""
    lines = text.splitlines()
    number %= len(lines)
    key, equals, value = lines[number].partition(" = ")
    if equals:
        kind, other = change
        lines[number] = {"value": f"{key} = {other}", "key": f"{key}{other} = {value}", "gone": ""}[kind]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", shapes.FILES)
@settings(max_examples=120, derandomize=True)
@given(number=st.integers(0, 200), change=CHANGES)
@example(number=TEXTS["campaign"].splitlines().index('script = "reminder"'), change=("key", "xyz"))
def test_what_the_editor_refuses_the_check_refuses_too(name: str, number: int, change: tuple[str, str]) -> None:
    text = changed(TEXTS[name], number, change)
    try:
        refused = wrongs(name, text)
    except tomllib.TOMLDecodeError:
        return
    if refused:
        with pytest.raises(InvalidInput):
            look_at(name, text)


@cache
def place() -> Path:
    """A folder in which one of the three files is bad and the others are good."""
    return Path(tempfile.mkdtemp())


def look_at(name: str, text: str) -> None:
    """`dialer check` of this file, beside others that are good."""
    folder = place()
    texts = TEXTS | {"settings": 'rules = ["ours.toml"]\n' + TEXTS["settings"], name: text}
    if name == "settings":
        texts["settings"] = text
    for file, of in (("dialer.toml", "settings"), ("monthly.toml", "campaign"), ("ours.toml", "pack")):
        (folder / file).write_text(texts[of], encoding="utf-8")
    check_files(folder / "dialer.toml", {}, [folder / "monthly.toml"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("max        = 3", 'max        = "3"'),
        ("length = 1", "length = true"),
        ("checked_on = 2026-11-23", "checked_on = 0"),
        ('from = "08:00"', "from = 28800"),
    ],
)
def test_what_only_looks_like_a_number_a_date_or_a_time_is_refused_in_a_pack(old: str, new: str) -> None:
    assert old in TEXTS["pack"]
    text = TEXTS["pack"].replace(old, new, 1)
    assert wrongs("pack", text)
    with pytest.raises(InvalidInput):
        look_at("pack", text)


def test_what_is_good_passes_the_check() -> None:
    for name, text in TEXTS.items():
        look_at(name, text)
        assert wrongs(name, text) == []


# --- what commands print ------------------------------------------------------------------------------------------


def closed(found: Any) -> Any:
    """The schema with no other keys than those it names: an answer must not hold what is not published."""
    if isinstance(found, list):
        return [closed(value) for value in found]
    if not isinstance(found, dict):
        return found
    inner = {key: closed(value) for key, value in found.items()}
    return {**inner, "additionalProperties": False} if isinstance(found.get("properties"), dict) else inner


def test_every_command_that_prints_json_has_its_schema() -> None:
    commands = dict(get_command(app).commands)  # type: ignore[attr-defined]
    for group in [name for name, one in commands.items() if hasattr(one, "commands")]:
        commands |= {f"{group}-{name}": one for name, one in commands[group].commands.items()}
    asked = {name for name, one in commands.items() if any("--json" in option.opts for option in one.params)}
    assert asked == set(answers())


def test_what_commands_print_is_what_their_schemas_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small installation from its first day to its last."""
    monkeypatch.chdir(tmp_path)
    told = set()
    for words in DAYS:
        if words.startswith("paid"):
            words = words.replace("ACCOUNT DUE_ON", open_installment())
        command, *more = words.split()
        answer = json.loads(invoke(command, *more, "--json"))
        command = f"{command}-{more[0]}" if command in ("audit", "db") else command
        Draft202012Validator(closed(shapes.of_answer(command, answers()[command]))).validate(answer)
        told.add(command)
    # Whether the gate lets a test call pass depends on the hour: tests/acceptance/test_call.py has its answers. Nothing
    # here opens a task: tests/acceptance/test_tasks.py closes some.
    assert told == set(answers()) - {"call", "done"}


def open_installment() -> str:
    rows = csv.DictReader(Path("installments.csv").read_text(encoding="utf-8").splitlines())
    row = next(row for row in rows if not row["paid_on"])
    return f"{row['account_id']} {row['due_on']}"


# --- the command --------------------------------------------------------------------------------------------------


def test_without_a_name_all_are_listed() -> None:
    lines = invoke("schema").splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["campaign", "settings", "pack"]
    assert "explain       what `dialer explain --json` prints" in [line.strip() for line in lines]


def test_a_name_that_is_not_known_is_answered_with_the_nearest() -> None:
    done = CliRunner().invoke(app, ["schema", "setings"])
    assert done.exit_code == 2
    assert 'no schema is named "setings", perhaps "settings" is meant' in " ".join(done.output.split())


def test_schemas_are_written_where_editors_find_them(tmp_path: Path) -> None:
    one = tmp_path / "here" / "report.json"
    invoke("schema", "report", "--out", str(one))
    assert json.loads(one.read_text(encoding="utf-8")) == json.loads(invoke("schema", "report"))
    assert "schemas/pack.schema.json" in invoke("schema", "--out", str(tmp_path / "schemas")).replace("\n", "")
    written = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in (tmp_path / "schemas").iterdir()}
    assert written == {f"{name}.schema.json": shapes.of_file(name) for name in shapes.FILES}


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DialerError, match="cannot be written"):
        invoke("schema", "pack", "--out", str(tmp_path / "file" / "pack.json"))
