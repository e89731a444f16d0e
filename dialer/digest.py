"""The day in short, to be read on a phone in a minute: alarms, figures, what waits for people, and tomorrow.

It names campaigns, lines and kinds of tasks, never a person, an account or a number.
"""

import tomllib
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel, Field

from dialer import alarms, report
from dialer.alarms import Alarm
from dialer.house import House
from dialer.report_model import Counts, Report
from dialer.store import Tx, digest_rows

STALE = timedelta(days=3)
"""Installments not imported for so long: who has paid since is reminded all the same."""
AHEAD = timedelta(days=31)
"""Nothing that falls due in these days: the lender's next file is missing."""
ROWS = (
    "planned", "calls", "messages", "reached", "promised", "says_paid", "opted_out", "other", "not_reached", "running",
    "refused", "cancelled", "expired", "waiting", "promises_kept", "promises_broken", "lost", "outside_window",
)  # fmt: skip
"""The figures that are shown, in their order."""
ALWAYS = frozenset({"planned", "calls", "reached", "promised", "says_paid", "not_reached"})
"""Those that are shown also where they are 0."""
TITLES = {"reached": "heard it", "other": "said something else", "refused": "refused by a rule",
          "lost": "ending not known yet", "outside_window": "placed outside the window"}  # fmt: skip

Say = Callable[..., str]
"""An English text, and the values of its {names} → the text in the digest's language."""


class Figures(Counts):
    """The attempts whose slot lies on the day, as in `dialer report --day`; and what happened to promises."""

    calls: int = 0
    messages: int = 0
    right_party_contacts: int = Field(0, description="calls with a person who did not say that the number is wrong")
    installments_placed: int = Field(0, description="installments about which somebody was called or written to")
    installments_reached: int = Field(0, description="those whose person was reached")
    promises_kept: int = Field(0, description="promises that were found kept on the day")
    promises_broken: int = Field(0, description="promises that ran out unpaid on the day")
    spend: Decimal = Field(Decimal(0), description="in the lender's currency")
    lost: int = Field(0, description="placed, ending not known yet")
    outside_window: int = Field(0, description="placed outside the attempt's window; must be 0")


class Planned(BaseModel):
    """What a campaign has planned over one channel for the next day."""

    campaign: str
    status: str
    channel: str
    attempts: int
    first_at: datetime
    last_at: datetime


class Tasks(BaseModel):
    """Open tasks of one kind."""

    kind: str
    count: int
    oldest_at: datetime


class Decision(BaseModel):
    """Something that only a person can decide: what it is about, and the choices."""

    name: str
    text: str
    hint: str


class Digest(BaseModel):
    """`dialer digest --json`. Texts are in `language`; alarms, tasks and decisions are those of now."""

    day: date
    at: datetime
    language: str
    lender: str
    time_zone: str
    currency: str
    subject: str
    figures: Figures
    alarms: list[Alarm]
    decisions: list[Decision]
    tasks: list[Tasks]
    next_day: date
    planned: list[Planned] = Field(
        description="what is planned for the next day; nothing is kept of days that are past"
    )


def build(tx: Tx, house: House, day: date, language: str | None = None) -> Digest:
    """The digest of a day of the lender's, as it stands now. `language`: else that of the settings, or the lender's."""
    settings, now = house.settings, house.clock.now()
    language = language or (settings.digest and settings.digest.language) or settings.lender.language
    code = "zh-CN" if language.lower().startswith("zh") else "en"
    figures = _figures(report.build(tx, house, None, day), digest_rows.promises_closed(tx, *_bounds(house, day)))
    raised = alarms.build(tx, house, language=code)
    next_day = day + timedelta(days=1)
    planned = [Planned(campaign=row.name, status=row.status, channel=row.channel, attempts=row.attempts,
                       first_at=row.first_at, last_at=row.last_at)
               for row in digest_rows.planned_between(tx, *_bounds(house, next_day))]  # fmt: skip
    return Digest(
        day=day,
        at=now,
        language=code,
        lender=settings.lender.name,
        time_zone=settings.lender.time_zone,
        currency=settings.lender.currency,
        subject=_subject(say_in(code), settings.lender.name, day, figures, len(raised)),
        figures=figures,
        alarms=raised,
        decisions=_decisions(tx, house, now, say_in(code)),
        tasks=[Tasks(kind=row.kind, count=row.tasks, oldest_at=row.first_at) for row in digest_rows.open_tasks(tx)],
        next_day=next_day,
        planned=planned,
    )


def text(found: Digest) -> str:
    """The digest as plain text."""
    return _render(found, "digest.txt.j2").strip() + "\n"


def html(found: Digest) -> str:
    """The digest as one page: no script, no outside address; mail programs and phones show it."""
    return _render(found, "digest.html.j2")


def _bounds(house: House, day: date) -> tuple[datetime, datetime]:
    """The lender's day as instants: its begin, and the next one's."""
    return (
        datetime.combine(day, time(), house.zone),
        datetime.combine(day + timedelta(days=1), time(), house.zone),
    )


def _figures(found: Report, closed: dict[str, int]) -> Figures:
    return Figures(
        **found.totals.model_dump(),
        calls=sum(line.calls for line in found.lines),
        messages=found.messages.placed,
        right_party_contacts=found.right_party_contacts,
        installments_placed=found.funnel.placed,
        installments_reached=found.funnel.reached,
        promises_kept=closed.get("kept", 0),
        promises_broken=closed.get("broken", 0),
        spend=sum((line.spend for line in found.lines), Decimal(0)),
        lost=found.lost.open,
        outside_window=found.outside_window,
    )


def _subject(say: Say, lender: str, day: date, figures: Figures, raised: int) -> str:
    parts = [say("{count} placed", count=f"{figures.placed:,}")]
    if figures.placed:
        parts.append(say("{share} reached", share=_share(say, figures)))
    if raised:
        parts.append(say("{count} alarm" if raised == 1 else "{count} alarms", count=raised))
    return say("{lender}: reminders of {day}: {what}", lender=lender, day=day, what=say(", ").join(parts))


def _share(say: Say, figures: Figures) -> str:
    reached, placed = figures.installments_reached, figures.installments_placed
    return say("{reached} of {placed} installments", reached=f"{reached:,}", placed=f"{placed:,}")


def _decisions(tx: Tx, house: House, now: datetime, say: Say) -> list[Decision]:
    today, found = house.today(now), []
    campaigns = digest_rows.campaigns(tx)
    for row in campaigns:
        if row.status == "paused":
            told = say("Campaign {name} has been paused since {day}.", name=row.name, day=house.today(row.changed_at))
            choice = say("dialer resume {name} goes on with it, dialer cancel {name} ends it.", name=row.name)
            found.append(Decision(name="paused", text=told, hint=choice))
    if not any(row.status == "active" for row in campaigns):
        return found
    imported_at = digest_rows.last_import_at(tx, "installments")
    if imported_at is not None and now - imported_at >= STALE:
        told = say("Installments were last imported on {day}: who has paid since is reminded all the same.",
                   day=house.today(imported_at))  # fmt: skip
        choice = say("Import today's file, or dialer halt until it is there.")
        found.append(Decision(name="stale", text=told, hint=choice))
    next_due_on = digest_rows.next_due_on(tx, today)
    if next_due_on is None or next_due_on > today + AHEAD:
        told = say("No open installment falls due in the next {days} days.", days=AHEAD.days)
        choice = say("Import the lender's next file, or cancel what is over.")
        found.append(Decision(name="nothing_due", text=told, hint=choice))
    return found


# --- words and pages ---------------------------------------------------------------------------------------------


def say_in(language: str) -> Say:
    """What says a text in a language. In English an unknown word is shown with `_` as a space."""
    words = _words(language)

    def say(english: str, **values: object) -> str:
        told = words.get(english) or english.replace("_", " ")
        return told.format(**values) if values else told

    return say


def _render(found: Digest, template: str) -> str:
    zone = ZoneInfo(found.time_zone)

    def local(at: datetime, form: str) -> str:
        return at.astimezone(zone).strftime(form)

    return _environment().get_template(template).render(
        digest=found, alarms=_alarms(found), rows=_rows(found), _=say_in(found.language), local=local
    )  # fmt: skip


def _rows(found: Digest) -> list[tuple[str, str]]:
    """(what, how many) of the day's figures."""
    say, figures = say_in(found.language), found.figures
    counts = {name: getattr(figures, name) for name in ROWS} | {"planned": figures.planned + figures.follow_ups}
    rows = [(say(TITLES.get(name, name)), f"{count:,}") for name, count in counts.items() if count or name in ALWAYS]
    return [(say("reached"), _share(say, figures)), *rows, (say("spend"), f"{figures.spend:,} {found.currency}")]


def _alarms(found: Digest) -> list[tuple[str, str, str, str]]:
    """(severity, title, what was found, what to do)."""
    say = say_in(found.language)
    titled = [(say(one.name), one) for one in found.alarms]
    # An alarm's text may begin with the words of its title: said once.
    return [(one.severity, title, one.text.removeprefix(title + say(": ")), one.hint) for title, one in titled]


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("dialer", "templates"), autoescape=lambda name: bool(name and ".html" in name),
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip


@cache
def _words(language: str) -> dict[str, str]:
    """English → the language's, from the file beside the templates; empty for English."""
    if language == "en":
        return {}
    found: dict[str, str] = tomllib.loads((files("dialer") / "templates" / "digest.zh.toml").read_text("utf-8"))
    return found
