"""What the house's rules ask of every source file and what no linter of ours knows."""

import ast
import re
from pathlib import Path

import pytest

from tests.style.source import PACKAGES, ROOT, Source, dotted, sources, written

FUNCTION_MAX, FILE_MAX = 40, 400
LONGER: dict[str, int] = {}
"""`file` or `file function` → its lines: what is longer than the rule allows today. It may only shrink."""
OURS = [source for source in sources(*PACKAGES) if "/migrations/versions/" not in source.name]
EVERY = [*OURS, *sources("benchmarks", "tests")]

CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "monotonic_ns", "localtime", "gmtime"}
CLOCK_OWNERS = {"datetime", "datetime.datetime", "date", "datetime.date", "time"}
SQL_CLOCKS = re.compile(
    r"\b(current_timestamp|current_date|current_time|strftime\(|julianday\(|now\(\))", re.IGNORECASE
)
SYNONYMS = {"customer", "debtor", "bill", "upload", "policy", "trunk", "ticket", "phonecall", "driver"}
"""What the glossary says otherwise: person, installment, import, rule, line, task, call, adapter."""
FOREIGN = {"driver_url", "drivername", "exec_driver_sql"}
"""SQLAlchemy's own words."""


@pytest.mark.parametrize("source", [*OURS, *sources("benchmarks")], ids=lambda source: source.name)
def test_nothing_is_too_long(source: Source) -> None:
    found = {}
    if (lines := source.text.count("\n")) > FILE_MAX:
        found[source.name] = lines
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (lines := _lines(node)) > FUNCTION_MAX:
            found[f"{source.name} {node.name}"] = lines
    allowed = {name: lines for name, lines in LONGER.items() if name.split()[0] == source.name}
    assert found == allowed, "put a wall in; where a listed one became shorter, lower LONGER"


def test_the_list_of_longer_ones_names_files_that_are_there() -> None:
    assert {name.split()[0] for name in LONGER} <= {source.name for source in OURS}


def _others() -> list[Path]:
    """Every file but this one, which must name what it looks for."""
    return [file for file in written() if file != Path(__file__).resolve()]


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_only_the_clock_reads_a_clock() -> None:
    found = {source.name for source in OURS for node in ast.walk(source.tree) if _reads_a_clock(node)}
    assert found == {"dialer/clock.py"}


def _reads_a_clock(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(name.name == "time" for name in node.names)
    if isinstance(node, ast.ImportFrom):
        return node.module == "time" and any(name.name in CLOCKS for name in node.names)
    owner, _, name = dotted(node).rpartition(".")
    return name in CLOCKS and owner in CLOCK_OWNERS


def test_sql_has_no_clock_of_its_own() -> None:
    found = []
    for source in sources("dialer/store"):
        for node in ast.walk(source.tree):
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else dotted(node)
            if text == "func.now" or SQL_CLOCKS.search(text):
                found.append(source.at(node))
    assert found == []


def test_results_are_printed_by_the_faces_alone() -> None:
    found = [
        source.at(node)
        for source in OURS
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and dotted(node.func) == "print" and not source.name.startswith("dialer/cli/")
    ]
    assert found == []


def test_no_error_is_swallowed() -> None:
    found = [
        source.at(node)
        for source in EVERY
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler) and all(isinstance(part, ast.Pass) for part in node.body)
    ]
    assert found == [], "say what happened, or write contextlib.suppress(TheVeryError)"


def test_nothing_broad_is_suppressed() -> None:
    found = [
        source.at(node)
        for source in OURS
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and dotted(node.func).endswith("suppress")
        and any(dotted(each) in {"Exception", "BaseException"} for each in node.args)
    ]  # fmt: skip
    assert found == []


def test_nothing_is_left_for_later() -> None:
    marks = re.compile(r"\b(TODO|FIXME)\b")
    found = [str(file.relative_to(ROOT)) for file in _others() if marks.search(file.read_text(encoding="utf-8"))]
    stubs = [
        source.at(node)
        for source in OURS
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Raise) and node.exc is not None and "NotImplementedError" in ast.unparse(node.exc)
    ]
    assert found + stubs == []


def test_an_adapter_is_asked_to_place_in_one_place_only() -> None:
    found = [
        source.name
        for source in sources("dialer")
        if not source.name.startswith("dialer/simulated/")  # the provider's side of it
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and node.attr == "place"
    ]
    assert found == ["dialer/dial.py"], "at most one placement per attempt rests on this"


def test_one_word_for_one_thing() -> None:
    found = [
        f"{source.at(node)} {name}"
        for source in OURS
        for node in ast.walk(source.tree)
        for name in _named(node)
        if name.strip("_").lower() not in FOREIGN and {word.rstrip("s") for word in _words(name)} & SYNONYMS
    ]
    assert found == []


def _named(node: ast.AST) -> list[str]:
    """The names that this node gives to something."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.arg):
        return [node.arg]
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return [node.id]
    return []


def _words(name: str) -> set[str]:
    """`CallCustomer` and `call_customer` → call, customer."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def test_every_module_says_what_it_is_for() -> None:
    silent = [source.name for source in OURS if source.text.strip() and ast.get_docstring(source.tree) is None]
    assert silent == []


def test_no_committed_file_names_a_registry() -> None:
    hosts = ("pypi.org", "pythonhosted", "/opt/pypi", "--index-url", "--extra-index-url")
    found = [
        f"{file.relative_to(ROOT)}: {host}"
        for file in _others()
        for host in hosts
        if host in file.read_text(encoding="utf-8")
    ]
    assert found == []


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_pins_every_package_by_hash_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    packages = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert packages
    assert all(re.match(r"[a-z0-9.-]+==\S+ ", line) for line in packages)
    assert all("--hash=sha256:" in block for block in re.split(r"\n(?=\S)", text.strip()))
