"""The sample files through Twilio as the npm package `emulate` plays it: placed, told by signed callbacks, settled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from string import Template

import pytest

from dialer.cli.init import _values, sample_text
from dialer.web import app as web
from tests.support import emulator as emulators
from tests.support.emulator import Emulator, emulator
from tests.support.live import free_port
from tests.support.scene import SHANGHAI
from tests.support.twilio_stage import OURS, SID, TOKEN, Stage, launch, stage

BEGAN = "2026-01-12 08:00"


@pytest.fixture(scope="module")
def installed() -> None:
    if why := emulators.install():
        pytest.skip(why)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[Stage, Emulator]]:
    port = free_port()
    public = f"http://127.0.0.1:{port}"
    async with (
        emulator(SID, TOKEN, OURS, f"{public}/hooks/twilio/inbound") as twilio,
        stage(folder, BEGAN, twilio.base_url, sample_text("zh", "dialer.toml"), public_url=public) as one,
    ):
        server = web.server(one.app, "127.0.0.1", port)
        serving = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - it has nothing to wait for
            await asyncio.sleep(0)
        try:
            yield one, twilio
        finally:
            server.should_exit = True
            await serving


async def load_samples(one: Stage) -> None:
    from datetime import date

    values = _values(date(2026, 1, 12))
    for kind in ("accounts", "installments"):
        text = Template(sample_text("zh", f"{kind}.csv")).substitute(values)
        await one.take(kind, one.file(f"{kind}.csv", text))
    await launch(one, Template(sample_text("zh", "monthly.toml")).substitute(values))


@pytest.mark.usefixtures("installed")
async def test_the_sample_files_are_called_and_settled(tmp_path: Path) -> None:
    async with opened(tmp_path) as (one, twilio):
        seen: set[str] = set()

        async def answer() -> None:
            """Each call is answered in turn, or not; each message delivered."""
            for number, sid in enumerate(sorted(set(one.adapter.refs) - seen)):
                seen.add(sid)
                calls = [("in-progress", "completed"), ("no-answer",), ("busy",)][(len(seen) + number) % 3]
                await twilio.finish(sid, calls if sid.startswith("CA") else ("sent", "delivered"))

        one.idle = answer
        await load_samples(one)
        await one.start()
        for day in range(12, 16):
            await one.until(f"2026-01-{day} 00:05")
            await one.day()
            await one.until(f"2026-01-{day} 23:50")
        rows = [row for row in one.rows() if row.due_on.day < 20]
        settled = [row for row in rows if row.state == "settled"]
        assert {row.state for row in rows} <= {"settled", "cancelled", "blocked", "expired"}
        assert {row.channel for row in settled} == {"voice", "sms"}
        assert {row.disposition for row in settled} >= {"answered", "no_answer", "busy", "delivered"}
        assert len(settled) == one.adapter.placed == len(one.adapter.refs) == len(seen)
        assert {row.provider_ref for row in settled} == seen
        assert all(row.placed_at.astimezone(SHANGHAI).hour in range(8, 20) for row in settled)
        strays = [row for row in one.rows("events") if row.attempt_id is None]
        assert strays == []


@pytest.mark.usefixtures("installed")
async def test_a_person_texts_stop(tmp_path: Path) -> None:
    async with opened(tmp_path) as (one, twilio):
        await load_samples(one)
        await one.start()
        (phone,) = {row.phone for row in one.rows("accounts") if row.account_id == "L-1001"}
        assert [row for row in one.rows(phone=phone) if row.state == "planned"]
        await twilio.simulate("inbound-message", To=OURS, From=phone, Body="TD")
        await one.rest()
        assert {row.reason for row in one.rows(phone=phone) if row.channel == "voice"} == {"opted_out"}
