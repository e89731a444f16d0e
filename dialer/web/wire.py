"""Uvicorn inside the daemon's event loop, with httptools' parser: in C, several times as fast as h11's."""

import socket
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

UNTOLD_MAX = 16 * 1024
"""Bytes that may come of one head, or of what is between a body's parts, before it has to end; as h11 has it."""


class Wire(HttpToolsProtocol):
    """One connection. The parser alone keeps a head, or what follows a body, however long it is: a bound for both."""

    _untold = 0
    """Bytes that came since something of the request was complete."""

    def data_received(self, data: bytes) -> None:
        self._untold += len(data)
        super().data_received(data)
        if self._untold > UNTOLD_MAX and not self.transport.is_closing():
            self.logger.warning("A request's head is too long.")
            self.send_400_response("Invalid HTTP request received.")

    def on_message_begin(self) -> None:
        self._untold = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._untold = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._untold = 0
        super().on_body(body)


class Server(uvicorn.Server):
    """Uvicorn without its signal handling: it would raise SIGTERM again after serving; the daemon owns signals."""

    @contextmanager
    def capture_signals(self) -> Any:
        yield


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises OSError."""
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)


def server(app: ASGIApp, host: str, port: int) -> Server:
    """A server to `await serve()`; ended by `should_exit = True`."""
    # Nobody asks who sent a request: what a proxy's headers say of it is not looked at.
    config = uvicorn.Config(
        app, host=host, port=port, http=Wire, log_config=None, access_log=False, lifespan="off", proxy_headers=False
    )
    return Server(config)
