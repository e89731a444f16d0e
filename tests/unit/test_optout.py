"""What a text message asks for: stop words, what a reasonable person understands, and what only a human can read."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.optout import STOP_WORDS, Meaning, is_stop, meaning
from config.settings import Settings
from dialer import check, confirmation
from dialer.errors import InvalidInput
from tests.support.scene import SETTINGS

BARE = Meaning(stops=True, review=False)
STOPS = Meaning(stops=True)
REVIEW = Meaning()
BOTH = Meaning(stops=True, wrong_person=True)
WRONG = Meaning(wrong_person=True)


@pytest.mark.parametrize("word", sorted(STOP_WORDS))
@pytest.mark.parametrize("form", ["{}", " {}.", "{}!!!", "“{}”", "{}。", "\n{}\t", "*{}*", "{} 🛑"])
def test_a_stop_word_alone_in_any_case_and_punctuation(word: str, form: str) -> None:
    for said in (word, word.lower(), word.title()):
        assert is_stop(form.format(said))
        assert meaning(form.format(said)) == BARE


@pytest.mark.parametrize("text", ["ＳＴＯＰ", "ｔｄ", "opt-out", "Opt  out", "S.T.O.P", "stop all", "Stop-All"])
def test_width_and_spaces_make_no_difference(text: str) -> None:
    assert is_stop(text)


@pytest.mark.parametrize(
    "text",
    ["Stop please", "please stop", "STOP thanks", "stop calling me", "Stop texting this number now!", "unsubscribe me",
     "quit calling me", "cancel all messages", "请退订", "退订,谢谢", "退订短信", "请立即退订!"],
)  # fmt: skip
def test_courtesies_and_objects_change_nothing(text: str) -> None:
    assert meaning(text) == BARE


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("I said stop", STOPS),
        ("STOP STOP STOP", STOPS),
        ("ok then unsubscribe, i am at work", STOPS),
        ("我要退订", STOPS),
        ("怎么退订啊", STOPS),
        ("回复TD", STOPS),
        ("No! Stop!", STOPS),
        ("do not call me again", STOPS),
        ("Don’t text", STOPS),
        ("leave me alone", STOPS),
        ("别再打了", STOPS),
        ("请不要再发短信", STOPS),
        ("remove my number", STOPS),
        ("don't stop", REVIEW),
        ("please do not ever stop", REVIEW),
        ("不退订", REVIEW),
        ("我不想退订", REVIEW),
        ("I will pay at the end of the month", REVIEW),
        ("I quit my job", REVIEW),
        ("can I cancel the standing order?", REVIEW),
        ("I stopped paying", REVIEW),
        ("nonstop", REVIEW),
        ("明天还", REVIEW),
        ("", REVIEW),
        ("🙂", REVIEW),
        ("Wrong person, stop", BOTH),
        ("STOP! this is not my number", BOTH),
        ("wrong number. end", BOTH),
        ("打错了 退订", BOTH),
        ("不是本人,TD", BOTH),
        ("打错了,别再打了", BOTH),
        ("You have the wrong number", WRONG),
        ("I don't know him", WRONG),
        ("发错了吧", WRONG),
        ("查无此人", WRONG),
    ],
)
def test_free_text(text: str, means: Meaning) -> None:
    assert meaning(text) == means


def test_a_stop_word_amid_a_long_text_is_for_a_human_to_read() -> None:
    long = "I was at the bus stop yesterday when you called and I could not talk because it was raining"
    assert meaning(long) == REVIEW
    assert meaning("昨天我去营业厅问过了他们说可以先不退订等下个月发了工资再说我想问一下利息怎么算") == REVIEW


def test_words_of_a_pack() -> None:
    words = STOP_WORDS | {"BAJA", "arrêt", "ยกเลิก"}
    assert meaning("Baja.", words) == BARE
    assert meaning("ARRÊT", words) == BARE
    assert meaning("ยกเลิก", words) == BARE
    assert meaning("baja por favor", words) == STOPS
    assert not is_stop("baja")


@given(st.text(max_size=80))
def test_it_is_total_and_a_bare_word_always_stops(text: str) -> None:
    found = meaning(text)
    assert found.review or found.stops
    assert is_stop(text) == (found == BARE)


# --- the text of the confirmation ------------------------------------------------------------------------------------


def read(folder: Path, table: str) -> Settings:
    (folder / "dialer.toml").write_text(SETTINGS + table, encoding="utf-8")
    return check.read_settings(folder / "dialer.toml", {})


@pytest.mark.parametrize(
    ("language", "text"),
    [("zh-CN", "own"), ("zh", "own"), ("en-US", confirmation.TEXTS["en"]), ("es", "own"), ("fr-CA", "fr"), ("", "own")],
)
def test_the_language_of_the_confirmation(tmp_path: Path, language: str, text: str) -> None:
    """The lender's is zh-CN."""
    settings = read(tmp_path, '[optout.confirmation]\nzh = "own"\nfr = "fr"\n')
    assert confirmation.template(settings, language) == text


def test_without_any_settings_there_are_texts(tmp_path: Path) -> None:
    settings = read(tmp_path, "")
    assert settings.optout.confirm
    assert confirmation.template(settings, "zh-CN") == confirmation.TEXTS["zh"]


@pytest.mark.parametrize(
    ("table", "faults"),
    [
        (
            '[optout.confirmation]\nzh = "{name}您好"\nen = "{amount} {lendr}"\nfr = "{"\n',
            [
                "17: optout.confirmation.zh: names {name}, which is no part of a confirmation; accepted: {lender} "
                "{lender_phone}",
                "18: optout.confirmation.en: names {amount}, which",
                "18: optout.confirmation.en: unknown name {lendr}; accepted: {lender} {lender_phone}",
                "19: optout.confirmation.fr: braces don't match",
            ],
        ),
        ("[optout]\nconfrm = true\n", ['17: optout.confrm: is not known, perhaps "confirm" is meant']),
        ('[optout.confirmation]\nzh = ""\n', ["17: optout.confirmation.zh: is empty"]),
        ('[optout.confirmation]\nklingonese = "x"\n', ["17: optout.confirmation.klingonese: is not a language"]),
    ],
)
def test_what_is_refused(tmp_path: Path, table: str, faults: list[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(tmp_path, table)
    found = [str(fault).removeprefix(f"{tmp_path}/dialer.toml:") for fault in caught.value.faults]
    assert [one.startswith(start) for one, start in zip(found, faults, strict=True)] == [True] * len(faults), found
