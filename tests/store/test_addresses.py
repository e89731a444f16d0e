"""Addresses of databases: what is accepted, what is shown, and that a refusal says what to do and never a password."""

import asyncio
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from dialer.errors import DialerError
from dialer.store import peek, schema
from dialer.store.addresses import driver_url, shown
from dialer.store.common import flag
from tests.support import postgres


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("nonsense", "no address of a database"),
        ("mysql://h/x", "mysql is not supported"),
        ("postgres://u:hush@h/x", "postgres:// is written postgresql:// here"),
        ("postgresql://u:hush@h/x?sslmode=perhaps", "accepted: one of disable, allow, prefer"),
        ("postgresql://u:hush@h/x?target=a", "accepted: host, port, ssl"),
        ("postgresql://u:hush@h/x?port=a", "?port= is not fit"),
        ("postgresql://u:hush@h/x?ssl=require&ssl=allow", "once"),
        ("postgresql://u:hush@h:99999/x", "there is no port 99999"),
        ("postgresql://u:hush@h:1x/x", "no address of a database"),
        ("postgresql://u:hush@h", "names no database"),
        (f"postgresql://u:hush@{'a' * 70}.com/x", "no name of a host"),
    ],
)
def test_what_the_driver_would_stumble_over_is_refused_first(url: str, wrong: str) -> None:
    with pytest.raises(DialerError) as refused:
        driver_url(url)
    assert wrong in str(refused.value)
    assert "hush" not in str(refused.value)


def test_the_words_of_libpq_are_understood() -> None:
    url = driver_url("postgresql://u:p@/x?host=/tmp/here&sslmode=require&port=5433")
    assert (url.query, url.port) == ({"host": "/tmp/here", "ssl": "require"}, 5433)
    assert shown(url) == "postgresql://u:***@:5433/x?host=/tmp/here&ssl=require"
    assert shown("sqlite:////tmp/a.db") == "/tmp/a.db"


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("postgresql://u:hush@127.0.0.1:1/x", "whether the server runs there"),
        ("postgresql://u:hush@/x?host=/nowhere", "whether the server runs there"),
        ("postgresql://u:hush@nowhere.invalid/x", "no host has this name"),
    ],
)
def test_who_cannot_reach_the_server_is_told_what_to_look_at(url: str, advice: str) -> None:
    for ask in (schema.version, schema.upgrade, peek.standing, lambda url: peek.read(url, lambda tx: None)):
        with pytest.raises(DialerError, match=advice) as refused:
            ask(url)
        assert "\n" not in str(refused.value)
        assert "hush" not in str(refused.value)


async def test_a_server_that_speaks_no_tls_is_told_as_one() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)  # "SSL, please"
        writer.write(b"N")
        await writer.drain()
        await reader.read()  # until the other side hangs up
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(DialerError, match=r"speaks no TLS: turn on its `ssl`, or see \?ssl= in `database`"):
            await asyncio.to_thread(schema.version, f"postgresql://u@127.0.0.1:{port}/x?ssl=require")


def test_a_database_that_is_missing_and_an_unknown_user_are_told(postgres_url: str) -> None:
    absent = driver_url(postgres_url).set(drivername="postgresql", database="not_there")
    with pytest.raises(DialerError, match='"not_there" does not exist; create it first'):
        schema.upgrade(absent.render_as_string(hide_password=False))
    nobody = driver_url(postgres_url).set(drivername="postgresql", username="nobody_known")
    with pytest.raises(DialerError, match='role "nobody_known" does not exist; see the user'):
        schema.upgrade(nobody.render_as_string(hide_password=False))


def test_a_server_without_a_connection_to_spare_is_told(postgres_url: str) -> None:
    role = f"full_{uuid4().hex[:8]}"
    postgres.in_thread(_run(postgres_url, f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 0"))
    try:
        url = driver_url(postgres_url).set(drivername="postgresql", username=role)
        with pytest.raises(
            DialerError, match=r"too many connections for role .*; it has no connection to spare: raise"
        ):
            schema.upgrade(url.render_as_string(hide_password=False))
    finally:
        postgres.in_thread(_run(postgres_url, f"DROP ROLE {role}"))


async def _run(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


def test_a_look_sees_what_is_there_and_writes_nothing(database_url: str) -> None:
    assert peek.standing(database_url) == "current"
    assert peek.read(database_url, lambda tx: flag(tx, "halt")) == ""
    with pytest.raises(DialerError):
        peek.read(database_url, lambda tx: tx.exec_driver_sql("DELETE FROM flags"))


def test_a_database_that_is_not_there_yet_is_no_fault(tmp_path: Path) -> None:
    assert peek.standing(f"sqlite:///{tmp_path}/a.db").startswith("is not there yet")
