"""One installation's settings: dialer.toml, over it a secrets directory, over it the environment (DIALER_…).

`read` gives the settings and every fault at once. What a setting means for others (is there such an adapter, has it
the channel?) is checked by `dialer.check`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from config import faults, sources
from config.files import Fault, FaultyFile, read_toml
from config.sources import Sources
from config.values import (
    Count,
    Country,
    Currency,
    Database,
    Duration,
    Language,
    LineName,
    Money,
    Name,
    Phone,
    Port,
    Rate,
    WebAddress,
    Window,
    Zone,
    read_duration,
    read_money,
)


class Strict(BaseModel):
    """A table of the file: no key that is not known, frozen once read, defaults checked as well."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LenderSettings(Strict):
    """Who reminds. `actor` decides which laws bind: creditor, or third_party that collects for others."""

    name: Name
    phone: Phone
    language: Language
    currency: Currency
    country: Country
    time_zone: Zone
    actor: Literal["creditor", "third_party"] = "creditor"


class LineSettings(Strict):
    """A way out: adapter, caller ids, limits."""

    adapter: Name
    channels: Annotated[tuple[Literal["voice", "sms"], ...], Field(min_length=1)]
    callers: Annotated[tuple[Phone, ...], Field(min_length=1)]
    allow_countries: Annotated[tuple[Country, ...], Field(min_length=1)]
    """Nothing else is ever dialed."""
    calls_per_second: Rate = 1.0
    calls_at_once: Count = 10
    messages_per_second: Rate = 1.0
    ring_timeout: Duration = read_duration("30s")
    time_limit: Duration = read_duration("5m")
    """A call is hung up after it."""
    price_per_minute: Money = read_money("0")
    price_per_message: Money = read_money("0")
    spend_max_per_day: Money | None = None
    """In the lender's currency, by the lender's day; None: no limit."""
    hours: Annotated[tuple[Window, ...], Field(min_length=1)] = ()
    """When the line may be used, lender time; empty: always."""


class WebSettings(Strict):
    """Where the daemon listens, and the address under which providers reach it."""

    host: Name = "127.0.0.1"
    port: Port = 8080
    public_url: WebAddress = "http://127.0.0.1:8080"


class LogSettings(Strict):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "console"


class Settings(Strict):
    """All settings. After `read` its paths are absolute, `rules`, `secrets` and the database's file included."""

    database: Database
    lender: LenderSettings
    lines: Annotated[dict[LineName, LineSettings], Field(min_length=1)]
    transfers: dict[Name, Phone] = {}
    """Where `transfer` in a script leads."""
    web: WebSettings = WebSettings()
    log: LogSettings = LogSettings()
    adapters: dict[Name, dict[str, Any]] = {}
    """Each adapter's own section, checked against the adapter's own model."""
    test_numbers: tuple[Phone, ...] = ()
    """The only ones that `dialer call` calls."""
    house: Name = "house"
    """The pack merged into every campaign."""
    rules: tuple[Path, ...] = ()
    """Further pack files; each is named by its file's name without .toml."""
    unverified: tuple[Name, ...] = ()
    """Ids of rules of grade M (from memory) that are turned on."""
    secrets: Path | None = None
    """A directory with one file per secret, named like the environment variable."""


def read(path: Path, env: Mapping[str, str]) -> tuple[Settings | None, Sources | None, list[Fault]]:
    """The settings (None where faults leave none), where each value stands, and all faults.

    Never raises for what a user wrote."""
    try:
        document = read_toml(path)
    except FaultyFile as error:
        return None, None, [error.fault]
    origin, found = sources.collect(document, env, Settings)
    if "database" in document.data and _has_password(document.data["database"]):
        found.append(document.fault(("database",), "holds a password", "accepted: DIALER_DATABASE, or a secrets file"))
    settings, wrongs = faults.check(Settings, origin.merged())
    found += [origin.fault(wrong.path, wrong.wrong, wrong.accepted) for wrong in wrongs]
    return settings and _absolute(settings, path.absolute().parent), origin, found


def _has_password(url: object) -> bool:
    try:
        return isinstance(url, str) and urlsplit(url).password is not None
    except ValueError:
        return False


def _absolute(settings: Settings, folder: Path) -> Settings:
    """Relative paths are relative to the settings file's folder."""
    file = settings.database.removeprefix("sqlite:///")
    here = file != settings.database and file != ":memory:"
    return settings.model_copy(
        update={
            "database": f"sqlite:///{folder / file}" if here else settings.database,
            "rules": tuple(folder / rule for rule in settings.rules),
            "secrets": settings.secrets and folder / settings.secrets,
        }
    )
