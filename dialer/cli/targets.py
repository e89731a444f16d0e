"""Files that a command is told to write: none may be one that the installation, or the command itself, needs."""

import os
from collections.abc import Iterable
from pathlib import Path

from typer import BadParameter

from config.settings import Settings
from dialer.own_files import belongs, is_database, is_same, named

DASH = Path("-")
Targets = Iterable[tuple[str, Path | None]]
"""Option → the file that it names, if it does."""


def keep_off(
    settings: Settings | None, config: Path, targets: Targets, reads: Iterable[Path | None] = (), dash: bool = False
) -> None:
    """Raises BadParameter for targets that may not be written over, each of them; nothing was opened by then.

    `settings`: None where they can't be read. `reads`: files that the command reads.
    `dash`: whether `-` is standard output there; else it would be a file of this name, which nobody means.
    """
    given = [path for path in reads if path is not None]
    named = [(option, path) for option, path in targets if path is not None]
    told = [(option, path, _wrong(settings, config, path, given, dash)) for option, path in named]
    if wrong := [f"{option}: {path} {why}; name another file" for option, path, why in told if why]:
        raise BadParameter("\n".join(wrong))


def _wrong(settings: Settings | None, config: Path, target: Path, reads: list[Path], dash: bool) -> str:
    """Why it can't be written over; empty where it can."""
    if target == DASH:
        return "" if dash else "is not written to standard output here"
    if os.path.exists(target) and not os.path.isfile(target):
        return ""  # a pipe or a terminal may well be read and written
    if settings is not None and belongs(settings.database, target):
        return "belongs to the database"
    if is_same(config, target):
        return "is the settings file"
    if settings is not None and any(is_same(one, target) for one in named(settings)):
        return "is named in the settings"
    if any(is_same(one, target) for one in reads):
        return "is a file that this command reads"
    return "is a SQLite database" if is_database(target) else ""
