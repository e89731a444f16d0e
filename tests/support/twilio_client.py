"""A fast httpx transport for plain HTTP on this machine: httpx's own pool is slow with many requests."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator

import httpx

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Plain(httpx.AsyncBaseTransport):
    """Keeps connections and uses them again; as many at once as are asked for, up to `lanes`."""

    def __init__(self, lanes: int = 256) -> None:
        self._lanes = asyncio.Semaphore(lanes)
        self._idle: dict[tuple[str, int], list[Connection]] = defaultdict(list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.scheme != "http":
            raise httpx.UnsupportedProtocol(f"only http: {request.url}", request=request)
        limit = request.extensions.get("timeout", {}).get("read")
        async with self._lanes:
            try:
                async with asyncio.timeout(limit):
                    return await self._asked(request)
            except TimeoutError:
                raise httpx.ReadTimeout(f"no reply within {limit} s", request=request) from None

    async def aclose(self) -> None:
        for _, writer in [each for idle in self._idle.values() for each in idle]:
            writer.transport.abort()
        self._idle.clear()
        await asyncio.sleep(0)

    async def _asked(self, request: httpx.Request) -> httpx.Response:
        place = (request.url.host, request.url.port or 80)
        while self._idle[place]:
            reader, writer = self._idle[place].pop()
            if not reader.at_eof() and not writer.is_closing():
                return await self._exchanged(request, reader, writer)
            writer.transport.abort()
        try:
            reader, writer = await asyncio.open_connection(*place)
        except OSError as error:
            raise httpx.ConnectError(str(error), request=request) from error
        return await self._exchanged(request, reader, writer)

    async def _exchanged(
        self, request: httpx.Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> httpx.Response:
        is_kept = False
        try:
            head = [f"{request.method} {request.url.raw_path.decode()} HTTP/1.1".encode()]
            head += [name + b": " + value for name, value in request.headers.raw]
            writer.write(b"\r\n".join(head) + b"\r\n\r\n" + await request.aread())
            response, is_kept = await _response(reader)
        except asyncio.IncompleteReadError as error:
            raise httpx.RemoteProtocolError("the connection was closed", request=request) from error
        except OSError as error:
            raise httpx.ReadError(str(error), request=request) from error
        finally:
            if is_kept:
                self._idle[request.url.host, request.url.port or 80].append((reader, writer))
            else:
                writer.transport.abort()
        return response


async def _response(reader: asyncio.StreamReader) -> tuple[httpx.Response, bool]:
    """The reply, and whether the connection can be used again."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip().split("\r\n")
    headers = httpx.Headers([(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)])
    is_kept = headers.get("connection", "").lower() != "close"
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = b"".join([chunk async for chunk in _chunks(reader)])
        del headers["transfer-encoding"]
    elif "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    else:
        is_kept = is_kept and first.split()[1] == "204"
        body = b"" if is_kept else await reader.read()
    return httpx.Response(int(first.split()[1]), headers=headers, content=body), is_kept


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        yield await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
