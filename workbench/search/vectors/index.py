"""Indexes: vectors in, the nearest of them out.

``Index`` is what a search needs, ``GrowingIndex`` adds what a caller with vectors of his own needs. Ids are int64 here;
a corpus and a named index map their rows and public ids to them. Every implementation keeps the laws of
``tests/laws/test_index_laws.py``: no answer shorter than min(k, allowed rows), distances from the one kernel, nearest
first, ties by id.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.errors import InvalidError
from workbench.search.vectors.distance import Distance, check_distance, check_vector, check_vectors
from workbench.search.vectors.held import MemoryRows
from workbench.search.vectors.scan import Blocks, ascending, nearest

Ids = NDArray[np.int64]
Allowed: TypeAlias = Ids | NDArray[np.bool_]
"""Ids, or, for an index whose ids are row numbers, a mask over its rows."""

_MAX_ID = np.iinfo(np.int64).max
DEFAULT_K = 10
MAX_K = 1000
"""The most a door (HTTP, MCP) hands out at once; in process k is bounded by the rows alone."""


PlanKind = Literal["rows", "scan", "graph", "graph, then scan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """How an answer was found.

    ``rows``: exactly, over the matching rows alone; ``scan``: exactly, in one pass over all; ``graph``: the graph, the
    filter afterwards; ``graph, then scan``: the graph gave too few matching rows, so they were scanned exactly.
    ``rows_scanned`` counts rows that were compared outside the graph; ``from_graph`` and ``from_scan`` are the parts of
    the answer; ``ef`` is the depth of the graph search, 0 without one.
    """

    kind: PlanKind
    rows_scanned: int = 0
    from_graph: int = 0
    from_scan: int = 0
    ef: int = 0


@dataclass(frozen=True, slots=True)
class Neighbors:
    """Nearest first, ties by id: ``ids`` (n,) int64 and their ``distances`` (n,) float64.

    ``plan`` says how they were found, where the index had a choice.
    """

    ids: Ids
    distances: NDArray[np.float64]
    plan: Plan | None = None

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
        self, vector: ArrayLike, k: int = DEFAULT_K, *, allowed: Allowed | None = None, ties: bool = False
    ) -> Neighbors:
        """The ``k`` nearest to ``vector`` (d,) among ``allowed`` ids (any order, unknown ones passed over; None: all).

        Where the ids are row numbers (``BlockIndex``, ``PlannedIndex``) ``allowed`` may be a mask over the rows.

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
        self, vector: ArrayLike, k: int = DEFAULT_K, *, allowed: Allowed | None = None, ties: bool = False
    ) -> Neighbors:
        """As ``Index.search``."""
        query, k = check_query(vector, k, self)
        rows = None if allowed is None else ascending(as_ids(rows_of_mask(allowed, len(self))))
        found, far = nearest(self._blocks, query, k, self.distance, rows)
        return ranked(found, far, k, ties=ties)


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
        self._rows = MemoryRows.empty(dimension)
        self._place: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._place)

    def add(self, ids: Sequence[int] | Ids, vectors: ArrayLike) -> int:
        """As ``GrowingIndex.add``."""
        batch, matrix = check_batch(ids, vectors, self)
        if not len(batch):
            return 0
        with self._writer:
            before = len(self._place)
            old = [self._place[key] for key in batch.tolist() if key in self._place]
            start = self._rows.count
            self._rows = self._rows.without(old).plus(batch, matrix)
            self._place.update(zip(batch.tolist(), range(start, start + len(batch)), strict=True))
            self._pack()
            return len(self._place) - before

    def remove(self, ids: Sequence[int] | Ids) -> int:
        """As ``GrowingIndex.remove``."""
        with self._writer:
            gone = [self._place.pop(key) for key in dict.fromkeys(as_ids(ids).tolist()) if key in self._place]
            self._rows = self._rows.without(gone)
            self._pack()
            return len(gone)

    def search(
        self, vector: ArrayLike, k: int = DEFAULT_K, *, allowed: Allowed | None = None, ties: bool = False
    ) -> Neighbors:
        """As ``Index.search``."""
        query, k = check_query(vector, k, self)
        rows = self._rows
        found = rows.matching(None if allowed is None else ascending(as_ids(allowed)))
        picked, far = nearest(rows.blocks(), query, k, self.distance, found)
        return ranked(rows.ids[picked], far, k, ties=ties)

    def _pack(self) -> None:
        if 2 * len(self._place) < self._rows.count:
            self._rows = self._rows.packed()
            self._place = {key: row for row, key in enumerate(self._rows.ids[: self._rows.count].tolist())}


def check_batch(ids: Sequence[int] | Ids, vectors: ArrayLike, index: Index) -> tuple[Ids, NDArray[np.float32]]:
    """Distinct ids (n,) and the last vector of each, float32 (n, d), or the errors that ``GrowingIndex.add`` names."""
    wanted = as_ids(ids)
    matrix = check_vectors(vectors, dimension=index.dimension, distance=index.distance, what="index")
    if len(wanted) != len(matrix):
        raise InvalidError(f"{len(wanted)} ids came with {len(matrix)} vectors.", hint="Nothing was added.")
    last = {key: row for row, key in enumerate(wanted.tolist())}
    picked = np.fromiter(last.values(), np.int64, len(last))
    return wanted[picked], matrix[picked]


def check_query(vector: ArrayLike, k: int, index: Index) -> tuple[NDArray[np.float32], int]:
    """The query as float32 (d,) and k, or the errors that ``Index.search`` names."""
    query, k, _ = sized_query(vector, k, index)
    return query, k


def sized_query(vector: ArrayLike, k: int, index: Index) -> tuple[NDArray[np.float32], int, float]:
    """As ``check_query``, with the square of the query's length."""
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise InvalidError(f"k must be a whole number above 0, not {k!r}.", hint=f"The usual k is {DEFAULT_K}.")
    if (
        type(vector) is np.ndarray
        and vector.dtype == np.float32
        and vector.shape == (index.dimension,)
        and vector.flags.c_contiguous
        and 0.0 < (size := square(vector)) < math.inf  # no NaN, no infinity, not zero: what the check would find
    ):
        return vector, int(k), size
    query = check_vector(vector, dimension=index.dimension, distance=index.distance, what="index")
    return query, int(k), square(query)


def square(vector: NDArray[np.float32]) -> float:
    """Square of the length of ``vector`` (d,): finite for finite numbers, 0 only for the zero vector."""
    wide = vector.astype(np.float64)
    return float(wide.dot(wide))


def rows_of_mask(allowed: Allowed, total: int) -> Ids:
    """``allowed``, a mask over ``total`` rows made row numbers. Raises InvalidError for a mask of another length."""
    if isinstance(allowed, np.ndarray) and allowed.dtype == np.bool_:
        check_mask(allowed, total)
        return np.flatnonzero(allowed)
    return cast(Ids, allowed)


def check_mask(mask: NDArray[Any], total: int) -> None:
    """Raise InvalidError unless ``mask`` has one entry for each of ``total`` rows."""
    if mask.shape != (total,):
        raise InvalidError(
            f"A mask of shape {mask.shape} came to an index of {total:,} rows.",
            hint="Give one True or False for each row of the index.",
        )


def as_ids(ids: Sequence[int] | Allowed) -> Ids:
    """``ids`` as int64 (n,), not copied where they are that already; raises InvalidError for anything else."""
    array = np.asarray(ids)
    if array.size == 0:
        return np.empty(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu" or (array.dtype.kind == "u" and array.max() > _MAX_ID):
        raise InvalidError("Ids of an index are whole numbers that fit int64, in one list.", hint="Nothing was done.")
    return array.astype(np.int64, copy=False)


def ranked(ids: Ids, far: NDArray[np.float64], k: int, *, ties: bool) -> Neighbors:
    """The ``k`` nearest of ``ids`` (n,) with their distances ``far`` (n,), nearest first, ties by id.

    With ``ties`` all that came: the caller gives no more than the k nearest and what is as far as the last of them.
    """
    order = np.lexsort((ids, far))
    if not ties:
        order = order[:k]
    return Neighbors(ids[order], far[order])
