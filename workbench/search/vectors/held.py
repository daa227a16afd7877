"""Held: vectors in memory that grow while others read them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.search.vectors.distance import row_norms
from workbench.search.vectors.scan import Block, Blocks

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MemoryRows:
    """The first ``count`` rows of growing arrays. Arrays are only ever written beyond every published count."""

    count: int
    vectors: NDArray[np.float32]
    norms: NDArray[np.float64]
    ids: Ids
    alive: NDArray[np.bool_] | None  # None: all; never changed in place

    @classmethod
    def empty(cls, dimension: int, capacity: int = 0) -> MemoryRows:
        """No rows yet, room for ``capacity``."""
        return cls(
            0, np.empty((capacity, dimension), np.float32), np.empty(capacity), np.empty(capacity, np.int64), None
        )

    def blocks(self) -> Blocks:
        """The rows as one block."""
        block = Block(self.vectors[: self.count], self.norms[: self.count])
        return Blocks(self.vectors.shape[1], (block,) if self.count else ())

    def matching(self, allowed: Ids | None) -> Ids | None:
        """Places of the living rows whose ids are ``allowed`` (ascending), or None when that is all rows."""
        if allowed is None:
            return None if self.alive is None else np.flatnonzero(self.alive)
        inside = np.isin(self.ids[: self.count], allowed)
        return np.flatnonzero(inside if self.alive is None else inside & self.alive)

    def without(self, rows: list[int]) -> MemoryRows:
        """The same, the rows at these places dead."""
        if not rows:
            return self
        alive = np.ones(self.count, np.bool_) if self.alive is None else self.alive.copy()
        alive[rows] = False
        return MemoryRows(self.count, self.vectors, self.norms, self.ids, alive)

    def plus(self, ids: Ids, vectors: NDArray[np.float32]) -> MemoryRows:
        """The same and (n, d) ``vectors`` under ``ids``; copied when there is no room."""
        end = self.count + len(ids)
        rows = self if end <= len(self.ids) else self._copy(np.arange(self.count), max(end, 2 * len(self.ids)))
        new = slice(self.count, end)
        rows.vectors[new], rows.norms[new], rows.ids[new] = vectors, row_norms(vectors), ids
        alive = None if self.alive is None else np.concatenate([self.alive, np.ones(len(ids), np.bool_)])
        return MemoryRows(end, rows.vectors, rows.norms, rows.ids, alive)

    def packed(self) -> MemoryRows:
        """A copy without the dead rows."""
        kept = np.arange(self.count) if self.alive is None else np.flatnonzero(self.alive)
        return self._copy(kept, len(kept))

    def _copy(self, kept: Ids, capacity: int) -> MemoryRows:
        out = MemoryRows.empty(self.vectors.shape[1], capacity)
        n = len(kept)
        out.vectors[:n], out.norms[:n], out.ids[:n] = self.vectors[kept], self.norms[kept], self.ids[kept]
        return MemoryRows(n, out.vectors, out.norms, out.ids, None)
