"""A way to a PostgreSQL server that can be shut: a socket of its own, whose bytes go on to the server's, or do not."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL, make_url

PORT = 5432


class Valve:
    """`open`: as if it were not there. `shut`: nobody listens. `silent`: connections stay, and nothing comes through."""

    def __init__(self, folder: Path, url: URL) -> None:
        self._path, self._to = folder / f".s.PGSQL.{PORT}", url
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._thread.start()
        self.open()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def open(self) -> None:
        async def work() -> None:
            self._flowing.set()
            if self._server is None:
                self._server = await asyncio.start_unix_server(self._serve, self._path)

        self._do(work())

    def silence(self) -> None:
        async def work() -> None:
            self._flowing.clear()

        self._do(work())

    def shut(self) -> None:
        async def work() -> None:
            if self._server is not None:
                self._server.close()
                self._server = None
            self._path.unlink(missing_ok=True)
            for writer in self._writers:
                writer.transport.abort()

        self._do(work())

    def close(self) -> None:
        self.open()  # what waits goes on, and finds that it is over
        self.shut()
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        if serving := asyncio.all_tasks() - {asyncio.current_task()}:  # type: ignore[arg-type]
            await asyncio.wait(serving, timeout=5)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self._to.query.get("host") or self._to.host or "127.0.0.1", self._to.port or PORT
        assert isinstance(host, str)
        if host.startswith("/"):
            far = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        else:
            far = await asyncio.open_connection(host, port)
        self._writers |= {writer, far[1]}
        await asyncio.gather(self._flow(reader, far[1]), self._flow(far[0], writer))
        self._writers -= {writer, far[1]}

    async def _flow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while read := await reader.read(65_536):
                await self._flowing.wait()
                writer.write(read)
        writer.close()


@contextmanager
def valve(folder: Path, url: str) -> Iterator[tuple[Valve, str]]:
    """The valve, and the database's address through it. `folder`: with a short path, as sockets want it."""
    found = Valve(folder, make_url(url))
    try:
        through = make_url(url).set(host=None, port=None, query={"host": str(folder)})
        yield found, through.render_as_string(hide_password=False).replace(":@", "@")
    finally:
        found.close()
