"""Small hand-made evidence for the referee: one week of one campaign, two persons, everything as it should be."""

import copy
import json
from pathlib import Path
from typing import Any

from tests.style.source import ROOT

PACKS = ROOT / "config" / "rules"
WANG, LI = "+8613800138001", "+8613800138002"
SETTINGS = """\
lender = { name = "L", phone = "+864001234567", country = "CN", time_zone = "Asia/Shanghai", actor = "creditor" }
[lines.main]
adapter = "mock"
channels = ["voice", "sms"]
"""
CAMPAIGN = """\
format = 1
name = "monthly"
packs = ["cn"]
[audience]
due_days = [15]
[stop]
on = ["paid", "opted_out", "refused"]
pause = { promised = "promise", says_paid = "24h" }
[[segment]]
name = "A"
late = { months = 3, max = 0 }
[[segment.rounds]]
days = [-1, 0]
between = [["09:30", "11:30"], ["14:00", "16:00"]]
channel = "voice"
script = "x"
[[segment]]
name = "B"
[[segment.rounds]]
days = [0]
between = [["10:00", "11:00"]]
channel = "voice"
script = "x"
"""
ACCOUNTS = "account_id,person_id,name,phone,language,time_zone,region,pay_to,consent_voice,consent_sms\n"
INSTALLMENTS = "account_id,due_on,amount,currency,paid_on,paid_amount\n"
WINDOWS = {
    1: ("14", "01:30", "03:30"),
    2: ("14", "06:00", "08:00"),
    3: ("15", "01:30", "03:30"),
    4: ("15", "06:00", "08:00"),
}
"""Round → its day in January 2026 and its window, UTC."""


def at(day: int | str, wall: str) -> str:
    """An instant of January 2026, UTC."""
    return f"2026-01-{day}T{wall if wall.count(':') > 1 else wall + ':00'}Z"


class Made:
    """The files of a clean week, to be changed by a test before they are written."""

    def __init__(self) -> None:
        self.actions: list[dict[str, Any]] = [
            self.do("10", "01:00", "import", kind="accounts", text=ACCOUNTS
                    + f"L-1,P-1,Wang,{WANG},zh-CN,,CN,x,yes,yes\nL-2,P-2,Li,13800138002,zh-CN,,CN,x,yes,yes\n"),
            self.do("10", "01:00", "import", kind="installments", text=INSTALLMENTS
                    + "L-1,2026-01-15,100.00,CNY,,\nL-1,2025-12-15,100.00,CNY,2025-12-14,100.00\n"
                    + "L-2,2026-01-15,50.00,CNY,,\n"),
            self.do("10", "01:01", "launch", campaign="monthly", text=CAMPAIGN),
        ]  # fmt: skip
        self.attempts: list[dict[str, Any]] = []
        self.journal: list[dict[str, Any]] = []
        self.network: list[dict[str, Any]] | None = []
        for account, person, phone in (("L-1", "P-1", WANG), ("L-2", "P-2", LI)):
            for number in WINDOWS:
                self.call(account, person, phone, number)
        self.report: dict[str, Any] | None = None

    @staticmethod
    def do(day: str, wall: str, action: str, **fields: Any) -> dict[str, Any]:
        return {"at": at(day, wall), "asked_at": at(day, wall), "action": action, **fields}

    def call(self, account: str, person: str, phone: str, number: int, **other: Any) -> dict[str, Any]:
        """A round's call, answered by a human ten minutes into its window."""
        day, begins, ends = WINDOWS[number]
        hour = int(begins[:2])
        key = str(len(self.attempts) + 1)
        minute = int(begins[3:]) + 10
        made = [at(day, f"{hour:02}:{minute}:{second:06.3f}") for second in (0, 5, 30)]
        row = {
            "attempt_id": key, "campaign": "monthly", "account_ids": [account], "person_id": person, "segment": "A",
            "due_on": "2026-01-15", "round": number, "try": 1, "channel": "voice", "line": "main",
            "phone": "+86138****0000", "state": "settled", "reason": None, "disposition": "human",
            "outcome": "reached", "planned_for": made[0], "placed_at": made[0], "answered_at": made[1],
            "ended_at": made[2], "cause": "round", "rule": None, "zones": ["Asia/Shanghai"],
            "window_from": at(day, begins), "window_until": at(day, ends), "claimed_at": made[0],
            "settled_at": made[2], "promises": [], "verdicts": [],
            "installments": [{"account_id": account, "installment_id": "2026-01-15", "cancelled": False}],
            "events": [
                {"kind": "answered", "at": made[1], "received_at": made[1], "stray": False},
                {"kind": "ended", "at": made[2], "received_at": made[2], "stray": False},
            ],
        } | other  # fmt: skip
        self.attempts.append(row)
        self.journal.append({"at": made[0], "attempt_id": key, "channel": row["channel"], "to": phone, "line": "main"})
        if self.network is not None:
            for kind, when in (("answered", made[1]), ("ended", made[2])):
                self.hear(kind, when, attempt_id=key)
        return row

    def hear(self, kind: str, when: str, **fields: Any) -> dict[str, Any]:
        heard = {"at": when, "attempt_id": "", "kind": kind, "disposition": "", "digits": "", "sender": "",
                 "text": "", "identity": "", "acknowledged_at": when}  # fmt: skip
        assert self.network is not None
        self.network.append(heard | fields)
        return self.network[-1]

    def row(self, account: str, number: int) -> dict[str, Any]:
        return next(one for one in self.attempts if one["account_ids"] == [account] and one["round"] == number)

    def line(self, account: str, number: int) -> dict[str, Any]:
        key = self.row(account, number)["attempt_id"]
        return next(one for one in self.journal if one["attempt_id"] == key)

    def move(self, account: str, number: int, to: str) -> None:
        """Places a round's call at another instant, in all files; it ends at once."""
        row = self.row(account, number)
        for name in ("claimed_at", "placed_at", "answered_at", "ended_at", "settled_at"):
            row[name] = to
        for one in [*row["events"], self.line(account, number)]:
            one["at"] = to
        for one in self.network or ():
            if one["attempt_id"] == row["attempt_id"]:
                one["at"] = one["acknowledged_at"] = to
        for one in row["events"]:
            one["received_at"] = to

    def drop(self, account: str, *numbers: int, **instead: Any) -> None:
        """These rounds were never placed; with `instead` their rows say something else, without it there are none."""
        for number in numbers:
            row = self.row(account, number)
            self.journal = [one for one in self.journal if one["attempt_id"] != row["attempt_id"]]
            self.network = [one for one in self.network or () if one["attempt_id"] != row["attempt_id"]]
            if instead:
                names = ("claimed_at", "placed_at", "answered_at", "ended_at", "disposition", "outcome")
                row.update({**dict.fromkeys(names), "events": [], **instead})
            else:
                self.attempts.remove(row)

    def count(self) -> dict[str, Any]:
        """A report that equals the journal."""
        zero = dict.fromkeys(
            ("planned", "follow_ups", "placed", "reached", "promised", "says_paid", "opted_out", "other",
             "not_reached", "running", "refused", "cancelled", "expired", "waiting"), 0)  # fmt: skip
        rounds = []
        for number in WINDOWS:
            mine = [one for one in self.attempts if one["round"] == number]
            rounds.append({**zero, "planned": len(mine), "placed": len(mine), "reached": len(mine), "segment": "A",
                           "round": number})  # fmt: skip
        every = len(self.attempts)
        self.report = {
            "campaign": None, "day": None, "outside_window": 0, "rounds": rounds, "messages": {"placed": 0},
            "totals": {**zero, "planned": every, "placed": every, "reached": every},
            "lines": [{"line": "main", "calls": every, "messages": 0}], "load": [{"placed": every}],
        }  # fmt: skip
        return self.report

    def write(self, folder: Path) -> Path:
        folder.mkdir(exist_ok=True)
        files = {"journal": self.journal, "attempts": self.attempts, "actions": self.actions, "network": self.network}
        for name, lines in files.items():
            if lines is not None:
                text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in copy.deepcopy(lines))
                (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
        if self.report is not None:
            (folder / "report.json").write_text(json.dumps(self.report), encoding="utf-8")
        (folder / "settings.toml").write_text(SETTINGS, encoding="utf-8")
        return folder
