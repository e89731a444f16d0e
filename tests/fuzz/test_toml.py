"""Settings, campaigns and rule packs of whatever kind: valid, or faults in their one form."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.files import DEPTH_MAX, FAULTS_MAX, SIZE_MAX, FaultyFile, parse_toml
from tests.fuzz.support import LINE, ODD, SHORT_AND_LONG, TEXT, fuzz, hostile, lines_mutated, mutated
from tests.support.scene import CAMPAIGN, SETTINGS

PACK = (Path(__file__).parent.parent.parent / "config" / "rules" / "house.toml").read_text(encoding="utf-8")
OWN = SETTINGS.replace("[transfers]", '[adapters.mock]\njournal = "j.jsonl"\n[web]\nport = 8081\n[transfers]')
FIXED = {
    "settings": (OWN, ("check",), "dialer.toml"),
    "campaign": (CAMPAIGN, ("check", "campaign.toml"), "campaign.toml"),
    "pack": (PACK, ("rules", "check", "own.toml"), "own.toml"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for sample, _, name in FIXED.values():
        Path(name).write_text(sample, encoding="utf-8")
    return tmp_path


@SHORT_AND_LONG
@pytest.mark.parametrize("kind", FIXED)
def test_a_damaged_file_is_valid_or_its_faults_are_told(
    kind: str, times: int, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample, words, name = FIXED[kind]

    @fuzz(times * 45)
    @given(st.one_of(lines_mutated(sample), mutated(sample.encode())))
    def every(text: bytes) -> None:
        (folder / name).write_bytes(text)
        hostile(capsys, folder, *words)

    every()


KEYS = st.one_of(st.text("abcxyz-_", min_size=1, max_size=6), TEXT.map(lambda text: '"' + _escaped(text) + '"'))
VALUES = st.recursive(
    st.one_of(
        st.integers().map(str), st.floats().map(lambda f: str(f).replace("e", "E")),
        st.booleans().map(lambda b: str(b).lower()),
        st.dates().map(str), st.times().map(str), st.datetimes().map(lambda t: t.isoformat()), KEYS,
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda some: f"[{', '.join(some)}]"),
        st.lists(st.tuples(KEYS, inner), max_size=4).map(
            lambda some: "{ " + ", ".join(f"{k} = {v}" for k, v in some) + " }"
        ),
    ),
    max_leaves=12,
)  # fmt: skip


def _escaped(text: str) -> str:
    return "".join(c if c.isprintable() and c not in '"\\' else f"\\u{ord(c):04x}" for c in text if ord(c) < 0x10000)


def _line() -> st.SearchStrategy[str]:
    dotted = st.lists(KEYS, min_size=1, max_size=5).map(".".join)
    return st.one_of(
        st.builds("{} = {}".format, dotted, VALUES), dotted.map("[{}]".format), dotted.map("[[{}]]".format), ODD
    )  # fmt: skip


@SHORT_AND_LONG
def test_any_toml_is_read_with_the_line_of_every_key(times: int) -> None:
    @fuzz(times * 250)
    @given(
        st.one_of(st.lists(_line(), max_size=8).map(lambda lines: "\n".join(lines).encode()), st.binary(max_size=80))
    )
    def every(content: bytes) -> None:
        try:
            document = parse_toml(content, "f.toml")
        except FaultyFile as refused:
            told = str(refused)
        else:
            told = ""
        if told:
            assert LINE.fullmatch(told)
            return
        count = document.text.count("\n") + 1
        assert all(1 <= line <= count for line in document.lines.values())
        assert all((key,) in document.lines for key in document.data)

    every()


N = 200_000
WORST = {
    "lists in lists": b"a = " + b"[" * N + b"]" * N,
    "lists without an end": b"a = " + b"[" * 2 * N,
    "tables in tables": b"a = " + b"{a=" * N + b"1" + b"}" * N,
    "a key of many parts": b".".join([b"a"] * N) + b" = 1",
    "quoted parts": b' . '.join([b'"a"', b"'b'"] * (N // 5)) + b" = 1",
    "a table of many parts": b"[" + b".".join([b"a"] * N) + b"]",
    "a list of tables of many parts": b"[[" + b".".join([b"a"] * N) + b"]]",
    "a number of many digits": b"a = " + b"9" * N,
    "quotes": b'"' * 4 * N,
    "escapes": b'a = "' + b"\\u" * N + b'"',
    "returns": b"a = 1\r" * N,
}  # fmt: skip


@pytest.mark.parametrize("worst", WORST)
def test_what_costs_a_parser_most_is_refused_at_once(worst: str) -> None:
    """tomllib takes time and memory that grow with the square of a key's parts: 400 KB were the machine's end."""
    begun = time.perf_counter()
    with pytest.raises(FaultyFile) as caught:
        parse_toml(WORST[worst], "f.toml")
    assert time.perf_counter() - begun < 5
    assert len(str(caught.value)) < 300
    if "in" in worst or "parts" in worst:
        assert f"nests too deep; accepted: at most {DEPTH_MAX} levels" in str(caught.value)


def test_a_file_too_large_is_not_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "campaign.toml").write_bytes(CAMPAIGN.encode() + b"#" * SIZE_MAX)
    done = hostile(capsys, folder, "check", "campaign.toml")
    assert (done.code, done.err) == (2, "campaign.toml:1: file: is too large; accepted: at most 1,048,576 bytes\n")


@pytest.mark.parametrize("kind", FIXED)
def test_thousands_of_faults_are_told_in_part(kind: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample, words, name = FIXED[kind]
    begun = time.perf_counter()
    (folder / name).write_text("".join(f"key{n} = {n}\n" for n in range(20_000)) + sample, encoding="utf-8")
    done = hostile(capsys, folder, *words)
    assert done.code == 2
    lines = done.err.splitlines()
    assert len(lines) in (FAULTS_MAX, FAULTS_MAX + 1)
    assert "more faults" in done.err
    assert time.perf_counter() - begun < 20


def test_a_key_of_control_characters_stays_on_its_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "campaign.toml").write_text('"a\\n\\u001b[2Jb" = 1\n' + CAMPAIGN, encoding="utf-8")
    done = hostile(capsys, folder, "check", "campaign.toml")
    assert done.err.startswith('campaign.toml:1: "a??[2Jb": is not known; accepted: format, name')
    assert done.err.count("\n") == 1


def test_line_100_is_a_number(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rich makes an emoji of `:100:`."""
    (folder / "campaign.toml").write_text("\n" * 99 + "wrong = 1\n" + CAMPAIGN, encoding="utf-8")
    assert hostile(capsys, folder, "check", "campaign.toml").err.startswith("campaign.toml:100: wrong: is not known; ")
