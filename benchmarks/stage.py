"""The stage that the works share: settings, a campaign, a portfolio as files, a clock that can be set, a no-op adapter.

Everyone lives in Shanghai, owes an installment on 2026-01-15, and is called or written to from the 11th on. The
campaign's rules are two packs: `cn`, and `house` which is merged into every campaign.
"""

import asyncio
import os
import time
from collections.abc import Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from adapters.contract import Event, EventKind, HookReply, HookRequest, Host, Order, Proof, Receipt, Spec
from adapters.mock import Settings as MockSettings
from dialer import check, garbage, intake, log, operate
from dialer.clock import SystemClock
from dialer.house import House, add_months
from dialer.planning import replan_touched
from dialer.store import Store, Tx
from dialer.store import attempts as attempt_store
from dialer.store import tables as t
from dialer.store.queues import PLANNED
from dialer.store.schema import upgrade
from dialer.worker import Fitted, Worker

AT = datetime(2026, 1, 11, 1, 0, tzinfo=UTC)
"""When the clock of the benchmark starts: 9:00 in Shanghai, before any window opens."""
FOUR = (EventKind.RINGING, EventKind.ANSWERED, EventKind.HUMAN_DETECTED, EventKind.ENDED)
MACHINE = (EventKind.RINGING, EventKind.ANSWERED, EventKind.MACHINE_DETECTED, EventKind.ENDED)
MACHINES_OF_TEN = 3
"""So many calls in ten are taken by a machine, after which the campaign has a message follow."""
STUCK_S = 120.0
LOOK_S = 0.01
"""How often it is looked whether all is settled: a rate is exact to that."""
COUNT_S = 2.0
"""How often the database is asked before the adapter has seen the end of all: counting is work, and is not measured."""

SETTINGS = """
database = "{database}"
lender = {{ name = "示例小贷", phone = "+864001234567", language = "zh-CN", currency = "CNY", country = "CN", \
time_zone = "Asia/Shanghai", actor = "creditor" }}
[lines.main]
adapter = "{adapter}"
channels = ["voice", "sms"]
callers = ["+864001234567"]
calls_per_second = {rate}
calls_at_once = {at_once}
messages_per_second = {rate}
allow_countries = ["CN"]
price_per_minute = "0.12"
price_per_message = "0.05"
[transfers]
agents = "+864001234568"
{more}
"""

CAMPAIGN = """
format = 1
name = "bench"
packs = ["cn"]
[audience]
due_days = [15]
combine = true
[lines]
voice = ["main"]
sms = ["main"]
[stop]
on = ["paid", "opted_out", "wrong_number", "invalid_number", "disputed", "deceased", "refused"]
pause = {{ promised = "promise", says_paid = "24h" }}
[[segment]]
name = "A"
late = {{ months = 3, max = 0 }}
[[segment.rounds]]
days = {days}
between = [["{begins}", "{ends}"]]
{content}
[[segment]]
name = "B"
late = {{ months = 3, min = 1 }}
priority = 20
[[segment.rounds]]
days = {days}
between = [["{begins}", "{ends}"]]
{content}
[message.missed]
text = "【{{lender}}】{{name}}您好,您{{due_on:month_day}}应还{{amount}},还款账户{{pay_to}}。回复TD退订。"
text_many = "【{{lender}}】{{name}}您好,您{{due_on:month_day}}有{{count}}笔应还,共{{amount}}。回复TD退订。"
[script.reminder]
language = "zh-CN"
first = "greet"
[script.reminder.step.greet]
say = "{{name}}您好,您{{due_on:month_day}}应还{{amount}},付至{{pay_to}}。已还按1,明天还按2,转人工按0,拒收按9。"
say_many = "{{name}}您好,您{{due_on:month_day}}有{{count}}笔应还,共{{amount}}。已还按1,明天还按2,转人工按0,拒收按9。"
keys = {{ 1 = "paid", 2 = "tomorrow", 0 = "agent", 9 = "stop" }}
silent = {{ repeat = 1, then = "bye" }}
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
CALLS = """channel = "voice"
script = "reminder"
otherwise = { on = ["no_answer", "busy", "phone_off", "machine"], channel = "sms", message = "missed", after = "10m" }
"""
MESSAGES = 'channel = "sms"\nmessage = "missed"\n'
BEGINS, ENDS = "09:30", "19:00"

ACCOUNTS_HEAD = "account_id,person_id,name,phone,language,time_zone,region,pay_to,consent_voice,consent_sms\n"
INSTALLMENTS_HEAD = "account_id,due_on,amount,currency,paid_on,paid_amount\n"


class ShiftedClock(SystemClock):
    """The machine's clock, moved, so that the benchmark's day is always the same."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = AT - super().now()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.shift

    def set(self, at: datetime) -> None:
        self.shift += at - self.now()


class NoOp:
    """Takes everything at once. A call's four events are told one by one, each after the one before is durable."""

    def __init__(self) -> None:
        self.ended = 0
        """Calls whose last event is durable, and messages that were taken."""

    async def open(self, host: Host) -> None:
        self._host = host

    async def close(self) -> None:
        """Nothing is open."""

    async def place(self, order: Order) -> Receipt:
        if order.channel == "voice":
            self._host.start(self._report(order.attempt_id))
        else:
            self.ended += 1
        return Receipt(f"noop-{order.attempt_id}")

    async def _report(self, key: str) -> None:
        for kind in MACHINE if int(key) % 10 < MACHINES_OF_TEN else FOUR:
            talk_s = 20.0 if kind is EventKind.ENDED else 0.0
            end = "answered" if kind is EventKind.ENDED else ""
            event = Event(kind, self._host.now(), key, f"noop-{key}", disposition=end, talk_s=talk_s)
            await self._host.record([event])
        self.ended += 1

    async def find(self, order: Order) -> list[Event]:
        return []

    async def hang_up(self, ref: str) -> None:
        """Calls end at once."""

    async def hook(self, request: HookRequest) -> HookReply:
        return HookReply(404)

    async def prove(self, callers: Mapping[str, frozenset[str]]) -> list[Proof]:
        return []


NO_OP = Spec("noop", frozenset({"voice", "sms"}), False, MockSettings, lambda settings: NoOp())
"""Without receipts: a message is settled once it is placed."""


@asynccontextmanager
async def house(
    folder: Path, database: str, adapter: str = "mock", rate: int = 10_000, more: str = "",
    secrets: Mapping[str, str] | None = None,
) -> Any:  # fmt: skip
    """An installation on this database, which is made or upgraded."""
    log.set_up("error")
    file = folder / "dialer.toml"
    file.write_text(
        SETTINGS.format(database=database, adapter=adapter, rate=rate, at_once=100_000, more=more), encoding="utf-8"
    )
    settings = check.read_settings(file, secrets or {})
    upgrade(settings.database)
    found = House(settings, ShiftedClock(), Store(settings.database))
    try:
        await add_months(found)
        yield found
    finally:
        await found.store.close()


def write_files(folder: Path, accounts: int) -> None:
    """accounts.csv and installments.csv: each account with one installment due and one paid in time."""
    with (folder / "accounts.csv").open("w", encoding="utf-8") as file:
        file.write(ACCOUNTS_HEAD)
        file.writelines(
            f"L-{n},P-{n},王丽,+86138{n:08d},zh-CN,,CN,工商银行尾号{n % 10_000},yes,yes\n" for n in range(accounts)
        )
    with (folder / "installments.csv").open("w", encoding="utf-8") as file:
        file.write(INSTALLMENTS_HEAD)
        file.writelines(
            f"L-{n},2026-01-15,100.00,CNY,,\nL-{n},2025-12-15,100.00,CNY,2025-12-14,100.00\n" for n in range(accounts)
        )


async def load(one: House, folder: Path, kind: str) -> float:
    """Imports one file as `dialer import` does, a chunk a transaction; returns seconds."""
    what: Any = intake.KINDS[kind]
    touched = replan_touched(one)
    started = time.perf_counter()
    for chunk in what.read(folder / f"{kind}.csv", "CN"):
        await one.store.write(lambda tx, chunk=chunk: what.load(tx, chunk, one.clock.now(), touched))
    return time.perf_counter() - started


async def launch(
    one: House, folder: Path, content: str = CALLS, days: tuple[int, ...] = (-4,), ends: str = ENDS
) -> tuple[int, float]:
    """Launches and plans the campaign; returns (attempts planned, seconds)."""
    text = CAMPAIGN.format(days=list(days), begins=BEGINS, ends=ends, content=content)
    (folder / "campaign.toml").write_text(text, encoding="utf-8")
    started = time.perf_counter()
    launched = await operate.launch(one, folder / "campaign.toml")
    assert launched.counts is not None
    return launched.counts.drafted, time.perf_counter() - started


async def plan(one: House, folder: Path, accounts: int, **how: Any) -> dict[str, float]:
    """The whole way from files to planned attempts; rates."""
    write_files(folder, accounts)
    garbage.settle()  # as every command does
    accounts_s, installments_s = await load(one, folder, "accounts"), await load(one, folder, "installments")
    planned, planned_s = await launch(one, folder, **how)
    await one.store.write(count_rows)
    return {
        "accounts": accounts / accounts_s,
        "installments": 2 * accounts / installments_s,
        "planned": planned / planned_s,
        "attempts": planned,
    }


async def rest(one: House) -> None:
    """Waits until what was planned is on the disk, as it is long before the first of it is due."""
    if one.store.is_shared:
        await one.store.write(lambda tx: tx.exec_driver_sql("CHECKPOINT"))
    await asyncio.to_thread(os.sync)


def count_rows(tx: Tx) -> None:
    """PostgreSQL's own statistics, which it would gather by itself within a minute; all that use it get them."""
    if tx.dialect.name == "postgresql":
        tx.exec_driver_sql("ANALYZE")


async def dial(one: House, until: datetime) -> float:
    """Sets the clock to this instant, lets a worker have what is due then; returns attempts settled a second."""
    assert isinstance(one.clock, ShiftedClock)
    one.clock.set(until)
    waiting = await one.store.read(lambda tx: unsettled(tx, one, until))
    adapter = NoOp()
    worker = Worker(one, {"mock": Fitted(adapter, NO_OP)}, "bench")
    await worker.open()
    garbage.settle()
    started = time.perf_counter()
    running = asyncio.create_task(worker.run())
    left, seen_at, asked_at = waiting, started, started
    while left:
        await asyncio.sleep(LOOK_S)
        if adapter.ended < waiting and time.perf_counter() - asked_at < COUNT_S and not running.done():
            continue
        asked_at = time.perf_counter()
        before, left = left, await one.store.look(lambda tx: unsettled(tx, one, until))
        seen_at = asked_at if left < before else seen_at
        if running.done() or time.perf_counter() - seen_at > STUCK_S:
            raise RuntimeError(f"{left} of {waiting} attempts are not settled")
    taken = time.perf_counter() - started
    worker.stop()
    await running
    await worker.drain(10)
    await worker.close()
    return waiting / taken


async def when_due(one: House, count: int) -> datetime:
    """When so many of what is planned are due."""
    return await one.store.read(lambda tx: _due_at(tx, count))


def _due_at(tx: Tx, count: int) -> datetime:
    at = t.attempts.c.due_at
    statement = select(at).where(PLANNED).order_by(at).limit(1).offset(count - 1)
    return tx.execute(statement).scalar_one()  # type: ignore[no-any-return]


def unsettled(tx: Tx, one: House, until: datetime) -> int:
    """What was due at that instant and is still planned, or runs. By the indexes: asked often, of large tables.

    What comes due meanwhile runs as well, and of a large plan always something does: that is not waited for."""
    a = t.attempts.c
    running = select(func.count()).where(attempt_store.IS_RUNNING, a.due_at <= until)
    found = int(tx.execute(running).scalar_one())
    for campaign_id, channel, priority in (queue for each in one.launched(tx) for queue in each.queues):
        planned = select(func.count()).where(
            a.campaign_id == campaign_id, a.channel == channel, a.priority == priority, a.due_at <= until, PLANNED
        )
        found += int(tx.execute(planned).scalar_one())
    return found


def outcomes(tx: Tx) -> dict[str, int]:
    """state and outcome → attempts, to see that the work was done."""
    a = t.attempts.c
    rows = tx.execute(select(a.state, a.outcome, a.channel, func.count()).group_by(a.state, a.outcome, a.channel))
    return {f"{state} {outcome or ''} {channel}": count for state, outcome, channel, count in rows}
