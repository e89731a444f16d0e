"""Templates, money and dates in the person's language, and the length of an SMS."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.message import (
    NAMES,
    Length,
    Values,
    choose,
    known_language,
    render,
    segments,
    template_faults,
    template_names,
)

WANG = Values(
    name="王丽",
    lender="示例小贷",
    lender_phone="+864001234567",
    due_on=date(2026, 1, 15),
    amounts=(Decimal("1200.00"),),
    currency="CNY",
    pay_to=("工商银行尾号1234",),
    today=date(2026, 1, 14),
    language="zh-CN",
)
ANN = replace(WANG, name="Ann", lender="Sample Loans", currency="USD", pay_to=("Acct 1234",), language="en-US")


def test_the_sample_reminder_reads_in_chinese() -> None:
    text = "{name}您好,这里是{lender}。您{due_on:month_day}应还{amount},还款账户{pay_to}。"
    assert render(text, WANG) == "王丽您好,这里是示例小贷。您1月15日应还1,200.00元,还款账户工商银行尾号1234。"


def test_a_combined_message_names_count_and_sum() -> None:
    values = replace(WANG, amounts=(Decimal("2400.00"), Decimal("300.05")))
    assert render("{count}笔应还,共{amount}", values) == "2笔应还,共2,700.05元"


@pytest.mark.parametrize(
    ("language", "spec", "expected"),
    [
        ("zh-CN", "", "2026年1月15日"),
        ("zh-CN", ":long", "2026年1月15日"),
        ("zh-CN", ":date", "2026年1月15日"),
        ("zh-CN", ":month_day", "1月15日"),
        ("en-US", "", "January 15, 2026"),
        ("en-US", ":long", "January 15, 2026"),
        ("en-US", ":date", "Jan 15, 2026"),
        ("en-US", ":month_day", "January 15"),
        ("en-GB", ":month_day", "15 January"),
        ("es-CO", ":month_day", "15 de enero"),
        ("pt_BR", ":long", "15 de janeiro de 2026"),
        ("zh-XX", ":month_day", "1月15日"),
        ("klingon", ":month_day", "January 15"),
        ("", ":month_day", "January 15"),
    ],
)
def test_dates_are_written_in_the_language(language: str, spec: str, expected: str) -> None:
    assert render(f"{{due_on{spec}}}", replace(WANG, language=language)) == expected


@pytest.mark.parametrize(
    ("language", "currency", "amount", "expected"),
    [
        ("zh-CN", "CNY", "0.01", "0.01元"),
        ("zh-CN", "CNY", "12345678901234567.89", "12,345,678,901,234,567.89元"),
        ("zh-CN", "USD", "1200", "US$1,200.00"),
        ("zh-TW", "TWD", "1200", "$1,200.00"),
        ("en-US", "USD", "1200", "$1,200.00"),
        ("en-US", "CNY", "1200", "CN¥1,200.00"),
        ("en-IN", "INR", "120000", "1,20,000.00 Indian rupees"),
        ("en-PH", "PHP", "1200", "1,200.00 Philippine pesos"),
        ("hi-IN", "INR", "1200", "₹1,200.00"),
        ("ja-JP", "JPY", "1200", "￥1,200"),
        ("de-DE", "EUR", "1200.5", "1.200,50 €"),
        ("fr-CA", "CAD", "1200", "1 200,00 $"),
    ],
)
def test_money_is_written_in_the_language(language: str, currency: str, amount: str, expected: str) -> None:
    values = replace(WANG, language=language, currency=currency, amounts=(Decimal(amount),))
    assert render("{amount}", values) == expected


@pytest.mark.parametrize("currency", ["USD", "EUR", "GBP", "CNY", "INR", "PHP", "THB", "VND", "KRW", "NGN", "ZAR"])
def test_english_money_and_dates_stay_gsm7(currency: str) -> None:
    assert segments(render("{amount} {due_on} {due_on:date}", replace(ANN, currency=currency))).encoding == "gsm7"


def test_sums_are_decimal() -> None:
    assert render("{amount}", replace(ANN, amounts=(Decimal("0.10"),) * 3)) == "$0.30"


@pytest.mark.parametrize(("today", "days"), [((2026, 1, 13), "2"), ((2026, 1, 15), "0"), ((2026, 1, 16), "-1")])
def test_days_count_to_the_due_date(today: tuple[int, int, int], days: str) -> None:
    assert render("{days}", replace(WANG, today=date(*today))) == days


@pytest.mark.parametrize(
    ("language", "pay_to", "expected"),
    [
        ("zh-CN", ("甲", "乙", "甲"), "甲、乙"),
        ("en-US", ("A", "B", "A", "C"), "A, B, C"),
        ("zh-CN", ("甲", "", "甲 "), "甲"),
        ("zh-CN", (), ""),
    ],
)
def test_accounts_to_pay_into_are_joined_and_named_once(language: str, pay_to: tuple[str, ...], expected: str) -> None:
    assert render("{pay_to}", replace(WANG, language=language, pay_to=pay_to)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{amount}", "{amount}"),
        ("{0}{{}}", "{0}{{}}"),
        ("{", "{"),
        ("%s$name\\1", "%s$name\\1"),
        (" a\r\n\tb ", "a b"),
        ("a\x00\x1b[2Jb", "a [2Jb"),
        ("a\u2028b\x85c\xa0d", "a b c d"),
        ("a\ud83db", "a b"),
    ],
)
def test_a_value_comes_through_as_one_line_of_text(value: str, expected: str) -> None:
    values = replace(WANG, name=value, pay_to=(value,), lender=value, lender_phone=value)
    assert render("<{name}|{pay_to}|{lender}|{lender_phone}>", values) == f"<{'|'.join([expected] * 4)}>"


def test_double_braces_are_text() -> None:
    assert render("{{name}} {name}", WANG) == "{name} 王丽"
    assert template_names("{{name}}") == []


@pytest.mark.parametrize(
    "template",
    [
        "{nmae}",
        "{}",
        "{0}",
        "{ name}",
        "{name.upper}",
        "{name[0]}",
        "{name!r}",
        "{name:>9}",
        "{due_on!s}",
        "{due_on:iso}",
        "{due_on:%Y}",
        "{due_on.year}",
        "{amount:month_day}",
        "{due_on:{name}}",
        "{__class__}",
        "{name",
        "name}",
        "{a{b}}",
    ],
)
def test_every_other_name_or_format_is_a_fault(template: str) -> None:
    (fault,) = template_faults(f"x {template}")
    assert "accepted" in fault or "written twice" in fault
    with pytest.raises(ValueError, match=r"unknown|braces"):
        render(f"x {template}", WANG)


def test_all_faults_are_told_at_once() -> None:
    first, second = template_faults("{name}{nmae}{due_on:iso}")
    assert first.startswith("unknown name {nmae}")
    assert second == "unknown format {due_on:iso}; accepted: :long, :date, :month_day"


def test_names_come_in_order_with_their_formats() -> None:
    assert template_names("{name},{due_on:month_day}{nmae}") == [("name", ""), ("due_on", "month_day"), ("nmae", "")]
    assert template_names("{name} {") == []


@pytest.mark.parametrize(
    ("many", "count", "chosen"), [("many", 2, "many"), ("many", 1, "one"), (None, 2, "one"), (None, 1, "one")]
)
def test_several_accounts_take_the_text_for_many(many: str | None, count: int, chosen: str) -> None:
    assert choose("one", many, count) == chosen


@pytest.mark.parametrize(
    ("tag", "known"), [("zh-CN", True), ("en", True), ("es_MX", True), ("zh-XX", True), ("klingon", False), ("", False)]
)
def test_known_languages(tag: str, known: bool) -> None:
    assert known_language(tag) is known


fields = st.sampled_from([*(f"{{{name}}}" for name in NAMES), "{due_on:month_day}", "{due_on:date}", "{due_on:long}"])
words = st.text(st.characters(exclude_characters="{}"), max_size=20)


@given(
    template=st.lists(st.one_of(fields, words), max_size=6).map("".join),
    name=words,
    pay_to=st.lists(words, max_size=3).map(tuple),
    amounts=st.lists(st.decimals("0.01", "99999999", places=2), max_size=3).map(tuple),
    due_on=st.dates(),
    language=st.sampled_from(["zh-CN", "en-US", "ar", "th-TH", "xx"]),
    currency=st.sampled_from(["CNY", "USD", "JPY", "INR", "XXX"]),
)
@settings(max_examples=150)
def test_rendering_leaves_no_brace(
    template: str,
    name: str,
    pay_to: tuple[str, ...],
    amounts: tuple[Decimal, ...],
    due_on: date,
    language: str,
    currency: str,
) -> None:
    values = replace(
        WANG, name=name, pay_to=pay_to, amounts=amounts, due_on=due_on, language=language, currency=currency
    )
    text = render(template, values)
    assert "{" not in text
    assert "}" not in text


@given(text=st.text(max_size=60))
def test_a_template_either_has_faults_or_renders(text: str) -> None:
    if template_faults(text):
        with pytest.raises(ValueError, match=r"unknown|braces"):
            render(text, WANG)
    else:
        assert isinstance(render(text, WANG), str)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Length("gsm7", 0, 1)),
        ("a" * 160, Length("gsm7", 160, 1)),
        ("a" * 161, Length("gsm7", 161, 2)),
        ("a" * 306, Length("gsm7", 306, 2)),
        ("a" * 307, Length("gsm7", 307, 3)),
        ("€" * 80, Length("gsm7", 160, 1)),
        ("€" * 80 + "a", Length("gsm7", 161, 2)),
        ("a" * 152 + "€" + "a" * 152, Length("gsm7", 306, 3)),  # the escape would be split: it moves on whole
        ("a" * 151 + "€" + "a" * 153, Length("gsm7", 306, 2)),
        ("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà", Length("gsm7", 44, 1)),
        ("^{}\\[~]|€\f", Length("gsm7", 20, 1)),
        ("ç", Length("ucs2", 1, 1)),
        ("`", Length("ucs2", 1, 1)),
        ("还" * 70, Length("ucs2", 70, 1)),
        ("还" * 71, Length("ucs2", 71, 2)),
        ("还" * 134, Length("ucs2", 134, 2)),
        ("还" * 135, Length("ucs2", 135, 3)),
        ("a" * 69 + "还", Length("ucs2", 70, 1)),
        ("😀" * 35, Length("ucs2", 70, 1)),
        ("😀" * 36, Length("ucs2", 72, 2)),
        ("a" * 66 + "😀" + "a" * 66, Length("ucs2", 134, 3)),  # the pair would be split
        ("a" * 65 + "😀" + "a" * 67, Length("ucs2", 134, 2)),
    ],
)
def test_sms_segments(text: str, expected: Length) -> None:
    assert segments(text) == expected


def test_a_short_english_reminder_fits_one_segment() -> None:
    text = "{lender}: {name}, {amount} is due on {due_on:month_day}. Pay to {pay_to}. Reply STOP to opt out."
    assert segments(render(text, ANN)).segments == 1
