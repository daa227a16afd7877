"""Sets of 64-bit hashes, in some ten bytes each: what is known of many people, without the values themselves.

Python's own hash of a text is another one in each process, so a hash that gets out says nothing. Hashes are joined by
sums and products modulo 2**64, which numpy works out for a whole column at once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HALF, _ALL = 1 << 63, (1 << 64) - 1
_SPARSE = 4  # bytes of the filter for each hash: of those that are not there one in four or more is looked for in vain
FACTOR = 0x9E3779B97F4A7C15 - (1 << 64)
"""Odd, and without a pattern in its bits; as int64 holds it."""


def wrapped(number: int) -> int:
    """The number as int64 holds it after an overflow."""
    return ((number + _HALF) & _ALL) - _HALF


def in_order(hashes: Iterable[int]) -> int:
    """One hash for several that stand in this order."""
    joined = 0
    for one in hashes:
        joined = joined * FACTOR + one
    return wrapped(joined)


def hashes_of(texts: Iterable[str], count: int) -> NDArray[np.int64]:
    """int64[count]: the hash of each text."""
    return np.fromiter(map(hash, texts), np.int64, count)


class Hashes:
    """A set to which much is added first, then `settle` is called once, and then it is asked. Then safe for threads."""

    def __init__(self) -> None:
        self._few: set[int] = set()
        self._many: list[NDArray[np.int64]] = []
        self._sorted: Any = memoryview(b"").cast("q")
        self._filter = b"\0"
        self._mask = 0

    def __len__(self) -> int:
        return len(self._sorted)

    def __contains__(self, one: int) -> bool:
        if not self._filter[one & self._mask]:
            return False
        place = bisect_left(self._sorted, one)
        return place < len(self._sorted) and self._sorted[place] == one

    def add(self, one: int) -> None:
        """Take in one hash."""
        self._few.add(one)

    def extend(self, many: NDArray[np.int64]) -> None:
        """Take in many hashes, some of which may be the same."""
        self._many.append(many)

    def settle(self) -> None:
        """From now on what was taken in is found."""
        few = np.fromiter(self._few, np.int64, len(self._few))
        known: Any = np.concatenate([few, *self._many])
        known.sort()
        known = known[np.append(known[1:] != known[:-1], True)] if len(known) else known
        size = 1 << int(len(known) * _SPARSE).bit_length()
        there = np.zeros(size, dtype=np.uint8)
        there[known & (size - 1)] = 1
        self._sorted, self._filter, self._mask = memoryview(known), there.tobytes(), size - 1
        self._few, self._many = set(), []
