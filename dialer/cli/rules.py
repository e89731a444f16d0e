"""The face of `dialer rules`: lists packs and rules, tells one in full, checks a user's pack."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from typer import BadParameter

from config.faults import nearest
from config.settings import Settings
from dialer.cli.common import CONFIG, Config, Json, out, settings_of
from dialer.clock import SystemClock
from dialer.rulelist import RuleShown, RulesReport, Whom, check_packs, known_packs, listed

CHECK = "check"
WIDE = 100
"""Columns from which on the source has a column of its own."""
_SHORT = {"presumption": "presum.", "guidance": "guid."}
_STYLES = {"P": "green", "S": "", "M": "yellow", "H": "cyan"}


def command(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...|check FILE...", help="Packs to tell in full, or files to check."),
    ] = None,
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """List rule packs and what binds; NAME tells one in full; `check FILE` validates a pack of your own."""
    names = words or []
    report = _check(names[1:], config) if names[:1] == [CHECK] else _list(names, config)
    if json:
        out.print_json(report.model_dump_json())
    elif names[:1] == [CHECK]:
        _show_checked(report, out)
    elif names:
        _show_full(report, out)
    else:
        _show_list(report, out)


def _settings(config: Path) -> Settings | None:
    """None where there is no settings file and none was asked for: the packs can be read all the same."""
    absent = config == CONFIG and "DIALER_CONFIG" not in os.environ and not config.exists()
    return None if absent else settings_of(config)


def _list(names: Sequence[str], config: Path) -> RulesReport:
    settings = _settings(config)
    files = known_packs(settings)
    if wrong := [_unknown(name, files) for name in names if name not in files]:
        raise BadParameter("\n".join(wrong))
    whom, zone = (Whom.of(settings), ZoneInfo(settings.lender.time_zone)) if settings else (Whom(), None)
    now = SystemClock().now()
    packs = listed(files, [*dict.fromkeys(names or files)], whom, now.astimezone(zone).date())
    return RulesReport(actor=whom.actor, settings=str(config) if settings else None, packs=packs, warnings=[])


def _unknown(name: str, files: Mapping[str, object]) -> str:
    near = nearest(name, [*files, CHECK])
    return f'no pack is named "{name}"{near}; accepted: {", ".join(files)}, or {CHECK} and files'


def _check(files: Sequence[str], config: Path) -> RulesReport:
    if not files:
        raise BadParameter(f"no file is named; accepted: dialer rules {CHECK} FILE, one or several")
    # A pack can be checked before there are settings, and beside faulty ones: only its own faults are told.
    whom = Whom()
    packs, warnings = check_packs([Path(file) for file in files], whom, SystemClock().now().astimezone().date())
    return RulesReport(actor=whom.actor, settings=None, packs=packs, warnings=warnings)


# --- for people --------------------------------------------------------------------------------------------------


def _show_checked(report: RulesReport, console: Console) -> None:
    for one in report.warnings:
        console.out(f"warning: {one.file}:{one.line}: {one.field}: {one.text}", highlight=False)
    for pack in report.packs:
        many = f"{len(pack.rules)} rule{'s' if len(pack.rules) > 1 else ''}"
        console.out(f"{pack.file}: valid, {many}", highlight=False)


def _show_list(report: RulesReport, console: Console) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim", show_edge=False)
    table.add_column("rule", no_wrap=True)
    table.add_column("what it says", ratio=3)
    table.add_column("grade", no_wrap=True)
    table.add_column("binds", width=11)
    wide = console.width >= WIDE
    if wide:
        table.add_column("source", ratio=2)
    for number, pack in enumerate(report.packs):
        if number:
            table.add_row()
        table.add_row(f"[bold]{escape(pack.name)}[/]", f"[dim]{escape(pack.file)}[/]")
        for rule in pack.rules:
            table.add_row(*_row(rule, wide))
    console.print(table, soft_wrap=False)
    console.print(_legend(report), soft_wrap=False, highlight=False)


def _row(rule: RuleShown, wide: bool) -> Iterator[str]:
    style = "" if rule.binds else "dim"
    source = escape(rule.citation)
    yield _styled(escape(rule.id), style)
    yield _styled(escape(rule.says), style) + ("" if wide else f"\n[dim]{source}[/]")
    force = rule.force if wide else _SHORT.get(rule.force, rule.force)
    yield _styled(f"{rule.grade} {force}", style or _STYLES[rule.grade])
    yield "yes" if rule.binds else f"[dim]{escape(rule.why_not)}[/]"
    if wide:
        yield _styled(source, style)


def _styled(text: str, style: str) -> str:
    return f"[{style}]{text}[/]" if style and text else text


def _legend(report: RulesReport) -> str:
    whose = f"for a {report.actor.replace('_', ' ')}, as {report.settings} says" if report.settings else (
        "for a creditor: there is no dialer.toml here, so nothing is turned on or off"
    )  # fmt: skip
    return (
        "[dim]Grades: P the text was read, S a secondary source, M from memory (off unless `unverified` names it), "
        f"H the house's own (`relaxed` turns it off). `binds` is told {escape(whose)}. Which packs apply to whom: "
        "docs/rules.md. A pack is a reading of the law, not legal advice. `dialer rules NAME` tells a pack in full.[/]"
    )


def _show_full(report: RulesReport, console: Console) -> None:
    for number, pack in enumerate(report.packs):
        if number:
            console.print()
        console.print(f"[bold]{escape(pack.name)}[/]  [dim]{escape(pack.file)}[/]", highlight=False)
        for rule in pack.rules:
            console.print()
            console.print(_full(rule), soft_wrap=False)
    console.print()
    console.print(_legend(report), soft_wrap=False, highlight=False)


def _full(rule: RuleShown) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="dim")
    table.add_column()
    table.add_row(f"[not dim bold]{escape(rule.id)}[/]", escape(rule.says))
    told = {
        "kind": rule.kind,
        "binds": "yes" if rule.binds else f"no, {rule.why_not}",
        "force, grade": f"{rule.force}, {rule.grade}",
        "source": f"{rule.citation}\n{rule.url}",
        "checked on": str(rule.checked_on),
        "quote": rule.quote,
        "note": rule.note,
        "in force": _in_force(rule),
        "actor": ", ".join(rule.actor),
        "channels": ", ".join(rule.channels),
        **{key: _plain(value) for key, value in rule.details.items()},
    }
    for key, text in told.items():
        if text:
            table.add_row(escape(key), escape(text))
    return table


def _in_force(rule: RuleShown) -> str:
    first, last = rule.effective_from, rule.effective_to
    return " ".join(part for part in (f"from {first}" if first else "", f"until {last}" if last else "") if part)


def _plain(value: object) -> str:
    """A value of a pack in words."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(_plain(inner) if not isinstance(inner, dict) else f"({_plain(inner)})" for inner in value)
    return str(value)
