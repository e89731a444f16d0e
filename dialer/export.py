"""Every attempt and its history as a file, streamed: CSV for spreadsheets, JSON lines with all that belongs to it.

From the JSON lines every figure of the report can be counted again. Instants are UTC with milliseconds, money is
text; phones are masked unless they are asked for.
"""

import csv
import io
import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from dialer.csvfile import neutralised
from dialer.errors import DialerError
from dialer.log import mask_phone, mask_text
from dialer.store import Tx, views
from dialer.wholefile import whole_file

STANDARD_OUTPUT = Path("-")
COLUMNS = (
    "attempt_id", "campaign", "account_ids", "person_id", "segment", "due_on", "round", "try", "channel", "line",
    "phone", "time_zone", "state", "reason", "disposition", "outcome", "planned_for", "placed_at", "answered_at",
    "ended_at", "provider_ref",
)  # fmt: skip


def write_csv(
    tx: Tx, path: Path, campaign: str | None = None, since: datetime | None = None, reveal: bool = False
) -> int:
    """Writes `path` whole or not at all, `-` to standard output; returns how many attempts.

    Raises DialerError for a campaign that is not launched, and where the file can't be written.
    """
    _check_launched(tx, campaign)
    count = 0
    with stream_to(path) as stream:
        out = csv.writer(stream, lineterminator="\n")
        out.writerow(COLUMNS)
        for rows in views.attempts(tx, campaign, since):
            accounts = views.accounts_of(tx, [row.attempt_id for row in rows])
            out.writerows(_cells(_values(row, accounts, reveal)) for row in rows)
            count += len(rows)
    return count


def write_jsonl(
    tx: Tx, path: Path, campaign: str | None = None, since: datetime | None = None, reveal: bool = False, *,
    currency: str,
) -> int:  # fmt: skip
    """The same with all that the report is counted from, a JSON object a line; `account_ids` is a list there.

    `currency`: the lender's, in which the lines are paid.
    """
    _check_launched(tx, campaign)
    count = 0
    with stream_to(path) as stream:
        for rows in views.attempts(tx, campaign, since):
            history = _History(tx, [row.attempt_id for row in rows], currency, reveal)
            for row in rows:
                stream.write(json.dumps(history.of(row), ensure_ascii=False, separators=(",", ":")) + "\n")
            count += len(rows)
    return count


class _History:
    """What belongs to a page of attempts."""

    def __init__(self, tx: Tx, ids: list[int], currency: str, reveal: bool) -> None:
        self._currency, self._reveal = currency, reveal
        self._accounts = views.accounts_of(tx, ids)
        self._installments = views.installments_of(tx, ids)
        self._payments = views.payments_of(tx, ids)
        self._promises = views.promises_of(tx, ids)
        self._verdicts = views.verdicts_of(tx, ids)
        self._events = views.events_of(tx, ids)

    def of(self, row: Any) -> dict[str, Any]:
        key = row.attempt_id
        return {
            **_values(row, self._accounts, self._reveal),
            "account_ids": self._accounts.get(key, []),
            "cause": row.cause,
            "rule": row.rule,
            "code": row.code,
            "detected": row.detected,
            "zones": row.zones,
            "window_from": instant(row.window_from),
            "window_until": instant(row.window_until),
            "claimed_at": instant(row.claimed_at),
            "lost_at": instant(row.lost_at),
            "settled_at": instant(row.settled_at),
            "cost": _money(row.cost),
            "currency": self._currency,
            "installments": [self._installment(one) for one in self._installments.get(key, ())],
            "promises": [_promise(one) for one in self._promises.get(key, ())],
            "verdicts": [_verdict(one) for one in self._verdicts.get(key, ())],
            "events": [_event(one, self._reveal) for one in self._events.get(key, ())],
        }

    def _installment(self, row: Any) -> dict[str, Any]:
        """`cancelled`: the attempt was about it once, and no longer is."""
        payments = self._payments.get((row.account_id, row.installment_id), ())
        return {
            "account_id": row.account_id,
            "installment_id": row.installment_id,
            "cancelled": row.cancelled,
            "due_on": _day(row.due_on),
            "amount": _money(row.amount),
            "currency": row.currency,
            "payments": [_payment(one) for one in payments],
        }


def _check_launched(tx: Tx, campaign: str | None) -> None:
    launched = [row.name for row in views.campaigns(tx)]
    if campaign is not None and campaign not in launched:
        raise DialerError(
            f'no campaign is named "{campaign}"; launched are: {", ".join(launched) or "none is launched"}'
        )


def _values(row: Any, accounts: dict[int, list[str]], reveal: bool) -> dict[str, Any]:
    return {
        "attempt_id": str(row.attempt_id),
        "campaign": row.name,
        "account_ids": ";".join(accounts.get(row.attempt_id, ())),
        "person_id": row.person_id,
        "segment": row.segment,
        "due_on": row.due_on.isoformat(),
        "round": row.round,
        "try": row._mapping["try"],
        "channel": row.channel,
        "line": row.line,
        "phone": row.phone if reveal else mask_phone(row.phone),
        "time_zone": row.zones[0] if row.zones else None,
        "state": row.state,
        "reason": row.reason,
        "disposition": row.disposition,
        "outcome": row.outcome,
        "planned_for": instant(row.planned_for),
        "placed_at": instant(row.placed_at),
        "answered_at": instant(row.answered_at),
        "ended_at": instant(row.ended_at),
        "provider_ref": row.provider_ref,
    }


def _payment(row: Any) -> dict[str, Any]:
    return {
        "paid_on": _day(row.paid_on),
        "amount": _money(row.amount),
        "source": row.source,
        "recorded_at": instant(row.recorded_at),
    }


def _promise(row: Any) -> dict[str, Any]:
    return {
        "account_id": row.account_id,
        "installment_id": row.installment_id,
        "promised_on": _day(row.promised_on),
        "amount": _money(row.amount),
        "currency": row.currency,
        "state": row.state,
        "made_at": instant(row.made_at),
    }


def _verdict(row: Any) -> dict[str, Any]:
    until = instant(row.until)
    return {"at": instant(row.at), "stage": row.stage, "verdict": row.verdict, "rule": row.rule, "until": until,
            "reason": row.reason}  # fmt: skip


def _event(row: Any, reveal: bool) -> dict[str, Any]:
    data = row.data if reveal else {key: mask_text(v) if isinstance(v, str) else v for key, v in row.data.items()}
    return {
        "kind": row.kind,
        "at": instant(row.at),
        "received_at": instant(row.received_at),
        "stray": row.stray,
        **data,
    }


def instant(at: datetime | None) -> str | None:
    """2026-01-14T01:30:00.123Z."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _money(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount, "f")


def _cells(values: dict[str, Any]) -> list[str]:
    """The cells, safe for a spreadsheet. The phone is E.164 or masked by us: neither is a formula."""
    return [
        "" if value is None else str(value) if name == "phone" else _text(str(value)) for name, value in values.items()
    ]


def _text(cell: str) -> str:
    # Before Python 3.13 the csv module leaves a lone carriage return unquoted, and readers end the row there.
    return neutralised(cell).replace("\r", " ")


def stream_to(path: Path) -> AbstractContextManager[IO[str]]:
    return _standard_output() if path == STANDARD_OUTPUT else whole_file(path)


@contextmanager
def _standard_output() -> Iterator[IO[str]]:
    """UTF-8 whatever the terminal's locale is; what is written by then stays written when it fails."""
    stream = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="")
    try:
        yield stream
    finally:
        stream.detach()
