"""The referee on real runs: the engine's own simulation gives it nothing to find, whatever the network does."""

import csv
import io
import json
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from dialer import check, demo
from dialer.cli.simulate import run_with_progress
from dialer.referee import INVARIANTS, judge, read
from dialer.simulate import Simulation
from tests.support.evidence import PACKS

FIRST, LAST = date(2026, 1, 11), date(2026, 1, 17)


def evidence(folder: Path, faults: str) -> Path:
    """A simulated week, with what was given to it written down as `actions.jsonl`."""
    config, campaign = demo.write_samples(folder)
    accounts, installments = demo.write_portfolio(folder, 60, 7)
    settings = check.read_settings(config, {})
    (folder / "settings.toml").write_bytes(config.read_bytes())
    journal = folder / "journal.jsonl"
    what = Simulation(settings, campaign, accounts, installments, FIRST, LAST, 3, faults, journal)
    report = run_with_progress(what, folder, Console(quiet=True))
    (folder / "report.json").write_text(report.model_dump_json(), encoding="utf-8")
    zone = ZoneInfo(settings.lender.time_zone)
    start = datetime.combine(FIRST, time(), zone)
    actions = [
        (start, {"action": "import", "kind": "accounts", "text": accounts.read_text(encoding="utf-8")}),
        (start, {"action": "import", "kind": "installments", "text": _known_by(installments, FIRST)}),
        (start, {"action": "launch", "campaign": "monthly-reminder", "text": campaign.read_text(encoding="utf-8")}),
    ]
    for day in (FIRST + timedelta(days=n) for n in range(1, (LAST - FIRST).days + 1)):
        paid = {"action": "import", "kind": "installments", "text": _known_by(installments, day, only=True)}
        actions.append((datetime.combine(day, time(0, 1), zone), paid))
    with (folder / "actions.jsonl").open("w", encoding="utf-8") as stream:
        for at, action in actions:
            stamp = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            stream.write(json.dumps({"at": stamp, "asked_at": stamp, **action}, ensure_ascii=False) + "\n")
    return folder


def _known_by(installments: Path, day: date, only: bool = False) -> str:
    """The file without payments after this day; `only`: the rows that were paid on it."""
    rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(installments.read_text(encoding="utf-8"))))
    if only:
        rows = [row for row in rows if row["paid_on"] == str(day)]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, ["account_id", "due_on", "amount", "currency", "paid_on", "paid_amount"])
    writer.writeheader()
    for row in rows:
        late = row["paid_on"] and date.fromisoformat(row["paid_on"]) > day
        writer.writerow({**row, "paid_on": "", "paid_amount": ""} if late else row)
    return stream.getvalue()


@pytest.mark.parametrize("faults", ["none", "mild", "hostile"])
def test_a_real_run_gives_no_finding(tmp_path: Path, faults: str) -> None:
    verdicts = judge(read(evidence(tmp_path, faults), PACKS))
    assert verdicts.findings == []
    without = {"acknowledged"}  # there is no record of the network
    assert {name for name in INVARIANTS if not verdicts.checked[name]} == without
    assert len(verdicts.unchecked) == 1
