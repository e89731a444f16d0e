"""[digest] in the settings: where it goes, what is refused, and that its secret stays one."""

from datetime import time
from pathlib import Path

import pytest

from config.settings import DigestSettings, Settings
from dialer import check
from dialer.errors import InvalidInput
from tests.support.scene import SETTINGS


def read(folder: Path, table: str, env: dict[str, str] | None = None) -> Settings:
    path = folder / "dialer.toml"
    path.write_text(f"{SETTINGS}[digest]\n{table}\n", encoding="utf-8")
    return check.read_settings(path, env or {})


def digest_of(folder: Path, table: str, env: dict[str, str] | None = None) -> DigestSettings:
    found = read(folder, table, env).digest
    assert found is not None
    return found


def refused(folder: Path, table: str, env: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        read(folder, table, env)
    return [str(fault).removeprefix(f"{folder}/") for fault in caught.value.faults]


def test_without_the_table_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "dialer.toml").write_text(SETTINGS, encoding="utf-8")
    assert check.read_settings(tmp_path / "dialer.toml", {}).digest is None


def test_the_hour_has_a_default_and_the_file_lies_beside_the_settings(tmp_path: Path) -> None:
    found = digest_of(tmp_path, 'file = "digests/{day}.html"')
    assert (found.at, found.language, found.file) == (time(21), None, f"{tmp_path}/digests/{{day}}.html")
    assert digest_of(tmp_path, 'at = "07:05"\nfile = "/var/a.txt"').file == "/var/a.txt"


def test_all_of_it(tmp_path: Path) -> None:
    table = (
        'language = "en"\ncommand = ["sendmail", "-t"]\nsender = "d@x.cn"\nto = ["a@x.cn"]\nurl = "https://x.cn/h?k=1"'
    )
    found = digest_of(tmp_path, table, {"DIALER_DIGEST__AUTHORIZATION": "Bearer 1"})
    assert (found.command, found.sender, found.to) == (("sendmail", "-t"), "d@x.cn", ("a@x.cn",))
    assert found.url == "https://x.cn/h?k=1"
    assert found.authorization is not None
    assert found.authorization.get_secret_value() == "Bearer 1"
    assert "Bearer" not in repr(found) + str(found) + found.model_dump_json()


def test_the_whole_table_may_come_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "dialer.toml").write_text(SETTINGS, encoding="utf-8")
    env = {"DIALER_DIGEST__COMMAND": '["mail"]', "DIALER_DIGEST__AT": "20:00"}
    found = check.read_settings(tmp_path / "dialer.toml", env).digest
    assert found is not None
    assert (found.command, found.at) == (("mail",), time(20))


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "dialer.toml").write_text(
        f'secrets = "s"\n{SETTINGS}[digest]\nurl = "https://x.cn"\n', encoding="utf-8"
    )
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "DIALER_DIGEST__AUTHORIZATION").write_text("Bearer 2\n")
    found = check.read_settings(tmp_path / "dialer.toml", {}).digest
    assert found is not None
    assert found.authorization is not None
    assert found.authorization.get_secret_value() == "Bearer 2"


FAULTS = [
    ("", "digest: goes nowhere; accepted: a file, a command or a url, or several of them"),
    ('at = "25:00"\nfile = "a.txt"', 'digest.at: is not a time of day; accepted: a time such as "09:30"'),
    ("command = []", "digest.command: is empty; accepted: a list"),
    ('command = "mail"', "digest.command: is text; accepted: a list"),
    ('file = "a.pdf"', 'digest.file: ends in ".pdf"; accepted: .html, .txt, or no suffix for both'),
    ('file = "{date}.html"', "digest.file: has a brace that is no {day}; accepted: {day}, the lender's day"),
    ('file = "out/"', 'digest.file: names no file; accepted: a file such as "digests/{day}.html"'),
    ('url = "ftp://x.cn"', "digest.url: is not a web address; accepted: a web address, with its query"),
    (
        'url = "https://me:pw@x.cn"',
        "digest.url: holds a user or a password; accepted: an address without, and `authorization`",
    ),
    (
        'command = ["m"]\nto = ["a@x.cn\\nBcc: b@x.cn"]',
        'digest.to[1]: is not a mail address; accepted: a mail address such as "desk@example.com"',
    ),
    ('langauge = "en"\nfile = "a.txt"', 'digest.langauge: is not known, perhaps "language" is meant; accepted: '),
]


@pytest.mark.parametrize(("table", "fault"), FAULTS)
def test_what_is_refused(tmp_path: Path, table: str, fault: str) -> None:
    (found,) = refused(tmp_path, table)
    assert found.startswith("dialer.toml:")
    assert found.split(": ", 1)[1].startswith(fault), found


def test_a_secret_in_the_file_is_a_fault_and_is_not_repeated(tmp_path: Path) -> None:
    (found,) = refused(tmp_path, 'url = "https://x.cn"\nauthorization = "Bearer s3cret"')
    assert "digest.authorization: is a secret; accepted: DIALER_DIGEST__AUTHORIZATION, or a secrets file" in found
    assert "s3cret" not in found


@pytest.mark.parametrize(
    ("table", "secret", "fault"),
    [
        ('file = "a.txt"', "Bearer s3cret", "has an authorization and no url"),
        ('url = "http://x.cn"', "Bearer s3cret", "would send its authorization unencrypted"),
        ('url = "https://x.cn"', "Bearer s3cret\nX: 1", "has an authorization that no header can hold"),
        ('url = "https://x.cn"', "Bearer 秘密s3cret", "has an authorization that no header can hold"),
    ],
)
def test_a_secret_goes_nowhere_but_encrypted_to_an_address(tmp_path: Path, table: str, secret: str, fault: str) -> None:
    (found,) = refused(tmp_path, table, {"DIALER_DIGEST__AUTHORIZATION": secret})
    assert fault in found
    assert "s3cret" not in found


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/h", "http://localhost/h", "http://[::1]/h"])
def test_the_own_machine_needs_no_encryption(tmp_path: Path, url: str) -> None:
    assert digest_of(tmp_path, f'url = "{url}"', {"DIALER_DIGEST__AUTHORIZATION": "x"}).url == url
