"""Addresses of databases: as users write them, as the driver takes them, as messages show them; what to do about a
refusal."""

import os
import socket
import ssl
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from dialer.errors import DialerError

SCHEMES = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
ACCEPTED = "use sqlite:///FILE or postgresql://USER@HOST/NAME"
SSL = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
OPTIONS = {"host": "a host, or the folder of its socket", "port": "a number", "ssl": f"one of {', '.join(SSL)}"}
"""What may stand behind the `?` of a PostgreSQL address, and its values. `sslmode`, libpq's word, is `ssl` here."""
PORT_MAX = 65_535
HOST_LABEL = 63
"""Characters of one part of a host's name."""


def driver_url(url: str) -> URL:
    """The address with its driver. Raises DialerError for a database that is not supported, or an unfit address."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise DialerError(f"database: no address of a database; {ACCEPTED}") from error
    scheme = SCHEMES.get(parsed.get_backend_name())
    if scheme is None and parsed.get_backend_name() == "postgres":
        raise DialerError(f"database: postgres:// is written postgresql:// here; {ACCEPTED}")
    if scheme is None:
        raise DialerError(f"database: {parsed.get_backend_name()} is not supported; {ACCEPTED}")
    parsed = parsed.set(drivername=scheme)
    return _fit(parsed) if parsed.get_backend_name() == "postgresql" else parsed


def _fit(url: URL) -> URL:
    """What the driver takes, and nothing that it would stumble over. Raises DialerError."""
    query: dict[str, Any] = {"ssl" if name == "sslmode" else name: value for name, value in url.query.items()}
    for name, value in query.items():
        if name not in OPTIONS:
            raise DialerError(f"database {shown(url)}: ?{name}= is not known; accepted: {', '.join(OPTIONS)}")
        bad = not isinstance(value, str) or (name == "ssl" and value not in SSL)
        if bad or (name == "port" and not str(value).isdecimal()):
            raise DialerError(f"database {shown(url)}: ?{name}= is not fit; accepted: {OPTIONS[name]}, once")
    if not url.database:
        raise DialerError(f"database {shown(url)}: names no database; {ACCEPTED}")
    if url.host and any(not part or len(part) > HOST_LABEL for part in url.host.rstrip(".").split(".")):
        raise DialerError(f"database {shown(url)}: the host has no name of a host; {ACCEPTED}")
    # A query of the address itself: with a port of its own the driver would take several hosts to be meant.
    port = int(query.pop("port", url.port or 0))
    if port > PORT_MAX:
        raise DialerError(f"database {shown(url)}: there is no port {port}; accepted: up to {PORT_MAX}")
    return url.set(query=query, port=port or None)


def sqlite_file(url: str) -> Path | None:
    """The database's file; None where it is no file."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        return None
    return Path(parsed.database)


def followed(file: Path) -> Path:
    """The file itself, whatever links lead to it: what lies beside it lies there, once. Raises DialerError."""
    real = Path(os.path.realpath(file))
    if real.is_symlink():
        raise DialerError(f"database {file}: its links lead in a circle; name the file itself")
    return real


def refuse_without_folder(file: Path) -> None:
    """Raises DialerError where the folder of a database's file does not exist: then nothing can make the file."""
    folder = followed(file).parent
    try:
        folder.stat()
    except FileNotFoundError:
        wrong = f"there is no database {file}: the folder {folder} does not exist"
        raise DialerError(f"{wrong}; make it, or see `database` in the settings") from None
    except OSError:
        return  # it may be there: whoever opens the file says what is wrong


def settable(url: str) -> str:
    """As it can stand in the settings, wherever they lie; a password does not."""
    file = sqlite_file(url)
    return shown(url) if file is None else f"sqlite:///{file.absolute()}"


def shown(url: URL | str) -> str:
    """The database as people know it: its file, or its address without the password."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        return parsed.database
    if not parsed.password:
        parsed = parsed._replace(password=None)  # an empty one would be shown as one
    text = parsed.set(drivername=parsed.get_backend_name()).render_as_string(hide_password=True)
    return text.replace("%2F", "/")  # the folder of a socket


_BY_STATE = {
    "28P01": "see user and password in `database`, or in DIALER_DATABASE",
    "28000": "see the user in `database`, and the server's pg_hba.conf",
    "3D000": "create it first (docs/operations.md, PostgreSQL), or name another one in `database`",
    "42501": "the user needs all rights in this database: make it the database's owner",
    "53300": "it has no connection to spare: raise its max_connections, or run fewer workers",
    "53100": "its disk is full: make room there",
    "57P03": "it starts or stops just now: try again in a moment",
    "25006": "it takes no writes, perhaps a standby: name the primary in `database`",
    "55P03": "another program has locked its tables, perhaps `dialer db copy`: try again when that ends",
}
"""The server's letters for what is wrong → what to do."""


def remedy(error: DBAPIError, state: str) -> str:
    """What to do about what PostgreSQL, or the way to it, refused. `state`: the server's letters, or empty."""
    if state:
        return _BY_STATE.get(state, "see the server's log")
    causes = (error.orig, getattr(error.orig, "__cause__", None))
    if any(isinstance(one, socket.gaierror) for one in causes):
        return "no host has this name: see the host in `database`"
    if any(isinstance(one, ssl.SSLError) for one in causes):
        return "see ?ssl= in `database`, and the server's certificate"
    if any("rejected SSL" in str(one) for one in causes):
        return "the server speaks no TLS: turn on its `ssl`, or see ?ssl= in `database`"
    return "see host and port in `database`, and whether the server runs there"
