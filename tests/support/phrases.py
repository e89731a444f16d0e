"""What a module says: the texts it gives to `say`, read from its source."""

import ast
from pathlib import Path


def phrases(*files: Path) -> tuple[set[str], set[str]]:
    """(what is said as it stands, every text of the modules: a phrase may be chosen from a table first)."""
    said, texts = set(), set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(node.value)
            if isinstance(node, ast.Call) and "say" in (getattr(node.func, "id", ""), getattr(node.func, "attr", "")):
                first = node.args[0]
                either = (first.body, first.orelse) if isinstance(first, ast.IfExp) else (first,)
                said |= {one.value for one in either if isinstance(one, ast.Constant)}
    return said, texts
