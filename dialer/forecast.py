"""`dialer plan`: what a campaign would attempt in a range of days, and what the gate would say. Nothing is written.

The roster comes from two files (`forecast_files`) or from the database (`forecast_store`). Either way it is looked at
in pages of whole persons, because accounts are combined and caps are counted by person; of each page only counts and
finished lines are kept.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from campaigns import gate, plan
from campaigns.calendar import months_before
from campaigns.file import Campaign
from campaigns.history import History
from campaigns.model import Agreement, Channel, Draft, Member, Round
from campaigns.rulebook import Rulebook
from campaigns.segment import months_of
from config.settings import Settings
from dialer import forecast_lines, forecast_texts
from dialer.check import load_book
from dialer.forecast_lines import EPOCH, MINUTE, Line
from dialer.forecast_texts import Length, Named, Writing
from dialer.play import InstallmentKey, Place, Play, Stops

HEADER = (
    "account_id", "person_id", "segment", "due_on", "round", "rounds", "channel", "slot_at", "window_from",
    "window_until", "verdict", "rule", "reason",
)  # fmt: skip
PAGE = 2_000
"""Persons looked at together: a bound on memory, and on how long a read of the database lasts."""
MADE = "made"
SUPPRESSED = "the person or the number is suppressed"

Progress = Callable[[int], None]
"""Hears how many more rows of the files, or persons of the database, were dealt with."""


@dataclass(frozen=True)
class Question:
    """What is asked. A slot belongs to the range by its local date; both ends are included."""

    campaign: Campaign
    book: Rulebook
    lines: Mapping[Channel, gate.LineFacts]
    packs: Mapping[Channel, tuple[str, ...]]
    """Names of the lines' own packs."""
    ring_s: float
    country: str
    """The lender's, for numbers in national form."""
    lender_zone: str
    party: str
    """Who we are to rules that count contacts: `creditor` or `agents`."""
    first: date
    """Also the planning day."""
    last: date
    now: datetime
    """The planning instant: rounds that are over are left out."""
    writing: Writing | None = None
    """How its messages are written; None: no round is a message."""

    @cached_property
    def dues(self) -> tuple[date, date]:
        """The first and last due date that can have a round in the range; a few days too wide."""
        days = (self.last - self.first).days + 1
        return plan.due_range(self.campaign, self.now, self.lender_zone, days)

    @cached_property
    def months(self) -> frozenset[int]:
        return months_of(self.campaign)

    @cached_property
    def since(self) -> date:
        """The first due date that late counts look at."""
        return min((months_before(self.dues[0], number) for number in self.months), default=self.dues[0])

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.lender_zone)


class Cell(NamedTuple):
    """What attempts are counted by."""

    segment: str
    round: int
    rounds: int
    channel: Channel
    day: date
    """The slot's local date."""
    verdict: str
    """`pass`, `defer` or `block`."""
    rule: str
    """Empty where it passes."""


@dataclass(slots=True)
class Forecast:
    """The answer, or a part of it: parts are added up."""

    attempts: Counter[Cell] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    """Rounds of single accounts, by verdict: a combined call has several."""
    hours: Counter[tuple[date, int, Channel]] = field(default_factory=Counter)
    """Attempts that are not blocked, by the slot's day and hour, lender time."""
    minutes: Counter[tuple[int, Channel]] = field(default_factory=Counter)
    """The same, by the slot's minute since 1970."""
    reasons: dict[tuple[str, str], str] = field(default_factory=dict)
    """One example by verdict and rule: the first in the alphabet, so that it is always the same."""
    unselected: set[str] = field(default_factory=set)
    """Ids of accounts that no segment takes."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Rounds of single accounts that are not attempted any more: `made`, or why they would be cancelled."""
    lengths: Counter[Length] = field(default_factory=Counter)
    """Messages that are not blocked, by what they take."""
    persons: int = 0
    accounts: int = 0
    lines: list[Line] = field(default_factory=list)
    """Sorted. Empty where they were not asked for."""

    def add(self, other: "Forecast") -> None:
        """Adds another part, of other persons. `lines` have to be sorted anew."""
        self.attempts.update(other.attempts)
        self.rows.update(other.rows)
        self.hours.update(other.hours)
        self.minutes.update(other.minutes)
        for key, reason in other.reasons.items():
            self.reasons[key] = min(reason, self.reasons.get(key, reason))
        self.unselected |= other.unselected
        self.left_out.update(other.left_out)
        self.lengths.update(other.lengths)
        self.persons += other.persons
        self.accounts += other.accounts
        self.lines += other.lines


@dataclass(slots=True)
class Page:
    """What is known of some persons. What only a database knows is empty by default."""

    members: list[Member] = field(default_factory=list)
    stopped: list[Member] = field(default_factory=list)
    """Whose rounds were ended by an outcome (it stands in `play`): not combined with the others."""
    play: Play = field(default_factory=Play)
    made: set[Place] = field(default_factory=set)
    stops: Stops = field(default_factory=Stops)
    history: History = field(default_factory=History)
    agreements: Mapping[str, Sequence[Agreement]] = field(default_factory=dict)
    named: dict[str, Named] = field(default_factory=dict)
    """account id → what it puts into a text; only where there are messages to write."""
    halted: str = ""
    status: str = "active"


def question(settings: Settings, campaign: Campaign, first: date, last: date, now: datetime) -> Question:
    """The question, with what the settings say. Raises InvalidInput for faulty rule packs."""
    lender = settings.lender
    rings = (settings.lines[name].ring_timeout.total_seconds() for name in campaign.lines.voice)
    return Question(
        campaign=campaign,
        book=load_book(settings, campaign),
        lines={channel: line for channel in Channel if (line := _line(settings, campaign, channel, now))},
        packs={channel: _packs(settings, campaign, channel) for channel in Channel},
        ring_s=max(rings, default=0.0),
        country=lender.country,
        lender_zone=lender.time_zone,
        party="creditor" if lender.actor == "creditor" else "agents",
        first=first,
        last=last,
        now=now,
        writing=forecast_texts.writing(settings, campaign),
    )


def _packs(settings: Settings, campaign: Campaign, channel: Channel) -> tuple[str, ...]:
    names: tuple[str, ...] = getattr(campaign.lines, channel)
    return tuple(dict.fromkeys(pack for name in names for pack in settings.lines[name].packs))


def _line(settings: Settings, campaign: Campaign, channel: Channel, now: datetime) -> gate.LineFacts | None:
    """The campaign's lines for a channel as one: it reaches what any of them reaches, and has no limit.

    An attempt goes out on the first line that fits its country, so only a country that none reaches is refused.
    """
    names: tuple[str, ...] = getattr(campaign.lines, channel)
    countries = frozenset(country for name in names for country in settings.lines[name].allow_countries)
    return gate.LineFacts(" or ".join(names), countries, Decimal(0), None, now) if names else None


def left_to_pay(amount: Decimal, paid: Decimal, paid_on: date | None, today: date) -> Decimal:
    """What is unpaid as far as is known on the planning day: a payment dated later is not."""
    return amount if paid_on is not None and paid_on > today else max(amount - paid, Decimal(0))


def member_of(account: Any, one: Any, left: Decimal, late: dict[int, int], oldest_due_on: date | None = None) -> Member:
    """`account` and `one` (an installment) are rows of the files, or of the store, which have the same columns."""
    return Member(
        account.account_id, account.person_id, one.installment_id, account.phone, account.zones, one.currency,
        one.due_on, left, late, account.country, account.line_type, account.consent_voice, account.consent_sms,
        account.region, account.role or "borrower", account.checked_on, oldest_due_on,
    )  # fmt: skip


# --- one page ----------------------------------------------------------------------------------------------------


def answer(asked: Question, page: Page, with_lines: bool) -> Forecast:
    """Drafts a page's rounds, keeps those still to be made in the range, and asks the gate about each."""
    part = Forecast()
    drafts = _drafts(asked, page.members, part)
    if page.made or page.play.paused:
        drafts = [left for draft in drafts if (left := _still_to_make(draft, page, part))]
    drafts += _drafts(asked, page.stopped, part)
    rows = plan.forecast(
        drafts, _facts_of(asked, page), asked.book, None, asked.ring_s, asked.now, page.history, asked.packs
    )
    _count(asked, rows, part)
    if asked.writing is not None:
        part.lengths = asked.writing.lengths(rows, page.named)
    if with_lines:
        part.lines = forecast_lines.lines_of(rows, asked.lender_zone)
    return part


def _drafts(asked: Question, members: Sequence[Member], part: Forecast) -> list[Draft]:
    """The rounds in the range that are not over. A slot's local date is its round's day."""
    drafted = plan.draft(members, asked.campaign, asked.book, asked.ring_s, asked.lender_zone)
    part.unselected.update(member.account_id for member in drafted.unselected)
    day_of = _Days()
    return [
        draft
        for draft in drafted.drafts
        if asked.first <= day_of[draft.due_on, draft.round.day_offset] <= asked.last
        and (draft.window_from >= asked.now or plan.last_instant(draft, asked.ring_s) >= asked.now)
    ]


class _Days(dict[tuple[date, int], date]):
    """(due date, days beside it) → the day: a few of them serve all drafts."""

    def __missing__(self, key: tuple[date, int]) -> date:
        day = self[key] = key[0] + timedelta(days=key[1])
        return day


def _still_to_make(draft: Draft, page: Page, part: Forecast) -> Draft | None:
    """The draft with the accounts for which this round was not made and is not cancelled."""
    left = []
    for member in draft.accounts:
        key: InstallmentKey = (member.account_id, member.installment_id)
        made = (*key, draft.round.day_offset, draft.round.window) in page.made
        why = MADE if made else page.play.why_not(key, draft.due_on, draft.planned_for)
        if why:
            part.left_out[why] += 1
        else:
            left.append(member)
    if len(left) == len(draft.accounts):
        return draft
    return draft._replace(accounts=tuple(left)) if left else None


def _facts_of(asked: Question, page: Page) -> Callable[[Draft], gate.Facts]:
    """What is known of a draft, for the gate."""
    has_stops, stopped, agreed = bool(page.stops), page.play.stopped, page.agreements
    voice, sms = asked.lines.get(Channel.VOICE), asked.lines.get(Channel.SMS)

    def facts(draft: Draft) -> gate.Facts:
        member, channel = draft.accounts[0], draft.round.channel
        suppressed = has_stops and page.stops.holds(
            draft.person_id, draft.phone, channel, draft.planned_for.astimezone(asked.zone).date()
        )
        # by position, since keywords take longer: the fields stand in gate.Facts' order
        return gate.Facts(
            page.halted,
            page.status,
            True,
            stopped.get((member.account_id, member.installment_id), "") if stopped else "",
            SUPPRESSED if suppressed else "",
            _consent(draft),
            (),
            voice if channel is Channel.VOICE else sms,
            agreed.get(draft.person_id, ()) if agreed else (),
            member.checked_on,
        )

    return facts


def _consent(draft: Draft) -> str:
    """One account's `no` is everybody's; `yes` has to be said for all."""
    voice = draft.round.channel is Channel.VOICE
    if len(draft.accounts) == 1:
        return draft.accounts[0].consent_voice if voice else draft.accounts[0].consent_sms
    consents = {one.consent_voice if voice else one.consent_sms for one in draft.accounts}
    return "no" if "no" in consents else "yes" if consents == {"yes"} else ""


def _count(asked: Question, rows: Sequence[plan.Row], part: Forecast) -> None:
    counts: Counter[tuple[str, int, date, str, str]] = Counter()
    places: dict[tuple[str, int], Round] = {}
    minutes: dict[Channel, Counter[int]] = {channel: Counter() for channel in Channel}
    persons: set[str] = set()
    accounts: set[str] = set()
    for row in rows:
        draft, at = row.draft, row.draft.round
        word, rule, reason = forecast_lines.told(row.verdict)
        place = (draft.segment, at.number)
        places[place] = at
        counts[*place, draft.due_on, word, rule] += 1
        if rule:
            part.reasons[word, rule] = min(reason, part.reasons.get((word, rule), reason))
        if word != "block":
            minutes[at.channel][(draft.planned_for - EPOCH) // MINUTE] += 1
        persons.add(draft.person_id)
        for member in forecast_lines.accounts_once(draft):
            accounts.add(member.account_id)
            part.rows[word] += 1
    part.persons, part.accounts = len(persons), len(accounts)
    for (segment, number, due_on, word, rule), count in counts.items():
        at = places[segment, number]
        day = due_on + timedelta(days=at.day_offset)
        part.attempts[Cell(segment, at.number, at.rounds, at.channel, day, word, rule)] += count
    for channel, found_in in minutes.items():
        for minute, count in found_in.items():
            part.minutes[minute, channel] += count
            local = (EPOCH + minute * MINUTE).astimezone(asked.zone)
            part.hours[local.date(), local.hour, channel] += count
