"""`dialer call`: one test call or message to a number that the settings name for it."""

import asyncio
import signal
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import BaseModel

from campaigns.file import Campaign
from campaigns.model import Channel
from campaigns.script import asks_for_digits
from campaigns.where import read_phone
from config.faults import nearest
from config.settings import Settings
from dialer import check
from dialer.cli.common import CONFIG, Config, Json, out, settings_of
from dialer.errors import DialerError
from dialer.explain_model import Answer
from dialer.log import mask_phone

if TYPE_CHECKING:
    from dialer.testcall import Ending, Tell
    from dialer.teststage import Wanted


class CallEvent(BaseModel):
    """One thing that happened to it."""

    at: datetime
    kind: str
    """The engine's own word: `passed`, `accepted`, `ringing`, `answered`, `keyed`, `ended` …"""
    text: str


class CallReport(BaseModel):
    """`dialer call --json`: a test call. Nothing of it is kept in the database."""

    to: str
    """The test number, whole."""
    campaign: str
    channel: Channel
    script: str
    """The script's name; of a message the message's."""
    attempt_id: int | None
    """As the provider was told it; null: nothing was placed."""
    line: str | None
    state: str | None
    """`settled`, or where it stood when it was given up."""
    disposition: str | None
    outcome: str | None
    placed_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    why: str
    """Why it could not be done (exit code 1); empty where it settled, also where nobody answered."""
    refusal: Answer | None
    """What the gate says, where it refuses."""
    events: list[CallEvent]


def call(
    to: Annotated[str, typer.Option(metavar="NUMBER", help="One of test_numbers in the settings.")],
    script: Annotated[str, typer.Option(metavar="NAME", help="A script of the campaign, or a message.")],
    campaign: Annotated[Path, typer.Option(metavar="FILE", help="The campaign file; it need not be launched.")],
    config: Config = CONFIG,
    json: Json = False,
) -> None:
    """One test call to a test number, through the gate, on the campaign's lines. Ctrl-C hangs up."""
    settings = settings_of(config, secrets=True)
    number = _number(to, settings, config)
    file = check.read_campaign(campaign, settings)
    _check_content(script, file, campaign)
    # The engine takes its time to import.
    from dialer.teststage import Wanted

    wanted = Wanted(settings, campaign, file, number, script)
    if not wanted.lines:
        raise DialerError(f"{campaign} names no line for {wanted.channel}; give one under [lines]")
    ending = asyncio.run(_call(wanted, json))
    if json:
        out.print_json(_report(wanted, ending).model_dump_json())
    else:
        _show(ending)
    if ending.why:
        raise DialerError(ending.why)


def _number(text: str, settings: Settings, config: Path) -> str:
    try:
        number = read_phone(text, settings.lender.country)
    except ValueError as error:
        raise typer.BadParameter(f"is {error}", param_hint="--to") from error
    if number not in settings.test_numbers:
        known = ", ".join(map(mask_phone, settings.test_numbers)) or "none"
        raise DialerError(
            f"{number} is no test number (those are: {known}); add it to test_numbers in {config} once whoever has "
            f'it agreed: test_numbers = [… "{number}"]'
        )
    return number


def _check_content(name: str, file: Campaign, path: Path) -> None:
    known = [*file.script, *file.message]
    if name not in known:
        wrong = f'"{name}" is no script and no message of {path}{nearest(name, known)}'
        raise typer.BadParameter(f"{wrong}; accepted: {', '.join(known)}", param_hint="--script")


async def _call(wanted: "Wanted", quiet: bool) -> "Ending":
    from dialer import testcall
    from dialer.clock import SystemClock
    from dialer.teststage import CODE

    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    if not quiet:
        what = "call" if wanted.channel is Channel.VOICE else "message"
        _say(f"A test {what} to {wanted.to}: {wanted.content} of {wanted.campaign.name}. Ctrl-C ends it.")
        script = wanted.campaign.script.get(wanted.content)
        if script is not None and asks_for_digits(script):
            _say(f"The digits that it asks for: {CODE}.")
    return await testcall.call(wanted, SystemClock(), (lambda told: None) if quiet else _tell(wanted), stopped)


def _tell(wanted: "Wanted") -> "Tell":
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(wanted.settings.lender.time_zone)
    return lambda told: _say(f"{told.at.astimezone(zone):%H:%M:%S} {told.text}")


def _say(text: str) -> None:
    out.print(text, markup=False, highlight=False)


def _show(ending: "Ending") -> None:
    from dialer import explain_show

    if ending.refusal is not None:
        explain_show.show_gate(ending.refusal, out)
    row = ending.attempt
    if row is not None and row.disposition is not None:
        rang = row.channel == Channel.VOICE and not ending.why
        nobody = "Nobody answered. " if rang and row.answered_at is None else ""
        ended = f"Disposition: {row.disposition}; outcome: {row.outcome}."
        _say(f"{nobody}{ended} It was a test: nothing of it is kept.")


def _report(wanted: "Wanted", ending: "Ending") -> CallReport:
    row = ending.attempt
    names = ("line", "state", "disposition", "outcome", "placed_at", "answered_at", "ended_at")
    left = {name: getattr(row, name, None) for name in names}
    return CallReport(
        to=wanted.to, campaign=wanted.campaign.name, channel=wanted.channel, script=wanted.content,
        attempt_id=row.attempt_id if row is not None and row.line else None, why=ending.why,
        refusal=ending.refusal.answers[0] if ending.refusal else None,
        events=[CallEvent(at=one.at, kind=one.kind, text=one.text) for one in ending.events], **left,
    )  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """Puts this command into the command line."""
    app.command()(call)
