"""What the hunt simulates: few days, many rounds, and people who meet every stop and every cap in them.

Two due days overlap; numbers are shared; some people have two accounts, or live in two zones; caps of a pack of the
hunt's own are met by the retries; keys are pressed that stop, pause and promise. A seed draws all of it.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console
from structlog.testing import capture_logs

from dialer import check, log
from dialer.cli.referee import PACKS, finding_lines
from dialer.cli.simulate import run_with_progress
from dialer.referee import judge, read
from dialer.simulate import Simulation
from dialer.simulated.levels import LEVELS, Level

FIRST, LAST = date(2026, 1, 13), date(2026, 1, 15)
DUE = (date(2026, 1, 14), date(2026, 1, 15))
PEOPLE = 100

SETTINGS = """\
database = "sqlite:///dialer.db"
lender = { name = "示例小贷", phone = "+864001234567", language = "zh-CN", currency = "CNY", country = "CN", time_zone = "Asia/Shanghai", actor = "creditor" }
rules = ["hunt-house.toml"]
house = "hunt-house"
[lines.main]
adapter = "mock"
channels = ["voice", "sms"]
callers = ["+864001234567"]
calls_per_second = 5
calls_at_once = 40
messages_per_second = 10
ring_timeout = "30s"
time_limit = "3m"
allow_countries = ["CN"]
price_per_minute = "0.12"
price_per_message = "0.05"
[lines.second]
adapter = "mock"
channels = ["voice", "sms"]
callers = ["+864001234569"]
allow_countries = ["CN"]
[transfers]
agents = "+864001234568"
"""

RULES = """\
name = "hunt-house"
[[rule]]
id = "hunt-house.gap"
kind = "cooloff"
force = "house"
actor = ["creditor", "third_party"]
channels = ["voice"]
after = { event = "placed", direction = "any" }
period = { type = "rolling_elapsed", length = 15, unit = "minutes" }
key = ["person"]
citation = "the hunt"
url = "tests/support/hunted.py"
grade = "H"
checked_on = 2026-11-28
[[rule]]
id = "hunt-house.daily"
kind = "cap"
force = "house"
actor = ["creditor", "third_party"]
channels = ["voice", "sms"]
max = 5
period = { type = "calendar_day", length = 1 }
key = ["person"]
count = ["placed"]
citation = "the hunt"
url = "tests/support/hunted.py"
grade = "H"
checked_on = 2026-11-28
[[rule]]
id = "hunt-house.number"
kind = "cap"
force = "house"
actor = ["creditor", "third_party"]
channels = ["voice", "sms"]
max = 6
period = { type = "calendar_day", length = 1 }
key = ["number"]
count = ["placed"]
citation = "the hunt"
url = "tests/support/hunted.py"
grade = "H"
checked_on = 2026-11-28
"""

CAMPAIGN = """\
format = 1
name = "hunt"
packs = ["cn"]
[audience]
due_days = [14, 15]
combine = true
[lines]
voice = ["main", "second"]
sms = ["main"]
[stop]
on = ["paid", "opted_out", "wrong_number", "invalid_number", "disputed", "deceased", "refused"]
pause = { promised = "promise", says_paid = "4h" }
[[segment]]
name = "A"
late = { months = 3, max = 0 }
priority = 10
[[segment.rounds]]
days = [-1, 0]
between = [["10:00", "11:30"], ["15:00", "16:30"]]
channel = "voice"
script = "reminder"
retry = { on = ["no_answer", "busy"], after = "20m", max = 1 }
[[segment]]
name = "B"
late = { months = 3, min = 1, max = 2 }
priority = 20
[[segment.rounds]]
days = [-1, 0]
between = [["09:00", "11:00"], ["16:00", "18:00"]]
channel = "voice"
script = "reminder"
otherwise = { on = ["no_answer", "busy", "phone_off", "machine"], channel = "sms", message = "missed", after = "10m" }
[[segment.rounds]]
days = [-1, 0]
between = [["12:00", "13:00"]]
channel = "sms"
message = "missed"
[[segment]]
name = "C"
late = { months = 3, min = 3 }
priority = 30
[[segment.rounds]]
days = [-1, 0]
between = [["09:00", "10:00"], ["10:15", "11:15"], ["11:30", "12:30"], ["14:00", "15:00"], ["15:15", "16:15"], ["16:30", "18:30"]]
channel = "voice"
script = "reminder"
retry = { on = ["no_answer", "busy", "declined"], after = "5m", max = 2 }
[message.missed]
text = "【{lender}】{name}您好,您{due_on:month_day}应还{amount},还款账户{pay_to}。回复TD退订。"
text_many = "【{lender}】{name}您好,您{due_on:month_day}有{count}笔应还,共{amount}。回复TD退订。"
[script.reminder]
language = "zh-CN"
first = "greet"
[script.reminder.step.greet]
say = "{name}您好,这里是{lender}。您{due_on:month_day}应还{amount},还款账户{pay_to}。请按键。"
say_many = "{name}您好,这里是{lender}。您{due_on:month_day}有{count}笔应还,共{amount},还款账户{pay_to}。请按键。"
keys = { 3 = "heard", 2 = "today", 1 = "paid", 9 = "stop", 8 = "wrong", 7 = "dispute" }
silent = { repeat = 1, then = "heard" }
[script.reminder.step.heard]
say = "再见。"
outcome = "reached"
[script.reminder.step.paid]
say = "感谢您。"
outcome = "says_paid"
[script.reminder.step.today]
say = "好的。"
outcome = "promised"
promise = "+0d"
[script.reminder.step.stop]
say = "好的。"
outcome = "opted_out"
[script.reminder.step.wrong]
say = "好的。"
outcome = "wrong_number"
[script.reminder.step.dispute]
say = "好的。"
outcome = "disputed"
"""


@dataclass(frozen=True, slots=True)
class Hunted:
    """One simulated seed, judged."""

    attempts: int
    placed: int
    checks: dict[str, int]
    findings: list[str]
    breaches: dict[str, int] = field(default_factory=dict)
    """invariant → findings"""


def write(folder: Path, seed: int, people: int = PEOPLE) -> Simulation:
    """The files of a seed, and what to simulate with them."""
    draw = Random(f"{seed}|hunt")
    for name, text in (("settings.toml", SETTINGS), ("hunt-house.toml", RULES), ("hunt.toml", CAMPAIGN)):
        (folder / name).write_text(text, encoding="utf-8")
    accounts, dues, stops = [], [], []
    for number in range(1, people + 1):
        shared = number > 1 and draw.random() < 0.12
        phone = f"+86138{number - shared:08d}"
        segment = draw.choices("ABC", (20, 25, 55))[0]
        due_on = draw.choice(DUE)
        for part in range(2 if draw.random() < 0.1 else 1):
            account = f"L-{number:04d}{'ab'[part]}"
            zone = draw.choices(("", "Asia/Tokyo"), (95, 5))[0]
            consent = draw.choices(("yes", "", "no"), (90, 7, 3))[0]
            accounts.append(
                (account, f"P-{number:04d}", "王芳", phone, "zh-CN", zone, "CN", "尾号1234", consent, "yes")
            )
            dues += _installments(draw, account, segment, due_on)
        if draw.random() < 0.04:
            by_phone = draw.random() < 0.5
            channel = draw.choice(("", "voice", "sms"))
            stops.append(
                (phone if by_phone else "", "" if by_phone else f"P-{number:04d}", channel, "asked by mail", "")
            )
    names = "account_id,person_id,name,phone,language,time_zone,region,pay_to,consent_voice,consent_sms"
    _csv(folder / "accounts.csv", names, accounts)
    _csv(folder / "installments.csv", "account_id,due_on,amount,currency,paid_on,paid_amount", dues)
    _csv(folder / "suppressions.csv", "phone,person_id,channel,reason,until", stops)
    return Simulation(
        check.read_settings(folder / "settings.toml", {}), folder / "hunt.toml", folder / "accounts.csv",
        folder / "installments.csv", FIRST, LAST, seed, "hostile", folder / "journal.jsonl",
        folder / "suppressions.csv",
    )  # fmt: skip


def _installments(draw: Random, account: str, segment: str, due_on: date) -> list[tuple[str, ...]]:
    late = {"A": 0, "B": draw.choice((1, 2)), "C": 3}[segment]
    rows = []
    for back in (3, 2, 1):
        was_due = date(2025, 13 - back, due_on.day)
        paid_on = was_due + timedelta(days=5 if back <= late else -1)
        rows.append((account, str(was_due), "500.00", "CNY", str(paid_on), "500.00"))
    paid_on = str(due_on - timedelta(days=draw.choice((0, 1)))) if draw.random() < 0.15 else ""
    return [*rows, (account, str(due_on), "500.00", "CNY", paid_on, "500.00" if paid_on else "")]


def _csv(path: Path, names: str, rows: list[Any]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        out = csv.writer(stream)
        out.writerow(names.split(","))
        out.writerows(rows)


def _mistakes(told: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """What the engine's loops outlived, as a daemon must, and was no simulated fault: ours."""
    for entry in told:
        error = str(entry.get("error", ""))
        if error and "a simulated fault" not in error:
            yield f"{entry['event']}: {error[:300]}"


def hunt(folder: Path, seed: int, people: int = PEOPLE, level: Level = LEVELS["hostile"]) -> Hunted:
    """Simulates one seed in `folder`, and has the referee judge all it left."""
    log.set_up("error")
    what = replace(write(folder, seed, people), level=level)
    (folder / "journal.jsonl").unlink(missing_ok=True)  # it is written on, not anew
    with capture_logs() as told:
        report = run_with_progress(what, folder, Console(quiet=True))
    (folder / "report.json").write_text(report.model_dump_json(), encoding="utf-8")
    evidence = read(folder, PACKS)
    verdicts = judge(evidence)
    return Hunted(
        len(evidence.attempts),
        len(evidence.placements),
        dict(verdicts.checked),
        [*finding_lines(verdicts), *_mistakes(told)],
        Counter(one.invariant for one in verdicts.findings),
    )
