"""Noise: how far a mean over a few queries can be trusted, and whether two systems differ by more than that.

Means carry a percentile bootstrap interval (Efron & Tibshirani 1993, "An introduction to the bootstrap", chapter 13),
differences of two systems a paired one (Sakai 2006, "Evaluating evaluation metrics based on the bootstrap", SIGIR).
Shares of yes and no carry a Wilson score interval (Wilson 1927, JASA 22), for the bootstrap of 30 times yes has no
width.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.errors import InvalidError

RESAMPLES = 10_000
SEED = 7
LEVEL = 0.95
Verdict = Literal["better", "worse", "no difference within noise"]

_BLOCK = 4_000_000  # numbers drawn at once: 32 MB


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over ``count`` queries with the interval in which it lies with the level of confidence asked for."""

    mean: float
    low: float
    high: float
    count: int

    def to_dict(self) -> dict[str, float | int]:
        """JSON form."""
        return {"mean": self.mean, "low": self.low, "high": self.high, "count": self.count}

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f} {self.high:.3f}]"


def bootstrap(values: ArrayLike, *, resamples: int = RESAMPLES, seed: int = SEED, level: float = LEVEL) -> Interval:
    """The mean of float64[n] values and its percentile bootstrap interval; raises InvalidError when n is 0.

    Below about 20 values, or when nearly all are equal, the interval is too narrow: it knows only what it saw.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or not len(sample):
        raise InvalidError(f"A mean needs one value at least; the shape is {sample.shape}.")
    low, high = np.quantile(_means(sample, resamples, seed), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(sample.mean()), float(low), float(high), len(sample))


def _means(sample: NDArray[np.float64], resamples: int, seed: int) -> NDArray[np.float64]:
    """float64[resamples]: means of samples of the same size, drawn with replacement."""
    rng, n = np.random.default_rng(seed), len(sample)
    rows = max(_BLOCK // n, 1)
    sizes = [min(rows, resamples - start) for start in range(0, resamples, rows)]
    return np.concatenate([sample[rng.integers(n, size=(size, n))].mean(axis=1) for size in sizes])


def share(values: ArrayLike, *, level: float = LEVEL) -> Interval:
    """The share of ones among n zeros and ones and its Wilson score interval; raises InvalidError when n is 0."""
    sample = np.asarray(values, dtype=np.float64)
    n = len(sample)
    if not n:
        raise InvalidError("A share needs one value at least.")
    p, z = float(sample.mean()), NormalDist().inv_cdf((1 + level) / 2)
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Interval(p, min(max(middle - half, 0.0), p), max(min(middle + half, 1.0), p), n)


def paired(
    ours: ArrayLike, theirs: ArrayLike, *, resamples: int = RESAMPLES, seed: int = SEED, level: float = LEVEL
) -> tuple[Interval, Verdict]:
    """Mean of ours − theirs (float64[n] each, same queries in the same order) with its interval; "better" when all of
    it is above 0, "worse" when all is below. Raises InvalidError when the lengths differ or are 0.
    """
    a, b = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    if a.shape != b.shape:
        raise InvalidError(f"A paired comparison needs the same queries on both sides, not {a.shape} and {b.shape}.")
    by = bootstrap(a - b, resamples=resamples, seed=seed, level=level)
    if by.low > 0:
        return by, "better"
    return by, "worse" if by.high < 0 else "no difference within noise"
