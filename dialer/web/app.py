"""The web server of `dialer run`: is it alive, is it ready, the providers' hooks, and the API."""

import socket
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from dialer.house import House
from dialer.web import suppressions
from dialer.web.hooks import Answer, Hooks


class Health(BaseModel):
    """`/healthz`: the process answers."""

    status: str = "ok"
    hooks: dict[str, dict[int, int]] = {}
    """Adapter → status → how many hooks were answered with it since the start. 403: not signed by the provider."""


class Ready(BaseModel):
    """`/readyz`: whether it can dial, and if not, why."""

    ready: bool
    reason: str = ""
    """Why it is not ready: it stops, or the database does not answer."""
    halted: str | None = None
    """The reason of an emergency stop: it is ready, but places nothing until `dialer unhalt`."""


def build(ready: Callable[[], Ready], house: House, answer: Answer) -> FastAPI:
    """The application; `ready` is asked at each `/readyz`, `answer` for each hook.

    The API is there only where the settings have a token.
    """
    app = FastAPI(title="dialer", docs_url=None, redoc_url=None, openapi_url=None)

    names = {line.adapter for line in house.settings.lines.values()}
    hooks = Hooks(names, answer, house.clock.now)
    hooks.add_to(app)

    @app.get("/healthz")
    async def healthz() -> Health:
        found: dict[str, dict[int, int]] = {}
        for (name, status), count in sorted(hooks.counts.items()):
            found.setdefault(name, {})[status] = count
        return Health(hooks=found)

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        found = ready()
        return JSONResponse(found.model_dump(), status_code=200 if found.ready else 503)

    if house.settings.web.token is not None:
        suppressions.add_to(app, house, house.settings.web.token.get_secret_value())
    return app


class Server(uvicorn.Server):
    """Uvicorn without its signal handling: it would raise SIGTERM again after serving; the daemon owns signals."""

    @contextmanager
    def capture_signals(self) -> Any:
        yield


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises OSError."""
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)


def server(app: FastAPI, host: str, port: int) -> Server:
    """A server to `await serve()`; ended by `should_exit = True`."""
    return Server(uvicorn.Config(app, host=host, port=port, log_config=None, access_log=False, lifespan="off"))
