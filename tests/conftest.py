"""What every test starts from."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from dialer.store.schema import upgrade
from tests.support import nursery, postgres

# A shell's own server would stand in for what an address leaves out.
for _name in [name for name in os.environ if name.startswith("PG")]:
    del os.environ[_name]

# A job in a shell's background is begun deaf to Ctrl-C, and so is whatever it begins.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def _log_of_its_own() -> Iterator[None]:
    """A command run in this process binds the log to its own standard error, which is closed when the test is over."""
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True, scope="session")
def _nobody_left_in_the_nursery() -> Iterator[None]:
    yield
    nursery.close_shared()


@pytest.fixture(autouse=True, scope="session")
def _no_template_left() -> Iterator[None]:
    yield
    postgres.drop_template()


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """The address of a PostgreSQL database of the test's own, with all tables."""
    with postgres.database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database of the test's own, with all tables: on both databases, one after the other."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    url = f"sqlite:///{tmp_path}/dialer.db"
    upgrade(url)
    return url
