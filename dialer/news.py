"""News of attempts: what providers tell of them, and what became of our own doing."""

from datetime import datetime
from itertools import compress
from operator import attrgetter
from typing import Any, NamedTuple

from adapters.contract import Event, EventKind
from campaigns.model import Outcome
from dialer.attempt import Kind


class News(NamedTuple):
    """One thing that happened to an attempt: the provider's event, or our own doing."""

    kind: Kind | None
    """None: a person's text message (`text`, `sender`), which belongs to no attempt."""
    at: datetime
    attempt_id: int | None = None
    ref: str = ""
    identity: str = ""
    disposition: str = ""
    digits: str = ""
    code: str = ""
    talk_s: float = 0.0
    text: str = ""
    sender: str = ""
    position: str | None = None
    said: Outcome | None = None
    promise: str | None = None
    verified: str = ""
    """`yes` or `no` in place of the digits that a person is known by: these are written down nowhere."""
    unverified: str = ""
    """Why a human has to look into who was on the phone."""
    retry_after_s: float | None = None
    why: str = ""
    claim: datetime | None = None
    """Our own news about one claim: when it was made. Told twice, or about a later claim, it changes nothing."""

    def data(self) -> dict[str, Any]:
        """What is kept of it beside kind and time."""
        values = _kept(self)
        return dict(compress(zip(_KEPT, values, strict=True), values))


_KEPT = ("ref", "disposition", "digits", "verified", "code", "talk_s", "text", "sender", "said", "promise", "why")
_kept = attrgetter(*_KEPT)


_KINDS: dict[EventKind, Kind | None] = {
    kind: None if kind is EventKind.REPLIED else Kind(kind.value) for kind in EventKind
}


def of_event(event: Event) -> News:
    """A provider's event in our words; its identity from the provider, else from reference, kind, sequence."""
    kind = _KINDS[event.kind]
    identity = event.identity or f"{event.ref or event.attempt_id}/{event.kind}/{event.sequence}"
    attempt_id = int(event.attempt_id) if event.attempt_id.isdecimal() and len(event.attempt_id) < 19 else None
    return News(
        kind, event.at, attempt_id, event.ref, identity, event.disposition, event.digits, event.code,
        event.talk_s, event.text, event.sender, said=Outcome.OPTED_OUT if event.opted_out else None,
    )  # fmt: skip
