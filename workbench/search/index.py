"""Indexes: vectors in, the nearest of them out.

``Index`` is what a search needs, ``GrowingIndex`` adds what a caller with vectors of his own needs. Ids are int64 here;
a corpus and a named index map their rows and public ids to them. Every implementation keeps the laws of
``tests/laws/test_index_laws.py``: no answer shorter than min(k, allowed rows), distances from the one kernel, nearest
first, ties by id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.errors import InvalidError
from workbench.search.distance import Distance, check_distance, check_vector, check_vectors, row_norms
from workbench.search.scan import Block, Blocks, ascending, nearest

Ids = NDArray[np.int64]

_MAX_ID = np.iinfo(np.int64).max
DEFAULT_K = 10
MAX_K = 1000
"""The most a door (HTTP, MCP) hands out at once; in process k is bounded by the rows alone."""


@dataclass(frozen=True, slots=True)
class Neighbors:
    """Nearest first, ties by id: ``ids`` (n,) int64 and their ``distances`` (n,) float64."""

    ids: Ids
    distances: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ids)


class Index(Protocol):
    """Vectors that can be searched."""

    @property
    def dimension(self) -> int:
        """Length of every vector."""

    @property
    def distance(self) -> Distance:
        """The measure, fixed when the index is made."""

    def __len__(self) -> int: ...

    def search(
        self, vector: ArrayLike, k: int = DEFAULT_K, *, allowed: Ids | None = None, ties: bool = False
    ) -> Neighbors:
        """The ``k`` nearest to ``vector`` (d,) among ``allowed`` ids (any order, unknown ones passed over; None: all).

        With ``ties`` also every id exactly as far as the last one, so the result may be longer than ``k``. Raises
        DimensionError for another length; InvalidError for k < 1, NaN, infinity and, under cosine, the zero vector.
        """


class GrowingIndex(Index, Protocol):
    """An index that takes vectors."""

    def add(self, ids: Sequence[int] | Ids, vectors: ArrayLike) -> int:
        """Add ``vectors`` (n, d) under ``ids``, all or none; returns how many ids are new.

        An id twice in one batch: the last wins. An id that is there already: replaced. Raises InvalidError for a bad
        vector (NaN, infinity, under cosine zero), an id that is no int64, or unequal counts; DimensionError.
        """

    def remove(self, ids: Sequence[int] | Ids) -> int:
        """Remove ``ids``, passing over unknown ones; returns how many were there."""


class BlockIndex:
    """Exact scan over unit vectors that lie elsewhere (a slab); the ids are their row numbers. Read-only."""

    distance: Distance = "cosine"

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self.dimension = blocks.dimension

    def __len__(self) -> int:
        return len(self._blocks)

    def search(
        self, vector: ArrayLike, k: int = DEFAULT_K, *, allowed: Ids | None = None, ties: bool = False
    ) -> Neighbors:
        """As ``Index.search``."""
        query, k = _checked(vector, k, self)
        rows = None if allowed is None else ascending(_int64(allowed))
        found, far = nearest(self._blocks, query, k, self.distance, rows)
        return _ranked(found, far, k, ties=ties)


class ExactIndex:
    """Exact scan over vectors held in memory, stored as given in float32.

    Safe for threads: a search works on the rows that were there when it began and waits for nobody; writers take turns.
    A replaced or removed row stays in memory until half of the rows are such, then all are copied once.
    """

    def __init__(self, dimension: int, distance: Distance = "cosine") -> None:
        if isinstance(dimension, bool) or not isinstance(dimension, int) or dimension < 1:
            raise InvalidError(f"The dimension must be a whole number above 0, not {dimension!r}.")
        self.dimension = dimension
        self.distance: Distance = check_distance(distance)
        self._writer = Lock()
        self._rows = _Rows.empty(dimension)
        self._place: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._place)

    def add(self, ids: Sequence[int] | Ids, vectors: ArrayLike) -> int:
        """As ``GrowingIndex.add``."""
        wanted = _int64(ids)
        matrix = check_vectors(vectors, dimension=self.dimension, distance=self.distance, what="index")
        if len(wanted) != len(matrix):
            raise InvalidError(f"{len(wanted)} ids came with {len(matrix)} vectors.", hint="Nothing was added.")
        if not len(wanted):
            return 0
        last = {key: row for row, key in enumerate(wanted.tolist())}
        picked = np.fromiter(last.values(), np.int64, len(last))
        with self._writer:
            before = len(self._place)
            old = [self._place[key] for key in last if key in self._place]
            start = self._rows.count
            self._rows = self._rows.without(old).plus(wanted[picked], matrix[picked])
            self._place.update(zip(last, range(start, start + len(last)), strict=True))
            self._pack()
            return len(self._place) - before

    def remove(self, ids: Sequence[int] | Ids) -> int:
        """As ``GrowingIndex.remove``."""
        with self._writer:
            gone = [self._place.pop(key) for key in dict.fromkeys(_int64(ids).tolist()) if key in self._place]
            self._rows = self._rows.without(gone)
            self._pack()
            return len(gone)

    def search(
        self, vector: ArrayLike, k: int = DEFAULT_K, *, allowed: Ids | None = None, ties: bool = False
    ) -> Neighbors:
        """As ``Index.search``."""
        query, k = _checked(vector, k, self)
        rows = self._rows
        found = rows.matching(None if allowed is None else ascending(_int64(allowed)))
        picked, far = nearest(rows.blocks(), query, k, self.distance, found)
        return _ranked(rows.ids[picked], far, k, ties=ties)

    def _pack(self) -> None:
        if 2 * len(self._place) < self._rows.count:
            self._rows = self._rows.packed()
            self._place = {key: row for row, key in enumerate(self._rows.ids[: self._rows.count].tolist())}


@dataclass(frozen=True, slots=True)
class _Rows:
    """The first ``count`` rows of growing arrays. Arrays are only ever written beyond every published count."""

    count: int
    vectors: NDArray[np.float32]
    norms: NDArray[np.float64]
    ids: Ids
    alive: NDArray[np.bool_] | None  # None: all; never changed in place

    @classmethod
    def empty(cls, dimension: int, capacity: int = 0) -> _Rows:
        return cls(
            0, np.empty((capacity, dimension), np.float32), np.empty(capacity), np.empty(capacity, np.int64), None
        )

    def blocks(self) -> Blocks:
        block = Block(self.vectors[: self.count], self.norms[: self.count])
        return Blocks(self.vectors.shape[1], (block,) if self.count else ())

    def matching(self, allowed: Ids | None) -> Ids | None:
        if allowed is None:
            return None if self.alive is None else np.flatnonzero(self.alive)
        inside = np.isin(self.ids[: self.count], allowed)
        return np.flatnonzero(inside if self.alive is None else inside & self.alive)

    def without(self, rows: list[int]) -> _Rows:
        if not rows:
            return self
        alive = np.ones(self.count, np.bool_) if self.alive is None else self.alive.copy()
        alive[rows] = False
        return _Rows(self.count, self.vectors, self.norms, self.ids, alive)

    def plus(self, ids: Ids, vectors: NDArray[np.float32]) -> _Rows:
        end = self.count + len(ids)
        rows = self if end <= len(self.ids) else self._copy(np.arange(self.count), max(end, 2 * len(self.ids)))
        new = slice(self.count, end)
        rows.vectors[new], rows.norms[new], rows.ids[new] = vectors, row_norms(vectors), ids
        alive = None if self.alive is None else np.concatenate([self.alive, np.ones(len(ids), np.bool_)])
        return _Rows(end, rows.vectors, rows.norms, rows.ids, alive)

    def packed(self) -> _Rows:
        kept = np.arange(self.count) if self.alive is None else np.flatnonzero(self.alive)
        return self._copy(kept, len(kept))

    def _copy(self, kept: Ids, capacity: int) -> _Rows:
        out = _Rows.empty(self.vectors.shape[1], capacity)
        n = len(kept)
        out.vectors[:n], out.norms[:n], out.ids[:n] = self.vectors[kept], self.norms[kept], self.ids[kept]
        return _Rows(n, out.vectors, out.norms, out.ids, None)


def _checked(vector: ArrayLike, k: int, index: Index) -> tuple[NDArray[np.float32], int]:
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise InvalidError(f"k must be a whole number above 0, not {k!r}.", hint=f"The usual k is {DEFAULT_K}.")
    return check_vector(vector, dimension=index.dimension, distance=index.distance, what="index"), int(k)


def _int64(ids: Sequence[int] | Ids) -> Ids:
    array = np.asarray(ids)
    if array.size == 0:
        return np.empty(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu" or (array.dtype.kind == "u" and array.max() > _MAX_ID):
        raise InvalidError("Ids of an index are whole numbers that fit int64, in one list.", hint="Nothing was done.")
    return array.astype(np.int64)


def _ranked(ids: Ids, far: NDArray[np.float64], k: int, *, ties: bool) -> Neighbors:
    order = np.lexsort((ids, far))
    if not ties:
        order = order[:k]
    return Neighbors(ids[order], far[order])
