"""The referee on real runs: the engine's own simulation gives it nothing to find, whatever the network does."""

from datetime import date
from pathlib import Path

import pytest
from rich.console import Console

from dialer import check, demo
from dialer.cli.simulate import run_with_progress
from dialer.referee import INVARIANTS, judge, read
from dialer.simulate import Simulation
from tests.support.evidence import PACKS

FIRST, LAST = date(2026, 1, 11), date(2026, 1, 17)


def evidence(folder: Path, faults: str) -> Path:
    """A simulated week, with all that it writes down of itself."""
    config, campaign = demo.write_samples(folder)
    accounts, installments = demo.write_portfolio(folder, 60, 7)
    settings = check.read_settings(config, {})
    (folder / "settings.toml").write_bytes(config.read_bytes())
    journal = folder / "journal.jsonl"
    what = Simulation(settings, campaign, accounts, installments, FIRST, LAST, 3, faults, journal)
    report = run_with_progress(what, folder, Console(quiet=True))
    (folder / "report.json").write_text(report.model_dump_json(), encoding="utf-8")
    return folder


@pytest.mark.parametrize("faults", ["none", "mild", "hostile"])
def test_a_real_run_gives_no_finding(tmp_path: Path, faults: str) -> None:
    verdicts = judge(read(evidence(tmp_path, faults), PACKS))
    assert verdicts.findings == []
    assert [name for name in INVARIANTS if not verdicts.checked[name]] == []
