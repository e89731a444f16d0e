"""What was given to the engine and done by operators, rebuilt from the database as `actions.jsonl`, for the referee.

Files are rebuilt from the rows as they stand: an account is told as it is now, from its last change on. Such an import
says `rebuilt`, so that the referee does not judge what lies before it by it.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

from dialer.export import instant, stream_to
from dialer.log import mask_name, mask_phone, mask_text
from dialer.store import Tx, action_rows

Line = tuple[datetime, int, dict[str, Any]]
"""When, and in which order things of one instant are told: files, payments, lifts, then stops, then campaigns."""
_FILES, _PAID, _LIFT, _SUPPRESS, _LAUNCH, _STATUS = range(6)

ACCOUNTS = (
    "account_id", "person_id", "name", "phone", "language", "time_zone", "region", "pay_to", "consent_voice",
    "consent_sms", "role",
)  # fmt: skip
INSTALLMENTS = ("account_id", "installment_id", "due_on", "amount", "currency", "paid_on", "paid_amount")
AGREEMENTS = ("person_id", "kind", "given_on", "until")


def write_jsonl(tx: Tx, path: Path, reveal: bool = False) -> int:
    """Writes `path` whole or not at all, `-` to standard output; returns how many actions. Raises DialerError."""
    lines = sorted(_lines(tx, reveal), key=lambda line: line[:2])
    with stream_to(path) as stream:
        for at, _, action in lines:
            stamp = {"at": instant(at), "asked_at": instant(at)}
            stream.write(json.dumps({**stamp, **action}, ensure_ascii=False, separators=(",", ":")) + "\n")
    return len(lines)


def _lines(tx: Tx, reveal: bool) -> Iterator[Line]:
    yield from _files(tx, reveal)
    for row in action_rows.payments(tx):
        yield row.recorded_at, _PAID, {
            "action": "paid", "account_id": row.account_id, "due_on": row.due_on.isoformat(),
            "amount": _money(abs(row.amount)), "paid_on": row.paid_on.isoformat() if row.paid_on else None,
            "reverse": row.amount < 0,
        }  # fmt: skip
    yield from _suppressions(tx, reveal)
    for row in action_rows.versions(tx):
        yield row.launched_at, _LAUNCH, {"action": "launch", "campaign": row.name, "text": row.text}
    for row in action_rows.statuses(tx):
        campaign = {"campaign": row.subject} if row.subject else {}
        yield row.at, _STATUS, {"action": row.action, **campaign}


def _files(tx: Tx, reveal: bool) -> Iterator[Line]:
    """One import for each kind of file and instant."""
    for at, rows in groupby(action_rows.accounts(tx), key=lambda row: row.imported_at):
        yield at, _FILES, _import("accounts", ACCOUNTS, (_account(row, reveal) for row in rows))
    for at, rows in groupby(action_rows.installments(tx), key=lambda row: row.known_at):
        yield at, _FILES, _import("installments", INSTALLMENTS, (_installment(row) for row in rows))
    for at, rows in groupby(action_rows.agreements(tx), key=lambda row: row.recorded_at):
        yield at, _FILES, _import("agreements", AGREEMENTS, (row[:4] for row in rows))


def _import(kind: str, columns: tuple[str, ...], rows: Iterable[Iterable[Any]]) -> dict[str, Any]:
    stream = io.StringIO(newline="")
    out = csv.writer(stream, lineterminator="\n")
    out.writerow(columns)
    out.writerows(["" if cell is None else str(cell) for cell in row] for row in rows)
    return {"action": "import", "kind": kind, "rebuilt": True, "text": stream.getvalue()}


def _account(row: Any, reveal: bool) -> list[Any]:
    values = {name: row._mapping[name] for name in ACCOUNTS}
    if not reveal:
        values |= {"name": mask_name(row.name), "phone": mask_phone(row.phone), "pay_to": ""}
    return list(values.values())


def _installment(row: Any) -> list[Any]:
    """What is paid comes as payments. An installment without an id of its own has none in the file."""
    own = "" if row.installment_id == row.due_on.isoformat() else row.installment_id
    return [row.account_id, own, row.due_on, _money(row.amount), row.currency, "", ""]


def _suppressions(tx: Tx, reveal: bool) -> Iterator[Line]:
    for row in action_rows.suppressions(tx):
        phone = mask_phone(row.phone) if row.phone and not reveal else row.phone
        whom = {"phone": phone, "person_id": row.person_id, "channel": row.channel}
        yield row.created_at, _SUPPRESS, {
            "action": "suppress", **whom, "until": row.until.isoformat() if row.until else None, "both": row.both,
            "reason": row.reason if reveal else mask_text(row.reason),
        }  # fmt: skip
        if row.lifted_at is not None:
            yield row.lifted_at, _LIFT, {"action": "lift", **whom}


def _money(amount: Decimal) -> str:
    return format(amount, "f")
