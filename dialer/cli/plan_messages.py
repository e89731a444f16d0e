"""What `dialer plan` says of messages: how many SMS segments they take, and what they cost either way of billing."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel
from rich.markup import escape
from rich.table import Table

from config.settings import Settings
from dialer.advice import CODES
from dialer.forecast import Forecast

REMARK = (
    "Spend limits count price_per_message once a message; a carrier that bills each segment asks for the last column."
)


class MessageTotal(BaseModel):
    """Messages that take the same number of SMS segments. Without those blocked, and without what follows a call."""

    message: str
    line: str
    """The first that reaches the number's country."""
    encoding: Literal["gsm7", "ucs2"]
    messages: int
    segments: int
    """Of each message."""
    cost: str
    """At the line's price_per_message, once a message: what spend limits count. In the lender's currency."""
    cost_by_segment: str
    """The same once a segment, as many carriers bill."""


def totals(settings: Settings, found: Forecast) -> list[MessageTotal]:
    """What the forecast's messages take, by message, line and length."""
    every = []
    for length, count in sorted(found.lengths.items()):
        cost = settings.lines[length.line].price_per_message * count
        every.append(
            MessageTotal(
                message=length.message, line=length.line, encoding="gsm7" if length.encoding == "gsm7" else "ucs2",
                messages=count, segments=length.segments, cost=str(cost), cost_by_segment=str(cost * length.segments),
            )
        )  # fmt: skip
    return every


def differ(messages: Sequence[MessageTotal]) -> bool:
    """Whether it matters how the carrier bills."""
    return any(one.cost != one.cost_by_segment for one in messages)


def table(messages: Sequence[MessageTotal], currency: str) -> Table:
    """For people."""
    shown = Table("message", "line", "coding", box=None, pad_edge=False)
    titles = ("messages", "segments each", "segments", f"{currency} a message", f"{currency} a segment")
    for title in titles:
        shown.add_column(title, justify="right")
    for one in messages:
        counts = (one.messages, one.segments, one.messages * one.segments)
        words = (escape(one.message), escape(one.line), CODES[one.encoding])
        shown.add_row(*words, *(f"{count:,}" for count in counts), one.cost, one.cost_by_segment)
    return shown
