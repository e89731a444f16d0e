"""What a phone number says by itself: E.164, country, kind of line.

The facts are those of `phonenumbers`, whose tables are used directly: its parser and its look-ups take 40 µs a number
and more, too long for a lender's file. Plain digits skip the parser where none of them can be a prefix that it would
strip, and a numbering plan keeps its patterns compiled. A test holds both to the library's own answers.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumberDesc, PhoneNumberType

_KINDS = (
    # In the library's order: the first that matches is the number's kind.
    (PhoneNumberType.PREMIUM_RATE, "premium_rate"),
    (PhoneNumberType.TOLL_FREE, "toll_free"),
    (PhoneNumberType.SHARED_COST, "shared_cost"),
    (PhoneNumberType.VOIP, "voip"),
    (PhoneNumberType.PERSONAL_NUMBER, "personal_number"),
    (PhoneNumberType.PAGER, "pager"),
    (PhoneNumberType.UAN, "uan"),
    (PhoneNumberType.VOICEMAIL, "voicemail"),
    (PhoneNumberType.FIXED_LINE, "fixed_line"),
    (PhoneNumberType.MOBILE, "mobile"),
)
_LINE_TYPES = {
    PhoneNumberType.FIXED_LINE: "fixed",
    PhoneNumberType.MOBILE: "mobile",
    PhoneNumberType.FIXED_LINE_OR_MOBILE: "fixed_or_mobile",
    PhoneNumberType.TOLL_FREE: "toll_free",
    PhoneNumberType.PREMIUM_RATE: "premium",
    PhoneNumberType.VOIP: "voip",
}
_NON_GEOGRAPHIC = "001"

_E164 = re.compile(r"\+([1-9][0-9]{7,14})")
_NATIONAL = re.compile(r"[1-9][0-9]{5,13}")
_ACCEPTED = "accepted: E.164, such as +8613800138001, and the national form"


@dataclass(frozen=True, slots=True)
class Number:
    """A number that can exist. `kind` is a `PhoneNumberType`; `country` is empty for international services."""

    country_code: int
    national: str
    country: str
    kind: int


def read_phone(text: str, country: str) -> str:
    """The number in E.164. `country`: whose national form is meant where the text has no +.

    Raises ValueError, without the number, if it cannot exist.
    """
    text = text.strip()
    accepted = f"{_ACCEPTED} of {country or 'a known country'}"
    e164 = text if _split(text) else _plain_national(text, country)
    if e164 is not None:
        exists = read_number(e164) is not None
    else:
        try:
            parsed = phonenumbers.parse(text, country or None)
        except phonenumbers.NumberParseException:
            raise ValueError(f"not a phone number; {accepted}") from None
        if parsed.extension:
            raise ValueError(f"a phone number with an extension, which cannot be dialed; {accepted}")
        e164 = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
        exists = phonenumbers.is_valid_number(parsed)
    if not exists:
        raise ValueError(f"a phone number that cannot exist; {accepted}")
    return e164


def number_facts(e164: str) -> tuple[str, str]:
    """Country (ISO 3166 alpha-2; empty if unknown) and kind of line of a number.

    Kinds: mobile, fixed, fixed_or_mobile, toll_free, premium, voip, unknown.
    """
    number = read_number(e164)
    return (number.country, _LINE_TYPES.get(number.kind, "unknown")) if number else ("", "unknown")


@lru_cache(maxsize=4096)
def read_number(e164: str) -> Number | None:
    """All that a number says; None if it cannot exist. Kept for the next question about the same account."""
    split = _split(e164)
    if split is None:
        try:
            parsed = phonenumbers.parse(e164)
        except phonenumbers.NumberParseException:
            return None
        split = parsed.country_code or 0, phonenumbers.national_significant_number(parsed)
    code, national = split
    country, kind = _look_up(code, national)
    if kind == PhoneNumberType.UNKNOWN:
        return None
    return Number(code, national, country if country != _NON_GEOGRAPHIC else "", kind)


class _Plan:
    """One country's numbering plan: the library's patterns, compiled, and how long their numbers may be."""

    def __init__(self, metadata: PhoneMetadata) -> None:
        self.leading = re.compile(metadata.leading_digits) if metadata.leading_digits else None
        self._general = _pattern(metadata.general_desc)
        pairs = ((kind, _pattern(getattr(metadata, name))) for kind, name in _KINDS)
        self._kinds = [(kind, pattern, lengths) for kind, (pattern, lengths) in pairs if pattern is not None]
        self._mobile = _pattern(metadata.mobile)
        self._is_same = metadata.same_mobile_and_fixed_line_pattern

    def kind(self, national: str) -> int:
        if not _matches(*self._general, national):
            return PhoneNumberType.UNKNOWN
        for kind, pattern, lengths in self._kinds:
            if _matches(pattern, lengths, national):
                if kind == PhoneNumberType.FIXED_LINE and (self._is_same or _matches(*self._mobile, national)):
                    return PhoneNumberType.FIXED_LINE_OR_MOBILE
                return kind
        return PhoneNumberType.UNKNOWN


_Pattern = tuple[re.Pattern[str] | None, frozenset[int]]


def _pattern(desc: PhoneNumberDesc | None) -> _Pattern:
    if desc is None or not desc.national_number_pattern:
        return None, frozenset()
    return re.compile(desc.national_number_pattern), frozenset(desc.possible_length)


def _matches(pattern: re.Pattern[str] | None, lengths: frozenset[int], national: str) -> bool:
    """No lengths: those of the plan in general."""
    return pattern is not None and (not lengths or len(national) in lengths) and bool(pattern.fullmatch(national))


def _look_up(code: int, national: str) -> tuple[str, int]:
    """Country and kind. Of several countries with one code the first whose plan takes the number."""
    countries = COUNTRY_CODE_TO_REGION_CODE.get(code, ())
    for country in countries:
        plan = _plan(code, country)
        if plan is None or (plan.leading and len(countries) > 1 and not plan.leading.match(national)):
            continue
        kind = plan.kind(national)
        if kind != PhoneNumberType.UNKNOWN or (plan.leading and len(countries) > 1):
            return country, kind
    return "", PhoneNumberType.UNKNOWN


@lru_cache(maxsize=512)
def _plan(code: int, country: str) -> _Plan | None:
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, country)
    return _Plan(metadata) if metadata else None


def _split(text: str) -> tuple[int, str] | None:
    """Country code and national number of a text in E.164; None if it is not, or needs the parser."""
    if match := _E164.fullmatch(text):
        digits = match[1]
        for length in (1, 2, 3):
            code = int(digits[:length])
            if code in COUNTRY_CODE_TO_REGION_CODE:
                return None if _odd_after(code).match(digits, length) else (code, digits[length:])
    return None


def _plain_national(text: str, country: str) -> str | None:
    """E.164 of a text in national form; None if it is not, or needs the parser."""
    if _NATIONAL.fullmatch(text) and (code := phonenumbers.country_code_for_region(country)):
        return None if _odd_in(country).match(text) else f"+{code}{text}"
    return None


@lru_cache(maxsize=512)
def _odd_after(code: int) -> re.Pattern[str]:
    """What the parser might strip from a number after this country code."""
    country = phonenumbers.region_code_for_country_code(code)
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, country)
    return _odd(metadata.national_prefix_for_parsing if metadata else None)


@lru_cache(maxsize=512)
def _odd_in(country: str) -> re.Pattern[str]:
    """What the parser might strip from a number in this country's national form."""
    metadata = PhoneMetadata.metadata_for_region(country, None)
    if metadata is None:
        return _odd("")
    return _odd(metadata.national_prefix_for_parsing, metadata.international_prefix, str(metadata.country_code))


def _odd(*prefixes: str | None) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{prefix})" for prefix in ("0", *prefixes) if prefix))
