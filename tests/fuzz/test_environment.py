"""DIALER_… variables and secrets of whatever kind: a setting, or a fault at the variable."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import settings as config_settings
from dialer import check
from dialer.errors import InvalidInput
from tests.fuzz.support import LINE, SHORT_AND_LONG, TEXT, fuzz
from tests.support.scene import SETTINGS

NAMES = st.sampled_from(
    [
        "DATABASE",
        "LENDER",
        "LENDER__NAME",
        "LENDER__PHONE",
        "LENDER__TIME_ZONE",
        "LINES",
        "LINES__MAIN",
        "LINES__MAIN__CALLERS",
        "LINES__MAIN__CALLS_PER_SECOND",
        "LINES__MAIN__HOURS",
        "LINES__NEW__ADAPTER",
        "WEB__PORT",
        "WEB__HOST",
        "WEB__TOKEN",
        "RULES",
        "HOUSE",
        "UNVERIFIED",
        "RELAXED",
        "TRANSFERS",
        "TRANSFERS__AGENTS",
        "TEST_NUMBERS",
        "ADAPTERS__MOCK__SEED",
        "ADAPTERS__MOCK__PROFILE",
        "ADAPTERS__MOCK",
        "ADAPTERS",
        "DIGEST__AT",
        "DIGEST",
        "DIGEST__TO",
        "FORGET_KEY",
        "SECRETS",
        "LOG__LEVEL",
        "CONFIRMATION",
        "",
        "_",
        "__",
        "____",
        "LENDER__",
        "__NAME",
        "LINES__",
        "LINES____ADAPTER",
        "LENDER__NAME__X",
        "XX",
        "A" * 300,
        "LINES" + "__A" * 200,
    ]
)
VALUES = st.one_of(
    TEXT,
    st.sampled_from(
        [
            "[" * 100_000,
            "{" * 300,
            '{"a":' * 3_000,
            "[]",
            "{}",
            "null",
            "1e400",
            "NaN",
            "[1,[2,[3]]]",
            '{"a": {"b": {"c": 1}}}',
            "9" * 5_000,
            "-0",
            "1_000",
            '{"main": null}',
            '{"main": {"adapter": "mock"}}',
            '["\\ud800"]',
            "\udcff",
            '"x"',
            "true",
            " 1 ",
            "sqlite:////dev/full/x",
        ]
    ),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    ).map(lambda value: json.dumps(value)),
)


@SHORT_AND_LONG
def test_any_variable_is_a_setting_or_a_fault(times: int, tmp_path: Path) -> None:
    path = tmp_path / "dialer.toml"
    path.write_text(SETTINGS, encoding="utf-8")

    @fuzz(times * 300)
    @given(st.dictionaries(NAMES.map("DIALER_{}".format), VALUES, max_size=4))
    def every(env: dict[str, str]) -> None:
        try:
            check.read_settings(path, env)
        except InvalidInput as refused:
            told = [str(fault) for fault in refused.faults]
        else:
            told = []
        assert all(LINE.fullmatch(line) and len(line) < 5_000 for line in told), told

    every()


@SHORT_AND_LONG
def test_any_secret_is_a_setting_or_a_fault(times: int, tmp_path: Path) -> None:
    (tmp_path / "dialer.toml").write_text('secrets = "s"\n' + SETTINGS, encoding="utf-8")
    (tmp_path / "s").mkdir()

    @fuzz(times * 60)
    @given(NAMES, st.one_of(st.binary(max_size=40), VALUES.map(lambda text: text.encode("utf-8", "replace"))))
    def every(name: str, content: bytes) -> None:
        if len(name) > 200 or "\0" in name:
            return
        file = tmp_path / "s" / f"DIALER_{name}"
        file.write_bytes(content)
        try:
            _, _, found = config_settings.read(tmp_path / "dialer.toml", {})
        finally:
            os.unlink(file)
        assert all(LINE.fullmatch(str(fault)) for fault in found), found

    every()


def test_a_secret_too_long_is_refused_and_not_cut(tmp_path: Path) -> None:
    (tmp_path / "dialer.toml").write_text('secrets = "s"\n' + SETTINGS, encoding="utf-8")
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "DIALER_FORGET_KEY").write_text("x" * 65_537)
    _, _, found = config_settings.read(tmp_path / "dialer.toml", {})
    assert "accepted: a readable directory of text files up to 65,536 bytes" in str(found[0])


def test_a_deep_value_is_a_fault_of_its_variable(tmp_path: Path) -> None:
    path = tmp_path / "dialer.toml"
    path.write_text(SETTINGS, encoding="utf-8")
    with pytest.raises(InvalidInput) as caught:
        check.read_settings(path, {"DIALER_RULES": "[" * 100_000})
    assert str(caught.value).startswith("environment: DIALER_RULES: is not JSON; accepted: a list")
