"""`/hooks/…`: which adapter is asked, with what, how much is read, and what is counted."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from adapters.contract import HookReply, HookRequest
from dialer.web import app as web
from tests.support.scene import Scene, play

Act = Callable[[Scene, httpx.AsyncClient, list[HookRequest]], Awaitable[None]]


def with_hooks(folder: Path, act: Act, reply: HookReply | Exception) -> None:
    async def play_it(scene: Scene) -> None:
        taken: list[HookRequest] = []

        async def answer(name: str, request: HookRequest) -> HookReply:
            taken.append(request)
            if isinstance(reply, Exception):
                raise reply
            assert name == "mock"
            return reply

        app = web.build(web.Ready, scene.house, answer)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://d") as client:
            await act(scene, client, taken)

    play(folder, "2026-01-13 08:00", play_it)


def test_the_adapter_gets_the_request_as_it_came(tmp_path: Path) -> None:
    async def act(scene: Scene, client: httpx.AsyncClient, taken: list[HookRequest]) -> None:
        reply = await client.post("/hooks/mock/a%2Fb/c?x=%201&y=2", content=b"raw\xff", headers={"X-Signed": "s"})
        assert (reply.status_code, reply.text, reply.headers["content-type"]) == (
            201,
            "<a/>",
            "text/xml; charset=utf-8",
        )
        (one,) = taken
        assert (one.method, one.path, one.query, one.body) == ("POST", "/hooks/mock/a%2Fb/c", "x=%201&y=2", b"raw\xff")
        assert one.headers["x-signed"] == "s"
        assert (await client.get("/healthz")).json() == {"status": "ok", "hooks": {"mock": {"201": 1}}}

    with_hooks(tmp_path, act, HookReply(201, "<a/>", "text/xml"))


def test_an_adapter_that_no_line_uses_is_not_there_and_not_counted(tmp_path: Path) -> None:
    async def act(scene: Scene, client: httpx.AsyncClient, taken: list[HookRequest]) -> None:
        assert (await client.post("/hooks/other/x")).status_code == 404
        assert (await client.post("/hooks/more/x", content=b"a" * 70_000)).status_code == 404
        assert (await client.get("/healthz")).json()["hooks"] == {}

    with_hooks(tmp_path, act, HookReply())


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", "/hooks/mock/x", 200),
        ("PUT", "/hooks/mock/x", 405),
        ("POST", "/hooks/mock", 307),
        ("GET", "/hooks", 404),
    ],
)
def test_what_is_no_hook_in_every_respect(tmp_path: Path, method: str, path: str, status: int) -> None:
    async def act(scene: Scene, client: httpx.AsyncClient, taken: list[HookRequest]) -> None:
        assert (await client.request(method, path)).status_code == status

    with_hooks(tmp_path, act, HookReply())


def test_of_a_header_that_comes_twice_the_first_counts(tmp_path: Path) -> None:
    async def act(scene: Scene, client: httpx.AsyncClient, taken: list[HookRequest]) -> None:
        await client.post("/hooks/mock/x", headers=[("x-signed", "a"), ("x-signed", "b")])
        assert taken[0].headers["x-signed"] == "a"

    with_hooks(tmp_path, act, HookReply())


def test_an_answer_without_a_body_says_no_length(tmp_path: Path) -> None:
    async def act(scene: Scene, client: httpx.AsyncClient, taken: list[HookRequest]) -> None:
        reply = await client.post("/hooks/mock/x")
        assert (reply.status_code, reply.content, "content-length" in reply.headers) == (204, b"", False)

    with_hooks(tmp_path, act, HookReply(204))


@pytest.mark.parametrize(("size", "status"), [(64 * 1024, 200), (64 * 1024 + 1, 413)])
def test_a_body_is_read_up_to_64_kib(tmp_path: Path, size: int, status: int) -> None:
    async def act(scene: Scene, client: httpx.AsyncClient, taken: list[HookRequest]) -> None:
        assert (await client.post("/hooks/mock/x", content=b"a" * size)).status_code == status
        assert len(taken) == (status == 200)

    with_hooks(tmp_path, act, HookReply())


def test_what_can_not_be_taken_now_may_come_again(tmp_path: Path) -> None:
    async def act(scene: Scene, client: httpx.AsyncClient, taken: list[HookRequest]) -> None:
        with capture_logs() as said:
            reply = await client.post("/hooks/mock/x")
            await client.post("/hooks/mock/x")
            await scene.until("2026-01-13 08:02")
            await client.post("/hooks/mock/x")
        assert reply.status_code == 503
        assert "locked" not in reply.text
        told = [(line["event"], line["so_many"], line["error"]) for line in said]
        assert told == [("hook_failed", many, "RuntimeError: database is locked") for many in (1, 3)]

    with_hooks(tmp_path, act, RuntimeError("database is locked"))


def test_refusals_are_counted_and_said_once_a_minute(tmp_path: Path) -> None:
    async def act(scene: Scene, client: httpx.AsyncClient, taken: list[HookRequest]) -> None:
        with capture_logs() as said:
            for _ in range(5):
                assert (await client.post("/hooks/mock/x")).status_code == 403
            await scene.until("2026-01-13 08:02")
            await client.post("/hooks/mock/x")
        assert [(line["event"], line["so_many"]) for line in said] == [("hook_refused", 1), ("hook_refused", 6)]
        assert (await client.get("/healthz")).json()["hooks"] == {"mock": {"403": 6}}

    with_hooks(tmp_path, act, HookReply(403, "not signed"))
