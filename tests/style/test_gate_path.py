"""No way leads to `adapter.place` but through the gate: read off the imports and the calls, link by link."""

import ast
from collections.abc import Iterator
from functools import cache

from tests.style.source import Source, dotted, source, sources

ENGINE = [one for one in sources("dialer") if not one.name.startswith("dialer/simulated/")]
"""Without the simulated world, which stands for the provider; nothing of the engine but the simulation imports it."""


def functions(source: Source) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{source.name} {node.name}", node


@cache
def bodies() -> list[tuple[str, list[ast.AST]]]:
    """All that stands in each function of the engine; walked once, for it takes a second."""
    return [(where, list(ast.walk(function))) for one in ENGINE for where, function in functions(one)]


def users(*names: str) -> set[str]:
    """The functions in which one of these methods is used: called, or handed on."""
    return {
        where for where, nodes in bodies() for node in nodes if isinstance(node, ast.Attribute) and node.attr in names
    }


def makers(name: str) -> set[str]:
    """The functions that make such an object."""
    return {
        where
        for where, nodes in bodies()
        for node in nodes
        if isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] == name
    }


def the(file: str, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef:
    return next(function for where, function in functions(source(file)) if where == f"{file} {name}")


def test_the_adapter_is_handed_only_what_was_claimed() -> None:
    assert users("place") == {"dialer/dial.py _place"}
    assert users("_place") == {"dialer/dial.py _place_in_turn"}
    assert users("_place_in_turn") == {"dialer/dial.py tick"}
    given = [node for node in ast.walk(the("dialer/dial.py", "tick")) if isinstance(node, ast.Call)]
    handed = [ast.unparse(node.args[0]) for node in given if dotted(node.func) == "self._place_in_turn"]
    assert handed == ["claimed.placements"]
    claimed = [node for node in ast.walk(the("dialer/dial.py", "tick")) if isinstance(node, ast.Assign)]
    made = [ast.unparse(node.value) for node in claimed if ast.unparse(node.targets[0]) == "claimed"]
    assert len(made) == 1
    assert "Claim(tx," in made[0]
    assert ").run()" in made[0]


def test_a_placement_is_made_only_of_what_passed() -> None:
    assert makers("Placement") == {"dialer/claim.py _placement"}
    assert users("_placement") == {"dialer/claim.py _commit"}
    assert users("_commit") - {"dialer/store/database.py _commit", "dialer/store/database.py _commit_groups"} == {
        "dialer/claim.py _decide"
    }
    assert makers("_Passed") == {"dialer/claim.py _pass"}
    assert {where for where in users("_pass") if "claim" in where} == {"dialer/claim.py _decide"}


def assigned(function: ast.AST, name: str) -> list[str]:
    """The functions whose results are assigned to this name."""
    return [
        ast.unparse(node.value).partition("(")[0]
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    ]


def test_what_passed_is_what_the_gate_let_through() -> None:
    decide = the("dialer/claim.py", "_decide")
    guarded = [
        node
        for node in ast.walk(decide)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "isinstance(verdict, Pass)"
    ]
    appended = [
        node for node in ast.walk(decide) if isinstance(node, ast.Call) and dotted(node.func) == "passed.append"
    ]
    assert len(guarded) == len(appended) == 1
    assert any(node is appended[0] for statement in guarded[0].body for node in ast.walk(statement))
    assert "self._pass(" in ast.unparse(appended[0])
    assert assigned(decide, "(verdict, words)") == ["self._judge"]
    judge = the("dialer/claim.py", "_judge")
    assert assigned(judge, "verdict") == ["self._gate"]
    given = [ast.unparse(node.value) for node in ast.walk(judge) if isinstance(node, ast.Return) and node.value]
    # Either what the gate said, or, for a fault of ours, "not now".
    assert [one.partition("(")[2].split(",")[0].split("(")[0] for one in given] == [
        "verdict", "verdict", "self._undecided",
    ]  # fmt: skip
    undecided = [node for node in ast.walk(the("dialer/claim.py", "_undecided")) if isinstance(node, ast.Return)]
    assert [ast.unparse(node.value).partition("(")[0] for node in undecided if node.value] == ["Defer"]
    returns = [node for node in ast.walk(the("dialer/claim.py", "_gate")) if isinstance(node, ast.Return)]
    assert [ast.unparse(node.value).partition("(")[0] for node in returns if node.value] == ["check"]


def test_the_gate_that_is_asked_is_the_gate() -> None:
    imported = [
        (node.module, name.name, name.asname)
        for node in ast.walk(Source("dialer/claim.py").tree)
        if isinstance(node, ast.ImportFrom)
        for name in node.names
        if name.name in ("check", "Pass")
    ]
    assert sorted(imported) == [("campaigns.gate", "Pass", None), ("campaigns.gate", "check", None)]


def test_only_the_simulation_knows_the_simulated_world() -> None:
    found = {
        source.name
        for source in ENGINE
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dialer.simulated")
    }
    assert found == {"dialer/simulate.py"}


def test_nobody_reaches_for_it_by_a_name_in_quotes() -> None:
    found = [
        source.at(node)
        for source in ENGINE
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call)
        and dotted(node.func).rpartition(".")[2] in ("getattr", "attrgetter", "methodcaller")
        and any(isinstance(one, ast.Constant) and one.value in ("place", "_place") for one in node.args)
    ]
    assert found == []
