"""Every attempt and its history as a file, streamed: CSV for spreadsheets, JSON lines with verdicts and events.

Instants are UTC with milliseconds; phones are masked unless they are asked for.
"""

import csv
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from dialer.csvfile import neutralised
from dialer.errors import DialerError
from dialer.log import mask_phone, mask_text
from dialer.store import Tx, views

COLUMNS = (
    "attempt_id", "campaign", "account_ids", "person_id", "segment", "due_on", "round", "try", "channel", "line",
    "phone", "time_zone", "state", "reason", "disposition", "outcome", "planned_for", "placed_at", "answered_at",
    "ended_at", "provider_ref",
)  # fmt: skip


def write_csv(
    tx: Tx, path: Path, campaign: str | None = None, since: datetime | None = None, reveal: bool = False
) -> int:
    """Writes `path` whole or not at all; returns how many attempts.

    Raises DialerError for a campaign that is not launched, and where the file can't be written.
    """
    _check_launched(tx, campaign)
    count = 0
    with _whole_file(path) as stream:
        out = csv.writer(stream, lineterminator="\n")
        out.writerow(COLUMNS)
        for rows in views.attempts(tx, campaign, since):
            accounts = views.accounts_of(tx, [row.attempt_id for row in rows])
            out.writerows(_cells(_values(row, accounts, reveal)) for row in rows)
            count += len(rows)
    return count


def write_jsonl(
    tx: Tx, path: Path, campaign: str | None = None, since: datetime | None = None, reveal: bool = False
) -> int:
    """The same with `rule`, `verdicts` and `events`, a JSON object a line; `account_ids` is a list there."""
    _check_launched(tx, campaign)
    count = 0
    with _whole_file(path) as stream:
        for rows in views.attempts(tx, campaign, since):
            ids = [row.attempt_id for row in rows]
            accounts, verdicts, events = (
                views.accounts_of(tx, ids),
                views.verdicts_of(tx, ids),
                views.events_of(tx, ids),
            )
            for row in rows:
                whole = _values(row, accounts, reveal)
                whole["account_ids"] = accounts.get(row.attempt_id, [])
                whole["rule"] = row.rule
                whole["verdicts"] = [_verdict(one) for one in verdicts.get(row.attempt_id, ())]
                whole["events"] = [_event(one, reveal) for one in events.get(row.attempt_id, ())]
                stream.write(json.dumps(whole, ensure_ascii=False, separators=(",", ":")) + "\n")
            count += len(rows)
    return count


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


def _cells(values: dict[str, Any]) -> list[str]:
    """The cells, safe for a spreadsheet. The phone is E.164 or masked by us: neither is a formula."""
    return [
        "" if value is None else str(value) if name == "phone" else _text(str(value)) for name, value in values.items()
    ]


def _text(cell: str) -> str:
    # Before Python 3.13 the csv module leaves a lone carriage return unquoted, and readers end the row there.
    return neutralised(cell).replace("\r", " ")


@contextmanager
def _whole_file(path: Path) -> Iterator[IO[str]]:
    """A file that takes its place when it is complete. Readable by its owner only: it holds personal data."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise DialerError(f"{path}: cannot be written ({error.strerror}); name another file") from error
