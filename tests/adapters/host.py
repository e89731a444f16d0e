"""The in-memory host of the adapter tests; it ships with the package, for users' own tests."""

from adapters.testing import Dialogue, VirtualHost, goodbye

__all__ = ["Dialogue", "VirtualHost", "goodbye"]
