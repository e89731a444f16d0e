"""Members of a campaign → drafted attempts, and the forecast of what the gate would say to them. Instants are UTC."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import chain, groupby
from types import MappingProxyType
from typing import NamedTuple
from zoneinfo import ZoneInfo

from campaigns import gate
from campaigns.cadence import GOLDEN, lead, round_window, rounds, spread
from campaigns.calendar import is_contact_day, is_due_in
from campaigns.file import Campaign, Segment
from campaigns.history import History
from campaigns.hours import intersect, local_date
from campaigns.limits import Whose
from campaigns.model import Channel, Contact, Disposition, Draft, Member, Round
from campaigns.rulebook import Rulebook
from campaigns.ruleset import Ruleset
from campaigns.segment import select

HORIZON_DAYS = 3
ONE_DAY = timedelta(days=1)
ONE_MS = timedelta(milliseconds=1)

Serving = tuple[Segment, tuple[Member, ...]]
"""The accounts of one call, sorted by id, and the segment whose rounds serve them all."""


@dataclass(frozen=True, slots=True)
class Drafted:
    """What a campaign wants. Grouped by person, rounds in time order; the same members always give the same."""

    drafts: list[Draft]
    unselected: list[Member]
    """Members of the audience that no segment takes: reported, never dropped."""


class Row(NamedTuple):
    """One line of a forecast: a draft, and the gate's verdict at its slot."""

    draft: Draft
    verdict: gate.Verdict


def due_range(campaign: Campaign, now: datetime, lender_zone: str, days: int = HORIZON_DAYS) -> tuple[date, date]:
    """The first and last due date, both included, that can have a round inside the horizon; a few days too wide.

    The last lies before the first where the audience's bounds leave none.
    """
    today, abroad = local_date(now, ZoneInfo(lender_zone)), timedelta(days=2)  # dates differ by two at most, worldwide
    offsets = [day for segment in campaign.segment for table in segment.rounds for day in table.days]
    first = today - abroad - timedelta(days=max(offsets))
    last = today + abroad + timedelta(days=days - min(offsets))
    audience = campaign.audience
    return max(first, audience.from_ or first), min(last, audience.until or last)


def horizon(drafts: Iterable[Draft], now: datetime, days: int = HORIZON_DAYS) -> list[Draft]:
    """Of the drafts (in `draft`'s order) those of a due date that has begun before now + `days` and is not over."""
    kept: list[Draft] = []
    until = now + timedelta(days=days)
    for _, same_calls in groupby(drafts, key=lambda one: (one.due_on, one.accounts)):
        calls = list(same_calls)
        if calls[0].window_from < until and calls[-1].window_until > now:
            kept += calls
    return kept


def last_instant(draft: Draft, ring_s: float) -> datetime:
    """The last instant to place it: its window's end less the ring time-out; for a message the end, exclusive."""
    return max(draft.window_from, draft.window_until - _ring(draft.round.channel, ring_s))


@lru_cache(maxsize=64)
def _ring(channel: Channel, ring_s: float) -> timedelta:
    return timedelta(seconds=ring_s if channel is Channel.VOICE else 0)


def draft(members: Sequence[Member], campaign: Campaign, book: Rulebook, ring_s: float, lender_zone: str) -> Drafted:
    """Drafts one attempt per round for the members that the campaign's audience takes in.

    `members` are all open installments, in the range of due dates, of the persons in them. `ring_s` is the ring
    time-out in seconds, `lender_zone` stands in where nobody knows a person's zone.
    """
    drafted = Drafted([], [])
    places = _Places(campaign, ring_s, lender_zone)
    for key, due_on, together in _audience(members, campaign):
        calls = [call for accounts in together if (call := _serve(accounts, campaign, drafted.unselected))]
        for ordinal, (segment, accounts) in enumerate(calls):
            zones = _zones(accounts)
            taken = places.of(segment, due_on, zones, rules_of(book, accounts))
            # two calls to one person on one day keep apart: their slots start in different parts of the window
            start = spread(campaign.name, key, due_on) + ordinal / len(calls)
            drafted.drafts.extend(_drafts(accounts, zones, due_on, segment, taken, start))
    return drafted


def rules_of(book: Rulebook, accounts: Sequence[Member], more: tuple[str, ...] = ()) -> Ruleset:
    """The rules for a call about these accounts of one person: those of all regions that the file names for it."""
    if len(accounts) == 1:
        return book.of((accounts[0].region,), accounts[0].country, more)
    return book.of(tuple(sorted({member.region for member in accounts})), accounts[0].country, more)


def _audience(members: Iterable[Member], campaign: Campaign) -> Iterator[tuple[str, date, list[tuple[Member, ...]]]]:
    """The accounts of each call, by the key that makes slots stable (person or account) and due date."""
    audience = campaign.audience
    dues: dict[date, bool] = {}
    by_key: dict[tuple[str, date], list[Member]] = {}
    for member in members:
        due_on = member.due_on
        if due_on not in dues:
            dues[due_on] = is_due_in(due_on, audience)
        if dues[due_on] and member.amount >= audience.min_amount:
            by_key.setdefault((member.person_id if audience.combine else member.account_id, due_on), []).append(member)
    for (key, due_on), found in by_key.items():
        yield key, due_on, _calls(found, audience.combine)


def _calls(found: list[Member], combine: bool) -> list[tuple[Member, ...]]:
    if len(found) == 1:
        return [(found[0],)]
    found.sort(key=lambda member: (member.account_id, member.installment_id))
    if not combine:
        return [(member,) for member in found]
    found.sort(key=_line_of_talk)
    return [tuple(accounts) for _, accounts in groupby(found, key=_line_of_talk)]


def _line_of_talk(member: Member) -> tuple[str, str]:
    return member.phone, member.currency


def _serve(accounts: tuple[Member, ...], campaign: Campaign, unselected: list[Member]) -> Serving | None:
    """The accounts that a segment takes, and of their segments the one of highest priority (the first, if equal)."""
    serving: Segment | None = None
    taken = []
    for member in accounts:
        segment = select(member.late, campaign)
        if segment is None:
            unselected.append(member)
            continue
        taken.append(member)
        if serving is None or segment.priority > serving.priority:
            serving = segment
    return (serving, tuple(taken)) if serving else None


def _zones(accounts: tuple[Member, ...]) -> tuple[str, ...]:
    if len(accounts) == 1:
        return accounts[0].zones
    return tuple(dict.fromkeys(chain.from_iterable(member.zones for member in accounts)))


@dataclass(frozen=True, slots=True)
class _Place:
    """One round's window on one due date for one set of zones."""

    round: Round
    opens: datetime
    closes: datetime
    usable: tuple[tuple[datetime, int], ...]
    """Begin and length in milliseconds of each stretch in which a call may begin."""
    usable_ms: int

    def slot(self, fraction: float) -> datetime:
        offset = int(fraction * self.usable_ms)
        for begins, length in self.usable:
            if offset < length:
                return begins + ONE_MS * offset  # a third of the time of timedelta(milliseconds=offset)
            offset -= length
        return self.opens


class _Places:
    """The places of a segment's rounds, worked out once per segment, due date and zones."""

    def __init__(self, campaign: Campaign, ring_s: float, lender_zone: str) -> None:
        self._audience = campaign.audience
        self._ring_s = ring_s
        self._lender_zone = lender_zone
        self._known: dict[tuple[str, date, tuple[str, ...], Ruleset], tuple[_Place, ...]] = {}

    def of(self, segment: Segment, due_on: date, zones: tuple[str, ...], rules: Ruleset) -> tuple[_Place, ...]:
        key = (segment.name, due_on, zones, rules)
        if key not in self._known:
            self._known[key] = tuple(
                self._place(at, due_on, zones or (self._lender_zone,), rules)
                for at in rounds(segment)
                if is_contact_day(due_on + timedelta(days=at.day_offset), self._audience)
            )
        return self._known[key]

    def _place(self, at: Round, due_on: date, zones: tuple[str, ...], rules: Ruleset) -> _Place:
        opens, closes = round_window(at, due_on, zones[0])
        legal = intersect([(opens, closes)], rules.windows(at.channel, zones, opens, closes))
        # nothing legal that day: the draft keeps the round's own window, and the gate refuses it and names the rule
        legal = legal or [(opens, closes)]
        before = lead(at.channel, self._ring_s)
        usable = tuple((begins, (ends - before - begins) // ONE_MS) for begins, ends in legal if ends - before > begins)
        total = sum(length for _, length in usable)
        return _Place(at, legal[0][0], legal[-1][1], usable, total)


def _drafts(
    accounts: tuple[Member, ...],
    zones: tuple[str, ...],
    due_on: date,
    segment: Segment,
    places: tuple[_Place, ...],
    start: float,
) -> list[Draft]:
    person, phone, name, priority = accounts[0].person_id, accounts[0].phone, segment.name, segment.priority
    # by position, since keywords cost a third more: the fields stand in model.Draft's order
    return [
        Draft(
            person, phone, zones, due_on, name, priority, place.round, accounts,
            place.slot((start + place.round.number * GOLDEN) % 1.0), place.opens, place.closes,
        )
        for place in places
    ]  # fmt: skip


def forecast(
    drafts: Iterable[Draft],
    person_facts: Callable[[Draft], gate.Facts],
    book: Rulebook,
    line: gate.LineFacts | None,
    ring_s: float,
    now: datetime,
    history: History | None = None,
    more: Mapping[Channel, tuple[str, ...]] = MappingProxyType({}),
) -> list[Row]:
    """What the gate would say to each draft at its slot, in the order of slots, then accounts.

    Rounds that are over at `now` are left out; a slot that has passed in a window still open is asked about at `now`.
    Rows that pass count towards the caps of later ones as if placed and answered, deferred and blocked ones do not; of
    persons that share a number only those among the drafts are seen. `person_facts` makes new facts at each call, which
    are completed here: with the contacts of `history`, which grows, and with `line` where they name none. `more`: names
    of the lines' own packs.
    """
    rows = []
    history = history or History()
    left = (draft for draft in drafts if draft.window_until > now)
    for draft in sorted(left, key=lambda draft: (draft.planned_for, draft.accounts[0].account_id)):
        at, channel, person = max(draft.planned_for, now), draft.round.channel, draft.person_id
        facts = person_facts(draft)
        facts.contacts, facts.line = history.of(person, draft.phone), facts.line or line
        verdict = gate.check(
            _ask(draft, ring_s), facts, rules_of(book, draft.accounts, more.get(channel, ())), at
        )  # fmt: skip
        if isinstance(verdict, gate.Pass):
            ids = tuple(member.account_id for member in draft.accounts)
            history.add(Contact(at, channel, _ANSWERED[channel], person, draft.phone, "", ids))
        rows.append(Row(draft, verdict))
    return rows


def _ask(draft: Draft, ring_s: float) -> gate.Ask:
    member, channel, accounts = draft.accounts[0], draft.round.channel, draft.accounts
    if len(accounts) == 1:
        whose = Whose(draft.person_id, draft.phone, "", (member.account_id,))
        dues: tuple[date, ...] = (
            (draft.due_on, member.oldest_due_on) if member.oldest_due_on else (draft.due_on,)
        )  # fmt: skip
        roles: tuple[str, ...] = (member.role,)
    else:
        whose = Whose(draft.person_id, draft.phone, "", tuple(one.account_id for one in accounts))
        dues = (draft.due_on, *(one.oldest_due_on for one in accounts if one.oldest_due_on))
        roles = tuple({one.role for one in accounts})
    lead_s = lead(channel, ring_s).total_seconds()
    return gate.Ask(channel, draft.zones, member.country, member.line_type, lead_s, whose, dues, roles)


_ANSWERED = {Channel.VOICE: Disposition.HUMAN, Channel.SMS: Disposition.DELIVERED}
