"""The mock carrier's journal: one JSON line per placement that it took."""

import json
import os
import stat
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from adapters.contract import ChannelName


@dataclass(frozen=True, slots=True)
class Placement:
    """What the carrier took: when (UTC, milliseconds), for which attempt, to which number (E.164), on which line."""

    at: datetime
    attempt_id: str
    channel: ChannelName
    to: str
    line: str

    def to_line(self) -> bytes:
        at = self.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{self.at.microsecond // 1000:03d}Z"
        fields = {"at": at, "attempt_id": self.attempt_id, "channel": self.channel, "to": self.to, "line": self.line}
        return json.dumps(fields).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "Placement | None":
        """None: the line is torn, so its placement was never answered."""
        try:
            fields = json.loads(line)
            texts = [fields[name] for name in ("attempt_id", "channel", "to", "line")]
            at = datetime.fromisoformat(fields["at"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        if at.tzinfo is None or not all(isinstance(text, str) for text in texts) or texts[1] not in ("voice", "sms"):
            return None
        return cls(at, texts[0], cast(ChannelName, texts[1]), texts[2], texts[3])


class Journal:
    """Placements in the order in which they were taken; in memory only, if there is no path.

    The file is the truth: what is asked for and not known yet is read on from it, so that several
    processes may share one. Memory holds the newest `keeps` placements; older ones are searched in the file.
    """

    def __init__(self, path: Path | None, keeps: int = 200_000) -> None:
        self._path = path
        self._fd: int | None = None
        self._newest: deque[Placement] = deque()
        self._by_attempt: dict[str, Placement] = {}
        self._keeps = keeps
        self._read_to = 0
        self._forgot = False

    def open(self) -> None:
        """Opens the file for appending and reads it. Raises OSError."""
        if self._path is None or self._fd is not None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Numbers stand in it unmasked: for its owner alone.
        self._fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            self.close()
            raise OSError(f"the journal {self._path} is not a regular file")
        self._mend(self._fd)
        self._read_on()

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def write(self, placement: Placement) -> None:
        """Returns once the line is with the operating system. Raises OSError; the line is then not in the file."""
        if self._path is None:
            self._remember(placement)
            return
        if self._fd is None:
            raise OSError(f"the journal {self._path} is not open")
        line = placement.to_line()
        written = os.write(self._fd, line)
        if written != len(line):
            os.ftruncate(self._fd, os.fstat(self._fd).st_size - written)
            raise OSError(f"the journal {self._path} took only a part of a line")

    def find(self, attempt_id: str) -> Placement | None:
        """The newest known placement of an attempt."""
        if attempt_id not in self._by_attempt:
            self._read_on()
        found = self._by_attempt.get(attempt_id)
        return self._search(attempt_id) if found is None and self._forgot else found

    def placements(self) -> list[Placement]:
        """The newest placements, oldest first, those of earlier runs included."""
        self._read_on()
        return list(self._newest)

    def _remember(self, placement: Placement) -> None:
        self._newest.append(placement)
        self._by_attempt[placement.attempt_id] = placement
        if len(self._newest) > self._keeps:
            oldest = self._newest.popleft()
            if self._by_attempt.get(oldest.attempt_id) is oldest:
                del self._by_attempt[oldest.attempt_id]
            self._forgot = self._path is not None

    def _read_on(self) -> None:
        if self._path is None or not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read_to)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._read_to += len(line)
                placement = Placement.from_line(line)
                if placement is not None:
                    self._remember(placement)

    def _search(self, attempt_id: str) -> Placement | None:
        if self._path is None:
            return None
        wanted = json.dumps(attempt_id).encode()
        with self._path.open("rb") as file:
            for line in file:
                placement = Placement.from_line(line) if wanted in line else None
                if placement is not None and placement.attempt_id == attempt_id:
                    return placement
        return None

    def _mend(self, fd: int) -> None:
        """Ends a torn last line: completed if it is whole, cut off if not, so that the next one stands alone."""
        size = end = os.fstat(fd).st_size
        start, found = size, -1
        while start and found < 0:
            end, start = start, max(0, start - 65_536)
            found = os.pread(fd, end - start, start).rfind(b"\n")
        torn_from = start + found + 1
        torn = os.pread(fd, min(size - torn_from, 65_536), torn_from)
        if torn and Placement.from_line(torn) is not None:
            os.write(fd, b"\n")
        elif torn:
            os.ftruncate(fd, torn_from)
