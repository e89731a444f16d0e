"""`[adapters.twilio]` of dialer.toml."""

import re
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from adapters.twilio_voice import Voice


def _sid(prefix: str) -> Callable[[str], str]:
    """A reader of Twilio's identifiers of one kind."""

    def read(text: str) -> str:
        if re.fullmatch(f"{prefix}[0-9a-fA-F]{{32}}", text) is None:
            raise ValueError(f"is no such identifier; accepted: {prefix} and 32 hexadecimal digits")
        return text

    return read


def _address(text: str) -> str:
    if re.fullmatch(r"https?://[^\s?#@]+", text) is None:
        raise ValueError("is no web address; accepted: https://… without a query")
    return text


class Settings(BaseModel):
    """`[adapters.twilio]` of dialer.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account_sid: Annotated[str, AfterValidator(_sid("AC"))]
    """The account: AC and 32 hexadecimal digits."""
    auth_token: Annotated[SecretStr, Field(min_length=8)]
    """Signs Twilio's requests to us, and ours where there is no API key; only from DIALER_ADAPTERS__TWILIO__AUTH_TOKEN
    or a secrets file, never from here."""
    api_key: Annotated[str, AfterValidator(_sid("SK"))] | None = None
    """An API key for our requests, in place of the auth token."""
    api_secret: SecretStr | None = None
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
