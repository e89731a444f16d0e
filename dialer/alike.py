"""What workers on one database have to have alike: by it each of them judges the same persons and the same lines."""

import json
from decimal import Decimal
from hashlib import sha256

from config.settings import Settings
from dialer.packs import pack_files

SHARED = frozenset({
    "lender", "lines", "transfers", "optout", "test_numbers", "house", "unverified", "relaxed",
})  # fmt: skip
"""Settings that say what is placed, and when. Not where a worker listens, logs and finds its database and its files."""
DIGITS = 16


def goes_by(settings: Settings) -> str:
    """A digest of the shared settings and of every pack's text: two workers with the same go by the same. Packs are
    told apart by name, wherever their files lie."""
    shared = settings.model_dump(include=set(SHARED))
    # However it is written: tables in another order, a price as 0.1 or 0.10.
    found = sha256(json.dumps(shared, sort_keys=True, default=_plain).encode())
    for name, file in sorted(pack_files(settings).items()):
        found.update(f"\0{name}\0".encode())
        found.update(file.read_bytes())
    return found.hexdigest()[:DIGITS]


def _plain(value: object) -> str:
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)
