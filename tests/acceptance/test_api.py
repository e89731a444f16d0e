"""The API of a real daemon: a suppression is in force, and its attempts are cancelled, when the answer comes."""

import json
import socket
import urllib.error
import urllib.request
from pathlib import Path

from tests.support.live import Installation, installation

TOKEN = "a-token-of-the-lender"


def suppress(here: Installation, token: str, **fields: str) -> tuple[int, object]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{here.port}/api/suppressions",
        json.dumps(fields).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def listens(here: Installation) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", here.port)) == 0


def test_the_api_of_a_daemon(tmp_path: Path) -> None:
    here = installation(tmp_path, 3)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "DIALER_WEB__TOKEN").write_text(f"{TOKEN}\n")
    settings = tmp_path / "dialer.toml"
    settings.write_text('secrets = "secrets"\n' + settings.read_text())
    here.dialer("import", "accounts", "accounts.csv")
    here.dialer("import", "installments", "installments.csv")
    here.dialer("halt", "--reason", "test")
    here.dialer("launch", "now.toml")
    with here.daemon():
        here.wait("it listens", lambda: listens(here))
        assert suppress(here, "wrong", phone="+6591230001", reason="asked")[0] == 401
        assert suppress(here, TOKEN, phone="+6591230001", reason="asked") == (200, {"changed": True})
        states = {one["person_id"]: (one["state"], one["reason"]) for one in here.attempts()}
        assert states["P-1"] == ("cancelled", "opted_out")
        assert states["P-0"] == states["P-2"] == ("planned", None)
        here.dialer("unhalt")
        here.wait("the others are called", lambda: len(here.journal()) == 2)
    assert {one["to"] for one in here.journal()} == {"+6591230000", "+6591230002"}
    assert TOKEN not in (tmp_path / "daemon.log").read_text()
