"""The files that nothing else may be written over: the database's, and what lies beside it.

Knows no SQLAlchemy: the settings are checked by it too, and that takes no time.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from config.files import Fault
from config.settings import DigestSettings, Settings
from config.sources import Sources

BESIDE = ("", "-wal", "-shm", "-journal", ".mark", ".daemon")
"""What the names of the database's files end in."""
MAGIC = b"SQLite format 3\0"
"""What every SQLite database begins with."""


def is_same(one: Path, other: Path) -> bool:
    """Whether both names lead to one file, by links of either kind; also where it is not there yet."""
    try:
        return os.path.realpath(one) == os.path.realpath(other) or os.path.samefile(one, other)
    except OSError:
        return False


def belongs(database: str, target: Path) -> bool:
    """Whether it is the database's file, by its address, or one of those beside it."""
    file = database.removeprefix("sqlite:///")
    if file in (database, ":memory:"):
        return False
    # Beside a link, too: dialers of before kept the mark there.
    names = {file, os.path.realpath(file)}
    return any(is_same(Path(name + end), target) for name in names for end in BESIDE)


def is_database(target: Path) -> bool:
    """Whether it is any SQLite database: a backup, or another installation's."""
    if not os.path.isfile(target):
        return False
    try:
        with target.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def named(settings: Settings) -> Iterator[Path]:
    """Files that the settings name for the program's own: rule packs, secrets, adapters' journals."""
    yield from settings.rules
    for section in settings.adapters.values():
        yield from (value for value in section.values() if isinstance(value, Path))
    if settings.secrets is not None:
        with suppress(OSError):
            yield from settings.secrets.iterdir()


def faults(settings: Settings, sections: Mapping[str, Mapping[str, Any]], sources: Sources) -> Iterator[Fault]:
    """Files that the settings name to be written, and that are the database's. `sections`: those of adapters."""
    named: list[tuple[tuple[str, ...], Path]] = [(("digest", "file"), path) for path in _digests(settings.digest)]
    for name, section in sections.items():
        named += [(("adapters", name, key), value) for key, value in section.items() if isinstance(value, Path)]
    for place in dict.fromkeys(place for place, path in named if belongs(settings.database, path)):
        yield sources.fault(place, "belongs to the database", "name another file")


def _digests(settings: DigestSettings | None) -> list[Path]:
    """Where a digest goes, but for names with a day in them."""
    if settings is None or settings.file is None or "{day}" in settings.file:
        return []
    path = Path(settings.file)
    return [path] if path.suffix else [path.with_name(f"{path.name}{end}") for end in (".html", ".txt")]
