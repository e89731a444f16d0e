"""A small stage for tests of the engine: settings, roster and campaign as text, a scripted carrier, virtual time."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from adapters.mock import ADAPTER, MockAdapter
from adapters.mock import Settings as MockSettings
from config.settings import Settings
from dialer import check, intake, operate
from dialer.clock import VirtualClock, run_virtual
from dialer.house import House
from dialer.planning import replan_persons
from dialer.store import InlineStore, Tx
from dialer.store import tables as t
from dialer.store.schema import create
from dialer.worker import Fitted, Worker

T = TypeVar("T")
SHANGHAI = ZoneInfo("Asia/Shanghai")
EXAMPLES = Path(__file__).parent.parent.parent / "config" / "samples" / "zh"

SETTINGS = """
database = "sqlite:///unused.db"
lender = { name = "示例小贷", phone = "+864001234567", language = "zh-CN", currency = "CNY", country = "CN", time_zone = "Asia/Shanghai", actor = "creditor" }
[lines.main]
adapter = "mock"
channels = ["voice", "sms"]
callers = ["+864001234567"]
calls_per_second = 20
calls_at_once = 200
messages_per_second = 50
allow_countries = ["CN"]
price_per_minute = "0.12"
price_per_message = "0.05"
[transfers]
agents = "+864001234568"
"""

CAMPAIGN = """
format = 1
name = "test"
packs = ["cn"]
[audience]
due_days = [15, 30]
combine = true
[lines]
voice = ["main"]
sms = ["main"]
[stop]
on = ["paid", "opted_out", "wrong_number", "invalid_number", "disputed", "deceased", "refused"]
pause = { promised = "promise", says_paid = "24h" }
[[segment]]
name = "A"
late = { months = 3, max = 0 }
priority = 10
[[segment.rounds]]
days = [-1]
between = [["09:30", "11:30"]]
channel = "voice"
script = "reminder"
[[segment.rounds]]
days = [0]
between = [["14:00", "15:00"]]
channel = "voice"
script = "reminder"
[[segment]]
name = "B"
late = { months = 3, min = 1, max = 2 }
priority = 20
[[segment.rounds]]
days = [-2, -1, 0]
between = [["09:30", "11:30"]]
channel = "voice"
script = "reminder"
otherwise = { on = ["no_answer", "busy", "phone_off", "machine"], channel = "sms", message = "missed", after = "10m" }
[[segment]]
name = "C"
late = { months = 3, min = 3 }
priority = 30
[[segment.rounds]]
days = [-2, -1, 0]
between = [["09:00", "11:30"], ["14:30", "17:30"]]
channel = "voice"
script = "reminder"
[message.missed]
text = "【{lender}】{name}您好,您{due_on:month_day}应还{amount},还款账户{pay_to}。回复TD退订。"
text_many = "【{lender}】{name}您好,您{due_on:month_day}有{count}笔应还,共{amount}。回复TD退订。"
[script.reminder]
language = "zh-CN"
first = "greet"
[script.reminder.step.greet]
say = "{name}您好,您{due_on:month_day}应还{amount},还款账户{pay_to}。已还请按1,明天还请按2,转人工请按0,拒收请按9。"
say_many = "{name}您好,您{due_on:month_day}有{count}笔应还,共{amount},还款账户{pay_to}。已还请按1,明天还请按2,转人工请按0,拒收请按9。"
keys = { 1 = "paid", 2 = "tomorrow", 0 = "agent", 9 = "stop" }
silent = { repeat = 1, then = "bye" }
[script.reminder.step.paid]
say = "感谢您。"
outcome = "says_paid"
[script.reminder.step.tomorrow]
say = "好的。"
outcome = "promised"
promise = "+1d"
[script.reminder.step.agent]
say = "正在转接。"
transfer = "agents"
[script.reminder.step.stop]
say = "好的,不再拨打。"
outcome = "opted_out"
[script.reminder.step.bye]
say = "再见。"
outcome = "reached"
"""

ACCOUNTS_HEAD = "account_id,person_id,name,phone,language,time_zone,region,pay_to,consent_voice,consent_sms\n"
INSTALLMENTS_HEAD = "account_id,due_on,amount,currency,paid_on,paid_amount\n"
ALICE, BOB, CAROL = "+8613800138001", "+8613800138002", "+8613800138003"


def account(number: int, phone: str, person: int | None = None, consent: str = "yes") -> str:
    return f"L-{number},P-{person or number},王丽,{phone},zh-CN,,CN,工商银行尾号{number},{consent},{consent}\n"


def due(number: int, on: str, amount: str = "100.00", paid: str = "") -> str:
    return f"L-{number},{on},{amount},CNY,{paid},{amount if paid else ''}\n"


def late(number: int, *months: str) -> str:
    """Installments that were paid a day late."""
    return "".join(due(number, on, paid=str(date.fromisoformat(on) + timedelta(days=1))) for on in months)


@dataclass
class Scene:
    """One installation on virtual time."""

    folder: Path
    house: House
    clock: VirtualClock
    mock: MockAdapter
    worker: Worker
    _running: Any = None

    def file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    async def load(self, accounts: str = "", installments: str = "") -> None:
        for kind, head, rows in (
            ("accounts", ACCOUNTS_HEAD, accounts),
            ("installments", INSTALLMENTS_HEAD, installments),
        ):
            if rows:
                await self.take(kind, self.file(f"{kind}.csv", head + rows))

    async def take(self, kind: str, path: Path) -> None:
        what: intake.Kind[Any] = intake.KINDS[kind]
        for chunk in what.read(path, "CN"):
            found = await self.house.store.write(
                lambda tx, chunk=chunk: what.load(tx, chunk, self.clock.now(), self.touched)
            )
            assert not found.rejects, found.rejects

    def touched(self, tx: Tx, persons: set[str], now: datetime) -> None:
        replan_persons(tx, self.house, persons, now)

    async def launch(self, campaign: str = CAMPAIGN) -> operate.Launch:
        return await operate.launch(self.house, self.file("campaign.toml", campaign))

    async def start(self) -> None:
        """Opens the worker and lets it dial."""
        await self.worker.open()
        self._running = asyncio.create_task(self.worker.run())

    async def until(self, text: str) -> None:
        """Lets time pass to a local instant, such as 2026-01-14 12:00."""
        await self.clock.sleep_until(datetime.fromisoformat(text).replace(tzinfo=SHANGHAI))

    async def stop(self) -> None:
        if self._running is not None:
            self.worker.stop()
            await self._running
            await self.worker.drain(60)
            await self.worker.close()
            self._running = None

    def rows(self, table: str = "attempts", **where: Any) -> list[Any]:
        """Rows of a table in the order of their keys."""
        source = t.metadata.tables[table]

        def read(tx: Tx) -> list[Any]:
            statement = source.select().filter_by(**where) if where else source.select()
            return list(tx.execute(statement.order_by(*source.primary_key.columns)))

        store = self.house.store
        assert isinstance(store, InlineStore)
        return store.run(read)

    def paid(self, number: int, due_on: str, amount: str | None = None) -> None:
        from decimal import Decimal

        now = self.clock.now()
        store = self.house.store
        assert isinstance(store, InlineStore)
        store.run(
            lambda tx: intake.record_payment(
                tx, f"L-{number}", date.fromisoformat(due_on), Decimal(amount) if amount else None,
                self.house.today(now), now, self.touched,
            )
        )  # fmt: skip


def play(
    folder: Path,
    at: str,
    act: Callable[[Scene], Coroutine[Any, Any, T]],
    settings: str = SETTINGS,
    profile: str = "rings_out",
) -> T:
    """Runs `act(scene)` on a virtual clock that begins at a local instant; the carrier's default is to ring out."""
    (folder / "dialer.toml").write_text(settings, encoding="utf-8")
    read: Settings = check.read_settings(folder / "dialer.toml", {})

    async def run(clock: VirtualClock) -> T:
        store = InlineStore()
        create(store)
        house = House(read, clock, store)
        mock = MockAdapter(MockSettings(profile=profile))  # type: ignore[arg-type]
        worker = Worker(house, {"mock": Fitted(mock, ADAPTER)}, "test", poll=timedelta(hours=1))
        scene = Scene(folder, house, clock, mock, worker)
        try:
            return await act(scene)
        finally:
            await scene.stop()
            await store.close()

    return run_virtual(datetime.fromisoformat(at).replace(tzinfo=SHANGHAI), run)
