"""What every test starts from."""

from collections.abc import Iterator

import pytest
import structlog

from tests.support import nursery


@pytest.fixture(autouse=True)
def _log_of_its_own() -> Iterator[None]:
    """A command run in this process binds the log to its own standard error, which is closed when the test is over."""
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True, scope="session")
def _nobody_left_in_the_nursery() -> Iterator[None]:
    yield
    nursery.close_shared()
