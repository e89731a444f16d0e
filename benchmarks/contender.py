"""Who takes part in a work: a name, a database, and a function that is run in a process of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

QUICK, USUAL, LONG, FULL = range(4)


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    runs: int = 3
    level: int = USUAL
    databases: tuple[str, ...] = ("sqlite", "postgresql")

    def size(self, *sizes: int) -> int:
        """How much work: of the sizes for quick, usual, long, full the one asked for; the last holds for the rest."""
        return sizes[min(self.level, len(sizes) - 1)]


@dataclass(frozen=True)
class Contender:
    """One row of a table."""

    name: str
    database: str
    """sqlite or postgresql"""
    function: str
    """`module:function`; called with `database` (a URL), `folder` and `values`, it returns column → value."""
    values: Mapping[str, Any] = field(default_factory=dict)
    runs: int | None = None
    """Fewer than asked for, where one takes long."""


@dataclass(frozen=True)
class Work:
    """One table."""

    letter: str
    title: str
    told: str
    columns: Mapping[str, str]
    contenders: list[Contender]


def ours(function: str, options: Options, runs: int | None = None, **values: Any) -> list[Contender]:
    """This dialer on each database that was asked for."""
    names = {"sqlite": "this dialer, SQLite", "postgresql": "this dialer, PostgreSQL"}
    return [Contender(names[base], base, function, values, runs) for base in options.databases]
