"""Which text messages mean "stop". The words of the packs' languages; a later pack may add its own."""

STOP_WORDS = frozenset(
    {"STOP", "END", "QUIT", "CANCEL", "UNSUBSCRIBE", "REVOKE", "OPT OUT", "OPTOUT", "STOPALL", "TD", "T", "退订"}
)
"""47 CFR 64.1200(a)(10) names the English ones; TD, T and 退订 are the Chinese carriers' (MIIT Order 31)."""


def is_stop(text: str) -> bool:
    """Whether a message is nothing but a stop word, in any case, with any punctuation around it."""
    return " ".join(text.upper().strip(" \t\r\n.!。！,，\"'").split()) in STOP_WORDS
