"""How an account's story is told in Chinese or English: the words of the report's page, and its own beside them."""

from collections.abc import Iterable
from datetime import datetime

from dialer.report_words import Speech, speech

TOLD_MAX = 5
"""So many of a list of facts are told one by one."""


def tongue(language: str) -> Speech:
    """Chinese for a zh language, else English."""
    return speech(language, "explain.zh.toml")


def perhaps(words: Speech, text: str) -> str:
    """A text that somebody wrote, or that the engine wrote: then it is known and told in the language."""
    return words.words.get(text, text)


def listed(words: Speech, parts: Iterable[str], between: str = ", ") -> str:
    """`a, b, c`, each once; of many the last ones are counted."""
    once = list(dict.fromkeys(parts))
    if len(once) > TOLD_MAX:
        once = [*once[: TOLD_MAX - 1], words.say("{0} more", len(once) - TOLD_MAX + 1)]
    return words.say(between).join(once)


def sentences(words: Speech, parts: Iterable[str]) -> str:
    """Whole sentences, one after the other."""
    return ("" if words.words else " ").join(parts)


def day(words: Speech, at: datetime) -> str:
    """`Tue 2026-01-13`."""
    return words.say("{0} {1}", words.say(f"{at:%a}"), f"{at:%Y-%m-%d}")


def moment(at: datetime) -> str:
    """`2026-01-13 09:30:00`."""
    return f"{at:%Y-%m-%d %H:%M:%S}"
