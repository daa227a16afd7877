"""The exact scan: the nearest rows among vectors that lie in several blocks, in memory or mapped from disk.

Two steps. A float32 pass by matrix product bounds every row's distance from both sides and keeps the rows that could
be among the nearest; the kernel of ``distance`` then gives those few their distances. The answer is exactly what the
kernel over all rows would give, at the cost of reading each vector once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.search.vectors.distance import Distance, distances, row_norms

Rows = NDArray[np.int64]

# About 8 MB at 256 dimensions: the products of one chunk stay in the cache while they are compared.
_CHUNK_ROWS = 8192
# A gathered chunk is written and read once more, so it must fit the second-level cache.
_GATHER_ROWS = 512
# Copying the wanted rows out of a block pays off below this share of it (256 dimensions, two cores: a copied row costs
# 90 ns, a row in a full pass 25 to 38).
_GATHER_SHARE = 0.3
# Up to so many rows the kernel is asked at once: bounding them first takes longer where they lie in many blocks.
_FEW_ROWS = 1024
# Lengths outside this range overflow or vanish in float32 arithmetic: such rows skip the first step.
SAFE_NORM = (1e-15, 1e15)


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows: ``vectors`` (n, d) float32, C-contiguous; ``norms`` (n,) float64, or None when all have length 1."""

    vectors: NDArray[np.float32]
    norms: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class Blocks:
    """Rows numbered through several blocks, from 0; ``starts`` has one entry more than there are blocks."""

    dimension: int
    blocks: tuple[Block, ...] = ()
    starts: Rows = field(init=False)

    def __post_init__(self) -> None:
        sizes = [len(block.vectors) for block in self.blocks]
        object.__setattr__(self, "starts", np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))

    def __len__(self) -> int:
        return int(self.starts[-1])

    def take(self, rows: Rows) -> NDArray[np.float32]:
        """Copies of the vectors at ``rows`` (any order, repeats allowed), shape (len(rows), dimension)."""
        if len(self.blocks) == 1:
            return self.blocks[0].vectors.take(rows, axis=0)
        out = np.empty((len(rows), self.dimension), np.float32)
        order = np.argsort(rows)
        ordered = rows[order]
        cuts = np.searchsorted(ordered, self.starts)
        for owner in np.flatnonzero(cuts[1:] > cuts[:-1]).tolist():
            here = slice(cuts[owner], cuts[owner + 1])
            out[order[here]] = self.blocks[owner].vectors[ordered[here] - self.starts[owner]]
        return out

    def parts(self, rows: Rows | None) -> Iterator[tuple[Block, int, Rows | None]]:
        """Each block with its first row number and the wanted places in it (None: all), for ascending ``rows``."""
        for block, start, end in zip(self.blocks, self.starts[:-1], self.starts[1:], strict=True):
            if rows is None:
                yield block, int(start), None
                continue
            low, high = np.searchsorted(rows, (start, end))
            if low < high:
                yield block, int(start), rows[low:high] - start


def nearest(
    blocks: Blocks, query: NDArray[np.float32], k: int, distance: Distance, rows: Rows | None = None
) -> tuple[Rows, NDArray[np.float64]]:
    """The ``k`` nearest rows to ``query`` (d,) and every row exactly as far as the last of them.

    ``rows`` limits the search to these row numbers, ascending, each once, passing over those that do not exist; None
    means all. Returns (row numbers ascending, their distances in the same order), min(k, rows) entries or more when
    there are ties. The caller has checked the query; k ≥ 1.
    """
    if rows is not None and len(rows) <= _FEW_ROWS:
        found = rows[slice(*np.searchsorted(rows, (0, len(blocks))))]
    else:
        found = _candidates(blocks, query, k, distance, rows)
    if not len(found):
        return found, np.empty(0, np.float64)
    exact = distances(blocks.take(found), query, distance)
    if len(found) > k:
        keep = exact <= np.partition(exact, k - 1)[k - 1]
        found, exact = found[keep], exact[keep]
    return found, exact


def _candidates(blocks: Blocks, query: NDArray[np.float32], k: int, distance: Distance, rows: Rows | None) -> Rows:
    bounds = _Bounds(query, distance)
    running = Running(k)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows has no usable bound and is kept
        for block, start, wanted in blocks.parts(rows):
            for places, dots in _dots(block.vectors, bounds.direction, wanted):
                likeness, slack = bounds.of(dots, None if block.norms is None else block.norms[places])
                rows_of = places.start + start if isinstance(places, slice) else places + start
                running.offer(rows_of, likeness, slack)
    return running.rows()


def _dots(
    vectors: NDArray[np.float32], direction: NDArray[np.float32], wanted: Rows | None
) -> Iterator[tuple[slice | Rows, NDArray[np.float32]]]:
    """Products of the wanted rows with ``direction``, chunk by chunk, with the places they belong to."""
    if wanted is not None and len(wanted) < _GATHER_SHARE * len(vectors):
        for low in range(0, len(wanted), _GATHER_ROWS):
            here = wanted[low : low + _GATHER_ROWS]
            yield here, vectors.take(here, axis=0) @ direction
        return
    for low in range(0, len(vectors), _CHUNK_ROWS):
        chunk = slice(low, min(low + _CHUNK_ROWS, len(vectors)))
        dots = vectors[chunk] @ direction
        if wanted is None:
            yield chunk, dots
        else:
            here = wanted[slice(*np.searchsorted(wanted, (chunk.start, chunk.stop)))]
            yield here, dots[here - low]


class _Bounds:
    """Likeness (larger is nearer) of rows to one query from float32 products, with how far it may be off.

    The error of a float32 sum of d products is below d·2⁻²⁴·|x||q| whatever the order (Higham, Accuracy and Stability
    of Numerical Algorithms, 3.1); some more is added for the rounding of the query and of stored unit rows.
    """

    def __init__(self, query: NDArray[np.float32], distance: Distance) -> None:
        norm = float(row_norms(query[None])[0])
        self._distance = distance
        self._norm = norm
        self._rate = (len(query) + 16) * 2.0**-23
        self._usable = norm == 0 or SAFE_NORM[0] <= norm <= SAFE_NORM[1]
        self.direction = (query / norm).astype(np.float32) if self._usable and norm else np.zeros_like(query)

    def of(
        self, dots: NDArray[np.float32], norms: NDArray[np.float64] | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | float]:
        """(likeness, slack) of each row; slack is infinite where float32 says nothing."""
        if not self._usable:
            return np.zeros(len(dots)), np.inf
        if norms is None:
            return self._likeness(dots.astype(np.float64), 1.0), self._slack(1.0)
        fine = (norms == 0) | ((norms >= SAFE_NORM[0]) & (norms <= SAFE_NORM[1]))
        lengths = np.where(fine, norms, 1.0)
        likeness = self._likeness(np.where(fine, dots, 0.0).astype(np.float64), lengths)
        return likeness, np.where(fine, self._slack(lengths), np.inf)

    def _likeness(self, dots: NDArray[np.float64], norms: NDArray[np.float64] | float) -> NDArray[np.float64]:
        if self._distance == "cosine":
            return dots / norms
        if self._distance == "dot":
            return dots * self._norm
        return 2.0 * self._norm * dots - np.square(norms)

    def _slack(self, norms: NDArray[np.float64] | float) -> NDArray[np.float64] | float:
        if self._distance == "cosine":
            return self._rate
        if self._distance == "dot":
            return self._rate * self._norm * norms
        return self._rate * np.square(norms + self._norm)


class Running:
    """Rows that may still be among the ``k`` nearest, as a scan goes on."""

    def __init__(self, k: int) -> None:
        self._k = k
        # k rows are surely at least this near. The start lies below every likeness.
        self._floor = -float(np.finfo(np.float32).max)
        self._kept: list[tuple[Rows, NDArray[Any], NDArray[Any]]] = []
        self._count = 0

    def offer(
        self,
        rows: Rows | int,
        likeness: NDArray[Any],
        slack: NDArray[Any] | float,
        wanted: NDArray[np.bool_] | None = None,
    ) -> None:
        """Take in ``rows`` (n,), or those from a number on, whose true likeness lies within ``slack`` of ``likeness``
        (n,), larger being nearer; of these the ``wanted`` (n,) ones (None: all).
        """
        near = likeness + slack >= self._floor
        if wanted is not None:
            near &= wanted
        keep = near.nonzero()[0]
        if not len(keep):
            return
        likeness = likeness[keep]
        best = likeness + (slack[keep] if isinstance(slack, np.ndarray) else slack)
        numbers = rows[keep] if isinstance(rows, np.ndarray) else keep + rows
        self._kept.append((numbers, 2.0 * likeness - best, best))
        self._count += len(keep)
        if self._count > 4 * self._k + 1024:
            self._settle()

    def join(self, other: Running) -> None:
        """Take over what ``other``, a scan of other rows for the same k, still holds."""
        self._kept += other._kept
        self._floor = max(self._floor, other._floor)
        self._count += other._count

    def rows(self) -> Rows:
        """The rows that are left, ascending."""
        self._settle()
        return np.sort(self._kept[0][0]) if self._kept else np.empty(0, np.int64)

    def _settle(self) -> None:
        if not self._kept:
            return
        rows, worst, best = (np.concatenate(part) for part in zip(*self._kept, strict=True))
        if len(rows) > self._k:
            self._floor = max(self._floor, float(np.partition(worst, -self._k)[-self._k]))
            keep = best >= self._floor
            rows, worst, best = rows[keep], worst[keep], best[keep]
        self._kept, self._count = [(rows, worst, best)], len(rows)


def ascending(numbers: Rows) -> Rows:
    """``numbers`` in ascending order, each once; free of work when they are so already, as SQL often returns them."""
    if (numbers[1:] > numbers[:-1]).all():
        return numbers
    ordered = np.sort(numbers)
    first = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]
