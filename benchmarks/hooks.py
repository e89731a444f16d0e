"""Twilio's hooks on SQLite (synchronous=FULL): latency at a steady rate, and the most that one process answers.

    PYTHONPATH=. python benchmarks/hooks.py [CALLS]

Calls are placed with a stand-in for Twilio that then holds them still; a process of its own asks for their dialogues
over TCP, three signed requests a call (answered, a key, another key), first 200 a second at fixed instants, then as
fast as 32 connections go. Every answer follows a commit. Latency is measured at the asking side.
"""

import asyncio
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import urlencode

import httpx
from twilio.request_validator import RequestValidator

from adapters.twilio import ADAPTER, TwilioAdapter
from benchmarks.whole_life import ShiftedClock, load
from dialer import check, log, operate
from dialer.house import House
from dialer.store import Store
from dialer.store.schema import upgrade
from dialer.web import app as web
from dialer.worker import Fitted, Worker
from tests.support.live import free_port
from tests.support.scene import CAMPAIGN, SETTINGS
from tests.support.twilio_peer import TwilioPeer

SID, TOKEN = "AC" + "0" * 32, "0123456789abcdef"
RATE, CONNECTIONS = 200, 32
FAST = "calls_per_second = 2000\ncalls_at_once = 100000\n"


def ask(calls: list[tuple[str, str]], rate: float | None) -> list[float]:
    """In a process of its own: every hook of these (address, SID); returns seconds each. `rate` None: at full speed."""
    return asyncio.run(_ask(calls, rate))


async def _ask(calls: list[tuple[str, str]], rate: float | None) -> list[float]:
    took: list[float] = []
    validator, room = RequestValidator(TOKEN), asyncio.Semaphore(CONNECTIONS if rate is None else 10_000)
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    async with httpx.AsyncClient(limits=limits, timeout=30) as client:

        async def post(url: str, form: dict[str, str]) -> str:
            headers = {"x-twilio-signature": validator.compute_signature(url, form),
                       "content-type": "application/x-www-form-urlencoded"}  # fmt: skip
            began = time.perf_counter()
            reply = await client.post(url, content=urlencode(form), headers=headers)
            took.append(time.perf_counter() - began)
            reply.raise_for_status()
            return reply.text.partition('action="')[2].partition('"')[0]

        async def whole(url: str, sid: str) -> None:
            async with room:
                for digits in ("", "2", "2"):
                    url = await post(
                        url, {"CallSid": sid, "From": "+864001234567", **({"Digits": digits} if digits else {})}
                    )
                    if not url:
                        return
                    if rate is not None:
                        await asyncio.sleep(1)

        began, tasks = time.perf_counter(), []
        for number, (url, sid) in enumerate(calls):
            if rate is not None:
                await asyncio.sleep(max(0.0, began + number * 3 / rate - time.perf_counter()))
            tasks.append(asyncio.create_task(whole(url, sid)))
        await asyncio.gather(*tasks)
    return took


async def measure(folder: Path, calls: int) -> tuple[list[float], list[float], float]:
    """Latencies at the steady rate, at full speed, and hooks a second at full speed."""
    async with TwilioPeer(SID, TOKEN, strict=False) as peer:
        peer.hold("queued")
        port = free_port()
        own = f'[adapters.twilio]\naccount_sid = "{SID}"\nbase_url = "{peer.base_url}"\n'
        text = SETTINGS.replace("calls_per_second = 20\ncalls_at_once = 200\n", FAST).replace("unused.db", "bench.db")
        (folder / "dialer.toml").write_text(text.replace('"mock"', '"twilio"') + own, encoding="utf-8")
        env = {"DIALER_ADAPTERS__TWILIO__AUTH_TOKEN": TOKEN, "DIALER_WEB__PUBLIC_URL": f"http://127.0.0.1:{port}"}
        settings = check.read_settings(folder / "dialer.toml", env)
        upgrade(settings.database)
        house = House(settings, ShiftedClock(), Store(settings.database))
        await load(house, folder, calls)
        (folder / "campaign.toml").write_text(CAMPAIGN, encoding="utf-8")
        await operate.launch(house, folder / "campaign.toml")
        adapter = TwilioAdapter(check.adapter_settings(ADAPTER, settings))  # type: ignore[arg-type]
        worker = Worker(house, {"twilio": Fitted(adapter, ADAPTER)}, "bench")
        await worker.open()
        house.clock.shift += timedelta(hours=2)  # type: ignore[attr-defined]
        server = web.server(web.build(web.Ready, house, worker.hook), "127.0.0.1", port)  # type: ignore[arg-type]
        running = [asyncio.create_task(worker.run()), asyncio.create_task(server.serve())]
        while len(peer.calls) < calls:  # noqa: ASYNC110 - the benchmark waits for what it measures
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        held = [(call.form["Url"], call.sid) for call in peer.calls.values()]
        steady, rush = await in_another_process(held[: calls // 2], RATE), []
        began = time.perf_counter()
        rush = await in_another_process(held[calls // 2 :], None)
        full = len(rush) / (time.perf_counter() - began)
        worker.stop()
        server.should_exit = True
        await asyncio.gather(*running)
        await worker.close()
        await house.store.close()
    return steady, rush, full


async def in_another_process(calls: list[tuple[str, str]], rate: float | None) -> list[float]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        await asyncio.get_running_loop().run_in_executor(pool, time.sleep, 0)  # it has started
        return await asyncio.get_running_loop().run_in_executor(pool, ask, calls, rate)


def told(name: str, took: list[float]) -> None:
    cuts = statistics.quantiles(took, n=100)
    print(f"  {name:24} p50 {cuts[49] * 1e3:6.1f} ms, p99 {cuts[98] * 1e3:6.1f} ms, longest {max(took) * 1e3:6.1f} ms")


def main(calls: int) -> None:
    log.set_up("error")
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        steady, rush, full = asyncio.run(measure(Path(folder), calls))
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()} {platform.release()}"
    print(f"{machine}; Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}")
    print(f"{calls:,} calls, {len(steady) + len(rush):,} hooks, one process answers, another asks:")
    told(f"{RATE} a second", steady)
    told(f"{full:,.0f} a second, at most", rush)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000)
