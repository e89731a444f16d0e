"""Phone numbers as the library reads them, only faster; and the zones a person may be in."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType
from phonenumbers.timezone import time_zones_for_number
from phonenumbers.tzdata import TIMEZONE_DATA

from campaigns.areas import AREA_CODES, PARTS, STAND_INS
from campaigns.gate import Block
from campaigns.numbers import read_number
from campaigns.where import is_region, is_zone, number_facts, read_phone, zones_of
from tests.support.law import EASTERN, HONOLULU, PACIFIC, SHANGHAI, ask, at, check, facts, passes, ruleset, window

CENTRAL = "America/Chicago"
NEW_YORKER, KENTUCKIAN, TOLL_FREE = "+12125550123", "+12705550123", "+18005550123"
CHINESE, AUSTRALIAN, ACREAN, INDONESIAN = "+8613800138001", "+61412345678", "+5568961234567", "+6281234567890"

NAMES = {
    PhoneNumberType.FIXED_LINE: "fixed",
    PhoneNumberType.MOBILE: "mobile",
    PhoneNumberType.FIXED_LINE_OR_MOBILE: "fixed_or_mobile",
    PhoneNumberType.TOLL_FREE: "toll_free",
    PhoneNumberType.PREMIUM_RATE: "premium",
    PhoneNumberType.VOIP: "voip",
}

_ZONE_TAB = (files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8").splitlines()
BY_COUNTRY: dict[str, list[str]] = {}
for _line in _ZONE_TAB:
    if not _line.startswith("#"):
        BY_COUNTRY.setdefault(_line.split("\t")[0], []).append(_line.split("\t")[2])


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


@pytest.mark.parametrize("country", ["DE", "GB", "BR", "AU", "KZ", "JP", "HK"])
def test_a_fixed_number_alone_has_the_zones_of_the_library(country: str) -> None:
    for text in texts(country, seed=2, count=200):
        known = library(text, country)
        if known and known[2] == "fixed":
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
        ("+4915123456789", "", "Asia/Tokyo", ("Asia/Tokyo", "Europe/Berlin", "Europe/Busingen")),
        (INDONESIAN, "", "", ("Asia/Jakarta", "Asia/Jayapura", "Asia/Makassar", "Asia/Pontianak")),
        (INDONESIAN, "", "Asia/Jayapura", ("Asia/Jayapura",)),
        (AUSTRALIAN, "AU-QLD", "", ("Australia/Brisbane", "Australia/Lindeman")),
        (AUSTRALIAN, "AU-VIC", "Australia/Hobart", ("Australia/Hobart", "Australia/Melbourne")),
        (ACREAN, "BR-SP", "", ("America/Sao_Paulo", "America/Rio_Branco")),
        (ACREAN, "BR-AC", "", ("America/Rio_Branco",)),
        (ACREAN, "", "America/Manaus", ("America/Manaus", "America/Rio_Branco")),
        ("+525512345678", "MX-ROO", "", ("America/Cancun", "America/Mexico_City")),
        ("+14165550123", "CA-ON", "", ("America/Toronto", "America/Winnipeg", "America/Atikokan")),
        ("+14165550123", "CA", "", ("America/Toronto",)),
        ("+18762101234", "", "", ("America/Jamaica",)),
        ("+74012123456", "", "", ("Europe/Kaliningrad",)),
        (TOLL_FREE, "CA-QC", "", ("America/Toronto", "America/Halifax", "America/Blanc-Sablon")),
        (TOLL_FREE, "US-NY-NYC", "", (EASTERN,)),
        (TOLL_FREE, "MX-SON", "", ("America/Hermosillo",)),
        ("nonsense", "", "", ()),
        ("nonsense", "XX", "", ()),
    ],
)
def test_where_a_person_may_be(phone: str, region: str, stated: str, zones: tuple[str, ...]) -> None:
    assert zones_of(phone, region, stated) == zones


@pytest.mark.parametrize("country", ["AU", "BR", "CL", "ID", "KZ", "MX", "NZ", "PT", "RU"])
def test_a_mobile_number_may_be_anywhere_in_a_country_of_several_zones(country: str) -> None:
    mobile = phonenumbers.example_number_for_type(country, PhoneNumberType.MOBILE)
    zones = zones_of(phonenumbers.format_number(mobile, PhoneNumberFormat.E164), "", "")
    assert len(BY_COUNTRY[country]) > 1
    assert set(BY_COUNTRY[country]) <= set(zones)


def test_case_8_an_area_code_that_spans_zones_has_them_all() -> None:
    assert set(zones_of(KENTUCKIAN, "", "")) == {EASTERN, CENTRAL}
    assert tuple(time_zones_for_number(phonenumbers.parse(KENTUCKIAN))) == (EASTERN,)  # the library alone
    hours = ruleset(window("08:00", "21:00"))
    day = "2026-07-01T"
    verdicts = [
        passes(hours, at(day + time, EASTERN), *zones_of(KENTUCKIAN, "", ""))
        for time in ("08:59:59", "09:00", "20:59:59", "21:00")
    ]
    assert verdicts == [False, True, True, False]


def test_case_9_a_number_and_a_verified_address_both_stay() -> None:
    zones = zones_of(NEW_YORKER, "US-CA", PACIFIC)
    assert set(zones) == {EASTERN, PACIFIC}
    hours = ruleset(window("08:00", "21:00"))
    times = ("10:59:59", "11:00", "20:59:59", "21:00")
    assert [passes(hours, at(f"2026-07-01T{time}", EASTERN), *zones) for time in times] == [False, True, True, False]
    assert zones_of(NEW_YORKER, "", PACIFIC) == zones_of(NEW_YORKER, "US-CA", "") == zones


def test_case_7_far_zones_share_few_hours_or_none() -> None:
    hours = ruleset(window("08:00", "21:00"))
    zones = zones_of(NEW_YORKER, "US-HI", "")
    assert set(zones) == {EASTERN, HONOLULU}
    times = ("13:59:59", "14:00", "20:59:59", "21:00")
    assert [passes(hours, at(f"2026-07-01T{time}", EASTERN), *zones) for time in times] == [False, True, True, False]
    apart = zones_of(NEW_YORKER, "CN", "")
    assert apart == (SHANGHAI, EASTERN)
    never = check(ask(*apart), facts(), ruleset(window("09:00", "20:00")), at("2026-07-01T12:00", EASTERN))
    assert isinstance(never, Block)
    assert never.rule == "test.window"


def test_the_area_codes_are_written_once_and_their_zones_exist() -> None:
    codes = [code for row, _, _ in AREA_CODES for code in row.split()]
    assert len(codes) == len(set(codes))
    for row, zones, source in AREA_CODES:
        assert len(zones) > 1
        assert source
        assert all(is_zone(zone) for zone in zones)
        for code in row.split():
            if read_number(f"+1{code}2345678"):  # the newest overlays are not in the library yet
                assert set(zones) <= set(zones_of(f"+1{code}2345678", "", "")), code


def test_every_area_code_whose_exchanges_differ_is_in_the_table() -> None:
    seen: dict[str, set[tuple[str, ...]]] = {}
    for prefix, zones in TIMEZONE_DATA.items():
        if prefix.startswith("1") and len(prefix) >= 4:
            seen.setdefault(prefix[1:4], set()).add(tuple(zones))
    written = {code for row, _, _ in AREA_CODES for code in row.split()}
    assert {code for code, found in seen.items() if len(found) > 1} <= written


def examples() -> Iterator[tuple[str, phonenumbers.PhoneNumber]]:
    """One number of every kind of every country."""
    for country in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in PhoneNumberType.values():
            if kind != PhoneNumberType.UNKNOWN and (number := phonenumbers.example_number_for_type(country, kind)):
                yield country, number


def test_every_country_s_fixed_and_mobile_numbers_have_zones_and_no_other_kind_has() -> None:
    placed = {PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}
    seen: Counter[bool] = Counter()
    for country, number in examples():
        e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
        zones = zones_of(e164, "", "")
        is_placed = country == "CN" or phonenumbers.number_type(number) in placed
        assert bool(zones) is is_placed, (country, e164)
        assert all(is_zone(zone) for zone in zones)
        assert country != "CN" or zones == ("Asia/Shanghai",)
        if not is_placed:
            assert zones_of(e164, "US-MA", "") == zones_of(e164, "", EASTERN) == (EASTERN,)
        seen[is_placed] += 1
    assert seen[True] > 480
    assert seen[False] > 480


@cache
def clock(zone: str) -> tuple[timedelta | None, ...]:
    """What a zone's clocks show over two years, every third day."""
    first = datetime(2026, 1, 1, tzinfo=UTC)
    return tuple((first + timedelta(days=3 * n)).astimezone(ZoneInfo(zone)).utcoffset() for n in range(243))


def test_no_number_is_held_to_a_clock_that_its_country_does_not_keep() -> None:
    for country, number in examples():
        code = number.country_code
        sharing = [country] if code in (1, 7) else phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]
        if clocks := {clock(zone) for each in sharing for zone in BY_COUNTRY.get(each, ())}:
            e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
            assert all(clock(zone) in clocks for zone in zones_of(e164, "", "")), e164


def test_what_stands_in_for_a_zone_keeps_another_clock() -> None:
    for (code, stale), zone in STAND_INS.items():
        assert clock(stale) != clock(zone), (code, stale)


def test_a_country_alone_means_all_its_zones() -> None:
    zones = zones_of(TOLL_FREE, "US", "")
    assert {EASTERN, CENTRAL, PACIFIC, "Pacific/Honolulu", "America/Adak"} <= set(zones)


def test_every_zone_we_can_answer_exists() -> None:
    assert all(is_zone(zone) for zones in TIMEZONE_DATA.values() for zone in zones)
    assert {country: len(parts) for country, parts in PARTS.items()} == {
        "US": 50 + 1 + 5 + 1,  # states, the District of Columbia, territories, New York City
        "CA": 13,
        "MX": 32,
        "AU": 8,
        "BR": 27,
    }
    for country, parts in PARTS.items():
        for part in parts:
            assert is_region(f"{country}-{part}")
            assert all(is_zone(zone) for zone in zones_of(TOLL_FREE, f"{country}-{part}", ""))


@pytest.mark.parametrize("country", ["CA", "MX", "AU", "BR"])
def test_the_parts_of_a_country_have_all_its_zones_between_them(country: str) -> None:
    assert {zone for zones in PARTS[country].values() for zone in zones} == {*BY_COUNTRY[country]}


@pytest.mark.parametrize(
    ("text", "known"),
    [
        *(
            (text, True)
            for text in ("CN", "US", "US-MA", "US-NY-NYC", "CA-ON", "MX-CMX", "AU-NSW", "BR-SP", "CN-11", "DE-BY")
        ),
        *(
            (text, False)
            for text in ("", "XX", "US-XX", "US-", "us-ma", "CA-ontario", "CA-XX", "US-NYC", "US-MA-NYC", "DE-BY-M")
        ),
    ],
)
def test_regions(text: str, known: bool) -> None:
    assert is_region(text) is known
