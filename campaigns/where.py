"""Where a person may be: the time zones that the lender's file, the region and the phone number leave possible."""

import re
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files

import phonenumbers
from phonenumbers import PhoneNumberType
from phonenumbers.tzdata import TIMEZONE_DATA, TIMEZONE_LONGEST_PREFIX

from campaigns.hours import zone_named
from campaigns.numbers import Number, number_facts, read_number, read_phone

__all__ = ["is_region", "is_zone", "number_facts", "read_phone", "zones_of"]

_CHINA = "Asia/Shanghai"
_CHINESE = frozenset({"Asia/Urumqi", "Asia/Kashgar", "Asia/Chongqing", "Asia/Chungking", "Asia/Harbin", "PRC"})
"""Names that mean China's one legal time (interface.md: Urumqi is not evidence)."""

_E, _C, _M, _P = "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"

_US_STATES: dict[str, tuple[str, ...]] = {
    # Source: the comments of tzdata's zone.tab (2026.6); which states are split besides, from memory. Places of a state
    # that keep their neighbours' hours today (Detroit, Indianapolis, Boise, Juneau) are not told apart. The zone of
    # most people comes first.
    state: zones
    for states, zones in (
        ("CT DC DE GA MA MD ME NC NH NJ NY OH PA RI SC VA VT WV", (_E,)),
        ("AL AR IA IL LA MN MO MS OK WI", (_C,)),
        ("CO MT NM UT WY", (_M,)),
        ("CA WA", (_P,)),
        ("FL IN KY MI", (_E, _C)),
        ("TN", (_C, _E)),
        ("KS ND NE SD TX", (_C, _M)),
        ("ID", (_M, _P)),
        ("NV OR", (_P, _M)),
        ("AZ", ("America/Phoenix", _M)),
        ("AK", ("America/Anchorage", "America/Adak")),
        ("HI", ("Pacific/Honolulu",)),
        ("AS", ("Pacific/Pago_Pago",)),
        ("GU", ("Pacific/Guam",)),
        ("MP", ("Pacific/Saipan",)),
        ("PR", ("America/Puerto_Rico",)),
        ("VI", ("America/St_Thomas",)),
    )
    for state in states.split()
}

_OVERLAYS = {"364": "270", "448": "850", "458": "541", "930": "812", "986": "208", "236": "250", "672": "250"}
"""Newer area codes of the same ground as an older one that spans zones (NANPA), whose exchanges nobody has mapped."""

_INDONESIA = 62
"""Its mobile prefixes name the operator, not a place, though the library takes them for Jakarta."""


def is_zone(name: str) -> bool:
    """Whether this is the exact name of an IANA zone."""
    return zone_named(name) is not None


def is_region(text: str) -> bool:
    """Whether this is a country (CN), a US state (US-MA), or a part of another country (CA-ON; form only)."""
    country, dash, part = text.partition("-")
    if country not in _country_zones():
        return False
    if country == "US" and dash:
        return part in _US_STATES
    return not dash or re.fullmatch(r"[A-Z0-9]{1,3}", part) is not None


def zones_of(phone: str, region: str, stated: str) -> tuple[str, ...]:
    """All time zones the person may be in, the stated one first (file, else region, else number); () = unknown.

    Conflicting evidence stays, so that the legal windows are intersected over it. An area code's zones always stay;
    what is known of a whole country, or a state, says nothing against something finer that lies in it.
    """
    number = read_number(phone)
    zones, is_local = _number_zones(number) if number else ((), False)
    return _candidates(stated, region, zones, is_local)


@lru_cache(maxsize=8192)
def _candidates(stated: str, region: str, number: tuple[str, ...], is_local: bool) -> tuple[str, ...]:
    area = _region_zones(region)
    if is_local and region in _country_zones() and set(number) <= set(area):
        area = number
    found = [_CHINA if stated in _CHINESE else stated] if stated else []
    if not set(area) & set(found):
        found += sorted(area, key=lambda zone: zone not in number)
    if is_local or not set(number) & set(found):
        found += number
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
    country, _, part = region.partition("-")
    if country == "US" and part:
        return _US_STATES.get(part, ())
    return _country_zones().get(country, ())


def _number_zones(number: Number) -> tuple[tuple[str, ...], bool]:
    """The zones, and whether they are those of an area. Toll-free and other numbers without a place say nothing."""
    if number.country_code == 86:
        return (_CHINA,), True
    is_local = phonenumbers.is_number_type_geographical(number.kind, number.country_code)
    if number.kind == PhoneNumberType.MOBILE and (not is_local or number.country_code == _INDONESIA):
        return _prefix_zones(str(number.country_code)), False
    if not is_local:
        return (), False
    digits = f"{number.country_code}{number.national}"
    others = _american_areas().get(digits[1:4], ()) if number.country_code == 1 else ()
    return _unique((*_prefix_zones(digits[:TIMEZONE_LONGEST_PREFIX]), *others)), True


@lru_cache(maxsize=8192)
def _prefix_zones(digits: str) -> tuple[str, ...]:
    """The library's zones of the longest prefix it knows."""
    for length in range(len(digits), 0, -1):
        if (zones := TIMEZONE_DATA.get(digits[:length])) is not None:
            return tuple(zones)
    return ()


@lru_cache(maxsize=1)
def _american_areas() -> dict[str, tuple[str, ...]]:
    """All zones of an area code of country code 1: those of any of its exchanges, as numbers can move."""
    areas: dict[str, tuple[str, ...]] = {}
    for prefix in sorted(TIMEZONE_DATA):
        if prefix.startswith("1") and len(prefix) >= 4:
            areas[prefix[1:4]] = _unique((*areas.get(prefix[1:4], ()), *TIMEZONE_DATA[prefix]))
    return areas | {new: areas[old] for new, old in _OVERLAYS.items()}


def _unique(zones: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(zones))
