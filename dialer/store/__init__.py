"""The only room that speaks SQL. `Store` runs transactions; the modules hold statements by noun."""

from dialer.store.addresses import shown
from dialer.store.database import Store, Tx, explained, sqlite_file
from dialer.store.inline import FailingStore, InlineStore

__all__ = ["FailingStore", "InlineStore", "Store", "Tx", "explained", "shown", "sqlite_file"]
