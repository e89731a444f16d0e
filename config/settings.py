"""One installation's settings: dialer.toml, over it a secrets directory, over it the environment (DIALER_…).

`read` gives the settings and every fault at once. What a setting means for others (is there such an adapter, has it
the channel?) is checked by `dialer.check`.
"""

from collections.abc import Mapping
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from config import faults, sources
from config.files import Fault, FaultyFile, read_toml
from config.sources import Sources
from config.values import (
    Count,
    Country,
    Currency,
    Database,
    DigestFile,
    Duration,
    HookAddress,
    Language,
    LineName,
    MailAddress,
    Money,
    Name,
    Phone,
    Port,
    Rate,
    SmsText,
    Token,
    WallTime,
    WebAddress,
    Window,
    Word,
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
    """As people know it: {lender} in texts."""
    phone: Phone
    """Where people call back: {lender_phone} in texts."""
    language: Language
    """Of the operators: reports are written in it."""
    currency: Currency
    """Prices and spend limits are in it."""
    country: Country
    """National phone numbers in the lender's files belong to it."""
    time_zone: Zone
    """The lender's day: due dates, spend limits and reports follow it."""
    actor: Literal["creditor", "third_party"] = "creditor"
    """Which laws bind: a creditor's own reminders, or a third party that collects for others."""


class LineSettings(Strict):
    """A way out: adapter, caller ids, limits."""

    adapter: Name
    """The provider behind it; `mock` calls nobody."""
    channels: Annotated[tuple[Literal["voice", "sms"], ...], Field(min_length=1)]
    """What it carries: calls, messages, or both."""
    callers: Annotated[tuple[Phone, ...], Field(min_length=1)]
    """Numbers that people see; each person always sees the same one."""
    allow_countries: Annotated[tuple[Country, ...], Field(min_length=1)]
    """Countries whose numbers it reaches; nothing else is ever dialed."""
    calls_per_second: Rate = 1.0
    """How many calls may begin in a second; 0.5 is one in two seconds."""
    calls_at_once: Count = 10
    """How many calls may run at the same time."""
    messages_per_second: Rate = 1.0
    """How many messages may be sent in a second."""
    ring_timeout: Duration = read_duration("30s")
    """How long it rings before the call is given up."""
    time_limit: Duration = read_duration("5m")
    """A call is hung up after it."""
    machine_detection: Literal["off", "detect", "detect-message-end", "asynchronous"] = "off"
    """How the provider tells a machine from a human: not at all, before it speaks, at the end of a machine's greeting,
    or while it speaks already."""
    record_notice: dict[Language, SmsText] = {}
    """Language → what a recorded call begins with. Calls in these languages are recorded; without any, none is."""
    price_per_minute: Money = read_money("0")
    """In the lender's currency, a begun minute counts whole."""
    price_per_message: Money = read_money("0")
    """In the lender's currency, once a message, however many SMS segments it takes. Where the carrier bills each
    segment, give the price of as many as your messages take: `dialer plan` counts them."""
    spend_max_per_day: Money | None = None
    """In the lender's currency, by the lender's day. Without it: no limit."""
    hours: Annotated[tuple[Window, ...], Field(min_length=1)] = ()
    """When the line may be used, lender time. Without it: always."""
    packs: tuple[Name, ...] = ()
    """Rule packs with the limits of the line's own carrier, such as "carrier-aliyun"."""


class WebSettings(Strict):
    """Where the daemon listens, and the address under which providers reach it."""

    host: Name = "127.0.0.1"
    """The address to listen on; 127.0.0.1 is reached from this machine only."""
    port: Port = 8080
    """The port to listen on."""
    public_url: WebAddress = "http://127.0.0.1:8080"
    """What providers call back."""
    token: Token | None = None
    """Who sends it may use the API (`/api/…`); without it there is none. Only from DIALER_WEB__TOKEN or a secrets
    file, never from here."""


class DigestSettings(Strict):
    """The day in short, once a day: into a file, to a command, to a web address, or several of them."""

    at: WallTime = time(21)
    """When, lender time: after the last calls of the day. An hour before noon tells of the day before."""
    language: Language | None = None
    """Chinese for zh, else English. Without it: the lender's language."""
    file: DigestFile | None = None
    """Where it is written; `{day}` is the lender's day. `.html` is a page, `.txt` is text, no suffix is both."""
    command: Annotated[tuple[Word, ...], Field(min_length=1)] | None = None
    """A program and its words, run without a shell: a mail comes on its standard input."""
    sender: MailAddress | None = None
    """The mail's From."""
    to: tuple[MailAddress, ...] = ()
    """The mail's To: `sendmail -t` sends it there."""
    url: HookAddress | None = None
    """Where it is posted as JSON; no redirect is followed."""
    authorization: SecretStr | None = None
    """The post's Authorization header; only from DIALER_DIGEST__AUTHORIZATION or a secrets file, never from here."""

    @model_validator(mode="after")
    def _goes_somewhere(self) -> "DigestSettings":
        if self.file is None and self.command is None and self.url is None:
            raise ValueError("goes nowhere; accepted: a file, a command or a url, or several of them")
        secret = self.authorization.get_secret_value() if self.authorization else ""
        if not (secret.isascii() and secret.isprintable()):
            raise ValueError("has an authorization that no header can hold; accepted: printable ASCII")
        if self.authorization and self.url is None:
            raise ValueError("has an authorization and no url; accepted: a url that it is sent to")
        if self.authorization and self.url and _is_readable_on_the_way(self.url):
            raise ValueError("would send its authorization unencrypted; accepted: a url with https")
        return self


def _is_readable_on_the_way(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1", "::1")


class OptoutSettings(Strict):
    """What follows when a person's text message ends contact."""

    confirm: bool = True
    """Whether one message confirms it, at most five minutes later and never a second time."""
    confirmation: dict[Language, SmsText] = {}
    """Language → that message's text. Filled in: {lender} {lender_phone}. Without one for zh or en: ours."""


class LogSettings(Strict):
    """What the daemon writes about its work."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important lines that are still written."""
    format: Literal["json", "console"] = "console"
    """For programs, or for people."""


class Settings(Strict):
    """All settings. After `read` its paths are absolute, `rules`, `secrets` and the database's file included."""

    database: Database
    """Where everything is kept. One with a password comes from DIALER_DATABASE or a secrets file, never from here."""
    lender: LenderSettings
    """Who reminds."""
    lines: Annotated[dict[LineName, LineSettings], Field(min_length=1)]
    """The ways out, each under its name: `[lines.NAME]`."""
    transfers: dict[Name, Phone] = {}
    """Where `transfer` in a script leads: name → number."""
    web: WebSettings = WebSettings()
    """Where the daemon listens."""
    log: LogSettings = LogSettings()
    """What the daemon writes about its work."""
    digest: DigestSettings | None = None
    """The day in short, sent once a day. Without it: none is sent."""
    optout: OptoutSettings = OptoutSettings()
    """What follows a STOP by text message."""
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
    relaxed: tuple[Name, ...] = ()
    """Ids of rules of force `house` that are turned off: where the house reads a law strictly, the law alone holds."""
    forget_key: Annotated[SecretStr, Field(min_length=16)] | None = None
    """Under which the opt-outs of forgotten persons are kept, 16 characters or more; only from DIALER_FORGET_KEY or a
    secrets file, never from here. Without it: a key of the database's own."""
    secrets: Path | None = None
    """A directory with one file per secret, named like the environment variable."""


SECRETS = (("digest", "authorization"), ("web", "token"))
"""Keys that never stand in the file."""


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
    for table, key in SECRETS:
        if key in _table(document.data.get(table)):
            accepted = f"accepted: DIALER_{table.upper()}__{key.upper()}, or a secrets file"
            found.append(document.fault((table, key), "is a secret", accepted))
    if "forget_key" in document.data:
        found.append(document.fault(("forget_key",), "is a secret", "accepted: DIALER_FORGET_KEY, or a secrets file"))
    settings, wrongs = faults.check(Settings, origin.merged())
    found += [origin.fault(wrong.path, wrong.wrong, wrong.accepted) for wrong in wrongs]
    return settings and _absolute(settings, path.absolute().parent), origin, found


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _has_password(url: object) -> bool:
    try:
        return isinstance(url, str) and urlsplit(url).password is not None
    except ValueError:
        return False


def _absolute(settings: Settings, folder: Path) -> Settings:
    """Relative paths are relative to the settings file's folder."""
    file = settings.database.removeprefix("sqlite:///")
    here = file != settings.database and file != ":memory:"
    digest = settings.digest
    if digest and digest.file:
        digest = digest.model_copy(update={"file": str(folder / digest.file)})
    return settings.model_copy(
        update={
            "database": f"sqlite:///{folder / file}" if here else settings.database,
            "rules": tuple(folder / rule for rule in settings.rules),
            "secrets": settings.secrets and folder / settings.secrets,
            "digest": digest,
        }
    )
