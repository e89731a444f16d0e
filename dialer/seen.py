"""The keys that a file has had so far, in little memory: a set of millions of them takes a gigabyte."""

from array import array
from collections.abc import Iterable, Sequence

_LEAST = 1 << 10
_CHECK = 0xFFFFFFFF


class Seen:
    """Of each key 96 bits of two hashes are kept, in tables that are two thirds full at most: 18 to 36 bytes a key.

    That two different keys of a file of five million rows have the same 96 bits is as likely as one in 10^15.
    """

    def __init__(self, expected: int) -> None:
        """`expected`: about how many keys there will be."""
        self._count = 0
        self._make(max(_LEAST, 1 << (expected * 3 // 2).bit_length()))

    def repeated(self, keys: Sequence[str]) -> list[int]:
        """Takes these in; returns the places of those among them that were there before, in order."""
        while (self._count + len(keys)) * 3 > len(self._marks) * 2:
            self._grow()
        # The second hash is of another text, since what is derived from the first tells nothing more.
        return self._put((hash(key) or 1, hash(key + "\0") & _CHECK) for key in keys)

    def _put(self, pairs: Iterable[tuple[int, int]]) -> list[int]:
        marks, checks, last, found, place = self._marks, self._checks, len(self._marks) - 1, [], -1
        for place, (mark, check) in enumerate(pairs):
            at = mark & last
            while known := marks[at]:
                if known == mark and checks[at] == check:
                    found.append(place)
                    break
                at = (at + 1) & last
            else:
                marks[at], checks[at] = mark, check
        self._count += place + 1 - len(found)
        return found

    def _make(self, size: int) -> None:
        self._marks, self._checks = array("q", [0]) * size, array("I", [0]) * size

    def _grow(self) -> None:
        before = zip(self._marks, self._checks, strict=True)
        self._make(len(self._marks) * 2)
        self._count = 0
        self._put((mark, check) for mark, check in before if mark)
