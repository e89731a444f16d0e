"""Whether Twilio signed a request: the SDK's word, and for callbacks as they usually come the same word sooner.

The SDK takes the address apart at every request, and signs it twice. Of an address without a query, below one that does
not change, the parts that differ are known beforehand; a test holds that the answer is the SDK's own.
"""

import hmac
import re
from base64 import b64encode
from functools import lru_cache
from urllib.parse import unquote, urlparse

from twilio.request_validator import RequestValidator, add_port, remove_port

from adapters.contract import HookRequest

FIELDS_MAX = 200
_is_plain = re.compile(r"/[/A-Za-z0-9._~%-]*").fullmatch
"""A path that no reader of addresses changes."""


class Form(dict[str, str]):
    """A form's parameters; `getlist` has the repeated ones, which a signature covers too."""

    def __init__(self, text: str) -> None:
        """Raises ValueError where it has too many fields."""
        self.pairs = pairs(text)
        super().__init__(self.pairs)

    def getlist(self, name: str) -> list[str]:
        return [value for key, value in self.pairs if key == name]


def pairs(text: str) -> list[tuple[str, str]]:
    """As `parse_qsl`, empty values kept; most words of a callback have nothing to be decoded."""
    parts = text.split("&")
    if len(parts) > FIELDS_MAX:
        raise ValueError(f"has more than {FIELDS_MAX} fields")
    split = [part.partition("=") for part in parts if part]
    return [(_word(name), _word(value)) for name, _, value in split]


def _word(text: str) -> str:
    return unquote(text.replace("+", " ")) if "%" in text or "+" in text else text


class Signatures:
    """Tells Twilio's requests from others', by the account's token."""

    def __init__(self, token: str) -> None:
        self._validator, self._token = RequestValidator(token), token.encode()

    def form(self, request: HookRequest, public_url: str) -> Form | None:
        """The form, if the account signed this request; the public address is the settings', whatever headers say."""
        signature = request.headers.get("x-twilio-signature", "")
        try:
            body = request.body.decode()
            if request.headers.get("content-type", "").startswith("application/json"):
                form, signed = Form(""), self._sdk(request, public_url, body, signature)
            else:
                form = Form(body)
                signed = self._signs(request, public_url, form, signature)
        except (ValueError, TypeError, IndexError):  # no UTF-8, too many fields, a JSON body without its hash
            return None
        return form if signed else None

    def _signs(self, request: HookRequest, public_url: str, form: Form, signature: str) -> bool:
        bases = () if request.query or not _is_plain(request.path) else _bases(public_url)
        if not bases:
            return self._sdk(request, public_url, form, signature)
        rest = (request.path + "".join([name + value for name, value in sorted(set(form.pairs))])).encode()
        given = signature.encode("utf-8", "replace")
        return any(
            hmac.compare_digest(b64encode(hmac.digest(self._token, base + rest, "sha1")), given) for base in bases
        )

    def _sdk(self, request: HookRequest, public_url: str, what: Form | str, signature: str) -> bool:
        url = f"{public_url}{request.path}{'?' if request.query else ''}{request.query}"
        return bool(self._validator.validate(url, what, signature))


@lru_cache(maxsize=8)
def _bases(public_url: str) -> tuple[bytes, ...]:
    """The public address as the SDK signs what is below it: as it is given, then with, or without, its port. None:
    only the SDK knows."""
    parsed = urlparse(f"{public_url}/")
    both = {add_port(parsed), remove_port(parsed)}
    if not parsed.netloc or any(not one.endswith("/") or one.count("?") or one.count("#") for one in both):
        return ()
    return tuple(one[:-1].encode() for one in sorted(both, key=lambda one: one != f"{public_url}/"))
