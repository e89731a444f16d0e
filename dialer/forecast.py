"""`dialer plan`: what a campaign would attempt in a range of days, and what the gate would say. Nothing is written.

The roster comes from two files, without any database, or from the store, read-only. Either way it is looked at in
pages of whole persons, because accounts are combined and caps are counted by person.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from campaigns import gate, plan
from campaigns.calendar import months_before
from campaigns.file import Campaign
from campaigns.model import Channel, Contact, Disposition, Draft, Member
from campaigns.rules import Ruleset
from campaigns.segment import late_counts, months_of
from config.files import Fault
from config.settings import Settings
from dialer.check import load_rules
from dialer.csvfile import Row
from dialer.diff import InstallmentKey, Known, Place, Play
from dialer.errors import InvalidInput
from dialer.roster import Account, Installment, Reading, read_accounts, read_installments
from dialer.store import Store, Tx, planbook
from dialer.store import attempts as attempt_store
from dialer.store import campaigns as campaign_store
from dialer.store.common import People, flag

T = TypeVar("T", Account, Installment)
PAGE = 2_000
"""Persons looked at together: a bound on memory, and on how long a read of the database lasts."""
FAULTS_MAX = 1_000
"""Faults of the given files that are told; one more says how many there are besides."""
MADE = "made"

Progress = Callable[[int], None]
"""Hears how many further rows of the files, or persons of the database, were dealt with."""


@dataclass(frozen=True)
class Question:
    """What is asked. A slot belongs to the range by its local date; both ends are included."""

    campaign: Campaign
    rules: Ruleset
    lines: Mapping[Channel, gate.LineFacts]
    ring_s: float
    country: str
    """The lender's, for numbers in national form."""
    lender_zone: str
    first: date
    """Also the planning day."""
    last: date
    now: datetime
    """The planning instant: rounds that are over are left out."""

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
        first, _ = self.dues
        return min((months_before(first, number) for number in self.months), default=first)


@dataclass(slots=True)
class Forecast:
    """The answer. `rows` are sorted by slot, then by first account."""

    rows: list[plan.Row] = field(default_factory=list)
    unselected: set[str] = field(default_factory=set)
    """Ids of accounts that no segment takes."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Rounds of single accounts that are not attempted any more: `made`, or why they would be cancelled."""
    notices: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Page:
    """What is known of some persons. What only a database knows is empty by default."""

    members: list[Member] = field(default_factory=list)
    stopped: list[Member] = field(default_factory=list)
    """Whose rounds were ended by an outcome, which `play` knows."""
    play: Play = field(default_factory=Play)
    made: set[Place] = field(default_factory=set)
    stops: planbook.Stops = field(default_factory=planbook.Stops)
    contacts: dict[str, list[Contact]] = field(default_factory=dict)
    halted: str = ""
    status: str = "active"


def question(settings: Settings, campaign: Campaign, first: date, last: date, now: datetime) -> Question:
    """The question with what the settings add to it. Raises InvalidInput for faulty rule packs."""
    lender = settings.lender
    rings = (settings.lines[name].ring_timeout.total_seconds() for name in campaign.lines.voice)
    return Question(
        campaign=campaign,
        rules=load_rules(settings, campaign),
        lines={channel: line for channel in Channel if (line := _line(settings, campaign, channel, now))},
        ring_s=max(rings, default=0.0),
        country=lender.country,
        lender_zone=lender.time_zone,
        first=first,
        last=last,
        now=now,
    )


def _line(settings: Settings, campaign: Campaign, channel: Channel, now: datetime) -> gate.LineFacts | None:
    """The campaign's lines for a channel as one: it reaches what any of them reaches, and has no limit.

    An attempt goes out on the first line that fits its country, so only a country that none reaches is refused.
    """
    names: tuple[str, ...] = getattr(campaign.lines, channel)
    if not names:
        return None
    countries = frozenset(country for name in names for country in settings.lines[name].allow_countries)
    return gate.LineFacts(" or ".join(names), countries, Decimal(0), None, now)


# --- from files --------------------------------------------------------------------------------------------------


def from_files(asked: Question, accounts: Path, installments: Path, progress: Progress) -> Forecast:
    """The forecast of two files. Raises InvalidInput with every fault in them."""
    answer = Forecast()
    for page in _file_pages(asked, _read_files(asked, accounts, installments, progress)):
        _answer(asked, page, answer)
    return _sorted(answer)


@dataclass(slots=True)
class _Files:
    """What both files hold of interest."""

    persons: dict[str, list[Account]] = field(default_factory=dict)
    dues: dict[str, list[Installment]] = field(default_factory=dict)
    """By account id."""


def _read_files(asked: Question, accounts: Path, installments: Path, progress: Progress) -> _Files:
    files, faults = _Files(), _Faults()
    first = faults.opened(lambda: read_accounts(accounts, asked.country))
    second = faults.opened(lambda: read_installments(installments))
    for _, account in faults.good(first, progress):
        files.dues[account.account_id] = []
        files.persons.setdefault(account.person_id, []).append(account)
    accounts_are_good = not faults.count
    (_, last), since = asked.dues, asked.since
    for row, one in faults.good(second, progress):
        dues = files.dues.get(one.account_id)
        if dues is None:
            if accounts_are_good:
                faults.add(
                    Fault(
                        str(installments),
                        row.line,
                        "account_id",
                        f"is not in {accounts.name}",
                        "accepted: one of its ids",
                    )
                )
        elif since <= one.due_on <= last:
            dues.append(one)
    faults.refuse()
    return files


@dataclass(slots=True)
class _Faults:
    """What is wrong in the given files, gathered over both, so that all is told at once."""

    told: list[Fault] = field(default_factory=list)
    count: int = 0

    def add(self, fault: Fault) -> None:
        self.count += 1
        if self.count <= FAULTS_MAX:
            self.told.append(fault)

    def opened(self, read: Callable[[], Reading[T]]) -> Reading[T] | None:
        """The file, or None where it cannot be read as a whole."""
        try:
            return read()
        except InvalidInput as error:
            for fault in error.faults:
                self.add(fault)
            return None

    def good(self, reading: Reading[T] | None, progress: Progress) -> Iterator[tuple[Row, T]]:
        if reading is None:
            return
        for chunk in reading:
            yield from chunk.good
            for reject in chunk.rejects:
                for fault in reject.faults(reading.sheet.path):
                    self.add(fault)
            progress(chunk.rows)

    def refuse(self) -> None:
        """Raises InvalidInput if there is any."""
        if self.count > FAULTS_MAX:
            wrong = f"{self.count - FAULTS_MAX} more faults are not shown"
            self.told.append(Fault(self.told[-1].file, None, "file", wrong, "mend these first"))
        if self.told:
            raise InvalidInput(self.told)


def _file_pages(asked: Question, files: _Files) -> Iterator[_Page]:
    (first, _), page = asked.dues, _Page()
    for number, accounts in enumerate(files.persons.values(), start=1):
        for account in accounts:
            dues = files.dues[account.account_id]
            history = [(one.due_on, one.paid_on, one.is_open) for one in dues]
            for one in dues:
                if one.due_on >= first and (left := _left(one.amount, one.paid_amount, one.paid_on, asked.first)):
                    late = late_counts(history, one.due_on, asked.months, asked.first)
                    page.members.append(_member(account, one, left, late))
        if number % PAGE == 0:
            yield page
            page = _Page()
    yield page


def _left(amount: Decimal, paid: Decimal, paid_on: date | None, today: date) -> Decimal:
    """What is still to pay, as known on the planning day; nothing: zero."""
    if paid_on is not None and paid_on > today:
        return amount
    return max(amount - paid, Decimal(0))


def _member(account: Any, one: Any, left: Decimal, late: dict[int, int]) -> Member:
    """`account` and `one` are the file's rows, or the store's, which have the same columns."""
    return Member(
        account.account_id, account.person_id, one.installment_id, account.phone, account.zones, one.currency,
        one.due_on, left, late, account.country, account.line_type, account.consent_voice, account.consent_sms,
    )  # fmt: skip


# --- from the store ----------------------------------------------------------------------------------------------


async def from_store(asked: Question, store: Store, progress: Progress) -> Forecast:
    """The forecast of what the database knows: also stops, pauses, suppressions, contacts, and what was made."""
    answer, after = Forecast(), ""
    while True:

        def read(tx: Tx, after: str = after) -> tuple[_Page, People] | None:
            people = planbook.next_people(tx, after, PAGE)
            return (_store_page(tx, asked, people), people) if people else None

        found = await store.read(read)
        if found is None:
            return _sorted(answer)
        page, people = found
        _answer(asked, page, answer)
        progress(PAGE)
        after = people.until


def _store_page(tx: Tx, asked: Question, people: People) -> _Page:
    page = _Page(halted=flag(tx, "halt"))
    launched = campaign_store.named(tx, asked.campaign.name)
    known = campaign_store.members(tx, launched.campaign_id, people) if launched else {}
    first, last = asked.dues
    if launched:
        page.status = launched.status
        page.made = Known.of(planbook.planned(tx, launched.campaign_id, people, first)).made
    accounts = {row.account_id: row for row in planbook.accounts(tx, people)}
    dues: dict[str, list[Any]] = defaultdict(list)
    for row in planbook.installments(tx, people, asked.since, last):
        dues[row.account_id].append(row)
    for account_id, rows in dues.items():
        _add_members(asked, page, accounts[account_id], rows, known)
    persons = sorted({row.person_id for row in accounts.values()})
    page.stops = planbook.stops(tx, persons, sorted({row.phone for row in accounts.values()}), asked.first)
    for person, at, channel, disposition in attempt_store.contacts(tx, persons, asked.now - asked.rules.look_back):
        if at <= asked.now:
            contact = Contact(at, Channel(channel), Disposition(disposition) if disposition else None)
            page.contacts.setdefault(person, []).append(contact)
    return page


def _add_members(asked: Question, page: _Page, account: Any, rows: Sequence[Any], known: Mapping[Any, Any]) -> None:
    """An account's installments that are in play: those stopped apart, for they are not combined with others."""
    history = [(row.due_on, row.paid_on, row.is_open) for row in rows]
    for row in rows:
        left = _left(row.amount, row.paid_amount, row.paid_on, asked.first)
        if row.due_on < asked.dues[0] or not left:
            continue
        frozen, stopped, paused_until = known.get((row.account_id, row.installment_id), ({}, None, None))
        late = {int(months): count for months, count in frozen.items()}
        if not asked.months <= late.keys():
            late = late_counts(history, row.due_on, asked.months, asked.first)
        page.play.note((row.account_id, row.installment_id), row.due_on, True, stopped, paused_until)
        (page.stopped if stopped else page.members).append(_member(account, row, left, late))


# --- the answer --------------------------------------------------------------------------------------------------


def _answer(asked: Question, page: _Page, answer: Forecast) -> None:
    """Drafts a page's rounds, keeps those still to be made in the range, and asks the gate about each."""
    kept = [draft for draft in _drafts(asked, page.members, answer) if _is_asked(asked, draft)]
    if page.made or page.play.paused:
        kept = [left for draft in kept if (left := _still_to_make(draft, page, answer))]
    kept += [draft for draft in _drafts(asked, page.stopped, answer) if _is_asked(asked, draft)]
    zone = ZoneInfo(asked.lender_zone)

    def facts(draft: Draft) -> gate.Facts:
        return _facts(asked, page, draft, zone)

    answer.rows += plan.forecast(kept, facts, asked.rules, None, asked.ring_s, asked.now)


def _drafts(asked: Question, members: Sequence[Member], answer: Forecast) -> list[Draft]:
    drafted = plan.draft(members, asked.campaign, asked.rules, asked.ring_s, asked.lender_zone)
    answer.unselected.update(member.account_id for member in drafted.unselected)
    return drafted.drafts


def _is_asked(asked: Question, draft: Draft) -> bool:
    """Whether the slot's local date, which is the round's day, lies in the range, and the round is not over."""
    day = draft.due_on + timedelta(days=draft.round.day_offset)
    if not asked.first <= day <= asked.last:
        return False
    return draft.window_from >= asked.now or plan.last_instant(draft, asked.ring_s) >= asked.now


def _still_to_make(draft: Draft, page: _Page, answer: Forecast) -> Draft | None:
    """The draft with the accounts for which this round was not made and is not cancelled."""
    left = []
    for member in draft.accounts:
        key: InstallmentKey = (member.account_id, member.installment_id)
        made = (*key, draft.round.day_offset, draft.round.window) in page.made
        why = MADE if made else page.play.why_not(key, draft.due_on, draft.planned_for)
        if why:
            answer.left_out[why] += 1
        else:
            left.append(member)
    if len(left) == len(draft.accounts):
        return draft
    return replace(draft, accounts=tuple(left)) if left else None


def _facts(asked: Question, page: _Page, draft: Draft, lender_zone: ZoneInfo) -> gate.Facts:
    member, channel = draft.accounts[0], draft.round.channel
    consents = {one.consent_voice if channel is Channel.VOICE else one.consent_sms for one in draft.accounts}
    suppressed = bool(page.stops) and page.stops.holds(
        draft.person_id, draft.phone, channel, draft.planned_for.astimezone(lender_zone).date()
    )
    return gate.Facts(
        halted=page.halted,
        campaign=page.status,
        is_open=True,
        stopped=page.play.stopped.get((member.account_id, member.installment_id), ""),
        suppressed="the person or the number is suppressed" if suppressed else "",
        consent="no" if "no" in consents else "yes" if consents == {"yes"} else "",
        contacts=page.contacts.get(draft.person_id, ()),
        line=asked.lines.get(channel),
    )


def _sorted(answer: Forecast) -> Forecast:
    answer.rows.sort(key=lambda row: (row.draft.planned_for, row.draft.accounts[0].account_id))
    return answer
