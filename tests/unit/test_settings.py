"""Settings: the file, the secrets over it, the environment over both; paths; adapters."""

import socket
from datetime import time, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, SecretStr

from adapters.contract import Spec
from config.settings import Settings
from config.values import read_duration, read_money
from dialer import check
from dialer.errors import InvalidInput

SETTINGS = """\
database = "sqlite:///dialer.db"
lender = { name = "L", phone = "+864001234567", language = "en", currency = "CNY", country = "CN", time_zone = "UTC" }
[lines.main]
adapter = "fake"
channels = ["voice"]
callers = ["+864001234567"]
allow_countries = ["CN"]
"""


class FakeSettings(BaseModel):
    model_config = ConfigDict(extra="forbid")
    token: SecretStr = SecretStr("")
    journal: Path | None = None
    workers: int = 1


FAKE = Spec("fake", frozenset({"voice"}), True, FakeSettings, lambda own: own)


def load(name: str) -> Spec:
    if name == "broken":
        raise ImportError("broken: no module named sdk")
    if name != "fake":
        raise LookupError(name)
    return FAKE


def read(folder: Path, text: str = SETTINGS, env: dict[str, str] | None = None) -> Settings:
    path = folder / "dialer.toml"
    path.write_text(text, encoding="utf-8")
    return check.read_settings(path, env or {}, load)


def refused(folder: Path, text: str = SETTINGS, env: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        read(folder, text, env)
    assert caught.value.exit_code == 2
    return [str(fault).removeprefix(f"{folder}/") for fault in caught.value.faults]


def test_defaults(tmp_path: Path) -> None:
    settings = read(tmp_path)
    line = settings.lines["main"]
    assert (line.calls_per_second, line.calls_at_once, line.messages_per_second) == (1, 10, 1)
    assert (line.ring_timeout, line.time_limit) == (timedelta(seconds=30), timedelta(minutes=5))
    assert (line.price_per_minute, line.price_per_message, line.spend_max_per_day) == (0, 0, None)
    assert (line.hours, settings.transfers, settings.test_numbers, settings.rules) == ((), {}, (), ())
    assert (settings.house, settings.lender.actor) == ("house", "creditor")
    assert (settings.web.host, settings.web.port, settings.web.public_url) == (
        "127.0.0.1",
        8080,
        "http://127.0.0.1:8080",
    )


def test_what_a_line_may_say(tmp_path: Path) -> None:
    line = read(
        tmp_path,
        SETTINGS + 'hours = [["09:00", "12:30"]]\nspend_max_per_day = "5000.00"\nprice_per_minute = "0.125"\n',
    ).lines["main"]
    assert line.hours == ((time(9), time(12, 30)),)
    assert (line.spend_max_per_day, line.price_per_minute) == (Decimal("5000.00"), Decimal("0.125"))


def test_the_environment_overrides_the_file_key_by_key(tmp_path: Path) -> None:
    env = {
        "DIALER_LINES__MAIN__CALLS_PER_SECOND": "2.5",
        "DIALER_LINES__MAIN__CALLERS": '["+864001234568"]',
        "DIALER_LENDER__NAME": "12345",
        "DIALER_WEB__PORT": "9000",
        "DIALER_ADAPTERS__FAKE__TOKEN": "0123",
        "DIALER_CONFIG": "elsewhere.toml",
        "DIALER_TEST_NUMBERS": "no setting",
        "PATH": "/bin",
    }
    settings = read(tmp_path, env=env)
    line = settings.lines["main"]
    assert (line.calls_per_second, line.callers, line.adapter) == (2.5, ("+864001234568",), "fake")
    assert (settings.lender.name, settings.lender.currency, settings.web.port) == ("12345", "CNY", 9000)
    own = check.adapter_settings(FAKE, settings)
    assert isinstance(own, FakeSettings)
    assert own.token.get_secret_value() == "0123"


def test_a_whole_line_can_come_from_the_environment(tmp_path: Path) -> None:
    env = {f"DIALER_LINES__TWO__{key}": value for key, value in [
        ("ADAPTER", "fake"), ("CHANNELS", '["voice"]'), ("CALLERS", '["+864001234567"]'), ("ALLOW_COUNTRIES", '["US"]'),
    ]}  # fmt: skip
    assert read(tmp_path, env=env).lines["two"].allow_countries == ("US",)
    del env["DIALER_LINES__TWO__CALLERS"]
    (fault,) = refused(tmp_path, env=env)
    assert fault.startswith("environment: DIALER_LINES__TWO__ADAPTER: lines.two.callers is missing; accepted: a list")


def test_secrets_come_from_a_directory_and_the_environment_wins(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "DIALER_ADAPTERS__FAKE__TOKEN").write_text("from the file\n", encoding="utf-8")
    (folder / "dialer_lender__name").write_text("Name\n", encoding="utf-8")
    (folder / "other_secret").write_text("not ours", encoding="utf-8")
    settings = read(tmp_path, 'secrets = "secrets"\n' + SETTINGS, {"DIALER_LENDER__NAME": "Other"})
    assert str(settings.adapters["fake"]["token"]) == "**********"
    own = check.adapter_settings(FAKE, settings)
    assert isinstance(own, FakeSettings)
    assert own.token.get_secret_value() == "from the file"
    assert settings.lender.name == "Other"
    (folder / "DIALER_ADAPTERS__FAKE__TOKN").write_text("hush", encoding="utf-8")
    (fault,) = refused(tmp_path, env={"DIALER_SECRETS": "secrets"})
    assert fault == (
        "secrets/DIALER_ADAPTERS__FAKE__TOKN:1: DIALER_ADAPTERS__FAKE__TOKN: "
        'is not known, perhaps "token" is meant; accepted: token, journal, workers'
    )


def test_a_secret_that_is_too_short_is_not_called_empty(tmp_path: Path) -> None:
    accepted = "accepted: text of at least 16 characters"
    assert refused(tmp_path, env={"DIALER_FORGET_KEY": "short"}) == [
        f"environment: DIALER_FORGET_KEY: is too short; {accepted}"
    ]
    (fault,) = refused(tmp_path, env={"DIALER_FORGET_KEY": ""})
    assert fault == f"environment: DIALER_FORGET_KEY: is empty; {accepted}"


def test_no_value_of_a_secret_is_repeated(tmp_path: Path) -> None:
    faults = refused(
        tmp_path,
        env={"DIALER_DATABASE": "hush://hush", "DIALER_ADAPTERS__FAKE__WORKERS": "hush", "DIALER_HUSH": "hush"},
    )
    assert len(faults) == 3
    assert not any("hush" in fault for fault in faults)


def test_paths_are_relative_to_the_settings_files_folder(tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text(PACK, encoding="utf-8")
    text = 'rules = ["ours.toml"]\n' + SETTINGS + '[adapters.fake]\njournal = "sub/j.jsonl"\n'
    settings = read(tmp_path, text)
    assert settings.database == f"sqlite:///{tmp_path}/dialer.db"
    assert settings.rules == (tmp_path / "ours.toml",)
    assert settings.adapters["fake"]["journal"] == tmp_path / "sub/j.jsonl"
    assert read(tmp_path, SETTINGS.replace("///dialer.db", "////srv/d.db")).database == "sqlite:////srv/d.db"
    assert read(tmp_path, SETTINGS.replace("///dialer.db", "///:memory:")).database == "sqlite:///:memory:"


PACK = """\
[[rule]]
id = "ours.hours"
kind = "window"
force = "house"
actor = ["creditor"]
channels = ["voice"]
open = [{ days = "all", from = "13:00", until = "14:00" }]
citation = "ours"
url = "ours"
grade = "H"
checked_on = 2026-11-23
"""


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (
            'kind = "window"',
            'kind = "windw"',
            'ours.toml:3: rule[1].kind: "windw" is not known, perhaps "window" is meant',
        ),
        ('kind = "window"\n', "", "ours.toml:1: rule[1].kind: is missing; accepted: cap, consent, content, cooloff"),
        ('citation = "ours"\n', "", "ours.toml:1: rule[1].citation: is missing; accepted: text that is not empty"),
        (
            "citation",
            "citaton",
            'ours.toml:8: rule[1].citaton: is not known, perhaps "citation" is meant; accepted: id',
        ),
        ('"14:00"', '"12:00"', "ours.toml:7: rule[1].open[1]: until 12:00 is not after from 13:00; a window ends on"),
        ("[[rule]]", "[[rul]]", 'ours.toml:1: rul: is not known, perhaps "rule" is meant; accepted: name, rule'),
    ],
)
def test_a_faulty_pack_is_told_like_any_file(tmp_path: Path, old: str, new: str, fault: str) -> None:
    (tmp_path / "ours.toml").write_text(PACK.replace(old, new), encoding="utf-8")
    faults = refused(tmp_path, 'rules = ["ours.toml"]\n' + SETTINGS)
    assert any(told.startswith(fault) for told in faults), faults


def test_an_adapter_is_checked_against_what_it_can(tmp_path: Path) -> None:
    both = SETTINGS.replace('["voice"]', '["voice", "sms"]')
    assert refused(tmp_path, both) == [
        'dialer.toml:5: lines.main.channels[2]: the adapter "fake" has no sms; accepted: voice'
    ]
    (fault,) = refused(tmp_path, SETTINGS.replace('"fake"', '"broken"'))
    assert fault.startswith("dialer.toml:4: lines.main.adapter: broken: no module named sdk; accepted: ")


@pytest.mark.parametrize(("text", "seconds"), [("1s", 1), ("30s", 30), ("10m", 600), ("2h", 7200), ("1d", 86400)])
def test_durations(text: str, seconds: int) -> None:
    assert read_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "s", "30", "30S", "1.5h", "-1s", "1h30m", "0s", "2d", "٣s", 30, None])
def test_no_durations(text: object) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        read_duration(text)


@given(st.decimals(min_value=0, max_value=10**11, places=4))
def test_money_is_exact(amount: Decimal) -> None:
    assert read_money(f"{amount:f}") == amount


@pytest.mark.parametrize("text", ["", "1,00", "1e3", "-1", "+1", ".5", "1.", "NaN", "Infinity", 1, 1.5, "１"])
def test_no_money(text: object) -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        read_money(text)


def test_what_is_no_settings_file_is_told_as_one_fault(tmp_path: Path) -> None:
    assert refused(tmp_path, "# nothing yet\n") == [
        "dialer.toml:1: file: is empty; `dialer init` writes one that works"
    ]
    campaign = 'format = 1\nname = "x"\n[[segment]]\nname = "A"\n'
    assert refused(tmp_path, campaign) == [
        "dialer.toml:1: file: is a campaign, not settings; name the settings with --config, the campaign without"
    ]


@pytest.mark.parametrize(
    ("host", "wrong"),
    [
        ("127.0.0.1", ""),
        ("0.0.0.0", ""),
        ("localhost", ""),
        ("192.0.2.1", "is no address of this machine"),
        ("256.1.1.1", "is no address, and no name that can be resolved"),
        ("a..b", "is no address, and no name that can be resolved"),
    ],
)
def test_the_daemon_can_listen_at_its_host(host: str, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo

    def from_this_machine(name: str, port: int, **kwargs: int) -> object:
        """No name server is asked by a test."""
        return resolve(name, port, flags=0 if name == "localhost" else socket.AI_NUMERICHOST, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", from_this_machine)
    assert check.unbindable(host) == wrong


def test_a_name_that_nobody_answers_for_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    never = Event()
    monkeypatch.setattr(check, "RESOLVE_S", 0.05)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: never.wait(30))
    assert check.unbindable("slow.example") == "could not be resolved in 0.05 s"
    never.set()


def test_an_adapter_that_is_registered_twice_is_not_called_unknown(tmp_path: Path) -> None:
    def twice(name: str) -> Spec:
        raise LookupError("the adapter 'mock' is registered more than once: a:A, b:B")

    path = tmp_path / "dialer.toml"
    path.write_text(SETTINGS.replace('"fake"', '"mock"'), encoding="utf-8")
    with pytest.raises(InvalidInput) as caught:
        check.read_settings(path, {}, twice)
    assert "registered more than once: a:A, b:B" in str(caught.value)


def test_a_postgres_address_is_told_how_it_is_written(tmp_path: Path) -> None:
    wrong = "begins with postgres://, which is written postgresql:// here; accepted: sqlite:///FILE"
    (told,) = refused(tmp_path, SETTINGS.replace("sqlite:///dialer.db", "postgres://dialer@db/dialer"))
    assert told.startswith(f"dialer.toml:1: database: {wrong}")
    (told,) = refused(tmp_path, env={"DIALER_DATABASE": "postgres://dialer:hush@db/dialer"})
    assert told.startswith(f"environment: DIALER_DATABASE: {wrong}")
    assert "hush" not in told
