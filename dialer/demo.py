"""`make demo`: a month of reminders for 5,000 sample borrowers over the mock carrier, on a virtual clock.

Writes a portfolio, settings and a campaign into a folder, simulates January 2026, prints the report and writes
it as a page. Everything follows from one seed.
"""

import csv
import os
import sys
from datetime import date, timedelta
from pathlib import Path
from random import Random
from string import Template

from rich.console import Console

from campaigns.calendar import clamped, months_before
from dialer import check, log, report, report_show
from dialer.cli.init import sample_text
from dialer.cli.simulate import run_with_progress
from dialer.errors import DialerError
from dialer.simulate import Simulation

FIRST, LAST = date(2026, 1, 1), date(2026, 1, 31)
BORROWERS = 5_000
SEED = 2026
MIX = (("A", 0.60), ("B", 0.25), ("C", 0.15))
ON_TIME = {"A": 0.90, "B": 0.75, "C": 0.55}
"""How many of a segment pay by the due day in the sample."""
SURNAMES, GIVEN = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗", "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀兰霞"
BANKS = ("工商银行", "建设银行", "农业银行", "中国银行", "招商银行")


def main(folder: Path = Path("demo-out")) -> None:
    """Runs the demo in `folder`; files of an earlier run are replaced."""
    out, err = Console(width=None if sys.stdout.isatty() else 120), Console(stderr=True)
    try:
        run(folder, BORROWERS, out, err)
    except DialerError as error:
        err.print(f"dialer: {error}", markup=False)
        sys.exit(error.exit_code)


def run(folder: Path, borrowers: int, out: Console, err: Console) -> None:
    """The demo with so many borrowers."""
    folder.mkdir(parents=True, exist_ok=True)
    config, campaign = write_samples(folder)
    accounts, installments = write_portfolio(folder, borrowers, SEED)
    settings = check.read_settings(config, {k: v for k, v in os.environ.items() if not k.startswith("DIALER_")})
    log.set_up("error")
    check.read_campaign(campaign, settings)
    journal = folder / "journal.jsonl"
    journal.unlink(missing_ok=True)
    out.print(f"{borrowers:,} borrowers, {FIRST} to {LAST}, campaign {campaign}, mock carrier, seed {SEED}")
    what = Simulation(settings, campaign, accounts, installments, FIRST, LAST, SEED, "none", journal)
    found = run_with_progress(what, None, err)
    report_show.show(found, out)
    pages = {language: folder / f"report.{language}.html" for language in ("zh", "en")}
    for language, page in pages.items():
        report.write_html(found, page, language, settings)
    out.print(f"The report as a page, Chinese and English: {' and '.join(map(str, pages.values()))}")


def write_samples(folder: Path) -> tuple[Path, Path]:
    """The sample settings and campaign, for due dates on the 15th and the 30th."""
    values = {"due_days": "[15, 30]", "today": str(FIRST)}
    for name in ("dialer.toml", "monthly.toml"):
        (folder / name).write_text(Template(sample_text("zh", name)).substitute(values), encoding="utf-8")
    return folder / "dialer.toml", folder / "monthly.toml"


def write_portfolio(folder: Path, borrowers: int, seed: int) -> tuple[Path, Path]:
    """accounts.csv and installments.csv: three months of history, one installment due, payments as they will come."""
    random = Random(seed)
    accounts, installments = folder / "accounts.csv", folder / "installments.csv"
    with (
        accounts.open("w", newline="", encoding="utf-8") as a,
        installments.open("w", newline="", encoding="utf-8") as i,
    ):
        people, dues = csv.writer(a), csv.writer(i)
        people.writerow(
            [
                "account_id",
                "person_id",
                "name",
                "phone",
                "language",
                "time_zone",
                "region",
                "pay_to",
                "consent_voice",
                "consent_sms",
            ]
        )
        dues.writerow(["account_id", "due_on", "amount", "currency", "paid_on", "paid_amount"])
        for number in range(1, borrowers + 1):
            segment = random.choices([name for name, _ in MIX], [share for _, share in MIX])[0]
            name = random.choice(SURNAMES) + random.choice(GIVEN)
            phone = f"+86{random.choice(('138', '139', '150', '186'))}{number:08d}"
            due_day = random.choice((15, 30))
            # One in twenty has a second account, due on the same day: one call names both.
            for part in range(2 if random.random() < 0.05 else 1):
                account = f"L-{number:05d}{'ab'[part]}"
                pay_to = f"{random.choice(BANKS)}尾号{random.randrange(10_000):04d}"
                consent = random.choices(("yes", "", "no"), (0.95, 0.04, 0.01))[0]
                people.writerow([account, f"P-{number:05d}", name, phone, "zh-CN", "", "CN", pay_to, consent, "yes"])
                dues.writerows(_installments(random, account, segment, due_day))
    return accounts, installments


def _installments(random: Random, account: str, segment: str, due_day: int) -> list[list[str]]:
    amount = f"{random.randrange(300, 5000)}.00"
    late_months = {"A": 0, "B": random.choice((1, 2)), "C": 3}[segment]
    rows = []
    due_on = clamped(2026, 1, due_day)
    for back in (3, 2, 1):
        month = months_before(date(2026, 1, 1), back)
        was_due = clamped(month.year, month.month, due_day)
        days = random.randrange(1, 12) if back <= late_months else -random.randrange(0, 6)
        rows.append([account, str(was_due), amount, "CNY", str(was_due + timedelta(days=days)), amount])
    if random.random() < ON_TIME[segment]:
        paid_on = str(due_on - timedelta(days=random.choice((0, 0, 0, 0, 1, 1, 2, 5))))
    elif random.random() < 0.5:
        paid_on = str(due_on + timedelta(days=random.randrange(1, 10)))
    else:
        paid_on = ""
    rows.append([account, str(due_on), amount, "CNY", paid_on, amount if paid_on else ""])
    return rows


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("demo-out"))
