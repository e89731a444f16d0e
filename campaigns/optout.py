"""Which text messages mean "stop". The words of the packs' languages; a later pack may add its own."""

import re
from collections.abc import Iterable

STOP_WORDS = frozenset(
    {"STOP", "END", "QUIT", "CANCEL", "UNSUBSCRIBE", "REVOKE", "OPT OUT", "OPTOUT", "STOPALL", "TD", "T", "退订"}
)
"""47 CFR 64.1200(a)(10) names the English ones; TD, T and 退订 are the Chinese carriers' (MIIT Order 31)."""

_OFFERED = ("STOP", "UNSUBSCRIBE", "OPT OUT", "OPTOUT", "TD", "退订")


def is_stop(text: str) -> bool:
    """Whether a message is nothing but a stop word, in any case, with any punctuation around it."""
    return " ".join(text.upper().strip(" \t\r\n.!。！,，\"'").split()) in STOP_WORDS


def names_stop_word(text: str, more: Iterable[str] = ()) -> bool:
    """Whether a message tells a word that stops it: one known everywhere, or one of the pack's own.

    A Latin word has to stand alone, and be one that says by itself what it is for: "by the end of May" offers nothing.
    """
    upper = text.upper()
    return any(_names(upper, word.upper()) for word in (*_OFFERED, *more))


def _names(text: str, word: str) -> bool:
    if not word.isascii():
        return word in text
    return re.search(rf"(?<![A-Z0-9]){re.escape(word)}(?![A-Z0-9])", text) is not None
