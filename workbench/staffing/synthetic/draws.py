"""Draws: random numbers that depend on the seed, on what they are for and on the row, and on nothing else.

A sequential generator makes row 900,000 depend on every row before it. Here each number is a hash of (seed, purpose,
row): rows can be made in any order and in any chunk, the first N do not depend on how many follow, and one table can
ask again what another one drew. The hash is the finaliser of SplitMix64 (Steele, Lea, Flood: "Fast splittable
pseudorandom number generators", OOPSLA 2014) over a key from BLAKE2b; only integer arithmetic, so the same on every
platform and with every release of numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True, slots=True)
class Draws:
    """Random numbers for the rows of one generated set. ``rows`` is an int64 array; every result has its length."""

    seed: int

    def bits(self, what: str, rows: Ints) -> NDArray[np.uint64]:
        """64 random bits a row."""
        key = blake2b(f"{self.seed}:{what}".encode(), digest_size=8).digest()
        x = rows.astype(np.uint64) * _GOLDEN + np.frombuffer(key, dtype="<u8").astype(np.uint64)
        x = (x ^ (x >> np.uint64(30))) * _MIX_1
        x = (x ^ (x >> np.uint64(27))) * _MIX_2
        return x ^ (x >> np.uint64(31))

    def below(self, what: str, rows: Ints, n: int | Ints) -> Ints:
        """Integers 0 … n − 1; ``n`` (under 2³¹) may differ from row to row."""
        high = (self.bits(what, rows) >> np.uint64(32)).astype(np.uint64)
        return ((high * np.asarray(n).astype(np.uint64)) >> np.uint64(32)).astype(np.int64)

    def between(self, what: str, rows: Ints, low: int | Ints, high: int | Ints) -> Ints:
        """Integers low … high, both ends included."""
        return low + self.below(what, rows, np.asarray(high) - np.asarray(low) + 1)

    def chance(self, what: str, rows: Ints, per_mille: int | Ints) -> Flags:
        """True for so many rows in a thousand."""
        return np.asarray(self.below(what, rows, 1000) < per_mille)

    def weighted(self, what: str, rows: Ints, weights: Sequence[int]) -> Ints:
        """Codes 0 … len(weights) − 1, each as often as its weight says."""
        ends = np.cumsum(np.asarray(weights, dtype=np.int64))
        return np.searchsorted(ends, self.below(what, rows, int(ends[-1])), side="right").astype(np.int64)

    def weighted_by(self, what: str, rows: Ints, groups: Ints, weights: Ints) -> Ints:
        """The same with the weights of each row's group: int64[groups, codes]."""
        ends = np.cumsum(weights, axis=1)[groups]
        return np.asarray((self.below(what, rows, ends[:, -1])[:, None] >= ends).sum(axis=1), dtype=np.int64)
