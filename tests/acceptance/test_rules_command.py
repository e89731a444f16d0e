"""`dialer rules`: what is listed, what is told to bind, and what `check` says of a pack of one's own."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path

import pytest

from campaigns.ruleset import binds_reminders
from dialer import rulelist
from dialer.clock import SystemClock
from dialer.packs import read_pack, shipped_files
from dialer.rulelist import Whom, why_not
from tests.support.command import Done, run

FAULTS = Path(__file__).parent / "faults"
SETTINGS = (FAULTS / "dialer.toml").read_text(encoding="utf-8")
PACK = (FAULTS / "ours.toml").read_text(encoding="utf-8")
LAW = PACK.replace('"house"', '"law"').replace('"H"', '"S"')

Command = Callable[..., Done]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DIALER_CONFIG", raising=False)


@pytest.fixture
def dialer(capsys: pytest.CaptureFixture[str]) -> Command:
    return lambda *words: run(capsys, *words)


def told(done: Done) -> dict[str, dict[str, str]]:
    """Rule id → what is said of it."""
    assert done.code == 0, done
    return {rule["id"]: rule for pack in json.loads(done.out)["packs"] for rule in pack["rules"]}


def checked_on() -> date:
    """A day that is neither long ago nor ahead."""
    return SystemClock().now().date() - timedelta(days=1)


def of_today(text: str) -> str:
    return text.replace("2026-11-23", str(checked_on()))


def test_without_settings_the_shipped_packs_are_listed(dialer: Command) -> None:
    done = dialer("rules")
    assert (done.code, done.err) == (0, "")
    for name, file in shipped_files().items():
        pack, _ = read_pack(name, file)
        assert pack is not None
        assert f"config/rules/{name}.toml" in done.out
        assert all(rule.id in done.out for rule in pack.rules)
    assert "there is no dialer.toml here" in " ".join(done.out.split())
    assert "not legal advice" in " ".join(done.out.split())


def test_settings_that_were_named_and_are_not_there_are_a_fault(dialer: Command) -> None:
    done = dialer("rules", "--config", "nowhere.toml")
    assert done.code == 2
    assert done.err.startswith("nowhere.toml:1: file: does not exist")


def test_it_tells_why_a_rule_does_not_bind(dialer: Command) -> None:
    found = told(dialer("rules", "--json"))
    assert found["cn-gbt.hours"]["binds"] is True
    assert {id_: found[id_]["why_not"] for id_ in (
        "us-regf.7in7", "us-tcpa.abandon", "us-tcpa.reassigned", "house.gap",
    )} == {
        "us-regf.7in7": "only third party",
        "us-tcpa.abandon": "only solicitation",
        "us-tcpa.reassigned": "off: unverified",
        "house.gap": "",
    }  # fmt: skip


def test_the_settings_decide_what_binds(dialer: Command) -> None:
    settings = 'unverified = ["us-tcpa.reassigned"]\nrelaxed = ["house.gap"]\nrules = ["ours.toml"]\n'
    Path("dialer.toml").write_text(
        settings + SETTINGS.replace("[lender]", '[lender]\nactor = "third_party"'), encoding="utf-8"
    )
    Path("ours.toml").write_text(PACK, encoding="utf-8")
    found = told(dialer("rules", "--json"))
    assert found["us-regf.7in7"]["binds"]
    assert found["us-tcpa.reassigned"]["binds"]
    assert found["house.gap"]["why_not"] == "off: relaxed"
    assert found["ours.daily"]["why_not"] == "only creditor"
    assert "as dialer.toml says" in " ".join(dialer("rules").out.split())


@pytest.mark.parametrize("day", [date(2026, 8, 31), date(2026, 9, 1), date(2026, 12, 31), date(2027, 1, 1)])
def test_a_rule_binds_on_the_days_it_is_in_force(day: date) -> None:
    pack, _ = read_pack("us-ny-nyc", shipped_files()["us-ny-nyc"])
    assert pack is not None
    old, new = (why_not(rule, Whom(), day) for rule in pack.rules)
    assert old == ("until 2026-12-31" if day > date(2026, 12, 31) else "")
    assert new == ("from 2026-09-01" if day < date(2026, 9, 1) else "")


@pytest.mark.parametrize("actor", ["creditor", "third_party"])
def test_what_is_told_to_bind_is_what_the_gate_takes(actor: str) -> None:
    relaxed, unverified = frozenset({"co-2300.strict"}), frozenset({"us-wv.30in7"})
    whom = Whom(actor, unverified, relaxed)
    for name, file in shipped_files().items():
        pack, _ = read_pack(name, file)
        assert pack is not None
        for rule in pack.rules:
            dated = why_not(rule, whom, checked_on()).startswith(("from ", "until "))
            told_to_bind = not why_not(rule, whom, checked_on()) or dated
            assert told_to_bind == binds_reminders(rule, **asdict_of(whom)), rule.id


def asdict_of(whom: Whom) -> dict[str, object]:
    found = asdict(whom)
    return {"actor": found["actor"], "grade_m": found["unverified"], "relaxed": found["relaxed"]}


def test_a_pack_in_full_tells_quote_note_address_and_what_waives(dialer: Command) -> None:
    text = " ".join(dialer("rules", "ca-qc", "cn").out.split())
    for words in (
        "except on days other than Sundays and holidays", "https://www.opc.gouv.qc.ca", "checked on 2026-11-27",
        "waive agreed_hours", "in force from 2025-02-28", "force, grade law, P", "2026-04-06",
    ):  # fmt: skip
        assert words in text, words
    assert "us-regf" not in text


def test_a_list_fits_a_narrow_terminal(dialer: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from dialer.cli import rules

    for width in (80, 120):
        monkeypatch.setattr(rules.out, "_width", width)
        lines = dialer("rules").out.splitlines()
        assert max(map(len, lines)) <= width
        assert ("source" in lines[0]) == (width == 120)


# --- check --------------------------------------------------------------------------------------------------------


def test_a_good_pack_is_valid_and_needs_no_settings(dialer: Command) -> None:
    Path("ours.toml").write_text(of_today(PACK), encoding="utf-8")
    Path("dialer.toml").write_text("broken = ", encoding="utf-8")
    done = dialer("rules", "check", "ours.toml")
    assert (done.code, done.out, done.err) == (0, "ours.toml: valid, 2 rules\n", "")
    answer = json.loads(dialer("rules", "check", "ours.toml", "--json").out)
    assert ([pack["name"] for pack in answer["packs"]], answer["warnings"]) == (["ours"], [])


def test_all_faults_of_all_files_are_told_at_once_and_nothing_is_valid(dialer: Command) -> None:
    Path("good.toml").write_text(of_today(PACK), encoding="utf-8")
    Path("ours.toml").write_text(PACK.replace("citation", "citaton").replace("max = 3", "max = 0"), encoding="utf-8")
    Path("more.toml").write_text(PACK.replace('kind = "cap"', 'kind = "cup"'), encoding="utf-8")
    done = dialer("rules", "check", "good.toml", "ours.toml", "more.toml", "nowhere.toml")
    assert (done.code, done.out) == (2, "")
    assert [line.split(": ")[:2] for line in done.err.splitlines()] == [
        ["more.toml:15", "rule[2].kind"],
        ["nowhere.toml:1", "file"],
        ["ours.toml:8", "rule[1].citaton"],
        ["ours.toml:19", "rule[2].max"],
        ["ours.toml:22", "rule[2].citaton"],
    ]


def test_it_warns_of_what_is_allowed_and_unwise(dialer: Command) -> None:
    old = checked_on() - timedelta(days=366)
    text = LAW.replace("2026-11-23", str(old), 1).replace('grade = "S"', 'grade = "M"', 1)
    text = of_today(text.replace("ours.daily", "house.daily"))
    Path("cn.toml").write_text(text, encoding="utf-8")
    done = dialer("rules", "check", "cn.toml")
    assert done.code == 0
    assert done.out.splitlines() == [
        'warning: cn.toml:1: file: "cn" is the name of a pack that the program ships; the settings want another',
        'warning: cn.toml:10: rule[1].grade: from memory: off, unless the settings say unverified = ["ours.hours"]',
        f"warning: cn.toml:11: rule[1].checked_on: last compared with its source on {old}, more than a year ago; "
        "look again",
        "warning: cn.toml:14: rule[2].id: house.daily is an id of the pack house too; "
        "beside it the two must be the same rule",
        "cn.toml: valid, 2 rules",
    ]  # fmt: skip


def test_a_pack_is_known_by_its_files_name_alone(dialer: Command) -> None:
    Path("de.toml").write_text('name = "ours"\n' + of_today(PACK), encoding="utf-8")
    Path("cn.toml").write_text('name = "ours"\n' + of_today(PACK), encoding="utf-8")
    (other,) = json.loads(dialer("rules", "check", "de.toml", "--json").out)["warnings"]
    assert (other["line"], other["field"]) == (1, "name")
    assert other["text"] == 'nothing knows it by this name, but by its file\'s, "de": leave it out'
    texts = [one["text"] for one in json.loads(dialer("rules", "check", "cn.toml", "--json").out)["warnings"]]
    assert any('"cn" is the name of a pack that the program ships' in text for text in texts)


def test_two_files_with_one_id_and_a_day_that_lies_ahead_are_warned_of(dialer: Command) -> None:
    ahead = checked_on() + timedelta(days=30)
    Path("one.toml").write_text(of_today(PACK), encoding="utf-8")
    Path("two.toml").write_text(PACK.replace("2026-11-23", str(ahead)), encoding="utf-8")
    texts = [
        one["text"] for one in json.loads(dialer("rules", "check", "one.toml", "two.toml", "--json").out)["warnings"]
    ]
    assert sum("lies ahead" in text for text in texts) == 2
    assert sum("is an id of two.toml too" in text for text in texts) == 2
    assert sum("is an id of one.toml too" in text for text in texts) == 2


def test_a_shipped_pack_is_not_warned_of_against_itself() -> None:
    files = [Path(str(file)) for file in shipped_files().values()]
    packs, warnings = rulelist.check_packs(files, Whom(), date(2026, 12, 1))
    assert len(packs) == len(files)
    assert {one.field.rpartition(".")[2] for one in warnings} == {"grade"}
