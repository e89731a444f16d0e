"""The project's own files, read once for all style tests."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("dialer", "campaigns", "adapters", "config")


@dataclass(frozen=True)
class Source:
    """One Python file: its path from the root, with `/`, and its tree."""

    name: str

    @cached_property
    def text(self) -> str:
        return (ROOT / self.name).read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    def at(self, node: ast.AST) -> str:
        return f"{self.name}:{getattr(node, 'lineno', 0)}"


def sources(*folders: str) -> list[Source]:
    """The Python files under these folders, by name."""
    files = (file for folder in folders for file in (ROOT / folder).rglob("*.py"))
    return [source(file.relative_to(ROOT).as_posix()) for file in sorted(files)]


@cache
def source(name: str) -> Source:
    """The same object for every test: its tree is made once."""
    return Source(name)


def written() -> Iterator[Path]:
    """Every text file that a person wrote or that is committed: no builds, no caches, no data of the sample."""
    for file in sorted(ROOT.rglob("*")):
        parts = file.relative_to(ROOT).parts
        if parts[0] in {".git", ".venv", "build", "dist", "demo-out", "LICENSE"} or not file.is_file():
            continue
        if any(part.endswith("_cache") or part in {"__pycache__", ".hypothesis", "out"} for part in parts):
            continue
        if file.suffix in {".py", ".toml", ".md", ".lock", ".csv", ".mako", ".html", ""} or parts[0] == ".ci":
            yield file


def dotted(node: ast.AST) -> str:
    """`datetime.now` of the expression that says so; empty where it is something else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""
