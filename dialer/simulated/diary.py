"""What happened outside the engine, as the simulated world saw it: actions.jsonl and network.jsonl for the referee."""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from dialer.export import instant
from dialer.roster import Account, Installment, Suppression
from dialer.wholefile import whole_file

_ACCOUNTS = (
    "account_id", "person_id", "name", "phone", "language", "time_zone", "region", "pay_to", "consent_voice",
    "consent_sms",
)  # fmt: skip
_INSTALLMENTS = ("account_id", "installment_id", "due_on", "amount", "currency", "paid_on", "paid_amount")
_SUPPRESSIONS = ("phone", "person_id", "channel", "reason", "until")


@dataclass(slots=True)
class Diary:
    """Actions of lender and operator, and facts of the network. Nothing of it was read from the database."""

    actions: list[dict[str, Any]] = field(default_factory=list)
    facts: list[dict[str, Any]] = field(default_factory=list)

    def act(self, at: datetime, action: str, **what: Any) -> None:
        """`at`: from when it is in force. What loosens from its beginning, what stops from its acknowledgement."""
        self.actions.append({"at": instant(at), "action": action, **what})

    def write(self, folder: Path) -> None:
        """actions.jsonl and network.jsonl into `folder`, in the order of time."""
        for name, rows in (("actions.jsonl", self.actions), ("network.jsonl", self.facts)):
            with whole_file(folder / name) as stream:
                for row in sorted(rows, key=lambda row: str(row["at"])):
                    stream.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")


def accounts_csv(rows: Iterable[Account]) -> str:
    return _csv(_ACCOUNTS, rows)


def installments_csv(rows: Iterable[Installment]) -> str:
    """`installment_id` is left out where it is the due date: a file without ids."""
    every = [row._asdict() for row in rows]
    has_ids = any(row["installment_id"] != row["due_on"].isoformat() for row in every)
    names = _INSTALLMENTS if has_ids else tuple(name for name in _INSTALLMENTS if name != "installment_id")
    for row in every:
        row["paid_amount"] = row["paid_amount"] if row["paid_on"] else ""
    return _csv_of(names, every)


def suppressions_csv(rows: Iterable[Suppression]) -> str:
    return _csv(_SUPPRESSIONS, rows)


def _csv(names: tuple[str, ...], rows: Iterable[Any]) -> str:
    return _csv_of(names, [row._asdict() for row in rows])


def _csv_of(names: tuple[str, ...], rows: Iterable[dict[str, Any]]) -> str:
    stream = io.StringIO()
    out = csv.writer(stream, lineterminator="\n")
    out.writerow(names)
    out.writerows(["" if row[name] is None else str(row[name]) for name in names] for row in rows)
    return stream.getvalue()
