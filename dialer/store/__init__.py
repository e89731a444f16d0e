"""The only room that speaks SQL. `Store` runs transactions; the modules hold statements by noun."""

from dialer.store.database import FailingStore, InlineStore, Store, Tx, explained, sqlite_file

__all__ = ["FailingStore", "InlineStore", "Store", "Tx", "explained", "sqlite_file"]
