"""Faces of what an operator does: launch, pause, halt, suppress, paid. Each calls one function and prints."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from typer import BadParameter

from campaigns.where import read_phone
from config.files import one_line
from config.settings import Settings
from dialer import cell, intake, operate
from dialer.cli.common import numbered
from dialer.cli.done import (
    Done,
    HaltDetail,
    HaltDone,
    InstallmentPaid,
    LaunchDetail,
    LaunchDone,
    PaidDetail,
    PaidDone,
    StatusDetail,
    StatusDone,
    SuppressDetail,
    SuppressDone,
    UnhaltDone,
)
from dialer.cli.progress import Working
from dialer.house import House
from dialer.log import mask_phone
from dialer.planning import Counts, replan_touched
from dialer.roster import Suppression
from dialer.store import Tx

AMOUNT_DIGITS_MAX = 18
"""Digits of an amount before or behind its point."""


def say(done: Done, text: str, json: bool, out: Console) -> None:
    if json:
        out.print_json(done.model_dump_json())
    else:
        out.print(text)


async def launch(house: House, path: Path, json: bool, out: Console, err: Console) -> None:
    async with Working("planning", None if json else err):
        found = await operate.launch(house, path)
    counts = found.counts
    done = LaunchDone(
        action="launch", subject=found.name, changed=counts is not None, detail=LaunchDetail(version=found.version)
    )
    if counts is None:
        say(done, f"{escape(found.name)}: version {found.version} is in force already; nothing changed.", json, out)
        return
    done.detail = LaunchDetail(
        version=found.version, planned=counts.drafted, cancelled=counts.cancelled, launched_late=counts.late,
        suppressed=counts.suppressed, unselected=counts.unselected, segments=counts.segments,
    )  # fmt: skip
    segments = ", ".join(f"{name} {count}" for name, count in sorted(counts.segments.items())) or "nothing yet"
    planned = numbered(counts.drafted, "attempt")
    lines = [f"{escape(found.name)}: version {found.version} launched, {planned} planned ({segments})."]
    lines += [f"  {line}." for line in _left_out(counts)]
    if not counts.drafted:
        lines.append("  Due dates are planned from three days before their first round; `dialer plan` shows the month.")
    if found.status == "paused":
        lines.append("  The campaign is paused: `dialer resume` starts it.")
    say(done, "\n".join(lines), json, out)


def _left_out(counts: Counts) -> Iterator[str]:
    """What a launch took away, and what it does not plan."""
    if count := counts.cancelled:
        told = numbered(count, "planned attempt")
        yield f"{told} of the version before {'was' if count == 1 else 'were'} cancelled (replanned)"
    if count := counts.late:
        told = numbered(count, "round is over already and is", "rounds are over already and are")
        yield f"{told} not made up (launched_late)"
    if count := counts.suppressed:
        yield f"{numbered(count, 'round is', 'rounds are')} not planned because of suppressions"
    if count := counts.unselected:
        told = numbered(count, "account is in no segment", "accounts are in no segment")
        it = "it" if count == 1 else "them"
        yield f"{told}: nobody reminds {it}; add a segment, or see `dialer plan`"


async def set_status(house: House, name: str, status: str, json: bool, out: Console) -> None:
    cancelled = await operate.set_status(house, name, status)
    detail = StatusDetail(status=status, cancelled=cancelled)
    more = f" {numbered(cancelled, 'planned attempt was', 'planned attempts were')} cancelled." if cancelled else ""
    text = f"{escape(name)} is {status}.{more}"
    say(StatusDone(action="status", subject=name, changed=True, detail=detail), text, json, out)


def _long_reason(reason: str) -> list[str]:
    if len(reason) <= cell.REASON_MAX:
        return []
    return [f"--reason has {len(reason)} characters; accepted: at most {cell.REASON_MAX}"]


async def halt(house: House, reason: str, json: bool, out: Console) -> None:
    if wrong := _long_reason(reason):
        raise BadParameter(wrong[0])
    await operate.halt(house, reason)
    done = HaltDone(action="halt", subject="all lines", changed=True, detail=HaltDetail(reason=reason))
    say(done, "Halted: nothing is placed on any line until `dialer unhalt`.", json, out)


async def unhalt(house: House, json: bool, out: Console) -> None:
    lifted = await operate.unhalt(house)
    text = "Lifted: dialing goes on." if lifted else "There was no halt; nothing changed."
    say(UnhaltDone(action="unhalt", subject="all lines", changed=lifted), text, json, out)


@dataclass(frozen=True, slots=True)
class Suppress:
    """The words of `dialer suppress`."""

    phone: str | None
    person: str | None
    channel: str
    until: date | None
    reason: str
    lift: bool


def check_suppress(asked: Suppress, settings: Settings, now: datetime) -> str | None:
    """The number, as it is kept. Raises BadParameter for words that can't be carried out; needs no database."""
    phone, today = _phone(settings, asked.phone), now.astimezone(ZoneInfo(settings.lender.time_zone)).date()
    wrong = [] if phone or asked.person else ["nobody to suppress; accepted: PHONE or --person P"]
    if len(asked.person or "") > cell.ID_MAX:
        wrong.append(f"--person has {len(asked.person or '')} characters; accepted: at most {cell.ID_MAX}")
    wrong += _long_reason(asked.reason)
    if not asked.reason.strip():
        wrong.append("--reason is missing; accepted: a text, kept with the suppression and shown by `dialer explain`")
    if asked.channel not in ("", "voice", "sms"):
        wrong.append(f'--channel "{asked.channel}" is not known; accepted: voice, sms, or nothing for both')
    if asked.until is not None and asked.until < today:
        wrong.append(f"--until {asked.until} is past; accepted: today or later")
    if wrong:
        raise BadParameter("\n".join(wrong))
    return phone


async def suppress(house: House, asked: Suppress, json: bool, out: Console) -> None:
    now, then = house.clock.now(), replan_touched(house)
    phone = check_suppress(asked, house.settings, now)
    who = " and ".join(part for part in (mask_phone(phone) if phone else "", asked.person or "") if part)
    if asked.lift:
        count = await house.store.write(
            lambda tx: intake.lift(tx, phone, asked.person, asked.channel, asked.reason, now, then)
        )
        done = SuppressDone(action="lift", subject=who, changed=True, detail=SuppressDetail(lifted=count))
        say(done, f"Lifted {count} suppression{'s' if count > 1 else ''} of {escape(who)}.", json, out)
        return
    value = Suppression(phone, asked.person, asked.channel, asked.reason, asked.until)
    is_new = await house.store.write(lambda tx: intake.suppress(tx, value, "command", now, then))
    accounts = await house.store.read(lambda tx: intake.concerned(tx, value))
    text = f"No contact with {escape(who)} any more{f' until {asked.until}' if asked.until else ''}."
    text += "" if is_new else " It was so already."
    if not accounts:
        text += " Nobody who was imported has this number or id: look whether it is right."
    done = SuppressDone(action="suppress", subject=who, changed=is_new, detail=SuppressDetail(accounts=accounts))
    say(done, text, json, out)


def _phone(settings: Settings, text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return read_phone(text, settings.lender.country)
    except ValueError as error:
        raise BadParameter(f"PHONE: {error}") from error


@dataclass(frozen=True, slots=True)
class Paid:
    """The words of `dialer paid`."""

    account: str
    due_on: date
    amount: str | None
    on: date | None
    reverse: bool


async def paid(house: House, asked: Paid, json: bool, out: Console) -> None:
    amount = _amount(asked.amount)
    now, then = house.clock.now(), replan_touched(house)
    on = asked.on or house.today(now)
    if on > house.today(now):
        raise BadParameter(f"--on {on} lies ahead; accepted: today or earlier, a payment counts when it has arrived")

    def record(tx: Tx) -> list[Any]:
        if asked.reverse:
            return list(intake.reverse_payment(tx, asked.account, asked.due_on, amount, now, then))
        return list(intake.record_payment(tx, asked.account, asked.due_on, amount, on, now, then))

    after = await house.store.write(record)
    action = "reverse" if asked.reverse else "paid"
    detail = PaidDetail(
        installments=[InstallmentPaid(due_on=a.due_on, paid_amount=str(a.paid_amount), open=a.is_open) for a in after]
    )
    done = PaidDone(action=action, subject=asked.account, changed=bool(after), detail=detail)
    over = "; more than was due: look whether it is right, `dialer paid --reverse` takes it back"
    lines = [
        f"{escape(a.account_id)}, due {a.due_on}: {a.paid_amount} of {a.amount} {a.currency} paid"
        f"{', open' if a.is_open else over if a.paid_amount > a.amount else ''}."
        for a in after
    ]
    say(done, "\n".join(lines) or "Nothing was open; nothing changed.", json, out)


def _amount(text: str | None) -> Decimal | None:
    """Raises BadParameter (exit 2) for what is no amount above 0."""
    if text is None:
        return None
    try:
        found = Decimal(text)
    except InvalidOperation:
        found = Decimal("NaN")
    # An exponent without end would be written out in full.
    if not found.is_finite() or found <= 0 or abs(found.adjusted()) > AMOUNT_DIGITS_MAX:
        raise BadParameter(f'--amount "{one_line(text, 40)}" is no amount above 0; accepted: such as 1200.00')
    return found
