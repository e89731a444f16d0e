"""`[adapters.twilio]` of dialer.toml."""

import re
from collections.abc import Callable
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, model_validator

from adapters.twilio_voice import Voice


def _sid(prefix: str) -> Callable[[str], str]:
    """A reader of Twilio's identifiers of one kind."""

    def read(text: str) -> str:
        if re.fullmatch(f"{prefix}[0-9a-fA-F]{{32}}", text) is None:
            raise ValueError(f"is no such identifier; accepted: {prefix} and 32 hexadecimal digits")
        return text

    return read


def _address(text: str) -> str:
    wrong = ValueError("is no web address; accepted: https://… without a query")
    if re.fullmatch(r"https?://[^\s?#@]+", text) is None:
        raise wrong
    try:
        _ = urlsplit(text).port
    except ValueError as error:
        raise wrong from error
    if "/2010-04-01" in text:
        raise ValueError("goes on to /2010-04-01, which is added; accepted: the address before it")
    return text


def _secret(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if len(text) < 8 or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("is no token; accepted: 8 or more letters and digits, without spaces")
    return value


class Settings(BaseModel):
    """`[adapters.twilio]` of dialer.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account_sid: Annotated[str, AfterValidator(_sid("AC"))]
    """The account: AC and 32 hexadecimal digits."""
    auth_token: Annotated[SecretStr, AfterValidator(_secret)]
    """Signs Twilio's requests to us, and ours where there is no API key; only from DIALER_ADAPTERS__TWILIO__AUTH_TOKEN
    or a secrets file, never from here."""
    api_key: Annotated[str, AfterValidator(_sid("SK"))] | None = None
    """An API key for our requests, in place of the auth token."""
    api_secret: Annotated[SecretStr, AfterValidator(_secret)] | None = None
    """The API key's secret; only from DIALER_ADAPTERS__TWILIO__API_SECRET or a secrets file, never from here."""
    base_url: Annotated[str, AfterValidator(_address)] | None = None
    """Where all requests go instead of api.twilio.com: a provider that speaks as Twilio does."""
    messaging_service: Annotated[str, AfterValidator(_sid("MG"))] | None = None
    """Sends the messages, with a sender of its own choice, in place of the line's callers."""
    voices: dict[str, Voice] = {}
    """Language → voice, over the built-in ones."""

    @model_validator(mode="after")
    def _has_both(self) -> "Settings":
        if (self.api_key is None) != (self.api_secret is None):
            raise ValueError("has one of api_key and api_secret; accepted: both, or neither")
        return self
