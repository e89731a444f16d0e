"""The fixtures that ship with the mock adapter, for the tests in this folder."""

from adapters.testing import mock_carrier, virtual_host

__all__ = ["mock_carrier", "virtual_host"]
