"""The real daemon in real time, its line Twilio: calls, hooks through its own web server, the pace, and a kill."""

import asyncio
import signal
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from tests.acceptance.test_daemon import all_settled, load
from tests.support.live import Installation, installation
from tests.support.twilio_peer import TwilioPeer

SID, TOKEN = "AC" + "0" * 32, "0123456789abcdef"
OURS = "+6561234567"


def through_twilio(folder: Path, base_url: str, people: int, rate: float) -> Installation:
    here = installation(folder, people, rate=rate)
    path = folder / "dialer.toml"
    text = path.read_text(encoding="utf-8").replace('adapter = "mock"', 'adapter = "twilio"')
    head, _, rest = text.partition("[adapters.mock]")
    own = f'[adapters.twilio]\naccount_sid = "{SID}"\nbase_url = "{base_url}"\n'
    web = f'[web]\npublic_url = "http://127.0.0.1:{here.port}"'
    path.write_text('secrets = "secrets"\n' + head + own + rest[rest.index("[web]") :].replace("[web]", web), "utf-8")
    (folder / "secrets").mkdir()
    (folder / "secrets" / "DIALER_ADAPTERS__TWILIO__AUTH_TOKEN").write_text(TOKEN, encoding="utf-8")
    load(here)
    return here


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the machine's must not come between."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return


async def in_time(here: Installation, limit_s: float) -> None:
    await asyncio.to_thread(here.wait, "everything settled", lambda: all_settled(here), limit_s)


@pytest.mark.usefixtures("patience")
async def test_calls_are_placed_answered_and_settled_and_a_stranger_is_refused(tmp_path: Path) -> None:
    async with TwilioPeer(SID, TOKEN) as peer:
        peer.everyone.answers(keys=["1"])
        here = through_twilio(tmp_path, peer.base_url, people=12, rate=20)
        with here.daemon() as process:
            await in_time(here, 40)
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{here.port}") as stranger:
                assert (await stranger.post("/hooks/twilio/inbound", data={"Body": "STOP"})).status_code == 403
                counted = (await stranger.get("/healthz")).json()["hooks"]["twilio"]
            assert counted["403"] == 1
            assert set(counted) == {"200", "204", "403"}
            await peer.idle()
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait) == 0
        # By the day's slots somebody's may lie in the next minutes: that is not waited for.
        made = [row for row in here.attempts() if row["state"] != "planned"]
        assert {row["outcome"] for row in made} == {"says_paid"}
        assert len(peer.calls) == len(peer.creates()) == len(made) >= 8
        assert TOKEN not in (here.folder / "daemon.log").read_text()
        assert "+65912" not in (here.folder / "daemon.log").read_text()


@pytest.mark.hunt
@pytest.mark.usefixtures("patience")
async def test_a_daemon_killed_while_it_places_calls_nobody_twice(tmp_path: Path) -> None:
    async with TwilioPeer(SID, TOKEN) as peer:
        peer.everyone.answers(keys=["1"])
        peer.strict = False  # to a dead daemon no callback comes through
        here = through_twilio(tmp_path, peer.base_url, people=16, rate=20)
        for _ in range(2):
            seen = len(peer.calls)
            with here.daemon() as process:
                while len(peer.calls) == seen:  # noqa: ASYNC110 - the daemon is another process
                    await asyncio.sleep(0.001)
                process.send_signal(signal.SIGKILL)
                await asyncio.to_thread(process.wait)
        with here.daemon():
            await in_time(here, 180)  # what was lost is not believed lost before Twilio would show it
        numbers = [call.to for call in peer.calls.values()]
        assert len(numbers) == len(set(numbers))
        assert {row["state"] for row in here.attempts() if row["line"]} == {"settled"}


@pytest.mark.torture
@pytest.mark.usefixtures("patience")
async def test_one_call_a_second_for_minutes(tmp_path: Path) -> None:
    """1 ± 2% a second, and never two within 990 ms, as Twilio sees it, while hooks come in."""
    seconds = 125
    async with TwilioPeer(SID, TOKEN) as peer:
        peer.everyone.answers(keys=["1"])
        here = through_twilio(tmp_path, peer.base_url, people=seconds + 20, rate=1)
        with here.daemon():
            while len(peer.creates()) < seconds:  # noqa: ASYNC110 - the daemon is another process
                await asyncio.sleep(0.2)
        at = [request.at for request in peer.creates()]
    gaps = [(after - before).total_seconds() for before, after in pairwise(at)]
    rate = (len(at) - 1) / (at[-1] - at[0]).total_seconds()
    assert 0.98 <= rate <= 1.02
    assert min(gaps) >= 0.99, sorted(gaps)[:5]
