"""What fails again and again: told to the log once a minute; a database that is away, once for all of a worker."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dialer.clock import Clock
from dialer.log import log
from dialer.store.database import is_away, said

AGAIN = timedelta(minutes=1)
"""So long what was said once is not said again."""


@dataclass(slots=True)
class Troubles:
    """Of one worker. Its loops tell what befalls them, and when they work again."""

    clock: Clock
    worker: str
    _said_at: dict[tuple[str, str], datetime] = field(default_factory=dict)
    _away_since: datetime | None = None
    _without: set[str] = field(default_factory=set)
    """Whoever found the database away, and has not found it back."""

    @property
    def is_away(self) -> bool:
        """Whether it was said that the database is away, and not yet that it is back."""
        return self._away_since is not None

    def is_news(self, who: str, error: Exception, lasts: bool = True) -> bool:
        """Whether `who` is to log its error. Not so where the database is away, which is said here.

        `lasts`: it will say when it works again.
        """
        if is_away(error):
            self.away(who if lasts else None, error)
            return False
        return self._is_time(who, type(error).__name__)

    def away(self, who: str | None, error: Exception) -> None:
        """The database can't be reached: said at once by who finds it first, then once a minute."""
        now = self.clock.now()
        if who is None and self._away_since is None:
            # Nobody would say that it is back; whoever lasts finds it away as well, if it is.
            if self._is_time("database", ""):
                log.error("database_lost", worker=self.worker, error=said(error), for_s=0.0, hint="it is tried again")
            return
        if self._away_since is None:
            self._away_since = now
            self._said_at.pop(("database", ""), None)
        if who is not None:
            self._without.add(who)
        if self._is_time("database", ""):
            log.error(
                "database_lost", worker=self.worker, error=said(error), for_s=_seconds(now - self._away_since),
                hint="nothing is dialed; tried again every 2 s",
            )  # fmt: skip

    def leaves(self, who: str) -> None:
        """It will say nothing any more."""
        self._without.discard(who)

    def works(self, who: str) -> None:
        """The last of those who found it away says that it is back."""
        self._without.discard(who)
        if self._away_since is not None and not self._without:
            away = self.clock.now() - self._away_since
            self._away_since = None
            log.info("database_back", worker=self.worker, after_s=_seconds(away))

    def _is_time(self, who: str, what: str) -> bool:
        now = self.clock.now()
        last = self._said_at.get((who, what))
        if last is not None and now - last < AGAIN:
            return False
        self._said_at[who, what] = now
        return True


def _seconds(length: timedelta) -> float:
    return round(max(length.total_seconds(), 0.0), 1)
