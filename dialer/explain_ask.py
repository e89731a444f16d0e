"""What the gate would say about one account at one instant: `dialer explain` asks it as dialing does.

The gate is asked with what is known now, at the instant that is asked about: contacts, suppressions and agreements
after that instant are left out, payments and consents are today's. What the gate did say then is in the story.
"""

from dataclasses import replace
from datetime import MAXYEAR, UTC, datetime, timedelta
from decimal import Decimal
from math import ceil
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

from campaigns.gate import Ask, Block, Defer, Facts, LineFacts, Pass, Verdict, check
from campaigns.hours import local_date, zone_named
from campaigns.limits import Limit
from campaigns.model import Channel
from campaigns.rules import Cap
from campaigns.ruleset import Ruleset
from dialer import asking, confirmation, dialogue
from dialer.attempt import State
from dialer.claim import LIVE_CALL, ONE_CALL
from dialer.explain_model import Answer, PackAsked, Refusing, Room
from dialer.explain_words import listed
from dialer.house import House, Launched
from dialer.report_words import Speech
from dialer.store import Tx, timeline
from dialer.store import attempts as attempt_store
from dialer.store.common import flag
from dialer.timeline import source_of
from dialer.timeline_words import Telling
from dialer.verdict_words import BREAKS, seen, why

WAITS_MAX = 20
"""So many rules in turn are waited for when the first permitted instant is looked for."""
_BY_HAND = frozenset({"dialer.halted", "dialer.paused"})
"""What only an operator ends, however long it is waited for."""


class Asking:
    """Asks the gate about one account at one instant."""

    def __init__(
        self, tx: Tx, house: House, account: Any, installments: Any, at: datetime, is_now: bool, words: Speech
    ) -> None:
        """`at`: in the person's local time; `is_now`: whether running calls count."""
        zone = at.tzinfo
        assert isinstance(zone, ZoneInfo), "asked in local time"
        self._tx, self._house, self._account, self._zone, self._words = tx, house, account, zone, words
        self._installments, self._is_now = installments, is_now
        self._at = at.astimezone(UTC)
        self._launched = {one.campaign_id: one for one in house.launched(tx)}

    def answers(self) -> list[Answer]:
        """About the next planned attempt; where there is none, about each channel of each launched campaign."""
        planned = [
            row
            for row in timeline.attempts(self._tx, self._account.account_id)
            if row.state == State.PLANNED and not row.taken_out and row.valid_until >= self._at
        ]
        if planned:
            row = min(planned, key=lambda row: (row.due_at, row.attempt_id))
            one = self._launched.get(row.campaign_id) or self._house.version(
                self._tx, row.campaign_id, row.current, row.campaign, row.campaign_status
            )
            accounts = attempt_store.roster(self._tx, [row.attempt_id])[row.attempt_id]
            return [self._of_attempt(one, row, accounts, self.ask(one, row, accounts))]
        return [
            self.ask(one, wanted, [wanted])
            for one in self._launched.values()
            for channel in Channel
            if one.lines(channel)
            for wanted in [self._any(one, channel)]
        ]

    def _any(self, one: Launched, channel: Channel) -> SimpleNamespace:
        """What the gate needs of an attempt and of its account, for the next open installment, else the last."""
        today = self._house.today(self._at)
        still = [row for row in self._installments if row.is_open]
        ahead = [row for row in still if row.due_on >= today]
        due = next(iter(ahead or still[-1:]), None)
        stopped = next(
            (
                member.stopped
                for member in timeline.members(self._tx, self._account.account_id)
                if due is not None
                and (member.campaign_id, member.installment_id) == (one.campaign_id, due.installment_id)
            ),
            None,
        )
        about = {
            "due_on": due.due_on if due else None, "is_open": due is not None, "stopped": stopped or "",
            "oldest_due_on": min((row.due_on for row in still), default=None), "attempt_id": 0, "cause": "round",
        }  # fmt: skip
        return SimpleNamespace(**self._account._asdict(), **about, channel=channel.value)

    def _of_attempt(self, one: Launched, row: Any, accounts: list[Any], answer: Answer) -> Answer:
        """The general answer, with the attempt's own times."""
        due_at, valid_until = row.due_at.astimezone(self._zone), row.valid_until.astimezone(self._zone)
        possible_at, held = answer.passes_at, answer
        if self._at < row.due_at and (possible_at is not None and possible_at <= due_at):
            # What passes now says nothing of the slot: the gate is asked about that as well.
            ahead = Asking(self._tx, self._house, self._account, self._installments, due_at, False, self._words)
            held = ahead.ask(one, row, accounts)
            possible_at = held.passes_at
        too_late = possible_at is not None and possible_at > valid_until
        return answer.model_copy(
            update={
                "attempt_id": row.attempt_id,
                "due_at": due_at,
                "valid_until": valid_until,
                "expires": too_late,
                "possible_at": None if too_late else possible_at,
                "held_by": f"{held.reason} [{held.rule}]" if held.rule else None,
            }
        )

    def ask(self, one: Launched, row: Any, accounts: list[Any]) -> Answer:
        """What the gate would say at this instant of an attempt, or of any."""
        line = self._line(one, row, Channel(row.channel))
        settings = self._house.settings.lines[line.name] if line else None
        more = settings.packs if settings else ()
        ring_s = settings.ring_timeout.total_seconds() if settings else one.ring_s
        ask = asking.ask_of(
            dialogue.Spoken(self._house, one, row, list(accounts), self._at), ring_s, has_text=bool(row.attempt_id)
        )
        rules = one.rules(accounts, row.country, more)
        facts = self._facts(one, row, accounts, line)
        verdict = self._check(ask, facts, rules, row)
        passes_at, reason = self._first_pass(verdict, ask, facts, rules)
        rule = None if isinstance(verdict, Pass) else verdict.rule
        return Answer(
            campaign=one.name,
            channel=ask.channel,
            verdict="pass" if isinstance(verdict, Pass) else "defer" if isinstance(verdict, Defer) else "block",
            rule=rule,
            reason=reason,
            saw=None if isinstance(verdict, Pass) else dict(verdict.saw),
            seen="" if isinstance(verdict, Pass) else seen(verdict.saw, self._local(self._at), self._words),
            rule_passes_at=self._local(verdict.until) if isinstance(verdict, Defer) else None,
            **source_of(one.book, rule, self._words),
            others=self._others(one, verdict, ask, facts, rules),
            packs=self._packs(one, accounts, row.country, more, rules, ask.channel),
            rooms=self._rooms(one, ask, facts, rules),
            placeable_until=self._last(verdict),
            passes_at=self._local(passes_at) if passes_at else None,
            due_on=row.due_on,
        )

    def _local(self, at: datetime) -> datetime:
        return at.astimezone(self._zone)

    def _last(self, verdict: Verdict) -> datetime | None:
        """The last instant as the windows stand; None: nothing passes, or no window ever closes."""
        if not isinstance(verdict, Pass) or verdict.valid_until.year == MAXYEAR:
            return None
        return self._local(verdict.valid_until)

    def _why(self, verdict: Defer | Block, rules: Ruleset) -> str:
        is_block = isinstance(verdict, Block)
        return why(verdict.rule, rules.rules.get(verdict.rule), verdict.saw, verdict.reason, self._words, is_block)

    def _others(self, one: Launched, verdict: Verdict, ask: Ask, facts: Facts, rules: Ruleset) -> list[Refusing]:
        """Each rule of the packs asked alone, as if the dialer itself had nothing against it."""
        if isinstance(verdict, Pass) or not ask.zones:
            return []
        consent = "" if facts.consent == "no" else facts.consent
        bare = replace(facts, halted="", campaign="active", is_open=True, stopped="", suppressed="", consent=consent,
                       line=None, clock_off_s=0.0)  # fmt: skip
        found = []
        for rule_id in rules.rules:
            if rule_id == verdict.rule:
                continue
            said = check(ask, bare, rules.only(rule_id), self._at)
            if not isinstance(said, Pass) and said.rule == rule_id:
                at = self._local(said.until) if isinstance(said, Defer) else None
                source = source_of(one.book, rule_id, self._words)
                found.append(Refusing(rule=rule_id, reason=self._why(said, rules), passes_at=at, **source))
        return found

    def _packs(
        self, one: Launched, accounts: list[Any], country: str, more: tuple[str, ...], rules: Ruleset, channel: Channel
    ) -> list[PackAsked]:
        regions = tuple(sorted({account.region for account in accounts}))
        found = []
        for pack in one.book.packs_of(regions, country, more):
            count = sum(rule.id in rules.rules and channel in rule.channels for rule in pack.rules)
            found.append(PackAsked(name=pack.name, rules=count))
        return found

    def _rooms(self, one: Launched, ask: Ask, facts: Facts, rules: Ruleset) -> list[Room]:
        """The caps of which something is used at this instant, the fullest first."""
        found = []
        zone = (zone_named(ask.zones[0]) if ask.zones else None) or self._zone
        today = local_date(self._at, zone)
        for limit, rule, _ in rules.limits[ask.channel]:
            holds = rule.in_force(today) and rule.holds_for_dues(ask.dues, today)
            if isinstance(rule, Cap) and holds and (used := self._used(limit, facts, zone, ask)):
                source = source_of(one.book, rule.id, self._words)
                found.append(Room(rule=rule.id, used=used, max=limit.max, **source))
        return sorted(found, key=lambda room: (room.max - room.used, room.rule))

    def _used(self, limit: Limit, facts: Facts, zone: ZoneInfo, ask: Ask) -> int:
        """How many of a cap's contacts lie in its period: so many fewer would still be the most."""
        for most in range(limit.max, 0, -1):
            fewer = replace(limit, max=most)
            free_at = fewer.frees_at(facts.contacts, zone, ask.whose, ask.channel, self._at)
            if free_at is not None and free_at > self._at:
                return most
        return 0

    def _check(self, ask: Ask, facts: Facts, rules: Ruleset, row: Any) -> Verdict:
        verdict = check(ask, facts, rules, self._at)
        may = isinstance(verdict, Pass) and self._is_now and ask.channel is Channel.VOICE
        if may and timeline.live_call(self._tx, row.phone) is not None:
            return Defer(self._at + ONE_CALL, LIVE_CALL, "another call to this number is running")
        return verdict

    def _first_pass(
        self, verdict: Verdict, ask: Ask, facts: Facts, rules: Ruleset
    ) -> tuple[datetime | None, str | None]:
        """(when it would pass, why not before). A deferral names its longest reason: what holds after it is asked."""
        if isinstance(verdict, Pass):
            broken = listed(self._words, verdict.warned)
            return self._at, self._words.say(BREAKS, broken) if broken else None
        reason = self._why(verdict, rules)
        if isinstance(verdict, Block):
            return None, reason
        last, line = verdict, facts.line
        for _ in range(WAITS_MAX):
            if line is not None and last.until >= line.spend_resets_at:
                facts = replace(facts, line=replace(line, spend_left=None))
            after = check(ask, facts, rules, last.until)
            if isinstance(after, Pass):
                return last.until, reason
            if after.rule not in (last.rule, verdict.rule):
                reason = self._words.say("{0}; after that: {1}", reason, self._why(after, rules))
            if isinstance(after, Block) or after.rule in _BY_HAND:
                return None, reason
            last = after
        return None, reason

    def _facts(self, one: Launched, row: Any, accounts: list[Any], line: LineFacts | None) -> Facts:
        """The facts as dialing loads them, with the switch and the suppressions as at the instant asked about."""
        known = asking.load(self._tx, self._house, one, [row], {row.attempt_id: accounts}, self._at)
        found = asking.facts_of(self._house, one, row, accounts, known, line, self._at)
        suppressed = "" if row.cause == confirmation.CAUSE else self._suppressed(row)
        return replace(found, halted=flag(self._tx, "halt"), suppressed=suppressed)

    def _suppressed(self, row: Any) -> str:
        """The suppression in force at the instant asked about; empty: none."""
        today = self._house.today(self._at)
        for one in timeline.suppressions(self._tx, row.person_id, row.phone):
            holds = one.created_at <= self._at and (one.lifted_at is None or one.lifted_at > self._at)
            if holds and one.channel in ("", row.channel) and (one.until is None or today <= one.until):
                return Telling(self._words, self._zone, self._account.phone).suppression(one)
        return ""

    def _line(self, one: Launched, row: Any, channel: Channel) -> LineFacts | None:
        """The line that would be taken, as dialing chooses it, but for its pace: that changes no verdict."""
        today = self._house.today(self._at)
        spent = attempt_store.spent(self._tx, today)
        resets_at = datetime.combine(today + timedelta(days=1), datetime.min.time(), self._house.zone)
        found = []
        for name in one.lines(channel):
            settings = self._house.settings.lines.get(name)
            if settings is None or channel not in settings.channels:
                continue
            minutes = ceil(settings.time_limit.total_seconds() / 60)
            price = settings.price_per_minute * minutes if channel is Channel.VOICE else settings.price_per_message
            most = settings.spend_max_per_day
            left = None if most is None else most - spent.get(name, Decimal(0))
            found.append(LineFacts(name, frozenset(settings.allow_countries), price, left, resets_at))
        fit = [line for line in found if row.country in line.allow_countries]
        able = [line for line in fit if line.spend_left is None or line.spend_left >= line.price]
        return next(iter(able or fit or found), None)
