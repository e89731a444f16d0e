"""The daily digest: what it says in both languages, where it goes, and that it goes there once a day."""

import asyncio
import json
import os
import re
import signal
import sys
import tomllib
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from config.settings import DigestSettings
from dialer import alarms, digest, digest_send, operate, sweep
from dialer.digest import Digest
from dialer.digest_send import LATEST, Courier, due_day
from dialer.errors import DialerError
from dialer.store.common import note_action
from tests.support.scene import ALICE, BOB, SETTINGS, Scene, account, due, play

ACCOUNTS = account(1, ALICE) + account(2, BOB)
DUE = due(1, "2026-01-15") + due(2, "2026-01-15")
DAY = date(2026, 1, 14)
URL = "https://hooks.example.com/dialer?key=k1"
WITH_FILE = SETTINGS + '[digest]\nat = "18:30"\nfile = "{day}.txt"\n'
WITH_TWO = SETTINGS + f'[digest]\nat = "18:30"\nfile = "{{day}}.txt"\nurl = "{URL}"\n'
SHANGHAI = ZoneInfo("Asia/Shanghai")


async def day_over(scene: Scene) -> None:
    """The 14th: one promises, one is busy and gets no message; the busy one is planned again for the 15th."""
    await scene.load(ACCOUNTS, DUE)
    scene.mock.on(ALICE).answers(keys="2")
    scene.mock.on(BOB).busy()
    await scene.launch()
    await scene.start()
    await scene.until("2026-01-14 18:30")


def now_of(scene: Scene, language: str = "en", day: date = DAY) -> Digest:
    return scene.house.store.run(lambda tx: digest.build(tx, scene.house, day, language))  # type: ignore[attr-defined, no-any-return]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Digest, Digest]:
    """The same day in English and in Chinese, halted, with a campaign that is paused."""

    async def act(scene: Scene) -> tuple[Digest, Digest]:
        await day_over(scene)
        await operate.halt(scene.house, "drill")
        await operate.set_status(scene.house, "test", "paused")
        return now_of(scene), now_of(scene, "zh-Hans")

    return play(tmp_path_factory.mktemp("digest"), "2026-01-14 08:00", act)


@pytest.fixture
def english(both: tuple[Digest, Digest]) -> Digest:
    return both[0]


# --- what it says -------------------------------------------------------------------------------------------------


def test_the_figures_are_those_of_the_day(english: Digest) -> None:
    found = english.figures
    assert (found.planned, found.calls, found.promised, found.not_reached, found.waiting) == (2, 2, 1, 1, 0)
    assert (found.installments_placed, found.installments_reached, found.right_party_contacts) == (2, 1, 1)
    assert str(found.spend) == "0.12"
    assert [(one.campaign, one.status, one.channel, one.attempts) for one in english.planned] == [
        ("test", "paused", "voice", 1)
    ]
    assert english.next_day == date(2026, 1, 15)


def test_it_is_short_and_says_first_what_is_wrong(both: tuple[Digest, Digest]) -> None:
    english, chinese = (digest.text(one) for one in both)
    assert (
        english.splitlines()[0] == "示例小贷: reminders of 2026-01-14: 2 placed, 1 of 2 installments reached, 1 alarm"
    )
    assert chinese.splitlines()[0] == "示例小贷还款提醒日报 2026-01-14：拨出 2 次，触达 1/2 笔，1 项告警"
    assert english.index("! halted: ") < english.index("To be decided") < english.index("The day\n")
    assert "drill" in english
    assert "Campaign test has been paused since 2026-01-14." in english
    assert "- spend: 0.12 CNY" in english
    assert chinese.index("! 已全线停拨：自 ") < chinese.index("待决定") < chinese.index("当日\n")
    assert "全线停拨：drill；所有线路均不拨出（用 dialer unhalt 恢复）" in chinese
    assert "halted since" not in chinese
    assert "活动 test 自 2026-01-14 起暂停。" in chinese
    assert "- 承诺还款：1\n" in chinese
    assert max(len(english.splitlines()), len(chinese.splitlines())) < 30


def test_what_an_alarms_title_says_is_not_said_twice(both: tuple[Digest, Digest]) -> None:
    texts = ("not planned today: a; due dates are missing", "今日未排计划：a；缺少应还日")
    for found, text in zip(both, texts, strict=True):
        unplanned = found.alarms[0].model_copy(update={"name": "not_planned_today", "text": text})
        told = digest.text(found.model_copy(update={"alarms": [unplanned]}))
        assert f"\n! {text}" in told


def test_nobody_is_named(both: tuple[Digest, Digest]) -> None:
    for found in both:
        told = digest.text(found) + digest.html(found) + found.model_dump_json()
        told += json.dumps(digest_send.payload(found), ensure_ascii=False)
        assert not re.search(r"王|L-\d|P-\d|13800138|138\d{8}|尾号", told)


def test_the_page_is_one_file_and_takes_no_markup_from_data(english: Digest) -> None:
    page = digest.html(english.model_copy(update={"subject": "<b>&"}))
    assert "<b>&</" not in page
    assert "&lt;b&gt;&amp;" in page
    assert "http" not in page
    assert "<script" not in page
    assert '<html lang="en">' in page


def test_every_text_has_its_chinese() -> None:
    templates = files("dialer") / "templates"
    known = tomllib.loads((templates / "digest.zh.toml").read_text("utf-8"))
    sources = [(templates / name).read_text("utf-8") for name in ("digest.txt.j2", "digest.html.j2")]
    said = {text for source in sources for text in re.findall(r'\b_\("([^"]+)"', source)}
    said |= set(re.findall(r'\bsay\(\s*"([^"]+)"', Path(digest.__file__).read_text("utf-8")))
    assert len(said) > 15
    titles = {digest.TITLES.get(name, name) for name in digest.ROWS}
    names = set(get_args(alarms.Name))
    assert said | titles | names <= set(known)
    for english, chinese in known.items():
        assert set(re.findall(r"{\w+}", chinese)) <= set(re.findall(r"{\w+}", english)), english


def test_what_only_a_person_can_decide(tmp_path: Path) -> None:
    async def act(scene: Scene) -> list[list[str]]:
        await scene.load(account(1, ALICE), due(1, "2026-01-15"))
        found = [[one.name for one in now_of(scene).decisions]]
        await scene.launch()
        store, now = scene.house.store, scene.clock.now()
        await store.write(lambda tx: note_action(tx, "import", "installments", "", now - timedelta(days=3)))
        found.append([one.name for one in now_of(scene).decisions])
        scene.paid(1, "2026-01-15")
        await store.write(lambda tx: note_action(tx, "import", "installments", "", now))
        found.append([one.name for one in now_of(scene).decisions])
        return found

    assert play(tmp_path, "2026-01-12 08:00", act) == [[], ["stale"], ["nothing_due"]]


def test_a_past_day_is_told_without_what_was_planned_after_it(tmp_path: Path) -> None:
    async def act(scene: Scene) -> Digest:
        await day_over(scene)
        await scene.until("2026-01-20 09:00")
        return now_of(scene)

    found = play(tmp_path, "2026-01-14 08:00", act)
    assert (found.figures.calls, found.planned) == (2, [])


# --- when ---------------------------------------------------------------------------------------------------------


@given(
    now=st.integers(0, 2 * 365 * 24 * 60).map(
        lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    ),
    at=st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    zone=st.sampled_from(["Asia/Shanghai", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe"]).map(ZoneInfo),
)
def test_it_is_due_from_its_hour_for_twelve_hours(now: datetime, at: time, zone: ZoneInfo) -> None:
    day = due_day(now, at, zone)
    days = [now.astimezone(zone).date() + timedelta(days=n) for n in (-3, -2, -1, 0, 1)]
    # In the morning a day has nothing to tell yet: the hour is that of the morning after.
    rings = {one: datetime.combine(one + timedelta(days=1 if at.hour < 12 else 0), at, zone) for one in days}
    assert [one for one in days if rings[one] <= now < rings[one] + LATEST] == ([day] if day else [])


@pytest.mark.parametrize(
    ("now", "at", "day"),
    [
        ("2026-01-14 08:00", "08:00", "2026-01-13"),
        ("2026-01-14 21:00", "21:00", "2026-01-14"),
        ("2026-01-15 02:00", "21:00", "2026-01-14"),
    ],
)
def test_an_early_hour_tells_of_the_day_before(now: str, at: str, day: str) -> None:
    instant = datetime.fromisoformat(now).replace(tzinfo=SHANGHAI)
    assert due_day(instant, time.fromisoformat(at), SHANGHAI) == date.fromisoformat(day)


def test_promises_count_on_the_day_they_ended(tmp_path: Path) -> None:
    """Alice promises on the 14th and does not pay; that the promise broke is told on the day it was seen."""

    async def act(scene: Scene) -> list[int]:
        await day_over(scene)
        for day in range(15, 19):
            await scene.until(f"2026-01-{day} 00:05")
            await sweep.close_promises(scene.house)
        await scene.until("2026-01-20 09:00")
        return [now_of(scene, day=date(2026, 1, day)).figures.promises_broken for day in range(14, 20)]

    broken = play(tmp_path, "2026-01-14 08:00", act)
    assert sum(broken) == 1
    assert broken[0] == 0


def test_no_phone_leaves_the_house_in_the_reason_of_a_halt(tmp_path: Path) -> None:
    async def act(scene: Scene) -> Digest:
        await scene.load(ACCOUNTS, DUE)
        await scene.launch()
        await operate.halt(scene.house, f"complaint of {ALICE}")
        return now_of(scene)

    found = play(tmp_path, "2026-01-14 08:00", act)
    assert ALICE not in digest.text(found) + digest.html(found) + found.model_dump_json()
    assert "complaint of +86138****8001" in digest.text(found)


class Box:
    """Stands for all destinations: what came when, and which fail."""

    def __init__(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        self.came: list[tuple[str, str, str]] = []
        self.failing: set[str] = set()
        self._clock = scene.clock

        async def send(to: str, settings: DigestSettings, found: Digest) -> None:
            at = self._clock.now().astimezone(SHANGHAI)
            self.came.append((f"{at:%d %H:%M}", to if to not in self.failing else f"{to} failed", str(found.day)))
            if to in self.failing:
                raise DialerError("the server is down")

        monkeypatch.setattr(digest_send, "send", send)

    async def ring(self, scene: Scene, courier: Courier, until: str) -> None:
        """The bell, each minute on the minute."""
        last = datetime.fromisoformat(until).replace(tzinfo=SHANGHAI)
        while scene.clock.now() < last:
            await courier.ring()
            await scene.clock.sleep_until(scene.clock.now().replace(second=0, microsecond=0) + timedelta(minutes=1))


def test_once_a_day_to_each_also_over_restarts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(scene: Scene) -> list[tuple[str, str, str]]:
        box = Box(scene, monkeypatch)
        courier = Courier(scene.house)
        await box.ring(scene, courier, "2026-01-14 18:31")
        for until in ("2026-01-14 18:40", "2026-01-15 19:00"):
            await box.ring(scene, Courier(scene.house), until)
        return box.came

    assert play(tmp_path, "2026-01-14 18:20", act, WITH_TWO) == [
        ("14 18:30", "file", "2026-01-14"), ("14 18:30", "url", "2026-01-14"),
        ("15 18:30", "file", "2026-01-15"), ("15 18:30", "url", "2026-01-15"),
    ]  # fmt: skip


def test_what_fails_is_tried_again_more_and_more_seldom_and_nobody_gets_it_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def act(scene: Scene) -> list[tuple[str, str, str]]:
        box = Box(scene, monkeypatch)
        box.failing = {"url"}
        courier = Courier(scene.house)
        await box.ring(scene, courier, "2026-01-14 20:00")
        box.failing.clear()
        await box.ring(scene, courier, "2026-01-15 08:00")
        return box.came

    came = play(tmp_path, "2026-01-14 18:20", act, WITH_TWO)
    assert [at for at, to, _ in came if to == "file"] == ["14 18:30"]
    assert [at for at, to, _ in came if to == "url failed"] == [
        "14 18:30", "14 18:31", "14 18:33", "14 18:38", "14 18:53", "14 19:23", "14 19:53",
    ]  # fmt: skip
    assert [at for at, to, _ in came if to == "url"] == ["14 20:23"]
    said = capsys.readouterr()
    assert said.out + said.err != ""
    assert "digest_failed" in said.out + said.err
    assert "it is tried again until 01-15 06:30" in said.out + said.err


@pytest.mark.parametrize(
    ("start", "came"),
    [("2026-01-14 23:10", ["14 23:10"]), ("2026-01-15 06:29", ["15 06:29"]), ("2026-01-15 06:30", [])],
)
def test_a_daemon_that_was_down_at_the_hour_sends_it_at_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str, came: list[str]
) -> None:
    async def act(scene: Scene) -> list[tuple[str, str, str]]:
        box = Box(scene, monkeypatch)
        await box.ring(scene, Courier(scene.house), "2026-01-15 12:00")
        return box.came

    assert [(at, day) for at, _, day in play(tmp_path, start, act, WITH_FILE)] == [(at, "2026-01-14") for at in came]


def test_a_delivery_that_cannot_be_recorded_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(scene: Scene) -> list[str]:
        box, courier = Box(scene, monkeypatch), Courier(scene.house)
        write = scene.house.store.write

        async def full(work: Any) -> None:
            raise OSError("database or disk is full")

        monkeypatch.setattr(scene.house.store, "write", full)
        for _ in range(3):
            with pytest.raises(OSError, match="full"):
                await courier.ring()
        monkeypatch.setattr(scene.house.store, "write", write)
        await courier.ring()
        await Courier(scene.house).ring()
        return [to for _, to, _ in box.came]

    assert play(tmp_path, "2026-01-14 19:00", act, WITH_FILE) == ["file"]


# --- into a file --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("{day}.html", ["2026-01-14.html"]),
        ("latest.txt", ["latest.txt"]),
        ("{day}", ["2026-01-14.html", "2026-01-14.txt"]),
    ],
)
async def test_the_suffix_says_whether_it_is_a_page_or_text(
    tmp_path: Path, english: Digest, name: str, written: list[str]
) -> None:
    settings = DigestSettings(file=str(tmp_path / "new" / name))
    for _ in range(2):
        assert await digest_send.send_all(settings, english) == {}
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == written
    for path in (tmp_path / "new").iterdir():
        wanted = digest.html(english) if path.suffix == ".html" else digest.text(english)
        assert path.read_text("utf-8") == wanted


async def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, english: Digest) -> None:
    (tmp_path / "file").write_text("")
    failed = await digest_send.send_all(DigestSettings(file=str(tmp_path / "file" / "a.txt")), english)
    assert failed["file"].startswith(f"{tmp_path}/file/a.txt: cannot be written (")


# --- to a command -------------------------------------------------------------------------------------------------


def python(script: str) -> tuple[str, ...]:
    return (sys.executable, "-c", script)


async def test_a_command_gets_a_mail_with_text_and_page(
    tmp_path: Path, english: Digest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALER_ADAPTERS__X__TOKEN", "secret")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/x")
    script = (
        "import os, sys, pathlib, json; "
        f"pathlib.Path({str(tmp_path / 'mail')!r}).write_bytes(sys.stdin.buffer.read()); "
        f"pathlib.Path({str(tmp_path / 'env')!r}).write_text(json.dumps(dict(os.environ)))"
    )
    settings = DigestSettings(
        command=python(script), sender="dialer@example.com", to=("a@example.com", "b@example.com")
    )
    await digest_send.send("command", settings, english)
    message = message_from_bytes((tmp_path / "mail").read_bytes(), policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert (message["From"], message["To"]) == ("dialer@example.com", "a@example.com, b@example.com")
    assert message["Subject"] == english.subject
    assert message["Message-ID"].endswith("@example.com>")
    assert message.get_content_type() == "multipart/alternative"
    plain, page = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert page is not None
    assert plain.get_content() == digest.text(english)
    assert page.get_content().strip() == digest.html(english).strip()
    env = json.loads((tmp_path / "env").read_text())
    assert (env["DIGEST_DAY"], env["DIGEST_SUBJECT"]) == ("2026-01-14", english.subject)
    assert not [name for name in env if name.startswith(("DIALER_", "NOTIFY_"))]


def test_the_mail_of_a_day_can_be_told_from_every_other_and_by_its_repeat(english: Digest) -> None:
    settings = DigestSettings(command=("sendmail", "-t"))
    other = english.model_copy(update={"day": date(2026, 1, 15)})
    first, again, next_day = (
        message_from_bytes(digest_send.mail(settings, found), policy=policy.default)["Message-ID"]
        for found in (english, english, other)
    )
    assert first == again != next_day


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (python("import sys; sys.exit('no such host +8613800138001')"), "ended with code 1 and said: no such host"),
        (("/nowhere/sendmail",), "/nowhere/sendmail: cannot be started (No such file or directory)"),
        (("/tmp",), "/tmp: cannot be started (Permission denied)"),
    ],
)
async def test_a_command_that_fails_is_said(english: Digest, command: tuple[str, ...], why: str) -> None:
    failed = await digest_send.send_all(DigestSettings(command=command), english)
    assert why in failed["command"]


async def test_a_command_that_hangs_is_killed_with_what_it_started(
    tmp_path: Path, english: Digest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads nothing, ignores SIGTERM, and has a child that holds its output open."""
    monkeypatch.setattr(digest_send, "COMMAND_S", 0.5)
    script = (
        "import os, signal, time, pathlib; signal.signal(signal.SIGTERM, signal.SIG_IGN); child = os.fork(); "
        f"pathlib.Path({str(tmp_path)!r}, str(os.getpid())).touch(); time.sleep(60)"
    )
    with pytest.raises(DialerError, match=r"did not end in 0\.5 s and was killed"):
        await digest_send.send("command", DigestSettings(command=python(script)), english)
    pids = [int(path.name) for path in tmp_path.iterdir()]
    assert len(pids) == 2
    for pid in pids:
        await _gone(pid)


async def _gone(pid: int) -> None:
    """Waits until the process has ended; a zombie that nobody waited for has."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (ProcessLookupError, FileNotFoundError):
            return
        if state == "Z":
            return
        await asyncio.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    raise AssertionError(f"{pid} lives on")


# --- to an address ------------------------------------------------------------------------------------------------


@respx.mock
async def test_an_address_gets_json_and_the_authorization(english: Digest) -> None:
    route = respx.post(URL).respond(204)
    settings = DigestSettings(url=URL, authorization=SecretStr("Bearer t0k3n"))
    await digest_send.send("url", settings, english)
    request = route.calls.last.request
    body = json.loads(request.content)
    assert set(body) == {"day", "subject", "text", "html", "figures", "alarms"}
    assert (body["day"], body["figures"]["promised"], body["figures"]["spend"]) == ("2026-01-14", 1, "0.12")
    assert [alarm["name"] for alarm in body["alarms"]] == ["halted"]
    assert request.headers["Authorization"] == "Bearer t0k3n"
    assert request.headers["Idempotency-Key"].startswith("digest-2026-01-14-")
    assert "t0k3n" not in repr(settings)


@respx.mock
@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (httpx.Response(302, headers={"Location": "https://elsewhere.example.com/"}), "answered 302, a redirect"),
        (httpx.Response(500, text="no"), "answered 500"),
        (httpx.ReadTimeout("slow"), "did not answer in 30 s"),
        (httpx.ConnectError("certificate verify failed"), "cannot be reached (certificate verify failed)"),
        (httpx.RemoteProtocolError(URL), "cannot be reached (RemoteProtocolError)"),
    ],
)
async def test_an_address_that_fails_is_said_without_its_key(
    english: Digest, reply: httpx.Response | Exception, why: str
) -> None:
    respx.post(URL).mock(**{"side_effect" if isinstance(reply, Exception) else "return_value": reply})  # type: ignore[arg-type]
    elsewhere = respx.post("https://elsewhere.example.com/").respond(200)
    failed = await digest_send.send_all(DigestSettings(url=URL), english)
    assert failed["url"].startswith(f"hooks.example.com: {why}")
    assert "k1" not in failed["url"]
    assert not elsewhere.called


async def test_a_server_that_answers_a_byte_at_a_time_holds_nobody(
    english: Digest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest_send, "POST_S", 0.5)

    left = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        with suppress(ConnectionError):
            while True:
                writer.write(b"a")
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.close()
        left.set()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(DialerError, match=r"did not answer in 0\.5 s"):
            await asyncio.wait_for(
                digest_send.send("url", DigestSettings(url=f"http://127.0.0.1:{port}/"), english), 10
            )
        await asyncio.wait_for(left.wait(), 5)


async def test_one_that_fails_holds_up_no_other(tmp_path: Path, english: Digest) -> None:
    settings = DigestSettings(file=str(tmp_path / "a.txt"), command=("/nowhere/sendmail",))
    assert list(await digest_send.send_all(settings, english)) == ["command"]
    assert (tmp_path / "a.txt").exists()
