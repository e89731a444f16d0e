"""What a provider may tell us, bounded before it is stored: lengths, instants, seconds. Whatever goes beyond is cut.

A provider's fault must neither fill the database nor keep other news of the same transaction from being written.
"""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from operator import attrgetter, gt
from typing import Any

LENGTHS = {
    "ref": 200,
    "identity": 200,
    "disposition": 40,
    "digits": 64,
    "code": 64,
    "text": 2_000,
    "sender": 40,
    "why": 500,
}
"""Characters that are kept of each text."""
_MAXIMA, _LEAST, _texts = tuple(LENGTHS.values()), min(LENGTHS.values()), attrgetter(*LENGTHS)
TALK_MAX_S = 86_400.0
LATE_MAX = timedelta(days=31)
"""What is said to be older happened then; so much later no provider calls back."""


def changes(news: Any, now: datetime) -> dict[str, Any]:
    """field → what it has to be instead; empty for what any sound provider tells. `now`: as late as it can be."""
    found: dict[str, Any] = {}
    texts = _texts(news)
    together = "".join(texts)
    if not together.isprintable() or (len(together) > _LEAST and any(map(gt, map(len, texts), _MAXIMA))):
        for (name, maximum), value in zip(LENGTHS.items(), texts, strict=True):
            if value and (sound := _text(name, value, maximum)) != value:
                found[name] = sound
    at = news.at if news.at.tzinfo else news.at.replace(tzinfo=UTC)  # what has no zone is taken for UTC
    if news.identity:
        # Nothing has happened yet that we hear of now, whatever the provider's clock says. What we did ourselves
        # keeps its instant: the clock may have been set back since.
        at = min(max(at, now - LATE_MAX), now)
    if at.tzinfo is not UTC:  # as the database gives it back; after the bounds: the first and last days overflow
        at = at.astimezone(UTC)
    if at is not news.at:
        found["at"] = at
    if not 0 <= news.talk_s <= TALK_MAX_S:  # nor is what is no number
        found["talk_s"] = 0.0
    return found


def _text(name: str, value: str, maximum: int) -> str:
    """Without NULs and halves of surrogate pairs, which no database keeps, and cut."""
    sound = value.replace("\0", "").encode("utf-8", "replace").decode()
    if len(sound) <= maximum:
        return sound
    # Two facts must not become one because their identities begin alike.
    mark = f"…{sha256(sound.encode()).hexdigest()[:32]}" if name in ("identity", "ref") else ""
    return sound[: maximum - len(mark)] + mark
