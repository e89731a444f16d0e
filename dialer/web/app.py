"""The web server of `dialer run`: is it alive, is it ready, the providers' hooks, and the API."""

import re
from collections.abc import Callable

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from dialer.house import House
from dialer.web import suppressions
from dialer.web.hooks import Answer, Hooks
from dialer.web.wire import Server, listen, server


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


class Front:
    """What comes in: hooks go to their own application, all else to FastAPI.

    The way through FastAPI to a route takes several times as long as the hook's answer.
    """

    def __init__(self, hooks: Hooks, rest: FastAPI) -> None:
        self._hooks, self._rest = hooks, rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Whatever is no hook of ours in every respect is answered, or refused, by FastAPI's own route to them.
        is_hook = scope["type"] == "http" and scope["method"] in ("GET", "POST") and _is_hook(scope["path"])
        await (self._hooks if is_hook else self._rest)(scope, receive, send)


_is_hook = re.compile("/hooks/[^/]+/.*").fullmatch


def build(ready: Callable[[], Ready], house: House, answer: Answer) -> Front:
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
    return Front(hooks, app)


__all__ = ["Front", "Health", "Ready", "Server", "build", "listen", "server"]
