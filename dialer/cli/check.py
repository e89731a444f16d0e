"""`dialer check`: settings and campaign files; every fault at once, or that they are valid, and what looks unwise."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from rich.console import Console
from typer import BadParameter

from config.files import Fault
from config.settings import Settings
from dialer import forecast, forecast_files, log
from dialer.advice import Longest, advise
from dialer.check import Checked, CheckedCampaign, check_files
from dialer.cli.plan import DAYS, progress
from dialer.errors import DialerError
from dialer.forecast import Forecast, Question
from dialer.live import LiveProof, prove
from dialer.workload import workload

NO_PORTFOLIO = "no portfolio yet: load is not checked; import accounts and installments, or name both files"


class Warned(BaseModel):
    """Something worth a second look that is no fault."""

    file: str
    line: int | None
    field: str
    text: str


class CheckReport(BaseModel):
    """Everything is valid. Faults are no report: the command ends with them, exit code 2."""

    settings: str
    campaigns: list[str]
    warnings: list[Warned]
    portfolio: Literal["files", "database"] | None
    """What the campaigns' load was reckoned from; null: it was not."""
    note: str
    """How many attempts that load is, or why it was not reckoned."""
    live: list[LiveProof] | None = None
    """With `--live`: what was found at the database and at the adapters; null: they were not asked."""


@dataclass(frozen=True, slots=True)
class Portfolio:
    """The two files, where they are named."""

    accounts: Path | None
    installments: Path | None


@dataclass(slots=True)
class _Load:
    """What was found out about the portfolio: a forecast for each campaign, or why there is none."""

    source: Literal["files", "database"] | None
    note: str
    longest: Longest | None
    forecasts: list[Forecast]


async def check(
    files: Sequence[Path], config: Path, env: Mapping[str, str], portfolio: Portfolio, now: datetime, console: Console,
    as_json: bool, live: bool = False,
) -> CheckReport:  # fmt: skip
    """Checks the settings, campaign files against them, and what a portfolio asks of the lines; `live`: then asks the
    database and the adapters.

    Changes nothing, makes no database. Raises InvalidInput with all faults of all files, BadParameter for usage,
    DialerError where a live proof does not hold.
    """
    if (portfolio.accounts is None) != (portfolio.installments is None):
        raise BadParameter("one of two files is given; accepted: --accounts and --installments, or neither")
    if portfolio.accounts and not files:
        raise BadParameter("no campaign is named; accepted: campaign files before --accounts and --installments")
    checked = check_files(config, env, files)
    load = await _load(checked, portfolio, now, as_json) if checked.campaigns else _Load(None, "", None, [])
    warnings = [*checked.warnings]
    for one in checked.campaigns:
        warnings += advise(one, checked.settings, load.longest, now)
    for one, found in zip(checked.campaigns, load.forecasts, strict=False):
        warnings += workload(one, checked.settings, found)
    report = CheckReport(
        settings=str(config),
        campaigns=[one.document.file for one in checked.campaigns],
        warnings=[_warned(fault) for fault in sorted(set(warnings))],
        portfolio=load.source,
        note=load.note,
    )
    if not as_json:
        _print(report, console)
    if live:
        report.live = await _ask(checked.settings, None if as_json else console)
    if as_json:
        console.out(report.model_dump_json(indent=2), highlight=False)
    _raise_failed(report)
    return report


async def _ask(settings: Settings, console: Console | None) -> list[LiveProof]:
    """What the database and the adapters prove; each is printed when it is known, since a provider takes its time."""
    log.set_up("warning", settings.log.format)
    found = []
    async with aclosing(prove(settings)) as proofs:
        async for one in proofs:
            found.append(one)
            if console is not None:
                said = f" ({one.said})" if one.holds and one.said else f": {one.said}" if one.said else ""
                console.out(f"{one.of}: {one.what}: {'ok' if one.holds else 'FAILED'}{said}", highlight=False)
    return found


def _raise_failed(report: CheckReport) -> None:
    proofs = report.live or []
    if failed := [one for one in proofs if not one.holds]:
        which = ", ".join(dict.fromkeys(one.of for one in failed))
        raise DialerError(
            f"{len(failed)} of {len(proofs)} live checks failed ({which}); each says what is wrong, mend it and check "
            "again"
        )


def _warned(fault: Fault) -> Warned:
    return Warned(file=fault.file, line=fault.line, field=fault.field, text=f"{fault.wrong}; {fault.accepted}")


def _print(report: CheckReport, console: Console) -> None:
    for one in report.warnings:
        place = one.file if one.line is None else f"{one.file}:{one.line}"
        console.out(f"warning: {place}: {one.field}: {one.text}", highlight=False)
    for name in [report.settings, *report.campaigns]:
        console.out(f"{name}: valid", highlight=False)
    if report.note:
        console.out(report.note, highlight=False)


# --- the portfolio -----------------------------------------------------------------------------------------------


async def _load(checked: Checked, portfolio: Portfolio, now: datetime, quiet: bool) -> _Load:
    if portfolio.accounts and portfolio.installments:
        load = _from_files(checked, portfolio.accounts, portfolio.installments, now, quiet)
    else:
        load = await _from_database(checked, now, quiet)
    if load.source:
        attempts = sum(found.attempts.total() for found in load.forecasts)
        load.note = f"load: {attempts:,} attempts in the next {DAYS.days} days, from the {load.source}"
    return load


def _question(one: CheckedCampaign, settings: Settings, now: datetime) -> Question:
    today = now.astimezone(ZoneInfo(settings.lender.time_zone)).date()
    return forecast.question(settings, one.campaign, today, today + DAYS, now)


def _from_files(checked: Checked, accounts: Path, installments: Path, now: datetime, quiet: bool) -> _Load:
    files = forecast_files.open_files(checked.settings.lender.country, accounts, installments)
    if not files.accounts.sheet.rows:
        return _Load(None, NO_PORTFOLIO, None, [])
    with progress(quiet) as bar:
        questions = [_question(one, checked.settings, now) for one in checked.campaigns]
        found = [forecast_files.from_files(asked, files, False, bar) for asked in questions]
    name, pay_to, languages = "", "", set()
    for chunk in files.accounts if any(one.campaign.message for one in checked.campaigns) else ():
        for _, account in chunk.good:
            name, pay_to = max(name, account.name, key=len), max(pay_to, account.pay_to, key=len)
            languages.add(account.language)
    return _Load("files", "", Longest(name, pay_to, tuple(sorted(filter(None, languages)))), found)


async def _from_database(checked: Checked, now: datetime, quiet: bool) -> _Load:
    # SQLAlchemy takes its time to import, and what needs no database can do without.
    from dialer import forecast_store, mark
    from dialer.store import Store, planbook, schema, sqlite_file
    from dialer.store import forecast as statements

    url = checked.settings.database
    file = sqlite_file(url)
    try:
        mark.refuse_where_gone(url)
        version = schema.version(url) if file is None or file.exists() else None
    except DialerError as error:
        return _Load(None, f"load is not checked: {error}", None, [])
    if version is None:
        return _Load(None, NO_PORTFOLIO, None, [])
    if version != schema.HEAD:
        wrong = f"load is not checked: the database has version {version}, this program {schema.HEAD}"
        return _Load(None, f"{wrong}; any other command upgrades it", None, [])
    store = Store(url)
    try:
        if await store.read(lambda tx: planbook.next_people(tx, "", 1)) is None:
            return _Load(None, NO_PORTFOLIO, None, [])
        name, pay_to = await store.read(statements.longest)
        longest = Longest(name, pay_to, tuple(await store.read(statements.languages)))
        with progress(quiet) as bar:
            questions = [_question(one, checked.settings, now) for one in checked.campaigns]
            found = [await forecast_store.from_store(asked, store, False, bar) for asked in questions]
        return _Load("database", "", longest, found)
    finally:
        await store.close()
