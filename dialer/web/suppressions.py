"""`POST /api/suppressions`: stops contact at once, for programs of the lender.

JSON of the words of suppressions.csv: `phone` or `person_id`, or both; `reason`; optionally `channel` (`voice` or
`sms`, else both) and `until` (the last day, lender time). Answered once it is durable and what was queued is
cancelled, which is one transaction; a repeated request changes nothing. No suppression can be lifted here.

200 `{"changed": true}` · 401 without the token · 413 above 16 KiB · 422 `{"faults": ["FIELD: what is wrong; accepted:
…"]}`, all of them, and nothing was changed. Without `web.token` in the settings there is no such path: 404.
"""

import hmac
import json
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from dialer import intake
from dialer.house import House
from dialer.planning import replan_touched
from dialer.roster import BadRow, Problem, Suppression, read_suppression
from dialer.store import Tx
from dialer.web.hooks import read_body

PATH = "/api/suppressions"
BODY_MAX = 16 * 1024
FIELDS = ("phone", "person_id", "channel", "reason", "until")


class Suppressed(BaseModel):
    """The answer."""

    changed: bool
    """False: the same suppression was in force already."""


class Faults(BaseModel):
    """What is wrong with the request, each with what is accepted."""

    faults: list[str]


def add_to(app: FastAPI, house: House, token: str) -> None:
    """Adds the path to the application; whoever sends `token` may use it."""
    wanted = token.encode()

    @app.post(PATH)
    async def suppress(request: Request) -> JSONResponse:
        if not _knows(request, wanted):
            return _refused(401, "authorization: is missing or wrong; accepted: Bearer and the token of web.token")
        body = await read_body(request.receive, BODY_MAX)
        if body is None:
            return _refused(413, f"body: has more than {BODY_MAX} bytes; accepted: one suppression")
        now = house.clock.now()
        try:
            value = _read(body, house)
        except BadRow as bad:
            return _refused(422, *(f"{p.field}: {p.wrong}; accepted: {_bare(p.accepted)}" for p in bad.problems))

        def write(tx: Tx) -> bool:
            return intake.suppress(tx, value, "api", now, replan_touched(house))

        return JSONResponse(Suppressed(changed=await house.store.write(write)).model_dump())


def _knows(request: Request, wanted: bytes) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    # Compared in full whatever the scheme says, so that the time tells nothing.
    return hmac.compare_digest(given.strip().encode("utf-8", "replace"), wanted) and scheme.lower() == "bearer"


def _read(body: bytes, house: House) -> Suppression:
    """Raises BadRow with all that is wrong."""
    cells = _cells(body)
    value = read_suppression(house.settings.lender.country, cells)
    today = house.today(house.clock.now())
    if value.until is not None and value.until < today:
        raise BadRow(Problem("until", f"{value.until} is past", f"{today} or later, or nothing: for good"))
    return value


def _cells(body: bytes) -> list[str]:
    """The fields as cells of a row of suppressions.csv."""
    try:
        data: Any = json.loads(body)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise BadRow(Problem("body", "is no JSON object", f"an object with {', '.join(FIELDS)}"))
    problems = [Problem(_shown(name), "is not known", ", ".join(FIELDS)) for name in data if name not in FIELDS]
    cells = []
    for name in FIELDS:
        value = data.get(name)
        if value is None:
            value = ""
        if not isinstance(value, str) or not _is_text(value):
            problems.append(Problem(name, "is no text", "text, or nothing"))
        cells.append(str(value).strip())
    if problems:
        raise BadRow(*problems)
    return cells


def _is_text(value: str) -> bool:
    """Half a surrogate pair can be written in JSON, and kept nowhere."""
    return not any("\ud800" <= c <= "\udfff" for c in value)


def _shown(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name[:40])


def _bare(accepted: str) -> str:
    return accepted.removeprefix("accepted: ")


def _refused(status: int, *faults: str) -> JSONResponse:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse(Faults(faults=list(faults)).model_dump(), status, headers)
