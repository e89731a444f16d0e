"""How long the messages of a forecast are: each text as it would be sent, in the person's language."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from campaigns import gate, plan
from campaigns.file import Campaign
from campaigns.message import Values, choose, render, segments
from campaigns.model import Channel, Draft
from config.settings import LenderSettings, Settings


class Named(NamedTuple):
    """What an account puts into a text."""

    name: str
    language: str
    """Empty: the lender's."""
    pay_to: str

    @classmethod
    def of(cls, account: Any) -> "Named":
        """From a row of the files, or of the store."""
        return cls(account.name, account.language, account.pay_to)


class Length(NamedTuple):
    """What messages are counted by."""

    message: str
    line: str
    encoding: str
    segments: int
    """Of each of them."""


@dataclass(frozen=True, slots=True)
class Writing:
    """What is needed to write the messages of a campaign."""

    campaign: Campaign
    lender: LenderSettings
    lines: tuple[tuple[str, frozenset[str]], ...]
    """Names of the lines, each with the countries that it reaches."""

    def lengths(self, rows: Sequence[plan.Row], named: Mapping[str, Named]) -> Counter[Length]:
        """The messages among these rows, without those that are blocked. `named`: by account id."""
        found: Counter[Length] = Counter()
        for row in rows:
            if row.draft.round.channel is Channel.SMS and not isinstance(row.verdict, gate.Block):
                length = segments(self._text(row.draft, named))
                line = self._line(row.draft.accounts[0].country)
                found[Length(row.draft.round.script, line, length.encoding, length.segments)] += 1
        return found

    def _text(self, draft: Draft, named: Mapping[str, Named]) -> str:
        """As `dialogue.message_text` writes it at the slot."""
        message = self.campaign.message[draft.round.script]
        every = [named[member.account_id] for member in draft.accounts]
        zone = ZoneInfo(draft.zones[0] if draft.zones else self.lender.time_zone)
        values = Values(
            name=every[0].name,
            lender=self.lender.name,
            lender_phone=self.lender.phone,
            due_on=draft.due_on,
            amounts=tuple(max(member.amount, Decimal(0)) for member in draft.accounts),
            currency=draft.accounts[0].currency,
            pay_to=tuple(one.pay_to for one in every if one.pay_to),
            today=draft.planned_for.astimezone(zone).date(),
            language=every[0].language or self.lender.language,
        )
        return render(choose(message.text, message.text_many, len(values.amounts)), values)

    def _line(self, country: str) -> str:
        """The first that reaches the country, as dialing chooses it while all have room."""
        return next((name for name, countries in self.lines if country in countries), self.lines[0][0])


def writing(settings: Settings, campaign: Campaign) -> Writing | None:
    """None: no round of the campaign is a message."""
    if not any(table.channel is Channel.SMS for segment in campaign.segment for table in segment.rounds):
        return None
    lines = tuple((name, frozenset(settings.lines[name].allow_countries)) for name in campaign.lines.sms)
    return Writing(campaign, settings.lender, lines) if lines else None
