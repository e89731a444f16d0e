"""What a person is asked for to show who they are: four digits that the lender put in the file, kept as a hash alone.

The salt is made of the account's id, so that the same file gives the same hash and a second import changes nothing.
Honestly: four digits have 10,000 values. A salted hash keeps them out of sight and apart from those of other accounts;
it resists nobody who has the database and a minute, however slow the hash were, and a slow one would cost an import of
a million rows its hours. Whoever must not learn them must not get the database.
"""

import hmac
import re
from collections.abc import Iterable
from hashlib import blake2b

DIGITS = 4
"""So many are asked for."""
_FORM = re.compile(r"[0-9]{3}[0-9Xx]")
MASKED = "****"
"""What stands in a file of rejects in place of it."""


def read(text: str) -> str:
    """One cell: four digits, the last one perhaps X as in Chinese identity numbers; empty: nothing to ask for.

    Raises ValueError `what is wrong; what is accepted`, which never repeats the cell."""
    if text and not _FORM.fullmatch(text):
        wrong = "is masked" if text == MASKED else "is not what a person can key in"
        raise ValueError(f"{wrong}; {DIGITS} digits, the last one perhaps X, or empty")
    return text


def digest(account_id: str, text: str) -> str:
    """The hash that is kept, in hexadecimal; empty for an empty text. X is keyed in as *."""
    if not text:
        return ""
    salt = blake2b(account_id.encode(), digest_size=16).digest()
    keyed = text.upper().replace("X", "*")
    return blake2b(keyed.encode(), digest_size=16, salt=salt, person=b"dialer.verify").hexdigest()


def matches(digits: str, kept: Iterable[tuple[str, str]]) -> bool:
    """Whether the digits are those of any of these accounts, (account id, hash); an empty hash matches nothing."""
    return any(bool(one) and hmac.compare_digest(digest(account, digits), one) for account, one in kept)


def masked(header: Iterable[str], cells: list[str]) -> list[str]:
    """A row as it may be written down: the cell `verify` masked. In a row that does not fit the header nobody knows
    which cell it is: every one that looks like it is masked."""
    names = list(header)
    if len(names) != len(cells):
        return [MASKED if _FORM.fullmatch(cell.strip()) else cell for cell in cells]
    return [MASKED if name == "verify" and cell.strip() else cell for name, cell in zip(names, cells, strict=True)]
