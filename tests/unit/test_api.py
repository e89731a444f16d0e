"""`POST /api/suppressions`: who may, what it takes, what it refuses, and what is true when it answers."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from config.settings import WebSettings
from dialer import check
from dialer.errors import InvalidInput
from dialer.web import app as web
from tests.support.scene import ALICE, BOB, SETTINGS, Scene, account, due, play

TOKEN = "0123456789abcdef"
PATH = "/api/suppressions"
Act = Callable[[Scene, httpx.AsyncClient], Awaitable[None]]


async def no_hooks(adapter: str, request: object) -> None:
    """No adapter is there."""


def with_api(folder: Path, act: Act, token: str | None = TOKEN) -> None:
    """Plays `act` with a client of the installation's web server."""

    async def play_it(scene: Scene) -> None:
        settings = scene.house.settings
        opened = WebSettings(token=SecretStr(token) if token else None)
        scene.house.settings = settings.model_copy(update={"web": opened})
        app = web.build(web.Ready, scene.house, no_hooks)  # type: ignore[arg-type]
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://d", headers=headers) as to:
            await scene.load(account(1, ALICE) + account(2, ALICE), due(1, "2026-01-15") + due(2, "2026-01-15"))
            await scene.launch()
            await act(scene, to)

    play(folder, "2026-01-13 08:00", play_it)


def faults_of(reply: httpx.Response, status: int = 422) -> list[str]:
    assert reply.status_code == status, reply.text
    assert set(reply.json()) == {"faults"}
    found: list[str] = reply.json()["faults"]
    return found


def test_what_was_queued_is_cancelled_when_it_answers(tmp_path: Path) -> None:
    async def act(scene: Scene, to: httpx.AsyncClient) -> None:
        reply = await to.post(PATH, json={"phone": "13800138001", "reason": "asked on the phone"})
        assert (reply.status_code, reply.json()) == (200, {"changed": True})
        assert {(row.person_id, row.state, row.reason) for row in scene.rows()} == {
            ("P-1", "cancelled", "opted_out"),
            ("P-2", "cancelled", "opted_out"),
        }
        (row,) = scene.rows("suppressions")
        assert (row.phone, row.person_id, row.channel, row.reason, row.source) == (
            ALICE, None, "", "asked on the phone", "api",
        )  # fmt: skip
        again = await to.post(PATH, json={"phone": ALICE, "reason": "once more"})
        assert (again.status_code, again.json()) == (200, {"changed": False})
        assert len(scene.rows("suppressions")) == 1

    with_api(tmp_path, act)


def test_a_person_a_channel_and_a_last_day(tmp_path: Path) -> None:
    async def act(scene: Scene, to: httpx.AsyncClient) -> None:
        body = {"person_id": "P-2", "channel": "voice", "reason": "in hospital", "until": "2026-01-14", "phone": None}
        assert (await to.post(PATH, json=body)).json() == {"changed": True}
        states = {(row.person_id, row.round): row.state for row in scene.rows()}
        assert states == {("P-1", 1): "planned", ("P-1", 2): "planned", ("P-2", 1): "cancelled", ("P-2", 2): "planned"}

    with_api(tmp_path, act)


@pytest.mark.parametrize(
    "header", ["", TOKEN, "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", "Bearer é"]
)
def test_without_the_token_nothing_is_done_and_nothing_is_read(tmp_path: Path, header: str) -> None:
    async def act(scene: Scene, to: httpx.AsyncClient) -> None:
        reply = await to.post(
            PATH, json={"phone": ALICE, "reason": "x"}, headers={"Authorization": header.encode("latin-1")}
        )
        assert faults_of(reply, 401)[0].startswith("authorization: is missing or wrong")
        assert reply.headers["www-authenticate"] == "Bearer"
        assert scene.rows("suppressions") == []

    with_api(tmp_path, act)


def test_without_a_token_in_the_settings_there_is_no_api(tmp_path: Path) -> None:
    async def act(scene: Scene, to: httpx.AsyncClient) -> None:
        assert (await to.post(PATH, json={"phone": ALICE, "reason": "x"})).status_code == 404
        assert (await to.get("/healthz")).status_code == 200

    with_api(tmp_path, act, token=None)


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({"reason": "x"}, ["phone: is empty, as is person_id; accepted: one of them, or both"]),
        ({"phone": BOB}, ["reason: is empty; accepted: why contact has to stop, up to 500 characters"]),
        ({"phone": BOB, "reason": " "}, ["reason: is empty"]),
        (
            {"phone": "12", "reason": "x", "channel": "fax", "until": "2026-02-30"},
            ["phone: ", 'channel: "fax" is not known', 'until: "2026-02-30" is no date'],
        ),
        ({"phone": BOB, "reason": "x", "until": "2026-01-12"}, ["until: 2026-01-12 is past"]),
        ({"phone": BOB, "reason": "x", "lift": True}, ["lift: is not known; accepted: phone, person_id, channel"]),
        ({"phone": 13800138001, "reason": ["x"]}, ["phone: is no text", "reason: is no text"]),
        (b'{"phone": "+8613800138002", "reason": "\\ud800"}', ["reason: is no text"]),
        ([], ["body: is no JSON object"]),
    ],
)
def test_all_that_is_wrong_is_told_and_nothing_is_changed(tmp_path: Path, body: Any, faults: list[str]) -> None:
    async def act(scene: Scene, to: httpx.AsyncClient) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        found = faults_of(await to.post(PATH, content=content))
        assert [one.startswith(start) for one, start in zip(found, faults, strict=True)] == [True] * len(faults), found
        assert all("; accepted: " in one for one in found)
        assert BOB not in str(found)
        assert scene.rows("suppressions") == []

    with_api(tmp_path, act)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 10_000, b"null"])
def test_what_is_no_json_is_a_fault_like_any_other(tmp_path: Path, body: bytes) -> None:
    async def act(scene: Scene, to: httpx.AsyncClient) -> None:
        assert faults_of(await to.post(PATH, content=body))[0].startswith("body: is no JSON object; accepted: ")

    with_api(tmp_path, act)


def test_a_body_too_long_is_not_read_to_its_end(tmp_path: Path) -> None:
    sent = []

    async def act(scene: Scene, to: httpx.AsyncClient) -> None:
        async def endless():  # type: ignore[no-untyped-def]
            for number in range(1_000):
                sent.append(number)
                yield b" " * 1024

        assert faults_of(await to.post(PATH, content=endless()), 413)
        assert scene.rows("suppressions") == []

    with_api(tmp_path, act)
    assert 16 <= len(sent) < 100


@pytest.mark.parametrize(
    ("line", "env", "fault"),
    [
        (
            f'token = "{TOKEN}"', {},
            "dialer.toml:17: web.token: is a secret; accepted: DIALER_WEB__TOKEN, or a secrets file",
        ),
        ("", {"DIALER_WEB__TOKEN": "short"}, "DIALER_WEB__TOKEN: is too weak"),
        ("", {"DIALER_WEB__TOKEN": "with a space in the middle"}, "DIALER_WEB__TOKEN: is too weak"),
    ],
)  # fmt: skip
def test_the_token_is_a_secret_and_a_strong_one(tmp_path: Path, line: str, env: dict[str, str], fault: str) -> None:
    path = tmp_path / "dialer.toml"
    path.write_text(f"{SETTINGS}[web]\n{line}\n", encoding="utf-8")
    with pytest.raises(InvalidInput) as caught:
        check.read_settings(path, env)
    (found,) = map(str, caught.value.faults)
    assert fault in found
    assert TOKEN not in found


def test_the_token_comes_from_the_environment_and_is_never_printed(tmp_path: Path) -> None:
    path = tmp_path / "dialer.toml"
    path.write_text(SETTINGS, encoding="utf-8")
    settings = check.read_settings(path, {"DIALER_WEB__TOKEN": TOKEN})
    assert settings.web.token is not None
    assert settings.web.token.get_secret_value() == TOKEN
    assert TOKEN not in repr(settings) + settings.model_dump_json()


def test_two_persons_on_two_phones(tmp_path: Path) -> None:
    """Only those whom it concerns are re-planned."""

    async def act(scene: Scene, to: httpx.AsyncClient) -> None:
        await scene.load(account(3, BOB), due(3, "2026-01-15"))
        await to.post(PATH, json={"phone": BOB, "reason": "x"})
        assert {row.state for row in scene.rows(phone=ALICE)} == {"planned"}
        assert {row.state for row in scene.rows(phone=BOB)} == {"cancelled"}

    with_api(tmp_path, act)
