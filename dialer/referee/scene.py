"""Everything put together once: placements with their attempts, persons and campaign files, for all checks."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property

from dialer.referee.campaignfile import File
from dialer.referee.days import CHINA, ONE_CHINA
from dialer.referee.ledger import Account, Campaign, Ledger, country_of, replay
from dialer.referee.model import Attempt, Evidence, Heard, Limits, Link, Sheet, Taken

ENDS = frozenset({"ended", "delivered", "undelivered"})


@dataclass(slots=True)
class Call:
    """One placement, call or message, with what the exports say of it (None: they don't know it)."""

    placement: Taken
    attempt: Attempt | None
    answered_at: datetime | None = None
    """As the network has it, else the exports."""
    ended_at: datetime | None = None
    disposition: str = ""

    @property
    def at(self) -> datetime:
        return self.placement.at

    @property
    def person(self) -> str:
        return self.attempt.person if self.attempt else ""

    @property
    def about(self) -> str:
        return self.attempt.about if self.attempt else ""


@dataclass
class Scene:
    """The evidence, joined. `end`: the last instant that anything is known of."""

    evidence: Evidence
    limits: Limits
    sheet: Sheet
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = replay(self.evidence)
        self.grace = timedelta(seconds=self.limits.grace_s)
        self.edge = timedelta(seconds=self.limits.edge_s)
        self.by_id: dict[str, Attempt] = {one.attempt_id: one for one in self.evidence.attempts}
        self.heard: dict[str, list[Heard]] = defaultdict(list)
        for one in self.evidence.network or ():
            if one.attempt_id:
                self.heard[one.attempt_id].append(one)
        self.spans: dict[tuple[int, date, str], tuple[datetime, datetime] | None] = {}
        """What `members` worked out once a file, due date and zone."""

    @cached_property
    def calls(self) -> list[Call]:
        """Every line of the journal, in order of time."""
        found = [self._call(one) for one in self.evidence.placements]
        found.sort(key=lambda call: call.at)
        return found

    @cached_property
    def placed(self) -> set[str]:
        return {one.attempt_id for one in self.evidence.placements}

    def _call(self, placement: Taken) -> Call:
        attempt = self.by_id.get(placement.attempt_id)
        call = Call(placement, attempt)
        if attempt is not None:
            call.answered_at, call.ended_at = attempt.answered_at, attempt.ended_at
            call.disposition = attempt.disposition or ""
            if attempt.disposition == "unknown":  # then `ended_at` is when it was given up
                call.ended_at = None
        for heard in self.heard.get(placement.attempt_id, ()):
            if heard.kind == "answered":
                call.answered_at = heard.at
            elif heard.kind in ENDS:
                call.ended_at = heard.at
                call.disposition = call.disposition if heard.disposition in ("", "answered") else heard.disposition
        return call

    @cached_property
    def end(self) -> datetime | None:
        """The last instant of all that was given."""
        evidence = self.evidence
        known: list[datetime | None] = [one.at for one in evidence.placements]
        known += [one.at for one in evidence.actions or ()] + [one.acknowledged_at for one in evidence.network or ()]
        for one in evidence.attempts:
            known += (one.settled_at, one.claimed_at, one.ended_at)
        return max((at for at in known if at is not None), default=None)

    def campaign(self, attempt: Attempt) -> Campaign | None:
        return self.ledger.campaigns.get(attempt.campaign)

    def files(self, attempt: Attempt, at: datetime) -> list[File]:
        """The versions of the campaign that may have ruled a placement at this instant."""
        campaign = self.campaign(attempt)
        return campaign.files.possible(at - timedelta(seconds=self.limits.relaunch_s), at) if campaign else []

    def accounts(self, attempt: Attempt, at: datetime) -> list[Account]:
        """The accounts of an attempt as they were at an instant, in order of their ids; unknown ones are left out."""
        ids = sorted({account for account, _ in attempt.links})
        return [account for one in ids if (account := self.ledger.account_at(one, at))]

    def is_about_moved(self, links: tuple[Link, ...], first: datetime, last: datetime) -> bool:
        """Whether one of the accounts may have changed between these instants."""
        return any(len(self.ledger.accounts[account].possible(first, last)) > 1 for account, _ in links
                   if account in self.ledger.accounts)  # fmt: skip

    def zones(self, account: Account) -> list[str]:
        """What is certain of where a person is, the stated zone first; empty: only the exports know."""
        found = [CHINA if account.zone in ONE_CHINA else account.zone] if account.zone else []
        if account.region.partition("-")[0] == "CN" or account.phone.startswith("+86"):
            found.append(CHINA)
        return list(dict.fromkeys(found))

    def country(self, phone: str) -> str:
        return country_of(phone)
