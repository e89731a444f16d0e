"""What `dialer db check --json` prints."""

from pydantic import BaseModel


class TableRows(BaseModel):
    """One table."""

    table: str
    rows: int


class Judged(BaseModel):
    """Something of the server that matters here."""

    name: str
    value: str
    holds: bool
    said: str
    """What is wrong and what to do; empty where all is well. With `holds` only advice."""


class Condition(BaseModel):
    """What was found out about one database, as far as it could be."""

    kind: str
    """`sqlite` or `postgresql`."""
    address: str
    """Without the password."""
    version: str | None
    """Of the schema; null in an empty database, or where it can't be read."""
    wanted: str
    """This program's."""
    readable: bool
    writable: bool
    tables: list[TableRows]
    workers: list[str]
    """Daemons with a sign of life."""
    server: list[Judged]
    """PostgreSQL only."""
    faults: list[str]
    """Empty: it is fit to dial from."""
