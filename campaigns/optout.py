"""What a person's text message asks for: to be left alone, or that we have the wrong number. Pure.

A text that is nothing but a stop word stops contact at once. The law asks for more: "any reasonable means", read by
what a reasonable person would understand (47 CFR 64.1200(a)(10)). So of free text this is decided:

- A stop word with nothing but a courtesy or an object around it ("Stop please", "stop calling me", "请退订,谢谢") is a
  stop word.
- A short text that holds a plain stop word as a whole word ("I said stop", "我要退订"), or forbids contact in other
  words ("do not call me", "别再打了"), stops contact too, and opens a review: a stop that was not meant costs one
  reminder and is lifted by `dialer suppress --lift`; one that was missed costs a claim for each contact after it.
- A negated one ("don't stop", "不退订"), one amid a long text, and words that mean other things as well amid a sentence
  ("at the end of the month", "I quit my job") only open a review. So does every other text: a human reads it.
- A short text that says we have the wrong person ("wrong number", "打错了") makes the number invalid for whoever we
  know under it. Together with a stop word it is both: the number's holder opted out, and we have the wrong number.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

STOP_WORDS = frozenset(
    {"STOP", "END", "QUIT", "CANCEL", "UNSUBSCRIBE", "REVOKE", "OPT OUT", "OPTOUT", "STOPALL", "TD", "T", "退订"}
)
"""47 CFR 64.1200(a)(10) names the English ones; TD, T and 退订 are the Chinese carriers' (MIIT Order 31)."""
EQUIVOCAL = frozenset({"END", "QUIT", "CANCEL", "TD", "T"})
"""Amid a sentence they mean other things as well."""
AROUND = re.compile(
    r"\b(PLEASE|PLS|PLZ|KINDLY|NOW|IMMEDIATELY|THANKS|THANK YOU|THX|ALL|ME|MY|US|THIS|THESE|THE|FROM|TO|NUMBER|PHONE|"
    r"CALLS?|CALLING|TEXTS?|TEXTING|MESSAGES?|MESSAGING|SMS|SENDING|CONTACT|CONTACTING)\b"
)
"""Courtesies and objects that change nothing about a stop word."""
AROUND_ZH = re.compile(r"请|谢谢|多谢|马上|立即|短信|电话|您好|你好|吧|了|啊")
REFUSAL = re.compile(
    r"\b(DO NOT|DONT|NEVER|NO MORE) (EVER )?(CALL|TEXT|CONTACT|MESSAGE|PHONE|RING|SEND)\w*\b|\bLEAVE ME ALONE\b|"
    r"\b(REMOVE|DELETE) (ME|MY NUMBER)\b|(别|勿|不要|不准|禁止|停止)(再|给我|向我)*(打|发|联系|骚扰|致电|来电)"
)
"""Forbids contact without a stop word."""
NEGATED = re.compile(r"\b(DONT|DO NOT|NOT|NEVER|WONT|CANT|CANNOT)\b(?: [^ ]+){0,2}$")
NEGATED_ZH = re.compile(r"(不|别|勿|没|未)(要|想|用|是|会|能|有)?$")
WRONG_PERSON = re.compile(
    r"\b(WRONG (PERSON|NUMBER|GUY|MAN|WOMAN)|NOT (ME|MY NUMBER|HIM|HER|THIS PERSON|THAT PERSON|THE PERSON)|"
    r"(DONT|DO NOT) KNOW (HIM|HER|THEM|THIS PERSON|THAT PERSON|WHO)|NO SUCH PERSON)\b"
    r"|打错|发错|号码(不对|错)|错号|不是本人|非本人|不是(我|他|她)(?!的错)|不认识|没有?这个?人|查无此人"
)
APOSTROPHES = re.compile("['’‘ʼ`´]")
WORDS_MAX, SIGNS_MAX = 12, 30
"""A text up to so many words, and so many Chinese characters, is short: it says one thing."""

_OFFERED = ("STOP", "UNSUBSCRIBE", "OPT OUT", "OPTOUT", "TD", "退订")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a text message asks for."""

    stops: bool = False
    """Contact ends, on every channel."""
    wrong_person: bool = False
    """The number is not that of the person we look for."""
    review: bool = True
    """A human has to read it."""


def is_stop(text: str, words: Collection[str] = STOP_WORDS) -> bool:
    """Whether a message is nothing but a stop word, in any case, width and punctuation, courtesies aside."""
    return _is_bare(_plain(text), _compact(frozenset(words)))


def meaning(text: str, words: Collection[str] = STOP_WORDS) -> Meaning:
    """What the message asks for; see above. `words`: all stop words, those of the packs included."""
    plain = _plain(text)
    if _is_bare(plain, _compact(frozenset(words))):
        return Meaning(stops=True, review=False)
    if not _is_short(plain):
        return Meaning()
    wrong = WRONG_PERSON.search(plain) is not None
    # Whoever says that it is the wrong person means the stop word beside it, whatever else that word may mean.
    # Nor does one of the carriers' mean anything else amid a script that is written without spaces.
    certain = wrong or any(map(_is_sign, plain))
    held = [word for word in map(_plain, words) if certain or word not in EQUIVOCAL]
    stops = REFUSAL.search(plain) is not None or any(_holds(plain, word, wrong) for word in held)
    return Meaning(stops, wrong, review=True)


def _plain(text: str) -> str:
    """Capitals of ordinary width, words and runs of signs apart by one space, and nothing but letters and digits."""
    wide = APOSTROPHES.sub("", unicodedata.normalize("NFKC", text).upper())
    apart = "".join(f" {c}" if _is_sign(c) != _is_sign(before) else c for before, c in pairwise(f" {wide}"))
    return " ".join("".join(c if c.isalnum() else " " for c in apart).split())


def _joined(plain: str) -> str:
    return plain.replace(" ", "")


@lru_cache(maxsize=16)
def _compact(words: frozenset[str]) -> frozenset[str]:
    """Without spaces, so that "opt-out", "opt out" and "S.T.O.P" are one."""
    return frozenset(_joined(_plain(word)) for word in words)


def _is_bare(plain: str, words: frozenset[str]) -> bool:
    if _joined(plain) in words:
        return True
    rest = _joined(AROUND.sub("", plain))
    return rest in words or AROUND_ZH.sub("", rest) in words


def _is_short(plain: str) -> bool:
    signs = sum(_is_sign(c) for c in plain)
    return len(plain.split()) <= WORDS_MAX and signs <= SIGNS_MAX


def _is_sign(c: str) -> bool:
    """A character of a script that is written without spaces."""
    return unicodedata.category(c) == "Lo"


def _holds(plain: str, word: str, whatever_precedes: bool) -> bool:
    """Whether the word stands in the text as a whole, and nothing before it negates it."""
    written_apart = any(not _is_sign(c) for c in word)
    found = re.finditer(rf"\b{re.escape(word)}\b" if written_apart else re.escape(word), plain) if word else ()
    return any(
        whatever_precedes or not (NEGATED.search(before) or NEGATED_ZH.search(before))
        for match in found
        for before in [plain[: match.start()].strip()]
    )


def names_stop_word(text: str, more: Iterable[str] = ()) -> bool:
    """Whether a message of ours tells a word that stops it: one known everywhere, or one of the pack's own.

    A Latin word has to stand alone, and be one that says by itself what it is for: "by the end of May" offers nothing.
    """
    return _naming(tuple(more)).search(text.upper()) is not None


@lru_cache(maxsize=64)
def _naming(more: tuple[str, ...]) -> re.Pattern[str]:
    words = [word.upper() for word in (*_OFFERED, *more)]
    latin = "|".join(re.escape(word) for word in words if word.isascii())
    others = [re.escape(word) for word in words if not word.isascii()]
    return re.compile("|".join([rf"(?<![A-Z0-9])(?:{latin})(?![A-Z0-9])", *others]))
