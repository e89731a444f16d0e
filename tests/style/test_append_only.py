"""The record is only ever added to: no statement of the store changes or deletes its rows but those that erase."""

import ast

from tests.style.source import Source, dotted, sources

SEALED = {"verdicts", "events", "placements", "actions", "erasures"}
ERASING = "dialer/store/erasure.py"
"""Purge and forget: they write down what they erase, and `dialer audit verify` tells what nothing explains."""


def _touched(node: ast.AST) -> set[str]:
    """Tables that this call updates, deletes from, or replaces rows of."""
    if not isinstance(node, ast.Call):
        return set()
    name = dotted(node.func)
    if name in ("update", "delete", "put_for", "put_all", "_put", "_upsert"):
        return {dotted(argument).rpartition(".")[2] for argument in node.args}
    owner, _, verb = name.rpartition(".")
    return {owner.rpartition(".")[2]} if verb in ("update", "delete") else set()


def _found(source: Source) -> list[str]:
    return [source.at(node) for node in ast.walk(source.tree) if _touched(node) & SEALED]


def test_nothing_but_erasure_changes_or_deletes_what_is_sealed() -> None:
    assert [at for source in sources("dialer") if source.name != ERASING for at in _found(source)] == []


def test_this_test_sees_what_it_looks_for() -> None:
    for text in ("update(t.events)", "delete(t.actions)", "t.verdicts.delete()", "put_all(tx, placements, rows)"):
        assert _touched(ast.parse(text, mode="eval").body) & SEALED, text


def test_erasure_is_asked_for_by_purge_and_forget_alone() -> None:
    asking = {
        source.name
        for source in sources("dialer")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dialer.store")
        if node.module == "dialer.store.erasure" or any(name.name == "erasure" for name in node.names)
    }
    assert asking == {"dialer/erase.py", "dialer/forget.py", "dialer/months.py", "dialer/purge.py"}


def test_raw_statements_write_nothing_that_is_sealed() -> None:
    raw = [
        source.at(node)
        for source in sources("dialer")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        and node.value.upper().startswith(("UPDATE ", "DELETE FROM ", "INSERT OR REPLACE"))
        and set(node.value.split()) & SEALED
    ]  # fmt: skip
    assert raw == []
