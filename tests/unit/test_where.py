"""Phone numbers as the library reads them, only faster; and the zones a person may be in."""

import random
from collections.abc import Iterator

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType
from phonenumbers.timezone import time_zones_for_number
from phonenumbers.tzdata import TIMEZONE_DATA

from campaigns.where import is_region, is_zone, number_facts, read_phone, zones_of

EASTERN, CENTRAL, PACIFIC = "America/New_York", "America/Chicago", "America/Los_Angeles"
NEW_YORKER, KENTUCKIAN, TOLL_FREE = "+12125550123", "+12705550123", "+18005550123"
CHINESE, AUSTRALIAN = "+8613800138001", "+61412345678"

NAMES = {
    PhoneNumberType.FIXED_LINE: "fixed",
    PhoneNumberType.MOBILE: "mobile",
    PhoneNumberType.FIXED_LINE_OR_MOBILE: "fixed_or_mobile",
    PhoneNumberType.TOLL_FREE: "toll_free",
    PhoneNumberType.PREMIUM_RATE: "premium",
    PhoneNumberType.VOIP: "voip",
}


def library(text: str, country: str) -> tuple[str, str, str] | None:
    """What `phonenumbers` itself says: E.164, country, kind; None where it cannot be."""
    try:
        parsed = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    region = phonenumbers.region_code_for_number(parsed) or ""
    kind = NAMES.get(phonenumbers.number_type(parsed), "unknown")
    return phonenumbers.format_number(parsed, PhoneNumberFormat.E164), region.replace("001", ""), kind


def ours(text: str, country: str) -> tuple[str, str, str] | None:
    try:
        e164 = read_phone(text, country)
    except ValueError:
        return None
    return e164, *number_facts(e164)


def texts(country: str, seed: int, count: int) -> Iterator[str]:
    """Random digits in E.164 and national form, half of them near a number that exists."""
    dice = random.Random(f"{country}{seed}")
    code = phonenumbers.country_code_for_region(country)
    examples = [number for kind in NAMES if (number := phonenumbers.example_number_for_type(country, kind))]
    for _ in range(count):
        if dice.random() < 0.5:
            known = phonenumbers.national_significant_number(dice.choice(examples))
            kept = dice.randrange(len(known) + 1)
            national = known[:kept] + "".join(dice.choice("0123456789") for _ in known[kept:])
        else:
            national = "".join(dice.choice("0123456789") for _ in range(dice.randint(5, 13)))
        yield f"+{code}{national}"
        yield dice.choice(["", "", "0", "1", str(code)]) + national


@pytest.mark.parametrize(
    "country", ["CN", "US", "CA", "DE", "GB", "IT", "BR", "MX", "AR", "RU", "KZ", "ID", "AU", "IN", "HK", "JP"]
)
def test_numbers_are_read_as_the_library_reads_them(country: str) -> None:
    for text in texts(country, seed=1, count=400):
        assert ours(text, country) == library(text, country), text


def test_one_number_of_every_kind_and_country_is_read_as_the_library_reads_it() -> None:
    for country in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in NAMES:
            if number := phonenumbers.example_number_for_type(country, kind):
                e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
                assert ours(e164, country) == library(e164, country), e164


@pytest.mark.parametrize(
    ("text", "country"),
    [
        ("13800138001", "CN"),
        ("+86 138-0013-8001", "CN"),
        (" +8613800138001 ", "US"),
        ("008613800138001", "CN"),
        ("8613800138001", "CN"),
        ("+86 138 0013 8001", ""),
    ],
)
def test_accepted_spellings(text: str, country: str) -> None:
    assert read_phone(text, country) == CHINESE


@pytest.mark.parametrize("text", ["", "x", "+", "+8613999", "+999123456789", "12345", "+12125550123 ext. 5"])
def test_a_bad_number_is_refused_with_what_is_accepted_and_without_itself(text: str) -> None:
    with pytest.raises(ValueError, match="; accepted: E") as caught:
        read_phone(text, "CN")
    assert not text or len(text) < 5 or text not in str(caught.value)


def test_without_a_country_only_e164_is_accepted() -> None:
    with pytest.raises(ValueError, match="a known country"):
        read_phone("13800138001", "")


@pytest.mark.parametrize(
    ("phone", "facts"),
    [
        (CHINESE, ("CN", "mobile")),
        (NEW_YORKER, ("US", "fixed_or_mobile")),
        (TOLL_FREE, ("US", "toll_free")),
        ("+19002345678", ("US", "premium")),
        ("+80012345678", ("", "toll_free")),
        ("+15", ("", "unknown")),
        ("nonsense", ("", "unknown")),
    ],
)
def test_number_facts(phone: str, facts: tuple[str, str]) -> None:
    assert number_facts(phone) == facts


@pytest.mark.parametrize("country", ["DE", "GB", "BR", "RU", "AU", "KZ", "JP", "HK"])
def test_a_number_alone_has_the_zones_of_the_library(country: str) -> None:
    for text in texts(country, seed=2, count=200):
        known = library(text, country)
        if known and known[2] in ("fixed", "fixed_or_mobile", "mobile"):
            assert zones_of(known[0], "", "") == tuple(time_zones_for_number(phonenumbers.parse(known[0])))


@pytest.mark.parametrize(
    ("phone", "region", "stated", "zones"),
    [
        (CHINESE, "", "", ("Asia/Shanghai",)),
        (CHINESE, "CN", "Asia/Urumqi", ("Asia/Shanghai",)),
        ("+864001234567", "", "", ("Asia/Shanghai",)),
        (TOLL_FREE, "CN", "", ("Asia/Shanghai",)),
        (TOLL_FREE, "CN-XJ", "", ("Asia/Shanghai",)),
        (CHINESE, "US-CA", "", (PACIFIC, "Asia/Shanghai")),
        (NEW_YORKER, "", "", (EASTERN,)),
        (NEW_YORKER, "US", "", (EASTERN,)),
        (NEW_YORKER, "US-CA", "", (PACIFIC, EASTERN)),
        (NEW_YORKER, "US-NY", PACIFIC, (PACIFIC, EASTERN)),
        (NEW_YORKER, "US-FL", "", (EASTERN, CENTRAL)),
        ("+13125550123", "US-FL", "", (CENTRAL, EASTERN)),
        (NEW_YORKER, "US-FL", EASTERN, (EASTERN,)),
        (KENTUCKIAN, "", "", (EASTERN, CENTRAL)),
        ("+13645550123", "", "", (EASTERN, CENTRAL)),
        (KENTUCKIAN, "", EASTERN, (EASTERN, CENTRAL)),
        (TOLL_FREE, "", "", ()),
        (TOLL_FREE, "", EASTERN, (EASTERN,)),
        (TOLL_FREE, "US-MA", "", (EASTERN,)),
        (AUSTRALIAN, "", "Australia/Sydney", ("Australia/Sydney",)),
        (AUSTRALIAN, "", "Asia/Tokyo", ("Asia/Tokyo", *TIMEZONE_DATA["61"])),
        ("+6281234567890", "", "", ("Asia/Jakarta", "Asia/Jayapura", "Asia/Makassar")),
        ("nonsense", "", "", ()),
        ("nonsense", "XX", "", ()),
    ],
)
def test_where_a_person_may_be(phone: str, region: str, stated: str, zones: tuple[str, ...]) -> None:
    assert zones_of(phone, region, stated) == zones


def test_a_country_alone_means_all_its_zones() -> None:
    zones = zones_of(TOLL_FREE, "US", "")
    assert {EASTERN, CENTRAL, PACIFIC, "Pacific/Honolulu", "America/Adak"} <= set(zones)


def test_every_zone_we_can_answer_exists() -> None:
    assert all(is_zone(zone) for zones in TIMEZONE_DATA.values() for zone in zones)
    states = [f"US-{a}{b}" for a in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for b in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    known = [state for state in states if is_region(state)]
    assert len(known) == 50 + 1 + 5  # states, the District of Columbia, territories
    assert all(is_zone(zone) for state in known for zone in zones_of(TOLL_FREE, state, ""))


@pytest.mark.parametrize(
    ("text", "known"),
    [
        *((text, True) for text in ("CN", "US", "US-MA", "CA-ON", "CN-11")),
        *((text, False) for text in ("", "XX", "US-XX", "US-", "us-ma", "CA-ontario")),
    ],
)
def test_regions(text: str, known: bool) -> None:
    assert is_region(text) is known
