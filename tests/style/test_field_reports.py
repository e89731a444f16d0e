"""Each of the fifteen reports of ../shared/field.md is a named test that says what was reported."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent.parent / "simulation" / "test_field_reports.py"


def test_every_report_is_a_test_and_says_what_it_was() -> None:
    functions = [
        node for node in ast.walk(ast.parse(TESTS.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)
    ]
    told: dict[int, list[str]] = {}
    for function in functions:
        if found := re.match(r"test_report_(\d\d)_\w+", function.name):
            told.setdefault(int(found[1]), []).append(ast.get_docstring(function) or "")
    assert sorted(told) == list(range(1, 16))
    assert all(re.search(r"\d", text) for texts in told.values() for text in texts), "it names the report"
