"""Twilio's SDK on httpx, and what a request that went wrong proves."""

import logging
import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

import httpx
from twilio.base.exceptions import TwilioException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response

from adapters import twilio_codes as codes
from adapters.contract import Refused, Unavailable, Uncertain

TIMEOUT = httpx.Timeout(9.0, connect=3.0, pool=2.0)
"""Below the 10 s that the engine gives: what went wrong is told apart only by us."""
LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30.0)
"""A connection is kept while calls come one in some seconds, so that none is late for being connected first."""
UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
"""Of httpx's errors those that prove that nothing was sent; every other one leaves it open."""
WRONG = (TwilioException, httpx.HTTPError, httpx.InvalidURL, ValueError)
"""What a request may raise beside Rejected; ValueError: a success that is no JSON."""


ON_SENT: ContextVar[Callable[[], None]] = ContextVar("ON_SENT", default=lambda: None)
"""Called when the request of this task goes out, after its connection was made."""


class Rejected(Exception):
    """An answer that is no success. `code` is Twilio's own, where the body has one."""

    def __init__(self, status: int, code: int | None, retry_after_s: float | None) -> None:
        super().__init__(f"HTTP {status}, code {code}" if code else f"HTTP {status}")
        self.status, self.code, self.retry_after_s = status, code, retry_after_s


class HttpClient(AsyncHttpClient):  # type: ignore[misc]  # the SDK has no types
    """The SDK's requests on our httpx client, sent once, to another host where the settings say so.

    Raises Rejected in place of the SDK's errors, which have no Retry-After and differ from method to method.
    """

    def __init__(self, client: httpx.AsyncClient, base_url: str | None) -> None:
        super().__init__(logging.getLogger("adapters.twilio"), is_async=True)
        self._client, self._base_url = client, base_url

    async def request(
        self, method: str, uri: str, params: Any = None, data: Any = None, headers: Any = None, auth: Any = None,
        timeout: float | None = None, allow_redirects: bool = False,
    ) -> Response:  # fmt: skip
        # `params={}` would take the query from a next page's address.
        reply = await self._client.request(
            method,
            self._addressed(uri),
            params=params or None,
            data=data or None,
            headers=headers,
            auth=auth,
            extensions={"trace": _trace},
        )
        if reply.status_code >= 300:
            raise Rejected(reply.status_code, _code(reply), _retry_after_s(reply))
        return Response(reply.status_code, reply.text, reply.headers)

    def _addressed(self, uri: str) -> str:
        if self._base_url is None:
            return uri
        parts = urlsplit(uri)
        return f"{self._base_url.rstrip('/')}{parts.path}{'?' if parts.query else ''}{parts.query}"


async def _trace(event: str, _: object) -> None:
    if event == "http11.send_request_headers.started":
        ON_SENT.get()()


def _code(reply: httpx.Response) -> int | None:
    try:
        found = reply.json().get("code")
    except (ValueError, AttributeError):
        return None
    return found if isinstance(found, int) else None


def _retry_after_s(reply: httpx.Response) -> float | None:
    text = reply.headers.get("retry-after", "")
    return float(text) if re.fullmatch(r"\d{1,6}(\.\d+)?", text) else None


def failure(error: Exception) -> Exception:
    """What a failed create means: one of the contract's three errors."""
    match error:
        case Rejected(status=429):
            return _limited(error, codes.LIMITS.get(error.code or 0, codes.BUSY))
        case Rejected(status=status, code=int(code)) if 400 <= status < 500:
            if code in codes.LIMITS:
                return _limited(error, codes.LIMITS[code])
            if code in codes.ACCOUNT:
                found = codes.ACCOUNT[code]
                return Unavailable(
                    f"the account's {found.name} ({code}); see `dialer check --live`", found.retry_after_s
                )
            disposition = codes.REFUSALS.get(code, "infrastructure")
            return Refused(disposition, str(code), opted_out=code in codes.UNSUBSCRIBED)
        case Rejected():
            return Uncertain(str(error))
        case _ if isinstance(error, UNSENT):
            return Unavailable(f"Twilio can't be reached: {type(error).__name__}")
        case _:
            return Uncertain(type(error).__name__)


def _limited(error: Rejected, limit: codes.Limit) -> Unavailable:
    after_s = limit.retry_after_s if error.retry_after_s is None else error.retry_after_s
    return Unavailable(f"the account's limit on {limit.name} ({error.code or error.status})", after_s)
