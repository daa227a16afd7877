"""Distances between vectors: three measures, one kernel, and the checks that a vector must pass."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.errors import DimensionError, InvalidError

Distance = Literal["cosine", "euclidean", "dot"]
"""How far two vectors are apart: cosine = 1 − cos (0 … 2) · euclidean = |x − q| · dot = 1 − x·q, any real number."""

_KERNEL_ROWS = 2048
_sums = np.add.reduce


def check_distance(name: str) -> Distance:
    """``name`` as a Distance; raises InvalidError for any other word."""
    for known in get_args(Distance):
        if name == known:
            return known  # type: ignore[no-any-return]
    raise InvalidError(f"There is no distance {name!r}.", hint=f"One of: {', '.join(get_args(Distance))}.")


def check_vectors(vectors: ArrayLike, *, dimension: int, distance: Distance, what: str) -> NDArray[np.float32]:
    """``vectors`` as a C-contiguous float32 matrix (n, dimension).

    ``what`` names the caller's thing in messages, for example ``"index"``. Raises DimensionError for another length,
    InvalidError for what is not a matrix of numbers, for NaN, for infinity (also when a number is too large for
    float32), and under cosine for a zero vector.
    """
    return _checked(_numbers(vectors, 2), dimension, distance, what)


def check_vector(vector: ArrayLike, *, dimension: int, distance: Distance, what: str) -> NDArray[np.float32]:
    """``vector`` as float32 (dimension,); the rules and errors are those of ``check_vectors``."""
    row: NDArray[np.float32] = _checked(_numbers(vector, 1)[None], dimension, distance, what)[0]
    return row


def _checked(matrix: NDArray[np.float32], dimension: int, distance: Distance, what: str) -> NDArray[np.float32]:
    if len(matrix) and matrix.shape[1] != dimension:
        raise DimensionError(
            f"The {what} has dimension {dimension}, the vector has {matrix.shape[1]}.",
            hint="Use the model the index was built with, or build an index for this one.",
            details={"expected": dimension, "got": matrix.shape[1]},
        )
    bad: NDArray[np.bool_] = np.logical_not(np.logical_and.reduce(np.isfinite(matrix), axis=1))
    if bad.any():
        raise InvalidError(f"Vector {_first(bad)} of {len(matrix)} holds NaN or infinity.", hint="Nothing was done.")
    zero: NDArray[np.bool_] = np.logical_not(matrix.any(axis=1))
    if distance == "cosine" and zero.any():
        raise InvalidError(
            f"Vector {_first(zero)} of {len(matrix)} is zero: it has no direction, so no cosine.",
            hint="Nothing was done. Leave the vector out, or use euclidean.",
        )
    return matrix


def distances(vectors: NDArray[np.float32], query: NDArray[np.float32], distance: Distance) -> NDArray[np.float64]:
    """Distance of each row of ``vectors`` (n, d) to ``query`` (d,), float64.

    The one kernel behind every returned distance. The bits of a row depend on that row and the query alone, never on
    its neighbours, its place, or n: products and differences are formed in float64 (a product of two float32 is exact
    there) and each row is summed by itself in numpy's pairwise order.
    """
    if len(vectors) <= _KERNEL_ROWS:
        return _distances(vectors, query, distance)
    out = np.empty(len(vectors), np.float64)
    for start in range(0, len(vectors), _KERNEL_ROWS):
        out[start : start + _KERNEL_ROWS] = _distances(vectors[start : start + _KERNEL_ROWS], query, distance)
    return out


def row_norms(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Length of each row of ``vectors`` (n, d), float64, by the kernel's own summation."""
    out = np.empty(len(vectors), np.float64)
    for start in range(0, len(vectors), _KERNEL_ROWS):
        rows = vectors[start : start + _KERNEL_ROWS].astype(np.float64, order="C")
        out[start : start + len(rows)] = _norms(rows)
    return out


def _distances(vectors: NDArray[np.float32], query: NDArray[np.float32], distance: Distance) -> NDArray[np.float64]:
    # A search hands in a dozen rows: what counts then is how few steps there are, so the query goes with the rows.
    count = len(vectors)
    wide = np.empty((count + 1, len(query)), np.float64)
    wide[:count], wide[count] = vectors, query
    rows, last = wide[:count], wide[count]
    if distance == "euclidean":
        rows -= last
        return _norms(rows)
    far: NDArray[np.float64] = _sums(rows * last, axis=1)
    if distance == "dot":
        return np.subtract(1.0, far, out=far)
    lengths = _norms(wide)
    far /= lengths[:count] * lengths[count]
    np.subtract(1.0, far, out=far)
    np.maximum(far, 0.0, out=far)  # np.clip takes four times as long for a dozen
    return np.minimum(far, 2.0, out=far)


def _norms(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lengths of ``rows``, which are overwritten."""
    rows *= rows
    squares: NDArray[np.float64] = _sums(rows, axis=1)
    return np.sqrt(squares, out=squares)


def _numbers(vectors: ArrayLike, axes: int) -> NDArray[np.float32]:
    try:
        given: NDArray[Any] = np.asarray(vectors)
    except ValueError as error:  # rows of several lengths
        raise InvalidError("The vectors are not all of one length.", hint="Nothing was done.") from error
    if given.shape == (0,):
        given = given.reshape((0,) * axes)
    if given.ndim != axes or given.dtype.kind not in "fiu":
        wanted = "a list of numbers" if axes == 1 else "a list of lists of numbers, or a matrix (vectors, dimension)"
        raise InvalidError(f"Expected {wanted}; got {given.ndim} axes of {given.dtype}.", hint="Nothing was done.")
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite and is refused as such
        return np.ascontiguousarray(given, dtype=np.float32)


def _first(flags: NDArray[np.bool_]) -> int:
    return int(np.flatnonzero(flags)[0]) + 1
