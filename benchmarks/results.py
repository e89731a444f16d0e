"""What was measured, as tables: on the terminal, and as a page with the machine and the versions."""

import os
import platform
import sqlite3
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("APScheduler", "procrastinate", "SQLAlchemy", "aiosqlite", "asyncpg", "psycopg", "fastapi", "uvicorn")


@dataclass
class Row:
    """One contender's values: column → one value a run."""

    name: str
    values: dict[str, list[float]] = field(default_factory=dict)
    skipped: str = ""
    """Why it was not measured, or not in every run."""

    def add(self, found: Mapping[str, float]) -> None:
        for column, value in found.items():
            self.values.setdefault(column, []).append(value)


@dataclass
class Table:
    """One work."""

    title: str
    told: str
    columns: Mapping[str, str]
    """key → heading"""
    rows: list[Row] = field(default_factory=list)

    def cells(self) -> list[list[str]]:
        """The heading and a line for each contender."""
        lines = [["", *self.columns.values(), "runs"]]
        for row in self.rows:
            runs = max((len(values) for values in row.values.values()), default=0)
            if not runs:
                lines.append([row.name, f"skipped: {row.skipped}", *[""] * len(self.columns)])
                continue
            cells = [shown(row.values.get(column, [])) for column in self.columns]
            lines.append([row.name, *cells, f"{runs}{'; then ' + row.skipped if row.skipped else ''}"])
        return lines


def shown(values: Sequence[float]) -> str:
    """The median and the spread: `1,234 (1,200–1,300)`."""
    if not values:
        return "–"
    middle = _number(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({_number(min(values))}–{_number(max(values))})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:,.1f}"


def show(table: Table) -> None:
    """On the terminal."""
    lines = table.cells()
    told = [line for line in lines if not line[1].startswith("skipped")]
    widths = [max(len(line[n]) for line in told) for n in range(len(lines[0]))]
    widths[0] = max(len(line[0]) for line in lines)
    print(f"\n{table.title}\n{table.told}")
    for line in lines:
        last = len(line) if line in told else 2
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(line[:last], widths, strict=False)).rstrip())


def write(path: Path, tables: Sequence[Table], command: str, machine: Sequence[str]) -> None:
    """The page."""
    parts = [
        "# What was measured",
        f"By `{command}` on {datetime.now(UTC).date()}. One run of the command, contenders in turn: run 1 of each, "
        "then run 2. Medians, with the lowest and the highest where there were several runs. Compare rows of one "
        "table: the same machine on another day is another machine.",
        "\n".join(f"- {line}" for line in machine),
    ]
    for table in tables:
        heading, *lines = table.cells()
        rows = [heading, ["-"] * len(heading), *lines]
        marks = "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows)
        parts.append(f"## {table.title}\n\n{table.told}\n\n{marks}")
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def machine(disk: str, server: Mapping[str, str], commit: str, load: Sequence[float]) -> list[str]:
    """The machine, the versions and the durability, a line each. `load`: before the run."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    found = [
        f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GB; {platform.system()} {platform.release()};"
        f" databases on {disk or 'an unknown file system'}",
        "busy with other work before the run: {:.1f}, {:.1f}, {:.1f} (load of 1, 5, 15 minutes)".format(*load),
        f"this dialer at {commit or 'an unknown commit'}; Python {platform.python_version()}; {packages}",
        f"SQLite {sqlite3.sqlite_version}: WAL, synchronous=FULL, for us and for peers",
    ]
    if server:
        settings = ", ".join(f"{name}={value}" for name, value in server.items() if name != "server_version")
        found.append(f"PostgreSQL {server['server_version']}, over a Unix socket: {settings}")
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
