"""docs/operations.md explains every alarm that the log can give, and none that it cannot."""

import ast
import re
from typing import get_args

import pytest

from dialer import alarms
from tests.style.source import ROOT, dotted, sources


def _logged(level: str) -> set[str]:
    return {
        node.args[0].value
        for source in sources("dialer")
        if not source.name.startswith("dialer/simulated/")  # no daemon ever logs what befalls a simulated machine
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and dotted(node.func) == f"log.{level}"
        if isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)
    }  # fmt: skip


@pytest.mark.parametrize(("title", "level"), [("Errors", "error"), ("Warnings", "warning")])
def test_every_alarm_is_explained(title: str, level: str) -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = text.split(f"\n{title}:\n")[1].split("\nWarnings:\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == _logged(level)


def test_every_alarm_of_the_status_is_explained_with_its_severity() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = text.split("\n## What `dialer status` raises\n")[1].split("\n## ")[0]
    told = dict(re.findall(r"^\| `(\w+)` \| (error|warning) \|", section, re.MULTILINE))
    assert set(told) == set(get_args(alarms.Name))
    assert told == _raised()


def _raised() -> dict[str, str]:
    """alarm → severity, of every place that raises one."""
    (source,) = [source for source in sources("dialer") if source.name == "dialer/alarms.py"]
    return {
        node.args[0].value: dotted(node.func).removeprefix("_")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and dotted(node.func) in ("_error", "_warning")
        if isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)
    }  # fmt: skip
