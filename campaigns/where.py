"""Where a person may be: the time zones that the lender's file, the region and the phone number leave possible."""

import re
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files

import phonenumbers
from phonenumbers import PhoneNumberType
from phonenumbers.tzdata import TIMEZONE_DATA, TIMEZONE_LONGEST_PREFIX

from campaigns.areas import AREA_CODES, PARTS, STAND_INS
from campaigns.hours import zone_named
from campaigns.numbers import Number, number_facts, read_number, read_phone

__all__ = ["is_region", "is_zone", "number_facts", "read_phone", "zones_of"]

_CHINA = "Asia/Shanghai"
_CHINESE = frozenset({"Asia/Urumqi", "Asia/Kashgar", "Asia/Chongqing", "Asia/Chungking", "Asia/Harbin", "PRC"})
"""Names that mean China's one legal time (interface.md: Urumqi is not evidence)."""

_OPERATORS = frozenset({62})
"""Country codes whose mobile prefixes name the operator, though the library takes them for places: Indonesia."""

_SHARED = frozenset({7})
"""Country codes whose zones the library does not tell apart by country: Russia and Kazakhstan."""


def is_zone(name: str) -> bool:
    """Whether this is the exact name of an IANA zone."""
    return zone_named(name) is not None


def is_region(text: str) -> bool:
    """Whether this is a country (CN) or a part of one (US-MA, CA-ON), by ISO 3166-2; US-NY-NYC is New York City.

    Parts of the US, Canada, Mexico, Australia and Brazil must exist; those of other countries have the form only.
    """
    country, dash, part = text.partition("-")
    if country not in _country_zones():
        return False
    if dash and country in PARTS:
        return part in PARTS[country]
    return not dash or re.fullmatch(r"[A-Z0-9]{1,3}", part) is not None


def zones_of(phone: str, region: str, stated: str) -> tuple[str, ...]:
    """All time zones the person may be in, the stated one first (file, else region, else number); () = unknown.

    Conflicting evidence stays, so that the legal windows are intersected over it. An area code's zones always stay;
    what is known of a whole country, or a state, says nothing against something finer that lies in it.
    """
    number = read_number(phone)
    area, country = _number_zones(number) if number else ((), ())
    return _candidates(stated, region, area, country)


@lru_cache(maxsize=8192)
def _candidates(stated: str, region: str, area: tuple[str, ...], country: tuple[str, ...]) -> tuple[str, ...]:
    place = _region_zones(region)
    if area and not country and region in _country_zones() and set(area) <= set(place):
        place = area
    found = [_CHINA if stated in _CHINESE else stated] if stated else []
    if not set(place) & set(found):
        found += sorted(place, key=lambda zone: zone not in area)
    is_narrowed = bool(set(country) & set(found))
    found += area
    if not is_narrowed:
        found += country
    return tuple(dict.fromkeys(found))


@lru_cache(maxsize=1)
def _country_zones() -> dict[str, tuple[str, ...]]:
    """Zones by country, from tzdata's zone.tab."""
    table: dict[str, tuple[str, ...]] = {}
    for line in (files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            country, _, zone, *_ = line.split("\t")
            table[country] = (*table.get(country, ()), zone)
    return {**table, "CN": (_CHINA,)}


def _region_zones(region: str) -> tuple[str, ...]:
    """Those of the part, or of the whole country where the part is not told apart."""
    country, _, part = region.partition("-")
    if part and country in PARTS:
        return PARTS[country].get(part, ())
    return _country_zones().get(country, ())


def _number_zones(number: Number) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The zones of the number's area, and those of its country where it may be used all over it.

    Toll-free and other numbers without a place say nothing. A mobile number of country code 1 is its area code's.
    """
    code = number.country_code
    if code == 86:
        return (_CHINA,), ()
    is_mobile = number.kind in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
    is_local = phonenumbers.is_number_type_geographical(number.kind, code)
    if code == 1:
        return (_american_zones(number.national[:6]) if is_local or is_mobile else ()), ()
    digits = f"{code}{number.national}"[:TIMEZONE_LONGEST_PREFIX]
    area = _prefix_zones(digits) if is_local and not (is_mobile and code in _OPERATORS) else ()
    return area, _mobile_zones(code, number.country) if is_mobile else ()


@lru_cache(maxsize=512)
def _mobile_zones(code: int, country: str) -> tuple[str, ...]:
    """Where a country's mobile numbers may be: by the library, and by tzdata if the country has several zones."""
    theirs = _country_zones().get(country, ())
    if code in _SHARED:
        return theirs
    return _unique((*_prefix_zones(str(code)), *(theirs if len(theirs) > 1 else ())))


@lru_cache(maxsize=8192)
def _prefix_zones(digits: str) -> tuple[str, ...]:
    """The library's zones of the longest prefix it knows."""
    library = _library()
    for length in range(len(digits), 0, -1):
        if (zones := library.get(digits[:length])) is not None:
            return zones
    return ()


@lru_cache(maxsize=1)
def _library() -> dict[str, tuple[str, ...]]:
    """The library's zones by prefix, those that stand for another country's clock replaced."""
    stale = {f"{code}": {old: new for (of, old), new in STAND_INS.items() if of == code} for code, _ in STAND_INS}
    library: dict[str, tuple[str, ...]] = dict(TIMEZONE_DATA)
    for prefix, zones in TIMEZONE_DATA.items():
        if instead := next((stale[prefix[:n]] for n in (1, 2, 3) if prefix[:n] in stale), None):
            library[prefix] = tuple(instead.get(zone, zone) for zone in zones)
    return library


@lru_cache(maxsize=8192)
def _american_zones(exchange: str) -> tuple[str, ...]:
    """All zones of an area code of country code 1; of those the library's for the exchange first."""
    return _unique((*_prefix_zones(f"1{exchange}"), *_american_areas().get(exchange[:3], ())))


@lru_cache(maxsize=1)
def _american_areas() -> dict[str, tuple[str, ...]]:
    """By our table, and those of any of the area's exchanges, as numbers move."""
    areas = {code: zones for codes, zones, _ in AREA_CODES for code in codes.split()}
    for prefix, zones in sorted(_library().items()):
        if prefix.startswith("1") and len(prefix) >= 4:
            areas[prefix[1:4]] = _unique((*areas.get(prefix[1:4], ()), *zones))
    return areas


def _unique(zones: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(zones))
