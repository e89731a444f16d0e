"""The kinds of values in a settings file. A reader refuses with ValueError("what is wrong; what is accepted")."""

import re
from datetime import time, timedelta
from decimal import Decimal
from functools import cache
from pathlib import PurePath
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import available_timezones

import phonenumbers
from babel import Locale, UnknownLocaleError
from babel.numbers import is_currency
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, WithJsonSchema

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def read_duration(value: object) -> timedelta:
    """`"30s" "10m" "2h" "1d"`, from a second to a day."""
    if isinstance(value, timedelta):
        return value
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("is not a duration")
    duration = timedelta(seconds=int(found[1]) * UNITS_S[found[2]])
    if not timedelta(0) < duration <= timedelta(days=1):
        raise ValueError('is not a duration from "1s" to "1d"')
    return duration


def read_money(value: object) -> Decimal:
    """`"0.12"`: exact, so never a TOML number."""
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", value):
        raise ValueError("is not an amount of money")
    return Decimal(value)


def _wall_time(value: object) -> time:
    if isinstance(value, time):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value):
        raise ValueError("is not a time of day")
    return time.fromisoformat(value)


def _forward(window: tuple[time, time]) -> tuple[time, time]:
    if window[0] >= window[1]:
        raise ValueError(
            f"runs from {window[0]:%H:%M} to {window[1]:%H:%M}, which is not forward within one day; "
            "accepted: a later second time, at most 23:59"
        )
    return window


def _phone(value: str) -> str:
    try:
        number = phonenumbers.parse(value) if re.fullmatch(r"\+[1-9][0-9]{6,14}", value) else None
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise ValueError("is not a phone number in E.164")
    return value


def _line_name(value: str) -> str:
    # Environment variables name lines, in capitals: so a line has a name without any.
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", value):
        raise ValueError("is no name of a line; accepted: small letters, digits, - and _, a letter first")
    return value


def _country(value: str) -> str:
    if value not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError("is not a country")
    return value


def _currency(value: str) -> str:
    if not is_currency(value):
        raise ValueError("is not a currency")
    return value


def _language(value: str) -> str:
    try:
        Locale.parse(value, sep="-")
    except (ValueError, UnknownLocaleError):
        raise ValueError("is not a language") from None
    return value


def _zone(value: str) -> str:
    if value not in _zones():
        raise ValueError("is not a time zone")
    return value


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - {"localtime", "posixrules", "Factory"})


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("is true or false")
    return value


_ADDRESS = (
    r"sqlite:///[^?#]+"
    r"|postgresql://([^\s/?#@]*@)?(\[[^\s/?#@\]]*\]|[^\s/?#@:\[\]]*)(:[0-9]{1,5})?/[^\s/?#]+(\?[^\s#]*)?"
)
_ESCAPED = " (in a password @ : / ? # % are written %40 %3A %2F %3F %23 %25)"


def _database(value: str) -> str:
    if value.startswith("postgres://"):
        raise ValueError("begins with postgres://, which is written postgresql:// here")
    if not re.fullmatch(_ADDRESS, value):
        scheme, _, rest = value.partition("://")
        has_password = scheme == "postgresql" and ":" in rest.rpartition("@")[0]
        raise ValueError(f"is not the address of a database{_ESCAPED if has_password else ''}")
    return value


def _web_address(value: str) -> str:
    try:
        url = urlsplit(value)
        good = url.scheme in ("http", "https") and bool(url.hostname) and not url.query and not url.fragment
    except ValueError:
        good = False
    if not good:
        raise ValueError("is not a web address")
    return value.rstrip("/")


def _hook_address(value: str) -> str:
    """A web address with its query: many webhooks carry their key there."""
    try:
        url = urlsplit(value)
        good = url.scheme in ("http", "https") and bool(url.hostname) and not url.fragment and url.port != 0
        has_password = url.username is not None
    except ValueError:
        good = has_password = False
    if not good or re.search(r"\s", value):
        raise ValueError("is not a web address")
    if has_password:
        raise ValueError("holds a user or a password; accepted: an address without, and `authorization`")
    return value


def _token(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]{16,512}", value.get_secret_value()):
        raise ValueError(
            "is too weak, or no header can hold it; accepted: 16 to 512 letters, digits and signs of ASCII"
        )
    return value


def _mail_address(value: str) -> str:
    if not re.fullmatch(r"[^@\s,;:<>()\"\\]+@[^@\s,;:<>()\"\\]+", value):
        raise ValueError("is not a mail address")
    return value


def _digest_file(value: str) -> str:
    path = PurePath(value)
    if not path.name or value.endswith("/") or "\0" in value:
        raise ValueError("names no file")
    if set(re.findall(r"[{}]", value.replace("{day}", ""))):
        raise ValueError("has a brace that is no {day}; accepted: {day}, the lender's day")
    if path.suffix not in ("", ".html", ".txt"):
        raise ValueError(f'ends in "{path.suffix}"; accepted: .html, .txt, or no suffix for both')
    return value


def _written(pattern: str, *examples: str, told: str) -> WithJsonSchema:
    """How a value is written in the file, for the JSON Schema: its reader makes something else of the text."""
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [*examples], "description": told})


Name = Annotated[str, Field(min_length=1, max_length=100)]
Word = Annotated[str, Field(min_length=1, max_length=1000)]
Token = Annotated[SecretStr, AfterValidator(_token)]
SmsText = Annotated[str, Field(min_length=1, max_length=500)]
LineName = Annotated[
    str,
    AfterValidator(_line_name),
    _written("^[a-z][a-z0-9_-]{0,62}$", "main", told="a line's name: small letters, digits, - and _"),
]
Duration = Annotated[
    timedelta,
    BeforeValidator(read_duration),
    _written("^0*[1-9][0-9]*[smhd]$", "30s", "5m", told='a duration such as "30s", "10m", "2h" or "1d"'),
]
Money = Annotated[
    Decimal,
    BeforeValidator(read_money),
    _written(r"^[0-9]{1,12}(\.[0-9]{1,6})?$", "0.12", told='an amount in quotes, such as "0.12"'),
]
WallTime = Annotated[
    time,
    BeforeValidator(_wall_time),
    # TOML's own time, 09:30:00 without quotes, reaches an editor's checker as text.
    _written("^([01][0-9]|2[0-3]):[0-5][0-9](:.*)?$", "09:30", told='a time such as "09:30"'),
]
Window = Annotated[
    tuple[WallTime, WallTime], AfterValidator(_forward), Field(description='a pair such as ["09:00", "18:00"]')
]
Phone = Annotated[
    str,
    AfterValidator(_phone),
    _written(
        r"^\+[1-9][0-9]{6,14}$",
        "+864001234567",
        told='+, country code and number, such as "+864001234567"',
    ),
]
Country = Annotated[
    str,
    AfterValidator(_country),
    _written("^[A-Z]{2}$", "CN", "US", told='two letters of ISO 3166, such as "CN"'),
]
Currency = Annotated[
    str,
    AfterValidator(_currency),
    _written("^[A-Z]{3}$", "CNY", "USD", told='three letters of ISO 4217, such as "CNY"'),
]
Language = Annotated[
    str,
    AfterValidator(_language),
    _written("^[A-Za-z]{2,3}([-@].+)?$", "zh-CN", "en", told='a language tag such as "zh-CN" or "en"'),
]
Zone = Annotated[
    str,
    AfterValidator(_zone),
    _written("^[A-Za-z][A-Za-z0-9_+/-]*$", "Asia/Shanghai", told='an IANA name such as "Asia/Shanghai"'),
]
Rate = Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False), BeforeValidator(_number)]
Count = Annotated[int, Field(ge=1, le=1_000_000), BeforeValidator(_number)]
Port = Annotated[int, Field(ge=1, le=65535), BeforeValidator(_number)]
Database = Annotated[
    str,
    AfterValidator(_database),
    _written(
        f"^({_ADDRESS})$",
        "sqlite:///dialer.db",
        "postgresql://dialer@db.example.com/dialer",
        told='sqlite:///FILE, such as "sqlite:///dialer.db", or postgresql://USER@HOST/NAME',
    ),
]
WebAddress = Annotated[
    str,
    AfterValidator(_web_address),
    _written(
        "^[Hh][Tt][Tt][Pp][Ss]?://.+$",
        "http://127.0.0.1:8080",
        told='a web address such as "https://dialer.example.com"',
    ),
]
HookAddress = Annotated[
    str,
    AfterValidator(_hook_address),
    _written("^[Hh][Tt][Tt][Pp][Ss]?://.+$", "https://hooks.example.com/dialer", told="a web address, with its query"),
]
MailAddress = Annotated[
    str,
    AfterValidator(_mail_address),
    _written("^[^@]+@[^@]+$", "desk@example.com", told='a mail address such as "desk@example.com"'),
]
DigestFile = Annotated[
    str,
    AfterValidator(_digest_file),
    _written(".", "digests/{day}.html", told='a file such as "digests/{day}.html"'),
]
