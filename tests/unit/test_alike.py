"""What workers go by: the settings and packs that all of them have to share, and nothing that is a worker's own."""

from pathlib import Path

import pytest

from config.settings import Settings
from dialer import check
from dialer.alike import SHARED, goes_by
from tests.support.scene import SETTINGS

PACK = """
[[rule]]
id = "own.records"
kind = "retention"
force = "standard"
actor = ["creditor"]
channels = ["voice"]
checked_on = 2026-01-02
keep_days = 731
effective_from = 2025-02-28
citation = "ours"
url = "http://example.org"
grade = "S"
"""


def settings(folder: Path, text: str = SETTINGS, pack: str = PACK) -> Settings:
    folder.mkdir()
    (folder / "own.toml").write_text(pack, encoding="utf-8")
    (folder / "dialer.toml").write_text(f'rules = ["own.toml"]\n{text}', encoding="utf-8")
    return check.read_settings(folder / "dialer.toml", {})


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("calls_per_second = 20", "calls_per_second = 21"),
        ('callers = ["+864001234567"]', 'callers = ["+864001234569"]'),
        ('time_zone = "Asia/Shanghai"', 'time_zone = "Asia/Urumqi"'),
        ("[transfers]", "[optout]\nconfirm = false\n[transfers]"),
        ('agents = "+864001234568"', 'agents = "+864001234560"'),
    ],
)
def test_what_says_whom_to_call_and_when_tells_them_apart(tmp_path: Path, was: str, now: str) -> None:
    assert was in SETTINGS
    one, other = settings(tmp_path / "a"), settings(tmp_path / "b", SETTINGS.replace(was, now))
    assert goes_by(one) != goes_by(other)


def test_so_does_the_text_of_a_pack(tmp_path: Path) -> None:
    one, other = settings(tmp_path / "a"), settings(tmp_path / "b", pack=f"{PACK}# another word\n")
    assert goes_by(one) != goes_by(other)


def test_a_workers_own_does_not(tmp_path: Path) -> None:
    own = '[web]\nport = 9090\n[log]\nlevel = "debug"\n[lines.main]'
    text = SETTINGS.replace("[lines.main]", own).replace("unused.db", "elsewhere.db")
    one, other = settings(tmp_path / "a"), settings(tmp_path / "b", text)
    assert (one.database, one.web.port, one.rules) != (other.database, other.web.port, other.rules)
    assert goes_by(one) == goes_by(other)


def test_nor_does_how_it_is_written(tmp_path: Path) -> None:
    own = 'callers = ["+864001234567"]\nallow_countries = ["CN"]\n'
    more = f'[lines.second]\nadapter = "mock"\nchannels = ["voice"]\n{own}'
    first, last = SETTINGS.replace("[lines.main]", f"{more}[lines.main]"), f"{SETTINGS}{more}"
    one, other = settings(tmp_path / "a", first), settings(tmp_path / "b", last.replace('"0.12"', '"0.120"'))
    assert [*one.lines] != [*other.lines]
    assert goes_by(one) == goes_by(other)


def test_each_setting_is_shared_or_a_workers_own() -> None:
    own = {"database", "web", "log", "digest", "adapters", "rules", "forget_key", "secrets"}
    assert set(Settings.model_fields) == SHARED | own
