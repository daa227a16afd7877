"""Codes: unit vectors in one byte a number, for a scan that reads a quarter of the memory and is still exact.

Each row is its direction divided by a scale of its own and rounded to int8; what rounding took away has a known
length, the row's *residual*. The query is split into two such codes, the second for what the first left, so that next
to nothing of it is lost. Then ``x·q = scale · (codes · query codes)`` up to ``residual + the query's own residual``
(Cauchy and Schwarz), which gives each row's cosine from both sides. The rows that could be among the nearest, some
dozens of 100,000, go on to the float32 scan and to the kernel: the answer is bit for bit that of ``scan.nearest``.

The products come from numkong (integer dot products, without the GIL). Measured on two Zen 4 cores, 100,000 rows of 256
numbers: one pass 1.4 ms, the float32 product 16 ms.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.search.vectors.scan import Blocks, Rows, Running, nearest

# Products of two int8 codes are summed in int32.
_MAX_DIMENSION = (2**31 - 1) // 127**2
# Float32 rounding of a cosine that was put together from two products, three factors and a residual: at most 2⁻²⁴ for
# each of nine steps on numbers below 2.1.
_ROUNDING = 9 * 2.1 * 2.0**-24
_ENCODE_ROWS = 1024
# The first chunk is short: its best rows already shut out most of what follows.
_FIRST_ROWS, _CHUNK_ROWS = 2048, 16384
_GATHER_ROWS = 2048
# Copying the wanted codes out pays off below this share: a copied row costs 45 ns, a row in a full pass 14.
_GATHER_SHARE = 0.25
_LINE = 64  # bytes
# Below so many rows a second thread costs more than it brings.
_TWO_THREADS_FROM = 60_000

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Codes:
    """Codes of the rows of a ``Blocks`` of unit vectors, in the same order.

    ``codes`` (n, d) int8; ``scales`` (n,) float32; ``residuals`` (n,) float32, rounded up. Derived; never changed.
    """

    codes: NDArray[np.int8]
    scales: NDArray[np.float32]
    residuals: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.codes)

    def extended(self, blocks: Blocks) -> Codes:
        """These codes with those of the rows that ``blocks`` has beyond them."""
        if len(blocks) <= len(self):
            return self
        parts = [self, *_encoded(blocks, len(self))]
        return Codes(
            np.concatenate([part.codes for part in parts], out=_room(len(blocks), blocks.dimension)),
            np.concatenate([part.scales for part in parts]),
            np.concatenate([part.residuals for part in parts]),
        )

    def settled(self) -> Codes:
        """These codes where a pass over them is fastest; they may have been read into any place."""
        room = _room(*self.codes.shape)
        np.copyto(room, self.codes)
        return Codes(room, self.scales, self.residuals)


def codes_work(dimension: int) -> bool:
    """Whether vectors of this length can be scanned by codes here: numkong is there and the sums fit."""
    return dimension <= _MAX_DIMENSION and find_spec("numkong") is not None


def encode(blocks: Blocks) -> Codes | None:
    """Codes of all rows of ``blocks`` (unit vectors), or None where ``codes_work`` says no. About 2 s a million."""
    if not codes_work(blocks.dimension):
        return None
    none = Codes(np.empty((0, blocks.dimension), np.int8), np.empty(0, np.float32), np.empty(0, np.float32))
    return none.extended(blocks)


@dataclass(slots=True)
class Seen:
    """The cosines that a pass over all rows left, for further searches of the same query among the rows that this one
    could return: they look up what they need. Empty until such a pass was made.
    """

    cosines: NDArray[np.float32] | None = None


def nearest_by_codes(
    codes: Codes,
    blocks: Blocks,
    query: NDArray[np.float32],
    k: int,
    rows: Rows | None = None,
    mask: Mask | None = None,
    seen: Seen | None = None,
) -> tuple[Rows, NDArray[np.float64]]:
    """As ``scan.nearest`` under cosine, the same bits. ``blocks`` are the unit vectors that ``codes`` were made of.

    The search is limited to ``rows`` (row numbers, ascending, each once) or to the True places of ``mask`` (n,); with
    neither it goes over all.
    """
    return nearest(blocks, query, k, "cosine", candidates(codes, query, k, rows, mask, seen))


def candidates(
    codes: Codes,
    query: NDArray[np.float32],
    k: int,
    rows: Rows | None = None,
    mask: Mask | None = None,
    seen: Seen | None = None,
) -> Rows:
    """Row numbers, ascending, among which the ``k`` nearest surely are, and all that are as far as the last of them."""
    probe = _Probe.of(query)
    if rows is not None:
        if seen is not None and seen.cosines is not None:
            return _looked_up(codes, probe, k, rows, seen.cosines)
        if len(rows) < _GATHER_SHARE * len(codes):
            return _gathered(codes, probe, k, rows)
        mask = _mask(rows, len(codes))
    left = None if seen is None else np.empty(len(codes), np.float32)
    # Each half keeps what may be among its own k nearest, so the two together hold the k nearest of all.
    half = len(codes) // 2 if len(codes) >= _TWO_THREADS_FROM else 0
    other = _second_thread().submit(_passed, codes, probe, k, mask, left, (0, half)) if half else None
    mine = _passed(codes, probe, k, mask, left, (half, len(codes)))
    if other is not None:
        mine.join(other.result())
    if seen is not None:
        seen.cosines = left
    return mine.rows()


@dataclass(frozen=True, slots=True)
class _Probe:
    """A query direction as two codes: ``first`` · codes₁ + ``second`` · codes₂, off by ``residual`` at most."""

    packed: Any  # numkong's packed matrix (2, d)
    first: np.float32
    second: np.float32
    residual: float

    @classmethod
    def of(cls, query: NDArray[np.float32]) -> _Probe:
        import numkong

        wide = query.astype(np.float64)
        wide /= np.abs(wide).max()
        wide /= np.sqrt(wide @ wide)
        left, pair, scales = wide, [], []
        for _ in range(2):
            scale = np.float32(np.abs(left).max() / 127 or 1.0)
            code = np.clip(np.rint(left / scale), -127, 127)
            left = left - code * float(scale)
            pair.append(code.astype(np.int8))
            scales.append(scale)
        return cls(numkong.dots_pack(np.stack(pair)), scales[0], scales[1], float(np.sqrt(left @ left)))

    def cosines(self, codes: NDArray[np.int8], scales: NDArray[np.float32], room: Any) -> NDArray[np.float32]:
        import numkong

        numkong.dots_packed(codes, self.packed, out=room)
        dots: NDArray[np.int32] = np.asarray(room)
        out = dots[:, 0].astype(np.float32)
        out *= self.first
        second = dots[:, 1].astype(np.float32)
        second *= self.second
        out += second
        out *= scales
        return out

    @property
    def slack(self) -> np.float32:
        # |scale · codes| is at most 1 + the row's residual, which is below 1 for d ≤ 64,000 and small in practice.
        return np.float32(2.0 * self.residual + _ROUNDING)


def _passed(
    codes: Codes, probe: _Probe, k: int, mask: Mask | None, left: NDArray[np.float32] | None, span: tuple[int, int]
) -> Running:
    running = Running(k)
    for chunk, room in _chunks(*span, _FIRST_ROWS, _CHUNK_ROWS):
        wanted = None if mask is None else mask[chunk]
        if wanted is not None and not wanted.any():
            continue
        cosines = probe.cosines(codes.codes[chunk], codes.scales[chunk], room)
        if left is not None:
            left[chunk] = cosines
        running.offer(chunk.start, cosines, codes.residuals[chunk] + probe.slack, wanted)
    return running


def _looked_up(codes: Codes, probe: _Probe, k: int, rows: Rows, cosines: NDArray[np.float32]) -> Rows:
    running = Running(k)
    running.offer(rows, cosines.take(rows), codes.residuals.take(rows) + probe.slack)
    return running.rows()


def _gathered(codes: Codes, probe: _Probe, k: int, rows: Rows) -> Rows:
    running = Running(k)
    for chunk, room in _chunks(0, len(rows), _GATHER_ROWS, _GATHER_ROWS):
        here = rows[chunk]
        cosines = probe.cosines(codes.codes.take(here, axis=0), codes.scales.take(here), room)
        running.offer(here, cosines, codes.residuals.take(here) + probe.slack)
    return running.rows()


def _chunks(start: int, end: int, first: int, size: int) -> Iterator[tuple[slice, Any]]:
    """Places ``start`` … ``end`` piece by piece, each with a numkong tensor (rows, 2) for its products."""
    import numkong

    room = None
    low = start
    while low < end:
        high = min(low + (first if low == start else size), end)
        if room is None or room.shape[0] != high - low:
            room = numkong.empty((high - low, 2), dtype="int32")
        yield slice(low, high), room
        low = high


def _encoded(blocks: Blocks, start: int) -> Iterator[Codes]:
    # In float32. Sums of d squares are off by (d + 16) · 2⁻²⁴ of themselves at most, products and differences by 2⁻²⁴:
    # the residual is widened by all of it, so the bound stays one.
    rate = (blocks.dimension + 16) * 2.0**-24
    for low in range(start, len(blocks), _ENCODE_ROWS):
        rows = blocks.take(np.arange(low, min(low + _ENCODE_ROWS, len(blocks))))
        lengths = _lengths(rows)
        steps = np.maximum(rows.max(axis=1), -rows.min(axis=1)) / np.float32(127)
        whole = np.rint(rows / steps[:, None])
        codes = whole.astype(np.int8)
        whole *= steps[:, None]
        rows -= whole
        residuals = _lengths(rows) / lengths * (1 + rate) + rate + 2.0**-22
        yield Codes(codes, steps / lengths, residuals.astype(np.float32))


def _lengths(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths: NDArray[np.float32] = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return lengths


def _room(count: int, dimension: int) -> NDArray[np.int8]:
    """Room for codes that begins at a cache line, from numpy, which asks for large pages: over 500,000 × 256 in memory
    that has neither a pass takes a quarter longer.
    """
    size = count * dimension
    whole = np.empty(size + _LINE, np.int8)
    start = -whole.ctypes.data % _LINE
    return whole[start : start + size].reshape(count, dimension)


def _mask(rows: Rows, count: int) -> Mask:
    mask = np.zeros(count, np.bool_)
    mask[rows] = True
    return mask


@cache
def _second_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2, thread_name_prefix="codes")
