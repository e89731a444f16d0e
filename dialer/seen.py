"""The keys that a file has had so far, in little memory: millions of them fit where a set would take gigabytes."""

from array import array
from collections.abc import Hashable, Iterable

_LEAST = 1 << 10
_CHECK = 0xFFFFFFFF


class Seen:
    """Of each key 96 bits of two hashes are kept, in tables that are two thirds full at most: 18 to 36 bytes a key.

    Two different keys with the same 96 bits are as likely in a file of five million rows as a one in 10^16.
    """

    def __init__(self, expected: int) -> None:
        """`expected`: about how many keys there will be."""
        self._count = 0
        self._make(max(_LEAST, 1 << (expected * 3 // 2).bit_length()))

    def repeated(self, keys: Iterable[Hashable]) -> list[int]:
        """Takes these in; returns the places of those among them that were there before, in order."""
        found: list[int] = []
        for place, key in enumerate(keys):
            if self._count * 3 >= len(self._marks) * 2:
                self._grow()
            # The hash of another text, since one that is derived from the first tells nothing more.
            if not self._put(hash(key) or 1, hash(repr(key)) & _CHECK):
                found.append(place)
        return found

    def _put(self, mark: int, check: int) -> bool:
        """False: it is there already."""
        marks, checks, last = self._marks, self._checks, len(self._marks) - 1
        at = mark & last
        while known := marks[at]:
            if known == mark and checks[at] == check:
                return False
            at = (at + 1) & last
        marks[at], checks[at] = mark, check
        self._count += 1
        return True

    def _make(self, size: int) -> None:
        self._marks, self._checks = array("q", [0]) * size, array("I", [0]) * size

    def _grow(self) -> None:
        before = zip(self._marks, self._checks, strict=True)
        self._make(len(self._marks) * 2)
        self._count = 0
        for mark, check in before:
            if mark:
                self._put(mark, check)
