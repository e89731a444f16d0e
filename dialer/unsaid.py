"""What a campaign says, held against the rules that look at it: what no attempt could ever pass is told by `check`.

The gate looks at the words of each attempt as the person gets them. Here the templates are filled with sample values,
so that a script which never names what a law demands is refused before anybody is planned.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

from campaigns import demands
from campaigns.file import Campaign, Message, Script
from campaigns.gate import Ask, Block, Facts, Saying
from campaigns.message import Values, choose, forms, render, template_faults
from campaigns.model import Channel
from campaigns.problems import Path, Problem
from campaigns.rules import Content, OptOut, Ring
from campaigns.ruleset import Ruleset
from campaigns.script import offers_stop
from config.settings import LenderSettings, Settings

ONE_DAY = timedelta(days=1)
SAMPLE_DAY = date(2026, 6, 15)
"""Any day will do: only whether a name is told is looked at, not what it says."""


def unsaid(campaign: Campaign, settings: Settings, rules: Ruleset) -> Iterator[Problem]:
    """What the rules for the lender's country demand of words and of ringing, and the campaign can never give."""
    for channel in Channel:
        for rule, _ in rules.demands[channel]:
            if rule.on_breach == "warn" or rule.stage or rule.days_past_due or rule.line_type or rule.waive:
                continue  # it does not hold for everybody
            if isinstance(rule, Ring):
                yield from _rings(campaign, settings, rule)
            elif isinstance(rule, Content | OptOut):
                yield from _words(campaign, settings.lender, rule, channel)


def _rings(campaign: Campaign, settings: Settings, rule: Ring) -> Iterator[Problem]:
    for number, name in enumerate(campaign.lines.voice):
        line = settings.lines.get(name)
        if line is not None and line.ring_timeout.total_seconds() < rule.min_s:
            wrong = f'"{name}" rings {line.ring_timeout.total_seconds():g} s only [{rule.id}]'
            yield Problem(("lines", "voice", number), wrong, f"accepted: a line that rings {rule.min_s} s at least")


def _words(campaign: Campaign, lender: LenderSettings, rule: Content | OptOut, channel: Channel) -> Iterator[Problem]:
    parts: dict[str, Script] | dict[str, Message] = campaign.script if channel is Channel.VOICE else campaign.message
    used = _used(campaign, channel)
    for name, part in parts.items():
        if name in used:
            for loc, text, is_many in _texts(name, part):
                refused = None if template_faults(text) else _refused(part, text, is_many, lender, rule, channel)
                if refused:
                    yield Problem(loc, f"{refused.reason} [{rule.id}]", f"accepted: {_remedy(refused, rule, channel)}")


def _used(campaign: Campaign, channel: Channel) -> set[str]:
    tables = [table for segment in campaign.segment for table in segment.rounds]
    places = [*tables, *(table.otherwise for table in tables if table.otherwise)]
    return {place.content for place in places if place.channel is channel}


def _texts(name: str, part: Script | Message) -> Iterator[tuple[Path, str, bool]]:
    """Where each text stands: the first words of a call, or a message."""
    if isinstance(part, Message):
        yield ("message", name, "text"), part.text, False
        if part.text_many:
            yield ("message", name, "text_many"), part.text_many, True
    elif part.first in part.step:
        first = part.step[part.first]
        yield ("script", name, "step", part.first, "say"), first.say, False
        if first.say_many:
            yield ("script", name, "step", part.first, "say_many"), first.say_many, True


def _refused(
    part: Script | Message, text: str, is_many: bool, lender: LenderSettings, rule: Content | OptOut, channel: Channel
) -> Block | None:
    language = part.language if isinstance(part, Script) else lender.language
    values = Values(
        "Sample Person", lender.name, lender.phone, SAMPLE_DAY, (Decimal("12345.67"),) * (2 if is_many else 1),
        lender.currency, ("9876-SAMPLE",), SAMPLE_DAY - ONE_DAY, language,
    )  # fmt: skip
    saying = Saying(
        render(choose(text, text if is_many else None, len(values.amounts)), values),
        forms(values),
        isinstance(part, Script) and offers_stop(part),
    )
    ask = Ask(channel, ("UTC",), "", "", 0.0, saying=saying)
    facts = Facts("", "active", True, "", "", "", (), None)
    return demands.unmet(rule, ask, facts, SAMPLE_DAY)


def _remedy(refused: Block, rule: Content | OptOut, channel: Channel) -> str:
    if isinstance(rule, OptOut):
        if channel is Channel.VOICE:
            return 'a key that leads to a step with outcome = "opted_out"'
        return "the word that stops, such as STOP, TD or 退订"
    if told := refused.saw.get("told"):
        names = told if isinstance(told, list) else []
        return f"a text without {' '.join(f'{{{name}}}' for name in names)}"
    missing = refused.saw.get("missing")
    names = missing if isinstance(missing, list) else []
    where = " at its beginning" if isinstance(rule, Content) and {*names} & {*rule.begins} else ""
    return f"{' '.join(f'{{{name}}}' for name in dict.fromkeys(names))} in it{where}"
